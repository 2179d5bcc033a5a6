//! Watched keys: the optimistic half of transactions.
//!
//! A session that watches a key fails its next EXEC when the key is touched in between. Touching a key nobody
//! watches costs one comparison.

use std::collections::{BTreeMap, BTreeSet};

use crate::keyspace::DbIndex;
use crate::session::SessionId;

/// Who watches which key, and whose watch is broken.
#[derive(Debug, Default)]
pub struct Watch {
    keys: BTreeMap<(DbIndex, Box<[u8]>), Vec<Watcher>>,
    broken: BTreeSet<SessionId>,
}

#[derive(Debug, Clone, Copy)]
struct Watcher {
    id: SessionId,
    /// The key had expired already when the watch began: its removal changes nothing then.
    was_expired: bool,
}

impl Watch {
    /// Begins a watch. Returns whether it is new.
    pub(crate) fn add(&mut self, id: SessionId, db: DbIndex, key: &[u8], was_expired: bool) -> bool {
        let watchers = self.keys.entry((db, key.into())).or_default();
        if watchers.iter().any(|watcher| watcher.id == id) {
            return false;
        }
        watchers.push(Watcher { id, was_expired });
        true
    }

    /// Ends all watches of a session and forgets whether they are broken.
    pub(crate) fn remove(&mut self, id: SessionId) {
        self.keys.retain(|_, watchers| {
            watchers.retain(|watcher| watcher.id != id);
            !watchers.is_empty()
        });
        self.broken.remove(&id);
    }

    /// Notes that a key changed.
    pub(crate) fn touch(&mut self, db: DbIndex, key: &[u8]) {
        if self.keys.is_empty() {
            return;
        }
        if let Some(watchers) = self.keys.get(&(db, key.into())) {
            self.broken.extend(watchers.iter().map(|watcher| watcher.id));
        }
    }

    /// Notes that a key is gone because its time had come; that breaks only watches begun before.
    pub(crate) fn touch_expired(&mut self, db: DbIndex, key: &[u8]) {
        if let Some(watchers) = self.keys.get(&(db, key.into())) {
            self.broken.extend(watchers.iter().filter(|watcher| !watcher.was_expired).map(|watcher| watcher.id));
        }
    }

    /// Notes that databases changed as a whole (FLUSHALL, SWAPDB, a full sync): `changed` tells of each watched key
    /// whether it did.
    pub(crate) fn touch_where(&mut self, mut changed: impl FnMut(DbIndex, &[u8]) -> bool) {
        for ((db, key), watchers) in &self.keys {
            if changed(*db, key) {
                self.broken.extend(watchers.iter().map(|watcher| watcher.id));
            }
        }
    }

    /// Notes that the whole dataset was exchanged.
    pub(crate) fn touch_all(&mut self) {
        self.touch_where(|_, _| true);
    }

    /// Whether a watched key of the session was touched.
    pub(crate) fn is_broken(&self, id: SessionId) -> bool {
        self.broken.contains(&id)
    }

    /// Every watched key of a session, with whether it had expired when the watch began.
    pub(crate) fn of(&self, id: SessionId) -> impl Iterator<Item = (DbIndex, &[u8], bool)> {
        self.keys.iter().flat_map(move |((db, key), watchers)| {
            let own = watchers.iter().find(|watcher| watcher.id == id);
            own.map(|watcher| (*db, &key[..], watcher.was_expired))
        })
    }

    /// Number of sessions that watch anything (`watching_clients`).
    pub fn sessions(&self) -> usize {
        let ids: BTreeSet<SessionId> = self.keys.values().flatten().map(|watcher| watcher.id).collect();
        ids.len()
    }

    /// Number of keys watched (`total_watched_keys`).
    pub fn keys(&self) -> usize {
        self.keys.len()
    }
}
