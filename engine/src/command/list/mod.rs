//! Lists: adding, reading and changing elements.
//!
//! Taking elements is in [`pop`], moving them from list to list in [`moves`], waiting for them in [`block`].

mod block;
mod moves;
mod pop;

use std::ops::Range;

use super::keys::{Access, INSERT_ONE, INSPECT_ONE, KeySpec, READ_ONE};
use super::set::{reply_member, reply_members};
use super::spec::{BLOCKING, DENY_OOM, FAST, READ, Spec, WRITE, data};
use super::words::integer;
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::value::Typed;
use crate::value::list::{End, List, ListView, Side};
use block::{blmove, blmpop, blpop, brpop, brpoplpush};
use moves::{lmove, rpoplpush};
use pop::{lmpop, lpop, rpop};

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("BLMOVE", 6, WRITE.and(DENY_OOM).and(BLOCKING), MOVE_KEYS, blmove as DataFn),
    data("BLMPOP", -5, WRITE.and(BLOCKING), TAKE_COUNTED_LATER, blmpop),
    data("BLPOP", -3, WRITE.and(BLOCKING), TAKE_SEVERAL, blpop),
    data("BRPOP", -3, WRITE.and(BLOCKING), TAKE_SEVERAL, brpop),
    data("BRPOPLPUSH", 4, WRITE.and(DENY_OOM).and(BLOCKING), MOVE_KEYS, brpoplpush),
    data("LINDEX", 3, READ, READ_ONE, lindex),
    data("LINSERT", 5, WRITE.and(DENY_OOM), INSERT_ONE, linsert),
    data("LLEN", 2, READ.and(FAST), INSPECT_ONE, llen),
    data("LMOVE", 5, WRITE.and(DENY_OOM), MOVE_KEYS, lmove),
    data("LMPOP", -4, WRITE, TAKE_COUNTED, lmpop),
    data("LPOP", -2, WRITE.and(FAST), TAKE_ONE, lpop),
    data("LPOS", -3, READ, READ_ONE, lpos),
    data("LPUSH", -3, WRITE.and(DENY_OOM).and(FAST), INSERT_ONE, lpush),
    data("LPUSHX", -3, WRITE.and(DENY_OOM).and(FAST), INSERT_ONE, lpushx),
    data("LRANGE", 4, READ, READ_ONE, lrange),
    data("LREM", 4, WRITE, DELETE_ONE, lrem),
    data("LSET", 4, WRITE.and(DENY_OOM), SET_ONE, lset),
    data("LTRIM", 4, WRITE, DELETE_ONE, ltrim),
    data("RPOP", -2, WRITE.and(FAST), TAKE_ONE, rpop),
    data("RPOPLPUSH", 3, WRITE.and(DENY_OOM), MOVE_KEYS, rpoplpush),
    data("RPUSH", -3, WRITE.and(DENY_OOM).and(FAST), INSERT_ONE, rpush),
    data("RPUSHX", -3, WRITE.and(DENY_OOM).and(FAST), INSERT_ONE, rpushx),
];

const TAKEN: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);
const TAKE_ONE: &[KeySpec] = &[KeySpec::one(1, TAKEN)];
const TAKE_COUNTED: &[KeySpec] = &[KeySpec::counted(1, TAKEN)];
const TAKE_COUNTED_LATER: &[KeySpec] = &[KeySpec::counted(2, TAKEN)];
const TAKE_SEVERAL: &[KeySpec] = &[KeySpec::but_last(1, TAKEN)];
const DELETE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::DELETE))];
const SET_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::UPDATE))];
const MOVE_KEYS: &[KeySpec] = &[KeySpec::one(1, TAKEN), KeySpec::one(2, Access::RW.and(Access::INSERT))];

fn lpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    push(ctx, args, End::Front)
}

fn rpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    push(ctx, args, End::Back)
}

