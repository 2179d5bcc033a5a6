//! The listpack: elements one after the other in one buffer, byte for byte as in Redis's files and DUMP payloads.
//!
//! Lives here: [`Listpack`], the compact form of lists, hashes, sets, sorted sets and stream nodes, and [`Elements`],
//! what is in one, wherever it lies: small values have no listpack but its elements in the entry of their key. What
//! does not: what the elements mean (fields and values, members and scores). Elements are addressed by [`Position`],
//! good until the next change; `encoding.rs` has the layout, `elements.rs` what reads, `edit.rs` what changes a
//! listpack, `validate.rs` the way in for bytes from outside.

mod buffer;
mod edit;
mod element;
mod elements;
mod encoding;
mod iter;
mod validate;

use buffer::Buffer;
pub use edit::LISTPACK_BYTES_MAX;
pub(crate) use edit::SLACK_BYTES_MAX;
pub use element::Element;
pub use elements::Elements;
use encoding::END;
pub use iter::Iter;
pub use validate::ListpackError;

use super::memory::allocated_bytes;

/// A listpack in a buffer of its own; an empty one allocates 16 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack {
    /// Header, elements and the end mark, always whole and in order.
    bytes: Buffer,
}

/// Where an element begins, from the first one on; valid until the listpack changes.
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

    /// The elements, to read.
    #[inline]
    pub fn elements(&self) -> Elements<'_> {
        let bytes = &*self.bytes;
        Elements::new(&bytes[HEADER_BYTES..bytes.len() - 1], self.stated_count())
    }

    /// Number of elements. Counted by walking when the header cannot say, which takes 65,535 elements once.
    #[inline]
    pub fn len(&self) -> usize {
        self.known_len().unwrap_or_else(|| self.elements().len())
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

    /// As [`Elements::first`].
    #[inline]
    pub fn first(&self) -> Option<Position> {
        self.elements().first()
    }

    /// As [`Elements::last`].
    #[inline]
    pub fn last(&self) -> Option<Position> {
        self.elements().last()
    }

    /// As [`Elements::next`].
    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        self.elements().next(position)
    }

    /// As [`Elements::previous`].
    #[inline]
    pub fn previous(&self, position: Position) -> Option<Position> {
        self.elements().previous(position)
    }

    /// As [`Elements::at`].
    pub fn at(&self, index: usize) -> Option<Position> {
        self.elements().at(index)
    }

    /// As [`Elements::get`].
    #[inline]
    pub fn get(&self, position: Position) -> Element<'_> {
        self.elements().get(position)
    }

    /// As [`Elements::iter`].
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        self.elements().iter()
    }

    /// As [`Elements::iter_from`].
    #[inline]
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        self.elements().iter_from(position)
    }

    /// As [`Elements::range`].
    pub fn range(&self, indices: std::ops::Range<usize>) -> Iter<'_> {
        self.elements().range(indices)
    }

    /// As [`Elements::find`].
    #[inline]
    pub fn find(&self, needle: &[u8], skip: usize) -> Option<Position> {
        self.elements().find(needle, skip)
    }

    /// As [`Elements::find_from`].
    pub fn find_from(&self, position: Position, needle: &[u8], skip: usize) -> Option<Position> {
        self.elements().find_from(position, needle, skip)
    }

    /// As [`Elements::index_of`].
    pub fn index_of(&self, needle: &[u8]) -> Option<usize> {
        self.elements().index_of(needle)
    }

    /// Number of elements as far as the header says.
    #[inline]
    fn known_len(&self) -> Option<usize> {
        let count = self.stated_count();
        (count != COUNT_UNKNOWN).then_some(usize::from(count))
    }

    #[inline]
    fn stated_count(&self) -> u16 {
        self.bytes.second_field()
    }

    /// Where the end mark is.
    #[inline]
    fn end(&self) -> usize {
        self.bytes.len() - 1
    }
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
