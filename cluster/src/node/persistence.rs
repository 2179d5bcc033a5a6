//! Files inside the node: which part asked for an answer of the disk, and what each part wants next.
//!
//! The policies are replication's ([`Saver`], [`Aof`]); here are their lanes, the walk they share, the replies that
//! wait for `appendfsync always`, and nodes.conf.

use std::collections::BTreeMap;

use bytes::Bytes;
use slotmesh_engine::config::Config;
use slotmesh_engine::config::choices::AppendFsync;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::{DiskError, DiskResult, Lane, Ticket};
use slotmesh_replication::persist::aof::{self, Aof, AofConfig, Fsync, Starting};
use slotmesh_replication::persist::job::Purpose;
use slotmesh_replication::persist::manifest::BaseForm;
use slotmesh_replication::persist::replace::FileReplace;
use slotmesh_replication::persist::save::{self, Occasion, SaveConfig, SavePoint, Saver};
use slotmesh_replication::persist::sequence::Advance;
use slotmesh_replication::persist::temporary;

use super::Node;
use crate::machine::{ConnId, Effect};

/// What the node keeps of its files.
#[derive(Debug)]
pub(super) struct Persistence {
    pub(super) saver: Saver,
    /// Nothing before start-up has looked at the files.
    pub(super) aof: Option<Aof>,
    /// Replies that wait for the append only file.
    holds: BTreeMap<Ticket, Vec<ConnId>>,
    cluster_config: ClusterConfig,
    next_cron: Instant,
    /// Changes to the dataset that the saver has been told of.
    changes_told: u64,
    /// What became of rewrites of the append only file.
    pub(super) rewrites: Rewrites,
    /// Clients in SAVE.
    pub(super) save_waiters: Vec<ConnId>,
}

/// Rewrites of the append only file, for INFO.
#[derive(Debug, Default)]
pub(super) struct Rewrites {
    /// When the running one began.
    pub(super) began: Option<Instant>,
    pub(super) begun: u64,
    /// Those in a row that failed last.
    pub(super) failures: u64,
    /// Whole seconds the last one took.
    pub(super) last_secs: Option<u64>,
}

impl Rewrites {
    fn begin(&mut self, now: Now) {
        self.began = Some(now.instant);
        self.begun += 1;
    }

    fn end(&mut self, now: Now, done: bool) {
        if let Some(began) = self.began.take() {
            self.last_secs = Some(now.instant.millis_since(began) / 1000);
        }
        self.failures = if done { 0 } else { self.failures + 1 };
    }
}

/// nodes.conf on its way to disk: one replacement at a time, the newest state next.
#[derive(Debug, Default)]
struct ClusterConfig {
    running: Option<Saving>,
    wanted: Option<Wanted>,
    /// When a state that nobody waits for is written at the latest.
    due: Option<Instant>,
}

#[derive(Debug)]
struct Saving {
    replace: FileReplace,
    what: Wanted,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    version: u64,
    /// Released when the state is on disk.
    ticket: Ticket,
    sync: bool,
}

impl Persistence {
    pub(super) fn new(now: Now, config: &Config, process_id: u32) -> Self {
        Self {
            saver: Saver::new(now, save_config(config, process_id)),
            aof: None,
            holds: BTreeMap::new(),
            cluster_config: ClusterConfig::default(),
            next_cron: now.instant,
            changes_told: 0,
            rewrites: Rewrites::default(),
            save_waiters: Vec::new(),
        }
    }

    /// What messages that speak of unsaved cluster state must wait for.
    pub(super) fn cluster_config_ticket(&self) -> Option<Ticket> {
        let ClusterConfig { running, wanted, due: _ } = &self.cluster_config;
        let newest = wanted.or(running.as_ref().map(|saving| saving.what))?;
        let older = running.as_ref().map(|saving| saving.what);
        [Some(newest), older].into_iter().flatten().find(|what| what.sync).map(|what| what.ticket)
    }
}

/// The options of the dump file.
pub(super) fn save_config(config: &Config, process_id: u32) -> SaveConfig {
    SaveConfig {
        dir: config.dir.clone(),
        name: config.dbfilename.clone(),
        points: config
            .save
            .points()
            .iter()
            .map(|point| SavePoint { secs: point.seconds, changes: point.changes })
            .collect(),
        stop_writes_on_error: config.stop_writes_on_bgsave_error,
        process_id,
    }
}

