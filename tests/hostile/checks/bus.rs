//! The cluster bus: packets of any bytes, and a live bus that takes them in any order.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use slotmesh_cluster::bus::codec::{EPOCH_MAX, Framer, decode, encode};
use slotmesh_cluster::bus::config_file::parse;
use slotmesh_cluster::bus::message::{
    Body, Extension, Gossip, Header, Heartbeat, IpText, Message, MessageFlags, NodeFlags, NodeId, Ownership,
    Publication,
};
use slotmesh_cluster::bus::report::ClientKind;
use slotmesh_cluster::bus::table::NODES_MAX;
use slotmesh_cluster::bus::{
    Bus, BusConfig, BusOutput, ChannelScope, Dataset, Facts, FailoverForm, LinkBytes, LinkId, PrimaryLink, ResetKind,
};
use slotmesh_cluster::slots::SlotBitmap;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Now;

use super::input::{Input, pieces};
use super::nodes_conf::{A, B, C, now, text};

/// One byte chooses: packets on their own, or steps of a live bus.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    match choice & 3 {
        0 => check_packet(input.rest()),
        1 => check_frames(input.rest(), choice),
        kind => check_live(&mut input, if kind == 2 { A } else { C }),
    }
}

fn check_packet(bytes: &[u8]) {
    let Ok(message) = decode(bytes) else { return };
    let again = encode(&message);
    assert_eq!(decode(&again).as_ref(), Ok(&message), "what was understood can be said again");
}

fn check_frames(stream: &[u8], seed: u8) {
    let whole = frames(&pieces(stream, 0, 0));
    for longest in [1, 9, 4000] {
        assert_eq!(frames(&pieces(stream, u64::from(seed), longest)), whole, "pieces of up to {longest}");
    }
}

