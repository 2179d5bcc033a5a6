//! How a test cluster shall be.

use slotmesh_cluster::node::{HostInfo, Node};
use slotmesh_engine::config::Config;
use slotmesh_transport_mem::{Boot, MachineId, Sim, SimConfig};

use super::cluster::TestCluster;
use super::world::World;

/// Settings of a [`TestCluster`]; begin with [`TestCluster::builder`].
pub struct Builder {
    primaries: usize,
    replicas: Vec<usize>,
    seed: u64,
    sim: SimConfig,
    config: Box<Change>,
}

/// Changes the configuration of the node with this number.
type Change = dyn Fn(usize, &mut Config);

impl Builder {
    pub(super) fn new(primaries: usize) -> Self {
        Self { primaries, replicas: Vec::new(), seed: 1, sim: SimConfig::default(), config: Box::new(|_, _| {}) }
    }

    /// So many replicas for each primary; none by default.
    pub fn replicas(mut self, each: usize) -> Self {
        self.replicas = vec![each; self.primaries];
        self
    }

    /// As many replicas as told for each primary in turn.
    ///
    /// # Panics
    /// When there are more numbers than primaries.
    pub fn replicas_of_each(mut self, counts: &[usize]) -> Self {
        assert!(counts.len() <= self.primaries, "no more counts than primaries");
        self.replicas = counts.to_vec();
        self
    }

    /// The seed of everything; 1 by default. The environment's `SLOTMESH_SEED` comes first.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The world around the nodes; [`SimConfig::default`] by default.
    pub fn world(mut self, sim: SimConfig) -> Self {
        self.sim = sim;
        self
    }

    /// Changes the configuration of every node; calls add up. See [`TestCluster::builder`] for what it begins with.
    pub fn config(self, change: impl Fn(&mut Config) + 'static) -> Self {
        self.config_of_each(move |_, config| change(config))
    }

    /// Changes the configuration of each node, which is told by its number from 0; calls add up.
    pub fn config_of_each(mut self, change: impl Fn(usize, &mut Config) + 'static) -> Self {
        let before = self.config;
        self.config = Box::new(move |index, config| {
            before(index, config);
            change(index, config);
        });
        self
    }

    /// Starts the nodes and forms the cluster.
    ///
    /// # Panics
    /// When the cluster cannot be formed; seed and trace are printed.
    pub fn start(self) -> TestCluster {
        let (primaries, replicas) = (self.primaries, self.replicas.clone());
        let mut cluster = self.start_alone();
        cluster.form(primaries, &replicas);
        cluster
    }

    /// Starts the nodes without joining them.
    pub fn start_alone(self) -> TestCluster {
        let nodes = self.primaries + self.replicas.iter().sum::<usize>();
        let mut sim = Sim::with_config(seed_or(self.seed), self.sim);
        let mut ports = Vec::new();
        for index in 0..nodes {
            let mut config = base_config(index);
            (self.config)(index, &mut config);
            ports.push(config.port);
            sim.add(move |boot| build(config.clone(), &boot));
        }
        let machines = (0..nodes).map(MachineId).collect();
        let mut cluster = TestCluster { world: World::shared(sim, ports), machines };
        cluster.run_until(|t| t.nodes().iter().all(|&id| t.is_serving(id)));
        cluster.world.borrow_mut().learn_ids();
        cluster
    }
}

/// What a node of a test cluster is unless the test says otherwise.
fn base_config(index: usize) -> Config {
    Config {
        cluster_enabled: true,
        cluster_node_timeout_ms: NODE_TIMEOUT_MS,
        port: FIRST_PORT + u16::try_from(index).expect("far fewer nodes than ports"),
        // Every machine has an address of its own.
        protected_mode: false,
        // Waiting for more replicas only costs virtual time.
        repl_diskless_sync_delay_secs: 0,
        ..Config::default()
    }
}

fn build(mut config: Config, boot: &Boot) -> Node {
    config.dir.clone_from(&boot.dir);
    let mut node = Node::new(config, boot.seed);
    node.set_host(HostInfo { process_id: 1000 + boot.run, ..HostInfo::default() });
    node.start(boot.now);
    node
}

/// The seed from the environment, or the test's own.
///
/// # Panics
/// When `SLOTMESH_SEED` is not a number.
pub(super) fn seed_or(own: u64) -> u64 {
    match std::env::var("SLOTMESH_SEED") {
        Ok(text) => text.parse().expect("SLOTMESH_SEED is a decimal number"),
        Err(_) => own,
    }
}

/// The node timeout of a test cluster, in milliseconds: long against the invented network's delays.
pub(super) const NODE_TIMEOUT_MS: u64 = 500;

/// The client port of the first node; the others follow. The bus is 10000 above.
const FIRST_PORT: u16 = 30_001;
