//! Faults as data.
//!
//! A [`Fault`] is one thing that goes wrong or right again. Tests make them with the verbs of [`crate::Sim`] or
//! plan them ahead; [`plan`] draws a whole schedule from a seed. A fault that does not apply (killing a machine that is
//! down) changes nothing, so that any schedule is valid. How a fault works is with the part it concerns.

use std::time::Duration;

use slotmesh_engine::rng::Rng;
use slotmesh_replication::disk::DiskErrorKind;

use crate::clock::{Skew, Spread};
use crate::disk::OpKind;
use crate::place::{MachineId, Place};

/// One change for the worse or the better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Something about a machine's disk.
    Disk(MachineId, DiskFault),
    /// Resets every connection of a link, at once.
    Drop(Link),
    /// Ends all partitions, holds, slowness and loss.
    Heal,
    /// Holds back everything sent over a link.
    Hold(Link),
    /// Ends a machine and its disk's memory without warning; its peers see a reset.
    Kill(MachineId),
    /// Makes a link lose packets.
    Loss(Link, Loss),
    /// Splits the machines in groups that cannot reach each other. Machines not named form one more group; clients
    /// reach all of them.
    Partition(Vec<Vec<MachineId>>),
    /// Stops a process: its deadlines do not run, and what arrives waits.
    Pause(MachineId),
    /// As [`Fault::Kill`], but nobody is told: its peers' bytes are not answered until it is back.
    PowerOff(MachineId),
    /// Ends a hold.
    Release(Link),
    /// Builds the machine again on the same disk; one that runs is killed first.
    Restart(MachineId),
    /// Lets a stopped process go on; it sees how late it is.
    Resume(MachineId),
    /// Sets a machine's clocks wrong, or right with the default.
    Skew(MachineId, Skew),
    /// Sets the latency of a link.
    Slow(Link, Spread),
}

/// Which traffic a fault concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The sender.
    pub from: Place,
    /// The receiver.
    pub to: Place,
    /// Whether the other direction is meant too.
    pub way: Way,
}

/// The directions of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Both directions.
    Both,
    /// Only what goes from `from` to `to`.
    One,
}

impl Link {
    /// Both directions between two places.
    pub fn between(a: impl Into<Place>, b: impl Into<Place>) -> Self {
        Self { from: a.into(), to: b.into(), way: Way::Both }
    }

    /// Only what goes from one place to another.
    pub fn one_way(from: impl Into<Place>, to: impl Into<Place>) -> Self {
        Self { from: from.into(), to: to.into(), way: Way::One }
    }

    /// The directions as pairs of sender and receiver.
    pub(crate) fn directions(self) -> impl Iterator<Item = (Place, Place)> {
        let back = (self.way == Way::Both).then_some((self.to, self.from));
        std::iter::once((self.from, self.to)).chain(back)
    }
}

/// Loss as TCP shows it: never as missing bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// How many of 100 segments come only with a retransmission.
    pub stall_percent: u8,
    /// How many of 100 segments end the connection with a reset.
    pub reset_percent: u8,
}

/// What goes wrong with a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskFault {
    /// The next operation of this kind fails.
    FailNext(OpKind, DiskErrorKind),
    /// No byte more fits.
    Fill,
    /// The disk is as large as needed again.
    FreeSpace,
    /// The next crash leaves only what was synced. Without this, a seeded part of the rest survives.
    LoseUnsynced,
    /// Sets how long each operation takes.
    Slow(Spread),
}

/// What a random schedule may contain.
#[derive(Debug, Clone)]
pub struct Hazards {
    /// How many machines there are.
    pub machines: usize,
    /// How many of them may be down or stopped at the same time.
    pub down_max: usize,
    /// When the last fault has ended.
    pub lasts: Duration,
    /// The time from one fault to the next.
    pub gap: Spread,
    /// How long one fault lasts.
    pub outage: Spread,
}

