//! Clocks that may be wrong.
//!
//! The simulation has one virtual clock; each machine reads it through a [`Clock`] of its own, which may run fast
//! or slow and whose calendar may be off. The monotonic side never goes back. Nothing here reads a real clock.

use std::time::Duration;

use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now, UnixMicros};

/// How a machine's clocks differ from the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skew {
    /// What the calendar shows too much (or, negative, too little), in microseconds.
    pub calendar_micros: i64,
    /// How much too fast both clocks run, in millionths; from [`RATE_PPM_MIN`] to [`RATE_PPM_MAX`].
    pub rate_ppm: i32,
}

/// A range of durations to pick from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Spread {
    /// Always the same duration.
    pub const fn exactly(duration: Duration) -> Self {
        Self { min: duration, max: duration }
    }

    /// From `min` to `max` microseconds.
    pub const fn micros(min: u64, max: u64) -> Self {
        Self { min: Duration::from_micros(min), max: Duration::from_micros(max) }
    }

    /// From `min` to `max` milliseconds.
    pub const fn millis(min: u64, max: u64) -> Self {
        Self { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }

    /// A duration of the range; half of the picks lie in its lowest quarter, as delays do.
    pub fn pick(self, rng: &mut Rng) -> Duration {
        let range = self.max.saturating_sub(self.min);
        if range.is_zero() {
            return self.min;
        }
        let part = rng.below(PARTS + 1);
        let range = u64::try_from(range.as_micros()).unwrap_or(u64::MAX);
        let share = u128::from(range) * u128::from(part * part) / u128::from(PARTS * PARTS);
        self.min + Duration::from_micros(u64::try_from(share).unwrap_or(range))
    }
}

/// One machine's view of the virtual clock.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// The virtual time at which the present rate began, and what the machine's clock showed then.
    anchor: (Instant, Instant),
    /// The true calendar at virtual time zero.
    epoch: UnixMicros,
    skew: Skew,
}

impl Clock {
    pub(crate) fn new(epoch: UnixMicros) -> Self {
        Self { anchor: (Instant::ZERO, Instant::ZERO), epoch, skew: Skew::default() }
    }

    /// What the machine reads at the virtual time `now`.
    pub(crate) fn read(&self, now: Instant) -> Now {
        let instant = self.local(now);
        let since_epoch = i64::try_from(instant.micros()).unwrap_or(i64::MAX);
        let unix = self.epoch.micros().saturating_add(since_epoch).saturating_add(self.skew.calendar_micros);
        Now { instant, unix: UnixMicros(unix) }
    }

    /// The first virtual time at which the machine's monotonic clock shows at least `local`.
    pub(crate) fn when(&self, local: Instant) -> Instant {
        let (since, shown) = self.anchor;
        let elapsed = u128::from(local.micros().saturating_sub(shown.micros()));
        let elapsed = (elapsed * MILLION).div_ceil(self.rate());
        Instant(since.micros().saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX)))
    }

    /// Runs differently from `now` on.
    pub(crate) fn skew(&mut self, now: Instant, skew: Skew) {
        self.anchor = (now, self.local(now));
        self.skew = Skew { rate_ppm: skew.rate_ppm.clamp(RATE_PPM_MIN, RATE_PPM_MAX), ..skew };
    }

    fn local(&self, now: Instant) -> Instant {
        let (since, shown) = self.anchor;
        let elapsed = u128::from(now.micros().saturating_sub(since.micros()));
        let elapsed = elapsed * self.rate() / MILLION;
        Instant(shown.micros().saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX)))
    }

    fn rate(&self) -> u128 {
        u128::try_from(MILLION_SIGNED + i64::from(self.skew.rate_ppm)).expect("the rate is clamped above zero")
    }
}

/// The slowest clock runs at a tenth of the true speed.
pub const RATE_PPM_MIN: i32 = -900_000;

/// The fastest clock runs at ten times the true speed.
pub const RATE_PPM_MAX: i32 = 9_000_000;

const MILLION: u128 = 1_000_000;
const MILLION_SIGNED: i64 = 1_000_000;

/// Steps a [`Spread`] is divided in.
const PARTS: u64 = 1_024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use slotmesh_engine::rng::Rng;
    use slotmesh_engine::time::{Instant, UnixMicros};

    use super::{Clock, Skew, Spread};

    #[test]
    fn a_deadline_is_reached_at_the_time_the_clock_names() {
        for rate_ppm in [-900_000, -3, 0, 7, 333_333] {
            let mut clock = Clock::new(UnixMicros(0));
            clock.skew(Instant(1_000), Skew { rate_ppm, calendar_micros: 0 });

            for local in [1_001, 5_003, 1_000_000_007] {
                let at = clock.when(Instant(local));

                assert!(clock.read(at).instant >= Instant(local), "rate {rate_ppm}, local {local}");
                assert!(clock.read(Instant(at.0 - 1)).instant < Instant(local), "rate {rate_ppm}, local {local}");
            }
        }
    }

    #[test]
    fn a_calendar_set_back_leaves_the_monotonic_clock_alone() {
        let mut clock = Clock::new(UnixMicros(5_000_000));
        let before = clock.read(Instant(100));

        clock.skew(Instant(100), Skew { rate_ppm: 0, calendar_micros: -1_000_000 });

        let after = clock.read(Instant(100));
        assert_eq!(after.instant, before.instant);
        assert_eq!(after.unix, UnixMicros(4_000_100));
    }

    #[test]
    fn picks_stay_in_their_range() {
        let mut rng = Rng::new(5);
        let spread = Spread::micros(10, 20);

        let picks: Vec<_> = (0..1_000).map(|_| spread.pick(&mut rng)).collect();

        assert!(picks.iter().all(|pick| (spread.min..=spread.max).contains(pick)));
        assert_eq!(Spread::exactly(Duration::ZERO).pick(&mut rng), Duration::ZERO);
    }
}
