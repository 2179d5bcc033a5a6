//! One sentinel with invented instances at the other ends of its wires, and a clock.
//!
//! The fixture answers PING with PONG and INFO with a text the test can change, keeps everything else the sentinel
//! sends, and saves what it wants to have saved at once, unless the test says otherwise.

use std::collections::BTreeMap;
use std::net::IpAddr;

use slotmesh_engine::config::file::sentinel_lines;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::{Instant, Now, UnixMicros};

use crate::sentinel::config::SentinelConfig;
use crate::sentinel::{Channel, Output, Sentinel, Wire};

pub(super) const MY_ID: &str = "1111111111111111111111111111111111111111";
pub(super) const OTHER_ID: &str = "2222222222222222222222222222222222222222";
pub(super) const THIRD_ID: &str = "3333333333333333333333333333333333333333";

/// A sentinel and its world.
pub(super) struct Fixture {
    pub(super) sentinel: Sentinel,
    pub(super) now: Now,
    /// Ports at which nobody answers.
    pub(super) silent: Vec<u16>,
    /// Ports that refuse connections.
    pub(super) closed: Vec<u16>,
    /// What PING is answered with.
    pub(super) pong: &'static str,
    /// What EXEC is answered with.
    pub(super) executed: &'static str,
    /// INFO of each port.
    pub(super) infos: BTreeMap<u16, String>,
    /// What IS-MASTER-DOWN-BY-ADDR is answered with, by port.
    pub(super) opinions: BTreeMap<u16, String>,
    /// Requests to each port but PING and INFO.
    pub(super) sent: Vec<(u16, String)>,
    /// Events, as `<event> <text>`.
    pub(super) events: Vec<String>,
    pub(super) logs: Vec<String>,
    pub(super) scripts: Vec<Vec<String>>,
    pub(super) exit: Option<i32>,
    pub(super) saves: u64,
    /// Whether what is to be saved is on disk at once.
    pub(super) disk_works: bool,
    wires: BTreeMap<Wire, u16>,
}

impl Fixture {
    /// A sentinel with these lines of configuration.
    pub(super) fn new(lines: &str) -> Self {
        let text = format!("sentinel myid {MY_ID}\n{lines}");
        let lines = sentinel_lines(text.as_bytes(), "").unwrap();
        let config = SentinelConfig::read(&lines, |_| true).unwrap();
        let now = Now { instant: Instant(1_000_000_000), unix: UnixMicros::from_millis(1_800_000_000_000) };
        let mut sentinel = Sentinel::new(now, config, 26_379, Vec::new(), Rng::new(1));
        sentinel.announce(now);
        let mut fixture = Self {
            sentinel,
            now,
            silent: Vec::new(),
            closed: Vec::new(),
            pong: "+PONG\r\n",
            executed: "*2\r\n+OK\r\n+OK\r\n",
            infos: BTreeMap::new(),
            opinions: BTreeMap::new(),
            sent: Vec::new(),
            events: Vec::new(),
            logs: Vec::new(),
            scripts: Vec::new(),
            exit: None,
            saves: 0,
            disk_works: true,
            wires: BTreeMap::new(),
        };
        fixture.settle();
        fixture
    }

    /// Primary 6379 with replicas 6380 and 6381, watched with two others at ports 26380 and 26381; all have been up
    /// for a while.
    pub(super) fn group(quorum: u32) -> Self {
        let mut fixture = Self::new(&format!(
            "sentinel monitor m 10.0.0.1 6379 {quorum}\nsentinel down-after-milliseconds m 1000\n\
             sentinel failover-timeout m 10000\n\
             sentinel known-replica m 10.0.0.1 6380\nsentinel known-replica m 10.0.0.1 6381\n\
             sentinel known-sentinel m 10.0.0.1 26380 {OTHER_ID}\nsentinel known-sentinel m 10.0.0.1 26381 {THIRD_ID}\n"
        ));
        fixture.infos.insert(6379, primary_info(&[6380, 6381]));
        fixture.infos.insert(6380, replica_info(6379, 100, 50));
        fixture.infos.insert(6381, replica_info(6379, 100, 60));
        for port in [26_380, 26_381] {
            fixture.opinions.insert(port, opinion(0, "*", 0));
        }
        fixture.advance(3_000);
        fixture.events.clear();
        fixture.sent.clear();
        fixture
    }

    /// Lets time pass in small steps.
    pub(super) fn advance(&mut self, millis: u64) {
        for _ in 0..millis / STEP_MS {
            self.now = self.now.plus(std::time::Duration::from_millis(STEP_MS));
            self.sentinel.tick(self.now);
            self.settle();
        }
    }

    /// The primary dies.
    pub(super) fn kill(&mut self, port: u16) {
        self.closed.push(port);
        let wires: Vec<Wire> = self.wires.iter().filter(|(_, at)| **at == port).map(|(wire, _)| *wire).collect();
        for wire in wires {
            self.wires.remove(&wire);
            self.sentinel.closed(self.now, wire);
        }
        self.settle();
    }

