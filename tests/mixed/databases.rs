//! Numbered databases in a cluster (`cluster-databases`), ours beside Valkey's.

use std::path::Path;

use slotmesh_test_support::client::Client;
use slotmesh_test_support::data::{Contents, fill};
use slotmesh_test_support::nodes::{
    NodeLine, add_slots, meet_all, myself, ok, replicate, start_all, wait_for, wait_state,
};
use slotmesh_test_support::replication::{wait_caught_up, wait_connected};
use slotmesh_test_support::{Launch, Peer, Reply, Server, require_peer};

use crate::{NODE_TIMEOUT_MS, done, ours};

#[test]
fn replies_are_those_of_valkey() {
    let valkey = require_peer!(Peer::ValkeyServer);
    let [ours, theirs] = [&ours(), &valkey].map(|program| answers(program));

    for ((request, ours), theirs) in REQUESTS.iter().zip(&ours).zip(&theirs) {
        assert_eq!(ours, theirs, "{request}");
    }
}

/// What two nodes of one make answer, ports left out.
fn answers(program: &Path) -> Vec<String> {
    let servers = start_all(&launch(program), 2);
    meet_all(&servers);
    add_slots(&servers[0], 0..=16_382);
    add_slots(&servers[1], 16_383..=16_383);
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    let ids = [0, 1].map(|at: usize| myself(&servers[at]).id);
    wait_for(&servers[0], "the other node", |lines: &[NodeLine]| lines.iter().any(|line| line.id == ids[1]));
    let mut client = servers[0].client();
    let answer = |request: &&str| {
        let request = request.replace("$target", &ids[1]);
        let reply = client.call_raw(request.split(' ')).unwrap();
        let text = String::from_utf8(reply).unwrap().replace(&servers[1].port().to_string(), "port");
        // Valkey tells more of a database.
        let told = text.split("\r\n").map(|line| if line.starts_with("db") { &line[..10] } else { line });
        told.filter(|line| !(request.starts_with("INFO") && line.starts_with('$'))).collect::<Vec<_>>().join("|")
    };
    REQUESTS.iter().map(answer).collect()
}

const REQUESTS: &[&str] = &[
    "CONFIG GET cluster-databases",
    "CONFIG GET databases",
    "SELECT 3",
    "SET {a}x 1",
    "SELECT 4",
    "SELECT -1",
    "SELECT x",
    "SELECT 1",
    "MSET {a}x 2 {a}y 2",
    "SELECT 0",
    "SET {a}z 1 EX 1000",
    "SWAPDB 0 1",
    "SWAPDB x 1",
    "MOVE {a}z 0",
    "MOVE {a}z 4",
    "MOVE {a}z x",
    "MOVE {a}z 2",
    "COPY {a}z {a}q DB 1",
    "COPY {a}z {a}q DB 4",
    "COPY {a}z {a}z DB 0",
    "COPY {a}z {b}z DB 1",
    "DBSIZE",
    "CLUSTER COUNTKEYSINSLOT 15495",
    "SELECT 2",
    "DBSIZE",
    "COPY {a}z {a}q DB 1",
    "COPY {a}z {a}z DB 0",
    "INFO keyspace",
    "CLUSTER COUNTKEYSINSLOT 15495",
    "CLUSTER GETKEYSINSLOT 15495 10",
    "CLUSTER FLUSHSLOTS",
    "CLUSTER RESET",
    "CLUSTER SETSLOT 15495 MIGRATING $target",
    "CLUSTER SETSLOT 15495 NODE $target",
    "GET {a}z",
    "GET {a}x",
    "MGET {a}x {a}z",
    "MULTI",
    "GET {a}z",
    "SELECT 3",
    "GET {a}x",
    "EXEC",
    "SELECT 2",
    "MULTI",
    "SELECT 1",
    "GET {a}x",
    "GET {a}y",
    "EXEC",
    "FLUSHDB",
    "SELECT 2",
    "DBSIZE",
    "CLUSTER COUNTKEYSINSLOT 15495",
    "FLUSHALL",
    "INFO keyspace",
    "CLUSTER SETSLOT 15495 NODE $target",
];

