//! The bytes of the cluster bus: framing, encoding, decoding.
//!
//! Lives here: [`Framer`], which cuts a link's byte stream into messages, and [`decode`] / [`encode`] between bytes
//! and [`Message`]. What does not: what a message does. All integers are big endian. Nothing a peer sends makes the
//! decoder panic, and it allocates only in proportion to bytes that have arrived.
//!
//! Stricter than Redis: messages with ids that are not hexadecimal or epochs past [`EPOCH_MAX`] are refused, and
//! lengths that do not add up are refused whatever they wrap to. One bad id spoils the whole gossip section, as in
//! Redis 7.4.

use super::message::{
    Body, ChannelScope, Extension, Gossip, Header, Heartbeat, ID_BYTES, IpText, Message, MessageFlags, MessageKind,
    NodeFlags, NodeId, Ownership, Publication, is_hostname, is_nodename,
};
use crate::slots::{SLOT_BITMAP_BYTES, SlotBitmap};

/// Length of a message's header, and so of the shortest message, in bytes.
pub const HEADER_BYTES: usize = 2256;

/// Length of one gossip entry in bytes.
pub const GOSSIP_BYTES: usize = 104;

/// Longest message from a peer that is not known yet, in bytes: a heartbeat with 5000 entries fits.
///
/// A node tells of a tenth of the nodes it knows and of those it suspects, and clusters have at most a thousand. With
/// as many strangers as are let in (`STRANGER_LINKS_MAX`) the unfinished messages of all of them take 512 MiB.
pub const STRANGER_MESSAGE_BYTES_MAX: usize = 512 * 1024;

/// Longest message from a known peer, in bytes: channel and message of `proto-max-bulk-len`'s default of 512 MiB each.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024 * 1024 + HEADER_BYTES + 8;

/// Greatest epoch that is accepted. Epochs grow by one per election, so that no real cluster comes near; the room
/// above keeps "the next epoch" from wrapping.
pub const EPOCH_MAX: u64 = i64::MAX as u64;

/// Why a link must be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The signature is not `RCmb`.
    Signature,
    /// The length is shorter than a header or longer than the link's limit.
    Length,
}

/// Why a whole message is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// An epoch is past [`EPOCH_MAX`].
    Epoch,
    /// The sender's, its primary's or the subject's id is not hexadecimal.
    Id,
    /// The length is not the one its content asks for.
    Length {
        /// The message type.
        kind: MessageKind,
        /// The length it has.
        actual: usize,
        /// The length its fields ask for.
        expected: u64,
    },
    /// An extension's length is not a multiple of eight.
    Padding {
        /// The extension's length.
        len: u32,
    },
    /// No message type has this number.
    Type(u16),
    /// Another version of the protocol.
    Version(u16),
}

/// Cuts a byte stream into messages.
///
/// A message that arrives in one piece is handed on without a copy; only an incomplete rest is kept.
#[derive(Debug, Default)]
pub struct Framer {
    rest: Vec<u8>,
}

impl Framer {
    /// A framer at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of memory it holds on to.
    pub fn allocated(&self) -> usize {
        self.rest.capacity()
    }

    /// Takes bytes from the front of `input` and returns the next complete message, if there is one.
    ///
    /// To be called until it returns nothing; `bytes_max` bounds a message. The returned message is either part of
    /// `input` or moved into `scratch`.
    ///
    /// # Errors
    /// The stream is not a cluster bus; nothing after this point can be trusted.
    pub fn next<'a, 'i: 'a>(
        &mut self,
        input: &mut &'i [u8],
        bytes_max: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, FrameError> {
        if self.rest.is_empty() {
            if let Some(len) = frame_len(input, bytes_max)?
                && let Some((message, later)) = input.split_at_checked(len)
            {
                *input = later;
                return Ok(Some(message));
            }
            self.rest.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        }
        self.take(input, PREFIX_BYTES);
        let Some(len) = frame_len(&self.rest, bytes_max)? else { return Ok(None) };
        self.take(input, len);
        if self.rest.len() < len {
            return Ok(None);
        }
        scratch.clear();
        std::mem::swap(scratch, &mut self.rest);
        Ok(Some(scratch))
    }

    /// Moves bytes from `input` until `len` are kept.
    fn take(&mut self, input: &mut &[u8], len: usize) {
        let count = len.saturating_sub(self.rest.len()).min(input.len());
        let (bytes, later) = input.split_at(count);
        self.rest.extend_from_slice(bytes);
        *input = later;
    }
}

