//! The nodes this node knows.
//!
//! Lives here: [`Node`], the [`Table`] that keeps nodes, slot owners and replica lists consistent with each other,
//! and the `Blacklist` of forgotten nodes. What does not: any decision. Start at [`Table`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use slab::Slab;
use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::{Instant, Now};

use super::message::{NodeFlags, NodeId};
use super::output::LinkId;
use crate::slots::{NodeKey, SlotBitmap, SlotMap};

/// Most nodes a table holds.
///
/// Every primary needs a slot and Redis advises at most 1000 nodes; the bound keeps a hostile peer's gossip from
/// filling memory (a node takes about 2.5 KB).
pub const NODES_MAX: usize = 16_384;

/// Most ids the blacklist holds; past it the one that expires first makes room.
pub const BLACKLIST_MAX: usize = 16_384;

/// Where a node is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Address {
    /// Its address; unknown for a moment after a start, and after another node answered in its place.
    pub ip: Option<IpAddr>,
    /// Its client port.
    pub port: u16,
    /// Its plaintext client port, when `port` is a TLS port.
    pub pport: u16,
    /// Its bus port.
    pub cport: u16,
}

impl Address {
    /// The address as text; empty while it is unknown.
    pub fn ip_text(&self) -> String {
        self.ip.map_or_else(String::new, |ip| ip.to_string())
    }
}

/// What is known of a node.
#[derive(Debug)]
pub struct Node {
    pub(super) id: NodeId,
    pub(super) flags: NodeFlags,
    pub(super) address: Address,
    pub(super) hostname: String,
    /// The name for people it announces; empty for none.
    pub(super) nodename: String,
    /// The shard it belongs to: that of its primary, when it is a replica.
    pub(super) shard: NodeId,
    /// Whether it reads the ping extensions of Redis 7.2 (7.0 logs a warning for each that it does not know).
    pub(super) is_extended: bool,
    pub(super) config_epoch: u64,
    pub(super) slots: SlotBitmap,
    pub(super) slot_count: usize,
    pub(super) primary: Option<NodeKey>,
    /// Ascending by key; kept by [`Table::set_primary`].
    pub(super) replicas: Vec<NodeKey>,
    pub(super) created: Instant,
    /// When the oldest unanswered ping was due.
    pub(super) ping_sent: Option<Now>,
    pub(super) pong_received: Option<Now>,
    pub(super) data_received: Option<Instant>,
    /// When the newest ping that was answered had been sent: contact in both directions since then.
    pub(super) contact: Option<Instant>,
    pub(super) failed_at: Option<Instant>,
    /// When this node last voted for a replica of it.
    pub(super) voted_at: Option<Instant>,
    pub(super) orphaned_since: Option<Instant>,
    pub(super) offset: u64,
    pub(super) outbound: Option<LinkId>,
    pub(super) inbound: Option<LinkId>,
    /// Who reports it as failing, and when last.
    pub(super) reports: BTreeMap<NodeKey, Instant>,
}

impl Node {
    /// A node of which nothing but this is known.
    pub(super) fn new(id: NodeId, flags: NodeFlags, created: Instant) -> Self {
        Self {
            id,
            flags,
            address: Address::default(),
            hostname: String::new(),
            nodename: String::new(),
            shard: id.own_shard(),
            is_extended: false,
            config_epoch: 0,
            slots: SlotBitmap::new(),
            slot_count: 0,
            primary: None,
            replicas: Vec::new(),
            created,
            ping_sent: None,
            pong_received: None,
            data_received: None,
            contact: None,
            failed_at: None,
            voted_at: None,
            orphaned_since: None,
            offset: 0,
            outbound: None,
            inbound: None,
            reports: BTreeMap::new(),
        }
    }

