//! Ends without warning.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use slotmesh_test_support::data::fill;
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Peer, Reply, require_peer};

use crate::{assert_same, contents, launch, ours, stop};

/// Several clients count what was acknowledged to them; after kill -9 nothing of it is missing.
#[test]
fn kill_with_appendfsync_always_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut server =
        launch(&ours(), dir.path()).option("appendonly", "yes").option("appendfsync", "always").start().unwrap();
    let acknowledged: Vec<AtomicUsize> = (0..4).map(|_| AtomicUsize::new(0)).collect();

    thread::scope(|scope| {
        for (number, count) in acknowledged.iter().enumerate() {
            let mut client = server.client();
            scope.spawn(move || {
                let key = format!("count:{number}");
                while let Ok(Reply::Integer(value)) = client.call(["INCR", &key]) {
                    count.store(usize::try_from(value).unwrap(), Ordering::SeqCst);
                }
            });
        }
        poll_until("some writes", Duration::from_secs(20), || {
            acknowledged.iter().all(|count| count.load(Ordering::SeqCst) > 200).then_some(())
        })
        .unwrap();
        server.kill().unwrap();
    });
    server.restart().unwrap();

    for (number, count) in acknowledged.iter().enumerate() {
        let reply = server.client().call(["GET", &format!("count:{number}")]).unwrap();
        let stored: usize = String::from_utf8_lossy(reply.text().unwrap()).parse().unwrap();
        assert!(stored >= count.load(Ordering::SeqCst), "{stored} < {count:?}");
    }
}

#[test]
fn a_torn_tail_is_cut_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = launch(&ours(), dir.path()).option("appendonly", "yes").start().unwrap();
    fill(&mut server.client(), "k", 300).unwrap();
    let before = contents(&server);
    stop(&mut server);
    let file = dir.path().join("appendonlydir/appendonly.aof.1.incr.aof");
    let whole = std::fs::metadata(&file).unwrap().len();
    let torn = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\ntorn\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$4\r\nto";
    OpenOptions::new().append(true).open(&file).unwrap().write_all(torn).unwrap();

    server.restart().unwrap();

    assert_same(&before, &contents(&server));
    assert_eq!(std::fs::metadata(&file).unwrap().len(), whole);
    for line in [
        "short read while loading the AOF file",
        "Truncating the AOF",
        "loaded anyway because aof-load-truncated is enabled",
    ] {
        assert!(server.log().contains(line), "{line}: {}", server.log());
    }
    server.client().call(["SET", "next", "v"]).unwrap();
    let before = contents(&server);
    stop(&mut server);
    let redis = launch(&require_peer!(Peer::RedisServer), dir.path()).option("appendonly", "yes").start().unwrap();
    assert_same(&before, &contents(&redis));
}

/// The base is complete only when the manifest names it: killed at any moment of a rewrite, the data are there.
#[test]
fn kill_during_a_rewrite_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut server =
        launch(&ours(), dir.path()).option("appendonly", "yes").option("appendfsync", "always").start().unwrap();
    fill(&mut server.client(), "k", 5000).unwrap();

    for round in 0..8 {
        let before = contents(&server);
        server.client().call(["BGREWRITEAOF"]).unwrap();
        for at in 0..round * 20 {
            server.client().call(["SET", &format!("round:{round}:{at}"), "v"]).unwrap();
        }
        server.kill().unwrap();
        server.restart().unwrap();

        let after = contents(&server);
        assert_eq!(after.0.len(), before.0.len() + round * 20);
        assert!(before.0.iter().all(|(key, held)| after.0.get(key) == Some(held)));
    }
}
