//! Strings: reading, and editing parts.
//!
//! Writing whole values is in [`store`], counting in [`count`], LCS in [`lcs`], what newer servers do under conditions in
//! [`conditional`].

pub(super) mod conditional;
mod count;
mod lcs;
pub(super) mod store;

use super::keys::{Access, INSERT_ONE, INSPECT_ONE, KeySpec, OVERWRITE_ONE, READ_ONE, UPDATE_ONE};
use super::spec::{DENY_OOM, FAST, Flags, READ, Spec, WRITE, data};
use super::words::{integer, string_to_store};
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Entry, Expiry, NewValue, Object, ValueRef};
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::session::Origin;
use bytes::Bytes;
use conditional::{delex, delifeq, digest, msetex};
use count::{decr, decrby, incr, incrby, incrbyfloat};
use lcs::lcs;
use store::{getdel, getex, getset, mset, msetnx, psetex, set, setex, setnx};

const COUNT: Flags = WRITE.and(DENY_OOM).and(FAST);
const STORE: Flags = WRITE.and(DENY_OOM);

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("APPEND", 3, COUNT, INSERT_ONE, append as DataFn),
    data("DECR", 2, COUNT, UPDATE_ONE, decr),
    data("DECRBY", 3, COUNT, UPDATE_ONE, decrby),
    data("DELEX", -2, WRITE.and(FAST), REMOVE_PERHAPS, delex),
    data("DELIFEQ", 3, WRITE.and(FAST), REMOVE_ONE, delifeq),
    data("DIGEST", 2, READ.and(FAST), READ_ONE, digest),
    data("GET", 2, READ.and(FAST), READ_ONE, get),
    data("GETDEL", 2, WRITE.and(FAST), TAKE_ONE, getdel),
    data("GETEX", -2, WRITE.and(FAST), READ_AND_EXPIRE_ONE, getex),
    data("GETRANGE", 4, READ, READ_ONE, getrange),
    data("GETSET", 3, COUNT, UPDATE_ONE, getset),
    data("INCR", 2, COUNT, UPDATE_ONE, incr),
    data("INCRBY", 3, COUNT, UPDATE_ONE, incrby),
    data("INCRBYFLOAT", 3, COUNT, UPDATE_ONE, incrbyfloat),
    data("LCS", -3, READ, READ_TWO, lcs),
    data("MGET", -2, READ.and(FAST), READ_EVERY, mget as DataFn).tips(&["request_policy:multi_shard"]),
    data("MSET", -3, STORE, OVERWRITE_EVERY, mset as DataFn)
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
    data("MSETEX", -4, STORE, OVERWRITE_COUNTED, msetex as DataFn)
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
    data("MSETNX", -3, STORE, ADD_EVERY, msetnx as DataFn)
        .tips(&["request_policy:multi_shard", "response_policy:agg_min"]),
    data("PSETEX", 4, STORE, OVERWRITE_ONE, psetex),
    data("SET", -3, STORE, SET_ONE, set),
    data("SETEX", 4, STORE, OVERWRITE_ONE, setex),
    data("SETNX", 3, COUNT, ADD_ONE, setnx),
    data("SETRANGE", 4, STORE, EDIT_ONE, setrange),
    data("STRLEN", 2, READ.and(FAST), INSPECT_ONE, strlen),
    data("SUBSTR", 4, READ, READ_ONE, getrange),
];

const TAKE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))];
const READ_AND_EXPIRE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))
    .noting("RW and UPDATE because it changes the TTL")];
