//! A small machine for this crate's tests: a counter on disk that also talks to its peers.
//!
//! Clients send lines (see [`Double::line`]). Every `period` each machine sends a numbered line to each peer, and
//! notes when a number it receives is not the next one.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::IpAddr;

use bytes::Bytes;
use slotmesh_cluster::machine::{
    ConnId, Effect, Endpoint, Input, Listen, LogLevel, LogLine, Machine, Peer, Shutdown, Target, Timer,
};
use slotmesh_engine::resp::args::Framed;
use slotmesh_engine::resp::outbuf::{OutBuf, Ticket};
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane};

pub(crate) const CLIENT_PORT: u16 = 6379;
pub(crate) const BUS_PORT: u16 = 16379;
pub(crate) const COUNT: &str = "/data/count";

pub(crate) struct Double {
    peers: Vec<IpAddr>,
    period_ms: u64,
    conns: Vec<Conn>,
    free: Vec<u32>,
    effects: VecDeque<Effect>,
    /// The connection to each peer, as far as there is one.
    links: BTreeMap<IpAddr, ConnId>,
    tickets: u64,
    waiting: BTreeMap<Ticket, ConnId>,
    recovered: bool,
    next_tick: Instant,
    last_tick: Option<Instant>,
    /// Bytes on disk, counted when their sync is done.
    pub(crate) count: u64,
    pub(crate) synced: u64,
    pub(crate) gap_ms_max: u64,
    pub(crate) ticks: u64,
    pub(crate) lines: u64,
    pub(crate) out_of_order: u64,
    pub(crate) closed: Vec<String>,
    pub(crate) connected: u64,
    pub(crate) drained: u64,
    pub(crate) blocked: Vec<ConnId>,
    pub(crate) spins: bool,
    /// How many connections each joint arrival was on.
    pub(crate) batches: Vec<usize>,
}

#[derive(Default)]
struct Conn {
    generation: u32,
    used: bool,
    out: OutBuf,
    input: Vec<u8>,
    who: String,
    /// The last number that came from a peer over this connection.
    last: u64,
    /// The last number sent.
    sent: u64,
}

impl Double {
    pub(crate) fn new(now: Now, peers: Vec<IpAddr>, period_ms: u64) -> Self {
        let listen = |port| Listen {
            addresses: vec!["*".into()],
            port,
            backlog: 511,
            unix: (port == CLIENT_PORT).then(|| ("/tmp/double.sock".into(), 0)),
            keepalive_secs: 300,
        };
        let effects = [
            Effect::Listen(Endpoint::Client, listen(CLIENT_PORT)),
            Effect::Listen(Endpoint::Bus, listen(BUS_PORT)),
            Effect::Disk(Ticket(0), Lane::Log, DiskOp::Size { path: COUNT.into() }),
        ];
        Self {
            peers,
            period_ms,
            conns: Vec::new(),
            free: Vec::new(),
            effects: effects.into(),
            links: BTreeMap::new(),
            tickets: 0,
            waiting: BTreeMap::new(),
            recovered: false,
            next_tick: now.instant.plus_millis(period_ms),
            last_tick: None,
            count: 0,
            synced: 0,
            gap_ms_max: 0,
            ticks: 0,
            lines: 0,
            out_of_order: 0,
            closed: Vec::new(),
            connected: 0,
            drained: 0,
            blocked: Vec::new(),
            spins: false,
            batches: Vec::new(),
        }
    }

    /// Dials an address, as a test asks.
    pub(crate) fn dial(&mut self, host: &str, port: u16) -> ConnId {
        let conn = self.take_conn("dialled".into());
        let target = Target { host: host.into(), port, source: None };
        self.effects.push_back(Effect::Dial(conn, target, Endpoint::Client));
        conn
    }

    /// Sends numbered lines over a connection, all at once.
    pub(crate) fn put_ticks(&mut self, conn: ConnId, count: u64) {
        for number in 1..=count {
            self.conns[conn.index as usize].out.put(format!("TICK {number}\n").as_bytes());
        }
        self.effects.push_back(Effect::Flush(conn));
    }

