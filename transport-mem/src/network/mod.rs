//! A network that delays, holds and breaks, but never loses or reorders a byte of a connection.
//!
//! What TCP shows to programs is modelled, not TCP: each direction of a connection is a [`pipe`] whose segments
//! arrive in order after a latency. A partition or a hold keeps segments in the pipe; they go on when it ends,
//! unless the sender's kernel has given up by then. Lost packets are delays and resets. Who owns the ends, and what
//! a segment does when it arrives, is not here but in `sim`. Start at [`Network::flush`].

mod conn;
mod links;
mod pipe;

use std::time::Duration;

use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Instant;

pub(crate) use conn::{Conn, ConnKey, End, EndState, Medium, Owner, Side};
pub(crate) use links::Links;
pub(crate) use pipe::Payload;

use crate::clock::Spread;
use crate::queue::{Event, Queue};

/// How the network behaves where no fault says otherwise.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// How long a segment takes from one end to the other.
    pub latency: Spread,
    /// Bytes that may be on their way in one direction of a connection: the kernels' socket buffers. At least 1.
    pub window_bytes: usize,
    /// How many of 100 writes arrive in two pieces.
    pub split_percent: u8,
    /// How many of 100 connections that a partition or hold kept waiting break when it ends.
    pub heal_break_percent: u8,
    /// When the next retransmission after a partition or hold comes at the latest.
    pub retransmit_max: Duration,
    /// How long a kernel waits for an acknowledgement before it gives up on an open connection.
    pub silence_max: Duration,
    /// How long a kernel waits for the answer to a dial.
    pub dial_max: Duration,
}

impl NetworkConfig {
    /// A quiet local network: 50 to 500 microseconds, nothing split or broken.
    pub const fn calm() -> Self {
        Self {
            latency: Spread::micros(50, 500),
            window_bytes: WINDOW_BYTES,
            split_percent: 0,
            heal_break_percent: 0,
            retransmit_max: Duration::ZERO,
            silence_max: SILENCE_MAX,
            dial_max: DIAL_MAX,
        }
    }

    /// A network that makes trouble within the rules: up to 20 ms, pieces, late retransmissions, breaks.
    pub const fn rough() -> Self {
        Self {
            latency: Spread::micros(50, 20_000),
            window_bytes: 16 * 1024,
            split_percent: 10,
            heal_break_percent: 20,
            retransmit_max: Duration::from_secs(2),
            silence_max: Duration::from_secs(30),
            dial_max: Duration::from_secs(10),
        }
    }
}

/// All connections and the state of the links between places.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) config: NetworkConfig,
    pub(crate) links: Links,
    conns: Vec<Conn>,
    free: Vec<u32>,
    rng: Rng,
}

impl Network {
    pub(crate) fn new(config: NetworkConfig, rng: Rng) -> Self {
        Self { config, links: Links::default(), conns: Vec::new(), free: Vec::new(), rng }
    }

