//! Votes asked for: how a replica takes its failed primary's place.

use std::collections::BTreeSet;

use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::{Instant, Now};

use super::Bus;
use super::codec::EPOCH_MAX;
use super::message::{Body, Header, MessageFlags, MessageKind, NodeFlags, NodeId};
use super::output::{BusOutput, PrimaryLink};
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// Longest fixed part of the delay before an election, in milliseconds: time for the FAIL to spread. The random part
/// has the same bound (Redis: 500 for both).
const DELAY_MS_MAX: u64 = 500;

/// The delay is this share of the node timeout when that is less (Valkey 9: 15000 / 500).
const DELAY_SHARE: u64 = 30;

/// Longest delay for each replica that has more data, in milliseconds (Redis: 1000).
const RANK_DELAY_MS_MAX: u64 = 1000;

/// The delay of a rank is this share of the node timeout when that is less; never below the delay itself.
const RANK_DELAY_SHARE: u64 = 15;

/// Least time between two log lines that give the same reason for not failing over, in milliseconds (Redis 7.2).
const REASON_REPEAT_MS: u64 = 10_000;

/// The state of this replica's candidacy.
#[derive(Debug, Default)]
pub(super) struct Election {
    /// When votes are to be asked for, or were.
    at: Option<Instant>,
    asked: bool,
    rank: u64,
    epoch: u64,
    votes: BTreeSet<NodeId>,
    reason: Option<(&'static str, Instant)>,
    /// When the candidacy was looked at last.
    stepped: Instant,
}

impl Election {
    /// Forgets the candidacy: the primary is another one now.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Bus {
    /// When an election that is scheduled begins, as long as that was not acted on.
    pub(super) fn election_deadline(&self) -> Option<Instant> {
        let waiting = |at: &Instant| !self.election.asked && *at > self.election.stepped;
        self.election.at.filter(waiting).filter(|_| self.candidacy().is_some())
    }

    /// The primary to replace, when there is one and this node may.
    fn candidacy(&self) -> Option<NodeKey> {
        let me = self.table.myself();
        let key = me.primary.filter(|_| me.is_replica())?;
        let primary = self.table.node(key);
        let manual = self.manual.can_start();
        let wanted = primary.is_failed() || manual;
        let allowed = manual || !self.config.replica_no_failover;
        (wanted && allowed && primary.slot_count > 0).then_some(key)
    }

    /// Goes on with the candidacy as far as time and votes allow.
    pub(super) fn step_election(&mut self, now: Now) {
        let Some(primary) = self.candidacy() else {
            self.election.reason = None;
            return;
        };
        self.election.stepped = now.instant;
        let manual = self.manual.can_start();
        if !manual && self.is_data_too_old(now.instant) {
            return self.log_reason(
                now.instant,
                "Disconnected from master for longer than allowed. Please check the 'cluster-replica-validity-factor' \
                 configuration option.",
            );
        }
        let timeout = self.auth_timeout_ms();
        let age = self.election.at.map(|at| now.instant.millis_since(at));
        if age.is_none_or(|age| age > timeout.saturating_mul(2)) {
            return self.schedule_election(now, primary, manual);
        }
        if !self.election.asked && !manual {
            self.follow_rank(primary);
        }
        if self.election.at.is_some_and(|at| now.instant < at) {
            return self.log_reason(now.instant, "Waiting the delay before I can start a new failover.");
        }
        if age.is_some_and(|age| age > timeout) {
            return self.log_reason(now.instant, "Failover attempt expired.");
        }
        if !self.election.asked {
            return self.ask_for_votes(now, primary, manual);
        }
        if self.election.votes.len() >= self.table.quorum() {
            self.log(LogLevel::Notice, "Failover election won: I'm the new master.".to_owned());
            self.win(now, primary);
        } else {
            self.log_reason(now.instant, "Waiting for votes, but majority still not reached.");
        }
    }

    /// Whether the primary was out of reach for so long that this replica's data is too old to serve.
    fn is_data_too_old(&self, now: Instant) -> bool {
        let factor = self.config.replica_validity_factor;
        if factor == 0 {
            return false;
        }
        let timeout = self.config.node_timeout_ms;
        let age = match self.facts.primary_link {
            PrimaryLink::Up(at) | PrimaryLink::Down(at) => now.millis_since(at),
            PrimaryLink::Never => return true,
        };
        // The time it takes to notice a failure is no fault of the replica.
        let age = if age > timeout { age - timeout } else { age };
        let limit = self.config.repl_ping_period_secs.saturating_mul(1000);
        age > limit.saturating_add(timeout.saturating_mul(factor))
    }

