//! The beginning of a bus: as a new node, or as the one nodes.conf tells of.

use std::collections::VecDeque;

use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now};

use super::config_file::NodeRecord;
use super::cron::Cron;
use super::election::Election;
use super::lease::{Lapse, Lease};
use super::link::Links;
use super::manual::Manual;
use super::message::{NodeFlags, NodeId};
use super::output::Facts;
use super::state::State;
use super::table::{Address, Blacklist, Node, Table};
use super::{Bus, BusConfig, ConfigFile, Counters, Saving, Todo};
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// What a line of nodes.conf says about a node that still holds after a restart.
const STORED: NodeFlags = NodeFlags(
    NodeFlags::PRIMARY.0
        | NodeFlags::REPLICA.0
        | NodeFlags::PFAIL.0
        | NodeFlags::FAIL.0
        | NodeFlags::NOADDR.0
        | NodeFlags::NOFAILOVER.0,
);

impl Bus {
    /// A bus that is what its nodes.conf says, or a new node when there is none.
    ///
    /// A new node asks for its first nodes.conf at once. All picks come from `rng`: the same seed, inputs and times
    /// give the same outputs.
    pub fn new(now: Now, config: BusConfig, file: Option<&ConfigFile>, mut rng: Rng) -> Self {
        let own = file.and_then(|file| file.nodes.iter().find(|node| node.flags.has(NodeFlags::MYSELF)));
        let id = match own {
            Some(own) => own.id,
            None => NodeId::parse(&rng.hex_id()).expect("a fresh id is 40 lower-case hexadecimal characters"),
        };
        let flags = NodeFlags::MYSELF.with(NodeFlags::PRIMARY);
        let mut bus = Self {
            config,
            table: Table::new(Node::new(id, flags, now.instant)),
            links: Links::default(),
            blacklist: Blacklist::default(),
            rng,
            facts: Facts::default(),
            dropped_kind: None,
            outputs: VecDeque::new(),
            todo: Todo::default(),
            saving: Saving::default(),
            current_epoch: 0,
            last_vote_epoch: 0,
            state: State::new(own.is_some()),
            election: Election::default(),
            manual: Manual::default(),
            lease: Lease::new(Lapse::Uncontested),
            counters: Counters::default(),
            cron: Cron::default(),
        };
        match file.filter(|_| own.is_some()) {
            Some(file) => bus.restore(now, file),
            None => {
                bus.log(LogLevel::Notice, format!("No cluster configuration found, I'm {id}"));
                bus.save_claim();
            }
        }
        bus.adopt_config();
        bus.point_at_own_primary();
        bus
    }

    /// A bus that begins as a founding member of the cluster that `members` describes: as after a restart with that
    /// nodes.conf, but without what a restarted node has to wait for, since nobody can have gone on without it.
    ///
    /// Asks for its first nodes.conf at once.
    pub fn founded(now: Now, config: BusConfig, members: &ConfigFile, rng: Rng) -> Self {
        let mut bus = Self::new(now, config, Some(members), rng);
        bus.state = State::new(false);
        bus.lease = Lease::new(Lapse::Uncontested);
        bus.save_claim();
        bus
    }

    fn restore(&mut self, now: Now, file: &ConfigFile) {
        for record in &file.nodes {
            self.restore_node(now, record);
        }
        for record in &file.nodes {
            self.restore_relations(now.instant, record);
        }
        self.current_epoch = file.nodes.iter().map(|node| node.config_epoch).fold(file.current_epoch, u64::max);
        self.last_vote_epoch = file.last_vote_epoch;
        for name in &file.skipped_vars {
            self.log(LogLevel::Notice, format!("Skipping unknown cluster config variable '{name}'"));
        }
        let lapse = if self.myself().replicas.is_empty() { Lapse::Uncontested } else { Lapse::Contestable };
        self.lease = Lease::new(lapse);
        let id = self.my_id();
        self.log(LogLevel::Notice, format!("Node configuration loaded, I'm {id}"));
    }

    fn restore_node(&mut self, now: Now, record: &NodeRecord) {
        let key =
            if record.flags.has(NodeFlags::MYSELF) { self.table.me } else { self.key_for(now.instant, record.id) };
        let role = record.flags.only(NodeFlags::PRIMARY.with(NodeFlags::REPLICA));
        self.table.set_role(key, role);
        let node = self.table.node_mut(key);
        node.flags.insert(record.flags.only(STORED));
        node.address = Address { ip: record.ip, port: record.port, pport: 0, cport: record.cport };
        node.hostname.clone_from(&record.hostname);
        node.nodename.clone_from(&record.nodename);
        node.shard = record.shard.unwrap_or(node.shard);
        // A replica's line shows its primary's epoch.
        node.config_epoch = if node.is_primary() { record.config_epoch } else { 0 };
        node.ping_sent = record.ping_pending.then_some(now);
        node.pong_received = record.answered.then_some(now);
        node.failed_at = node.is_failed().then_some(now.instant);
        // Whom this node answered just before it stopped is not known: its promise to them (see `lease`) holds on.
        node.data_received = Some(now.instant);
        for slot in record.slots.iter().flat_map(|range| range.slots()) {
            self.table.assign(slot, Some(key));
        }
    }

    fn restore_relations(&mut self, now: Instant, record: &NodeRecord) {
        let key = self.key_for(now, record.id);
        if let Some(primary) = record.primary.filter(|id| *id != record.id && record.flags.has(NodeFlags::REPLICA)) {
            let primary = self.key_for(now, primary);
            self.table.set_primary(key, Some(primary));
        }
        for (slot, direction, peer) in &record.open_slots {
            let peer = Some(self.key_for(now, *peer));
            match direction {
                crate::slots::Direction::Migrating => self.table.slots.set_migrating(*slot, peer),
                crate::slots::Direction::Importing => self.table.slots.set_importing(*slot, peer),
            }
        }
    }

    /// The node with this id; one that is only named in other lines is added without a role.
    fn key_for(&mut self, now: Instant, id: NodeId) -> NodeKey {
        if let Some(key) = self.table.find(&id) {
            return key;
        }
        let added = self.table.add(Node::new(id, NodeFlags::NONE, now));
        // A file names at most twice as many nodes as it has lines, and marks name at most one per slot.
        added.unwrap_or(self.table.me)
    }

    fn point_at_own_primary(&mut self) {
        if let Some(primary) = self.myself().primary {
            self.point_at_primary(primary);
        }
    }
}
