//! Story 1: six nodes and `redis-cli --cluster create`.

use std::path::Path;

use slotmesh_test_support::nodes::{self, NodeLine, start_nodes, wait_for, wait_state};
use slotmesh_test_support::replication::wait_connected;
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Peer, Server, cli, require_peer};

use crate::{NODE_TIMEOUT_MS, ours, raw};

#[test]
fn redis_cli_creates_a_cluster_that_answers_byte_for_byte() {
    let redis_cli = require_peer!(Peer::RedisCli);
    let servers = start_nodes(&ours(), 6, NODE_TIMEOUT_MS);
    let primaries = &servers[..3];

    let output = create(&redis_cli, &servers);
    for line in [
        "Master[0] -> Slots 0 - 5460",
        "Master[1] -> Slots 5461 - 10922",
        "Master[2] -> Slots 10923 - 16383",
        "[OK] All nodes agree about slots configuration.",
        "[OK] All 16384 slots covered.",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
    wait_state(&servers.iter().collect::<Vec<_>>(), "ok");
    for server in &servers[3..] {
        wait_connected(server);
    }

    node_lines_have_the_form_of_redis(&servers);
    redirects_are_byte_for_byte(&redis_cli, primaries);
    replicas_serve_reads_after_readonly(&servers);
    check_is_clean(&redis_cli, &servers);
}

/// What `redis-cli --cluster create` prints.
fn create(redis_cli: &Path, servers: &[Server]) -> String {
    let mut arguments = vec!["--cluster".to_owned(), "create".to_owned()];
    arguments.extend(servers.iter().map(|server| format!("127.0.0.1:{}", server.port())));
    arguments.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
    let output = cli::run(redis_cli, arguments, "").unwrap();
    assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
    output.stdout
}

fn node_lines_have_the_form_of_redis(servers: &[Server]) {
    let slots = ["0-5460", "5461-10922", "10923-16383"];
    for server in servers {
        wait_for(server, "all lines", |lines| {
            lines.len() == 6
                && lines.iter().all(|line| line.link == "connected")
                && lines.iter().filter(|line| line.is("slave")).count() == 3
        });
        let lines = nodes::nodes(&mut server.client());
        for (at, primary) in servers[..3].iter().enumerate() {
            let line = of_port(&lines, primary.port());
            assert_eq!(line.slots, [slots[at]]);
            assert_eq!(line.epoch, at as u64 + 1);
            assert!(line.is("master"));
            assert_eq!(lines.iter().filter(|other| other.primary.as_ref() == Some(&line.id)).count(), 1);
        }
        assert_eq!(lines.iter().filter(|line| line.is("myself")).count(), 1);
        assert!(of_port(&lines, server.port()).is("myself"));
    }
    let text = raw(&mut servers[0].client(), "CLUSTER NODES");
    let own = text.lines().find(|line| line.contains("myself")).unwrap();
    let words: Vec<&str> = own.split(' ').collect();
    assert_eq!(words[0].len(), 40);
    assert_eq!(words[1], format!("127.0.0.1:{0}@{1}", servers[0].port(), servers[0].port() + 10_000));
    assert_eq!([words[2], words[3], words[4], words[6], words[7]], ["myself,master", "-", "0", "1", "connected"]);
    assert_eq!(words[8..], ["0-5460"]);
}

fn redirects_are_byte_for_byte(redis_cli: &Path, primaries: &[Server]) {
    let [first, _, third] = primaries else { panic!("three primaries") };
    let mut client = first.client();

    assert_eq!(raw(&mut client, "set sample1 1"), "+OK\r\n");
    assert_eq!(raw(&mut client, "set sample2 1"), format!("-MOVED 12364 127.0.0.1:{}\r\n", third.port()));
    assert_eq!(raw(&mut client, "mget sample1 sample2"), "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    assert_eq!(raw(&mut client, "select 1"), "-ERR SELECT is not allowed in cluster mode\r\n");
    assert_eq!(raw(&mut client, "cluster keyslot sample2"), ":12364\r\n");

    let input = "set sample2 1\nget sample2\nget sample1\n";
    let followed = cli::redis_cli(redis_cli, first.port(), &["-c", "--raw"], input).unwrap();
    let to =
        |slot: u16, server: &Server| format!("-> Redirected to slot [{slot}] located at 127.0.0.1:{}\n", server.port());
    assert_eq!(followed.stdout, format!("{}OK\n1\n{}1\n", to(12_364, third), to(47, first)));
    let plain = cli::redis_cli(redis_cli, first.port(), &["get", "sample2"], "").unwrap();
    assert_eq!(plain.stdout.trim_end(), format!("MOVED 12364 127.0.0.1:{}", third.port()));
}

fn replicas_serve_reads_after_readonly(servers: &[Server]) {
    let lines = nodes::nodes(&mut servers[0].client());
    let owner = &of_port(&lines, servers[0].port()).id;
    let port = lines.iter().find(|line| line.primary.as_ref() == Some(owner)).unwrap().port;
    let replica = servers.iter().find(|server| server.port() == port).unwrap();
    let mut client = replica.client();
    let moved = format!("-MOVED 47 127.0.0.1:{}\r\n", servers[0].port());

    assert_eq!(raw(&mut client, "get sample1"), moved);
    assert_eq!(raw(&mut client, "readonly"), "+OK\r\n");
    poll_until("the value on the replica", nodes::FORM_LIMIT, || {
        (raw(&mut client, "get sample1") == "$1\r\n1\r\n").then_some(())
    })
    .unwrap();
    assert_eq!(raw(&mut client, "set sample1 2"), moved);
    assert_eq!(raw(&mut client, "readwrite"), "+OK\r\n");
    assert_eq!(raw(&mut client, "get sample1"), moved);
}

fn check_is_clean(redis_cli: &Path, servers: &[Server]) {
    for server in [&servers[0], &servers[5]] {
        let address = format!("127.0.0.1:{}", server.port());
        let output = cli::run(redis_cli, ["--cluster", "check", &address], "").unwrap();

        assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
        for line in [
            "[OK] All nodes agree about slots configuration.",
            "[OK] All 16384 slots covered.",
            "[OK] 2 keys in 3 masters.",
        ] {
            assert!(output.stdout.contains(line), "{line} in {}", output.stdout);
        }
        assert!(!output.stdout.contains("[ERR]") && !output.stdout.contains("[WARNING]"), "{}", output.stdout);
    }
}

fn of_port(lines: &[NodeLine], port: u16) -> &NodeLine {
    lines.iter().find(|line| line.port == port).unwrap()
}
