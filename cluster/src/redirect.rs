//! Whether this node runs a command on keys, or who should.
//!
//! Lives here: the decision as a pure function over what the bus knows ([`Routes`]) and what the command and its
//! client say ([`Request`]). What does not: how keys are found in a command, and what a refusal does to a transaction.
//! The order of the checks is that of Redis 7.0, so that the same error wins when two apply. Start at [`decide`].

use std::fmt;

use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Instant;

use crate::bus::Bus;
use crate::bus::report::{ClientKind, HostPort};
use crate::slots::NodeKey;

/// What the decision needs to know of the cluster.
pub trait Routes {
    /// The owner of a slot.
    fn owner(&self, slot: Slot) -> Option<NodeKey>;
    /// This node.
    fn me(&self) -> NodeKey;
    /// This node's primary, when it is a replica.
    fn my_primary(&self) -> Option<NodeKey>;
    /// Where the keys of a slot are being moved to.
    fn migrating(&self, slot: Slot) -> Option<NodeKey>;
    /// Where the keys of a slot are being moved here from.
    fn importing(&self, slot: Slot) -> Option<NodeKey>;
    /// Whether the cluster serves keys.
    fn is_ok(&self) -> bool;
    /// Whether this node may acknowledge writes at this moment.
    fn may_write(&self, now: Instant) -> bool;
    /// Whether reads are served although the cluster is down.
    fn allows_reads_when_down(&self) -> bool;
    /// Whether sharded pub/sub is served although the cluster is down.
    fn allows_pubsubshard_when_down(&self) -> bool;
    /// Where a client reaches a node.
    fn endpoint(&self, node: NodeKey, client: ClientKind) -> HostPort;
}

/// The slots of a command's keys (of all queued commands, for EXEC; sharded channels count as keys).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySlots {
    /// Keys in more than one slot.
    Cross,
    /// No keys.
    None,
    /// All keys in one slot.
    One {
        /// The slot.
        slot: Slot,
        /// Whether there is more than one distinct key.
        several: bool,
    },
}

/// What kind of command asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// MIGRATE: runs where the key is, also in an open slot.
    Migrate,
    /// Sharded pub/sub.
    PubSubShard,
    /// A command that only reads (EXEC: no queued command writes).
    Read,
    /// Any other command.
    Write,
}

/// A command on keys and its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Where the keys are.
    pub keys: KeySlots,
    /// What the command does.
    pub access: Access,
    /// The client sent ASKING, or the command has the asking flag.
    pub asking: bool,
    /// The client sent READONLY.
    pub readonly: bool,
    /// How the client is connected.
    pub client: ClientKind,
}

/// How many of the keys are here. Asked for only in an open slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presence {
    /// Keys that exist.
    pub existing: usize,
    /// Keys that do not.
    pub missing: usize,
}

