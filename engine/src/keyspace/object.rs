//! Values as the keyspace sees them.
//!
//! Lives here: what a caller stores ([`NewValue`]), what it sees ([`ValueRef`]) and values kept outside their
//! entry ([`Object`]). What does not: the entry itself ([`super::entry`]), collections inside it ([`super::packed`]),
//! commands. Start at [`NewValue`].

use bytes::{Bytes, BytesMut};

use super::entry::Entry;
use super::expire::UnixMillis;
use super::packed::Packed;
use crate::value::hash::Hash;
use crate::value::list::List;
use crate::value::memory::allocated_bytes;
use crate::value::set::Set;
use crate::value::sorted::SortedSet;
use crate::value::stream::Stream;
use crate::value::{AnyView, Holder, Kind, Typed};

/// A value to store.
#[derive(Debug, Clone)]
pub enum NewValue<'a> {
    /// An integer: changes in place, no digits are stored.
    Int(i64),
    /// A value that lives outside the entry; a small collection is copied into it all the same.
    Object(Object),
    /// A small collection, to copy into the entry.
    Packed(Packed<'a>),
    /// A string the keyspace may keep without a copy; short ones are copied into the entry all the same. A slice of
    /// a larger buffer keeps all of that buffer alive, which no figure shows.
    Shared(Bytes),
    /// A string to copy.
    Str(&'a [u8]),
}

/// A stored value.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// A string that is a canonical integer.
    Int(i64),
    /// A value outside the entry.
    Object(&'a Object),
    /// A small collection inside the entry.
    Packed(Packed<'a>),
    /// A string inside the entry.
    Str(&'a [u8]),
}

/// How a string is stored, in Redis's words (`OBJECT ENCODING`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringEncoding {
    /// `embstr`: at most 44 bytes, stored whole and not edited since.
    Embedded,
    /// `int`.
    Int,
    /// `raw`.
    Raw,
}

/// A value kept outside its entry.
///
/// Small: it lies in the entry, and its contents in an allocation of their own.
#[derive(Debug, Clone)]
pub enum Object {
    /// A hash.
    Hash(Hash),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    SortedSet(SortedSet),
    /// A stream.
    Stream(Stream),
    /// A long string, or one that is being edited.
    String(LongString),
}

impl Object {
    /// The collection, whatever its type, to read; nothing for a string.
    #[inline]
    pub fn view(&self) -> Option<AnyView<'_>> {
        match self {
            Self::Hash(hash) => Some(AnyView::Hash(hash.view())),
            Self::List(list) => Some(AnyView::List(list.view())),
            Self::Set(set) => Some(AnyView::Set(set.view())),
            Self::SortedSet(set) => Some(AnyView::SortedSet(set.view())),
            Self::Stream(stream) => Some(AnyView::Stream(stream)),
            Self::String(_) => None,
        }
    }

    fn as_holder_mut(&mut self) -> Option<&mut dyn Holder> {
        match self {
            Self::Hash(hash) => Some(hash),
            Self::List(list) => Some(list),
            Self::Set(set) => Some(set),
            Self::SortedSet(set) => Some(set),
            Self::Stream(stream) => Some(stream),
            Self::String(_) => None,
        }
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        self.view().map_or(Kind::String, |view| view.kind())
    }

    /// The collection as it may lie in an entry; nothing for what is too large for that or no listpack.
    #[inline]
    pub(super) fn packed(&self) -> Option<Packed<'_>> {
        match self {
            Self::Hash(hash) => Packed::of(hash),
            Self::List(list) => Packed::of(list),
            Self::Set(set) => Packed::of(set),
            Self::SortedSet(set) => Packed::of(set),
            Self::Stream(_) | Self::String(_) => None,
        }
    }

    /// Bytes of memory the value holds on to, beside this enum. Never walks.
    #[inline]
    pub fn memory_usage(&self) -> usize {
        match self {
            Self::Hash(hash) => hash.memory_usage(),
            Self::List(list) => list.memory_usage(),
            Self::Set(set) => set.memory_usage(),
            Self::SortedSet(set) => set.memory_usage(),
            Self::Stream(stream) => stream.memory_usage(),
            Self::String(string) => string.memory_usage(),
        }
    }

    /// A time before which no field of a hash expires; nothing when none ever does.
    #[inline]
    pub(super) fn next_field_expiry(&self) -> Option<UnixMillis> {
        if let Self::Hash(hash) = self { hash.view().next_expiry() } else { None }
    }

    /// Removes fields of a hash that are past their expiry and hands them to `gone`, until about `visits_max` fields
    /// were looked at. Returns how many were.
    pub(super) fn expire_fields(&mut self, now: UnixMillis, visits_max: usize, gone: impl FnMut(Entry)) -> usize {
        if let Self::Hash(hash) = self { hash.expire(now, visits_max, gone) } else { 0 }
    }

    /// Allocations that freeing it takes, roughly.
    pub(super) fn free_cost(&self) -> usize {
        match self {
            Self::Hash(hash) => hash.free_cost(),
            Self::List(list) => list.free_cost(),
            Self::Set(set) => set.free_cost(),
            Self::SortedSet(set) => set.free_cost(),
            Self::Stream(stream) => stream.free_cost(),
            Self::String(_) => 1,
        }
    }

    /// Frees about `elements_max` elements; returns how many. At 0 the rest costs little to drop.
    pub(super) fn free_some(&mut self, elements_max: usize) -> usize {
        self.as_holder_mut().map_or(0, |holder| holder.free_some(elements_max))
    }
}

