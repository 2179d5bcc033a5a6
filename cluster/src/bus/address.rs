//! Where nodes are: MEET and handshake, links, changes of address.

use std::net::IpAddr;

use slotmesh_engine::time::Now;

use super::Bus;
use super::link::{Link, Side};
use super::message::{Header, NodeFlags, NodeId, is_hostname, is_nodename};
use super::output::{BusOutput, LinkId};
use super::table::{Address, Node};
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// Most handshakes under way at a time; an operator or `redis-cli --cluster create` starts one per node.
const HANDSHAKES_MAX: usize = 1024;

impl Bus {
    /// Makes an entry for a node of which only the address is known, and dials it.
    ///
    /// Nothing happens when a handshake with the same address is under way, or too many are. Returns whether a new
    /// one began.
    pub(super) fn begin_handshake(&mut self, now: Now, address: Address, flags: NodeFlags) -> bool {
        let place = |address: Address| (address.ip, address.port, address.cport);
        let under_way: Vec<_> =
            self.table.iter().filter(|(_, node)| node.is_handshake()).map(|(_, node)| place(node.address)).collect();
        if under_way.contains(&place(address)) || under_way.len() >= HANDSHAKES_MAX {
            return false;
        }
        let Some(id) = self.fresh_id() else { return false };
        let mut node = Node::new(id, flags.with(NodeFlags::HANDSHAKE), now.instant);
        node.address = address;
        let Some(key) = self.table.add(node) else { return false };
        self.dial(now, key);
        true
    }

    /// A random id for a handshake entry.
    fn fresh_id(&mut self) -> Option<NodeId> {
        NodeId::parse(&self.rng.hex_id()).filter(|id| self.table.find(id).is_none())
    }

    /// The answer to our MEET or first PING: the entry gets the node's id, or goes if that is known already.
    ///
    /// Returns the node that is known from now on.
    pub(super) fn end_handshake(&mut self, now: Now, entry: NodeKey, header: &Header) -> Option<NodeKey> {
        if self.table.find(&header.sender).is_some() {
            self.forget_node(entry);
            return None;
        }
        self.table.rename(entry, header.sender);
        let node = self.table.node_mut(entry);
        node.created = now.instant;
        node.flags.remove(NodeFlags::HANDSHAKE.with(NodeFlags::MEET));
        let role = if header.primary.is_some() { NodeFlags::REPLICA } else { NodeFlags::PRIMARY };
        self.table.set_role(entry, role);
        self.log(LogLevel::Debug, format!("Handshake with node {} completed.", header.sender));
        self.announce_node(now.instant);
        self.save();
        Some(entry)
    }

    /// Another node answers at this address: ours is somewhere unknown.
    pub(super) fn lose_address(&mut self, key: NodeKey) {
        self.drop_outbound(key);
        let node = self.table.node_mut(key);
        node.flags.insert(NodeFlags::NOADDR);
        node.address = Address::default();
        self.save();
    }

    /// The address a message's sender is reached at, as far as it can be used.
    pub(super) fn address_in(&self, link: LinkId, header: &Header) -> Option<Address> {
        let ip = if header.ip.is_empty() { self.links.get(link)?.peer_ip } else { header.ip.parse() };
        let ip = ip.filter(|ip| !ip.is_unspecified())?;
        let usable = header.port != 0 && header.cport != 0;
        usable.then_some(Address { ip: Some(ip), port: header.port, pport: header.pport, cport: header.cport })
    }

    /// A known node speaks from another address than the stored one.
    pub(super) fn update_address(&mut self, key: NodeKey, address: Address) {
        if self.move_node(key, address) {
            let id = self.table.node(key).id;
            let ip = address.ip.map_or_else(String::new, |ip| ip.to_string());
            self.log(LogLevel::Warning, format!("Address updated for node {id}, now {ip}:{}", address.port));
        }
    }

    /// Stores where a node is now; whoever wants to talk to it dials anew. Returns whether that is another place.
    pub(super) fn move_node(&mut self, key: NodeKey, address: Address) -> bool {
        if self.table.node(key).address == address {
            return false;
        }
        self.drop_outbound(key);
        let node = self.table.node_mut(key);
        node.address = address;
        node.flags.remove(NodeFlags::NOADDR);
        self.save();
        self.point_at_primary(key);
        true
    }

