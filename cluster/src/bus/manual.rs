//! CLUSTER FAILOVER: the change of primary an operator asks for.

use slotmesh_engine::time::{Instant, Now};

use super::Bus;
use super::error::ClusterError;
use super::message::{Body, Heartbeat, MessageKind};
use super::output::{BusOutput, Facts, LinkId, PrimaryLink};
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// Writing clients are held back for this many times as long (Redis uses the same figure).
const PAUSE_FACTOR: u64 = 2;

/// Time between two looks at the replication offset while it catches up, in milliseconds.
const CATCH_UP_MS: u64 = 5;

/// How CLUSTER FAILOVER goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverForm {
    /// Without the primary, which may be down: an election that needs no failure.
    Force,
    /// Together with the primary: no write is lost.
    Plain,
    /// Without anybody's consent.
    Takeover,
}

/// The state of a manual failover, on either side.
#[derive(Debug, Default)]
pub(super) struct Manual {
    end: Option<Instant>,
    /// On the primary: who takes over.
    replica: Option<NodeKey>,
    /// On the replica: where the paused primary's stream ends.
    offset: Option<u64>,
    /// On the replica: the stream is processed, or nobody is to be waited for.
    can_start: bool,
    next_look: Option<Instant>,
}

impl Manual {
    pub(super) fn is_running(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn can_start(&self) -> bool {
        self.end.is_some() && self.can_start
    }

    pub(super) fn replica(&self) -> Option<NodeKey> {
        self.replica
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let end = self.end?.plus_millis(1);
        Some(self.next_look.map_or(end, |look| look.min(end)))
    }
}

impl Bus {
    /// CLUSTER FAILOVER. The command is answered at once; the work goes on.
    ///
    /// # Errors
    /// This node is no replica, or its primary cannot take part.
    pub fn failover(&mut self, now: Now, form: FailoverForm, facts: &Facts) -> Result<(), ClusterError> {
        if self.is_primary() {
            return Err(ClusterError::FailoverOnPrimary);
        }
        let Some(primary) = self.myself().primary else { return Err(ClusterError::FailoverWithoutPrimary) };
        let connected = matches!(facts.primary_link, PrimaryLink::Up(_)) && self.table.node(primary).outbound.is_some();
        if form == FailoverForm::Plain && (self.table.node(primary).is_failed() || !connected) {
            return Err(ClusterError::FailoverPrimaryDown);
        }
        self.learn(facts);
        self.begin(now);
        self.reset_manual();
        let timeout_ms = self.config.manual_failover_timeout_ms;
        self.manual.end = Some(now.instant.plus_millis(timeout_ms));
        match form {
            FailoverForm::Force => {
                self.log(LogLevel::Notice, "Forced failover user request accepted.".to_owned());
                self.manual.can_start = true;
                self.restart_election();
            }
            FailoverForm::Plain => {
                self.log(LogLevel::Notice, "Manual failover user request accepted.".to_owned());
                self.send_node(primary, MessageKind::MfStart, Body::MfStart);
            }
            FailoverForm::Takeover => {
                self.log(LogLevel::Notice, "Taking over the master (user request).".to_owned());
                self.bump_epoch_without_consensus();
                self.replace_primary(now, primary);
            }
        }
        self.finish(now);
        Ok(())
    }

    /// An automatic candidacy that waits must not delay the one the operator asks for.
    fn restart_election(&mut self) {
        self.election.forget();
        self.todo.election = true;
    }

    /// MFSTART: one of this primary's replicas asks for the pause.
    pub(super) fn begin_manual_as_primary(&mut self, now: Now, link: LinkId, replica: NodeKey) {
        if !self.is_primary() || self.table.node(replica).primary != Some(self.table.me) {
            return;
        }
        self.reset_manual();
        let timeout_ms = self.config.manual_failover_timeout_ms;
        self.manual.end = Some(now.instant.plus_millis(timeout_ms));
        self.manual.replica = Some(replica);
        self.outputs
            .push_back(BusOutput::PauseWrites(now.instant.plus_millis(timeout_ms.saturating_mul(PAUSE_FACTOR))));
        let id = self.table.node(replica).id;
        self.log(LogLevel::Warning, format!("Manual failover requested by replica {id}."));
        // The PAUSED bit and the offset after the pause travel in the header.
        self.ping(now, link, Heartbeat::Ping);
    }

    /// A message of the paused primary.
    pub(super) fn hear_paused(&mut self, sender: NodeKey, offset: u64) {
        let waits = self.manual.is_running() && !self.manual.can_start && self.manual.offset.is_none();
        if self.is_primary() || self.myself().primary != Some(sender) || !waits {
            return;
        }
        self.manual.offset = Some(offset);
        self.todo.manual = true;
        self.log(LogLevel::Notice, format!("Received replication offset for paused master manual failover: {offset}"));
    }

    /// Starts the election once this replica has processed all its primary wrote.
    pub(super) fn step_manual(&mut self, now: Now) {
        self.manual.next_look = None;
        let Some(offset) = self.manual.offset.filter(|_| self.manual.is_running() && !self.manual.can_start) else {
            return;
        };
        if self.facts.offset != offset {
            self.manual.next_look = Some(now.instant.plus_millis(CATCH_UP_MS));
            return;
        }
        self.manual.can_start = true;
        self.log(LogLevel::Notice, "All master replication stream processed, manual failover can start.".to_owned());
        self.restart_election();
    }

    pub(super) fn check_manual_timeout(&mut self, now: Instant) {
        if self.manual.end.is_some_and(|end| now > end) {
            self.log(LogLevel::Warning, "Manual failover timed out.".to_owned());
            if self.manual.replica.is_some() {
                // Votes for the replica broke the lease's promise; it must have given up by now, but may have won.
                self.lease.begin_anew(now);
            }
            self.reset_manual();
        }
    }

    /// Ends a manual failover, be it done or given up.
    pub(super) fn reset_manual(&mut self) {
        if self.manual.replica.is_some() {
            self.outputs.push_back(BusOutput::UnpauseWrites);
        }
        self.manual = Manual::default();
    }
}
