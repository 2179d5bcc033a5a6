//! Clients: commands out, typed replies in, on the caller's own thread.
//!
//! A [`Client`] talks to one server, in this process or over TCP; a [`ClusterClient`] to a cluster: it sends each
//! command to the node that has its key and follows redirects. Neither owns a thread, so a call inside the process
//! costs no more than a lock. What does not live here: async, connection pools; over TCP every client library for
//! Redis works as well. Start at [`Client::call`].

mod cluster;
mod connection;
mod convert;
mod error;
mod link;
mod pipeline;
mod request;
mod slot_map;
mod subscription;

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

pub use cluster::ClusterClient;
pub(crate) use cluster::{Address, Places};
use connection::Connection;
pub use convert::FromReply;
pub use error::{Error, Malformed, Reply, ServerError};
pub(crate) use link::Link;
use link::Tcp;
use pipeline::Batch;
pub use pipeline::Pipeline;
pub use request::{Arg, Request, ToArgs};
pub use subscription::{Message, Subscription};

/// A connection to one server.
///
/// It does not reconnect: after [`Error::Disconnected`], [`Error::TimedOut`] or [`Error::Malformed`] every call fails,
/// and the connection's state (its database, its transaction) is gone. Make a new client then.
///
/// ```
/// let mut client = slotmesh::Server::memory().client();
///
/// let pong: String = client.call(["PING"])?;
/// assert_eq!(pong, "PONG");
/// assert_eq!(client.call::<i64>(("NOSUCH", 1)).unwrap_err().code(), "ERR");
/// # Ok::<(), slotmesh::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    request: Request,
    /// Keeps what the connection leads to alive, and opens another one beside it.
    source: Source,
}

/// How to open a link to the same server once more.
pub(crate) type Opener = dyn Fn() -> Result<Box<dyn Link>, Error> + Send + Sync;

#[derive(Clone)]
struct Source(Arc<Opener>);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl Client {
    /// Connects to a server over TCP.
    ///
    /// # Errors
    /// [`Error::Disconnected`] when no address accepts the connection within ten seconds.
    pub fn connect(address: impl ToSocketAddrs) -> Result<Self, Error> {
        let addresses: Vec<_> = address.to_socket_addrs().map_err(|error| Error::unsent(error.to_string()))?.collect();
        Self::open(Arc::new(move || Ok(Box::new(Tcp::connect(&addresses[..], CONNECT_TIMEOUT)?))))
    }

    pub(crate) fn open(source: Arc<Opener>) -> Result<Self, Error> {
        let connection = Connection::new(source()?);
        Ok(Self { connection, request: Request::empty(), source: Source(source) })
    }

    /// How long one reply may take; none, as at first, for as long as it takes.
    ///
    /// A reply that takes longer is [`Error::TimedOut`], and the end of the connection. Commands that block (`BLPOP`,
    /// `WAIT`) have timeouts of their own, which should be shorter.
    pub fn set_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        self.connection.timeout = timeout.into();
    }

    /// Runs one command and waits for its reply.
    ///
    /// # Errors
    /// When the server replies with an error, the reply is not of the type asked for, or the connection ends.
    pub fn call<T: FromReply>(&mut self, args: impl ToArgs) -> Result<T, Error> {
        self.request.set(&args);
        self.connection.call_for(&self.request)
    }

    /// Several commands in one exchange.
    pub fn pipeline(&mut self) -> Pipeline<'_, Self> {
        Pipeline::new(self)
    }

    /// Listens to channels, on a connection of its own.
    ///
    /// ```
    /// let mut client = slotmesh::Server::memory().client();
    /// let mut news = client.subscribe(["news"])?;
    /// let receivers: i64 = client.call(("PUBLISH", "news", "hello"))?;
    ///
    /// let message = news.next_message(None)?.expect("it waits until there is one");
    /// assert_eq!((receivers, message.payload.as_slice()), (1, &b"hello"[..]));
    /// # Ok::<(), slotmesh::Error>(())
    /// ```
    ///
    /// # Errors
    /// When no second connection can be opened, or the server refuses.
    pub fn subscribe<A: Arg>(&self, channels: impl IntoIterator<Item = A>) -> Result<Subscription, Error> {
        Subscription::begin(Connection::new(self.source.0()?), "SUBSCRIBE", channels)
    }

    /// Listens to all channels whose names fit the patterns, on a connection of its own.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub fn psubscribe<A: Arg>(&self, patterns: impl IntoIterator<Item = A>) -> Result<Subscription, Error> {
        Subscription::begin(Connection::new(self.source.0()?), "PSUBSCRIBE", patterns)
    }

    /// Waits for a message that is no reply to a command: RESP3's push messages, after `HELLO 3`.
    ///
    /// # Errors
    /// When the connection ended.
    pub fn next_push(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Option<Reply>, Error> {
        self.connection.message(timeout.into())
    }
}

impl Batch for Client {
    fn run_batch(&mut self, requests: &[Request]) -> Result<Vec<Reply>, Error> {
        let mut replies = Vec::with_capacity(requests.len());
        // In parts: a server stops reading from a client that does not take its replies.
        for part in requests.chunks(PIPELINE_REQUESTS_MAX) {
            self.connection.send_all(part.iter())?;
            for _ in part {
                replies.push(self.connection.reply()?);
            }
        }
        Ok(replies)
    }
}

/// How long a TCP connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests that are sent before their replies are read.
const PIPELINE_REQUESTS_MAX: usize = 1024;
