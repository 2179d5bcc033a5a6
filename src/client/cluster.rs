//! A client of a whole cluster.
//!
//! It knows which node has which slot, sends each command where its first key is, follows MOVED and ASK, waits out
//! TRYAGAIN and the moments in which nobody serves a slot, and asks anew for the map when a node is gone. What a
//! command's keys are it knows from the same table as the server; a command it does not know goes to any node, whose
//! redirect tells where it belongs. Start at [`ClusterClient::call`].

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use slotmesh_engine::command::Registry;
use slotmesh_engine::command::keys::each_key;
use slotmesh_engine::command::spec::{ADMIN, WRITE};
use slotmesh_engine::slot::Slot;

use super::connection::Connection;
use super::error::{Error, ServerError};
use super::link::{Link, Tcp};
use super::pipeline::{Batch, Pipeline};
use super::request::{Arg, Request, ToArgs};
use super::slot_map::{NodeNumber, SlotMap};
use super::subscription::Subscription;
use super::{CONNECT_TIMEOUT, FromReply, PIPELINE_REQUESTS_MAX};
use slotmesh_engine::resp::value::Reply;

/// Where a node is reached, as nodes tell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Where a cluster's nodes are, and how to reach them.
pub(crate) trait Places: Send + Sync {
    /// Nodes to ask when none is known.
    fn first(&self) -> Vec<Address>;

    /// Opens a connection.
    fn open(&self, node: &Address) -> Result<Box<dyn Link>, Error>;
}

/// A client that talks to all nodes of a cluster.
///
/// One that was connected over TCP and one of a [`Cluster`](crate::Cluster) in this process behave alike.
pub struct ClusterClient {
    places: Arc<dyn Places>,
    commands: Arc<Registry>,
    /// By node number.
    connections: Vec<Option<Connection>>,
    map: SlotMap,
    request: Request,
    /// What every new connection begins with.
    greetings: Vec<Request>,
    timeout: Option<Duration>,
    patience: Duration,
    /// Counts commands without keys, which go to the nodes in turn.
    turn: usize,
}

/// A command on its way: where it goes and what may be done when that fails.
struct Route {
    /// The slot of its first key.
    slot: Option<Slot>,
    /// Running it twice does no harm beyond the second time.
    reads_only: bool,
    /// It is about the node itself: never sent to another one.
    is_admin: bool,
}

/// What to do after one try.
enum Next {
    /// Once more, at this node, after ASKING.
    Ask(NodeNumber),
    Done(Reply),
    /// Once more, at this node.
    Move(NodeNumber),
    /// Once more, after a moment; the error counts when there is no time left.
    Wait(Error),
}

impl ClusterClient {
    /// Connects over TCP to the cluster that one of these nodes belongs to.
    ///
    /// # Errors
    /// When no node can be reached, or the one that can is no cluster node.
    pub fn connect(nodes: impl ToSocketAddrs) -> Result<Self, Error> {
        let nodes = nodes.to_socket_addrs().map_err(|error| Error::unsent(error.to_string()))?;
        let nodes = nodes.map(|node| Address { host: node.ip().to_string(), port: node.port() }).collect();
        let mut client = Self::new(Arc::new(Remote { nodes }), Arc::new(slotmesh_cluster::node::commands(&[])));
        client.refresh()?;
        Ok(client)
    }

    pub(crate) fn new(places: Arc<dyn Places>, commands: Arc<Registry>) -> Self {
        Self {
            places,
            commands,
            connections: Vec::new(),
            map: SlotMap::new(),
            request: Request::empty(),
            greetings: Vec::new(),
            timeout: None,
            patience: PATIENCE,
            turn: 0,
        }
    }

