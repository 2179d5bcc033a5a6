//! A failover, from the first doubt to the new address: one state after the other, on the sentinel that leads it.

use slotmesh_engine::resp::value::Reply;
use slotmesh_engine::time::{Instant, Now};

use super::Sentinel;
use super::instance::{Primary, Reconfiguration, Replica, Role, Who};
use crate::machine::LogLevel;

/// A failover of one primary.
#[derive(Debug)]
pub(super) struct Failover {
    pub(super) state: FailoverState,
    /// The epoch in which we want to lead it.
    pub(super) epoch: u64,
    /// When the last one was begun, by us or by whom we voted for; it may lie a moment ahead.
    pub(super) started: Option<Instant>,
    /// When it came into its state.
    pub(super) changed: Instant,
    pub(super) kind: Kind,
    /// The other sentinels have not been asked for their votes.
    pub(super) wants_votes: bool,
    /// The replica that becomes the primary.
    pub(super) promoted: Option<String>,
    /// The start for which a delay was logged.
    pub(super) delay_logged: Option<Instant>,
}

/// What a failover follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An operator wants the primary to hand over: it is up, and nothing that was written is lost. Other sentinels vote, so
    /// that they do not begin a failover of their own meanwhile.
    Coordinated,
    /// The primary is down.
    Elected,
    /// An operator does not want to wait for anybody.
    Forced,
}

/// How far a failover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FailoverState {
    None,
    WaitStart,
    SelectReplica,
    SendSlaveofNoOne,
    WaitPromotion,
    ReconfReplicas,
    UpdateConfig,
}

impl FailoverState {
    /// The word in SENTINEL MASTERS.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::WaitStart => "wait_start",
            Self::SelectReplica => "select_slave",
            Self::SendSlaveofNoOne => "send_slaveof_noone",
            Self::WaitPromotion => "wait_promotion",
            Self::ReconfReplicas => "reconf_slaves",
            Self::UpdateConfig => "update_config",
        }
    }

    /// Whether the promoted replica is a primary.
    pub(super) fn is_past_promotion(self) -> bool {
        self >= Self::ReconfReplicas
    }
}

impl Failover {
    pub(super) fn none(now: Instant) -> Self {
        Self {
            state: FailoverState::None,
            epoch: 0,
            started: None,
            changed: now,
            kind: Kind::Elected,
            wants_votes: false,
            promoted: None,
            delay_logged: None,
        }
    }

    pub(super) fn is_in_progress(&self) -> bool {
        self.state != FailoverState::None
    }

    /// Whether the primary was asked to hand over and has not done so yet.
    pub(super) fn awaits_hand_over(&self) -> bool {
        self.kind == Kind::Coordinated && self.state == FailoverState::WaitPromotion
    }

    pub(super) fn enter(&mut self, state: FailoverState, now: Now) {
        self.state = state;
        self.changed = now.instant;
    }
}

impl Sentinel {
    /// Whether it is time to try a failover of a primary that is down for enough sentinels.
    pub(super) fn should_fail_over(&mut self, now: Now, primary: &mut Primary) -> bool {
        if primary.o_down.is_none() || primary.failover.is_in_progress() {
            return false;
        }
        let pause = primary.settings.failover_timeout_ms.saturating_mul(2);
        let Some(started) = primary.failover.started else { return true };
        if now.instant.millis_since(started) >= pause && now.instant > started {
            return true;
        }
        if primary.failover.delay_logged.replace(started) != Some(started) {
            let wait = started.plus_millis(pause).millis_since(now.instant);
            let at = slotmesh_engine::time::UnixMicros::from_millis(now.unix.millis() + wait as i64);
            let text = format!("Next failover delay: I will not start a failover before {}", calendar(at.seconds()));
            self.log(LogLevel::Warning, text);
        }
        false
    }

