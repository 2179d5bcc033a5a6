//! The gates every request passes, in the order of Redis's `processCommand`, so that the same error wins when two
//! apply. Nothing else in the node refuses a command.

use slotmesh_engine::command::spec::{BLOCKING, LOADING, MAY_REPLICATE, PROTECTED, READ, STALE, WRITE};
use slotmesh_engine::command::{Action, Resolved};
use slotmesh_engine::config::choices::Allowed;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::keyspace::KeyHash;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::request::RequestParser;
use slotmesh_engine::session::{Origin, Reach, ReplyMode, SessionId};
use slotmesh_engine::time::Now;

use super::Node;
use super::command::Call;
use super::conns::{Role, Waiting};
use crate::machine::{ConnId, Peer};

/// Why a request does not run.
pub(super) enum Refusal {
    /// A gate's error; an EXEC says so in its own words.
    Gate(ReplyError),
    /// Another node serves its keys, or nobody.
    Redirect(ReplyError),
}

impl From<ReplyError> for Refusal {
    fn from(error: ReplyError) -> Self {
        Self::Gate(error)
    }
}

impl Node {
    /// Runs one request of a client, queues it in its transaction, or refuses it.
    pub(super) fn dispatch(
        &mut self,
        now: Now,
        conn: ConnId,
        command: Result<Resolved, ReplyError>,
        args: Args<'_>,
        key: Option<(usize, KeyHash)>,
    ) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        let session = client.session;
        let command = match command {
            Ok(command) => command,
            Err(error) => return self.refuse_unresolved(now, conn, session, args, &error),
        };
        client.last_command = Some(command.id);
        client.wrote |= command.flags.has(WRITE);
        let call = Call { now, conn, session, args, command };
        let is_plain = client.role == Role::Normal && self.engine.session(session).is_plain();
        if is_plain && self.lets_all_pass(command) {
            self.run_noted(call, key);
            return self.serve_blocked(now);
        }
        let was_asking = self.engine.session(session).asking;
        if let Err(refusal) = self.gates(call) {
            self.refuse(call, &refusal);
        } else if self.is_paused_for(now, conn, session, command) || self.is_in_transit(session, command, args) {
            return self.pause_client(conn);
        } else if self.engine.session(session).transaction.is_some() && self.engine.is_queued(command) {
            self.engine.session_mut(session).queue(command, args);
            self.note_queued(session, command, args);
            if !self.engine.session(session).is_silent() {
                self.engine.reply(session).simple("QUEUED");
            }
            if !self.check_query_limit(conn) {
                return;
            }
        } else {
            self.run_noted(call, key);
            self.show_monitors(now, conn, command.id, args);
            if command.flags.has(BLOCKING) && self.engine.is_blocked(session) {
                // What was said of this one request holds until it is answered.
                return self.hold_blocked(conn);
            }
        }
        if was_asking {
            self.forget_asking(session, Some(command.id));
        }
        self.engine.forget_caching(session, Some(command.id));
        self.after_reply_mode(session);
        self.serve_blocked(now);
    }

    /// Runs a client's command that passed the gates, and keeps it for the logs of slow and of large commands.
    fn run_noted(&mut self, call: Call<'_>, key: Option<(usize, KeyHash)>) {
        self.note_run(call.now, call.conn, call.command, call.args);
        let begin = self.engine.out_ref(call.session).position();
        self.run_command(call, key);
        self.note_sizes(call, begin);
    }

    /// Runs a command that passed the gates.
    pub(super) fn run_command(&mut self, call: Call<'_>, key: Option<(usize, KeyHash)>) {
        match call.command.action {
            Action::Data(_) => self.engine.call_primed(call.now, call.session, call.command, call.args, key),
            Action::Exec => self.run_queue(call),
            Action::Host(number) => self.run_host(call, number),
        }
        // As in Valkey: what was refused or queued has not run, and what waits runs again later.
        if let Some(client) = self.conns.client_mut(call.conn) {
            client.commands += u64::from(!self.engine.is_blocked(client.session));
        }
    }

    /// EXEC: runs the queue as one unit.
    fn run_queue(&mut self, call: Call<'_>) {
        let Call { now, conn, session, command: exec, .. } = call;
        let transaction = match self.engine.begin_exec(now, session) {
            Ok(transaction) => transaction,
            Err(refusal) => return self.engine.refuse_exec(session, exec.id, refusal),
        };
        if !self.engine.session(session).is_silent() {
            self.engine.reply(session).array(transaction.queue.len());
        }
        if let Some(client) = self.conns.client_mut(conn) {
            client.wrote |= transaction.flags.has(WRITE);
        }
        self.executing = Some((conn, transaction.queue.len()));
        for queued in &transaction.queue {
            self.note_part(queued.resolved);
            let (command, args) = (queued.resolved, queued.args.as_args());
            self.run_command(Call { now, conn, session, args, command }, None);
            self.show_monitors(now, conn, command.id, args);
        }
        self.executing = None;
        self.engine.end_exec(exec.id);
        self.note_transaction(conn, transaction);
    }

    pub(super) fn refuse(&mut self, call: Call<'_>, refusal: &Refusal) {
        let Call { now, conn, session, args, command } = call;
        match refusal {
            Refusal::Gate(error) => {
                self.engine.refuse(session, Some(command.id), error);
                self.show_refused_exec(now, conn, command.id, args);
            }
            Refusal::Redirect(error) => self.engine.redirect(session, command, error),
        }
    }

    fn refuse_unresolved(&mut self, now: Now, conn: ConnId, session: SessionId, args: Args<'_>, error: &ReplyError) {
        if args.is(0, "POST") || args.is(0, "HOST:") {
            return self.refuse_stray(conn, session);
        }
        let command = self.engine.refuse_unresolved(session, args, error);
        if let Some(command) = command {
            self.show_refused_exec(now, conn, command, args);
        }
        self.forget_asking(session, None);
        self.engine.forget_caching(session, None);
        self.after_reply_mode(session);
    }

    /// Sends away a browser that was tricked into talking to us.
    fn refuse_stray(&mut self, conn: ConnId, session: SessionId) {
        let peer = self.peer_text(conn);
        self.log_warning(format!(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. \
             This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis \
             instance. Connection from {peer} aborted."
        ));
        self.engine.out(session).clear();
        self.close_client(conn);
    }

    // --- gates ------------------------------------------------------------------------------------------------

    pub(super) fn gates(&mut self, call: Call<'_>) -> Result<(), Refusal> {
        let Call { now, conn, session, args, command } = call;
        self.engine.auth_gate(session, command)?;
        self.protected_gate(conn, command)?;
        self.engine.multi_gate(session, command)?;
        if self.bus.is_some() {
            self.slot_gate(now, session, command, args).map_err(Refusal::Redirect)?;
        } else {
            self.primary_gate(session, command).map_err(Refusal::Redirect)?;
        }
        self.engine.memory_gate(now, session, command, self.timers.buffer_bytes)?;
        let reach = self.engine.session(session).reach(command);
        self.disk_gate(command, reach)?;
        self.replicas_gate(now, reach)?;
        self.read_only_gate(reach)?;
        self.engine.subscribed_gate(session, command)?;
        self.stale_gate(reach)?;
        self.loading_gate(reach)?;
        self.follower_gate(conn, reach)
    }

    /// Whether no gate has a reason to look at this command of a plain client: the usual case, which shall cost little.
    /// Whatever a gate or a pause asks about must be asked about here.
    fn lets_all_pass(&self, command: Resolved) -> bool {
        let core = self.engine.core();
        let takes_no_change = || self.has_persistence_error() || core.config.min_replicas_to_write > 0;
        matches!(command.action, Action::Data(_))
            && self.bus.is_none()
            && self.pause.is_empty()
            && self.courier.is_empty()
            && self.monitors == 0
            && !core.is_replica
            && !core.is_loading
            && core.config.maxmemory == 0
            && !command.flags.any(PROTECTED | BLOCKING)
            && (command.flags.has(READ) || !takes_no_change())
    }

    fn protected_gate(&self, conn: ConnId, command: Resolved) -> Result<(), ReplyError> {
        if !command.flags.has(PROTECTED) {
            return Ok(());
        }
        let allowed = match self.engine.core().config.enable_debug_command {
            Allowed::Yes => true,
            Allowed::No => false,
            Allowed::Local => self.is_local(conn),
        };
        if allowed {
            return Ok(());
        }
        Err(ReplyError::Fixed(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
             from a local connection, otherwise you need to set this option in the configuration file, and then \
             restart the server.",
        ))
    }

    /// A replica sends a client that can follow to its primary (Valkey 8, CLIENT CAPA).
    fn primary_gate(&self, session: SessionId, command: Resolved) -> Result<(), ReplyError> {
        let state = self.engine.session(session);
        if !state.follows_redirects || !self.is_replica() || state.origin != Origin::Client {
            return Ok(());
        }
        let flags = state.reach(command).flags;
        let Some((host, port)) = self.replication.link.as_ref().and_then(|link| link.target()) else { return Ok(()) };
        if flags.has(WRITE) || flags.has(READ) && !state.readonly {
            return Err(ReplyError::text(format!("REDIRECT {host}:{port}")));
        }
        Ok(())
    }

    fn disk_gate(&self, command: Resolved, reach: Reach) -> Result<(), ReplyError> {
        if self.is_replica() || !self.has_persistence_error() {
            return Ok(());
        }
        if reach.flags.has(WRITE) || self.is_ping(command) {
            return self.persistence_error().map_or(Ok(()), Err);
        }
        Ok(())
    }

    fn replicas_gate(&self, now: Now, reach: Reach) -> Result<(), ReplyError> {
        if !reach.flags.has(WRITE) || self.is_replica() || self.has_enough_replicas(now) {
            return Ok(());
        }
        Err(ReplyError::Fixed("NOREPLICAS Not enough good replicas to write."))
    }

    fn read_only_gate(&self, reach: Reach) -> Result<(), ReplyError> {
        if reach.flags.has(WRITE) && self.is_replica() && self.engine.core().config.replica_read_only {
            return Err(ReplyError::Fixed("READONLY You can't write against a read only replica."));
        }
        Ok(())
    }

    fn stale_gate(&self, reach: Reach) -> Result<(), ReplyError> {
        if !reach.lacks.has(STALE) || !self.is_stale() {
            return Ok(());
        }
        Err(ReplyError::Fixed("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."))
    }

    fn loading_gate(&self, reach: Reach) -> Result<(), ReplyError> {
        if !self.engine.core().is_loading || !reach.lacks.has(LOADING) {
            return Ok(());
        }
        Err(ReplyError::Fixed("LOADING Redis is loading the dataset in memory"))
    }

    /// A connection that carries the log, or shows it to a monitor, is for nothing else.
    fn follower_gate(&self, conn: ConnId, reach: Reach) -> Result<(), Refusal> {
        if !reach.flags.any(WRITE | READ | MAY_REPLICATE) || self.is_plain(conn) {
            return Ok(());
        }
        Err(ReplyError::Fixed("ERR Replica can't interact with the keyspace").into())
    }

    // --- questions --------------------------------------------------------------------------------------------

    fn is_ping(&self, command: Resolved) -> bool {
        &*self.engine.registry().get(command.id).full_name == "ping"
    }

    pub(super) fn is_exec(&self, command: Resolved) -> bool {
        matches!(command.action, Action::Exec)
    }

    /// Whether a client is neither replica nor monitor.
    fn is_plain(&self, conn: ConnId) -> bool {
        self.conns.client(conn).is_none_or(|client| client.role == Role::Normal)
    }

    pub(super) fn is_local(&self, conn: ConnId) -> bool {
        self.conns.client(conn).is_some_and(|client| match &client.peer {
            Peer::InProcess | Peer::Unix { .. } => true,
            Peer::Tcp { remote, .. } => remote.ip().is_loopback(),
        })
    }

    /// Whether CLIENT PAUSE, or a failover in progress, holds this command back.
    fn is_paused_for(&self, now: Now, conn: ConnId, session: SessionId, command: Resolved) -> bool {
        let Some(pause) = self.pause.current(now.instant) else { return false };
        // A replica's acknowledgements are what some pauses wait for.
        if self.engine.session(session).origin != Origin::Client || !self.is_plain(conn) {
            return false;
        }
        // Only SHUTDOWN itself can take an end back that is under way.
        if self.is_completing_files() && &*self.engine.registry().get(command.id).full_name == "shutdown" {
            return false;
        }
        pause.holds(self.engine.session(session).reach(command).flags)
    }

    /// Holds a client back. The caller leaves the request's bytes unread: it comes again when the pause ends.
    fn pause_client(&mut self, conn: ConnId) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        client.waiting = Some(Waiting::Pause);
        client.parser = RequestParser::default();
    }

    /// CLIENT REPLY SKIP silences exactly the next command.
    pub(super) fn after_reply_mode(&mut self, session: SessionId) {
        let Some(state) = self.engine.find(session) else { return };
        let next = match state.reply_mode {
            ReplyMode::On | ReplyMode::Off => return,
            ReplyMode::SkipNext => ReplyMode::Skipping,
            ReplyMode::Skipping => ReplyMode::On,
        };
        self.engine.session_mut(session).reply_mode = next;
    }
}
