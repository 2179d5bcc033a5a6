//! Sets: what several have in common, together, or apart, as a reply, a count or a new set.

use std::ops::ControlFlow;

use super::{reply_member, reply_set};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::core::Core;
use crate::error::ReplyError;
use crate::keyspace::DbIndex;
use crate::resp::args::Args;
use crate::value::Typed;
use crate::value::set::algebra::{intersect, subtract, unite};
use crate::value::set::{Set, SetView};

pub(super) fn sinter(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let keys = args.from(1);
    let found = look_up(ctx, keys)?;
    if !found.iter().all(|&found| found) {
        ctx.reply.set(0);
        return Ok(());
    }
    let begin = ctx.reply.begin();
    let mut count = 0;
    let (core, reply) = (&*ctx.core, &mut ctx.reply);
    intersect(&held(core, ctx.session.db, keys, &found), |member| {
        reply_member(reply, member);
        count += 1;
        ControlFlow::Continue(())
    });
    ctx.reply.end_set(begin, count);
    Ok(())
}

pub(super) fn sintercard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let count = integer(&args[1]).ok().and_then(|count| usize::try_from(count).ok()).filter(|&count| count > 0);
    let count = count.ok_or(ReplyError::Fixed("ERR numkeys should be greater than 0"))?;
    if count > args.len() - 2 {
        return Err(ReplyError::Fixed("ERR Number of keys can't be greater than number of args"));
    }
    let keys = args.from(2).first(count);
    let limit = card_limit(args, 2 + count)?;
    let (found, mut len) = (look_up(ctx, keys)?, 0);
    if found.iter().all(|&found| found) {
        intersect(&held(ctx.core, ctx.session.db, keys, &found), |_| {
            len += 1;
            if len == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    ctx.reply.len(len);
    Ok(())
}

/// The number at which SINTERCARD stops counting; 0 for none.
fn card_limit(args: Args<'_>, first: usize) -> Result<usize, ReplyError> {
    let mut limit = 0;
    for index in (first..args.len()).step_by(2) {
        let value = args.get(index + 1).filter(|_| args.is(index, "LIMIT")).ok_or(ReplyError::Syntax)?;
        let error = ReplyError::Fixed("ERR LIMIT can't be negative");
        limit = integer(value).ok().and_then(|limit| usize::try_from(limit).ok()).ok_or(error)?;
    }
    Ok(limit)
}

pub(super) fn sunion(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let keys = args.from(1);
    let found = look_up(ctx, keys)?;
    let sets = held(ctx.core, ctx.session.db, keys, &found);
    match sets[..] {
        [] => ctx.reply.set(0),
        [set] => reply_set(&mut ctx.reply, Some(set)),
        _ => {
            let all = unite(Set::default(), &sets, ctx.core.rules());
            reply_set(&mut ctx.reply, Some(all.view()));
        }
    }
    Ok(())
}

pub(super) fn sdiff(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let found = look_up(ctx, args.from(1))?;
    let rest = difference(ctx, args.from(1), &found);
    reply_set(&mut ctx.reply, Some(rest.view()));
    Ok(())
}

pub(super) fn sinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let keys = args.from(2);
    let (found, mut common) = (look_up(ctx, keys)?, Set::default());
    if found.iter().all(|&found| found) {
        let rules = ctx.core.rules();
        intersect(&held(ctx.core, ctx.session.db, keys, &found), |member| {
            common.insert(member.text(&mut itoa::Buffer::new()), rules);
            ControlFlow::Continue(())
        });
    }
    store(ctx, &args[1], common, "sinterstore");
    Ok(())
}

pub(super) fn sunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let found = look_up(ctx, args.from(2))?;
    let sets = held(ctx.core, ctx.session.db, args.from(2), &found);
    let all = unite(Set::default(), &sets, ctx.core.rules());
    store(ctx, &args[1], all, "sunionstore");
    Ok(())
}

pub(super) fn sdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let found = look_up(ctx, args.from(2))?;
    let rest = difference(ctx, args.from(2), &found);
    store(ctx, &args[1], rest, "sdiffstore");
    Ok(())
}

fn difference(ctx: &Ctx<'_>, keys: Args<'_>, found: &[bool]) -> Set {
    let sets = held(ctx.core, ctx.session.db, keys, found);
    match sets.split_first() {
        Some((first, others)) if found[0] => subtract(*first, others, ctx.core.rules()),
        _ => Set::default(),
    }
}

/// Puts the result in the place of whatever the target has; an empty one only removes that.
fn store(ctx: &mut Ctx<'_>, target: &[u8], set: Set, event: &str) {
    let len = set.len();
    if ctx.store_typed(target, set) {
        ctx.notify(KeyspaceEvents::GENERIC, "del", target);
    } else if len > 0 {
        ctx.notify(KeyspaceEvents::SET, event, target);
    }
    ctx.reply.len(len);
}

/// Looks each key up as a command does: expiry, statistics, access time; the wrong type is an error. Tells of each
/// whether it is there for this client.
fn look_up(ctx: &mut Ctx<'_>, keys: Args<'_>) -> Result<Vec<bool>, ReplyError> {
    keys.iter().map(|key| ctx.view_typed::<Set, _>(key, |set, _| set.is_some())).collect()
}

/// The sets of the keys that were found.
fn held<'a>(core: &'a Core, db: DbIndex, keys: Args<'_>, found: &[bool]) -> Vec<SetView<'a>> {
    let there = keys.iter().zip(found).filter(|(_, found)| **found);
    there.filter_map(|(key, _)| core.held::<Set>(db, key)).collect()
}
