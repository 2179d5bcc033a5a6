//! BITFIELD: integers of any width at any bit of a string.

use super::{Growth, bit_offset, edit_bits, tell};
use crate::command::Ctx;
use crate::command::keys::Access;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::number::parse_i64;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::bits;

/// The type of a field: `i5`, `u16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    is_signed: bool,
    width: u32,
}

/// One step of a request.
#[derive(Debug, Clone, Copy)]
struct Step {
    action: Action,
    form: Form,
    offset: u64,
    overflow: Overflow,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Get,
    IncrBy(i64),
    Set(i64),
}

/// What happens to a number that its field cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overflow {
    /// The step does nothing.
    Fail,
    /// The nearest number that fits.
    Saturate,
    /// The lowest bits.
    Wrap,
}

/// On which side a number leaves the range of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Above,
    Below,
}

impl Form {
    fn parse(word: &[u8]) -> Result<Self, ReplyError> {
        let (is_signed, width_max, digits) = match word {
            [b'i', digits @ ..] => (true, 64, digits),
            [b'u', digits @ ..] => (false, 63, digits),
            _ => return Err(BAD_FORM),
        };
        let width = parse_i64(digits).filter(|width| (1..=width_max).contains(width)).ok_or(BAD_FORM)?;
        Ok(Self { is_signed, width: width as u32 })
    }

    /// The number in a field.
    fn read(self, bytes: &[u8], offset: u64) -> i64 {
        self.number_of(bits::read(bytes, offset, self.width))
    }

    /// The number that the lowest bits stand for: those of a signed field reach up to its sign.
    fn number_of(self, value: u64) -> i64 {
        let unused = 64 - self.width;
        if self.is_signed { (value << unused) as i64 >> unused } else { (value << unused >> unused) as i64 }
    }

    fn max(self) -> i64 {
        let value_bits = if self.is_signed { self.width - 1 } else { self.width };
        (u64::MAX >> 1 >> (63 - value_bits)) as i64
    }

    fn min(self) -> i64 {
        if self.is_signed { -self.max() - 1 } else { 0 }
    }

    /// Where `value + more` leaves the range. The differences wrap around as in Redis: a value far below a narrow
    /// signed field counts as above it.
    fn leaves(self, value: i64, more: i64) -> Option<Side> {
        let (room_above, room_below) = (self.max().wrapping_sub(value), self.min().wrapping_sub(value));
        // A negative number is far above an unsigned field: its bits are what is set.
        let above = value > self.max() || (!self.is_signed && value < 0);
        let below = self.is_signed && value < self.min();
        // Between numbers of 64 bits, the difference is only good for those of the same side.
        let is_narrow = self.width < 64;
        if above || ((is_narrow || value >= 0) && more > room_above && (self.is_signed || more > 0)) {
            Some(Side::Above)
        } else if below || ((is_narrow || value < 0) && more < room_below && (self.is_signed || more < 0)) {
            Some(Side::Below)
        } else {
            None
        }
    }

    /// The sum as the field shall hold it; nothing when it does not fit and the step is to fail.
    fn fit(self, value: i64, more: i64, overflow: Overflow) -> Option<i64> {
        let sum = value.wrapping_add(more);
        match (self.leaves(value, more), overflow) {
            (None, _) => Some(sum),
            (Some(_), Overflow::Fail) => None,
            (Some(Side::Above), Overflow::Saturate) => Some(self.max()),
            (Some(Side::Below), Overflow::Saturate) => Some(self.min()),
            (Some(_), Overflow::Wrap) => Some(self.number_of(sum as u64)),
        }
    }
}

impl Step {
    /// The last bit it writes; nothing when it only reads.
    fn last_written(&self) -> Option<u64> {
        match self.action {
            Action::Get => None,
            Action::IncrBy(_) | Action::Set(_) => Some(self.offset + u64::from(self.form.width) - 1),
        }
    }

    fn reply_read(&self, bytes: &[u8], reply: &mut Reply<'_>) {
        reply.int(self.form.read(bytes, self.offset));
    }

    /// Runs the step; returns the change it made, if it wrote: whether the number is another one.
    fn run(&self, bytes: &mut [u8], reply: &mut Reply<'_>) -> Option<bool> {
        let old = self.form.read(bytes, self.offset);
        let (fitted, shows_old) = match self.action {
            Action::Get => {
                reply.int(old);
                return None;
            }
            Action::IncrBy(more) => (self.form.fit(old, more, self.overflow), false),
            Action::Set(value) => (self.form.fit(value, 0, self.overflow), true),
        };
        let Some(new) = fitted else {
            reply.null();
            return None;
        };
        reply.int(if shows_old { old } else { new });
        bits::write(bytes, self.offset, self.form.width, new as u64);
        Some(old != new)
    }
}

fn parse(ctx: &Ctx<'_>, args: Args<'_>) -> Result<Vec<Step>, ReplyError> {
    let (mut steps, mut overflow) = (Vec::new(), Overflow::Wrap);
    let mut index = 2;
    while index < args.len() {
        let behind = args.len() - index - 1;
        if args.is(index, "OVERFLOW") && behind >= 1 {
            overflow = parse_overflow(args, index + 1)?;
            index += 2;
            continue;
        }
        let (is_get, is_set) = (args.is(index, "GET"), args.is(index, "SET"));
        let words = if is_get { 2 } else { 3 };
        if behind < words || !(is_get || is_set || args.is(index, "INCRBY")) {
            return Err(ReplyError::Syntax);
        }
        let form = Form::parse(&args[index + 1])?;
        let offset = bit_offset(ctx, &args[index + 2], Some(form.width))?;
        let action = if is_get {
            Action::Get
        } else {
            let number = integer(&args[index + 3])?;
            if is_set { Action::Set(number) } else { Action::IncrBy(number) }
        };
        steps.push(Step { action, form, offset, overflow });
        index += 1 + words;
    }
    Ok(steps)
}

