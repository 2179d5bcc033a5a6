//! The replication log and its readers: replicas, the append only file, snapshots.
//!
//! Lives here: [`log`] (what was written, by offset), the two ends of a replication link ([`feed`] at the primary,
//! [`link`] at the replica), [`wait`], and persistence policy ([`persist`]). What does not: sockets, files, clocks,
//! the keyspace. Every machine takes events and time and gives typed outputs through `poll`; the node that owns them
//! carries the bytes. Start at [`log::Log`].

pub mod backlog;
pub mod disk;
pub mod feed;
pub mod handshake;
pub mod link;
pub mod log;
pub mod note;
pub mod offset;
pub mod persist;
mod transfer;
pub mod wait;
