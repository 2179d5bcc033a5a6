//! redis-benchmark runs to its end, and what it wrote is there.

use slotmesh_test_support::{Peer, Reply, cli, require_peer};

use crate::cluster::cluster;
use crate::start;

#[test]
fn redis_benchmark_runs_to_its_end() {
    let program = require_peer!(Peer::RedisBenchmark);
    let server = start();
    let port = server.port().to_string();

    for pipeline in ["1", "16"] {
        let arguments = [
            "-p",
            &port,
            "-n",
            "20000",
            "-c",
            "20",
            "-P",
            pipeline,
            "-r",
            "1000",
            "-d",
            "64",
            "-q",
            "-t",
            "ping,set,get,incr,mset",
        ];
        let output = cli::run(&program, arguments, "").unwrap();

        assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
        for line in ["PING_INLINE:", "PING_MBULK:", "SET:", "GET:", "INCR:", "MSET (10 keys):"] {
            assert!(output.stdout.contains(line), "{line} in {}", output.stdout);
        }
        assert!(!output.stderr.to_lowercase().contains("error"), "{}", output.stderr);
    }
    let Reply::Integer(keys) = server.client().call(["DBSIZE"]).unwrap() else { panic!("no number") };
    assert!(keys >= 1000, "{keys}");
}

#[test]
fn redis_benchmark_spreads_its_load_over_a_cluster() {
    let program = require_peer!(Peer::RedisBenchmark);
    let servers = cluster();
    let port = servers[1].port().to_string();

    let arguments =
        ["-p", &port, "--cluster", "-n", "20000", "-c", "20", "-P", "8", "-r", "10000", "-q", "-t", "set,get"];
    let output = cli::run(&program, arguments, "").unwrap();

    assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("Cluster has 3 master nodes"), "{}", output.stdout);
    assert!(output.stdout.contains("GET:"), "{}", output.stdout);
    for server in &servers[..3] {
        let Reply::Integer(keys) = server.client().call(["DBSIZE"]).unwrap() else { panic!("no number") };
        assert!(keys > 100, "{keys}");
    }
}
