//! What the host's DEBUG command tells about data, and does to it.
//!
//! Digests are Redis's, so that a dataset can be compared with a real server's. Start at [`digest`].

use std::fmt::Write;

use crate::access;
use crate::command::encoding_name;
use crate::config::Config;
use crate::core::{At, Caller, Core};
use crate::engine::Engine;
use crate::error::ReplyError;
use crate::keyspace::{DbIndex, Entry, Expiry, NewValue, Object, ValueRef};
use crate::rdb::encoding::{Compress, StringWriter};
use crate::rdb::object;
use crate::session::Origin;
use crate::time::Now;
use crate::value::digest::Digest;
use crate::value::list::{ListView, NodeRef};
use crate::value::{AnyView, Typed};

/// A number that is equal for values with equal contents, whatever their forms and order: for tests that compare
/// datasets.
pub fn contents(entry: &Entry) -> [u8; 20] {
    let mut digest = Digest::default();
    mix_value(&mut digest, entry);
    *digest.bytes()
}

/// What DEBUG switches in the store, beside active expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Switches {
    /// Whether RESTORE and loads pass over checksums (`SET-SKIP-CHECKSUM-VALIDATION`).
    pub skip_checksum_validation: bool,
    /// Whether scripts may run commands that are denied to them (`SET-DISABLE-DENY-SCRIPTS`).
    ///
    /// Nothing asks yet: it is for the commands that run scripts.
    pub disable_deny_scripts: bool,
}

/// The digest of all databases, as 40 hexadecimal digits (`DEBUG DIGEST`). It does not depend on any order.
///
/// Walks all keys.
pub fn digest(core: &Core) -> String {
    let mut all = Digest::default();
    for index in (0..core.keyspace.databases()).map(DbIndex) {
        let db = core.keyspace.db(index);
        if db.is_empty() {
            continue;
        }
        all.mix(&index.0.to_be_bytes());
        for entry in db.iter() {
            let mut one = Digest::default();
            one.mix(entry.key());
            mix_value(&mut one, entry);
            all.combine_with(&one);
        }
    }
    all.to_hex()
}

/// The digest of one key's value and of whether it expires, as 40 hexadecimal digits (`DEBUG DIGEST-VALUE`).
///
/// Zeros for a key that is not there.
pub fn digest_value(core: &Core, db: DbIndex, key: &[u8]) -> String {
    let mut digest = Digest::default();
    if let Some(entry) = core.keyspace.db(db).find(core.keyspace.hash(key), key) {
        mix_value(&mut digest, entry);
    }
    digest.to_hex()
}

/// How much DEBUG OBJECT tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing that walks over the value (`FAST`).
    Fast,
    /// Also how long the value is in a file, and the nodes of a list.
    Full,
}

/// What is known about a key's value (`DEBUG OBJECT`); nothing for a key that is not there.
///
/// The address is always 0: what a seeded store shows must not depend on its allocator.
pub fn object_line(core: &Core, now: Now, db: DbIndex, key: &[u8], detail: Detail) -> Option<String> {
    let entry = core.keyspace.db(db).find(core.keyspace.hash(key), key)?;
    let idle = if access::counts_uses(&core.config) { 0 } else { access::idle_seconds(entry.access(), now) };
    let (mut length, mut nodes) = (String::new(), String::new());
    if detail == Detail::Full {
        length = format!(" serializedlength:{}", saved_bytes(core, entry));
        if let ValueRef::Object(Object::List(list)) = entry.value() {
            nodes = node_fields(&core.config, list.view());
        }
    }
    Some(format!(
        "Value at:0x0 refcount:1 encoding:{}{length} lru:{} lru_seconds_idle:{idle}{nodes}",
        encoding_name(entry),
        entry.access(),
    ))
}

fn saved_bytes(core: &Core, entry: &Entry) -> usize {
    let compress = if core.config.rdbcompression { Compress::Yes } else { Compress::No };
    let mut saved = Vec::new();
    object::put(&mut saved, &mut StringWriter::new(compress), entry.value().into());
    saved.len()
}

/// How a long list is cut into nodes; nothing for a short one. No node is ever compressed.
fn node_fields(config: &Config, list: ListView<'_>) -> String {
    if list.encoding() != "quicklist" {
        return String::new();
    }
    let bytes = |node: NodeRef<'_>| match node {
        NodeRef::Packed(elements) => elements.listpack_bytes(),
        NodeRef::Plain(element) => element.len(),
    };
    format!(
        " ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:0 ql_uncompressed_size:{}",
        list.node_count(),
        list.len() as f64 / list.node_count() as f64,
        config.list_max_listpack_size,
        list.nodes().map(bytes).sum::<usize>(),
    )
}

