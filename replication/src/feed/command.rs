//! The words of REPLCONF.

use slotmesh_engine::time::Now;

use super::peer::{Feed, FeedState, Origin};
use super::{Feeds, Output, PeerId};
use crate::offset::Offset;

/// What REPLCONF is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplconfReply {
    /// This error, with its code and without the leading `-`.
    Error(String),
    /// The peer, which is our primary, asked for an acknowledgement: send one through the link.
    Getack,
    /// `+OK`.
    Ok,
    /// Nothing: acknowledgements are never answered.
    Silent,
}

impl Feeds {
    /// Carries out `REPLCONF` with the arguments after its name.
    pub fn replconf(&mut self, now: Now, peer: PeerId, origin: &Origin, args: &[&[u8]]) -> ReplconfReply {
        if !args.len().is_multiple_of(2) {
            return ReplconfReply::Error("ERR syntax error".to_owned());
        }
        let mut is_answered = true;
        for pair in args.chunks_exact(2) {
            let reply = self.replconf_option(now, peer, origin, pair[0], pair[1]);
            match reply {
                ReplconfReply::Ok => {}
                // The offset that reached the replica's disk may follow the one it has.
                ReplconfReply::Silent if args.len() > 2 => is_answered = false,
                ReplconfReply::Error(_) | ReplconfReply::Getack | ReplconfReply::Silent => return reply,
            }
        }
        if is_answered { ReplconfReply::Ok } else { ReplconfReply::Silent }
    }

    fn replconf_option(
        &mut self,
        now: Now,
        peer: PeerId,
        origin: &Origin,
        option: &[u8],
        value: &[u8],
    ) -> ReplconfReply {
        match option.to_ascii_lowercase().as_slice() {
            b"ack" => {
                self.acknowledge(now, peer, value);
                ReplconfReply::Silent
            }
            // Since 7.2: the offset that reached the replica's disk.
            b"fack" => {
                let offset = parse_number::<u64>(value).map(Offset);
                if let Some((feed, offset)) = self.feeds.get_mut(&peer).filter(|feed| feed.is_attached()).zip(offset) {
                    feed.synced = feed.synced.max(offset);
                }
                ReplconfReply::Silent
            }
            b"getack" => ReplconfReply::Getack,
            name => {
                let feed = self.feeds.entry(peer).or_insert_with(|| Feed::new(now, origin.clone()));
                match describe(feed, name, option, value) {
                    Ok(()) => ReplconfReply::Ok,
                    Err(text) => ReplconfReply::Error(text),
                }
            }
        }
    }

    fn acknowledge(&mut self, now: Now, peer: PeerId, value: &[u8]) {
        let Some(feed) = self.feeds.get_mut(&peer).filter(|feed| feed.is_attached()) else { return };
        let Some(offset) = parse_number::<u64>(value) else { return };
        feed.acknowledged = feed.acknowledged.max(Offset(offset));
        feed.acknowledged_at = now.instant;
        if let FeedState::WaitAck { from } = feed.state {
            feed.state = FeedState::Online { sent: from };
            feed.announced_ready = true;
            self.outputs.push_back(Output::Ready(peer));
        }
    }
}

/// Notes what a replica says of itself.
fn describe(feed: &mut Feed, name: &[u8], option: &[u8], value: &[u8]) -> Result<(), String> {
    match name {
        b"capa" if value.eq_ignore_ascii_case(b"eof") => feed.capa_eof = true,
        b"capa" if value.eq_ignore_ascii_case(b"psync2") => feed.capa_psync2 = true,
        // Capabilities we do not know are those of newer replicas; they get along without (7.0 answers +OK).
        b"capa" => {}
        b"ip-address" => {
            if value.len() > IP_ADDRESS_BYTES_MAX {
                return Err(format!(
                    "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                    value.len()
                ));
            }
            let ip = String::from_utf8(value.to_vec()).ok().filter(|ip| !ip.contains(|c: char| c.is_control()));
            feed.announced_ip = ip.filter(|ip| !ip.is_empty());
        }
        b"listening-port" => {
            let port = parse_number::<i64>(value).ok_or(NOT_AN_INTEGER)?;
            feed.announced_port = u16::try_from(port).unwrap_or(0);
        }
        // Valkey's replicas say it; all get the same from us.
        b"version" => {}
        b"rdb-filter-only" => {
            feed.needs.data = false;
            feed.needs.functions = false;
            for word in value.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
                if !word.eq_ignore_ascii_case(b"functions") {
                    return Err(format!("ERR Unsupported rdb-filter-only option: {}", printable(word)));
                }
                feed.needs.functions = true;
            }
        }
        b"rdb-only" => feed.needs.rdb_only = parse_number::<i64>(value).ok_or(NOT_AN_INTEGER)? == 1,
        _ => return Err(format!("ERR Unrecognized REPLCONF option: {}", printable(option))),
    }
    Ok(())
}

/// The decimal number `text` is, sign and digits only.
pub(crate) fn parse_number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    let text = std::str::from_utf8(text).ok()?;
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// A peer's bytes in a form that fits one line of a reply or the log.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    String::from_utf8_lossy(shown).replace(|c: char| c.is_control(), " ")
}

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
/// Longest announced address, in bytes (Redis: a host name's limit less the terminator).
const IP_ADDRESS_BYTES_MAX: usize = 255;
/// How many bytes of a peer's words an error or a log line repeats.
const SHOWN_BYTES_MAX: usize = 128;
