//! Places in the log and names of histories.
//!
//! Two kinds of place, so that they cannot be mixed: a [`Position`] counts the bytes this process ever put into its
//! log and never goes back; an [`Offset`] is the number replicas and primaries agree on, which starts anew with
//! every full synchronisation.

use std::fmt;
use std::ops::Add;

use slotmesh_engine::rng::Rng;

/// A replication offset: the number of stream bytes before this place (`master_repl_offset`).
///
/// On the wire PSYNC names the next byte wanted instead, which is one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The number PSYNC asks with: that of the byte after this place.
    pub const fn next_byte(self) -> u64 {
        self.0.saturating_add(1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in this process's log: the number of bytes appended before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

impl Position {
    /// Bytes from `earlier` to here; 0 when `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The place `bytes` before this one, stopping at the beginning.
    pub const fn back(self, bytes: u64) -> Self {
        Self(self.0.saturating_sub(bytes))
    }
}

impl Add<u64> for Position {
    type Output = Self;

    fn add(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

/// The name of a replication history: 40 hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replid([u8; 40]);

impl Replid {
    /// The name of no history, shown as 40 zeros.
    pub const NONE: Self = Self([b'0'; 40]);

    /// A fresh name.
    pub fn random(rng: &mut Rng) -> Self {
        Self(rng.hex_id())
    }

    /// The name a peer sent, if it has the form of one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let id: [u8; 40] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_hexdigit).then_some(Self(id))
    }

    /// Whether a peer's text names this history; letters compare without case, as Redis compares them.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.eq_ignore_ascii_case(text)
    }

    /// The name's characters.
    pub const fn as_bytes(&self) -> &[u8; 40] {
        &self.0
    }
}

impl fmt::Display for Replid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for Replid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Replid;

    #[test]
    fn only_forty_hex_characters_name_a_history() {
        assert!(Replid::parse(&[b'a'; 40]).is_some());
        assert!(Replid::parse(&[b'a'; 39]).is_none());
        assert!(Replid::parse(&[b'g'; 40]).is_none());
        assert!(Replid::parse(&[b'a'; 40]).unwrap().matches(&[b'A'; 40]));
        assert_eq!(Replid::NONE.to_string(), "0".repeat(40));
    }
}
