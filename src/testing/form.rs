//! Joining nodes to a cluster, with the commands that `redis-cli --cluster create` sends.

use slotmesh_engine::slot::SLOTS;
use slotmesh_transport_mem::MachineId;

use super::cluster::TestCluster;

impl TestCluster {
    /// Gives the first `primaries` nodes all slots in equal parts, joins all nodes, and gives each primary in turn
    /// its number of replicas.
    pub(super) fn form(&mut self, primaries: usize, replicas: &[usize]) {
        self.share_slots(primaries);
        for (index, &id) in self.machines.iter().enumerate() {
            let epoch = (index + 1).to_string();
            assert_eq!(self.call(id, ["CLUSTER", "SET-CONFIG-EPOCH", &epoch]), "OK");
        }
        self.meet_all();
        let mut next = primaries;
        for (primary, &count) in replicas.iter().enumerate() {
            let id = self.id_of(MachineId(primary));
            for replica in next..next + count {
                assert_eq!(self.call(MachineId(replica), ["CLUSTER", "REPLICATE", &id]), "OK");
            }
            next += count;
        }
        self.run_until(Self::is_healthy);
    }

    /// Gives each of the first `primaries` nodes its part of the slots, as redis-cli shares them out.
    pub fn share_slots(&mut self, primaries: usize) {
        for index in 0..primaries {
            let (first, last) = share(index, primaries);
            let range = [first.to_string(), last.to_string()];
            assert_eq!(self.call(MachineId(index), ["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]), "OK");
        }
    }

    /// Joins all nodes by CLUSTER MEET from the first one, and waits until each knows all.
    pub fn meet_all(&mut self) {
        for &id in &self.machines[1..] {
            let address = self.address_of(id);
            let (ip, port) = (address.ip().to_string(), address.port().to_string());
            assert_eq!(self.call(MachineId(0), ["CLUSTER", "MEET", &ip, &port]), "OK");
        }
        self.run_until(|t| t.nodes().iter().all(|&id| t.knows_all(id)));
    }

    fn knows_all(&self, id: MachineId) -> bool {
        let world = self.world.borrow();
        let Some(bus) = world.sim.machine(id).and_then(slotmesh_cluster::node::Node::bus) else { return false };
        let known = bus.table().iter().filter(|(_, node)| !node.is_handshake()).count();
        known == self.machines.len() && bus.table().len() == known
    }
}

/// First and last slot of a primary's part: `redis-cli` rounds the borders of equal parts.
fn share(index: usize, primaries: usize) -> (u16, u16) {
    let per_node = f64::from(SLOTS) / primaries as f64;
    let border = |index: usize| (per_node * index as f64).round() as u16;
    // Redis rounds the last slot of each part: 5460, 10922 and 16383 for three.
    let last = |index: usize| (per_node * (index + 1) as f64 - 1.0).round() as u16;
    let first = if index == 0 { border(0) } else { last(index - 1) + 1 };
    (first, if index + 1 == primaries { SLOTS - 1 } else { last(index) })
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn slots_are_shared_as_redis_cli_does() {
        let parts: Vec<_> = (0..3).map(|index| share(index, 3)).collect();
        assert_eq!(parts, [(0, 5460), (5461, 10922), (10923, 16383)]);
        assert_eq!(share(0, 1), (0, 16383));
    }
}
