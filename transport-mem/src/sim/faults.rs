//! The verbs that break things and mend them.

use std::time::Duration;

use slotmesh_cluster::machine::{Machine, Signal};

use super::Sim;
use crate::clock::{Skew, Spread};
use crate::disk::lanes::DiskConfig;
use crate::network::{ConnKey, Medium, Owner, Payload, RESET, Side};
use crate::place::{MachineId, Place};
use crate::queue::Event;
use crate::rule::{DiskFault, Fault, Link};
use crate::trace::What;

impl<M: Machine> Sim<M> {
    /// Plans faults, each at a time from now.
    pub fn schedule(&mut self, faults: impl IntoIterator<Item = (Duration, Fault)>) {
        for (after, fault) in faults {
            let index = self.faults.len();
            self.faults.push(fault);
            self.queue.push(self.now + after, Event::Fault { index });
        }
    }

    /// Makes a fault happen now. One that does not apply changes nothing.
    pub fn apply(&mut self, fault: Fault) {
        self.trace.push(self.now, None, What::Fault(format!("{fault:?}")));
        match fault {
            Fault::Disk(id, fault) => self.disk_fault(id, &fault),
            Fault::Drop(link) => self.drop_link(link),
            Fault::Heal => self.network.links.heal(),
            Fault::Hold(link) => self.network.links.hold(link, true),
            Fault::Kill(id) => self.crash(id, Death::Told),
            Fault::Loss(link, loss) => self.network.links.lose(link, loss),
            Fault::Partition(groups) => self.network.links.partition(&groups),
            Fault::Pause(id) => self.stop_process(id),
            Fault::PowerOff(id) => self.crash(id, Death::Silent),
            Fault::Release(link) => self.network.links.hold(link, false),
            Fault::Restart(id) => {
                self.crash(id, Death::Told);
                self.network.links.power(Place::Machine(id), false);
                self.start(id);
            }
            Fault::Resume(id) => self.continue_process(id),
            Fault::Skew(id, skew) => self.set_skew(id, skew),
            Fault::Slow(link, latency) => self.network.links.slow(link, latency),
        }
        self.network.wake_stalled(self.now, &mut self.queue);
    }

    /// Ends a machine without warning; its disk keeps what was synced, its peers see a reset.
    pub fn kill(&mut self, id: MachineId) {
        self.apply(Fault::Kill(id));
    }

    /// Ends a machine and its kernel without warning: its peers hear nothing until it is back.
    pub fn power_off(&mut self, id: MachineId) {
        self.apply(Fault::PowerOff(id));
    }

    /// Builds a machine again on its disk; one that runs is killed first.
    pub fn restart(&mut self, id: MachineId) {
        self.apply(Fault::Restart(id));
    }

    /// Stops a process as `SIGSTOP` does: what arrives waits, deadlines pass unseen.
    pub fn pause(&mut self, id: MachineId) {
        self.apply(Fault::Pause(id));
    }

    /// Lets a stopped process go on.
    pub fn resume(&mut self, id: MachineId) {
        self.apply(Fault::Resume(id));
    }

    /// Sends a process a signal; one that is stopped gets it when it goes on.
    pub fn signal(&mut self, id: MachineId, signal: Signal) {
        let run = self.hosts[id.0].kit.run;
        self.queue.push(self.now, Event::Signal { machine: id, run, signal });
    }

    /// Splits the machines in groups that cannot reach each other, replacing the split before. Machines not named
    /// form one more group; clients reach all.
    pub fn partition(&mut self, groups: &[&[MachineId]]) {
        self.apply(Fault::Partition(groups.iter().map(|group| group.to_vec()).collect()));
    }

    /// Ends all partitions, holds, slowness and loss of links.
    pub fn heal(&mut self) {
        self.apply(Fault::Heal);
    }

    /// Holds back what is sent over a link, and what is on its way.
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

    /// Resets every connection of a link.
    pub fn drop_link(&mut self, link: Link) {
        for key in self.network.keys() {
            let Some(conn) = self.network.conn(key) else { continue };
            let [dialer, target] = conn.ends.map(|end| end.place);
            let Some((dialer, target)) = dialer.zip(target) else { continue };
            if link.directions().any(|(from, to)| (from, to) == (dialer, target) || (to, from) == (dialer, target)) {
                self.network.break_both(self.now, &mut self.queue, key);
            }
        }
    }

