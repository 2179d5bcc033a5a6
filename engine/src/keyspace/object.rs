//! Values as the keyspace sees them.
//!
//! Lives here: what a caller stores ([`NewValue`]), what it sees ([`ValueRef`]) and values kept outside their
//! entry ([`Object`]). What does not: the entry itself ([`super::entry`]), commands. Start at [`NewValue`].

use bytes::{Bytes, BytesMut};

/// A value to store.
#[derive(Debug, Clone)]
pub enum NewValue<'a> {
    /// An integer: changes in place, no digits are stored.
    Int(i64),
    /// A value that lives outside the entry.
    Object(Object),
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
/// Further types join as variants; each must know its own size without walking itself.
#[derive(Debug, Clone)]
pub enum Object {
    /// A long string, or one that is being edited.
    String(LongString),
}

impl Object {
    /// Bytes of memory the value holds on to, beside this enum.
    pub fn memory_usage(&self) -> usize {
        match self {
            Self::String(string) => string.allocated,
        }
    }
}

impl Default for Object {
    /// The empty string, which owns nothing.
    fn default() -> Self {
        Self::String(LongString::default())
    }
}

/// A string outside its entry: shared with replies without a copy, edited in place while nobody else holds it.
#[derive(Debug, Clone, Default)]
pub struct LongString {
    bytes: Bytes,
    /// Capacity of the buffer, as far as it is known here.
    allocated: usize,
}

impl LongString {
    /// The string's bytes; cloning them copies nothing.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
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
        let mut buffer = match std::mem::take(&mut self.bytes).try_into_mut() {
            Ok(buffer) => buffer,
            Err(shared) => BytesMut::from(&shared[..]),
        };
        let result = edit(&mut buffer);
        self.allocated = buffer.capacity();
        self.bytes = buffer.freeze();
        result
    }
}

impl From<Bytes> for LongString {
    fn from(bytes: Bytes) -> Self {
        Self { allocated: bytes.len(), bytes }
    }
}

impl<'a> ValueRef<'a> {
    /// The bytes of a string; an integer is written into `digits`. Nothing for other types.
    pub fn string_bytes(self, digits: &'a mut itoa::Buffer) -> Option<&'a [u8]> {
        match self {
            Self::Int(number) => Some(digits.format(number).as_bytes()),
            Self::Str(bytes) => Some(bytes),
            Self::Object(Object::String(string)) => Some(string.bytes()),
        }
    }
}

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
