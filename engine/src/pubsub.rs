//! Who listens to which channel.
//!
//! Publishing finds the receivers and leaves a note of each delivery; the engine writes them into the sessions' buffers
//! after the command's own reply. Channels of a cluster's other nodes are the host's business.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::glob;
use crate::session::{SessionId, Subscriptions};
use crate::slot::Slot;

/// The three ways to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SUBSCRIBE: a channel by its name.
    Channel,
    /// PSUBSCRIBE: every channel that a glob pattern matches.
    Pattern,
    /// SSUBSCRIBE: a channel that belongs to a slot.
    Shard,
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    /// To everybody who tracks keys: all of them are gone.
    Flushed {
        /// Whose command did it.
        by: Option<SessionId>,
    },
    /// To a session that tracks keys: these changed.
    Invalidation {
        to: SessionId,
        /// An array of RESP.
        keys: Bytes,
        by_itself: bool,
    },
    /// To a listener.
    Message(Message),
}

/// A published message on its way to one session.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) to: SessionId,
    /// The pattern that matched, for pattern subscribers.
    pub(crate) pattern: Option<Bytes>,
    pub(crate) sharded: bool,
    pub(crate) channel: Bytes,
    pub(crate) payload: Bytes,
}

type Listeners = BTreeMap<u64, SessionId>;

/// All subscriptions of one engine.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: BTreeMap<Box<[u8]>, Listeners>,
    patterns: BTreeMap<Box<[u8]>, Listeners>,
    shards: BTreeMap<Box<[u8]>, Listeners>,
    next: u64,
    outbox: Vec<Delivery>,
}

impl PubSub {
    /// Adds a subscription. Returns whether it is new.
    pub(crate) fn subscribe(&mut self, kind: Kind, name: &[u8], id: SessionId, own: &mut Subscriptions) -> bool {
        let mine = own_mut(own, kind);
        if mine.contains_key(name) {
            return false;
        }
        let order = self.next;
        self.next += 1;
        mine.insert(name.into(), order);
        self.table_mut(kind).entry(name.into()).or_default().insert(order, id);
        true
    }

    /// Ends a subscription. Returns whether there was one.
    pub(crate) fn unsubscribe(&mut self, kind: Kind, name: &[u8], own: &mut Subscriptions) -> bool {
        let Some(order) = own_mut(own, kind).remove(name) else { return false };
        let table = self.table_mut(kind);
        if let Some(listeners) = table.get_mut(name) {
            listeners.remove(&order);
            if listeners.is_empty() {
                table.remove(name);
            }
        }
        true
    }

    /// Ends all subscriptions of a session.
    pub(crate) fn forget(&mut self, own: &mut Subscriptions) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            let names: Vec<Box<[u8]>> = own_mut(own, kind).keys().cloned().collect();
            for name in names {
                self.unsubscribe(kind, &name, own);
            }
        }
    }

    /// Sends a message to everyone here who listens to `channel`. Returns the number of receivers.
    pub fn publish(&mut self, channel: &[u8], payload: &[u8]) -> usize {
        let before = self.outbox.len();
        let mut shared = None;
        let mut share = || shared.get_or_insert_with(|| (copy(channel), copy(payload))).clone();
        for &to in self.channels.get(channel).into_iter().flat_map(Listeners::values) {
            let (channel, payload) = share();
            self.outbox.push(Delivery::Message(Message { to, pattern: None, sharded: false, channel, payload }));
        }
        for (pattern, listeners) in &self.patterns {
            if !glob::matches(pattern, channel, false) {
                continue;
            }
            let pattern = copy(pattern);
            for &to in listeners.values() {
                let (channel, payload) = share();
                let pattern = Some(pattern.clone());
                self.outbox.push(Delivery::Message(Message { to, pattern, sharded: false, channel, payload }));
            }
        }
        self.outbox.len() - before
    }

    /// Sends a message to everyone here who listens to a shard channel. Returns the number of receivers.
    pub fn publish_shard(&mut self, channel: &[u8], payload: &[u8]) -> usize {
        let Some(listeners) = self.shards.get(channel) else { return 0 };
        let (channel, payload) = (copy(channel), copy(payload));
        self.outbox.extend(listeners.values().map(|&to| {
            let (channel, payload) = (channel.clone(), payload.clone());
            Delivery::Message(Message { to, pattern: None, sharded: true, channel, payload })
        }));
        listeners.len()
    }

    /// Adds a message of another kind behind those that wait.
    pub(crate) fn push(&mut self, delivery: Delivery) {
        self.outbox.push(delivery);
    }

    /// Whether messages wait to be written.
    pub(crate) fn has_deliveries(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(crate) fn take_deliveries(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.outbox)
    }

    /// Whether anyone listens to any channel or pattern.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// Channels (or shard channels) with at least one listener, by name.
    pub fn active(&self, kind: Kind) -> impl Iterator<Item = (&[u8], usize)> {
        self.table(kind).iter().map(|(name, listeners)| (&name[..], listeners.len()))
    }

    /// Number of listeners of one channel.
    pub fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        self.table(kind).get(name).map_or(0, Listeners::len)
    }

    /// Number of different names listened to.
    pub fn names(&self, kind: Kind) -> usize {
        self.table(kind).len()
    }

    /// The shard channels of some slots with their listeners, for slots this node loses.
    pub(crate) fn shard_listeners(&self, of: impl Fn(Slot) -> bool) -> Vec<(Box<[u8]>, Vec<SessionId>)> {
        let chosen = self.shards.iter().filter(|(name, _)| of(Slot::of_key(name)));
        chosen.map(|(name, listeners)| (name.clone(), listeners.values().copied().collect())).collect()
    }

    fn table(&self, kind: Kind) -> &BTreeMap<Box<[u8]>, Listeners> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    fn table_mut(&mut self, kind: Kind) -> &mut BTreeMap<Box<[u8]>, Listeners> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }
}

fn own_mut(own: &mut Subscriptions, kind: Kind) -> &mut BTreeMap<Box<[u8]>, u64> {
    match kind {
        Kind::Channel => &mut own.channels,
        Kind::Pattern => &mut own.patterns,
        Kind::Shard => &mut own.shards,
    }
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
