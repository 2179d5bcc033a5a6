//! The clock of a live bus: the only file of this crate that reads a real one.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a live bus runs in real time")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use slotmesh_engine::time::{Instant, Now, UnixMicros};

/// Something that tells the time.
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Now;

    /// Called by the driver now and then, at least once a second: time for what [`Clock::now`] should not cost.
    fn refresh(&self) {}
}

/// The system's clocks.
///
/// Reads the monotonic clock only; the calendar is the monotonic clock plus a difference that is measured once a
/// second. So a call costs one clock read (about 20 ns) instead of two, and a calendar change shows within a second.
#[derive(Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
    /// Calendar minus monotonic clock, in microseconds.
    difference: AtomicI64,
}

impl SystemClock {
    /// A clock whose monotonic side begins now.
    pub fn new() -> Self {
        let clock = Self { origin: std::time::Instant::now(), difference: AtomicI64::new(0) };
        clock.refresh();
        clock
    }

    fn monotonic_micros(&self) -> u64 {
        // In 64 bits: a division of 128 bits costs as much as the clock.
        let elapsed = self.origin.elapsed();
        elapsed.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(elapsed.subsec_micros()))
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let micros = self.monotonic_micros();
        let unix = self.difference.load(Ordering::Relaxed).saturating_add_unsigned(micros);
        Now { instant: Instant(micros), unix: UnixMicros(unix) }
    }

    fn refresh(&self) {
        let calendar = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let calendar = i64::try_from(calendar.as_micros()).unwrap_or(i64::MAX);
        self.difference.store(calendar.saturating_sub_unsigned(self.monotonic_micros()), Ordering::Relaxed);
    }
}
