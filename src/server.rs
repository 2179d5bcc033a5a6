//! One server inside this process.
//!
//! Start at [`Server::memory`] for a store without files and sockets, at [`Server::builder`] for everything else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::builder::ServerBuilder;
use crate::client::Client;
use crate::seat::Seat;

/// A server that runs in this process. Ends in order when it and the last of its clients are dropped.
///
/// Clients run their commands on the thread that calls them: no channel, no thread between them and the data. The
/// server itself is cheap to clone; all clones are the same server.
///
/// ```
/// use slotmesh::Server;
///
/// let store = Server::memory();
/// let mut client = store.client();
/// assert_eq!(client.call::<String>(["PING"])?, "PONG");
/// # Ok::<(), slotmesh::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Server {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    seat: Seat,
    address: Option<SocketAddr>,
}

impl Server {
    /// A store in this process: no sockets, no files.
    ///
    /// # Panics
    /// When the system gives no thread or no random numbers, as [`std::thread::spawn`] does.
    pub fn memory() -> Self {
        Self::builder().start().expect("a server with default options needs only a thread and a seed")
    }

    /// A server with options, files, sockets or commands of its own.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn new(seat: Seat, address: Option<SocketAddr>) -> Self {
        Self { running: Arc::new(Running { seat, address }) }
    }

    /// A connection inside this process.
    ///
    /// # Panics
    /// When the server was ended by a command (`SHUTDOWN`): see [`Server::try_client`].
    pub fn client(&self) -> Client {
        self.try_client().expect("the server runs as long as nobody shuts it down by a command")
    }

    /// A connection inside this process.
    ///
    /// # Errors
    /// When the server was ended by a command (`SHUTDOWN`).
    pub fn try_client(&self) -> Result<Client, crate::Error> {
        let running = Arc::clone(&self.running);
        Client::open(Arc::new(move || running.seat.link()))
    }

    /// The address it listens on; none without [`ServerBuilder::listen`].
    pub fn addr(&self) -> Option<SocketAddr> {
        self.running.address
    }

    pub(crate) fn fast_forward(&self, duration: Duration) {
        self.running.seat.fast_forward(duration);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let grace = Duration::from_secs(u64::from(self.seat.plan().config.shutdown_timeout_secs)) + END_MAX;
        self.seat.terminate();
        self.seat.wait_ended(Instant::now() + grace);
    }
}

/// How long an orderly end may take beyond the wait for replicas: the dataset has to be written.
pub(crate) const END_MAX: Duration = Duration::from_secs(30);
