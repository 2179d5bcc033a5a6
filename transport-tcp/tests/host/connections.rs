//! Bytes on accepted connections.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use slotmesh_cluster::machine::{Endpoint, Peer, Reset};

use crate::echo::{Fixture, Seen, client, echo, filler, read_all};

#[test]
fn bytes_come_back() {
    let (_fixture, port) = Fixture::listening();
    let mut stream = client(port);

    for request in ["one", "two", "three"] {
        echo(&mut stream, request.as_bytes());
    }
}

#[test]
fn the_machine_hears_who_came() {
    let (fixture, port) = Fixture::listening();
    let stream = client(port);

    let Seen::Accepted(_, endpoint, peer) = fixture.next() else {
        panic!("not accepted");
    };

    assert_eq!(endpoint, Endpoint::Client);
    let (remote, local) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    assert_eq!(peer, Peer::Tcp { remote, local });
}

#[test]
fn many_connections_each_get_their_own_bytes() {
    let (_fixture, port) = Fixture::listening();
    let mut streams: Vec<_> = (0..300).map(|_| client(port)).collect();

    for turn in 0..5 {
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.write_all(format!("{turn}:{number:06}").as_bytes()).unwrap();
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            let mut reply = [0; 8];
            stream.read_exact(&mut reply).unwrap();
            assert_eq!(reply, *format!("{turn}:{number:06}").as_bytes());
        }
    }
}

#[test]
fn large_streams_flow_both_ways_at_once() {
    let (_fixture, port) = Fixture::listening();
    let mut stream = client(port);
    let mut writer = stream.try_clone().unwrap();
    let bytes = filler(20_000_000);

    let sent = bytes.clone();
    let thread = thread::spawn(move || writer.write_all(&sent).unwrap());

    let mut reply = vec![0; bytes.len()];
    stream.read_exact(&mut reply).unwrap();
    thread.join().unwrap();
    assert!(reply == bytes);
}

#[test]
fn a_reader_that_stops_holds_up_nobody_else() {
    let (fixture, port) = Fixture::listening();
    let mut lazy = client(port);
    let conn = fixture.accepted();
    lazy.write_all(b"flood 50000000").unwrap();

    let mut other = client(port);
    fixture.accepted();
    echo(&mut other, b"still here");

    assert!(fixture.act(|machine| {
        use slotmesh_cluster::machine::Machine as _;
        machine.out_buf(conn).visible() > 0
    }));
    let mut reply = vec![0; 50_000_000];
    lazy.read_exact(&mut reply).unwrap();
    assert!(reply == filler(50_000_000));
    assert_eq!(fixture.next(), Seen::Drained(conn));
}

#[test]
fn a_drain_notice_comes_for_small_replies_too() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);
    let conn = fixture.accepted();

    stream.write_all(b"flood 10").unwrap();

    assert_eq!(fixture.next(), Seen::Drained(conn));
}

#[test]
fn closing_sends_the_rest_first() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);
    fixture.accepted();

    stream.write_all(b"close 20000000").unwrap();

    assert!(read_all(&mut stream) == filler(20_000_000));
}

#[test]
fn closing_does_not_reset_a_peer_that_sent_more() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);
    let conn = fixture.accepted();
    stream.write_all(b"hush").unwrap();

    // Two events in one call: what the peer sends meanwhile is never read.
    stream.write_all(&filler(1000)).unwrap();
    fixture.act(|machine| {
        machine.say(conn, b"bye");
        machine.close(conn);
    });

    let bytes = read_all(&mut stream);
    assert!(bytes.ends_with(b"bye"), "{bytes:?}");
}

#[test]
fn the_machine_hears_the_end_after_the_last_bytes() {
    let (fixture, port) = Fixture::listening();
    let mut stream = client(port);
    let conn = fixture.accepted();

    stream.write_all(b"flood 3").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();

    // The flood was handled, and the end after it.
    let mut seen = vec![fixture.next()];
    if seen[0] != Seen::Closed(conn, Reset::EndOfStream) {
        seen.push(fixture.next());
    }
    assert!(seen.contains(&Seen::Closed(conn, Reset::EndOfStream)), "{seen:?}");
}

#[test]
fn a_name_is_given_out_again_after_the_end() {
    let (fixture, port) = Fixture::listening();
    let first = client(port);
    let conn = fixture.accepted();
    drop(first);
    assert_eq!(fixture.next(), Seen::Closed(conn, Reset::EndOfStream));

    let mut second = client(port);
    let again = fixture.accepted();

    assert_eq!((again.index, again.generation), (conn.index, conn.generation + 1));
    echo(&mut second, b"hello");
}

#[test]
fn a_connection_closed_while_it_writes_leaves_its_name_to_another() {
    let (fixture, port) = Fixture::listening();
    let mut first = client(port);
    let conn = fixture.accepted();
    first.write_all(b"close 20000000").unwrap();

    let mut second = client(port);
    let mut again = fixture.accepted();
    while again.index != conn.index {
        // The name was not free yet.
        second = client(port);
        again = fixture.accepted();
    }
    echo(&mut second, b"hello");

    assert!(read_all(&mut first) == filler(20_000_000));
}

#[test]
fn large_replies_leave_no_memory_with_connections() {
    use slotmesh_cluster::machine::Machine as _;
    let (fixture, port) = Fixture::listening();
    let mut clients: Vec<_> = (0..3).map(|_| (client(port), fixture.accepted())).collect();
    let bytes = filler(100_000);

    for _ in 0..4 {
        for (stream, conn) in &mut clients {
            stream.write_all(b"flood 100000").unwrap();
            let mut reply = vec![0; bytes.len()];
            stream.read_exact(&mut reply).unwrap();
            assert!(reply == bytes);
            assert_eq!(fixture.next(), Seen::Drained(*conn));
        }
    }
    // What is lent for a request without a reply comes back, too.
    clients[0].0.write_all(b"hush").unwrap();
    echo(&mut clients[1].0, b"heard");

    for (_, conn) in clients {
        let (has_block, kept) = fixture.act(move |machine| {
            let out = machine.out_buf(conn);
            (out.take_block().is_some(), out.allocated())
        });
        assert!(!has_block);
        assert!(kept <= 16 * 1024, "{kept}");
    }
}
