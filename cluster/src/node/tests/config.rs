//! CONFIG.

use super::Fixture;
use crate::machine::Endpoint;

#[test]
fn config_get_shows_pairs_and_in_resp3_a_map() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    assert_eq!(fixture.call(client, "CONFIG GET PORT appendonly"), "*4|$4|PORT|$4|6379|$10|appendonly|$2|no|");
    fixture.call(client, "HELLO 3");

    assert_eq!(fixture.call(client, "CONFIG GET maxmemor?"), "%1|$9|maxmemory|$1|0|");
    assert_eq!(fixture.call(client, "CONFIG GET nothing"), "%0|");
}

#[test]
fn config_set_changes_all_options_or_none() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    assert_eq!(fixture.call(client, "CONFIG SET maxmemory 1mb timeout 5"), "+OK|");
    let refused = fixture.call(client, "CONFIG SET maxmemory 2mb timeout x");

    assert_eq!(
        refused,
        "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an \
         integer|"
    );
    assert_eq!(fixture.call(client, "CONFIG GET maxmemory"), "*2|$9|maxmemory|$7|1048576|");
    assert_eq!(fixture.call(client, "CONFIG SET maxmemory 1mb timeout"), "-ERR syntax error|");
}

#[test]
fn a_new_port_is_listened_on_before_the_answer() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    assert_eq!(fixture.call(client, "CONFIG SET port 7000"), "+OK|");

    assert_eq!(fixture.listening[&Endpoint::Client].port, 7000);
    assert_eq!(fixture.call(client, "CONFIG GET port"), "*2|$4|port|$4|7000|");
}

#[test]
fn a_port_that_is_taken_changes_nothing() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.taken_port = Some(7000);

    let reply = fixture.call(client, "CONFIG SET timeout 9 port 7000");

    assert_eq!(
        reply,
        "-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server \
         logs.|"
    );
    assert_eq!(fixture.call(client, "CONFIG GET timeout port"), "*4|$7|timeout|$1|0|$4|port|$4|6379|");
    assert!(fixture.node.is_running());
}

#[test]
fn a_node_whose_bus_port_is_taken_goes_back_to_its_old_ports() {
    let mut fixture = Fixture::with(|config| config.cluster_enabled = true);
    let client = fixture.client();
    fixture.taken_port = Some(17000);

    assert!(fixture.call(client, "CONFIG SET port 7000").starts_with("-ERR CONFIG SET failed"));

    assert_eq!(fixture.listening[&Endpoint::Client].port, 6379);
    assert_eq!(fixture.listening[&Endpoint::Bus].port, 16379);
    fixture.taken_port = None;
    assert_eq!(fixture.call(client, "CONFIG SET port 7000"), "+OK|");
    assert_eq!(fixture.listening[&Endpoint::Bus].port, 17000);
}

#[test]
fn a_folder_must_exist_and_is_protected() {
    let mut fixture = Fixture::with(|config| {
        config.enable_protected_configs = slotmesh_engine::config::choices::Allowed::Local;
    });
    let (client, stranger) = (fixture.client(), fixture.stranger());

    assert_eq!(
        fixture.call(client, "CONFIG SET dir nowhere"),
        "-ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory|"
    );
    assert_eq!(fixture.call(client, "CONFIG SET dir ../etc"), "+OK|");
    assert_eq!(fixture.call(client, "CONFIG GET dir"), "*2|$3|dir|$4|/etc|");
    assert_eq!(fixture.call(client, "SAVE"), "+OK|");
    assert!(fixture.disk.files.contains_key("/etc/dump.rdb"));
    assert!(fixture.is_closed(stranger), "protected mode");
}

#[test]
fn changes_that_wait_for_the_host_happen_one_after_the_other() {
    let mut fixture = Fixture::new();
    let (first, second, third) = (fixture.client(), fixture.client(), fixture.client());
    fixture.disk.files.insert("/etc/redis.conf".to_owned(), b"port 6379\n".to_vec());
    fixture.hold_disk = true;
    fixture.send(first, "CONFIG REWRITE");
    fixture.send(second, "CONFIG SET timeout 3");
    fixture.send(third, "CONFIG REWRITE");
    assert_eq!(fixture.heard(second), "");

    fixture.release_disk();

    assert_eq!([first, second, third].map(|client| fixture.heard(client)), ["+OK|", "+OK|", "+OK|"]);
    assert!(fixture.disk.text("/etc/redis.conf").contains("\ntimeout 3\n"));
    assert!(fixture.logged("CONFIG REWRITE executed with success."));
}

