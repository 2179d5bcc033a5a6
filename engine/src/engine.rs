//! Running commands: sessions, gates a store needs alone, calls, transactions, deliveries.
//!
//! A host that is more than a store (a cluster node) resolves, asks its own gates and then uses [`Engine::call`]; an
//! application that only wants a store uses [`Engine::execute`].

use slab::Slab;

use crate::blocked::{Blocked, Request, Wish};
use crate::changes::Changes;
use crate::command::ctx::{Effects, Primed};
use crate::command::spec::{BLOCKING, Group, NO_AUTH, PROTECTED, READ, Spec};
use crate::command::{self, Action, Ctx, DataFn, Registry, Resolved};
use crate::config::Config;
use crate::core::{Broadcast, Core, is_past};
use crate::debug::Switches;
use crate::error::ReplyError;
use crate::keyspace::{KeyHash, Keyspace, Partitioning};
use crate::pubsub::{Kind, PubSub};
use crate::resp::args::{Args, ArgsBuf};
use crate::resp::outbuf::{OutBuf, Position};
use crate::resp::reply::Reply;
use crate::rng::Rng;
use crate::session::{Origin, ReplyMode, Session, SessionId, SessionState, Transaction};
use crate::slot::Slot;
use crate::stats::{CommandStats, Stats};
use crate::time::Now;
use crate::tracking::Tracking;
use crate::watch::Watch;

/// A store with sessions and pub/sub.
///
/// ```
/// use slotmesh_engine::{Engine, config::Config, resp::args::ArgsBuf, time::Now};
///
/// let mut engine = Engine::new(Config::default(), 1);
/// let session = engine.open();
/// let request: ArgsBuf = ["ECHO", "hello"].into_iter().collect();
/// engine.execute(Now::default(), session, request.as_args());
///
/// let mut reply = Vec::new();
/// engine.out(session).take_into(&mut reply);
/// assert_eq!(reply, b"$5\r\nhello\r\n");
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(crate) core: Core,
    pub(crate) sessions: Slab<Session>,
    next_client_id: u64,
    /// Sessions whose buffers got bytes since the last drain.
    pub(crate) noted: Vec<SessionId>,
    /// A snapshot being pulled.
    pub(crate) save: Option<crate::save::Save>,
}

/// Why EXEC does not run the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecRefusal {
    /// A queued command was refused earlier.
    Aborted,
    /// No transaction is open.
    NotOpen,
    /// A watched key was touched.
    Touched,
}

