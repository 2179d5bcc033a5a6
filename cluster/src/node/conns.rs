//! The node's connections: who is at the other end and what is half read.

use std::collections::BTreeMap;

use slab::Slab;
use slotmesh_engine::resp::outbuf::{OutBuf, Ticket};
use slotmesh_engine::resp::request::RequestParser;
use slotmesh_engine::session::SessionId;
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::wait::Written;

use super::unread::Unread;
use crate::bus::LinkId;
use crate::machine::{ConnId, Peer};
use crate::sentinel::Wire;

/// All connections, by the name the node gave them.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slots: Slab<Conn>,
    /// Use count of each place, so that a name is never given twice.
    generations: Vec<u32>,
    /// What a name that is no longer in use reads.
    nobody: OutBuf,
    /// The connection of each session, by the session's index.
    by_session: Vec<Option<ConnId>>,
    /// The connection of each bus link: every message asks for it, and a node has as many links as twice its peers.
    by_link: BTreeMap<LinkId, ConnId>,
    /// The connection of each of a sentinel's wires.
    by_wire: BTreeMap<Wire, ConnId>,
    clients: usize,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    pub(crate) kind: Kind,
    /// Waiting bytes of a connection without a session.
    pub(crate) out: OutBuf,
}

/// What a connection is for.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A RESP client, which may turn into a replica or a monitor.
    Client(Box<Client>),
    /// Our own connection to a server that takes keys.
    Courier,
    /// A link of the cluster bus.
    Link(LinkId),
    /// Our own connection to our primary.
    Primary,
    /// A sentinel's connection to an instance.
    Wire(Wire),
}

/// A RESP client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) session: SessionId,
    pub(crate) peer: Peer,
    /// Bytes of requests not run yet: an incomplete tail, or what came while the client was paused.
    pub(crate) input: Unread,
    pub(crate) parser: RequestParser,
    pub(crate) opened: Instant,
    /// When it last sent or was sent something.
    pub(crate) active: Instant,
    pub(crate) role: Role,
    /// Close once the bytes that wait now have left.
    pub(crate) closing: bool,
    /// What stops its next request from running.
    pub(crate) waiting: Option<Waiting>,
    /// Whether it ran a write since WAIT last looked.
    pub(crate) wrote: bool,
    /// The places behind its writes, which WAIT and WAITAOF compare with.
    pub(crate) written: Written,
    /// The last command, by its place in the registry.
    pub(crate) last_command: Option<slotmesh_engine::command::CommandId>,
    /// Since when its output is over the soft limit.
    pub(crate) over_soft_limit: Option<Instant>,
    pub(crate) bytes_in: u64,
    /// Bytes ever put into its buffer, as far as they are counted.
    pub(crate) bytes_out: u64,
    /// Commands that ran, those of transactions included.
    pub(crate) commands: u64,
}

/// What a client connection has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A plain client.
    Normal,
    /// It asked to see every command.
    Monitor,
    /// It follows our log.
    Replica,
}

/// Why a client's requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The host's answer: a file, a listener, the end of the node.
    Host,
    /// A key that is not there; the engine knows which.
    Keys,
    /// CLIENT PAUSE, or a failover in progress.
    Pause,
    /// The time of other requests must be told first, so that the next one is measured alone.
    Turn,
    /// WAIT; replication knows for what.
    Replicas,
}

impl Conns {
    /// Makes a name for a connection of this kind.
    pub(crate) fn open(&mut self, kind: Kind) -> ConnId {
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        if self.generations.len() <= index {
            self.generations.resize(index + 1, 0);
        }
        let id = ConnId { index: index as u32, generation: self.generations[index] };
        if let Kind::Client(client) = &kind {
            let session = client.session.index();
            if self.by_session.len() <= session {
                self.by_session.resize(session + 1, None);
            }
            self.by_session[session] = Some(id);
            self.clients += 1;
        }
        if let Kind::Link(link) = kind {
            let before = self.by_link.insert(link, id);
            debug_assert!(before.is_none(), "a link has one connection");
        }
        if let Kind::Wire(wire) = kind {
            let before = self.by_wire.insert(wire, id);
            debug_assert!(before.is_none(), "a wire has one connection");
        }
        entry.insert(Conn { id, kind, out: OutBuf::new() });
        id
    }