    /// A hello, as another sentinel would publish it at the primary.
    pub(super) fn hello(&mut self, text: &str) {
        self.sentinel.hear(self.now, text.as_bytes());
        self.settle();
    }

    /// Bytes from an instance on its command wire.
    pub(super) fn receive(&mut self, port: u16, bytes: &[u8]) {
        let wire = self.wire(port, Channel::Command);
        self.sentinel.received(self.now, wire, bytes);
        self.settle();
    }

    pub(super) fn wire(&self, port: u16, channel: Channel) -> Wire {
        let found = self.wires.iter().find(|(wire, at)| **at == port && wire.channel == channel);
        found.map(|(wire, _)| *wire).unwrap()
    }

    pub(super) fn has_wire(&self, port: u16) -> bool {
        self.wires.iter().any(|(wire, at)| *at == port && wire.channel == Channel::Command)
    }

    /// The names of the events so far.
    pub(super) fn event_names(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.split(' ').next().unwrap()).collect()
    }

    pub(super) fn has_event(&self, start: &str) -> bool {
        self.events.iter().any(|event| event.starts_with(start))
    }

    /// A field of SENTINEL MASTER.
    pub(super) fn field(&self, name: &str) -> String {
        let fields = self.sentinel.fields_of(self.now, b"m").unwrap();
        fields.into_iter().find(|(field, _)| *field == name).map(|(_, value)| value).unwrap_or_default()
    }

    /// What is to be saved is on disk.
    pub(super) fn save(&mut self) {
        let version = self.sentinel.version();
        self.sentinel.saved(self.now, version);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.sentinel.poll() {
            self.take(output);
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Dial { port, wire, .. } if self.closed.contains(&port) => self.sentinel.closed(self.now, wire),
            Output::Dial { wire, port, .. } => {
                self.wires.insert(wire, port);
                let ip: IpAddr = [10, 0, 0, 1].into();
                self.sentinel.connected(self.now, wire, Some([10, 0, 0, 9].into()), Some(ip));
            }
            Output::Drop(wire) => {
                self.wires.remove(&wire);
            }
            Output::Exit(code) => self.exit = Some(code),
            Output::Log(_, text) => self.logs.push(text),
            Output::Publish { channel, message } => self.events.push(format!("{channel} {message}")),
            Output::Save => {
                self.saves += 1;
                if self.disk_works {
                    self.sentinel.saved(self.now, self.sentinel.version());
                }
            }
            Output::Send(wire, bytes) => self.answer(wire, &bytes),
            Output::StartScript(_, argv) => self.scripts.push(argv),
            Output::StopScript(_) => {}
        }
    }

    fn answer(&mut self, wire: Wire, bytes: &[u8]) {
        let Some(&port) = self.wires.get(&wire) else { return };
        let words = words(bytes);
        let reply = match words[0].as_str() {
            "PING" => Some(self.pong.to_owned()),
            "INFO" => self.infos.get(&port).map(|text| format!("${}\r\n{text}\r\n", text.len())),
            "SENTINEL" => {
                self.sent.push((port, words.join(" ")));
                self.opinions.get(&port).cloned()
            }
            "PUBLISH" => {
                self.sent.push((port, words.join(" ")));
                Some(":1\r\n".to_owned())
            }
            "EXEC" => {
                self.sent.push((port, words.join(" ")));
                Some(self.executed.to_owned())
            }
            _ => {
                self.sent.push((port, words.join(" ")));
                Some("+OK\r\n".to_owned())
            }
        };
        if let Some(reply) = reply.filter(|_| wire.channel == Channel::Command && !self.silent.contains(&port)) {
            self.sentinel.received(self.now, wire, reply.as_bytes());
        }
    }
}

/// The words of a request.
fn words(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    text.split("\r\n").skip(2).step_by(2).map(str::to_owned).filter(|word| !word.is_empty()).collect()
}

pub(super) fn primary_info(replicas: &[u16]) -> String {
    let mut text = format!("run_id:{}\r\nrole:master\r\n", "a".repeat(40));
    for (index, port) in replicas.iter().enumerate() {
        text.push_str(&format!("slave{index}:ip=10.0.0.1,port={port},state=online,offset=1,lag=0\r\n"));
    }
    text
}

pub(super) fn replica_info(of: u16, priority: u32, offset: u64) -> String {
    format!(
        "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:{of}\r\nmaster_link_status:up\r\n\
         slave_repl_offset:{offset}\r\nslave_priority:{priority}\r\nreplica_announced:1\r\n"
    )
}

pub(super) fn opinion(down: u8, leader: &str, epoch: u64) -> String {
    format!("*3\r\n:{down}\r\n${}\r\n{leader}\r\n:{epoch}\r\n", leader.len())
}

/// How finely time passes, in milliseconds.
const STEP_MS: u64 = 10;
