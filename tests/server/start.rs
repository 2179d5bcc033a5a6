//! Starts: command line, files, what is logged, and refusals.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use slotmesh_test_support::launch::LaunchError;
use slotmesh_test_support::port::Port;
use slotmesh_test_support::process::Process;
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Launch, Peer, cli, require_peer};

use crate::{LIMIT, launch, ours, raw, setting, text};

#[test]
fn a_start_logs_what_supervisors_wait_for() {
    let server = launch().start().unwrap();
    let log = server.log();
    let pid = server.pid().unwrap();

    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} in {log}"));
    let order = [
        at("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo"),
        at("just started"),
        at("Running mode=standalone"),
        at(&format!(" PID: {pid}\n")),
        at("Server initialized"),
        at("Ready to accept connections"),
    ];
    assert!(order.is_sorted(), "{order:?}: {log}");
    assert_eq!(log.matches("Ready to accept connections").count(), 1);
    assert!(log.contains(&format!("{pid}:M ")));
}

#[test]
fn a_cluster_node_logs_its_identity_once() {
    let mut server = launch().cluster(1000).start().unwrap();
    assert_eq!(server.log().matches("No cluster configuration found, I'm ").count(), 1, "{}", server.log());

    server.kill().unwrap();
    server.restart().unwrap();

    assert_eq!(server.log().matches("Node configuration loaded, I'm ").count(), 1, "{}", server.log());
}

#[test]
fn a_file_is_read_with_includes_quotes_and_both_spellings() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("more.conf"), "slave-read-only no\nhash-max-ziplist-entries 7\n").unwrap();
    let config = format!(
        "# a comment\n\n  MaxMemory 100mb\t\ninclude {}\nrequirepass \"a b\\x63\"\nmasterauth 'it\\'s'\nsave 900 1\nsave 300 10\n",
        text(&dir.path().join("more.conf"))
    );
    let server = Launch::new(ours()).config(&config).start().unwrap();
    let mut client = server.client();
    assert!(client.call(["AUTH", "a bc"]).unwrap().text() == Some(b"OK"));

    assert_eq!(setting(&mut client, "maxmemory"), "104857600");
    assert_eq!(setting(&mut client, "replica-read-only"), "no");
    assert_eq!(setting(&mut client, "hash-max-listpack-entries"), "7");
    assert_eq!(setting(&mut client, "masterauth"), "it's");
    // The command line of the test says `--save ""`, which comes later.
    assert_eq!(setting(&mut client, "save"), "");
}

#[test]
fn a_wrong_line_is_named_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis.conf");
    let cases = [
        ("port 7000\nfoo bar\n", 2, "foo bar", "Bad directive or wrong number of arguments"),
        ("\n\nport x\n", 3, "port x", "argument couldn't be parsed into an integer"),
        ("port 70000\n", 1, "port 70000", "argument must be between 0 and 65535 inclusive"),
        ("appendonly maybe\n", 1, "appendonly maybe", "argument must be 'yes' or 'no'"),
        (
            "appendfsync often\n",
            1,
            "appendfsync often",
            "argument(s) must be one of the following: everysec, always, no",
        ),
        ("maxmemory lots\n", 1, "maxmemory lots", "argument must be a memory value"),
        ("save 1\n", 1, "save 1", "Invalid save parameters"),
        ("port 1 2\n", 1, "port 1 2", "wrong number of arguments"),
        ("requirepass \"open\n", 1, "requirepass \"open", "Unbalanced quotes in configuration line"),
        ("replicaof host port\n", 1, "replicaof host port", "Invalid master port"),
        ("dir /no/such/folder\n", 1, "dir /no/such/folder", "No such file or directory"),
        ("rename-command NOSUCH x\n", 1, "rename-command NOSUCH x", "No such command in rename-command"),
        ("tls-port 7000\n", 1, "tls-port 7000", "TLS is not available in this version"),
        ("tls-replication yes\n", 1, "tls-replication yes", "TLS is not available in this version"),
        (
            "aclfile users.acl\n",
            1,
            "aclfile users.acl",
            "users other than the default one are not available in this version",
        ),
    ];

    for (config, line, shown, why) in cases {
        std::fs::write(&path, config).unwrap();
        let output = cli::run(&ours(), [text(&path)], "").unwrap();

        assert_eq!(output.status.code(), Some(1), "{config}: {output:?}");
        let expected = format!("\nReading the configuration file, at line {line}\n>>> '{shown}'\n{why}\n");
        assert!(output.stderr.contains("*** FATAL CONFIG FILE ERROR (Redis "), "{}", output.stderr);
        assert!(output.stderr.contains(&expected), "{expected} in {}", output.stderr);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), config);
    }
}

#[test]
fn the_words_of_a_refusal_are_those_of_redis() {
    let redis = require_peer!(Peer::RedisServer);
    let lines = [
        "--port x",
        "--appendonly perhaps",
        "--save 1 x",
        "--maxmemory -",
        "--bogus 1",
        "--port",
        "--loglevel loud",
        "--client-output-buffer-limit normal 1",
    ];

    for line in lines {
        let refusal = |program: &Path| {
            let output = cli::run(program, line.split(' '), "").unwrap();
            assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
            let tail = output.stderr.split_once("***\n").map(|(_, tail)| tail.to_owned());
            tail.unwrap_or_else(|| panic!("{line}: {output:?}"))
        };
        assert_eq!(refusal(&ours()), refusal(&redis), "{line}");
    }
}

