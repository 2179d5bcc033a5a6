use std::collections::BTreeSet;

use super::Table;
use super::hash::KeyHash;
use crate::rng::Rng;
use crate::slot::Slot;

/// Spreads numbers over the whole table.
fn plain(number: &u64) -> KeyHash {
    KeyHash::plain(Rng::new(*number).next_u64())
}

/// Puts all numbers into one slot.
fn one_slot(number: &u64) -> KeyHash {
    KeyHash::in_slot(Slot::of_key(b"tag"), Rng::new(*number).next_u64())
}

fn insert(table: &mut Table<u64>, hash: fn(&u64) -> KeyHash, number: u64) {
    table.insert(hash(&number), number, hash);
}

fn remove(table: &mut Table<u64>, hash: fn(&u64) -> KeyHash, number: u64) -> bool {
    let spot = table.find_spot(hash(&number), |&item| item == number);
    spot.is_some_and(|spot| table.remove(spot, hash) == Some(number))
}

#[test]
fn items_are_found_while_the_table_grows_and_shrinks() {
    for hash in [plain, one_slot] {
        let mut table = Table::new();

        for number in 0..30_000 {
            insert(&mut table, hash, number);
        }
        for number in 0..30_000 {
            assert_eq!(table.find(hash(&number), |&item| item == number), Some(&number));
        }
        assert_eq!(table.iter().copied().collect::<BTreeSet<_>>().len(), 30_000);
        let full = table.bytes();
        for number in 0..29_990 {
            assert!(remove(&mut table, hash, number), "{number}");
        }

        assert_eq!(table.len(), 10);
        assert_eq!(table.iter().copied().collect::<BTreeSet<_>>(), (29_990..30_000).collect());
        assert!(table.bytes() < full / 2, "{} of {full}", table.bytes());
        for number in 29_990..30_000 {
            assert!(remove(&mut table, hash, number));
        }
        assert_eq!(table.bytes(), 0);
    }
}

#[test]
fn no_group_outgrows_its_limit_even_in_one_slot() {
    for hash in [plain, one_slot] {
        let mut table = Table::new();

        for number in 0..60_000 {
            insert(&mut table, hash, number);
        }

        let stats = table.stats();
        assert!(stats.group_items_max <= 1792, "{stats:?}");
        assert!(stats.buckets < 60_000 * 2, "{stats:?}");
        assert_eq!(table.bytes(), stats.bytes);
    }
}

#[test]
fn a_small_table_is_cheap() {
    let mut table = Table::new();
    assert_eq!(table.bytes(), 0);

    insert(&mut table, plain, 1);

    assert!(table.bytes() < 400, "{}", table.bytes());
}

#[test]
fn churn_at_a_constant_size_does_not_grow_the_table() {
    let mut table = Table::new();
    for number in 0..10_000 {
        insert(&mut table, plain, number);
    }
    let before = table.bytes();

    for number in 10_000..200_000 {
        insert(&mut table, plain, number);
        assert!(remove(&mut table, plain, number - 10_000));
    }

    assert!(table.bytes() <= before * 3 / 2, "{} after {before}", table.bytes());
}

#[test]
fn a_scan_meets_every_item_that_stays() {
    for hash in [plain, one_slot] {
        for seed in 0..6 {
            let mut rng = Rng::new(seed);
            let mut table = Table::new();
            let staying = 1 + rng.below(3_000);
            for number in 0..staying {
                insert(&mut table, hash, number);
            }
            // Others come in waves, so that groups grow, split and shrink under the scan.
            let mut others = Vec::new();
            let mut next = staying;
            let mut met = BTreeSet::new();
            let mut cursor = 0;
            loop {
                cursor = table.scan(cursor, 10, |&item| {
                    met.insert(item);
                });
                if cursor == 0 {
                    break;
                }
                if rng.chance(10) {
                    for _ in 0..rng.below(3_000) {
                        insert(&mut table, hash, next);
                        others.push(next);
                        next += 1;
                    }
                } else if rng.chance(10) {
                    for number in others.split_off(others.len() / 8) {
                        assert!(remove(&mut table, hash, number));
                    }
                }
            }

            assert!((0..staying).all(|number| met.contains(&number)), "seed {seed}");
        }
    }
}

#[test]
fn a_scan_of_a_quiet_table_meets_each_item_once() {
    for hash in [plain, one_slot] {
        let mut table = Table::new();
        for number in 0..20_000 {
            insert(&mut table, hash, number);
        }
        let mut met = Vec::new();
        let mut cursor = 0;
        let mut calls = 0;

        loop {
            cursor = table.scan(cursor, 10, |&item| met.push(item));
            calls += 1;
            if cursor == 0 {
                break;
            }
        }

        assert_eq!(met.len(), 20_000);
        assert_eq!(met.into_iter().collect::<BTreeSet<_>>().len(), 20_000);
        assert!(calls > 500, "{calls} calls");
    }
}

#[test]
fn any_number_is_a_cursor() {
    let mut rng = Rng::new(9);
    let mut table = Table::new();
    assert_eq!(table.scan(u64::MAX, 10, |_| ()), 0);
    for number in 0..10_000 {
        insert(&mut table, one_slot, number);
    }

    for _ in 0..10_000 {
        let cursor = rng.next_u64() >> rng.below(64);
        let mut visits = 0;
        table.scan(cursor, 10, |_| visits += 1);
        assert!(visits < 100, "{cursor}: {visits}");
    }
    table.scan(u64::MAX, usize::MAX, |_| ());
}

#[test]
fn the_same_writes_give_the_same_order() {
    let build = || {
        let mut table = Table::new();
        for number in 0..9_000 {
            insert(&mut table, plain, number);
        }
        for number in 0..500 {
            assert!(remove(&mut table, plain, number * 3));
        }
        table.iter().copied().collect::<Vec<_>>()
    };

    assert_eq!(build(), build());
}

#[test]
fn items_with_one_hash_are_kept_apart_by_their_equality() {
    let same = |_: &u64| KeyHash::plain(7);
    let mut table: Table<u64> = Table::new();

    for number in 0..9_000 {
        table.insert(same(&number), number, same);
    }

    assert_eq!(table.find(same(&0), |&item| item == 8_999), Some(&8_999));
    let mut visits = 0;
    let mut cursor = 0;
    loop {
        cursor = table.scan(cursor, 10, |_| visits += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(visits, 9_000);
}
