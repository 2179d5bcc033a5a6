//! A node with an instant disk and clients in the same function: what its commands do, seen from outside.
//!
//! Start at [`Fixture`]; one file per family of commands beside this one.

mod ahead;
mod answer;
mod blocked;
mod boot;
mod config;
mod courier;
mod databases;
mod debug;
mod disk;
mod gates;
mod hostile;
mod persistence;
mod server;
mod timing;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use slotmesh_engine::config::Config;
use slotmesh_engine::resp::reply::write_request;
use slotmesh_engine::time::{Instant, Now, UnixMicros};
use slotmesh_replication::disk::{DiskOp, Lane, Ticket};

use super::{HostInfo, Node};
use crate::machine::{ConnId, Effect, Endpoint, Input, Listen, Machine, Peer, Reset, Signal};
use disk::TestDisk;

/// A node and everything around it.
pub(super) struct Fixture {
    pub(super) node: Node,
    pub(super) now: Now,
    pub(super) disk: TestDisk,
    /// Disk operations wait until [`Fixture::release_disk`].
    pub(super) hold_disk: bool,
    held: VecDeque<(Ticket, Lane, DiskOp)>,
    /// How long each measured piece of work takes; nothing for a host that does not measure.
    pub(super) takes: Option<Duration>,
    /// A port that somebody else has.
    pub(super) taken_port: Option<u16>,
    /// How dialled servers are.
    pub(super) peers: Peers,
    /// Connections this node opened, with whom it dialled.
    pub(super) dialled: Vec<(ConnId, String)>,
    pub(super) listening: BTreeMap<Endpoint, Listen>,
    pub(super) log: Vec<String>,
    pub(super) exit: Option<i32>,
    sent: BTreeMap<ConnId, Vec<u8>>,
    closed: Vec<ConnId>,
}

/// How servers are that the node dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    /// They take the connection.
    Accept,
    /// Nobody listens there.
    Refuse,
    /// Nothing comes back.
    Silent,
    /// Their names stand for no address.
    Unknown,
}

impl Fixture {
    /// A node with default options that has come up.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A node with some options that has come up.
    pub(super) fn with(options: impl FnOnce(&mut Config)) -> Self {
        let fixture = Self::started(options, TestDisk::default());
        assert!(fixture.node.is_running(), "{:?}", fixture.log);
        fixture
    }

    /// A node that was started on this disk.
    pub(super) fn started(options: impl FnOnce(&mut Config), disk: TestDisk) -> Self {
        let mut fixture = Self::starting(options, disk);
        fixture.release_disk();
        fixture
    }

    /// A node that listens and waits for what its disk has.
    pub(super) fn starting(options: impl FnOnce(&mut Config), disk: TestDisk) -> Self {
        let mut config = Config { dir: "/data".to_owned(), ..Config::default() };
        options(&mut config);
        let mut node = Node::new(config, 7);
        node.set_host(HostInfo {
            config_file: Some("/etc/redis.conf".to_owned()),
            process_id: 42,
            ..HostInfo::default()
        });
        let now = Now { instant: Instant(1_000_000), unix: UnixMicros::from_millis(1_700_000_000_000) };
        node.start(now);
        let mut fixture = Self {
            node,
            now,
            disk,
            hold_disk: true,
            held: VecDeque::new(),
            takes: None,
            taken_port: None,
            peers: Peers::Refuse,
            dialled: Vec::new(),
            listening: BTreeMap::new(),
            log: Vec::new(),
            exit: None,
            sent: BTreeMap::new(),
            closed: Vec::new(),
        };
        fixture.settle();
        fixture
    }

    /// A client inside the process.
    pub(super) fn client(&mut self) -> ConnId {
        self.client_from(Peer::InProcess)
    }

    /// A client of another machine.
    pub(super) fn stranger(&mut self) -> ConnId {
        self.tcp_client("10.0.0.9:5000", "10.0.0.1:6379")
    }

    /// A client of another process.
    pub(super) fn neighbour(&mut self) -> ConnId {
        self.tcp_client("127.0.0.1:5000", "127.0.0.1:6379")
    }

    fn tcp_client(&mut self, remote: &str, local: &str) -> ConnId {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        self.client_from(Peer::Tcp { remote: address(remote), local: address(local) })
    }

    fn client_from(&mut self, peer: Peer) -> ConnId {
        let conn = self.node.accept(self.now, Endpoint::Client, peer);
        self.settle();
        conn
    }

    /// Sends one request.
    pub(super) fn send(&mut self, conn: ConnId, request: &str) {
        let words: Vec<&[u8]> = request.split_whitespace().map(str::as_bytes).collect();
        self.send_words(conn, &words);
    }

    /// Sends one request whose words may hold blanks.
    pub(super) fn send_words(&mut self, conn: ConnId, words: &[&[u8]]) {
        let mut bytes = Vec::new();
        write_request(&mut bytes, words.iter().copied());
        self.send_bytes(conn, &bytes);
    }

