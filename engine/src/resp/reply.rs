//! Writing replies in the client's protocol version.
//!
//! One method per reply type; what RESP2 cannot say becomes what Redis sends a RESP2 client instead. Nothing here
//! allocates beyond the out-buffer.

use bytes::Bytes;

use super::bulk::put_bulk;
use super::outbuf::{OutBuf, Position};
use crate::error::ReplyError;

/// The protocol a client chose with HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    /// RESP2, the default.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

impl Protocol {
    /// 2 or 3.
    pub const fn version(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// Writes replies into one connection's buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut OutBuf,
    protocol: Protocol,
}

impl<'a> Reply<'a> {
    /// A writer for `out`.
    pub fn new(out: &'a mut OutBuf, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// The protocol replies are written in.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol of the replies from here on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.out.put(b"+OK\r\n");
    }

    /// A simple string; `text` holds no line break.
    pub fn simple(&mut self, text: &str) {
        self.out.put_with(|tail| {
            tail.push(b'+');
            tail.extend_from_slice(text.as_bytes());
            tail.extend_from_slice(b"\r\n");
        });
    }

    /// An error.
    pub fn error(&mut self, error: &ReplyError) {
        self.error_line(error.line());
    }

    /// An error from its whole line, code word first.
    pub fn error_line(&mut self, line: &[u8]) {
        self.out.put_with(|tail| {
            tail.push(b'-');
            tail.extend_from_slice(line);
            tail.extend_from_slice(b"\r\n");
        });
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// A length or count as an integer.
    pub fn len(&mut self, value: usize) {
        self.int(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A bulk string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.put_with(|tail| put_bulk(tail, bytes));
    }

    /// Bulk strings: those that `write` puts, one after the other.
    pub fn bulks(&mut self, write: impl FnOnce(&mut Bulks<'_>)) {
        self.out.put_with(|tail| write(&mut Bulks { tail }));
    }

    /// A bulk string whose bytes are shared with the out-buffer when they are large.
    pub fn bulk_shared(&mut self, bytes: Bytes) {
        self.number(b'$', bytes.len() as i64);
        self.out.put_shared(bytes);
        self.out.put(b"\r\n");
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Null in the place of a string.
    pub fn null(&mut self) {
        self.out.put(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// Null in the place of an array.
    pub fn null_array(&mut self) {
        self.out.put(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The head of an array of `len` elements.
    pub fn array(&mut self, len: usize) {
        self.number(b'*', len as i64);
    }

    /// The head of a map of `len` pairs.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.number(b'*', 2 * len as i64),
            Protocol::Resp3 => self.number(b'%', len as i64),
        }
    }

    /// The head of a set of `len` elements.
    pub fn set(&mut self, len: usize) {
        self.typed(b'~', len);
    }

    /// The head of a push message of `len` elements.
    pub fn push(&mut self, len: usize) {
        self.typed(b'>', len);
    }

    /// A double in shortest form, as Redis 7.2 and later print it.
    pub fn double(&mut self, value: f64) {
        let mut text = [0; crate::number::DOUBLE_BYTES_MAX];
        let text = crate::number::format_double(value, &mut text);
        self.double_text(text);
    }

    fn double_text(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.out.put_with(|tail| {
                tail.push(b',');
                tail.extend_from_slice(text);
                tail.extend_from_slice(b"\r\n");
            }),
        }
    }

    /// A double with up to 17 decimals and never an exponent, as coordinates are shown.
    pub fn plain_double(&mut self, value: f64) {
        let mut text = [0; crate::number::DOUBLE_BYTES_MAX];
        let text = crate::number::format_plain(value, &mut text);
        self.double_text(text);
    }

    /// A boolean; 1 and 0 in RESP2.
    pub fn bool(&mut self, value: bool) {
        match (self.protocol, value) {
            (Protocol::Resp2, _) => self.int(i64::from(value)),
            (Protocol::Resp3, true) => self.out.put(b"#t\r\n"),
            (Protocol::Resp3, false) => self.out.put(b"#f\r\n"),
        }
    }

    /// A number of any size, as its digits.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => self.out.put_with(|tail| {
                tail.push(b'(');
                tail.extend_from_slice(digits.as_bytes());
                tail.extend_from_slice(b"\r\n");
            }),
        }
    }

    /// Text for people; `format` is the three letters RESP3 puts before it.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.out.put_with(|tail| {
                header(tail, b'=', text.len() as i64 + 4);
                tail.extend_from_slice(format);
                tail.push(b':');
                tail.extend_from_slice(text);
                tail.extend_from_slice(b"\r\n");
            }),
        }
    }

    /// The head of an attribute map of `len` pairs; nothing in RESP2, and the caller leaves the pairs out.
    pub fn attribute(&mut self, len: usize) {
        if self.protocol == Protocol::Resp3 {
            self.number(b'|', len as i64);
        }
    }

    /// Bytes that are a reply already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put(bytes);
    }

    /// Marks the place of an aggregate whose length shows only at its end.
    pub fn begin(&self) -> Position {
        self.out.position()
    }

    /// Puts the head of an array of `len` elements at a marked place.
    pub fn end_array(&mut self, begin: Position, len: usize) {
        let mut head = Vec::with_capacity(HEADER_BYTES);
        header(&mut head, b'*', len as i64);
        self.out.insert(begin, &head);
    }

    /// Puts the head of a set of `len` elements at a marked place.
    pub fn end_set(&mut self, begin: Position, len: usize) {
        let mark = if self.protocol == Protocol::Resp2 { b'*' } else { b'~' };
        let mut head = Vec::with_capacity(HEADER_BYTES);
        header(&mut head, mark, len as i64);
        self.out.insert(begin, &head);
    }

    /// Puts the head of a map of `len` pairs at a marked place.
    pub fn end_map(&mut self, begin: Position, len: usize) {
        let mut head = Vec::with_capacity(HEADER_BYTES);
        match self.protocol {
            Protocol::Resp2 => header(&mut head, b'*', 2 * len as i64),
            Protocol::Resp3 => header(&mut head, b'%', len as i64),
        }
        self.out.insert(begin, &head);
    }

    fn typed(&mut self, mark: u8, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.number(b'*', len as i64),
            Protocol::Resp3 => self.number(mark, len as i64),
        }
    }

    fn number(&mut self, mark: u8, value: i64) {
        self.out.put_with(|tail| header(tail, mark, value));
    }
}

