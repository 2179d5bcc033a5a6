//! Reading elements, wherever they lie: in a listpack, or in the entry of a key.

use super::element::{Element, integer_of};
use super::encoding::{decode, is_long_string, is_short_string, next_of, previous_of};
use super::{COUNT_UNKNOWN, HEADER_BYTES, Iter, Listpack, Position};

/// Elements one after the other: a listpack without its header and its end mark.
#[derive(Clone, Copy)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    /// Their number, or [`COUNT_UNKNOWN`].
    count: u16,
}

impl<'a> Elements<'a> {
    /// The elements that `bytes` consist of, whole and in order; `count` is what a listpack's header says of them.
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8], count: u16) -> Self {
        Self { bytes, count }
    }

    /// The bytes they consist of.
    #[inline]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of a listpack of these elements.
    pub const fn listpack_bytes(self) -> usize {
        HEADER_BYTES + self.bytes.len() + 1
    }

    /// A listpack of these elements.
    pub fn to_listpack(self) -> Listpack {
        let mut listpack = Listpack::with_capacity(self.bytes.len());
        listpack.assign(self);
        listpack
    }

    /// Number of elements. Counted by walking when a listpack's header cannot say, which takes 65,535 elements once.
    #[inline]
    pub fn len(self) -> usize {
        match self.known_len() {
            Some(len) => len,
            None => self.iter().count(),
        }
    }

    /// Whether there is no element.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The first element.
    #[inline]
    pub fn first(self) -> Option<Position> {
        (!self.is_empty()).then_some(Position(0))
    }

    /// The last element.
    #[inline]
    pub fn last(self) -> Option<Position> {
        (!self.is_empty()).then(|| Position(previous_of(self.bytes, self.bytes.len())))
    }

    /// The element after a position.
    #[inline]
    pub fn next(self, position: Position) -> Option<Position> {
        let next = next_of(self.bytes, position.0);
        (next < self.bytes.len()).then_some(Position(next))
    }

    /// The element before a position.
    #[inline]
    pub fn previous(self, position: Position) -> Option<Position> {
        (position.0 > 0).then(|| Position(previous_of(self.bytes, position.0)))
    }

    /// The element at an index, walked to from the nearer end.
    pub fn at(self, index: usize) -> Option<Position> {
        let Some(len) = self.known_len() else {
            return self.iter().positions().nth(index);
        };
        if index >= len {
            return None;
        }
        if index <= len / 2 {
            Some(Position((0..index).fold(0, |at, _| next_of(self.bytes, at))))
        } else {
            let end = self.bytes.len();
            Some(Position((index..len).fold(end, |at, _| previous_of(self.bytes, at))))
        }
    }

    /// The element at a position.
    #[inline]
    pub fn get(self, position: Position) -> Element<'a> {
        decode(self.bytes, position.0)
    }

    /// All elements, from either end.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter::new(self.bytes, 0, self.bytes.len())
    }

    /// The elements from a position on.
    #[inline]
    pub fn iter_from(self, position: Position) -> Iter<'a> {
        Iter::new(self.bytes, position.0, self.bytes.len())
    }

    /// The elements of a range of indices, cut to what there is.
    pub fn range(self, indices: std::ops::Range<usize>) -> Iter<'a> {
        let offset = |index| self.at(index).map_or(self.bytes.len(), |position| position.0);
        let front = offset(indices.start);
        let back = if indices.end > indices.start { offset(indices.end) } else { front };
        Iter::new(self.bytes, front, back)
    }

    /// The first element whose text is `needle`, of every `skip + 1`-th from the first on.
    ///
    /// With `skip` 1 it looks at the first of each pair.
    #[inline]
    pub fn find(self, needle: &[u8], skip: usize) -> Option<Position> {
        self.find_from(self.first()?, needle, skip)
    }

    /// As [`Elements::find`], from `position` on.
    pub fn find_from(self, position: Position, needle: &[u8], skip: usize) -> Option<Position> {
        let bytes = self.bytes;
        if integer_of(needle).is_none() && matches!(needle.len(), 1..64) {
            return walk(bytes, position.0, skip, |at| {
                is_short_string(bytes, at, needle) || is_long_string(bytes, at) && decode(bytes, at).is(needle)
            });
        }
        let number = integer_of(needle);
        walk(bytes, position.0, skip, |at| match decode(bytes, at) {
            Element::Bytes(text) => text == needle,
            Element::Int(value) => number == Some(value),
        })
    }

    /// How many elements are before the first whose text is `needle`.
    pub fn index_of(self, needle: &[u8]) -> Option<usize> {
        let number = integer_of(needle);
        self.iter().position(|element| match element {
            Element::Bytes(text) => text == needle,
            Element::Int(value) => number == Some(value),
        })
    }

    /// What a header says of their number.
    #[inline]
    pub(super) const fn stated_count(self) -> u16 {
        self.count
    }

    /// Number of elements as far as a header says.
    #[inline]
    pub(super) fn known_len(self) -> Option<usize> {
        (self.count != COUNT_UNKNOWN).then_some(usize::from(self.count))
    }
}

/// The first element from `at` on, of every `skip + 1`-th, for which `found`.
#[inline]
fn walk(bytes: &[u8], mut at: usize, skip: usize, found: impl Fn(usize) -> bool) -> Option<Position> {
    while at < bytes.len() {
        if found(at) {
            return Some(Position(at));
        }
        at = next_of(bytes, at);
        for _ in 0..skip {
            if at >= bytes.len() {
                return None;
            }
            at = next_of(bytes, at);
        }
    }
    None
}

impl std::fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
