//! SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE: files by order.
//!
//! There is no fork: SAVE is a BGSAVE whose client waits, and other clients go on meanwhile.

use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{
    ADMIN, Categories, FAST, Flags, LOADING, NO_ASYNC_LOADING, NO_MULTI, NO_SCRIPT, STALE, Spec, data,
};
use slotmesh_engine::error::ReplyError;
use slotmesh_replication::persist::aof::RewriteReply;
use slotmesh_replication::persist::save::{BgsaveReply, Occasion};

use super::{Call, Node, NodeFn};

const FILES: Flags = ADMIN.and(NO_SCRIPT).and(NO_ASYNC_LOADING);

pub(super) const ROWS: &[Spec<NodeFn>] = &[
    data("BGREWRITEAOF", 1, FILES, NO_KEYS, bgrewriteaof as NodeFn),
    data("BGSAVE", -1, FILES, NO_KEYS, bgsave),
    data("LASTSAVE", 1, LOADING.and(STALE).and(FAST), NO_KEYS, lastsave as NodeFn)
        .acl(Categories::ADMIN.and(Categories::DANGEROUS))
        .tips(&["nondeterministic_output"]),
    data("SAVE", 1, FILES.and(NO_MULTI), NO_KEYS, save),
];

fn save(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let busy = node.job.is_some();
    match node.persistence.saver.request(busy, true) {
        BgsaveReply::Refused(text) => return Err(ReplyError::Fixed(text)),
        BgsaveReply::Scheduled => {}
        BgsaveReply::Start => node.begin_save_by_order(call.now, Occasion::Foreground),
    }
    node.persistence.save_waiters.push(call.conn);
    node.wait_for_host(call.conn);
    Ok(())
}

fn bgsave(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let schedule = match call.args.len() {
        1 => false,
        2 if call.args.is(1, "SCHEDULE") => true,
        _ => return Err(ReplyError::Syntax),
    };
    // The walk's picture must not hold half a transaction, so it begins behind it.
    let busy = node.job.is_some() || node.is_in_transaction();
    node.look_for_walk();
    let text = match node.persistence.saver.request(busy, schedule || node.is_in_transaction()) {
        BgsaveReply::Refused(text) => return Err(ReplyError::Fixed(text)),
        BgsaveReply::Scheduled => "Background saving scheduled",
        BgsaveReply::Start => {
            node.begin_save_by_order(call.now, Occasion::Background);
            "Background saving started"
        }
    };
    node.engine.reply(call.session).simple(text);
    Ok(())
}

fn bgrewriteaof(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let busy = node.job.is_some() || node.is_in_transaction();
    node.look_for_walk();
    let Some(aof) = &mut node.persistence.aof else {
        return Err(ReplyError::Fixed("LOADING Redis is loading the dataset in memory"));
    };
    let text = match aof.request_rewrite(busy) {
        RewriteReply::Refused(text) => return Err(ReplyError::Fixed(text)),
        RewriteReply::Scheduled => "Background append only file rewriting scheduled",
        RewriteReply::Start => {
            node.begin_aof_rewrite(call.now);
            "Background append only file rewriting started"
        }
    };
    node.engine.reply(call.session).simple(text);
    Ok(())
}

fn lastsave(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let seconds = node.persistence.saver.info(call.now).last_save_secs;
    node.engine.reply(call.session).int(seconds);
    Ok(())
}

impl Node {
    /// Begins a save that a client ordered, or plans it when the walk cannot begin at this moment.
    fn begin_save_by_order(&mut self, now: slotmesh_engine::time::Now, occasion: Occasion) {
        if !self.save_now(now, occasion) {
            self.persistence.saver.request(true, true);
            self.look_for_walk();
            self.yield_now();
        }
    }
}
