//! Reading requests: RESP arrays of bulk strings, and inline commands.
//!
//! The parser keeps its place: a request that arrives in a thousand pieces costs one pass. It never allocates for a
//! length that was only announced. What a request means is not its business; start at [`RequestParser::parse`].
//!
//! The rules, down to the skipped bytes, are those of redis-server 7.0.15.

use super::args::ArgRange;

/// What the parser refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest single argument in bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: usize,
    /// Whether the peer has authenticated; others may only send short requests.
    pub authenticated: bool,
    /// Whether lengths are free of limits: the link from a primary.
    pub trusted: bool,
}

/// Where the parser stands after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// Nothing to run here: an empty line or an empty array of this many bytes.
    Empty {
        /// Bytes to skip.
        consumed: usize,
    },
    /// More bytes are needed.
    Incomplete,
    /// A line to be split into words, without its line end.
    Inline {
        /// Bytes the line and its end take.
        consumed: usize,
        /// Bytes of the line itself.
        line: usize,
    },
    /// A request whose words were appended to the ranges.
    Request {
        /// Bytes the request takes.
        consumed: usize,
    },
}

/// Why a request cannot be read. The connection is closed after the error reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// The length of an argument is no number or too large.
    BulkLength,
    /// An argument does not begin with `$`.
    ExpectedDollar(u8),
    /// The number of arguments is no number or too large.
    MultibulkLength,
    /// The line with an argument's length does not end.
    TooBigBulkCount,
    /// An inline line does not end.
    TooBigInline,
    /// The line with the number of arguments does not end.
    TooBigMultibulkCount,
    /// A quote in an inline line is not closed.
    UnbalancedQuotes,
    /// A long argument before authentication.
    UnauthenticatedBulk,
    /// Many arguments before authentication.
    UnauthenticatedMultibulk,
}

impl ProtocolError {
    /// The error reply's line, without dash and line end.
    pub fn line(self) -> String {
        let reason = match self {
            Self::BulkLength => "invalid bulk length",
            Self::ExpectedDollar(found) => {
                let found = if matches!(found, b'\r' | b'\n') { ' ' } else { char::from(found) };
                return format!("ERR Protocol error: expected '$', got '{found}'");
            }
            Self::MultibulkLength => "invalid multibulk length",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::TooBigInline => "too big inline request",
            Self::TooBigMultibulkCount => "too big mbulk count string",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::UnauthenticatedBulk => "unauthenticated bulk length",
            Self::UnauthenticatedMultibulk => "unauthenticated multibulk length",
        };
        format!("ERR Protocol error: {reason}")
    }
}

/// The place inside one unfinished request. An idle parser owns no memory.
#[derive(Debug, Default)]
pub struct RequestParser {
    /// Arguments that are still to come; 0 between requests.
    remaining: usize,
    /// Offset, from the request's first byte, up to which it is understood.
    scanned: usize,
    /// Length of the argument whose bytes come next.
    bulk: Option<usize>,
    /// Words found so far, relative to the request's first byte.
    found: Vec<ArgRange>,
}

impl RequestParser {
    /// Bytes of memory the unfinished request holds here (`argv-mem` in `CLIENT LIST`).
    pub fn allocated(&self) -> usize {
        self.found.capacity() * size_of::<ArgRange>()
    }

    /// How many more bytes the argument being read needs, so that a buffer can grow once instead of often.
    pub fn wanted(&self, have: usize) -> usize {
        self.bulk.map_or(0, |len| (self.scanned + len + 2).saturating_sub(have))
    }

    /// Reads one request from the start of `input`.
    ///
    /// After [`Parsed::Incomplete`], call again with the same bytes and more behind them. Words are appended to
    /// `ranges` with offsets from `base`, the place of `input` in the buffer the ranges refer to.
    ///
    /// # Errors
    /// [`ProtocolError`] when the bytes cannot become a request. The parser is back at the request's first byte then,
    /// so that the same bytes are the same error however often they are read.
    pub fn parse(
        &mut self,
        input: &[u8],
        base: usize,
        ranges: &mut Vec<ArgRange>,
        limits: &Limits,
    ) -> Result<Parsed, ProtocolError> {
        let first = ranges.len();
        let parsed = self.request(input, base, ranges, limits);
        if parsed.is_err() {
            *self = Self::default();
            ranges.truncate(first);
        }
        parsed
    }

