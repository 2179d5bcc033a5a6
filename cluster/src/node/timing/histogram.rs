//! Times of one command, counted in buckets that are at most one percent wide.

/// A histogram of nanoseconds: 128 buckets for each doubling, exact below 256 ns. That is the precision (two digits)
/// Redis keeps its own with.
#[derive(Debug, Clone, Default)]
pub(in crate::node) struct Histogram {
    /// As long as the largest value needs.
    buckets: Vec<u32>,
    count: u64,
}

impl Histogram {
    /// Counts one time; one above the range counts as the largest in range.
    pub(in crate::node) fn add(&mut self, nanos: u64) {
        let index = index_of(nanos.min(NANOS_MAX));
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, 0);
        }
        self.buckets[index] = self.buckets[index].saturating_add(1);
        self.count += 1;
    }

    /// Times counted.
    pub(in crate::node) fn count(&self) -> u64 {
        self.count
    }

    /// The time in nanoseconds within which `percent` of all are: the end of its bucket.
    pub(in crate::node) fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((percent / 100.0 * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut sum = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            sum += u64::from(count);
            if sum >= wanted {
                return end_of(index);
            }
        }
        0
    }

    /// For each doubling from 1 us that holds times: its end in microseconds, and how many times are within it or a
    /// shorter one.
    pub(in crate::node) fn doublings(&self) -> Vec<(u64, u64)> {
        let mut found: Vec<(u64, u64)> = Vec::new();
        let mut sum = 0;
        for (index, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            sum += u64::from(count);
            let end = doubling_end(end_of(index)) / 1000;
            match found.last_mut() {
                Some(last) if last.0 == end => last.1 = sum,
                _ => found.push((end, sum)),
            }
        }
        found
    }
}

fn index_of(nanos: u64) -> usize {
    if nanos < 256 {
        return nanos as usize;
    }
    let doubling = nanos.ilog2() as usize;
    256 + (doubling - 8) * 128 + ((nanos >> (doubling - 7)) & 127) as usize
}

/// The largest value of a bucket.
fn end_of(index: usize) -> u64 {
    if index < 256 {
        return index as u64;
    }
    let (doubling, part) = (8 + (index - 256) / 128, ((index - 256) % 128) as u64);
    (((128 + part) + 1) << (doubling - 7)) - 1
}

/// The end of the doubling from 1024 ns that holds `nanos`, as a histogram of two digits rounds it: the reference's
/// figures are 1, 2, 4, 8, 16, 33, 66, 132 us (Redis 7.0.15).
fn doubling_end(nanos: u64) -> u64 {
    let mut end = 1032;
    while end - 1 < nanos {
        end *= 2;
    }
    end - 1
}

/// Times beyond this count as this: 68 s.
const NANOS_MAX: u64 = (1 << 36) - 1;

#[cfg(test)]
mod tests {
    use super::{Histogram, NANOS_MAX, end_of, index_of};

    #[test]
    fn a_bucket_holds_its_end_and_is_one_percent_wide() {
        for nanos in (0..4096).chain([5000, 70_000, 123_456_789, NANOS_MAX]) {
            let end = end_of(index_of(nanos));

            assert!(end >= nanos && end - nanos <= nanos / 128, "{nanos}: {end}");
            assert_eq!(index_of(end), index_of(nanos));
        }
    }

    #[test]
    fn percentiles_are_ends_of_buckets() {
        let mut histogram = Histogram::default();
        for micros in 1..=100 {
            histogram.add(micros * 1000);
        }

        let near = |found: u64, wanted: u64| found >= wanted && found <= wanted + wanted / 100;
        assert!(near(histogram.percentile(50.0), 50_000), "{}", histogram.percentile(50.0));
        assert!(near(histogram.percentile(99.9), 100_000), "{}", histogram.percentile(99.9));
        assert!(near(histogram.percentile(0.0), 1000), "{}", histogram.percentile(0.0));
    }

    #[test]
    fn doublings_add_up_and_have_the_references_ends() {
        let mut histogram = Histogram::default();
        for nanos in [500, 1000, 20_000, 100_000, 100_000] {
            histogram.add(nanos);
        }

        assert_eq!(histogram.doublings(), [(1, 2), (33, 3), (132, 5)]);
    }
}
