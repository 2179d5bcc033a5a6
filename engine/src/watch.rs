//! Watched keys: the optimistic half of transactions.
//!
//! A session that watches a key fails its next EXEC when the key is touched in between. Touching a key nobody
//! watches costs one comparison; a session that ends its watches pays for its own keys and for nobody else's.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::keyspace::DbIndex;
use crate::session::SessionId;

/// Who watches which key, and whose watch is broken.
#[derive(Debug, Default)]
pub struct Watch {
    /// By database first, so that a key is found without a copy of it.
    keys: BTreeMap<DbIndex, BTreeMap<Bytes, Watchers>>,
    /// What each session watches, each key once.
    own: BTreeMap<SessionId, Vec<(DbIndex, Bytes)>>,
    broken: BTreeSet<SessionId>,
    lost: Lost,
}

/// Keys that somebody may wait for to go, touched since the last look.
#[derive(Debug, Default)]
struct Lost {
    /// Whether anybody waits so; nothing is kept otherwise.
    is_asked: bool,
    keys: Vec<(DbIndex, Bytes)>,
    /// More than could be kept one by one.
    all: bool,
}

impl Lost {
    #[inline]
    fn note(&mut self, db: DbIndex, key: &[u8]) {
        if self.is_asked {
            self.keep(db, key);
        }
    }

    #[cold]
    fn keep(&mut self, db: DbIndex, key: &[u8]) {
        if self.keys.len() == LOST_KEYS_MAX {
            self.all = true;
            self.keys.clear();
        }
        if !self.all {
            self.keys.push((db, Bytes::copy_from_slice(key)));
        }
    }
}

/// The sessions that watch a key, and whether the key had expired already when the watch began: its removal changes
/// nothing then.
type Watchers = BTreeMap<SessionId, bool>;

impl Watch {
    /// Begins a watch. Returns whether it is new.
    pub(crate) fn add(&mut self, id: SessionId, db: DbIndex, key: &[u8], was_expired: bool) -> bool {
        let keys = self.keys.entry(db).or_default();
        let key = match keys.get_key_value(key) {
            Some((_, watchers)) if watchers.contains_key(&id) => return false,
            Some((key, _)) => key.clone(),
            None => Bytes::copy_from_slice(key),
        };
        keys.entry(key.clone()).or_default().insert(id, was_expired);
        self.own.entry(id).or_default().push((db, key));
        true
    }

    /// Ends all watches of a session and forgets whether they are broken.
    pub(crate) fn remove(&mut self, id: SessionId) {
        for (db, key) in self.own.remove(&id).unwrap_or_default() {
            let Some(keys) = self.keys.get_mut(&db) else { continue };
            let Some(watchers) = keys.get_mut(&key) else { continue };
            watchers.remove(&id);
            if watchers.is_empty() {
                keys.remove(&key);
            }
            if keys.is_empty() {
                self.keys.remove(&db);
            }
        }
        self.broken.remove(&id);
    }

    /// Notes that a key changed.
    pub(crate) fn touch(&mut self, db: DbIndex, key: &[u8]) {
        self.lost.note(db, key);
        if let Some(watchers) = self.keys.get(&db).and_then(|keys| keys.get(key)) {
            self.broken.extend(watchers.keys());
        }
    }

    /// Notes that a key is gone because its time had come; that breaks only watches begun before.
    pub(crate) fn touch_expired(&mut self, db: DbIndex, key: &[u8]) {
        self.lost.note(db, key);
        let Some(watchers) = self.keys.get(&db).and_then(|keys| keys.get(key)) else { return };
        self.broken.extend(watchers.iter().filter(|(_, was_expired)| !**was_expired).map(|(id, _)| id));
    }

    /// Notes that databases changed as a whole (FLUSHALL, SWAPDB, a full sync): `changed` tells of each watched key
    /// whether it did.
    pub(crate) fn touch_where(&mut self, mut changed: impl FnMut(DbIndex, &[u8]) -> bool) {
        self.lost.all = self.lost.is_asked;
        for (db, keys) in &self.keys {
            for (key, watchers) in keys {
                if changed(*db, key) {
                    self.broken.extend(watchers.keys());
                }
            }
        }
    }

