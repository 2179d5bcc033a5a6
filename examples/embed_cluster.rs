//! A whole cluster inside a program: six nodes that gossip, replicate and fail over.
//!
//! `cargo run --example embed_cluster`

use std::error::Error;
use std::time::{Duration, Instant};

use slotmesh::Cluster;

fn main() -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let cluster = Cluster::builder().primaries(3).replicas(1).node_timeout(Duration::from_millis(200)).start()?;
    let up_after = begin.elapsed();

    // The client sends each command to the node that has its key.
    let mut client = cluster.client();
    for number in 0..1000 {
        client.call::<()>(("SET", format!("user:{number}"), number))?;
    }

    // A primary crashes. The client goes on as soon as its replica has taken over.
    let mut first = cluster.node_client(0)?;
    let replicated: i64 = first.call(("WAIT", 1, 1000))?;
    cluster.kill(0);
    let begin = Instant::now();
    let all: Vec<u32> =
        (0..1000).map(|number| client.call(("GET", format!("user:{number}")))).collect::<Result<_, _>>()?;
    let gap = begin.elapsed();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());

    cluster.restart(0)?;
    cluster.wait_healthy(Duration::from_secs(10))?;
    report(up_after, gap, replicated);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example shows what it did")]
fn report(up_after: Duration, gap: Duration, replicated: i64) {
    println!("six nodes up after {up_after:?}; {replicated} replica had everything; all read {gap:?} after a crash");
}
