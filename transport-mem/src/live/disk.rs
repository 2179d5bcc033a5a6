//! Disks of live machines.
//!
//! Any host's disk can be plugged in: one that answers at once gives its answers in [`LiveDisk::poll`], one with a
//! thread of its own sends them through [`Answers`]. [`RamDisk`] is the one for machines without files.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use slotmesh_cluster::machine::{Disk, LogLine, Shutdown};
use slotmesh_engine::resp::outbuf::Ticket;
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane};

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

    /// Gives the machine an answer. One that was built again since never sees it.
    pub fn send(&self, ticket: Ticket, result: DiskResult) {
        self.office.post(self.machine, Some(self.run), Mail::Disk(ticket, result));
    }
}

/// A disk in memory that does everything at once.
pub struct RamDisk {
    files: Arc<Mutex<MemDisk>>,
    answers: VecDeque<(Ticket, DiskResult)>,
    log: Box<dyn FnMut(LogLine) + Send>,
}

impl RamDisk {
    /// An empty disk; `log` takes the machine's log lines.
    pub fn new(log: impl FnMut(LogLine) + Send + 'static) -> Self {
        Self::on(Arc::new(Mutex::new(MemDisk::new(0))), log)
    }

    /// A disk with these files, which outlive the machine. They belong to one machine at a time.
    pub fn on(files: Arc<Mutex<MemDisk>>, log: impl FnMut(LogLine) + Send + 'static) -> Self {
        Self { files, answers: VecDeque::new(), log: Box::new(log) }
    }
}

impl Disk for RamDisk {
    fn submit(&mut self, ticket: Ticket, _: Lane, op: DiskOp) {
        let result = self.files.lock().perform(op);
        self.answers.push_back((ticket, result));
    }

    fn log(&mut self, line: LogLine) {
        (self.log)(line);
    }

    fn exit(&mut self, _: Shutdown) {}
}

impl LiveDisk for RamDisk {
    fn poll(&mut self) -> Option<(Ticket, DiskResult)> {
        self.answers.pop_front()
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
