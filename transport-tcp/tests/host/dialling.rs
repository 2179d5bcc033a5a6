//! Connections the machine opens.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};

use slotmesh_cluster::machine::{ConnId, Effect, Endpoint, Peer, Reset, Target};

use crate::echo::{Fixture, Seen, echo, free_port, guard};

fn dial(fixture: &Fixture, host: &str, port: u16, source: Option<&str>) -> ConnId {
    fixture.act(|machine| {
        let conn = machine.name();
        let target = Target { host: host.to_owned(), port, source: source.map(str::to_owned) };
        machine.effects.push_back(Effect::Dial(conn, target, Endpoint::Bus));
        conn
    })
}

fn refusing_port() -> u16 {
    free_port("127.0.0.1:0").1
}

#[test]
fn a_dialled_connection_carries_bytes_both_ways() {
    let (listener, port) = free_port("127.0.0.1:0");
    let fixture = Fixture::new();

    let conn = dial(&fixture, "127.0.0.1", port, None);

    let (mut stream, from) = listener.accept().unwrap();
    guard(&stream);
    let local = listener.local_addr().unwrap();
    assert_eq!(fixture.next(), Seen::Connected(conn, Peer::Tcp { remote: local, local: from }));
    echo(&mut stream, b"hello");
}

#[test]
fn bytes_put_before_the_connection_is_open_are_sent() {
    let (listener, port) = free_port("127.0.0.1:0");
    let fixture = Fixture::new();

    fixture.act(|machine| {
        let conn = machine.name();
        let target = Target { host: "127.0.0.1".to_owned(), port, source: None };
        machine.effects.push_back(Effect::Dial(conn, target, Endpoint::Bus));
        machine.say(conn, b"early");
    });

    let mut stream = listener.accept().unwrap().0;
    guard(&stream);
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"early");
}

#[test]
fn a_refused_connection_is_told_in_the_systems_words() {
    let fixture = Fixture::new();

    let conn = dial(&fixture, "127.0.0.1", refusing_port(), None);

    assert_eq!(fixture.next(), Seen::Closed(conn, Reset::Error("Connection refused".to_owned())));
}

#[test]
fn a_name_is_looked_up() {
    let (listener, port) = free_port("127.0.0.1:0");
    let fixture = Fixture::new();

    let conn = dial(&fixture, "localhost", port, None);

    listener.accept().unwrap();
    assert!(matches!(fixture.next(), Seen::Connected(who, _) if who == conn));
}

#[test]
fn an_impossible_name_closes_the_connection() {
    let fixture = Fixture::new();

    let conn = dial(&fixture, "a..b", 1, None);

    assert!(matches!(fixture.next(), Seen::Closed(who, Reset::NoAddress(_)) if who == conn));
}

#[test]
fn the_source_address_is_used() {
    let (listener, port) = free_port("127.0.0.1:0");
    let fixture = Fixture::new();

    dial(&fixture, "127.0.0.1", port, Some("127.0.0.9"));

    let from = listener.accept().unwrap().1;
    assert_eq!(from.ip(), "127.0.0.9".parse::<IpAddr>().unwrap());
}

#[test]
fn a_source_address_that_cannot_be_had_is_done_without() {
    let (listener, port) = free_port("127.0.0.1:0");
    let fixture = Fixture::new();

    // 203.0.113.0/24 is for documentation; no interface has it.
    dial(&fixture, "127.0.0.1", port, Some("203.0.113.5"));

    let from = listener.accept().unwrap().1;
    assert_eq!(from.ip(), "127.0.0.1".parse::<IpAddr>().unwrap());
}

#[test]
fn a_connection_closed_before_it_is_open_is_never_told_of() {
    let (_listener, port) = free_port("127.0.0.1:0");
    let fixture = Fixture::new();

    let (first, second) = fixture.act(|machine| {
        let target = Target { host: "127.0.0.1".to_owned(), port, source: None };
        let first = machine.name();
        machine.effects.push_back(Effect::Dial(first, target.clone(), Endpoint::Bus));
        machine.close(first);
        let second = machine.name();
        machine.effects.push_back(Effect::Dial(second, target, Endpoint::Bus));
        (first, second)
    });

    assert_eq!((second.index, second.generation), (first.index, first.generation + 1));
    assert!(matches!(fixture.next(), Seen::Connected(who, _) if who == second));
}

#[test]
fn two_machines_talk_to_each_other() {
    let (server, port) = Fixture::listening();
    let caller = Fixture::new();
    let conn = dial(&caller, "127.0.0.1", port, None);
    assert!(matches!(caller.next(), Seen::Connected(..)));
    let peer = server.accepted();

    // Both echo: the word goes round until one side closes.
    caller.act(|machine| machine.say(conn, b"ping"));
    server.act(|machine| machine.close(peer));

    assert!(matches!(caller.next(), Seen::Closed(who, _) if who == conn));
}

#[test]
fn a_peer_that_vanishes_while_we_write_is_told_as_closed() {
    let listener: TcpListener = free_port("127.0.0.1:0").0;
    let fixture = Fixture::new();
    let conn = dial(&fixture, "127.0.0.1", listener.local_addr().unwrap().port(), None);
    let mut stream = listener.accept().unwrap().0;
    assert!(matches!(fixture.next(), Seen::Connected(..)));

    stream.write_all(b"flood 50000000").unwrap();
    let mut some = [0; 1000];
    stream.read_exact(&mut some).unwrap();
    drop(stream);

    assert!(matches!(fixture.next(), Seen::Closed(who, Reset::Error(_)) if who == conn));
}
