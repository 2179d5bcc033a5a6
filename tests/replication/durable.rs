//! WAITAOF: what reached the disks of replicas, which only servers since 7.2 tell.

use std::path::Path;

use slotmesh_test_support::replication::follow;
use slotmesh_test_support::{Peer, Reply, require_peer};

use crate::{launch, ours, start};

#[test]
fn ours_counts_the_disk_of_a_valkey() {
    waitaof_counts_disks(&ours(), &require_peer!(Peer::ValkeyServer));
}

#[test]
fn valkey_counts_our_disk() {
    waitaof_counts_disks(&require_peer!(Peer::ValkeyServer), &ours());
}

#[test]
fn ours_counts_our_disk() {
    waitaof_counts_disks(&ours(), &ours());
}

fn waitaof_counts_disks(primary: &Path, replica: &Path) {
    let primary = start(primary);
    let with_file = launch(replica).option("appendonly", "yes").start().expect("the server starts");
    let without = start(replica);
    follow(&with_file, primary.port());
    follow(&without, primary.port());
    let mut client = primary.client();
    let both = |here, replicas| Reply::Array(vec![Reply::Integer(here), Reply::Integer(replicas)]);

    client.call(["SET", "k", "v"]).unwrap();
    assert_eq!(client.call(["WAIT", "2", "15000"]).unwrap(), Reply::Integer(2));

    assert_eq!(client.call(["WAITAOF", "0", "1", "15000"]).unwrap(), both(0, 1));
    assert_eq!(client.call(["WAITAOF", "0", "2", "200"]).unwrap(), both(0, 1));
}
