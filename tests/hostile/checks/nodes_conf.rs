//! nodes.conf: a file is refused, or the bus it makes writes the same ownership again.

use std::collections::BTreeMap;

use slotmesh_cluster::bus::config_file::{ConfigFile, parse};
use slotmesh_cluster::bus::{Bus, BusConfig, NodeFlags, NodeId};
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now, UnixMicros};

pub(crate) fn check(data: &[u8]) {
    let file = match parse(data) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = bus(&file).config_text();
    let again = parse(written.as_bytes()).unwrap_or_else(|error| panic!("{error} in what was written:\n{written}"));

    assert_eq!(owners(&again), owners(&file), "{written}");
    assert_eq!(again.last_vote_epoch, file.last_vote_epoch);
    assert!(again.current_epoch >= file.current_epoch);
    assert_eq!(primaries(&again), primaries(&file), "{written}");
    assert_eq!(bus(&again).config_text(), written, "what was written once is written the same again");
}

pub(crate) fn bus(file: &ConfigFile) -> Bus {
    Bus::new(now(), BusConfig::default(), Some(file), Rng::new(1))
}

pub(crate) fn now() -> Now {
    Now { instant: Instant(10_000_000), unix: UnixMicros(1_700_000_000_000_000) }
}

fn owners(file: &ConfigFile) -> BTreeMap<u16, NodeId> {
    let slots = |node: &slotmesh_cluster::bus::config_file::NodeRecord| {
        let id = node.id;
        let slots: Vec<_> = node.slots.iter().flat_map(|range| range.slots()).collect();
        slots.into_iter().map(move |slot| (slot.number(), id))
    };
    file.nodes.iter().flat_map(slots).collect()
}

/// Whom each replica follows; one that names itself follows nobody.
fn primaries(file: &ConfigFile) -> BTreeMap<NodeId, NodeId> {
    let replicas = file.nodes.iter().filter(|node| node.flags.has(NodeFlags::REPLICA));
    replicas.filter_map(|node| Some((node.id, node.primary.filter(|id| *id != node.id)?))).collect()
}

pub(crate) const A: &str = "07c37dfeb235213a872192d90877d0cd55635b91";
pub(crate) const B: &str = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1";
pub(crate) const C: &str = "292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f";

/// A cluster of two primaries and a replica.
pub(crate) fn text() -> String {
    format!(
        "{A} 127.0.0.1:30001@40001,host myself,master - 0 1700000000000 1 connected 0-5460 5462 [93->-{B}] [77-<-{B}]\n\
         {B} 127.0.0.1:30002@40002 master - 0 1700000000000 2 connected 5461 5463-16383\n\
         {C} 127.0.0.1:30003@40003 slave {B} 1700000000000 1700000000000 2 connected\n\
         vars currentEpoch 6 lastVoteEpoch 3\n"
    )
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let text = text();
    let file = parse(text.as_bytes()).expect("the seed is sound");
    let new = format!(
        "{A} ::1:6379@16379,,tls-port=0,shard-id={C} myself,slave,nofailover {B} 0 0 0 connected\n\
         {B} :0@0 master,noaddr,fail? - 1 0 0 disconnected\nvars currentEpoch 0 lastVoteEpoch 0 other x\n"
    );
    vec![text.into_bytes(), bus(&file).config_text().into_bytes(), new.into_bytes()]
}
