//! Clients that write all the time, whatever happens to the cluster.
//!
//! Each writer has one request under way. It owns some keys, into which it writes growing numbers, so that a lost
//! write shows; beside them it changes keys of other kinds, whose values only replicas compare.

use std::collections::BTreeMap;
use std::time::Duration;

use slotmesh::testing::{MachineId, Reply, TestCluster};
use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Instant;
use slotmesh_transport_mem::ClientId;

use crate::invariants::Watch;

/// All writers.
pub(crate) struct Load {
    writers: Vec<Writer>,
    rng: Rng,
    /// The owner of each slot, as redirections told.
    routes: BTreeMap<Slot, MachineId>,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
}

struct Writer {
    conn: Option<(MachineId, ClientId)>,
    pending: Option<Pending>,
    idle_until: Instant,
    /// The writer's numbered keys with the last number written, and the last one acknowledged with the
    /// circumstances.
    keys: BTreeMap<String, (u64, Option<Acknowledged>)>,
}

#[derive(Clone)]
struct Pending {
    /// The commands, sent together; the last one's reply counts.
    commands: Vec<Vec<String>>,
    /// Replies that came.
    replies: usize,
    slot: Slot,
    /// The numbered key and its number.
    number: Option<(String, u64)>,
    sent: Instant,
    redirects: u32,
}

/// Who acknowledged a number, and in which life and term of office.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) number: u64,
    pub(crate) by: MachineId,
    pub(crate) starts: u32,
    pub(crate) epoch: u64,
}

impl Load {
    pub(crate) fn new(seed: u64) -> Self {
        let writer = |index: usize| Writer {
            conn: None,
            pending: None,
            idle_until: Instant::ZERO,
            keys: (0..KEYS_PER_WRITER).map(|key| (format!("n:{index}:{key}"), (0, None))).collect(),
        };
        Self {
            writers: (0..WRITERS).map(writer).collect(),
            rng: Rng::new(seed ^ 0x6c6f_6164),
            routes: BTreeMap::new(),
            acknowledged: 0,
            refused: 0,
        }
    }

    /// Takes replies that came and sends what is next.
    pub(crate) fn step(&mut self, t: &TestCluster, watch: &Watch) {
        for index in 0..self.writers.len() {
            self.step_writer(t, watch, index);
        }
    }

