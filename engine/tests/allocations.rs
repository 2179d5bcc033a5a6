//! How often hot commands allocate, counted by the allocator.
#![expect(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use slotmesh_engine::Engine;
use slotmesh_engine::config::Config;
use slotmesh_engine::resp::args::ArgsBuf;
use slotmesh_engine::session::SessionId;
use slotmesh_engine::time::Now;

#[test]
fn reading_allocates_nothing() {
    let mut store = Store::after(&["SET k value", "SET n 12", "SET v 1 EX 100"]);
    let commands =
        ["GET k", "GET n", "GET v", "GET nosuch", "MGET k n v", "STRLEN k", "GETRANGE k 1 2", "EXISTS k n", "TTL v"];

    for line in commands {
        assert_eq!(store.allocations_of(line), 0, "{line}");
    }
}

#[test]
fn changing_in_place_allocates_nothing() {
    let mut store = Store::after(&["SET n 12", "SET v 1 EX 100", "SET k abc"]);

    for line in ["INCR n", "INCRBY n 5", "DECR v", "EXPIRE v 50", "SET n 77", "SETRANGE k 0 xyz", "SET k cba"] {
        assert_eq!(store.allocations_of(line), 0, "{line}");
    }
}

#[test]
fn fields_are_read_and_overwritten_without_an_allocation() {
    let mut store =
        Store::after(&["HSET k f value n 12", "HSETEX t EX 100 FIELDS 2 f value n 12", "HPERSIST t FIELDS 1 n"]);

    for key in ["k", "t"] {
        for command in ["HGET k f", "HGET k nosuch", "HMGET k f n", "HEXISTS k f", "HSTRLEN k f", "HGETALL k", "HLEN k"]
        {
            let line = command.replacen('k', key, 1);
            assert_eq!(store.allocations_of(&line), 0, "{line}");
        }
    }
    for line in ["HSET k f other", "HINCRBY k n 5", "HSET t f other", "HINCRBY t n 5", "HTTL t FIELDS 2 f n"] {
        assert_eq!(store.allocations_of(line), 0, "{line}");
    }
}

#[test]
fn setting_another_length_allocates_the_entry() {
    let mut store = Store::after(&["SET k value", "SET k short", "SET other value"]);

    let (first, second) = (request("SET k longer"), request("SET fresh value"));

    assert_eq!(store.count(&first), 1);
    assert_eq!(store.count(&second), 1);
}

struct Store {
    engine: Engine,
    session: SessionId,
}

impl Store {
    fn after(lines: &[&str]) -> Self {
        let mut engine = Engine::new(Config::default(), 1);
        let session = engine.open();
        let mut store = Self { engine, session };
        for line in lines {
            store.count(&request(line));
        }
        store
    }

    /// Runs a request, drops the reply and tells how often the command allocated.
    fn count(&mut self, request: &ArgsBuf) -> u64 {
        let before = CALLS.with(Cell::get);
        self.engine.execute(Now::default(), self.session, request.as_args());
        let calls = CALLS.with(Cell::get) - before;
        let out = self.engine.out(self.session);
        out.advance(out.visible());
        calls
    }

    /// Allocations of a command that has run before, so that buffers have their size.
    fn allocations_of(&mut self, line: &str) -> u64 {
        let request = request(line);
        self.count(&request);
        self.count(&request)
    }
}

fn request(line: &str) -> ArgsBuf {
    line.split(' ').collect()
}

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn note_call() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note_call();
        // SAFETY: the caller keeps the obligations of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the obligations of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note_call();
        // SAFETY: the caller keeps the obligations of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
