use super::fixture::{Net, TIMEOUT_MS};
use crate::bus::{ClusterError, FailoverForm};

fn failover(net: &mut Net, index: usize, form: FailoverForm) -> Result<(), ClusterError> {
    let facts = net.facts(index);
    net.act(index, |bus, now| bus.failover(now, form, &facts))
}

#[test]
fn a_plain_failover_pauses_waits_for_the_stream_and_takes_over() {
    let mut net = Net::cluster(3, 1, 600);
    net.advance(500);

    failover(&mut net, 3, FailoverForm::Plain).unwrap();
    let took = net.until("the replica serves", 1000, |net| net.writers(0) == [3]);

    assert!(took < 50, "{took} ms");
    assert!(net.logged(0, "Manual failover requested by replica"));
    assert!(net.logged(3, "Received replication offset for paused master manual failover: 100"));
    assert!(net.logged(3, "All master replication stream processed, manual failover can start."));
    net.until("the old primary follows", 1000, |net| net.is_settled() && !net.peers[0].bus.is_primary());
    assert!(!net.peers[0].writes_paused);
    assert!(net.peers[0].slots_lost > 0);
}

#[test]
fn a_plain_failover_that_cannot_catch_up_times_out_and_unpauses() {
    let mut net = Net::cluster(3, 1, 601);
    net.advance(500);
    net.peers[3].starved = true;
    net.peers[3].offset = 1;
    failover(&mut net, 3, FailoverForm::Plain).unwrap();
    net.until("writes pause", 100, |net| net.peers[0].writes_paused);

    net.advance(5200);

    assert!(net.logged(0, "Manual failover timed out."));
    assert!(!net.peers[0].writes_paused);
}

#[test]
fn a_forced_failover_needs_votes_but_no_primary() {
    let mut net = Net::cluster(3, 1, 602);
    net.advance(500);
    net.kill(0);
    net.advance(100);

    assert_eq!(failover(&mut net, 3, FailoverForm::Plain), Err(ClusterError::FailoverPrimaryDown));
    failover(&mut net, 3, FailoverForm::Force).unwrap();
    let took = net.until("the replica serves", 1000, |net| net.writers(0) == [3]);

    assert!(took < 50, "{took} ms");
}

#[test]
fn a_takeover_asks_nobody() {
    let mut net = Net::cluster(3, 1, 603);
    net.advance(500);
    for index in 0..3 {
        net.kill(index);
    }

    failover(&mut net, 3, FailoverForm::Takeover).unwrap();

    assert!(net.peers[3].bus.is_primary());
    assert_eq!(net.peers[3].bus.my_epoch(), net.peers[3].bus.current_epoch());
    assert!(net.logged(3, "Taking over the master (user request)."));
}

#[test]
fn only_replicas_fail_over() {
    let mut net = Net::cluster(3, 0, 604);

    assert_eq!(failover(&mut net, 0, FailoverForm::Force), Err(ClusterError::FailoverOnPrimary));
}

#[test]
fn writes_stay_with_one_primary_through_a_plain_failover() {
    for seed in 610..620 {
        let mut net = Net::cluster(3, 1, seed);
        net.advance(TIMEOUT_MS);
        failover(&mut net, 3, FailoverForm::Plain).unwrap();
        for _ in 0..2000 {
            assert!(net.writers(0).len() <= 1, "seed {seed}");
            net.advance(1);
        }
        assert_eq!(net.writers(0), [3], "seed {seed}");
    }
}
