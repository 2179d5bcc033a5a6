use slotmesh_engine::rng::Rng;
use slotmesh_engine::slot::Slot;

use super::super::message::{
    Body, ChannelScope, Extension, Gossip, Header, Heartbeat, IpText, Message, MessageFlags, MessageKind, NodeFlags,
    NodeId, Ownership, Publication,
};
use super::{DecodeError, EPOCH_MAX, FrameError, Framer, GOSSIP_BYTES, HEADER_BYTES, decode, encode};
use crate::slots::SlotBitmap;

/// The bytes of section 16 of the fact sheet, captured from a real 7.0.15; `..` of the sheet filled in.
fn annotated_ping() -> Vec<u8> {
    let mut bytes = vec![0; 2600];
    let mut put = |at: usize, hex: &str| {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        for (place, pair) in digits.chunks(2).enumerate() {
            bytes[at + place] = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        }
    };
    put(0x00, "52 43 6d 62  00 00 0a 28  00 01  42 cd  00 00  00 03");
    put(0x10, "00 00 00 00 00 00 00 06  00 00 00 00 00 00 00 02  00 00 00 00 00 00 00 97");
    put(0x8a6, "00 01");
    put(0x8c6, "00 00  69 dd  01 11  00  04 00 00");
    put(0x8f8, "00 00 00 00  6a ff f4 5b");
    put(0x92e, "42 cf  69 df  00 02  00 00 00 00");
    put(0x960, "00 00 00 00  6a ff f4 59");
    put(0x996, "42 d0  69 e0  00 02  00 00 00 00");
    put(0x9c8, "00 00 00 00  6a ff f4 5a");
    put(0x9fe, "42 ce  69 de  01 01  00 00 00 00");
    put(0xa08, "00 00 00 20  00 00  00 00");
    put(0xa10, "68 6f 73 74 2d 31 2e 65 78 61 6d 70 6c 65 2e 63 6f 6d 00 00 00 00 00 00");
    bytes[0x28..0x50].copy_from_slice(b"34e437be90cd0012623878102cde3c5e87de5d62");
    bytes[0x50 + 682] = 0xe0;
    bytes[0x50 + 683..0x50 + 1365].fill(0xff);
    bytes[0x50 + 1365] = 0x07;
    bytes[0x8d0..0x8f8].copy_from_slice(b"3a660089d51056d7472da9d65805eea5fc24b156");
    bytes[0x938..0x960].copy_from_slice(b"fc6e978800000000000000000000000000000000");
    bytes[0x9a0..0x9c8].copy_from_slice(b"9043882200000000000000000000000000000000");
    for at in [0x900, 0x968, 0x9d0] {
        bytes[at..at + 9].copy_from_slice(b"127.0.0.1");
    }
    bytes
}

fn id(digit: u8) -> NodeId {
    NodeId::parse(&[digit; 40]).unwrap()
}

fn header() -> Header {
    Header {
        port: 7000,
        current_epoch: 9,
        config_epoch: 8,
        offset: 77,
        sender: id(b'a'),
        slots: (0..100).filter_map(Slot::new).collect(),
        primary: Some(id(b'b')),
        ip: IpText::new("2001:db8::1".parse().ok()),
        pport: 7001,
        cport: 17000,
        flags: NodeFlags::REPLICA.with(NodeFlags::MYSELF),
        state: 1,
        mflags: MessageFlags::FORCE_ACK,
    }
}

fn bodies() -> Vec<Body<'static>> {
    let entry = Gossip {
        id: id(b'c'),
        ping_sent_secs: 1,
        pong_received_secs: 2,
        ip: IpText::new("10.0.0.1".parse().ok()),
        port: 1,
        cport: 2,
        flags: NodeFlags::PRIMARY,
        pport: 3,
    };
    let slots: SlotBitmap = [Slot::new(16383).unwrap()].into_iter().collect();
    let publication = |scope| Publication { scope, channel: b"chan", message: b"hello" };
    vec![
        Body::Heartbeat { kind: Heartbeat::Ping, gossip: vec![entry.clone(); 3], extensions: Vec::new() },
        Body::Heartbeat { kind: Heartbeat::Pong, gossip: Vec::new(), extensions: Vec::new() },
        Body::Heartbeat { kind: Heartbeat::Meet, gossip: vec![entry], extensions: Vec::new() },
        Body::Fail(id(b'd')),
        Body::Publish(publication(ChannelScope::Cluster)),
        Body::Publish(publication(ChannelScope::Shard)),
        Body::AuthRequest,
        Body::AuthAck,
        Body::Update(Ownership { config_epoch: 5, id: id(b'e'), slots }),
        Body::MfStart,
        Body::Module { module: [1, 2, 3, 4, 5, 6, 7, 8], kind: 9, payload: b"payload" },
    ]
}

