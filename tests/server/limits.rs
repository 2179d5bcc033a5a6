//! What protects the process from its clients.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use slotmesh_test_support::client::{Client, Received, request};
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Launch, Reply, Server};

use crate::{LIMIT, launch, ours, raw};

#[test]
fn protected_mode_turns_other_machines_away() {
    let Some(ip) = outward_address() else {
        eprintln!("SKIP protected_mode_turns_other_machines_away: only loopback addresses on this machine");
        return;
    };
    let server = Launch::new(ours()).option("bind", &format!("127.0.0.1 {ip}")).start().unwrap();
    let address = SocketAddr::new(ip, server.port());

    let mut text = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();

    assert!(text.starts_with("-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user."), "{text}");
    assert!(text.ends_with("in order for the server to start accepting connections from the outside.\r\n"), "{text}");
    let mut inside = server.client();
    assert_eq!(raw(&mut inside, "CONFIG SET protected-mode no"), "+OK\r\n");
    assert_eq!(raw(&mut Client::connect(address).unwrap(), "PING"), "+PONG\r\n");
    assert_eq!(raw(&mut inside, "CONFIG SET protected-mode yes requirepass secret"), "+OK\r\n");
    assert_eq!(raw(&mut Client::connect(address).unwrap(), "PING"), "-NOAUTH Authentication required.\r\n");
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = launch().option("maxclients", "3").start().unwrap();
    // The connection that looked whether the server is ready may still be counted.
    let accepted = || {
        poll_until("a place", LIMIT, || {
            let mut client = server.client();
            (client.call(["PING"]).ok()? == Reply::Simple(b"PONG".to_vec())).then_some(client)
        })
    };
    let mut clients: Vec<Client> = (0..3).map(|_| accepted().unwrap()).collect();

    let mut extra = server.client();

    assert_eq!(extra.read().unwrap(), Reply::Error(b"ERR max number of clients reached".to_vec()));
    assert_eq!(extra.receive(LIMIT).unwrap(), Received::Closed);
    clients.pop().unwrap().close();
    assert_eq!(raw(&mut server.client(), "PING"), "+PONG\r\n");
}

#[test]
fn a_client_that_never_reads_is_closed_at_the_output_limit() {
    let server = launch().option("client-output-buffer-limit", "normal 2mb 0 0").start().unwrap();
    let mut client = server.client();
    let value = vec![b'x'; 500_000];
    client.call([b"SET".as_slice(), b"large", &value]).unwrap();
    let mut lazy = TcpStream::connect(server.address()).unwrap();
    lazy.set_write_timeout(Some(LIMIT)).unwrap();

    // Far more than the sockets of both sides hold.
    for _ in 0..200 {
        if lazy.write_all(&request(["GET", "large"])).is_err() {
            break;
        }
    }

    server.wait_log("scheduled to be closed ASAP for overcoming of output buffer limits.", LIMIT).unwrap();
    assert_eq!(raw(&mut client, "PING"), "+PONG\r\n");
}

/// A subscriber that never reads falls over its own limit; its publisher is not held up.
#[test]
fn a_subscriber_that_never_reads_is_closed_at_its_limit() {
    let server = launch().option("client-output-buffer-limit", "pubsub 1mb 0 0").start().unwrap();
    let mut lazy = server.client();
    lazy.call(["SUBSCRIBE", "news"]).unwrap();
    let mut publisher = server.client();
    let message = vec![b'm'; 200_000];

    for _ in 0..1000 {
        let reply = publisher.call([b"PUBLISH".as_slice(), b"news", &message]).unwrap();
        if reply == Reply::Integer(0) {
            break;
        }
    }

    assert_eq!(publisher.call([b"PUBLISH".as_slice(), b"news", b"x"]).unwrap(), Reply::Integer(0));
    assert!(server.log().contains("overcoming of output buffer limits."), "{}", server.log());
}

#[test]
fn a_request_over_the_query_limit_is_closed_without_a_reply() {
    let server = launch().option("client-query-buffer-limit", "1mb").start().unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let mut bytes = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9000000\r\n".to_vec();
    bytes.resize(4_000_000, b'x');

    // The server closes while we still write: both an error and the end are fine.
    drop(stream.write_all(&bytes));
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));

    assert!(rest.is_empty(), "{rest:?}");
    server.wait_log("Closing client that reached max query buffer length", LIMIT).unwrap();
    assert_eq!(raw(&mut server.client(), "EXISTS k"), ":0\r\n");
}

#[test]
fn an_idle_client_is_closed_after_the_timeout() {
    let server = launch().option("timeout", "1").start().unwrap();
    let (mut idle, mut subscriber) = (server.client(), server.client());
    subscriber.call(["SUBSCRIBE", "c"]).unwrap();
    assert_eq!(raw(&mut idle, "PING"), "+PONG\r\n");

    assert_eq!(idle.receive(LIMIT).unwrap(), Received::Closed);

    // Who waits for messages is not idle.
    assert_eq!(subscriber.receive(Duration::from_millis(200)).unwrap(), Received::Nothing);
}

#[test]
fn bytes_that_are_no_requests_close_their_client_only() {
    let server = launch().start().unwrap();
    let mut witness = server.client();
    let cases: [(&[u8], &str); 7] = [
        (b"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n:4\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$600000000\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"SET \"k v\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", ""),
    ];

    for (bytes, expected) in cases {
        assert_eq!(answer_to(&server, bytes), expected, "{}", bytes.escape_ascii());
        assert_eq!(raw(&mut witness, "PING"), "+PONG\r\n");
    }
    assert_eq!(answer_to(&server, &[b'a'; 70_000]), "-ERR Protocol error: too big inline request\r\n");
    // Random bytes, a fixed sequence: nothing but a reply or the end may come of them.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(2000)
        .chain(*b"\r\n")
        .collect();
        answer_to(&server, &bytes);
    }
    assert_eq!(raw(&mut witness, "PING"), "+PONG\r\n");
}

/// Everything the server sends on a connection that sends this and then ends its side.
fn answer_to(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // The server may close before it has read everything.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(std::net::Shutdown::Write));
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let is_hang = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!is_hang, "the connection stays open after {}", bytes.escape_ascii());
    String::from_utf8_lossy(&answer).into_owned()
}

/// An address of this machine that other machines could dial.
fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only picks the route's own address.
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}
