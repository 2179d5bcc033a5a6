//! What heartbeats tell of third nodes, both ways.

use std::time::Duration;

use slotmesh_engine::time::{Instant, Now, UnixMicros};

use super::Bus;
use super::message::{Gossip, IpText, NodeFlags};
use super::table::{Address, Node};
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// How far in the future a gossiped pong time may lie, in milliseconds; clocks differ (Redis uses the same figure).
const PONG_FUTURE_MS_MAX: i64 = 500;

/// Least number of random nodes a heartbeat tells of (Redis uses the same figure).
const GOSSIP_NODES_MIN: usize = 3;

/// A heartbeat tells of one in this many known nodes (Redis uses the same figure: within two node timeouts a majority
/// is then told of a failing node with near certainty).
const GOSSIP_SHARE: usize = 10;

/// How long a node counts as new in what is gossiped first, in milliseconds.
const NEW_MS: u64 = 20;

/// Most new nodes one heartbeat tells of beyond its usual share.
const NEW_NODES_MAX: usize = 64;

/// Flags a node learnt from gossip keeps: what it is, not how it fares.
const LEARNT: NodeFlags =
    NodeFlags(NodeFlags::PRIMARY.0 | NodeFlags::REPLICA.0 | NodeFlags::MIGRATE_TO.0 | NodeFlags::NOFAILOVER.0);

impl Bus {
    /// Picks the nodes a heartbeat tells of: a few at random, and every suspected one.
    pub(super) fn pick_gossip(&mut self, now: Now) -> Vec<Gossip> {
        let keys = self.table.keys();
        let mut fresh = keys.len().saturating_sub(2);
        let wanted = (keys.len() / GOSSIP_SHARE).max(GOSSIP_NODES_MIN).min(fresh);
        let mut picked = self.newest_nodes(now.instant);
        for _ in 0..wanted * 3 {
            if fresh == 0 || picked.len() >= wanted {
                break;
            }
            let key = keys[self.rng.index(keys.len())];
            let node = self.table.node(key);
            if key == self.table.me || node.flags.has(NodeFlags::PFAIL) || picked.contains(&key) {
                continue;
            }
            if is_unfit(node) || (node.outbound.is_none() && node.slot_count == 0) {
                fresh -= 1;
                continue;
            }
            picked.push(key);
        }
        // A table without a suspect, the usual case, is not walked once more.
        if self.cron.suspects > 0 {
            let suspects = keys.iter().filter(|key| self.table.node(**key).flags.has(NodeFlags::PFAIL));
            picked.extend(suspects.filter(|key| !is_unfit(self.table.node(**key))));
        }
        picked.into_iter().map(|key| entry(now, self.table.node(key))).collect()
    }

    /// The nodes that became known last: others may not know them yet.
    fn newest_nodes(&self, now: Instant) -> Vec<NodeKey> {
        let is_new = |node: &Node| now.millis_since(node.created) <= NEW_MS && !is_unfit(node);
        let unsuspected = |node: &Node| !node.flags.has(NodeFlags::PFAIL);
        let new = self.table.iter().filter(|(_, node)| is_new(node) && unsuspected(node));
        let mut new: Vec<NodeKey> = new.map(|(key, _)| key).filter(|key| *key != self.table.me).collect();
        new.sort_by_key(|key| std::cmp::Reverse(self.table.node(*key).created));
        new.truncate(NEW_NODES_MAX);
        new
    }

    /// Takes in what a known sender tells of other nodes.
    pub(super) fn take_gossip(&mut self, now: Now, sender: NodeKey, gossip: &[Gossip]) {
        for entry in gossip {
            match self.table.find(&entry.id) {
                Some(key) if key == self.table.me => {}
                Some(key) => self.hear_of_known(now, sender, key, entry),
                None => self.hear_of_unknown(now, entry),
            }
        }
    }

