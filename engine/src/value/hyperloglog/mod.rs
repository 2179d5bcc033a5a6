//! HyperLogLog: an estimate of how many different elements were added, in a string of at most 12 KB.
//!
//! The string is Redis's, byte for byte: a header of 16 bytes (`HYLL`, the form, three bytes that nobody uses, the last
//! estimate as 8 bytes of which the highest bit says that it is out of date), then 16,384 registers of 6 bits. Few
//! registers in use are written as runs (`sparse`), many as they are (`dense`).
//!
//! Lives here: everything about those bytes. What does not: keys, replies, events. Bytes that come from outside are
//! checked by [`form`] and, as far as runs are concerned, wherever they are read ([`Corrupted`]). Start at [`add`].

mod dense;
mod estimate;
mod hash;
mod selftest;
mod sparse;

use std::borrow::Cow;

pub use selftest::{Fault, selftest};
pub use sparse::Run;

use hash::Place;

/// How the registers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All of them, 6 bits each.
    Dense,
    /// As runs of equal ones.
    Sparse,
}

/// The runs do not make up the registers: the string was made or damaged by someone else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupted;

/// The form of a string that has the header of a HyperLogLog and, if it is dense, its length; nothing for others.
pub fn form(bytes: &[u8]) -> Option<Form> {
    if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
        return None;
    }
    match bytes[FORM_AT] {
        DENSE if bytes.len() == dense::BYTES => Some(Form::Dense),
        SPARSE => Some(Form::Sparse),
        _ => None,
    }
}

/// A HyperLogLog that nothing was added to.
pub fn empty() -> Vec<u8> {
    let mut bytes = header(SPARSE);
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// Adds an element. Returns whether a register has changed.
///
/// The string is copied only then. A sparse one becomes dense where it would pass `sparse_bytes_max` bytes. The last
/// estimate is out of date afterwards; [`forget_estimate`] says so once all is added.
///
/// # Errors
/// [`Corrupted`]; nothing has changed then.
pub fn add(bytes: &mut Cow<'_, [u8]>, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Corrupted> {
    raise(bytes, Place::of(element), sparse_bytes_max)
}

/// Adds an element to a dense one, in place. Returns whether a register has changed.
///
/// # Panics
/// When [`form`] does not say that it is dense.
pub fn add_dense(bytes: &mut [u8], element: &[u8]) -> bool {
    dense::raise(bytes, Place::of(element))
}

/// Makes sure that a register is not below the value its place has.
fn raise(bytes: &mut Cow<'_, [u8]>, place: Place, sparse_bytes_max: usize) -> Result<bool, Corrupted> {
    if form(bytes) == Some(Form::Dense) {
        return Ok(dense::value(bytes, place.index) < place.value && dense::raise(bytes.to_mut(), place));
    }
    let Some(change) = sparse::find(bytes, place)? else { return Ok(false) };
    if !change.apply(bytes.to_mut(), place, sparse_bytes_max) {
        let mut dense = to_dense(bytes)?;
        dense::raise(&mut dense, place);
        *bytes = Cow::Owned(dense);
    }
    Ok(true)
}

/// The dense form of a sparse one, with the same last estimate.
///
/// # Errors
/// [`Corrupted`].
pub fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupted> {
    let mut dense = bytes[..HEADER_BYTES].to_vec();
    dense[FORM_AT] = DENSE;
    dense.resize(dense::BYTES, 0);
    let mut index = 0;
    for run in runs(bytes) {
        let end = index + run.len();
        if end > REGISTERS {
            return Err(Corrupted);
        }
        if let Run::Values { value, .. } = run {
            (index..end).for_each(|index| dense::put(&mut dense, index, value));
        }
        index = end;
    }
    if index == REGISTERS { Ok(dense) } else { Err(Corrupted) }
}

/// The runs of a sparse one, as they are written; whether they make up the registers is not looked at.
pub fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> + '_ {
    sparse::runs(&bytes[HEADER_BYTES..])
}

/// The values of all registers.
///
/// # Errors
/// [`Corrupted`].
pub fn registers(bytes: &[u8]) -> Result<Registers, Corrupted> {
    let mut registers = Registers::default();
    registers.merge(bytes)?;
    Ok(registers)
}