/// Draws a schedule of faults, ordered by time since its start. It ends with everything working again.
pub fn plan(rng: &mut Rng, hazards: &Hazards) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    // When each machine that is down or stopped will be back.
    let mut down: Vec<(MachineId, Duration)> = Vec::new();
    let mut at = hazards.gap.pick(rng);
    while at < hazards.lasts && faults.len() < PLAN_FAULTS_MAX {
        let end = (at + hazards.outage.pick(rng)).min(hazards.lasts);
        down.retain(|&(_, back)| back > at);
        let machine = MachineId(rng.index(hazards.machines));
        let may_fall = down.len() < hazards.down_max && down.iter().all(|&(id, _)| id != machine);
        let (fault, undo) = draw(rng, hazards, machine, may_fall);
        if matches!(fault, Fault::Kill(_) | Fault::Pause(_) | Fault::PowerOff(_)) {
            down.push((machine, end));
        }
        faults.push((at, fault));
        faults.extend(undo.map(|undo| (end, undo)));
        at += hazards.gap.pick(rng);
    }
    faults.push((hazards.lasts, Fault::Heal));
    faults.sort_by_key(|&(at, _)| at);
    faults
}

/// One fault and what ends it.
fn draw(rng: &mut Rng, hazards: &Hazards, machine: MachineId, may_fall: bool) -> (Fault, Option<Fault>) {
    let other = MachineId(rng.index(hazards.machines));
    let link = if rng.chance(70) { Link::between(machine, other) } else { Link::one_way(machine, other) };
    let first = if may_fall { 0 } else { FALLS };
    match first + rng.below(KINDS - first) {
        0 | 1 => (Fault::Kill(machine), Some(Fault::Restart(machine))),
        2 => (Fault::PowerOff(machine), Some(Fault::Restart(machine))),
        3 => (Fault::Pause(machine), Some(Fault::Resume(machine))),
        4 | 5 => (Fault::Partition(vec![side(rng, hazards.machines)]), Some(Fault::Partition(Vec::new()))),
        6 => (Fault::Hold(link), Some(Fault::Release(link))),
        7 => (Fault::Slow(link, Spread::millis(1, 400)), Some(Fault::Slow(link, Spread::micros(50, 500)))),
        8 => (Fault::Drop(link), None),
        9 => {
            (Fault::Loss(link, Loss { stall_percent: 20, reset_percent: 1 }), Some(Fault::Loss(link, Loss::default())))
        }
        10 => {
            let calendar_micros = rng.below(2_000_000) as i64 - 1_000_000;
            let rate_ppm = rng.below(200_000) as i32 - 100_000;
            (Fault::Skew(machine, Skew { calendar_micros, rate_ppm }), Some(Fault::Skew(machine, Skew::default())))
        }
        _ => (Fault::Disk(machine, DiskFault::LoseUnsynced), None),
    }
}

/// A random half of the machines, roughly.
fn side(rng: &mut Rng, machines: usize) -> Vec<MachineId> {
    (0..machines).map(MachineId).filter(|_| rng.chance(50)).collect()
}

/// Faults of one schedule at the most.
pub const PLAN_FAULTS_MAX: usize = 10_000;

/// The first kinds of [`draw`] take a machine down.
const FALLS: u64 = 4;

/// How many kinds [`draw`] picks from.
const KINDS: u64 = 12;

#[cfg(test)]
mod tests {
    use slotmesh_engine::rng::Rng;

    use super::{Fault, Hazards, plan};
    use crate::clock::Spread;

    #[test]
    fn a_schedule_follows_from_its_seed_and_ends_what_it_began() {
        for seed in 0..200 {
            let faults = plan(&mut Rng::new(seed), &HAZARDS);

            assert_eq!(faults, plan(&mut Rng::new(seed), &HAZARDS));
            assert!(faults.is_sorted_by_key(|&(at, _)| at), "seed = {seed}");
            let (mut down, mut stopped) = (0, 0);
            for (at, fault) in &faults {
                assert!(*at <= HAZARDS.lasts, "seed = {seed}");
                down += usize::from(matches!(fault, Fault::Kill(_) | Fault::PowerOff(_)));
                down -= usize::from(matches!(fault, Fault::Restart(_)));
                stopped += usize::from(matches!(fault, Fault::Pause(_)));
                stopped -= usize::from(matches!(fault, Fault::Resume(_)));
                assert!((0..=HAZARDS.down_max).contains(&(down + stopped)), "seed = {seed}");
            }
            assert_eq!((down, stopped), (0, 0), "seed = {seed}");
        }
    }

    const HAZARDS: Hazards = Hazards {
        machines: 6,
        down_max: 2,
        lasts: std::time::Duration::from_secs(60),
        gap: Spread::millis(100, 5_000),
        outage: Spread::millis(100, 20_000),
    };
}
