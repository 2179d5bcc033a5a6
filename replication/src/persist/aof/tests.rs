//! The append only file on a disk that fails and forgets.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Now;

use super::{Aof, AofConfig, AofFound, Fsync, Output, RewriteReply, Starting};
use crate::disk::{DiskOp, Ticket, Tickets};
use crate::feed::{FeedConfig, Feeds};
use crate::log::Log;
use crate::persist::job::{Purpose, SnapshotJob};
use crate::persist::manifest::BaseForm;
use crate::persist::recover::{Found, Output as Loaded, Recover, RecoverConfig};
use crate::persist::test_disk::TestDisk;

/// A node whose data are a counter: write `n` is the command `w<n>`, a base at `n` is the command `base<n>`.
struct Node {
    now: Now,
    rng: Rng,
    log: Log,
    aof: Aof,
    tickets: Tickets,
    feeds: Feeds,
    job: Option<SnapshotJob>,
    temp: String,
    disk: TestDisk,
    /// What the two lanes have still to do.
    lanes: [VecDeque<(Ticket, DiskOp)>; 2],
    /// Operations the disk still carries out before everything stops.
    ops_left: usize,
    written: u64,
    /// Held replies, and what they promise.
    holds: Vec<(Ticket, u64)>,
    promised: u64,
    notes: Vec<String>,
    rewritten: Vec<bool>,
    exited: bool,
}

fn config(fsync: Fsync) -> AofConfig {
    AofConfig {
        dir: "/d".to_owned(),
        folder: "appendonlydir".to_owned(),
        name: "appendonly.aof".to_owned(),
        fsync,
        no_fsync_on_rewrite: false,
        base: BaseForm::Commands,
        timestamps: false,
        keep_history: false,
        rewrite_growth_percent: 100,
        rewrite_bytes_min: 64 << 20,
        process_id: 7,
    }
}

fn command(word: &str) -> String {
    format!("*1\r\n${}\r\n{word}\r\n", word.len())
}

impl Node {
    /// A node that starts without any file, up to its first base.
    fn created(fsync: Fsync, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let now = Now::default().plus(Duration::from_secs(10));
        let log = Log::new(&mut rng, 1 << 20);
        let aof = Aof::off(now, config(fsync), AofFound::default());
        let mut node = Self::with(now, rng, log, aof, TestDisk::new(&["/d"]));
        node.aof.enable(Starting::Yes);
        node.walk();
        node.settle();
        node
    }

    fn with(now: Now, rng: Rng, log: Log, aof: Aof, disk: TestDisk) -> Self {
        Self {
            now,
            rng,
            log,
            aof,
            tickets: Tickets::default(),
            feeds: Feeds::new(now, FeedConfig::default()),
            job: None,
            temp: String::new(),
            disk,
            lanes: Default::default(),
            ops_left: usize::MAX,
            written: 0,
            holds: Vec::new(),
            promised: 0,
            notes: Vec::new(),
            rewritten: Vec::new(),
            exited: false,
        }
    }

    fn write(&mut self) {
        self.log.append(0, command(&format!("w{}", self.written)).as_bytes());
        self.written += 1;
        if let Some(ticket) = self.aof.hold(&self.log, &mut self.tickets) {
            self.holds.push((ticket, self.written));
        }
        self.aof.flush(self.now, &mut self.log, &mut self.tickets);
        self.drain();
    }