/// Why the command does not run here; displays as the error line without dash and line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The slot is moving and the keys are where it moves to.
    Ask {
        /// The slot.
        slot: Slot,
        /// The target.
        to: HostPort,
    },
    /// Keys of different slots.
    CrossSlot,
    /// The cluster does not serve keys, or this primary may have been replaced.
    Down,
    /// The cluster does not serve writes.
    DownForWrites,
    /// Another node owns the slot.
    Moved {
        /// The slot.
        slot: Slot,
        /// The owner.
        to: HostPort,
    },
    /// Several keys of a moving slot, not all of them here.
    TryAgain,
    /// Nobody owns the slot.
    Unserved,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask { slot, to } => write!(f, "ASK {} {}:{}", slot.number(), to.host, to.port),
            Self::CrossSlot => f.write_str("CROSSSLOT Keys in request don't hash to the same slot"),
            Self::Down => f.write_str("CLUSTERDOWN The cluster is down"),
            Self::DownForWrites => f.write_str("CLUSTERDOWN The cluster is down and only accepts read commands"),
            Self::Moved { slot, to } => write!(f, "MOVED {} {}:{}", slot.number(), to.host, to.port),
            Self::TryAgain => f.write_str("TRYAGAIN Multiple keys request during rehashing of slot"),
            Self::Unserved => f.write_str("CLUSTERDOWN Hash slot not served"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Decides whether a command runs here. `presence` is called at most once, and only for a slot that is moving.
///
/// Not to be asked for the primary's own stream and for the log at start.
///
/// # Errors
/// Why not, and where instead.
pub fn decide<R: Routes>(
    routes: &R,
    now: Instant,
    request: &Request,
    presence: impl FnOnce() -> Presence,
) -> Result<(), Refusal> {
    let (slot, several) = match request.keys {
        KeySlots::None => return Ok(()),
        KeySlots::One { slot, several } => (slot, several),
        // Ahead of the owner, as in Valkey 9: such a request is wrong wherever the slots are.
        KeySlots::Cross => return Err(Refusal::CrossSlot),
    };
    let owner = routes.owner(slot).ok_or(Refusal::Unserved)?;
    check_state(routes, request.access)?;
    let mine = owner == routes.me();
    // Redis knows no lease: there a primary that was replaced while it slept acknowledges what is lost.
    if mine && matches!(request.access, Access::Write | Access::Migrate) && !routes.may_write(now) {
        return Err(Refusal::Down);
    }
    let migrating = routes.migrating(slot).filter(|_| mine);
    let importing = routes.importing(slot).filter(|_| !mine);
    if let Some(open) = migrating.or(importing) {
        if request.access == Access::Migrate {
            return Ok(());
        }
        let counted = request.access != Access::PubSubShard;
        let keys = if counted { presence() } else { Presence::default() };
        if migrating.is_some() && keys.missing > 0 {
            let to = || routes.endpoint(open, request.client);
            return Err(if keys.existing > 0 { Refusal::TryAgain } else { Refusal::Ask { slot, to: to() } });
        }
        if importing.is_some() && request.asking {
            let split = several && keys.missing > 0;
            return if split { Err(Refusal::TryAgain) } else { importing_access(routes, now, request.access) };
        }
    }
    let reads = matches!(request.access, Access::Read) && request.readonly;
    let from_replica = reads || request.access == Access::PubSubShard;
    if mine || (from_replica && routes.my_primary() == Some(owner)) {
        return Ok(());
    }
    Err(Refusal::Moved { slot, to: routes.endpoint(owner, request.client) })
}

/// A write into a slot that is being imported is acknowledged by this node, and so needs the lease as well.
fn importing_access<R: Routes>(routes: &R, now: Instant, access: Access) -> Result<(), Refusal> {
    if access == Access::Write && !routes.may_write(now) {
        return Err(Refusal::Down);
    }
    Ok(())
}

fn check_state<R: Routes>(routes: &R, access: Access) -> Result<(), Refusal> {
    if routes.is_ok() {
        return Ok(());
    }
    match access {
        Access::PubSubShard if routes.allows_pubsubshard_when_down() => Ok(()),
        Access::PubSubShard => Err(Refusal::Down),
        Access::Read if routes.allows_reads_when_down() => Ok(()),
        Access::Migrate | Access::Write if routes.allows_reads_when_down() => Err(Refusal::DownForWrites),
        Access::Migrate | Access::Read | Access::Write => Err(Refusal::Down),
    }
}

/// Decides whether a client that waits on a key of `slot` may go on waiting here.
///
/// # Errors
/// Why its wait must end.
pub fn decide_blocked<R: Routes>(routes: &R, slot: Slot, readonly: bool, client: ClientKind) -> Result<(), Refusal> {
    if !routes.is_ok() {
        return Err(Refusal::Down);
    }
    let owner = routes.owner(slot).ok_or(Refusal::Unserved)?;
    let here = owner == routes.me() || routes.importing(slot).is_some();
    let from_replica = readonly && routes.my_primary() == Some(owner);
    if here || from_replica {
        return Ok(());
    }
    Err(Refusal::Moved { slot, to: routes.endpoint(owner, client) })
}

impl Routes for Bus {
    fn owner(&self, slot: Slot) -> Option<NodeKey> {
        self.table().slot_map().owner(slot)
    }

    fn me(&self) -> NodeKey {
        self.table().my_key()
    }

    fn my_primary(&self) -> Option<NodeKey> {
        self.myself().primary()
    }

    fn migrating(&self, slot: Slot) -> Option<NodeKey> {
        self.table().slot_map().migrating(slot)
    }

    fn importing(&self, slot: Slot) -> Option<NodeKey> {
        self.table().slot_map().importing(slot)
    }

    fn is_ok(&self) -> bool {
        Self::is_ok(self)
    }

    fn may_write(&self, now: Instant) -> bool {
        // A node without slots of its own (it imports its first one) has no lease, nor a replica to be replaced by.
        self.has_majority_contact(now) || !self.myself().is_voter()
    }

    fn allows_reads_when_down(&self) -> bool {
        self.config().allow_reads_when_down
    }

    fn allows_pubsubshard_when_down(&self) -> bool {
        self.config().allow_pubsubshard_when_down
    }

    fn endpoint(&self, node: NodeKey, client: ClientKind) -> HostPort {
        Self::endpoint(self, node, client)
    }
}

#[cfg(test)]
mod tests;
