use super::fixture::{Fixture, MY_ID, OTHER_ID, THIRD_ID, opinion, primary_info, replica_info};
use crate::sentinel::{FailoverKind, Setting, Simulated};

/// A group whose primary is gone, and whose other sentinels agree and vote for us.
fn agreed() -> Fixture {
    let mut f = Fixture::group(2);
    for port in [26_380, 26_381] {
        f.opinions.insert(port, opinion(1, MY_ID, 1));
    }
    f
}

#[test]
fn a_failover_goes_through_the_states_of_the_reference() {
    let mut f = agreed();
    f.kill(6379);
    f.advance(2_500);
    let commands: Vec<String> =
        f.sent.iter().filter(|(port, _)| *port == 6381).map(|(_, request)| request.clone()).collect();
    assert_eq!(
        commands.iter().filter(|request| !request.starts_with("PUBLISH")).collect::<Vec<_>>(),
        ["MULTI", "SLAVEOF NO ONE", "CONFIG REWRITE", "CLIENT KILL TYPE normal", "CLIENT KILL TYPE pubsub", "EXEC"]
    );

    f.infos.insert(6381, primary_info(&[]));
    f.advance(1_500);
    assert_eq!(f.sentinel.address_of(b"m").unwrap(), ("10.0.0.1".to_owned(), 6381));
    f.infos.insert(6380, replica_info(6381, 100, 60));
    f.advance(1_500);

    assert_eq!(
        f.event_names()[..16],
        [
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
            "-role-change",
            "+promoted-slave",
            "+failover-state-reconf-slaves",
            "+slave-reconf-sent",
            "+slave-reconf-inprog",
            "+slave-reconf-done",
        ]
    );
    assert_eq!(
        f.events[16..20],
        [
            "+failover-end master m 10.0.0.1 6379",
            "+switch-master m 10.0.0.1 6379 10.0.0.1 6381",
            "+slave slave 10.0.0.1:6380 10.0.0.1 6380 @ m 10.0.0.1 6381",
            "+slave slave 10.0.0.1:6379 10.0.0.1 6379 @ m 10.0.0.1 6381",
        ]
    );
    let config = &f.sentinel.config().primaries[0];
    assert_eq!((config.address.port, config.config_epoch, config.replicas.len()), (6381, 1, 2));
}

#[test]
fn the_file_names_the_promoted_replica_as_soon_as_it_is_a_primary() {
    let mut f = agreed();
    f.kill(6379);
    f.infos.insert(6381, primary_info(&[]));

    f.advance(1_600);

    assert!(f.has_event("+promoted-slave") && !f.has_event("+switch-master"), "{:?}", f.events);
    let config = &f.sentinel.config().primaries[0];
    let replicas: Vec<u16> = config.replicas.iter().map(|address| address.port).collect();
    assert_eq!((config.address.port, replicas), (6381, vec![6380, 6379]));
    let hello = f.sent.iter().rfind(|(_, request)| request.starts_with("PUBLISH")).unwrap();
    assert!(hello.1.ends_with(",1,m,10.0.0.1,6381,1"), "{hello:?}");
}

#[test]
fn the_best_replica_is_chosen_by_priority_offset_and_run_id() {
    let chosen = |first: String, second: String| {
        let mut f = agreed();
        f.infos.insert(6380, first);
        f.infos.insert(6381, second);
        f.advance(11_000);
        f.kill(6379);
        f.advance(2_500);
        let found = f.events.iter().find_map(|event| event.strip_prefix("+selected-slave slave 10.0.0.1:"));
        found.map(|text| text[..4].to_owned())
    };
    let info = |priority, offset| replica_info(6379, priority, offset);
    let named = |letter: &str| format!("run_id:{}\r\n{}", letter.repeat(40), info(100, 5));

    assert_eq!(chosen(info(1, 5), info(2, 9)).as_deref(), Some("6380"));
    assert_eq!(chosen(info(1, 5), info(1, 9)).as_deref(), Some("6381"));
    assert_eq!(chosen(named("B"), named("a")).as_deref(), Some("6381"));
    assert_eq!(chosen(info(100, 5), named("a")).as_deref(), Some("6381"));
    assert_eq!(chosen(info(0, 5), info(100, 1)).as_deref(), Some("6381"));
    let lost = info(100, 9).replace("status:up", "status:down\r\nmaster_link_down_since_seconds:3600");
    assert_eq!(chosen(info(100, 5), lost.clone()).as_deref(), Some("6380"));
    assert_eq!(chosen(info(0, 5), lost), None);
}

