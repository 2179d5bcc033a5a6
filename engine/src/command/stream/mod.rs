//! Streams: adding, removing and reading entries.
//!
//! How ids are written is in [`ids`], trimming in [`trim`], XREAD and XREADGROUP in [`read`], groups in [`group`],
//! entries that wait to be acknowledged in [`pending`] and [`claim`], XINFO in [`info`].

mod claim;
mod group;
mod ids;
mod info;
mod pending;
mod read;
mod trim;

use super::keys::{Access, Begin, Find, INSPECT_ONE, KeySpec, READ_ONE};
use super::set::reply_member;
use super::spec::{BLOCKING, DENY_OOM, FAST, MOVABLE_KEYS, READ, Spec, WRITE, container, data};
use super::words::integer;
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::Rules;
use crate::value::stream::{Entry, ID_TEXT_BYTES_MAX, NewId, Order, Stream, StreamId};
use claim::{xautoclaim, xclaim};
use ids::{count, id, range_end, range_start, reply_id};
use pending::{xack, xpending};
use read::{xread, xreadgroup};
use trim::{Kept, Verb, Words, unix_ms, xtrim};

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("XACK", -4, WRITE.and(FAST), UPDATE_ONE, xack as DataFn),
    data("XADD", -5, WRITE.and(DENY_OOM).and(FAST), ADD_ONE, xadd as DataFn).tips(CHANGING),
    data("XAUTOCLAIM", -6, WRITE.and(FAST), DELETE_ONE, xautoclaim as DataFn).tips(CHANGING),
    data("XCLAIM", -6, WRITE.and(FAST), UPDATE_ONE, xclaim as DataFn).tips(CHANGING),
    data("XDEL", -3, WRITE.and(FAST), DELETE_ONE, xdel),
    container("XGROUP", group::ROWS),
    container("XINFO", info::ROWS),
    data("XLEN", 2, READ.and(FAST), INSPECT_ONE, xlen),
    data("XPENDING", -3, READ, READ_ONE, xpending as DataFn).tips(CHANGING),
    data("XRANGE", -4, READ, READ_ONE, xrange),
    data("XREAD", -4, READ.and(BLOCKING).and(MOVABLE_KEYS), READ_STREAMS, xread),
    data("XREADGROUP", -7, WRITE.and(BLOCKING).and(MOVABLE_KEYS), READ_GROUP_STREAMS, xreadgroup),
    data("XREVRANGE", -4, READ, READ_ONE, xrevrange),
    data("XSETID", -3, WRITE.and(DENY_OOM).and(FAST), UPDATE_ONE, xsetid),
    data("XTRIM", -4, WRITE, DELETE_ONE, xtrim as DataFn).tips(CHANGING),
];

const CHANGING: &[&str] = &["nondeterministic_output"];
const UPDATE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::UPDATE))];
const DELETE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::DELETE))];
const ADD_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::UPDATE))
    .noting("UPDATE instead of INSERT because of the optional trimming feature")];
const READ_STREAMS: &[KeySpec] = &[streams(1)];
const READ_GROUP_STREAMS: &[KeySpec] = &[streams(4)];

/// The keys behind STREAMS: the first half of what follows.
const fn streams(from: i16) -> KeySpec {
    KeySpec {
        access: Access::RO.and(Access::ACCESS),
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        notes: "",
    }
}

/// What XADD did.
struct Added {
    id: StreamId,
    trimmed: usize,
    kept: Option<Kept>,
}

fn xadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let words = Words::read(ctx, args, Verb::Add)?;
    let fields = args.from((words.id_at + 1).min(args.len()));
    if fields.len() < 2 || !fields.len().is_multiple_of(2) {
        return Err(ReplyError::arity("xadd"));
    }
    if words.id == Some(NewId::Exact(StreamId::MIN)) {
        return Err(ReplyError::Fixed("ERR The ID specified in XADD must be greater than 0-0"));
    }
    if fields.bytes() > ENTRY_BYTES_MAX {
        return Err(ReplyError::Fixed("ERR Elements are too large to be stored"));
    }
    let key = &args[1];
    let wish = words.id.unwrap_or_else(|| NewId::Clock(unix_ms(ctx.now).max(0).cast_unsigned()));
    let add = |stream: &mut Stream, reply: &mut Reply<'_>, rules: Rules<'_>| {
        let id = stream.next_id(wish).ok_or_else(|| no_id(stream))?;
        let pairs = (0..fields.len() / 2).map(|pair| (fields.at(2 * pair), fields.at(2 * pair + 1)));
        stream.append(id, pairs, rules.into());
        reply_id(reply, id);
        let trimmed = words.trim.map_or(0, |trim| stream.trim(trim));
        Ok::<_, ReplyError>(Added { id, trimmed, kept: words.trim.and_then(|trim| Kept::of(stream, trim)) })
    };
    let added = if words.may_create {
        ctx.edit_or_create(key, add)?.result?
    } else {
        let Some(edited) = ctx.edit_typed(key, add)? else {
            ctx.reply.null();
            return Ok(());
        };
        edited.result?
    };
    ctx.tell_edit(key, KeyspaceEvents::STREAM, "xadd", 1, false);
    if added.trimmed > 0 {
        ctx.notify(KeyspaceEvents::STREAM, "xtrim", key);
    }
    ctx.key_came(key);
    repeat_added(ctx, args, &words, &added);
    Ok(())
}

/// Why there is no next id.
fn no_id(stream: &Stream) -> ReplyError {
    ReplyError::Fixed(if stream.last_id() == StreamId::MAX {
        "ERR The stream has exhausted the last possible ID, unable to add more items"
    } else {
        "ERR The ID specified in XADD is equal or smaller than the target stream top item"
    })
}

