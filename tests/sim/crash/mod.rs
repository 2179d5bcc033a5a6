//! A crash after every single disk operation of a small scenario.
//!
//! A scenario is a function that talks to nodes under a [`Stage`]; one of them is watched. The scenario runs again and
//! again from the same seed: the first time the watched node ends before its disk has done anything, then after one
//! operation, after two, and so on until the scenario comes to its end. Each time the node is started again on what
//! the crash left, and the story of the file looks whether it may be so. Start at [`every_crash`].

mod aof;
mod dump;
mod nodes_conf;

use std::collections::BTreeMap;
use std::time::Duration;

use slotmesh::testing::Reply;
use slotmesh_cluster::node::{HostInfo, Node};
use slotmesh_engine::Engine;
use slotmesh_engine::config::Config;
use slotmesh_engine::debug::digest;
use slotmesh_engine::resp::reply::write_request;
use slotmesh_engine::session::SessionId;
use slotmesh_engine::time::{Instant, Now};
use slotmesh_transport_mem::{Boot, ClientId, MachineId, Sim};

/// What a crash leaves on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// All there was: only the process has ended.
    Everything,
    /// What was synced, and a part of the rest that this seed decides.
    Part(u64),
    /// What was synced, and nothing else.
    Synced,
}

/// The watched node has crashed; the scenario ends here.
#[derive(Debug)]
struct Crashed;

/// Nodes under one clock, one of which crashes at its time.
struct Stage {
    sim: Sim<Node>,
    watched: MachineId,
    crash_at: u64,
    leaves: Leaves,
    clients: BTreeMap<MachineId, ClientId>,
}

/// Runs a scenario with a crash after every disk operation, and `check` after each; returns how many there were.
///
/// `build` makes the stage, before anything is started; `play` returns what is known when it ends.
fn every_crash<K>(
    build: impl Fn(u64) -> (Sim<Node>, MachineId),
    play: impl Fn(&mut Stage) -> (K, Result<(), Crashed>),
    check: impl Fn(&mut Stage, K),
) -> u64 {
    for leaves in [Leaves::Synced, Leaves::Everything, Leaves::Part(1), Leaves::Part(2)] {
        for crash_at in 0.. {
            let (sim, watched) = build(if let Leaves::Part(seed) = leaves { seed } else { 1 });
            let mut stage = Stage { sim, watched, crash_at, leaves, clients: BTreeMap::new() };
            stage.sim.note(format!("{leaves:?} after {crash_at} operations"));
            let (known, played) = play(&mut stage);
            if played.is_ok() {
                assert!(crash_at > 0, "the scenario uses the disk");
                if leaves == Leaves::Part(2) {
                    return crash_at;
                }
                break;
            }
            check(&mut stage, known);
        }
    }
    unreachable!("the last way to crash returns")
}

impl Stage {
    /// Starts a node and waits until it serves.
    fn start(&mut self, id: MachineId) -> Result<(), Crashed> {
        self.sim.restart(id);
        self.until(|sim| sim.machine(id).is_some_and(Node::is_running) || sim.exited(id).is_some())?;
        if self.sim.machine(id).is_none() {
            self.sim.fail(&format!("{id} refuses its own files"));
        }
        Ok(())
    }

    /// Sends requests together and waits for all replies.
    fn call_all(&mut self, id: MachineId, requests: &[Vec<String>]) -> Result<Vec<Reply>, Crashed> {
        let client = self.client(id);
        let mut bytes = Vec::new();
        requests.iter().for_each(|words| write_request(&mut bytes, words.iter().map(String::as_bytes)));
        self.sim.send(client, &bytes);
        let mut replies = Vec::new();
        while replies.len() < requests.len() {
            let before = self.sim.received(client).len();
            match self.sim.take_reply(client).expect("a node sends replies") {
                Some(bytes) => replies.push(Reply::of(&bytes)),
                None => {
                    self.until(|sim| sim.received(client).len() != before || sim.closed(client).is_some())?;
                    if self.sim.closed(client).is_some() {
                        self.sim.fail(&format!("{id} hung up instead of answering {requests:?}"));
                    }
                }
            }
        }
        Ok(replies)
    }

    /// Sends one request and waits for its reply.
    fn call(&mut self, id: MachineId, words: &[&str]) -> Result<Reply, Crashed> {
        let mut replies = self.call_all(id, &[strings(words)])?;
        Ok(replies.remove(0))
    }

    /// As [`Stage::call`], for a command that must succeed.
    fn call_ok(&mut self, id: MachineId, words: &[&str]) -> Result<Reply, Crashed> {
        let reply = self.call(id, words)?;
        if reply.is_error() {
            self.sim.fail(&format!("{id} answers {words:?} with {reply:?}"));
        }
        Ok(reply)
    }

    /// Lets time pass.
    fn advance(&mut self, duration: Duration) -> Result<(), Crashed> {
        let end = self.sim.now() + duration;
        let crash = self.crash_condition();
        self.sim.try_run_until(duration, crash);
        self.crash_if_due()?;
        assert!(self.sim.now() >= end, "only a crash ends it early");
        Ok(())
    }

    /// Runs until `done` holds.
    fn until(&mut self, mut done: impl FnMut(&Sim<Node>) -> bool) -> Result<(), Crashed> {
        let crash = self.crash_condition();
        self.sim.run_until(|sim| crash(sim) || done(sim));
        self.crash_if_due()
    }

