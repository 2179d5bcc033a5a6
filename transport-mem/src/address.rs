//! Which addresses a machine listens on, and what the ones it dials mean.
//!
//! Turns the `bind` option's spelling into something that knows whether it accepts a connection, and a dial's
//! target into an address. Shared by the simulator and the live bus; both have IPv4 addresses only.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use slotmesh_cluster::machine::{Listen, Reset, Target};

use crate::place::MachineId;

/// The listeners of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    addresses: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) unix: Option<String>,
}

impl Listener {
    /// Whether a connection to this address is accepted.
    pub(crate) fn accepts(&self, address: SocketAddr) -> bool {
        self.port != 0 && self.port == address.port() && self.addresses.contains(&address.ip())
    }
}

/// Opens the listeners on a machine with this address, where other endpoints have these ports.
pub(crate) fn bind(own: IpAddr, listen: &Listen, taken: &[u16]) -> Result<Listener, &'static str> {
    if listen.port != 0 && taken.contains(&listen.port) {
        return Err("Address already in use");
    }
    let mut addresses = Vec::new();
    for address in &listen.addresses {
        let (optional, address) = address.strip_prefix('-').map_or((false, address.as_str()), |rest| (true, rest));
        match bind_one(own, address) {
            Ok(bound) => addresses.extend(bound),
            Err(_) if optional => {}
            Err(problem) => return Err(problem),
        }
    }
    let unix = listen.unix.as_ref().map(|(path, _)| path.clone());
    Ok(Listener { addresses, port: listen.port, unix })
}

fn bind_one(own: IpAddr, address: &str) -> Result<Vec<IpAddr>, &'static str> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if address == "*" {
        return Ok(vec![own, loopback]);
    }
    match address.parse::<IpAddr>() {
        Ok(ip) if ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ok(vec![own, loopback]),
        Ok(ip) if ip == own || ip == loopback => Ok(vec![ip]),
        Ok(IpAddr::V4(_)) => Err("Cannot assign requested address"),
        Ok(IpAddr::V6(_)) => Err("Address family not supported by protocol"),
        Err(_) if address == "::*" => Err("Address family not supported by protocol"),
        Err(_) => Err("Name or service not known"),
    }
}

/// The address a target means for the machine `own`, and who is there.
pub(crate) fn resolve(
    own: MachineId,
    target: &Target,
    machines: usize,
    names: &BTreeMap<String, IpAddr>,
) -> Result<(IpAddr, MachineId), &'static str> {
    if let Some(source) = &target.source
        && source.parse() != Ok(own.ip())
    {
        return Err("Cannot assign requested address");
    }
    let literal = target.host.parse().ok();
    let loopback = (target.host == "localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let ip = literal.or(loopback).or_else(|| names.get(&target.host).copied());
    let ip = ip.ok_or(UNKNOWN_NAME)?;
    let peer = if ip.is_loopback() { Some(own) } else { MachineId::at(ip) };
    let peer = peer.filter(|peer| peer.0 < machines);
    peer.map(|peer| (ip, peer)).ok_or("No route to host")
}

/// How a connection ends that could not be opened for this reason.
pub(crate) fn reset(why: &'static str) -> Reset {
    if why == UNKNOWN_NAME { Reset::NoAddress(why.to_owned()) } else { Reset::Error(why.to_owned()) }
}

/// What Linux says of a name that stands for no address.
const UNKNOWN_NAME: &str = "Name or service not known";

/// The ports of outgoing connections: Linux's default range (`ip_local_port_range`), used round and round.
#[derive(Debug)]
pub(crate) struct EphemeralPorts(u16);

impl EphemeralPorts {
    pub(crate) fn new() -> Self {
        Self(EPHEMERAL_PORT_FIRST)
    }

    pub(crate) fn next(&mut self) -> u16 {
        let port = self.0;
        self.0 = if port == EPHEMERAL_PORT_LAST { EPHEMERAL_PORT_FIRST } else { port + 1 };
        port
    }
}

const EPHEMERAL_PORT_FIRST: u16 = 32_768;
const EPHEMERAL_PORT_LAST: u16 = 60_999;

#[cfg(test)]
mod tests {
    use slotmesh_cluster::machine::Listen;

    use super::bind;
    use crate::place::MachineId;

    #[test]
    fn the_default_bind_option_listens_on_the_own_address() {
        let own = MachineId(0).ip();

        let listener = bind(own, &listen(&["*", "-::*"]), &[]).unwrap();

        assert!(listener.accepts((own, 6379).into()));
        assert!(listener.accepts(([127, 0, 0, 1], 6379).into()));
        assert!(!listener.accepts((own, 6380).into()));
        assert!(!listener.accepts((MachineId(1).ip(), 6379).into()));
    }

    #[test]
    fn what_cannot_be_bound_is_named() {
        let own = MachineId(0).ip();

        assert_eq!(bind(own, &listen(&["10.9.9.9"]), &[]), Err("Cannot assign requested address"));
        assert_eq!(bind(own, &listen(&["::*"]), &[]), Err("Address family not supported by protocol"));
        assert_eq!(bind(own, &listen(&["*"]), &[6379]), Err("Address already in use"));
        assert!(bind(own, &listen(&["-10.9.9.9"]), &[]).is_ok());
    }

    fn listen(addresses: &[&str]) -> Listen {
        let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
        Listen { addresses, port: 6379, ..Listen::default() }
    }
}
