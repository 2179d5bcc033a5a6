//! Numbered databases on a cluster node. What is expected was observed on valkey-server 9.1 with `cluster-databases 3`.

use slotmesh_engine::config::Config;

use super::{Fixture, TestDisk};
use crate::machine::ConnId;

/// A cluster of one node with three databases, and keys of one slot in all of them.
fn cluster(disk: TestDisk) -> (Fixture, ConnId) {
    let options = |config: &mut Config| {
        config.cluster_enabled = true;
        config.cluster_databases = 3;
    };
    let mut fixture = Fixture::started(options, disk);
    let client = fixture.client();
    fixture.call(client, "CLUSTER ADDSLOTSRANGE 0 16383");
    fixture.advance(5_000);
    (fixture, client)
}

fn filled() -> (Fixture, ConnId) {
    let (mut fixture, client) = cluster(TestDisk::default());
    for (db, keys) in [(0, "{a}x 0"), (1, "{a}x 1 {a}y 1"), (2, "{a}z 2")] {
        fixture.call(client, &format!("SELECT {db}"));
        assert_eq!(fixture.call(client, &format!("MSET {keys}")), "+OK|");
    }
    (fixture, client)
}

#[test]
fn slots_are_counted_in_the_selected_database_and_checked_in_all() {
    let (mut fixture, client) = filled();
    assert_eq!(fixture.call(client, "CLUSTER COUNTKEYSINSLOT 15495"), ":1|");
    assert_eq!(fixture.call(client, "CLUSTER GETKEYSINSLOT 15495 9"), "*1|$4|{a}z|");
    fixture.call(client, "SELECT 1");
    assert_eq!(fixture.call(client, "CLUSTER COUNTKEYSINSLOT 15495"), ":2|");
    assert_eq!(fixture.call(client, "DBSIZE"), ":2|");

    fixture.call(client, "SELECT 0");
    assert_eq!(fixture.call(client, "FLUSHDB"), "+OK|");
    assert_eq!(fixture.call(client, "CLUSTER COUNTKEYSINSLOT 15495"), ":0|");
    let full = "-ERR DB must be empty to perform CLUSTER FLUSHSLOTS.|";
    assert_eq!(fixture.call(client, "CLUSTER FLUSHSLOTS"), full);
    let reset = "-ERR CLUSTER RESET can't be called with master nodes containing keys|";
    assert_eq!(fixture.call(client, "CLUSTER RESET"), reset);
    assert!(
        fixture
            .call(client, "INFO keyspace")
            .contains("db1:keys=2,expires=0,avg_ttl=0,keys_with_volatile_items=0|db2:keys=1,")
    );

    assert_eq!(fixture.call(client, "FLUSHALL"), "+OK|");
    assert_eq!(fixture.call(client, "CLUSTER FLUSHSLOTS"), "+OK|");
}

#[test]
fn a_file_brings_all_databases_back() {
    let (mut fixture, client) = filled();
    assert_eq!(fixture.call(client, "SAVE"), "+OK|");
    let (mut fixture, client) = cluster(fixture.disk);
    assert!(
        fixture
            .call(client, "INFO keyspace")
            .contains("db0:keys=1,expires=0,avg_ttl=0,keys_with_volatile_items=0|db1:keys=2,")
    );
}
