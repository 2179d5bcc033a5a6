//! Free loopback ports that stay ours while a server is stopped.
//!
//! A port that the system hands out (`bind` to 0) may be taken by any outgoing connection while a test restarts
//! its server. Ports here come from below the range for outgoing connections (32768 and up on Linux), together
//! with their cluster bus port (+10000), and are claimed across processes by a file lock that dies with its owner.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// A claimed port; free again for other tests when dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: File,
}

impl Port {
    /// Claims a port on which nobody listens, nor on its bus port.
    ///
    /// # Errors
    /// When the lock folder cannot be written or every port of the range is taken.
    pub fn claim() -> io::Result<Self> {
        let folder = claims()?;
        for _ in 0..PORTS {
            if let Some(port) = Self::claim_number(&folder, PORT_FIRST + next_candidate())? {
                return Ok(port);
            }
        }
        Err(exhausted())
    }

    /// Claims ports that follow one another, for a program that counts on from one.
    ///
    /// # Errors
    /// As [`Port::claim`].
    pub fn claim_row(len: u16) -> io::Result<Vec<Self>> {
        let folder = claims()?;
        for _ in 0..PORTS {
            let first = PORT_FIRST + next_candidate();
            let mut row = Vec::new();
            for number in (first..first + len).take_while(|&number| number < PORT_FIRST + PORTS) {
                match Self::claim_number(&folder, number)? {
                    Some(port) => row.push(port),
                    None => break,
                }
            }
            if row.len() == usize::from(len) {
                return Ok(row);
            }
        }
        Err(exhausted())
    }

    fn claim_number(folder: &Path, number: u16) -> io::Result<Option<Self>> {
        let claim =
            OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(number.to_string()))?;
        let is_claimed = claim.try_lock().is_ok();
        let is_ours = is_claimed && is_free(number) && is_free(number + BUS_PORT_DISTANCE);
        Ok(is_ours.then_some(Self { number, _claim: claim }))
    }

    /// The client port's number.
    pub const fn number(&self) -> u16 {
        self.number
    }
}

/// The folder of the locks.
fn claims() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join("slotmesh-test-ports");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn exhausted() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "every port set aside for tests is taken")
}

/// A place in the range; each process starts at its own, so that they seldom meet.
fn next_candidate() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() as u16).wrapping_mul(61);
    start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// First port of the range set aside for tests.
const PORT_FIRST: u16 = 15_000;
/// Number of ports set aside; the last one's bus port (29,999) stays below 32,768.
const PORTS: u16 = 5_000;
/// Distance from a client port to its cluster bus port (cluster specification, "Cluster bus").
const BUS_PORT_DISTANCE: u16 = 10_000;

#[cfg(test)]
mod tests {
    use super::Port;

    #[test]
    fn two_claims_never_share_a_port() {
        let first = Port::claim().unwrap();
        let second = Port::claim().unwrap();

        assert_ne!(first.number(), second.number());
    }
    #[test]
    fn a_row_of_ports_has_no_gap() {
        let row = Port::claim_row(6).unwrap();

        assert!(row.windows(2).all(|pair| pair[1].number() == pair[0].number() + 1));
        assert_eq!(row.len(), 6);
    }
}
