//! `slotmesh up --sentinel`: a primary, its replicas and three sentinels in one process.
//!
//! Everybody has a port and a folder that goes at the end. What the sentinels do is theirs; here is only who is started
//! with which lines, and what is told of changes.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use slotmesh_cluster::node::Node;
use slotmesh_engine::rng::Rng;
use tempfile::TempDir;

use super::{Wish, say, watch};
use crate::builder::seed_or_entropy;
use crate::error::StartError;
use crate::log::{NodeLog, Sink};
use crate::seat::{Plan, Seat};
use crate::settings::Settings;

/// A group with its sentinels.
struct Group {
    members: Vec<Member>,
    /// Removed at the end.
    _folder: TempDir,
}

struct Member {
    seat: Seat,
    address: SocketAddr,
}

/// Runs a group until SIGINT or SIGTERM.
pub(super) fn run(wish: &Wish) -> Result<(), StartError> {
    if wish.dir.is_some() {
        return Err(StartError::Config("--dir is not available with --sentinel: nothing is kept".to_owned()));
    }
    let mut signals = super::signals()?;
    let group = Group::start(wish)?;
    let mut before = group.states();
    for (member, state) in group.members.iter().zip(&before) {
        say(&format!("  {:<21}  {state}\n", member.address))?;
    }
    say(&group.advice(wish))?;
    watch(&mut signals, || {
        let after = group.states();
        let news = group.members.iter().zip(before.iter().zip(&after)).filter(|(_, (old, new))| old != new);
        let lines = news.map(|(member, (_, new))| format!("{} is {new} now", member.address)).collect();
        before = after;
        lines
    })?;
    say("\nEnding: nothing stays behind.\n")
}

impl Group {
    fn start(wish: &Wish) -> Result<Self, StartError> {
        let ip: IpAddr = wish.bind.parse().map_err(|_| StartError::Config(format!("{} is no address", wish.bind)))?;
        let servers = wish.replicas + 1;
        let last = usize::from(wish.port) + servers + SENTINELS - 1;
        if u16::try_from(last).is_err() {
            return Err(StartError::Config(format!("port {} leaves no room for the others", wish.port)));
        }
        let folder = TempDir::with_prefix("slotmesh-").map_err(StartError::system("Can't make a folder"))?;
        let mut rng = Rng::new(seed_or_entropy(None)?);
        let address = |index: usize| SocketAddr::new(ip, wish.port + index as u16);
        let mut members = Vec::with_capacity(servers + SENTINELS);
        for index in 0..servers + SENTINELS {
            let dir = folder.path().join(format!("node-{}", index + 1));
            let lines = if index < servers { String::new() } else { sentinel_lines(address(0), wish) };
            let follows = (1..servers).contains(&index).then(|| address(0));
            let plan = plan(index, address(index), &dir, follows, &lines, &mut rng)?;
            let seat = Seat::on_sockets(plan, Vec::new())?;
            seat.wait_running()?;
            members.push(Member { seat, address: address(index) });
        }
        Ok(Self { members, _folder: folder })
    }

    fn states(&self) -> Vec<String> {
        let state = |member: &Member| member.seat.look(|node, _| describe(node)).unwrap_or_else(|| "down".to_owned());
        self.members.iter().map(state).collect()
    }

    fn advice(&self, wish: &Wish) -> String {
        let host = if wish.bind == Wish::default().bind { String::new() } else { format!(" -h {}", wish.bind) };
        let (primary, sentinel) = (wish.port, wish.port + wish.replicas as u16 + 1);
        format!(
            "\nReady. Ask a sentinel:     redis-cli{host} -p {sentinel} sentinel get-master-addr-by-name {NAME}\n\
             See a failover:            redis-cli{host} -p {primary} shutdown nosave\n\
             No file is kept. Ctrl-C ends everything.\n\n"
        )
    }
}

/// What a node is, in its own view.
fn describe(node: &Node) -> String {
    if let Some(sentinel) = node.as_sentinel() {
        let named = sentinel.address_of(NAME.as_bytes());
        return named.map_or_else(|_| "a sentinel".to_owned(), |(host, port)| format!("a sentinel of {host}:{port}"));
    }
    let primary = node.engine().core().config.replicaof.as_ref();
    match primary.filter(|_| node.is_replica()) {
        Some(primary) => format!("a replica of {}:{}", primary.host, primary.port),
        None => "the primary".to_owned(),
    }
}

fn sentinel_lines(primary: SocketAddr, wish: &Wish) -> String {
    let millis = wish.node_timeout.as_millis().max(1);
    format!(
        "sentinel monitor {NAME} {} {} {}\nsentinel down-after-milliseconds {NAME} {millis}\n\
         sentinel failover-timeout {NAME} {}\n",
        primary.ip(),
        primary.port(),
        SENTINELS / 2 + 1,
        FAILOVER_FACTOR * millis
    )
}

fn plan(
    index: usize,
    address: SocketAddr,
    dir: &Path,
    follows: Option<SocketAddr>,
    sentinel_lines: &str,
    rng: &mut Rng,
) -> Result<Plan, StartError> {
    let mut own = vec![
        ("bind", address.ip().to_string()),
        ("port", address.port().to_string()),
        ("save", String::new()),
        ("repl-diskless-sync-delay", "0".to_owned()),
    ];
    if !address.ip().is_loopback() {
        own.push(("protected-mode", "no".to_owned()));
    }
    let mut settings = Settings { data_dir: Some(dir.to_owned()), ..Settings::default() };
    if let Some(primary) = follows {
        settings.option("replicaof", format!("{} {}", primary.ip(), primary.port()));
    }
    let config = settings.resolve(&own)?;
    let is_sentinel = !sentinel_lines.is_empty();
    let file = dir.join(if is_sentinel { "sentinel.conf" } else { "redis.conf" });
    std::fs::write(&file, sentinel_lines).map_err(StartError::system(format!("Can't write {}", file.display())))?;
    Ok(Plan {
        config,
        seed: rng.next_u64(),
        rows: &[],
        founding: None,
        log: NodeLog::new(index, Sink::default()),
        sentinel_of: is_sentinel.then(|| file.display().to_string()),
    })
}

/// The name under which the primary is watched: the one of Redis's own example.
const NAME: &str = "mymaster";

/// Sentinels: enough for one to be lost.
const SENTINELS: usize = 3;

/// How many times as long as silence is suspected a failover may take.
const FAILOVER_FACTOR: u128 = 4;
