//! Sentinels of both makes in one quorum, over servers of both makes.

use std::path::{Path, PathBuf};

use slotmesh_test_support::sentinel::{NAME, SentinelGroup, named_port};
use slotmesh_test_support::{Peer, Reply, require_peer};

use crate::ours;

/// The programs that take part.
struct Makes {
    ours: PathBuf,
    theirs: PathBuf,
}

impl Makes {
    /// The programs that letters stand for: `o` for ours, `t` for theirs.
    fn of(&self, letters: &str) -> Vec<&Path> {
        letters.chars().map(|letter| if letter == 'o' { &*self.ours } else { &*self.theirs }).collect()
    }

    /// Kills the primary, waits for another one, and brings the old one back.
    fn tell_the_story(&self, servers: &str, sentinels: &str) {
        let mut group = SentinelGroup::start(&self.of(servers), &self.of(sentinels), 2, DOWN_AFTER_MS);
        let old = group.servers[0].port();
        let client = &mut group.servers[0].client();
        assert_eq!(client.call(["SET", "k", "v"]).unwrap(), Reply::Simple(b"OK".to_vec()));
        assert_eq!(client.call(["WAIT", "2", "5000"]).unwrap(), Reply::Integer(2));

        group.servers[0].kill().unwrap();
        group.wait_switch(old);
        let new = group.wait_followed();

        let value = group.at(new).client().call(["GET", "k"]).unwrap();
        assert_eq!(value, Reply::Bulk(b"v".to_vec()), "{servers} {sentinels}");
        group.servers[0].restart().unwrap();
        assert_eq!(group.wait_followed(), new, "{servers} {sentinels}");
        let refused = group.servers[0].client().call(["SET", "k", "w"]).unwrap();
        let expected = b"READONLY You can't write against a read only replica.".to_vec();
        assert_eq!(refused, Reply::Error(expected), "{servers} {sentinels}");
        assert!(group.sentinels.iter().all(|sentinel| named_port(sentinel) == Some(new)));
    }
}

/// Has the primary hand over on the order of an operator: nothing that was written is lost, and nobody finds it down.
fn hand_over(servers: &Path, sentinels: &Path) {
    let group = SentinelGroup::start(&[servers; 3], &[sentinels; 3], 2, 5000);
    let old = group.servers[0].port();
    let primary = &mut group.servers[0].client();
    assert_eq!(primary.call(["SET", "k", "v"]).unwrap(), Reply::Simple(b"OK".to_vec()));
    assert_eq!(primary.call(["WAIT", "2", "20000"]).unwrap(), Reply::Integer(2));
    let operator = &mut group.sentinels[1].client();
    group.wait("an order that is taken", |_| {
        // Until replicas were seen to follow, none can be chosen.
        let reply = operator.call(["SENTINEL", "FAILOVER", NAME, "COORDINATED"]);
        reply.is_ok_and(|reply| reply == Reply::Simple(b"OK".to_vec()))
    });
    group.wait_switch(old);

    let new = group.wait_followed();

    assert_ne!(new, old);
    assert!((0..3).all(|index| !group.events(index).contains(&"+sdown".to_owned())));
    let log = group.servers[0].log();
    assert!(log.contains("FAILOVER requested to 127.0.0.1:"), "{log}");
    let taken = group.at(new).client().call(["SET", "k", "v"]).unwrap();
    assert_eq!(taken, Reply::Simple(b"OK".to_vec()));
    let refused = group.servers[0].client().call(["SET", "k", "w"]).unwrap();
    assert_eq!(refused, Reply::Error(b"READONLY You can't write against a read only replica.".to_vec()));
}

#[test]
fn their_servers_hand_over_when_our_sentinels_ask() {
    hand_over(&require_peer!(Peer::RedisServer), &ours());
}

#[test]
fn our_servers_hand_over_when_our_sentinels_ask() {
    hand_over(&ours(), &ours());
}

#[test]
fn our_servers_hand_over_when_sentinels_of_valkey_ask() {
    hand_over(&ours(), &require_peer!(Peer::ValkeyServer));
}

macro_rules! stories {
    ($($name:ident: $servers:literal $sentinels:literal)*) => {
        $(#[test] fn $name() {
            let theirs = require_peer!(Peer::RedisServer);
            Makes { ours: ours(), theirs }.tell_the_story($servers, $sentinels);
        })*
    };
}

stories! {
    our_sentinels_watch_their_servers: "ttt" "ooo"
    their_sentinels_watch_our_servers: "ooo" "ttt"
    one_of_our_sentinels_is_in_their_quorum: "oto" "tto"
    one_of_their_sentinels_is_in_our_quorum: "tot" "oot"
}

#[test]
fn the_events_of_a_failover_are_those_of_a_real_sentinel() {
    let theirs = require_peer!(Peer::RedisServer);
    let makes = Makes { ours: ours(), theirs };
    let told = |sentinels: &str| {
        let mut group = SentinelGroup::start(&makes.of("ttt"), &makes.of(sentinels), 2, DOWN_AFTER_MS);
        let old = group.servers[0].port();
        group.servers[0].kill().unwrap();
        group.wait_switch(old);
        let promoted = |events: &[String]| events.iter().position(|event| event == "+failover-state-reconf-slaves");
        group.wait("a promotion", |group| (0..3).any(|index| promoted(&group.events(index)).is_some()));
        let leader = (0..3).map(|index| group.events(index)).find(|events| promoted(events).is_some()).unwrap();
        // From the try that led to it: what comes behind depends on when a replica is looked at.
        let end = promoted(&leader).unwrap();
        let begin = leader[..end].iter().rposition(|event| event == "+try-failover").unwrap();
        // What others do in the same moment depends on chance, too.
        let by_chance = ["+odown", "-odown", "+sdown", "-sdown", "+sentinel", "+slave", "+new-epoch"];
        let steps = leader[begin..=end].iter().filter(|event| !by_chance.contains(&event.as_str()));
        steps.cloned().collect::<Vec<_>>()
    };

    let (ours, theirs) = (told("ooo"), told("ttt"));

    assert_eq!(ours.len(), 9, "{ours:?}");
    assert_eq!(ours, theirs);
}

/// More than the period of pings, which is a second at the most: with one second a real sentinel takes a primary that it
/// has just switched to for down in the moment in which it pings it first, and may begin another failover.
const DOWN_AFTER_MS: u64 = 2000;
