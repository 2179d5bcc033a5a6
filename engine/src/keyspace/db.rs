//! One database: its table of entries, and the figures kept with it.
//!
//! Lives here: reading ([`Db`]), writing ([`DbMut`]) and editing one value ([`EntryMut`]). Every write path runs the
//! snapshot barrier of the entry it touches and keeps the memory, expiry and slot figures right. What does not:
//! whether a key is past its expiry, and what a type error is: both are the command's matter. Start at [`Db::find`]
//! and [`DbMut::set`].

use std::ops::{Deref, RangeInclusive};

use super::DbIndex;
use super::entry::{Birth, Entry, prefetch};
use super::expire::{Due, Expiry, UnixMillis, Volatile, VolatileKeys};
use super::object::{NewValue, Object};
use super::packed::Desk;
use super::slots::SlotCounts;
use super::snapshot::Snapshot;
use super::trash::Trash;
use crate::table::hash::{KeyHash, KeyHasher};
use crate::table::scan::Walk;
use crate::table::{Place, Spot, Table, TableStats};
use crate::value::{PrefetchStage, Typed};

/// One database, for reading.
#[derive(Debug)]
pub struct Db {
    pub(super) items: Table<Entry, Volatile>,
    pub(super) entry_bytes: usize,
    volatile: VolatileKeys,
    /// Number of hashes with fields that expire.
    volatile_hashes: usize,
    pub(super) due: Due,
    pub(super) slots: Option<SlotCounts>,
    /// The number it had when the running snapshot began.
    pub(super) origin: DbIndex,
    /// How far the running snapshot (or the clean-up after one) has come.
    pub(super) walk: Walk,
    /// Where small collections are changed.
    desk: Desk,
}

/// What all databases share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) hasher: KeyHasher,
    pub(super) access: AccessRule,
    /// The snapshot colour new entries are born with; all others have still to be saved.
    pub(super) colour: u8,
    pub(super) snapshot: Option<Box<Snapshot>>,
    /// Large values that were removed.
    pub(super) trash: Trash,
}

/// Which access bits a written key gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessRule {
    /// Every written key gets these (a clock).
    Always(u32),
    /// A new key gets these, an overwritten one keeps its own (a counter).
    New(u32),
}

/// One database, for writing; reads through to [`Db`].
#[derive(Debug)]
pub struct DbMut<'a> {
    pub(super) db: &'a mut Db,
    pub(super) shared: &'a mut Shared,
}

impl Db {
    pub(super) fn new(origin: DbIndex, slots: Option<SlotCounts>) -> Self {
        Self {
            items: Table::new(),
            entry_bytes: 0,
            volatile: VolatileKeys::default(),
            volatile_hashes: 0,
            due: Due::default(),
            slots,
            origin,
            walk: Walk::default(),
            desk: Desk::default(),
        }
    }

    /// First stage of a batch of lookups: asks for the memory that finds the key's bucket.
    ///
    /// Run it for all keys of a batch, then [`Db::prefetch_entry`] for all, then the commands; each stage overlaps
    /// the loads of the whole batch.
    #[inline]
    pub fn prefetch_group(&self, hash: KeyHash) {
        if let Some(addresses) = self.items.probe_addresses(hash) {
            addresses.into_iter().for_each(prefetch);
        }
    }

    /// Second stage of a batch of lookups: asks for the memory of the entry that most likely has the key.
    #[inline]
    pub fn prefetch_entry(&self, hash: KeyHash) {
        if let Some(entry) = self.items.first_candidate(hash) {
            prefetch(entry.address());
            prefetch(entry.address() + CACHE_LINE_BYTES);
        }
    }

    /// Third stage of a batch of lookups, for commands on collections: asks for the memory in which the collection
    /// of the key finds an element.
    #[inline]
    pub fn prefetch_element(&self, hash: KeyHash, element: &[u8], stage: PrefetchStage) {
        if let Some(collection) = self.items.first_candidate(hash).and_then(|entry| entry.value().view()) {
            collection.prefetch(element, stage);
        }
    }

