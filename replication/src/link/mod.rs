//! The replica's side of replication: one link to its primary.
//!
//! Lives here: dialling, the handshake, PSYNC, the reception of snapshots, acknowledgements, timeouts, and what is
//! remembered for a partial resynchronisation. What does not: applying anything. Snapshot bytes leave as
//! [`Output::Rdb`]; once [`Link::is_streaming`], bytes of the connection are commands and belong to the node, which
//! reports how far it has applied them. `receive` has what arriving bytes do, `cron` what time does.

mod cron;
mod receive;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use slotmesh_engine::time::{Instant, Now};

use crate::handshake::{Handshake, Identity, put_command};
use crate::note::Note;
use crate::offset::{Offset, Replid};
use crate::transfer::Body;

/// The link of a replica to its primary; a primary has one that is [`LinkState::None`].
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    target: Option<(String, u16)>,
    stage: Stage,
    /// The history and place to resume from, known while it can be resumed.
    upstream: Option<Upstream>,
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    outputs: VecDeque<Output>,
    last_io: Instant,
    next_attempt: Instant,
    next_beat: Instant,
    /// How far the stream is on this node's disk.
    synced: Option<Offset>,
    /// When the link was lost; nothing if it never was up.
    down_since: Option<Instant>,
    /// PSYNC asks the primary-to-be to take over.
    failover: bool,
}

/// The options this side of replication follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// How to present ourselves.
    pub identity: Identity,
    /// `repl-timeout`.
    pub timeout: Duration,
    /// Where a snapshot goes: decides a word in the log.
    pub load: LoadTarget,
}

/// Where the bytes of a snapshot go first (`repl-diskless-load`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadTarget {
    /// Into a file, which is loaded when it is complete: the old data serve until then.
    Disk,
    /// Straight into the keyspace.
    Parser,
}

/// What the node must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Close the link's connection. No [`Link::closed`] follows for it.
    Close,
    /// The primary goes on where we were; its history may have another name now.
    Continue {
        /// The name, when it was sent.
        replid: Option<Replid>,
    },
    /// Dial the primary, then report [`Link::connected`] or [`Link::closed`].
    Dial {
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A full synchronisation begins: snapshot bytes follow.
    FullSync {
        /// The history it belongs to; nothing from a primary that knows only SYNC.
        history: Option<(Replid, Offset)>,
        /// Its size, when it is known.
        size: Option<u64>,
    },
    /// What was asked to take over ([`Link::hand_over`]) has answered.
    HandedOver {
        /// It is the primary now.
        accepted: bool,
    },
    /// Write a line to the log.
    Note(Note),
    /// The next bytes of the snapshot.
    Rdb(Bytes),
    /// The snapshot will not be completed: forget what was received of it.
    RdbAborted,
    /// The snapshot is complete: load it, then report [`Link::loaded`] or [`Link::load_failed`].
    RdbEnd,
    /// Send these bytes.
    Send(Vec<u8>),
}

/// The link's state in the words of ROLE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Waiting for the next attempt.
    Connect,
    /// The stream is open.
    Connected,
    /// Dialling.
    Connecting,
    /// Talking up to PSYNC.
    Handshake,
    /// Not a replica.
    None,
    /// Receiving or loading a snapshot.
    Sync,
}

impl LinkState {
    /// The word ROLE shows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Connected => "connected",
            Self::Connecting => "connecting",
            Self::Handshake => "handshake",
            Self::None => "none",
            Self::Sync => "sync",
        }
    }
}

/// What INFO shows of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// `master_host` and `master_port`.
    pub target: (String, u16),
    /// The state, as ROLE shows it.
    pub state: LinkState,
    /// `master_last_io_seconds_ago`; nothing, shown as -1, while the link is not up.
    pub last_io_secs: Option<u64>,
    /// Figures of the synchronisation in progress.
    pub sync: Option<SyncInfo>,
    /// `master_link_down_since_seconds`; nothing, shown as -1, if it never was up.
    pub down_since_secs: Option<u64>,
}

