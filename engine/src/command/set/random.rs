//! Sets: random members, read or taken out.

use super::{reply_member, reply_set};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::value::set::Set;
use crate::value::{Collection, Typed};

pub(super) fn spop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    match args.len() {
        2 => spop_one(ctx, &args[1]),
        3 => spop_many(ctx, &args[1], &args[2]),
        _ => Err(ReplyError::Syntax),
    }
}

fn spop_one(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), ReplyError> {
    let mut rng = ctx.core.rng.fork();
    let edited = ctx.edit_typed(key, |set: &mut Set, reply, _| {
        let member = set.view().random(&mut rng).map(|member| member.to_vec()).unwrap_or_default();
        set.remove(&member);
        reply.bulk(&member);
        member
    })?;
    let Some(edited) = edited else {
        ctx.reply.null();
        return Ok(());
    };
    ctx.rewrite(&[b"SREM", key, &edited.result]);
    ctx.tell_edit(key, KeyspaceEvents::SET, "spop", 1, edited.emptied);
    Ok(())
}

fn spop_many(ctx: &mut Ctx<'_>, key: &[u8], count: &[u8]) -> Result<(), ReplyError> {
    let error = ReplyError::Fixed("ERR value is out of range, must be positive");
    let count = integer(count).ok().and_then(|count| usize::try_from(count).ok()).ok_or(error)?;
    let len = ctx.edit_typed(key, |set: &mut Set, _, _| set.len())?.map_or(0, |edited| edited.result);
    if len == 0 || count == 0 {
        ctx.reply.set(0);
        return Ok(());
    }
    if count >= len {
        return spop_all(ctx, key);
    }
    let mut rng = ctx.core.rng.fork();
    let edited = ctx.edit_typed(key, |set: &mut Set, reply, rules| {
        let popped = set.pop(&mut rng, count, rules);
        reply.set(popped.len());
        popped.iter().for_each(|member| reply.bulk(member));
        popped
    })?;
    let popped = edited.map(|edited| edited.result).unwrap_or_default();
    for batch in popped.chunks(REPEATED_MEMBERS_MAX) {
        let words: Vec<&[u8]> = [&b"SREM"[..], key].into_iter().chain(batch.iter().map(Vec::as_slice)).collect();
        ctx.rewrite(&words);
    }
    ctx.tell_edit(key, KeyspaceEvents::SET, "spop", popped.len(), false);
    Ok(())
}

/// The whole set goes: its key is deleted, and nothing is picked.
fn spop_all(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), ReplyError> {
    let len = ctx.view_typed::<Set, _>(key, |set, reply| {
        reply_set(reply, set);
        set.map_or(0, |set| set.len())
    })?;
    ctx.discard(key);
    let verb: &[u8] = if ctx.core.config.lazyfree_lazy_server_del { b"UNLINK" } else { b"DEL" };
    ctx.rewrite(&[verb, key]);
    ctx.tell_edit(key, KeyspaceEvents::SET, "spop", len, true);
    Ok(())
}

pub(super) fn srandmember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    match args.len() {
        2 => srandmember_one(ctx, &args[1]),
        3 => srandmember_many(ctx, &args[1], integer(&args[2])?),
        _ => Err(ReplyError::Syntax),
    }
}

fn srandmember_one(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), ReplyError> {
    let mut rng = ctx.core.rng.fork();
    ctx.view_typed::<Set, _>(key, |set, reply| match set.and_then(|set| set.random(&mut rng)) {
        None => reply.null(),
        Some(member) => reply_member(reply, member),
    })
}

fn srandmember_many(ctx: &mut Ctx<'_>, key: &[u8], count: i64) -> Result<(), ReplyError> {
    if count == i64::MIN || count < -REPEATS_MAX {
        return Err(OUT_OF_RANGE);
    }
    let mut rng = ctx.core.rng.fork();
    ctx.view_typed::<Set, _>(key, |set, reply| {
        let Some(set) = set else {
            reply.array(0);
            return;
        };
        if count >= 0 {
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(set.len());
            reply.array(count);
            set.sample(&mut rng, count, |member| reply_member(reply, member));
            return;
        }
        let repeats = count.unsigned_abs();
        reply.array(repeats as usize);
        for _ in 0..repeats {
            if let Some(member) = set.random(&mut rng) {
                reply_member(reply, member);
            }
        }
    })
}

const OUT_OF_RANGE: ReplyError =
    ReplyError::Fixed("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");

/// Members one repeated SREM carries, as in Redis from 7.2 on.
const REPEATED_MEMBERS_MAX: usize = 1024;

/// Repetitions one reply has at most: the reply of a set of short members is then 500 MB.
///
/// Redis would go on until memory or the client's patience ends.
const REPEATS_MAX: i64 = 1 << 26;
