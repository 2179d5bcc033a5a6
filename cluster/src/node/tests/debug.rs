//! DEBUG.

use slotmesh_engine::config::choices::Allowed;

use super::Fixture;
use crate::machine::Machine;

fn open() -> Fixture {
    Fixture::with(|config| config.enable_debug_command = Allowed::Yes)
}

#[test]
fn debug_is_refused_unless_it_is_allowed() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    assert!(fixture.call(client, "DEBUG SLEEP 0").starts_with("-ERR DEBUG command not allowed."));

    let mut fixture = Fixture::with(|config| {
        config.enable_debug_command = Allowed::Local;
        config.protected_mode = false;
    });
    let (neighbour, stranger) = (fixture.neighbour(), fixture.stranger());

    assert_eq!(fixture.call(neighbour, "DEBUG SLEEP 0"), "+OK|");
    assert!(fixture.call(stranger, "DEBUG SLEEP 0").starts_with("-ERR DEBUG command not allowed."));
}

#[test]
fn a_word_that_is_no_form_is_refused() {
    let mut fixture = open();
    let client = fixture.client();

    for (request, word) in [("DEBUG foo", "foo"), ("DEBUG error", "error"), ("DEBUG protocol", "protocol")] {
        let expected = format!("-ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP.|");
        assert_eq!(fixture.call(client, request), expected);
    }
    assert!(fixture.call(client, "DEBUG HELP").contains("|+SLEEP <seconds>|"));
}

#[test]
fn a_sleeping_node_hears_and_says_nothing_until_it_wakes() {
    let mut fixture = open();
    let (sleeper, other) = (fixture.client(), fixture.client());

    fixture.send_bytes(sleeper, b"PING\r\nDEBUG SLEEP 0.5\r\nECHO a\r\n");
    fixture.send(other, "ECHO b");
    fixture.send(sleeper, "ECHO c");
    fixture.advance(499);
    assert_eq!([fixture.heard(sleeper), fixture.heard(other)], ["", ""]);
    assert_eq!(fixture.node.deadline().unwrap().0, fixture.now.instant.plus_millis(1));
    fixture.advance(1);

    assert_eq!(fixture.heard(sleeper), "+PONG|+OK|$1|a|$1|c|");
    assert_eq!(fixture.heard(other), "$1|b|");
}

#[test]
fn a_sleep_is_in_the_slow_log_with_the_time_it_was_asked_for() {
    let mut fixture = open();
    let client = fixture.client();
    fixture.call(client, "CONFIG SET latency-monitor-threshold 100");

    fixture.send(client, "DEBUG SLEEP 0.25");
    fixture.advance(300);

    assert_eq!(fixture.heard(client), "+OK|");
    assert!(fixture.call(client, "SLOWLOG GET").contains("|:250000|*3|$5|DEBUG|$5|SLEEP|$4|0.25|"));
    assert!(fixture.call(client, "LATENCY LATEST").contains("$7|command|:1700000000|:250|:250|"));
    assert!(fixture.call(client, "INFO commandstats").contains("|cmdstat_debug:calls=1,usec=250000,"));
}

#[test]
fn a_reload_keeps_the_data_and_serves_what_came_meanwhile() {
    let mut fixture = open();
    let (client, other) = (fixture.client(), fixture.client());
    fixture.call(client, "DEBUG POPULATE 3");
    fixture.call(client, "SET with-ttl x EX 100");
    let digest = fixture.call(client, "DEBUG DIGEST");
    fixture.hold_disk = true;

    fixture.send(client, "DEBUG RELOAD");
    fixture.send(other, "SET late 1");
    assert_eq!([fixture.heard(client), fixture.heard(other)], ["", ""]);
    fixture.release_disk();

    assert_eq!([fixture.heard(client), fixture.heard(other)], ["+OK|", "+OK|"]);
    assert!(fixture.logged("DB reloaded by DEBUG RELOAD"));
    fixture.call(client, "DEL late");
    assert_eq!(fixture.call(client, "DEBUG DIGEST"), digest);
    assert!(fixture.call(client, "TTL with-ttl").starts_with(":9") || fixture.call(client, "TTL with-ttl") == ":100|");
}

#[test]
fn a_reload_without_save_takes_the_file_as_it_is() {
    let mut fixture = open();
    let client = fixture.client();
    fixture.call(client, "SET a 1");
    fixture.call(client, "SAVE");
    fixture.call(client, "SET a 2");

    assert_eq!(fixture.call(client, "DEBUG RELOAD NOSAVE"), "+OK|");
    assert_eq!(fixture.call(client, "GET a"), "$1|1|");

    fixture.disk.files.clear();
    let reply = fixture.call(client, "DEBUG RELOAD NOSAVE");
    assert_eq!(reply, "-ERR Error trying to load the RDB dump, check server logs.|");
    assert_eq!(fixture.call(client, "PING"), "+PONG|");
    for words in ["NOFLUSH", "NOSAVE NOFLUSH", "NOSAVE NOFLUSH MERGE"] {
        let reply = fixture.call(client, &format!("DEBUG RELOAD {words}"));
        assert!(reply.starts_with("-ERR DEBUG RELOAD replaces the dataset: NOFLUSH"), "{words}: {reply}");
    }
    assert!(fixture.call(client, "DEBUG RELOAD x").starts_with("-ERR DEBUG RELOAD only supports"));
    assert_eq!(fixture.exit, None);
}

