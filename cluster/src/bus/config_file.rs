//! nodes.conf: reading it without ever believing in fewer slots than were written.
//!
//! Lives here: [`parse`] and the checksum. What does not: the lines' text, which is that of CLUSTER NODES (see
//! `report`), and the file itself: a node writes a temporary file, syncs it and renames it. Start at [`parse`].
//!
//! Redis 7.2's form is written, with the shard and the names of each node behind its address; 7.0's is read, too. (7.0
//! starts from a file of the newer form, and takes what it does not know for host names until the nodes tell theirs.)
//! Where this differs from Redis:
//!
//! - The `vars` line must be the last one and end in a line feed. Redis writes it last too, but reads files without
//!   it: one cut after any line would be a cluster with fewer slots and epoch 0.
//! - Our `vars` line carries one more pair, `checksum <16 hex digits>`, over everything that decides about ownership
//!   (ids, roles, epochs, slots, marks). Redis skips it with a log line. Addresses, host names, ping times and
//!   failure marks are left out, so that operators may go on editing addresses in the file; a changed slot list or
//!   epoch is refused until the pair is removed. Files by Redis have no such pair and are taken without it.
//! - A slot in two lines, a replica with slots, a node twice or an unknown flag is refused with line and reason.

use std::fmt;
use std::net::IpAddr;

use slotmesh_engine::slot::{SLOTS, Slot};

use super::codec::EPOCH_MAX;
use super::message::{FLAG_NAMES, NodeFlags, NodeId, is_hostname, is_nodename};
use super::table::NODES_MAX;
use crate::slots::{Direction, SlotBitmap, SlotRange};

/// What a nodes.conf says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// The nodes, in the order of the file; exactly one has the MYSELF flag.
    pub nodes: Vec<NodeRecord>,
    /// The newest epoch this node knew.
    pub current_epoch: u64,
    /// The last epoch it voted in.
    pub last_vote_epoch: u64,
    /// Names of variables that mean nothing here.
    pub skipped_vars: Vec<String>,
}

/// One node's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its id.
    pub id: NodeId,
    /// Its address, if it was known.
    pub ip: Option<IpAddr>,
    /// Its client port.
    pub port: u16,
    /// Its bus port.
    pub cport: u16,
    /// Its host name; empty for none.
    pub hostname: String,
    /// Its name for people; empty for none.
    pub nodename: String,
    /// Its shard, where the file tells it.
    pub shard: Option<NodeId>,
    /// What it was.
    pub flags: NodeFlags,
    /// Its primary, when it was a replica.
    pub primary: Option<NodeId>,
    /// Whether a ping was pending.
    pub ping_pending: bool,
    /// Whether it had ever answered.
    pub answered: bool,
    /// Its epoch as written (of its primary, for a replica).
    pub config_epoch: u64,
    /// Its slots.
    pub slots: Vec<SlotRange>,
    /// Marks of slots on the move; only on this node's own line.
    pub open_slots: Vec<(Slot, Direction, NodeId)>,
}

/// Why a nodes.conf is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFileError {
    /// The line, counted from 1; the last one when something is missing at the end.
    pub line: usize,
    /// What is wrong.
    pub reason: ConfigFileReason,
}

