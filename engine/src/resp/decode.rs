//! From bytes to replies, as they arrive.
//!
//! A [`Decoder`] keeps what is complete of an unfinished reply, so that a large array that arrives in many pieces is
//! read once. Nested replies stand on a list instead of the call stack. Nothing is reserved that has not arrived.

use std::fmt;

use super::value::{Reply, ServerError};

/// Turns received bytes into replies.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Received bytes, those before `at` being read.
    received: Vec<u8>,
    at: usize,
    open: Vec<Open>,
    /// Bytes of the unfinished reply that were read and forgotten.
    forgotten: usize,
    /// Bytes one reply may have; nothing for no bound but the protocol's.
    reply_bytes_max: Option<usize>,
}

/// Why bytes are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A number, length or boolean cannot be read.
    Number,
    /// Replies stand inside one another too deeply, or a length is beyond any server's limit.
    TooLarge,
    /// A line or a string does not end where it should.
    Unterminated,
    /// The first byte of an element is not one of RESP's.
    UnknownType(u8),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number => f.write_str("a number cannot be read"),
            Self::TooLarge => f.write_str("a length or a depth is beyond its limit"),
            Self::Unterminated => f.write_str("a line or string does not end where it should"),
            Self::UnknownType(byte) => write!(f, "unknown type byte 0x{byte:02x}"),
        }
    }
}

/// An aggregate whose elements have not all arrived.
#[derive(Debug)]
struct Open {
    kind: Kind,
    left: usize,
    elements: Vec<Reply>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Array,
    /// Pairs ahead of an element, which are of no interest here.
    Attribute,
    Map,
    Push,
    Set,
}

/// What one header says.
enum Element {
    Begin(Kind, usize),
    Whole(Reply),
}

impl Decoder {
    /// A decoder for a peer that is not trusted: a reply of more bytes is refused.
    pub fn bounded(reply_bytes_max: usize) -> Self {
        Self { reply_bytes_max: Some(reply_bytes_max), ..Self::default() }
    }

    /// Forgets everything but its bound, and gives back what memory it held: another connection begins.
    pub fn reset(&mut self) {
        *self = Self { reply_bytes_max: self.reply_bytes_max, ..Self::default() };
    }

    /// Where received bytes are put, behind those that are there.
    pub fn received(&mut self) -> &mut Vec<u8> {
        &mut self.received
    }

    /// The next whole reply; nothing when it has not arrived yet.
    ///
    /// # Errors
    /// When what came is no reply: the connection is of no use any more.
    #[expect(clippy::should_implement_trait, reason = "more may come after nothing")]
    pub fn next(&mut self) -> Result<Option<Reply>, Malformed> {
        while let Some(element) = self.element()? {
            let mut reply = match element {
                Element::Begin(kind, left) if left > 0 => {
                    if self.open.len() >= DEPTH_MAX {
                        return Err(Malformed::TooLarge);
                    }
                    let elements = Vec::with_capacity(left.min(RESERVE_ELEMENTS_MAX));
                    self.open.push(Open { kind, left, elements });
                    continue;
                }
                Element::Begin(Kind::Attribute, _) => continue,
                Element::Begin(kind, _) => close(kind, Vec::new()),
                Element::Whole(reply) => reply,
            };
            loop {
                let Some(parent) = self.open.last_mut() else {
                    self.forget_read();
                    return Ok(Some(reply));
                };
                parent.elements.push(reply);
                parent.left -= 1;
                if parent.left > 0 {
                    break;
                }
                let Some(Open { kind, elements, .. }) = self.open.pop() else { break };
                if matches!(kind, Kind::Attribute) {
                    break;
                }
                reply = close(kind, elements);
            }
        }
        self.forget_read();
        match self.reply_bytes_max {
            Some(max) if self.forgotten + self.received.len() > max => Err(Malformed::TooLarge),
            _ => Ok(None),
        }
    }