    fn request(
        &mut self,
        input: &[u8],
        base: usize,
        ranges: &mut Vec<ArgRange>,
        limits: &Limits,
    ) -> Result<Parsed, ProtocolError> {
        if self.remaining == 0 {
            match input.first() {
                None => return Ok(Parsed::Incomplete),
                Some(b'*') => {}
                Some(_) => return inline(input),
            }
            let Some((line, next)) = header(input, 1) else {
                return too_long(input, ProtocolError::TooBigMultibulkCount);
            };
            let count = number(line).filter(|&n| n <= ARGS_MAX).ok_or(ProtocolError::MultibulkLength)?;
            if count <= 0 && next <= input.len() {
                return Ok(Parsed::Empty { consumed: next });
            }
            if !limits.authenticated && !limits.trusted && count > UNAUTHENTICATED_ARGS_MAX {
                return Err(ProtocolError::UnauthenticatedMultibulk);
            }
            if next > input.len() {
                return Ok(Parsed::Incomplete);
            }
            self.remaining = count as usize;
            self.scanned = next;
        }
        self.arguments(input, base, ranges, limits)
    }

    fn arguments(
        &mut self,
        input: &[u8],
        base: usize,
        ranges: &mut Vec<ArgRange>,
        limits: &Limits,
    ) -> Result<Parsed, ProtocolError> {
        let resumed = !self.found.is_empty();
        let first = ranges.len();
        while self.remaining > 0 {
            let Some(len) = self.bulk_len(input, limits)? else {
                return Ok(self.suspend(base, first, ranges));
            };
            if input.len() < self.scanned + len + 2 {
                self.bulk = Some(len);
                return Ok(self.suspend(base, first, ranges));
            }
            self.bulk = None;
            ranges.push(self.range(base, len)?);
            self.scanned += len + 2;
            self.remaining -= 1;
        }
        if resumed {
            let found = std::mem::take(&mut self.found);
            // The last word's place is behind all of these, and it fitted.
            let moved = found.into_iter().map(|range| ArgRange { start: range.start + base as u32, ..range });
            ranges.splice(first..first, moved);
        }
        let consumed = std::mem::take(&mut self.scanned);
        Ok(Parsed::Request { consumed })
    }

    /// The length of the next argument, with `scanned` moved to its first byte.
    fn bulk_len(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        if let Some(len) = self.bulk {
            return Ok(Some(len));
        }
        let Some(&mark) = input.get(self.scanned) else { return Ok(None) };
        // A header whose end is missing is looked at only for its length: like the reference, which reports a
        // wrong first byte once the line is whole.
        let Some((line, next)) = header(input, self.scanned + 1) else {
            let rest = &input[self.scanned..];
            return too_long(rest, ProtocolError::TooBigBulkCount).map(|_| None);
        };
        if mark != b'$' {
            return Err(ProtocolError::ExpectedDollar(mark));
        }
        let len = number(line).and_then(|n| usize::try_from(n).ok()).ok_or(ProtocolError::BulkLength)?;
        if (!limits.trusted && len > limits.bulk_bytes_max) || len > BULK_BYTES_CEILING {
            return Err(ProtocolError::BulkLength);
        }
        if !limits.authenticated && !limits.trusted && len > UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::UnauthenticatedBulk);
        }
        if next > input.len() {
            return Ok(None);
        }
        self.scanned = next;
        Ok(Some(len))
    }

    /// The range of the argument that begins where the parser stands.
    fn range(&self, base: usize, len: usize) -> Result<ArgRange, ProtocolError> {
        let start = u32::try_from(base + self.scanned).map_err(|_| ProtocolError::BulkLength)?;
        let len = u32::try_from(len).map_err(|_| ProtocolError::BulkLength)?;
        start.checked_add(len).ok_or(ProtocolError::BulkLength)?;
        Ok(ArgRange { start, len })
    }

    /// Moves the words found in this call into the parser, so that `ranges` only holds whole requests.
    fn suspend(&mut self, base: usize, first: usize, ranges: &mut Vec<ArgRange>) -> Parsed {
        let found = ranges.drain(first..).map(|range| ArgRange { start: range.start - base as u32, ..range });
        self.found.extend(found);
        Parsed::Incomplete
    }
}

