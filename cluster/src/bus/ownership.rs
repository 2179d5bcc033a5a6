//! Roles, epochs and slots: who serves what, and which claim is newer.

use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Now;

use super::Bus;
use super::codec::EPOCH_MAX;
use super::link::Side;
use super::message::{Header, NodeFlags, Ownership};
use super::output::{BusOutput, LinkId};
use crate::machine::LogLevel;
use crate::slots::{NodeKey, SlotBitmap, ranges};

impl Bus {
    /// The role a sender claims: a primary, or the replica of one.
    pub(super) fn hear_role(&mut self, now: Now, sender: NodeKey, header: &Header) {
        let Some(primary_id) = header.primary else {
            if !self.table.node(sender).is_primary() {
                self.make_primary(sender);
            }
            return;
        };
        let primary = self.table.find(&primary_id).filter(|key| *key != sender);
        if self.table.node(sender).is_primary() {
            self.demote(now, sender, primary, header);
        }
        if let Some(primary) = primary.filter(|key| !self.table.node(*key).is_handshake())
            && self.table.node(sender).primary != Some(primary)
        {
            self.table.set_primary(sender, Some(primary));
            self.lease.dirty = true;
            self.save();
        }
    }

    /// Another node turned primary.
    fn make_primary(&mut self, key: NodeKey) {
        self.table.set_primary(key, None);
        self.table.set_role(key, NodeFlags::PRIMARY);
        self.table.node_mut(key).flags.insert(NodeFlags::MIGRATE_TO);
        self.lease.dirty = true;
        self.todo.state = true;
        self.save();
    }

    /// Another node turned replica. Its message carries the slots and epoch of the primary it follows now: they are
    /// taken over as from an UPDATE, and only what is left then has no owner.
    fn demote(&mut self, now: Now, key: NodeKey, primary: Option<NodeKey>, header: &Header) {
        if let Some(successor) = primary.filter(|successor| self.table.node(*successor).primary == Some(key)) {
            let id = self.table.node(successor).id;
            let ownership = Ownership { config_epoch: header.config_epoch, id, slots: header.slots.clone() };
            self.apply_update(now, successor, &ownership);
        }
        let left: Vec<Slot> = self.table.node(key).slots.iter().collect();
        for slot in left {
            self.table.assign(slot, None);
        }
        self.table.set_role(key, NodeFlags::REPLICA);
        self.lease.dirty = true;
        self.todo.state = true;
        self.save();
    }

    /// The slots a sender claims for itself or its primary.
    pub(super) fn hear_slots(&mut self, now: Now, link: LinkId, sender: NodeKey, header: &Header) {
        let node = self.table.node(sender);
        let owner = if node.is_primary() { Some(sender) } else { node.primary };
        let Some(owner) = owner else { return };
        let is_behind = self.is_behind_its_primary(sender, header);
        if self.table.node(owner).slots == header.slots && !self.lists_unclaimed(owner) && !is_behind {
            return;
        }
        if owner == sender {
            self.take_claim(now, sender, header.config_epoch, &header.slots);
        }
        self.correct(link, sender, header);
    }

    /// Whether the owner had stopped listing a slot that its bitmap still has here.
    fn lists_unclaimed(&self, owner: NodeKey) -> bool {
        self.table.slots.any_unclaimed()
            && self.table.node(owner).slots.iter().any(|s| self.table.slots.is_unclaimed(s))
    }

    /// Tells a sender that claims a slot with an old epoch who owns it now.
    fn correct(&mut self, link: LinkId, sender: NodeKey, header: &Header) {
        let Some(newer) = self.newer_owner(sender, header) else { return };
        // Without a way of our own to the sender the link it claims on serves; see `correct_before_answer`.
        let outbound = self.outbound_open(sender);
        if let Some(outbound) = outbound {
            self.send_update(outbound, newer);
        } else if self.links.get(link).is_some_and(|link| link.side == Side::Outbound) {
            self.send_update(link, newer);
        }
    }

    /// When there is no outbound link, the correction goes back before the PONG: a stale primary must not take the
    /// answer for leave to serve. Redis sends nothing in this case.
    pub(super) fn correct_before_answer(&mut self, link: LinkId, sender: NodeKey, header: &Header) {
        if self.outbound_open(sender).is_none()
            && let Some(newer) = self.newer_owner(sender, header)
        {
            self.send_update(link, newer);
        }
    }

