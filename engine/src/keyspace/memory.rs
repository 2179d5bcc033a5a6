//! What the keyspace weighs, and how it gives weight back.
//!
//! Flushing detaches whole tables in one stroke; [`Keyspace::maintain`] frees them in bounded slices. Start there.

use std::collections::VecDeque;

use super::db::Db;
use super::entry::Entry;
use super::expire::Volatile;
use super::slots::SlotCounts;
use super::snapshot::STEP_BUCKETS;
use super::trash::Trash;
use super::{DbIndex, Keyspace};
use crate::table::Table;

/// A table that no command sees any more.
#[derive(Debug)]
pub(super) struct Detached {
    pub(super) items: Table<Entry, Volatile>,
    entry_bytes: usize,
}

/// Bytes of memory a keyspace uses, by purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyspaceMemory {
    /// Keys and values, as the allocator rounds them.
    pub entries: usize,
    /// The tables that find them.
    pub tables: usize,
    /// Flushed tables that a snapshot still reads or that are not freed yet, and removed values of which the same
    /// is true.
    pub detached: usize,
    /// Output of a running snapshot that waits to be pulled.
    pub snapshot: usize,
}

impl KeyspaceMemory {
    /// All of it.
    pub const fn total(self) -> usize {
        self.entries + self.tables + self.detached + self.snapshot
    }
}

impl Keyspace {
    /// Bytes of memory in use. Costs a few loads for each database.
    pub fn memory(&self) -> KeyspaceMemory {
        let custody = self.shared.snapshot.iter().flat_map(|snapshot| snapshot.custody.iter().map(|held| &held.2));
        KeyspaceMemory {
            entries: self.dbs.iter().map(|db| db.entry_bytes).sum(),
            tables: self.dbs.iter().map(|db| db.items.bytes()).sum(),
            detached: self.detached.iter().chain(custody).map(Detached::bytes).sum::<usize>()
                + self.shared.trash.bytes(),
            snapshot: self.snapshot_ahead(),
        }
    }

    /// Number of removed keys and values that wait to be freed (`lazyfree_pending_objects`).
    pub fn pending_objects(&self) -> usize {
        let custody = self.shared.snapshot.iter().flat_map(|snapshot| snapshot.custody.iter().map(|held| &held.2));
        self.detached.iter().chain(custody).map(|table| table.items.len()).sum::<usize>() + self.shared.trash.len()
    }

    /// Number of removed keys and values that were freed later than they were removed (`lazyfreed_objects`).
    pub fn freed_objects(&self) -> u64 {
        self.shared.trash.freed()
    }

    /// Counts what is freed from 0 again (`CONFIG RESETSTAT`).
    pub fn reset_freed_objects(&mut self) {
        self.shared.trash.reset_freed();
    }

    /// Empties a database. Returns how many keys it had.
    ///
    /// The keys' memory is given back by [`Keyspace::maintain`], so this costs the same for any number of keys.
    pub fn flush(&mut self, db: DbIndex) -> usize {
        let fresh = Db::new(db, SlotCounts::new(self.partitioning()));
        let old = std::mem::replace(&mut self.dbs[db.0 as usize], fresh);
        let keys = old.len();
        if keys > 0 {
            let walk_done = old.walk.is_done();
            let table = Detached { items: old.items, entry_bytes: old.entry_bytes };
            match &mut self.shared.snapshot {
                Some(snapshot) if !walk_done => snapshot.custody.push_back((old.origin, old.walk, table)),
                _ => self.detached.push_back(table),
            }
        }
        keys
    }

    /// Empties all databases. Returns how many keys they had.
    pub fn flush_all(&mut self) -> usize {
        (0..self.databases()).map(|db| self.flush(DbIndex(db))).sum()
    }

    /// Takes another keyspace's databases in place of these. A running snapshot must have been given up.
    ///
    /// The old keys' memory is given back by [`Keyspace::maintain`].
    pub fn replace(&mut self, other: Self) {
        debug_assert!(!self.snapshot_running(), "the picture of the old data was given up first");
        self.flush_all();
        let mut detached = std::mem::take(&mut self.detached);
        let mut trash = std::mem::take(&mut self.shared.trash);
        *self = other;
        self.detached.append(&mut detached);
        self.shared.trash.append(&mut trash);
    }

    /// Does a bounded part of the work that was put off: frees flushed tables and large values, and cleans up
    /// after abandoned snapshots. Returns whether some is left.
    ///
    /// Looks at about `entries_max` entries (see [`MAINTAIN_ENTRIES_MAX`]), and at one group's more.
    pub fn maintain(&mut self, entries_max: usize) -> bool {
        let freed = self.shared.trash.free_some(entries_max);
        free_slice(&mut self.detached, &mut self.shared.trash, entries_max.saturating_sub(freed));
        self.repaint(entries_max / STEP_BUCKETS as usize + 1)
            || !self.detached.is_empty()
            || !self.shared.trash.is_empty()
    }
}

impl Detached {
    fn bytes(&self) -> usize {
        self.entry_bytes + self.items.bytes()
    }
}

fn free_slice(tables: &mut VecDeque<Detached>, trash: &mut Trash, entries_max: usize) {
    let (mut freed, large) = (0, trash.len());
    while freed < entries_max
        && let Some(table) = tables.front_mut()
    {
        let entry_bytes = &mut table.entry_bytes;
        let more = table.items.dismantle(entries_max - freed, |entry| {
            *entry_bytes -= entry.memory_usage();
            trash.take(entry);
            freed += 1;
        });
        if !more {
            tables.pop_front();
        }
    }
    // Large values went to the trash, which counts them.
    trash.note_freed((freed - (trash.len() - large)) as u64);
}

/// Entries one slice of clean-up should free before other work has its turn: about 0.4 ms.
pub const MAINTAIN_ENTRIES_MAX: usize = 2048;
