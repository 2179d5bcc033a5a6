//! The node: engine, replication and cluster bus composed into one machine.
//!
//! [`Node`] holds the fields and takes inputs; every other file here is one concern of it: `intake`, `batch` and `ahead` read
//! requests, `answer` is their short way, `dispatch` is the list of gates, `blocked` and `waiting` hold clients back, `drain` moves what the parts produced to where it must go, `links` feeds
//! the bus, `courier` sends keys elsewhere, `primary_link` and `replicas` the two sides of replication, `snapshot` and `persistence` the files, `boot`
//! and `shutdown` the two ends of its life, `timers` its waits. No file decides what another concern owns.

mod ahead;
mod answer;
mod batch;
mod blocked;
mod boot;
mod client_info;
mod clients;
mod command;
mod config_rewrite;
mod conns;
mod courier;
mod deaf;
mod dispatch;
mod drain;
mod handover;
mod info;
mod intake;
mod links;
mod memory;
mod monitor;
mod pause;
mod persistence;
mod primary_link;
mod rates;
mod reconfigure;
mod recovery;
mod reload;
mod replicas;
mod sentinel;
mod shutdown;
mod sizes;
mod slot_gate;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod timers;
mod timing;
mod unread;
mod waiting;

use std::collections::VecDeque;
use std::time::Duration;

use slotmesh_engine::Engine;
use slotmesh_engine::command::spec::Spec;
use slotmesh_engine::command::{CommandId, DataFn, Registry};
use slotmesh_engine::config::Config;
use slotmesh_engine::config::choices::LogLevel as ConfiguredLevel;
use slotmesh_engine::load::LoadInfo;
use slotmesh_engine::resp::args::{Args, Framed};
use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::session::SessionId;
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::Tickets;
use slotmesh_replication::offset::{Offset, Replid};
use slotmesh_replication::persist::job::SnapshotJob;

use crate::bus::{Bus, ConfigFile};
use crate::machine::{Answer, ConnId, Effect, Endpoint, Input, LogLevel, LogLine, Machine, Peer, Reset, Signal, Timer};
use ahead::Alone;
use batch::{Batch, Kept};
use boot::Life;
pub use boot::{CpuTime, HostInfo, HostMemory};
use command::NodeFn;
use conns::{Conns, Kind};
use courier::Courier;
use deaf::Deaf;
use handover::HandOver;
use intake::Known;
use pause::Pauses;
use persistence::Persistence;
use primary_link::Following;
use rates::Rates;
use reconfigure::Reconfiguring;
use reload::Reload;
use replicas::Replication;
use sentinel::Watching;
use shutdown::Ending;
use sizes::Sizes;
use timers::Timers;
use timing::Timing;

