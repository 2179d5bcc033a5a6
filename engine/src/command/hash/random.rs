//! Hashes: random fields.

use super::{reply_name, reply_value, sight_to_read};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::{Protocol, Reply};
use crate::value::hash::{Field, Hash};

pub(super) fn hrandfield(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (mut rng, sight) = (ctx.core.rng.fork(), sight_to_read(ctx));
    if args.len() == 2 {
        return ctx.view_typed::<Hash, _>(&args[1], |hash, reply| {
            match hash.and_then(|hash| hash.random(&mut rng, sight)) {
                None => reply.null(),
                Some(field) => reply_name(reply, &field),
            }
        });
    }
    let pick = Pick::parse(args)?;
    ctx.view_typed::<Hash, _>(&args[1], |hash, reply| {
        let (Some(hash), len) = (hash, hash.map_or(0, |hash| hash.seen_len(sight))) else {
            reply.array(0);
            return;
        };
        if len == 0 {
            reply.array(0);
        } else if let Ok(count) = u64::try_from(pick.count) {
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(len);
            pick.begin(reply, count);
            hash.sample(&mut rng, count, sight, |field| pick.show(reply, &field));
        } else {
            let count = pick.count.unsigned_abs();
            pick.begin(reply, count as usize);
            hash.repeat(&mut rng, count, sight, |field| pick.show(reply, &field));
        }
    })
}

/// What the client wants.
#[derive(Debug, Clone, Copy)]
struct Pick {
    /// So many different fields; if negative, so many with repetitions.
    count: i64,
    with_values: bool,
}

impl Pick {
    fn parse(args: Args<'_>) -> Result<Self, ReplyError> {
        let count = integer(&args[2])?;
        if count == i64::MIN {
            return Err(OUT_OF_RANGE);
        }
        let with_values = args.len() == 4 && args.is(3, "WITHVALUES");
        if args.len() > 3 && !with_values {
            return Err(ReplyError::Syntax);
        }
        if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(ReplyError::Fixed("ERR value is out of range"));
        }
        if count < -REPEATS_MAX {
            return Err(OUT_OF_RANGE);
        }
        Ok(Self { count, with_values })
    }

    /// Begins the reply. Pairs are arrays of their own in RESP3 only.
    fn begin(self, reply: &mut Reply<'_>, fields: usize) {
        let is_flat = self.with_values && reply.protocol() == Protocol::Resp2;
        reply.array(if is_flat { 2 * fields } else { fields });
    }

    fn show(self, reply: &mut Reply<'_>, field: &Field<'_>) {
        if self.with_values && reply.protocol() == Protocol::Resp3 {
            reply.array(2);
        }
        reply_name(reply, field);
        if self.with_values {
            reply_value(reply, Some(field.value));
        }
    }
}

const OUT_OF_RANGE: ReplyError =
    ReplyError::Fixed("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");

/// Repetitions one reply has at most, as for SRANDMEMBER; Redis would go on until memory ends.
const REPEATS_MAX: i64 = 1 << 26;