/// What is wrong with a nodes.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigFileReason {
    /// The checksum is not that of the content: the file was edited or is damaged.
    Checksum,
    /// A node's line names an address that is none (the token).
    Address(String),
    /// A field of 7.2's second column is not known (the token).
    Aux(String),
    /// There is nothing but blank lines. Redis takes such a file for that of a new node.
    Empty,
    /// An epoch is no number in range (the token).
    Epoch(String),
    /// A flag is not known (the token).
    Flag(String),
    /// An id is not 40 lower-case hexadecimal characters (the token).
    Id(String),
    /// No line is this node's own.
    NoMyself,
    /// The file does not end in a complete `vars` line: it was cut.
    NoVars,
    /// A node is neither a primary nor a replica, or both.
    Role,
    /// A slot, range or mark cannot be read (the token).
    Slot(String),
    /// A slot belongs to two nodes.
    SlotTwice(Slot),
    /// A replica lists slots.
    SlotsOfReplica,
    /// A number is none (the token).
    Time(String),
    /// Fewer than the eight columns of a node.
    TooFewColumns,
    /// More nodes than a table holds.
    TooManyNodes,
    /// A byte that no node writes (control character, quote or one beyond ASCII).
    UnexpectedByte(u8),
    /// Two lines are about one node.
    NodeTwice,
    /// Two lines are this node's own, or a mark is on another node's line.
    MyselfTwice,
    /// Two `vars` lines, or something after it.
    VarsNotLast,
    /// A `vars` line without pairs of name and value.
    VarsPairs,
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl fmt::Display for ConfigFileReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str(
                "the checksum does not match the slots and epochs above: the file is damaged or was edited \
                 (remove the checksum and its value to accept an edit)",
            ),
            Self::Address(token) => write!(f, "'{token}' is not <ip>:<port>@<bus port>"),
            Self::Aux(token) => write!(f, "unknown field '{token}' after the address"),
            Self::Empty => f.write_str("the file is empty"),
            Self::Epoch(token) => write!(f, "'{token}' is not an epoch"),
            Self::Flag(token) => write!(f, "unknown flag '{token}'"),
            Self::Id(token) => write!(f, "'{token}' is not a node id (40 lower-case hexadecimal characters)"),
            Self::NoMyself => f.write_str("no line has the flag 'myself'"),
            Self::NoVars => f.write_str("the file does not end in a complete 'vars' line: it was cut"),
            Self::Role => f.write_str("a node must be either 'master' or 'slave'"),
            Self::Slot(token) => write!(f, "'{token}' is not a slot, a range of slots or a slot on the move"),
            Self::SlotTwice(slot) => write!(f, "slot {} has an owner already", slot.number()),
            Self::SlotsOfReplica => f.write_str("a replica owns no slots"),
            Self::Time(token) => write!(f, "'{token}' is not a time in milliseconds"),
            Self::TooFewColumns => f.write_str("a node needs at least eight columns"),
            Self::TooManyNodes => write!(f, "more than {NODES_MAX} nodes"),
            Self::UnexpectedByte(byte) => write!(f, "unexpected byte 0x{byte:02x}"),
            Self::NodeTwice => f.write_str("this node has a line already"),
            Self::MyselfTwice => f.write_str("only one line may have 'myself' and slots on the move"),
            Self::VarsNotLast => f.write_str("the 'vars' line must be the last one"),
            Self::VarsPairs => f.write_str("'vars' must be followed by pairs of name and value, with both epochs"),
        }
    }
}

impl std::error::Error for ConfigFileError {}

/// Reads a nodes.conf.
///
/// # Errors
/// Line and reason; nothing of a refused file may be used, and it should be left as it is.
pub fn parse(bytes: &[u8]) -> Result<ConfigFile, ConfigFileError> {
    let last = bytes.split(|&byte| byte == b'\n').count();
    let at_end = |reason| ConfigFileError { line: last, reason };
    if bytes.iter().all(|byte| matches!(byte, b'\n' | b'\r' | b' ' | b'\t')) {
        return Err(at_end(ConfigFileReason::Empty));
    }
    let mut reader = Reader::default();
    let mut complete = false;
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let fail = |reason| ConfigFileError { line: index + 1, reason };
        let line_text = plain(line).map_err(fail)?;
        if line_text.is_empty() {
            continue;
        }
        complete = line.ends_with(b"\n");
        reader.line(line_text).map_err(fail)?;
    }
    let Some(vars) = reader.vars.take().filter(|_| complete) else { return Err(at_end(ConfigFileReason::NoVars)) };
    reader.finish(vars).map_err(at_end)
}

/// The text of one line, trimmed; refuses bytes that only damage or a stranger puts into the file.
fn plain(line: &[u8]) -> Result<&str, ConfigFileReason> {
    let line = line.trim_ascii();
    let odd = line.iter().find(|byte| !(b' '..=b'~').contains(byte) && **byte != b'\t' || matches!(byte, b'"' | b'\''));
    match (odd, std::str::from_utf8(line)) {
        (None, Ok(text)) => Ok(text),
        (Some(&byte), _) => Err(ConfigFileReason::UnexpectedByte(byte)),
        (None, Err(_)) => Err(ConfigFileReason::UnexpectedByte(0x80)),
    }
}

#[derive(Default)]
struct Reader {
    nodes: Vec<NodeRecord>,
    taken: SlotBitmap,
    vars: Option<Vars>,
}

