//! What all sessions of an engine share.

use bytes::Bytes;

use crate::changes::Changes;
use crate::command::Registry;
use crate::config::Config;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::keyspace::{AccessRule, DbIndex, Entry, Expiry, KeyHash, Keyspace, NewValue};
use crate::notify::{self, Event};
use crate::pubsub::PubSub;
use crate::rng::Rng;
use crate::session::Origin;
use crate::stats::Stats;
use crate::time::Now;
use crate::watch::Watch;

/// The engine without its sessions: what a running command may touch.
#[derive(Debug)]
pub struct Core {
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
    /// What the log must hear of.
    pub changes: Changes,
    /// Counters for INFO.
    pub stats: Stats,
    /// The engine's share of the one seed.
    pub rng: Rng,
    /// Whether the dataset follows a primary: expired keys are then hidden, and only the primary removes them.
    pub is_replica: bool,
    /// Whether a dataset is being loaded: nothing expires then.
    pub is_loading: bool,
    /// Whether active expiry runs (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: bool,
    /// Messages for the cluster's other nodes.
    pub broadcasts: Vec<Broadcast>,
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

impl Core {
    /// Whether a looked-up key counts as present. One whose time has come is removed by a primary, hidden by a
    /// replica, and seen by the primary's stream and by a load.
    pub(crate) fn is_live(&mut self, now: Now, origin: Origin, db: DbIndex, hash: KeyHash, key: &[u8]) -> bool {
        if self.keyspace.db(db).volatile_len() == 0 {
            return true;
        }
        let due = self.keyspace.db(db).find(hash, key).is_some_and(|entry| is_past(entry, now));
        if !due || self.is_loading || origin != Origin::Client {
            return true;
        }
        if !self.is_replica {
            self.expire(db, hash, key);
        }
        false
    }

    /// Removes a key whose time has come and tells everyone who must know.
    pub(crate) fn expire(&mut self, db: DbIndex, hash: KeyHash, key: &[u8]) {
        self.keyspace.db_mut(db).remove(hash, key);
        self.stats.expired_keys += 1;
        self.after_expiry(db, key);
    }

    /// What follows the removal of an expired key: the DEL for the log, watchers, events.
    pub(crate) fn after_expiry(&mut self, db: DbIndex, key: &[u8]) {
        let verb: &[u8] = if self.config.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
        self.changes.push_alone(db, [verb, key].into_iter());
        self.watch.touch_expired(db, key);
        self.notify(KeyspaceEvents::EXPIRED, "expired", db, key);
    }

    /// Finds an entry and, if asked to, renews its access time.
    pub(crate) fn read(&mut self, now: Now, db: DbIndex, hash: KeyHash, key: &[u8], touch: bool) -> Option<&Entry> {
        let entry = self.keyspace.db(db).find(hash, key)?;
        if touch {
            entry.set_access(access_clock(now));
        }
        Some(entry)
    }

    /// Puts a value under a key.
    pub(crate) fn set(
        &mut self,
        now: Now,
        db: DbIndex,
        hash: KeyHash,
        key: &[u8],
        value: NewValue<'_>,
        expiry: Expiry,
    ) {
        self.keyspace.set_access_rule(AccessRule::Always(access_clock(now)));
        self.keyspace.db_mut(db).set(hash, key, value, expiry);
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

/// The clock of the access bits: seconds, in 24 bits (`LRU_BITS`).
pub(crate) fn access_clock(now: Now) -> u32 {
    (now.unix.seconds() & 0xff_ffff) as u32
}