#[test]
fn a_missing_file_ends_the_start() {
    let output = cli::run(&ours(), ["/no/such/redis.conf"], "").unwrap();

    assert_eq!(output.status.code(), Some(1));
    let said = output.stdout + &output.stderr;
    assert!(
        said.contains("Fatal error, can't open config file '/no/such/redis.conf': No such file or directory"),
        "{said}"
    );
}

#[test]
fn version_and_help_end_at_once() {
    let version = cli::run(&ours(), ["--version"], "").unwrap();
    let help = cli::run(&ours(), ["--help"], "").unwrap();

    assert!(version.status.success());
    assert!(version.stdout.starts_with("Redis server v="), "{}", version.stdout);
    assert_eq!(help.status.code(), Some(1));
    assert!(help.stderr.contains("Usage:"));
}

#[test]
fn a_taken_port_is_named_and_ends_the_start() {
    let port = Port::claim().unwrap();
    let _taken = TcpListener::bind(("127.0.0.1", port.number())).unwrap();

    let Err(LaunchError::Ended { status, log }) = launch().option("port", &port.number().to_string()).start() else {
        panic!("it started")
    };

    assert_eq!(status.code(), Some(1));
    let number = port.number();
    assert!(
        log.contains(&format!(
            "Could not create server TCP listening socket 127.0.0.1:{number}: bind: Address already in use"
        )),
        "{log}"
    );
    assert!(log.contains(&format!("Failed listening on port {number} (TCP), aborting.")), "{log}");
}

#[test]
fn a_server_that_shall_listen_nowhere_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&ours(), dir.path(), ["--port", "0"]).unwrap();

    assert_eq!(process.wait_exit(LIMIT).unwrap().code(), Some(1));
    assert!(process.output().contains("Configured to not listen anywhere, exiting."), "{}", process.output());
}

#[test]
fn a_unix_socket_alone_is_enough() {
    let redis_cli = require_peer!(Peer::RedisCli);
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("node.sock");
    let args = ["--port", "0", "--unixsocket", text(&socket), "--unixsocketperm", "700", "--save", ""];
    let mut process = Process::start(&ours(), dir.path(), args).unwrap();
    process.wait_output(&format!("The server is now ready to accept connections at {}", text(&socket)), LIMIT).unwrap();

    let answer = cli::run(&redis_cli, ["-s", text(&socket), "set", "k", "v"], "").unwrap();

    assert_eq!(answer.stdout, "OK\n");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o700);
    process.signal(rustix::process::Signal::TERM).unwrap();
    assert!(process.wait_exit(LIMIT).unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn configuration_comes_from_standard_input_too() {
    let output = cli::run(&ours(), ["-", "--port", "0"], "maxmemory 1mb\nbogus 1\n").unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains("at line 2\n>>> 'bogus 1'"), "{}", output.stderr);
}

#[test]
fn a_background_process_writes_its_pid_and_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let port = Port::claim().unwrap();
    let number = port.number().to_string();
    let (pidfile, logfile) = (dir.path().join("server.pid"), dir.path().join("server.log"));
    let args = [
        "--port",
        &number,
        "--bind",
        "127.0.0.1",
        "--daemonize",
        "yes",
        "--pidfile",
        text(&pidfile),
        "--logfile",
        text(&logfile),
        "--dir",
        text(dir.path()),
        "--save",
        "",
    ];

    let started = cli::run(&ours(), args, "").unwrap();

    assert!(started.status.success(), "{started:?}");
    assert_eq!(started.stdout, "");
    let address = ([127, 0, 0, 1], port.number()).into();
    let mut client = poll_until("the server", LIMIT, || slotmesh_test_support::Client::connect(address).ok()).unwrap();
    assert_eq!(raw(&mut client, "PING"), "+PONG\r\n");
    let pid = std::fs::read_to_string(&pidfile).unwrap();
    assert!(pid.ends_with('\n') && pid.trim().parse::<u32>().is_ok(), "{pid:?}");
    assert!(std::fs::read_to_string(&logfile).unwrap().contains(&format!("{}:M ", pid.trim())));
    client.send(["SHUTDOWN", "NOSAVE"]).unwrap();
    poll_until("the end", LIMIT, || (!pidfile.exists()).then_some(())).unwrap();
    poll_until("the last line", LIMIT, || {
        std::fs::read_to_string(&logfile).unwrap().contains("is now ready to exit, bye bye...").then_some(())
    })
    .unwrap();
}

#[test]
fn a_rewritten_file_keeps_its_comments_and_starts_again() {
    let mut server = Launch::new(ours()).config("# kept\nslave-read-only yes\nmaxmemory 1mb\n").start().unwrap();
    let mut client = server.client();
    assert_eq!(raw(&mut client, "CONFIG SET maxmemory 2mb timeout 77"), "+OK\r\n");

    assert_eq!(raw(&mut client, "CONFIG REWRITE"), "+OK\r\n");

    let text = std::fs::read_to_string(server.dir().join("server.conf")).unwrap();
    assert!(text.starts_with("# kept\nreplica-read-only yes\nmaxmemory 2mb\n"), "{text}");
    server.kill().unwrap();
    server.restart().unwrap();
    let mut client = server.client();
    assert_eq!(setting(&mut client, "timeout"), "77");
    assert_eq!(setting(&mut client, "maxmemory"), "2097152");
}
