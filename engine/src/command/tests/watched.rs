use super::Store;

/// Whether a transaction that watches `key` fails after another client's `command`.
fn breaks(before: &[&str], key: &str, command: &str) -> bool {
    let mut store = Store::new();
    for line in before {
        store.run(line);
    }
    let other = store.engine.open();
    store.run(&format!("WATCH {key}"));
    let reply = store.run_as(other, command);
    assert!(!reply.starts_with('-'), "{command}: {reply}");
    store.run("MULTI");
    store.run("PING");
    store.run("EXEC") == "*-1"
}

#[test]
fn changes_break_watches_and_reads_do_not() {
    let before = ["SET a 1", "SET b 2"];
    let changing = [
        "SET a 1",
        "APPEND a x",
        "INCR a",
        "SETRANGE a 0 x",
        "GETDEL a",
        "GETEX a EX 10",
        "EXPIRE a 10",
        "DEL a",
        "RENAME a c",
        "RENAME b a",
        "COPY b a REPLACE",
        "MOVE a 3",
        "MSET a 1",
        "FLUSHDB",
        "FLUSHALL",
        "SWAPDB 0 1",
    ];
    let harmless =
        ["GET a", "GETEX a", "TOUCH a", "PERSIST a", "SET a 1 NX", "COPY a c", "SETRANGE a 0 ", "SWAPDB 2 3"];

    for command in changing {
        assert!(breaks(&before, "a", command), "{command}");
    }
    for command in harmless {
        assert!(!breaks(&before, "a", command), "{command}");
    }
}

#[test]
fn a_missing_key_survives_flushes_and_swaps_of_missing_keys() {
    for command in ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "DEL a"] {
        assert!(!breaks(&["SET b 1"], "a", command), "{command}");
    }
}

#[test]
fn a_key_that_expired_before_the_watch_may_be_flushed() {
    let mut store = Store::new();
    store.run("SET a 1 PX 5");
    store.advance_ms(6);
    store.run("WATCH a");
    let other = store.engine.open();

    store.run_as(other, "FLUSHALL");
    store.run("MULTI");

    assert_eq!(store.run("EXEC"), "*0");
}

#[test]
fn a_key_that_expires_under_the_watch_fails_the_transaction() {
    for command in ["FLUSHALL", "PING", "GET a"] {
        let mut store = Store::new();
        store.run("SET a 1 PX 5");
        store.run("WATCH a");
        store.advance_ms(6);
        let other = store.engine.open();

        store.run_as(other, command);
        store.run("MULTI");

        assert_eq!(store.run("EXEC"), "*-1", "{command}");
    }
}
