//! Sentinel: watching primaries and their replicas.
//!
//! Lives here so far: what its configuration file says, and addresses. Start at [`config::SentinelConfig`].

pub mod address;
pub mod config;
