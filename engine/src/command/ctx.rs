//! What a command works with while it runs.
//!
//! [`Ctx`] lends a command its session, its reply writer and the engine's core, and keeps the rules every command
//! shares in one place: an expired key is gone, a changed key is told to its watchers, a write leaves the command to
//! repeat.

use bytes::Bytes;

use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::core::{Broadcast, Core, is_past};
use crate::error::ReplyError;
use crate::keyspace::{DbIndex, Entry, Expiry, KeyHash, NewValue, Object, UnixMillis, ValueRef};
use crate::pubsub::Kind;
use crate::resp::args::Args;
use crate::resp::outbuf::OutBuf;
use crate::resp::reply::Reply;
use crate::session::{Origin, SessionState, Subscriptions};
use crate::time::Now;

/// The surroundings of one running command.
pub struct Ctx<'e> {
    /// The time of the call.
    pub now: Now,
    /// The session that runs the command.
    pub session: &'e mut SessionState,
    /// Writes the reply.
    pub reply: Reply<'e>,
    /// Keyspace, configuration, subscriptions: what all sessions share.
    pub core: &'e mut Core,
    /// The hash of the request's first key, when the batch computed it already.
    primed: Option<(usize, KeyHash)>,
    effects: Effects,
}

/// What a command did, beyond its reply.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effects {
    /// Changes to the dataset.
    dirty: u64,
    /// The command said itself what is to be repeated.
    pub(crate) rewritten: bool,
    /// The command is repeated even though nothing changed.
    forced: bool,
}

impl Effects {
    /// Whether the request is to be repeated as it was typed.
    pub(crate) fn repeat_verbatim(self) -> bool {
        !self.rewritten && (self.dirty > 0 || self.forced)
    }
}

impl<'e> Ctx<'e> {
    pub(crate) fn new(
        now: Now,
        session: &'e mut SessionState,
        out: &'e mut OutBuf,
        core: &'e mut Core,
        primed: Option<(usize, KeyHash)>,
    ) -> Self {
        let reply = Reply::new(out, session.protocol);
        Self { now, session, reply, core, primed, effects: Effects::default() }
    }

    pub(crate) fn into_effects(self) -> Effects {
        self.effects
    }

    // --- keys -------------------------------------------------------------------------------------------------

    /// The selected database.
    pub fn db(&self) -> DbIndex {
        self.session.db
    }

