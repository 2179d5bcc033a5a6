use std::collections::BTreeMap;

use super::Store;
use crate::config::Config;
use crate::debug::digest;
use crate::save::{SaveForm, SaveInfo};
use crate::session::Origin;

/// A store after these commands.
fn after(before: &[&str]) -> Store {
    let mut store = Store::new();
    for line in before {
        let reply = store.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    store
}

fn check(before: &[&str], command: &str, expected: &[&str]) {
    assert_eq!(after(before).repeated_by(command), expected, "{before:?} {command}");
}

/// Ticks until there is nothing to do.
fn settle(store: &mut Store) {
    while store.engine.tick(store.now) == Some(store.now.instant) {}
}

#[test]
fn what_changed_nothing_in_a_hash_is_not_repeated() {
    let before = ["HSETEX h EX 100 FIELDS 1 a 1", "HSET h b 2"];
    for command in [
        "HGET h a",
        "HGETALL h",
        "HSETNX h a 2",
        "HDEL h nosuch",
        "HDEL nosuch a",
        "HEXPIRE h 100 FIELDS 1 nosuch",
        "HEXPIRE h 100 NX FIELDS 1 a",
        "HEXPIRE nosuch 100 FIELDS 1 a",
        "HPERSIST h FIELDS 2 b nosuch",
        "HGETEX h FIELDS 2 a b",
        "HGETEX h PERSIST FIELDS 1 b",
        "HGETDEL h FIELDS 1 nosuch",
        "HSETEX h FNX FIELDS 1 a 2",
        "HSETEX h NX FIELDS 1 a 2",
        "HSETEX h EXAT 1 FIELDS 1 nosuch 2",
        "HINCRBY h a x",
        "HTTL h FIELDS 1 a",
        "HSCAN h 0",
        "HRANDFIELD h 5",
    ] {
        check(&before, command, &[]);
    }
}

#[test]
fn changes_of_hashes_are_repeated_so_that_older_servers_understand_them() {
    check(&[], "HSET h a 1 b 2", &["HSET h a 1 b 2"]);
    check(&["HSET h a 1.5"], "HINCRBYFLOAT h a 0.1", &["HSET h a 1.6"]);
    check(&["HSET h a 1"], "HINCRBY h a 1", &["HINCRBY h a 1"]);
    check(&["HSET h a 1 b 2"], "HGETDEL h FIELDS 2 a nosuch", &["HDEL h a"]);
    check(&[], "HSETEX h FNX FIELDS 2 a 1 b 2", &["HSET h a 1 b 2"]);
    check(&[], "HSETEX h KEEPTTL FIELDS 1 a 1", &["HSET h a 1"]);
}

#[test]
fn expiries_of_fields_are_repeated_as_points_in_time() {
    let before = ["HSET h a 1 b 2"];
    check(&before, "HEXPIRE h 10 FIELDS 3 a nosuch b", &["HPEXPIREAT h 1000000010000 FIELDS 2 a b"]);
    check(&before, "HPEXPIRE h 10 NX FIELDS 1 a", &["HPEXPIREAT h 1000000000010 FIELDS 1 a"]);
    check(&before, "HEXPIREAT h 2000000000 FIELDS 1 a", &["HPEXPIREAT h 2000000000000 FIELDS 1 a"]);
    check(&before, "HGETEX h EX 10 FIELDS 2 a x", &["HPEXPIREAT h 1000000010000 FIELDS 1 a"]);
    check(&before, "HSETEX h FXX EX 10 FIELDS 1 a 1", &["HSETEX h PXAT 1000000010000 FIELDS 1 a 1"]);
    let expiring = ["HSETEX h PXAT 2000000000000 FIELDS 2 a 1 b 2"];
    check(&expiring, "HPERSIST h FIELDS 2 a x", &["HPERSIST h FIELDS 1 a"]);
    check(&expiring, "HGETEX h PERSIST FIELDS 1 a", &["HPERSIST h FIELDS 1 a"]);
    check(&expiring, "HINCRBY h a 1", &["HSETEX h PXAT 2000000000000 FIELDS 1 a 2"]);
    check(&expiring, "HINCRBYFLOAT h a 1", &["HSETEX h PXAT 2000000000000 FIELDS 1 a 2"]);
    check(&expiring, "HSETEX h KEEPTTL FIELDS 1 a 5", &["HSETEX h KEEPTTL FIELDS 1 a 5"]);
}

#[test]
fn fields_that_are_gone_at_once_are_repeated_as_deletions() {
    let before = ["HSET h a 1 b 2"];
    check(&before, "HEXPIRE h 0 FIELDS 3 a x b", &["HDEL h a b"]);
    check(&before, "HPEXPIREAT h 1 FIELDS 1 a", &["HDEL h a"]);
    check(&before, "HGETEX h EXAT 1 FIELDS 1 a", &["HDEL h a"]);
    check(&before, "HSETEX h EX 0 FIELDS 2 a 5 x 5", &["HDEL h a"]);
}

#[test]
fn fields_past_their_expiry_do_not_change_what_is_repeated() {
    let past = ["HSET h a 1 b 2", "HPEXPIRE h 5 FIELDS 1 a"];
    for (command, expected) in [
        ("HGET h a", &[][..]),
        ("HDEL h a", &[]),
        ("HDEL h a b", &["HDEL h b"]),
        ("HSETNX h a 5", &["HSET h a 5"]),
        ("HSET h a 5", &["HSET h a 5"]),
        ("HINCRBY h a 5", &["HSET h a 5"]),
        ("HEXPIRE h 10 FIELDS 2 a b", &["HPEXPIREAT h 1000000010006 FIELDS 1 b"]),
        ("HPERSIST h FIELDS 1 a", &[]),
        ("HSETEX h FNX EX 10 FIELDS 1 a 5", &["HSETEX h PXAT 1000000010006 FIELDS 1 a 5"]),
        ("HSETEX h KEEPTTL FIELDS 1 a 5", &["MULTI", "HDEL h a", "HSET h a 5", "EXEC"]),
    ] {
        let mut store = after(&past);
        store.advance_ms(6);

        assert_eq!(store.repeated_by(command), expected, "{command}");
    }
}

#[test]
fn ticks_remove_due_fields_and_the_key_with_the_last() {
    let mut store = after(&[
        "HSET h a 1 b 2 c 3",
        "HPEXPIRE h 5 FIELDS 2 a b",
        "HPEXPIRE h 500 FIELDS 1 c",
        "HSETEX other PX 7 FIELDS 1 a 1",
    ]);
    store.repeated();

    settle(&mut store);
    assert_eq!(store.repeated(), [""; 0]);
    store.advance_ms(6);
    settle(&mut store);
    let removed = store.repeated();
    assert!(removed == ["HDEL h a b"] || removed == ["HDEL h b a"], "{removed:?}");
    assert_eq!(store.run("HLEN h"), ":1");
    store.advance_ms(2);
    settle(&mut store);
    assert_eq!(store.repeated(), ["HDEL other a"]);
    assert_eq!(store.run("EXISTS other"), ":0");
    assert_eq!(store.engine.tick(store.now), Some(store.now.instant.plus_millis(493)));
    store.advance_ms(493);
    settle(&mut store);
    assert_eq!(store.run("DBSIZE"), ":0");
    assert_eq!(store.engine.core().stats.expired_fields, 4);
    assert_eq!(store.engine.tick(store.now), None);
    assert_eq!(store.engine.core().keyspace.memory().total(), 0);
}

#[test]
fn fields_of_huge_hashes_expire_in_slices() {
    let mut store = Store::new();
    for batch in 0..200 {
        let pairs: Vec<String> = (0..100).map(|number| format!("{batch}:{number} v")).collect();
        store.run(&format!("HSETEX h PX {} FIELDS 100 {}", 5 + batch % 2 * 1000, pairs.join(" ")));
    }
    store.run("HSET h kept 1");
    store.repeated();
    store.advance_ms(6);

    let mut slices = 0;
    while store.engine.tick(store.now) == Some(store.now.instant) {
        slices += 1;
    }

    let sizes: Vec<usize> = store.repeated().iter().map(|line| line.split(' ').count() - 2).collect();
    assert!(slices >= 3, "{slices}");
    assert_eq!(sizes.iter().sum::<usize>(), 10_000);
    assert!(sizes.iter().all(|&fields| fields < 8000), "{sizes:?}");
    assert_eq!(store.run("HLEN h"), ":10001");
    store.advance_ms(1000);
    settle(&mut store);
    assert_eq!(store.run("HGETALL h"), "*2 $4 kept $1 1");
}

#[test]
fn a_replica_hides_fields_and_leaves_them_to_its_primary() {
    let mut store = after(&["HSET h a 1 b 2", "HPEXPIRE h 5 FIELDS 1 a"]);
    store.engine.core_mut().is_replica = true;
    store.advance_ms(6);
    let stream = store.engine.open_stream(Origin::Primary);

    assert_eq!(store.engine.tick(store.now), None);
    assert_eq!(store.run("HGET h a"), "$-1");
    assert_eq!(store.run("HGETALL h"), "*2 $1 b $1 2");
    assert_eq!(store.run("HLEN h"), ":2");
    assert_eq!(store.run_as(stream, "HPEXPIREAT h 1 FIELDS 1 b"), "*1 :1");
    assert_eq!(store.run_as(stream, "HINCRBY h a 1"), ":2");
    assert_eq!(store.run_as(stream, "HDEL h a b"), ":2");
    assert_eq!(store.run("EXISTS h"), ":0");
}

#[test]
fn a_copy_of_a_hash_expires_by_itself() {
    let mut store = after(&["HSETEX h PX 5 FIELDS 1 a 1", "HSET h b 2", "COPY h c", "RENAME h d"]);
    store.run("MOVE c 1");
    store.repeated();
    store.advance_ms(6);

    settle(&mut store);

    let mut removed = store.repeated();
    removed.sort();
    assert_eq!(removed, ["HDEL c a", "HDEL d a"]);
}

#[test]
fn a_snapshot_has_the_fields_that_expire_while_it_is_taken() {
    let mut store = after(&["HSETEX h PX 5 FIELDS 2 a 1 b 2", "HSET h c 3", "HSETEX gone PX 5 FIELDS 1 a 1"]);
    let before = digest(store.engine.core());
    store.engine.begin_save(store.now, SaveInfo::default()).unwrap();
    store.advance_ms(6);

    settle(&mut store);
    assert_eq!(store.run("HLEN h"), ":1");
    let mut loader = store.engine.begin_load(store.now, crate::load::Expired::Keep);
    while let Some(chunk) = store.engine.pull_save(64) {
        loader.feed(&chunk).unwrap();
    }

    let mut copy = Store::new();
    copy.engine.adopt(loader).unwrap();
    assert_eq!(digest(copy.engine.core()), before);
    assert_eq!(copy.run("HLEN h"), ":3");
    copy.advance_ms(6);
    settle(&mut copy);
    assert_eq!(copy.run("HGETALL h"), "*2 $1 c $1 3");
    assert_eq!(copy.run("EXISTS gone"), ":0");
}

#[test]
fn a_file_of_commands_has_the_expiries_of_fields() {
    let mut store = after(&["HSETEX h PXAT 1000000000005 FIELDS 2 a 1 b 2", "HSET h c 3", "HSET small x 1"]);
    store.advance_ms(6);

    let form = SaveInfo { form: SaveForm::Commands, ..SaveInfo::default() };
    store.engine.begin_save(store.now, form).unwrap();
    let mut file = Vec::new();
    while let Some(chunk) = store.engine.pull_save(64) {
        file.extend_from_slice(&chunk);
    }

    let text = String::from_utf8(file).unwrap();
    let words: Vec<&str> = text.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
    let mut copy = crate::Engine::new(Config::default(), 2);
    copy.core_mut().is_loading = true;
    let reader = copy.open_stream(Origin::File);
    for request in words.chunk_by(|_, word| !["SELECT", "HSET", "HSETEX"].contains(word)) {
        copy.run(store.now, reader, request);
    }
    assert_eq!(digest(copy.core()), digest(store.engine.core()));
    assert!(text.contains("HSETEX") && text.contains("1000000000005"));
}

type Fields = BTreeMap<String, Option<u64>>;

/// Runs random commands on few keys, lets time pass, and compares with a model that forgets what is due.
#[test]
fn any_sequence_of_writes_keeps_the_expiries_of_the_model() {
    for seed in 0..4 {
        let (mut store, mut rng) = (Store::new(), crate::rng::Rng::new(seed));
        let mut model: BTreeMap<String, Fields> = BTreeMap::new();
        let mut now = 0;
        for round in 0..4000 {
            let (key, other) = (format!("k{}", rng.below(4)), format!("k{}", rng.below(4)));
            let (field, millis) = (format!("f{}", rng.below(if seed % 2 == 0 { 8 } else { 700 })), 1 + rng.below(40));
            match rng.below(12) {
                0..3 => {
                    store.run(&format!("HSET {key} {field} v"));
                    model.entry(key).or_default().insert(field, None);
                }
                3..6 => {
                    store.run(&format!("HSETEX {key} PX {millis} FIELDS 1 {field} v"));
                    model.entry(key).or_default().insert(field, Some(now + millis));
                }
                6 => {
                    store.run(&format!("HPEXPIRE {key} {millis} FIELDS 1 {field}"));
                    model.entry(key).or_default().entry(field).and_modify(|expiry| *expiry = Some(now + millis));
                }
                7 => {
                    store.run(&format!("HPERSIST {key} FIELDS 1 {field}"));
                    model.entry(key).or_default().entry(field).and_modify(|expiry| *expiry = None);
                }
                8 => {
                    store.run(&format!("HDEL {key} {field}"));
                    model.entry(key).or_default().remove(&field);
                }
                9 if key != other && store.run(&format!("COPY {key} {other} REPLACE")) == ":1" => {
                    model.insert(other, model[&key].clone());
                }
                10 if store.run(&format!("RENAME {key} {other}")) == "+OK" => {
                    let moved = model.remove(&key).unwrap();
                    model.insert(other, moved);
                }
                11 if rng.chance(20) => {
                    store.run(&format!("DEL {key}"));
                    model.remove(&key);
                }
                _ => {}
            }
            if rng.chance(20) {
                let step = rng.below(10);
                now += step;
                store.advance_ms(step);
                settle(&mut store);
                for fields in model.values_mut() {
                    // Strictly after its time, as keys.
                    fields.retain(|_, expiry| expiry.is_none_or(|at| now <= at));
                }
            }
            model.retain(|_, fields| !fields.is_empty());
            if round % 50 == 0 {
                compare(&mut store, &model, seed);
            }
        }
        assert!(store.engine.core().stats.expired_fields > 200, "seed {seed}");
    }
}

fn compare(store: &mut Store, model: &BTreeMap<String, Fields>, seed: u64) {
    let core = store.engine.core();
    let db = core.keyspace.db(crate::keyspace::DbIndex(0));
    assert_eq!(db.len(), model.len(), "seed {seed}");
    let volatile = model.values().filter(|fields| fields.values().any(Option::is_some)).count();
    assert_eq!(db.volatile_hashes_len(), volatile, "seed {seed}");
    assert_eq!(core.keyspace.memory().entries, db.iter().map(crate::keyspace::Entry::memory_usage).sum::<usize>());
    for (key, fields) in model {
        for (field, expiry) in fields {
            let expected = expiry.map_or(-1, |at| super::START_MS + at.cast_signed());
            let told = store.run(&format!("HPEXPIRETIME {key} FIELDS 1 {field}"));
            assert_eq!(told, format!("*1 :{expected}"), "seed {seed}: {key} {field}");
        }
        assert_eq!(store.run(&format!("HLEN {key}")), format!(":{}", fields.len()), "seed {seed}: {key}");
    }
}
