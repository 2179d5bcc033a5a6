//! Commands about the connection that need nothing of the host: AUTH is the host's, PING is here.

use super::keys::NO_KEYS;
use super::spec::{FAST, LOADING, STALE, Spec, data};
use super::words::{checked_database, integer32};
use super::{Ctx, DataFn};
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Protocol;

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("ECHO", 2, LOADING.and(STALE).and(FAST), NO_KEYS, echo as DataFn),
    data("PING", -1, FAST, NO_KEYS, ping as DataFn)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    data("SELECT", 2, LOADING.and(STALE).and(FAST), NO_KEYS, select),
];

fn ping(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if args.len() > 2 {
        return Err(ReplyError::arity("ping"));
    }
    let message = args.get(1);
    if ctx.session.is_subscribed() && ctx.session.protocol == Protocol::Resp2 {
        ctx.reply.array(2);
        ctx.reply.bulk(b"pong");
        ctx.reply.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        Some(message) => ctx.reply.bulk(message),
        None => ctx.reply.simple("PONG"),
    }
    Ok(())
}

fn echo(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.reply.bulk(&args[1]);
    Ok(())
}

fn select(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let number = integer32(&args[1])?;
    if ctx.core.has_one_cluster_database() && number != 0 {
        return Err(ReplyError::Fixed("ERR SELECT is not allowed in cluster mode"));
    }
    ctx.session.db = checked_database(number, ctx.core.keyspace.databases())?;
    ctx.reply.ok();
    Ok(())
}
