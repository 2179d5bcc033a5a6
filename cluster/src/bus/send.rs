//! Messages on their way out: the header every message carries, and who gets what.

use bytes::Bytes;
use slotmesh_engine::time::Now;

use super::Bus;
use super::codec::encode;
use super::link::Side;
use super::message::{
    Body, Extension, Header, Heartbeat, IpText, Message, MessageFlags, MessageKind, NodeFlags, NodeId, Ownership,
};
use super::output::{BusOutput, LinkId};
use crate::slots::{NodeKey, SlotBitmap};

impl Bus {
    /// The node whose slots and epoch this node's messages carry: its primary's, when it is a replica.
    pub(super) fn claim_source(&self) -> NodeKey {
        self.table.myself().primary.unwrap_or(self.table.me)
    }

    /// Sends the first message on a link that just opened.
    pub(super) fn greet(&mut self, now: Now, link: LinkId) {
        let Some(key) = self.links.get(link).and_then(|link| link.node) else { return };
        let node = self.table.node_mut(key);
        let kind = if node.flags.has(NodeFlags::MEET) { Heartbeat::Meet } else { Heartbeat::Ping };
        node.flags.remove(NodeFlags::MEET);
        self.ping(now, link, kind);
    }

    /// Sends a PING or MEET on an outbound link; the time of an older unanswered one is kept.
    pub(super) fn ping(&mut self, now: Now, link: LinkId, kind: Heartbeat) {
        let Some(open) = self.links.get_mut(link).filter(|link| link.connected) else { return };
        if open.side == Side::Outbound {
            open.ping_leaves(now.instant);
            if let Some(key) = open.node {
                self.table.node_mut(key).ping_sent.get_or_insert(now);
            }
        }
        self.send_heartbeat(now, link, kind);
    }

    /// Sends a PING to a node, if it is connected.
    pub(super) fn ping_node(&mut self, now: Now, key: NodeKey) {
        if let Some(link) = self.table.node(key).outbound {
            self.ping(now, link, Heartbeat::Ping);
        }
    }

    /// Sends a PONG as news to a node, if it is connected.
    pub(super) fn pong_node(&mut self, now: Now, key: NodeKey) {
        if let Some(link) = self.table.node(key).outbound {
            self.send_heartbeat(now, link, Heartbeat::Pong);
        }
    }

    /// Sends a PONG as news to every connected node.
    pub(super) fn pong_all(&mut self, now: Now) {
        for key in self.peers() {
            self.pong_node(now, key);
        }
    }

    /// Sends a heartbeat with its gossip and extensions on any link.
    pub(super) fn send_heartbeat(&mut self, now: Now, link: LinkId, kind: Heartbeat) {
        let gossip = self.pick_gossip(now);
        let extensions = self.extensions_for(link);
        let mut header = self.header();
        // Also without any: it tells that this node reads them, which Valkey waits for before it sends its own.
        header.mflags.insert(MessageFlags::EXT_DATA);
        let bytes = encode(&Message { header, body: Body::Heartbeat { kind, gossip, extensions } });
        self.send_bytes(link, kind.kind(), Bytes::from(bytes));
    }

    /// What a heartbeat tells of this node. Those who know only Redis 7.0's extension get no other.
    fn extensions_for(&self, link: LinkId) -> Vec<Extension> {
        let me = self.table.myself();
        let named = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        let mut extensions: Vec<Extension> = named(&me.hostname).map(Extension::Hostname).into_iter().collect();
        let peer = self.links.get(link).and_then(|link| link.node);
        if peer.is_some_and(|key| self.table.node(key).is_extended) {
            extensions.extend(named(&me.nodename).map(Extension::Nodename));
            extensions.push(Extension::ShardId(me.shard));
        }
        extensions
    }

    /// Sends what is known of a primary's slots.
    pub(super) fn send_update(&mut self, link: LinkId, owner: NodeKey) {
        let node = self.table.node(owner);
        let slots: SlotBitmap = node.slots.iter().filter(|slot| !self.table.slots.is_unclaimed(*slot)).collect();
        let ownership = Ownership { config_epoch: node.config_epoch, id: node.id, slots };
        self.send_body(link, MessageKind::Update, Body::Update(ownership));
    }

    /// Sends a message other than a heartbeat on a link.
    pub(super) fn send_body(&mut self, link: LinkId, kind: MessageKind, body: Body<'_>) {
        let bytes = Bytes::from(encode(&Message { header: self.header(), body }));
        self.send_bytes(link, kind, bytes);
    }

    /// Sends a message other than a heartbeat to a node, if it is connected.
    pub(super) fn send_node(&mut self, key: NodeKey, kind: MessageKind, body: Body<'_>) {
        if let Some(link) = self.table.node(key).outbound {
            self.send_body(link, kind, body);
        }
    }

    /// Sends one message to every connected node; the bytes are shared. Returns how many got it.
    pub(super) fn broadcast(&mut self, kind: MessageKind, mflags: MessageFlags, body: Body<'_>) -> usize {
        let peers = self.peers();
        self.send_many(&peers, kind, mflags, body)
    }

    /// Sends one message to those of `nodes` that are connected; the bytes are shared. Returns how many got it.
    pub(super) fn send_many(
        &mut self,
        nodes: &[NodeKey],
        kind: MessageKind,
        mflags: MessageFlags,
        body: Body<'_>,
    ) -> usize {
        let links: Vec<LinkId> = nodes.iter().filter_map(|&key| self.table.node(key).outbound).collect();
        if links.is_empty() {
            return 0;
        }
        let mut header = self.header();
        header.mflags.insert(mflags);
        let bytes = Bytes::from(encode(&Message { header, body }));
        links.into_iter().filter(|&link| self.send_bytes(link, kind, bytes.clone())).count()
    }

    /// Every node but this one and those in handshake.
    pub(super) fn peers(&self) -> Vec<NodeKey> {
        let me = self.table.me;
        self.table.iter().filter(|(key, node)| *key != me && !node.is_handshake()).map(|(key, _)| key).collect()
    }

    fn send_bytes(&mut self, link: LinkId, kind: MessageKind, bytes: Bytes) -> bool {
        if !self.links.get(link).is_some_and(|link| link.connected) {
            return false;
        }
        let votes = matches!(kind, MessageKind::AuthAck | MessageKind::AuthRequest);
        let after_sync = votes || self.saving.durable < self.saving.claimed;
        self.counters.sent[usize::from(kind.wire())] += 1;
        self.outputs.push_back(BusOutput::Send { link, bytes, after_sync });
        true
    }

    fn header(&self) -> Header {
        let me = self.table.myself();
        let source = self.table.node(self.claim_source());
        let mut mflags = MessageFlags::default();
        if me.is_primary() && self.manual.is_running() {
            mflags.insert(MessageFlags::PAUSED);
        }
        Header {
            port: self.config.port,
            current_epoch: self.current_epoch,
            config_epoch: source.config_epoch,
            offset: self.facts.offset,
            sender: me.id,
            slots: source.slots.clone(),
            primary: me.primary.map(|key| self.table.node(key).id),
            ip: IpText::new(self.config.announce_ip),
            pport: self.config.pport,
            cport: self.config.cport,
            flags: me.flags,
            state: u8::from(!self.state.ok),
            mflags,
        }
    }

    /// This node's name.
    pub fn my_id(&self) -> NodeId {
        self.table.myself().id
    }
}
