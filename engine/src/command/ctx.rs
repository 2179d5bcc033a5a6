//! What a command works with while it runs.
//!
//! [`Ctx`] lends a command its session, its reply writer and the engine's core, and keeps the rules every command
//! shares in one place: an expired key is gone, a changed key is told to its watchers, a write leaves the command to
//! repeat.

use bytes::Bytes;

use crate::blocked::{Until, Wish};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::core::{At, Broadcast, Caller, Core, Touch, is_past};
use crate::keyspace::{DbIndex, Entry, EntryMut, Expiry, KeyHash, NewValue, UnixMillis};
use crate::pubsub::Kind;
use crate::resp::args::{Args, ArgsBuf};
use crate::resp::outbuf::OutBuf;
use crate::resp::reply::Reply;
use crate::session::{Origin, SessionState, Subscriptions};
use crate::time::{Instant, Now};
use crate::value;

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
    primed: Option<Primed>,
    effects: Effects,
    /// What the command waits for.
    wish: Option<Box<Wish>>,
}

/// A key whose hash is known already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Primed {
    /// Where its first byte is.
    address: usize,
    /// Its length in bytes: an empty word may share its address with the next.
    len: usize,
    hash: KeyHash,
}

impl Primed {
    /// The word at `index`, with its hash.
    pub(crate) fn new(args: Args<'_>, index: usize, hash: KeyHash) -> Option<Self> {
        args.get(index).map(|key| Self { address: key.as_ptr().addr(), len: key.len(), hash })
    }
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
    /// The reply counts as a push, which CLIENT REPLY OFF does not stop.
    pub(crate) pushed: bool,
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
        primed: Option<Primed>,
    ) -> Self {
        let reply = Reply::new(out, session.protocol);
        Self { now, session, reply, core, primed, effects: Effects::default(), wish: None }
    }

    pub(crate) fn into_effects(self) -> (Effects, Option<Box<Wish>>) {
        (self.effects, self.wish)
    }

    // --- keys -------------------------------------------------------------------------------------------------

    /// The selected database.
    pub fn db(&self) -> DbIndex {
        self.session.db
    }

    /// The hash of a key, from the batch when it has it.
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        match self.primed {
            Some(primed) if primed.address == key.as_ptr().addr() && primed.len == key.len() => primed.hash,
            _ => self.core.keyspace.hash(key),
        }
    }

    /// Runs `visit` for each word from `first` on in steps, which are keys: with the place of the word. The memory in
    /// which the next few are looked for is asked for at once, instead of one after the other.
    ///
    /// # Errors
    /// The first one of `visit`; later keys are not visited then.
    pub fn for_each_key<E>(
        &mut self,
        args: Args<'_>,
        first: usize,
        step: usize,
        mut visit: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut hashes = [KeyHash::plain(0); KEYS_AHEAD];
        let mut places = (first..args.len()).step_by(step);
        loop {
            let ahead = places.clone().take(KEYS_AHEAD);
            if ahead.len() > 1 {
                let db = self.core.keyspace.db(self.session.db);
                for (hash, place) in hashes.iter_mut().zip(ahead.clone()) {
                    *hash = self.core.keyspace.hash(args.at(place));
                    db.prefetch_group(*hash);
                }
                hashes[..ahead.len()].iter().for_each(|&hash| db.prefetch_entry(hash));
            }
            let is_hashed = ahead.len() > 1;
            for (&hash, place) in hashes.iter().zip(ahead) {
                if is_hashed {
                    self.primed = Primed::new(args, place, hash);
                }
                visit(self, place)?;
            }
            if places.nth(KEYS_AHEAD - 1).is_none() {
                return Ok(());
            }
        }
    }

    pub(super) fn caller(&self) -> Caller {
        Caller { now: self.now, origin: self.session.origin }
    }

    fn at<'k>(&self, db: DbIndex, key: &'k [u8]) -> At<'k> {
        At { db, hash: self.hash(key), key }
    }

    pub(super) fn here<'k>(&self, key: &'k [u8]) -> At<'k> {
        self.at(self.session.db, key)
    }

    /// Looks a key up to read it and lends the entry and the reply writer to `view`.
    ///
    /// Counts a hit or a miss and renews the access time. The table is searched once.
    pub fn view<R>(&mut self, key: &[u8], view: impl FnOnce(Option<&Entry>, &mut Reply<'_>) -> R) -> R {
        let touch = if self.session.no_touch { Touch::Leave } else { Touch::Renew };
        self.view_as(key, touch, view)
    }

    /// Looks a key up to say that it was used, which CLIENT NO-TOUCH does not hinder. Returns whether it is there.
    pub fn touch(&mut self, key: &[u8]) -> bool {
        self.view_as(key, Touch::Renew, |entry, _| entry.is_some())
    }

    /// As [`Ctx::view`], for a command that asks about the key and not for its value: the access time stays.
    pub fn inspect<R>(&mut self, key: &[u8], view: impl FnOnce(Option<&Entry>, &mut Reply<'_>) -> R) -> R {
        self.view_as(key, Touch::Leave, view)
    }

    /// As [`Ctx::inspect`], for a command about how keys are kept: a key that is not there is no event.
    pub fn inspect_quietly<R>(&mut self, key: &[u8], view: impl FnOnce(Option<&Entry>, &mut Reply<'_>) -> R) -> R {
        let (caller, at) = (self.caller(), self.here(key));
        let live = self.core.is_live(caller, at);
        let count = if live { &mut self.core.stats.keyspace_hits } else { &mut self.core.stats.keyspace_misses };
        *count += 1;
        let entry = if live { self.core.keyspace.db(at.db).find(at.hash, key) } else { None };
        view(entry, &mut self.reply)
    }

    fn view_as<R>(&mut self, key: &[u8], touch: Touch, view: impl FnOnce(Option<&Entry>, &mut Reply<'_>) -> R) -> R {
        let (caller, at) = (self.caller(), self.here(key));
        let reply = &mut self.reply;
        self.core.view(caller, at, touch, |entry| view(entry, reply))
    }

    /// Looks a key up to change it in place and lends the entry and the reply writer to `edit`.
    ///
    /// The table is searched once. What `edit` changed is told with [`Ctx::changed`].
    pub fn edit<R>(&mut self, key: &[u8], edit: impl FnOnce(Option<EntryMut<'_>>, &mut Reply<'_>) -> R) -> R {
        let (caller, at) = (self.caller(), self.here(key));
        let reply = &mut self.reply;
        self.core.edit(caller, at, |entry| edit(entry, reply))
    }

    /// Marks a string as one that is edited, as its original was: clients see it as `raw`.
    pub(crate) fn keep_editable(&mut self, db: DbIndex, key: &[u8]) {
        let hash = self.hash(key);
        if let Some(mut entry) = self.core.keyspace.db_mut(db).find_mut(hash, key) {
            entry.edit_bytes(0, |_| ());
        }
    }

    /// Looks a key up to tell about it: no statistics, no access time.
    pub fn peek(&mut self, key: &[u8]) -> Option<&Entry> {
        self.peek_in(self.session.db, key)
    }

    /// As [`Ctx::peek`], in any database.
    pub fn peek_in(&mut self, db: DbIndex, key: &[u8]) -> Option<&Entry> {
        let (caller, at) = (self.caller(), self.at(db, key));
        if !self.core.is_live(caller, at) {
            return None;
        }
        self.core.keyspace.db(db).find(at.hash, key)
    }

    /// Whether a key exists for a writer; one whose time has come is out of the way afterwards.
    pub fn exists_to_write(&mut self, key: &[u8]) -> bool {
        self.exists_to_write_in(self.session.db, key)
    }

    /// As [`Ctx::exists_to_write`], in any database.
    pub fn exists_to_write_in(&mut self, db: DbIndex, key: &[u8]) -> bool {
        let (caller, at) = (self.caller(), self.at(db, key));
        self.core.is_live_to_write(caller, at)
    }

    /// Whether a key that shall expire at `at` is gone at once. Never while loading, nor on a replica: there the
    /// primary says when a key is gone.
    pub fn is_gone_at(&self, at: UnixMillis) -> bool {
        at <= UnixMillis::from(self.now.unix) && !self.core.is_loading && !self.core.is_replica
    }

    /// Puts a value under a key, replacing what was there. Watchers hear of it; the change is counted.
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        self.set_in(self.session.db, key, value, expiry);
    }

    /// As [`Ctx::set`], in any database.
    pub fn set_in(&mut self, db: DbIndex, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        let (caller, at) = (self.caller(), self.at(db, key));
        self.core.set(caller, at, value, expiry);
        self.changed_in(db, key);
    }

    /// Removes a key whose place another value takes. Watchers hear of it; no change is counted.
    pub fn discard(&mut self, key: &[u8]) {
        self.discard_in(self.session.db, key);
    }

    /// As [`Ctx::discard`], in any database.
    pub fn discard_in(&mut self, db: DbIndex, key: &[u8]) {
        let hash = self.hash(key);
        if self.core.keyspace.db_mut(db).discard(hash, key) {
            self.core.touch(db, key);
        }
    }

    /// Takes an entry out of a database, to put it elsewhere. Watchers hear of it; no change is counted.
    pub fn take_in(&mut self, db: DbIndex, key: &[u8]) -> Option<Entry> {
        let hash = self.hash(key);
        let entry = self.core.keyspace.db_mut(db).remove(hash, key)?;
        self.core.touch(db, key);
        Some(entry)
    }

    /// Puts an entry that was taken under a key that is not there. Watchers hear of it; no change is counted.
    pub fn put_in(&mut self, db: DbIndex, key: &[u8], entry: Entry) {
        let at = self.at(db, key);
        self.core.put(at, entry);
        self.core.touch(db, key);
    }

    /// Removes a key. Returns whether it was there; then watchers hear of it and the change is counted.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.remove_in(self.session.db, key)
    }

    /// As [`Ctx::remove`], in any database.
    pub fn remove_in(&mut self, db: DbIndex, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let removed = self.core.keyspace.db_mut(db).discard(hash, key);
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

    /// Removes a key that was given a time that is past: it counts as expired, as in Valkey 9. Repeated is the removal.
    pub fn expire_now(&mut self, key: &[u8]) {
        self.remove(key);
        self.core.stats.expired_keys += 1;
        let verb: &[u8] = if self.core.config.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
        self.rewrite(&[verb, key]);
        self.notify(KeyspaceEvents::EXPIRED, "expired", key);
    }

    /// Notes one change of a key's value made in place: watchers hear of it, and it is counted.
    pub fn changed(&mut self, key: &[u8]) {
        self.changed_in(self.session.db, key);
    }

    /// As [`Ctx::changed`], for so many changes at once.
    pub fn changed_often(&mut self, key: &[u8], changes: u64) {
        self.core.touch(self.session.db, key);
        self.count_changes(changes);
    }

    /// As [`Ctx::changed`], in any database.
    pub fn changed_in(&mut self, db: DbIndex, key: &[u8]) {
        self.core.touch(db, key);
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

    // --- waiting ----------------------------------------------------------------------------------------------

    /// Has the session wait until one of these keys is there and of this type; then the request runs again. Returns
    /// whether it waits: in a transaction, and in streams that are no client's, nothing does, and the command replies
    /// at once.
    ///
    /// A command that waits has written no reply and changed nothing.
    pub fn block<'k>(
        &mut self,
        kind: value::Kind,
        keys: impl Iterator<Item = &'k [u8]>,
        deadline: Option<Instant>,
    ) -> bool {
        self.wish_for(Wish {
            kind,
            keys: keys.map(Bytes::copy_from_slice).collect(),
            deadline,
            until: Until::There,
            words: None,
        })
    }

    /// As [`Ctx::block`], for a request that has to run again in other words, and perhaps also when a key is gone.
    pub(crate) fn block_as<'k>(
        &mut self,
        kind: value::Kind,
        keys: impl Iterator<Item = &'k [u8]>,
        deadline: Option<Instant>,
        until: Until,
        words: ArgsBuf,
    ) -> bool {
        let keys = keys.map(Bytes::copy_from_slice).collect();
        self.wish_for(Wish { kind, keys, deadline, until, words: Some(words) })
    }

    fn wish_for(&mut self, wish: Wish) -> bool {
        if self.session.origin != Origin::Client || self.core.changes.is_in_transaction() {
            return false;
        }
        self.wish = Some(Box::new(wish));
        true
    }

    /// Has those served who wait for a key that was there before and got what they may wait for: an entry of a
    /// stream. Keys that come into being need no mention.
    pub fn key_came(&mut self, key: &[u8]) {
        self.core.blocked.key_came(self.session.db, key);
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

    /// Begins the confirmation of a subscription that began or ended.
    pub(crate) fn confirm(&mut self, word: &[u8]) {
        self.effects.pushed = true;
        self.reply.push(3);
        self.reply.bulk(word);
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

/// Keys of one command that are looked for at once: as many loads as a core has under way, or a few more.
const KEYS_AHEAD: usize = 16;

/// Shard channels are counted apart from channels and patterns.
fn count(own: &Subscriptions, kind: Kind) -> usize {
    match kind {
        Kind::Channel | Kind::Pattern => own.plain_len(),
        Kind::Shard => own.shards.len(),
    }
}
