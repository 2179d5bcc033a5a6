//! The data side of server commands: whole databases, time, memory of a key.
//!
//! Commands about the process, its clients and its files are the host's. It may add subcommands to MEMORY; see
//! [`Registry::add_host`](super::Registry::add_host).

use super::keys::NO_KEYS;
use super::memory;
use super::spec::{Categories, FAST, LOADING, READ, STALE, Spec, WRITE, container, data};
use super::words::{checked_database, integer, integer32};
use super::{Ctx, DataFn, introspect};
use crate::error::ReplyError;
use crate::resp::args::Args;

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("COMMAND", -1, LOADING.and(STALE), NO_KEYS, introspect::command as DataFn)
        .tips(&["nondeterministic_output_order"])
        .acl(Categories::CONNECTION)
        .subcommands(introspect::ROWS),
    data("DBSIZE", 1, READ.and(FAST), NO_KEYS, dbsize as DataFn)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .acl(Categories::KEYSPACE),
    data("FLUSHALL", -1, WRITE, NO_KEYS, flushall as DataFn).tips(EVERYWHERE).acl(FLUSH_CATEGORIES),
    data("FLUSHDB", -1, WRITE, NO_KEYS, flushdb as DataFn).tips(EVERYWHERE).acl(FLUSH_CATEGORIES),
    data("LOLWUT", -1, READ.and(FAST), NO_KEYS, lolwut),
    container("MEMORY", memory::ROWS),
    data("SWAPDB", 3, WRITE.and(FAST), NO_KEYS, swapdb as DataFn).acl(FLUSH_CATEGORIES),
    data("TIME", 1, LOADING.and(STALE).and(FAST), NO_KEYS, time as DataFn).tips(&["nondeterministic_output"]),
];

const EVERYWHERE: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const FLUSH_CATEGORIES: Categories = Categories::KEYSPACE.and(Categories::DANGEROUS);

fn dbsize(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    let keys = ctx.core.keyspace.db(ctx.session.db).len();
    ctx.reply.len(keys);
    Ok(())
}

fn flushdb(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    check_flush_mode(args)?;
    let db = ctx.db();
    ctx.core.touch_flushed(ctx.now, |other| other == db);
    let keys = ctx.core.keyspace.flush(db);
    finish_flush(ctx, keys);
    Ok(())
}

fn flushall(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    check_flush_mode(args)?;
    ctx.core.touch_flushed(ctx.now, |_| true);
    let keys = ctx.core.keyspace.flush_all();
    ctx.core.all_flushed = true;
    finish_flush(ctx, keys);
    Ok(())
}

/// `ASYNC` and `SYNC` are the same here: the tables go at once, their memory in slices.
fn check_flush_mode(args: Args<'_>) -> Result<(), ReplyError> {
    match args.len() {
        1 => Ok(()),
        2 if args.is(1, "ASYNC") || args.is(1, "SYNC") => Ok(()),
        _ => Err(ReplyError::Syntax),
    }
}

/// Whoever follows may have keys that this side has not: the command is repeated even for an empty database.
fn finish_flush(ctx: &mut Ctx<'_>, keys: usize) {
    ctx.count_changes(keys as u64);
    ctx.repeat_anyway();
    ctx.reply.ok();
}

fn swapdb(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if ctx.core.config.cluster_enabled {
        return Err(ReplyError::Fixed("ERR SWAPDB is not allowed in cluster mode"));
    }
    let one = integer32(&args[1]).map_err(|_| ReplyError::Fixed("ERR invalid first DB index"))?;
    let other = integer32(&args[2]).map_err(|_| ReplyError::Fixed("ERR invalid second DB index"))?;
    let databases = ctx.core.keyspace.databases();
    let (one, other) = (checked_database(one, databases)?, checked_database(other, databases)?);
    if one != other {
        ctx.core.touch_swapped(ctx.now, one, other);
        ctx.core.keyspace.swap(one, other);
        ctx.core.look_for_awaited();
    }
    ctx.count_changes(1);
    ctx.reply.ok();
    Ok(())
}

fn time(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    let micros = ctx.now.unix.micros();
    ctx.reply.array(2);
    ctx.reply.bulk_int(micros.div_euclid(1_000_000));
    ctx.reply.bulk_int(micros.rem_euclid(1_000_000));
    Ok(())
}

/// A mesh of slots, some of them taken, and the version. `VERSION <n>` is read as in Redis; there is one picture for
/// all of them. Two numbers behind it are its columns and rows.
fn lolwut(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let mut first = 1;
    if args.is(1, "VERSION") && args.len() > 2 {
        integer32(&args[2])?;
        first = 3;
    }
    let size = |index: usize, default: i64, max: i64| {
        args.get(index).map_or(Ok(default), integer).map(|size| size.clamp(1, max))
    };
    let columns = size(first, LOLWUT_COLUMNS, LOLWUT_COLUMNS_MAX)?;
    let rows = size(first + 1, LOLWUT_ROWS, LOLWUT_ROWS_MAX)?;
    let mut picture = String::new();
    for row in 0..rows {
        for _ in 0..columns {
            picture.push_str(if ctx.core.rng.chance(LOLWUT_TAKEN_PERCENT) { "o" } else { "." });
            picture.push_str(if row % 2 == 0 { "--" } else { "  " });
        }
        picture.truncate(picture.trim_end_matches([' ', '-']).len());
        picture.push('\n');
    }
    picture.push_str("\nRedis ver. ");
    picture.push_str(&ctx.core.config.slotmesh_version);
    picture.push('\n');
    ctx.reply.verbatim(b"txt", picture.as_bytes());
    Ok(())
}

const LOLWUT_COLUMNS: i64 = 20;
const LOLWUT_ROWS: i64 = 7;
/// Bound of a client's wish; a line of text.
const LOLWUT_COLUMNS_MAX: i64 = 80;
/// Bound of a client's wish; a screen of text.
const LOLWUT_ROWS_MAX: i64 = 50;
const LOLWUT_TAKEN_PERCENT: u8 = 30;
