//! The replica's side of replication inside the node: the link to the primary, loading its snapshot, applying its
//! stream.
//!
//! A snapshot is loaded beside the data in use and exchanged with it when it is complete: a failed transfer loses
//! nothing, and reads are served meanwhile. Stream bytes reach our own log as they came, so that our replicas and our
//! file read exactly what the primary wrote.

use std::time::Duration;

use slotmesh_engine::command::{CommandId, Resolved};
use slotmesh_engine::config::special::primary::Primary;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::load::{Expired, Loader};
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::request::{Limits, Parsed, RequestParser};
use slotmesh_engine::session::{Origin, SessionId};
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::handshake::Identity;
use slotmesh_replication::link::{Link, LinkConfig, LoadTarget, Output};
use slotmesh_replication::log::Audience;
use slotmesh_replication::offset::{Offset, Replid};

use super::Node;
use super::command::Call;
use super::conns::{Kind, Waiting};
use super::recovery::load_report;
use crate::machine::{ConnId, Effect, Endpoint, Reset, Target};

/// The stream being applied.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) session: SessionId,
    pub(super) opened: Instant,
    /// The last command that was applied.
    pub(super) last_command: Option<CommandId>,
    parser: RequestParser,
    /// Bytes of a command or transaction that is not complete.
    pending: Vec<u8>,
    /// Bytes of `pending` that were applied as part of an open transaction.
    applied: usize,
}

/// What a node that follows a primary needs beside the link itself.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// The connection to the primary.
    pub(super) conn: Option<ConnId>,
    /// A snapshot on its way in.
    loader: Option<Box<Loader>>,
    history: Option<(Replid, Offset)>,
    pub(super) stream: Option<Stream>,
    /// What came from the primary while the node completed its files.
    held: Vec<u8>,
    /// The history a loaded file belonged to, to resume from.
    pub(super) cached: Option<(Replid, Offset)>,
}

impl Node {
    /// Follows this primary from now on; the dataset is kept until the primary's arrives.
    pub(super) fn follow(&mut self, now: Now, host: &str, port: u16) {
        let was_primary = !self.is_replica();
        let own = was_primary.then(|| (self.replication.log.replid(), self.replication.log.offset()));
        self.engine.core_mut().is_replica = true;
        self.abandon_stream();
        self.unblock_waits();
        let config = self.link_config();
        let link = self.replication.link.get_or_insert_with(|| Link::new(config.clone()));
        link.configure(config);
        match self.following.cached.take() {
            Some(cached) => link.follow_from(now, host, port, Some(cached)),
            None => link.follow(now, host, port, own),
        }
        self.follow_readers();
    }

    /// Stops following: the dataset is ours from now on.
    pub(super) fn become_primary(&mut self, _: Now) {
        if !self.is_replica() {
            return;
        }
        if let Some(link) = &mut self.replication.link {
            link.unfollow();
        }
        self.abandon_stream();
        self.following.cached = None;
        self.hang_up_primary();
        self.engine.core_mut().is_replica = false;
        let note = self.replication.log.promote(&mut self.rng);
        self.note(note);
        self.engine.changes().forget_db();
        self.follow_readers();
        // Replicas come back at once and go on by the older name of the history.
        self.replication.feeds.close_all(self.last_now);
    }

    /// As the cluster decided: follows the primary of this shard.
    ///
    /// While the dataset is read from disk, only the role changes: the history it belongs to is not known yet, and a
    /// snapshot must not arrive in the middle of it.
    pub(super) fn follow_cluster_primary(&mut self, now: Now, ip: Option<String>, port: u16) {
        let Some(host) = ip.filter(|_| self.is_running()) else {
            self.engine.core_mut().is_replica = true;
            return;
        };
        let same = self
            .replication
            .link
            .as_ref()
            .and_then(|link| link.info(now))
            .is_some_and(|info| info.target == (host.clone(), port));
        if !same || !self.is_replica() {
            self.follow(now, &host, port);
        }
    }

    /// At start: follows the primary that the configuration or nodes.conf names.
    pub(super) fn follow_configured_primary(&mut self, now: Now) {
        if let Some(primary) = self.bus.as_ref().and_then(crate::bus::Bus::primary_address) {
            self.follow_cluster_primary(now, primary.ip.map(|ip| ip.to_string()), primary.port);
        }
        if let Some(primary) = self.engine.core().config.replicaof.clone() {
            // A node that was never a primary has no history of its own to offer.
            self.engine.core_mut().is_replica = true;
            self.follow(now, &primary.host, primary.port);
        }
    }

