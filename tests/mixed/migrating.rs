//! Keys that move between our servers and real ones, by MIGRATE and by `redis-cli --cluster reshard`.

use std::path::Path;
use std::time::Duration;

use slotmesh_test_support::client::Client;
use slotmesh_test_support::data::{Contents, fill, fill_collections};
use slotmesh_test_support::nodes::{NodeLine, add_slots, meet_all, myself, start_nodes, wait_for, wait_state};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Launch, Peer, Reply, Server, cli, require_peer};

use crate::{NODE_TIMEOUT_MS, assert_clean, done, ours};

#[test]
fn values_of_every_kind_move_to_a_redis_server_and_back() {
    values_move_there_and_back(&require_peer!(Peer::RedisServer));
}

#[test]
fn values_of_every_kind_move_to_a_valkey_server_and_back() {
    values_move_there_and_back(&require_peer!(Peer::ValkeyServer));
}

fn values_move_there_and_back(theirs: &Path) {
    let secret = |program: &Path| Launch::new(program).option("requirepass", "secret").start().unwrap();
    let (ours, theirs) = (secret(&ours()), secret(theirs));
    let open = |server: &Server| {
        let mut client = server.client();
        assert_eq!(client.call(["AUTH", "secret"]).unwrap(), done());
        client
    };
    let (mut here, mut there) = (open(&ours), open(&theirs));
    fill(&mut here, "move", 500).unwrap();
    fill_collections(&mut here, "move").unwrap();
    let before = Contents::read(&mut here).unwrap();

    move_all(&mut here, &mut there, &theirs, &before);
    move_all(&mut there, &mut here, &ours, &before);
    let first = before.0.keys().next().unwrap();
    let port = theirs.port().to_string();
    let mut copy: Vec<&[u8]> = vec![b"MIGRATE", b"127.0.0.1", port.as_bytes(), first, b"3", b"1000"];
    copy.extend([&b"COPY"[..], b"AUTH2", b"default", b"secret"]);
    assert_eq!(here.call(&copy).unwrap(), done());
    let busy = "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    assert_eq!(here.call(&copy).unwrap(), Reply::Error(busy.into()));
    assert_eq!(here.call(["DBSIZE"]).unwrap(), Reply::Integer(before.0.len() as i64));
}

/// Moves all keys in one command.
fn move_all(source: &mut Client, target: &mut Client, address: &Server, contents: &Contents) {
    let port = address.port().to_string();
    let mut words: Vec<&[u8]> = vec![b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"", b"0", b"10000"];
    words.extend([&b"REPLACE"[..], b"AUTH", b"secret", b"KEYS"]);
    words.extend(contents.0.keys().map(Vec::as_slice));

    assert_eq!(source.call(words).unwrap(), done());
    assert_eq!(source.call(["DBSIZE"]).unwrap(), Reply::Integer(0));
    assert_moved(contents, &Contents::read(target).unwrap());
}

/// Values are the same, and what expires does so at the same time, give or take the way.
fn assert_moved(before: &Contents, after: &Contents) {
    assert_eq!(before.0.len(), after.0.len());
    for (key, held) in &before.0 {
        let moved = &after.0[key];
        assert_eq!(held.value, moved.value, "{}", key.escape_ascii());
        assert!(held.expires_at_ms.abs_diff(moved.expires_at_ms) < 20_000, "{}", key.escape_ascii());
    }
}

#[test]
fn redis_cli_moves_slots_between_our_nodes() {
    let servers = start_nodes(&ours(), 3, NODE_TIMEOUT_MS);
    slots_move_about(&servers);
}

#[test]
fn redis_cli_moves_slots_between_our_nodes_and_a_real_one() {
    let mut servers = start_nodes(&ours(), 2, NODE_TIMEOUT_MS);
    servers.extend(start_nodes(&require_peer!(Peer::RedisServer), 1, NODE_TIMEOUT_MS));
    slots_move_about(&servers);
}

/// Three primaries, the first of which has nearly all slots with keys: some go from each to each.
fn slots_move_about(servers: &[Server]) {
    let redis_cli = require_peer!(Peer::RedisCli);
    meet_all(servers);
    add_slots(&servers[0], 0..=16_381);
    add_slots(&servers[1], 16_382..=16_382);
    add_slots(&servers[2], 16_383..=16_383);
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    fill(&mut servers[0].client(), "{sample1}", 300).unwrap();
    fill_collections(&mut servers[0].client(), "{sample2}").unwrap();
    let before = contents(servers);

    // Slots are taken from the first on: 47 has keys, 12364 comes later.
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2), (2, 1)] {
        reshard(&redis_cli, &servers[from], &servers[to], 60);
        assert_moved(&before, &contents(servers));
        assert_clean(servers);
    }
    let moved = |server: &Server| !Contents::read(&mut server.client()).unwrap().0.is_empty();
    assert!(moved(&servers[1]), "the slot of keys is at its last target");

    let address = format!("127.0.0.1:{}", servers[0].port());
    let output = cli::run(&redis_cli, ["--cluster", "rebalance", &address, "--cluster-threshold", "1"], "").unwrap();
    assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
    assert_clean(servers);
    assert_moved(&before, &contents(servers));
}

/// What all nodes together have.
fn contents(servers: &[Server]) -> Contents {
    let parts = servers.iter().map(|server| Contents::read(&mut server.client()).unwrap().0);
    Contents(parts.flatten().collect())
}

fn reshard(redis_cli: &Path, source: &Server, target: &Server, slots: usize) {
    let ids = [myself(source).id, myself(target).id];
    let is_known = |lines: &[NodeLine]| ids.iter().all(|id| lines.iter().any(|line| line.id == *id));
    for server in [source, target] {
        wait_for(server, "both nodes", is_known);
    }
    let address = format!("127.0.0.1:{}", source.port());
    let (from, to, slots) = (&ids[0], &ids[1], slots.to_string());
    let words =
        ["--cluster", "reshard", &address, "--cluster-from", from, "--cluster-to", to, "--cluster-slots", &slots];
    let output = poll_until("a reshard", Duration::from_secs(60), || {
        // The nodes may not agree yet about the one before.
        let output = cli::run(redis_cli, words.iter().copied().chain(["--cluster-yes"]), "").unwrap();
        let is_early = output.stdout.contains("[ERR] Nodes don't agree about configuration!");
        (!is_early).then_some(output)
    })
    .unwrap();
    assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
}
