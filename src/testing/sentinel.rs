//! A primary, its replicas and their sentinels under one virtual clock.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::time::Duration;

use slotmesh_cluster::node::{HostInfo, Node};
use slotmesh_cluster::sentinel::Sentinel;
use slotmesh_engine::config::Config;
use slotmesh_engine::config::special::primary::Primary;
use slotmesh_engine::config::special::save_points::SavePoints;
use slotmesh_transport_mem::{Boot, DIR, MachineId, ProgramEnd, ProgramRun, Sim, SimConfig};

use super::builder::seed_or;
use super::cluster::TestCluster;
use super::world::{World, run_until, try_run_until};

/// The servers of one group and the sentinels that watch it, in a simulation.
///
/// Machines are numbered from 0: first the primary, then its replicas, then the sentinels. Server `n` has the address
/// `10.0.0.(n+1):6379`, sentinels have port 26379. Clocks, faults, disks, logs and calls are those of [`TestCluster`].
///
/// ```
/// use slotmesh::testing::TestSentinel;
///
/// let mut t = TestSentinel::new(2, 3);
/// let old = t.primary();
/// t.kill(old);
/// t.run_until(|t| t.is_settled());
/// assert_ne!(t.primary(), old);
/// ```
pub struct TestSentinel {
    group: TestCluster,
    servers: Vec<MachineId>,
    sentinels: Vec<MachineId>,
    /// Whom each server's file says to follow; read anew at each restart.
    followed: Vec<Rc<RefCell<Option<Primary>>>>,
}

/// Settings of a [`TestSentinel`]; begin with [`TestSentinel::builder`].
#[derive(Debug, Clone)]
pub struct SentinelBuilder {
    replicas: usize,
    sentinels: usize,
    quorum: usize,
    down_after: Duration,
    failover_timeout: Duration,
    seed: u64,
    sim: SimConfig,
    lines: String,
}

impl SentinelBuilder {
    /// Sentinels that must agree that the primary is down; by default the majority.
    pub fn quorum(mut self, quorum: usize) -> Self {
        self.quorum = quorum;
        self
    }

    /// `down-after-milliseconds`; one second by default.
    pub fn down_after(mut self, down_after: Duration) -> Self {
        self.down_after = down_after;
        self
    }

    /// `failover-timeout`; five seconds by default.
    pub fn failover_timeout(mut self, timeout: Duration) -> Self {
        self.failover_timeout = timeout;
        self
    }

    /// More lines for every sentinel's configuration file.
    pub fn lines(mut self, lines: &str) -> Self {
        self.lines.push_str(lines);
        self
    }

    /// The seed of everything; 1 by default. The environment's `SLOTMESH_SEED` comes first.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The world around the machines; [`SimConfig::default`] by default.
    pub fn world(mut self, sim: SimConfig) -> Self {
        self.sim = sim;
        self
    }

    /// Starts everybody and waits until all have found each other.
    ///
    /// # Panics
    /// When they do not within two minutes of virtual time; seed and trace are printed.
    pub fn start(self) -> TestSentinel {
        let mut sim = Sim::with_config(seed_or(self.seed), self.sim.clone());
        let servers: Vec<MachineId> = (0..=self.replicas).map(MachineId).collect();
        let sentinels: Vec<MachineId> = (0..self.sentinels).map(|index| MachineId(servers.len() + index)).collect();
        let first = Primary { host: servers[0].ip().to_string(), port: SERVER_PORT };
        let mut followed = Vec::new();
        for &id in &servers {
            let primary = Rc::new(RefCell::new((id != servers[0]).then(|| first.clone())));
            followed.push(Rc::clone(&primary));
            sim.add(move |boot| server(&boot, primary.borrow().clone()));
        }
        for _ in &sentinels {
            let id = sim.add_stopped(|boot| sentinel(&boot));
            sim.disk(id).install(&format!("{DIR}/{SENTINEL_FILE}"), self.file(&first).as_bytes());
            sim.restart(id);
        }
        let ports = servers.iter().map(|_| SERVER_PORT).chain(sentinels.iter().map(|_| SENTINEL_PORT)).collect();
        let machines = servers.iter().chain(&sentinels).copied().collect();
        let group = TestCluster { world: World::shared(sim, ports), machines };
        let mut started = TestSentinel { group, servers, sentinels, followed };
        started.run_until(TestSentinel::is_settled);
        started
    }

