//! Lists: moving an element from one list to another, or around one.

use super::pop::{named_end, tell_popped};
use super::push_event;
use crate::command::Ctx;
use crate::command::typed::Edited;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::value::list::{End, List, ListRules};

pub(super) fn lmove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let way = Way { source: &args[1], target: &args[2], from: named_end(args, 3)?, to: named_end(args, 4)? };
    if !way.go(ctx)? {
        ctx.reply.null();
    }
    Ok(())
}

pub(super) fn rpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if !Way::back_to_front(args).go(ctx)? {
        ctx.reply.null();
    }
    Ok(())
}

/// Which element goes where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) source: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) from: End,
    pub(super) to: End,
}

impl<'a> Way<'a> {
    /// The way of RPOPLPUSH and BRPOPLPUSH.
    pub(super) fn back_to_front(args: Args<'a>) -> Self {
        Self { source: args.at(1), target: args.at(2), from: End::Back, to: End::Front }
    }

    /// Moves the element and replies with it. Returns whether there was one.
    pub(super) fn go(self, ctx: &mut Ctx<'_>) -> Result<bool, ReplyError> {
        if self.source == self.target {
            return self.turn(ctx);
        }
        // A missing source is no reason to look at the target's type.
        if ctx.edit_typed(self.source, |_: &mut List, _, _| ())?.is_none() {
            return Ok(false);
        }
        ctx.edit_typed(self.target, |_: &mut List, _, _| ())?;
        let taken = ctx.edit_typed(self.source, |list: &mut List, _, rules| {
            list.pop(self.from, rules.into(), |element| element.to_vec())
        })?;
        let Some(Edited { result: Some(element), emptied }) = taken else { return Ok(false) };
        ctx.edit_or_create(self.target, |list: &mut List, _, rules| push_one(list, self.to, &element, rules.into()))?;
        ctx.reply.bulk(&element);
        self.tell(ctx, emptied);
        Ok(true)
    }

    /// Moves an element of a list to one of its own ends: its key stays, with its expiry, even if it is the only one.
    fn turn(self, ctx: &mut Ctx<'_>) -> Result<bool, ReplyError> {
        let moved = ctx.edit_typed(self.source, |list: &mut List, reply, rules| {
            let Some(element) = list.pop(self.from, rules.into(), |element| element.to_vec()) else { return };
            push_one(list, self.to, &element, rules.into());
            reply.bulk(&element);
        })?;
        if moved.is_some() {
            self.tell(ctx, false);
        }
        Ok(moved.is_some())
    }

    fn tell(self, ctx: &mut Ctx<'_>, emptied: bool) {
        ctx.tell_edit(self.target, KeyspaceEvents::LIST, push_event(self.to), 0, false);
        tell_popped(ctx, self.source, self.from, 1, emptied);
    }
}

fn push_one(list: &mut List, end: End, element: &[u8], rules: ListRules) {
    list.push(end, std::iter::once(element), rules);
}
