//! CRC64 as Redis seals RDB files and DUMP payloads with.
//!
//! Jones polynomial 0xad93d23594c935a9, reflected, initial and final value 0. Sixteen bytes a step over sixteen
//! tables (slicing): a snapshot is summed at memory speed rather than byte by byte.

/// Sums `bytes` onto the checksum `crc` of the bytes before them; a new checksum starts at 0.
///
/// ```
/// use slotmesh_engine::rdb::crc64::crc64;
/// assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
/// ```
pub fn crc64(crc: u64, bytes: &[u8]) -> u64 {
    let mut crc = crc;
    let (blocks, rest) = bytes.as_chunks::<SLICES>();
    for block in blocks {
        crc = block_step(crc, block);
    }
    for &byte in rest {
        crc = TABLES[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    }
    crc
}

/// One step over [`SLICES`] bytes: the first eight meet the running checksum, each byte has its own table.
fn block_step(crc: u64, block: &[u8; SLICES]) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let near = u64::from_le_bytes(words[0]) ^ crc;
    let far = u64::from_le_bytes(words[1]);
    let mut next = 0;
    for at in 0..8 {
        next ^= TABLES[15 - at][usize::from((near >> (8 * at)) as u8)];
        next ^= TABLES[7 - at][usize::from((far >> (8 * at)) as u8)];
    }
    next
}

/// Bytes one step takes in. Sixteen tables of 2 KiB just fill a 32 KiB first-level cache.
const SLICES: usize = 16;

/// The reflected polynomial.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// `TABLES[n][b]` is the checksum of byte `b` followed by `n` zero bytes.
static TABLES: [[u64; 256]; SLICES] = tables();

const fn tables() -> [[u64; 256]; SLICES] {
    let mut tables = [[0_u64; 256]; SLICES];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ POLYNOMIAL };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < SLICES {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[zeros - 1][byte];
            tables[zeros][byte] = tables[0][(crc & 0xff) as usize] ^ (crc >> 8);
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::{POLYNOMIAL, crc64};

    #[test]
    fn the_check_value_of_the_format_holds() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn every_length_agrees_with_the_bitwise_definition() {
        let bytes: Vec<u8> = (0..100_u32).map(|n| (n * 37 % 251) as u8).collect();

        for len in 0..bytes.len() {
            assert_eq!(crc64(0, &bytes[..len]), bitwise(&bytes[..len]), "{len} bytes");
        }
    }

    #[test]
    fn a_sum_can_be_taken_in_parts() {
        let bytes: Vec<u8> = (0..=255).collect();

        for cut in 0..bytes.len() {
            assert_eq!(crc64(crc64(0, &bytes[..cut]), &bytes[cut..]), crc64(0, &bytes));
        }
    }

    fn bitwise(bytes: &[u8]) -> u64 {
        let mut crc = 0_u64;
        for &byte in bytes {
            crc ^= u64::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ POLYNOMIAL };
            }
        }
        crc
    }
}
