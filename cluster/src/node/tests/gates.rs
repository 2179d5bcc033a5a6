//! Which error wins when two apply, and what a refusal leaves behind. Each order was observed on Redis 7.0 in cluster
//! mode; where Valkey 9 differs, its order is kept.

use slotmesh_engine::config::startup::Rename;

use super::{Fixture, TestDisk};
use crate::machine::ConnId;

const NOT_SERVED: &str = "-CLUSTERDOWN Hash slot not served|";
const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.|";
const CROSS_SLOT: &str = "-CROSSSLOT Keys in request don't hash to the same slot|";
const PREVIOUS: &str = "-EXECABORT Transaction discarded because of previous errors.|";
const NOT_OPEN: &str = "-ERR EXEC without MULTI|";

/// A cluster node that nobody has given slots.
fn empty_cluster() -> (Fixture, ConnId) {
    let mut fixture = Fixture::with(|config| config.cluster_enabled = true);
    let client = fixture.client();
    (fixture, client)
}

/// A cluster of one node, which serves all slots.
fn cluster() -> (Fixture, ConnId) {
    let (mut fixture, client) = empty_cluster();
    assert_eq!(fixture.call(client, "CLUSTER ADDSLOTSRANGE 0 16383"), "+OK|");
    fixture.advance(5_000);
    assert_eq!(fixture.call(client, "SET k v"), "+OK|");
    (fixture, client)
}

/// Sends each request and compares its answer.
fn check(fixture: &mut Fixture, client: ConnId, steps: &[(&str, &str)]) {
    for (request, expected) in steps {
        assert_eq!(fixture.call(client, request), *expected, "{request}");
    }
}

#[test]
fn arity_comes_ahead_of_slots_and_slots_ahead_of_memory() {
    let (mut fixture, client) = cluster();
    fixture.call(client, "CONFIG SET maxmemory 1");

    check(
        &mut fixture,
        client,
        &[
            ("SET a", "-ERR wrong number of arguments for 'set' command|"),
            ("MSET a 1 b 2", CROSS_SLOT),
            ("SET k v", OOM),
            ("GET k", "$1|v|"),
        ],
    );
}

#[test]
fn a_number_of_keys_that_is_none_is_for_the_command_to_refuse() {
    let (mut fixture, client) = cluster();

    check(
        &mut fixture,
        client,
        &[
            ("LMPOP -1 a LEFT", "-ERR numkeys should be greater than 0|"),
            ("SINTERCARD x a", "-ERR numkeys should be greater than 0|"),
            ("ZUNIONSTORE target 2 a", "-ERR syntax error|"),
            ("ZUNIONSTORE target x a", "-ERR value is not an integer or out of range|"),
            ("ZUNIONSTORE target 1 a", CROSS_SLOT),
            ("LMPOP 2 a b LEFT", CROSS_SLOT),
        ],
    );
}

#[test]
fn a_stranger_hears_only_that_it_is_one() {
    let (mut fixture, client) = empty_cluster();
    fixture.call(client, "CONFIG SET requirepass secret");
    let stranger = fixture.client();

    let no_auth = "-NOAUTH Authentication required.|";
    let steps = ["GET k", "GET", "NOSUCH", "CLUSTER NOSUCH", "MSET a 1 b 2", "ASKING", "DEBUG SLEEP 0"];
    check(&mut fixture, stranger, &steps.map(|request| (request, no_auth)));
    let exec = "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.|";
    check(
        &mut fixture,
        stranger,
        &[("EXEC", exec), ("EXEC x", exec), ("AUTH", "-ERR wrong number of arguments for 'auth' command|")],
    );
}

#[test]
fn slots_come_ahead_of_the_subscribed_state() {
    let (mut fixture, client) = empty_cluster();
    fixture.call(client, "SUBSCRIBE ch");

    let may = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context|";
    let exec = format!("-EXECABORT Transaction discarded because of: Can't execute 'exec': {may}");
    let multi = format!("-ERR Can't execute 'multi': {may}");
    check(&mut fixture, client, &[("GET k", NOT_SERVED), ("MULTI", &multi), ("EXEC", &exec)]);
}

