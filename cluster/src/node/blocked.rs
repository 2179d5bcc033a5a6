//! Clients that wait for keys: holding them, serving them, letting them go.
//!
//! Who waits for what, and who is next, is the engine's (`slotmesh_engine::blocked`). Here a client's further requests
//! are held back, its own one passes the gates again when it is served, and what ends a wait from outside is carried
//! out: time, another role, slots that another node serves.

use slotmesh_engine::blocked::Request;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::reply::write_request;
use slotmesh_engine::resp::request::RequestParser;
use slotmesh_engine::session::SessionId;
use slotmesh_engine::time::Now;

use super::Node;
use super::command::Call;
use super::conns::Waiting;
use super::unread::Unread;
use crate::machine::ConnId;
use crate::redirect::Refusal;

impl Node {
    /// Holds a client's next requests while it waits for a key.
    pub(super) fn hold_blocked(&mut self, conn: ConnId) {
        if let Some(client) = self.conns.client_mut(conn) {
            client.waiting = Some(Waiting::Keys);
        }
        self.note_wait(conn);
        // The wait may be the next to end.
        self.stirred = true;
    }

    /// Runs the requests of clients whose keys are there, until nobody can be served any more. Each is a unit of its
    /// own in the log.
    #[inline]
    pub(super) fn serve_blocked(&mut self, now: Now) {
        if self.engine.has_served() {
            self.serve_all_blocked(now);
        }
    }

    fn serve_all_blocked(&mut self, now: Now) {
        while let Some((session, request)) = self.engine.next_served(now) {
            if let Some(conn) = self.conns.of_session(session) {
                self.run_again(now, conn, session, &request);
            }
        }
    }

    /// The gates are asked once more: the node may have become full or lost a slot meanwhile. A pause is not: what
    /// filled the key has run.
    fn run_again(&mut self, now: Now, conn: ConnId, session: SessionId, request: &Request) {
        let call = Call { now, conn, session, args: request.args.as_args(), command: request.command };
        if self.is_in_transit(session, call.command, call.args) {
            return self.hold_served(conn, call.args);
        }
        match self.gates(call) {
            Err(refusal) => self.refuse(call, &refusal),
            Ok(()) => {
                self.run_command(call, None);
                if !self.engine.is_blocked(session) {
                    self.note_served(call);
                }
            }
        }
        if !self.engine.is_blocked(session) {
            self.release_blocked(conn, session);
        }
    }

    /// Lets a client that would be served wait for keys in transit: its request comes again behind that, as if it had
    /// been sent then.
    fn hold_served(&mut self, conn: ConnId, args: Args<'_>) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        let mut bytes = Vec::with_capacity(args.framed_len() + client.input.len());
        write_request(&mut bytes, args.iter());
        bytes.extend_from_slice(client.input.bytes());
        client.input = Unread::default();
        client.input.append(&bytes);
        client.parser = RequestParser::default();
        client.waiting = Some(Waiting::Pause);
    }

    /// Lets a client go on whose wait is over and that has its reply.
    pub(super) fn release_blocked(&mut self, conn: ConnId, session: SessionId) {
        self.forget_asking(session, None);
        self.after_reply_mode(session);
        let Some(client) = self.conns.client_mut(conn) else { return };
        client.waiting = None;
        if !client.input.is_empty() {
            self.resumed.push(conn);
        }
    }

    /// Ends the waits whose time has come.
    pub(super) fn tick_blocked(&mut self, now: Now) {
        while let Some(session) = self.engine.time_out(now) {
            if let Some(conn) = self.conns.of_session(session) {
                self.count_ended(conn);
                self.release_blocked(conn, session);
            }
        }
    }

    /// Counts the command of a client whose wait ended without a key: it will not run again.
    fn count_ended(&mut self, conn: ConnId) {
        if let Some(client) = self.conns.client_mut(conn) {
            client.commands += 1;
        }
    }

    /// Ends a client's wait by CLIENT UNBLOCK: as if its time had come, or with an error. Returns whether it waited.
    pub(super) fn unblock(&mut self, conn: ConnId, error: Option<&ReplyError>) -> bool {
        let Some(client) = self.conns.client(conn) else { return false };
        let session = client.session;
        let ended = match error {
            Some(error) => self.engine.fail_wait(session, error),
            None => self.engine.end_wait(session),
        };
        if ended {
            self.count_ended(conn);
            self.release_blocked(conn, session);
        }
        ended
    }

    /// Sends clients away whose keys another node serves by now, or nobody.
    pub(super) fn redirect_blocked(&mut self, now: Now) {
        // Whoever waits is told of the cluster's state ahead of its slot's (Redis 7.0), unlike whoever asks.
        let is_down = self.bus.as_ref().is_some_and(|bus| !bus.is_ok());
        let down = ReplyError::text(Refusal::Down.to_string());
        let misplaced = self.engine.core().blocked.waiting().filter_map(|(session, request)| {
            let error = self.slot_gate(now, session, request.command, request.args.as_args()).err()?;
            // A slot on its way is still ours: its keys come here until it has moved.
            let error = if error.code() == b"CLUSTERDOWN" && is_down { down.clone() } else { error };
            matches!(error.code(), b"MOVED" | b"CLUSTERDOWN").then_some((session, error))
        });
        for (session, error) in misplaced.collect::<Vec<_>>() {
            if let Some(conn) = self.conns.of_session(session) {
                self.unblock(conn, Some(&error));
            }
        }
    }
}
