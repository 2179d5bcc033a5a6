use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use slotmesh_cluster::machine::{Disk, LogLine, Reset, Shutdown, Signal};
use slotmesh_engine::resp::outbuf::Ticket;
use slotmesh_engine::time::{Instant, Now, UnixMicros};
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane};

use super::{Answers, Bus, Caller, Clock, LiveDisk, RamDisk};
use crate::disk::MemDisk;
use crate::place::MachineId;
use crate::reply::CallError;
use crate::testing::{BUS_PORT, COUNT, Double};

#[test]
fn a_caller_has_its_reply_when_the_exchange_returns() {
    let bus = Bus::new(1).unwrap();
    let id = add(&bus, &[], 1_000);
    let mut caller = bus.caller(id).unwrap();
    let mut replies = Vec::new();

    caller.exchange(b"PING\nINC\nGET\n", &mut replies).unwrap();

    assert_eq!(replies, b"+PONG\r\n:1\r\n:1\r\n");
}

#[test]
fn machines_reach_each_other_in_order() {
    let bus = Bus::new(1).unwrap();
    let (a, b) = (add(&bus, &[1], 1), add(&bus, &[0], 1));

    until(|| [a, b].iter().all(|&id| look(&bus, id, |machine| machine.lines) > 20));

    assert_eq!(look(&bus, a, |machine| machine.out_of_order), 0);
    assert_eq!(look(&bus, b, |machine| machine.out_of_order), 0);
}

#[test]
fn a_waiting_caller_hears_what_another_thread_causes() {
    let bus = Bus::new(1).unwrap();
    let id = add(&bus, &[], 1_000);
    let mut blocked = bus.caller(id).unwrap();
    let mut replies = Vec::new();
    blocked.exchange(b"BLOCK\n", &mut replies).unwrap();
    assert!(replies.is_empty());

    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| blocked.reply(LONG));
        let mut other = bus.caller(id).unwrap();
        assert_eq!(call(&mut other, "WAKE"), "+OK\r\n");

        assert_eq!(waiting.join().unwrap().unwrap(), b"+WOKEN\r\n");
    });
}

#[test]
fn callers_on_many_threads_lose_no_count() {
    let bus = Bus::new(1).unwrap();
    let id = add(&bus, &[], 1);

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut caller = bus.caller(id).unwrap();
                (0..250).for_each(|_| assert!(call(&mut caller, "INC").starts_with(':')));
            });
        }
    });

    assert_eq!(call(&mut bus.caller(id).unwrap(), "GET"), ":1000\r\n");
}

#[test]
fn a_large_reply_waits_in_pieces_for_a_caller_that_reads_late() {
    let bus = Bus::new(1).unwrap();
    let id = add(&bus, &[], 1_000);
    let mut late = bus.caller(id).unwrap();
    let mut other = bus.caller(id).unwrap();
    let mut replies = Vec::new();
    late.exchange(b"BLOCK\n", &mut replies).unwrap();

    bus.with_machine(id, |machine, _| machine.spam_blocked(1_000_000));

    assert!(look(&bus, id, |machine| machine.waiting_bytes()) > 700_000, "the inbox is bounded");
    assert_eq!(call(&mut other, "PING"), "+PONG\r\n");
    assert_eq!(late.reply(LONG).unwrap().len(), 1_000_012);
    assert_eq!(look(&bus, id, |machine| machine.drained), 1);
}

#[test]
fn bulk_bytes_between_machines_pass_a_bounded_window() {
    let bus = Bus::new(1).unwrap();
    let (a, b) = (add(&bus, &[], 1_000), add(&bus, &[], 1_000));
    let conn = bus.with_machine(a, |machine, _| machine.dial("10.0.0.2", BUS_PORT)).unwrap();
    until(|| look(&bus, a, |machine| machine.connected) == 1);

    bus.with_machine(a, |machine, _| machine.put_ticks(conn, 300_000));

    until(|| look(&bus, b, |machine| machine.lines) == 300_000);
    assert_eq!(look(&bus, b, |machine| machine.out_of_order), 0);
    assert_eq!(look(&bus, a, |machine| machine.waiting_bytes()), 0);
}

