//! The test's own connections.
//!
//! A client is bytes in and bytes out at virtual times; it knows where a reply ends, but not what it says.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use slotmesh_cluster::machine::{Machine, Reset};

use super::Sim;
use crate::network::{ConnKey, End, EndState, Medium, Owner, Payload, Side};
use crate::place::{ClientId, MachineId, Place};
use crate::queue::Event;
use crate::reply::{CallError, take_reply};

/// A connection of the test.
#[derive(Debug)]
pub(super) struct Client {
    key: ConnKey,
    address: SocketAddr,
    pub(super) received: Vec<u8>,
    pushes: Vec<u8>,
    /// How it ended.
    pub(super) closed: Option<Reset>,
    /// What arrived since the client stopped reading; nothing while it reads.
    pub(super) waiting: Option<VecDeque<Event>>,
}

impl<M: Machine> Sim<M> {
    /// Connects to a machine as a caller inside its process.
    pub fn client(&mut self, id: MachineId) -> ClientId {
        self.connect(Medium::InProcess, id, None, UNSPECIFIED)
    }

    /// Connects to a machine's Unix socket.
    pub fn client_unix(&mut self, id: MachineId) -> ClientId {
        self.connect(Medium::Unix, id, None, UNSPECIFIED)
    }

    /// Connects over the network, from an address of the client's own.
    ///
    /// # Panics
    /// When no machine has the address: a mistake of the test.
    pub fn client_tcp(&mut self, address: SocketAddr) -> ClientId {
        let id = MachineId::at(address.ip()).filter(|id| id.0 < self.hosts.len());
        let Some(id) = id else { self.fail(&format!("no machine has the address {address}")) };
        let place = Some(Place::Client(ClientId(self.clients.len())));
        self.connect(Medium::Tcp, id, place, address)
    }

    /// The client's own address.
    pub fn client_address(&self, client: ClientId) -> SocketAddr {
        self.clients[client.0].address
    }

    /// Sends bytes now.
    pub fn send(&mut self, client: ClientId, bytes: &[u8]) {
        let client = &self.clients[client.0];
        if client.closed.is_none() {
            self.network.send_bytes(self.now, &mut self.queue, client.key, Side::Dialer, bytes);
        }
    }

    /// The bytes that came and were not taken yet.
    pub fn received(&self, client: ClientId) -> &[u8] {
        &self.clients[client.0].received
    }

    /// Takes all bytes that came.
    pub fn take_received(&mut self, client: ClientId) -> Vec<u8> {
        std::mem::take(&mut self.clients[client.0].received)
    }

    /// Takes the RESP3 push messages that [`Sim::call`] found before replies.
    pub fn take_pushes(&mut self, client: ClientId) -> Vec<u8> {
        std::mem::take(&mut self.clients[client.0].pushes)
    }

    /// How the connection ended, if it did.
    pub fn closed(&self, client: ClientId) -> Option<&Reset> {
        self.clients[client.0].closed.as_ref()
    }

    /// Closes the connection in order.
    pub fn hang_up(&mut self, client: ClientId) {
        let client = &mut self.clients[client.0];
        if client.closed.is_none() {
            client.closed = Some(Reset::EndOfStream);
            self.network.send(self.now, &mut self.queue, client.key, Side::Dialer, Payload::EndOfStream);
            self.network.leave(client.key, Side::Dialer);
        }
    }

    /// Stops taking bytes: they pile up at the machine once the network's window is full.
    pub fn stop_reading(&mut self, client: ClientId) {
        self.clients[client.0].waiting.get_or_insert_default();
    }

    /// Takes bytes again.
    pub fn go_on_reading(&mut self, client: ClientId) {
        for event in self.clients[client.0].waiting.take().unwrap_or_default() {
            self.queue.push(self.now, event);
        }
    }

    /// Sends a request and runs until its whole reply is there. RESP3 push messages before it are set aside for
    /// [`Sim::take_pushes`].
    ///
    /// # Errors
    /// When the connection is gone, what comes is no reply, or none comes `within` this virtual time.
    pub fn call(&mut self, client: ClientId, request: &[u8], within: Duration) -> Result<Vec<u8>, CallError> {
        self.send(client, request);
        self.reply(client, within)
    }

    /// Runs until one more whole reply is there: what [`Sim::call`] does after sending.
    ///
    /// # Errors
    /// As [`Sim::call`].
    pub fn reply(&mut self, client: ClientId, within: Duration) -> Result<Vec<u8>, CallError> {
        let mut seen = None;
        let end = self.now + within;
        loop {
            if seen != Some(self.clients[client.0].received.len())
                && let Some(reply) = self.take_reply(client)?
            {
                return Ok(reply);
            }
            let before = self.clients[client.0].received.len();
            seen = Some(before);
            if let Some(reset) = self.closed(client) {
                return Err(CallError::Closed(reset.clone()));
            }
            let news = |sim: &Self| sim.received(client).len() != before || sim.closed(client).is_some();
            if !self.run(end, news) {
                self.move_to(end);
                return Err(CallError::TimedOut);
            }
        }
    }

    /// Takes the first whole reply from what came, if one is complete.
    ///
    /// # Errors
    /// When what came is no reply.
    pub fn take_reply(&mut self, client: ClientId) -> Result<Option<Vec<u8>>, CallError> {
        let client = &mut self.clients[client.0];
        take_reply(&mut client.received, &mut client.pushes).map_err(CallError::Malformed)
    }

    fn connect(&mut self, medium: Medium, id: MachineId, place: Option<Place>, target: SocketAddr) -> ClientId {
        let client = ClientId(self.clients.len());
        let address = if place.is_some() { SocketAddr::new(client.ip(), CLIENT_PORT) } else { UNSPECIFIED };
        let dialer = End::new(Owner::Client(client), place, address, EndState::Connecting);
        let there = End::new(Owner::Machine(id, None), Some(Place::Machine(id)), target, EndState::Open);
        let key = self.network.open(medium, dialer, there);
        self.clients.push(Client {
            key,
            address,
            received: Vec::new(),
            pushes: Vec::new(),
            closed: None,
            waiting: None,
        });
        self.network.dial(self.now, &mut self.queue, key);
        client
    }
}

/// The port of every client: each has its own address.
const CLIENT_PORT: u16 = 50_000;

const UNSPECIFIED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
