//! The messages of the cluster bus (clusterMsg version 1) as values.
//!
//! Lives here: node ids, flags, the header, the bodies of all message types and the ping extensions. What does not:
//! their bytes (see [`codec`](super::codec)) and what a node does about them. Start at [`Message`].

use std::fmt;
use std::net::IpAddr;

use crate::slots::SlotBitmap;

/// Length of a node id in characters and bytes.
pub const ID_BYTES: usize = 40;

/// A node's name for life: 40 lower-case hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; ID_BYTES]);

impl NodeId {
    /// The id these characters are, or nothing when they are not 40 lower-case hexadecimal digits.
    ///
    /// Redis looks ids up among `[a-z0-9]` and takes any bytes from the wire; every implementation makes hexadecimal
    /// ones, so that anything else is a damaged or hostile message.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let id: [u8; ID_BYTES] = text.try_into().ok()?;
        id.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(id))
    }

    /// The shard id of a node that never told one: the same on every node that works it out.
    ///
    /// Redis 7.2 draws one at random for each node; nodes of older versions, which know no shards, would then be in
    /// another shard on every other node.
    pub(super) fn own_shard(&self) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // FNV-1a; what remains of it after each digit goes on into the next.
        let mut sum = self.0.iter().fold(FNV_BASIS, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
        let mut shard = [b'0'; ID_BYTES];
        for (digit, byte) in shard.iter_mut().zip(self.0) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
            *digit = DIGITS[(sum >> 60) as usize];
        }
        Self(shard)
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    /// The characters as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a node is, in the bits of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeFlags(pub u16);

impl NodeFlags {
    /// No flag at all.
    pub const NONE: Self = Self(0);
    /// A primary (`master`).
    pub const PRIMARY: Self = Self(1);
    /// A replica (`slave`).
    pub const REPLICA: Self = Self(2);
    /// One node suspects it to be down.
    pub const PFAIL: Self = Self(4);
    /// The majority agreed that it is down.
    pub const FAIL: Self = Self(8);
    /// The node whose table or message this is.
    pub const MYSELF: Self = Self(16);
    /// Its real id is not known yet.
    pub const HANDSHAKE: Self = Self(32);
    /// Its address is not known.
    pub const NOADDR: Self = Self(64);
    /// The first message to it must be a MEET.
    pub const MEET: Self = Self(128);
    /// A primary that a spare replica may move to.
    pub const MIGRATE_TO: Self = Self(256);
    /// A replica that starts no election by itself.
    pub const NOFAILOVER: Self = Self(512);
    /// Every bit above; others are dropped from what arrives.
    pub const KNOWN: Self = Self(1023);

    /// Whether any bit of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These flags and `other`.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags except those of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// These flags as far as they are in `other`.
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Sets the bits of `other`.
    pub fn insert(&mut self, other: Self) {
        *self = self.with(other);
    }

    /// Clears the bits of `other`.
    pub fn remove(&mut self, other: Self) {
        *self = self.without(other);
    }

    /// Sets or clears the bits of `other`.
    pub fn set(&mut self, other: Self, on: bool) {
        *self = if on { self.with(other) } else { self.without(other) };
    }
}

/// As in CLUSTER NODES: a comma list in Redis's order, or `noflags`.
impl fmt::Display for NodeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (flag, name) in FLAG_NAMES {
            if self.has(flag) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        if separator.is_empty() { f.write_str("noflags") } else { Ok(()) }
    }
}

/// The printed flags with their names, in the order they are printed.
pub(super) const FLAG_NAMES: [(NodeFlags, &str); 8] = [
    (NodeFlags::MYSELF, "myself"),
    (NodeFlags::PRIMARY, "master"),
    (NodeFlags::REPLICA, "slave"),
    (NodeFlags::PFAIL, "fail?"),
    (NodeFlags::FAIL, "fail"),
    (NodeFlags::HANDSHAKE, "handshake"),
    (NodeFlags::NOADDR, "noaddr"),
    (NodeFlags::NOFAILOVER, "nofailover"),
];

/// The header's message flags (first byte; the other two are always zero).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageFlags(pub u8);