    fn hear_of_known(&mut self, now: Now, sender: NodeKey, key: NodeKey, entry: &Gossip) {
        let failing = entry.flags.has(NodeFlags::PFAIL.with(NodeFlags::FAIL));
        // Only those who decide report; see the module doc of `bus`.
        if self.table.node(sender).is_voter() && sender != key {
            if failing {
                self.report_failure(now, sender, key);
            } else {
                self.withdraw_report(sender, key);
            }
        }
        let node = self.table.node_mut(key);
        let suspected = node.flags.has(NodeFlags::PFAIL.with(NodeFlags::FAIL));
        if !failing && !suspected && node.ping_sent.is_none() && node.reports.is_empty() {
            adopt_pong(now, node, entry.pong_received_secs);
        }
        if suspected && !failing && !entry.flags.has(NodeFlags::NOADDR) {
            self.follow_address(now, key, entry);
        }
    }

    /// A node that does not answer us answers others, elsewhere: it moved.
    fn follow_address(&mut self, now: Now, key: NodeKey, entry: &Gossip) {
        if address_of(entry).is_some_and(|address| self.move_node(key, address)) {
            self.dial(now, key);
        }
    }

    fn hear_of_unknown(&mut self, now: Now, entry: &Gossip) {
        let Some(address) = address_of(entry) else { return };
        let flags = entry.flags.only(LEARNT);
        let has_role = flags.has(NodeFlags::PRIMARY) != flags.has(NodeFlags::REPLICA);
        let unusable = NodeFlags::NOADDR.with(NodeFlags::HANDSHAKE);
        if !has_role || entry.flags.has(unusable) || self.blacklist.has(now.instant, &entry.id) {
            return;
        }
        let mut node = Node::new(entry.id, flags, now.instant);
        node.address = address;
        let Some(key) = self.table.add(node) else {
            self.log(LogLevel::Warning, format!("Node table full: {} not added", entry.id));
            return;
        };
        self.dial(now, key);
        self.announce_node(now.instant);
        self.save();
    }
}

fn is_unfit(node: &Node) -> bool {
    node.flags.has(NodeFlags::HANDSHAKE.with(NodeFlags::NOADDR)) || node.address.ip.is_none()
}

fn entry(now: Now, node: &Node) -> Gossip {
    let secs = |at: Option<Now>| at.map_or(0, |at| u32::try_from(at.unix.seconds()).unwrap_or(0));
    // 0 means "no ping pending", also for a host whose calendar stands at the epoch.
    let ping_sent_secs = node.ping_sent.map_or(0, |at| secs(Some(at)).max(1));
    debug_assert!(node.ping_sent.is_none_or(|at| at.instant <= now.instant), "a ping was sent in the past");
    Gossip {
        id: node.id,
        ping_sent_secs,
        pong_received_secs: secs(node.pong_received),
        ip: IpText::new(node.address.ip),
        port: node.address.port,
        cport: node.address.cport,
        flags: node.flags,
        pport: node.address.pport,
    }
}

fn address_of(entry: &Gossip) -> Option<Address> {
    let usable = entry.port != 0 && entry.cport != 0;
    let ip = entry.ip.parse().filter(|ip| usable && !ip.is_unspecified())?;
    Some(Address { ip: Some(ip), port: entry.port, pport: entry.pport, cport: entry.cport })
}

/// Believes another node that this one answered later than we know, unless its clock is off.
fn adopt_pong(now: Now, node: &mut Node, secs: u32) {
    let told = UnixMicros::from_millis(i64::from(secs) * 1000);
    let known = node.pong_received.map_or(UnixMicros(0), |at| at.unix);
    if told <= known || told.millis() > now.unix.millis() + PONG_FUTURE_MS_MAX {
        return;
    }
    let age = Duration::from_micros(u64::try_from(now.unix.0 - told.0).unwrap_or(0));
    let instant = Instant(now.instant.0.saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX)));
    node.pong_received = Some(Now { instant, unix: told });
}