/// Figures of a synchronisation in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncInfo {
    /// `master_sync_total_bytes`; 0 when the size is not known.
    pub total_bytes: u64,
    /// `master_sync_read_bytes`.
    pub read_bytes: u64,
    /// `master_sync_last_io_seconds_ago`.
    pub last_io_secs: u64,
}

#[derive(Debug)]
enum Stage {
    /// Not a replica.
    Idle,
    /// Between attempts.
    Waiting,
    Dialling,
    Greeting(Handshake),
    /// PSYNC is sent.
    Asking,
    /// The snapshot's header line is next.
    Header {
        history: Option<(Replid, Offset)>,
    },
    Receiving {
        history: Option<(Replid, Offset)>,
        body: Body,
        total: u64,
        read: u64,
    },
    /// The node loads; stream bytes that come meanwhile wait here.
    Loading {
        history: Option<(Replid, Offset)>,
        early: Vec<u8>,
        total: u64,
    },
    Streaming {
        acknowledges: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Upstream {
    replid: Replid,
    offset: Offset,
}

impl Link {
    /// The link of a node that is not a replica.
    pub fn new(config: LinkConfig) -> Self {
        Self {
            config,
            target: None,
            stage: Stage::Idle,
            upstream: None,
            synced: None,
            line: Vec::new(),
            outputs: VecDeque::new(),
            last_io: Instant::ZERO,
            next_attempt: Instant::ZERO,
            next_beat: Instant::ZERO,
            down_since: None,
            failover: false,
        }
    }

    /// Follows changed options; the next handshake uses them.
    pub fn configure(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// Takes the next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Follows this primary from now on. `own` is the node's own history when it was a primary until now: it may let
    /// the new primary resume it.
    pub fn follow(&mut self, now: Now, host: &str, port: u16, own: Option<(Replid, Offset)>) {
        self.hang_up();
        if let Some((replid, offset)) = own {
            self.upstream = Some(Upstream { replid, offset });
            self.note(Note::notice(
                "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer.",
            ));
        }
        self.target = Some((host.to_owned(), port));
        self.down_since = None;
        self.failover = false;
        self.dial(now, "Connecting");
    }

    /// As [`follow`](Self::follow), at start-up: `cached` is the history a loaded RDB file belonged to.
    pub fn follow_from(&mut self, now: Now, host: &str, port: u16, cached: Option<(Replid, Offset)>) {
        self.upstream = cached.map(|(replid, offset)| Upstream { replid, offset });
        self.follow(now, host, port, None);
    }

    /// Makes PSYNC ask the primary-to-be to take over (FAILOVER), until [`Output::HandedOver`].
    pub fn hand_over(&mut self) {
        self.failover = true;
    }

    /// Stops being a replica.
    pub fn unfollow(&mut self) {
        self.hang_up();
        self.upstream = None;
        self.target = None;
        self.stage = Stage::Idle;
    }

    /// Whether this node is a replica.
    pub fn is_replica(&self) -> bool {
        self.target.is_some()
    }

    /// Whom it follows: host and port, as the operator or the cluster named them.
    pub fn target(&self) -> Option<(&str, u16)> {
        self.target.as_ref().map(|(host, port)| (&**host, *port))
    }

    /// Whether the connection carries commands: its bytes belong to the node.
    pub fn is_streaming(&self) -> bool {
        matches!(self.stage, Stage::Streaming { .. })
    }

    /// The state in the words of ROLE.
    pub fn state(&self) -> LinkState {
        match self.stage {
            Stage::Idle => LinkState::None,
            Stage::Waiting => LinkState::Connect,
            Stage::Dialling => LinkState::Connecting,
            Stage::Greeting(_) | Stage::Asking => LinkState::Handshake,
            Stage::Header { .. } | Stage::Receiving { .. } | Stage::Loading { .. } => LinkState::Sync,
            Stage::Streaming { .. } => LinkState::Connected,
        }
    }

    /// What INFO shows; nothing for a node that is not a replica.
    pub fn info(&self, now: Now) -> Option<LinkInfo> {
        let quiet = now.instant.since(self.last_io).as_secs();
        let sync = match self.stage {
            Stage::Header { .. } => Some((0, 0)),
            Stage::Receiving { total, read, .. } => Some((total, read)),
            Stage::Loading { total, .. } => Some((total, total)),
            Stage::Asking
            | Stage::Dialling
            | Stage::Greeting(_)
            | Stage::Idle
            | Stage::Streaming { .. }
            | Stage::Waiting => None,
        };
        Some(LinkInfo {
            target: self.target.clone()?,
            state: self.state(),
            last_io_secs: self.is_streaming().then_some(quiet),
            sync: sync.map(|(total_bytes, read_bytes)| SyncInfo { total_bytes, read_bytes, last_io_secs: quiet }),
            down_since_secs: self.down_since.map(|since| now.instant.since(since).as_secs()),
        })
    }

    /// Tells that the dialled connection is open.
    pub fn connected(&mut self, now: Now) {
        if !matches!(self.stage, Stage::Dialling) {
            return;
        }
        self.last_io = now.instant;
        self.line.clear();
        self.note(Note::notice("Non blocking connect for SYNC fired the event."));
        let (handshake, ping) = Handshake::begin(self.config.identity.clone());
        self.stage = Stage::Greeting(handshake);
        self.outputs.push_back(Output::Send(ping));
    }

    /// Tells that the connection is gone, or could not be opened, and why.
    pub fn closed(&mut self, now: Now, reason: &str) {
        match self.stage {
            Stage::Idle | Stage::Waiting => return,
            Stage::Dialling => {
                self.note(Note::warning(format!("Error condition on socket for SYNC: {reason}")));
            }
            Stage::Greeting(_) | Stage::Asking => {
                self.note(Note::warning(format!("Failed to read response from the server: {reason}")));
            }
            Stage::Header { .. } | Stage::Receiving { .. } | Stage::Loading { .. } => {
                self.note(Note::warning(format!("I/O error trying to sync with MASTER: {reason}")));
            }
            Stage::Streaming { .. } => {
                self.lose_stream(now);
                return self.reconnect(now);
            }
        }
        self.retry_later(now);
    }

    /// Tells that the snapshot is loaded. Returns stream bytes that arrived meanwhile: the node applies them first.
    pub fn loaded(&mut self, now: Now) -> Vec<u8> {
        let Stage::Loading { history, early, .. } = std::mem::replace(&mut self.stage, Stage::Waiting) else {
            return Vec::new();
        };
        self.stage = Stage::Streaming { acknowledges: history.is_some() };
        self.upstream = history.map(|(replid, offset)| Upstream { replid, offset });
        self.last_io = now.instant;
        self.note(Note::notice("MASTER <-> REPLICA sync: Finished with success"));
        self.acknowledge(now);
        early
    }

    /// Tells that the snapshot could not be loaded: the link begins anew.
    pub fn load_failed(&mut self, now: Now) {
        if !matches!(self.stage, Stage::Loading { .. } | Stage::Receiving { .. } | Stage::Header { .. }) {
            return;
        }
        self.note(Note::warning("Failed trying to load the MASTER synchronization DB from disk, check server logs."));
        self.outputs.push_back(Output::Close);
        self.retry_later(now);
    }

    /// Tells how far the stream has been applied; inside MULTI the offset stays where the transaction began.
    pub fn applied(&mut self, offset: Offset) {
        if let Some(upstream) = &mut self.upstream {
            upstream.offset = offset;
        }
    }

    /// Tells how far the stream has reached this node's disk, for the next acknowledgement; nothing without an append
    /// only file.
    pub fn set_synced(&mut self, offset: Option<Offset>) {
        self.synced = offset;
    }

    /// Sends an acknowledgement now: the stream asked for one, or the second is over.
    pub fn acknowledge(&mut self, now: Now) {
        self.next_beat = now.instant.plus_millis(BEAT_MS);
        let (Stage::Streaming { acknowledges: true }, Some(upstream)) = (&self.stage, self.upstream) else { return };
        let mut ack = Vec::new();
        let offset = upstream.offset.to_string();
        match self.synced {
            None => put_command(&mut ack, &[b"REPLCONF", b"ACK", offset.as_bytes()]),
            Some(synced) => {
                let synced = synced.to_string();
                put_command(&mut ack, &[b"REPLCONF", b"ACK", offset.as_bytes(), b"FACK", synced.as_bytes()]);
            }
        }
        self.outputs.push_back(Output::Send(ack));
    }

    /// Tells that the stream is not what a primary sends. The link begins anew, with a full synchronisation.
    pub fn stream_corrupt(&mut self, now: Now) {
        self.note(Note::warning(
            "WARNING: Receiving inline protocol from master, master stream corruption? Closing the master connection and discarding the cached master.",
        ));
        self.upstream = None;
        self.down_since = Some(now.instant);
        self.outputs.push_back(Output::Close);
        self.retry_later(now);
    }

    /// When bytes last came on a link that is up; nothing while it is not.
    pub fn last_contact(&self) -> Option<Instant> {
        self.is_streaming().then_some(self.last_io)
    }

    /// Since when a link that was up is down; nothing if it never was up, or is.
    pub fn down_since(&self) -> Option<Instant> {
        self.down_since
    }

    /// Where the node can resume: the history and what of it is applied.
    pub fn resumable(&self) -> Option<(Replid, Offset)> {
        self.upstream.map(|upstream| (upstream.replid, upstream.offset))
    }

    fn dial(&mut self, now: Now, word: &str) {
        let Some((host, port)) = self.target.clone() else { return };
        self.note(Note::notice(format!("{word} to MASTER {host}:{port}")));
        self.note(Note::notice("MASTER <-> REPLICA sync started"));
        self.stage = Stage::Dialling;
        self.last_io = now.instant;
        self.outputs.push_back(Output::Dial { host, port });
    }

    /// After the loss of a link that was up: the next attempt is not put off.
    fn reconnect(&mut self, now: Now) {
        self.dial(now, "Reconnecting");
    }

    /// The connection is gone or given up; the next attempt is due with the next beat.
    fn retry_later(&mut self, now: Now) {
        self.forget_snapshot();
        self.stage = Stage::Waiting;
        self.next_attempt = now.instant.plus_millis(RECONNECT_MS);
    }

    fn lose_stream(&mut self, now: Now) {
        self.down_since = Some(now.instant);
        self.note(Note::warning("Connection with master lost."));
        if self.upstream.is_some() {
            self.note(Note::notice("Caching the disconnected master state."));
        }
    }

    fn hang_up(&mut self) {
        self.forget_snapshot();
        if !matches!(self.stage, Stage::Idle | Stage::Waiting) {
            self.outputs.push_back(Output::Close);
        }
        self.stage = Stage::Waiting;
    }

    fn forget_snapshot(&mut self) {
        if matches!(self.stage, Stage::Receiving { .. } | Stage::Loading { .. }) {
            self.outputs.push_back(Output::RdbAborted);
        }
    }

    fn note(&mut self, note: Note) {
        self.outputs.push_back(Output::Note(note));
    }
}

/// Pause between attempts to connect, in milliseconds (Redis: once per second).
const RECONNECT_MS: u64 = 1000;
/// Period of acknowledgements and signs of life, in milliseconds (Redis: once per second).
const BEAT_MS: u64 = 1000;
