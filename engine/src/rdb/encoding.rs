//! Lengths and strings, the atoms of the format.
//!
//! Writing appends to a `Vec<u8>`; reading goes through [`Cursor`], which tells "not all here yet" from "damaged".

use super::lzf::{self, Compressor};
use super::{RdbError, STRING_BYTES_MAX};

/// Appends a length: 6, 14, 32 or 64 bits, the shortest that holds it.
pub fn put_length(out: &mut Vec<u8>, len: u64) {
    if len < 1 << 6 {
        out.push(len as u8);
    } else if len < 1 << 14 {
        out.extend_from_slice(&(LEN_14BIT << 8 | len as u16).to_be_bytes());
    } else if let Ok(len) = u32::try_from(len) {
        out.push(LEN_32BIT);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(LEN_64BIT);
        out.extend_from_slice(&len.to_be_bytes());
    }
}

/// Appends an integer as a string: in binary when it fits 32 bits, as decimal text when not.
pub fn put_int(out: &mut Vec<u8>, number: i64) {
    if let Ok(small) = i8::try_from(number) {
        out.push(STRING_INT8);
        out.extend_from_slice(&small.to_le_bytes());
    } else if let Ok(small) = i16::try_from(number) {
        out.push(STRING_INT16);
        out.extend_from_slice(&small.to_le_bytes());
    } else if let Ok(small) = i32::try_from(number) {
        out.push(STRING_INT32);
        out.extend_from_slice(&small.to_le_bytes());
    } else {
        put_raw(out, itoa::Buffer::new().format(number).as_bytes());
    }
}

/// Appends a string as it is.
pub fn put_raw(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes strings in the shortest form, keeping what compression needs between them.
#[derive(Debug)]
pub struct StringWriter {
    lzf: Option<Compressor>,
    scratch: Vec<u8>,
}

impl StringWriter {
    /// A writer that tries LZF on long strings when `compress` says so (`rdbcompression`).
    pub fn new(compress: Compress) -> Self {
        let lzf = match compress {
            Compress::No => None,
            Compress::Yes => Some(Compressor::default()),
        };
        Self { lzf, scratch: Vec::new() }
    }

    /// Appends a string: canonical 32-bit decimals in binary, long text compressed if that saves four bytes.
    pub fn put(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if let Some(number) = canonical_int(bytes) {
            put_int(out, i64::from(number));
        } else if bytes.len() <= LZF_PLAIN_BYTES_MAX || !self.put_compressed(out, bytes) {
            put_raw(out, bytes);
        }
    }

    fn put_compressed(&mut self, out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        let Some(lzf) = &mut self.lzf else { return false };
        self.scratch.clear();
        if !lzf.compress(bytes, bytes.len() - LZF_SAVED_BYTES_MIN, &mut self.scratch) {
            return false;
        }
        out.push(STRING_LZF);
        put_length(out, self.scratch.len() as u64);
        put_length(out, bytes.len() as u64);
        out.extend_from_slice(&self.scratch);
        self.scratch.shrink_to(SCRATCH_KEEP_BYTES_MAX);
        true
    }
}

/// Whether long strings are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// Strings are written as they are.
    No,
    /// Strings of more than 20 bytes are compressed when it saves at least four.
    Yes,
}

/// The number that `bytes` is the one decimal spelling of, if it fits 32 bits.
fn canonical_int(bytes: &[u8]) -> Option<i32> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let negative = digits.len() < bytes.len();
    if digits.is_empty() || digits.len() > INT32_DIGITS_MAX {
        return None;
    }
    if digits[0] == b'0' && (negative || digits.len() > 1) {
        return None;
    }
    let mut magnitude = 0_i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + i64::from(digit - b'0');
    }
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// A length as read: a number, or the announcement of a specially encoded string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A number of bytes or elements.
    Plain(u64),
    /// One of the `STRING_*` encodings, where a string is expected.
    Special(u8),
}

/// The head of a string: what its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringHead {
    /// This many bytes as they are.
    Raw(u64),
    /// A little-endian integer of 1, 2 or 4 bytes.
    Int(u8),
    /// Compressed bytes, and how many they stand for.
    Lzf {
        /// Bytes in the file.
        packed: u64,
        /// Bytes they stand for.
        len: u64,
    },
}

impl StringHead {
    /// Bytes that follow the head.
    pub(super) fn body_bytes(self) -> u64 {
        match self {
            Self::Raw(len) => len,
            Self::Int(width) => u64::from(width),
            Self::Lzf { packed, .. } => packed,
        }
    }
}

