//! INFO, MONITOR, SHUTDOWN.

use slotmesh_engine::config::choices::LogLevel;

use super::Fixture;
use super::disk::TestDisk;
use crate::node::CpuTime;

fn sections(text: &str) -> Vec<&str> {
    text.split('|').filter_map(|line| line.strip_prefix("# ")).collect()
}

#[test]
fn info_shows_the_default_sections_in_order() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    let text = fixture.call(client, "INFO");

    let expected = [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Errorstats",
        "Cluster",
        "Keyspace",
    ];
    assert_eq!(sections(&text), expected);
    assert_eq!(sections(&fixture.call(client, "INFO keyspace SERVER")), ["Server", "Keyspace"]);
    assert_eq!(sections(&fixture.call(client, "INFO everything")).len(), 13);
    assert_eq!(fixture.call(client, "INFO nothing"), "$0||");
}

#[test]
fn info_in_resp3_is_a_verbatim_string() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.call(client, "HELLO 3");

    assert!(fixture.call(client, "INFO cluster").starts_with("=34|txt:# Cluster|cluster_enabled:0|"));
}

#[test]
fn info_counts_bytes_and_commands() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.call(client, "PING");
    fixture.call(client, "PING");

    let text = fixture.call(client, "INFO stats");

    assert!(text.contains("|total_commands_processed:2|"), "{text}");
    assert!(text.contains("|total_net_output_bytes:14|"), "{text}");
    assert!(text.contains("|total_reads_processed:3|"), "{text}");
}

#[test]
fn info_tells_how_long_keys_live_on_average() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.call(client, "MSET a 1 b 1 c 1");
    let line = |fixture: &mut Fixture| fixture.call(client, "INFO keyspace");
    assert!(line(&mut fixture).contains("|db0:keys=3,expires=0,avg_ttl=0,"));

    fixture.call(client, "PEXPIRE a 10000");
    fixture.call(client, "PEXPIRE b 50000");
    assert!(line(&mut fixture).contains("|db0:keys=3,expires=2,avg_ttl=30000,"));

    fixture.advance(4_000);
    assert!(line(&mut fixture).contains("|db0:keys=3,expires=2,avg_ttl=26000,"));
    fixture.call(client, "PERSIST a");
    assert!(line(&mut fixture).contains("|db0:keys=3,expires=1,avg_ttl=46000,"));
    fixture.call(client, "DEL b");
    assert!(line(&mut fixture).contains("|db0:keys=2,expires=0,avg_ttl=0,"));
}

#[test]
fn info_tells_the_time_of_the_main_thread_only_where_it_is_known() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    assert!(!fixture.call(client, "INFO cpu").contains("main_thread"));

    fixture.node.set_main_thread_cpu_time(Some(CpuTime { system_micros: 1_000_250, user_micros: 40_000 }));

    let text = fixture.call(client, "INFO cpu");
    assert!(text.contains("|used_cpu_sys_children:0.000000|used_cpu_user_children:0.000000|"), "{text}");
    let expected = "|used_cpu_sys_main_thread:1.000250|used_cpu_user_main_thread:0.040000|";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_clients_line_counts_its_bytes_and_the_commands_that_ran() {
    let mut fixture = Fixture::new();
    let (client, other) = (fixture.client(), fixture.client());
    let id = fixture.call(client, "CLIENT ID");
    let id = id.trim_matches([':', '|']).to_owned();
    let seen = |fixture: &mut Fixture| {
        let line = fixture.call(other, &format!("CLIENT LIST ID {id}"));
        let (_, counts) = line.split_once(" tot-net-").expect("the line has counts");
        counts.trim_end_matches(['|', '\n']).to_owned()
    };
    // CLIENT ID as an array of two words, and its reply.
    assert_eq!(seen(&mut fixture), "in=24 tot-net-out=4 tot-cmds=1");

    // Refused and queued commands did not run; those of a transaction did, and so did EXEC.
    for line in ["NOSUCH", "GET", "MULTI", "PING"] {
        fixture.call(client, line);
    }
    assert!(seen(&mut fixture).ends_with(" tot-cmds=2"));
    fixture.call(client, "EXEC");
    assert!(seen(&mut fixture).ends_with(" tot-cmds=4"));

    // Who waits has not run; who stopped waiting has.
    fixture.call(client, "BLPOP q 0");
    assert!(seen(&mut fixture).ends_with(" tot-cmds=4"));
    fixture.call(other, "LPUSH q 1");
    assert!(seen(&mut fixture).ends_with(" tot-cmds=5"));
    fixture.call(client, "BLPOP q 1");
    fixture.advance(1_500);
    assert!(seen(&mut fixture).ends_with(" tot-cmds=6"));

    // The command that asks is not among its own counts yet, and its reply is not either.
    let own = fixture.call(client, "CLIENT INFO");
    assert!(own.trim_end_matches(['|', '\n']).ends_with(" tot-cmds=6"), "{own}");
}

#[test]
fn a_monitor_sees_other_clients_commands() {
    let mut fixture = Fixture::new();
    let (monitor, client) = (fixture.client(), fixture.client());

    assert_eq!(fixture.call(monitor, "MONITOR"), "+OK|");
    fixture.send_words(client, &[b"ECHO", b"a \"b\""]);

    assert_eq!(fixture.heard(monitor), "+1700000000.000000 [0 ?:0] \"ECHO\" \"a \\\"b\\\"\"|");
    assert!(fixture.call(monitor, "INFO clients").contains("|connected_clients:2|"));
    assert!(fixture.call(monitor, "RESET").ends_with("+RESET|"));
    fixture.call(client, "PING");
    assert_eq!(fixture.heard(monitor), "", "it watches no longer");
}