    /// Begins a walk if one is due, and gives it all its bytes.
    fn walk(&mut self) {
        if !self.aof.wants_rewrite(self.now) {
            return;
        }
        self.temp = self.aof.begin_rewrite(&mut self.log, &mut self.tickets);
        let at = self.log.end();
        let mut job = SnapshotJob::to_file(self.now, Purpose::AofBase, at, self.temp.clone(), &mut self.tickets);
        let base = Bytes::from(command(&format!("base{}", self.written)));
        job.push(base, &mut self.feeds, &mut self.tickets);
        job.end(&mut self.feeds, &mut self.tickets);
        self.job = Some(job);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.aof.poll() {
            match output {
                Output::CancelWalk => {
                    if let Some(job) = &mut self.job {
                        job.cancel(self.now, &mut self.feeds, &mut self.tickets);
                    }
                }
                Output::Disk(ticket, op) => self.lanes[0].push_back((ticket, op)),
                Output::Durable(ticket) => {
                    let promised = self.holds.iter().filter(|(held, _)| *held == ticket).map(|(_, count)| *count);
                    self.promised = self.promised.max(promised.max().unwrap_or(0));
                    self.holds.retain(|(held, _)| *held != ticket);
                }
                Output::Exit => self.exited = true,
                Output::Note(note) => self.notes.push(note.text),
                Output::Rewritten(ok) => self.rewritten.push(ok),
            }
        }
        if let Some(job) = &mut self.job {
            while let Some(op) = job.poll() {
                self.lanes[1].push_back(op);
            }
        }
    }

    /// Lets the disk carry out one operation of a lane picked at random; says whether there was one.
    fn step(&mut self) -> bool {
        self.drain();
        let lane = usize::from(self.lanes[0].is_empty() || (!self.lanes[1].is_empty() && self.rng.chance(50)));
        let Some((ticket, op)) = self.lanes[lane].pop_front() else { return false };
        if self.ops_left == 0 {
            return false;
        }
        self.ops_left -= 1;
        let result = self.disk.run(&op);
        let (now, tickets) = (self.now, &mut self.tickets);
        if lane == 0 {
            // A rewrite that begins while history is removed leaves that removal to the next one: its answers are
            // nobody's.
            self.aof.on_disk(now, ticket, &result, &mut self.log, tickets);
        } else if let Some(job) = &mut self.job {
            job.on_disk(ticket, &result, tickets);
            match job.take_outcome() {
                Some(Ok(bytes)) => self.aof.base_written(self.temp.clone(), bytes, tickets),
                Some(Err(error)) => self.aof.rewrite_failed(now, &error.text, &mut self.log),
                None => {}
            }
        }
        true
    }

    fn settle(&mut self) {
        while self.step() {}
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now.plus(Duration::from_millis(millis));
        self.aof.flush(self.now, &mut self.log, &mut self.tickets);
        self.drain();
    }

    fn has_note(&self, text: &str) -> bool {
        self.notes.iter().any(|note| note.contains(text))
    }

    fn manifest(&self) -> &str {
        std::str::from_utf8(self.disk.get("/d/appendonlydir/appendonly.aof.manifest").unwrap()).unwrap()
    }
}

/// Loads what a disk holds; returns the counter and what was found.
fn load(disk: &mut TestDisk) -> Result<(u64, Found), Vec<String>> {
    let mut tickets = Tickets::default();
    let config = RecoverConfig {
        dir: "/d".to_owned(),
        dump_name: "dump.rdb".to_owned(),
        aof_folder: "appendonlydir".to_owned(),
        aof_name: "appendonly.aof".to_owned(),
        aof: true,
        load_truncated: true,
        starts_as: None,
    };
    let mut recover = Recover::begin(Now::default(), config, &mut tickets);
    let mut counter = 0;
    while let Some(output) = recover.poll(&mut tickets) {
        match output {
            Loaded::Commands(bytes) => apply(&mut counter, &bytes),
            Loaded::Disk(ticket, op) => {
                let result = disk.run(&op);
                assert!(recover.on_disk(Now::default(), ticket, result, &mut tickets));
            }
            Loaded::Done(found) => return Ok((counter, found)),
            Loaded::Fatal(lines) => return Err(lines),
            Loaded::Note(_) => {}
            Loaded::Rdb(_) | Loaded::RdbBegin(_) => panic!("bases are commands here"),
        }
    }
    panic!("recovery stopped without a word");
}

