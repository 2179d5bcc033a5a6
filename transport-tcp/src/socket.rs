//! One stream socket, TCP or Unix.
//!
//! Lives here: reading, writing a machine's buffer, socket options and naming the peer. What does not: when to do
//! any of it (`net`), and opening one (`listener`, `dial`).

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::SendFlags;
use socket2::{SockRef, TcpKeepalive};

use slotmesh_cluster::machine::Peer;
use slotmesh_engine::resp::outbuf::OutBuf;

use crate::poller::Edges;

/// A connected socket, or one about to be.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How far a write came.
#[derive(Debug)]
pub(crate) enum Sent {
    /// Everything that was visible.
    All,
    /// The peer's window is full: an edge will tell when there is room.
    Blocked,
    /// The connection had its share of this round.
    Share,
}

impl Stream {
    /// Reads what is there. Straight from the system: the C library's function is a point of cancellation, whose
    /// bookkeeping costs a hundredth of a small command.
    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.descriptor(), into)?)
    }

    /// Writes what there is room for, straight to the system as well. A peer that is gone is an error, never a signal.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.descriptor(), bytes, SEND_FLAGS)?)
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }

    fn write_slices(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (slices, self) {
            // A plain send costs less than one with a vector of one.
            ([one], stream) => stream.write(one),
            (slices, Self::Tcp(stream)) => stream.write_vectored(slices),
            (slices, Self::Unix(stream)) => stream.write_vectored(slices),
        }
    }

    /// Writes what is visible of `out`, at most one share of it.
    pub(crate) fn send(&mut self, out: &mut OutBuf) -> io::Result<Sent> {
        let mut share = WRITE_BYTES_PER_ROUND_MAX;
        loop {
            let wrote = if out.segments() == 0 { self.send_some::<1>(out) } else { self.send_some::<SLICES_MAX>(out) };
            match wrote {
                Ok(0) => return Ok(Sent::All),
                Ok(count) => share = share.saturating_sub(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Sent::Blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if out.visible() == 0 {
                return Ok(Sent::All);
            }
            if share == 0 {
                return Ok(Sent::Share);
            }
        }
    }

    fn send_some<const SLICES: usize>(&mut self, out: &mut OutBuf) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = out.slices(&mut slices, SEND_BYTES_MAX);
        if used == 0 {
            return Ok(0);
        }
        let count = self.write_slices(&slices[..used])?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        out.advance(count);
        Ok(count)
    }

    /// The error that a connect in progress or the peer left behind.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        let error = match self {
            Self::Tcp(stream) => stream.take_error()?,
            Self::Unix(stream) => stream.take_error()?,
        };
        error.map_or(Ok(()), Err)
    }

    /// Tells the peer that nothing more will come, and takes what it has sent already: bytes left unread would
    /// make the system reset the connection and the peer lose our last reply. Best effort, the socket closes next.
    pub(crate) fn finish(&mut self, scratch: &mut [u8]) {
        let shut = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        if shut.is_ok() {
            // How much there was, or why it cannot be read, changes nothing any more.
            let _ = self.read(scratch);
        }
    }

    /// Sends small replies at once, and finds dead peers after `keepalive_secs` (0: never) plus three probes a
    /// third of that apart, as Redis does (`anetKeepAlive`).
    pub(crate) fn tune(&self, keepalive_secs: u32) -> io::Result<()> {
        let Self::Tcp(stream) = self else {
            return Ok(());
        };
        stream.set_nodelay(true)?;
        if keepalive_secs > 0 {
            let probe_secs = (keepalive_secs / KEEPALIVE_PROBES).max(1);
            let keepalive = TcpKeepalive::new()
                .with_time(Duration::from_secs(keepalive_secs.into()))
                .with_interval(Duration::from_secs(probe_secs.into()))
                .with_retries(KEEPALIVE_PROBES);
            SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
        }
        Ok(())
    }

    /// Names both ends of an open connection.
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        match self {
            Self::Tcp(stream) => Ok(Peer::Tcp { remote: stream.peer_addr()?, local: stream.local_addr()? }),
            Self::Unix(stream) => {
                let address = stream.local_addr()?;
                let path = address.as_pathname().map(|path| path.to_string_lossy().into_owned());
                Ok(Peer::Unix { path: path.unwrap_or_default() })
            }
        }
    }

    /// The edges that cost nothing while nothing blocks: a TCP socket reports room only after a write was refused,
    /// a Unix socket after each byte its peer takes.
    pub(crate) fn idle_edges(&self) -> Edges {
        match self {
            Self::Tcp(_) => Edges::ReadWrite,
            Self::Unix(_) => Edges::Read,
        }
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interests),
            Self::Unix(stream) => stream.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interests),
            Self::Unix(stream) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            Self::Unix(stream) => stream.deregister(registry),
        }
    }
}

/// No SIGPIPE: Apple's systems are told so once for each socket, by the standard library.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// Bytes one connection may write before the others have their turn. Redis stops at 64 KiB
/// (`NET_MAX_WRITES_PER_EVENT`); more saves rounds on large values and still takes well under 1 ms.
const WRITE_BYTES_PER_ROUND_MAX: usize = 256 * 1024;

/// Bytes one write hands over. The system may send what is larger in several packets, and then has to wait between them
/// with a timer where it paces (BBR): a write of 112 KiB over loopback took twice the time of two of at most so many.
const SEND_BYTES_MAX: usize = 64 * 1024;

/// Pieces one write gathers; the system takes at most 1024 (`IOV_MAX`), and each costs 16 bytes of stack.
const SLICES_MAX: usize = 64;

/// Probes without answer until a peer is dead.
const KEEPALIVE_PROBES: u32 = 3;
