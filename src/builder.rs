//! What can be said about a server before it starts.

use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use slotmesh_cluster::machine::LogLine;
use slotmesh_cluster::node::Node;
use slotmesh_engine::command::DataFn;
use slotmesh_engine::command::spec::Spec;
use slotmesh_engine::config::Config;
use slotmesh_transport_mem::live::Bus;
use slotmesh_transport_tcp::entropy;
use slotmesh_transport_tcp::reactor::{Options, Outcome, Reactor};

use crate::error::StartError;
use crate::log::{NodeLog, Sink};
use crate::logfile::LogFile;
use crate::process;
use crate::seat::{Plan, Seat, choose_port};
use crate::server::Server;
use crate::settings::Settings;

/// Builds a [`Server`].
///
/// Without [`listen`](Self::listen) it has no socket, without [`data_dir`](Self::data_dir) it writes no file by itself.
///
/// ```
/// let server = slotmesh::Server::builder().option("maxmemory", "100mb").seed(7).start()?;
/// let mut client = server.client();
/// assert_eq!(client.call::<String>(["PING"])?, "PONG");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ServerBuilder {
    settings: Settings,
    rows: &'static [Spec<DataFn>],
    listen: Option<String>,
    seed: Option<u64>,
    sink: Option<Sink>,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Begins with this configuration instead of the defaults of an embedded server. What it says about ports and
    /// save points holds.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config = Some(config);
        self
    }

    /// Sets an option by its name in redis.conf. Later ones override earlier ones; a wrong one is an error of
    /// [`start`](Self::start).
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Display) -> Self {
        self.settings.option(name, value);
        self
    }

    /// Adds commands of your own, which run, replicate and persist as the built-in ones do.
    #[must_use]
    pub fn commands(mut self, rows: &'static [Spec<DataFn>]) -> Self {
        self.rows = rows;
        self
    }

    /// Keeps the data in this folder: loaded at start, saved at the end and by the save points (which are Redis's
    /// unless `save` says otherwise). Made when it is not there.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.data_dir = Some(dir.into());
        self
    }

    /// Listens on an address like `127.0.0.1:6379`; with port 0 the system chooses ([`Server::addr`]).
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// Decides every random pick of the server; by default the system's entropy does.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Takes the server's log lines. Called while the server is locked: it should not wait, nor use a client.
    #[must_use]
    pub fn log(mut self, mut write: impl FnMut(&LogLine) + Send + 'static) -> Self {
        self.sink = Some(Sink::new(move |_, line| write(line)));
        self
    }

    /// Starts the server and waits until it serves.
    ///
    /// # Errors
    /// When an option is wrong, a file is damaged, a port is taken, or the system refuses.
    pub fn start(self) -> Result<Server, StartError> {
        let (plan, address, listeners) = self.plan(Sink::default())?;
        let seat = if is_in_memory(&plan.config, self.settings.data_dir.is_some()) {
            let bus = Bus::new(plan.seed).map_err(StartError::system("Can't start a thread"))?;
            Seat::in_memory(&Arc::<Bus<Node>>::new(bus), plan)
        } else {
            Seat::on_sockets(plan, listeners)?
        };
        seat.wait_running()?;
        Ok(Server::new(seat, address))
    }

    /// Runs the server on this thread until SIGINT, SIGTERM or `SHUTDOWN` ends it. Log lines go to standard output
    /// unless [`log`](Self::log) takes them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn serve(self) -> Result<(), StartError> {
        let stdout = LogFile::stdout();
        let default = Sink::new(move |_, line| {
            // A log that cannot be written never stops a server.
            let _ = stdout.write(line);
        });
        let (plan, _, listeners) = self.plan(default)?;
        let log = plan.log.clone();
        let warnings = plan.log.clone();
        let mut clock = slotmesh_transport_tcp::clock::Clock::new();
        let mut node = plan.build();
        node.start(clock.now());
        let options = Options { clock, listeners, log: Box::new(move |line| log.write(&line)) };
        let failed = || StartError::system("The server cannot run");
        let reactor = Reactor::new(node, options).map_err(failed())?;
        process::attend(reactor.handle()).map_err(failed())?;
        match reactor.run().map_err(failed())? {
            Outcome::Exit(shutdown) if shutdown.code != 0 => {
                Err(StartError::Ended { code: shutdown.code, warnings: warnings.warnings() })
            }
            Outcome::Exit(_) | Outcome::Stopped => Ok(()),
        }
    }

    fn plan(&self, default: Sink) -> Result<(Plan, Option<SocketAddr>, Vec<TcpListener>), StartError> {
        let mut own = Vec::new();
        let mut listeners = Vec::new();
        let mut address = None;
        if let Some(text) = &self.listen {
            let (chosen, listener) = choose_port(parse_address(text)?)?;
            own = vec![("bind", chosen.ip().to_string()), ("port", chosen.port().to_string())];
            listeners.extend(listener);
            address = Some(chosen);
        }
        let config = self.settings.resolve(&own)?;
        let seed = seed_or_entropy(self.seed)?;
        let log = NodeLog::new(0, self.sink.clone().unwrap_or(default));
        Ok((Plan { config, seed, rows: self.rows, founding: None, log, sentinel_of: None }, address, listeners))
    }
}

/// Whether nothing of the real world is needed but a clock.
fn is_in_memory(config: &Config, has_data_dir: bool) -> bool {
    config.port == 0 && config.unixsocket.is_empty() && !has_data_dir
}

pub(crate) fn seed_or_entropy(seed: Option<u64>) -> Result<u64, StartError> {
    seed.map_or_else(entropy::seed, Ok).map_err(StartError::system("Can't get random numbers"))
}

/// The first address a text like `localhost:7001` stands for.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, StartError> {
    let wrong = |error: io::Error| StartError::Config(format!("'{text}' is not an address with a port: {error}"));
    let address = text.to_socket_addrs().map_err(wrong)?.next();
    address.ok_or_else(|| StartError::Config(format!("'{text}' has no address")))
}
