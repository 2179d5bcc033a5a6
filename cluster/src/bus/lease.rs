//! The write lease: how a primary knows that no other one has been elected in its place.
//!
//! Redis lets a primary that was paused or cut off acknowledge writes after it wakes, until it hears of its
//! successor; all of them are lost then. Here a primary serves writes only while it *holds the lease*: a majority of
//! the primaries (itself included) answered a ping of its that was sent less than a node timeout ago. The time counts
//! from the sending of the ping, on this node's monotonic clock, and is compared with the time of the very call that
//! wants to write.
//!
//! The argument. A successor needs votes of a majority of primaries. Two majorities share a voter `V`. When `V`
//! answered our ping, it had received it after we sent it, and by its own rule (`vote`) does not vote against us until
//! a node timeout after that. So while the lease runs, `V` has not voted, and there is no successor.
//!
//! Getting the lease back after it ran out needs more, for `V` may have voted meanwhile. A vote request raises the
//! currentEpoch of all who hear it, and every message tells its sender's. So when no greater epoch arrived, nobody
//! voted, and answers alone renew the lease. When one did, an election may be under way: its candidate stops counting
//! votes `auth_timeout` after it asked, that is at most so long after we heard of the epoch, and we wait until then.
//! The candidate has won by that time, and the voters correct us, or it never will. A primary without replicas has
//! nobody who could take its place and waits for nothing.
//!
//! CLUSTER FAILOVER asks for votes that ignore the promise, while the primary holds its writers back. When that takes
//! too long the replica gives up first, and the primary begins with new answers: their senders know of a vote.
//!
//! Limits: voters that are real Redis nodes do not keep the promise (but the epoch rule works with them), all nodes
//! must agree on the node timeout, and FAILOVER FORCE and TAKEOVER override it, as the operator asked.

use slotmesh_engine::time::Instant;

use super::Bus;

/// The state of the lease.
#[derive(Debug)]
pub(super) struct Lease {
    /// Writes are served before this.
    pub(super) end: Instant,
    /// Something changed that the end depends on.
    pub(super) dirty: bool,
    /// When to look again because a wait ends.
    pub(super) recheck: Instant,
    /// The lease ran out, or was never held.
    lapse: Option<Lapse>,
    /// When a greater epoch than the known one last arrived.
    epoch_raised: Option<Instant>,
    /// Answers to pings sent before this do not count.
    contacts_from: Instant,
}

/// What was true when the lease ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lapse {
    /// A replica could have been elected since.
    Contestable,
    /// There was no replica.
    Uncontested,
}

impl Lease {
    /// A lease not held yet.
    pub(super) fn new(lapse: Lapse) -> Self {
        Self {
            end: Instant::ZERO,
            dirty: true,
            recheck: Instant::MAX,
            lapse: Some(lapse),
            epoch_raised: None,
            contacts_from: Instant::ZERO,
        }
    }

    /// The node becomes a primary by election or takeover: others may contest that before it has the lease.
    pub(super) fn begin_contestable(&mut self) {
        self.end = Instant::ZERO;
        self.lapse = Some(Lapse::Contestable);
        // Only an election that begins from now on can be against this node.
        self.epoch_raised = None;
        self.dirty = true;
    }

    /// An election that did not respect the lease may have been won: only answers that know of it count.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.contacts_from = now;
        self.begin_contestable();
    }

    /// Another node told of a greater epoch than the known one.
    pub(super) fn note_raise(&mut self, now: Instant) {
        self.epoch_raised = Some(now);
        self.dirty = true;
    }
}

impl Bus {
    /// Notices that the lease ran out, before anything that arrived later is looked at.
    pub(super) fn check_lease(&mut self, now: Instant) {
        if now < self.lease.end || self.lease.lapse.is_some() {
            return;
        }
        let contestable = !self.myself().replicas.is_empty();
        self.lease.lapse = Some(if contestable { Lapse::Contestable } else { Lapse::Uncontested });
    }

    /// Computes the end of the lease from the answers so far.
    pub(super) fn renew_lease(&mut self, now: Instant) {
        self.lease.dirty = false;
        self.lease.recheck = Instant::MAX;
        self.lease.end = self.contact_end();
        let Some(lapse) = self.lease.lapse else { return };
        if now >= self.lease.end {
            return;
        }
        let raised = self.lease.epoch_raised.filter(|_| lapse == Lapse::Contestable && self.table.quorum() > 1);
        let hold_until = raised.map_or(Instant::ZERO, |at| at.plus_millis(self.auth_timeout_ms()));
        if now < hold_until {
            self.lease.end = Instant::ZERO;
            self.lease.recheck = hold_until;
            return;
        }
        self.lease.lapse = None;
    }

    /// When the youngest answers of a majority become too old.
    fn contact_end(&self) -> Instant {
        if !self.myself().is_voter() {
            return Instant::ZERO;
        }
        let others = self.table.quorum() - 1;
        if others == 0 {
            return Instant::MAX;
        }
        let voters = self.table.iter().filter(|(key, node)| *key != self.table.me && node.is_voter());
        let counts = |at: &Instant| *at >= self.lease.contacts_from;
        let mut contacts: Vec<Instant> = voters.filter_map(|(_, node)| node.contact.filter(counts)).collect();
        contacts.sort_unstable_by(|a, b| b.cmp(a));
        contacts.get(others - 1).map_or(Instant::ZERO, |at| at.plus_millis(self.config.node_timeout_ms))
    }
}
