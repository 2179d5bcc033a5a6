//! Story 2: joined by hand, a primary lost and back, all stopped and started again.

use std::time::{Duration, Instant};

use slotmesh_test_support::data::Contents;
use slotmesh_test_support::nodes::{
    FORM_LIMIT, NodeLine, add_slots, meet_all, myself, nodes, replicate, start_all, wait_for, wait_state,
};
use slotmesh_test_support::replication::{wait_caught_up, wait_connected};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Launch, Server};

use crate::{NODE_TIMEOUT_MS, ours, raw};

#[test]
fn a_cluster_joined_by_hand_survives_a_loss_and_a_full_stop() {
    let launch =
        Launch::new(ours()).cluster(NODE_TIMEOUT_MS).option("save", "3600 1").option("repl-diskless-sync-delay", "0");
    let mut servers = start_all(&launch, 6);
    form(&servers);
    keys_live_where_they_belong(&servers);

    the_replica_takes_over(&mut servers);
    the_old_primary_comes_back_as_replica(&mut servers);
    all_stopped_and_started_are_the_same(&mut servers);
}

/// Primaries 0, 1, 2 with replicas 3, 4, 5.
fn form(servers: &[Server]) {
    meet_all(servers);
    // 5,462 slots in one command.
    add_slots(&servers[0], 0..=5461);
    add_slots(&servers[1], 5462..=10_923);
    add_slots(&servers[2], 10_924..=16_383);
    for at in 0..3 {
        replicate(&servers[at + 3], &servers[at]);
    }
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    for server in servers {
        wait_for(server, "three replicas", |lines| lines.iter().filter(|line| line.is("slave")).count() == 3);
    }
    for at in 0..3 {
        wait_connected(&servers[at + 3]);
    }
}

fn keys_live_where_they_belong(servers: &[Server]) {
    for (key, slot, owner) in KEYS {
        let mut client = servers[owner].client();
        assert_eq!(raw(&mut client, &format!("cluster keyslot {key}")), format!(":{slot}\r\n"));
        assert_eq!(raw(&mut client, &format!("set {key} {slot}")), "+OK\r\n");
        let elsewhere = &servers[(owner + 1) % 3];
        let moved = format!("-MOVED {slot} 127.0.0.1:{}\r\n", servers[owner].port());
        assert_eq!(raw(&mut elsewhere.client(), &format!("get {key}")), moved);
        wait_caught_up(&servers[owner], &servers[owner + 3]);
    }
}

fn the_replica_takes_over(servers: &mut [Server]) {
    servers[0].kill().unwrap();
    let lost = Instant::now();
    let replica = &servers[3];

    wait_for(replica, "the takeover", |lines| own(lines).is("master") && own(lines).slots == ["0-5461"]);
    let mut client = replica.client();
    poll_until("a write", FORM_LIMIT, || (raw(&mut client, "set kk again") == "+OK\r\n").then_some(())).unwrap();
    let took = lost.elapsed();

    assert_eq!(raw(&mut client, "get kk"), "$5\r\nagain\r\n");
    // One and a half node timeouts and an election; the limit leaves room for a busy machine.
    assert!(took < Duration::from_secs(15), "{took:?}");
    for server in &servers[1..] {
        wait_for(server, "the new owner", |lines| {
            let owner = lines.iter().find(|line| line.slots.iter().any(|slots| slots == "0-5461"));
            owner.is_some_and(|owner| owner.port == servers[3].port())
        });
    }
    wait_state(&servers[1..].iter().collect::<Vec<_>>(), "ok");
}

fn the_old_primary_comes_back_as_replica(servers: &mut [Server]) {
    servers[0].restart().unwrap();
    let id = myself(&servers[3]).id;

    for server in servers.iter() {
        wait_for(server, "the old primary as a replica", |lines| {
            lines.iter().any(|line| {
                line.port == servers[0].port()
                    && line.is("slave")
                    && line.primary.as_ref() == Some(&id)
                    && !line.is("fail")
            })
        });
    }
    wait_caught_up(&servers[3], &servers[0]);
    let mut client = servers[0].client();
    raw(&mut client, "readonly");
    assert_eq!(raw(&mut client, "get kk"), "$5\r\nagain\r\n");
}

fn all_stopped_and_started_are_the_same(servers: &mut [Server]) {
    for (primary, replica) in PAIRS {
        wait_caught_up(&servers[primary], &servers[replica]);
    }
    let (map, data) = (map(&servers[1]), data(servers));
    for server in servers.iter() {
        server.interrupt().unwrap();
    }
    for server in servers.iter_mut() {
        assert!(server.wait_exit(Duration::from_secs(20)).unwrap().success(), "{}", server.log());
        let log = server.log();
        for line in ["User requested shutdown...", "DB saved on disk", "is now ready to exit, bye bye..."] {
            assert!(log.contains(line), "{line} in {log}");
        }
    }

    for server in servers.iter_mut() {
        server.restart().unwrap();
    }

    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    for server in servers.iter() {
        wait_for(server, "the same map", |lines| map_of(lines) == map);
    }
    for (primary, replica) in PAIRS {
        wait_connected(&servers[replica]);
        wait_caught_up(&servers[primary], &servers[replica]);
    }
    assert_eq!(self::data(servers), data);
}

/// Who is who, as one node sees it: id, role, primary, slots.
fn map(server: &Server) -> Vec<(String, bool, Option<String>, Vec<String>)> {
    map_of(&nodes(&mut server.client()))
}

fn map_of(lines: &[NodeLine]) -> Vec<(String, bool, Option<String>, Vec<String>)> {
    let mut map: Vec<_> = lines
        .iter()
        .map(|line| (line.id.clone(), line.is("master"), line.primary.clone(), line.slots.clone()))
        .collect();
    map.sort();
    map
}

/// What each node holds, replicas included.
fn data(servers: &[Server]) -> Vec<Contents> {
    let read = |server: &Server| {
        let mut client = server.client();
        raw(&mut client, "readonly");
        Contents::read(&mut client).unwrap()
    };
    servers.iter().map(read).collect()
}

fn own(lines: &[NodeLine]) -> &NodeLine {
    lines.iter().find(|line| line.is("myself")).unwrap()
}

/// Key, its slot, and which primary owns it.
const KEYS: [(&str, u16, usize); 4] =
    [("kk", 2589, 0), ("2384u8", 13_896, 2), ("kjsadfljk", 8118, 1), ("lskjdfk89989", 11_429, 2)];

/// Primary and replica after the takeover.
const PAIRS: [(usize, usize); 3] = [(3, 0), (1, 4), (2, 5)];
