//! Streams: how ids and ranges of them are written.

use crate::command::words::integer;
use crate::error::{ReplyError, until_zero};
use crate::number::parse_i64;
use crate::resp::reply::Reply;
use crate::value::stream::{ID_TEXT_BYTES_MAX, NewId, StreamId};

/// An id; without its second part, that is `missing_seq`.
///
/// # Errors
/// When the word is none; `-` and `+` are none either.
pub(super) fn id(word: &[u8], missing_seq: u64) -> Result<StreamId, ReplyError> {
    if matches!(until_zero(word), b"-" | b"+") { Err(INVALID) } else { id_or_edge(word, missing_seq) }
}

/// As [`id`]; `-` is the smallest id and `+` the largest.
pub(super) fn id_or_edge(word: &[u8], missing_seq: u64) -> Result<StreamId, ReplyError> {
    match parts(word)? {
        (b"-", None) => Ok(StreamId::MIN),
        (b"+", None) => Ok(StreamId::MAX),
        (ms, None) => Ok(StreamId { ms: unsigned(ms)?, seq: missing_seq }),
        (ms, Some(seq)) => Ok(StreamId { ms: unsigned(ms)?, seq: unsigned(seq)? }),
    }
}

/// The id that XADD is to give: one, or `<ms>-*`.
pub(super) fn new_id(word: &[u8]) -> Result<NewId, ReplyError> {
    match parts(word)? {
        (ms, Some(b"*")) => Ok(NewId::Within(unsigned(ms)?)),
        _ => id(word, 0).map(NewId::Exact),
    }
}

/// The first id of a range; behind `(` the range begins with the next.
pub(super) fn range_start(word: &[u8]) -> Result<StreamId, ReplyError> {
    let error = ReplyError::Fixed("ERR invalid start ID for the interval");
    match word {
        [b'(', rest @ ..] if !rest.is_empty() => id(rest, 0)?.next().ok_or(error),
        word => id_or_edge(word, 0),
    }
}

/// The last id of a range; behind `(` the range ends with the one before.
pub(super) fn range_end(word: &[u8]) -> Result<StreamId, ReplyError> {
    let error = ReplyError::Fixed("ERR invalid end ID for the interval");
    match word {
        [b'(', rest @ ..] if !rest.is_empty() => id(rest, u64::MAX)?.previous().ok_or(error),
        word => id_or_edge(word, u64::MAX),
    }
}

/// Writes an id.
pub(super) fn reply_id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(id.text(&mut [0; ID_TEXT_BYTES_MAX]));
}

/// A COUNT; one below zero is taken as zero.
pub(super) fn count(word: &[u8]) -> Result<usize, ReplyError> {
    Ok(usize::try_from(integer(word)?.max(0)).unwrap_or(usize::MAX))
}

/// The words on both sides of the first dash.
fn parts(word: &[u8]) -> Result<(&[u8], Option<&[u8]>), ReplyError> {
    if word.len() > ID_WORD_BYTES_MAX {
        return Err(INVALID);
    }
    let word = until_zero(word);
    if word == b"-" {
        return Ok((word, None));
    }
    Ok(match memchr::memchr(b'-', word) {
        Some(dash) => (&word[..dash], Some(&word[dash + 1..])),
        None => (word, None),
    })
}

/// A number as `strtoull` takes it: the reference asks that one where a number is not canonical, so that blanks in
/// front, signs and zeros are fine.
fn unsigned(text: &[u8]) -> Result<u64, ReplyError> {
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).map_err(|_| INVALID);
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let (is_negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(INVALID);
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    let number = number.ok_or(INVALID)?;
    Ok(if is_negative { number.wrapping_neg() } else { number })
}

const INVALID: ReplyError = ReplyError::Fixed("ERR Invalid stream ID specified as stream command argument");

/// Longest word that may be an id (`streamGenericParseIDOrReply`, `t_stream.c` of 7.0).
const ID_WORD_BYTES_MAX: usize = 127;

#[cfg(test)]
mod tests {
    use super::{id, id_or_edge, new_id, range_end, range_start};
    use crate::value::stream::{NewId, StreamId};

    const fn at(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn ids_are_read_as_the_reference_reads_them() {
        for (word, wanted) in [
            ("5-3", at(5, 3)),
            ("5", at(5, 9)),
            ("007-010", at(7, 10)),
            (" 7- +8", at(7, 8)),
            ("5--03", at(5, u64::MAX - 2)),
            ("18446744073709551615-0", at(u64::MAX, 0)),
            ("5-3\0x", at(5, 3)),
        ] {
            assert_eq!(id(word.as_bytes(), 9), Ok(wanted), "{word}");
        }
        for word in ["", "-", "+", "x", "5-", "5-x", "5--3", "1-1-1", "18446744073709551616", "5 ", "5-*", "*"] {
            assert!(id(word.as_bytes(), 0).is_err(), "{word}");
        }
        assert!(id(&[b'0'; 127], 0).is_ok() && id(&[b'0'; 128], 0).is_err());
    }

    #[test]
    fn edges_and_ranges_have_words() {
        assert_eq!(id_or_edge(b"-", 0), Ok(StreamId::MIN));
        assert_eq!(id_or_edge(b"+", 0), Ok(StreamId::MAX));
        assert_eq!(range_start(b"(5-3"), Ok(at(5, 4)));
        assert_eq!(range_end(b"(5"), Ok(at(5, u64::MAX - 1)));
        assert_eq!(range_end(b"(5-0"), Ok(at(4, u64::MAX)));
        assert!(range_start(b"(").is_err() && range_start(b"(-").is_err());
        assert!(range_end(b"(0-0").is_err());
        assert_eq!(new_id(b"5-*"), Ok(NewId::Within(5)));
        assert_eq!(new_id(b"5"), Ok(NewId::Exact(at(5, 0))));
        assert!(new_id(b"5-*1").is_err() && new_id(b"*-1").is_err());
    }
}
