//! Replicas of replicas, of different makes.

use std::path::Path;

use slotmesh_test_support::data::{assert_same, fill};
use slotmesh_test_support::proxy::Proxy;
use slotmesh_test_support::replication::{follow, info, info_number, wait_caught_up, wait_connected};
use slotmesh_test_support::{Peer, Server, require_peer};

use crate::{ours, start};

#[test]
fn ours_passes_the_stream_of_redis_on_to_valkey() {
    let (first, last) = (require_peer!(Peer::RedisServer), require_peer!(Peer::ValkeyServer));
    a_chain_ends_in_the_same_data([&first, &ours(), &last]);
}

#[test]
fn redis_passes_our_stream_on_to_ours() {
    let middle = require_peer!(Peer::RedisServer);
    a_chain_ends_in_the_same_data([&ours(), &middle, &ours()]);
}

#[test]
fn valkey_passes_our_stream_on_to_ours() {
    let middle = require_peer!(Peer::ValkeyServer);
    a_chain_ends_in_the_same_data([&ours(), &middle, &ours()]);
}

#[test]
fn ours_passes_our_stream_on_to_redis() {
    let last = require_peer!(Peer::RedisServer);
    a_chain_ends_in_the_same_data([&ours(), &ours(), &last]);
}

fn a_chain_ends_in_the_same_data(programs: [&Path; 3]) {
    let [first, middle, last] = programs.map(start);
    let proxy = Proxy::start(first.address()).unwrap();
    fill(&mut first.client(), "before", 500).unwrap();

    follow(&middle, proxy.port());
    follow(&last, middle.port());
    fill(&mut first.client(), "after", 500).unwrap();
    let mut other = first.client();
    other.call(["SELECT", "5"]).unwrap();
    fill(&mut other, "five", 20).unwrap();
    assert_all_equal(&first, &middle, &last);

    // A cut above does not cost the one below its place in the history.
    proxy.cut();
    fill(&mut first.client(), "missed", 100).unwrap();
    proxy.heal();
    assert_all_equal(&first, &middle, &last);
    assert_eq!(info_number(&mut middle.client(), "stats", "sync_full"), 1);
}

fn assert_all_equal(first: &Server, middle: &Server, last: &Server) {
    wait_connected(middle);
    wait_caught_up(first, middle);
    wait_caught_up(middle, last);
    let replid = |server: &Server| info(&mut server.client(), "replication", "master_replid").expect("a replid");
    for below in [middle, last] {
        assert_same(&mut first.client(), &mut below.client());
        assert_eq!(replid(first), replid(below));
    }
}