/// The last estimate, unless something was added since.
pub fn last_estimate(bytes: &[u8]) -> Option<u64> {
    let estimate = u64::from_le_bytes(*bytes[ESTIMATE_AT..].first_chunk()?);
    (estimate & OUT_OF_DATE == 0).then_some(estimate)
}

/// Keeps an estimate.
///
/// # Panics
/// When the string is shorter than a header.
pub fn keep_estimate(bytes: &mut [u8], estimate: u64) {
    bytes[ESTIMATE_AT..HEADER_BYTES].copy_from_slice(&estimate.to_le_bytes());
}

/// Says that the last estimate is out of date.
///
/// # Panics
/// When the string is shorter than a header.
pub fn forget_estimate(bytes: &mut [u8]) {
    bytes[HEADER_BYTES - 1] |= (OUT_OF_DATE >> 56) as u8;
}

/// How many different elements were added, estimated.
///
/// # Errors
/// [`Corrupted`].
pub fn estimate(bytes: &[u8]) -> Result<u64, Corrupted> {
    let mut histogram = [0; HISTOGRAM_LEN];
    if form(bytes) == Some(Form::Dense) {
        (0..REGISTERS).for_each(|index| histogram[usize::from(dense::value(bytes, index))] += 1);
        return Ok(estimate::from_histogram(&histogram));
    }
    let mut registers = 0;
    for run in runs(bytes) {
        registers += run.len();
        if registers > REGISTERS {
            return Err(Corrupted);
        }
        histogram[usize::from(run.value())] += run.len() as u32;
    }
    if registers == REGISTERS { Ok(estimate::from_histogram(&histogram)) } else { Err(Corrupted) }
}

/// All registers, one byte each: what several HyperLogLogs are merged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers(Box<[u8]>);

impl Default for Registers {
    fn default() -> Self {
        Self(vec![0; REGISTERS].into_boxed_slice())
    }
}

impl Registers {
    /// The values in order.
    pub fn values(&self) -> &[u8] {
        &self.0
    }

    /// Takes over the registers of another one that are higher.
    ///
    /// # Errors
    /// [`Corrupted`]; some registers may have been taken over then.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), Corrupted> {
        if form(bytes) == Some(Form::Dense) {
            for (index, held) in self.0.iter_mut().enumerate() {
                *held = dense::value(bytes, index).max(*held);
            }
            return Ok(());
        }
        let mut rest = &mut self.0[..];
        for run in runs(bytes) {
            let (these, behind) = rest.split_at_mut_checked(run.len()).ok_or(Corrupted)?;
            if let Run::Values { value, .. } = run {
                these.iter_mut().for_each(|held| *held = value.max(*held));
            }
            rest = behind;
        }
        if rest.is_empty() { Ok(()) } else { Err(Corrupted) }
    }

    /// How many different elements were added to all that was merged, estimated.
    pub fn estimate(&self) -> u64 {
        let mut histogram = [0; HISTOGRAM_LEN];
        self.0.iter().for_each(|&value| histogram[usize::from(value)] += 1);
        estimate::from_histogram(&histogram)
    }

    /// Raises the registers of `bytes` that are lower than these.
    ///
    /// # Errors
    /// [`Corrupted`].
    pub fn write_to(&self, bytes: &mut Cow<'_, [u8]>, sparse_bytes_max: usize) -> Result<(), Corrupted> {
        for (index, &value) in self.0.iter().enumerate().filter(|(_, value)| **value > 0) {
            raise(bytes, Place { index, value }, sparse_bytes_max)?;
        }
        Ok(())
    }
}

fn header(form: u8) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.resize(HEADER_BYTES, 0);
    bytes[FORM_AT] = form;
    bytes
}

/// Number of registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;

/// Bits of an element's hash that choose its register.
const INDEX_BITS: u32 = 14;

/// Bits of an element's hash whose run of zeros is its value.
const VALUE_BITS: u32 = 64 - INDEX_BITS;

/// Values that six bits can be.
const HISTOGRAM_LEN: usize = 64;

const MAGIC: &[u8] = b"HYLL";
const FORM_AT: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const ESTIMATE_AT: usize = 8;
const HEADER_BYTES: usize = 16;
const OUT_OF_DATE: u64 = 1 << 63;

#[cfg(test)]
mod tests;
