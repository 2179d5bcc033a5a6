//! Client-side caching: who is to hear that a key changed.
//!
//! Lives here: the keys that sessions were sent and may keep a copy of, the prefixes they asked to hear everything of,
//! and what has changed under these. Whether and how a session is told is decided where messages are written
//! ([`Engine::deliver`](crate::Engine::deliver)); what CLIENT TRACKING takes is the host's. While nobody tracks, a change
//! costs one comparison.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::pubsub::{Delivery, PubSub};
use crate::resp::reply::header;
use crate::session::SessionId;

/// How a session tracks keys: see CLIENT TRACKING.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingMode {
    /// Who is told instead of the session itself.
    pub redirect: Option<SessionId>,
    /// Which keys it hears of.
    pub scope: Scope,
    /// It does not hear of what it changes itself.
    pub no_loop: bool,
    /// CLIENT CACHING was sent: the next command is treated the other way.
    pub caching: bool,
    /// The session that was to be told instead is gone.
    pub is_broken: bool,
    /// What the names begin with that it hears of ([`Scope::Broadcast`]).
    pub prefixes: BTreeSet<Box<[u8]>>,
}

/// Which keys a session hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that begin with one of its prefixes, read or not.
    Broadcast,
    /// Those it reads.
    Read,
    /// Those it reads by a command behind CLIENT CACHING YES.
    ReadOptIn,
    /// Those it reads but by a command behind CLIENT CACHING NO.
    ReadOptOut,
}

impl TrackingMode {
    /// Whether keys are remembered that a command reads now.
    pub(crate) fn remembers(&self) -> bool {
        match self.scope {
            Scope::Broadcast => false,
            Scope::Read => true,
            Scope::ReadOptIn => self.caching,
            Scope::ReadOptOut => !self.caching,
        }
    }
}

/// The keys and prefixes that sessions hear of.
#[derive(Debug, Default)]
pub struct Tracking {
    /// Sessions that track.
    clients: usize,
    /// The session whose command runs.
    current: Option<SessionId>,
    keys: BTreeMap<Bytes, Remembered>,
    /// The keys by the order in which they were remembered: the first go first when there are too many.
    by_age: BTreeMap<u64, Bytes>,
    next_age: u64,
    /// Sessions of all keys together.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// Whether keys changed that some prefix covers.
    has_broadcasts: bool,
}

#[derive(Debug)]
struct Remembered {
    age: u64,
    /// In order, each once. Some may have gone.
    sessions: Vec<SessionId>,
}

#[derive(Debug, Default)]
struct Prefix {
    sessions: BTreeSet<SessionId>,
    /// Keys that changed since the last message, each with the session that changed it last.
    changed: BTreeMap<Bytes, Option<SessionId>>,
}

/// What a session is to hear of one prefix: the keys, as an array of RESP.
pub(crate) struct Broadcast {
    pub(crate) to: SessionId,
    pub(crate) keys: Bytes,
}

