//! Readiness: which sockets can move bytes.
//!
//! The one file that knows `mio`'s poll. It reports edges: a socket is named when it *becomes* ready, so whoever
//! stops before the system says "would block" must remember that himself (the queues in `net` do). What does not
//! live here: sockets and what to do with them. A reactor by completion (`io_uring`) would stand beside `reactor`,
//! `net` and this file; everything under the lock (`shared`, `outbox`, `local`, `disk`) stays as it is.

use std::io;
use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Poll, Token, Waker};

use slotmesh_cluster::machine::ConnId;

/// What a readiness event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// A connection, dialled or accepted.
    Conn(ConnId),
    /// A listener, by its place in the list of listeners.
    Listener(usize),
    /// Another thread has news.
    Waker,
}

/// One socket that became ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// Which socket.
    pub(crate) name: Name,
    /// It has bytes, or an end.
    pub(crate) readable: bool,
    /// It takes bytes.
    pub(crate) writable: bool,
    /// The peer's half is at its end or failed: read on until the end shows, a short read does not mean empty.
    pub(crate) ending: bool,
}

/// Which edges a socket reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edges {
    /// Bytes to read only.
    Read,
    /// Bytes to read, and room to write.
    ReadWrite,
}

/// The set of watched sockets.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(EVENTS_PER_ROUND_MAX) })
    }

    /// The means for other threads to end a wait. One per poller.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), Name::Waker.token())
    }

    pub(crate) fn watch(&self, source: &mut impl Source, name: Name, edges: Edges) -> io::Result<()> {
        self.poll.registry().register(source, name.token(), edges.interest())
    }

    /// Watches for other edges; an edge that lies in the past is reported again if the socket is ready.
    pub(crate) fn rewatch(&self, source: &mut impl Source, name: Name, edges: Edges) -> io::Result<()> {
        self.poll.registry().reregister(source, name.token(), edges.interest())
    }

    /// Waits until a socket becomes ready or `timeout` has passed (rounded up to whole milliseconds), and appends
    /// what became ready.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        ready.extend(self.events.iter().map(|event| {
            let ending = event.is_read_closed() || event.is_error();
            Ready {
                name: Name::from_token(event.token()),
                readable: event.is_readable() || ending,
                writable: event.is_writable() || event.is_write_closed() || event.is_error(),
                ending,
            }
        }));
        Ok(())
    }
}

impl Edges {
    fn interest(self) -> Interest {
        match self {
            Self::Read => Interest::READABLE,
            Self::ReadWrite => Interest::READABLE | Interest::WRITABLE,
        }
    }
}

impl Name {
    fn token(self) -> Token {
        match self {
            Self::Conn(conn) => Token(((conn.generation as usize) << 32) | conn.index as usize),
            Self::Listener(place) => Token(LISTENER_TOKEN_FIRST + place),
            Self::Waker => Token(WAKER_TOKEN),
        }
    }

    fn from_token(token: Token) -> Self {
        match token.0 {
            WAKER_TOKEN => Self::Waker,
            LISTENER_TOKEN_FIRST.. => Self::Listener(token.0 - LISTENER_TOKEN_FIRST),
            conn => Self::Conn(ConnId { index: conn as u32, generation: (conn >> 32) as u32 }),
        }
    }
}

/// Events one wait takes from the system; more are reported by the next. Bounds the work between two looks at the
/// clock.
const EVENTS_PER_ROUND_MAX: usize = 1024;

/// Above every connection's token: a machine's table never reaches index 2^32 - 2^16.
const LISTENER_TOKEN_FIRST: usize = usize::MAX - 0xffff;
const WAKER_TOKEN: usize = usize::MAX;

// A token carries index and generation side by side.
const _: () = assert!(usize::BITS >= 64);

#[cfg(test)]
mod tests {
    use slotmesh_cluster::machine::ConnId;

    use super::Name;

    #[test]
    fn a_name_survives_its_token() {
        let names = [
            Name::Waker,
            Name::Listener(0),
            Name::Listener(63),
            Name::Conn(ConnId { index: 0, generation: 0 }),
            Name::Conn(ConnId { index: 7, generation: u32::MAX }),
        ];

        for name in names {
            assert_eq!(Name::from_token(name.token()), name);
        }
    }
}
