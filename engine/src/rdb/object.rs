//! The value types: one place that says which file has the bytes of each.
//!
//! A new type has a file of its own beside this one, and an arm in [`type_byte`], [`put`], `extent` and [`read`].

use super::encoding::{Cursor, Fault, StringWriter, Text, put_int};
use super::extent::Step;
use super::{RdbError, hash, list, set, sorted, stream};
use crate::keyspace::{NewValue, Object, ValueRef};
use crate::number::parse_i64;
use crate::value::{AnyView, Rules, Typed};

/// A value on its way into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdbValue<'a> {
    /// A string held as an integer.
    Int(i64),
    /// A string.
    Bytes(&'a [u8]),
    /// A collection.
    Collection(AnyView<'a>),
}

impl<'a> From<ValueRef<'a>> for RdbValue<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Int(number) => Self::Int(number),
            ValueRef::Object(object) => object.into(),
            ValueRef::Packed(packed) => Self::Collection(packed.view()),
            ValueRef::Str(bytes) => Self::Bytes(bytes),
        }
    }
}

impl<'a> From<&'a Object> for RdbValue<'a> {
    fn from(object: &'a Object) -> Self {
        match object {
            Object::Hash(hash) => Self::Collection(AnyView::Hash(hash.view())),
            Object::List(list) => Self::Collection(AnyView::List(list.view())),
            Object::Set(set) => Self::Collection(AnyView::Set(set.view())),
            Object::SortedSet(set) => Self::Collection(AnyView::SortedSet(set.view())),
            Object::Stream(stream) => Self::Collection(AnyView::Stream(stream)),
            Object::String(string) => Self::Bytes(string.bytes()),
        }
    }
}

/// A value as a file has it; the bytes of strings are borrowed from the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded<'a> {
    /// A string that is the canonical decimal of this number.
    Int(i64),
    /// A string.
    Bytes(&'a [u8]),
    /// A collection, in the form that the options ask for.
    Object(Object),
}

impl Loaded<'_> {
    /// Whether it is a collection without elements, which no key may have. Redis leaves such keys out as it loads a
    /// file, and refuses them in RESTORE.
    pub fn is_garbage(&self) -> bool {
        match self {
            Self::Int(_) | Self::Bytes(_) => false,
            Self::Object(object) => object.view().is_some_and(|view| view.is_garbage()),
        }
    }
}

impl<'a> From<Loaded<'a>> for NewValue<'a> {
    fn from(value: Loaded<'a>) -> Self {
        match value {
            Loaded::Int(number) => Self::Int(number),
            Loaded::Bytes(bytes) => Self::Str(bytes),
            Loaded::Object(object) => Self::Object(object),
        }
    }
}

/// The byte that names a value's type.
pub fn type_byte(value: RdbValue<'_>) -> u8 {
    match value {
        RdbValue::Int(_) | RdbValue::Bytes(_) => TYPE_STRING,
        RdbValue::Collection(AnyView::Hash(hash)) => hash::type_byte(hash),
        RdbValue::Collection(AnyView::List(_)) => list::TYPE_LIST_QUICKLIST_2,
        RdbValue::Collection(AnyView::Set(set)) => set::type_byte(set),
        RdbValue::Collection(AnyView::SortedSet(set)) => sorted::type_byte(set),
        RdbValue::Collection(AnyView::Stream(_)) => stream::TYPE_STREAM_2,
    }
}

/// Appends a value, without its type byte.
pub fn put(out: &mut Vec<u8>, strings: &mut StringWriter, value: RdbValue<'_>) {
    match value {
        RdbValue::Int(number) => put_int(out, number),
        RdbValue::Bytes(bytes) => strings.put(out, bytes),
        RdbValue::Collection(AnyView::Hash(hash)) => hash::put(out, strings, hash),
        RdbValue::Collection(AnyView::List(list)) => list::put(out, strings, list),
        RdbValue::Collection(AnyView::Set(set)) => set::put(out, strings, set),
        RdbValue::Collection(AnyView::SortedSet(set)) => sorted::put(out, strings, set),
        RdbValue::Collection(AnyView::Stream(stream)) => stream::put(out, strings, stream),
    }
}

