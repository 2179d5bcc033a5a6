//! Strings: writing whole values, with and without expiry.

use std::convert::Infallible;

use super::conditional::Comparison;
use super::{must_be_string, reply_string};
use crate::command::Ctx;
use crate::command::expiry::{Clock, ExpiryOption, Lasting};
use crate::command::keys::Access;
use crate::command::words::string_to_store;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Expiry, UnixMillis};
use crate::resp::args::Args;

/// What SET, GETEX and MSETEX take behind their fixed words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) condition: Option<Condition>,
    get: bool,
    expiry: ExpiryOption,
}

/// When SET does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// `NX`.
    Absent,
    /// `IFEQ` and its kin, with the word to compare with.
    Compared(Comparison, usize),
    /// `XX`.
    Present,
}

/// Which command reads the options: not all of them suit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    GetEx,
    MSetEx,
    Set,
}

impl Options {
    pub(super) fn parse(args: Args<'_>, first: usize, form: Form) -> Result<Self, ReplyError> {
        let mut options = Self::default();
        let mut index = first;
        while index < args.len() {
            let condition = [("NX", Condition::Absent), ("XX", Condition::Present)];
            let condition =
                condition.into_iter().find(|(word, _)| args.is(index, word)).map(|(_, condition)| condition);
            if let (Some(condition), Form::MSetEx | Form::Set) = (condition, form) {
                if options.condition.is_some_and(|other| other != condition) {
                    return Err(ReplyError::Syntax);
                }
                options.condition = Some(condition);
            } else if let (Some(comparison), Form::Set) = (Comparison::parse(args, index), form) {
                index += 1;
                if index >= args.len() || options.condition.is_some() {
                    return Err(ReplyError::Syntax);
                }
                options.condition = Some(Condition::Compared(comparison, index));
            } else if args.is(index, "GET") && form == Form::Set {
                options.get = true;
            } else {
                let lasting = if form == Form::GetEx { Lasting::Persist } else { Lasting::Keep };
                index += options.expiry.take(args, index, args.len(), lasting)? - 1;
            }
            index += 1;
        }
        Ok(options)
    }

    /// Whether SET is to do anything.
    fn holds(self, ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<bool, ReplyError> {
        let key = &args[1];
        match self.condition {
            None => Ok(true),
            Some(Condition::Absent) => Ok(!ctx.exists_to_write(key)),
            Some(Condition::Present) => Ok(ctx.exists_to_write(key)),
            Some(Condition::Compared(comparison, index)) => {
                // What is not there equals nothing.
                let is_met = ctx.edit(key, |entry, _| match entry {
                    None => Ok(comparison.is_met_by_absence()),
                    Some(entry) => comparison.is_met(&entry, &args[index]),
                })?;
                Ok(is_met)
            }
        }
    }

    /// What they make of the expiry of a key that `command`, in lower case, sets.
    pub(super) fn expiry(self, ctx: &Ctx<'_>, args: Args<'_>, command: &str) -> Result<Expiry, ReplyError> {
        Ok(match self.expiry {
            ExpiryOption::Keep => Expiry::Keep,
            ExpiryOption::Time(clock, index) => Expiry::At(clock.key_time(ctx.now, &args[index], command)?),
            ExpiryOption::Unsaid | ExpiryOption::Persist => Expiry::Never,
        })
    }
}

pub(super) fn set(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, value) = (&args[1], &args[2]);
    if args.len() == 3 {
        store(ctx, key, value, Expiry::Never);
        ctx.reply.ok();
        return Ok(());
    }
    let options = Options::parse(args, 3, Form::Set)?;
    let expiry = options.expiry(ctx, args, "set")?;
    if options.get {
        ctx.view(key, reply_string)?;
    }
    if !options.holds(ctx, args)? {
        if !options.get {
            ctx.reply.null();
        }
        return Ok(());
    }
    if let Expiry::At(at) = expiry
        && ctx.is_gone_at(at)
    {
        // As in Valkey 9: what would be gone at once is not stored.
        if ctx.exists_to_write(key) {
            ctx.expire_now(key);
        }
        if !options.get {
            ctx.reply.ok();
        }
        return Ok(());
    }
    store(ctx, key, value, expiry);
    let is_absolute = matches!(options.expiry, ExpiryOption::Time(Clock::PXAT, _));
    // The comparison was made: whoever repeats the command, Redis 7.0 too, need not know of it.
    let is_compared = matches!(options.condition, Some(Condition::Compared(..)));
    match expiry {
        Expiry::At(at) if !is_absolute || is_compared => repeat_with_expiry(ctx, key, value, at),
        Expiry::Keep if is_compared => ctx.rewrite(&[b"SET", key, value, b"KEEPTTL"]),
        Expiry::Never if is_compared => ctx.rewrite(&[b"SET", key, value]),
        Expiry::At(_) | Expiry::Keep | Expiry::Never if options.get => repeat_without_get(ctx, args),
        // Typed as it is to be repeated.
        Expiry::At(_) | Expiry::Keep | Expiry::Never => {}
    }
    if !options.get {
        ctx.reply.ok();
    }
    Ok(())
}