#[test]
fn a_redirected_command_spoils_the_transaction_it_was_meant_for() {
    let (mut fixture, client) = empty_cluster();

    let steps = [("MULTI", "+OK|"), ("SET k v", NOT_SERVED), ("PING", "+QUEUED|"), ("EXEC", PREVIOUS)];
    check(&mut fixture, client, &steps);
    check(&mut fixture, client, &[("EXEC", NOT_OPEN)]);
}

#[test]
fn a_redirected_exec_ends_its_transaction_in_the_redirect_s_words() {
    let (mut fixture, client) = cluster();
    let other = fixture.client();

    check(&mut fixture, client, &[("MULTI", "+OK|"), ("SET k w", "+QUEUED|")]);
    fixture.call(other, "CLUSTER DELSLOTSRANGE 0 16383");
    check(&mut fixture, client, &[("EXEC", NOT_SERVED), ("EXEC", NOT_OPEN)]);
}

#[test]
fn the_keys_of_a_whole_transaction_are_in_one_slot() {
    let (mut fixture, client) = cluster();

    let queue = [("MULTI", "+OK|"), ("SET k v", "+QUEUED|"), ("GET x", "+QUEUED|")];
    check(&mut fixture, client, &queue);
    check(&mut fixture, client, &[("EXEC", CROSS_SLOT), ("EXEC", NOT_OPEN)]);
}

#[test]
fn an_exec_that_needs_memory_is_refused_where_one_that_reads_is_not() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    check(&mut fixture, client, &[("MULTI", "+OK|"), ("SET a b", "+QUEUED|")]);
    check(&mut fixture, client, &[("CONFIG SET maxmemory 1", "+QUEUED|"), ("EXEC", "*2|+OK|+OK|")]);
    let refused = format!("-EXECABORT Transaction discarded because of: {}", &OOM[1..]);
    check(&mut fixture, client, &[("MULTI", "+OK|"), ("GET a", "+QUEUED|"), ("EXEC", "*1|$1|b|")]);
    check(&mut fixture, client, &[("MULTI", "+OK|"), ("SET a c", OOM), ("EXEC", PREVIOUS)]);
    fixture.call(client, "CONFIG SET maxmemory 0");
    check(&mut fixture, client, &[("MULTI", "+OK|"), ("SET a c", "+QUEUED|")]);
    let other = fixture.client();
    fixture.call(other, "CONFIG SET maxmemory 1");
    check(&mut fixture, client, &[("EXEC", &refused), ("EXEC", NOT_OPEN), ("GET a", "$1|b|")]);
}

#[test]
fn asking_holds_for_one_request_or_for_the_transaction_it_opens() {
    let (mut fixture, client) = cluster();
    let asking = |fixture: &Fixture| {
        let session = fixture.node.conns.client(client).unwrap().session;
        fixture.node.engine.session(session).asking
    };

    for request in ["GET k", "GET", "NOSUCH", "PING", "MSET a 1 b 2"] {
        fixture.call(client, "ASKING");
        assert!(asking(&fixture));
        fixture.call(client, request);
        assert!(!asking(&fixture), "{request}");
    }
    for end in ["EXEC", "DISCARD", "EXEC x", "RESET"] {
        fixture.call(client, "ASKING");
        fixture.call(client, "MULTI");
        fixture.call(client, "GET k");
        assert!(asking(&fixture));
        fixture.call(client, end);
        assert!(!asking(&fixture), "{end}");
    }
    fixture.call(client, "ASKING");
    fixture.call(client, "ASKING");
    assert!(asking(&fixture));
}

#[test]
fn a_renamed_exec_still_runs_the_queue() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.node.engine.registry_mut().rename(b"EXEC", b"COMMIT").unwrap();

    check(&mut fixture, client, &[("MULTI", "+OK|"), ("PING", "+QUEUED|"), ("COMMIT", "*1|+PONG|")]);
}

