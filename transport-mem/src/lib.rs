//! An invented network, clock and disk.
