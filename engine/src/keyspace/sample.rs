//! Random keys, for RANDOMKEY and for eviction.
//!
//! Every key is equally likely: see [`Table::random`](crate::table::Table::random). Start at [`Db::random_key`].

use super::db::Db;
use super::entry::Entry;
use crate::rng::Rng;
use crate::table::Spot;
use crate::table::pick::TRIES_MAX;

/// Which keys a sample is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFrom {
    /// All keys.
    All,
    /// Keys with an expiry.
    Volatile,
}

impl Db {
    /// A random key's entry; nothing when there is none.
    pub fn random_key(&self, rng: &mut Rng) -> Option<&Entry> {
        self.items.random(rng)
    }

    /// Visits about `count` entries that lie together at a random place: cheap, and random enough for eviction.
    ///
    /// Fewer when such keys are rare; none only when there is none.
    pub fn sample(&self, rng: &mut Rng, count: usize, from: SampleFrom, mut visit: impl FnMut(&Entry)) {
        let wanted = |entry: &&Entry| from == SampleFrom::All || entry.expiry().is_some();
        let candidates = if from == SampleFrom::All { self.len() } else { self.volatile_len() };
        let mut left = count.min(candidates);
        for _ in 0..TRIES_MAX {
            if left == 0 {
                return;
            }
            let first = self.items.random_spot(rng);
            if from == SampleFrom::Volatile && self.items.summary(first.place).count == 0 {
                continue;
            }
            let run = (0..RUN_BUCKETS).map(|step| Spot { bucket: first.bucket + step, ..first });
            for entry in run.filter_map(|spot| self.items.at(spot)).filter(wanted).take(left) {
                visit(entry);
                left -= 1;
            }
        }
        if left == count.min(candidates) {
            self.items.iter_from(rng.next_u64()).filter(wanted).take(left).for_each(visit);
        }
    }
}

/// Buckets in a row that a sample looks at before it jumps.
const RUN_BUCKETS: u32 = 16;
