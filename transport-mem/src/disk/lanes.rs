//! When operations happen.
//!
//! Each lane carries out its operations in order, one at a time; an operation happens at the moment it is complete.
//! So a crash can come between any two, and the one that was under way may have happened or not.

use std::collections::VecDeque;

use slotmesh_engine::rng::Rng;
use slotmesh_replication::disk::{DiskOp, Lane, Ticket};

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
pub(crate) struct Lanes([VecDeque<(Ticket, DiskOp)>; LANES]);

impl Lanes {
    /// Queues an operation. Returns whether it begins at once.
    pub(crate) fn push(&mut self, lane: Lane, ticket: Ticket, op: DiskOp) -> bool {
        let queue = &mut self.0[index(lane)];
        queue.push_back((ticket, op));
        queue.len() == 1
    }

    /// The operation under way.
    pub(crate) fn first(&self, lane: Lane) -> Option<&DiskOp> {
        self.0[index(lane)].front().map(|(_, op)| op)
    }

    pub(crate) fn pop(&mut self, lane: Lane) -> Option<(Ticket, DiskOp)> {
        self.0[index(lane)].pop_front()
    }

    /// Loses everything that waits; those under way may have happened.
    pub(crate) fn crash(&mut self, disk: &mut MemDisk, rng: &mut Rng) {
        for queue in &mut self.0 {
            if let Some((_, op)) = queue.pop_front()
                && rng.chance(50)
            {
                disk.perform(op);
            }
            queue.clear();
        }
    }

    /// Carries out everything that waits: a process that ends in order leaves nothing undone.
    pub(crate) fn finish(&mut self, disk: &mut MemDisk) {
        for queue in &mut self.0 {
            for (_, op) in queue.drain(..) {
                disk.perform(op);
            }
        }
    }
}

/// How many lanes there are.
const LANES: usize = 3;

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Config => 0,
        Lane::Log => 1,
        Lane::Snapshot => 2,
    }
}
