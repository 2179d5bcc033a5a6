//! A client described in one line: CLIENT LIST, CLIENT INFO and the log use it.

use std::fmt::Write as _;

use slotmesh_engine::session::SessionState;
use slotmesh_engine::time::Now;
use slotmesh_engine::tracking::Scope;

use super::Node;
use super::command::redirect_number;
use super::conns::{Client, Role, Waiting};
use crate::machine::{ConnId, Peer};

/// The kinds of client that CLIENT LIST TYPE and CLIENT KILL TYPE tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// Everyone else, monitors included.
    Normal,
    /// The connection to our primary.
    Primary,
    /// In subscribed state.
    PubSub,
    /// Follows our log.
    Replica,
}

impl Node {
    pub(crate) fn client_id(&self, conn: ConnId) -> Option<u64> {
        self.conns.client(conn).map(|client| client.session.client_id())
    }

    pub(crate) fn client_kind(&self, conn: ConnId) -> Option<ClientKind> {
        let client = self.conns.client(conn)?;
        Some(match client.role {
            Role::Replica => ClientKind::Replica,
            Role::Normal | Role::Monitor if self.engine.session(client.session).is_subscribed() => ClientKind::PubSub,
            Role::Normal | Role::Monitor => ClientKind::Normal,
        })
    }

    /// The peer's address and our own on this connection, as CLIENT LIST prints them.
    pub(crate) fn client_addresses(&self, conn: ConnId) -> (String, String) {
        match self.conns.client(conn).map(|client| &client.peer) {
            Some(Peer::Tcp { remote, local }) => (remote.to_string(), local.to_string()),
            Some(Peer::Unix { path }) => (format!("{path}:0"), format!("{path}:0")),
            Some(Peer::InProcess) | None => ("?:0".to_owned(), "?:0".to_owned()),
        }
    }

    /// The peer's address for log lines.
    pub(crate) fn peer_text(&self, conn: ConnId) -> String {
        self.client_addresses(conn).0
    }

    /// The line for the log, without a time to measure ages by.
    pub(crate) fn client_info(&self, conn: ConnId) -> String {
        let now = Now { instant: self.last_now.instant, unix: self.last_now.unix };
        self.client_line(now, conn).unwrap_or_default()
    }

    /// The line of CLIENT LIST, without line end.
    pub(crate) fn client_line(&self, now: Now, conn: ConnId) -> Option<String> {
        let client = self.conns.client(conn)?;
        let session = self.engine.session(client.session);
        let out = self.engine.out_ref(client.session);
        let (addr, laddr) = self.client_addresses(conn);
        let age = now.instant.millis_since(client.opened) / 1000;
        let idle = now.instant.millis_since(client.active) / 1000;
        let (sub, psub, ssub) = session
            .subscriptions
            .as_ref()
            .map_or((0, 0, 0), |own| (own.channels.len(), own.patterns.len(), own.shards.len()));
        let multi = self.queued(conn).map_or(-1, |queued| queued as i64);
        let multi_mem = session.transaction.as_ref().map_or(0, |open| open.bytes);
        let qbuf = client.input.len();
        let qbuf_free = client.input.capacity() - qbuf;
        let argv_mem = client.parser.allocated();
        let total = client.input.capacity() + argv_mem + multi_mem + out.allocated() + size_of::<Client>();
        let command = client.last_command.map_or("NULL", |id| &*self.engine.registry().get(id).full_name);
        let mut line = String::with_capacity(LINE_BYTES);
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "id={} addr={addr} laddr={laddr} fd={} name={} age={age} idle={idle} flags={}{} db={} sub={sub} psub={psub} \
             ssub={ssub} multi={multi} watch={} qbuf={qbuf} qbuf-free={qbuf_free} argv-mem={argv_mem} \
             multi-mem={multi_mem} rbs={} rbp={} obl={} oll={} omem={} tot-mem={total} events=r cmd={command} \
             user=default redir={} resp={} lib-name={} lib-ver={} \
             tot-net-in={} tot-net-out={} tot-cmds={}",
            client.session.client_id(),
            conn.index + FIRST_DESCRIPTOR,
            String::from_utf8_lossy(&session.name),
            self.client_flags(conn),
            // Where Valkey has it, but only for who said something: older readers know no such field.
            if session.follows_redirects { " capa=r" } else { "" },
            session.db.0,
            session.watched,
            out.allocated(),
            out.len(),
            out.len(),
            out.segments(),
            beyond_fixed_bytes(out.allocated()),
            redirect_number(session.tracking.as_deref()),
            session.protocol.version(),
            String::from_utf8_lossy(&session.lib_name),
            String::from_utf8_lossy(&session.lib_version),
            client.bytes_in,
            client.bytes_out,
            client.commands,
        );
        Some(line)
    }

    /// Commands of the transaction that a client has open, or that runs.
    fn queued(&self, conn: ConnId) -> Option<usize> {
        let running = self.executing.filter(|(own, _)| *own == conn).map(|(_, queued)| queued);
        let session = self.engine.session(self.conns.client(conn)?.session);
        running.or_else(|| session.transaction.as_ref().map(|open| open.queue.len()))
    }

    /// The letters Redis uses for what a client is and waits for.
    pub(crate) fn client_flags(&self, conn: ConnId) -> String {
        let Some(client) = self.conns.client(conn) else { return String::new() };
        flags(client, self.engine.session(client.session), self.queued(conn).is_some())
    }
}

/// `N` stands for nothing special.
fn flags(client: &Client, session: &SessionState, has_queue: bool) -> String {
    let mut flags = String::new();
    let mut add = |letter: char, holds: bool| {
        if holds {
            flags.push(letter);
        }
    };
    add('S', client.role == Role::Replica);
    add('O', client.role == Role::Monitor);
    add('P', session.is_subscribed());
    add('x', has_queue);
    add('b', matches!(client.waiting, Some(Waiting::Keys | Waiting::Replicas)));
    let tracking = session.tracking.as_deref();
    add('t', tracking.is_some());
    add('R', tracking.is_some_and(|mode| mode.is_broken));
    add('B', tracking.is_some_and(|mode| mode.scope == Scope::Broadcast));
    add('c', client.closing);
    add('U', matches!(client.peer, Peer::Unix { .. }));
    add('r', session.readonly);
    add('e', session.no_evict);
    add('T', session.no_touch);
    if flags.is_empty() {
        flags.push('N');
    }
    flags
}

/// Bytes of replies that Redis would not keep in a client's fixed buffer: `omem` is about these only.
fn beyond_fixed_bytes(allocated: usize) -> usize {
    if allocated <= FIXED_REPLY_BYTES { 0 } else { allocated }
}

/// Bytes of replies a client of Redis has room for without a list (`PROTO_REPLY_CHUNK_BYTES`, `server.h`).
const FIXED_REPLY_BYTES: usize = 16 << 10;

/// Bytes a line usually needs.
const LINE_BYTES: usize = 400;

/// A machine has no descriptors; the place in its table, counted from a first usual number, stands for it.
const FIRST_DESCRIPTOR: u32 = 8;
