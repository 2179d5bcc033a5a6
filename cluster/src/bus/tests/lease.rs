use super::fixture::{Net, TIMEOUT_MS};

#[test]
fn a_healthy_primary_never_loses_its_lease() {
    let mut net = Net::cluster(5, 1, 200);
    net.until("all write", 1000, |net| (0..5).all(|index| net.peers[index].bus.has_majority_contact(net.now.instant)));

    for _ in 0..2000 {
        net.advance(10);
        for index in 0..5 {
            assert!(net.peers[index].bus.has_majority_contact(net.now.instant), "primary {index}");
        }
    }
}

#[test]
fn a_lone_primary_needs_no_contact() {
    let mut net = Net::cluster(1, 1, 201);
    net.kill(1);
    net.advance(100_000);

    assert_eq!(net.writers(0), [0]);
}

#[test]
fn a_primary_that_wakes_acknowledges_nothing_its_successor_discards() {
    for seed in 210..230 {
        let mut net = Net::cluster(3, 1, seed);
        net.advance(777);
        net.pause(0);
        net.until("the replica serves", 10_000, |net| net.writers(0) == [3]);
        net.resume(0);

        // Asked at once, before any byte or timer was handled, and ever after.
        for _ in 0..5000 {
            assert_eq!(net.writers(0), [3], "seed {seed}");
            net.advance(1);
        }
        assert!(!net.peers[0].bus.is_primary());
    }
}

#[test]
fn never_do_two_primaries_acknowledge_writes_to_one_slot() {
    for seed in 300..340 {
        let mut net = Net::cluster(3, 1, seed);
        // The primary wakes around the moment in which it is replaced.
        net.pause(0);
        net.advance(TIMEOUT_MS + 10 * (seed - 300));
        net.resume(0);

        for _ in 0..6000 {
            assert!(net.writers(0).len() <= 1, "seed {seed}: {:?}", net.writers(0));
            net.advance(1);
        }
        assert_eq!(net.writers(0).len(), 1, "seed {seed}");
        assert!(net.is_settled(), "seed {seed}");
    }
}

#[test]
fn a_cut_off_primary_stops_before_its_successor_begins() {
    for seed in 400..410 {
        let mut net = Net::cluster(3, 1, seed);
        net.partition(&[0]);
        let mut replaced = false;
        for _ in 0..5000 {
            let writers = net.writers(0);
            assert!(writers.len() <= 1, "seed {seed}: {writers:?}");
            replaced |= writers == [3];
            net.advance(1);
        }
        assert!(replaced, "seed {seed}");
    }
}

#[test]
fn a_short_pause_costs_no_more_than_a_round_trip() {
    let mut net = Net::cluster(3, 0, 202);
    net.advance(500);
    net.pause(0);
    net.advance(TIMEOUT_MS + 50);
    net.resume(0);

    assert!(net.writers(0).is_empty());
    net.until("it writes again", 150, |net| net.peers[0].bus.has_majority_contact(net.now.instant));
}

#[test]
fn a_restarted_primary_does_not_write_before_it_hears_of_its_successor() {
    for seed in 500..510 {
        let mut net = Net::cluster(3, 1, seed);
        net.kill(0);
        net.until("the replica serves", 10_000, |net| net.writers(0) == [3]);
        net.restart(0);

        for _ in 0..6000 {
            assert_eq!(net.writers(0), [3], "seed {seed}");
            net.advance(1);
        }
    }
}
