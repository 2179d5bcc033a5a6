//! How busy the node is: what INFO calls instantaneous.
//!
//! No timer runs for it. Whenever the node works and the last sample is old enough, a sample is taken; asking takes
//! one as well, and samples that ended too long ago no longer count. So an idle node asks for no wake-up.

use std::collections::VecDeque;

use slotmesh_engine::time::{Instant, Now};

use super::Node;

/// The samples of the last moments.
#[derive(Debug, Default)]
pub(super) struct Rates {
    at: Instant,
    totals: [u64; 5],
    samples: VecDeque<Sample>,
}

#[derive(Debug)]
struct Sample {
    end: Instant,
    micros: u64,
    counts: [u64; 5],
}

/// What happens per second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct PerSecond {
    pub(super) commands: f64,
    pub(super) input_bytes: f64,
    pub(super) output_bytes: f64,
    pub(super) replication_input_bytes: f64,
    pub(super) replication_output_bytes: f64,
}

impl Rates {
    fn add(&mut self, now: Instant, totals: [u64; 5]) {
        // CONFIG RESETSTAT takes totals back to zero.
        let counts = std::array::from_fn(|index| totals[index].saturating_sub(self.totals[index]));
        let micros = now.0.saturating_sub(self.at.0);
        self.at = now;
        self.totals = totals;
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { end: now, micros, counts });
    }

    fn per_second(&self, now: Instant) -> PerSecond {
        let mut micros = 0;
        let mut sums = [0; 5];
        for sample in self.samples.iter().filter(|sample| now.millis_since(sample.end) < WINDOW_MS) {
            micros += sample.micros;
            sums.iter_mut().zip(sample.counts).for_each(|(sum, count)| *sum += count);
        }
        let rate = |sum: u64| if micros > 0 { sum as f64 * 1e6 / micros as f64 } else { 0.0 };
        PerSecond {
            commands: rate(sums[0]),
            input_bytes: rate(sums[1]),
            output_bytes: rate(sums[2]),
            replication_input_bytes: rate(sums[3]),
            replication_output_bytes: rate(sums[4]),
        }
    }
}

impl Node {
    /// Whether it is time for another sample.
    #[inline]
    pub(super) fn is_sample_due(&self, now: Now) -> bool {
        now.instant.millis_since(self.rates.at) >= SAMPLE_MS
    }

    /// Takes a sample when one is due.
    pub(super) fn sample_rates(&mut self, now: Now) {
        if self.is_sample_due(now) {
            let totals = self.rate_totals();
            self.rates.add(now.instant, totals);
        }
    }

    /// What happens per second, up to now.
    pub(super) fn rates_now(&mut self, now: Now) -> PerSecond {
        self.sample_rates(now);
        self.rates.per_second(now.instant)
    }

    fn rate_totals(&self) -> [u64; 5] {
        let counters = &self.counters;
        [
            self.engine.core().stats.commands,
            counters.net_input_bytes,
            counters.net_output_bytes,
            counters.replication_input_bytes,
            counters.replication_output_bytes,
        ]
    }
}

/// Shortest time of a sample, in milliseconds (Redis samples every 100 ms).
const SAMPLE_MS: u64 = 100;

/// Samples kept (Redis: 16).
const SAMPLES_MAX: usize = 16;

/// Age at which a sample no longer counts, in milliseconds: sixteen samples under steady work.
const WINDOW_MS: u64 = SAMPLE_MS * SAMPLES_MAX as u64;

#[cfg(test)]
mod tests {
    use super::{Instant, Rates};

    fn at(millis: u64) -> Instant {
        Instant::ZERO.plus_millis(millis)
    }

    #[test]
    fn steady_work_has_a_steady_rate() {
        let mut rates = Rates::default();
        for step in 1..=40 {
            rates.add(at(step * 100), [step * 50, 0, 0, 0, 0]);
        }

        assert!((rates.per_second(at(4000)).commands - 500.0).abs() < 1e-9);
    }

    #[test]
    fn old_work_no_longer_counts() {
        let mut rates = Rates::default();
        rates.add(at(100), [5000, 0, 0, 0, 0]);
        rates.add(at(10_000), [5001, 0, 0, 0, 0]);

        assert!(rates.per_second(at(10_000)).commands < 1.0);
    }
}
