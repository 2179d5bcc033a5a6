//! MIGRATE: what goes over the wire, what waits meanwhile, and what becomes of the keys when something goes wrong.

use super::{Fixture, Peers};
use crate::machine::ConnId;

/// A node with a reachable target, keys `a`, `b` and `c`, and two clients.
struct Story {
    fixture: Fixture,
    client: ConnId,
    other: ConnId,
}

impl Story {
    fn new() -> Self {
        let mut fixture = Fixture::new();
        fixture.peers = Peers::Accept;
        let [client, other] = [(); 2].map(|()| fixture.client());
        fixture.call(client, "MSET a 1 b 2 c 3");
        Self { fixture, client, other }
    }

    /// Sends MIGRATE to the target and returns the connection to it.
    fn begin(&mut self, rest: &str) -> ConnId {
        self.fixture.send(self.client, &format!("MIGRATE 10.0.0.2 7000 {rest}"));
        self.fixture.dialled.last().expect("it has dialled").0
    }

    /// What the target is told, payloads left out.
    fn told(&mut self, line: ConnId) -> String {
        let said = self.fixture.heard(line);
        let is_payload = |word: &&str| word.bytes().any(|byte| !(b' '..=b'~').contains(&byte));
        said.split('|').filter(|word| !is_payload(word) && !word.starts_with(['$', '*'])).collect::<Vec<_>>().join(" ")
    }

    fn reply(&mut self, line: ConnId, replies: &str) {
        self.fixture.send_bytes(line, replies.replace('|', "\r\n").as_bytes());
    }

    fn outcome(&mut self) -> String {
        self.fixture.heard(self.client)
    }

    fn keys(&mut self) -> String {
        self.fixture.call(self.other, "MGET a b c")
    }
}

const ALL: &str = "*3|$1|1|$1|2|$1|3|";
const READING: &str = "-IOERR error or timeout reading to target instance|";
const WRITING: &str = "-IOERR error or timeout writing to target instance|";

#[test]
fn keys_are_removed_once_the_target_has_them() {
    let mut story = Story::new();
    let line = story.begin("a 0 1000");

    assert_eq!(story.told(line), "SELECT 0 RESTORE a 0 ");
    story.reply(line, "+OK|");
    assert_eq!((story.outcome().as_str(), story.keys().as_str()), ("", ALL));
    story.reply(line, "+OK|");
    assert_eq!(story.outcome(), "+OK|");
    assert_eq!(story.keys(), "*3|$-1|$1|2|$1|3|");
}

#[test]
fn a_kept_connection_needs_no_select_and_is_closed_when_it_is_idle() {
    let mut story = Story::new();
    let line = story.begin("a 0 1000");
    story.reply(line, "+OK|+OK|");
    story.told(line);

    assert_eq!(story.begin("b 0 1000"), line);
    assert_eq!(story.told(line), "RESTORE b 0 ");
    story.reply(line, "+OK|");
    assert_eq!(story.begin("c 2 1000 COPY REPLACE"), line);
    assert_eq!(story.told(line), "SELECT 2 RESTORE c 0 REPLACE ");
    story.reply(line, "+OK|+OK|");
    assert_eq!(story.outcome(), "+OK|+OK|+OK|");
    assert_eq!(story.keys(), "*3|$-1|$-1|$1|3|");

    assert!(story.fixture.call(story.other, "INFO stats").contains("migrate_cached_sockets:1"));
    story.fixture.advance(9_999);
    assert!(!story.fixture.is_closed(line));
    story.fixture.advance(1);
    assert!(story.fixture.is_closed(line));
    assert!(story.fixture.call(story.other, "INFO stats").contains("migrate_cached_sockets:0"));
}

#[test]
fn writers_of_keys_in_transit_wait_and_readers_do_not() {
    let mut story = Story::new();
    let line = story.begin("a 0 1000");
    let [writer, setter, flusher] = [(); 3].map(|()| story.fixture.client());
    story.fixture.send(writer, "INCR a");
    story.fixture.send(writer, "PING");
    story.fixture.send(flusher, "SWAPDB 0 1");
    for request in ["MULTI", "GET a", "APPEND a x"] {
        story.fixture.send(setter, request);
    }
    assert_eq!(story.fixture.heard(setter), "+OK|+QUEUED|+QUEUED|");
    story.fixture.send(setter, "EXEC");

    assert_eq!(story.fixture.call(story.other, "GET a"), "$1|1|");
    assert_eq!(story.fixture.call(story.other, "COPY a d"), ":1|");
    assert_eq!(story.fixture.call(story.other, "SET b 5"), "+OK|");
    for waiting in [writer, setter, flusher] {
        assert_eq!(story.fixture.heard(waiting), "");
    }

    story.reply(line, "+OK|+OK|");
    assert_eq!(story.fixture.heard(writer), ":1|+PONG|");
    assert_eq!(story.fixture.heard(flusher), "+OK|");
    let told = story.fixture.heard(setter);
    assert!(told == "*2|$1|1|:2|" || told == "*2|$-1|:1|", "{told}");
}

