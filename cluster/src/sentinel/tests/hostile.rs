use super::fixture::{Fixture, OTHER_ID, opinion};
use slotmesh_engine::rng::Rng;

#[test]
fn hellos_that_lie_change_nothing_that_cannot_be_undone() {
    let mut f = Fixture::group(2);
    let before = f.sentinel.config();
    for lie in [
        format!("10.0.0.1,26380,{OTHER_ID},18446744073709551615,m,10.0.0.1,6379,0"),
        format!("10.0.0.1,26380,{OTHER_ID},0,m,10.0.0.1,6379,18446744073709551615"),
        format!("10.0.0.1,0,{OTHER_ID},0,m,10.0.0.1,6379,9"),
        format!("10.0.0.1,26380,{OTHER_ID},0,m,10.0.0.1,0,9"),
        format!("10.0.0.1,26380,{OTHER_ID},0,m,evil host,6379,9"),
        format!("10.0.0.1,26380,{OTHER_ID},0,nobody,10.0.0.1,6379,9"),
        "10.0.0.1,26380,../../../../../../etc/passwd,0,m,10.0.0.1,6379,9".to_owned(),
        format!("10.0.0.1,26380,{},0,m,10.0.0.1,6379,9", "x\ny".repeat(13)),
    ] {
        f.hello(&lie);
    }

    assert_eq!(f.sentinel.config(), before);
    assert_eq!(f.events, Vec::<String>::new());
}

#[test]
fn a_flood_of_sentinels_and_replicas_has_an_end() {
    let mut f = Fixture::group(2);
    for number in 0..3_000 {
        f.hello(&format!("10.0.1.1,{},{number:0>40},0,m,10.0.0.1,6379,0", 1 + number));
    }
    let replicas: String = (1..5_000).map(|port| format!("slave{port}:ip=10.0.2.1,port={port}\r\n")).collect();
    f.infos.insert(6379, format!("role:master\r\n{replicas}"));
    f.advance(11_000);

    let config = &f.sentinel.config().primaries[0];
    assert_eq!((config.sentinels.len(), config.replicas.len()), (1_000, 1_000));
}

#[test]
fn replies_nobody_asked_for_end_the_connection() {
    let mut f = Fixture::group(2);
    for bytes in [&b"+SURPRISE\r\n"[..], b"nonsense\r\n", b"$99999999999\r\n", b"*-7\r\n"] {
        f.receive(6380, bytes);
        assert!(
            f.sentinel.replica_fields(f.now, b"m").unwrap()[0]
                .iter()
                .any(|(name, value)| { *name == "flags" && value.contains("disconnected") })
        );
        f.advance(1_100);
    }
    assert!(f.has_wire(6380), "it is dialled again");
}

#[test]
fn answers_of_the_wrong_shape_are_no_opinion() {
    let mut f = Fixture::group(2);
    for answer in ["+OK\r\n", ":1\r\n", "*0\r\n", "*3\r\n:1\r\n:1\r\n:1\r\n", &opinion(1, "not an id", 7), "$-1\r\n"] {
        f.opinions.insert(26_380, answer.to_owned());
        f.opinions.insert(26_381, answer.to_owned());
        f.kill(6379);
        f.advance(2_000);
    }

    assert!(!f.has_event("+elected-leader"), "{:?}", f.events);
}

#[test]
fn any_bytes_on_any_wire_leave_the_sentinel_at_work() {
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let mut f = Fixture::group(2);
        for _ in 0..200 {
            let port = [6379, 6380, 6381, 26_380, 26_381][rng.index(5)];
            if f.has_wire(port) {
                let pieces = ["*3\r\n", ":1\r\n", "$3\r\nabc\r\n", "+PONG\r\n", "-BUSY x\r\n", "$-1\r\n", "\r\n", "x"];
                let bytes: String = (0..rng.index(6)).map(|_| pieces[rng.index(pieces.len())]).collect();
                f.receive(port, bytes.as_bytes());
            }
            f.advance(50);
        }
        assert_eq!(f.sentinel.config().primaries[0].sentinels.len(), 2);
        f.advance(30_000);
        assert_eq!(f.exit, None);
    }
}

#[test]
fn a_flapping_primary_makes_no_endless_failovers() {
    let mut f = Fixture::group(1);
    f.opinions.clear();
    for _ in 0..60 {
        f.kill(6379);
        f.advance(1_500);
        f.closed.clear();
        f.advance(1_500);
    }

    let tries = f.event_names().iter().filter(|name| **name == "+try-failover").count();
    assert!(tries <= 10, "{tries} in three minutes");
}
