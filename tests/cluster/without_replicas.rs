//! Primaries that nobody can replace.

use slotmesh::testing::{MachineId, Retry, TestCluster};

#[test]
fn a_lost_primary_without_replicas_takes_the_cluster_down_until_it_is_back() {
    let mut t = TestCluster::new(3, 0);
    let mut c = t.client();
    c.set_retry(Retry::NONE);
    assert_eq!(c.call(["SET", "sample2", "1"]), "OK");

    t.kill(MachineId(0));
    t.run_until(|t| t.call(MachineId(2), ["GET", "sample2"]) == "CLUSTERDOWN The cluster is down");
    assert_eq!(t.call(MachineId(1), ["GET", "sample2"]), "CLUSTERDOWN The cluster is down");
    assert_eq!(t.call(MachineId(1), ["PING"]), "PONG");

    t.restart(MachineId(0));
    t.run_until(TestCluster::is_healthy);
    assert_eq!(t.call(MachineId(2), ["GET", "sample2"]), "1");
}

#[test]
fn without_full_coverage_the_other_slots_are_served() {
    let mut t = TestCluster::builder(3).config(|config| config.cluster_require_full_coverage = false).start();
    t.kill(MachineId(0));
    t.run_until(|t| t.logged(MachineId(1), "FAIL message received") || t.logged(MachineId(1), "as failing"));

    assert_eq!(t.call(MachineId(2), ["SET", "sample2", "1"]), "OK");
}
