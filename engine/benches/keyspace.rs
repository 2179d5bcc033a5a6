//! Speed, allocations, memory and pauses of the keyspace.
//!
//! `cargo bench -p slotmesh-engine --bench keyspace [-- lookup|write|memory|pause|snapshot|expire|hash]` prints
//! nanoseconds and allocations for each operation, bytes of resident memory for each key, and the longest pauses.
//! Times are CPU time of the thread; writes and removals include making the key's text (60 ns).
//!
//! Figures of a two-core virtual machine (2.3 GHz Xeon, other builds running beside it), a million keys of 16 bytes:
//!
//! | what | figure |
//! |---|---|
//! | resident, 64 B value / with TTL / 8 B value | 109 / 109 / 45 B each (107 to 109 from 600,000 to 1.4 million keys) |
//! | the table's share of it | 9 to 13 B, six-byte pointer and control byte at 55 to 85 % of the buckets |
//! | hash of a 16 B key, plain / by slot | 2.2 / 11 ns |
//! | random lookup, one by one / 16 / 32 in flight | 100 to 130 / 46 to 56 / 45 to 56 ns, no allocation |
//! | overwrite at random, one by one / 16 in flight | 370 / 95 ns, no allocation where the length stays |
//! | longest insertion of five million, spread / one hash tag | 0.8 to 2.7 / 1.1 to 1.7 ms (1 in 3 runs has one of 4 to 6) |
//! | snapshot, each key | 70 ns |
//! | active expiry of a million keys over an hour | 0.1 % of a core |
#![expect(unsafe_code, reason = "counting allocations needs a global allocator")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and its own memory figures")]
#![expect(clippy::print_stdout, reason = "that is what a benchmark is for")]

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::time::Duration;

use mimalloc::MiMalloc;
use rustix::time::{ClockId, clock_gettime};
use slotmesh_engine::keyspace::{
    ChunkQueue, DbIndex, Entry, Expiry, Keyspace, NewValue, Partitioning, SnapshotEncoder, UnixMillis, ValueRef,
};
use slotmesh_engine::rng::Rng;

struct Counting;

/// Calls of the allocator so far; the benchmark has one thread.
static mut ALLOCATIONS: u64 = 0;

// SAFETY: every call goes to mimalloc unchanged; the counter is touched by one thread only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread; the caller keeps the contract of `alloc`.
        unsafe {
            ALLOCATIONS += 1;
            MiMalloc.alloc(layout)
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: one thread; the caller keeps the contract of `realloc`.
        unsafe {
            ALLOCATIONS += 1;
            MiMalloc.realloc(pointer, layout, size)
        }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A point on the thread's CPU clock: what other programs do on the machine does not count, page faults do.
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

const DB: DbIndex = DbIndex(0);
const KEYS: u64 = 1_000_000;

/// Environment variable that names the case of a child process.
const CASE: &str = "KEYSPACE_BENCH_CASE";

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|choice| choice == name);
    if wanted("memory") {
        memory();
    }
    if wanted("hash") {
        hash();
    }
    if wanted("lookup") {
        lookup(Partitioning::ByHash);
        lookup(Partitioning::BySlot);
    }
    if wanted("write") {
        write();
    }
    if wanted("pause") {
        pauses();
    }
    if wanted("snapshot") {
        snapshot();
    }
    if wanted("expire") {
        expire();
    }
}

fn keyspace(partitioning: Partitioning) -> Keyspace {
    Keyspace::new(16, partitioning, &mut Rng::new(1))
}

/// A key of 16 bytes.
fn key(buffer: &mut Vec<u8>, number: u64) -> &[u8] {
    use std::io::Write as _;
    buffer.clear();
    write!(buffer, "key:{number:012}").expect("a vector takes it");
    buffer
}

fn fill(keyspace: &mut Keyspace, keys: std::ops::Range<u64>, value: &[u8], expiry: Expiry) {
    let mut buffer = Vec::new();
    for number in keys {
        let key = key(&mut buffer, number);
        let hash = keyspace.hash(key);
        keyspace.db_mut(DB).set(hash, key, NewValue::Str(value), expiry);
    }
}

