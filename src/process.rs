//! One server as a process: what `slotmesh-server` does from its command line to its exit code.
//!
//! Lives here: the order of a start, the banner, signals. The configuration is read by [`conf`], the node
//! is the cluster crate's, the sockets are `transport-tcp`'s. Start at [`run`].

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use slotmesh_cluster::machine::{LogLevel, LogLine, Signal};
use slotmesh_cluster::node::{CpuTime, HostInfo, HostMemory, Node, is_command, sentinel_commands};
use slotmesh_engine::config::Config;
use slotmesh_engine::config::file::UserFault;
use slotmesh_engine::config::startup::UserLine;
use slotmesh_transport_tcp::clock::Clock;
use slotmesh_transport_tcp::limits::raise_open_files;
use slotmesh_transport_tcp::reactor::{Options, Outcome as Hosted, Reactor};
use slotmesh_transport_tcp::shared::Handle;

use crate::conf::{self, Outcome, Run, Words};
use crate::daemon::{self, PidFile, Process};
use crate::logfile::LogFile;
use crate::supervise::Supervisor;

/// Runs a server process with this command line, until it ends.
pub fn run(program: &str, args: &[Vec<u8>]) -> ExitCode {
    let dir = match std::env::current_dir() {
        Ok(dir) => dir,
        Err(error) => return fail(&format!("Can't find the current folder: {}\n", conf::cause(&error))),
    };
    match conf::read(program, args, dir, io::stdin(), words()) {
        Outcome::Print { text, stderr, code } => {
            print(&text, &stderr);
            ExitCode::from(code)
        }
        Outcome::Run(run) => begin(args, *run),
    }
}

/// The names that a configuration is checked against.
pub(crate) fn words() -> Words {
    Words { is_command, is_sentinel_command: |name| sentinel_commands().find(name).is_some(), check_user }
}

/// Only what needs no user management: the default user as it is by default.
fn check_user(line: &UserLine) -> Result<(), UserFault> {
    let default_rules: [&[u8]; 6] = [b"on", b"nopass", b"sanitize-payload", b"~*", b"&*", b"+@all"];
    let why = || "users other than the default one are not available in this version".to_owned();
    if line.name != b"default" {
        return Err(UserFault { rule: 0, why: why() });
    }
    let other = line.rules.iter().position(|rule| !default_rules.contains(&rule.as_slice()));
    other.map_or(Ok(()), |rule| Err(UserFault { rule, why: why() }))
}