    /// Notes whom the node follows, for CONFIG GET and CONFIG REWRITE.
    pub(super) fn remember_primary(&mut self, primary: Option<(&str, u16)>) {
        self.engine.core_mut().config.replicaof = primary.map(|(host, port)| Primary { host: host.to_owned(), port });
    }

    /// Clients that wait for replicas or for keys hear that nothing comes of it any more, and are sent away.
    fn unblock_waits(&mut self) {
        let error = ReplyError::Fixed(
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        );
        self.recall_errands(|_| true, &error);
        let waits = |waiting| matches!(waiting, Some(Waiting::Keys | Waiting::Replicas));
        let waiting: Vec<ConnId> =
            self.conns.clients().filter(|(_, client)| waits(client.waiting)).map(|(conn, _)| conn).collect();
        for conn in waiting {
            let Some(client) = self.conns.client_mut(conn) else { continue };
            client.closing = true;
            let session = client.session;
            if !self.engine.fail_wait(session, &error) {
                self.engine.reply_error(session, &error);
            }
        }
    }

    pub(super) fn link_config(&self) -> LinkConfig {
        let config = &self.engine.core().config;
        let announced = config.replica_announce_port;
        LinkConfig {
            identity: Identity {
                user: Some(String::from_utf8_lossy(&config.masteruser).into_owned()).filter(|user| !user.is_empty()),
                password: Some(config.masterauth.clone()).filter(|password| !password.is_empty()),
                port: if announced != 0 { announced } else { config.port },
                ip: Some(config.replica_announce_ip.clone()).filter(|ip| !ip.is_empty()),
            },
            timeout: Duration::from_secs(u64::from(config.repl_timeout_secs)),
            load: LoadTarget::Parser,
        }
    }

    /// Whether the stream from the primary is open.
    pub(super) fn is_primary_link_up(&self) -> bool {
        self.replication.link.as_ref().is_some_and(Link::is_streaming)
    }

    /// Whether the dataset may be old and the operator does not want it served then.
    pub(super) fn is_stale(&self) -> bool {
        self.is_replica() && !self.engine.core().config.replica_serve_stale_data && !self.is_primary_link_up()
    }

    // --- connection -------------------------------------------------------------------------------------------

    pub(super) fn primary_connected(&mut self, now: Now) {
        if let Some(link) = &mut self.replication.link {
            link.connected(now);
        }
    }

    pub(super) fn primary_closed(&mut self, now: Now, reset: &Reset) {
        self.following.conn = None;
        self.following.held.clear();
        self.abandon_stream();
        let reason = match reset {
            Reset::EndOfStream => "Connection closed by peer",
            Reset::Error(text) | Reset::NoAddress(text) => text,
        };
        if let Some(link) = &mut self.replication.link {
            link.closed(now, reason);
        }
    }

    /// The connection that the primary's stream comes in on, which clients see as one of theirs.
    pub(super) fn primary_client(&self) -> Option<(ConnId, &Stream)> {
        let stream = self.following.stream.as_ref().filter(|_| self.is_primary_link_up())?;
        Some((self.following.conn?, stream))
    }

    /// CLIENT KILL of the primary's connection: it is dialled again at once, and goes on where it ended.
    pub(super) fn kill_primary(&mut self, now: Now) {
        self.hang_up_primary();
        self.primary_closed(now, &Reset::EndOfStream);
    }

    fn hang_up_primary(&mut self) {
        self.following.held.clear();
        if let Some(conn) = self.following.conn.take() {
            self.conns.close(conn);
            self.effects.push_back(Effect::Close(conn, Vec::new()));
        }
    }

    pub(super) fn read_primary(&mut self, now: Now, bytes: &[u8]) {
        if self.is_completing_files() {
            return self.hold_stream(now, bytes);
        }
        let Some(link) = &mut self.replication.link else { return };
        let used = link.received(now, bytes);
        // What the link has to say about these bytes comes before the stream behind them.
        while self.step_primary_link(now) {}
        if used < bytes.len() && self.is_primary_link_up() {
            self.apply_stream(now, &bytes[used..]);
        }
    }