#[test]
fn dials_that_nobody_takes_are_refused() {
    let bus = Bus::new(1).unwrap();
    let a = add(&bus, &[], 1_000);
    let b = add(&bus, &[], 1_000);
    bus.kill(b);

    for (host, port, expected) in [
        ("10.0.0.1", 1, "refused"),
        ("10.0.0.2", BUS_PORT, "refused"),
        ("10.0.0.3", BUS_PORT, "No route"),
        ("x", 1, "not known"),
    ] {
        let before = look(&bus, a, |machine| machine.closed.len());
        bus.with_machine(a, |machine, _| machine.dial(host, port));
        until(|| look(&bus, a, |machine| machine.closed.len()) == before + 1);
        assert!(look(&bus, a, |machine| machine.closed.last().unwrap().contains(expected)), "{host}:{port}");
    }
}

#[test]
fn a_killed_machine_resets_its_connections_and_can_come_back_with_its_files() {
    let bus = Bus::new(1).unwrap();
    let files = Arc::new(Mutex::new(MemDisk::new(1)));
    let a = add(&bus, &[1], 1);
    let b = bus.add(|boot| Double::new(boot.now, Vec::new(), 1_000), ram(&files));
    until(|| look(&bus, b, |machine| machine.lines) > 0);
    let mut caller = bus.caller(b).unwrap();
    assert_eq!(call(&mut caller, "INC"), ":1\r\n");

    bus.kill(b);
    assert!(matches!(caller.call(b"GET\n", LONG), Err(CallError::Closed(Reset::Error(_)))));
    assert!(bus.caller(b).is_none());
    until(|| look(&bus, a, |machine| machine.closed.join(",").contains("refused")));
    bus.restart(b, |boot| Double::new(boot.now, Vec::new(), 1_000), ram(&files));

    assert_eq!(call(&mut bus.caller(b).unwrap(), "GET"), ":1\r\n");
    until(|| look(&bus, b, |machine| machine.lines) > 0);
    assert!(caller.call(b"GET\n", LONG).is_err(), "a connection does not outlive its machine's run");
}

#[test]
fn a_machine_that_ends_sends_its_last_bytes() {
    let bus = Bus::new(1).unwrap();
    let id = add(&bus, &[], 1_000);
    let mut caller = bus.caller(id).unwrap();

    assert_eq!(call(&mut caller, "EXIT"), "+BYE\r\n");

    assert_eq!(caller.call(b"GET\n", LONG), Err(CallError::Closed(Reset::EndOfStream)));
    assert_eq!(bus.exited(id), Some(Shutdown { code: 3 }));
}

#[test]
fn a_signal_reaches_its_machine() {
    let bus = Bus::new(1).unwrap();
    let id = add(&bus, &[], 1_000);
    let mut caller = bus.caller(id).unwrap();

    bus.signal(id, Signal::Terminate);

    assert_eq!(caller.reply(LONG), Err(CallError::Closed(Reset::EndOfStream)));
    assert_eq!(bus.exited(id), Some(Shutdown { code: 0 }));
}

#[test]
fn dropping_the_bus_ends_its_thread_and_wakes_its_callers() {
    let bus = Bus::new(1).unwrap();
    let disks = Arc::new(AtomicUsize::new(0));
    let counted = |disks: &Arc<AtomicUsize>| {
        let disks = Arc::clone(disks);
        move |_: Answers| Box::new(Counted::new(disks)) as Box<dyn LiveDisk>
    };
    let id = bus.add(|boot| Double::new(boot.now, vec![MachineId(1).ip()], 1), counted(&disks));
    bus.add(|boot| Double::new(boot.now, vec![MachineId(0).ip()], 1), counted(&disks));
    let mut caller = bus.caller(id).unwrap();
    let shared = Arc::downgrade(&bus.shared);
    assert_eq!(disks.load(Ordering::SeqCst), 2);

    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || caller.reply(LONG));
        drop(bus);
        assert!(matches!(waiting.join().unwrap(), Err(CallError::Closed(_))));
    });

    assert_eq!(disks.load(Ordering::SeqCst), 0, "the machines are gone");
    assert_eq!(shared.strong_count(), 0, "the thread is gone");
}

#[test]
fn a_disk_may_answer_from_another_thread() {
    let bus = Bus::new(1).unwrap();
    let queue = Arc::new(Mutex::new(Vec::new()));
    let (submitted, answers) = (Arc::clone(&queue), Arc::new(Mutex::new(None)));
    let keep = Arc::clone(&answers);
    let id = bus.add(
        |boot| Double::new(boot.now, Vec::new(), 1_000),
        move |answers| {
            *keep.lock() = Some(answers);
            Box::new(Slow { submitted })
        },
    );
    let mut caller = bus.caller(id).unwrap();
    let mut replies = Vec::new();
    caller.exchange(b"INC\n", &mut replies).unwrap();
    assert!(replies.is_empty(), "nothing is synced yet");

    std::thread::scope(|scope| {
        scope.spawn(|| {
            let answers = answers.lock().clone().unwrap();
            for ticket in queue.lock().drain(..) {
                answers.send(ticket, DiskResult::Done);
            }
        });
    });

    assert_eq!(caller.reply(LONG).unwrap(), b":1\r\n");
}

