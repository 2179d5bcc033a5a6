//! Where an instance is: a host, literal or by name, and a port.

use std::net::IpAddr;

/// The address of an instance.
///
/// A name is resolved by whoever dials; the sentinel learns the literal address when the connection is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A literal IP address in its usual form, or a host name.
    host: String,
    /// The TCP port; 0 for a sentinel that is not there any more.
    pub port: u16,
    /// What the name stood for, when it was dialled last.
    resolved: Option<IpAddr>,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFault {
    /// It is neither an IP address nor, where names are allowed, a name.
    Host,
    /// The port is out of range.
    Port,
}

impl Address {
    /// The address that host and port spell; names only when they are allowed (`resolve-hostnames`).
    ///
    /// # Errors
    /// The part that is wrong; the port first, as the reference asks.
    pub fn parse(host: &str, port: i64, names: bool) -> Result<Self, AddressFault> {
        let port = u16::try_from(port).map_err(|_| AddressFault::Port)?;
        let host = match host.parse::<IpAddr>() {
            Ok(ip) => ip.to_string(),
            Err(_) if names && is_name(host) => host.to_owned(),
            Err(_) => return Err(AddressFault::Host),
        };
        Ok(Self { host, port, resolved: None })
    }

    /// The host as it is dialled.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Notes what the name stands for now. Returns whether that is news.
    pub(super) fn resolve(&mut self, ip: IpAddr) -> bool {
        self.resolved.replace(ip) != Some(ip) && self.host.parse() != Ok(ip)
    }

    /// The host as others are told of it: a name only when names are announced.
    pub fn shown(&self, names: bool) -> String {
        match self.resolved {
            Some(ip) if !names => ip.to_string(),
            _ => self.host.clone(),
        }
    }

    /// The address as the configuration file has it: what others are told of it.
    pub(super) fn for_file(&self, names: bool) -> Self {
        Self { host: self.shown(names), port: self.port, resolved: None }
    }

    /// Whether both are the same place.
    pub fn is(&self, other: &Self) -> bool {
        self.port == other.port && self.has_host_of(other)
    }

    /// Whether both are on the same host.
    pub fn has_host_of(&self, other: &Self) -> bool {
        let literal = |address: &Self| address.host.parse::<IpAddr>().ok().or(address.resolved);
        self.host.eq_ignore_ascii_case(&other.host) || literal(self).is_some_and(|ip| literal(other) == Some(ip))
    }

    /// Host and port as one word, which is a replica's name: `[v6]:port` when the host has colons.
    pub fn joined(&self, names: bool) -> String {
        let host = self.shown(names);
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }
}

/// Whether a word may be a host name: what would break lines, messages and commands is none.
fn is_name(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !host.is_empty() && host.len() <= NAME_BYTES_MAX && host.bytes().all(allowed)
}

/// Bytes of a host name (RFC 1035).
const NAME_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::{Address, AddressFault};

    #[test]
    fn names_are_addresses_only_where_they_are_allowed() {
        let parse = |host, port, names| Address::parse(host, port, names).map(|address| address.joined(true));

        assert_eq!(parse("127.0.0.1", 1, false).as_deref(), Ok("127.0.0.1:1"));
        assert_eq!(parse("0:0::1", 1, false).as_deref(), Ok("[::1]:1"));
        assert_eq!(parse("db.example", 1, false), Err(AddressFault::Host));
        assert_eq!(parse("db.example", 1, true).as_deref(), Ok("db.example:1"));
        for bad in ["", "a b", "a,b", "a\r\nb", "a/b"] {
            assert_eq!(parse(bad, 1, true), Err(AddressFault::Host), "{bad:?}");
        }
        assert_eq!(parse("127.0.0.1", 65_536, true), Err(AddressFault::Port));
        assert_eq!(parse("127.0.0.1", -1, true), Err(AddressFault::Port));
    }

    #[test]
    fn a_name_and_what_it_stands_for_are_the_same_place() {
        let mut name = Address::parse("db.example", 1, true).unwrap();
        let literal = Address::parse("10.0.0.1", 1, false).unwrap();

        assert!(!name.is(&literal));
        name.resolve([10, 0, 0, 1].into());
        assert!(name.is(&literal));
        assert_eq!((name.shown(true), name.shown(false)), ("db.example".to_owned(), "10.0.0.1".to_owned()));
        assert_eq!((name.for_file(true).host(), name.for_file(false).host()), ("db.example", "10.0.0.1"));
    }
}
