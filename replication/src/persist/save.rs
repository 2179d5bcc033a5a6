//! The dump file: when it is saved and what became of it.
//!
//! The walk and its file are a [`job`](super::job); here are save points, the count of unsaved changes, the last
//! result, and the two operations that give a complete file its lasting name.

use std::collections::VecDeque;

use slotmesh_engine::time::{Instant, Now, UnixMicros};

use super::join;
use super::sequence::{Advance, Sequence};
use super::temporary;
use crate::disk::{DiskOp, DiskResult, Ticket, Tickets};
use crate::note::Note;

/// Policy and state of the dump file.
#[derive(Debug)]
pub struct Saver {
    config: SaveConfig,
    dirty: u64,
    /// Unsaved changes when the running save began.
    dirty_before: u64,
    last_save: UnixMicros,
    last_save_at: Instant,
    last_try_at: Option<Instant>,
    last_failed: bool,
    last_duration_secs: Option<u64>,
    running: Option<Now>,
    occasion: Occasion,
    scheduled: bool,
    installing: Option<Sequence>,
    saves: u64,
    outputs: VecDeque<Output>,
}

/// The options the dump file follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveConfig {
    /// `dir`.
    pub dir: String,
    /// `dbfilename`.
    pub name: String,
    /// `save`.
    pub points: Vec<SavePoint>,
    /// `stop-writes-on-bgsave-error`.
    pub stop_writes_on_error: bool,
    /// Goes into temporary names and log lines.
    pub process_id: u32,
}

/// Save when so many changes are unsaved after so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last save.
    pub secs: u64,
    /// Unsaved changes.
    pub changes: u64,
}

/// What the node must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Carry out a disk operation in the snapshot lane.
    Disk(Ticket, DiskOp),
    /// Write a line to the log.
    Note(Note),
    /// A save is over; `true` when the dump file is the new one.
    Saved(bool),
}

/// How a save is spoken of in the log. The walk is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// BGSAVE, a save point, a file for replicas: with the lines of Redis's child process.
    Background,
    /// Somebody waits: SAVE, the end of the process.
    Foreground,
}

/// What BGSAVE is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BgsaveReply {
    /// Begin a walk for the dump file now; the reply is `+Background saving started`.
    Start,
    /// It begins when the running walk is over; the reply is `+Background saving scheduled`.
    Scheduled,
    /// This error.
    Refused(&'static str),
}

/// What INFO shows of the dump file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveInfo {
    /// `rdb_changes_since_last_save`.
    pub dirty: u64,
    /// `rdb_bgsave_in_progress`.
    pub in_progress: bool,
    /// `rdb_last_save_time` and LASTSAVE, in Unix seconds.
    pub last_save_secs: i64,
    /// `rdb_last_bgsave_status`.
    pub last_ok: bool,
    /// `rdb_last_bgsave_time_sec`; nothing shows as -1.
    pub last_duration_secs: Option<u64>,
    /// `rdb_current_bgsave_time_sec`; nothing shows as -1.
    pub current_secs: Option<u64>,
    /// `rdb_saves`.
    pub saves: u64,
}

