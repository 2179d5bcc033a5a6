//! Messages on their way in: who sent them, what they change, in the order of Redis.

use slotmesh_engine::time::Now;

use super::Bus;
use super::codec::{DecodeError, FrameError, MESSAGE_BYTES_MAX, STRANGER_MESSAGE_BYTES_MAX, decode, kind_of};
use super::link::Side;
use super::message::{Body, Extension, Gossip, Header, Heartbeat, MessageFlags, MessageKind, NodeFlags, NodeId};
use super::output::LinkId;
use super::table::Origin;
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// Longest time a gossiped FORGET is obeyed, in seconds: a day.
const FORGOTTEN_SECS_MAX: u64 = 24 * 60 * 60;

impl Bus {
    /// Reads what arrived on a link, message by message.
    pub(super) fn read(&mut self, now: Now, link: LinkId, bytes: &[u8]) {
        let Some(open) = self.links.get_mut(link) else { return };
        let mut framer = std::mem::take(&mut open.framer);
        let mut input = bytes;
        let mut scratch = Vec::new();
        // Ends with the input: each round takes a message from it or all of it.
        loop {
            let Some(limit) = self.message_limit(link) else { return };
            match framer.next(&mut input, limit, &mut scratch) {
                Ok(Some(message)) => self.take_message(now, link, message),
                Ok(None) => break,
                Err(error) => return self.drop_garbage(link, error),
            }
        }
        if let Some(open) = self.links.get_mut(link) {
            open.framer = framer;
        }
    }

    /// The longest message a link may carry; nothing when it was dropped meanwhile.
    fn message_limit(&self, link: LinkId) -> Option<usize> {
        let node = self.links.get(link)?.node;
        let known = node.is_some_and(|key| !self.table.node(key).is_handshake());
        Some(if known { MESSAGE_BYTES_MAX } else { STRANGER_MESSAGE_BYTES_MAX })
    }

    fn drop_garbage(&mut self, link: LinkId, error: FrameError) {
        let (FrameError::Length | FrameError::Signature) = error;
        self.log(LogLevel::Warning, "Bad message length or signature received from Cluster bus.".to_owned());
        self.drop_link(link);
    }

    fn take_message(&mut self, now: Now, link: LinkId, bytes: &[u8]) {
        if let Some(kind) = kind_of(bytes) {
            self.counters.received[usize::from(kind.wire())] += 1;
            if self.dropped_kind == Some(kind.wire()) {
                return;
            }
        }
        let message = match decode(bytes) {
            Ok(message) => message,
            Err(error) => return self.log_undecodable(error),
        };
        let Ok(sender) = self.sender_of(link, &message.header) else { return };
        if let Some(sender) = sender {
            self.hear_header(now, link, sender, &message.header);
        }
        let header = &message.header;
        match (message.body, sender) {
            (Body::Heartbeat { kind, gossip, extensions }, _) => {
                self.take_heartbeat(now, link, sender, header, &Beat { kind, gossip, extensions });
            }
            // Anything else from a node that is not known is ignored.
            (_, None) | (Body::Module { .. }, Some(_)) => {}
            (Body::Fail(id), Some(sender)) => self.hear_fail(now, sender, &id),
            (Body::Publish(publication), Some(_)) => self.hear_publication(&publication),
            (Body::AuthRequest, Some(sender)) => self.consider_vote(now, sender, header),
            (Body::AuthAck, Some(sender)) => self.count_vote(sender, header),
            (Body::Update(ownership), Some(sender)) => self.hear_update(now, sender, &ownership),
            (Body::MfStart, Some(sender)) => self.begin_manual_as_primary(now, link, sender),
        }
    }

    fn log_undecodable(&mut self, error: DecodeError) {
        let text = match error {
            DecodeError::Version(_) => return,
            DecodeError::Epoch => "Received packet with an epoch out of range".to_owned(),
            DecodeError::Id => "Received packet with an invalid node id".to_owned(),
            DecodeError::Length { kind, actual, expected } => {
                format!("Received invalid {} packet of length {actual} but expected length {expected}", kind.name())
            }
            DecodeError::Padding { len } => format!("Received a ping packet without proper padding ({len} bytes)"),
            DecodeError::Type(number) => format!("Received unknown packet type: {number}"),
        };
        self.log(LogLevel::Warning, text);
    }

    /// The known node a message is from; `Err` when the link had to be dropped or the message must be ignored.
    fn sender_of(&mut self, link: LinkId, header: &Header) -> Result<Option<NodeKey>, Ignored> {
        let open = self.links.get(link).ok_or(Ignored)?;
        let side = open.side;
        let named = self.table.find(&header.sender).filter(|key| !self.table.node(*key).is_handshake());
        let bound = open.node.filter(|key| !self.table.node(*key).is_handshake());
        match (bound, side) {
            (Some(bound), _) if Some(bound) == named => {}
            (Some(_), Side::Inbound) => {
                self.drop_link(link);
                return Err(Ignored);
            }
            // The address belongs to another node now; only a PONG proves it, see `take_heartbeat`.
            (Some(_), Side::Outbound) => return Ok(None),
            (None, _) => {}
        }
        // This node's own id: a connection to itself, or a node started from a copy of its nodes.conf.
        Ok(named.filter(|key| *key != self.table.me))
    }