    /// Tells the node around us where its primary is, when `key` is that primary.
    pub(super) fn point_at_primary(&mut self, key: NodeKey) {
        if self.table.myself().primary == Some(key) {
            let node = self.table.node(key);
            let (id, ip, port) = (node.id, node.address.ip, node.address.port);
            self.outputs.push_back(BusOutput::Replicate { id, ip, port });
        }
    }

    /// Learns this node's own address from the socket a peer reached it on, unless one is configured.
    pub(super) fn learn_own_address(&mut self, link: LinkId) {
        if self.config.announce_ip.is_some() {
            return;
        }
        let Some(ip) = self.links.get(link).and_then(|link| link.local_ip) else { return };
        if ip.is_unspecified() || self.table.myself().address.ip == Some(ip) {
            return;
        }
        self.table.myself_mut().address.ip = Some(ip);
        self.log(LogLevel::Warning, format!("IP address for this node updated to {ip}"));
        self.save();
    }

    /// Takes over ports, address, host name and options that this node's own entry shows.
    pub(super) fn adopt_config(&mut self) {
        let config = &self.config;
        let me = self.table.myself_mut();
        me.address = Address {
            ip: config.announce_ip.or(me.address.ip),
            port: config.port,
            pport: config.pport,
            cport: config.cport,
        };
        me.hostname.clear();
        if is_hostname(config.announce_hostname.as_bytes()) {
            me.hostname.push_str(&config.announce_hostname);
        }
        me.nodename.clear();
        if is_nodename(config.announce_nodename.as_bytes()) {
            me.nodename.push_str(&config.announce_nodename);
        }
        me.flags.set(NodeFlags::NOFAILOVER, config.replica_no_failover);
    }

    /// Opens the outbound link to a node that has none.
    pub(super) fn dial(&mut self, now: Now, key: NodeKey) {
        let node = self.table.node(key);
        let (Some(ip), port) = (node.address.ip, node.address.cport) else { return };
        let unusable = key == self.table.me || node.flags.has(NodeFlags::NOADDR) || port == 0;
        if unusable || node.outbound.is_some() {
            return;
        }
        let link = self.links.add(Link::outbound(now, key));
        let node = self.table.node_mut(key);
        node.outbound = Some(link);
        // The ping that follows counts from here: a node that refuses the connection does not answer either.
        node.ping_sent.get_or_insert(now);
        self.outputs.push_back(BusOutput::Dial { link, ip, port });
    }

    /// Closes the outbound link of a node; the next cron dials again.
    pub(super) fn drop_outbound(&mut self, key: NodeKey) {
        if let Some(link) = self.table.node(key).outbound {
            self.drop_link(link);
        }
    }

    /// Closes a link.
    pub(super) fn drop_link(&mut self, link: LinkId) {
        if self.forget_link(link) {
            self.outputs.push_back(BusOutput::Drop(link));
        }
    }

    /// Takes a link that is closed out of the tables. Returns whether it was there.
    pub(super) fn forget_link(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.remove(id) else { return false };
        if let Some(key) = link.node {
            let node = self.table.node_mut(key);
            match link.side {
                Side::Inbound if node.inbound == Some(id) => node.inbound = None,
                Side::Outbound if node.outbound == Some(id) => node.outbound = None,
                Side::Inbound | Side::Outbound => {}
            }
        }
        true
    }

    /// Notes that a known node speaks on an inbound link; an older one of the same node is closed.
    pub(super) fn bind_inbound(&mut self, id: LinkId, key: NodeKey) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.node.is_none()) else { return };
        link.node = Some(key);
        if let Some(older) = self.table.node_mut(key).inbound.replace(id) {
            self.drop_link(older);
        }
    }

    /// Takes a node out of the table, with its links.
    pub(super) fn forget_node(&mut self, key: NodeKey) {
        let node = self.table.node(key);
        for link in [node.outbound, node.inbound].into_iter().flatten() {
            self.drop_link(link);
        }
        if self.manual.replica() == Some(key) {
            self.reset_manual();
        }
        let lost_vote = self.table.node(key).is_voter();
        self.table.remove(key);
        self.todo.state |= lost_vote;
        self.lease.dirty = true;
    }

    /// Whether an address may be met: an address of a host, and ports that exist.
    pub(super) fn can_meet(ip: IpAddr, port: u16, cport: u16) -> bool {
        !ip.is_unspecified() && port != 0 && cport != 0
    }
}