    fn crash_condition(&self) -> impl Fn(&Sim<Node>) -> bool + use<> {
        let (watched, crash_at) = (self.watched, self.crash_at);
        move |sim| sim.disk_operations(watched) >= crash_at
    }

    fn crash_if_due(&mut self) -> Result<(), Crashed> {
        if self.sim.disk_operations(self.watched) < self.crash_at {
            return Ok(());
        }
        self.crash(self.leaves);
        Err(Crashed)
    }

    /// Ends the watched node without warning; no other crash comes by itself.
    fn crash(&mut self, leaves: Leaves) {
        self.crash_at = u64::MAX;
        let disk = self.sim.disk(self.watched);
        match leaves {
            Leaves::Everything => disk.keep_unsynced(),
            Leaves::Part(_) => {}
            Leaves::Synced => disk.lose_unsynced(),
        }
        self.sim.kill(self.watched);
        self.clients.remove(&self.watched);
    }

    /// Starts the watched node again on what the crash left.
    fn recover(&mut self) {
        let watched = self.watched;
        self.start(watched).expect("no other crash comes by itself");
    }

    /// The files of the watched node that were never completed.
    fn unfinished(&mut self) -> Vec<String> {
        let paths = self.sim.disk(self.watched).paths();
        paths.filter(|path| path.contains("temp-") || path.contains(".tmp-")).map(str::to_owned).collect()
    }

    /// The digest of the data of the watched node.
    fn digest(&self) -> String {
        let node = self.sim.machine(self.watched);
        digest(node.unwrap_or_else(|| self.sim.fail("the watched node is down")).engine().core())
    }

    fn client(&mut self, id: MachineId) -> ClientId {
        if let Some(&client) = self.clients.get(&id) {
            return client;
        }
        let client = self.sim.client(id);
        self.clients.insert(id, client);
        client
    }
}

/// One node without a cluster, not started yet: files can be put on its disk.
fn alone(seed: u64, config: impl Fn(&mut Config) + 'static) -> (Sim<Node>, MachineId) {
    let mut sim = Sim::new(seed);
    let id = add(&mut sim, config);
    (sim, id)
}

/// Adds a node that is not started yet.
fn add(sim: &mut Sim<Node>, config: impl Fn(&mut Config) + 'static) -> MachineId {
    sim.add_stopped(move |boot: Boot| {
        let mut own = Config { port: PORT, protected_mode: false, dir: boot.dir.clone(), ..Config::default() };
        own.save = Default::default();
        config(&mut own);
        let mut node = Node::new(own, boot.seed);
        // In a container the number is the same after each start; a node of a cluster gets another one here.
        let process_id = if node.engine().core().config.cluster_enabled { 1_000 + boot.run } else { 1 };
        node.set_host(HostInfo { process_id, ..HostInfo::default() });
        node.start(boot.now);
        node
    })
}

/// What a node's data are after each of its writes.
struct Model {
    engine: Engine,
    session: SessionId,
    writes: Vec<Vec<String>>,
    /// The digest before the first write, and after each.
    digests: Vec<String>,
}

impl Model {
    fn new() -> Self {
        let mut engine = Engine::new(Config::default(), 1);
        let session = engine.open();
        let digests = vec![digest(engine.core())];
        Self { engine, session, writes: Vec::new(), digests }
    }

    /// Adds the next write, which nothing that came before may equal.
    fn write(&mut self, words: &[String]) {
        self.engine.run(Now::default(), self.session, words.iter().map(String::as_bytes));
        self.writes.push(words.to_vec());
        self.digests.push(digest(self.engine.core()));
    }

    fn len(&self) -> usize {
        self.writes.len()
    }

    /// After how many writes the data were these.
    fn find(&self, digest: &str) -> Option<usize> {
        self.digests.iter().rposition(|known| known == digest)
    }

    /// Goes back to the state after so many writes.
    fn cut(&mut self, len: usize) {
        let writes: Vec<_> = self.writes.drain(..).take(len).collect();
        *self = Self::new();
        writes.iter().for_each(|words| self.write(words));
    }
}

/// The watched node's history: what it was told to write, and what it said it did.
struct Story {
    model: Model,
    /// When each write was acknowledged.
    acknowledged: Vec<Instant>,
}

impl Story {
    fn new() -> Self {
        Self { model: Model::new(), acknowledged: Vec::new() }
    }

    /// Sends the next two writes together.
    fn write(&mut self, stage: &mut Stage) -> Result<(), Crashed> {
        let number = self.model.len();
        let value = format!("{number}:{}", "v".repeat(30 + number % 7));
        let writes = [strings(&["SET", &format!("k:{}", number % 5), &value]), strings(&["INCR", "n"])];
        writes.iter().for_each(|words| self.model.write(words));
        let replies = stage.call_all(stage.watched, &writes)?;
        assert!(replies.iter().all(|reply| !reply.is_error()), "{replies:?}");
        self.acknowledged.resize(self.model.len(), stage.sim.now());
        Ok(())
    }

    /// How many writes the watched node holds: any number of those it was told.
    fn held(&self, stage: &Stage) -> usize {
        let held = self.model.find(&stage.digest());
        held.unwrap_or_else(|| stage.sim.fail("the data are not those of any moment before the crash"))
    }

    /// Goes on from what the watched node holds.
    fn go_on_from(&mut self, held: usize, now: Instant) {
        self.model.cut(held);
        self.acknowledged.resize(held, now);
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// The client port of every node: each has an address of its own.
const PORT: u16 = 30_001;