/// The length of the message that begins here, once its first eight bytes are there.
fn frame_len(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    let [s0, s1, s2, s3, l0, l1, l2, l3] = *prefix;
    if [s0, s1, s2, s3] != *SIGNATURE {
        return Err(FrameError::Signature);
    }
    match usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])) {
        Ok(len) if (HEADER_BYTES..=bytes_max).contains(&len) => Ok(Some(len)),
        Ok(_) | Err(_) => Err(FrameError::Length),
    }
}

/// Reads one message; `bytes` is exactly what a [`Framer`] returned.
///
/// # Errors
/// Why the message must be ignored; the link stays usable.
pub fn decode(bytes: &[u8]) -> Result<Message<'_>, DecodeError> {
    let mut at = Cursor { rest: bytes };
    let short = DecodeError::Length {
        kind: kind_of(bytes).unwrap_or(MessageKind::Ping),
        actual: bytes.len(),
        expected: HEADER_BYTES as u64,
    };
    let fixed = at.header().ok_or(short)?;
    if fixed.version != VERSION {
        return Err(DecodeError::Version(fixed.version));
    }
    let kind = MessageKind::from_wire(fixed.kind).ok_or(DecodeError::Type(fixed.kind))?;
    let body = Body::decode(kind, &fixed, at, bytes.len())?;
    let sender = NodeId::parse(&fixed.sender).ok_or(DecodeError::Id)?;
    let primary = match fixed.primary {
        id if id == [0; ID_BYTES] => None,
        id => Some(NodeId::parse(&id).ok_or(DecodeError::Id)?),
    };
    if fixed.current_epoch > EPOCH_MAX || fixed.config_epoch > EPOCH_MAX {
        return Err(DecodeError::Epoch);
    }
    let header = Header {
        port: fixed.port,
        current_epoch: fixed.current_epoch,
        config_epoch: fixed.config_epoch,
        offset: fixed.offset,
        sender,
        slots: fixed.slots,
        primary,
        ip: fixed.ip,
        pport: fixed.pport,
        cport: fixed.cport,
        flags: fixed.flags,
        state: fixed.state,
        mflags: fixed.mflags,
    };
    Ok(Message { header, body })
}

/// The message type, as far as the bytes say; for counting before anything else is checked.
pub fn kind_of(bytes: &[u8]) -> Option<MessageKind> {
    let kind = bytes.get(12..14)?.first_chunk::<2>()?;
    MessageKind::from_wire(u16::from_be_bytes(*kind))
}

impl<'a> Body<'a> {
    fn decode(kind: MessageKind, fixed: &Fixed, mut at: Cursor<'a>, total: usize) -> Result<Self, DecodeError> {
        let wrong = |expected: u64| DecodeError::Length { kind, actual: total, expected };
        let exactly = |data: u64| {
            let expected = HEADER_BYTES as u64 + data;
            if expected == total as u64 { Ok(()) } else { Err(wrong(expected)) }
        };
        match kind {
            MessageKind::Ping => heartbeat(Heartbeat::Ping, fixed, at, total),
            MessageKind::Pong => heartbeat(Heartbeat::Pong, fixed, at, total),
            MessageKind::Meet => heartbeat(Heartbeat::Meet, fixed, at, total),
            MessageKind::Fail => {
                exactly(ID_BYTES as u64)?;
                let id = at.array::<ID_BYTES>().ok_or(wrong(FAIL_BYTES))?;
                Ok(Self::Fail(NodeId::parse(&id).ok_or(DecodeError::Id)?))
            }
            MessageKind::Publish | MessageKind::PublishShard => {
                let (Some(channel), Some(message)) = (at.u32(), at.u32()) else { return Err(wrong(PUBLISH_BYTES)) };
                exactly(8 + u64::from(channel) + u64::from(message))?;
                let scope = if kind == MessageKind::Publish { ChannelScope::Cluster } else { ChannelScope::Shard };
                let channel = at.bytes(channel as usize).ok_or(wrong(PUBLISH_BYTES))?;
                Ok(Self::Publish(Publication { scope, channel, message: at.rest }))
            }
            MessageKind::AuthRequest => exactly(0).map(|()| Self::AuthRequest),
            MessageKind::AuthAck => exactly(0).map(|()| Self::AuthAck),
            MessageKind::MfStart => exactly(0).map(|()| Self::MfStart),
            MessageKind::Update => {
                exactly(UPDATE_BYTES - HEADER_BYTES as u64)?;
                update(at).ok_or(wrong(UPDATE_BYTES))?
            }
            MessageKind::Module => {
                let (Some(module), Some(len), Some(kind)) = (at.array(), at.u32(), at.u8()) else {
                    return Err(wrong(MODULE_BYTES));
                };
                exactly(MODULE_BYTES - HEADER_BYTES as u64 + u64::from(len))?;
                Ok(Self::Module { module, kind, payload: at.rest })
            }
        }
    }
}

