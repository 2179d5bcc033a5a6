//! A sentinel: its file is refused or means the same when it is written again, and what instances and other sentinels
//! say leaves it at work.

use std::collections::BTreeSet;
use std::time::Duration;

use slotmesh_cluster::sentinel::config::SentinelConfig;
use slotmesh_cluster::sentinel::{Output, Sentinel, Wire};
use slotmesh_engine::config::Config;
use slotmesh_engine::config::file::sentinel_lines;
use slotmesh_engine::config::rewrite::{Running, rewrite};
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Now;

use super::input::Input;
use super::nodes_conf::now;

pub(crate) fn check_conf(data: &[u8]) {
    let Some(config) = read(data) else { return };
    let lines = config.lines();
    let running = Running { sentinel: &lines, ..Running::default() };
    for old in [data, b""] {
        let text = rewrite(old, &Config::default(), &running);
        let again = read(&text);
        assert_eq!(again.as_ref(), Some(&config), "{}", String::from_utf8_lossy(&text));
    }
}

fn read(text: &[u8]) -> Option<SentinelConfig> {
    let lines = sentinel_lines(text, "7.4.0").ok()?;
    match SentinelConfig::read(&lines, |_| true) {
        Ok(config) => Some(config),
        Err(fault) => {
            assert!(!fault.reason.is_empty());
            None
        }
    }
}

/// A run of steps: one byte chooses, a wire and a line follow.
pub(crate) fn check_instances(data: &[u8]) {
    let config = read(CONF.as_bytes()).expect("the file is sound");
    let mut run = Run {
        sentinel: Sentinel::new(now(), config, 26_379, Vec::new(), Rng::new(1)),
        now: now(),
        wires: BTreeSet::new(),
        sent: 0,
        received: 0,
    };
    run.drain();
    let mut input = Input::new(data);
    while !input.is_empty() {
        run.step(&mut input);
        run.drain();
    }
    let known = &run.sentinel.config().primaries[0];
    assert!(known.replicas.len() <= 1001 && known.sentinels.len() <= 1000);
    // What it knows at the end can be written down and read again.
    check_conf(&rewrite(
        b"",
        &Config::default(),
        &Running { sentinel: &run.sentinel.config().lines(), ..Running::default() },
    ));
}

struct Run {
    sentinel: Sentinel,
    now: Now,
    wires: BTreeSet<Wire>,
    sent: usize,
    received: usize,
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let wire = self.wires.iter().nth(usize::from(input.byte()) % self.wires.len().max(1)).copied();
        match (choice, wire) {
            (b'h', _) => self.sentinel.hear(self.now, input.until(b'\n')),
            (b't', _) => {
                self.now = self.now.plus(Duration::from_millis(input.short() as u64));
                self.sentinel.tick(self.now);
            }
            (b'v', _) => {
                let candidate = String::from_utf8_lossy(input.until(b'\n')).into_owned();
                let address = self.sentinel.config().primaries[0].address.clone();
                let epoch = input.short() as u64;
                self.sentinel.opinion(self.now, &address, epoch, Some(&candidate));
            }
            (b'c', Some(wire)) => {
                self.wires.remove(&wire);
                self.sentinel.closed(self.now, wire);
            }
            (_, Some(wire)) => {
                let text = input.until(b'\n');
                // A line of the input is a line on the wire, or a string of its own.
                let bytes = match choice {
                    b'i' => [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat(),
                    b'm' => [b"*3\r\n$7\r\nmessage\r\n$18\r\n__sentinel__:hello\r\n$", text, b"\r\n"].concat(),
                    _ => [text, b"\r\n"].concat(),
                };
                self.received += bytes.len();
                self.sentinel.received(self.now, wire, &bytes);
            }
            (_, None) => {}
        }
    }

    fn drain(&mut self) {
        for _ in 0..OUTPUTS_MAX {
            let Some(output) = self.sentinel.poll() else { return };
            match output {
                Output::Dial { wire, .. } => {
                    assert!(self.wires.insert(wire), "a wire is dialled once");
                    let ip = Some([10, 0, 0, 1].into());
                    self.sentinel.connected(self.now, wire, ip, ip);
                }
                Output::Drop(wire) => assert!(self.wires.remove(&wire), "only what is open is dropped"),
                Output::Exit(_) => panic!("nobody asked for a failure"),
                Output::Save => self.sentinel.saved(self.now, self.sentinel.version()),
                Output::Send(wire, bytes) => {
                    assert!(self.wires.contains(&wire), "only to what is open");
                    self.sent += bytes.len();
                }
                Output::Log(..) | Output::Publish { .. } | Output::StartScript(..) | Output::StopScript(_) => {}
            }
        }
        panic!("the sentinel does not come to rest");
    }
}

const A: &str = "07c37dfeb235213a872192d90877d0cd55635b91";
const B: &str = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1";

const CONF: &str = "sentinel monitor m 10.0.0.1 6379 1\nsentinel known-replica m 10.0.0.1 6380\n\
                    sentinel down-after-milliseconds m 500\nsentinel failover-timeout m 3000\n\
                    sentinel known-sentinel m 10.0.0.1 26380 07c37dfeb235213a872192d90877d0cd55635b91\n";

pub(crate) fn conf_seeds() -> Vec<Vec<u8>> {
    let full = format!(
        "port 26379\n{CONF}sentinel myid {B}\nsentinel current-epoch 9\nsentinel config-epoch m 3\n\
         sentinel rename-command m CONFIG \"\"\nsentinel auth-pass m \"a b\\xff\"\nsentinel announce-ip 1.2.3.4\n\
         sentinel notification-script m /bin/true\nsentinel known-slave m ::1 7\nsentinel resolve-hostnames yes\n\
         sentinel monitor \"two words\" db.example 6390 2\nsentinel master-reboot-down-after-period m 5\n"
    );
    vec![CONF.as_bytes().to_vec(), full.into_bytes()]
}

pub(crate) fn instance_seeds() -> Vec<Vec<u8>> {
    let hello = format!("h\0 10.0.0.1,26381,{B},3,m,10.0.0.1,6379,0\nh\x0010.0.0.1,26381,{B},3,m,10.0.0.1,6380,3\n");
    let info = "t\0\x01\x00i\x02role:master\rslave0:ip=10.0.0.1,port=6381,state=online\n\
                r\0+OK\nr\0+OK\nr\0+PONG\ni\0role:slave\nr\0:1\nt\0\x03\x7f";
    let silence = format!("t\0\x03\x68t\0\x03\x68t\0\x03\x68v\0{A}\n\0\x05r\x03*3\rt\0\x07\x50c\0t\0\x07\x50h\0x\n");
    vec![hello.into_bytes(), info.as_bytes().to_vec(), silence.into_bytes(), b"r\0-BUSY x\nr\0$9\nt\0\xff\xff".to_vec()]
}

/// Outputs behind one input: a change of address makes a few for each instance there can be.
const OUTPUTS_MAX: usize = 50_000;
