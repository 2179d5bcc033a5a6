//! The state of the ways between places.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Spread;
use crate::place::{MachineId, Place};
use crate::rule::{Link, Loss};

/// Partitions, and what differs from normal on single links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// The group of each machine that a partition names; nothing without a partition.
    groups: BTreeMap<MachineId, usize>,
    states: BTreeMap<(Place, Place), State>,
    /// Places without power.
    off: BTreeSet<Place>,
}

#[derive(Debug, Default)]
struct State {
    is_held: bool,
    latency: Option<Spread>,
    loss: Loss,
}

impl Links {
    /// Whether segments pass from one place to another.
    pub(crate) fn pass(&self, from: Place, to: Place) -> bool {
        if from == to {
            return true;
        }
        let is_apart = match (from, to) {
            (Place::Machine(a), Place::Machine(b)) => self.groups.get(&a) != self.groups.get(&b),
            _ => false,
        };
        let is_off = !self.off.is_empty() && (self.off.contains(&from) || self.off.contains(&to));
        !is_apart && !is_off && self.state(from, to).is_none_or(|state| !state.is_held)
    }

    pub(crate) fn latency(&self, from: Place, to: Place) -> Option<Spread> {
        self.state(from, to)?.latency
    }

    pub(crate) fn loss(&self, from: Place, to: Place) -> Loss {
        self.state(from, to).map(|state| state.loss).unwrap_or_default()
    }

    /// Splits the machines in groups, replacing the split before.
    pub(crate) fn partition(&mut self, groups: &[Vec<MachineId>]) {
        let numbered = groups.iter().enumerate();
        self.groups = numbered.flat_map(|(number, group)| group.iter().map(move |&id| (id, number))).collect();
    }

    pub(crate) fn heal(&mut self) {
        self.groups.clear();
        self.states.clear();
    }

    pub(crate) fn hold(&mut self, link: Link, is_held: bool) {
        self.change(link, |state| state.is_held = is_held);
    }

    pub(crate) fn slow(&mut self, link: Link, latency: Spread) {
        self.change(link, |state| state.latency = Some(latency));
    }

    pub(crate) fn lose(&mut self, link: Link, loss: Loss) {
        self.change(link, |state| state.loss = loss);
    }

    pub(crate) fn power(&mut self, place: Place, is_off: bool) {
        if is_off {
            self.off.insert(place);
        } else {
            self.off.remove(&place);
        }
    }

    fn change(&mut self, link: Link, change: impl Fn(&mut State)) {
        for direction in link.directions() {
            change(self.states.entry(direction).or_default());
        }
    }

    fn state(&self, from: Place, to: Place) -> Option<&State> {
        if self.states.is_empty() { None } else { self.states.get(&(from, to)) }
    }
}
