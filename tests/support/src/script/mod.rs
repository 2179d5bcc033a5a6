//! Command scripts: what a server is sent and what it must answer, as text.
//!
//! `tests/scripts/README.md` describes the format for those who write scripts. Lives here: the script as data,
//! [`parse`], [`compare`], [`show`] (a reply in the words of the format), the [`Target`] a script runs against and
//! the runner. What does not: the scripts, and the choice of targets. Start at [`run::run`].

mod compare;
mod expect;
mod glob;
mod parse;
pub mod run;
mod show;
mod target;
mod word;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use compare::compare;
pub use expect::{Expectation, Text};
pub use glob::Glob;
pub use parse::{ScriptFault, parse};
pub use show::{show, show_received};
pub use target::{Patience, Protocol, Target, TargetError, TcpTarget};
pub use word::{Part, Word};

/// Values a case has captured, by name.
pub type Bindings = BTreeMap<String, Vec<u8>>;

/// Number of a client within a case; each is one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientNumber(pub u8);

/// One script file.
#[derive(Debug, Clone)]
pub struct Script {
    /// Where it was read from; for messages.
    pub path: PathBuf,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

/// One case: runs against an empty data set, with new connections.
#[derive(Debug, Clone)]
pub struct Case {
    /// A true sentence.
    pub title: String,
    /// Line of the title.
    pub line: usize,
    /// Protocol versions it is run under.
    pub protocols: Vec<Protocol>,
    /// Names of the targets it holds for.
    pub targets: Vec<String>,
    /// Features a target must not lack.
    pub needs: Vec<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step of a case.
#[derive(Debug, Clone)]
pub struct Step {
    /// Line it starts on.
    pub line: usize,
    /// Its text, for messages.
    pub source: String,
    /// The client it concerns.
    pub client: ClientNumber,
    /// What happens.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Lets this much time pass.
    Advance(Duration),
    /// Takes the next reply of the client and compares it.
    Expect(Expectation),
    /// Takes the next reply of the client, which must not be an error (a command without expectation).
    ExpectSuccess,
    /// Runs a whole SCAN iteration; the expectation that follows sees all its elements.
    Scan(Vec<Word>),
    /// Sends a command.
    Send(Vec<Word>),
    /// Sends bytes as they are.
    SendRaw(Word),
    /// Compares the client's replies in this version from here on.
    Speak(Protocol),
    /// Sends a command again and again, until its reply fits the expectation that follows.
    Until(Vec<Word>),
}

/// Targets a case holds for when it names none: the 7.0 reference and our own.
pub const DEFAULT_TARGETS: [&str; 2] = ["redis", "ours"];
