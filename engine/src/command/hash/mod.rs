//! Hashes: fields and their values.
//!
//! Fields that are numbers are in [`count`], random fields in [`random`], the expiry of fields in [`expire`], commands
//! that read or write fields and their expiry at once in [`with_expiry`].
//!
//! A field whose time has come is hidden, from readers and writers alike, until active expiry removes it or a write
//! replaces it: see [`Sight`].

mod count;
mod expire;
mod random;
mod with_expiry;

use super::keys::{Access, INSERT_ONE, INSPECT_ONE, KeySpec, READ_ONE, UPDATE_ONE};
use super::scan::scan_within;
use super::spec::{DENY_OOM, FAST, Flags, READ, Spec, WRITE, data};
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Expiry, Object, UnixMillis, ValueRef};
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::entries::Met;
use crate::value::hash::{Field, Hash, Presence, Sight, text_len};
use crate::value::listpack::Element;
use crate::value::{Collection, Typed};
use count::{hincrby, hincrbyfloat};
use expire::{hexpire, hexpireat, hexpiretime, hpersist, hpexpire, hpexpireat, hpexpiretime, hpttl, httl};
use random::hrandfield;
use with_expiry::{hgetdel, hgetex, hsetex};

const ADD: Flags = WRITE.and(DENY_OOM).and(FAST);
const CHANGE: Flags = WRITE.and(FAST);
const ASK: Flags = READ.and(FAST);

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("HDEL", -3, CHANGE, DELETE_ONE, hdel as DataFn),
    data("HEXISTS", 3, ASK, INSPECT_ONE, hexists),
    data("HEXPIRE", -6, CHANGE, SET_ONE, hexpire),
    data("HEXPIREAT", -6, CHANGE, SET_ONE, hexpireat),
    data("HEXPIRETIME", -5, ASK, READ_ONE, hexpiretime),
    data("HGET", 3, ASK, READ_ONE, hget),
    data("HGETALL", 2, READ, READ_ONE, hgetall as DataFn).tips(ANY_ORDER),
    data("HGETDEL", -5, CHANGE, TAKE_ONE, hgetdel),
    data("HGETEX", -5, CHANGE, UPDATE_ONE, hgetex),
    data("HINCRBY", 4, ADD, UPDATE_ONE, hincrby),
    data("HINCRBYFLOAT", 4, ADD, UPDATE_ONE, hincrbyfloat),
    data("HKEYS", 2, READ, READ_ONE, hkeys as DataFn).tips(ANY_ORDER),
    data("HLEN", 2, ASK, INSPECT_ONE, hlen),
    data("HMGET", -3, ASK, READ_ONE, hmget),
    data("HMSET", -4, ADD, SET_ONE, hmset),
    data("HPERSIST", -5, CHANGE, SET_ONE, hpersist),
    data("HPEXPIRE", -6, CHANGE, SET_ONE, hpexpire),
    data("HPEXPIREAT", -6, CHANGE, SET_ONE, hpexpireat),
    data("HPEXPIRETIME", -5, ASK, READ_ONE, hpexpiretime),
    data("HPTTL", -5, ASK, READ_ONE, hpttl),
    data("HRANDFIELD", -2, READ, READ_ONE, hrandfield as DataFn).tips(RANDOM),
    data("HSCAN", -3, READ, READ_ONE, hscan as DataFn).tips(RANDOM),
    data("HSET", -4, ADD, SET_ONE, hset),
    data("HSETEX", -6, ADD, INSERT_ONE, hsetex),
    data("HSETNX", 4, ADD, INSERT_ONE, hsetnx),
    data("HSTRLEN", 3, ASK, INSPECT_ONE, hstrlen),
    data("HTTL", -5, ASK, READ_ONE, httl),
    data("HVALS", 2, READ, READ_ONE, hvals as DataFn).tips(ANY_ORDER),
];

const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const RANDOM: &[&str] = &["nondeterministic_output"];
const SET_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::UPDATE))];
const DELETE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::DELETE))];
const TAKE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))];

