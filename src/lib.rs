//! Redis Cluster as a Rust library.
