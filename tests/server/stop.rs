//! Ends: by signal, by command, under load, and refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use slotmesh_test_support::Reply;
use slotmesh_test_support::client::{Client, Received, request};
use slotmesh_test_support::data::fill;
use slotmesh_test_support::replication::follow;

use crate::{LIMIT, launch, raw};

#[test]
fn sigterm_ends_a_loaded_server_within_ten_seconds() {
    let mut server = launch().option("save", "3600 1").option("appendonly", "yes").start().unwrap();
    fill(&mut server.client(), "k", 20_000).unwrap();
    let is_over = AtomicBool::new(false);

    let took = thread::scope(|scope| {
        for _ in 0..4 {
            let mut client = server.client();
            let is_over = &is_over;
            scope.spawn(move || {
                let batch: Vec<u8> = (0..100).flat_map(|at| request(["SET", &format!("k:{at}"), "v"])).collect();
                while !is_over.load(Ordering::Relaxed) {
                    let answered = client.send_raw(&batch).is_ok() && (0..100).all(|_| client.read().is_ok());
                    if !answered {
                        return;
                    }
                }
            });
        }
        let begun = Instant::now();
        server.terminate().unwrap();
        let status = server.wait_exit(LIMIT);
        is_over.store(true, Ordering::Relaxed);
        assert!(status.unwrap().success(), "{}", server.log());
        begun.elapsed()
    });

    assert!(took < Duration::from_secs(10), "{took:?}");
    let log = server.log();
    for line in [
        "Received SIGTERM scheduling shutdown...",
        "User requested shutdown...",
        "Calling fsync() on the AOF file.",
        "Saving the final RDB snapshot before exiting.",
        "DB saved on disk",
        "Redis is now ready to exit, bye bye...",
    ] {
        assert!(log.contains(line), "{line} in {log}");
    }
}

#[test]
fn a_second_interrupt_does_not_wait_for_replicas() {
    let (mut primary, replica) =
        (launch().option("repl-diskless-sync-delay", "0").start().unwrap(), launch().start().unwrap());
    follow(&replica, primary.port());
    replica.pause().unwrap();
    primary.client().call(["SET", "k", "v"]).unwrap();

    primary.interrupt().unwrap();
    primary.wait_log("Waiting for replicas before shutting down.", LIMIT).unwrap();
    primary.interrupt().unwrap();
    let status = primary.wait_exit(LIMIT).unwrap();

    replica.resume().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(primary.log().contains("You insist... exiting now."));
}

#[test]
fn an_end_waits_for_a_replica_that_lags_and_can_be_taken_back() {
    let (mut primary, replica) =
        (launch().option("repl-diskless-sync-delay", "0").start().unwrap(), launch().start().unwrap());
    follow(&replica, primary.port());
    replica.pause().unwrap();
    let mut client = primary.client();
    client.call(["SET", "k", "v"]).unwrap();

    let mut asking = primary.client();
    asking.send(["SHUTDOWN"]).unwrap();
    primary.wait_log("Waiting for replicas before shutting down.", LIMIT).unwrap();
    assert_eq!(raw(&mut client, "SHUTDOWN ABORT"), "+OK\r\n");
    assert_eq!(asking.read().unwrap(), Reply::Error(b"ERR Errors trying to SHUTDOWN. Check logs.".to_vec()));
    assert_eq!(raw(&mut client, "SHUTDOWN ABORT"), "-ERR No shutdown in progress.\r\n");
    assert_eq!(raw(&mut client, "SET k w"), "+OK\r\n");

    asking.send(["SHUTDOWN"]).unwrap();
    primary.wait_log("1 of 1 replicas are in sync when shutting down.", Duration::from_millis(1)).unwrap_err();
    replica.resume().unwrap();
    assert!(primary.wait_exit(LIMIT).unwrap().success());
    assert!(primary.log().contains("1 of 1 replicas are in sync when shutting down."), "{}", primary.log());
    assert_eq!(replica.client().call(["GET", "k"]).unwrap(), Reply::Bulk(b"w".to_vec()));
}

#[test]
fn shutdown_saves_when_told_and_only_then() {
    for (words, is_saved) in
        [("SHUTDOWN", false), ("SHUTDOWN SAVE", true), ("SHUTDOWN NOSAVE", false), ("shutdown save now force", true)]
    {
        let mut server = launch().start().unwrap();
        let mut client = server.client();
        client.call(["SET", "k", "v"]).unwrap();

        client.send(words.split(' ')).unwrap();

        assert_eq!(client.receive(LIMIT).unwrap(), Received::Closed, "{words}");
        assert!(server.wait_exit(LIMIT).unwrap().success());
        assert_eq!(server.dir().join("dump.rdb").exists(), is_saved, "{words}");
    }
    let server = launch().start().unwrap();
    for words in ["SHUTDOWN SAVE NOSAVE", "SHUTDOWN LATER", "SHUTDOWN ABORT NOW"] {
        assert_eq!(raw(&mut server.client(), words), "-ERR syntax error\r\n", "{words}");
    }
}

#[test]
fn a_server_that_cannot_save_does_not_end() {
    let server = launch().option("save", "3600 1").option("dbfilename", "dump.rdb").start().unwrap();
    let mut client: Client = server.client();
    client.call(["SET", "k", "v"]).unwrap();
    // A folder in the file's place cannot be replaced by a file.
    std::fs::create_dir(server.dir().join("dump.rdb")).unwrap();

    assert_eq!(raw(&mut client, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");

    assert!(server.log().contains("Error trying to save the DB, can't exit."), "{}", server.log());
    assert_eq!(raw(&mut client, "GET k"), "$1\r\nv\r\n");
}
