//! The node's waits, each a row: when it is due and what happens then.

use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::feed::Standing;

use super::Node;
use super::conns::Role;
use crate::machine::Timer;

/// When the node's periodic work is due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The engine's next slice: expiry, freeing.
    engine: Option<Instant>,
    /// Changes to the dataset when the engine's next slice was planned.
    changes_seen: u64,
    /// Bytes in clients' buffers when they were last added up: what counts for `maxmemory` beside the keys.
    pub(super) buffer_bytes: u64,
    /// The next look at idle clients, and at those whose keys have moved away.
    clients: Instant,
    /// There is more to do than one slice allows.
    yielded: bool,
}

impl Timers {
    /// Has the engine's next slice run at once: a dataset was loaded.
    pub(super) fn wake_engine(&mut self, now: Now) {
        self.engine = Some(now.instant);
    }
}

impl Node {
    pub(super) fn on_timer(&mut self, now: Now) {
        self.timers.yielded = false;
        self.tick_clients(now);
        self.tick_courier(now);
        self.tick_engine(now);
        self.tick_replication(now);
        self.tick_bus(now);
        self.tick_cluster_config(now);
        self.tick_recovery(now);
        self.tick_persistence(now);
        self.tick_snapshot(now);
        self.tick_shutdown(now);
        self.tick_sentinel(now);
    }

    /// Looks for the earliest of all waits.
    pub(super) fn plan_timer(&mut self) {
        self.next_timer = self.earliest_timer();
    }

    fn earliest_timer(&self) -> Option<(Instant, Timer)> {
        if let Some(until) = self.deaf.sleeps_until() {
            return Some((until, Timer::Client));
        }
        let yielded = self.timers.yielded.then_some(Instant::ZERO);
        let rows = [
            (yielded, Timer::Yield),
            (self.client_deadline(), Timer::Client),
            (self.courier.deadline(), Timer::Courier),
            (self.timers.engine, Timer::Engine),
            (self.replication_deadline(), Timer::Replication),
            (self.bus.as_ref().map(crate::bus::Bus::deadline), Timer::Cluster),
            (self.persistence_deadline(), Timer::Persistence),
            (self.snapshot_deadline(), Timer::Persistence),
            (self.cluster_config_deadline(), Timer::Cluster),
            (self.recovery_deadline(), Timer::Persistence),
            (self.shutdown_deadline(), Timer::Shutdown),
            (self.sentinel_deadline(), Timer::Sentinel),
        ];
        rows.into_iter().filter_map(|(at, timer)| Some((at?, timer))).min()
    }

    /// Asks to be called again at once, after the host has let other events in.
    pub(super) fn yield_now(&mut self) {
        self.timers.yielded = true;
        // The drain that follows has a timer to plan.
        self.stirred = true;
    }

    fn tick_clients(&mut self, now: Now) {
        if self.pause.expire(now.instant) {
            self.resume_paused(now);
        }
        self.tick_blocked(now);
        if now.instant >= self.timers.clients {
            self.timers.clients = now.instant.plus_millis(CLIENT_CRON_MS);
            self.close_idle_clients(now);
            self.redirect_blocked(now);
            self.timers.buffer_bytes = self.client_buffer_bytes();
        }
    }

    /// Memory of clients that counts towards the limit: not that of replicas, which grows when keys are evicted.
    fn client_buffer_bytes(&self) -> u64 {
        let bytes =
            |client: &super::conns::Client| client.input.capacity() + self.engine.out_ref(client.session).allocated();
        let clients = self.conns.clients().map(|(_, client)| client).filter(|client| client.role != Role::Replica);
        clients.map(|client| bytes(client) as u64).sum()
    }

    fn client_deadline(&self) -> Option<Instant> {
        let config = &self.engine.core().config;
        let misplaced = self.bus.is_some() && !self.engine.core().blocked.is_empty();
        let cron = (config.timeout_secs > 0 || config.maxmemory > 0 || misplaced).then_some(self.timers.clients);
        [self.pause.deadline(), self.engine.block_deadline(), cron].into_iter().flatten().min()
    }

    fn tick_engine(&mut self, now: Now) {
        if self.timers.engine.is_some_and(|due| due <= now.instant) {
            self.timers.engine = if self.is_completing_files() {
                Some(now.instant.plus_millis(ENGINE_CRON_MS))
            } else {
                self.engine.tick(now)
            };
        }
    }

    /// Makes sure the engine's next slice is planned: changes may have made work for it. Returns whether there were
    /// any.
    pub(super) fn plan_engine(&mut self, now: Now) -> bool {
        let changes = self.engine.core().changes.total();
        if std::mem::replace(&mut self.timers.changes_seen, changes) == changes {
            return false;
        }
        let soon = now.instant.plus_millis(ENGINE_CRON_MS);
        self.timers.engine = Some(self.timers.engine.map_or(soon, |due| due.min(soon)));
        true
    }

    fn tick_replication(&mut self, now: Now) {
        let standing = match (self.is_replica(), self.pause.current(now.instant)) {
            (true, _) => Standing::Replica,
            (false, Some(_)) => Standing::PrimaryPaused,
            (false, None) => Standing::Primary,
        };
        let synced = self.synced_offset();
        let Self { replication, rng, tickets, .. } = self;
        replication.feeds.tick(now, standing, &mut replication.log, rng, tickets);
        if let Some(link) = &mut replication.link
            && link.deadline().is_some_and(|due| due <= now.instant)
        {
            link.set_synced(synced);
            link.tick(now);
        }
        self.look_for_takers(now);
        let needed = self.replication.feeds.needed();
        self.replication.log.trim(needed);
        self.follow_readers();
        self.look_for_walk();
    }

    fn replication_deadline(&self) -> Option<Instant> {
        let link = self.replication.link.as_ref().and_then(slotmesh_replication::link::Link::deadline);
        let feeds = self.replication.feeds.deadline();
        [link, Some(feeds), self.replication.waits.deadline(), self.handover_deadline()].into_iter().flatten().min()
    }
}

/// How soon after a change the engine's next slice is at the latest, in milliseconds: a key that expires is gone
/// about that long after its time even if nobody asks for it.
const ENGINE_CRON_MS: u64 = 100;

/// How often idle clients, and those whose keys have moved away, are looked for, in milliseconds.
const CLIENT_CRON_MS: u64 = 1000;
