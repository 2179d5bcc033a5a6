//! Sentinels in virtual time: the stories of the reference, and random faults.

mod seeds;
mod stories;
