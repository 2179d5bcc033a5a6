//! What follows every input: moving what one part produced to the part that needs it, until all are quiet, and then
//! to the connections.

use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::time::Now;
use slotmesh_replication::log::Audience;

use super::conns::{Client, Kind, Role};
use super::{Counters, Node};
use crate::machine::{ConnId, Effect, Peer};

/// Who takes the bytes that wait for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// The caller whose request was handled, by itself.
    Caller,
    /// The host, when an effect asks it to.
    Wire,
}

impl Node {
    /// Drains every part into the others, then the sessions' buffers into effects.
    pub(super) fn drain(&mut self, now: Now) {
        self.is_calm = false;
        if self.deaf.sleeps_until().is_some() {
            return self.plan_timer();
        }
        // What the primary's stream or a dataset that was read brought.
        self.serve_blocked(now);
        let caller = self.caller.take();
        let moves = std::mem::take(&mut self.stirred) || self.has_news();
        if moves {
            self.drain_parts(now);
        }
        self.flush_sessions(now, caller);
        self.sample_rates(now);
        self.resume_clients(now);
        if self.plan_engine(now) | moves | self.stirred {
            self.plan_timer();
        }
        self.is_calm = self.is_calm();
    }

    /// Whether data commands left something for another part: after mere reads nothing but replies has to move.
    pub(super) fn has_news(&self) -> bool {
        let core = self.engine.core();
        !core.changes.is_empty() || !core.broadcasts.is_empty() || self.job.is_some()
    }

    fn drain_parts(&mut self, now: Now) {
        if std::mem::take(&mut self.engine.core_mut().all_flushed) {
            self.cancel_background_dump(now);
        }
        while self.step_changes()
            | self.step_broadcasts()
            | self.step_bus(now)
            | self.step_feeds(now)
            | self.step_courier(now)
            | self.step_handover(now)
            | self.step_primary_link(now)
            | self.step_persistence(now)
            | self.step_waits(now)
            | self.step_sentinel(now)
        {}
        self.replication.feeds.enforce_limits(now, &mut self.replication.log);
        self.flush_aof(now);
        while self.step_feeds(now) | self.step_persistence(now) {}
    }

    /// Lets clients go on whose wait ended during the drain; what they do is drained by the next input at the latest.
    fn resume_clients(&mut self, now: Now) {
        if self.resumed.is_empty() {
            return;
        }
        for conn in std::mem::take(&mut self.resumed) {
            self.run_kept(now, conn);
        }
        self.yield_now();
    }

    /// Moves the bytes of changes into the log, which every replica and the append only file read.
    pub(super) fn step_changes(&mut self) -> bool {
        let changes = self.engine.changes();
        if changes.is_empty() {
            return false;
        }
        let db = changes.db().map(|db| db.0);
        // A writable replica's own changes are in no stream; its file still keeps them.
        let audience = if self.engine.core().is_replica { Audience::Files } else { Audience::All };
        self.replication.log.append_raw(self.engine.core().changes.bytes(), audience, db);
        self.engine.changes().clear();
        self.replication.feeds.log_grew(&self.replication.log);
        true
    }

    /// Flushes, limits or closes every session whose buffer got bytes; `caller` looks at its own.
    fn flush_sessions(&mut self, now: Now, caller: Option<ConnId>) {
        self.hold_promises();
        let mut noted = std::mem::take(&mut self.noted);
        self.engine.take_noted(&mut noted);
        let hold = if noted.is_empty() { None } else { self.reply_hold() };
        for session in noted.drain(..) {
            let Some(conn) = self.conns.of_session(session) else { continue };
            if let Some(ticket) = hold {
                self.hold_replies(conn, ticket);
            }
            let reader = if caller == Some(conn) { Reader::Caller } else { Reader::Wire };
            self.settle_client(now, conn, reader);
        }
        self.noted = noted;
    }

    /// Who changed the cluster's state hears so when that is on the disk, if it is synced at all: a node that is killed
    /// behind its word would be asked for a slot that it does not know to be its own.
    fn hold_promises(&mut self) {
        if self.promised.is_empty() {
            return;
        }
        let ticket = self.persistence.cluster_config_ticket();
        for conn in std::mem::take(&mut self.promised) {
            if let Some(ticket) = ticket {
                self.hold_replies(conn, ticket);
            }
        }
    }

    /// Flushes a client's buffer; closes the client if it asked to leave or does not read.
    fn settle_client(&mut self, now: Now, conn: ConnId, reader: Reader) {
        let Self { conns, engine, counters, .. } = self;
        let Some(client) = conns.client_mut(conn) else { return };
        let out = engine.out_ref(client.session);
        count_output(client, out, counters);
        let is_visible = out.visible() > 0;
        if client.closing {
            return self.close_client(conn);
        }
        // A caller in the process reads at once.
        let may_stay = matches!(client.peer, Peer::InProcess) || self.check_output_limit(now, conn);
        if may_stay && is_visible && reader == Reader::Wire {
            self.effects.push_back(Effect::Flush(conn));
        }
    }

    /// Closes a client that lets more bytes wait than its class may. Returns whether it is still there.
    pub(super) fn check_output_limit(&mut self, now: Now, conn: ConnId) -> bool {
        if !self.is_over_output_limit(now, conn) {
            return self.conns.client(conn).is_some();
        }
        let info = self.client_info(conn);
        self.log_warning(format!("Client {info} scheduled to be closed ASAP for overcoming of output buffer limits."));
        self.counters.output_limit_disconnections += 1;
        if let Some(client) = self.conns.client(conn) {
            self.engine.out(client.session).clear();
        }
        self.close_client(conn);
        false
    }

    /// Closes a client's connection; what is visible of its buffer still leaves.
    pub(super) fn close_client(&mut self, conn: ConnId) {
        self.stirred = true;
        let Some(client) = self.conns.client(conn) else { return };
        let session = client.session;
        let mut rest = Vec::new();
        self.engine.out(session).take_into(&mut rest);
        let Some(closed) = self.conns.close(conn) else { return };
        if let Kind::Client(client) = closed.kind {
            let now = self.last_now;
            self.forget_client(now, conn, &client);
        }
        self.effects.push_back(Effect::Close(conn, rest));
    }

    /// Gives a connection that is refused its name and closes it with a last word.
    pub(super) fn refuse_connection(&mut self, last_word: Vec<u8>) -> ConnId {
        let conn = self.conns.open(Kind::Primary);
        self.conns.close(conn);
        self.effects.push_back(Effect::Close(conn, last_word));
        conn
    }

    pub(super) fn on_drained(&mut self, now: Now, conn: ConnId) {
        self.courier_drained(now, conn);
        if self.conns.client(conn).is_some_and(|client| client.role == Role::Replica) {
            self.fill_replica(now, conn);
        }
    }
}

/// Counts what was put into a client's buffer since the last time.
pub(super) fn count_output(client: &mut Client, out: &OutBuf, counters: &mut Counters) {
    let total = out.position().bytes();
    let new = total.saturating_sub(std::mem::replace(&mut client.bytes_out, total));
    counters.writes += u64::from(new > 0);
    match client.role {
        Role::Replica => counters.replication_output_bytes += new,
        Role::Monitor | Role::Normal => counters.net_output_bytes += new,
    }
}
