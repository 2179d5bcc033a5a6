//! How one element is laid out: encoding byte, data, and the length to step back by.
//!
//! ```text
//! 0xxxxxxx                 integer 0 to 127
//! 10xxxxxx data            string of up to 63 bytes
//! 110xxxxx xxxxxxxx        13-bit integer, upper bits first
//! 1110xxxx xxxxxxxx data   string of up to 4,095 bytes
//! f0 and 4 bytes, data     longer string
//! f1 f2 f3 f4              integer of 2, 3, 4, 8 bytes
//! ff                       end
//! ```
//!
//! Everything but the two integers with upper bits first is little endian. The back length counts encoding and data:
//! 7 bits a byte, most significant first, all bytes but the first marked, so that it is read from its end.

use super::element::{Element, integer_of};

/// An element ready to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded<'a> {
    head: [u8; HEAD_BYTES_MAX],
    head_len: u8,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    pub(super) fn of(element: Element<'a>) -> Self {
        match element {
            Element::Bytes(bytes) => integer_of(bytes).map_or_else(|| Self::string(bytes), Self::integer),
            Element::Int(number) => Self::integer(number),
        }
    }

    fn string(body: &'a [u8]) -> Self {
        let len = body.len();
        if len < 64 {
            Self::with(&[STRING_6 | len as u8], body)
        } else if len < 4096 {
            Self::with(&[STRING_12 | (len >> 8) as u8, len as u8], body)
        } else {
            let [a, b, c, d] = (len as u32).to_le_bytes();
            Self::with(&[STRING_32, a, b, c, d], body)
        }
    }

    fn integer(number: i64) -> Self {
        let bytes = number.to_le_bytes();
        let [a, b, c, d, ..] = bytes;
        match number {
            0..=127 => Self::with(&[a], &[]),
            -4096..=4095 => Self::with(&[INT_13 | b & 0x1f, a], &[]),
            -0x8000..=0x7fff => Self::with(&[INT_16, a, b], &[]),
            -0x80_0000..=0x7f_ffff => Self::with(&[INT_24, a, b, c], &[]),
            -0x8000_0000..=0x7fff_ffff => Self::with(&[INT_32, a, b, c, d], &[]),
            _ => {
                let [a, b, c, d, e, f, g, h] = bytes;
                Self::with(&[INT_64, a, b, c, d, e, f, g, h], &[])
            }
        }
    }

    #[inline]
    fn with(head: &[u8], body: &'a [u8]) -> Self {
        let mut padded = [0; HEAD_BYTES_MAX];
        padded[..head.len()].copy_from_slice(head);
        Self { head: padded, head_len: head.len() as u8, body }
    }

    /// Bytes of encoding and data, without the back length.
    #[inline]
    fn inner_len(&self) -> usize {
        usize::from(self.head_len) + self.body.len()
    }

    /// Bytes the element takes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let inner = self.inner_len();
        inner + back_len_size(inner)
    }

    /// Writes the element over the first [`Encoded::len`] bytes of `out`.
    #[inline]
    pub(super) fn write(&self, out: &mut [u8]) {
        let (head_len, inner) = (usize::from(self.head_len), self.inner_len());
        if head_len == 1 && inner <= 127 {
            out[0] = self.head[0];
            out[1..inner].copy_from_slice(self.body);
            out[inner] = inner as u8;
            return;
        }
        out[..head_len].copy_from_slice(&self.head[..head_len]);
        out[head_len..inner].copy_from_slice(self.body);
        write_back_len(inner, &mut out[inner..]);
    }
}

/// The element that begins at `at`.
#[inline]
pub(super) fn decode(bytes: &[u8], at: usize) -> Element<'_> {
    let bytes = &bytes[at..];
    match bytes[0] {
        byte @ 0..=0x7f => Element::Int(i64::from(byte)),
        byte @ 0x80..=0xbf => Element::Bytes(&bytes[1..1 + usize::from(byte & 0x3f)]),
        byte @ 0xc0..=0xdf => {
            let unsigned = u16::from(byte & 0x1f) << 8 | u16::from(bytes[1]);
            Element::Int(i64::from((unsigned << 3).cast_signed() >> 3))
        }
        byte @ 0xe0..=0xef => {
            let len = usize::from(byte & 0xf) << 8 | usize::from(bytes[1]);
            Element::Bytes(&bytes[2..2 + len])
        }
        STRING_32 => Element::Bytes(&bytes[5..5 + long_len(bytes)]),
        INT_16 => Element::Int(i64::from(i16::from_le_bytes([bytes[1], bytes[2]]))),
        INT_24 => Element::Int(i64::from(i32::from_le_bytes([0, bytes[1], bytes[2], bytes[3]]) >> 8)),
        INT_32 => Element::Int(i64::from(i32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]))),
        _ => {
            let number = bytes[1..].first_chunk().expect("an encoding of eight bytes is followed by them");
            Element::Int(i64::from_le_bytes(*number))
        }
    }
}

/// Bytes of encoding and data of the element at `at`, without the back length.
#[inline]
fn inner_len_at(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        0..=0x7f => 1,
        byte @ 0x80..=0xbf => 1 + usize::from(byte & 0x3f),
        0xc0..=0xdf => 2,
        byte @ 0xe0..=0xef => 2 + (usize::from(byte & 0xf) << 8 | usize::from(bytes[at + 1])),
        STRING_32 => 5 + long_len(&bytes[at..]),
        INT_16 => 3,
        INT_24 => 4,
        INT_32 => 5,
        _ => 9,
    }
}

