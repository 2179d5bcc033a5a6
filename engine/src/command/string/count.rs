//! Strings that are numbers.

use crate::command::Ctx;
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::extended::{Extended, Parsed};
use crate::keyspace::{Expiry, NewValue, ValueRef};
use crate::number::parse_i64;
use crate::resp::args::Args;

pub(super) fn incr(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    add(ctx, &args[1], 1)
}

pub(super) fn decr(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    add(ctx, &args[1], -1)
}

pub(super) fn incrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    add(ctx, &args[1], integer(&args[2])?)
}

pub(super) fn decrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let change = integer(&args[2])?.checked_neg();
    add(ctx, &args[1], change.ok_or(ReplyError::Fixed("ERR decrement would overflow"))?)
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], change: i64) -> Result<(), ReplyError> {
    let sum = ctx.edit(key, |entry, _| {
        let Some(mut entry) = entry else { return Ok(None) };
        let number = match entry.value() {
            ValueRef::Int(number) => number,
            other @ (ValueRef::Str(_) | ValueRef::Object(_) | ValueRef::Packed(_)) => {
                let mut digits = itoa::Buffer::new();
                let text = other.string_bytes(&mut digits).ok_or(ReplyError::WrongType)?;
                parse_i64(text).ok_or(ReplyError::NotInteger)?
            }
        };
        let sum = number.checked_add(change);
        let sum = sum.ok_or(ReplyError::Fixed("ERR increment or decrement would overflow"))?;
        entry.set_int(sum);
        Ok(Some(sum))
    })?;
    match sum {
        Some(_) => ctx.changed(key),
        None => ctx.set(key, NewValue::Int(change), Expiry::Never),
    }
    ctx.notify(KeyspaceEvents::STRING, "incrby", key);
    ctx.reply.int(sum.unwrap_or(change));
    Ok(())
}

pub(super) fn incrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let result = ctx.edit(key, |entry, _| {
        let old = match &entry {
            None => Parsed::Finite(Extended::ZERO),
            Some(entry) => {
                let mut digits = itoa::Buffer::new();
                let text = entry.value().string_bytes(&mut digits).ok_or(ReplyError::WrongType)?;
                Extended::parse(text).ok_or(ReplyError::NotFloat)?
            }
        };
        let change = Extended::parse(&args[2]).ok_or(ReplyError::NotFloat)?;
        let sum = match (old, change) {
            (Parsed::Finite(old), Parsed::Finite(change)) => old.plus(change),
            (Parsed::Infinite, _) | (_, Parsed::Infinite) => None,
        };
        let sum = sum.ok_or(ReplyError::Fixed("ERR increment would produce NaN or Infinity"))?;
        let mut text = Vec::new();
        sum.write(&mut text);
        let found = entry.is_some();
        if let Some(mut entry) = entry {
            entry.set_value(NewValue::Str(&text));
        }
        Ok((text, found))
    });
    let (text, found) = result?;
    if found {
        ctx.changed(key);
    } else {
        ctx.set(key, NewValue::Str(&text), Expiry::Never);
    }
    ctx.notify(KeyspaceEvents::STRING, "incrbyfloat", key);
    // Others may compute with other precision: they get the result.
    ctx.rewrite(&[b"SET", key, &text, b"KEEPTTL"]);
    ctx.reply.bulk(&text);
    Ok(())
}
