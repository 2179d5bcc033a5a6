use std::collections::BTreeMap;

use super::{Field, Hash, Presence, Sight};
use crate::keyspace::{Expiry, UnixMillis};
use crate::rng::Rng;
use crate::value::listpack::Listpack;
use crate::value::{Collection, OwnRules, Typed};

const NOW: UnixMillis = UnixMillis(1000);

fn hash(fields: usize, own: &OwnRules) -> Hash {
    let mut hash = Hash::default();
    for number in 0..fields {
        assert_eq!(hash.set(format!("f{number}").as_bytes(), b"value", Expiry::Never, own.rules()), None);
    }
    hash
}

fn text(hash: &Hash, field: &str, sight: Sight) -> Option<Vec<u8>> {
    let value = hash.view().get(field.as_bytes(), sight)?;
    value.string_bytes(&mut itoa::Buffer::new()).map(<[u8]>::to_vec)
}

#[test]
fn a_hash_becomes_a_table_when_it_is_large_or_something_is_long() {
    let own = OwnRules::default();
    let with = |field: &[u8], value: &[u8]| {
        let mut hash = hash(3, &own);
        hash.set(field, value, Expiry::Never, own.rules());
        hash.view().encoding()
    };

    assert_eq!((hash(512, &own).view().encoding(), hash(513, &own).view().encoding()), ("listpack", "hashtable"));
    assert_eq!((with(&[b'x'; 64], &[b'y'; 64]), with(b"f", &[b'y'; 65])), ("listpack", "hashtable"));
    assert_eq!(with(&[b'x'; 65], b"v"), "hashtable");
    let mut many = Hash::default();
    many.expect(513, 0, own.rules());
    assert_eq!(many.view().encoding(), "hashtable");
}

#[test]
fn it_is_a_hash_in_every_form() {
    for entries_max in [0, 20, 512] {
        let mut own = OwnRules::default();
        own.config.hash_max_listpack_entries = entries_max;
        let (mut hash, mut model, mut rng) = (Hash::default(), BTreeMap::new(), Rng::new(9));
        for round in 0..4000_u64 {
            let name = format!("{}", rng.below(60 + round / 20));
            let value = format!("{}", rng.next_u64() >> rng.below(60) as u32);
            match rng.below(10) {
                0..6 => {
                    let met = hash.set(name.as_bytes(), value.as_bytes(), Expiry::Never, own.rules());
                    assert_eq!(met.is_some(), model.insert(name.clone(), value).is_some());
                }
                _ => {
                    let removed = hash.remove(name.as_bytes(), Sight::All) == Presence::Seen;
                    assert_eq!(removed, model.remove(&name).is_some());
                }
            }
            assert_eq!(text(&hash, &name, Sight::All), model.get(&name).map(|value| value.clone().into_bytes()));
            assert_eq!(hash.view().len(), model.len());
        }

        let fields: BTreeMap<String, String> = hash.view().fields().map(owned).collect();
        assert_eq!(fields, model);
    }
}

fn owned(field: Field<'_>) -> (String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(field.name.to_vec()), text(field.value_to_vec()))
}

#[test]
fn fields_past_their_expiry_are_hidden_until_they_are_taken() {
    let own = OwnRules::default();
    let mut hash = hash(10, &own);
    let at = |millis| Some(UnixMillis(millis));

    assert!(hash.set_expiry(b"nosuch", at(5), own.rules()).is_none());
    assert_eq!((hash.view().encoding(), hash.view().next_expiry()), ("listpack", None));
    for (field, expiry) in [("f1", 999), ("f2", 1000), ("f3", 5)] {
        assert_eq!(hash.set_expiry(field.as_bytes(), at(expiry), own.rules()).unwrap().expiry, None);
    }

    assert_eq!((hash.view().encoding(), hash.view().next_expiry()), ("hashtable", at(5)));
    assert_eq!(
        (hash.view().len(), hash.view().seen_len(Sight::At(NOW)), hash.view().seen_len(Sight::All)),
        (10, 8, 10)
    );
    assert_eq!(text(&hash, "f1", Sight::At(NOW)), None);
    assert_eq!(text(&hash, "f2", Sight::At(NOW)), Some(b"value".to_vec()));
    assert_eq!(hash.remove(b"f1", Sight::At(NOW)), Presence::Hidden);
    let mut gone = Vec::new();
    hash.expire(NOW, 100, |entry| gone.push(entry.key().to_vec()));
    gone.sort();
    assert_eq!(gone, [b"f1", b"f3"]);
    assert_eq!((hash.view().len(), hash.view().volatile_len(), hash.view().next_expiry()), (8, 1, at(1000)));
    assert_eq!(hash.set(b"f2", b"new", Expiry::Never, own.rules()).unwrap().expiry, at(1000));
    assert_eq!(hash.view().volatile_len(), 0);
}

