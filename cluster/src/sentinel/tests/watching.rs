use super::fixture::{Fixture, MY_ID, OTHER_ID, THIRD_ID, opinion, primary_info, replica_info};
use crate::sentinel::Channel;

#[test]
fn an_instance_is_greeted_asked_and_told_at_its_periods() {
    let mut f = Fixture::new("sentinel monitor m 10.0.0.1 6379 1\nsentinel auth-pass m secret\n");
    f.infos.insert(6379, primary_info(&[]));
    f.advance(100);

    let first: Vec<&str> = f.sent.iter().map(|(_, request)| request.as_str()).collect();
    let names = ["AUTH secret", "CLIENT SETNAME sentinel-11111111-cmd"];
    assert_eq!(first[..2], names);
    assert!(first.contains(&"CLIENT SETNAME sentinel-11111111-pubsub"));
    assert!(first.contains(&"SUBSCRIBE __sentinel__:hello"));
    f.sent.clear();
    f.advance(10_000);
    let hellos = f.sent.iter().filter(|(_, request)| request.starts_with("PUBLISH")).count();
    assert_eq!(hellos, 4, "{:?}", f.sent);
    let hello = format!("PUBLISH __sentinel__:hello 10.0.0.9,26379,{MY_ID},0,m,10.0.0.1,6379,0");
    assert_eq!(f.sent[0].1, hello);
}

#[test]
fn replicas_and_sentinels_are_found_and_written_down() {
    let mut f = Fixture::new("sentinel monitor m 10.0.0.1 6379 1\n");
    assert_eq!(f.events, ["+monitor master m 10.0.0.1 6379 quorum 1"]);
    let saves = f.saves;
    f.infos.insert(6379, primary_info(&[6380]));
    f.infos.insert(6380, replica_info(6379, 100, 0));
    f.advance(1_000);
    f.hello(&format!("10.0.0.1,26380,{OTHER_ID},0,m,10.0.0.1,6379,0"));

    assert_eq!(
        f.events[1..],
        [
            "+slave slave 10.0.0.1:6380 10.0.0.1 6380 @ m 10.0.0.1 6379".to_owned(),
            format!("+sentinel sentinel {OTHER_ID} 10.0.0.1 26380 @ m 10.0.0.1 6379"),
        ]
    );
    assert!(f.saves > saves + 1);
    let config = f.sentinel.config();
    assert_eq!(config.primaries[0].replicas.len(), 1);
    assert_eq!(config.primaries[0].sentinels[0].id, OTHER_ID);
    f.advance(1_000);
    assert!(f.has_wire(26_380), "the other sentinel is dialled");
}

#[test]
fn silence_is_a_subjective_opinion_and_others_make_it_objective() {
    let mut f = Fixture::group(2);
    f.silent.push(6379);
    f.advance(2_200);
    assert_eq!(f.event_names(), ["+sdown"]);
    assert!(f.field("flags").starts_with("s_down,master"));

    f.opinions.insert(26_380, opinion(1, "*", 0));
    f.advance(1_200);
    assert!(f.has_event("+odown master m 10.0.0.1 6379 #quorum 2/2"), "{:?}", f.events);
    f.silent.clear();
    f.opinions.insert(26_380, opinion(0, "*", 0));
    f.advance(3_000);
    assert!(f.has_event("-sdown master m") && f.has_event("-odown master m"), "{:?}", f.events);
}

#[test]
fn an_opinion_that_is_not_repeated_is_forgotten() {
    let mut f = Fixture::group(3);
    f.kill(6379);
    f.opinions.insert(26_380, opinion(1, "*", 0));
    f.advance(2_000);
    assert!(
        f.sentinel.sentinel_fields(f.now, b"m").unwrap()[0].contains(&("flags", "sentinel,master_down".to_owned()))
    );

    f.silent.push(26_380);
    f.advance(6_000);

    assert!(f.sentinel.sentinel_fields(f.now, b"m").unwrap()[0].contains(&("flags", "s_down,sentinel".to_owned())));
}

