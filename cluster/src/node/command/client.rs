//! CLIENT: what clients ask about themselves and operators about clients.

use slotmesh_engine::command::help;
use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{
    ADMIN, ALLOW_BUSY, Flags, LOADING, NO_MULTI, NO_SCRIPT, STALE, Spec, container, data,
};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::session::ReplyMode;

use super::super::conns::Waiting;
use super::super::pause::PauseKind;
use super::client_filter::Filter;
use super::tracking::{caching, getredir, tracking, trackinginfo};
use super::{Call, Node, NodeFn, integer};
use crate::machine::ConnId;
use crate::node::client_info::ClientKind;
use slotmesh_replication::wait::WaitId;

const OWN: Flags = NO_SCRIPT.and(LOADING).and(STALE);
const OPERATOR: Flags = ADMIN.and(NO_SCRIPT).and(LOADING).and(STALE);

pub(super) const ROWS: &[Spec<NodeFn>] = &[container("CLIENT", CLIENT_ROWS)];

const CLIENT_ROWS: &[Spec<NodeFn>] = &[
    data("CACHING", 3, OWN, NO_KEYS, caching as NodeFn),
    data("CAPA", -3, OWN, NO_KEYS, capa),
    data("GETNAME", 2, OWN, NO_KEYS, getname),
    data("GETREDIR", 2, OWN, NO_KEYS, getredir),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, client_help),
    data("ID", 2, OWN, NO_KEYS, id),
    data("INFO", 2, OWN, NO_KEYS, info as NodeFn).tips(&["nondeterministic_output"]),
    data("KILL", -3, OPERATOR, NO_KEYS, kill),
    data("LIST", -2, OPERATOR, NO_KEYS, list as NodeFn).tips(&["nondeterministic_output"]),
    data("NO-EVICT", 3, OPERATOR, NO_KEYS, no_evict),
    data("NO-TOUCH", 3, OWN, NO_KEYS, no_touch),
    data("PAUSE", -3, OPERATOR, NO_KEYS, pause),
    // A reply that goes missing inside EXEC's array would leave the client waiting for it (Valkey 9 refuses it too).
    data("REPLY", 3, OWN.and(NO_MULTI).and(ALLOW_BUSY), NO_KEYS, reply),
    data("SETINFO", 4, OWN, NO_KEYS, setinfo as NodeFn)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    data("SETNAME", 3, OWN, NO_KEYS, setname),
    data("TRACKING", -3, OWN, NO_KEYS, tracking),
    data("TRACKINGINFO", 2, OWN, NO_KEYS, trackinginfo),
    data("UNBLOCK", -3, OPERATOR, NO_KEYS, unblock),
    data("UNPAUSE", 2, OPERATOR, NO_KEYS, unpause),
];

fn id(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.reply(call.session).int(call.session.client_id() as i64);
    Ok(())
}

/// What the client understands; what we do not know is no error, so that newer clients can say more (Valkey 8).
fn capa(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if (2..call.args.len()).any(|at| call.args.is(at, "redirect")) {
        node.engine.session_mut(call.session).follows_redirects = true;
    }
    node.engine.reply(call.session).ok();
    Ok(())
}

fn getname(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let name = node.engine.session(call.session).name.clone();
    let mut reply = node.engine.reply(call.session);
    if name.is_empty() {
        reply.null();
    } else {
        reply.bulk(&name);
    }
    Ok(())
}

fn setname(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.session_mut(call.session).name = valid_name(&call.args[2])?.into();
    node.engine.reply(call.session).ok();
    Ok(())
}

/// A client's name may hold only printable characters that are no blanks.
pub(super) fn valid_name(name: &[u8]) -> Result<&[u8], ReplyError> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(name);
    }
    Err(ReplyError::Fixed("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn setinfo(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let value = &call.args[3];
    let library_name = call.args.is(2, "lib-name");
    if !library_name && !call.args.is(2, "lib-ver") {
        return Err(ReplyError::naming("ERR Unrecognized option '", &call.args[2], "'"));
    }
    if !value.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        let after = " cannot contain spaces, newlines or special characters.";
        return Err(ReplyError::naming("ERR ", &call.args[2], after));
    }
    let session = node.engine.session_mut(call.session);
    *(if library_name { &mut session.lib_name } else { &mut session.lib_version }) = value.into();
    node.engine.reply(call.session).ok();
    Ok(())
}

