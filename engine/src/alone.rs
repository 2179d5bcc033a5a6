//! A store without a host around it: requests run with the gates that a store needs by itself.
//!
//! The gates are here as well for hosts, which ask them among their own. Start at [`Engine::execute`].

use crate::command::spec::{DENY_OOM, NO_AUTH, NO_MULTI};
use crate::command::{self, Action, Resolved};
use crate::engine::{Engine, NOT_AUTHENTICATED};
use crate::error::ReplyError;
use crate::resp::args::{Args, ArgsBuf};
use crate::session::SessionId;
use crate::time::Now;

impl Engine {
    /// Runs one request with the gates a store needs when no host stands around it, and then the requests of others
    /// that waited for what it brought.
    ///
    /// A session that waits itself ([`Engine::is_blocked`]) has no more patience: its wait ends as if its time had
    /// come, so that replies keep their order.
    pub fn execute(&mut self, now: Now, id: SessionId, args: Args<'_>) {
        self.end_wait(id);
        self.execute_one(now, id, args);
        self.forget_caching(id, self.core.registry.find_request(args));
        if self.has_served() {
            self.serve_alone(now);
        }
    }

    fn execute_one(&mut self, now: Now, id: SessionId, args: Args<'_>) {
        let command = match self.resolve(args) {
            Ok(command) => command,
            Err(error) => {
                self.refuse_unresolved(id, args, &error);
                return;
            }
        };
        if let Err(error) = self.gate(now, id, command) {
            return self.refuse(id, Some(command.id), &error);
        }
        if self.session(id).transaction.is_some() && self.is_queued(command) {
            self.session_mut(id).queue(command, args);
            if !self.session(id).is_silent() {
                self.reply(id).simple("QUEUED");
            }
            return;
        }
        match command.action {
            Action::Data(_) => self.call(now, id, command, args),
            Action::Exec => self.execute_queue(now, id, command.id),
            Action::Host(_) => self.refuse(id, Some(command.id), &ReplyError::Fixed("ERR this command needs a node")),
        }
    }

    fn execute_queue(&mut self, now: Now, id: SessionId, exec: command::CommandId) {
        let transaction = match self.begin_exec(now, id) {
            Ok(transaction) => transaction,
            Err(refusal) => return self.refuse_exec(id, exec, refusal),
        };
        if !self.session(id).is_silent() {
            self.reply(id).array(transaction.queue.len());
        }
        for queued in &transaction.queue {
            self.call(now, id, queued.resolved, queued.args.as_args());
        }
        self.end_exec(exec);
    }

    pub(crate) fn gate(&mut self, now: Now, id: SessionId, command: Resolved) -> Result<(), ReplyError> {
        self.auth_gate(id, command)?;
        self.multi_gate(id, command)?;
        self.memory_gate(now, id, command, 0)?;
        self.subscribed_gate(id, command)
    }

    /// A stranger may only say who it is.
    ///
    /// # Errors
    /// The reply for any other command.
    pub fn auth_gate(&self, id: SessionId, command: Resolved) -> Result<(), ReplyError> {
        if self.session(id).authenticated || command.flags.has(NO_AUTH) {
            return Ok(());
        }
        Err(NOT_AUTHENTICATED)
    }

    /// Some commands cannot be part of a transaction.
    ///
    /// # Errors
    /// The reply for these, in the words of Valkey 9.
    pub fn multi_gate(&self, id: SessionId, command: Resolved) -> Result<(), ReplyError> {
        if !command.flags.has(NO_MULTI) || self.session(id).transaction.is_none() {
            return Ok(());
        }
        let name = self.core.registry.get(command.id).full_name.as_bytes();
        Err(ReplyError::naming("ERR Command '", name, "' not allowed inside a transaction"))
    }

    /// What needs memory is refused while there is none, after keys were evicted as the policy says.
    ///
    /// `other_bytes` is what counts beside the keyspace.
    ///
    /// # Errors
    /// The reply when memory is at its limit.
    pub fn memory_gate(
        &mut self,
        now: Now,
        id: SessionId,
        command: Resolved,
        other_bytes: u64,
    ) -> Result<(), ReplyError> {
        let needs_memory = || self.session(id).reach(command).flags.has(DENY_OOM);
        if self.core.config.maxmemory == 0 || !needs_memory() || self.has_room(now, other_bytes) {
            return Ok(());
        }
        Err(ReplyError::Fixed("OOM command not allowed when used memory > 'maxmemory'."))
    }

    /// In RESP2, a session in subscribed state may only run a few commands.
    ///
    /// # Errors
    /// The reply for any other command.
    pub fn subscribed_gate(&self, id: SessionId, command: Resolved) -> Result<(), ReplyError> {
        let session = self.session(id);
        if !session.is_subscribed() {
            return Ok(());
        }
        let row = self.core.registry.get(command.id);
        if command::allowed_while_subscribed(&row.full_name, session.protocol) {
            return Ok(());
        }
        Err(ReplyError::text(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            row.full_name
        )))
    }

    /// Whether an open transaction keeps this command for EXEC instead of running it.
    pub fn is_queued(&self, command: Resolved) -> bool {
        // Not by the name it goes by: a renamed EXEC still is EXEC.
        let name = &*self.core.registry.get(command.id).full_name;
        !matches!(name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
    }

    /// Runs a request given as words and returns the reply's bytes: for tests and in-process callers.
    pub fn run<T: AsRef<[u8]>>(&mut self, now: Now, id: SessionId, words: impl IntoIterator<Item = T>) -> Vec<u8> {
        let request: ArgsBuf = words.into_iter().collect();
        self.execute(now, id, request.as_args());
        let mut reply = Vec::new();
        self.out(id).take_into(&mut reply);
        reply
    }
}
