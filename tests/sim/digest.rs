//! A digest of a dataset: equal data, equal numbers, whatever the order of the tables.

use std::hash::{DefaultHasher, Hash, Hasher};

use slotmesh::testing::MachineId;
use slotmesh_cluster::node::Node;
use slotmesh_engine::debug::contents;
use slotmesh_engine::keyspace::{DbIndex, Entry};
use slotmesh_transport_mem::Sim;

/// The digest of all databases of a node.
pub(crate) fn of(node: &Node) -> u64 {
    let keyspace = &node.engine().core().keyspace;
    let databases = (0..keyspace.databases()).filter(|&index| !keyspace.db(DbIndex(index)).is_empty());
    databases.flat_map(|index| keyspace.db(DbIndex(index)).iter()).map(of_entry).fold(0, u64::wrapping_add)
}

/// What two nodes hold differently, for people to read.
pub(crate) fn difference(sim: &Sim<Node>, one: MachineId, other: MachineId) -> String {
    let lines = |id: MachineId| -> Vec<String> {
        let Some(node) = sim.machine(id) else { return Vec::new() };
        let keyspace = &node.engine().core().keyspace;
        let mut lines: Vec<String> = keyspace.db(DbIndex(0)).iter().map(show).collect();
        lines.sort();
        lines
    };
    let (left, right) = (lines(one), lines(other));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    format!("only in {one}: {:?}\nonly in {other}: {:?}", only(&left, &right), only(&right, &left))
}

fn of_entry(entry: &Entry) -> u64 {
    // The same on every run: its keys are fixed.
    let mut hasher = DefaultHasher::new();
    entry.key().hash(&mut hasher);
    entry.expiry().map(|at| at.0).hash(&mut hasher);
    contents(entry).hash(&mut hasher);
    hasher.finish()
}

fn show(entry: &Entry) -> String {
    let expiry = entry.expiry().map_or(-1, |at| at.0);
    let value = entry.value();
    let mut digits = itoa::Buffer::new();
    let text = match value.string_bytes(&mut digits) {
        Some(bytes) => bytes[..bytes.len().min(40)].escape_ascii().to_string(),
        None => format!("{} {:x?}", value.kind().name(), &contents(entry)[..4]),
    };
    format!("{}={text} @{expiry}", entry.key().escape_ascii())
}
