//! Listeners of every kind.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use slotmesh_cluster::machine::{Endpoint, Listen, LogLevel, Peer};

use crate::echo::{Fixture, GUARD, Seen, client, echo, filler, free_port, guard, listen, read_all};

#[test]
fn both_endpoints_listen_side_by_side() {
    let (bus, bus_port) = free_port("127.0.0.1:0");
    let (clients, client_port) = free_port("127.0.0.1:0");
    let fixture = Fixture::with_listeners(vec![bus, clients]);
    fixture.listen(Endpoint::Client, listen(&["127.0.0.1"], client_port));
    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));
    fixture.listen(Endpoint::Bus, listen(&["127.0.0.1"], bus_port));
    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Bus, Ok(())));

    let mut stream = client(bus_port);

    assert!(matches!(fixture.next(), Seen::Accepted(_, Endpoint::Bus, _)));
    echo(&mut stream, b"hello");
}

#[test]
fn new_addresses_replace_the_old_ones() {
    let (fixture, old) = Fixture::listening();
    let (free, new) = free_port("127.0.0.1:0");
    drop(free);

    fixture.listen(Endpoint::Client, listen(&["127.0.0.1"], new));

    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));
    echo(&mut client(new), b"hello");
    assert!(TcpStream::connect(("127.0.0.1", old)).is_err());
}

#[test]
fn one_address_replaces_all_addresses_on_the_same_port() {
    let (listener, port) = free_port("0.0.0.0:0");
    let fixture = Fixture::with_listeners(vec![listener]);
    fixture.listen(Endpoint::Client, listen(&["*"], port));
    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));

    fixture.listen(Endpoint::Client, listen(&["127.0.0.1"], port));

    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));
    echo(&mut client(port), b"hello");
}

#[test]
fn a_taken_port_is_told_and_the_old_one_stays() {
    let (fixture, port) = Fixture::listening();
    let (_held, taken) = free_port("127.0.0.1:0");

    fixture.listen(Endpoint::Client, listen(&["127.0.0.1"], taken));

    let text = format!(
        "Warning: Could not create server TCP listening socket 127.0.0.1:{taken}: bind: Address already in use"
    );
    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Err(text)));
    echo(&mut client(port), b"hello");
}

#[test]
fn an_optional_address_that_is_missing_is_logged() {
    let (listener, port) = free_port("127.0.0.1:0");
    let fixture = Fixture::with_listeners(vec![listener]);

    // 203.0.113.0/24 is for documentation; no interface has it.
    fixture.listen(Endpoint::Client, listen(&["127.0.0.1", "-203.0.113.5"], port));

    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));
    let line = fixture.log.recv_timeout(GUARD).unwrap();
    assert_eq!(line.level, LogLevel::Warning);
    assert!(line.text.ends_with(&format!("203.0.113.5:{port}: bind: Cannot assign requested address")), "{line:?}");
}

#[test]
fn a_name_can_be_listened_on() {
    let (listener, port) = free_port("127.0.0.1:0");
    drop(listener);
    let fixture = Fixture::new();

    fixture.listen(Endpoint::Client, listen(&["localhost"], port));

    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));
    echo(&mut client(port), b"hello");
}

#[test]
fn both_families_share_a_port() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: no IPv6 on this machine");
        return;
    }
    let (listener, port) = free_port("0.0.0.0:0");
    let fixture = Fixture::with_listeners(vec![listener]);

    fixture.listen(Endpoint::Client, listen(&["*", "-::*"], port));

    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));
    echo(&mut client(port), b"four");
    let mut six = TcpStream::connect(("::1", port)).unwrap();
    guard(&six);
    echo(&mut six, b"six");
}

/// A host that listens on a Unix socket in a folder of its own.
fn on_unix_socket(mode: u32) -> (Fixture, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock").to_str().unwrap().to_owned();
    let fixture = Fixture::new();
    let unix = Some((path.clone(), mode));
    fixture.listen(Endpoint::Client, Listen { unix, backlog: 16, ..Listen::default() });
    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Ok(())));
    (fixture, folder, path)
}

#[test]
fn a_unix_socket_serves_and_has_its_permissions() {
    let (fixture, _folder, path) = on_unix_socket(0o700);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();

    let Seen::Accepted(_, _, peer) = fixture.next() else {
        panic!("not accepted");
    };

    assert_eq!(peer, Peer::Unix { path: path.clone() });
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    echo(&mut stream, b"hello");
    drop(fixture);
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn a_unix_socket_that_blocks_goes_on_when_there_is_room() {
    let (fixture, _folder, path) = on_unix_socket(0);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    let conn = fixture.accepted();

    stream.write_all(b"flood 3000000").unwrap();
    let mut reply = vec![0; 3_000_000];
    std::io::Read::read_exact(&mut stream, &mut reply).unwrap();

    assert!(reply == filler(3_000_000));
    assert_eq!(fixture.next(), Seen::Drained(conn));
    echo(&mut stream, b"again");
    stream.write_all(b"close 3000000").unwrap();
    assert!(read_all(&mut stream) == filler(3_000_000));
}

#[test]
fn a_unix_socket_without_a_folder_is_refused_in_redis_words() {
    let fixture = Fixture::new();
    let unix = Some(("/nowhere/redis.sock".to_owned(), 0));

    fixture.listen(Endpoint::Client, Listen { unix, ..Listen::default() });

    let text = "Failed opening Unix socket: bind: No such file or directory".to_owned();
    assert_eq!(fixture.next(), Seen::Listening(Endpoint::Client, Err(text)));
}