fn set_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

#[test]
fn the_annotated_ping_of_a_real_server_decodes_and_encodes_to_itself() {
    let bytes = annotated_ping();

    let message = decode(&bytes).unwrap();

    assert_eq!(message.header.port, 17101);
    assert_eq!(message.header.config_epoch, 2);
    assert_eq!(format!("{:?}", message.header.slots), "[5461-10922]");
    assert_eq!(message.header.flags.to_string(), "myself,master");
    let Body::Heartbeat { kind: Heartbeat::Ping, gossip, extensions } = &message.body else { panic!("not a PING") };
    assert_eq!(gossip.len(), 3);
    assert_eq!(gossip[0].id.as_str(), "3a660089d51056d7472da9d65805eea5fc24b156");
    assert_eq!(gossip[0].ip.parse().unwrap().to_string(), "127.0.0.1");
    assert_eq!(extensions, &[Extension::Hostname("host-1.example.com".to_owned())]);
    assert_eq!(encode(&message), bytes);
}

#[test]
fn every_type_has_its_length_and_survives_the_round_trip() {
    let lengths = [2568, 2256, 2360, 2296, 2273, 2273, 2256, 2256, 4352, 2256, 2276];

    for (body, length) in bodies().into_iter().zip(lengths) {
        let message = Message { header: header(), body };
        let bytes = encode(&message);
        assert_eq!(bytes.len(), length);
        assert_eq!(decode(&bytes).as_ref(), Ok(&message));
    }
}

#[test]
fn every_extension_survives_the_round_trip() {
    let mut header = header();
    header.mflags = MessageFlags::EXT_DATA;
    let extensions = vec![
        Extension::Hostname("a.b-c".to_owned()),
        Extension::Nodename("node_one".to_owned()),
        Extension::Forgotten { id: id(b'f'), ttl_secs: 60 },
        Extension::ShardId(id(b'0')),
        Extension::Other { kind: 4, payload: b"10.0.0.1".to_vec() },
    ];
    let body = Body::Heartbeat { kind: Heartbeat::Pong, gossip: Vec::new(), extensions };
    let message = Message { header, body };

    let bytes = encode(&message);

    assert_eq!(bytes.len(), HEADER_BYTES + 16 + 24 + 56 + 48 + 16);
    assert_eq!(decode(&bytes), Ok(message));
}

#[test]
fn announcing_support_for_extensions_without_any_is_accepted() {
    let mut header = header();
    header.mflags = MessageFlags::EXT_DATA;
    let body = Body::Heartbeat { kind: Heartbeat::Ping, gossip: Vec::new(), extensions: Vec::new() };

    assert!(decode(&encode(&Message { header, body })).is_ok());
}

#[test]
fn no_cut_and_no_changed_byte_makes_the_decoder_panic() {
    let mut rng = Rng::new(11);
    let mut messages: Vec<Vec<u8>> =
        bodies().into_iter().map(|body| encode(&Message { header: header(), body })).collect();
    messages.push(annotated_ping());

    for bytes in &messages {
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "cut at {len}");
        }
        for at in (0..80).chain(2128..bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << rng.below(8);
            // Whatever comes out can be written again.
            if let Ok(message) = decode(&changed) {
                encode(&message);
            }
        }
    }
}

#[test]
fn inner_lengths_that_wrap_are_refused() {
    let publish = Body::Publish(Publication { scope: ChannelScope::Cluster, channel: b"c", message: b"m" });
    let mut bytes = encode(&Message { header: header(), body: publish });
    set_u32(&mut bytes, HEADER_BYTES, u32::MAX);
    set_u32(&mut bytes, HEADER_BYTES + 4, 3);
    assert_eq!(
        decode(&bytes),
        Err(DecodeError::Length {
            kind: MessageKind::Publish,
            actual: HEADER_BYTES + 10,
            expected: HEADER_BYTES as u64 + 8 + u64::from(u32::MAX) + 3
        })
    );

    let module = Body::Module { module: [0; 8], kind: 0, payload: b"" };
    let mut bytes = encode(&Message { header: header(), body: module });
    set_u32(&mut bytes, HEADER_BYTES + 8, u32::MAX - 12);
    assert!(matches!(decode(&bytes), Err(DecodeError::Length { kind: MessageKind::Module, .. })));
}

