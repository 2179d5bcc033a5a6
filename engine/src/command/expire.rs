//! Keys that expire: setting, asking, forgetting the time.

use super::keys::{Access, KeySpec, READ_ONE};
use super::spec::{FAST, Flags, READ, Spec, WRITE, data};
use super::words::integer;
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Entry, UnixMillis};
use crate::resp::args::Args;

const CHANGE: Flags = WRITE.and(FAST);
const ASK: Flags = READ.and(FAST);
const EXPIRE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::UPDATE))];
const CHANGING: &[&str] = &["nondeterministic_output"];

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("EXPIRE", -3, CHANGE, EXPIRE_ONE, expire as DataFn),
    data("EXPIREAT", -3, CHANGE, EXPIRE_ONE, expireat),
    data("EXPIRETIME", 2, ASK, READ_ONE, expiretime),
    data("PERSIST", 2, CHANGE, EXPIRE_ONE, persist),
    data("PEXPIRE", -3, CHANGE, EXPIRE_ONE, pexpire),
    data("PEXPIREAT", -3, CHANGE, EXPIRE_ONE, pexpireat),
    data("PEXPIRETIME", 2, ASK, READ_ONE, pexpiretime),
    data("PTTL", 2, ASK, READ_ONE, pttl as DataFn).tips(CHANGING),
    data("TTL", 2, ASK, READ_ONE, ttl as DataFn).tips(CHANGING),
];

fn expire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_expiry(ctx, args, "expire", Unit::Seconds, ctx.now.unix.millis())
}

fn pexpire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_expiry(ctx, args, "pexpire", Unit::Millis, ctx.now.unix.millis())
}

fn expireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_expiry(ctx, args, "expireat", Unit::Seconds, 0)
}

fn pexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    set_expiry(ctx, args, "pexpireat", Unit::Millis, 0)
}

/// The unit a time is given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Seconds,
}

/// When EXPIRE and its kin do something; without any of them, always.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Conditions {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_sooner: bool,
}

impl Conditions {
    /// The conditions that these words are.
    pub(super) fn parse(words: Args<'_>) -> Result<Self, ReplyError> {
        let mut conditions = Self::default();
        for (index, word) in words.iter().enumerate() {
            let field = match index {
                _ if words.is(index, "NX") => &mut conditions.if_none,
                _ if words.is(index, "XX") => &mut conditions.if_some,
                _ if words.is(index, "GT") => &mut conditions.if_later,
                _ if words.is(index, "LT") => &mut conditions.if_sooner,
                _ => return Err(ReplyError::naming("ERR Unsupported option ", word, "")),
            };
            *field = true;
        }
        if conditions.if_none && (conditions.if_some || conditions.if_later || conditions.if_sooner) {
            return Err(ReplyError::Fixed("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if conditions.if_later && conditions.if_sooner {
            return Err(ReplyError::Fixed("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether a key with expiry `old` gets `new`. No expiry counts as later than any.
    pub(super) fn allow(self, old: Option<UnixMillis>, new: UnixMillis) -> bool {
        !(self.if_none && old.is_some()
            || self.if_some && old.is_none()
            || self.if_later && old.is_none_or(|old| new <= old)
            || self.if_sooner && old.is_some_and(|old| new >= old))
    }
}

/// What became of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Gone,
    Set,
    Untouched,
}

fn set_expiry(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str, unit: Unit, base: i64) -> Result<(), ReplyError> {
    let key = &args[1];
    let conditions = Conditions::parse(args.from(3))?;
    let number = integer(&args[2])?;
    let millis = if unit == Unit::Seconds { number.checked_mul(1000) } else { Some(number) };
    let at = millis.and_then(|millis| millis.checked_add(base)).map(UnixMillis);
    let at = at.ok_or_else(|| ReplyError::invalid_expire(command))?;
    let is_gone = ctx.is_gone_at(at);
    let outcome = ctx.edit(key, |entry, _| match entry {
        Some(entry) if !conditions.allow(entry.expiry(), at) => Outcome::Untouched,
        Some(_) if is_gone => Outcome::Gone,
        Some(mut entry) => {
            entry.set_expiry(Some(at));
            Outcome::Set
        }
        None => Outcome::Untouched,
    });
    match outcome {
        Outcome::Gone => ctx.expire_now(key),
        Outcome::Set => {
            ctx.changed(key);
            repeat(ctx, args, at);
            ctx.notify(KeyspaceEvents::GENERIC, "expire", key);
        }
        Outcome::Untouched => {}
    }
    ctx.reply.int(i64::from(outcome != Outcome::Untouched));
    Ok(())
}

/// A time to live means another time wherever it is repeated; a point in time does not. Conditions stay.
fn repeat(ctx: &mut Ctx<'_>, args: Args<'_>, at: UnixMillis) {
    let mut digits = itoa::Buffer::new();
    let words: [&[u8]; 3] = [b"PEXPIREAT", &args[1], digits.format(at.0).as_bytes()];
    if args.len() == words.len() {
        ctx.rewrite(&words);
    } else {
        let words: Vec<&[u8]> = words.into_iter().chain(args.from(3).iter()).collect();
        ctx.rewrite(&words);
    }
}

fn persist(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let persisted = ctx.edit(key, |entry, _| match entry {
        Some(mut entry) if entry.expiry().is_some() => {
            entry.set_expiry(None);
            true
        }
        _ => false,
    });
    if persisted {
        ctx.changed(key);
        ctx.notify(KeyspaceEvents::GENERIC, "persist", key);
    }
    ctx.reply.int(i64::from(persisted));
    Ok(())
}

fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    tell(ctx, args, Unit::Seconds, ctx.now.unix.millis())
}

fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    tell(ctx, args, Unit::Millis, ctx.now.unix.millis())
}

fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    tell(ctx, args, Unit::Seconds, 0)
}

fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    tell(ctx, args, Unit::Millis, 0)
}

/// Replies with the expiry counted from `base`, rounded to the unit.
fn tell(ctx: &mut Ctx<'_>, args: Args<'_>, unit: Unit, base: i64) -> Result<(), ReplyError> {
    let expiry = ctx.inspect(&args[1], |entry, _| entry.map(Entry::expiry));
    let number = match expiry {
        None => NO_KEY,
        Some(None) => NO_EXPIRY,
        Some(Some(at)) => remaining(at, unit, base),
    };
    ctx.reply.int(number);
    Ok(())
}

/// A time counted from `base`, rounded to the unit.
pub(super) fn remaining(UnixMillis(at): UnixMillis, unit: Unit, base: i64) -> i64 {
    let millis = at.saturating_sub(base).max(0);
    if unit == Unit::Seconds { millis.saturating_add(500) / 1000 } else { millis }
}

/// There is no such key.
pub(super) const NO_KEY: i64 = -2;
/// It does not expire.
pub(super) const NO_EXPIRY: i64 = -1;
