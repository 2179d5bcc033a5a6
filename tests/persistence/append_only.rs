//! The append only folder, traded with the real servers and rewritten under writes.

use std::path::Path;
use std::thread;

use slotmesh_test_support::data::{Contents, fill, fill_collections, pipeline};
use slotmesh_test_support::replication::info_number;
use slotmesh_test_support::{Peer, Reply, Server, cli, require_peer};

use crate::{assert_same, contents, launch, ours, stop, wait_info};

#[test]
fn redis_loads_our_append_only_folder() {
    a_folder_is_loaded(&ours(), &require_peer!(Peer::RedisServer), "yes");
}

#[test]
fn we_load_an_append_only_folder_of_redis() {
    a_folder_is_loaded(&require_peer!(Peer::RedisServer), &ours(), "yes");
}

#[test]
fn valkey_loads_our_append_only_folder() {
    a_folder_is_loaded(&ours(), &require_peer!(Peer::ValkeyServer), "yes");
}

#[test]
fn we_load_an_append_only_folder_of_valkey() {
    a_folder_is_loaded(&require_peer!(Peer::ValkeyServer), &ours(), "yes");
}

#[test]
fn bases_of_plain_commands_are_traded_as_well() {
    let redis = require_peer!(Peer::RedisServer);
    a_folder_is_loaded(&ours(), &redis, "no");
    a_folder_is_loaded(&redis, &ours(), "no");
}

#[test]
fn the_checker_of_redis_finds_no_fault_in_our_folder() {
    let checker = require_peer!(Peer::RedisServer).with_file_name("redis-check-aof");
    let dir = tempfile::tempdir().unwrap();
    let mut server = launch(&ours(), dir.path()).option("appendonly", "yes").start().unwrap();
    write_all_kinds(&server);
    stop(&mut server);

    let output = cli::run(&checker, [dir.path().join("appendonlydir/appendonly.aof.manifest")], "").unwrap();

    assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("is valid"), "{}", output.stdout);
}

#[test]
fn a_rewrite_under_writes_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = launch(&ours(), dir.path()).option("appendonly", "yes").start().unwrap();
    fill(&mut server.client(), "k", 30_000).unwrap();

    thread::scope(|scope| {
        let server = &server;
        scope.spawn(move || {
            let (mut client, mut asked) = (server.client(), server.client());
            let started = asked.call(["BGREWRITEAOF"]).unwrap();
            assert_eq!(started, Reply::Simple(b"Background append only file rewriting started".to_vec()));
            let mut rounds = 0;
            while rounds < 20 || info_number(&mut asked, "persistence", "aof_rewrite_in_progress") == 1 {
                let counts = (0..50).map(|at| vec![b"INCR".to_vec(), format!("count:{at}").into_bytes()]);
                let appends = (0..50).map(|at| {
                    let key = format!("k:{}", (rounds * 50 + at) % 30_000).into_bytes();
                    vec![b"APPEND".to_vec(), key, b"+".to_vec()]
                });
                pipeline(&mut client, counts.chain(appends)).unwrap();
                rounds += 1;
            }
        });
    });
    wait_info(&mut server.client(), "aof_last_bgrewrite_status", "ok");
    let before = contents(&server);
    stop(&mut server);
    server.restart().unwrap();

    assert_same(&before, &contents(&server));
    let files = names(&dir.path().join("appendonlydir"));
    assert_eq!(files, ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"]);
}

#[test]
fn turned_on_at_run_time_the_folder_has_everything() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = launch(&ours(), dir.path()).start().unwrap();
    let mut client = server.client();
    fill(&mut client, "before", 500).unwrap();

    assert_eq!(client.call(["CONFIG", "SET", "appendonly", "yes"]).unwrap(), Reply::Simple(b"OK".to_vec()));
    fill(&mut client, "after", 500).unwrap();
    wait_info(&mut client, "aof_rewrite_in_progress", "0");
    wait_info(&mut client, "aof_enabled", "1");
    let before = contents(&server);
    stop(&mut server);

    let server = launch(&require_or_ours(), dir.path()).option("appendonly", "yes").start().unwrap();
    assert_same(&before, &contents(&server));
}