    /// Tries to lead a failover, in a new epoch.
    pub(super) fn begin_failover(&mut self, now: Now, primary: &mut Primary) {
        let epoch = self.globals.current_epoch + 1;
        self.globals.current_epoch = epoch;
        primary.failover.enter(FailoverState::WaitStart, now);
        primary.failover.epoch = epoch;
        primary.failover.wants_votes = true;
        self.save();
        self.tell_text(now, LogLevel::Warning, "+new-epoch", Some(primary), epoch.to_string());
        self.warn(now, "+try-failover", primary);
        primary.failover.started = Some(self.a_moment_after(now));
    }

    /// Takes the next step of a failover, if there is one.
    pub(super) fn go_on_failing_over(&mut self, now: Now, primary: &mut Primary) {
        match primary.failover.state {
            FailoverState::None | FailoverState::UpdateConfig => {}
            FailoverState::WaitStart => self.wait_for_votes(now, primary),
            FailoverState::SelectReplica => self.select_replica(now, primary),
            FailoverState::SendSlaveofNoOne => self.promote(now, primary),
            FailoverState::WaitPromotion => self.wait_for_promotion(now, primary),
            FailoverState::ReconfReplicas => self.reconfigure_replicas(now, primary),
        }
    }

    fn wait_for_votes(&mut self, now: Now, primary: &mut Primary) {
        let epoch = primary.failover.epoch;
        let leader = self.leader(now, primary, epoch);
        if leader.as_deref() != Some(&self.my_id) && primary.failover.kind != Kind::Forced {
            let patience = self.periods.election_timeout.min(primary.settings.failover_timeout_ms);
            let started = primary.failover.started.unwrap_or(now.instant);
            if now.instant.millis_since(started) > patience {
                self.abort(now, primary, "-failover-abort-not-elected");
            }
            return;
        }
        self.warn(now, "+elected-leader", primary);
        if self.simulated.after_election {
            return self.crash();
        }
        primary.failover.enter(FailoverState::SelectReplica, now);
        self.warn(now, "+failover-state-select-slave", primary);
        self.hurry(now);
    }

    fn select_replica(&mut self, now: Now, primary: &mut Primary) {
        let Some(name) = self.best_replica(now, primary, primary.failover.kind) else {
            return self.abort(now, primary, "-failover-abort-no-good-slave");
        };
        let who = Who::Replica(name.clone());
        self.tell(now, LogLevel::Warning, "+selected-slave", (primary, &who), "");
        primary.failover.promoted = Some(name);
        primary.failover.enter(FailoverState::SendSlaveofNoOne, now);
        self.tell(now, LogLevel::Notice, "+failover-state-send-slaveof-noone", (primary, &who), "");
        self.hurry(now);
    }

    /// The replica that takes over: by priority, then by how much it has, then by run id.
    pub(super) fn best_replica(&self, now: Now, primary: &Primary, kind: Kind) -> Option<String> {
        let down_for = primary.instance.down.map_or(0, |since| now.instant.millis_since(since));
        let link_down_max = down_for.saturating_add(primary.settings.down_after_ms.saturating_mul(10));
        let info_age_max = if primary.instance.down.is_some() {
            FRESH_PINGS * self.periods.ping
        } else {
            FRESH_INFOS * self.periods.info
        };
        // How long a link has been down tells how much a replica may lack of what the primary has. One that has become a
        // replica itself (it was promoted, and died before it could write that down) keeps nobody from taking over.
        let judges_links = primary.instance.report.role == Role::Primary;
        let is_good = |replica: &Replica| {
            let Some(link) = self.links.get(replica.instance.link) else { return false };
            let report = &replica.instance.report;
            replica.instance.down.is_none()
                && link.is_usable()
                && now.instant.millis_since(link.last_valid) <= FRESH_PINGS * self.periods.ping
                && replica.priority > 0
                && report.at.is_some_and(|at| now.instant.millis_since(at) <= info_age_max)
                && (!judges_links || replica.link_down_ms <= link_down_max)
                // A primary hands over only to one that follows it.
                && (replica.is_link_up || kind != Kind::Coordinated)
        };
        let rank = |replica: &Replica| {
            let run_id = replica.instance.run_id.as_ref().map(|id| id.to_ascii_lowercase());
            (replica.priority, std::cmp::Reverse(replica.offset), run_id.is_none(), run_id)
        };
        let good = primary.replicas.iter().filter(|(_, replica)| is_good(replica));
        good.min_by_key(|(_, replica)| rank(replica)).map(|(name, _)| name.clone())
    }

