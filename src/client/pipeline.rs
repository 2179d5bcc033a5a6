//! Several commands in one exchange.

use super::error::Error;
use super::request::{Request, ToArgs};
use super::{Client, ClusterClient, FromReply};
use slotmesh_engine::resp::value::Reply;

/// Commands that are sent together; their replies come as one array.
///
/// ```
/// let mut client = slotmesh::Server::memory().client();
/// let (echo, pong): (String, String) = client.pipeline().command(("ECHO", 1)).command(["PING"]).run()?;
/// assert_eq!((echo.as_str(), pong.as_str()), ("1", "PONG"));
/// # Ok::<(), slotmesh::Error>(())
/// ```
#[derive(Debug)]
pub struct Pipeline<'c, C> {
    client: &'c mut C,
    requests: Vec<Request>,
}

/// A client that can run several commands in one exchange.
pub(super) trait Batch {
    /// The replies in the order of the requests.
    fn run_batch(&mut self, requests: &[Request]) -> Result<Vec<Reply>, Error>;
}

impl<'c, C> Pipeline<'c, C> {
    pub(super) fn new(client: &'c mut C) -> Self {
        Self { client, requests: Vec::new() }
    }

    /// The same pipeline with one more command.
    #[must_use]
    pub fn command(mut self, args: impl ToArgs) -> Self {
        self.push(args);
        self
    }

    /// Adds a command.
    pub fn push(&mut self, args: impl ToArgs) {
        let mut request = Request::empty();
        request.set(&args);
        self.requests.push(request);
    }
}

impl Pipeline<'_, Client> {
    /// Sends the commands and waits for all replies.
    ///
    /// # Errors
    /// When the connection ends, or a reply is an error or not of the type asked for. Ask for `Result<T, ServerError>`
    /// in the place of a command that may fail alone.
    pub fn run<T: FromReply>(self) -> Result<T, Error> {
        T::from_reply(Reply::Array(self.client.run_batch(&self.requests)?))
    }
}

impl Pipeline<'_, ClusterClient> {
    /// Sends the commands to the nodes that have their keys and waits for all replies. Commands of one node keep
    /// their order; those of different nodes do not.
    ///
    /// # Errors
    /// As for one command; replies of other commands are lost then.
    pub fn run<T: FromReply>(self) -> Result<T, Error> {
        T::from_reply(Reply::Array(self.client.run_batch(&self.requests)?))
    }
}
