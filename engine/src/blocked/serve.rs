//! Serving sessions that wait for keys.
//!
//! Whoever drives the engine asks after each command, or each whole transaction, for those who are next
//! ([`Engine::next_served`]) and runs their requests again, one by one, behind the gates that every request passes. A
//! request that makes another key ready only lengthens this line: nothing calls itself. A host tells the engine when
//! waits are over ([`Engine::time_out`]).

use super::Request;
use crate::core::is_past;
use crate::engine::Engine;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::session::SessionId;
use crate::time::{Instant, Now};

impl Engine {
    /// Whether a session waits for a key. Its next requests are the host's to keep until it no longer does.
    #[inline]
    pub fn is_blocked(&self, id: SessionId) -> bool {
        self.find(id).is_some_and(|state| state.blocked)
    }

    /// Whether [`Engine::next_served`] may have somebody.
    #[inline]
    pub fn has_served(&self) -> bool {
        let core = self.core();
        core.blocked.has_ready() || core.watch.has_touched()
    }

    /// Ends the wait of the session that is served next, and hands out its request, which the caller runs again.
    pub fn next_served(&mut self, now: Now) -> Option<(SessionId, Request)> {
        let core = self.core_mut();
        let (keyspace, blocked) = (&core.keyspace, &mut core.blocked);
        let kind_of = |db, key: &[u8]| {
            let entry = keyspace.db(db).find(keyspace.hash(key), key).filter(|entry| !is_past(entry, now))?;
            Some(entry.value().kind())
        };
        if core.watch.has_touched() {
            blocked.keys_touched(core.watch.take_touched(), kind_of);
            core.watch.keep_touched(blocked.minds_loss());
        }
        let (id, request) = blocked.end_next(kind_of)?;
        self.session_mut(id).blocked = false;
        Some((id, request))
    }

    /// When the next wait is over.
    pub fn block_deadline(&self) -> Option<Instant> {
        self.core().blocked.deadline()
    }

    /// Ends one wait whose time has come, with the reply of commands that waited in vain. Returns whose; to be called
    /// until there is none.
    pub fn time_out(&mut self, now: Now) -> Option<SessionId> {
        let (id, request) = self.core_mut().blocked.end_past(now.instant)?;
        self.reply_timed_out(id, &request);
        Some(id)
    }

    /// Ends a session's wait as if its time had come. Returns whether it waited.
    pub fn end_wait(&mut self, id: SessionId) -> bool {
        let Some(request) = self.core_mut().blocked.end(id) else { return false };
        self.reply_timed_out(id, &request);
        true
    }

    /// Ends a session's wait with an error. Returns whether it waited.
    pub fn fail_wait(&mut self, id: SessionId, error: &ReplyError) -> bool {
        let Some(request) = self.core_mut().blocked.end(id) else { return false };
        self.session_mut(id).blocked = false;
        self.core_mut().stats.count_call(request.command.id, true);
        self.reply_error(id, error);
        true
    }

    fn reply_timed_out(&mut self, id: SessionId, request: &Request) {
        self.session_mut(id).blocked = false;
        self.core_mut().stats.count_call(request.command.id, false);
        if !self.session(id).is_silent() {
            self.reply(id).null_array();
        }
    }

    /// Serves everybody who can be, when no host stands around the engine.
    pub(crate) fn serve_alone(&mut self, now: Now) {
        while let Some((id, request)) = self.next_served(now) {
            self.execute_again(now, id, request.command, request.args.as_args());
        }
    }

    fn execute_again(&mut self, now: Now, id: SessionId, command: crate::command::Resolved, args: Args<'_>) {
        match self.gate(now, id, command) {
            Ok(()) => self.call(now, id, command, args),
            Err(error) => self.refuse(id, Some(command.id), &error),
        }
    }
}

#[cfg(test)]
mod tests;