    /// Sends bytes in one piece.
    pub(super) fn send_bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        self.node.handle(self.now, Input::Received(conn, bytes));
        self.measure();
        self.settle();
    }

    /// Sends bytes on several connections in one piece.
    pub(super) fn send_many(&mut self, batch: &[(ConnId, &[u8])]) {
        self.node.receive_many(self.now, batch);
        self.measure();
        self.settle();
    }

    fn measure(&mut self) {
        let Some(takes) = self.takes else { return };
        for _ in 0..ROUNDS_MAX {
            if !self.node.wants_took() {
                return;
            }
            self.node.took(self.now, takes);
        }
        panic!("the node wants to be measured for ever");
    }

    /// What came back on a connection since the last time, `\r\n` shown as `|`.
    pub(super) fn heard(&mut self, conn: ConnId) -> String {
        let bytes = self.sent.remove(&conn).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace("\r\n", "|")
    }

    /// Sends a request and takes what comes back at once.
    pub(super) fn call(&mut self, conn: ConnId, request: &str) -> String {
        self.send(conn, request);
        self.heard(conn)
    }

    /// The other end of a connection closes it.
    pub(super) fn hang_up(&mut self, conn: ConnId) {
        let reset = Reset::Error("Connection refused".to_owned());
        self.node.handle(self.now, Input::Closed(conn, reset));
        self.settle();
    }

    pub(super) fn is_closed(&self, conn: ConnId) -> bool {
        self.closed.contains(&conn)
    }

    pub(super) fn logged(&self, text: &str) -> bool {
        self.log.iter().any(|line| line.contains(text))
    }

    /// Lets time pass; timers run when they are due.
    pub(super) fn advance(&mut self, millis: u64) {
        let end = self.now.plus(Duration::from_millis(millis));
        while let Some((at, _)) = self.node.deadline().filter(|(at, _)| *at <= end.instant) {
            if self.exit.is_some() {
                // Nobody calls a machine that has ended.
                break;
            }
            self.now = self.now.plus(at.since(self.now.instant));
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Carries out the disk operations that waited, and those that follow from them.
    pub(super) fn release_disk(&mut self) {
        self.hold_disk = false;
        while self.step_disk() {}
        self.settle();
    }

    /// Carries out the first disk operation that waits. Returns whether there was one.
    pub(super) fn step_disk(&mut self) -> bool {
        let Some((ticket, _, op)) = self.held.pop_front() else { return false };
        let result = self.disk.run(&op);
        self.node.handle(self.now, Input::Disk(ticket, result));
        self.settle();
        true
    }

    /// A signal of the operating system.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.node.handle(self.now, Input::Signal(signal));
        self.settle();
    }

    /// Carries out effects and due timers until the node is quiet.
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            while let Some(effect) = self.node.poll() {
                self.carry_out(effect);
            }
            if self.exit.is_some() || self.node.deadline().is_none_or(|(at, _)| at > self.now.instant) {
                return;
            }
            self.node.handle(self.now, Input::Timer);
        }
        panic!("the node does not come to rest: {:?}", self.node.deadline());
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Close(conn, rest) => {
                self.sent.entry(conn).or_default().extend(rest);
                self.closed.push(conn);
            }
            Effect::Dial(conn, target, _) => {
                self.dialled.push((conn, format!("{}:{}", target.host, target.port)));
                match self.peers {
                    Peers::Accept => {
                        let address = SocketAddr::from(([10, 0, 0, 1], 6379));
                        let peer = Peer::Tcp { remote: address, local: address };
                        self.node.handle(self.now, Input::Connected(conn, peer));
                    }
                    Peers::Refuse => self.hang_up(conn),
                    Peers::Unknown => {
                        let reset = Reset::NoAddress("Name or service not known".to_owned());
                        self.node.handle(self.now, Input::Closed(conn, reset));
                    }
                    Peers::Silent => {}
                }
            }
            Effect::Disk(ticket, lane, op) if self.hold_disk => self.held.push_back((ticket, lane, op)),
            Effect::Disk(ticket, _, op) => {
                let result = self.disk.run(&op);
                self.node.handle(self.now, Input::Disk(ticket, result));
            }
            Effect::Exit(shutdown) => self.exit = Some(shutdown.code),
            Effect::Flush(conn) => {
                self.node.out_buf(conn).take_into(self.sent.entry(conn).or_default());
                if self.node.out_buf(conn).take_drained() {
                    self.node.handle(self.now, Input::Drained(conn));
                }
            }
            Effect::Listen(endpoint, listen) => {
                let taken = self.taken_port == Some(listen.port);
                let result = if taken { Err("bind: Address already in use".to_owned()) } else { Ok(()) };
                if !taken {
                    self.listening.insert(endpoint, listen);
                }
                self.node.handle(self.now, Input::Listening(endpoint, result));
            }
            Effect::Log(line) => self.log.push(line.text),
            Effect::Kill(_) | Effect::Run(..) => {}
        }
    }
}

/// Timers at one moment after which a node must be quiet.
const ROUNDS_MAX: usize = 10_000;
