//! What the operator decides about the bus.
//!
//! Every option can change at run time, except the ports a node listens on. Start at [`BusConfig`].

use std::net::IpAddr;

/// The cluster options of redis.conf, with their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusConfig {
    /// `cluster-node-timeout`, in milliseconds; default 15000, at least 1.
    pub node_timeout_ms: u64,
    /// The client port other nodes and clients are told of (the announced one, if any).
    pub port: u16,
    /// The plaintext client port when `port` is a TLS port, else 0.
    pub pport: u16,
    /// The bus port other nodes are told of (the announced one, if any).
    pub cport: u16,
    /// `cluster-announce-ip`; default none: others use the address this node connects from.
    pub announce_ip: Option<IpAddr>,
    /// `cluster-announce-hostname`; default empty. One that [`is_hostname`](super::message::is_hostname) refuses is
    /// not announced: check it when it is configured.
    pub announce_hostname: String,
    /// `cluster-announce-human-nodename`; default empty. One that [`is_nodename`](super::message::is_nodename) refuses
    /// is not announced.
    pub announce_nodename: String,
    /// `cluster-preferred-endpoint-type`; default ip.
    pub preferred_endpoint: EndpointKind,
    /// `cluster-require-full-coverage`; default yes.
    pub require_full_coverage: bool,
    /// `cluster-allow-reads-when-down`; default no.
    pub allow_reads_when_down: bool,
    /// `cluster-allow-pubsubshard-when-down`; default yes.
    pub allow_pubsubshard_when_down: bool,
    /// `cluster-replica-no-failover`; default no.
    pub replica_no_failover: bool,
    /// `cluster-replica-validity-factor`; default 10, 0 for no limit.
    pub replica_validity_factor: u64,
    /// `repl-ping-replica-period`, in seconds; default 10. Part of the validity limit.
    pub repl_ping_period_secs: u64,
    /// `cluster-migration-barrier`; default 1.
    pub migration_barrier: usize,
    /// `cluster-allow-replica-migration`; default yes.
    pub allow_replica_migration: bool,
    /// `cluster-blacklist-ttl`, in seconds; default 60.
    pub blacklist_ttl_secs: u64,
    /// `cluster-manual-failover-timeout`, in milliseconds; default 5000.
    pub manual_failover_timeout_ms: u64,
    /// `cluster-link-sendbuf-limit`, in bytes; default 0 for none.
    pub link_sendbuf_limit: usize,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            node_timeout_ms: 15_000,
            port: 6379,
            pport: 0,
            cport: 16379,
            announce_ip: None,
            announce_hostname: String::new(),
            announce_nodename: String::new(),
            preferred_endpoint: EndpointKind::Ip,
            require_full_coverage: true,
            allow_reads_when_down: false,
            allow_pubsubshard_when_down: true,
            replica_no_failover: false,
            replica_validity_factor: 10,
            repl_ping_period_secs: 10,
            migration_barrier: 1,
            allow_replica_migration: true,
            blacklist_ttl_secs: 60,
            manual_failover_timeout_ms: 5000,
            link_sendbuf_limit: 0,
        }
    }
}

/// How clients are told of a node (`cluster-preferred-endpoint-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointKind {
    /// By host name; `?` when it has none.
    Hostname,
    /// By address.
    Ip,
    /// Not at all: the client uses the address it is connected to.
    Unknown,
}
