//! Whole clusters under random faults: every seed is a history of its own, and the rules hold after each event. Beside
//! them, small scenarios with a crash after every disk operation (`crash`), and what once went wrong (`regressions`).
//!
//! `SLOTMESH_SEEDS` says how many seeds to run (default 200), `SLOTMESH_SEED` runs a single one.

mod crash;
mod digest;
mod invariants;
mod load;
mod operator;
mod regressions;
mod scenario;
mod seeds;
