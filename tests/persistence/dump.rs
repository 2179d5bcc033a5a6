//! RDB files, traded with the real servers.

use std::path::Path;
use std::thread;

use slotmesh_test_support::data::{Contents, fill, fill_collections, pipeline};
use slotmesh_test_support::replication::info_number;
use slotmesh_test_support::{Peer, Reply, cli, require_peer};

use crate::{EXIT_LIMIT, assert_same, contents, launch, ours, stop, wait_info};

#[test]
fn redis_loads_our_dump() {
    a_dump_is_loaded(&ours(), &require_peer!(Peer::RedisServer), "yes");
}

#[test]
fn we_load_a_dump_of_redis() {
    a_dump_is_loaded(&require_peer!(Peer::RedisServer), &ours(), "yes");
}

#[test]
fn valkey_loads_our_dump() {
    a_dump_is_loaded(&ours(), &require_peer!(Peer::ValkeyServer), "yes");
}

#[test]
fn we_load_a_dump_of_valkey() {
    a_dump_is_loaded(&require_peer!(Peer::ValkeyServer), &ours(), "yes");
}

#[test]
fn dumps_without_compression_are_traded_as_well() {
    let redis = require_peer!(Peer::RedisServer);
    a_dump_is_loaded(&ours(), &redis, "no");
    a_dump_is_loaded(&redis, &ours(), "no");
}

#[test]
fn expiries_of_fields_are_traded_with_valkey() {
    let valkey = require_peer!(Peer::ValkeyServer);
    for (writer, reader) in [(ours(), valkey.clone()), (valkey, ours())] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = launch(&writer, dir.path()).start().unwrap();
        let mut client = server.client();
        let expire = "HSETEX h PXAT 33177117420000 FIELDS 2 a 1 b 2";
        pipeline(&mut client, [expire, "HSET h c 3", "HPEXPIREAT h 33177117420123 FIELDS 1 b"].map(words)).unwrap();
        assert_eq!(client.call(["SAVE"]).unwrap(), Reply::Simple(b"OK".to_vec()));
        server.kill().unwrap();

        let server = launch(&reader, dir.path()).start().unwrap();

        let times = server.client().call(words("HPEXPIRETIME h FIELDS 3 a b c")).unwrap();
        assert_eq!(times, Reply::Array([33_177_117_420_000, 33_177_117_420_123, -1].map(Reply::Integer).to_vec()));
        let values = server.client().call(words("HMGET h a b c")).unwrap();
        assert_eq!(values, Reply::Array(["1", "2", "3"].map(|value| Reply::Bulk(value.into())).to_vec()));
    }
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn the_checker_of_redis_finds_no_fault_in_our_dump() {
    let redis = require_peer!(Peer::RedisServer);
    let checker = redis.with_file_name("redis-check-rdb");
    let dir = tempfile::tempdir().unwrap();
    let server = launch(&ours(), dir.path()).start().unwrap();
    fill(&mut server.client(), "k", 3000).unwrap();
    fill_collections(&mut server.client(), "c").unwrap();
    assert_eq!(server.client().call(["SAVE"]).unwrap(), Reply::Simple(b"OK".to_vec()));

    let output = cli::run(&checker, [dir.path().join("dump.rdb")], "").unwrap();

    assert!(output.status.success(), "{}", output.stdout);
    assert!(output.stdout.contains("RDB looks OK!"), "{}", output.stdout);
}

