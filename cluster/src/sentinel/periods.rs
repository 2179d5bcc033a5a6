//! The times a sentinel goes by, which SENTINEL DEBUG can change.

use super::config::{DOWN_AFTER_MS, FAILOVER_TIMEOUT_MS};

/// Milliseconds each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// Between two INFO to one server.
    pub info: u64,
    /// Between two PING to one instance, at the most.
    pub ping: u64,
    /// Between two questions whether a primary is down.
    pub ask: u64,
    /// Between two hellos.
    pub publish: u64,
    /// `down-after-milliseconds` of a new primary.
    pub down_after: u64,
    /// `failover-timeout` of a new primary.
    pub failover_timeout: u64,
    /// A gap between two looks at the clock that cannot be right.
    pub tilt_trigger: u64,
    /// How long nothing is decided after such a gap.
    pub tilt: u64,
    /// How long a replica may take to follow its new primary before the next one is told.
    pub replica_reconf_timeout: u64,
    /// Least age of a connection that is given up.
    pub min_link_reconnect: u64,
    /// How long an election may take.
    pub election_timeout: u64,
    /// How long a script may run.
    pub script_max_runtime: u64,
    /// The first wait before a failed script is run again.
    pub script_retry_delay: u64,
}

impl Default for Periods {
    fn default() -> Self {
        Self {
            info: 10_000,
            ping: 1_000,
            ask: 1_000,
            publish: 2_000,
            down_after: DOWN_AFTER_MS,
            failover_timeout: FAILOVER_TIMEOUT_MS,
            tilt_trigger: 2_000,
            tilt: 30_000,
            replica_reconf_timeout: 10_000,
            min_link_reconnect: 15_000,
            election_timeout: 10_000,
            script_max_runtime: 60_000,
            script_retry_delay: 30_000,
        }
    }
}

/// One of the periods, to read or to change.
type Field = fn(&mut Periods) -> &mut u64;

/// Their names, in the order of SENTINEL DEBUG.
const NAMES: [(&str, Field); 13] = [
    ("INFO-PERIOD", |periods| &mut periods.info),
    ("PING-PERIOD", |periods| &mut periods.ping),
    ("ASK-PERIOD", |periods| &mut periods.ask),
    ("PUBLISH-PERIOD", |periods| &mut periods.publish),
    ("DEFAULT-DOWN-AFTER", |periods| &mut periods.down_after),
    ("DEFAULT-FAILOVER-TIMEOUT", |periods| &mut periods.failover_timeout),
    ("TILT-TRIGGER", |periods| &mut periods.tilt_trigger),
    ("TILT-PERIOD", |periods| &mut periods.tilt),
    ("SLAVE-RECONF-TIMEOUT", |periods| &mut periods.replica_reconf_timeout),
    ("MIN-LINK-RECONNECT-PERIOD", |periods| &mut periods.min_link_reconnect),
    ("ELECTION-TIMEOUT", |periods| &mut periods.election_timeout),
    ("SCRIPT-MAX-RUNTIME", |periods| &mut periods.script_max_runtime),
    ("SCRIPT-RETRY-DELAY", |periods| &mut periods.script_retry_delay),
];

impl Periods {
    /// The period of this name, in any case.
    pub fn find(&mut self, name: &[u8]) -> Option<&mut u64> {
        let (_, field) = NAMES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))?;
        Some(field(self))
    }

    /// All names with their values.
    pub fn list(mut self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.iter().map(move |&(name, field)| (name, *field(&mut self)))
    }
}
