//! FAILOVER: a primary hands its role over to a replica that has everything.
//!
//! Writes are held back until the replica has acknowledged the whole log. Then this node follows it, and asks it in the
//! same breath (`PSYNC ... FAILOVER`) to take over. Whatever goes wrong before it has said yes leaves this node the
//! primary.

use slotmesh_engine::time::{Instant, Now};

use super::Node;

/// A failover that was asked for.
#[derive(Debug)]
pub(super) struct HandOver {
    /// Who takes over: address and port as it announces them. Whoever is the first to have everything when nobody is
    /// named.
    pub(super) target: Option<(String, u16)>,
    /// When the replica must have everything.
    pub(super) deadline: Option<Instant>,
    /// It takes over at the deadline, whatever it has.
    pub(super) force: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The replica asked to take over has not answered.
    Asking,
    /// No replica is known to have everything.
    Syncing,
}

impl HandOver {
    pub(super) fn new(target: Option<(String, u16)>, deadline: Option<Instant>, force: bool) -> Self {
        Self { target, deadline, force, stage: Stage::Syncing }
    }

    /// In the words of INFO.
    pub(super) fn word(&self) -> &'static str {
        match self.stage {
            Stage::Asking => "failover-in-progress",
            Stage::Syncing => "waiting-for-sync",
        }
    }
}

impl Node {
    /// Begins to hand over.
    pub(super) fn begin_handover(&mut self, handover: HandOver) {
        match &handover.target {
            Some((host, port)) => self.log_notice(format!("FAILOVER requested to {host}:{port}.")),
            None => self.log_notice("FAILOVER requested to any replica."),
        }
        self.pause.begin_by_failover(Instant::MAX);
        self.handover = Some(handover);
    }

    /// Goes on with a failover once a replica has everything, or its time is over. Returns whether something happened.
    pub(super) fn step_handover(&mut self, now: Now) -> bool {
        let Some(handover) = self.handover.as_ref().filter(|handover| handover.stage == Stage::Syncing) else {
            return false;
        };
        if handover.deadline.is_some_and(|deadline| deadline <= now.instant) {
            match (handover.force, handover.target.clone()) {
                (true, Some((host, port))) => {
                    self.log_notice(format!("FAILOVER to {host}:{port} time out exceeded, failing over."));
                    self.ask_to_take_over(now, &host, port);
                }
                _ => self.abort_handover(now, "Replica never caught up before timeout"),
            }
            return true;
        }
        let end = self.replication.log.offset();
        let is_wanted = |ip: &str, port| handover.target.as_ref().is_none_or(|target| *target == (ip.to_owned(), port));
        let synced = self.replication.feeds.infos(now).map(|(_, info)| info).find(|info| {
            let has_everything = info.state == "online" && info.offset == end;
            has_everything && is_wanted(&info.ip, info.port)
        });
        let Some((host, port)) = synced.map(|info| (info.ip, info.port)) else { return false };
        self.log_notice(format!("Failover target {host}:{port} is synced, failing over."));
        self.ask_to_take_over(now, &host, port);
        true
    }

    fn ask_to_take_over(&mut self, now: Now, host: &str, port: u16) {
        if let Some(handover) = &mut self.handover {
            handover.target = Some((host.to_owned(), port));
            handover.stage = Stage::Asking;
        }
        self.follow(now, host, port);
        self.remember_primary(Some((host, port)));
        if let Some(link) = &mut self.replication.link {
            link.hand_over();
        }
    }

    /// The replica has answered.
    pub(super) fn handed_over(&mut self, now: Now, accepted: bool) {
        if accepted {
            self.end_handover(now);
        } else {
            self.abort_handover(now, "Failover target rejected psync request");
        }
    }

    /// Gives a failover up: this node stays, or is again, the primary.
    pub(super) fn abort_handover(&mut self, now: Now, why: &str) {
        let Some(handover) = &self.handover else { return };
        let stage = handover.stage;
        match &handover.target {
            Some((host, port)) => self.log_notice(format!("FAILOVER to {host}:{port} aborted: {why}")),
            None => self.log_notice(format!("FAILOVER to any replica aborted: {why}")),
        }
        if stage == Stage::Asking {
            self.become_primary(now);
            self.remember_primary(None);
        }
        self.end_handover(now);
    }

    fn end_handover(&mut self, now: Now) {
        if self.handover.take().is_some() {
            self.pause.end_by_failover();
            self.now_is(now);
            self.resume_paused_later();
        }
    }

    pub(super) fn handover_deadline(&self) -> Option<Instant> {
        self.handover.as_ref().filter(|handover| handover.stage == Stage::Syncing)?.deadline
    }
}