#[test]
fn deadlines_follow_the_given_clock() {
    let clock = Arc::new(Manual::default());
    let bus = Bus::with_clock(1, Shared(Arc::clone(&clock))).unwrap();
    let id = add(&bus, &[], 3_600_000);
    assert_eq!(look(&bus, id, |machine| machine.ticks), 0);

    clock.0.store(3_600_000_000, Ordering::SeqCst);
    bus.clock_moved();

    until(|| look(&bus, id, |machine| machine.ticks) == 1);
}

#[test]
fn a_machine_that_panics_is_gone_and_the_others_live() {
    let bus = Bus::new(1).unwrap();
    let (id, other) = (add(&bus, &[], 1_000), add(&bus, &[], 1_000));
    let mut caller = bus.caller(id).unwrap();

    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| caller.call(b"SPAM x\n", LONG)));

    assert!(panicked.is_err());
    assert!(matches!(caller.call(b"GET\n", LONG), Err(CallError::Closed(_))));
    assert_eq!(call(&mut bus.caller(other).unwrap(), "PING"), "+PONG\r\n");
}

/// Longer than anything here takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(20);

/// A disk whose answers a test gives.
struct Slow {
    submitted: Arc<Mutex<Vec<Ticket>>>,
}

impl Disk for Slow {
    fn submit(&mut self, ticket: Ticket, _: Lane, _: DiskOp) {
        self.submitted.lock().push(ticket);
    }

    fn log(&mut self, _: LogLine) {}

    fn exit(&mut self, _: Shutdown) {}
}

impl LiveDisk for Slow {
    fn poll(&mut self) -> Option<(Ticket, DiskResult)> {
        None
    }
}

/// A disk that knows how many of its kind there are.
struct Counted {
    disks: Arc<AtomicUsize>,
    disk: RamDisk,
}

impl Counted {
    fn new(disks: Arc<AtomicUsize>) -> Self {
        disks.fetch_add(1, Ordering::SeqCst);
        Self { disks, disk: RamDisk::new(|_| {}) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.disks.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Disk for Counted {
    fn submit(&mut self, ticket: Ticket, lane: Lane, op: DiskOp) {
        self.disk.submit(ticket, lane, op);
    }

    fn log(&mut self, line: LogLine) {
        self.disk.log(line);
    }

    fn exit(&mut self, shutdown: Shutdown) {
        self.disk.exit(shutdown);
    }
}

impl LiveDisk for Counted {
    fn poll(&mut self) -> Option<(Ticket, DiskResult)> {
        self.disk.poll()
    }
}

#[derive(Default)]
struct Manual(AtomicU64);

struct Shared(Arc<Manual>);

impl Clock for Shared {
    fn now(&self) -> Now {
        Now { instant: Instant(self.0.0.load(Ordering::SeqCst)), unix: UnixMicros(0) }
    }
}

fn add(bus: &Bus<Double>, peers: &[usize], period_ms: u64) -> MachineId {
    let peers = peers.iter().map(|&peer| MachineId(peer).ip()).collect();
    bus.add(|boot| Double::new(boot.now, peers, period_ms), |_| Box::new(RamDisk::new(|_| {})))
}

fn ram(files: &Arc<Mutex<MemDisk>>) -> impl FnOnce(Answers) -> Box<dyn LiveDisk> + use<> {
    assert!(files.lock().file(COUNT).is_none_or(|count| count.len() == 1));
    let files = Arc::clone(files);
    move |_| Box::new(RamDisk::on(files, |_| {}))
}

fn call(caller: &mut Caller<Double>, line: &str) -> String {
    String::from_utf8(caller.call(format!("{line}\n").as_bytes(), LONG).unwrap()).unwrap()
}

fn look<R>(bus: &Bus<Double>, id: MachineId, look: impl FnOnce(&Double) -> R) -> R {
    bus.with_machine(id, |machine, _| look(machine)).unwrap()
}

/// Lets other threads run until `done` holds; a failure ends it.
fn until(mut done: impl FnMut() -> bool) {
    let clock = super::SystemClock::new();
    while !done() {
        assert!(clock.now().instant < Instant::ZERO + LONG, "it does not come true");
        std::thread::yield_now();
    }
}
