//! What a sentinel asks of the node around it.

use super::link::Wire;
use super::script::ScriptId;
use crate::machine::LogLevel;

/// Something the node must do, in the order it must happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a connection; the answer is [`Sentinel::connected`](super::Sentinel::connected) or `closed`.
    Dial {
        /// The connection's name.
        wire: Wire,
        /// A literal address or a host name.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// Close a connection; nothing more is told of it.
    Drop(Wire),
    /// End the process: a failure that was asked for, to see what becomes of it.
    Exit(i32),
    /// Write a log line.
    Log(LogLevel, String),
    /// Hand an event to those who subscribed to it.
    Publish {
        /// The event's name.
        channel: String,
        /// What it is about.
        message: String,
    },
    /// Write the configuration file; the answer is [`Sentinel::saved`](super::Sentinel::saved).
    Save,
    /// Send bytes on a connection.
    Send(Wire, Vec<u8>),
    /// Run a program; the answers are [`Sentinel::script_started`](super::Sentinel::script_started) and
    /// [`Sentinel::script_ended`](super::Sentinel::script_ended).
    StartScript(ScriptId, Vec<String>),
    /// End a program that runs for too long.
    StopScript(ScriptId),
}
