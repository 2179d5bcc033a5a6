//! Time as an argument.
//!
//! Lives here: the monotonic [`Instant`], the calendar [`UnixMicros`] and the pair of both, [`Now`], that every
//! call into a core crate receives. What does not: any way to read a clock. Start at [`Now`].

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point on the node's monotonic clock, in microseconds since an origin the host chose.
///
/// Only differences mean something. Timers, timeouts and failure detection use this clock, so that a change of
/// the calendar moves none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);
    /// A point no clock reaches.
    pub const MAX: Self = Self(u64::MAX);

    /// Microseconds since the clock's origin.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the clock's origin.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000
    }

    /// The time from `earlier` to this point; zero when `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds from `earlier` to this point; zero when `earlier` is not earlier.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// This point plus `millis` milliseconds, stopping at [`Instant::MAX`].
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000)))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// Calendar time: microseconds since 1970-01-01 00:00 UTC, negative before it.
///
/// Key expiry, `TIME`, gossip and every stored timestamp use this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The point `millis` milliseconds after the epoch, stopping at the ends of the range.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }
}

/// Both clocks as the host read them, once for each call into a core crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The monotonic clock.
    pub instant: Instant,
    /// The calendar.
    pub unix: UnixMicros,
}

impl Now {
    /// The same call `duration` later on both clocks.
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self { instant: self.instant + duration, unix: UnixMicros(self.unix.0.saturating_add(micros)) }
    }
}
