//! What a test cluster and its clients share: the simulation, and who is who in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use slotmesh_cluster::bus::NodeId;
use slotmesh_cluster::node::Node;
use slotmesh_engine::Engine;
use slotmesh_engine::command::keys::each_key;
use slotmesh_engine::config::Config;
use slotmesh_engine::resp::args::ArgsBuf;
use slotmesh_engine::resp::reply::write_request;
use slotmesh_engine::slot::Slot;
use slotmesh_transport_mem::{CallError, ClientId, MachineId, Sim};

use super::reply::Reply;

/// One simulation, held by the cluster and its clients together.
pub(super) type Shared = Rc<RefCell<World>>;

pub(super) struct World {
    pub(super) sim: Sim<Node>,
    /// Knows where the keys of commands are.
    pub(super) commands: Engine,
    /// The client port of each machine.
    pub(super) ports: Vec<u16>,
    /// A connection to each machine for the test's own questions.
    pub(super) control: BTreeMap<MachineId, ClientId>,
    /// Every node id seen so far.
    pub(super) ids: BTreeMap<NodeId, MachineId>,
}

/// Runs until `done` holds or `within` has passed, and returns whether it holds. Looks once in a millisecond.
pub(super) fn try_run_until(world: &Shared, within: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = world.borrow().sim.now() + within;
    loop {
        if done() {
            return true;
        }
        if world.borrow().sim.now() >= end {
            return false;
        }
        world.borrow_mut().sim.advance(LOOK_EVERY);
    }
}

/// Runs until `done` holds.
///
/// # Panics
/// With seed and trace when it does not hold within [`PATIENCE`].
pub(super) fn run_until(world: &Shared, done: impl FnMut() -> bool) {
    if !try_run_until(world, PATIENCE, done) {
        world.borrow().sim.fail(&format!("the condition did not come true within {PATIENCE:?} of virtual time"));
    }
}

impl World {
    /// The world of these machines, whose client ports are told in their order.
    pub(super) fn shared(sim: Sim<Node>, ports: Vec<u16>) -> Shared {
        let commands = Engine::new(Config::default(), 0);
        Rc::new(RefCell::new(Self { sim, commands, ports, control: BTreeMap::new(), ids: BTreeMap::new() }))
    }

    pub(super) fn address(&self, id: MachineId) -> SocketAddr {
        SocketAddr::new(id.ip(), self.ports[id.0])
    }

    /// Sends a request on a connection and runs until its reply is there.
    pub(super) fn call(&mut self, client: ClientId, words: &ArgsBuf, within: Duration) -> Result<Reply, CallError> {
        let mut request = Vec::new();
        write_request(&mut request, words.as_args().iter());
        self.sim.call(client, &request, within).map(|bytes| Reply::of(&bytes))
    }

    /// The slot of the first key of a command; nothing when it has none.
    pub(super) fn slot_of(&self, words: &ArgsBuf) -> Option<Slot> {
        let command = self.commands.resolve(words.as_args()).ok()?;
        let mut first = None;
        let found = each_key(command.keys, words.as_args(), |index, _| {
            first.get_or_insert(index);
        });
        found.ok()?;
        first.map(|index| Slot::of_key(words.as_args().at(index)))
    }

    /// The machine an address in a redirection names.
    pub(super) fn machine_at(&self, address: &str) -> Option<MachineId> {
        let (host, _) = address.rsplit_once(':')?;
        let ip: IpAddr = host.parse().ok()?;
        MachineId::at(ip).filter(|id| id.0 < self.ports.len())
    }

    /// Learns the ids of the machines that run.
    pub(super) fn learn_ids(&mut self) {
        for id in self.sim.machines() {
            if let Some(bus) = self.sim.machine(id).and_then(Node::bus) {
                self.ids.insert(bus.my_id(), id);
            }
        }
    }
}

/// The words of a request.
pub(super) fn words<T: AsRef<[u8]>>(args: impl IntoIterator<Item = T>) -> ArgsBuf {
    let mut words = ArgsBuf::new();
    for arg in args {
        words.push(arg.as_ref());
    }
    words
}

/// How long a condition may take to come true, in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a condition is looked at, in virtual time.
const LOOK_EVERY: Duration = Duration::from_millis(1);
