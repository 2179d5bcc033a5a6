//! `replicaof`: the primary to follow from the start.

use crate::config::invalid::Invalid;
use crate::config::stored::{Kind, Origin, Stored, parse_integer};

/// Host and port of a primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Primary {
    /// An IP address or a host name.
    pub host: String,
    /// The client port.
    pub port: u16,
}

impl Stored for Option<Primary> {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        let [host, port] = words else { return Err(Invalid::ArgumentCount) };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            *self = None;
            return Ok(());
        }
        let port = parse_integer(port).and_then(|port| u16::try_from(port).ok()).ok_or(Invalid::PrimaryPort)?;
        let host = std::str::from_utf8(host).map_err(|_| Invalid::NotUtf8)?.to_owned();
        *self = Some(Primary { host, port });
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        self.as_ref().map_or_else(Vec::new, |primary| format!("{} {}", primary.host, primary.port).into_bytes())
    }

    fn lines(&self, kind: &Kind) -> Vec<Vec<u8>> {
        if self.is_some() { vec![self.text(kind)] } else { Vec::new() }
    }
}
