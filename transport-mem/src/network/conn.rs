//! One connection: two ends and two pipes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use slotmesh_cluster::machine::ConnId;
use slotmesh_engine::time::Instant;

use super::pipe::Pipe;
use crate::place::{ClientId, MachineId, Place};

/// A connection's place in the network's table, and how often that place was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Who opened it.
    Dialer,
    /// Who accepted it.
    Target,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Target,
            Self::Target => Self::Dialer,
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// What a connection runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Medium {
    /// A call inside the process: no latency, no address.
    InProcess,
    /// The network.
    Tcp,
    /// A Unix socket: no latency.
    Unix,
}

/// Who reads at an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Client(ClientId),
    /// A machine; without a name as long as it has not accepted.
    Machine(MachineId, Option<ConnId>),
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndState {
    Connecting,
    Gone,
    Open,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) owner: Owner,
    /// Where it is; nothing for ends outside the network.
    pub(crate) place: Option<Place>,
    pub(crate) address: SocketAddr,
    pub(crate) state: EndState,
    /// When it began to connect.
    pub(crate) since: Instant,
    /// Whether bytes wait for the window to open.
    pub(crate) is_blocked: bool,
    /// Whether its host lost power: nobody answers until it is back, and then with a reset.
    pub(crate) is_silent: bool,
}

impl End {
    pub(crate) fn new(owner: Owner, place: Option<Place>, address: SocketAddr, state: EndState) -> Self {
        Self { owner, place, address, state, since: Instant::ZERO, is_blocked: false, is_silent: false }
    }

    /// An end that nobody is at.
    pub(crate) fn nobody() -> Self {
        Self::new(Owner::Nobody, None, SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), EndState::Gone)
    }
}

/// A connection, or a free place for one.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) generation: u32,
    pub(crate) is_used: bool,
    pub(crate) medium: Medium,
    pub(crate) ends: [End; 2],
    pub(crate) pipes: [Pipe; 2],
}

impl Default for Conn {
    fn default() -> Self {
        Self {
            generation: 0,
            is_used: false,
            medium: Medium::Tcp,
            ends: [End::nobody(), End::nobody()],
            pipes: Default::default(),
        }
    }
}

impl Conn {
    pub(crate) fn open(&mut self, medium: Medium, dialer: End, target: End) {
        assert!(!self.is_used, "a place holds one connection at a time");
        self.is_used = true;
        self.medium = medium;
        self.ends = [dialer, target];
    }

    /// Frees the place: late events no longer find it.
    pub(crate) fn free(&mut self) {
        self.is_used = false;
        self.generation = self.generation.wrapping_add(1);
        self.ends = [End::nobody(), End::nobody()];
        for pipe in &mut self.pipes {
            pipe.reset();
        }
    }
}
