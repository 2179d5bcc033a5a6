//! The orderly end: replicas get what they miss, files are completed, then the node says goodbye.

use slotmesh_engine::error::ReplyError;
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::persist::save::Occasion;

use super::Node;
use super::boot::Life;
use super::pause::PauseKind;
use crate::machine::{ConnId, Effect, Shutdown};

/// How to end (`SHUTDOWN`'s words and `shutdown-on-sigterm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Manner {
    /// Whether to save: as the save points say, or by order.
    pub(super) save: SaveOrder,
    /// Do not wait for replicas.
    pub(super) now: bool,
    /// End even if a file cannot be written.
    pub(super) force: bool,
}

/// Whether a dataset is saved at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SaveOrder {
    /// When there are save points.
    #[default]
    AsConfigured,
    /// Not at all.
    No,
    /// In any case.
    Yes,
}

/// An end in progress.
#[derive(Debug)]
pub(super) struct Ending {
    manner: Manner,
    /// The clients that asked, to be told when it fails.
    clients: Vec<ConnId>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Replicas catch up until then at the latest.
    Replicas(Instant),
    /// The append only file is being synced.
    Aof,
    /// A dump that was complete before gets its lasting name; the last one begins behind it.
    OlderDump,
    /// The last dump is being written.
    Dump,
}

impl Node {
    /// A signal asked for the end.
    pub(super) fn on_signal(&mut self, now: Now, name: &str) {
        if matches!(self.life, Life::Ended) {
            return;
        }
        if self.ending.is_some() && name == "SIGINT" {
            self.log_warning("You insist... exiting now.");
            return self.exit(1);
        }
        if self.engine.core().is_loading {
            self.log_warning("Received shutdown signal during loading, scheduling shutdown.");
            return self.exit(0);
        }
        self.log_warning(format!("Received {name} scheduling shutdown..."));
        let manner = self.manner_of_signal(name);
        self.begin_shutdown(now, manner, None);
    }

    fn manner_of_signal(&self, name: &str) -> Manner {
        if self.is_sentinel() {
            // It has no dataset.
            return Manner { save: SaveOrder::No, ..Manner::default() };
        }
        let config = &self.engine.core().config;
        let flags = if name == "SIGINT" { config.shutdown_on_sigint } else { config.shutdown_on_sigterm };
        let save = match (flags.nosave, flags.save) {
            (true, _) => SaveOrder::No,
            (_, true) => SaveOrder::Yes,
            _ => SaveOrder::AsConfigured,
        };
        Manner { save, now: flags.now, force: flags.force }
    }

    /// Begins to end.
    pub(super) fn begin_shutdown(&mut self, now: Now, manner: Manner, client: Option<ConnId>) {
        if let Some(ending) = &mut self.ending {
            ending.clients.extend(client);
            return;
        }
        let clients = client.into_iter().collect();
        self.log_warning("User requested shutdown...");
        self.replace_cluster_config();
        self.step_changes();
        let grace_secs = u64::from(self.engine.core().config.shutdown_timeout_secs);
        let lagging = !self.is_replica() && self.replication.feeds.lagging(&self.replication.log) > 0;
        if !manner.now && grace_secs > 0 && lagging {
            let until = now.instant.plus_millis(grace_secs.saturating_mul(1000));
            self.log_notice("Waiting for replicas before shutting down.");
            self.pause.begin_by_shutdown(until, PauseKind::Writes);
            self.replication.log.append_getack();
            self.replication.feeds.log_grew(&self.replication.log);
            self.ending = Some(Ending { manner, clients, stage: Stage::Replicas(until) });
        } else {
            self.ending = Some(Ending { manner, clients, stage: Stage::Aof });
            self.end_aof(now);
        }
    }

    /// Takes the end back.
    ///
    /// # Errors
    /// When none is in progress.
    pub(super) fn abort_shutdown(&mut self, now: Now) -> Result<(), ReplyError> {
        let Some(ending) = self.ending.take() else {
            return Err(ReplyError::Fixed("ERR No shutdown in progress."));
        };
        self.log_notice("Shutdown manually aborted.");
        self.go_on_after(now, ending);
        Ok(())
    }

    pub(super) fn shutdown_deadline(&self) -> Option<Instant> {
        match self.ending.as_ref()?.stage {
            Stage::Replicas(until) => Some(until),
            Stage::Aof | Stage::OlderDump | Stage::Dump => None,
        }
    }

    /// Looks whether the replicas have caught up, or their time is over.
    pub(super) fn tick_shutdown(&mut self, now: Now) {
        let Some(Ending { stage: Stage::Replicas(until), .. }) = self.ending else { return };
        let connected = self.replication.feeds.connected();
        let lagging = self.replication.feeds.lagging(&self.replication.log);
        if lagging > 0 && now.instant < until {
            return;
        }
        for line in self.replication.feeds.lag_report(now, &self.replication.log) {
            self.log_warning(line);
        }
        let synced = connected - lagging;
        self.log_notice(format!("{synced} of {connected} replicas are in sync when shutting down."));
        if let Some(ending) = &mut self.ending {
            ending.stage = Stage::Aof;
        }
        self.end_aof(now);
    }

