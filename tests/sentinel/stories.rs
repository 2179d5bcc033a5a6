//! What people have seen real sentinels do.

use std::time::Duration;

use slotmesh::testing::{ProgramEnd, Reply, TestSentinel};
use slotmesh_transport_mem::MachineId;

/// Whether the words come in this order in the lines, with others in between.
fn in_order(lines: &[String], words: &[&str]) -> Result<(), String> {
    let mut lines_left = lines.iter();
    for word in words {
        if !lines_left.any(|line| line.split(' ').next() == Some(*word)) {
            return Err(format!("{word} is missing in {lines:#?}"));
        }
    }
    Ok(())
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.as_bytes().to_vec())
}

fn address(id: MachineId) -> (String, String) {
    (id.ip().to_string(), "6379".to_owned())
}

#[test]
fn sentinels_find_each_other_and_write_down_what_they_found() {
    let mut t = TestSentinel::new(2, 3);
    for id in t.sentinels() {
        assert_eq!(
            t.call(id, ["SENTINEL", "CKQUORUM", "mymaster"]).text(),
            "OK 3 usable Sentinels. Quorum and failover authorization can be reached"
        );
    }
    t.advance(Duration::from_secs(3));

    let first = t.sentinels()[0];
    let file = String::from_utf8(t.disk(first).file("sentinel.conf").unwrap()).unwrap();
    let count = |start: &str| file.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("sentinel known-replica mymaster 10.0.0."), 2, "{file}");
    assert_eq!(count("sentinel known-sentinel mymaster 10.0.0."), 2, "{file}");
    assert_eq!((count("sentinel myid "), count("sentinel current-epoch 0")), (1, 1), "{file}");
    assert_eq!(count("user default on nopass "), 1, "{file}");
}

#[test]
fn a_failover_tells_its_steps_in_order() {
    let mut t = TestSentinel::new(2, 3);
    let (old, sentinels) = (t.primary(), t.sentinels());
    assert_eq!(t.call(old, ["SET", "k", "v"]), "OK");
    t.settle();

    t.kill(old);
    t.run_until(|t| t.running_sentinels().iter().all(|&id| t.named_by(id) != Some(old)));
    t.advance(Duration::from_secs(3));

    let new = t.primary();
    let leaders: Vec<MachineId> = sentinels.iter().copied().filter(|&id| t.logged(id, "+elected-leader")).collect();
    let [leader] = leaders[..] else { panic!("{leaders:?}") };
    in_order(
        &t.events(leader),
        &[
            "+sdown",
            "+odown",
            "+new-epoch",
            "+try-failover",
            "+vote-for-leader",
            "+elected-leader",
            "+failover-state-select-slave",
            "+selected-slave",
            "+failover-state-send-slaveof-noone",
            "+failover-state-wait-promotion",
            "+promoted-slave",
            "+failover-state-reconf-slaves",
            "+slave-reconf-sent",
            "+slave-reconf-inprog",
            "+slave-reconf-done",
            "+failover-end",
            "+switch-master",
        ],
    )
    .unwrap();
    for &other in sentinels.iter().filter(|&&id| id != leader) {
        in_order(&t.events(other), &["+vote-for-leader", "+config-update-from", "+switch-master"]).unwrap();
    }
    assert_eq!(t.call(new, ["GET", "k"]), "v");
    assert!(t.logged(new, "Setting secondary replication ID to ") && t.logged(new, "MASTER MODE enabled"));
    let other = t.servers().into_iter().find(|&id| id != old && id != new).unwrap();
    assert_eq!(t.info_field(new, "sync_partial_ok"), "1", "{:#?}", t.log(other));
    assert_eq!(
        t.call(other, ["SET", "k", "w"]),
        Reply::Error("READONLY You can't write against a read only replica.".into())
    );
}

