//! Why a server or a cluster does not start.

use std::fmt;
use std::io;

/// Why a server or a cluster does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An option cannot be used; the text names it and says why.
    Config(String),
    /// The node ended while it started: a port is taken, a file is damaged.
    Ended {
        /// Its exit code; 0 when somebody asked it to end.
        code: i32,
        /// The last warnings it logged.
        warnings: Vec<String>,
    },
    /// The system refused something: a folder, a thread, a socket.
    System {
        /// What was to be done.
        doing: String,
        /// The system's words.
        error: io::Error,
    },
    /// The nodes run and do not agree in time.
    Unhealthy {
        /// What was still missing.
        reason: String,
    },
}

impl StartError {
    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |error| Self::System { doing, error }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(text) => f.write_str(text.trim()),
            Self::Ended { code, warnings } => {
                write!(f, "the node ended while it started (exit code {code})")?;
                warnings.iter().try_for_each(|warning| write!(f, "; {warning}"))
            }
            Self::System { doing, error } => write!(f, "{doing}: {error}"),
            Self::Unhealthy { reason } => write!(f, "the cluster does not come up: {reason}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::System { error, .. } = self { Some(error) } else { None }
    }
}
