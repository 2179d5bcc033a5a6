//! How a simulated world behaves where no fault says otherwise.

use std::time::Duration;

use slotmesh_engine::time::UnixMicros;

use crate::disk::lanes::DiskConfig;
use crate::network::NetworkConfig;

/// The settings of a [`crate::Sim`].
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// The network; [`NetworkConfig::calm`] by default.
    pub network: NetworkConfig,
    /// Every machine's disk.
    pub disk: DiskConfig,
    /// The calendar when the virtual clock starts; 2024-01-01 00:00 UTC by default.
    pub calendar: UnixMicros,
    /// How often every machine's state digest goes into the trace; 1 s by default.
    pub state_hash_every: Duration,
    /// How much virtual time [`crate::Sim::settle`] takes at the most; 5 s by default.
    pub settle_max: Duration,
    /// How much virtual time [`crate::Sim::run_until`] takes at the most; 120 s by default.
    pub patience: Duration,
    /// Events of one call at the most; 20 million by default.
    pub events_max: u64,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            network: NetworkConfig::calm(),
            disk: DiskConfig::default(),
            calendar: UnixMicros(1_704_067_200_000_000),
            state_hash_every: Duration::from_secs(1),
            settle_max: Duration::from_secs(5),
            patience: Duration::from_secs(120),
            events_max: 20_000_000,
        }
    }
}

impl SimConfig {
    /// The default with a network that makes trouble: [`NetworkConfig::rough`].
    pub fn rough() -> Self {
        Self { network: NetworkConfig::rough(), ..Self::default() }
    }
}
