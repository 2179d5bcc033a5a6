use super::Store;

/// Runs `before`, then checks what `command` leaves in the log.
fn check(before: &[&str], command: &str, expected: &[&str]) {
    let mut store = Store::new();
    for line in before {
        let reply = store.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }

    assert_eq!(store.repeated_by(command), expected, "{before:?} {command}");
}

#[test]
fn what_changed_nothing_is_not_repeated() {
    let before = ["SET a 1"];
    let commands = [
        "GET a",
        "SET a 2 NX",
        "SET b 2 XX",
        "SETNX a 2",
        "MSETNX a 1 b 2",
        "GETDEL b",
        "GETEX a",
        "GETEX a PERSIST",
        "GETEX b EX 10",
        "SETRANGE b 5 ",
        "DEL b",
        "UNLINK b",
        "RENAMENX a a",
        "COPY b c",
        "MOVE b 3",
        "EXPIRE b 10",
        "EXPIRE a 10 XX",
        "PERSIST a",
        "INCRBYFLOAT a x",
        "INCR b x",
        "TOUCH a",
    ];

    for command in commands {
        check(&before, command, &[]);
    }
}

#[test]
fn times_to_live_are_repeated_as_points_in_time() {
    check(&[], "SET a 1 EX 10", &["SET a 1 PXAT 1000000010000"]);
    check(&[], "SET a 1 PX 10 NX", &["SET a 1 PXAT 1000000000010"]);
    check(&[], "SET a 1 EXAT 2000000000", &["SET a 1 PXAT 2000000000000"]);
    check(&[], "set a 1 PXAT 2000000000000", &["set a 1 PXAT 2000000000000"]);
    check(&[], "SETEX a 10 1", &["SET a 1 PXAT 1000000010000"]);
    check(&[], "PSETEX a 10 1", &["SET a 1 PXAT 1000000000010"]);
    check(&["SET a 1"], "EXPIRE a 10", &["PEXPIREAT a 1000000010000"]);
    check(&["SET a 1"], "PEXPIRE a 10 NX", &["PEXPIREAT a 1000000000010 NX"]);
    check(&["SET a 1"], "EXPIREAT a 2000000000", &["PEXPIREAT a 2000000000000"]);
    check(&["SET a 1"], "GETEX a EX 10", &["PEXPIREAT a 1000000010000"]);
    check(&["SET a 1 EX 10"], "GETEX a PERSIST", &["PERSIST a"]);
}

#[test]
fn times_in_the_past_are_repeated_as_deletions() {
    check(&["SET a 1"], "EXPIRE a -1", &["DEL a"]);
    check(&["SET a 1"], "PEXPIREAT a 1", &["DEL a"]);
    check(&["SET a 1"], "GETEX a PXAT 1", &["DEL a"]);
}

#[test]
fn commands_that_read_are_repeated_without_the_reading() {
    check(&["SET a 1"], "SET a 2 GET", &["SET a 2"]);
    check(&["SET a 1"], "set a 2 xx get keepttl", &["set a 2 xx keepttl"]);
    check(&["SET a 1"], "SET a 2 GET PXAT 2000000000000", &["SET a 2 PXAT 2000000000000"]);
    check(&["SET a 1"], "GETSET a 2", &["SET a 2"]);
    check(&["SET a 1"], "GETDEL a", &["DEL a"]);
}

#[test]
fn sums_of_floats_are_repeated_as_results() {
    check(&["SET a 1.5"], "INCRBYFLOAT a 0.1", &["SET a 1.6 KEEPTTL"]);
}

#[test]
fn other_commands_are_repeated_as_typed() {
    let before = ["SET a 1", "SET z 9"];
    let commands = [
        "append a x",
        "INCRBY a 5",
        "DECR a",
        "SETRANGE a 3 x",
        "MSET a 1 b 2",
        "DEL a b",
        "RENAME a b",
        "RENAME a a2",
        "COPY a z REPLACE",
        "MOVE a 3",
        "SWAPDB 0 1",
        "FLUSHDB ASYNC",
        "FLUSHALL",
    ];

    for command in commands {
        check(&before, command, &[command]);
    }
}

#[test]
fn a_flush_is_repeated_even_if_there_was_nothing() {
    check(&[], "FLUSHALL", &["FLUSHALL"]);
    check(&[], "FLUSHDB", &["FLUSHDB"]);
}

#[test]
fn a_restored_time_to_live_becomes_absolute() {
    let mut store = Store::new();
    store.run("SET a hello");
    let session = store.client;
    let dumped = store.engine.run(store.now, session, ["DUMP", "a"]);
    let payload = &dumped[5..dumped.len() - 2];
    store.repeated();

    store.engine.run(store.now, session, [b"RESTORE", &b"b"[..], b"10", payload]);

    let mut bytes = Vec::new();
    store.engine.changes().take(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("$13\r\n1000000000010\r\n") && text.ends_with("$6\r\nABSTTL\r\n"), "{text}");
}

#[test]
fn one_effect_of_a_transaction_is_repeated_without_it() {
    let mut store = Store::new();
    store.run("MULTI");
    store.run("SET a 1");
    store.run("GET a");
    assert_eq!(store.repeated_by("EXEC"), ["SET a 1"]);

    store.run("MULTI");
    store.run("SET a 1 EX 10");
    store.run("INCR a");
    assert_eq!(store.repeated_by("EXEC"), ["MULTI", "SET a 1 PXAT 1000000010000", "INCR a", "EXEC"]);
}