    /// The hash of a key, from the batch when it has it.
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        match self.primed {
            Some((address, hash)) if address == key.as_ptr().addr() => hash,
            _ => self.core.keyspace.hash(key),
        }
    }

    /// Looks a key up to tell about it: no statistics, no access time.
    pub fn peek(&mut self, key: &[u8]) -> Option<&Entry> {
        self.peek_in(self.session.db, key)
    }

    /// As [`Ctx::peek`], in any database.
    pub fn peek_in(&mut self, db: DbIndex, key: &[u8]) -> Option<&Entry> {
        let hash = self.hash(key);
        if !self.is_live(db, hash, key) {
            return None;
        }
        self.core.keyspace.db(db).find(hash, key)
    }

    /// Looks a key up to read it: counts a hit or a miss and renews the access time.
    pub fn read(&mut self, key: &[u8]) -> Option<&Entry> {
        let hash = self.hash(key);
        let db = self.session.db;
        if !self.is_live(db, hash, key) {
            self.core.stats.keyspace_misses += 1;
            return None;
        }
        self.core.stats.keyspace_hits += 1;
        let touch = !self.session.no_touch;
        self.core.read(self.now, db, hash, key, touch)
    }

    /// Looks a string up to read it.
    ///
    /// # Errors
    /// When the key holds another type.
    pub fn read_string(&mut self, key: &[u8]) -> Result<Option<ValueRef<'_>>, ReplyError> {
        match self.read(key) {
            None => Ok(None),
            Some(entry) => string_value(entry.value()).map(Some),
        }
    }

    /// Whether a key exists now; one whose time has come is removed, or only hidden on a replica.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let db = self.session.db;
        self.is_live(db, hash, key) && self.core.keyspace.db(db).find(hash, key).is_some()
    }

    fn is_live(&mut self, db: DbIndex, hash: KeyHash, key: &[u8]) -> bool {
        self.core.is_live(self.now, self.session.origin, db, hash, key)
    }

    /// Puts a value under a key, replacing what was there. Watchers hear of it; the change is counted.
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        self.set_in(self.session.db, key, value, expiry);
    }

    /// As [`Ctx::set`], in any database.
    pub fn set_in(&mut self, db: DbIndex, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        let hash = self.hash(key);
        self.core.set(self.now, db, hash, key, value, expiry);
        self.changed_in(db, key);
    }

    /// Removes a key. Returns whether it was there; then watchers hear of it and the change is counted.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.remove_in(self.session.db, key)
    }

    /// As [`Ctx::remove`], in any database.
    pub fn remove_in(&mut self, db: DbIndex, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let removed = self.core.keyspace.db_mut(db).remove(hash, key).is_some();
        if removed {
            self.changed_in(db, key);
        }
        removed
    }

    /// Sets or clears a key's expiry. Returns whether the key exists; then watchers hear of it and the change is
    /// counted.
    pub fn set_expiry(&mut self, key: &[u8], at: Option<UnixMillis>) -> bool {
        let hash = self.hash(key);
        let found = self.core.keyspace.db_mut(self.session.db).set_expiry(hash, key, at);
        if found {
            self.changed(key);
        }
        found
    }

    /// Notes one change of a key's value made in place: watchers hear of it, and it is counted.
    pub fn changed(&mut self, key: &[u8]) {
        self.changed_in(self.session.db, key);
    }

    /// As [`Ctx::changed`], in any database.
    pub fn changed_in(&mut self, db: DbIndex, key: &[u8]) {
        self.core.watch.touch(db, key);
        self.count_changes(1);
    }

    /// Counts changes to the dataset; from the first on, the command is propagated.
    pub fn count_changes(&mut self, changes: u64) {
        self.effects.dirty += changes;
        self.core.changes.count(changes);
    }

    /// Changes this command has made so far.
    pub fn changes_made(&self) -> u64 {
        self.effects.dirty
    }

    /// Tells clients that listen for keyspace events, as `notify-keyspace-events` allows.
    pub fn notify(&mut self, class: KeyspaceEvents, event: &str, key: &[u8]) {
        self.core.notify(class, event, self.session.db, key);
    }

    /// As [`Ctx::notify`], for a key of any database.
    pub fn notify_in(&mut self, class: KeyspaceEvents, event: &str, db: DbIndex, key: &[u8]) {
        self.core.notify(class, event, db, key);
    }

    // --- propagation ------------------------------------------------------------------------------------------

    /// Has these words repeated instead of the request. Called several times, the operations form a transaction.
    pub fn rewrite(&mut self, words: &[&[u8]]) {
        self.effects.rewritten = true;
        self.core.changes.push(self.session.db, words.iter().copied());
    }

    /// Has nothing repeated, whatever changed.
    pub fn rewrite_to_nothing(&mut self) {
        self.effects.rewritten = true;
    }

    /// Has the request repeated as typed even if nothing changed.
    pub fn repeat_anyway(&mut self) {
        self.effects.forced = true;
    }

    // --- transactions -----------------------------------------------------------------------------------------

    pub(crate) fn watch(&mut self, key: &[u8]) {
        let hash = self.hash(key);
        let db = self.session.db;
        let was_expired = self.core.keyspace.db(db).find(hash, key).is_some_and(|entry| is_past(entry, self.now));
        if self.core.watch.add(self.session.id, db, key, was_expired) {
            self.session.watched += 1;
        }
    }

    pub(crate) fn unwatch_all(&mut self) {
        if std::mem::take(&mut self.session.watched) > 0 {
            self.core.watch.remove(self.session.id);
        }
    }

    // --- pub/sub ----------------------------------------------------------------------------------------------

    /// Sends a message to this engine's listeners, and leaves it for replicas or for the cluster's other nodes.
    /// Returns the number of receivers here.
    pub fn publish(&mut self, kind: Kind, channel: &[u8], payload: &[u8]) -> usize {
        let receivers = match kind {
            Kind::Shard => self.core.pubsub.publish_shard(channel, payload),
            Kind::Channel | Kind::Pattern => self.core.pubsub.publish(channel, payload),
        };
        if !self.core.config.cluster_enabled {
            self.repeat_anyway();
        } else if self.session.origin == Origin::Client {
            self.core.broadcasts.push(Broadcast {
                sharded: kind == Kind::Shard,
                channel: Bytes::copy_from_slice(channel),
                payload: Bytes::copy_from_slice(payload),
            });
        }
        receivers
    }

    /// Adds a subscription. Returns the count to tell the client.
    pub(crate) fn subscribe(&mut self, kind: Kind, name: &[u8]) -> usize {
        let own = self.session.subscriptions.get_or_insert_default();
        self.core.pubsub.subscribe(kind, name, self.session.id, own);
        count(own, kind)
    }

    /// Ends a subscription. Returns the count to tell the client.
    pub(crate) fn unsubscribe(&mut self, kind: Kind, name: &[u8]) -> usize {
        let Some(own) = &mut self.session.subscriptions else { return 0 };
        self.core.pubsub.unsubscribe(kind, name, own);
        let left = count(own, kind);
        if own.is_empty() {
            self.session.subscriptions = None;
        }
        left
    }

    /// The names of one kind that the session listens to, in the order it subscribed.
    pub(crate) fn subscribed(&self, kind: Kind) -> Vec<Box<[u8]>> {
        let Some(own) = &self.session.subscriptions else { return Vec::new() };
        let names = match kind {
            Kind::Channel => &own.channels,
            Kind::Pattern => &own.patterns,
            Kind::Shard => &own.shards,
        };
        let mut ordered: Vec<(u64, &Box<[u8]>)> = names.iter().map(|(name, &order)| (order, name)).collect();
        ordered.sort_unstable_by_key(|(order, _)| *order);
        ordered.into_iter().map(|(_, name)| name.clone()).collect()
    }

    /// The count to tell a client that left everything of one kind.
    pub(crate) fn subscription_count(&self, kind: Kind) -> usize {
        self.session.subscriptions.as_deref().map_or(0, |own| count(own, kind))
    }
}

/// Shard channels are counted apart from channels and patterns.
fn count(own: &Subscriptions, kind: Kind) -> usize {
    match kind {
        Kind::Channel | Kind::Pattern => own.plain_len(),
        Kind::Shard => own.shards.len(),
    }
}

/// The address by which a primed hash is recognised: the first byte of the request's first key.
pub(crate) fn key_address(args: Args<'_>, index: usize) -> Option<usize> {
    args.get(index).map(|key| key.as_ptr().addr())
}

/// A value that must be a string.
fn string_value(value: ValueRef<'_>) -> Result<ValueRef<'_>, ReplyError> {
    match value {
        ValueRef::Int(_) | ValueRef::Str(_) | ValueRef::Object(Object::String(_)) => Ok(value),
    }
}
