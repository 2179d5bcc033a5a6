//! A small set of integers: Redis's intset, byte for byte, so that files take it as it is.
//!
//! `u32 width` (2, 4 or 8), `u32 count`, then the integers in ascending order, all little endian. One allocation.
//! Start at [`Intset::insert`].

use super::memory::allocated_bytes;

/// Ascending integers of one width.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Intset {
    /// Empty, or head and integers: exactly as long as they are, since a boxed slice takes a word less than a `Vec`
    /// and the allocator rounds up anyway.
    bytes: Box<[u8]>,
}

impl Intset {
    /// An intset from the bytes of a file.
    ///
    /// Nothing when they are not one: the width is wrong, the length does not fit, or the integers do not ascend.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let [a, b, c, d, e, f, g, h] = *head;
        let width = u32::from_le_bytes([a, b, c, d]) as usize;
        let count = u32::from_le_bytes([e, f, g, h]) as usize;
        if !matches!(width, 2 | 4 | 8) || body.len() != count.checked_mul(width)? {
            return None;
        }
        let set = Self { bytes: bytes.into() };
        let ascends = set.iter().zip(set.iter().skip(1)).all(|(one, next)| one < next);
        ascends.then_some(set)
    }

    /// The bytes of a file.
    pub fn as_bytes(&self) -> &[u8] {
        if self.bytes.is_empty() { &EMPTY } else { &self.bytes }
    }

    /// Number of integers.
    pub fn len(&self) -> usize {
        self.bytes.get(4..HEAD_BYTES).map_or(0, |count| little_endian(count) as usize)
    }

    /// Whether there is no integer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The integer at an index, counted from the smallest.
    pub fn at(&self, index: usize) -> Option<i64> {
        let width = self.width();
        let start = HEAD_BYTES + index.checked_mul(width)?;
        if index >= self.len() { None } else { Some(little_endian(self.bytes.get(start..start + width)?)) }
    }

    /// Whether the integer is there.
    pub fn contains(&self, number: i64) -> bool {
        self.search(number).is_ok()
    }

    /// Adds an integer. Returns whether it was not there.
    pub fn insert(&mut self, number: i64) -> bool {
        let Err(index) = self.search(number) else { return false };
        let width = width_of(number);
        if self.bytes.is_empty() || width > self.width() {
            self.widen(width);
        }
        let (width, len) = (self.width(), self.len());
        let start = HEAD_BYTES + index * width;
        let end = self.bytes.len();
        let mut bytes = std::mem::take(&mut self.bytes).into_vec();
        bytes.reserve_exact(width);
        bytes.resize(end + width, 0);
        bytes.copy_within(start..end, start + width);
        self.bytes = bytes.into_boxed_slice();
        self.bytes[start..start + width].copy_from_slice(&number.to_le_bytes()[..width]);
        self.set_len(len + 1);
        true
    }

    /// Removes an integer. Returns whether it was there.
    pub fn remove(&mut self, number: i64) -> bool {
        let Ok(index) = self.search(number) else { return false };
        let (width, len) = (self.width(), self.len());
        let start = HEAD_BYTES + index * width;
        let mut bytes = std::mem::take(&mut self.bytes).into_vec();
        bytes.copy_within(start + width.., start);
        bytes.truncate(bytes.len() - width);
        self.bytes = bytes.into_boxed_slice();
        self.set_len(len - 1);
        true
    }

    /// The integers in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        let (width, body) = (self.width(), self.bytes.get(HEAD_BYTES..).unwrap_or_default());
        body.chunks_exact(width).map(little_endian)
    }

    /// Bytes of memory it holds on to, beside itself.
    pub fn memory_usage(&self) -> usize {
        allocated_bytes(self.bytes.len())
    }

    /// Where the integer is, or where it would be inserted.
    fn search(&self, number: i64) -> Result<usize, usize> {
        let (width, mut low, mut high) = (self.width(), 0, self.len());
        let body = self.bytes.get(HEAD_BYTES..).unwrap_or_default();
        while low < high {
            let middle = usize::midpoint(low, high);
            let found = little_endian(&body[middle * width..(middle + 1) * width]);
            match found.cmp(&number) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Less => low = middle + 1,
            }
        }
        Err(low)
    }

    fn width(&self) -> usize {
        self.bytes.first().map_or(2, |&width| usize::from(width))
    }

    fn set_len(&mut self, len: usize) {
        self.bytes[4..HEAD_BYTES].copy_from_slice(&(len as u32).to_le_bytes());
    }

    /// Rewrites all integers with a greater width.
    fn widen(&mut self, width: usize) {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + (self.len() + 1) * width);
        bytes.extend_from_slice(&(width as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.len() as u32).to_le_bytes());
        for number in self.iter() {
            bytes.extend_from_slice(&number.to_le_bytes()[..width]);
        }
        self.bytes = bytes.into_boxed_slice();
    }
}

impl std::fmt::Debug for Intset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The signed integer in 2, 4 or 8 bytes.
fn little_endian(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// The least width that holds the integer.
fn width_of(number: i64) -> usize {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

/// Width and count.
const HEAD_BYTES: usize = 8;

/// An intset without integers.
const EMPTY: [u8; HEAD_BYTES] = [2, 0, 0, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Intset;
    use crate::rng::Rng;

    #[test]
    fn bytes_are_those_of_the_reference() {
        let mut set = Intset::default();
        for number in [300, 1, 2] {
            assert!(set.insert(number));
        }

        assert_eq!(set.as_bytes(), b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x2c\x01");
        assert!(!set.insert(2));
    }

    #[test]
    fn it_is_a_set_whatever_the_widths() {
        let (mut set, mut model, mut rng) = (Intset::default(), BTreeSet::new(), Rng::new(1));
        for _ in 0..5000 {
            let bits = [4, 8, 20, 40, 62][rng.index(5)];
            let number = rng.below(1 << bits) as i64 - (1 << (bits - 1));
            if rng.chance(60) {
                assert_eq!(set.insert(number), model.insert(number));
            } else {
                assert_eq!(set.remove(number), model.remove(&number));
            }
            assert_eq!(set.len(), model.len());
        }

        assert!(set.iter().eq(model.iter().copied()));
        assert!(model.iter().all(|&number| set.contains(number)));
        assert_eq!(set.at(3), model.iter().nth(3).copied());
        assert_eq!(Intset::from_bytes(set.as_bytes()), Some(set));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let sound = b"\x02\0\0\0\x02\0\0\0\x01\0\x02\0";
        assert!(Intset::from_bytes(sound).is_some());

        for damaged in [
            &b""[..],
            b"\x02\0\0\0\x02\0\0",
            b"\x03\0\0\0\x02\0\0\0\x01\0\x02\0",
            b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\x02\0\0",
            b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x02\0\x02\0",
            b"\x08\0\0\0\xff\xff\xff\xff\x02\0\x02\0",
        ] {
            assert_eq!(Intset::from_bytes(damaged), None, "{}", damaged.escape_ascii());
        }
    }
}