    /// Notes that the whole dataset was exchanged.
    pub(crate) fn touch_all(&mut self) {
        self.lost.all = self.lost.is_asked;
        self.broken.extend(self.own.keys());
    }

    /// Begins or ends to keep what is touched, for those who wait for keys and mind if one goes.
    pub(crate) fn keep_touched(&mut self, is_asked: bool) {
        self.lost.is_asked = is_asked;
    }

    /// Whether [`Watch::take_touched`] has any.
    #[inline]
    pub(crate) fn has_touched(&self) -> bool {
        self.lost.all || !self.lost.keys.is_empty()
    }

    /// The keys that were touched since the last time; nothing if it may be any.
    pub(crate) fn take_touched(&mut self) -> Option<Vec<(DbIndex, Bytes)>> {
        let keys = std::mem::take(&mut self.lost.keys);
        (!std::mem::take(&mut self.lost.all)).then_some(keys)
    }

    /// Whether a watched key of the session was touched.
    pub(crate) fn is_broken(&self, id: SessionId) -> bool {
        self.broken.contains(&id)
    }

    /// Every watched key of a session, with whether it had expired when the watch began.
    pub(crate) fn of(&self, id: SessionId) -> impl Iterator<Item = (DbIndex, &[u8], bool)> {
        let own = self.own.get(&id).into_iter().flatten();
        own.filter_map(move |(db, key)| Some((*db, &key[..], *self.watchers(*db, key)?.get(&id)?)))
    }

    /// Number of sessions that watch anything (`watching_clients`).
    pub fn sessions(&self) -> usize {
        self.own.len()
    }

    /// Number of keys watched (`total_watched_keys`).
    pub fn keys(&self) -> usize {
        self.keys.values().map(BTreeMap::len).sum()
    }

    fn watchers(&self, db: DbIndex, key: &[u8]) -> Option<&Watchers> {
        self.keys.get(&db)?.get(key)
    }
}

/// Touched keys that are kept one by one until somebody asks: those of a long transaction.
const LOST_KEYS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::keyspace::DbIndex;
    use crate::session::SessionId;

    fn session(number: u32) -> SessionId {
        SessionId { index: number, client_id: u64::from(number) }
    }

    #[test]
    fn a_touch_breaks_the_watches_of_that_key_in_that_database() {
        let mut watch = Watch::default();
        assert!(watch.add(session(1), DbIndex(0), b"a", false));
        assert!(!watch.add(session(1), DbIndex(0), b"a", false));
        assert!(watch.add(session(2), DbIndex(1), b"a", false));

        watch.touch(DbIndex(0), b"b");
        watch.touch(DbIndex(1), b"a");

        assert!(!watch.is_broken(session(1)));
        assert!(watch.is_broken(session(2)));
        watch.remove(session(2));
        assert!(!watch.is_broken(session(2)));
        assert_eq!((watch.sessions(), watch.keys()), (1, 1));
    }

    #[test]
    fn a_key_that_had_expired_before_the_watch_may_go() {
        let mut watch = Watch::default();
        watch.add(session(1), DbIndex(0), b"a", true);
        watch.add(session(2), DbIndex(0), b"a", false);

        watch.touch_expired(DbIndex(0), b"a");

        assert!(!watch.is_broken(session(1)));
        assert!(watch.is_broken(session(2)));
        assert_eq!(watch.of(session(1)).collect::<Vec<_>>(), [(DbIndex(0), &b"a"[..], true)]);
    }

    /// A removal that looked at every watched key would take ten thousand million steps here.
    #[test]
    fn ending_a_watch_costs_the_sessions_own_keys_only() {
        let mut watch = Watch::default();
        for number in 0..100_000_u32 {
            watch.add(session(number), DbIndex(0), &number.to_be_bytes(), false);
        }

        for number in 0..100_000 {
            watch.remove(session(number));
        }

        assert_eq!((watch.sessions(), watch.keys()), (0, 0));
    }
}