fn push(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), ReplyError> {
    let (key, elements) = (&args[1], args.from(2));
    ctx.edit_or_create(key, |list: &mut List, reply, rules| {
        list.push(end, elements.iter(), rules.into());
        reply.len(list.len());
    })?;
    ctx.tell_edit(key, KeyspaceEvents::LIST, push_event(end), elements.len(), false);
    Ok(())
}

fn lpushx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    push_if_there(ctx, args, End::Front)
}

fn rpushx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    push_if_there(ctx, args, End::Back)
}

fn push_if_there(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), ReplyError> {
    let (key, elements) = (&args[1], args.from(2));
    let edited = ctx.edit_typed(key, |list: &mut List, reply, rules| {
        list.push(end, elements.iter(), rules.into());
        reply.len(list.len());
    })?;
    match edited {
        None => ctx.reply.int(0),
        Some(_) => ctx.tell_edit(key, KeyspaceEvents::LIST, push_event(end), elements.len(), false),
    }
    Ok(())
}

/// The event of elements that are added at an end.
pub(super) fn push_event(end: End) -> &'static str {
    match end {
        End::Back => "rpush",
        End::Front => "lpush",
    }
}

fn linsert(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, pivot, element) = (&args[1], &args[3], &args[4]);
    let side = match (args.is(2, "AFTER"), args.is(2, "BEFORE")) {
        (true, _) => Side::After,
        (_, true) => Side::Before,
        _ => return Err(ReplyError::Syntax),
    };
    let edited = ctx.edit_typed(key, |list: &mut List, reply, rules| {
        let inserted = list.insert(side, pivot, element, rules.into());
        if inserted {
            reply.len(list.len())
        } else {
            reply.int(-1)
        }
        inserted
    })?;
    match edited {
        None => ctx.reply.int(0),
        Some(edited) if edited.result => ctx.tell_edit(key, KeyspaceEvents::LIST, "linsert", 1, false),
        Some(_) => {}
    }
    Ok(())
}

fn llen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<List, _>(&args[1], |list, reply| reply.len(list.map_or(0, ListView::len)))
}

fn lindex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<List, _>(&args[1], |list, reply| {
        let Some(list) = list else {
            reply.null();
            return Ok(());
        };
        // The index is looked at only when there is a list.
        match place(integer(&args[2])?, list.len()).and_then(|index| list.get(index)) {
            None => reply.null(),
            Some(element) => reply_member(reply, element),
        }
        Ok(())
    })?
}

fn lset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let edited = ctx.edit_typed(key, |list: &mut List, _, rules| {
        // One behind the last for an index that is none: the list may still change its form, as in Redis.
        let index = place(integer(&args[2])?, list.len()).unwrap_or(list.len());
        Ok(list.set(index, &args[3], rules.into()))
    })?;
    if !edited.ok_or(ReplyError::NoSuchKey)?.result? {
        return Err(ReplyError::IndexOutOfRange);
    }
    ctx.reply.ok();
    ctx.tell_edit(key, KeyspaceEvents::LIST, "lset", 1, false);
    Ok(())
}

fn lrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    ctx.view_typed::<List, _>(&args[1], |list, reply| {
        let indices = list.map_or(0..0, |list| range(start, end, list.len()));
        reply.array(indices.len());
        if let Some(list) = list {
            reply_members(reply, list.range(indices));
        }
    })
}

fn ltrim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    let edited = ctx.edit_typed(key, |list: &mut List, _, rules| {
        let len = list.len();
        list.trim(range(start, end, len), rules.into());
        len - list.len()
    })?;
    ctx.reply.ok();
    match edited {
        // The event is published even if all elements stay. Watchers hear nothing then, as in Valkey 9; they do in
        // Redis 7.0.
        Some(edited) if edited.result == 0 => ctx.notify(KeyspaceEvents::LIST, "ltrim", key),
        Some(edited) => ctx.tell_edit(key, KeyspaceEvents::LIST, "ltrim", edited.result, edited.emptied),
        None => {}
    }
    Ok(())
}