#[test]
fn a_rewrite_keeps_comments_and_adds_what_changed() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.disk.files.insert("/etc/redis.conf".to_owned(), b"# mine\nport 6379\n".to_vec());
    fixture.call(client, "CONFIG SET maxmemory 100mb");

    assert_eq!(fixture.call(client, "CONFIG REWRITE"), "+OK|");

    let text = fixture.disk.text("/etc/redis.conf");
    assert!(text.starts_with("# mine\nport 6379\n"), "{text}");
    assert!(text.contains("\nmaxmemory 100mb\n"), "{text}");
    assert!(text.contains("\nuser default on nopass ~* &* +@all\n"), "{text}");
    assert_eq!(fixture.disk.files.len(), 1, "no temporary file stays");
}

#[test]
fn a_rewrite_that_fails_leaves_the_file_alone() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.disk.files.insert("/etc/redis.conf".to_owned(), b"port 6379\n".to_vec());
    fixture.disk.full_for = Some("redis.conf".to_owned());

    let reply = fixture.call(client, "CONFIG REWRITE");

    assert_eq!(reply, "-ERR Rewriting config file: No space left on device|");
    assert_eq!(fixture.disk.text("/etc/redis.conf"), "port 6379\n");
}

#[test]
fn a_node_without_file_has_nothing_to_rewrite() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.node.host.config_file = None;

    assert_eq!(fixture.call(client, "CONFIG REWRITE"), "-ERR The server is running without a config file|");
}

#[test]
fn a_change_that_waits_is_refused_in_a_transaction() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    for request in ["MULTI", "CONFIG SET port 7000", "CONFIG SET timeout 4"] {
        fixture.call(client, request);
    }

    let reply = fixture.call(client, "EXEC");

    assert_eq!(reply, "*2|-ERR this change waits for the host and cannot be part of a transaction|+OK|");
    assert_eq!(fixture.listening[&Endpoint::Client].port, 6379);
}

#[test]
fn the_append_only_file_is_turned_on_and_off() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    assert_eq!(fixture.call(client, "CONFIG SET appendonly yes"), "+OK|");
    fixture.advance(200);

    assert!(fixture.disk.files.keys().any(|path| path.ends_with(".manifest")), "{:?}", fixture.disk.files.keys());
    assert!(fixture.call(client, "INFO persistence").contains("|aof_enabled:1|"));
    assert_eq!(fixture.call(client, "CONFIG SET appendonly no"), "+OK|");
    assert!(fixture.call(client, "INFO persistence").contains("|aof_enabled:0|"));
}

#[test]
fn a_password_is_asked_of_new_clients_until_it_is_taken_away() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.call(client, "CONFIG SET requirepass secret");
    let newcomer = fixture.client();
    assert_eq!(fixture.call(newcomer, "PING"), "-NOAUTH Authentication required.|");
    assert_eq!(fixture.call(client, "PING"), "+PONG|");

    fixture.call(client, "CONFIG SET requirepass |");
    fixture.send_words(client, &[b"CONFIG", b"SET", b"requirepass", b""]);

    assert_eq!(fixture.call(newcomer, "PING"), "+PONG|");
}

#[test]
fn resetstat_takes_the_counters_back() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    fixture.call(client, "PING");
    fixture.call(client, "NOSUCH");

    assert_eq!(fixture.call(client, "CONFIG RESETSTAT"), "+OK|");

    let text = fixture.call(client, "INFO all");
    assert!(text.contains("|total_commands_processed:1|"), "{text}");
    assert!(text.contains("|cmdstat_config|resetstat:calls=1,"), "{text}");
    assert!(!text.contains("errorstat_ERR"), "{text}");
}

#[test]
fn a_word_that_is_no_subcommand_is_refused() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    assert_eq!(fixture.call(client, "CONFIG foo"), "-ERR unknown subcommand 'foo'. Try CONFIG HELP.|");
    assert_eq!(fixture.call(client, "CONFIG SET"), "-ERR wrong number of arguments for 'config|set' command|");
    assert!(fixture.call(client, "CONFIG HELP").starts_with("*11|+CONFIG <subcommand>"));
}