/// The steps that walk over a value of a type, first one first.
pub(super) fn extent(kind: u8) -> Result<&'static [Step], RdbError> {
    match kind {
        TYPE_STRING => Ok(&[Step::String]),
        hash::TYPE_HASH => Ok(hash::HASH),
        hash::TYPE_HASH_ZIPMAP | hash::TYPE_HASH_ZIPLIST | hash::TYPE_HASH_LISTPACK => Ok(hash::HASH_PACKED),
        hash::TYPE_HASH_EXPIRIES => Ok(hash::HASH_EXPIRIES),
        hash::TYPE_HASH_METADATA => Ok(hash::HASH_METADATA),
        hash::TYPE_HASH_LISTPACK_EX => Ok(hash::HASH_LISTPACK_EX),
        list::TYPE_LIST | list::TYPE_LIST_QUICKLIST => Ok(list::LIST),
        list::TYPE_LIST_ZIPLIST => Ok(list::LIST_PACKED),
        list::TYPE_LIST_QUICKLIST_2 => Ok(list::LIST_NODES),
        set::TYPE_SET => Ok(set::SET),
        set::TYPE_SET_INTSET | set::TYPE_SET_LISTPACK => Ok(set::SET_PACKED),
        sorted::TYPE_SORTED_SET_TEXT => Ok(sorted::TEXT),
        sorted::TYPE_SORTED_SET => Ok(sorted::PAIRS),
        sorted::TYPE_SORTED_SET_ZIPLIST | sorted::TYPE_SORTED_SET_LISTPACK => Ok(sorted::PACKED),
        stream::TYPE_STREAM => Ok(stream::STREAM),
        stream::TYPE_STREAM_2 => Ok(stream::STREAM_2),
        stream::TYPE_STREAM_3 => Ok(stream::STREAM_3),
        kind => Err(RdbError::UnsupportedType(kind)),
    }
}

/// Reads a value of a type; `scratch` receives what is not in the file as it is.
///
/// Everything is validated: whatever the bytes are, the result is a sound value or an error.
pub fn read<'s, 'a: 's>(
    kind: u8,
    cursor: &mut Cursor<'a>,
    scratch: &'s mut Vec<u8>,
    rules: Rules<'_>,
) -> Result<Loaded<'s>, Fault> {
    match kind {
        TYPE_STRING => Ok(match cursor.string(scratch)? {
            Text::Int(number) => Loaded::Int(number),
            // Redis writes only numbers of 32 bits as such, and finds the others as it reads.
            Text::Bytes(bytes) => parse_i64(bytes).map_or(Loaded::Bytes(bytes), Loaded::Int),
        }),
        hash::TYPE_HASH
        | hash::TYPE_HASH_ZIPMAP
        | hash::TYPE_HASH_ZIPLIST
        | hash::TYPE_HASH_LISTPACK
        | hash::TYPE_HASH_EXPIRIES
        | hash::TYPE_HASH_METADATA
        | hash::TYPE_HASH_LISTPACK_EX => loaded(hash::read(kind, cursor, scratch, rules)?),
        list::TYPE_LIST | list::TYPE_LIST_ZIPLIST | list::TYPE_LIST_QUICKLIST | list::TYPE_LIST_QUICKLIST_2 => {
            loaded(list::read(kind, cursor, scratch, rules)?)
        }
        set::TYPE_SET => loaded(set::read_set(cursor, scratch, rules)?),
        set::TYPE_SET_INTSET => loaded(set::read_intset(cursor, scratch, rules)?),
        set::TYPE_SET_LISTPACK => loaded(set::read_listpack(cursor, scratch, rules)?),
        sorted::TYPE_SORTED_SET_TEXT
        | sorted::TYPE_SORTED_SET
        | sorted::TYPE_SORTED_SET_ZIPLIST
        | sorted::TYPE_SORTED_SET_LISTPACK => loaded(sorted::read(kind, cursor, scratch, rules)?),
        stream::TYPE_STREAM | stream::TYPE_STREAM_2 | stream::TYPE_STREAM_3 => {
            loaded(stream::read(kind, cursor, scratch)?)
        }
        kind => Err(Fault::Bad(RdbError::UnsupportedType(kind))),
    }
}

fn loaded(value: impl Typed) -> Result<Loaded<'static>, Fault> {
    Ok(Loaded::Object(value.into_object()))
}

/// The name of a value type, for messages about files we cannot load.
pub fn type_name(kind: u8) -> &'static str {
    match kind {
        0 => "string",
        1 => "list",
        2 => "set",
        3 => "zset",
        4 => "hash",
        5 => "zset2",
        6 => "module",
        7 => "module2",
        9 => "hash zipmap",
        10 => "list ziplist",
        11 => "set intset",
        12 => "zset ziplist",
        13 => "hash ziplist",
        14 => "list quicklist",
        15 => "stream listpacks",
        16 => "hash listpack",
        17 => "zset listpack",
        18 => "list quicklist2",
        19 => "stream listpacks 2",
        20 => "set listpack",
        21 => "stream listpacks 3",
        22 => "hash with expiries",
        23 => "hash of a pre-release version",
        24 => "hash metadata",
        25 => "hash listpack ex",
        _ => "not a type",
    }
}

/// Type byte of strings.
pub const TYPE_STRING: u8 = 0;
