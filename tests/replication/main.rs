//! Replication between `slotmesh-server` and the real servers, over TCP, in both directions.
//!
//! Lives here: full and partial synchronisation ([`full`], [`partial`]), chains ([`chain`]), what the stream carries
//! ([`stream`]), what reached the disks ([`durable`]), fields that expire ([`fields`]) failovers ([`handover`]), and what clients are told ([`guard`]). What does not: cluster mode (`tests/tcp`, `tests/mixed`).
//! Start at [`full`].

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod chain;
mod durable;
mod fields;
mod full;
mod guard;
mod handover;
mod partial;
mod stream;

use std::path::{Path, PathBuf};

use slotmesh_test_support::{Launch, Peer, Server};

/// The server under test.
fn ours() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_slotmesh-server"))
}

/// A program started without the delay that lets several replicas share one transfer.
fn launch(program: &Path) -> Launch {
    Launch::new(program).option("repl-diskless-sync-delay", "0")
}

fn start(program: &Path) -> Server {
    launch(program).start().expect("the server starts")
}

/// One test per peer in each direction: `name(primary, replica)` for each pair that holds one of ours.
#[macro_export]
macro_rules! pairs {
    ($($test:ident),* $(,)?) => {
        /// Ours above redis-server.
        mod ours_to_redis {
            $(#[test] fn $test() { super::$test(&$crate::ours(), &slotmesh_test_support::require_peer!($crate::Peer::RedisServer)); })*
        }
        /// redis-server above ours.
        mod redis_to_ours {
            $(#[test] fn $test() { super::$test(&slotmesh_test_support::require_peer!($crate::Peer::RedisServer), &$crate::ours()); })*
        }
        /// Ours above valkey-server.
        mod ours_to_valkey {
            $(#[test] fn $test() { super::$test(&$crate::ours(), &slotmesh_test_support::require_peer!($crate::Peer::ValkeyServer)); })*
        }
        /// valkey-server above ours.
        mod valkey_to_ours {
            $(#[test] fn $test() { super::$test(&slotmesh_test_support::require_peer!($crate::Peer::ValkeyServer), &$crate::ours()); })*
        }
        /// Ours above ours.
        mod ours_to_ours {
            $(#[test] fn $test() { super::$test(&$crate::ours(), &$crate::ours()); })*
        }
    };
}