    /// Whether the files are being completed: from then on nothing may change, or what is acknowledged would be in
    /// none of them.
    pub(super) fn is_completing_files(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| !matches!(ending.stage, Stage::Replicas(_)))
    }

    fn end_aof(&mut self, now: Now) {
        self.pause.begin_by_shutdown(Instant::MAX, PauseKind::All);
        if self.aof_wants_first_base() {
            // What is on disk describes another dataset: the one before a full synchronisation, or none.
            self.log_notice("Writing initial AOF before exiting.");
            self.look_for_walk();
        } else if self.aof_wants_last_sync() {
            self.log_notice("Calling fsync() on the AOF file.");
            self.begin_last_sync(now);
        } else {
            self.end_dump(now);
        }
    }

    /// The base of a new append only file is on disk, or could not be written.
    pub(super) fn end_after_first_base(&mut self, now: Now, complete: bool) {
        if self.ending.as_ref().is_none_or(|ending| ending.stage != Stage::Aof) {
            return;
        }
        if complete {
            self.end_aof(now);
        } else {
            self.last_sync_done(now, true);
        }
    }

    /// The append only file is complete, or could not be.
    pub(super) fn last_sync_done(&mut self, now: Now, failed: bool) {
        let Some(ending) = &self.ending else { return };
        if ending.stage != Stage::Aof {
            return;
        }
        if failed && !ending.manner.force {
            return self.fail_shutdown(now, "Error trying to sync the AOF, can't exit.");
        }
        self.end_dump(now);
    }

    fn end_dump(&mut self, now: Now) {
        let Some(ending) = &self.ending else { return };
        let wanted = match ending.manner.save {
            SaveOrder::AsConfigured => !self.engine.core().config.save.points().is_empty(),
            SaveOrder::No => false,
            SaveOrder::Yes => true,
        };
        if self.job.is_some() {
            self.log_warning("There is a child saving an .rdb. Killing it!");
            self.cancel_snapshots(now);
        }
        if !wanted {
            return self.goodbye();
        }
        if self.persistence.saver.info(now).in_progress {
            return self.enter_stage(Stage::OlderDump);
        }
        self.begin_last_dump(now);
    }

    fn begin_last_dump(&mut self, now: Now) {
        self.enter_stage(Stage::Dump);
        self.log_notice("Saving the final RDB snapshot before exiting.");
        if !self.save_now(now, Occasion::Foreground) {
            self.last_dump_done(now, false);
        }
    }

    fn enter_stage(&mut self, stage: Stage) {
        if let Some(ending) = &mut self.ending {
            ending.stage = stage;
        }
    }

    /// The last dump is on disk, or could not be written. Returns whether an end waited for it.
    pub(super) fn last_dump_done(&mut self, now: Now, saved: bool) -> bool {
        let Some(ending) = &self.ending else { return false };
        match ending.stage {
            Stage::Aof | Stage::Replicas(_) => return false,
            Stage::Dump => {}
            Stage::OlderDump => {
                self.begin_last_dump(now);
                return true;
            }
        }
        if !saved && !ending.manner.force {
            self.fail_shutdown(now, "Error trying to save the DB, can't exit.");
            return true;
        }
        self.goodbye();
        true
    }

    fn fail_shutdown(&mut self, now: Now, why: &str) {
        self.log_warning(why);
        let Some(ending) = self.ending.take() else { return };
        self.go_on_after(now, ending);
    }

    /// The node goes on; those who asked for its end are told.
    fn go_on_after(&mut self, now: Now, ending: Ending) {
        self.pause.end_by_shutdown();
        self.resume_paused(now);
        self.resume_stream(now);
        for conn in ending.clients {
            self.answer(conn, Err(ReplyError::Fixed("ERR Errors trying to SHUTDOWN. Check logs.")));
        }
    }

    fn goodbye(&mut self) {
        if matches!(self.life, Life::Ended) {
            return;
        }
        let config = &self.engine.core().config;
        if config.daemonize || !config.pidfile.is_empty() {
            self.log_notice("Removing the pid file.");
        }
        self.log_warning("Redis is now ready to exit, bye bye...");
        self.exit(0);
    }

    /// Ends the machine.
    pub(super) fn exit(&mut self, code: i32) {
        self.life = Life::Ended;
        self.recall_errands(|_| true, &ReplyError::Fixed("ERR The server ends; the keys were not removed here"));
        self.effects.push_back(Effect::Exit(Shutdown { code }));
    }
}
