//! Who leads a failover: votes by epoch, one in each for each primary, written down before they are told.

use std::collections::BTreeMap;

use slotmesh_engine::resp::value::Reply;
use slotmesh_engine::time::Now;

use super::Sentinel;
use super::address::Address;
use super::config::is_id;
use super::failover::{FailoverState, Kind};
use super::hello::EPOCH_MAX;
use super::instance::{Primary, Target, Who};
use super::link::Expect;
use crate::machine::LogLevel;

/// What a sentinel says of a primary another one asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Whether it is down.
    pub is_down: bool,
    /// Whom we vote for to lead its failover; nothing when no vote was asked for, or none was given yet.
    pub leader: Option<String>,
    /// The epoch of that vote.
    pub leader_epoch: u64,
}

impl Sentinel {
    /// Answers another sentinel; `candidate` asks for our vote in `epoch`. The answer may leave only when every save
    /// asked for before is done.
    pub fn opinion(&mut self, now: Now, address: &Address, epoch: u64, candidate: Option<&str>) -> Opinion {
        let found = self.primaries.values().find(|primary| primary.instance.address.is(address));
        let Some(id) = found.map(|primary| primary.id) else {
            return Opinion { is_down: false, leader: None, leader_epoch: 0 };
        };
        let opinion = self.with_primary(id, |sentinel, primary| {
            let is_down = sentinel.tilt.is_none() && primary.instance.down.is_some();
            let candidate = candidate.filter(|candidate| is_id(candidate));
            let vote = candidate.and_then(|candidate| sentinel.vote(now, primary, epoch, candidate));
            let (leader, leader_epoch) = vote.map_or((None, 0), |(leader, epoch)| (Some(leader), epoch));
            Opinion { is_down, leader, leader_epoch }
        });
        opinion.unwrap_or(Opinion { is_down: false, leader: None, leader_epoch: 0 })
    }

    /// Votes for a candidate, if there is no vote in this epoch yet. Gives back the vote that stands.
    pub(super) fn vote(
        &mut self,
        now: Now,
        primary: &mut Primary,
        epoch: u64,
        candidate: &str,
    ) -> Option<(String, u64)> {
        self.adopt_epoch(now, primary, epoch);
        if primary.leader_epoch < epoch && self.globals.current_epoch <= epoch && epoch <= EPOCH_MAX {
            primary.leader = Some(candidate.to_owned());
            primary.leader_epoch = self.globals.current_epoch;
            self.save();
            let text = format!("{candidate} {}", primary.leader_epoch);
            self.tell_text(now, LogLevel::Warning, "+vote-for-leader", Some(primary), text);
            if candidate != self.my_id {
                // The one we voted for shall have its time before we try ourselves.
                primary.failover.started = Some(self.a_moment_after(now));
            }
        }
        primary.leader.clone().map(|leader| (leader, primary.leader_epoch))
    }

    /// Asks the other sentinels whether the primary is down, and for their votes if we want to lead.
    pub(super) fn ask_sentinels(&mut self, now: Now, primary: &mut Primary) {
        let ask_period = self.periods.ask;
        for sister in primary.sentinels.values_mut() {
            // An opinion that is not repeated is none any more.
            if sister.last_answer.is_some_and(|at| now.instant.millis_since(at) > OPINION_PERIODS * ask_period) {
                sister.says_down = false;
                sister.leader = None;
            }
        }
        // What is asked carries our epoch, and with it our own vote.
        let wants_leave =
            primary.failover.kind == Kind::Coordinated && primary.failover.state == FailoverState::WaitStart;
        if (primary.instance.down.is_none() && !wants_leave) || !self.is_durable() {
            return;
        }
        let wants_votes = std::mem::take(&mut primary.failover.wants_votes);
        let candidate = if primary.failover.is_in_progress() { self.my_id.clone() } else { "*".to_owned() };
        let address = &primary.instance.address;
        let (host, port) = (address.shown(self.announces_names()), address.port.to_string());
        let epoch = self.globals.current_epoch.to_string();
        for (id, sister) in &primary.sentinels {
            let is_early = sister.last_answer.is_some_and(|at| now.instant.millis_since(at) < ask_period);
            let Some(link) = self.links.get(sister.instance.link) else { continue };
            if !link.is_usable() || (is_early && !wants_votes) {
                continue;
            }
            let target = primary.target(Who::Sentinel(id.clone()));
            let asked = Expect::Down(target);
            let is_asked = !wants_votes && link.command.awaited.contains(&asked);
            if is_asked || link.command.awaited.len() >= ASKED_MAX {
                continue;
            }
            let words = ["SENTINEL", "is-master-down-by-addr", &host, &port, &epoch, &candidate].map(str::as_bytes);
            self.send(sister.instance.link, &words, asked);
        }
    }

