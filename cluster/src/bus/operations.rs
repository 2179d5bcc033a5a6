//! What operators do to the cluster: the CLUSTER subcommands that change the bus (SETSLOT and FAILOVER have their own
//! files). What the bus cannot know, such as whether there are keys, is an argument.

use std::net::IpAddr;

use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Now;

use super::Bus;
use super::codec::EPOCH_MAX;
use super::config_file::BUS_PORT_OFFSET;
use super::error::ClusterError;
use super::lease::{Lapse, Lease};
use super::message::{NodeFlags, NodeId};
use super::output::BusOutput;
use super::table::{Address, Origin};
use crate::machine::LogLevel;
use crate::slots::{NodeKey, SlotBitmap};

/// How much CLUSTER RESET forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetKind {
    /// Also the node's id and epochs.
    Hard,
    /// Slots and other nodes.
    Soft,
}

/// What is left in this node when an operation asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dataset {
    /// No key at all.
    Empty,
    /// Some keys.
    HasKeys,
}

/// What CLUSTER BUMPEPOCH did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// The epoch is this one now (`BUMPED`).
    Bumped(u64),
    /// The epoch was the greatest already (`STILL`).
    Still(u64),
}

impl Bus {
    /// The node an argument names.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`].
    pub fn lookup(&self, id: &[u8]) -> Result<NodeKey, ClusterError> {
        let unknown = || ClusterError::UnknownNode(text(id));
        NodeId::parse(id).and_then(|id| self.table.find(&id)).ok_or_else(unknown)
    }

    /// CLUSTER MEET: begins to join with the node at this address; arguments as the client wrote them.
    ///
    /// # Errors
    /// The address is none; host names are not resolved.
    pub fn meet(&mut self, now: Now, ip: &[u8], port: &[u8], cport: Option<&[u8]>) -> Result<(), ClusterError> {
        let invalid = || ClusterError::InvalidAddress { ip: text(ip), port: text(port) };
        let base = number(port).ok_or_else(|| ClusterError::InvalidBasePort(text(port)))?;
        let base = port_number(base).ok_or(ClusterError::BasePortOutOfRange)?;
        let bus = match cport {
            Some(cport) => number(cport).ok_or_else(|| ClusterError::InvalidBusPort(text(cport)))?,
            None => i64::from(base) + i64::from(BUS_PORT_OFFSET),
        };
        let cport = port_number(bus).ok_or(ClusterError::BusPortOutOfRange)?;
        let parsed: Option<IpAddr> = std::str::from_utf8(ip).ok().and_then(|ip| ip.parse().ok());
        let ip = parsed.filter(|ip| Self::can_meet(*ip, base, cport)).ok_or_else(invalid)?;
        self.begin(now);
        let address = Address { ip: Some(ip), port: base, pport: 0, cport };
        // A handshake with this address under way already is as good as a new one.
        self.begin_handshake(now, address, NodeFlags::MEET);
        self.finish(now);
        Ok(())
    }

