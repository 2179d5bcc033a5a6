//! Strings: DELIFEQ and MSETEX, which write under a condition.

use super::store::{Condition, Form, Options, is_equal, repeat_with_expiry, store};
use crate::command::Ctx;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::Expiry;
use crate::number::parse_i64;
use crate::resp::args::Args;

pub(super) fn delifeq(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let removed = is_equal(ctx, key, &args[2])? && ctx.remove(key);
    if removed {
        // The comparison was made: whoever repeats the command, Redis 7.0 too, need not know of it.
        ctx.rewrite(&[b"DEL", key]);
        ctx.notify(KeyspaceEvents::GENERIC, "del", key);
    }
    ctx.reply.int(i64::from(removed));
    Ok(())
}

pub(super) fn msetex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let count = parse_i64(&args[1]).and_then(|count| i32::try_from(count).ok()).filter(|&count| count > 0);
    let count = count.ok_or(ReplyError::Fixed("ERR invalid numkeys value or out of range"))? as usize;
    let end = 2 + 2 * count;
    if end > args.len() {
        return Err(ReplyError::Syntax);
    }
    let options = Options::parse(args, end, Form::MSetEx)?;
    let expiry = options.expiry(ctx, args, "msetex")?;
    let pairs = (2..end).step_by(2);
    let mut keys = pairs.clone().map(|index| &args[index]);
    let is_met = match options.condition {
        Some(Condition::Absent) => !keys.any(|key| ctx.exists_to_write(key)),
        Some(Condition::Present) => keys.all(|key| ctx.exists_to_write(key)),
        Some(Condition::EqualTo(_)) | None => true,
    };
    if is_met {
        for index in pairs {
            let (key, value) = (&args[index], &args[index + 1]);
            store(ctx, key, value, expiry);
            repeat(ctx, key, value, expiry);
        }
    }
    ctx.reply.int(i64::from(is_met));
    Ok(())
}

/// Has one pair repeated as a SET, which Redis 7.0 knows too; those of one command form a transaction.
fn repeat(ctx: &mut Ctx<'_>, key: &[u8], value: &[u8], expiry: Expiry) {
    match expiry {
        Expiry::At(at) => repeat_with_expiry(ctx, key, value, at),
        Expiry::Keep => ctx.rewrite(&[b"SET", key, value, b"KEEPTTL"]),
        Expiry::Never => ctx.rewrite(&[b"SET", key, value]),
    }
}
