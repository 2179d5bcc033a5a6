//! A server process in its own folder and on its own port, stopped when it goes out of scope.
//!
//! Works for every server with redis-server's command line: the references and our own, which comes in as a path
//! (`env!("CARGO_BIN_EXE_slotmesh-server")` in an integration test of the root package). When a test fails, the
//! end of the server's log is part of the failure. Start at [`Launch`].

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::Client;
use crate::port::Port;
use crate::wait::{WaitTimeout, poll_until};

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Launch {
    binary: PathBuf,
    config: Option<String>,
    options: Vec<(String, String)>,
    files: Vec<(String, String)>,
    is_sentinel: bool,
}

impl Launch {
    /// A server from this binary, without persistence, listening on 127.0.0.1 only.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let options = [("bind", "127.0.0.1"), ("save", ""), ("appendonly", "no")];
        let options = options.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        Self { binary: binary.into(), config: None, options, files: Vec::new(), is_sentinel: false }
    }

    /// Adds an option as `--name value`; a later one overrides an earlier one. `port` is chosen by [`Launch::start`].
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the server a configuration file with this text.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Puts a file with this text into the server's folder before the first start.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// A sentinel from this binary, listening on 127.0.0.1 only, with this text in its configuration file.
    pub fn sentinel(binary: impl Into<PathBuf>, config: &str) -> Self {
        let options = vec![("bind".to_owned(), "127.0.0.1".to_owned())];
        // It keeps its state in a file, so there must be one even if it says nothing.
        let config = Some(format!("# a sentinel\n{config}"));
        Self { binary: binary.into(), config, options, files: Vec::new(), is_sentinel: true }
    }

    /// Makes the server a cluster node with this node timeout.
    #[must_use]
    pub fn cluster(self, node_timeout_ms: u64) -> Self {
        self.option("cluster-enabled", "yes").option("cluster-node-timeout", &node_timeout_ms.to_string())
    }

    /// Starts the server in a new folder on a free port and waits until it accepts connections.
    ///
    /// # Errors
    /// [`LaunchError`] with the log when the server ends or is not ready within [`START_LIMIT`].
    pub fn start(&self) -> Result<Server, LaunchError> {
        let dir = tempfile::Builder::new().prefix("slotmesh-").tempdir()?;
        if let Some(text) = &self.config {
            std::fs::write(dir.path().join(CONFIG_FILE), text)?;
        }
        for (name, text) in &self.files {
            std::fs::write(dir.path().join(name), text)?;
        }
        let mut server = Server { launch: self.clone(), port: Port::claim()?, dir, child: None };
        server.spawn()?;
        Ok(server)
    }

    /// What its log says when it serves.
    const fn ready_text(&self) -> &'static str {
        if self.is_sentinel { "Sentinel ID is " } else { READY_TEXT }
    }

    fn arguments(&self, port: u16) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        if self.config.is_some() {
            arguments.push(CONFIG_FILE.into());
        }
        arguments.extend(["--port".into(), port.to_string().into()]);
        for (name, value) in &self.options {
            arguments.extend([format!("--{name}").into(), value.into()]);
        }
        if self.is_sentinel {
            arguments.push("--sentinel".into());
        }
        arguments
    }
}

/// A running server; killed and its folder removed on drop.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    port: Port,
    dir: TempDir,
    child: Option<Child>,
}

impl Server {
    /// The client port.
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// The client port's address.
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), self.port.number())
    }

    /// The server's working folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id; `None` after it has ended and been waited for.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Everything the server has logged since the first start.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.dir.path().join(LOG_FILE)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A new connection.
    ///
    /// # Panics
    /// When the server does not accept it.
    pub fn client(&self) -> Client {
        match Client::connect(self.address()) {
            Ok(client) => client,
            Err(error) => panic!("{} does not accept a connection: {error}\n{}", self.address(), self.log_tail()),
        }
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    /// As the system reports them; also when the process has ended.
    pub fn interrupt(&self) -> io::Result<()> {
        self.signal(Signal::INT)
    }

    /// Sends SIGTERM, as a supervisor does.
    ///
    /// # Errors
    /// As [`Server::interrupt`].
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends SIGSTOP: the process stands still until [`Server::resume`].
    ///
    /// # Errors
    /// As [`Server::interrupt`].
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Sends SIGCONT.
    ///
    /// # Errors
    /// As [`Server::interrupt`].
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Sends SIGKILL and waits for the end of the process.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait().map(drop)
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// `TimedOut` when it still runs after `limit`; `NotFound` when it had ended before.
    pub fn wait_exit(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let Some(child) = &mut self.child else { return Err(io::ErrorKind::NotFound.into()) };
        let status = poll_until("the end of the server", limit, || child.try_wait().transpose())
            .map_err(|timeout| io::Error::new(io::ErrorKind::TimedOut, timeout))??;
        self.child = None;
        Ok(status)
    }

    /// Waits until the log contains `text`.
    ///
    /// # Errors
    /// [`WaitTimeout`] when it does not within `limit`.
    pub fn wait_log(&self, text: &str, limit: Duration) -> Result<(), WaitTimeout> {
        poll_until(&format!("log text {text:?}"), limit, || self.log().contains(text).then_some(()))
    }

    /// Starts the ended process again on the same port and in the same folder.
    ///
    /// # Errors
    /// As [`Launch::start`].
    ///
    /// # Panics
    /// When the process has not been waited for: two servers would share one folder.
    pub fn restart(&mut self) -> Result<(), LaunchError> {
        assert!(self.child.is_none(), "restart follows kill or wait_exit");
        self.spawn()
    }

    fn spawn(&mut self) -> Result<(), LaunchError> {
        let log = File::options().create(true).append(true).open(self.dir.path().join(LOG_FILE))?;
        let logged = log.metadata()?.len() as usize;
        let child = Command::new(&self.launch.binary)
            .args(self.launch.arguments(self.port()))
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.child = Some(child);
        self.wait_ready(logged)
    }

    fn wait_ready(&mut self, logged: usize) -> Result<(), LaunchError> {
        let ready = poll_until("readiness of the server", START_LIMIT, || {
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                return Some(Err(status));
            }
            let is_announced = self.log().get(logged..).is_some_and(|new| new.contains(self.launch.ready_text()));
            (is_announced && TcpStream::connect(self.address()).is_ok()).then_some(Ok(()))
        });
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => {
                self.child = None;
                Err(LaunchError::Ended { status, log: self.log() })
            }
            Err(_) => Err(LaunchError::NotReady { log: self.log() }),
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, signal)?)
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.len().saturating_sub(LOG_TAIL_LINES);
        format!(
            "--- log of {} (port {}) ---\n{}\n---",
            self.launch.binary.display(),
            self.port(),
            lines[tail..].join("\n")
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        if let Err(error) = self.kill() {
            eprintln!("the server on port {} could not be stopped: {error}", self.port());
        }
    }
}

