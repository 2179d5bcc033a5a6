//! The storage engine: values, keyspace, commands, sessions.
//!
//! Lives here: everything that is a function of requests and time. What does not: connections, node ids, file
//! names, clocks, threads. An [`Engine`] is usable alone, as a store with sessions and pub/sub; the cluster crate
//! composes it into a node. To find your way: [`engine`] runs a command, [`command`] has the families, [`keyspace`]
//! the data, [`resp`] the protocol.

pub mod access;
mod alone;
pub mod blocked;
pub mod changes;
mod clear;
pub mod command;
pub mod config;
pub mod core;
pub mod debug;
mod deliver;
pub mod engine;
pub mod error;
pub mod evict;
pub mod extended;
pub mod geo;
pub mod glob;
pub mod keyspace;
pub mod load;
pub mod notify;
pub mod number;
pub mod parcel;
pub mod pubsub;
pub mod rdb;
pub mod resp;
pub mod rng;
pub mod save;
pub mod session;
pub mod slot;
pub mod stats;
pub mod table;
pub mod tick;
pub mod time;
pub mod tracking;
pub mod value;
pub mod watch;

pub use engine::Engine;