#[test]
fn without_a_good_replica_the_failover_is_given_up() {
    let mut f = agreed();
    f.kill(6380);
    f.kill(6381);
    f.advance(1_500);
    f.kill(6379);

    f.advance(3_000);

    assert!(f.has_event("-failover-abort-no-good-slave master m 10.0.0.1 6379"), "{:?}", f.events);
    assert_eq!(f.sentinel.address_of(b"m").unwrap().1, 6379);
}

#[test]
fn a_replica_that_does_not_become_a_primary_ends_the_failover() {
    let mut f = agreed();
    f.kill(6379);

    f.advance(15_000);

    assert!(f.has_event("-failover-abort-slave-timeout master m 10.0.0.1 6379"), "{:?}", f.events);
}

#[test]
fn replicas_that_never_follow_do_not_hold_the_end_up() {
    let mut f = agreed();
    f.kill(6379);
    f.infos.insert(6381, primary_info(&[]));

    f.advance(15_000);

    assert!(f.has_event("+failover-end-for-timeout") && f.has_event("+switch-master"), "{:?}", f.events);
}

#[test]
fn an_operator_needs_no_votes() {
    let mut f = Fixture::group(2);
    f.infos.insert(6381, replica_info(6379, 1, 60));
    f.advance(11_000);
    f.sentinel.fail_over(f.now, b"m", FailoverKind::Forced).unwrap();
    assert_eq!(
        f.sentinel.fail_over(f.now, b"m", FailoverKind::Forced).unwrap_err().to_string(),
        "INPROG Failover already in progress"
    );
    f.infos.insert(6381, primary_info(&[]));
    f.infos.insert(6380, replica_info(6381, 100, 60));

    f.advance(2_500);

    assert!(f.logs.contains(&"Executing user requested FAILOVER of 'm'".to_owned()));
    assert!(f.has_event("+switch-master m 10.0.0.1 6379 10.0.0.1 6381"), "{:?}", f.events);
}

/// A group whose primary is up and knows FAILOVER, and whose other sentinels vote for us.
fn willing() -> Fixture {
    let mut f = Fixture::group(2);
    f.infos.insert(6379, format!("{}master_failover_state:no-failover\r\n", primary_info(&[6380, 6381])));
    f.infos.insert(6381, replica_info(6379, 1, 60));
    for port in [26_380, 26_381] {
        f.opinions.insert(port, opinion(0, MY_ID, 1));
    }
    f.advance(11_000);
    f.sent.clear();
    f
}

/// What was sent to a port but hellos.
fn sent_to(f: &Fixture, port: u16) -> Vec<&str> {
    let sent = f.sent.iter().filter(|(to, request)| *to == port && !request.starts_with("PUBLISH"));
    sent.map(|(_, request)| request.as_str()).collect()
}

#[test]
fn a_primary_that_is_up_is_asked_to_hand_over() {
    let mut f = willing();
    f.sentinel.fail_over(f.now, b"m", FailoverKind::Coordinated).unwrap();
    assert_eq!(f.field("flags"), "master,failover_in_progress,coordinated_failover");
    f.advance(500);
    assert_eq!(f.field("failover-state"), "wait_promotion");
    f.infos.insert(6379, replica_info(6381, 100, 60));
    f.infos.insert(6381, primary_info(&[6379, 6380]));
    f.infos.insert(6380, replica_info(6381, 100, 60));

    f.advance(2_500);

    let settled = ["CONFIG REWRITE", "CLIENT KILL TYPE normal", "CLIENT KILL TYPE pubsub", "CLIENT UNPAUSE", "EXEC"];
    let old = sent_to(&f, 6379);
    assert_eq!((old[0], old[3], old[4]), ("MULTI", "EXEC", "MULTI"));
    let left = old[1].strip_prefix("CLIENT PAUSE ").and_then(|rest| rest.strip_suffix(" WRITE")).unwrap();
    assert!((9_000..=10_000).contains(&left.parse::<u32>().unwrap()), "{left}");
    assert_eq!(old[2], format!("FAILOVER TO 10.0.0.1 6381 TIMEOUT {left}"));
    assert_eq!(old[5..10], settled);
    let new = sent_to(&f, 6381);
    assert_eq!((new[0], &new[1..6]), ("MULTI", &settled[..]));
    assert!(sent_to(&f, 6380).contains(&"SLAVEOF 10.0.0.1 6381"), "{:?}", f.sent);
    assert!(f.has_event("+switch-master m 10.0.0.1 6379 10.0.0.1 6381"), "{:?}", f.events);
    assert!(!f.has_event("+sdown"), "{:?}", f.events);
}

