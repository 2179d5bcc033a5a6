//! The sparse form: runs of equal registers, in one or two bytes each.
//!
//! ```text
//! 00nnnnnn           n + 1 registers of 0
//! 01nnnnnn nnnnnnnn  n + 1 registers of 0
//! 1vvvvvnn           n + 1 registers of v + 1
//! ```
//!
//! The order in which runs are split and joined decides the bytes, so it is Redis's.

use super::hash::Place;
use super::{Corrupted, HEADER_BYTES};

/// Some registers in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Up to 64 that are zero, in one byte.
    Zeros(usize),
    /// Up to 16,384 that are zero, in two bytes.
    ManyZeros(usize),
    /// Up to 4 of one value from 1 to 32.
    Values {
        /// The value.
        value: u8,
        /// How many.
        len: usize,
    },
}

impl Run {
    /// The run at the beginning of `bytes`. A second byte that was cut off counts as 0.
    fn first(bytes: &[u8]) -> Option<Self> {
        let byte = *bytes.first()?;
        Some(match byte {
            0x80.. => Self::Values { value: (byte >> 2 & 0x1f) + 1, len: usize::from(byte & 3) + 1 },
            0x40.. => {
                let low = bytes.get(1).copied().unwrap_or(0);
                Self::ManyZeros(usize::from(u16::from_be_bytes([byte & 0x3f, low])) + 1)
            }
            _ => Self::Zeros(usize::from(byte) + 1),
        })
    }

    /// Number of registers.
    pub fn len(self) -> usize {
        match self {
            Self::Zeros(len) | Self::ManyZeros(len) | Self::Values { len, .. } => len,
        }
    }

    /// Whether it has no registers, which none can be written with.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of its registers.
    pub fn value(self) -> u8 {
        match self {
            Self::Zeros(_) | Self::ManyZeros(_) => 0,
            Self::Values { value, .. } => value,
        }
    }

    /// Bytes it is written in.
    fn bytes(self) -> usize {
        if let Self::ManyZeros(_) = self { 2 } else { 1 }
    }

    /// Writes `len` registers of its value.
    fn push_part(self, target: &mut Vec<u8>, len: usize) {
        match self.value() {
            0 => push_zeros(target, len),
            value => push_values(target, value, len),
        }
    }
}

/// The runs of the bytes behind the header.
pub(super) fn runs(mut rest: &[u8]) -> impl Iterator<Item = Run> + '_ {
    std::iter::from_fn(move || {
        let run = Run::first(rest)?;
        rest = rest.get(run.bytes()..).unwrap_or_default();
        Some(run)
    })
}

/// Writes a run of zeros: none, or up to all registers.
pub(super) fn push_zeros(target: &mut Vec<u8>, len: usize) {
    match len {
        0 => {}
        1..=ZEROS_MAX => target.push((len - 1) as u8),
        _ => target.extend_from_slice(&((len - 1) as u16 | 0x4000).to_be_bytes()),
    }
}

/// Writes a run of a value: none, or up to four registers.
fn push_values(target: &mut Vec<u8>, value: u8, len: usize) {
    if len > 0 {
        target.push(value_byte(value, len));
    }
}

fn value_byte(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// A run that must change, for a register in it to be raised.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    run: Run,
    /// Where the run's first byte is.
    at: usize,
    /// Where the run before it is, or this one, if it is the first.
    before: usize,
    /// Its first register.
    first: usize,
}

/// Looks for the run that must change so that a register is not below a value; nothing when it is not.
pub(super) fn find(bytes: &[u8], place: Place) -> Result<Option<Change>, Corrupted> {
    let (mut at, mut before, mut first) = (HEADER_BYTES, HEADER_BYTES, 0);
    loop {
        let run = Run::first(&bytes[at..]).ok_or(Corrupted)?;
        if place.index < first + run.len() {
            // A second byte that was cut off cannot be written over; Redis 7.0 does so, past the end of the string.
            let is_whole = at + run.bytes() <= bytes.len();
            let change = Change { run, at, before, first };
            // A value that no run can have makes the whole dense, which does not ask for the one there is.
            return match run.value() < place.value {
                true if is_whole => Ok(Some(change)),
                true => Err(Corrupted),
                false => Ok(None),
            };
        }
        before = at;
        at = (at + run.bytes()).min(bytes.len());
        first += run.len();
    }
}

impl Change {
    /// Raises the register. Returns false, and has changed nothing, when that takes the dense form: for a value that
    /// runs cannot have, or more than `bytes_max` bytes in all.
    pub(super) fn apply(self, bytes: &mut Vec<u8>, place: Place, bytes_max: usize) -> bool {
        if place.value > VALUE_MAX {
            return false;
        }
        let mut new = Vec::with_capacity(RUNS_BYTES_MAX);
        self.run.push_part(&mut new, place.index - self.first);
        push_values(&mut new, place.value, 1);
        self.run.push_part(&mut new, self.first + self.run.len() - 1 - place.index);
        let old_bytes = self.run.bytes();
        if new.len() > old_bytes && bytes.len() + new.len() - old_bytes > bytes_max {
            return false;
        }
        bytes.splice(self.at..self.at + old_bytes, new);
        join(bytes, self.before);
        true
    }
}

/// Joins neighbours of equal value among the next runs.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_STEPS_MAX {
        let Some(run) = bytes.get(at..).and_then(Run::first) else { return };
        let next = bytes.get(at + 1..).and_then(Run::first);
        if let (Run::Values { value, len }, Some(Run::Values { value: other, len: more })) = (run, next)
            && value == other
            && len + more <= VALUES_MAX
        {
            bytes[at + 1] = value_byte(value, len + more);
            bytes.remove(at);
        } else {
            at += run.bytes();
        }
    }
}

/// Longest run of zeros in one byte.
const ZEROS_MAX: usize = 64;
/// Longest run of a value.
const VALUES_MAX: usize = 4;
/// Highest value that a run can have.
const VALUE_MAX: u8 = 32;
/// Bytes that a run can become: many zeros, one value, many zeros.
const RUNS_BYTES_MAX: usize = 5;
/// Runs that are looked at for joining (`hllSparseSet`, `hyperloglog.c` of 7.0).
const JOIN_STEPS_MAX: usize = 5;