fn measure<R>(name: &str, operations: u64, run: impl FnOnce() -> R) -> R {
    // SAFETY: one thread.
    let before = unsafe { ALLOCATIONS };
    let start = Cpu::now();
    let result = run();
    let nanos = start.elapsed().as_nanos() as f64 / operations as f64;
    // SAFETY: one thread.
    let allocations = unsafe { ALLOCATIONS } - before;
    println!("{name:<48} {nanos:8.1} ns/op {:8.3} allocs/op", allocations as f64 / operations as f64);
    result
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn memory() {
    let Ok(case) = std::env::var(CASE) else {
        for keys in [600_000_u64, 700_000, 800_000, 900_000, 1_000_000, 1_200_000, 1_400_000] {
            run_case("memory", &format!("{keys} 64 0"));
        }
        for case in ["1000000 8 0", "1000000 64 1", "1000000 int 0", "1000 64 0", "10000 64 0", "100000 64 0"] {
            run_case("memory", case);
        }
        return;
    };
    let mut words = case.split(' ');
    let keys: u64 = words.next().and_then(|word| word.parse().ok()).expect("keys");
    let size = words.next().expect("size");
    let expiry = if words.next() == Some("1") { Expiry::At(UnixMillis(1 << 50)) } else { Expiry::Never };
    let value = vec![b'x'; size.parse().unwrap_or(0)];
    let mut keyspace = keyspace(Partitioning::ByHash);
    fill(&mut keyspace, 0..1, &value, expiry);
    let before = resident();
    if size == "int" {
        let mut buffer = Vec::new();
        for number in 0..keys {
            let key = key(&mut buffer, number);
            let hash = keyspace.hash(key);
            keyspace.db_mut(DB).set(hash, key, NewValue::Int(number as i64), expiry);
        }
    } else {
        fill(&mut keyspace, 0..keys, &value, expiry);
    }
    let bytes = resident() - before;
    let memory = keyspace.memory();
    println!(
        "memory {keys:>9} keys, 16 B key, {size:>3} B value{} {:6.1} B/key resident, {:6.1} counted (tables {:.1})",
        if expiry == Expiry::Never { "     " } else { ", TTL" },
        bytes as f64 / keys as f64,
        memory.total() as f64 / keys as f64,
        memory.tables as f64 / keys as f64,
    );
}

/// Runs one case in a process of its own: memory that an earlier one freed would hide what this one takes.
fn run_case(benchmark: &str, case: &str) {
    let program = std::env::current_exe().expect("a benchmark knows its program");
    let status = std::process::Command::new(program).arg(benchmark).env(CASE, case).status();
    assert!(status.is_ok_and(|status| status.success()), "{case}");
}

fn hash() {
    for (name, partitioning) in [("by hash", Partitioning::ByHash), ("by slot", Partitioning::BySlot)] {
        let keyspace = keyspace(partitioning);
        for len in [8, 16, 32, 64, 256] {
            let mut key = vec![b'k'; len];
            measure(&format!("hash {len} B key, {name}"), 10_000_000, || {
                for round in 0..10_000_000_u32 {
                    key[0] = round as u8;
                    black_box(keyspace.hash(black_box(&key)));
                }
            });
        }
    }
}

fn lookup(partitioning: Partitioning) {
    let mut keyspace = keyspace(partitioning);
    fill(&mut keyspace, 0..KEYS, &[b'x'; 64], Expiry::Never);
    println!("{:?}", keyspace.db(DB).stats());
    let mut rng = Rng::new(2);
    let keys: Vec<[u8; 16]> = (0..KEYS)
        .map(|_| {
            let mut buffer = Vec::new();
            key(&mut buffer, rng.below(KEYS)).try_into().expect("16 bytes")
        })
        .collect();
    let db = keyspace.db(DB);
    let mut found = 0;
    let mut read = |entry: Option<&Entry>| {
        if let Some(ValueRef::Str(bytes)) = entry.map(Entry::value) {
            found += u64::from(bytes[bytes.len() - 1]);
        }
    };
    for _ in 0..2 {
        measure(&format!("lookup random, {partitioning:?}, one by one"), KEYS, || {
            for key in &keys {
                read(db.find(keyspace.hash(key), key));
            }
        });
        for batch in [4, 16, 32, 64] {
            measure(&format!("lookup random, {partitioning:?}, {batch} in flight"), KEYS, || {
                let mut hashes = [keyspace.hash(b""); 64];
                for keys in keys.chunks(batch) {
                    for (hash, key) in hashes.iter_mut().zip(keys) {
                        *hash = keyspace.hash(key);
                        db.prefetch_group(*hash);
                    }
                    for (hash, _) in hashes.iter().zip(keys) {
                        db.prefetch_entry(*hash);
                    }
                    for (hash, key) in hashes.iter().zip(keys) {
                        read(db.find(*hash, key));
                    }
                }
            });
        }
    }
    black_box(found);
}

fn write() {
    let mut keyspace = keyspace(Partitioning::ByHash);
    let mut buffer = Vec::new();
    measure("insert 64 B value, ascending keys", KEYS, || {
        fill(&mut keyspace, 0..KEYS, &[b'x'; 64], Expiry::Never);
    });
    let mut rng = Rng::new(3);
    let mut set = |keyspace: &mut Keyspace, name: &str, value: &dyn Fn(u64) -> usize, batch: usize| {
        let bytes = [b'y'; 128];
        let keys: Vec<[u8; 16]> =
            (0..KEYS).map(|_| key(&mut buffer, rng.below(KEYS)).try_into().expect("16 bytes")).collect();
        measure(name, KEYS, || {
            let mut hashes = [keyspace.hash(b""); 64];
            for (round, keys) in keys.chunks(batch).enumerate() {
                for (hash, key) in hashes.iter_mut().zip(keys) {
                    *hash = keyspace.hash(key);
                    keyspace.db(DB).prefetch_group(*hash);
                }
                if batch > 1 {
                    for (hash, _) in hashes.iter().zip(keys) {
                        keyspace.db(DB).prefetch_entry(*hash);
                    }
                }
                for (hash, key) in hashes.iter().zip(keys) {
                    let value = NewValue::Str(&bytes[..value(round as u64)]);
                    keyspace.db_mut(DB).set(*hash, key, value, Expiry::Never);
                }
            }
        });
    };
    set(&mut keyspace, "overwrite random, same length", &|_| 64, 1);
    set(&mut keyspace, "overwrite random, same length, 16 in flight", &|_| 64, 16);
    set(&mut keyspace, "overwrite random, other lengths", &|round| 60 + (round % 40) as usize, 1);
    set(&mut keyspace, "overwrite random, other lengths, 16 in flight", &|round| 60 + (round % 40) as usize, 16);
    let hash = keyspace.hash(b"counter");
    keyspace.db_mut(DB).set(hash, b"counter", NewValue::Int(0), Expiry::Never);
    measure("read one key", KEYS, || {
        for _ in 0..KEYS {
            let hash = keyspace.hash(black_box(b"counter"));
            black_box(keyspace.db(DB).find(hash, black_box(b"counter")).map(Entry::value));
        }
    });
    measure("increment one key", KEYS, || {
        for number in 0..KEYS {
            if let Some(mut entry) = keyspace.db_mut(DB).find_mut(hash, b"counter") {
                entry.set_int(number as i64);
            }
        }
    });
    measure("append 7 B to one key", KEYS, || {
        for _ in 0..KEYS {
            if let Some(mut entry) = keyspace.db_mut(DB).find_mut(hash, b"counter") {
                entry.append(b"7 bytes");
            }
        }
    });
    measure("scan all, count 100", KEYS, || {
        let mut cursor = 0;
        loop {
            cursor = keyspace.db(DB).scan(cursor, 100, |entry| {
                black_box(entry.key().len());
            });
            if cursor == 0 {
                break;
            }
        }
    });
    let mut rng = Rng::new(4);
    measure("random key", 100_000, || {
        for _ in 0..100_000 {
            black_box(keyspace.db(DB).random_key(&mut rng).map(|entry| entry.key().len()));
        }
    });
    let mut buffer = Vec::new();
    measure("remove, ascending keys", KEYS, || {
        for number in 0..KEYS {
            let key = key(&mut buffer, number);
            let hash = keyspace.hash(key);
            keyspace.db_mut(DB).remove(hash, key);
        }
    });
}

/// Longest steps of a series, in microseconds.
#[derive(Default)]
struct Pauses {
    longest: Vec<u128>,
}

impl Pauses {
    fn note(&mut self, start: Cpu) {
        let nanos = start.elapsed().as_nanos();
        if nanos > self.longest.last().copied().unwrap_or(0) || self.longest.len() < 5 {
            self.longest.push(nanos);
            self.longest.sort_unstable_by(|a, b| b.cmp(a));
            self.longest.truncate(5);
        }
    }

    fn print(&self, name: &str) {
        let micros: Vec<u128> = self.longest.iter().map(|nanos| nanos / 1000).collect();
        println!("pause {name:<42} longest {micros:?} us");
    }
}

fn pauses() {
    match std::env::var(CASE).as_deref() {
        Ok("hash") => pause("5M keys", Partitioning::ByHash, ""),
        Ok("slot") => pause("5M keys by slot", Partitioning::BySlot, ""),
        Ok("tag") => pause("5M keys of one hash tag by slot", Partitioning::BySlot, "{t}"),
        _ => ["hash", "slot", "tag"].iter().for_each(|case| run_case("pause", case)),
    }
}

fn pause(name: &str, partitioning: Partitioning, tag: &str) {
    use std::io::Write as _;
    let mut keyspace = keyspace(partitioning);
    let mut buffer = Vec::new();
    let mut pauses = Pauses::default();
    let start = Cpu::now();
    for number in 0..5_000_000_u64 {
        buffer.clear();
        write!(buffer, "{tag}key:{number:012}").expect("a vector takes it");
        let start = Cpu::now();
        let hash = keyspace.hash(&buffer);
        keyspace.db_mut(DB).set(hash, &buffer, NewValue::Str(&[b'x'; 64]), Expiry::Never);
        pauses.note(start);
    }
    println!("insert {name:<41} {:8.1} ns/op", start.elapsed().as_nanos() as f64 / 5e6);
    pauses.print(&format!("inserting {name}"));
    println!("{:?}", keyspace.db(DB).stats());
    let mut pauses = Pauses::default();
    let start = Cpu::now();
    keyspace.flush_all();
    pauses.note(start);
    loop {
        let start = Cpu::now();
        let more = keyspace.maintain(slotmesh_engine::keyspace::MAINTAIN_ENTRIES_MAX);
        pauses.note(start);
        if !more {
            break;
        }
    }
    pauses.print(&format!("flushing {name}"));
}

struct Plain;

impl SnapshotEncoder for Plain {
    fn encode(&mut self, _db: DbIndex, entry: &Entry, out: &mut ChunkQueue) {
        out.put_with(|tail| {
            tail.push(entry.key().len() as u8);
            tail.extend_from_slice(entry.key());
            if let ValueRef::Str(bytes) = entry.value() {
                tail.push(bytes.len() as u8);
                tail.extend_from_slice(bytes);
            }
        });
    }
}

fn snapshot() {
    let mut keyspace = keyspace(Partitioning::ByHash);
    fill(&mut keyspace, 0..KEYS, &[b'x'; 64], Expiry::Never);
    let mut total = 0;
    measure("snapshot, each key", KEYS, || {
        keyspace.snapshot_begin(Box::new(Plain)).expect("none is running");
        while let Some(chunk) = keyspace.snapshot_pull(65_536) {
            total += chunk.len();
        }
    });
    println!("snapshot of {total} bytes");
    keyspace.snapshot_begin(Box::new(Plain)).expect("none is running");
    let mut buffer = Vec::new();
    let mut rng = Rng::new(5);
    measure("overwrite random during a snapshot", KEYS, || {
        for _ in 0..KEYS {
            let key = key(&mut buffer, rng.below(KEYS));
            let hash = keyspace.hash(key);
            keyspace.db_mut(DB).set(hash, key, NewValue::Str(&[b'z'; 64]), Expiry::Never);
        }
    });
}

fn expire() {
    let mut keyspace = keyspace(Partitioning::ByHash);
    let mut buffer = Vec::new();
    for number in 0..KEYS {
        let key = key(&mut buffer, number);
        let hash = keyspace.hash(key);
        let at = UnixMillis(number as i64 % 3_600_000);
        keyspace.db_mut(DB).set(hash, key, NewValue::Str(&[b'x'; 64]), Expiry::At(at));
    }
    let (mut visited, mut expired) = (0_usize, 0_usize);
    let mut pauses = Pauses::default();
    let start = Cpu::now();
    for tick in 1..=600_i64 {
        loop {
            let start = Cpu::now();
            let slice = keyspace.expire_slice(UnixMillis(tick * 100), 4096, |_, _| ());
            pauses.note(start);
            visited += slice.visited;
            expired += slice.expired;
            if !slice.is_worth_another() {
                break;
            }
        }
    }
    println!(
        "expire: a minute of 1M keys over an hour at 10 Hz: {:.1} ms of CPU, {expired} expired, {visited} visited",
        start.elapsed().as_secs_f64() * 1000.0
    );
    println!("expire: {} keys are past their expiry", {
        let now = UnixMillis(60_000);
        keyspace.db(DB).iter().filter(|entry| entry.expiry().is_some_and(|at| at.is_past(now))).count()
    });
    pauses.print("expire slice");
}