impl MessageFlags {
    /// A primary whose writes are paused for a manual failover.
    pub const PAUSED: Self = Self(1);
    /// A vote request that a voter grants although the primary is up.
    pub const FORCE_ACK: Self = Self(2);
    /// Extensions follow the gossip entries (or, with none, the sender understands them).
    pub const EXT_DATA: Self = Self(4);

    /// Whether any bit of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets the bits of `other`.
    pub fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The types of message, numbered as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum MessageKind {
    /// Heartbeat that asks for an answer.
    Ping = 0,
    /// Answer to a PING or MEET, or news sent to everybody.
    Pong = 1,
    /// A PING that introduces its sender.
    Meet = 2,
    /// A node is down by majority.
    Fail = 3,
    /// A message for the subscribers of a channel.
    Publish = 4,
    /// A replica asks for a vote.
    AuthRequest = 5,
    /// A vote.
    AuthAck = 6,
    /// The newer owner of slots the receiver claimed.
    Update = 7,
    /// A replica asks its primary to pause for a manual failover.
    MfStart = 8,
    /// A message between modules.
    Module = 9,
    /// A message for the subscribers of a shard channel.
    PublishShard = 10,
}

impl MessageKind {
    /// All types in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Ping,
        Self::Pong,
        Self::Meet,
        Self::Fail,
        Self::Publish,
        Self::AuthRequest,
        Self::AuthAck,
        Self::Update,
        Self::MfStart,
        Self::Module,
        Self::PublishShard,
    ];

    /// The type with this number.
    pub fn from_wire(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The number on the wire.
    pub const fn wire(self) -> u16 {
        self as u16
    }

    /// The name in CLUSTER INFO's message counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Meet => "meet",
            Self::Fail => "fail",
            Self::Publish => "publish",
            Self::AuthRequest => "auth-req",
            Self::AuthAck => "auth-ack",
            Self::Update => "update",
            Self::MfStart => "mfstart",
            Self::Module => "module",
            Self::PublishShard => "publishshard",
        }
    }
}

/// An IP address as the wire carries it: up to 45 characters, zero padded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IpText(pub [u8; Self::BYTES]);

impl IpText {
    /// Length of the field.
    pub const BYTES: usize = 46;
    /// No address given.
    pub const EMPTY: Self = Self([0; Self::BYTES]);

    /// The wire form of an address; [`IpText::EMPTY`] for none.
    pub fn new(ip: Option<IpAddr>) -> Self {
        let mut field = [0; Self::BYTES];
        if let Some(ip) = ip {
            let text = ip.to_string();
            // The longest text of an address has 45 characters, so that a zero always ends it.
            let len = text.len().min(Self::BYTES - 1);
            field[..len].copy_from_slice(&text.as_bytes()[..len]);
        }
        Self(field)
    }

    /// Whether no address is given.
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// The address, or nothing when the text is not one.
    pub fn parse(&self) -> Option<IpAddr> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&self.0[..end]).ok()?.parse().ok()
    }
}

impl fmt::Debug for IpText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// What every message says about its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The sender's client port.
    pub port: u16,
    /// The newest epoch the sender knows.
    pub current_epoch: u64,
    /// The version of the sender's slots (of its primary's, when it is a replica).
    pub config_epoch: u64,
    /// The sender's replication offset.
    pub offset: u64,
    /// Who sends.
    pub sender: NodeId,
    /// The slots of the sender (of its primary, when it is a replica).
    pub slots: SlotBitmap,
    /// The sender's primary, when it is a replica.
    pub primary: Option<NodeId>,
    /// The address the sender announces; empty means the address it connects from.
    pub ip: IpText,
    /// The plaintext client port, when `port` is a TLS port.
    pub pport: u16,
    /// The sender's bus port.
    pub cport: u16,
    /// What the sender is.
    pub flags: NodeFlags,
    /// The sender's view of the cluster: 0 ok, 1 fail; it decides between two equal claims on a slot.
    pub state: u8,
    /// Flags of this message.
    pub mflags: MessageFlags,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who sends, and what it claims.
    pub header: Header,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message says, by type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// PING, PONG and MEET.
    Heartbeat {
        /// Which of the three.
        kind: Heartbeat,
        /// What the sender tells of other nodes.
        gossip: Vec<Gossip>,
        /// What the sender tells of itself beyond the header.
        extensions: Vec<Extension>,
    },
    /// This node is down by majority.
    Fail(NodeId),
    /// A message for subscribers.
    Publish(Publication<'a>),
    /// A request for a vote.
    AuthRequest,
    /// A vote.
    AuthAck,
    /// What the sender knows of the owner of slots the receiver claimed.
    Update(Ownership),
    /// A request to pause writes.
    MfStart,
    /// A message between modules; understood and ignored.
    Module {
        /// The module's number, in the byte order of its host.
        module: [u8; 8],
        /// The module's own message type.
        kind: u8,
        /// The module's bytes.
        payload: &'a [u8],
    },
}

