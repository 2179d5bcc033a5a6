//! A handful of buses wired by a deterministic queue: connections that stall when cut, disks that take a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::{Instant, Now, UnixMicros};

use crate::bus::config_file::parse;
use crate::bus::table::Node;
use crate::bus::{Bus, BusConfig, BusOutput, Dataset, Facts, LinkBytes, LinkId, NodeFlags, PrimaryLink};

/// Node timeout of the fixture, in milliseconds.
pub(super) const TIMEOUT_MS: u64 = 1000;

const LATENCY_US: u64 = 500;
const SYNC_US: u64 = 2000;
const STEPS_MAX: usize = 2_000_000;

/// One node: a bus and the little of a server it needs.
pub(super) struct Peer {
    pub(super) bus: Bus,
    pub(super) config: BusConfig,
    pub(super) alive: bool,
    pub(super) paused: bool,
    /// Replication offset: what a primary wrote, or a replica has.
    pub(super) offset: u64,
    pub(super) log: Vec<String>,
    pub(super) published: Vec<Vec<u8>>,
    pub(super) writes_paused: bool,
    pub(super) slots_lost: usize,
    /// Nothing of its primary's stream arrives.
    pub(super) starved: bool,
    /// The durable nodes.conf.
    pub(super) disk: String,
    /// Saves under way: what they make durable, and when they end.
    syncing: Option<u64>,
    held: Vec<(LinkId, Bytes)>,
    last_up: Option<Instant>,
}

enum Event {
    Bytes(usize, LinkId, Bytes),
    Closed(usize, LinkId),
    Connected(usize, LinkId),
    Dial(usize, LinkId, usize),
    Synced(usize, u64, String),
}

/// The network and its nodes.
pub(super) struct Net {
    pub(super) now: Now,
    pub(super) peers: Vec<Peer>,
    queue: BTreeMap<(Instant, u64), Event>,
    stalled: Vec<Event>,
    wires: BTreeMap<(usize, LinkId), (usize, LinkId)>,
    cuts: BTreeSet<(usize, usize)>,
    seed: u64,
    sequence: u64,
}