#[derive(Default)]
struct Vars {
    current_epoch: Option<u64>,
    last_vote_epoch: Option<u64>,
    checksum: Option<String>,
    skipped: Vec<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), ConfigFileReason> {
        if self.vars.is_some() {
            return Err(ConfigFileReason::VarsNotLast);
        }
        if line.split_ascii_whitespace().next() == Some("vars") {
            self.vars = Some(vars(line)?);
            return Ok(());
        }
        let node = self.node(line)?;
        if self.nodes.len() >= NODES_MAX {
            return Err(ConfigFileReason::TooManyNodes);
        }
        self.nodes.push(node);
        Ok(())
    }

    fn node(&mut self, line: &str) -> Result<NodeRecord, ConfigFileReason> {
        let tokens: Vec<&str> = line.split_ascii_whitespace().collect();
        let [id, address, flag_list, primary, ping, pong, epoch, _link, slots @ ..] = &tokens[..] else {
            return Err(ConfigFileReason::TooFewColumns);
        };
        let id = node_id(id)?;
        let Place { ip, port, cport, hostname, nodename, shard } = self::address(address)?;
        let flags = flags(flag_list)?;
        if flags.has(NodeFlags::PRIMARY) == flags.has(NodeFlags::REPLICA) {
            return Err(ConfigFileReason::Role);
        }
        let myself = flags.has(NodeFlags::MYSELF);
        if self.nodes.iter().any(|node| node.id == id) {
            return Err(ConfigFileReason::NodeTwice);
        }
        if myself && self.nodes.iter().any(|node| node.flags.has(NodeFlags::MYSELF)) {
            return Err(ConfigFileReason::MyselfTwice);
        }
        let mut node = NodeRecord {
            id,
            ip,
            port,
            cport,
            hostname,
            nodename,
            shard,
            flags,
            primary: if *primary == "-" { None } else { Some(node_id(primary)?) },
            ping_pending: time(ping)? != 0,
            answered: time(pong)? != 0,
            config_epoch: self::epoch(epoch)?,
            slots: Vec::new(),
            open_slots: Vec::new(),
        };
        for token in slots {
            self.slot(&mut node, token)?;
        }
        if flags.has(NodeFlags::REPLICA) && !node.slots.is_empty() {
            return Err(ConfigFileReason::SlotsOfReplica);
        }
        if !myself && !node.open_slots.is_empty() {
            return Err(ConfigFileReason::MyselfTwice);
        }
        Ok(node)
    }

    fn slot(&mut self, node: &mut NodeRecord, token: &str) -> Result<(), ConfigFileReason> {
        if let Some(mark) = token.strip_prefix('[') {
            node.open_slots.push(open_slot(mark).ok_or_else(|| ConfigFileReason::Slot(token.to_owned()))?);
            return Ok(());
        }
        let range = range(token).ok_or_else(|| ConfigFileReason::Slot(token.to_owned()))?;
        for slot in range.slots() {
            if !self.taken.insert(slot) {
                return Err(ConfigFileReason::SlotTwice(slot));
            }
        }
        node.slots.push(range);
        Ok(())
    }

    fn finish(self, vars: Vars) -> Result<ConfigFile, ConfigFileReason> {
        let (Some(current_epoch), Some(last_vote_epoch)) = (vars.current_epoch, vars.last_vote_epoch) else {
            return Err(ConfigFileReason::VarsPairs);
        };
        if !self.nodes.iter().any(|node| node.flags.has(NodeFlags::MYSELF)) {
            return Err(ConfigFileReason::NoMyself);
        }
        let file = ConfigFile { nodes: self.nodes, current_epoch, last_vote_epoch, skipped_vars: vars.skipped };
        if vars.checksum.is_some_and(|checksum| checksum != checksum_text(&file)) {
            return Err(ConfigFileReason::Checksum);
        }
        Ok(file)
    }
}

fn vars(line: &str) -> Result<Vars, ConfigFileReason> {
    let mut vars = Vars::default();
    let mut tokens = line.split_ascii_whitespace().skip(1);
    while let Some(name) = tokens.next() {
        let value = tokens.next().ok_or(ConfigFileReason::VarsPairs)?;
        match name {
            "currentEpoch" => vars.current_epoch = Some(epoch(value)?),
            "lastVoteEpoch" => vars.last_vote_epoch = Some(epoch(value)?),
            "checksum" => vars.checksum = Some(value.to_owned()),
            _ => vars.skipped.push(name.to_owned()),
        }
    }
    Ok(vars)
}

fn node_id(token: &str) -> Result<NodeId, ConfigFileReason> {
    NodeId::parse(token.as_bytes()).ok_or_else(|| ConfigFileReason::Id(token.to_owned()))
}

fn epoch(token: &str) -> Result<u64, ConfigFileReason> {
    let epoch = number(token).filter(|epoch| *epoch <= EPOCH_MAX);
    epoch.ok_or_else(|| ConfigFileReason::Epoch(token.to_owned()))
}

fn time(token: &str) -> Result<u64, ConfigFileReason> {
    number(token).ok_or_else(|| ConfigFileReason::Time(token.to_owned()))
}

/// Digits only: no sign, no space.
fn number(token: &str) -> Option<u64> {
    token.bytes().all(|byte| byte.is_ascii_digit()).then(|| token.parse().ok()).flatten()
}

fn slot(token: &str) -> Option<Slot> {
    number(token).and_then(|number| u16::try_from(number).ok()).and_then(Slot::new)
}

