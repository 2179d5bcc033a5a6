//! The large form of hashes and sets: the keyspace's own table and entries, with fields as keys.
//!
//! A member costs one allocation (header of 8 bytes and the bytes themselves) and some 7 bytes of table. A hash
//! field has its value in the same allocation, and its expiry as the entry's. Grows, is scanned and freed in bounded
//! pieces, as the keyspace is; those that expire are found as keys are, by the earliest expiry of each group. Start
//! at [`Entries::find`] and [`Entries::set`].

use super::PrefetchStage;
use crate::keyspace::{Earliest, Entry, Expiry, NewValue, UnixMillis, Volatile, prefetch_address, prefetch_entry};
use crate::rng::Rng;
use crate::table::hash::{KeyHash, KeyHasher};
use crate::table::{Place, Spot, Table};

/// A table of entries that belong to one value.
#[derive(Debug)]
pub struct Entries {
    items: Table<Entry, Volatile>,
    /// Memory of all entries.
    entry_bytes: usize,
    /// Number of entries that expire.
    volatile: usize,
    /// No entry expires before this time.
    earliest: Earliest,
    hasher: KeyHasher,
}

/// An entry that a write found in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// The expiry it had.
    pub expiry: Option<UnixMillis>,
}

impl Entries {
    /// An empty table that keeps a copy of the hash function.
    pub fn new(hasher: &KeyHasher) -> Self {
        let (volatile, earliest) = (0, Earliest::default());
        Self { items: Table::new(), entry_bytes: 0, volatile, earliest, hasher: hasher.clone() }
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

    /// Stores a value under a field, and its expiry. Returns what was there.
    pub fn set(&mut self, field: &[u8], value: NewValue<'_>, expiry: Expiry) -> Option<Met> {
        let hash = self.hash(field);
        if let Some(spot) = self.items.find_spot(hash, |entry| entry.key() == field) {
            return self.edit_at(spot, |entry| {
                let met = Met { expiry: entry.expiry() };
                entry.store(value, expiry.or(met.expiry));
                met
            });
        }
        self.insert(hash, Entry::free(field, value, expiry.or(None)));
        None
    }

    /// Sets or removes the expiry of a field, and returns the one before; nothing when the field is not there.
    pub fn set_expiry(&mut self, field: &[u8], expiry: Option<UnixMillis>) -> Option<Met> {
        let spot = self.items.find_spot(self.hash(field), |entry| entry.key() == field)?;
        self.edit_at(spot, |entry| {
            let met = Met { expiry: entry.expiry() };
            entry.set_expiry(expiry);
            met
        })
    }

    /// Takes the entry of a field out.
    pub fn remove(&mut self, field: &[u8]) -> Option<Entry> {
        self.remove_if(field, |_| true)
    }

    /// Takes the entry of a field out, if `wanted` says so.
    pub fn remove_if(&mut self, field: &[u8], wanted: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        let spot = self.items.find_spot(self.hash(field), |entry| entry.key() == field)?;
        if !self.items.at(spot).is_some_and(wanted) {
            return None;
        }
        let entry = self.take(spot)?;
        self.shrink(spot.place);
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

    /// Number of entries that expire.
    pub const fn volatile_len(&self) -> usize {
        self.volatile
    }

    /// A time before which no entry expires; nothing when none ever does. It may be too early, never too late.
    pub const fn next_expiry(&self) -> Option<UnixMillis> {
        self.earliest.time()
    }

    /// Takes entries out that are past their expiry and hands them to `gone`, group by group, until at least
    /// `visits_max` entries were looked at. Returns how many were.
    pub fn expire(&mut self, now: UnixMillis, visits_max: usize, mut gone: impl FnMut(Entry)) -> usize {
        let mut visited = 0;
        while visited < visits_max {
            let Some(place) = self.places().find(|&place| self.items.summary(place).earliest.is_past(now)) else {
                break;
            };
            visited += self.sweep(place, now, &mut gone);
            self.shrink(place);
        }
        self.earliest = self.places().map(|place| self.items.summary(place).earliest).min().unwrap_or_default();
        visited
    }

    /// Takes the due entries of one group out; returns how many entries it had.
    fn sweep(&mut self, place: Place, now: UnixMillis, gone: &mut impl FnMut(Entry)) -> usize {
        let visited = self.items.group_len(place);
        let mut earliest = Earliest::default();
        for bucket in 0..self.items.group_buckets(place) as u32 {
            let spot = Spot { place, bucket };
            match self.items.at(spot).and_then(Entry::expiry) {
                Some(expiry) if expiry.is_past(now) => self.take(spot).into_iter().for_each(&mut *gone),
                Some(expiry) => earliest.lower(expiry),
                None => {}
            }
        }
        self.items.summary_mut(place).earliest = earliest;
        visited
    }

    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.items.families()).flat_map(Table::<Entry, Volatile>::places_of)
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
        let (entry_bytes, volatile) = (&mut self.entry_bytes, &mut self.volatile);
        self.items.dismantle(entries_max, |entry| {
            *entry_bytes -= entry.memory_usage();
            *volatile -= usize::from(entry.expiry().is_some());
        });
        before - self.items.len()
    }

