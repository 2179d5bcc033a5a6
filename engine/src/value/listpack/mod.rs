//! The listpack: elements one after the other in one buffer, byte for byte as in Redis's files and DUMP payloads.
//!
//! Lives here: [`Listpack`], the compact form of lists, hashes, sets, sorted sets and stream nodes. What does not:
//! what the elements mean (fields and values, members and scores). Elements are addressed by [`Position`], good until
//! the next change; `encoding.rs` has the layout, `edit.rs` what changes a listpack, `validate.rs` the way in for
//! bytes from outside.

mod buffer;
mod edit;
mod element;
mod encoding;
mod iter;
mod validate;

use buffer::Buffer;
pub use edit::LISTPACK_BYTES_MAX;
pub use element::Element;
use element::integer_of;
use encoding::{END, decode, is_long_string, is_short_string, next_of, previous_of};
pub use iter::Iter;
pub use validate::ListpackError;

use super::memory::allocated_bytes;

/// A listpack in a buffer of its own; an empty one allocates 16 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack {
    /// Header, elements and the end mark, always whole and in order.
    bytes: Buffer,
}

/// Where an element begins; valid until the listpack changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(usize);

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty listpack with room for so many bytes of elements.
    pub fn with_capacity(element_bytes: usize) -> Self {
        let empty = [HEADER_BYTES as u8 + 1, 0, 0, 0, 0, 0, END];
        Self { bytes: Buffer::new(&empty, allocated_bytes(HEADER_BYTES + 1 + element_bytes)) }
    }

    /// The whole listpack as Redis stores it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of the whole listpack in bytes.
    #[inline]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Number of elements. Counted by walking when the header cannot say, which takes 65,535 elements once.
    #[inline]
    pub fn len(&self) -> usize {
        match self.known_len() {
            Some(len) => len,
            None => self.iter().count(),
        }
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER_BYTES + 1
    }

    /// Bytes of memory the listpack holds on to, as the allocator rounds them.
    #[inline]
    pub fn memory_usage(&self) -> usize {
        allocated_bytes(self.bytes.capacity())
    }

    /// Bytes the buffer has room for.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The first element.
    #[inline]
    pub fn first(&self) -> Option<Position> {
        (!self.is_empty()).then_some(Position(HEADER_BYTES))
    }

    /// The last element.
    #[inline]
    pub fn last(&self) -> Option<Position> {
        (!self.is_empty()).then(|| Position(previous_of(&self.bytes, self.end())))
    }

    /// The element after a position.
    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        let next = next_of(&self.bytes, position.0);
        (next < self.end()).then_some(Position(next))
    }

    /// The element before a position.
    #[inline]
    pub fn previous(&self, position: Position) -> Option<Position> {
        (position.0 > HEADER_BYTES).then(|| Position(previous_of(&self.bytes, position.0)))
    }

    /// The element at an index, walked to from the nearer end.
    pub fn at(&self, index: usize) -> Option<Position> {
        let Some(len) = self.known_len() else {
            return self.iter().positions().nth(index);
        };
        if index >= len {
            return None;
        }
        if index <= len / 2 {
            let start = HEADER_BYTES;
            Some(Position((0..index).fold(start, |at, _| next_of(&self.bytes, at))))
        } else {
            let end = self.end();
            Some(Position((index..len).fold(end, |at, _| previous_of(&self.bytes, at))))
        }
    }

    /// The element at a position.
    #[inline]
    pub fn get(&self, position: Position) -> Element<'_> {
        decode(&self.bytes, position.0)
    }

    /// All elements, from either end.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(&self.bytes, HEADER_BYTES, self.end())
    }

    /// The elements from a position on.
    #[inline]
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        Iter::new(&self.bytes, position.0, self.end())
    }

    /// The elements of a range of indices, cut to what there is.
    pub fn range(&self, indices: std::ops::Range<usize>) -> Iter<'_> {
        let offset = |index| self.at(index).map_or(self.end(), |position| position.0);
        let front = offset(indices.start);
        let back = if indices.end > indices.start { offset(indices.end) } else { front };
        Iter::new(&self.bytes, front, back)
    }

    /// The first element whose text is `needle`, of every `skip + 1`-th from the first on.
    ///
    /// With `skip` 1 it looks at the first of each pair.
    #[inline]
    pub fn find(&self, needle: &[u8], skip: usize) -> Option<Position> {
        self.find_from(self.first()?, needle, skip)
    }

    /// As [`Listpack::find`], from `position` on.
    pub fn find_from(&self, position: Position, needle: &[u8], skip: usize) -> Option<Position> {
        let bytes = &self.bytes[..self.end()];
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
    pub fn index_of(&self, needle: &[u8]) -> Option<usize> {
        let number = integer_of(needle);
        self.iter().position(|element| match element {
            Element::Bytes(text) => text == needle,
            Element::Int(value) => number == Some(value),
        })
    }

    /// Number of elements as far as the header says.
    #[inline]
    fn known_len(&self) -> Option<usize> {
        let count = u16::from_le_bytes([self.bytes[4], self.bytes[5]]);
        (count != COUNT_UNKNOWN).then_some(usize::from(count))
    }

    /// Where the end mark is.
    #[inline]
    fn end(&self) -> usize {
        self.bytes.len() - 1
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

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Element<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a, E: Into<Element<'a>>> FromIterator<E> for Listpack {
    fn from_iter<I: IntoIterator<Item = E>>(elements: I) -> Self {
        let mut listpack = Self::new();
        for element in elements {
            listpack.push_back(element);
        }
        listpack
    }
}

/// Total length (4 bytes) and count (2), both little endian.
const HEADER_BYTES: usize = 6;

/// The count from which on the header no longer tells the number of elements.
const COUNT_UNKNOWN: u16 = u16::MAX;

#[cfg(test)]
mod tests;
