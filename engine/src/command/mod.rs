//! Commands: one row and one function each.
//!
//! [`spec`] has the row, [`keys`] says where keys are, [`registry`] finds rows by name, [`ctx`] is what a function
//! works with. Each family is one file with a `ROWS` table at its top; to see how a command is built, read
//! `string.rs`. Commands about the node (CLUSTER, REPLICAOF, CONFIG, CLIENT LIST) live in the cluster crate.

pub mod ctx;
pub mod docs;
pub mod help;
pub mod keys;
pub mod registry;
pub mod spec;
pub mod typed;
pub mod words;

mod bitmap;
mod connection;
mod dump;
mod expire;
mod expiry;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod introspect;
mod list;
mod memory;
mod object;
mod pubsub;
mod scan;
mod server;
mod set;
mod sort;
mod sorted;
mod stream;
mod string;
mod transaction;

pub use ctx::Ctx;
pub use registry::{Command, CommandId, Registry, Resolved};

pub(crate) use object::encoding_name;
pub(crate) use pubsub::allowed_while_subscribed;

use crate::error::ReplyError;
use crate::resp::args::Args;
use spec::{Group, Spec};

/// A command on the engine's data: it writes its reply, or returns the error to reply with.
pub type DataFn = fn(&mut Ctx<'_>, Args<'_>) -> Result<(), ReplyError>;

/// Who runs a command.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// The engine, with this function.
    Data(DataFn),
    /// EXEC: whoever drives the session runs its queue, since queued commands may be the host's.
    Exec,
    /// The host, by a number it chose when it added the row.
    Host(u16),
}

/// A subcommand exists but not with these words.
pub fn unknown_form(container: &str, word: &[u8]) -> ReplyError {
    let after = format!("'. Try {container} HELP.");
    ReplyError::naming("ERR unknown subcommand or wrong number of arguments for '", word, &after)
}

/// Adds every family of the engine to `registry`.
pub(crate) fn register(registry: &mut Registry) {
    let families: &[(Group, &'static [Spec<DataFn>])] = &[
        (Group::Bitmap, bitmap::ROWS),
        (Group::Connection, connection::ROWS),
        (Group::Generic, expire::ROWS),
        (Group::Generic, generic::ROWS),
        (Group::Generic, sort::ROWS),
        (Group::Geo, geo::ROWS),
        (Group::Hash, hash::ROWS),
        (Group::HyperLogLog, hyperloglog::ROWS),
        (Group::List, list::ROWS),
        (Group::PubSub, pubsub::ROWS),
        (Group::Server, server::ROWS),
        (Group::Set, set::ROWS),
        (Group::SortedSet, sorted::ROWS),
        (Group::Stream, stream::ROWS),
        (Group::String, string::ROWS),
        (Group::Transactions, transaction::ROWS),
    ];
    for &(group, rows) in families {
        registry.add_data(group, rows);
    }
    registry.add_exec(&transaction::EXEC);
    for docs in docs::TABLES {
        registry.add_docs(docs);
    }
}

#[cfg(test)]
mod tests;
