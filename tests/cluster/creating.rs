//! A new cluster: who has which slots, and what clients hear of it.

use slotmesh::testing::{MachineId, TestCluster};

#[test]
fn slots_are_shared_as_redis_cli_shares_them() {
    let t = TestCluster::new(3, 1);

    for id in t.nodes() {
        let nodes = t.call(id, ["CLUSTER", "NODES"]).text();
        assert_eq!(nodes.lines().count(), 6);
        for (primary, range) in [(0, "0-5460"), (1, "5461-10922"), (2, "10923-16383")] {
            let line = line_of(&nodes, &t.id_of(MachineId(primary)));
            assert!(line.contains("master") && line.ends_with(&format!("connected {range}")), "{line}");
        }
        for replica in 3..6 {
            let line = line_of(&nodes, &t.id_of(MachineId(replica)));
            let primary = t.id_of(MachineId(replica - 3));
            assert!(line.contains(&format!("slave {primary} ")) && line.ends_with(" connected"), "{line}");
        }
        let info = t.call(id, ["CLUSTER", "INFO"]).text();
        assert!(info.contains("cluster_state:ok\r\n") && info.contains("cluster_slots_ok:16384\r\n"), "{info}");
        assert!(info.contains("cluster_known_nodes:6\r\n") && info.contains("cluster_size:3\r\n"), "{info}");
    }
}

#[test]
fn a_key_is_served_by_its_owner_and_others_say_where() {
    let mut t = TestCluster::new(3, 1);
    let (first, replica) = (MachineId(0), MachineId(3));

    assert_eq!(t.call(first, ["SET", "sample1", "1"]), "OK");
    assert_eq!(t.call(first, ["SET", "sample2", "1"]), "MOVED 12364 10.0.0.3:30003");
    t.settle();

    assert_eq!(t.call(replica, ["GET", "sample1"]), "MOVED 47 10.0.0.1:30001");
    assert_eq!(t.call(replica, ["READONLY"]), "OK");
    assert_eq!(t.call(replica, ["GET", "sample1"]), "1");
    assert_eq!(t.call(replica, ["SET", "sample1", "2"]), "MOVED 47 10.0.0.1:30001");
    assert_eq!(t.call(replica, ["READWRITE"]), "OK");
    assert_eq!(t.call(replica, ["GET", "sample1"]), "MOVED 47 10.0.0.1:30001");
}

#[test]
fn keys_of_several_slots_are_refused_in_one_command() {
    let t = TestCluster::new(3, 0);

    let reply = t.call(MachineId(0), ["MSET", "sample1", "1", "sample2", "2"]);

    assert_eq!(reply, "CROSSSLOT Keys in request don't hash to the same slot");
}

#[test]
fn a_client_finds_every_key() {
    let t = TestCluster::new(3, 1);
    let mut c = t.client();

    for number in 0..100 {
        assert_eq!(c.call(["SET", &format!("key:{number}"), &number.to_string()]), "OK");
    }

    for number in 0..100 {
        assert_eq!(c.call(["GET", &format!("key:{number}")]), number.to_string());
    }
}

#[test]
fn the_same_seed_forms_the_same_cluster() {
    let run = |seed| {
        let mut t = TestCluster::with_seed(seed, 3, 1);
        t.settle();
        (t.trace_hash(), t.id_of(MachineId(0)))
    };

    assert_eq!(run(7), run(7));
    assert!(run(7) != run(8) || std::env::var("SLOTMESH_SEED").is_ok(), "another seed is another history");
}

fn line_of<'a>(nodes: &'a str, id: &str) -> &'a str {
    nodes.lines().find(|line| line.starts_with(id)).expect("every node has its line")
}