/// The folder of a replica holds what its primary wrote.
#[test]
fn a_replica_keeps_a_folder_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let primary = slotmesh_test_support::Launch::new(require_peer!(Peer::RedisServer))
        .option("repl-diskless-sync-delay", "0")
        .start()
        .unwrap();
    fill(&mut primary.client(), "before", 200).unwrap();
    let mut replica = launch(&ours(), dir.path()).option("appendonly", "yes").start().unwrap();
    slotmesh_test_support::replication::follow(&replica, primary.port());
    write_all_kinds(&primary);
    slotmesh_test_support::replication::wait_caught_up(&primary, &replica);
    wait_info(&mut replica.client(), "aof_rewrite_in_progress", "0");
    let before = contents(&replica);
    stop(&mut replica);

    let alone = launch(&ours(), dir.path()).option("appendonly", "yes").start().unwrap();

    assert_same(&before, &contents(&alone));
    assert_same(&contents(&primary), &contents(&alone));
}

fn a_folder_is_loaded(writer: &Path, reader: &Path, preamble: &str) {
    let dir = tempfile::tempdir().unwrap();
    let launch_in =
        |program| launch(program, dir.path()).option("appendonly", "yes").option("aof-use-rdb-preamble", preamble);
    let mut server = launch_in(writer).start().unwrap();
    let mut client = server.client();
    fill(&mut client, "before", 1000).unwrap();
    fill_collections(&mut client, "before").unwrap();
    client.call(["BGREWRITEAOF"]).unwrap();
    wait_info(&mut client, "aof_rewrite_in_progress", "0");
    wait_info(&mut client, "aof_last_bgrewrite_status", "ok");
    write_all_kinds(&server);
    let before = contents(&server);
    stop(&mut server);

    let server = launch_in(reader).start().unwrap();

    assert_same(&before, &contents(&server));
    let mut fifth = server.client();
    fifth.call(["SELECT", "5"]).unwrap();
    assert_eq!(Contents::read(&mut fifth).unwrap().0.len(), 50);
}

fn write_all_kinds(server: &Server) {
    let mut client = server.client();
    fill(&mut client, "after", 500).unwrap();
    fill_collections(&mut client, "after").unwrap();
    let lines = [
        "INCR n",
        "INCRBYFLOAT x 1.5",
        "SET e v EX 5000",
        "GETEX e PX 800000",
        "APPEND s tail",
        "EXPIRE s 4000",
        "MULTI",
        "SET m 1",
        "INCR m",
        "EXEC",
        "DEL after:1",
        "RENAME after:2 renamed",
        "SET past v PXAT 1",
        "SPOP after:set:many",
        "SPOP after:set:many 2000",
        "SPOP after:set:few 100",
        "SMOVE after:set:mixed moved m0",
        "SREM after:set:narrow 0 1 2 3 4",
        "SUNIONSTORE union after:set:narrow after:set:mixed",
        "SINTERSTORE after:set:few nosuch",
        "HINCRBY after:hash:numbers 3 7",
        "HINCRBYFLOAT after:hash:numbers 0 1.5",
        "HDEL after:hash:few field:0 field:1",
        "HDEL after:hash:odd nosuch",
        "HSETNX after:hash:many new 1",
        "HMSET after:hash:new a 1 b 2",
    ];
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    pipeline(&mut client, lines.map(words)).unwrap();
    client.call(["SELECT", "5"]).unwrap();
    fill(&mut client, "five", 50).unwrap();
}

/// The real server where there is one: the stricter reader.
fn require_or_ours() -> std::path::PathBuf {
    Peer::RedisServer.find().unwrap_or_else(ours)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}
