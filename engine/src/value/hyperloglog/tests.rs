use std::borrow::Cow;

use sha1::{Digest, Sha1};

use super::{
    Corrupted, Form, REGISTERS, Registers, Run, add, add_dense, empty, estimate, forget_estimate, form, keep_estimate,
    last_estimate, registers, runs, selftest, to_dense,
};
use crate::rng::Rng;

/// A HyperLogLog of the numbers below `count`, in decimal.
fn of_numbers(count: u64, sparse_bytes_max: usize) -> Vec<u8> {
    let mut bytes: Cow<'_, [u8]> = Cow::Owned(empty());
    for number in 0..count {
        add(&mut bytes, number.to_string().as_bytes(), sparse_bytes_max).unwrap();
    }
    bytes.into_owned()
}

#[test]
fn an_empty_one_is_a_single_run() {
    let bytes = empty();

    assert_eq!(bytes, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    assert_eq!(form(&bytes), Some(Form::Sparse));
    assert_eq!(runs(&bytes).collect::<Vec<_>>(), [Run::ManyZeros(REGISTERS)]);
    assert_eq!((estimate(&bytes), last_estimate(&bytes)), (Ok(0), Some(0)));
}

#[test]
fn bytes_and_estimates_are_those_of_the_reference() {
    // Length and SHA-1 of GET, and PFCOUNT, of redis-server 7.0.15 and valkey-server 9.1.2 after PFADD of the numbers.
    let cases = [
        (1, 21, "120dd8713612b3f707ebf840484a86f59ff70a64", 1),
        (10, 48, "5f877d9d0162bfb2730496659172bc7456679d3d", 10),
        (100, 287, "e448ecf5da41d8cbef3dfc98b83246a059f244da", 100),
        (1000, 1923, "4b303e06b0d6db03a3a76f2ec573cd3e169405e7", 1001),
        (1500, 2766, "b7f0e6c86cbe9c59c281dd3c0d425adfba6079c5", 1512),
        (2000, 12_304, "2171f65769f5e3025667dd86b6973403e6e6fc8b", 2007),
        (5000, 12_304, "3fa160b43f67d7e004731fa9d341262846fbaf66", 4985),
        (100_000, 12_304, "ab6973d0a02ad01492516665fac6473e86680977", 99_565),
    ];

    for (count, len, sha1, estimated) in cases {
        let mut bytes = of_numbers(count, 3000);
        forget_estimate(&mut bytes);

        assert_eq!((bytes.len(), estimate(&bytes)), (len, Ok(estimated)), "{count}");
        let digest: String = Sha1::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, sha1, "{count}");
    }
}

#[test]
fn both_forms_hold_the_same_registers() {
    for count in [0, 1, 10, 100, 1000, 3000] {
        let sparse = of_numbers(count, usize::MAX);
        let dense = of_numbers(count, 0);

        assert_eq!(form(&sparse), Some(Form::Sparse));
        assert_eq!(registers(&sparse), registers(&dense), "{count}");
        assert_eq!(to_dense(&sparse).map(|bytes| registers(&bytes)), Ok(registers(&dense)), "{count}");
        assert_eq!(estimate(&sparse), estimate(&dense), "{count}");
    }
}

#[test]
fn a_sparse_one_becomes_dense_past_its_bound() {
    let mut bytes: Cow<'_, [u8]> = Cow::Owned(empty());
    for number in 0..10_000_u64 {
        add(&mut bytes, &number.to_le_bytes(), 500).unwrap();
        match form(&bytes) {
            Some(Form::Sparse) => assert!(bytes.len() <= 500),
            other => assert_eq!((other, bytes.len()), (Some(Form::Dense), 12_304)),
        }
    }
    assert_eq!(form(&bytes), Some(Form::Dense));
}