impl Engine {
    /// An empty store. `seed` decides every hash key and random pick.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let partitioning = if config.cluster_enabled { Partitioning::BySlot } else { Partitioning::ByHash };
        let databases = if config.cluster_enabled { config.cluster_databases } else { config.databases };
        let keyspace = Keyspace::new(databases, partitioning, &mut rng);
        let mut registry = Registry::default();
        command::register(&mut registry);
        let core = Core {
            value_hasher: keyspace.value_hasher(),
            all_flushed: false,
            registry,
            keyspace,
            config,
            pubsub: PubSub::default(),
            watch: Watch::default(),
            tracking: Tracking::default(),
            blocked: Blocked::default(),
            changes: Changes::default(),
            stats: Stats::default(),
            rng,
            is_replica: false,
            is_paused: false,
            is_loading: false,
            active_expire: true,
            debug: Switches::default(),
            broadcasts: Vec::new(),
            evict_pool: crate::evict::Pool::default(),
        };
        Self { core, sessions: Slab::new(), next_client_id: 1, noted: Vec::new(), save: None }
    }

    /// The same store with more commands of the same kind.
    ///
    /// # Panics
    /// When a row's name is taken.
    pub fn with_commands(mut self, rows: &'static [Spec<DataFn>]) -> Self {
        self.core.registry.add_data(Group::Generic, rows);
        self
    }

    /// What all sessions share.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// What all sessions share, to change.
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The commands.
    pub fn registry(&self) -> &Registry {
        &self.core.registry
    }

    /// The commands, to add a host's own.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.core.registry
    }

    /// Bytes for the log since the last drain.
    pub fn changes(&mut self) -> &mut Changes {
        &mut self.core.changes
    }

    /// Takes the messages published here that the cluster's other nodes must hear.
    pub fn take_broadcasts(&mut self) -> Vec<Broadcast> {
        std::mem::take(&mut self.core.broadcasts)
    }

    // --- sessions ---------------------------------------------------------------------------------------------

    /// Opens a client's session. It is authenticated at once when no password is configured.
    pub fn open(&mut self) -> SessionId {
        let authenticated = self.core.config.requirepass.is_empty();
        self.open_as(Origin::Client, authenticated)
    }

    /// Opens a session for a stream of commands that is no client's.
    pub fn open_stream(&mut self, origin: Origin) -> SessionId {
        self.open_as(origin, true)
    }

    fn open_as(&mut self, origin: Origin, authenticated: bool) -> SessionId {
        let client_id = self.next_client_id;
        self.next_client_id += 1;
        let entry = self.sessions.vacant_entry();
        let id = SessionId { index: entry.key() as u32, client_id };
        entry.insert(Session::new(id, origin, authenticated));
        id
    }

    /// Ends a session: its subscriptions, watches, transaction and wait go with it.
    pub fn close(&mut self, id: SessionId) {
        if self.find(id).is_none() {
            return;
        }
        let mut session = self.sessions.remove(id.index());
        if let Some(mut own) = session.state.subscriptions.take() {
            self.core.pubsub.forget(&mut own);
        }
        if let Some(mode) = session.state.tracking.take() {
            self.core.tracking.end(id, &mode);
        }
        if session.state.watched > 0 {
            self.core.watch.remove(id);
        }
        if session.state.blocked {
            self.core.blocked.end(id);
        }
    }

    /// A session's state, while it is open.
    pub fn find(&self, id: SessionId) -> Option<&SessionState> {
        self.sessions.get(id.index()).map(|session| &session.state).filter(|state| state.id == id)
    }

    /// A session's state.
    ///
    /// # Panics
    /// When it was closed.
    pub fn session(&self, id: SessionId) -> &SessionState {
        self.find(id).expect("the session is open")
    }

    /// A session's state, to change.
    ///
    /// # Panics
    /// When it was closed.
    pub fn session_mut(&mut self, id: SessionId) -> &mut SessionState {
        let state = &mut self.sessions[id.index()].state;
        assert!(state.id == id, "the session is open");
        state
    }

    /// The bytes waiting for a session's client.
    ///
    /// # Panics
    /// When it was closed.
    pub fn out(&mut self, id: SessionId) -> &mut OutBuf {
        &mut self.sessions[id.index()].out
    }

    /// The bytes waiting for a session's client, to look at.
    ///
    /// # Panics
    /// When it was closed.
    pub fn out_ref(&self, id: SessionId) -> &OutBuf {
        &self.sessions[id.index()].out
    }

    /// A writer for a reply of the host's.
    ///
    /// # Panics
    /// When the session was closed.
    pub fn reply(&mut self, id: SessionId) -> Reply<'_> {
        note(&mut self.noted, &mut self.sessions[id.index()]);
        let session = &mut self.sessions[id.index()];
        Reply::new(&mut session.out, session.state.protocol)
    }

    /// All open sessions, oldest place first.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionState> {
        self.sessions.iter().map(|(_, session)| &session.state)
    }

    /// Moves the names of sessions whose buffers got bytes to the end of `target`.
    pub fn take_noted(&mut self, target: &mut Vec<SessionId>) {
        for id in self.noted.drain(..) {
            if let Some(session) = self.sessions.get_mut(id.index()).filter(|session| session.state.id == id) {
                session.noted = false;
                target.push(id);
            }
        }
    }

    /// Forgets transaction, watches, subscriptions and a wait, and returns to RESP2 and database 0 (`RESET`).
    pub fn reset(&mut self, id: SessionId) {
        let authenticated = self.core.config.requirepass.is_empty();
        self.untrack(id);
        let state = &mut self.sessions[id.index()].state;
        if let Some(mut own) = state.subscriptions.take() {
            self.core.pubsub.forget(&mut own);
        }
        if std::mem::take(&mut state.watched) > 0 {
            self.core.watch.remove(id);
        }
        if std::mem::take(&mut state.blocked) {
            self.core.blocked.end(id);
        }
        state.transaction = None;
        state.db = crate::keyspace::DbIndex(0);
        state.protocol = crate::resp::reply::Protocol::Resp2;
        state.authenticated = authenticated;
        state.name = Box::default();
        state.readonly = false;
        state.asking = false;
        state.no_touch = false;
        state.no_evict = false;
        state.reply_mode = ReplyMode::On;
    }

    // --- commands ---------------------------------------------------------------------------------------------

    /// Finds a request's command and checks its number of words.
    ///
    /// # Errors
    /// The reply for an unknown command or a wrong number of words.
    pub fn resolve(&self, args: Args<'_>) -> Result<Resolved, ReplyError> {
        self.core.registry.resolve(args)
    }

    /// Runs a data command; its reply goes to the session's buffer.
    pub fn call(&mut self, now: Now, id: SessionId, command: Resolved, args: Args<'_>) {
        self.call_primed(now, id, command, args, None);
    }

    /// Drops an open transaction and its watches: its EXEC was refused.
    pub fn discard(&mut self, id: SessionId) {
        let state = self.session_mut(id);
        state.transaction = None;
        if std::mem::take(&mut state.watched) > 0 {
            self.core.watch.remove(id);
        }
    }

    /// As [`Engine::call`], with the hash of the first key, which is word `key.0`, computed before.
    ///
    /// # Panics
    /// When the command is not the engine's.
    pub fn call_primed(
        &mut self,
        now: Now,
        id: SessionId,
        command: Resolved,
        args: Args<'_>,
        key: Option<(usize, KeyHash)>,
    ) {
        let primed = key.and_then(|(index, hash)| Primed::new(args, index, hash));
        if self.run_data(now, id, &command, args, primed) {
            note(&mut self.noted, &mut self.sessions[id.index()]);
        }
    }

    /// Runs a request at once if it can only read data, nothing an engine knows of refuses, queues or delays it, and no
    /// earlier reply waits for its client. `may_run` has the last word. Returns the command that ran.
    ///
    /// It is for a caller that takes the reply at once: [`Engine::take_noted`] names only the sessions of others.
    #[inline]
    pub fn read(
        &mut self,
        now: Now,
        id: SessionId,
        args: Args<'_>,
        may_run: impl FnOnce(&Self, &Resolved) -> bool,
    ) -> Option<command::CommandId> {
        let command = self.core.registry.resolve_plain(args)?;
        let only_reads = command.flags.has(READ) && !command.flags.any(PROTECTED.and(BLOCKING));
        let session = self.sessions.get(id.index())?;
        let is_plain = session.state.id == id && session.state.is_plain() && session.out.is_empty();
        let runs = only_reads && is_plain && matches!(command.action, Action::Data(_)) && may_run(self, &command);
        runs.then(|| {
            self.run_data(now, id, &command, args, None);
            command.id
        })
    }

    /// Whether sessions wait for [`Engine::take_noted`].
    pub fn has_noted(&self) -> bool {
        !self.noted.is_empty()
    }

    /// Returns whether the command came to an end; if not, the session waits.
    fn run_data(
        &mut self,
        now: Now,
        id: SessionId,
        command: &Resolved,
        args: Args<'_>,
        primed: Option<Primed>,
    ) -> bool {
        let Action::Data(run) = command.action else { panic!("only the engine's commands are called here") };
        let session = &mut self.sessions[id.index()];
        let begin = session.out.position();
        self.core.changes.begin_unit();
        if self.core.tracking.is_used() {
            self.core.tracking.set_current(Some(id));
        }
        let mut ctx = Ctx::new(now, &mut session.state, &mut session.out, &mut self.core, primed);
        let result = run(&mut ctx, args);
        let (effects, wish) = ctx.into_effects();
        if let Some(wish) = wish {
            let mut wish = *wish;
            let args = wish.words.take().unwrap_or_else(|| ArgsBuf::copy_of(args));
            self.block(id, wish, Request { command: *command, args });
            return false;
        }
        self.finish(id, command, args, begin, effects, &result);
        true
    }

    /// Begins a wait. What the command did before it found out that it has to wait, such as removing an expired key,
    /// is done; the command itself is counted when it ends.
    fn block(&mut self, id: SessionId, wish: Wish, request: Request) {
        self.core.changes.end_unit();
        let session = &mut self.sessions[id.index()].state;
        session.blocked = true;
        self.core.blocked.begin(id, session.db, wish, request);
        self.core.watch.keep_touched(self.core.blocked.minds_loss());
        self.core.tracking.set_current(None);
        self.deliver_news();
    }

    fn finish(
        &mut self,
        id: SessionId,
        command: &Resolved,
        args: Args<'_>,
        begin: Position,
        effects: Effects,
        result: &Result<(), ReplyError>,
    ) {
        let session = &mut self.sessions[id.index()];
        if effects.repeat_verbatim() {
            self.core.changes.push(session.state.db, args.iter());
        }
        self.core.changes.end_unit();
        self.core.stats.count_call(command.id, result.is_err());
        if let Err(error) = result {
            session.out.truncate(begin);
            Reply::new(&mut session.out, session.state.protocol).error(error);
            self.core.stats.count_error(error.code());
        }
        if session.state.is_silent() && !effects.pushed {
            session.out.truncate(begin);
        }
        if self.core.tracking.is_used() {
            self.remember_read(id, command, args);
        }
        self.deliver_news();
    }

    /// Replies with an error that a gate found. An open transaction is marked as failed; one whose EXEC is refused
    /// ends, and so does every EXEC in its own words.
    pub fn refuse(&mut self, id: SessionId, command: Option<command::CommandId>, error: &ReplyError) {
        if let Some(command) = command {
            self.core.stats.count_rejected(command);
            if matches!(self.core.registry.get(command).action, Some(Action::Exec)) {
                self.discard(id);
                let cause = error.line().strip_prefix(b"ERR ").unwrap_or(error.line());
                let text = [b"EXECABORT Transaction discarded because of: ", cause].concat();
                return self.reply_error(id, &ReplyError::text(text));
            }
        }
        self.session_mut(id).abort_transaction();
        self.reply_error(id, error);
    }

    /// Replies to a request that has no command or the wrong number of words, and returns the command if there is
    /// one. A stranger is not told which commands exist (as Valkey 9 does it; Redis 7.0 tells).
    pub fn refuse_unresolved(
        &mut self,
        id: SessionId,
        args: Args<'_>,
        error: &ReplyError,
    ) -> Option<command::CommandId> {
        let command = self.core.registry.find_request(args);
        let is_open = command.is_some_and(|command| self.core.registry.get(command).flags.has(NO_AUTH));
        let error = if self.session(id).authenticated || is_open { error } else { &NOT_AUTHENTICATED };
        self.refuse(id, command, error);
        command
    }

    /// Replies to a request whose keys another node serves: a queueing transaction is marked as failed, and one
    /// whose EXEC is sent away ends.
    pub fn redirect(&mut self, id: SessionId, command: Resolved, error: &ReplyError) {
        self.core.stats.count_rejected(command.id);
        match command.action {
            Action::Exec => self.discard(id),
            Action::Data(_) | Action::Host(_) => self.session_mut(id).abort_transaction(),
        }
        self.reply_error(id, error);
    }

    /// Replies with an error.
    pub fn reply_error(&mut self, id: SessionId, error: &ReplyError) {
        self.core.stats.count_error(error.code());
        if !self.session(id).is_silent() {
            self.reply(id).error(error);
        }
    }

    /// Ends the shard subscriptions of slots that this node no longer serves, telling the listeners. All slots in one
    /// call: every shard channel is looked at once.
    pub fn drop_shard_channels(&mut self, is_lost: impl Fn(Slot) -> bool) {
        for (channel, listeners) in self.core.pubsub.shard_listeners(is_lost) {
            for id in listeners {
                let Some(session) = self.sessions.get_mut(id.index()) else { continue };
                let Some(own) = &mut session.state.subscriptions else { continue };
                self.core.pubsub.unsubscribe(Kind::Shard, &channel, own);
                let left = own.shards.len();
                if own.is_empty() {
                    session.state.subscriptions = None;
                }
                note(&mut self.noted, session);
                let mut reply = Reply::new(&mut session.out, session.state.protocol);
                reply.push(3);
                reply.bulk(b"sunsubscribe");
                reply.bulk(&channel);
                reply.len(left);
            }
        }
    }

    // --- transactions -----------------------------------------------------------------------------------------

    /// Ends the queueing of a transaction and hands its commands to the caller, who replies with an array, runs
    /// each of them and then calls [`Engine::end_exec`].
    ///
    /// # Errors
    /// When the queue must not run. A refused transaction is closed, as is its set of watched keys.
    pub fn begin_exec(&mut self, now: Now, id: SessionId) -> Result<Box<Transaction>, ExecRefusal> {
        let Some(transaction) = self.session_mut(id).transaction.take() else { return Err(ExecRefusal::NotOpen) };
        let touched = self.session(id).watched > 0 && self.watch_is_broken(now, id);
        if std::mem::take(&mut self.session_mut(id).watched) > 0 {
            self.core.watch.remove(id);
        }
        if transaction.aborted {
            return Err(ExecRefusal::Aborted);
        }
        if touched {
            return Err(ExecRefusal::Touched);
        }
        self.core.changes.begin_transaction();
        Ok(transaction)
    }

    /// Ends a transaction's calls: what they changed leaves as one unit, and EXEC itself is counted.
    pub fn end_exec(&mut self, exec: command::CommandId) {
        self.core.stats.count_call(exec, false);
        self.core.changes.end_transaction();
        self.deliver();
    }

    /// A key that expired since the watch began counts as touched, even if nobody has removed it yet.
    fn watch_is_broken(&self, now: Now, id: SessionId) -> bool {
        self.core.watch.is_broken(id)
            || self.core.watch.of(id).any(|(db, key, was_expired)| {
                let hash = self.core.keyspace.hash(key);
                let entry = self.core.keyspace.db(db).find(hash, key);
                !was_expired && entry.is_some_and(|entry| is_past(entry, now))
            })
    }

    /// Replies to an EXEC that [`Engine::begin_exec`] refused.
    pub fn refuse_exec(&mut self, id: SessionId, exec: command::CommandId, refusal: ExecRefusal) {
        self.core.stats.count_call(exec, refusal != ExecRefusal::Touched);
        let text = match refusal {
            ExecRefusal::Aborted => "EXECABORT Transaction discarded because of previous errors.",
            ExecRefusal::NotOpen => "ERR EXEC without MULTI",
            ExecRefusal::Touched if self.session(id).is_silent() => return,
            ExecRefusal::Touched => return self.reply(id).null_array(),
        };
        self.reply_error(id, &ReplyError::Fixed(text));
    }
}

impl Stats {
    /// Counts a command that ran.
    pub fn count_call(&mut self, id: command::CommandId, failed: bool) {
        self.commands += 1;
        let stats = self.of(id);
        stats.calls += 1;
        stats.failed += u64::from(failed);
    }

    fn count_rejected(&mut self, id: command::CommandId) {
        self.of(id).rejected += 1;
    }

    /// The counters of one command.
    pub fn of(&mut self, id: command::CommandId) -> &mut CommandStats {
        if self.commands_by_id.len() <= id.index() {
            self.commands_by_id.resize(id.index() + 1, CommandStats::default());
        }
        &mut self.commands_by_id[id.index()]
    }
}

/// The reply to a stranger.
pub(crate) const NOT_AUTHENTICATED: ReplyError = ReplyError::Fixed("NOAUTH Authentication required.");

/// Notes that a session's buffer may have got bytes.
pub(crate) fn note(noted: &mut Vec<SessionId>, session: &mut Session) {
    if !session.noted {
        session.noted = true;
        noted.push(session.state.id);
    }
}
