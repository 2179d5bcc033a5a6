//! Random keys, for RANDOMKEY and for eviction.
//!
//! A random group and a random bucket, tried again when the bucket is empty: every key is equally likely, however
//! unevenly the groups are filled. Start at [`Db::random_key`].

use super::db::Db;
use super::entry::Entry;
use super::expire::Volatile;
use crate::rng::Rng;
use crate::table::scan::Walk;
use crate::table::{Place, Spot, Table};

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
        if self.is_empty() {
            return None;
        }
        (0..TRIES_MAX).find_map(|_| self.items.at(self.random_spot(rng))).or_else(|| self.first_after(rng.next_u64()))
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
            let first = self.random_spot(rng);
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
            self.iter_from(rng.next_u64()).filter(wanted).take(left).for_each(visit);
        }
    }

    fn random_spot(&self, rng: &mut Rng) -> Spot {
        let family = rng.index(self.items.families());
        let parts = Table::<Entry, Volatile>::places_of(family).count();
        let place = Table::<Entry, Volatile>::places_of(family).nth(rng.index(parts));
        let place = place.unwrap_or(Place::FIRST);
        Spot { place, bucket: rng.index(self.items.buckets_max()) as u32 }
    }

    fn first_after(&self, position: u64) -> Option<&Entry> {
        self.iter_from(position).next()
    }

    /// All entries once around, beginning with the group of a position.
    fn iter_from(&self, position: u64) -> impl Iterator<Item = &Entry> {
        let mut walks = [Walk::from(position), Walk::default()];
        std::iter::from_fn(move || self.items.step(&mut walks[0], 64).or_else(|| self.items.step(&mut walks[1], 64)))
            .flat_map(|step| step.spots().filter_map(|spot| self.items.at(spot)))
    }
}

/// Random buckets that are tried before a walk finds a key; most tables answer in three.
const TRIES_MAX: usize = 100;

/// Buckets in a row that a sample looks at before it jumps.
const RUN_BUCKETS: u32 = 16;
