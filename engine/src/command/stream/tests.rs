//! What the log hears of streams, and who is served when.

use crate::Engine;
use crate::config::Config;
use crate::session::{Origin, SessionId};
use crate::time::{Instant, Now, UnixMicros};

/// An engine with sessions, and its log.
struct Store {
    engine: Engine,
    sessions: [SessionId; 3],
}

const NOW: Now = Now { instant: Instant(1), unix: UnixMicros(7_000_000) };

impl Store {
    fn new() -> Self {
        let mut engine = Engine::new(Config::default(), 1);
        engine.changes().set_enabled(true);
        let sessions = [engine.open(), engine.open(), engine.open()];
        Self { engine, sessions }
    }

    fn run(&mut self, session: usize, line: &str) -> String {
        let reply = self.engine.run(NOW, self.sessions[session], line.split(' '));
        String::from_utf8_lossy(&reply).replace("\r\n", " ")
    }

    /// The words of what a session was sent meanwhile.
    fn sent(&mut self, session: usize) -> String {
        let mut bytes = Vec::new();
        self.engine.out(self.sessions[session]).take_into(&mut bytes);
        words(&bytes)
    }

    /// The commands in the log since the last time.
    fn log(&mut self) -> String {
        let mut bytes = Vec::new();
        self.engine.changes().take(&mut bytes);
        words(&bytes)
    }
}