    /// Makes a connection whose ends know each other; nothing is sent yet.
    pub(crate) fn open(&mut self, medium: Medium, dialer: End, target: End) -> ConnKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.conns.push(Conn::default());
            u32::try_from(self.conns.len() - 1).expect("fewer than 2^32 connections are open")
        });
        let conn = &mut self.conns[slot as usize];
        conn.open(medium, dialer, target);
        ConnKey { slot, generation: conn.generation }
    }

    pub(crate) fn conn(&self, key: ConnKey) -> Option<&Conn> {
        self.conns.get(key.slot as usize).filter(|conn| conn.is_used && conn.generation == key.generation)
    }

    pub(crate) fn conn_mut(&mut self, key: ConnKey) -> Option<&mut Conn> {
        self.conns.get_mut(key.slot as usize).filter(|conn| conn.is_used && conn.generation == key.generation)
    }

    /// The names of all connections, in the order of their places.
    pub(crate) fn keys(&self) -> Vec<ConnKey> {
        let used = self.conns.iter().enumerate().filter(|(_, conn)| conn.is_used);
        used.map(|(slot, conn)| ConnKey { slot: slot as u32, generation: conn.generation }).collect()
    }

    /// Puts a segment without bytes in a pipe.
    pub(crate) fn send(&mut self, now: Instant, queue: &mut Queue, key: ConnKey, from: Side, payload: Payload) {
        let due = self.due(now, key, from);
        let Some(conn) = self.conn_mut(key) else { return };
        let pipe = &mut conn.pipes[from.index()];
        pipe.push(due, payload);
        self.schedule(queue, key, from);
    }

    /// Puts bytes in a pipe, whatever its window says.
    pub(crate) fn send_bytes(&mut self, now: Instant, queue: &mut Queue, key: ConnKey, from: Side, bytes: &[u8]) {
        let Some(conn) = self.conn_mut(key) else { return };
        conn.pipes[from.index()].put(bytes);
        self.cut_segments(now, queue, key, from, bytes.len());
    }

    /// Sends what is visible of `out` as far as the window takes it. Returns whether a drain notice is due.
    pub(crate) fn flush(
        &mut self,
        now: Instant,
        queue: &mut Queue,
        key: ConnKey,
        from: Side,
        out: &mut OutBuf,
    ) -> bool {
        let window = self.config.window_bytes;
        let Some(conn) = self.conn_mut(key) else { return false };
        let end = &mut conn.ends[from.index()];
        if end.state != EndState::Open {
            end.is_blocked = end.state == EndState::Connecting;
            return false;
        }
        let pipe = &mut conn.pipes[from.index()];
        let sent = pipe.take(out, window.saturating_sub(pipe.in_flight()));
        end.is_blocked = out.visible() > 0;
        self.cut_segments(now, queue, key, from, sent);
        out.take_drained()
    }

    /// Breaks a connection: both ends see a reset, and bytes on their way are lost.
    pub(crate) fn break_both(&mut self, now: Instant, queue: &mut Queue, key: ConnKey) {
        for side in [Side::Dialer, Side::Target] {
            let Some(conn) = self.conn_mut(key) else { return };
            conn.pipes[side.index()].clear();
            self.send(now, queue, key, side, Payload::Reset(RESET));
        }
    }

    /// Notes that a side is gone; when both are, the connection's place is free.
    pub(crate) fn leave(&mut self, key: ConnKey, side: Side) {
        let Some(conn) = self.conn_mut(key) else { return };
        conn.ends[side.index()].state = EndState::Gone;
        if conn.ends[side.other().index()].state == EndState::Gone {
            conn.free();
            self.free.push(key.slot);
        }
    }

    /// Whether segments pass from a side at this moment.
    pub(crate) fn passes(&self, conn: &Conn, from: Side) -> bool {
        let (source, target) = (&conn.ends[from.index()], &conn.ends[from.other().index()]);
        match (conn.medium, source.place, target.place) {
            (Medium::Tcp, Some(source), Some(target)) => self.links.pass(source, target),
            _ => true,
        }
    }

    /// Sends the wish to connect; the dialer's kernel waits for an answer for so long and no longer.
    pub(crate) fn dial(&mut self, now: Instant, queue: &mut Queue, key: ConnKey) {
        let Some(conn) = self.conn_mut(key) else { return };
        conn.ends[Side::Dialer.index()].since = now;
        queue.push(now + self.config.dial_max, Event::GiveUp { conn: key, from: Side::Dialer });
        self.send(now, queue, key, Side::Dialer, Payload::Dial);
    }

    /// Keeps a pipe's segments until the link works again, or the sender gives up.
    pub(crate) fn stall(&mut self, now: Instant, queue: &mut Queue, key: ConnKey, from: Side) {
        let silence_max = self.config.silence_max;
        let Some(conn) = self.conn_mut(key) else { return };
        conn.pipes[from.index()].stall(now);
        queue.push(now + silence_max, Event::GiveUp { conn: key, from });
    }

    /// Whether the kernel at a side has lost patience by now.
    pub(crate) fn is_out_of_patience(&self, now: Instant, key: ConnKey, from: Side) -> bool {
        let Some(conn) = self.conn(key) else { return false };
        let end = &conn.ends[from.index()];
        let stalled = conn.pipes[from.index()].stalled_since();
        match end.state {
            EndState::Connecting => now.since(end.since) >= self.config.dial_max,
            EndState::Gone => false,
            EndState::Open => stalled.is_some_and(|since| now.since(since) >= self.config.silence_max),
        }
    }

    /// Lets stalled pipes go on whose link works again.
    pub(crate) fn wake_stalled(&mut self, now: Instant, queue: &mut Queue) {
        for key in self.keys() {
            for from in [Side::Dialer, Side::Target] {
                let Some(conn) = self.conn(key) else { break };
                let since = conn.pipes[from.index()].stalled_since();
                let Some(since) = since.filter(|_| self.passes(conn, from)) else { continue };
                let outage = now.since(since).min(self.config.retransmit_max);
                let late = Duration::from_micros(self.rng.below(outage.as_micros() as u64 + 1));
                if self.rng.chance(self.config.heal_break_percent) {
                    self.break_both(now, queue, key);
                }
                let due = self.due(now + late, key, from);
                let Some(conn) = self.conn_mut(key) else { break };
                conn.pipes[from.index()].wake(due);
                self.schedule(queue, key, from);
            }
        }
    }

    /// Makes the arrival of a pipe's first segment an event, unless it is one already.
    pub(crate) fn schedule(&mut self, queue: &mut Queue, key: ConnKey, from: Side) {
        let Some(conn) = self.conn_mut(key) else { return };
        if let Some(due) = conn.pipes[from.index()].schedule() {
            queue.push(due, Event::Arrive { conn: key, from });
        }
    }

    /// How long a notice takes from a side to the other, apart from any pipe.
    pub(crate) fn latency(&mut self, key: ConnKey, from: Side) -> Duration {
        let Some(conn) = self.conn(key) else { return Duration::ZERO };
        let (source, target) = (conn.ends[from.index()].place, conn.ends[from.other().index()].place);
        if conn.medium != Medium::Tcp {
            return Duration::ZERO;
        }
        let spread = source.zip(target).and_then(|(source, target)| self.links.latency(source, target));
        spread.unwrap_or(self.config.latency).pick(&mut self.rng)
    }

    fn due(&mut self, now: Instant, key: ConnKey, from: Side) -> Instant {
        now + self.latency(key, from)
    }

    /// Makes segments of `count` bytes that were put in the pipe already, and lets the link's loss act on them.
    fn cut_segments(&mut self, now: Instant, queue: &mut Queue, key: ConnKey, from: Side, count: usize) {
        if count == 0 {
            return;
        }
        let mut due = self.due(now, key, from);
        let Some(conn) = self.conn(key) else { return };
        let places = conn.ends[from.index()].place.zip(conn.ends[from.other().index()].place);
        let is_tcp = conn.medium == Medium::Tcp;
        let loss = places.filter(|_| is_tcp).map(|(a, b)| self.links.loss(a, b)).unwrap_or_default();
        if loss.reset_percent > 0 && self.rng.chance(loss.reset_percent) {
            return self.break_both(now, queue, key);
        }
        if loss.stall_percent > 0 && self.rng.chance(loss.stall_percent) {
            due += RETRANSMIT * (1 << self.rng.below(RETRANSMITS_MAX));
        }
        let splits = is_tcp && count > 1 && self.rng.chance(self.config.split_percent);
        let first = if splits { 1 + self.rng.index(count - 1) } else { count };
        let later = if splits { self.due(due, key, from) } else { due };
        let Some(conn) = self.conn_mut(key) else { return };
        let pipe = &mut conn.pipes[from.index()];
        pipe.push(due, Payload::Bytes(first));
        if first < count {
            pipe.push(later, Payload::Bytes(count - first));
        }
        self.schedule(queue, key, from);
    }
}

/// The system's words for a connection that broke.
pub(crate) const RESET: &str = "Connection reset by peer";

/// The system's words for a port without a listener.
pub(crate) const REFUSED: &str = "Connection refused";

/// The system's words for a peer that does not answer.
pub(crate) const TIMED_OUT: &str = "Connection timed out";

/// Bytes in flight per direction: Linux's default send and receive buffers together, roughly.
const WINDOW_BYTES: usize = 256 * 1024;

/// Linux gives up after 15 retransmissions (`tcp_retries2`), at 924.6 seconds at the earliest.
const SILENCE_MAX: Duration = Duration::from_millis(924_600);

/// Linux sends six SYNs (`tcp_syn_retries`) and waits 127 seconds in all.
const DIAL_MAX: Duration = Duration::from_secs(127);

/// The first retransmission timeout (Linux's minimum).
const RETRANSMIT: Duration = Duration::from_millis(200);

/// A lost segment waits for the first, second or third retransmission, each twice as late.
const RETRANSMITS_MAX: u64 = 3;
