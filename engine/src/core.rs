//! What all sessions of an engine share.

use bytes::Bytes;

use crate::access;
use crate::blocked::Blocked;
use crate::changes::Changes;
use crate::command::Registry;
use crate::config::Config;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::debug::Switches;
use crate::evict::Pool;
use crate::keyspace::{DbIndex, Entry, EntryMut, Expiry, KeyHash, Keyspace, NewValue};
use crate::notify::{self, Event};
use crate::pubsub::PubSub;
use crate::rng::Rng;
use crate::session::Origin;
use crate::stats::Stats;
use crate::table::hash::KeyHasher;
use crate::time::Now;
use crate::tracking::Tracking;
use crate::value::Rules;
use crate::watch::Watch;

/// The engine without its sessions: what a running command may touch.
#[derive(Debug)]
pub struct Core {
    /// Whether FLUSHALL ran since the host looked last: a snapshot of what was before is worth nothing any more.
    pub all_flushed: bool,
    /// The commands.
    pub registry: Registry,
    /// All databases.
    pub keyspace: Keyspace,
    /// The options.
    pub config: Config,
    /// Who listens to what.
    pub pubsub: PubSub,
    /// Who watches what.
    pub watch: Watch,
    /// Who may have copies of what.
    pub tracking: Tracking,
    /// Who waits for what.
    pub blocked: Blocked,
    /// What the log must hear of.
    pub changes: Changes,
    /// Counters for INFO.
    pub stats: Stats,
    /// The engine's share of the one seed.
    pub rng: Rng,
    /// The hash function that values keep a copy of when they become tables.
    pub(crate) value_hasher: KeyHasher,
    /// Whether the dataset follows a primary: expired keys are then hidden, and only the primary removes them.
    pub is_replica: bool,
    /// Whether a pause holds changes back: keys whose time has come are hidden then and removed later, and nothing is
    /// evicted.
    pub is_paused: bool,
    /// Whether a dataset is being loaded: nothing expires then.
    pub is_loading: bool,
    /// Whether active expiry runs (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: bool,
    /// What else DEBUG has switched.
    pub debug: Switches,
    /// Messages for the cluster's other nodes.
    pub broadcasts: Vec<Broadcast>,
    /// Keys that eviction would remove next.
    pub(crate) evict_pool: Pool,
}

/// A message published here that the cluster's other nodes must hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// Only for the nodes of the channel's own slot.
    pub sharded: bool,
    /// The channel.
    pub channel: Bytes,
    /// The message.
    pub payload: Bytes,
}

/// Who looks, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    /// The time of the call.
    pub(crate) now: Now,
    /// Where the command comes from.
    pub(crate) origin: Origin,
}

/// A key with all that finds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'k> {
    /// The database.
    pub(crate) db: DbIndex,
    /// The key's hash.
    pub(crate) hash: KeyHash,
    /// The key.
    pub(crate) key: &'k [u8],
}

/// What a lookup does to the access bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Nothing.
    Leave,
    /// They say that the key was used now.
    Renew,
}