fn lrem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, count) = (&args[1], ranged(&args[2])?);
    let from = if count < 0 { End::Back } else { End::Front };
    let max = if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    let edited = ctx.edit_typed(key, |list: &mut List, _, rules| list.remove(&args[3], max, from, rules.into()))?;
    ctx.reply.len(edited.map_or(0, |edited| edited.result));
    if let Some(edited) = edited.filter(|edited| edited.result > 0) {
        ctx.tell_edit(key, KeyspaceEvents::LIST, "lrem", edited.result, edited.emptied);
    }
    Ok(())
}

/// What LPOS looks for.
#[derive(Debug, Clone, Copy)]
struct Search {
    /// The first match that counts, from 1 on; below 0 for the end.
    rank: i64,
    /// Matches to tell; nothing for one that is not in an array, 0 for all.
    count: Option<usize>,
    /// Elements to compare; 0 for all.
    len_max: usize,
}

fn lpos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let search = Search::read(args)?;
    ctx.view_typed::<List, _>(&args[1], |list, reply| {
        let begin = reply.begin();
        let mut found = 0;
        if let Some(list) = list {
            found = search.run(list, &args[2], |index| reply.len(index));
        }
        match search.count {
            Some(_) => reply.end_array(begin, found),
            None if found == 0 => reply.null(),
            None => {}
        }
    })
}

impl Search {
    fn read(args: Args<'_>) -> Result<Self, ReplyError> {
        let mut search = Self { rank: 1, count: None, len_max: 0 };
        for at in (3..args.len()).step_by(2) {
            let value = args.get(at + 1).ok_or(ReplyError::Syntax)?;
            let number = |error| {
                let number = integer(value).ok().and_then(|number| usize::try_from(number).ok());
                number.ok_or(ReplyError::Fixed(error))
            };
            if args.is(at, "RANK") {
                search.rank = ranged(value)?;
                if search.rank == 0 {
                    return Err(ReplyError::Fixed(RANK_IS_ZERO));
                }
            } else if args.is(at, "COUNT") {
                search.count = Some(number("ERR COUNT can't be negative")?);
            } else if args.is(at, "MAXLEN") {
                search.len_max = number("ERR MAXLEN can't be negative")?;
            } else {
                return Err(ReplyError::Syntax);
            }
        }
        Ok(search)
    }

    /// Tells the indices of the matches to `tell`. Returns how many there were.
    fn run(self, list: ListView<'_>, needle: &[u8], mut tell: impl FnMut(usize)) -> usize {
        let len_max = if self.len_max == 0 { list.len() } else { self.len_max.min(list.len()) };
        let skip = usize::try_from(self.rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
        let count = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let elements = list.iter();
        let mut found = 0;
        if self.rank > 0 {
            let matches = elements.take(len_max).enumerate().filter(|(_, element)| element.is(needle));
            matches.skip(skip).take(count).for_each(|(index, _)| {
                tell(index);
                found += 1;
            });
        } else {
            let last = list.len() - 1;
            let matches = elements.rev().take(len_max).enumerate().filter(|(_, element)| element.is(needle));
            matches.skip(skip).take(count).for_each(|(index, _)| {
                tell(last - index);
                found += 1;
            });
        }
        found
    }
}

/// The index that a number means, which counts from the end when it is below zero.
fn place(index: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    usize::try_from(if index < 0 { index + len } else { index }).ok()
}

/// The indices from one to another, both included, as far as there are such.
fn range(start: i64, end: i64, len: usize) -> Range<usize> {
    let start = place(start, len).unwrap_or(0);
    let end = place(end, len).map_or(0, |end| end.saturating_add(1)).min(len);
    if start < end { start..end } else { 0..0 }
}

/// An integer whose absolute value is one, too.
fn ranged(word: &[u8]) -> Result<i64, ReplyError> {
    let number = integer(word)?;
    if number == i64::MIN {
        return Err(ReplyError::Fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    Ok(number)
}

const RANK_IS_ZERO: &str = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
     negative to start from the end of the list";