    /// Sends many bytes to whoever is blocked.
    pub(crate) fn spam_blocked(&mut self, count: usize) {
        for blocked in std::mem::take(&mut self.blocked) {
            self.line(blocked, &format!("SPAM {count}"));
        }
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.conns.iter().map(|conn| conn.out.len()).sum()
    }

    fn line(&mut self, conn: ConnId, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "PING" => self.reply(conn, b"+PONG\r\n"),
            "WHO" => {
                let who = format!("+{}\r\n", self.conns[conn.index as usize].who);
                self.reply(conn, who.as_bytes());
            }
            "GET" if !self.recovered => self.reply(conn, b"-LOADING\r\n"),
            "GET" => self.reply(conn, format!(":{}\r\n", self.count).as_bytes()),
            "INC" => self.increment(conn),
            "SPAM" => {
                let bytes = vec![b'x'; rest.parse().unwrap()];
                let out = &mut self.conns[conn.index as usize].out;
                out.put(format!("${}\r\n", bytes.len()).as_bytes());
                out.put_shared(bytes.into());
                out.put(b"\r\n");
                out.want_drained();
                self.effects.push_back(Effect::Flush(conn));
            }
            "PUSH" => self.reply(conn, b">1\r\n+news\r\n+OK\r\n"),
            "BLOCK" => self.blocked.push(conn),
            "WAKE" => {
                for blocked in std::mem::take(&mut self.blocked) {
                    self.reply(blocked, b"+WOKEN\r\n");
                }
                self.reply(conn, b"+OK\r\n");
            }
            "QUIT" => {
                let mut rest = Vec::new();
                self.conns[conn.index as usize].out.put(b"+BYE\r\n");
                self.conns[conn.index as usize].out.take_into(&mut rest);
                self.release(conn);
                self.effects.push_back(Effect::Close(conn, rest));
            }
            "EXIT" => {
                self.reply(conn, b"+BYE\r\n");
                self.effects.push_back(Effect::Exit(Shutdown { code: 3 }));
            }
            "TICK" => self.peer_tick(conn, rest.parse().unwrap()),
            other => self.reply(conn, format!("-ERR {other}\r\n").as_bytes()),
        }
    }

    fn peer_tick(&mut self, conn: ConnId, number: u64) {
        let state = &mut self.conns[conn.index as usize];
        self.out_of_order += u64::from(number != state.last + 1);
        state.last = number;
        self.lines += 1;
    }

    /// Counts on disk and replies once the count is synced.
    fn increment(&mut self, conn: ConnId) {
        self.tickets += 2;
        let (append, sync) = (Ticket(self.tickets - 1), Ticket(self.tickets));
        let data = Bytes::from_static(b"x");
        self.effects.push_back(Effect::Disk(append, Lane::Log, DiskOp::Append { path: COUNT.into(), data }));
        // The name first: a reply must mean that both the bytes and the name survive.
        let dir = DiskOp::SyncDir { path: "/data".into() };
        self.effects.push_back(Effect::Disk(Ticket(u64::MAX), Lane::Log, dir));
        self.effects.push_back(Effect::Disk(sync, Lane::Log, DiskOp::Sync { path: COUNT.into() }));
        self.count += 1;
        let out = &mut self.conns[conn.index as usize].out;
        out.hold(out.position(), sync);
        out.put(format!(":{}\r\n", self.count).as_bytes());
        self.waiting.insert(sync, conn);
        self.effects.push_back(Effect::Flush(conn));
    }

    fn reply(&mut self, conn: ConnId, bytes: &[u8]) {
        self.conns[conn.index as usize].out.put(bytes);
        self.effects.push_back(Effect::Flush(conn));
    }

    fn disk(&mut self, ticket: Ticket, result: DiskResult) {
        if ticket == Ticket(0) {
            self.count = if let DiskResult::Size(size) = result { size } else { 0 };
            self.recovered = true;
            return;
        }
        let Some(conn) = self.waiting.remove(&ticket) else { return };
        self.synced += 1;
        let state = &mut self.conns[conn.index as usize];
        if state.generation == conn.generation && state.out.release(ticket) {
            self.effects.push_back(Effect::Flush(conn));
        }
    }

    fn tick(&mut self, now: Now) {
        if now.instant < self.next_tick {
            return;
        }
        let gap = self.last_tick.replace(now.instant).map_or(0, |last| now.instant.millis_since(last));
        self.gap_ms_max = self.gap_ms_max.max(gap);
        self.ticks += 1;
        self.next_tick = now.instant.plus_millis(self.period_ms);
        for peer in self.peers.clone() {
            let Some(&conn) = self.links.get(&peer) else {
                let conn = self.take_conn("link".into());
                self.links.insert(peer, conn);
                let target = Target { host: peer.to_string(), port: BUS_PORT, source: None };
                self.effects.push_back(Effect::Dial(conn, target, Endpoint::Bus));
                continue;
            };
            let state = &mut self.conns[conn.index as usize];
            state.sent += 1;
            let line = format!("TICK {}\n", state.sent);
            self.reply(conn, line.as_bytes());
        }
    }

    fn take_conn(&mut self, who: String) -> ConnId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.conns.push(Conn::default());
            self.conns.len() as u32 - 1
        });
        let conn = &mut self.conns[index as usize];
        conn.used = true;
        conn.who = who;
        ConnId { index, generation: conn.generation }
    }

    fn release(&mut self, conn: ConnId) {
        let state = &mut self.conns[conn.index as usize];
        assert!(state.used && state.generation == conn.generation, "the host speaks of an open connection");
        *state = Conn { generation: state.generation + 1, ..Conn::default() };
        self.free.push(conn.index);
        self.links.retain(|_, &mut link| link != conn);
        self.blocked.retain(|&blocked| blocked != conn);
    }

    fn is_open(&self, conn: ConnId) -> bool {
        let state = &self.conns[conn.index as usize];
        state.used && state.generation == conn.generation
    }
}

