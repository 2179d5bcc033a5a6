//! Sorted sets in files: a listpack as it lies in memory, or members with their scores in binary.
//!
//! Read are also the two forms of older servers: scores as text, and ziplists.

use super::encoding::{Cursor, Fault, StringWriter, put_length};
use super::extent::{SHORT_NAMES_FROM, Step};
use super::{RdbError, ziplist};
use crate::number::parse_f64;
use crate::value::listpack::Listpack;
use crate::value::sorted::{Change, Score, SortedSet, SortedSetRules, SortedSetView};
use crate::value::{Rules, Typed, limit};

/// Type byte of sorted sets with scores as text, which Redis wrote before 4.0.
pub const TYPE_SORTED_SET_TEXT: u8 = 3;
/// Type byte of sorted sets with scores in binary.
pub const TYPE_SORTED_SET: u8 = 5;
/// Type byte of ziplists, which Redis wrote before 7.0.
pub const TYPE_SORTED_SET_ZIPLIST: u8 = 12;
/// Type byte of listpacks.
pub const TYPE_SORTED_SET_LISTPACK: u8 = 17;

pub(super) const TEXT: &[Step] = &[Step::Elements(&[Step::String, Step::Short])];
pub(super) const PAIRS: &[Step] = &[Step::Elements(&[Step::String, Step::Bytes(8)])];
pub(super) const PACKED: &[Step] = &[Step::String];

pub(super) fn type_byte(set: SortedSetView<'_>) -> u8 {
    if set.elements().is_some() { TYPE_SORTED_SET_LISTPACK } else { TYPE_SORTED_SET }
}

pub(super) fn put(out: &mut Vec<u8>, strings: &mut StringWriter, set: SortedSetView<'_>) {
    if let Some(pairs) = set.elements() {
        strings.put(out, pairs.to_listpack().as_bytes());
        return;
    }
    put_length(out, set.len() as u64);
    // The highest score comes first: a reader that builds a skiplist inserts at its head then.
    for (member, score) in set.iter().rev() {
        strings.put(out, member.text(&mut itoa::Buffer::new()));
        out.extend_from_slice(&score.to_le_bytes());
    }
}

pub(super) fn read(
    kind: u8,
    cursor: &mut Cursor<'_>,
    scratch: &mut Vec<u8>,
    rules: Rules<'_>,
) -> Result<SortedSet, Fault> {
    match kind {
        TYPE_SORTED_SET_LISTPACK => {
            let listpack = Listpack::validate(cursor.bytes(scratch)?);
            from_listpack(listpack.map_err(|_| RdbError::Corrupt("a listpack is damaged"))?, rules)
        }
        TYPE_SORTED_SET_ZIPLIST => {
            let listpack = ziplist::to_listpack(cursor.bytes(scratch)?);
            from_listpack(listpack.ok_or(RdbError::Corrupt("a ziplist is damaged"))?, rules)
        }
        TYPE_SORTED_SET => read_pairs(cursor, scratch, rules, |cursor| Ok(f64::from_le_bytes(cursor.array()?))),
        _ => read_pairs(cursor, scratch, rules, text_score),
    }
}

fn read_pairs<'a>(
    cursor: &mut Cursor<'a>,
    scratch: &mut Vec<u8>,
    rules: Rules<'_>,
    mut score: impl FnMut(&mut Cursor<'a>) -> Result<f64, Fault>,
) -> Result<SortedSet, Fault> {
    let mut set = SortedSet::new();
    for _ in 0..cursor.length()? {
        let member = cursor.bytes(scratch)?;
        let score = Score::new(score(cursor)?).ok_or(RdbError::Corrupt("a score is not a number"))?;
        if set.insert(member, score, rules.into()) != Change::Added {
            return Err(RdbError::Corrupt("a sorted set has a member twice").into());
        }
    }
    Ok(set)
}

/// A score as its text, with a byte in front that is the text's length, or stands for a number without text.
fn text_score(cursor: &mut Cursor<'_>) -> Result<f64, Fault> {
    match cursor.byte()? {
        SHORT_NAMES_FROM => Ok(f64::NAN),
        POSITIVE_INFINITY => Ok(f64::INFINITY),
        NEGATIVE_INFINITY => Ok(f64::NEG_INFINITY),
        len => {
            let text = cursor.take(u64::from(len))?;
            Ok(parse_f64(text).ok_or(RdbError::Corrupt("a score is not a number"))?)
        }
    }
}

/// The form goes by the number of members alone, as in Redis.
fn from_listpack(pairs: Listpack, rules: Rules<'_>) -> Result<SortedSet, Fault> {
    let mut set = SortedSet::from_listpack(pairs).map_err(|_| RdbError::Corrupt("a sorted set is out of order"))?;
    if set.len() > limit(rules.config.zset_max_listpack_entries) {
        set.make_large(SortedSetRules::from(rules).hasher);
    }
    Ok(set)
}

const POSITIVE_INFINITY: u8 = 254;
const NEGATIVE_INFINITY: u8 = 255;

