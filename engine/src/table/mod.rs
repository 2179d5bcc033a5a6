//! The one hash table of the engine: a directory of small `hashbrown` tables (groups), ordered by position.
//!
//! The keyspace uses it, and so do values that outgrow their compact form. Growth, scanning, snapshots and slot
//! counting all work on one group at a time, so no step grows with the number of items. An empty table allocates
//! nothing, a small one has a single group and a directory of one cell. What does not live here: keys, hashing
//! policy beyond [`hash`], expiry. Start at [`Table::find`] and [`Table::insert`]; `family.rs` has the reason for
//! the shape, [`scan`] the cursor.

mod directory;
mod family;
mod grow;
pub mod hash;
pub(crate) mod pick;
pub mod scan;

use directory::Directory;
pub use family::Summary;
use family::{Family, GROUP_BUCKETS_MAX, Group, for_each_ahead, part_of, span_of};
use hash::KeyHash;

/// A hash table that never pauses for long.
///
/// `S` is what the table keeps about each group. Operations that may move items take the hash function of the
/// items; it must give the hash each item was inserted with.
#[derive(Debug)]
pub struct Table<T, S = ()> {
    directory: Directory,
    chunks: Vec<Vec<Family<T, S>>>,
    len: usize,
    group_bytes: usize,
}

/// The address of a group; valid until the next insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    family: u32,
    part: u8,
}

/// The address of an item; valid until the next insertion or removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The group.
    pub place: Place,
    /// The bucket in the group.
    pub bucket: u32,
}

/// Figures about the shape of a table, for `DEBUG HTSTATS` and benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableStats {
    /// Cells of the directory.
    pub cells: usize,
    /// Families of groups.
    pub families: usize,
    /// Groups that answer for some positions.
    pub groups: usize,
    /// Groups without an item.
    pub groups_empty: usize,
    /// Buckets of all groups.
    pub buckets: usize,
    /// Items.
    pub items: usize,
    /// Items of the fullest group.
    pub group_items_max: usize,
    /// Bytes the table holds on to, without what its items own.
    pub bytes: usize,
}

impl<T, S: Summary<T>> Default for Table<T, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, S: Summary<T>> Table<T, S> {
    /// An empty table; it allocates nothing before the first insertion.
    pub fn new() -> Self {
        Self { directory: Directory::default(), chunks: Vec::new(), len: 0, group_bytes: 0 }
    }

    /// Number of items.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no item.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes the table holds on to, without what its items own.
    pub fn bytes(&self) -> usize {
        let chunks = self.chunks.last().map_or(0, |last| {
            (self.chunks.len() - 1) * CHUNK_FAMILIES * size_of::<Family<T, S>>()
                + last.capacity() * size_of::<Family<T, S>>()
        });
        self.group_bytes + chunks + self.directory.bytes()
    }

    /// The item with this hash for which `eq` holds.
    #[inline]
    pub fn find(&self, hash: KeyHash, eq: impl FnMut(&T) -> bool) -> Option<&T> {
        self.group(self.place(hash)?).items.find(hash.bucket_bits(), eq)
    }

    /// The address of the item with this hash for which `eq` holds.
    #[inline]
    pub fn find_spot(&self, hash: KeyHash, eq: impl FnMut(&T) -> bool) -> Option<Spot> {
        let place = self.place(hash)?;
        let bucket = self.group(place).items.find_bucket_index(hash.bucket_bits(), eq)?;
        Some(Spot { place, bucket: bucket as u32 })
    }

    /// The item at a spot.
    #[inline]
    pub fn at(&self, spot: Spot) -> Option<&T> {
        self.group(spot.place).items.get_bucket(spot.bucket as usize)
    }

    /// The item at a spot. Its hash must not change; what the group's summary says of it is the caller's matter.
    #[inline]
    pub fn at_mut(&mut self, spot: Spot) -> Option<&mut T> {
        self.group_mut(spot.place).items.get_bucket_mut(spot.bucket as usize)
    }

