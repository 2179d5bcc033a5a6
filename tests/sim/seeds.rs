//! The seeds.

use slotmesh_test_support::seeds;

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

fn run_seeds(first: u64) {
    for seed in seeds::every_second(first) {
        let outcome = run(seed);
        if seeds::is_single() {
            eprintln!("{seed}: {outcome:?}");
        }
    }
}
