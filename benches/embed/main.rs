//! What an embedded store costs: `cargo bench --bench embed`.
//!
//! Prints nanoseconds and allocations per operation, of a node fed with bytes and of clients in the process, and how
//! long a cluster takes to come up. The best of several rounds counts: the others were disturbed. With words behind
//! `--`, only what has one of them in its name is measured.
#![expect(clippy::print_stdout, reason = "a benchmark prints figures")]

mod allocator;

use std::hint::black_box;
use std::time::{Duration, Instant};

use slotmesh::{Client, Cluster, Error, Server};
use slotmesh_cluster::machine::{ConnId, Endpoint, Input, Listen, Machine, Peer, Target, Wire, settle};
use slotmesh_cluster::node::Node;
use slotmesh_engine::config::Config;
use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::time::{Instant as Monotonic, Now, UnixMicros};
use slotmesh_transport_mem::live::{LiveDisk, RamDisk};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

fn main() {
    println!("{:<44} {:>8}  {:>8}", "", "ns", "allocs");
    node("node, GET", 1, get);
    node("node, SET of 64 bytes", 1, set);
    node("node, GET, pipeline 16", 16, get);
    node("node, SET of 64 bytes, pipeline 16", 16, set);

    let server = Server::memory();
    let mut client = server.client();
    fill(KEYS, |key, value| client.call::<()>(("SET", key, value)).is_ok());
    gets("client in the process, GET", KEYS, |key| client.call(("GET", key)));
    client_set("client in the process, SET of 64 bytes", &mut client);
    fill(KEYS_MANY, |key, value| client.call::<()>(("SET", key, value)).is_ok());
    gets("client in the process, GET of a million keys", KEYS_MANY, |key| client.call(("GET", key)));
    drop(server);

    let cluster = Cluster::builder().start().expect("a cluster in memory starts");
    let mut client = cluster.client();
    fill(KEYS, |key, value| client.call::<()>(("SET", key, value)).is_ok());
    gets("client of a cluster in the process, GET", KEYS, |key| client.call(("GET", key)));
    drop(cluster);

    come_up();
}

// --- a node fed with bytes --------------------------------------------------------------------------------------

fn node(name: &str, pipeline: usize, request: fn(usize) -> Vec<u8>) {
    if !is_wanted(name) {
        return;
    }
    let mut bench = Bench::new();
    for key in 0..KEYS {
        bench.feed(&set(key));
    }
    let requests: Vec<Vec<u8>> = (0..REQUESTS)
        .map(|n| (0..pipeline).flat_map(|m| request((n * pipeline + m) * 7919 % KEYS)).collect())
        .collect();
    measure(name, REQUESTS * pipeline, || {
        for request in &requests {
            bench.feed(request);
        }
    });
}

fn get(key: usize) -> Vec<u8> {
    let key = format!("key:{key:012}");
    format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len()).into_bytes()
}

fn set(key: usize) -> Vec<u8> {
    let key = format!("key:{key:012}");
    format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$64\r\n{}\r\n", key.len(), "x".repeat(64)).into_bytes()
}

/// A node with a host of the simplest kind: a disk in memory, and a wire on which replies vanish.
struct Bench {
    node: Node,
    disk: RamDisk,
    conn: ConnId,
    micros: u64,
}

impl Bench {
    fn new() -> Self {
        let mut node = Node::new(Config { port: 0, ..Config::default() }, 1);
        node.start(now(0));
        let conn = ConnId { index: 0, generation: 0 };
        let mut bench = Self { node, disk: RamDisk::new(|_| {}), conn, micros: 0 };
        bench.settle();
        bench.node.handle(now(0), Input::Listening(Endpoint::Client, Ok(())));
        bench.settle();
        assert!(bench.node.is_running(), "a node without files runs at once");
        bench.conn = bench.node.accept(now(0), Endpoint::Client, Peer::InProcess);
        bench.settle();
        bench
    }

