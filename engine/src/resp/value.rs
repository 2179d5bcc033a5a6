//! A reply as a value.
//!
//! One variant per RESP type; what RESP2 cannot say (maps, sets, booleans) comes as arrays and integers there. For
//! whoever is a client: programs through the facade, sentinels of the servers they watch. Servers write replies without
//! this detour ([`reply`](super::reply)).

use std::fmt;

/// A reply of a server.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Elements in order.
    Array(Vec<Self>),
    /// A number too large for 64 bits, as its digits.
    BigNumber(String),
    /// A boolean (RESP3).
    Bool(bool),
    /// Bytes.
    Bulk(Vec<u8>),
    /// A double (RESP3).
    Double(f64),
    /// An error.
    Error(ServerError),
    /// An integer.
    Int(i64),
    /// Pairs in order (RESP3).
    Map(Vec<(Self, Self)>),
    /// Nothing there.
    Null,
    /// A message that is no reply to a command (RESP3).
    Push(Vec<Self>),
    /// Elements without order (RESP3).
    Set(Vec<Self>),
    /// A short text: `OK`, `PONG`, `QUEUED`.
    Simple(String),
    /// Text for people (RESP3).
    Verbatim {
        /// `txt` or `mkd`.
        format: String,
        /// The text.
        text: Vec<u8>,
    },
}

impl Reply {
    /// The bytes of a string of any kind.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) | Self::Verbatim { text: bytes, .. } => Some(bytes),
            Self::Simple(text) | Self::BigNumber(text) => Some(text.as_bytes()),
            Self::Array(_)
            | Self::Bool(_)
            | Self::Double(_)
            | Self::Error(_)
            | Self::Int(_)
            | Self::Map(_)
            | Self::Null
            | Self::Push(_)
            | Self::Set(_) => None,
        }
    }

    /// The elements of an array, set or push message; nothing for anything else.
    pub fn into_elements(self) -> Option<Vec<Self>> {
        match self {
            Self::Array(elements) | Self::Push(elements) | Self::Set(elements) => Some(elements),
            Self::BigNumber(_)
            | Self::Bool(_)
            | Self::Bulk(_)
            | Self::Double(_)
            | Self::Error(_)
            | Self::Int(_)
            | Self::Map(_)
            | Self::Null
            | Self::Simple(_)
            | Self::Verbatim { .. } => None,
        }
    }
}

/// An error the server replied with: `WRONGTYPE Operation against a key holding the wrong kind of value`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerError {
    line: String,
}

impl ServerError {
    /// The error of this line, code word first.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into() }
    }

    /// The first word: `ERR`, `WRONGTYPE`, `MOVED`.
    pub fn code(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// What follows the first word.
    pub fn text(&self) -> &str {
        self.line.split_once(' ').map_or("", |(_, text)| text)
    }

    /// The whole line.
    pub fn line(&self) -> &str {
        &self.line
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for ServerError {}