    fn promote(&mut self, now: Now, primary: &mut Primary) {
        let Some(name) = primary.failover.promoted.clone() else { return };
        let is_coordinated = primary.failover.kind == Kind::Coordinated;
        // The epoch we lead in is written down before anything follows from it.
        let is_sent = self.is_durable()
            && if is_coordinated {
                self.ask_to_hand_over(now, primary, &name)
            } else {
                self.send_slaveof(now, primary, &name, None)
            };
        if !is_sent {
            if is_over(now, primary) {
                let event =
                    if is_coordinated { "-failover-abort-master-timeout" } else { "-failover-abort-slave-timeout" };
                self.abort(now, primary, event);
            }
            return;
        }
        let who = Who::Replica(name);
        self.ask_info(primary, &who);
        self.tell(now, LogLevel::Notice, "+failover-state-wait-promotion", (primary, &who), "");
        primary.failover.enter(FailoverState::WaitPromotion, now);
    }

    /// The primary has said whether it begins to hand over. If it does not, its clients have waited for nothing.
    pub(super) fn take_hand_over(&mut self, now: Now, primary: &mut Primary, reply: &Reply) {
        let is_refused = if let Reply::Array(replies) = reply {
            replies.iter().any(|reply| matches!(reply, Reply::Error(_)))
        } else {
            true
        };
        if is_refused && primary.failover.awaits_hand_over() {
            self.take_hand_over_back(primary);
            self.abort(now, primary, "-failover-abort-slave-timeout");
        }
    }

    fn wait_for_promotion(&mut self, now: Now, primary: &mut Primary) {
        if !is_over(now, primary) {
            return;
        }
        if primary.failover.kind == Kind::Coordinated {
            self.take_hand_over_back(primary);
        }
        self.abort(now, primary, "-failover-abort-slave-timeout");
    }

    /// Points the other replicas to the new primary, a few at a time.
    fn reconfigure_replicas(&mut self, now: Now, primary: &mut Primary) {
        if self.is_durable() {
            self.point_replicas(now, primary);
        }
        self.look_for_end(now, primary);
    }

    fn point_replicas(&mut self, now: Now, primary: &mut Primary) {
        let target = primary.current_address().clone();
        let is_moving = |replica: &Replica| {
            matches!(replica.reconfiguration, Reconfiguration::Sent(_) | Reconfiguration::InProgress)
        };
        let mut moving = primary.replicas.values().filter(|replica| is_moving(replica)).count();
        let names: Vec<String> = primary.replicas.keys().cloned().collect();
        for name in names {
            if primary.failover.promoted.as_deref() == Some(&name) {
                continue;
            }
            let Some(replica) = primary.replicas.get_mut(&name) else { continue };
            let who = Who::Replica(name.clone());
            match replica.reconfiguration {
                Reconfiguration::Done | Reconfiguration::InProgress => {}
                Reconfiguration::Sent(at) => {
                    if now.instant.millis_since(at) > self.periods.replica_reconf_timeout {
                        replica.reconfiguration = Reconfiguration::Done;
                        moving -= 1;
                        self.tell(now, LogLevel::Notice, "-slave-reconf-sent-timeout", (primary, &who), "");
                    }
                }
                Reconfiguration::None if moving < primary.settings.parallel_syncs as usize => {
                    if self.send_slaveof(now, primary, &name, Some(&target)) {
                        moving += 1;
                        self.ask_info(primary, &who);
                        mark_sent(now, primary, &name);
                        self.tell(now, LogLevel::Notice, "+slave-reconf-sent", (primary, &who), "");
                    }
                }
                Reconfiguration::None => {}
            }
        }
    }