    fn file(&self, primary: &Primary) -> String {
        let name = TestSentinel::NAME;
        format!(
            "port {SENTINEL_PORT}\nsentinel monitor {name} {} {} {}\nsentinel down-after-milliseconds {name} {}\n\
             sentinel failover-timeout {name} {}\n{}",
            primary.host,
            primary.port,
            self.quorum,
            self.down_after.as_millis(),
            self.failover_timeout.as_millis(),
            self.lines
        )
    }
}

impl TestSentinel {
    /// The name under which the sentinels watch the primary.
    pub const NAME: &'static str = "mymaster";

    /// A primary with so many replicas, watched by so many sentinels whose majority is the quorum, with seed 1 or that
    /// in `SLOTMESH_SEED`. All have found each other.
    pub fn new(replicas: usize, sentinels: usize) -> Self {
        Self::builder(replicas, sentinels).start()
    }

    /// Settings for so many replicas and sentinels.
    pub fn builder(replicas: usize, sentinels: usize) -> SentinelBuilder {
        SentinelBuilder {
            replicas,
            sentinels,
            quorum: sentinels / 2 + 1,
            down_after: Duration::from_secs(1),
            failover_timeout: Duration::from_secs(5),
            seed: 1,
            sim: SimConfig::default(),
            lines: String::new(),
        }
    }

    /// The servers: the first primary, then its replicas.
    pub fn servers(&self) -> Vec<MachineId> {
        self.servers.clone()
    }

    /// The sentinels.
    pub fn sentinels(&self) -> Vec<MachineId> {
        self.sentinels.clone()
    }

    /// The primary that the running sentinels name.
    ///
    /// # Panics
    /// When they do not agree.
    pub fn primary(&self) -> MachineId {
        self.agreed_primary().unwrap_or_else(|| self.fail("the sentinels do not agree on a primary"))
    }

    /// The primary that the running sentinels name, if they agree.
    pub fn agreed_primary(&self) -> Option<MachineId> {
        let mut named = self.running_sentinels().into_iter().map(|id| self.named_by(id));
        let first = named.next()??;
        named.all(|other| other == Some(first)).then_some(first)
    }

    /// The primary that one running sentinel names.
    pub fn named_by(&self, sentinel: MachineId) -> Option<MachineId> {
        let (host, _) = self.look(sentinel, |sentinel| sentinel.address_of(Self::NAME.as_bytes()).ok())??;
        MachineId::at(host.parse().ok()?)
    }

    /// Starts a machine again on its files: a server follows whom its file names.
    pub fn restart(&mut self, id: MachineId) {
        if let Some(place) = self.servers.iter().position(|&server| server == id)
            && let Some(text) = self.group.disk(id).file(SERVER_FILE)
        {
            *self.followed[place].borrow_mut() = primary_in(&text);
        }
        self.group.restart(id);
    }

    /// Whether all running sentinels name the same primary and know each other, it runs as a primary, and every other
    /// running server follows it.
    pub fn is_settled(&self) -> bool {
        let Some(primary) = self.agreed_primary() else { return false };
        let follows = |&id: &MachineId| {
            let world = self.group.world.borrow();
            let node = world.sim.machine(id).filter(|node| node.is_running());
            node.is_some_and(|node| if id == primary { !node.is_replica() } else { node.is_following() })
        };
        let running: Vec<MachineId> = self.running(&self.servers);
        running.contains(&primary)
            && running.iter().all(follows)
            && running.iter().all(|&id| id == primary || self.followed_by(id) == Some(primary))
            && self.running_sentinels().iter().all(|&id| self.knows_everybody(id))
    }

    /// The events a sentinel told in its log, over all its runs, oldest first.
    pub fn events(&self, sentinel: MachineId) -> Vec<String> {
        self.group.log(sentinel).into_iter().filter(|line| line.starts_with(['+', '-'])).collect()
    }