/// The three heartbeat messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// Introduces the sender and asks for an answer.
    Meet,
    /// Asks for an answer.
    Ping,
    /// Answers.
    Pong,
}

impl Heartbeat {
    /// The message type.
    pub const fn kind(self) -> MessageKind {
        match self {
            Self::Meet => MessageKind::Meet,
            Self::Ping => MessageKind::Ping,
            Self::Pong => MessageKind::Pong,
        }
    }
}

/// A published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication<'a> {
    /// Whether the channel belongs to a slot.
    pub scope: ChannelScope,
    /// The channel's name.
    pub channel: &'a [u8],
    /// The message.
    pub message: &'a [u8],
}

/// The two kinds of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelScope {
    /// PUBLISH: every node's subscribers.
    Cluster,
    /// SPUBLISH: the subscribers in the shard that owns the channel's slot.
    Shard,
}

/// Which slots a primary owns at which epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The version of the claim.
    pub config_epoch: u64,
    /// The primary.
    pub id: NodeId,
    /// Its slots.
    pub slots: SlotBitmap,
}

/// What a heartbeat tells of a third node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gossip {
    /// The node.
    pub id: NodeId,
    /// When the sender last pinged it without an answer so far, in seconds since 1970; 0 for no ping pending.
    pub ping_sent_secs: u32,
    /// When it last answered the sender, in seconds since 1970.
    pub pong_received_secs: u32,
    /// Its address.
    pub ip: IpText,
    /// Its client port.
    pub port: u16,
    /// Its bus port.
    pub cport: u16,
    /// What the sender thinks it is.
    pub flags: NodeFlags,
    /// Its plaintext client port, when `port` is a TLS port.
    pub pport: u16,
}

/// What a heartbeat tells of its sender beyond the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// The announced host name.
    Hostname(String),
    /// The announced human name (7.2).
    Nodename(String),
    /// A node that was forgotten here and must stay so (7.2).
    Forgotten {
        /// The node.
        id: NodeId,
        /// For how long, in seconds.
        ttl_secs: u64,
    },
    /// The shard the sender belongs to (7.2).
    ShardId(NodeId),
    /// A record of another type, or one whose content is not valid; skipped.
    Other {
        /// The record's type.
        kind: u16,
        /// The padded content.
        payload: Vec<u8>,
    },
}

/// Whether `name` may be announced as a host name: at most 255 of letters, digits, `-` and `.`.
pub fn is_hostname(name: &[u8]) -> bool {
    name.len() <= HOSTNAME_BYTES_MAX
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// Whether `name` may be announced as a human readable name: at most 255 printable ASCII characters that mean nothing
/// in nodes.conf (the same that Valkey 9 takes).
pub fn is_nodename(name: &[u8]) -> bool {
    name.len() <= HOSTNAME_BYTES_MAX
        && name.iter().all(|byte| byte.is_ascii_graphic() && !b"!\"#$%&'()*+,;<=>?@[\\]^{|}~".contains(byte))
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// Longest host name, in bytes (`cluster-announce-hostname`; RFC 1035 has the same limit).
pub const HOSTNAME_BYTES_MAX: usize = 255;