#[test]
fn whoever_is_served_by_a_key_waits_too_if_it_would_write_what_is_in_transit() {
    let mut story = Story::new();
    let waiter = story.fixture.client();
    story.fixture.call(story.other, "RPUSH list x");
    story.fixture.send(waiter, "BLMOVE source list LEFT RIGHT 0");
    story.fixture.send(waiter, "PING");
    let line = story.begin("list 0 1000");

    assert_eq!(story.fixture.call(story.other, "RPUSH source y"), ":1|");
    assert_eq!(story.fixture.heard(waiter), "");
    story.reply(line, "+OK|+OK|");

    assert_eq!(story.fixture.heard(waiter), "$1|y|+PONG|");
    assert_eq!(story.fixture.call(story.other, "LRANGE list 0 -1"), "*1|$1|y|");
}

#[test]
fn the_targets_first_error_is_told_and_the_other_keys_go() {
    let mut story = Story::new();
    story.fixture.send_words(
        story.client,
        &[b"MIGRATE", b"10.0.0.2", b"7000", b"", b"0", b"1000", b"AUTH", b"pw", b"KEYS", b"a", b"none", b"b", b"c"],
    );
    let line = story.fixture.dialled[0].0;
    assert_eq!(story.told(line), "AUTH pw SELECT 0 RESTORE a 0 RESTORE b 0 RESTORE c 0 ");

    story.reply(line, "+OK|+OK|+OK|-BUSYKEY Target key name already exists.|-ERR other|");
    let error = "-ERR Target instance replied with error: BUSYKEY Target key name already exists.|";
    assert_eq!(story.outcome(), error);
    assert_eq!(story.keys(), "*3|$-1|$1|2|$1|3|");
    // Where the connection stands is not sure any more.
    assert_eq!(story.begin("b 0 1000"), line);
    assert_eq!(story.told(line), "SELECT 0 RESTORE b 0 ");
}

#[test]
fn a_refused_login_leaves_every_key_where_it_is() {
    let mut story = Story::new();
    let line = story.begin("a 0 1000 AUTH2 user pw");
    story.reply(line, "-WRONGPASS no|+OK|+OK|");
    assert_eq!(story.outcome(), "-ERR Target instance replied with error: WRONGPASS no|");
    assert_eq!(story.keys(), ALL);
}

#[test]
fn the_log_and_listeners_hear_of_one_removal() {
    let mut story = Story::new();
    let replica = story.fixture.client();
    story.fixture.call(story.other, "CONFIG SET notify-keyspace-events Eg");
    story.fixture.send(replica, "SUBSCRIBE __keyevent@0__:del");
    story.fixture.heard(replica);
    story.fixture.call(story.other, "WATCH b");
    let before = story.fixture.node.engine().core().changes.dirty();
    story
        .fixture
        .send_words(story.client, &[b"MIGRATE", b"10.0.0.2", b"7000", b"", b"0", b"1000", b"KEYS", b"a", b"b"]);
    let line = story.fixture.dialled[0].0;
    story.reply(line, "+OK|+OK|+OK|");

    assert_eq!(story.fixture.node.engine().core().changes.dirty(), before + 2);
    let heard = story.fixture.heard(replica);
    assert!(heard.contains("|a|") && heard.contains("|b|"), "{heard}");
    story.fixture.call(story.other, "MULTI");
    assert_eq!(story.fixture.call(story.other, "EXEC"), "*-1|");
}

#[test]
fn keys_that_vanish_meanwhile_are_not_missed() {
    let mut story = Story::new();
    story.fixture.call(story.other, "PEXPIRE a 300");
    let line = story.begin("a 0 1000");
    assert_eq!(story.told(line), "SELECT 0 RESTORE a 300 ");
    story.fixture.advance(500);
    assert_eq!(story.keys(), "*3|$-1|$1|2|$1|3|");
    story.reply(line, "+OK|+OK|");
    assert_eq!(story.outcome(), "+OK|");
}

