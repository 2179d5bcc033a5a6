//! Clients that wait for an answer of the host, and getting on with them.

use slotmesh_engine::error::ReplyError;

use super::Node;
use super::conns::Waiting;
use crate::machine::ConnId;

impl Node {
    /// Holds a client's next requests until [`Node::answer`].
    pub(super) fn wait_for_host(&mut self, conn: ConnId) {
        if let Some(client) = self.conns.client_mut(conn) {
            client.waiting = Some(Waiting::Host);
        }
    }

    /// Gives a client that waits for the host its reply, and lets it go on. One that is gone is ignored.
    pub(super) fn answer(&mut self, conn: ConnId, result: Result<(), ReplyError>) {
        let Some(client) = self.conns.client_mut(conn).filter(|client| client.waiting == Some(Waiting::Host)) else {
            return;
        };
        client.waiting = None;
        let session = client.session;
        match result {
            Err(error) => self.engine.reply_error(session, &error),
            Ok(()) if self.engine.session(session).is_silent() => {}
            Ok(()) => self.engine.reply(session).ok(),
        }
        self.resumed.push(conn);
    }
}
