//! The dense form: every register in 6 bits, the lowest bits of a byte first.

use super::hash::Place;
use super::{HEADER_BYTES, REGISTERS};

/// The value of a register.
pub(super) fn value(bytes: &[u8], index: usize) -> u8 {
    let (at, shift) = position(index);
    let next = bytes.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([bytes[at], next]) >> shift) as u8 & MASK
}

/// Sets a register.
pub(super) fn put(bytes: &mut [u8], index: usize, value: u8) {
    let (at, shift) = position(index);
    let (mask, value) = (u16::from(MASK) << shift, u16::from(value & MASK) << shift);
    for (byte, (mask, value)) in bytes[at..].iter_mut().zip(mask.to_le_bytes().into_iter().zip(value.to_le_bytes())) {
        *byte = *byte & !mask | value;
    }
}

/// Makes sure that a register is not below a value. Returns whether it was.
pub(super) fn raise(bytes: &mut [u8], place: Place) -> bool {
    let is_lower = value(bytes, place.index) < place.value;
    if is_lower {
        put(bytes, place.index, place.value);
    }
    is_lower
}

/// The byte that a register begins in, and its lowest bit there.
fn position(index: usize) -> (usize, usize) {
    (HEADER_BYTES + index * BITS / 8, index * BITS % 8)
}

/// Length of a dense HyperLogLog in bytes, header included.
pub(super) const BYTES: usize = HEADER_BYTES + REGISTERS * BITS / 8;

const BITS: usize = 6;
const MASK: u8 = (1 << BITS) - 1;
