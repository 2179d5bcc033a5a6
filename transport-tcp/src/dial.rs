//! Opening connections.
//!
//! An address is tried without blocking; when it fails the next one of the same name is. The source address
//! (`bind-source-addr`) is a wish: when it cannot be had, the connection is made without it, as Redis does. What
//! does not live here: looking names up (`resolver`), and giving up after a while, which is the machine's timer.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::socket::Stream;

/// An attempt to reach one peer.
#[derive(Debug)]
pub(crate) struct Dialing {
    /// Addresses not tried yet, last one first.
    untried: Vec<SocketAddr>,
    sources: Vec<IpAddr>,
}

impl Dialing {
    pub(crate) fn new(addresses: &[IpAddr], port: u16, sources: Vec<IpAddr>) -> Self {
        let untried = addresses.iter().rev().map(|&address| SocketAddr::new(address, port)).collect();
        Self { untried, sources }
    }

    /// Begins with the next address that does not fail at once.
    ///
    /// # Errors
    /// The last address's error, when none is left.
    pub(crate) fn begin(&mut self, mut last: io::Error) -> io::Result<Stream> {
        while let Some(address) = self.untried.pop() {
            match connect(address, &self.sources) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn connect(address: SocketAddr, sources: &[IpAddr]) -> io::Result<Stream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    for &source in sources.iter().filter(|source| source.is_ipv4() == address.is_ipv4()) {
        // When none of them can be had the system chooses: better from elsewhere than not at all.
        if bind(&socket, source).is_ok() {
            break;
        }
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(Stream::Tcp(mio::net::TcpStream::from_std(socket.into()))),
    }
}

fn bind(socket: &Socket, source: IpAddr) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(source, 0).into())
}
