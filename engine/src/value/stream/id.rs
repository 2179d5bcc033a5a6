//! Ids of entries.

/// The id of an entry: milliseconds of a calendar, and a number among those of one millisecond.
///
/// Ordered as entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds since 1970 where the id was made from a clock; any number otherwise.
    pub ms: u64,
    /// The number among the entries of this millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The smallest id, which no entry has.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The largest id.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The id after this one; nothing after the largest.
    pub fn next(self) -> Option<Self> {
        match (self.ms, self.seq.checked_add(1)) {
            (ms, Some(seq)) => Some(Self { ms, seq }),
            (ms, None) => ms.checked_add(1).map(|ms| Self { ms, seq: 0 }),
        }
    }

    /// The id before this one; nothing before the smallest.
    pub fn previous(self) -> Option<Self> {
        match (self.ms, self.seq.checked_sub(1)) {
            (ms, Some(seq)) => Some(Self { ms, seq }),
            (ms, None) => ms.checked_sub(1).map(|ms| Self { ms, seq: u64::MAX }),
        }
    }

    /// The id as clients see it, written into `buffer`.
    pub fn text(self, buffer: &mut [u8; ID_TEXT_BYTES_MAX]) -> &[u8] {
        self.joined(b'-', buffer)
    }

    /// The id with any sign between its parts.
    pub(super) fn joined(self, sign: u8, buffer: &mut [u8; ID_TEXT_BYTES_MAX]) -> &[u8] {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(self.ms).as_bytes(), seq.format(self.seq).as_bytes());
        let len = ms.len() + 1 + seq.len();
        buffer[..ms.len()].copy_from_slice(ms);
        buffer[ms.len()] = sign;
        buffer[ms.len() + 1..len].copy_from_slice(seq);
        &buffer[..len]
    }

    /// The id as files have it: both parts with the upper byte first.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The id that a file has.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { ms: (both >> 64) as u64, seq: both as u64 }
    }

    /// How far this id is from another one, part by part.
    pub(super) const fn minus(self, other: Self) -> (i64, i64) {
        (self.ms.wrapping_sub(other.ms).cast_signed(), self.seq.wrapping_sub(other.seq).cast_signed())
    }

    /// The id that is so far from this one.
    pub(super) const fn plus(self, (ms, seq): (i64, i64)) -> Self {
        Self { ms: self.ms.wrapping_add(ms.cast_unsigned()), seq: self.seq.wrapping_add(seq.cast_unsigned()) }
    }
}

/// Bytes of the longest id as text: two numbers of 20 digits and a dash.
pub const ID_TEXT_BYTES_MAX: usize = 41;

#[cfg(test)]
mod tests {
    use super::{ID_TEXT_BYTES_MAX, StreamId};

    const fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn neighbours_carry_from_part_to_part() {
        assert_eq!(id(5, u64::MAX).next(), Some(id(6, 0)));
        assert_eq!(id(6, 0).previous(), Some(id(5, u64::MAX)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
    }

    #[test]
    fn ids_have_a_text_and_bytes() {
        let mut buffer = [0; ID_TEXT_BYTES_MAX];

        assert_eq!(StreamId::MAX.text(&mut buffer), b"18446744073709551615-18446744073709551615");
        assert_eq!(id(5, 0).text(&mut buffer), b"5-0");
        assert_eq!(id(1, 2).to_bytes(), *b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02");
        assert_eq!(StreamId::from_bytes(id(7, u64::MAX).to_bytes()), id(7, u64::MAX));
    }

    #[test]
    fn distances_lead_back_however_far_the_parts_are_apart() {
        for (one, other) in [(id(9, 1), id(3, 7)), (StreamId::MAX, StreamId::MIN), (StreamId::MIN, StreamId::MAX)] {
            assert_eq!(other.plus(one.minus(other)), one);
        }
    }
}
