//! The 24 access bits of an entry: when it was used, or how often.
//!
//! Under an LFU policy they are 16 bits of minutes and an 8-bit counter that grows ever more slowly; otherwise a
//! clock of seconds. As in Redis, bits written under the other kind of policy are read as they are until the key is
//! used again. Start at [`idle_seconds`] and [`frequency`].

use crate::config::Config;
use crate::config::choices::MaxmemoryPolicy;
use crate::keyspace::{AccessRule, Entry};
use crate::rng::Rng;
use crate::time::Now;

/// Whether the policy counts uses instead of noting the time of the last.
pub fn counts_uses(config: &Config) -> bool {
    matches!(config.maxmemory_policy, MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu)
}

/// The bits of a key that is written.
pub(crate) fn born(now: Now, config: &Config) -> AccessRule {
    if counts_uses(config) {
        AccessRule::New(minutes(now) << COUNTER_BITS | COUNTER_NEW)
    } else {
        AccessRule::Always(seconds(now))
    }
}

/// Notes that a key was used.
#[inline]
pub(crate) fn renew(entry: &Entry, now: Now, config: &Config, rng: &mut Rng) {
    if counts_uses(config) {
        let counter = grown(frequency(entry.access(), now, config), config.lfu_log_factor, rng);
        entry.set_access(minutes(now) << COUNTER_BITS | u32::from(counter));
    } else {
        entry.set_access(seconds(now));
    }
}

/// Seconds since the key was used, by the bits of a clock.
pub fn idle_seconds(access: u32, now: Now) -> u64 {
    u64::from(seconds(now).wrapping_sub(access) & CLOCK_MASK)
}

/// Bits that say the key was last used `idle` seconds ago.
pub fn of_idle_seconds(idle: u64, now: Now) -> u32 {
    seconds(now).wrapping_sub(idle.min(u64::from(CLOCK_MASK)) as u32) & CLOCK_MASK
}

/// The use counter after what time took off it.
pub fn frequency(access: u32, now: Now, config: &Config) -> u8 {
    let counter = access as u8;
    let elapsed = minutes(now).wrapping_sub(access >> COUNTER_BITS) & MINUTES_MASK;
    match elapsed.checked_div(config.lfu_decay_time_minutes) {
        Some(periods) => counter.saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX)),
        None => counter,
    }
}

/// Bits of a counter as of now.
pub fn of_frequency(counter: u8, now: Now) -> u32 {
    minutes(now) << COUNTER_BITS | u32::from(counter)
}

/// The bits of a key that another server, or a file, tells of; nothing if it tells what the policy does not use.
pub(crate) fn told(idle: Option<u64>, counter: Option<u8>, now: Now, config: &Config) -> Option<u32> {
    if counts_uses(config) {
        counter.map(|counter| of_frequency(counter, now))
    } else {
        idle.map(|idle| of_idle_seconds(idle, now))
    }
}

/// A counter after one more use: the greater it is, the less likely it grows.
fn grown(counter: u8, log_factor: u32, rng: &mut Rng) -> u8 {
    let above = u64::from(counter).saturating_sub(u64::from(COUNTER_NEW));
    let odds = above.saturating_mul(u64::from(log_factor)).saturating_add(1);
    if rng.below(odds) == 0 { counter.saturating_add(1) } else { counter }
}

fn seconds(now: Now) -> u32 {
    now.unix.seconds() as u32 & CLOCK_MASK
}

fn minutes(now: Now) -> u32 {
    (now.unix.seconds() / 60) as u32 & MINUTES_MASK
}

/// The clock's bits (`LRU_BITS`, `server.h` of 7.0): seconds that wrap after 194 days.
const CLOCK_MASK: u32 = (1 << 24) - 1;
const MINUTES_MASK: u32 = (1 << 16) - 1;
const COUNTER_BITS: u32 = 8;
/// The counter of a new key, so that it is not the first to go (`LFU_INIT_VAL`, `server.h` of 7.0).
const COUNTER_NEW: u32 = 5;

#[cfg(test)]
mod tests {
    use super::{frequency, grown, idle_seconds, of_frequency, of_idle_seconds};
    use crate::config::Config;
    use crate::rng::Rng;
    use crate::time::{Instant, Now, UnixMicros};

    fn at(seconds: i64) -> Now {
        Now { instant: Instant::ZERO, unix: UnixMicros(seconds * 1_000_000) }
    }

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let wrap = 1 << 24;

        assert_eq!(idle_seconds(of_idle_seconds(0, at(wrap - 5)), at(wrap + 5)), 10);
        assert_eq!(idle_seconds(of_idle_seconds(1000, at(wrap + 5)), at(wrap + 6)), 1001);
    }

    #[test]
    fn a_counter_loses_one_each_decay_time() {
        let config = Config::default();
        let bits = of_frequency(10, at(0));

        assert_eq!(frequency(bits, at(59), &config), 10);
        assert_eq!(frequency(bits, at(180), &config), 7);
        assert_eq!(frequency(bits, at(36_000), &config), 0);
    }

    #[test]
    fn a_counter_grows_ever_more_slowly() {
        let mut rng = Rng::new(1);
        let mut counter = 5;

        (0..1000).for_each(|_| counter = grown(counter, 10, &mut rng));

        // The table in Redis's documentation of `lfu-log-factor` has 18 for factor 10 after 1000 hits.
        assert!((12..=26).contains(&counter), "{counter}");
        assert_eq!(grown(255, 0, &mut rng), 255);
    }
}
