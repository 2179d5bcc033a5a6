//! A hosted machine on real sockets and files, on ports the system chooses.
//!
//! The machine is [`echo::Echo`]: small, and it tells the test what it sees. Nothing here waits for time to pass;
//! the timeouts only turn a lost wake-up into a failure.

#![expect(clippy::unwrap_used, reason = "in test support, too, a failure fails the test")]

mod echo;

mod connections;
mod dialling;
mod files;
mod life;
mod listening;
mod local;
mod programs;
