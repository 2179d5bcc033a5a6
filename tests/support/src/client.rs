//! A small blocking client: arguments out, replies in, nothing hidden.
//!
//! Deliberately without reconnecting, pooling or interpreting: a test sees what the server sent. Every wait is
//! bounded by [`REPLY_LIMIT`].

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::reply::{self, Reply};

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// Received, not yet parsed.
    pending: Vec<u8>,
    address: SocketAddr,
}

/// What [`Client::receive`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The server has closed the connection.
    Closed,
    /// Nothing arrived in the time given.
    Nothing,
    /// A whole reply.
    Reply(Reply),
}

impl Client {
    /// Connects to a server.
    ///
    /// # Errors
    /// As the system reports them, among others when nobody accepts within [`CONNECT_LIMIT`].
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Self { stream, pending: Vec::new(), address })
    }

    /// The server's address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends one command and waits for one reply.
    ///
    /// # Errors
    /// `TimedOut` without a reply within [`REPLY_LIMIT`], `UnexpectedEof` when the server closes, `InvalidData` for
    /// bytes that are no reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> io::Result<Reply> {
        self.send(args)?;
        self.read()
    }

    /// As [`Client::call`], giving the reply's bytes as they came.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_raw<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> io::Result<Vec<u8>> {
        self.send(args)?;
        match self.frame(REPLY_LIMIT)? {
            Frame::Whole(_, bytes) => Ok(bytes),
            Frame::Closed => Err(io::ErrorKind::UnexpectedEof.into()),
            Frame::Nothing => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Sends one command as a multibulk request.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> io::Result<()> {
        self.send_raw(&request(args))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits for the next reply or push.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn read(&mut self) -> io::Result<Reply> {
        match self.receive(REPLY_LIMIT)? {
            Received::Reply(reply) => Ok(reply),
            Received::Closed => Err(io::ErrorKind::UnexpectedEof.into()),
            Received::Nothing => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Waits up to `limit` for the next reply, push or the end of the connection.
    ///
    /// # Errors
    /// `InvalidData` for bytes that are no reply; others as the system reports them.
    pub fn receive(&mut self, limit: Duration) -> io::Result<Received> {
        Ok(match self.frame(limit)? {
            Frame::Whole(reply, _) => Received::Reply(reply),
            Frame::Closed => Received::Closed,
            Frame::Nothing => Received::Nothing,
        })
    }

    /// Ends the connection and waits until the server has forgotten it.
    ///
    /// Half-closes, then reads until the server closes its side, which it does after it has dropped all state of
    /// this client; so the next command of another client cannot see a trace of it.
    pub fn close(mut self) {
        if self.stream.shutdown(Shutdown::Write).is_err() || self.stream.set_read_timeout(Some(CLOSE_LIMIT)).is_err() {
            return;
        }
        let mut scratch = [0; READ_CHUNK_BYTES];
        while matches!(self.stream.read(&mut scratch), Ok(1..)) {}
    }

    fn frame(&mut self, limit: Duration) -> io::Result<Frame> {
        let start = std::time::Instant::now();
        loop {
            if let Some((reply, taken)) =
                reply::parse(&self.pending).map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?
            {
                let bytes = self.pending.drain(..taken).collect();
                return Ok(Frame::Whole(reply, bytes));
            }
            // A timeout of zero would mean "for ever" to the socket.
            let left = limit.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left))?;
            match self.fill() {
                Ok(0) => return Ok(Frame::Closed),
                Ok(_) => {}
                Err(error) if is_timeout(&error) && start.elapsed() >= limit => return Ok(Frame::Nothing),
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Frame::Closed),
                Err(error) => return Err(error),
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        // Large replies are parsed anew after each read: growing reads keep that linear enough.
        let chunk = self.pending.len().clamp(READ_CHUNK_BYTES, READ_BYTES_MAX);
        let start = self.pending.len();
        self.pending.resize(start + chunk, 0);
        let read = self.stream.read(&mut self.pending[start..]);
        self.pending.truncate(start + read.as_ref().map_or(0, |&len| len));
        read
    }
}

/// The bytes of one command as a multibulk request.
pub fn request<A: AsRef<[u8]>>(args: impl IntoIterator<Item = A>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut count = 0;
    for arg in args {
        let arg = arg.as_ref();
        body.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        body.extend_from_slice(arg);
        body.extend_from_slice(b"\r\n");
        count += 1;
    }
    let mut bytes = format!("*{count}\r\n").into_bytes();
    bytes.append(&mut body);
    bytes
}

enum Frame {
    Closed,
    Nothing,
    Whole(Reply, Vec<u8>),
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Longest wait for a reply. Only a hang reaches it; generous, because test machines are slow and busy.
pub const REPLY_LIMIT: Duration = Duration::from_secs(20);
/// Longest wait for a connection on the loopback interface.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait for a server to notice that a client has gone.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// Least number of bytes asked of the socket at once.
const READ_CHUNK_BYTES: usize = 16 * 1024;
/// Most bytes asked of the socket at once.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
