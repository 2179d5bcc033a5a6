//! Files, log and life of one machine.
//!
//! Each [`Lane`] has a thread of its own, started with its first operation, that carries out what it is asked one
//! after the other: the reactor never waits for a disk, and a slow snapshot never delays a vote. What lives here is
//! the half the machine talks to, under its lock; the thread's half is in `lane`, open files in `handles`. What
//! does not: file formats.

mod folder;
mod handles;
mod lane;
mod process;

use std::thread::JoinHandle;

use crossbeam_channel::Sender;

use slotmesh_cluster::machine::{Disk, LogLevel, LogLine, ProcessId, Shutdown};
use slotmesh_replication::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult, Lane, Ticket};

pub use self::folder::FolderDisk;
use self::lane::Job;
use self::process::Programs;
use crate::news::{News, Reporter};

/// Where a machine's log lines go.
pub type LogSink = Box<dyn FnMut(LogLine) + Send>;

/// The [`Disk`] of a real host.
pub(crate) struct Files {
    lanes: [Option<LaneThread>; LANES],
    programs: Programs,
    reporter: Reporter,
    sink: LogSink,
    /// The role of the machine's last log line: the host's own lines carry it too.
    role: char,
    exit: Option<Shutdown>,
}

struct LaneThread {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    /// Failed appends the machine has heard of; see [`Job::append_failures_heard`].
    append_failures_heard: u64,
}

impl Files {
    pub(crate) fn new(reporter: Reporter, sink: LogSink) -> Self {
        Self { lanes: [const { None }; LANES], programs: Programs::default(), reporter, sink, role: 'M', exit: None }
    }

    /// How the machine ended, once it has.
    pub(crate) fn exit_state(&self) -> Option<&Shutdown> {
        self.exit.as_ref()
    }

    /// To be called before the machine hears of a result.
    pub(crate) fn note_heard(&mut self, lane: Lane, append_failures: u64) {
        if let Some(lane) = &mut self.lanes[place(lane)] {
            lane.append_failures_heard = append_failures;
        }
    }

    /// To be called when a program has ended.
    pub(crate) fn note_ended(&mut self, id: ProcessId) {
        self.programs.forget(id);
    }

    /// Writes a line of the host's own.
    pub(crate) fn log_host(&mut self, level: LogLevel, text: String) {
        (self.sink)(LogLine { level, role: self.role, text });
    }

    /// The threads that still work; they end once they have carried out what they were asked.
    pub(crate) fn take_threads(&mut self) -> Vec<JoinHandle<()>> {
        self.lanes.iter_mut().filter_map(|lane| lane.take().map(|lane| lane.thread)).collect()
    }

    fn lane(&mut self, lane: Lane) -> std::io::Result<&mut LaneThread> {
        let slot = &mut self.lanes[place(lane)];
        match slot {
            Some(lane) => Ok(lane),
            None => {
                let (jobs, thread) = lane::spawn(lane, self.reporter.clone())?;
                Ok(slot.insert(LaneThread { jobs, thread, append_failures_heard: 0 }))
            }
        }
    }

    fn refuse(&self, ticket: Ticket, lane: Lane, text: String) {
        let result = DiskResult::Failed(DiskError { kind: DiskErrorKind::Other, text });
        self.reporter.report(News::Disk { ticket, lane, result, append_failures: 0 });
    }
}

impl Disk for Files {
    fn submit(&mut self, ticket: Ticket, lane: Lane, op: DiskOp) {
        let thread = match self.lane(lane) {
            Ok(thread) => thread,
            Err(error) => {
                let text = crate::errno::text(&error);
                self.refuse(ticket, lane, text);
                return;
            }
        };
        let job = Job { ticket, op, append_failures_heard: thread.append_failures_heard };
        if thread.jobs.send(job).is_err() {
            self.refuse(ticket, lane, "The disk thread has ended".to_owned());
        }
    }

    fn log(&mut self, line: LogLine) {
        self.role = line.role;
        (self.sink)(line);
    }

    fn exit(&mut self, shutdown: Shutdown) {
        self.exit = Some(shutdown);
    }

    fn run(&mut self, id: ProcessId, words: Vec<String>) {
        self.programs.run(id, words, &self.reporter);
    }

    fn kill(&mut self, id: ProcessId) {
        self.programs.kill(id);
    }
}

fn place(lane: Lane) -> usize {
    match lane {
        Lane::Config => 0,
        Lane::Log => 1,
        Lane::Snapshot => 2,
    }
}

const LANES: usize = 3;