#[test]
fn the_old_primary_comes_back_as_a_replica() {
    let mut t = TestSentinel::new(2, 3);
    let old = t.primary();
    t.kill(old);
    t.run_until(|t| t.agreed_primary().is_some_and(|primary| primary != old));

    t.restart(old);
    t.run_until(TestSentinel::is_settled);

    assert_ne!(t.primary(), old);
    assert!(t.call(old, ["SET", "k", "v"]).text().starts_with("READONLY"));
    assert!(t.sentinels().iter().any(|&id| t.logged(id, "+convert-to-slave slave 10.0.0.1:6379")));
}

#[test]
fn no_failover_happens_without_the_quorum() {
    let mut t = TestSentinel::builder(2, 3).quorum(3).start();
    let (primary, sentinels) = (t.primary(), t.sentinels());

    t.kill(primary);
    t.kill(sentinels[0]);
    t.advance(Duration::from_secs(30));

    for &id in &sentinels[1..] {
        assert_eq!(t.named_by(id), Some(primary));
        assert!(t.logged(id, "+sdown master mymaster") && !t.logged(id, "+odown"));
        let check = t.call(id, ["SENTINEL", "CKQUORUM", "mymaster"]).text();
        assert!(
            check.starts_with("NOQUORUM 2 usable Sentinels. Not enough available Sentinels to reach the specified"),
            "{check}"
        );
    }
}

#[test]
fn two_of_three_sentinels_are_enough_for_a_quorum_of_two() {
    let mut t = TestSentinel::new(2, 3);
    let (primary, sentinels) = (t.primary(), t.sentinels());

    t.kill(primary);
    t.kill(sentinels[0]);
    t.run_until(|t| t.agreed_primary().is_some_and(|named| named != primary));

    assert!(sentinels[1..].iter().any(|&id| t.logged(id, "+switch-master mymaster 10.0.0.1 6379")));
}

#[test]
fn a_minority_never_promotes() {
    let mut t = TestSentinel::new(2, 3);
    let (primary, servers, sentinels) = (t.primary(), t.servers(), t.sentinels());

    t.partition(&[&[primary, sentinels[0], sentinels[1]], &[servers[1], servers[2], sentinels[2]]]);
    t.advance(Duration::from_secs(40));

    assert!(t.sentinels().iter().all(|&id| t.named_by(id) == Some(primary)));
    t.heal();
    t.run_until(TestSentinel::is_settled);
    assert_eq!(t.primary(), primary);
}

