//! Many machines under one virtual clock.
//!
//! A [`Sim`] owns machines, an invented network between them, a disk for each and the clients of a test. Nothing
//! happens but through its event queue, in a total order that follows from one seed: the same seed and the same
//! calls give the same history, byte for byte (see [`Trace::hash`]). When the thread panics while a `Sim` is alive,
//! it prints the seed and the last events. What an event does is in `events`, faults are in `faults`, clients in
//! `client`. Start at [`Sim::add`] and [`Sim::run_until`].

mod batch;
mod client;
mod config;
mod events;
mod faults;
mod host;
mod programs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use slotmesh_cluster::machine::{Machine, Shutdown};
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now};

use crate::boot::Boot;
use crate::disk::MemDisk;
use crate::network::Network;
use crate::place::{MachineId, Place};
use crate::queue::Queue;
use crate::rule::Fault;
use crate::trace::{Trace, What};
use client::Client;
pub use config::SimConfig;
pub use host::Logged;
use host::{Host, Kit};
use programs::Programs;
pub use programs::{PROGRAM_RUNS_MAX, ProgramEnd, ProgramRun};

/// A deterministic world of machines of one type.
pub struct Sim<M: Machine> {
    now: Instant,
    seed: u64,
    config: SimConfig,
    queue: Queue,
    network: Network,
    hosts: Vec<Host<M>>,
    clients: Vec<Client>,
    /// Host names a machine may dial instead of an address.
    names: BTreeMap<String, IpAddr>,
    faults: Vec<Fault>,
    trace: Trace,
    hooks: Vec<Hook<M>>,
    programs: Programs,
    rng: Rng,
    /// Bytes on their way into a machine; reused.
    scratch: Vec<u8>,
    state_due: Instant,
    /// Events since the clock last moved.
    standing: u64,
}

type Hook<M> = Box<dyn FnMut(&Sim<M>)>;

impl<M: Machine> Sim<M> {
    /// An empty world with the default configuration.
    pub fn new(seed: u64) -> Self {
        Self::with_config(seed, SimConfig::default())
    }

