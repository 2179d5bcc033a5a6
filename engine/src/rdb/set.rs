//! Sets in files: as a list of strings, or an intset as it lies in memory.
//!
//! A set in any other form is written as a list of strings too, which is what every server loads: a listpack set
//! (type 20) is unknown to Redis 7.0.

use super::RdbError;
use super::encoding::{Cursor, Fault, StringWriter, put_length};
use super::extent::Step;
use crate::value::intset::Intset;
use crate::value::listpack::Listpack;
use crate::value::set::{Set, SetView};
use crate::value::{Collection, Rules};

/// Type byte of sets as a list of strings.
pub const TYPE_SET: u8 = 2;
/// Type byte of intsets.
pub const TYPE_SET_INTSET: u8 = 11;
/// Type byte of sets as a listpack, which Redis writes since 7.2.
pub const TYPE_SET_LISTPACK: u8 = 20;

pub(super) const SET: &[Step] = &[Step::Elements(&[Step::String])];
pub(super) const SET_PACKED: &[Step] = &[Step::String];

pub(super) fn type_byte(set: SetView<'_>) -> u8 {
    if set.as_intset().is_some() { TYPE_SET_INTSET } else { TYPE_SET }
}

pub(super) fn put(out: &mut Vec<u8>, strings: &mut StringWriter, set: SetView<'_>) {
    if let Some(integers) = set.as_intset() {
        strings.put(out, integers.as_bytes());
        return;
    }
    put_length(out, set.len() as u64);
    for member in set.iter() {
        strings.put(out, member.text(&mut itoa::Buffer::new()));
    }
}

pub(super) fn read_set(cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>, rules: Rules<'_>) -> Result<Set, Fault> {
    let mut set = Set::default();
    for _ in 0..cursor.length()? {
        if !set.insert(cursor.bytes(scratch)?, rules) {
            return Err(TWICE.into());
        }
    }
    Ok(set)
}

pub(super) fn read_intset(cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>, rules: Rules<'_>) -> Result<Set, Fault> {
    let integers = Intset::from_bytes(cursor.bytes(scratch)?);
    let integers = integers.ok_or(RdbError::Corrupt("an intset is damaged"))?;
    Ok(Set::from_intset(integers, rules))
}

pub(super) fn read_listpack(cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>, rules: Rules<'_>) -> Result<Set, Fault> {
    let damaged = RdbError::Corrupt("a listpack is damaged");
    let listpack = Listpack::validate(cursor.bytes(scratch)?).map_err(|_| damaged)?;
    Ok(Set::from_listpack(listpack, rules).ok_or(TWICE)?)
}

const TWICE: RdbError = RdbError::Corrupt("a set has a member twice");

#[cfg(test)]
mod tests {
    use crate::keyspace::ValueRef;
    use crate::rdb::dump::{STRICT, put_dump, restore};
    use crate::rdb::encoding::{Compress, StringWriter};
    use crate::rdb::object::Loaded;
    use crate::value::{Collection, OwnRules, Typed, set::Set};

    fn set(members: &[&str], own: &OwnRules) -> Set {
        let mut set = Set::default();
        members.iter().for_each(|member| assert!(set.insert(member.as_bytes(), own.rules())));
        set
    }

    fn dumped(set: &Set) -> Vec<u8> {
        let mut payload = Vec::new();
        let object = set.clone().into_object();
        put_dump(&mut payload, &mut StringWriter::new(Compress::Yes), (&object).into());
        payload
    }

    #[test]
    fn payloads_are_those_of_a_real_server() {
        let own = OwnRules::default();

        // DUMP of redis-server 7.0.15.
        let integers = b"\x0b\x0e\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x2c\x01";
        assert!(dumped(&set(&["1", "300", "2"], &own)).starts_with(integers));
        assert!(dumped(&set(&["hello"], &own)).starts_with(b"\x02\x01\x05hello\x0a\0"));
    }

    #[test]
    fn a_set_comes_back_in_the_form_that_the_options_ask_for() {
        let mut own = OwnRules::default();
        let payload = dumped(&set(&["1", "2", "3"], &own));
        own.config.set_max_intset_entries = 2;
        let mut scratch = Vec::new();

        let Ok(Loaded::Object(object)) = restore(&payload, STRICT, &mut scratch, own.rules()) else {
            panic!("our own payload is sound")
        };

        let back = Set::of(ValueRef::Object(&object)).unwrap();
        assert_eq!((back.encoding(), back.len()), ("hashtable", 3));
        assert!(back.contains(b"3"));
    }

    #[test]
    fn a_set_of_newer_servers_is_read_in_its_own_form() {
        let own = OwnRules::default();
        // DUMP of valkey-server 9.1 after SADD k a 1 2, but for the footer.
        let mut payload = b"\x14\x0e\x0e\0\0\0\x03\0\x81a\x02\x01\x01\x02\x01\xff".to_vec();
        crate::rdb::dump::put_footer(&mut payload, 0);

        let mut scratch = Vec::new();
        let Ok(Loaded::Object(mut object)) = restore(&payload, STRICT, &mut scratch, own.rules()) else {
            panic!("a sound payload")
        };

        let back = Set::of_mut(&mut object).unwrap();
        assert_eq!((back.view().encoding(), back.len()), ("listpack", 3));
        assert!(dumped(back).starts_with(b"\x02\x03\x01a\xc0\x01\xc0\x02"));
    }

    #[test]
    fn damaged_sets_are_refused() {
        let own = OwnRules::default();
        for body in [
            &b"\x02\x02\x01a"[..],
            b"\x02\x02\x01a\x01a",
            b"\x02\x00",
            b"\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
            b"\x0b\x08\x02\0\0\0\0\0\0\0",
            b"\x0b\xc0\x05",
            b"\x14\x07\x07\0\0\0\0\0\xff",
            b"\x14\x0b\x0b\0\0\0\x02\0\x01\x01\x01\x01\xff",
            b"\x14\x0c\x0c\0\0\0\x02\0\x01\x01\x81\x31\x02\xff",
            b"\x14\x09\x09\0\0\0\x01\0\x01\x02\xff",
        ] {
            let mut payload = body.to_vec();
            crate::rdb::dump::put_footer(&mut payload, 0);

            let result = restore(&payload, STRICT, &mut Vec::new(), own.rules()).map(drop);
            assert_eq!(result, Err(crate::rdb::dump::RestoreError::Value), "{}", body.escape_ascii());
        }
    }
}
