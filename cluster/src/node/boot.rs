//! The beginning of a node: configuration files, dataset, listeners, in that order of events.

use slotmesh_engine::load::LoadInfo;
use slotmesh_engine::time::Now;
use slotmesh_replication::disk::{DiskErrorKind, DiskOp, DiskResult, Lane, Ticket};
use slotmesh_replication::persist::sequence::{Advance, Sequence};
use slotmesh_replication::persist::temporary;

use super::Node;
use super::persistence::Persistence;
use crate::bus::config_file::{self, ConfigFile};
use crate::bus::{Bus, BusConfig, EndpointKind};
use crate::machine::{Effect, Endpoint, Listen};

/// Where a node is in its life.
#[derive(Debug, Default)]
pub(super) enum Life {
    /// It has not begun.
    #[default]
    New,
    /// It takes its lock and reads nodes.conf.
    ReadingClusterConfig(Reading),
    /// It makes sure that the nodes.conf it found lasts: before that nobody may hear what it says.
    SyncingClusterConfig(Sequence),
    /// A new node writes its first nodes.conf: nobody shall hear of a node that a crash makes another one.
    WritingClusterConfig,
    /// A sentinel reads its configuration file.
    ReadingSentinelConfig(Box<super::config_rewrite::ConfigRewrite>),
    /// A sentinel writes its configuration file: it may have a new name.
    WritingSentinelConfig,
    /// It waits for its listeners.
    Listening {
        /// Answers still to come.
        left: u8,
    },
    /// It reads its dataset.
    Loading(Box<super::recovery::Recovery>),
    /// It writes the first base of its append only file: before that no write could be promised.
    FirstBase(Box<LoadInfo>),
    /// It serves.
    Running,
    /// It has ended.
    Ended,
}

/// nodes.conf, as far as it was read.
#[derive(Debug)]
pub(super) struct Reading {
    ticket: Ticket,
    bytes: Vec<u8>,
}

/// What the host tells of itself once, for INFO.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostInfo {
    /// The operating system's name and version.
    pub os: String,
    /// How the host waits for sockets.
    pub multiplexing: String,
    /// The program's path.
    pub executable: String,
    /// The allocator's name.
    pub allocator: String,
    /// The configuration file's complete path, when there is one.
    pub config_file: Option<String>,
    /// The process's number.
    pub process_id: u32,
    /// Processor time used so far; the host renews it now and then.
    pub cpu: CpuTime,
    /// Of it, that of the thread the node works on, where the host knows that thread.
    pub cpu_of_main_thread: Option<CpuTime>,
    /// Memory of process and machine; the host renews it now and then.
    pub memory: HostMemory,
    /// The supervisor that is told of readiness, as INFO names it; empty for none.
    pub supervisor: String,
    /// Files the process can open at the most; 0 where the host cannot tell.
    pub open_files_max: u64,
}

/// Memory as the operating system counts it; zero where the host cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostMemory {
    /// Bytes of the process that are in memory.
    pub resident_bytes: usize,
    /// Bytes of memory the machine has.
    pub system_bytes: usize,
}

/// Processor time of a process or a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuTime {
    /// In the kernel, in microseconds.
    pub system_micros: u64,
    /// In the program, in microseconds.
    pub user_micros: u64,
}

impl Node {
    /// Begins the node's life: call it once, before any input.
    pub fn start(&mut self, now: Now) {
        assert!(matches!(self.life, Life::New), "a node begins once");
        self.last_now = now;
        self.started = now;
        self.timing.configure(&self.engine.core().config);
        self.sizes.configure(&self.engine.core().config);
        self.persistence = Persistence::new(now, &self.engine.core().config, self.process_id);
        if self.is_sentinel() {
            self.start_sentinel(now);
        } else if let Some(lines) = self.modules_asked_for() {
            lines.into_iter().for_each(|line| self.log_warning(line));
            self.exit(1);
        } else if self.engine.core().config.cluster_enabled {
            let path = self.path_of(&self.engine.core().config.cluster_config_file);
            let ticket = self.tickets.take();
            self.effects.push_back(Effect::Disk(ticket, Lane::Config, DiskOp::Lock { path }));
            self.life = Life::ReadingClusterConfig(Reading { ticket, bytes: Vec::new() });
        } else {
            self.open_listeners();
        }
        self.drain(now);
    }

