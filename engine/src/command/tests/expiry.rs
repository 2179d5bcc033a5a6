use super::Store;
use crate::session::Origin;
use crate::time::Instant;

#[test]
fn a_key_is_there_up_to_its_time_and_gone_after_it() {
    let mut store = Store::new();
    store.run("SET a 1 PX 5");

    store.advance_ms(5);
    assert_eq!(store.run("GET a"), "$1 1");

    store.advance_ms(1);
    assert_eq!(store.run("GET a"), "$-1");
    assert_eq!(store.run("DBSIZE"), ":0");
    assert_eq!(store.engine.core().stats.expired_keys, 1);
}

#[test]
fn an_expired_key_leaves_with_the_command_that_met_it() {
    let cases: &[(&str, &[&str])] = &[
        ("GET a", &["DEL a"]),
        ("EXISTS a", &["DEL a"]),
        ("DEL a", &["DEL a"]),
        ("SET a 2 XX", &["DEL a"]),
        ("SET a 2", &["MULTI", "DEL a", "SET a 2", "EXEC"]),
        ("INCR a", &["MULTI", "DEL a", "INCR a", "EXEC"]),
        ("APPEND a x", &["MULTI", "DEL a", "APPEND a x", "EXEC"]),
        ("RENAME b a", &["MULTI", "DEL a", "RENAME b a", "EXEC"]),
        ("EXPIRE a 10", &["DEL a"]),
    ];

    for (command, expected) in cases {
        let mut store = Store::new();
        store.run("SET b 1");
        store.run("SET a 1 PX 5");
        store.advance_ms(6);

        assert_eq!(store.repeated_by(command), *expected, "{command}");
    }
}

#[test]
fn a_replica_hides_expired_keys_and_leaves_them() {
    let mut store = Store::new();
    store.run("SET a 1 PX 5");
    store.engine.core_mut().is_replica = true;
    store.advance_ms(6);

    for (command, reply) in [("GET a", "$-1"), ("EXISTS a", ":0"), ("TTL a", ":-2"), ("KEYS *", "*0")] {
        assert_eq!(store.run(command), reply);
    }
    assert_eq!(store.run("RANDOMKEY"), "$-1");
    assert_eq!(store.run("DBSIZE"), ":1");
    assert_eq!(store.repeated_by("GET a"), [""; 0]);
}

#[test]
fn the_stream_of_the_primary_sees_expired_keys() {
    let mut store = Store::new();
    store.run("SET a 1 PX 5");
    store.engine.core_mut().is_replica = true;
    store.advance_ms(6);
    let stream = store.engine.open_stream(Origin::Primary);

    assert_eq!(store.run_as(stream, "INCR a"), ":2");
    assert_eq!(store.run_as(stream, "PEXPIREAT a 1"), ":1");
    assert_eq!(store.run_as(stream, "DBSIZE"), ":1");
    assert_eq!(store.run_as(stream, "DEL a"), ":1");
}

#[test]
fn ticks_remove_due_keys_each_alone_and_name_the_next_time() {
    let mut store = Store::new();
    for line in ["SET a 1 PX 5", "SET b 1 PX 5", "SET c 1 PX 500"] {
        store.run(line);
    }
    store.repeated();
    store.advance_ms(6);

    let mut next = Some(store.now.instant);
    while next == Some(store.now.instant) {
        next = store.engine.tick(store.now);
    }

    let mut repeated = store.repeated();
    repeated.sort();
    assert_eq!(repeated, ["DEL a", "DEL b"]);
    assert_eq!(next, Some(store.now.instant.plus_millis(495)));
}

#[test]
fn nothing_expires_by_itself_on_a_replica_or_when_turned_off() {
    let mut store = Store::new();
    store.run("SET a 1 PX 5");
    store.advance_ms(6);

    store.engine.core_mut().is_replica = true;
    assert_eq!(store.engine.tick(store.now), None);
    store.engine.core_mut().is_replica = false;
    store.engine.core_mut().active_expire = false;
    assert_eq!(store.engine.tick(store.now), None);

    assert_eq!(store.run("DBSIZE"), ":1");
}

#[test]
fn far_expiries_do_not_make_the_wait_unbounded() {
    let mut store = Store::new();
    store.run("SET a 1 EX 100000");

    let Some(Instant(next)) = store.engine.tick(store.now) else { panic!("a volatile key is there") };

    assert_eq!(next - store.now.instant.micros(), 10_000_000);
}

#[test]
fn scanning_removes_expired_keys_and_shows_the_others() {
    let mut store = Store::new();
    for index in 0..20 {
        store.run(&format!("SET gone:{index} 1 PX 5"));
    }
    store.run("SET kept 1");
    store.repeated();
    store.advance_ms(6);

    let reply = store.run("SCAN 0 COUNT 100");

    assert!(reply.ends_with("*1 $4 kept"), "{reply}");
    assert_eq!(store.run("DBSIZE"), ":1");
    let repeated = store.repeated();
    assert!(repeated.len() == 20 && repeated.iter().all(|operation| operation.starts_with("DEL gone:")));
}