/// Every write before BGSAVE is in the dump; writes during it change nothing that was saved.
#[test]
fn a_background_save_under_writes_is_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = launch(&ours(), dir.path()).start().unwrap();
    fill(&mut server.client(), "k", 60_000).unwrap();
    // Transactions move an amount between two keys far apart: in every moment the sum is the same.
    server.client().call(["MSET", "left", "0", "right", "0"]).unwrap();

    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut client = server.client();
            let mut saver = server.client();
            assert_eq!(saver.call(["BGSAVE"]).unwrap(), Reply::Simple(b"Background saving started".to_vec()));
            let mut rounds = 0;
            while rounds < 20 || info_number(&mut saver, "persistence", "rdb_bgsave_in_progress") == 1 {
                let round = ["MULTI", "DECRBY left 5", "INCRBY right 5", "EXEC"].map(words);
                let deletes = (0..20).map(|at| words(&format!("DEL k:{}", rounds * 20 + at)));
                let adds = (0..20).map(|at| words(&format!("SET new:{}:{at} v", rounds)));
                pipeline(&mut client, round.into_iter().chain(deletes).chain(adds)).unwrap();
                rounds += 1;
            }
        });
        writer.join().unwrap();
    });
    wait_info(&mut server.client(), "rdb_last_bgsave_status", "ok");
    server.kill().unwrap();
    server.restart().unwrap();

    let mut client = server.client();
    let number = |reply: Reply| String::from_utf8_lossy(reply.text().unwrap()).parse::<i64>().unwrap();
    let left = number(client.call(["GET", "left"]).unwrap());
    assert_eq!(left + number(client.call(["GET", "right"]).unwrap()), 0);
    // The save began before the first round: all keys of then, none of the later ones.
    assert_eq!(left, 0);
    assert_eq!(client.call(["DBSIZE"]).unwrap(), Reply::Integer(60_002));
}

#[test]
fn save_points_write_the_dump_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = launch(&ours(), dir.path()).option("save", "1 10").start().unwrap();
    let mut client = server.client();
    let before = info_number(&mut client, "persistence", "rdb_saves");
    fill(&mut client, "k", 20).unwrap();

    slotmesh_test_support::wait::poll_until("a save", EXIT_LIMIT, || {
        (info_number(&mut client, "persistence", "rdb_saves") > before).then_some(())
    })
    .unwrap();
    server.kill().unwrap();
    server.restart().unwrap();

    assert_eq!(server.client().call(["DBSIZE"]).unwrap(), Reply::Integer(20));
}

#[test]
fn an_orderly_end_saves_and_the_next_start_has_everything() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = launch(&ours(), dir.path()).option("save", "3600 1").start().unwrap();
    fill(&mut server.client(), "k", 5000).unwrap();
    let mut ninth = server.client();
    ninth.call(["SELECT", "9"]).unwrap();
    fill(&mut ninth, "nine", 10).unwrap();
    let before = contents(&server);

    stop(&mut server);
    assert!(server.log().contains("DB saved on disk"), "{}", server.log());
    server.restart().unwrap();

    assert!(server.log().contains("DB loaded from disk"));
    assert_same(&before, &contents(&server));
    let mut ninth = server.client();
    ninth.call(["SELECT", "9"]).unwrap();
    assert_eq!(Contents::read(&mut ninth).unwrap().0.len(), 10);
}

fn a_dump_is_loaded(writer: &Path, reader: &Path, compression: &str) {
    let dir = tempfile::tempdir().unwrap();
    let launch_in = |program| launch(program, dir.path()).option("rdbcompression", compression);
    let mut server = launch_in(writer).start().unwrap();
    let mut client = server.client();
    fill(&mut client, "k", 3000).unwrap();
    let large = vec![b'x'; 200_000];
    client.call([b"SET".as_slice(), b"large", &large]).unwrap();
    client.call([b"SET".as_slice(), b"", b""]).unwrap();
    client.call([b"SET".as_slice(), b"binary\r\n\0\xff", b"\0\r\n\xff"]).unwrap();
    client.call(["SET", "least", "-9223372036854775808"]).unwrap();
    client.call(["SET", "zeros", "007"]).unwrap();
    fill_collections(&mut client, "c").unwrap();
    client.call(["SELECT", "15"]).unwrap();
    fill(&mut client, "last", 10).unwrap();
    let before = contents(&server);
    assert_eq!(client.call(["SAVE"]).unwrap(), Reply::Simple(b"OK".to_vec()));
    server.kill().unwrap();

    let server = launch_in(reader).start().unwrap();

    assert_same(&before, &contents(&server));
    let mut last = server.client();
    last.call(["SELECT", "15"]).unwrap();
    assert_eq!(Contents::read(&mut last).unwrap().0.len(), 10);
}
