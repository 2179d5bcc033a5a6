//! Work that time asks for, in bounded slices: expiry, and giving back the memory of flushed databases.

use crate::Engine;
use crate::keyspace::{DbIndex, EXPIRE_SLICE_KEYS_MAX, Entry, MAINTAIN_ENTRIES_MAX};
use crate::slot::Slot;
use crate::time::{Instant, Now};

impl Engine {
    /// Does one slice of what is due. Returns when to call again; nothing when no work is in sight.
    pub fn tick(&mut self, now: Now) -> Option<Instant> {
        let freeing = self.core_mut().keyspace.maintain(MAINTAIN_ENTRIES_MAX);
        let expiring = self.expire_slice(now);
        if freeing || expiring {
            return Some(now.instant);
        }
        let core = self.core();
        if core.is_replica || core.is_loading || !core.active_expire {
            return None;
        }
        let wait_ms = core.keyspace.next_expiry()?.0.saturating_sub(now.unix.millis()).max(0);
        // A key that is about to expire waits for its neighbours: a slice per key would cost more than the key.
        Some(now.instant.plus_millis((wait_ms as u64).max(EXPIRE_PAUSE_MS)))
    }

    /// Removes some keys whose time has come. Returns whether more are due.
    fn expire_slice(&mut self, now: Now) -> bool {
        let core = self.core_mut();
        if core.is_replica || core.is_loading || !core.active_expire {
            return false;
        }
        let mut gone: Vec<(DbIndex, Entry)> = Vec::new();
        let slice = core.keyspace.expire_slice(now.unix.into(), EXPIRE_SLICE_KEYS_MAX, |db, entry| {
            gone.push((db, entry));
        });
        for (db, entry) in gone {
            core.stats.expired_keys += 1;
            core.after_expiry(db, entry.key());
        }
        if core.pubsub.has_deliveries() {
            self.deliver();
        }
        slice.more
    }

    /// Whether a command that needs memory may run.
    pub fn has_room(&mut self, _: Now) -> bool {
        let core = self.core();
        let limit = core.config.maxmemory;
        limit == 0 || (core.keyspace.memory().total() as u64) <= limit
    }

    /// Removes the keys of a slot that another node serves now; the log hears of each.
    pub fn delete_slot(&mut self, slot: Slot) {
        let core = self.core_mut();
        let mut keys: Vec<Vec<u8>> = Vec::new();
        core.keyspace.slot_keys(DbIndex(0), slot, usize::MAX, |entry| keys.push(entry.key().to_vec()));
        for key in keys {
            let hash = core.keyspace.hash(&key);
            core.keyspace.db_mut(DbIndex(0)).remove(hash, &key);
            core.changes.push_alone(DbIndex(0), [&b"DEL"[..], &key].into_iter());
            core.changes.count(1);
            core.watch.touch(DbIndex(0), &key);
        }
    }

    /// Empties all databases without telling the log: the dataset of a former replica.
    pub fn flush_all(&mut self) {
        let core = self.core_mut();
        core.watch.touch_all();
        core.keyspace.flush_all();
    }
}

/// Shortest pause between two slices of expiry, in milliseconds.
const EXPIRE_PAUSE_MS: u64 = 1;
