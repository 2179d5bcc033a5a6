//! A cluster in memory as a target: whole nodes under virtual time, the scripts' clients connected to the primary.
//!
//! The primary has all slots, so that commands on the whole keyspace see what a script wrote; that keys are found where
//! they are is for `tests/cluster` and `tests/clients` to show. Where a script's keys would lie in several slots, they get
//! one hash tag here ([`Tags`]), and lose it in the replies. What a script gets for it besides its replies: its
//! replica must hold the same data at the end of every case.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use slotmesh::testing::{MachineId, TestCluster};
use slotmesh_engine::config::choices::Allowed;
use slotmesh_engine::debug::digest;
use slotmesh_test_support::client::{Received, request};
use slotmesh_test_support::reply::{Reply, parse};
use slotmesh_test_support::script::{ClientNumber, Patience, Protocol, Target, TargetError};
use slotmesh_transport_mem::ClientId;

use crate::lacking::CLUSTER;
use crate::tags::Tags;

/// A [`TestCluster`] of one primary and one replica.
pub(crate) struct ClusterTarget {
    cluster: TestCluster,
    tags: Tags,
    /// Whether the case's keys share a slot only because of a tag that they are given here.
    tagged: bool,
    protocol: Protocol,
    clients: BTreeMap<ClientNumber, Connected>,
}

/// A client's connection, with the bytes that came on it and were not taken yet.
struct Connected {
    id: ClientId,
    received: Vec<u8>,
}

impl ClusterTarget {
    pub(crate) fn new() -> Self {
        let cluster = TestCluster::builder(1).replicas(1).config(|config| {
            config.enable_debug_command = Allowed::Yes;
        });
        let cluster = cluster.start();
        // The connection on which the cluster was formed: scripts count clients.
        cluster.call(PRIMARY, ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]);
        Self { cluster, tags: Tags::new(), tagged: false, protocol: Protocol::Resp2, clients: BTreeMap::new() }
    }

    fn connect(&self) -> Connected {
        let address = self.cluster.address_of(PRIMARY);
        Connected { id: self.cluster.with_sim(|sim| sim.client_tcp(address)), received: Vec::new() }
    }

    fn client(&mut self, number: ClientNumber) -> Result<ClientId, TargetError> {
        if let Some(client) = self.clients.get(&number) {
            return Ok(client.id);
        }
        let client = self.connect();
        let id = client.id;
        self.clients.insert(number, client);
        if self.protocol == Protocol::Resp3 {
            self.send_raw(number, &request(["HELLO", "3"]))?;
            match self.receive(number, Patience::Reply)? {
                Received::Reply(reply) if reply.is_error() => return Err(TargetError::NoResp3(reply)),
                Received::Reply(_) | Received::Closed | Received::Nothing => {}
            }
        }
        Ok(id)
    }

    /// The next whole reply that came, or nothing.
    fn take(&mut self, number: ClientNumber) -> io::Result<Option<Reply>> {
        let Some(client) = self.clients.get_mut(&number) else { return Ok(None) };
        let id = client.id;
        client.received.extend(self.cluster.with_sim(|sim| sim.take_received(id)));
        let parsed = parse(&client.received).map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        Ok(parsed.map(|(reply, taken)| {
            client.received.drain(..taken);
            if self.tagged { self.tags.take(reply) } else { reply }
        }))
    }

    fn set_on_replica(&self, args: &[Vec<u8>]) {
        let address = self.cluster.address_of(REPLICA);
        self.cluster.with_sim(|sim| {
            let client = sim.client_tcp(address);
            sim.send(client, &request(args));
            sim.settle();
            sim.hang_up(client);
            sim.settle();
        });
    }

    fn digest(&self, id: MachineId) -> String {
        digest(self.cluster.node(id).engine().core())
    }
}

impl Target for ClusterTarget {
    fn name(&self) -> &str {
        "ours"
    }

    fn lacks(&self, feature: &str) -> bool {
        CLUSTER.lacks(feature)
    }

    fn begin(&mut self, protocol: Protocol, needs: &[String]) -> Result<(), TargetError> {
        self.tagged = false;
        for client in std::mem::take(&mut self.clients).into_values() {
            self.cluster.with_sim(|sim| sim.hang_up(client.id));
        }
        self.protocol = Protocol::Resp2;
        let control = ClientNumber(0);
        self.send_raw(control, &request(["FLUSHALL"]))?;
        if let Received::Reply(reply) = self.receive(control, Patience::Reply)?
            && reply.text() != Some(b"OK")
        {
            return Err(TargetError::NotEmptied(reply));
        }
        // Gone before the case begins, so that the scripts see their own clients only.
        if let Some(client) = self.clients.remove(&control) {
            self.cluster.with_sim(|sim| sim.hang_up(client.id));
        }
        self.cluster.settle();
        self.protocol = protocol;
        self.tagged = needs.iter().any(|feature| feature == "cross-slot");
        Ok(())
    }

    /// Options hold for one node: they are set on the replica too, as whoever runs a cluster would do.
    fn send(&mut self, client: ClientNumber, args: &[Vec<u8>]) -> Result<(), TargetError> {
        if is_config_set(args) {
            self.set_on_replica(args);
        }
        let args = if self.tagged { &self.tags.put(args) } else { args };
        self.send_raw(client, &request(args))
    }

    /// Sends, and lets what follows from it happen, so that the commands of several clients keep their order.
    fn send_raw(&mut self, client: ClientNumber, bytes: &[u8]) -> Result<(), TargetError> {
        let id = self.client(client)?;
        self.cluster.with_sim(|sim| sim.send(id, bytes));
        self.cluster.settle();
        Ok(())
    }

    fn receive(&mut self, client: ClientNumber, patience: Patience) -> Result<Received, TargetError> {
        let id = self.client(client)?;
        let end = self.cluster.now()
            + match patience {
                Patience::Reply => REPLY_LIMIT,
                Patience::Silence => SILENCE,
            };
        loop {
            if let Some(reply) = self.take(client)? {
                return Ok(Received::Reply(reply));
            }
            if self.cluster.with_sim(|sim| sim.closed(id).is_some()) {
                return Ok(Received::Closed);
            }
            let left = end.since(self.cluster.now());
            let has_news = self.cluster.with_sim(|sim| {
                sim.try_run_until(left, |sim| !sim.received(id).is_empty() || sim.closed(id).is_some())
            });
            if !has_news {
                return Ok(Received::Nothing);
            }
        }
    }

    fn advance(&mut self, duration: Duration) {
        self.cluster.advance(duration);
    }

    /// The replica has done what the primary did.
    fn end(&mut self) -> Result<(), TargetError> {
        self.cluster.settle();
        let (primary, replica) = (self.digest(PRIMARY), self.digest(REPLICA));
        if primary == replica { Ok(()) } else { Err(TargetError::Diverged { primary, replica }) }
    }
}

fn is_config_set(args: &[Vec<u8>]) -> bool {
    matches!(args, [config, set, ..] if config.eq_ignore_ascii_case(b"CONFIG") && set.eq_ignore_ascii_case(b"SET"))
}

const PRIMARY: MachineId = MachineId(0);
const REPLICA: MachineId = MachineId(1);

/// How long a reply may take, in virtual time: beyond every timeout in the scripts.
const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// How long nothing must arrive to count as silence, in virtual time: many times the invented network's delays.
const SILENCE: Duration = Duration::from_millis(60);
