//! The rules that hold after every event of a cluster, whatever goes wrong.
//!
//! - A config epoch belongs to one primary for ever: one owner per slot and epoch.
//! - A voter's vote of an epoch counts for one candidate only.
//! - A node's epochs never go back, also over restarts: nobody knows a greater epoch of a node than the node itself.
//! - Two nodes at the same place of the same history have the same data: a replica's data is a prefix of its
//!   primary's.
//! - A primary changes no data while another one that was elected for its slots runs: what it acknowledges is lost
//!   only where asynchronous replication loses it.
//! - No node ends by itself, but when asked to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use slotmesh::testing::{MachineId, TestCluster};
use slotmesh_cluster::bus::{Bus, NodeId};
use slotmesh_cluster::node::Node;
use slotmesh_replication::offset::Replid;
use slotmesh_transport_mem::{Place, Sim, What};

use crate::digest;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    nodes: BTreeMap<MachineId, Seen>,
    /// Who claimed slots with an epoch.
    claims: BTreeMap<u64, MachineId>,
    /// For whom a voter's vote of an epoch counted.
    votes: BTreeMap<(u64, String), MachineId>,
    /// The data at each place of each history, and who was there first.
    histories: BTreeMap<(Replid, u64), (u64, MachineId)>,
    entries: u64,
    /// Elections won.
    pub(crate) elections: u64,
}

#[derive(Debug, Default)]
struct Seen {
    is_up: bool,
    starts: u32,
    current_epoch: u64,
    changes: u64,
    offset: u64,
    replid: Option<Replid>,
}

impl Watch {
    /// Watches a cluster from now on.
    pub(crate) fn begin(t: &mut TestCluster) -> Rc<RefCell<Self>> {
        let watch = Rc::new(RefCell::new(Self::default()));
        let shared = watch.clone();
        t.on_step(move |sim| shared.borrow_mut().check(sim));
        watch
    }

    /// How often a node was started.
    pub(crate) fn starts(&self, id: MachineId) -> u32 {
        self.nodes.get(&id).map_or(0, |seen| seen.starts)
    }

    fn check(&mut self, sim: &Sim<Node>) {
        let heard = self.read_trace(sim);
        for id in sim.machines() {
            if let Some(shutdown) = sim.exited(id).filter(|shutdown| shutdown.code != 0) {
                sim.fail(&format!("{id} ended by itself with code {}", shutdown.code));
            }
            let seen = self.nodes.entry(id).or_default();
            let Some(node) = sim.machine(id) else {
                seen.is_up = false;
                continue;
            };
            let Some(bus) = node.bus() else { continue };
            let began = !std::mem::replace(&mut seen.is_up, true);
            if began {
                seen.starts += 1;
            }
            self.check_epochs(sim, id, bus, began);
            self.check_changes(sim, id, node, bus, !began && heard.contains(&id));
            self.check_history(sim, id, node, began);
        }
    }

    /// Reads what the nodes logged in the last event; returns the machines that received bytes in it.
    fn read_trace(&mut self, sim: &Sim<Node>) -> BTreeSet<MachineId> {
        let new = sim.trace().count() - self.entries;
        self.entries = sim.trace().count();
        let mut wins = 0;
        let mut heard = BTreeSet::new();
        for entry in sim.trace().entries().rev().take(usize::try_from(new).unwrap_or(usize::MAX)) {
            let Some(Place::Machine(candidate)) = entry.place else { continue };
            if matches!(entry.what, What::Received(..)) {
                heard.insert(candidate);
            }
            // One that is restarted while it runs is never seen down.
            if matches!(entry.what, What::Started(_)) {
                self.nodes.entry(candidate).or_default().is_up = false;
            }
            let What::Logged(text) = &entry.what else { continue };
            wins += u64::from(text.contains("Failover election won"));
            let Some(at) = text.find("Failover vote of ") else { continue };
            let mut words = text[at..].split(' ').skip(3);
            let (Some(voter), Some(epoch)) = (words.next(), words.nth(3)) else { continue };
            let key = (epoch.parse().expect("an epoch"), voter.to_owned());
            let first = *self.votes.entry(key).or_insert(candidate);
            if first != candidate {
                sim.fail(&format!("the vote of {voter} in epoch {epoch} counts for {first} and {candidate}"));
            }
        }
        self.elections += wins;
        heard
    }

    fn check_epochs(&mut self, sim: &Sim<Node>, id: MachineId, bus: &Bus, began: bool) {
        let seen = self.nodes.entry(id).or_default();
        let current = bus.current_epoch();
        if !began && current < seen.current_epoch {
            sim.fail(&format!("currentEpoch of {id} went from {} to {current}", seen.current_epoch));
        }
        let changed = began || current != seen.current_epoch;
        seen.current_epoch = current;
        if !bus.myself().is_voter() {
            return;
        }
        let mine = bus.my_epoch();
        let first = *self.claims.entry(mine).or_insert(id);
        if first != id {
            sim.fail(&format!("{first} and {id} both claimed slots with epoch {mine}"));
        }
        if changed {
            let known = known_epoch(sim, bus.my_id());
            if known > mine {
                sim.fail(&format!("others know epoch {known} of {id}, which itself has {mine}"));
            }
        }
    }

    fn check_changes(&mut self, sim: &Sim<Node>, id: MachineId, node: &Node, bus: &Bus, heard: bool) {
        let seen = self.nodes.entry(id).or_default();
        let core = node.engine().core();
        let changes = core.changes.total();
        let before = std::mem::replace(&mut seen.changes, changes);
        // What changes without a request is expiry.
        if !heard || before == changes || node.is_replica() || !node.is_running() || !bus.myself().is_voter() {
            return;
        }
        let rival = sim.machines().filter(|&other| other != id).find(|&other| {
            let Some(theirs) = sim.machine(other).and_then(Node::bus) else { return false };
            let elected = theirs.myself().is_voter() && theirs.my_epoch() > bus.my_epoch();
            elected && theirs.myself().slots().iter().any(|slot| bus.myself().slots().contains(slot))
        });
        if let Some(rival) = rival {
            sim.fail(&format!("{id} took a write although {rival} was elected for its slots"));
        }
    }

    fn check_history(&mut self, sim: &Sim<Node>, id: MachineId, node: &Node, began: bool) {
        let seen = self.nodes.entry(id).or_default();
        let history = node.history();
        let place = (history.replid, history.offset.0);
        let moved = began || seen.offset != place.1 || seen.replid != Some(place.0);
        if !moved || !history.is_open || !node.is_running() {
            return;
        }
        (seen.replid, seen.offset) = (Some(place.0), place.1);
        // Large datasets take long to digest: the same places are looked at on every node.
        if !began && !(place.1 / 7).is_multiple_of(LOOK_AT_ONE_IN) {
            return;
        }
        let digest = digest::of(node);
        let &mut (first, by) = self.histories.entry(place).or_insert((digest, id));
        if first != digest {
            let difference = digest::difference(sim, by, id);
            sim.fail(&format!("{id} has other data at offset {} than {by} had\n{difference}", place.1));
        }
    }
}

/// One in so many places of a history is looked at.
const LOOK_AT_ONE_IN: u64 = 3;

/// The greatest config epoch the running nodes know of a node that they hold for a primary.
fn known_epoch(sim: &Sim<Node>, id: NodeId) -> u64 {
    let views = sim.machines().filter_map(|machine| sim.machine(machine)?.bus());
    let known = views.filter_map(|bus| {
        let node = bus.table().node(bus.table().find(&id)?);
        node.is_primary().then(|| node.config_epoch())
    });
    known.max().unwrap_or(0)
}
