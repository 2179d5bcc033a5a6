//! The cluster bus: gossip, failure detection, elections and slot ownership as one pure state machine.
//!
//! [`Bus`] takes connections, bytes and time and answers with [`BusOutput`]s; it owns no socket, file or clock, and
//! knows nothing of keys, clients or replication beyond the [`Facts`] it is told. Start at [`Bus::new`], then
//! [`Bus::received`] and [`Bus::tick`]. The rules are those of Redis 7.0 on the wire of clusterMsg version 1.
//!
//! # Where it is stricter than Redis
//!
//! - **Write lease** (see `lease`): a primary may acknowledge writes only while a majority of primaries answered its
//!   pings within the node timeout, by the monotonic clock. Voters keep the other half of the promise: they do not
//!   vote against a primary they heard of within the node timeout, unless the operator forced the failover.
//! - **Majorities are of primaries with slots.** Redis 7.0 also counts failure reports of primaries without slots,
//!   which could make a minority of the voters declare a primary down. An election counts each voter once.
//! - **Everything gossiped is validated**: ids are hexadecimal, addresses parse, ports are not zero, epochs have room
//!   to grow, nodes learnt by gossip bring no failure marks along, tables are bounded.
//! - **A sender is who its link belongs to.** A known link whose messages carry another id is dropped.
//! - **A failed replica does not outrank** one that stands for election, however much data it had.
//! - **Waiting after a lapse.** See `lease`; a primary whose lease ran out while a greater epoch appeared waits for
//!   twice the node timeout, at least two seconds, before it writes again.
//! - **Own claims leave after they are durable.** Votes, vote requests and every message that carries an epoch, a role
//!   or slots of ours which are not on disk yet are marked `after_sync`.
//! - **A demoted primary's message tells who took over**: its slots go to the primary it names at that primary's epoch
//!   at once (Redis before 7.4 leaves them unassigned until that primary speaks).
//!
//! # Where it is quicker
//!
//! - A failed dial counts as a pending ping, so that a refused connection is noticed within one node timeout.
//! - A primary that begins to suspect another pings the other primaries at once: they hear of it without waiting for
//!   the next gossip round.
//! - A replica repeats the FAIL of its primary before it asks for votes, so that no voter refuses for not having
//!   heard of it; and its delays shrink with node timeouts below 15 s as in Valkey 9.
//! - A node that learns of another pings some peers at once, and tells of the newest nodes first: a cluster forms in
//!   a few round trips. ADDSLOTS, DELSLOTS and REPLICATE are announced, too.
//! - A node that starts without a nodes.conf has no stale claim, and skips the two seconds that a restarted primary
//!   waits before it serves.

mod address;
pub mod codec;
pub mod config;
pub mod config_file;
mod cron;
mod election;
pub mod error;
mod failure;
mod gossip;
mod lease;
pub mod link;
mod manual;
pub mod message;
mod migration;
mod operations;
pub mod output;
mod ownership;
mod publish;
mod receive;
pub mod report;
mod send;
mod setslot;
mod start;
mod state;
pub mod table;
mod vote;

use std::collections::VecDeque;
use std::net::IpAddr;

use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now};

pub use self::config::{BusConfig, EndpointKind};
pub use self::config_file::ConfigFile;
use self::election::Election;
pub use self::error::ClusterError;
use self::lease::Lease;
use self::link::{Link, Links, STRANGER_LINKS_MAX};
pub use self::manual::FailoverForm;
use self::manual::Manual;
use self::message::MessageKind;
pub use self::message::{ChannelScope, NodeFlags, NodeId};
pub use self::operations::{Bump, Dataset, ResetKind};
pub use self::output::{BusOutput, Facts, LinkBytes, LinkId, PrimaryLink};
pub use self::setslot::SetSlot;
use self::state::State;
use self::table::{Blacklist, Node, Table};
use crate::machine::LogLevel;