/// A server node: what `redis-server` is, as a function of bytes and time.
///
/// Give it inputs with [`Machine::handle`], carry out what [`Machine::poll`] returns. It begins with
/// [`Node::start`] and ends with [`Effect::Exit`].
#[derive(Debug)]
pub struct Node {
    engine: Engine,
    conns: Conns,
    /// Nothing without `cluster-enabled`.
    bus: Option<Bus>,
    /// Nothing but on a sentinel.
    watching: Option<Box<Watching>>,
    replication: Replication,
    persistence: Persistence,
    /// The walk that is running.
    job: Option<SnapshotJob>,
    /// Whether the next drain looks for a walk to begin.
    walk_wanted: bool,
    /// When a walk that is slowed down (`rdb-key-save-delay`) goes on.
    walk_rests_until: Instant,
    following: Following,
    /// Keys on their way to other servers.
    courier: Courier,
    /// A FAILOVER in progress.
    handover: Option<HandOver>,
    /// Changes of the configuration that wait for the host.
    reconfiguring: Reconfiguring,
    /// DEBUG SLEEP, or a dataset that is read anew.
    deaf: Deaf,
    reload: Option<Reload>,
    /// An end in progress.
    ending: Option<Ending>,
    timers: Timers,
    host: HostInfo,
    process_id: u32,
    /// What the dataset's file told at start.
    loaded: LoadInfo,
    /// Most memory ever seen in use, in bytes.
    memory_peak: usize,
    /// Clients that are about to hear that the cluster's state has changed.
    promised: Vec<ConnId>,
    /// Clients whose wait ended during a drain.
    resumed: Vec<ConnId>,
    pause: Pauses,
    life: Life,
    /// The cluster this node is a founding member of, if it finds no nodes.conf.
    founding: Option<Box<ConfigFile>>,
    /// The node's own commands, by the number their rows carry.
    functions: Vec<NodeFn>,
    /// Memory for the requests being read, kept from call to call.
    batch: Batch,
    /// The same for requests that came alone.
    alone: Alone,
    /// Requests that were read of a client that had to wait.
    kept: Kept,
    /// Memory for the names of sessions to flush.
    noted: Vec<SessionId>,
    effects: VecDeque<Effect>,
    /// Whether something else than data commands may have happened since the last drain.
    stirred: bool,
    /// Whether nothing goes on that a plain read would have to care about, as of the last drain.
    is_calm: bool,
    /// The caller in the process whose request is being handled: it takes its reply itself.
    caller: Option<ConnId>,
    /// The earliest of all waits, as of the last drain.
    next_timer: Option<(Instant, Timer)>,
    tickets: Tickets,
    rng: Rng,
    /// What the host said the time was, at the last call.
    last_now: Now,
    started: Now,
    run_id: [u8; 40],
    /// Number of clients that asked to see every command.
    monitors: usize,
    /// Whose queue EXEC is running, and how long that is: nothing blocks then.
    executing: Option<(ConnId, usize)>,
    counters: Counters,
    rates: Rates,
    timing: Timing,
    /// Large requests and replies.
    sizes: Sizes,
    /// The commands of [`timing::PLAIN_SETS`].
    plain_sets: [Option<CommandId>; 3],
}

/// A place in the history of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// The history's name.
    pub replid: Replid,
    /// Bytes of it that are in the dataset.
    pub offset: Offset,
    /// Whether changes are counted: a primary that never had a replica puts none into words.
    pub is_open: bool,
}

/// What the node counts of connections, for INFO.
#[derive(Debug, Default)]
struct Counters {
    connections_received: u64,
    rejected_connections: u64,
    net_input_bytes: u64,
    net_output_bytes: u64,
    replication_input_bytes: u64,
    replication_output_bytes: u64,
    /// Arrivals of bytes from clients.
    reads: u64,
    /// Times a client's bytes were handed to the host.
    writes: u64,
    output_limit_disconnections: u64,
    query_limit_disconnections: u64,
}

impl Node {
    /// A node that has not begun. `seed` decides every id, hash key and random pick it will make.
    ///
    /// # Panics
    /// As [`with_commands`](Self::with_commands).
    pub fn new(config: Config, seed: u64) -> Self {
        Self::with_engine(Engine::new(config, seed), seed)
    }

    /// A node with more data commands than Redis has.
    ///
    /// # Panics
    /// When a row's name is taken, or the configuration renames a command that is not there or to a name that is
    /// (the grammar of configuration files refuses such a line).
    pub fn with_commands(config: Config, seed: u64, rows: &'static [Spec<DataFn>]) -> Self {
        Self::with_engine(Engine::new(config, seed).with_commands(rows), seed)
    }

    fn with_engine(engine: Engine, seed: u64) -> Self {
        Self::with_role(engine, seed, Kit::Server)
    }

