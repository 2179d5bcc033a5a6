//! Messages on their way to sessions: published ones, and what tells clients that their copies of keys are old.
//!
//! Commands leave notes; here they are written into the buffers of those who are to read them, behind the reply of the
//! command that caused them.

use bytes::Bytes;

use crate::Engine;
use crate::command::keys::{Access, each_key};
use crate::command::spec::READ;
use crate::command::{CommandId, Resolved};
use crate::engine::note;
use crate::pubsub::{Delivery, Message};
use crate::resp::args::Args;
use crate::resp::reply::{Protocol, Reply};
use crate::session::SessionId;
use crate::tracking::{Scope, TrackingMode};

impl Engine {
    /// Writes messages into their receivers' buffers; while a transaction runs they wait for its end, for the receiver
    /// may be its client, whose reply is an array that is not complete.
    pub fn deliver(&mut self) {
        if self.core.changes.is_in_transaction() {
            return;
        }
        // What a client changed itself, it hears of last.
        let mut own: Vec<(SessionId, Option<Bytes>)> = Vec::new();
        for delivery in self.core.pubsub.take_deliveries() {
            match delivery {
                Delivery::Message(message) => self.write_message(message),
                Delivery::Invalidation { to, keys, by_itself } => match self.tracking(to) {
                    None => {}
                    // It may have changed its mode since it read the key.
                    Some(mode) if mode.scope == Scope::Broadcast || mode.no_loop && by_itself => {}
                    Some(_) if by_itself => own.push((to, Some(keys))),
                    Some(_) => self.invalidate(to, Some(&keys)),
                },
                Delivery::Flushed { by } => {
                    let tracking = self.sessions().filter(|session| session.tracking.is_some());
                    let all: Vec<SessionId> = tracking.map(|session| session.id).collect();
                    for to in all {
                        if by == Some(to) {
                            own.push((to, None));
                        } else {
                            self.invalidate(to, None);
                        }
                    }
                }
            }
        }
        for (to, keys) in own {
            self.invalidate(to, keys.as_ref());
        }
        if self.core.tracking.has_broadcasts() {
            self.broadcast_changes();
        }
    }

    /// As [`Engine::deliver`], where there mostly is nothing.
    pub(crate) fn deliver_news(&mut self) {
        if self.core.pubsub.has_deliveries() || self.core.tracking.has_broadcasts() {
            self.deliver();
        }
    }

    fn write_message(&mut self, message: Message) {
        let Message { to, pattern, sharded, channel, payload } = message;
        let Some(mut reply) = self.writer(to) else { return };
        match &pattern {
            Some(pattern) => {
                reply.push(4);
                reply.bulk(b"pmessage");
                reply.bulk(pattern);
            }
            None => {
                reply.push(3);
                reply.bulk(if sharded { b"smessage" } else { b"message" });
            }
        }
        reply.bulk(&channel);
        reply.bulk_shared(payload);
    }

    fn broadcast_changes(&mut self) {
        let sessions = &self.sessions;
        let is_no_loop = |id: SessionId| {
            let state = sessions.get(id.index()).map(|session| &session.state).filter(|state| state.id == id);
            state.and_then(|state| state.tracking.as_ref()).is_some_and(|mode| mode.no_loop)
        };
        for message in self.core.tracking.take_broadcasts(is_no_loop) {
            self.invalidate(message.to, Some(&message.keys));
        }
    }

    /// Tells a session that tracks, or the one it named instead, which keys changed; all of them for `None`.
    fn invalidate(&mut self, id: SessionId, keys: Option<&Bytes>) {
        let Some(mode) = self.tracking(id) else { return };
        let redirect = mode.redirect;
        if let Some(target) = redirect.filter(|&target| self.find(target).is_none()) {
            return self.tell_broken(id, target);
        }
        let target = redirect.unwrap_or(id);
        let is_listening = redirect.is_some() && self.session(target).is_subscribed();
        let Some(mut reply) = self.writer(target) else { return };
        match reply.protocol() {
            Protocol::Resp3 => {
                reply.push(2);
                reply.bulk(b"invalidate");
            }
            Protocol::Resp2 if is_listening => {
                reply.push(3);
                reply.bulk(b"message");
                reply.bulk(CHANNEL);
            }
            // Nothing can be told to a client that expects nothing but replies.
            Protocol::Resp2 => return,
        }
        match keys {
            Some(keys) => reply.raw(keys),
            None => reply.null(),
        }
    }