#[test]
fn what_changed_no_set_is_not_repeated() {
    let before = ["SADD k a b", "SADD m a"];
    let commands = [
        "SADD k a b",
        "SREM k c",
        "SREM nosuch a",
        "SMOVE k m c",
        "SMOVE k k a",
        "SPOP nosuch",
        "SPOP k 0",
        "SRANDMEMBER k 1",
        "SINTERSTORE nosuch k other",
        "SUNIONSTORE nosuch other",
        "SDIFFSTORE nosuch k k",
    ];

    for command in commands {
        check(&before, command, &[]);
    }
}

#[test]
fn random_pops_are_repeated_as_what_they_took() {
    check(&["SADD k a"], "SPOP k", &["SREM k a"]);
    check(&["SADD k a b"], "SPOP k 2", &["DEL k"]);
    check(&["SADD k a b"], "SPOP k 10", &["DEL k"]);
    check(&["SADD k a b"], "SREM k b a", &["SREM k b a"]);
    check(&["SADD k a"], "SMOVE k m a", &["SMOVE k m a"]);
    check(&["SADD k a", "SADD d b"], "SINTERSTORE d k nosuch", &["SINTERSTORE d k nosuch"]);

    let mut store = Store::new();
    store.run("SADD k a b c");
    let repeated = store.repeated_by("SPOP k 2");
    let [one] = &repeated[..] else { panic!("{repeated:?}") };
    let words: Vec<&str> = one.split(' ').collect();
    assert_eq!((words[0], words[1], words.len()), ("SREM", "k", 4));
    assert_eq!(store.run("SCARD k"), ":1");
    assert_eq!(store.run(&format!("SMISMEMBER k {} {}", words[2], words[3])), "*2 :0 :0");
}

#[test]
fn bits_that_were_like_that_are_not_repeated() {
    let before = ["SET a x"];

    for command in ["GETBIT a 1", "SETBIT a 1 1", "SETBIT a 0 0", "BITFIELD a GET u8 0", "BITFIELD a SET u8 0 120"] {
        check(&before, command, &[]);
    }
    for command in ["SETBIT a 0 1", "SETBIT a 8 0", "SETBIT b 0 0", "BITFIELD a SET u8 8 0", "BITFIELD b SET u8 0 1"] {
        check(&before, command, &[command]);
    }
    check(&before, "BITOP NOT b nosuch", &[]);
    check(&before, "BITOP NOT a nosuch", &["BITOP NOT a nosuch"]);
    check(&before, "bitop not b a", &["bitop not b a"]);
}

#[test]
fn a_string_that_grew_by_a_field_that_failed_is_repeated() {
    // Redis 7.0 does not repeat it, and its replicas have no such key then.
    check(&[], "BITFIELD a OVERFLOW FAIL INCRBY u2 10 5", &["BITFIELD a OVERFLOW FAIL INCRBY u2 10 5"]);
    check(&["SET a x"], "BITFIELD a OVERFLOW FAIL SET u2 0 5", &[]);
}

#[test]
fn elements_that_raise_no_register_are_not_repeated() {
    let before = ["PFADD a x y"];

    check(&before, "PFADD a x", &[]);
    check(&before, "PFADD a", &[]);
    check(&before, "PFADD a z", &["PFADD a z"]);
    check(&[], "PFADD a", &["PFADD a"]);
    check(&before, "PFMERGE b a", &["PFMERGE b a"]);
    check(&before, "PFDEBUG DECODE a", &[]);
    check(&before, "PFDEBUG TODENSE a", &["PFDEBUG TODENSE a"]);
    check(&["PFADD a x", "PFDEBUG TODENSE a"], "PFDEBUG TODENSE a", &[]);
}

#[test]
fn a_count_is_repeated_when_its_estimate_was_kept() {
    let before = ["PFADD a x y"];

    check(&before, "PFCOUNT a", &["PFCOUNT a"]);
    check(&before, "PFCOUNT a b", &[]);
    check(&["PFADD a x y", "PFCOUNT a"], "PFCOUNT a", &[]);
    check(&[], "PFCOUNT a", &[]);
}

#[test]
fn a_count_on_a_replica_keeps_nothing() {
    let mut store = Store::new();
    store.run("PFADD a x y");
    let before = store.run("GET a");
    store.engine.core_mut().is_replica = true;

    assert_eq!(store.repeated_by("PFCOUNT a"), [""; 0]);
    assert_eq!(store.run("PFCOUNT a"), ":2");
    assert_eq!(store.run("GET a"), before);
}

#[test]
fn what_was_compared_is_repeated_without_the_comparison() {
    let before = ["SET a x EX 100"];

    check(&before, "SET a y IFEQ x", &["SET a y"]);
    check(&before, "SET a GET IFEQ x GET", &["SET a GET"]);
    check(&before, "SET a y IFEQ x KEEPTTL", &["SET a y KEEPTTL"]);
    check(&before, "SET a y IFEQ x EX 10", &["SET a y PXAT 1000000010000"]);
    check(&before, "SET a y IFEQ x PXAT 1000000010000 GET", &["SET a y PXAT 1000000010000"]);
    check(&before, "DELIFEQ a x", &["DEL a"]);
    for command in ["SET a y IFEQ z", "SET b y IFEQ x", "DELIFEQ a y", "DELIFEQ b x"] {
        check(&before, command, &[]);
    }
}

#[test]
fn several_strings_set_with_options_are_repeated_as_single_ones() {
    let before = ["SET a x"];

    check(&before, "MSETEX 1 b 1", &["SET b 1"]);
    check(&before, "MSETEX 1 b 1 NX EX 10", &["SET b 1 PXAT 1000000010000"]);
    check(&before, "MSETEX 2 a 1 b 2 KEEPTTL", &["MULTI", "SET a 1 KEEPTTL", "SET b 2 KEEPTTL", "EXEC"]);
    check(&before, "MSETEX 2 a 1 b 2 NX", &[]);
    check(&before, "MSETEX 2 a 1 b 2 XX", &[]);
}
