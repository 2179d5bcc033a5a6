//! The bus inside the node: feeding it connections, bytes and time, and carrying out what it asks.

use bytes::Bytes;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::resp::outbuf::Ticket;
use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Now;

use super::Node;
use super::conns::Kind;
use crate::bus::{BusOutput, ChannelScope, Facts, LinkBytes, LinkId, PrimaryLink};
use crate::machine::{ConnId, Effect, Endpoint, Peer, Target};
use crate::slots::SlotBitmap;

impl Node {
    /// Takes a connection another node opened.
    pub(super) fn accept_link(&mut self, now: Now, peer: &Peer) -> ConnId {
        let link = match (&mut self.bus, peer) {
            (Some(bus), Peer::Tcp { remote, local }) => bus.accepted(now, remote.ip(), local.ip()),
            _ => None,
        };
        match link {
            Some(link) => self.conns.open(Kind::Link(link)),
            None => self.refuse_connection(Vec::new()),
        }
    }

    pub(super) fn link_connected(&mut self, now: Now, link: LinkId, peer: &Peer) {
        if let (Some(bus), Peer::Tcp { local, .. }) = (&mut self.bus, peer) {
            bus.connected(now, link, local.ip());
        }
    }

    pub(super) fn link_closed(&mut self, now: Now, link: LinkId) {
        if let Some(bus) = &mut self.bus {
            bus.closed(now, link);
        }
    }

    pub(super) fn read_link(&mut self, now: Now, link: LinkId, bytes: &[u8]) {
        let facts = self.facts();
        if let Some(bus) = &mut self.bus {
            bus.received(now, link, bytes, &facts);
        }
    }

    pub(super) fn tick_bus(&mut self, now: Now) {
        let facts = self.facts();
        let Some(mut bus) = self.bus.take() else { return };
        if bus.deadline() <= now.instant {
            bus.tick(now, &facts, &|link| self.link_bytes(link));
        }
        self.bus = Some(bus);
    }

    pub(super) fn link_bytes(&self, link: LinkId) -> LinkBytes {
        let conn = self.conns.of_link(link).and_then(|conn| self.conns.get(conn));
        conn.map_or_else(LinkBytes::default, |conn| LinkBytes { allocated: conn.out.allocated(), used: conn.out.len() })
    }

    /// What the bus must know of the rest of the node.
    pub(super) fn facts(&self) -> Facts {
        if !self.is_replica() {
            return Facts { offset: self.replication.log.offset().0, ..Facts::default() };
        }
        Facts { offset: self.replication.log.offset().0, primary_link: self.primary_link_facts() }
    }

    /// Carries out one wish of the bus. Returns whether there was one.
    pub(super) fn step_bus(&mut self, now: Now) -> bool {
        let Some(output) = self.bus.as_mut().and_then(crate::bus::Bus::poll) else { return false };
        match output {
            BusOutput::BecomePrimary => self.become_primary(now),
            BusOutput::Drop(link) => self.drop_link(link),
            BusOutput::Dial { link, ip, port } => {
                let conn = self.conns.open(Kind::Link(link));
                let target = Target { host: ip.to_string(), port, source: self.bind_source() };
                self.effects.push_back(Effect::Dial(conn, target, Endpoint::Bus));
            }
            BusOutput::FlushData => {
                self.cancel_snapshots(now);
                self.engine.flush_all();
                self.dataset_replaced(now);
            }
            BusOutput::Log(level, text) => self.log(level, text),
            BusOutput::Publish { scope, channel, message } => self.publish_from_bus(scope, &channel, &message),
            BusOutput::PauseWrites(until) => self.pause.begin_by_failover(until),
            BusOutput::Replicate { id: _, ip, port } => {
                self.follow_cluster_primary(now, ip.map(|ip| ip.to_string()), port);
            }
            BusOutput::SaveConfig { sync, version } => self.save_cluster_config(now, sync, version),
            BusOutput::Send { link, bytes, after_sync } => self.send_link(link, bytes, after_sync),
            BusOutput::SlotsLost { ranges, delete_keys } => {
                self.slots_lost(&ranges, delete_keys);
                self.redirect_blocked(now);
            }
            BusOutput::StateChanged(_) => self.redirect_blocked(now),
            BusOutput::UnpauseWrites => {
                self.pause.end_by_failover();
                self.resume_paused(now);
            }
        }
        true
    }

