//! The primary's side of replication inside the node: which connection is which replica, and filling their buffers.

use std::time::Duration;

use slotmesh_engine::config::Config;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Now;
use slotmesh_replication::feed::{FeedConfig, Feeds, Origin, Output, OutputLimit, PeerId};
use slotmesh_replication::link::Link;
use slotmesh_replication::log::Log;
use slotmesh_replication::note::Level;
use slotmesh_replication::wait::{WaitId, Waits};

use super::Node;
use super::conns::{Role, Waiting};
use super::drain::count_output;
use crate::machine::{ConnId, Effect, LogLevel, Peer};
use slotmesh_replication::disk::Lane;

/// Both sides of replication and the log between them.
#[derive(Debug)]
pub(super) struct Replication {
    /// The one log.
    pub(super) log: Log,
    /// Those who follow us.
    pub(super) feeds: Feeds,
    /// Whom we follow.
    pub(super) link: Option<Link>,
    /// Clients in WAIT and WAITAOF.
    pub(super) waits: Waits,
}

impl Replication {
    pub(super) fn new(now: Now, config: &Config, rng: &mut Rng) -> Self {
        Self {
            log: Log::new(rng, config.repl_backlog_size),
            feeds: Feeds::new(now, feed_config(config)),
            link: None,
            waits: Waits::default(),
        }
    }
}

/// The options this side of replication follows.
pub(super) fn feed_config(config: &Config) -> FeedConfig {
    let limit = config.client_output_buffer_limit.replica;
    FeedConfig {
        diskless: config.repl_diskless_sync,
        diskless_delay: Duration::from_secs(u64::from(config.repl_diskless_sync_delay_secs)),
        diskless_replicas_max: config.repl_diskless_sync_max_replicas as usize,
        timeout: Duration::from_secs(u64::from(config.repl_timeout_secs)),
        ping_period: Duration::from_secs(u64::from(config.repl_ping_replica_period_secs)),
        backlog_ttl: Duration::from_secs(config.repl_backlog_ttl_secs),
        output_limit: OutputLimit {
            hard_bytes: limit.hard_bytes,
            soft_bytes: limit.soft_bytes,
            soft_time: Duration::from_secs(limit.soft_secs),
        },
        delete_sync_files: config.rdb_del_sync_files && config.save.points().is_empty() && !config.appendonly,
    }
}

impl Node {
    /// The name replication knows a connection by.
    pub(super) fn peer_id(conn: ConnId) -> PeerId {
        PeerId(u64::from(conn.generation) << 32 | u64::from(conn.index))
    }

    pub(super) fn conn_of_peer(peer: PeerId) -> ConnId {
        ConnId { index: peer.0 as u32, generation: (peer.0 >> 32) as u32 }
    }

    /// What replication needs to know of a connection.
    pub(super) fn origin_of(&self, conn: ConnId) -> Origin {
        let client = self.conns.client(conn);
        let ip = match client.map(|client| &client.peer) {
            Some(Peer::Tcp { remote, .. }) => Some(remote.ip().to_string()),
            Some(Peer::Unix { .. } | Peer::InProcess) | None => None,
        };
        Origin { ip, client_id: client.map_or(0, |client| client.session.client_id()) }
    }

    /// Carries out one wish of the feeds. Returns whether there was one.
    pub(super) fn step_feeds(&mut self, now: Now) -> bool {
        let Some(output) = self.replication.feeds.poll() else { return false };
        match output {
            Output::Close(peer) => self.close_client(Self::conn_of_peer(peer)),
            Output::Disk(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Snapshot, op)),
            // What is sent to replicas is no dump of this node's: its lasting name is never asked for.
            Output::FileSettled(_) => {}
            Output::Note(note) => self.note(note),
            Output::Ready(peer) => self.fill_replica(now, Self::conn_of_peer(peer)),
        }
        true
    }

    /// Moves what waits for a replica into its buffer, as far as there is room.
    pub(super) fn fill_replica(&mut self, now: Now, conn: ConnId) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        let out = self.engine.out(client.session);
        let before = out.len();
        self.replication.feeds.fill(now, Self::peer_id(conn), &mut self.replication.log, out, &mut self.tickets);
        if out.len() > before {
            count_output(client, out, &mut self.counters);
            self.effects.push_back(Effect::Flush(conn));
        }
    }

    /// Makes a client's connection that of a replica.
    pub(super) fn mark_replica(&mut self, conn: ConnId) {
        let client_enabled = self.conns.client_mut(conn).map(|client| client.role = Role::Replica).is_some();
        if client_enabled {
            self.follow_readers();
            self.look_for_walk();
        }
    }

    /// Changes are put into words only while somebody reads the log.
    pub(super) fn follow_readers(&mut self) {
        let read = self.replication.log.is_read();
        let changes = self.engine.changes();
        if read != changes.is_enabled() {
            changes.set_enabled(read);
            changes.forget_db();
        }
    }

    /// Whether `min-replicas-to-write` is satisfied.
    pub(super) fn has_enough_replicas(&self, now: Now) -> bool {
        let config = &self.engine.core().config;
        let wanted = config.min_replicas_to_write as usize;
        wanted == 0
            || config.min_replicas_max_lag_secs == 0
            || self.replication.feeds.good(now, u64::from(config.min_replicas_max_lag_secs)) >= wanted
    }

    /// Answers clients whose WAIT is over. Returns whether there was one.
    pub(super) fn step_waits(&mut self, now: Now) -> bool {
        let local = self.local_file();
        let ended = self.replication.waits.poll(now, &self.replication.feeds, local);
        let Some((WaitId(id), ended)) = ended else { return false };
        let conn = Self::conn_of_peer(PeerId(id));
        let Some(client) = self.conns.client_mut(conn) else { return true };
        client.waiting = None;
        let session = client.session;
        self.reply_ended_wait(session, ended);
        self.run_kept(now, conn);
        true
    }

    /// Blocks a client in WAIT or WAITAOF.
    pub(super) fn wait_for_replicas(&mut self, conn: ConnId, waiting: Waiting) {
        if let Some(client) = self.conns.client_mut(conn) {
            client.waiting = Some(waiting);
        }
    }

    pub(super) fn note(&mut self, note: slotmesh_replication::note::Note) {
        let level = match note.level {
            Level::Debug => LogLevel::Debug,
            Level::Verbose => LogLevel::Verbose,
            Level::Notice => LogLevel::Notice,
            Level::Warning => LogLevel::Warning,
        };
        self.log(level, note.text);
    }
}