    fn feed(&mut self, request: &[u8]) {
        self.micros += 1;
        self.node.handle(now(self.micros), Input::Received(self.conn, request));
        self.settle();
    }

    fn settle(&mut self) {
        settle(&mut self.node, &mut Vanishing, &mut self.disk);
        while let Some((ticket, result)) = self.disk.poll() {
            self.node.handle(now(self.micros), Input::Disk(ticket, result));
            settle(&mut self.node, &mut Vanishing, &mut self.disk);
        }
    }
}

/// A wire whose other end takes everything at once.
struct Vanishing;

impl Wire for Vanishing {
    fn flush(&mut self, _: ConnId, out: &mut OutBuf) {
        out.advance(out.visible());
    }

    fn dial(&mut self, _: ConnId, _: Target, _: Endpoint) {}

    fn close(&mut self, _: ConnId, _: Vec<u8>) {}

    fn listen(&mut self, _: Endpoint, _: Listen) {}
}

fn now(micros: u64) -> Now {
    Now { instant: Monotonic(micros), unix: UnixMicros(1_800_000_000_000_000 + micros as i64) }
}

// --- clients ----------------------------------------------------------------------------------------------------

fn fill(keys: usize, mut set: impl FnMut(&str, &str) -> bool) {
    let value = "x".repeat(64);
    for key in 0..keys {
        assert!(set(&format!("key:{key:012}"), &value), "a store in memory takes what fits");
    }
}

/// The keys in the order in which they are asked for, over and over.
fn keys(keys: usize) -> Vec<String> {
    (0..keys.min(REQUESTS)).map(|n| format!("key:{:012}", n * 7919 % keys)).collect()
}

fn gets(name: &str, among: usize, mut get: impl FnMut(&str) -> Result<Vec<u8>, Error>) {
    if !is_wanted(name) {
        return;
    }
    let keys = keys(among);
    measure(name, REQUESTS, || {
        for key in keys.iter().cycle().take(REQUESTS) {
            black_box(get(key).expect("the key is there"));
        }
    });
}

fn client_set(name: &str, client: &mut Client) {
    if !is_wanted(name) {
        return;
    }
    let (keys, value) = (keys(KEYS), "x".repeat(64));
    measure(name, REQUESTS, || {
        for key in keys.iter().cycle().take(REQUESTS) {
            client.call::<()>(("SET", key, &value)).expect("there is memory");
        }
    });
}

fn come_up() {
    let took = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        let cluster = Cluster::builder().primaries(3).replicas(1).start().expect("a cluster in memory starts");
        let took = begin.elapsed();
        drop(cluster);
        took
    });
    let best = took.min().unwrap_or(Duration::ZERO);
    println!("{:<44} {:>8.2} ms", "a cluster of six nodes, up and consistent", best.as_secs_f64() * 1e3);
}

/// Whether the command line leaves this measurement in.
fn is_wanted(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

// --- measuring --------------------------------------------------------------------------------------------------

/// Runs `work`, which is so many operations, a few times and prints the best. Time is that of this thread on a
/// processor, so that other programs disturb less; what a call costs is all on its caller's thread.
fn measure(name: &str, operations: usize, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    let mut allocations = u64::MAX;
    for _ in 0..ROUNDS {
        let (calls, begin) = (allocator::calls(), processor_time());
        work();
        best = best.min(processor_time() - begin);
        allocations = allocations.min(allocator::calls() - calls);
    }
    let per_operation = best.as_secs_f64() * 1e9 / operations as f64;
    println!("{name:<44} {per_operation:>8.1}  {:>8.2}", allocations as f64 / operations as f64);
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a thread's time is not negative")
}

/// Keys in the store: few enough for a core's cache, requests included, so that the code is measured and not the
/// memory.
const KEYS: usize = 1_000;

/// Keys of a store that no cache holds.
const KEYS_MANY: usize = 1_000_000;

/// Calls of one round.
const REQUESTS: usize = 50_000;

/// Rounds; the best one counts.
const ROUNDS: usize = 9;