    /// The scripts that a sentinel had run, over all its runs, oldest first: path, then arguments. No program runs; one
    /// that fails is run again as a real one is, after thirty seconds and then twice as long each time.
    pub fn scripts(&self, sentinel: MachineId) -> Vec<Vec<String>> {
        let world = self.group.world.borrow();
        let own = world.sim.programs().filter(|run| run.machine == sentinel);
        own.map(|run| run.words.clone()).collect()
    }

    /// Says what becomes of each script that is run from now on; without this every one succeeds at once.
    pub fn on_script(&mut self, behave: impl FnMut(&ProgramRun) -> ProgramEnd + 'static) {
        self.group.world.borrow_mut().sim.on_program(behave);
    }

    /// Runs until `done` holds; looks once in a millisecond of virtual time.
    ///
    /// # Panics
    /// With seed and trace when it does not hold within two minutes of virtual time.
    pub fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        run_until(&self.group.world, || done(self));
    }

    /// Runs until `done` holds or `within` has passed, and returns whether it holds.
    pub fn try_run_until(&mut self, within: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        try_run_until(&self.group.world, within, || done(self))
    }

    /// Looks at a running sentinel.
    pub fn look<R>(&self, id: MachineId, look: impl FnOnce(&Sentinel) -> R) -> Option<R> {
        let world = self.group.world.borrow();
        world.sim.machine(id).filter(|node| node.is_running()).and_then(Node::as_sentinel).map(look)
    }

    /// The sentinels that run and are not stopped.
    pub fn running_sentinels(&self) -> Vec<MachineId> {
        self.running(&self.sentinels)
    }

    fn running(&self, ids: &[MachineId]) -> Vec<MachineId> {
        ids.iter().copied().filter(|&id| self.group.world.borrow().sim.is_running(id)).collect()
    }

    /// The primary that a running replica follows.
    fn followed_by(&self, id: MachineId) -> Option<MachineId> {
        let world = self.group.world.borrow();
        let primary = world.sim.machine(id)?.engine().core().config.replicaof.as_ref()?;
        MachineId::at(primary.host.parse().ok()?)
    }

    fn knows_everybody(&self, id: MachineId) -> bool {
        let (replicas, sentinels) = (self.servers.len() - 1, self.sentinels.len());
        let summary = self.look(id, |sentinel| sentinel.summaries().pop()).flatten();
        summary.is_some_and(|group| (group.replicas, group.sentinels) == (replicas, sentinels) && group.status == "ok")
    }
}

impl Deref for TestSentinel {
    type Target = TestCluster;

    fn deref(&self) -> &TestCluster {
        &self.group
    }
}

impl DerefMut for TestSentinel {
    fn deref_mut(&mut self) -> &mut TestCluster {
        &mut self.group
    }
}

impl std::fmt::Debug for TestSentinel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestSentinel").field("group", &self.group).finish_non_exhaustive()
    }
}

fn server(boot: &Boot, replicaof: Option<Primary>) -> Node {
    let config = Config {
        port: SERVER_PORT,
        dir: boot.dir.clone(),
        // Every machine has an address of its own.
        protected_mode: false,
        replicaof,
        save: SavePoints::new(Vec::new()),
        repl_diskless_sync_delay_secs: 0,
        ..Config::default()
    };
    begin(Node::new(config, boot.seed), boot, SERVER_FILE)
}

fn sentinel(boot: &Boot) -> Node {
    let config = Config { port: SENTINEL_PORT, dir: boot.dir.clone(), protected_mode: false, ..Config::default() };
    begin(Node::sentinel(config, boot.seed), boot, SENTINEL_FILE)
}

fn begin(mut node: Node, boot: &Boot, file: &str) -> Node {
    let config_file = Some(format!("{}/{file}", boot.dir));
    node.set_host(HostInfo { process_id: 1000 + boot.run, config_file, ..HostInfo::default() });
    node.start(boot.now);
    node
}

/// The primary that a rewritten configuration file names.
fn primary_in(text: &[u8]) -> Option<Primary> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().find_map(|line| line.strip_prefix("replicaof "))?;
    let (host, port) = line.split_once(' ')?;
    Some(Primary { host: host.to_owned(), port: port.parse().ok()? })
}

const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;
const SERVER_FILE: &str = "redis.conf";
const SENTINEL_FILE: &str = "sentinel.conf";
