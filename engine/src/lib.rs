//! The storage engine: values, keyspace, commands, sessions.
//!
//! It does not know a connection, a node id or a file name, and reads no clock: see [`time`].

pub mod config;
pub mod glob;
pub mod keyspace;
pub mod rdb;
pub mod resp;
pub mod rng;
pub mod slot;
pub mod table;
pub mod time;
