//! When operations happen.
//!
//! Each lane carries out its operations in order, one at a time; an operation happens at the moment it is complete.
//! So a crash can come between any two, and the one that was under way may have happened or not.

use std::collections::VecDeque;

use slotmesh_engine::rng::Rng;
use slotmesh_replication::disk::{DiskError, DiskOp, DiskResult, Lane, Ticket};

use super::MemDisk;
use super::op::OpKind;
use crate::clock::Spread;

/// How long operations take.
#[derive(Debug, Clone, Copy)]
pub struct DiskConfig {
    /// Everything but syncs.
    pub op: Spread,
    /// [`DiskOp::Sync`] and [`DiskOp::SyncDir`].
    pub sync: Spread,
}

impl Default for DiskConfig {
    /// A fast solid-state disk: 20 to 100 microseconds, ten times as much for a sync.
    fn default() -> Self {
        Self { op: Spread::micros(20, 100), sync: Spread::micros(200, 1_000) }
    }
}

impl DiskConfig {
    /// Draws the duration of one operation.
    pub(crate) fn duration(&self, op: &DiskOp, rng: &mut Rng) -> std::time::Duration {
        let syncs = matches!(OpKind::of(op), OpKind::Sync | OpKind::SyncDir);
        if syncs { self.sync.pick(rng) } else { self.op.pick(rng) }
    }
}

/// The operations that wait, lane by lane.
#[derive(Debug, Default)]
pub(crate) struct Lanes([VecDeque<Waiting>; LANES.len()]);

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    op: DiskOp,
    /// Why it fails without being tried.
    doom: Option<DiskError>,
}

impl Lanes {
    /// Queues an operation. Returns whether it begins at once.
    pub(crate) fn push(&mut self, lane: Lane, ticket: Ticket, op: DiskOp) -> bool {
        let queue = &mut self.0[index(lane)];
        queue.push_back(Waiting { ticket, op, doom: None });
        queue.len() == 1
    }

    /// The operation under way.
    pub(crate) fn first(&self, lane: Lane) -> Option<&DiskOp> {
        self.0[index(lane)].front().map(|waiting| &waiting.op)
    }

    /// Carries out the operation under way.
    pub(crate) fn complete(&mut self, lane: Lane, disk: &mut MemDisk) -> Option<(Ticket, OpKind, DiskResult)> {
        let Waiting { ticket, op, doom } = self.0[index(lane)].pop_front()?;
        let kind = OpKind::of(&op);
        if let Some(error) = doom {
            return Some((ticket, kind, DiskResult::Failed(error)));
        }
        let appended = if let DiskOp::Append { path, .. } = &op { Some(path.clone()) } else { None };
        let result = disk.perform(lane, op);
        if let (Some(path), DiskResult::Failed(error)) = (appended, &result) {
            self.doom(&path, error);
        }
        Some((ticket, kind, result))
    }

    /// Loses everything that waits; those under way may have happened.
    pub(crate) fn crash(&mut self, disk: &mut MemDisk, rng: &mut Rng) {
        for lane in LANES {
            if rng.chance(50) {
                self.complete(lane, disk);
            }
            self.0[index(lane)].clear();
        }
    }

    /// Carries out everything that waits: a process that ends in order leaves nothing undone.
    pub(crate) fn finish(&mut self, disk: &mut MemDisk) {
        for lane in LANES {
            while self.complete(lane, disk).is_some() {}
        }
    }

    /// Fails the appends to a file that were asked before the machine could know of a failed one: a file never gets
    /// a gap.
    fn doom(&mut self, failed: &str, error: &DiskError) {
        for waiting in self.0.iter_mut().flatten() {
            if matches!(&waiting.op, DiskOp::Append { path, .. } if path == failed) {
                waiting.doom = Some(error.clone());
            }
        }
    }
}

/// All lanes, in the order of their queues.
const LANES: [Lane; 3] = [Lane::Config, Lane::Log, Lane::Snapshot];

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Config => 0,
        Lane::Log => 1,
        Lane::Snapshot => 2,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use slotmesh_replication::disk::{DiskErrorKind, DiskOp, DiskResult, Lane, Ticket};

    use super::Lanes;
    use crate::disk::{MemDisk, OpKind};

    #[test]
    fn no_append_follows_a_failed_one_unheard() {
        let (mut lanes, mut disk) = (Lanes::default(), MemDisk::new(1));
        disk.fail_next(OpKind::Append, DiskErrorKind::NoSpace);
        for (ticket, path) in [(1, "/data/a"), (2, "/data/a"), (3, "/data/b")] {
            lanes.push(Lane::Log, Ticket(ticket), append(path));
        }
        let mut failed = |lanes: &mut Lanes| {
            let (_, _, result) = lanes.complete(Lane::Log, &mut disk).unwrap();
            matches!(result, DiskResult::Failed(_))
        };

        assert!(failed(&mut lanes));
        // Asked after the failure was heard.
        lanes.push(Lane::Log, Ticket(4), append("/data/a"));

        assert_eq!([(); 3].map(|()| failed(&mut lanes)), [true, false, false]);
    }

    fn append(path: &str) -> DiskOp {
        DiskOp::Append { path: path.into(), data: Bytes::from_static(b"x") }
    }
}
