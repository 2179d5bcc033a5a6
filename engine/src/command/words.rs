//! Reading a command's words: numbers with the errors clients know.

use crate::error::ReplyError;
use crate::keyspace::{DbIndex, NewValue};
use crate::number::parse_i64;

/// A 64-bit integer.
///
/// # Errors
/// When the word is none.
pub fn integer(word: &[u8]) -> Result<i64, ReplyError> {
    parse_i64(word).ok_or(ReplyError::NotInteger)
}

/// An integer of 32 bits, as database numbers are.
///
/// # Errors
/// When the word is no integer, or is out of that range, which has another text.
pub fn integer32(word: &[u8]) -> Result<i32, ReplyError> {
    i32::try_from(integer(word)?)
        .map_err(|_| ReplyError::Fixed("ERR value is out of range, value must between -2147483648 and 2147483647"))
}

/// The number of a database.
///
/// # Errors
/// When the word is no integer or there is no such database.
pub fn database(word: &[u8], databases: u32) -> Result<DbIndex, ReplyError> {
    checked_database(integer32(word)?, databases)
}

/// The database of this number.
///
/// # Errors
/// When there is none.
pub fn checked_database(number: i32, databases: u32) -> Result<DbIndex, ReplyError> {
    u32::try_from(number).ok().map(DbIndex).filter(|db| db.0 < databases).ok_or(ReplyError::DbIndex)
}

/// A string to store: as an integer where it is one.
pub fn string_to_store(word: &[u8]) -> NewValue<'_> {
    match parse_i64(word) {
        Some(number) => NewValue::Int(number),
        None => NewValue::Str(word),
    }
}
