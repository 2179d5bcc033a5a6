//! The seeds.

use crate::scenario::run;

#[test]
fn random_faults_break_no_rule_first_half() {
    run_seeds(0);
}

#[test]
fn random_faults_break_no_rule_second_half() {
    run_seeds(1);
}

#[test]
fn the_same_seed_is_the_same_history() {
    let (one, same, other) = (run(3), run(3), run(4));

    assert_eq!(one, same);
    assert_ne!(one.trace, other.trace);
}

/// Every second seed, from the first one on.
fn run_seeds(first: u64) {
    if let Some(seed) = number("SLOTMESH_SEED") {
        if seed % 2 == first {
            eprintln!("{seed}: {:?}", run(seed));
        }
        return;
    }
    let from = number("SLOTMESH_SEED_FROM").unwrap_or(0);
    let count = number("SLOTMESH_SEEDS").unwrap_or(SEEDS);
    for seed in (from..from + count).filter(|seed| seed % 2 == first) {
        run(seed);
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a decimal number")))
}

const SEEDS: u64 = 200;