    fn insert(&mut self, hash: KeyHash, entry: Entry) {
        self.entry_bytes += entry.memory_usage();
        if let Some(expiry) = entry.expiry() {
            self.volatile += 1;
            self.earliest.lower(expiry);
        }
        let hasher = &self.hasher;
        self.items.insert(hash, entry, |entry| hasher.hash(entry.key()));
    }

    /// Takes an entry and leaves the buckets of all others as they are.
    fn take(&mut self, spot: Spot) -> Option<Entry> {
        let entry = self.items.take(spot)?;
        self.entry_bytes -= entry.memory_usage();
        self.volatile -= usize::from(entry.expiry().is_some());
        Some(entry)
    }

    fn shrink(&mut self, place: Place) {
        let hasher = &self.hasher;
        self.items.shrink(place, |entry| hasher.hash(entry.key()));
        self.items.gather_sparse(|entry| hasher.hash(entry.key()));
    }

    /// Changes the entry at a spot in place. The field must stay the same.
    fn edit_at<R>(&mut self, spot: Spot, edit: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        let (entry, summary) = self.items.at_with_summary(spot)?;
        let (bytes, was_volatile) = (entry.memory_usage(), entry.expiry().is_some());
        let result = edit(entry);
        self.entry_bytes = self.entry_bytes + entry.memory_usage() - bytes;
        let expiry = entry.expiry();
        if was_volatile || expiry.is_some() {
            summary.change(was_volatile, expiry);
            self.volatile = self.volatile + usize::from(expiry.is_some()) - usize::from(was_volatile);
            expiry.into_iter().for_each(|expiry| self.earliest.lower(expiry));
        }
        Some(result)
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
    use super::{Entries, Met};
    use crate::keyspace::{Expiry, NewValue, UnixMillis, ValueRef};
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

        assert_eq!(entries.set(b"f", NewValue::Str(b"one"), Expiry::Never), None);
        assert_eq!(entries.set(b"f", NewValue::Str(b"two"), Expiry::At(UnixMillis(5))), Some(Met { expiry: None }));

        let entry = entries.find(b"f").unwrap();
        assert!(matches!(entry.value(), ValueRef::Str(b"two")));
        assert_eq!(entry.expiry(), Some(UnixMillis(5)));
        assert_eq!(entries.remove(b"f").unwrap().key(), b"f");
        assert!(entries.is_empty());
    }

    #[test]
    fn due_entries_are_taken_and_no_others() {
        let mut entries = entries(10_000);
        for number in 0..10_000_i64 {
            let expiry = (number % 2 == 0).then_some(UnixMillis(number));
            assert!(entries.set_expiry(number.to_string().as_bytes(), expiry).is_some());
        }
        assert_eq!((entries.volatile_len(), entries.next_expiry()), (5000, Some(UnixMillis(0))));

        for now in [0, 1, 2, 5000, 7777] {
            let mut gone = Vec::new();
            while entries.next_expiry().is_some_and(|next| next.is_past(UnixMillis(now))) {
                assert!(entries.expire(UnixMillis(now), 1000, |entry| gone.push(entry)) < 3000);
            }

            assert!(gone.iter().all(|entry| entry.expiry().is_some_and(|at| at.is_past(UnixMillis(now)))));
            let left = (0..10_000).filter(|&number| number % 2 == 1 || number >= now).count();
            assert_eq!((entries.len(), entries.volatile_len()), (left, left - 5000));
        }
        assert_eq!(entries.next_expiry(), Some(UnixMillis(7778)));
        while entries.next_expiry().is_some() {
            entries.expire(UnixMillis(20_000), 1000, drop);
        }
        assert_eq!((entries.len(), entries.volatile_len()), (5000, 0));
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
