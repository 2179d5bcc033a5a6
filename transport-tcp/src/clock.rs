//! Both clocks from one read.
//!
//! A machine wants a monotonic and a calendar time with every call. Reading both costs two calls into the system;
//! instead the monotonic clock is read and the calendar follows by a difference that is checked now and then, so a
//! round costs one read. What does not live here: timers; a machine names its own deadline.

use std::time::{Duration, Instant as SystemInstant, SystemTime, UNIX_EPOCH};

use slotmesh_engine::time::{Instant, Now, UnixMicros};

/// The clocks of one machine.
///
/// The monotonic clock starts at zero where the value is made; the calendar follows a step of the system's calendar
/// within 2 ms of clock reads.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: SystemInstant,
    /// Calendar minus monotonic clock, in microseconds.
    calendar_ahead: i64,
    /// Monotonic time of the last look at the calendar, in microseconds.
    checked: u64,
    /// What [`Clock::skip`] added, in microseconds.
    skipped: u64,
    /// The last read of the monotonic clock, unrounded.
    last: Duration,
}

impl Clock {
    /// A clock that starts at zero now.
    pub fn new() -> Self {
        let mut clock =
            Self { origin: SystemInstant::now(), calendar_ahead: 0, checked: 0, skipped: 0, last: Duration::ZERO };
        clock.follow_calendar(0);
        clock
    }

    /// Reads both clocks; never earlier than the read before it on the monotonic one.
    pub fn now(&mut self) -> Now {
        let elapsed = self.origin.elapsed();
        self.last = elapsed;
        let micros = elapsed.as_secs() * 1_000_000 + u64::from(elapsed.subsec_micros());
        if micros - self.checked >= CALENDAR_CHECK_MICROS {
            self.follow_calendar(micros);
        }
        let instant = micros + self.skipped;
        Now { instant: Instant(instant), unix: UnixMicros(self.calendar_ahead.saturating_add_unsigned(instant)) }
    }

    /// The time since the last read, to the nanosecond; this is a read as well.
    pub fn lap(&mut self) -> Duration {
        let elapsed = self.origin.elapsed();
        elapsed.saturating_sub(std::mem::replace(&mut self.last, elapsed))
    }

    /// Moves both clocks forward by `duration`, for tests that must not wait.
    pub fn skip(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.skipped = self.skipped.saturating_add(micros).min(SKIP_MICROS_MAX);
    }

    fn follow_calendar(&mut self, micros: u64) {
        self.checked = micros;
        let calendar = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        let ahead = calendar.saturating_sub_unsigned(micros);
        // The two reads are not at the same moment, so a small difference is noise and not a step.
        if ahead.abs_diff(self.calendar_ahead) > CALENDAR_STEP_MICROS_MIN {
            self.calendar_ahead = ahead;
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Time between two looks at the system's calendar, in microseconds: what a user may see of a changed calendar
/// late. Redis reads it once per event loop round; 1 ms is the unit of its expiry.
const CALENDAR_CHECK_MICROS: u64 = 1_000;

/// Smallest difference, in microseconds, that is taken for a step of the calendar.
const CALENDAR_STEP_MICROS_MIN: u64 = 500;

/// Furthest a test may move the clocks, in microseconds (about 3,000 years), so that sums stay in range.
const SKIP_MICROS_MAX: u64 = 100_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::Clock;

    #[test]
    fn time_never_goes_back() {
        let mut clock = Clock::new();
        let mut last = clock.now();

        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now.instant >= last.instant);
            last = now;
        }
    }

    #[test]
    fn the_calendar_is_the_systems() {
        let mut clock = Clock::new();
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;

        let now = clock.now();

        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        assert!(now.unix.millis() >= before - 1, "{} is before {before}", now.unix.millis());
        assert!(now.unix.millis() <= after + 1, "{} is after {after}", now.unix.millis());
    }

    #[test]
    fn a_skip_moves_both_clocks() {
        let mut clock = Clock::new();
        let before = clock.now();

        clock.skip(Duration::from_secs(3600));

        let after = clock.now();
        assert!(after.instant.millis_since(before.instant) >= 3_600_000);
        assert!(after.unix.seconds() - before.unix.seconds() >= 3_600);
    }
}