fn range(token: &str) -> Option<SlotRange> {
    let (first, last) = token.split_once('-').unwrap_or((token, token));
    let (first, last) = (slot(first)?, slot(last)?);
    (first <= last).then_some(SlotRange { first, last })
}

/// What follows the `[` of a mark: `93->-<id>]` or `93-<-<id>]`.
fn open_slot(mark: &str) -> Option<(Slot, Direction, NodeId)> {
    let mark = mark.strip_suffix(']')?;
    let (number, direction, id) = match (mark.split_once("->-"), mark.split_once("-<-")) {
        (Some((number, id)), None) => (number, Direction::Migrating, id),
        (None, Some((number, id))) => (number, Direction::Importing, id),
        _ => return None,
    };
    Some((slot(number)?, direction, NodeId::parse(id.as_bytes())?))
}

fn flags(list: &str) -> Result<NodeFlags, ConfigFileReason> {
    let mut flags = NodeFlags::NONE;
    for name in list.split(',').filter(|name| *name != "noflags") {
        let known = FLAG_NAMES.iter().find(|(_, known)| *known == name);
        flags.insert(known.ok_or_else(|| ConfigFileReason::Flag(name.to_owned()))?.0);
    }
    Ok(flags)
}

/// `ip:port[@cport][,hostname[,name=value]...]`; the ip may be empty and may be an IPv6 address.
fn address(token: &str) -> Result<Place, ConfigFileReason> {
    let bad = || ConfigFileReason::Address(token.to_owned());
    let mut parts = token.split(',');
    let place = parts.next().unwrap_or_default();
    let hostname = parts.next().unwrap_or_default();
    if !is_hostname(hostname.as_bytes()) {
        return Err(ConfigFileReason::Address(token.to_owned()));
    }
    let (mut nodename, mut shard) = (String::new(), None);
    for aux in parts {
        let unknown = || ConfigFileReason::Aux(aux.to_owned());
        match aux.split_once('=').ok_or_else(unknown)? {
            ("nodename", name) if is_nodename(name.as_bytes()) => name.clone_into(&mut nodename),
            ("shard-id", id) => shard = Some(NodeId::parse(id.as_bytes()).ok_or_else(unknown)?),
            (name, _) if AUX_READ_OVER.contains(&name) => {}
            _ => return Err(unknown()),
        }
    }
    let (ip, ports) = place.rsplit_once(':').ok_or_else(bad)?;
    let ip = if ip.is_empty() { None } else { Some(ip.parse().map_err(|_| bad())?) };
    let port = |text: &str| number(text).and_then(|port| u16::try_from(port).ok());
    let (port, cport) = match ports.split_once('@') {
        Some((base, bus)) => (port(base).ok_or_else(bad)?, port(bus).ok_or_else(bad)?),
        None => {
            let base = port(ports).ok_or_else(bad)?;
            (base, base.checked_add(BUS_PORT_OFFSET).ok_or_else(bad)?)
        }
    };
    Ok(Place { ip, port, cport, hostname: hostname.to_owned(), nodename, shard })
}

/// What the second column tells.
struct Place {
    ip: Option<IpAddr>,
    port: u16,
    cport: u16,
    hostname: String,
    nodename: String,
    shard: Option<NodeId>,
}

/// Fields of 7.2 and Valkey that mean nothing here.
const AUX_READ_OVER: [&str; 4] = ["tls-port", "tcp-port", "client-ipv4", "client-ipv6"];

/// The pair's value for a file: FNV-1a over everything that decides about ownership.
pub(super) fn checksum_text(file: &ConfigFile) -> String {
    let mut nodes: Vec<&NodeRecord> = file.nodes.iter().collect();
    nodes.sort_by_key(|node| node.id);
    let mut sum = Fnv::new();
    for node in nodes {
        sum.bytes(node.id.as_bytes());
        sum.number(u64::from(node.flags.only(NodeFlags::PRIMARY.with(NodeFlags::MYSELF)).0));
        sum.bytes(node.primary.as_ref().map_or(&[0; 40], |id| id.as_bytes()));
        sum.number(node.config_epoch);
        for range in &node.slots {
            sum.number(u64::from(range.first.number()) * u64::from(SLOTS) + u64::from(range.last.number()));
        }
        for (slot, direction, peer) in &node.open_slots {
            sum.number(u64::from(slot.number()) * 2 + u64::from(*direction == Direction::Importing));
            sum.bytes(peer.as_bytes());
        }
    }
    sum.number(file.current_epoch);
    sum.number(file.last_vote_epoch);
    format!("{:016x}", sum.0)
}

struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }
}

/// How far the bus port lies above the client port when nothing else is said.
pub const BUS_PORT_OFFSET: u16 = 10_000;

#[cfg(test)]
mod tests;
