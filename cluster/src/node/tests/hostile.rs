//! Clients, peers and files that mean no good: what bounds them.

use std::net::SocketAddr;

use slotmesh_engine::config::special::buffer_limits::BufferLimit;
use slotmesh_engine::rng::Rng;

use super::Fixture;
use super::disk::TestDisk;
use crate::bus::{Bus, BusConfig, BusOutput};
use crate::machine::{Effect, Endpoint, Input, Machine, Peer};

#[test]
fn a_transaction_is_no_way_around_the_query_buffer_limit() {
    let mut fixture = Fixture::with(|config| config.client_query_buffer_limit = 100_000);
    let client = fixture.client();
    let value = "x".repeat(1000);

    fixture.send(client, "MULTI");
    for _ in 0..120 {
        fixture.send(client, &format!("SET k {value}"));
    }

    assert!(fixture.is_closed(client));
    assert!(fixture.logged("Closing client that reached max query buffer length"));
    let other = fixture.client();
    assert!(fixture.call(other, "INFO stats").contains("client_query_buffer_limit_disconnections:1|"));
}

#[test]
fn a_paused_request_runs_once_when_the_pause_ends() {
    let mut fixture = Fixture::new();
    let (client, other) = (fixture.client(), fixture.client());

    fixture.send(other, "CLIENT PAUSE 100 WRITE");
    fixture.send_bytes(client, b"PING\r\nINCR k\r\n*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n*2\r\n$3\r\nGE");
    fixture.send_bytes(client, b"T\r\n$1\r\nk\r\n");
    assert_eq!(fixture.heard(client), "+PONG|");
    fixture.advance(150);

    assert_eq!(fixture.heard(client), ":1|:2|$1|2|");
}

#[test]
fn each_pause_of_a_long_pipeline_passes_its_own_requests_only() {
    let mut fixture = Fixture::new();
    let client = fixture.client();

    fixture.send_bytes(client, "CLIENT PAUSE 10 ALL\r\nINCR k\r\n".repeat(20).as_bytes());
    fixture.advance(1000);

    let replies: String = (1..=20).map(|count| format!("+OK|:{count}|")).collect();
    assert_eq!(fixture.heard(client), replies);
}

#[test]
fn replies_past_the_hard_limit_stop_a_pipeline_before_its_end() {
    let mut fixture = Fixture::with(|config| {
        config.protected_mode = false;
        config.client_output_buffer_limit.normal = BufferLimit { hard_bytes: 100_000, ..BufferLimit::default() };
    });
    let (owner, client) = (fixture.client(), fixture.stranger());
    fixture.send(owner, &format!("SET k {}", "x".repeat(5000)));

    fixture.send_bytes(client, "GET k\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(2000).as_bytes());

    assert!(fixture.is_closed(client));
    assert!(fixture.logged("overcoming of output buffer limits"));
    fixture.heard(owner);
    let stats = fixture.call(owner, "INFO commandstats");
    let calls = stats.split("cmdstat_get:calls=").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    assert!(calls.parse::<u32>().unwrap() < 100, "{calls}");
}

#[test]
fn a_bus_peer_nobody_knows_must_read_its_answers() {
    let mut fixture = Fixture::with(|config| config.cluster_enabled = true);
    let address = |port: u16| SocketAddr::from(([10, 0, 0, 9], port));
    let peer = Peer::Tcp { remote: address(5000), local: address(16379) };
    let conn = fixture.node.accept(fixture.now, Endpoint::Bus, peer);
    let ping = ping_of_a_stranger(&fixture);

    let mut closed = false;
    for _ in 0..2000 {
        fixture.node.handle(fixture.now, Input::Received(conn, &ping));
        // Nothing is flushed: the peer does not read.
        while let Some(effect) = fixture.node.poll() {
            closed |= matches!(effect, Effect::Close(closed, _) if closed == conn);
        }
        assert!(fixture.node.out_buf(conn).len() < 2 << 20);
    }

    assert!(closed);
}

/// What another node's bus says first on a link.
fn ping_of_a_stranger(fixture: &Fixture) -> Vec<u8> {
    let mut bus = Bus::new(fixture.now, BusConfig::default(), None, Rng::new(99));
    bus.meet(fixture.now, b"10.0.0.1", b"6379", None).unwrap();
    let later = fixture.now.plus(std::time::Duration::from_secs(1));
    bus.tick(later, &crate::bus::Facts::default(), &|_| crate::bus::LinkBytes::default());
    let mut sent = None;
    while let Some(output) = bus.poll() {
        if let BusOutput::Dial { link, ip, .. } = &output {
            bus.connected(later, *link, *ip);
        } else if let BusOutput::Send { bytes, .. } = &output {
            sent = Some(bytes.to_vec());
        }
    }
    let mut message = sent.expect("it speaks first");
    // A PING, so that nobody is met.
    message[12..14].copy_from_slice(&0_u16.to_be_bytes());
    message
}

#[test]
fn an_append_only_file_with_lengths_no_parser_takes_is_fatal_and_not_cut_short() {
    let mut disk = TestDisk::default();
    let files = [
        ("appendonly.aof.manifest", &b"file appendonly.aof.1.incr.aof seq 1 type i\n"[..]),
        ("appendonly.aof.1.incr.aof", b"*3\r\n$03\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"),
    ];
    for (name, bytes) in files {
        disk.files.insert(format!("/data/appendonlydir/{name}"), bytes.to_vec());
    }

    disk.folders.push("/data/appendonlydir".to_owned());

    let fixture = Fixture::started(|config| config.appendonly = true, disk);

    assert_eq!(fixture.exit, Some(1));
    assert!(fixture.logged("Bad file format reading the append only file appendonly.aof.1.incr.aof"));
}