    fn drop_link(&mut self, link: LinkId) {
        let Some(conn) = self.conns.of_link(link) else { return };
        if let Some(mut closed) = self.conns.close(conn) {
            let mut rest = Vec::new();
            closed.out.take_into(&mut rest);
            self.effects.push_back(Effect::Close(conn, rest));
        }
    }

    /// Puts a message into a link's buffer; one that speaks of state not yet on disk is held back until it is.
    fn send_link(&mut self, link: LinkId, bytes: Bytes, after_sync: bool) {
        let Some(conn) = self.conns.of_link(link) else { return };
        let waits_for = if after_sync { self.persistence.cluster_config_ticket() } else { None };
        let out = self.conns.own_out(conn);
        if let Some(ticket) = waits_for {
            let from = out.position();
            out.hold(from, ticket);
        }
        out.put_shared(bytes);
        let waiting = out.len();
        self.effects.push_back(Effect::Flush(conn));
        if waiting > STRANGER_OUT_BYTES_MAX && self.bus.as_ref().is_some_and(|bus| bus.is_stranger(link)) {
            self.drop_deaf_stranger(link);
        }
    }

    /// Ends the connection of somebody unknown who asks and does not read the answers. What a known node lets wait is
    /// the operator's to bound (`cluster-link-sendbuf-limit`).
    fn drop_deaf_stranger(&mut self, link: LinkId) {
        self.log_warning("Freeing a cluster link of an unknown node that does not read");
        let now = self.last_now;
        self.link_closed(now, link);
        if let Some(mut closed) = self.conns.of_link(link).and_then(|conn| self.conns.close(conn)) {
            closed.out.clear();
            self.effects.push_back(Effect::Close(closed.id, Vec::new()));
        }
    }

    /// Shows what was held back for a ticket.
    pub(super) fn release_links(&mut self, ticket: Ticket) {
        for conn in self.conns.release_holds(ticket) {
            self.effects.push_back(Effect::Flush(conn));
        }
    }

    fn publish_from_bus(&mut self, scope: ChannelScope, channel: &[u8], message: &[u8]) {
        let pubsub = &mut self.engine.core_mut().pubsub;
        match scope {
            ChannelScope::Cluster => pubsub.publish(channel, message),
            ChannelScope::Shard => pubsub.publish_shard(channel, message),
        };
        self.engine.deliver();
    }

    /// Sends what was published here to the other nodes. Returns whether there was anything.
    pub(super) fn step_broadcasts(&mut self) -> bool {
        let broadcasts = self.engine.take_broadcasts();
        let any = !broadcasts.is_empty();
        let Some(bus) = &mut self.bus else { return false };
        for message in broadcasts {
            let scope = if message.sharded { ChannelScope::Shard } else { ChannelScope::Cluster };
            bus.publish(scope, &message.channel, &message.payload);
        }
        any
    }

    /// Tells shard subscribers that their slots moved, and removes keys that are no longer ours.
    fn slots_lost(&mut self, ranges: &[crate::slots::SlotRange], delete_keys: bool) {
        let lost: SlotBitmap = ranges.iter().flat_map(|range| range.slots()).collect();
        self.engine.drop_shard_channels(|slot| lost.contains(slot));
        let error = ReplyError::Fixed("ERR The keys' slot is no longer ours; they were not removed here");
        self.recall_errands(|key| lost.contains(Slot::of_key(key)), &error);
        if delete_keys {
            lost.iter().for_each(|slot| self.engine.delete_slot(slot));
        }
    }

    /// How the link to the primary stands, for elections.
    fn primary_link_facts(&self) -> PrimaryLink {
        let Some(link) = &self.replication.link else { return PrimaryLink::Never };
        match (link.last_contact(), link.down_since()) {
            (Some(at), _) => PrimaryLink::Up(at),
            (None, Some(since)) => PrimaryLink::Down(since),
            (None, None) => PrimaryLink::Never,
        }
    }

    /// The local address to dial from, when one is configured.
    pub(super) fn bind_source(&self) -> Option<String> {
        Some(self.engine.core().config.bind_source_addr.clone()).filter(|address| !address.is_empty())
    }
}

/// Bytes that may wait for a bus peer nobody knows: a handshake takes one answer of a few kilobytes.
const STRANGER_OUT_BYTES_MAX: usize = 1 << 20;
