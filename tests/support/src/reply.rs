//! A reply as a value, and the bounded parser that makes one from bytes.
//!
//! Both protocol versions: every type of RESP2 and RESP3 keeps its own variant, because a script must be able to
//! tell a null bulk string from a null array, or a boolean from an integer. Doubles and big numbers stay text:
//! their spelling is part of the contract. Written apart from the engine's parser on purpose, so that one cannot
//! hide a fault of the other.

/// One reply, push or attribute frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `*` ordered elements.
    Array(Vec<Self>),
    /// `|` name-value pairs sent ahead of a reply, and that reply.
    Attribute(Vec<(Self, Self)>, Box<Self>),
    /// `(` big number, as text.
    BigNumber(Vec<u8>),
    /// `#` boolean.
    Boolean(bool),
    /// `$` bulk string.
    Bulk(Vec<u8>),
    /// `!` error of a stated length.
    BulkError(Vec<u8>),
    /// `,` double, as text.
    Double(Vec<u8>),
    /// `-` error line without the sign.
    Error(Vec<u8>),
    /// `:` integer.
    Integer(i64),
    /// `%` name-value pairs.
    Map(Vec<(Self, Self)>),
    /// `_` the one null of RESP3.
    Null,
    /// `*-1` of RESP2.
    NullArray,
    /// `$-1` of RESP2.
    NullBulk,
    /// `>` out-of-band message.
    Push(Vec<Self>),
    /// `~` elements without order.
    Set(Vec<Self>),
    /// `+` status line without the sign.
    Simple(Vec<u8>),
    /// `=` text with a three-letter format.
    Verbatim([u8; 3], Vec<u8>),
}

impl Reply {
    /// Whether this is an error, of either spelling.
    pub const fn is_error(&self) -> bool {
        matches!(self, Self::Error(_) | Self::BulkError(_))
    }

    /// The text of a string-like reply (bulk, status, verbatim, error, double, big number).
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::BigNumber(text)
            | Self::Bulk(text)
            | Self::BulkError(text)
            | Self::Double(text)
            | Self::Error(text)
            | Self::Simple(text)
            | Self::Verbatim(_, text) => Some(text),
            Self::Array(_)
            | Self::Attribute(..)
            | Self::Boolean(_)
            | Self::Integer(_)
            | Self::Map(_)
            | Self::Null
            | Self::NullArray
            | Self::NullBulk
            | Self::Push(_)
            | Self::Set(_) => None,
        }
    }

    /// The number of an integer reply.
    pub const fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// The elements of an array, set or push.
    pub fn elements(&self) -> Option<&[Self]> {
        if let Self::Array(elements) | Self::Set(elements) | Self::Push(elements) = self {
            Some(elements)
        } else {
            None
        }
    }
}

/// Why bytes are not a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyFault {
    /// A number that is none, or is out of its range.
    BadNumber,
    /// A bulk or aggregate without its closing CR LF, or a malformed verbatim string or boolean.
    Malformed,
    /// Aggregates nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// A length above [`LENGTH_MAX`].
    TooLong,
    /// A first byte that starts no reply.
    UnknownType(u8),
}

impl std::fmt::Display for ReplyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadNumber => f.write_str("a number of the reply is malformed"),
            Self::Malformed => f.write_str("the reply is malformed"),
            Self::TooDeep => write!(f, "the reply is nested deeper than {DEPTH_MAX}"),
            Self::TooLong => write!(f, "a length in the reply is above {LENGTH_MAX}"),
            Self::UnknownType(byte) => write!(f, "no reply starts with '{}'", byte.escape_ascii()),
        }
    }
}

impl std::error::Error for ReplyFault {}