    /// The last acknowledged number of each key.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (&str, Acknowledged)> {
        let keys = self.writers.iter().flat_map(|writer| &writer.keys);
        keys.filter_map(|(key, (_, acknowledged))| Some((key.as_str(), (*acknowledged)?)))
    }

    fn step_writer(&mut self, t: &TestCluster, watch: &Watch, index: usize) {
        let now = t.now();
        for _ in 0..REPLIES_MAX {
            if let Some(reply) = self.take_reply(t, index) {
                self.on_reply(t, watch, index, &reply);
            }
        }
        let writer = &mut self.writers[index];
        let lost = writer.conn.is_some_and(|(_, client)| t.with_sim(|sim| sim.closed(client).is_some()));
        let late = writer.pending.as_ref().is_some_and(|pending| now.since(pending.sent) > REPLY_MAX);
        if lost || late {
            self.give_up(t, index);
        }
        let writer = &self.writers[index];
        if writer.pending.is_none() && now >= writer.idle_until {
            self.begin(t, index);
        }
    }

    fn take_reply(&mut self, t: &TestCluster, index: usize) -> Option<Reply> {
        let writer = &self.writers[index];
        writer.pending.as_ref()?;
        let (_, client) = writer.conn?;
        let bytes = t.with_sim(|sim| sim.take_reply(client)).expect("a node sends replies")?;
        let pending = self.writers[index].pending.as_mut()?;
        pending.replies += 1;
        (pending.replies == pending.commands.len()).then(|| Reply::of(&bytes))
    }

    fn begin(&mut self, t: &TestCluster, index: usize) {
        let (commands, number) = self.draw(index);
        let first_key = commands.iter().find_map(|words| words.get(1)).expect("every request has a key");
        let slot = Slot::of_key(first_key.as_bytes());
        let pending = Pending { commands, replies: 0, slot, number, sent: t.now(), redirects: 0 };
        let to = self.routes.get(&slot).copied().unwrap_or_else(|| self.anyone(t));
        self.send(t, index, to, pending);
    }

    /// The next command, with the numbered key it writes.
    fn draw(&mut self, index: usize) -> (Vec<Vec<String>>, Option<(String, u64)>) {
        if self.rng.chance(60) {
            let at = self.rng.index(KEYS_PER_WRITER);
            let (key, (last, _)) = self.writers[index].keys.iter_mut().nth(at).expect("every writer has its keys");
            *last += 1;
            return (vec![strings(&["SET", key, &last.to_string()])], Some((key.clone(), *last)));
        }
        let key = format!("o:{}", self.rng.below(OTHER_KEYS));
        let number = self.rng.below(1_000).to_string();
        if self.rng.chance(10) {
            let key = format!("{{t{}}}", self.rng.below(8));
            let set = strings(&["SET", &format!("{key}:a"), &number]);
            let commands = vec![
                strings(&["MULTI"]),
                set,
                strings(&["INCRBY", &format!("{key}:b"), &number]),
                strings(&["APPEND", &format!("{key}:c"), "y"]),
                strings(&["EXEC"]),
            ];
            return (commands, None);
        }
        let words = match self.rng.below(9) {
            0 => strings(&["INCRBY", &format!("i:{key}"), &number]),
            1 => strings(&["APPEND", &key, "x"]),
            2 => strings(&["DEL", &key]),
            3 => strings(&["SET", &key, &number, "PX", &number.replace('0', "1")]),
            4 => strings(&["PEXPIRE", &key, "700"]),
            5 => strings(&["SETRANGE", &key, "3", &number]),
            6 => strings(&["GETDEL", &key]),
            7 => strings(&["SET", &format!("big:{}", self.rng.below(12)), &number.repeat(1 + self.rng.index(8_000))]),
            _ => strings(&["SET", &key, &"v".repeat(1 + self.rng.index(300))]),
        };
        (vec![words], None)
    }

    fn send(&mut self, t: &TestCluster, index: usize, to: MachineId, mut pending: Pending) {
        let writer = &mut self.writers[index];
        let client = match writer.conn {
            Some((node, client)) if node == to => client,
            before => {
                let address = t.address_of(to);
                let client = t.with_sim(|sim| {
                    if let Some((_, old)) = before {
                        sim.hang_up(old);
                    }
                    sim.client_tcp(address)
                });
                writer.conn = Some((to, client));
                client
            }
        };
        let mut request = Vec::new();
        for words in &pending.commands {
            slotmesh_engine::resp::reply::write_request(&mut request, words.iter().map(String::as_bytes));
        }
        pending.replies = 0;
        t.with_sim(|sim| sim.send(client, &request));
        pending.sent = t.now();
        writer.pending = Some(pending);
    }

    fn on_reply(&mut self, t: &TestCluster, watch: &Watch, index: usize, reply: &Reply) {
        let Some(mut pending) = self.writers[index].pending.take() else { return };
        let now = t.now();
        let Reply::Error(text) = reply else {
            self.acknowledged += 1;
            let pause = Duration::from_micros(self.rng.below(THINK_MICROS_MAX));
            self.writers[index].idle_until = now + pause;
            if let (Some((key, number)), Some((by, _))) = (pending.number, self.writers[index].conn) {
                let epoch = t.with_sim(|sim| sim.machine(by).and_then(|node| Some(node.bus()?.my_epoch())));
                let acknowledged = epoch.map(|epoch| Acknowledged { number, by, starts: watch.starts(by), epoch });
                self.writers[index].keys.insert(key, (number, acknowledged));
            }
            return;
        };
        if let Some(address) = text.strip_prefix("MOVED ").and_then(|rest| rest.split(' ').nth(1)) {
            let ip = address.rsplit_once(':').and_then(|(host, _)| host.parse().ok());
            let to = ip.and_then(MachineId::at).expect("a redirection names a node of this cluster");
            self.routes.insert(pending.slot, to);
            if pending.redirects < REDIRECTS_MAX {
                pending.redirects += 1;
                return self.send(t, index, to, pending);
            }
        } else {
            let known = [
                "CLUSTERDOWN",
                "EXECABORT",
                "LOADING",
                "MASTERDOWN",
                "MISCONF",
                "READONLY",
                "ERR value is not an integer",
            ];
            let expected = known.iter().any(|known| text.starts_with(known));
            assert!(expected, "an unexpected refusal of {:?}: {text}", pending.commands);
        }
        self.refused += 1;
        self.writers[index].idle_until = now + Duration::from_millis(5 + self.rng.below(50));
    }

    /// The connection is lost, or no reply comes: somebody else may know more.
    fn give_up(&mut self, t: &TestCluster, index: usize) {
        let anyone = self.anyone(t);
        let writer = &mut self.writers[index];
        if let Some((_, client)) = writer.conn.take() {
            t.with_sim(|sim| sim.hang_up(client));
        }
        if let Some(pending) = writer.pending.take() {
            self.routes.insert(pending.slot, anyone);
            writer.idle_until = t.now() + Duration::from_millis(10);
        }
    }

    fn anyone(&mut self, t: &TestCluster) -> MachineId {
        MachineId(self.rng.index(t.nodes().len()))
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

const WRITERS: usize = 6;
const KEYS_PER_WRITER: usize = 8;
const OTHER_KEYS: u64 = 24;
/// Commands sent together at the most.
const REPLIES_MAX: usize = 5;
const REDIRECTS_MAX: u32 = 5;

/// How long a writer waits for a reply.
const REPLY_MAX: Duration = Duration::from_secs(1);

/// A writer rests up to this long between two writes, in microseconds.
const THINK_MICROS_MAX: u64 = 30_000;
