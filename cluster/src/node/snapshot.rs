//! The walk: one snapshot at a time, pulled from the engine in chunks and given to whoever it is for.
//!
//! BGSAVE, SAVE, the base of a rewritten append only file and full synchronisations are the same job with different
//! sinks. A chunk is pulled only while the sink has room, a few per turn, so that neither memory nor other clients
//! suffer from a slow disk or replica.

use std::time::Duration;

use slotmesh_engine::save::{Portion, SaveForm, SaveInfo};
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::Lane;
use slotmesh_replication::feed::SyncForm;
use slotmesh_replication::persist::aof::Aof;
use slotmesh_replication::persist::job::{Purpose, SnapshotJob};
use slotmesh_replication::persist::manifest::BaseForm;
use slotmesh_replication::persist::temporary;

use super::Node;
use super::boot::Life;
use crate::machine::Effect;

impl Node {
    /// Begins what is wanted, and moves the running walk on. Returns whether anything happened.
    pub(super) fn step_snapshot(&mut self, now: Now) -> bool {
        if let Some((ticket, op)) = self.job.as_mut().and_then(SnapshotJob::poll) {
            self.effects.push_back(Effect::Disk(ticket, Lane::Snapshot, op));
            return true;
        }
        if let Some(outcome) = self.job.as_mut().and_then(SnapshotJob::take_outcome) {
            self.end_job(now, outcome);
            return true;
        }
        self.job.is_none() && std::mem::take(&mut self.walk_wanted) && self.begin_wanted(now)
    }

    /// Has the next drain look whether a walk is wanted: time has passed, somebody asked, or one ended.
    pub(super) fn look_for_walk(&mut self) {
        self.walk_wanted = true;
    }

    /// One turn of the walk: a few chunks, as far as the sink has room.
    pub(super) fn tick_snapshot(&mut self, now: Now) {
        self.turn_snapshot(now);
        while self.step_snapshot(now) {}
    }

    fn turn_snapshot(&mut self, now: Now) {
        let delay_micros = self.walk_delay_micros();
        if delay_micros > 0 {
            return self.turn_slowly(now, delay_micros);
        }
        let Self { job: Some(job), engine, replication, tickets, .. } = self else { return };
        for _ in 0..CHUNKS_PER_TURN_MAX {
            if !engine.is_saving() || !job.has_room(&replication.feeds) {
                break;
            }
            match engine.pull_save(CHUNK_BYTES) {
                Some(chunk) => job.push(chunk, &mut replication.feeds, tickets),
                None => job.end(&mut replication.feeds, tickets),
            }
        }
        self.plan_snapshot();
    }

    /// A few keys, and a rest behind them (`rdb-key-save-delay`).
    fn turn_slowly(&mut self, now: Now, delay_micros: u64) {
        if now.instant >= self.walk_rests_until && self.walk_can_go_on() {
            let Self { job: Some(job), engine, replication, tickets, .. } = self else { return };
            let (before, _) = engine.save_progress();
            match engine.pull_save_portion(Portion::FewKeys) {
                Some(chunk) => job.push(chunk, &mut replication.feeds, tickets),
                None => job.end(&mut replication.feeds, tickets),
            }
            let keys = engine.save_progress().0.saturating_sub(before);
            self.walk_rests_until = now.instant + Duration::from_micros(keys.saturating_mul(delay_micros));
        }
        self.plan_snapshot();
    }

    /// How long a walk in the background rests after each key.
    fn walk_delay_micros(&self) -> u64 {
        let foreground = !self.persistence.save_waiters.is_empty() || self.reload.is_some() || self.ending.is_some();
        let delay = self.engine.core().config.rdb_key_save_delay_micros;
        if foreground { 0 } else { u64::try_from(delay).unwrap_or(0) }
    }

    fn walk_can_go_on(&self) -> bool {
        self.job.as_ref().is_some_and(|job| self.engine.is_saving() && job.has_room(&self.replication.feeds))
    }

    /// Asks for another turn when the walk can go on.
    pub(super) fn plan_snapshot(&mut self) {
        if self.walk_can_go_on() && !self.walk_rests() {
            self.yield_now();
        }
    }

    fn walk_rests(&self) -> bool {
        self.walk_delay_micros() > 0 && self.walk_rests_until > self.last_now.instant
    }

    /// When a walk that rests goes on.
    pub(super) fn snapshot_deadline(&self) -> Option<Instant> {
        (self.walk_can_go_on() && self.walk_rests()).then_some(self.walk_rests_until)
    }

    /// Begins the next walk that somebody waits for.
    fn begin_wanted(&mut self, now: Now) -> bool {
        if matches!(self.life, Life::Loading(_)) {
            return false;
        }
        if self.begin_wanted_file(now) {
            return true;
        }
        if self.is_completing_files() {
            // A walk for replicas would stand in the way of the last dump.
            return false;
        }
        match self.replication.feeds.wants_snapshot(now) {
            Some(SyncForm::Sockets) => self.begin_sync_sockets(now),
            Some(SyncForm::Disk) => self.begin_sync_file(now),
            None => false,
        }
    }

