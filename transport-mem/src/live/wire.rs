//! A live machine's connections.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use slotmesh_cluster::machine::{ConnId, Endpoint, Listen, Reset, Target, Wire};
use slotmesh_engine::resp::outbuf::OutBuf;

use super::caller::Inbox;
use super::mail::{Address, Mail, Office};
use crate::address::{self, EphemeralPorts, Listener};
use crate::place::MachineId;
use crate::take::take_visible;

/// All connections and ports of one machine.
#[derive(Debug)]
pub(super) struct Wiring {
    /// By [`ConnId::index`].
    lines: Vec<Option<Line>>,
    listeners: BTreeMap<Endpoint, Listener>,
    ports: EphemeralPorts,
    /// What the machine is to be told without anyone else's doing.
    pub(super) notices: VecDeque<Notice>,
}

/// Something that follows from an effect at once.
#[derive(Debug)]
pub(super) enum Notice {
    Closed(ConnId, Reset),
    Drained(ConnId),
    Listening(Endpoint, Result<(), String>),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    generation: u32,
    pub(super) peer: Far,
    /// Our own address and the other's, for those that have any.
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
    /// Bytes posted that the other end has not read.
    in_flight: usize,
    /// Bytes read that the other end has not been told of.
    unread_notice: usize,
    /// Whether bytes wait for the other end to read.
    pub(super) is_blocked: bool,
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(super) enum Far {
    Caller(Arc<Inbox>),
    Dialling,
    Machine(Address),
}

impl Wiring {
    pub(super) fn new() -> Self {
        Self { lines: Vec::new(), listeners: BTreeMap::new(), ports: EphemeralPorts::new(), notices: VecDeque::new() }
    }

    pub(super) fn attach(&mut self, conn: ConnId, peer: Far, addresses: Option<(SocketAddr, SocketAddr)>) {
        let index = conn.index as usize;
        if self.lines.len() <= index {
            self.lines.resize_with(index + 1, || None);
        }
        let generation = conn.generation;
        let line = Line { generation, peer, addresses, in_flight: 0, unread_notice: 0, is_blocked: false };
        let before = self.lines[index].replace(line);
        assert!(before.is_none(), "a machine gives a connection's name out again only after it is free");
    }

    pub(super) fn find(&mut self, conn: ConnId) -> Option<&mut Line> {
        let line = self.lines.get_mut(conn.index as usize)?.as_mut()?;
        (line.generation == conn.generation).then_some(line)
    }

    pub(super) fn detach(&mut self, conn: ConnId) -> Option<Line> {
        self.find(conn)?;
        self.lines[conn.index as usize].take()
    }

    /// The names of all connections, by place.
    pub(super) fn names(&self) -> Vec<ConnId> {
        let lines = self.lines.iter().enumerate();
        lines
            .filter_map(|(index, line)| Some(ConnId { index: index as u32, generation: line.as_ref()?.generation }))
            .collect()
    }

    pub(super) fn listener(&self, address: SocketAddr) -> Option<Endpoint> {
        let mut all = self.listeners.iter();
        all.find(|(_, listener)| listener.accepts(address)).map(|(&endpoint, _)| endpoint)
    }
}

impl Line {
    /// Sends what is visible of `out` as far as the other end takes it.
    pub(super) fn flush(&mut self, office: &Office, out: &mut OutBuf) {
        match &self.peer {
            Far::Caller(inbox) => self.is_blocked = inbox.put(out),
            Far::Dialling => self.is_blocked = true,
            Far::Machine(address) => {
                self.in_flight += office.post_bytes(*address, out, WINDOW_BYTES.saturating_sub(self.in_flight));
                self.is_blocked = out.visible() > 0;
            }
        }
    }

    /// Notes that bytes were read, and tells the other end from time to time.
    pub(super) fn has_read(&mut self, office: &Office, count: usize) {
        self.unread_notice += count;
        if self.unread_notice >= WINDOW_BYTES / 4
            && let Far::Machine(address) = self.peer
        {
            office.post_to(address, Mail::Read(address.conn, std::mem::take(&mut self.unread_notice)));
        }
    }

    /// Notes that the other end has read.
    pub(super) fn was_read(&mut self, count: usize) {
        self.in_flight = self.in_flight.saturating_sub(count);
    }

    /// Tells the other end that this one is gone, after its last bytes.
    pub(super) fn end(self, office: &Office, rest: Vec<u8>, reset: Reset) {
        match self.peer {
            Far::Caller(inbox) => inbox.close(&rest, reset),
            // The answer will find nobody and be answered with a close.
            Far::Dialling => {}
            Far::Machine(address) => {
                if !rest.is_empty() {
                    office.post_to(address, Mail::Bytes(address.conn, rest));
                }
                office.post_to(address, Mail::Closed(address.conn, reset));
            }
        }
    }
}

/// The half of a host that moves bytes, for the time of one drain.
pub(super) struct LiveWire<'a> {
    pub(super) id: MachineId,
    pub(super) run: u32,
    pub(super) office: &'a Office,
    pub(super) wiring: &'a mut Wiring,
    /// The caller whose thread this is: its bytes need no inbox.
    pub(super) reader: Option<(ConnId, &'a mut Vec<u8>)>,
}

impl Wire for LiveWire<'_> {
    fn flush(&mut self, conn: ConnId, out: &mut OutBuf) {
        match &mut self.reader {
            Some((reader, bytes)) if *reader == conn => {
                take_visible(out, usize::MAX, bytes);
            }
            Some(_) | None => {
                let Some(line) = self.wiring.find(conn) else { return };
                line.flush(self.office, out);
            }
        }
        if out.take_drained() {
            self.wiring.notices.push_back(Notice::Drained(conn));
        }
    }

    fn dial(&mut self, conn: ConnId, target: Target, _: Endpoint) {
        let local = SocketAddr::new(self.id.ip(), self.wiring.ports.next());
        match address::resolve(self.id, &target, self.office.len(), &BTreeMap::new()) {
            Ok((ip, peer)) => {
                let remote = SocketAddr::new(ip, target.port);
                let local = if ip.is_loopback() { SocketAddr::new(ip, local.port()) } else { local };
                self.wiring.attach(conn, Far::Dialling, Some((local, remote)));
                let from = Address { machine: self.id, run: self.run, conn };
                self.office.post(peer, None, Mail::Dial { from, remote: local, local: remote });
            }
            Err(why) => {
                self.wiring.attach(conn, Far::Dialling, None);
                self.wiring.notices.push_back(Notice::Closed(conn, address::reset(why)));
            }
        }
    }

    fn close(&mut self, conn: ConnId, rest: Vec<u8>) {
        let Some(line) = self.wiring.detach(conn) else { return };
        match &mut self.reader {
            Some((reader, bytes)) if *reader == conn => {
                bytes.extend_from_slice(&rest);
                line.end(self.office, Vec::new(), Reset::EndOfStream);
            }
            Some(_) | None => line.end(self.office, rest, Reset::EndOfStream),
        }
    }

    fn listen(&mut self, endpoint: Endpoint, listen: Listen) {
        let others = self.wiring.listeners.iter().filter(|&(&other, _)| other != endpoint);
        let ports: Vec<u16> = others.map(|(_, listener)| listener.port).collect();
        let result = address::bind(self.id.ip(), &listen, &ports).map_err(str::to_owned);
        let result = result.map(|listener| {
            self.wiring.listeners.insert(endpoint, listener);
        });
        self.wiring.notices.push_back(Notice::Listening(endpoint, result));
    }
}

/// Bytes in flight in one direction of a connection: as much as Linux's socket buffers take, roughly.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;
