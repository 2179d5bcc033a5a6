//! Groups, and the families they come in.
//!
//! A family answers for all positions that share its upper bits. It begins as one group; a full family is spread
//! over two groups, then three; a full family of three becomes two families of two, one bit deeper. Between those
//! steps a group fills from two thirds or three quarters to the brim, where plain halving would leave it between
//! half and full: hashbrown only offers powers of two, and at an unlucky number of keys all groups would be half
//! empty at the same time. Start at [`Family`].

use hashbrown::HashTable;

use super::directory::Cell;

/// What a table keeps about each of its groups; `()` when there is nothing to keep.
pub trait Summary<T>: Default {
    /// Notes that an item came into the group.
    fn add(&mut self, item: &T);
    /// Notes that an item left the group.
    fn remove(&mut self, item: &T);
    /// Asks the processor to load what the item's hash is computed from, when that is elsewhere in memory.
    fn prefetch(_item: &T) {}
}

impl<T> Summary<T> for () {
    fn add(&mut self, _item: &T) {}
    fn remove(&mut self, _item: &T) {}
}

/// Up to [`PARTS_MAX`] groups that answer for one stretch of positions.
#[derive(Debug)]
pub(crate) struct Family<T, S> {
    pub(crate) groups: [Group<T, S>; PARTS_MAX],
}

/// One small hash table.
#[derive(Debug)]
pub(crate) struct Group<T, S> {
    pub(crate) items: HashTable<T>,
    /// Where hashbrown's control bytes lie, as a plain number: for prefetching, never followed. 0 when unknown.
    controls: usize,
    /// Rises whenever items may have changed their buckets.
    pub(crate) generation: u32,
    pub(crate) summary: S,
}

impl<T, S: Summary<T>> Family<T, S> {
    pub(crate) fn new(generation: u32) -> Self {
        Self { groups: std::array::from_fn(|_| Group::new(generation)) }
    }
}

impl<T, S: Summary<T>> Group<T, S> {
    pub(crate) fn new(generation: u32) -> Self {
        Self { items: HashTable::new(), controls: 0, generation, summary: S::default() }
    }

    /// Adds an item that is not there; the group must have room. Returns its bucket.
    #[inline]
    pub(crate) fn insert(&mut self, bits: u64, item: T, bits_of: impl Fn(&T) -> u64) -> usize {
        self.summary.add(&item);
        let occupied = self.items.insert_unique(bits, item, bits_of);
        let bucket = occupied.bucket_index();
        if self.controls == 0 {
            // hashbrown keeps bucket 0 right below the control bytes and the others below it.
            let address = std::ptr::from_ref(occupied.get()).addr();
            self.controls = address.wrapping_add((bucket + 1) * size_of::<T>());
        }
        bucket
    }

    /// Takes the item out of an occupied bucket.
    pub(crate) fn take(&mut self, bucket: usize) -> Option<T> {
        let item = self.items.get_bucket_entry(bucket).ok()?.remove().0;
        self.summary.remove(&item);
        Some(item)
    }

    /// Moves all items into a table of `buckets` buckets.
    pub(crate) fn rebuild(&mut self, buckets: usize, bits_of: impl Fn(&T) -> u64) {
        let wanted = if buckets == 0 { HashTable::new() } else { HashTable::with_capacity(capacity_of(buckets)) };
        let old = std::mem::replace(&mut self.items, wanted);
        self.controls = 0;
        self.generation = self.generation.wrapping_add(1);
        self.summary = S::default();
        for_each_ahead::<T, S>(old.into_iter().collect(), |item| {
            let bits = bits_of(&item);
            self.insert(bits, item, &bits_of);
        });
    }

    /// Whether an insertion could make hashbrown move items by itself.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.items.len() == self.items.capacity()
    }

    /// Addresses of the control byte and of the bucket where a search begins; only good for prefetching.
    #[inline]
    pub(crate) fn probe_addresses(&self, bits: u64) -> [usize; 2] {
        let bucket = bits as usize & self.items.num_buckets().wrapping_sub(1);
        [self.controls.wrapping_add(bucket), self.controls.wrapping_sub((bucket + 1).wrapping_mul(size_of::<T>()))]
    }
}

