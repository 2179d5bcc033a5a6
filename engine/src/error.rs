//! The error replies a client can see.
//!
//! One variant per cause with Redis's text, byte for byte. Peer faults and disk faults are other enums, in the
//! crates that meet them.

use std::fmt;

/// An error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// The target key of a RESTORE exists.
    BusyKey,
    /// An index that is no database.
    DbIndex,
    /// A text that is fixed for one command and belongs to it; the code word is part of it.
    Fixed(&'static str),
    /// An index outside a list or string.
    IndexOutOfRange,
    /// A number that is not a 64-bit integer, or leaves the range of its option.
    NotInteger,
    /// A number that is not a double.
    NotFloat,
    /// The key must exist.
    NoSuchKey,
    /// Source and target are the same key.
    SameObject,
    /// Words that do not fit together.
    Syntax,
    /// A text built from what the client sent; the code word is part of it.
    Text(Box<[u8]>),
    /// The key holds another type.
    WrongType,
}

impl ReplyError {
    /// An error whose text is built at run time; `text` begins with the code word (`ERR`).
    ///
    /// Line breaks become spaces, as in every error reply built from a client's words.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        let mut text: Vec<u8> = text.into();
        text.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
        Self::Text(text.into_boxed_slice())
    }

    /// An error that repeats a word of the client between two texts.
    ///
    /// The word ends at its first zero byte, as in every error of Redis that repeats one.
    pub fn naming(before: &str, word: &[u8], after: &str) -> Self {
        Self::text([before.as_bytes(), until_zero(word), after.as_bytes()].concat())
    }

    /// The wrong number of arguments for a command; `command` in lower case, a subcommand as `config|get`.
    pub fn arity(command: &str) -> Self {
        Self::text(format!("ERR wrong number of arguments for '{command}' command"))
    }

    /// A time to live that is not positive or does not fit; `command` in lower case.
    pub fn invalid_expire(command: &str) -> Self {
        Self::text(format!("ERR invalid expire time in '{command}' command"))
    }

    /// The whole line without the leading dash and the line end.
    pub fn line(&self) -> &[u8] {
        let text = match self {
            Self::BusyKey => "BUSYKEY Target key name already exists.",
            Self::DbIndex => "ERR DB index is out of range",
            Self::Fixed(text) => text,
            Self::IndexOutOfRange => "ERR index out of range",
            Self::NotInteger => "ERR value is not an integer or out of range",
            Self::NotFloat => "ERR value is not a valid float",
            Self::NoSuchKey => "ERR no such key",
            Self::SameObject => "ERR source and destination objects are the same",
            Self::Syntax => "ERR syntax error",
            Self::Text(text) => return text,
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
        };
        text.as_bytes()
    }

    /// The first word, by which clients tell causes apart and `INFO errorstats` counts.
    pub fn code(&self) -> &[u8] {
        self.line().split(|&byte| byte == b' ').next().unwrap_or_default()
    }
}

/// The part of a client's word that an error shows: Redis prints words as C strings.
pub fn until_zero(word: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, word).unwrap_or(word.len());
    &word[..end]
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.line()))
    }
}

impl std::error::Error for ReplyError {}
