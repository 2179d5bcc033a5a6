use super::fixture::{Net, TIMEOUT_MS};
use crate::bus::NodeFlags;

#[test]
fn a_killed_primary_is_replaced_within_one_and_a_half_timeouts() {
    for seed in 100..110 {
        let mut net = Net::cluster(3, 1, seed);
        net.kill(0);

        let took = net.until("the replica serves", 10_000, |net| net.writers(0) == [3]);

        assert!(took >= TIMEOUT_MS * 9 / 10, "{took} ms, seed {seed}");
        assert!(took <= TIMEOUT_MS * 3 / 2, "{took} ms, seed {seed}");
        net.until("all agree", 1000, Net::is_settled);
        assert!(net.flags(1, 0).has(NodeFlags::FAIL));
    }
}

#[test]
fn the_old_primary_returns_as_a_replica_of_the_new_one() {
    let mut net = Net::cluster(3, 1, 20);
    net.kill(0);
    net.until("the replica serves", 10_000, |net| net.writers(0) == [3]);
    net.advance(1000);

    net.restart(0);
    net.until("all agree", 10_000, |net| net.is_settled() && !net.peers[0].bus.is_primary());

    assert!(net.logged(0, "Reconfiguring myself as a replica of"));
    net.until("it is no longer failed", 5000, |net| !net.flags(1, 0).has(NodeFlags::FAIL));
    assert_eq!(net.writers(0), [3]);
}

#[test]
fn a_primary_that_restarts_at_once_stays_primary() {
    let mut net = Net::cluster(3, 1, 21);
    net.kill(0);
    net.advance(100);
    net.restart(0);

    net.advance(10_000);

    assert_eq!(net.writers(0), [0]);
    assert!(net.is_settled());
}

#[test]
fn the_replica_with_more_data_wins() {
    for seed in 30..36 {
        let mut net = Net::cluster(3, 2, seed);
        net.advance(500);
        net.pause(3);
        net.peers[0].offset = 5000;
        net.advance(400);
        net.kill(0);
        net.resume(3);
        assert_eq!((net.peers[3].offset, net.peers[6].offset), (100, 5000));

        net.until("a replica serves", 10_000, |net| !net.writers(0).is_empty());

        assert_eq!(net.writers(0), [6], "seed {seed}");
        net.until("all agree", 5000, Net::is_settled);
    }
}

#[test]
fn two_failures_in_one_shard_are_survived() {
    let mut net = Net::cluster(3, 2, 40);
    net.kill(0);
    net.until("a replica serves", 10_000, |net| !net.writers(0).is_empty());
    let second = net.writers(0)[0];
    net.until("all agree", 5000, Net::is_settled);
    net.kill(second);

    net.until("the other replica serves", 20_000, |net| !net.writers(0).is_empty());

    assert_ne!(net.writers(0)[0], second);
    net.until("all agree", 5000, Net::is_settled);
}

#[test]
fn without_replicas_a_failure_takes_the_cluster_down() {
    let mut net = Net::cluster(3, 0, 41);
    net.kill(0);

    net.until("the others see it", 5000, |net| !net.peers[1].bus.is_ok() && !net.peers[2].bus.is_ok());

    assert!(net.logged(1, "Cluster state changed: fail"));
    net.restart(0);
    net.until("it is back", 10_000, |net| net.is_settled() && net.writers(0) == [0]);
}

#[test]
fn a_minority_declares_nobody_failed() {
    let mut net = Net::cluster(5, 0, 42);
    for index in 0..3 {
        net.kill(index);
    }

    net.advance(20_000);

    assert!((0..3).all(|dead| !net.flags(3, dead).has(NodeFlags::FAIL)));
    assert!((0..3).all(|dead| net.flags(3, dead).has(NodeFlags::PFAIL)));
    assert!(!net.peers[3].bus.is_ok());
}

#[test]
fn every_voter_votes_once_per_epoch() {
    for seed in 50..60 {
        let mut net = Net::cluster(3, 3, seed);
        net.advance(200);
        net.kill(0);
        net.advance(10_000);

        assert_eq!(net.writers(0).len(), 1, "seed {seed}");
        for voter in 1..3 {
            let mut epochs: Vec<&str> = net.peers[voter]
                .log
                .iter()
                .filter(|line| line.starts_with("Failover auth granted"))
                .filter_map(|line| line.rsplit(' ').next())
                .collect();
            let count = epochs.len();
            epochs.dedup();
            assert_eq!(epochs.len(), count, "seed {seed}");
        }
    }
}

