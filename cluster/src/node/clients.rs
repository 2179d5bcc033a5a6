//! Clients coming and going: who is let in, who is held back, who is sent away.

use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::wait::WaitId;

use super::Node;
use super::conns::{Client, Kind, Role, Waiting};
use crate::machine::{ConnId, Peer};

impl Node {
    /// Takes a client's connection, or refuses it with the reference's last word.
    pub(super) fn accept_client(&mut self, now: Now, peer: Peer) -> ConnId {
        self.counters.connections_received += 1;
        if let Some(refusal) = self.refusal(&peer) {
            self.counters.rejected_connections += 1;
            return self.refuse_connection(format!("-{refusal}\r\n").into_bytes());
        }
        if self.is_verbose() {
            match &peer {
                Peer::Tcp { remote, .. } => self.log_verbose(format!("Accepted {remote}")),
                Peer::Unix { path } => self.log_verbose(format!("Accepted connection to {path}")),
                Peer::InProcess => {}
            }
        }
        let session = self.engine.open();
        self.conns.open(Kind::Client(Box::new(Client::new(now, session, peer))))
    }

    fn refusal(&self, peer: &Peer) -> Option<&'static str> {
        let config = &self.engine.core().config;
        let nodes = self.bus.as_ref().map_or(0, |bus| 2 * (bus.table().len().saturating_sub(1)));
        if self.conns.client_count() + nodes >= config.maxclients as usize {
            return Some(match self.bus {
                Some(_) => "ERR max number of clients + cluster connections reached",
                None => "ERR max number of clients reached",
            });
        }
        let stranger = match peer {
            Peer::Tcp { remote, .. } => !remote.ip().to_canonical().is_loopback(),
            Peer::Unix { .. } | Peer::InProcess => false,
        };
        if stranger && config.protected_mode && config.requirepass.is_empty() {
            return Some(PROTECTED_MODE);
        }
        None
    }

    /// Ends everything that hung on a client's connection.
    pub(super) fn forget_client(&mut self, now: Now, conn: ConnId, client: &Client) {
        let peer = Self::peer_id(conn);
        match client.role {
            Role::Monitor => self.monitors -= 1,
            Role::Replica => {
                if let Some(name) = self.replication.feeds.name(peer) {
                    self.log_warning(format!("Connection with replica {name} lost."));
                }
            }
            Role::Normal => {}
        }
        // Also one that only talked REPLCONF so far.
        self.replication.feeds.closed(now, peer);
        if matches!(client.waiting, Some(Waiting::Replicas)) {
            self.replication.waits.cancel(WaitId(peer.0));
        }
        self.engine.close(client.session);
    }

    /// Lets clients go on that a pause held back.
    pub(super) fn resume_paused(&mut self, now: Now) {
        self.resume_where(now, |waiting| waiting == Waiting::Pause);
    }

    /// Lets clients go on that a pause held back, once the command that ended it has run.
    pub(super) fn resume_paused_later(&mut self) {
        let paused = self.conns.clients().filter(|(_, client)| client.waiting == Some(Waiting::Pause));
        self.resumed.extend(paused.map(|(conn, _)| conn));
        for &conn in &self.resumed {
            if let Some(client) = self.conns.client_mut(conn) {
                client.waiting = None;
            }
        }
    }

    /// Lets clients go on whose wait is of this kind.
    pub(super) fn resume_where(&mut self, now: Now, ends: impl Fn(Waiting) -> bool) {
        let waiting: Vec<ConnId> = self
            .conns
            .clients()
            .filter(|(_, client)| client.waiting.is_some_and(&ends))
            .map(|(conn, _)| conn)
            .collect();
        for conn in waiting {
            if let Some(client) = self.conns.client_mut(conn) {
                client.waiting = None;
            }
            self.run_kept(now, conn);
        }
    }

    /// Closes clients that said nothing for longer than `timeout` seconds.
    pub(super) fn close_idle_clients(&mut self, now: Now) {
        let timeout_secs = self.engine.core().config.timeout_secs;
        if timeout_secs == 0 {
            return;
        }
        let idle: Vec<ConnId> = self
            .conns
            .clients()
            .filter(|(_, client)| client.role != Role::Replica && client.waiting.is_none())
            .filter(|(_, client)| !self.engine.session(client.session).is_subscribed())
            .filter(|(_, client)| now.instant.millis_since(client.active) > u64::from(timeout_secs) * 1000)
            .map(|(conn, _)| conn)
            .collect();
        for conn in idle {
            self.log_verbose("Closing idle client");
            self.close_client(conn);
        }
    }

    /// Whether a client lets more bytes wait than its class may.
    pub(super) fn is_over_output_limit(&mut self, now: Now, conn: ConnId) -> bool {
        let Some(client) = self.conns.client(conn) else { return false };
        if client.role == Role::Replica || matches!(client.peer, Peer::InProcess) {
            // A replica's limit counts what the log keeps for it; an in-process caller reads at once.
            return false;
        }
        let limits = &self.engine.core().config.client_output_buffer_limit;
        let limit = if self.engine.session(client.session).is_subscribed() { limits.pubsub } else { limits.normal };
        let waiting = self.engine.out_ref(client.session).len() as u64;
        let over_soft = limit.soft_bytes > 0 && waiting > limit.soft_bytes;
        let since = self.soft_limit_since(now.instant, conn, over_soft);
        let soft_passed =
            since.is_some_and(|since| now.instant.millis_since(since) > limit.soft_secs.saturating_mul(1000));
        (limit.hard_bytes > 0 && waiting > limit.hard_bytes) || soft_passed
    }

    fn soft_limit_since(&mut self, now: Instant, conn: ConnId, over: bool) -> Option<Instant> {
        let client = self.conns.client_mut(conn)?;
        client.over_soft_limit = if over { client.over_soft_limit.or(Some(now)) } else { None };
        client.over_soft_limit
    }
}

/// The one line a stranger gets from a server without password.
const PROTECTED_MODE: &str = "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the \
     default user. In this mode connections are only accepted from the loopback interface. If you want to connect \
     from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode \
     sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the \
     same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. \
     Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by \
     editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the \
     server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' \
     option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above \
     things in order for the server to start accepting connections from the outside.";