/// The cluster bus of one node.
#[derive(Debug)]
pub struct Bus {
    config: BusConfig,
    table: Table,
    links: Links,
    blacklist: Blacklist,
    rng: Rng,
    facts: Facts,
    outputs: VecDeque<BusOutput>,
    /// Messages of this wire type are ignored.
    dropped_kind: Option<u16>,
    todo: Todo,
    saving: Saving,
    current_epoch: u64,
    last_vote_epoch: u64,
    state: State,
    election: Election,
    manual: Manual,
    lease: Lease,
    counters: Counters,
    cron: cron::Cron,
}

impl Bus {
    /// Tells of a connection another node opened to the bus port and gives it its name.
    ///
    /// Nothing when there are too many connections of strangers: close it.
    pub fn accepted(&mut self, now: Now, peer_ip: IpAddr, local_ip: IpAddr) -> Option<LinkId> {
        if self.links.strangers() >= STRANGER_LINKS_MAX {
            return None;
        }
        Some(self.links.add(Link::inbound(now, peer_ip, local_ip)))
    }

    /// Whether the peer of a connection it opened has not shown yet which known node it is.
    pub fn is_stranger(&self, link: LinkId) -> bool {
        self.links.get(link).is_some_and(|link| link.side == link::Side::Inbound && link.node.is_none())
    }

    /// Tells that a dialled connection is open.
    pub fn connected(&mut self, now: Now, link: LinkId, local_ip: IpAddr) {
        let Some(open) = self.links.get_mut(link) else { return };
        open.connected = true;
        open.local_ip = Some(local_ip);
        self.begin(now);
        self.greet(now, link);
        self.finish(now);
    }

    /// Tells that a connection is gone, or could not be opened.
    pub fn closed(&mut self, now: Now, link: LinkId) {
        self.begin(now);
        self.forget_link(link);
        self.finish(now);
    }

    /// Feeds bytes that arrived on a connection.
    pub fn received(&mut self, now: Now, link: LinkId, bytes: &[u8], facts: &Facts) {
        self.learn(facts);
        self.begin(now);
        self.read(now, link, bytes);
        self.finish(now);
    }

    /// Lets time pass: to be called at [`Bus::deadline`] at the latest.
    ///
    /// `link_bytes` tells how much a connection has unsent; it is asked only when `cluster-link-sendbuf-limit` is set.
    pub fn tick(&mut self, now: Now, facts: &Facts, link_bytes: &dyn Fn(LinkId) -> LinkBytes) {
        self.learn(facts);
        self.begin(now);
        self.run_cron(now, link_bytes);
        self.finish(now);
    }

    /// When [`Bus::tick`] is due.
    pub fn deadline(&self) -> Instant {
        self.next_deadline()
    }

    /// Takes the next thing to do; nothing means drained.
    pub fn poll(&mut self) -> Option<BusOutput> {
        if let Some(sync) = self.saving.asked.take() {
            return Some(BusOutput::SaveConfig { sync, version: self.saving.version });
        }
        self.outputs.pop_front()
    }

    /// Tells that the state of this version (of a [`BusOutput::SaveConfig`] with `sync`) is durable.
    pub fn config_synced(&mut self, version: u64) {
        self.saving.durable = self.saving.durable.max(version);
    }

    /// The options.
    pub fn config(&self) -> &BusConfig {
        &self.config
    }

    /// Replaces the options; they act from the next call on.
    pub fn set_config(&mut self, now: Now, config: BusConfig) {
        self.begin(now);
        self.config = config;
        self.adopt_config();
        self.save();
        self.lease.dirty = true;
        self.todo.state = true;
        self.finish(now);
    }

    /// Ignores messages of this wire type from now on; none ends it (`DEBUG DROP-CLUSTER-PACKET-FILTER`).
    ///
    /// They still count as received.
    pub fn drop_received(&mut self, kind: Option<u16>) {
        self.dropped_kind = kind;
    }

    /// The known nodes and the owners of slots.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// This node.
    pub fn myself(&self) -> &Node {
        self.table.myself()
    }

    /// Whether this node is a primary.
    pub fn is_primary(&self) -> bool {
        self.myself().is_primary()
    }