/// The fields that a command sees which only reads.
pub(in crate::command) fn sight_to_read(ctx: &Ctx<'_>) -> Sight {
    if ctx.core.sees_expired(ctx.caller()) { Sight::All } else { Sight::At(UnixMillis::from(ctx.now.unix)) }
}

/// The fields that a command sees which writes: on a replica all, as only the primary says when a field is gone.
pub(super) fn sight_to_write(ctx: &Ctx<'_>) -> Sight {
    if ctx.core.is_replica { Sight::All } else { sight_to_read(ctx) }
}

/// What a command stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stored {
    /// Fields that were not there for the caller.
    pub(super) added: usize,
    /// Fields past their expiry that were replaced.
    pub(super) expired: usize,
}

impl Stored {
    /// Notes a field that was stored where `met` was.
    pub(super) fn note(&mut self, met: Option<Met>, sight: Sight) {
        let is_hidden = met.is_some_and(|met| !sight.sees(met.expiry));
        self.added += usize::from(is_hidden || met.is_none());
        self.expired += usize::from(is_hidden);
    }
}

/// Tells that fields past their expiry were replaced or met their end.
pub(super) fn tell_expired(ctx: &mut Ctx<'_>, key: &[u8], fields: usize) {
    if fields > 0 {
        ctx.core.stats.expired_fields += fields as u64;
        ctx.notify(KeyspaceEvents::HASH, "hexpired", key);
    }
}

fn hset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let added = store_pairs(ctx, args, "hset")?;
    ctx.reply.len(added);
    Ok(())
}

fn hmset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    store_pairs(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

/// Stores fields with values; returns how many are new.
fn store_pairs(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str) -> Result<usize, ReplyError> {
    let (key, pairs) = (&args[1], args.from(2));
    if !pairs.len().is_multiple_of(2) {
        return Err(ReplyError::arity(command));
    }
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_or_create(key, |hash: &mut Hash, _, rules| {
        let mut stored = Stored::default();
        hash.expect(pairs.len() / 2, pairs.bytes(), rules);
        for index in (0..pairs.len()).step_by(2) {
            stored.note(hash.set(&pairs[index], &pairs[index + 1], Expiry::Never, rules), sight);
        }
        stored
    })?;
    tell_expired(ctx, key, edited.result.expired);
    ctx.tell_edit(key, KeyspaceEvents::HASH, "hset", pairs.len() / 2, edited.emptied);
    Ok(edited.result.added)
}

fn hsetnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, field, value) = (&args[1], &args[2], &args[3]);
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_or_create(key, |hash: &mut Hash, _, rules| {
        let presence = hash.view().presence(field, sight);
        if presence != Presence::Seen {
            hash.set(field, value, Expiry::Never, rules);
        }
        presence
    })?;
    ctx.reply.int(i64::from(edited.result != Presence::Seen));
    if edited.result == Presence::Seen {
        return Ok(());
    }
    if edited.result == Presence::Hidden {
        // Whoever repeats this may still see the field.
        ctx.rewrite(&[b"HSET", key, field, value]);
        tell_expired(ctx, key, 1);
    }
    ctx.tell_edit(key, KeyspaceEvents::HASH, "hset", 1, false);
    Ok(())
}

fn hget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let sight = sight_to_read(ctx);
    ctx.view_typed::<Hash, _>(&args[1], |hash, reply| {
        reply_value(reply, hash.and_then(|hash| hash.get(&args[2], sight)));
    })
}

fn hmget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (fields, sight) = (args.from(2), sight_to_read(ctx));
    ctx.view_typed::<Hash, _>(&args[1], |hash, reply| {
        reply.array(fields.len());
        for field in fields.iter() {
            reply_value(reply, hash.and_then(|hash| hash.get(field, sight)));
        }
    })
}

/// Replies with a value, or with null.
pub(super) fn reply_value(reply: &mut Reply<'_>, value: Option<ValueRef<'_>>) {
    match value {
        Some(ValueRef::Int(number)) => reply.bulk_int(number),
        Some(ValueRef::Str(bytes)) => reply.bulk(bytes),
        Some(ValueRef::Object(Object::String(string))) => reply.bulk_shared(string.bytes().clone()),
        Some(ValueRef::Object(_) | ValueRef::Packed(_)) | None => reply.null(),
    }
}