    /// Whether all replicas are where they should be, or their time is over.
    fn look_for_end(&mut self, now: Now, primary: &mut Primary) {
        let Some(promoted) = primary.failover.promoted.clone() else { return };
        if primary.replicas.get(&promoted).is_none_or(|replica| replica.instance.down.is_some()) {
            return;
        }
        let is_missing = |(name, replica): (&String, &Replica)| {
            *name != promoted && replica.reconfiguration != Reconfiguration::Done && replica.instance.down.is_none()
        };
        let is_late = is_over(now, primary);
        if primary.replicas.iter().any(is_missing) && !is_late {
            return;
        }
        if is_late {
            self.warn(now, "+failover-end-for-timeout", primary);
        }
        self.warn(now, "+failover-end", primary);
        primary.failover.enter(FailoverState::UpdateConfig, now);
        if is_late {
            self.point_the_rest(now, primary);
        }
    }

    /// The last thing that can be done for replicas that were not told yet.
    fn point_the_rest(&mut self, now: Now, primary: &mut Primary) {
        let target = primary.current_address().clone();
        let promoted = primary.failover.promoted.clone();
        let untold = |(name, replica): (&String, &Replica)| {
            (promoted.as_ref() != Some(name) && replica.reconfiguration == Reconfiguration::None).then(|| name.clone())
        };
        let names: Vec<String> = primary.replicas.iter().filter_map(untold).collect();
        for name in names {
            if self.send_slaveof(now, primary, &name, Some(&target)) {
                mark_sent(now, primary, &name);
                self.tell(now, LogLevel::Notice, "+slave-reconf-sent-be", (primary, &Who::Replica(name)), "");
            }
        }
    }

    /// Gives a failover up: nothing has been promoted yet, as far as we know.
    fn abort(&mut self, now: Now, primary: &mut Primary, event: &str) {
        self.warn(now, event, primary);
        primary.failover.enter(FailoverState::None, now);
        primary.failover.kind = Kind::Elected;
        primary.failover.promoted = None;
    }
}

/// Notes that a replica was told whom to follow.
fn mark_sent(now: Now, primary: &mut Primary, name: &str) {
    if let Some(replica) = primary.replicas.get_mut(name) {
        replica.reconfiguration = Reconfiguration::Sent(now.instant);
    }
}

/// Whether the present state has lasted for the failover's timeout.
fn is_over(now: Now, primary: &Primary) -> bool {
    time_in_state(now, primary) > primary.settings.failover_timeout_ms
}

/// How long the failover has been in its state, in milliseconds.
pub(super) fn time_in_state(now: Now, primary: &Primary) -> u64 {
    now.instant.millis_since(primary.failover.changed)
}

/// A time as C's `ctime` writes it, in universal time.
fn calendar(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    // 1 January 1970 was a Thursday.
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month - 1];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday} {month} {day:>2} {hour:02}:{minute:02}:{second:02} {year}")
}

/// Year, month (from 1) and day of a number of days since 1970.
fn date(days: i64) -> (i64, usize, i64) {
    // Years are counted from March, so that the day that some years lack is the last one.
    let shifted = days + 719_468;
    let (era, in_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + 400 * era + i64::from(month <= 2), month as usize, day)
}

/// Periods of PING that a good replica may have been silent for.
const FRESH_PINGS: u64 = 5;
/// Periods of INFO that a replica's report may be old, while the primary is up.
const FRESH_INFOS: u64 = 3;

#[cfg(test)]
mod tests {
    use super::calendar;

    #[test]
    fn times_are_written_as_c_does() {
        assert_eq!(calendar(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(calendar(1_709_210_096), "Thu Feb 29 12:34:56 2024");
        assert_eq!(calendar(1_795_192_379), "Fri Nov 20 16:32:59 2026");
        assert_eq!(calendar(4_107_542_400), "Mon Mar  1 00:00:00 2100");
    }
}
