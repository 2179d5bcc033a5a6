//! Sentinel: watching primaries and their replicas, and making a replica the primary when the old one is gone.
//!
//! [`Sentinel`] is a pure machine: connections, bytes and time go in, [`Output`]s come out. It owns no socket, file or
//! clock; the node around it (`node/sentinel.rs`) has its clients, its listener and its configuration file. Start at
//! [`Sentinel::new`], then `cron` for what it does by itself and `receive` for what it does with what comes.
//! `down` judges, `vote` elects, `failover` and `reconfigure` act, `hello` agrees with others, `operations` and
//! `report` are what clients can do and see.
//!
//! # Where it is stricter than Redis
//!
//! - **Votes and epochs are on disk before they are told.** While a save is under way no hello, no request for votes
//!   and no promotion leaves, and the answer to another sentinel waits.
//! - **What instances say is bounded and checked**: epochs that could not grow any more are not believed, ids and
//!   addresses that would break a line or a file are refused, replies and tables have limits.
//! - **Numbers in the file are whole numbers.** Redis takes as much of a word as is one, and 0 when nothing is.
//! - **A primary that forgot that it is one is replaced.** Redis leaves a group without a primary when a promoted replica
//!   dies before it wrote down its promotion: it comes back as a replica, and the links of the others, which follow it,
//!   have been down for too long to let one of them take over.
//!
//! # Where it is quicker
//!
//! - INFO follows right behind a SLAVEOF, so that a promotion is seen when it happens and not a second later.
//! - Votes and news of replicas in a failover are acted upon when they come, not at the next look at the clock.
//! - A replica to which a primary hands over is asked all the time whether it has taken over.
//!
//! # Where it lacks something
//!
//! A host name is looked up when it is dialled, and shown as it is until then: SENTINEL MONITOR takes one that stands for
//! no address, where Redis refuses it, and `+monitor` tells names.

pub mod address;
pub mod config;
mod cron;
mod down;
mod event;
mod failover;
mod hello;
mod info;
mod instance;
mod link;
mod operations;
pub mod output;
pub mod periods;
mod receive;
mod reconfigure;
mod refresh;
pub mod report;
pub mod script;
#[cfg(test)]
mod tests;
mod vote;

use std::collections::{BTreeMap, VecDeque};

use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now};

use address::Address;
use config::{Globals, KnownSentinel, PrimaryConfig, SentinelConfig};
use failover::Failover;
pub use failover::Kind as FailoverKind;
use instance::{Instance, Primary, PrimaryId, Role, Who};
pub use link::{Channel, LinkId, Wire};
use link::{Links, Peer};
pub use operations::{Refusal, Setting};
pub use output::Output;
use periods::Periods;
use script::{ScriptEnd, ScriptId, Scripts};
pub use vote::Opinion;

use crate::machine::LogLevel;

/// A sentinel.
#[derive(Debug)]
pub struct Sentinel {
    my_id: String,
    globals: Globals,
    /// The port we listen on.
    port: u16,
    /// The password of our own clients, which other sentinels are believed to share.
    requirepass: Vec<u8>,
    primaries: BTreeMap<PrimaryId, Box<Primary>>,
    next_primary: u64,
    links: Links,
    periods: Periods,
    scripts: Scripts,
    simulated: Simulated,
    /// Since when nothing is decided because the clock jumped.
    tilt: Option<Instant>,
    tilts: u64,
    /// What the calendar said at the last look, in milliseconds.
    last_tick: Option<i64>,
    next_tick: Instant,
    /// Counts changes of what is in the configuration file.
    version: u64,
    /// The last one that is on disk.
    durable: u64,
    outputs: VecDeque<Output>,
    rng: Rng,
}

/// Failures an operator asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Simulated {
    /// End when elected.
    pub after_election: bool,
    /// End when a replica was promoted.
    pub after_promotion: bool,
}

impl Sentinel {
    /// A sentinel that knows what its file says. It listens on `port`; `requirepass` is the password of its clients.
    pub fn new(now: Now, config: SentinelConfig, port: u16, requirepass: Vec<u8>, mut rng: Rng) -> Self {
        let known_id = config.globals.myid.clone();
        let is_new = known_id.is_none();
        let my_id = known_id.unwrap_or_else(|| String::from_utf8_lossy(&rng.hex_id()).into_owned());
        let mut sentinel = Self {
            my_id,
            globals: config.globals,
            port,
            requirepass,
            primaries: BTreeMap::new(),
            next_primary: 0,
            links: Links::default(),
            periods: Periods::default(),
            scripts: Scripts::default(),
            simulated: Simulated::default(),
            tilt: None,
            tilts: 0,
            last_tick: None,
            next_tick: now.instant,
            version: 0,
            durable: 0,
            outputs: VecDeque::new(),
            rng,
        };
        for primary in config.primaries {
            sentinel.take_up(now, primary);
        }
        if is_new {
            // Its name must last before anybody hears of it.
            sentinel.save();
        }
        sentinel
    }

    /// Tells what is watched: the sentinel begins to serve.
    pub fn announce(&mut self, now: Now) {
        self.log(LogLevel::Warning, format!("Sentinel ID is {}", self.my_id));
        let ids: Vec<_> = self.primaries.keys().copied().collect();
        for id in ids {
            self.with_primary(id, |sentinel, primary| sentinel.tell_monitored(now, primary));
        }
    }

