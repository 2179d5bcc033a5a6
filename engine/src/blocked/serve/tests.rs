//! Sessions of a bare engine that wait for lists.

use crate::Engine;
use crate::config::Config;
use crate::error::ReplyError;
use crate::session::SessionId;
use crate::time::{Instant, Now};

/// An engine with as many sessions as a test needs.
struct Store {
    engine: Engine,
    sessions: Vec<SessionId>,
    now: Now,
}

impl Store {
    fn new(sessions: usize) -> Self {
        let mut engine = Engine::new(Config::default(), 1);
        engine.changes().set_enabled(true);
        let sessions = (0..sessions).map(|_| engine.open()).collect();
        Self { engine, sessions, now: Now::default() }
    }

    /// Runs a request of one session, and returns what it is told at once.
    fn run(&mut self, session: usize, line: &str) -> String {
        let reply = self.engine.run(self.now, self.sessions[session], line.split(' '));
        String::from_utf8(reply).unwrap().replace("\r\n", " ").trim().to_owned()
    }

    /// What a session was told since.
    fn told(&mut self, session: usize) -> String {
        let mut told = Vec::new();
        self.engine.out(self.sessions[session]).take_into(&mut told);
        String::from_utf8(told).unwrap().replace("\r\n", " ").trim().to_owned()
    }

    fn is_blocked(&self, session: usize) -> bool {
        self.engine.is_blocked(self.sessions[session])
    }

