//! Who is down: suspicion (PFAIL), reports of others, the majority's verdict (FAIL), and the way back.

use slotmesh_engine::time::{Instant, Now};

use super::Bus;
use super::message::{Body, MessageFlags, MessageKind, NodeFlags, NodeId};
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// A failure report counts for this many node timeouts (Redis uses the same figure).
const REPORT_TIMEOUTS: u64 = 2;

/// A failed primary with slots must be back this many node timeouts after it failed before it is believed that nobody
/// took its slots (Redis uses the same figure).
const UNDO_TIMEOUTS: u64 = 2;

impl Bus {
    /// Suspects a node whose ping is pending and of which nothing came for a node timeout. True for a new suspicion.
    pub(super) fn suspect_if_silent(&mut self, now: Instant, key: NodeKey) -> bool {
        let timeout = self.config.node_timeout_ms;
        let node = self.table.node_mut(key);
        let Some(ping) = node.ping_sent else { return false };
        let pending = now.millis_since(ping.instant);
        let silent = node.data_received.map_or(pending, |at| now.millis_since(at));
        if pending.min(silent) <= timeout || node.flags.has(NodeFlags::PFAIL.with(NodeFlags::FAIL)) {
            return false;
        }
        node.flags.insert(NodeFlags::PFAIL);
        let id = node.id;
        self.cron.suspects += 1;
        self.log(LogLevel::Debug, format!("*** NODE {id} possibly failing"));
        // The reports of others may have made the majority before this node agreed.
        self.fail_if_majority(now, key);
        true
    }

    /// Tells the primaries of a new suspect at once, when this node's word counts.
    pub(super) fn spread_suspicion(&mut self, now: Now) {
        if !self.myself().is_voter() {
            return;
        }
        for key in self.peers() {
            let node = self.table.node(key);
            if node.is_voter() && !node.flags.has(NodeFlags::PFAIL.with(NodeFlags::FAIL)) {
                self.ping_node(now, key);
            }
        }
    }

    /// A primary reports a node as failing.
    pub(super) fn report_failure(&mut self, now: Now, reporter: NodeKey, key: NodeKey) {
        let (by, about) = (self.table.node(reporter).id, self.table.node(key).id);
        if self.table.node_mut(key).reports.insert(reporter, now.instant).is_none() {
            self.log(LogLevel::Verbose, format!("Node {by} reported node {about} as not reachable."));
        }
        self.fail_if_majority(now.instant, key);
    }

    /// A primary reaches a node again.
    pub(super) fn withdraw_report(&mut self, reporter: NodeKey, key: NodeKey) {
        if self.table.node_mut(key).reports.remove(&reporter).is_some() {
            let (by, about) = (self.table.node(reporter).id, self.table.node(key).id);
            self.log(LogLevel::Verbose, format!("Node {by} reported node {about} is back online."));
        }
    }

    /// Number of primaries whose report about a node still counts; forgets the others.
    pub(super) fn count_reports(&mut self, now: Instant, key: NodeKey) -> usize {
        let limit = self.config.node_timeout_ms.saturating_mul(REPORT_TIMEOUTS);
        self.table.node_mut(key).reports.retain(|_, at| now.millis_since(*at) <= limit);
        self.table.node(key).reports.keys().filter(|reporter| self.table.node(**reporter).is_voter()).count()
    }

    fn fail_if_majority(&mut self, now: Instant, key: NodeKey) {
        if !self.table.node(key).flags.has(NodeFlags::PFAIL) {
            return;
        }
        let votes = self.count_reports(now, key) + usize::from(self.myself().is_voter());
        if votes < self.table.quorum() {
            return;
        }
        let id = self.table.node(key).id;
        self.log(LogLevel::Notice, format!("Marking node {id} as failing (quorum reached)."));
        self.mark_failed(now, key);
        self.broadcast(MessageKind::Fail, MessageFlags::default(), Body::Fail(id));
    }

    /// The majority's verdict arrived as a message.
    pub(super) fn hear_fail(&mut self, now: Now, sender: NodeKey, id: &NodeId) {
        let by = self.table.node(sender).id;
        let Some(key) = self.table.find(id) else {
            self.log(LogLevel::Notice, format!("Ignoring FAIL message from unknown node {by} about {id}"));
            return;
        };
        if key == self.table.me || self.table.node(key).is_failed() || self.table.node(key).is_handshake() {
            return;
        }
        self.log(LogLevel::Notice, format!("FAIL message received from {by} about {id}"));
        self.mark_failed(now.instant, key);
    }

    fn mark_failed(&mut self, now: Instant, key: NodeKey) {
        let node = self.table.node_mut(key);
        node.flags.remove(NodeFlags::PFAIL);
        node.flags.insert(NodeFlags::FAIL);
        node.failed_at = Some(now);
        self.todo.state = true;
        self.todo.election |= self.myself().primary == Some(key);
        self.save();
    }

    /// A node answered: it is not suspected any more, and may not be failed either.
    pub(super) fn hear_from_suspect(&mut self, now: Instant, key: NodeKey) {
        let node = self.table.node_mut(key);
        if node.flags.has(NodeFlags::PFAIL) {
            node.flags.remove(NodeFlags::PFAIL);
            self.todo.state = true;
            self.save();
        } else if node.is_failed() {
            self.undo_fail(now, key);
        }
    }

    fn undo_fail(&mut self, now: Instant, key: NodeKey) {
        let node = self.table.node(key);
        let id = node.id;
        let since = node.failed_at.map_or(u64::MAX, |at| now.millis_since(at));
        let text = if !node.is_voter() {
            let what = if node.is_replica() { "replica" } else { "master without slots" };
            format!("Clear FAIL state for node {id}: {what} is reachable again.")
        } else if since > self.config.node_timeout_ms.saturating_mul(UNDO_TIMEOUTS) {
            format!(
                "Clear FAIL state for node {id}: is reachable again and nobody is serving its slots after some time."
            )
        } else {
            return;
        };
        let node = self.table.node_mut(key);
        node.flags.remove(NodeFlags::FAIL);
        node.failed_at = None;
        self.log(LogLevel::Notice, text);
        self.todo.state = true;
        self.save();
    }
}
