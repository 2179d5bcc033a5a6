//! All databases of a node.
//!
//! Lives here: keys and their values, expiry, scanning, snapshots, memory figures. What does not: commands and
//! their errors, replication of what happens, the meaning of the access bits. A key is hashed once
//! ([`Keyspace::hash`]) and then named by its [`KeyHash`]; start at [`Keyspace`], [`Db`] for reading, [`DbMut`] for
//! writing and [`Entry`] for what is found.

mod db;
mod entry;
mod expire;
mod memory;
mod object;
mod packed;
mod sample;
mod slots;
mod snapshot;
mod trash;

use std::collections::VecDeque;

pub use db::{AccessRule, Db, DbMut, EntryMut};
pub use entry::Entry;
pub(crate) use entry::{prefetch as prefetch_address, prefetch_entry};
pub use expire::{EXPIRE_SLICE_KEYS_MAX, ExpireSlice, Expiry, Gone, UnixMillis};
pub(crate) use expire::{Earliest, Volatile};
pub use memory::{KeyspaceMemory, MAINTAIN_ENTRIES_MAX};
pub use object::{INLINE_BYTES_MAX, LongString, NewValue, Object, StringEncoding, ValueRef};
pub use packed::{Packed, PackedKind};
pub use sample::SampleFrom;
pub use snapshot::{ChunkQueue, SnapshotEncoder, SnapshotRefusal};

use crate::rng::Rng;
use crate::table::hash::KeyHasher;
pub use crate::table::hash::{KeyHash, Partitioning};

/// The number of a database, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DbIndex(pub u32);

/// All databases.
#[derive(Debug)]
pub struct Keyspace {
    dbs: Vec<Db>,
    shared: db::Shared,
    /// Snapshot colours that some entry may have, as bits.
    colours: u8,
    /// Flushed tables that are being freed.
    detached: VecDeque<memory::Detached>,
    /// The database the next slice of active expiry begins with.
    expire_turn: u32,
}

impl Keyspace {
    /// A keyspace with that many empty databases.
    pub fn new(databases: u32, partitioning: Partitioning, rng: &mut Rng) -> Self {
        Self::with_hasher(databases, KeyHasher::new(partitioning, rng))
    }

    /// An empty keyspace in which every key has the same hash as here: hashes computed before stay right when it
    /// takes this one's place.
    pub fn empty_beside(&self) -> Self {
        Self::with_hasher(self.databases(), self.shared.hasher.clone())
    }

    fn with_hasher(databases: u32, hasher: KeyHasher) -> Self {
        let partitioning = hasher.partitioning();
        let new_db = |index| Db::new(DbIndex(index), slots::SlotCounts::new(partitioning));
        Self {
            dbs: (0..databases).map(new_db).collect(),
            shared: db::Shared {
                hasher,
                access: AccessRule::Always(0),
                colour: 0,
                snapshot: None,
                trash: trash::Trash::default(),
            },
            colours: 1,
            detached: VecDeque::new(),
            expire_turn: 0,
        }
    }

    /// Hashes a key: once for each key of a command.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        self.shared.hasher.hash(key)
    }

    /// The hash function for tables inside values.
    pub fn value_hasher(&self) -> KeyHasher {
        self.shared.hasher.for_values()
    }

    /// How keys are spread over the tables.
    pub const fn partitioning(&self) -> Partitioning {
        self.shared.hasher.partitioning()
    }

    /// Number of databases.
    pub const fn databases(&self) -> u32 {
        self.dbs.len() as u32
    }

    /// A database, for reading.
    ///
    /// # Panics
    /// When there is no database with that number; `SELECT` checks it.
    #[inline]
    pub fn db(&self, index: DbIndex) -> &Db {
        &self.dbs[index.0 as usize]
    }

    /// A database, for writing.
    ///
    /// # Panics
    /// When there is no database with that number; `SELECT` checks it.
    #[inline]
    pub fn db_mut(&mut self, index: DbIndex) -> DbMut<'_> {
        DbMut { db: &mut self.dbs[index.0 as usize], shared: &mut self.shared }
    }

    /// Exchanges two databases.
    ///
    /// # Panics
    /// When there is no database with one of the numbers.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        self.dbs.swap(a.0 as usize, b.0 as usize);
    }

    /// Drops an entry that was removed; what would take long to free is freed in pieces by
    /// [`Keyspace::maintain`].
    pub fn discard(&mut self, entry: Entry) {
        self.shared.trash.take(entry);
    }

    /// As [`Keyspace::discard`], for what was removed from a value that stays.
    pub fn discard_object(&mut self, mut object: Object) {
        self.shared.trash.take_object(&mut object);
    }

    /// Sets which access bits written keys get from now on.
    pub fn set_access_rule(&mut self, rule: AccessRule) {
        self.shared.access = rule;
    }

    fn dbs(&self) -> &[Db] {
        &self.dbs
    }
}

#[cfg(test)]
mod tests;
