//! Why a CLUSTER subcommand is refused: one variant per error text of Redis 7.0, or of Valkey 9 where that differs.

use std::fmt;

use slotmesh_engine::slot::Slot;

/// Why a CLUSTER subcommand is refused; displays as the error reply without its leading dash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterError {
    /// ADDSLOTS of a slot with an owner.
    SlotBusy(Slot),
    /// ADDSLOTS or DELSLOTS names a slot twice.
    SlotTwice(Slot),
    /// DELSLOTS of a slot without an owner.
    SlotUnassigned(Slot),
    /// FLUSHSLOTS with keys.
    FlushSlotsWithKeys,
    /// FAILOVER on a primary.
    FailoverOnPrimary,
    /// FAILOVER on a replica of nobody.
    FailoverWithoutPrimary,
    /// Plain FAILOVER while the primary is down or not connected.
    FailoverPrimaryDown,
    /// No node has this id (as the client wrote it).
    UnknownNode(String),
    /// FORGET of this node.
    ForgetMyself,
    /// FORGET of this replica's primary.
    ForgetMyPrimary,
    /// MEET with an address that is none.
    InvalidAddress {
        /// As the client wrote it.
        ip: String,
        /// As the client wrote it.
        port: String,
    },
    /// MEET with a client port that none can be.
    BasePortOutOfRange,
    /// MEET with a bus port, given or worked out, that none can be.
    BusPortOutOfRange,
    /// MEET with a client port that is no number (as the client wrote it).
    InvalidBasePort(String),
    /// MEET with a bus port that is no number (as the client wrote it).
    InvalidBusPort(String),
    /// REPLICAS of a replica.
    NotAPrimary,
    /// REPLICATE of this node.
    ReplicateMyself,
    /// REPLICATE of a replica.
    ReplicateReplica,
    /// REPLICATE on a primary with slots or keys.
    ReplicateNotEmpty,
    /// RESET on a primary with keys.
    ResetWithKeys,
    /// SET-CONFIG-EPOCH with a number below zero or past the greatest epoch (as the client wrote it).
    InvalidEpoch(String),
    /// SET-CONFIG-EPOCH when other nodes are known.
    EpochNotAlone,
    /// SET-CONFIG-EPOCH when an epoch is set.
    EpochAlreadySet,
    /// SETSLOT on a replica.
    SetSlotOnReplica,
    /// SETSLOT MIGRATING of another node's slot.
    NotTheOwner(Slot),
    /// SETSLOT IMPORTING of an own slot.
    AlreadyTheOwner(Slot),
    /// SETSLOT MIGRATING or IMPORTING with an unknown node (as the client wrote it).
    DontKnowNode(String),
    /// SETSLOT MIGRATING or IMPORTING with this node.
    TargetIsMyself,
    /// SETSLOT with a replica.
    TargetNotAPrimary,
    /// SETSLOT NODE of an own slot to another node, with keys left in it.
    KeysLeft(Slot),
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlotBusy(slot) => write!(f, "ERR Slot {} is already busy", slot.number()),
            Self::SlotTwice(slot) => write!(f, "ERR Slot {} specified multiple times", slot.number()),
            Self::SlotUnassigned(slot) => write!(f, "ERR Slot {} is already unassigned", slot.number()),
            Self::FlushSlotsWithKeys => f.write_str("ERR DB must be empty to perform CLUSTER FLUSHSLOTS."),
            Self::FailoverOnPrimary => f.write_str("ERR You should send CLUSTER FAILOVER to a replica"),
            Self::FailoverWithoutPrimary => f.write_str("ERR I'm a replica but my master is unknown to me"),
            Self::FailoverPrimaryDown => f.write_str("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE"),
            Self::UnknownNode(id) => write!(f, "ERR Unknown node {id}"),
            Self::ForgetMyself => f.write_str("ERR I tried hard but I can't forget myself..."),
            Self::ForgetMyPrimary => f.write_str("ERR Can't forget my master!"),
            Self::InvalidAddress { ip, port } => write!(f, "ERR Invalid node address specified: {ip}:{port}"),
            Self::BasePortOutOfRange => f.write_str("ERR Port number is out of range"),
            Self::BusPortOutOfRange => f.write_str("ERR Cluster bus port number is out of range"),
            Self::InvalidBasePort(port) => write!(f, "ERR Invalid base port specified: {port}"),
            Self::InvalidBusPort(port) => write!(f, "ERR Invalid bus port specified: {port}"),
            Self::NotAPrimary => f.write_str("ERR The specified node is not a master"),
            Self::ReplicateMyself => f.write_str("ERR Can't replicate myself"),
            Self::ReplicateReplica => f.write_str("ERR I can only replicate a master, not a replica."),
            Self::ReplicateNotEmpty => {
                f.write_str("ERR To set a master the node must be empty and without assigned slots.")
            }
            Self::ResetWithKeys => f.write_str("ERR CLUSTER RESET can't be called with master nodes containing keys"),
            Self::InvalidEpoch(epoch) => write!(f, "ERR Invalid config epoch specified: {epoch}"),
            Self::EpochNotAlone => {
                f.write_str("ERR The user can assign a config epoch only when the node does not know any other node.")
            }
            Self::EpochAlreadySet => f.write_str("ERR Node config epoch is already non-zero"),
            Self::SetSlotOnReplica => f.write_str("ERR Please use SETSLOT only with masters."),
            Self::NotTheOwner(slot) => write!(f, "ERR I'm not the owner of hash slot {}", slot.number()),
            Self::AlreadyTheOwner(slot) => write!(f, "ERR I'm already the owner of hash slot {}", slot.number()),
            Self::DontKnowNode(id) => write!(f, "ERR I don't know about node {id}"),
            Self::TargetIsMyself => f.write_str("ERR Target node is myself"),
            Self::TargetNotAPrimary => f.write_str("ERR Target node is not a master"),
            Self::KeysLeft(slot) => write!(
                f,
                "ERR Can't assign hashslot {} to a different node while I still hold keys for this hash slot.",
                slot.number()
            ),
        }
    }
}

impl std::error::Error for ClusterError {}
