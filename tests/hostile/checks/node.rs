//! A whole node: clients, a primary and bus peers that send anything, and a disk that answers at its own pace.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use slotmesh_cluster::machine::{ConnId, Effect, Endpoint, Input as Event, Machine, Peer, Reset};
use slotmesh_cluster::node::Node;
use slotmesh_engine::config::Config;
use slotmesh_engine::config::choices::AppendFsync;
use slotmesh_engine::time::Now;
use slotmesh_replication::disk::{DiskOp, Lane, Ticket};
use slotmesh_transport_mem::{MemDisk, reply_len};

use super::input::Input;
use super::nodes_conf::now;

/// One byte chooses the options, then steps: a byte below 16 chooses one, anything else begins an inline command.
pub(crate) fn check(data: &[u8]) {
    // Requests that are meant to take much memory or to wait are the operator's business.
    if data.len() > INPUT_BYTES_MAX || mentions(data, b"max-bulk") || mentions(data, b"maxmemory") {
        return;
    }
    let mut input = Input::new(data);
    let mut world = World::new(input.byte());
    for _ in 0..STEPS_MAX {
        if input.is_empty() || world.exited {
            break;
        }
        world.step(&mut input);
        world.settle();
    }
    world.check(!mentions(data, b"sync"));
}

fn mentions(data: &[u8], word: &[u8]) -> bool {
    data.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

struct World {
    node: Node,
    now: Now,
    disk: MemDisk,
    /// Disk operations that wait, when the disk is slow.
    waiting: VecDeque<(Ticket, Lane, DiskOp)>,
    slow: bool,
    clients: Vec<Option<ConnId>>,
    current: usize,
    links: Vec<ConnId>,
    dialled: Vec<ConnId>,
    heard: BTreeMap<ConnId, Vec<u8>>,
    exited: bool,
}

impl World {
    fn new(choice: u8) -> Self {
        let cluster_enabled = choice & 1 != 0;
        let config = Config {
            dir: "/data".to_owned(),
            cluster_enabled,
            appendonly: choice & 2 != 0,
            appendfsync: if choice & 4 != 0 { AppendFsync::Always } else { AppendFsync::EverySec },
            requirepass: if choice & 8 != 0 { b"secret".to_vec() } else { Vec::new() },
            maxmemory: 32 << 20,
            proto_max_bulk_len: 1 << 20,
            ..Config::default()
        };
        let mut disk = MemDisk::new(1);
        if cluster_enabled && choice & 16 != 0 {
            let name = format!("/data/{}", config.cluster_config_file);
            disk.install(&name, CONF.as_bytes());
        }
        let mut node = Node::new(config, 5);
        node.start(now());
        let mut world = Self {
            node,
            now: now(),
            disk,
            waiting: VecDeque::new(),
            slow: false,
            clients: Vec::new(),
            current: 0,
            links: Vec::new(),
            dialled: Vec::new(),
            heard: BTreeMap::new(),
            exited: false,
        };
        world.settle();
        world.advance(START_MS_MAX);
        assert!(world.node.is_running());
        for index in 0..CLIENTS {
            let peer = if index == 0 { Peer::InProcess } else { tcp(100 + index as u16) };
            let conn = world.node.accept(world.now, Endpoint::Client, peer);
            world.clients.push(Some(conn));
        }
        if cluster_enabled {
            let conn = world.node.accept(world.now, Endpoint::Bus, tcp(200));
            world.links.push(conn);
        }
        world
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let first = input.byte();
        match first {
            0 => self.current = usize::from(input.byte()) % CLIENTS,
            1 => {
                let len = input.short();
                self.client_sends(input.take(len));
            }
            2 => self.advance(u64::from(input.byte()) * 100),
            3 => {
                let len = input.short();
                if let Some(&conn) = self.links.first() {
                    self.node.handle(self.now, Event::Received(conn, input.take(len)));
                }
            }
            4 => {
                for &conn in &self.dialled {
                    self.node.handle(self.now, Event::Connected(conn, tcp(300)));
                }
            }
            5 => {
                for conn in std::mem::take(&mut self.dialled) {
                    self.node.handle(self.now, Event::Closed(conn, Reset::EndOfStream));
                }
            }
            6 => self.primary_sends(&[input.until(b'\n'), b"\r\n"].concat()),
            7 => {
                let len = input.short();
                self.primary_sends(input.take(len));
            }
            8 => {
                if let Some(conn) = self.clients[self.current].take() {
                    self.node.handle(self.now, Event::Closed(conn, Reset::EndOfStream));
                }
            }
            9 => self.slow = !self.slow,
            10 => {
                let conn = self.node.accept(self.now, Endpoint::Client, tcp(400));
                self.clients[self.current] = Some(conn);
            }
            first => {
                let line = [&[first], input.until(b'\n'), b"\r\n"].concat();
                self.client_sends(&line);
            }
        }
    }

    fn client_sends(&mut self, bytes: &[u8]) {
        if let Some(conn) = self.clients[self.current] {
            self.node.handle(self.now, Event::Received(conn, bytes));
        }
    }

    fn primary_sends(&mut self, bytes: &[u8]) {
        if let Some(&conn) = self.dialled.last() {
            self.node.handle(self.now, Event::Received(conn, bytes));
        }
    }

    fn advance(&mut self, millis: u64) {
        let end = self.now.plus(Duration::from_millis(millis));
        for _ in 0..TIMERS_MAX {
            let Some((at, _)) = self.node.deadline().filter(|(at, _)| *at <= end.instant) else { break };
            self.now = self.now.plus(at.since(self.now.instant));
            self.node.handle(self.now, Event::Timer);
            self.settle();
        }
        self.now = end;
    }

    /// Carries out effects until the node is quiet.
    fn settle(&mut self) {
        for _ in 0..EFFECTS_MAX {
            if !self.slow
                && let Some((ticket, lane, op)) = self.waiting.pop_front()
            {
                let result = self.disk.perform(lane, op);
                self.node.handle(self.now, Event::Disk(ticket, result));
            }
            let Some(effect) = self.node.poll() else {
                if self.slow || self.waiting.is_empty() {
                    return;
                }
                continue;
            };
            self.carry_out(effect);
        }
        panic!("the node comes to rest");
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Close(conn, rest) => {
                self.heard.entry(conn).or_default().extend_from_slice(&rest);
                self.forget(conn);
            }
            Effect::Dial(conn, ..) => self.dialled.push(conn),
            Effect::Disk(ticket, lane, op) => self.waiting.push_back((ticket, lane, op)),
            Effect::Exit(_) => self.exited = true,
            Effect::Flush(conn) => self.node.out_buf(conn).take_into(self.heard.entry(conn).or_default()),
            Effect::Listen(endpoint, _) => self.node.handle(self.now, Event::Listening(endpoint, Ok(()))),
            Effect::Log(line) => assert!(line.text.len() < LOG_BYTES_MAX),
            Effect::Kill(_) | Effect::Run(..) => {}
        }
    }

    fn forget(&mut self, conn: ConnId) {
        for client in &mut self.clients {
            client.take_if(|client| *client == conn);
        }
        self.dialled.retain(|open| *open != conn);
        self.links.retain(|open| *open != conn);
    }

    /// Every client heard whole replies and nothing else; a stream of replication is none.
    fn check(&self, replies_only: bool) {
        for (conn, bytes) in &self.heard {
            if !replies_only || !self.clients.contains(&Some(*conn)) {
                continue;
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                match reply_len(rest) {
                    Ok(Some(len)) => rest = &rest[len..],
                    other => panic!("{other:?} in a reply: {}", rest[..rest.len().min(200)].escape_ascii()),
                }
            }
        }
    }
}

