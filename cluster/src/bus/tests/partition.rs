use slotmesh_engine::rng::Rng;

use super::fixture::{Net, TIMEOUT_MS};

#[test]
fn a_partition_heals_with_the_majority_s_view() {
    for seed in 700..706 {
        let mut net = Net::cluster(3, 1, seed);
        net.partition(&[0, 4]);
        net.until("the majority serves", 10_000, |net| net.writers(0) == [3]);
        net.until("the majority's primaries serve", 100, |net| net.writers(6000) == [1]);
        net.until("the minority is down", 10_000, |net| !net.peers[0].bus.is_ok());
        net.advance(3000);

        net.heal();
        net.until("all agree", 20_000, |net| net.is_settled() && net.peers.iter().all(|peer| peer.bus.is_ok()));

        assert_eq!(net.writers(0), [3], "seed {seed}");
        assert!(!net.peers[0].bus.is_primary(), "seed {seed}");
    }
}

#[test]
fn random_cuts_pauses_and_crashes_never_make_two_writers_and_heal() {
    for seed in 800..816 {
        let mut rng = Rng::new(seed);
        let mut net = Net::cluster(3, 1, seed);
        for _ in 0..8 {
            disturb(&mut net, &mut rng);
            for _ in 0..rng.below(3 * TIMEOUT_MS) / 10 {
                net.advance(10);
                for slot in [0, 6000, 16000] {
                    assert!(net.writers(slot).len() <= 1, "seed {seed} slot {slot}: {:?}", net.writers(slot));
                }
            }
        }
        net.heal();
        for index in 0..6 {
            if net.peers[index].paused {
                net.resume(index);
            }
            if !net.peers[index].alive {
                net.restart(index);
            }
        }

        net.until("all agree", 60_000, |net| net.is_settled());
        for slot in [0, 6000, 16000] {
            net.until("one writes", 10_000, |net| net.writers(slot).len() == 1);
        }
    }
}

fn disturb(net: &mut Net, rng: &mut Rng) {
    let index = rng.index(6);
    match rng.below(6) {
        0 => net.cut(index, (index + 1 + rng.index(5)) % 6),
        1 => net.partition(&[index]),
        2 => net.heal(),
        3 if net.peers[index].alive && !net.peers[index].paused => net.pause(index),
        3 | 4 if net.peers[index].paused => net.resume(index),
        4 if net.peers[index].alive => net.kill(index),
        _ if !net.peers[index].alive => net.restart(index),
        _ => {}
    }
}