/// The options of the append only file.
pub(super) fn aof_config(config: &Config, process_id: u32) -> AofConfig {
    AofConfig {
        dir: config.dir.clone(),
        folder: config.appenddirname.clone(),
        name: config.appendfilename.clone(),
        fsync: match config.appendfsync {
            AppendFsync::Always => Fsync::Always,
            AppendFsync::EverySec => Fsync::EverySecond,
            AppendFsync::No => Fsync::No,
        },
        no_fsync_on_rewrite: config.no_appendfsync_on_rewrite,
        base: if config.aof_use_rdb_preamble { BaseForm::Rdb } else { BaseForm::Commands },
        timestamps: config.aof_timestamp_enabled,
        keep_history: config.aof_disable_auto_gc,
        rewrite_growth_percent: u64::from(config.auto_aof_rewrite_percentage),
        rewrite_bytes_min: config.auto_aof_rewrite_min_size,
        process_id,
    }
}

impl Node {
    /// A path in the server's folder.
    pub(super) fn path_of(&self, name: &str) -> String {
        match &*self.engine.core().config.dir {
            "" => name.to_owned(),
            dir => format!("{}/{name}", dir.trim_end_matches('/')),
        }
    }

    /// Hands an answer of the disk to whoever asked.
    pub(super) fn on_disk(&mut self, now: Now, ticket: Ticket, result: DiskResult) {
        if self.boot_on_disk(now, ticket, &result)
            || self.cluster_config_on_disk(ticket, &result)
            || self.reconfiguring_on_disk(now, ticket, &result)
            || self.sentinel_on_disk(now, ticket, &result)
            || self.script_on_disk(now, ticket, &result)
        {
            return;
        }
        let Self { job, persistence, replication, tickets, .. } = self;
        if job.as_mut().is_some_and(|job| job.on_disk(ticket, &result, tickets)) {
            self.plan_snapshot();
            return;
        }
        if persistence.saver.on_disk(now, ticket, &result, tickets) {
            return;
        }
        if let Some(aof) = &mut persistence.aof
            && aof.on_disk(now, ticket, &result, &mut replication.log, tickets)
        {
            return;
        }
        // Operations nobody waits for (closing, removing what was given up) end here.
        replication.feeds.on_disk(now, ticket, result, tickets);
    }

    /// Lets the files read what the log got. Called once per batch.
    pub(super) fn flush_aof(&mut self, now: Now) {
        let Self { persistence, replication, tickets, .. } = self;
        if let Some(aof) = &mut persistence.aof {
            aof.flush(now, &mut replication.log, tickets);
        }
    }

