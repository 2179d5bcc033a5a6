//! What a script runs against.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::ClientNumber;
use crate::client::{Client, REPLY_LIMIT, Received};
use crate::reply::Reply;

/// Version of the protocol between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// What a connection starts with.
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resp2 => "RESP2",
            Self::Resp3 => "RESP3",
        })
    }
}

/// How long a target looks for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A reply must come: as long as it takes, within reason.
    Reply,
    /// None should come: only long enough to notice one that does.
    Silence,
}

/// Something that takes commands: a server behind a socket, or a machine in this process.
pub trait Target {
    /// The name that `@on` marks use.
    fn name(&self) -> &str;

    /// Whether cases with `@needs feature` are to be skipped.
    fn lacks(&self, feature: &str) -> bool;

    /// Empties the data set and forgets all clients; new ones speak `protocol`. The features that the case needs are
    /// for targets that do something about them.
    ///
    /// # Errors
    /// [`TargetError`] when that is not possible; the case has then failed.
    fn begin(&mut self, protocol: Protocol, needs: &[String]) -> Result<(), TargetError>;

    /// Sends a command, connecting the client first if it is new.
    ///
    /// # Errors
    /// [`TargetError`] when it cannot be sent.
    fn send(&mut self, client: ClientNumber, args: &[Vec<u8>]) -> Result<(), TargetError>;

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// As [`Target::send`]; [`TargetError::Unsupported`] without a byte stream.
    fn send_raw(&mut self, client: ClientNumber, bytes: &[u8]) -> Result<(), TargetError>;

    /// Takes the next reply or push of a client.
    ///
    /// # Errors
    /// [`TargetError`] when what arrives is no reply.
    fn receive(&mut self, client: ClientNumber, patience: Patience) -> Result<Received, TargetError>;

    /// Lets time pass.
    fn advance(&mut self, duration: Duration);

    /// Looks, after the last step of a case, for what must be true then whatever the case was.
    ///
    /// # Errors
    /// [`TargetError`] when it is not; the case has then failed.
    fn end(&mut self) -> Result<(), TargetError> {
        Ok(())
    }
}

/// Why a target could not do its part.
#[derive(Debug)]
pub enum TargetError {
    /// A replica does not hold what its primary does; the digests of both.
    Diverged {
        /// That of the primary.
        primary: String,
        /// That of the replica.
        replica: String,
    },
    /// The connection failed.
    Io(io::Error),
    /// The data set could not be emptied; this was the answer.
    NotEmptied(Reply),
    /// `HELLO 3` was refused.
    NoResp3(Reply),
    /// The target has no such thing.
    Unsupported(&'static str),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Diverged { primary, replica } => {
                write!(f, "the replica's data has the digest {replica}, the primary's {primary}")
            }
            Self::Io(error) => write!(f, "the connection failed: {error}"),
            Self::NotEmptied(reply) => write!(f, "the server could not be emptied: it answered {}", super::show(reply)),
            Self::NoResp3(reply) => write!(f, "HELLO 3 answered {}", super::show(reply)),
            Self::Unsupported(what) => write!(f, "the target has no {what}"),
        }
    }
}

impl std::error::Error for TargetError {}

impl From<io::Error> for TargetError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Any server behind a TCP port.
#[derive(Debug)]
pub struct TcpTarget {
    name: String,
    address: SocketAddr,
    lacking: BTreeSet<String>,
    protocol: Protocol,
    clients: BTreeMap<ClientNumber, Client>,
    is_sentinel: bool,
}

impl TcpTarget {
    /// The server at this address, under this name, with nothing lacking.
    pub fn new(name: &str, address: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            address,
            lacking: BTreeSet::new(),
            protocol: Protocol::Resp2,
            clients: BTreeMap::new(),
            is_sentinel: false,
        }
    }

    /// The server is a sentinel: a case begins with nobody watched instead of an empty data set.
    #[must_use]
    pub fn sentinel(mut self) -> Self {
        self.is_sentinel = true;
        self
    }

    /// Skips cases with `@needs feature`.
    #[must_use]
    pub fn lacking(mut self, feature: &str) -> Self {
        self.lacking.insert(feature.to_owned());
        self
    }

    fn client(&mut self, number: ClientNumber) -> Result<&mut Client, TargetError> {
        match self.clients.entry(number) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let mut client = Client::connect(self.address)?;
                if self.protocol == Protocol::Resp3 {
                    let reply = client.call(["HELLO", "3"])?;
                    if reply.is_error() {
                        return Err(TargetError::NoResp3(reply));
                    }
                }
                Ok(entry.insert(client))
            }
        }
    }
}

/// Ends the watching of everybody a sentinel watches.
fn forget_primaries(control: &mut Client) -> Result<(), TargetError> {
    let role = control.call(["ROLE"])?;
    let Reply::Array(parts) = &role else { return Err(TargetError::NotEmptied(role)) };
    let Some(Reply::Array(names)) = parts.get(1) else { return Err(TargetError::NotEmptied(role)) };
    for name in names {
        let Reply::Bulk(name) = name else { continue };
        let reply = control.call([&b"SENTINEL"[..], b"REMOVE", name])?;
        if reply != Reply::Simple(b"OK".to_vec()) {
            return Err(TargetError::NotEmptied(reply));
        }
    }
    Ok(())
}

impl Target for TcpTarget {
    fn name(&self) -> &str {
        &self.name
    }

    fn lacks(&self, feature: &str) -> bool {
        self.lacking.contains(feature)
    }

    fn begin(&mut self, protocol: Protocol, _: &[String]) -> Result<(), TargetError> {
        self.protocol = protocol;
        while let Some((_, client)) = self.clients.pop_first() {
            client.close();
        }
        let mut control = Client::connect(self.address)?;
        if self.is_sentinel {
            forget_primaries(&mut control)?;
            control.close();
            return Ok(());
        }
        let reply = control.call(["FLUSHALL"])?;
        control.close();
        if reply == Reply::Simple(b"OK".to_vec()) { Ok(()) } else { Err(TargetError::NotEmptied(reply)) }
    }

    fn send(&mut self, client: ClientNumber, args: &[Vec<u8>]) -> Result<(), TargetError> {
        Ok(self.client(client)?.send(args)?)
    }

    fn send_raw(&mut self, client: ClientNumber, bytes: &[u8]) -> Result<(), TargetError> {
        Ok(self.client(client)?.send_raw(bytes)?)
    }

    fn receive(&mut self, client: ClientNumber, patience: Patience) -> Result<Received, TargetError> {
        let limit = match patience {
            Patience::Reply => REPLY_LIMIT,
            Patience::Silence => SILENCE,
        };
        Ok(self.client(client)?.receive(limit)?)
    }

    /// Waits: a real server has no other clock.
    fn advance(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// How long nothing must arrive to count as silence: many times a loopback round trip.
const SILENCE: Duration = Duration::from_millis(60);
