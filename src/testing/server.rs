//! A server with a real port, for tests of other programs.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Client;
use crate::server::Server;

/// A server in the test's process, on a port that the system chose. Gone when dropped.
///
/// ```
/// use std::time::Duration;
/// use slotmesh::testing::TestServer;
///
/// let server = TestServer::start();
/// let mut client = slotmesh::Client::connect(server.addr())?;
/// client.call::<()>(("SET", "session", "x", "EX", 3600))?;
///
/// server.fast_forward(Duration::from_secs(3601));
///
/// assert_eq!(client.call::<Option<String>>(("GET", "session"))?, None);
/// # Ok::<(), slotmesh::Error>(())
/// ```
#[derive(Debug)]
pub struct TestServer {
    server: Server,
    address: SocketAddr,
}

impl TestServer {
    /// Starts a server without files and waits until it serves.
    ///
    /// # Panics
    /// When the system has no port or no thread for it.
    pub fn start() -> Self {
        let started = Server::builder().option("enable-debug-command", "yes").listen("127.0.0.1:0").start();
        let server = started.unwrap_or_else(|error| panic!("the test server does not start: {error}"));
        let address = server.addr().expect("a server that listens has an address");
        Self { server, address }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as client libraries take it: `redis://127.0.0.1:41234/`.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// A connection inside the process.
    ///
    /// # Panics
    /// When a command ended the server.
    pub fn client(&self) -> Client {
        self.server.client()
    }

    /// Moves the server's clocks forward: keys expire, timeouts pass, nobody waits.
    pub fn fast_forward(&self, duration: Duration) {
        self.server.fast_forward(duration);
    }
}
