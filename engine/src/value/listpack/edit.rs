//! Changing a listpack: all of it is one splice of bytes.

use super::encoding::{END, Encoded, OVERHEAD_BYTES_MAX, next_of};
use super::{COUNT_UNKNOWN, Element, Elements, HEADER_BYTES, Listpack, Position};
use crate::value::memory::allocated_bytes;

impl Listpack {
    /// Whether text of so many bytes, as `elements` elements, may be added.
    ///
    /// The limit is [`LISTPACK_BYTES_MAX`]; whoever adds more without asking risks a panic at 4 GiB.
    #[inline]
    pub fn has_room_for(&self, text_bytes: usize, elements: usize) -> bool {
        let most = text_bytes.saturating_add(elements.saturating_mul(OVERHEAD_BYTES_MAX));
        self.bytes.len().saturating_add(most) <= LISTPACK_BYTES_MAX
    }

    /// Adds an element at the end.
    #[inline]
    pub fn push_back<'a>(&mut self, element: impl Into<Element<'a>>) {
        let encoded = Encoded::of(element.into());
        let (at, len) = (self.end(), self.bytes.len() + encoded.len());
        self.reserve(len);
        self.bytes.set_len(len);
        let tail = &mut self.bytes[at..];
        encoded.write(tail);
        tail[encoded.len()] = END;
        self.finish(0, 1);
    }

    /// Adds an element at the front.
    #[inline]
    pub fn push_front<'a>(&mut self, element: impl Into<Element<'a>>) {
        self.splice(HEADER_BYTES, Cut::NOTHING, [element.into()]);
    }

    /// Adds two elements at the end.
    #[inline]
    pub fn push_pair<'a>(&mut self, first: impl Into<Element<'a>>, second: impl Into<Element<'a>>) {
        self.splice(self.end(), Cut::NOTHING, [first.into(), second.into()]);
    }

    /// Adds an element before a position. The position stands for the new element then.
    pub fn insert_before<'a>(&mut self, position: Position, element: impl Into<Element<'a>>) {
        self.splice(offset_of(position), Cut::NOTHING, [element.into()]);
    }

    /// Adds two elements before a position. The position stands for the first of them then.
    pub fn insert_pair_before<'a>(
        &mut self,
        position: Position,
        first: impl Into<Element<'a>>,
        second: impl Into<Element<'a>>,
    ) {
        self.splice(offset_of(position), Cut::NOTHING, [first.into(), second.into()]);
    }

    /// Adds an element after a position and returns where it is.
    pub fn insert_after<'a>(&mut self, position: Position, element: impl Into<Element<'a>>) -> Position {
        let next = next_of(&self.bytes, offset_of(position));
        self.splice(next, Cut::NOTHING, [element.into()]);
        Position(next - HEADER_BYTES)
    }

    /// Puts another element in the place of the one at a position.
    pub fn replace<'a>(&mut self, position: Position, element: impl Into<Element<'a>>) {
        let cut = self.cut(position, 1);
        self.splice(offset_of(position), cut, [element.into()]);
    }

    /// Removes the element at a position. Returns the one that follows.
    pub fn delete(&mut self, position: Position) -> Option<Position> {
        self.delete_many(position, 1)
    }

    /// Removes up to `count` elements from a position on. Returns the one that follows.
    pub fn delete_many(&mut self, position: Position, count: usize) -> Option<Position> {
        let cut = self.cut(position, count);
        self.splice(offset_of(position), cut, []);
        (offset_of(position) < self.end()).then_some(position)
    }

    /// Removes up to `count` elements from an index on. Returns how many there were.
    pub fn delete_range(&mut self, index: usize, count: usize) -> usize {
        let Some(position) = self.at(index) else { return 0 };
        let cut = self.cut(position, count);
        self.splice(offset_of(position), cut, []);
        cut.elements
    }

    /// Adds elements at the end.
    pub fn append(&mut self, elements: Elements<'_>) {
        self.splice_raw(self.end(), elements);
    }

    /// Adds elements at the front.
    pub fn prepend(&mut self, elements: Elements<'_>) {
        self.splice_raw(HEADER_BYTES, elements);
    }

    /// Takes the elements from an index on into a listpack of their own.
    pub fn split_off(&mut self, index: usize) -> Self {
        let Some(position) = self.at(index) else { return Self::new() };
        let at = offset_of(position);
        let (bytes, elements) = (self.end() - at, self.len() - index);
        let count = u16::try_from(elements).unwrap_or(COUNT_UNKNOWN);
        let tail = Elements::new(&self.bytes[at..at + bytes], count).to_listpack();
        self.splice(at, Cut { bytes, elements }, []);
        tail
    }

    /// Puts other elements in the place of all, in the memory that is there.
    #[inline]
    pub(crate) fn assign(&mut self, elements: Elements<'_>) {
        let moved = elements.bytes();
        let len = HEADER_BYTES + moved.len() + 1;
        self.reserve(len);
        self.bytes.set_len(len);
        self.bytes[HEADER_BYTES..len - 1].copy_from_slice(moved);
        self.bytes[len - 1] = END;
        self.bytes[4..HEADER_BYTES].copy_from_slice(&elements.stated_count().to_le_bytes());
    }

    /// Removes all elements and gives their memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives back memory that growth has kept in hand.
    pub fn shrink_to_fit(&mut self) {
        let wanted = allocated_bytes(self.bytes.len());
        if wanted < self.bytes.capacity() {
            self.bytes.set_capacity(wanted);
        }
    }

    /// What removing `count` elements from a position on takes away.
    fn cut(&self, position: Position, count: usize) -> Cut {
        let (start, mut elements) = (offset_of(position), 0);
        let mut at = start;
        while elements < count && at < self.end() {
            at = next_of(&self.bytes, at);
            elements += 1;
        }
        Cut { bytes: at - start, elements }
    }

    /// Puts elements in the place of what `cut` takes away at offset `at`.
    #[inline]
    fn splice<const N: usize>(&mut self, at: usize, cut: Cut, elements: [Element<'_>; N]) {
        let encoded = elements.map(Encoded::of);
        let added = encoded.iter().map(Encoded::len).sum();
        self.open(at, cut.bytes, added);
        let mut place = at;
        for element in &encoded {
            let len = element.len();
            element.write(&mut self.bytes[place..place + len]);
            place += len;
        }
        self.finish(cut.elements, N);
    }

    fn splice_raw(&mut self, at: usize, elements: Elements<'_>) {
        let moved = elements.bytes();
        self.open(at, 0, moved.len());
        self.bytes[at..at + moved.len()].copy_from_slice(moved);
        self.finish(0, elements.len());
    }

    /// Makes a gap of `added` bytes where `removed` bytes were at offset `at`.
    #[inline]
    fn open(&mut self, at: usize, removed: usize, added: usize) {
        let old_len = self.bytes.len();
        let new_len = old_len - removed + added;
        if new_len > old_len {
            self.reserve(new_len);
            self.bytes.set_len(new_len);
        }
        if new_len == old_len {
            return;
        }
        self.bytes.copy_within(at + removed..old_len, at + added);
        self.bytes.set_len(new_len);
        if new_len < self.bytes.capacity() / 2 && self.bytes.capacity() > SLACK_BYTES_MAX {
            self.shrink_to_fit();
        }
    }

    /// Makes room for a listpack of so many bytes.
    #[inline]
    pub(in crate::value) fn reserve(&mut self, len: usize) {
        if len > self.bytes.capacity() {
            assert!(u32::try_from(len).is_ok(), "callers ask has_room_for first");
            self.bytes.set_capacity(allocated_bytes(len));
        }
    }

    /// Brings the count in the header up to date; the length is kept by the buffer.
    #[inline]
    fn finish(&mut self, removed: usize, added: usize) {
        if let Some(len) = self.known_len() {
            let count = u16::try_from(len - removed + added).unwrap_or(COUNT_UNKNOWN);
            self.bytes[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
        }
    }
}

/// Where a position is in the whole listpack.
#[inline]
const fn offset_of(position: Position) -> usize {
    HEADER_BYTES + position.0
}

/// A stretch of elements to remove.
#[derive(Debug, Clone, Copy)]
struct Cut {
    bytes: usize,
    elements: usize,
}

impl Cut {
    const NOTHING: Self = Self { bytes: 0, elements: 0 };
}

/// Largest buffer, in bytes, that is kept when its listpack shrinks.
///
/// What is as small and at rest lies in an entry anyway, without a buffer.
pub(crate) const SLACK_BYTES_MAX: usize = 512;

/// Longest listpack, in bytes, that anything may be added to (`LISTPACK_MAX_SAFETY_LIMIT`, `listpack.c` of 7.0).
pub const LISTPACK_BYTES_MAX: usize = 1 << 30;
