//! The append only file: a reader of the log that writes what it reads to disk.
//!
//! [`Aof`] follows the log like a replica that never answers. `write` has the path of its bytes (append, fsync,
//! failure and repair), `rewrite` the change to a new base: a walk over the keyspace into a base file while the log
//! goes on into a new incremental file. Start-up is in [`recover`](super::recover).

mod rewrite;
#[cfg(test)]
mod tests;
mod write;

use std::collections::VecDeque;

use bytes::Bytes;
use slotmesh_engine::time::{Instant, Now};

pub use self::rewrite::RewriteReply;
use self::rewrite::{Limiter, Rewrite};
use self::write::Writer;
use super::join;
use super::manifest::{BaseForm, Manifest};
use crate::disk::{DiskOp, Ticket, Tickets};
use crate::log::Log;
use crate::note::Note;
use crate::offset::Position;
use crate::wait::Local;

/// Policy and state of the append only file.
#[derive(Debug)]
pub struct Aof {
    config: AofConfig,
    manifest: Manifest,
    mode: Mode,
    writer: Writer,
    rewrite: Rewrite,
    /// A rewrite is asked for and begins when no other walk runs.
    scheduled: bool,
    limiter: Limiter,
    last_rewrite_failed: bool,
    /// Bytes of base and earlier incremental files.
    base_bytes: u64,
    /// Size of everything after the last rewrite or start: what growth is measured by.
    rewrite_base_bytes: u64,
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// `appendonly no`.
    Off,
    /// Turned on; the first base is not complete, so the files do not count yet.
    Creating,
    /// Files and manifest are there.
    On,
}

/// The options the append only file follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AofConfig {
    /// `dir`.
    pub dir: String,
    /// `appenddirname`.
    pub folder: String,
    /// `appendfilename`.
    pub name: String,
    /// `appendfsync`.
    pub fsync: Fsync,
    /// `no-appendfsync-on-rewrite`.
    pub no_fsync_on_rewrite: bool,
    /// `aof-use-rdb-preamble`.
    pub base: BaseForm,
    /// `aof-timestamp-enabled`.
    pub timestamps: bool,
    /// `aof-disable-auto-gc`.
    pub keep_history: bool,
    /// `auto-aof-rewrite-percentage`; 0 for never.
    pub rewrite_growth_percent: u64,
    /// `auto-aof-rewrite-min-size`.
    pub rewrite_bytes_min: u64,
    /// Goes into temporary names and log lines.
    pub process_id: u32,
}

/// When bytes are made to survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before the replies to the commands leave.
    Always,
    /// Once per second.
    EverySecond,
    /// When the system likes.
    No,
}

/// What the node must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Give the walk for the base up: call [`SnapshotJob::cancel`](super::job::SnapshotJob::cancel).
    CancelWalk,
    /// Carry out a disk operation in the log lane.
    Disk(Ticket, DiskOp),
    /// What [`Aof::hold`] gave this ticket for is on disk: release the replies.
    Durable(Ticket),
    /// End the process with code 1; the log line is given before.
    Exit,
    /// Write a line to the log.
    Note(Note),
    /// A rewrite is over; `true` when the new base is in place.
    Rewritten(bool),
}

/// What INFO shows of the append only file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AofInfo {
    /// `aof_enabled`.
    pub enabled: bool,
    /// `aof_rewrite_in_progress`.
    pub rewriting: bool,
    /// `aof_rewrite_scheduled`.
    pub scheduled: bool,
    /// `aof_last_bgrewrite_status`.
    pub last_rewrite_ok: bool,
    /// `aof_last_write_status`.
    pub last_write_ok: bool,
    /// `aof_current_size`.
    pub current_bytes: u64,
    /// `aof_base_size`.
    pub base_bytes: u64,
    /// `aof_pending_bio_fsync`.
    pub pending_fsync: bool,
}

/// What start-up found of the append only file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AofFound {
    /// The manifest; empty when there was none.
    pub manifest: Manifest,
    /// Bytes of all files but the last.
    pub earlier_bytes: u64,
    /// Bytes of the last incremental file, after a torn tail was cut.
    pub last_bytes: u64,
}