    fn schedule_election(&mut self, now: Now, primary: NodeKey, manual: bool) {
        let (delay, rank) = if manual {
            (0, 0)
        } else {
            let fixed = self.delay_ms();
            let rank = self.rank(primary);
            (fixed + self.rng.below(fixed) + rank * self.rank_delay_ms(), rank)
        };
        let at = Some(now.instant.plus_millis(delay));
        self.election = Election { at, rank, stepped: now.instant, ..Election::default() };
        let offset = self.facts.offset;
        self.log(
            LogLevel::Notice,
            format!("Start of election delayed for {delay} milliseconds (rank #{rank}, offset {offset})."),
        );
        // The other replicas learn this one's offset, and so their rank.
        let siblings = self.shard_peers();
        for key in siblings.into_iter().filter(|key| *key != primary) {
            self.pong_node(now, key);
        }
        self.todo.election = manual;
    }

    fn delay_ms(&self) -> u64 {
        (self.config.node_timeout_ms / DELAY_SHARE).clamp(1, DELAY_MS_MAX)
    }

    fn rank_delay_ms(&self) -> u64 {
        (self.config.node_timeout_ms / RANK_DELAY_SHARE).clamp(2, RANK_DELAY_MS_MAX)
    }

    /// How many other replicas of the primary have more data than this one and may stand.
    fn rank(&self, primary: NodeKey) -> u64 {
        let others = self.table.node(primary).replicas.iter().filter(|key| **key != self.table.me);
        let ahead = others.map(|key| self.table.node(*key)).filter(|node| {
            !node.flags.has(NodeFlags::NOFAILOVER) && !node.is_failed() && node.offset > self.facts.offset
        });
        ahead.count() as u64
    }

    /// Waits longer when others turn out to have more data.
    fn follow_rank(&mut self, primary: NodeKey) {
        let rank = self.rank(primary);
        let Some(at) = self.election.at.filter(|_| rank > self.election.rank) else { return };
        let added = (rank - self.election.rank) * self.rank_delay_ms();
        self.election.at = Some(at.plus_millis(added));
        self.election.rank = rank;
        self.log(LogLevel::Notice, format!("Replica rank updated to #{rank}, added {added} milliseconds of delay."));
    }

    fn ask_for_votes(&mut self, now: Now, primary: NodeKey, manual: bool) {
        if self.current_epoch >= EPOCH_MAX {
            return;
        }
        self.current_epoch += 1;
        self.election.epoch = self.current_epoch;
        self.election.asked = true;
        self.election.votes.clear();
        self.save_claim();
        self.log(LogLevel::Notice, format!("Starting a failover election for epoch {}.", self.current_epoch));
        let mut mflags = MessageFlags::default();
        if manual {
            mflags.insert(MessageFlags::FORCE_ACK);
        } else if self.table.node(primary).is_failed() {
            // No voter shall refuse because it has not heard yet.
            let id = self.table.node(primary).id;
            self.broadcast(MessageKind::Fail, mflags, Body::Fail(id));
        }
        self.broadcast(MessageKind::AuthRequest, mflags, Body::AuthRequest);
        debug_assert!(self.election.at.is_some_and(|at| at <= now.instant), "votes are asked for in time");
    }

    /// A vote arrived.
    pub(super) fn count_vote(&mut self, sender: NodeKey, header: &Header) {
        let voter = self.table.node(sender);
        let counts = self.election.asked && voter.is_voter() && header.current_epoch >= self.election.epoch;
        if counts {
            let id = voter.id;
            self.election.votes.insert(id);
            self.log(LogLevel::Debug, format!("Failover vote of {id} counts for epoch {}", self.election.epoch));
            self.todo.election = true;
        }
    }

    fn win(&mut self, now: Now, primary: NodeKey) {
        let epoch = self.election.epoch;
        if self.table.myself().config_epoch < epoch {
            self.table.myself_mut().config_epoch = epoch;
            self.log(LogLevel::Notice, format!("configEpoch set to {epoch} after successful failover"));
        }
        self.replace_primary(now, primary);
    }

    /// Turns primary with all slots of the old one and tells everybody.
    pub(super) fn replace_primary(&mut self, now: Now, old: NodeKey) {
        self.table.set_primary(self.table.me, None);
        self.table.set_role(self.table.me, NodeFlags::PRIMARY);
        self.lease.begin_contestable();
        let slots: Vec<Slot> = self.table.node(old).slots.iter().collect();
        for slot in slots {
            self.table.assign(slot, Some(self.table.me));
        }
        self.outputs.push_back(BusOutput::BecomePrimary);
        self.election.forget();
        self.save_claim();
        self.update_state(now);
        self.pong_all(now);
        self.reset_manual();
    }

    fn log_reason(&mut self, now: Instant, text: &'static str) {
        let repeated = |(last, at): (&str, Instant)| last == text && now.millis_since(at) < REASON_REPEAT_MS;
        if self.election.reason.is_some_and(repeated) {
            return;
        }
        self.election.reason = Some((text, now));
        self.log(LogLevel::Notice, format!("Currently unable to failover: {text}"));
    }
}