#[test]
fn shutdown_refuses_words_that_do_not_fit() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    for request in ["SHUTDOWN x", "SHUTDOWN SAVE NOSAVE", "SHUTDOWN NOSAVE SAVE", "SHUTDOWN ABORT NOW"] {
        assert_eq!(fixture.call(client, request), "-ERR syntax error|", "{request}");
    }
    assert_eq!(fixture.call(client, "SHUTDOWN ABORT"), "-ERR No shutdown in progress.|");
    assert_eq!(fixture.exit, None);
}

#[test]
fn shutdown_saves_before_the_end_as_the_save_points_say() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    assert_eq!(fixture.call(client, "SHUTDOWN"), "");

    assert_eq!(fixture.exit, Some(0));
    assert!(fixture.disk.files.contains_key("/data/dump.rdb"));
    for line in
        ["Saving the final RDB snapshot before exiting.", "DB saved on disk", "Redis is now ready to exit, bye bye..."]
    {
        assert!(fixture.logged(line), "{line}");
    }
    assert!(!fixture.logged("Background saving"), "somebody waits for it");
}

#[test]
fn shutdown_nosave_leaves_no_file() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    fixture.send(client, "SHUTDOWN NOSAVE");

    assert_eq!(fixture.exit, Some(0));
    assert!(fixture.disk.files.is_empty());
}

#[test]
fn a_shutdown_that_cannot_save_tells_its_client_and_goes_on() {
    let disk = TestDisk { full_for: Some("temp-42.rdb".to_owned()), ..TestDisk::default() };
    let mut fixture = Fixture::started(|_| {}, disk);
    let client = fixture.client();

    assert_eq!(fixture.call(client, "SHUTDOWN SAVE"), "-ERR Errors trying to SHUTDOWN. Check logs.|");

    assert_eq!(fixture.exit, None);
    assert!(fixture.logged("Error trying to save the DB, can't exit."));
    fixture.send(client, "SHUTDOWN SAVE FORCE");
    assert_eq!(fixture.exit, Some(0));
}

#[test]
fn a_shutdown_that_waits_can_be_taken_back() {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.client(), fixture.client());
    fixture.hold_disk = true;
    assert_eq!(fixture.call(first, "SHUTDOWN"), "");

    assert_eq!(fixture.call(second, "SHUTDOWN ABORT"), "+OK|");

    assert_eq!(fixture.heard(first), "-ERR Errors trying to SHUTDOWN. Check logs.|");
    fixture.release_disk();
    assert_eq!(fixture.exit, None);
    assert_eq!(fixture.call(first, "PING"), "+PONG|");
}

#[test]
fn a_shutdown_replaces_a_running_save() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.hold_disk = true;
    fixture.call(client, "BGSAVE");
    fixture.send(client, "SHUTDOWN");

    fixture.release_disk();

    assert_eq!(fixture.exit, Some(0));
    assert!(fixture.logged("There is a child saving an .rdb. Killing it!"));
    assert!(fixture.disk.files.contains_key("/data/dump.rdb"));
}

#[test]
fn a_client_in_wait_is_unblocked_with_a_count_or_an_error() {
    let mut fixture = Fixture::new();
    let (blocked, other) = (fixture.client(), fixture.client());
    let id = fixture.call(blocked, "CLIENT ID");
    let id = id.trim_matches([':', '|']);

    assert_eq!(fixture.call(blocked, "WAIT 1 0"), "");
    assert_eq!(fixture.call(other, &format!("CLIENT UNBLOCK {id}")), ":1|");
    assert_eq!(fixture.heard(blocked), ":0|");
    fixture.send_bytes(blocked, b"WAIT 1 0\r\nPING\r\n");
    assert_eq!(fixture.call(other, &format!("CLIENT UNBLOCK {id} ERROR")), ":1|");

    assert_eq!(fixture.heard(blocked), "-UNBLOCKED client unblocked via CLIENT UNBLOCK|+PONG|");
    assert_eq!(fixture.call(other, &format!("CLIENT UNBLOCK {id}")), ":0|");
    let refused = "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR|";
    assert_eq!(fixture.call(other, &format!("CLIENT UNBLOCK {id} x")), refused);
}

#[test]
fn a_verbose_log_tells_who_comes_and_goes() {
    let mut fixture = Fixture::with(|config| config.loglevel = LogLevel::Verbose);
    let client = fixture.neighbour();

    fixture.hang_up(client);

    assert!(fixture.logged("Accepted 127.0.0.1:"));
    assert!(fixture.logged("Reading from client: Connection refused id="));
}

#[test]
fn what_was_flushed_uses_no_memory_any_more() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    let used = |fixture: &mut Fixture| {
        let info = fixture.call(client, "INFO memory");
        let (_, rest) = info.split_once("|used_memory:").expect("INFO tells it");
        rest.split('|').next().unwrap_or_default().parse::<usize>().expect("a number")
    };
    let empty = used(&mut fixture);
    for number in 0..20_000 {
        fixture.call(client, &format!("SET key:{number:05} {number}"));
    }
    let full = used(&mut fixture);
    assert!(full > empty + 600_000, "{empty} {full}");

    fixture.call(client, "FLUSHALL");

    let flushed = used(&mut fixture);
    assert!(flushed < empty + 100_000, "{empty} {full} {flushed}");
    fixture.advance(5000);
    let info = fixture.call(client, "INFO memory");
    assert!(info.contains("|lazyfree_pending_objects:0|lazyfreed_objects:20000|"), "{info}");
    fixture.call(client, "CONFIG RESETSTAT");
    assert!(fixture.call(client, "INFO memory").contains("|lazyfreed_objects:0|"));
}
