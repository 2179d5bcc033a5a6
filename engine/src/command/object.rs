//! OBJECT: how a value is stored and used.

use super::keys::{Access, KeySpec, NO_KEYS};
use super::spec::{Categories, LOADING, READ, STALE, Spec, data};
use super::{Ctx, DataFn};
use crate::access;
use crate::config::choices::MaxmemoryPolicy;
use crate::error::ReplyError;
use crate::keyspace::{Entry, StringEncoding, ValueRef};
use crate::resp::args::Args;

const KEY: &[KeySpec] = &[KeySpec::one(2, Access::RO)];
const CHANGING: &[&str] = &["nondeterministic_output"];

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("ENCODING", 3, READ, KEY, encoding as DataFn).tips(CHANGING).acl(Categories::KEYSPACE),
    data("FREQ", 3, READ, KEY, freq as DataFn).tips(CHANGING).acl(Categories::KEYSPACE),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, help as DataFn).acl(Categories::KEYSPACE),
    data("IDLETIME", 3, READ, KEY, idletime as DataFn).tips(CHANGING).acl(Categories::KEYSPACE),
    data("REFCOUNT", 3, READ, KEY, refcount as DataFn).tips(CHANGING).acl(Categories::KEYSPACE),
];

fn encoding(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.inspect_quietly(&args[2], |entry, reply| match entry {
        None => reply.null(),
        Some(entry) => reply.bulk(encoding_name(entry).as_bytes()),
    });
    Ok(())
}

/// The name of the form a value is stored in.
pub(crate) fn encoding_name(entry: &Entry) -> &'static str {
    match entry.string_encoding() {
        Some(StringEncoding::Embedded) => "embstr",
        Some(StringEncoding::Int) => "int",
        Some(StringEncoding::Raw) => "raw",
        None => entry.value().view().map_or("raw", |view| view.encoding()),
    }
}

fn refcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let are_shared = shares_small_integers(ctx);
    ctx.inspect_quietly(&args[2], |entry, reply| match entry.map(Entry::value) {
        None => reply.null(),
        Some(ValueRef::Int(0..SHARED_INTEGERS)) if are_shared => reply.int(i64::from(i32::MAX)),
        Some(_) => reply.int(1),
    });
    Ok(())
}

/// Whether Redis would share the objects of small integers: not while eviction needs access bits of their own.
fn shares_small_integers(ctx: &Ctx<'_>) -> bool {
    use MaxmemoryPolicy::{AllkeysLfu, AllkeysLru, VolatileLfu, VolatileLru};
    let policy = ctx.core.config.maxmemory_policy;
    ctx.core.config.maxmemory == 0 || !matches!(policy, AllkeysLfu | AllkeysLru | VolatileLfu | VolatileLru)
}

fn idletime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let counts_uses = access::counts_uses(&ctx.core.config);
    let now = ctx.now;
    ctx.inspect_quietly(&args[2], |entry, reply| {
        let Some(entry) = entry else {
            reply.null();
            return Ok(());
        };
        if counts_uses {
            return Err(USES_COUNTED);
        }
        reply.int(i64::try_from(access::idle_seconds(entry.access(), now)).unwrap_or(i64::MAX));
        Ok(())
    })
}

fn freq(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let access = ctx.inspect_quietly(&args[2], |entry, _| entry.map(Entry::access));
    let Some(access) = access else {
        ctx.reply.null();
        return Ok(());
    };
    if !access::counts_uses(&ctx.core.config) {
        return Err(USES_NOT_COUNTED);
    }
    ctx.reply.int(i64::from(access::frequency(access, ctx.now, &ctx.core.config)));
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    super::help::reply(
        &mut ctx.reply,
        "OBJECT",
        &[
            ("ENCODING <key>", "Names the form in which the key's value is stored."),
            ("FREQ <key>", "Tells the key's use counter, which needs an LFU policy; it grows with the logarithm."),
            ("IDLETIME <key>", "Tells for how many seconds nobody has used the key."),
            ("REFCOUNT <key>", "Tells how many keys share the value."),
        ],
    );
    Ok(())
}

/// Integers below this one are shared objects in Redis (`OBJ_SHARED_INTEGERS`, `server.h` of 7.0).
const SHARED_INTEGERS: i64 = 10_000;

const USES_COUNTED: ReplyError = ReplyError::Fixed(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
     policies at runtime LRU and LFU data will take some time to adjust.",
);
const USES_NOT_COUNTED: ReplyError = ReplyError::Fixed(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
     between policies at runtime LRU and LFU data will take some time to adjust.",
);