/// A string as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text<'a> {
    /// It was stored as a number.
    Int(i64),
    /// Its bytes, in the file or in the scratch buffer.
    Bytes(&'a [u8]),
}

/// Why a [`Cursor`] could not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end here; more of them may help.
    Short,
    /// No further bytes can help.
    Bad(RdbError),
}

impl From<RdbError> for Fault {
    fn from(error: RdbError) -> Self {
        Self::Bad(error)
    }
}

/// A place in a slice, moving forward.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Longest string, in bytes, that may be declared.
    string_bytes_max: u64,
}

impl<'a> Cursor<'a> {
    /// The beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, string_bytes_max: STRING_BYTES_MAX }
    }

    /// The same place; strings of more than `max` bytes are damaged. What is compressed grows up to 88-fold, so a
    /// client's payload needs a bound of its own.
    pub fn with_strings_up_to(self, max: u64) -> Self {
        Self { string_bytes_max: max.min(STRING_BYTES_MAX), ..self }
    }

    /// The place `at` bytes into `bytes`.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { at: at.min(bytes.len()), ..Self::new(bytes) }
    }

    /// How many bytes lie behind.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether all bytes lie behind.
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], Fault> {
        let count = usize::try_from(count).map_err(|_| Fault::Short)?;
        let end = self.at.checked_add(count).ok_or(Fault::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(Fault::Short)?;
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = self.bytes[self.at..].first_chunk::<N>().ok_or(Fault::Short)?;
        self.at += N;
        Ok(*taken)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Fault> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A length that may announce a specially encoded string.
    pub fn length_or_special(&mut self) -> Result<Length, Fault> {
        let first = self.byte()?;
        let low = first & 0x3f;
        Ok(match first >> 6 {
            0 => Length::Plain(u64::from(low)),
            1 => Length::Plain(u64::from(u16::from_be_bytes([low, self.byte()?]))),
            2 if first == LEN_32BIT => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            2 if first == LEN_64BIT => Length::Plain(u64::from_be_bytes(self.array()?)),
            2 => return Err(RdbError::Corrupt("unknown length encoding").into()),
            _ => Length::Special(first),
        })
    }

    /// A plain length.
    pub fn length(&mut self) -> Result<u64, Fault> {
        match self.length_or_special()? {
            Length::Plain(len) => Ok(len),
            Length::Special(_) => Err(RdbError::Corrupt("string encoding where a length belongs").into()),
        }
    }

    /// What precedes a string's bytes.
    pub fn string_head(&mut self) -> Result<StringHead, Fault> {
        let head = match self.length_or_special()? {
            Length::Plain(len) => StringHead::Raw(len),
            Length::Special(STRING_INT8) => StringHead::Int(1),
            Length::Special(STRING_INT16) => StringHead::Int(2),
            Length::Special(STRING_INT32) => StringHead::Int(4),
            Length::Special(STRING_LZF) => StringHead::Lzf { packed: self.length()?, len: self.length()? },
            Length::Special(_) => return Err(RdbError::Corrupt("unknown string encoding").into()),
        };
        let longest = match head {
            StringHead::Lzf { len, .. } => len.max(head.body_bytes()),
            StringHead::Raw(_) | StringHead::Int(_) => head.body_bytes(),
        };
        if longest > self.string_bytes_max { Err(RdbError::Corrupt("string too long").into()) } else { Ok(head) }
    }

    /// A string; `scratch` receives its bytes when they are compressed.
    pub fn string<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Result<Text<'s>, Fault>
    where
        'a: 's,
    {
        Ok(match self.string_head()? {
            StringHead::Raw(len) => Text::Bytes(self.take(len)?),
            StringHead::Int(width) => Text::Int(self.int(width)?),
            StringHead::Lzf { packed, len } => Text::Bytes(self.unpack(packed, len, scratch)?),
        })
    }

    /// A string's bytes; `scratch` receives them when the file has them in another form.
    pub fn bytes<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Fault>
    where
        'a: 's,
    {
        match self.string_head()? {
            StringHead::Raw(len) => self.take(len),
            StringHead::Int(width) => {
                let number = self.int(width)?;
                scratch.clear();
                scratch.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                Ok(scratch)
            }
            StringHead::Lzf { packed, len } => self.unpack(packed, len, scratch),
        }
    }

    fn int(&mut self, width: u8) -> Result<i64, Fault> {
        Ok(match width {
            1 => i64::from(i8::from_le_bytes(self.array()?)),
            2 => i64::from(i16::from_le_bytes(self.array()?)),
            _ => i64::from(i32::from_le_bytes(self.array()?)),
        })
    }

    fn unpack<'s>(&mut self, packed: u64, len: u64, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Fault> {
        let packed = self.take(packed)?;
        let bad = RdbError::Corrupt("invalid LZF compressed string");
        let len = usize::try_from(len).map_err(|_| bad)?;
        lzf::decompress(packed, len, scratch).map_err(|_| bad)?;
        Ok(scratch)
    }
}