/// The element that begins at `at`, and where the next begins.
#[inline]
pub(super) fn decode_next(bytes: &[u8], at: usize) -> (Element<'_>, usize) {
    let byte = bytes[at];
    if byte & 0xc0 == STRING_6 {
        let end = at + 1 + usize::from(byte & 0x3f);
        return (Element::Bytes(&bytes[at + 1..end]), end + 1);
    }
    if byte & 0xf0 == STRING_12 {
        let start = at + 2;
        let end = start + (usize::from(byte & 0xf) << 8 | usize::from(bytes[at + 1]));
        return (Element::Bytes(&bytes[start..end]), end + back_len_size(end - at));
    }
    (decode(bytes, at), next_of(bytes, at))
}

/// Where the element after the one at `at` begins.
#[inline]
pub(super) fn next_of(bytes: &[u8], at: usize) -> usize {
    let byte = bytes[at];
    if byte & 0xc0 == STRING_6 {
        // A branch that is guessed right does not wait for the table, and the next step not for this one.
        return at + usize::from(byte & 0x3f) + 2;
    }
    match SIZE_BY_FIRST_BYTE[usize::from(byte)] {
        0 => next_of_sized(bytes, at),
        size => at + usize::from(size),
    }
}

#[cold]
fn next_of_sized(bytes: &[u8], at: usize) -> usize {
    let inner = inner_len_at(bytes, at);
    at + inner + back_len_size(inner)
}

/// Whether the element at `at` is `text`, a string of 1 to 63 bytes, in the encoding such strings have.
#[inline]
pub(super) fn is_short_string(bytes: &[u8], at: usize, text: &[u8]) -> bool {
    // Fields of one value often begin alike: their ends tell them apart.
    bytes[at] == STRING_6 | text.len() as u8
        && text.last() == Some(&bytes[at + text.len()])
        && bytes[at + 1..at + 1 + text.len()] == *text
}

/// Whether the element at `at` has the encoding of strings past 63 bytes; shorter ones may have it from outside.
#[inline]
pub(super) fn is_long_string(bytes: &[u8], at: usize) -> bool {
    (STRING_12..=STRING_32).contains(&bytes[at])
}

/// Where the element before the one at `at` begins; there must be one.
#[inline]
pub(super) fn previous_of(bytes: &[u8], at: usize) -> usize {
    let mut inner = 0;
    let mut size = 0;
    loop {
        let byte = bytes[at - 1 - size];
        inner |= usize::from(byte & 0x7f) << (7 * size);
        size += 1;
        if byte & 0x80 == 0 {
            return at - size - inner;
        }
    }
}

/// Where the element after the one at `at` would begin, if that one is whole, in order and ends before `end`.
pub(super) fn checked_next(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let head_len = match *bytes.get(at)? {
        0..=0xbf => 1,
        0xc0..=0xef => 2,
        STRING_32 => 5,
        INT_16..=INT_64 => 1,
        _ => return None,
    };
    if at + head_len > end {
        return None;
    }
    // At most 2^32 + 5, so no sum here overflows on 64 bits.
    let inner = inner_len_at(bytes, at);
    let next = at + inner + back_len_size(inner);
    if next > end {
        return None;
    }
    let mut expected = [0; BACK_LEN_BYTES_MAX];
    let size = write_back_len(inner, &mut expected);
    (bytes[at + inner..next] == expected[..size]).then_some(next)
}

/// Length of a string past 4,095 bytes; `bytes` begin with its encoding.
#[inline]
fn long_len(bytes: &[u8]) -> usize {
    u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize
}

/// Bytes the back length takes.
///
/// The reference (7.0.15) goes to the next size one below what would fit, except at 127; what it writes must be
/// matched, since readers compute this size.
#[inline]
fn back_len_size(inner: usize) -> usize {
    match inner {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Writes the back length and returns its size.
#[inline]
fn write_back_len(inner: usize, out: &mut [u8]) -> usize {
    let size = back_len_size(inner);
    for (place, byte) in out[..size].iter_mut().enumerate() {
        let mark = if place == 0 { 0 } else { 0x80 };
        *byte = (inner >> (7 * (size - 1 - place)) & 0x7f) as u8 | mark;
    }
    size
}

/// Bytes of a whole element as far as its first byte tells; 0 for strings whose length follows.
const SIZE_BY_FIRST_BYTE: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            0..=0x7f => 2,
            short @ 0x80..=0xbf => (short & 0x3f) + 2,
            0xc0..=0xdf => 3,
            INT_16 => 4,
            INT_24 => 5,
            INT_32 => 6,
            INT_64 => 10,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Bytes an element takes at most beside the text it is made of.
pub(super) const OVERHEAD_BYTES_MAX: usize = 5 + BACK_LEN_BYTES_MAX;

/// Ends every listpack; no element begins with it.
pub(super) const END: u8 = 0xff;

const HEAD_BYTES_MAX: usize = 9;
const BACK_LEN_BYTES_MAX: usize = 5;

const STRING_6: u8 = 0x80;
const INT_13: u8 = 0xc0;
const STRING_12: u8 = 0xe0;
const STRING_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;
