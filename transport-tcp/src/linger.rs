//! Connections the machine has closed whose last bytes are still on their way.
//!
//! The machine has forgotten them: their name may be in use again with a later generation, nobody reads them, and
//! whatever happens to them is told to nobody. They are bounded in number and in time.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use slotmesh_cluster::machine::ConnId;
use slotmesh_engine::time::Instant;

use crate::poller::{Edges, Name, Poller};
use crate::socket::Stream;

/// All closing connections.
#[derive(Debug, Default)]
pub(crate) struct Lingers {
    closing: BTreeMap<ConnId, Closing>,
    /// When some deadline may have passed.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Closing {
    stream: Stream,
    rest: Vec<u8>,
    sent: usize,
    /// Of the last time the peer took something.
    progress: Instant,
    /// When it ends in any case.
    until: Instant,
}

impl Lingers {
    /// Sends `rest` and closes; what the peer does not take now it may take later, as long as it goes on taking.
    pub(crate) fn close(&mut self, now: Instant, poller: &Poller, conn: ConnId, stream: Stream, rest: Vec<u8>) {
        let mut closing = Closing { stream, rest, sent: 0, progress: now, until: now + LINGER_MAX };
        if closing.is_done() || self.closing.len() >= LINGERS_MAX {
            return;
        }
        let watched = match closing.stream.idle_edges() {
            Edges::Read => poller.rewatch(&mut closing.stream, Name::Conn(conn), Edges::ReadWrite),
            Edges::ReadWrite => Ok(()),
        };
        if watched.is_ok() {
            let deadline = closing.deadline();
            self.next = Some(self.next.map_or(deadline, |next| next.min(deadline)));
            self.closing.insert(conn, closing);
        }
    }

    /// A socket has room, or an end.
    pub(crate) fn on_writable(&mut self, now: Instant, conn: ConnId) {
        let Some(closing) = self.closing.get_mut(&conn) else {
            return;
        };
        closing.progress = now;
        if closing.is_done() {
            self.closing.remove(&conn);
        }
    }

    /// Gives up on those whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            self.closing.retain(|_, closing| closing.deadline() > now);
            self.next = self.closing.values().map(Closing::deadline).min();
        }
    }

    /// When [`Lingers::expire`] has work.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.closing.is_empty()
    }
}

impl Closing {
    fn deadline(&self) -> Instant {
        self.until.min(self.progress + STALL_MAX)
    }

    /// Writes on; true when everything is out or nothing more can be.
    fn is_done(&mut self) -> bool {
        while self.sent < self.rest.len() {
            match self.stream.write(&self.rest[self.sent..]) {
                Ok(0) => return true,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        if !self.rest.is_empty() {
            self.stream.finish(&mut [0; DISCARD_BYTES_MAX]);
        }
        true
    }
}

/// How long a closed connection may take for its last bytes while the peer goes on taking them. Redis waits without
/// a limit; a minute is enough for the largest output buffer over a slow line.
const LINGER_MAX: Duration = Duration::from_secs(60);

/// How long the peer of a closed connection may take nothing.
const STALL_MAX: Duration = Duration::from_secs(5);

/// Closing connections kept at a time; beyond it a peer that does not read loses the end of its last reply.
const LINGERS_MAX: usize = 1024;

/// Bytes of unwanted input taken from a closing connection.
const DISCARD_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use mio::net::UnixStream;

    use slotmesh_cluster::machine::ConnId;
    use slotmesh_engine::time::Instant;

    use super::{LINGER_MAX, Lingers, STALL_MAX};
    use crate::poller::{Edges, Name, Poller};
    use crate::socket::Stream;

    const CONN: ConnId = ConnId { index: 1, generation: 1 };

    /// A connection with more last bytes than fit, and its peer.
    fn closing(lingers: &mut Lingers) -> (Poller, UnixStream) {
        let poller = Poller::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::Unix(ours);
        poller.watch(&mut stream, Name::Conn(CONN), Edges::Read).unwrap();
        lingers.close(Instant::ZERO, &poller, CONN, stream, vec![7; 5_000_000]);
        assert!(!lingers.is_empty());
        (poller, theirs)
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_up() {
        let mut lingers = Lingers::default();
        let _peer = closing(&mut lingers);

        assert_eq!(lingers.deadline(), Some(Instant::ZERO + STALL_MAX));
        lingers.expire(Instant::ZERO + STALL_MAX);

        assert!(lingers.is_empty());
        assert_eq!(lingers.deadline(), None);
    }

    #[test]
    fn a_peer_that_goes_on_taking_has_more_time() {
        let mut lingers = Lingers::default();
        let (_poller, mut peer) = closing(&mut lingers);
        let later = Instant::ZERO + STALL_MAX / 2;

        assert!(peer.read(&mut [0; 100_000]).unwrap() > 0);
        lingers.on_writable(later, CONN);
        lingers.expire(Instant::ZERO + STALL_MAX);

        assert_eq!(lingers.deadline(), Some(later + STALL_MAX));
        lingers.on_writable(Instant::ZERO + LINGER_MAX, CONN);
        lingers.expire(Instant::ZERO + LINGER_MAX);
        assert!(lingers.is_empty());
    }

    #[test]
    fn the_last_byte_ends_it() {
        let mut lingers = Lingers::default();
        let (_poller, mut peer) = closing(&mut lingers);
        let mut count = 0;

        while !lingers.is_empty() {
            count += peer.read(&mut [0; 100_000]).unwrap();
            lingers.on_writable(Instant::ZERO, CONN);
        }

        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert_eq!(count + rest.len(), 5_000_000);
    }
}
