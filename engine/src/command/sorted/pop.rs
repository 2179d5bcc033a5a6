//! Sorted sets: members taken from one end.

use super::Shape;
use super::range::{Removed, take_out, tell_removal};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::{Protocol, Reply};
use crate::value::Typed;
use crate::value::sorted::SortedSet;

/// The end of a sorted set that members are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Max,
    Min,
}

impl End {
    fn parse(args: Args<'_>, index: usize) -> Option<Self> {
        [("MIN", Self::Min), ("MAX", Self::Max)].into_iter().find(|(word, _)| args.is(index, word)).map(|(_, end)| end)
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Max => "zpopmax",
            Self::Min => "zpopmin",
        }
    }

    pub(super) const fn command(self) -> &'static [u8] {
        match self {
            Self::Max => b"ZPOPMAX",
            Self::Min => b"ZPOPMIN",
        }
    }
}

pub(super) fn zpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    pop(ctx, args, End::Max)
}

pub(super) fn zpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    pop(ctx, args, End::Min)
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), ReplyError> {
    let count = match args.len() {
        2 => None,
        3 => Some(count(&args[2]).ok_or(ReplyError::Fixed("ERR value is out of range, must be positive"))?),
        _ => return Err(ReplyError::Syntax),
    };
    // Only with a count are there pairs, even if it is 1.
    let shape = match (count, ctx.reply.protocol()) {
        (Some(_), Protocol::Resp3) => Shape::Nested,
        _ => Shape::Flat,
    };
    let popped = take(ctx, &args[1], end, count.unwrap_or(1), |reply, len| reply.array(shape.words(len)), shape)?;
    if popped.is_none() {
        ctx.reply.array(0);
    }
    Ok(())
}

pub(super) fn zmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if !MultiPop::parse(args, 1)?.pop_first(ctx)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// What ZMPOP and its blocking form ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct MultiPop<'a> {
    pub(super) keys: Args<'a>,
    end: End,
    count: usize,
}

impl<'a> MultiPop<'a> {
    /// The request whose number of keys is at word `first`.
    pub(super) fn parse(args: Args<'a>, first: usize) -> Result<Self, ReplyError> {
        let error = ReplyError::Fixed("ERR numkeys should be greater than 0");
        let keys = count(&args[first]).filter(|&keys| keys > 0).ok_or(error)?;
        let end_at = keys.saturating_add(first + 1);
        let end = End::parse(args, end_at).ok_or(ReplyError::Syntax)?;
        let mut request = Self { keys: args.from(first + 1).first(keys), end, count: 1 };
        match args.len() - end_at {
            1 => {}
            3 if args.is(end_at + 1, "COUNT") => {
                let error = ReplyError::Fixed("ERR count should be greater than 0");
                request.count = count(&args[end_at + 2]).filter(|&count| count > 0).ok_or(error)?;
            }
            // The number behind the first COUNT is looked at before what follows.
            len if len > 3 && args.is(end_at + 1, "COUNT") => {
                let error = ReplyError::Fixed("ERR count should be greater than 0");
                count(&args[end_at + 2]).filter(|&count| count > 0).ok_or(error)?;
                return Err(ReplyError::Syntax);
            }
            _ => return Err(ReplyError::Syntax),
        }
        Ok(request)
    }

    /// Takes members of the first key that has any. Returns whether there is one.
    pub(super) fn pop_first(&self, ctx: &mut Ctx<'_>) -> Result<bool, ReplyError> {
        for key in self.keys.iter() {
            if self.pop(ctx, key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes members of one key, with the reply and the command to repeat. Returns whether there were any.
    fn pop(&self, ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, ReplyError> {
        let head = |reply: &mut Reply<'_>, len: usize| {
            reply.array(2);
            reply.bulk(key);
            reply.array(len);
        };
        let Some(popped) = take(ctx, key, self.end, self.count, head, Shape::Nested)? else { return Ok(false) };
        ctx.rewrite(&[self.end.command(), key, itoa::Buffer::new().format(popped.len).as_bytes()]);
        Ok(true)
    }
}

/// Takes up to `count` members from one end and replies with them behind a head; nothing when there is no such key.
pub(super) fn take(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    end: End,
    count: usize,
    head: impl FnOnce(&mut Reply<'_>, usize),
    shape: Shape,
) -> Result<Option<Removed>, ReplyError> {
    let edited = ctx.edit_typed(key, |set: &mut SortedSet, reply, _| {
        let len = count.min(set.len());
        let ranks = match end {
            End::Max => set.len() - len..set.len(),
            End::Min => 0..len,
        };
        head(reply, len);
        let members = set.view().range(ranks.clone());
        match end {
            End::Max => members.rev().for_each(|(member, score)| shape.reply(reply, member, score)),
            End::Min => members.for_each(|(member, score)| shape.reply(reply, member, score)),
        }
        take_out(set, ranks)
    })?;
    let Some(edited) = edited else { return Ok(None) };
    if edited.result.len > 0 {
        tell_removal(ctx, key, end.event(), edited.result);
    }
    Ok(Some(edited.result))
}

fn count(word: &[u8]) -> Option<usize> {
    usize::try_from(integer(word).ok()?).ok()
}
