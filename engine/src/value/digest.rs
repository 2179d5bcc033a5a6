//! Redis's digests of data (`DEBUG DIGEST`), so that a dataset can be compared with a real server's.

use std::fmt::Write;

use sha1::{Digest as _, Sha1};

/// A digest of 160 bits, to which bytes are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds bytes whose place among others counts (`mixDigest`).
    pub fn mix(&mut self, bytes: &[u8]) {
        self.combine(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds bytes whose place among others does not count (`xorDigest`).
    pub fn combine(&mut self, bytes: &[u8]) {
        self.0.iter_mut().zip(Sha1::digest(bytes)).for_each(|(bit, other)| *bit ^= other);
    }

    /// Adds what has a digest of its own, in any order: an element of several parts, a key with its value.
    pub fn combine_with(&mut self, part: &Self) {
        self.combine(&part.0);
    }

    /// The digest as 40 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(40), |mut text, byte| {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The bits.
    pub const fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}
