//! What can be said about a cluster before it starts.

use std::fmt::Display;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use slotmesh_cluster::bus::ConfigFile;
use slotmesh_cluster::machine::LogLine;
use slotmesh_cluster::node::Node;
use slotmesh_engine::command::DataFn;
use slotmesh_engine::command::spec::Spec;
use slotmesh_engine::config::Config;
use slotmesh_engine::rng::Rng;
use slotmesh_transport_mem::MachineId;
use slotmesh_transport_mem::live::Bus;
use tempfile::TempDir;

use super::folder;
use super::form::{Place, founders};
use super::{Cluster, Member, Members};
use crate::builder::{parse_address, seed_or_entropy};
use crate::error::StartError;
use crate::log::{NodeLog, Sink};
use crate::seat::{Plan, Seat, choose_port};
use crate::settings::Settings;

/// Builds a [`Cluster`].
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    primaries: usize,
    replicas: usize,
    settings: Settings,
    rows: &'static [Spec<DataFn>],
    listen: Option<String>,
    node_timeout: Duration,
    seed: Option<u64>,
    sink: Sink,
}

impl ClusterBuilder {
    pub(super) fn new() -> Self {
        Self {
            primaries: 3,
            replicas: 0,
            settings: Settings::default(),
            rows: &[],
            listen: None,
            node_timeout: NODE_TIMEOUT,
            seed: None,
            sink: Sink::default(),
        }
    }

    /// How many primaries share the slots (default 3). An election needs a majority of them, so failovers need three.
    #[must_use]
    pub fn primaries(mut self, primaries: usize) -> Self {
        self.primaries = primaries;
        self
    }

