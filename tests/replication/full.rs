//! Full synchronisation.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use slotmesh_test_support::client::Client;
use slotmesh_test_support::data::{assert_same, fill, fill_collections, pipeline};
use slotmesh_test_support::replication::{FOLLOW_LIMIT, Role, follow, role, wait_caught_up, wait_connected};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Reply, Server};

use crate::{launch, ours, start};

crate::pairs! {
    a_replica_gets_the_whole_data_set_and_then_the_stream,
    a_data_set_goes_through_the_disk_of_the_primary,
    writes_during_a_full_synchronisation_arrive_exactly_once,
    a_replica_reads_its_primary_from_the_configuration,
}

/// Several databases, expiries and every kind of value.
fn a_replica_gets_the_whole_data_set_and_then_the_stream(primary: &Path, replica: &Path) {
    let (primary, replica) = (start(primary), start(replica));
    fill(&mut primary.client(), "before", 2000).unwrap();
    fill_collections(&mut primary.client(), "before").unwrap();
    let mut third = primary.client();
    third.call(["SELECT", "3"]).unwrap();
    fill(&mut third, "third", 100).unwrap();
    fill(&mut replica.client(), "stale", 50).unwrap();

    follow(&replica, primary.port());
    fill(&mut primary.client(), "after", 500).unwrap();
    fill(&mut third, "after", 50).unwrap();
    wait_caught_up(&primary, &replica);

    assert_equal_databases(&primary, &replica, &["0", "3"]);
}

fn a_data_set_goes_through_the_disk_of_the_primary(primary: &Path, replica: &Path) {
    let primary = launch(primary).option("repl-diskless-sync", "no").start().expect("the server starts");
    let replica = start(replica);
    fill(&mut primary.client(), "k", 1000).unwrap();

    follow(&replica, primary.port());
    fill(&mut primary.client(), "after", 100).unwrap();
    wait_caught_up(&primary, &replica);

    assert_equal_databases(&primary, &replica, &["0"]);
}

/// Counters tell a write that arrived twice or never; a large data set makes the transfer last.
fn writes_during_a_full_synchronisation_arrive_exactly_once(primary: &Path, replica: &Path) {
    let (primary, replica) = (start(primary), start(replica));
    fill(&mut primary.client(), "bulk", 100_000).unwrap();
    let is_done = AtomicBool::new(false);

    let rounds = thread::scope(|scope| {
        let writer = scope.spawn(|| count_until(&mut primary.client(), &is_done));
        follow(&replica, primary.port());
        is_done.store(true, Ordering::Relaxed);
        writer.join().expect("the writer ends")
    });
    wait_caught_up(&primary, &replica);

    assert_equal_databases(&primary, &replica, &["0"]);
    let first = replica.client().call(["GET", "count:0"]).unwrap();
    assert_eq!(first, Reply::Bulk(rounds.to_string().into_bytes()));
}

fn a_replica_reads_its_primary_from_the_configuration(primary: &Path, replica: &Path) {
    let primary = launch(primary).option("requirepass", "secret").start().expect("the server starts");
    let mut client = primary.client();
    client.call(["AUTH", "secret"]).unwrap();
    fill(&mut client, "k", 20).unwrap();

    let address = format!("127.0.0.1 {}", primary.port());
    let replica =
        launch(replica).option("replicaof", &address).option("masterauth", "secret").start().expect("it starts");
    wait_connected(&replica);

    assert_same(&mut client, &mut replica.client());
    // The primary counts the replica from its first acknowledgement on.
    let is_counted = || matches!(role(&mut client), Role::Primary { replicas: 1, .. }).then_some(());
    poll_until("the replica's acknowledgement", FOLLOW_LIMIT, is_counted).unwrap();
}

/// Three replicas of one primary, one of them while the transfer of another runs.
#[test]
fn replicas_that_come_one_after_the_other_all_get_the_same() {
    let primary = start(&ours());
    fill(&mut primary.client(), "bulk", 30_000).unwrap();
    let replicas: Vec<Server> = (0..3).map(|_| start(&ours())).collect();

    thread::scope(|scope| {
        for replica in &replicas {
            scope.spawn(|| follow(replica, primary.port()));
        }
    });
    fill(&mut primary.client(), "after", 1000).unwrap();

    for replica in &replicas {
        wait_caught_up(&primary, replica);
        assert_equal_databases(&primary, replica, &["0"]);
    }
}

/// Increments counters in rounds until told to stop; gives the number of rounds.
fn count_until(client: &mut Client, is_done: &AtomicBool) -> usize {
    let mut rounds = 0;
    while !is_done.load(Ordering::Relaxed) || rounds == 0 {
        let commands = (0..COUNTERS).map(|number| vec![b"INCR".to_vec(), format!("count:{number}").into_bytes()]);
        let spread = (0..COUNTERS).map(|number| {
            let key = format!("bulk:{}", (rounds * COUNTERS + number) % 100_000);
            vec![b"APPEND".to_vec(), key.into_bytes(), b"+".to_vec()]
        });
        pipeline(client, commands.chain(spread)).expect("the primary writes");
        rounds += 1;
    }
    rounds
}

fn assert_equal_databases(primary: &Server, replica: &Server, databases: &[&str]) {
    for database in databases {
        let (mut left, mut right) = (primary.client(), replica.client());
        left.call(["SELECT", database]).unwrap();
        right.call(["SELECT", database]).unwrap();
        assert_same(&mut left, &mut right);
    }
}

/// Counters incremented in each round.
const COUNTERS: usize = 50;
