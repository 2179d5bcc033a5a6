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
    /// The monotonic clock at the start, in microseconds.
    origin: u64,
    /// Calendar minus monotonic clock, in microseconds.
    difference: AtomicI64,
}

impl SystemClock {
    /// A clock whose monotonic side begins now.
    pub fn new() -> Self {
        let clock = Self { origin: system_micros(), difference: AtomicI64::new(0) };
        clock.refresh();
        clock
    }

    fn monotonic_micros(&self) -> u64 {
        system_micros().saturating_sub(self.origin)
    }
}

/// The system's monotonic clock in microseconds. The standard library tells differences only, which cost half as much
/// again as the read.
fn system_micros() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1000)
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