/// Figures about the shape of a database's table (`DEBUG HTSTATS`).
pub fn table_lines(core: &Core, db: DbIndex) -> String {
    let (stats, volatile) = (core.keyspace.db(db).stats(), core.keyspace.db(db).volatile_len());
    let mut text = String::from(TABLE_HEAD);
    let lines = [
        (" table size: ", stats.buckets),
        (" number of elements: ", stats.items),
        (" volatile elements: ", volatile),
        (" groups: ", stats.groups),
        (" empty groups: ", stats.groups_empty),
        (" max group length: ", stats.group_items_max),
        (" directory cells: ", stats.cells),
        (" bytes: ", stats.bytes),
    ];
    for (name, value) in lines {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name}{value}");
    }
    text
}

/// Figures about the table that a key's value is (`DEBUG HTSTATS-KEY`). There is no table of one size behind it: what it
/// would be in Redis is told.
///
/// # Errors
/// When there is no such key, or its value is none.
pub fn value_table_lines(core: &Core, db: DbIndex, key: &[u8]) -> Result<String, ReplyError> {
    let none = ReplyError::Fixed("ERR The value stored at the specified key is not represented using an hash table");
    let (entry, collection) = form_of(core, db, key, &["hashtable", "skiplist"])?.ok_or(none)?;
    Ok(format!(
        "{TABLE_HEAD} table size: {}\n number of elements: {}\n table: {}\n bytes: {}\n",
        collection.len().next_power_of_two(),
        collection.len(),
        collection.encoding(),
        entry.memory_usage(),
    ))
}

/// A line about the compact form that a key's value has (`DEBUG LISTPACK`).
///
/// # Errors
/// When there is no such key, or its value has another form.
pub fn listpack_line(core: &Core, db: DbIndex, key: &[u8]) -> Result<String, ReplyError> {
    let none = ReplyError::Fixed("ERR Not a listpack encoded object.");
    let (entry, collection) = form_of(core, db, key, &["listpack"])?.ok_or(none)?;
    let mut saved = Vec::new();
    object::put(&mut saved, &mut StringWriter::new(Compress::No), entry.value().into());
    Ok(format!(
        "listpack of {} '{}': {} elements, {} bytes of memory: {}",
        collection.kind().name(),
        key[..key.len().min(SHOWN_BYTES_MAX)].escape_ascii(),
        collection.len(),
        entry.memory_usage(),
        saved[..saved.len().min(SHOWN_BYTES_MAX)].escape_ascii(),
    ))
}

/// The collection of a key, if it is stored in one of these forms, and where it is.
fn form_of<'c>(
    core: &'c Core,
    db: DbIndex,
    key: &[u8],
    encodings: &[&str],
) -> Result<Option<(&'c Entry, AnyView<'c>)>, ReplyError> {
    let entry = core.keyspace.db(db).find(core.keyspace.hash(key), key).ok_or(ReplyError::NoSuchKey)?;
    let view = entry.value().view().filter(|view| encodings.contains(&view.encoding()));
    Ok(view.map(|view| (entry, view)))
}

impl Engine {
    /// Makes keys `<prefix>:0`, `<prefix>:1` and so on (`DEBUG POPULATE`), without replacing any.
    ///
    /// Values are `value:0` and so on, of `value_len` bytes when it is given: cut, or filled with zero bytes. As in
    /// Redis, nobody is told: replicas and files do not get these keys.
    pub fn populate(&mut self, now: Now, db: DbIndex, count: u64, prefix: &[u8], value_len: Option<usize>) {
        let core = self.core_mut();
        let caller = Caller { now, origin: Origin::Client };
        for number in 0..count {
            let key = [prefix, b":", itoa::Buffer::new().format(number).as_bytes()].concat();
            let at = At { db, hash: core.keyspace.hash(&key), key: &key };
            if core.is_live_to_write(caller, at) {
                continue;
            }
            let mut value = format!("value:{number}").into_bytes();
            if let Some(len) = value_len {
                value.resize(len, 0);
            }
            core.set(caller, at, NewValue::Str(&value), Expiry::Never);
            core.touch(db, &key);
        }
    }
}

