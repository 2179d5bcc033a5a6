//! Keys of any type: removing, moving, looking at them.
//!
//! Payloads (DUMP, RESTORE) are in [`dump`](super::dump), cursors in [`scan`](super::scan), expiry in
//! [`expire`](super::expire), OBJECT in [`object`](super::object).

use super::dump::{dump, restore};
use super::keys::{Access, INSPECT_ONE, KeySpec, NO_KEYS, OVERWRITE_ONE, READ_ONE};
use super::object;
use super::scan::{keys, randomkey, scan};
use super::spec::{ASKING, Categories, DENY_OOM, FAST, Group, READ, Spec, WRITE, container, data};
use super::words::database;
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{DbIndex, Expiry, NewValue, StringEncoding, ValueRef};
use crate::resp::args::Args;

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("COPY", -3, WRITE.and(DENY_OOM), COPY_KEYS, copy as DataFn),
    data("DEL", -2, WRITE, REMOVE_EVERY, del as DataFn).tips(ADD_UP),
    data("DUMP", 2, READ, READ_ONE, dump as DataFn).tips(&["nondeterministic_output"]),
    data("EXISTS", -2, READ.and(FAST), INSPECT_EVERY, exists as DataFn).tips(ADD_UP),
    data("KEYS", 2, READ, NO_KEYS, keys as DataFn)
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .acl(Categories::DANGEROUS),
    data("MOVE", 3, WRITE.and(FAST), MOVE_ONE, move_key),
    container("OBJECT", object::ROWS).acl(Categories::NONE),
    data("RANDOMKEY", 1, READ, NO_KEYS, randomkey as DataFn)
        .tips(&["request_policy:all_shards", "nondeterministic_output"]),
    data("RENAME", 3, WRITE, RENAME_KEYS, rename),
    data("RENAMENX", 3, WRITE.and(FAST), RENAMENX_KEYS, renamenx),
    data("RESTORE", -4, WRITE.and(DENY_OOM), OVERWRITE_ONE, restore as DataFn).acl(Categories::DANGEROUS),
    data("RESTORE-ASKING", -4, WRITE.and(DENY_OOM).and(ASKING), OVERWRITE_ONE, restore as DataFn)
        .acl(Categories::KEYSPACE.and(Categories::DANGEROUS))
        .group(Group::Server),
    data("SCAN", -2, READ, NO_KEYS, scan as DataFn).tips(&["nondeterministic_output", "request_policy:special"]),
    data("TOUCH", -2, READ.and(FAST), INSPECT_EVERY, touch as DataFn).tips(ADD_UP),
    data("TYPE", 2, READ.and(FAST), INSPECT_ONE, type_of),
    data("UNLINK", -2, WRITE.and(FAST), REMOVE_EVERY, del as DataFn).tips(ADD_UP),
];

const ADD_UP: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const INSPECT_EVERY: &[KeySpec] = &[KeySpec::every(1, 1, Access::RO)];
const REMOVE_EVERY: &[KeySpec] = &[KeySpec::every(1, 1, Access::RM.and(Access::DELETE))];
const TAKEN: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);
const RENAME_KEYS: &[KeySpec] = &[KeySpec::one(1, TAKEN), KeySpec::one(2, Access::OW.and(Access::UPDATE))];
const RENAMENX_KEYS: &[KeySpec] = &[KeySpec::one(1, TAKEN), KeySpec::one(2, Access::OW.and(Access::INSERT))];
const COPY_KEYS: &[KeySpec] =
    &[KeySpec::one(1, Access::RO.and(Access::ACCESS)), KeySpec::one(2, Access::OW.and(Access::UPDATE))];
const MOVE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];

fn del(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let mut removed = 0;
    ctx.for_each_key(args, 1, 1, |ctx, index| {
        let key = &args[index];
        if ctx.exists_to_write(key) && ctx.remove(key) {
            ctx.notify(KeyspaceEvents::GENERIC, "del", key);
            removed += 1;
        }
        Ok(())
    })?;
    ctx.reply.int(removed);
    Ok(())
}

fn exists(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let mut there = 0;
    ctx.for_each_key(args, 1, 1, |ctx, index| {
        there += usize::from(ctx.inspect(&args[index], |entry, _| entry.is_some()));
        Ok(())
    })?;
    ctx.reply.len(there);
    Ok(())
}

fn touch(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let mut there = 0;
    ctx.for_each_key(args, 1, 1, |ctx, index| {
        there += usize::from(ctx.touch(&args[index]));
        Ok(())
    })?;
    ctx.reply.len(there);
    Ok(())
}

fn type_of(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.inspect(&args[1], |entry, reply| reply.simple(entry.map_or("none", |entry| entry.value().kind().name())));
    Ok(())
}

