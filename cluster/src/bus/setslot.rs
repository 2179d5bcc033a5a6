//! CLUSTER SETSLOT: the operator's side of moving a slot.

use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Now;

use super::Bus;
use super::error::ClusterError;
use super::operations::text;
use crate::machine::LogLevel;
use crate::slots::{NodeKey, SlotBitmap};

/// The forms of SETSLOT; ids as the client wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetSlot<'a> {
    /// Keys arrive from this node.
    Importing(&'a [u8]),
    /// Keys leave to this node.
    Migrating(&'a [u8]),
    /// The slot belongs to this node.
    Node {
        /// The owner.
        id: &'a [u8],
        /// Number of keys this node holds in the slot.
        keys: usize,
    },
    /// Nothing is moving.
    Stable,
}

impl Bus {
    /// CLUSTER SETSLOT.
    ///
    /// # Errors
    /// As documented on the variants of [`ClusterError`].
    pub fn set_slot(&mut self, now: Now, slot: Slot, form: SetSlot<'_>) -> Result<(), ClusterError> {
        self.check_sets_slots()?;
        self.begin(now);
        let result = match form {
            SetSlot::Importing(id) => self.set_importing(slot, id),
            SetSlot::Migrating(id) => self.set_migrating(slot, id),
            SetSlot::Node { id, keys } => self.set_owner(now, slot, id, keys),
            SetSlot::Stable => {
                self.table.slots.set_importing(slot, None);
                self.table.slots.set_migrating(slot, None);
                Ok(())
            }
        };
        if result.is_ok() {
            let claims = matches!(form, SetSlot::Node { .. }) && self.table.slots.owner(slot) == Some(self.table.me);
            if claims { self.slots_changed() } else { self.slots_noted() }
        }
        self.finish(now);
        result
    }

    /// Whether this node takes SETSLOT, whatever its words are.
    ///
    /// # Errors
    /// It is a replica.
    pub fn check_sets_slots(&self) -> Result<(), ClusterError> {
        if self.is_primary() { Ok(()) } else { Err(ClusterError::SetSlotOnReplica) }
    }

    fn set_migrating(&mut self, slot: Slot, id: &[u8]) -> Result<(), ClusterError> {
        if self.table.slots.owner(slot) != Some(self.table.me) {
            return Err(ClusterError::NotTheOwner(slot));
        }
        let target = self.other_end(id)?;
        self.table.slots.set_migrating(slot, Some(target));
        Ok(())
    }

    fn set_importing(&mut self, slot: Slot, id: &[u8]) -> Result<(), ClusterError> {
        if self.table.slots.owner(slot) == Some(self.table.me) {
            return Err(ClusterError::AlreadyTheOwner(slot));
        }
        let source = self.other_end(id)?;
        self.table.slots.set_importing(slot, Some(source));
        Ok(())
    }

    fn other_end(&self, id: &[u8]) -> Result<NodeKey, ClusterError> {
        let key = self.lookup(id).map_err(|_| ClusterError::DontKnowNode(text(id)))?;
        if key == self.table.me {
            return Err(ClusterError::TargetIsMyself);
        }
        if !self.table.node(key).is_primary() {
            return Err(ClusterError::TargetNotAPrimary);
        }
        Ok(key)
    }

    fn set_owner(&mut self, now: Now, slot: Slot, id: &[u8], keys: usize) -> Result<(), ClusterError> {
        let owner = self.lookup(id)?;
        let me = self.table.me;
        if !self.table.node(owner).is_primary() {
            return Err(ClusterError::TargetNotAPrimary);
        }
        let was_mine = self.table.slots.owner(slot) == Some(me);
        let leaves = was_mine && owner != me;
        if leaves && keys > 0 {
            return Err(ClusterError::KeysLeft(slot));
        }
        if keys == 0 {
            self.table.slots.set_migrating(slot, None);
        }
        self.table.assign(slot, Some(owner));
        if leaves {
            self.lose_slots(&SlotBitmap::from_iter([slot]), false);
        }
        if leaves && self.myself().slot_count == 0 && self.config.allow_replica_migration {
            let id = self.table.node(owner).id;
            self.log(
                LogLevel::Notice,
                format!("Lost my last slot during slot migration. Reconfiguring myself as a replica of {id}"),
            );
            self.replicate(now, owner);
        }
        if owner == me && self.table.slots.importing(slot).is_some() {
            self.finish_import(now, slot);
        }
        Ok(())
    }

    /// The slot's keys are all here: the claim must be newer than the source's, and known at once.
    fn finish_import(&mut self, now: Now, slot: Slot) {
        if self.bump_epoch_without_consensus() {
            self.log(LogLevel::Notice, format!("configEpoch updated after importing slot {}", slot.number()));
        }
        self.table.slots.set_importing(slot, None);
        // Ahead of the messages, so that they wait for the disk.
        self.slots_changed();
        self.pong_all(now);
    }
}