    /// What to say before ending when the configuration wants modules of Redis: none can be loaded.
    fn modules_asked_for(&self) -> Option<Vec<String>> {
        let startup = &self.engine.core().config.startup;
        if let Some(path) = startup.modules.first().and_then(|module| module.first()) {
            let path = String::from_utf8_lossy(path);
            return Some(vec![
                format!("Module {path} failed to load: modules are not available in this version"),
                format!("Can't load module from {path}: server aborting"),
            ]);
        }
        let refusal = "Module Configuration detected without loadmodule directive or no ApplyConfig call: aborting";
        (!startup.module_options.is_empty()).then(|| vec![refusal.to_owned()])
    }

    /// Whether the node serves.
    pub fn is_running(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    /// Takes an answer of the disk that belongs to the beginning. Returns whether it did.
    pub(super) fn boot_on_disk(&mut self, now: Now, ticket: Ticket, result: &DiskResult) -> bool {
        match &mut self.life {
            Life::ReadingClusterConfig(reading) if reading.ticket == ticket => {
                self.on_cluster_config(now, result);
                true
            }
            Life::Loading(_) => self.recovery_on_disk(now, ticket, result),
            Life::ReadingSentinelConfig(_) => self.sentinel_boot_on_disk(now, ticket, result),
            Life::SyncingClusterConfig(_) => self.on_cluster_config_synced(ticket, result),
            Life::New
            | Life::ReadingClusterConfig(_)
            | Life::Listening { .. }
            | Life::FirstBase(_)
            | Life::Running
            | Life::WritingClusterConfig
            | Life::WritingSentinelConfig
            | Life::Ended => false,
        }
    }

    // --- nodes.conf -------------------------------------------------------------------------------------------

    fn on_cluster_config(&mut self, now: Now, result: &DiskResult) {
        let name = self.engine.core().config.cluster_config_file.clone();
        let path = self.path_of(&name);
        let Life::ReadingClusterConfig(reading) = &mut self.life else { return };
        match result {
            DiskResult::Failed(error) if error.kind == DiskErrorKind::Locked => {
                self.log_warning(format!(
                    "Sorry, the cluster configuration file {name} is already used by a different Redis Cluster node. \
                     Please make sure that different nodes use different cluster configuration files."
                ));
                return self.exit(1);
            }
            DiskResult::Failed(error) => {
                let text = format!("Can't open the cluster config file {name}: {}", error.text);
                self.log_warning(text);
                return self.exit(1);
            }
            DiskResult::Data(data) => {
                reading.bytes.extend_from_slice(data);
                if reading.bytes.len() > CLUSTER_CONFIG_BYTES_MAX {
                    self.log_warning(format!("The cluster config file {name} is too large"));
                    return self.exit(1);
                }
                if data.len() < READ_BYTES {
                    let bytes = std::mem::take(&mut reading.bytes);
                    return self.begin_cluster(now, &bytes);
                }
            }
            DiskResult::Done => {
                let path = self.engine.core().config.dir.clone();
                return self.ask_for_cluster_config(DiskOp::List { path });
            }
            DiskResult::Names(names) => {
                let stale = names.iter().filter(|found| temporary::is_replacement(&name, found));
                let paths: Vec<String> = stale.map(|found| self.path_of(found)).collect();
                self.remove_replacements(paths);
            }
            DiskResult::Size(_) => {}
        }
        let Life::ReadingClusterConfig(reading) = &self.life else { return };
        let offset = reading.bytes.len() as u64;
        self.ask_for_cluster_config(DiskOp::Read { path, offset, len: READ_BYTES });
    }

    fn ask_for_cluster_config(&mut self, op: DiskOp) {
        let Life::ReadingClusterConfig(reading) = &mut self.life else { return };
        let ticket = self.tickets.take();
        reading.ticket = ticket;
        self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
    }

    /// Who holds the lock of nodes.conf is the only one to replace it: what others were going to replace it by, when
    /// they were killed, is of no use to anybody. Nothing depends on whether it goes, so nobody waits for it.
    fn remove_replacements(&mut self, paths: Vec<String>) {
        for path in paths {
            let ticket = self.tickets.take();
            self.effects.push_back(Effect::Disk(ticket, Lane::Config, DiskOp::Remove { path }));
        }
    }

    fn begin_cluster(&mut self, now: Now, bytes: &[u8]) {
        let file: Option<ConfigFile> = if bytes.is_empty() {
            None
        } else {
            match config_file::parse(bytes) {
                Ok(file) => Some(file),
                Err(error) => {
                    self.log_warning(format!("Unrecoverable error: corrupted cluster config file: {error}."));
                    return self.exit(1);
                }
            }
        };
        let found = file.is_some();
        let rng = self.rng.fork();
        let options = bus_config(&self.engine.core().config);
        let bus = match self.founding.take().filter(|_| !found) {
            Some(members) => Bus::founded(now, options, &members, rng),
            None => Bus::new(now, options, file.as_ref(), rng),
        };
        self.bus = Some(bus);
        if found {
            self.sync_cluster_config();
        } else {
            // The bus has asked for the file.
            self.life = Life::WritingClusterConfig;
        }
    }

    /// A process that was killed may have left a file that only its system knows of. Who hears of its votes and
    /// epochs must never meet a node that has forgotten them.
    fn sync_cluster_config(&mut self) {
        let config = &self.engine.core().config;
        let (path, folder) = (self.path_of(&config.cluster_config_file), config.dir.clone());
        let ops = [DiskOp::Sync { path }, DiskOp::SyncDir { path: folder }];
        let (sequence, ticket, op) = Sequence::begin(ops, &mut self.tickets);
        self.life = Life::SyncingClusterConfig(sequence);
        self.effects.push_back(Effect::Disk(ticket, Lane::Config, op));
    }

    fn on_cluster_config_synced(&mut self, ticket: Ticket, result: &DiskResult) -> bool {
        let Self { life: Life::SyncingClusterConfig(sequence), tickets, .. } = self else { return false };
        match sequence.on_disk(ticket, result, tickets) {
            Advance::NotMine => return false,
            Advance::Next(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Config, op)),
            Advance::Done => self.open_listeners(),
            Advance::Failed(error) => {
                self.log_warning(format!("Can't sync the cluster config file: {}", error.text));
                self.exit(1);
            }
        }
        true
    }

