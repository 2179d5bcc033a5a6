//! The large form of hashes and sets: the keyspace's own table and entries, with fields as keys.
//!
//! A member costs one allocation (header of 8 bytes and the bytes themselves) and some 7 bytes of table. A hash
//! field has its value in the same allocation, and its expiry as the entry's. Grows, is scanned and freed in bounded
//! pieces, as the keyspace is. Start at [`Entries::find`] and [`Entries::set`].

use super::PrefetchStage;
use crate::keyspace::{Entry, NewValue, UnixMillis, prefetch_address, prefetch_entry};
use crate::rng::Rng;
use crate::table::hash::{KeyHash, KeyHasher};
use crate::table::{Summary, Table};

/// A table of entries that belong to one value.
#[derive(Debug)]
pub struct Entries {
    items: Table<Entry, Ahead>,
    /// Memory of all entries.
    entry_bytes: usize,
    hasher: KeyHasher,
}

/// What a group knows of its entries: nothing, but how to load one.
#[derive(Debug, Default)]
struct Ahead;

impl Summary<Entry> for Ahead {
    fn add(&mut self, _item: &Entry) {}
    fn remove(&mut self, _item: &Entry) {}
    fn prefetch(item: &Entry) {
        prefetch_entry(item);
    }
}

impl Entries {
    /// An empty table that keeps a copy of the hash function.
    pub fn new(hasher: &KeyHasher) -> Self {
        Self { items: Table::new(), entry_bytes: 0, hasher: hasher.clone() }
    }

    /// Number of entries.
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The entry of a field.
    pub fn find(&self, field: &[u8]) -> Option<&Entry> {
        self.items.find(self.hash(field), |entry| entry.key() == field)
    }

    /// Asks the processor for the memory in which a field will be looked for.
    pub fn prefetch(&self, field: &[u8], stage: PrefetchStage) {
        let hash = self.hash(field);
        match stage {
            PrefetchStage::Begin => {
                self.items.probe_addresses(hash).into_iter().flatten().for_each(prefetch_address);
            }
            PrefetchStage::Entry => self.items.first_candidate(hash).into_iter().for_each(prefetch_entry),
        }
    }

    /// Adds a member that may be there. Returns whether it was added.
    pub fn add(&mut self, member: &[u8]) -> bool {
        let hash = self.hash(member);
        if self.items.find(hash, |entry| entry.key() == member).is_some() {
            return false;
        }
        self.insert(hash, Entry::free(member, NewValue::Str(b""), None));
        true
    }

    /// Stores a value under a field, and its expiry. Returns whether the field was there.
    pub fn set(&mut self, field: &[u8], value: NewValue<'_>, expiry: Option<UnixMillis>) -> bool {
        let hash = self.hash(field);
        if let Some(spot) = self.items.find_spot(hash, |entry| entry.key() == field)
            && let Some(entry) = self.items.at_mut(spot)
        {
            let before = entry.memory_usage();
            entry.store(value, expiry);
            self.entry_bytes = self.entry_bytes + entry.memory_usage() - before;
            return true;
        }
        self.insert(hash, Entry::free(field, value, expiry));
        false
    }

    /// Changes the entry of a field in place; nothing when there is none. The field must stay the same.
    pub fn edit<R>(&mut self, field: &[u8], edit: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        let spot = self.items.find_spot(self.hash(field), |entry| entry.key() == field)?;
        let entry = self.items.at_mut(spot)?;
        let before = entry.memory_usage();
        let result = edit(entry);
        self.entry_bytes = self.entry_bytes + entry.memory_usage() - before;
        Some(result)
    }

    /// Takes the entry of a field out.
    pub fn remove(&mut self, field: &[u8]) -> Option<Entry> {
        let spot = self.items.find_spot(self.hash(field), |entry| entry.key() == field)?;
        let hasher = &self.hasher;
        let entry = self.items.remove(spot, |entry| hasher.hash(entry.key()))?;
        self.items.gather_sparse(|entry| hasher.hash(entry.key()));
        self.entry_bytes -= entry.memory_usage();
        Some(entry)
    }

    /// A random entry, each as likely as any other; nothing when there is none.
    pub fn random(&self, rng: &mut Rng) -> Option<&Entry> {
        self.items.random(rng)
    }

