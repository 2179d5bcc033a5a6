use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::{Change, Score, SortedSet, SortedSetError, SortedSetRules};
use crate::rng::Rng;
use crate::table::hash::{KeyHasher, Partitioning};
use crate::value::Typed;
use crate::value::listpack::{Element, Listpack};

/// A score with an order of its own: integers, so that a map can be sorted by it.
type Model = BTreeMap<Vec<u8>, i64>;

fn hasher() -> KeyHasher {
    KeyHasher::new(Partitioning::ByHash, &mut Rng::new(1))
}

fn rules(entries_max: usize, hasher: &KeyHasher) -> SortedSetRules<'_> {
    SortedSetRules { entries_max, value_bytes_max: 64, hasher }
}

fn score(number: f64) -> Score {
    Score::new(number).unwrap()
}

fn contents(set: &SortedSet) -> Vec<(Vec<u8>, f64)> {
    set.view().iter().map(|(name, score)| (name.to_vec(), score)).collect()
}

fn sorted(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let by_score: BTreeSet<_> = model.iter().map(|(name, &score)| (score, name.clone())).collect();
    by_score.into_iter().map(|(score, name)| (name, score as f64)).collect()
}

fn build(pairs: &[(&str, f64)], entries_max: usize) -> SortedSet {
    let hasher = hasher();
    let mut set = SortedSet::new();
    for &(name, number) in pairs {
        set.insert(name.as_bytes(), score(number), rules(entries_max, &hasher));
    }
    set
}

#[test]
fn random_changes_agree_with_a_map_in_both_forms() {
    let hasher = hasher();
    for (seed, entries_max, names, rounds) in
        [(1, 1000, 60, 3_000), (2, 0, 300, 4_000), (3, 40, 80, 4_000), (4, 0, 4_000, 20_000)]
    {
        let rules = rules(entries_max, &hasher);
        let mut rng = Rng::new(seed);
        let (mut set, mut model) = (SortedSet::new(), Model::new());
        for round in 0..rounds {
            let name = if rng.chance(50) {
                format!("{}", rng.below(names))
            } else {
                format!("member {:030}", rng.below(names))
            };
            let (name, number) = (name.into_bytes(), rng.below(50).cast_signed() - 20);
            if rng.chance(if round % 2_000 < 1_200 { 75 } else { 20 }) {
                let change = set.insert(&name, score(number as f64), rules);
                let expected = match model.insert(name.clone(), number) {
                    None => Change::Added,
                    Some(old) if old == number => Change::Same,
                    Some(_) => Change::Moved,
                };
                assert_eq!(change, expected, "seed {seed}");
            } else if rng.chance(90) {
                assert_eq!(set.remove(&name), model.remove(&name).map(|score| score as f64), "seed {seed}");
            } else {
                let (start, count) = (rng.index(model.len()), rng.index(5));
                let doomed: Vec<_> = sorted(&model).into_iter().skip(start).take(count).collect();
                assert_eq!(set.remove_ranks(start..start + count), doomed.len(), "seed {seed}");
                doomed.iter().for_each(|(name, _)| _ = model.remove(name));
            }
            assert_eq!(set.view().len(), model.len(), "seed {seed}");
            if round % 200 == 0 {
                check(&set, &model, &mut rng, &format!("seed {seed} round {round}"));
            }
        }
        check(&set, &model, &mut rng, &format!("seed {seed}"));
        check(&set.clone(), &model, &mut rng, &format!("clone, seed {seed}"));
    }
}

fn check(set: &SortedSet, model: &Model, rng: &mut Rng, context: &str) {
    let expected = sorted(model);
    assert_eq!(contents(set), expected, "{context}");
    assert!(
        set.view().iter().rev().map(|(name, score)| (name.to_vec(), score)).eq(expected.iter().rev().cloned()),
        "{context}"
    );
    for (rank, (name, score)) in expected.iter().enumerate() {
        assert_eq!(set.view().rank(name), Some((rank, *score)), "{context}");
        assert_eq!(set.view().score(name), Some(*score), "{context}");
    }
    let (start, end) = (rng.index(expected.len()), rng.index(expected.len() + 3));
    let range = set.view().range(start..end);
    assert_eq!(range.len(), range.clone().count(), "{context}");
    let cut = expected.iter().take(end).skip(start);
    assert!(range.map(|(name, score)| (name.to_vec(), score)).eq(cut.cloned()), "{context}");
    let (min, max) = (rng.below(60) as f64 - 25.0, rng.below(60) as f64 - 25.0);
    let by_score = set.view().ranks_by_score(Bound::Excluded(min), Bound::Included(max));
    let wanted: Vec<_> = expected.iter().filter(|(_, score)| *score > min && *score <= max).cloned().collect();
    assert!(set.view().range(by_score).map(|(name, score)| (name.to_vec(), score)).eq(wanted), "{context}");
    let mut seen = BTreeSet::new();
    let mut cursor = 0;
    loop {
        cursor = set.view().scan(cursor, 10, |name, _| _ = seen.insert(name.to_vec()));
        if cursor == 0 {
            break;
        }
    }
    assert!(seen.iter().eq(model.keys()), "{context}");
}

