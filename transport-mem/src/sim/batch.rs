//! Bytes that reach a machine on several connections at the same moment.
//!
//! A host that wakes for many connections hands their bytes over in one call; so does this, for the sake of what a
//! machine does differently then.

use slotmesh_cluster::machine::{ConnId, Input, Machine};

use super::Sim;
use crate::network::{ConnKey, EndState, Owner, Payload, Side};
use crate::place::MachineId;
use crate::queue::Event;
use crate::trace::{Digest, What};

impl<M: Machine> Sim<M> {
    /// Gives a machine the bytes of one connection, and those of others that are due now.
    pub(super) fn deliver_to_machine(&mut self, id: MachineId, conn: ConnId, bytes: &mut Vec<u8>) {
        let mut ends = [(conn, bytes.len()); BATCH_MAX];
        let mut count = 1;
        self.trace_bytes(id, conn, bytes);
        while count < BATCH_MAX {
            let Some((key, from, conn)) = self.next_arrival(id, &ends[..count]) else { break };
            let start = bytes.len();
            if self.queue.pop(self.now).is_none() {
                break;
            }
            let Some(pipe) = self.network.conn_mut(key).map(|conn| &mut conn.pipes[from.index()]) else { break };
            pipe.pop(self.now, bytes);
            self.network.schedule(&mut self.queue, key, from);
            self.open_window(key, from);
            self.trace_bytes(id, conn, &bytes[start..]);
            ends[count] = (conn, bytes.len());
            count += 1;
        }
        if count == 1 {
            return self.feed(id, Input::Received(conn, bytes));
        }
        let mut batch = [(conn, &bytes[..0]); BATCH_MAX];
        let mut start = 0;
        for (part, &(conn, end)) in batch.iter_mut().zip(&ends[..count]) {
            *part = (conn, &bytes[start..end]);
            start = end;
        }
        let host = &mut self.hosts[id.0];
        let Some(machine) = host.machine.as_mut() else { return };
        machine.receive_many(host.kit.clock.read(self.now), &batch[..count]);
        self.drain(id);
    }

    /// The next event, when it brings a machine bytes now on a connection that is not in the batch.
    fn next_arrival(&self, id: MachineId, batch: &[(ConnId, usize)]) -> Option<(ConnKey, Side, ConnId)> {
        let (at, Event::Arrive { conn: key, from }) = self.queue.peek()? else { return None };
        let conn = self.network.conn(key)?;
        let end = &conn.ends[from.other().index()];
        let Owner::Machine(owner, Some(name)) = end.owner else { return None };
        let is_bytes = matches!(conn.pipes[from.index()].first(), Some(Payload::Bytes(_)));
        let is_open = end.state == EndState::Open && self.network.passes(conn, from);
        let is_new = batch.iter().all(|&(conn, _)| conn != name);
        (at <= self.now && owner == id && is_bytes && is_open && is_new).then_some((key, from, name))
    }

    fn trace_bytes(&mut self, id: MachineId, conn: ConnId, bytes: &[u8]) {
        self.trace.push(self.now, Some(id.into()), What::Received(conn, bytes.len(), Digest::of(bytes)));
    }
}

/// Connections in one batch at the most; real hosts prefetch for about as many.
const BATCH_MAX: usize = 16;
