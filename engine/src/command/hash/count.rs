//! Hashes: fields that are numbers.

use super::{sight_to_write, tell_expired};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::extended::{Extended, Parsed};
use crate::keyspace::{Expiry, UnixMillis, ValueRef};
use crate::number::parse_i64;
use crate::resp::args::Args;
use crate::value::hash::{Hash, HashView, Sight};
use crate::value::{Rules, Typed};

/// What a field was before a number was added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Absent,
    /// Past its expiry: it counts as absent.
    Hidden,
    /// There, with this expiry.
    Seen(Option<UnixMillis>),
}

pub(super) fn hincrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, field, change) = (&args[1], &args[2], integer(&args[3])?);
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_or_create(key, |hash: &mut Hash, _, rules| {
        let (old, before) = look_up(hash.view(), field, sight, |value| match value {
            ValueRef::Int(number) => Some(number),
            other @ (ValueRef::Str(_) | ValueRef::Object(_) | ValueRef::Packed(_)) => {
                parse_i64(other.string_bytes(&mut itoa::Buffer::new())?)
            }
        });
        let old = old.map_or(Some(0), |old| old).ok_or(ReplyError::Fixed("ERR hash value is not an integer"))?;
        let sum = old.checked_add(change);
        let sum = sum.ok_or(ReplyError::Fixed("ERR increment or decrement would overflow"))?;
        store(hash, field, itoa::Buffer::new().format(sum).as_bytes(), before, rules);
        Ok((sum, before))
    })?;
    let (sum, before) = edited.result?;
    match before {
        Before::Absent | Before::Seen(None) => {}
        // By then the field may be past its expiry, or still be there.
        Before::Hidden | Before::Seen(Some(_)) => {
            repeat(ctx, key, field, itoa::Buffer::new().format(sum).as_bytes(), before);
        }
    }
    tell(ctx, key, "hincrby", before);
    ctx.reply.int(sum);
    Ok(())
}

pub(super) fn hincrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, field) = (&args[1], &args[2]);
    let change = match Extended::parse(&args[3]).ok_or(ReplyError::NotFloat)? {
        Parsed::Finite(change) => change,
        Parsed::Infinite => return Err(ReplyError::Fixed("ERR value is NaN or Infinity")),
    };
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_or_create(key, |hash: &mut Hash, _, rules| {
        let (old, before) =
            look_up(hash.view(), field, sight, |value| Extended::parse(value.string_bytes(&mut itoa::Buffer::new())?));
        let old = old.map_or(Some(Parsed::Finite(Extended::ZERO)), |old| old);
        let sum = match old.ok_or(ReplyError::Fixed("ERR hash value is not a float"))? {
            Parsed::Finite(old) => old.plus(change),
            Parsed::Infinite => None,
        };
        let sum = sum.ok_or(ReplyError::Fixed("ERR increment would produce NaN or Infinity"))?;
        let mut text = Vec::new();
        sum.write(&mut text);
        store(hash, field, &text, before, rules);
        Ok((text, before))
    })?;
    let (text, before) = edited.result?;
    // Others may compute with other precision: they get the result.
    repeat(ctx, key, field, &text, before);
    tell(ctx, key, "hincrbyfloat", before);
    ctx.reply.bulk(&text);
    Ok(())
}

/// What a field that is seen has, as `read` understands it, and what the field was.
fn look_up<T>(
    hash: HashView<'_>,
    field: &[u8],
    sight: Sight,
    read: impl FnOnce(ValueRef<'_>) -> T,
) -> (Option<T>, Before) {
    match hash.find(field) {
        None => (None, Before::Absent),
        Some((_, expiry)) if !sight.sees(expiry) => (None, Before::Hidden),
        Some((value, expiry)) => (Some(read(value)), Before::Seen(expiry)),
    }
}

/// A field that was there keeps its expiry.
fn store(hash: &mut Hash, field: &[u8], text: &[u8], before: Before, rules: Rules<'_>) {
    let expiry = if let Before::Seen(_) = before { Expiry::Keep } else { Expiry::Never };
    hash.set(field, text, expiry, rules);
}

/// Has the result repeated, with the expiry that the field has.
fn repeat(ctx: &mut Ctx<'_>, key: &[u8], field: &[u8], text: &[u8], before: Before) {
    if let Before::Seen(Some(UnixMillis(at))) = before {
        let mut digits = itoa::Buffer::new();
        ctx.rewrite(&[b"HSETEX", key, b"PXAT", digits.format(at).as_bytes(), b"FIELDS", b"1", field, text]);
    } else {
        ctx.rewrite(&[b"HSET", key, field, text]);
    }
}

fn tell(ctx: &mut Ctx<'_>, key: &[u8], event: &str, before: Before) {
    tell_expired(ctx, key, usize::from(before == Before::Hidden));
    ctx.tell_edit(key, KeyspaceEvents::HASH, event, 1, false);
}
