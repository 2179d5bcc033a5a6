//! The quoting of configuration text: how a line falls into words, and how a word is written so that it comes back.
//!
//! Redis uses one grammar for its configuration file, for inline commands and for the stored cluster and ACL
//! files, so it lives here for all of them. What does not: what the words mean. Start at [`split_args`].

use std::fmt;

/// The quotes of a line do not close, or something sticks to a closing quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unbalanced;

impl fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unbalanced quotes")
    }
}

impl std::error::Error for Unbalanced {}

/// Splits a line into its words.
///
/// Blanks separate words. Between double quotes `\n \r \t \b \a \xHH` are escapes and any other escaped byte
/// stands for itself; between single quotes only `\'` is one. A zero byte ends the line, as it does in Redis.
///
/// ```
/// use slotmesh_engine::config::text::split_args;
/// assert_eq!(split_args(br#"save "" 'a b' "\x41\n""#).unwrap(), [&b"save"[..], b"", b"a b", b"A\n"]);
/// ```
///
/// # Errors
/// [`Unbalanced`] when a quote does not close or is followed by something other than a blank.
pub fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let end = line.iter().position(|&byte| byte == 0).unwrap_or(line.len());
    let mut rest = &line[..end];
    let mut words = Vec::new();
    loop {
        rest = trim_start(rest);
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, after) = split_word(rest)?;
        words.push(word);
        rest = after;
    }
}

/// Takes one word off the front of `rest`, which starts with a byte of it.
fn split_word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    let mut word = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return Ok((word, rest)),
            b'"' => return close(double_quoted(after, &mut word)?, word),
            b'\'' => return close(single_quoted(after, &mut word)?, word),
            _ => word.push(byte),
        }
        rest = after;
    }
    Ok((word, rest))
}

/// A closing quote ends the word: only a blank or the end of the line may follow.
fn close(rest: &[u8], word: Vec<u8>) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    if rest.first().is_none_or(|&byte| is_space(byte)) { Ok((word, rest)) } else { Err(Unbalanced) }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        match rest {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                word.push(unescape(*escaped));
                rest = after;
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
            [] => return Err(Unbalanced),
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        match rest {
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                rest = after;
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
            [] => return Err(Unbalanced),
        }
    }
}

/// The byte that `\<escaped>` stands for between double quotes.
fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A') + 10,
    }
}

/// A word between double quotes, escaped so that [`split_args`] gives it back.
///
/// ```
/// use slotmesh_engine::config::text::quote;
/// assert_eq!(quote(b"a\"b\n\x01"), br#""a\"b\n\x01""#);
/// ```
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len() + 2);
    quote_into(&mut out, word);
    out
}

/// Appends [`quote`]d `word` to `out`.
pub fn quote_into(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(&[b'\\', b'x', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
        }
    }
    out.push(b'"');
}

/// Cuts the blanks Redis cuts off both ends of a configuration line: space, tab, CR and LF.
pub(crate) fn trim_line(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let first = line.iter().position(|byte| !blank(byte)).unwrap_or(line.len());
    let last = line.iter().rposition(|byte| !blank(byte)).map_or(first, |at| at + 1);
    &line[first..last]
}

/// The blanks of C's `isspace`: ASCII white space and the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn trim_start(line: &[u8]) -> &[u8] {
    let first = line.iter().position(|&byte| !is_space(byte)).unwrap_or(line.len());
    &line[first..]
}

#[cfg(test)]
mod tests {
    use super::{Unbalanced, quote, split_args};

    fn words(line: &[u8]) -> Vec<String> {
        split_args(line).unwrap().iter().map(|word| word.escape_ascii().to_string()).collect()
    }

    #[test]
    fn blanks_separate_words() {
        assert_eq!(words(b"  a\t b \r\n c\x0b\x0cd"), ["a", "b", "c\\x0b\\x0cd"]);
        assert!(words(b" \t ").is_empty());
        assert_eq!(words(b"\x0ba"), ["a"]);
    }

    #[test]
    fn double_quotes_know_escapes_and_single_quotes_only_their_own() {
        assert_eq!(words(br#""\n\r\t\b\a\x4a\xg\q""#), [r"\n\r\t\x08\x07Jxgq"]);
        assert_eq!(words(br#"'a\'b\n'"#), [r"a\'b\\n"]);
        assert_eq!(words(br#"pre"fix ed""#), ["prefix ed"]);
        assert_eq!(words(br#""" ''"#), ["", ""]);
    }

    #[test]
    fn quotes_that_do_not_close_or_touch_are_refused() {
        for line in [&br#"port "1"#[..], br#"port "1"2"#, b"'a", b"'a'b", br#""a\"#, br#"'a\'"#, b"\"a\0\""] {
            assert_eq!(split_args(line), Err(Unbalanced), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_zero_byte_ends_the_line() {
        assert_eq!(words(b"a b\0c d"), ["a", "b"]);
    }

    #[test]
    fn a_quoted_word_comes_back() {
        let every: Vec<u8> = (0..=255).collect();

        assert_eq!(split_args(&quote(&every)).unwrap(), [every]);
    }
}
