//! Shards and names: which heartbeats tell of them, and who is in one with whom.

use super::fixture::Net;
use super::solo::{Solo, id};
use crate::bus::message::{Body, Extension, Heartbeat, Message, MessageFlags, NodeFlags};
use crate::bus::{ResetKind, operations::Dataset};

const TIMEOUT_MS: u64 = super::solo::TIMEOUT_MS;

fn told(message: &Message<'_>) -> Vec<Extension> {
    let Body::Heartbeat { extensions, .. } = &message.body else { panic!("a heartbeat") };
    extensions.clone()
}

fn shard(solo: &Solo, of: char) -> String {
    let table = solo.bus.table();
    table.node(table.find(&id(of)).unwrap()).shard().to_string()
}

#[test]
fn a_node_of_redis_7_0_is_told_no_extension_it_does_not_know() {
    let mut solo = Solo::new();

    solo.say('b', Solo::beat(Heartbeat::Ping));

    let pong = solo.last_sent(solo.links[&'b'].0);
    assert!(pong.header.mflags.has(MessageFlags::EXT_DATA), "but is told that we read them");
    assert_eq!(told(&pong), []);
}

#[test]
fn who_says_that_it_reads_extensions_is_told_the_shard() {
    let mut solo = Solo::new();
    let mut header = Solo::header('b');
    header.mflags.insert(MessageFlags::EXT_DATA);

    solo.say_as('b', header, Solo::beat(Heartbeat::Ping));
    // The answer to the first left before its extensions were looked at.
    solo.say('b', Solo::beat(Heartbeat::Ping));

    let shard = solo.bus.myself().shard();
    assert_eq!(told(&solo.last_sent(solo.links[&'b'].0)), [Extension::ShardId(shard)]);
}

#[test]
fn a_host_name_alone_is_no_sign_of_more() {
    let mut solo = Solo::new();

    solo.say('b', Solo::extended(vec![Extension::Hostname("b.example".to_owned())]));

    assert_eq!(told(&solo.last_sent(solo.links[&'b'].0)), []);
}

#[test]
fn a_replica_is_in_the_shard_of_its_primary_whatever_it_says() {
    let mut solo = Solo::new();
    solo.say('b', Solo::extended(vec![Extension::ShardId(id('1'))]));
    assert_eq!((shard(&solo, 'b'), shard(&solo, 'd')), (id('1').to_string(), id('1').to_string()));

    solo.say('d', Solo::extended(vec![Extension::ShardId(id('2'))]));

    assert_eq!(shard(&solo, 'd'), id('1').to_string());
    let shards = solo.bus.shards();
    let found = shards.iter().find(|shard| shard.id == id('1')).unwrap();
    assert_eq!(found.nodes.len(), 2);
    assert_eq!(found.ranges.len(), 1);
}

#[test]
fn a_name_for_people_travels_and_is_kept_in_the_file() {
    let mut solo = Solo::new();
    let names = vec![Extension::Nodename("rack-1".to_owned()), Extension::ShardId(id('1'))];

    solo.say('b', Solo::extended(names));

    assert!(solo.bus.config_text().contains(&format!(",,tls-port=0,nodename=rack-1,shard-id={} master", id('1'))));
    assert!(!solo.bus.nodes_text(crate::bus::report::ClientKind::Plain).contains("rack-1"));

    solo.say('b', Solo::extended(vec![Extension::ShardId(id('1'))]));
    assert!(!solo.bus.config_text().contains("rack-1"));
}

#[test]
fn a_shard_outlives_its_primary() {
    let mut net = Net::cluster(3, 1, 21);
    let before = net.peers[0].bus.myself().shard();
    net.kill(0);

    net.until("a successor", 20 * TIMEOUT_MS, |net| net.peers[3].bus.is_primary());
    net.advance(4 * TIMEOUT_MS);

    for viewer in [1, 2, 3] {
        let shards = net.peers[viewer].bus.shards();
        assert_eq!(shards.len(), 3);
        let shard = shards.iter().find(|shard| shard.id == before).unwrap();
        assert_eq!(shard.nodes.len(), 2, "the one that failed is in it, too");
        let first = net.peers[viewer].bus.table().node(shard.nodes[0].key);
        assert!(first.slot_count() > 0 && first.flags().has(NodeFlags::PRIMARY));
    }
}

#[test]
fn a_node_that_is_reset_is_in_a_shard_of_its_own() {
    let mut net = Net::cluster(2, 1, 22);
    let shared = net.peers[2].bus.myself().shard();
    assert_eq!(shared, net.peers[0].bus.myself().shard());

    net.act(2, |bus, now| bus.reset(now, ResetKind::Soft, Dataset::Empty).unwrap());

    assert_ne!(net.peers[2].bus.myself().shard(), shared);
    assert_eq!(net.peers[0].bus.myself().shard(), shared);
}
