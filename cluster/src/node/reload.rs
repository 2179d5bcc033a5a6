//! DEBUG RELOAD and DEBUG LOADAOF: the dataset as its files have it.
//!
//! The dump is written (or the append only file completed), then read back like at start. Meanwhile the node hears no
//! peer, so that nothing is written between the two and lost.

use slotmesh_engine::error::ReplyError;
use slotmesh_engine::time::Now;
use slotmesh_replication::persist::aof::Aof;
use slotmesh_replication::persist::save::Occasion;

use super::Node;
use super::boot::Life;
use crate::machine::ConnId;

/// A dataset on its way out and in.
#[derive(Debug)]
pub(super) struct Reload {
    conn: ConnId,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The append only file takes its last bytes.
    CompletingAof,
    /// The append only file is read.
    ReadingAof,
    /// The dump is read.
    ReadingDump {
        /// It is this dataset's own, written just before.
        is_own: bool,
    },
    /// The dump is written.
    Saving,
}

impl Node {
    /// Begins DEBUG RELOAD; `save` writes the dump first.
    ///
    /// # Errors
    /// When a walk is running that would have to be waited for.
    pub(super) fn begin_reload(&mut self, now: Now, conn: ConnId, save: bool) -> Result<(), ReplyError> {
        if save
            && (self.job.is_some()
                || self.persistence.saver.info(now).in_progress
                || !self.save_now(now, Occasion::Foreground))
        {
            return Err(ReplyError::Fixed("ERR a snapshot is being written; try again when it is complete"));
        }
        let stage = if save { Stage::Saving } else { Stage::ReadingDump { is_own: false } };
        self.begin_stage(conn, stage);
        if !save {
            self.read_back(now, false);
        }
        Ok(())
    }

    /// Begins DEBUG LOADAOF.
    ///
    /// # Errors
    /// When there is no append only file, or only half of its first base.
    pub(super) fn begin_loading_aof(&mut self, now: Now, conn: ConnId) -> Result<(), ReplyError> {
        self.step_changes();
        let Self { persistence, replication, tickets, .. } = self;
        let usable =
            persistence.aof.as_mut().filter(|aof| aof.is_on() && !aof.wants_first_base() && !aof.is_rewriting());
        let Some(aof) = usable else {
            return Err(ReplyError::Fixed("ERR the append only file is off or being rewritten"));
        };
        aof.flush(now, &mut replication.log, tickets);
        aof.sync_now(tickets);
        self.begin_stage(conn, Stage::CompletingAof);
        self.look_for_settled_aof(now);
        Ok(())
    }

    fn begin_stage(&mut self, conn: ConnId, stage: Stage) {
        self.reload = Some(Reload { conn, stage });
        self.wait_for_host(conn);
        self.turn_deaf();
    }

    /// Goes on with DEBUG LOADAOF once the file is complete.
    pub(super) fn look_for_settled_aof(&mut self, now: Now) {
        let waits = self.reload.as_ref().is_some_and(|reload| reload.stage == Stage::CompletingAof);
        if !waits {
            return;
        }
        let log = &self.replication.log;
        if self.persistence.aof.as_ref().is_some_and(|aof: &Aof| aof.refusal(log).is_some()) {
            self.end_reload(
                now,
                Err(ReplyError::Fixed("ERR the append only file cannot be completed, check server logs.")),
            );
        } else if self.persistence.aof.as_ref().is_none_or(|aof| aof.is_settled(log)) {
            self.enter_reload_stage(Stage::ReadingAof);
            self.read_back(now, true);
        }
    }

    /// Goes on with DEBUG RELOAD once the dump is there, or is not.
    pub(super) fn saved_for_reload(&mut self, now: Now, saved: bool) {
        if self.reload.as_ref().is_none_or(|reload| reload.stage != Stage::Saving) {
            return;
        }
        if saved {
            self.enter_reload_stage(Stage::ReadingDump { is_own: true });
            self.read_back(now, false);
        } else {
            self.end_reload(now, Err(ReplyError::Fixed("ERR")));
        }
    }

    fn enter_reload_stage(&mut self, stage: Stage) {
        if let Some(reload) = &mut self.reload {
            reload.stage = stage;
        }
    }

    fn read_back(&mut self, now: Now, aof: bool) {
        self.step_changes();
        self.cancel_snapshots(now);
        if aof {
            // Its files can begin with commands instead of a dataset that replaces this one.
            self.engine.flush_all();
        }
        self.begin_reading_back(now, aof);
    }

    /// The files were read to their end.
    pub(super) fn reloaded(&mut self, now: Now, has_rdb: bool) {
        self.leave_loading();
        let Some(Reload { stage, .. }) = self.reload else { return };
        if matches!(stage, Stage::ReadingDump { .. }) && !has_rdb {
            return self.end_reload(now, Err(LOAD_FAILED));
        }
        if stage == (Stage::ReadingDump { is_own: false }) {
            // The append only file describes other data.
            self.dataset_replaced(now);
        }
        self.log_warning(match stage {
            Stage::ReadingAof => "Append Only File loaded by DEBUG LOADAOF",
            Stage::CompletingAof | Stage::ReadingDump { .. } | Stage::Saving => "DB reloaded by DEBUG RELOAD",
        });
        self.timers.wake_engine(now);
        self.end_reload(now, Ok(()));
    }

    /// The files cannot be read. Returns whether that was no start of the node, which would end it.
    pub(super) fn reload_failed(&mut self, now: Now) -> bool {
        if self.reload.is_none() {
            return false;
        }
        self.leave_loading();
        self.end_reload(now, Err(LOAD_FAILED));
        true
    }

    fn leave_loading(&mut self) {
        self.engine.core_mut().is_loading = false;
        self.life = Life::Running;
        self.engine.changes().forget_db();
        self.follow_readers();
    }

    fn end_reload(&mut self, now: Now, result: Result<(), ReplyError>) {
        let Some(Reload { conn, .. }) = self.reload.take() else { return };
        self.answer(conn, result);
        self.hear_again(now);
    }
}

const LOAD_FAILED: ReplyError = ReplyError::Fixed("ERR Error trying to load the RDB dump, check server logs.");