#[test]
fn a_file_with_a_wrong_checksum_is_loaded_only_while_nobody_looks() {
    let mut fixture = open();
    let client = fixture.client();
    fixture.call(client, "SET a 1");
    fixture.call(client, "SAVE");
    *fixture.disk.files.values_mut().next().unwrap().last_mut().unwrap() ^= 1;
    fixture.call(client, "SET a 2");

    assert!(fixture.call(client, "DEBUG RELOAD NOSAVE").starts_with("-ERR Error trying to load"));
    assert_eq!(fixture.call(client, "DEBUG SET-SKIP-CHECKSUM-VALIDATION 1"), "+OK|");
    assert_eq!(fixture.call(client, "DEBUG RELOAD NOSAVE"), "+OK|");
    assert_eq!(fixture.call(client, "GET a"), "$1|1|");

    fixture.call(client, "DEBUG SET-SKIP-CHECKSUM-VALIDATION 0");
    assert!(fixture.call(client, "DEBUG RELOAD NOSAVE").starts_with("-ERR Error trying to load"));
}

#[test]
fn who_writes_no_checksums_looks_at_none_and_says_so_of_files_without() {
    let mut fixture = Fixture::with(|config| {
        config.enable_debug_command = Allowed::Yes;
        config.rdbchecksum = false;
    });
    let client = fixture.client();
    fixture.call(client, "SET a 1");
    fixture.call(client, "SAVE");

    *fixture.disk.files.values_mut().next().unwrap().last_mut().unwrap() = 7;
    assert_eq!(fixture.call(client, "DEBUG RELOAD NOSAVE"), "+OK|");

    let mut fixture = open();
    let client = fixture.client();
    fixture.call(client, "SAVE");
    let file = fixture.disk.files.values_mut().next().unwrap();
    let body = file.len() - 8;
    file[body..].fill(0);
    assert_eq!(fixture.call(client, "DEBUG RELOAD NOSAVE"), "+OK|");
    assert!(fixture.logged("RDB file was saved with checksum disabled: no check performed."));
}

#[test]
fn switches_for_what_is_to_come_are_kept() {
    let mut fixture = open();
    let client = fixture.client();
    let refused = "-ERR argument must be a memory value bigger than 1 and smaller than 4gb|";

    assert_eq!(fixture.call(client, "DEBUG QUICKLIST-PACKED-THRESHOLD 2kb"), "+OK|");
    assert_eq!(fixture.call(client, "DEBUG QUICKLIST-PACKED-THRESHOLD 4gb"), refused);
    assert_eq!(fixture.call(client, "DEBUG QUICKLIST-PACKED-THRESHOLD 1.5"), refused);
    assert_eq!(fixture.call(client, "DEBUG SET-DISABLE-DENY-SCRIPTS 1"), "+OK|");
    let core = fixture.node.engine.core();
    assert_eq!((core.config.list_plain_bytes_min, core.debug.disable_deny_scripts), (Some(2048), true));

    fixture.call(client, "DEBUG QUICKLIST-PACKED-THRESHOLD 0");
    fixture.call(client, "DEBUG SET-DISABLE-DENY-SCRIPTS no");
    let core = fixture.node.engine.core();
    assert_eq!((core.config.list_plain_bytes_min, core.debug.disable_deny_scripts), (None, false));
}

#[test]
fn the_append_only_file_gives_the_data_back() {
    let mut fixture = Fixture::with(|config| {
        config.enable_debug_command = Allowed::Yes;
        config.appendonly = true;
    });
    let client = fixture.client();
    for request in ["SET a 1", "INCR a", "SET b x PX 100000"] {
        fixture.call(client, request);
    }
    let digest = fixture.call(client, "DEBUG DIGEST");

    fixture.send(client, "DEBUG LOADAOF");
    fixture.advance(2000);

    assert_eq!(fixture.heard(client), "+OK|");
    assert_eq!(fixture.call(client, "DEBUG DIGEST"), digest);
    fixture.call(client, "INCR a");
    fixture.send(client, "DEBUG LOADAOF");
    fixture.advance(2000);
    assert_eq!(fixture.heard(client), "+OK|");
    assert_eq!(fixture.call(client, "GET a"), "$1|3|");
}

