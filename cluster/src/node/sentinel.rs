//! The sentinel inside the node: feeding it connections, bytes and time, and carrying out what it asks.
//!
//! A node that is a sentinel has clients, a listener and a configuration file like any other, and no dataset: what
//! would be recovery and persistence is its configuration file, which it writes at every change of what it knows.

use slotmesh_engine::config::Config;
use slotmesh_engine::config::file::sentinel_lines;
use slotmesh_engine::config::rewrite::SentinelValue;
use slotmesh_engine::config::special::save_points::SavePoints;
use slotmesh_engine::config::startup::SentinelLine;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::{DiskResult, Lane, Ticket};

use super::Node;
use super::boot::Life;
use super::command::PendingSet;
use super::config_rewrite::{ConfigRewrite, Progress};
use super::conns::Kind;
use crate::machine::{ConnId, Effect, Endpoint, Peer, ProcessId, ProcessNews, Reset, Target};
use crate::sentinel::config::SentinelConfig;
use crate::sentinel::script::{ScriptEnd, ScriptId};
use crate::sentinel::{Output, Sentinel, Wire};

/// A sentinel with its file.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) sentinel: Sentinel,
    /// The file on its way to disk, with the version of what it will say.
    writing: Option<(ConfigRewrite, u64)>,
    /// There is something new to write.
    is_stale: bool,
    /// The last write failed; the next one is tried then.
    retry: Option<Instant>,
    /// Replies that speak of a version not yet on disk.
    holds: Vec<(u64, Ticket)>,
    /// Clients that wait for a version to be on disk.
    waiters: Vec<(u64, ConnId)>,
    /// Commands that wait to hear of scripts.
    pub(super) sets: Vec<PendingSet>,
}

impl Watching {
    fn new(sentinel: Sentinel) -> Self {
        Self {
            sentinel,
            writing: None,
            is_stale: false,
            retry: None,
            holds: Vec::new(),
            waiters: Vec::new(),
            sets: Vec::new(),
        }
    }
}

impl Node {
    /// A node that is a sentinel. What it watches is in the `sentinel` lines of its configuration, or, when there are
    /// none, in the file that [`HostInfo::config_file`](super::HostInfo::config_file) names; without a file it forgets
    /// at its end what it knows.
    ///
    /// # Panics
    /// As [`Node::new`].
    pub fn sentinel(mut config: Config, seed: u64) -> Self {
        // There is nothing to save.
        config.save = SavePoints::new(Vec::new());
        let mut node = Self::with_role(slotmesh_engine::Engine::new(config, seed), seed, super::Kit::Sentinel);
        let rng = node.rng.fork();
        let empty = Sentinel::new(Now::default(), SentinelConfig::default(), 0, Vec::new(), rng);
        node.watching = Some(Box::new(Watching::new(empty)));
        node
    }

    /// The sentinel, when this node is one.
    pub fn as_sentinel(&self) -> Option<&Sentinel> {
        self.watching.as_ref().map(|watching| &watching.sentinel)
    }

    /// The sentinel, for commands that only exist on one.
    pub(super) fn sentinel_mut(&mut self) -> Result<&mut Sentinel, ReplyError> {
        let watching = self.watching.as_mut();
        watching.map(|watching| &mut watching.sentinel).ok_or(ReplyError::Fixed("ERR This instance is not a Sentinel"))
    }

    // --- beginning --------------------------------------------------------------------------------------------

    /// Begins a sentinel: with the lines it was given, or with those of its file.
    pub(super) fn start_sentinel(&mut self, now: Now) {
        let lines = self.engine.core().config.startup.sentinel.clone();
        match self.host.config_file.clone() {
            Some(path) if lines.is_empty() => {
                let (rewrite, ticket, op) = ConfigRewrite::begin(path, &mut self.tickets);
                self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
                self.life = Life::ReadingSentinelConfig(Box::new(rewrite));
            }
            _ => self.begin_sentinel(now, &lines),
        }
    }