    /// How long one node may take for one reply; none, as at first, for as long as it takes.
    pub fn set_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        self.timeout = timeout.into();
        self.connections.iter_mut().flatten().for_each(|connection| connection.timeout = self.timeout);
    }

    /// How long a command is tried again while nobody serves its slot (default 5 s, or what the cluster in this
    /// process needs for a failover).
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Adds a command that every new connection begins with: `AUTH`, `HELLO`, `READONLY`.
    pub fn on_connect(&mut self, args: impl ToArgs) {
        let mut request = Request::empty();
        request.set(&args);
        self.greetings.push(request);
        self.connections.clear();
    }

    /// Runs one command where its first key is, and waits for its reply.
    ///
    /// A command that could not be sent is tried again, and so is one that only reads; a write whose connection ended
    /// before its reply came is not, since it may have run.
    ///
    /// # Errors
    /// When the server replies with an error other than a redirect, the reply is not of the type asked for, or the
    /// command could not be run in time ([`ClusterClient::set_patience`]).
    pub fn call<T: FromReply>(&mut self, args: impl ToArgs) -> Result<T, Error> {
        let mut request = std::mem::replace(&mut self.request, Request::empty());
        request.set(&args);
        let reply = self.run(&request);
        self.request = request;
        let reply = reply?;
        if let Reply::Error(error) = reply { Err(error.into()) } else { T::from_reply(reply) }
    }

    /// Several commands in one exchange with each node.
    pub fn pipeline(&mut self) -> Pipeline<'_, Self> {
        Pipeline::new(self)
    }

    /// Listens to channels, on a connection of its own to one of the nodes.
    ///
    /// # Errors
    /// When no node can be reached, or the one that can refuses.
    pub fn subscribe<A: Arg>(&mut self, channels: impl IntoIterator<Item = A>) -> Result<Subscription, Error> {
        let connection = self.any_connection()?;
        Subscription::begin(connection, "SUBSCRIBE", channels)
    }

    /// Listens to all channels whose names fit the patterns, on a connection of its own to one of the nodes.
    ///
    /// # Errors
    /// As [`ClusterClient::subscribe`].
    pub fn psubscribe<A: Arg>(&mut self, patterns: impl IntoIterator<Item = A>) -> Result<Subscription, Error> {
        let connection = self.any_connection()?;
        Subscription::begin(connection, "PSUBSCRIBE", patterns)
    }

    /// Listens to a shard channel at the node that has its slot.
    ///
    /// # Errors
    /// As [`ClusterClient::subscribe`].
    pub fn ssubscribe(&mut self, channel: impl AsRef<[u8]>) -> Result<Subscription, Error> {
        let channel = channel.as_ref();
        let slot = Slot::of_key(channel);
        if self.map.owner(slot).is_none() {
            self.refresh()?;
        }
        let owner = self.map.owner(slot).ok_or_else(|| nobody_serves(slot))?;
        Subscription::begin(self.connect_to(owner)?, "SSUBSCRIBE", [channel])
    }

    // --- one command ------------------------------------------------------------------------------------------

    fn run(&mut self, request: &Request) -> Result<Reply, Error> {
        let route = self.route(request);
        let mut deadline: Option<Instant> = None;
        let mut target = None;
        let mut asking = false;
        for attempt in 0.. {
            let node = match target.take() {
                Some(node) => Ok(node),
                None => self.node_for(&route),
            };
            let next = match node {
                Ok(node) => self.attempt(node, request, &route, std::mem::take(&mut asking)),
                Err(error) => Next::Wait(error),
            };
            match next {
                Next::Done(reply) => return Ok(reply),
                Next::Ask(node) if attempt < REDIRECTS_MAX => (target, asking) = (Some(node), true),
                Next::Move(node) if attempt < REDIRECTS_MAX => target = Some(node),
                Next::Ask(_) | Next::Move(_) => self.pause(&mut deadline, redirect_loop())?,
                Next::Wait(error @ Error::Disconnected { unsent: false, .. }) if !route.reads_only => {
                    return Err(error);
                }
                Next::Wait(error @ (Error::Malformed(_) | Error::TimedOut(_))) => return Err(error),
                Next::Wait(error) => {
                    self.pause(&mut deadline, error)?;
                    // Whoever served the slot may not any more. That nobody can be asked shows at the next try.
                    let _ = self.refresh();
                }
            }
        }
        Err(redirect_loop())
    }

    fn attempt(&mut self, node: NodeNumber, request: &Request, route: &Route, asking: bool) -> Next {
        let tried = self.connection(node).and_then(|connection| {
            if asking {
                connection.send(ASKING)?;
                connection.reply()?;
            }
            connection.call(request)
        });
        match tried {
            Ok(Reply::Error(error)) => self.after_error(node, route, error),
            Ok(reply) => Next::Done(reply),
            // A greeting was refused.
            Err(Error::Server(error)) => Next::Done(Reply::Error(error)),
            Err(error) => {
                self.disconnect(node);
                Next::Wait(error)
            }
        }
    }

    fn after_error(&mut self, asked: NodeNumber, route: &Route, error: ServerError) -> Next {
        let redirect = |map: &mut SlotMap| {
            let (slot, node) = redirect(&error, map.address(asked))?;
            Some((slot, map.number(&node)?))
        };
        match error.code() {
            "MOVED" => match redirect(&mut self.map) {
                Some((slot, node)) => {
                    self.map.set(slot, node);
                    Next::Move(node)
                }
                None => Next::Done(Reply::Error(error)),
            },
            "ASK" => match redirect(&mut self.map) {
                Some((_, node)) => Next::Ask(node),
                None => Next::Done(Reply::Error(error)),
            },
            "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" if !route.is_admin => Next::Wait(error.into()),
            // A primary that was demoted a moment ago.
            "READONLY" if route.slot.is_some() => Next::Wait(error.into()),
            _ => Next::Done(Reply::Error(error)),
        }
    }

    /// Waits a moment before another try; the error, when there is no time left for one.
    fn pause(&self, deadline: &mut Option<Instant>, error: Error) -> Result<(), Error> {
        let now = Instant::now();
        let deadline = *deadline.get_or_insert(now + self.patience);
        if now >= deadline {
            return Err(error);
        }
        thread::sleep(RETRY_PERIOD.min(deadline - now));
        Ok(())
    }

    fn route(&self, request: &Request) -> Route {
        let args = request.as_args();
        let Ok(command) = self.commands.resolve(args) else {
            return Route { slot: None, reads_only: false, is_admin: false };
        };
        let mut first = None;
        // A wrong number of keys is the server's to complain about.
        let _ = each_key(command.keys, args, |index, _| {
            first.get_or_insert(index);
        });
        let slot = first.and_then(|index| args.get(index)).map(Slot::of_key);
        let reads_only = !command.flags.has(WRITE) && !command.flags.has(ADMIN);
        Route { slot, reads_only, is_admin: command.flags.has(ADMIN) }
    }

    fn node_for(&mut self, route: &Route) -> Result<NodeNumber, Error> {
        if self.map.members().is_empty() {
            self.refresh()?;
        }
        let Some(slot) = route.slot else { return self.node_in_turn() };
        if self.map.owner(slot).is_none() {
            self.refresh()?;
        }
        self.map.owner(slot).ok_or_else(|| nobody_serves(slot))
    }

    fn node_in_turn(&mut self) -> Result<NodeNumber, Error> {
        let members = self.map.members();
        self.turn = self.turn.wrapping_add(1);
        let node = members.get(self.turn % members.len().max(1));
        node.copied().ok_or_else(|| Error::unsent("no node is known"))
    }

    // --- the map and the connections --------------------------------------------------------------------------

    /// Asks for the map, the known nodes first.
    fn refresh(&mut self) -> Result<(), Error> {
        let mut nodes = self.map.members().to_vec();
        for address in self.places.first() {
            let number = self.map.number(&address);
            nodes.extend(number.filter(|number| !nodes.contains(number)));
        }
        let mut request = Request::empty();
        request.set(&["CLUSTER", "SLOTS"]);
        let mut last = Error::unsent("no node is known");
        for node in nodes {
            match self.connection(node).and_then(|connection| connection.call(&request)) {
                Ok(Reply::Error(error)) => last = error.into(),
                Ok(reply) => {
                    if self.map.learn(reply, node) {
                        return Ok(());
                    }
                    last = Error::Server(ServerError::new("CLUSTERDOWN No slot is assigned"));
                }
                Err(error) => {
                    self.disconnect(node);
                    last = error;
                }
            }
        }
        Err(last)
    }

    fn connection(&mut self, node: NodeNumber) -> Result<&mut Connection, Error> {
        let place = node.index();
        if self.connections.len() <= place {
            self.connections.resize_with(place + 1, || None);
        }
        if self.connections[place].is_none() {
            self.connections[place] = Some(self.connect_to(node)?);
        }
        self.connections[place].as_mut().ok_or_else(|| Error::unsent("no connection"))
    }

    fn disconnect(&mut self, node: NodeNumber) {
        if let Some(connection) = self.connections.get_mut(node.index()) {
            *connection = None;
        }
    }

    fn connect_to(&self, node: NodeNumber) -> Result<Connection, Error> {
        let mut connection = Connection::new(self.places.open(self.map.address(node))?);
        connection.timeout = self.timeout;
        for greeting in &self.greetings {
            if let Reply::Error(error) = connection.call(greeting)? {
                return Err(error.into());
            }
        }
        Ok(connection)
    }

    /// A new connection to whichever node can be reached.
    fn any_connection(&mut self) -> Result<Connection, Error> {
        self.refresh()?;
        let mut last = Error::unsent("no node is known");
        for _ in 0..self.map.members().len() {
            match self.node_in_turn().and_then(|node| self.connect_to(node)) {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Batch for ClusterClient {
    fn run_batch(&mut self, requests: &[Request]) -> Result<Vec<Reply>, Error> {
        let mut replies: Vec<Option<Reply>> = Vec::new();
        replies.resize_with(requests.len(), || None);
        let mut by_node: BTreeMap<NodeNumber, Vec<usize>> = BTreeMap::new();
        for (place, request) in requests.iter().enumerate() {
            let route = self.route(request);
            // What has no node yet is run alone, below.
            if let Ok(node) = self.node_for(&route) {
                by_node.entry(node).or_default().push(place);
            }
        }
        for (node, places) in by_node {
            for part in places.chunks(PIPELINE_REQUESTS_MAX) {
                self.run_part(node, requests, part, &mut replies)?;
            }
        }
        let mut whole = Vec::with_capacity(requests.len());
        for (request, reply) in requests.iter().zip(replies) {
            whole.push(match reply {
                Some(reply) => reply,
                None => self.run(request)?,
            });
        }
        Ok(whole)
    }
}

impl ClusterClient {
    /// Sends some requests to one node. Those that were redirected, or could not be sent, stay without a reply.
    fn run_part(
        &mut self,
        node: NodeNumber,
        requests: &[Request],
        places: &[usize],
        replies: &mut [Option<Reply>],
    ) -> Result<(), Error> {
        let result = self.connection(node).and_then(|connection| {
            connection.send_all(places.iter().map(|&place| &requests[place]))?;
            for &place in places {
                let reply = connection.reply()?;
                let is_redirect = |error: &ServerError| {
                    matches!(error.code(), "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "READONLY")
                };
                if !matches!(&reply, Reply::Error(error) if is_redirect(error)) {
                    replies[place] = Some(reply);
                }
            }
            Ok(())
        });
        match result {
            Ok(()) => Ok(()),
            Err(error) => {
                self.disconnect(node);
                if matches!(error, Error::Disconnected { unsent: true, .. }) { Ok(()) } else { Err(error) }
            }
        }
    }
}

impl std::fmt::Debug for ClusterClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterClient").field("nodes", &self.map.members().len()).finish_non_exhaustive()
    }
}

/// A cluster of other processes.
struct Remote {
    nodes: Vec<Address>,
}

impl Places for Remote {
    fn first(&self) -> Vec<Address> {
        self.nodes.clone()
    }

    fn open(&self, node: &Address) -> Result<Box<dyn Link>, Error> {
        Ok(Box::new(Tcp::connect((node.host.as_str(), node.port), CONNECT_TIMEOUT)?))
    }
}

/// Slot and node of `MOVED 5 10.0.0.1:7001`; an empty host is where we asked.
fn redirect(error: &ServerError, asked: &Address) -> Option<(Slot, Address)> {
    let (slot, node) = error.text().split_once(' ')?;
    let (host, port) = node.rsplit_once(':')?;
    let host = if host.is_empty() || host == "?" { asked.host.clone() } else { host.to_owned() };
    Some((Slot::new(slot.parse().ok()?)?, Address { host, port: port.parse().ok()? }))
}

fn nobody_serves(slot: Slot) -> Error {
    Error::Server(ServerError::new(format!("CLUSTERDOWN Nobody is known to serve slot {}", slot.number())))
}

fn redirect_loop() -> Error {
    Error::Server(ServerError::new("CLUSTERDOWN The nodes redirect to one another"))
}

const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

/// Redirects one command follows without a pause (redis-cli and the client libraries use figures from 5 to 16).
const REDIRECTS_MAX: usize = 8;

/// The pause between two tries.
const RETRY_PERIOD: Duration = Duration::from_millis(10);

/// How long a command is tried when nothing else is said.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::{Address, redirect};
    use crate::client::ServerError;

    #[test]
    fn a_redirect_names_slot_and_node() {
        let asked = Address { host: "here".to_owned(), port: 1 };
        let parse = |line: &str| redirect(&ServerError::new(line), &asked).map(|(slot, node)| (slot.number(), node));

        let node = |host: &str, port| Address { host: host.to_owned(), port };
        assert_eq!(parse("MOVED 5 10.0.0.1:7001"), Some((5, node("10.0.0.1", 7001))));
        assert_eq!(parse("ASK 16383 ::1:7001"), Some((16383, node("::1", 7001))));
        assert_eq!(parse("MOVED 5 :7001"), Some((5, node("here", 7001))));
        assert_eq!(parse("MOVED 16384 a:1"), None);
        assert_eq!(parse("MOVED 5 a:x"), None);
        assert_eq!(parse("MOVED"), None);
    }
}