    fn with_role(mut engine: Engine, seed: u64, kit: Kit) -> Self {
        // The engine's stream begins at the seed itself.
        let mut rng = Rng::new(seed ^ NODE_STREAM).fork();
        let functions = command::register(engine.registry_mut(), kit);
        let run_id = rng.hex_id();
        let plain_sets = timing::PLAIN_SETS.map(|name| engine.registry().find(name));
        let config = engine.core().config.clone();
        for rename in &config.startup.renames {
            engine.registry_mut().rename(&rename.from, &rename.to).unwrap_or_else(|why| panic!("{why}"));
        }
        let replication = Replication::new(Now::default(), &config, &mut rng);
        Self {
            engine,
            conns: Conns::default(),
            bus: None,
            watching: None,
            replication,
            persistence: Persistence::new(Now::default(), &config, 0),
            job: None,
            walk_wanted: false,
            walk_rests_until: Instant::ZERO,
            following: Following::default(),
            courier: Courier::default(),
            handover: None,
            reconfiguring: Reconfiguring::default(),
            deaf: Deaf::default(),
            reload: None,
            ending: None,
            timers: Timers::default(),
            host: HostInfo::default(),
            process_id: 0,
            loaded: LoadInfo::default(),
            memory_peak: 0,
            promised: Vec::new(),
            resumed: Vec::new(),
            pause: Pauses::default(),
            life: Life::New,
            founding: None,
            functions,
            batch: Batch::default(),
            kept: Kept::default(),
            alone: Alone::default(),
            noted: Vec::new(),
            effects: VecDeque::new(),
            stirred: true,
            is_calm: false,
            caller: None,
            next_timer: None,
            tickets: Tickets::default(),
            rng,
            last_now: Now::default(),
            started: Now::default(),
            run_id,
            monitors: 0,
            executing: None,
            counters: Counters::default(),
            rates: Rates::default(),
            timing: Timing::default(),
            sizes: Sizes::default(),
            plain_sets,
        }
    }

    /// Tells the node of the process around it, for INFO and for names of temporary files; before [`Node::start`].
    pub fn set_host(&mut self, host: HostInfo) {
        self.process_id = host.process_id;
        self.host = host;
    }

    /// Makes the node a founding member of a cluster that begins with these nodes and slots; before [`Node::start`].
    ///
    /// All members are told the same, each with its own line marked `myself`. A node that finds a nodes.conf is what
    /// that file says instead. Unlike a node that was restarted, a founder has nothing to catch up with and serves as
    /// soon as it reaches a majority.
    pub fn found_cluster(&mut self, members: ConfigFile) {
        self.founding = Some(Box::new(members));
    }

    /// Renews the processor time that INFO shows.
    pub fn set_cpu_time(&mut self, cpu: CpuTime) {
        self.host.cpu = cpu;
    }

    /// Renews what INFO shows of the processor time of the thread the node works on; nothing leaves that out.
    pub fn set_main_thread_cpu_time(&mut self, cpu: Option<CpuTime>) {
        self.host.cpu_of_main_thread = cpu;
    }

    /// Renews the memory that INFO shows.
    pub fn set_memory(&mut self, memory: HostMemory) {
        self.host.memory = memory;
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The cluster bus, to look at; nothing without `cluster-enabled`.
    pub fn bus(&self) -> Option<&Bus> {
        self.bus.as_ref()
    }

    /// Whether the dataset follows a primary.
    pub fn is_replica(&self) -> bool {
        self.engine.core().is_replica
    }

    /// Whether the stream of the primary is open and applied as it comes.
    pub fn is_following(&self) -> bool {
        self.is_replica() && self.is_primary_link_up()
    }

    /// Which history the dataset belongs to, and how far it has come in it.
    pub fn history(&self) -> History {
        let log = &self.replication.log;
        History { replid: log.replid(), offset: log.offset(), is_open: log.is_active() }
    }

    /// Whether EXEC is running its queue: nothing blocks then.
    fn is_in_transaction(&self) -> bool {
        self.executing.is_some()
    }

    fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        if level < least_level(self.engine.core().config.loglevel) {
            return;
        }
        let role = match (self.is_sentinel(), self.is_replica()) {
            (true, _) => 'X',
            (false, true) => 'S',
            (false, false) => 'M',
        };
        self.effects.push_back(Effect::Log(LogLine { level, role, text: text.into() }));
    }

