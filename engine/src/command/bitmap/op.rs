//! BITOP: strings combined bit by bit.

use bytes::Bytes;

use crate::command::Ctx;
use crate::command::string::bytes_of;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Expiry, NewValue};
use crate::resp::args::Args;
use crate::value::bits::{self, Combination};

pub(super) fn bitop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let combinations =
        [("AND", Combination::And), ("OR", Combination::Or), ("XOR", Combination::Xor), ("NOT", Combination::Not)];
    let combination = combinations.into_iter().find(|(word, _)| args.is(1, word)).map(|(_, combination)| combination);
    let combination = combination.ok_or(ReplyError::Syntax)?;
    if combination == Combination::Not && args.len() != 4 {
        return Err(ReplyError::Fixed("ERR BITOP NOT must be called with a single source key."));
    }
    let sources: Result<Vec<Bytes>, ReplyError> =
        args.from(3).iter().map(|key| ctx.view(key, |entry, _| bytes_of(entry))).collect();
    let combined = bits::combine(combination, &sources?);
    let (target, len) = (&args[2], combined.len());
    store(ctx, target, combined);
    ctx.reply.len(len);
    Ok(())
}

/// Puts the result under its key; an empty one only removes what was there.
fn store(ctx: &mut Ctx<'_>, key: &[u8], bytes: Vec<u8>) {
    if !bytes.is_empty() {
        ctx.set(key, NewValue::Shared(bytes.into()), Expiry::Never);
        ctx.keep_editable(ctx.db(), key);
        ctx.notify(KeyspaceEvents::STRING, "set", key);
    } else if ctx.exists_to_write(key) && ctx.remove(key) {
        ctx.notify(KeyspaceEvents::GENERIC, "del", key);
    }
}
