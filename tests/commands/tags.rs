//! One hash tag for all keys of a script, put on where commands name keys and taken off where replies do.

use slotmesh_engine::command::Registry;
use slotmesh_engine::command::keys::each_key;
use slotmesh_engine::resp::args::ArgsBuf;
use slotmesh_test_support::reply::Reply;

/// Knows where commands have their keys.
pub(crate) struct Tags {
    commands: Registry,
}

impl Tags {
    pub(crate) fn new() -> Self {
        Self { commands: slotmesh_cluster::node::commands(&[]) }
    }

    /// The command with the tag before each of its keys, and before patterns that keys are compared with.
    pub(crate) fn put(&self, args: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut tagged = args.to_vec();
        let words: ArgsBuf = args.iter().collect();
        if let Ok(command) = self.commands.resolve(words.as_args()) {
            let mut places = Vec::new();
            // A wrong number of keys is the server's to complain about, which it does before it looks for slots.
            let _ = each_key(command.keys, words.as_args(), |index, _| places.push(index));
            places.into_iter().for_each(|index| put_on(&mut tagged[index]));
        }
        other_places(args).into_iter().for_each(|index| put_on(&mut tagged[index]));
        tagged
    }

    /// The reply without the tag at the beginning of its strings, and anywhere in its errors.
    pub(crate) fn take(&self, reply: Reply) -> Reply {
        let all = |elements: Vec<Reply>| elements.into_iter().map(|element| self.take(element)).collect();
        let pairs = |pairs: Vec<(Reply, Reply)>| {
            pairs.into_iter().map(|(name, value)| (self.take(name), self.take(value))).collect()
        };
        match reply {
            Reply::Array(elements) => Reply::Array(all(elements)),
            Reply::Bulk(text) => Reply::Bulk(take_off(text)),
            // Some errors name a key in the middle of their text.
            Reply::Error(text) => Reply::Error(without(&text)),
            Reply::Map(map) => Reply::Map(pairs(map)),
            Reply::Push(elements) => Reply::Push(all(elements)),
            Reply::Set(elements) => Reply::Set(all(elements)),
            other @ (Reply::Attribute(..)
            | Reply::BigNumber(_)
            | Reply::Boolean(_)
            | Reply::BulkError(_)
            | Reply::Double(_)
            | Reply::Integer(_)
            | Reply::Null
            | Reply::NullArray
            | Reply::NullBulk
            | Reply::Simple(_)
            | Reply::Verbatim(..)) => other,
        }
    }
}

/// Places that are no keys by the rows of the commands: patterns, of SORT too, and the keys of DEBUG.
fn other_places(args: &[Vec<u8>]) -> Vec<usize> {
    let is = |index: usize, word: &str| args.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    if is(0, "KEYS") && args.len() == 2 {
        return vec![1];
    }
    if is(0, "SCAN") {
        return (2..args.len()).filter(|&index| is(index - 1, "MATCH")).collect();
    }
    if is(0, "SORT") || is(0, "SORT_RO") {
        let is_pattern = |&index: &usize| {
            is(index - 1, "BY") && args[index].contains(&b'*') || is(index - 1, "GET") && args[index] != b"#"
        };
        return (2..args.len()).filter(is_pattern).collect();
    }
    let names_key = ["DIGEST-VALUE", "HTSTATS-KEY", "LISTPACK", "OBJECT"].iter().any(|word| is(1, word));
    if is(0, "DEBUG") && names_key { (2..args.len()).collect() } else { Vec::new() }
}

/// The text without any tag.
fn without(text: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(TAG) {
            at += TAG.len();
        } else {
            rest.push(text[at]);
            at += 1;
        }
    }
    rest
}

/// The text without the tag at its beginning, or at that of the key in the name of a keyspace channel.
fn take_off(mut text: Vec<u8>) -> Vec<u8> {
    let key_at = match text.iter().position(|&byte| byte == b':') {
        Some(colon) if text.starts_with(b"__keyspace@") => colon + 1,
        _ => 0,
    };
    if text[key_at..].starts_with(TAG) {
        text.drain(key_at..key_at + TAG.len());
    }
    text
}

fn put_on(arg: &mut Vec<u8>) {
    arg.splice(0..0, TAG.iter().copied());
}

const TAG: &[u8] = b"{one}";
