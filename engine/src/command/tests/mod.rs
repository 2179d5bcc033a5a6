//! What commands do beyond their replies: the log, events, watchers, statistics.
//!
//! Replies are the matter of the command scripts; here is what a client cannot see. The expected words were read
//! from the replication stream and the channels of redis-server 7.0.15.

mod events;
mod expiry;
mod field_expiry;
mod repeated;
mod replies;
mod watched;

use crate::Engine;
use crate::config::Config;
use crate::session::SessionId;
use crate::time::{Instant, Now, UnixMicros};

/// A store with one client, at a time that can be moved.
struct Store {
    engine: Engine,
    client: SessionId,
    now: Now,
}

impl Store {
    fn new() -> Self {
        let mut engine = Engine::new(Config::default(), 1);
        engine.changes().set_enabled(true);
        let client = engine.open();
        let now = Now { instant: Instant(1), unix: UnixMicros::from_millis(START_MS) };
        Self { engine, client, now }
    }

    /// Runs a command given as a line; returns the reply with its line ends as blanks.
    fn run(&mut self, line: &str) -> String {
        self.run_as(self.client, line)
    }

    fn run_as(&mut self, session: SessionId, line: &str) -> String {
        let reply = self.engine.run(self.now, session, line.split(' '));
        String::from_utf8_lossy(&reply).replace("\r\n", " ").trim_end().to_owned()
    }

    fn advance_ms(&mut self, millis: u64) {
        self.now = self.now.plus(std::time::Duration::from_millis(millis));
    }

    /// The operations for the log since the last look, as lines, without SELECT.
    fn repeated(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        self.engine.changes().take(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let operations = text.split('*').skip(1).map(|operation| {
            let words: Vec<&str> = operation.split("\r\n").skip(2).step_by(2).collect();
            words.join(" ").trim_end().to_owned()
        });
        operations.filter(|operation| !operation.starts_with("SELECT")).collect()
    }

    /// What a command leaves in the log.
    fn repeated_by(&mut self, line: &str) -> Vec<String> {
        self.repeated();
        self.run(line);
        self.repeated()
    }
}

/// The time stores begin at, in milliseconds.
const START_MS: i64 = 1_000_000_000_000;