fn frames(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
    let (mut framer, mut scratch, mut all) = (Framer::new(), Vec::new(), Vec::new());
    for piece in pieces {
        let mut input = *piece;
        loop {
            match framer.next(&mut input, FRAME_BYTES_MAX, &mut scratch) {
                Ok(Some(message)) => all.push(message.to_vec()),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
        assert!(input.is_empty(), "all bytes are taken");
        assert!(framer.allocated() <= 2 * FRAME_BYTES_MAX + piece.len());
    }
    (all, false)
}

struct Live {
    bus: Bus,
    now: Now,
    links: Vec<LinkId>,
    dialling: Vec<LinkId>,
    facts: Facts,
    synced: u64,
    epoch: u64,
}

fn check_live(input: &mut Input<'_>, myself: &str) {
    let mut live = Live::new(myself);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        live.step(input);
        live.drain();
        live.check_numbers();
    }
    live.check_state();
}

impl Live {
    fn new(myself: &str) -> Self {
        let conf = text().replace(" myself,", " ");
        let lines = conf.lines().map(|line| match line.strip_prefix(myself) {
            Some(rest) => {
                format!("{myself}{}\n", rest.replace(" master", " myself,master").replace(" slave", " myself,slave"))
            }
            None => format!("{}\n", line.split(" [").next().unwrap_or_default()),
        });
        let conf: String = lines.collect();
        let file = parse(conf.as_bytes()).unwrap_or_else(|error| panic!("{error}: {conf}"));
        let config = BusConfig { node_timeout_ms: 1000, announce_hostname: "me".to_owned(), ..BusConfig::default() };
        let bus = Bus::new(now(), config, Some(&file), Rng::new(3));
        let facts = Facts { offset: 50, primary_link: PrimaryLink::Up(now().instant) };
        let epoch = bus.current_epoch();
        let mut live = Self { bus, now: now(), links: Vec::new(), dialling: Vec::new(), facts, synced: 0, epoch };
        live.accept(7);
        live.accept(8);
        live.drain();
        live
    }

    fn accept(&mut self, host: u8) {
        self.links.extend(self.bus.accepted(self.now, ip(host), ip(1)));
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.byte();
        let which = usize::from(op >> 4);
        match op & 15 {
            0 => {
                let len = input.short();
                self.receive(which, input.take(len).to_vec());
            }
            1 | 2 => {
                let message = self.message(input);
                self.receive(which, message);
            }
            3 => {
                let mut message = self.message(input);
                for _ in 0..=input.byte() & 3 {
                    let at = input.short() % message.len();
                    message[at] = input.byte();
                }
                self.receive(which, message);
            }
            4 | 5 => self.advance(u64::from(input.byte()) * 20),
            6 => {
                for link in std::mem::take(&mut self.dialling) {
                    self.links.push(link);
                    self.bus.connected(self.now, link, ip(1));
                }
            }
            7 => {
                for link in std::mem::take(&mut self.dialling) {
                    self.bus.closed(self.now, link);
                }
            }
            8 => self.accept(which as u8),
            9 => {
                if let Some(&link) = self.links.get(which) {
                    self.bus.closed(self.now, link);
                }
            }
            10 => self.bus.config_synced(self.synced),
            11 => self.operate(input),
            12 => self.facts.offset = input.short() as u64,
            13 => self.facts.primary_link = PrimaryLink::Down(self.now.instant),
            14 => self.facts.primary_link = PrimaryLink::Up(self.now.instant),
            _ => self.facts.primary_link = PrimaryLink::Never,
        }
    }

    fn receive(&mut self, which: usize, bytes: Vec<u8>) {
        if let Some(&link) = self.links.get(which % self.links.len().max(1)) {
            self.bus.received(self.now, link, &bytes, &self.facts);
        }
    }

    fn advance(&mut self, millis: u64) {
        self.now = self.now.plus(Duration::from_millis(millis));
        let unsent = |_: LinkId| LinkBytes::default();
        for _ in 0..50 {
            if self.bus.deadline() > self.now.instant {
                return;
            }
            self.bus.tick(self.now, &self.facts, &unsent);
        }
    }

    fn operate(&mut self, input: &mut Input<'_>) {
        let (bus, now) = (&mut self.bus, self.now);
        let node = id(input.byte());
        let node = node.as_bytes();
        // Refusals are fine: what counts is the state afterwards.
        let _refused = match input.byte() {
            0 => bus.meet(now, b"10.0.0.5", b"7000", None).is_err(),
            1 => bus.forget(now, node).is_err(),
            2 => bus.replicate_node(now, node, Dataset::Empty).is_err(),
            3 => bus.add_slots(now, &[slot(input)]).is_err(),
            4 => bus.del_slots(now, &[slot(input)]).is_err(),
            5 => bus.flush_slots(now, Dataset::Empty).is_err(),
            6 => {
                let _epoch = bus.bump_epoch(now);
                false
            }
            7 => bus.set_config_epoch(now, epoch(input.byte()) as i64).is_err(),
            8 => bus.failover(now, FailoverForm::Force, &self.facts).is_err(),
            9 => bus.failover(now, FailoverForm::Plain, &self.facts).is_err(),
            10 => bus.failover(now, FailoverForm::Takeover, &self.facts).is_err(),
            11 => {
                self.epoch = 0;
                bus.reset(now, ResetKind::Hard, Dataset::Empty).is_err()
            }
            12 => bus.reset(now, ResetKind::Soft, Dataset::Empty).is_err(),
            _ => bus.count_failure_reports(now, node).is_err(),
        };
    }

    /// A well-formed message whose every field is chosen by the input.
    fn message(&self, input: &mut Input<'_>) -> Vec<u8> {
        let kind = input.byte();
        let header = Header {
            port: 30000 + u16::from(input.byte()),
            current_epoch: epoch(input.byte()),
            config_epoch: epoch(input.byte()),
            offset: u64::from(input.byte()),
            sender: id(input.byte()),
            slots: slots(input),
            primary: Some(id(input.byte())).filter(|_| kind & 0x80 != 0),
            ip: address(input.byte()),
            pport: 0,
            cport: 40000 + u16::from(input.byte()),
            flags: NodeFlags(input.short() as u16),
            state: input.byte(),
            mflags: MessageFlags(input.byte() & !MessageFlags::EXT_DATA.0),
        };
        let beat = |kind, input: &mut Input<'_>| {
            let gossip = (0..input.byte() & 3).map(|_| gossip(input)).collect();
            let extensions: Vec<Extension> = (0..input.byte() & 3).map(|_| extension(input)).collect();
            Body::Heartbeat { kind, gossip, extensions }
        };
        let body = match kind & 15 {
            0..=3 => beat(Heartbeat::Ping, input),
            4..=6 => beat(Heartbeat::Pong, input),
            7 => beat(Heartbeat::Meet, input),
            8 => Body::Fail(id(input.byte())),
            9 => Body::AuthRequest,
            10 => Body::AuthAck,
            11 => Body::MfStart,
            12 | 13 => {
                let ownership =
                    Ownership { config_epoch: epoch(input.byte()), id: id(input.byte()), slots: slots(input) };
                Body::Update(ownership)
            }
            _ => Body::Publish(Publication { scope: ChannelScope::Shard, channel: b"c", message: b"m" }),
        };
        let mut message = Message { header, body };
        if let Body::Heartbeat { extensions, .. } = &message.body
            && !extensions.is_empty()
        {
            message.header.mflags.insert(MessageFlags::EXT_DATA);
        }
        encode(&message)
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.bus.poll() {
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "one event has a bounded echo");
            if let BusOutput::Dial { link, .. } = &output {
                self.dialling.push(*link);
            } else if let BusOutput::Drop(gone) = &output {
                self.links.retain(|open| open != gone);
                self.dialling.retain(|open| open != gone);
            } else if let BusOutput::SaveConfig { version, .. } = &output {
                self.synced = *version;
            } else if let BusOutput::Send { bytes, .. } = &output {
                let message = decode(bytes).expect("what is sent can be read");
                assert_eq!(message.header.sender, self.bus.my_id());
            }
        }
    }

    fn check_numbers(&mut self) {
        let bus = &self.bus;
        assert!(bus.table().len() <= NODES_MAX);
        assert!(bus.current_epoch() <= EPOCH_MAX, "the next start could not read it");
        assert!(bus.current_epoch() >= self.epoch, "epochs never go back");
        self.epoch = bus.current_epoch();
        assert!(bus.last_vote_epoch() <= bus.current_epoch());
    }

    fn check_state(&self) {
        let bus = &self.bus;
        let table = bus.table();
        let mut owned = 0;
        for slot in Slot::all() {
            let Some(owner) = table.slot_map().owner(slot) else { continue };
            owned += 1;
            assert!(table.node(owner).is_primary(), "replicas own no slots");
            assert!(table.node(owner).slots().contains(slot));
        }
        assert_eq!(table.iter().map(|(_, node)| node.slot_count()).sum::<usize>(), owned);
        let conf = bus.config_text();
        let file = parse(conf.as_bytes()).unwrap_or_else(|error| panic!("{error} in\n{conf}"));
        assert!(file.nodes.iter().any(|node| node.id == bus.my_id()));
        assert_eq!(file.nodes.iter().flat_map(|node| &node.slots).flat_map(|range| range.slots()).count(), owned);
        assert!(!bus.nodes_text(ClientKind::Plain).is_empty());
        assert!(!bus.info_text().is_empty());
        assert!(bus.slots().len() <= Slot::all().count());
        assert!(bus.shards().len() <= table.len());
        assert!(bus.link_reports().len() <= 2 * table.len());
    }
}

