//! Sorted sets: members taken from one end, and waiting for one where there is none.

use super::Shape;
use super::pop::{End, MultiPop, take};
use crate::command::Ctx;
use crate::command::words::timeout;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::Kind;

pub(super) fn bzpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    pop(ctx, args, End::Max)
}

pub(super) fn bzpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    pop(ctx, args, End::Min)
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), ReplyError> {
    let last = args.len() - 1;
    let keys = args.from(1).first(last - 1);
    let deadline = timeout(&args[last], ctx.now)?;
    for key in keys.iter() {
        let head = |reply: &mut Reply<'_>, _| {
            reply.array(3);
            reply.bulk(key);
        };
        if take(ctx, key, end, 1, head, Shape::Flat)?.is_some() {
            ctx.rewrite(&[end.command(), key]);
            return Ok(());
        }
    }
    if !ctx.block(Kind::SortedSet, keys.iter(), deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = MultiPop::parse(args, 2)?;
    let deadline = timeout(&args[1], ctx.now)?;
    if !request.pop_first(ctx)? && !ctx.block(Kind::SortedSet, request.keys.iter(), deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}