#[test]
fn random_fields_are_fair_in_every_form() {
    let own = OwnRules::default();
    for fields in [30, 600] {
        for volatile in [false, true] {
            let mut hash = hash(fields, &own);
            let mut seen = fields;
            if volatile {
                // Every third field is past its expiry.
                for number in (0..fields).step_by(3) {
                    hash.set_expiry(format!("f{number}").as_bytes(), Some(UnixMillis(1)), own.rules());
                    seen -= 1;
                }
            }
            for count in [1, seen / 4, seen / 2, seen - 1] {
                let (mut counts, mut rng) = (BTreeMap::new(), Rng::new(4));
                let rounds = 60_000 / count;
                for _ in 0..rounds {
                    let mut visited = 0;
                    hash.view().sample(&mut rng, count, Sight::At(NOW), |field| {
                        *counts.entry(field.name.to_vec()).or_insert(0) += 1;
                        visited += 1;
                    });
                    assert_eq!(visited, count);
                }
                check_fair(&counts, seen, rounds * count);
            }
            let (mut counts, mut rng) = (BTreeMap::new(), Rng::new(6));
            hash.view()
                .repeat(&mut rng, 60_000, Sight::At(NOW), |field| *counts.entry(field.name.to_vec()).or_insert(0) += 1);
            (0..60_000).for_each(|_| {
                let field = hash.view().random(&mut rng, Sight::At(NOW)).unwrap();
                *counts.entry(field.name.to_vec()).or_insert(0) += 1;
            });
            check_fair(&counts, seen, 120_000);
        }
    }
}

fn check_fair(counts: &BTreeMap<Vec<u8>, usize>, fields: usize, picks: usize) {
    let expected = picks as f64 / fields as f64;
    // Six standard deviations.
    let slack = 6.0 * expected.sqrt() + 1.0;
    assert_eq!(counts.len(), fields);
    assert!(counts.values().all(|&count| (count as f64 - expected).abs() < slack), "{expected}: {counts:?}");
}

#[test]
fn a_hash_without_visible_fields_gives_no_random_one() {
    let own = OwnRules::default();
    let mut hash = hash(5, &own);
    for number in 0..5 {
        hash.set_expiry(format!("f{number}").as_bytes(), Some(UnixMillis(1)), own.rules());
    }

    assert!(hash.view().random(&mut Rng::new(1), Sight::At(NOW)).is_none());
    hash.view().repeat(&mut Rng::new(1), 5, Sight::At(NOW), |_| panic!("no field is seen"));
    hash.view().sample(&mut Rng::new(1), 5, Sight::At(NOW), |_| panic!("no field is seen"));
    assert!(Hash::default().view().random(&mut Rng::new(1), Sight::All).is_none());
}

#[test]
fn listpacks_from_outside_are_pairs_without_repetition() {
    let mut own = OwnRules::default();
    let from = |elements: &[&str], own: &OwnRules| {
        let listpack: Listpack = elements.iter().map(|element| element.as_bytes()).collect();
        Hash::from_listpack(listpack, own.rules()).map(|hash| (hash.view().len(), hash.view().encoding()))
    };

    assert_eq!(from(&["a", "1", "b", "1"], &own), Some((2, "listpack")));
    assert_eq!(from(&["a", "1", "b"], &own), None);
    assert_eq!(from(&["7", "1", "7", "2"], &own), None);
    own.config.hash_max_listpack_entries = 1;
    assert_eq!(from(&["a", "1", "b", "1"], &own), Some((2, "hashtable")));
    own.config.hash_max_listpack_value = 2;
    assert_eq!(from(&["a", "123"], &own), Some((1, "hashtable")));
}
