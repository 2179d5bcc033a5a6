//! Speed and memory of the values' own structures.
//!
//! `cargo bench -p slotmesh-engine --bench values [-- listpack|list|pause|sorted]` prints nanoseconds of CPU time for each
//! operation and counted and resident bytes for each element.
//!
//! Figures of a two-core virtual machine (Xeon, other builds running beside it), texts of 16 bytes:
//!
//! | what | figure |
//! |---|---|
//! | listpack: find among 64 pairs / walk / replace | 190 / 2.4 each / 20 ns |
//! | list: push and pop at the back / at the front / 100 in a row | 30 and 23 / 79 and 49 / 5 ns each |
//! | list: bytes for each of a million elements / for 10 | 18.4 resident / 192 |
//! | sorted set of 10: insert / rank / bytes | 120 / 36 ns / 224 |
//! | sorted set of 200,000, random scores: insert / score / rank | 360 / 54 / 400 ns |
//! | the same: change a score by a little / by a lot / remove | 400 / 820 / 310 ns |
//! | bytes for each of 200,000 members, in order / at random | 54 / 60 resident |
//! | longest insertion of 500,000 / 4 million members | 0.5 to 1.9 / 1.2 to 2.9 ms |
//! | longest piece of freeing them by 2048 | 0.07 / 0.08 ms |
//!
//! redis-server 7.0.15 took 4,000 ns of CPU for a ZADD and 2,700 for a ZRANK of such a set, all told, pipelined 16.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads its case and its own memory figures")]
#![expect(clippy::print_stdout, reason = "that is what a benchmark is for")]

use std::hint::black_box;
use std::ops::Bound;
use std::time::Duration;

use mimalloc::MiMalloc;
use rustix::time::{ClockId, clock_gettime};
use slotmesh_engine::keyspace::Partitioning;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::table::hash::KeyHasher;
use slotmesh_engine::value::Typed;
use slotmesh_engine::value::list::{End, List, ListRules};
use slotmesh_engine::value::listpack::Listpack;
use slotmesh_engine::value::sorted::{Score, SortedSet, SortedSetRules};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The thread's CPU clock: what other programs do on the machine does not count, page faults do.
#[derive(Clone, Copy)]
struct Cpu(Duration);

impl Cpu {
    fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Self(Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32))
    }

    fn elapsed(self) -> Duration {
        Self::now().0 - self.0
    }
}

const MEMBERS: u64 = 200_000;
const ELEMENTS: u64 = 1_000_000;

/// Environment variable that names the case of a child process.
const CASE: &str = "VALUES_BENCH_CASE";

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|choice| choice == name);
    if wanted("listpack") {
        listpack();
    }
    if wanted("list") {
        list();
    }
    if wanted("pause") {
        pause();
    }
    if wanted("sorted") {
        if std::env::var(CASE).is_err() {
            sorted_small();
        }
        sorted();
    }
}