    /// Keeps bytes for the case that the end of this node comes to nothing.
    fn hold_stream(&mut self, now: Now, bytes: &[u8]) {
        if self.following.held.len() + bytes.len() <= HELD_BYTES_MAX {
            return self.following.held.extend_from_slice(bytes);
        }
        self.hang_up_primary();
        self.primary_closed(now, &Reset::Error("Too much arrived during a shutdown".to_owned()));
    }

    /// Goes on with the primary after a shutdown that came to nothing.
    pub(super) fn resume_stream(&mut self, now: Now) {
        let held = std::mem::take(&mut self.following.held);
        if !held.is_empty() {
            self.read_primary(now, &held);
        }
    }

    /// Carries out one wish of the link. Returns whether there was one.
    pub(super) fn step_primary_link(&mut self, now: Now) -> bool {
        let Some(output) = self.replication.link.as_mut().and_then(Link::poll) else { return false };
        match output {
            Output::Close => {
                self.abandon_stream();
                self.hang_up_primary();
            }
            Output::Continue { replid } => self.continue_stream(replid),
            Output::Dial { host, port } => {
                let conn = self.conns.open(Kind::Primary);
                self.following.conn = Some(conn);
                let target = Target { host, port, source: self.bind_source() };
                self.effects.push_back(Effect::Dial(conn, target, Endpoint::Client));
            }
            Output::FullSync { history, size: _ } => {
                self.following.history = history;
                self.following.loader = Some(Box::new(self.engine.begin_load(now, Expired::Keep)));
            }
            Output::HandedOver { accepted } => self.handed_over(now, accepted),
            Output::Note(note) => self.note(note),
            Output::Rdb(bytes) => self.load_chunk(now, &bytes),
            Output::RdbAborted => self.following.loader = None,
            Output::RdbEnd => self.load_end(now),
            Output::Send(bytes) => self.send_primary(&bytes),
        }
        true
    }

    fn send_primary(&mut self, bytes: &[u8]) {
        let Some(conn) = self.following.conn else { return };
        self.conns.own_out(conn).put(bytes);
        self.effects.push_back(Effect::Flush(conn));
    }

    // --- snapshot ---------------------------------------------------------------------------------------------

    fn load_chunk(&mut self, now: Now, bytes: &[u8]) {
        let Some(loader) = &mut self.following.loader else { return };
        if let Err(error) = loader.feed(bytes) {
            self.load_failed(now, &error.to_string());
        }
    }

    fn load_failed(&mut self, now: Now, text: &str) {
        self.following.loader = None;
        self.log_warning(text);
        if let Some(link) = &mut self.replication.link {
            link.load_failed(now);
        }
    }

    fn load_end(&mut self, now: Now) {
        let Some(loader) = self.following.loader.take() else { return };
        // The replicas of this node followed a dataset that ends here.
        self.replication.feeds.close_all(now);
        self.cancel_snapshots(now);
        match self.engine.adopt(*loader) {
            Ok(info) => {
                load_report(now, &info, false).into_iter().for_each(|line| self.log_notice(line));
                if let Some((replid, offset)) = self.following.history {
                    self.replication.log.adopt(replid, offset);
                }
                self.replication.log.force_select();
                self.begin_stream(info.stream_db);
                self.dataset_replaced(now);
                let early = self.replication.link.as_mut().map(|link| link.loaded(now)).unwrap_or_default();
                self.follow_readers();
                self.apply_stream(now, &early);
            }
            Err(error) => self.load_failed(now, &error.to_string()),
        }
    }

    // --- stream -----------------------------------------------------------------------------------------------

    fn continue_stream(&mut self, replid: Option<Replid>) {
        if let Some(replid) = replid
            && self.replication.log.continue_as(replid)
        {
            // Our replicas must hear of the history's new name: they come back and go on.
            self.replication.feeds.close_all(self.last_now);
        }
        let db = self.replication.log.selected();
        self.begin_stream(db);
        self.follow_readers();
    }

    fn begin_stream(&mut self, db: Option<u32>) {
        self.abandon_stream();
        let session = self.engine.open_stream(Origin::Primary);
        if let Some(db) = db.filter(|&db| db < self.engine.core().keyspace.databases()) {
            self.engine.session_mut(session).db.0 = db;
        }
        self.following.stream = Some(Stream {
            session,
            opened: self.last_now.instant,
            last_command: None,
            parser: RequestParser::default(),
            pending: Vec::new(),
            applied: 0,
        });
    }