    /// What any message of a known node tells.
    fn hear_header(&mut self, now: Now, link: LinkId, sender: NodeKey, header: &Header) {
        self.bind_inbound(link, sender);
        if header.current_epoch > self.current_epoch {
            self.current_epoch = header.current_epoch;
            self.lease.note_raise(now.instant);
            // An old epoch in nodes.conf would make a restarted primary wait for an election that is long over.
            self.save();
        }
        let node = self.table.node_mut(sender);
        node.data_received = Some(now.instant);
        node.offset = header.offset;
        // A replica's header has its primary's epoch, which is none of its own.
        if header.primary.is_none() && header.config_epoch > node.config_epoch {
            node.config_epoch = header.config_epoch;
            self.save_sync();
        }
        if header.mflags.has(MessageFlags::PAUSED) {
            self.hear_paused(sender, header.offset);
        }
    }

    fn take_heartbeat(&mut self, now: Now, link: LinkId, sender: Option<NodeKey>, header: &Header, beat: &Beat) {
        if beat.kind != Heartbeat::Pong {
            self.answer(now, link, sender, header, beat.kind);
        }
        let Some(open) = self.links.get(link) else { return };
        let side = open.side;
        let expected = open.node.filter(|_| side == Side::Outbound);
        let mut sender = sender;
        if let Some(expected) = expected.filter(|_| beat.kind == Heartbeat::Pong) {
            if self.table.node(expected).is_handshake() {
                sender = self.end_handshake(now, expected, header);
            } else if sender != Some(expected) {
                return self.lose_address(expected);
            }
        }
        let Some(sender) = sender else { return };
        let node = self.table.node_mut(sender);
        node.flags.set(NodeFlags::NOFAILOVER, header.flags.has(NodeFlags::NOFAILOVER));
        if beat.kind == Heartbeat::Ping
            && side == Side::Inbound
            && let Some(address) = self.address_in(link, header)
        {
            self.update_address(sender, address);
        }
        if beat.kind == Heartbeat::Pong && side == Side::Outbound {
            self.hear_pong(now, link, sender);
        }
        self.hear_role(now, sender, header);
        self.hear_slots(now, link, sender, header);
        self.resolve_collision(sender, header);
        self.take_gossip(now, sender, &beat.gossip);
        self.hear_extensions(now, sender, header, &beat.extensions);
    }

    fn answer(&mut self, now: Now, link: LinkId, sender: Option<NodeKey>, header: &Header, kind: Heartbeat) {
        if kind == Heartbeat::Meet || self.myself().address.ip.is_none() {
            self.learn_own_address(link);
        }
        let stranger = sender.is_none() && header.sender != self.my_id();
        if stranger
            && kind == Heartbeat::Meet
            && let Some(address) = self.address_in(link, header)
            && self.begin_handshake(now, address, NodeFlags::NONE)
        {
            self.save();
        }
        if let Some(sender) = sender {
            self.correct_before_answer(link, sender, header);
        }
        self.send_heartbeat(now, link, Heartbeat::Pong);
    }

    fn hear_pong(&mut self, now: Now, link: LinkId, sender: NodeKey) {
        let sent = self.links.get_mut(link).and_then(|link| link.pong_arrives());
        let node = self.table.node_mut(sender);
        node.pong_received = Some(now);
        node.ping_sent = None;
        if let Some(sent) = sent {
            node.contact = node.contact.max(Some(sent));
            self.lease.dirty = true;
        }
        self.hear_from_suspect(now.instant, sender);
    }

    fn hear_extensions(&mut self, now: Now, sender: NodeKey, header: &Header, extensions: &[Extension]) {
        let mut hostname = "";
        let mut nodename = "";
        let mut shard = None;
        let mut forgotten: Vec<(NodeId, u64)> = Vec::new();
        for extension in extensions {
            match extension {
                Extension::Hostname(name) => hostname = name,
                Extension::Forgotten { id, ttl_secs } => forgotten.push((*id, *ttl_secs)),
                Extension::Nodename(name) => nodename = name,
                Extension::ShardId(id) => shard = Some(*id),
                Extension::Other { .. } => {}
            }
        }
        let node = self.table.node_mut(sender);
        let newer = |extension: &Extension| !matches!(extension, Extension::Hostname(_));
        let told = header.mflags.has(MessageFlags::EXT_DATA);
        node.is_extended |= told && (extensions.is_empty() || extensions.iter().any(newer));
        // No name in a message means that there is none any more. Nobody is told a human name before it showed that
        // it reads one, so that silence means nothing ahead of the first shard id.
        let renamed = shard.is_some() && node.nodename != nodename;
        if renamed {
            nodename.clone_into(&mut node.nodename);
        }
        if node.hostname != hostname {
            hostname.clone_into(&mut node.hostname);
            self.save();
        }
        let moved = shard.is_some_and(|shard| self.table.set_shard(sender, shard));
        if renamed || moved {
            self.save();
        }
        for (id, secs) in forgotten {
            let Some(key) = self.table.find(&id) else { continue };
            if key == self.table.me || key == sender || self.myself().primary == Some(key) {
                continue;
            }
            self.blacklist.add(now.instant, id, secs.min(FORGOTTEN_SECS_MAX), Origin::Gossip);
            self.forget_node(key);
            self.save();
        }
    }
}

/// The parts of a heartbeat.
struct Beat {
    kind: Heartbeat,
    gossip: Vec<Gossip>,
    extensions: Vec<Extension>,
}

/// The message has no effect.
struct Ignored;

/// The counters' types, for CLUSTER INFO.
pub(super) fn counted_kinds() -> impl Iterator<Item = (usize, MessageKind)> {
    MessageKind::ALL.into_iter().enumerate()
}
