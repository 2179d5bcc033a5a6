//! Sentinels in virtual time: the stories of the reference, and random faults.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod seeds;
mod stories;