    /// The entry of a key, past its expiry or not.
    #[inline]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<&Entry> {
        self.items.find(hash, |entry| same_key(entry.key(), key))
    }

    /// Number of keys, those past their expiry included.
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no key.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Number of keys with an expiry.
    pub const fn volatile_len(&self) -> usize {
        self.volatile.count
    }

    /// Milliseconds that keys with an expiry have left on average; 0 without such keys, or when most are past theirs.
    pub fn average_ttl(&self, now: UnixMillis) -> i64 {
        self.volatile.average_ttl(now)
    }

    /// Number of hashes with fields that expire.
    pub const fn volatile_hashes_len(&self) -> usize {
        self.volatile_hashes
    }

    /// Continues a scan at `cursor` (0 begins one); returns the next cursor, 0 at the end.
    ///
    /// Visits about `count` keys. A key that is there from the first call to the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(&Entry)) -> u64 {
        self.items.scan(cursor, count, visit)
    }

    /// All entries, in an order that depends only on the seed and on the writes so far.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.items.iter()
    }

    /// Bytes of memory used by keys, values and the table.
    pub fn memory(&self) -> usize {
        self.entry_bytes + self.items.bytes()
    }

    /// Figures about the table's shape (`DEBUG HTSTATS`).
    pub fn stats(&self) -> TableStats {
        self.items.stats()
    }

    fn spot(&self, hash: KeyHash, key: &[u8]) -> Option<Spot> {
        self.items.find_spot(hash, |entry| entry.key() == key)
    }

    fn edit(&mut self, spot: Spot) -> Option<EntryMut<'_>> {
        let (entry, summary) = self.items.at_with_summary(spot)?;
        Some(EntryMut {
            before: Before::of(entry),
            entry,
            summary,
            place: spot.place,
            entry_bytes: &mut self.entry_bytes,
            volatile: &mut self.volatile,
            volatile_hashes: &mut self.volatile_hashes,
            due: &mut self.due,
            desk: &mut self.desk,
        })
    }
}

impl Deref for DbMut<'_> {
    type Target = Db;

    fn deref(&self) -> &Db {
        self.db
    }
}

