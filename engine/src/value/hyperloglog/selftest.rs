//! What PFSELFTEST looks at: registers keep what was put, and estimates are near the truth.

use std::borrow::Cow;

use super::{Corrupted, REGISTERS, add, dense, empty, estimate, to_dense};

/// What the test found wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// An estimate is further away than the error that is to be expected.
    Estimate {
        /// How many different elements there were.
        elements: u64,
        /// How many were estimated.
        estimated: u64,
    },
    /// A register has another value than the one put there.
    Register {
        /// Its index.
        index: usize,
    },
    /// What was just made does not make up the registers.
    Runs,
}

impl From<Corrupted> for Fault {
    fn from(_: Corrupted) -> Self {
        Self::Runs
    }
}

/// Tests registers and estimates. It takes some tens of milliseconds.
///
/// # Errors
/// The first fault.
pub fn selftest() -> Result<(), Fault> {
    registers()?;
    estimates()
}

fn registers() -> Result<(), Fault> {
    let mut bytes = to_dense(&empty())?;
    for round in 0..ROUNDS {
        let value = |index: usize| ((index * 7 + round * 11) % 64) as u8;
        (0..REGISTERS).for_each(|index| dense::put(&mut bytes, index, value(index)));
        if let Some(index) = (0..REGISTERS).find(|&index| dense::value(&bytes, index) != value(index)) {
            return Err(Fault::Register { index });
        }
    }
    Ok(())
}

fn estimates() -> Result<(), Fault> {
    let mut bytes = Cow::Owned(empty());
    let mut checkpoint = 1;
    for elements in 1..=ELEMENTS {
        add(&mut bytes, &elements.to_le_bytes(), SPARSE_BYTES_MAX)?;
        if elements != checkpoint {
            continue;
        }
        checkpoint *= 10;
        let estimated = estimate(&bytes)?;
        let error = estimated.abs_diff(elements) as f64;
        if error > (elements as f64 * ERROR_MAX).ceil() {
            return Err(Fault::Estimate { elements, estimated });
        }
    }
    Ok(())
}

const ROUNDS: usize = 10;
const ELEMENTS: u64 = 100_000;
const SPARSE_BYTES_MAX: usize = 3000;

/// Six times the standard error, which is 1.04 by the root of the number of registers.
const ERROR_MAX: f64 = 6.0 * 1.04 / 128.0;