/// Why a server is not running.
#[derive(Debug)]
pub enum LaunchError {
    /// The process ended before it was ready.
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// All it wrote.
        log: String,
    },
    /// The system refused the folder, the port or the process.
    Io(io::Error),
    /// The process runs but does not serve.
    NotReady {
        /// All it wrote.
        log: String,
    },
}

impl std::fmt::Display for LaunchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended { status, log } => write!(f, "the server ended at start ({status}):\n{log}"),
            Self::Io(error) => write!(f, "the server cannot be started: {error}"),
            Self::NotReady { log } => write!(f, "the server is not ready after {START_LIMIT:?}:\n{log}"),
        }
    }
}

impl std::error::Error for LaunchError {}

impl From<io::Error> for LaunchError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Longest wait for a server to start; it takes some 20 ms on an idle machine.
pub const START_LIMIT: Duration = Duration::from_secs(20);
/// What every server logs once per start when it serves (observed on 7.0.15 and Valkey 9.1).
const READY_TEXT: &str = "Ready to accept connections";
/// Standard output and error of the server, in its folder.
const LOG_FILE: &str = "server.log";
/// The configuration file, in its folder.
const CONFIG_FILE: &str = "server.conf";
/// Log lines shown when a test fails.
const LOG_TAIL_LINES: usize = 60;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Launch, LaunchError};
    use crate::{Peer, Reply, require_peer};

    #[test]
    fn a_killed_server_comes_back_on_its_port_with_its_files() {
        let launch = Launch::new(require_peer!(Peer::RedisServer)).option("save", "900 1");
        let mut server = launch.start().unwrap();
        server.client().call(["SET", "k", "v"]).unwrap();
        server.client().call(["SAVE"]).unwrap();
        let address = server.address();

        server.kill().unwrap();
        server.restart().unwrap();

        assert_eq!(server.address(), address);
        assert_eq!(server.client().call(["GET", "k"]).unwrap(), Reply::Bulk(b"v".to_vec()));
    }

    #[test]
    fn an_interrupted_server_ends_by_itself() {
        let mut server = Launch::new(require_peer!(Peer::RedisServer)).start().unwrap();

        server.interrupt().unwrap();

        server.wait_log("User requested shutdown", Duration::from_secs(10)).unwrap();
        assert!(server.wait_exit(Duration::from_secs(10)).unwrap().success());
        assert_eq!(server.pid(), None);
    }

    #[test]
    fn a_server_that_refuses_to_start_says_why() {
        let launch = Launch::new(require_peer!(Peer::RedisServer)).option("no-such-option", "1");

        let Err(LaunchError::Ended { status, log }) = launch.start() else { panic!("it started") };

        assert!(!status.success());
        assert!(log.contains("Bad directive"), "{log}");
    }

    #[test]
    fn a_cluster_node_has_its_configuration_from_a_file() {
        let launch = Launch::new(require_peer!(Peer::RedisServer)).config("maxmemory 5mb\n").cluster(500);
        let server = launch.start().unwrap();

        let reply = server.client().call(["CONFIG", "GET", "maxmemory", "cluster-node-timeout"]).unwrap();

        let texts: Vec<_> = reply.elements().unwrap().iter().filter_map(Reply::text).collect();
        assert!(texts.contains(&b"5242880".as_slice()) && texts.contains(&b"500".as_slice()), "{texts:?}");
    }
}
