//! Story 3: without enough replicas, and two losses in one shard.

use std::time::Duration;

use slotmesh_test_support::launch::LaunchError;
use slotmesh_test_support::nodes::{add_slots, meet_all, nodes, replicate, start_nodes, wait_for, wait_state};
use slotmesh_test_support::replication::{info_number, wait_caught_up, wait_connected};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Launch, Server};

use crate::{NODE_TIMEOUT_MS, ours, raw};

#[test]
fn without_replicas_a_loss_takes_the_cluster_down() {
    let mut servers = start_nodes(&ours(), 3, NODE_TIMEOUT_MS);
    meet_all(&servers);
    share_slots(&servers);

    servers[1].kill().unwrap();
    wait_state(&[&servers[0], &servers[2]], "fail");

    let mut client = servers[0].client();
    assert_eq!(raw(&mut client, "set kk 1"), "-CLUSTERDOWN The cluster is down\r\n");
    assert_eq!(raw(&mut client, "get kk"), "-CLUSTERDOWN The cluster is down\r\n");
    assert_eq!(raw(&mut client, "ping"), "+PONG\r\n");

    servers[1].restart().unwrap();
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    poll_until("a write", Duration::from_secs(10), || (raw(&mut client, "set kk 1") == "+OK\r\n").then_some(()))
        .unwrap();
}

#[test]
fn a_slot_nobody_owns_takes_the_cluster_down() {
    let servers = start_nodes(&ours(), 3, NODE_TIMEOUT_MS);
    meet_all(&servers);
    add_slots(&servers[0], 0..=100);
    wait_state(&servers.iter().collect::<Vec<_>>(), "fail");
    let mut client = servers[0].client();

    assert_eq!(raw(&mut client, "get kk"), "-CLUSTERDOWN Hash slot not served\r\n");
    // sample1 is in slot 47.
    assert_eq!(raw(&mut client, "get sample1"), "-CLUSTERDOWN The cluster is down\r\n");
}

/// Three primaries; the first shard has two replicas and loses its primary twice.
#[test]
fn two_losses_in_one_shard_are_survived_with_a_partial_resynchronisation() {
    let mut servers = start_nodes(&ours(), 7, NODE_TIMEOUT_MS);
    meet_all(&servers);
    share_slots(&servers[..3]);
    for (replica, primary) in [(3, 0), (4, 0), (5, 1), (6, 2)] {
        replicate(&servers[replica], &servers[primary]);
        wait_connected(&servers[replica]);
    }
    assert_eq!(raw(&mut servers[0].client(), "set kk 0"), "+OK\r\n");
    wait_caught_up(&servers[0], &servers[3]);
    wait_caught_up(&servers[0], &servers[4]);

    servers[0].kill().unwrap();
    let second = owner_among(&servers, &[3, 4]);
    let third = 7 - second;
    write(&servers[second], "set kk 1");
    wait_connected(&servers[third]);
    wait_caught_up(&servers[second], &servers[third]);
    let mut client = servers[second].client();
    assert_eq!(info_number(&mut client, "stats", "sync_partial_ok"), 1);
    assert_eq!(info_number(&mut client, "stats", "sync_full"), 0);

    let alive: Vec<&Server> = servers.iter().skip(1).collect();
    wait_state(&alive, "ok");
    servers[second].kill().unwrap();
    wait_for(&servers[third], "the second takeover", |lines| {
        lines.iter().any(|line| line.is("myself") && line.is("master") && line.slots == ["0-5460"])
    });
    write(&servers[third], "set kk 2");
    assert_eq!(raw(&mut servers[third].client(), "get kk"), "$1\r\n2\r\n");

    for back in [0, second] {
        servers[back].restart().unwrap();
        wait_connected(&servers[back]);
        wait_caught_up(&servers[third], &servers[back]);
    }
}

#[test]
fn replicaof_is_refused_in_cluster_mode() {
    let server = Launch::new(ours()).cluster(NODE_TIMEOUT_MS).start().unwrap();
    let refused = Launch::new(ours()).cluster(NODE_TIMEOUT_MS).option("replicaof", "127.0.0.1 6379").start();

    assert_eq!(raw(&mut server.client(), "replicaof no one"), "-ERR REPLICAOF not allowed in cluster mode.\r\n");
    assert_eq!(raw(&mut server.client(), "slaveof 127.0.0.1 1"), "-ERR REPLICAOF not allowed in cluster mode.\r\n");
    let Err(LaunchError::Ended { status, log }) = refused else { panic!("it started") };
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("*** FATAL CONFIG FILE ERROR"), "{log}");
    assert!(log.contains("replicaof directive not allowed in cluster mode"), "{log}");
}

fn share_slots(servers: &[Server]) {
    add_slots(&servers[0], 0..=5460);
    add_slots(&servers[1], 5461..=10_922);
    add_slots(&servers[2], 10_923..=16_383);
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
}

/// Which of these servers has become the owner of the first range.
fn owner_among(servers: &[Server], candidates: &[usize]) -> usize {
    poll_until("a takeover", slotmesh_test_support::nodes::FORM_LIMIT, || {
        candidates.iter().copied().find(|&at| {
            nodes(&mut servers[at].client()).iter().any(|line| line.is("myself") && line.slots == ["0-5460"])
        })
    })
    .unwrap()
}

/// Writes as soon as the node takes writes.
fn write(server: &Server, command: &str) {
    let mut client = server.client();
    let mut last = String::new();
    poll_until(command, Duration::from_secs(20), || {
        last = raw(&mut client, command);
        (last == "+OK\r\n").then_some(())
    })
    .unwrap_or_else(|timeout| panic!("{timeout}: {last}"));
}