impl Saver {
    /// Nothing saved yet; the count of seconds begins now.
    pub fn new(now: Now, config: SaveConfig) -> Self {
        Self {
            config,
            dirty: 0,
            dirty_before: 0,
            last_save: now.unix,
            last_save_at: now.instant,
            last_try_at: None,
            last_failed: false,
            last_duration_secs: None,
            running: None,
            occasion: Occasion::Background,
            scheduled: false,
            installing: None,
            saves: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Follows changed options.
    pub fn configure(&mut self, config: SaveConfig) {
        self.config = config;
    }

    /// The options in force.
    pub fn config(&self) -> &SaveConfig {
        &self.config
    }

    /// Takes the next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Counts changes of the data.
    pub fn changed(&mut self, changes: u64) {
        self.dirty = self.dirty.saturating_add(changes);
    }

    /// Notes that the data are those of the file (after loading, or FLUSHALL's own save).
    pub fn reset_dirty(&mut self) {
        self.dirty = 0;
    }

    /// Whether clients' writes must be refused: the last save failed, and save points are there to be kept.
    pub fn refuses_writes(&self) -> bool {
        self.config.stop_writes_on_error && self.last_failed && !self.config.points.is_empty()
    }

    /// Whether a save is due by its save points or was scheduled. Ask each 100 ms while no walk is running; the line
    /// that explains it is put out.
    pub fn wants_save(&mut self, now: Now) -> bool {
        if self.running.is_some() || self.installing.is_some() {
            return false;
        }
        let delayed = self.last_failed && self.last_try_at.is_some_and(|at| now.instant.millis_since(at) <= RETRY_MS);
        if delayed {
            return false;
        }
        if self.scheduled {
            return true;
        }
        let passed_secs = now.instant.since(self.last_save_at).as_secs();
        let due = |point: &&SavePoint| self.dirty >= point.changes && passed_secs > point.secs;
        let Some(point) = self.config.points.iter().find(due).copied() else { return false };
        let text = format!("{} changes in {} seconds. Saving...", point.changes, point.secs);
        self.note(Note::notice(text));
        true
    }

    /// Carries out BGSAVE. `busy` says that another walk is running.
    pub fn request(&mut self, busy: bool, schedule: bool) -> BgsaveReply {
        if self.running.is_some() || self.installing.is_some() {
            return BgsaveReply::Refused("ERR Background save already in progress");
        }
        match (busy, schedule) {
            (false, _) => BgsaveReply::Start,
            (true, true) => {
                self.scheduled = true;
                BgsaveReply::Scheduled
            }
            (true, false) => BgsaveReply::Refused(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
            ),
        }
    }

    /// Notes that a walk for the dump file, or one to replicas by way of a file, begins; returns the temporary name it
    /// writes to.
    pub fn begin(&mut self, now: Now, occasion: Occasion) -> String {
        self.occasion = occasion;
        self.running = Some(now);
        self.scheduled = false;
        self.dirty_before = self.dirty;
        self.last_try_at = Some(now.instant);
        if occasion == Occasion::Background {
            let text = format!("Background saving started by pid {}", self.config.process_id);
            self.note(Note::notice(text));
        }
        join(&self.config.dir, &temporary::dump(self.config.process_id))
    }

    /// Tells that the file at `temp` is complete and synced: it gets its lasting name.
    pub fn install(&mut self, temp: String, tickets: &mut Tickets) {
        let to = join(&self.config.dir, &self.config.name);
        let ops = [DiskOp::Rename { from: temp, to }, DiskOp::SyncDir { path: self.config.dir.clone() }];
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        self.installing = Some(sequence);
        self.outputs.push_back(Output::Disk(ticket, op));
    }

    /// Tells that the file of a walk for replicas has become the dump file: it counts as a save.
    pub fn saved_elsewhere(&mut self, now: Now) {
        self.occasion = Occasion::Background;
        self.succeed(now);
    }

    /// Tells that the walk failed, and why.
    pub fn fail(&mut self, now: Now, reason: &str) {
        self.note(Note::warning(format!("Write error saving DB on disk: {reason}")));
        if self.occasion == Occasion::Background {
            self.note(Note::warning("Background saving error"));
        }
        self.end(now, true);
    }

    /// Tells that the walk was given up on purpose (FLUSHALL, SHUTDOWN): the last result stands.
    pub fn cancelled(&mut self) {
        self.running = None;
    }

    /// Takes an answer. Returns whether it was this machine's.
    pub fn on_disk(&mut self, now: Now, ticket: Ticket, result: &DiskResult, tickets: &mut Tickets) -> bool {
        let Some(installing) = &mut self.installing else { return false };
        match installing.on_disk(ticket, result, tickets) {
            Advance::NotMine => return false,
            Advance::Next(ticket, op) => self.outputs.push_back(Output::Disk(ticket, op)),
            Advance::Done => self.succeed(now),
            Advance::Failed(error) => self.fail(now, &error.text),
        }
        true
    }

    /// What INFO shows.
    pub fn info(&self, now: Now) -> SaveInfo {
        SaveInfo {
            dirty: self.dirty,
            in_progress: self.running.is_some(),
            last_save_secs: self.last_save.seconds(),
            last_ok: !self.last_failed,
            last_duration_secs: self.last_duration_secs,
            current_secs: self.running.map(|began| now.instant.since(began.instant).as_secs()),
            saves: self.saves,
        }
    }

    fn succeed(&mut self, now: Now) {
        self.note(Note::notice("DB saved on disk"));
        if self.occasion == Occasion::Background {
            self.note(Note::notice("Background saving terminated with success"));
        }
        self.dirty -= self.dirty_before.min(self.dirty);
        self.last_save = now.unix;
        self.last_save_at = now.instant;
        self.saves += 1;
        self.end(now, false);
    }

    fn end(&mut self, now: Now, failed: bool) {
        let took_secs = self.running.take().map(|began| now.instant.since(began.instant).as_secs());
        // What fails in the foreground is told to who asked; a success speaks for the file in any case.
        if self.occasion == Occasion::Background {
            self.last_failed = failed;
            self.last_duration_secs = took_secs;
        } else if !failed {
            self.last_failed = false;
        }
        self.installing = None;
        self.dirty_before = 0;
        self.outputs.push_back(Output::Saved(!failed));
    }

    fn note(&mut self, note: Note) {
        self.outputs.push_back(Output::Note(note));
    }
}

/// Pause after a failed save before save points try again, in milliseconds (Redis: 5 s).
const RETRY_MS: u64 = 5000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use slotmesh_engine::time::Now;

    use super::{BgsaveReply, Occasion, Output, SaveConfig, SavePoint, Saver};
    use crate::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult, Tickets};
    use crate::feed::{FeedConfig, Feeds};
    use crate::offset::Position;
    use crate::persist::job::{Purpose, SnapshotJob};
    use crate::persist::test_disk::TestDisk;

