//! Sessions that wait for keys: who waits for what, in which order, until when.
//!
//! A command that finds nothing to work on asks to wait ([`Ctx::block`](crate::command::Ctx::block)). Whatever makes
//! one of its keys come into being marks that key as ready. After the command that did so, or after its whole
//! transaction, the waiting requests run again, first come first served: see [`serve`]. Lives here: the tables. What
//! does not: running anything, replies, clocks. Start at [`Blocked`].

pub mod serve;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::command::Resolved;
use crate::keyspace::DbIndex;
use crate::resp::args::ArgsBuf;
use crate::session::SessionId;
use crate::time::Instant;
use crate::value::Kind;

/// Everybody who waits for keys.
#[derive(Debug, Default)]
pub struct Blocked {
    /// By database first, so that a key is found without a copy of it.
    keys: BTreeMap<DbIndex, BTreeMap<Bytes, Waiters>>,
    waits: BTreeMap<SessionId, Wait>,
    /// Waits that end by themselves, the earliest first.
    deadlines: BTreeSet<(Instant, SessionId)>,
    /// Keys that came into being, in that order, each once.
    ready: VecDeque<(DbIndex, Bytes)>,
    /// The key whose waiters are being served.
    serving: Option<Serving>,
    /// The wait that ended so that its request runs again, and its deadline: it holds if that has to wait once more.
    again: Option<(SessionId, Option<Instant>)>,
    /// Place of the next who comes.
    place_next: u64,
    /// How many mind if a key goes.
    minding: usize,
}

/// The sessions that wait for one key, in the order they came.
#[derive(Debug, Default)]
struct Waiters {
    places: BTreeMap<u64, SessionId>,
    is_ready: bool,
}

/// What one session waits for.
#[derive(Debug)]
struct Wait {
    kind: Kind,
    until: Until,
    db: DbIndex,
    keys: Vec<Bytes>,
    deadline: Option<Instant>,
    place: u64,
    request: Request,
}

/// A request that could not be served yet.
#[derive(Debug)]
pub struct Request {
    /// Its command.
    pub command: Resolved,
    /// Its words.
    pub args: ArgsBuf,
}

/// What a command asks for that has to wait.
#[derive(Debug)]
pub(crate) struct Wish {
    /// The type that the keys must have.
    pub(crate) kind: Kind,
    /// The keys, of which one suffices.
    pub(crate) keys: Vec<Bytes>,
    /// When the wait ends by itself.
    pub(crate) deadline: Option<Instant>,
    /// What of a key ends it.
    pub(crate) until: Until,
    /// The words that run again, if not those of the request.
    pub(crate) words: Option<ArgsBuf>,
}

/// What of a key ends a wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// It is there and of the type.
    There,
    /// As [`Until::There`], or it is gone or of another type: the request runs again to say so.
    ThereOrGone,
}

/// How far the waiters of a key were served.
#[derive(Debug)]
struct Serving {
    db: DbIndex,
    key: Bytes,
    /// The next place to look at.
    from: u64,
    /// Places from here on came after the serving began: their turn is the next time.
    until: u64,
}

impl Blocked {
    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Number of sessions that wait (`blocked_clients`).
    pub fn len(&self) -> usize {
        self.waits.len()
    }

    /// Number of keys that somebody waits for (`total_blocking_keys`).
    pub fn keys(&self) -> usize {
        self.keys.values().map(BTreeMap::len).sum()
    }

    /// Number of keys that somebody waits for and who minds if they go (`total_blocking_keys_on_nokey`).
    pub fn keys_minded(&self) -> usize {
        let minding = self.waits.values().filter(|wait| wait.until == Until::ThereOrGone);
        minding.flat_map(|wait| wait.keys.iter().map(|key| (wait.db, key))).collect::<BTreeSet<_>>().len()
    }

    /// Number of waits that end by themselves (`clients_in_timeout_table`).
    pub fn limited(&self) -> usize {
        self.deadlines.len()
    }

