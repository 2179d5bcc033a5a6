//! Files: what `slotmesh-server` writes is read by redis-server and the other way round, and nothing is lost.
//!
//! Lives here: dumps ([`dump`]), the append only folder ([`append_only`]), ends without warning ([`crash`]) and
//! files that cannot be read ([`corrupt`]). Start at [`dump`].

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod append_only;
mod corrupt;
mod crash;
mod dump;

use std::path::{Path, PathBuf};
use std::time::Duration;

use slotmesh_test_support::client::Client;
use slotmesh_test_support::data::Contents;
use slotmesh_test_support::replication::info;
use slotmesh_test_support::wait::poll_until;
use slotmesh_test_support::{Launch, Server};

/// The server under test.
fn ours() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_slotmesh-server"))
}

/// A program that keeps its files in a folder of the test.
fn launch(program: &Path, dir: &Path) -> Launch {
    Launch::new(program).option("dir", dir.to_str().expect("a temporary folder has a plain name"))
}

/// What database 0 holds.
fn contents(server: &Server) -> Contents {
    Contents::read(&mut server.client()).unwrap()
}

/// Stops a server as a supervisor does.
fn stop(server: &mut Server) {
    server.terminate().unwrap();
    assert!(server.wait_exit(EXIT_LIMIT).unwrap().success());
}

/// Waits until a field of INFO persistence has this value.
fn wait_info(client: &mut Client, field: &str, value: &str) {
    let has_value = || (info(client, "persistence", field).as_deref() == Some(value)).then_some(());
    poll_until(&format!("{field}:{value}"), EXIT_LIMIT, has_value).unwrap_or_else(|timeout| panic!("{timeout}"));
}

/// Fails with what differs.
fn assert_same(left: &Contents, right: &Contents) {
    if let Some(difference) = left.difference(right) {
        panic!("{difference}");
    }
}

/// Longest wait for the end of a server or of a save.
const EXIT_LIMIT: Duration = Duration::from_secs(20);
