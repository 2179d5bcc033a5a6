//! CONFIG: the options, as clients see and change them.

use slotmesh_engine::command::help;
use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ADMIN, Flags, LOADING, NO_SCRIPT, STALE, Spec, container, data};
use slotmesh_engine::config::set::Caller;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::stats::Stats;

use super::super::Counters;
use super::super::reconfigure::{Pairs, Request};
use super::{Call, Node, NodeFn};

const OPERATOR: Flags = ADMIN.and(NO_SCRIPT).and(LOADING).and(STALE);

pub(super) const ROWS: &[Spec<NodeFn>] = &[container("CONFIG", CONFIG_ROWS)];

const CONFIG_ROWS: &[Spec<NodeFn>] = &[
    data("GET", -3, OPERATOR, NO_KEYS, get as NodeFn),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, config_help),
    data("RESETSTAT", 2, OPERATOR, NO_KEYS, resetstat),
    data("REWRITE", 2, OPERATOR, NO_KEYS, rewrite),
    data("SET", -4, OPERATOR, NO_KEYS, set as NodeFn)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
];

fn get(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let patterns: Vec<&[u8]> = call.args.from(2).iter().collect();
    let found = node.engine.core().config.get(&patterns);
    let mut reply = node.engine.reply(call.session);
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(&name);
        reply.bulk(&value);
    }
    Ok(())
}

fn set(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    if !args.len().is_multiple_of(2) {
        return Err(ReplyError::Syntax);
    }
    let pairs = (2..args.len()).step_by(2).map(|at| (args[at].to_vec(), args[at + 1].to_vec())).collect();
    let caller = if node.is_local(call.conn) { Caller::Local } else { Caller::Remote };
    node.reconfigure(call.now, call.conn, Request::Set(Pairs { caller, pairs }))
}

fn rewrite(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.reconfigure(call.now, call.conn, Request::Rewrite)
}

fn resetstat(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.core_mut().stats = Stats::default();
    node.engine.core_mut().keyspace.reset_freed_objects();
    node.timing.reset_histograms();
    node.counters = Counters::default();
    node.replication.feeds.reset_counts();
    node.engine.reply(call.session).ok();
    Ok(())
}

fn config_help(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    help::reply(
        &mut node.engine.reply(call.session),
        "CONFIG",
        &[
            ("GET <pattern> [<pattern> ...]", "Shows the options whose names match, with their values."),
            ("RESETSTAT", "Sets the counters of INFO back to zero."),
            ("REWRITE", "Writes the options in force to the configuration file."),
            ("SET <option> <value> [<option> <value> ...]", "Changes options: all of them, or none."),
        ],
    );
    Ok(())
}
