//! Streams: XINFO.

use super::group::no_such_group;
use super::ids::reply_id;
use super::reply_entry;
use super::trim::unix_ms;
use crate::command::keys::{Access, KeySpec, NO_KEYS};
use crate::command::spec::{LOADING, READ, STALE, Spec, data};
use crate::command::words::integer;
use crate::command::{Ctx, DataFn, unknown_form};
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::stream::{Consumer, Group, Stream, StreamId};

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("CONSUMERS", 4, READ, KEY, consumers as DataFn).tips(&["nondeterministic_output"]),
    data("GROUPS", 3, READ, KEY, groups),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, help),
    data("STREAM", -3, READ, KEY, stream),
];

const KEY: &[KeySpec] = &[KeySpec::one(2, Access::RO.and(Access::ACCESS))];

fn view<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    view: impl FnOnce(&Stream, &mut Reply<'_>) -> Result<R, ReplyError>,
) -> Result<R, ReplyError> {
    ctx.view_typed::<Stream, _>(key, |stream, reply| view(stream.ok_or(ReplyError::NoSuchKey)?, reply))?
}

fn consumers(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let now = unix_ms(ctx.now);
    view(ctx, &args[2], |stream, reply| {
        let group = stream.group(&args[3]).ok_or_else(|| no_such_group(&args[2], &args[3]))?;
        reply.array(group.consumers_len());
        for consumer in group.consumers() {
            reply.map(4);
            reply.bulk(b"name");
            reply.bulk(consumer.name());
            reply.bulk(b"pending");
            reply.len(consumer.pending_len());
            reply.bulk(b"idle");
            reply.int(now.saturating_sub(consumer.seen_at).max(0));
            reply.bulk(b"inactive");
            reply.int(match consumer.active_at {
                -1 => -1,
                active_at => now.saturating_sub(active_at).max(0),
            });
        }
        Ok(())
    })
}

fn groups(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    view(ctx, &args[2], |stream, reply| {
        reply.array(stream.groups_len());
        for (name, group) in stream.groups() {
            reply.map(6);
            reply.bulk(b"name");
            reply.bulk(name);
            reply.bulk(b"consumers");
            reply.len(group.consumers_len());
            reply.bulk(b"pending");
            reply.len(group.pending_len());
            reply_progress(reply, stream, group);
        }
        Ok(())
    })
}

/// How far a group has come.
fn reply_progress(reply: &mut Reply<'_>, stream: &Stream, group: &Group) {
    reply_id_as(reply, b"last-delivered-id", group.last_id);
    reply.bulk(b"entries-read");
    reply_known(reply, group.entries_read.map(u64::cast_signed));
    reply.bulk(b"lag");
    reply_known(reply, stream.lag(group));
}

fn reply_known(reply: &mut Reply<'_>, number: Option<i64>) {
    match number {
        None => reply.null(),
        Some(number) => reply.int(number),
    }
}

fn reply_id_as(reply: &mut Reply<'_>, name: &[u8], id: StreamId) {
    reply.bulk(name);
    reply_id(reply, id);
}

fn stream(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    view(ctx, &args[2], |stream, reply| {
        // The words are looked at only when there is a stream.
        match listed(args)? {
            None => reply_overview(reply, stream),
            Some(listed) => reply_full(reply, stream, listed),
        }
        Ok(())
    })
}

/// How many entries of each kind FULL lists; nothing without that word.
fn listed(args: Args<'_>) -> Result<Option<usize>, ReplyError> {
    Ok(match args.len() {
        3 => None,
        4 if args.is(3, "FULL") => Some(LISTED_DEFAULT),
        6 if args.is(3, "FULL") && args.is(4, "COUNT") => Some(match integer(&args[5])? {
            0 => usize::MAX,
            count => usize::try_from(count).unwrap_or(LISTED_DEFAULT),
        }),
        _ => return Err(unknown_form("XINFO", &args[1])),
    })
}

fn reply_overview(reply: &mut Reply<'_>, stream: &Stream) {
    reply.map(10);
    reply_figures(reply, stream);
    reply.bulk(b"groups");
    reply.len(stream.groups_len());
    for (name, entry) in [(&b"first-entry"[..], stream.iter().next()), (b"last-entry", stream.last())] {
        reply.bulk(name);
        match entry {
            None => reply.null(),
            Some(entry) => reply_entry(reply, entry),
        }
    }
}

