//! How a table makes room, and gives it back.
//!
//! hashbrown never moves items by itself here: before an insertion could make it, [`Table::make_room`] rebuilds
//! the group, or spreads its family over more groups. So the generation of a group is always right, and a step is
//! bounded by one family. Start there.

use super::directory::{Cell, Directory};
use super::family::{DEPTH_MAX, Family, GROUP_BUCKETS_MAX, PARTS_MAX, Summary, capacity_of, for_each_ahead, part_of};
use super::hash::KeyHash;
use super::{CHUNK_FAMILIES, Place, Table};

impl<T, S: Summary<T>> Table<T, S> {
    /// Gives a table without any group its first one.
    pub(super) fn begin(&mut self) {
        self.directory = Directory::whole();
        self.add_family(0);
    }

    /// Makes room for one more item in the group of `hash`, which is at `place`.
    pub(super) fn make_room(&mut self, hash: KeyHash, place: Place, hash_of: &impl Fn(&T) -> KeyHash) {
        let (len, buckets) = (self.group_len(place), self.group_buckets(place));
        let depth = self.directory.locate(hash.position()).depth;
        let crowded = buckets <= 1 || len >= full_of(buckets);
        if !crowded {
            self.rebuild(place, buckets, hash_of);
        } else if buckets < GROUP_BUCKETS_MAX || depth >= DEPTH_MAX {
            self.rebuild(place, (buckets * 2).max(BUCKETS_MIN), hash_of);
        } else {
            self.spread(hash.position(), hash_of);
        }
    }

    /// Gives memory back once a group has become far too large for its items.
    pub(crate) fn shrink(&mut self, place: Place, hash_of: impl Fn(&T) -> KeyHash) {
        let (len, buckets) = (self.group_len(place), self.group_buckets(place));
        if self.len == 0 && self.families() <= RESET_FAMILIES_MAX {
            *self = Self::new();
        } else if len == 0 && buckets > 1 {
            self.rebuild(place, 0, &hash_of);
        } else if buckets > BUCKETS_MIN && len < buckets / SPARSE {
            self.rebuild(place, (len * 2).next_power_of_two().max(BUCKETS_MIN), &hash_of);
        }
    }

    /// Makes a single family of many that are nearly empty, so that random picks find something. The step is bounded
    /// by [`SPARSE_FAMILY_ITEMS`] for each family.
    ///
    /// Not for a table whose places somebody remembers.
    pub(crate) fn gather_sparse(&mut self, hash_of: impl Fn(&T) -> KeyHash) {
        let families = self.families();
        if families < 2 || self.len >= families * SPARSE_FAMILY_ITEMS {
            return;
        }
        let (mut items, mut generation) = (Vec::with_capacity(self.len), 0);
        for family in self.chunks.iter_mut().flatten() {
            for group in &mut family.groups {
                // Cursors that were given out must not take the new group for the one they know.
                generation = generation.max(group.generation);
                items.extend(std::mem::take(&mut group.items));
            }
        }
        *self = Self::new();
        self.directory = Directory::whole();
        self.add_family(generation.wrapping_add(1));
        for item in items {
            self.insert(hash_of(&item), item, &hash_of);
        }
    }

    fn rebuild(&mut self, place: Place, buckets: usize, hash_of: &impl Fn(&T) -> KeyHash) {
        let group = self.group_mut(place);
        let before = group.items.allocation_size();
        group.rebuild(buckets, |item| hash_of(item).bucket_bits());
        let after = group.items.allocation_size();
        self.group_bytes = self.group_bytes + after - before;
    }

    /// Divides the family of `position` until no group of it is crowded, and deals its items out again.
    fn spread(&mut self, position: u64, hash_of: &impl Fn(&T) -> KeyHash) {
        let old = self.directory.locate(position);
        let (mut items, generation) = self.empty_family(old.index, hash_of);
        let mut index = Some(old.index);
        for share in divide(position, old.depth, &mut items) {
            let Share { position, depth, parts, counts } = share;
            let index = index.take().unwrap_or_else(|| self.add_family(generation));
            self.directory.assign(position, Cell { index, depth, parts });
            for (place, count) in Self::places_of(index as usize).zip(counts) {
                self.rebuild(place, buckets_for(count), hash_of);
                self.group_mut(place).generation = generation;
            }
        }
        for (hash, item) in items {
            let place = self.locate(hash);
            self.group_mut(place).insert(hash.bucket_bits(), item, |item| hash_of(item).bucket_bits());
        }
    }

