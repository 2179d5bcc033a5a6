//! What the stream carries, and how the other side understands it.

use std::path::Path;
use std::time::Duration;

use slotmesh_test_support::data::{assert_same, pipeline};
use slotmesh_test_support::replication::{FOLLOW_LIMIT, follow, wait_caught_up};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Reply, Server};

use crate::start;

crate::pairs! {
    every_kind_of_write_has_the_same_effect_below,
    transactions_and_databases_keep_their_order,
    an_expired_key_is_deleted_below_by_the_primary,
    wait_counts_the_replicas_that_have_the_write,
}

fn every_kind_of_write_has_the_same_effect_below(primary: &Path, replica: &Path) {
    let (primary, replica) = pair(primary, replica);

    run(&primary, WRITES);
    wait_caught_up(&primary, &replica);

    assert_same(&mut primary.client(), &mut replica.client());
}

fn transactions_and_databases_keep_their_order(primary: &Path, replica: &Path) {
    let (primary, replica) = pair(primary, replica);

    run(
        &primary,
        &[
            "SET a 1",
            "MULTI",
            "INCR a",
            "SELECT 2",
            "SET a two",
            "SELECT 0",
            "INCR a",
            "EXEC",
            "SELECT 7",
            "SET a seven",
            "MULTI",
            "EXEC",
            "MULTI",
            "GET a",
            "EXEC",
            "MOVE a 8",
            "SELECT 8",
            "COPY a b DB 9",
            "SWAPDB 9 10",
            "FLUSHDB",
            "SELECT 0",
            "MULTI",
            "SET gone 1",
            "DISCARD",
            "WATCH a",
            "MULTI",
            "INCR a",
            "EXEC",
        ],
    );
    wait_caught_up(&primary, &replica);

    for database in ["0", "2", "7", "8", "9", "10"] {
        let (mut left, mut right) = (primary.client(), replica.client());
        left.call(["SELECT", database]).unwrap();
        right.call(["SELECT", database]).unwrap();
        assert_same(&mut left, &mut right);
    }
    assert_eq!(replica.client().call(["GET", "a"]).unwrap(), Reply::Bulk(b"4".to_vec()));
}

/// A replica counts an expired key until its primary says that it is gone.
fn an_expired_key_is_deleted_below_by_the_primary(primary: &Path, replica: &Path) {
    let (primary, replica) = pair(primary, replica);
    let commands = (0..100).map(|number| {
        let key = format!("short:{number}").into_bytes();
        vec![b"SET".to_vec(), key, b"v".to_vec(), b"PX".to_vec(), (1 + number).to_string().into_bytes()]
    });
    pipeline(&mut primary.client(), commands).unwrap();
    run(&primary, &["SET lasting v", "GET short:0"]);

    let mut below = replica.client();
    let is_one = || (below.call(["DBSIZE"]).unwrap() == Reply::Integer(1)).then_some(());
    poll_until("the end of the keys below", FOLLOW_LIMIT, is_one).unwrap();

    wait_caught_up(&primary, &replica);
    assert_same(&mut primary.client(), &mut replica.client());
}

fn wait_counts_the_replicas_that_have_the_write(primary: &Path, replica: &Path) {
    let (primary, replica) = pair(primary, replica);
    let mut client = primary.client();

    client.call(["SET", "k", "v"]).unwrap();
    assert_eq!(client.call(["WAIT", "1", "15000"]).unwrap(), Reply::Integer(1));
    assert_eq!(replica.client().call(["GET", "k"]).unwrap(), Reply::Bulk(b"v".to_vec()));

    replica.pause().unwrap();
    client.call(["SET", "k", "w"]).unwrap();
    let paused = client.call(["WAIT", "1", "200"]).unwrap();
    replica.resume().unwrap();
    assert_eq!(paused, Reply::Integer(0));
    assert_eq!(client.call(["WAIT", "1", "15000"]).unwrap(), Reply::Integer(1));
    poll_until("the write", Duration::from_secs(5), || {
        (replica.client().call(["GET", "k"]).unwrap() == Reply::Bulk(b"w".to_vec())).then_some(())
    })
    .unwrap();
}

fn pair(primary: &Path, replica: &Path) -> (Server, Server) {
    let (primary, replica) = (start(primary), start(replica));
    follow(&replica, primary.port());
    (primary, replica)
}

/// Runs commands written with blanks on one connection; none may be refused.
fn run(server: &Server, commands: &[&str]) {
    let commands = commands.iter().map(|line| line.split(' ').map(|word| word.as_bytes().to_vec()).collect());
    pipeline(&mut server.client(), commands).unwrap();
}

