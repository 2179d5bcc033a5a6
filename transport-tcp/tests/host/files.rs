//! Disk operations.

use bytes::Bytes;

use slotmesh_engine::resp::outbuf::Ticket;
use slotmesh_replication::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult};

use crate::echo::{Fixture, Seen};

/// A host and an empty folder.
struct Bench {
    fixture: Fixture,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { fixture: Fixture::new(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Asks for all at once and gives the answers, which come in order.
    fn ask<const COUNT: usize>(&self, ops: [DiskOp; COUNT]) -> [DiskResult; COUNT] {
        self.fixture.act(|machine| {
            for (ticket, op) in (0..).zip(ops) {
                machine.ask(ticket, op);
            }
        });
        std::array::from_fn(|number| {
            let seen = self.fixture.next();
            let Seen::Disk(ticket, result) = seen else {
                panic!("{seen:?}");
            };
            assert_eq!(ticket, Ticket(number as u64));
            result
        })
    }

    fn append(&self, name: &str, data: &'static [u8]) -> DiskOp {
        DiskOp::Append { path: self.path(name), data: Bytes::from_static(data) }
    }

    fn read(&self, name: &str, offset: u64, len: usize) -> DiskOp {
        DiskOp::Read { path: self.path(name), offset, len }
    }
}

fn data(bytes: &'static [u8]) -> DiskResult {
    DiskResult::Data(Bytes::from_static(bytes))
}

fn not_found() -> DiskResult {
    let text = "No such file or directory".to_owned();
    DiskResult::Failed(DiskError { kind: DiskErrorKind::NotFound, text })
}

#[test]
fn appended_bytes_can_be_read() {
    let bench = Bench::new();

    let results = bench.ask([
        bench.append("log", b"one "),
        bench.append("log", b""),
        bench.append("log", b"two"),
        DiskOp::Sync { path: bench.path("log") },
        bench.read("log", 0, 1000),
        bench.read("log", 4, 2),
        bench.read("log", 100, 2),
        DiskOp::Size { path: bench.path("log") },
    ]);

    let done = || DiskResult::Done;
    let expected = [done(), done(), done(), done(), data(b"one two"), data(b"tw"), data(b""), DiskResult::Size(7)];
    assert_eq!(results, expected);
}

#[test]
fn a_file_is_replaced_by_rename() {
    let bench = Bench::new();

    let results = bench.ask([
        bench.append("nodes.conf", b"old"),
        DiskOp::Create { path: bench.path("temp") },
        bench.append("temp", b"new"),
        DiskOp::Sync { path: bench.path("temp") },
        DiskOp::Rename { from: bench.path("temp"), to: bench.path("nodes.conf") },
        DiskOp::SyncDir { path: bench.path("") },
        bench.append("nodes.conf", b"er"),
        bench.read("nodes.conf", 0, 100),
        bench.read("temp", 0, 100),
    ]);

    assert!(results[..7].iter().all(|result| *result == DiskResult::Done), "{results:?}");
    assert_eq!(results[7], data(b"newer"));
    assert_eq!(results[8], not_found());
}

#[test]
fn create_empties_and_truncate_cuts() {
    let bench = Bench::new();

    let results = bench.ask([
        bench.append("file", b"something"),
        DiskOp::Create { path: bench.path("file") },
        bench.append("file", b"12345"),
        DiskOp::Truncate { path: bench.path("file"), len: 3 },
        bench.append("file", b"!"),
        bench.read("file", 0, 100),
    ]);

    assert_eq!(results[5], data(b"123!"));
}

#[test]
fn folders_are_made_and_listed_in_order() {
    let bench = Bench::new();

    let results = bench.ask([
        DiskOp::MakeDir { path: bench.path("dir") },
        DiskOp::MakeDir { path: bench.path("dir") },
        bench.append("dir/b", b""),
        bench.append("dir/a", b""),
        DiskOp::List { path: bench.path("dir") },
        DiskOp::Remove { path: bench.path("dir/a") },
        DiskOp::Close { path: bench.path("dir/b") },
        DiskOp::List { path: bench.path("dir") },
        DiskOp::Remove { path: bench.path("dir/a") },
    ]);

    assert_eq!(results[4], DiskResult::Names(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(results[7], DiskResult::Names(vec!["b".to_owned()]));
    assert_eq!(results[8], not_found());
}

#[test]
fn a_lock_is_held_until_the_host_ends() {
    let bench = Bench::new();
    let lock = || DiskOp::Lock { path: bench.path("nodes.conf") };
    let other = Fixture::new();
    let ask_other = || {
        other.act(|machine| machine.ask(0, lock()));
        other.next()
    };
    assert_eq!(bench.ask([lock()]), [DiskResult::Done]);

    let refused = ask_other();

    let text = "Resource temporarily unavailable".to_owned();
    let failed = DiskResult::Failed(DiskError { kind: DiskErrorKind::Locked, text });
    assert_eq!(refused, Seen::Disk(Ticket(0), failed));
    let lock = lock();
    drop(bench.fixture);
    other.act(|machine| machine.ask(1, lock));
    assert_eq!(other.next(), Seen::Disk(Ticket(1), DiskResult::Done));
}

#[test]
fn a_file_never_gets_a_gap() {
    let bench = Bench::new();

    // The second append could succeed, but was asked without knowledge of the first one's failure.
    let results = bench.ask([
        bench.append("dir/log", b"first"),
        DiskOp::MakeDir { path: bench.path("dir") },
        bench.append("dir/log", b"second"),
        bench.append("dir/other", b"other"),
    ]);
    assert_eq!(results, [not_found(), DiskResult::Done, not_found(), DiskResult::Done]);

    let results = bench.ask([bench.append("dir/log", b"third"), bench.read("dir/log", 0, 100)]);
    assert_eq!(results, [DiskResult::Done, data(b"third")]);
}

#[test]
fn a_full_disk_is_told_in_the_systems_words() {
    let fixture = Fixture::new();
    let append = DiskOp::Append { path: "/dev/full".to_owned(), data: Bytes::from_static(b"x") };

    fixture.act(|machine| machine.ask(1, append));

    let text = "No space left on device".to_owned();
    let failed = DiskResult::Failed(DiskError { kind: DiskErrorKind::NoSpace, text });
    assert_eq!(fixture.next(), Seen::Disk(Ticket(1), failed));
}

#[test]
fn thousands_of_appends_are_answered_in_order() {
    let bench = Bench::new();
    const COUNT: u64 = 5_000;

    bench.fixture.act(|machine| {
        for ticket in 0..COUNT {
            let data = Bytes::from(format!("{ticket}\n"));
            machine.ask(ticket, DiskOp::Append { path: bench.path("log"), data });
        }
    });

    for ticket in 0..COUNT {
        assert_eq!(bench.fixture.next(), Seen::Disk(Ticket(ticket), DiskResult::Done));
    }
    let expected: String = (0..COUNT).map(|number| format!("{number}\n")).collect();
    assert_eq!(std::fs::read_to_string(bench.path("log")).unwrap(), expected);
}