    fn begin_sync_sockets(&mut self, now: Now) -> bool {
        if !self.begin_walk(now, SaveInfo::default()) {
            return false;
        }
        let Self { replication, rng, .. } = self;
        replication.feeds.begin_snapshot(SyncForm::Sockets, &replication.log, rng);
        let at = self.replication.log.end();
        self.job = Some(SnapshotJob::to_sockets(now, at));
        self.plan_snapshot();
        true
    }

    fn begin_sync_file(&mut self, now: Now) -> bool {
        let path = self.path_of(&temporary::sync_file(self.process_id));
        if !self.begin_walk(now, SaveInfo::default()) {
            return false;
        }
        let Self { replication, rng, .. } = self;
        replication.feeds.begin_snapshot(SyncForm::Disk, &replication.log, rng);
        let at = self.replication.log.end();
        self.job = Some(SnapshotJob::to_file(now, Purpose::SyncFile, at, path, &mut self.tickets));
        self.plan_snapshot();
        true
    }

    /// Begins a walk to a file.
    pub(super) fn begin_file_job(&mut self, now: Now, purpose: Purpose, path: String) -> bool {
        let aof_base = purpose == Purpose::AofBase;
        let form = match self.persistence.aof.as_ref().map(Aof::base_form) {
            Some(BaseForm::Commands) if aof_base => SaveForm::Commands,
            Some(BaseForm::Commands | BaseForm::Rdb) | None => SaveForm::Rdb,
        };
        if !self.begin_walk(now, SaveInfo { aof_base, form, ..SaveInfo::default() }) {
            return false;
        }
        let at = self.replication.log.end();
        self.job = Some(SnapshotJob::to_file(now, purpose, at, path, &mut self.tickets));
        self.plan_snapshot();
        true
    }

    /// Begins the engine's part. It can be refused for a moment, after several walks were given up.
    fn begin_walk(&mut self, now: Now, mut info: SaveInfo) -> bool {
        // What was changed before belongs to the picture, what comes after to the log behind it.
        self.step_changes();
        if self.replication.log.is_active() {
            let log = &self.replication.log;
            info.history = Some((*log.replid().as_bytes(), log.offset().0, log.selected().unwrap_or(0)));
        }
        self.engine.begin_save(now, info).is_ok()
    }

    fn end_job(&mut self, now: Now, outcome: Result<u64, slotmesh_replication::disk::DiskError>) {
        let Some(job) = self.job.take() else { return };
        self.look_for_walk();
        if outcome.is_err() {
            self.engine.abort_save();
        }
        // What the engine has left of a complete walk is its last, empty answer.
        let complete = self.engine.pull_save(CHUNK_BYTES);
        debug_assert!(complete.is_none(), "a job ends after its walk");
        match job.purpose() {
            Purpose::AofBase => self.aof_base_done(now, outcome),
            Purpose::Dump => self.dump_done(now, outcome),
            Purpose::SyncFile => self.sync_file_done(now, outcome),
            Purpose::SyncSockets => {}
        }
    }

    fn sync_file_done(&mut self, now: Now, outcome: Result<u64, slotmesh_replication::disk::DiskError>) {
        let path = self.path_of(&temporary::sync_file(self.process_id));
        match outcome {
            Ok(size) => self.replication.feeds.file_ready(&path, size, None, &mut self.tickets),
            Err(_) => self.replication.feeds.fail_snapshot(now),
        }
    }

    /// Ends a walk for replicas that are all gone.
    pub(super) fn look_for_takers(&mut self, now: Now) {
        let for_replicas =
            self.job.as_ref().is_some_and(|job| matches!(job.purpose(), Purpose::SyncFile | Purpose::SyncSockets));
        if for_replicas && self.engine.is_saving() && !self.replication.feeds.has_snapshot_takers() {
            self.log_warning("Diskless rdb transfer, last replica dropped, killing fork child.");
            self.cancel_snapshots(now);
        }
    }

    /// Gives up the running walk: the dataset it pictures is being replaced.
    pub(super) fn cancel_snapshots(&mut self, now: Now) {
        let Some(mut job) = self.job.take() else { return };
        self.look_for_walk();
        self.engine.abort_save();
        job.cancel(now, &mut self.replication.feeds, &mut self.tickets);
        while let Some((ticket, op)) = job.poll() {
            self.effects.push_back(Effect::Disk(ticket, Lane::Snapshot, op));
        }
        match job.purpose() {
            Purpose::AofBase => self.aof_base_cancelled(now),
            Purpose::Dump => self.dump_cancelled(now),
            Purpose::SyncFile | Purpose::SyncSockets => {}
        }
    }
}

/// Bytes of one chunk: large enough that a disk or a socket works at its pace, small enough to be one short pause.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks pulled before other work has its turn.
const CHUNKS_PER_TURN_MAX: usize = 2;
