//! What time does to replicas: pings, signs of life, timeouts, the end of an unused backlog.

use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now};

use super::fill::NEWLINE;
use super::peer::FeedState;
use super::{Feeds, Output, PeerId};
use crate::disk::Tickets;
use crate::log::Log;
use crate::note::Note;

/// What the node is while time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A primary.
    Primary,
    /// A primary that has paused its clients for a failover: it must not move the offset by pings.
    PrimaryPaused,
    /// A replica, which passes its primary's pings on and keeps its backlog.
    Replica,
}

impl Feeds {
    /// Does what is due. Call it each second, or at [`deadline`](Self::deadline).
    pub fn tick(&mut self, now: Now, standing: Standing, log: &mut Log, rng: &mut Rng, tickets: &mut Tickets) {
        self.enforce_limits(now, log);
        self.last_tick = now.instant;
        if now.instant < self.next_cron {
            return;
        }
        self.next_cron = now.instant.plus_millis(CRON_MS);
        self.ping(now, standing, log);
        self.send_signs_of_life();
        self.drop_silent(now, tickets);
        if let (Standing::Primary | Standing::PrimaryPaused, Some(since)) = (standing, self.idle_since) {
            let idle = now.instant.since(since);
            if log.is_active() && !self.config.backlog_ttl.is_zero() && idle > self.config.backlog_ttl {
                let note = log.close(idle.as_secs(), rng);
                self.note(note);
            }
        }
        self.log_grew(log);
    }

    /// When [`tick`](Self::tick) has something to do at the latest.
    pub fn deadline(&self) -> Instant {
        // A snapshot that is overdue waits for another walk to end, which no timer brings about.
        let due = self.snapshot_due().filter(|due| *due > self.last_tick);
        due.map_or(self.next_cron, |due| due.min(self.next_cron))
    }

    fn ping(&mut self, now: Now, standing: Standing, log: &mut Log) {
        if now.instant < self.next_ping || self.connected() == 0 {
            return;
        }
        self.next_ping = now.instant + self.config.ping_period;
        if standing == Standing::Primary && log.is_active() {
            log.append_ping();
        }
    }

    /// Replicas that wait for a snapshot, and are not being sent one, get an empty line.
    fn send_signs_of_life(&mut self) {
        for (&peer, feed) in &mut self.feeds {
            if matches!(feed.state, FeedState::WaitSnapshot | FeedState::WaitFile { .. }) {
                feed.control.extend_from_slice(&NEWLINE);
                self.outputs.push_back(Output::Ready(peer));
            }
        }
    }

    fn drop_silent(&mut self, now: Now, tickets: &mut Tickets) {
        let timeout = self.config.timeout;
        let silent: Vec<(PeerId, Option<&str>)> = self
            .feeds
            .iter()
            .filter_map(|(&peer, feed)| {
                let (since, allowed, why) = match feed.state {
                    FeedState::Online { .. } | FeedState::WaitAck { .. } if !feed.pre_psync => {
                        (feed.acknowledged_at, timeout, Some("streaming sync"))
                    }
                    FeedState::Streaming { .. } | FeedState::Sending { .. } => {
                        (feed.progress_at, timeout, Some("full sync"))
                    }
                    FeedState::RdbOnlyDone => (feed.progress_at, RDB_ONLY_GRACE, None),
                    FeedState::Greeting
                    | FeedState::Online { .. }
                    | FeedState::WaitAck { .. }
                    | FeedState::WaitFile { .. }
                    | FeedState::WaitSnapshot => return None,
                };
                (now.instant.since(since) > allowed).then_some((peer, why))
            })
            .collect();
        for (peer, why) in silent {
            if let (Some(why), Some(name)) = (why, self.name(peer)) {
                self.note(Note::warning(format!("Disconnecting timedout replica ({why}): {name}")));
            }
            self.drop_peer(now, peer);
        }
        self.release_file(tickets);
    }
}

/// Period of the replication cron in milliseconds (Redis: once per second).
const CRON_MS: u64 = 1000;
/// How long a replica that wanted only the snapshot may take to close its connection.
const RDB_ONLY_GRACE: std::time::Duration = std::time::Duration::from_secs(20);