/// Replies and requests without lengths.
fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let is_length = |word: &&str| word.strip_prefix(['$', '*']).is_some_and(|rest| rest.parse::<i64>().is_ok());
    let words = text.split("\r\n").filter(|word| !is_length(word) && !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Commands with what the log of valkey-server 9.1 has of them.
const REPEATED: &[(&str, &str)] = &[
    ("XADD s 1-1 f v", "SELECT 0 XADD s 1-1 f v"),
    ("XADD s 1-* f v", "XADD s 1-2 f v"),
    ("XADD s NOMKSTREAM * f v", "XADD s NOMKSTREAM 7000-0 f v"),
    ("xadd s maxlen ~ 2 7000-1 f v", "xadd s maxlen = 4 7000-1 f v"),
    ("XADD s MAXLEN = 3 7000-2 f v", "XADD s MAXLEN = 3 7000-2 f v"),
    ("XADD s MINID ~ 2 LIMIT 10 8000-* f v", "XADD s MINID = 1-1 LIMIT 10 8000-0 f v"),
    ("XADD nosuch NOMKSTREAM * f v", ""),
    ("XTRIM s MAXLEN ~ 1", ""),
    ("XTRIM s MAXLEN 2", "XTRIM s MAXLEN 2"),
    ("XTRIM s MAXLEN ~ 0", "XTRIM s MAXLEN = 0"),
    ("XADD s MINID ~ 9000 8001-0 f v", "XADD s MINID = 18446744073709551615-18446744073709551615 8001-0 f v"),
    ("XDEL s 9-9", ""),
    ("DEL s", "DEL s"),
    ("XADD s 1-1 f v", "XADD s 1-1 f v"),
    ("XADD s 2-1 f v", "XADD s 2-1 f v"),
    ("XADD s 3-1 f v", "XADD s 3-1 f v"),
    ("XADD s 4-1 f v", "XADD s 4-1 f v"),
    ("XADD s 5-1 f v", "XADD s 5-1 f v"),
    ("XDEL s 5-1 9-9", "XDEL s 5-1 9-9"),
    ("XGROUP CREATE s g 0", "XGROUP CREATE s g 0"),
    ("XGROUP CREATE s h $", "XGROUP CREATE s h $"),
    ("XGROUP SETID s h 0 ENTRIESREAD 0", "XGROUP SETID s h 0 ENTRIESREAD 0"),
    ("XGROUP CREATECONSUMER s g carl", "XGROUP CREATECONSUMER s g carl"),
    ("XGROUP CREATECONSUMER s g carl", ""),
    (
        "XREADGROUP GROUP g alice COUNT 2 STREAMS s >",
        "MULTI XCLAIM s g alice 0 1-1 TIME 7000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1 \
         XCLAIM s g alice 0 2-1 TIME 7000 RETRYCOUNT 1 FORCE JUSTID LASTID 2-1 XGROUP SETID s g 2-1 ENTRIESREAD -1 EXEC",
    ),
    ("XREADGROUP GROUP g alice STREAMS s 0", ""),
    ("XREADGROUP GROUP g zoe STREAMS s 0", ""),
    (
        "XREADGROUP GROUP h alice COUNT 2 NOACK STREAMS s >",
        "MULTI XGROUP CREATECONSUMER s h alice XGROUP SETID s h 2-1 ENTRIESREAD -1 EXEC",
    ),
    ("XREADGROUP GROUP h alice NOACK STREAMS s >", "XGROUP SETID s h 4-1 ENTRIESREAD -1"),
    ("XREADGROUP GROUP h alice NOACK STREAMS s >", ""),
    ("XREADGROUP GROUP h fred NOACK STREAMS s >", "XGROUP CREATECONSUMER s h fred"),
    ("XCLAIM s g bob 0 1", ""),
    ("XCLAIM s g bob 0 1-1", "XCLAIM s g bob 0 1-1 TIME 7000 RETRYCOUNT 3 FORCE JUSTID LASTID 2-1"),
    (
        "XCLAIM s g bob 0 1-1 IDLE 1000 RETRYCOUNT 7",
        "XCLAIM s g bob 0 1-1 TIME 6000 RETRYCOUNT 7 FORCE JUSTID LASTID 2-1",
    ),
    ("XCLAIM s g newone 0 77-1 FORCE", ""),
    ("XCLAIM s g bob 0 LASTID 44-1", "XGROUP SETID s g 44-1 ENTRIESREAD -1"),
    ("XDEL s 1-1", "XDEL s 1-1"),
    (
        "XCLAIM s g bob 0 1-1 2-1",
        "MULTI XCLAIM s g bob 0 1-1 TIME 6000 RETRYCOUNT 7 FORCE JUSTID LASTID 44-1 \
         XCLAIM s g bob 0 2-1 TIME 7000 RETRYCOUNT 3 FORCE JUSTID LASTID 44-1 EXEC",
    ),
    ("XAUTOCLAIM s g carl 0 0", "XCLAIM s g carl 0 2-1 TIME 7000 RETRYCOUNT 4 FORCE JUSTID LASTID 44-1"),
    ("XDEL s 2-1", "XDEL s 2-1"),
    ("XAUTOCLAIM s g bob 99999 0", "XCLAIM s g carl 0 2-1 TIME 7000 RETRYCOUNT 4 FORCE JUSTID LASTID 44-1"),
    ("XACK s g 1-1", ""),
    ("XGROUP DELCONSUMER s g carl", "XGROUP DELCONSUMER s g carl"),
    ("XGROUP DELCONSUMER s g carl", ""),
    ("XGROUP DESTROY s g", "XGROUP DESTROY s g"),
    ("XGROUP DESTROY s g", ""),
    ("XSETID s 9-9", "XSETID s 9-9"),
];

#[test]
fn requests_are_repeated_in_words_that_mean_the_same_everywhere() {
    let mut store = Store::new();
    for (line, wanted) in REPEATED {
        store.run(0, line);
        assert_eq!(store.log(), *wanted, "{line}");
    }
}

#[test]
fn a_follower_of_the_log_has_the_same_streams() {
    let mut store = Store::new();
    let mut follower = Store::new();
    follower.sessions[0] = follower.engine.open_stream(Origin::Primary);
    // How often a consumer read its own history is not repeated.
    for (line, _) in REPEATED.iter().filter(|(line, _)| !line.ends_with("STREAMS s 0")) {
        store.run(0, line);
        let log = store.log();
        // Requests of the log, one after the other: no word of these is one of the verbs.
        let mut request = String::new();
        for word in log.split(' ').chain(["SELECT"]) {
            let is_verb =
                word.starts_with('X') && word.len() > 3 || matches!(word, "SELECT" | "MULTI" | "EXEC" | "DEL");
            if (is_verb || word == "xadd") && !request.is_empty() {
                follower.run(0, request.trim());
                request.clear();
            }
            request.push_str(word);
            request.push(' ');
        }
        for question in ["XRANGE s - +", "XPENDING s g", "XPENDING s g - + 99", "XLEN s"] {
            assert_eq!(follower.run(1, question), store.run(1, question), "{question} after {line}");
        }
    }
}

#[test]
fn who_waits_is_served_in_order_and_once() {
    let mut store = Store::new();
    store.run(0, "XGROUP CREATE s g $ MKSTREAM");
    store.run(1, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >");
    let refused = store.run(2, "XREADGROUP GROUP g two BLOCK 0 STREAMS t s > >");
    assert_eq!(refused, "-NOGROUP No such key 't' or consumer group 'g' in XREADGROUP with GROUP option ");
    store.run(2, "XREADGROUP GROUP g two BLOCK 0 STREAMS s >");

    store.run(0, "XADD s 1-1 f v");
    assert_eq!((store.sent(1), store.sent(2)), ("s 1-1 f v".to_owned(), String::new()));
    store.run(0, "XADD s 2-1 f v");
    assert_eq!((store.sent(1), store.sent(2)), (String::new(), "s 2-1 f v".to_owned()));
}

#[test]
fn from_now_on_stays_what_it_was_when_the_wait_began() {
    let mut store = Store::new();
    store.run(0, "XADD s 5-1 f old");
    store.run(1, "XREAD BLOCK 0 STREAMS s $");

    // The key goes and comes again with an id in front of it: nothing for who waits.
    store.run(0, "MULTI");
    store.run(0, "DEL s");
    store.run(0, "XADD s 1-1 f early");
    store.run(0, "EXEC");
    assert_eq!(store.sent(1), "");
    store.run(0, "XADD s 5-2 f new");
    assert_eq!(store.sent(1), "s 5-2 f new");
}

#[test]
fn who_waits_in_a_group_is_told_when_it_goes() {
    let gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for (line, wanted) in [
        ("DEL s", gone),
        ("SET s x", wrong),
        ("FLUSHALL", gone),
        ("XGROUP DESTROY s g", gone),
        ("RENAME s t", gone),
        ("SWAPDB 0 1", gone),
        ("MOVE s 3", gone),
        ("PEXPIREAT s 1", gone),
        ("RENAME l s", wrong),
        ("XGROUP SETID s g 0", ""),
        ("XDEL s 1-1", ""),
    ] {
        let mut store = Store::new();
        store.run(0, "LPUSH l x");
        store.run(0, "XGROUP CREATE s g $ MKSTREAM");
        store.run(1, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
        store.run(2, "XREAD BLOCK 0 STREAMS s $");
        assert_eq!(store.engine.core().blocked.keys_minded(), 1);

        store.run(0, line);

        assert_eq!((store.sent(1).as_str(), store.sent(2).as_str()), (wanted, ""), "{line}");
        assert!(!store.engine.has_served(), "{line}");
    }
}
