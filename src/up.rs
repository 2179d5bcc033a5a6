//! `slotmesh up`: a whole cluster in one process, watched.
//!
//! Starts a [`Cluster`] with ports, prints its map and how to connect, tells of every change (a node that goes or
//! comes, a replica that takes over), and ends it in order on SIGINT or SIGTERM. The cluster itself is elsewhere.
//! Start at [`run`].

mod sentinel;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Zoned;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cluster::{Cluster, NodeInfo, NodeState};
use crate::error::StartError;

/// What `slotmesh up` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Primaries; at least 1.
    pub primaries: usize,
    /// Replicas of each primary.
    pub replicas: usize,
    /// The address of all nodes.
    pub bind: String,
    /// The first node's port; the others have the next ones.
    pub port: u16,
    /// Where files stay; without it nothing stays.
    pub dir: Option<PathBuf>,
    /// `cluster-node-timeout`; `down-after-milliseconds` of sentinels.
    pub node_timeout: Duration,
    /// A primary with replicas and three sentinels instead of a cluster.
    pub sentinel: bool,
}

impl Default for Wish {
    fn default() -> Self {
        let bind = "127.0.0.1".to_owned();
        Self {
            primaries: 3,
            replicas: 1,
            bind,
            port: 7001,
            dir: None,
            node_timeout: Duration::from_secs(5),
            sentinel: false,
        }
    }
}

/// Runs a cluster until SIGINT or SIGTERM.
///
/// # Errors
/// When the cluster does not start, or standard output cannot be written.
pub fn run(wish: &Wish) -> Result<(), StartError> {
    if wish.sentinel {
        return sentinel::run(wish);
    }
    let mut signals = signals()?;
    let cluster = start(wish)?;
    let mut before = cluster.nodes();
    say(&map(&before))?;
    say(&advice(wish))?;
    watch(&mut signals, || {
        let after = cluster.nodes();
        let lines = changes(&before, &after);
        before = after;
        lines
    })?;
    say(match wish.dir {
        Some(_) => "\nEnding: every node saves its data.\n",
        None => "\nEnding: nothing stays behind.\n",
    })?;
    drop(cluster);
    Ok(())
}

/// Signals that come while the nodes start must find somebody.
fn signals() -> Result<Signals, StartError> {
    Signals::new([SIGINT, SIGTERM]).map_err(StartError::system("Can't take signals"))
}

/// Tells what has changed, until a signal comes.
fn watch(signals: &mut Signals, mut look: impl FnMut() -> Vec<String>) -> Result<(), StartError> {
    while signals.pending().next().is_none() {
        std::thread::sleep(WATCH_PERIOD);
        for change in look() {
            say(&format!("{}  {change}\n", Zoned::now().strftime("%H:%M:%S")))?;
        }
    }
    Ok(())
}

fn start(wish: &Wish) -> Result<Cluster, StartError> {
    let host = if wish.bind.contains(':') { format!("[{}]", wish.bind) } else { wish.bind.clone() };
    let builder = Cluster::builder()
        .primaries(wish.primaries)
        .replicas(wish.replicas)
        .node_timeout(wish.node_timeout)
        .listen(format!("{host}:{}", wish.port));
    match &wish.dir {
        Some(dir) => builder.data_dir(dir).option("appendonly", "yes").start(),
        None => builder.start(),
    }
}

/// One line per node.
fn map(nodes: &[NodeInfo]) -> String {
    let mut text = String::new();
    for node in nodes {
        let what = match &node.state {
            NodeState::Primary { slots, .. } => format!("primary  slots {}", ranges(slots)),
            NodeState::Replica { primary, .. } => format!("replica  of {}", name_of(nodes, *primary)),
            NodeState::Down => "down".to_owned(),
            NodeState::Starting => "starting".to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<21}  {what}", node.address);
    }
    text
}

