//! An invented network, clock and disk for machines: nothing here is real but the order of events.
//!
//! [`Sim`] runs any number of machines under one virtual clock, with faults, and repeats a history from its seed;
//! the bus in [`live`] runs them in real time inside one process, without sockets. Both know only the
//! [`Machine`](slotmesh_cluster::machine::Machine) trait: no Redis command, no message of the cluster bus. Real
//! sockets and files are in `transport-tcp`. Start at [`Sim`].

mod address;
mod boot;
mod clock;
mod disk;
pub mod live;
mod network;
mod place;
mod queue;
mod reply;
mod rule;
mod sim;
mod take;
#[cfg(test)]
mod testing;
mod trace;

pub use boot::Boot;
pub use clock::{RATE_PPM_MAX, RATE_PPM_MIN, Skew, Spread};
pub use disk::lanes::DiskConfig;
pub use disk::{DIR, MemDisk, OpKind};
pub use network::NetworkConfig;
pub use place::{ClientId, MachineId, Place};
pub use reply::{CallError, ELEMENTS_MAX, Malformed, reply_len};
pub use rule::{DiskFault, Fault, Hazards, Link, Loss, PLAN_FAULTS_MAX, Way, plan};
pub use sim::{Logged, PROGRAM_RUNS_MAX, ProgramEnd, ProgramRun, Sim, SimConfig};
pub use trace::{ENTRIES_MAX, Entry, SeedGuard, Trace, What};
