//! A reply as a value that tests compare with what they expect.

use std::fmt;

/// One reply of a node, RESP2 or RESP3.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// Ordered elements; sets and pushes as well.
    Array(Vec<Self>),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// An error line without its sign.
    Error(String),
    /// An integer, or a boolean as 0 or 1.
    Integer(i64),
    /// Name-value pairs.
    Map(Vec<(Self, Self)>),
    /// No value, in any of its spellings.
    Null,
    /// A status line, or a double or big number as text.
    Simple(String),
}

impl Reply {
    /// The reply at the start of `bytes`, which hold at least one whole reply.
    ///
    /// # Panics
    /// When they do not: callers have looked for its end before.
    pub fn of(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let reply = take(&mut rest, DEPTH_MAX);
        reply.unwrap_or_else(|| panic!("not a reply: {}", bytes.escape_ascii()))
    }

    /// Whether it is an error.
    pub const fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// Whether there is no value.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string, status or error; bytes that are not UTF-8 are replaced.
    ///
    /// # Panics
    /// When it is of another kind.
    pub fn text(&self) -> String {
        match self {
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Error(text) | Self::Simple(text) => text.clone(),
            Self::Array(_) | Self::Integer(_) | Self::Map(_) | Self::Null => {
                panic!("a text was expected, not {self:?}")
            }
        }
    }

    /// The number of an integer.
    ///
    /// # Panics
    /// When it is of another kind.
    pub fn int(&self) -> i64 {
        if let Self::Integer(number) = self { *number } else { panic!("an integer was expected, not {self:?}") }
    }

    /// The elements of an array.
    ///
    /// # Panics
    /// When it is of another kind.
    pub fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { panic!("an array was expected, not {self:?}") }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) => Some(bytes),
            Self::Error(text) | Self::Simple(text) => Some(text.as_bytes()),
            Self::Array(_) | Self::Integer(_) | Self::Map(_) | Self::Null => None,
        }
    }
}

impl PartialEq<str> for Reply {
    fn eq(&self, other: &str) -> bool {
        self.bytes() == Some(other.as_bytes())
    }
}

impl PartialEq<&str> for Reply {
    fn eq(&self, other: &&str) -> bool {
        <Self as PartialEq<str>>::eq(self, other)
    }
}

impl PartialEq<String> for Reply {
    fn eq(&self, other: &String) -> bool {
        <Self as PartialEq<str>>::eq(self, other)
    }
}

impl PartialEq<i64> for Reply {
    fn eq(&self, other: &i64) -> bool {
        matches!(self, Self::Integer(number) if number == other)
    }
}

impl PartialEq<i32> for Reply {
    fn eq(&self, other: &i32) -> bool {
        matches!(self, Self::Integer(number) if *number == i64::from(*other))
    }
}

impl<T> PartialEq<[T]> for Reply
where
    Self: PartialEq<T>,
{
    fn eq(&self, other: &[T]) -> bool {
        matches!(self, Self::Array(items) if items.len() == other.len() && items.iter().zip(other).all(|(a, b)| a == b))
    }
}

impl<T, const N: usize> PartialEq<[T; N]> for Reply
where
    Self: PartialEq<T>,
{
    fn eq(&self, other: &[T; N]) -> bool {
        <Self as PartialEq<[T]>>::eq(self, other)
    }
}

/// As redis-cli shows it, near enough to read.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Error(text) => write!(f, "(error) {text}"),
            Self::Integer(number) => write!(f, "(integer) {number}"),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(name, value)| (name, value))).finish(),
            Self::Null => f.write_str("(nil)"),
            Self::Simple(text) => f.write_str(text),
        }
    }
}

/// The next reply; recursion is bounded by `depth_left`.
fn take(rest: &mut &[u8], depth_left: usize) -> Option<Reply> {
    let line = take_line(rest)?;
    let (&kind, text) = line.split_first()?;
    Some(match kind {
        b'+' | b',' | b'(' => Reply::Simple(lossy(text)),
        b'-' => Reply::Error(lossy(text)),
        b':' => Reply::Integer(number(text)?),
        b'#' => Reply::Integer(i64::from(text == b"t")),
        b'_' => Reply::Null,
        b'$' | b'!' | b'=' => match usize::try_from(number(text)?) {
            Err(_) => Reply::Null,
            Ok(len) => {
                let bytes = rest.get(..len)?;
                *rest = rest.get(len + 2..)?;
                match kind {
                    b'!' => Reply::Error(lossy(bytes)),
                    // The first four bytes of a verbatim string tell its format.
                    b'=' => Reply::Bulk(bytes.get(4..)?.to_vec()),
                    _ => Reply::Bulk(bytes.to_vec()),
                }
            }
        },
        b'*' | b'~' | b'>' => match usize::try_from(number(text)?) {
            Err(_) => Reply::Null,
            Ok(len) => Reply::Array(take_many(rest, len, depth_left)?),
        },
        b'%' => {
            let mut all = take_many(rest, usize::try_from(number(text)?).ok()? * 2, depth_left)?.into_iter();
            Reply::Map(std::iter::from_fn(|| Some((all.next()?, all.next()?))).collect())
        }
        _ => return None,
    })
}

fn take_many(rest: &mut &[u8], count: usize, depth_left: usize) -> Option<Vec<Reply>> {
    let depth_left = depth_left.checked_sub(1)?;
    (0..count).map(|_| take(rest, depth_left)).collect()
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(line)
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Levels of arrays in a reply; the deepest of ours (COMMAND DOCS) has about ten.
const DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::Reply;

    #[test]
    fn replies_compare_with_what_a_test_expects() {
        assert_eq!(Reply::of(b"$1\r\nv\r\n"), "v");
        assert_eq!(Reply::of(b"+OK\r\n"), "OK");
        assert_eq!(Reply::of(b":7\r\n"), 7);
        assert_eq!(Reply::of(b"$-1\r\n"), Reply::Null);
        assert_eq!(Reply::of(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"), ["a", "b"]);
        assert_eq!(Reply::of(b"-MOVED 1 a:1\r\n").text(), "MOVED 1 a:1");
        assert_eq!(Reply::of(b"%1\r\n+a\r\n:1\r\n"), Reply::Map(vec![(Reply::Simple("a".into()), Reply::Integer(1))]));
        assert_ne!(Reply::of(b"$1\r\nv\r\n"), 7);
    }
}
