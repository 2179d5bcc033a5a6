//! The real world for one machine: sockets, clock, entropy and files.
//!
//! Lives here: the [`reactor`] that moves bytes between sockets and a [`Machine`](slotmesh_cluster::machine::Machine)
//! on one thread, the [`disk`] threads that carry out its [`DiskOp`](slotmesh_replication::disk::DiskOp)s, the
//! [`clock`], the [`entropy`] of its seed, and the [`local`] connections by which callers in this process reach the
//! machine on their own threads. What does not: any command, wire format or file format; this crate would host any
//! state machine that speaks the words of [`slotmesh_cluster::machine`].
//!
//! One machine has one reactor thread. Six nodes in one process are six threads, so that a slow command of one
//! node never delays the votes of another. Start at [`host::Host`], then read [`reactor::Reactor`] and
//! [`shared::Handle`].

pub mod clock;
pub mod disk;
pub mod entropy;
pub mod host;
pub mod limits;
pub mod local;
pub mod reactor;
pub mod shared;

mod blocks;
mod dial;
mod errno;
mod linger;
mod listener;
mod net;
mod news;
mod outbox;
mod poller;
mod resolver;
mod socket;
