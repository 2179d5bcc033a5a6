//! Questions about the cluster: who owns what, who follows whom, whether all is well.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use slotmesh_cluster::bus::{Bus, NodeFlags, NodeId};
use slotmesh_cluster::node::Node;
use slotmesh_engine::slot::Slot;
use slotmesh_transport_mem::{Logged, MachineId};

use super::cluster::TestCluster;
use super::world::World;

/// What a node is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It does not run, or is stopped.
    Down,
    /// It is a primary, with slots or without.
    Primary,
    /// It follows a primary.
    Replica,
}

impl TestCluster {
    /// All nodes, running or not.
    pub fn nodes(&self) -> Vec<MachineId> {
        self.machines.clone()
    }

    /// The running primaries with slots.
    pub fn primaries(&self) -> Vec<MachineId> {
        let world = self.world.borrow();
        let is_voter = |bus: &Bus| bus.myself().is_voter();
        self.machines.iter().copied().filter(|&id| world.running_bus(id).is_some_and(is_voter)).collect()
    }

    /// What a node is at the moment, in its own view.
    pub fn role(&self, id: MachineId) -> Role {
        match self.world.borrow().running_bus(id) {
            None => Role::Down,
            Some(bus) if bus.is_primary() => Role::Primary,
            Some(_) => Role::Replica,
        }
    }

    /// Whether the node runs and has read its files.
    pub fn is_serving(&self, id: MachineId) -> bool {
        let world = self.world.borrow();
        world.sim.is_running(id) && world.sim.machine(id).is_some_and(Node::is_running)
    }

    /// The node's name in the cluster: 40 hexadecimal digits.
    ///
    /// # Panics
    /// When it never ran.
    pub fn id_of(&self, id: MachineId) -> String {
        let mut world = self.world.borrow_mut();
        world.learn_ids();
        let found = world.ids.iter().find(|&(_, &machine)| machine == id);
        found.map(|(id, _)| id.to_string()).unwrap_or_else(|| world.sim.fail(&format!("{id} never ran")))
    }

    /// The node with this name.
    pub fn by_id(&self, id: &str) -> Option<MachineId> {
        let mut world = self.world.borrow_mut();
        world.learn_ids();
        world.ids.get(&NodeId::parse(id.as_bytes())?).copied()
    }

    /// Where clients reach a node.
    pub fn address_of(&self, id: MachineId) -> SocketAddr {
        self.world.borrow().address(id)
    }

    /// The running primary that serves a key's slot: of several that think so, the one with the greatest epoch.
    ///
    /// # Panics
    /// When there is none.
    pub fn owner_of(&self, key: impl AsRef<[u8]>) -> MachineId {
        let slot = Slot::of_key(key.as_ref());
        self.owner_of_slot(slot).unwrap_or_else(|| self.fail(&format!("nobody serves slot {}", slot.number())))
    }

    /// The running primary that serves a slot, if there is one.
    pub fn owner_of_slot(&self, slot: Slot) -> Option<MachineId> {
        let world = self.world.borrow();
        let claims = self.machines.iter().filter_map(|&id| {
            let bus = world.running_bus(id)?;
            bus.myself().slots().contains(slot).then(|| (bus.my_epoch(), id))
        });
        claims.max().map(|(_, id)| id)
    }

    /// The running replicas of a primary, in their own view.
    pub fn replicas_of(&self, primary: MachineId) -> Vec<MachineId> {
        self.machines.iter().copied().filter(|&id| self.primary_of(id) == Some(primary)).collect()
    }

    /// The first running replica of a primary.
    ///
    /// # Panics
    /// When there is none.
    pub fn replica_of(&self, primary: MachineId) -> MachineId {
        let first = self.replicas_of(primary).first().copied();
        first.unwrap_or_else(|| self.fail(&format!("{primary} has no running replica")))
    }

    /// The primary a running replica follows.
    pub fn primary_of(&self, replica: MachineId) -> Option<MachineId> {
        let mut world = self.world.borrow_mut();
        world.learn_ids();
        let bus = world.running_bus(replica)?;
        let primary = bus.table().node(bus.myself().primary()?).id();
        world.ids.get(&primary).copied()
    }