#[test]
fn a_primary_hands_over_only_when_others_vote_for_it() {
    let mut f = willing();
    for port in [26_380, 26_381] {
        f.opinions.insert(port, opinion(0, THIRD_ID, 1));
    }

    f.sentinel.fail_over(f.now, b"m", FailoverKind::Coordinated).unwrap();
    f.advance(12_000);

    assert!(f.has_event("-failover-abort-not-elected master m 10.0.0.1 6379"), "{:?}", f.events);
    assert!(!sent_to(&f, 6379).contains(&"MULTI"), "{:?}", f.sent);
}

#[test]
fn a_primary_that_does_not_hand_over_is_told_to_go_on() {
    let mut f = willing();
    f.sentinel.fail_over(f.now, b"m", FailoverKind::Coordinated).unwrap();

    f.advance(11_000);

    assert!(f.has_event("-failover-abort-slave-timeout master m 10.0.0.1 6379"), "{:?}", f.events);
    let sent = sent_to(&f, 6379);
    assert_eq!(sent[sent.len() - 2..], ["FAILOVER ABORT", "CLIENT UNPAUSE"]);
    assert_eq!(f.field("flags"), "master");
}

#[test]
fn clients_of_a_primary_that_refuses_to_hand_over_wait_no_longer() {
    for refusal in ["*2\r\n+OK\r\n-ERR FAILOVER target replica is not online.\r\n", "-EXECABORT x\r\n", "*-1\r\n"] {
        let mut f = willing();
        f.executed = refusal;

        f.sentinel.fail_over(f.now, b"m", FailoverKind::Coordinated).unwrap();
        f.advance(500);

        assert!(f.has_event("-failover-abort-slave-timeout master m 10.0.0.1 6379"), "{:?}", f.events);
        let sent = sent_to(&f, 6379);
        assert_eq!(sent[sent.len() - 2..], ["FAILOVER ABORT", "CLIENT UNPAUSE"]);
    }
}

#[test]
fn a_primary_hands_over_only_to_one_that_follows_it() {
    let mut f = willing();
    let lost = replica_info(6379, 1, 60).replace("status:up", "status:down\r\nmaster_link_down_since_seconds:-1");
    f.infos.insert(6380, lost.clone());
    f.infos.insert(6381, lost);
    f.advance(11_000);

    let refusal = f.sentinel.fail_over(f.now, b"m", FailoverKind::Coordinated).unwrap_err();
    assert_eq!(refusal.to_string(), "NOGOODSLAVE No suitable replica to promote");
    f.infos.insert(6381, replica_info(6379, 1, 60));
    f.advance(1_500);

    f.sentinel.fail_over(f.now, b"m", FailoverKind::Coordinated).expect("it was asked again within a second");
}

#[test]
fn a_primary_that_cannot_be_reached_does_not_hand_over() {
    let mut f = willing();
    f.sentinel.set(f.now, b"m", Setting::DownAfter, b"down-after-milliseconds", &[b"60000"], |_| true).unwrap();
    f.kill(6379);

    f.sentinel.fail_over(f.now, b"m", FailoverKind::Coordinated).unwrap();
    f.advance(12_000);

    assert!(f.has_event("-failover-abort-master-timeout master m 10.0.0.1 6379"), "{:?}", f.events);
}

#[test]
fn a_primary_without_failover_cannot_hand_over() {
    let mut f = Fixture::group(2);

    let refusal = f.sentinel.fail_over(f.now, b"m", FailoverKind::Coordinated).unwrap_err();

    assert_eq!(refusal.to_string(), "NOGOODPRIMARY Primary does not support FAILOVER command");
}