fn advice(wish: &Wish) -> String {
    let host = if wish.bind == Wish::default().bind { String::new() } else { format!(" -h {}", wish.bind) };
    let port = wish.port;
    let files = match &wish.dir {
        Some(dir) => format!("Files are kept in {}.", dir.display()),
        None => "No file is kept; --dir DIR keeps the data.".to_owned(),
    };
    format!(
        "\nReady. Connect:            redis-cli -c{host} -p {port}\n\
         See a failover:            redis-cli{host} -p {port} shutdown nosave\n\
         {files} Ctrl-C ends the cluster.\n\n"
    )
}

/// What happened between two looks, in the order of the nodes.
fn changes(before: &[NodeInfo], after: &[NodeInfo]) -> Vec<String> {
    let mut lines = Vec::new();
    for (old, new) in before.iter().zip(after) {
        let name = new.address;
        match (&old.state, &new.state) {
            (old, new) if old == new => {}
            (_, NodeState::Down) => lines.push(format!("{name} is down")),
            (NodeState::Down, NodeState::Starting) => lines.push(format!("{name} is back")),
            (NodeState::Replica { .. }, NodeState::Primary { slots, epoch, .. }) => {
                lines.push(format!("{name} is a primary now: slots {}, epoch {epoch}", ranges(slots)));
            }
            // Its primary is gone: who it follows next is the news.
            (NodeState::Replica { .. }, NodeState::Replica { primary: None, .. }) => {}
            (_, NodeState::Replica { primary, .. }) => {
                lines.push(format!("{name} follows {} now", name_of(after, *primary)));
            }
            (NodeState::Primary { slots: old, .. }, NodeState::Primary { slots, .. }) if old != slots => {
                lines.push(format!("{name} serves slots {} now", ranges(slots)));
            }
            _ => {}
        }
    }
    lines
}

fn name_of(nodes: &[NodeInfo], index: Option<usize>) -> String {
    index.and_then(|index| nodes.get(index)).map_or_else(|| "another node".to_owned(), |node| node.address.to_string())
}

fn ranges(slots: &[(u16, u16)]) -> String {
    let range = |&(first, last): &(u16, u16)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    match slots {
        [] => "none".to_owned(),
        slots => slots.iter().map(range).collect::<Vec<_>>().join(" "),
    }
}

fn say(text: &str) -> Result<(), StartError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(StartError::system("Can't write to standard output"))
}

/// Time between two looks at the nodes.
const WATCH_PERIOD: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::{changes, map};
    use crate::{NodeInfo, NodeState};

    fn nodes(states: [NodeState; 3]) -> Vec<NodeInfo> {
        let node = |(index, state)| NodeInfo { index, address: ([127, 0, 0, 1], 7001 + index as u16).into(), state };
        states.into_iter().enumerate().map(node).collect()
    }

    fn primary(slots: &[(u16, u16)]) -> NodeState {
        NodeState::Primary { id: "a".to_owned(), slots: slots.to_vec(), epoch: 7 }
    }

    fn replica(primary: Option<usize>) -> NodeState {
        NodeState::Replica { id: "b".to_owned(), primary }
    }

    #[test]
    fn the_map_has_a_line_for_each_node() {
        let text = map(&nodes([primary(&[(0, 5), (9, 9)]), replica(Some(0)), NodeState::Down]));

        let expected = "  127.0.0.1:7001         primary  slots 0-5 9\n  127.0.0.1:7002         replica  of \
                        127.0.0.1:7001\n  127.0.0.1:7003         down\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_failover_is_told_as_it_happens() {
        let calm = nodes([primary(&[(0, 9)]), replica(Some(0)), replica(Some(0))]);
        let lost = nodes([NodeState::Down, replica(None), replica(None)]);
        let taken = nodes([NodeState::Down, primary(&[(0, 9)]), replica(Some(1))]);

        assert_eq!(changes(&calm, &calm), Vec::<String>::new());
        assert_eq!(changes(&calm, &lost), ["127.0.0.1:7001 is down"]);
        assert_eq!(
            changes(&lost, &taken),
            ["127.0.0.1:7002 is a primary now: slots 0-9, epoch 7", "127.0.0.1:7003 follows 127.0.0.1:7002 now"]
        );
    }
}
