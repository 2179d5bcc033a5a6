//! The primary's side of replication: what each attached replica has asked for, got and acknowledged.
//!
//! [`Feeds`] answers REPLCONF, PSYNC and SYNC, says when a snapshot must be made for those that wait, and fills the
//! out-buffer of each replica when there is room: control lines first, then the snapshot, then the log from where the
//! snapshot was taken. Nothing is queued per replica that the log holds anyway. `peer` has the states of one
//! replica, `command` the words of REPLCONF, `fill` the bytes, `sync` the snapshots, `cron` what time does.

pub(crate) mod command;
mod cron;
mod fill;
mod peer;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use slotmesh_engine::time::{Instant, Now};

pub use self::command::ReplconfReply;
pub use self::cron::Standing;
pub use self::fill::OUT_BYTES_MAX;
pub use self::peer::Origin;
use self::peer::{Feed, FeedState};
pub use self::sync::{Needs, Psync, SyncForm, SyncGate};
use crate::disk::{DiskOp, Ticket};
use crate::log::Log;
use crate::note::Note;
use crate::offset::{Offset, Position};
use crate::persist::sequence::Sequence;

/// The name the node gives a replica's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// All replicas attached to this node.
#[derive(Debug)]
pub struct Feeds {
    config: FeedConfig,
    feeds: BTreeMap<PeerId, Feed>,
    outputs: VecDeque<Output>,
    /// The snapshot that is on its way to replicas.
    transfer: Option<sync::Transfer>,
    /// The file of a snapshot that was sent gets its lasting name or is removed; `true` when it is kept.
    settling: Option<(Sequence, bool)>,
    /// When the last replica left; nothing while there is one.
    idle_since: Option<Instant>,
    next_ping: Instant,
    next_cron: Instant,
    last_tick: Instant,
    counts: SyncCounts,
}

/// The options this side of replication follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedConfig {
    /// `repl-diskless-sync`.
    pub diskless: bool,
    /// `repl-diskless-sync-delay`.
    pub diskless_delay: Duration,
    /// `repl-diskless-sync-max-replicas`; 0 for no such limit.
    pub diskless_replicas_max: usize,
    /// `repl-timeout`.
    pub timeout: Duration,
    /// `repl-ping-replica-period`.
    pub ping_period: Duration,
    /// `repl-backlog-ttl`; zero keeps the backlog for ever.
    pub backlog_ttl: Duration,
    /// `client-output-buffer-limit replica`.
    pub output_limit: OutputLimit,
    /// `rdb-del-sync-files`, which applies only when neither save points nor an AOF are configured: both in one.
    pub delete_sync_files: bool,
}

/// How far a replica may lag behind, in bytes it has not been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// Disconnected at once beyond this; 0 for no limit.
    pub hard_bytes: u64,
    /// Disconnected when beyond this for [`soft_time`](Self::soft_time); 0 for no limit.
    pub soft_bytes: u64,
    /// How long the soft limit may be exceeded.
    pub soft_time: Duration,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            diskless: true,
            diskless_delay: Duration::from_secs(5),
            diskless_replicas_max: 0,
            timeout: Duration::from_secs(60),
            ping_period: Duration::from_secs(10),
            backlog_ttl: Duration::from_secs(3600),
            output_limit: OutputLimit {
                hard_bytes: 256 << 20,
                soft_bytes: 64 << 20,
                soft_time: Duration::from_secs(60),
            },
            delete_sync_files: false,
        }
    }
}

/// What the node must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Close the replica's connection; it is forgotten here already.
    Close(PeerId),
    /// Carry out a disk operation in the snapshot lane.
    Disk(Ticket, DiskOp),
    /// The file a snapshot was sent from is no longer needed by replicas. `true`: it is the dump file now, see
    /// [`Saver::saved_elsewhere`](crate::persist::save::Saver::saved_elsewhere); `false`: it is gone, see
    /// [`Saver::cancelled`](crate::persist::save::Saver::cancelled).
    FileSettled(bool),
    /// Write a line to the log.
    Note(Note),
    /// There are bytes for this replica: call [`Feeds::fill`] when its out-buffer has room.
    Ready(PeerId),
}

/// How replicas that came were served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncCounts {
    /// With a full synchronisation (`sync_full`).
    pub full: u64,
    /// By going on where they were (`sync_partial_ok`).
    pub partial: u64,
    /// Asked to go on and could not (`sync_partial_err`).
    pub refused: u64,
}

/// One replica as INFO and ROLE show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedInfo {
    /// Its address: announced, or that of its connection.
    pub ip: String,
    /// The port it announced; 0 when it did not.
    pub port: u16,
    /// `wait_bgsave`, `send_bulk` or `online`.
    pub state: &'static str,
    /// The offset it acknowledged.
    pub offset: Offset,
    /// Seconds since it did.
    pub lag_secs: u64,
}

impl Feeds {
    /// No replicas.
    pub fn new(now: Now, config: FeedConfig) -> Self {
        Self {
            config,
            feeds: BTreeMap::new(),
            outputs: VecDeque::new(),
            transfer: None,
            settling: None,
            idle_since: Some(now.instant),
            next_ping: now.instant,
            next_cron: now.instant,
            counts: SyncCounts::default(),
            last_tick: now.instant,
        }
    }

    /// Follows changed options.
    pub fn configure(&mut self, config: FeedConfig) {
        self.config = config;
    }

    /// How replicas that came were served so far.
    pub fn counts(&self) -> SyncCounts {
        self.counts
    }

    /// Begins to count syncs anew (CONFIG RESETSTAT).
    pub fn reset_counts(&mut self) {
        self.counts = SyncCounts::default();
    }