    /// How many replicas each primary has (default none).
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Listens on real ports: the first node on this address, the others on the ports above it; the bus ports are
    /// 10,000 higher. With port 0 the system chooses all of them. Other processes can be clients and nodes then.
    ///
    /// Away from the loopback address, protected mode is off unless an option says otherwise.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// Keeps each node's files in a folder of its own in here, `node-1` and so on; a cluster that was there is found
    /// again. With [`listen`](Self::listen) it needs a port other than 0: the nodes find one another by their ports.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.data_dir = Some(dir.into());
        self
    }

    /// After how long without an answer a node is suspected (default 5 s); about one and a half of it is how long a
    /// failover takes.
    #[must_use]
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// Begins with this configuration for every node, instead of the defaults of an embedded server.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config = Some(config);
        self
    }

    /// Sets an option of every node by its name in redis.conf.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Display) -> Self {
        self.settings.option(name, value);
        self
    }

    /// Adds commands of your own to every node.
    #[must_use]
    pub fn commands(mut self, rows: &'static [Spec<DataFn>]) -> Self {
        self.rows = rows;
        self
    }

    /// Decides the nodes' ids and every random pick; by default the system's entropy does.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Takes the nodes' log lines, each with its node's index. Called while the node is locked: it should not wait,
    /// nor use a client.
    #[must_use]
    pub fn log(mut self, write: impl FnMut(usize, &LogLine) + Send + 'static) -> Self {
        self.sink = Sink::new(write);
        self
    }

    /// Starts the nodes and waits until they are one cluster.
    ///
    /// # Errors
    /// When an option is wrong, a port is taken, a file is damaged, the system refuses, or the nodes of an older
    /// cluster do not come to an agreement within a minute.
    pub fn start(self) -> Result<Cluster, StartError> {
        self.check()?;
        let seed = seed_or_entropy(self.seed)?;
        let mut rng = Rng::new(seed);
        let cluster = match &self.listen {
            None => self.in_memory(&mut rng)?,
            Some(address) => self.on_sockets(parse_address(address)?, &mut rng)?,
        };
        cluster.wait_healthy(START_MAX)?;
        Ok(cluster)
    }

    fn nodes(&self) -> usize {
        self.primaries.saturating_mul(self.replicas.saturating_add(1))
    }

    fn check(&self) -> Result<(), StartError> {
        let wrong = |text: &str| Err(StartError::Config(text.to_owned()));
        if self.primaries == 0 {
            return wrong("a cluster needs at least one primary");
        }
        if self.nodes() > NODES_MAX {
            return Err(StartError::Config(format!("a cluster in one process has at most {NODES_MAX} nodes")));
        }
        Ok(())
    }

    fn in_memory(&self, rng: &mut Rng) -> Result<Cluster, StartError> {
        let bus = Bus::<Node>::new(rng.next_u64()).map_err(StartError::system("Can't start a thread"))?;
        let bus = Arc::new(bus);
        let place = |index| Place { ip: MachineId(index).ip(), port: MEMORY_PORT, bus_port: MEMORY_PORT + BUS_OFFSET };
        let places: Vec<Place> = (0..self.nodes()).map(place).collect();
        // The addresses are invented ones, so every peer would be a stranger to protected mode.
        let own = [("port", MEMORY_PORT.to_string()), ("protected-mode", "no".to_owned())];
        let dir = self.settings.data_dir.as_deref();
        if let Some(dir) = dir {
            folder::check(dir, &places)?;
        }
        let config = self.node_config(&own, None)?;
        let mut members = Vec::with_capacity(places.len());
        for (index, founding) in founders(&places, self.primaries, rng).into_iter().enumerate() {
            let seat = match dir {
                Some(dir) => {
                    let config = self.node_config(&own, Some(dir.join(node_folder(index))))?;
                    Seat::in_folder(&bus, self.plan(index, config, founding, rng))
                }
                None => Seat::in_memory(&bus, self.plan(index, config.clone(), founding, rng)),
            };
            members.push(Member { seat, address: SocketAddr::new(places[index].ip, MEMORY_PORT) });
        }
        Ok(self.cluster(members, None))
    }

    fn on_sockets(&self, first: SocketAddr, rng: &mut Rng) -> Result<Cluster, StartError> {
        if first.ip().is_unspecified() {
            return Err(StartError::Config(format!(
                "the nodes tell one another and their clients where they are: listen on an address of this machine, \
                 not on {}",
                first.ip()
            )));
        }
        let temporary = match &self.settings.data_dir {
            Some(_) => None,
            None => Some(TempDir::with_prefix("slotmesh-").map_err(StartError::system("Can't make a folder"))?),
        };
        let (places, mut listeners) = self.ports(first)?;
        if let Some(dir) = &self.settings.data_dir {
            folder::check(dir, &places)?;
        }
        let base =
            temporary.as_ref().map(TempDir::path).or(self.settings.data_dir.as_deref()).unwrap_or(Path::new("."));
        let mut members = Vec::with_capacity(places.len());
        for (index, founding) in founders(&places, self.primaries, rng).into_iter().enumerate() {
            let Place { ip, port, bus_port } = places[index];
            let mut own =
                vec![("bind", ip.to_string()), ("port", port.to_string()), ("cluster-port", bus_port.to_string())];
            if !ip.is_loopback() {
                own.push(("protected-mode", "no".to_owned()));
            }
            let config = self.node_config(&own, Some(base.join(node_folder(index))))?;
            let plan = self.plan(index, config, founding, rng);
            let open = std::mem::take(&mut listeners[index]);
            members.push(Member { seat: Seat::on_sockets(plan, open)?, address: SocketAddr::new(ip, port) });
        }
        Ok(self.cluster(members, temporary))
    }

    /// The ports of all nodes, with the listeners that are open already.
    fn ports(&self, first: SocketAddr) -> Result<(Vec<Place>, Vec<Vec<TcpListener>>), StartError> {
        let mut places = Vec::new();
        let mut listeners = Vec::new();
        for index in 0..self.nodes() {
            let ip = first.ip();
            if first.port() == 0 {
                let (client, one) = choose_port(first)?;
                let (bus, two) = choose_port(first)?;
                places.push(Place { ip, port: client.port(), bus_port: bus.port() });
                listeners.push(one.into_iter().chain(two).collect());
                continue;
            }
            let port = u16::try_from(usize::from(first.port()) + index).ok();
            let place = port.and_then(|port| Some(Place { ip, port, bus_port: port.checked_add(BUS_OFFSET)? }));
            places.push(place.ok_or_else(|| {
                StartError::Config(format!(
                    "port {} leaves no room for the nodes' bus ports, which are 10000 higher: take one up to {}",
                    first.port(),
                    usize::from(u16::MAX - BUS_OFFSET) + 1 - self.nodes()
                ))
            })?);
            listeners.push(Vec::new());
        }
        Ok((places, listeners))
    }

    fn node_config(&self, own: &[(&str, String)], dir: Option<PathBuf>) -> Result<Config, StartError> {
        let timeout_ms = self.node_timeout.as_millis().max(1);
        let mut options = vec![
            ("cluster-enabled", "yes".to_owned()),
            ("cluster-node-timeout", timeout_ms.to_string()),
            // Replicas of one process need not be waited for: they come at the same moment.
            ("repl-diskless-sync-delay", "0".to_owned()),
        ];
        if self.settings.data_dir.is_none() {
            options.push(("save", String::new()));
        }
        options.extend_from_slice(own);
        Settings { data_dir: dir, ..self.settings.clone() }.resolve(&options)
    }

    fn plan(&self, index: usize, config: Config, founding: ConfigFile, rng: &mut Rng) -> Plan {
        let log = NodeLog::new(index, self.sink.clone());
        Plan { config, seed: rng.next_u64(), rows: self.rows, founding: Some(founding), log, sentinel_of: None }
    }

    fn cluster(&self, members: Vec<Member>, folder: Option<TempDir>) -> Cluster {
        let commands = Arc::new(slotmesh_cluster::node::commands(self.rows));
        let keeps_files = self.settings.data_dir.is_some();
        let node_timeout = self.node_timeout;
        Cluster { members: Arc::new(Members { list: members, commands, node_timeout, keeps_files, _folder: folder }) }
    }
}

/// The folder of a node in that of its cluster.
fn node_folder(index: usize) -> String {
    format!("node-{}", index + 1)
}

/// The node timeout when nothing else is said; Redis's own default, 15 s, makes a failover long to watch.
const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// The client port of every node in memory: they have addresses of their own.
const MEMORY_PORT: u16 = 6379;

/// The bus port is the client port plus this (cluster specification).
const BUS_OFFSET: u16 = 10_000;

/// Nodes of one cluster in one process; each has a thread when it has sockets.
const NODES_MAX: usize = 1000;

/// How long nodes may take to agree. New ones need milliseconds, those of an older cluster two seconds and a failover
/// or two; a large dataset has to be loaded before.
const START_MAX: Duration = Duration::from_secs(60);