    /// An empty world.
    pub fn with_config(seed: u64, config: SimConfig) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            now: Instant::ZERO,
            seed,
            queue: Queue::default(),
            network: Network::new(config.network.clone(), rng.fork()),
            hosts: Vec::new(),
            clients: Vec::new(),
            names: BTreeMap::new(),
            faults: Vec::new(),
            trace: Trace::new(seed),
            hooks: Vec::new(),
            programs: Programs::new(),
            rng,
            scratch: Vec::new(),
            state_due: Instant::ZERO + config.state_hash_every,
            standing: 0,
            config,
        }
    }

    /// Adds a machine that `build` makes, now and after each restart, and starts it.
    pub fn add(&mut self, build: impl FnMut(Boot) -> M + 'static) -> MachineId {
        let id = self.add_stopped(build);
        self.start(id);
        id
    }

    /// Adds a machine without starting it, so that its disk can be prepared; [`Sim::restart`] starts it.
    pub fn add_stopped(&mut self, build: impl FnMut(Boot) -> M + 'static) -> MachineId {
        let id = MachineId(self.hosts.len());
        let kit = Kit::new(id, &self.config, self.rng.fork());
        self.hosts.push(Host { machine: None, build: Box::new(build), kit });
        id
    }

    /// Gives an address a name that machines may dial.
    pub fn name(&mut self, name: impl Into<String>, ip: IpAddr) {
        self.names.insert(name.into(), ip);
    }

    /// Calls `check` after every event; it panics when an invariant does not hold.
    pub fn on_step(&mut self, check: impl FnMut(&Self) + 'static) {
        self.hooks.push(Box::new(check));
    }

    /// Lets `duration` pass with everything that happens in it.
    ///
    /// # Panics
    /// When so many events come that time stands still ([`SimConfig::events_max`]).
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run(end, |_| false);
        self.move_to(end);
    }

    /// Runs until no byte and no disk operation is on its way and nothing is due now. Returns false when
    /// [`SimConfig::settle_max`] did not suffice.
    ///
    /// What a partition, a hold or a stopped process keeps waiting is not on its way.
    pub fn settle(&mut self) -> bool {
        let end = self.now + self.config.settle_max;
        self.run(end, |sim| sim.queue.is_quiet() && sim.queue.next_at().is_none_or(|at| at > sim.now))
    }

    /// Runs until `done` holds, asked after each event.
    ///
    /// # Panics
    /// With seed and trace when it does not hold within [`SimConfig::patience`] of virtual time.
    pub fn run_until(&mut self, done: impl FnMut(&Self) -> bool) {
        let within = self.config.patience;
        if !self.try_run_until(within, done) {
            self.fail(&format!("the condition did not come true within {within:?} of virtual time"));
        }
    }

    /// Runs until `done` holds or `within` has passed, and returns whether it holds.
    ///
    /// # Panics
    /// When more than [`SimConfig::events_max`] events happen.
    pub fn try_run_until(&mut self, within: Duration, done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + within;
        let held = self.run(end, done);
        if !held {
            self.move_to(end);
        }
        held
    }

    /// The virtual time since the beginning.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The seed everything follows from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The machine, unless it is down.
    pub fn machine(&self, id: MachineId) -> Option<&M> {
        self.hosts[id.0].machine.as_ref()
    }

    /// Calls into a running machine as an in-process user would, and carries out what follows.
    pub fn with_machine<R>(&mut self, id: MachineId, call: impl FnOnce(&mut M, Now) -> R) -> Option<R> {
        let host = &mut self.hosts[id.0];
        let now = host.kit.clock.read(self.now);
        let result = call(host.machine.as_mut()?, now);
        self.drain(id);
        Some(result)
    }

    /// All machines there are, running or not.
    pub fn machines(&self) -> impl Iterator<Item = MachineId> + use<M> {
        (0..self.hosts.len()).map(MachineId)
    }

    /// What a machine's clocks show.
    pub fn clock(&self, id: MachineId) -> Now {
        self.hosts[id.0].kit.clock.read(self.now)
    }

    /// A machine's disk, with its faults.
    pub fn disk(&mut self, id: MachineId) -> &mut MemDisk {
        &mut self.hosts[id.0].kit.disk
    }

    /// How many operations a machine's disk has completed and answered, over all runs of the machine.
    pub fn disk_operations(&self, id: MachineId) -> u64 {
        self.hosts[id.0].kit.operations
    }

    /// The last lines of a machine's log over all its runs, oldest first.
    pub fn log(&self, id: MachineId) -> impl DoubleEndedIterator<Item = &Logged> {
        self.hosts[id.0].kit.output.log.iter()
    }

    /// How a machine ended by itself in its last run, if it did.
    pub fn exited(&self, id: MachineId) -> Option<&Shutdown> {
        self.hosts[id.0].kit.output.exited.as_ref()
    }

    /// Whether a machine runs and is not stopped.
    pub fn is_running(&self, id: MachineId) -> bool {
        let host = &self.hosts[id.0];
        host.machine.is_some() && host.kit.waiting.is_none()
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Writes a remark of the test into the trace.
    pub fn note(&mut self, text: impl Into<String>) {
        self.trace.push(self.now, None, What::Note(text.into()));
    }

    /// Panics with the seed; the trace is printed on the way out.
    ///
    /// # Panics
    /// Always.
    pub fn fail(&self, why: &str) -> ! {
        panic!("{why} (seed = {}, {} events)", self.seed, self.trace.count())
    }

    /// Takes events that are due at `end` or before until `done` holds; returns whether it does.
    fn run(&mut self, end: Instant, mut done: impl FnMut(&Self) -> bool) -> bool {
        let mut left = self.config.events_max;
        while !done(self) {
            if left == 0 {
                self.fail(&format!("more than {} events in one run", self.config.events_max));
            }
            if !self.step(end) {
                return false;
            }
            left -= 1;
        }
        true
    }

    /// Takes one event when it is due at `end` or before.
    fn step(&mut self, end: Instant) -> bool {
        let Some((at, event)) = self.queue.pop(end) else { return false };
        self.move_to(at.max(self.now));
        self.standing += 1;
        if self.standing > STANDING_EVENTS_MAX {
            self.fail("time stands still: a machine asks for a deadline that has passed, without end");
        }
        self.happen(event);
        self.run_hooks();
        true
    }

    fn run_hooks(&mut self) {
        if self.hooks.is_empty() {
            return;
        }
        let mut hooks = std::mem::take(&mut self.hooks);
        for hook in &mut hooks {
            hook(self);
        }
        self.hooks = hooks;
    }

    fn move_to(&mut self, at: Instant) {
        if at > self.now {
            self.standing = 0;
            self.now = at;
        }
        if self.now >= self.state_due {
            self.state_due = self.now + self.config.state_hash_every;
            self.trace_states();
        }
    }

    fn trace_states(&mut self) {
        for host in &self.hosts {
            if let Some(machine) = &host.machine {
                let place = Some(Place::Machine(host.kit.id));
                self.trace.push(self.now, place, What::State(machine.state_hash()));
            }
        }
    }
}

impl<M: Machine> Drop for Sim<M> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", self.trace.tail(TRACE_LINES_SHOWN));
            eprintln!("virtual time {} us, trace {:016x}", self.now.micros(), self.trace.hash());
            eprintln!("seed = {}", self.seed);
        }
    }
}

impl<M: Machine> std::fmt::Debug for Sim<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (now, machines) = (self.now, self.hosts.len());
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .field("now", &now)
            .field("machines", &machines)
            .finish_non_exhaustive()
    }
}

/// Events at one instant before the simulation says that time stands still. A batch of restarted machines on a
/// large cluster makes thousands; only a loop makes a million.
const STANDING_EVENTS_MAX: u64 = 1_000_000;

/// Events printed when a test fails.
const TRACE_LINES_SHOWN: usize = 80;
