//! A primary with replicas, and the sentinels that watch it, as processes of any make.

use std::path::Path;
use std::time::Duration;

use crate::launch::{Launch, Server};
use crate::reply::Reply;
use crate::wait::poll_until;

/// Servers and sentinels that have found each other.
#[derive(Debug)]
pub struct SentinelGroup {
    /// The first primary, then its replicas.
    pub servers: Vec<Server>,
    /// The sentinels.
    pub sentinels: Vec<Server>,
}

impl SentinelGroup {
    /// Starts a server from each of the first binaries, the first one as primary, and a sentinel from each of the
    /// others; waits until everybody knows everybody.
    ///
    /// # Panics
    /// When one does not start, or they do not find each other.
    pub fn start(servers: &[&Path], sentinels: &[&Path], quorum: usize, down_after_ms: u64) -> Self {
        let primary = Launch::new(servers[0]).config("# the primary\n").start().expect("the primary starts");
        let port = primary.port();
        let mut group = Self { servers: vec![primary], sentinels: Vec::new() };
        for binary in &servers[1..] {
            let config = format!("replicaof 127.0.0.1 {port}\n");
            group.servers.push(Launch::new(*binary).config(&config).start().expect("a replica starts"));
        }
        let config = format!(
            "sentinel monitor {NAME} 127.0.0.1 {port} {quorum}\nsentinel down-after-milliseconds {NAME} {down_after_ms}\n\
             sentinel failover-timeout {NAME} 10000\n"
        );
        for binary in sentinels {
            group.sentinels.push(Launch::sentinel(*binary, &config).start().expect("a sentinel starts"));
        }
        group.wait("everybody to know everybody", Self::is_complete);
        group
    }

    /// The port that every running sentinel names, if they agree.
    pub fn agreed_port(&self) -> Option<u16> {
        let mut named = self.running_sentinels().map(named_port);
        let first = named.next()??;
        named.all(|other| other == Some(first)).then_some(first)
    }

    /// The server at a port.
    ///
    /// # Panics
    /// When no server of the group has it.
    pub fn at(&self, port: u16) -> &Server {
        self.servers.iter().find(|server| server.port() == port).expect("a server of the group")
    }

    /// Waits until the running sentinels agree on another primary than that at `port`; gives back its port.
    ///
    /// # Panics
    /// When they do not.
    pub fn wait_switch(&self, port: u16) -> u16 {
        self.wait("another primary", |group| group.agreed_port().is_some_and(|named| named != port));
        self.agreed_port().expect("they agree")
    }

    /// Waits until the running sentinels agree on a primary and every other running server follows it; gives back its
    /// port. Two sentinels that lead in turn may change their minds before.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn wait_followed(&self) -> u16 {
        let mut agreed = None;
        self.wait("all servers to follow the primary", |group| {
            agreed = group.agreed_port();
            let others = group.servers.iter().filter(|server| server.pid().is_some() && Some(server.port()) != agreed);
            agreed.is_some() && others.map(followed_port).all(|followed| followed == agreed)
        });
        agreed.expect("they agree")
    }

    /// Waits until `done` holds.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        poll_until(what, LIMIT, || done(self).then_some(())).unwrap_or_else(|timeout| {
            let logs: Vec<String> = self.sentinels.iter().map(Server::log).collect();
            panic!("{timeout}\n{}", logs.join("\n---\n"))
        });
    }

    /// The events in a sentinel's log, oldest first: their names only.
    pub fn events(&self, sentinel: usize) -> Vec<String> {
        let log = self.sentinels[sentinel].log();
        let event = |line: &str| {
            let text = line.split_once(" # ").or_else(|| line.split_once(" * "))?.1;
            text.starts_with(['+', '-']).then(|| text.split(' ').next().unwrap_or_default().to_owned())
        };
        log.lines().filter_map(event).collect()
    }

    fn running_sentinels(&self) -> impl Iterator<Item = &Server> {
        self.sentinels.iter().filter(|sentinel| sentinel.pid().is_some())
    }

    fn is_complete(&self) -> bool {
        let (replicas, sentinels) = (self.servers.len() - 1, self.sentinels.len());
        let wanted = format!(
            "status=ok,address=127.0.0.1:{},slaves={replicas},sentinels={sentinels}\r\n",
            self.servers[0].port()
        );
        let knows_all = |sentinel: &Server| {
            let info = sentinel.client().call(["INFO", "sentinel"]);
            info.is_ok_and(|reply| text(&reply).contains(&wanted))
        };
        self.running_sentinels().all(knows_all)
    }
}

/// The port of the primary that a sentinel names.
pub fn named_port(sentinel: &Server) -> Option<u16> {
    let reply = sentinel.client().call(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).ok()?;
    let Reply::Array(parts) = reply else { return None };
    text(parts.get(1)?).parse().ok()
}

/// The port of the primary that a server follows, once its link is up.
fn followed_port(server: &Server) -> Option<u16> {
    let info = text(&server.client().call(["INFO", "replication"]).ok()?);
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
    field("master_port:").filter(|_| field("master_link_status:").as_deref() == Some("up"))?.parse().ok()
}

fn text(reply: &Reply) -> String {
    reply.text().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
}

/// The name under which the primary is watched.
pub const NAME: &str = "mymaster";

/// Longest wait for a failover and what follows it: real sentinels ask a server for its role every ten seconds, and let
/// eight pass before they correct it.
const LIMIT: Duration = Duration::from_secs(60);