#[test]
fn errors_of_connections_are_those_of_redis() {
    let mut story = Story::new();
    story.fixture.peers = Peers::Refuse;
    story.begin("a 0 1000");
    assert_eq!(story.outcome(), WRITING);
    story.fixture.send(story.client, "MIGRATE localhost 7000 a 0 1000");
    assert_eq!(story.outcome(), WRITING);
    story.fixture.peers = Peers::Unknown;
    story.fixture.send(story.client, "MIGRATE nowhere 7000 a 0 1000");
    assert_eq!(story.outcome(), "-IOERR error or timeout connecting to the client|");

    story.fixture.peers = Peers::Silent;
    let line = story.begin("a 0 0");
    story.fixture.advance(999);
    assert_eq!(story.outcome(), "");
    story.fixture.advance(1);
    assert_eq!(story.outcome(), "-IOERR error or timeout connecting to the client|");
    assert!(story.fixture.is_closed(line));

    story.fixture.peers = Peers::Accept;
    let line = story.begin("a 0 500");
    story.reply(line, "+OK|");
    story.fixture.advance(500);
    assert_eq!(story.outcome(), READING);
    assert!(story.fixture.is_closed(line));

    let line = story.begin("a 0 500");
    story.reply(line, ":1|");
    assert_eq!(story.outcome(), READING);
    let line = story.begin("a 0 500");
    story.reply(line, "rubbish|");
    assert_eq!(story.outcome(), READING);
    assert_eq!(story.keys(), ALL);
}

#[test]
fn a_kept_connection_that_broke_is_replaced_once() {
    let mut story = Story::new();
    let first = story.begin("a 0 1000");
    story.reply(first, "+OK|+OK|");
    story.begin("b 0 1000");
    story.fixture.hang_up(first);

    let second = story.fixture.dialled[1].0;
    assert_eq!(story.told(second), "SELECT 0 RESTORE b 0 ");
    story.fixture.hang_up(second);
    assert_eq!(story.outcome(), format!("+OK|{READING}"));
    assert_eq!(story.fixture.dialled.len(), 2);
    assert_eq!(story.keys(), "*3|$-1|$1|2|$1|3|");
}

#[test]
fn a_node_that_becomes_a_replica_keeps_what_was_in_transit() {
    let mut story = Story::new();
    let line = story.begin("a 0 60000");
    let writer = story.fixture.client();
    story.fixture.send(writer, "SET a 9");
    story.fixture.call(story.other, "REPLICAOF 10.0.0.9 6379");

    assert!(story.outcome().starts_with("-UNBLOCKED "));
    assert!(story.fixture.is_closed(line));
    assert!(story.fixture.heard(writer).starts_with("-READONLY "));
    assert_eq!(story.keys(), ALL);
}

#[test]
fn a_pause_delays_the_removal() {
    let mut story = Story::new();
    let line = story.begin("a 0 60000");
    story.fixture.call(story.other, "CLIENT PAUSE 5000 WRITE");
    story.reply(line, "+OK|+OK|");
    assert_eq!((story.outcome().as_str(), story.keys().as_str()), ("", ALL));

    story.fixture.advance(5_000);
    assert_eq!(story.outcome(), "+OK|");
    assert_eq!(story.keys(), "*3|$-1|$1|2|$1|3|");
}

#[test]
fn a_client_that_leaves_does_not_stop_its_keys() {
    let mut story = Story::new();
    let line = story.begin("a 0 60000");
    story.fixture.hang_up(story.client);
    story.reply(line, "+OK|+OK|");
    assert_eq!(story.keys(), "*3|$-1|$1|2|$1|3|");
}

#[test]
fn an_end_of_the_node_is_told() {
    let mut story = Story::new();
    story.begin("a 0 60000");
    story.fixture.send(story.other, "SHUTDOWN NOSAVE");
    assert_eq!(story.fixture.exit, Some(0));
    assert_eq!(story.outcome(), "-ERR The server ends; the keys were not removed here|");
}

#[test]
fn a_transaction_cannot_wait_for_another_server() {
    let mut story = Story::new();
    story.fixture.call(story.client, "MULTI");
    assert_eq!(story.fixture.call(story.client, "MIGRATE 10.0.0.2 7000 a 0 1000"), "+QUEUED|");
    let error = "*1|-ERR MIGRATE waits for another server, which a transaction cannot|";
    assert_eq!(story.fixture.call(story.client, "EXEC"), error);
    assert_eq!(story.keys(), ALL);
}

#[test]
fn two_errands_to_one_target_use_two_connections_of_which_one_is_kept() {
    let mut story = Story::new();
    let first = story.begin("a 0 1000");
    story.fixture.send(story.other, "MIGRATE 10.0.0.2 7000 b 0 1000");
    let second = story.fixture.dialled[1].0;
    assert_eq!(story.told(second), "SELECT 0 RESTORE b 0 ");
    story.reply(second, "+OK|+OK|");
    story.reply(first, "+OK|+OK|");

    assert_eq!(story.fixture.heard(story.other), "+OK|");
    assert_eq!(story.outcome(), "+OK|");
    assert!(story.fixture.is_closed(second) && !story.fixture.is_closed(first));
}
