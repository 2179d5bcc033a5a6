//! One machine's surroundings: clock, disk, log, ports, and the names of its connections.
//!
//! [`HostWire`] and [`Output`] are the two halves of a host that [`settle`](slotmesh_cluster::machine::settle)
//! wants; they only note what is to be done, `events` does it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use slotmesh_cluster::machine::{ConnId, Disk, Endpoint, Listen, LogLine, ProcessId, Shutdown, Target, Wire};
use slotmesh_engine::resp::outbuf::{OutBuf, Ticket};
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Instant;
use slotmesh_replication::disk::{DiskOp, Lane};

use super::config::SimConfig;
use super::programs::Wish;
use crate::boot::Boot;
use crate::clock::Clock;

use crate::address::{self, EphemeralPorts, Listener};
use crate::disk::MemDisk;
use crate::disk::lanes::{DiskConfig, Lanes};
use crate::network::{ConnKey, End, EndState, Medium, Network, Owner, Payload, Side};
use crate::place::{MachineId, Place};
use crate::queue::{Event, Queue};

/// A line of a machine's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The virtual time.
    pub at: Instant,
    /// What was written.
    pub line: LogLine,
}

/// A machine, how to build it again, and its surroundings.
pub(super) struct Host<M> {
    /// Nothing while it is down.
    pub(super) machine: Option<M>,
    pub(super) build: Box<dyn FnMut(Boot) -> M>,
    pub(super) kit: Kit,
}

pub(super) struct Kit {
    pub(super) id: MachineId,
    /// Counts starts and ends, so that answers for an earlier run are not given to a later one.
    pub(super) run: u32,
    /// How often the machine was built.
    pub(super) starts: u32,
    pub(super) clock: Clock,
    pub(super) disk: MemDisk,
    pub(super) disk_config: DiskConfig,
    pub(super) lanes: Lanes,
    /// Disk operations that were completed and told, over all runs.
    pub(super) operations: u64,
    pub(super) wiring: Wiring,
    pub(super) output: Output,
    /// What arrived since the process was stopped; nothing while it runs.
    pub(super) waiting: Option<VecDeque<Event>>,
    /// When the next timer event is due, if there is one.
    pub(super) armed: Option<Instant>,
    /// Names the timer event that counts; earlier ones are void.
    pub(super) timer_token: u64,
    pub(super) rng: Rng,
}

/// A machine's connections and ports.
#[derive(Debug)]
pub(super) struct Wiring {
    /// By [`ConnId::index`]: the generation, the connection and our side of it.
    attached: Vec<Option<(u32, ConnKey, Side)>>,
    pub(super) listeners: BTreeMap<Endpoint, Listener>,
    ports: EphemeralPorts,
}

/// What a machine asked of its host while it was drained, and its log.
#[derive(Debug, Default)]
pub(super) struct Output {
    now: Instant,
    pub(super) submitted: Vec<(Ticket, Lane, DiskOp)>,
    pub(super) wishes: Vec<Wish>,
    pub(super) log: VecDeque<Logged>,
    /// How many of the last log lines are not in the trace yet.
    pub(super) log_fresh: usize,
    pub(super) exited: Option<Shutdown>,
}

impl Kit {
    pub(super) fn new(id: MachineId, config: &SimConfig, mut rng: Rng) -> Self {
        Self {
            id,
            run: 0,
            starts: 0,
            clock: Clock::new(config.calendar),
            disk: MemDisk::new(rng.next_u64()),
            disk_config: config.disk,
            lanes: Lanes::default(),
            operations: 0,
            wiring: Wiring { attached: Vec::new(), listeners: BTreeMap::new(), ports: EphemeralPorts::new() },
            output: Output::default(),
            waiting: None,
            armed: None,
            timer_token: 0,
            rng,
        }
    }

    /// Forgets what belonged to a process that is gone.
    pub(super) fn process_ended(&mut self) {
        self.run += 1;
        self.timer_token += 1;
        self.armed = None;
        self.waiting = None;
        self.wiring.attached.clear();
        self.wiring.listeners.clear();
        self.output.submitted.clear();
        self.output.wishes.clear();
    }
}

impl Wiring {
    pub(super) fn attach(&mut self, conn: ConnId, key: ConnKey, side: Side) {
        let index = conn.index as usize;
        if self.attached.len() <= index {
            self.attached.resize(index + 1, None);
        }
        let before = self.attached[index].replace((conn.generation, key, side));
        assert!(before.is_none(), "a machine gives a connection's name out again only after it is free");
    }

    pub(super) fn find(&self, conn: ConnId) -> Option<(ConnKey, Side)> {
        let (generation, key, side) = (*self.attached.get(conn.index as usize)?)?;
        (generation == conn.generation).then_some((key, side))
    }

    pub(super) fn detach(&mut self, conn: ConnId) -> Option<(ConnKey, Side)> {
        let found = self.find(conn)?;
        self.attached[conn.index as usize] = None;
        Some(found)
    }