    /// The item at a spot, beside the summary of its group.
    #[inline]
    pub(crate) fn at_with_summary(&mut self, spot: Spot) -> Option<(&mut T, &mut S)> {
        let group = self.group_mut(spot.place);
        Some((group.items.get_bucket_mut(spot.bucket as usize)?, &mut group.summary))
    }

    /// Adds an item that is not in the table.
    ///
    /// When a family had to be divided, the families that were added are in `grown`.
    pub fn insert(&mut self, hash: KeyHash, item: T, hash_of: impl Fn(&T) -> KeyHash) -> Inserted {
        let families = self.families();
        if self.directory.is_empty() {
            self.begin();
        }
        let mut place = self.locate(hash);
        if self.group(place).is_full() {
            self.make_room(hash, place, &hash_of);
            place = self.locate(hash);
        }
        self.len += 1;
        let bucket = self.group_mut(place).insert(hash.bucket_bits(), item, |item| hash_of(item).bucket_bits());
        Inserted { spot: Spot { place, bucket: bucket as u32 }, grown: families..self.families() }
    }

    /// Takes the item at a spot.
    pub fn remove(&mut self, spot: Spot, hash_of: impl Fn(&T) -> KeyHash) -> Option<T> {
        let item = self.take(spot)?;
        self.shrink(spot.place, hash_of);
        Some(item)
    }

    /// Takes the item at a spot and leaves the buckets of all others as they are.
    pub(crate) fn take(&mut self, spot: Spot) -> Option<T> {
        let item = self.group_mut(spot.place).take(spot.bucket as usize)?;
        self.len -= 1;
        Some(item)
    }

    /// The item in front of which [`Table::find`] would look first: where its bucket is, a likely match.
    #[inline]
    pub(crate) fn first_candidate(&self, hash: KeyHash) -> Option<&T> {
        self.group(self.place(hash)?).items.find(hash.bucket_bits(), |_| true)
    }

    /// Addresses that [`Table::find`] will read first; only good for prefetching.
    #[inline]
    pub(crate) fn probe_addresses(&self, hash: KeyHash) -> Option<[usize; 2]> {
        Some(self.group(self.place(hash)?).probe_addresses(hash.bucket_bits()))
    }

    /// The summary of a group.
    pub fn summary(&self, place: Place) -> &S {
        &self.group(place).summary
    }

    /// The summary of a group.
    pub fn summary_mut(&mut self, place: Place) -> &mut S {
        &mut self.group_mut(place).summary
    }

    /// The group of a position and the stretch it answers for; nothing in a table that never had an item.
    pub(crate) fn stretch(&self, position: u64) -> Option<(Place, u64, Option<u64>)> {
        if self.directory.is_empty() {
            return None;
        }
        let cell = self.directory.locate(position);
        let part = part_of(position, cell);
        let (start, end) = span_of(position, cell, part);
        Some((Place { family: cell.index, part: part as u8 }, start, end))
    }

