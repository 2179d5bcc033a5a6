//! Publishing and subscribing, plain and sharded.
//!
//! In cluster mode the host carries PUBLISH and SPUBLISH to the other nodes: it reads [`Ctx::broadcasts`]'s notes
//! after the call.

use super::keys::{Access, KeySpec, NO_KEYS};
use super::spec::{FAST, Flags, LOADING, MAY_REPLICATE, NO_SCRIPT, PUBSUB, STALE, Spec, container, data};
use super::{Ctx, DataFn};
use crate::error::ReplyError;
use crate::glob;
use crate::pubsub::Kind;
use crate::resp::args::Args;
use crate::resp::reply::Protocol;

const LISTEN: Flags = PUBSUB.and(NO_SCRIPT).and(LOADING).and(STALE);
const ASK: Flags = PUBSUB.and(LOADING).and(STALE);
const TELL: Flags = PUBSUB.and(LOADING).and(STALE).and(FAST).and(MAY_REPLICATE);
const SHARD_CHANNEL: &[KeySpec] = &[KeySpec::one(1, Access::NOT_KEY)];
const SHARD_CHANNELS: &[KeySpec] = &[KeySpec::every(1, 1, Access::NOT_KEY)];

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("PSUBSCRIBE", -2, LISTEN, NO_KEYS, psubscribe as DataFn),
    data("PUBLISH", 3, TELL, NO_KEYS, publish),
    container("PUBSUB", PUBSUB_ROWS),
    data("PUNSUBSCRIBE", -1, LISTEN, NO_KEYS, punsubscribe),
    data("SPUBLISH", 3, TELL, SHARD_CHANNEL, spublish),
    data("SSUBSCRIBE", -2, LISTEN, SHARD_CHANNELS, ssubscribe),
    data("SUBSCRIBE", -2, LISTEN, NO_KEYS, subscribe),
    data("SUNSUBSCRIBE", -1, LISTEN, SHARD_CHANNELS, sunsubscribe),
    data("UNSUBSCRIBE", -1, LISTEN, NO_KEYS, unsubscribe),
];

const PUBSUB_ROWS: &[Spec<DataFn>] = &[
    data("CHANNELS", -2, ASK, NO_KEYS, channels as DataFn),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, help),
    data("NUMPAT", 2, ASK, NO_KEYS, numpat),
    data("NUMSUB", -2, ASK, NO_KEYS, numsub),
    data("SHARDCHANNELS", -2, ASK, NO_KEYS, shardchannels),
    data("SHARDNUMSUB", -2, ASK, NO_KEYS, shardnumsub),
];

fn publish(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let receivers = ctx.publish(Kind::Channel, &args[1], &args[2]);
    ctx.reply.len(receivers);
    Ok(())
}

fn spublish(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let receivers = ctx.publish(Kind::Shard, &args[1], &args[2]);
    ctx.reply.len(receivers);
    Ok(())
}

fn subscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    listen(ctx, args, Kind::Channel, b"subscribe")
}

fn psubscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    listen(ctx, args, Kind::Pattern, b"psubscribe")
}

fn ssubscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    listen(ctx, args, Kind::Shard, b"ssubscribe")
}

fn listen(ctx: &mut Ctx<'_>, args: Args<'_>, kind: Kind, word: &[u8]) -> Result<(), ReplyError> {
    for name in args.from(1).iter() {
        let count = ctx.subscribe(kind, name);
        ctx.confirm(word);
        ctx.reply.bulk(name);
        ctx.reply.len(count);
    }
    Ok(())
}

fn unsubscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    leave(ctx, args, Kind::Channel, b"unsubscribe")
}

fn punsubscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    leave(ctx, args, Kind::Pattern, b"punsubscribe")
}

fn sunsubscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    leave(ctx, args, Kind::Shard, b"sunsubscribe")
}

fn leave(ctx: &mut Ctx<'_>, args: Args<'_>, kind: Kind, word: &[u8]) -> Result<(), ReplyError> {
    if args.len() > 1 {
        for name in args.from(1).iter() {
            left(ctx, kind, word, name);
        }
        return Ok(());
    }
    let names = ctx.subscribed(kind);
    if names.is_empty() {
        ctx.confirm(word);
        ctx.reply.null();
        let count = ctx.subscription_count(kind);
        ctx.reply.len(count);
    }
    for name in names {
        left(ctx, kind, word, &name);
    }
    Ok(())
}

fn left(ctx: &mut Ctx<'_>, kind: Kind, word: &[u8], name: &[u8]) {
    let count = ctx.unsubscribe(kind, name);
    ctx.confirm(word);
    ctx.reply.bulk(name);
    ctx.reply.len(count);
}

fn channels(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    list_channels(ctx, args, Kind::Channel)
}

fn shardchannels(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    list_channels(ctx, args, Kind::Shard)
}

fn list_channels(ctx: &mut Ctx<'_>, args: Args<'_>, kind: Kind) -> Result<(), ReplyError> {
    if args.len() > 3 {
        return Err(super::unknown_form("PUBSUB", &args[1]));
    }
    let pattern = args.get(2);
    let begin = ctx.reply.begin();
    let mut count = 0;
    for (name, _) in ctx.core.pubsub.active(kind) {
        if pattern.is_none_or(|pattern| glob::matches(pattern, name, false)) {
            ctx.reply.bulk(name);
            count += 1;
        }
    }
    ctx.reply.end_array(begin, count);
    Ok(())
}

fn numsub(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    count_listeners(ctx, args, Kind::Channel)
}

fn shardnumsub(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    count_listeners(ctx, args, Kind::Shard)
}

fn count_listeners(ctx: &mut Ctx<'_>, args: Args<'_>, kind: Kind) -> Result<(), ReplyError> {
    // A flat array in both protocols, as the reference sends it.
    ctx.reply.array(2 * (args.len() - 2));
    for name in args.from(2).iter() {
        ctx.reply.bulk(name);
        let listeners = ctx.core.pubsub.listeners(kind, name);
        ctx.reply.len(listeners);
    }
    Ok(())
}

fn numpat(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    let patterns = ctx.core.pubsub.names(Kind::Pattern);
    ctx.reply.len(patterns);
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    super::help::reply(
        &mut ctx.reply,
        "PUBSUB",
        &[
            ("CHANNELS [<pattern>]", "Names the channels that have listeners and match the pattern (default: '*')."),
            ("NUMPAT", "Tells how many patterns are subscribed to."),
            ("NUMSUB [<channel> ...]", "Tells how many clients listen to each of the channels, patterns left out."),
            ("SHARDCHANNELS [<pattern>]", "Names the shard channels that have listeners and match the pattern."),
            ("SHARDNUMSUB [<shardchannel> ...]", "Tells how many clients listen to each of the shard channels."),
        ],
    );
    Ok(())
}

/// Whether a RESP2 session in subscribed state may run a command of this name.
pub(crate) fn allowed_while_subscribed(name: &str, protocol: Protocol) -> bool {
    protocol == Protocol::Resp3
        || matches!(
            name,
            "ping"
                | "quit"
                | "reset"
                | "subscribe"
                | "unsubscribe"
                | "psubscribe"
                | "punsubscribe"
                | "ssubscribe"
                | "sunsubscribe"
        )
}