    /// Whether the running nodes agree on a cluster that serves every slot and on who follows whom, hold none of each
    /// other for down, and every replica among them has all its primary wrote.
    pub fn is_healthy(&self) -> bool {
        let mut world = self.world.borrow_mut();
        world.learn_ids();
        let running: Vec<MachineId> = self.machines.iter().copied().filter(|&id| world.sim.is_running(id)).collect();
        let serves = |&id: &MachineId| {
            let node = world.sim.machine(id);
            node.is_some_and(|node| node.is_running() && node.bus().is_none_or(Bus::is_ok))
        };
        if running.is_empty() || !running.iter().all(serves) {
            return false;
        }
        let Some(owners) = world.owners(running[0]) else { return false };
        let owned_well = owners
            .iter()
            .all(|(primary, _)| running.contains(primary) && world.running_bus(*primary).is_some_and(Bus::is_primary));
        owned_well
            && running.iter().all(|&id| world.owners(id).is_some_and(|view| view == owners))
            && running.iter().all(|&id| world.is_up_to_date(id))
            && running.iter().all(|&id| running.iter().all(|&other| world.knows_role(id, other)))
            && running.iter().all(|&id| !world.suspects_any(id, &running))
    }

    /// The text of INFO, or of one of its sections.
    pub fn info(&self, id: MachineId, section: &str) -> String {
        self.call(id, ["INFO", section]).text()
    }

    /// One field of INFO.
    ///
    /// # Panics
    /// When INFO has no such field.
    pub fn info_field(&self, id: MachineId, field: &str) -> String {
        let text = self.info(id, "everything");
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| self.fail(&format!("INFO of {id} has no field {field}"))).to_owned()
    }

    /// The lines of a node's log over all its runs, oldest first.
    pub fn log(&self, id: MachineId) -> Vec<String> {
        self.world.borrow().sim.log(id).map(|logged| logged.line.text.clone()).collect()
    }

    /// The lines of a node's log with their times.
    pub fn log_entries(&self, id: MachineId) -> Vec<Logged> {
        self.world.borrow().sim.log(id).cloned().collect()
    }

    /// Whether a line of a node's log contains this text.
    pub fn logged(&self, id: MachineId, text: &str) -> bool {
        self.world.borrow().sim.log(id).any(|logged| logged.line.text.contains(text))
    }
}

impl World {
    /// The bus of a node that runs and is not stopped.
    pub(super) fn running_bus(&self, id: MachineId) -> Option<&Bus> {
        self.sim.machine(id).filter(|_| self.sim.is_running(id)).and_then(Node::bus)
    }

    /// The owners a node knows, with the first slot of each of their ranges; nothing unless every slot has one.
    fn owners(&self, id: MachineId) -> Option<Vec<(MachineId, Vec<u16>)>> {
        let bus = self.running_bus(id)?;
        let map = bus.table().slot_map();
        if map.assigned() < Slot::all().len() {
            return None;
        }
        let mut owners: BTreeMap<MachineId, Vec<u16>> = BTreeMap::new();
        for (_, node) in bus.table().iter().filter(|(_, node)| node.slot_count() > 0) {
            let ranges = node.slots().ranges().flat_map(|range| [range.first.number(), range.last.number()]);
            owners.insert(*self.ids.get(&node.id())?, ranges.collect());
        }
        Some(owners.into_iter().collect())
    }

    /// Whether a node knows whom another one follows; true when it does not know that one at all.
    fn knows_role(&self, id: MachineId, other: MachineId) -> bool {
        let (Some(bus), Some(theirs)) = (self.running_bus(id), self.running_bus(other)) else { return false };
        let Some(known) = bus.table().find(&theirs.my_id()).map(|key| bus.table().node(key)) else { return true };
        let followed = |bus: &Bus, primary: Option<_>| primary.map(|key| bus.table().node(key).id());
        followed(bus, known.primary()) == followed(theirs, theirs.myself().primary())
    }

    /// Whether a node holds one of these for down.
    fn suspects_any(&self, id: MachineId, others: &[MachineId]) -> bool {
        let Some(bus) = self.running_bus(id) else { return true };
        let down = NodeFlags::FAIL.with(NodeFlags::PFAIL);
        let is_one = |id: &NodeId| self.ids.get(id).is_some_and(|machine| others.contains(machine));
        bus.table().iter().any(|(_, node)| node.flags().has(down) && is_one(&node.id()))
    }

    /// Whether a replica has all its primary wrote; true for a primary.
    fn is_up_to_date(&self, id: MachineId) -> bool {
        let Some(bus) = self.running_bus(id) else { return false };
        let Some(primary) = bus.myself().primary() else { return bus.is_primary() };
        let primary = self.ids.get(&bus.table().node(primary).id());
        let nodes = (self.sim.machine(id), primary.and_then(|&primary| self.sim.machine(primary)));
        let (Some(replica), Some(primary)) = nodes else { return false };
        let (mine, theirs) = (replica.history(), primary.history());
        replica.is_following() && mine.replid == theirs.replid && mine.offset == theirs.offset
    }
}
