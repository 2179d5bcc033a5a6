//! One bus among peers that exist only as bytes: `b` and `c` are primaries, `d` replicates `b`, `e` replicates us.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::{Instant, Now, UnixMicros};

use crate::bus::codec::{decode, encode};
use crate::bus::config_file::parse;
use crate::bus::message::{
    Body, Extension, Gossip, Header, Heartbeat, IpText, Message, MessageFlags, NodeFlags, NodeId, Ownership,
};
use crate::bus::{Bus, BusConfig, BusOutput, Facts, LinkBytes, LinkId};
use crate::slots::SlotBitmap;

/// Node timeout, in milliseconds.
pub(super) const TIMEOUT_MS: u64 = 1000;

pub(super) fn id(name: char) -> NodeId {
    NodeId::parse(&[name as u8; 40]).unwrap()
}

pub(super) fn slots(first: u16, last: u16) -> SlotBitmap {
    (first..=last).filter_map(Slot::new).collect()
}

pub(super) fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

pub(super) struct Solo {
    pub(super) bus: Bus,
    pub(super) now: Now,
    pub(super) facts: Facts,
    /// Links by peer: the one it dialled, the one we dialled.
    pub(super) links: BTreeMap<char, (LinkId, LinkId)>,
    /// Everything the bus asked for since the last look, except logs.
    pub(super) outputs: Vec<BusOutput>,
    pub(super) log: Vec<String>,
}

impl Solo {
    pub(super) fn new() -> Self {
        let me = 'a'.to_string().repeat(40);
        let name = |name: char| name.to_string().repeat(40);
        let text = format!(
            "{me} 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460\n\
             {} 10.0.0.2:7001@17001 master - 0 0 2 connected 5461-10922\n\
             {} 10.0.0.3:7002@17002 master - 0 0 3 connected 10923-16383\n\
             {} 10.0.0.4:7003@17003 slave {} 0 0 2 connected\n\
             {} 10.0.0.5:7004@17004 slave {me} 0 0 1 connected\n\
             vars currentEpoch 5 lastVoteEpoch 4\n",
            name('b'),
            name('c'),
            name('d'),
            name('b'),
            name('e'),
        );
        let now = Now { instant: Instant(9_000_000), unix: UnixMicros(1_700_000_000_000_000) };
        let config = BusConfig { node_timeout_ms: TIMEOUT_MS, port: 7000, cport: 17000, ..BusConfig::default() };
        let bus = Bus::new(now, config, Some(&parse(text.as_bytes()).unwrap()), Rng::new(1));
        let (facts, links) = (Facts { offset: 50, ..Facts::default() }, BTreeMap::new());
        let mut solo = Self { bus, now, facts, links, outputs: Vec::new(), log: Vec::new() };
        solo.connect();
        solo
    }

    fn connect(&mut self) {
        self.tick(0);
        for output in std::mem::take(&mut self.outputs) {
            let BusOutput::Dial { link, port, .. } = output else { continue };
            let name = char::from(b'a' + (port - 17000) as u8);
            self.bus.connected(self.now, link, Self::ip('a'));
            let inbound = self.bus.accepted(self.now, Self::ip(name), Self::ip('a')).unwrap();
            self.links.insert(name, (inbound, link));
            self.drain();
        }
        for name in ['b', 'c', 'd', 'e'] {
            self.say(name, Self::beat(Heartbeat::Ping));
            self.answer(name);
        }
        self.outputs.clear();
    }

