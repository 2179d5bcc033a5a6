//! Redis Cluster as a Rust library.

pub mod conf;
pub mod daemon;
pub mod logfile;
pub mod process;
pub mod testing;