    fn saver() -> Saver {
        let points = vec![SavePoint { secs: 3600, changes: 1 }, SavePoint { secs: 60, changes: 10_000 }];
        let (dir, name) = ("/d".to_owned(), "dump.rdb".to_owned());
        Saver::new(Now::default(), SaveConfig { dir, name, points, stop_writes_on_error: true, process_id: 42 })
    }

    fn after(secs: u64) -> Now {
        Now::default().plus(Duration::from_secs(secs))
    }

    fn notes(saver: &mut Saver) -> Vec<String> {
        let outputs = std::iter::from_fn(|| saver.poll());
        outputs.filter_map(|output| if let Output::Note(note) = output { Some(note.text) } else { None }).collect()
    }

    #[test]
    fn save_points_ask_for_a_save() {
        let mut saver = saver();
        assert!(!saver.wants_save(after(10_000)));
        saver.changed(1);
        assert!(!saver.wants_save(after(3600)));
        assert!(saver.wants_save(after(3601)));
        assert_eq!(notes(&mut saver), ["1 changes in 3600 seconds. Saving..."]);
        saver.changed(9_999);
        assert!(saver.wants_save(after(61)));
    }

    #[test]
    fn changes_during_a_save_stay_unsaved() {
        let mut saver = saver();
        let mut tickets = Tickets::default();
        saver.changed(5);
        assert_eq!(saver.begin(after(10), Occasion::Background), "/d/temp-42.rdb");
        saver.changed(2);
        saver.install("/d/temp-42.rdb".to_owned(), &mut tickets);
        let mut ops = Vec::new();
        while let Some(output) = saver.poll() {
            if let Output::Disk(ticket, op) = output {
                ops.push(op);
                assert!(saver.on_disk(after(12), ticket, &DiskResult::Done, &mut tickets));
            }
        }

        let rename = DiskOp::Rename { from: "/d/temp-42.rdb".to_owned(), to: "/d/dump.rdb".to_owned() };
        assert_eq!(ops, [rename, DiskOp::SyncDir { path: "/d".to_owned() }]);
        let info = saver.info(after(20));
        assert_eq!((info.dirty, info.last_ok, info.last_save_secs), (2, true, 12));
        assert_eq!((info.last_duration_secs, info.in_progress, info.saves), (Some(2), false, 1));
    }

