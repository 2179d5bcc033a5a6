//! Clusters of `slotmesh-server` and redis-server nodes together; sentinels of both makes are in `sentinel`.
//!
//! Lives here: one bus, one map, replicas of the other make, failovers in both directions; keys and slots that move
//! ([`migrating`]); numbered databases ([`databases`]). Start at [`Mixed`].

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod databases;
mod migrating;
mod sentinel;

use std::path::{Path, PathBuf};
use std::time::Duration;

use slotmesh_test_support::client::Client;
use slotmesh_test_support::data::{Contents, pipeline};
use slotmesh_test_support::nodes::{
    FORM_LIMIT, add_slots, meet_all, myself, ok, replicate, start_nodes, wait_for, wait_state,
};
use slotmesh_test_support::replication::{wait_caught_up, wait_connected};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Peer, Reply, Server, cli, require_peer};

/// A shard of ours with a replica of theirs, and the other way round; a third primary of ours.
struct Mixed {
    /// Primaries ours, theirs, ours; then the replicas theirs (of 0), ours (of 1).
    servers: Vec<Server>,
}

impl Mixed {
    fn form(theirs: &Path) -> Self {
        let mut ours = start_nodes(&ours(), 3, NODE_TIMEOUT_MS).into_iter();
        let mut theirs = start_nodes(theirs, 2, NODE_TIMEOUT_MS).into_iter();
        let (ours, theirs) = (&mut ours, &mut theirs);
        let servers: Vec<Server> = [ours.next(), theirs.next(), ours.next(), theirs.next(), ours.next()]
            .into_iter()
            .map(|server| server.expect("five servers"))
            .collect();
        meet_all(&servers);
        add_slots(&servers[0], 0..=5460);
        add_slots(&servers[1], 5461..=10_922);
        add_slots(&servers[2], 10_923..=16_383);
        replicate(&servers[3], &servers[0]);
        replicate(&servers[4], &servers[1]);
        wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
        wait_connected(&servers[3]);
        wait_connected(&servers[4]);
        Self { servers }
    }

    /// Writes keys into the shard that owns their tag's slot.
    fn fill(&self, at: usize, prefix: &str) {
        let tag = TAGS[at % 3];
        let commands = (0..100).map(|number| {
            let key = format!("{prefix}{{{tag}}}:{number}").into_bytes();
            vec![b"SET".to_vec(), key, number.to_string().into_bytes()]
        });
        pipeline(&mut self.servers[at].client(), commands).unwrap();
    }

    /// Kills a primary and waits until its replica serves in its place.
    fn lose(&mut self, primary: usize, replica: usize, slots: &str) {
        self.servers[primary].kill().unwrap();
        wait_for(&self.servers[replica], "the takeover", |lines| {
            lines.iter().any(|line| line.is("myself") && line.is("master") && line.slots == [slots])
        });
        let mut client = self.servers[replica].client();
        let command = ["SET".to_owned(), format!("first{{{}}}", TAGS[primary]), "after".to_owned()];
        poll_until("a write", FORM_LIMIT, || (client.call(&command).unwrap() == done()).then_some(())).unwrap();
    }

    /// Starts a killed primary again and waits until it follows the one that took its place.
    fn bring_back(&mut self, primary: usize, replica: usize) {
        self.servers[primary].restart().unwrap();
        let id = myself(&self.servers[replica]).id;
        wait_for(&self.servers[primary], "the new role", |lines| {
            lines.iter().any(|line| line.is("myself") && line.is("slave") && line.primary.as_ref() == Some(&id))
        });
        wait_caught_up(&self.servers[replica], &self.servers[primary]);
        assert_equal(&self.servers[replica], &self.servers[primary]);
    }
}

#[test]
fn a_real_replica_takes_over_from_our_primary_and_gives_back() {
    let mut mixed = Mixed::form(&require_peer!(Peer::RedisServer));
    mixed.fill(0, "before");
    wait_caught_up(&mixed.servers[0], &mixed.servers[3]);
    assert_equal(&mixed.servers[0], &mixed.servers[3]);

    mixed.lose(0, 3, "0-5460");
    mixed.fill(3, "after");
    mixed.bring_back(0, 3);

    manual_failover(&mixed.servers[0], &mixed.servers[3], "0-5460");
    assert_clean(&mixed.servers);
}