    /// When the next wait ends by itself.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether somebody may have to be served.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() || self.serving.is_some()
    }

    /// The sessions that wait, with their requests.
    pub fn waiting(&self) -> impl Iterator<Item = (SessionId, &Request)> {
        self.waits.iter().map(|(id, wait)| (*id, &wait.request))
    }

    /// Notes that a key came into being, or got what somebody may wait for.
    #[inline]
    pub(crate) fn key_came(&mut self, db: DbIndex, key: &[u8]) {
        if !self.waits.is_empty() {
            self.mark_ready(db, key);
        }
    }

    /// Whether somebody minds if a key goes.
    pub(crate) fn minds_loss(&self) -> bool {
        self.minding > 0
    }

    /// Notes that keys were touched, any if it is not said which: those count that are gone or of another type than
    /// somebody waits for. `kind_of` tells what type a key has now.
    pub(crate) fn keys_touched(
        &mut self,
        keys: Option<Vec<(DbIndex, Bytes)>>,
        kind_of: impl Fn(DbIndex, &[u8]) -> Option<Kind>,
    ) {
        let all = || {
            let minding = self.waits.values().filter(|wait| wait.until == Until::ThereOrGone);
            minding.flat_map(|wait| wait.keys.iter().map(|key| (wait.db, key.clone()))).collect()
        };
        for (db, key) in keys.unwrap_or_else(all) {
            // Who minds waits for streams: what else is no change of one.
            if kind_of(db, &key) != Some(Kind::Stream) {
                self.mark_ready(db, &key);
            }
        }
    }

    /// Notes that another value took the place of a key's, as `STORE` commands put it there. Redis serves nobody then who
    /// waits for a list or a sorted set (`dbOverwrite`, `db.c`): the key did not come into being.
    #[inline]
    pub(crate) fn key_overwritten(&mut self, db: DbIndex, key: &[u8]) {
        if !self.waits.is_empty() && self.is_overwriting_told(db, key) {
            self.mark_ready(db, key);
        }
    }

    fn is_overwriting_told(&self, db: DbIndex, key: &[u8]) -> bool {
        let Some(waiters) = self.keys.get(&db).and_then(|keys| keys.get(key)) else { return false };
        let waits = waiters.places.values().filter_map(|id| self.waits.get(id));
        waits.into_iter().any(|wait| !matches!(wait.kind, Kind::List | Kind::SortedSet))
    }

    fn mark_ready(&mut self, db: DbIndex, key: &[u8]) {
        let Some(keys) = self.keys.get_mut(&db) else { return };
        let Some((key, _)) = keys.get_key_value(key) else { return };
        let key = key.clone();
        if let Some(waiters) = keys.get_mut(&key)
            && !std::mem::replace(&mut waiters.is_ready, true)
        {
            self.ready.push_back((db, key));
        }
    }

    /// Notes of every key that somebody waits for whether it is there: databases changed as a whole.
    pub(crate) fn keys_came_where(&mut self, is_there: impl Fn(DbIndex, &[u8]) -> bool) {
        for (&db, keys) in &mut self.keys {
            for (key, waiters) in keys.iter_mut().filter(|(key, _)| is_there(db, key)) {
                if !std::mem::replace(&mut waiters.is_ready, true) {
                    self.ready.push_back((db, key.clone()));
                }
            }
        }
    }

    /// Begins a wait, at the end of the line of each key.
    pub(crate) fn begin(&mut self, id: SessionId, db: DbIndex, wish: Wish, request: Request) {
        let deadline = match self.again.take() {
            Some((again, deadline)) if again == id => deadline,
            _ => wish.deadline,
        };
        let place = self.place_next;
        self.place_next += 1;
        let lines = self.keys.entry(db).or_default();
        for key in &wish.keys {
            lines.entry(key.clone()).or_default().places.insert(place, id);
        }
        self.deadlines.extend(deadline.map(|at| (at, id)));
        self.minding += usize::from(wish.until == Until::ThereOrGone);
        let Wish { kind, until, keys, .. } = wish;
        self.waits.insert(id, Wait { kind, until, db, keys, deadline, place, request });
    }

    /// Ends a wait. Returns its request if there was one.
    pub(crate) fn end(&mut self, id: SessionId) -> Option<Request> {
        self.take(id).map(|wait| wait.request)
    }

    /// Ends the next wait that is over at this time.
    pub(crate) fn end_past(&mut self, now: Instant) -> Option<(SessionId, Request)> {
        let &(at, id) = self.deadlines.first()?;
        if at > now {
            return None;
        }
        Some((id, self.end(id)?))
    }

    /// Ends the wait of who is next, so that the request runs again. `kind_of` tells what type a key has now.
    pub(crate) fn end_next(
        &mut self,
        kind_of: impl Fn(DbIndex, &[u8]) -> Option<Kind>,
    ) -> Option<(SessionId, Request)> {
        self.again = None;
        loop {
            let Some(serving) = &self.serving else {
                self.serving = Some(self.next_key()?);
                continue;
            };
            let Some((place, id)) = self.next_waiter(serving, &kind_of) else {
                self.serving = None;
                continue;
            };
            if let Some(serving) = &mut self.serving {
                serving.from = place + 1;
            }
            let wait = self.take(id)?;
            self.again = Some((id, wait.deadline));
            return Some((id, wait.request));
        }
    }

    /// Takes a key from the front of those that are ready.
    fn next_key(&mut self) -> Option<Serving> {
        let (db, key) = self.ready.pop_front()?;
        if let Some(waiters) = self.keys.get_mut(&db).and_then(|keys| keys.get_mut(&key)) {
            waiters.is_ready = false;
        }
        Some(Serving { db, key, from: 0, until: self.place_next })
    }

    fn next_waiter(
        &self,
        serving: &Serving,
        kind_of: impl Fn(DbIndex, &[u8]) -> Option<Kind>,
    ) -> Option<(u64, SessionId)> {
        let waiters = self.keys.get(&serving.db)?.get(&serving.key)?;
        let kind = kind_of(serving.db, &serving.key);
        let mut line = waiters.places.range(serving.from..serving.until);
        let is_served = |wait: &Wait| wait.until == Until::ThereOrGone || kind == Some(wait.kind);
        line.find(|(_, id)| self.waits.get(id).is_some_and(is_served)).map(|(place, id)| (*place, *id))
    }

    fn take(&mut self, id: SessionId) -> Option<Wait> {
        let wait = self.waits.remove(&id)?;
        self.minding -= usize::from(wait.until == Until::ThereOrGone);
        if let Some(at) = wait.deadline {
            self.deadlines.remove(&(at, id));
        }
        let Some(lines) = self.keys.get_mut(&wait.db) else { return Some(wait) };
        for key in &wait.keys {
            let Some(waiters) = lines.get_mut(key) else { continue };
            waiters.places.remove(&wait.place);
            if waiters.places.is_empty() {
                // It may still stand among the ready ones: nobody is found for it then.
                lines.remove(key);
            }
        }
        if lines.is_empty() {
            self.keys.remove(&wait.db);
        }
        Some(wait)
    }
}

#[cfg(test)]
mod tests;