impl Aof {
    /// The machine of a node whose append only file is off. `found` is what start-up saw: a later base continues its
    /// numbers.
    pub fn off(now: Now, config: AofConfig, found: AofFound) -> Self {
        Self {
            config,
            manifest: found.manifest,
            mode: Mode::Off,
            writer: Writer::new(now),
            rewrite: Rewrite::None,
            scheduled: false,
            limiter: Limiter::default(),
            last_rewrite_failed: false,
            base_bytes: 0,
            rewrite_base_bytes: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The machine of a node that has loaded its append only file and goes on with it.
    ///
    /// The last incremental file is continued; without one, a first is opened.
    pub fn resume(now: Now, config: AofConfig, found: AofFound, log: &mut Log, tickets: &mut Tickets) -> Self {
        assert!(!found.manifest.is_empty(), "an append only file without files is created, not resumed");
        let (base_bytes, last_bytes) = (found.earlier_bytes, found.last_bytes);
        let mut aof = Self::off(now, config, found);
        aof.mode = Mode::On;
        aof.base_bytes = base_bytes;
        aof.rewrite_base_bytes = base_bytes + last_bytes;
        log.attach_file();
        match aof.manifest.increments.last() {
            Some(last) => {
                let text = format!("Opening AOF incr file {} on server start", last.name);
                let path = aof.path(&last.name);
                aof.note(Note::notice(text));
                aof.writer.open(path, last_bytes, log.end());
                aof.clean_history(tickets);
            }
            None => aof.open_first_increment(log, tickets),
        }
        aof
    }

    /// Follows changed options.
    pub fn configure(&mut self, config: AofConfig) {
        self.config = config;
    }

    /// The options in force.
    pub fn config(&self) -> &AofConfig {
        &self.config
    }

    /// Takes the next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether `appendonly` is on.
    pub fn is_on(&self) -> bool {
        self.mode != Mode::Off
    }

    /// How far the log has reached the disk.
    pub fn local(&self) -> Local {
        match self.mode {
            Mode::Off => Local::Off,
            Mode::Creating => Local::Beginning,
            Mode::On => Local::Synced(self.writer.synced()),
        }
    }

    /// Whether it is on and its first base is not complete: nothing written can be promised yet.
    pub fn wants_first_base(&self) -> bool {
        self.mode == Mode::Creating
    }

    /// Turns the append only file on: the next walk writes its first base. `starting` says that the node starts.
    pub fn enable(&mut self, starting: Starting) {
        if self.mode != Mode::Off {
            return;
        }
        self.mode = Mode::Creating;
        self.scheduled = true;
        if starting == Starting::Yes {
            let name = super::manifest::base_name(&self.config.name, self.manifest.base_seq + 1, self.config.base);
            self.note(Note::notice(format!("Creating AOF base file {name} on server start")));
        }
    }

    /// Turns the append only file off. What it held of the log is written first if the disk keeps up.
    pub fn disable(&mut self, now: Now, log: &mut Log, tickets: &mut Tickets) {
        self.flush(now, log, tickets);
        self.sync_now(tickets);
        if !matches!(self.rewrite, Rewrite::None | Rewrite::Cleaning(_)) {
            self.note(Note::notice("Killing running AOF rewrite child"));
            self.outputs.push_back(Output::CancelWalk);
            self.rewrite = Rewrite::None;
        }
        self.scheduled = false;
        self.mode = Mode::Off;
        self.writer.close();
        self.release_all();
        log.detach_file();
    }

    /// Why clients' writes must be refused, if they must: the words after `MISCONF`.
    pub fn refusal(&self, log: &Log) -> Option<String> {
        if let Some(text) = self.writer.error_text() {
            return Some(format!("Errors writing to the AOF file: {text}"));
        }
        let lag = log.file_position().map_or(0, |at| log.end().since(at));
        (lag > LAG_BYTES_MAX).then(|| "Errors writing to the AOF file: the disk cannot keep up".to_owned())
    }

    /// Whether everything appended to the log is on disk.
    pub fn is_settled(&self, log: &Log) -> bool {
        let read = log.file_position().is_none_or(|at| at == log.end());
        read && self.writer.is_settled()
    }

    /// When [`flush`](Self::flush) has something to do by time alone.
    pub fn deadline(&self) -> Option<Instant> {
        self.writer.deadline(self.syncs_by_time())
    }

    /// What INFO shows.
    pub fn info(&self) -> AofInfo {
        AofInfo {
            enabled: self.is_on(),
            rewriting: self.is_rewriting(),
            scheduled: self.scheduled,
            last_rewrite_ok: !self.last_rewrite_failed,
            last_write_ok: self.writer.error_text().is_none(),
            current_bytes: self.current_bytes(),
            base_bytes: self.rewrite_base_bytes,
            pending_fsync: self.writer.is_syncing(),
        }
    }

    fn current_bytes(&self) -> u64 {
        self.base_bytes + self.writer.bytes()
    }

    /// Path of a file in the append folder.
    fn path(&self, name: &str) -> String {
        join(&self.folder(), name)
    }

    fn folder(&self) -> String {
        join(&self.config.dir, &self.config.folder)
    }

    fn release_all(&mut self) {
        for ticket in self.writer.take_holds(Position(u64::MAX)) {
            self.outputs.push_back(Output::Durable(ticket));
        }
    }

    fn put(&mut self, (ticket, op): (Ticket, DiskOp)) {
        self.outputs.push_back(Output::Disk(ticket, op));
    }

    fn note(&mut self, note: Note) {
        self.outputs.push_back(Output::Note(note));
    }

    /// The manifest's bytes and the operations that put them in place.
    fn manifest_ops(&self, manifest: &Manifest) -> Vec<DiskOp> {
        let name = format!("{}.manifest", self.config.name);
        let temp = super::temporary::aof_manifest(&name);
        super::replace::replace_ops(&self.folder(), &name, &temp, Bytes::from(manifest.format()))
    }
}

/// Whether the node is starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starting {
    /// `appendonly yes` was set at run time.
    No,
    /// There was no append only file at start-up.
    Yes,
}

/// Bytes of the log that may wait for the disk before writes are refused. Redis blocks its only thread instead; the
/// bound is what a replica may lag by default.
const LAG_BYTES_MAX: u64 = 256 << 20;