const LEN_14BIT: u16 = 0x40;
const LEN_32BIT: u8 = 0x80;
const LEN_64BIT: u8 = 0x81;
const STRING_INT8: u8 = 0xc0;
const STRING_INT16: u8 = 0xc1;
const STRING_INT32: u8 = 0xc2;
const STRING_LZF: u8 = 0xc3;

/// Decimal digits an `i32` can have.
const INT32_DIGITS_MAX: usize = 10;
/// Strings up to this many bytes are not worth compressing (Redis writes them plain).
const LZF_PLAIN_BYTES_MAX: usize = 20;
/// What compression must save, in bytes (Redis's figure).
const LZF_SAVED_BYTES_MIN: usize = 4;
/// Capacity, in bytes, the compression buffer keeps after a large value.
const SCRATCH_KEEP_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::{Compress, Cursor, Fault, StringWriter, Text, put_int, put_length};

    fn written(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        StringWriter::new(Compress::Yes).put(&mut out, bytes);
        out
    }

    #[test]
    fn lengths_take_the_shortest_form_and_come_back() {
        let cases: [(u64, &[u8]); 7] = [
            (0, &[0]),
            (63, &[0x3f]),
            (64, &[0x40, 64]),
            (16383, &[0x7f, 0xff]),
            (16384, &[0x80, 0, 0, 0x40, 0]),
            (u64::from(u32::MAX), &[0x80, 0xff, 0xff, 0xff, 0xff]),
            (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        ];

        for (len, bytes) in cases {
            let mut out = Vec::new();
            put_length(&mut out, len);
            assert_eq!(out, bytes);
            assert_eq!(Cursor::new(bytes).length(), Ok(len));
        }
    }

    #[test]
    fn canonical_decimals_become_integers() {
        let cases: [(&[u8], &[u8]); 12] = [
            (b"12", &[0xc0, 12]),
            (b"-128", &[0xc0, 0x80]),
            (b"300", &[0xc1, 0x2c, 1]),
            (b"-2147483648", &[0xc2, 0, 0, 0, 0x80]),
            (b"2147483648", b"\x0a2147483648"),
            (b"10000000000", b"\x0b10000000000"),
            (b"007", b"\x03007"),
            (b"+7", b"\x02+7"),
            (b"-0", b"\x02-0"),
            (b"0", &[0xc0, 0]),
            (b"-", b"\x01-"),
            (b"", b"\x00"),
        ];

        for (text, bytes) in cases {
            assert_eq!(written(text), bytes, "{}", text.escape_ascii());
            assert_eq!(Cursor::new(bytes).bytes(&mut Vec::new()), Ok(text));
        }
    }

    #[test]
    fn large_integers_are_written_as_text() {
        let mut out = Vec::new();

        put_int(&mut out, i64::MIN);

        assert_eq!(out, b"\x14-9223372036854775808");
    }

    #[test]
    fn long_strings_are_compressed_only_when_it_pays() {
        let long = [b'a'; 100];
        let packed = written(&long);

        assert_eq!(packed[0], 0xc3);
        assert!(packed.len() < 20);
        assert_eq!(Cursor::new(&packed).bytes(&mut Vec::new()), Ok(&long[..]));
        assert_eq!(written(&[b'a'; 20])[0], 20);
        assert_eq!(written(b"abcdefghijklmnopqrstuvwxyz")[0], 26);
    }

    #[test]
    fn a_string_that_is_not_all_here_is_short_and_not_damaged() {
        let packed = written(&[b'a'; 100]);

        for cut in 0..packed.len() {
            assert_eq!(Cursor::new(&packed[..cut]).string(&mut Vec::new()), Err(Fault::Short), "{cut}");
        }
        assert!(matches!(Cursor::new(&packed).string(&mut Vec::new()), Ok(Text::Bytes(_))));
    }

    #[test]
    fn a_declared_length_alone_allocates_nothing() {
        let mut scratch = Vec::new();
        let declared = [0xc3, 0x81, 0, 0, 0, 0, 0xff, 0, 0, 0, 0x81, 0, 0, 0, 0, 0xff, 0, 0, 0];

        assert_eq!(Cursor::new(&declared).string(&mut scratch), Err(Fault::Short));
        assert_eq!(scratch.capacity(), 0);
    }
}
