//! Waiting for another process: the only place of the tests that polls.
//!
//! Our own code is tested under virtual time and never waits. A foreign process offers no event to wait for, so
//! it is asked again and again, with a named interval and an upper limit.

use std::time::{Duration, Instant};

/// Time between two looks at an external process; short beside its start-up time of some 20 ms.
pub const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The process did not do in time what was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitTimeout {
    /// What was waited for, in words.
    pub what: String,
    /// How long.
    pub limit: Duration,
}

impl std::fmt::Display for WaitTimeout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} did not happen within {:?}", self.what, self.limit)
    }
}

impl std::error::Error for WaitTimeout {}

/// Asks `ready` every [`POLL_INTERVAL`] until it answers with a value.
///
/// # Errors
/// [`WaitTimeout`] when `limit` has passed; `ready` is asked at least once, and once more at the end.
pub fn poll_until<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T, WaitTimeout> {
    let start = Instant::now();
    loop {
        let is_last = start.elapsed() >= limit;
        if let Some(value) = ready() {
            return Ok(value);
        }
        if is_last {
            return Err(WaitTimeout { what: what.to_owned(), limit });
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
