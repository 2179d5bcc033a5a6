//! The verbs that break things and mend them.

use std::time::Duration;

use slotmesh_cluster::machine::Signal;
use slotmesh_replication::disk::DiskErrorKind;
use slotmesh_transport_mem::{Fault, Link, MachineId, MemDisk, OpKind, Skew, Spread};

use super::cluster::TestCluster;
use super::world::Shared;

/// A node's disk, to make trouble with.
pub struct TestDisk {
    world: Shared,
    id: MachineId,
}

impl TestCluster {
    /// Ends a node without warning, as `kill -9` does; its peers see their connections reset.
    pub fn kill(&mut self, id: MachineId) {
        self.apply(Fault::Kill(id));
    }

    /// Ends a node and its machine; nobody is told until it is back.
    pub fn power_off(&mut self, id: MachineId) {
        self.apply(Fault::PowerOff(id));
    }

    /// Starts a node again on its files; one that runs is killed first.
    pub fn restart(&mut self, id: MachineId) {
        self.apply(Fault::Restart(id));
    }

    /// Asks a node to end in order, as Ctrl-C does, and waits until it has.
    ///
    /// # Panics
    /// When it does not end within two minutes of virtual time.
    pub fn shut_down(&mut self, id: MachineId) {
        self.world.borrow_mut().sim.signal(id, Signal::Interrupt);
        self.run_until(|t| t.world.borrow().sim.machine(id).is_none());
    }

    /// Stops a node as `SIGSTOP` does.
    pub fn pause(&mut self, id: MachineId) {
        self.apply(Fault::Pause(id));
    }

    /// Lets a stopped node go on; it sees how late it is.
    pub fn resume(&mut self, id: MachineId) {
        self.apply(Fault::Resume(id));
    }

    /// Splits the nodes in groups that cannot reach each other; nodes not named form one more. Clients reach all.
    pub fn partition(&mut self, groups: &[&[MachineId]]) {
        self.apply(Fault::Partition(groups.iter().map(|group| group.to_vec()).collect()));
    }

    /// Ends all partitions, holds, slowness and loss of links.
    pub fn heal(&mut self) {
        self.apply(Fault::Heal);
    }

    /// Holds back everything sent over a link.
    pub fn hold(&mut self, link: Link) {
        self.apply(Fault::Hold(link));
    }

    /// Ends a hold.
    pub fn release(&mut self, link: Link) {
        self.apply(Fault::Release(link));
    }

    /// Sets the latency of a link.
    pub fn slow(&mut self, link: Link, latency: Spread) {
        self.apply(Fault::Slow(link, latency));
    }

    /// Sets a node's clocks wrong, or right with [`Skew::default`].
    pub fn skew(&mut self, id: MachineId, skew: Skew) {
        self.apply(Fault::Skew(id, skew));
    }

    /// Makes any fault happen now.
    pub fn apply(&mut self, fault: Fault) {
        let mut world = self.world.borrow_mut();
        world.learn_ids();
        world.sim.apply(fault);
    }

    /// Plans faults, each at a time from now.
    pub fn schedule(&mut self, faults: impl IntoIterator<Item = (Duration, Fault)>) {
        self.world.borrow_mut().sim.schedule(faults);
    }

    /// A node's disk.
    pub fn disk(&mut self, id: MachineId) -> TestDisk {
        TestDisk { world: self.world.clone(), id }
    }
}

impl TestDisk {
    /// Makes the next crash lose everything that was not synced, instead of a part of it that the seed decides.
    pub fn lose_unsynced(&mut self) {
        self.with(MemDisk::lose_unsynced);
    }

    /// Makes the next operation of this kind fail.
    pub fn fail_next(&mut self, op: OpKind, error: DiskErrorKind) {
        self.with(|disk| disk.fail_next(op, error));
    }

    /// Leaves no room for another byte.
    pub fn fill(&mut self) {
        self.with(MemDisk::fill);
    }

    /// Leaves as much room as is needed again.
    pub fn free_space(&mut self) {
        self.with(MemDisk::free_space);
    }

    /// The bytes of a file in the node's folder.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        self.with(|disk| disk.file(&format!("{}/{name}", slotmesh_transport_mem::DIR)).map(<[u8]>::to_vec))
    }

    /// Puts a file into the node's folder, durably.
    pub fn install(&mut self, name: &str, bytes: &[u8]) {
        self.with(|disk| disk.install(&format!("{}/{name}", slotmesh_transport_mem::DIR), bytes));
    }

    fn with<R>(&self, with: impl FnOnce(&mut MemDisk) -> R) -> R {
        with(self.world.borrow_mut().sim.disk(self.id))
    }
}

impl std::fmt::Debug for TestDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestDisk").field("id", &self.id).finish_non_exhaustive()
    }
}