    /// Carries out one wish of the files. Returns whether there was one.
    pub(super) fn step_persistence(&mut self, now: Now) -> bool {
        if let Some(output) = self.persistence.saver.poll() {
            match output {
                save::Output::Disk(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Snapshot, op)),
                save::Output::Note(note) => self.note(note),
                save::Output::Saved(saved) => self.dump_saved(now, saved),
            }
            return true;
        }
        if let Some(output) = self.persistence.aof.as_mut().and_then(Aof::poll) {
            match output {
                aof::Output::CancelWalk => self.cancel_walk_for(now, Purpose::AofBase),
                aof::Output::Disk(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Log, op)),
                aof::Output::Durable(ticket) => self.release_replies(ticket),
                aof::Output::Exit => self.exit(1),
                aof::Output::Note(note) => self.note(note),
                aof::Output::Rewritten(complete) => {
                    self.persistence.rewrites.end(now, complete);
                    self.first_base_done(now, complete);
                }
            }
            return true;
        }
        self.step_snapshot(now)
    }

    // --- replies that wait ------------------------------------------------------------------------------------

    /// The ticket that replies of this batch must wait for (`appendfsync always`).
    pub(super) fn reply_hold(&mut self) -> Option<Ticket> {
        let Self { persistence, replication, tickets, .. } = self;
        persistence.aof.as_mut()?.hold(&replication.log, tickets)
    }

    /// Hides what a client has not been sent until the ticket is done.
    pub(super) fn hold_replies(&mut self, conn: ConnId, ticket: Ticket) {
        let Some(client) = self.conns.client(conn) else { return };
        if self.engine.out(client.session).hold_unsent(ticket) {
            self.persistence.holds.entry(ticket).or_default().push(conn);
        }
    }

    pub(super) fn release_replies(&mut self, ticket: Ticket) {
        for conn in self.persistence.holds.remove(&ticket).unwrap_or_default() {
            let Some(client) = self.conns.client(conn) else { continue };
            if self.engine.out(client.session).release(ticket) {
                self.effects.push_back(Effect::Flush(conn));
            }
        }
        if self.ending.is_some() {
            self.look_for_last_sync(self.last_now);
        }
    }

    // --- dump -------------------------------------------------------------------------------------------------

    /// Begins a walk for a file that is due. Returns whether one began.
    ///
    /// A node that ends begins none but that without which its append only file would be worth nothing: the end
    /// itself completes the files, and would have to wait or to give the walk up.
    pub(super) fn begin_wanted_file(&mut self, now: Now) -> bool {
        self.tell_changes();
        if self.ending.is_none() && self.persistence.saver.wants_save(now) {
            return self.save_now(now, Occasion::Background);
        }
        let may_rewrite = self.ending.is_none() || self.aof_wants_first_base();
        if may_rewrite && self.persistence.aof.as_mut().is_some_and(|aof| aof.wants_rewrite(now)) {
            return self.begin_aof_rewrite(now);
        }
        false
    }

    /// Begins the walk for the dump file; no other may be running.
    pub(super) fn save_now(&mut self, now: Now, occasion: Occasion) -> bool {
        self.tell_changes();
        let temp = self.persistence.saver.begin(now, occasion);
        if self.begin_file_job(now, Purpose::Dump, temp) {
            return true;
        }
        self.persistence.saver.cancelled();
        false
    }

    pub(super) fn dump_done(&mut self, now: Now, outcome: Result<u64, DiskError>) {
        let temp = temporary::dump(self.process_id);
        let temp = self.path_of(&temp);
        match outcome {
            Ok(_) => self.persistence.saver.install(temp, &mut self.tickets),
            Err(error) => self.persistence.saver.fail(now, &error.text),
        }
    }

    pub(super) fn dump_cancelled(&mut self, now: Now) {
        self.persistence.saver.cancelled();
        self.answer_save_waiters(false);
        self.saved_for_reload(now, false);
        if self.ending.is_some() {
            self.last_dump_done(now, false);
        }
    }

    /// The dump file is the new one, or is not.
    fn dump_saved(&mut self, now: Now, saved: bool) {
        if saved {
            self.replication.feeds.newer_dump_saved();
        }
        self.answer_save_waiters(saved);
        self.last_dump_done(now, saved);
        self.saved_for_reload(now, saved);
    }

    fn answer_save_waiters(&mut self, saved: bool) {
        for conn in std::mem::take(&mut self.persistence.save_waiters) {
            self.answer(conn, if saved { Ok(()) } else { Err(ReplyError::Fixed("ERR")) });
        }
    }

    /// Tells the saver of changes made since the last time.
    fn tell_changes(&mut self) {
        let total = self.engine.core().changes.total();
        let new = total.wrapping_sub(std::mem::replace(&mut self.persistence.changes_told, total));
        if new > 0 {
            self.persistence.saver.changed(new);
        }
    }

    /// Unsaved changes, for INFO.
    pub(super) fn dirty(&mut self, now: Now) -> u64 {
        self.tell_changes();
        self.persistence.saver.info(now).dirty
    }

    /// The dataset is another one now, and no file holds it.
    pub(super) fn dataset_replaced(&mut self, now: Now) {
        let Self { persistence, replication, tickets, .. } = self;
        if let Some(aof) = &mut persistence.aof
            && aof.is_on()
        {
            // The old base and its commands describe data that are gone.
            aof.disable(now, &mut replication.log, tickets);
            aof.enable(Starting::No);
            self.look_for_walk();
        }
    }

    // --- append only file -------------------------------------------------------------------------------------

    pub(super) fn begin_aof_rewrite(&mut self, now: Now) -> bool {
        self.step_changes();
        let Self { persistence, replication, tickets, .. } = self;
        let Some(aof) = &mut persistence.aof else { return false };
        persistence.rewrites.begin(now);
        let temp = aof.begin_rewrite(&mut replication.log, tickets);
        self.engine.changes().forget_db();
        self.follow_readers();
        if self.begin_file_job(now, Purpose::AofBase, temp) {
            return true;
        }
        self.aof_failed(now, "a snapshot cannot begin now");
        false
    }

    pub(super) fn aof_base_done(&mut self, now: Now, outcome: Result<u64, DiskError>) {
        let temp = temporary::aof_base(self.process_id);
        let temp = self.path_of(&temp);
        match outcome {
            Ok(bytes) => {
                let Self { persistence, tickets, .. } = self;
                if let Some(aof) = &mut persistence.aof {
                    aof.base_written(temp, bytes, tickets);
                }
            }
            Err(error) => self.aof_failed(now, &error.text),
        }
    }

    pub(super) fn aof_base_cancelled(&mut self, now: Now) {
        self.aof_failed(now, "the dataset was replaced");
    }

    fn aof_failed(&mut self, now: Now, reason: &str) {
        let Self { persistence, replication, .. } = self;
        if let Some(aof) = &mut persistence.aof {
            aof.rewrite_failed(now, reason, &mut replication.log);
        }
    }

    /// FLUSHALL ends a BGSAVE under way, as it ends the child process in Redis; the dump file stays what it was.
    pub(super) fn cancel_background_dump(&mut self, now: Now) {
        let is_background = self.persistence.save_waiters.is_empty() && self.ending.is_none() && self.reload.is_none();
        if is_background {
            self.cancel_walk_for(now, Purpose::Dump);
        }
    }

    fn cancel_walk_for(&mut self, now: Now, purpose: Purpose) {
        if self.job.as_ref().is_some_and(|job| job.purpose() == purpose) {
            self.cancel_snapshots(now);
        }
    }

    /// Whether the append only file is on and has no base that describes the dataset.
    pub(super) fn aof_wants_first_base(&self) -> bool {
        self.persistence.aof.as_ref().is_some_and(Aof::wants_first_base)
    }

    /// Whether an orderly end must first complete the append only file.
    pub(super) fn aof_wants_last_sync(&self) -> bool {
        self.persistence.aof.as_ref().is_some_and(Aof::is_on)
    }

    pub(super) fn begin_last_sync(&mut self, now: Now) {
        let Self { persistence, replication, tickets, .. } = self;
        if let Some(aof) = &mut persistence.aof {
            aof.flush(now, &mut replication.log, tickets);
            aof.sync_now(tickets);
        }
        self.look_for_last_sync(now);
    }

    /// Looks whether the append only file an end waits for is complete.
    pub(super) fn look_for_last_sync(&mut self, now: Now) {
        let Some(aof) = &self.persistence.aof else { return };
        if aof.wants_first_base() {
            return;
        }
        if aof.refusal(&self.replication.log).is_some() {
            self.last_sync_done(now, true);
        } else if aof.is_settled(&self.replication.log) {
            self.last_sync_done(now, false);
        }
    }

    /// Whether writes are refused because of a file.
    pub(super) fn has_persistence_error(&self) -> bool {
        let aof_failed = |aof: &Aof| aof.is_on() && aof.refusal(&self.replication.log).is_some();
        self.persistence.saver.refuses_writes() || self.persistence.aof.as_ref().is_some_and(aof_failed)
    }

    /// Why writes are refused because of a file, if they are.
    pub(super) fn persistence_error(&self) -> Option<ReplyError> {
        if self.persistence.saver.refuses_writes() {
            return Some(ReplyError::Fixed(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                 Commands that may modify the data set are disabled, because this instance is configured to report \
                 errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check \
                 the Redis logs for details about the RDB error.",
            ));
        }
        let refusal = self.persistence.aof.as_ref()?.refusal(&self.replication.log)?;
        Some(ReplyError::text(format!("MISCONF {refusal}")))
    }

    // --- time -------------------------------------------------------------------------------------------------

    pub(super) fn tick_persistence(&mut self, now: Now) {
        if now.instant < self.persistence.next_cron {
            return;
        }
        self.persistence.next_cron = now.instant.plus_millis(CRON_MS);
        self.look_for_walk();
        self.flush_aof(now);
        self.look_for_settled_aof(now);
        if self.ending.is_some() {
            self.look_for_last_sync(now);
        }
    }

    pub(super) fn persistence_deadline(&self) -> Option<Instant> {
        let config = &self.engine.core().config;
        let aof_on = self.persistence.aof.as_ref().is_some_and(Aof::is_on);
        let needed = self.reload.is_some()
            || !config.save.points().is_empty()
            || aof_on
            || self.job.is_some()
            || self.ending.is_some();
        needed.then_some(self.persistence.next_cron)
    }

    // --- nodes.conf -------------------------------------------------------------------------------------------

    /// Notes that nodes.conf must be replaced.
    ///
    /// What may be lost in a crash waits for a moment, so that one write covers what comes in the meantime: an
    /// operator who moves slots makes several changes for each.
    pub(super) fn save_cluster_config(&mut self, now: Now, sync: bool, version: u64) {
        let ticket = self.tickets.take();
        let config = &mut self.persistence.cluster_config;
        let (ticket, sync) = match config.wanted {
            // Messages wait for the older ticket already; the newer state covers it.
            Some(older) => (older.ticket, older.sync || sync),
            None => (ticket, sync),
        };
        config.wanted = Some(Wanted { version, ticket, sync });
        if sync || self.ending.is_some() {
            self.replace_cluster_config();
        } else {
            config.due.get_or_insert(now.instant.plus_millis(CONFIG_GATHER_MS));
        }
    }

    /// When nodes.conf is written at the latest.
    pub(super) fn cluster_config_deadline(&self) -> Option<Instant> {
        self.persistence.cluster_config.due
    }

    /// Writes nodes.conf when its time has come.
    pub(super) fn tick_cluster_config(&mut self, now: Now) {
        if self.cluster_config_deadline().is_some_and(|due| due <= now.instant) {
            self.replace_cluster_config();
        }
    }

    /// Writes nodes.conf now, if it is behind.
    pub(super) fn replace_cluster_config(&mut self) {
        self.persistence.cluster_config.due = None;
        if self.persistence.cluster_config.running.is_some() {
            return;
        }
        let Some(what) = self.persistence.cluster_config.wanted.take() else { return };
        let Some(bus) = &self.bus else { return };
        let core = self.engine.core();
        let (dir, name) = (core.config.dir.clone(), core.config.cluster_config_file.clone());
        let temp = temporary::replacement(&name, self.process_id);
        let data = Bytes::from(bus.config_text());
        let (replace, ticket, op) = FileReplace::begin(&dir, &name, &temp, data, &mut self.tickets);
        self.persistence.cluster_config.running = Some(Saving { replace, what });
        self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
    }

    fn cluster_config_on_disk(&mut self, ticket: Ticket, result: &DiskResult) -> bool {
        let Self { persistence, tickets, .. } = self;
        let Some(saving) = &mut persistence.cluster_config.running else { return false };
        match saving.replace.on_disk(ticket, result, tickets) {
            Advance::NotMine => return false,
            Advance::Next(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Config, op)),
            Advance::Done => {
                let what = saving.what;
                persistence.cluster_config.running = None;
                if let Some(bus) = &mut self.bus {
                    bus.config_synced(what.version);
                }
                self.release_links(what.ticket);
                self.release_replies(what.ticket);
                self.replace_cluster_config();
                self.cluster_config_written();
            }
            Advance::Failed(error) => {
                self.log_warning(format!("Fatal: can't update cluster config file: {}", error.text));
                self.exit(1);
            }
        }
        true
    }
}

/// How long changes of nodes.conf that may be lost wait for others, in milliseconds.
const CONFIG_GATHER_MS: u64 = 50;

/// How often save points and everysec syncs are looked at, in milliseconds (Redis: `serverCron` at hz 10).
const CRON_MS: u64 = 100;
