//! What the bus shows: the text of CLUSTER NODES and INFO, nodes.conf, and plain data for SLOTS, SHARDS and LINKS.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use slotmesh_engine::slot::Slot;

use super::Bus;
use super::config_file::{self, ConfigFile, NodeRecord};
use super::link::Side;
use super::message::{NodeFlags, NodeId};
use super::output::LinkId;
use super::receive::counted_kinds;
use super::{EndpointKind, table::Node};
use crate::slots::{Direction, NodeKey, OpenSlot, SlotRange, ranges};

/// How the asking client is connected; decides which port it is told of in a TLS cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// Without TLS.
    Plain,
    /// With TLS.
    Tls,
}

/// Who reads a line about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// A client, in CLUSTER NODES.
    Client(ClientKind),
    /// This node, after its next start.
    File,
}

/// Where a client is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Address, host name, `?` for an unknown host name, or empty for "where you are connected".
    pub host: String,
    /// The client port.
    pub port: u16,
}

/// One element of CLUSTER SLOTS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotsEntry {
    /// The slots.
    pub range: SlotRange,
    /// Their owner.
    pub primary: NodeKey,
    /// Its replicas that can serve.
    pub replicas: Vec<NodeKey>,
}

/// One element of CLUSTER SHARDS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its name.
    pub id: NodeId,
    /// The slots of its primary.
    pub ranges: Vec<SlotRange>,
    /// The primary, then its replicas; a former primary that has not come back is a primary without slots.
    pub nodes: Vec<ShardNode>,
}

/// A node of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardNode {
    /// Which one.
    pub key: NodeKey,
    /// Its replication offset.
    pub offset: u64,
    /// How it fares.
    pub health: Health,
}

/// How a node of a shard fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Down by majority (`fail`).
    Fail,
    /// A replica without data so far (`loading`).
    Loading,
    /// In service (`online`).
    Online,
}

impl Health {
    /// The word in CLUSTER SHARDS.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Loading => "loading",
            Self::Online => "online",
        }
    }
}

/// One element of CLUSTER LINKS; events and buffer sizes are known to the connection's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkReport {
    /// The connection.
    pub link: LinkId,
    /// `to` for outbound, `from` for inbound.
    pub side: Side,
    /// The node at the other end.
    pub node: NodeId,
    /// When it was opened, in milliseconds since 1970.
    pub created_ms: i64,
}

impl Bus {
    /// The text of CLUSTER NODES.
    pub fn nodes_text(&self, client: ClientKind) -> String {
        let mut text = String::new();
        for (key, _) in self.table.iter() {
            self.put_line(&mut text, key, View::Client(client));
            text.push('\n');
        }
        text
    }

    /// One line of CLUSTER NODES, without its line feed.
    pub fn node_line(&self, key: NodeKey, client: ClientKind) -> String {
        let mut text = String::new();
        self.put_line(&mut text, key, View::Client(client));
        text
    }

    /// The content of nodes.conf.
    pub fn config_text(&self) -> String {
        let mut text = String::new();
        for (key, _) in self.table.iter().filter(|(_, node)| is_stored(node)) {
            self.put_line(&mut text, key, View::File);
            text.push('\n');
        }
        put(&mut text, format_args!("vars currentEpoch {} ", self.current_epoch));
        put(&mut text, format_args!("lastVoteEpoch {} checksum {}\n", self.last_vote_epoch, self.config_checksum()));
        text
    }

    fn config_checksum(&self) -> String {
        let record = |(key, node): (NodeKey, &Node)| NodeRecord {
            id: node.id,
            ip: node.address.ip,
            port: node.address.port,
            cport: node.address.cport,
            hostname: String::new(),
            nodename: String::new(),
            shard: None,
            flags: node.flags,
            primary: node.primary.map(|primary| self.table.node(primary).id),
            ping_pending: false,
            answered: false,
            config_epoch: self.shown_epoch(node),
            slots: node.slots.ranges().collect(),
            open_slots: if key == self.table.me { self.open_slot_marks() } else { Vec::new() },
        };
        config_file::checksum_text(&ConfigFile {
            nodes: self.table.iter().filter(|(_, node)| is_stored(node)).map(record).collect(),
            current_epoch: self.current_epoch,
            last_vote_epoch: self.last_vote_epoch,
            skipped_vars: Vec::new(),
        })
    }