    /// The session that was to hear it instead is gone: the first one hears of that, if its protocol allows.
    fn tell_broken(&mut self, id: SessionId, target: SessionId) {
        if let Some(mode) = self.session_mut(id).tracking.as_mut() {
            mode.is_broken = true;
        }
        let Some(mut reply) = self.writer(id).filter(|reply| reply.protocol() == Protocol::Resp3) else { return };
        reply.push(2);
        reply.bulk(b"tracking-redir-broken");
        reply.int(target.client_id() as i64);
    }

    /// A writer for a message to a session that may be gone.
    fn writer(&mut self, id: SessionId) -> Option<Reply<'_>> {
        let session = self.sessions.get_mut(id.index()).filter(|session| session.state.id == id)?;
        note(&mut self.noted, session);
        Some(Reply::new(&mut session.out, session.state.protocol))
    }

    // --- tracking ---------------------------------------------------------------------------------------------

    fn tracking(&self, id: SessionId) -> Option<&TrackingMode> {
        self.find(id)?.tracking.as_deref()
    }

    /// Has a session hear of changes (`CLIENT TRACKING on`). Prefixes are added to those that it has.
    ///
    /// # Panics
    /// When the session was closed.
    pub fn track(&mut self, id: SessionId, mut mode: TrackingMode) {
        for prefix in &mode.prefixes {
            self.core.tracking.add_prefix(prefix, id);
        }
        match self.session_mut(id).tracking.take() {
            None => self.core.tracking.begin(),
            Some(old) => {
                mode.prefixes.extend(old.prefixes);
                mode.caching = old.caching;
            }
        }
        self.session_mut(id).tracking = Some(Box::new(mode));
    }

    /// Has a session hear of no more changes (`CLIENT TRACKING off`).
    ///
    /// # Panics
    /// When the session was closed.
    pub fn untrack(&mut self, id: SessionId) {
        if let Some(mode) = self.session_mut(id).tracking.take() {
            self.core.tracking.end(id, &mode);
        }
    }

    /// CLIENT CACHING holds for one command, or for one transaction. Called behind each request that is not queued, also
    /// a refused one; `command` is nothing for one that does not exist.
    pub fn forget_caching(&mut self, id: SessionId, command: Option<CommandId>) {
        let is_client = |id| self.core.registry.get(id).full_name.starts_with("client|");
        if command.is_some_and(is_client) {
            return;
        }
        let Some(session) = self.sessions.get_mut(id.index()).filter(|session| session.state.id == id) else { return };
        if let (None, Some(mode)) = (&session.state.transaction, &mut session.state.tracking) {
            mode.caching = false;
        }
    }

    /// Remembers the keys that a session was told of, and forgets others when there are too many.
    pub(crate) fn remember_read(&mut self, id: SessionId, command: &Resolved, args: Args<'_>) {
        self.core.tracking.set_current(None);
        if command.flags.has(READ) && self.tracking(id).is_some_and(TrackingMode::remembers) {
            let (core, sessions) = (&mut self.core, &self.sessions);
            let is_open = |id: SessionId| sessions.get(id.index()).is_some_and(|session| session.state.id == id);
            // A request whose keys cannot be told was refused by the command.
            let _ = each_key(command.keys, args, |index, access| {
                if !access.any(Access::NOT_KEY) {
                    core.tracking.remember(args.at(index), id, is_open);
                }
            });
        }
        self.core.tracking.limit(self.core.config.tracking_table_max_keys, &mut self.core.pubsub);
    }
}

/// The channel on which RESP2 clients hear what others asked for.
const CHANNEL: &[u8] = b"__redis__:invalidate";