#[test]
fn an_iterator_meets_itself_in_the_middle() {
    for entries_max in [0, 1000] {
        let names: Vec<String> = (100..500).map(|number| number.to_string()).collect();
        let set = build(&names.iter().map(|name| (&name[..], 1.0)).collect::<Vec<_>>(), entries_max);
        let mut iter = set.view().range(10..300);
        let (mut front, mut back) = (Vec::new(), Vec::new());

        while let Some((name, _)) = iter.next() {
            front.push(name.to_vec());
            back.extend(iter.next_back().map(|(name, _)| name.to_vec()));
        }

        back.reverse();
        assert!(front.iter().chain(&back).map(|name| &name[..]).eq(names[10..300].iter().map(String::as_bytes)));
    }
}

#[test]
fn members_of_one_score_are_ranged_by_text() {
    for entries_max in [0, 1000] {
        let set = build(&[("b", 0.0), ("a", 0.0), ("10", 0.0), ("9", -0.0), ("c", 0.0), ("", 0.0)], entries_max);
        let range = |min, max| {
            let ranks = set.view().ranks_by_name(min, max);
            set.view().range(ranks).map(|(name, _)| String::from_utf8(name.to_vec()).unwrap()).collect::<Vec<_>>()
        };

        assert_eq!(range(Bound::Unbounded, Bound::Unbounded), ["", "10", "9", "a", "b", "c"]);
        assert_eq!(range(Bound::Included(b"a"), Bound::Excluded(b"c")), ["a", "b"]);
        assert_eq!(range(Bound::Excluded(b"a"), Bound::Included(b"c")), ["b", "c"]);
        assert_eq!(range(Bound::Excluded(b"10"), Bound::Unbounded), ["9", "a", "b", "c"]);
        assert!(range(Bound::Included(b"z"), Bound::Included(b"a")).is_empty());
    }
}

#[test]
fn infinities_are_at_the_ends_and_zeros_are_equal() {
    for entries_max in [0, 1000] {
        let hasher = hasher();
        let mut set =
            build(&[("min", f64::NEG_INFINITY), ("z", -0.0), ("max", f64::INFINITY), ("a", 0.0)], entries_max);

        assert_eq!(
            set.view().iter().map(|(name, _)| name.to_vec()).collect::<Vec<_>>(),
            [&b"min"[..], b"a", b"z", b"max"]
        );
        assert_eq!(set.insert(b"z", score(0.0), rules(entries_max, &hasher)), Change::Same);
        assert_eq!(set.view().ranks_by_score(Bound::Included(0.0), Bound::Included(f64::INFINITY)), 1..4);
        assert_eq!(set.view().ranks_by_score(Bound::Excluded(-0.0), Bound::Excluded(f64::INFINITY)), 3..3);
        assert_eq!(Score::new(f64::NAN), None);
    }
}

#[test]
fn the_decision_sees_the_present_score() {
    for entries_max in [0, 1000] {
        let hasher = hasher();
        let rules = rules(entries_max, &hasher);
        let mut set = build(&[("m", 5.0)], entries_max);

        assert_eq!(set.update(b"m", |old| Score::new(old? + 2.0), rules), Change::Moved);
        assert_eq!(set.update(b"other", |old| Score::new(old? + 2.0), rules), Change::Declined);
        assert_eq!(contents(&set), [(b"m".to_vec(), 7.0)]);
    }
}

#[test]
fn thresholds_choose_the_form() {
    let hasher = hasher();
    let small = rules(3, &hasher);
    let mut set = build(&[("a", 1.0), ("b", 2.0), ("c", 3.0)], 3);
    assert_eq!(set.view().encoding(), "listpack");

    set.insert(b"a", score(9.0), small);
    assert_eq!(set.view().encoding(), "listpack");
    set.insert(b"d", score(9.0), small);
    assert_eq!(set.view().encoding(), "skiplist");
    set.make_small_if_fits(small);
    assert_eq!(set.view().encoding(), "skiplist");
    set.remove(b"d");
    assert_eq!(set.view().encoding(), "skiplist");
    set.make_small_if_fits(small);
    assert_eq!(set.view().encoding(), "listpack");
    assert_eq!(contents(&set), [(b"b".to_vec(), 2.0), (b"c".to_vec(), 3.0), (b"a".to_vec(), 9.0)]);
    set.remove(b"a");
    set.insert(&[b'l'; 65], score(0.0), small);
    assert_eq!(set.view().encoding(), "skiplist");
    set.make_small_if_fits(small);
    assert_eq!(set.view().encoding(), "skiplist");
}

