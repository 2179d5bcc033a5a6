//! RDB: a file says the same however it is cut, a load never half happens, payloads come back.

use slotmesh_engine::Engine;
use slotmesh_engine::config::Config;
use slotmesh_engine::keyspace::Object;
use slotmesh_engine::load::Expired;
use slotmesh_engine::rdb::crc64::crc64;
use slotmesh_engine::rdb::dump::{Demands, RestoreError, put_dump, put_footer};
use slotmesh_engine::rdb::encoding::{Compress, StringWriter};
use slotmesh_engine::rdb::object::{Loaded, RdbValue};
use slotmesh_engine::rdb::reader::RdbReader;
use slotmesh_engine::rdb::writer::Checksum;
use slotmesh_engine::time::Now;
use slotmesh_engine::value::OwnRules;
use slotmesh_engine::value::digest::Digest;

use super::input::{Input, pieces};

/// One byte chooses what the bytes are and how they are cut.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let body = input.rest();
    if choice & 1 == 0 {
        check_payload(body);
        return;
    }
    let file = if choice & 2 == 0 { body.to_vec() } else { sealed(body) };
    check_file(&file, u64::from(choice));
}

/// The file with the checksum its bytes have, so that what lies before it is reached by a mutation.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut file = body.to_vec();
    let crc = crc64(0, &file);
    file.extend_from_slice(&crc.to_le_bytes());
    file
}

fn check_file(file: &[u8], seed: u64) {
    let whole = read(&pieces(file, 0, 0));
    for longest in [1, 5, 60] {
        assert_eq!(read(&pieces(file, seed, longest)), whole, "pieces of up to {longest}");
    }

    let mut engine = Engine::new(Config::default(), 1);
    let mut loader = engine.begin_load(Now::default(), Expired::Keep);
    let failed = pieces(file, seed, 60).into_iter().any(|piece| loader.feed(piece).is_err());
    let complete = !failed && loader.is_complete();
    if failed {
        return;
    }
    assert_eq!(engine.adopt(loader).is_ok(), complete, "a load is adopted when it is complete");
    let keys: usize = (0..16).map(|db| engine.core().keyspace.db(slotmesh_engine::keyspace::DbIndex(db)).len()).sum();
    assert!(complete || keys == 0);
    assert!(keys <= file.len(), "a key takes bytes");
}

/// Everything a reader tells of the pieces.
fn read(pieces: &[&[u8]]) -> Vec<String> {
    let mut reader = RdbReader::new();
    let mut told = Vec::new();
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next() {
                Ok(Some(event)) => told.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => {
                    told.push(format!("{error:?}"));
                    return told;
                }
            }
        }
    }
    told.push(format!("{:?} {:?}", reader.finish(), reader.rest().len() * usize::from(reader.is_ended())));
    told
}

fn restore<'s, 'a: 's>(payload: &'a [u8], scratch: &'s mut Vec<u8>) -> Result<Loaded<'s>, RestoreError> {
    let demands = Demands { checksum: Checksum::Yes, string_bytes_max: 1 << 20 };
    slotmesh_engine::rdb::dump::restore(payload, demands, scratch, OwnRules::default().rules())
}

fn check_payload(body: &[u8]) {
    let mut scratch = Vec::new();
    let refused = restore(body, &mut scratch).is_err();
    let mut payload = body.to_vec();
    put_footer(&mut payload, 0);
    let Ok(value) = restore(&payload, &mut scratch) else { return };
    assert!(refused || !body.is_empty());
    let mut again = Vec::new();
    let value = match &value {
        Loaded::Int(number) => RdbValue::Int(*number),
        Loaded::Bytes(bytes) => RdbValue::Bytes(bytes),
        Loaded::Object(object) => object.into(),
    };
    put_dump(&mut again, &mut StringWriter::new(Compress::Yes), value);
    let mut other = Vec::new();
    let text = |loaded: Loaded<'_>| match loaded {
        Loaded::Int(number) => number.to_string().into_bytes(),
        Loaded::Bytes(bytes) => bytes.to_vec(),
        Loaded::Object(object) => contents(&object),
    };
    let first = text(restore(&payload, &mut Vec::new()).expect("it was sound a moment ago"));
    assert_eq!(text(restore(&again, &mut other).expect("our own payload is sound")), first);
}

/// A digest: equal contents have equal ones.
fn contents(object: &Object) -> Vec<u8> {
    let mut digest = Digest::default();
    object.view().expect("strings are read as bytes").digest(&mut digest);
    digest.to_hex().into_bytes()
}

