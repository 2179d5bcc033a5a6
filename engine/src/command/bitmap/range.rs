//! BITCOUNT and BITPOS: counting and searching the bits of a range.

use std::ops::Range;

use crate::command::Ctx;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::keyspace::Entry;
use crate::resp::args::Args;
use crate::value::bits;

/// What the two ends of a range count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bit,
    Byte,
}

impl Unit {
    /// The unit that the word at `index` names; bytes, when there is no such word.
    fn parse(args: Args<'_>, index: usize) -> Result<Self, ReplyError> {
        match args.get(index) {
            None => Ok(Self::Byte),
            Some(_) if args.is(index, "BIT") => Ok(Self::Bit),
            Some(_) if args.is(index, "BYTE") => Ok(Self::Byte),
            Some(_) => Err(ReplyError::Syntax),
        }
    }
}

/// The part of a string that the words name: both ends inclusive, negative from the end.
#[derive(Debug, Clone, Copy)]
struct Part {
    first: i64,
    last: i64,
    unit: Unit,
}

impl Part {
    const ALL: Self = Self { first: 0, last: -1, unit: Unit::Byte };

    /// The bits of this part of a string of `len` bytes.
    fn bits(self, len: usize) -> Range<u64> {
        let scale = if self.unit == Unit::Bit { 1 } else { 8 };
        let total = len as i64 * 8 / scale;
        let from_end = |index: i64| if index < 0 { (total + index).max(0) } else { index };
        let (first, last) = (from_end(self.first), from_end(self.last).min(total - 1));
        if first > last { 0..0 } else { (first * scale) as u64..((last + 1) * scale) as u64 }
    }

    /// Whether both ends are counted from the end and in the wrong order: nothing, although both may clamp to the
    /// first unit.
    fn is_backward(self) -> bool {
        self.first < 0 && self.last < 0 && self.first > self.last
    }
}

pub(super) fn bitcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let mut part = Part::ALL;
    if let Some(first) = args.get(2) {
        if args.len() > 5 {
            return Err(ReplyError::Syntax);
        }
        part.first = integer(first)?;
        part.unit = Unit::parse(args, 4)?;
        part.last = args.get(3).map_or(Ok(-1), integer)?;
    }
    ctx.view(&args[1], |entry, reply| {
        let count =
            with_bytes(entry, |bytes| if part.is_backward() { 0 } else { bits::count(bytes, part.bits(bytes.len())) })?;
        reply.int(count as i64);
        Ok(())
    })
}

pub(super) fn bitpos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let bit = match integer(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(ReplyError::Fixed("ERR The bit argument must be 1 or 0.")),
    };
    let mut part = Part::ALL;
    if let Some(first) = args.get(3) {
        if args.len() > 6 {
            return Err(ReplyError::Syntax);
        }
        part.first = integer(first)?;
        part.unit = Unit::parse(args, 5)?;
        part.last = args.get(4).map_or(Ok(-1), integer)?;
    }
    let ends_open = args.len() < 5;
    ctx.view(&args[1], |entry, reply| {
        let Some(entry) = entry else {
            reply.int(if bit { -1 } else { 0 });
            return Ok(());
        };
        let found = with_bytes(Some(entry), |bytes| {
            let range = part.bits(bytes.len());
            // Without a given end, zeros without end follow what was searched.
            let behind = (!bit && ends_open && !range.is_empty()).then_some(range.end);
            bits::position(bytes, range, bit).or(behind)
        })?;
        reply.int(found.map_or(-1, |position| position as i64));
        Ok(())
    })
}

/// Lends the bytes of a string; those of a key that is not there are none.
fn with_bytes<R>(entry: Option<&Entry>, view: impl FnOnce(&[u8]) -> R) -> Result<R, ReplyError> {
    let mut digits = itoa::Buffer::new();
    match entry {
        None => Ok(view(b"")),
        Some(entry) => entry.value().string_bytes(&mut digits).map(view).ok_or(ReplyError::WrongType),
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Unit};

    #[test]
    fn parts_clamp_to_the_string() {
        let bytes = |first, last| Part { first, last, unit: Unit::Byte }.bits(5);
        let bits = |first, last| Part { first, last, unit: Unit::Bit }.bits(5);

        assert_eq!(bytes(0, -1), 0..40);
        assert_eq!(bytes(1, 3), 8..32);
        assert_eq!(bytes(-1, 100), 32..40);
        assert_eq!(bytes(i64::MIN, i64::MAX), 0..40);
        assert_eq!(bytes(3, 1), 0..0);
        assert_eq!(bytes(5, 9), 0..0);
        assert_eq!(bits(3, 3), 3..4);
        assert_eq!(bits(-1, -1), 39..40);
        assert_eq!(Part::ALL.bits(0), 0..0);
    }
}
