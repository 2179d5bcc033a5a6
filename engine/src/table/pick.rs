//! Random items: a random group, the likelier the fuller it is, and a random bucket of it, tried again when that is
//! empty. Every item is equally likely, however unevenly the groups are filled. Start at [`Table::random`].

use super::family::capacity_of;
use super::scan::Walk;
use super::{Place, Spot, Summary, Table};
use crate::rng::Rng;

impl<T, S: Summary<T>> Table<T, S> {
    /// A random item; nothing when there is none.
    pub fn random(&self, rng: &mut Rng) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        let items_max = capacity_of(self.buckets_max().max(1)).max(1);
        for _ in 0..GROUP_TRIES_MAX {
            let place = self.random_place(rng);
            // The fuller the group, the likelier it is.
            if rng.index(items_max) < self.group_len(place) {
                return self.random_in(place, rng);
            }
        }
        self.iter_from(rng.next_u64()).next()
    }

    /// A random item of a group.
    fn random_in(&self, place: Place, rng: &mut Rng) -> Option<&T> {
        let buckets = self.group_buckets(place);
        let pick = |bucket: usize| self.at(Spot { place, bucket: bucket as u32 });
        let first = (0..TRIES_MAX).find_map(|_| pick(rng.index(buckets)));
        first.or_else(|| (0..buckets).find_map(pick))
    }

    /// A random bucket, empty or not: the chance is the same for each that has an item.
    pub(crate) fn random_spot(&self, rng: &mut Rng) -> Spot {
        Spot { place: self.random_place(rng), bucket: rng.index(self.buckets_max()) as u32 }
    }

    fn random_place(&self, rng: &mut Rng) -> Place {
        let family = rng.index(self.families());
        let parts = Self::places_of(family).count();
        Self::places_of(family).nth(rng.index(parts)).unwrap_or(Place::FIRST)
    }

    /// All items once around, beginning with the group of a position.
    pub(crate) fn iter_from(&self, position: u64) -> impl Iterator<Item = &T> {
        let mut walks = [Walk::from(position), Walk::default()];
        std::iter::from_fn(move || self.step(&mut walks[0], 64).or_else(|| self.step(&mut walks[1], 64)))
            .flat_map(|step| step.spots().filter_map(|spot| self.at(spot)))
    }
}

/// Random buckets that are tried before a walk finds an item; most tables answer in three, and a group has an item in
/// one bucket of eight at least.
pub(crate) const TRIES_MAX: usize = 100;

/// Random groups that are tried before a walk finds an item: a table inside a value is never so sparse that this many
/// fail.
const GROUP_TRIES_MAX: usize = 5000;
