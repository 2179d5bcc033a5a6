//! Whether the cluster as this node sees it serves keys at all.

use slotmesh_engine::slot::SLOTS;
use slotmesh_engine::time::{Instant, Now};

use super::Bus;
use super::message::NodeFlags;
use super::output::BusOutput;
use crate::machine::LogLevel;

/// How long a restarted primary waits before it serves, in milliseconds (Redis uses the same figure): by then it has
/// heard of changes it slept through.
const WRITABLE_DELAY_MS: u64 = 2000;

/// Shortest time a primary that was in the minority waits before it serves again, in milliseconds (Redis, too).
const REJOIN_MS_MIN: u64 = 500;

/// Longest such time, in milliseconds (Redis, too).
const REJOIN_MS_MAX: u64 = 5000;

/// The cluster's state and what it takes to change it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) ok: bool,
    /// Primaries with slots as of the last evaluation (`cluster_size`).
    pub(super) size: usize,
    /// Whether this node saw too few reachable primaries at the last evaluation.
    pub(super) minority: bool,
    /// Whether slots were read from a file and may be stale.
    pub(super) restarted: bool,
    /// Whether the state has been ok before.
    served: bool,
    first_seen: Option<Instant>,
    minority_at: Option<Instant>,
}

impl State {
    pub(super) fn new(restarted: bool) -> Self {
        Self { ok: false, size: 1, minority: false, restarted, served: false, first_seen: None, minority_at: None }
    }
}

impl Bus {
    /// Evaluates the state.
    pub(super) fn update_state(&mut self, now: Now) {
        let first_seen = *self.state.first_seen.get_or_insert(now.instant);
        let waking = self.state.restarted && now.instant.millis_since(first_seen) < WRITABLE_DELAY_MS;
        if self.is_primary() && !self.state.ok && waking {
            return;
        }
        self.state.size = self.table.voters();
        let covered = !self.config.require_full_coverage || self.is_covered();
        self.state.minority = self.reachable_voters() < self.table.quorum();
        if self.state.minority {
            self.state.minority_at = Some(now.instant);
        }
        let ok = covered && !self.state.minority;
        if ok == self.state.ok || (ok && self.is_rejoining(now.instant)) {
            return;
        }
        self.state.ok = ok;
        self.state.served |= ok;
        let name = if ok { "ok" } else { "fail" };
        self.log(LogLevel::Notice, format!("Cluster state changed: {name}"));
        self.outputs.push_back(BusOutput::StateChanged(ok));
    }

    fn is_covered(&self) -> bool {
        let failed = self.table.iter().any(|(_, node)| node.is_failed() && node.slot_count > 0);
        self.table.slots.assigned() == usize::from(SLOTS) && !failed
    }

    fn reachable_voters(&self) -> usize {
        let down = NodeFlags::FAIL.with(NodeFlags::PFAIL);
        self.table.iter().filter(|(_, node)| node.is_voter() && !node.flags.has(down)).count()
    }

    /// A primary that comes out of a minority gives the others time to tell what it missed. One that never served
    /// missed nothing.
    fn is_rejoining(&self, now: Instant) -> bool {
        let delay = self.config.node_timeout_ms.clamp(REJOIN_MS_MIN, REJOIN_MS_MAX);
        let may_have_missed = self.is_primary() && (self.state.served || self.state.restarted);
        may_have_missed && self.state.minority_at.is_some_and(|at| now.millis_since(at) < delay)
    }
}
