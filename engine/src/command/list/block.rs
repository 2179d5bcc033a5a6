//! Lists: taking and moving elements, and waiting for one where there is none.

use super::moves::Way;
use super::pop::{ManyPop, named_end, pop_first};
use crate::command::Ctx;
use crate::command::words::timeout;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::value::Kind;
use crate::value::list::End;

pub(super) fn blpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    pop(ctx, args, End::Front)
}

pub(super) fn brpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    pop(ctx, args, End::Back)
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), ReplyError> {
    let last = args.len() - 1;
    let keys = args.from(1).first(last - 1);
    pop_or_wait(ctx, keys, end, None, &args[last])
}

pub(super) fn blmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = ManyPop::read(args, 2)?;
    pop_or_wait(ctx, request.keys, request.end, Some(request.count), &args[1])
}

fn pop_or_wait(
    ctx: &mut Ctx<'_>,
    keys: Args<'_>,
    end: End,
    count: Option<usize>,
    seconds: &[u8],
) -> Result<(), ReplyError> {
    let deadline = timeout(seconds, ctx.now)?;
    if !pop_first(ctx, keys, end, count)? && !ctx.block(Kind::List, keys.iter(), deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}

pub(super) fn blmove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let way = Way { source: &args[1], target: &args[2], from: named_end(args, 3)?, to: named_end(args, 4)? };
    if go_or_wait(ctx, way, &args[5])? {
        ctx.rewrite(&[b"LMOVE", way.source, way.target, &args[3], &args[4]]);
    }
    Ok(())
}

pub(super) fn brpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let way = Way::back_to_front(args);
    if go_or_wait(ctx, way, &args[3])? {
        ctx.rewrite(&[b"RPOPLPUSH", way.source, way.target]);
    }
    Ok(())
}

/// Moves an element, or waits for one. Returns whether one was moved.
fn go_or_wait(ctx: &mut Ctx<'_>, way: Way<'_>, seconds: &[u8]) -> Result<bool, ReplyError> {
    let deadline = timeout(seconds, ctx.now)?;
    let moved = way.go(ctx)?;
    if !moved && !ctx.block(Kind::List, std::iter::once(way.source), deadline) {
        ctx.reply.null();
    }
    Ok(moved)
}
