//! What a sentinel's configuration file says: settings of the operator and state of the sentinel, in one file.
//!
//! Lives here: the values, reading them from `sentinel` lines ([`SentinelConfig::read`]), and writing them as such lines
//! ([`SentinelConfig::lines`]). What does not: the other options of the file, which are the engine's.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

pub use read::Fault;
pub(super) use read::is_id;

use super::address::Address;

/// All that the `sentinel` lines of a file say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentinelConfig {
    /// What concerns the sentinel as a whole.
    pub globals: Globals,
    /// The primaries, in the order of the file.
    pub primaries: Vec<PrimaryConfig>,
}

/// What concerns the sentinel as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globals {
    /// Its name: 40 bytes; nothing before its first start.
    pub myid: Option<String>,
    /// The newest epoch it has heard of.
    pub current_epoch: u64,
    /// The address it tells others of itself; empty for that of the connection.
    pub announce_ip: String,
    /// The port it tells others of itself; 0 for the one it listens on.
    pub announce_port: u16,
    /// Whether clients may not change scripts.
    pub deny_scripts_reconfig: bool,
    /// Whether instances may be given by host name.
    pub resolve_hostnames: bool,
    /// Whether instances are told to others by host name.
    pub announce_hostnames: bool,
    /// The user to be with other sentinels; empty for the default user.
    pub user: Vec<u8>,
    /// The password for other sentinels; empty for none.
    pub pass: Vec<u8>,
}

impl Default for Globals {
    fn default() -> Self {
        Self {
            myid: None,
            current_epoch: 0,
            announce_ip: String::new(),
            announce_port: 0,
            deny_scripts_reconfig: true,
            resolve_hostnames: false,
            announce_hostnames: false,
            user: Vec::new(),
            pass: Vec::new(),
        }
    }
}

/// A primary, with what the sentinel has found out about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryConfig {
    /// Its name among all sentinels.
    pub name: String,
    /// Where it is now.
    pub address: Address,
    /// How to watch it.
    pub settings: Settings,
    /// The epoch of the failover that made it primary.
    pub config_epoch: u64,
    /// The epoch of the last vote for a leader.
    pub leader_epoch: u64,
    /// Its replicas.
    pub replicas: Vec<Address>,
    /// The other sentinels that watch it.
    pub sentinels: Vec<KnownSentinel>,
}

/// Another sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSentinel {
    /// Its name.
    pub id: String,
    /// Where it is.
    pub address: Address,
}

/// How a primary is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Sentinels that must agree that it is down; at least 1.
    pub quorum: u32,
    /// Silence after which an instance is down, in milliseconds.
    pub down_after_ms: u64,
    /// What a failover may take, in milliseconds.
    pub failover_timeout_ms: u64,
    /// Replicas that are pointed to a new primary at the same time.
    pub parallel_syncs: u32,
    /// A program that is run for events.
    pub notification_script: Option<String>,
    /// A program that is run when the primary's address changes.
    pub client_reconfig_script: Option<String>,
    /// The user to be with primary and replicas; empty for the default user.
    pub auth_user: Vec<u8>,
    /// The password for primary and replicas; empty for none.
    pub auth_pass: Vec<u8>,
    /// Names of commands at primary and replicas, by their usual names in lower case.
    pub renames: BTreeMap<String, String>,
    /// How long a primary that was restarted may be silent before it counts as down, in milliseconds; 0 for no such rule.
    pub reboot_down_after_ms: u64,
}

impl Settings {
    /// The defaults, with a quorum.
    pub fn new(quorum: u32) -> Self {
        Self {
            quorum,
            down_after_ms: DOWN_AFTER_MS,
            failover_timeout_ms: FAILOVER_TIMEOUT_MS,
            parallel_syncs: PARALLEL_SYNCS,
            notification_script: None,
            client_reconfig_script: None,
            auth_user: Vec::new(),
            auth_pass: Vec::new(),
            renames: BTreeMap::new(),
            reboot_down_after_ms: 0,
        }
    }
}

impl PrimaryConfig {
    /// A primary of which nothing more is known.
    pub fn new(name: impl Into<String>, address: Address, quorum: u32) -> Self {
        Self {
            name: name.into(),
            address,
            settings: Settings::new(quorum),
            config_epoch: 0,
            leader_epoch: 0,
            replicas: Vec::new(),
            sentinels: Vec::new(),
        }
    }
}

/// Default of `down-after-milliseconds`.
pub(super) const DOWN_AFTER_MS: u64 = 30_000;
/// Default of `failover-timeout`, in milliseconds.
pub(super) const FAILOVER_TIMEOUT_MS: u64 = 180_000;
/// Default of `parallel-syncs`.
const PARALLEL_SYNCS: u32 = 1;
