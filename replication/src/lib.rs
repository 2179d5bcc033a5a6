//! The replication log and its readers.

pub mod disk;
