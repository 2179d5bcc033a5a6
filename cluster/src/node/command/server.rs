//! INFO, MONITOR, SHUTDOWN: the node as a whole.

use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{
    ADMIN, ALLOW_BUSY, Categories, Flags, LOADING, NO_MULTI, NO_SCRIPT, STALE, Spec, data,
};
use slotmesh_engine::error::ReplyError;

use super::super::conns::Role;
use super::super::shutdown::{Manner, SaveOrder};
use super::{Call, Node, NodeFn, shown};

const OPERATOR: Flags = ADMIN.and(NO_SCRIPT).and(LOADING).and(STALE);

pub(super) const ROWS: &[Spec<NodeFn>] = &[
    data("INFO", -1, LOADING.and(STALE), NO_KEYS, info as NodeFn).acl(Categories::DANGEROUS).tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    data("MONITOR", 1, OPERATOR, NO_KEYS, monitor),
    data("SHUTDOWN", -1, OPERATOR.and(NO_MULTI).and(ALLOW_BUSY), NO_KEYS, shutdown),
];

fn info(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let wanted: Vec<String> = call.args.from(1).iter().map(|word| shown(word).to_ascii_lowercase()).collect();
    let text = node.info_text(call.now, &wanted);
    let is_sentinel = node.is_sentinel();
    let mut reply = node.engine.reply(call.session);
    // A sentinel's is a plain string in RESP3, too (observed on 7.0.15 and Valkey 9.1).
    if is_sentinel {
        reply.bulk(text.as_bytes())
    } else {
        reply.verbatim(b"txt", text.as_bytes())
    }
    Ok(())
}

fn monitor(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if node.is_in_transaction() {
        return Err(ReplyError::Fixed("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    let Some(client) = node.conns.client_mut(call.conn) else { return Ok(()) };
    match client.role {
        // A replica's connection carries the log and nothing else.
        Role::Replica | Role::Monitor => return Ok(()),
        Role::Normal => client.role = Role::Monitor,
    }
    node.monitors += 1;
    node.engine.reply(call.session).ok();
    Ok(())
}

fn shutdown(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let Some(mut manner) = shutdown_manner(call)? else {
        node.abort_shutdown(call.now)?;
        node.engine.reply(call.session).ok();
        return Ok(());
    };
    if node.is_sentinel() || node.engine.core().is_loading {
        // What is in memory is a part of what is on disk.
        manner.save = SaveOrder::No;
    }
    node.wait_for_host(call.conn);
    node.begin_shutdown(call.now, manner, Some(call.conn));
    Ok(())
}

/// How to end; nothing for ABORT.
fn shutdown_manner(call: &Call<'_>) -> Result<Option<Manner>, ReplyError> {
    let mut manner = Manner::default();
    let mut abort = false;
    for at in 1..call.args.len() {
        let is = |word: &str| call.args.is(at, word);
        if is("NOSAVE") && manner.save != SaveOrder::Yes {
            manner.save = SaveOrder::No;
        } else if is("SAVE") && manner.save != SaveOrder::No {
            manner.save = SaveOrder::Yes;
        } else if is("NOW") {
            manner.now = true;
        } else if is("FORCE") {
            manner.force = true;
        } else if is("ABORT") {
            abort = true;
        } else {
            return Err(ReplyError::Syntax);
        }
    }
    match abort {
        true if manner != Manner::default() => Err(ReplyError::Syntax),
        true => Ok(None),
        false => Ok(Some(manner)),
    }
}
