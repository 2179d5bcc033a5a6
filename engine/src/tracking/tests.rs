//! Tests of tracking through an engine.

use super::{Scope, TrackingMode};
use crate::Engine;
use crate::config::Config;
use crate::resp::reply::Protocol;
use crate::session::SessionId;
use crate::time::{Instant, Now, UnixMicros};

fn mode(scope: Scope, prefixes: &[&str]) -> TrackingMode {
    let prefixes = prefixes.iter().map(|prefix| prefix.as_bytes().into()).collect();
    TrackingMode { redirect: None, scope, no_loop: false, caching: false, is_broken: false, prefixes }
}

/// An engine with a session that tracks in RESP3, and another one.
fn tracking(scope: Scope, prefixes: &[&str]) -> (Engine, SessionId, SessionId) {
    let mut engine = Engine::new(Config::default(), 1);
    let (reader, writer) = (engine.open(), engine.open());
    engine.session_mut(reader).protocol = Protocol::Resp3;
    engine.track(reader, mode(scope, prefixes));
    (engine, reader, writer)
}

fn run(engine: &mut Engine, id: SessionId, line: &str) -> String {
    let reply = engine.run(Now::default(), id, line.split(' '));
    String::from_utf8(reply).unwrap().replace("\r\n", " ")
}

fn heard(engine: &mut Engine, id: SessionId) -> String {
    let mut bytes = Vec::new();
    engine.out(id).take_into(&mut bytes);
    String::from_utf8(bytes).unwrap().replace("\r\n", " ")
}

fn about(key: &str) -> String {
    format!(">2 $10 invalidate *1 ${} {key} ", key.len())
}

#[test]
fn a_change_is_told_behind_the_writers_own_reply() {
    let (mut engine, reader, writer) = tracking(Scope::Read, &[]);
    run(&mut engine, reader, "GET k");

    assert_eq!(run(&mut engine, writer, "SET k 1"), "+OK ");
    assert_eq!(heard(&mut engine, reader), about("k"));

    run(&mut engine, reader, "GET k");
    assert_eq!(run(&mut engine, reader, "SET k 2"), format!("+OK {}", about("k")));
}

#[test]
fn nothing_is_remembered_once_nobody_tracks() {
    let (mut engine, reader, writer) = tracking(Scope::Read, &[]);
    run(&mut engine, reader, "MGET a b c");
    let other = engine.open();
    engine.track(other, mode(Scope::Broadcast, &["x", "y"]));
    let tracking = &engine.core().tracking;
    assert_eq!((tracking.clients(), tracking.keys(), tracking.items(), tracking.prefixes()), (2, 3, 3, 2));

    engine.close(other);
    engine.untrack(reader);

    let tracking = &engine.core().tracking;
    assert_eq!((tracking.clients(), tracking.keys(), tracking.items(), tracking.prefixes()), (0, 0, 0, 0));
    run(&mut engine, writer, "SET a 1");
    assert_eq!(heard(&mut engine, reader), "");
}

#[test]
fn the_key_that_was_read_first_is_forgotten_first() {
    let (mut engine, reader, _) = tracking(Scope::Read, &[]);
    engine.core_mut().config.tracking_table_max_keys = 2;

    run(&mut engine, reader, "MGET z y");
    let reply = run(&mut engine, reader, "GET x");

    assert_eq!(reply, format!("_ {}", about("z")));
    assert_eq!(engine.core().tracking.keys(), 2);
}

#[test]
fn a_limit_that_was_lowered_is_met_in_pieces() {
    let (mut engine, reader, writer) = tracking(Scope::Read, &[]);
    for number in 0..2500 {
        run(&mut engine, reader, &format!("GET key:{number}"));
    }
    engine.core_mut().config.tracking_table_max_keys = 1;

    let mut left = Vec::new();
    for _ in 0..3 {
        run(&mut engine, writer, "PING");
        left.push(engine.core().tracking.keys());
    }

    assert_eq!(left, [1500, 500, 1]);
}

/// Who connects, reads one key and leaves, again and again, must not fill memory.
#[test]
fn sessions_that_are_gone_make_room() {
    let (mut engine, reader, _) = tracking(Scope::Read, &[]);
    run(&mut engine, reader, "GET k");

    for _ in 0..1000 {
        let guest = engine.open();
        engine.track(guest, mode(Scope::Read, &[]));
        run(&mut engine, guest, "GET k");
        engine.close(guest);
    }

    assert!(engine.core().tracking.items() <= 8, "{}", engine.core().tracking.items());
    assert_eq!(run(&mut engine, reader, "SET k 1"), format!("+OK {}", about("k")));
}

#[test]
fn evicted_and_expired_keys_are_told_of() {
    let (mut engine, reader, writer) = tracking(Scope::Read, &[]);
    let at = |seconds: i64| Now { instant: Instant::ZERO, unix: UnixMicros(seconds * 1_000_000) };
    engine.run(at(0), writer, ["SET", "k", "v", "EX", "5"]);
    engine.run(at(0), reader, ["GET", "k"]);

    engine.tick(at(10));

    assert_eq!(heard(&mut engine, reader), about("k"));
    engine.run(at(10), writer, ["SET", "k", "v"]);
    engine.run(at(10), reader, ["GET", "k"]);
    engine.core_mut().config.maxmemory = 1;
    engine.core_mut().config.maxmemory_policy = crate::config::choices::MaxmemoryPolicy::AllkeysRandom;
    engine.has_room(at(10), 0);
    assert_eq!(heard(&mut engine, reader), about("k"));
}

#[test]
fn a_dataset_that_is_exchanged_is_told_of() {
    let (mut engine, reader, _) = tracking(Scope::Broadcast, &[""]);

    engine.flush_all();

    assert_eq!(heard(&mut engine, reader), ">2 $10 invalidate _ ");
}

#[test]
fn broadcasts_are_in_the_order_of_prefixes_and_keys() {
    let (mut engine, reader, writer) = tracking(Scope::Broadcast, &["b", "a"]);

    run(&mut engine, writer, "MSET b 1 a2 1 a1 1 c 1");

    assert_eq!(heard(&mut engine, reader), format!(">2 $10 invalidate *2 $2 a1 $2 a2 {}", about("b")));
}