fn mix_value(digest: &mut Digest, entry: &Entry) {
    let value = entry.value();
    digest.mix(&value.kind().number().to_be_bytes());
    let mut digits = itoa::Buffer::new();
    if let Some(bytes) = value.string_bytes(&mut digits) {
        digest.mix(bytes);
    }
    if let Some(collection) = value.view() {
        collection.digest(digest);
    }
    if entry.expiry().is_some() {
        digest.combine(b"!!expire!!");
    }
}

/// Bytes of a key, and of its value, that a line of the log shows.
const SHOWN_BYTES_MAX: usize = 4096;

/// What readers of Redis's figures about tables look for ahead of them.
const TABLE_HEAD: &str = "[Dictionary HT]\nHash table 0 stats (main hash table):\n";

#[cfg(test)]
mod tests {
    use super::{Detail, digest, digest_value, listpack_line, object_line, value_table_lines};
    use crate::Engine;
    use crate::config::Config;
    use crate::error::ReplyError;
    use crate::keyspace::DbIndex;
    use crate::time::Now;

    fn engine_after(lines: &[&str]) -> Engine {
        let mut engine = Engine::new(Config::default(), 1);
        let session = engine.open();
        for line in lines {
            engine.run(Now::default(), session, line.split(' '));
        }
        engine
    }

    #[test]
    fn digests_are_those_of_the_reference() {
        // DEBUG DIGEST and DEBUG DIGEST-VALUE of redis-server 7.0.15 after the same commands.
        let lines = ["SET a 1", "SET b hello", "SET c x PXAT 9999999999000", "SELECT 3", "SET a other"];
        let engine = engine_after(&lines);

        assert_eq!(digest(engine.core()), "8097b22f8522dce826bd884d95407cb69b8a47e0");
        assert_eq!(digest_value(engine.core(), DbIndex(0), b"b"), "36b23a1456b2dce2c3ed252c456761301dba8060");
        assert_eq!(digest_value(engine.core(), DbIndex(0), b"c"), "0745672cb1bf060476eedeb8a28f5ffe1ff5a2be");
        assert_eq!(digest_value(engine.core(), DbIndex(0), b"nosuch"), "0".repeat(40));
    }

    #[test]
    fn an_empty_store_has_an_empty_digest() {
        assert_eq!(digest(engine_after(&["SET a 1", "FLUSHALL"]).core()), "0".repeat(40));
    }

    #[test]
    fn an_object_line_tells_encoding_and_saved_length() {
        let engine = engine_after(&["SET n 12", "SET s hello"]);
        let line = |key: &[u8]| object_line(engine.core(), Now::default(), DbIndex(0), key, Detail::Full);

        assert!(line(b"n").unwrap().contains(" encoding:int serializedlength:2 "));
        assert!(line(b"s").unwrap().contains(" encoding:embstr serializedlength:6 "));
        assert_eq!(line(b"nosuch"), None);
    }

    #[test]
    fn only_values_of_a_form_are_looked_into() {
        let member = "x".repeat(100);
        let engine = engine_after(&["SADD small a b", &format!("SADD large {member}"), "SET s x"]);
        let db = DbIndex(0);
        let table = |key: &[u8]| value_table_lines(engine.core(), db, key);
        let listpack = |key: &[u8]| listpack_line(engine.core(), db, key);

        assert!(table(b"large").unwrap().contains(" number of elements: 1\n"));
        assert!(listpack(b"small").unwrap().starts_with("listpack of set 'small': 2 elements"));
        for key in [&b"small"[..], b"s"] {
            assert!(matches!(table(key), Err(ReplyError::Fixed(_))));
        }
        for key in [&b"large"[..], b"s"] {
            assert!(matches!(listpack(key), Err(ReplyError::Fixed(_))));
        }
        assert_eq!((table(b"nosuch"), listpack(b"nosuch")), (Err(ReplyError::NoSuchKey), Err(ReplyError::NoSuchKey)));
    }

    #[test]
    fn populated_keys_are_not_repeated_and_replace_nothing() {
        let mut engine = engine_after(&["SET key:1 mine"]);
        let session = engine.open();
        engine.changes().set_enabled(true);

        engine.populate(Now::default(), DbIndex(0), 3, b"key", Some(10));

        assert!(engine.changes().is_empty());
        assert_eq!(engine.run(Now::default(), session, ["GET", "key:1"]), b"$4\r\nmine\r\n");
        assert_eq!(engine.run(Now::default(), session, ["GET", "key:2"]), b"$10\r\nvalue:2\0\0\0\r\n");
    }
}