#[test]
fn without_append_only_file_there_is_nothing_to_load() {
    let mut fixture = open();
    let client = fixture.client();

    assert!(fixture.call(client, "DEBUG LOADAOF").starts_with("-ERR the append only file is off"));
    for request in ["MULTI", "DEBUG RELOAD"] {
        fixture.call(client, request);
    }
    assert!(fixture.call(client, "EXEC").starts_with("*1|-ERR not now"));
}

#[test]
fn data_is_described() {
    let mut fixture = open();
    let client = fixture.client();

    assert_eq!(fixture.call(client, "DEBUG POPULATE 3 x 10"), "+OK|");
    assert_eq!(fixture.call(client, "STRLEN x:2"), ":10|");
    assert_eq!(fixture.call(client, "DEBUG POPULATE -1"), "-ERR value is out of range, must be positive|");
    assert_eq!(fixture.call(client, "DEBUG OBJECT nokey"), "-ERR no such key|");
    assert!(fixture.call(client, "DEBUG OBJECT x:1").starts_with("+Value at:"));
    assert_eq!(fixture.call(client, "DEBUG DIGEST-VALUE none"), format!("*1|+{}|", "0".repeat(40)));
    assert!(fixture.call(client, "DEBUG HTSTATS 0").contains("number of elements: 3"));
    assert_eq!(fixture.call(client, "DEBUG HTSTATS 16"), "-ERR Out of range database|");
    assert_eq!(fixture.call(client, "DEBUG STRINGMATCH-LEN 5 a*a"), ":1|");
    assert_eq!(fixture.call(client, "DEBUG STRINGMATCH-LEN 5 b*"), ":0|");
}

#[test]
fn expiry_can_be_switched_off() {
    let mut fixture = open();
    let client = fixture.client();
    fixture.call(client, "DEBUG SET-ACTIVE-EXPIRE 0");
    fixture.call(client, "SET k v PX 10");
    fixture.advance(5000);
    assert_eq!(fixture.call(client, "DBSIZE"), ":1|");

    fixture.call(client, "DEBUG SET-ACTIVE-EXPIRE 1");
    fixture.advance(1000);

    assert_eq!(fixture.call(client, "DBSIZE"), ":0|");
}

#[test]
fn errors_logs_and_histories_are_made_to_order() {
    let mut fixture = open();
    let client = fixture.client();
    let before = fixture.call(client, "INFO replication");

    assert_eq!(fixture.call(client, "DEBUG ERROR OOPS"), "-OOPS|");
    assert!(!fixture.call(client, "INFO errorstats").contains("errorstat_OOPS"));
    assert_eq!(fixture.call(client, "DEBUG LOG hello"), "+OK|");
    assert_eq!(fixture.call(client, "DEBUG CHANGE-REPL-ID"), "+OK|");
    assert_eq!(fixture.call(client, "DEBUG DROP-CLUSTER-PACKET-FILTER 1"), "+OK|");

    assert!(fixture.logged("DEBUG LOG: hello"));
    assert_ne!(fixture.call(client, "INFO replication"), before);
}

#[test]
fn every_protocol_type_is_shown_in_both_protocols() {
    let mut fixture = open();
    let client = fixture.client();
    let types = [
        ("array", "*3|:0|:1|:2|", "*3|:0|:1|:2|"),
        ("bignum", "$37|1234567999999999999999999999999999999|", "(1234567999999999999999999999999999999|"),
        ("double", "$5|3.141|", ",3.141|"),
        ("false", ":0|", "#f|"),
        ("integer", ":12345|", ":12345|"),
        ("map", "*6|:0|:0|:1|:1|:2|:0|", "%3|:0|#f|:1|#t|:2|#f|"),
        ("null", "$-1|", "_|"),
        ("set", "*3|:0|:1|:2|", "~3|:0|:1|:2|"),
        ("true", ":1|", "#t|"),
        ("verbatim", "$25|This is a verbatim\nstring|", "=29|txt:This is a verbatim\nstring|"),
    ];
    for (name, resp2, _) in types {
        assert_eq!(fixture.call(client, &format!("DEBUG PROTOCOL {name}")), resp2, "{name}");
    }
    assert_eq!(fixture.call(client, "DEBUG PROTOCOL push"), "-ERR RESP2 is not supported by this command|");
    assert!(fixture.call(client, "DEBUG PROTOCOL x").starts_with("-ERR Wrong protocol type name."));
    fixture.call(client, "HELLO 3");
    for (name, _, resp3) in types {
        assert_eq!(fixture.call(client, &format!("DEBUG PROTOCOL {name}")), resp3, "{name}");
    }
    assert!(fixture.call(client, "DEBUG PROTOCOL push").starts_with(">2|$16|server-cpu-usage|:42|"));
    assert!(fixture.call(client, "DEBUG PROTOCOL attrib").starts_with("|1|$14|key-popularity|*2|"));
}
