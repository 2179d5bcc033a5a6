//! What a machine wants of the wire, noted for the reactor.
//!
//! The same [`Wire`] serves the reactor's thread and in-process callers: it only notes. The bytes themselves stay
//! in the machine's buffers, so that a connection flushed ten times in one batch is written once, and a caller on
//! another thread never touches a socket. What lives here is guarded by the machine's lock; the sockets, in `net`,
//! are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Condvar;

use slotmesh_cluster::machine::{ConnId, Endpoint, Listen, Target, Wire};
use slotmesh_engine::resp::outbuf::OutBuf;

/// Something only the reactor can do, in the order it was asked.
#[derive(Debug)]
pub(crate) enum Request {
    Close(ConnId, Vec<u8>),
    Dial(ConnId, Target, Endpoint),
    Listen(Endpoint, Listen),
}

/// The notes of one machine.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Connections with bytes to write.
    pub(crate) dirty: ConnSet,
    /// Bounded by the machine: each connection is dialled and closed once.
    pub(crate) requests: Vec<Request>,
    locals: Vec<Option<LocalEntry>>,
    /// Last bytes of in-process connections that the machine closed, until their owner looks.
    closed: BTreeMap<ConnId, Vec<u8>>,
}

/// An open in-process connection.
#[derive(Debug)]
struct LocalEntry {
    generation: u32,
    arrived: Arc<Condvar>,
}

impl Outbox {
    /// Whether nothing waits for the reactor.
    pub(crate) fn is_idle(&self) -> bool {
        self.dirty.is_empty() && self.requests.is_empty()
    }

    /// Makes `conn` an in-process connection; `arrived` is notified when bytes wait or it was closed.
    pub(crate) fn open_local(&mut self, conn: ConnId, arrived: Arc<Condvar>) {
        let index = conn.index as usize;
        if self.locals.len() <= index {
            self.locals.resize_with(index + 1, || None);
        }
        self.locals[index] = Some(LocalEntry { generation: conn.generation, arrived });
    }

    /// Whether `conn` is an open in-process connection.
    pub(crate) fn is_local(&self, conn: ConnId) -> bool {
        self.local(conn).is_some()
    }

    /// Forgets an in-process connection. Its last bytes, when the machine closed it.
    pub(crate) fn forget_local(&mut self, conn: ConnId) -> Option<Vec<u8>> {
        if self.is_local(conn) {
            self.locals[conn.index as usize] = None;
        }
        self.closed.remove(&conn)
    }

    /// Wakes every in-process caller that waits.
    pub(crate) fn notify_all(&self) {
        for entry in self.locals.iter().flatten() {
            entry.arrived.notify_all();
        }
    }

    fn local(&self, conn: ConnId) -> Option<&LocalEntry> {
        self.locals.get(conn.index as usize)?.as_ref().filter(|entry| entry.generation == conn.generation)
    }
}

impl Wire for Outbox {
    fn flush(&mut self, conn: ConnId, _out: &mut OutBuf) {
        match self.local(conn) {
            Some(entry) => {
                entry.arrived.notify_all();
            }
            None => self.dirty.insert(conn),
        }
    }

    fn dial(&mut self, conn: ConnId, target: Target, endpoint: Endpoint) {
        self.requests.push(Request::Dial(conn, target, endpoint));
    }

    fn close(&mut self, conn: ConnId, rest: Vec<u8>) {
        let Some(entry) = self.local(conn) else {
            self.requests.push(Request::Close(conn, rest));
            return;
        };
        entry.arrived.notify_all();
        self.locals[conn.index as usize] = None;
        self.closed.insert(conn, rest);
    }

    fn listen(&mut self, endpoint: Endpoint, listen: Listen) {
        self.requests.push(Request::Listen(endpoint, listen));
    }
}

/// Connections in the order they were noted, each once.
#[derive(Debug, Default)]
pub(crate) struct ConnSet {
    list: Vec<ConnId>,
    /// For each index, one more than the noted generation; 0 when none is noted.
    marks: Vec<u64>,
}

impl ConnSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn get(&self, place: usize) -> ConnId {
        self.list[place]
    }

    pub(crate) fn insert(&mut self, conn: ConnId) {
        let index = conn.index as usize;
        if self.marks.len() <= index {
            self.marks.resize(index + 1, 0);
        }
        let mark = u64::from(conn.generation) + 1;
        if self.marks[index] != mark {
            self.marks[index] = mark;
            self.list.push(conn);
        }
    }

    /// Removes the first `count` connections.
    pub(crate) fn remove_first(&mut self, count: usize) {
        for conn in self.list.drain(..count) {
            let mark = &mut self.marks[conn.index as usize];
            // A later generation of the same index may have been noted since.
            if *mark == u64::from(conn.generation) + 1 {
                *mark = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use slotmesh_cluster::machine::ConnId;

    use super::ConnSet;

    fn conn(index: u32, generation: u32) -> ConnId {
        ConnId { index, generation }
    }

    #[test]
    fn a_connection_is_noted_once() {
        let mut set = ConnSet::default();

        set.insert(conn(3, 0));
        set.insert(conn(1, 0));
        set.insert(conn(3, 0));

        assert_eq!(set.list, [conn(3, 0), conn(1, 0)]);
    }

    #[test]
    fn a_removed_connection_can_be_noted_again() {
        let mut set = ConnSet::default();
        set.insert(conn(3, 0));
        set.insert(conn(3, 1));

        set.remove_first(1);
        set.insert(conn(3, 1));
        set.insert(conn(3, 0));

        assert_eq!(set.list, [conn(3, 1), conn(3, 0)]);
    }
}
