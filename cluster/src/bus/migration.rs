//! Replica migration: a spare replica moves to a primary that has lost all of its own.

use slotmesh_engine::time::{Instant, Now};

use super::Bus;
use super::message::NodeFlags;
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// How long a primary must have been without replicas, in milliseconds (Redis uses the same figure).
const ORPHANED_MS: u64 = 5000;

impl Bus {
    /// Notes since when a primary that should have replicas has none that work.
    pub(super) fn watch_orphan(&mut self, now: Instant, key: NodeKey) {
        let orphaned = self.is_orphaned(key);
        let node = self.table.node_mut(key);
        node.orphaned_since = if orphaned { Some(node.orphaned_since.unwrap_or(now)) } else { None };
    }

    fn is_orphaned(&self, key: NodeKey) -> bool {
        let node = self.table.node(key);
        let deserves = node.is_voter() && !node.is_failed() && node.flags.has(NodeFlags::MIGRATE_TO);
        deserves && self.table.working_replicas(key) == 0
    }

    /// Moves this replica to an orphaned primary, when it is the one to go.
    pub(super) fn consider_migration(&mut self, now: Now) {
        if !self.config.allow_replica_migration || !self.state.ok {
            return;
        }
        let Some(mine) = self.myself().primary.filter(|_| self.myself().is_replica()) else { return };
        let Some(target) = self.oldest_orphan(now.instant) else { return };
        if self.healthy_replicas(mine) <= self.config.migration_barrier || !self.is_first_to_go(mine) {
            return;
        }
        let id = self.table.node(target).id;
        self.log(LogLevel::Notice, format!("Migrating to orphaned master {id}"));
        self.replicate(now, target);
    }

    fn oldest_orphan(&self, now: Instant) -> Option<NodeKey> {
        let since = |key: NodeKey| self.table.node(key).orphaned_since;
        let old = |key: NodeKey| since(key).is_some_and(|at| now.millis_since(at) > ORPHANED_MS);
        self.table.iter().map(|(key, _)| key).find(|&key| old(key) && self.is_orphaned(key))
    }

    fn healthy_replicas(&self, primary: NodeKey) -> usize {
        let replicas = &self.table.node(primary).replicas;
        replicas.iter().filter(|key| self.is_healthy(**key)).count()
    }

    fn is_healthy(&self, key: NodeKey) -> bool {
        !self.table.node(key).flags.has(NodeFlags::FAIL.with(NodeFlags::PFAIL))
    }

    /// Whether this node has the smallest id among the replicas of the primaries with the most working replicas.
    fn is_first_to_go(&self, mine: NodeKey) -> bool {
        let primaries = || self.table.iter().filter(|(_, node)| node.is_primary()).map(|(key, _)| key);
        let most = primaries().map(|key| self.table.working_replicas(key)).max().unwrap_or(0);
        if most < 2 || self.table.working_replicas(mine) != most {
            return false;
        }
        let richest = primaries().filter(|&key| self.table.working_replicas(key) == most);
        let replicas = richest.flat_map(|key| self.table.node(key).replicas.iter());
        let first = replicas.filter(|key| self.is_healthy(**key)).min_by_key(|key| self.table.node(**key).id);
        first == Some(&self.table.me)
    }
}
