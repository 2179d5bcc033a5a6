//! The bus's clock work: connecting, pinging, suspecting, and what else happens without a message.

use slotmesh_engine::time::{Instant, Now};

use super::Bus;
use super::message::NodeFlags;
use super::output::{LinkBytes, LinkId};
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// Longest time between two rounds, in milliseconds (Redis runs its cluster cron ten times a second).
const ROUND_MS_MAX: u64 = 100;

/// Shortest time between two rounds, in milliseconds; for node timeouts below one second.
const ROUND_MS_MIN: u64 = 5;

/// Time between two random pings, in milliseconds (Redis: every tenth round).
const RANDOM_PING_MS: u64 = 1000;

/// Nodes looked at for a random ping; the one heard of longest ago gets it (Redis uses the same figure).
const RANDOM_PING_CANDIDATES: usize = 5;

/// Shortest time a handshake may take, in milliseconds (Redis uses the same figure).
const HANDSHAKE_MS_MIN: u64 = 1000;

/// How long news are gathered before they are spread, in milliseconds.
const ANNOUNCE_MS: u64 = 1;

/// Peers that are told of a new node at once; the others hear of it by gossip.
const NEWS_PEERS_MAX: usize = 16;

/// When rounds are due, and what the last one counted.
#[derive(Debug, Default)]
pub(super) struct Cron {
    next_round: Instant,
    next_random_ping: Instant,
    /// When news of this node's own slots or of new nodes are to be spread.
    announce: Option<Announce>,
    /// Suspected nodes, counted by the last round.
    pub(super) suspects: usize,
}

/// News that do not wait for the next ping.
#[derive(Debug, Clone, Copy)]
struct Announce {
    at: Instant,
    /// Whether everybody must hear: this node's slots changed.
    to_all: bool,
}

impl Bus {
    /// This node's slots changed: everybody shall hear of it soon, once for many changes.
    pub(super) fn announce_slots(&mut self, now: Instant) {
        self.announce(now, true);
    }

    /// A node became known: some others shall hear of it soon, once for many nodes.
    pub(super) fn announce_node(&mut self, now: Instant) {
        self.announce(now, false);
    }

    fn announce(&mut self, now: Instant, to_all: bool) {
        let at = now.plus_millis(ANNOUNCE_MS);
        let announce = self.cron.announce.get_or_insert(Announce { at, to_all });
        announce.to_all |= to_all;
    }