    /// The next reply, if that is a string of less than a hundred bytes that is all there: most replies, without a loop
    /// over their parts.
    #[inline]
    pub fn next_text<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if !self.open.is_empty() {
            return None;
        }
        let (len, rest) = match self.received.get(self.at..)? {
            [b'$', ones @ b'0'..=b'9', b'\r', b'\n', rest @ ..] => (usize::from(ones - b'0'), rest),
            [b'$', tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', b'\n', rest @ ..] => {
                (usize::from(tens - b'0') * 10 + usize::from(ones - b'0'), rest)
            }
            _ => return None,
        };
        let behind = rest.len();
        let result = read(rest.get(..len + 2)?.strip_suffix(b"\r\n")?);
        self.at = self.received.len() - behind + len + 2;
        self.forget_read();
        Some(result)
    }

    /// Reads one header, and the bytes of a string behind it.
    fn element(&mut self) -> Result<Option<Element>, Malformed> {
        let rest = &self.received[self.at..];
        let Some(end) = line_end(rest)? else { return Ok(None) };
        let (mark, line) = (rest[0], &rest[1..end]);
        let mut used = end + 2;
        let whole = match mark {
            b'+' => Reply::Simple(lossy(line)),
            b'-' => Reply::Error(ServerError::new(lossy(line))),
            b':' => Reply::Int(number(line)?),
            b'_' => Reply::Null,
            b',' => Reply::Double(double(line)?),
            b'#' => Reply::Bool(boolean(line)?),
            b'(' => Reply::BigNumber(lossy(line)),
            b'$' | b'!' | b'=' => match length(line, BULK_BYTES_MAX)? {
                None => Reply::Null,
                Some(len) => {
                    let Some(bytes) = rest.get(used..used + len + 2) else { return Ok(None) };
                    let Some(bytes) = bytes.strip_suffix(b"\r\n") else { return Err(Malformed::Unterminated) };
                    used += len + 2;
                    string(mark, bytes)
                }
            },
            b'*' | b'%' | b'~' | b'>' | b'|' => {
                let (kind, per_element) = match mark {
                    b'*' => (Kind::Array, 1),
                    b'%' => (Kind::Map, 2),
                    b'~' => (Kind::Set, 1),
                    b'>' => (Kind::Push, 1),
                    _ => (Kind::Attribute, 2),
                };
                match length(line, ELEMENTS_MAX)? {
                    None => Reply::Null,
                    Some(len) => {
                        self.at += used;
                        return Ok(Some(Element::Begin(kind, len * per_element)));
                    }
                }
            }
            other => return Err(Malformed::UnknownType(other)),
        };
        self.at += used;
        Ok(Some(Element::Whole(whole)))
    }

    /// Makes room where everything, or much, has been read.
    #[inline]
    fn forget_read(&mut self) {
        if self.open.is_empty() {
            self.forgotten = 0;
        }
        let is_all = self.at == self.received.len();
        if !(is_all || self.at >= COMPACT_BYTES_MIN && self.at >= self.received.len() / 2) {
            return;
        }
        if !self.open.is_empty() {
            self.forgotten += self.at;
        }
        if is_all {
            self.received.clear();
        } else {
            self.received.drain(..self.at);
        }
        self.at = 0;
    }
}

/// Where the first line ends (at its `\r\n`); nothing while the end has not arrived.
fn line_end(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let looked_at = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    match looked_at.iter().position(|&byte| byte == b'\r') {
        Some(0) => Err(Malformed::UnknownType(b'\r')),
        Some(at) => match bytes.get(at + 1) {
            None => Ok(None),
            Some(b'\n') => Ok(Some(at)),
            Some(_) => Err(Malformed::Unterminated),
        },
        None if looked_at.len() < LINE_BYTES_MAX => Ok(None),
        None => Err(Malformed::Unterminated),
    }
}

fn lossy(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

fn number(line: &[u8]) -> Result<i64, Malformed> {
    // Lengths mostly have a few digits: no text, no overflow.
    if let 1..=9 = line.len()
        && line.iter().all(u8::is_ascii_digit)
    {
        return Ok(line.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')));
    }
    let text = std::str::from_utf8(line).map_err(|_| Malformed::Number)?;
    text.parse().map_err(|_| Malformed::Number)
}

fn double(line: &[u8]) -> Result<f64, Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed::Number)?;
    text.parse().map_err(|_| Malformed::Number)
}

fn boolean(line: &[u8]) -> Result<bool, Malformed> {
    match line {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(Malformed::Number),
    }
}

/// A header's length; nothing for RESP2's null, `-1`.
fn length(line: &[u8], max: usize) -> Result<Option<usize>, Malformed> {
    match number(line)? {
        -1 => Ok(None),
        len => match usize::try_from(len) {
            Ok(len) if len <= max => Ok(Some(len)),
            Ok(_) => Err(Malformed::TooLarge),
            Err(_) => Err(Malformed::Number),
        },
    }
}

fn string(mark: u8, bytes: &[u8]) -> Reply {
    match mark {
        b'!' => Reply::Error(ServerError::new(lossy(bytes))),
        b'=' if bytes.get(3) == Some(&b':') => {
            Reply::Verbatim { format: lossy(&bytes[..3]), text: bytes[4..].to_vec() }
        }
        _ => Reply::Bulk(bytes.to_vec()),
    }
}

fn close(kind: Kind, elements: Vec<Reply>) -> Reply {
    match kind {
        Kind::Array | Kind::Attribute => Reply::Array(elements),
        Kind::Map => {
            let mut pairs = Vec::with_capacity(elements.len() / 2);
            let mut elements = elements.into_iter();
            while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
                pairs.push((key, value));
            }
            Reply::Map(pairs)
        }
        Kind::Push => Reply::Push(elements),
        Kind::Set => Reply::Set(elements),
    }
}