    /// nodes.conf is on disk: a new node goes on with its beginning.
    pub(super) fn cluster_config_written(&mut self) {
        if matches!(self.life, Life::WritingClusterConfig) {
            self.open_listeners();
        }
    }

    // --- listeners --------------------------------------------------------------------------------------------

    pub(super) fn open_listeners(&mut self) {
        let client = client_listen(&self.engine.core().config);
        self.effects.push_back(Effect::Listen(Endpoint::Client, client));
        let mut left = 1;
        if self.bus.is_some() {
            let bus = bus_listen(&self.engine.core().config);
            self.effects.push_back(Effect::Listen(Endpoint::Bus, bus));
            left += 1;
        }
        self.life = Life::Listening { left };
    }

    /// The host listens, or cannot.
    pub(super) fn on_listening(&mut self, now: Now, endpoint: Endpoint, result: Result<(), String>) {
        let Some(result) = self.reconfiguring_on_listening(now, endpoint, result) else { return };
        let config = &self.engine.core().config;
        let port = config.port;
        if let Err(text) = result {
            self.log_warning(text);
            if !matches!(self.life, Life::Listening { .. }) {
                return;
            }
            self.log_warning(match endpoint {
                Endpoint::Bus => {
                    format!("Failed listening on port {} (cluster), aborting.", bus_port(&self.engine.core().config))
                }
                Endpoint::Client => format!("Failed listening on port {port} (TCP), aborting."),
            });
            return self.exit(1);
        }
        let Life::Listening { left } = &mut self.life else { return };
        *left -= 1;
        if *left == 0 {
            if self.is_sentinel() {
                return self.begin_watching(now);
            }
            self.log_warning("Server initialized");
            self.turn_deaf();
            self.begin_recovery(now);
        }
    }

