//! What a listpack holds: integers and strings.

use std::cmp::Ordering;

use crate::number::parse_i64;

/// One element of a listpack: read from it, or to be stored in it.
///
/// Bytes that are a canonical 64-bit integer are stored as one, whichever variant they come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    /// A string.
    Bytes(&'a [u8]),
    /// A string that is a canonical integer.
    Int(i64),
}

impl<'a> Element<'a> {
    /// The element's text; an integer is written into `digits`.
    #[inline]
    pub fn text<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Int(number) => digits.format(number).as_bytes(),
        }
    }

    /// Whether the element's text is `other`.
    #[inline]
    pub fn is(self, other: &[u8]) -> bool {
        match self {
            Self::Bytes(bytes) => bytes == other,
            Self::Int(number) => integer_of(other) == Some(number),
        }
    }

    /// How the element's text compares with `other`, byte by byte.
    pub fn compare(self, other: &[u8]) -> Ordering {
        self.text(&mut itoa::Buffer::new()).cmp(other)
    }

    /// The number the element's text is, if it is a canonical integer.
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Bytes(bytes) => integer_of(bytes),
            Self::Int(number) => Some(number),
        }
    }

    /// Length of the element's text in bytes.
    pub fn text_len(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Int(number) => {
                let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
                digits + usize::from(number < 0)
            }
        }
    }

    /// A copy of the element's text.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }
}

impl<'a> From<&'a [u8]> for Element<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Element<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Element<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// The integer that `text` is in canonical form, if it is one; most text is told apart by its first byte.
#[inline]
pub(super) fn integer_of(text: &[u8]) -> Option<i64> {
    match text {
        [b'0'..=b'9' | b'-', ..] if text.len() <= INTEGER_TEXT_BYTES_MAX => parse_i64(text),
        _ => None,
    }
}

/// Length of `i64::MIN` in decimal.
const INTEGER_TEXT_BYTES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::Element;

    #[test]
    fn lengths_of_integers_are_those_of_their_text() {
        for number in [0, 1, 9, 10, -1, -9, -10, 99, 100, i64::MAX, i64::MIN] {
            assert_eq!(Element::Int(number).text_len(), number.to_string().len());
        }
    }

    #[test]
    fn integers_equal_their_canonical_text_only() {
        assert!(Element::Int(-5).is(b"-5"));
        assert!(!Element::Int(5).is(b"05"));
        assert!(!Element::Int(5).is(b"+5"));
        assert!(Element::Int(10).compare(b"9").is_lt());
    }
}
