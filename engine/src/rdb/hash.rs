//! Hashes in files: as a listpack, or as a list of fields and values, with or without the expiries of fields.
//!
//! Written is what Redis 7.0 reads (types 16 and 4) unless a field expires. There is no form for that which all newer
//! servers read: Valkey 9 has type 22, Redis 7.4 types 24 and 25, and each refuses the other's. We write Valkey's, into
//! files with Valkey's signature ([`Dialect`](super::writer::Dialect)), and read all of them. Types 9 and 13 are what
//! Redis before 2.6 and before 7.0 wrote.

use super::encoding::{Cursor, Fault, StringWriter, put_length};
use super::extent::Step;
use super::{RdbError, ziplist, zipmap};
use crate::keyspace::{Expiry, UnixMillis};
use crate::value::hash::{Field, Hash, HashView};
use crate::value::listpack::{Element, Listpack};
use crate::value::{Collection, Rules};

/// Type byte of hashes as a list of fields and values.
pub const TYPE_HASH: u8 = 4;
/// Type byte of hashes as a zipmap.
pub const TYPE_HASH_ZIPMAP: u8 = 9;
/// Type byte of hashes as a ziplist.
pub const TYPE_HASH_ZIPLIST: u8 = 13;
/// Type byte of hashes as a listpack.
pub const TYPE_HASH_LISTPACK: u8 = 16;
/// Type byte of Valkey 9 for fields with values and expiries. Redis's own 22 was of a release candidate only.
pub const TYPE_HASH_EXPIRIES: u8 = 22;
/// Type byte of Redis 7.4 for fields with values and expiries, which count from the earliest.
pub const TYPE_HASH_METADATA: u8 = 24;
/// Type byte of Redis 7.4 for a listpack of fields, values and expiries.
pub const TYPE_HASH_LISTPACK_EX: u8 = 25;

pub(super) const HASH: &[Step] = &[Step::Elements(&[Step::String, Step::String])];
pub(super) const HASH_PACKED: &[Step] = &[Step::String];
pub(super) const HASH_EXPIRIES: &[Step] = &[Step::Elements(&[Step::String, Step::String, Step::Bytes(8)])];
pub(super) const HASH_METADATA: &[Step] =
    &[Step::Bytes(8), Step::Elements(&[Step::Length, Step::String, Step::String])];
pub(super) const HASH_LISTPACK_EX: &[Step] = &[Step::Bytes(8), Step::String];

pub(super) fn type_byte(hash: HashView<'_>) -> u8 {
    if hash.volatile_len() > 0 {
        TYPE_HASH_EXPIRIES
    } else if hash.as_elements().is_some() {
        TYPE_HASH_LISTPACK
    } else {
        TYPE_HASH
    }
}

pub(super) fn put(out: &mut Vec<u8>, strings: &mut StringWriter, hash: HashView<'_>) {
    if let Some(pairs) = hash.as_elements() {
        strings.put(out, pairs.to_listpack().as_bytes());
        return;
    }
    let expires = hash.volatile_len() > 0;
    put_length(out, hash.len() as u64);
    let (mut name_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    for Field { name, value, expiry } in hash.fields() {
        strings.put(out, name.text(&mut name_digits));
        strings.put(out, value.string_bytes(&mut value_digits).unwrap_or_default());
        if expires {
            out.extend_from_slice(&expiry.map_or(NEVER, |at| at.0).to_le_bytes());
        }
    }
}

/// Reads a hash of any of its types.
pub(super) fn read(kind: u8, cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>, rules: Rules<'_>) -> Result<Hash, Fault> {
    match kind {
        TYPE_HASH_ZIPMAP => packed(zipmap::to_listpack(cursor.bytes(scratch)?), rules),
        TYPE_HASH_ZIPLIST => packed(ziplist::to_listpack(cursor.bytes(scratch)?), rules),
        TYPE_HASH_LISTPACK => packed(Listpack::validate(cursor.bytes(scratch)?).ok(), rules),
        TYPE_HASH_EXPIRIES => read_fields(cursor, scratch, rules, |_| Ok(None), |cursor, _| read_expiry(cursor)),
        TYPE_HASH_METADATA => {
            let earliest = millis(cursor)?;
            let relative = |cursor: &mut Cursor<'_>| match cursor.length()? {
                0 => Ok(None),
                distance => Ok(Some(later(earliest, distance - 1)?)),
            };
            read_fields(cursor, scratch, rules, relative, |_, expiry| Ok(expiry))
        }
        TYPE_HASH_LISTPACK_EX => {
            millis(cursor)?;
            read_triples(&Listpack::validate(cursor.bytes(scratch)?).map_err(|_| DAMAGED)?, rules)
        }
        _ => read_fields(cursor, scratch, rules, |_| Ok(None), |_, expiry| Ok(expiry)),
    }
}

fn packed(pairs: Option<Listpack>, rules: Rules<'_>) -> Result<Hash, Fault> {
    Ok(Hash::from_listpack(pairs.ok_or(DAMAGED)?, rules).ok_or(TWICE)?)
}

