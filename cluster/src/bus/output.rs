//! What the bus asks of the node around it, and what it must be told.
//!
//! Start at [`BusOutput`]; [`Facts`] is the other direction.

use std::net::IpAddr;

use bytes::Bytes;
use slotmesh_engine::time::Instant;

use super::message::{ChannelScope, NodeId};
use crate::machine::LogLevel;
use crate::slots::SlotRange;

/// The name of a bus connection, given out by the bus: a small index and a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// Place in the bus's table.
    pub index: u32,
    /// How often the place has been used before.
    pub generation: u32,
}

/// Something the node must do, in the order it must happen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusOutput {
    /// Stop replicating, keep the data and serve it as a primary.
    BecomePrimary,
    /// Close a connection; its name is free and nothing more is told of it.
    Drop(LinkId),
    /// Open a connection; the answer is `connected` or `closed`.
    Dial {
        /// The connection's name.
        link: LinkId,
        /// Where to.
        ip: IpAddr,
        /// The peer's bus port.
        port: u16,
    },
    /// Delete all data of this node (CLUSTER RESET on a replica).
    FlushData,
    /// Write a log line.
    Log(LogLevel, String),
    /// Hand a message from the bus to local subscribers.
    Publish {
        /// Whether the channel belongs to a slot.
        scope: ChannelScope,
        /// The channel.
        channel: Bytes,
        /// The message.
        message: Bytes,
    },
    /// Hold back writing clients until then, or until [`BusOutput::UnpauseWrites`]: a manual failover.
    PauseWrites(Instant),
    /// Replicate from this node from now on; also told when the address of the primary changed.
    Replicate {
        /// The primary.
        id: NodeId,
        /// Its address, if it is known.
        ip: Option<IpAddr>,
        /// Its client port.
        port: u16,
    },
    /// Replace nodes.conf by [`Bus::config_text`](super::Bus::config_text).
    SaveConfig {
        /// Whether it must survive a crash: answer with [`Bus::config_synced`](super::Bus::config_synced).
        sync: bool,
        /// The state to save; the text of a later call covers it.
        version: u64,
    },
    /// Send bytes on a connection.
    Send {
        /// The connection.
        link: LinkId,
        /// One message.
        bytes: Bytes,
        /// Whether the bytes may leave only when every [`BusOutput::SaveConfig`] with `sync` told before is durable.
        after_sync: bool,
    },
    /// These slots are no longer served here: shard subscribers must be told.
    SlotsLost {
        /// The slots.
        ranges: Vec<SlotRange>,
        /// Whether this node stays a primary and must delete the keys in them (told to replicas and the log too).
        delete_keys: bool,
    },
    /// The cluster's state as clients see it changed; true is ok.
    StateChanged(bool),
    /// The manual failover ended: let writing clients go on.
    UnpauseWrites,
}

/// What the bus must know of the node around it; passed with the calls that act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// A primary's replication offset, or what a replica has processed.
    pub offset: u64,
    /// How a replica's connection to its primary stands; unused on a primary.
    pub primary_link: PrimaryLink,
}

impl Default for Facts {
    fn default() -> Self {
        Self { offset: 0, primary_link: PrimaryLink::Never }
    }
}

/// How a replica's connection to its primary stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrimaryLink {
    /// In sync until then.
    Down(Instant),
    /// It never had the primary's data.
    Never,
    /// In sync; the primary was heard of last then.
    Up(Instant),
}

/// The unsent bytes of a connection, for `cluster-link-sendbuf-limit` and CLUSTER LINKS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkBytes {
    /// Memory the out-buffer takes.
    pub allocated: usize,
    /// Bytes in it.
    pub used: usize,
}