#[test]
fn extension_lengths_that_lie_are_refused() {
    let at = HEADER_BYTES + 3 * GOSSIP_BYTES;
    for len in [0, 8, 24, 40, 0xffff_fff8] {
        let mut bytes = annotated_ping();
        set_u32(&mut bytes, at, len);
        assert!(matches!(decode(&bytes), Err(DecodeError::Length { .. })), "{len}");
    }
    for len in [1, 31, 33, u32::MAX] {
        let mut bytes = annotated_ping();
        set_u32(&mut bytes, at, len);
        assert_eq!(decode(&bytes), Err(DecodeError::Padding { len }));
    }
}

#[test]
fn a_count_beyond_the_message_is_refused() {
    let mut bytes = annotated_ping();
    bytes[14..16].copy_from_slice(&[0xff, 0xff]);

    assert!(matches!(decode(&bytes), Err(DecodeError::Length { kind: MessageKind::Ping, actual: 2600, .. })));
}

#[test]
fn ids_that_are_not_hexadecimal_are_refused() {
    let base = encode(&Message { header: header(), body: Body::Fail(id(b'd')) });
    for at in [40, 2128, HEADER_BYTES] {
        for byte in [b'g', b'A', 0, 0xff] {
            let mut bytes = base.clone();
            bytes[at + 7] = byte;
            assert_eq!(decode(&bytes), Err(DecodeError::Id), "byte {byte} at {at}");
        }
    }
}

#[test]
fn one_bad_id_spoils_the_gossip_section_but_not_the_message() {
    let mut bytes = annotated_ping();
    bytes[0x938] = b'/';

    let message = decode(&bytes).unwrap();

    assert!(matches!(message.body, Body::Heartbeat { ref gossip, .. } if gossip.is_empty()));
}

#[test]
fn epochs_without_room_to_grow_are_refused() {
    let mut header = header();
    header.current_epoch = EPOCH_MAX + 1;

    assert_eq!(decode(&encode(&Message { header, body: Body::AuthAck })), Err(DecodeError::Epoch));
}

#[test]
fn another_version_and_an_unknown_type_are_told_apart() {
    let base = encode(&Message { header: header(), body: Body::AuthAck });
    let mut version = base.clone();
    version[9] = 2;
    let mut kind = base;
    kind[13] = 77;

    assert_eq!(decode(&version), Err(DecodeError::Version(2)));
    assert_eq!(decode(&kind), Err(DecodeError::Type(77)));
}

#[test]
fn a_framer_finds_the_same_messages_however_the_stream_is_cut() {
    let messages: Vec<Vec<u8>> = bodies().into_iter().map(|body| encode(&Message { header: header(), body })).collect();
    let stream = messages.concat();

    for piece in [1, 7, 8, 9, 2255, 2256, 2257, 10_000, stream.len()] {
        let mut framer = Framer::new();
        let mut scratch = Vec::new();
        let mut found: Vec<Vec<u8>> = Vec::new();
        for mut input in stream.chunks(piece) {
            while let Some(message) = framer.next(&mut input, 10_000, &mut scratch).unwrap() {
                found.push(message.to_vec());
            }
            assert!(input.is_empty());
        }
        assert!(found == messages, "pieces of {piece} bytes");
    }
}

#[test]
fn a_stream_that_is_no_bus_is_an_error_at_its_first_eight_bytes() {
    let mut scratch = Vec::new();
    let mut next = |bytes: &[u8]| {
        let mut input = bytes;
        Framer::new().next(&mut input, 10_000, &mut scratch).map(|message| message.map(<[u8]>::to_vec))
    };

    assert_eq!(next(b"*1\r\n$4\r\n"), Err(FrameError::Signature));
    assert_eq!(next(b"RCmb\x00\x00\x08\xcf"), Err(FrameError::Length));
    assert_eq!(next(b"RCmb\xff\xff\xff\xff"), Err(FrameError::Length));
    assert_eq!(next(b"RCmb\x00\x00\x08"), Ok(None));
}
