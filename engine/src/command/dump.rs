//! DUMP and RESTORE: one value as a portable payload.

use bytes::Bytes;

use super::Ctx;
use super::words::integer;
use crate::access;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{Expiry, UnixMillis};
use crate::parcel;
use crate::rdb::dump::{Demands, RestoreError, restore as read_payload};
use crate::rdb::writer::Checksum;
use crate::resp::args::Args;

pub(super) fn dump(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let compress = parcel::compress(&ctx.core.config);
    ctx.view(&args[1], |entry, reply| match entry {
        None => reply.null(),
        Some(entry) => reply.bulk_shared(Bytes::from(parcel::payload(entry, compress))),
    });
    Ok(())
}

/// What RESTORE takes behind the payload.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    replace: bool,
    is_absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, ReplyError> {
        let mut options = Self::default();
        let mut index = 4;
        while index < args.len() {
            let has_value = index + 1 < args.len();
            if args.is(index, "REPLACE") {
                options.replace = true;
            } else if args.is(index, "ABSTTL") {
                options.is_absolute = true;
            } else if args.is(index, "IDLETIME") && has_value && options.frequency.is_none() {
                index += 1;
                let idle = u64::try_from(integer(&args[index])?);
                let error = ReplyError::Fixed("ERR Invalid IDLETIME value, must be >= 0");
                options.idle_seconds = Some(idle.map_err(|_| error)?);
            } else if args.is(index, "FREQ") && has_value && options.idle_seconds.is_none() {
                index += 1;
                let frequency = u8::try_from(integer(&args[index])?);
                let error = ReplyError::Fixed("ERR Invalid FREQ value, must be >= 0 and <= 255");
                options.frequency = Some(frequency.map_err(|_| error)?);
            } else {
                return Err(ReplyError::Syntax);
            }
            index += 1;
        }
        Ok(options)
    }
}

pub(super) fn restore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, payload) = (&args[1], &args[3]);
    let options = Options::parse(args)?;
    if !options.replace && ctx.exists_to_write(key) {
        return Err(ReplyError::BusyKey);
    }
    let ttl = integer(&args[2])?;
    if ttl < 0 {
        return Err(ReplyError::Fixed("ERR Invalid TTL value, must be >= 0"));
    }
    let mut scratch = Vec::new();
    let checksum = if ctx.core.debug.skip_checksum_validation { Checksum::No } else { Checksum::Yes };
    let demands = Demands { checksum, string_bytes_max: ctx.core.config.proto_max_bulk_len };
    let value = read_payload(payload, demands, &mut scratch, ctx.core.rules()).map_err(refusal)?.into();
    let now = if options.is_absolute { 0 } else { ctx.now.unix.millis() };
    let expiry = (ttl > 0).then(|| UnixMillis(ttl.saturating_add(now)));
    if expiry.is_some_and(|at| ctx.is_gone_at(at)) {
        return restore_nothing(ctx, key, options);
    }
    if options.replace {
        ctx.discard(key);
    }
    ctx.set(key, value, expiry.map_or(Expiry::Never, Expiry::At));
    use_options(ctx, key, options);
    repeat(ctx, args, expiry, options);
    ctx.notify(KeyspaceEvents::GENERIC, "restore", key);
    ctx.reply.ok();
    Ok(())
}

/// The value has expired on its way: what it would have replaced is gone all the same.
fn restore_nothing(ctx: &mut Ctx<'_>, key: &[u8], options: Options) -> Result<(), ReplyError> {
    if options.replace && ctx.remove(key) {
        let verb: &[u8] = if ctx.core.config.lazyfree_lazy_server_del { b"UNLINK" } else { b"DEL" };
        ctx.rewrite(&[verb, key]);
        ctx.notify(KeyspaceEvents::GENERIC, "del", key);
    }
    ctx.reply.ok();
    Ok(())
}

/// The access bits the payload's owner had; the kind that the policy does not use is ignored, as in Redis.
fn use_options(ctx: &mut Ctx<'_>, key: &[u8], options: Options) {
    let bits = access::told(options.idle_seconds, options.frequency, ctx.now, &ctx.core.config);
    if let (Some(bits), Some(entry)) = (bits, ctx.peek(key)) {
        entry.set_access(bits);
    }
}

fn repeat(ctx: &mut Ctx<'_>, args: Args<'_>, expiry: Option<UnixMillis>, options: Options) {
    let Some(at) = expiry.filter(|_| !options.is_absolute) else { return };
    let mut digits = itoa::Buffer::new();
    let mut words: Vec<&[u8]> = args.iter().collect();
    words[2] = digits.format(at.0).as_bytes();
    words.push(b"ABSTTL");
    ctx.rewrite(&words);
}

fn refusal(error: RestoreError) -> ReplyError {
    match error {
        RestoreError::Footer => ReplyError::Fixed("ERR DUMP payload version or checksum are wrong"),
        RestoreError::Value => ReplyError::Fixed("ERR Bad data format"),
    }
}