/// Parses the reply at the start of `bytes`; gives it with the number of bytes it took.
///
/// `Ok(None)` means that the bytes end inside the reply.
///
/// # Errors
/// [`ReplyFault`] when no further bytes can make it a reply.
pub fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>, ReplyFault> {
    let mut cursor = Cursor { bytes, at: 0 };
    Ok(cursor.reply(DEPTH_MAX)?.map(|reply| (reply, cursor.at)))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next reply; recursion is bounded by `depth_left`.
    fn reply(&mut self, depth_left: usize) -> Result<Option<Reply>, ReplyFault> {
        let Some(line) = self.line() else { return Ok(None) };
        let Some((&kind, rest)) = line.split_first() else { return Err(ReplyFault::Malformed) };
        let reply = match kind {
            b'+' => Reply::Simple(rest.to_vec()),
            b'-' => Reply::Error(rest.to_vec()),
            b':' => Reply::Integer(number(rest)?),
            b',' => Reply::Double(rest.to_vec()),
            b'(' => Reply::BigNumber(rest.to_vec()),
            b'_' if rest.is_empty() => Reply::Null,
            b'#' if rest == b"t" => Reply::Boolean(true),
            b'#' if rest == b"f" => Reply::Boolean(false),
            b'$' if rest == b"-1" => Reply::NullBulk,
            b'*' if rest == b"-1" => Reply::NullArray,
            b'$' | b'!' | b'=' => return self.counted_text(kind, length(rest)?),
            b'*' | b'~' | b'>' | b'%' | b'|' => return self.aggregate(kind, length(rest)?, depth_left),
            b'_' | b'#' => return Err(ReplyFault::Malformed),
            other => return Err(ReplyFault::UnknownType(other)),
        };
        Ok(Some(reply))
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += end + 2;
        Some(&rest[..end])
    }

    fn counted_text(&mut self, kind: u8, len: usize) -> Result<Option<Reply>, ReplyFault> {
        let rest = &self.bytes[self.at..];
        if rest.len() < len + 2 {
            return Ok(None);
        }
        let (text, end) = (&rest[..len], &rest[len..len + 2]);
        if end != b"\r\n" {
            return Err(ReplyFault::Malformed);
        }
        self.at += len + 2;
        match (kind, text) {
            (b'$', _) => Ok(Some(Reply::Bulk(text.to_vec()))),
            (b'!', _) => Ok(Some(Reply::BulkError(text.to_vec()))),
            (_, &[a, b, c, b':', ref text @ ..]) => Ok(Some(Reply::Verbatim([a, b, c], text.to_vec()))),
            _ => Err(ReplyFault::Malformed),
        }
    }

    fn aggregate(&mut self, kind: u8, len: usize, depth_left: usize) -> Result<Option<Reply>, ReplyFault> {
        let depth_left = depth_left.checked_sub(1).ok_or(ReplyFault::TooDeep)?;
        let is_pairs = matches!(kind, b'%' | b'|');
        let mut elements = Vec::new();
        for _ in 0..if is_pairs { len * 2 } else { len } {
            let Some(element) = self.reply(depth_left)? else { return Ok(None) };
            elements.push(element);
        }
        let reply = match kind {
            b'*' => Reply::Array(elements),
            b'~' => Reply::Set(elements),
            b'>' => Reply::Push(elements),
            b'%' => Reply::Map(pairs(elements)),
            _ => {
                let Some(reply) = self.reply(depth_left)? else { return Ok(None) };
                Reply::Attribute(pairs(elements), Box::new(reply))
            }
        };
        Ok(Some(reply))
    }
}

fn pairs(elements: Vec<Reply>) -> Vec<(Reply, Reply)> {
    let mut elements = elements.into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (elements.next(), elements.next()) {
        pairs.push((name, value));
    }
    pairs
}

fn number(text: &[u8]) -> Result<i64, ReplyFault> {
    let text = std::str::from_utf8(text).map_err(|_| ReplyFault::BadNumber)?;
    text.parse().map_err(|_| ReplyFault::BadNumber)
}

fn length(text: &[u8]) -> Result<usize, ReplyFault> {
    let length = usize::try_from(number(text)?).map_err(|_| ReplyFault::BadNumber)?;
    if length > LENGTH_MAX { Err(ReplyFault::TooLong) } else { Ok(length) }
}

/// Levels of aggregates accepted; the deepest reply of the references (`COMMAND DOCS`) has about ten.
pub const DEPTH_MAX: usize = 64;
/// Bytes of a bulk string, or elements of an aggregate: the references' `proto-max-bulk-len` of 512 MB.
pub const LENGTH_MAX: usize = 512 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, Reply, ReplyFault, parse};

    #[test]
    fn every_type_is_told_apart() {
        let bytes = b"*12\r\n+OK\r\n-ERR x\r\n:-7\r\n$2\r\n\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n,1.5\r\n(123\r\n=7\r\ntxt:abc\r\n%1\r\n$1\r\na\r\n~1\r\n:1\r\n";

        let (reply, taken) = parse(bytes).unwrap().unwrap();

        assert_eq!(taken, bytes.len());
        let expected = vec![
            Reply::Simple(b"OK".to_vec()),
            Reply::Error(b"ERR x".to_vec()),
            Reply::Integer(-7),
            Reply::Bulk(b"\r\n".to_vec()),
            Reply::NullBulk,
            Reply::NullArray,
            Reply::Null,
            Reply::Boolean(true),
            Reply::Double(b"1.5".to_vec()),
            Reply::BigNumber(b"123".to_vec()),
            Reply::Verbatim(*b"txt", b"abc".to_vec()),
            Reply::Map(vec![(Reply::Bulk(b"a".to_vec()), Reply::Set(vec![Reply::Integer(1)]))]),
        ];
        assert_eq!(reply, Reply::Array(expected));
    }

    #[test]
    fn a_reply_cut_anywhere_asks_for_more() {
        let bytes = b"|1\r\n+a\r\n:1\r\n>2\r\n$3\r\nfoo\r\n!5\r\nERR x\r\n";

        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        assert!(parse(bytes).unwrap().is_some());
    }

    #[test]
    fn nesting_and_lengths_are_bounded() {
        assert_eq!(parse(&b"*1\r\n".repeat(DEPTH_MAX + 1)), Err(ReplyFault::TooDeep));
        assert_eq!(parse(b"$536870913\r\n"), Err(ReplyFault::TooLong));
        assert_eq!(parse(b"*-2\r\n"), Err(ReplyFault::BadNumber));
        assert_eq!(parse(b"?\r\n"), Err(ReplyFault::UnknownType(b'?')));
        assert_eq!(parse(b"$1\r\naXX"), Err(ReplyFault::Malformed));
    }
}
