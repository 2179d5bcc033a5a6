//! Lists in files: as nodes, each a listpack or one long element.
//!
//! Written is what Redis since 7.0 reads (type 18), whatever the form. Types 1, 10 and 14 are what older servers wrote:
//! strings one by one, a ziplist, and nodes that are ziplists.

use super::encoding::{Cursor, Fault, StringWriter, put_length};
use super::extent::Step;
use super::{RdbError, ziplist};
use crate::value::Rules;
use crate::value::list::{End, List, ListNode, ListRules, ListView, NodeRef};
use crate::value::listpack::Listpack;

/// Type byte of lists as a list of strings.
pub const TYPE_LIST: u8 = 1;
/// Type byte of lists as a ziplist.
pub const TYPE_LIST_ZIPLIST: u8 = 10;
/// Type byte of lists as nodes that are ziplists.
pub const TYPE_LIST_QUICKLIST: u8 = 14;
/// Type byte of lists as nodes that are listpacks or single elements.
pub const TYPE_LIST_QUICKLIST_2: u8 = 18;

pub(super) const LIST: &[Step] = &[Step::Elements(&[Step::String])];
pub(super) const LIST_PACKED: &[Step] = &[Step::String];
pub(super) const LIST_NODES: &[Step] = &[Step::Elements(&[Step::Length, Step::String])];

pub(super) fn put(out: &mut Vec<u8>, strings: &mut StringWriter, list: ListView<'_>) {
    put_length(out, list.node_count() as u64);
    for node in list.nodes() {
        match node {
            NodeRef::Packed(pack) => {
                put_length(out, PACKED);
                strings.put(out, pack.to_listpack().as_bytes());
            }
            NodeRef::Plain(element) => {
                put_length(out, PLAIN);
                strings.put(out, element);
            }
        }
    }
}

/// Reads a list of any of its types.
pub(super) fn read(kind: u8, cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>, rules: Rules<'_>) -> Result<List, Fault> {
    let rules = ListRules::from(rules);
    match kind {
        TYPE_LIST => read_elements(cursor, scratch, rules),
        TYPE_LIST_ZIPLIST => Ok(List::from_nodes([read_ziplist(cursor, scratch)?], rules)),
        TYPE_LIST_QUICKLIST => read_nodes(cursor, scratch, rules, read_ziplist),
        _ => read_nodes(cursor, scratch, rules, read_node),
    }
}

fn read_elements(cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>, rules: ListRules) -> Result<List, Fault> {
    let mut list = List::new();
    for _ in 0..cursor.length()? {
        list.push(End::Back, std::iter::once(cursor.bytes(scratch)?), rules);
    }
    Ok(list)
}

fn read_nodes<'a>(
    cursor: &mut Cursor<'a>,
    scratch: &mut Vec<u8>,
    rules: ListRules,
    read: impl Fn(&mut Cursor<'a>, &mut Vec<u8>) -> Result<ListNode, Fault>,
) -> Result<List, Fault> {
    // Grows as the nodes come: a number alone reserves nothing.
    let mut nodes = Vec::new();
    for _ in 0..cursor.length()? {
        nodes.push(read(cursor, scratch)?);
    }
    Ok(List::from_nodes(nodes, rules))
}

fn read_node(cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>) -> Result<ListNode, Fault> {
    match cursor.length()? {
        PLAIN => match cursor.bytes(scratch)? {
            [] => Err(DAMAGED.into()),
            element => Ok(ListNode::Plain(element.to_vec())),
        },
        PACKED => Listpack::validate(cursor.bytes(scratch)?).map(ListNode::Packed).map_err(|_| DAMAGED.into()),
        _ => Err(RdbError::Corrupt("a list has a node of no known kind").into()),
    }
}

fn read_ziplist(cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>) -> Result<ListNode, Fault> {
    let pack = ziplist::to_listpack(cursor.bytes(scratch)?).ok_or(DAMAGED)?;
    Ok(ListNode::Packed(pack))
}

const DAMAGED: RdbError = RdbError::Corrupt("a node of a list is damaged");

/// How a file marks a node that is one long element.
const PLAIN: u64 = 1;
/// How a file marks a node that is a listpack.
const PACKED: u64 = 2;

#[cfg(test)]
mod tests {
    use crate::rdb::dump::{STRICT, put_dump, put_footer, restore};
    use crate::rdb::encoding::{Compress, StringWriter};
    use crate::rdb::object::Loaded;
    use crate::value::list::{End, List, ListRules};
    use crate::value::{OwnRules, Typed};

    fn list(elements: &[&[u8]]) -> List {
        let mut list = List::new();
        elements.iter().for_each(|element| list.push(End::Back, std::iter::once(*element), ListRules::default()));
        list
    }

    fn dumped(list: &List) -> Vec<u8> {
        let mut payload = Vec::new();
        let object = list.clone().into_object();
        put_dump(&mut payload, &mut StringWriter::new(Compress::Yes), (&object).into());
        payload
    }

    /// What comes of these bytes in RESTORE.
    fn restored(payload: &[u8]) -> Option<List> {
        let mut scratch = Vec::new();
        match restore(payload, STRICT, &mut scratch, OwnRules::default().rules()) {
            Ok(Loaded::Object(mut object)) => List::of_mut(&mut object).map(std::mem::take),
            _ => None,
        }
    }

    fn with_footer(body: &[u8]) -> Vec<u8> {
        let mut payload = body.to_vec();
        put_footer(&mut payload, 0);
        payload
    }

    #[test]
    fn payloads_are_those_of_a_real_server() {
        // DUMP of redis-server 7.0.15.
        let short = b"\x12\x01\x02\x10\x10\0\0\0\x03\0\x81a\x02\x05\x01\x82bc\x03\xff\x0a\0";

        assert!(dumped(&list(&[b"a", b"5", b"bc"])).starts_with(short));
    }

    #[test]
    fn a_list_of_several_nodes_comes_back() {
        let (long, full) = (vec![b'x'; 9000], vec![b'y'; 5000]);
        let whole = list(&[b"a", &long, &full, b"-17", &full, b""]);

        let back = restored(&dumped(&whole)).unwrap();

        assert_eq!(back.view().encoding(), "quicklist");
        assert_eq!(back.view().node_count(), whole.view().node_count());
        assert!(back.view().iter().eq(whole.view().iter()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let sound = b"\x12\x02\x02\x0c\x0c\0\0\0\x02\0\x81a\x02\x05\x01\xff\x01\x03xyz";
        assert_eq!(restored(&with_footer(sound)).map(|list| list.len()), Some(3));

        let no_kind = b"\x12\x01\x03\x0c\x0c\0\0\0\x02\0\x81a\x02\x05\x01\xff";
        let wrong_count = b"\x12\x01\x02\x0c\x0c\0\0\0\x03\0\x81a\x02\x05\x01\xff";
        let empty_element = b"\x12\x01\x01\0";
        let too_many = b"\x12\x81\xff\xff\xff\xff\xff\xff\xff\xff";
        for body in [&no_kind[..], wrong_count, empty_element, too_many, b"\x0a\x01a", b"\x0e\x01\x01a"] {
            assert!(restored(&with_footer(body)).is_none(), "{}", body.escape_ascii());
        }
    }
}
