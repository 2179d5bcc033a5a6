//! Where an element goes: MurmurHash64A (Austin Appleby, public domain) with Redis's seed.

use super::{INDEX_BITS, REGISTERS, VALUE_BITS};

/// A register and the value it must not be below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) value: u8,
}

impl Place {
    /// The register that an element chooses, and one more than the zeros that begin the rest of its hash.
    pub(super) fn of(element: &[u8]) -> Self {
        let hash = murmur64a(element, SEED);
        let rest = hash >> INDEX_BITS | 1 << VALUE_BITS;
        Self { index: hash as usize & (REGISTERS - 1), value: rest.trailing_zeros() as u8 + 1 }
    }
}

fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        word = (word ^ word >> SHIFT).wrapping_mul(FACTOR);
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        hash = (hash ^ rest).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}

const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;
const SEED: u64 = 0xadc8_3b19;