    /// Forgets a stream that ended, with what was incomplete of it.
    fn abandon_stream(&mut self) {
        if let Some(stream) = self.following.stream.take() {
            self.engine.close(stream.session);
        }
        self.following.loader = None;
    }

    /// Applies commands of the primary's stream.
    fn apply_stream(&mut self, now: Now, bytes: &[u8]) {
        let Some(mut stream) = self.following.stream.take() else { return };
        stream.pending.extend_from_slice(bytes);
        let outcome = self.apply_pending(now, &mut stream);
        if outcome.is_err() {
            self.engine.close(stream.session);
            if let Some(link) = &mut self.replication.link {
                link.stream_corrupt(now);
            }
            return;
        }
        self.following.stream = Some(stream);
    }

    fn apply_pending(&mut self, now: Now, stream: &mut Stream) -> Result<(), Corrupt> {
        let limits = Limits { bulk_bytes_max: usize::MAX, authenticated: true, trusted: true };
        let mut pending = std::mem::take(&mut stream.pending);
        let mut ranges = Vec::new();
        let mut at = stream.applied;
        // Bytes before this belong to whole commands and transactions, and are in the log.
        let mut logged = 0;
        loop {
            ranges.clear();
            // Words are found relative to their own command: a transaction may be longer than ranges reach.
            let rest = &pending[at..];
            match stream.parser.parse(rest, 0, &mut ranges, &limits) {
                Ok(Parsed::Incomplete) => break,
                Ok(Parsed::Empty { consumed }) => at += consumed,
                Ok(Parsed::Request { consumed }) => {
                    at += consumed;
                    let command = self.apply_command(now, stream.session, Args::new(rest, &ranges));
                    stream.last_command = command.or(stream.last_command);
                }
                Ok(Parsed::Inline { .. }) | Err(_) => return Err(Corrupt),
            }
            if self.engine.session(stream.session).transaction.is_none() {
                self.log_stream(stream.session, &pending[logged..at]);
                logged = at;
            }
        }
        stream.applied = at - logged;
        // A large value comes in thousands of pieces: what is here of it stays where it is.
        pending.drain(..logged);
        stream.pending = pending;
        Ok(())
    }

    /// Runs one command of the stream. No gate but the transaction's queue applies, and nobody reads the reply.
    /// Returns which command it is.
    fn apply_command(&mut self, now: Now, session: SessionId, args: Args<'_>) -> Option<CommandId> {
        let was_enabled = self.engine.changes().is_enabled();
        self.engine.changes().set_enabled(false);
        let resolved = self.engine.resolve(args);
        let id = resolved.as_ref().ok().map(|command| command.id);
        match resolved {
            Ok(command) => {
                if self.engine.session(session).transaction.is_some() && self.engine.is_queued(command) {
                    self.engine.session_mut(session).queue(command, args);
                } else {
                    self.run_stream_command(now, session, command, args);
                }
            }
            Err(error) => self.log_warning(format!(
                "== CRITICAL == This replica is sending an error to its master: '{error}' after processing the \
                 command '{}'",
                String::from_utf8_lossy(args.at(0))
            )),
        }
        self.engine.changes().set_enabled(was_enabled);
        self.engine.out(session).clear();
        id
    }

    /// Runs a command that came from no client.
    pub(super) fn run_stream_command(&mut self, now: Now, session: SessionId, command: Resolved, args: Args<'_>) {
        self.run_command(Call { now, conn: STREAM_CONN, session, args, command }, None);
    }

    /// Passes applied bytes on, as they came, to our own replicas and file.
    fn log_stream(&mut self, session: SessionId, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let db = self.engine.session(session).db;
        self.replication.log.append_raw(bytes, Audience::All, Some(db.0));
        self.engine.changes().set_db(Some(db));
        self.replication.feeds.log_grew(&self.replication.log);
        let offset = self.replication.log.offset();
        if let Some(link) = &mut self.replication.link {
            link.applied(offset);
        }
    }
}

/// Stands for the connection of commands that came from no client; it is never given out.
const STREAM_CONN: ConnId = ConnId { index: u32::MAX, generation: u32::MAX };

/// Bytes of the stream kept while the files are completed; more than that, and it is asked for again.
const HELD_BYTES_MAX: usize = 64 << 20;

/// The stream holds what no primary sends.
#[derive(Debug)]
struct Corrupt;