/// Has XADD repeated with what came of it: the id, and how much a trimming left.
fn repeat_added(ctx: &mut Ctx<'_>, args: Args<'_>, words: &Words, added: &Added) {
    let mut text = [0; ID_TEXT_BYTES_MAX];
    let id = (words.id_at, added.id.text(&mut text));
    let is_exact = matches!(words.id, Some(NewId::Exact(_)));
    match &added.kept {
        Some(kept) => {
            let typed = (words.id_at, &args[words.id_at]);
            let id = if is_exact { typed } else { id };
            repeat_with(ctx, args, &[(words.trim_at - 1, b"="), (words.trim_at, kept.word()), id]);
        }
        None if is_exact => {}
        None => repeat_with(ctx, args, &[id]),
    }
}

/// Has the request repeated with other words at some places.
fn repeat_with(ctx: &mut Ctx<'_>, args: Args<'_>, others: &[(usize, &[u8])]) {
    if !ctx.core.changes.is_enabled() {
        return;
    }
    let mut words: Vec<&[u8]> = args.iter().collect();
    for &(at, word) in others {
        words[at] = word;
    }
    ctx.rewrite(&words);
}

fn xdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let edited = ctx.edit_typed(key, |stream: &mut Stream, _, _| {
        // Nothing goes if one of the ids is none.
        for word in args.from(2).iter() {
            id(word, 0)?;
        }
        Ok::<_, ReplyError>(stream.delete(args.from(2).iter().filter_map(|word| id(word, 0).ok())))
    })?;
    let deleted = edited.map_or(Ok(0), |edited| edited.result)?;
    ctx.reply.len(deleted);
    if deleted > 0 {
        ctx.tell_edit(key, KeyspaceEvents::STREAM, "xdel", deleted, false);
    }
    Ok(())
}

fn xlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<Stream, _>(&args[1], |stream, reply| reply.len(stream.map_or(0, Stream::len)))
}

fn xrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    range(ctx, args, &args[2], &args[3], Order::Ascending)
}

fn xrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    range(ctx, args, &args[3], &args[2], Order::Descending)
}

fn range(ctx: &mut Ctx<'_>, args: Args<'_>, first: &[u8], last: &[u8], order: Order) -> Result<(), ReplyError> {
    let (first, last) = (range_start(first)?, range_end(last)?);
    let mut count_max = None;
    for at in (4..args.len()).step_by(2) {
        let value = args.get(at + 1).filter(|_| args.is(at, "COUNT")).ok_or(ReplyError::Syntax)?;
        count_max = Some(count(value)?);
    }
    ctx.view_typed::<Stream, _>(&args[1], |stream, reply| match (stream, count_max) {
        (None, _) => reply.array(0),
        (Some(_), Some(0)) => reply.null_array(),
        (Some(stream), _) => {
            reply_entries(reply, stream.range(first, last, order).take(count_max.unwrap_or(usize::MAX)));
        }
    })
}

fn xsetid(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let last_id = id(&args[2], 0)?;
    let (mut added, mut max_deleted) = (None, StreamId::MIN);
    for at in (3..args.len()).step_by(2) {
        let value = args.get(at + 1).ok_or(ReplyError::Syntax)?;
        if args.is(at, "ENTRIESADDED") {
            let number = u64::try_from(integer(value)?);
            added = Some(number.map_err(|_| ReplyError::Fixed("ERR entries_added must be positive"))?);
        } else if args.is(at, "MAXDELETEDID") {
            max_deleted = id(value, 0)?;
            if last_id < max_deleted {
                return Err(ReplyError::Fixed(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(ReplyError::Syntax);
        }
    }
    let key = &args[1];
    let edited = ctx.edit_typed(key, |stream: &mut Stream, _, _| {
        check_figures(stream, last_id, added)?;
        stream.set_figures(last_id, added, max_deleted);
        Ok::<_, ReplyError>(())
    })?;
    edited.ok_or(ReplyError::NoSuchKey)?.result?;
    ctx.reply.ok();
    ctx.tell_edit(key, KeyspaceEvents::STREAM, "xsetid", 1, false);
    Ok(())
}

/// Whether figures fit the entries that are there.
fn check_figures(stream: &Stream, last_id: StreamId, added: Option<u64>) -> Result<(), ReplyError> {
    if last_id < stream.max_deleted_id() {
        return Err(ReplyError::Fixed("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"));
    }
    let Some(last) = stream.last() else { return Ok(()) };
    if last_id < last.id {
        return Err(ReplyError::Fixed("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if added.is_some_and(|added| added < stream.len() as u64) {
        return Err(ReplyError::Fixed(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    Ok(())
}

/// Writes entries.
fn reply_entries<'a>(reply: &mut Reply<'_>, entries: impl Iterator<Item = Entry<'a>>) {
    let begin = reply.begin();
    let mut len = 0;
    for entry in entries {
        reply_entry(reply, entry);
        len += 1;
    }
    reply.end_array(begin, len);
}

fn reply_entry(reply: &mut Reply<'_>, entry: Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.len);
    for (name, value) in entry.fields() {
        reply_member(reply, name);
        reply_member(reply, value);
    }
}

/// A group is not there, or not even the key.
fn no_group(key: &[u8], group: &[u8], after: &str) -> ReplyError {
    use crate::error::until_zero;
    let before = [&b"NOGROUP No such key '"[..], until_zero(key), b"' or consumer group '"].concat();
    ReplyError::text([&before, until_zero(group), b"'", after.as_bytes()].concat())
}

/// Bytes that one entry may have (`STREAM_LISTPACK_MAX_SIZE`, `t_stream.c` of 7.0).
const ENTRY_BYTES_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests;
