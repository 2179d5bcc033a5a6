//! What an entry is made of comes back out of it, through every change.

use bytes::Bytes;

use super::super::object::{INLINE_BYTES_MAX, NewValue, Object, StringEncoding, ValueRef};
use super::{Birth, Entry, UnixMillis};

fn entry(key: &[u8], value: NewValue<'_>) -> Entry {
    Entry::new(key, value, Birth::default())
}

fn text(entry: &Entry) -> Vec<u8> {
    entry.value().string_bytes(&mut itoa::Buffer::new()).unwrap().to_vec()
}

#[test]
fn every_shape_gives_back_its_parts() {
    let long = vec![b'l'; 100_000];
    for key in [&b""[..], b"k", b"sixteen bytes key", &long] {
        for expiry in [None, Some(UnixMillis(-5)), Some(UnixMillis(i64::MAX))] {
            for value in [&b""[..], b"v", &long[..INLINE_BYTES_MAX], &long] {
                let birth = Birth { expiry, access: 0xab_cdef, colour: 5 };
                let mut entry = Entry::new(key, NewValue::Str(value), birth);
                entry.set_access(0x12_3456);
                entry.paint(3);

                assert_eq!(entry.key(), key);
                assert_eq!(entry.expiry(), expiry);
                assert_eq!(text(&entry), value);
                assert_eq!((entry.access(), entry.colour()), (0x12_3456, 3));
                entry.set_expiry(None);
                entry.rename(b"other");
                assert_eq!((entry.key(), entry.expiry()), (&b"other"[..], None));
                assert_eq!((entry.access(), entry.colour()), (0x12_3456, 3));
                assert_eq!(text(&entry), value);
            }
        }
    }
}

#[test]
fn an_integer_changes_in_place() {
    let mut entry = entry(b"n", NewValue::Int(41));
    let before = entry.address();

    *entry.int_mut().unwrap() += 1;
    entry.replace(NewValue::Int(-7), Birth::default());

    assert_eq!(entry.address(), before);
    assert!(matches!(entry.value(), ValueRef::Int(-7)));
    assert_eq!(entry.string_encoding(), Some(StringEncoding::Int));
}

#[test]
fn a_value_of_the_same_length_is_overwritten_in_place() {
    let mut entry = entry(b"k", NewValue::Str(b"abc"));
    let before = entry.address();

    entry.replace(NewValue::Str(b"xyz"), Birth::default());
    assert_eq!((entry.address(), text(&entry)), (before, b"xyz".to_vec()));

    entry.replace(NewValue::Str(b"longer value"), Birth { expiry: Some(UnixMillis(9)), ..Birth::default() });
    assert_eq!((entry.key(), entry.expiry()), (&b"k"[..], Some(UnixMillis(9))));
    assert_eq!(text(&entry), b"longer value");
}

#[test]
fn appends_cross_from_digits_to_bytes_to_a_buffer() {
    let mut entry = entry(b"k", NewValue::Int(12));
    let mut expected = b"12".to_vec();

    for _ in 0..100 {
        assert!(entry.append(b"abcdefg"));
        expected.extend_from_slice(b"abcdefg");
        assert_eq!(text(&entry), expected);
    }

    assert!(matches!(entry.value(), ValueRef::Object(Object::String(_))));
    assert_eq!(entry.key(), b"k");
}

#[test]
fn edits_fill_up_with_zeros() {
    for len in [0, 3, 10, 300, 40_000] {
        let mut entry = entry(b"k", NewValue::Str(b"abc"));

        let found = entry.edit_bytes(len, |bytes| {
            bytes[0] = b'X';
            bytes.len()
        });

        let mut expected = b"Xbc".to_vec();
        expected.resize(len.max(3), 0);
        assert_eq!(found, Some(expected.len()));
        assert_eq!(text(&entry), expected);
        assert_eq!(entry.string_encoding(), Some(StringEncoding::Raw));
    }
}

#[test]
fn a_copy_lives_on_its_own() {
    for value in [&b"short"[..], &vec![7; 20_000]] {
        let original =
            Entry::new(b"a", NewValue::Str(value), Birth { expiry: Some(UnixMillis(3)), ..Birth::default() });

        let mut copy = original.copy_as(b"b");
        assert!(copy.append(b"more"));

        assert_eq!(text(&original), value);
        assert_eq!((copy.key(), copy.expiry()), (&b"b"[..], Some(UnixMillis(3))));
        assert_eq!(text(&copy), [value, b"more"].concat());
    }
}

#[test]
fn readers_keep_the_bytes_they_took_before_an_edit() {
    let mut entry = entry(b"k", NewValue::Shared(Bytes::from(vec![1; 20_000])));
    let ValueRef::Object(Object::String(string)) = entry.value() else { panic!("outside the entry") };
    let taken = string.bytes().clone();

    entry.edit_bytes(0, |bytes| bytes.fill(2)).unwrap();
    entry.append(&[3]);

    assert!(taken.iter().all(|&byte| byte == 1));
    assert_eq!(text(&entry), [vec![2; 20_000], vec![3]].concat());
}
