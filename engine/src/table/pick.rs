//! Random items: a random group and a random bucket, tried again when the bucket is empty. Every item is equally
//! likely, however unevenly the groups are filled. Start at [`Table::random`].

use super::scan::Walk;
use super::{Place, Spot, Summary, Table};
use crate::rng::Rng;

impl<T, S: Summary<T>> Table<T, S> {
    /// A random item; nothing when there is none.
    pub fn random(&self, rng: &mut Rng) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        (0..TRIES_MAX).find_map(|_| self.at(self.random_spot(rng))).or_else(|| self.iter_from(rng.next_u64()).next())
    }

    /// A random bucket, empty or not: the chance is the same for each that has an item.
    pub(crate) fn random_spot(&self, rng: &mut Rng) -> Spot {
        let family = rng.index(self.families());
        let parts = Self::places_of(family).count();
        let place = Self::places_of(family).nth(rng.index(parts)).unwrap_or(Place::FIRST);
        Spot { place, bucket: rng.index(self.buckets_max()) as u32 }
    }

    /// All items once around, beginning with the group of a position.
    pub(crate) fn iter_from(&self, position: u64) -> impl Iterator<Item = &T> {
        let mut walks = [Walk::from(position), Walk::default()];
        std::iter::from_fn(move || self.step(&mut walks[0], 64).or_else(|| self.step(&mut walks[1], 64)))
            .flat_map(|step| step.spots().filter_map(|spot| self.at(spot)))
    }
}

/// Random buckets that are tried before a walk finds an item; most tables answer in three.
pub(crate) const TRIES_MAX: usize = 100;