fn ip(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, host))
}

fn id(choice: u8) -> NodeId {
    let text = match choice {
        0 => A.to_owned(),
        1 => B.to_owned(),
        2 => C.to_owned(),
        other => format!("{other:040x}"),
    };
    NodeId::parse(text.as_bytes()).expect("40 hexadecimal digits")
}

/// Small epochs, and those at the end of the range.
fn epoch(choice: u8) -> u64 {
    if choice < 0xf0 { u64::from(choice) } else { EPOCH_MAX - u64::from(0xff - choice) }
}

fn address(choice: u8) -> IpText {
    match choice {
        0 => IpText::new(None),
        0xff => IpText([b'x'; IpText::BYTES]),
        host => IpText::new(Some(ip(host))),
    }
}

fn slot(input: &mut Input<'_>) -> Slot {
    Slot::new((input.short() % 16384) as u16).expect("it is below 16384")
}

/// None, a run of slots, or all.
fn slots(input: &mut Input<'_>) -> SlotBitmap {
    let mut slots = SlotBitmap::new();
    let (first, count) = match input.byte() {
        0 => return slots,
        1 => (0, 16384),
        2 => (0, 5461),
        3 => (5461, 10923),
        byte => (usize::from(byte) * 64, usize::from(input.byte())),
    };
    for slot in (first..(first + count).min(16384)).filter_map(|slot| Slot::new(slot as u16)) {
        slots.insert(slot);
    }
    slots
}