    /// Sets a machine's clocks wrong, or right with [`Skew::default`]. The monotonic clock never jumps.
    pub fn skew(&mut self, id: MachineId, skew: Skew) {
        self.apply(Fault::Skew(id, skew));
    }

    /// Sets how long each operation of a machine's disk takes.
    pub fn slow_disk(&mut self, id: MachineId, duration: Spread) {
        self.apply(Fault::Disk(id, DiskFault::Slow(duration)));
    }

    /// The machine ended by itself: its last bytes and disk operations are carried out.
    pub(super) fn end(&mut self, id: MachineId) {
        let host = &mut self.hosts[id.0];
        let Some(mut machine) = host.machine.take() else { return };
        let kit = &mut host.kit;
        let code = kit.output.exited.as_ref().map_or(0, |shutdown| shutdown.code);
        self.trace.push(self.now, Some(id.into()), What::Exited(code));
        for (conn, key, side) in kit.wiring.all() {
            let mut rest = Vec::new();
            machine.out_buf(conn).take_into(&mut rest);
            self.network.send_bytes(self.now, &mut self.queue, key, side, &rest);
            self.network.send(self.now, &mut self.queue, key, side, Payload::EndOfStream);
            self.network.leave(key, side);
        }
        kit.lanes.finish(&mut kit.disk);
        kit.disk.process_ended();
        kit.process_ended();
    }

    fn crash(&mut self, id: MachineId, death: Death) {
        let host = &mut self.hosts[id.0];
        let was_running = host.machine.take().is_some();
        if death == Death::Silent {
            self.network.links.power(Place::Machine(id), true);
        }
        if !was_running {
            return;
        }
        let kit = &mut host.kit;
        kit.lanes.crash(&mut kit.disk, &mut kit.rng);
        kit.disk.crash();
        kit.process_ended();
        for key in self.network.keys() {
            for side in [Side::Dialer, Side::Target] {
                self.abandon(key, side, id, death);
            }
        }
    }

    /// Leaves a machine's end of a connection as a crash does.
    fn abandon(&mut self, key: ConnKey, side: Side, id: MachineId, death: Death) {
        let Some(conn) = self.network.conn_mut(key) else { return };
        let end = &mut conn.ends[side.index()];
        if !matches!(end.owner, Owner::Machine(owner, _) if owner == id) || end.state == crate::network::EndState::Gone
        {
            return;
        }
        if death == Death::Silent && conn.medium == Medium::Tcp {
            end.is_silent = true;
            conn.pipes[side.index()].clear();
        } else {
            self.network.send(self.now, &mut self.queue, key, side, Payload::Reset(RESET));
        }
        self.network.leave(key, side);
    }

    fn stop_process(&mut self, id: MachineId) {
        let host = &mut self.hosts[id.0];
        if host.machine.is_some() && host.kit.waiting.is_none() {
            host.kit.waiting = Some(Default::default());
        }
    }

    fn continue_process(&mut self, id: MachineId) {
        let kit = &mut self.hosts[id.0].kit;
        let Some(waiting) = kit.waiting.take() else { return };
        // Whether it notices first that it is late or that bytes have come is up to its event loop.
        let timer_first = kit.rng.chance(50);
        if timer_first {
            self.arm(id);
        }
        for event in waiting {
            self.queue.push(self.now, event);
        }
        if !timer_first {
            self.arm(id);
        }
    }

    fn set_skew(&mut self, id: MachineId, skew: Skew) {
        let kit = &mut self.hosts[id.0].kit;
        kit.clock.skew(self.now, skew);
        // A faster clock reaches its deadline before the event that was planned for it.
        kit.armed = None;
        self.arm(id);
    }

    fn disk_fault(&mut self, id: MachineId, fault: &DiskFault) {
        let kit = &mut self.hosts[id.0].kit;
        match *fault {
            DiskFault::FailNext(op, error) => kit.disk.fail_next(op, error),
            DiskFault::Fill => kit.disk.fill(),
            DiskFault::FreeSpace => kit.disk.free_space(),
            DiskFault::LoseUnsynced => kit.disk.lose_unsynced(),
            DiskFault::Slow(duration) => kit.disk_config = DiskConfig { op: duration, sync: duration },
        }
    }
}

/// Whether the peers of a crashed machine hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// Nobody answers.
    Silent,
    /// Its kernel lives and resets its connections.
    Told,
}