fn measure<R>(name: &str, operations: u64, run: impl FnOnce() -> R) -> R {
    let start = Cpu::now();
    let result = run();
    println!("{name:<48} {:8.1} ns/op", start.elapsed().as_nanos() as f64 / operations as f64);
    result
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// A member of 16 bytes.
fn member(number: u64) -> [u8; 16] {
    let mut name = *b"mem:000000000000";
    let (mut rest, mut place) = (number, 15);
    while rest > 0 {
        name[place] += (rest % 10) as u8;
        rest /= 10;
        place -= 1;
    }
    name
}

fn listpack() {
    let fields: Vec<[u8; 16]> = (0..64).map(member).collect();
    let mut pack = Listpack::new();
    for field in &fields {
        pack.push_pair(field, b"value");
    }
    measure("listpack find among 64 pairs", 640_000, || {
        for _ in 0..10_000 {
            for field in &fields {
                black_box(pack.find(black_box(field), 1));
            }
        }
    });
    measure("listpack walk, each of 128 elements", 1_280_000, || {
        for _ in 0..10_000 {
            for element in &pack {
                black_box(element);
            }
        }
    });
    measure("listpack push_back of 16 B, 100 elements", 1_000_000, || {
        for _ in 0..10_000 {
            let mut pack = Listpack::new();
            for _ in 0..100 {
                pack.push_back(black_box(&fields[0]));
            }
            black_box(&pack);
        }
    });
    measure("listpack replace with the same length", 1_000_000, || {
        let at = pack.at(65).expect("there are 128");
        for _ in 0..1_000_000 {
            pack.replace(at, black_box(b"other"));
        }
    });
}

fn list() {
    let rules = ListRules::default();
    let element = |number: u64| member(number);
    let before = resident();
    let mut list = List::new();
    measure("list, push 16 B at the back", ELEMENTS, || {
        for number in 0..ELEMENTS {
            list.push(End::Back, std::iter::once(&element(number)[..]), rules);
        }
    });
    println!(
        "list: {:.1} bytes each counted, {:.1} resident",
        list.memory_usage() as f64 / ELEMENTS as f64,
        (resident() - before) as f64 / ELEMENTS as f64
    );
    measure("list, each of a range of 100 from the front", 10_000_000, || {
        for _ in 0..100_000 {
            list.view().range(0..100).for_each(|element| _ = black_box(element));
        }
    });
    let mut rng = Rng::new(4);
    measure("list, element at a random index", 10_000, || {
        for _ in 0..10_000 {
            black_box(list.view().get(rng.index(ELEMENTS as usize)));
        }
    });
    measure("list, pop from the front", ELEMENTS / 2, || {
        for _ in 0..ELEMENTS / 2 {
            list.pop(End::Front, rules, |element| _ = black_box(element));
        }
    });
    measure("list, push 16 B at the front", ELEMENTS / 2, || {
        for number in 0..ELEMENTS / 2 {
            list.push(End::Front, std::iter::once(&element(number)[..]), rules);
        }
    });
    measure("list, pop from the back", ELEMENTS / 2, || {
        for _ in 0..ELEMENTS / 2 {
            list.pop(End::Back, rules, |element| _ = black_box(element));
        }
    });
    let mut small = List::new();
    (0..10).for_each(|number| small.push(End::Back, std::iter::once(&element(number)[..]), rules));
    println!("list of 10: {} bytes beside {} for itself", small.memory_usage(), size_of::<List>());
}

fn rules(hasher: &KeyHasher) -> SortedSetRules<'_> {
    SortedSetRules { entries_max: 128, value_bytes_max: 64, hasher }
}

fn hasher() -> KeyHasher {
    KeyHasher::new(Partitioning::ByHash, &mut Rng::new(1))
}

fn sorted_small() {
    let hasher = hasher();
    let names: Vec<[u8; 16]> = (0..10).map(member).collect();
    let mut sets: Vec<SortedSet> = Vec::new();
    measure("sorted set of 10, insert", 1_000_000, || {
        for _ in 0..100_000 {
            let mut set = SortedSet::new();
            for (number, name) in names.iter().enumerate() {
                set.insert(name, Score::new((number * 7 % 10) as f64).expect("no NaN"), rules(&hasher));
            }
            sets.push(set);
        }
    });
    println!("sorted set of 10: {} bytes beside {} for itself", sets[0].memory_usage(), size_of::<SortedSet>());
    measure("sorted set of 10, rank", 1_000_000, || {
        for set in &sets {
            for name in &names {
                black_box(set.view().rank(name));
            }
        }
    });
}

fn sorted() {
    let Ok(case) = std::env::var(CASE) else {
        ["in order", "at random", "of one score"].iter().for_each(|case| run_case("sorted", case));
        return;
    };
    let mut rng = Rng::new(2);
    match &case[..] {
        "at random" => sorted_with(&case, move |_| rng.below(1 << 40) as f64),
        "in order" => sorted_with(&case, |number| number as f64),
        _ => sorted_with(&case, |_| 0.0),
    }
}