fn begin(args: &[Vec<u8>], run: Run) -> ExitCode {
    let supervisor = Supervisor::of(run.config.supervised);
    if run.config.daemonize && supervisor == Supervisor::No {
        // The name under which this program was started is lost on the way.
        let mut args = args.to_vec();
        if run.is_sentinel && !args.iter().any(|arg| arg == conf::SENTINEL_FLAG) {
            args.push(conf::SENTINEL_FLAG.to_vec());
        }
        match daemon::detach(&args, run.stdin.as_deref()) {
            Ok(Process::Background) => {}
            Ok(Process::Foreground) => return ExitCode::SUCCESS,
            Err(error) => return fail(&format!("Can't run in the background: {}\n", conf::cause(&error))),
        }
    }
    let log = LogFile::new(&run.config);
    let role = role_of(&run);
    if let Some(greeting) = supervisor.greeting() {
        write(&log, LogLevel::Notice, 'C', greeting);
    }
    if let Err(error) = supervisor.begun() {
        write(&log, LogLevel::Warning, 'C', format!("Failed to tell the supervisor: {}", conf::cause(&error)));
    }
    announce(&log, &run);
    let pid_file = match PidFile::create(&run.config) {
        Ok(pid_file) => pid_file,
        Err(error) => {
            write(&log, LogLevel::Warning, role, format!("Failed to write PID file: {}", conf::cause(&error)));
            None
        }
    };
    let code = match serve(run, log.clone(), supervisor) {
        Ok(code) => code,
        Err(error) => {
            write(&log, LogLevel::Warning, role, format!("The server cannot run: {}", conf::cause(&error)));
            1
        }
    };
    if let Some(pid_file) = pid_file
        && code == 0
        && let Err(error) = pid_file.remove()
    {
        write(&log, LogLevel::Warning, role, format!("Failed to remove PID file: {}", conf::cause(&error)));
    }
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The letter of this process in its log.
fn role_of(run: &Run) -> char {
    if run.is_sentinel { 'X' } else { 'M' }
}

/// The lines a start begins with, and the banner that supervisors wait for.
fn announce(log: &LogFile, run: &Run) {
    let config = &run.config;
    let pid = std::process::id();
    let mode = match (run.is_sentinel, config.cluster_enabled) {
        (true, _) => "sentinel",
        (false, true) => "cluster",
        (false, false) => "standalone",
    };
    let role = role_of(run);
    let first = if run.is_sentinel { role } else { 'C' };
    let (version, port) = (&config.slotmesh_version, config.port);
    if run.stdin.is_some() {
        write(log, LogLevel::Notice, first, "Reading config from stdin");
    }
    write(log, LogLevel::Warning, first, "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    write(
        log,
        LogLevel::Warning,
        first,
        format!("Redis version={version}, bits={}, commit=00000000, modified=0, pid={pid}, just started", usize::BITS),
    );
    write(
        log,
        LogLevel::Warning,
        first,
        match run.is_configured {
            true => "Configuration loaded",
            false => {
                "Warning: no config file specified, using the default config. In order to specify a config file use \
                 slotmesh-server /path/to/redis.conf"
            }
        },
    );
    write(log, LogLevel::Notice, role, "monotonic clock: POSIX clock_gettime");
    write(log, LogLevel::Notice, role, format!("Running mode={mode}, port={port}."));
    let banner = format!(
        "\n   o--o--o   slotmesh {} (speaks Redis {version})\n   |\\/|\\/|   Running in {mode} mode\n   |/\\|/\\|   \
         Port: {port}\n   o--o--o   PID: {pid}\n\n",
        env!("CARGO_PKG_VERSION"),
    );
    // A log that cannot be written never stops a server.
    let _ = log.write_raw(&banner);
}

fn serve(run: Run, log: LogFile, supervisor: Supervisor) -> io::Result<i32> {
    let role = role_of(&run);
    if run.config.cluster_enabled && run.config.cluster_port == 0 && run.config.port > BUS_PORT_BASE_MAX {
        write(&log, LogLevel::Warning, role, PORT_TOO_HIGH);
        return Ok(1);
    }
    if run.config.port == 0 && run.config.unixsocket.is_empty() {
        write(&log, LogLevel::Warning, role, "Configured to not listen anywhere, exiting.");
        return Ok(1);
    }
    let is_sentinel = run.is_sentinel;
    let config = adjust_clients(run.config, &log, role);
    let mut host = host_info(run.config_file.map(|path| path.display().to_string()));
    host.supervisor = supervisor.name().to_owned();
    host.open_files_max = raise_open_files(OPEN_FILES_WANTED).now;
    let mut clock = Clock::new();
    let seed = slotmesh_transport_tcp::entropy::seed()?;
    let mut node = if is_sentinel { Node::sentinel(config, seed) } else { Node::new(config, seed) };
    node.set_host(host);
    node.start(clock.now());
    let sink = log.clone();
    let mut options = Options::new(move |line| {
        // Neither a log that cannot be written nor a supervisor that does not listen stops a server.
        let _ = sink.write(&line);
        let _ = supervisor.hear(&line.text);
    });
    options.clock = clock;
    let reactor = Reactor::new(node, options)?;
    attend(reactor.handle())?;
    match reactor.run()? {
        Hosted::Exit(shutdown) => Ok(shutdown.code),
        Hosted::Stopped => Ok(0),
    }
}

/// What INFO tells of this process.
pub(crate) fn host_info(config_file: Option<String>) -> HostInfo {
    HostInfo {
        os: operating_system(),
        multiplexing: "epoll".to_owned(),
        executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
        allocator: "mimalloc".to_owned(),
        config_file,
        process_id: std::process::id(),
        cpu: CpuTime::default(),
        cpu_of_main_thread: None,
        memory: memory(),
        supervisor: Supervisor::No.name().to_owned(),
        open_files_max: 0,
    }
}

/// Signals and processor time, from a thread of their own.
pub(crate) fn attend(handle: Handle<Node>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGPIPE])?;
    let delivered = handle.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let signal = match signal {
                SIGINT => Signal::Interrupt,
                SIGTERM => Signal::Terminate,
                // The reference ignores the others as well.
                _ => continue,
            };
            if delivered.signal(signal).is_err() {
                return;
            }
        }
    })?;
    std::thread::Builder::new().name("cpu-time".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(CPU_TIME_PERIOD);
            // The process's first thread, whose number is the process's, runs the reactor.
            let thread = cpu_time(&format!("/proc/self/task/{}/stat", std::process::id()));
            let (cpu, memory) = (cpu_time("/proc/self/stat").unwrap_or_default(), memory());
            let renew = |node: &mut Node| {
                node.set_cpu_time(cpu);
                node.set_main_thread_cpu_time(thread);
                node.set_memory(memory);
            };
            if handle.run(|node, _| renew(node)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Lowers `maxclients` when the system gives fewer files.
fn adjust_clients(mut config: Config, log: &LogFile, role: char) -> Config {
    let wanted = u64::from(config.maxclients) + RESERVED_FILES;
    let files = raise_open_files(wanted);
    if files.now >= wanted {
        return config;
    }
    let clients = files.now.saturating_sub(RESERVED_FILES).max(1);
    let cause = files.refused.map(|error| conf::cause(&error)).unwrap_or_default();
    let lines = [
        format!("You requested maxclients of {} requiring at least {wanted} max file descriptors.", config.maxclients),
        format!("Server can't set maximum open files to {wanted} because of OS error: {cause}."),
        format!(
            "Current maximum open files is {}. maxclients has been reduced to {clients} to compensate for low ulimit. \
             If you need higher maxclients increase 'ulimit -n'.",
            files.now
        ),
    ];
    lines.into_iter().for_each(|line| write(log, LogLevel::Warning, role, line));
    config.maxclients = u32::try_from(clients).unwrap_or(config.maxclients);
    config
}

fn operating_system() -> String {
    let name = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    format!("{} {} {}", text(name.sysname()), text(name.release()), text(name.machine()))
}

/// Memory of process and machine, from the kernel's tables; zero where there are none.
fn memory() -> HostMemory {
    let line_kilobytes = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse::<usize>().ok()).unwrap_or(0)
    };
    HostMemory {
        resident_bytes: line_kilobytes("/proc/self/status", "VmRSS:") * 1024,
        system_bytes: line_kilobytes("/proc/meminfo", "MemTotal:") * 1024,
    }
}

