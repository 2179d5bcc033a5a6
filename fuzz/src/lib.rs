//! The fuzz targets' common part: the checks of `tests/hostile`, by name.
//!
//! A target hands its input to [`run`]. `cargo run --bin seeds` writes a small corpus for each target, made of the
//! inputs that the stable tests begin with.

#[path = "../../tests/hostile/checks/mod.rs"]
mod checks;

/// Runs the check of this name; it panics when an invariant breaks.
pub fn run(name: &str, data: &[u8]) {
    (checks::find(name).run)(data);
}

/// Every target with the inputs to begin from.
pub fn seeds() -> impl Iterator<Item = (&'static str, Vec<Vec<u8>>)> {
    checks::ALL.iter().map(|check| (check.name, (check.seeds)()))
}