    /// Where this node's primary is, when it is a replica.
    pub fn primary_address(&self) -> Option<table::Address> {
        self.myself().primary.map(|key| self.table.node(key).address)
    }

    /// Whether keyed commands are served at all (`cluster_state:ok`).
    pub fn is_ok(&self) -> bool {
        self.state.ok
    }

    /// Whether the lease allows a primary to acknowledge writes at this moment; see [`Bus::write_lease`].
    ///
    /// To be asked with the time of the call before each batch of writes; it compares two numbers.
    pub fn has_majority_contact(&self, now: Instant) -> bool {
        now < self.lease.end
    }

    /// Until when a primary may acknowledge writes without hearing more: never, when that is past.
    ///
    /// [`Instant::MAX`] when this node alone is the majority. Meaningful on a primary with slots.
    pub fn write_lease(&self) -> Instant {
        self.lease.end
    }

    /// The newest epoch known.
    pub fn current_epoch(&self) -> u64 {
        self.current_epoch
    }

    /// The last epoch this node voted in.
    pub fn last_vote_epoch(&self) -> u64 {
        self.last_vote_epoch
    }

    /// The epoch of this node's slots (of its primary's, when it is a replica).
    pub fn my_epoch(&self) -> u64 {
        self.table.node(self.claim_source()).config_epoch
    }

    fn learn(&mut self, facts: &Facts) {
        self.facts = *facts;
        self.table.myself_mut().offset = facts.offset;
    }

    /// What every call does first: notice by the clock what has run out since the last one.
    fn begin(&mut self, now: Now) {
        self.check_lease(now.instant);
        // A replica that slept must not win by votes that waited for it: its primary serves again by now.
        self.check_manual_timeout(now.instant);
    }

    /// What every call does last: the steps that several events of one call ask for together.
    fn finish(&mut self, now: Now) {
        // A manual failover goes through three steps at once: offset reached, election scheduled, votes asked for.
        for _ in 0..FINISH_ROUNDS_MAX {
            if std::mem::take(&mut self.todo.manual) {
                self.step_manual(now);
            }
            if std::mem::take(&mut self.todo.election) {
                self.step_election(now);
            }
            if std::mem::take(&mut self.todo.state) {
                self.update_state(now);
            }
            if !self.todo.manual && !self.todo.election {
                break;
            }
        }
        if self.lease.dirty {
            self.renew_lease(now.instant);
        }
    }

    fn log(&mut self, level: LogLevel, text: String) {
        self.outputs.push_back(BusOutput::Log(level, text));
    }

    /// Asks for a save of nodes.conf that may be lost in a crash: news of others.
    fn save(&mut self) {
        self.saving.version += 1;
        self.saving.asked.get_or_insert(false);
    }

    /// Asks for a durable save.
    fn save_sync(&mut self) {
        self.saving.version += 1;
        self.saving.asked = Some(true);
    }

    /// Asks for a durable save of something this node claims about itself; what it sends from now on waits for it.
    fn save_claim(&mut self) {
        self.save_sync();
        self.saving.claimed = self.saving.version;
    }
}

/// Steps that wait for the end of the call.
#[derive(Debug, Default)]
struct Todo {
    election: bool,
    manual: bool,
    state: bool,
}

/// How far nodes.conf is behind.
#[derive(Debug, Default)]
struct Saving {
    /// A save to ask for, and whether it must be durable.
    asked: Option<bool>,
    /// Number of the newest change.
    version: u64,
    /// Number of the newest change of this node's own claims.
    claimed: u64,
    /// Number of the newest change that is known to be durable.
    durable: u64,
}

/// What CLUSTER INFO counts.
#[derive(Debug, Default)]
struct Counters {
    sent: [u64; MessageKind::ALL.len()],
    received: [u64; MessageKind::ALL.len()],
    links_over_limit: u64,
}

/// Rounds of follow-up steps one call may take; three suffice, the fourth shows a mistake of ours as a delay only.
const FINISH_ROUNDS_MAX: usize = 4;

#[cfg(test)]
mod tests;