#[test]
fn an_element_that_is_there_changes_nothing_and_copies_nothing() {
    let held = of_numbers(500, 3000);
    let mut bytes = Cow::Borrowed(&held[..]);

    for number in 0..500 {
        assert_eq!(add(&mut bytes, number.to_string().as_bytes(), 3000), Ok(false));
    }

    assert!(matches!(bytes, Cow::Borrowed(_)));
    let mut dense = to_dense(&held).unwrap();
    assert!(!add_dense(&mut dense, b"7") && add_dense(&mut dense, b"another"));
}

#[test]
fn merging_is_adding_everything_to_one() {
    let (one, other) = (of_numbers(300, 3000), of_numbers(9000, 3000));
    let mut merged = Registers::default();

    merged.merge(&one).unwrap();
    merged.merge(&other).unwrap();

    assert_eq!(merged, registers(&other).unwrap());
    assert_eq!(Ok(merged.estimate()), estimate(&other));
    for sparse_bytes_max in [0, 3000, usize::MAX] {
        let mut target: Cow<'_, [u8]> = Cow::Owned(empty());
        merged.write_to(&mut target, sparse_bytes_max).unwrap();
        assert_eq!(registers(&target).unwrap(), merged);
    }
}

#[test]
fn the_last_estimate_is_kept_until_it_is_forgotten() {
    let mut bytes = empty();

    keep_estimate(&mut bytes, 12_345);
    assert_eq!(last_estimate(&bytes), Some(12_345));
    forget_estimate(&mut bytes);
    assert_eq!(last_estimate(&bytes), None);
}

#[test]
fn other_strings_have_no_form() {
    let dense = of_numbers(1, 0);
    let cases: [&[u8]; 8] = [
        b"",
        b"HYLL",
        b"HYLL\x01\0\0\0\0\0\0\0\0\0\0",
        b"hyll\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
        b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
        b"HYLL\x00\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
        &dense[1..],
        &[&dense[..], b"\0"].concat(),
    ];

    for bytes in cases {
        assert_eq!(form(bytes), None, "{}", bytes.escape_ascii());
    }
}

#[test]
fn runs_that_do_not_make_up_the_registers_are_corrupted() {
    let header = &empty()[..16];
    for runs in [&b""[..], b"\x7f", b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f\xff\x80", b"\x80\x7f\xff", b"\x7f\xff\x7f\xff"]
    {
        let bytes = [header, runs].concat();

        assert_eq!(estimate(&bytes), Err(Corrupted), "{}", runs.escape_ascii());
        assert_eq!(to_dense(&bytes), Err(Corrupted));
        assert_eq!(registers(&bytes), Err(Corrupted));
    }
    for runs in [&b""[..], b"\x00", b"\x80", b"\x40"] {
        let mut bytes: Cow<'_, [u8]> = Cow::Owned([header, runs].concat());
        let before = bytes.clone();

        assert_eq!(add(&mut bytes, b"an element of a high register", 3000), Err(Corrupted));
        assert_eq!(bytes, before);
    }
}

#[test]
fn damaged_bytes_never_panic() {
    let mut rng = Rng::new(3);
    let samples = [of_numbers(0, 3000), of_numbers(200, 3000), of_numbers(1500, 3000), of_numbers(9000, 3000)];
    for round in 0..2000 {
        let mut bytes = samples[round % samples.len()].clone();
        for _ in 0..=rng.below(8) {
            let at = 16 + rng.index(bytes.len() - 16);
            match rng.below(3) {
                0 => bytes[at] = rng.below(256) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, rng.below(256) as u8),
            }
            if bytes.len() <= 17 {
                break;
            }
        }
        if form(&bytes).is_none() {
            continue;
        }
        let sound = registers(&bytes).is_ok();
        assert_eq!(estimate(&bytes).is_ok(), sound);
        let mut edited: Cow<'_, [u8]> = Cow::Owned(bytes);
        for number in 0..50_u64 {
            if add(&mut edited, &number.to_le_bytes(), 3000).is_err() {
                assert!(!sound);
            }
        }
        if sound {
            assert!(registers(&edited).is_ok());
        }
    }
}

#[test]
fn the_selftest_passes() {
    assert_eq!(selftest(), Ok(()));
}