/// The figures that both forms of XINFO STREAM begin with.
fn reply_figures(reply: &mut Reply<'_>, stream: &Stream) {
    reply.bulk(b"length");
    reply.len(stream.len());
    reply.bulk(b"radix-tree-keys");
    reply.len(stream.block_count());
    reply.bulk(b"radix-tree-nodes");
    reply.len(tree_nodes(stream));
    reply_id_as(reply, b"last-generated-id", stream.last_id());
    reply_id_as(reply, b"max-deleted-entry-id", stream.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.int(stream.entries_added().cast_signed());
    reply_id_as(reply, b"recorded-first-entry-id", stream.first_id());
}

fn reply_full(reply: &mut Reply<'_>, stream: &Stream, listed: usize) {
    reply.map(9);
    reply_figures(reply, stream);
    reply.bulk(b"entries");
    super::reply_entries(reply, stream.iter().take(listed));
    reply.bulk(b"groups");
    reply.array(stream.groups_len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        reply_progress(reply, stream, group);
        reply.bulk(b"pel-count");
        reply.len(group.pending_len());
        reply.bulk(b"pending");
        reply.array(group.pending_len().min(listed));
        for (id, pending) in group.pending_range(StreamId::MIN, StreamId::MAX).take(listed) {
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(group.consumer(pending.consumer).map_or(b"", Consumer::name));
            reply.int(pending.delivered_at);
            reply.int(pending.deliveries.cast_signed());
        }
        reply.bulk(b"consumers");
        reply.array(group.consumers_len());
        group.consumers().for_each(|consumer| reply_consumer(reply, group, consumer, listed));
    }
}

fn reply_consumer(reply: &mut Reply<'_>, group: &Group, consumer: &Consumer, listed: usize) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.int(consumer.seen_at);
    reply.bulk(b"active-time");
    reply.int(consumer.active_at);
    reply.bulk(b"pel-count");
    reply.len(consumer.pending_len());
    reply.bulk(b"pending");
    reply.array(consumer.pending_len().min(listed));
    for id in consumer.pending_ids().take(listed) {
        reply.array(3);
        reply_id(reply, id);
        let pending = group.pending(id);
        reply.int(pending.map_or(0, |pending| pending.delivered_at));
        reply.int(pending.map_or(0, |pending| pending.deliveries.cast_signed()));
    }
}

/// Nodes that the radix tree of the reference has for these blocks: ours lie in another tree.
///
/// Counted for the first blocks of a long stream, and taken to go on so: the figure is not worth a walk.
fn tree_nodes(stream: &Stream) -> usize {
    let ids: Vec<[u8; 16]> = stream.blocks_with_ids().take(TREE_BLOCKS_MAX).map(|(id, _)| id.to_bytes()).collect();
    let counted = count_nodes(&ids);
    if stream.block_count() > ids.len() { counted * stream.block_count() / ids.len() } else { counted }
}

/// Nodes of a radix tree of these keys, which are in order: a leaf for each, a branching wherever neighbours part, and
/// one for the bytes, if any, that lead from a branching to the next node.
fn count_nodes(ids: &[[u8; 16]]) -> usize {
    let shared = |(one, other): (&[u8; 16], &[u8; 16])| one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let edge = |above: Option<usize>, end: usize| usize::from(end > above.map_or(0, |depth| depth + 1));
    // How deep the branchings are that enclose the key, outermost first.
    let mut open: Vec<usize> = Vec::new();
    let mut nodes = 0;
    let mut before = None;
    for (at, id) in ids.iter().enumerate() {
        let after = ids.get(at + 1).map(|next| shared((id, next)));
        nodes += 1 + edge(before.max(after), id.len());
        while let Some(depth) = open.pop_if(|depth| after.is_none_or(|after| *depth > after)) {
            nodes += 1 + edge(open.last().copied().max(after), depth);
        }
        if let Some(after) = after.filter(|after| open.last() != Some(after)) {
            open.push(after);
        }
        before = after;
    }
    // A tree without keys has a root all the same.
    nodes.max(1)
}

fn help(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    crate::command::help::reply(
        &mut ctx.reply,
        "XINFO",
        &[
            ("CONSUMERS <key> <groupname>", "Lists the consumers of a group."),
            ("GROUPS <key>", "Lists the groups of a stream."),
            ("STREAM <key> [FULL [COUNT <count>]]", "Tells about a stream; FULL lists entries and groups."),
        ],
    );
    Ok(())
}

/// Entries that XINFO STREAM FULL lists where nothing else is said.
const LISTED_DEFAULT: usize = 10;

/// Blocks that are looked at to tell how many nodes a radix tree would have.
const TREE_BLOCKS_MAX: usize = 1000;
