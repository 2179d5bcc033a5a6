//! What the log hears of sorted sets.

use crate::Engine;
use crate::config::Config;
use crate::session::SessionId;
use crate::time::Now;

/// An engine with two sessions, and its log.
struct Store {
    engine: Engine,
    sessions: [SessionId; 2],
}

impl Store {
    fn new() -> Self {
        let mut engine = Engine::new(Config::default(), 1);
        engine.changes().set_enabled(true);
        let sessions = [engine.open(), engine.open()];
        let mut store = Self { engine, sessions };
        store.run(0, "ZADD k 1 a 2 b 3 c 4 d 5 e");
        store.log();
        store
    }

    fn run(&mut self, session: usize, line: &str) {
        self.engine.run(Now::default(), self.sessions[session], line.split(' '));
    }

    /// The commands in the log since the last time, without lengths.
    fn log(&mut self) -> String {
        let mut bytes = Vec::new();
        self.engine.changes().take(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let words = text.split("\r\n").filter(|word| !word.starts_with(['$', '*']) && !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn requests_are_repeated_in_words_that_mean_the_same_everywhere() {
    let rows = [
        ("ZADD k INCR 1 a", "ZADD k INCR 1 a"),
        ("zincrby k 1 a", "zincrby k 1 a"),
        ("ZMPOP 2 nosuch k MAX COUNT 2", "ZPOPMAX k 2"),
        ("ZMPOP 1 k MIN COUNT 9", "ZPOPMIN k 5"),
        ("BZPOPMIN nosuch k 0", "ZPOPMIN k"),
        ("BZMPOP 0 1 k MAX", "ZPOPMAX k 1"),
        ("ZPOPMIN k 2", "ZPOPMIN k 2"),
        ("ZUNIONSTORE t 1 k", "ZUNIONSTORE t 1 k"),
        ("GEOADD k CH 1 1 x", "zadd k CH 3377822707026402 x"),
        ("GEORADIUS k 0 -85 30000 km STORE t", "GEORADIUS k 0 -85 30000 km STORE t"),
    ];
    for (line, repeated) in rows {
        let mut store = Store::new();

        store.run(0, line);

        assert_eq!(store.log(), repeated, "{line}");
    }
}

#[test]
fn what_changes_nothing_is_not_repeated() {
    let mut store = Store::new();

    for line in [
        "ZADD k 1 a",
        "ZADD k XX 1 nosuch",
        "ZADD k GT 0 a",
        "ZREM k nosuch",
        "ZREMRANGEBYSCORE k 9 10",
        "ZMPOP 1 nosuch MIN",
        "ZINTERSTORE t 2 k nosuch",
        "GEOADD nosuch XX 1 1 a",
        "ZPOPMIN k 0",
        "GEORADIUS k 0 80 1 km STORE t",
    ] {
        store.run(0, line);
        assert_eq!(store.log(), "", "{line}");
    }
}

#[test]
fn who_waits_is_served_in_a_unit_of_its_own() {
    let mut store = Store::new();
    store.run(1, "BZPOPMAX q 0");

    store.run(0, "ZADD q 1 a 2 b");

    assert_eq!(store.log(), "ZADD q 1 a 2 b ZPOPMAX q");
    let mut told = Vec::new();
    store.engine.out(store.sessions[1]).take_into(&mut told);
    assert_eq!(told, b"*3\r\n$1\r\nq\r\n$1\r\nb\r\n$1\r\n2\r\n");
}

#[test]
fn a_huge_set_that_loses_everything_is_freed_in_pieces() {
    for line in ["ZREMRANGEBYRANK big 0 -1", "ZPOPMIN big 99999", "ZMPOP 1 big MAX COUNT 99999"] {
        let mut store = Store::new();
        for member in 0..5_000 {
            store.run(0, &format!("ZADD big {member} member-with-a-name-of-some-length:{member}"));
        }
        let before = store.engine.core().keyspace.memory().total();

        store.run(0, line);

        assert!(store.engine.core().keyspace.memory().detached > before / 2, "{line}");
        while store.engine.tick(Now::default()).is_some() {}
        assert_eq!(store.engine.core().keyspace.memory().detached, 0);
    }
}
