//! Pages that are made from the tables they describe.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod compatibility;
mod coverage;
mod options;
mod valkey_py;