    /// Takes the next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Tells that a connection is gone. Connections that never were replicas are no concern of ours.
    pub fn closed(&mut self, now: Now, peer: PeerId) {
        let Some(feed) = self.feeds.remove(&peer) else { return };
        if feed.is_attached() {
            self.note(Note::warning(format!("Connection with replica {} lost.", feed.name())));
            self.after_loss(now);
        }
    }

    /// Disconnects every replica: the history they follow has ended here.
    pub fn close_all(&mut self, now: Now) {
        let attached: Vec<PeerId> =
            self.feeds.iter().filter(|(_, feed)| feed.is_attached()).map(|(&peer, _)| peer).collect();
        for peer in attached {
            self.drop_peer(now, peer);
        }
    }

    /// Whether a connection is a replica's, from its PSYNC on.
    pub fn is_replica(&self, peer: PeerId) -> bool {
        self.feeds.get(&peer).is_some_and(Feed::is_attached)
    }

    /// Number of attached replicas (`connected_slaves`).
    pub fn connected(&self) -> usize {
        self.attached().count()
    }

    /// Replicas online that acknowledged within `lag_secs_max` seconds (`min_slaves_good_slaves`); 0 asks for no
    /// freshness.
    pub fn good(&self, now: Now, lag_secs_max: u64) -> usize {
        self.attached()
            .filter(|feed| feed.is_online() && (lag_secs_max == 0 || feed.lag_secs(now) <= lag_secs_max))
            .count()
    }

    /// Replicas attached that have not acknowledged all of the log.
    pub fn lagging(&self, log: &Log) -> usize {
        self.attached().filter(|feed| !feed.is_online() || feed.acknowledged < log.offset()).count()
    }

    /// A line for each replica that lags, as a shutdown logs it.
    pub fn lag_report(&self, now: Now, log: &Log) -> Vec<String> {
        let lagging = self.attached().filter(|feed| !feed.is_online() || feed.acknowledged < log.offset());
        lagging
            .map(|feed| {
                let info = feed.info(now);
                let behind = log.offset().0.saturating_sub(feed.acknowledged.0);
                format!(
                    "Lagging replica {} reported offset {behind} behind master, lag={}, state={}.",
                    feed.name(),
                    info.lag_secs,
                    info.state
                )
            })
            .collect()
    }

    /// Replicas online that acknowledged `offset` (what WAIT counts).
    pub fn acknowledged(&self, offset: Offset) -> usize {
        self.attached().filter(|feed| feed.is_online() && feed.acknowledged >= offset).count()
    }

    /// Replicas online that have `offset` on disk (what WAITAOF counts).
    pub fn synced(&self, offset: Offset) -> usize {
        self.attached().filter(|feed| feed.is_online() && feed.synced >= offset).count()
    }

    /// The offset the replica at an announced address acknowledged, for FAILOVER; nothing when it is not attached.
    pub fn find(&self, now: Now, ip: &str, port: u16) -> Option<(PeerId, FeedInfo)> {
        self.infos(now).find(|(_, info)| info.ip == ip && info.port == port)
    }

    /// Every attached replica in the order of its name.
    pub fn infos(&self, now: Now) -> impl Iterator<Item = (PeerId, FeedInfo)> {
        self.feeds.iter().filter(|(_, feed)| feed.is_attached()).map(move |(&peer, feed)| (peer, feed.info(now)))
    }

    /// The replica's name in the log: address and port.
    pub fn name(&self, peer: PeerId) -> Option<String> {
        self.feeds.get(&peer).map(Feed::name)
    }

    /// The place of the slowest reader: the log must keep everything from there on.
    pub fn needed(&self) -> Option<Position> {
        self.feeds.values().filter_map(Feed::needs_from).min()
    }

    /// Forgets log bytes nobody needs, after disconnecting those beyond the output limit. Call it after a batch of
    /// changes: it is what bounds the log's memory.
    pub fn enforce_limits(&mut self, now: Now, log: &mut Log) {
        let limit = self.config.output_limit;
        let over: Vec<PeerId> = self
            .feeds
            .iter_mut()
            .filter_map(|(&peer, feed)| feed.exceeds(now, &limit, log.end()).then_some(peer))
            .collect();
        for peer in over {
            if let Some(feed) = self.feeds.get(&peer) {
                let text = format!(
                    "Client {} scheduled to be closed ASAP for overcoming of output buffer limits.",
                    feed.name()
                );
                self.note(Note::warning(text));
            }
            self.drop_peer(now, peer);
        }
        log.trim(self.needed());
    }

    /// Tells that the log grew: replicas whose stream is open have something to read.
    pub fn log_grew(&mut self, log: &Log) {
        for (&peer, feed) in &mut self.feeds {
            if feed.wants_announcing(log.end()) {
                self.outputs.push_back(Output::Ready(peer));
            }
        }
    }

    fn attached(&self) -> impl Iterator<Item = &Feed> {
        self.feeds.values().filter(|feed| feed.is_attached())
    }

    /// Forgets a replica and has its connection closed.
    fn drop_peer(&mut self, now: Now, peer: PeerId) {
        self.feeds.remove(&peer);
        self.outputs.push_back(Output::Close(peer));
        self.after_loss(now);
    }

    /// Notes that a replica is attached; the first one starts the period of pings.
    fn after_gain(&mut self, now: Now) {
        if self.idle_since.take().is_some() {
            self.next_ping = now.instant + self.config.ping_period;
        }
    }

    fn after_loss(&mut self, now: Now) {
        if self.connected() == 0 {
            self.idle_since = Some(now.instant);
        }
    }

    fn note(&mut self, note: Note) {
        self.outputs.push_back(Output::Note(note));
    }

    fn set_state(&mut self, peer: PeerId, state: FeedState) {
        if let Some(feed) = self.feeds.get_mut(&peer) {
            feed.state = state;
        }
    }
}