impl Net {
    /// `count` new nodes that know nobody.
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let now = Now { instant: Instant(5_000_000), unix: UnixMicros(1_700_000_000_000_000) };
        let mut net = Self {
            now,
            peers: Vec::new(),
            queue: BTreeMap::new(),
            stalled: Vec::new(),
            wires: BTreeMap::new(),
            cuts: BTreeSet::new(),
            seed,
            sequence: 0,
        };
        for index in 0..count {
            let config = BusConfig {
                node_timeout_ms: TIMEOUT_MS,
                port: 7000 + index as u16,
                cport: 17000 + index as u16,
                ..BusConfig::default()
            };
            let bus = Bus::new(now, config.clone(), None, Rng::new(seed * 1000 + index as u64));
            net.peers.push(Peer {
                bus,
                config,
                alive: true,
                paused: false,
                offset: 100,
                log: Vec::new(),
                published: Vec::new(),
                writes_paused: false,
                slots_lost: 0,
                starved: false,
                disk: String::new(),
                syncing: None,
                held: Vec::new(),
                last_up: None,
            });
            net.drain(index);
        }
        net
    }

    /// `primaries` primaries that share the slots, and `replicas` replicas of each in turn, formed and agreeing.
    pub(super) fn cluster(primaries: usize, replicas: usize, seed: u64) -> Self {
        let mut net = Self::new(primaries * (replicas + 1), seed);
        net.form(primaries);
        net
    }

    fn form(&mut self, primaries: usize) {
        for index in 0..primaries {
            let share = |index: usize| (index * 16384 / primaries) as u16;
            let slots: Vec<Slot> = (share(index)..share(index + 1)).filter_map(Slot::new).collect();
            self.act(index, |bus, now| bus.add_slots(now, &slots).unwrap());
        }
        for index in 0..self.peers.len() {
            self.act(index, |bus, now| bus.set_config_epoch(now, index as i64 + 1).unwrap());
        }
        self.meet_all();
        self.until("all know all", 10_000, |net| net.all_know_all());
        for index in primaries..self.peers.len() {
            let primary = self.id(index % primaries);
            self.act(index, |bus, now| bus.replicate_node(now, primary.as_bytes(), Dataset::Empty).unwrap());
        }
        self.until("all agree", 10_000, Self::is_settled);
    }

    pub(super) fn meet_all(&mut self) {
        let ip = Self::ip(0).to_string();
        for index in 1..self.peers.len() {
            self.act(index, |bus, now| bus.meet(now, ip.as_bytes(), b"7000", None).unwrap());
        }
    }

    pub(super) fn all_know_all(&self) -> bool {
        let count = self.peers.len();
        let knows = |bus: &Bus| bus.table().len() == count && bus.table().iter().all(|(_, node)| !node.is_handshake());
        self.peers.iter().all(|peer| knows(&peer.bus))
    }

    /// Whether all living nodes see the cluster as ok and agree on slots, roles and epochs.
    pub(super) fn is_settled(&self) -> bool {
        let living: Vec<&Bus> = self.peers.iter().filter(|peer| peer.alive).map(|peer| &peer.bus).collect();
        living.iter().all(|bus| bus.is_ok() && Self::agree(bus, living[0]))
    }

    fn agree(a: &Bus, b: &Bus) -> bool {
        let primary = |bus: &Bus, node: &Node| node.primary().map(|key| bus.table().node(key).id());
        let same = |(one, two): (&Node, &Node)| {
            one.id() == two.id()
                && primary(a, one) == primary(b, two)
                && (one.is_replica() || one.config_epoch == two.config_epoch)
                && one.slots() == two.slots()
        };
        let nodes = |bus: &'_ Bus| bus.table().len();
        nodes(a) == nodes(b) && a.table().iter().zip(b.table().iter()).all(|((_, one), (_, two))| same((one, two)))
    }

    pub(super) fn id(&self, index: usize) -> String {
        self.peers[index].bus.my_id().to_string()
    }

    pub(super) fn ip(index: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, index as u8 + 1))
    }

    /// Calls into a bus and carries out what it asks for.
    pub(super) fn act<R>(&mut self, index: usize, act: impl FnOnce(&mut Bus, Now) -> R) -> R {
        let facts = self.facts(index);
        self.peers[index].bus.learn(&facts);
        let result = act(&mut self.peers[index].bus, self.now);
        self.drain(index);
        result
    }

    pub(super) fn facts(&mut self, index: usize) -> Facts {
        let now = self.now.instant;
        let primary = self.peers[index].bus.myself().primary();
        let source = primary.and_then(|key| {
            let id = self.peers[index].bus.table().node(key).id();
            self.peers.iter().position(|peer| peer.bus.my_id() == id)
        });
        let up = source.is_some_and(|source| {
            let serving = self.peers[source].alive && !self.peers[source].paused && self.peers[source].bus.is_primary();
            serving && !self.is_cut(index, source)
        });
        let offset = source.map_or(0, |source| self.peers[source].offset);
        let peer = &mut self.peers[index];
        if up {
            peer.last_up = Some(now);
            peer.offset = if peer.starved { peer.offset } else { offset };
        }
        let primary_link = match peer.last_up {
            Some(_) if up => PrimaryLink::Up(now),
            Some(at) => PrimaryLink::Down(at),
            None => PrimaryLink::Never,
        };
        Facts { offset: peer.offset, primary_link }
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        self.cuts.insert((a.min(b), a.max(b)));
    }

    /// Separates `group` from everybody else.
    pub(super) fn partition(&mut self, group: &[usize]) {
        for inside in group {
            for outside in (0..self.peers.len()).filter(|outside| !group.contains(outside)) {
                self.cut(*inside, outside);
            }
        }
    }

    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        self.release();
    }

    pub(super) fn pause(&mut self, index: usize) {
        self.peers[index].paused = true;
    }

    pub(super) fn resume(&mut self, index: usize) {
        self.peers[index].paused = false;
        self.release();
    }

    fn release(&mut self) {
        for event in std::mem::take(&mut self.stalled) {
            self.push(LATENCY_US, event);
        }
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cuts.contains(&(a.min(b), a.max(b)))
    }

    /// The process is gone, its connections are reset, what was not synced is lost.
    pub(super) fn kill(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        peer.alive = false;
        peer.syncing = None;
        peer.held.clear();
        let mine: Vec<_> = self.wires.keys().filter(|(at, _)| *at == index).copied().collect();
        for end in mine {
            self.hang_up(end);
        }
        self.queue.retain(|_, event| !matches!(event, Event::Synced(at, ..) if *at == index));
    }

    /// Starts the process again from its nodes.conf.
    pub(super) fn restart(&mut self, index: usize) {
        let file = parse(self.peers[index].disk.as_bytes()).unwrap();
        self.seed += 1;
        let rng = Rng::new(self.seed * 1000 + index as u64);
        let peer = &mut self.peers[index];
        peer.bus = Bus::new(self.now, peer.config.clone(), Some(&file), rng);
        peer.alive = true;
        peer.paused = false;
        peer.last_up = None;
        self.drain(index);
    }

    /// Lets `ms` milliseconds pass.
    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.now.instant.plus_millis(ms);
        let mut steps = 0;
        while let Some(next) = self.next_time().filter(|next| *next <= end) {
            self.step(next);
            steps += 1;
            assert!(steps < STEPS_MAX, "the net never rests, seed {}", self.seed);
        }
        self.jump(end);
    }

    /// Lets time pass until something holds; returns how many milliseconds it took.
    pub(super) fn until(&mut self, what: &str, limit_ms: u64, holds: impl Fn(&Self) -> bool) -> u64 {
        let start = self.now.instant;
        while !holds(self) {
            assert!(
                self.now.instant.millis_since(start) < limit_ms,
                "{what}: not within {limit_ms} ms, seed {}\n{}",
                self.seed,
                self.views()
            );
            self.advance(1);
        }
        self.now.instant.millis_since(start)
    }

    fn views(&self) -> String {
        let view = |peer: &Peer| {
            let nodes = peer.bus.nodes_text(crate::bus::report::ClientKind::Plain);
            let log = peer.log.iter().rev().take(8).rev().cloned().collect::<Vec<_>>().join("\n  ");
            format!("alive {} ok {}\n{nodes}  {log}\n", peer.alive, peer.bus.is_ok())
        };
        self.peers.iter().map(view).collect()
    }

    fn next_time(&self) -> Option<Instant> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let running = self.peers.iter().filter(|peer| peer.alive && !peer.paused);
        let ticks = running.map(|peer| peer.bus.deadline().max(self.now.instant)).min();
        queued.into_iter().chain(ticks).min()
    }

    fn jump(&mut self, to: Instant) {
        self.now = self.now.plus(Duration::from_micros(to.0.saturating_sub(self.now.instant.0)));
    }

    fn step(&mut self, at: Instant) {
        self.jump(at);
        if let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= at) {
            let event = entry.remove();
            self.deliver(event);
            return;
        }
        for index in 0..self.peers.len() {
            let peer = &self.peers[index];
            if peer.alive && !peer.paused && peer.bus.deadline() <= at {
                let facts = self.facts(index);
                self.peers[index].bus.tick(self.now, &facts, &|_| LinkBytes::default());
                self.drain(index);
            }
        }
    }

    fn deliver(&mut self, event: Event) {
        let (to, from) = match &event {
            Event::Bytes(to, link, _) | Event::Closed(to, link) | Event::Connected(to, link) => {
                (*to, self.wires.get(&(*to, *link)).map(|(other, _)| *other))
            }
            Event::Dial(from, _, to) => (*to, Some(*from)),
            Event::Synced(to, ..) => (*to, None),
        };
        if self.peers[to].alive && (self.peers[to].paused || from.is_some_and(|from| self.is_cut(to, from))) {
            self.stalled.push(event);
            return;
        }
        let now = self.now;
        match event {
            Event::Dial(from, link, to) => return self.accept(from, link, to),
            _ if !self.peers[to].alive => return,
            Event::Bytes(_, link, bytes) => {
                let facts = self.facts(to);
                self.peers[to].bus.received(now, link, &bytes, &facts);
            }
            Event::Closed(_, link) => self.peers[to].bus.closed(now, link),
            Event::Connected(_, link) => self.peers[to].bus.connected(now, link, Self::ip(to)),
            Event::Synced(_, version, text) => self.synced(to, version, text),
        }
        self.drain(to);
    }

    fn accept(&mut self, from: usize, link: LinkId, to: usize) {
        let (now, peer_ip, local_ip) = (self.now, Self::ip(from), Self::ip(to));
        let accepted = if self.peers[to].alive { self.peers[to].bus.accepted(now, peer_ip, local_ip) } else { None };
        match accepted {
            Some(other) => {
                self.wires.insert((from, link), (to, other));
                self.wires.insert((to, other), (from, link));
                self.push(LATENCY_US, Event::Connected(from, link));
                self.drain(to);
            }
            None => self.push(LATENCY_US, Event::Closed(from, link)),
        }
    }

    fn synced(&mut self, index: usize, version: u64, text: String) {
        let peer = &mut self.peers[index];
        peer.disk = text;
        peer.bus.config_synced(version);
        if peer.syncing == Some(version) {
            peer.syncing = None;
            for (link, bytes) in std::mem::take(&mut peer.held) {
                self.send(index, link, bytes);
            }
        }
    }

    fn hang_up(&mut self, end: (usize, LinkId)) {
        if let Some((other, link)) = self.wires.remove(&end) {
            self.wires.remove(&(other, link));
            self.push(LATENCY_US, Event::Closed(other, link));
        }
    }

    fn send(&mut self, index: usize, link: LinkId, bytes: Bytes) {
        if let Some(&(to, other)) = self.wires.get(&(index, link)) {
            self.push(LATENCY_US, Event::Bytes(to, other, bytes));
        }
    }

    fn push(&mut self, delay_us: u64, event: Event) {
        self.sequence += 1;
        let at = Instant(self.now.instant.0 + delay_us);
        self.queue.insert((at, self.sequence), event);
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.peers[index].bus.poll() {
            let peer = &mut self.peers[index];
            match output {
                BusOutput::Dial { link, ip, port } => {
                    let to = (0..self.peers.len()).find(|to| Self::ip(*to) == ip);
                    match to.filter(|to| 17000 + *to as u16 == port) {
                        Some(to) => self.push(LATENCY_US, Event::Dial(index, link, to)),
                        None => self.push(LATENCY_US, Event::Closed(index, link)),
                    }
                }
                BusOutput::Drop(link) => self.hang_up((index, link)),
                BusOutput::Send { link, bytes, after_sync } => {
                    let behind = peer.held.iter().any(|(held, _)| *held == link);
                    if behind || (after_sync && peer.syncing.is_some()) {
                        peer.held.push((link, bytes));
                    } else {
                        self.send(index, link, bytes);
                    }
                }
                BusOutput::SaveConfig { sync, version } => {
                    let text = peer.bus.config_text();
                    if sync {
                        peer.syncing = Some(version);
                        self.push(SYNC_US, Event::Synced(index, version, text));
                    } else if peer.syncing.is_none() {
                        peer.disk = text;
                    }
                }
                BusOutput::Log(_, text) => peer.log.push(text),
                BusOutput::Publish { message, .. } => peer.published.push(message.to_vec()),
                BusOutput::PauseWrites(_) => peer.writes_paused = true,
                BusOutput::UnpauseWrites => peer.writes_paused = false,
                BusOutput::SlotsLost { ranges, .. } => {
                    peer.slots_lost += ranges.iter().map(|range| range.slots().count()).sum::<usize>();
                }
                BusOutput::BecomePrimary | BusOutput::FlushData | BusOutput::StateChanged(_) => {}
                BusOutput::Replicate { .. } => peer.last_up = None,
            }
        }
    }

    /// Whether a node's log has a line that contains `text`.
    pub(super) fn logged(&self, index: usize, text: &str) -> bool {
        self.peers[index].log.iter().any(|line| line.contains(text))
    }

    /// The flags one node sees on another.
    pub(super) fn flags(&self, viewer: usize, of: usize) -> NodeFlags {
        let table = self.peers[viewer].bus.table();
        let id = self.peers[of].bus.my_id();
        table.find(&id).map_or(NodeFlags::NONE, |key| table.node(key).flags())
    }

    /// The nodes that would acknowledge a write to a slot at this moment.
    pub(super) fn writers(&self, slot: u16) -> Vec<usize> {
        let slot = Slot::new(slot).unwrap();
        let serves = |peer: &Peer| {
            let bus = &peer.bus;
            let mine = bus.table().slot_map().owner(slot) == Some(bus.table().my_key());
            let up = peer.alive && !peer.paused && !peer.writes_paused;
            up && mine && bus.is_primary() && bus.is_ok() && bus.has_majority_contact(self.now.instant)
        };
        (0..self.peers.len()).filter(|index| serves(&self.peers[*index])).collect()
    }
}
