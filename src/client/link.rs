//! The ways to a server: in this process, or over TCP.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use slotmesh_cluster::machine::Reset;
use slotmesh_cluster::node::Node;
use slotmesh_transport_mem::live::Caller;
use slotmesh_transport_tcp::local::{Gone, Local};

use super::error::Error;
use super::request::Request;

/// A connection that carries bytes.
pub(crate) trait Link: Send {
    /// Sends a request, and appends to `received` what the server has answered at once.
    ///
    /// # Errors
    /// [`Error::Disconnected`]; `unsent` when the request certainly did not run.
    fn send(&mut self, request: &[u8], received: &mut Vec<u8>) -> Result<(), Error>;

    /// As [`Link::send`], for one whole request. `frame` is memory for its bytes.
    ///
    /// # Errors
    /// As [`Link::send`].
    fn request(&mut self, request: &Request, frame: &mut Vec<u8>, received: &mut Vec<u8>) -> Result<(), Error> {
        self.send(framed(request, frame), received)
    }

    /// Waits until bytes arrive and appends them. False when none came within `timeout` (none: wait for ever).
    ///
    /// # Errors
    /// [`Error::Disconnected`] when nothing more will come.
    fn wait(&mut self, timeout: Option<Duration>, received: &mut Vec<u8>) -> Result<bool, Error>;
}

impl Link for Local<Node> {
    fn send(&mut self, request: &[u8], received: &mut Vec<u8>) -> Result<(), Error> {
        self.call(request, received).map_err(gone)
    }

    fn request(&mut self, request: &Request, frame: &mut Vec<u8>, received: &mut Vec<u8>) -> Result<(), Error> {
        Self::request(self, request.as_args(), || framed(request, frame), received).map_err(gone)
    }

    fn wait(&mut self, timeout: Option<Duration>, received: &mut Vec<u8>) -> Result<bool, Error> {
        Self::wait(self, timeout, received).map_err(|gone| Error::lost(gone.to_string()))
    }
}

impl Link for Caller<Node> {
    fn send(&mut self, request: &[u8], received: &mut Vec<u8>) -> Result<(), Error> {
        self.exchange(request, received).map_err(|reset| Error::unsent(words(&reset)))
    }

    fn request(&mut self, request: &Request, frame: &mut Vec<u8>, received: &mut Vec<u8>) -> Result<(), Error> {
        let sent = Self::request(self, request.as_args(), || framed(request, frame), received);
        sent.map_err(|reset| Error::unsent(words(&reset)))
    }

    fn wait(&mut self, timeout: Option<Duration>, received: &mut Vec<u8>) -> Result<bool, Error> {
        loop {
            let came = Self::wait(self, received, timeout.unwrap_or(FOREVER));
            if came.map_err(|reset| Error::lost(words(&reset)))? {
                return Ok(true);
            }
            if timeout.is_some() {
                return Ok(false);
            }
        }
    }
}

/// The bytes of a request, in memory that is used again.
fn framed<'a>(request: &Request, frame: &'a mut Vec<u8>) -> &'a [u8] {
    frame.clear();
    request.frame(frame);
    frame
}

fn gone(gone: Gone) -> Error {
    match gone {
        // The command itself may be what closed the connection.
        Gone::Closed => Error::lost(gone.to_string()),
        Gone::Ended => Error::unsent(gone.to_string()),
    }
}

fn words(reset: &Reset) -> String {
    match reset {
        Reset::EndOfStream => "the server closed the connection".to_owned(),
        Reset::Error(text) | Reset::NoAddress(text) => text.clone(),
    }
}

/// A connection over TCP.
#[derive(Debug)]
pub(crate) struct Tcp {
    stream: TcpStream,
    scratch: Box<[u8]>,
    /// What the socket's read timeout is set to.
    timeout: Option<Duration>,
}

impl Tcp {
    /// Connects; each address of a name gets `timeout`.
    pub(crate) fn connect(address: impl ToSocketAddrs, timeout: Duration) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::unsent(error.to_string());
        let mut last = None;
        for address in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    let scratch = vec![0; SCRATCH_BYTES].into_boxed_slice();
                    return Ok(Self { stream, scratch, timeout: None });
                }
                Err(error) => last = Some(failed(error)),
            }
        }
        Err(last.unwrap_or_else(|| Error::unsent("the name has no address")))
    }
}

impl Link for Tcp {
    fn send(&mut self, request: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        self.stream.write_all(request).map_err(|error| Error::lost(error.to_string()))
    }

    fn wait(&mut self, timeout: Option<Duration>, received: &mut Vec<u8>) -> Result<bool, Error> {
        let failed = |error: std::io::Error| Error::lost(error.to_string());
        // The system takes zero for "wait for ever".
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_micros(1)));
        if self.timeout != timeout {
            self.stream.set_read_timeout(timeout).map_err(failed)?;
            self.timeout = timeout;
        }
        loop {
            match self.stream.read(&mut self.scratch) {
                Ok(0) => return Err(Error::lost("the server closed the connection")),
                Ok(count) => {
                    received.extend_from_slice(&self.scratch[..count]);
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(false),
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

/// One wait of a caller that waits for ever.
const FOREVER: Duration = Duration::from_secs(3600);

/// Bytes read from a socket at once.
const SCRATCH_BYTES: usize = 16 * 1024;