/// A stream as redis-server 7.0.15 writes it: a deleted entry, a group, two consumers, an entry that waits. Type 21 has
/// one time more for each consumer.
fn stream(kind: u8) -> Vec<u8> {
    let blocks: &[u8] = b"\x01\x10\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01@BB\0\0\0\x19\0\x02\x01\x01\x01\x02\x01\x81f\x02\
        \x81g\x02\0\x01\x02\x01\0\x01\0\x01\x81v\x02\x81w\x02\x05\x01\x03\x01\0\x01\x01\x01\x82v2\x03M\x01\x05\x01\0\x01\
        \x01\x01\xdf\xff\x02\x01\x01\x81x\x02\x81y\x02\x06\x01\xff\x02\x06\0\x05\x01\x05\x02\x03";
    let group: &[u8] = b"\x01\x01g\x05\x01\x01\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01\0h\xe5\xcf\x8b\x01\0\0\x03\x02";
    let time: &[u8] = b"0\t\xd4\xf9\xa1\x01\0\0";
    let times = if kind == 21 { [time, time].concat() } else { time.to_vec() };
    let entry: &[u8] = b"\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01";
    [&[0, kind], blocks, group, b"\x05alice", &times, b"\0\x03bob", &times, entry].concat()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let records: &[u8] = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x05ctime\xc2\x01\x02\x03\x04\xfe\0\xfb\x03\x01\
        \0\x01a\x05hello\xfc\xff\xff\xff\xff\xff\x7f\0\0\0\x01b\xc0\x0c\xf8\x40\x80\xf9\x05\0\x01c\xc3\x09\x40\x64\
        \x01aa\xe0\x57\0\x01aa\xfe\x01\0\x01a\xc1\x10\x27\xff";
    let old: &[u8] = b"REDIS0003\xfe\0\xfd\x01\x02\x03\x04\0\x01k\x01v\xff";
    let other: &[u8] = b"REDIS0012\xf7\x81\x01\x02\x03\x04\x05\x06\x07\x08\x02\x01\x01\x05\x03\0\0\0\0\x05\x03abc\0\
        \xf4\x01\x02\x03\xf5\x03lib\0\x01a\x81\0\0\0\0\xff\xff\xff\xff";
    vec![
        [&[3], records].concat(),
        [&[1], records, &[0; 8]].concat(),
        [&[1], old].concat(),
        [&[3], other].concat(),
        b"\0\0\x05hello".to_vec(),
        b"\0\0\xc3\x09\x40\x64\x01aa\xe0\x57\0\x01aa".to_vec(),
        b"\0\0\xc2\x01\x02\x03\x04".to_vec(),
        b"\0\x02\x03\x01a\x02bc\xc0\x05".to_vec(),
        b"\0\x01\x03\x01a\xc0\x05\x02bc".to_vec(),
        b"\0\x0a\x17\x17\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xfe\xfb\x03\xf4\x02\x02bc\xff".to_vec(),
        b"\0\x0e\x01\x0e\x0e\0\0\0\x0a\0\0\0\x01\0\0\x01z\xff".to_vec(),
        b"\0\x12\x02\x02\x0c\x0c\0\0\0\x02\0\x81a\x02\x05\x01\xff\x01\x03xyz".to_vec(),
        b"\0\x0b\x0e\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x2c\x01".to_vec(),
        b"\0\x14\x0e\x0e\0\0\0\x03\0\x81a\x02\x01\x01\x02\x01\xff".to_vec(),
        b"\0\x04\x02\x01a\xc0\x01\x01b\x01x".to_vec(),
        b"\0\x09\x0d\x02\x01a\x01\x001\x01b\x01\x01x\0\xff".to_vec(),
        b"\0\x0d\x16\x16\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xf2\x02\x01b\x03\x01x\xff".to_vec(),
        b"\0\x10\x12\x12\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x81x\x02\xff".to_vec(),
        b"\0\x16\x02\x01a\xc0\x01\0\x20\x4a\xa9\xd1\x01\0\0\x01b\x01x\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\0\x18\xe8\x03\0\0\0\0\0\0\x02\x01\x01a\xc0\x01\0\x01b\x01x".to_vec(),
        b"\0\x19\xe8\x03\0\0\0\0\0\0\x17\x17\0\0\0\x06\0\x81b\x02\x81x\x02\0\x01\x81a\x02\x01\x01\xc3\xe8\x02\xff"
            .to_vec(),
        b"\0\x03\x03\x01a\x011\x01b\x032.5\x01c\xfe".to_vec(),
        b"\0\x05\x02\x01a\0\0\0\0\0\0\xf0?\x01b\0\0\0\0\0\0\xf0\xff".to_vec(),
        b"\0\x0c\x18\x18\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xf2\x02\x01b\x03\x032.5\xff".to_vec(),
        b"\0\x11\x14\x14\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff".to_vec(),
        stream(19),
        stream(21),
        b"\0\x13\0\0\x05\x01\0\0\0\0\x07\0".to_vec(),
    ]
}