    /// Number of families; they are numbered from 0 without gaps.
    pub(crate) fn families(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK_FAMILIES + last.len())
    }

    /// The groups of a family, in use or not.
    pub(crate) fn places_of(family: usize) -> impl Iterator<Item = Place> {
        (0..family::PARTS_MAX as u8).map(move |part| Place { family: family as u32, part })
    }

    /// Number of items in a group.
    pub(crate) fn group_len(&self, place: Place) -> usize {
        self.group(place).items.len()
    }

    /// Number of buckets of a group.
    pub(crate) fn group_buckets(&self, place: Place) -> usize {
        self.group(place).items.num_buckets()
    }

    /// A number that changes whenever items of the group may have changed their buckets.
    pub(crate) fn group_generation(&self, place: Place) -> u32 {
        self.group(place).generation
    }

    /// Most buckets a group of this table has now.
    pub(crate) fn buckets_max(&self) -> usize {
        match self.families() {
            0 => 0,
            1 => Self::places_of(0).map(|place| self.group_buckets(place)).max().unwrap_or(0),
            _ => GROUP_BUCKETS_MAX,
        }
    }

    /// All items in the order of their groups.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let mut next = if self.is_empty() { None } else { Some(0) };
        std::iter::from_fn(move || {
            let (place, _, end) = self.stretch(next?)?;
            next = end;
            Some(self.group(place).items.iter())
        })
        .flatten()
    }

    /// Frees the last groups of a table that nobody reads any more, handing each item to `gone`.
    ///
    /// Returns whether anything is left.
    pub(crate) fn dismantle(&mut self, items_max: usize, mut gone: impl FnMut(T)) -> bool {
        let mut items = 0;
        while items < items_max {
            let Some(chunk) = self.chunks.last_mut() else {
                self.directory = Directory::default();
                return false;
            };
            let Some(family) = chunk.last_mut() else {
                self.chunks.pop();
                continue;
            };
            let Some(group) = family.groups.iter_mut().find(|group| group.items.num_buckets() > 1) else {
                chunk.pop();
                continue;
            };
            self.group_bytes -= group.items.allocation_size();
            let taken: Vec<T> = std::mem::take(&mut group.items).into_iter().collect();
            items += taken.len();
            self.len -= taken.len();
            for_each_ahead::<T, S>(taken, &mut gone);
        }
        true
    }

    /// Figures about the table's shape. Walks the directory, not the items.
    pub fn stats(&self) -> TableStats {
        let mut stats = TableStats {
            cells: self.directory.cells(),
            families: self.families(),
            items: self.len,
            bytes: self.bytes(),
            ..TableStats::default()
        };
        let mut next = Some(0);
        while let Some((place, _, end)) = next.and_then(|position| self.stretch(position)) {
            let group = self.group(place);
            stats.groups += 1;
            stats.groups_empty += usize::from(group.items.is_empty());
            stats.buckets += group.items.num_buckets();
            stats.group_items_max = stats.group_items_max.max(group.items.len());
            next = end;
        }
        stats
    }

    #[inline]
    fn place(&self, hash: KeyHash) -> Option<Place> {
        if self.directory.is_empty() { None } else { Some(self.locate(hash)) }
    }

    #[inline]
    fn locate(&self, hash: KeyHash) -> Place {
        let cell = self.directory.locate(hash.position());
        Place { family: cell.index, part: part_of(hash.position(), cell) as u8 }
    }

    #[inline]
    fn group(&self, place: Place) -> &Group<T, S> {
        let index = place.family as usize;
        &self.chunks[index / CHUNK_FAMILIES][index % CHUNK_FAMILIES].groups[usize::from(place.part)]
    }

    #[inline]
    fn group_mut(&mut self, place: Place) -> &mut Group<T, S> {
        let index = place.family as usize;
        &mut self.chunks[index / CHUNK_FAMILIES][index % CHUNK_FAMILIES].groups[usize::from(place.part)]
    }
}

/// What an insertion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inserted {
    /// Where the item is.
    pub spot: Spot,
    /// Numbers of the families that were added to make room.
    pub grown: std::ops::Range<usize>,
}

/// Families stored in one piece of memory (13 KiB); a longer list would be copied as it grows.
pub(crate) const CHUNK_FAMILIES: usize = 64;

impl Place {
    /// The group every table has first.
    pub(crate) const FIRST: Self = Self { family: 0, part: 0 };

    /// The number of the group's family.
    pub(crate) const fn family(self) -> usize {
        self.family as usize
    }

    /// Which chunk of families the group is in: the unit of coarse summaries.
    pub(crate) const fn chunk(self) -> usize {
        self.family as usize / CHUNK_FAMILIES
    }
}

#[cfg(test)]
mod tests;