    /// The node's name.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What it is.
    pub fn flags(&self) -> NodeFlags {
        self.flags
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The host name it announces; empty for none.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// The name for people it announces; empty for none.
    pub fn nodename(&self) -> &str {
        &self.nodename
    }

    /// The shard it belongs to.
    pub fn shard(&self) -> NodeId {
        self.shard
    }

    /// The version of its slots.
    pub fn config_epoch(&self) -> u64 {
        self.config_epoch
    }

    /// Its slots; none for a replica.
    pub fn slots(&self) -> &SlotBitmap {
        &self.slots
    }

    /// Number of its slots.
    pub fn slot_count(&self) -> usize {
        self.slot_count
    }

    /// Its primary, when it is a replica.
    pub fn primary(&self) -> Option<NodeKey> {
        self.primary
    }

    /// Its replicas, when it is a primary.
    pub fn replicas(&self) -> &[NodeKey] {
        &self.replicas
    }

    /// The replication offset it announced last.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether it is a primary.
    pub fn is_primary(&self) -> bool {
        self.flags.has(NodeFlags::PRIMARY)
    }

    /// Whether it is a replica.
    pub fn is_replica(&self) -> bool {
        self.flags.has(NodeFlags::REPLICA)
    }

    /// Whether the majority holds it for down.
    pub fn is_failed(&self) -> bool {
        self.flags.has(NodeFlags::FAIL)
    }

    /// Whether its real id is not known yet.
    pub fn is_handshake(&self) -> bool {
        self.flags.has(NodeFlags::HANDSHAKE)
    }

    /// Whether it is a primary with slots: it counts in majorities and votes.
    pub fn is_voter(&self) -> bool {
        self.is_primary() && self.slot_count > 0
    }
}

/// The known nodes, the owner of each slot, and who replicates whom.
#[derive(Debug)]
pub struct Table {
    nodes: Slab<Node>,
    by_id: BTreeMap<NodeId, NodeKey>,
    /// The slots' owners; change them with [`Table::assign`].
    pub(super) slots: SlotMap,
    /// This node.
    pub(super) me: NodeKey,
    voters: usize,
}

impl Table {
    /// A table with only this node in it.
    pub(super) fn new(myself: Node) -> Self {
        let id = myself.id;
        let mut nodes = Slab::new();
        let me = NodeKey(nodes.insert(myself) as u16);
        Self { nodes, by_id: BTreeMap::from([(id, me)]), slots: SlotMap::new(), me, voters: 0 }
    }

    /// Number of nodes, this one included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Always false: this node is in its own table.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether no node can be added.
    pub(super) fn is_full(&self) -> bool {
        self.nodes.len() >= NODES_MAX
    }

    /// Number of primaries with at least one slot (`cluster_size`).
    pub fn voters(&self) -> usize {
        self.voters
    }

    /// How many of them decide.
    pub fn quorum(&self) -> usize {
        self.voters / 2 + 1
    }

    /// The node under this key.
    ///
    /// # Panics
    /// When the node was forgotten; the table leaves no key of a forgotten node behind.
    pub fn node(&self, key: NodeKey) -> &Node {
        &self.nodes[usize::from(key.0)]
    }

    pub(super) fn node_mut(&mut self, key: NodeKey) -> &mut Node {
        &mut self.nodes[usize::from(key.0)]
    }

    /// This node.
    pub fn myself(&self) -> &Node {
        self.node(self.me)
    }

    pub(super) fn myself_mut(&mut self) -> &mut Node {
        self.node_mut(self.me)
    }

    /// The owner of each slot, and the slots on the move.
    pub fn slot_map(&self) -> &SlotMap {
        &self.slots
    }

    /// This node's key.
    pub fn my_key(&self) -> NodeKey {
        self.me
    }

    /// The node with this id.
    pub fn find(&self, id: &NodeId) -> Option<NodeKey> {
        self.by_id.get(id).copied()
    }

    /// All nodes in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (NodeKey, &Node)> {
        self.by_id.values().map(|&key| (key, self.node(key)))
    }

    /// The keys of all nodes in the order of their ids, for loops that change nodes.
    pub(super) fn keys(&self) -> Vec<NodeKey> {
        self.by_id.values().copied().collect()
    }

    /// Adds a node; nothing when the table is full or the id is taken.
    pub(super) fn add(&mut self, node: Node) -> Option<NodeKey> {
        if self.is_full() || self.by_id.contains_key(&node.id) {
            return None;
        }
        let id = node.id;
        let key = NodeKey(self.nodes.insert(node) as u16);
        self.by_id.insert(id, key);
        Some(key)
    }

    /// Gives a node in handshake its real id, which must not be taken.
    pub(super) fn rename(&mut self, key: NodeKey, id: NodeId) {
        let node = self.node_mut(key);
        node.shard = id.own_shard();
        let before = std::mem::replace(&mut node.id, id);
        self.by_id.remove(&before);
        let taken = self.by_id.insert(id, key);
        assert!(taken.is_none(), "a handshake takes only an unknown id");
    }

    /// Takes a node out, with everything that names it, and returns it.
    ///
    /// # Panics
    /// When it is this node.
    pub(super) fn remove(&mut self, key: NodeKey) -> Node {
        assert!(key != self.me, "a node never forgets itself");
        for slot in Slot::all() {
            if self.slots.owner(slot) == Some(key) {
                self.assign(slot, None);
            }
        }
        self.slots.forget(key);
        self.set_primary(key, None);
        for replica in std::mem::take(&mut self.node_mut(key).replicas) {
            self.node_mut(replica).primary = None;
        }
        for (_, node) in &mut self.nodes {
            node.reports.remove(&key);
        }
        let node = self.nodes.remove(usize::from(key.0));
        self.by_id.remove(&node.id);
        node
    }

