//! Randomness from one seed.
//!
//! Every random pick of a node (hash keys, ids, samples, jitter) comes from here, so that the same seed and the
//! same inputs give the same bytes. The generator is xoshiro256++ seeded through SplitMix64 (Blackman and Vigna,
//! public domain reference). It is not for secrets.

/// A small, fast, seeded generator.
#[derive(Debug, Clone)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The generator that `seed` stands for.
    pub fn new(seed: u64) -> Self {
        let mut mix = seed;
        let mut state = [0; 4];
        for word in &mut state {
            *word = split_mix(&mut mix);
        }
        Self { state }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let mut next = [a, b, c ^ a, d ^ b];
        next[1] ^= next[2];
        next[0] ^= next[3];
        next[2] ^= b << 17;
        next[3] = next[3].rotate_left(45);
        self.state = next;
        result
    }

    /// A number below `bound`, without noticeable bias; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// An index below `len`, for picking from a slice; 0 when `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// A new generator whose stream is independent of this one's later picks.
    pub fn fork(&mut self) -> Self {
        Self::new(self.next_u64())
    }

    /// 40 lower-case hexadecimal characters: the form of node ids, run ids and replication ids.
    pub fn hex_id(&mut self) -> [u8; 40] {
        let mut id = [0; 40];
        for part in id.chunks_mut(16) {
            let mut bits = self.next_u64();
            for byte in part {
                *byte = b"0123456789abcdef"[(bits & 15) as usize];
                bits >>= 4;
            }
        }
        id
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));

        for _ in 0..100 {
            assert_eq!(a.next_u64(), b.next_u64());
        }
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::new(1);

        assert!((0..1000).all(|_| rng.below(3) < 3));
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn ids_are_lower_hex() {
        let id = Rng::new(3).hex_id();

        assert!(id.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    }
}
