//! Speed of commands on collections: many small ones, where each command meets another key, and large ones.
//!
//! `cargo bench -p slotmesh-engine --bench collections [-- hash|list|set|sorted]` prints nanoseconds of the thread's
//! CPU time for each command, the search for its row, its reply and the making of its words (some 60 ns) included.
//! Small are collections of up to ten elements of 16 bytes, under 200,000 keys in random order; `SMALL_KEYS` and
//! `ROUNDS` in the environment change that, for tools that count instructions.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads its sizes and its clock")]
#![expect(clippy::print_stdout, reason = "that is what a benchmark is for")]

use std::time::Duration;

use mimalloc::MiMalloc;
use slotmesh_engine::Engine;
use slotmesh_engine::config::Config;
use slotmesh_engine::resp::args::ArgsBuf;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::session::SessionId;
use slotmesh_engine::time::Now;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Commands of each kind in each case: a round meets each small key once, in random order.
struct Bench {
    engine: Engine,
    session: SessionId,
    words: ArgsBuf,
    replies: Vec<u8>,
    rng: Rng,
    keys: u64,
    rounds: u64,
}

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, case) in [("hash", hash as fn(&mut Bench)), ("list", list), ("set", set), ("sorted", sorted)] {
        if chosen.is_empty() || chosen.iter().any(|choice| choice == name) {
            case(&mut Bench::new());
        }
    }
}

fn hash(bench: &mut Bench) {
    bench.small(
        "HSET of 5 new fields",
        1,
        &["HSET", "KEY", "f0", "V0", "f1", "V1", "f2", "V2", "f3", "V3", "f4", "V4"],
    );
    bench.small("HSET of a field there", 5, &["HSET", "KEY", "fROUND", "V5"]);
    bench.small("HGET", 5, &["HGET", "KEY", "fROUND"]);
    bench.small("HINCRBY", 5, &["HINCRBY", "KEY", "n", "1"]);
    bench.small("HDEL", 1, &["HDEL", "KEY", "f3"]);
    bench.large("HSET of a new field", &["HSET", "hash", "NUMBER", "V0"]);
    bench.large("HSET of a field there", &["HSET", "hash", "NUMBER", "V1"]);
    bench.large("HGET", &["HGET", "hash", "NUMBER"]);
}

fn list(bench: &mut Bench) {
    bench.small("LPUSH", 10, &["LPUSH", "KEY", "VROUND"]);
    bench.small("RPOP", 10, &["RPOP", "KEY"]);
    bench.small("RPUSH of 10", 1, &["RPUSH", "KEY", "V0", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8", "V9"]);
    bench.small("LRANGE of 10", 2, &["LRANGE", "KEY", "0", "-1"]);
    bench.small("LINDEX", 5, &["LINDEX", "KEY", "ROUND"]);
    bench.large("LPUSH", &["LPUSH", "list", "V0"]);
    bench.large("RPOP", &["RPOP", "list"]);
}

fn set(bench: &mut Bench) {
    bench.small("SADD", 10, &["SADD", "KEY", "VROUND"]);
    bench.small("SADD of a member there", 10, &["SADD", "KEY", "VROUND"]);
    bench.small("SISMEMBER", 10, &["SISMEMBER", "KEY", "VROUND"]);
    bench.small("SREM", 10, &["SREM", "KEY", "VROUND"]);
    bench.small("SADD of 10", 1, &["SADD", "KEY", "V0", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8", "V9"]);
    bench.large("SADD", &["SADD", "set", "NUMBER"]);
    bench.large("SISMEMBER", &["SISMEMBER", "set", "NUMBER"]);
}

fn sorted(bench: &mut Bench) {
    bench.small("ZADD", 10, &["ZADD", "KEY", "ROUND", "VROUND"]);
    bench.small("ZINCRBY", 5, &["ZINCRBY", "KEY", "3", "VROUND"]);
    bench.small("ZSCORE", 10, &["ZSCORE", "KEY", "VROUND"]);
    bench.small("ZRANGE of 10", 2, &["ZRANGE", "KEY", "0", "-1"]);
    bench.large("ZADD", &["ZADD", "sorted", "RANDOM", "NUMBER"]);
    bench.large("ZSCORE", &["ZSCORE", "sorted", "NUMBER"]);
}

impl Bench {
    fn new() -> Self {
        let mut engine = Engine::new(Config::default(), 1);
        let session = engine.open();
        let number = |name, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
        let (keys, rounds) = (number("SMALL_KEYS", 200_000), number("ROUNDS", 2));
        Self { engine, session, words: ArgsBuf::new(), replies: Vec::new(), rng: Rng::new(3), keys, rounds }
    }

    /// One command for each of the small keys, `times` times, with another `ROUND` each time.
    #[inline(never)]
    fn small(&mut self, title: &str, times: u64, words: &[&str]) {
        let mut order: Vec<u64> = (0..self.keys).collect();
        let mut time = Duration::ZERO;
        for round in 0..times {
            for place in (1..order.len()).rev() {
                order.swap(place, self.rng.index(place + 1));
            }
            let start = cpu();
            for &number in &order {
                self.run(words, number, round);
            }
            time += cpu() - start;
        }
        print(&format!("small: {title}"), time, self.keys * times);
    }

    /// As many commands on one large value, in random order.
    #[inline(never)]
    fn large(&mut self, title: &str, words: &[&str]) {
        let commands = self.keys * self.rounds;
        let start = cpu();
        for _ in 0..commands {
            let number = self.rng.below(commands);
            self.run(words, number, 0);
        }
        print(&format!("large: {title}"), cpu() - start, commands);
    }

    fn run(&mut self, words: &[&str], number: u64, round: u64) {
        self.words.clear();
        for word in words {
            let (first, rest) = word.split_at(1);
            match (*word, first) {
                ("KEY" | "NUMBER", _) => self.words.push(&text(b'k', number)),
                ("RANDOM", _) => self.words.push(itoa::Buffer::new().format(self.rng.below(1 << 40)).as_bytes()),
                ("ROUND", _) => self.words.push(itoa::Buffer::new().format(round).as_bytes()),
                ("fROUND", _) => self.words.push(&[b'f', b'0' + round as u8]),
                ("VROUND", _) => self.words.push(&text(b'v', number * 10 + round)),
                (_, "V") => self.words.push(&text(b'v', number * 10 + rest.parse::<u64>().expect("a digit"))),
                (word, _) => self.words.push(word.as_bytes()),
            }
        }
        self.engine.execute(Now::default(), self.session, self.words.as_args());
        if self.engine.out(self.session).len() > REPLY_BYTES {
            self.replies.clear();
            self.engine.out(self.session).take_into(&mut self.replies);
        }
    }
}

/// A text of 16 bytes that no other number has, and that is none.
fn text(first: u8, number: u64) -> [u8; 16] {
    let mut text = *b"0:00000000000000";
    text[0] = first;
    let (mut rest, mut place) = (number, 15);
    while rest > 0 {
        text[place] += (rest % 10) as u8;
        rest /= 10;
        place -= 1;
    }
    text
}

/// CPU time of the thread, some milliseconds late: read from a file, so that tools that count instructions can follow.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

fn print(title: &str, time: Duration, commands: u64) {
    println!("{title:<36} {:8.1} ns", time.as_nanos() as f64 / commands as f64);
}

/// Replies that are collected before they are thrown away.
const REPLY_BYTES: usize = 16 * 1024;