impl Machine for Double {
    fn accept(&mut self, _: Now, _: Endpoint, peer: Peer) -> ConnId {
        let who = match peer {
            Peer::InProcess => "inside".into(),
            Peer::Tcp { remote, local } => format!("{remote}>{local}"),
            Peer::Unix { path } => path,
        };
        self.take_conn(who)
    }

    fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Closed(conn, reset) => {
                self.release(conn);
                self.closed.push(format!("{reset:?}"));
            }
            Input::Connected(conn, _) => {
                assert!(self.is_open(conn));
                self.connected += 1;
            }
            Input::Disk(ticket, result) => self.disk(ticket, result),
            Input::Drained(conn) => {
                assert!(self.is_open(conn));
                self.drained += 1;
            }
            Input::Listening(endpoint, result) => {
                let text = format!("{endpoint:?} {result:?}");
                self.effects.push_back(Effect::Log(LogLine { level: LogLevel::Notice, role: 'M', text }));
            }
            Input::Received(conn, bytes) | Input::Request(conn, Framed { bytes, .. }) => {
                assert!(self.is_open(conn));
                self.conns[conn.index as usize].input.extend_from_slice(bytes);
                while self.is_open(conn) {
                    let input = &mut self.conns[conn.index as usize].input;
                    let Some(end) = input.iter().position(|&byte| byte == b'\n') else { break };
                    let line: Vec<u8> = input.drain(..=end).collect();
                    self.line(conn, std::str::from_utf8(&line[..end]).unwrap());
                }
            }
            Input::Process(..) => {}
            Input::Signal(_) => self.effects.push_back(Effect::Exit(Shutdown { code: 0 })),
            Input::Timer => self.tick(now),
        }
    }

    fn receive_many(&mut self, now: Now, batch: &[(ConnId, &[u8])]) {
        self.batches.push(batch.len());
        for &(conn, bytes) in batch {
            self.handle(now, Input::Received(conn, bytes));
        }
    }

    fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn out_buf(&mut self, conn: ConnId) -> &mut OutBuf {
        &mut self.conns[conn.index as usize].out
    }

    fn deadline(&self) -> Option<(Instant, Timer)> {
        if self.spins {
            return Some((Instant::ZERO, Timer::Yield));
        }
        Some((self.next_tick, Timer::Cluster))
    }

    fn state_hash(&self) -> u64 {
        self.count.wrapping_mul(31).wrapping_add(self.lines)
    }
}
