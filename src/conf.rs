//! The command line and the configuration files of a server process.
//!
//! Turns `[file] [--option value ...] [-]` into a [`Config`], or into what to print instead of running. Files and
//! standard input are read here; their grammar is the engine's ([`slotmesh_engine::config::file`]). Start at
//! [`read`].

mod host;
mod options;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use slotmesh_cluster::sentinel::config::SentinelConfig;
use slotmesh_engine::config::Config;
use slotmesh_engine::config::file::{self, Fatal, Host as _, UserFault};
use slotmesh_engine::config::startup::UserLine;

use crate::logfile::{self, Level, LogFile};
use crate::machine_check;
use host::RealHost;

/// What the process shall do.
#[derive(Debug)]
pub enum Outcome {
    /// Run a server.
    Run(Box<Run>),
    /// Print and exit.
    Print {
        /// For standard output.
        text: String,
        /// For standard error.
        stderr: String,
        /// The exit code.
        code: u8,
    },
}

/// A server to run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its configuration; `dir` is absolute.
    pub config: Config,
    /// Absolute path of the configuration file, for CONFIG REWRITE and INFO.
    pub config_file: Option<PathBuf>,
    /// What was read from standard input, for a process that starts itself anew in the background.
    pub stdin: Option<Vec<u8>>,
    /// Whether it is a sentinel.
    pub is_sentinel: bool,
    /// Whether anything was said about the configuration.
    pub is_configured: bool,
}

/// The names that configuration lines are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// Whether a command of this name exists, in any case.
    pub is_command: fn(&[u8]) -> bool,
    /// Whether a command of this name exists on a sentinel.
    pub is_sentinel_command: fn(&[u8]) -> bool,
    /// Whether the rules of an ACL user are well formed.
    pub check_user: fn(&UserLine) -> Result<(), UserFault>,
}

/// Reads the command line: `args` without the program's name, which is `program`.
///
/// `dir` is the folder the process runs in; relative paths start there. Nothing but files named on the command
/// line or in files, and `stdin` when `-` asks for it, is read.
pub fn read(program: &str, args: &[Vec<u8>], dir: PathBuf, stdin: impl Read, words: Words) -> Outcome {
    if let Some(outcome) = asked_to_print(args) {
        return outcome;
    }
    let is_sentinel = asks_for_sentinel(program, args);
    let role = if is_sentinel { 'X' } else { 'C' };
    let args: Vec<Vec<u8>> = args.iter().filter(|arg| *arg != SENTINEL_FLAG).cloned().collect();
    match assemble(&args, RealHost::new(dir, words, is_sentinel), stdin) {
        Ok(run) => Outcome::Run(Box::new(run)),
        Err(Failure::Config(Fatal::Include(unreadable))) => logged_failure(role, &unreadable.to_string()),
        Err(Failure::Config(fatal)) => stderr_failure(fatal.to_string()),
        Err(Failure::Sentinel(text)) => logged_failure(role, &text),
        Err(Failure::Unreadable(text)) => logged_failure(role, &text),
    }
}

/// The files of this machine as a loader of options sees them, starting in `dir`.
pub(crate) fn files(dir: PathBuf, words: Words) -> impl file::Host {
    RealHost::new(dir, words, false)
}

/// The version line of `--version`.
pub fn version_line() -> String {
    let version = Config::default().slotmesh_version;
    let build = build_id();
    format!("Redis server v={version} sha=00000000:0 malloc=mimalloc bits={} build={build:x}\n", usize::BITS)
}

/// Whether the program's name or an argument asks for a sentinel.
fn asks_for_sentinel(program: &str, args: &[Vec<u8>]) -> bool {
    ["redis-sentinel", "valkey-sentinel"].iter().any(|name| program.ends_with(name))
        || args.iter().any(|arg| arg == SENTINEL_FLAG)
}

/// The answers to arguments that do not start a server.
fn asked_to_print(args: &[Vec<u8>]) -> Option<Outcome> {
    match args.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => Some(Outcome::Print { text: version_line(), stderr: String::new(), code: 0 }),
        Some(b"-h" | b"--help") => Some(stderr_failure(USAGE.to_owned())),
        Some(b"--check-system") => {
            let (text, is_well) = machine_check::check_system();
            Some(Outcome::Print { text, stderr: String::new(), code: u8::from(!is_well) })
        }
        Some(b"--test-memory") => Some(test_memory(args.get(1).map(Vec::as_slice))),
        _ => None,
    }
}