impl Core {
    /// What decides the form of values.
    pub const fn rules(&self) -> Rules<'_> {
        Rules { config: &self.config, hasher: &self.value_hasher }
    }

    /// Whether the node is one of a cluster that knows no numbers of databases, as all were before Valkey 9: it refuses
    /// them in their words.
    pub(crate) fn has_one_cluster_database(&self) -> bool {
        self.config.cluster_enabled && self.config.cluster_databases == 1
    }

    /// Whether the caller meets keys whose time has come as if it had not: a load does, and the primary's stream,
    /// since only the primary says when a key is gone.
    pub(crate) fn sees_expired(&self, caller: Caller) -> bool {
        self.is_loading || caller.origin != Origin::Client
    }

    /// Looks a key up to read it: one search of the table. Counts a hit or a miss.
    pub(crate) fn view<R>(
        &mut self,
        caller: Caller,
        at: At<'_>,
        touch: Touch,
        view: impl FnOnce(Option<&Entry>) -> R,
    ) -> R {
        let sees_expired = self.sees_expired(caller);
        match self.keyspace.db(at.db).find(at.hash, at.key) {
            Some(entry) if sees_expired || !is_past(entry, caller.now) => {
                self.stats.keyspace_hits += 1;
                if touch == Touch::Renew {
                    access::renew(entry, caller.now, &self.config, &mut self.rng);
                }
                return view(Some(entry));
            }
            Some(_) => self.meet_expired(at),
            None => {}
        }
        self.stats.keyspace_misses += 1;
        self.notify(KeyspaceEvents::KEY_MISS, "keymiss", at.db, at.key);
        view(None)
    }

    /// Looks a key up to change it in place: one search of the table. Counts nothing and renews the access time.
    pub(crate) fn edit<R>(&mut self, caller: Caller, at: At<'_>, edit: impl FnOnce(Option<EntryMut<'_>>) -> R) -> R {
        self.edit_ruled(caller, at, |entry, _| edit(entry))
    }

    /// As [`Core::edit`]; `edit` gets what decides the form of values, too.
    #[inline]
    pub(crate) fn edit_ruled<R>(
        &mut self,
        caller: Caller,
        at: At<'_>,
        edit: impl FnOnce(Option<EntryMut<'_>>, Rules<'_>) -> R,
    ) -> R {
        let sees_expired = self.sees_expired(caller);
        let rules = Rules { config: &self.config, hasher: &self.value_hasher };
        match self.keyspace.db_mut(at.db).find_mut(at.hash, at.key) {
            Some(entry) if sees_expired || !is_past(&entry, caller.now) => {
                access::renew(&entry, caller.now, &self.config, &mut self.rng);
                return edit(Some(entry), rules);
            }
            Some(_) => {}
            None => return edit(None, rules),
        }
        self.clear_expired(at);
        edit(None, self.rules())
    }

    /// Whether a key is there for a reader: one whose time has come is removed by a primary and hidden by a replica.
    pub(crate) fn is_live(&mut self, caller: Caller, at: At<'_>) -> bool {
        let past = match self.keyspace.db(at.db).find(at.hash, at.key) {
            None => return false,
            Some(entry) => is_past(entry, caller.now),
        };
        if !past || self.sees_expired(caller) {
            return true;
        }
        self.meet_expired(at);
        false
    }

    /// As [`Core::is_live`], for a writer: an expired key is out of the way afterwards, on a replica too.
    pub(crate) fn is_live_to_write(&mut self, caller: Caller, at: At<'_>) -> bool {
        let live = self.is_live(caller, at);
        if !live && self.is_replica {
            self.keyspace.db_mut(at.db).discard(at.hash, at.key);
        }
        live
    }

    /// A reader met a key whose time has come.
    fn meet_expired(&mut self, at: At<'_>) {
        if !self.is_replica && !self.is_paused {
            self.expire(at.db, at.hash, at.key);
        }
    }

    /// A writer met a key whose time has come. On a writable replica it goes silently: nobody follows its writes.
    fn clear_expired(&mut self, at: At<'_>) {
        if self.is_replica {
            self.keyspace.db_mut(at.db).discard(at.hash, at.key);
        } else {
            self.expire(at.db, at.hash, at.key);
        }
    }

    /// Removes a key whose time has come and tells everyone who must know.
    pub(crate) fn expire(&mut self, db: DbIndex, hash: KeyHash, key: &[u8]) {
        self.keyspace.db_mut(db).discard(hash, key);
        self.after_expiry(db, key);
    }

    /// What follows the removal of an expired key: the DEL for the log, watchers, events.
    ///
    /// While a command runs, the DEL and the command's own operations are one unit.
    pub(crate) fn after_expiry(&mut self, db: DbIndex, key: &[u8]) {
        self.stats.expired_keys += 1;
        let verb: &[u8] = if self.config.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
        self.changes.push(db, [verb, key].into_iter());
        self.watch.touch_expired(db, key);
        self.invalidate(key);
        self.notify(KeyspaceEvents::EXPIRED, "expired", db, key);
    }

    /// What follows the removal of expired fields of a hash, which took their key along if they were its last: the
    /// HDEL for the log, watchers, events.
    pub(crate) fn after_field_expiry(&mut self, db: DbIndex, key: &[u8], fields: &[Box<[u8]>], is_emptied: bool) {
        self.stats.expired_fields += fields.len() as u64;
        let words: Vec<&[u8]> = [b"HDEL", key].into_iter().chain(fields.iter().map(|field| &field[..])).collect();
        self.changes.push(db, words.into_iter());
        self.touch(db, key);
        self.notify(KeyspaceEvents::HASH, "hexpired", db, key);
        if is_emptied {
            self.notify(KeyspaceEvents::GENERIC, "del", db, key);
        }
    }

    /// Puts a value under a key.
    pub(crate) fn set(&mut self, caller: Caller, at: At<'_>, value: NewValue<'_>, expiry: Expiry) {
        if self.keyspace.db(at.db).volatile_len() > 0 {
            self.is_live_to_write(caller, at);
        }
        self.keyspace.set_access_rule(access::born(caller.now, &self.config));
        if self.keyspace.db_mut(at.db).set(at.hash, at.key, value, expiry) {
            self.blocked.key_overwritten(at.db, at.key);
        } else {
            self.notify(KeyspaceEvents::NEW, "new", at.db, at.key);
            self.blocked.key_came(at.db, at.key);
        }
    }

    /// Puts a value under a key that an edit has just not found.
    pub(crate) fn set_new(&mut self, caller: Caller, at: At<'_>, value: NewValue<'_>) {
        self.keyspace.set_access_rule(access::born(caller.now, &self.config));
        self.keyspace.db_mut(at.db).set_new(at.hash, at.key, value);
        self.notify(KeyspaceEvents::NEW, "new", at.db, at.key);
        self.blocked.key_came(at.db, at.key);
    }

    /// Puts an entry from elsewhere under a key that is not there.
    pub(crate) fn put(&mut self, at: At<'_>, entry: Entry) {
        self.keyspace.db_mut(at.db).put(at.hash, at.key, entry);
        self.notify(KeyspaceEvents::NEW, "new", at.db, at.key);
        self.blocked.key_came(at.db, at.key);
    }

    /// A key changed: who watches it or may have a copy of it hears so.
    #[inline]
    pub(crate) fn touch(&mut self, db: DbIndex, key: &[u8]) {
        self.watch.touch(db, key);
        self.invalidate(key);
    }

    /// A key changed: who may have a copy of it hears so, whatever the database, as in Redis.
    #[inline]
    fn invalidate(&mut self, key: &[u8]) {
        if self.tracking.is_used() {
            self.tracking.changed(key, &mut self.pubsub);
        }
    }

    /// All keys are about to be exchanged for others.
    pub(crate) fn touch_all(&mut self) {
        self.watch.touch_all();
        if self.tracking.is_used() {
            self.tracking.flushed(&mut self.pubsub);
        }
    }

    /// Databases changed as a whole: some keys that somebody waits for may be there now.
    pub(crate) fn look_for_awaited(&mut self) {
        let keyspace = &self.keyspace;
        self.blocked.keys_came_where(|db, key| keyspace.db(db).find(keyspace.hash(key), key).is_some());
    }

    /// Tells watchers that the databases `is_flushed` names are about to lose their keys.
    pub(crate) fn touch_flushed(&mut self, now: Now, is_flushed: impl Fn(DbIndex) -> bool) {
        self.touch_databases(now, |db| is_flushed(db).then_some(None));
        if self.tracking.is_used() {
            self.tracking.flushed(&mut self.pubsub);
        }
    }

    /// Tells watchers that two databases are about to change places.
    pub(crate) fn touch_swapped(&mut self, now: Now, one: DbIndex, other: DbIndex) {
        self.touch_databases(now, |db| match db {
            db if db == one => Some(Some(other)),
            db if db == other => Some(Some(one)),
            _ => None,
        });
    }

    /// `change` says of each database whether it changes, and which one takes its place.
    fn touch_databases(&mut self, now: Now, change: impl Fn(DbIndex) -> Option<Option<DbIndex>>) {
        let keyspace = &self.keyspace;
        let state =
            |db: DbIndex, key: &[u8]| keyspace.db(db).find(keyspace.hash(key), key).map(|entry| is_past(entry, now));
        let mut past = Vec::new();
        self.watch.touch_where(|db, key| {
            let Some(successor) = change(db) else { return false };
            let (before, after) = (state(db, key), successor.and_then(|db| state(db, key)));
            let was_past_only = before == Some(true) && after != Some(false);
            if was_past_only {
                past.push((db, Box::<[u8]>::from(key)));
            }
            // A key that had expired, or that comes as one that has, changes nothing for who knew it.
            before == Some(false) || after == Some(false)
        });
        for (db, key) in past {
            self.watch.touch_expired(db, &key);
        }
    }

    /// Publishes a keyspace event, if the option asks for its class.
    pub(crate) fn notify(&mut self, class: KeyspaceEvents, name: &str, db: DbIndex, key: &[u8]) {
        let wanted = self.config.notify_keyspace_events;
        if wanted.is_empty() || self.pubsub.is_empty() {
            return;
        }
        notify::publish(&mut self.pubsub, wanted, Event { class, name, db, key });
    }
}

/// Whether a key's time has come.
pub(crate) fn is_past(entry: &Entry, now: Now) -> bool {
    entry.expiry().is_some_and(|at| at.is_past(now.unix.into()))
}
