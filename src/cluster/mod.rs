//! A cluster inside this process.
//!
//! [`Cluster::builder`] says how large it is and whether it has ports; [`Cluster::client`] talks to it. Its nodes are
//! the same nodes as in separate processes: they gossip, replicate and fail over. What does not live here: the node
//! (that is the cluster crate's), its host (`seat`), virtual time ([`testing`](crate::testing)).

mod builder;
mod folder;
mod form;
mod health;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slotmesh_cluster::bus::NodeId;
use slotmesh_cluster::slots::SlotRange;
use slotmesh_engine::command::Registry;
use tempfile::TempDir;

pub use builder::ClusterBuilder;
use health::View;

use crate::client::{Address, Client, ClusterClient, Error, Link, Places};
use crate::error::StartError;
use crate::seat::{Seat, rest};
use crate::server::END_MAX;

/// A cluster whose nodes run in this process. Ends when it and the last of its clients are
/// dropped; in order, when it has a folder for its data.
///
/// ```
/// use slotmesh::Cluster;
///
/// let cluster = Cluster::builder().primaries(3).replicas(1).start()?;
/// let mut client = cluster.client();
/// assert_eq!(client.call::<String>(["PING"])?, "PONG");
/// assert_eq!(cluster.nodes().len(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cluster {
    members: Arc<Members>,
}

#[derive(Debug)]
struct Members {
    list: Vec<Member>,
    commands: Arc<Registry>,
    node_timeout: Duration,
    /// Its files are wanted after its end.
    keeps_files: bool,
    /// Removed with the cluster.
    _folder: Option<TempDir>,
}

/// A node with the address that it tells the others.
#[derive(Debug)]
struct Member {
    seat: Seat,
    address: SocketAddr,
}

/// A node of a cluster, as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its place in the cluster, from 0.
    pub index: usize,
    /// Where it is: a real address, or an invented one of the memory network.
    pub address: SocketAddr,
    /// What it does.
    pub state: NodeState,
}

/// What a node of a cluster does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// It was killed, or ended itself.
    Down,
    /// It serves slots.
    Primary {
        /// Its name.
        id: String,
        /// Its slots, as pairs of first and last.
        slots: Vec<(u16, u16)>,
        /// The epoch of its claim to them.
        epoch: u64,
    },
    /// It follows a primary.
    Replica {
        /// Its name.
        id: String,
        /// The primary's place in the cluster; none when that is a node of another process.
        primary: Option<usize>,
    },
    /// It reads its files.
    Starting,
}

impl Cluster {
    /// A cluster in this process.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::new()
    }

    /// A client of the whole cluster, on the caller's thread.
    pub fn client(&self) -> ClusterClient {
        let places: Arc<dyn Places> = Arc::<Members>::clone(&self.members);
        let mut client = ClusterClient::new(places, Arc::clone(&self.members.commands));
        client.set_patience(self.members.node_timeout.saturating_mul(2) + PATIENCE_MIN);
        client
    }

    /// A client of one node, which answers with redirects for keys of others.
    ///
    /// # Errors
    /// When the node is down.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn node_client(&self, index: usize) -> Result<Client, Error> {
        let members = Arc::clone(&self.members);
        assert!(index < members.list.len(), "the cluster has {} nodes", members.list.len());
        Client::open(Arc::new(move || members.list[index].seat.link()))
    }

    /// What each node does, as it sees itself.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        let views: Vec<Option<Option<View>>> =
            self.members.list.iter().map(|member| member.seat.look(View::of)).collect();
        let place = |id: &NodeId| {
            let is = |view: &Option<Option<View>>| matches!(view, Some(Some(view)) if view.id == *id);
            views.iter().position(is)
        };
        let state = |view: &Option<Option<View>>| match view {
            None => NodeState::Down,
            Some(None) => NodeState::Starting,
            Some(Some(View { id, primary: Some(primary), .. })) => {
                NodeState::Replica { id: id.to_string(), primary: place(primary) }
            }
            Some(Some(View { id, slots, epoch, .. })) => {
                let pair = |range: &SlotRange| (range.first.number(), range.last.number());
                NodeState::Primary { id: id.to_string(), slots: slots.iter().map(pair).collect(), epoch: *epoch }
            }
        };
        let members = self.members.list.iter().zip(&views).enumerate();
        members.map(|(index, (member, view))| NodeInfo { index, address: member.address, state: state(view) }).collect()
    }

    /// Ends a node without warning, as a crash would. What it had not written to its disk is lost.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn kill(&self, index: usize) {
        self.members.list[index].seat.kill();
    }

    /// Starts a node again that was killed or has ended; its files are as it left them.
    ///
    /// # Errors
    /// When it cannot start: somebody has taken its port, or its files are damaged.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn restart(&self, index: usize) -> Result<(), StartError> {
        let seat = &self.members.list[index].seat;
        seat.start(Vec::new())?;
        seat.wait_running()
    }

    /// Waits until all nodes that run agree: every slot is served, every primary may acknowledge writes, every replica
    /// follows.
    ///
    /// # Errors
    /// What was still missing when the time was over.
    pub fn wait_healthy(&self, timeout: Duration) -> Result<(), StartError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut round = 0;
        loop {
            let mut views: Vec<Option<View>> = Vec::new();
            let mut down = Vec::new();
            for member in &self.members.list {
                match member.seat.look(View::of) {
                    Some(view) => views.push(view),
                    None => down.push(member.address),
                }
            }
            let problem = match health::problem(&views, &down) {
                None if views.is_empty() => "no node runs".to_owned(),
                None => return Ok(()),
                Some(problem) => problem,
            };
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(StartError::Unhealthy { reason: problem });
            }
            rest(round);
            round += 1;
        }
    }
}

impl Places for Members {
    fn first(&self) -> Vec<Address> {
        let address = |member: &Member| Address { host: member.address.ip().to_string(), port: member.address.port() };
        self.list.iter().map(address).collect()
    }

    fn open(&self, node: &Address) -> Result<Box<dyn Link>, Error> {
        let is = |member: &&Member| member.address.port() == node.port && member.address.ip().to_string() == node.host;
        match self.list.iter().find(is) {
            Some(member) => member.seat.link(),
            None => Err(Error::unsent(format!("{}:{} is no node of this process", node.host, node.port))),
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        if !self.keeps_files {
            return self.list.iter().for_each(|member| member.seat.kill());
        }
        // All at once: a primary waits for its replicas to have everything before it goes.
        self.list.iter().for_each(|member| member.seat.terminate());
        let grace = self.list.first().map_or(0, |member| member.seat.plan().config.shutdown_timeout_secs);
        let deadline = Instant::now() + Duration::from_secs(u64::from(grace)) + END_MAX;
        self.list.iter().for_each(|member| member.seat.wait_ended(deadline));
    }
}

/// What a client waits for at least while nobody serves a slot: an election's own delays.
const PATIENCE_MIN: Duration = Duration::from_secs(3);
