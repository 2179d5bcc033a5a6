//! Hash slots: which of the 16384 parts of the key space a key belongs to.
//!
//! Lives here: [`Slot`], the hash tag rule and CRC16. What does not: who serves a slot (that is the cluster
//! crate). Start at [`Slot::of_key`].

/// Number of hash slots in a cluster (cluster specification, "Key distribution model").
pub const SLOTS: u16 = 16384;

/// A hash slot, 0 to 16383.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Slot(u16);

impl Slot {
    /// The slot with this number, or nothing past 16383.
    pub const fn new(number: u16) -> Option<Self> {
        if number < SLOTS { Some(Self(number)) } else { None }
    }

    /// The slot of a key: CRC16 of its hash tag, or of all of it when it has none.
    ///
    /// ```
    /// use slotmesh_engine::slot::Slot;
    /// assert_eq!(Slot::of_key(b"{user1000}.following"), Slot::of_key(b"user1000"));
    /// assert_eq!(Slot::of_key(b"123456789").number(), 12739);
    /// ```
    pub fn of_key(key: &[u8]) -> Self {
        Self(crc16(hash_tag(key)) & (SLOTS - 1))
    }

    /// The slot's number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The slot's number as an index into a table of [`SLOTS`] places.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All slots in ascending order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..SLOTS).map(Self)
    }
}

/// The part of a key that decides its slot: between the first `{` and the next `}`, unless that is empty.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    let rest = &key[open + 1..];
    match memchr::memchr(b'}', rest) {
        None | Some(0) => key,
        Some(len) => &rest[..len],
    }
}

/// CRC16/XMODEM: polynomial 0x1021, no reflection, initial and final value 0.
///
/// Eight bytes a step over eight tables (slicing): `benches/slot.rs` has the figures beside the `crc16` crate's.
pub fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0_u16;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        crc = CRC16[7][usize::from(chunk[0] ^ (crc >> 8) as u8)]
            ^ CRC16[6][usize::from(chunk[1] ^ crc as u8)]
            ^ CRC16[5][usize::from(chunk[2])]
            ^ CRC16[4][usize::from(chunk[3])]
            ^ CRC16[3][usize::from(chunk[4])]
            ^ CRC16[2][usize::from(chunk[5])]
            ^ CRC16[1][usize::from(chunk[6])]
            ^ CRC16[0][usize::from(chunk[7])];
    }
    for &byte in chunks.remainder() {
        crc = (crc << 8) ^ CRC16[0][usize::from((crc >> 8) as u8 ^ byte)];
    }
    crc
}

/// `CRC16[n][b]` is the checksum of byte `b` followed by `n` zero bytes.
static CRC16: [[u16; 256]; 8] = crc16_tables();

const fn crc16_tables() -> [[u16; 256]; 8] {
    let mut tables = [[0_u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[zeros - 1][byte];
            tables[zeros][byte] = (crc << 8) ^ tables[0][(crc >> 8) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::{Slot, crc16};

    #[test]
    fn the_check_value_of_the_specification_holds() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn every_length_agrees_with_the_reference_crate() {
        let bytes: Vec<u8> = (0..100_u32).map(|n| (n * 37 % 251) as u8).collect();

        for len in 0..bytes.len() {
            assert_eq!(crc16(&bytes[..len]), crc16::State::<crc16::XMODEM>::calculate(&bytes[..len]));
        }
    }

    #[test]
    fn keys_fall_into_the_slots_of_a_real_server() {
        let expected: [(&[u8], u16); 12] = [
            (b"", 0),
            (b"foo", 12182),
            (b"{}", 15257),
            (b"{", 4092),
            (b"}", 12090),
            (b"a{}b", 13694),
            (b"{a}{b}", 15495),
            (b"{{a}}b", 10276),
            (b"foo{bar", 15278),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", 4015),
            (b"key:000000000000", 13053),
        ];

        for (key, slot) in expected {
            assert_eq!(Slot::of_key(key).number(), slot, "{}", key.escape_ascii());
        }
    }
}
