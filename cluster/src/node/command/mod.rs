//! Commands about the node: rows of the same kind as the engine's, with a function on the node.
//!
//! One file per family: [`client`] (CLIENT, HELLO, AUTH ...), [`server`] (INFO, CONFIG, DEBUG ...), [`persistence`],
//! [`replication`], [`cluster`]. A command on keys never belongs here, unless they go elsewhere ([`migrate`]).

mod client;
mod client_filter;
mod cluster;
mod commandlog;
mod config;
mod connection;
mod debug;
mod failover;
mod latency;
mod memory;
mod migrate;
mod module;
mod persistence;
mod replication;
mod sentinel;
mod server;
mod tracking;

use slotmesh_engine::command::spec::{Group, Spec};
use slotmesh_engine::command::{Registry, Resolved};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::session::SessionId;
use slotmesh_engine::time::Now;

use super::{Kit, Node};
use crate::machine::ConnId;
pub(super) use sentinel::PendingSet;
pub(super) use tracking::redirect_number;

/// A command on the node: it writes its reply to the session, or returns the error to reply with.
pub(super) type NodeFn = fn(&mut Node, &Call<'_>) -> Result<(), ReplyError>;

/// One request for a node command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) now: Now,
    pub(super) conn: ConnId,
    pub(super) session: SessionId,
    pub(super) args: Args<'a>,
    pub(super) command: Resolved,
}

/// Adds the node's rows to the registry and returns their functions by number.
pub(super) fn register(registry: &mut Registry, kit: Kit) -> Vec<NodeFn> {
    let families: [(Group, &'static [Spec<NodeFn>]); 14] = [
        (Group::Connection, client::ROWS),
        (Group::Connection, connection::ROWS),
        (Group::Cluster, cluster::ROWS),
        (Group::Server, commandlog::ROWS),
        (Group::Server, config::ROWS),
        (Group::Server, debug::ROWS),
        (Group::Server, failover::ROWS),
        (Group::Server, latency::ROWS),
        (Group::Server, memory::ROWS),
        (Group::Generic, migrate::ROWS),
        (Group::Server, module::ROWS),
        (Group::Server, persistence::ROWS),
        (Group::Server, replication::ROWS),
        (Group::Server, server::ROWS),
    ];
    let mut functions = Vec::new();
    for (group, rows) in families {
        registry.add_host(group, rows, |function| {
            functions.push(function);
            (functions.len() - 1) as u16
        });
    }
    if kit == Kit::Sentinel {
        registry.keep_only(&sentinel::OF_SERVERS);
        registry.add_host(Group::Sentinel, sentinel::ROWS, |function| {
            functions.push(function);
            (functions.len() - 1) as u16
        });
    }
    functions
}

impl Node {
    /// Runs one of the node's own commands.
    pub(super) fn run_host(&mut self, call: Call<'_>, number: u16) {
        self.stirred = true;
        let function = self.functions[usize::from(number)];
        let begin = self.engine.out(call.session).position();
        let result = function(self, &call);
        // The command may have closed its own connection.
        if self.engine.find(call.session).is_none() {
            return;
        }
        self.engine.core_mut().stats.count_call(call.command.id, result.is_err());
        if let Err(error) = result {
            self.engine.out(call.session).truncate(begin);
            self.engine.reply_error(call.session, &error);
        } else if self.engine.session(call.session).is_silent() {
            self.engine.out(call.session).truncate(begin);
        }
        self.engine.deliver();
    }
}

/// An integer argument.
pub(super) fn integer(text: &[u8]) -> Result<i64, ReplyError> {
    slotmesh_engine::number::parse_i64(text).ok_or(ReplyError::NotInteger)
}

/// What the client sent, for an error text.
pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
