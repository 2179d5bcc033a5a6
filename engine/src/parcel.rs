//! Values that leave for another server: what DUMP replies with and how long it may live there, and the removal of
//! what has arrived.

use crate::Engine;
use crate::config::Config;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::core::{At, Caller, Touch};
use crate::keyspace::{DbIndex, Entry};
use crate::rdb::dump::put_dump;
use crate::rdb::encoding::{Compress, StringWriter};
use crate::session::SessionId;
use crate::time::Now;

/// One key's value, ready for RESTORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Milliseconds it has to live, at least 1; 0 for a key that does not expire.
    pub ttl_ms: u64,
    /// The payload, with version and checksum.
    pub payload: Vec<u8>,
}

impl Engine {
    /// Packs the value under a key of the session's database; nothing if there is none. It counts as a use of the key.
    pub fn pack(&mut self, now: Now, session: SessionId, key: &[u8]) -> Option<Parcel> {
        let state = self.session(session);
        let (db, caller) = (state.db, Caller { now, origin: state.origin });
        let touch = if state.no_touch { Touch::Leave } else { Touch::Renew };
        let core = self.core_mut();
        let at = At { db, hash: core.keyspace.hash(key), key };
        let compress = compress(&core.config);
        core.changes.begin_unit();
        let parcel = core.view(caller, at, touch, |entry| {
            let entry = entry?;
            let ttl_ms = entry.expiry().map_or(0, |at| (at.0 - now.unix.millis()).max(1).unsigned_abs());
            Some(Parcel { ttl_ms, payload: payload(entry, compress) })
        });
        core.changes.end_unit();
        // The look may have removed an expired key, or missed one.
        self.deliver();
        parcel
    }

    /// Removes keys whose values have arrived elsewhere; the log hears of all at once. One that is not there any more
    /// is passed over. Returns how many were there.
    pub fn remove_arrived(&mut self, db: DbIndex, keys: &[&[u8]]) -> usize {
        let core = self.core_mut();
        core.changes.begin_unit();
        let mut words: Vec<&[u8]> = vec![b"DEL"];
        for &key in keys {
            let hash = core.keyspace.hash(key);
            if core.keyspace.db_mut(db).discard(hash, key) {
                words.push(key);
                core.changes.count(1);
                core.watch.touch(db, key);
                core.notify(KeyspaceEvents::GENERIC, "del", db, key);
            }
        }
        let removed = words.len() - 1;
        if removed > 0 {
            core.changes.push(db, words.into_iter());
        }
        core.changes.end_unit();
        self.deliver();
        removed
    }
}

/// The payload of a value.
pub(crate) fn payload(entry: &Entry, compress: Compress) -> Vec<u8> {
    let mut payload = Vec::new();
    put_dump(&mut payload, &mut StringWriter::new(compress), entry.value().into());
    payload
}

/// Whether payloads are compressed.
pub(crate) fn compress(config: &Config) -> Compress {
    if config.rdbcompression { Compress::Yes } else { Compress::No }
}

#[cfg(test)]
mod tests {
    use crate::Engine;
    use crate::config::Config;
    use crate::keyspace::DbIndex;
    use crate::time::{Now, UnixMicros};

    #[test]
    fn a_parcel_is_what_dump_replies_with_and_its_time_is_what_is_left() {
        let mut engine = Engine::new(Config::default(), 1);
        let session = engine.open();
        let at = |millis| Now { unix: UnixMicros::from_millis(millis), ..Now::default() };
        engine.run(at(1000), session, ["SET", "k", "v", "PX", "500"]);
        let dump = engine.run(at(1000), session, ["DUMP", "k"]);

        let parcel = engine.pack(at(1100), session, b"k").unwrap();
        assert!(dump.windows(parcel.payload.len()).any(|part| part == parcel.payload));
        assert_eq!(parcel.ttl_ms, 400);
        assert_eq!(engine.pack(at(1499), session, b"k").unwrap().ttl_ms, 1);
        assert_eq!(engine.pack(at(1501), session, b"k"), None);
        assert_eq!(engine.pack(at(1501), session, b"none"), None);
    }

    #[test]
    fn what_has_arrived_leaves_as_one_operation() {
        let mut engine = Engine::new(Config::default(), 1);
        let session = engine.open();
        engine.run(Now::default(), session, ["MSET", "a", "1", "b", "2", "c", "3"]);
        engine.changes().set_enabled(true);
        let dirty = engine.changes().dirty();

        let keys: [&[u8]; 4] = [b"a", b"none", b"b", b"a"];
        assert_eq!(engine.remove_arrived(DbIndex(0), &keys), 2);
        assert_eq!(engine.remove_arrived(DbIndex(0), &keys), 0);

        assert_eq!(engine.changes().dirty(), dirty + 2);
        let log = String::from_utf8(engine.changes().bytes().to_vec()).unwrap();
        assert!(log.ends_with("*3\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\nb\r\n"), "{log}");
        assert_eq!(engine.run(Now::default(), session, ["DBSIZE"]), b":1\r\n");
    }
}
