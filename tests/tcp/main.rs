//! The reference stories over TCP: real processes, a real `redis-cli`.
//!
//! Lives here: a cluster made by `redis-cli --cluster create` ([`created`]), one joined by hand that loses a primary
//! and is stopped and started again ([`joined`]), clusters without enough replicas ([`losses`]). The same stories
//! under virtual time are in `tests/cluster`. Every wait has an upper limit far above what is expected.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod created;
mod joined;
mod losses;

use std::path::PathBuf;

use slotmesh_test_support::client::Client;

/// The server under test.
fn ours() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_slotmesh-server"))
}

/// The reply to a command written with blanks, as it came.
fn raw(client: &mut Client, line: &str) -> String {
    String::from_utf8(client.call_raw(line.split(' ')).unwrap()).unwrap()
}

/// The node timeout of these stories.
const NODE_TIMEOUT_MS: u64 = 1000;