impl Default for Object {
    /// The empty string, which owns nothing.
    fn default() -> Self {
        Self::String(LongString::default())
    }
}

impl PartialEq for Object {
    /// Equal types and contents, in whatever form. Reads all of both.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(one), Self::String(other)) => one.bytes() == other.bytes(),
            _ => self.view().is_some_and(|view| Some(view) == other.view()),
        }
    }
}

impl Eq for Object {}

/// A string outside its entry: shared with replies without a copy, edited in place while nobody else holds it.
///
/// Its parts lie in an allocation of their own, to keep [`Object`] small; the empty string has none.
#[derive(Debug, Clone, Default)]
pub struct LongString(Option<Box<Parts>>);

#[derive(Debug, Clone, Default)]
struct Parts {
    bytes: Bytes,
    /// Capacity of the buffer, as far as it is known here.
    allocated: usize,
}

impl LongString {
    /// The string's bytes; cloning them copies nothing.
    pub fn bytes(&self) -> &Bytes {
        static EMPTY: Bytes = Bytes::new();
        self.0.as_ref().map_or(&EMPTY, |parts| &parts.bytes)
    }

    /// Bytes of memory it holds on to.
    fn memory_usage(&self) -> usize {
        self.0.as_ref().map_or(0, |parts| PARTS_ALLOCATED + parts.allocated)
    }

    /// A string with room to grow to `capacity` bytes.
    pub(super) fn with_room(bytes: &[u8], capacity: usize) -> Self {
        let mut string = Self::default();
        string.edit(|buffer| {
            buffer.reserve(capacity.max(bytes.len()));
            buffer.extend_from_slice(bytes);
        });
        string
    }

    /// Appends; amortised, as the buffer doubles.
    pub(super) fn append(&mut self, more: &[u8]) {
        self.edit(|buffer| buffer.extend_from_slice(more));
    }

    /// Edits all bytes in place, after filling up with zeros to `len_min`.
    pub(super) fn edit_bytes<R>(&mut self, len_min: usize, edit: impl FnOnce(&mut [u8]) -> R) -> R {
        self.edit(|buffer| {
            if buffer.len() < len_min {
                buffer.resize(len_min, 0);
            }
            edit(buffer)
        })
    }

    fn edit<R>(&mut self, edit: impl FnOnce(&mut BytesMut) -> R) -> R {
        // A reply or a snapshot that still holds the bytes keeps the old ones: copy on write.
        let parts = self.0.get_or_insert_default();
        let mut buffer = match std::mem::take(&mut parts.bytes).try_into_mut() {
            Ok(buffer) => buffer,
            Err(shared) => BytesMut::from(&shared[..]),
        };
        let result = edit(&mut buffer);
        parts.allocated = buffer.capacity();
        parts.bytes = buffer.freeze();
        result
    }
}

impl From<Bytes> for LongString {
    fn from(bytes: Bytes) -> Self {
        Self(Some(Box::new(Parts { allocated: bytes.len(), bytes })))
    }
}

impl<'a> ValueRef<'a> {
    /// The type.
    pub fn kind(self) -> Kind {
        match self {
            Self::Int(_) | Self::Str(_) => Kind::String,
            Self::Object(object) => object.kind(),
            Self::Packed(packed) => packed.view().kind(),
        }
    }

    /// The collection, whatever its type and wherever it lies; nothing for a string.
    #[inline]
    pub fn view(self) -> Option<AnyView<'a>> {
        match self {
            Self::Int(_) | Self::Str(_) => None,
            Self::Object(object) => object.view(),
            Self::Packed(packed) => Some(packed.view()),
        }
    }

    /// The bytes of a string; an integer is written into `digits`. Nothing for other types.
    pub fn string_bytes(self, digits: &'a mut itoa::Buffer) -> Option<&'a [u8]> {
        match self {
            Self::Int(number) => Some(digits.format(number).as_bytes()),
            Self::Str(bytes) => Some(bytes),
            Self::Object(Object::String(string)) => Some(string.bytes()),
            Self::Object(_) | Self::Packed(_) => None,
        }
    }
}

const PARTS_ALLOCATED: usize = allocated_bytes(size_of::<Parts>());

/// Longest string, in bytes, that lives inside its entry.
///
/// One byte below [`SHARE_BYTES_MIN`](crate::resp::outbuf::SHARE_BYTES_MIN): what replies share is outside, what
/// they copy is inside, in the same allocation as its key.
pub const INLINE_BYTES_MAX: usize = crate::resp::outbuf::SHARE_BYTES_MIN - 1;

/// Longest string, in bytes, that stays inside its entry when it is edited to a greater length.
///
/// Up to here each append moves the whole entry; beyond it the string goes into a buffer that doubles.
pub(super) const INLINE_EDIT_BYTES_MAX: usize = 256;

/// Longest string, in bytes, that Redis calls `embstr` (`OBJ_ENCODING_EMBSTR_SIZE_LIMIT`, `object.c` of 7.0).
pub(super) const EMBEDDED_BYTES_MAX: usize = 44;