    /// The dataset is there: the node serves from now on.
    pub(super) fn begin_service(&mut self, now: Now, loaded: LoadInfo) {
        self.engine.core_mut().is_loading = false;
        self.life = Life::Running;
        self.adopt_loaded(now, &loaded);
        self.loaded = loaded;
        let config = &self.engine.core().config;
        let (port, socket) = (config.port, config.unixsocket.clone());
        if port != 0 {
            self.log_notice("Ready to accept connections");
        }
        if !socket.is_empty() {
            self.log_notice(format!("The server is now ready to accept connections at {socket}"));
        }
        self.timers.wake_engine(now);
        self.follow_configured_primary(now);
        self.hear_again(now);
    }
}

/// What the client port listens on.
pub(super) fn client_listen(config: &slotmesh_engine::config::Config) -> Listen {
    let unix = Some(config.unixsocket.clone()).filter(|path| !path.is_empty());
    Listen {
        addresses: config.bind.0.clone(),
        port: config.port,
        backlog: config.tcp_backlog,
        unix: unix.map(|path| (path, config.unixsocketperm)),
        keepalive_secs: config.tcp_keepalive_secs,
    }
}

/// What the bus port listens on.
pub(super) fn bus_listen(config: &slotmesh_engine::config::Config) -> Listen {
    let keepalive_secs = (config.cluster_node_timeout_ms / 1000 * 2) as u32;
    Listen { port: bus_port(config), unix: None, keepalive_secs, ..client_listen(config) }
}

/// The port of the cluster bus.
pub(super) fn bus_port(config: &slotmesh_engine::config::Config) -> u16 {
    let configured = config.cluster_port;
    if configured != 0 { configured } else { config.port.wrapping_add(BUS_PORT_OFFSET) }
}

/// The options of the cluster bus.
pub(super) fn bus_config(config: &slotmesh_engine::config::Config) -> BusConfig {
    use slotmesh_engine::config::choices::EndpointType;
    let announced = |port: u16, real: u16| if port != 0 { port } else { real };
    BusConfig {
        node_timeout_ms: config.cluster_node_timeout_ms.max(1),
        port: announced(config.cluster_announce_port, config.port),
        pport: 0,
        cport: announced(config.cluster_announce_bus_port, bus_port(config)),
        announce_ip: config.cluster_announce_ip.parse().ok(),
        announce_hostname: config.cluster_announce_hostname.clone(),
        announce_nodename: config.cluster_announce_human_nodename.clone(),
        preferred_endpoint: match config.cluster_preferred_endpoint_type {
            EndpointType::Hostname => EndpointKind::Hostname,
            EndpointType::Ip => EndpointKind::Ip,
            EndpointType::UnknownEndpoint => EndpointKind::Unknown,
        },
        require_full_coverage: config.cluster_require_full_coverage,
        allow_reads_when_down: config.cluster_allow_reads_when_down,
        allow_pubsubshard_when_down: config.cluster_allow_pubsubshard_when_down,
        replica_no_failover: config.cluster_replica_no_failover,
        replica_validity_factor: u64::from(config.cluster_replica_validity_factor),
        repl_ping_period_secs: u64::from(config.repl_ping_replica_period_secs),
        migration_barrier: config.cluster_migration_barrier as usize,
        allow_replica_migration: config.cluster_allow_replica_migration,
        blacklist_ttl_secs: u64::from(config.cluster_blacklist_ttl_secs),
        manual_failover_timeout_ms: u64::from(config.cluster_manual_failover_timeout_ms),
        link_sendbuf_limit: usize::try_from(config.cluster_link_sendbuf_limit).unwrap_or(usize::MAX),
    }
}

/// Bytes of nodes.conf read at once.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of nodes.conf at the most: a thousand nodes with scattered slots need less than a tenth.
const CLUSTER_CONFIG_BYTES_MAX: usize = 16 << 20;

/// The bus port is the client port plus this (cluster specification).
const BUS_PORT_OFFSET: u16 = 10_000;