/// What a SET does with its key: it reads it only with GET and under some conditions.
pub(in crate::command) fn access(args: Args<'_>) -> Access {
    let reads = (3..args.len()).any(|index| ["GET", "IFNE", "IFDEQ", "IFDNE"].iter().any(|word| args.is(index, word)));
    if reads { Access::RW.and(Access::ACCESS).and(Access::UPDATE) } else { Access::OW.and(Access::UPDATE) }
}

/// Stores a value and tells listeners.
pub(super) fn store(ctx: &mut Ctx<'_>, key: &[u8], value: &[u8], expiry: Expiry) {
    ctx.set(key, string_to_store(value), expiry);
    ctx.notify(KeyspaceEvents::STRING, "set", key);
    if let Expiry::At(_) = expiry {
        ctx.notify(KeyspaceEvents::GENERIC, "expire", key);
    }
}

/// A time to live means another time wherever the command is repeated; a point in time does not.
pub(super) fn repeat_with_expiry(ctx: &mut Ctx<'_>, key: &[u8], value: &[u8], at: UnixMillis) {
    ctx.rewrite(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(at.0).as_bytes()]);
}

/// Whoever repeats the command wants no reply, so that it need not read.
fn repeat_without_get(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let words: Vec<&[u8]> = args
        .iter()
        .enumerate()
        .filter(|(index, word)| *index < 3 || !word.eq_ignore_ascii_case(b"GET"))
        .map(|(_, word)| word)
        .collect();
    ctx.rewrite(&words);
}

pub(super) fn setex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_for(ctx, args, Clock::EX, "setex")
}

pub(super) fn psetex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_for(ctx, args, Clock::PX, "psetex")
}

fn set_for(ctx: &mut Ctx<'_>, args: Args<'_>, clock: Clock, command: &str) -> Result<(), ReplyError> {
    let (key, value) = (&args[1], &args[3]);
    let at = clock.key_time(ctx.now, &args[2], command)?;
    store(ctx, key, value, Expiry::At(at));
    repeat_with_expiry(ctx, key, value, at);
    ctx.reply.ok();
    Ok(())
}

pub(super) fn setnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let is_new = !ctx.exists_to_write(&args[1]);
    if is_new {
        store(ctx, &args[1], &args[2], Expiry::Never);
    }
    ctx.reply.int(i64::from(is_new));
    Ok(())
}

pub(super) fn getset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, value) = (&args[1], &args[2]);
    ctx.view(key, reply_string)?;
    store(ctx, key, value, Expiry::Never);
    ctx.rewrite(&[b"SET", key, value]);
    Ok(())
}

pub(super) fn getdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let found = ctx.view(key, |entry, reply| {
        reply_string(entry, reply)?;
        Ok(entry.is_some())
    })?;
    if found && ctx.remove(key) {
        let verb: &[u8] = if ctx.core.config.lazyfree_lazy_user_del { b"UNLINK" } else { b"DEL" };
        ctx.rewrite(&[verb, key]);
        ctx.notify(KeyspaceEvents::GENERIC, "del", key);
    }
    Ok(())
}

pub(super) fn getex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let options = Options::parse(args, 2, Form::GetEx)?;
    // Looked at ahead of the key, as in Valkey 9; in Redis 7.0 it counts only for a string that is there.
    let at = match options.expiry {
        ExpiryOption::Time(clock, index) => Some((clock, clock.key_time(ctx.now, &args[index], "getex")?)),
        ExpiryOption::Keep | ExpiryOption::Persist | ExpiryOption::Unsaid => None,
    };
    let found = ctx.view(key, |entry, reply| {
        let Some(entry) = entry else {
            reply.null();
            return Ok(None);
        };
        must_be_string(entry)?;
        reply_string(Some(entry), reply)?;
        Ok(Some((at, entry.expiry().is_some())))
    })?;
    match found {
        Some((Some((clock, at)), _)) if clock.is_absolute && ctx.is_gone_at(at) => ctx.expire_now(key),
        Some((Some((_, at)), _)) => {
            ctx.set_expiry(key, Some(at));
            ctx.rewrite(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at.0).as_bytes()]);
            ctx.notify(KeyspaceEvents::GENERIC, "expire", key);
        }
        Some((None, true)) if options.expiry == ExpiryOption::Persist => {
            ctx.set_expiry(key, None);
            ctx.rewrite(&[b"PERSIST", key]);
            ctx.notify(KeyspaceEvents::GENERIC, "persist", key);
        }
        Some(_) | None => {}
    }
    Ok(())
}

pub(super) fn mset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if args.len().is_multiple_of(2) {
        return Err(ReplyError::arity("mset"));
    }
    store_pairs(ctx, args);
    ctx.reply.ok();
    Ok(())
}

pub(super) fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if args.len().is_multiple_of(2) {
        return Err(ReplyError::arity("msetnx"));
    }
    let all_new = !args.from(1).iter().step_by(2).any(|key| ctx.exists_to_write(key));
    if all_new {
        store_pairs(ctx, args);
    }
    ctx.reply.int(i64::from(all_new));
    Ok(())
}

fn store_pairs(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Ok(()) = ctx.for_each_key(args, 1, 2, |ctx, index| {
        store(ctx, &args[index], &args[index + 1], Expiry::Never);
        Ok::<(), Infallible>(())
    });
}