/// The bytes from `start` to the next CR, and the offset behind that CR and the byte after it, which is not looked at.
fn header(input: &[u8], start: usize) -> Option<(&[u8], usize)> {
    let rest = input.get(start..)?;
    // Short headers are the rule: a loop over a few bytes beats a call.
    let len = rest.iter().take(24).position(|&byte| byte == b'\r').or_else(|| memchr::memchr(b'\r', rest))?;
    Some((&rest[..len], start + len + 2))
}

fn too_long(input: &[u8], error: ProtocolError) -> Result<Parsed, ProtocolError> {
    if input.len() > LINE_BYTES_MAX { Err(error) } else { Ok(Parsed::Incomplete) }
}

fn inline(input: &[u8]) -> Result<Parsed, ProtocolError> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return too_long(input, ProtocolError::TooBigInline);
    };
    let line = if end > 0 && input[end - 1] == b'\r' { end - 1 } else { end };
    if line == 0 {
        return Ok(Parsed::Empty { consumed: end + 1 });
    }
    Ok(Parsed::Inline { consumed: end + 1, line })
}

/// A canonical decimal integer: no plus sign, no blanks, no leading zeros.
fn number(text: &[u8]) -> Option<i64> {
    match text {
        [digit @ b'0'..=b'9'] => Some(i64::from(digit - b'0')),
        [tens @ b'1'..=b'9', ones @ b'0'..=b'9'] => Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0')),
        _ => crate::number::parse_i64(text),
    }
}

/// Arguments of one request at the most (2^31 - 1, as in Redis 7).
const ARGS_MAX: i64 = i32::MAX as i64;

/// Arguments of one request before authentication at the most.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;

/// Bytes of one argument before authentication at the most.
const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16384;

/// Bytes of a header or inline line at the most (`PROTO_INLINE_MAX_SIZE`).
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one argument at the most, whatever is configured: ranges have 32-bit offsets.
const BULK_BYTES_CEILING: usize = 2 << 30;

#[cfg(test)]
mod tests {
    use super::{ArgRange, Limits, Parsed, ProtocolError, RequestParser};

    const OPEN: Limits = Limits { bulk_bytes_max: 512 << 20, authenticated: true, trusted: false };

    fn parse_all(input: &[u8]) -> Result<(Parsed, Vec<Vec<u8>>), ProtocolError> {
        let mut ranges = Vec::new();
        let parsed = RequestParser::default().parse(input, 0, &mut ranges, &OPEN)?;
        Ok((parsed, words(input, &ranges)))
    }

    fn words(input: &[u8], ranges: &[ArgRange]) -> Vec<Vec<u8>> {
        ranges.iter().map(|r| input[r.start as usize..(r.start + r.len) as usize].to_vec()).collect()
    }

    #[test]
    fn a_whole_request_is_read_in_place() {
        let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nrest";

        let (parsed, words) = parse_all(input).unwrap();

        assert_eq!(parsed, Parsed::Request { consumed: input.len() - 4 });
        assert_eq!(words, [b"GET".to_vec(), b"k".to_vec()]);
    }

    #[test]
    fn a_request_in_single_bytes_is_the_same_request() {
        let input = b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\nhello\r\nworld\r\n";
        let mut parser = RequestParser::default();
        let mut ranges = Vec::new();

        for end in 1..input.len() {
            assert_eq!(parser.parse(&input[..end], 0, &mut ranges, &OPEN), Ok(Parsed::Incomplete));
            assert!(ranges.is_empty());
        }

        let parsed = parser.parse(input, 0, &mut ranges, &OPEN);
        assert_eq!(parsed, Ok(Parsed::Request { consumed: input.len() }));
        assert_eq!(words(input, &ranges), [b"SET".to_vec(), b"".to_vec(), b"hello\r\nworld".to_vec()]);
    }