const WRITES: &[&str] = &[
    "SET a 1",
    "set b 2 EX 1000",
    "SET c 3 PX 900000 NX",
    "SET a 2 XX GET",
    "SET c 4 KEEPTTL",
    "SETNX d 1",
    "SETNX d 2",
    "SETEX e 500 v",
    "PSETEX f 500000 v",
    "GETSET a 9",
    "GETDEL d",
    "GETEX b PERSIST",
    "GETEX a EX 5000",
    "GETEX a",
    "INCR n",
    "INCRBY n 10",
    "DECR n",
    "DECRBY n 3",
    "INCRBYFLOAT x 1.25",
    "INCRBYFLOAT x -3e2",
    "APPEND s hello",
    "SETRANGE s 10 world",
    "MSET m1 1 m2 2 m3 3",
    "MSETNX m4 4 m5 5",
    "MSETNX m5 6 m6 6",
    "EXPIRE m1 1000",
    "PEXPIRE m2 1000000",
    "EXPIREAT m3 4000000000",
    "PEXPIREAT m4 4000000000000",
    "EXPIRE m1 100 LT",
    "EXPIRE m1 50 GT",
    "PERSIST m2",
    "RENAME m5 m7",
    "RENAMENX m7 m8",
    "COPY m8 m9",
    "COPY a m9 REPLACE",
    "DEL m8 missing",
    "UNLINK m3",
    "TOUCH a",
    "XADD st * f v",
    "XADD st 99999999999999-1 f v g w",
    "XADD st MAXLEN ~ 100 99999999999999-* f v",
    "XADD st NOMKSTREAM 99999999999999-* f w",
    "XGROUP CREATE st g 0",
    "XGROUP CREATE st h $",
    "XREADGROUP GROUP g c COUNT 3 STREAMS st >",
    "XREADGROUP GROUP g d NOACK STREAMS st >",
    "XACK st g 99999999999999-1",
    "XCLAIM st g d 0 99999999999999-2 99999999999999-3 FORCE",
    "XDEL st 99999999999999-2",
    "XAUTOCLAIM st g e 0 -",
    "XGROUP SETID st h 0 ENTRIESREAD 0",
    "XGROUP DELCONSUMER st g d",
    "XADD trimmed 1-1 a b",
    "XADD trimmed 2-1 a b",
    "XTRIM trimmed MINID 2",
    "XADD trimmed MAXLEN 1 3-1 a b",
    "XSETID trimmed 5-5",
    "XGROUP CREATE empty g $ MKSTREAM",
    "XGROUP DESTROY empty g",
    "SADD set a b c d 1 2 3 4",
    "SADD set a",
    "SPOP set",
    "SPOP set 2",
    "SPOP set 1",
    "SADD all 1 2 3",
    "SPOP all 3",
    "SADD from x y",
    "SMOVE from to x",
    "SREM from y z",
    "SADD again 1 2 3",
    "SADD others 2 3 4",
    "SINTERSTORE common again others",
    "SUNIONSTORE union again others to",
    "SDIFFSTORE union again again",
    "RPUSH list a b c d 5 6 7 8",
    "LPUSH list e",
    "LPUSHX nolist e",
    "RPUSHX list f",
    "LINSERT list BEFORE c x",
    "LINSERT list AFTER nosuch x",
    "LSET list 0 y",
    "LREM list 0 b",
    "LPOP list",
    "RPOP list 2",
    "LPOP list 0",
    "LMOVE list moved LEFT RIGHT",
    "RPOPLPUSH list moved",
    "LMPOP 2 nolist list LEFT COUNT 1",
    "LTRIM list 0 -1",
    "LTRIM moved 0 0",
    "RPUSH gone a b",
    "LMPOP 1 gone RIGHT COUNT 9",
    "RPUSH source a b c d e f",
    "BLPOP nolist source 0",
    "BRPOP source 0",
    "BLMOVE source target LEFT RIGHT 0",
    "BRPOPLPUSH source target 0",
    "BLMPOP 0 2 nolist source LEFT COUNT 9",
    "BLPOP nolist 0.001",
    "EXPIRE s -1",
    "SET late v PXAT 1",
    "SET t v EXAT 4000000000",
    "HSET h a 1 b 2 c 3 d 4",
    "HMSET h a 5",
    "HSETNX h e 1",
    "HSETNX h e 2",
    "HINCRBY h a 7",
    "HINCRBYFLOAT h b 0.1",
    "HINCRBYFLOAT h b 1e3",
    "HDEL h c nosuch",
    "HSET gone a 1",
    "HDEL gone a",
];