    /// CLUSTER FORGET: takes a node out of the table and keeps gossip from bringing it back for a minute.
    ///
    /// # Errors
    /// The node is unknown, this one, or this replica's primary.
    pub fn forget(&mut self, now: Now, id: &[u8]) -> Result<(), ClusterError> {
        let key = match self.lookup(id) {
            Ok(key) => key,
            // Forgotten on another node's word a moment ago: what was asked for holds (7.2).
            Err(_) if NodeId::parse(id).is_some_and(|id| self.blacklist.has_by_gossip(now.instant, &id)) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if key == self.table.me {
            return Err(ClusterError::ForgetMyself);
        }
        if self.myself().primary == Some(key) {
            return Err(ClusterError::ForgetMyPrimary);
        }
        self.begin(now);
        let id = self.table.node(key).id;
        self.blacklist.add(now.instant, id, self.config.blacklist_ttl_secs, Origin::Operator);
        self.forget_node(key);
        self.todo.state = true;
        self.save();
        self.finish(now);
        Ok(())
    }

    /// CLUSTER REPLICATE: makes this node a replica.
    ///
    /// # Errors
    /// The node is unknown, this one or a replica; or this is a primary with slots or keys.
    pub fn replicate_node(&mut self, now: Now, id: &[u8], dataset: Dataset) -> Result<(), ClusterError> {
        let key = self.lookup(id)?;
        if key == self.table.me {
            return Err(ClusterError::ReplicateMyself);
        }
        if self.table.node(key).is_replica() {
            return Err(ClusterError::ReplicateReplica);
        }
        if self.is_primary() && (self.myself().slot_count > 0 || dataset == Dataset::HasKeys) {
            return Err(ClusterError::ReplicateNotEmpty);
        }
        // Redis takes the stand-in of a node that it has not met yet, which may never be met.
        if !self.table.node(key).is_primary() {
            return Err(ClusterError::ReplicateReplica);
        }
        self.begin(now);
        self.replicate(now, key);
        // The primary learns of its replica without waiting for the next ping.
        self.pong_all(now);
        self.finish(now);
        Ok(())
    }

    /// CLUSTER REPLICAS: the replicas of a primary.
    ///
    /// # Errors
    /// The node is unknown or a replica.
    pub fn replicas(&self, id: &[u8]) -> Result<Vec<NodeKey>, ClusterError> {
        let node = self.table.node(self.lookup(id)?);
        if node.is_replica() {
            return Err(ClusterError::NotAPrimary);
        }
        Ok(node.replicas.clone())
    }

    /// CLUSTER ADDSLOTS and ADDSLOTSRANGE: all of them or none.
    ///
    /// # Errors
    /// A slot has an owner or is named twice.
    pub fn add_slots(&mut self, now: Now, slots: &[Slot]) -> Result<(), ClusterError> {
        self.check_unassigned(slots)?;
        self.begin(now);
        for &slot in slots {
            self.table.slots.set_importing(slot, None);
            self.table.assign(slot, Some(self.table.me));
        }
        self.slots_changed();
        self.announce_slots(now.instant);
        self.finish(now);
        Ok(())
    }

    /// CLUSTER DELSLOTS and DELSLOTSRANGE: all of them or none.
    ///
    /// # Errors
    /// A slot has no owner or is named twice.
    pub fn del_slots(&mut self, now: Now, slots: &[Slot]) -> Result<(), ClusterError> {
        self.check_assigned(slots)?;
        self.begin(now);
        self.unassign(slots.iter().copied().collect());
        self.announce_slots(now.instant);
        self.finish(now);
        Ok(())
    }

    /// CLUSTER FLUSHSLOTS: gives all slots of this node up.
    ///
    /// # Errors
    /// There are keys.
    pub fn flush_slots(&mut self, now: Now, dataset: Dataset) -> Result<(), ClusterError> {
        if dataset == Dataset::HasKeys {
            return Err(ClusterError::FlushSlotsWithKeys);
        }
        self.begin(now);
        self.unassign(self.myself().slots.clone());
        self.announce_slots(now.instant);
        self.finish(now);
        Ok(())
    }

    /// Whether ADDSLOTS could take these slots.
    ///
    /// # Errors
    /// As [`Bus::add_slots`].
    pub fn check_unassigned(&self, slots: &[Slot]) -> Result<(), ClusterError> {
        self.check_slots(slots, |owned, slot| owned.then_some(ClusterError::SlotBusy(slot)))
    }

    /// Whether DELSLOTS could take these slots away.
    ///
    /// # Errors
    /// As [`Bus::del_slots`].
    pub fn check_assigned(&self, slots: &[Slot]) -> Result<(), ClusterError> {
        self.check_slots(slots, |owned, slot| (!owned).then_some(ClusterError::SlotUnassigned(slot)))
    }

    fn check_slots(
        &self,
        slots: &[Slot],
        refuse: impl Fn(bool, Slot) -> Option<ClusterError>,
    ) -> Result<(), ClusterError> {
        let mut named = SlotBitmap::new();
        for &slot in slots {
            if let Some(error) = refuse(self.table.slots.owner(slot).is_some(), slot) {
                return Err(error);
            }
            if !named.insert(slot) {
                return Err(ClusterError::SlotTwice(slot));
            }
        }
        Ok(())
    }

    fn unassign(&mut self, slots: SlotBitmap) {
        let me = self.table.me;
        let mut lost = SlotBitmap::new();
        for slot in slots.iter() {
            if self.table.assign(slot, None) == Some(me) {
                lost.insert(slot);
                self.table.slots.set_migrating(slot, None);
            }
        }
        self.lose_slots(&lost, false);
        self.slots_changed();
    }

    /// An operator moved slots. What this node says of its slots from now on waits for the disk: the source of a slot
    /// gives it up when it hears of the new owner, and an owner that forgets it in a crash would leave it to nobody.
    /// (Redis syncs nothing here.)
    pub(super) fn slots_changed(&mut self) {
        self.todo.state = true;
        self.lease.dirty = true;
        self.save_claim();
    }

    /// An operator marked slots, or gave them away: nothing is claimed, so that nobody waits for the disk. Forgotten in
    /// a crash, a mark is set again by who moves the slot, and the new owner's greater epoch tells of it anew.
    pub(super) fn slots_noted(&mut self) {
        self.todo.state = true;
        self.lease.dirty = true;
        self.save();
    }

    /// CLUSTER BUMPEPOCH: takes the next epoch without asking anybody.
    pub fn bump_epoch(&mut self, now: Now) -> Bump {
        self.begin(now);
        let moved = self.bump_epoch_without_consensus();
        self.finish(now);
        let epoch = self.myself().config_epoch;
        if moved { Bump::Bumped(epoch) } else { Bump::Still(epoch) }
    }

    /// CLUSTER SET-CONFIG-EPOCH on a node that is still alone.
    ///
    /// # Errors
    /// The number is out of range, other nodes are known or an epoch is set.
    pub fn set_config_epoch(&mut self, now: Now, epoch: i64) -> Result<(), ClusterError> {
        let invalid = || ClusterError::InvalidEpoch(epoch.to_string());
        let wanted = u64::try_from(epoch).map_err(|_| invalid())?;
        if self.table.len() > 1 {
            return Err(ClusterError::EpochNotAlone);
        }
        if self.myself().config_epoch != 0 {
            return Err(ClusterError::EpochAlreadySet);
        }
        // Redis takes any: with the last of all epochs no node could ever be elected again.
        if wanted >= EPOCH_MAX {
            return Err(invalid());
        }
        self.begin(now);
        self.table.myself_mut().config_epoch = wanted;
        self.current_epoch = self.current_epoch.max(wanted);
        self.log(LogLevel::Notice, format!("configEpoch set to {wanted} via CLUSTER SET-CONFIG-EPOCH"));
        self.todo.state = true;
        self.save_claim();
        self.finish(now);
        Ok(())
    }

    /// CLUSTER COUNT-FAILURE-REPORTS.
    ///
    /// # Errors
    /// The node is unknown.
    pub fn count_failure_reports(&mut self, now: Now, id: &[u8]) -> Result<usize, ClusterError> {
        let key = self.lookup(id)?;
        Ok(self.count_reports(now.instant, key))
    }

    /// CLUSTER SAVECONFIG: asks for a durable nodes.conf.
    pub fn save_config(&mut self) {
        self.save_sync();
    }

    /// CLUSTER RESET: makes this node new. A replica's data is flushed.
    ///
    /// # Errors
    /// A primary has keys.
    pub fn reset(&mut self, now: Now, kind: ResetKind, dataset: Dataset) -> Result<(), ClusterError> {
        if self.is_primary() && dataset == Dataset::HasKeys {
            return Err(ClusterError::ResetWithKeys);
        }
        self.begin(now);
        self.reset_manual();
        if !self.is_primary() {
            self.table.set_primary(self.table.me, None);
            self.table.set_role(self.table.me, NodeFlags::PRIMARY);
            self.outputs.push_back(BusOutput::BecomePrimary);
            self.outputs.push_back(BusOutput::FlushData);
        }
        self.table.slots.close_open_slots();
        self.unassign(Slot::all().filter(|slot| self.table.slots.owner(*slot).is_some()).collect());
        let me = self.table.me;
        for key in self.table.keys().into_iter().filter(|key| *key != me) {
            self.forget_node(key);
        }
        self.election.forget();
        self.lease = Lease::new(Lapse::Uncontested);
        if kind == ResetKind::Hard {
            self.reset_identity();
        } else if let Some(shard) = NodeId::parse(&self.rng.hex_id()) {
            // The other nodes of its shard go on without it.
            self.table.set_shard(self.table.me, shard);
        }
        self.todo.state = true;
        self.save_claim();
        self.finish(now);
        Ok(())
    }

    fn reset_identity(&mut self) {
        self.current_epoch = 0;
        self.last_vote_epoch = 0;
        self.table.myself_mut().config_epoch = 0;
        self.blacklist.clear();
        self.log(LogLevel::Warning, "configEpoch set to 0 via CLUSTER RESET HARD".to_owned());
        let before = self.my_id();
        if let Some(id) = NodeId::parse(&self.rng.hex_id()).filter(|id| *id != before) {
            self.table.rename(self.table.me, id);
        }
        let id = self.my_id();
        self.log(LogLevel::Notice, format!("Node hard reset, now I'm {id}"));
    }

    /// At a start with data: takes slots that have keys but no owner, and marks those of others as importing.
    pub fn adopt_keys(&mut self, now: Now, slots: impl IntoIterator<Item = Slot>) {
        self.begin(now);
        for slot in slots {
            let owner = self.table.slots.owner(slot);
            let foreign = owner.filter(|key| *key != self.table.me);
            if !self.is_primary() || owner == Some(self.table.me) || self.table.slots.importing(slot).is_some() {
                continue;
            }
            let number = slot.number();
            if let Some(owner) = foreign {
                self.log(
                    LogLevel::Warning,
                    format!(
                        "I have keys for slot {number}, but the slot is assigned to another node. \
                         Setting it to importing state."
                    ),
                );
                self.table.slots.set_importing(slot, Some(owner));
            } else {
                self.log(
                    LogLevel::Warning,
                    format!("I have keys for unassigned slot {number}. Taking responsibility for it."),
                );
                self.table.assign(slot, Some(self.table.me));
            }
            self.slots_changed();
        }
        self.finish(now);
    }
}

/// Client bytes in an error text.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port that something can listen on.
fn port_number(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port != 0)
}

/// A number as clients write it: an optional minus and digits.
fn number(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
