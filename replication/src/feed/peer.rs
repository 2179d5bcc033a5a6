//! One replica as its primary knows it.

use std::collections::VecDeque;

use bytes::Bytes;
use slotmesh_engine::time::{Instant, Now};

use super::{FeedInfo, Needs, OutputLimit};
use crate::disk::Ticket;
use crate::offset::{Offset, Position};

/// What the node knows of a connection when it first speaks of replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The address it comes from; nothing for one that has none (a Unix socket).
    pub ip: Option<String>,
    /// The client id, for the log.
    pub client_id: u64,
}

/// What is known of one replica.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) origin: Origin,
    pub(super) announced_ip: Option<String>,
    pub(super) announced_port: u16,
    /// It can receive a snapshot of unknown length (`capa eof`).
    pub(super) capa_eof: bool,
    /// It understands another history's name in `+CONTINUE` (`capa psync2`).
    pub(super) capa_psync2: bool,
    pub(super) needs: Needs,
    /// It came with SYNC: it acknowledges nothing, and is told nothing but the snapshot.
    pub(super) pre_psync: bool,
    pub(super) state: FeedState,
    /// Lines that leave before anything else.
    pub(super) control: Vec<u8>,
    pub(super) acknowledged: Offset,
    pub(super) acknowledged_at: Instant,
    /// The offset that it says has reached its disk.
    pub(super) synced: Offset,
    /// When it began to wait for a snapshot, or last took bytes of one.
    pub(super) progress_at: Instant,
    /// Since when it lags more than the soft limit.
    pub(super) over_soft_since: Option<Instant>,
    /// It has been announced as ready and not been filled since.
    pub(super) announced_ready: bool,
}

/// How far a replica has come.
#[derive(Debug)]
pub(super) enum FeedState {
    /// Talking REPLCONF; no replica yet.
    Greeting,
    /// Waits for a snapshot to begin.
    WaitSnapshot,
    /// A snapshot for it is being written to disk; its stream begins at `from`.
    WaitFile { from: Position },
    /// The snapshot goes to it as it is made.
    Streaming { from: Position, chunks: VecDeque<Bytes>, complete: bool },
    /// The snapshot goes to it from a file.
    Sending { from: Position, file: FileSend },
    /// The snapshot has left; the stream waits for its first acknowledgement.
    WaitAck { from: Position },
    /// The stream is open and has been sent up to `sent`.
    Online { sent: Position },
    /// It wanted only the snapshot, and has it.
    RdbOnlyDone,
}

/// A snapshot file on its way to one replica.
#[derive(Debug)]
pub(super) struct FileSend {
    pub(super) path: String,
    pub(super) size: u64,
    /// Bytes read so far.
    pub(super) read: u64,
    pub(super) reading: Option<Ticket>,
    pub(super) chunk: Option<Bytes>,
}

impl Feed {
    pub(super) fn new(now: Now, origin: Origin) -> Self {
        Self {
            origin,
            announced_ip: None,
            announced_port: 0,
            capa_eof: false,
            capa_psync2: false,
            needs: Needs::default(),
            pre_psync: false,
            state: FeedState::Greeting,
            control: Vec::new(),
            acknowledged: Offset(0),
            acknowledged_at: now.instant,
            synced: Offset(0),
            progress_at: now.instant,
            over_soft_since: None,
            announced_ready: false,
        }
    }

    pub(super) fn is_attached(&self) -> bool {
        !matches!(self.state, FeedState::Greeting)
    }

    /// Online in the words of INFO: the snapshot has left.
    pub(super) fn is_online(&self) -> bool {
        matches!(self.state, FeedState::WaitAck { .. } | FeedState::Online { .. })
    }

    /// `ip:port` as the log names replicas.
    pub(super) fn name(&self) -> String {
        match self.announced_ip.as_ref().or(self.origin.ip.as_ref()) {
            None => format!("client id #{}", self.origin.client_id),
            Some(ip) if self.announced_port == 0 => format!("{ip}:<unknown-replica-port>"),
            Some(ip) if ip.contains(':') => format!("[{ip}]:{}", self.announced_port),
            Some(ip) => format!("{ip}:{}", self.announced_port),
        }
    }

    pub(super) fn lag_secs(&self, now: Now) -> u64 {
        now.instant.since(self.acknowledged_at).as_secs()
    }

    pub(super) fn info(&self, now: Now) -> FeedInfo {
        let state = match &self.state {
            FeedState::Greeting | FeedState::WaitSnapshot | FeedState::WaitFile { .. } => "wait_bgsave",
            // A stream of a snapshot in the making counts as waiting for it, as on a server that forks.
            FeedState::Streaming { .. } => "wait_bgsave",
            FeedState::Sending { .. } => "send_bulk",
            FeedState::WaitAck { .. } | FeedState::Online { .. } => "online",
            FeedState::RdbOnlyDone => "online",
        };
        FeedInfo {
            ip: self.announced_ip.clone().or_else(|| self.origin.ip.clone()).unwrap_or_default(),
            port: self.announced_port,
            state,
            offset: self.acknowledged,
            lag_secs: if self.is_online() { self.lag_secs(now) } else { 0 },
        }
    }

    /// The place from which it still needs the log.
    pub(super) fn needs_from(&self) -> Option<Position> {
        match self.state {
            FeedState::WaitFile { from }
            | FeedState::Streaming { from, .. }
            | FeedState::Sending { from, .. }
            | FeedState::WaitAck { from } => (!self.needs.rdb_only).then_some(from),
            FeedState::Online { sent } => Some(sent),
            FeedState::Greeting | FeedState::WaitSnapshot | FeedState::RdbOnlyDone => None,
        }
    }

    /// Whether its lag behind `end` is beyond the limit now, keeping count of the soft limit's time.
    pub(super) fn exceeds(&mut self, now: Now, limit: &OutputLimit, end: Position) -> bool {
        let lag = self.needs_from().map_or(0, |from| end.since(from));
        if limit.hard_bytes != 0 && lag >= limit.hard_bytes {
            return true;
        }
        if limit.soft_bytes == 0 || lag < limit.soft_bytes {
            self.over_soft_since = None;
            return false;
        }
        let since = *self.over_soft_since.get_or_insert(now.instant);
        now.instant.since(since) > limit.soft_time
    }

    /// Whether it should be told of new log bytes; only once until it is filled.
    pub(super) fn wants_announcing(&mut self, end: Position) -> bool {
        let FeedState::Online { sent } = self.state else { return false };
        sent < end && !std::mem::replace(&mut self.announced_ready, true)
    }
}
