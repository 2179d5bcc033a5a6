#![doc = include_str!("../README.md")]

pub mod command;
pub mod conf;
pub mod daemon;
pub mod logfile;
pub mod machine_check;
pub mod process;
pub mod supervise;
pub mod testing;
pub mod up;

mod builder;
mod client;
mod cluster;
mod error;
mod log;
mod seat;
mod server;
mod settings;

pub use builder::ServerBuilder;
pub use client::{
    Arg, Client, ClusterClient, Error, FromReply, Malformed, Message, Pipeline, Reply, Request, ServerError,
    Subscription, ToArgs,
};
pub use cluster::{Cluster, ClusterBuilder, NodeInfo, NodeState};
pub use error::StartError;
pub use server::Server;
