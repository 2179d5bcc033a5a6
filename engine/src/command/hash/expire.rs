//! Hashes: fields that expire. Setting, asking, forgetting the time.
//!
//! Replies and the order of checks are those of Valkey 9, which has these commands from Redis 7.4. What is repeated
//! names only the fields that changed, with absolute times and without conditions: wherever it is repeated, other
//! fields may be past their expiry.

use super::{repeat_deletion, sight_to_read, sight_to_write};
use crate::command::Ctx;
use crate::command::expire::{Conditions, NO_EXPIRY, NO_KEY, Unit, remaining};
use crate::command::expiry::Clock;
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::UnixMillis;
use crate::resp::args::Args;
use crate::value::Typed;
use crate::value::hash::{Hash, Sight};

pub(super) fn hexpire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_expiry(ctx, args, "hexpire", Clock::EX)
}

pub(super) fn hpexpire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_expiry(ctx, args, "hpexpire", Clock::PX)
}

pub(super) fn hexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_expiry(ctx, args, "hexpireat", Clock::EXAT)
}

pub(super) fn hpexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_expiry(ctx, args, "hpexpireat", Clock::PXAT)
}

fn set_expiry(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str, clock: Clock) -> Result<(), ReplyError> {
    let key = &args[1];
    let found = Fields::search(args, 3).ok_or(FIELD_COUNT)?;
    let conditions = Conditions::parse(args.first(found.at).from(3))?;
    let fields = found.names()?;
    let at = clock.field_time(ctx.now, &args[2], command)?;
    let action = if ctx.is_gone_at(at) { Action::Remove } else { Action::Set(at) };
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_typed(key, |hash: &mut Hash, reply, rules| {
        let mut changed: Vec<&[u8]> = Vec::new();
        reply.array(fields.len());
        for field in fields.iter() {
            let outcome = match hash.view().find(field) {
                Some((_, old)) if !sight.sees(old) => NO_FIELD,
                Some((_, old)) if !conditions.allow(old, at) => REFUSED,
                Some(_) => {
                    changed.push(field);
                    if let Action::Set(at) = action {
                        hash.set_expiry(field, Some(at), rules);
                        SET
                    } else {
                        hash.remove(field, Sight::All);
                        REMOVED
                    }
                }
                None => NO_FIELD,
            };
            reply.int(outcome);
        }
        changed
    })?;
    match edited {
        None => reply_no_fields(ctx, fields),
        Some(edited) => tell(ctx, key, &edited.result, action, edited.emptied),
    }
    Ok(())
}

/// What became of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// They do not expire any more.
    Persist,
    /// They are gone at once.
    Remove,
    /// They expire at this time.
    Set(UnixMillis),
}

/// Tells that the expiry of these fields changed, and has it repeated.
pub(super) fn tell(ctx: &mut Ctx<'_>, key: &[u8], fields: &[&[u8]], action: Action, is_emptied: bool) {
    if fields.is_empty() {
        return;
    }
    let (mut digits, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let count = count.format(fields.len()).as_bytes();
    let (head, event): (Vec<&[u8]>, &str) = match action {
        Action::Remove => {
            repeat_deletion(ctx, key, fields);
            ctx.core.stats.expired_fields += fields.len() as u64;
            return ctx.tell_edit(key, KeyspaceEvents::HASH, "hexpired", fields.len(), is_emptied);
        }
        Action::Persist => (vec![b"HPERSIST", key, b"FIELDS", count], "hpersist"),
        Action::Set(UnixMillis(at)) => {
            (vec![b"HPEXPIREAT", key, digits.format(at).as_bytes(), b"FIELDS", count], "hexpire")
        }
    };
    let words: Vec<&[u8]> = head.into_iter().chain(fields.iter().copied()).collect();
    ctx.rewrite(&words);
    ctx.tell_edit(key, KeyspaceEvents::HASH, event, fields.len(), is_emptied);
}

pub(super) fn hpersist(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let fields = Fields::at(args, 2).ok_or(ReplyError::Syntax)?.names()?;
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_typed(key, |hash: &mut Hash, reply, rules| {
        let mut changed: Vec<&[u8]> = Vec::new();
        reply.array(fields.len());
        for field in fields.iter() {
            let outcome = match hash.view().find(field) {
                Some((_, Some(old))) if sight.sees(Some(old)) => {
                    hash.set_expiry(field, None, rules);
                    changed.push(field);
                    SET
                }
                Some((_, None)) => NO_EXPIRY,
                Some((_, Some(_))) | None => NO_FIELD,
            };
            reply.int(outcome);
        }
        changed
    })?;
    match edited {
        None => reply_no_fields(ctx, fields),
        Some(edited) => tell(ctx, key, &edited.result, Action::Persist, edited.emptied),
    }
    Ok(())
}

fn reply_no_fields(ctx: &mut Ctx<'_>, fields: Args<'_>) {
    ctx.reply.array(fields.len());
    fields.iter().for_each(|_| ctx.reply.int(NO_FIELD));
}

pub(super) fn httl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ask(ctx, args, Unit::Seconds, ctx.now.unix.millis())
}