    fn open_slot_marks(&self) -> Vec<(Slot, Direction, NodeId)> {
        let mark = |open: OpenSlot| (open.slot, open.direction, self.table.node(open.peer).id);
        self.table.slots.open_slots().map(mark).collect()
    }

    /// A node's epoch as shown: of its primary, for a replica.
    fn shown_epoch(&self, node: &Node) -> u64 {
        node.primary.map_or(node.config_epoch, |primary| self.table.node(primary).config_epoch)
    }

    fn put_line(&self, text: &mut String, key: NodeKey, view: View) {
        let node = self.table.node(key);
        put(text, format_args!("{} ", node.id));
        if let Some(ip) = node.address.ip {
            put(text, format_args!("{ip}"));
        }
        let port = match view {
            View::Client(client) => client_port(node, client),
            View::File => node.address.port,
        };
        put(text, format_args!(":{port}@{}", node.address.cport));
        if !node.hostname.is_empty() || view == View::File {
            put(text, format_args!(",{}", node.hostname));
        }
        if view == View::File {
            put_aux(text, node);
        }
        put(text, format_args!(" {} ", node.flags));
        match node.primary {
            Some(primary) => put(text, format_args!("{}", self.table.node(primary).id)),
            None => text.push('-'),
        }
        let ms = |at: Option<slotmesh_engine::time::Now>| at.map_or(0, |at| at.unix.millis());
        let myself = key == self.table.me;
        let linked = myself || node.outbound.and_then(|id| self.links.get(id)).is_some_and(|link| link.connected);
        let state = if linked { "connected" } else { "disconnected" };
        let epoch = self.shown_epoch(node);
        put(text, format_args!(" {} {} {epoch} {state}", ms(node.ping_sent), ms(node.pong_received)));
        for range in node.slots.ranges() {
            put(text, format_args!(" {range}"));
        }
        if myself {
            self.put_open_slots(text);
        }
    }

    fn put_open_slots(&self, text: &mut String) {
        for open in self.table.slots.open_slots() {
            let arrow = match open.direction {
                Direction::Importing => "-<-",
                Direction::Migrating => "->-",
            };
            put(text, format_args!(" [{}{arrow}{}]", open.slot.number(), self.table.node(open.peer).id));
        }
    }

    /// The text of CLUSTER INFO.
    pub fn info_text(&self) -> String {
        let mut count = [0_usize; 3];
        for key in Slot::all().filter_map(|slot| self.table.slots.owner(slot)) {
            let flags = self.table.node(key).flags;
            let place = if flags.has(NodeFlags::FAIL) { 2 } else { usize::from(flags.has(NodeFlags::PFAIL)) };
            count[place] += 1;
        }
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| put(&mut text, format_args!("{name}:{value}\r\n"));
        line("cluster_state", &if self.state.ok { "ok" } else { "fail" });
        line("cluster_slots_assigned", &self.table.slots.assigned());
        line("cluster_slots_ok", &count[0]);
        line("cluster_slots_pfail", &count[1]);
        line("cluster_slots_fail", &count[2]);
        line("cluster_known_nodes", &self.table.len());
        line("cluster_size", &self.state.size);
        line("cluster_current_epoch", &self.current_epoch);
        line("cluster_my_epoch", &self.my_epoch());
        for (name, counters) in [("sent", &self.counters.sent), ("received", &self.counters.received)] {
            for (at, kind) in counted_kinds().filter(|(at, _)| counters[*at] > 0) {
                line(&format!("cluster_stats_messages_{}_{name}", kind.name()), &counters[at]);
            }
            line(&format!("cluster_stats_messages_{name}"), &counters.iter().sum::<u64>());
        }
        line("total_cluster_links_buffer_limit_exceeded", &self.counters.links_over_limit);
        text
    }

