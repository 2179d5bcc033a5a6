//! One client's state, as far as commands care: database, protocol, transaction, subscriptions.
//!
//! Addresses, buffers of unread bytes and ages belong to the host's connection. A session's [`OutBuf`] lives here,
//! because commands and other sessions' messages write into it.

use std::collections::BTreeMap;

use crate::command::spec::Flags;
use crate::command::{Action, Resolved};
use crate::keyspace::DbIndex;
use crate::resp::args::{Args, ArgsBuf};
use crate::resp::outbuf::OutBuf;
use crate::resp::reply::Protocol;
use crate::tracking::TrackingMode;

/// Names one session of an engine; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Place in the engine's table.
    pub(crate) index: u32,
    /// The id clients see: 1, 2, 3 in the order of opening.
    pub(crate) client_id: u64,
}

impl SessionId {
    /// The id that `CLIENT ID` shows.
    pub const fn client_id(self) -> u64 {
        self.client_id
    }

    /// A small number, reused after the session is closed: an index for tables beside the engine's.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// A session with its buffer.
#[derive(Debug)]
pub struct Session {
    /// What commands see and change.
    pub state: SessionState,
    /// The bytes waiting for the client.
    pub out: OutBuf,
    /// Whether the engine already noted that bytes were added.
    pub(crate) noted: bool,
}

/// What commands see and change of a session.
#[derive(Debug)]
pub struct SessionState {
    /// Its name.
    pub id: SessionId,
    /// The selected database.
    pub db: DbIndex,
    /// The protocol of its replies.
    pub protocol: Protocol,
    /// What the session may do without being a client: see [`Origin`].
    pub origin: Origin,
    /// Whether it may run commands that need authentication.
    pub authenticated: bool,
    /// `CLIENT SETNAME`.
    pub name: Box<[u8]>,
    /// `CLIENT SETINFO lib-name`.
    pub lib_name: Box<[u8]>,
    /// `CLIENT SETINFO lib-ver`.
    pub lib_version: Box<[u8]>,
    /// `CLIENT CAPA redirect`: a replica sends it to its primary instead of serving or refusing it. RESET keeps it.
    pub follows_redirects: bool,
    /// READONLY was sent: reads are served from a replica.
    pub readonly: bool,
    /// ASKING was sent: the next command may touch an importing slot.
    pub asking: bool,
    /// `CLIENT NO-TOUCH on`: reads leave access times alone.
    pub no_touch: bool,
    /// `CLIENT NO-EVICT on`.
    pub no_evict: bool,
    /// `CLIENT REPLY`.
    pub reply_mode: ReplyMode,
    /// An open transaction.
    pub transaction: Option<Box<Transaction>>,
    /// Channels and patterns, in the order they were subscribed to.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// How it tracks the keys that it reads, if it does: see [`Engine::track`](crate::Engine::track).
    pub tracking: Option<Box<TrackingMode>>,
    /// Number of watched keys.
    pub watched: u32,
    /// Whether it waits for a key: see [`Engine::next_served`](crate::Engine::next_served).
    pub blocked: bool,
}

/// Where a session's commands come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// The append only file being loaded: everything is allowed and nothing is propagated.
    File,
    /// The primary's replication stream: applied as it is, expired keys included.
    Primary,
}

/// `CLIENT REPLY`: whether replies are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyMode {
    /// No reply until `CLIENT REPLY ON`.
    Off,
    /// Every reply.
    #[default]
    On,
    /// SKIP was just sent: the next command is silent.
    SkipNext,
    /// This command is silent.
    Skipping,
}

/// An open transaction.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The commands queued so far.
    pub queue: Vec<Queued>,
    /// A command could not be queued: EXEC will refuse.
    pub aborted: bool,
    /// Properties that some queued command has.
    pub flags: Flags,
    /// Properties that some queued command lacks.
    pub lacks: Flags,
    /// Bytes of memory the queue takes.
    pub bytes: usize,
    /// The database that the queue's last SELECT chooses, as far as a host notes it.
    pub db: Option<DbIndex>,
}

