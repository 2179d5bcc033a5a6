//! The process itself: its command line, its configuration, its log, its limits and its end.
//!
//! Lives here: starts ([`start`]), ends ([`stop`]) and what protects the process from its clients ([`limits`]). What
//! commands answer is in `tests/scripts`. Start at [`start`].

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod limits;
mod sentinel;
mod start;
mod stop;

use std::path::{Path, PathBuf};
use std::time::Duration;

use slotmesh_test_support::Launch;
use slotmesh_test_support::client::Client;

/// The server under test.
fn ours() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_slotmesh-server"))
}

fn launch() -> Launch {
    Launch::new(ours())
}

/// The reply to a command written with blanks, as it came.
fn raw(client: &mut Client, line: &str) -> String {
    String::from_utf8(client.call_raw(line.split(' ')).unwrap()).unwrap()
}

/// A value of CONFIG GET.
fn setting(client: &mut Client, name: &str) -> String {
    let reply = client.call(["CONFIG", "GET", name]).unwrap();
    let value = reply.elements().and_then(|pair| pair.get(1)?.text()).unwrap_or_else(|| panic!("{name}: {reply:?}"));
    String::from_utf8(value.to_vec()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// Longest wait for a start or an end.
const LIMIT: Duration = Duration::from_secs(20);