fn tcp(port: u16) -> Peer {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Peer::Tcp { remote: address(port), local: address(6379) }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> =
        SCRIPTS.iter().flat_map(|script| [0_u8, 3, 6, 17].map(|choice| with(choice, script))).collect();
    let engine = Node::new(Config::default(), 1);
    let registry = engine.engine().registry();
    for (_, command) in registry.iter() {
        let words = command.full_name.replace('|', " ");
        let arity = usize::from(command.arity.unsigned_abs()).saturating_sub(words.split(' ').count());
        let line = |more: usize| format!("{words}{}\n", " 1".repeat(arity + more));
        seeds.push(with(0, &format!("SET 1 1\n{}{}{}", line(0), line(1), line(3))));
        seeds.push(with(17, &format!("MULTI\n{}{}EXEC\nHELLO 3\n{}", line(0), line(2), line(0))));
    }
    seeds
}

fn with(choice: u8, script: &str) -> Vec<u8> {
    [&[choice], script.as_bytes()].concat()
}

const SCRIPTS: &[&str] = &[
    "SET a 1\nGET a\nINCR a\nAPPEND a x\nSETRANGE a 5 y\nGETRANGE a 0 -1\nMSET b 1 c 2\nDEL a b c\nKEYS *\nSCAN 0\n",
    "MULTI\nSET k v\nGET k\nEXEC\nWATCH k\nMULTI\n\0\x01SET k w\n\0\0EXEC\n",
    "SUBSCRIBE a b\n\0\x01PSUBSCRIBE *\n\0\x02PUBLISH a hi\nSPUBLISH a hi\nPUBSUB CHANNELS\n\0\0UNSUBSCRIBE\nPING\n",
    "SET k v PX 100\nTTL k\n\x02\x05GET k\nDUMP k\nOBJECT ENCODING k\nCLIENT LIST\nINFO\nCOMMAND GETKEYS MSET a b c d\n",
    "CONFIG SET appendonly yes\nSET k v\nBGSAVE\nBGREWRITEAOF\n\x02\x10LASTSAVE\nSAVE\nCONFIG REWRITE\n",
    "REPLICAOF 10.0.0.1 6379\n\x02\x01\x04\x06+PONG\n\x06+OK\n\x06+OK\n\x06+OK\n\x06+FULLRESYNC ef4794627cd69f7549b6f1b10b9bb4ab8290fe0d 10\n\x06$18\n\x06REDIS0003\n\x07\0\x12REDIS0003\u{7e}\0\0\u{1}k\u{1}v\u{7f}\x07\0\x1b*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\nREPLICAOF NO ONE\n",
    "PSYNC ? -1\n\0\x01SET k v\n\x02\x20\0\0REPLCONF ACK 100\nREPLCONF ACK 18446744073709551615\nREPLCONF ACK -1\n\0\x01WAIT 1 100\n\x02\x02ROLE\n",
    "CLUSTER NODES\nCLUSTER SLOTS\nCLUSTER ADDSLOTSRANGE 0 100 50 200\nCLUSTER MEET 10.0.0.2 7000\n\x02\x05CLUSTER INFO\nCLUSTER SETSLOT 5 IMPORTING x\n",
    "CLIENT PAUSE 100 WRITE\nSET k v\n\x02\x05CLIENT REPLY SKIP\nPING\nCLIENT NO-EVICT on\nMONITOR\n\0\x01SET k v\nCLIENT KILL TYPE normal\n",
    "HELLO 3 AUTH default secret SETNAME me\nCLIENT TRACKING on\nLATENCY DOCTOR\nSLOWLOG GET\nMEMORY USAGE k\nLOLWUT\nRESET\n",
    "ZADD z 1 a 2 b\nZRANGE z (1 +inf BYSCORE LIMIT 0 -1\nZUNIONSTORE y 1 z WEIGHTS inf\nZMPOP 1 z MIN COUNT 9\nZSCAN y 0\n",
    "GEOADD g 1 1 a 2 2 b\nGEOSEARCH g FROMMEMBER a BYBOX inf 1e300 km COUNT 1 ANY\nGEORADIUS g 180 85 inf mi STOREDIST h\nGEOSEARCH g BYPOLYGON 3 0 0 9 0 9 9\nZADD g inf z\nGEOPOS g z\n",
    "XADD s * f v\nXADD s MAXLEN ~ 1 LIMIT 5 9-9 g w\nXGROUP CREATE s g 0\nXREADGROUP GROUP g c STREAMS s >\nXCLAIM s g d 0 9-9 1 FORCE LASTID 5\nXAUTOCLAIM s g e 0 - COUNT 2\nXDEL s 9-9\nXINFO STREAM s FULL\nDUMP s\n",
    "XGROUP CREATE s g $ MKSTREAM\n\0\x01XREADGROUP GROUP g c BLOCK 5 STREAMS s >\n\0\x02XREAD BLOCK 0 STREAMS s t $ +\n\0\0XADD s 1-* f v\nXTRIM s MINID = 5\nXSETID s 7 MAXDELETEDID 3\nDEL s\nXPENDING s g IDLE 1 (1 + 9\n",
    "\x09SET k v\nGET k\nMULTI\nSET k w\nEXEC\n\x09\x02\x01SHUTDOWN\n",
];

/// A primary with half of the slots, and another with the rest.
const CONF: &str = "07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-8191\n\
     67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:6380@16380 master - 0 0 2 connected 8192-16383\n\
     vars currentEpoch 2 lastVoteEpoch 0\n";

const CLIENTS: usize = 3;
const START_MS_MAX: u64 = 1000;
const INPUT_BYTES_MAX: usize = 16 * 1024;
const STEPS_MAX: usize = 200;
const TIMERS_MAX: usize = 300;
const EFFECTS_MAX: usize = 100_000;
const LOG_BYTES_MAX: usize = 1 << 20;
