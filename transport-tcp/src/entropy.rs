//! The one seed of a real machine.
//!
//! All randomness of a machine comes from one 64-bit seed; here is where the real world picks it. What does not live
//! here: the generator, which is the engine's.

use std::io;

/// A seed from the system's entropy.
///
/// # Errors
/// When the system offers no entropy source.
pub fn seed() -> io::Result<u64> {
    getrandom::u64().map_err(|error| match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_seeds_differ() {
        assert_ne!(super::seed().unwrap(), super::seed().unwrap());
    }
}
