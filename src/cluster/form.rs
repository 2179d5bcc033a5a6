//! How a cluster begins: who has which slots, as every founder is told it.

use std::net::IpAddr;

use slotmesh_cluster::bus::config_file::NodeRecord;
use slotmesh_cluster::bus::{ConfigFile, NodeFlags, NodeId};
use slotmesh_cluster::slots::SlotRange;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::{SLOTS, Slot};

/// Where a founder is reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    pub(super) bus_port: u16,
}

/// The nodes.conf of each founder: the first `primaries` places are primaries, the others their replicas in turn.
pub(super) fn founders(places: &[Place], primaries: usize, rng: &mut Rng) -> Vec<ConfigFile> {
    let ids: Vec<NodeId> = places
        .iter()
        .map(|_| NodeId::parse(&rng.hex_id()).expect("a fresh id is 40 lower-case hexadecimal characters"))
        .collect();
    let ranges = slot_ranges(primaries);
    let record = |index: usize| {
        let shard = index % primaries;
        let is_primary = index < primaries;
        NodeRecord {
            id: ids[index],
            ip: Some(places[index].ip),
            port: places[index].port,
            cport: places[index].bus_port,
            hostname: String::new(),
            nodename: String::new(),
            shard: None,
            flags: if is_primary { NodeFlags::PRIMARY } else { NodeFlags::REPLICA },
            primary: (!is_primary).then_some(ids[shard]),
            ping_pending: false,
            answered: false,
            config_epoch: shard as u64 + 1,
            slots: if is_primary { vec![ranges[shard]] } else { Vec::new() },
            open_slots: Vec::new(),
        }
    };
    let nodes: Vec<NodeRecord> = (0..places.len()).map(record).collect();
    let file_of = |own: usize| {
        let mut nodes = nodes.clone();
        nodes[own].flags.insert(NodeFlags::MYSELF);
        ConfigFile { nodes, current_epoch: primaries as u64, last_vote_epoch: 0, skipped_vars: Vec::new() }
    };
    (0..places.len()).map(file_of).collect()
}

/// The slots in as many parts of nearly equal size, cut where `redis-cli --cluster create` cuts them.
fn slot_ranges(parts: usize) -> Vec<SlotRange> {
    let slot = |number: usize| u16::try_from(number).ok().and_then(Slot::new).expect("a cut lies below the last slot");
    let total = usize::from(SLOTS);
    // Part `n` ends at `(n + 1) * 16384 / parts - 1`, rounded to the nearest.
    let end = |part: usize| ((part + 1) * total * 2 + parts) / (2 * parts);
    (0..parts)
        .map(|part| {
            let first = if part == 0 { 0 } else { end(part - 1) };
            SlotRange { first: slot(first), last: slot(end(part) - 1) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use slotmesh_engine::rng::Rng;

    use super::{Place, founders, slot_ranges};

    #[test]
    fn slots_are_cut_where_redis_cli_cuts_them() {
        let cuts = |parts| slot_ranges(parts).iter().map(ToString::to_string).collect::<Vec<_>>();

        assert_eq!(cuts(1), ["0-16383"]);
        assert_eq!(cuts(3), ["0-5460", "5461-10922", "10923-16383"]);
        assert_eq!(cuts(4), ["0-4095", "4096-8191", "8192-12287", "12288-16383"]);
        assert_eq!(cuts(16384).len(), 16384);
    }

    #[test]
    fn each_founder_is_told_the_same_but_who_it_is() {
        let place = |number| Place { ip: [10, 0, 0, number].into(), port: 6379, bus_port: 16379 };
        let places: Vec<Place> = (1..=6).map(place).collect();

        let files = founders(&places, 3, &mut Rng::new(1));

        assert_eq!(files.len(), 6);
        assert_eq!(files[4].nodes[4].primary, Some(files[4].nodes[1].id));
        assert_eq!(files[4].nodes[4].flags.to_string(), "myself,slave");
        assert_eq!(files[4].nodes[0].flags.to_string(), "master");
        assert_eq!(files[0].nodes[0].config_epoch, 1);
        assert_eq!(files[0].current_epoch, 3);
    }
}
