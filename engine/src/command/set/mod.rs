//! Sets: members one by one.
//!
//! Random members are in [`random`], several sets at once in [`algebra`].

mod algebra;
mod random;

use super::keys::{Access, INSERT_ONE, INSPECT_ONE, KeySpec, READ_ONE};
use super::scan::scan_within;
use super::spec::{DENY_OOM, FAST, READ, Spec, WRITE, data};
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::listpack::Element;
use crate::value::set::{Set, SetView};
use crate::value::{Collection, Typed};
use algebra::{sdiff, sdiffstore, sinter, sintercard, sinterstore, sunion, sunionstore};
use random::{spop, srandmember};

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("SADD", -3, WRITE.and(DENY_OOM).and(FAST), INSERT_ONE, sadd as DataFn),
    data("SCARD", 2, READ.and(FAST), INSPECT_ONE, scard),
    data("SDIFF", -2, READ, READ_EVERY, sdiff as DataFn).tips(ANY_ORDER),
    data("SDIFFSTORE", -3, WRITE.and(DENY_OOM), STORE, sdiffstore),
    data("SINTER", -2, READ, READ_EVERY, sinter as DataFn).tips(ANY_ORDER),
    data("SINTERCARD", -3, READ, READ_COUNTED, sintercard),
    data("SINTERSTORE", -3, WRITE.and(DENY_OOM), STORE, sinterstore),
    data("SISMEMBER", 3, READ.and(FAST), INSPECT_ONE, sismember),
    data("SMEMBERS", 2, READ, READ_ONE, smembers as DataFn).tips(ANY_ORDER),
    data("SMISMEMBER", -3, READ.and(FAST), READ_ONE, smismember),
    data("SMOVE", 4, WRITE.and(FAST), MOVE_KEYS, smove),
    data("SPOP", -2, WRITE.and(FAST), TAKE_ONE, spop as DataFn).tips(RANDOM),
    data("SRANDMEMBER", -2, READ, READ_ONE, srandmember as DataFn).tips(RANDOM),
    data("SREM", -3, WRITE.and(FAST), DELETE_ONE, srem),
    data("SSCAN", -3, READ, READ_ONE, sscan as DataFn).tips(RANDOM),
    data("SUNION", -2, READ, READ_EVERY, sunion as DataFn).tips(ANY_ORDER),
    data("SUNIONSTORE", -3, WRITE.and(DENY_OOM), STORE, sunionstore),
];

const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const RANDOM: &[&str] = &["nondeterministic_output"];
const TAKEN: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);
const TAKE_ONE: &[KeySpec] = &[KeySpec::one(1, TAKEN)];
const DELETE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::DELETE))];
const MOVE_KEYS: &[KeySpec] = &[KeySpec::one(1, TAKEN), KeySpec::one(2, Access::RW.and(Access::INSERT))];
const READ_EVERY: &[KeySpec] = &[KeySpec::every(1, 1, Access::RO.and(Access::ACCESS))];
const READ_COUNTED: &[KeySpec] = &[KeySpec::counted(1, Access::RO.and(Access::ACCESS))];
const STORE: &[KeySpec] =
    &[KeySpec::one(1, Access::OW.and(Access::UPDATE)), KeySpec::every(2, 1, Access::RO.and(Access::ACCESS))];

fn sadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, members) = (&args[1], args.from(2));
    let edited = ctx.edit_or_create(key, |set: &mut Set, reply, rules| {
        set.expect(&members[0], members.len(), rules);
        let added = members.iter().filter(|member| set.insert(member, rules)).count();
        reply.len(added);
        added
    })?;
    if edited.result > 0 {
        ctx.tell_edit(key, KeyspaceEvents::SET, "sadd", edited.result, edited.emptied);
    }
    Ok(())
}

fn srem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, members) = (&args[1], args.from(2));
    let edited =
        ctx.edit_typed(key, |set: &mut Set, _, _| members.iter().filter(|member| set.remove(member)).count())?;
    let removed = edited.map_or(0, |edited| edited.result);
    ctx.reply.len(removed);
    if let Some(edited) = edited.filter(|edited| edited.result > 0) {
        ctx.tell_edit(key, KeyspaceEvents::SET, "srem", removed, edited.emptied);
    }
    Ok(())
}

fn scard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<Set, _>(&args[1], |set, reply| reply.len(set.map_or(0, |set| set.len())))
}

fn sismember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<Set, _>(&args[1], |set, reply| {
        reply.int(i64::from(set.is_some_and(|set| set.contains(&args[2]))));
    })
}

fn smismember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let members = args.from(2);
    ctx.view_typed::<Set, _>(&args[1], |set, reply| {
        reply.array(members.len());
        for member in members.iter() {
            reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
        }
    })
}

fn smembers(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<Set, _>(&args[1], |set, reply| reply_set(reply, set))
}

/// Replies with all members.
pub(super) fn reply_set(reply: &mut Reply<'_>, set: Option<SetView<'_>>) {
    reply.set(set.map_or(0, |set| set.len()));
    reply_members(reply, set.into_iter().flat_map(SetView::iter));
}

/// Replies with a member.
pub(super) fn reply_member(reply: &mut Reply<'_>, member: Element<'_>) {
    match member {
        Element::Bytes(bytes) => reply.bulk(bytes),
        Element::Int(number) => reply.bulk_int(number),
    }
}

/// Replies with members, one after the other.
pub(super) fn reply_members<'a>(reply: &mut Reply<'_>, members: impl Iterator<Item = Element<'a>>) {
    reply.bulks(|bulks| {
        members.for_each(|member| match member {
            Element::Bytes(bytes) => bulks.put(bytes),
            Element::Int(number) => bulks.put_int(number),
        });
    });
}

fn smove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (source, target, member) = (&args[1], &args[2], &args[3]);
    // Who writes is told of no key that is not there.
    let mut is_member = |key| -> Result<Option<bool>, ReplyError> {
        let edited = ctx.edit_typed(key, |set: &mut Set, _, _| set.view().contains(member))?;
        Ok(edited.map(|edited| edited.result))
    };
    // A missing source is no reason to look at the target's type.
    let Some(is_there) = is_member(source)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let is_in_target = is_member(target)? == Some(true);
    ctx.reply.int(i64::from(is_there));
    if !is_there || source == target {
        return Ok(());
    }
    if let Some(edited) = ctx.edit_typed(source, |set: &mut Set, _, _| set.remove(member))? {
        ctx.tell_edit(source, KeyspaceEvents::SET, "srem", 1, edited.emptied);
    }
    if !is_in_target {
        let edited = ctx.edit_or_create(target, |set: &mut Set, _, rules| set.insert(member, rules))?;
        ctx.tell_edit(target, KeyspaceEvents::SET, "sadd", 1, edited.emptied);
    }
    Ok(())
}

fn sscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    scan_within::<Set>(ctx, args, |set, cursor, page| match set.as_table() {
        Some(members) => members.scan(cursor, page.count(), |entry| page.push(Element::Bytes(entry.key()))),
        None => {
            set.iter().for_each(|member| page.push(member));
            0
        }
    })
}