/// Visits items that are scattered over memory, loading some ahead of the visit.
///
/// Without this, moving a group spent most of its time waiting for memory: a million keys do not fit the caches.
pub(crate) fn for_each_ahead<T, S: Summary<T>>(items: Vec<T>, mut visit: impl FnMut(T)) {
    items.iter().take(AHEAD).for_each(S::prefetch);
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        if let Some(ahead) = items.as_slice().get(AHEAD - 1) {
            S::prefetch(ahead);
        }
        visit(item);
    }
}

/// Loads in flight: what one core of present processors can keep open, and some.
const AHEAD: usize = 16;

/// The part of a family's stretch that a position falls into.
#[inline]
pub(crate) fn part_of(position: u64, cell: Cell) -> usize {
    let upper = (position << cell.depth) >> (64 - PART_BITS);
    ((upper * u64::from(cell.parts)) >> PART_BITS) as usize
}

/// First position of a part, and first position after it; nothing when that is past the last position.
pub(crate) fn span_of(position: u64, cell: Cell, part: usize) -> (u64, Option<u64>) {
    let width_bits = 64 - u32::from(cell.depth);
    let prefix = if width_bits == 64 { 0 } else { position >> width_bits << width_bits };
    let bound = |part: u64| (part << PART_BITS).div_ceil(u64::from(cell.parts));
    let start = prefix + (bound(part as u64) << (width_bits - PART_BITS));
    let last =
        prefix + ((bound(part as u64 + 1) << (width_bits - PART_BITS)).wrapping_sub(1) & (u64::MAX >> cell.depth));
    (start, last.checked_add(1))
}

/// Items a table of that many buckets takes before hashbrown moves it.
pub(crate) const fn capacity_of(buckets: usize) -> usize {
    if buckets < 8 { buckets - 1 } else { buckets / 8 * 7 }
}

/// Groups of one family.
pub(crate) const PARTS_MAX: usize = 3;

/// Most buckets of a group: 1,792 items fit.
///
/// A group is the unit of every bounded step. 4,096 buckets gave the same memory for each key and the same lookup
/// time in `benches/keyspace.rs`, and pauses twice as long (1.4 to 2.5 ms against 0.7 to 1.1 ms for five million
/// insertions).
pub(crate) const GROUP_BUCKETS_MAX: usize = 2048;

/// Most bits two positions of one family may share.
///
/// Below it [`PART_BITS`] bits are left to cut the stretch. Keys that share so many keyed hash bits do not exist in
/// practice; if they did, their group would grow instead of being split.
pub(crate) const DEPTH_MAX: u8 = 56;

/// Position bits that decide the part. Few, so that the bounds of parts fit into a scan cursor.
pub(crate) const PART_BITS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::{Cell, part_of, span_of};

    #[test]
    fn parts_tile_the_stretch_of_their_family() {
        for depth in [0, 1, 13, 14, 30, 56] {
            for parts in 1..=3_u8 {
                let cell = Cell { index: 0, depth, parts };
                let position = 0xdead_beef_cafe_f00d;
                let mut expected = if depth == 0 { 0 } else { position >> (64 - depth) << (64 - depth) };
                for part in 0..usize::from(parts) {
                    let (start, end) = span_of(position, cell, part);
                    assert_eq!(start, expected);
                    assert_eq!(part_of(start, cell), part);
                    let last = end.map_or(u64::MAX, |end| end - 1);
                    assert_eq!(part_of(last, cell), part);
                    expected = last.wrapping_add(1);
                }
                let width = u64::MAX >> depth;
                assert_eq!(expected, (position | width).wrapping_add(1));
            }
        }
    }

    #[test]
    fn the_last_part_of_all_has_no_end() {
        let cell = Cell { index: 0, depth: 3, parts: 3 };

        assert_eq!(span_of(u64::MAX, cell, 2).1, None);
    }
}