/// Replies with a field's name.
pub(super) fn reply_name(reply: &mut Reply<'_>, field: &Field<'_>) {
    match field.name {
        Element::Bytes(bytes) => reply.bulk(bytes),
        Element::Int(number) => reply.bulk_int(number),
    }
}

fn hgetall(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let sight = sight_to_read(ctx);
    ctx.view_typed::<Hash, _>(&args[1], |hash, reply| {
        reply.map(hash.map_or(0, |hash| hash.seen_len(sight)));
        for field in hash.into_iter().flat_map(|hash| hash.seen(sight)) {
            reply_name(reply, &field);
            reply_value(reply, Some(field.value));
        }
    })
}

fn hkeys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    reply_each(ctx, &args[1], reply_name)
}

fn hvals(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    reply_each(ctx, &args[1], |reply, field| reply_value(reply, Some(field.value)))
}

fn reply_each(ctx: &mut Ctx<'_>, key: &[u8], write: impl Fn(&mut Reply<'_>, &Field<'_>)) -> Result<(), ReplyError> {
    let sight = sight_to_read(ctx);
    ctx.view_typed::<Hash, _>(key, |hash, reply| {
        reply.array(hash.map_or(0, |hash| hash.seen_len(sight)));
        hash.into_iter().flat_map(|hash| hash.seen(sight)).for_each(|field| write(reply, &field));
    })
}

/// Counts fields past their expiry, too, until they are removed, as Valkey 9 does.
fn hlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<Hash, _>(&args[1], |hash, reply| reply.len(hash.map_or(0, |hash| hash.len())))
}

fn hstrlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let sight = sight_to_read(ctx);
    ctx.view_typed::<Hash, _>(&args[1], |hash, reply| {
        reply.len(hash.and_then(|hash| hash.get(&args[2], sight)).map_or(0, text_len));
    })
}

fn hexists(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let sight = sight_to_read(ctx);
    ctx.view_typed::<Hash, _>(&args[1], |hash, reply| {
        reply.int(i64::from(hash.is_some_and(|hash| hash.get(&args[2], sight).is_some())));
    })
}

fn hdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, fields) = (&args[1], args.from(2));
    let sight = sight_to_write(ctx);
    let edited = ctx.edit_typed(key, |hash: &mut Hash, _, _| {
        let has_hidden = sight != Sight::All && hash.view().volatile_len() > 0;
        let (mut removed, mut names) = (0, Vec::new());
        for field in fields.iter() {
            if hash.remove(field, sight) == Presence::Seen {
                removed += 1;
                names.extend(has_hidden.then_some(field));
            }
        }
        (removed, names)
    })?;
    let removed = edited.as_ref().map_or(0, |edited| edited.result.0);
    ctx.reply.len(removed);
    if let Some(edited) = edited.filter(|_| removed > 0) {
        let (_, names) = edited.result;
        // Fields hidden here would be removed wherever the command is repeated as it was typed.
        if !names.is_empty() && names.len() < fields.len() {
            repeat_deletion(ctx, key, &names);
        }
        ctx.tell_edit(key, KeyspaceEvents::HASH, "hdel", removed, edited.emptied);
    }
    Ok(())
}

/// Has these fields deleted wherever the command is repeated.
pub(super) fn repeat_deletion(ctx: &mut Ctx<'_>, key: &[u8], fields: &[&[u8]]) {
    let words: Vec<&[u8]> = [b"HDEL", key].into_iter().chain(fields.iter().copied()).collect();
    ctx.rewrite(&words);
}

fn hscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let sight = sight_to_read(ctx);
    scan_within::<Hash>(ctx, args, |hash, cursor, page| {
        let count = page.count();
        let mut show = |field: Field<'_>| {
            if sight.sees(field.expiry) {
                let mut digits = itoa::Buffer::new();
                page.push_pair(field.name, field.value.string_bytes(&mut digits).unwrap_or_default());
            }
        };
        let Some(entries) = hash.as_table() else {
            hash.fields().for_each(show);
            return 0;
        };
        entries.scan(cursor, count, |entry| show(Field::of_entry(entry)))
    })
}