    /// Continues a scan at `cursor` (0 begins one); returns the next cursor, 0 at the end. As of the keyspace: an
    /// entry that is there from the first call to the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(&Entry)) -> u64 {
        self.items.scan(cursor, count, visit)
    }

    /// All entries, in an order that depends only on the seed and on the writes so far.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.items.iter()
    }

    /// Bytes of memory it holds on to, beside itself.
    pub fn memory_usage(&self) -> usize {
        self.entry_bytes + self.items.bytes()
    }

    /// Frees about `entries_max` entries; returns how many.
    pub fn free_some(&mut self, entries_max: usize) -> usize {
        let before = self.items.len();
        let entry_bytes = &mut self.entry_bytes;
        self.items.dismantle(entries_max, |entry| *entry_bytes -= entry.memory_usage());
        before - self.items.len()
    }

    fn insert(&mut self, hash: KeyHash, entry: Entry) {
        self.entry_bytes += entry.memory_usage();
        let hasher = &self.hasher;
        self.items.insert(hash, entry, |entry| hasher.hash(entry.key()));
    }

    #[inline]
    fn hash(&self, field: &[u8]) -> KeyHash {
        self.hasher.hash(field)
    }
}

impl Clone for Entries {
    fn clone(&self) -> Self {
        let mut copy = Self::new(&self.hasher);
        for entry in self.iter() {
            copy.insert(self.hash(entry.key()), entry.copy_as(entry.key()));
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::Entries;
    use crate::keyspace::{NewValue, UnixMillis, ValueRef};
    use crate::rng::Rng;
    use crate::table::hash::{KeyHasher, Partitioning};

    fn entries(count: usize) -> Entries {
        let mut entries = Entries::new(&KeyHasher::new(Partitioning::ByHash, &mut Rng::new(7)));
        for number in 0..count {
            assert!(entries.add(number.to_string().as_bytes()));
        }
        entries
    }

    #[test]
    fn fields_keep_their_values_and_expiries() {
        let mut entries = entries(0);

        assert!(!entries.set(b"f", NewValue::Str(b"one"), None));
        assert!(entries.set(b"f", NewValue::Str(b"two"), Some(UnixMillis(5))));

        let entry = entries.find(b"f").unwrap();
        assert!(matches!(entry.value(), ValueRef::Str(b"two")));
        assert_eq!(entry.expiry(), Some(UnixMillis(5)));
        assert_eq!(entries.remove(b"f").unwrap().key(), b"f");
        assert!(entries.is_empty());
    }

    #[test]
    fn memory_is_counted_and_given_back_in_pieces() {
        let mut entries = entries(10_000);
        let full = entries.memory_usage();
        let mut freed = 0;

        assert!(full / 10_000 < 40, "{} bytes for each member", full / 10_000);
        while let piece @ 1.. = entries.free_some(500) {
            assert!(piece < 500 + 2048);
            freed += piece;
        }

        assert_eq!(freed, 10_000);
        assert_eq!(entries.entry_bytes, 0);
        assert!(entries.memory_usage() < full / 10);
    }

    #[test]
    fn random_picks_are_fair() {
        let (entries, mut rng) = (entries(100), Rng::new(3));
        let mut counts = [0; 100];

        for _ in 0..100_000 {
            let entry = entries.random(&mut rng).unwrap();
            counts[std::str::from_utf8(entry.key()).unwrap().parse::<usize>().unwrap()] += 1;
        }

        // A fair pick deviates from 1,000 by 32; six times that is out of reach.
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn random_picks_stay_fair_when_most_entries_have_gone() {
        for left in [2000, 100, 3] {
            let (mut entries, mut rng) = (entries(50_000), Rng::new(5));
            while entries.len() > left {
                let key = entries.random(&mut rng).unwrap().key().to_vec();
                assert!(entries.remove(&key).is_some());
            }

            let mut counts: std::collections::BTreeMap<&[u8], u32> = std::collections::BTreeMap::new();
            (0..left * 100).for_each(|_| *counts.entry(entries.random(&mut rng).unwrap().key()).or_default() += 1);

            assert_eq!(counts.len(), left);
            assert!(counts.values().all(|count| (40..160).contains(count)), "{left} left");
        }
    }

    #[test]
    fn a_scan_misses_nothing_while_most_entries_go() {
        let mut entries = entries(20_000);
        let mut seen = std::collections::BTreeSet::new();
        let (mut cursor, mut next) = (0, 10);
        loop {
            cursor = entries.scan(cursor, 50, |entry| {
                seen.insert(entry.key().to_vec());
            });
            for number in next..(next + 150).min(20_000) {
                entries.remove(number.to_string().as_bytes());
            }
            next += 150;
            if cursor == 0 {
                break;
            }
        }

        assert!((0..10).all(|number: u8| seen.contains(number.to_string().as_bytes())));
    }

    #[test]
    fn a_copy_has_all_entries_and_its_own_memory() {
        let mut entries = entries(3000);
        let copy = entries.clone();

        entries.remove(b"7");

        assert_eq!(copy.len(), 3000);
        assert!(copy.find(b"7").is_some());
        assert!((0..3000).all(|number: i32| copy.find(number.to_string().as_bytes()).is_some()));
    }
}
