//! What callers in the process hear the short way, beside the long one.

use slotmesh_engine::resp::args::{ArgsBuf, Framed};
use slotmesh_engine::resp::reply::write_request;
use slotmesh_engine::rng::Rng;

use super::Fixture;
use crate::machine::{Answer, ConnId, Input, Machine};

/// What callers send: reads of all kinds, and whatever makes a read one that needs more than a look.
const REQUESTS: &[&str] = &[
    "GET a",
    "get b",
    "GET list",
    "GET",
    "MGET a b volatile",
    "STRLEN a",
    "EXISTS a b volatile",
    "GET volatile",
    "GET volatile",
    "TTL volatile",
    "LRANGE list 0 -1",
    "SET volatile 1 PX 15",
    "SET a 1",
    "SET b 2",
    "DEL a",
    "RPUSH list x y",
    "MULTI",
    "EXEC",
    "WATCH volatile",
    "SUBSCRIBE __keyevent@0__:expired",
    "UNSUBSCRIBE",
    "RESET",
    "HELLO 3",
    "HELLO 2",
    "SELECT 1",
    "SELECT 0",
    "MONITOR",
    "CLIENT REPLY SKIP",
    "CLIENT PAUSE 30 ALL",
    "CONFIG SET maxmemory 100mb",
    "CONFIG SET maxmemory 0",
    "CONFIG SET slowlog-log-slower-than 0",
    "CONFIG SET slowlog-log-slower-than 10000",
    "CONFIG SET commandlog-reply-larger-than 1",
    "DEBUG SLEEP 0.02",
    "BLPOP nothing 0.02",
    "NONE a",
];

/// A caller's request on the long way: an input, behind which the caller takes what there is.
fn handle(fixture: &mut Fixture, conn: ConnId, words: &ArgsBuf, reply: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    write_request(&mut bytes, words.as_args().iter());
    let now = fixture.now;
    fixture.node.handle(now, Input::Request(conn, Framed { bytes: &bytes, args: words.as_args() }));
    fixture.node.out_buf(conn).take_into(reply);
}

/// What three callers hear, and what the node says of itself in the end.
fn heard(seed: u64, mut send: impl FnMut(&mut Fixture, ConnId, &ArgsBuf, &mut Vec<u8>)) -> String {
    let mut rng = Rng::new(seed);
    let mut fixture = Fixture::with(|config| {
        config.enable_debug_command = slotmesh_engine::config::choices::Allowed::Yes;
    });
    let own = fixture.client();
    fixture.call(own, "CONFIG SET notify-keyspace-events Ex");
    let conns: Vec<ConnId> = (0..3).map(|_| fixture.client()).collect();
    let mut all = String::new();
    for _ in 0..80 {
        let conn = conns[rng.index(conns.len())];
        let request: ArgsBuf = REQUESTS[rng.index(REQUESTS.len())].split(' ').collect();
        let mut reply = Vec::new();
        send(&mut fixture, conn, &request, &mut reply);
        fixture.settle();
        all.push_str(&String::from_utf8_lossy(&reply));
        for &conn in &conns {
            all.push_str(&fixture.heard(conn));
        }
        fixture.advance(rng.index(12) as u64);
    }
    for last in ["INFO stats", "INFO commandstats", "CLIENT LIST", "COMMANDLOG LEN large-reply"] {
        all.push_str(&fixture.call(own, last));
    }
    all
}

#[test]
fn the_short_way_says_and_leaves_what_the_long_way_does() {
    let mut short = 0;
    for seed in 0..200 {
        let long_way = heard(seed, handle);
        let short_way = heard(seed, |fixture, conn, words, reply| {
            match fixture.node.answer_at_once(fixture.now, conn, words.as_args(), reply) {
                Answer::Declined => handle(fixture, conn, words, reply),
                Answer::Whole => {
                    assert!(fixture.node.poll().is_none(), "nothing is left to settle");
                    short += 1;
                }
                Answer::Unsettled => short += 1,
            }
        });

        assert_eq!(short_way, long_way, "seed {seed}");
    }
    assert!(short > 500, "only {short} requests went the short way");
}

#[test]
fn a_key_that_is_gone_is_told_to_those_who_listen() {
    let mut fixture = Fixture::new();
    let (caller, listener) = (fixture.client(), fixture.neighbour());
    fixture.call(caller, "CONFIG SET notify-keyspace-events Ex");
    fixture.call(listener, "SUBSCRIBE __keyevent@0__:expired");
    fixture.call(caller, "DEBUG SET-ACTIVE-EXPIRE 0");
    fixture.call(caller, "SET k v PX 10");
    fixture.advance(20);
    let request: ArgsBuf = ["GET", "k"].into_iter().collect();
    let mut reply = Vec::new();

    // The first call takes a sample of how busy the node is.
    fixture.call(caller, "GET other");
    let answer = fixture.node.answer_at_once(fixture.now, caller, request.as_args(), &mut reply);
    fixture.settle();

    assert_eq!((answer, reply.as_slice()), (Answer::Unsettled, &b"$-1\r\n"[..]));
    assert_eq!(fixture.heard(listener), "*3|$7|message|$22|__keyevent@0__:expired|$1|k|");
}