fn apply(counter: &mut u64, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap();
    for word in text.split("\r\n") {
        if let Some(base) = word.strip_prefix("base") {
            *counter = base.parse().unwrap();
        } else if let Some(write) = word.strip_prefix('w') {
            assert_eq!(write, counter.to_string(), "writes are loaded in order and without gaps");
            *counter += 1;
        }
    }
}

/// Two rewrites with writes before, between, during and after, half a second apart.
fn eventful_life(node: &mut Node) {
    for round in 0..2 {
        for _ in 0..3 {
            node.write();
            node.step();
        }
        if node.aof.request_rewrite(false) == RewriteReply::Start {
            node.walk();
        }
        for _ in 0..5 + round {
            node.write();
            node.step();
            node.step();
            node.wait(500);
        }
        // The second rewrite begins while the first one's history is still being removed.
        while node.aof.is_rewriting() && node.step() {}
    }
    node.settle();
    node.write();
    node.settle();
}

/// Stops a life after each operation in turn and loads what every kind of crash leaves.
fn crash_everywhere(fsync: Fsync, seed: u64) {
    let mut whole = Node::created(fsync, seed);
    let before = usize::MAX - whole.ops_left;
    eventful_life(&mut whole);
    let total = usize::MAX - whole.ops_left - before;
    assert_eq!(whole.rewritten, [true, true, true], "seed {seed}");
    assert!(total > 40, "seed {seed}: {total} operations");
    if fsync == Fsync::Always {
        assert_eq!(whole.promised, whole.written, "seed {seed}");
    }
    for cut in 0..=total {
        let mut node = Node::created(fsync, seed);
        node.ops_left = cut;
        eventful_life(&mut node);

        let crashes =
            [(node.disk.killed(), "killed"), (node.disk.power_lost(), "power lost"), (node.disk.torn(), "torn")];
        for (mut disk, how) in crashes {
            let (counter, found) =
                load(&mut disk).unwrap_or_else(|lines| panic!("seed {seed} cut {cut} {how}: {lines:?}"));
            assert!(counter >= node.promised, "seed {seed} cut {cut} {how}: {counter} < {}", node.promised);
            assert!(counter <= node.written, "seed {seed} cut {cut} {how}");
            assert!(found.loaded, "seed {seed} cut {cut} {how}");
        }
    }
}

#[test]
fn a_crash_between_any_two_operations_loses_nothing_that_was_promised() {
    for seed in 0..12 {
        crash_everywhere(Fsync::Always, seed);
    }
}

#[test]
fn a_crash_loses_the_end_and_never_the_middle() {
    for seed in 0..12 {
        crash_everywhere(Fsync::EverySecond, seed);
        crash_everywhere(Fsync::No, seed);
    }
}

#[test]
fn a_crash_while_the_first_files_are_made_leaves_a_loadable_folder() {
    for cut in 0..30 {
        let mut rng = Rng::new(1);
        let now = Now::default();
        let log = Log::new(&mut rng, 1 << 20);
        let aof = Aof::off(now, config(Fsync::Always), AofFound::default());
        let mut node = Node::with(now, rng, log, aof, TestDisk::new(&["/d"]));
        node.ops_left = cut;
        node.aof.enable(Starting::Yes);
        node.walk();
        node.settle();

        for mut disk in [node.disk.killed(), node.disk.power_lost(), node.disk.torn()] {
            let (counter, _) = load(&mut disk).unwrap_or_else(|lines| panic!("cut {cut}: {lines:?}"));
            assert_eq!(counter, 0);
        }
    }
}

#[test]
fn a_recovered_file_is_continued() {
    let mut first = Node::created(Fsync::Always, 3);
    eventful_life(&mut first);
    let mut disk = first.disk.power_lost();
    let (counter, found) = load(&mut disk).unwrap();
    let mut rng = Rng::new(4);
    let mut log = Log::new(&mut rng, 1 << 20);
    let mut tickets = Tickets::default();
    let aof = Aof::resume(first.now, config(Fsync::Always), found.aof, &mut log, &mut tickets);
    let mut second = Node::with(first.now, rng, log, aof, disk);
    second.tickets = tickets;
    second.written = counter;
    eventful_life(&mut second);

    assert_eq!(load(&mut second.disk.power_lost()).unwrap().0, second.written);
}