/// Processor time of a process or a thread, from the kernel's table; nothing where there is none.
fn cpu_time(path: &str) -> Option<CpuTime> {
    let stat = std::fs::read_to_string(path).ok()?;
    // The program's name stands in brackets and may hold blanks; fields 14 and 15 are counted from its end.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let micros = |ticks: u64| ticks * 1_000_000 / TICKS_PER_SECOND;
    Some(CpuTime { user_micros: micros(ticks(11)), system_micros: micros(ticks(12)) })
}

fn write(log: &LogFile, level: LogLevel, role: char, text: impl Into<String>) {
    // A log that cannot be written never stops a server.
    let _ = log.write(&LogLine { level, role, text: text.into() });
}

fn fail(text: &str) -> ExitCode {
    print("", text);
    ExitCode::FAILURE
}

fn print(text: &str, stderr: &str) {
    use std::io::Write;
    // Nobody is left to tell when a standard stream is closed.
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stderr().write_all(stderr.as_bytes());
}

/// Files the server needs beside one per client (`CONFIG_MIN_RESERVED_FDS`).
const RESERVED_FILES: u64 = 32;

/// Files the process is allowed to open, as far as the system lets it: `maxclients` may grow later.
const OPEN_FILES_WANTED: u64 = 1 << 20;

/// The greatest client port that leaves room for the bus port, 10,000 above it.
const BUS_PORT_BASE_MAX: u16 = u16::MAX - 10_000;

const PORT_TOO_HIGH: &str = "Redis port number too high. Cluster communication port is 10,000 port numbers higher than \
                             your Redis port. Your Redis port number must be 55535 or less.";

/// How often the processor time that INFO shows is renewed.
const CPU_TIME_PERIOD: Duration = Duration::from_secs(1);

/// The unit of processor times in the kernel's table (`USER_HZ`, 100 on every Linux platform).
const TICKS_PER_SECOND: u64 = 100;