    /// Takes the next thing the node must do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Our name among sentinels.
    pub fn my_id(&self) -> &str {
        &self.my_id
    }

    /// What the configuration file should say now.
    pub fn config(&self) -> SentinelConfig {
        let globals = Globals { myid: Some(self.my_id.clone()), ..self.globals.clone() };
        SentinelConfig {
            globals,
            primaries: self.primaries.values().map(|primary| primary.config(self.announces_names())).collect(),
        }
    }

    /// Counts the changes of [`Sentinel::config`].
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The configuration of this version is on disk.
    pub fn saved(&mut self, now: Now, version: u64) {
        self.durable = self.durable.max(version);
        if self.is_durable() {
            // What was held back may go.
            self.hurry(now);
        }
    }

    /// Whether all that was found out and decided is on disk.
    pub fn is_durable(&self) -> bool {
        self.durable == self.version
    }

    /// The configuration of the node around it changed.
    pub fn configure(&mut self, port: u16, requirepass: &[u8]) {
        self.port = port;
        requirepass.clone_into(&mut self.requirepass);
    }

    /// A script that was asked for has begun to run.
    pub fn script_started(&mut self, id: ScriptId, process_id: u32) {
        self.scripts.started(id, process_id);
    }

    /// A script has ended.
    pub fn script_ended(&mut self, now: Now, id: ScriptId, end: ScriptEnd) {
        if let Some(line) = self.scripts.ended(now, &self.periods, id, end) {
            self.tell_text(now, LogLevel::Warning, "-script-error", None, line);
        }
        self.hurry(now);
    }

    fn save(&mut self) {
        self.version += 1;
        if !self.outputs.contains(&Output::Save) {
            self.outputs.push_back(Output::Save);
        }
    }

    /// Ends the process, as an operator asked to see what becomes of it.
    fn crash(&mut self) {
        self.log(LogLevel::Warning, "Sentinel CRASH because of SENTINEL simulate-failure");
        self.outputs.push_back(Output::Exit(CRASH_CODE));
    }

    fn announces_names(&self) -> bool {
        self.globals.announce_hostnames
    }

    fn find(&self, name: &str) -> Option<PrimaryId> {
        self.primaries.values().find(|primary| primary.name == name).map(|primary| primary.id)
    }

    /// Works on a primary, taken out of the others for that time.
    fn with_primary<R>(&mut self, id: PrimaryId, work: impl FnOnce(&mut Self, &mut Primary) -> R) -> Option<R> {
        let mut primary = self.primaries.remove(&id)?;
        let result = work(self, &mut primary);
        self.primaries.insert(id, primary);
        Some(result)
    }

    /// Begins to watch a primary and everybody who is known around it.
    fn take_up(&mut self, now: Now, config: PrimaryConfig) -> PrimaryId {
        let id = PrimaryId(self.next_primary);
        self.next_primary += 1;
        let link = self.links.open(now, Peer::Server(id));
        let mut primary = Primary {
            id,
            name: config.name,
            instance: Instance::new(now.instant, config.address, link, Role::Primary),
            settings: config.settings,
            config_epoch: config.config_epoch,
            leader: None,
            leader_epoch: config.leader_epoch,
            o_down: None,
            rebooted: None,
            replicas: BTreeMap::new(),
            sentinels: BTreeMap::new(),
            failover: Failover::none(now.instant),
        };
        for address in config.replicas {
            self.take_up_replica(now, &mut primary, address);
        }
        for known in config.sentinels {
            if known.id != self.my_id {
                self.add_sister(now, &mut primary, known);
            }
        }
        self.primaries.insert(id, Box::new(primary));
        id
    }

    fn tell_monitored(&mut self, now: Now, primary: &Primary) {
        let extra = format!(" quorum {}", primary.settings.quorum);
        self.tell(now, LogLevel::Warning, "+monitor", (primary, &Who::Primary), &extra);
    }
}

impl Primary {
    fn config(&self, names: bool) -> PrimaryConfig {
        let promoted = self.current_address();
        let replicas = self.replicas.values().map(|replica| &replica.instance.address);
        // Until the failover has ended the old primary is not among the replicas.
        let mut replicas: Vec<Address> =
            replicas.filter(|address| !address.is(promoted)).map(|address| address.for_file(names)).collect();
        if !promoted.is(&self.instance.address) {
            replicas.push(self.instance.address.for_file(names));
        }
        let sentinels = self.sentinels.iter().filter(|(_, sister)| sister.instance.address.port != 0);
        let known = |(id, sister): (&String, &instance::Sister)| KnownSentinel {
            id: id.clone(),
            address: sister.instance.address.for_file(names),
        };
        PrimaryConfig {
            name: self.name.clone(),
            address: promoted.for_file(names),
            settings: self.settings.clone(),
            config_epoch: self.config_epoch,
            leader_epoch: self.leader_epoch,
            replicas,
            sentinels: sentinels.map(known).collect(),
        }
    }
}

/// The exit code of a failure that was asked for.
const CRASH_CODE: i32 = 99;