#[test]
fn the_files_are_those_of_a_real_server() {
    let mut node = Node::created(Fsync::EverySecond, 1);
    assert!(node.has_note("Creating AOF base file appendonly.aof.1.base.aof on server start"));
    let expected = "file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    assert_eq!(node.manifest(), expected);
    node.write();
    node.settle();
    let held = node.disk.get("/d/appendonlydir/appendonly.aof.1.incr.aof").unwrap();
    assert_eq!(held, format!("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n{}", command("w0")).as_bytes());

    assert_eq!(node.aof.request_rewrite(false), RewriteReply::Start);
    node.walk();
    let running = "ERR Background append only file rewriting already in progress";
    assert_eq!(node.aof.request_rewrite(false), RewriteReply::Refused(running));
    node.settle();
    node.write();
    node.settle();
    let expected = "file appendonly.aof.2.base.aof seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    assert_eq!(node.manifest(), expected);
    let paths = node.disk.paths();
    let names = ["appendonly.aof.2.base.aof", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"];
    assert_eq!(paths, names.map(|name| format!("/d/appendonlydir/{name}")));
    assert_eq!(
        node.disk.get("/d/appendonlydir/appendonly.aof.2.incr.aof").unwrap(),
        format!("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n{}", command("w1")).as_bytes()
    );
    assert!(node.has_note(
        "Successfully renamed the temporary AOF base file temp-rewriteaof-bg-7.aof into appendonly.aof.2.base.aof"
    ));
    assert!(node.has_note("Background AOF rewrite finished successfully"));
}

#[test]
fn everysec_syncs_once_per_second() {
    let mut node = Node::created(Fsync::EverySecond, 1);
    node.wait(1000);
    node.settle();
    node.write();
    node.settle();
    let lost = node.disk.power_lost();
    assert_eq!(lost.get("/d/appendonlydir/appendonly.aof.1.incr.aof"), Some(&b""[..]));
    assert!(!node.aof.is_settled(&node.log));

    node.wait(1000);
    node.settle();
    assert_eq!(load(&mut node.disk.power_lost()).unwrap().0, 1);
    assert!(node.aof.is_settled(&node.log));
}

#[test]
fn no_deadline_is_left_in_the_past() {
    for seed in 0..20 {
        let mut node = Node::created(Fsync::EverySecond, seed);
        for round in 0..200 {
            if round % 20 == 0 {
                node.aof.request_rewrite(false);
                node.walk();
            }
            node.write();
            let millis = node.rng.below(400);
            node.wait(millis);
            let late = node.aof.deadline().is_some_and(|deadline| deadline <= node.now.instant);
            assert!(!late, "seed {seed} round {round}: {:?}", node.aof);
            if node.rng.chance(70) {
                node.step();
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_writes_until_the_bytes_are_in() {
    let mut node = Node::created(Fsync::EverySecond, 1);
    node.write();
    node.settle();
    let path = "/d/appendonlydir/appendonly.aof.1.incr.aof".to_owned();
    node.disk.failing.insert(path.clone());
    node.write();
    node.settle();
    node.write();
    node.settle();
    let refusal = "Errors writing to the AOF file: No space left on device";
    assert_eq!(node.aof.refusal(&node.log).unwrap(), refusal);

    // The failed append left half of itself behind.
    node.disk.failing.clear();
    node.disk.run(&DiskOp::Append { path, data: Bytes::from_static(b"*1\r\n$") });
    node.wait(1000);
    node.settle();
    assert_eq!(node.aof.refusal(&node.log), None);
    assert!(node.has_note("AOF write error looks solved, Redis can write again."));
    assert_eq!(load(&mut node.disk.killed()).unwrap().0, 3);
}

#[test]
fn with_always_a_write_error_is_the_end() {
    let mut node = Node::created(Fsync::Always, 1);
    node.disk.failing.insert("/d/appendonlydir/appendonly.aof.1.incr.aof".to_owned());
    node.write();
    node.settle();

    assert!(node.exited);
    assert_eq!(node.promised, 0);
}

#[test]
fn a_failed_rewrite_leaves_the_old_base_in_force() {
    let mut node = Node::created(Fsync::Always, 1);
    node.write();
    node.settle();
    node.disk.failing.insert("/d/temp-rewriteaof-bg-7.aof".to_owned());
    node.aof.request_rewrite(false);
    node.walk();
    node.write();
    node.settle();
    node.write();
    node.settle();

    assert_eq!(node.rewritten, [true, false]);
    assert!(!node.aof.info().last_rewrite_ok);
    assert!(!node.aof.is_rewriting());
    assert_eq!(load(&mut node.disk.power_lost()).unwrap().0, 3);
    node.disk.failing.clear();
    node.aof.request_rewrite(false);
    node.walk();
    node.settle();
    assert_eq!(load(&mut node.disk.power_lost()).unwrap().0, 3);
}

#[test]
fn growth_asks_for_a_rewrite() {
    let mut node = Node::created(Fsync::No, 1);
    let mut config = config(Fsync::No);
    config.rewrite_bytes_min = 100;
    node.aof.configure(config);
    assert!(!node.aof.wants_rewrite(node.now));
    for _ in 0..20 {
        node.write();
        node.settle();
    }

    assert!(node.aof.wants_rewrite(node.now));
    node.drain();
    assert!(node.has_note("Starting automatic rewriting of AOF on "));
}

#[test]
fn rewrites_that_keep_failing_are_put_off() {
    let mut node = Node::created(Fsync::No, 1);
    let mut config = config(Fsync::No);
    config.rewrite_bytes_min = 1;
    node.aof.configure(config);
    for _ in 0..20 {
        node.write();
        node.settle();
    }
    node.disk.failing.insert("/d/temp-rewriteaof-bg-7.aof".to_owned());
    for _ in 0..3 {
        assert!(node.aof.wants_rewrite(node.now));
        node.walk();
        node.settle();
    }

    assert!(!node.aof.wants_rewrite(node.now));
    node.wait(60_000);
    assert!(node.aof.wants_rewrite(node.now));
}

#[test]
fn timestamps_stand_between_commands() {
    let mut node = Node::created(Fsync::No, 1);
    let mut config = config(Fsync::No);
    config.timestamps = true;
    node.aof.configure(config);
    node.write();
    node.settle();
    node.write();
    node.settle();
    node.wait(1000);
    node.write();
    node.settle();

    let held = node.disk.get("/d/appendonlydir/appendonly.aof.1.incr.aof").unwrap();
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    let (w0, w1, w2) = (command("w0"), command("w1"), command("w2"));
    let expected = format!("#TS:10\r\n{select}{w0}{w1}#TS:11\r\n{w2}");
    assert_eq!(String::from_utf8_lossy(held), expected);
    assert_eq!(load(&mut node.disk.killed()).unwrap().0, 3);
}

#[test]
fn turning_it_off_and_on_continues_the_numbers() {
    let mut node = Node::created(Fsync::Always, 1);
    node.write();
    node.settle();
    node.aof.disable(node.now, &mut node.log, &mut node.tickets);
    node.settle();
    node.write();
    node.aof.enable(Starting::No);
    node.walk();
    node.write();
    node.settle();

    let expected = "file appendonly.aof.2.base.aof seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    assert_eq!(node.manifest(), expected);
    assert_eq!(load(&mut node.disk.power_lost()).unwrap().0, 3);
}