impl<'a> DbMut<'a> {
    /// The entry of a key, to change. Takes over the accounting when it is dropped.
    pub fn find_mut(self, hash: KeyHash, key: &[u8]) -> Option<EntryMut<'a>> {
        let spot = self.db.spot(hash, key)?;
        self.into_edit(spot)
    }

    /// The entry at a spot, to change.
    pub(super) fn into_edit(self, spot: Spot) -> Option<EntryMut<'a>> {
        let origin = self.db.origin;
        let edit = self.db.edit(spot)?;
        self.shared.protect(origin, &edit);
        Some(edit)
    }

    /// Stores a value under a key. Returns whether the key was there.
    ///
    /// A short string costs one allocation, none when it replaces one of the same length.
    pub fn set(&mut self, hash: KeyHash, key: &[u8], value: NewValue<'_>, expiry: Expiry) -> bool {
        let Some(spot) = self.db.spot(hash, key) else {
            let expiry = if let Expiry::At(at) = expiry { Some(at) } else { None };
            self.add(hash, Entry::new(key, value, Birth { expiry, ..self.birth() }));
            return false;
        };
        self.overwrite(spot, value, expiry);
        true
    }

    /// Stores a value under a key that is not in the database; the table is not searched.
    ///
    /// # Panics
    /// In debug builds, when the key is there.
    pub fn set_new(&mut self, hash: KeyHash, key: &[u8], value: NewValue<'_>) {
        debug_assert!(self.find(hash, key).is_none(), "the caller looked for the key");
        self.add(hash, Entry::new(key, value, self.birth()));
    }

    /// Stores a value under a key and returns the entry that was there.
    pub fn exchange(&mut self, hash: KeyHash, key: &[u8], value: NewValue<'_>, expiry: Expiry) -> Option<Entry> {
        let before = self.remove(hash, key);
        let expiry = match expiry {
            Expiry::At(at) => Some(at),
            Expiry::Keep => before.as_ref().and_then(Entry::expiry),
            Expiry::Never => None,
        };
        let mut birth = Birth { expiry, ..self.birth() };
        if let (AccessRule::New(_), Some(before)) = (self.shared.access, &before) {
            birth.access = before.access();
        }
        self.add(hash, Entry::new(key, value, birth));
        before
    }

    /// Removes a key; what would take long to free is freed later, in pieces. Returns whether it was there.
    pub fn discard(&mut self, hash: KeyHash, key: &[u8]) -> bool {
        let Some(entry) = self.remove(hash, key) else { return false };
        self.shared.trash.take(entry);
        true
    }

    /// Takes the entry of a key out of the database. Whoever drops it frees all of it: see [`Self::discard`].
    pub fn remove(&mut self, hash: KeyHash, key: &[u8]) -> Option<Entry> {
        let spot = self.db.spot(hash, key)?;
        let entry = self.take_spot(spot)?;
        self.shrink(spot.place);
        Some(entry)
    }

    /// Puts an entry that was removed somewhere (RENAME, MOVE) under a key that is not in the database.
    ///
    /// # Panics
    /// In debug builds, when the key is there.
    pub fn put(&mut self, hash: KeyHash, key: &[u8], mut entry: Entry) {
        debug_assert!(self.find(hash, key).is_none(), "the key was removed first");
        if entry.key() != key {
            entry.rename(key);
        }
        self.add(hash, entry);
    }

    /// Sets (or removes) the expiry of a key; false when there is no such key.
    pub fn set_expiry(&mut self, hash: KeyHash, key: &[u8], expiry: Option<UnixMillis>) -> bool {
        let Some(mut entry) = self.reborrow().find_mut(hash, key) else { return false };
        entry.set_expiry(expiry);
        true
    }

    /// The same database for a shorter time.
    pub fn reborrow(&mut self) -> DbMut<'_> {
        DbMut { db: self.db, shared: self.shared }
    }

    /// Takes an entry and leaves the buckets of all others as they are.
    pub(super) fn take_spot(&mut self, spot: Spot) -> Option<Entry> {
        self.shared.protect(self.db.origin, self.db.items.at(spot)?);
        let entry = self.db.items.take(spot)?;
        self.db.entry_bytes -= entry.memory_usage();
        self.db.volatile.change(entry.expiry(), None);
        self.db.volatile_hashes -= usize::from(entry.has_volatile_fields());
        if let Some(slots) = &mut self.db.slots {
            slots.remove(self.shared.hasher.hash(entry.key()));
        }
        Some(entry)
    }

    pub(super) fn shrink(&mut self, place: Place) {
        let hasher = &self.shared.hasher;
        self.db.items.shrink(place, |entry| hasher.hash(entry.key()));
    }

    fn overwrite(&mut self, spot: Spot, value: NewValue<'_>, expiry: Expiry) {
        let birth = self.birth();
        let origin = self.db.origin;
        let Some(edit) = self.db.edit(spot) else { return };
        self.shared.protect(origin, &edit);
        let expiry = match expiry {
            Expiry::At(at) => Some(at),
            Expiry::Keep => edit.expiry(),
            Expiry::Never => None,
        };
        let access = if let AccessRule::Always(access) = self.shared.access { access } else { edit.access() };
        let mut edit = edit;
        if let Some(object) = edit.object_mut() {
            self.shared.trash.take_object(object);
        }
        edit.entry.replace(value, Birth { expiry, access, ..birth });
    }

    fn add(&mut self, hash: KeyHash, entry: Entry) {
        entry.paint(self.shared.colour);
        let db = &mut *self.db;
        db.entry_bytes += entry.memory_usage();
        db.volatile.change(None, entry.expiry());
        db.volatile_hashes += usize::from(entry.has_volatile_fields());
        if let Some(slots) = &mut db.slots {
            slots.add(hash);
        }
        let is_ever_due = entry.next_due().is_some();
        let hasher = &self.shared.hasher;
        let inserted = db.items.insert(hash, entry, |entry| hasher.hash(entry.key()));
        if is_ever_due {
            let place = inserted.spot.place;
            db.due.note(place, db.items.summary(place).earliest);
        }
        for place in inserted.grown.flat_map(Table::<Entry, Volatile>::places_of) {
            db.due.note(place, db.items.summary(place).earliest);
        }
    }

    fn birth(&self) -> Birth {
        let (AccessRule::Always(access) | AccessRule::New(access)) = self.shared.access;
        Birth { expiry: None, access, colour: self.shared.colour }
    }
}

/// One entry, to change in place; reads through to [`Entry`].
#[derive(Debug)]
pub struct EntryMut<'a> {
    entry: &'a mut Entry,
    summary: &'a mut Volatile,
    place: Place,
    entry_bytes: &'a mut usize,
    volatile: &'a mut VolatileKeys,
    volatile_hashes: &'a mut usize,
    due: &'a mut Due,
    desk: &'a mut Desk,
    before: Before,
}

/// What is kept about an entry elsewhere, as it was before a change.
#[derive(Debug)]
struct Before {
    bytes: usize,
    expiry: Option<UnixMillis>,
    has_volatile_fields: bool,
    next_due: Option<UnixMillis>,
}