fn gossip(input: &mut Input<'_>) -> Gossip {
    Gossip {
        id: id(input.byte()),
        ping_sent_secs: u32::from(input.byte()),
        pong_received_secs: 1_700_000_000 + u32::from(input.byte()),
        ip: address(input.byte()),
        port: u16::from(input.byte()) * 200,
        cport: u16::from(input.byte()) * 200,
        flags: NodeFlags(input.short() as u16),
        pport: 0,
    }
}

fn extension(input: &mut Input<'_>) -> Extension {
    match input.byte() {
        0 => Extension::Hostname("host.example".to_owned()),
        1 => Extension::Forgotten { id: id(input.byte()), ttl_secs: u64::MAX },
        2 => Extension::Nodename("a name".to_owned()),
        3 => Extension::ShardId(id(input.byte())),
        kind => Extension::Other { kind: u16::from(kind), payload: vec![kind; 8 * usize::from(kind & 7)] },
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let live = Live::new(A);
    let packet = |choices: &[u8]| live.message(&mut Input::new(choices));
    let ping = packet(&[
        0, 2, 6, 2, 9, 1, 3, 0, 0, 2, 0, 2, 0, 0, 2, 2, 0, 0, 5, 4, 5, 6, 0, 2, 9, 0, 0, 5, 4, 5, 6, 0, 2, 2, 0, 1, 9,
    ]);
    let fail = packet(&[8, 2, 6, 2, 9, 1, 0, 0, 0, 2, 0, 2, 0, 0, 2]);
    let update = packet(&[12, 2, 6, 2, 9, 1, 0, 0, 0, 2, 0, 2, 0, 0, 7, 2, 1]);
    let publish = packet(&[14, 2, 6, 2, 9, 1]);
    let steps: [&[u8]; 6] = [
        // B speaks, dials are answered, time passes, B is suspected.
        &[2, 0x01, 0, 2, 6, 2, 9, 1, 3, 0, 0, 2, 0, 2, 0, 0, 0, 0, 6, 4, 200, 4, 200, 7, 4, 100],
        // C asks for a vote after B failed.
        &[2, 0x01, 8, 3, 6, 2, 9, 2, 0, 1, 0, 2, 0, 4, 0, 0, 1, 0x01, 0x89, 3, 7, 2, 9, 2, 3, 1, 0, 2, 0, 4, 0, 0, 10],
        // A stranger meets us with gossip; an epoch at the end of its range; the operator acts.
        &[
            2, 0x11, 7, 2, 0xff, 0xff, 0, 9, 0, 5, 9, 2, 0, 2, 0, 0, 1, 9, 1, 1, 5, 5, 5, 0, 2, 6, 11, 0, 6, 11, 1, 7,
            0xff,
        ],
        // As a replica: the primary falls silent, an election follows.
        &[3, 6, 4, 255, 4, 255, 13, 4, 255, 7, 4, 255, 4, 255, 10, 4, 255],
        &[3, 0x01, 0x0a, 2, 9, 2, 9, 0, 2, 0, 0, 2, 0, 2, 0, 0, 11, 0, 8, 10, 4, 90, 11, 0, 10, 11, 0, 11],
        // Slots change hands.
        &[2, 0x01, 12, 2, 9, 2, 9, 1, 3, 0, 2, 0, 2, 0, 0, 9, 1, 2, 11, 0, 3, 1, 1, 11, 0, 4, 0, 9, 11, 1, 2],
    ];
    let mut seeds: Vec<Vec<u8>> = steps.map(<[u8]>::to_vec).to_vec();
    for packet in [&ping, &fail, &update, &publish] {
        seeds.push([&[0], &packet[..]].concat());
        let len = (packet.len() as u16).to_be_bytes();
        seeds.push([&[2, 0x00], &len[..], &packet[..]].concat());
    }
    seeds.push([&[1], &ping[..], &fail[..], &publish[..4]].concat());
    seeds
}

const FRAME_BYTES_MAX: usize = 16 * 1024;
const STEPS_MAX: usize = 64;
/// Outputs of one step: some per known node, and a test has few.
const OUTPUTS_MAX: usize = 5_000;