    fn log_warning(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Warning, text);
    }

    fn log_notice(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Notice, text);
    }

    fn log_verbose(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Verbose, text);
    }

    /// Whether verbose lines are logged: what goes into some is worth looking at first.
    fn is_verbose(&self) -> bool {
        LogLevel::Verbose >= least_level(self.engine.core().config.loglevel)
    }

    fn on_closed(&mut self, now: Now, conn: ConnId, reset: &Reset) {
        if self.is_verbose() && self.conns.client(conn).is_some() {
            let info = self.client_info(conn);
            self.log_verbose(match reset {
                Reset::EndOfStream => format!("Client closed connection {info}"),
                Reset::Error(text) | Reset::NoAddress(text) => format!("Reading from client: {text} {info}"),
            });
        }
        let Some(closed) = self.conns.close(conn) else { return };
        match &closed.kind {
            Kind::Client(client) => self.forget_client(now, conn, client),
            Kind::Courier => self.courier_closed(now, &closed, reset),
            Kind::Link(link) => self.link_closed(now, *link),
            Kind::Primary => self.primary_closed(now, reset),
            Kind::Wire(wire) => self.wire_closed(now, *wire, reset),
        }
    }

    /// Notes the time, and whether it is one at which the dataset stands still.
    fn now_is(&mut self, now: Now) {
        self.last_now = now;
        let is_paused = !self.pause.is_empty() && self.pause.current(now.instant).is_some();
        self.engine.core_mut().is_paused = is_paused;
    }

    fn handle_input(&mut self, now: Now, input: Input<'_>) {
        self.stirred |= !matches!(input, Input::Received(..) | Input::Request(..));
        match input {
            Input::Closed(conn, reset) => self.on_closed(now, conn, &reset),
            Input::Connected(conn, peer) => self.on_connected(now, conn, &peer),
            Input::Disk(ticket, result) => self.on_disk(now, ticket, result),
            Input::Drained(conn) => self.on_drained(now, conn),
            Input::Listening(endpoint, result) => self.on_listening(now, endpoint, result),
            Input::Process(id, news) => self.on_process(now, id, news),
            Input::Received(conn, bytes) => self.on_received(now, conn, bytes),
            Input::Request(conn, request) => {
                self.caller = Some(conn);
                self.on_request(now, conn, request, None);
            }
            Input::Signal(Signal::Interrupt) => self.on_signal(now, "SIGINT"),
            Input::Signal(Signal::Terminate) => self.on_signal(now, "SIGTERM"),
            Input::Timer => self.on_timer(now),
        }
    }

    fn on_received(&mut self, now: Now, conn: ConnId, bytes: &[u8]) {
        let len = bytes.len() as u64;
        match self.conns.get(conn).map(|conn| &conn.kind) {
            Some(Kind::Client(_)) => {
                self.counters.net_input_bytes += len;
                self.counters.reads += 1;
                self.read_client(now, conn, bytes);
            }
            Some(Kind::Courier) => {
                self.stirred = true;
                self.read_courier(now, conn, bytes);
            }
            Some(&Kind::Link(link)) => {
                self.stirred = true;
                self.read_link(now, link, bytes);
            }
            Some(Kind::Primary) => {
                self.stirred = true;
                self.counters.replication_input_bytes += len;
                self.read_primary(now, bytes);
            }
            Some(&Kind::Wire(wire)) => {
                self.stirred = true;
                self.read_wire(now, wire, bytes);
            }
            None => {}
        }
    }

    fn on_request(&mut self, now: Now, conn: ConnId, request: Framed<'_>, known: Option<Known>) {
        if self.conns.client(conn).is_some() {
            self.counters.net_input_bytes += request.bytes.len() as u64;
            self.counters.reads += 1;
            self.run_request(now, conn, request, known);
        }
    }

    fn on_connected(&mut self, now: Now, conn: ConnId, peer: &Peer) {
        match self.conns.get(conn).map(|conn| &conn.kind) {
            Some(Kind::Courier) => self.courier_connected(now, conn),
            Some(&Kind::Link(link)) => self.link_connected(now, link, peer),
            Some(Kind::Primary) => self.primary_connected(now),
            Some(&Kind::Wire(wire)) => self.wire_connected(now, wire, peer),
            Some(Kind::Client(_)) | None => {}
        }
    }
}

