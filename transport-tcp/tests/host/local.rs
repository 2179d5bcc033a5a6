//! In-process connections.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use slotmesh_cluster::machine::{Endpoint, Peer, Reset};
use slotmesh_transport_tcp::local::Gone;

use crate::echo::{Fixture, GUARD, Seen, client, filler};

#[test]
fn a_call_is_answered_on_the_callers_thread() {
    let fixture = Fixture::new();
    let mut local = fixture.host.handle().open().unwrap();
    assert_eq!(fixture.next(), Seen::Accepted(local.conn(), Endpoint::Client, Peer::InProcess));
    let mut reply = Vec::new();

    local.call(b"hello", &mut reply).unwrap();
    local.call(b" world", &mut reply).unwrap();

    assert_eq!(reply, b"hello world");
}

#[test]
fn a_message_from_elsewhere_ends_a_wait() {
    let (fixture, port) = Fixture::listening();
    let mut local = fixture.host.handle().open().unwrap();
    let conn = local.conn();
    let handle = fixture.host.handle().clone();
    let mut reply = Vec::new();
    local.call(b"hush", &mut reply).unwrap();

    let thread = thread::spawn(move || handle.run(|machine, _| machine.say(conn, b"message")).unwrap());

    assert_eq!(local.wait(Some(GUARD), &mut reply), Ok(true));
    assert_eq!(reply, b"message");
    thread.join().unwrap();
    drop(client(port));
}

#[test]
fn a_wait_has_an_end() {
    let fixture = Fixture::new();
    let mut local = fixture.host.handle().open().unwrap();

    let waited = local.wait(Some(Duration::from_millis(1)), &mut Vec::new());

    assert_eq!(waited, Ok(false));
}

#[test]
fn a_large_reply_comes_in_one_call() {
    let fixture = Fixture::new();
    let mut local = fixture.host.handle().open().unwrap();
    let conn = local.conn();
    let mut reply = Vec::new();
    fixture.accepted();

    local.call(b"flood 5000000", &mut reply).unwrap();

    assert!(reply == filler(5_000_000));
    assert_eq!(fixture.next(), Seen::Drained(conn));
}

#[test]
fn the_last_bytes_come_before_the_end() {
    let fixture = Fixture::new();
    let mut local = fixture.host.handle().open().unwrap();
    let mut reply = Vec::new();

    local.call(b"close 5", &mut reply).unwrap();

    assert_eq!(reply, filler(5));
    assert_eq!(local.call(b"more", &mut reply), Err(Gone::Closed));
    assert_eq!(local.wait(None, &mut reply), Err(Gone::Closed));
}

#[test]
fn dropping_closes() {
    let fixture = Fixture::new();
    let local = fixture.host.handle().open().unwrap();
    let conn = local.conn();
    fixture.accepted();

    drop(local);

    assert_eq!(fixture.next(), Seen::Closed(conn, Reset::EndOfStream));
}

#[test]
fn a_waiting_caller_hears_the_hosts_end() {
    let fixture = Fixture::new();
    let mut local = fixture.host.handle().open().unwrap();
    let handle = fixture.host.handle().clone();

    let thread = thread::spawn(move || handle.stop());

    assert_eq!(local.wait(Some(GUARD), &mut Vec::new()), Err(Gone::Ended));
    thread.join().unwrap();
    assert_eq!(local.call(b"more", &mut Vec::new()), Err(Gone::Ended));
}

#[test]
fn callers_and_sockets_share_the_machine() {
    let (fixture, port) = Fixture::listening();
    let handle = fixture.host.handle().clone();
    let thread = thread::spawn(move || {
        let mut local = handle.open().unwrap();
        for number in 0..20_000_u32 {
            let mut reply = Vec::new();
            local.call(&number.to_be_bytes(), &mut reply).unwrap();
            assert_eq!(reply, number.to_be_bytes());
        }
    });

    let mut stream = client(port);
    for number in 0..2_000_u32 {
        stream.write_all(&number.to_be_bytes()).unwrap();
        let mut reply = [0; 4];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(reply, number.to_be_bytes());
    }
    thread.join().unwrap();
}
