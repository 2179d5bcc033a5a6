//! What the builder of a machine is told.

use std::net::IpAddr;

use slotmesh_engine::time::Now;

use crate::place::MachineId;

/// What a machine is built from.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Which machine it is.
    pub id: MachineId,
    /// Its address.
    pub ip: IpAddr,
    /// Its clocks.
    pub now: Now,
    /// Its own seed, another one after each restart.
    pub seed: u64,
    /// 1 for the first start, and one more for each restart.
    pub run: u32,
    /// The folder for its files: [`crate::DIR`].
    pub dir: String,
}
