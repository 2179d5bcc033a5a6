//! Faults that random histories once found, by name.
//!
//! Whoever mends a fault that a seed found adds the seed here, and below it the rule that was broken, as a story of
//! its own: a seed leads to the same history only until something else draws from it or takes other time, the story
//! stays. A fault in what the checks themselves assume has its seed here, too.

use std::time::Duration;

use slotmesh::testing::{MachineId, TestCluster};
use slotmesh_engine::config::special::save_points::SavePoints;

use crate::digest;
use crate::scenario::run;

/// nodes.conf's primary was followed before the dataset was loaded; the history of the loaded file stayed behind, and
/// a later reconnection asked for commands that had been applied.
#[test]
fn seeds_of_replicas_that_followed_before_their_files_were_read() {
    run_all(&[119, 133]);
}

/// A dump did not keep its place in the history together with the keys that only the history deletes.
#[test]
fn seeds_of_dumps_beside_their_place_in_the_history() {
    run_all(&[23, 36]);
}

/// A node that was restarted while it ran was not counted as started: it was said to have lost what it had
/// acknowledged in the life before, without syncing.
#[test]
fn seeds_of_restarts_that_nobody_saw() {
    run_all(&[140]);
}

#[test]
fn a_replica_that_starts_from_its_dump_goes_on_at_the_place_of_the_dump() {
    let mut t = cluster(false);
    count(&t, 100);
    t.settle();
    assert_eq!(t.call(REPLICA, ["SAVE"]), "OK");
    count(&t, 50);

    t.restart(REPLICA);
    t.run_until(TestCluster::is_healthy);
    assert_counted(&mut t, 150);
    assert_eq!(resumed(&t), 1);
    // The link breaks once more: what it asks for then has not been applied yet.
    count(&t, 20);
    t.settle();
    t.partition(&[&[REPLICA]]);
    t.advance(Duration::from_secs(5));
    t.heal();
    t.run_until(TestCluster::is_healthy);

    assert_counted(&mut t, 170);
    assert_eq!(resumed(&t), 2);
}

/// How often the replica has resumed where it was.
fn resumed(t: &TestCluster) -> usize {
    let is_one = |line: &String| line.contains("Successful partial resynchronization with master.");
    t.log(REPLICA).iter().filter(|line| is_one(line)).count()
}

#[test]
fn an_append_only_file_is_at_no_place_of_a_history() {
    let mut t = cluster(true);
    count(&t, 100);
    t.settle();
    assert!(!t.call(REPLICA, ["BGREWRITEAOF"]).is_error());
    t.advance(Duration::from_millis(500));
    count(&t, 50);
    t.advance(Duration::from_secs(2));

    t.restart(REPLICA);
    t.run_until(TestCluster::is_healthy);
    count(&t, 20);

    assert_counted(&mut t, 170);
}

#[test]
fn expired_keys_of_a_primarys_dump_stay_until_its_history_deletes_them() {
    let mut t = cluster(false);
    count(&t, 10);
    assert_eq!(t.call(PRIMARY, ["SET", "{b}short", "v", "PX", "300"]), "OK");
    t.settle();
    assert_eq!(t.call(PRIMARY, ["SAVE"]), "OK");

    // The key's time comes while its primary is away; the replica, which resumes, has it still.
    t.power_off(PRIMARY);
    t.advance(Duration::from_millis(400));
    t.restart(PRIMARY);
    t.run_until(TestCluster::is_healthy);
    t.advance(Duration::from_secs(1));

    assert_counted(&mut t, 10);
    assert!(resumed(&t) > 0);
    assert_eq!(t.call(PRIMARY, ["DBSIZE"]).int(), 1);
}

/// Three primaries and a replica of the first, which write no file by themselves.
fn cluster(appendonly: bool) -> TestCluster {
    let builder = TestCluster::builder(3).replicas_of_each(&[1]).config(move |config| {
        config.save = SavePoints::new(Vec::new());
        config.appendonly = appendonly;
        config.cluster_node_timeout_ms = 10_000;
        config.repl_timeout_secs = 2;
    });
    let t = builder.start();
    assert_eq!(t.primary_of(REPLICA), Some(PRIMARY));
    t
}

/// Commands that show when one is applied twice or not at all.
fn count(t: &TestCluster, times: usize) {
    for _ in 0..times {
        assert!(!t.call(PRIMARY, ["INCR", COUNTER]).is_error());
    }
}

fn assert_counted(t: &mut TestCluster, times: usize) {
    t.settle();
    assert_eq!(t.call(PRIMARY, ["GET", COUNTER]), times.to_string());
    let (primary, replica) = (digest::of(&t.node(PRIMARY)), digest::of(&t.node(REPLICA)));
    if primary != replica {
        let difference = t.with_sim(|sim| digest::difference(sim, PRIMARY, REPLICA));
        t.fail(&format!("the replica differs\n{difference}"));
    }
}

fn run_all(seeds: &[u64]) {
    seeds.iter().for_each(|&seed| {
        run(seed);
    });
}

const PRIMARY: MachineId = MachineId(0);
const REPLICA: MachineId = MachineId(3);

/// A key of the first primary's slots.
const COUNTER: &str = "{b}counter";
