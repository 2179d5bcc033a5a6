//! Cluster nodes as processes: started side by side, joined by hand, asked for what they see.

use std::path::Path;
use std::time::Duration;

use crate::client::Client;
use crate::launch::{Launch, Server};
use crate::reply::Reply;
use crate::wait::poll_until;

/// One line of CLUSTER NODES.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLine {
    /// The node's id.
    pub id: String,
    /// Its client port.
    pub port: u16,
    /// Its flags.
    pub flags: Vec<String>,
    /// The id of its primary.
    pub primary: Option<String>,
    /// Its configuration epoch.
    pub epoch: u64,
    /// `connected` or `disconnected`.
    pub link: String,
    /// Its slots as printed: `0-5460`, `7`, `[7->-id]`.
    pub slots: Vec<String>,
}

impl NodeLine {
    /// Whether the node has this flag.
    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }
}

/// Starts this many cluster nodes of one program.
///
/// # Panics
/// When one does not start.
pub fn start_nodes(program: &Path, nodes: usize, node_timeout_ms: u64) -> Vec<Server> {
    start_all(&Launch::new(program).cluster(node_timeout_ms).option("repl-diskless-sync-delay", "0"), nodes)
}

/// Starts this many servers of one kind side by side.
///
/// # Panics
/// When one does not start.
pub fn start_all(launch: &Launch, servers: usize) -> Vec<Server> {
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..servers).map(|_| scope.spawn(|| launch.start())).collect();
        let started = starts.into_iter().map(|start| start.join().expect("no panic at start"));
        started.map(|server| server.unwrap_or_else(|error| panic!("{error}"))).collect()
    })
}

/// What a node's CLUSTER NODES says.
///
/// # Panics
/// When the reply has another form.
pub fn nodes(client: &mut Client) -> Vec<NodeLine> {
    let reply = client.call(["CLUSTER", "NODES"]).expect("CLUSTER NODES is answered");
    let text = String::from_utf8_lossy(reply.text().unwrap_or_else(|| panic!("{reply:?}"))).into_owned();
    text.lines().map(|line| parse(line).unwrap_or_else(|| panic!("no node line: {line}"))).collect()
}

/// A node's own line.
///
/// # Panics
/// As [`nodes`].
pub fn myself(server: &Server) -> NodeLine {
    let lines = nodes(&mut server.client());
    lines.into_iter().find(|line| line.is("myself")).expect("a node knows itself")
}

/// Sends a command that must be answered with OK.
///
/// # Panics
/// When it is not.
pub fn ok<A: AsRef<[u8]>>(server: &Server, args: impl IntoIterator<Item = A>) {
    assert_eq!(server.client().call(args).expect("an answer"), Reply::Simple(b"OK".to_vec()));
}

/// Joins nodes: the first meets all others, until each knows every other and the handshakes are over.
///
/// # Panics
/// When they have not in [`FORM_LIMIT`].
pub fn meet_all(servers: &[Server]) {
    let (first, rest) = servers.split_first().expect("a node");
    for server in rest {
        ok(first, ["CLUSTER", "MEET", "127.0.0.1", &server.port().to_string()]);
    }
    for server in servers {
        wait_for(server, "all nodes to know each other", |lines| {
            lines.len() == servers.len() && lines.iter().all(|line| !line.is("handshake") && line.link == "connected")
        });
    }
}

/// Gives a node a range of slots, all in one command.
///
/// # Panics
/// When it refuses.
pub fn add_slots(server: &Server, slots: std::ops::RangeInclusive<u16>) {
    let words = ["CLUSTER".to_owned(), "ADDSLOTS".to_owned()].into_iter();
    ok(server, words.chain(slots.map(|slot| slot.to_string())));
}

/// Makes a node the replica of another, as soon as it knows it.
///
/// # Panics
/// When it does not in [`FORM_LIMIT`].
pub fn replicate(replica: &Server, primary: &Server) {
    let id = myself(primary).id;
    ok(replica, ["CLUSTER", "REPLICATE", &id]);
    wait_for(primary, "the replica", |lines| {
        lines.iter().any(|line| line.port == replica.port() && line.primary.as_ref() == Some(&id))
    });
}

/// Waits until a node sees its cluster so.
///
/// # Panics
/// When it does not in [`FORM_LIMIT`].
pub fn wait_for(server: &Server, what: &str, mut holds: impl FnMut(&[NodeLine]) -> bool) {
    let mut client = server.client();
    let mut last = Vec::new();
    let seen = poll_until(what, FORM_LIMIT, || {
        last = nodes(&mut client);
        holds(&last).then_some(())
    });
    seen.unwrap_or_else(|timeout| panic!("{timeout}; port {} sees {last:#?}", server.port()));
}

/// Waits until every node says that the cluster's state is `state`.
///
/// # Panics
/// When one does not in [`FORM_LIMIT`].
pub fn wait_state(servers: &[&Server], state: &str) {
    for server in servers {
        let mut client = server.client();
        let has_state = || {
            let reply = client.call(["CLUSTER", "INFO"]).expect("CLUSTER INFO is answered");
            let text = String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned();
            text.lines().any(|line| line == format!("cluster_state:{state}")).then_some(())
        };
        poll_until(&format!("cluster_state:{state}"), FORM_LIMIT, has_state).unwrap_or_else(|timeout| {
            panic!("{timeout} on port {}: {:#?}", server.port(), nodes(&mut server.client()))
        });
    }
}

fn parse(line: &str) -> Option<NodeLine> {
    let words: Vec<&str> = line.split(' ').collect();
    let [id, address, flags, primary, _, _, epoch, link, slots @ ..] = words.as_slice() else { return None };
    let port = address.split('@').next()?.rsplit(':').next()?.parse().ok()?;
    Some(NodeLine {
        id: (*id).to_owned(),
        port,
        flags: flags.split(',').map(str::to_owned).collect(),
        primary: (*primary != "-").then(|| (*primary).to_owned()),
        epoch: epoch.parse().ok()?,
        link: (*link).to_owned(),
        slots: slots.iter().map(|&slots| slots.to_owned()).collect(),
    })
}

/// Longest wait for a cluster to agree on something: several node timeouts and an election.
pub const FORM_LIMIT: Duration = Duration::from_secs(40);