fn info(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let mut line = node.client_line(call.now, call.conn).unwrap_or_default();
    line.push('\n');
    node.engine.reply(call.session).verbatim(b"txt", line.as_bytes());
    Ok(())
}

fn list(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let mut wanted = node.client_conns();
    wanted.sort_by_key(|&conn| node.client_id(conn));
    let databases = node.engine.core().keyspace.databases();
    let filter = Filter::parse(args, databases)?;
    wanted.retain(|&conn| !(filter.skips_me == Some(true) && conn == call.conn));
    wanted.retain(|&conn| node.matches(call, conn, &filter));
    let mut text = String::new();
    for conn in wanted {
        if let Some(line) = node.client_line(call.now, conn) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    node.engine.reply(call.session).verbatim(b"txt", text.as_bytes());
    Ok(())
}

pub(super) fn client_kind(text: &[u8]) -> Result<ClientKind, ReplyError> {
    let known = [
        ("normal", ClientKind::Normal),
        ("master", ClientKind::Primary),
        ("primary", ClientKind::Primary),
        ("slave", ClientKind::Replica),
        ("replica", ClientKind::Replica),
        ("pubsub", ClientKind::PubSub),
    ];
    let found = known.iter().find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, kind)| *kind).ok_or_else(|| ReplyError::naming("ERR Unknown client type '", text, "'"))
}

fn kill(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let old_form = args.len() == 3;
    let databases = node.engine.core().keyspace.databases();
    let filter = if old_form { Filter::of_address(args.at(2)) } else { Filter::parse(args, databases)? };
    let skips_me = filter.skips_me.unwrap_or(!old_form);
    let victims: Vec<ConnId> = node
        .client_conns()
        .into_iter()
        .filter(|&conn| !(skips_me && conn == call.conn) && node.matches(call, conn, &filter))
        .collect();
    if old_form && victims.is_empty() {
        return Err(ReplyError::Fixed("ERR No such client"));
    }
    if old_form {
        node.engine.reply(call.session).ok();
    } else {
        node.engine.reply(call.session).len(victims.len());
    }
    for conn in victims {
        if conn == call.conn {
            // The reply still leaves.
            if let Some(client) = node.conns.client_mut(conn) {
                client.closing = true;
            }
        } else if node.client_kind(conn) == Some(ClientKind::Primary) {
            node.kill_primary(call.now);
        } else {
            node.close_client(conn);
        }
    }
    Ok(())
}

pub(super) fn yes_or_no(args: slotmesh_engine::resp::args::Args<'_>, at: usize) -> Result<bool, ReplyError> {
    match (args.is(at, "yes"), args.is(at, "no")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(ReplyError::Syntax),
    }
}

fn on_or_off(call: &Call<'_>) -> Result<bool, ReplyError> {
    match (call.args.is(2, "on"), call.args.is(2, "off")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(ReplyError::Syntax),
    }
}

fn no_evict(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.session_mut(call.session).no_evict = on_or_off(call)?;
    node.engine.reply(call.session).ok();
    Ok(())
}

fn no_touch(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.session_mut(call.session).no_touch = on_or_off(call)?;
    node.engine.reply(call.session).ok();
    Ok(())
}