/// The longest single steps of a set's life, which must not grow with the set.
fn pause() {
    let hasher = hasher();
    let mut rng = Rng::new(5);
    for members in [500_000, 4_000_000_u64] {
        let mut set = SortedSet::new();
        let mut longest = Longest::default();
        for number in 0..members {
            let (name, score) = (member(number), Score::new(rng.below(1 << 40) as f64).expect("no NaN"));
            longest.note(|| _ = set.insert(&name, score, rules(&hasher)));
        }
        longest.print(&format!("inserting {members} members"));
        let mut longest = Longest::default();
        for number in 0..members / 2 {
            let name = member(number * 2);
            longest.note(|| _ = set.remove(&name));
        }
        longest.print(&format!("removing half of {members} members"));
        let mut longest = Longest::default();
        let mut freed = 1;
        while freed > 0 {
            longest.note(|| freed = set.free_some(2048));
        }
        longest.note(|| drop(set));
        longest.print(&format!("freeing half of {members} members by 2048"));
    }
}

/// Longest steps of a series, in microseconds of CPU time.
#[derive(Default)]
struct Longest {
    nanos: Vec<u128>,
}

impl Longest {
    fn note(&mut self, step: impl FnOnce()) {
        let start = Cpu::now();
        step();
        let nanos = start.elapsed().as_nanos();
        if self.nanos.len() < 5 || nanos > self.nanos[4] {
            self.nanos.push(nanos);
            self.nanos.sort_unstable_by(|a, b| b.cmp(a));
            self.nanos.truncate(5);
        }
    }

    fn print(&self, name: &str) {
        let micros: Vec<u128> = self.nanos.iter().map(|nanos| nanos / 1000).collect();
        println!("pause {name:<42} longest {micros:?} us");
    }
}

/// Runs one case in a process of its own: memory that an earlier one freed would hide what this one takes.
fn run_case(benchmark: &str, case: &str) {
    let program = std::env::current_exe().expect("a benchmark knows its program");
    let status = std::process::Command::new(program).arg(benchmark).env(CASE, case).status();
    assert!(status.is_ok_and(|status| status.success()), "{case}");
}

fn sorted_with(name: &str, mut score: impl FnMut(u64) -> f64) {
    let hasher = hasher();
    let mut names: Vec<[u8; 16]> = (0..MEMBERS).map(member).collect();
    let scores: Vec<Score> = (0..MEMBERS).map(|number| Score::new(score(number)).expect("no NaN")).collect();
    let before = resident();
    let mut set = SortedSet::new();
    measure(&format!("sorted set, insert {name}"), MEMBERS, || {
        for (name, &score) in names.iter().zip(&scores) {
            set.insert(name, score, rules(&hasher));
        }
    });
    println!(
        "sorted set {name}: {:.1} bytes each counted, {:.1} resident",
        set.memory_usage() as f64 / MEMBERS as f64,
        (resident() - before) as f64 / MEMBERS as f64
    );
    let mut rng = Rng::new(3);
    for place in (1..names.len()).rev() {
        names.swap(place, rng.index(place + 1));
    }
    measure(&format!("sorted set, score {name}"), MEMBERS, || {
        names.iter().for_each(|name| _ = black_box(set.view().score(name)));
    });
    measure(&format!("sorted set, rank {name}"), MEMBERS, || {
        names.iter().for_each(|name| _ = black_box(set.view().rank(name)));
    });
    measure(&format!("sorted set, count of a range {name}"), MEMBERS, || {
        for &score in &scores {
            black_box(set.view().ranks_by_score(Bound::Included(score.number()), Bound::Unbounded));
        }
    });
    measure(&format!("sorted set, each of a range of 100 {name}"), MEMBERS, || {
        for start in 0..MEMBERS as usize / 100 {
            set.view().range(start * 100..start * 100 + 100).for_each(|item| _ = black_box(item));
        }
    });
    measure(&format!("sorted set, add 0.5 to a score {name}"), MEMBERS, || {
        for name in &names {
            set.update(name, |old| Score::new(old? + 0.5), rules(&hasher));
        }
    });
    measure(&format!("sorted set, move to a random score {name}"), MEMBERS, || {
        for name in &names {
            set.update(name, |_| Score::new(rng.below(1 << 40) as f64), rules(&hasher));
        }
    });
    measure(&format!("sorted set, pop the lowest {name}"), MEMBERS / 2, || {
        for _ in 0..MEMBERS / 2 {
            set.remove_ranks(0..1);
        }
    });
    measure(&format!("sorted set, remove {name}"), MEMBERS, || {
        names.iter().for_each(|name| _ = black_box(set.remove(name)));
    });
}
