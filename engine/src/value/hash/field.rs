//! One field of a hash, and who sees it.

use crate::keyspace::{Entry, Object, UnixMillis, ValueRef};
use crate::value::listpack::Element;

/// A field with its value.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its name.
    pub name: Element<'a>,
    /// Its value: a string.
    pub value: ValueRef<'a>,
    /// When it expires.
    pub expiry: Option<UnixMillis>,
}

impl<'a> Field<'a> {
    #[inline]
    pub(super) fn of_pair((name, value): (Element<'a>, Element<'a>)) -> Self {
        Self { name, value: value_of(value), expiry: None }
    }

    /// The field that an entry of a hash's table holds.
    #[inline]
    pub fn of_entry(entry: &'a Entry) -> Self {
        Self { name: Element::Bytes(entry.key()), value: entry.value(), expiry: entry.expiry() }
    }

    /// A copy of the value's bytes.
    pub fn value_to_vec(&self) -> Vec<u8> {
        self.value.string_bytes(&mut itoa::Buffer::new()).unwrap_or_default().to_vec()
    }
}

/// A listpack's element as a value.
#[inline]
pub(super) fn value_of(element: Element<'_>) -> ValueRef<'_> {
    match element {
        Element::Bytes(bytes) => ValueRef::Str(bytes),
        Element::Int(number) => ValueRef::Int(number),
    }
}

/// Length of a value's text in bytes.
pub fn text_len(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Int(number) => Element::Int(number).text_len(),
        ValueRef::Str(bytes) => bytes.len(),
        ValueRef::Object(Object::String(string)) => string.bytes().len(),
        ValueRef::Object(_) | ValueRef::Packed(_) => 0,
    }
}

/// Which fields somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// All, those past their expiry too: the primary says when they are gone.
    All,
    /// Those that are not past their expiry at this time.
    At(UnixMillis),
}

impl Sight {
    /// Whether a field with this expiry is seen.
    #[inline]
    pub fn sees(self, expiry: Option<UnixMillis>) -> bool {
        match (self, expiry) {
            (Self::All, _) | (_, None) => true,
            (Self::At(now), Some(expiry)) => !expiry.is_past(now),
        }
    }
}

/// Whether a field is there for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is not there.
    Absent,
    /// It is there, but its time has come.
    Hidden,
    /// It is there.
    Seen,
}

impl Presence {
    pub(super) const fn of(is_seen: bool) -> Self {
        if is_seen { Self::Seen } else { Self::Hidden }
    }
}
