//! nodes.conf.
//!
//! Whatever a node has told others of itself must be true after a crash: its name, its slots, its epochs, its votes.

use std::cell::Cell;
use std::time::Duration;

use slotmesh_cluster::bus::{Bus, NodeId};
use slotmesh_cluster::node::Node;
use slotmesh_engine::config::choices::LogLevel;
use slotmesh_engine::slot::Slot;
use slotmesh_transport_mem::{MachineId, Sim};

use super::{Crashed, Leaves, PORT, Stage, add, every_crash};

/// What others know of the watched node.
#[derive(Debug, Default)]
struct Told {
    id: Option<NodeId>,
    config_epoch: u64,
    slots: Vec<Slot>,
    /// The epoch of the last vote that a candidate counted.
    vote_epoch: u64,
}

/// Three primaries and a replica of the first one, with nothing started.
fn build(seed: u64, watched: MachineId) -> (Sim<Node>, MachineId) {
    let mut sim = Sim::new(seed);
    for _ in 0..NODES {
        add(&mut sim, |config| {
            config.cluster_enabled = true;
            config.cluster_node_timeout_ms = NODE_TIMEOUT_MS;
            config.loglevel = LogLevel::Debug;
            config.repl_diskless_sync_delay_secs = 0;
        });
    }
    (sim, watched)
}

