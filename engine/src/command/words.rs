//! Reading a command's words: numbers with the errors clients know.

use crate::error::ReplyError;
use crate::extended::{Extended, Parsed};
use crate::keyspace::{DbIndex, NewValue, UnixMillis};
use crate::number::parse_i64;
use crate::time::{Instant, Now};

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

/// When a wait of so many seconds ends; nothing for 0, which waits for ever.
///
/// Counted in whole milliseconds, rounded up, as Redis does.
///
/// # Errors
/// When the word is no number, is negative, or is beyond what a calendar of milliseconds has.
pub fn timeout(word: &[u8], now: Now) -> Result<Option<Instant>, ReplyError> {
    let error = ReplyError::Fixed("ERR timeout is not a float or out of range");
    let millis = match Extended::parse(word).ok_or(error)? {
        Parsed::Finite(seconds) => seconds.thousandfold_ceil(),
        Parsed::Infinite if word.starts_with(b"-") => i64::MIN,
        Parsed::Infinite => i64::MAX,
    };
    end_of_wait(millis, now)
}

/// As [`timeout`], for a wait of so many milliseconds.
///
/// # Errors
/// When the word is no integer, is negative, or is beyond what a calendar of milliseconds has.
pub fn timeout_ms(word: &[u8], now: Now) -> Result<Option<Instant>, ReplyError> {
    let millis = parse_i64(word).ok_or(ReplyError::Fixed("ERR timeout is not an integer or out of range"))?;
    end_of_wait(millis, now)
}

fn end_of_wait(millis: i64, now: Now) -> Result<Option<Instant>, ReplyError> {
    let Ok(wait) = u64::try_from(millis) else { return Err(ReplyError::Fixed("ERR timeout is negative")) };
    if millis > i64::MAX - UnixMillis::from(now.unix).0 {
        return Err(ReplyError::Fixed("ERR timeout is out of range"));
    }
    Ok((wait > 0).then(|| now.instant.plus_millis(wait)))
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

#[cfg(test)]
mod tests {
    use super::timeout;
    use crate::time::{Instant, Now, UnixMicros};

    fn ends(seconds: &str) -> Result<Option<u64>, String> {
        let now = Now { instant: Instant(1_000_000), unix: UnixMicros(1_700_000_000_000_000) };
        let end = timeout(seconds.as_bytes(), now).map_err(|error| error.to_string())?;
        Ok(end.map(|end| (end.micros() - now.instant.micros()) / 1000))
    }

    #[test]
    fn waits_are_counted_in_milliseconds_rounded_up() {
        for (seconds, millis) in
            [("1", 1000), ("0.1", 100), ("0.0001", 1), ("1.0005", 1001), ("0x10", 16_000), ("+2", 2000)]
        {
            assert_eq!(ends(seconds), Ok(Some(millis)), "{seconds}");
        }
        // As far as the clock goes.
        assert_eq!(ends("9221588036854775"), Ok(Some((u64::MAX - 1_000_000) / 1000)));
    }

    #[test]
    fn zero_is_for_ever() {
        for seconds in ["0", "-0", "0.0", "-0.0001", "-0.001"] {
            assert_eq!(ends(seconds), Ok(None), "{seconds}");
        }
    }

    #[test]
    fn other_waits_are_refused() {
        let fails = |seconds: &str| ends(seconds).unwrap_err();

        for seconds in ["", "x", " 1", "1 ", "nan", "1e-5000"] {
            assert_eq!(fails(seconds), "ERR timeout is not a float or out of range", "{seconds}");
        }
        for seconds in ["-1", "-0.002", "-inf", "-0x10", "-1e30"] {
            assert_eq!(fails(seconds), "ERR timeout is negative", "{seconds}");
        }
        for seconds in ["inf", "1e30", "9223372036854775", "9223372036854776"] {
            assert_eq!(fails(seconds), "ERR timeout is out of range", "{seconds}");
        }
    }
}