    /// Takes another sentinel's answer.
    pub(super) fn take_opinion(&mut self, now: Now, target: &Target, reply: Reply) {
        let Who::Sentinel(id) = &target.who else { return };
        let Some(words) = reply.into_elements() else { return };
        let [Reply::Int(down), Reply::Bulk(leader), Reply::Int(epoch)] = &words[..] else { return };
        let (Ok(leader), Ok(epoch)) = (std::str::from_utf8(leader), u64::try_from(*epoch)) else { return };
        let (is_down, id) = (*down == 1, id.clone());
        let named = (is_id(leader)).then(|| leader.to_owned());
        self.with_primary(target.primary, |sentinel, primary| {
            let Some(sister) = primary.sentinels.get_mut(&id) else { return };
            sister.last_answer = Some(now.instant);
            sister.says_down = is_down;
            if let Some(leader) = named {
                let is_news = sister.leader_epoch != epoch;
                sister.leader = Some(leader.clone());
                sister.leader_epoch = epoch;
                if is_news {
                    sentinel.log(LogLevel::Warning, format!("{id} voted for {leader} {epoch}"));
                }
            }
            if primary.instance.down.is_some() || primary.failover.is_in_progress() {
                sentinel.hurry(now);
            }
        });
    }

    /// Who leads the failover of this epoch; nothing while nobody has a majority of all sentinels, and the quorum.
    pub(super) fn leader(&mut self, now: Now, primary: &mut Primary, epoch: u64) -> Option<String> {
        let mut votes: BTreeMap<String, usize> = BTreeMap::new();
        for sister in primary.sentinels.values() {
            if let Some(leader) = sister.leader.as_ref().filter(|_| sister.leader_epoch == self.globals.current_epoch) {
                *votes.entry(leader.clone()).or_default() += 1;
            }
        }
        // Our own vote goes to whom most of the others want, and to ourselves if they have not said.
        let favourite = most_votes(&votes).map_or_else(|| self.my_id.clone(), |(leader, _)| leader.to_owned());
        if let Some((leader, voted_in)) = self.vote(now, primary, epoch, &favourite)
            && voted_in == epoch
        {
            *votes.entry(leader).or_default() += 1;
        }
        let voters = primary.sentinels.len() + 1;
        let needed = (voters / 2 + 1).max(primary.settings.quorum as usize);
        most_votes(&votes).filter(|&(_, count)| count >= needed).map(|(leader, _)| leader.to_owned())
    }

    /// Some time within the next second, so that sentinels do not go on together.
    pub(super) fn a_moment_after(&mut self, now: Now) -> slotmesh_engine::time::Instant {
        now.instant.plus_millis(self.rng.below(DESYNC_MS))
    }
}

/// The candidate with most votes; of several, the first by name.
fn most_votes(votes: &BTreeMap<String, usize>) -> Option<(&str, usize)> {
    let mut best: Option<(&str, usize)> = None;
    for (leader, &count) in votes {
        if best.is_none_or(|(_, most)| count > most) {
            best = Some((leader, count));
        }
    }
    best
}

/// Periods of asking for which an opinion holds.
const OPINION_PERIODS: u64 = 5;

/// Questions to one sentinel that may be unanswered.
const ASKED_MAX: usize = 100;

/// How far sentinels are spread in time, in milliseconds.
const DESYNC_MS: u64 = 1_000;
