//! The value types: one place that says how each is written, walked over and read.
//!
//! A new type adds its arm to [`type_byte`], [`put`], `extent` and [`read`].

use super::RdbError;
use super::encoding::{Cursor, Fault, StringWriter, Text, put_int};
use super::extent::Step;

/// A value on its way into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdbValue<'a> {
    /// A string held as an integer.
    Int(i64),
    /// A string.
    Bytes(&'a [u8]),
}

/// A value as a file has it; bytes are borrowed from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded<'a> {
    /// A string that is the canonical decimal of this number.
    Int(i64),
    /// A string.
    Bytes(&'a [u8]),
}

/// The byte that names a value's type.
pub fn type_byte(value: RdbValue<'_>) -> u8 {
    match value {
        RdbValue::Int(_) | RdbValue::Bytes(_) => TYPE_STRING,
    }
}

/// Appends a value, without its type byte.
pub fn put(out: &mut Vec<u8>, strings: &mut StringWriter, value: RdbValue<'_>) {
    match value {
        RdbValue::Int(number) => put_int(out, number),
        RdbValue::Bytes(bytes) => strings.put(out, bytes),
    }
}

/// The steps that walk over a value of a type, first one first.
pub(super) fn extent(kind: u8) -> Result<&'static [Step], RdbError> {
    match kind {
        TYPE_STRING => Ok(&[Step::String]),
        kind => Err(RdbError::UnsupportedType(kind)),
    }
}

/// Reads a value of a type; `scratch` receives what is not in the file as it is.
pub fn read<'s, 'a: 's>(kind: u8, cursor: &mut Cursor<'a>, scratch: &'s mut Vec<u8>) -> Result<Loaded<'s>, Fault> {
    match kind {
        TYPE_STRING => Ok(match cursor.string(scratch)? {
            Text::Int(number) => Loaded::Int(number),
            Text::Bytes(bytes) => Loaded::Bytes(bytes),
        }),
        kind => Err(Fault::Bad(RdbError::UnsupportedType(kind))),
    }
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
        22 | 23 => "hash of a pre-release version",
        24 => "hash metadata",
        25 => "hash listpack ex",
        _ => "not a type",
    }
}

/// Type byte of strings.
pub const TYPE_STRING: u8 = 0;
