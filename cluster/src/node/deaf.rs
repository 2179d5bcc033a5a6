//! A node that hears nothing for a while: DEBUG SLEEP, DEBUG RELOAD while the dataset is away, and the beginning.
//!
//! A node that starts listens before it loads, so that a client finds it, but like Redis it looks at its clients only
//! after `loading-process-events-interval-bytes` of loading: who starts a server with little data never sees LOADING.
//!
//! A machine cannot stop the clock, so it does what a sleeping server would look like from outside: nothing leaves it,
//! no timer runs, and what arrives is kept and taken later, in order. While a dataset is read back, files and timers
//! go on and only peers have to wait.

use std::collections::VecDeque;

use slotmesh_engine::resp::args::Framed;
use slotmesh_engine::resp::outbuf::Ticket;
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::DiskResult;

use super::Node;
use crate::machine::{ConnId, Endpoint, Input, Peer, ProcessId, ProcessNews, Reset, Signal};

/// Whether the node hears, and what it missed.
#[derive(Debug, Default)]
pub(super) struct Deaf {
    state: State,
    missed: VecDeque<Missed>,
    /// Bytes of connections among what was missed.
    missed_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Hears,
    /// Files and timers go on.
    DeafToPeers,
    /// Nothing goes on.
    Asleep(Instant),
}

/// An input that waits.
#[derive(Debug)]
enum Missed {
    Closed(ConnId, Reset),
    Connected(ConnId, Peer),
    Disk(Ticket, DiskResult),
    Drained(ConnId),
    Listening(Endpoint, Result<(), String>),
    Process(ProcessId, ProcessNews),
    Received(ConnId, Vec<u8>),
    Signal(Signal),
}

impl Deaf {
    /// Whether connections are not listened to.
    pub(super) fn is_deaf(&self) -> bool {
        self.state != State::Hears
    }

    /// Until when the whole node sleeps, if it does.
    pub(super) fn sleeps_until(&self) -> Option<Instant> {
        match self.state {
            State::Asleep(until) => Some(until),
            State::DeafToPeers | State::Hears => None,
        }
    }
}

impl Node {
    /// Falls asleep behind the running command.
    pub(super) fn fall_asleep(&mut self, until: Instant) {
        self.deaf.state = State::Asleep(until);
    }

    /// Stops listening to connections, until [`Node::hear_again`].
    pub(super) fn turn_deaf(&mut self) {
        self.deaf.state = State::DeafToPeers;
    }

    /// Takes an input while the node is deaf.
    pub(super) fn handle_deaf(&mut self, now: Now, input: Input<'_>) {
        self.stirred = true;
        if self.deaf.sleeps_until().is_some_and(|until| until <= now.instant) {
            self.hear_again(now);
        }
        match (self.deaf.state, input) {
            (State::Hears, input) => self.handle_input(now, input),
            (State::DeafToPeers, Input::Disk(ticket, result)) => self.on_disk(now, ticket, result),
            (State::DeafToPeers, Input::Listening(endpoint, result)) => self.on_listening(now, endpoint, result),
            (State::DeafToPeers, Input::Timer) => self.on_timer(now),
            (State::DeafToPeers, Input::Signal(signal)) if self.reload.is_none() => {
                self.handle_input(now, Input::Signal(signal));
            }
            (State::Asleep(_) | State::DeafToPeers, input) => self.miss(now, input),
        }
    }

    fn miss(&mut self, now: Now, input: Input<'_>) {
        let missed = match input {
            Input::Closed(conn, reset) => Missed::Closed(conn, reset),
            Input::Connected(conn, peer) => Missed::Connected(conn, peer),
            Input::Disk(ticket, result) => Missed::Disk(ticket, result),
            Input::Drained(conn) => Missed::Drained(conn),
            Input::Listening(endpoint, result) => Missed::Listening(endpoint, result),
            Input::Process(id, news) => Missed::Process(id, news),
            Input::Received(conn, bytes) | Input::Request(conn, Framed { bytes, .. }) => {
                self.deaf.missed_bytes += bytes.len();
                Missed::Received(conn, bytes.to_vec())
            }
            Input::Signal(signal) => Missed::Signal(signal),
            Input::Timer => return,
        };
        self.deaf.missed.push_back(missed);
        if self.deaf.missed_bytes > MISSED_BYTES_MAX && self.reload.is_none() {
            self.log_warning("Woken up by the amount of bytes that arrived.");
            self.hear_again(now);
        }
    }

    /// Listens again: first to what clients had sent before, then to what was missed.
    pub(super) fn hear_again(&mut self, now: Now) {
        if !self.deaf.is_deaf() {
            return;
        }
        self.deaf.state = State::Hears;
        let unread: Vec<ConnId> =
            self.conns.clients().filter(|(_, client)| !client.input.is_empty()).map(|(conn, _)| conn).collect();
        for conn in unread {
            if self.may_run(conn) {
                self.run_kept(now, conn);
            }
        }
        while !self.deaf.is_deaf() {
            let Some(missed) = self.deaf.missed.pop_front() else { return };
            match missed {
                Missed::Closed(conn, reset) => self.handle_input(now, Input::Closed(conn, reset)),
                Missed::Connected(conn, peer) => self.handle_input(now, Input::Connected(conn, peer)),
                Missed::Disk(ticket, result) => self.handle_input(now, Input::Disk(ticket, result)),
                Missed::Drained(conn) => self.handle_input(now, Input::Drained(conn)),
                Missed::Listening(endpoint, result) => self.handle_input(now, Input::Listening(endpoint, result)),
                Missed::Process(id, news) => self.handle_input(now, Input::Process(id, news)),
                Missed::Received(conn, bytes) => {
                    self.deaf.missed_bytes -= bytes.len();
                    self.handle_input(now, Input::Received(conn, &bytes));
                }
                Missed::Signal(signal) => self.handle_input(now, Input::Signal(signal)),
            }
        }
    }
}

/// Bytes a sleeping node keeps at the most; more wake it up. The kernel would keep a few megabytes per connection.
const MISSED_BYTES_MAX: usize = 256 << 20;
