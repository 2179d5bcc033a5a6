//! Somebody who looks after the cluster while things go wrong: ends nodes in order, asks for failovers and files.

use std::time::Duration;

use slotmesh::testing::{Fault, MachineId, TestCluster};
use slotmesh_cluster::machine::Signal;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Instant;

/// What will be done and when.
pub(crate) struct Operator {
    rng: Rng,
    next: Instant,
    /// Nodes that were asked to end, and when they are started again.
    ended: Vec<(MachineId, Instant)>,
}

impl Operator {
    pub(crate) fn new(rng: &mut Rng, t: &TestCluster) -> Self {
        let mut rng = rng.fork();
        let next = t.now() + pause(&mut rng);
        Self { rng, next, ended: Vec::new() }
    }

    /// Does what is due.
    pub(crate) fn step(&mut self, t: &mut TestCluster) {
        let now = t.now();
        let is_due = |&(id, at): &(MachineId, Instant)| at <= now && t.with_sim(|sim| sim.machine(id).is_none());
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ended).into_iter().partition(is_due);
        self.ended = later;
        due.into_iter().for_each(|(id, _)| start(t, id));
        if now < self.next {
            return;
        }
        self.next = now + pause(&mut self.rng);
        let id = MachineId(self.rng.index(t.nodes().len()));
        match self.rng.below(6) {
            0 => {
                t.with_sim(|sim| sim.signal(id, Signal::Terminate));
                self.ended.push((id, now + Duration::from_millis(100 + self.rng.below(3_000))));
            }
            1 | 2 => say(t, id, b"*2\r\n$7\r\nCLUSTER\r\n$8\r\nFAILOVER\r\n"),
            3 => say(t, id, b"*1\r\n$6\r\nBGSAVE\r\n"),
            4 => say(t, id, b"*1\r\n$12\r\nBGREWRITEAOF\r\n"),
            _ => say(t, id, b"*2\r\n$7\r\nCLUSTER\r\n$10\r\nSAVECONFIG\r\n"),
        }
    }

    /// Starts what was ended.
    pub(crate) fn leave(&mut self, t: &mut TestCluster) {
        std::mem::take(&mut self.ended).into_iter().for_each(|(id, _)| start(t, id));
    }
}

/// Starts a node that has ended; one that still runs is left alone.
pub(crate) fn start(t: &mut TestCluster, id: MachineId) {
    if t.with_sim(|sim| sim.machine(id).is_none()) {
        t.apply(Fault::Restart(id));
    }
}

/// Says something to a node and does not wait for the answer.
fn say(t: &TestCluster, id: MachineId, request: &[u8]) {
    t.with_sim(|sim| {
        let client = sim.client(id);
        sim.send(client, request);
    });
}

fn pause(rng: &mut Rng) -> Duration {
    Duration::from_millis(100 + rng.below(2_500))
}