    /// The commands in the log since the last time, without lengths.
    fn log(&mut self) -> String {
        let mut bytes = Vec::new();
        self.engine.changes().take(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let words = text.split("\r\n").filter(|word| !word.starts_with('$') && !word.is_empty());
        words.map(|word| if word.starts_with('*') { "|" } else { word }).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn who_came_first_is_served_first() {
    let mut store = Store::new(4);
    for session in 1..4 {
        assert_eq!(store.run(session, "BLPOP k 0"), "");
        assert!(store.is_blocked(session));
    }

    assert_eq!(store.run(0, "RPUSH k a b"), ":2");

    assert_eq!(store.told(1), "*2 $1 k $1 a");
    assert_eq!(store.told(2), "*2 $1 k $1 b");
    assert_eq!(store.told(3), "");
    assert!(!store.is_blocked(2) && store.is_blocked(3));
    assert_eq!(store.run(0, "EXISTS k"), ":0");
}

#[test]
fn each_that_is_served_is_a_unit_of_its_own_in_the_log() {
    let mut store = Store::new(3);
    store.run(1, "BLPOP k 0");
    store.run(2, "BLMOVE k other RIGHT LEFT 0");

    store.run(0, "RPUSH k a b");

    assert_eq!(store.log(), "| SELECT 0 | RPUSH k a b | LPOP k | LMOVE k other RIGHT LEFT");
    store.run(1, "BRPOPLPUSH k other 0");
    store.run(2, "BLMPOP 0 2 other nosuch LEFT COUNT 9");
    store.run(0, "LPUSH k c");
    assert_eq!(store.log(), "| LPOP other 1 | LPUSH k c | RPOPLPUSH k other");
}

#[test]
fn a_transaction_serves_when_it_is_complete() {
    let mut store = Store::new(2);
    store.run(1, "BLPOP k 0");

    store.run(0, "MULTI");
    store.run(0, "RPUSH k a");
    store.run(0, "LPUSH k b");
    assert_eq!(store.run(0, "EXEC"), "*2 :1 :2");

    assert_eq!(store.told(1), "*2 $1 k $1 b");
    assert_eq!(store.log(), "| SELECT 0 | MULTI | RPUSH k a | LPUSH k b | EXEC | LPOP k");
}

#[test]
fn what_a_transaction_takes_back_wakes_nobody() {
    let mut store = Store::new(2);
    store.run(1, "BLPOP k 0");

    store.run(0, "MULTI");
    store.run(0, "RPUSH k a");
    store.run(0, "DEL k");
    store.run(0, "SET k text");
    store.run(0, "EXEC");

    assert!(store.is_blocked(1));
    store.run(0, "DEL k");
    store.run(0, "RPUSH k b");
    assert_eq!(store.told(1), "*2 $1 k $1 b");
}

#[test]
fn nothing_waits_inside_a_transaction() {
    let mut store = Store::new(1);
    for line in ["MULTI", "BLPOP k 0", "BLMOVE k k LEFT LEFT 0", "BRPOPLPUSH k k 0", "BLMPOP 0 1 k LEFT"] {
        store.run(0, line);
    }

    assert_eq!(store.run(0, "EXEC"), "*4 *-1 $-1 $-1 *-1");
    assert!(!store.is_blocked(0));
}

#[test]
fn a_wait_ends_at_its_time() {
    let mut store = Store::new(3);
    store.run(0, "BLPOP k 0.0101");
    store.run(1, "BLPOP k 0");
    store.run(2, "BLPOP k 0.005");
    assert_eq!(store.engine.block_deadline(), Some(Instant(5_000)));

    store.now.instant = Instant(5_000);
    assert_eq!(store.engine.time_out(store.now), Some(store.sessions[2]));
    assert_eq!(store.engine.time_out(store.now), None);
    assert_eq!(store.told(2), "*-1");
    assert_eq!(store.engine.block_deadline(), Some(Instant(11_000)));

    store.now.instant = Instant(11_000);
    assert_eq!(store.engine.time_out(store.now), Some(store.sessions[0]));
    assert_eq!(store.engine.block_deadline(), None);
    assert!(store.is_blocked(1));
}

#[test]
fn an_element_may_go_through_several_hands() {
    let mut store = Store::new(4);
    store.run(1, "BLMOVE a b LEFT LEFT 0");
    store.run(2, "BLMOVE b c LEFT LEFT 0");
    store.run(3, "BLPOP c 0");

    store.run(0, "LPUSH a x");

    assert_eq!([store.told(1), store.told(2), store.told(3)], ["$1 x", "$1 x", "*2 $1 c $1 x"]);
    assert_eq!(store.run(0, "EXISTS a b c"), ":0");
}

#[test]
fn a_ring_of_moves_ends() {
    let mut store = Store::new(3);
    store.run(1, "BLMOVE a b LEFT LEFT 0");
    store.run(2, "BLMOVE b a LEFT LEFT 0");

    store.run(0, "LPUSH a x");

    assert_eq!(store.run(0, "LRANGE a 0 -1"), "*1 $1 x");
    assert!(store.engine.core().blocked.is_empty());
}

/// A stack frame for each would not fit.
#[test]
fn a_chain_of_any_length_is_served() {
    let links = 30_000;
    let mut store = Store::new(links + 1);
    for link in 0..links {
        store.run(link + 1, &format!("BLMOVE k{link} k{} LEFT LEFT 0", link + 1));
    }

    store.run(0, "LPUSH k0 x");

    assert_eq!(store.run(0, &format!("LRANGE k{links} 0 -1")), "*1 $1 x");
    assert!(store.engine.core().blocked.is_empty());
    assert!(!store.engine.has_served());
}

#[test]
fn whatever_brings_a_list_wakes() {
    let fillings: [&[&str]; 8] = [
        &["RPUSH other x", "RENAME other k"],
        &["RPUSH other x", "RENAMENX other k"],
        &["RPUSH other x", "COPY other k"],
        &["RPUSH other x", "LMOVE other k LEFT LEFT"],
        &["SELECT 1", "RPUSH k x", "MOVE k 0"],
        &["SELECT 1", "RPUSH k x", "SWAPDB 0 1"],
        &["SELECT 1", "RPUSH other x", "COPY other k DB 0"],
        &["LINSERT k AFTER a b", "RPUSHX k a", "RPUSH k x"],
    ];
    for filling in fillings {
        let mut store = Store::new(2);
        store.run(1, "BLPOP nosuch k 0");

        filling.iter().for_each(|line| _ = store.run(0, line));

        assert_eq!(store.told(1), "*2 $1 k $1 x", "{filling:?}");
    }
}

#[test]
fn a_payload_that_is_restored_wakes() {
    let mut store = Store::new(2);
    store.run(0, "RPUSH other x");
    let session = store.sessions[0];
    let reply = store.engine.run(store.now, session, ["DUMP", "other"]);
    let payload = &reply[reply.iter().position(|&byte| byte == b'\n').unwrap() + 1..reply.len() - 2];
    store.run(1, "BRPOP k 0");

    store.engine.run(store.now, session, [&b"RESTORE"[..], b"k", b"0", payload]);

    assert_eq!(store.told(1), "*2 $1 k $1 x");
}

#[test]
fn a_value_of_another_type_wakes_nobody() {
    let mut store = Store::new(2);
    store.run(1, "BLPOP k 0");

    store.run(0, "SADD k a");
    assert!(store.is_blocked(1));

    store.run(0, "DEL k");
    store.run(0, "RPUSH k a");
    assert_eq!(store.told(1), "*2 $1 k $1 a");
}

#[test]
fn a_move_to_another_type_fails_and_leaves_the_element() {
    let mut store = Store::new(3);
    store.run(0, "SET s text");
    store.run(1, "BLMOVE k s LEFT LEFT 0");
    store.run(2, "BLPOP k 0");

    store.run(0, "RPUSH k a");

    assert_eq!(store.told(1), "-WRONGTYPE Operation against a key holding the wrong kind of value");
    assert_eq!(store.told(2), "*2 $1 k $1 a");
}

#[test]
fn a_key_of_another_database_wakes_nobody() {
    let mut store = Store::new(2);
    store.run(1, "SELECT 3");
    store.run(1, "BLPOP k 0");

    store.run(0, "RPUSH k a");
    assert!(store.is_blocked(1));

    store.run(0, "SELECT 3");
    store.run(0, "RPUSH k b");
    assert_eq!(store.told(1), "*2 $1 k $1 b");
}

#[test]
fn who_leaves_takes_nothing_along() {
    let mut store = Store::new(4);
    store.run(1, "BLPOP k k k 1");
    store.run(2, "BLPOP k j 1");
    store.run(3, "BLPOP k 0");
    assert_eq!((store.engine.core().blocked.len(), store.engine.core().blocked.keys()), (3, 2));

    store.engine.close(store.sessions[1]);
    store.engine.reset(store.sessions[2]);

    assert_eq!((store.engine.core().blocked.len(), store.engine.core().blocked.keys()), (1, 1));
    assert_eq!(store.engine.block_deadline(), None);
    store.run(0, "RPUSH k a");
    assert_eq!(store.told(3), "*2 $1 k $1 a");
    assert!(store.engine.core().blocked.is_empty());
}

#[test]
fn a_wait_can_be_ended_from_outside() {
    let mut store = Store::new(2);
    let session = store.sessions[1];
    store.run(1, "BLPOP k 0");
    assert!(store.engine.fail_wait(session, &ReplyError::Fixed("UNBLOCKED why")));
    assert_eq!(store.told(1), "-UNBLOCKED why");
    store.run(1, "BLPOP k 0");
    assert!(store.engine.end_wait(session));
    assert_eq!(store.told(1), "*-1");
    assert!(!store.engine.end_wait(session));

    store.run(0, "RPUSH k a");

    assert_eq!(store.told(1), "");
    assert_eq!(store.run(0, "LLEN k"), ":1");
}

#[test]
fn a_request_of_a_session_that_waits_ends_the_wait() {
    let mut store = Store::new(1);
    store.run(0, "BLPOP k 0");

    assert_eq!(store.run(0, "PING"), "*-1 +PONG");
    assert!(store.engine.core().blocked.is_empty());
}

#[test]
fn a_wait_counts_as_one_call_when_it_ends() {
    let mut store = Store::new(3);
    let id = store.engine.registry().find(b"BLPOP").unwrap();
    store.run(1, "BLPOP k 0");
    store.run(2, "BLPOP k 0.001");
    assert_eq!(store.engine.core_mut().stats.of(id).calls, 0);

    store.run(0, "RPUSH k a");
    assert_eq!(store.engine.core_mut().stats.of(id).calls, 1);
    store.now.instant = Instant(1_000);
    store.engine.time_out(store.now);
    assert_eq!(store.engine.core_mut().stats.of(id).calls, 2);
}

#[test]
fn a_key_whose_time_has_come_serves_nobody() {
    let mut store = Store::new(2);
    store.run(1, "BLPOP k 0");
    store.run(0, "SELECT 1");
    store.run(0, "RPUSH k a");
    store.run(0, "PEXPIRE k 5");
    store.now = Now { instant: Instant(9_000), unix: crate::time::UnixMicros(9_000) };

    store.run(0, "SWAPDB 0 1");

    assert!(store.is_blocked(1));
}