    pub(super) fn ip(name: char) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, (name as u8).saturating_sub(b'a') + 1))
    }

    pub(super) fn beat(kind: Heartbeat) -> Body<'static> {
        Body::Heartbeat { kind, gossip: Vec::new(), extensions: Vec::new() }
    }

    pub(super) fn gossip(about: char, flags: NodeFlags) -> Gossip {
        let index = u16::from((about as u8).saturating_sub(b'a'));
        Gossip {
            id: id(about),
            ping_sent_secs: 0,
            pong_received_secs: 0,
            ip: IpText::new(Some(Self::ip(about))),
            port: 7000 + index,
            cport: 17000 + index,
            flags,
            pport: 0,
        }
    }

    /// A PING that tells of third nodes.
    pub(super) fn telling(gossip: Vec<Gossip>) -> Body<'static> {
        Body::Heartbeat { kind: Heartbeat::Ping, gossip, extensions: Vec::new() }
    }

    pub(super) fn extended(extensions: Vec<Extension>) -> Body<'static> {
        Body::Heartbeat { kind: Heartbeat::Ping, gossip: Vec::new(), extensions }
    }

    pub(super) fn header(name: char) -> Header {
        let (slots, config_epoch, primary) = match name {
            'b' => (slots(5461, 10922), 2, None),
            'c' => (slots(10923, 16383), 3, None),
            'd' => (slots(5461, 10922), 2, Some(id('b'))),
            'e' => (slots(0, 5460), 1, Some(id('a'))),
            _ => (SlotBitmap::new(), 0, None),
        };
        let role = if primary.is_some() { NodeFlags::REPLICA } else { NodeFlags::PRIMARY };
        let index = u16::from(name as u8 - b'a');
        Header {
            port: 7000 + index,
            current_epoch: 5,
            config_epoch,
            offset: 50,
            sender: id(name),
            slots,
            primary,
            ip: IpText::EMPTY,
            pport: 0,
            cport: 17000 + index,
            flags: role.with(NodeFlags::MYSELF),
            state: 0,
            mflags: MessageFlags::default(),
        }
    }

    /// A peer sends on the link it dialled.
    pub(super) fn say(&mut self, name: char, body: Body<'_>) {
        self.say_as(name, Self::header(name), body);
    }

    pub(super) fn say_as(&mut self, name: char, mut header: Header, body: Body<'_>) {
        if matches!(&body, Body::Heartbeat { extensions, .. } if !extensions.is_empty()) {
            header.mflags.insert(MessageFlags::EXT_DATA);
        }
        let link = self.links[&name].0;
        self.bytes(link, &encode(&Message { header, body }));
    }

    /// A peer answers a ping on the link we dialled.
    pub(super) fn answer(&mut self, name: char) {
        let bytes = encode(&Message { header: Self::header(name), body: Self::beat(Heartbeat::Pong) });
        self.bytes(self.links[&name].1, &bytes);
    }

    pub(super) fn bytes(&mut self, link: LinkId, bytes: &[u8]) {
        self.bus.received(self.now, link, bytes, &self.facts);
        self.drain();
    }

    pub(super) fn tick(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
        self.bus.tick(self.now, &self.facts, &|_| LinkBytes::default());
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.bus.poll() {
            if let BusOutput::Log(_, text) = output {
                self.log.push(text);
            } else {
                self.outputs.push(output);
            }
        }
    }

    pub(super) fn logged(&self, text: &str) -> bool {
        self.log.iter().any(|line| line.contains(text))
    }

    /// The types of the messages sent on a link since the last look.
    pub(super) fn sent(&self, link: LinkId) -> Vec<&'static str> {
        let kind = |bytes: &[u8]| crate::bus::codec::kind_of(bytes).unwrap().name();
        self.bytes_sent(link).map(kind).collect()
    }

    fn bytes_sent(&self, link: LinkId) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.outputs.iter().filter_map(move |output| {
            let BusOutput::Send { link: on, bytes, .. } = output else { return None };
            (*on == link).then_some(&bytes[..])
        })
    }

    /// The last message sent on a link.
    pub(super) fn last_sent(&self, link: LinkId) -> Message<'_> {
        decode(self.bytes_sent(link).next_back().unwrap()).unwrap()
    }

    pub(super) fn update(of: char, config_epoch: u64, slots: SlotBitmap) -> Body<'static> {
        Body::Update(Ownership { config_epoch, id: id(of), slots })
    }

    pub(super) fn owner(&self, number: u16) -> Option<NodeId> {
        let table = self.bus.table();
        table.slot_map().owner(slot(number)).map(|key| table.node(key).id())
    }

    pub(super) fn flags(&self, of: char) -> Option<NodeFlags> {
        let table = self.bus.table();
        table.find(&id(of)).map(|key| table.node(key).flags())
    }

    /// Lets `b` fail by the word of `c`, a node timeout after it was last heard of.
    pub(super) fn fail_b(&mut self) {
        self.tick(TIMEOUT_MS + 1);
        self.say('c', Body::Fail(id('b')));
        assert!(self.flags('b').unwrap().has(NodeFlags::FAIL));
        self.outputs.clear();
    }
}
