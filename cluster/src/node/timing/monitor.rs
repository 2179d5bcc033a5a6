//! The latency monitor: the moments at which something took too long, by kind of event.

use std::collections::{BTreeMap, VecDeque};

/// Samples of every event that exceeded the threshold.
#[derive(Debug, Default)]
pub(in crate::node) struct LatencyMonitor {
    events: BTreeMap<&'static str, Series>,
}

/// Samples of one event, oldest first.
#[derive(Debug, Default)]
pub(in crate::node) struct Series {
    samples: VecDeque<Sample>,
    /// The most ever, in milliseconds.
    max_ms: u64,
    /// All that ever were together, in milliseconds.
    sum_ms: u64,
    /// How many there ever were.
    count: u64,
}

/// The worst of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) struct Sample {
    pub(in crate::node) unix_secs: i64,
    pub(in crate::node) millis: u64,
}

impl LatencyMonitor {
    /// Notes that `event` took too long. Of one second, the worst stays.
    pub(in crate::node) fn add(&mut self, event: &'static str, unix_secs: i64, millis: u64) {
        let series = self.events.entry(event).or_default();
        series.max_ms = series.max_ms.max(millis);
        series.sum_ms = series.sum_ms.saturating_add(millis);
        series.count += 1;
        if let Some(last) = series.samples.back_mut().filter(|last| last.unix_secs == unix_secs) {
            last.millis = last.millis.max(millis);
            return;
        }
        if series.samples.len() == SAMPLES_MAX {
            series.samples.pop_front();
        }
        series.samples.push_back(Sample { unix_secs, millis });
    }

    /// All events, by name.
    pub(in crate::node) fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Series)> {
        self.events.iter().map(|(name, series)| (*name, series))
    }

    /// The samples of one event; its name in lower case.
    pub(in crate::node) fn find(&self, event: &[u8]) -> Option<(&'static str, &Series)> {
        self.events().find(|(name, _)| name.as_bytes() == event)
    }

    /// Forgets these events, or all when none is named. Returns how many there were.
    pub(in crate::node) fn reset<'a>(&mut self, events: impl ExactSizeIterator<Item = &'a [u8]>) -> usize {
        let before = self.events.len();
        if events.len() == 0 {
            self.events.clear();
        }
        for event in events {
            self.events.retain(|name, _| name.as_bytes() != event);
        }
        before - self.events.len()
    }
}

impl Series {
    pub(in crate::node) fn samples(&self) -> impl ExactSizeIterator<Item = Sample> {
        self.samples.iter().copied()
    }

    pub(in crate::node) fn last(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    pub(in crate::node) fn max_ms(&self) -> u64 {
        self.max_ms
    }

    pub(in crate::node) fn sum_ms(&self) -> u64 {
        self.sum_ms
    }

    pub(in crate::node) fn count(&self) -> u64 {
        self.count
    }

    /// Shortest, mean and longest of the samples kept, in milliseconds.
    pub(in crate::node) fn spread(&self) -> (u64, u64, u64) {
        let millis = || self.samples.iter().map(|sample| sample.millis);
        let mean = millis().sum::<u64>() / self.samples.len().max(1) as u64;
        (millis().min().unwrap_or(0), mean, millis().max().unwrap_or(0))
    }
}

/// Samples kept of each event (Redis: `LATENCY_TS_LEN`).
const SAMPLES_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use super::{LatencyMonitor, SAMPLES_MAX, Sample};

    #[test]
    fn the_worst_of_a_second_stays() {
        let mut monitor = LatencyMonitor::default();
        for (second, millis) in [(1, 5), (1, 9), (1, 7), (2, 3)] {
            monitor.add("command", second, millis);
        }

        let (_, series) = monitor.find(b"command").unwrap();
        let expected = [Sample { unix_secs: 1, millis: 9 }, Sample { unix_secs: 2, millis: 3 }];
        assert_eq!(series.samples().collect::<Vec<_>>(), expected);
        assert_eq!((series.max_ms(), series.spread()), (9, (3, 6, 9)));
        assert_eq!((series.sum_ms(), series.count()), (24, 4));
    }

    #[test]
    fn old_samples_make_room() {
        let mut monitor = LatencyMonitor::default();
        for second in 0..1000 {
            monitor.add("command", second, 1);
        }

        assert_eq!(monitor.events().next().unwrap().1.samples().len(), SAMPLES_MAX);
        assert_eq!(monitor.reset([&b"nothing"[..]].into_iter()), 0);
        assert_eq!(monitor.reset(std::iter::empty::<&[u8]>().collect::<Vec<_>>().into_iter()), 1);
    }
}