    fn outbound_open(&self, key: NodeKey) -> Option<LinkId> {
        self.table.node(key).outbound.filter(|link| self.links.get(*link).is_some_and(|link| link.connected))
    }

    /// The owner of a claimed slot whose epoch is greater than the claim's.
    fn newer_owner(&self, sender: NodeKey, header: &Header) -> Option<NodeKey> {
        let stale = |slot: Slot| {
            let owner = self.table.slots.owner(slot)?;
            let newer = owner != sender && self.table.node(owner).config_epoch > header.config_epoch;
            newer.then_some(owner)
        };
        // The claim equals the table in nearly every message: compare before looking at each slot.
        let node = self.table.node(sender);
        let known = self.table.node(node.primary.unwrap_or(sender));
        if known.slots == header.slots {
            return node.primary.filter(|_| self.is_behind_its_primary(sender, header));
        }
        header.slots.iter().find_map(stale)
    }

    /// Whether a replica has not heard of the epoch its primary took last.
    ///
    /// Should the primary fail before it tells, nobody could vote for the replica: its request would carry an epoch
    /// older than the slots'. Redis corrects only claims of other slots, and leaves such a shard without a primary.
    pub(super) fn is_behind_its_primary(&self, sender: NodeKey, header: &Header) -> bool {
        let Some(primary) = self.table.node(sender).primary.map(|key| self.table.node(key)) else { return false };
        primary.slot_count > 0
            && primary.config_epoch > header.config_epoch
            && header.primary.is_some_and(|id| id == primary.id)
    }

    /// An UPDATE: what another node knows of a primary.
    pub(super) fn hear_update(&mut self, now: Now, sender: NodeKey, ownership: &Ownership) {
        let Some(key) = self.table.find(&ownership.id).filter(|key| !self.table.node(*key).is_handshake()) else {
            return;
        };
        if key == self.table.me {
            let by = self.table.node(sender).id;
            self.log(LogLevel::Verbose, format!("Discarding UPDATE message about myself (from {by})."));
            return;
        }
        self.apply_update(now, key, ownership);
    }

    fn apply_update(&mut self, now: Now, key: NodeKey, ownership: &Ownership) {
        if key == self.table.me || self.table.node(key).config_epoch >= ownership.config_epoch {
            return;
        }
        if !self.table.node(key).is_primary() {
            self.make_primary(key);
        }
        self.table.node_mut(key).config_epoch = ownership.config_epoch;
        if self.table.myself().primary == Some(key) {
            // A candidacy with the older epoch was refused: ask again without waiting for it to expire.
            self.election.forget();
        }
        self.save_sync();
        self.take_claim(now, key, ownership.config_epoch, &ownership.slots);
    }

    /// Applies a primary's claim to the table (cluster specification, "hash slots configuration propagation").
    pub(super) fn take_claim(&mut self, now: Now, owner: NodeKey, epoch: u64, claimed: &SlotBitmap) {
        if owner == self.table.me {
            return;
        }
        let mine = self.claim_source();
        let mut taken = SlotBitmap::new();
        let mut taken_from_mine = 0;
        for slot in Slot::all() {
            let current = self.table.slots.owner(slot);
            if !claimed.contains(slot) {
                if current == Some(owner) {
                    self.table.slots.set_unclaimed(slot, true);
                }
                continue;
            }
            if current == Some(owner) {
                self.table.slots.set_unclaimed(slot, false);
                continue;
            }
            if !self.gives_way(slot, epoch) {
                continue;
            }
            taken_from_mine += usize::from(current == Some(mine));
            if current == Some(self.table.me) {
                taken.insert(slot);
                self.table.slots.set_migrating(slot, None);
            }
            self.table.assign(slot, Some(owner));
            self.todo.state = true;
            self.lease.dirty = true;
            self.save_sync();
        }
        self.follow_slots(now, owner, mine, taken_from_mine, &taken);
    }

    /// Whether a slot goes to a claimer with this epoch.
    fn gives_way(&self, slot: Slot, epoch: u64) -> bool {
        if self.table.slots.importing(slot).is_some() {
            return false;
        }
        match self.table.slots.owner(slot) {
            None => true,
            Some(owner) => self.table.slots.is_unclaimed(slot) || self.table.node(owner).config_epoch < epoch,
        }
    }