const READ_TWO: &[KeySpec] = &[KeySpec::span(1, 2, Access::RO.and(Access::ACCESS))];
const READ_EVERY: &[KeySpec] = &[KeySpec::every(1, 1, Access::RO.and(Access::ACCESS))];
const OVERWRITE_EVERY: &[KeySpec] = &[KeySpec::every(1, 2, Access::OW.and(Access::UPDATE))];
const OVERWRITE_COUNTED: &[KeySpec] = &[KeySpec::counted(1, Access::OW.and(Access::UPDATE)).stepping(2)];
const REMOVE_PERHAPS: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::DELETE).and(Access::VARIABLE))];
const REMOVE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RM.and(Access::DELETE))];
const ADD_EVERY: &[KeySpec] = &[KeySpec::every(1, 2, Access::OW.and(Access::INSERT))];
const ADD_ONE: &[KeySpec] = &[KeySpec::one(1, Access::OW.and(Access::INSERT))];
const EDIT_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::UPDATE))];
const SET_ONE: &[KeySpec] =
    &[KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE).and(Access::VARIABLE))
        .noting("RW and ACCESS due to the optional `GET` argument")];

fn get(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view(&args[1], reply_string)
}

/// Replies with the string of an entry, or with null. The wrong type is an error.
pub(super) fn reply_string(entry: Option<&Entry>, reply: &mut Reply<'_>) -> Result<(), ReplyError> {
    match entry {
        Some(entry) => return reply_value(entry.value(), reply),
        None => reply.null(),
    }
    Ok(())
}

/// Replies with a string. The wrong type is an error.
pub(super) fn reply_value(value: ValueRef<'_>, reply: &mut Reply<'_>) -> Result<(), ReplyError> {
    match value {
        ValueRef::Int(number) => reply.bulk_int(number),
        ValueRef::Str(bytes) => reply.bulk(bytes),
        ValueRef::Object(Object::String(string)) => reply.bulk_shared(string.bytes().clone()),
        ValueRef::Object(_) | ValueRef::Packed(_) => return Err(ReplyError::WrongType),
    }
    Ok(())
}

/// The bytes of a string, shared where they are long; none for a key that is not there. The wrong type is an error.
pub(in crate::command) fn bytes_of(entry: Option<&Entry>) -> Result<Bytes, ReplyError> {
    match entry.map(Entry::value) {
        None => Ok(Bytes::new()),
        Some(ValueRef::Object(Object::String(string))) => Ok(string.bytes().clone()),
        Some(value) => {
            let mut digits = itoa::Buffer::new();
            let bytes = value.string_bytes(&mut digits).ok_or(ReplyError::WrongType)?;
            Ok(Bytes::copy_from_slice(bytes))
        }
    }
}

/// The error for a command that needs a string where the key has something else.
pub(super) fn must_be_string(entry: &Entry) -> Result<(), ReplyError> {
    entry.string_encoding().map(|_| ()).ok_or(ReplyError::WrongType)
}

fn mget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.reply.array(args.len() - 1);
    ctx.for_each_key(args, 1, 1, |ctx, index| {
        ctx.view(&args[index], |entry, reply| {
            let string = entry.filter(|entry| entry.string_encoding().is_some());
            reply_string(string, reply)
        })
    })
}

fn strlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view(&args[1], |entry, reply| {
        reply.len(entry.map_or(Ok(0), string_len)?);
        Ok(())
    })
}

/// The length of a string in bytes. The wrong type is an error.
pub(super) fn string_len(entry: &Entry) -> Result<usize, ReplyError> {
    let mut digits = itoa::Buffer::new();
    entry.value().string_bytes(&mut digits).map(<[u8]>::len).ok_or(ReplyError::WrongType)
}

fn getrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (first, last) = (integer(&args[2])?, integer(&args[3])?);
    ctx.view(&args[1], |entry, reply| {
        let Some(entry) = entry else {
            reply.bulk(b"");
            return Ok(());
        };
        let range = clamp(first, last, string_len(entry)?);
        if let ValueRef::Object(Object::String(string)) = entry.value() {
            reply.bulk_shared(string.bytes().slice(range));
            return Ok(());
        }
        let mut digits = itoa::Buffer::new();
        let bytes = entry.value().string_bytes(&mut digits).ok_or(ReplyError::WrongType)?;
        reply.bulk(&bytes[range]);
        Ok(())
    })
}