fn update<'a>(mut at: Cursor<'_>) -> Option<Result<Body<'a>, DecodeError>> {
    let config_epoch = at.u64()?;
    let id = at.array::<ID_BYTES>()?;
    let slots = SlotBitmap::from_bytes(at.chunk::<SLOT_BITMAP_BYTES>()?);
    let Some(id) = NodeId::parse(&id) else { return Some(Err(DecodeError::Id)) };
    if config_epoch > EPOCH_MAX {
        return Some(Err(DecodeError::Epoch));
    }
    Some(Ok(Body::Update(Ownership { config_epoch, id, slots })))
}

fn heartbeat<'a>(kind: Heartbeat, fixed: &Fixed, mut at: Cursor<'a>, total: usize) -> Result<Body<'a>, DecodeError> {
    let wrong = |expected: u64| DecodeError::Length { kind: kind.kind(), actual: total, expected };
    let without_extensions = HEADER_BYTES as u64 + u64::from(fixed.count) * GOSSIP_BYTES as u64;
    let entries = at.bytes(usize::from(fixed.count) * GOSSIP_BYTES).ok_or(wrong(without_extensions))?;
    let mut extensions = Vec::new();
    let mut expected = without_extensions;
    if fixed.mflags.has(MessageFlags::EXT_DATA) {
        for _ in 0..fixed.extensions {
            let before = at.rest.len();
            extensions.push(extension(&mut at, expected, wrong)?);
            expected += (before - at.rest.len()) as u64;
        }
    }
    if expected != total as u64 {
        return Err(wrong(expected));
    }
    // One id that is no id makes the whole section worthless: its other entries come from the same source.
    let gossip = entries.chunks_exact(GOSSIP_BYTES).map(gossip).collect::<Option<Vec<_>>>().unwrap_or_default();
    Ok(Body::Heartbeat { kind, gossip, extensions })
}

fn gossip(entry: &[u8]) -> Option<Gossip> {
    let mut at = Cursor { rest: entry };
    let id = NodeId::parse(&at.array::<ID_BYTES>()?)?;
    Some(Gossip {
        id,
        ping_sent_secs: at.u32()?,
        pong_received_secs: at.u32()?,
        ip: IpText(at.array()?),
        port: at.u16()?,
        cport: at.u16()?,
        flags: NodeFlags(at.u16()?),
        pport: at.u16()?,
    })
}

fn extension(at: &mut Cursor<'_>, so_far: u64, wrong: impl Fn(u64) -> DecodeError) -> Result<Extension, DecodeError> {
    let (Some(len), Some(kind), Some(_)) = (at.u32(), at.u16(), at.u16()) else {
        return Err(wrong(so_far + EXTENSION_HEAD_BYTES as u64));
    };
    if len % 8 != 0 {
        return Err(DecodeError::Padding { len });
    }
    // A record shorter than its own head would never end; one longer than the message is not there.
    let payload = (len as usize).checked_sub(EXTENSION_HEAD_BYTES).and_then(|len| at.bytes(len));
    let payload = payload.ok_or(wrong(so_far + u64::from(len)))?;
    Ok(typed_extension(kind, payload))
}

fn typed_extension(kind: u16, payload: &[u8]) -> Extension {
    let other = || Extension::Other { kind, payload: payload.to_vec() };
    match kind {
        EXT_HOSTNAME => match text(payload) {
            Some(name) if is_hostname(name.as_bytes()) => Extension::Hostname(name.to_owned()),
            Some(_) | None => other(),
        },
        EXT_NODENAME => match text(payload) {
            Some(name) if is_nodename(name.as_bytes()) => Extension::Nodename(name.to_owned()),
            Some(_) | None => other(),
        },
        EXT_FORGOTTEN => {
            let mut at = Cursor { rest: payload };
            let id = at.array::<ID_BYTES>().and_then(|id| NodeId::parse(&id));
            match (id, at.u64(), at.rest.is_empty()) {
                (Some(id), Some(ttl_secs), true) => Extension::Forgotten { id, ttl_secs },
                _ => other(),
            }
        }
        EXT_SHARD_ID => NodeId::parse(payload).map_or_else(other, Extension::ShardId),
        _ => other(),
    }
}