    #[test]
    fn wrong_lengths_are_refused_with_their_cause() {
        let cases: [(&[u8], ProtocolError); 8] = [
            (b"*+3\r\n", ProtocolError::MultibulkLength),
            (b"*03\r\n", ProtocolError::MultibulkLength),
            (b"*2147483648\r\n", ProtocolError::MultibulkLength),
            (b"*abc\r\n", ProtocolError::MultibulkLength),
            (b"*1\r\n$-1\r\n", ProtocolError::BulkLength),
            (b"*1\r\n$536870913\r\n", ProtocolError::BulkLength),
            (b"*1\r\n:3\r\n", ProtocolError::ExpectedDollar(b':')),
            (b"*1\r\n$ 3\r\n", ProtocolError::BulkLength),
        ];

        for (input, error) in cases {
            assert_eq!(parse_all(input), Err(error), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn lines_without_end_are_refused() {
        let mut endless = vec![b'1'; 70_000];

        endless[0] = b'*';
        assert_eq!(parse_all(&endless), Err(ProtocolError::TooBigMultibulkCount));
        endless[0] = b'G';
        assert_eq!(parse_all(&endless), Err(ProtocolError::TooBigInline));
    }

    #[test]
    fn a_wrong_request_leaves_the_parser_where_it_began() {
        let mut parser = RequestParser::default();
        let mut ranges = Vec::new();

        for _ in 0..2 {
            assert_eq!(
                parser.parse(b"*2\r\n$1\r\na\r\n:1\r\n", 0, &mut ranges, &OPEN),
                Err(ProtocolError::ExpectedDollar(b':'))
            );
            assert!(ranges.is_empty());
        }

        let parsed = parser.parse(b"*1\r\n$1\r\na\r\n", 0, &mut ranges, &OPEN);
        assert_eq!(parsed, Ok(Parsed::Request { consumed: 11 }));
    }

    #[test]
    fn an_empty_array_ends_with_the_byte_after_its_return() {
        let mut parser = RequestParser::default();

        assert_eq!(parser.parse(b"*0\r", 0, &mut Vec::new(), &OPEN), Ok(Parsed::Incomplete));
        assert_eq!(parser.parse(b"*0\r\n", 0, &mut Vec::new(), &OPEN), Ok(Parsed::Empty { consumed: 4 }));
    }

    #[test]
    fn a_word_past_four_gigabytes_is_refused() {
        let base = u32::MAX as usize - 8;

        let parsed = RequestParser::default().parse(b"*1\r\n$1\r\na\r\n", base, &mut Vec::new(), &OPEN);

        assert_eq!(parsed, Err(ProtocolError::BulkLength));
    }

    #[test]
    fn strangers_may_only_send_short_requests() {
        let stranger = Limits { authenticated: false, ..OPEN };
        let parse = |input: &[u8]| RequestParser::default().parse(input, 0, &mut Vec::new(), &stranger);

        assert_eq!(parse(b"*11\r\n"), Err(ProtocolError::UnauthenticatedMultibulk));
        assert_eq!(parse(b"*1\r\n$16385\r\n"), Err(ProtocolError::UnauthenticatedBulk));
    }

    #[test]
    fn empty_arrays_and_lines_are_skipped() {
        assert_eq!(parse_all(b"*0\r\nx").unwrap().0, Parsed::Empty { consumed: 4 });
        assert_eq!(parse_all(b"*-1\r\n").unwrap().0, Parsed::Empty { consumed: 5 });
        assert_eq!(parse_all(b"\r\n").unwrap().0, Parsed::Empty { consumed: 2 });
        assert_eq!(parse_all(b"PING\r\n").unwrap().0, Parsed::Inline { consumed: 6, line: 4 });
    }
}