#[test]
fn the_outcome_of_another_sentinel_is_taken_over() {
    let mut f = Fixture::group(2);

    f.hello(&format!("10.0.0.1,26380,{OTHER_ID},4,m,10.0.0.1,6380,4"));
    assert_eq!(
        f.events,
        [
            "+new-epoch 4".to_owned(),
            format!("+config-update-from sentinel {OTHER_ID} 10.0.0.1 26380 @ m 10.0.0.1 6379"),
            "+switch-master m 10.0.0.1 6379 10.0.0.1 6380".to_owned(),
            "+slave slave 10.0.0.1:6381 10.0.0.1 6381 @ m 10.0.0.1 6380".to_owned(),
            "+slave slave 10.0.0.1:6379 10.0.0.1 6379 @ m 10.0.0.1 6380".to_owned(),
        ]
    );
    f.events.clear();
    f.hello(&format!("10.0.0.1,26381,{},4,m,10.0.0.1,6379,3", "3".repeat(40)));
    assert_eq!(f.events, Vec::<String>::new(), "an older outcome changes nothing");
}

#[test]
fn a_primary_that_comes_back_is_made_a_replica() {
    let mut f = Fixture::group(2);
    f.hello(&format!("10.0.0.1,26380,{OTHER_ID},4,m,10.0.0.1,6380,4"));
    f.infos.insert(6380, primary_info(&[6381]));
    f.infos.insert(6379, primary_info(&[]));
    f.infos.insert(6381, replica_info(6380, 100, 60));
    f.sent.clear();

    f.advance(25_000);

    assert!(f.has_event("+convert-to-slave slave 10.0.0.1:6379 10.0.0.1 6379 @ m 10.0.0.1 6380"), "{:?}", f.events);
    assert!(f.sent.contains(&(6379, "SLAVEOF 10.0.0.1 6380".to_owned())), "{:?}", f.sent);
}

#[test]
fn a_replica_of_somebody_else_is_pointed_back() {
    let mut f = Fixture::group(2);
    f.infos.insert(6380, replica_info(7777, 100, 60));

    f.advance(35_000);

    assert!(f.has_event("+fix-slave-config slave 10.0.0.1:6380"), "{:?}", f.events);
    assert!(f.sent.contains(&(6380, "SLAVEOF 10.0.0.1 6379".to_owned())));
}

#[test]
fn failures_that_are_asked_for_end_the_process() {
    for (simulated, event) in [
        (Simulated { after_election: true, after_promotion: false }, "+elected-leader"),
        (Simulated { after_election: false, after_promotion: true }, "+promoted-slave"),
    ] {
        let mut f = agreed();
        f.sentinel.simulate(simulated);
        f.infos.insert(6381, replica_info(6379, 1, 60));
        f.kill(6379);
        f.advance(2_000);
        f.infos.insert(6381, primary_info(&[]));
        f.advance(1_500);

        assert_eq!(f.exit, Some(99));
        assert!(f.has_event(event));
    }
}

#[test]
fn scripts_hear_of_what_is_important() {
    let mut f = agreed();
    f.sentinel.change_globals(
        f.now,
        crate::sentinel::config::Globals { deny_scripts_reconfig: false, ..f.sentinel.globals().clone() },
    );
    f.sentinel
        .set(f.now, b"m", Setting::NotificationScript, b"notification-script", &[b"/bin/notify"], |_| true)
        .unwrap();
    f.sentinel
        .set(f.now, b"m", Setting::ClientReconfigScript, b"client-reconfig-script", &[b"/bin/reconf"], |_| true)
        .unwrap();
    f.kill(6379);
    f.infos.insert(6381, primary_info(&[]));
    f.advance(2_500);

    let words = |argv: &Vec<String>| argv.join("|");
    assert_eq!(words(&f.scripts[0]), "/bin/notify|+set|master m 10.0.0.1 6379 notification-script /bin/notify");
    let reconf = f.scripts.iter().find(|argv| argv[0] == "/bin/reconf").unwrap();
    assert_eq!(words(reconf), "/bin/reconf|m|leader|start|10.0.0.1|6379|10.0.0.1|6381");
}

#[test]
fn renamed_commands_are_used_at_servers() {
    let mut f = agreed();
    f.sentinel.set(f.now, b"m", Setting::RenameCommand, b"rename-command", &[b"SLAVEOF", b"follow"], |_| true).unwrap();
    f.kill(6379);

    f.advance(2_500);

    assert!(f.sent.contains(&(6381, "follow NO ONE".to_owned())), "{:?}", f.sent);
}