#[test]
fn a_vote_is_durable_before_it_leaves() {
    let mut net = Net::cluster(3, 1, 61);
    net.kill(0);
    net.until("votes are counted", 10_000, |net| net.logged(3, "Failover election won"));

    for voter in 1..3 {
        if net.logged(voter, "Failover auth granted") {
            let epoch = net.peers[voter].bus.last_vote_epoch();
            assert!(net.peers[voter].disk.contains(&format!("lastVoteEpoch {epoch} ")), "voter {voter}");
        }
    }
    net.kill(1);
    net.kill(2);
    let disk = crate::bus::config_file::parse(net.peers[1].disk.as_bytes()).unwrap();
    assert_eq!(disk.last_vote_epoch, net.peers[1].bus.last_vote_epoch());
}

#[test]
fn all_stopped_and_started_again_are_the_cluster_they_were() {
    let mut net = Net::cluster(3, 1, 62);
    let before: Vec<String> = (0..6).map(|index| net.id(index)).collect();
    for index in 0..6 {
        net.kill(index);
    }
    net.advance(5000);
    for index in 0..6 {
        net.restart(index);
    }

    net.until("all agree", 20_000, |net| net.is_settled() && net.writers(0) == [0]);

    assert_eq!((0..6).map(|index| net.id(index)).collect::<Vec<_>>(), before);
    assert!((0..3).all(|index| net.peers[index].bus.is_primary()));
}

#[test]
fn a_replica_cut_off_for_too_long_does_not_stand() {
    let mut net = Net::cluster(3, 1, 63);
    for index in 0..6 {
        let mut config = net.peers[index].config.clone();
        config.replica_validity_factor = 1;
        config.repl_ping_period_secs = 1;
        net.peers[index].config = config.clone();
        net.act(index, |bus, now| bus.set_config(now, config));
    }
    net.cut(0, 3);
    net.advance(5000);
    net.kill(0);

    net.advance(10_000);

    assert!(net.writers(0).is_empty());
    assert!(net.logged(3, "Disconnected from master for longer than allowed."));
}

#[test]
fn a_spare_replica_moves_to_an_orphaned_primary() {
    let mut net = Net::cluster(3, 2, 64);
    net.kill(3);
    net.kill(6);
    net.until("it is orphaned", 5000, |net| {
        net.flags(0, 3).has(NodeFlags::FAIL) && net.flags(0, 6).has(NodeFlags::FAIL)
    });

    net.until("one moves", 20_000, |net| {
        let table = net.peers[0].bus.table();
        net.peers[0].bus.myself().replicas().iter().any(|key| !table.node(*key).is_failed())
    });

    let moved = (0..9).filter(|index| net.logged(*index, "Migrating to orphaned master")).count();
    assert_eq!(moved, 1);
}

#[test]
fn a_replica_that_missed_its_primarys_last_epoch_is_voted_for() {
    for seed in 60..66 {
        let mut net = Net::cluster(3, 1, seed);
        net.pause(3);
        net.act(0, |bus, now| bus.bump_epoch(now));
        net.advance(300);
        net.kill(0);
        net.resume(3);

        let took = net.until("the replica serves", 10_000, |net| net.writers(0) == [3]);

        assert!(took <= TIMEOUT_MS * 2, "{took} ms, seed {seed}");
    }
}

#[test]
fn an_epoch_nobody_heard_of_takes_no_slot_from_the_elected() {
    for seed in 70..90 {
        let mut net = Net::cluster(3, 1, seed);
        net.advance(500);
        net.partition(&[0]);
        net.act(0, |bus, now| bus.bump_epoch(now));
        net.advance(20);
        let bumped = net.peers[0].bus.my_epoch();
        net.kill(0);
        net.heal();
        net.until("the replica serves", 10_000, |net| net.writers(0) == [3]);
        assert_eq!(net.peers[3].bus.my_epoch(), bumped, "the two claims are equal, seed {seed}");

        net.restart(0);
        net.advance(10_000);

        assert_eq!(net.writers(0), [3], "seed {seed}");
        assert!(net.is_settled(), "seed {seed}");
    }
}
