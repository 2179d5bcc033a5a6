//! Names and addresses of those who take part.
//!
//! Machines and clients are named by small numbers. Each machine has one invented IPv4 address (10.0.x.y), and so
//! has each TCP client (10.1.x.y), so that the peers' addresses a machine sees are always right. No socket here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// A machine of a simulation or of a live bus: its number in the order they were added, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId(pub usize);

/// A client of a simulation: its number in the order they were made, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub usize);

/// One end of a network link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A TCP client with an address of its own.
    Client(ClientId),
    /// A machine.
    Machine(MachineId),
}

impl MachineId {
    /// The invented address of the machine.
    ///
    /// # Panics
    /// When there are more machines than the block 10.0.0.0/16 holds (64,000).
    pub fn ip(self) -> IpAddr {
        invented(0, self.0)
    }

    /// The machine that has this address.
    pub fn at(ip: IpAddr) -> Option<Self> {
        let IpAddr::V4(v4) = ip else { return None };
        let [ten, block, high, low] = v4.octets();
        let in_block = ten == 10 && block == 0 && (1..=HOSTS_PER_OCTET).contains(&usize::from(low));
        in_block.then(|| Self(usize::from(high) * HOSTS_PER_OCTET + usize::from(low) - 1))
    }
}

impl ClientId {
    /// The invented address of the client.
    ///
    /// Addresses repeat after 64,000 clients; a client's port keeps them apart.
    pub fn ip(self) -> IpAddr {
        invented(1, self.0 % (256 * HOSTS_PER_OCTET))
    }
}

impl From<MachineId> for Place {
    fn from(id: MachineId) -> Self {
        Self::Machine(id)
    }
}

impl From<ClientId> for Place {
    fn from(id: ClientId) -> Self {
        Self::Client(id)
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => id.fmt(f),
            Self::Machine(id) => id.fmt(f),
        }
    }
}

/// Hosts per value of the third octet: the last octet runs from 1 to 250.
const HOSTS_PER_OCTET: usize = 250;

fn invented(block: u8, number: usize) -> IpAddr {
    let high = u8::try_from(number / HOSTS_PER_OCTET).expect("at most 64,000 hosts per block");
    let low = u8::try_from(number % HOSTS_PER_OCTET + 1).expect("the remainder is below 250");
    IpAddr::V4(Ipv4Addr::new(10, block, high, low))
}

#[cfg(test)]
mod tests {
    use super::{ClientId, MachineId};

    #[test]
    fn an_address_leads_back_to_its_machine() {
        for number in [0, 1, 249, 250, 1_000] {
            assert_eq!(MachineId::at(MachineId(number).ip()), Some(MachineId(number)));
        }
        assert_eq!(MachineId(0).ip().to_string(), "10.0.0.1");
        assert_eq!(MachineId::at(ClientId(0).ip()), None);
    }
}