    /// Makes `owner` (or nobody) the owner of a slot and returns the one before.
    pub(super) fn assign(&mut self, slot: Slot, owner: Option<NodeKey>) -> Option<NodeKey> {
        let before = self.slots.set_owner(slot, owner);
        if before == owner {
            return before;
        }
        if let Some(before) = before {
            let node = self.node_mut(before);
            node.slots.remove(slot);
            node.slot_count -= 1;
            let lost_vote = node.is_primary() && node.slot_count == 0;
            self.voters -= usize::from(lost_vote);
        }
        if let Some(owner) = owner {
            let node = self.node_mut(owner);
            node.slots.insert(slot);
            node.slot_count += 1;
            let first = node.slot_count == 1;
            let won_vote = first && node.is_primary();
            self.voters += usize::from(won_vote);
            // A primary that gets its first slot may need replicas, if the cluster has any (Redis marks it too).
            if first && self.nodes.iter().any(|(_, node)| !node.replicas.is_empty()) {
                self.node_mut(owner).flags.insert(NodeFlags::MIGRATE_TO);
            }
        }
        before
    }

    /// Makes `node` a replica of `primary`, or of nobody, keeping the replica lists; roles are not touched.
    pub(super) fn set_primary(&mut self, node: NodeKey, primary: Option<NodeKey>) {
        let before = self.node(node).primary;
        if before == primary {
            return;
        }
        if let Some(before) = before {
            let old = self.node_mut(before);
            old.replicas.retain(|&replica| replica != node);
            if old.replicas.is_empty() {
                old.flags.remove(NodeFlags::MIGRATE_TO);
            }
        }
        self.node_mut(node).primary = primary;
        if let Some(primary) = primary {
            let shard = self.node(primary).shard;
            self.node_mut(node).shard = shard;
            let new = self.node_mut(primary);
            new.replicas.push(node);
            new.replicas.sort_unstable();
            new.flags.insert(NodeFlags::MIGRATE_TO);
        }
    }

    /// Puts a node into a shard, and its replicas with it. Returns whether that is another one.
    ///
    /// A replica is in the shard of its primary, whatever is told of it.
    pub(super) fn set_shard(&mut self, key: NodeKey, shard: NodeId) -> bool {
        let node = self.node_mut(key);
        if node.shard == shard || node.primary.is_some() {
            return false;
        }
        node.shard = shard;
        for replica in self.node(key).replicas.clone() {
            self.node_mut(replica).shard = shard;
        }
        true
    }

    /// Sets a node's role bits, keeping the count of voters.
    pub(super) fn set_role(&mut self, node: NodeKey, role: NodeFlags) {
        let voted = self.node(node).is_voter();
        let node = self.node_mut(node);
        node.flags.remove(NodeFlags::PRIMARY.with(NodeFlags::REPLICA));
        node.flags.insert(role);
        if role == NodeFlags::REPLICA {
            node.flags.remove(NodeFlags::MIGRATE_TO);
        }
        let votes = node.is_voter();
        self.voters = self.voters + usize::from(votes) - usize::from(voted);
    }

    /// Number of replicas of a primary that are not down by majority.
    pub(super) fn working_replicas(&self, primary: NodeKey) -> usize {
        self.node(primary).replicas.iter().filter(|&&replica| !self.node(replica).is_failed()).count()
    }
}

/// Ids that gossip must not bring back for a while.
#[derive(Debug, Default)]
pub(super) struct Blacklist {
    until: BTreeMap<NodeId, (Instant, Origin)>,
}

/// On whose word a node was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Another node's.
    Gossip,
    /// This node's operator's.
    Operator,
}

impl Blacklist {
    /// Keeps an id out for `secs` seconds.
    pub(super) fn add(&mut self, now: Instant, id: NodeId, secs: u64, origin: Origin) {
        self.until.retain(|_, (until, _)| *until > now);
        if self.until.len() >= BLACKLIST_MAX
            && let Some(first) = self.until.iter().min_by_key(|(_, (until, _))| *until).map(|(id, _)| *id)
        {
            self.until.remove(&first);
        }
        self.until.insert(id, (now.plus_millis(secs.saturating_mul(1000)), origin));
    }

    /// Whether an id is kept out.
    pub(super) fn has(&self, now: Instant, id: &NodeId) -> bool {
        self.until.get(id).is_some_and(|(until, _)| *until > now)
    }

    /// Whether an id is kept out on another node's word.
    pub(super) fn has_by_gossip(&self, now: Instant, id: &NodeId) -> bool {
        self.has(now, id) && self.until.get(id).is_some_and(|(_, origin)| *origin == Origin::Gossip)
    }

    pub(super) fn clear(&mut self) {
        self.until.clear();
    }
}
