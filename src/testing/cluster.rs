//! The cluster under test: its nodes, its time, and its clients.

use std::cell::Ref;
use std::time::Duration;

use slotmesh_cluster::node::Node;
use slotmesh_engine::time::Instant;
use slotmesh_transport_mem::{ClientId, MachineId, Sim};

use super::builder::Builder;
use super::client::TestClient;
use super::reply::Reply;
use super::world::{Shared, run_until, try_run_until, words};

/// Redis Cluster nodes under one virtual clock.
///
/// Nodes are numbered from 0: first the primaries, then the replicas of the first primary, and so on. Node `n` has
/// the address `10.0.0.(n+1):(30001+n)`. Faults are in [`TestCluster::kill`] and its neighbours, questions in
/// [`TestCluster::is_healthy`] and its neighbours.
pub struct TestCluster {
    pub(super) world: Shared,
    pub(super) machines: Vec<MachineId>,
}

impl TestCluster {
    /// A formed cluster of `primaries` primaries with `replicas` replicas each, with seed 1 or that in
    /// `SLOTMESH_SEED`.
    pub fn new(primaries: usize, replicas: usize) -> Self {
        Self::builder(primaries).replicas(replicas).start()
    }

    /// As [`TestCluster::new`] with another seed; that in `SLOTMESH_SEED` comes first.
    pub fn with_seed(seed: u64, primaries: usize, replicas: usize) -> Self {
        Self::builder(primaries).replicas(replicas).seed(seed).start()
    }

    /// Settings for a cluster of `primaries` primaries.
    ///
    /// Nodes have Redis's defaults but for a node timeout of 500 ms and replicas that are synchronised without delay.
    pub fn builder(primaries: usize) -> Builder {
        Builder::new(primaries)
    }

    /// A client that finds the right node by itself.
    pub fn client(&self) -> TestClient {
        TestClient::new(self.world.clone())
    }

    /// Sends a command to one node as it is and returns its reply.
    ///
    /// # Panics
    /// When none comes within ten seconds of virtual time.
    pub fn call<T: AsRef<[u8]>>(&self, id: MachineId, args: impl IntoIterator<Item = T>) -> Reply {
        let words = words(args);
        let client = self.control(id);
        let mut world = self.world.borrow_mut();
        match world.call(client, &words, CALL_MAX) {
            Ok(reply) => reply,
            Err(error) => {
                let command = String::from_utf8_lossy(words.as_args().at(0)).into_owned();
                world.sim.fail(&format!("{id} does not answer {command}: {error:?}"))
            }
        }
    }

    /// The test's own connection to a machine.
    fn control(&self, id: MachineId) -> ClientId {
        let mut world = self.world.borrow_mut();
        if let Some(&client) = world.control.get(&id)
            && world.sim.closed(client).is_none()
        {
            return client;
        }
        let client = world.sim.client(id);
        world.control.insert(id, client);
        client
    }

    // --- time -------------------------------------------------------------------------------------------------

    /// Lets virtual time pass with everything that happens in it.
    pub fn advance(&mut self, duration: Duration) {
        self.world.borrow_mut().sim.advance(duration);
    }

    /// Runs until what is on its way has arrived: no byte and no disk operation is under way.
    ///
    /// # Panics
    /// When that takes more than five seconds of virtual time.
    pub fn settle(&mut self) {
        let mut world = self.world.borrow_mut();
        if !world.sim.settle() {
            world.sim.fail("the cluster does not come to rest");
        }
    }

    /// Runs until `done` holds; looks once in a millisecond of virtual time.
    ///
    /// # Panics
    /// With seed and trace when it does not hold within two minutes of virtual time.
    pub fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        run_until(&self.world, || done(self));
    }

    /// Runs until `done` holds or `within` has passed, and returns whether it holds.
    pub fn try_run_until(&mut self, within: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        try_run_until(&self.world, within, || done(self))
    }

    /// The virtual time since the beginning.
    pub fn now(&self) -> Instant {
        self.world.borrow().sim.now()
    }

    // --- the simulation ---------------------------------------------------------------------------------------

    /// The seed everything follows from.
    pub fn seed(&self) -> u64 {
        self.world.borrow().sim.seed()
    }

    /// The digest of everything that happened so far; the same for the same seed and calls.
    pub fn trace_hash(&self) -> u64 {
        self.world.borrow().sim.trace().hash()
    }

    /// Writes a remark into the trace.
    pub fn note(&mut self, text: impl Into<String>) {
        self.world.borrow_mut().sim.note(text);
    }

    /// Panics with the seed; the last events are printed on the way out.
    ///
    /// # Panics
    /// Always.
    pub fn fail(&self, why: &str) -> ! {
        self.world.borrow().sim.fail(why)
    }

    /// Calls `check` after every event; it panics when an invariant does not hold.
    pub fn on_step(&mut self, check: impl FnMut(&Sim<Node>) + 'static) {
        self.world.borrow_mut().sim.on_step(check);
    }

    /// The simulation, for what has no verb here.
    pub fn with_sim<R>(&self, with: impl FnOnce(&mut Sim<Node>) -> R) -> R {
        with(&mut self.world.borrow_mut().sim)
    }

    /// A running node, to look at.
    ///
    /// # Panics
    /// When it does not run.
    pub fn node(&self, id: MachineId) -> Ref<'_, Node> {
        let found = Ref::filter_map(self.world.borrow(), |world| world.sim.machine(id));
        found.unwrap_or_else(|_| self.fail(&format!("{id} does not run")))
    }
}

impl std::fmt::Debug for TestCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestCluster").field("sim", &self.world.borrow().sim).finish_non_exhaustive()
    }
}

/// How long one command may take, in virtual time.
const CALL_MAX: Duration = Duration::from_secs(10);