#[test]
fn all_databases_reach_replicas_files_and_other_nodes() {
    let valkey = require_peer!(Peer::ValkeyServer);
    let mut servers = start_all(&launch(&ours()), 2);
    servers.extend(start_all(&launch(&valkey), 2));
    meet_all(&servers);
    add_slots(&servers[0], 0..=8191);
    add_slots(&servers[2], 8192..=16_383);
    wait_state(&[&servers[0], &servers[2]], "ok");
    // Full copies of several databases, in both directions.
    fill_all(&servers[0], "{sample1}");
    fill_all(&servers[2], "{sample2}");
    replicate(&servers[3], &servers[0]);
    replicate(&servers[1], &servers[2]);
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    for (primary, replica) in [(0, 3), (2, 1)] {
        wait_connected(&servers[replica]);
        // And the stream behind them.
        fill_all(&servers[primary], if primary == 0 { "{sample1}:late" } else { "{sample2}:late" });
        wait_caught_up(&servers[primary], &servers[replica]);
        assert_eq!(contents(&servers[primary]), contents(&servers[replica]));
    }
    keys_move(&servers[0], &servers[2], "47");
    keys_move(&servers[2], &servers[0], "12364");

    let before = contents(&servers[0]);
    servers[0].kill().unwrap();
    servers[0].restart().unwrap();
    wait_state(&[&servers[0]], "ok");
    assert_eq!(before.iter().map(|contents| contents.0.len()).collect::<Vec<_>>(), [0, 0, 40, 0]);
    assert_eq!(contents(&servers[0]), before);
}

/// Moves the slot's keys of database 2 to database 2 of the other node; the slot is open.
fn keys_move(source: &Server, target: &Server, slot: &str) {
    let ids = [source, target].map(|server| myself(server).id);
    ok(target, ["CLUSTER", "SETSLOT", slot, "IMPORTING", &ids[0]]);
    ok(source, ["CLUSTER", "SETSLOT", slot, "MIGRATING", &ids[1]]);
    let mut client = source.client();
    for db in ["2", "0", "1", "3"] {
        assert_eq!(client.call(["SELECT", db]).unwrap(), done());
        let Reply::Array(keys) = client.call(["CLUSTER", "GETKEYSINSLOT", slot, "1000"]).unwrap() else {
            panic!("keys are an array")
        };
        assert_eq!(keys.len(), 40);
        if db != "2" {
            ok_in(&mut client, &["FLUSHDB"]);
            continue;
        }
        let port = target.port().to_string();
        let mut words: Vec<&[u8]> = vec![b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"", b"2", b"5000", b"KEYS"];
        for key in &keys {
            let Reply::Bulk(key) = key else { panic!("a key is a bulk string") };
            words.push(key);
        }
        assert_eq!(client.call(words).unwrap(), done());
        assert_eq!(client.call(["CLUSTER", "COUNTKEYSINSLOT", slot]).unwrap(), Reply::Integer(0));
    }
    for server in [target, source] {
        ok(server, ["CLUSTER", "SETSLOT", slot, "NODE", &ids[1]]);
    }
}

fn ok_in(client: &mut Client, words: &[&str]) {
    assert_eq!(client.call(words).unwrap(), done());
}

/// Twenty keys in each database.
fn fill_all(server: &Server, prefix: &str) {
    let mut client = server.client();
    for db in ["0", "1", "2", "3"] {
        ok_in(&mut client, &["SELECT", db]);
        fill(&mut client, &format!("{prefix}:{db}"), 20).unwrap();
    }
}

/// What each database has.
fn contents(server: &Server) -> Vec<Contents> {
    let mut client = server.client();
    ok_in(&mut client, &["READONLY"]);
    let read = |db: &&str| {
        ok_in(&mut client, &["SELECT", db]);
        Contents::read(&mut client).unwrap()
    };
    ["0", "1", "2", "3"].iter().map(read).collect()
}

fn launch(program: &Path) -> Launch {
    let launch = Launch::new(program).cluster(NODE_TIMEOUT_MS).option("cluster-databases", "4");
    launch.option("repl-diskless-sync-delay", "0").option("appendonly", "yes").option("appendfsync", "always")
}