impl Before {
    #[inline]
    fn of(entry: &Entry) -> Self {
        Self {
            bytes: entry.memory_usage(),
            expiry: entry.expiry(),
            has_volatile_fields: entry.has_volatile_fields(),
            next_due: entry.next_due(),
        }
    }
}

impl EntryMut<'_> {
    /// Changes an integer without an allocation, or stores one in place of another value.
    pub fn set_int(&mut self, number: i64) {
        match self.entry.int_mut() {
            Some(held) => *held = number,
            None => self.set_value(NewValue::Int(number)),
        }
    }

    /// Stores another value; expiry and access bits stay.
    pub fn set_value(&mut self, value: NewValue<'_>) {
        let birth = Birth { expiry: self.expiry(), access: self.access(), colour: self.colour() };
        self.entry.replace(value, birth);
    }

    /// Appends to a string of any form; false, and nothing changed, for other types.
    ///
    /// Amortised: a string that grows past 256 bytes moves into a buffer that doubles.
    pub fn append(&mut self, more: &[u8]) -> bool {
        self.entry.append(more)
    }

    /// Edits the bytes of a string of any form, after filling up with zeros to `len_min`; nothing for other types.
    ///
    /// Bytes that a reply or a snapshot still shares are copied first.
    pub fn edit_bytes<R>(&mut self, len_min: usize, edit: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        self.entry.edit_bytes(len_min, edit)
    }

    /// A value outside the entry, to change; for a collection see [`Self::edit_typed`].
    pub(super) fn object_mut(&mut self) -> Option<&mut Object> {
        self.entry.object_mut()
    }

    /// Lends a collection to `edit`, wherever it lies; nothing for a value of another type.
    ///
    /// A small one comes out of the entry for that time, and back as long as it is small.
    #[inline]
    pub fn edit_typed<T: Typed, R>(&mut self, edit: impl FnOnce(&mut T) -> R) -> Option<R> {
        if let Some(object) = self.entry.object_mut() {
            let result = edit(T::of_mut(object)?);
            self.entry.pack();
            return Some(result);
        }
        self.entry.edit_packed(self.desk, edit)
    }

    /// Sets or removes the expiry.
    pub fn set_expiry(&mut self, expiry: Option<UnixMillis>) {
        self.entry.set_expiry(expiry);
    }
}

impl Deref for EntryMut<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
}

impl Drop for EntryMut<'_> {
    fn drop(&mut self) {
        let (before, after) = (&self.before, Before::of(self.entry));
        *self.entry_bytes = *self.entry_bytes + after.bytes - before.bytes;
        if after.expiry != before.expiry {
            let (is, was) = (after.expiry.is_some(), before.expiry.is_some());
            self.summary.count = self.summary.count + u32::from(is) - u32::from(was);
            self.volatile.change(before.expiry, after.expiry);
        }
        let (has, had) = (after.has_volatile_fields, before.has_volatile_fields);
        *self.volatile_hashes = *self.volatile_hashes + usize::from(has) - usize::from(had);
        if after.next_due != before.next_due
            && let Some(due) = after.next_due
        {
            self.summary.earliest.lower(due);
            self.due.note(self.place, self.summary.earliest);
        }
    }
}

/// Bytes the processor loads at once.
const CACHE_LINE_BYTES: usize = 64;

/// Whether two keys are the same. For keys of usual lengths this takes less than a call into the C library.
#[inline]
fn same_key(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if !SHORT_KEY_BYTES.contains(&a.len()) {
        return a == b;
    }
    let (words_a, words_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    // Word by word, since slices would be handed to that call. The last one overlaps when the length is no multiple.
    words_a.iter().eq(words_b) && a.last_chunk::<8>() == b.last_chunk::<8>()
}

/// Lengths of keys that are compared word by word.
const SHORT_KEY_BYTES: RangeInclusive<usize> = 8..=32;

#[cfg(test)]
mod tests {
    use super::same_key;

    #[test]
    fn keys_are_the_same_only_when_every_byte_is() {
        for len in 0..80 {
            let key = vec![b'k'; len];
            assert!(same_key(&key, &key.clone()), "{len}");
            assert!(!same_key(&key, &vec![b'k'; len + 1]), "{len}");
            for place in 0..len {
                let mut other = key.clone();
                other[place] ^= 1;
                assert!(!same_key(&key, &other), "byte {place} of {len}");
            }
        }
    }
}
