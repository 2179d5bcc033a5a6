//! Streams in files: their blocks as they are, and the groups.
//!
//! Written is what Redis 7.0 reads (type 19): when a consumer was last active is left out. Types 15, of Redis 5 and 6,
//! and 21, since Redis 7.2, are read, too.

use super::RdbError;
use super::encoding::{Cursor, Fault, StringWriter, put_length, put_raw};
use super::extent::Step;
use crate::value::listpack::Listpack;
use crate::value::stream::{Group, LoadedBlock, Pending, Stream, StreamFacts, StreamId};

/// Type byte of streams of Redis 5 and 6.
pub const TYPE_STREAM: u8 = 15;
/// Type byte of streams of Redis 7.0.
pub const TYPE_STREAM_2: u8 = 19;
/// Type byte of streams since Redis 7.2.
pub const TYPE_STREAM_3: u8 = 21;

const ID: Step = Step::Bytes(16);
const TIME: Step = Step::Bytes(8);
const BLOCKS: Step = Step::Elements(&[Step::String, Step::String]);
const PENDING: Step = Step::Elements(&[ID, TIME, Step::Length]);
const CONSUMERS: Step = Step::Elements(&[Step::String, TIME, Step::Elements(&[ID])]);
const CONSUMERS_3: Step = Step::Elements(&[Step::String, TIME, TIME, Step::Elements(&[ID])]);
const GROUP: &[Step] = &[Step::String, Step::Length, Step::Length, PENDING, CONSUMERS];
const GROUP_2: &[Step] = &[Step::String, Step::Length, Step::Length, Step::Length, PENDING, CONSUMERS];
const GROUP_3: &[Step] = &[Step::String, Step::Length, Step::Length, Step::Length, PENDING, CONSUMERS_3];

/// Length, the last id, and from type 19 on the first id, the greatest deleted one and the number of entries added.
macro_rules! steps {
    ($($figure:expr)*; $group:expr) => { &[BLOCKS, $($figure,)* Step::Elements($group)] };
}
pub(super) const STREAM: &[Step] = steps!(Step::Length Step::Length Step::Length; GROUP);
pub(super) const STREAM_2: &[Step] = steps!(Step::Length Step::Length Step::Length Step::Length Step::Length
    Step::Length Step::Length Step::Length; GROUP_2);
pub(super) const STREAM_3: &[Step] = steps!(Step::Length Step::Length Step::Length Step::Length Step::Length
    Step::Length Step::Length Step::Length; GROUP_3);

pub(super) fn put(out: &mut Vec<u8>, strings: &mut StringWriter, stream: &Stream) {
    put_length(out, stream.block_count() as u64);
    for (id, pack) in stream.blocks_with_ids() {
        put_raw(out, &id.to_bytes());
        strings.put(out, pack.as_bytes());
    }
    put_length(out, stream.len() as u64);
    for id in [stream.last_id(), stream.first_id(), stream.max_deleted_id()] {
        put_id(out, id);
    }
    put_length(out, stream.entries_added());
    put_length(out, stream.groups_len() as u64);
    for (name, group) in stream.groups() {
        strings.put(out, name);
        put_group(out, strings, group);
    }
}

fn put_group(out: &mut Vec<u8>, strings: &mut StringWriter, group: &Group) {
    put_id(out, group.last_id);
    put_length(out, group.entries_read.unwrap_or(UNKNOWN));
    put_length(out, group.pending_len() as u64);
    for (id, pending) in group.pending_range(StreamId::MIN, StreamId::MAX) {
        out.extend_from_slice(&id.to_bytes());
        out.extend_from_slice(&pending.delivered_at.to_le_bytes());
        put_length(out, pending.deliveries);
    }
    put_length(out, group.consumers_len() as u64);
    for consumer in group.consumers() {
        strings.put(out, consumer.name());
        out.extend_from_slice(&consumer.seen_at.to_le_bytes());
        put_length(out, consumer.pending_len() as u64);
        for id in consumer.pending_ids() {
            out.extend_from_slice(&id.to_bytes());
        }
    }
}

fn put_id(out: &mut Vec<u8>, id: StreamId) {
    put_length(out, id.ms);
    put_length(out, id.seq);
}

/// Reads a stream of any of its types.
pub(super) fn read(kind: u8, cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>) -> Result<Stream, Fault> {
    // Grows as the blocks come: a number alone reserves nothing.
    let mut blocks = Vec::new();
    for _ in 0..cursor.length()? {
        blocks.push(read_block(cursor, scratch)?);
    }
    let (len, last_id) = (cursor.length()?, read_id(cursor)?);
    let mut facts = StreamFacts { len, last_id, max_deleted_id: StreamId::MIN, entries_added: len };
    if kind != TYPE_STREAM {
        // The id of the first entry is that of the first entry.
        read_id(cursor)?;
        facts.max_deleted_id = read_id(cursor)?;
        facts.entries_added = cursor.length()?;
    }
    let mut stream = Stream::from_blocks(blocks, facts).ok_or(DAMAGED)?;
    for _ in 0..cursor.length()? {
        let name = cursor.bytes(scratch)?.to_vec();
        let group = read_group(kind, cursor, scratch, &stream)?;
        if !stream.create_group(&name, group) {
            return Err(RdbError::Corrupt("a stream has two groups of one name").into());
        }
    }
    Ok(stream)
}

