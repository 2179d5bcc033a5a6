//! What the tests of this workspace stand on.
//!
//! Lives here: finding the real programs we are measured against ([`peer`]), starting servers on free ports and
//! stopping them ([`launch`]), running `redis-cli` ([`cli`]), a small blocking client ([`client`]) and the script
//! runner ([`script`]), data sets that can be compared ([`data`]), a link that can be cut ([`proxy`]). What does not: any test, and anything of the product: a test sees our server as one more
//! path. Start at [`script`] for the command scripts, at [`launch::Launch`] for everything with processes.

pub mod cli;
pub mod client;
pub mod data;
pub mod launch;
pub mod nodes;
pub mod peer;
pub mod port;
pub mod process;
pub mod proxy;
pub mod replication;
pub mod reply;
pub mod script;
pub mod seeds;
pub mod sentinel;
pub mod wait;

pub use client::Client;
pub use launch::{Launch, Server};
pub use peer::Peer;
pub use reply::Reply;
