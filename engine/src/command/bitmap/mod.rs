//! Bitmaps: strings seen as bits. Single bits are here.
//!
//! Counting and searching are in [`range`], BITOP in [`op`],
//! BITFIELD in [`field`]. What is done to bytes is in [`bits`].

pub(super) mod field;
mod op;
mod range;

use super::keys::{Access, KeySpec, READ_ONE, UPDATE_ONE};
use super::spec::{DENY_OOM, FAST, Flags, READ, Spec, WRITE, data};
use super::string::{len_max, string_len};
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::keyspace::{EntryMut, Expiry, NewValue};
use crate::number::parse_i64;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::bits;
use field::{bitfield, bitfield_ro};
use op::bitop;
use range::{bitcount, bitpos};

const EDIT: Flags = WRITE.and(DENY_OOM);

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("BITCOUNT", -2, READ, READ_ONE, bitcount as DataFn),
    data("BITFIELD", -2, EDIT, FIELDS_OF_ONE, bitfield),
    data("BITFIELD_RO", -2, READ.and(FAST), READ_ONE, bitfield_ro),
    data("BITOP", -4, EDIT, OVERWRITE_AND_READ_EVERY, bitop),
    data("BITPOS", -3, READ, READ_ONE, bitpos),
    data("GETBIT", 3, READ.and(FAST), READ_ONE, getbit),
    data("SETBIT", 4, EDIT, UPDATE_ONE, setbit),
];

const FIELDS_OF_ONE: &[KeySpec] =
    &[KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE).and(Access::VARIABLE))
        .noting("This command allows both access and modification of the key")];
const OVERWRITE_AND_READ_EVERY: &[KeySpec] =
    &[KeySpec::one(2, Access::OW.and(Access::UPDATE)), KeySpec::every(3, 1, Access::RO.and(Access::ACCESS))];

fn getbit(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let offset = bit_offset(ctx, &args[2], None)?;
    ctx.view(&args[1], |entry, reply| {
        let mut digits = itoa::Buffer::new();
        let bytes = entry.map_or(Some(&b""[..]), |entry| entry.value().string_bytes(&mut digits));
        reply.int(i64::from(bits::get(bytes.ok_or(ReplyError::WrongType)?, offset)));
        Ok(())
    })
}

fn setbit(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let key = &args[1];
    let offset = bit_offset(ctx, &args[2], None)?;
    let bit = match parse_i64(&args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(ReplyError::Fixed("ERR bit is not an integer or out of range")),
    };
    let edited = edit_bits(ctx, key, offset, |bytes, reply| {
        let was = bits::get(bytes, offset);
        bits::put(bytes, offset, bit);
        reply.int(i64::from(was));
        was != bit
    })?;
    // A bit that was like that changes nothing, unless there was no room for it before.
    let changes = u64::from(edited.result || edited.growth != Growth::None);
    tell(ctx, key, edited.growth, changes);
    Ok(())
}

/// What an edit of bits did beside its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// The key came to be.
    Created,
    /// The string was too short.
    Extended,
    /// There was room.
    None,
}

/// What became of a string whose bits were edited.
pub(super) struct Edited<R> {
    pub(super) result: R,
    pub(super) growth: Growth,
}

/// Edits a string that reaches to the bit `last` at least; one that is not there comes to be.
pub(super) fn edit_bits<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    last: u64,
    edit: impl Fn(&mut [u8], &mut Reply<'_>) -> R,
) -> Result<Edited<R>, ReplyError> {
    let len_min = usize::try_from(last / 8 + 1).map_err(|_| BAD_OFFSET)?;
    let run = |entry: Option<EntryMut<'_>>, reply: &mut Reply<'_>| {
        let Some(mut entry) = entry else { return Ok(None) };
        let growth = if string_len(&entry)? < len_min { Growth::Extended } else { Growth::None };
        let result = entry.edit_bytes(len_min, |bytes| edit(bytes, reply)).ok_or(ReplyError::WrongType)?;
        Ok(Some(Edited { result, growth }))
    };
    if let Some(edited) = ctx.edit(key, run)? {
        return Ok(edited);
    }
    // A string of zeros would cost the memory twice: the first step makes the key, the edit the rest.
    ctx.set(key, NewValue::Str(b""), Expiry::Never);
    let edited = ctx.edit(key, run)?.ok_or(ReplyError::NoSuchKey)?;
    Ok(Edited { growth: Growth::Created, ..edited })
}

/// Tells of so many changes made by an edit of bits.
///
/// A string that grew by an edit that wrote nothing (BITFIELD with `OVERFLOW FAIL`) has changed all the same: Redis
/// does not repeat that, which leaves its replicas with another string. Here they hear of it; listeners do not.
pub(super) fn tell(ctx: &mut Ctx<'_>, key: &[u8], growth: Growth, changes: u64) {
    match growth {
        // The key's coming was counted as one change.
        Growth::Created => ctx.count_changes(changes.saturating_sub(1)),
        Growth::Extended => ctx.changed_often(key, changes.max(1)),
        Growth::None if changes > 0 => ctx.changed_often(key, changes),
        Growth::None => {}
    }
    if changes > 0 {
        ctx.notify(KeyspaceEvents::STRING, "setbit", key);
    }
}

/// The offset of a bit, within the longest string there may be.
///
/// With the width of a field, `#2` means the third field of that width. Its product wraps around as in Redis.
pub(super) fn bit_offset(ctx: &Ctx<'_>, word: &[u8], width: Option<u32>) -> Result<u64, ReplyError> {
    let (digits, width) = match (word, width) {
        ([b'#', digits @ ..], Some(width)) => (digits, i64::from(width)),
        _ => (word, 1),
    };
    let offset = parse_i64(digits).ok_or(BAD_OFFSET)?.wrapping_mul(width);
    let offset = u64::try_from(offset).map_err(|_| BAD_OFFSET)?;
    let bytes_max = (len_max(ctx) as u64).min(OBEYED_BYTES_MAX.max(ctx.core.config.proto_max_bulk_len));
    if offset / 8 < bytes_max { Ok(offset) } else { Err(BAD_OFFSET) }
}

const BAD_OFFSET: ReplyError = ReplyError::Fixed("ERR bit offset is not an integer or out of range");

/// Longest string, in bytes, that a load or the primary's stream may ask for by an offset, where this node's own
/// `proto-max-bulk-len` is lower. Four times the 1 GB that bulk strings are ever raised to.
const OBEYED_BYTES_MAX: u64 = 4 << 30;
