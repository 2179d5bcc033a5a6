//! What clients of a replica, or of a primary that lacks replicas, are told.

use slotmesh_test_support::client::Client;
use slotmesh_test_support::proxy::Proxy;
use slotmesh_test_support::replication::{FOLLOW_LIMIT, follow, wait_caught_up, wait_connected};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Peer, Reply, require_peer};

use crate::{launch, ours, start};

#[test]
fn a_replica_of_redis_refuses_writes_of_its_clients() {
    let (primary, replica) = (start(&require_peer!(Peer::RedisServer)), start(&ours()));
    follow(&replica, primary.port());
    let mut client = replica.client();

    assert_eq!(error(&mut client, &["SET", "k", "v"]), "READONLY You can't write against a read only replica.");
    assert_eq!(client.call(["GET", "k"]).unwrap(), Reply::NullBulk);
}

#[test]
fn a_writable_replica_keeps_its_own_writes_to_itself() {
    let (primary, above) = (start(&ours()), start(&ours()));
    let replica = launch(&ours()).option("replica-read-only", "no").start().expect("the server starts");
    follow(&above, primary.port());
    follow(&replica, primary.port());

    assert_eq!(replica.client().call(["SET", "local", "v"]).unwrap(), Reply::Simple(b"OK".to_vec()));
    primary.client().call(["SET", "k", "v"]).unwrap();
    wait_caught_up(&primary, &replica);
    wait_caught_up(&primary, &above);

    assert_eq!(replica.client().call(["GET", "local"]).unwrap(), Reply::Bulk(b"v".to_vec()));
    assert_eq!(above.client().call(["GET", "local"]).unwrap(), Reply::NullBulk);
}

#[test]
fn a_replica_without_its_primary_can_refuse_stale_reads() {
    let primary = start(&require_peer!(Peer::RedisServer));
    let replica = launch(&ours()).option("replica-serve-stale-data", "no").start().expect("the server starts");
    let proxy = Proxy::start(primary.address()).unwrap();
    follow(&replica, proxy.port());
    let mut client = replica.client();
    assert_eq!(client.call(["GET", "k"]).unwrap(), Reply::NullBulk);

    proxy.cut();

    let stale = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    let is_stale = || (client.call(["GET", "k"]).unwrap() == Reply::Error(stale.into())).then_some(());
    poll_until("the refusal", FOLLOW_LIMIT, is_stale).unwrap();
    assert!(!client.call(["ROLE"]).unwrap().is_error());
    assert!(!client.call(["INFO", "replication"]).unwrap().is_error());
    proxy.heal();
    wait_connected(&replica);
    assert_eq!(client.call(["GET", "k"]).unwrap(), Reply::NullBulk);
}

#[test]
fn a_primary_without_enough_replicas_refuses_writes() {
    let primary = launch(&ours()).option("min-replicas-to-write", "1").start().expect("the server starts");
    let mut client = primary.client();
    let few = "NOREPLICAS Not enough good replicas to write.";
    assert_eq!(error(&mut client, &["SET", "k", "v"]), few);

    let mut replica = start(&require_peer!(Peer::RedisServer));
    follow(&replica, primary.port());
    let is_written = || (client.call(["SET", "k", "v"]).unwrap() == Reply::Simple(b"OK".to_vec())).then_some(());
    poll_until("a write", FOLLOW_LIMIT, is_written).unwrap();

    replica.kill().unwrap();
    let is_refused = || (client.call(["SET", "k", "v"]).unwrap() == Reply::Error(few.into())).then_some(());
    poll_until("the refusal", FOLLOW_LIMIT, is_refused).unwrap();
}

fn error(client: &mut Client, args: &[&str]) -> String {
    let reply = client.call(args).unwrap();
    assert!(reply.is_error(), "{args:?}: {reply:?}");
    String::from_utf8_lossy(reply.text().expect("errors have a text")).into_owned()
}