/// Aggregates inside one another; deeper than any reply of a server but scripts that try to.
const DEPTH_MAX: usize = 64;

/// Bytes of one string: twice what `proto-max-bulk-len` allows by default.
const BULK_BYTES_MAX: usize = 1 << 30;

/// Elements one aggregate may announce.
const ELEMENTS_MAX: usize = 1 << 30;

/// Elements whose memory is reserved before they arrive.
const RESERVE_ELEMENTS_MAX: usize = 1024;

/// Bytes of a header or of a simple string or error.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Read bytes that are worth moving the rest for.
const COMPACT_BYTES_MIN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::{Decoder, Malformed};
    use crate::resp::value::{Reply, ServerError};

    fn decode(bytes: &[u8]) -> Result<Option<Reply>, Malformed> {
        let mut decoder = Decoder { received: bytes.to_vec(), ..Decoder::default() };
        decoder.next()
    }

    fn cases() -> Vec<(&'static [u8], Reply)> {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        vec![
            (b"+OK\r\n", Reply::Simple("OK".into())),
            (b"-ERR no\r\n", Reply::Error(ServerError::new("ERR no"))),
            (b":-5\r\n", Reply::Int(-5)),
            (b"$-1\r\n", Reply::Null),
            (b"*-1\r\n", Reply::Null),
            (b"_\r\n", Reply::Null),
            (b"$5\r\na\r\nbc\r\n", bulk("a\r\nbc")),
            (b"$0\r\n\r\n", bulk("")),
            (b"*0\r\n", Reply::Array(vec![])),
            (b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", Reply::Array(vec![Reply::Array(vec![Reply::Int(1)]), bulk("x")])),
            (
                b"%1\r\n+a\r\n~1\r\n#t\r\n",
                Reply::Map(vec![(Reply::Simple("a".into()), Reply::Set(vec![Reply::Bool(true)]))]),
            ),
            (b"|1\r\n+ttl\r\n:3\r\n=5\r\ntxt:x\r\n", Reply::Verbatim { format: "txt".into(), text: b"x".to_vec() }),
            (b">1\r\n,1.5\r\n", Reply::Push(vec![Reply::Double(1.5)])),
            (b"(123456789012345678901\r\n", Reply::BigNumber("123456789012345678901".into())),
            (b"!3\r\nERR\r\n", Reply::Error(ServerError::new("ERR"))),
        ]
    }

    #[test]
    fn every_type_is_read_whole_and_in_pieces() {
        for (bytes, expected) in cases() {
            let mut decoder = Decoder::default();
            for (index, byte) in bytes.iter().enumerate() {
                decoder.received.push(*byte);
                let reply = decoder.next().unwrap();
                assert_eq!(reply.is_some(), index + 1 == bytes.len(), "{}", String::from_utf8_lossy(bytes));
                if let Some(reply) = reply {
                    assert_eq!(reply, expected);
                }
            }
            assert_eq!(decode(bytes).unwrap(), Some(expected));
        }
    }

    #[test]
    fn a_bounded_decoder_refuses_a_reply_that_does_not_end() {
        let mut decoder = Decoder::bounded(38);
        for _ in 0..20 {
            decoder.received().extend_from_slice(b"*1\r\n:1\r\n");
            assert_eq!(decoder.next(), Ok(Some(Reply::Array(vec![Reply::Int(1)]))));
        }
        decoder.received().extend_from_slice(b"*1000\r\n");
        for _ in 0..8 {
            assert_eq!(decoder.next(), Ok(None));
            decoder.received().extend_from_slice(b":1\r\n");
        }
        assert_eq!(decoder.next(), Err(Malformed::TooLarge));
    }

    #[test]
    fn replies_follow_one_another() {
        let mut decoder = Decoder { received: b":1\r\n:2\r\n:".to_vec(), ..Decoder::default() };

        assert_eq!(decoder.next(), Ok(Some(Reply::Int(1))));
        assert_eq!(decoder.next(), Ok(Some(Reply::Int(2))));
        assert_eq!(decoder.next(), Ok(None));
    }

    #[test]
    fn what_is_no_reply_is_refused_without_reserving_memory() {
        assert_eq!(decode(b"GET\r\n"), Err(Malformed::UnknownType(b'G')));
        assert_eq!(decode(b"$x\r\n"), Err(Malformed::Number));
        assert_eq!(decode(b"$1\r\nxyz"), Err(Malformed::Unterminated));
        assert_eq!(decode(b"*99999999999\r\n"), Err(Malformed::TooLarge));
        assert_eq!(decode(b"$-2\r\n"), Err(Malformed::Number));
        assert_eq!(decode(&b"*1\r\n".repeat(65)), Err(Malformed::TooLarge));
        assert_eq!(decode(&[b'+'; 70_000]), Err(Malformed::Unterminated));
        assert_eq!(decode(b"*1000000000\r\n:1\r\n"), Ok(None));
    }
}