fn read_block(cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>) -> Result<LoadedBlock, Fault> {
    let id = <[u8; 16]>::try_from(cursor.bytes(scratch)?).map_err(|_| DAMAGED)?;
    let pack = Listpack::validate(cursor.bytes(scratch)?).map_err(|_| DAMAGED)?;
    Ok(LoadedBlock::validate(StreamId::from_bytes(id), pack).ok_or(DAMAGED)?)
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Fault> {
    Ok(StreamId { ms: cursor.length()?, seq: cursor.length()? })
}

fn read_group(kind: u8, cursor: &mut Cursor<'_>, scratch: &mut Vec<u8>, stream: &Stream) -> Result<Group, Fault> {
    let last_id = read_id(cursor)?;
    let entries_read = match kind {
        TYPE_STREAM => stream.entries_up_to(last_id),
        _ => Some(cursor.length()?).filter(|read| i64::try_from(*read).is_ok()),
    };
    let mut group = Group::new(last_id, entries_read);
    // Entries wait for somebody: they go into the group as their consumers come.
    let mut waiting = std::collections::BTreeMap::new();
    for _ in 0..cursor.length()? {
        let id = StreamId::from_bytes(cursor.array()?);
        let known = (i64::from_le_bytes(cursor.array()?), cursor.length()?);
        if waiting.insert(id, known).is_some() {
            return Err(BAD_PENDING.into());
        }
    }
    for _ in 0..cursor.length()? {
        let name = cursor.bytes(scratch)?.to_vec();
        let seen_at = i64::from_le_bytes(cursor.array()?);
        let active_at = if kind == TYPE_STREAM_3 { i64::from_le_bytes(cursor.array()?) } else { seen_at };
        let id = group.create(&name, seen_at).ok_or(RdbError::Corrupt("a group has two consumers of one name"))?;
        if let Some(consumer) = group.consumer_mut(id) {
            consumer.active_at = active_at;
        }
        for _ in 0..cursor.length()? {
            let entry = StreamId::from_bytes(cursor.array()?);
            let (delivered_at, deliveries) = waiting.remove(&entry).ok_or(BAD_PENDING)?;
            group.assign(entry, Pending { consumer: id, delivered_at, deliveries });
        }
    }
    if waiting.is_empty() { Ok(group) } else { Err(BAD_PENDING.into()) }
}

const DAMAGED: RdbError = RdbError::Corrupt("a block of a stream is damaged");
const BAD_PENDING: RdbError = RdbError::Corrupt("an entry of a stream waits for nobody, or for two");

/// What a file has where it is not known how many entries a group has read.
const UNKNOWN: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use crate::keyspace::ValueRef;
    use crate::rdb::dump::{STRICT, put_dump, put_footer, restore};
    use crate::rdb::encoding::{Compress, StringWriter};
    use crate::rdb::object::Loaded;
    use crate::value::stream::{Group, Pending, Stream, StreamId, StreamRules};
    use crate::value::{OwnRules, Typed};

    const RULES: StreamRules = StreamRules { node_bytes_max: 4096, node_entries_max: 100 };

    /// DUMP of redis-server 7.0.15: entries 5-1, 5-2 (deleted) and 6-0, group `g`, whose consumer `bob` has 5-1.
    const SAMPLE: &[u8] = b"\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01@BB\x00\x00\
        \x00\x19\x00\x02\x01\x01\x01\x02\x01\x81f\x02\x81g\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81v\x02\x81w\x02\x05\
        \x01\x03\x01\x00\x01\x01\x01\x82v2\x03M\x01\x05\x01\x00\x01\x01\x01\xdf\xff\x02\x01\x01\x81x\x02\x81y\x02\x06\
        \x01\xff\x02\x06\x00\x05\x01\x05\x02\x03\x01\x01g\x05\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\
        \x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01\x00h\xe5\xcf\x8b\x01\x00\x00\x03\x02\x05alice0\t\xd4\xf9\
        \xa1\x01\x00\x00\x00\x03bob5\t\xd4\xf9\xa1\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\
        \x00\x00\x01\n\x00\x9a\xfa\x8d'5U)\xce";

    fn dumped(stream: &Stream) -> Vec<u8> {
        let mut payload = Vec::new();
        let object = stream.clone().into_object();
        put_dump(&mut payload, &mut StringWriter::new(Compress::Yes), (&object).into());
        payload
    }

    /// What comes of these bytes in RESTORE.
    fn restored(payload: &[u8]) -> Option<Stream> {
        let mut scratch = Vec::new();
        match restore(payload, STRICT, &mut scratch, OwnRules::default().rules()) {
            Ok(Loaded::Object(object)) => Stream::of(ValueRef::Object(&object)).cloned(),
            _ => None,
        }
    }

    fn with_footer(body: &[u8]) -> Vec<u8> {
        let mut payload = body.to_vec();
        put_footer(&mut payload, 0);
        payload
    }

    const fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn payloads_are_those_of_a_real_server() {
        let mut stream = Stream::new();
        let fields = |pairs: &'static [(&str, &str)]| pairs.iter().map(|(f, v)| (f.as_bytes(), v.as_bytes()));
        stream.append(id(5, 1), fields(&[("f", "v"), ("g", "w")]), RULES);
        stream.append(id(5, 2), fields(&[("f", "v2"), ("g", "77")]), RULES);
        stream.append(id(6, 0), fields(&[("x", "y")]), RULES);
        stream.delete([id(5, 2)].into_iter());
        let mut group = Group::new(id(5, 1), None);
        group.create(b"alice", 0x01a1_f9d4_0930);
        let bob = group.create(b"bob", 0x01a1_f9d4_0935).unwrap();
        group.assign(id(5, 1), Pending { consumer: bob, delivered_at: 1_700_000_000_000, deliveries: 3 });
        stream.create_group(b"g", group);

        assert_eq!(dumped(&stream).escape_ascii().to_string(), SAMPLE.escape_ascii().to_string());
        let back = restored(SAMPLE).unwrap();
        assert_eq!(dumped(&back), SAMPLE);
        assert_eq!((back.len(), back.first_id(), back.max_deleted_id()), (2, id(5, 1), id(5, 2)));
    }

    #[test]
    fn an_empty_stream_comes_back() {
        // DUMP of redis-server 7.0.15 and of valkey-server 9.1 after XGROUP CREATE e g $ MKSTREAM.
        let seven = b"\x13\0\0\0\0\0\0\0\0\0\x01\x01g\0\0\x81\xff\xff\xff\xff\xff\xff\xff\xff\0\0";
        let nine = b"\x15\0\0\0\0\0\0\0\0\0\x01\x01g\0\0\x81\xff\xff\xff\xff\xff\xff\xff\xff\0\0";
        for body in [seven, nine] {
            let back = restored(&with_footer(body)).unwrap();
            assert_eq!((back.len(), back.groups_len()), (0, 1));
            assert!(dumped(&back).starts_with(seven));
        }
    }

    #[test]
    fn older_types_lack_figures_that_are_estimated() {
        let blocks_end = SAMPLE.iter().position(|&byte| byte == 0xff).unwrap();
        let end = blocks_end + 1 + SAMPLE[blocks_end + 1..].iter().position(|&byte| byte == 0xff).unwrap() + 1;
        let mut body = SAMPLE[..end].to_vec();
        body[0] = 15;
        // Two entries, the last one 6-0, and a group that has read up to it.
        body.extend_from_slice(b"\x02\x06\x00\x01\x01g\x06\x00\x00\x01\x05alice\x01\0\0\0\0\0\0\0\0");

        let back = restored(&with_footer(&body)).unwrap();

        assert_eq!((back.entries_added(), back.max_deleted_id(), back.first_id()), (2, id(0, 0), id(5, 1)));
        let (_, group) = back.groups().next().unwrap();
        assert_eq!(group.entries_read, Some(2));
        assert_eq!(group.consumers().map(|consumer| (consumer.seen_at, consumer.active_at)).next(), Some((1, 1)));
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let body = &SAMPLE[..SAMPLE.len() - 10];
        assert!(restored(&with_footer(body)).is_some());
        let mut refused = 0;
        for place in 0..body.len() {
            for change in [1, 0x40, 0x80, 0xff] {
                let mut damaged = body.to_vec();
                damaged[place] ^= change;
                match restored(&with_footer(&damaged)) {
                    None => refused += 1,
                    // What is taken is sound: it can be walked, written and read again.
                    Some(stream) => {
                        assert_eq!(stream.iter().count(), stream.len());
                        assert!(restored(&dumped(&stream)).is_some());
                    }
                }
            }
        }
        assert!(refused > body.len() * 2, "only {refused} were refused");
        for end in 0..body.len() {
            assert!(restored(&with_footer(&body[..end])).is_none());
        }
        for body in [&b"\x13\x81\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\x13\0\0\0\0\0\0\0\0\0\x81\xff\xff\xff\xff"] {
            assert!(restored(&with_footer(body)).is_none());
        }
    }
}
