//! Partial resynchronisation: after a cut, after a promotion, after a restart.

use std::path::Path;
use std::time::Duration;

use slotmesh_test_support::Reply;
use slotmesh_test_support::client::Client;
use slotmesh_test_support::data::{assert_same, fill};
use slotmesh_test_support::proxy::Proxy;
use slotmesh_test_support::replication::{
    FOLLOW_LIMIT, Role, follow, info_number, role, wait_caught_up, wait_connected,
};
use slotmesh_test_support::wait::poll_until;

use crate::{launch, start};

crate::pairs! {
    a_replica_that_was_cut_off_gets_only_what_it_missed,
    a_replica_that_missed_more_than_the_backlog_gets_everything,
    the_old_primary_follows_the_promoted_replica_without_a_full_transfer,
    a_sibling_follows_the_promoted_replica_without_a_full_transfer,
    a_replica_that_was_restarted_continues_from_its_file,
    a_killed_connection_to_the_primary_goes_on_where_it_ended,
}

/// CLIENT KILL TYPE master, on the replica: the stream is one of its clients.
fn a_killed_connection_to_the_primary_goes_on_where_it_ended(primary: &Path, replica: &Path) {
    let (primary, replica) = (start(primary), start(replica));
    follow(&replica, primary.address().port());
    wait_caught_up(&primary, &replica);
    let mut client = replica.client();
    let Reply::Bulk(line) = client.call(["CLIENT", "LIST", "TYPE", "master"]).unwrap() else { panic!("a line") };
    assert!(line.windows(9).any(|part| part == b" flags=M "), "{}", line.escape_ascii());

    assert_eq!(client.call(["CLIENT", "KILL", "TYPE", "master"]).unwrap(), Reply::Integer(1));
    fill(&mut primary.client(), "later", 20).unwrap();
    wait_caught_up(&primary, &replica);

    assert_same(&mut primary.client(), &mut replica.client());
    assert_eq!(syncs(&mut primary.client()), Syncs { full: 1, partial: 1 });
}

fn a_replica_that_was_cut_off_gets_only_what_it_missed(primary: &Path, replica: &Path) {
    let (primary, replica) = (start(primary), start(replica));
    let proxy = Proxy::start(primary.address()).unwrap();
    fill(&mut primary.client(), "before", 200).unwrap();
    follow(&replica, proxy.port());
    wait_caught_up(&primary, &replica);

    proxy.cut();
    fill(&mut primary.client(), "missed", 200).unwrap();
    wait_disconnected(&mut replica.client());
    proxy.heal();
    wait_connected(&replica);
    wait_caught_up(&primary, &replica);

    assert_same(&mut primary.client(), &mut replica.client());
    assert_eq!(syncs(&mut primary.client()), Syncs { full: 1, partial: 1 });
}

fn a_replica_that_missed_more_than_the_backlog_gets_everything(primary: &Path, replica: &Path) {
    let primary = launch(primary).option("repl-backlog-size", "16kb").start().expect("the server starts");
    let replica = start(replica);
    let proxy = Proxy::start(primary.address()).unwrap();
    follow(&replica, proxy.port());

    proxy.cut();
    fill(&mut primary.client(), "missed", 2000).unwrap();
    wait_disconnected(&mut replica.client());
    proxy.heal();
    wait_connected(&replica);
    wait_caught_up(&primary, &replica);

    assert_same(&mut primary.client(), &mut replica.client());
    assert_eq!(syncs(&mut primary.client()), Syncs { full: 2, partial: 0 });
}

/// Roles change places: the history goes on under a new name, known by the old one up to that point.
fn the_old_primary_follows_the_promoted_replica_without_a_full_transfer(primary: &Path, replica: &Path) {
    let (primary, replica) = (start(primary), start(replica));
    fill(&mut primary.client(), "before", 200).unwrap();
    follow(&replica, primary.port());
    wait_caught_up(&primary, &replica);

    promote(&mut replica.client());
    fill(&mut replica.client(), "after", 200).unwrap();
    follow(&primary, replica.port());
    wait_caught_up(&replica, &primary);

    assert_same(&mut replica.client(), &mut primary.client());
    assert_eq!(syncs(&mut replica.client()), Syncs { full: 0, partial: 1 });
}

fn a_sibling_follows_the_promoted_replica_without_a_full_transfer(primary: &Path, replica: &Path) {
    let (primary, replica, sibling) = (start(primary), start(replica), start(primary));
    fill(&mut primary.client(), "before", 200).unwrap();
    follow(&replica, primary.port());
    follow(&sibling, primary.port());
    wait_caught_up(&primary, &replica);
    wait_caught_up(&primary, &sibling);

    promote(&mut replica.client());
    fill(&mut replica.client(), "after", 200).unwrap();
    follow(&sibling, replica.port());
    wait_caught_up(&replica, &sibling);

    assert_same(&mut replica.client(), &mut sibling.client());
    assert_eq!(syncs(&mut replica.client()), Syncs { full: 0, partial: 1 });
}

fn a_replica_that_was_restarted_continues_from_its_file(primary: &Path, replica: &Path) {
    let primary = start(primary);
    let address = format!("127.0.0.1 {}", primary.port());
    let launch = launch(replica).option("save", "3600 1000000").option("replicaof", &address);
    let mut replica = launch.start().expect("the server starts");
    let mut other = primary.client();
    other.call(["SELECT", "4"]).unwrap();
    fill(&mut primary.client(), "before", 200).unwrap();
    wait_connected(&replica);
    fill(&mut other, "four", 20).unwrap();
    wait_caught_up(&primary, &replica);

    replica.terminate().unwrap();
    replica.wait_exit(Duration::from_secs(20)).unwrap();
    // The stream goes on in this database without saying so again.
    fill(&mut other, "missed", 200).unwrap();
    replica.restart().expect("the server starts again");
    wait_connected(&replica);
    wait_caught_up(&primary, &replica);

    let mut below = replica.client();
    assert_same(&mut primary.client(), &mut below);
    below.call(["SELECT", "4"]).unwrap();
    assert_same(&mut other, &mut below);
    assert_eq!(syncs(&mut primary.client()), Syncs { full: 1, partial: 1 });
}

/// How often a server has served its replicas.
#[derive(Debug, PartialEq, Eq)]
struct Syncs {
    full: i64,
    partial: i64,
}

fn syncs(client: &mut Client) -> Syncs {
    let full = info_number(client, "stats", "sync_full");
    Syncs { full, partial: info_number(client, "stats", "sync_partial_ok") }
}

fn promote(client: &mut Client) {
    assert_eq!(client.call(["REPLICAOF", "NO", "ONE"]).unwrap(), Reply::Simple(b"OK".to_vec()));
    assert!(matches!(role(client), Role::Primary { .. }));
}

fn wait_disconnected(client: &mut Client) {
    let is_down = || matches!(role(client), Role::Replica { state, .. } if state != "connected").then_some(());
    poll_until("the loss of the link", FOLLOW_LIMIT, is_down).unwrap_or_else(|timeout| panic!("{timeout}"));
}