#[test]
fn an_operator_can_ask_for_a_failover() {
    let mut t = TestSentinel::new(2, 3);
    let (primary, sentinel) = (t.primary(), t.sentinels()[1]);

    assert_eq!(t.call(sentinel, ["SENTINEL", "FAILOVER", "mymaster"]), "OK");
    t.run_until(|t| t.agreed_primary().is_some_and(|named| named != primary));
    t.run_until(TestSentinel::is_settled);

    let (host, port) = address(t.primary());
    let named = t.call(sentinel, ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"]);
    assert_eq!(named.items(), [bulk(&host), bulk(&port)]);
}

#[test]
fn a_primary_hands_over_without_losing_a_write() {
    let mut t = TestSentinel::new(2, 3);
    let (primary, sentinel) = (t.primary(), t.sentinels()[1]);
    t.advance(Duration::from_secs(11));
    let writer = t.with_sim(|sim| sim.client(primary));
    t.with_sim(|sim| (0..50).for_each(|_| sim.send(writer, b"INCR n\r\n")));

    assert_eq!(t.call(sentinel, ["SENTINEL", "FAILOVER", "mymaster", "coordinated"]), "OK");
    t.run_until(|t| t.agreed_primary().is_some_and(|named| named != primary));
    t.run_until(TestSentinel::is_settled);

    assert_eq!(t.call(t.primary(), ["GET", "n"]), "50");
    assert!(t.logged(primary, "FAILOVER requested to 10.0.0."), "{:#?}", t.log(primary));
    assert_eq!(t.call(t.primary(), ["SET", "k", "v"]), "OK", "nobody is held back any more");
    assert!(t.call(primary, ["SET", "k", "w"]).text().starts_with("READONLY"));
    assert!(t.sentinels().iter().all(|&id| !t.logged(id, "+sdown")));
}

#[test]
fn scripts_are_run_again_until_they_succeed() {
    let mut t = TestSentinel::builder(1, 1)
        .lines("sentinel notification-script mymaster /notify\nsentinel client-reconfig-script mymaster /reconf\n")
        .start();
    let (primary, sentinel) = (t.primary(), t.sentinels()[0]);
    let mut failures = 2;
    t.on_script(move |script| {
        let fails = script.words[0] == "/reconf" && failures > 0;
        failures -= i32::from(fails);
        ProgramEnd::with_code(i32::from(fails))
    });

    t.kill(primary);
    t.advance(Duration::from_secs(20));
    let reconfs = |t: &TestSentinel| {
        let all = t.scripts(sentinel).into_iter();
        all.filter(|words| words[0] == "/reconf").map(|words| words.join(" ")).collect::<Vec<_>>()
    };
    let expected = "/reconf mymaster leader start 10.0.0.1 6379 10.0.0.2 6379";
    assert_eq!(reconfs(&t), [expected]);
    assert!(t.scripts(sentinel).contains(&vec![
        "/notify".to_owned(),
        "+sdown".to_owned(),
        "master mymaster 10.0.0.1 6379".to_owned()
    ]));
    let pending = t.call(sentinel, ["SENTINEL", "PENDING-SCRIPTS"]);
    assert_eq!(pending.items().len(), 1);
    assert_eq!(pending.items()[0].items()[9], bulk("1"), "runs so far");
    t.advance(Duration::from_secs(30 + 60));

    assert_eq!(reconfs(&t), [expected; 3]);
    assert!(t.call(sentinel, ["SENTINEL", "PENDING-SCRIPTS"]).items().is_empty());
    assert!(!t.logged(sentinel, "-script-error"));
}

#[test]
fn scripts_that_go_wrong_are_told() {
    let mut t = TestSentinel::builder(1, 1).lines("sentinel notification-script mymaster /notify\n").start();
    let sentinel = t.sentinels()[0];
    t.on_script(|_| ProgramEnd::with_code(3));
    t.call(sentinel, ["SENTINEL", "SET", "mymaster", "quorum", "1"]);
    t.advance(Duration::from_secs(1));
    assert!(t.logged(sentinel, "-script-error /notify 0 3"), "{:#?}", t.log(sentinel));

    t.on_script(|_| ProgramEnd::never());
    t.call(sentinel, ["SENTINEL", "SET", "mymaster", "quorum", "1"]);
    t.advance(Duration::from_secs(59));
    assert!(t.info(sentinel, "sentinel").contains("sentinel_running_scripts:1\r\n"));
    t.advance(Duration::from_secs(3));

    assert!(t.logged(sentinel, "-script-timeout /notify 1"), "{:#?}", t.log(sentinel));
    assert!(t.info(sentinel, "sentinel").contains("sentinel_running_scripts:0\r\nsentinel_scripts_queue_length:1"));
}

#[test]
fn subscribers_hear_of_the_new_primary() {
    let mut t = TestSentinel::new(1, 3);
    let (primary, sentinel) = (t.primary(), t.sentinels()[0]);
    let client = t.with_sim(|sim| {
        let client = sim.client(sentinel);
        sim.send(client, b"PSUBSCRIBE +switch-*\r\n");
        client
    });

    t.kill(primary);
    t.run_until(|t| t.agreed_primary().is_some_and(|named| named != primary));
    t.settle();

    let heard = t.with_sim(|sim| sim.take_received(client));
    let text = String::from_utf8_lossy(&heard);
    assert!(text.contains("+switch-master\r\n$36\r\nmymaster 10.0.0.1 6379 10.0.0.2 6379\r\n"), "{text}");
}

#[test]
fn a_sentinel_that_was_stopped_decides_nothing_at_first() {
    let mut t = TestSentinel::new(2, 3);
    let sentinel = t.sentinels()[0];

    t.pause(sentinel);
    t.advance(Duration::from_secs(10));
    t.resume(sentinel);
    t.advance(Duration::from_secs(5));

    assert!(t.logged(sentinel, "+tilt #tilt mode entered"));
    assert!(t.info(sentinel, "sentinel").contains("sentinel_tilt:1"));
    t.advance(Duration::from_secs(30));
    assert!(t.logged(sentinel, "-tilt #tilt mode exited") && !t.logged(sentinel, "+odown"));
}

#[test]
fn a_vote_survives_a_loss_of_power() {
    let mut t = TestSentinel::new(1, 3);
    let (voter, candidates) = (t.sentinels()[0], ["a".repeat(40), "b".repeat(40)]);
    let ask = |t: &TestSentinel, candidate: &str| {
        t.call(voter, ["SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "10.0.0.1", "6379", "7", candidate])
    };
    let given = ask(&t, &candidates[0]);
    assert_eq!((&given.items()[1], given.items()[2].int()), (&bulk(&candidates[0]), 7));

    t.disk(voter).lose_unsynced();
    t.power_off(voter);
    t.restart(voter);
    t.run_until(|t| t.running_sentinels().len() == 3 && t.named_by(voter).is_some());

    // Whom it voted for is not in the file; that it has voted in this epoch is.
    let again = ask(&t, &candidates[1]);
    assert_eq!((&again.items()[1], again.items()[2].int()), (&bulk("*"), 0));
}

#[test]
fn a_full_disk_keeps_votes_back_until_there_is_room() {
    let mut t = TestSentinel::new(1, 3);
    let (voter, candidate) = (t.sentinels()[0], "a".repeat(40));
    t.disk(voter).fill();
    let request = format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 7 {candidate}\r\n");
    let client = t.with_sim(|sim| {
        let client = sim.client(voter);
        sim.send(client, request.as_bytes());
        client
    });

    t.advance(Duration::from_secs(5));
    assert!(t.with_sim(|sim| sim.received(client).is_empty()));
    assert!(t.logged(voter, "WARNING: Sentinel was not able to save the new configuration on disk!!!"));
    t.disk(voter).free_space();
    t.advance(Duration::from_secs(2));

    let heard = t.with_sim(|sim| sim.take_received(client));
    assert!(String::from_utf8_lossy(&heard).contains(&candidate));
}

#[test]
fn a_restarted_sentinel_is_the_same_one() {
    let mut t = TestSentinel::new(1, 3);
    let sentinel = t.sentinels()[0];
    let id = t.call(sentinel, ["SENTINEL", "MYID"]);

    t.kill(sentinel);
    t.restart(sentinel);
    t.run_until(TestSentinel::is_settled);

    assert_eq!(t.call(sentinel, ["SENTINEL", "MYID"]), id);
}

#[test]
fn a_configuration_file_cut_anywhere_is_recovered_or_refused() {
    let mut t = TestSentinel::new(1, 3);
    let sentinel = t.sentinels()[0];
    let whole = t.disk(sentinel).file("sentinel.conf").unwrap();
    let (mut refused, mut recovered) = (0, 0);

    for end in (0..whole.len()).step_by(3) {
        t.kill(sentinel);
        t.disk(sentinel).install("sentinel.conf", &whole[..end]);
        t.restart(sentinel);
        t.advance(Duration::from_millis(50));
        match t.with_sim(|sim| sim.exited(sentinel).map(|shutdown| shutdown.code)) {
            Some(code) => {
                refused += 1;
                assert_eq!(code, 1);
                assert!(t.log(sentinel).last().unwrap().contains("at line "), "{:?}", t.log(sentinel).last());
            }
            None => {
                recovered += 1;
                let answer = t.call(sentinel, ["SENTINEL", "MYID"]);
                assert_eq!(answer.text().len(), 40);
            }
        }
    }

    assert!(refused > 20 && recovered > 20, "{refused} {recovered}");
}
