//! Which seeds the tests of random faults run.

/// Every second seed from `first` (0 or 1) on, so that two tests share them.
///
/// `SLOTMESH_SEEDS` says how many seeds there are (default 200), `SLOTMESH_SEED_FROM` where they begin, and `SLOTMESH_SEED`
/// names the only one.
///
/// # Panics
/// When one of these is no decimal number.
pub fn every_second(first: u64) -> impl Iterator<Item = u64> {
    let (from, count) = match number("SLOTMESH_SEED") {
        Some(seed) => (seed, 1),
        None => (number("SLOTMESH_SEED_FROM").unwrap_or(0), number("SLOTMESH_SEEDS").unwrap_or(SEEDS)),
    };
    (from..from + count).filter(move |seed| seed % 2 == first)
}

/// Whether one seed is named, whose history is to be looked at.
pub fn is_single() -> bool {
    number("SLOTMESH_SEED").is_some()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a decimal number")))
}

const SEEDS: u64 = 200;