fn parse_overflow(args: Args<'_>, index: usize) -> Result<Overflow, ReplyError> {
    let kinds = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
    let kind = kinds.into_iter().find(|(word, _)| args.is(index, word)).map(|(_, kind)| kind);
    kind.ok_or(ReplyError::Fixed("ERR Invalid OVERFLOW type specified"))
}

/// What a BITFIELD does with its key: it writes unless all that it names are fields to get.
pub(in crate::command) fn access(args: Args<'_>) -> Access {
    let mut index = 2;
    while index < args.len() {
        let words = match () {
            () if args.is(index, "GET") => 3,
            () if args.is(index, "OVERFLOW") => 2,
            () => 1,
        };
        if words == 1 || index + words > args.len() {
            return Access::RW.and(Access::ACCESS).and(Access::UPDATE);
        }
        index += words;
    }
    Access::RO.and(Access::ACCESS)
}

pub(super) fn bitfield(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let steps = parse(ctx, args)?;
    let Some(last) = steps.iter().filter_map(Step::last_written).max() else {
        return read_all(ctx, &args[1], &steps);
    };
    let edited = edit_bits(ctx, &args[1], last, |bytes, reply| {
        reply.array(steps.len());
        let (mut written, mut changed) = (0, 0);
        for is_change in steps.iter().filter_map(|step| step.run(bytes, reply)) {
            written += 1;
            changed += u64::from(is_change);
        }
        (written, changed)
    })?;
    let (written, changed) = edited.result;
    // What is written where there was no room before is a change even if it is zero.
    let changes = if edited.growth == Growth::None { changed } else { written };
    tell(ctx, &args[1], edited.growth, changes);
    Ok(())
}

pub(super) fn bitfield_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let steps = parse(ctx, args)?;
    if steps.iter().any(|step| step.last_written().is_some()) {
        return Err(ReplyError::Fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read_all(ctx, &args[1], &steps)
}

fn read_all(ctx: &mut Ctx<'_>, key: &[u8], steps: &[Step]) -> Result<(), ReplyError> {
    ctx.view(key, |entry, reply| {
        let mut digits = itoa::Buffer::new();
        let bytes = entry.map_or(Some(&b""[..]), |entry| entry.value().string_bytes(&mut digits));
        let bytes = bytes.ok_or(ReplyError::WrongType)?;
        reply.array(steps.len());
        steps.iter().for_each(|step| step.reply_read(bytes, reply));
        Ok(())
    })
}

const BAD_FORM: ReplyError = ReplyError::Fixed(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

#[cfg(test)]
mod tests {
    use super::{Form, Overflow};

    fn form(word: &str) -> Form {
        Form::parse(word.as_bytes()).unwrap()
    }

    #[test]
    fn ranges_are_those_of_the_widths() {
        assert_eq!((form("i1").min(), form("i1").max()), (-1, 0));
        assert_eq!((form("i8").min(), form("i8").max()), (-128, 127));
        assert_eq!((form("i64").min(), form("i64").max()), (i64::MIN, i64::MAX));
        assert_eq!((form("u1").min(), form("u1").max()), (0, 1));
        assert_eq!((form("u63").min(), form("u63").max()), (0, i64::MAX));
        for word in ["u64", "i65", "u0", "i0", "I8", "u", "u+8", "u08", "x8", ""] {
            assert!(Form::parse(word.as_bytes()).is_err(), "{word}");
        }
    }

    #[test]
    fn sums_that_fit_are_exact_and_others_wrap_saturate_or_fail() {
        for width in 1..=64 {
            for is_signed in [false, true] {
                let form = Form { is_signed, width };
                if !is_signed && width == 64 {
                    continue;
                }
                let edges = [form.min(), form.min() + 1, 0, form.max() - 1, form.max()];
                let steps = [i64::MIN, i64::MIN + 1, -1000, -1, 0, 1, 1000, i64::MAX - 1, i64::MAX];
                for (value, more) in edges.iter().flat_map(|&value| steps.map(|more| (value, more))) {
                    if !(form.min()..=form.max()).contains(&value) {
                        continue;
                    }
                    let sum = i128::from(value) + i128::from(more);
                    let (min, max) = (i128::from(form.min()), i128::from(form.max()));
                    let fits = (min..=max).contains(&sum);
                    let wrapped = (sum - min).rem_euclid(1 << width) + min;
                    let case = format!("{form:?} {value} {more}");
                    assert_eq!(form.fit(value, more, Overflow::Wrap).map(i128::from), Some(wrapped), "{case}");
                    let clamped = sum.clamp(min, max);
                    assert_eq!(form.fit(value, more, Overflow::Saturate).map(i128::from), Some(clamped), "{case}");
                    assert_eq!(form.fit(value, more, Overflow::Fail).is_some(), fits, "{case}");
                }
            }
        }
    }

    #[test]
    fn numbers_far_below_a_signed_field_saturate_at_its_top_as_in_the_reference() {
        assert_eq!(form("i8").fit(i64::MIN, 0, Overflow::Saturate), Some(127));
        assert_eq!(form("i8").fit(-9_223_372_036_854_775_680, 0, Overflow::Saturate), Some(-128));
        assert_eq!(form("u8").fit(-1000, 0, Overflow::Saturate), Some(255));
    }
}
