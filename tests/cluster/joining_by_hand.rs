//! Six nodes joined command by command; a primary is lost and comes back; all are stopped and started again.

use std::time::Duration;

use slotmesh::testing::{MachineId, Role, TestCluster};

#[test]
fn a_cluster_made_by_hand_survives_a_failure_and_a_restart_of_all() {
    let mut t = joined_by_hand();
    let mut c = t.client();
    for (key, owner) in KEYS {
        assert_eq!(t.owner_of(key), MachineId(owner), "{key}");
        assert_eq!(c.call(["SET", key, "kept"]), "OK");
    }
    t.settle();

    let (lost, heir) = (MachineId(0), MachineId(3));
    let began = t.now();
    t.kill(lost);
    t.run_until(|t| t.call(heir, ["SET", "kk", "again"]) == "OK");
    let took = t.now().since(began);
    assert!(took < FAILOVER_MAX, "{took:?}");
    assert!(slots_line(&t, heir).ends_with(" 0-5461"));
    assert_eq!(t.call(heir, ["GET", "kk"]), "again");

    t.restart(lost);
    t.run_until(|t| t.primary_of(lost) == Some(heir) && t.is_healthy());
    let line = slots_line(&t, lost);
    assert!(line.contains(&format!("slave {}", t.id_of(heir))), "{line}");
    assert_eq!(t.call(lost, ["READONLY"]), "OK");
    assert_eq!(t.call(lost, ["GET", "kk"]), "again");

    let before = t.call(heir, ["CLUSTER", "SLOTS"]);
    for id in t.nodes() {
        t.shut_down(id);
        for line in ["User requested shutdown...", "DB saved on disk", "Redis is now ready to exit, bye bye..."] {
            assert!(t.log(id).iter().any(|logged| logged == line), "{id} did not log '{line}'");
        }
    }
    t.nodes().into_iter().for_each(|id| t.restart(id));
    t.run_until(TestCluster::is_healthy);
    assert_eq!(t.call(heir, ["CLUSTER", "SLOTS"]), before);
    assert_eq!((t.role(heir), t.role(lost)), (Role::Primary, Role::Replica));
    for (key, _) in KEYS {
        assert_eq!(c.call(["GET", key]), if key == "kk" { "again" } else { "kept" });
    }
}

#[test]
fn a_node_that_never_met_anybody_serves_what_it_has() {
    let mut t = TestCluster::builder(1).start_alone();
    let (first, rest) = (MachineId(0), (0..16384).map(|slot: u32| slot.to_string()));

    assert_eq!(t.call(first, ["SET", "k", "v"]), "CLUSTERDOWN Hash slot not served");
    let words: Vec<String> = ["CLUSTER", "ADDSLOTS"].map(str::to_owned).into_iter().chain(rest).collect();
    assert_eq!(t.call(first, words), "OK");
    t.run_until(TestCluster::is_healthy);

    assert_eq!(t.call(first, ["SET", "k", "v"]), "OK");
}

/// MEET from one node, all slots of a primary by one ADDSLOTS, REPLICATE on each replica.
fn joined_by_hand() -> TestCluster {
    let mut t = TestCluster::builder(3).replicas(1).start_alone();
    t.meet_all();
    for (index, slots) in [0..5462, 5462..10923, 10923..16384].into_iter().enumerate() {
        let slots = slots.map(|slot: u32| slot.to_string());
        let words: Vec<String> = ["CLUSTER", "ADDSLOTS"].map(str::to_owned).into_iter().chain(slots).collect();
        assert_eq!(t.call(MachineId(index), words), "OK");
    }
    for replica in 3..6 {
        let primary = t.id_of(MachineId(replica - 3));
        assert_eq!(t.call(MachineId(replica), ["CLUSTER", "REPLICATE", &primary]), "OK");
    }
    t.run_until(TestCluster::is_healthy);
    t
}

/// A node's own line of CLUSTER NODES.
fn slots_line(t: &TestCluster, id: MachineId) -> String {
    let nodes = t.call(id, ["CLUSTER", "NODES"]).text();
    nodes.lines().find(|line| line.contains("myself")).expect("every node lists itself").to_owned()
}

/// Keys with the node that serves their slots 2589, 13896, 8118 and 11429.
const KEYS: [(&str, usize); 4] = [("kk", 0), ("2384u8", 2), ("kjsadfljk", 1), ("lskjdfk89989", 2)];

/// One and a half node timeouts of 500 ms to notice, and an election.
const FAILOVER_MAX: Duration = Duration::from_millis(750 + 150);