pub(super) fn hpttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ask(ctx, args, Unit::Millis, ctx.now.unix.millis())
}

pub(super) fn hexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ask(ctx, args, Unit::Seconds, 0)
}

pub(super) fn hpexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ask(ctx, args, Unit::Millis, 0)
}

/// Replies with the expiries of fields, counted from `base`.
fn ask(ctx: &mut Ctx<'_>, args: Args<'_>, unit: Unit, base: i64) -> Result<(), ReplyError> {
    let found = Fields::at(args, 2).ok_or(ReplyError::Syntax)?;
    let (count, fields) = (found.count()?, found.words());
    // These commands have another text for the wrong number of fields.
    if usize::try_from(count) != Ok(fields.len()) {
        return Err(ReplyError::Syntax);
    }
    let sight = sight_to_read(ctx);
    ctx.view_typed::<Hash, _>(&args[1], |hash, reply| {
        reply.array(fields.len());
        for field in fields.iter() {
            reply.int(match hash.and_then(|hash| hash.find(field)) {
                Some((_, None)) => NO_EXPIRY,
                Some((_, Some(at))) if sight.sees(Some(at)) => remaining(at, unit, base),
                Some((_, Some(_))) | None => NO_FIELD,
            });
        }
    })
}

/// Where `FIELDS <count> <word>...` begins in a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    args: Args<'a>,
    /// The place of the keyword.
    pub(super) at: usize,
}

impl<'a> Fields<'a> {
    /// The first `FIELDS` from word `first` on that has a word behind it.
    pub(super) fn search(args: Args<'a>, first: usize) -> Option<Self> {
        let at = (first..args.len().saturating_sub(1)).find(|&index| args.is(index, "FIELDS"))?;
        Some(Self { args, at })
    }

    /// `FIELDS`, if it is the word at `index`.
    pub(super) fn at(args: Args<'a>, index: usize) -> Option<Self> {
        args.is(index, "FIELDS").then_some(Self { args, at: index })
    }

    /// How many fields the client says there are.
    fn count(self) -> Result<i64, ReplyError> {
        integer(&self.args[self.at + 1])
    }

    /// The words behind the count.
    fn words(self) -> Args<'a> {
        self.args.from(self.at + 2)
    }

    /// The names of fields.
    pub(super) fn names(self) -> Result<Args<'a>, ReplyError> {
        self.groups(1)
    }

    /// The words behind the count, so many for each field.
    pub(super) fn groups(self, words_per_field: usize) -> Result<Args<'a>, ReplyError> {
        let (count, words) = (self.count()?, self.words());
        let wanted = usize::try_from(count).ok().filter(|&count| count > 0);
        let wanted = wanted.and_then(|count| count.checked_mul(words_per_field));
        if wanted == Some(words.len()) { Ok(words) } else { Err(FIELD_COUNT) }
    }
}

/// The number of fields is not the one that was announced.
pub(super) const FIELD_COUNT: ReplyError =
    ReplyError::Fixed("ERR numfields should be greater than 0 and match the provided number of fields");

/// There is no such field, or no such key.
const NO_FIELD: i64 = NO_KEY;
/// A condition did not hold.
const REFUSED: i64 = 0;
/// The expiry was changed.
const SET: i64 = 1;
/// The time is not in the future: the field is gone.
const REMOVED: i64 = 2;