/// What a request may do: see [`SessionState::reach`].
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// Properties of at least one of its commands.
    pub flags: Flags,
    /// Properties that at least one of its commands lacks.
    pub lacks: Flags,
}

/// A command waiting for EXEC.
#[derive(Debug)]
pub struct Queued {
    /// The command.
    pub resolved: Resolved,
    /// Its words.
    pub args: ArgsBuf,
}

/// What a session listens to. The number is the place in the order of subscribing, engine-wide.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// SUBSCRIBE.
    pub channels: BTreeMap<Box<[u8]>, u64>,
    /// PSUBSCRIBE.
    pub patterns: BTreeMap<Box<[u8]>, u64>,
    /// SSUBSCRIBE.
    pub shards: BTreeMap<Box<[u8]>, u64>,
}

impl Subscriptions {
    /// Channels and patterns together: the count in SUBSCRIBE's replies.
    pub fn plain_len(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// Whether nothing is listened to.
    pub fn is_empty(&self) -> bool {
        self.plain_len() + self.shards.len() == 0
    }
}

impl Session {
    pub(crate) fn new(id: SessionId, origin: Origin, authenticated: bool) -> Self {
        Self { state: SessionState::new(id, origin, authenticated), out: OutBuf::new(), noted: false }
    }
}

impl SessionState {
    fn new(id: SessionId, origin: Origin, authenticated: bool) -> Self {
        Self {
            id,
            db: DbIndex(0),
            protocol: Protocol::Resp2,
            origin,
            authenticated,
            name: Box::default(),
            lib_name: Box::default(),
            lib_version: Box::default(),
            follows_redirects: false,
            readonly: false,
            asking: false,
            no_touch: false,
            no_evict: false,
            reply_mode: ReplyMode::On,
            transaction: None,
            subscriptions: None,
            tracking: None,
            watched: 0,
            blocked: false,
        }
    }

    /// Whether the session is in subscribed state, which in RESP2 allows only a few commands.
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.is_some()
    }

    /// Whether it is in no state that could have a command refused, kept back or left unanswered.
    pub fn is_plain(&self) -> bool {
        self.authenticated
            && self.transaction.is_none()
            && self.subscriptions.is_none()
            && self.reply_mode == ReplyMode::On
            && !self.asking
            && self.tracking.as_ref().is_none_or(|tracking| !tracking.caching)
    }

    /// Whether replies are dropped at the moment.
    pub fn is_silent(&self) -> bool {
        matches!(self.reply_mode, ReplyMode::Off | ReplyMode::Skipping)
    }

    /// Queues a command for EXEC.
    ///
    /// # Panics
    /// When no transaction is open.
    pub fn queue(&mut self, resolved: Resolved, args: Args<'_>) {
        let transaction = self.transaction.as_mut().expect("the caller saw an open transaction");
        transaction.flags = transaction.flags | resolved.flags;
        transaction.lacks = transaction.lacks | resolved.flags.missing();
        let queued = Queued { resolved, args: ArgsBuf::copy_of(args) };
        transaction.bytes += size_of::<Queued>() + queued.args.allocated();
        transaction.queue.push(queued);
    }

    /// The properties that decide whether `command` may run: with those of the whole queue, if it runs the queue.
    pub fn reach(&self, command: Resolved) -> Reach {
        let own = Reach { flags: command.flags, lacks: command.flags.missing() };
        match (&self.transaction, command.action) {
            (Some(open), Action::Exec) => Reach { flags: own.flags | open.flags, lacks: own.lacks | open.lacks },
            _ => own,
        }
    }

    /// Marks an open transaction as failed, so that EXEC refuses it.
    pub fn abort_transaction(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.aborted = true;
        }
    }
}