/// Writes many bulk strings into one connection's buffer.
#[derive(Debug)]
pub struct Bulks<'a> {
    tail: &'a mut Vec<u8>,
}

impl Bulks<'_> {
    /// A bulk string.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        put_bulk(self.tail, bytes);
    }

    /// An integer as a bulk string.
    #[inline]
    pub fn put_int(&mut self, value: i64) {
        put_bulk(self.tail, itoa::Buffer::new().format(value).as_bytes());
    }
}

/// Writes `<mark><value>\r\n`.
#[inline]
pub(crate) fn header(target: &mut Vec<u8>, mark: u8, value: i64) {
    // Lengths mostly have one or two digits.
    match value {
        0..10 => return target.extend_from_slice(&[mark, b'0' + value as u8, b'\r', b'\n']),
        10..100 => {
            let (tens, ones) = (value as u8 / 10, value as u8 % 10);
            return target.extend_from_slice(&[mark, b'0' + tens, b'0' + ones, b'\r', b'\n']);
        }
        _ => {}
    }
    target.push(mark);
    target.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    target.extend_from_slice(b"\r\n");
}

/// Appends one request as RESP: how commands travel in the replication stream and the AOF.
pub fn write_request<'w>(target: &mut Vec<u8>, words: impl ExactSizeIterator<Item = &'w [u8]>) {
    header(target, b'*', words.len() as i64);
    for word in words {
        header(target, b'$', word.len() as i64);
        target.extend_from_slice(word);
        target.extend_from_slice(b"\r\n");
    }
}

/// Bytes that hold any header: mark, sign, 19 digits and the line end.
const HEADER_BYTES: usize = 24;