    /// Takes an answer about the file a sentinel begins with. Returns whether it was one.
    pub(super) fn sentinel_boot_on_disk(&mut self, now: Now, ticket: Ticket, result: &DiskResult) -> bool {
        let Life::ReadingSentinelConfig(reading) = &mut self.life else { return false };
        match reading.on_disk(ticket, result, &mut self.tickets) {
            Progress::Next(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Config, op)),
            Progress::Read(text) => match sentinel_lines(&text, &self.engine.core().config.slotmesh_version) {
                Ok(lines) => self.begin_sentinel(now, &lines),
                Err(fatal) => self.fail_start(fatal.to_string()),
            },
            Progress::Failed(why) => self.fail_start(format!("Can't read the Sentinel config file: {why}")),
            Progress::Done | Progress::NotMine => return false,
        }
        true
    }

    fn fail_start(&mut self, why: String) {
        self.log_warning(why);
        self.exit(1);
    }

    fn begin_sentinel(&mut self, now: Now, lines: &[SentinelLine]) {
        // Whether scripts can be run was looked at by who read the file; here is no file system to ask.
        let read = match SentinelConfig::read(lines, |_| true) {
            Ok(read) => read,
            Err(fault) => return self.fail_start(fault.to_string()),
        };
        let config = &self.engine.core().config;
        let (port, requirepass) = (config.port, config.requirepass.clone());
        let rng = self.rng.fork();
        let sentinel = Sentinel::new(now, read, port, requirepass, rng);
        let is_durable = sentinel.is_durable();
        self.watching = Some(Box::new(Watching::new(sentinel)));
        self.life = Life::WritingSentinelConfig;
        if is_durable {
            self.open_listeners();
        }
    }

    /// The listener is there: the sentinel begins to watch.
    pub(super) fn begin_watching(&mut self, now: Now) {
        self.life = Life::Running;
        self.started = now;
        if let Some(watching) = &mut self.watching {
            watching.sentinel.announce(now);
        }
    }

    // --- wires ------------------------------------------------------------------------------------------------

    pub(super) fn wire_connected(&mut self, now: Now, wire: Wire, peer: &Peer) {
        let (local, remote) = match peer {
            Peer::Tcp { remote, local } => (Some(local.ip()), Some(remote.ip())),
            Peer::InProcess | Peer::Unix { .. } => (None, None),
        };
        if let Some(watching) = &mut self.watching {
            watching.sentinel.connected(now, wire, local, remote);
        }
    }

    pub(super) fn wire_closed(&mut self, now: Now, wire: Wire, reset: &Reset) {
        if let Some(watching) = &mut self.watching {
            if matches!(reset, Reset::NoAddress(_)) {
                watching.sentinel.unknown_name(wire);
            }
            watching.sentinel.closed(now, wire);
        }
    }

    pub(super) fn read_wire(&mut self, now: Now, wire: Wire, bytes: &[u8]) {
        if let Some(watching) = &mut self.watching {
            watching.sentinel.received(now, wire, bytes);
        }
    }

    // --- time -------------------------------------------------------------------------------------------------

    pub(super) fn tick_sentinel(&mut self, now: Now) {
        if !self.is_running() {
            return;
        }
        let Some(watching) = &mut self.watching else { return };
        watching.sentinel.tick(now);
        if watching.retry.is_some_and(|due| due <= now.instant) {
            watching.retry = None;
            watching.is_stale = true;
            self.stirred = true;
        }
    }

    pub(super) fn sentinel_deadline(&self) -> Option<Instant> {
        let watching = self.watching.as_ref().filter(|_| self.is_running())?;
        Some(watching.retry.map_or(Instant::MAX, |due| due).min(watching.sentinel.deadline()))
    }

    // --- what it asks -----------------------------------------------------------------------------------------

    /// Carries out one wish of the sentinel. Returns whether there was one.
    pub(super) fn step_sentinel(&mut self, now: Now) -> bool {
        let Some(watching) = &mut self.watching else { return false };
        let Some(output) = watching.sentinel.poll() else { return self.write_sentinel_config(now) };
        match output {
            Output::Dial { wire, host, port } => {
                let conn = self.conns.open(Kind::Wire(wire));
                let target = Target { host, port, source: self.bind_source() };
                self.effects.push_back(Effect::Dial(conn, target, Endpoint::Client));
            }
            Output::Drop(wire) => self.drop_wire(wire),
            Output::Exit(code) => self.exit(code),
            Output::Log(level, text) => self.log(level, text),
            Output::Publish { channel, message } => {
                self.engine.core_mut().pubsub.publish(channel.as_bytes(), message.as_bytes());
                self.engine.deliver();
            }
            Output::Save => watching.is_stale = true,
            Output::Send(wire, bytes) => self.send_wire(wire, &bytes),
            Output::StartScript(id, mut argv) => {
                if let Some(path) = argv.first_mut() {
                    *path = self.script_path(path);
                }
                self.effects.push_back(Effect::Run(ProcessId(id.0), argv));
            }
            Output::StopScript(id) => self.effects.push_back(Effect::Kill(ProcessId(id.0))),
        }
        true
    }

    /// Where a script is that may be named from our folder on.
    pub(super) fn script_path(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { self.path_of(path) }
    }

    fn drop_wire(&mut self, wire: Wire) {
        let Some(conn) = self.conns.of_wire(wire) else { return };
        if let Some(mut closed) = self.conns.close(conn) {
            closed.out.clear();
            self.effects.push_back(Effect::Close(conn, Vec::new()));
        }
    }

    fn send_wire(&mut self, wire: Wire, bytes: &[u8]) {
        let Some(conn) = self.conns.of_wire(wire) else { return };
        self.conns.own_out(conn).put(bytes);
        self.effects.push_back(Effect::Flush(conn));
    }

    /// The host tells of a script.
    pub(super) fn on_process(&mut self, now: Now, id: ProcessId, news: ProcessNews) {
        let Some(watching) = &mut self.watching else { return };
        match news {
            ProcessNews::Started(process_id) => watching.sentinel.script_started(ScriptId(id.0), process_id),
            ProcessNews::Ended { signal, code } => {
                watching.sentinel.script_ended(now, ScriptId(id.0), ScriptEnd { signal, code });
            }
        }
    }

    // --- the file ---------------------------------------------------------------------------------------------

    /// Begins to write the file when there is something new, one write at a time. Returns whether anything happened.
    fn write_sentinel_config(&mut self, now: Now) -> bool {
        let Some(watching) = &mut self.watching else { return false };
        if !watching.is_stale || watching.writing.is_some() || matches!(self.life, Life::New | Life::Ended) {
            return false;
        }
        watching.is_stale = false;
        watching.retry = None;
        let version = watching.sentinel.version();
        let Some(path) = self.host.config_file.clone() else {
            self.sentinel_config_saved(now, version);
            return true;
        };
        let (rewrite, ticket, op) = ConfigRewrite::begin(path, &mut self.tickets);
        watching.writing = Some((rewrite, version));
        self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
        true
    }

    /// Takes an answer about the sentinel's file. Returns whether it was one.
    pub(super) fn sentinel_on_disk(&mut self, now: Now, ticket: Ticket, result: &DiskResult) -> bool {
        let Self { watching: Some(watching), tickets, .. } = self else { return false };
        let Some((rewrite, _)) = &mut watching.writing else { return false };
        match rewrite.on_disk(ticket, result, tickets) {
            Progress::NotMine => return false,
            Progress::Next(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Config, op)),
            Progress::Read(old) => self.replace_sentinel_config(now, &old),
            Progress::Done => {
                let version = watching.writing.take().map_or(0, |(_, version)| version);
                self.log_notice("Sentinel new configuration saved on disk");
                self.sentinel_config_saved(now, version);
            }
            Progress::Failed(why) => self.sentinel_config_failed(now, &why),
        }
        true
    }

    fn replace_sentinel_config(&mut self, now: Now, old: &[u8]) {
        let text = self.rewritten(now, old);
        let Self { watching: Some(watching), tickets, process_id, .. } = self else { return };
        // What was found out since the write began is in it.
        let now_said = watching.sentinel.version();
        let Some((rewrite, version)) = &mut watching.writing else { return };
        *version = now_said;
        watching.is_stale = false;
        let (ticket, op) = rewrite.write(text, *process_id, tickets);
        self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
    }

    fn sentinel_config_saved(&mut self, now: Now, version: u64) {
        let Some(watching) = &mut self.watching else { return };
        watching.sentinel.saved(now, version);
        for ticket in take_covered(&mut watching.holds, version) {
            self.release_replies(ticket);
        }
        let Some(watching) = &mut self.watching else { return };
        for conn in take_covered(&mut watching.waiters, version) {
            self.answer(conn, Ok(()));
        }
        if matches!(self.life, Life::WritingSentinelConfig) {
            self.open_listeners();
        }
    }

    /// Nothing that is not on disk leaves; the write is tried again until it succeeds.
    fn sentinel_config_failed(&mut self, now: Now, why: &str) {
        self.log_warning(format!("WARNING: Sentinel was not able to save the new configuration on disk!!!: {why}"));
        if matches!(self.life, Life::WritingSentinelConfig) {
            return self.exit(1);
        }
        let Some(watching) = &mut self.watching else { return };
        watching.writing = None;
        watching.retry = Some(now.instant.plus_millis(RETRY_MS));
        for (_, conn) in std::mem::take(&mut watching.waiters) {
            self.answer(conn, Err(ReplyError::Fixed("ERR Failed to save config file. Check server logs.")));
        }
    }

    /// Hides what a client has not been sent until all that the sentinel decided is on disk.
    pub(super) fn hold_until_saved(&mut self, conn: ConnId) {
        let Self { watching: Some(watching), tickets, .. } = self else { return };
        if watching.sentinel.is_durable() {
            return;
        }
        let ticket = tickets.take();
        watching.holds.push((watching.sentinel.version(), ticket));
        self.hold_replies(conn, ticket);
    }

    /// Has a client wait until all that the sentinel decided is on disk, for an OK or the reason why it is not.
    pub(super) fn answer_when_saved(&mut self, conn: ConnId) {
        let Some(watching) = &mut self.watching else { return };
        watching.waiters.push((watching.sentinel.version(), conn));
        self.wait_for_host(conn);
    }

    /// The lines of the sentinel in its file; none for other nodes.
    pub(super) fn sentinel_lines(&self) -> Vec<(&'static str, Vec<SentinelValue>)> {
        self.as_sentinel().map(|sentinel| sentinel.config().lines()).unwrap_or_default()
    }

    /// Whether this node is a sentinel.
    pub(super) fn is_sentinel(&self) -> bool {
        self.watching.is_some()
    }
}

/// Takes out what waits for this version or an earlier one.
fn take_covered<T: Copy>(waiting: &mut Vec<(u64, T)>, version: u64) -> Vec<T> {
    let covered = waiting.iter().filter(|(of, _)| *of <= version).map(|(_, what)| *what).collect();
    waiting.retain(|(of, _)| *of > version);
    covered
}

/// How long after a failed write the next one is tried, in milliseconds.
const RETRY_MS: u64 = 1_000;
