//! Clusters and servers for tests.
//!
//! [`TestCluster`] runs whole nodes in the simulator of `transport-mem`: real commands, real replication, the real
//! cluster bus and real files, on an invented network, clock and disk. Nothing waits: a failover takes a few
//! milliseconds of real time. The same seed gives the same history, and a failing test prints its seed and the last
//! events. [`TestSentinel`] is the same for a primary with replicas and the sentinels that watch it. [`TestServer`] is
//! the other kind: one server with a real port, for tests of programs that bring their own client. Start at [`TestCluster::new`] and [`TestCluster::client`].
//!
//! ```
//! use slotmesh::testing::TestCluster;
//!
//! let mut t = TestCluster::new(3, 1);
//! let mut c = t.client();
//! c.call(["SET", "k", "v"]);
//! t.settle();
//! t.kill(t.owner_of("k"));
//! t.run_until(|t| t.is_healthy());
//! assert_eq!(c.call(["GET", "k"]), "v");
//! ```

mod builder;
mod client;
mod cluster;
mod faults;
mod form;
mod moving;
mod reply;
mod sentinel;
mod server;
mod view;
mod world;

pub use builder::Builder;
pub use client::{Retry, TestClient};
pub use cluster::TestCluster;
pub use faults::TestDisk;
pub use reply::Reply;
pub use sentinel::{SentinelBuilder, TestSentinel};
pub use server::TestServer;
pub use view::Role;

pub use slotmesh_transport_mem::{
    DiskFault, Fault, Hazards, Link, MachineId, OpKind, ProgramEnd, ProgramRun, SimConfig, Skew, Spread, plan,
};
