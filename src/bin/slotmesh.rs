//! `slotmesh up`: a Redis Cluster in one command.

use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};
use slotmesh::up::{self, Wish};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match parse(lexopt::Parser::from_env()) {
        Ok(Command::Print(text)) => {
            print(text);
            ExitCode::SUCCESS
        }
        Ok(Command::Up(wish)) => match up::run(&wish) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        },
        Err(error) => fail(&format!("{error}\n\n{USAGE}")),
    }
}

enum Command {
    Print(&'static str),
    Up(Wish),
}

fn parse(mut args: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut wish = Wish::default();
    let mut replicas = None;
    let mut command = None;
    while let Some(arg) = args.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Print(USAGE)),
            Short('V') | Long("version") => return Ok(Command::Print(VERSION)),
            Value(name) if command.is_none() => command = Some(name.string()?),
            Long("primaries") => wish.primaries = args.value()?.parse()?,
            Long("replicas") => replicas = Some(args.value()?.parse()?),
            Long("sentinel") => wish.sentinel = true,
            Long("port") => wish.port = args.value()?.parse_with(port)?,
            Long("bind") => wish.bind = args.value()?.string()?,
            Long("dir") => wish.dir = Some(args.value()?.into()),
            Long("node-timeout") => wish.node_timeout = Duration::from_millis(args.value()?.parse()?),
            other @ (Long(_) | Short(_) | Value(_)) => return Err(other.unexpected()),
        }
    }
    wish.replicas = replicas.unwrap_or(if wish.sentinel { SENTINEL_REPLICAS } else { wish.replicas });
    match command.as_deref() {
        Some("up") => Ok(Command::Up(wish)),
        Some("help") => Ok(Command::Print(USAGE)),
        Some(other) => Err(format!("there is no command '{other}'").into()),
        None => Err("a command is missing".into()),
    }
}

/// A port that clients can be told of.
fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().ok().filter(|&port| port != 0).ok_or("not a port")
}

fn fail(text: &str) -> ExitCode {
    use std::io::Write;
    // Nobody is left to tell when standard error is closed.
    let _ = std::io::stderr().write_all(format!("slotmesh: {text}\n").as_bytes());
    ExitCode::FAILURE
}

fn print(text: &str) {
    use std::io::Write;
    // Nobody is left to tell when standard output is closed.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Replicas of a primary that sentinels watch, when nothing else is said.
const SENTINEL_REPLICAS: usize = 2;

const VERSION: &str = concat!("slotmesh ", env!("CARGO_PKG_VERSION"), "\n");

const USAGE: &str = "\
Usage: slotmesh up [options]

Starts a whole Redis Cluster in this process, with real ports, and prints how to connect.

  --primaries N       primaries that share the slots (default 3)
  --replicas N        replicas of each primary (default 1; 2 with --sentinel)
  --sentinel          one primary with replicas and three sentinels, instead of a cluster
  --port PORT         port of the first node; the others follow (default 7001)
  --bind ADDRESS      address of all nodes (default 127.0.0.1)
  --dir DIR           keep the data in DIR, and find it there again; without it nothing is kept
  --node-timeout MS   silence after which a node is suspected, in milliseconds (default 5000)
  -h, --help          this text
  -V, --version       the version
";