#[test]
fn a_primary_that_accepts_and_never_answers_is_down() {
    let mut f = Fixture::new("sentinel monitor m 10.0.0.1 6379 1\nsentinel down-after-milliseconds m 500\n");
    f.silent.push(6379);

    f.advance(1_000);

    assert!(f.has_event("+sdown master m"), "{:?}", f.events);
    let pending: usize = f.field("link-pending-commands").parse().unwrap();
    f.advance(60_000);
    let later: usize = f.field("link-pending-commands").parse().unwrap();
    assert!(pending < 20 && later <= 110, "{pending} {later}");
}

#[test]
fn a_clock_that_jumps_stops_all_decisions_for_a_while() {
    let mut f = Fixture::group(2);
    f.opinions.insert(26_380, opinion(1, "*", 0));
    f.kill(6379);
    f.now = f.now.plus(std::time::Duration::from_secs(5));
    f.advance(20_000);
    assert_eq!(f.events, ["+tilt #tilt mode entered"]);
    let address = crate::sentinel::address::Address::parse("10.0.0.1", 6379, false).unwrap();
    assert!(!f.sentinel.opinion(f.now, &address, 0, None).is_down);

    f.advance(12_000);

    assert!(f.has_event("-tilt #tilt mode exited") && f.has_event("+sdown master m"), "{:?}", f.events);
}

#[test]
fn a_sentinel_that_moved_is_followed_and_one_in_its_place_replaces_it() {
    let mut f = Fixture::group(2);
    f.hello(&format!("10.0.0.1,26390,{OTHER_ID},0,m,10.0.0.1,6379,0"));
    let expected = format!("+sentinel-address-switch master m 10.0.0.1 6379 ip 10.0.0.1 port 26390 for {OTHER_ID}");
    assert_eq!(f.events, [expected]);
    f.events.clear();

    let fourth = "4".repeat(40);
    f.hello(&format!("10.0.0.1,26381,{fourth},0,m,10.0.0.1,6379,0"));

    assert_eq!(
        f.events,
        [
            format!("+sentinel-invalid-addr sentinel {THIRD_ID} 10.0.0.1 26381 @ m 10.0.0.1 6379"),
            format!("+sentinel sentinel {fourth} 10.0.0.1 26381 @ m 10.0.0.1 6379"),
        ]
    );
    let known: Vec<u16> = f.sentinel.config().primaries[0].sentinels.iter().map(|known| known.address.port).collect();
    assert_eq!(known, [26_390, 26_381]);
    assert_eq!(f.field("num-other-sentinels"), "2", "the one that was there before has no vote any more");
}

#[test]
fn a_sentinel_whose_place_is_taken_is_forgotten_by_all_primaries() {
    let mut f = Fixture::new("sentinel monitor a 10.0.0.1 6379 1\nsentinel monitor m 10.0.0.1 6389 1\n");
    for (name, port) in [("a", 6379), ("m", 6389)] {
        f.hello(&format!("10.0.0.1,26380,{OTHER_ID},0,{name},10.0.0.1,{port},0"));
    }

    f.hello(&format!("10.0.0.1,26380,{THIRD_ID},0,a,10.0.0.1,6379,0"));

    let known = |name: &[u8]| f.sentinel.sentinel_fields(f.now, name).unwrap().len();
    assert_eq!((known(b"a"), known(b"m")), (1, 0));
}

