//! How far one record reaches.
//!
//! Bytes of a file arrive in pieces of any size. Before a record is decoded, this small machine walks its lengths to
//! find where it ends; it remembers its place, so that each byte is looked at once however small the pieces are.

use super::encoding::{Cursor, Fault};
use super::{RdbError, object, opcode};

/// One thing to walk over. Value types name theirs in [`object::extent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// This many bytes.
    Bytes(u64),
    /// A length, and so many times these steps.
    Elements(&'static [Self]),
    /// A length.
    Length,
    /// One byte, and as many bytes as it says; some values say that it is all.
    Short,
    /// Module data: opcodes up to the one that ends them.
    Module,
    /// So many times these steps.
    Repeat(u64, &'static [Self]),
    /// A string.
    String,
}

/// The walk over one record, from its first byte.
#[derive(Debug, Default)]
pub(super) struct Extent {
    /// What is left to walk, next step last; never more than [`STEPS_MAX`].
    steps: Vec<Step>,
    /// Bytes walked over so far.
    walked: usize,
}

impl Extent {
    /// Walks on over `record`, the bytes from the record's beginning that are here so far.
    ///
    /// Returns the record's length once all of it is here.
    pub(super) fn walk(&mut self, record: &[u8]) -> Result<Option<usize>, RdbError> {
        if self.walked == 0 {
            let Some(&kind) = record.first() else { return Ok(None) };
            self.begin(kind)?;
        }
        while let Some(&step) = self.steps.last() {
            let mut cursor = Cursor::at(record, self.walked);
            let follow = match advance(step, &mut cursor) {
                Ok(follow) => follow,
                Err(Fault::Short) => return Ok(None),
                Err(Fault::Bad(error)) => return Err(error),
            };
            self.walked = cursor.position();
            self.steps.pop();
            self.steps.extend(follow.into_iter().flatten());
            if let Step::Repeat(1.., steps) = step {
                self.steps.extend(steps.iter().rev());
            }
            assert!(self.steps.len() <= STEPS_MAX, "records nest a known number of steps");
        }
        self.steps.clear();
        Ok(Some(std::mem::take(&mut self.walked)))
    }

    fn begin(&mut self, kind: u8) -> Result<(), RdbError> {
        self.walked = 1;
        let steps: &[Step] = match kind {
            opcode::AUX => &[Step::String, Step::String],
            opcode::EOF => &[],
            opcode::EXPIRETIME => &[Step::Bytes(4)],
            opcode::EXPIRETIME_MS => &[Step::Bytes(8)],
            opcode::FREQ => &[Step::Bytes(1)],
            opcode::FUNCTION2 => &[Step::String],
            opcode::FUNCTION_PRE_GA => return Err(RdbError::Corrupt("function of a pre-release version")),
            opcode::IDLE | opcode::SELECTDB => &[Step::Length],
            opcode::MODULE_AUX => &[Step::Length, Step::Module],
            opcode::RESIZEDB => &[Step::Length, Step::Length],
            opcode::SLOT_INFO => &[Step::Length, Step::Length, Step::Length],
            kind => {
                self.steps.extend(object::extent(kind)?.iter().rev());
                &[Step::String]
            }
        };
        self.steps.extend(steps.iter().rev());
        Ok(())
    }
}

/// Walks one step; returns the steps that take its place, next one last. Those of [`Step::Repeat`] come on top.
fn advance(step: Step, cursor: &mut Cursor<'_>) -> Result<[Option<Step>; 2], Fault> {
    match step {
        Step::Bytes(count) => {
            cursor.take(count)?;
            Ok([None, None])
        }
        Step::Elements(steps) => Ok([Some(Step::Repeat(cursor.length()?, steps)), None]),
        Step::Repeat(left, steps) => Ok([left.checked_sub(1).map(|left| Step::Repeat(left, steps)), None]),
        Step::Length => {
            cursor.length()?;
            Ok([None, None])
        }
        Step::Short => {
            let len = cursor.byte()?;
            Ok([Some(Step::Bytes(if len < SHORT_NAMES_FROM { u64::from(len) } else { 0 })), None])
        }
        Step::Module => {
            let step = match cursor.length()? {
                MODULE_EOF => return Ok([None, None]),
                MODULE_SINT | MODULE_UINT => Step::Length,
                MODULE_FLOAT => Step::Bytes(4),
                MODULE_DOUBLE => Step::Bytes(8),
                MODULE_STRING => Step::String,
                _ => return Err(RdbError::Corrupt("unknown module opcode").into()),
            };
            Ok([Some(Step::Module), Some(step)])
        }
        Step::String => {
            let body = cursor.string_head()?.body_bytes();
            Ok([Some(Step::Bytes(body)), None])
        }
    }
}

/// From here on the byte of [`Step::Short`] is a name for a number that has no text.
pub(super) const SHORT_NAMES_FROM: u8 = 253;

const MODULE_EOF: u64 = 0;
const MODULE_SINT: u64 = 1;
const MODULE_UINT: u64 = 2;
const MODULE_FLOAT: u64 = 3;
const MODULE_DOUBLE: u64 = 4;
const MODULE_STRING: u64 = 5;

/// Deepest pile of steps: a key, a value's own steps and the parts of one element.
const STEPS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::Extent;

    /// A module's aux field: id, when, then one datum of each kind.
    const MODULE_AUX: &[u8] = &[
        0xf7, 0x81, 1, 2, 3, 4, 5, 6, 7, 8, 2, 1, 1, 5, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 5, 3, b'a', b'b',
        b'c', 0,
    ];

    #[test]
    fn a_record_is_walked_in_pieces_of_any_size() {
        for step in 1..MODULE_AUX.len() {
            let mut extent = Extent::default();
            let mut here = 0;
            let len = loop {
                here = (here + step).min(MODULE_AUX.len());
                if let Some(len) = extent.walk(&MODULE_AUX[..here]).unwrap() {
                    break len;
                }
                assert!(here < MODULE_AUX.len());
            };

            assert_eq!(len, MODULE_AUX.len());
        }
    }

    #[test]
    fn elements_are_walked_one_by_one() {
        let set = b"\x02\x01k\x03\x01a\xc0\x05\x02bc";
        for step in 1..set.len() {
            let mut extent = Extent::default();
            for here in (step..set.len()).step_by(step) {
                assert_eq!(extent.walk(&set[..here]), Ok(None));
            }

            assert_eq!(extent.walk(set), Ok(Some(set.len())));
        }
    }

    #[test]
    fn bytes_after_the_record_are_left_alone() {
        assert_eq!(Extent::default().walk(&[0xfe, 3, 0xff, 0xff]), Ok(Some(2)));
    }
}