#[test]
fn the_configuration_renames_commands_and_takes_them_away() {
    let rename = |from: &str, to: &str| Rename { from: from.into(), to: to.into() };
    let mut fixture =
        Fixture::with(|config| config.startup.renames = vec![rename("flushall", ""), rename("CONFIG", "cfg-7")]);
    let client = fixture.client();

    check(&mut fixture, client, &[("SET k v", "+OK|"), ("Cfg-7 GET port", "*2|$4|port|$4|6379|")]);
    let unknown = "-ERR unknown command 'FLUSHALL', with args beginning with: |";
    check(&mut fixture, client, &[("FLUSHALL", unknown), ("GET k", "$1|v|")]);
    assert!(fixture.call(client, "CONFIG GET port").starts_with("-ERR unknown command 'CONFIG'"));
}

#[test]
fn a_node_does_not_start_without_the_modules_it_is_told_to_load() {
    let disk = TestDisk::default();
    let fixture = Fixture::started(|config| config.startup.modules = vec![vec![b"/m.so".to_vec()]], disk);

    assert_eq!(fixture.exit, Some(1));
    assert!(fixture.logged("Can't load module from /m.so: server aborting"));
}

#[test]
fn unpause_lets_the_held_clients_go() {
    let mut fixture = Fixture::new();
    let operator = fixture.client();
    let writer = fixture.client();
    fixture.call(operator, "CLIENT PAUSE 100000 WRITE");

    assert_eq!(fixture.call(writer, "SET k v"), "");
    assert_eq!(fixture.call(writer, "GET k"), "");
    assert_eq!(fixture.call(operator, "CLIENT UNPAUSE"), "+OK|");
    assert_eq!(fixture.heard(writer), "+OK|$1|v|");
}

#[test]
fn a_pause_of_everything_lets_monitors_and_replicas_talk() {
    let mut fixture = Fixture::new();
    let operator = fixture.client();
    let monitor = fixture.client();
    fixture.call(monitor, "MONITOR");
    fixture.call(operator, "CLIENT PAUSE 100000 ALL");

    let refused = "-ERR Replica can't interact with the keyspace|";
    assert_eq!(fixture.call(monitor, "GET k"), refused);
    assert_eq!(fixture.call(monitor, "PUBLISH ch x"), refused);
    assert!(fixture.call(monitor, "PING").starts_with("+PONG|"));
    assert_eq!(fixture.call(operator, "PING"), "");
}

#[test]
fn a_monitor_sees_parts_of_a_transaction_and_no_password() {
    let mut fixture = Fixture::new();
    let monitor = fixture.client();
    let client = fixture.client();
    fixture.call(monitor, "MONITOR");
    fixture.call(client, "SELECT 1");
    fixture.call(client, "MULTI");
    fixture.call(client, "SELECT 2");
    fixture.call(client, "EXEC");
    fixture.call(client, "EXEC x");
    fixture.call(client, "AUTH secret");

    let heard = fixture.heard(monitor);

    let seen: Vec<String> = heard
        .split_terminator('|')
        .map(|line| {
            let (_, shown) = line.split_once(" [").unwrap();
            let (db, rest) = shown.split_once(' ').unwrap();
            format!("{db} {}", rest.split_once("] ").unwrap().1)
        })
        .collect();
    let expected = [
        r#"1 "SELECT" "1""#,
        r#"1 "MULTI""#,
        r#"2 "SELECT" "2""#,
        r#"2 "EXEC""#,
        r#"2 "EXEC" "x""#,
        r#"2 "AUTH" "(redacted)""#,
    ];
    assert_eq!(seen, expected);
}

#[test]
fn who_changes_the_cluster_hears_so_when_it_is_on_the_disk() {
    let (mut fixture, client) = empty_cluster();
    fixture.advance(1_000);
    fixture.hold_disk = true;

    assert_eq!(fixture.call(client, "CLUSTER SET-CONFIG-EPOCH 5"), "");
    assert_eq!(fixture.call(client, "PING"), "");
    fixture.release_disk();

    assert_eq!(fixture.heard(client), "+OK|+PONG|");
}
