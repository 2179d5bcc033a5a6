//! The words about expiry that commands take beside a value: `EX`, `PX`, `EXAT`, `PXAT`, `KEEPTTL`, `PERSIST`.
//!
//! SET, GETEX and MSETEX take them for keys, HSETEX and HGETEX for fields. Commands that do nothing but set a time are
//! in [`super::expire`]. Start at [`ExpiryOption::take`].

use super::expire::Unit;
use super::words::integer;
use crate::error::ReplyError;
use crate::keyspace::UnixMillis;
use crate::resp::args::Args;
use crate::time::Now;

/// What becomes of the expiry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ExpiryOption {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// `KEEPTTL`.
    Keep,
    /// `PERSIST`.
    Persist,
    /// `EX`, `PX`, `EXAT` or `PXAT`, with the place of the word that has the number.
    Time(Clock, usize),
}

/// How the number of an expiry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) unit: Unit,
    pub(super) is_absolute: bool,
}

/// The one word about expiry, without a number, that a command knows beside the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// `KEEPTTL`, of commands that write.
    Keep,
    /// `PERSIST`, of commands that read.
    Persist,
}

impl ExpiryOption {
    /// Takes the option that begins at `index`, whose words end before `end`. Returns how many words it has.
    ///
    /// The same option twice is allowed, and the last one counts.
    ///
    /// # Errors
    /// When there is none that the command knows, or another one was taken before.
    pub(super) fn take(
        &mut self,
        args: Args<'_>,
        index: usize,
        end: usize,
        lasting: Lasting,
    ) -> Result<usize, ReplyError> {
        let (word, kept) = match lasting {
            Lasting::Keep => ("KEEPTTL", Self::Keep),
            Lasting::Persist => ("PERSIST", Self::Persist),
        };
        let (taken, words) = if args.is(index, word) {
            (kept, 1)
        } else {
            let clock = Clock::parse(args, index).filter(|_| index + 1 < end).ok_or(ReplyError::Syntax)?;
            (Self::Time(clock, index + 1), 2)
        };
        let is_same = match (*self, taken) {
            (Self::Unsaid, _) => true,
            (Self::Time(before, _), Self::Time(clock, _)) => before == clock,
            (before, taken) => before == taken,
        };
        if !is_same {
            return Err(ReplyError::Syntax);
        }
        *self = taken;
        Ok(words)
    }
}

impl Clock {
    pub(super) const EX: Self = Self { unit: Unit::Seconds, is_absolute: false };
    pub(super) const EXAT: Self = Self { unit: Unit::Seconds, is_absolute: true };
    pub(super) const PX: Self = Self { unit: Unit::Millis, is_absolute: false };
    pub(super) const PXAT: Self = Self { unit: Unit::Millis, is_absolute: true };

    fn parse(args: Args<'_>, index: usize) -> Option<Self> {
        let clocks = [("EX", Self::EX), ("PX", Self::PX), ("EXAT", Self::EXAT), ("PXAT", Self::PXAT)];
        clocks.into_iter().find(|(word, _)| args.is(index, word)).map(|(_, clock)| clock)
    }

    /// The time of a field that a word means, which may be now or, where it is a point in time, over.
    ///
    /// # Errors
    /// When it is no integer, negative or out of the range of milliseconds; `command` is in lower case.
    pub(super) fn field_time(self, now: Now, word: &[u8], command: &str) -> Result<UnixMillis, ReplyError> {
        self.time(now, word, command, 0)
    }

    /// The time of a key that a word means: positive.
    ///
    /// # Errors
    /// As [`Clock::field_time`], and for zero.
    pub(super) fn key_time(self, now: Now, word: &[u8], command: &str) -> Result<UnixMillis, ReplyError> {
        self.time(now, word, command, 1)
    }

    fn time(self, now: Now, word: &[u8], command: &str, least: i64) -> Result<UnixMillis, ReplyError> {
        let number = integer(word)?;
        let base = if self.is_absolute { 0 } else { now.unix.millis() };
        let millis = if self.unit == Unit::Seconds { number.checked_mul(1000) } else { Some(number) };
        let at = millis.filter(|&millis| millis >= least).and_then(|millis| millis.checked_add(base));
        at.map(UnixMillis).ok_or_else(|| ReplyError::invalid_expire(command))
    }
}