    fn spread_news(&mut self, now: Now) {
        let Some(announce) = self.cron.announce.take_if(|announce| announce.at <= now.instant) else { return };
        let mut peers = self.peers();
        // Gossip carries the newest nodes first, so that a few peers suffice to start an avalanche.
        while !announce.to_all && peers.len() > NEWS_PEERS_MAX {
            peers.swap_remove(self.rng.index(peers.len()));
        }
        for key in peers {
            self.ping_node(now, key);
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let round = self.cron.next_round;
        let election = self.election_deadline().unwrap_or(Instant::MAX);
        let manual = self.manual.deadline().unwrap_or(Instant::MAX);
        let announce = self.cron.announce.map_or(Instant::MAX, |announce| announce.at);
        round.min(election).min(manual).min(announce).min(self.lease.recheck)
    }

    /// Runs a round when one is due, and the timers that are finer than rounds.
    pub(super) fn run_cron(&mut self, now: Now, link_bytes: &dyn Fn(LinkId) -> LinkBytes) {
        if now.instant >= self.lease.recheck {
            self.lease.dirty = true;
        }
        self.spread_news(now);
        self.todo.manual |= self.manual.is_running();
        self.todo.election |= self.election_deadline().is_some_and(|at| now.instant >= at);
        if now.instant < self.cron.next_round {
            return;
        }
        let period = (self.config.node_timeout_ms / 10).clamp(ROUND_MS_MIN, ROUND_MS_MAX);
        self.cron.next_round = now.instant.plus_millis(period);
        self.connect_nodes(now, link_bytes);
        self.ping_at_random(now);
        self.watch_nodes(now);
        if !self.is_primary() {
            self.todo.election = true;
            self.consider_migration(now);
        }
        self.todo.state |= !self.state.ok || self.state.minority;
    }

    fn connect_nodes(&mut self, now: Now, link_bytes: &dyn Fn(LinkId) -> LinkBytes) {
        let handshake_ms = self.config.node_timeout_ms.max(HANDSHAKE_MS_MIN);
        self.cron.suspects = 0;
        self.drop_clogged_links(link_bytes);
        for key in self.table.keys() {
            let node = self.table.node(key);
            if node.is_handshake() && now.instant.millis_since(node.created) > handshake_ms {
                self.forget_node(key);
                continue;
            }
            self.cron.suspects += usize::from(node.flags.has(NodeFlags::PFAIL));
            self.dial(now, key);
        }
    }

    fn drop_clogged_links(&mut self, link_bytes: &dyn Fn(LinkId) -> LinkBytes) {
        let limit = self.config.link_sendbuf_limit;
        if limit == 0 {
            return;
        }
        let clogged: Vec<LinkId> =
            self.links.iter().map(|(id, _)| id).filter(|&id| link_bytes(id).allocated > limit).collect();
        for id in clogged {
            let bytes = link_bytes(id).allocated;
            self.log(
                LogLevel::Warning,
                format!(
                    "Freeing a cluster link that exceeded its send buffer limit (used memory: {bytes}, limit: {limit})"
                ),
            );
            self.counters.links_over_limit += 1;
            self.drop_link(id);
        }
    }

    fn ping_at_random(&mut self, now: Now) {
        if now.instant < self.cron.next_random_ping {
            return;
        }
        self.cron.next_random_ping = now.instant.plus_millis(RANDOM_PING_MS);
        let keys = self.table.keys();
        let mut oldest: Option<NodeKey> = None;
        for _ in 0..RANDOM_PING_CANDIDATES {
            let key = keys[self.rng.index(keys.len())];
            let node = self.table.node(key);
            let idle = node.outbound.is_some() && node.ping_sent.is_none();
            if key == self.table.me || node.is_handshake() || !idle {
                continue;
            }
            let pong = |key| self.table.node(key).pong_received.map(|at| at.instant);
            if oldest.is_none_or(|oldest| pong(key) < pong(oldest)) {
                oldest = Some(key);
            }
        }
        if let Some(key) = oldest {
            self.ping_node(now, key);
        }
    }

    fn watch_nodes(&mut self, now: Now) {
        let mut new_suspect = false;
        for key in self.table.keys() {
            let node = self.table.node(key);
            if key == self.table.me || node.flags.has(NodeFlags::NOADDR.with(NodeFlags::HANDSHAKE)) {
                continue;
            }
            self.watch_orphan(now.instant, key);
            self.drop_silent_link(now.instant, key);
            if self.is_ping_due(now.instant, key) {
                self.ping_node(now, key);
                continue;
            }
            new_suspect |= self.suspect_if_silent(now.instant, key);
        }
        if new_suspect {
            self.todo.state = true;
            self.spread_suspicion(now);
        }
    }

    /// A link on which nothing came for half the timeout although a ping is pending may be dead: dial anew.
    fn drop_silent_link(&mut self, now: Instant, key: NodeKey) {
        let node = self.table.node(key);
        let timeout = self.config.node_timeout_ms;
        let Some(link) = node.outbound.and_then(|link| self.links.get(link)) else { return };
        let old = |at: Instant, ms: u64| now.millis_since(at) > ms;
        let pending = node.ping_sent.is_some_and(|at| old(at.instant, timeout / 2));
        let silent = node.data_received.is_none_or(|at| old(at, timeout / 2));
        if old(link.created.instant, timeout) && pending && silent {
            self.drop_outbound(key);
        }
    }

    fn is_ping_due(&self, now: Instant, key: NodeKey) -> bool {
        let node = self.table.node(key);
        let connected = node.outbound.and_then(|link| self.links.get(link)).is_some_and(|link| link.connected);
        if !connected {
            return false;
        }
        if self.is_primary() && self.manual.replica() == Some(key) {
            return true;
        }
        if node.ping_sent.is_some() {
            return false;
        }
        let timeout = self.config.node_timeout_ms;
        let older = |at: Option<Instant>, ms: u64| at.is_none_or(|at| now.millis_since(at) > ms);
        if older(node.pong_received.map(|at| at.instant), timeout / 2) {
            return true;
        }
        // Voters hear of each other often enough that no lease runs out while all is well.
        self.myself().is_voter() && node.is_voter() && older(node.contact, timeout / LEASE_PINGS)
    }
}

/// Pings per node timeout between primaries: three may be late before a lease runs out.
const LEASE_PINGS: u64 = 4;
