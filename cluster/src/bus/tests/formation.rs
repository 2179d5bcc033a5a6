use super::fixture::{Net, TIMEOUT_MS};
use crate::bus::message::ChannelScope;
use crate::bus::report::ClientKind;
use crate::bus::{Dataset, NodeFlags};

#[test]
fn six_nodes_meet_and_agree_within_ten_milliseconds() {
    let mut net = Net::new(6, 1);
    net.meet_all();

    let took = net.until("all know all", 1000, Net::all_know_all);

    assert!(took <= 10, "{took} ms");
}

#[test]
fn a_formed_cluster_serves_every_slot_once() {
    let net = Net::cluster(3, 1, 2);

    for slot in [0, 5460, 5461, 10922, 10923, 16383] {
        assert_eq!(net.writers(slot).len(), 1, "slot {slot}");
    }
    for peer in &net.peers {
        let info = peer.bus.info_text();
        assert!(info.starts_with("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"), "{info}");
        assert!(info.contains("cluster_known_nodes:6\r\ncluster_size:3\r\n"), "{info}");
    }
}

#[test]
fn replicas_carry_their_primary_in_every_view() {
    let net = Net::cluster(3, 1, 3);

    for peer in &net.peers {
        let text = peer.bus.nodes_text(ClientKind::Plain);
        for replica in 3..6 {
            let line = text.lines().find(|line| line.starts_with(&net.id(replica))).unwrap();
            assert!(line.contains(&format!("slave {} ", net.id(replica - 3))), "{line}");
        }
        assert_eq!(peer.bus.shards().len(), 3);
        assert_eq!(peer.bus.slots().len(), 3);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let texts = |seed| {
        let mut net = Net::cluster(3, 1, seed);
        net.kill(0);
        net.advance(3000);
        net.peers.iter().map(|peer| peer.bus.config_text() + &peer.log.join("\n")).collect::<String>()
    };

    assert_eq!(texts(4), texts(4));
    assert_ne!(texts(4), texts(5));
}

#[test]
fn colliding_epochs_are_resolved() {
    let mut net = Net::new(5, 6);
    net.meet_all();
    net.until("all know all", 1000, Net::all_know_all);

    net.advance(3 * TIMEOUT_MS);

    let mut epochs: Vec<u64> = net.peers.iter().map(|peer| peer.bus.my_epoch()).collect();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 5, "{epochs:?}");
}

#[test]
fn a_node_that_meets_itself_stays_alone() {
    let mut net = Net::new(1, 7);
    let ip = Net::ip(0).to_string();

    net.act(0, |bus, now| bus.meet(now, ip.as_bytes(), b"7000", None).unwrap());
    net.advance(5000);

    assert_eq!(net.peers[0].bus.table().len(), 1);
}

#[test]
fn a_handshake_with_nobody_is_given_up() {
    let mut net = Net::new(1, 8);

    net.act(0, |bus, now| bus.meet(now, b"10.0.0.99", b"7000", None).unwrap());
    assert_eq!(net.peers[0].bus.table().len(), 2);
    net.advance(TIMEOUT_MS + 300);

    assert_eq!(net.peers[0].bus.table().len(), 1);
}

#[test]
fn a_forgotten_node_stays_away_for_a_minute() {
    let mut net = Net::cluster(3, 0, 9);
    let gone = net.id(2);
    for index in 0..2 {
        net.act(index, |bus, now| bus.forget(now, gone.as_bytes()).unwrap());
    }
    net.kill(2);

    net.advance(30_000);

    assert!(net.peers[..2].iter().all(|peer| peer.bus.table().len() == 2));
}

#[test]
fn host_names_travel_with_heartbeats_and_go_with_them() {
    let mut net = Net::cluster(2, 0, 10);
    let mut config = net.peers[1].config.clone();
    config.announce_hostname = "two.example".to_owned();
    let key = net.peers[0].bus.lookup(net.id(1).as_bytes()).unwrap();
    let plain = net.peers[1].config.clone();

    net.act(1, |bus, now| bus.set_config(now, config));
    net.advance(2 * TIMEOUT_MS);
    assert_eq!(net.peers[0].bus.table().node(key).hostname(), "two.example");

    net.act(1, |bus, now| bus.set_config(now, plain));
    net.advance(2 * TIMEOUT_MS);
    assert_eq!(net.peers[0].bus.table().node(key).hostname(), "");
}

#[test]
fn published_messages_reach_everybody_and_shard_messages_the_shard() {
    let mut net = Net::cluster(2, 1, 11);

    net.act(0, |bus, _| bus.publish(ChannelScope::Cluster, b"c", b"all"));
    net.act(0, |bus, _| bus.publish(ChannelScope::Shard, b"c", b"shard"));
    net.advance(10);

    let heard: Vec<Vec<&str>> = net
        .peers
        .iter()
        .map(|peer| peer.published.iter().map(|message| std::str::from_utf8(message).unwrap()).collect())
        .collect();
    assert_eq!(heard, [vec![], vec!["all"], vec!["all", "shard"], vec!["all"]]);
}

#[test]
fn a_node_with_a_new_address_is_found_again() {
    let mut net = Net::cluster(3, 0, 12);
    let mut config = net.peers[2].config.clone();
    config.port = 7777;

    net.act(2, |bus, now| bus.set_config(now, config));
    net.advance(2 * TIMEOUT_MS);

    let key = net.peers[0].bus.lookup(net.id(2).as_bytes()).unwrap();
    assert_eq!(net.peers[0].bus.table().node(key).address().port, 7777);
    assert!(net.logged(0, "Address updated for node"));
}

#[test]
fn a_reset_node_is_new_and_alone() {
    let mut net = Net::cluster(3, 1, 13);
    let before = net.id(5);

    net.act(5, |bus, now| bus.reset(now, crate::bus::ResetKind::Hard, Dataset::HasKeys).unwrap());

    let bus = &net.peers[5].bus;
    assert_ne!(net.id(5), before);
    assert_eq!((bus.table().len(), bus.current_epoch(), bus.is_primary()), (1, 0, true));
    assert_eq!(bus.table().slot_map().assigned(), 0);
}

#[test]
fn a_primary_with_replicas_shows_the_bit_of_a_migration_target() {
    let net = Net::cluster(3, 1, 14);

    assert!(net.flags(0, 0).has(NodeFlags::MIGRATE_TO));
    assert!(net.flags(4, 1).has(NodeFlags::MIGRATE_TO));
    assert!(!net.flags(0, 3).has(NodeFlags::MIGRATE_TO));
}
