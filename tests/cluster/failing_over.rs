//! Replicas that take over, one after the other.

use slotmesh::testing::{MachineId, Role, TestCluster};

#[test]
fn two_failures_in_one_shard_are_survived_without_a_full_synchronisation() {
    let mut t = TestCluster::builder(3).replicas_of_each(&[2, 1, 1]).start();
    let mut c = t.client();
    let replicas = t.replicas_of(MachineId(0));
    assert_eq!(c.call(["SET", "sample1", "1"]), "OK");
    t.settle();
    let full_syncs = |t: &TestCluster, id| t.log(id).iter().filter(|line| line.starts_with("Full resync")).count();
    let before: Vec<usize> = replicas.iter().map(|&id| full_syncs(&t, id)).collect();

    t.kill(MachineId(0));
    t.run_until(TestCluster::is_healthy);
    let heir = t.owner_of("sample1");
    let second = *replicas.iter().find(|&&id| id != heir).expect("two replicas");
    assert!(replicas.contains(&heir));
    assert_eq!(t.primary_of(second), Some(heir));
    assert!(t.logged(second, "Successful partial resynchronization with master."));
    assert_eq!(c.call(["SET", "sample1", "2"]), "OK");
    t.settle();

    t.kill(heir);
    t.run_until(TestCluster::is_healthy);

    assert_eq!(t.owner_of("sample1"), second);
    assert_eq!(c.call(["GET", "sample1"]), "2");
    let after: Vec<usize> = replicas.iter().map(|&id| full_syncs(&t, id)).collect();
    assert_eq!(before, after, "no replica began from nothing");
}

#[test]
fn an_operator_exchanges_primary_and_replica_without_a_lost_write() {
    let mut t = TestCluster::new(3, 1);
    let mut c = t.client();
    let (primary, replica) = (MachineId(0), MachineId(3));
    assert_eq!(c.call(["SET", "sample1", "1"]), "OK");

    assert_eq!(t.call(replica, ["CLUSTER", "FAILOVER"]), "OK");
    assert_eq!(c.call(["SET", "sample1", "2"]), "OK");
    t.run_until(|t| t.role(replica) == Role::Primary && t.is_healthy());

    assert_eq!(t.primary_of(primary), Some(replica));
    assert_eq!(c.call(["GET", "sample1"]), "2");
}

#[test]
fn a_paused_primary_that_wakes_up_acknowledges_nothing() {
    let mut t = TestCluster::new(3, 1);
    let (primary, replica) = (MachineId(0), MachineId(3));
    t.pause(primary);
    t.run_until(|t| t.role(replica) == Role::Primary);

    t.resume(primary);
    let reply = t.call(primary, ["SET", "sample1", "1"]);

    assert!(reply == "CLUSTERDOWN The cluster is down" || reply == "MOVED 47 10.0.0.4:30004", "{reply:?}");
    t.run_until(|t| t.primary_of(primary) == Some(replica) && t.is_healthy());
}

#[test]
fn a_cut_off_primary_stops_before_its_replica_begins() {
    let mut t = TestCluster::new(3, 1);
    let (primary, replica) = (MachineId(0), MachineId(3));
    t.partition(&[&[primary]]);

    // Clients still reach it.
    let mut stopped = false;
    while t.role(replica) == Role::Replica {
        stopped = t.call(primary, ["SET", "sample1", "1"]) != "OK";
        t.advance(std::time::Duration::from_millis(1));
    }

    assert!(stopped, "the last answer before the election was a refusal");
    t.heal();
    t.run_until(|t| t.primary_of(primary) == Some(replica) && t.is_healthy());
}

#[test]
fn a_node_of_a_cluster_follows_nobody_by_hand() {
    let t = TestCluster::new(3, 0);

    let reply = t.call(MachineId(0), ["REPLICAOF", "10.0.0.2", "30002"]);

    assert_eq!(reply, "ERR REPLICAOF not allowed in cluster mode.");
}
