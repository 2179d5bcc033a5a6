//! One direction of a connection.

use std::collections::VecDeque;

use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::time::Instant;

use crate::take::take_visible;

/// What a segment carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// So many of the pipe's bytes.
    Bytes(usize),
    /// The answer to [`Payload::Dial`].
    Connected,
    /// The wish to connect.
    Dial,
    /// The sender closed in order.
    EndOfStream,
    /// The connection broke, and why.
    Reset(&'static str),
}

/// Segments on their way, first in, first out. The bytes are in one buffer that is reused.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    bytes: Vec<u8>,
    /// How many of `bytes` have arrived.
    arrived: usize,
    segments: VecDeque<(Instant, Payload)>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// No event is due.
    #[default]
    Idle,
    /// The first segment's arrival is an event.
    Scheduled,
    /// The link does not work, since then.
    Stalled(Instant),
}

impl Pipe {
    /// Bytes sent that have not arrived.
    pub(crate) fn in_flight(&self) -> usize {
        self.bytes.len() - self.arrived
    }

    /// Adds bytes; a segment that covers them follows.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds up to `room` visible bytes of `out`; a segment that covers them follows. Returns how many.
    pub(crate) fn take(&mut self, out: &mut OutBuf, room: usize) -> usize {
        take_visible(out, room, &mut self.bytes)
    }

    /// Adds a segment, never due before the one ahead of it.
    pub(crate) fn push(&mut self, due: Instant, payload: Payload) {
        let due = self.segments.back().map_or(due, |&(last, _)| due.max(last));
        self.segments.push_back((due, payload));
    }

    /// Takes the first segment, and with bytes all that are due as well. The bytes are added to `target`.
    pub(crate) fn pop(&mut self, now: Instant, target: &mut Vec<u8>) -> Option<Payload> {
        self.state = State::Idle;
        let (_, payload) = self.segments.pop_front()?;
        let Payload::Bytes(mut count) = payload else { return Some(payload) };
        while let Some(&(due, Payload::Bytes(more))) = self.segments.front()
            && due <= now
        {
            count += more;
            self.segments.pop_front();
        }
        target.extend_from_slice(&self.bytes[self.arrived..self.arrived + count]);
        self.arrived += count;
        if self.arrived == self.bytes.len() {
            self.bytes.clear();
            self.arrived = 0;
        } else if self.arrived > COMPACT_BYTES {
            self.bytes.drain(..self.arrived);
            self.arrived = 0;
        }
        Some(Payload::Bytes(count))
    }

    /// What the first segment carries.
    pub(crate) fn first(&self) -> Option<Payload> {
        self.segments.front().map(|&(_, payload)| payload)
    }

    /// When the first segment arrives, if that is to become an event now.
    pub(crate) fn schedule(&mut self) -> Option<Instant> {
        if self.state != State::Idle {
            return None;
        }
        let &(due, _) = self.segments.front()?;
        self.state = State::Scheduled;
        Some(due)
    }

    pub(crate) fn stall(&mut self, now: Instant) {
        self.state = State::Stalled(now);
    }

    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        if let State::Stalled(since) = self.state { Some(since) } else { None }
    }

    /// Ends a stall: nothing arrives before `due`.
    pub(crate) fn wake(&mut self, due: Instant) {
        for (segment, _) in &mut self.segments {
            *segment = due.max(*segment);
        }
        self.state = State::Idle;
    }

    /// Loses all segments. An arrival that is an event already will find what is sent next.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.arrived = 0;
        self.segments.clear();
    }

    /// Back to the beginning, keeping the memory.
    pub(crate) fn reset(&mut self) {
        self.clear();
        self.state = State::Idle;
    }
}

/// Arrived bytes at the front of the buffer that are worth moving the rest for.
const COMPACT_BYTES: usize = 64 * 1024;
