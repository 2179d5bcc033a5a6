//! The process's supervisor: who asked to be told when the server is ready, and how it is told.
//!
//! systemd names a datagram socket in the environment and takes lines of text; upstart waits for the process to stop
//! itself once. Start at [`Supervisor::of`].

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use slotmesh_engine::config::choices::Supervised;

/// Who started the process and watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervisor {
    /// Nobody.
    No,
    /// systemd, which is told at this socket (`NOTIFY_SOCKET`).
    Systemd,
    /// upstart.
    Upstart,
}

impl Supervisor {
    /// The supervisor that the configuration asks for, if the environment has it.
    pub fn of(wanted: Supervised) -> Self {
        let has = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match wanted {
            Supervised::Systemd if has(SOCKET) => Self::Systemd,
            Supervised::Upstart if has(JOB) => Self::Upstart,
            Supervised::Auto if has(JOB) => Self::Upstart,
            Supervised::Auto if has(SOCKET) => Self::Systemd,
            Supervised::No | Supervised::Systemd | Supervised::Upstart | Supervised::Auto => Self::No,
        }
    }

    /// Its name in INFO.
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Systemd => "systemd",
            Self::Upstart => "upstart",
        }
    }

    /// What the log says of it at the start.
    pub const fn greeting(self) -> Option<&'static str> {
        match self {
            Self::No => None,
            Self::Systemd => Some(
                "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and \
                 TimeoutStopSec in your service unit.",
            ),
            Self::Upstart => Some("Supervised by upstart, will stop to signal readiness."),
        }
    }

    /// Tells that the process has begun; upstart goes on from here.
    ///
    /// # Errors
    /// When the supervisor cannot be told.
    pub fn begun(self) -> io::Result<()> {
        match self {
            Self::No => Ok(()),
            Self::Systemd => notify("STATUS=Redis is loading...\n"),
            Self::Upstart => {
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
                Ok(())
            }
        }
    }

    /// Tells what a line of the log means to a supervisor, if it means anything.
    ///
    /// # Errors
    /// When the supervisor cannot be told.
    pub fn hear(self, line: &str) -> io::Result<()> {
        if self != Self::Systemd {
            return Ok(());
        }
        if line.starts_with("Ready to accept connections") || line.starts_with("The server is now ready to accept") {
            notify("STATUS=Ready to accept connections\n")?;
            return notify("READY=1\n");
        }
        if line.ends_with("is now ready to exit, bye bye...") {
            return notify("STOPPING=1\n");
        }
        Ok(())
    }
}

/// Sends one state to the socket in the environment; a name that begins with `@` is in no folder.
fn notify(state: &str) -> io::Result<()> {
    let Some(path) = std::env::var_os(SOCKET) else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    match path.as_bytes() {
        [b'@', name @ ..] => socket.send_to_addr(state.as_bytes(), &SocketAddr::from_abstract_name(name)?)?,
        _ => socket.send_to(state.as_bytes(), &path)?,
    };
    Ok(())
}

/// systemd's variable.
const SOCKET: &str = "NOTIFY_SOCKET";

/// upstart's variable.
const JOB: &str = "UPSTART_JOB";
