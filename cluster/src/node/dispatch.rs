//! The gates every request passes, in the order of Redis's `processCommand`, so that the same error wins when two
//! apply. Nothing else in the node refuses a command.

use slotmesh_engine::command::spec::{DENY_OOM, LOADING, NO_AUTH, NO_MULTI, PROTECTED, STALE, WRITE};
use slotmesh_engine::command::{Action, Resolved};
use slotmesh_engine::config::choices::Allowed;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::keyspace::KeyHash;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::request::RequestParser;
use slotmesh_engine::session::{Origin, ReplyMode, SessionId};
use slotmesh_engine::time::Now;

use super::Node;
use super::command::Call;
use super::conns::Waiting;
use crate::machine::{ConnId, Peer};

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
        client.commands += 1;
        let command = match command {
            Ok(command) => command,
            Err(error) => return self.refuse_unknown(conn, session, args, &error),
        };
        client.last_command = Some(command.id);
        client.wrote |= command.flags.has(WRITE);
        if let Err(error) = self.gates(now, conn, session, command, args) {
            self.engine.refuse(session, Some(command), &error);
            self.after_reply_mode(session);
            return;
        }
        if self.is_paused_for(now, session, command) {
            return self.pause_client(conn);
        }
        if self.engine.session(session).transaction.is_some() && self.engine.is_queued(command) {
            self.engine.session_mut(session).queue(command, args);
            if !self.engine.session(session).is_silent() {
                self.engine.reply(session).simple("QUEUED");
            }
            if !self.check_query_limit(conn) {
                return;
            }
        } else {
            self.show_monitors(now, conn, command, args);
            self.note_run(now, conn, command, args);
            self.run_command(now, conn, session, command, args, key);
        }
        self.after_reply_mode(session);
    }

    /// Runs a command that passed the gates.
    pub(super) fn run_command(
        &mut self,
        now: Now,
        conn: ConnId,
        session: SessionId,
        command: Resolved,
        args: Args<'_>,
        key: Option<(usize, KeyHash)>,
    ) {
        match command.action {
            Action::Data(_) => self.engine.call_primed(now, session, command, args, key),
            Action::Exec => self.run_queue(now, conn, session),
            Action::Host(number) => self.run_host(Call { now, conn, session, args, command }, number),
        }
    }

    /// EXEC: runs the queue as one unit.
    fn run_queue(&mut self, now: Now, conn: ConnId, session: SessionId) {
        let transaction = match self.engine.begin_exec(now, session) {
            Ok(transaction) => transaction,
            Err(refusal) => return self.engine.refuse_exec(session, refusal),
        };
        let begin = self.engine.out(session).position();
        self.engine.reply(session).array(transaction.queue.len());
        if self.engine.session(session).is_silent() {
            self.engine.out(session).truncate(begin);
        }
        if let Some(client) = self.conns.client_mut(conn) {
            client.wrote |= transaction.writes;
        }
        self.in_transaction = true;
        for queued in &transaction.queue {
            self.note_part(queued.resolved);
            self.run_command(now, conn, session, queued.resolved, queued.args.as_args(), None);
        }
        self.in_transaction = false;
        self.engine.end_exec();
    }

    fn refuse_unknown(&mut self, conn: ConnId, session: SessionId, args: Args<'_>, error: &ReplyError) {
        if args.is(0, "POST") || args.is(0, "HOST:") {
            let peer = self.peer_text(conn);
            self.log_warning(format!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to \
                 Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise \
                 your Redis instance. Connection from {peer} aborted."
            ));
            self.engine.out(session).clear();
            return self.close_client(conn);
        }
        self.engine.refuse(session, None, error);
        self.after_reply_mode(session);
    }

    // --- gates ------------------------------------------------------------------------------------------------

    fn gates(
        &mut self,
        now: Now,
        conn: ConnId,
        session: SessionId,
        command: Resolved,
        args: Args<'_>,
    ) -> Result<(), ReplyError> {
        self.protected_gate(conn, command)?;
        self.auth_gate(session, command)?;
        self.multi_gate(session, command)?;
        if self.bus.is_some() {
            self.slot_gate(now, session, command, args)?;
        }
        self.memory_gate(now, command)?;
        self.disk_gate(command)?;
        self.replicas_gate(now, command)?;
        self.read_only_gate(session, command)?;
        self.engine.subscribed_gate(session, command)?;
        self.stale_gate(command)?;
        self.loading_gate(command)
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

    fn auth_gate(&self, session: SessionId, command: Resolved) -> Result<(), ReplyError> {
        if self.engine.session(session).authenticated || command.flags.has(NO_AUTH) {
            return Ok(());
        }
        Err(ReplyError::Fixed("NOAUTH Authentication required."))
    }

    fn multi_gate(&self, session: SessionId, command: Resolved) -> Result<(), ReplyError> {
        if command.flags.has(NO_MULTI) && self.engine.session(session).transaction.is_some() {
            return Err(ReplyError::Fixed("ERR Command not allowed inside a transaction"));
        }
        Ok(())
    }

    fn memory_gate(&mut self, now: Now, command: Resolved) -> Result<(), ReplyError> {
        if self.engine.core().config.maxmemory == 0 || !command.flags.has(DENY_OOM) {
            return Ok(());
        }
        if self.engine.has_room(now, self.timers.buffer_bytes) {
            return Ok(());
        }
        Err(ReplyError::Fixed("OOM command not allowed when used memory > 'maxmemory'."))
    }

    fn disk_gate(&self, command: Resolved) -> Result<(), ReplyError> {
        if self.is_replica() || !self.has_persistence_error() {
            return Ok(());
        }
        if command.flags.has(WRITE) || self.is_ping(command) {
            return self.persistence_error().map_or(Ok(()), Err);
        }
        Ok(())
    }

    fn replicas_gate(&self, now: Now, command: Resolved) -> Result<(), ReplyError> {
        if !command.flags.has(WRITE) || self.is_replica() || self.has_enough_replicas(now) {
            return Ok(());
        }
        Err(ReplyError::Fixed("NOREPLICAS Not enough good replicas to write."))
    }

    fn read_only_gate(&self, session: SessionId, command: Resolved) -> Result<(), ReplyError> {
        let config = &self.engine.core().config;
        let writes = command.flags.has(WRITE) || (self.is_exec(command) && self.queue_writes(session));
        if writes && self.is_replica() && config.replica_read_only {
            return Err(ReplyError::Fixed("READONLY You can't write against a read only replica."));
        }
        Ok(())
    }

    fn stale_gate(&self, command: Resolved) -> Result<(), ReplyError> {
        if command.flags.has(STALE) || !self.is_stale() {
            return Ok(());
        }
        Err(ReplyError::Fixed("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."))
    }

    fn loading_gate(&self, command: Resolved) -> Result<(), ReplyError> {
        if !self.engine.core().is_loading || command.flags.has(LOADING) {
            return Ok(());
        }
        Err(ReplyError::Fixed("LOADING Redis is loading the dataset in memory"))
    }

    // --- questions --------------------------------------------------------------------------------------------

    fn is_ping(&self, command: Resolved) -> bool {
        &*self.engine.registry().get(command.id).name == "PING"
    }

    pub(super) fn is_exec(&self, command: Resolved) -> bool {
        matches!(command.action, Action::Exec)
    }

    /// Whether the session's open transaction holds a write.
    pub(super) fn queue_writes(&self, session: SessionId) -> bool {
        self.engine.session(session).transaction.as_ref().is_some_and(|transaction| transaction.writes)
    }

    pub(super) fn is_local(&self, conn: ConnId) -> bool {
        self.conns.client(conn).is_some_and(|client| match &client.peer {
            Peer::InProcess | Peer::Unix { .. } => true,
            Peer::Tcp { remote, .. } => remote.ip().is_loopback(),
        })
    }

    /// Whether CLIENT PAUSE, or a failover in progress, holds this command back.
    fn is_paused_for(&self, now: Now, session: SessionId, command: Resolved) -> bool {
        let Some(pause) = self.pause.current(now.instant) else { return false };
        if self.engine.session(session).origin != Origin::Client {
            return false;
        }
        pause.holds(command.flags, self.is_exec(command) && self.queue_writes(session))
    }

    /// Holds a client back. The caller leaves the request's bytes unread: it comes again when the pause ends.
    fn pause_client(&mut self, conn: ConnId) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        client.waiting = Some(Waiting::Pause);
        client.commands -= 1;
        client.parser = RequestParser::default();
    }

    /// CLIENT REPLY SKIP silences exactly the next command.
    fn after_reply_mode(&mut self, session: SessionId) {
        let Some(state) = self.engine.find(session) else { return };
        let next = match state.reply_mode {
            ReplyMode::On | ReplyMode::Off => return,
            ReplyMode::SkipNext => ReplyMode::Skipping,
            ReplyMode::Skipping => ReplyMode::On,
        };
        self.engine.session_mut(session).reply_mode = next;
    }
}