/// The bytes between two indexes, both inclusive and negative from the end, of a string of `len` bytes.
fn clamp(first: i64, last: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let from_end = |index: i64| if index < 0 { (len + index.max(-len)).max(0) } else { index };
    // Both before the beginning and in the wrong order: nothing, although both clamp to the first byte.
    if first < 0 && last < 0 && first > last {
        return 0..0;
    }
    let (first, last) = (from_end(first), from_end(last).min(len - 1));
    if first > last { 0..0 } else { first as usize..last as usize + 1 }
}

fn append(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, more) = (&args[1], &args[2]);
    let len_max = len_max(ctx);
    let len = ctx.edit(key, |entry, _| {
        let Some(mut entry) = entry else { return Ok(None) };
        let len = string_len(&entry)?.checked_add(more.len()).filter(|&len| len <= len_max).ok_or(TOO_LONG)?;
        entry.append(more);
        Ok(Some(len))
    })?;
    match len {
        Some(_) => ctx.changed(key),
        None => ctx.set(key, string_to_store(more), Expiry::Never),
    }
    ctx.notify(KeyspaceEvents::STRING, "append", key);
    ctx.reply.len(len.unwrap_or(more.len()));
    Ok(())
}

fn setrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, part) = (&args[1], &args[3]);
    let offset = integer(&args[2])?;
    let offset = usize::try_from(offset).map_err(|_| ReplyError::Fixed("ERR offset is out of range"))?;
    let len_max = len_max(ctx);
    let check = || offset.checked_add(part.len()).filter(|&end| end <= len_max).ok_or(TOO_LONG);
    let edited = ctx.edit(key, |entry, _| {
        let Some(mut entry) = entry else { return Ok(None) };
        let len = string_len(&entry)?;
        if part.is_empty() {
            return Ok(Some((len, false)));
        }
        let end = check()?;
        entry.edit_bytes(end, |bytes| bytes[offset..end].copy_from_slice(part));
        Ok(Some((len.max(end), true)))
    })?;
    let (len, changed) = match edited {
        Some(edited) => edited,
        None if part.is_empty() => (0, false),
        None => {
            let end = check()?;
            // A string of zeros would cost the memory twice: the first byte makes the key, the edit the rest.
            ctx.set(key, NewValue::Str(b""), Expiry::Never);
            ctx.edit(key, |entry, _| {
                entry.and_then(|mut entry| entry.edit_bytes(end, |bytes| bytes[offset..].copy_from_slice(part)))
            });
            ctx.notify(KeyspaceEvents::STRING, "setrange", key);
            ctx.reply.len(end);
            return Ok(());
        }
    };
    if changed {
        ctx.changed(key);
        ctx.notify(KeyspaceEvents::STRING, "setrange", key);
    }
    ctx.reply.len(len);
    Ok(())
}

/// Longest string a command may make, in bytes. A load and the primary's stream repeat what was allowed elsewhere.
pub(super) fn len_max(ctx: &Ctx<'_>) -> usize {
    match ctx.session.origin {
        Origin::Client => usize::try_from(ctx.core.config.proto_max_bulk_len).unwrap_or(usize::MAX),
        Origin::File | Origin::Primary => usize::MAX,
    }
}

const TOO_LONG: ReplyError = ReplyError::Fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

#[cfg(test)]
mod tests {
    use super::clamp;

    #[test]
    fn ranges_clamp_as_in_the_reference() {
        let cases = [
            (0, -1, 5, 0..5),
            (-3, -1, 5, 2..5),
            (1, 3, 5, 1..4),
            (3, 1, 5, 0..0),
            (-1, -5, 5, 0..0),
            (-100, -90, 5, 0..1),
            (0, 100, 5, 0..5),
            (5, 10, 5, 0..0),
            (0, 0, 0, 0..0),
            (i64::MIN, i64::MAX, 5, 0..5),
            (i64::MIN, i64::MIN, 5, 0..1),
        ];

        for (first, last, len, range) in cases {
            assert_eq!(clamp(first, last, len), range, "{first} {last} {len}");
        }
    }
}
