//! Lists: taking elements out at the ends.

use crate::command::Ctx;
use crate::command::set::{reply_member, reply_members};
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::Typed;
use crate::value::list::{End, List, ListRules};

pub(super) fn lpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    pop(ctx, args, End::Front, "lpop")
}

pub(super) fn rpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    pop(ctx, args, End::Back, "rpop")
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, name: &str) -> Result<(), ReplyError> {
    match args.len() {
        2 => pop_one(ctx, &args[1], end),
        3 => pop_many(ctx, &args[1], &args[2], end),
        _ => Err(ReplyError::arity(name)),
    }
}

fn pop_one(ctx: &mut Ctx<'_>, key: &[u8], end: End) -> Result<(), ReplyError> {
    let edited = ctx.edit_typed(key, |list: &mut List, reply, rules| {
        list.pop(end, rules.into(), |element| reply_member(reply, element));
    })?;
    match edited {
        None => ctx.reply.null(),
        Some(edited) => tell_popped(ctx, key, end, 1, edited.emptied),
    }
    Ok(())
}

fn pop_many(ctx: &mut Ctx<'_>, key: &[u8], count: &[u8], end: End) -> Result<(), ReplyError> {
    let error = ReplyError::Fixed("ERR value is out of range, must be positive");
    let count = integer(count).ok().and_then(|count| usize::try_from(count).ok()).ok_or(error)?;
    let edited =
        ctx.edit_typed(key, |list: &mut List, reply, rules| take_and_reply(list, reply, rules.into(), end, count))?;
    match edited {
        None => ctx.reply.null_array(),
        Some(edited) if edited.result > 0 => tell_popped(ctx, key, end, edited.result, edited.emptied),
        Some(_) => {}
    }
    Ok(())
}

/// LMPOP: takes elements from the first of several lists that is there.
pub(super) fn lmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = ManyPop::read(args, 1)?;
    if !pop_first(ctx, request.keys, request.end, Some(request.count))? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// What LMPOP and BLMPOP ask for.
pub(super) struct ManyPop<'a> {
    pub(super) keys: Args<'a>,
    pub(super) end: End,
    pub(super) count: usize,
}

impl<'a> ManyPop<'a> {
    /// Reads the words from the number of keys on, which is at `first`.
    pub(super) fn read(args: Args<'a>, first: usize) -> Result<Self, ReplyError> {
        let numkeys = at_least_one(&args[first], "ERR numkeys should be greater than 0")?;
        let place = numkeys.saturating_add(first + 1);
        let end = named_end(args, place)?;
        let mut count = None;
        for at in (place + 1..args.len()).step_by(2) {
            let value = args.get(at + 1).filter(|_| count.is_none() && args.is(at, "COUNT"));
            count = Some(at_least_one(value.ok_or(ReplyError::Syntax)?, "ERR count should be greater than 0")?);
        }
        Ok(Self { keys: args.from(first + 1).first(numkeys), end, count: count.unwrap_or(1) })
    }
}

fn at_least_one(word: &[u8], error: &'static str) -> Result<usize, ReplyError> {
    let number = integer(word).ok().and_then(|number| usize::try_from(number).ok());
    number.filter(|&number| number > 0).ok_or(ReplyError::Fixed(error))
}

/// The end that a word names.
///
/// # Errors
/// A syntax error when it is neither `LEFT` nor `RIGHT`, or is not there.
pub(super) fn named_end(args: Args<'_>, index: usize) -> Result<End, ReplyError> {
    match args.get(index) {
        Some(word) if word.eq_ignore_ascii_case(b"LEFT") => Ok(End::Front),
        Some(word) if word.eq_ignore_ascii_case(b"RIGHT") => Ok(End::Back),
        _ => Err(ReplyError::Syntax),
    }
}

/// Takes from the first list that is there, and replies with its key and the elements: an array of them if there is a
/// count, one otherwise. Returns whether there was a list.
pub(super) fn pop_first(ctx: &mut Ctx<'_>, keys: Args<'_>, end: End, count: Option<usize>) -> Result<bool, ReplyError> {
    for key in keys.iter() {
        let edited = ctx.edit_typed(key, |list: &mut List, reply, rules| {
            reply.array(2);
            reply.bulk(key);
            match count {
                Some(count) => take_and_reply(list, reply, rules.into(), end, count),
                None => usize::from(list.pop(end, rules.into(), |element| reply_member(reply, element)).is_some()),
            }
        })?;
        let Some(edited) = edited else { continue };
        let mut digits = itoa::Buffer::new();
        let popped = digits.format(edited.result).as_bytes();
        match count {
            Some(_) => ctx.rewrite(&[pop_verb(end), key, popped]),
            None => ctx.rewrite(&[pop_verb(end), key]),
        }
        tell_popped(ctx, key, end, edited.result, edited.emptied);
        return Ok(true);
    }
    Ok(false)
}

/// Takes elements from an end, the outermost first, and replies with an array of them. Returns how many.
fn take_and_reply(list: &mut List, reply: &mut Reply<'_>, rules: ListRules, end: End, count: usize) -> usize {
    let len = list.len();
    let count = count.min(len);
    reply.array(count);
    match end {
        End::Front => {
            reply_members(reply, list.view().range(0..count));
            list.trim(count..len, rules);
        }
        End::Back => {
            reply_members(reply, list.view().range(len - count..len).rev());
            list.trim(0..len - count, rules);
        }
    }
    count
}

/// Tells of elements that were taken from a list.
pub(super) fn tell_popped(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize, emptied: bool) {
    let event = match end {
        End::Back => "rpop",
        End::Front => "lpop",
    };
    ctx.tell_edit(key, KeyspaceEvents::LIST, event, count, emptied);
}

const fn pop_verb(end: End) -> &'static [u8] {
    match end {
        End::Back => b"RPOP",
        End::Front => b"LPOP",
    }
}
