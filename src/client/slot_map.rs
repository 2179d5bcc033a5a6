//! Which node has which slot, as a client knows it.

use slotmesh_engine::slot::{SLOTS, Slot};

use super::cluster::Address;
use slotmesh_engine::resp::value::Reply;

/// A node a client has heard of: its place in the list of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeNumber(u16);

/// The owners of all slots.
#[derive(Debug)]
pub(super) struct SlotMap {
    owners: Box<[Option<NodeNumber>]>,
    /// Every node ever heard of, so that numbers stay valid.
    addresses: Vec<Address>,
    /// Those of the newest map.
    members: Vec<NodeNumber>,
}

impl NodeNumber {
    /// The number as an index into lists kept beside the map.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl SlotMap {
    pub(super) fn new() -> Self {
        Self { owners: vec![None; usize::from(SLOTS)].into_boxed_slice(), addresses: Vec::new(), members: Vec::new() }
    }

    /// The node that has a slot, as far as it is known.
    pub(super) fn owner(&self, slot: Slot) -> Option<NodeNumber> {
        self.owners[usize::from(slot.number())]
    }

    /// The nodes of the newest map.
    pub(super) fn members(&self) -> &[NodeNumber] {
        &self.members
    }

    pub(super) fn address(&self, node: NodeNumber) -> &Address {
        &self.addresses[node.index()]
    }

    /// The number of a node; nothing when too many have been heard of.
    pub(super) fn number(&mut self, address: &Address) -> Option<NodeNumber> {
        let known = self.addresses.iter().position(|known| known == address);
        let place = known.unwrap_or(self.addresses.len());
        if place >= NODES_MAX {
            return None;
        }
        if known.is_none() {
            self.addresses.push(address.clone());
        }
        u16::try_from(place).ok().map(NodeNumber)
    }

    /// Notes one slot's owner.
    pub(super) fn set(&mut self, slot: Slot, owner: NodeNumber) {
        self.owners[usize::from(slot.number())] = Some(owner);
    }

    /// Takes the reply of CLUSTER SLOTS that the node `asked` gave. Returns whether it names any slot.
    pub(super) fn learn(&mut self, reply: Reply, asked: NodeNumber) -> bool {
        let host = self.address(asked).host.clone();
        let ranges = reply.into_elements().unwrap_or_default();
        let ranges: Vec<Range> = ranges.into_iter().filter_map(|range| Range::read(range, &host)).collect();
        if ranges.is_empty() {
            return false;
        }
        self.owners.fill(None);
        self.members.clear();
        for Range { first, last, nodes } in ranges {
            let numbers: Vec<NodeNumber> = nodes.iter().filter_map(|node| self.number(node)).collect();
            self.owners[usize::from(first)..=usize::from(last)].fill(numbers.first().copied());
            for number in numbers {
                if !self.members.contains(&number) {
                    self.members.push(number);
                }
            }
        }
        true
    }
}

/// One element of CLUSTER SLOTS: a range, its owner, then the owner's replicas.
struct Range {
    first: u16,
    last: u16,
    nodes: Vec<Address>,
}

impl Range {
    fn read(reply: Reply, asked_host: &str) -> Option<Self> {
        let mut parts = reply.into_elements()?.into_iter();
        let (first, last) = (slot(&parts.next()?)?, slot(&parts.next()?)?);
        let nodes = parts.map(|node| address(node, asked_host)).collect::<Option<Vec<_>>>()?;
        (first <= last && !nodes.is_empty()).then_some(Self { first, last, nodes })
    }
}

fn address(reply: Reply, asked_host: &str) -> Option<Address> {
    let mut parts = reply.into_elements()?.into_iter();
    let host = parts.next()?;
    let Reply::Int(port) = parts.next()? else { return None };
    let host = match host.as_bytes() {
        // The node does not know its own address, or does not tell it: it is where we asked.
        None | Some(b"" | b"?") => asked_host.to_owned(),
        Some(host) => String::from_utf8_lossy(host).into_owned(),
    };
    Some(Address { host, port: u16::try_from(port).ok()? })
}

fn slot(reply: &Reply) -> Option<u16> {
    if let Reply::Int(number) = reply { u16::try_from(*number).ok().filter(|&number| number < SLOTS) } else { None }
}

/// Nodes one client remembers; a cluster has at most 1,000 or so.
const NODES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use slotmesh_engine::slot::Slot;

    use super::SlotMap;
    use crate::client::{Address, Reply};

    fn node(host: &str, port: i64) -> Reply {
        Reply::Array(vec![Reply::Bulk(host.into()), Reply::Int(port), Reply::Bulk(b"id".to_vec())])
    }

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    fn owner(map: &SlotMap, slot: u16) -> Option<Address> {
        map.owner(Slot::new(slot).unwrap()).map(|node| map.address(node).clone())
    }

    #[test]
    fn the_reply_of_cluster_slots_tells_every_owner() {
        let reply = Reply::Array(vec![
            Reply::Array(vec![Reply::Int(0), Reply::Int(99), node("10.0.0.1", 7001), node("10.0.0.2", 7002)]),
            Reply::Array(vec![Reply::Int(100), Reply::Int(16383), node("", 7003)]),
        ]);
        let mut map = SlotMap::new();
        let asked = map.number(&address("here", 1)).unwrap();

        assert!(map.learn(reply, asked));

        assert_eq!(owner(&map, 99), Some(address("10.0.0.1", 7001)));
        assert_eq!(owner(&map, 100), Some(address("here", 7003)));
        assert_eq!(map.members().len(), 3);
    }

    #[test]
    fn a_reply_that_tells_nothing_changes_nothing() {
        let mut map = SlotMap::new();
        let asked = map.number(&address("a", 1)).unwrap();
        map.set(Slot::new(5).unwrap(), asked);

        for nonsense in [
            Reply::Null,
            Reply::Array(vec![]),
            Reply::Array(vec![Reply::Array(vec![Reply::Int(-1), Reply::Int(9), node("a", 1)])]),
            Reply::Array(vec![Reply::Array(vec![Reply::Int(0), Reply::Int(99_999), node("a", 1)])]),
            Reply::Array(vec![Reply::Array(vec![Reply::Int(9), Reply::Int(0), node("a", 1)])]),
            Reply::Array(vec![Reply::Array(vec![Reply::Int(0), Reply::Int(9), node("a", 99_999)])]),
            Reply::Array(vec![Reply::Array(vec![Reply::Int(0), Reply::Int(9)])]),
        ] {
            assert!(!map.learn(nonsense, asked));
        }

        assert_eq!(owner(&map, 5), Some(address("a", 1)));
    }
}