    /// Takes all items of a family, and the generation its next groups begin with.
    fn empty_family(&mut self, index: u32, hash_of: &impl Fn(&T) -> KeyHash) -> (Vec<(KeyHash, T)>, u32) {
        let len = Self::places_of(index as usize).map(|place| self.group_len(place)).sum();
        let mut items = Vec::with_capacity(len);
        let mut hashed = Vec::with_capacity(len);
        let mut generation = 0;
        for place in Self::places_of(index as usize) {
            let group = self.group_mut(place);
            generation = generation.max(group.generation);
            let freed = group.items.allocation_size();
            items.extend(std::mem::take(&mut group.items));
            self.group_bytes -= freed;
        }
        for_each_ahead::<T, S>(items, |item| hashed.push((hash_of(&item), item)));
        (hashed, generation.wrapping_add(1))
    }

    fn add_family(&mut self, generation: u32) -> u32 {
        let index = self.families();
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK_FAMILIES) {
            self.chunks.push(Vec::with_capacity(if self.chunks.is_empty() { 1 } else { CHUNK_FAMILIES }));
        }
        let last = self.chunks.last_mut().expect("just pushed");
        last.push(Family::new(generation));
        u32::try_from(index).expect("a family for every few thousand items")
    }
}

/// One family of the result of [`divide`].
struct Share {
    /// A position in it.
    position: u64,
    depth: u8,
    parts: u8,
    /// Number of items in each part.
    counts: [usize; PARTS_MAX],
}

/// Cuts a stretch into families whose groups all have room, in the order of their positions.
///
/// Items that share many upper bits (all of one hash slot) need many cuts; each costs one pass over them, and the
/// empty other half costs an empty family.
fn divide<T>(position: u64, depth: u8, items: &mut [(KeyHash, T)]) -> Vec<Share> {
    let mut shares = Vec::new();
    let mut todo = vec![(position, depth, items)];
    while let Some((position, depth, items)) = todo.pop() {
        if let Some(share) = fit(position, depth, items) {
            shares.push(share);
            continue;
        }
        let bit = 1_u64 << (63 - depth);
        let lower_len = partition(items, bit);
        let (lower, upper) = items.split_at_mut(lower_len);
        todo.push((position | bit, depth + 1, upper));
        todo.push((position & !bit, depth + 1, lower));
    }
    shares
}

/// The fewest parts in which all items find room, if any number of parts does.
fn fit<T>(position: u64, depth: u8, items: &[(KeyHash, T)]) -> Option<Share> {
    for parts in 1..=PARTS_MAX as u8 {
        if items.len() > usize::from(parts) * ROOMY_ITEMS && depth < DEPTH_MAX {
            continue;
        }
        let cell = Cell { index: 0, depth, parts };
        let mut counts = [0; PARTS_MAX];
        for (hash, _) in items {
            counts[part_of(hash.position(), cell)] += 1;
        }
        if depth >= DEPTH_MAX || counts.iter().all(|&count| count <= ROOMY_ITEMS) {
            return Some(Share { position, depth, parts, counts });
        }
    }
    None
}

/// Moves the items without `bit` in their position to the front, and counts them.
fn partition<T>(items: &mut [(KeyHash, T)], bit: u64) -> usize {
    let mut lower = 0;
    for index in 0..items.len() {
        if items[index].0.position() & bit == 0 {
            items.swap(lower, index);
            lower += 1;
        }
    }
    lower
}

fn buckets_for(items: usize) -> usize {
    if items == 0 {
        return 0;
    }
    let mut buckets = BUCKETS_MIN;
    while full_of(buckets) < items {
        buckets *= 2;
    }
    buckets
}

/// Items from which on a group of that many buckets is not worth rebuilding at the same size.
const fn full_of(buckets: usize) -> usize {
    let capacity = capacity_of(buckets);
    capacity - capacity / 16
}

/// Items a group may have right after its family was divided: room for an eighth more.
const ROOMY_ITEMS: usize = capacity_of(GROUP_BUCKETS_MAX) / 8 * 7;

/// Families that are forgotten in one step when the last item leaves: a matter of microseconds.
const RESET_FAMILIES_MAX: usize = 4096;

/// Items for each family below which all are gathered in one.
const SPARSE_FAMILY_ITEMS: usize = 8;

/// Buckets of the smallest table hashbrown makes.
const BUCKETS_MIN: usize = 4;

/// A group with fewer items than this part of its buckets is rebuilt smaller.
const SPARSE: usize = 8;
