//! Keyed hashing: from a key to its place in a table.
//!
//! Lives here: [`KeyHash`], computed once for each key, and [`KeyHasher`], which holds the secrets. What does not:
//! the table itself. Start at [`KeyHasher::hash`].

use crate::rng::Rng;
use crate::slot::Slot;

/// Where a key belongs: 64 keyed hash bits and the position that orders the groups of a table.
///
/// The upper bits of the position are the partition: the hash slot in cluster mode, the top hash bits otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash {
    position: u64,
    hash: u64,
}

impl KeyHash {
    /// The hash of a key in a table that is not divided by slot.
    pub const fn plain(hash: u64) -> Self {
        Self { position: hash, hash }
    }

    /// The hash of a key in a table divided by slot.
    pub const fn in_slot(slot: Slot, hash: u64) -> Self {
        Self { position: slot_position(slot.number()) | hash >> SLOT_BITS, hash }
    }

    /// The place in the order of groups: all 64 bits count, the upper ones first.
    pub const fn position(self) -> u64 {
        self.position
    }

    /// The keyed hash.
    pub const fn hash(self) -> u64 {
        self.hash
    }

    /// The partition: the slot's number in a table divided by slot, the top 14 bits of the hash otherwise.
    pub const fn partition(self) -> u16 {
        (self.position >> (64 - SLOT_BITS)) as u16
    }

    /// The bits that choose bucket and tag inside a group.
    ///
    /// hashbrown takes its tag from the top 7 bits, which all keys of a group share; lower ones are mixed in.
    pub(crate) const fn bucket_bits(self) -> u64 {
        self.hash ^ self.hash << 45
    }
}

/// The lowest position of a slot.
pub(crate) const fn slot_position(slot: u16) -> u64 {
    (slot as u64) << (64 - SLOT_BITS)
}

/// Number of bits of a slot number.
const SLOT_BITS: u32 = 14;

/// How keys are spread over the groups of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioning {
    /// By the top bits of the hash: no CRC16 is computed.
    ByHash,
    /// By the key's hash slot, as cluster mode needs it.
    BySlot,
}

/// The keyed hash function of one node.
///
/// A folded multiply over 16 bytes a step, all masked by secrets from the node's seed. Before each multiply both
/// factors are combined with a secret, so no input collides, or is absorbed by a zero factor, whatever the seed is;
/// the last fold hides the state from whoever sees some result bits. To fill one group, or one run of buckets, a
/// client would have to know the secrets, and no reply shows more of a hash than the order of a `SCAN`.
#[derive(Debug, Clone)]
pub struct KeyHasher {
    secrets: [u64; 5],
    partitioning: Partitioning,
}

impl KeyHasher {
    /// A hash function with fresh secrets.
    pub fn new(partitioning: Partitioning, rng: &mut Rng) -> Self {
        Self { secrets: std::array::from_fn(|_| rng.next_u64()), partitioning }
    }

    /// The same hash function for tables inside values, which are never divided by slot.
    pub fn for_values(&self) -> Self {
        Self { partitioning: Partitioning::ByHash, ..self.clone() }
    }

    /// How keys are spread.
    pub const fn partitioning(&self) -> Partitioning {
        self.partitioning
    }

    /// Hashes a key, including its slot when the table is divided by slot.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        let hash = self.bits(key);
        match self.partitioning {
            Partitioning::ByHash => KeyHash::plain(hash),
            Partitioning::BySlot => KeyHash::in_slot(Slot::of_key(key), hash),
        }
    }

    /// The 64 keyed bits of a key, without its slot.
    #[inline]
    pub fn bits(&self, key: &[u8]) -> u64 {
        let [first, second, third, last, other] = self.secrets;
        let mut state = first ^ (key.len() as u64).wrapping_mul(other | 1);
        let (low, high) = if key.len() <= 16 {
            ends(key)
        } else {
            // The last block may overlap the one before: every byte is in one of them, the length in the state.
            let (body, tail) = key.split_at(key.len() - 16);
            for block in body.chunks(16) {
                let (low, high) = ends(block);
                state = fold(low ^ state, high ^ third).wrapping_add(first);
            }
            ends(tail)
        };
        fold(fold(low ^ state, high ^ second) ^ last, state ^ other)
    }
}

/// Up to 16 bytes as two words; together with the length they determine the bytes.
#[inline]
fn ends(bytes: &[u8]) -> (u64, u64) {
    if let (Some(low), Some(high)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return (u64::from_le_bytes(*low), u64::from_le_bytes(*high));
    }
    if let (Some(low), Some(high)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (u64::from(u32::from_le_bytes(*low)), u64::from(u32::from_le_bytes(*high)));
    }
    match *bytes {
        [] => (0, 0),
        [first, .., last] => (u64::from(first), u64::from(last) | u64::from(bytes[bytes.len() / 2]) << 8),
        [only] => (u64::from(only), 0),
    }
}

/// Both halves of the 128-bit product, folded into one word.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::{KeyHash, KeyHasher, Partitioning};
    use crate::rng::Rng;
    use crate::slot::Slot;

    fn hasher(seed: u64) -> KeyHasher {
        KeyHasher::new(Partitioning::ByHash, &mut Rng::new(seed))
    }

    #[test]
    fn keys_of_all_lengths_have_different_hashes() {
        let hasher = hasher(1);
        let bytes = [0_u8; 300];
        let mut seen = std::collections::BTreeSet::new();

        for len in 0..bytes.len() {
            assert!(seen.insert(hasher.bits(&bytes[..len])), "{len}");
        }
    }

    #[test]
    fn every_byte_of_a_key_counts() {
        let hasher = hasher(2);

        for len in 1..80 {
            let plain = vec![b'a'; len];
            for place in 0..len {
                let mut other = plain.clone();
                other[place] ^= 1;
                assert_ne!(hasher.bits(&plain), hasher.bits(&other), "byte {place} of {len}");
            }
        }
    }

    #[test]
    fn another_seed_gives_another_hash() {
        assert_ne!(hasher(1).bits(b"key"), hasher(2).bits(b"key"));
        assert_eq!(hasher(1).bits(b"key"), hasher(1).bits(b"key"));
    }

    #[test]
    fn bits_are_spread_evenly() {
        let hasher = hasher(3);
        let mut ones = [0_u32; 64];

        for number in 0..10_000_u32 {
            let hash = hasher.bits(format!("key:{number:012}").as_bytes());
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += (hash >> bit & 1) as u32;
            }
        }

        assert!(ones.iter().all(|count| (4_700..5_300).contains(count)), "{ones:?}");
    }

    #[test]
    fn the_partition_of_a_key_is_its_slot_in_cluster_mode() {
        let hasher = KeyHasher::new(Partitioning::BySlot, &mut Rng::new(4));

        assert_eq!(hasher.hash(b"foo").partition(), 12182);
        assert_eq!(KeyHash::in_slot(Slot::of_key(b"foo"), u64::MAX).partition(), 12182);
    }
}