#[test]
fn sentinels_that_watch_several_primaries_share_one_connection() {
    let mut f = Fixture::new("sentinel monitor a 10.0.0.1 6379 1\nsentinel monitor m 10.0.0.1 6389 1\n");
    for (name, port) in [("a", 6379), ("m", 6389)] {
        f.hello(&format!("10.0.0.1,26380,{OTHER_ID},0,{name},10.0.0.1,{port},0"));
    }
    f.advance(1_500);

    let fields = f.sentinel.sentinel_fields(f.now, b"m").unwrap();
    assert!(fields[0].contains(&("link-refcount", "2".to_owned())), "{fields:?}");
    f.sentinel.remove(f.now, b"a").unwrap();
    let fields = f.sentinel.sentinel_fields(f.now, b"m").unwrap();
    assert!(fields[0].contains(&("link-refcount", "1".to_owned())));
    f.hello(&format!("10.0.0.1,26390,{OTHER_ID},0,m,10.0.0.1,6389,0"));
    assert!(f.has_event("+sentinel-address-switch master m"), "{:?}", f.events);
}

#[test]
fn a_primary_that_was_restarted_may_have_its_own_patience() {
    let mut f = Fixture::group(2);
    f.sentinel
        .set(
            f.now,
            b"m",
            crate::sentinel::Setting::RebootDownAfter,
            b"master-reboot-down-after-period",
            &[b"300"],
            |_| true,
        )
        .unwrap();
    let other_run = primary_info(&[6380, 6381]).replace("aaaa", "bbbb");
    f.infos.insert(6379, other_run);
    f.sentinel.set_periods(crate::sentinel::periods::Periods { info: 100, ..f.sentinel.periods() });
    f.pong = "-LOADING Redis is loading the dataset in memory\r\n";

    f.advance(800);

    assert!(f.has_event("+reboot master m") && f.has_event("+sdown master m"), "{:?}", f.events);
}

#[test]
fn a_pubsub_connection_that_closes_does_not_make_an_instance_look_silent() {
    let mut f = Fixture::group(2);
    for _ in 0..20 {
        let wire = f.wire(6380, Channel::PubSub);
        f.sentinel.closed(f.now, wire);
        f.advance(1_010);
    }

    assert!(!f.has_event("+sdown"), "{:?}", f.events);
}

#[test]
fn names_are_shown_as_what_they_stand_for_unless_names_are_announced() {
    for (announces, shown) in [("no", "10.0.0.1"), ("yes", "db.example")] {
        let mut f = Fixture::new(&format!(
            "sentinel resolve-hostnames yes\nsentinel announce-hostnames {announces}\n\
             sentinel monitor m db.example 6379 1\nsentinel known-replica m db.example 6380\n"
        ));
        f.infos.insert(6379, primary_info(&[]));
        f.advance(1_000);

        assert_eq!(f.sentinel.address_of(b"m").unwrap(), (shown.to_owned(), 6379));
        let replica = &f.sentinel.replica_fields(f.now, b"m").unwrap()[0];
        assert_eq!(replica[..2], [("name", format!("{shown}:6380")), ("ip", shown.to_owned())]);
        let config = &f.sentinel.config().primaries[0];
        assert_eq!((config.address.host(), config.replicas[0].host()), (shown, shown));
        f.kill(6380);
        f.advance(31_000);
        assert!(f.has_event(&format!("+sdown slave {shown}:6380 {shown} 6380 @ m {shown} 6379")), "{:?}", f.events);
    }
}

#[test]
fn a_subscription_that_is_refused_is_tried_again() {
    let mut f = Fixture::new("sentinel monitor m 10.0.0.1 6379 1\nsentinel auth-pass m x\n");
    f.advance(100);
    let wire = f.wire(6379, Channel::PubSub);

    f.sentinel.received(f.now, wire, b"-ERR no password is set\r\n+OK\r\n");
    assert!(!f.field("flags").contains("disconnected"), "a login that was not needed is no reason");
    f.sentinel.received(f.now, wire, b"-NOPERM this user has no permissions\r\n");
    assert!(f.field("flags").contains("disconnected"));
    f.sent.clear();
    f.advance(1_500);

    assert!(f.sent.contains(&(6379, "SUBSCRIBE __sentinel__:hello".to_owned())), "{:?}", f.sent);
}
