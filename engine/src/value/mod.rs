//! Data structures behind the values: no reply, no session, no key.
//!
//! Lives here: what a list, hash, set or sorted set is made of, in a compact form for few elements and a large form
//! that grows and is freed in bounded steps. What does not: commands, expiry, the way from a key to its value. Start
//! at [`listpack`], the compact form of most types.

pub mod listpack;
mod memory;