#[test]
fn the_listpack_is_the_references() {
    // Redis-server 7.0.15 answers this to DUMP, but for the two doubles that later versions write in shortest form.
    let expected = b"\x8f\x00\x00\x00\x1e\x00\x81l\x02\x84-inf\x05\x81j\x02\xf4\x00\x00\x9cXLI\x1f\xf2\t\x81c\x02\x00\
\x01\x81m\x02\x841e-7\x05\x81d\x02\x830.1\x04\x81a\x02\x01\x01\x81b\x02\x832.5\x04\x81n\x02\xf4\x01\x00\x00\x00\x00\
\x00\x10\x00\t\x81e\x02\xf4\x00\x00\x8a]xEc\x01\t\x81f\x02\xf4\x00\x00d\xa7\xb3\xb6\xe0\r\t\x81g\x02\xf4\x00\x00\x90\
\x9d\xce\xda\x827\t\x81h\x02\x855e+18\x06\x81i\x02\x851e+19\x06\x81o\x02\x873.3e+20\x08\x81k\x02\x83inf\x04\xff";

    let set = build(
        &[
            ("a", 1.0),
            ("b", 2.5),
            ("c", -0.0),
            ("d", 0.1),
            ("e", 1e17),
            ("f", 1e18),
            ("g", 4e18),
            ("h", 5e18),
            ("i", 1e19),
            ("j", -1e18),
            ("k", f64::INFINITY),
            ("l", f64::NEG_INFINITY),
            ("m", 1e-7),
            ("n", 4_503_599_627_370_497.0),
            ("o", 3.3e20),
        ],
        128,
    );

    assert_eq!(
        set.as_listpack().unwrap().as_bytes()[6..].escape_ascii().to_string(),
        expected[6..].escape_ascii().to_string()
    );
    let again = SortedSet::from_listpack(set.as_listpack().unwrap().clone()).unwrap();
    assert_eq!(contents(&again), contents(&set));
}

#[test]
fn listpacks_from_outside_are_checked() {
    let check = |elements: &[&[u8]]| {
        let pairs: Listpack = elements.iter().copied().collect();
        SortedSet::from_listpack(pairs).map(|set| set.view().len())
    };

    assert_eq!(check(&[]), Ok(0));
    assert_eq!(check(&[b"b", b"1", b"a", b"1.5", b"c", b"inf"]), Ok(3));
    assert_eq!(check(&[b"a", b"1", b"b"]), Err(SortedSetError::Odd));
    assert_eq!(check(&[b"a", b"2", b"b", b"1"]), Err(SortedSetError::Order));
    assert_eq!(check(&[b"b", b"1", b"a", b"1"]), Err(SortedSetError::Order));
    assert_eq!(check(&[b"a", b"1", b"a", b"1"]), Err(SortedSetError::Order));
    assert_eq!(check(&[b"a", b"1", b"a", b"2"]), Err(SortedSetError::Duplicate));
    assert_eq!(check(&[b"a", b"nan"]), Err(SortedSetError::Score));
    assert_eq!(check(&[b"a", b"x"]), Err(SortedSetError::Score));
    assert_eq!(check(&[b"a", b""]), Err(SortedSetError::Score));
}

#[test]
fn a_large_set_is_freed_in_pieces() {
    let names: Vec<String> = (0..20_000).map(|number| format!("member with a long name {number}")).collect();
    let mut set = build(&names.iter().map(|name| (&name[..], name.len() as f64)).collect::<Vec<_>>(), 128);
    let full = set.memory_usage();
    assert!(full > 20_000 * 80 && full < 20_000 * 120, "{full}");

    let mut steps = 0;
    loop {
        let freed = set.free_some(500);
        if freed == 0 {
            break;
        }
        assert!(freed < 500 + 1792, "{freed}");
        steps += 1;
    }

    assert!(steps > 20, "{steps}");
    assert!(set.memory_usage() < 4096, "{}", set.memory_usage());
}

#[test]
fn memory_is_given_back_when_members_leave() {
    let names: Vec<String> = (0..50_000).map(|number| format!("member:{number:09}")).collect();
    let mut set = build(&names.iter().map(|name| (&name[..], 1.0)).collect::<Vec<_>>(), 128);
    let full = set.memory_usage();
    assert!(full < 50_000 * 78, "{full}");

    for name in &names[..49_000] {
        assert_eq!(set.remove(name.as_bytes()), Some(1.0));
    }

    assert!(set.memory_usage() < full / 10, "{} of {full}", set.memory_usage());
    assert!(names[49_000..].iter().all(|name| set.view().score(name.as_bytes()) == Some(1.0)));
    assert_eq!(set.view().range(0..1).next().map(|(name, _)| name), Some(Element::Bytes(names[49_000].as_bytes())));
}
