//! The short way for a caller in the process whose request takes no more than a look.
//!
//! Nearly all of what surrounds a command (gates, the drain, the host's settling) has nothing to do when a plain client
//! reads a key while nothing else goes on. [`Node::answer_plainly`] asks for that once, runs the command, and goes the
//! long way when anything is out of the ordinary. What it leaves behind is what the long way leaves behind.

use slotmesh_engine::Engine;
use slotmesh_engine::command::Resolved;
use slotmesh_engine::config::choices::AppendFsync;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::time::Now;

use super::Node;
use super::conns::Role;
use super::drain::count_output;
use super::slot_gate::serves_read;
use crate::machine::{Answer, ConnId};

impl Node {
    /// Answers a request that only reads, if nothing stands in its way.
    pub(super) fn answer_plainly(&mut self, now: Now, conn: ConnId, request: Args<'_>, reply: &mut Vec<u8>) -> Answer {
        if !self.is_calm || self.is_sample_due(now) {
            return Answer::Declined;
        }
        let Self { conns, engine, counters, timing, bus, .. } = self;
        let Some(client) = conns.client_mut(conn).filter(|client| client.is_next() && client.role == Role::Normal)
        else {
            return Answer::Declined;
        };
        let session = client.session;
        let may_run = |engine: &Engine, command: &Resolved| {
            timing.needs_no_turn(command)
                && bus.as_ref().is_none_or(|bus| serves_read(bus, now, engine.session(session), command, request))
        };
        let Some(command) = engine.read(now, session, request, may_run) else { return Answer::Declined };
        self.last_now = now;
        client.active = now.instant;
        client.commands += 1;
        client.last_command = Some(command);
        let received = request.framed_len() as u64;
        client.bytes_in += received;
        counters.net_input_bytes += received;
        counters.reads += 1;
        let out = engine.out(session);
        count_output(client, out, counters);
        let begin = reply.len();
        out.take_into(reply);

        let sent = (reply.len() - begin) as u64;
        if self.sizes.may_be_kept(request, sent) {
            self.log_sizes(now, conn, command, request, sent);
        }
        // A key whose time had come is gone now, and others may have to hear of it.
        if self.engine.has_noted() || self.has_news() {
            self.drain(now);
            return Answer::Unsettled;
        }
        Answer::Whole
    }

    /// Whether nothing goes on that a read has to wait for, be shown to, or be refused for.
    pub(super) fn is_calm(&self) -> bool {
        let core = self.engine.core();
        !self.deaf.is_deaf()
            && self.job.is_none()
            && self.pause.is_empty()
            && self.resumed.is_empty()
            && self.monitors == 0
            && !core.is_replica
            && !core.is_loading
            && core.config.maxmemory == 0
            && !self.stirred
            && !(core.config.appendonly && core.config.appendfsync == AppendFsync::Always)
    }
}