fn test_memory(megabytes: Option<&[u8]>) -> Outcome {
    let Some(text) = megabytes else {
        return stderr_failure(
            "Please specify the amount of memory to test in megabytes.\nExample: ./slotmesh-server --test-memory \
             4096\n\n"
                .to_owned(),
        );
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let megabytes = std::str::from_utf8(&text[..digits]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    match machine_check::test_memory(megabytes) {
        Ok(()) => {
            let text = "\nYour memory passed this test.\n".to_owned();
            Outcome::Print { text, stderr: String::new(), code: 0 }
        }
        Err(fault) => stderr_failure(format!("{fault}\n")),
    }
}

fn stderr_failure(stderr: String) -> Outcome {
    Outcome::Print { text: String::new(), stderr, code: 1 }
}

/// Redis writes these failures to the log, which is standard output at this point.
fn logged_failure(role: char, text: &str) -> Outcome {
    let line = logfile::line(std::process::id(), role, &logfile::now(), Level::Warning, text);
    Outcome::Print { text: line, stderr: String::new(), code: 1 }
}

enum Failure {
    Config(Fatal),
    /// Why a sentinel cannot keep its state.
    Sentinel(String),
    Unreadable(String),
}

/// Puts the whole text together (file, standard input, options) and loads it.
fn assemble(args: &[Vec<u8>], mut host: RealHost, stdin: impl Read) -> Result<Run, Failure> {
    let is_configured = !args.is_empty();
    let args = options::split(args);
    let mut text = Vec::new();
    let config_file = match args.file {
        Some(path) => {
            let read = file::Host::read(&mut host, path);
            text = read.map_err(|unreadable| Failure::Unreadable(unreadable.to_string()))?;
            Some(host.absolute(path))
        }
        None => None,
    };
    let stdin = if args.from_stdin { Some(read_stdin(stdin)?) } else { None };
    text.extend_from_slice(stdin.as_deref().unwrap_or_default());
    if !args.options.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(&args.options);
    }
    let is_sentinel = host.is_sentinel();
    let mut config =
        Config { dir: host.dir_text(), ..if is_sentinel { sentinel_defaults() } else { Config::default() } };
    file::load(&mut config, &text, &mut host).map_err(Failure::Config)?;
    check_logfile(&config).map_err(Failure::Config)?;
    if is_sentinel {
        check_sentinel(&config, config_file.as_deref())?;
    }
    Ok(Run { config, config_file, stdin, is_sentinel, is_configured })
}

/// What a sentinel begins with instead of a server's defaults.
fn sentinel_defaults() -> Config {
    Config { port: SENTINEL_PORT, protected_mode: false, ..Config::default() }
}

/// What only a sentinel needs: sound directives, and a file that it can write its state to.
fn check_sentinel(config: &Config, file: Option<&Path>) -> Result<(), Failure> {
    let lines = &config.startup.sentinel;
    let dir = Path::new(&config.dir);
    SentinelConfig::read(lines, |path| !path.is_empty() && is_program(&dir.join(path))).map_err(|fault| {
        Failure::Config(Fatal::Line {
            version: config.slotmesh_version.clone(),
            number: fault.number,
            line: fault.line,
            reason: fault.reason,
        })
    })?;
    let Some(file) = file else {
        return Err(Failure::Sentinel("Sentinel needs config file on disk to save state. Exiting...".to_owned()));
    };
    rustix::fs::access(file, rustix::fs::Access::WRITE_OK).map_err(|error| {
        let why = cause(&error.into());
        Failure::Sentinel(format!("Sentinel config file {} is not writable: {why}. Exiting...", file.display()))
    })
}

/// Whether a file can be executed.
fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

fn read_stdin(stdin: impl Read) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = stdin.take(CONFIG_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|error| Failure::Unreadable(format!("Fatal error, can't read standard input: {}", cause(&error))))?;
    Ok(text)
}

/// A log that cannot be written is found now, not at the first line.
fn check_logfile(config: &Config) -> Result<(), Fatal> {
    LogFile::new(config).check().map_err(|error| Fatal::Whole {
        version: config.slotmesh_version.clone(),
        reason: format!("Can't open the log file: {}", cause(&error)),
    })
}

/// The system's words for an error, without the number Rust adds.
pub fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A number that differs between releases, as Redis's build id does: FNV-1a of the package version.
fn build_id() -> u64 {
    let bytes = env!("CARGO_PKG_VERSION").bytes();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Bytes of configuration that are read from one file or from standard input.
const CONFIG_BYTES_MAX: u64 = 64 << 20;

/// The argument that asks for a sentinel.
pub(crate) const SENTINEL_FLAG: &[u8] = b"--sentinel";

/// The port of a sentinel that is told none.
const SENTINEL_PORT: u16 = 26_379;

const USAGE: &str = "\
Usage: slotmesh-server [/path/to/redis.conf] [--option value ...] [-]
       slotmesh-server /path/to/sentinel.conf --sentinel
       slotmesh-server -               read the configuration from standard input
       slotmesh-server -v, --version
       slotmesh-server -h, --help
       slotmesh-server --test-memory <megabytes>
       slotmesh-server --check-system

The file is read first, then standard input, then the options; what comes later overrides:
       slotmesh-server --port 7777 --replicaof 127.0.0.1 8888
       slotmesh-server /etc/redis.conf --loglevel verbose
       echo 'maxmemory 128mb' | slotmesh-server -
";