/// The text before the padding, when it is plain: a zero ends it, and only zeros follow.
fn text(payload: &[u8]) -> Option<&str> {
    let end = payload.iter().position(|&byte| byte == 0)?;
    let (text, padding) = payload.split_at(end);
    if padding.len() > 8 || padding.iter().any(|&byte| byte != 0) {
        return None;
    }
    std::str::from_utf8(text).ok()
}

/// Writes one message.
///
/// # Panics
/// When the message is longer than [`MESSAGE_BYTES_MAX`] or has more than 65535 gossip entries or extensions; the
/// bus makes no such message.
pub fn encode(message: &Message<'_>) -> Vec<u8> {
    let header = &message.header;
    let (kind, count, extensions) = match &message.body {
        Body::Heartbeat { kind, gossip, extensions } => (kind.kind(), gossip.len(), extensions.len()),
        Body::Fail(_) => (MessageKind::Fail, 0, 0),
        Body::Publish(Publication { scope: ChannelScope::Cluster, .. }) => (MessageKind::Publish, 0, 0),
        Body::Publish(Publication { scope: ChannelScope::Shard, .. }) => (MessageKind::PublishShard, 0, 0),
        Body::AuthRequest => (MessageKind::AuthRequest, 0, 0),
        Body::AuthAck => (MessageKind::AuthAck, 0, 0),
        Body::Update(_) => (MessageKind::Update, 0, 0),
        Body::MfStart => (MessageKind::MfStart, 0, 0),
        Body::Module { .. } => (MessageKind::Module, 0, 0),
    };
    let mut out = Vec::with_capacity(HEADER_BYTES + body_capacity(&message.body));
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[0; 4]);
    put_u16(&mut out, VERSION);
    put_u16(&mut out, header.port);
    put_u16(&mut out, kind.wire());
    put_u16(&mut out, wire_count(count));
    put_u64(&mut out, header.current_epoch);
    put_u64(&mut out, header.config_epoch);
    put_u64(&mut out, header.offset);
    out.extend_from_slice(header.sender.as_bytes());
    out.extend_from_slice(header.slots.as_bytes());
    out.extend_from_slice(header.primary.as_ref().map_or(&[0; ID_BYTES], |id| id.as_bytes()));
    out.extend_from_slice(&header.ip.0);
    put_u16(&mut out, wire_count(extensions));
    out.extend_from_slice(&[0; 30]);
    put_u16(&mut out, header.pport);
    put_u16(&mut out, header.cport);
    put_u16(&mut out, header.flags.0);
    out.extend_from_slice(&[header.state, header.mflags.0, 0, 0]);
    debug_assert_eq!(out.len(), HEADER_BYTES, "the header has its fixed length");
    put_body(&mut out, &message.body);
    assert!(out.len() <= MESSAGE_BYTES_MAX, "the bus bounds what it sends");
    let total = (out.len() as u32).to_be_bytes();
    out[4..8].copy_from_slice(&total);
    out
}

fn put_body(out: &mut Vec<u8>, body: &Body<'_>) {
    match body {
        Body::Heartbeat { gossip, extensions, .. } => {
            for entry in gossip {
                put_gossip(out, entry);
            }
            for extension in extensions {
                put_extension(out, extension);
            }
        }
        Body::Fail(id) => out.extend_from_slice(id.as_bytes()),
        Body::Publish(Publication { channel, message, .. }) => {
            put_u32(out, wire_len(channel));
            put_u32(out, wire_len(message));
            out.extend_from_slice(channel);
            out.extend_from_slice(message);
        }
        Body::AuthRequest | Body::AuthAck | Body::MfStart => {}
        Body::Update(ownership) => {
            put_u64(out, ownership.config_epoch);
            out.extend_from_slice(ownership.id.as_bytes());
            out.extend_from_slice(ownership.slots.as_bytes());
        }
        Body::Module { module, kind, payload } => {
            out.extend_from_slice(module);
            put_u32(out, wire_len(payload));
            out.push(*kind);
            out.extend_from_slice(payload);
        }
    }
}

