//! Disks of live machines.
//!
//! Any host's disk can be plugged in: one that answers at once gives its answers in [`LiveDisk::poll`], one with a
//! thread of its own sends them through [`Answers`]. [`RamDisk`] is the one for machines without files.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use slotmesh_cluster::machine::{Disk, LogLine, Shutdown};
use slotmesh_engine::resp::outbuf::Ticket;
use slotmesh_replication::disk::{DiskError, DiskOp, DiskResult, Lane};

use super::mail::{Mail, Office};
use crate::disk::MemDisk;
use crate::place::MachineId;

/// A disk for one machine of a bus.
pub trait LiveDisk: Disk + Send {
    /// Takes an answer that is there already. Asked after each input, so it must cost next to nothing.
    fn poll(&mut self) -> Option<(Ticket, DiskResult)>;
}

/// The way back for a disk that answers later, from any thread.
#[derive(Debug, Clone)]
pub struct Answers {
    office: Arc<Office>,
    machine: MachineId,
    run: u32,
}

impl Answers {
    pub(super) fn new(office: Arc<Office>, machine: MachineId, run: u32) -> Self {
        Self { office, machine, run }
    }

    /// Has the machine's host look whether [`LiveDisk::poll`] has an answer.
    pub fn wake(&self) {
        self.office.post(self.machine, Some(self.run), Mail::Look);
    }

    /// Gives the machine an answer. One that was built again since never sees it.
    pub fn send(&self, ticket: Ticket, result: DiskResult) {
        self.office.post(self.machine, Some(self.run), Mail::Disk(ticket, result));
    }
}

/// A disk in memory that does everything at once.
pub struct RamDisk {
    files: Arc<Mutex<MemDisk>>,
    answers: VecDeque<Answer>,
    /// Files whose last append failed, as long as the machine has not heard of it.
    broken: BTreeMap<String, DiskError>,
    log: Box<dyn FnMut(LogLine) + Send>,
}

struct Answer {
    ticket: Ticket,
    result: DiskResult,
    /// The file that is broken until this is heard.
    breaks: Option<String>,
}

impl RamDisk {
    /// An empty disk; `log` takes the machine's log lines.
    pub fn new(log: impl FnMut(LogLine) + Send + 'static) -> Self {
        Self::on(Arc::new(Mutex::new(MemDisk::new(0))), log)
    }

    /// A disk with these files, which outlive the machine. They belong to one machine at a time.
    pub fn on(files: Arc<Mutex<MemDisk>>, log: impl FnMut(LogLine) + Send + 'static) -> Self {
        Self { files, answers: VecDeque::new(), broken: BTreeMap::new(), log: Box::new(log) }
    }
}

impl Disk for RamDisk {
    fn submit(&mut self, ticket: Ticket, lane: Lane, op: DiskOp) {
        let appended = if let DiskOp::Append { path, .. } = &op { Some(path.clone()) } else { None };
        // A file never gets a gap: an append that was asked without knowing of a failed one fails with it.
        if let Some(error) = appended.as_ref().and_then(|path| self.broken.get(path)) {
            let result = DiskResult::Failed(error.clone());
            return self.answers.push_back(Answer { ticket, result, breaks: None });
        }
        let result = self.files.lock().perform(lane, op);
        let breaks = if let DiskResult::Failed(error) = &result
            && let Some(path) = appended
        {
            self.broken.insert(path.clone(), error.clone());
            Some(path)
        } else {
            None
        };
        self.answers.push_back(Answer { ticket, result, breaks });
    }

    fn log(&mut self, line: LogLine) {
        (self.log)(line);
    }

    fn exit(&mut self, _: Shutdown) {}
}

impl LiveDisk for RamDisk {
    fn poll(&mut self) -> Option<(Ticket, DiskResult)> {
        let answer = self.answers.pop_front()?;
        if let Some(path) = answer.breaks {
            self.broken.remove(&path);
        }
        Some((answer.ticket, answer.result))
    }
}

impl Drop for RamDisk {
    fn drop(&mut self) {
        // Locks end with the process, and this is its end.
        self.files.lock().process_ended();
    }
}

impl std::fmt::Debug for RamDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RamDisk").field("answers", &self.answers.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parking_lot::Mutex;
    use slotmesh_cluster::machine::Disk;
    use slotmesh_engine::resp::outbuf::Ticket;
    use slotmesh_replication::disk::{DiskErrorKind, DiskOp, DiskResult, Lane};

    use super::{LiveDisk, RamDisk};
    use crate::disk::{MemDisk, OpKind};

    #[test]
    fn no_append_follows_a_failed_one_unheard() {
        let files = Arc::new(Mutex::new(MemDisk::new(1)));
        files.lock().fail_next(OpKind::Append, DiskErrorKind::NoSpace);
        let mut disk = RamDisk::on(files, |_| {});
        let append = || DiskOp::Append { path: "/data/a".into(), data: Bytes::from_static(b"x") };
        let failed = |disk: &mut RamDisk| matches!(disk.poll().unwrap().1, DiskResult::Failed(_));

        disk.submit(Ticket(1), Lane::Log, append());
        disk.submit(Ticket(2), Lane::Log, append());
        assert!(failed(&mut disk));
        disk.submit(Ticket(3), Lane::Log, append());

        assert_eq!([failed(&mut disk), failed(&mut disk)], [true, false]);
    }
}