    /// What losing slots means for this node: follow the new owner, or drop the keys.
    fn follow_slots(&mut self, now: Now, owner: NodeKey, mine: NodeKey, from_mine: usize, lost: &SlotBitmap) {
        let all_gone = from_mine > 0 && self.table.node(mine).slot_count == 0;
        let allowed = self.config.allow_replica_migration || self.table.node(owner).slot_count == from_mine;
        let grand = self.myself().primary.and_then(|key| self.table.node(key).primary);
        if all_gone && allowed && mine != owner {
            let id = self.table.node(owner).id;
            self.log(
                LogLevel::Notice,
                format!("Configuration change detected. Reconfiguring myself as a replica of {id}"),
            );
            self.lose_slots(lost, false);
            self.replicate(now, owner);
        } else if let Some(grand) = grand.filter(|key| *key != self.table.me) {
            let id = self.table.node(grand).id;
            self.log(
                LogLevel::Notice,
                format!("I'm a sub-replica! Reconfiguring myself as a replica of grandmaster {id}"),
            );
            self.replicate(now, grand);
        } else {
            self.lose_slots(lost, true);
        }
    }

    /// Tells the node around us that slots are no longer served here.
    pub(super) fn lose_slots(&mut self, lost: &SlotBitmap, delete_keys: bool) {
        if lost.is_empty() {
            return;
        }
        let ranges = ranges(lost.iter()).collect();
        self.outputs.push_back(BusOutput::SlotsLost { ranges, delete_keys });
    }

    /// Makes this node a replica of `primary`.
    pub(super) fn replicate(&mut self, now: Now, primary: NodeKey) {
        if self.is_primary() {
            self.table.set_role(self.table.me, NodeFlags::REPLICA);
            self.table.slots.close_open_slots();
        }
        self.table.set_primary(self.table.me, Some(primary));
        self.reset_manual();
        self.election.forget();
        self.point_at_primary(primary);
        self.check_lease(now.instant);
        self.lease.dirty = true;
        self.todo.state = true;
        self.save_claim();
    }

    /// Two primaries claim with one epoch: one of them moves on.
    pub(super) fn resolve_collision(&mut self, sender: NodeKey, header: &Header) {
        let (me, node) = (self.table.myself(), self.table.node(sender));
        let collides = me.is_primary() && node.is_primary() && me.config_epoch == header.config_epoch;
        if !collides || !self.moves_on(sender, header) || self.current_epoch >= EPOCH_MAX {
            return;
        }
        let id = node.id;
        self.current_epoch += 1;
        self.table.myself_mut().config_epoch = self.current_epoch;
        self.log(
            LogLevel::Warning,
            format!("WARNING: configEpoch collision with node {id}. configEpoch set to {}", self.current_epoch),
        );
        self.save_claim();
    }

    /// Whether it is this node that takes a new epoch: the one with the smaller id, unless the two claim a slot both.
    ///
    /// Then one was elected while the other was away with an epoch nobody had heard of. The one that serves moves on:
    /// were it the one just back from its file, it would take the slots from under the elected one, and with them
    /// every write that one acknowledged. (Redis goes by the ids alone.)
    fn moves_on(&self, sender: NodeKey, header: &Header) -> bool {
        let (me, node) = (self.table.myself(), self.table.node(sender));
        let sender_serves = header.state == 0;
        if self.state.ok != sender_serves && me.slots.intersects(&header.slots) {
            return self.state.ok;
        }
        me.id < node.id
    }

    /// Takes the next epoch for this node's slots without asking anybody, unless its epoch is the greatest already.
    ///
    /// Returns whether it moved.
    pub(super) fn bump_epoch_without_consensus(&mut self) -> bool {
        let greatest = self.greatest_epoch();
        let mine = self.table.myself().config_epoch;
        if (mine != 0 && mine == greatest) || self.current_epoch >= EPOCH_MAX {
            return false;
        }
        self.current_epoch += 1;
        self.table.myself_mut().config_epoch = self.current_epoch;
        self.log(LogLevel::Notice, format!("New configEpoch set to {}", self.current_epoch));
        self.save_claim();
        true
    }

    fn greatest_epoch(&self) -> u64 {
        let known = self.table.iter().map(|(_, node)| node.config_epoch).max().unwrap_or(0);
        known.max(self.current_epoch)
    }
}