    /// Forgets a connection; its name is never used again.
    pub(crate) fn close(&mut self, id: ConnId) -> Option<Conn> {
        self.get(id)?;
        let conn = self.slots.remove(id.index as usize);
        self.generations[id.index as usize] += 1;
        match &conn.kind {
            Kind::Client(client) => {
                self.by_session[client.session.index()] = None;
                self.clients -= 1;
            }
            Kind::Link(link) => {
                self.by_link.remove(link);
            }
            Kind::Wire(wire) => {
                self.by_wire.remove(wire);
            }
            Kind::Courier | Kind::Primary => {}
        }
        Some(conn)
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.slots.get(id.index as usize).filter(|conn| conn.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots.get_mut(id.index as usize).filter(|conn| conn.id == id)
    }

    /// The client at the other end, if it is one.
    pub(crate) fn client(&self, id: ConnId) -> Option<&Client> {
        match &self.get(id)?.kind {
            Kind::Client(client) => Some(client),
            Kind::Courier | Kind::Link(_) | Kind::Primary | Kind::Wire(_) => None,
        }
    }

    pub(crate) fn client_mut(&mut self, id: ConnId) -> Option<&mut Client> {
        match &mut self.get_mut(id)?.kind {
            Kind::Client(client) => Some(client),
            Kind::Courier | Kind::Link(_) | Kind::Primary | Kind::Wire(_) => None,
        }
    }

    /// The connection of a session.
    pub(crate) fn of_session(&self, session: SessionId) -> Option<ConnId> {
        let id = self.by_session.get(session.index()).copied().flatten()?;
        self.client(id).filter(|client| client.session == session)?;
        Some(id)
    }

    /// The connection of a bus link.
    pub(crate) fn of_link(&self, link: LinkId) -> Option<ConnId> {
        self.by_link.get(&link).copied()
    }

    /// The connection of a sentinel's wire.
    pub(crate) fn of_wire(&self, wire: Wire) -> Option<ConnId> {
        self.by_wire.get(&wire).copied()
    }

    /// Number of clients.
    pub(crate) fn client_count(&self) -> usize {
        self.clients
    }

    /// Ends the holds that wait for `ticket` on connections without a session; names those that can go on.
    pub(crate) fn release_holds(&mut self, ticket: Ticket) -> Vec<ConnId> {
        let held = self.slots.iter_mut().filter(|(_, conn)| !conn.out.is_empty());
        held.filter_map(|(_, conn)| conn.out.release(ticket).then_some(conn.id)).collect()
    }

    /// Memory of the bytes that wait for bus links, for the primary and for servers that take keys.
    pub(crate) fn link_bytes(&self) -> usize {
        self.slots.iter().map(|(_, conn)| conn.out.allocated()).sum()
    }

    /// All clients, by place.
    pub(crate) fn clients(&self) -> impl Iterator<Item = (ConnId, &Client)> {
        self.slots.iter().filter_map(|(_, conn)| match &conn.kind {
            Kind::Client(client) => Some((conn.id, &**client)),
            Kind::Courier | Kind::Link(_) | Kind::Primary | Kind::Wire(_) => None,
        })
    }

    /// The buffer of a connection without a session.
    pub(crate) fn own_out(&mut self, id: ConnId) -> &mut OutBuf {
        match self.slots.get_mut(id.index as usize) {
            Some(conn) if conn.id == id => &mut conn.out,
            _ => &mut self.nobody,
        }
    }

    /// The buffer for a name that is no longer in use: always empty.
    pub(crate) fn nobody(&mut self) -> &mut OutBuf {
        self.nobody.clear();
        &mut self.nobody
    }
}

impl Client {
    /// Whether bytes that arrive now are the next to run.
    pub(crate) fn is_next(&self) -> bool {
        self.input.is_empty() && self.waiting.is_none() && !self.closing
    }

    pub(crate) fn new(now: Now, session: SessionId, peer: Peer) -> Self {
        Self {
            session,
            peer,
            input: Unread::default(),
            parser: RequestParser::default(),
            opened: now.instant,
            active: now.instant,
            role: Role::Normal,
            closing: false,
            waiting: None,
            wrote: false,
            written: Written::default(),
            last_command: None,
            over_soft_limit: None,
            bytes_in: 0,
            bytes_out: 0,
            commands: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Conns, Kind};
    use crate::bus::LinkId;

    #[test]
    fn a_link_is_found_until_its_connection_is_closed() {
        let mut conns = Conns::default();
        let [old, new, other] = [(0, 0), (0, 1), (1, 0)].map(|(index, generation)| LinkId { index, generation });
        // The bus may give a place to a new link before it has been told that the old one is gone.
        let ids = [old, new, other].map(|link| (link, conns.open(Kind::Link(link))));
        conns.open(Kind::Primary);

        for (link, id) in ids {
            assert_eq!(conns.of_link(link), Some(id));
        }
        conns.close(ids[0].1);
        assert_eq!([old, new, other].map(|link| conns.of_link(link)), [None, Some(ids[1].1), Some(ids[2].1)]);

        let again = conns.open(Kind::Link(LinkId { index: 0, generation: 2 }));
        assert_eq!(again.index, ids[0].1.index);
        assert_eq!(conns.of_link(old), None);
    }
}
