//! Emptying the dataset, or a slot of it, because somebody else decided so: a cluster, a full synchronisation.

use crate::Engine;
use crate::keyspace::DbIndex;
use crate::slot::Slot;

impl Engine {
    /// Removes the keys of a slot that another node serves now, in all databases; the log hears of each.
    pub fn delete_slot(&mut self, slot: Slot) {
        let core = self.core_mut();
        for db in (0..core.keyspace.databases()).map(DbIndex) {
            let mut keys: Vec<Vec<u8>> = Vec::new();
            core.keyspace.slot_keys(db, slot, usize::MAX, |entry| keys.push(entry.key().to_vec()));
            for key in keys {
                let hash = core.keyspace.hash(&key);
                core.keyspace.db_mut(db).discard(hash, &key);
                core.changes.begin_unit();
                core.changes.push(db, [&b"DEL"[..], &key].into_iter());
                core.changes.end_unit();
                core.changes.count(1);
                core.touch(db, &key);
            }
        }
        self.deliver();
    }

    /// Empties all databases without telling the log: the dataset of a former replica.
    pub fn flush_all(&mut self) {
        let core = self.core_mut();
        core.touch_all();
        core.keyspace.flush_all();
        self.deliver();
    }
}
