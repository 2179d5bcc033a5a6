//! A machine that sends back what it receives, and the fixture that hosts it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use slotmesh_cluster::machine::{
    ConnId, Effect, Endpoint, Input, Listen, LogLine, Machine, Peer, ProcessId, ProcessNews, Reset, Shutdown, Signal,
    Timer,
};
use slotmesh_engine::resp::args::Framed;
use slotmesh_engine::resp::outbuf::{OutBuf, Ticket};
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane};
use slotmesh_transport_tcp::host::Host;
use slotmesh_transport_tcp::reactor::Options;

/// What the machine was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Accepted(ConnId, Endpoint, Peer),
    Closed(ConnId, Reset),
    Connected(ConnId, Peer),
    Disk(Ticket, DiskResult),
    Drained(ConnId),
    Listening(Endpoint, Result<(), String>),
    Process(ProcessId, ProcessNews),
    Signal(Signal),
    Timer,
}

/// Echoes; but `close N`, `exit N`, `flood N` and `hush` are commands (N: bytes to send).
pub(crate) struct Echo {
    conns: Vec<(u32, bool, OutBuf)>,
    nobody: OutBuf,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) deadline: Option<Instant>,
    seen: Sender<Seen>,
}

impl Echo {
    /// A new name for a connection.
    pub(crate) fn name(&mut self) -> ConnId {
        let index = self.conns.iter().position(|(_, used, _)| !used).unwrap_or(self.conns.len());
        if index == self.conns.len() {
            self.conns.push((0, false, OutBuf::new()));
        }
        let (generation, used, _) = &mut self.conns[index];
        *used = true;
        ConnId { index: index as u32, generation: *generation }
    }

    pub(crate) fn say(&mut self, conn: ConnId, bytes: &[u8]) {
        self.out_buf(conn).put(bytes);
        self.effects.push_back(Effect::Flush(conn));
    }

    pub(crate) fn close(&mut self, conn: ConnId) {
        let mut rest = Vec::new();
        self.out_buf(conn).take_into(&mut rest);
        self.free(conn);
        self.effects.push_back(Effect::Close(conn, rest));
    }

    pub(crate) fn ask(&mut self, ticket: u64, op: DiskOp) {
        self.effects.push_back(Effect::Disk(Ticket(ticket), Lane::Log, op));
    }

    fn free(&mut self, conn: ConnId) {
        let (generation, used, out) = &mut self.conns[conn.index as usize];
        if *generation == conn.generation {
            *generation += 1;
            *used = false;
            out.clear();
        }
    }

    fn is_open(&self, conn: ConnId) -> bool {
        self.conns.get(conn.index as usize).is_some_and(|(generation, used, _)| *used && *generation == conn.generation)
    }

    fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap_or("").trim();
        let (word, count) = text.split_once(' ').unwrap_or((text, "0"));
        match (word, count.parse::<usize>()) {
            ("close", Ok(count)) => {
                self.say(conn, &filler(count));
                self.close(conn);
            }
            ("exit", Ok(count)) => {
                self.say(conn, &filler(count));
                self.effects.push_back(Effect::Exit(Shutdown { code: 7 }));
            }
            ("flood", Ok(count)) => {
                self.say(conn, &filler(count));
                self.out_buf(conn).want_drained();
            }
            ("hush", _) => {}
            _ => self.say(conn, bytes),
        }
    }

    fn tell(&self, seen: Seen) {
        // A test that has seen enough does not listen any more.
        let _ = self.seen.send(seen);
    }
}

impl Machine for Echo {
    fn accept(&mut self, _now: Now, endpoint: Endpoint, peer: Peer) -> ConnId {
        let conn = self.name();
        self.tell(Seen::Accepted(conn, endpoint, peer));
        conn
    }

    fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Closed(conn, reset) => {
                if self.is_open(conn) {
                    self.free(conn);
                    self.tell(Seen::Closed(conn, reset));
                }
            }
            Input::Connected(conn, peer) => self.tell(Seen::Connected(conn, peer)),
            Input::Disk(ticket, result) => self.tell(Seen::Disk(ticket, result)),
            Input::Drained(conn) => self.tell(Seen::Drained(conn)),
            Input::Listening(endpoint, result) => self.tell(Seen::Listening(endpoint, result)),
            Input::Process(id, news) => self.tell(Seen::Process(id, news)),
            Input::Received(conn, bytes) | Input::Request(conn, Framed { bytes, .. }) => {
                if self.is_open(conn) {
                    self.receive(conn, bytes);
                }
            }
            Input::Signal(signal) => self.tell(Seen::Signal(signal)),
            Input::Timer => {
                if self.deadline.is_some_and(|at| at <= now.instant) {
                    self.deadline = None;
                    self.tell(Seen::Timer);
                }
            }
        }
    }

    fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn out_buf(&mut self, conn: ConnId) -> &mut OutBuf {
        match self.conns.get_mut(conn.index as usize) {
            Some((generation, true, out)) if *generation == conn.generation => out,
            _ => {
                self.nobody.clear();
                &mut self.nobody
            }
        }
    }

    fn deadline(&self) -> Option<(Instant, Timer)> {
        self.deadline.map(|at| (at, Timer::Client))
    }

    fn state_hash(&self) -> u64 {
        0
    }
}

/// `count` bytes that are not all the same.
pub(crate) fn filler(count: usize) -> Vec<u8> {
    let piece: Vec<u8> = (0..251).collect();
    let mut bytes = piece.repeat(count / piece.len() + 1);
    bytes.truncate(count);
    bytes
}

/// A hosted echo and what it tells.
pub(crate) struct Fixture {
    pub(crate) host: Host<Echo>,
    pub(crate) seen: Receiver<Seen>,
    pub(crate) log: Receiver<LogLine>,
}

impl Fixture {
    /// A host that listens nowhere.
    pub(crate) fn new() -> Self {
        Self::with_listeners(Vec::new())
    }

    pub(crate) fn with_listeners(listeners: Vec<TcpListener>) -> Self {
        let (sender, seen) = channel();
        let machine =
            Echo { conns: Vec::new(), nobody: OutBuf::new(), effects: VecDeque::new(), deadline: None, seen: sender };
        let (lines, log) = channel();
        // A test that does not look at the log hangs up.
        let mut options = Options::new(move |line| drop(lines.send(line)));
        options.listeners = listeners;
        Self { host: Host::spawn("echo", machine, options).unwrap(), seen, log }
    }

    /// A host that listens for clients on a port of the system's choice.
    pub(crate) fn listening() -> (Self, u16) {
        let (listener, port) = free_port("127.0.0.1:0");
        let fixture = Self::with_listeners(vec![listener]);
        fixture.listen(Endpoint::Client, Listen { backlog: 128, ..listen(&["127.0.0.1"], port) });
        assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));
        (fixture, port)
    }

    pub(crate) fn listen(&self, endpoint: Endpoint, listen: Listen) {
        self.act(|machine| machine.effects.push_back(Effect::Listen(endpoint, listen)));
    }

    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut Echo) -> R) -> R {
        self.host.handle().run(|machine, _| act(machine)).unwrap()
    }

    /// The next thing the machine is told.
    pub(crate) fn next(&self) -> Seen {
        self.seen.recv_timeout(GUARD).unwrap()
    }

    /// The machine's name for a connection that was just accepted.
    pub(crate) fn accepted(&self) -> ConnId {
        let seen = self.next();
        let Seen::Accepted(conn, ..) = seen else {
            panic!("{seen:?}");
        };
        conn
    }
}

pub(crate) fn listen(addresses: &[&str], port: u16) -> Listen {
    let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
    Listen { addresses, port, backlog: 16, unix: None, keepalive_secs: 300 }
}

pub(crate) fn free_port(address: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

pub(crate) fn client(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    guard(&stream);
    stream
}

pub(crate) fn guard(stream: &TcpStream) {
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream.set_write_timeout(Some(GUARD)).unwrap();
}

/// Writes `request` and reads as many bytes back.
pub(crate) fn echo(stream: &mut (impl Read + Write), request: &[u8]) {
    stream.write_all(request).unwrap();
    let mut reply = vec![0; request.len()];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply, request);
}

/// Everything until the peer's end.
pub(crate) fn read_all(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Only turns something that never happens into a failure.
pub(crate) const GUARD: Duration = Duration::from_secs(20);
