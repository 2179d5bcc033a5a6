//! Keys by hash slot, for cluster mode.
//!
//! Counting is a table of counters; listing walks only the groups that can hold the slot. Start at
//! [`Db::slot_len`].

use super::DbIndex;
use super::Keyspace;
use super::db::Db;
use super::entry::Entry;
use crate::slot::{SLOTS, Slot};
use crate::table::hash::{KeyHash, Partitioning, slot_position};
use crate::table::scan::Walk;

/// Number of keys in each slot.
#[derive(Debug)]
pub(super) struct SlotCounts(Box<[u32]>);

impl SlotCounts {
    pub(super) fn new(partitioning: Partitioning) -> Option<Self> {
        match partitioning {
            Partitioning::ByHash => None,
            Partitioning::BySlot => Some(Self(vec![0; usize::from(SLOTS)].into_boxed_slice())),
        }
    }

    pub(super) fn add(&mut self, hash: KeyHash) {
        self.0[usize::from(hash.partition())] += 1;
    }

    pub(super) fn remove(&mut self, hash: KeyHash) {
        self.0[usize::from(hash.partition())] -= 1;
    }
}

impl Db {
    /// Number of keys in a slot; 0 when the keyspace is not divided by slot.
    pub fn slot_len(&self, slot: Slot) -> usize {
        self.slots.as_ref().map_or(0, |counts| counts.0[slot.index()] as usize)
    }
}

impl Keyspace {
    /// Number of keys in a slot, in all databases; 0 when the keyspace is not divided by slot.
    pub fn slot_total(&self, slot: Slot) -> usize {
        (0..self.databases()).map(|db| self.db(DbIndex(db)).slot_len(slot)).sum()
    }

    /// Visits up to `keys_max` keys of a slot; none when the keyspace is not divided by slot.
    ///
    /// Walks the groups that can hold the slot: a few thousand entries, or the slot's own keys if it has more.
    pub fn slot_keys(&self, db: DbIndex, slot: Slot, keys_max: usize, mut visit: impl FnMut(&Entry)) {
        let db = self.db(db);
        let mut left = db.slot_len(slot).min(keys_max);
        let mut walk = Walk::from(slot_position(slot.number()));
        while left > 0 {
            let in_slot = walk.position() >> 50 <= u64::from(slot.number());
            let Some(step) = db.items.step(&mut walk, 64).filter(|_| in_slot) else { return };
            db.items.visit(&step, |entry| {
                if left > 0 && Slot::of_key(entry.key()) == slot {
                    visit(entry);
                    left -= 1;
                }
            });
        }
    }
}