fn pause(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let kind = match args.len() {
        3 => PauseKind::All,
        4 if args.is(3, "WRITE") => PauseKind::Writes,
        4 if args.is(3, "ALL") => PauseKind::All,
        4 => return Err(ReplyError::Fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => {
            return Err(ReplyError::Fixed(
                "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
            ));
        }
    };
    let millis = integer(&args[2]).map_err(|_| ReplyError::Fixed("ERR timeout is not an integer or out of range"))?;
    let millis = u64::try_from(millis).map_err(|_| ReplyError::Fixed("ERR timeout is negative"))?;
    node.pause.begin_by_client(call.now.instant.plus_millis(millis), kind);
    node.engine.reply(call.session).ok();
    Ok(())
}

fn unpause(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.pause.end_by_client();
    node.resume_paused_later();
    node.engine.reply(call.session).ok();
    Ok(())
}

fn unblock(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let with_error = match args.len() {
        3 => false,
        4 if args.is(3, "TIMEOUT") => false,
        4 if args.is(3, "ERROR") => true,
        _ => return Err(ReplyError::Fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = integer(&args[2])?;
    let error = with_error.then_some(ReplyError::Fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
    let found = node.conns.clients().find(|(_, client)| client.session.client_id() as i64 == id);
    let blocked = match found.map(|(conn, client)| (conn, client.waiting)) {
        Some((conn, Some(Waiting::Keys))) => node.unblock(conn, error.as_ref()),
        Some((conn, Some(Waiting::Replicas))) => {
            node.end_wait(conn, error.as_ref());
            true
        }
        Some((_, Some(Waiting::Host | Waiting::Pause | Waiting::Turn) | None)) | None => false,
    };
    node.engine.reply(call.session).int(i64::from(blocked));
    Ok(())
}

impl Node {
    /// Ends a client's WAIT or WAITAOF before its time.
    fn end_wait(&mut self, conn: ConnId, error: Option<&ReplyError>) {
        let wait = self.replication.waits.cancel(WaitId(Self::peer_id(conn).0));
        let (Some(wait), Some(client)) = (wait, self.conns.client_mut(conn)) else { return };
        client.waiting = None;
        let session = client.session;
        match error {
            Some(error) => self.engine.reply_error(session, error),
            None => {
                let places = wait.places(&self.replication.feeds, self.local_file());
                self.reply_places(session, places);
            }
        }
        self.resumed.push(conn);
    }
}

fn reply(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let mode = match (args.is(2, "on"), args.is(2, "off"), args.is(2, "skip")) {
        (true, ..) => ReplyMode::On,
        (_, true, _) => ReplyMode::Off,
        (_, _, true) => ReplyMode::SkipNext,
        _ => return Err(ReplyError::Syntax),
    };
    let session = node.engine.session_mut(call.session);
    if mode == ReplyMode::SkipNext && session.reply_mode == ReplyMode::Off {
        return Ok(());
    }
    session.reply_mode = mode;
    if mode == ReplyMode::On {
        node.engine.reply(call.session).ok();
    }
    Ok(())
}

fn client_help(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let mut reply = node.engine.reply(call.session);
    help::reply(
        &mut reply,
        "CLIENT",
        &[
            ("CACHING (YES|NO)", "Says whether the keys of the next command are tracked."),
            ("CAPA <capability> [<capability> ...]", "Says what this client understands; known is REDIRECT."),
            ("GETNAME", "Tells the name of this connection."),
            ("GETREDIR", "Tells to whom the messages of this connection's tracking go."),
            ("ID", "Tells the number of this connection."),
            ("INFO", "Describes this connection, as a line of LIST."),
            ("KILL <ip:port>", "Closes the connection from this address."),
            (
                "KILL <option> <value> [<option> <value> ...]",
                "Closes the connections that LIST would show; SKIPME no includes this one.",
            ),
            (
                "LIST [[NOT-]<option> <value> ...]",
                "Describes connections, a line each: all, or those of this ADDR, CAPA, DB, FLAGS, ID, IDLE, IP, LADDR, \
                 LIB-NAME, LIB-VER, MAXAGE, NAME, SKIPME, TYPE, USER.",
            ),
            ("NO-EVICT (ON|OFF)", "Keeps this connection when clients are closed to save memory."),
            ("NO-TOUCH (ON|OFF)", "Keeps this connection's commands from renewing access times."),
            ("PAUSE <timeout> [WRITE|ALL]", "Holds back commands for this many milliseconds."),
            ("REPLY (ON|OFF|SKIP)", "Says whether replies are sent to this connection."),
            ("SETINFO <option> <value>", "Notes the client library's name (LIB-NAME) or version (LIB-VER)."),
            ("SETNAME <name>", "Names this connection."),
            (
                "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]",
                "Says which changes of keys this connection is told of.",
            ),
            ("TRACKINGINFO", "Describes this connection's tracking."),
            ("UNBLOCK <id> [TIMEOUT|ERROR]", "Ends the wait of a blocked client."),
            ("UNPAUSE", "Ends the pause."),
        ],
    );
    Ok(())
}
