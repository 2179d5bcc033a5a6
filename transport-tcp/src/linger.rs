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
    /// The earliest deadline, or earlier; when it passes the rest is looked at.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Closing {
    stream: Stream,
    rest: Vec<u8>,
    sent: usize,
    until: Instant,
}

impl Lingers {
    /// Sends `rest` and closes; what the peer does not take now it may take within [`LINGER_MAX`].
    pub(crate) fn close(&mut self, now: Instant, poller: &Poller, conn: ConnId, stream: Stream, rest: Vec<u8>) {
        let mut closing = Closing { stream, rest, sent: 0, until: now + LINGER_MAX };
        if closing.is_done() || self.closing.len() >= LINGERS_MAX {
            return;
        }
        let watched = match closing.stream.idle_edges() {
            Edges::Read => poller.rewatch(&mut closing.stream, Name::Conn(conn), Edges::ReadWrite),
            Edges::ReadWrite => Ok(()),
        };
        if watched.is_ok() {
            self.next = Some(self.next.map_or(closing.until, |next| next.min(closing.until)));
            self.closing.insert(conn, closing);
        }
    }

    /// A socket has room, or an end.
    pub(crate) fn on_writable(&mut self, conn: ConnId) {
        if self.closing.get_mut(&conn).is_some_and(Closing::is_done) {
            self.closing.remove(&conn);
        }
    }

    /// Gives up on those whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            self.closing.retain(|_, closing| closing.until > now);
            self.next = self.closing.values().map(|closing| closing.until).min();
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

/// How long a closed connection may take for its last bytes.
pub(crate) const LINGER_MAX: Duration = Duration::from_secs(1);

/// Closing connections kept at a time; beyond it a peer that does not read loses the end of its last reply.
const LINGERS_MAX: usize = 1024;

/// Bytes of unwanted input taken from a closing connection.
const DISCARD_BYTES_MAX: usize = 16 * 1024;