impl Tracking {
    /// Whether anybody tracks.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        self.clients > 0
    }

    /// Says whose command runs.
    pub(crate) fn set_current(&mut self, id: Option<SessionId>) {
        self.current = id;
    }

    /// A session begins to track.
    pub(crate) fn begin(&mut self) {
        self.clients += 1;
    }

    /// A session hears of all keys with this prefix from now on.
    pub(crate) fn add_prefix(&mut self, prefix: &[u8], id: SessionId) {
        if !self.prefixes.contains_key(prefix) {
            self.prefixes.insert(prefix.into(), Prefix::default());
        }
        if let Some(own) = self.prefixes.get_mut(prefix) {
            own.sessions.insert(id);
        }
    }

    /// A session tracks no more. The keys it read are forgotten when they change, when there are too many, or with the
    /// last session that tracks.
    pub(crate) fn end(&mut self, id: SessionId, mode: &TrackingMode) {
        for prefix in &mode.prefixes {
            let Some(own) = self.prefixes.get_mut(prefix) else { continue };
            own.sessions.remove(&id);
            if own.sessions.is_empty() {
                self.prefixes.remove(prefix);
            }
        }
        self.clients -= 1;
        if self.clients == 0 {
            self.forget_keys();
        }
    }

    /// Remembers that a session was sent something of a key. `is_open` says which sessions there still are.
    pub(crate) fn remember(&mut self, key: &[u8], id: SessionId, is_open: impl Fn(SessionId) -> bool) {
        if let Some(known) = self.keys.get_mut(key) {
            let Err(mut at) = known.sessions.binary_search(&id) else { return };
            // What is gone makes room before the list grows: who comes and goes must not fill memory.
            if known.sessions.len() == known.sessions.capacity() {
                let before = known.sessions.len();
                known.sessions.retain(|&session| is_open(session));
                self.items -= before - known.sessions.len();
                at = known.sessions.partition_point(|&session| session < id);
            }
            known.sessions.insert(at, id);
        } else {
            let key = Bytes::copy_from_slice(key);
            self.by_age.insert(self.next_age, key.clone());
            self.keys.insert(key, Remembered { age: self.next_age, sessions: vec![id] });
            self.next_age += 1;
        }
        self.items += 1;
    }

    /// Notes that a key changed: who knows it is told once, and forgotten.
    pub(crate) fn changed(&mut self, key: &[u8], outbox: &mut PubSub) {
        let mut shared = None;
        for (prefix, own) in self.prefixes.iter_mut().filter(|(prefix, _)| key.starts_with(prefix)) {
            debug_assert!(!own.sessions.is_empty(), "nobody hears of {}", prefix.escape_ascii());
            let key = shared.get_or_insert_with(|| Bytes::copy_from_slice(key)).clone();
            own.changed.insert(key, self.current);
            self.has_broadcasts = true;
        }
        if let Some(known) = self.keys.remove(key) {
            self.by_age.remove(&known.age);
            self.tell(key, &known.sessions, self.current, outbox);
        }
    }

    /// Notes that a database lost all its keys: whoever tracks is told to forget everything, as Redis does it.
    pub(crate) fn flushed(&mut self, outbox: &mut PubSub) {
        self.forget_keys();
        outbox.push(Delivery::Flushed { by: self.current });
    }

    /// Forgets keys until no more are left than `max` (0 for no limit), the first remembered first, but not many at
    /// once. Who knows them is told that they changed.
    pub(crate) fn limit(&mut self, max: u64, outbox: &mut PubSub) {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        if max == 0 {
            return;
        }
        for _ in 0..EVICTIONS_PER_CALL {
            if self.keys.len() <= max {
                return;
            }
            let Some((_, key)) = self.by_age.pop_first() else { return };
            if let Some(known) = self.keys.remove(&key) {
                self.tell(&key, &known.sessions, None, outbox);
            }
        }
    }

    fn tell(&mut self, key: &[u8], sessions: &[SessionId], by: Option<SessionId>, outbox: &mut PubSub) {
        self.items -= sessions.len();
        let keys = encoded(std::iter::once(key));
        for &to in sessions {
            outbox.push(Delivery::Invalidation { to, keys: keys.clone(), by_itself: by == Some(to) });
        }
    }

    fn forget_keys(&mut self) {
        self.keys.clear();
        self.by_age.clear();
        self.items = 0;
    }

    /// Whether keys changed that some prefix covers.
    #[inline]
    pub(crate) fn has_broadcasts(&self) -> bool {
        self.has_broadcasts
    }

    /// Takes what changed under prefixes: a message for each session and prefix. `is_no_loop` says who does not hear of
    /// its own changes.
    pub(crate) fn take_broadcasts(&mut self, is_no_loop: impl Fn(SessionId) -> bool) -> Vec<Broadcast> {
        let mut messages = Vec::new();
        self.has_broadcasts = false;
        for own in self.prefixes.values_mut() {
            let changed = std::mem::take(&mut own.changed);
            if changed.is_empty() {
                continue;
            }
            let all = encoded(changed.keys().map(|key| &key[..]));
            for &to in &own.sessions {
                let keys = if is_no_loop(to) {
                    let others = changed.iter().filter(|(_, by)| **by != Some(to)).map(|(key, _)| &key[..]);
                    encoded(others)
                } else {
                    all.clone()
                };
                if !keys.starts_with(b"*0") {
                    messages.push(Broadcast { to, keys });
                }
            }
        }
        messages
    }

    /// Number of sessions that track (`tracking_clients`).
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Number of keys remembered (`tracking_total_keys`).
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Sessions of all remembered keys together (`tracking_total_items`).
    pub fn items(&self) -> usize {
        self.items
    }

    /// Number of different prefixes (`tracking_total_prefixes`).
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }
}

/// Names of keys as an array of RESP.
fn encoded<'k>(keys: impl Iterator<Item = &'k [u8]> + Clone) -> Bytes {
    let mut array = Vec::new();
    header(&mut array, b'*', keys.clone().count() as i64);
    for key in keys {
        header(&mut array, b'$', key.len() as i64);
        array.extend_from_slice(key);
        array.extend_from_slice(b"\r\n");
    }
    array.into()
}

/// Keys forgotten by one call at the most, so that a limit that was lowered costs no pause. Redis begins with 100
/// (`trackingLimitUsedSlots`, `tracking.c` of 7.0); a command brings fewer keys than this but for the largest MGETs.
const EVICTIONS_PER_CALL: usize = 1000;

#[cfg(test)]
mod tests;
