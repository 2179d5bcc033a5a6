//! Fields of hashes that expire, between ours and those that know them.

use std::path::Path;

use slotmesh_test_support::data::{assert_same, pipeline};
use slotmesh_test_support::replication::{FOLLOW_LIMIT, follow, wait_caught_up};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Peer, Reply, Server, require_peer};

use crate::{ours, start};

#[test]
fn valkey_follows_our_fields() {
    expiring_fields_are_the_same_below(&ours(), &require_peer!(Peer::ValkeyServer));
}

#[test]
fn our_replica_follows_the_fields_of_valkey() {
    expiring_fields_are_the_same_below(&require_peer!(Peer::ValkeyServer), &ours());
}

#[test]
fn our_replica_follows_our_fields() {
    expiring_fields_are_the_same_below(&ours(), &ours());
}

/// Through a full copy, and through the stream.
fn expiring_fields_are_the_same_below(primary: &Path, replica: &Path) {
    let (primary, replica) = (start(primary), start(replica));
    run(&primary, &["HSETEX copied PXAT 33177117420000 FIELDS 2 a 1 b 2", "HSET copied c 3"]);
    follow(&replica, primary.port());
    run(
        &primary,
        &[
            "HSET h a 1 b 2 c 3 d 4 e 5 f 6",
            "HEXPIRE h 100000 FIELDS 5 a b c d e",
            "HPEXPIREAT h 33177117420123 FIELDS 3 a nosuch e",
            "HPERSIST h FIELDS 2 b nosuch",
            "HINCRBY h c 5",
            "HINCRBYFLOAT h d 0.5",
            "HSET h e 9",
            "HGETEX h EX 100000 FIELDS 2 f nosuch",
            "HSETEX h FNX EX 100000 FIELDS 1 g 7",
            "HSETEX h KEEPTTL FIELDS 2 a 8 h 8",
            "HGETDEL h FIELDS 2 b nosuch",
            "HEXPIRE h 0 FIELDS 1 f",
            "HSETEX short PX 30 FIELDS 2 a 1 b 2",
            "HSETEX partly PX 30 FIELDS 2 a 1 b 2",
            "HSET partly c 3",
        ],
    );

    let mut below = replica.client();
    let are_gone = || {
        let left = [vec!["EXISTS", "short"], vec!["HLEN", "partly"]].map(|command| below.call(command).unwrap());
        (left == [Reply::Integer(0), Reply::Integer(1)]).then_some(())
    };
    poll_until("the end of the fields below", FOLLOW_LIMIT, are_gone).unwrap();
    wait_caught_up(&primary, &replica);

    assert_same(&mut primary.client(), &mut replica.client());
    for question in [
        "HPEXPIRETIME copied FIELDS 3 a b c",
        "HPEXPIRETIME h FIELDS 8 a b c d e f g h",
        "HPEXPIRETIME partly FIELDS 1 c",
    ] {
        let ask = |server: &Server| server.client().call(question.split(' ')).unwrap();
        assert_eq!(ask(&primary), ask(&replica), "{question}");
    }
}

/// Runs commands written with blanks on one connection; none may be refused.
fn run(server: &Server, commands: &[&str]) {
    let commands = commands.iter().map(|line| line.split(' ').map(|word| word.as_bytes().to_vec()).collect());
    pipeline(&mut server.client(), commands).unwrap();
}
