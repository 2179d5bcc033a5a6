//! The clients people have: redis-rs in its four forms, and redis-benchmark.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod benchmark;
mod cluster;
mod sentinel;
mod single;

use std::path::PathBuf;

use slotmesh_test_support::{Launch, Server};

fn ours() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_slotmesh-server"))
}

fn start() -> Server {
    Launch::new(ours()).start().unwrap()
}
