//! A client described in one line: CLIENT LIST, CLIENT INFO and the log use it.

use std::fmt::Write as _;

use slotmesh_engine::session::{SessionId, SessionState};
use slotmesh_engine::time::{Instant, Now};
use slotmesh_engine::tracking::Scope;

use super::Node;
use super::command::redirect_number;
use super::conns::{Client, Role, Waiting};
use super::primary_link::Stream;
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
    /// All clients; the primary's stream is one of them.
    pub(crate) fn client_conns(&self) -> Vec<ConnId> {
        let primary = self.primary_client().map(|(conn, _)| conn);
        self.conns.clients().map(|(conn, _)| conn).chain(primary).collect()
    }

    fn primary_stream(&self, conn: ConnId) -> Option<&Stream> {
        self.primary_client().filter(|(own, _)| *own == conn).map(|(_, stream)| stream)
    }

    /// The session of a client, or of the primary's stream.
    pub(crate) fn client_session(&self, conn: ConnId) -> Option<SessionId> {
        let client = self.conns.client(conn).map(|client| client.session);
        client.or_else(|| self.primary_stream(conn).map(|stream| stream.session))
    }

    pub(crate) fn client_id(&self, conn: ConnId) -> Option<u64> {
        self.client_session(conn).map(SessionId::client_id)
    }

    /// Seconds since a client said something.
    pub(crate) fn client_idle_secs(&self, now: Now, conn: ConnId) -> u64 {
        if self.primary_stream(conn).is_some() {
            let link = self.replication.link.as_ref().and_then(|link| link.info(now));
            return link.and_then(|info| info.last_io_secs).unwrap_or(0);
        }
        self.conns.client(conn).map_or(0, |client| now.instant.millis_since(client.active) / 1000)
    }

    /// When a client's connection was opened.
    pub(crate) fn client_opened(&self, conn: ConnId) -> Option<Instant> {
        let client = self.conns.client(conn).map(|client| client.opened);
        client.or_else(|| self.primary_stream(conn).map(|stream| stream.opened))
    }

    pub(crate) fn client_kind(&self, conn: ConnId) -> Option<ClientKind> {
        if self.primary_stream(conn).is_some() {
            return Some(ClientKind::Primary);
        }
        let client = self.conns.client(conn)?;
        Some(match client.role {
            Role::Replica => ClientKind::Replica,
            Role::Normal | Role::Monitor if self.engine.session(client.session).is_subscribed() => ClientKind::PubSub,
            Role::Normal | Role::Monitor => ClientKind::Normal,
        })
    }

    /// The peer's address and our own on this connection, as CLIENT LIST prints them.
    pub(crate) fn client_addresses(&self, conn: ConnId) -> (String, String) {
        if self.primary_stream(conn).is_some() {
            let link = self.replication.link.as_ref().and_then(|link| link.info(self.last_now));
            let addr = link.map_or_else(|| "?:0".to_owned(), |info| format!("{}:{}", info.target.0, info.target.1));
            return (addr, "?:0".to_owned());
        }
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
        if let Some(stream) = self.primary_stream(conn) {
            return Some(self.primary_line(now, conn, stream));
        }
        let client = self.conns.client(conn)?;
        let session = self.engine.session(client.session);
        let out = self.engine.out_ref(client.session);
        let (addr, laddr) = self.client_addresses(conn);
        let age = now.instant.millis_since(client.opened) / 1000;
        let idle = self.client_idle_secs(now, conn);
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
        if self.primary_stream(conn).is_some() {
            return "M".to_owned();
        }
        let Some(client) = self.conns.client(conn) else { return String::new() };
        flags(client, self.engine.session(client.session), self.queued(conn).is_some())
    }
}

impl Node {
    /// The line of CLIENT LIST for the primary's stream.
    fn primary_line(&self, now: Now, conn: ConnId, stream: &Stream) -> String {
        let session = self.engine.session(stream.session);
        let (addr, laddr) = self.client_addresses(conn);
        let age = now.instant.millis_since(stream.opened) / 1000;
        let idle = self.client_idle_secs(now, conn);
        let multi = session.transaction.as_ref().map_or(-1, |open| open.queue.len() as i64);
        let command = stream.last_command.map_or("NULL", |id| &*self.engine.registry().get(id).full_name);
        let total = size_of::<Stream>();
        format!(
            "id={} addr={addr} laddr={laddr} fd={} name= age={age} idle={idle} flags={} db={} sub=0 psub=0 ssub=0 \
             multi={multi} watch=0 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 \
             tot-mem={total} events=r cmd={command} user=(superuser) redir=-1 resp=2 lib-name= lib-ver=",
            stream.session.client_id(),
            conn.index + FIRST_DESCRIPTOR,
            self.client_flags(conn),
            session.db.0,
        )
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