impl Machine for Node {
    fn accept(&mut self, now: Now, endpoint: Endpoint, peer: Peer) -> ConnId {
        self.last_now = now;
        self.stirred = true;
        let conn = match endpoint {
            Endpoint::Bus => self.accept_link(now, &peer),
            Endpoint::Client => self.accept_client(now, peer),
        };
        self.drain(now);
        conn
    }

    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.now_is(now);
        if self.deaf.is_deaf() {
            self.handle_deaf(now, input);
        } else {
            self.handle_input(now, input);
        }
        self.drain(now);
    }

    fn answer_at_once(&mut self, now: Now, conn: ConnId, request: Args<'_>, reply: &mut Vec<u8>) -> Answer {
        self.answer_plainly(now, conn, request, reply)
    }

    fn receive_many(&mut self, now: Now, batch: &[(ConnId, &[u8])]) {
        self.now_is(now);
        self.read_many(now, batch);
        self.drain(now);
    }

    fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn out_buf(&mut self, conn: ConnId) -> &mut OutBuf {
        let session = match self.conns.get(conn).map(|conn| &conn.kind) {
            None => return self.conns.nobody(),
            Some(Kind::Client(client)) => Some(client.session),
            Some(Kind::Courier | Kind::Link(_) | Kind::Primary | Kind::Wire(_)) => None,
        };
        match session {
            Some(session) => self.engine.out(session),
            None => self.conns.own_out(conn),
        }
    }

    fn deadline(&self) -> Option<(Instant, Timer)> {
        self.next_timer
    }

    fn wants_took(&self) -> bool {
        self.timing.wants_took()
    }

    fn took(&mut self, now: Now, took: Duration) {
        self.last_now = now;
        self.on_took(now, took);
    }

    fn state_hash(&self) -> u64 {
        self.hash_of_state()
    }
}

/// Whether a command of this name exists on a node, letters of either case being the same; for checking
/// `rename-command` lines before a node is built.
pub fn is_command(name: &[u8]) -> bool {
    commands(&[]).find(name).is_some()
}

/// The table of all commands of a node that also has these: for clients that must know where a command's keys are, and
/// for documentation.
///
/// # Panics
/// When a row's name is taken.
pub fn commands(rows: &'static [Spec<DataFn>]) -> Registry {
    let mut engine = Engine::new(Config::default(), 0).with_commands(rows);
    command::register(engine.registry_mut(), Kit::Server);
    std::mem::take(engine.registry_mut())
}

/// The table of all commands of a sentinel, for documentation.
pub fn sentinel_commands() -> Registry {
    let mut engine = Engine::new(Config::default(), 0);
    command::register(engine.registry_mut(), Kit::Sentinel);
    std::mem::take(engine.registry_mut())
}

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kit {
    Sentinel,
    Server,
}

fn least_level(configured: ConfiguredLevel) -> LogLevel {
    match configured {
        ConfiguredLevel::Debug => LogLevel::Debug,
        ConfiguredLevel::Verbose => LogLevel::Verbose,
        ConfiguredLevel::Notice => LogLevel::Notice,
        ConfiguredLevel::Warning => LogLevel::Warning,
    }
}

/// Separates the node's random stream from the engine's.
const NODE_STREAM: u64 = 0x6e6f_6465;
