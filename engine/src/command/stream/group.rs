//! Streams: XGROUP.

use super::ids::{id, id_or_edge};
use super::trim::unix_ms;
use crate::command::keys::{Access, KeySpec, NO_KEYS};
use crate::command::spec::{DENY_OOM, LOADING, STALE, Spec, WRITE, data};
use crate::command::words::integer;
use crate::command::{Ctx, DataFn, unknown_form};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::{ReplyError, until_zero};
use crate::resp::args::Args;
use crate::value::Typed;
use crate::value::stream::{Group, Stream};

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("CREATE", -5, WRITE.and(DENY_OOM), INSERT_KEY, create as DataFn),
    data("CREATECONSUMER", 5, WRITE.and(DENY_OOM), INSERT_KEY, create_consumer),
    data("DELCONSUMER", 5, WRITE, DELETE_KEY, delete_consumer),
    data("DESTROY", 4, WRITE, DELETE_KEY, destroy),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, help),
    data("SETID", -5, WRITE, UPDATE_KEY, set_id),
];

const INSERT_KEY: &[KeySpec] = &[KeySpec::one(2, Access::RW.and(Access::INSERT))];
const DELETE_KEY: &[KeySpec] = &[KeySpec::one(2, Access::RW.and(Access::DELETE))];
const UPDATE_KEY: &[KeySpec] = &[KeySpec::one(2, Access::RW.and(Access::UPDATE))];

/// The options behind the id of CREATE and SETID.
#[derive(Debug, Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn read(args: Args<'_>, may_make_stream: bool) -> Result<Self, ReplyError> {
        let mut options = Self::default();
        let mut at = 5;
        while at < args.len() {
            if may_make_stream && args.is(at, "MKSTREAM") {
                options.makes_stream = true;
            } else if args.is(at, "ENTRIESREAD") && at + 1 < args.len() {
                at += 1;
                options.entries_read = match integer(&args[at])? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| BAD_ENTRIES_READ)?),
                };
            } else {
                return Err(unknown_form("XGROUP", &args[1]));
            }
            at += 1;
        }
        Ok(options)
    }
}

fn create(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let options = Options::read(args, true)?;
    let (key, name) = (&args[2], &args[3]);
    let place = |stream: &Stream| match &args[4] {
        b"$" => Ok(stream.last_id()),
        word => id(word, 0),
    };
    let add = |stream: &mut Stream| {
        if args.len() > CREATE_WORDS_MAX {
            return Err(unknown_form("XGROUP", &args[1]));
        }
        let group = Group::new(place(stream)?, options.entries_read);
        if stream.create_group(name, group) { Ok(()) } else { Err(BUSY_GROUP) }
    };
    if options.makes_stream {
        ctx.edit_or_create(key, |stream: &mut Stream, _, _| add(stream))?.result?;
    } else {
        ctx.edit_typed(key, |stream: &mut Stream, _, _| add(stream))?.ok_or(NO_KEY)?.result?;
    }
    ctx.reply.ok();
    ctx.tell_edit(key, KeyspaceEvents::STREAM, "xgroup-create", 1, false);
    Ok(())
}

fn set_id(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let options = Options::read(args, false)?;
    edit_group(ctx, args, |stream, name| {
        if !matches!(args.len(), 5 | 7) {
            return Err(unknown_form("XGROUP", &args[1]));
        }
        let last_id = match &args[4] {
            b"$" => stream.last_id(),
            word => id_or_edge(word, 0)?,
        };
        stream.edit_group(name, |group| {
            group.last_id = last_id;
            group.entries_read = options.entries_read;
        });
        Ok(())
    })?;
    ctx.reply.ok();
    ctx.tell_edit(&args[2], KeyspaceEvents::STREAM, "xgroup-setid", 1, false);
    Ok(())
}

fn destroy(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, name) = (&args[2], &args[3]);
    let edited = ctx.edit_typed(key, |stream: &mut Stream, _, _| stream.remove_group(name))?;
    let Some(removed) = edited.ok_or(NO_KEY)?.result else {
        ctx.reply.int(0);
        return Ok(());
    };
    ctx.core.keyspace.discard_object(removed.into_object());
    ctx.reply.int(1);
    ctx.tell_edit(key, KeyspaceEvents::STREAM, "xgroup-destroy", 1, false);
    // Who waits for entries of this group is told that it is gone.
    ctx.key_came(key);
    Ok(())
}

fn create_consumer(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let now = unix_ms(ctx.now);
    let is_new = edit_group(ctx, args, |stream, name| {
        Ok(stream.edit_group(name, |group| group.create(&args[4], now).is_some()) == Some(true))
    })?;
    ctx.reply.int(i64::from(is_new));
    if is_new {
        ctx.tell_edit(&args[2], KeyspaceEvents::STREAM, "xgroup-createconsumer", 1, false);
    }
    Ok(())
}

fn delete_consumer(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let pending =
        edit_group(ctx, args, |stream, name| Ok(stream.edit_group(name, |group| group.remove(&args[4])).flatten()))?;
    ctx.reply.len(pending.unwrap_or(0));
    if pending.is_some() {
        ctx.tell_edit(&args[2], KeyspaceEvents::STREAM, "xgroup-delconsumer", 1, false);
    }
    Ok(())
}

/// Lends a stream whose group must be there.
fn edit_group<R>(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    edit: impl FnOnce(&mut Stream, &[u8]) -> Result<R, ReplyError>,
) -> Result<R, ReplyError> {
    let (key, name) = (&args[2], &args[3]);
    let edited = ctx.edit_typed(key, |stream: &mut Stream, _, _| match stream.group(name) {
        Some(_) => edit(stream, name),
        None => Err(no_such_group(key, name)),
    })?;
    edited.ok_or(NO_KEY)?.result
}

/// The key is there, but it has no such group.
pub(super) fn no_such_group(key: &[u8], group: &[u8]) -> ReplyError {
    let before = [&b"NOGROUP No such consumer group '"[..], until_zero(group), b"' for key name '"].concat();
    ReplyError::text([&before, until_zero(key), b"'"].concat())
}

fn help(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    crate::command::help::reply(
        &mut ctx.reply,
        "XGROUP",
        &[
            (
                "CREATE <key> <groupname> <id|$> [MKSTREAM] [ENTRIESREAD <entries_read>]",
                "Makes a group that reads on behind an id; MKSTREAM makes the stream, too.",
            ),
            ("CREATECONSUMER <key> <groupname> <consumer>", "Makes a consumer of a group."),
            ("DELCONSUMER <key> <groupname> <consumer>", "Removes a consumer with all it has not acknowledged."),
            ("DESTROY <key> <groupname>", "Removes a group."),
            ("SETID <key> <groupname> <id|$> [ENTRIESREAD <entries_read>]", "Has a group read on behind another id."),
        ],
    );
    Ok(())
}

/// Words of the longest CREATE (`xgroupCommand`, `t_stream.c` of 7.0).
const CREATE_WORDS_MAX: usize = 8;

const BUSY_GROUP: ReplyError = ReplyError::Fixed("BUSYGROUP Consumer Group name already exists");
const BAD_ENTRIES_READ: ReplyError = ReplyError::Fixed("ERR value for ENTRIESREAD must be positive or -1");
const NO_KEY: ReplyError = ReplyError::Fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);