/// Starts all nodes and forms the cluster as an operator does.
fn form(stage: &mut Stage) -> Result<(), Crashed> {
    for node in nodes() {
        stage.start(node)?;
    }
    for (index, range) in [["0", "5460"], ["5461", "10922"], ["10923", "16383"]].iter().enumerate() {
        stage.call_ok(MachineId(index), &["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]])?;
    }
    for node in nodes() {
        stage.call_ok(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(node.0 + 1).to_string()])?;
    }
    for node in nodes().skip(1) {
        stage.call_ok(MachineId(0), &["CLUSTER", "MEET", &node.ip().to_string(), &PORT.to_string()])?;
    }
    stage.until(|sim| nodes().all(|node| bus(sim, node).is_some_and(|bus| known(bus) == NODES)))?;
    let primary = id_of(&stage.sim, MachineId(0)).to_string();
    stage.call_ok(REPLICA, &["CLUSTER", "REPLICATE", &primary])?;
    stage.until(|sim| agree(sim, nodes()) && sim.machine(REPLICA).is_some_and(Node::is_following))
}

/// Two slots move, one with a new epoch and one without, and an epoch is bumped.
fn reshape(stage: &mut Stage) -> Result<(), Crashed> {
    form(stage)?;
    let (source, target) = (MachineId(1), MachineId(0));
    let ids = [source, target].map(|node| id_of(&stage.sim, node).to_string());
    for slot in ["5461", "5462"] {
        stage.call_ok(target, &["CLUSTER", "SETSLOT", slot, "IMPORTING", &ids[0]])?;
        stage.call_ok(source, &["CLUSTER", "SETSLOT", slot, "MIGRATING", &ids[1]])?;
        // Nothing of this is under way any more when the slot gets its owner.
        stage.advance(Duration::from_millis(20))?;
        stage.call_ok(target, &["CLUSTER", "SETSLOT", slot, "NODE", &ids[1]])?;
        stage.advance(Duration::from_millis(300))?;
    }
    stage.call_ok(target, &["CLUSTER", "BUMPEPOCH"])?;
    stage.advance(Duration::from_millis(500))
}

/// The first primary ends; its replica is elected.
fn fail_over(stage: &mut Stage) -> Result<(), Crashed> {
    form(stage)?;
    stage.sim.kill(MachineId(0));
    stage.clients.remove(&MachineId(0));
    stage.until(|sim| agree(sim, nodes().skip(1)) && bus(sim, REPLICA).is_some_and(Bus::is_primary))?;
    stage.advance(Duration::from_millis(500))
}

/// Crashes a node everywhere in a scenario. Returns how often, and the last epoch in which a vote of it was counted.
fn crash_everywhere(watched: MachineId, play: impl Fn(&mut Stage) -> Result<(), Crashed>) -> (u64, u64) {
    let vote_epoch = Cell::new(0);
    let check = |stage: &mut Stage, ()| vote_epoch.set(check(stage).vote_epoch.max(vote_epoch.get()));
    let crashes = every_crash(|seed| build(seed, watched), |stage| ((), play(stage)), check);
    (crashes, vote_epoch.get())
}

fn check(stage: &mut Stage) -> Told {
    // What was on its way to others arrives.
    stage.sim.advance(Duration::from_millis(5));
    let told = told(&stage.sim, stage.watched);
    for start in 1..=2 {
        stage.recover();
        let bus = bus(&stage.sim, stage.watched).expect("it runs");
        if let Some(fault) = told.broken_by(bus) {
            stage.sim.fail(&format!("after start {start}: {fault}"));
        }
        assert!(bus.current_epoch() >= bus.my_epoch().max(bus.last_vote_epoch()));
        stage.sim.settle();
        assert!(stage.unfinished().is_empty(), "{:?}", stage.unfinished());
        // What it has read, and may have told others already, it still knows after the power is lost.
        stage.crash(Leaves::Synced);
    }
    told
}

impl Told {
    /// What of it a node does not know any more.
    fn broken_by(&self, bus: &Bus) -> Option<String> {
        let epochs = (bus.my_epoch(), bus.last_vote_epoch());
        let lost = self.slots.iter().find(|&&slot| !bus.myself().slots().contains(slot));
        if self.id.is_some_and(|id| id != bus.my_id()) {
            return Some("it is another node".to_owned());
        }
        if let Some(slot) = lost {
            return Some(format!("slot {} is lost, and maybe others", slot.number()));
        }
        // The epoch of a replica is that of its primary.
        let epoch_lost = bus.is_primary() && epochs.0 < self.config_epoch;
        let (config, vote) = (self.config_epoch, self.vote_epoch);
        (epoch_lost || epochs.1 < vote).then(|| format!("epochs {epochs:?} are less than {config}, {vote}"))
    }
}

/// What the other nodes know of the watched one.
fn told(sim: &Sim<Node>, watched: MachineId) -> Told {
    let mut told = Told::default();
    for other in nodes().filter(|&node| node != watched) {
        let Some(bus) = bus(sim, other) else { continue };
        let found = bus
            .table()
            .iter()
            .map(|(_, node)| node)
            .find(|node| node.address().ip == Some(watched.ip()) && !node.is_handshake());
        let Some(node) = found else { continue };
        told.id = Some(node.id());
        if node.is_primary() && node.config_epoch() >= told.config_epoch {
            told.config_epoch = node.config_epoch();
            told.slots = Slot::all().filter(|&slot| node.slots().contains(slot)).collect();
        }
    }
    told.vote_epoch = told.id.map_or(0, |id| counted_vote(sim, id));
    told
}

/// The epoch of the last vote of a node that a candidate has counted.
fn counted_vote(sim: &Sim<Node>, voter: NodeId) -> u64 {
    let marker = format!("Failover vote of {voter} counts for epoch ");
    let logged = nodes().flat_map(|node| sim.log(node));
    let epochs = logged.filter_map(|logged| logged.line.text.split_once(&marker)?.1.parse().ok());
    epochs.max().unwrap_or(0)
}

fn bus(sim: &Sim<Node>, id: MachineId) -> Option<&Bus> {
    sim.machine(id).and_then(Node::bus)
}

/// How many nodes a node has shaken hands with, itself included.
fn known(bus: &Bus) -> usize {
    bus.table().iter().filter(|(_, node)| !node.is_handshake()).count()
}

/// Whether these nodes all know each other and serve every slot.
fn agree(sim: &Sim<Node>, mut all: impl Iterator<Item = MachineId>) -> bool {
    all.all(|node| bus(sim, node).is_some_and(|bus| bus.is_ok() && known(bus) == NODES))
}

fn id_of(sim: &Sim<Node>, id: MachineId) -> NodeId {
    bus(sim, id).map_or_else(|| sim.fail(&format!("{id} is down")), Bus::my_id)
}

fn nodes() -> impl Iterator<Item = MachineId> {
    (0..NODES).map(MachineId)
}

#[test]
fn a_node_that_joins_and_takes_slots_never_forgets_what_it_told() {
    let (crashes, _) = crash_everywhere(MachineId(0), reshape);

    assert!(crashes > 40, "{crashes}");
}

#[test]
fn a_node_that_gives_slots_away_never_forgets_what_it_told() {
    let (crashes, _) = crash_everywhere(MachineId(1), reshape);

    assert!(crashes > 40, "{crashes}");
}

#[test]
fn a_voter_never_forgets_a_vote() {
    let (crashes, vote_epoch) = crash_everywhere(MachineId(1), fail_over);

    assert!(crashes > 40, "{crashes}");
    assert!(vote_epoch > 4, "it voted in epoch {vote_epoch}");
}

#[test]
fn an_elected_replica_never_forgets_its_slots_and_epoch() {
    let (crashes, _) = crash_everywhere(REPLICA, fail_over);

    assert!(crashes > 40, "{crashes}");
}

const NODES: usize = 4;
const REPLICA: MachineId = MachineId(3);

/// Long against the invented network's delays.
const NODE_TIMEOUT_MS: u64 = 500;