fn put_gossip(out: &mut Vec<u8>, entry: &Gossip) {
    out.extend_from_slice(entry.id.as_bytes());
    put_u32(out, entry.ping_sent_secs);
    put_u32(out, entry.pong_received_secs);
    out.extend_from_slice(&entry.ip.0);
    put_u16(out, entry.port);
    put_u16(out, entry.cport);
    put_u16(out, entry.flags.0);
    put_u16(out, entry.pport);
    put_u16(out, 0);
}

fn put_extension(out: &mut Vec<u8>, extension: &Extension) {
    let start = out.len();
    out.extend_from_slice(&[0; EXTENSION_HEAD_BYTES]);
    let kind = match extension {
        Extension::Hostname(name) => {
            put_text(out, name);
            EXT_HOSTNAME
        }
        Extension::Nodename(name) => {
            put_text(out, name);
            EXT_NODENAME
        }
        Extension::Forgotten { id, ttl_secs } => {
            out.extend_from_slice(id.as_bytes());
            put_u64(out, *ttl_secs);
            EXT_FORGOTTEN
        }
        Extension::ShardId(id) => {
            out.extend_from_slice(id.as_bytes());
            EXT_SHARD_ID
        }
        Extension::Other { kind, payload } => {
            out.extend_from_slice(payload);
            *kind
        }
    };
    let padding = (out.len() - start).next_multiple_of(8) - (out.len() - start);
    out.extend_from_slice(&[0; 8][..padding]);
    let len = ((out.len() - start) as u32).to_be_bytes();
    out[start..start + 4].copy_from_slice(&len);
    out[start + 4..start + 6].copy_from_slice(&kind.to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn body_capacity(body: &Body<'_>) -> usize {
    match body {
        Body::Heartbeat { gossip, .. } => gossip.len() * GOSSIP_BYTES,
        Body::Publish(Publication { channel, message, .. }) => 8 + channel.len() + message.len(),
        Body::Update(_) => UPDATE_BYTES as usize - HEADER_BYTES,
        Body::Module { payload, .. } => 13 + payload.len(),
        Body::Fail(_) => ID_BYTES,
        Body::AuthRequest | Body::AuthAck | Body::MfStart => 0,
    }
}

fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn wire_count(count: usize) -> u16 {
    u16::try_from(count).expect("the node table holds fewer than 65536 nodes")
}

fn wire_len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("the bus bounds what it sends")
}

/// The header's fields before they are judged.
struct Fixed {
    version: u16,
    port: u16,
    kind: u16,
    count: u16,
    current_epoch: u64,
    config_epoch: u64,
    offset: u64,
    sender: [u8; ID_BYTES],
    slots: SlotBitmap,
    primary: [u8; ID_BYTES],
    ip: IpText,
    extensions: u16,
    pport: u16,
    cport: u16,
    flags: NodeFlags,
    state: u8,
    mflags: MessageFlags,
}

/// A place in the bytes; every read is checked.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.chunk().copied()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn header(&mut self) -> Option<Fixed> {
        self.bytes(PREFIX_BYTES)?;
        let version = self.u16()?;
        let port = self.u16()?;
        let kind = self.u16()?;
        let count = self.u16()?;
        let current_epoch = self.u64()?;
        let config_epoch = self.u64()?;
        let offset = self.u64()?;
        let sender = self.array()?;
        let slots = SlotBitmap::from_bytes(self.chunk()?);
        let primary = self.array()?;
        let ip = IpText(self.array()?);
        let extensions = self.u16()?;
        self.bytes(30)?;
        let pport = self.u16()?;
        let cport = self.u16()?;
        let flags = NodeFlags(self.u16()?);
        let state = self.u8()?;
        let [mflags, _, _] = self.array()?;
        let mflags = MessageFlags(mflags);
        Some(Fixed {
            version,
            port,
            kind,
            count,
            current_epoch,
            config_epoch,
            offset,
            sender,
            slots,
            primary,
            ip,
            extensions,
            pport,
            cport,
            flags,
            state,
            mflags,
        })
    }
}

const SIGNATURE: &[u8; 4] = b"RCmb";
const VERSION: u16 = 1;
const PREFIX_BYTES: usize = 8;
const EXTENSION_HEAD_BYTES: usize = 8;
const FAIL_BYTES: u64 = 2296;
const PUBLISH_BYTES: u64 = 2264;
const UPDATE_BYTES: u64 = 4352;
const MODULE_BYTES: u64 = 2269;
const EXT_HOSTNAME: u16 = 0;
const EXT_NODENAME: u16 = 1;
const EXT_FORGOTTEN: u16 = 2;
const EXT_SHARD_ID: u16 = 3;

#[cfg(test)]
mod tests;
