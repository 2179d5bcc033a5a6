//! What can go wrong with a call, one variant per cause.

use std::fmt;
use std::time::Duration;

pub use slotmesh_engine::resp::decode::Malformed;
pub use slotmesh_engine::resp::value::{Reply, ServerError};

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The connection ended, or could not be opened. Whether a command that was under way has run is not known,
    /// unless `unsent` says that it has not.
    Disconnected {
        /// The command certainly did not run.
        unsent: bool,
        /// The system's or the server's words.
        reason: String,
    },
    /// What came is no reply; the connection is not used any more.
    Malformed(Malformed),
    /// The server replied with an error.
    Server(ServerError),
    /// No reply came in time; the connection is not used any more.
    TimedOut(Duration),
    /// The reply is not of the type that was asked for.
    Unexpected {
        /// What was asked for.
        expected: &'static str,
        /// What came.
        found: Box<Reply>,
    },
}

impl Error {
    /// The server's error, when it is one.
    pub fn server(&self) -> Option<&ServerError> {
        if let Self::Server(error) = self { Some(error) } else { None }
    }

    /// The first word of the server's error (`WRONGTYPE`); empty for the other causes.
    pub fn code(&self) -> &str {
        self.server().map_or("", ServerError::code)
    }

    /// A connection that ended while a command may have been under way.
    pub(crate) fn lost(reason: impl Into<String>) -> Self {
        Self::Disconnected { unsent: false, reason: reason.into() }
    }

    /// A connection that was gone before a command could leave.
    pub(crate) fn unsent(reason: impl Into<String>) -> Self {
        Self::Disconnected { unsent: true, reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected { reason, .. } => write!(f, "disconnected: {reason}"),
            Self::Malformed(malformed) => write!(f, "not a reply: {malformed}"),
            Self::Server(error) => error.fmt(f),
            Self::TimedOut(timeout) => write!(f, "no reply within {timeout:?}"),
            Self::Unexpected { expected, found } => write!(f, "expected {expected}, got {found:?}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ServerError> for Error {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}