    /// The elements of CLUSTER SLOTS, by slot.
    pub fn slots(&self) -> Vec<SlotsEntry> {
        let entry = |(range, primary)| {
            let replicas = self.table.node(primary).replicas.iter().copied();
            let serving = |key: &NodeKey| {
                let node = self.table.node(*key);
                !node.is_failed() && node.offset != 0
            };
            SlotsEntry { range, primary, replicas: replicas.filter(serving).collect() }
        };
        self.table.slots.owned_ranges().map(entry).collect()
    }

    /// The elements of CLUSTER SHARDS, by the shards' ids.
    pub fn shards(&self) -> Vec<Shard> {
        let mut shards: BTreeMap<NodeId, Vec<NodeKey>> = BTreeMap::new();
        for (key, node) in self.table.iter().filter(|(_, node)| node.is_primary() || node.is_replica()) {
            shards.entry(node.shard).or_default().push(key);
        }
        let shard = |(id, mut members): (NodeId, Vec<NodeKey>)| {
            members.sort_by_key(|key| (self.table.node(*key).slot_count == 0, self.table.node(*key).is_replica()));
            let owned =
                Slot::all().filter(|slot| self.table.slots.owner(*slot).is_some_and(|key| members.contains(&key)));
            Shard {
                id,
                ranges: ranges(owned).collect(),
                nodes: members.iter().map(|key| self.shard_node(*key)).collect(),
            }
        };
        shards.into_iter().map(shard).collect()
    }

    fn shard_node(&self, key: NodeKey) -> ShardNode {
        let node = self.table.node(key);
        let health = if node.is_failed() {
            Health::Fail
        } else if node.is_replica() && node.offset == 0 {
            Health::Loading
        } else {
            Health::Online
        };
        ShardNode { key, offset: node.offset, health }
    }

    /// The elements of CLUSTER LINKS.
    pub fn link_reports(&self) -> Vec<LinkReport> {
        let report = |(link, open): (LinkId, &super::link::Link)| {
            let node = self.table.node(open.node?).id;
            Some(LinkReport { link, side: open.side, node, created_ms: open.created.unix.millis() })
        };
        self.links.iter().filter_map(report).collect()
    }

    /// Where a client is sent to reach a node, by `cluster-preferred-endpoint-type`.
    pub fn endpoint(&self, key: NodeKey, client: ClientKind) -> HostPort {
        let node = self.table.node(key);
        let host = match self.config.preferred_endpoint {
            EndpointKind::Hostname if node.hostname.is_empty() => "?".to_owned(),
            EndpointKind::Hostname => node.hostname.clone(),
            EndpointKind::Ip => node.address.ip.map_or_else(String::new, |ip| ip.to_string()),
            EndpointKind::Unknown => String::new(),
        };
        HostPort { host, port: client_port(node, client) }
    }
}

fn client_port(node: &Node, client: ClientKind) -> u16 {
    if client == ClientKind::Plain && node.address.pport != 0 { node.address.pport } else { node.address.port }
}

/// Handshakes are not stored, nor are nodes of which only the name is known.
fn is_stored(node: &Node) -> bool {
    !node.is_handshake() && (node.is_primary() || node.is_replica())
}

/// The fields of Redis 7.2's nodes.conf that CLUSTER NODES does not show.
fn put_aux(text: &mut String, node: &Node) {
    text.push_str(",tls-port=0");
    if !node.nodename.is_empty() {
        put(text, format_args!(",nodename={}", node.nodename));
    }
    put(text, format_args!(",shard-id={}", node.shard));
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a String cannot fail");
}