fn rename(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    rename_to(ctx, &args[1], &args[2], Occupied::Replace)?;
    ctx.reply.ok();
    Ok(())
}

fn renamenx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let renamed = rename_to(ctx, &args[1], &args[2], Occupied::Leave)?;
    ctx.reply.int(i64::from(renamed));
    Ok(())
}

/// What happens when the target key is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occupied {
    Leave,
    Replace,
}

fn rename_to(ctx: &mut Ctx<'_>, source: &[u8], target: &[u8], occupied: Occupied) -> Result<bool, ReplyError> {
    if !ctx.exists_to_write(source) {
        return Err(ReplyError::NoSuchKey);
    }
    if source == target {
        return Ok(occupied == Occupied::Replace);
    }
    if ctx.exists_to_write(target) {
        if occupied == Occupied::Leave {
            return Ok(false);
        }
        ctx.discard(target);
    }
    let Some(entry) = ctx.take_in(ctx.db(), source) else { return Err(ReplyError::NoSuchKey) };
    ctx.put_in(ctx.db(), target, entry);
    ctx.count_changes(1);
    ctx.notify(KeyspaceEvents::GENERIC, "rename_from", source);
    ctx.notify(KeyspaceEvents::GENERIC, "rename_to", target);
    Ok(true)
}

fn move_key(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if ctx.core.has_one_cluster_database() {
        return Err(ReplyError::Fixed("ERR MOVE is not allowed in cluster mode"));
    }
    let key = &args[1];
    let (source, target) = (ctx.db(), database(&args[2], ctx.core.keyspace.databases())?);
    if source == target {
        return Err(ReplyError::SameObject);
    }
    if !ctx.exists_to_write(key) || ctx.exists_to_write_in(target, key) {
        ctx.reply.int(0);
        return Ok(());
    }
    if let Some(entry) = ctx.take_in(source, key) {
        ctx.put_in(target, key, entry);
        ctx.count_changes(1);
        ctx.notify_in(KeyspaceEvents::GENERIC, "move_from", source, key);
        ctx.notify_in(KeyspaceEvents::GENERIC, "move_to", target, key);
    }
    ctx.reply.int(1);
    Ok(())
}

fn copy(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (source, target) = (&args[1], &args[2]);
    let (db, occupied) = copy_options(ctx, args)?;
    if ctx.core.has_one_cluster_database() && db != DbIndex(0) {
        return Err(ReplyError::Fixed("ERR Copying to another database is not allowed in cluster mode"));
    }
    if db == ctx.db() && source == target {
        return Err(ReplyError::SameObject);
    }
    let copied = ctx.view(source, |entry, _| {
        entry.map(|entry| {
            let expiry = entry.expiry().map_or(Expiry::Never, Expiry::At);
            (owned(entry.value()), expiry, entry.string_encoding())
        })
    });
    let Some((value, expiry, encoding)) = copied else {
        ctx.reply.int(0);
        return Ok(());
    };
    if ctx.exists_to_write_in(db, target) {
        if occupied == Occupied::Leave {
            ctx.reply.int(0);
            return Ok(());
        }
        ctx.discard_in(db, target);
    }
    ctx.set_in(db, target, value, expiry);
    if encoding == Some(StringEncoding::Raw) {
        ctx.keep_editable(db, target);
    }
    ctx.notify_in(KeyspaceEvents::GENERIC, "copy_to", db, target);
    ctx.reply.int(1);
    Ok(())
}

fn copy_options(ctx: &Ctx<'_>, args: Args<'_>) -> Result<(DbIndex, Occupied), ReplyError> {
    let (mut db, mut occupied) = (ctx.db(), Occupied::Leave);
    let core = &ctx.core;
    // A cluster node with one database knows the others' numbers, to say that they are not for use.
    let databases = if core.has_one_cluster_database() { core.config.databases } else { core.keyspace.databases() };
    let mut index = 3;
    while index < args.len() {
        if args.is(index, "REPLACE") {
            occupied = Occupied::Replace;
        } else if args.is(index, "DB") && index + 1 < args.len() {
            index += 1;
            db = database(&args[index], databases)?;
        } else {
            return Err(ReplyError::Syntax);
        }
        index += 1;
    }
    Ok((db, occupied))
}

/// A value of its own; long strings share their bytes until one of both is edited.
fn owned(value: ValueRef<'_>) -> NewValue<'static> {
    match value {
        ValueRef::Int(number) => NewValue::Int(number),
        ValueRef::Str(bytes) => NewValue::Shared(bytes::Bytes::copy_from_slice(bytes)),
        ValueRef::Object(object) => NewValue::Object(object.clone()),
        ValueRef::Packed(packed) => NewValue::Object(packed.to_object()),
    }
}
