//! Whether the nodes of a cluster agree, and what is missing if not.

use std::net::SocketAddr;

use slotmesh_cluster::bus::{NodeFlags, NodeId};
use slotmesh_cluster::node::Node;
use slotmesh_cluster::slots::SlotRange;
use slotmesh_engine::time::Now;

/// What one node says of itself and of the others.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) id: NodeId,
    pub(super) primary: Option<NodeId>,
    pub(super) epoch: u64,
    pub(super) slots: Vec<SlotRange>,
    owners: Vec<(SlotRange, NodeId)>,
    /// Where the owners are, as far as this node knows.
    owner_addresses: Vec<SocketAddr>,
    suspects: Vec<NodeId>,
    is_ok: bool,
    /// It may acknowledge writes, or follows its primary.
    is_useful: bool,
}

impl View {
    /// Nothing while the node starts.
    pub(super) fn of(node: &mut Node, now: Now) -> Option<Self> {
        if !node.is_running() {
            return None;
        }
        let is_following = node.is_following();
        let bus = node.bus()?;
        let table = bus.table();
        let me = bus.myself();
        let is_down = |flags: NodeFlags| flags.has(NodeFlags::PFAIL) || flags.has(NodeFlags::FAIL);
        let has_slots = me.slot_count() > 0;
        let owners: Vec<_> = table.slot_map().owned_ranges().collect();
        let address = |key| {
            let address = table.node(key).address();
            Some(SocketAddr::new(address.ip?, address.port))
        };
        Some(Self {
            id: me.id(),
            primary: me.primary().map(|key| table.node(key).id()),
            epoch: bus.my_epoch(),
            slots: me.slots().ranges().collect(),
            owners: owners.iter().map(|&(range, key)| (range, table.node(key).id())).collect(),
            owner_addresses: owners.iter().filter_map(|&(_, key)| address(key)).collect(),
            suspects: table.iter().filter(|(_, node)| is_down(node.flags())).map(|(_, node)| node.id()).collect(),
            is_ok: bus.is_ok(),
            is_useful: if me.is_primary() { !has_slots || bus.has_majority_contact(now.instant) } else { is_following },
        })
    }
}

/// What keeps these running nodes from being one healthy cluster; the number is a node's place in the list. `down` are
/// the addresses of those that do not run.
pub(super) fn problem(views: &[Option<View>], down: &[SocketAddr]) -> Option<String> {
    let mut first: Option<&View> = None;
    for (number, view) in views.iter().enumerate() {
        let Some(view) = view else { return Some(format!("node {number} is starting")) };
        let first = *first.get_or_insert(view);
        if !view.is_ok {
            return Some(format!("node {number} says that the cluster is down"));
        }
        if let Some(owner) = view.owner_addresses.iter().find(|owner| down.contains(owner)) {
            return Some(format!("node {number} takes {owner}, which is down, for the owner of slots"));
        }
        if view.owners != first.owners {
            return Some(format!("nodes 0 and {number} do not agree about the slots"));
        }
        let suspected = |id: &NodeId| views.iter().flatten().any(|running| running.id == *id);
        if view.suspects.iter().any(suspected) {
            return Some(format!("node {number} takes a running node for dead"));
        }
        if !view.is_useful {
            return Some(match view.primary {
                Some(_) => format!("node {number} does not follow its primary yet"),
                None => format!("node {number} has not reached a majority yet"),
            });
        }
    }
    None
}