    #[test]
    fn a_failed_save_stops_writes_and_is_retried_later() {
        let mut saver = saver();
        let mut tickets = Tickets::default();
        saver.changed(1);
        saver.begin(after(4000), Occasion::Background);
        saver.install("/d/temp-42.rdb".to_owned(), &mut tickets);
        notes(&mut saver);
        let error = DiskError { kind: DiskErrorKind::NoSpace, text: "No space left on device".to_owned() };
        let ticket = crate::disk::Ticket(1);
        assert!(saver.on_disk(after(4001), ticket, &DiskResult::Failed(error), &mut tickets));

        assert!(saver.refuses_writes());
        assert_eq!(saver.info(after(4001)).dirty, 1);
        assert_eq!(
            notes(&mut saver),
            ["Write error saving DB on disk: No space left on device", "Background saving error"]
        );
        assert!(!saver.wants_save(after(4004)));
        assert!(saver.wants_save(after(4006)));
        saver.config.points.clear();
        assert!(!saver.refuses_writes());
    }

    #[test]
    fn a_save_that_somebody_waits_for_is_not_spoken_of_as_in_the_background() {
        let (mut saver, mut tickets) = (saver(), Tickets::default());
        let temp = saver.begin(after(1), Occasion::Foreground);
        saver.install(temp, &mut tickets);
        let mut lines = Vec::new();
        while let Some(output) = saver.poll() {
            match output {
                Output::Disk(ticket, _) => assert!(saver.on_disk(after(2), ticket, &DiskResult::Done, &mut tickets)),
                Output::Note(note) => lines.push(note.text),
                Output::Saved(saved) => assert!(saved),
            }
        }
        saver.begin(after(3), Occasion::Foreground);
        saver.fail(after(4), "No space left on device");
        lines.extend(notes(&mut saver));

        assert_eq!(lines, ["DB saved on disk", "Write error saving DB on disk: No space left on device"]);
    }

    #[test]
    fn a_crash_anywhere_leaves_the_old_dump_or_the_new_one() {
        for cut in 0..9 {
            let (mut saver, mut tickets) = (saver(), Tickets::default());
            let mut disk = TestDisk::new(&["/d"]);
            disk.put("/d/dump.rdb", b"old");
            let mut feeds = Feeds::new(after(1), FeedConfig::default());
            let temp = saver.begin(after(1), Occasion::Background);
            let mut job = SnapshotJob::to_file(after(1), Purpose::Dump, Position(0), temp.clone(), &mut tickets);
            job.push(Bytes::from_static(b"new"), &mut feeds, &mut tickets);
            job.end(&mut feeds, &mut tickets);
            for _ in 0..cut {
                if let Some((ticket, op)) = job.poll() {
                    let result = disk.run(&op);
                    job.on_disk(ticket, &result, &mut tickets);
                    if let Some(outcome) = job.take_outcome() {
                        assert_eq!(outcome, Ok(3));
                        saver.install(temp.clone(), &mut tickets);
                    }
                } else if let Some(Output::Disk(ticket, op)) =
                    std::iter::from_fn(|| saver.poll()).find(|output| matches!(output, Output::Disk(..)))
                {
                    let result = disk.run(&op);
                    saver.on_disk(after(2), ticket, &result, &mut tickets);
                }
            }

            for crash in [disk.killed(), disk.power_lost(), disk.torn()] {
                let held = crash.get("/d/dump.rdb").unwrap();
                assert!(held == b"old" || held == b"new", "cut {cut}: {}", held.escape_ascii());
                assert!(cut < 8 || held == b"new");
            }
        }
    }

    #[test]
    fn bgsave_answers_as_on_a_real_server() {
        let mut saver = saver();
        assert_eq!(saver.request(false, false), BgsaveReply::Start);
        assert!(
            matches!(saver.request(true, false), BgsaveReply::Refused(text) if text.starts_with("ERR Another child"))
        );
        assert_eq!(saver.request(true, true), BgsaveReply::Scheduled);
        assert!(saver.wants_save(after(0)));
        saver.begin(after(0), Occasion::Background);
        assert_eq!(saver.request(true, true), BgsaveReply::Refused("ERR Background save already in progress"));
    }
}