#[test]
fn our_replica_takes_over_from_a_real_primary_and_gives_back() {
    let mut mixed = Mixed::form(&require_peer!(Peer::RedisServer));
    mixed.fill(1, "before");
    wait_caught_up(&mixed.servers[1], &mixed.servers[4]);
    assert_equal(&mixed.servers[1], &mixed.servers[4]);

    mixed.lose(1, 4, "5461-10922");
    mixed.fill(4, "after");
    mixed.bring_back(1, 4);

    manual_failover(&mixed.servers[1], &mixed.servers[4], "5461-10922");
    assert_clean(&mixed.servers);
}

#[test]
fn a_valkey_node_lives_in_our_cluster() {
    let mut mixed = Mixed::form(&require_peer!(Peer::ValkeyServer));
    mixed.fill(0, "before");
    mixed.fill(1, "before");
    wait_caught_up(&mixed.servers[0], &mixed.servers[3]);
    wait_caught_up(&mixed.servers[1], &mixed.servers[4]);

    mixed.lose(0, 3, "0-5460");
    mixed.bring_back(0, 3);
    mixed.lose(1, 4, "5461-10922");
    mixed.bring_back(1, 4);

    assert_clean(&mixed.servers);
}

#[test]
fn every_node_names_the_owner_of_every_key() {
    let mixed = Mixed::form(&require_peer!(Peer::RedisServer));
    let ports: Vec<u16> = mixed.servers.iter().map(Server::port).collect();

    for server in &mixed.servers {
        for (at, slot) in [5061, 8118, 15_495].into_iter().enumerate() {
            let own = if server.port() == ports[at] { Some(at) } else { None };
            let reply = server.client().call(["GET", TAGS_KEYS[at]]).unwrap();
            match own {
                Some(_) => assert_eq!(reply, Reply::NullBulk),
                None => assert_eq!(reply, Reply::Error(format!("MOVED {slot} 127.0.0.1:{}", ports[at]).into_bytes())),
            }
        }
    }
}

/// CLUSTER FAILOVER on the replica, which the primary helps with.
fn manual_failover(replica: &Server, primary: &Server, slots: &str) {
    // A primary ignores the request of a node that it does not know as its replica yet.
    let port = replica.port();
    wait_for(primary, "the replica", |lines| lines.iter().any(|line| line.port == port && line.is("slave")));
    wait_connected(replica);
    ok(replica, ["CLUSTER", "FAILOVER"]);
    wait_for(replica, "the handover", |lines| {
        lines.iter().any(|line| line.is("myself") && line.is("master") && line.slots == [slots])
    });
    wait_caught_up(replica, primary);
    assert_equal(replica, primary);
}

/// `redis-cli --cluster check` finds nothing to complain about.
fn assert_clean(servers: &[Server]) {
    let redis_cli = require_peer!(Peer::RedisCli);
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    let address = format!("127.0.0.1:{}", servers[2].port());
    let output = poll_until("a clean check", Duration::from_secs(20), || {
        let output = cli::run(&redis_cli, ["--cluster", "check", &address], "").unwrap();
        let is_clean = output.status.success() && output.stdout.contains("[OK] All 16384 slots covered.");
        is_clean.then_some(output)
    })
    .unwrap();
    assert!(output.stdout.contains("[OK] All nodes agree about slots configuration."), "{}", output.stdout);
}

fn assert_equal(primary: &Server, replica: &Server) {
    let read = |server: &Server| {
        let mut client: Client = server.client();
        client.call(["READONLY"]).unwrap();
        Contents::read(&mut client).unwrap()
    };
    if let Some(difference) = read(primary).difference(&read(replica)) {
        panic!("{difference}");
    }
}

fn done() -> Reply {
    Reply::Simple(b"OK".to_vec())
}

fn ours() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_slotmesh-server"))
}

/// Tags whose slots the three primaries own: 5061, 8118 and 15495.
const TAGS: [&str; 3] = ["bar", "kjsadfljk", "a"];
/// Keys in these slots.
const TAGS_KEYS: [&str; 3] = ["bar", "{kjsadfljk}", "a"];
/// The node timeout of these clusters.
const NODE_TIMEOUT_MS: u64 = 1000;
