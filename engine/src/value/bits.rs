//! Bits of a string: the first is the highest of the first byte.
//!
//! Lives here: reading, writing, counting, searching and combining. What does not: where the string is, what a bit past
//! its end means to a command. Long strings are worked on many bytes at a time. Start at [`get`].

use std::ops::Range;

/// Whether the bit at `offset` is set; none is past the end.
pub fn get(bytes: &[u8], offset: u64) -> bool {
    byte_at(bytes, offset / 8) & mask(offset) != 0
}

/// Sets or clears a bit.
///
/// # Panics
/// When the bit is past the end.
pub fn put(bytes: &mut [u8], offset: u64, bit: bool) {
    let byte = &mut bytes[(offset / 8) as usize];
    *byte = if bit { *byte | mask(offset) } else { *byte & !mask(offset) };
}

/// The number that `width` bits from `offset` on make, the highest first; bits past the end are zero.
///
/// `width` is at most 64.
pub fn read(bytes: &[u8], offset: u64, width: u32) -> u64 {
    debug_assert!((1..=64).contains(&width), "a number has 1 to 64 bits");
    let first = offset / 8;
    let window = (0..WINDOW_BYTES).fold(0, |sum, index| sum << 8 | u128::from(byte_at(bytes, first + index)));
    (window >> shift(offset, width) & low_bits(width)) as u64
}

/// Writes the lowest `width` bits of `value` from `offset` on. `width` is at most 64.
///
/// # Panics
/// When a bit is past the end.
pub fn write(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    debug_assert!((1..=64).contains(&width), "a number has 1 to 64 bits");
    let shift = shift(offset, width);
    let (mask, value) = (low_bits(width) << shift, (u128::from(value) & low_bits(width)) << shift);
    let (first, last) = ((offset / 8) as usize, ((offset + u64::from(width) - 1) / 8) as usize);
    for (index, byte) in bytes[first..=last].iter_mut().enumerate() {
        let down = 8 * (WINDOW_BYTES as usize - 1 - index);
        *byte = *byte & !((mask >> down) as u8) | (value >> down) as u8;
    }
}

/// Number of bits that are set in a range of bits, which ends within the string.
pub fn count(bytes: &[u8], range: Range<u64>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let (first, last) = (range.start / 8, (range.end - 1) / 8);
    let whole = count_bytes(&bytes[first as usize..=last as usize]);
    let before = byte_at(bytes, first) & !(u8::MAX >> (range.start % 8));
    let behind = byte_at(bytes, last) & (u8::MAX >> 1 >> ((range.end - 1) % 8));
    whole - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// The first bit of a range that is `bit`; the range ends within the string.
pub fn position(bytes: &[u8], range: Range<u64>, bit: bool) -> Option<u64> {
    let whole = range.start.next_multiple_of(8).min(range.end)..range.end;
    let whole = whole.start..whole.start.max(range.end / 8 * 8);
    let mut head = range.start..whole.start;
    let mut tail = whole.end..range.end;
    let is_wanted = |offset: &u64| get(bytes, *offset) == bit;
    head.find(is_wanted)
        .or_else(|| {
            let part = &bytes[(whole.start / 8) as usize..(whole.end / 8) as usize];
            first_in_bytes(part, bit).map(|offset| whole.start + offset)
        })
        .or_else(|| tail.find(is_wanted))
}

/// How BITOP combines bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combination {
    /// Set where all are.
    And,
    /// Set where the one there is is not.
    Not,
    /// Set where any is.
    Or,
    /// Set where an odd number is.
    Xor,
}

/// Combines strings bit by bit; the shorter ones count as filled up with zeros.
///
/// [`Combination::Not`] looks at the first one only.
pub fn combine(combination: Combination, sources: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let first = first.as_ref();
    if combination == Combination::Not {
        return first.iter().map(|byte| !byte).collect();
    }
    let len = sources.iter().map(|source| source.as_ref().len()).max().unwrap_or(0);
    let mut target = Vec::with_capacity(len);
    target.extend_from_slice(first);
    target.resize(len, 0);
    for other in others {
        let other = other.as_ref();
        let pairs = target.iter_mut().zip(other);
        match combination {
            Combination::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                target[other.len()..].fill(0);
            }
            Combination::Or => pairs.for_each(|(byte, other)| *byte |= other),
            Combination::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
            Combination::Not => {}
        }
    }
    target
}

fn byte_at(bytes: &[u8], index: u64) -> u8 {
    usize::try_from(index).ok().and_then(|index| bytes.get(index)).copied().unwrap_or(0)
}

fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

/// How far the number lies from the lower end of the window of bytes that begins with its first bit's.
fn shift(offset: u64, width: u32) -> u32 {
    WINDOW_BYTES as u32 * 8 - (offset % 8) as u32 - width
}

fn low_bits(width: u32) -> u128 {
    (1 << width) - 1
}

fn count_bytes(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    in_words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

fn first_in_bytes(bytes: &[u8], bit: bool) -> Option<u64> {
    let skipped = if bit { 0 } else { u8::MAX };
    // No early end within a block: so the compiler compares many bytes at once.
    let is_skipped = |block: &&[u8]| block.iter().fold(0, |found, byte| found | byte ^ skipped) == 0;
    let blocks = bytes.chunks(BLOCK_BYTES).take_while(is_skipped).count();
    let start = blocks * BLOCK_BYTES;
    let index = start + bytes.get(start..)?.iter().position(|&byte| byte != skipped)?;
    Some(index as u64 * 8 + u64::from((bytes[index] ^ skipped).leading_zeros()))
}

/// Bytes that 64 bits can touch.
const WINDOW_BYTES: u64 = 9;

/// Bytes that a search passes over at once: a cache line.
const BLOCK_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Combination, combine, count, get, position, put, read, write};
    use crate::rng::Rng;

    /// Random bytes, or mostly bytes of one kind with a few others, so that long runs are searched too.
    fn sample(rng: &mut Rng, len: usize) -> Vec<u8> {
        let fill = [0, u8::MAX][rng.below(2) as usize];
        let dense = rng.below(2) == 0;
        (0..len).map(|_| if dense || rng.below(100) == 0 { rng.below(256) as u8 } else { fill }).collect()
    }

    #[test]
    fn counts_and_positions_are_those_of_single_bits() {
        let mut rng = Rng::new(7);
        for _ in 0..300 {
            let len = rng.below(300) as usize;
            let bytes = sample(&mut rng, len);
            let bits = len as u64 * 8;
            let start = rng.below(bits + 1);
            let range = start..start + rng.below(bits - start + 1);

            let expected = range.clone().filter(|&offset| get(&bytes, offset)).count() as u64;
            assert_eq!(count(&bytes, range.clone()), expected, "{range:?}");
            for bit in [false, true] {
                let expected = range.clone().find(|&offset| get(&bytes, offset) == bit);
                assert_eq!(position(&bytes, range.clone(), bit), expected, "{range:?} {bit}");
            }
        }
    }

    #[test]
    fn numbers_are_read_as_they_were_written_and_touch_nothing_else() {
        let mut rng = Rng::new(8);
        for _ in 0..2000 {
            let mut bytes = sample(&mut rng, 24);
            let before = bytes.clone();
            let width = 1 + rng.below(64) as u32;
            let offset = rng.below(24 * 8 - u64::from(width) + 1);
            let value = rng.next_u64() & (u64::MAX >> (64 - width));

            write(&mut bytes, offset, width, value);

            assert_eq!(read(&bytes, offset, width), value, "{offset} {width}");
            let end = offset + u64::from(width);
            for other in (0..offset).chain(end..24 * 8) {
                assert_eq!(get(&bytes, other), get(&before, other), "{offset} {width} {other}");
            }
        }
    }

    #[test]
    fn bits_past_the_end_are_zero() {
        assert!(!get(b"\xff", 8) && !get(b"", u64::MAX));
        assert_eq!(read(b"\xff", 4, 8), 0xf0);
        assert_eq!(read(b"", u64::MAX - 80, 64), 0);
    }

    #[test]
    fn a_bit_is_set_and_cleared_alone() {
        let mut bytes = [0b1010_1010, 0];

        put(&mut bytes, 1, true);
        put(&mut bytes, 2, false);
        put(&mut bytes, 15, true);

        assert_eq!(bytes, [0b1100_1010, 1]);
    }

    #[test]
    fn shorter_strings_are_combined_as_if_filled_up_with_zeros() {
        let sources = [&b"\xf0\xf0\xff"[..], b"\x3c", b"\xff\x0f\x01\x80"];

        assert_eq!(combine(Combination::And, &sources), b"\x30\0\0\0");
        assert_eq!(combine(Combination::Or, &sources), b"\xff\xff\xff\x80");
        assert_eq!(combine(Combination::Xor, &sources), b"\x33\xff\xfe\x80");
        assert_eq!(combine(Combination::Not, &sources[..1]), b"\x0f\x0f\0");
        assert_eq!(combine(Combination::Or, &sources[..0]), b"");
    }
}