    /// All connections, by place.
    pub(super) fn all(&self) -> impl Iterator<Item = (ConnId, ConnKey, Side)> {
        self.attached.iter().enumerate().filter_map(|(index, attached)| {
            let (generation, key, side) = (*attached)?;
            Some((ConnId { index: index as u32, generation }, key, side))
        })
    }

    /// The endpoint that listens at an address, if one does.
    pub(super) fn listener(&self, address: SocketAddr) -> Option<Endpoint> {
        let mut all = self.listeners.iter();
        all.find(|(_, listener)| listener.accepts(address)).map(|(&endpoint, _)| endpoint)
    }

    /// The endpoint with a Unix socket, and its path.
    pub(super) fn unix(&self) -> Option<(Endpoint, &str)> {
        self.listeners.iter().find_map(|(&endpoint, listener)| Some((endpoint, listener.unix.as_deref()?)))
    }
}

impl Output {
    pub(super) fn begin(&mut self, now: Instant) {
        self.now = now;
    }
}

/// The half of a host that moves bytes.
pub(super) struct HostWire<'a> {
    pub(super) id: MachineId,
    pub(super) run: u32,
    pub(super) now: Instant,
    pub(super) machines: usize,
    pub(super) wiring: &'a mut Wiring,
    pub(super) network: &'a mut Network,
    pub(super) queue: &'a mut Queue,
    pub(super) names: &'a BTreeMap<String, IpAddr>,
}

impl Wire for HostWire<'_> {
    fn flush(&mut self, conn: ConnId, out: &mut OutBuf) {
        let Some((key, side)) = self.wiring.find(conn) else { return };
        if self.network.flush(self.now, self.queue, key, side, out) {
            self.queue.push(self.now, Event::Drained { conn: key, side });
        }
    }

    fn dial(&mut self, conn: ConnId, target: Target, _: Endpoint) {
        let ip = self.id.ip();
        let local = SocketAddr::new(ip, self.wiring.ports.next());
        let place = Some(Place::Machine(self.id));
        let dialer = |address| End::new(Owner::Machine(self.id, Some(conn)), place, address, EndState::Connecting);
        match address::resolve(self.id, &target, self.machines, self.names) {
            Ok((ip, peer)) => {
                let remote = SocketAddr::new(ip, target.port);
                // Over the loopback address both ends have it.
                let local = if ip.is_loopback() { SocketAddr::new(ip, local.port()) } else { local };
                let there = End::new(Owner::Machine(peer, None), Some(Place::Machine(peer)), remote, EndState::Open);
                let key = self.network.open(Medium::Tcp, dialer(local), there);
                self.wiring.attach(conn, key, Side::Dialer);
                self.network.dial(self.now, self.queue, key);
            }
            Err(why) => {
                let key = self.network.open(Medium::Tcp, dialer(local), End::nobody());
                self.wiring.attach(conn, key, Side::Dialer);
                self.network.send(self.now, self.queue, key, Side::Target, Payload::Reset(why));
            }
        }
    }

    fn close(&mut self, conn: ConnId, rest: Vec<u8>) {
        let Some((key, side)) = self.wiring.detach(conn) else { return };
        self.network.send_bytes(self.now, self.queue, key, side, &rest);
        self.network.send(self.now, self.queue, key, side, Payload::EndOfStream);
        self.network.leave(key, side);
    }

    fn listen(&mut self, endpoint: Endpoint, listen: Listen) {
        let others = self.wiring.listeners.iter().filter(|&(&other, _)| other != endpoint);
        let ports: Vec<u16> = others.map(|(_, listener)| listener.port).collect();
        let problem = match address::bind(self.id.ip(), &listen, &ports) {
            Ok(listener) => {
                self.wiring.listeners.insert(endpoint, listener);
                None
            }
            Err(problem) => Some(problem),
        };
        self.queue.push(self.now, Event::Listening { machine: self.id, run: self.run, endpoint, problem });
    }
}

impl Disk for Output {
    fn submit(&mut self, ticket: Ticket, lane: Lane, op: DiskOp) {
        self.submitted.push((ticket, lane, op));
    }

    fn log(&mut self, line: LogLine) {
        if self.log.len() == LOG_LINES_MAX {
            self.log.pop_front();
        }
        self.log.push_back(Logged { at: self.now, line });
        self.log_fresh = (self.log_fresh + 1).min(LOG_LINES_MAX);
    }

    fn exit(&mut self, shutdown: Shutdown) {
        self.exited = Some(shutdown);
    }

    fn run(&mut self, id: ProcessId, words: Vec<String>) {
        self.wishes.push(Wish::Run(id, words));
    }

    fn kill(&mut self, id: ProcessId) {
        self.wishes.push(Wish::Kill(id));
    }
}

/// Log lines kept of each machine.
const LOG_LINES_MAX: usize = 10_000;