/// Reads a list of fields and values; `before` and `behind` read what stands on either side of the two.
fn read_fields<'a>(
    cursor: &mut Cursor<'a>,
    scratch: &mut Vec<u8>,
    rules: Rules<'_>,
    before: impl Fn(&mut Cursor<'a>) -> Result<Option<UnixMillis>, Fault>,
    behind: impl Fn(&mut Cursor<'a>, Option<UnixMillis>) -> Result<Option<UnixMillis>, Fault>,
) -> Result<Hash, Fault> {
    let (mut hash, mut name_scratch) = (Hash::default(), Vec::new());
    for _ in 0..cursor.length()? {
        let expiry = before(cursor)?;
        let name = cursor.bytes(&mut name_scratch)?;
        let value = cursor.bytes(scratch)?;
        add(&mut hash, name, value, behind(cursor, expiry)?, rules)?;
    }
    Ok(hash)
}

fn read_triples(triples: &Listpack, rules: Rules<'_>) -> Result<Hash, Fault> {
    if !triples.len().is_multiple_of(3) {
        return Err(DAMAGED.into());
    }
    let (mut name_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut hash = Hash::default();
    let mut elements = triples.iter();
    while let (Some(name), Some(value), Some(expiry)) = (elements.next(), elements.next(), elements.next()) {
        let expiry = match expiry {
            Element::Int(0) => None,
            Element::Int(at) if at > 0 => Some(UnixMillis(at)),
            Element::Int(_) | Element::Bytes(_) => return Err(DAMAGED.into()),
        };
        add(&mut hash, name.text(&mut name_digits), value.text(&mut value_digits), expiry, rules)?;
    }
    Ok(hash)
}

fn add(
    hash: &mut Hash,
    name: &[u8],
    value: &[u8],
    expiry: Option<UnixMillis>,
    rules: Rules<'_>,
) -> Result<(), RdbError> {
    let expiry = expiry.map_or(Expiry::Never, Expiry::At);
    if hash.set(name, value, expiry, rules).is_some() { Err(TWICE) } else { Ok(()) }
}

fn read_expiry(cursor: &mut Cursor<'_>) -> Result<Option<UnixMillis>, Fault> {
    match i64::from_le_bytes(eight(cursor)?) {
        NEVER => Ok(None),
        at @ 0.. => Ok(Some(UnixMillis(at))),
        _ => Err(BAD_EXPIRY.into()),
    }
}

/// A time that is not negative.
fn millis(cursor: &mut Cursor<'_>) -> Result<i64, Fault> {
    let at = i64::from_le_bytes(eight(cursor)?);
    if at < 0 { Err(BAD_EXPIRY.into()) } else { Ok(at) }
}

fn later(earliest: i64, distance: u64) -> Result<UnixMillis, RdbError> {
    let at = i64::try_from(distance).ok().and_then(|distance| earliest.checked_add(distance));
    at.map(UnixMillis).ok_or(BAD_EXPIRY)
}

fn eight(cursor: &mut Cursor<'_>) -> Result<[u8; 8], Fault> {
    cursor.take(8)?.try_into().map_err(|_| Fault::Short)
}

/// What stands for no expiry in type 22.
const NEVER: i64 = -1;

const TWICE: RdbError = RdbError::Corrupt("a hash has a field twice, or one without a value");
const DAMAGED: RdbError = RdbError::Corrupt("a compact hash is damaged");
const BAD_EXPIRY: RdbError = RdbError::Corrupt("a field's expiry is out of range");

#[cfg(test)]
mod tests {
    use crate::keyspace::{Expiry, UnixMillis};
    use crate::rdb::dump::{RestoreError, STRICT, put_dump, put_footer, restore};
    use crate::rdb::encoding::{Compress, StringWriter};
    use crate::rdb::object::Loaded;
    use crate::value::hash::{Field, Hash, Sight};
    use crate::value::{OwnRules, Typed};

    fn dumped(hash: &Hash) -> Vec<u8> {
        let (mut payload, object) = (Vec::new(), hash.clone().into_object());
        put_dump(&mut payload, &mut StringWriter::new(Compress::Yes), (&object).into());
        payload
    }

    fn sealed(body: &[u8]) -> Vec<u8> {
        let mut payload = body.to_vec();
        put_footer(&mut payload, 0);
        payload
    }

    fn restored(payload: &[u8], own: &OwnRules) -> Result<Hash, RestoreError> {
        match restore(payload, STRICT, &mut Vec::new(), own.rules())? {
            Loaded::Object(mut object) => Ok(std::mem::take(Hash::of_mut(&mut object).expect("a hash"))),
            Loaded::Int(_) | Loaded::Bytes(_) => panic!("a hash"),
        }
    }

    /// Names, values and expiries, sorted.
    fn listed(hash: &Hash) -> Vec<(String, String, Option<i64>)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let row = |field: Field<'_>| {
            (text(field.name.to_vec()), text(field.value_to_vec()), field.expiry.map(|UnixMillis(at)| at))
        };
        let mut rows: Vec<_> = hash.view().fields().map(row).collect();
        rows.sort();
        rows
    }

    #[test]
    fn payloads_are_those_of_a_real_server() {
        let own = OwnRules::default();
        let mut hash = Hash::default();
        hash.set(b"a", b"1", Expiry::Never, own.rules());
        hash.set(b"b", b"x", Expiry::Never, own.rules());

        // DUMP of redis-server 7.0.15.
        assert!(dumped(&hash).starts_with(b"\x10\x12\x12\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x81x\x02\xff\x0a\0"));
        let mut large = Hash::default();
        large.set(b"f", &[b'v'; 65], Expiry::Never, own.rules());
        assert!(dumped(&large).starts_with(b"\x04\x01\x01f\xc3"));
        // DUMP of valkey-server 9.1, but for the footer.
        let mut expiring = Hash::default();
        expiring.set(b"a", b"1", Expiry::At(UnixMillis(2_000_000_000_000)), own.rules());
        assert!(dumped(&expiring).starts_with(b"\x16\x01\x01a\xc0\x01\0\x20\x4a\xa9\xd1\x01\0\0"));
    }

    #[test]
    fn a_hash_comes_back_with_its_expiries() {
        let own = OwnRules::default();
        let mut hash = Hash::default();
        for number in 0..700_i64 {
            let expiry = if number % 2 == 0 { Expiry::At(UnixMillis(number)) } else { Expiry::Never };
            let (name, value) = (format!("field:{number}"), "v".repeat(number as usize % 90));
            hash.set(name.as_bytes(), value.as_bytes(), expiry, own.rules());
        }

        let back = restored(&dumped(&hash), &own).unwrap();

        assert_eq!(listed(&back), listed(&hash));
        assert_eq!((back.view().volatile_len(), back.view().next_expiry()), (350, Some(UnixMillis(0))));
        assert!(back.view().get(b"field:2", Sight::At(UnixMillis(3))).is_none());
    }

    #[test]
    fn hashes_of_older_and_newer_servers_are_read() {
        let own = OwnRules::default();
        let plain = |expiry| vec![("a".to_owned(), "1".to_owned(), expiry), ("b".to_owned(), "x".to_owned(), None)];
        let at = 1000_i64.to_le_bytes();
        let cases: [(&[&[u8]], Option<i64>); 6] = [
            (&[b"\x04\x02\x01a\xc0\x01\x01b\x01x"], None),
            (&[b"\x09\x0d\x02\x01a\x01\x001\x01b\x01\x01x\0\xff"], None),
            (&[b"\x0d\x16\x16\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xf2\x02\x01b\x03\x01x\xff"], None),
            (&[b"\x16\x02\x01a\xc0\x01", &at, b"\x01b\x01x\xff\xff\xff\xff\xff\xff\xff\xff"], Some(1000)),
            (&[b"\x18", &at, b"\x02\x01\x01a\xc0\x01\0\x01b\x01x"], Some(1000)),
            (
                &[b"\x19", &at, b"\x17\x17\0\0\0\x06\0\x81b\x02\x81x\x02\0\x01\x81a\x02\x01\x01\xc3\xe8\x02\xff"],
                Some(1000),
            ),
        ];
        for (body, expiry) in cases {
            let hash = restored(&sealed(&body.concat()), &own);

            assert_eq!(hash.map(|hash| listed(&hash)), Ok(plain(expiry)), "type {}", body[0][0]);
        }
    }

    #[test]
    fn damaged_hashes_are_refused() {
        let own = OwnRules::default();
        let negative = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let largest = i64::MAX.to_le_bytes();
        let bodies: [&[&[u8]]; 17] = [
            &[b"\x04\x00"],
            &[b"\x04\x01\x01a"],
            &[b"\x04\x02\x01a\x011\x01a\x012"],
            &[b"\x04\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a\x01b"],
            &[b"\x09\x04\x01\x01a\xff"],
            &[b"\x09\x07\x01\x01a\x09\x00x\xff"],
            &[b"\x09\x0d\x02\x01a\x01\x001\x01a\x01\x01x\0\xff"],
            &[b"\x0d\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff"],
            &[b"\x0d\x0f\x0f\0\0\0\x0a\0\0\0\x01\0\0\x02ab\xff"],
            &[b"\x10\x07\x07\0\0\0\0\0\xff"],
            &[b"\x10\x0a\x0a\0\0\0\x01\0\x81a\x02\xff"],
            &[b"\x10\x12\x12\0\0\0\x04\0\x81a\x02\x01\x01\x81a\x02\x81x\x02\xff"],
            &[b"\x16\x01\x01a\x011", &negative],
            &[b"\x18", &negative, b"\x01\0\x01a\x011"],
            &[b"\x18", &largest, b"\x01\x03\x01a\x011"],
            &[b"\x19", &largest, b"\x0c\x0c\0\0\0\x03\0\x01\x01\x01\x01\xff"],
            &[b"\x19", &largest, b"\x0e\x0e\0\0\0\x03\0\x01\x01\x01\x01\xdf\xff\x02\xff"],
        ];
        for body in bodies {
            let result = restored(&sealed(&body.concat()), &own).map(drop);

            assert_eq!(result, Err(RestoreError::Value), "{}", body.concat().escape_ascii());
        }
    }
}