#[cfg(test)]
mod tests {
    use crate::keyspace::{Object, ValueRef};
    use crate::rdb::dump::{RestoreError, STRICT, put_dump, put_footer, restore};
    use crate::rdb::encoding::{Compress, StringWriter};
    use crate::rdb::object::Loaded;
    use crate::value::sorted::{Score, SortedSet};
    use crate::value::{OwnRules, Typed};

    fn set(pairs: &[(&str, f64)], own: &OwnRules) -> SortedSet {
        let mut set = SortedSet::new();
        for (member, score) in pairs {
            set.insert(member.as_bytes(), Score::new(*score).unwrap(), own.rules().into());
        }
        set
    }

    fn dumped(set: &SortedSet) -> Vec<u8> {
        let mut payload = Vec::new();
        let object = set.clone().into_object();
        put_dump(&mut payload, &mut StringWriter::new(Compress::Yes), (&object).into());
        payload
    }

    fn restored(body: &[u8], own: &OwnRules) -> Result<Object, RestoreError> {
        let mut payload = body.to_vec();
        put_footer(&mut payload, 0);
        match restore(&payload, STRICT, &mut Vec::new(), own.rules())? {
            Loaded::Object(object) => Ok(object),
            other @ (Loaded::Bytes(_) | Loaded::Int(_)) => panic!("{other:?}"),
        }
    }

    fn without_footer(payload: &[u8]) -> &[u8] {
        &payload[..payload.len() - 10]
    }

    #[test]
    fn payloads_are_those_of_a_real_server() {
        let mut own = OwnRules::default();
        let pairs = [("a", 1.0), ("b", 2.5)];

        // DUMP of redis-server 7.0.15, before and after the threshold.
        let packed = b"\x11\x14\x14\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff";
        assert_eq!(without_footer(&dumped(&set(&pairs, &own))), packed);
        own.config.zset_max_listpack_entries = 0;
        let large = b"\x05\x02\x01b\0\0\0\0\0\0\x04@\x01a\0\0\0\0\0\0\xf0?";
        assert_eq!(without_footer(&dumped(&set(&pairs, &own))), large);
    }

    #[test]
    fn all_forms_are_read_into_the_one_that_the_options_ask_for() {
        let mut own = OwnRules::default();
        let bodies: [&[u8]; 4] = [
            b"\x03\x02\x01a\x011\x01b\x032.5",
            b"\x05\x02\x01a\0\0\0\0\0\0\xf0?\x01b\0\0\0\0\0\0\x04@",
            b"\x0c\x18\x18\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xf2\x02\x01b\x03\x032.5\xff",
            b"\x11\x14\x14\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff",
        ];
        for (entries_max, encoding) in [(2, "listpack"), (1, "skiplist")] {
            own.config.zset_max_listpack_entries = entries_max;
            for body in bodies {
                let object = restored(body, &own).unwrap();

                let back = SortedSet::of(ValueRef::Object(&object)).unwrap();
                assert_eq!(back.encoding(), encoding, "{}", body.escape_ascii());
                assert_eq!((back.score(b"a"), back.score(b"b")), (Some(1.0), Some(2.5)));
            }
        }
    }

    #[test]
    fn infinite_scores_are_read() {
        let own = OwnRules::default();

        let object = restored(b"\x03\x02\x01a\xfe\x01b\xff", &own).unwrap();

        let set = SortedSet::of(ValueRef::Object(&object)).unwrap();
        assert_eq!((set.score(b"a"), set.score(b"b")), (Some(f64::INFINITY), Some(f64::NEG_INFINITY)));
    }

    #[test]
    fn damaged_sorted_sets_are_refused() {
        let own = OwnRules::default();
        for body in [
            &b"\x05\x02\x01a\0\0\0\0\0\0\xf0?"[..],
            b"\x05\x02\x01a\0\0\0\0\0\0\xf0?\x01a\0\0\0\0\0\0\x04@",
            b"\x05\x01\x01a\0\0\0\0\0\0\xf8\x7f",
            b"\x05\x00",
            b"\x05\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x03\x01\x01a\xfd",
            b"\x03\x01\x01a\x03nan",
            b"\x03\x01\x01a\x00",
            b"\x11\x07\x07\0\0\0\0\0\xff",
            b"\x11\x14\x14\0\0\0\x04\0\x81a\x02\x04\x01\x81b\x02\x832.5\x04\xff",
            b"\x11\x14\x14\0\0\0\x04\0\x81b\x02\x01\x01\x81b\x02\x832.5\x04\xff",
            b"\x11\x14\x14\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x83nan\x04\xff",
            b"\x11\x0a\x0a\0\0\0\x01\0\x81a\x02\xff",
            b"\x0c\x18\x18\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xf2\x02\x01b\x04\x032.5\xff",
        ] {
            assert_eq!(restored(body, &own).map(drop), Err(RestoreError::Value), "{}", body.escape_ascii());
        }
    }
}
