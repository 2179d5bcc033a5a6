//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Queueing is done by whoever drives the session (it happens instead of a call), and so is EXEC: see
//! [`Engine::begin_exec`](crate::Engine::begin_exec).

use super::keys::{Access, KeySpec, NO_KEYS};
use super::spec::{ALLOW_BUSY, FAST, Flags, LOADING, NO_MULTI, NO_SCRIPT, SKIP_SLOWLOG, STALE, Spec, data};
use super::{Ctx, DataFn};
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::session::Transaction;

const ANY_TIME: Flags = NO_SCRIPT.and(LOADING).and(STALE).and(FAST).and(ALLOW_BUSY);

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("DISCARD", 1, ANY_TIME, NO_KEYS, discard as DataFn),
    data("MULTI", 1, ANY_TIME.and(NO_MULTI), NO_KEYS, multi),
    data("UNWATCH", 1, ANY_TIME, NO_KEYS, unwatch),
    data("WATCH", -2, ANY_TIME.and(NO_MULTI), &[KeySpec::every(1, 1, Access::RO)], watch),
];

pub(super) const EXEC: [Spec<()>; 1] =
    [data("EXEC", 1, NO_SCRIPT.and(LOADING).and(STALE).and(SKIP_SLOWLOG), NO_KEYS, ())];

fn multi(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    // A client's nested MULTI is refused by a gate; a file or a primary's stream has none.
    if ctx.session.transaction.is_some() {
        return Err(ReplyError::Fixed("ERR MULTI calls can not be nested"));
    }
    ctx.session.transaction = Some(Box::new(Transaction::default()));
    ctx.reply.ok();
    Ok(())
}

fn discard(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    if ctx.session.transaction.take().is_none() {
        return Err(ReplyError::Fixed("ERR DISCARD without MULTI"));
    }
    ctx.unwatch_all();
    ctx.reply.ok();
    Ok(())
}

fn watch(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    for key in args.from(1).iter() {
        ctx.watch(key);
    }
    ctx.reply.ok();
    Ok(())
}

fn unwatch(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    ctx.unwatch_all();
    ctx.reply.ok();
    Ok(())
}
