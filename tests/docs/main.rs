//! Pages that are made from the tables they describe.

mod compatibility;
mod coverage;
