//! AUTH, HELLO, RESET, QUIT, and the cluster's per-connection flags.

use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ALLOW_BUSY, FAST, Flags, LOADING, NO_AUTH, NO_SCRIPT, STALE, Spec, data};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::number::parse_i64;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::reply::Protocol;

use super::super::conns::Role;
use super::{Call, Node, NodeFn};

const AT_ONCE: Flags = NO_AUTH.and(NO_SCRIPT).and(STALE).and(LOADING).and(FAST).and(ALLOW_BUSY);

pub(super) const ROWS: &[Spec<NodeFn>] = &[
    data("ASKING", 1, FAST, NO_KEYS, asking as NodeFn),
    data("AUTH", -2, AT_ONCE, NO_KEYS, auth),
    data("HELLO", -1, AT_ONCE, NO_KEYS, hello),
    data("QUIT", -1, AT_ONCE, NO_KEYS, quit),
    data("READONLY", 1, LOADING.and(STALE).and(FAST), NO_KEYS, readonly),
    data("READWRITE", 1, LOADING.and(STALE).and(FAST), NO_KEYS, readwrite),
    data("RESET", 1, AT_ONCE, NO_KEYS, reset),
];

/// The reply to a cluster command on a node without cluster.
pub(super) const NO_CLUSTER: ReplyError = ReplyError::Fixed("ERR This instance has cluster support disabled");

fn asking(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if node.bus.is_none() {
        return Err(NO_CLUSTER);
    }
    flag(node, call, |session| session.asking = true);
    Ok(())
}

fn readonly(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    flag(node, call, |session| session.readonly = true);
    Ok(())
}

fn readwrite(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    flag(node, call, |session| session.readonly = false);
    Ok(())
}

fn flag(node: &mut Node, call: &Call<'_>, set: impl FnOnce(&mut slotmesh_engine::session::SessionState)) {
    set(node.engine.session_mut(call.session));
    node.engine.reply(call.session).ok();
}

fn auth(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let (user, password) = match call.args.len() {
        2 => (None, &call.args[1]),
        3 => (Some(&call.args[1]), &call.args[2]),
        _ => return Err(ReplyError::Syntax),
    };
    authenticate(node, call, user, password)?;
    node.engine.reply(call.session).ok();
    Ok(())
}

fn authenticate(node: &mut Node, call: &Call<'_>, user: Option<&[u8]>, password: &[u8]) -> Result<(), ReplyError> {
    let required = &node.engine.core().config.requirepass;
    if user.is_none() && required.is_empty() {
        return Err(ReplyError::Fixed(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        ));
    }
    let known = user.is_none_or(|user| user == b"default");
    let right = required.is_empty() || same_bytes(required, password);
    if !known || !right {
        return Err(ReplyError::Fixed("WRONGPASS invalid username-password pair or user is disabled."));
    }
    node.engine.session_mut(call.session).authenticated = true;
    Ok(())
}

/// Compares without telling, by its duration, how much of the password was right.
fn same_bytes(expected: &[u8], given: &[u8]) -> bool {
    let mut difference = expected.len() ^ given.len();
    for (index, &byte) in given.iter().enumerate() {
        let other = expected.get(index).copied().unwrap_or(0);
        difference |= usize::from(byte ^ other);
    }
    difference == 0
}

fn hello(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let protocol = match args.get(1) {
        None => None,
        Some(text) => Some(hello_protocol(text)?),
    };
    let options = hello_options(args)?;
    if let Some((user, password)) = options.auth {
        authenticate(node, call, Some(user), password)?;
    }
    if !node.engine.session(call.session).authenticated {
        return Err(ReplyError::Fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same \
             time",
        ));
    }
    let session = node.engine.session_mut(call.session);
    if let Some(name) = options.name {
        session.name = name.into();
    }
    if let Some(protocol) = protocol {
        session.protocol = protocol;
    }
    hello_reply(node, call);
    Ok(())
}

struct HelloOptions<'a> {
    auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

fn hello_protocol(text: &[u8]) -> Result<Protocol, ReplyError> {
    let version = parse_i64(text).ok_or(ReplyError::Fixed("ERR Protocol version is not an integer or out of range"))?;
    match version {
        2 => Ok(Protocol::Resp2),
        3 => Ok(Protocol::Resp3),
        _ => Err(ReplyError::Fixed("NOPROTO unsupported protocol version")),
    }
}

fn hello_options(args: Args<'_>) -> Result<HelloOptions<'_>, ReplyError> {
    let mut options = HelloOptions { auth: None, name: None };
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "AUTH") && at + 2 < args.len() {
            options.auth = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if args.is(at, "SETNAME") && at + 1 < args.len() {
            options.name = Some(super::client::valid_name(args.at(at + 1))?);
            at += 2;
        } else {
            return Err(ReplyError::naming("ERR Syntax error in HELLO option '", args.at(at), "'"));
        }
    }
    Ok(options)
}

fn hello_reply(node: &mut Node, call: &Call<'_>) {
    let version = node.engine.core().config.slotmesh_version.clone();
    let is_sentinel = node.is_sentinel();
    let mode = node.mode();
    let role = if node.is_replica() { "replica" } else { "master" };
    let protocol = node.engine.session(call.session).protocol.version();
    let id = call.session.client_id() as i64;
    let mut reply = node.engine.reply(call.session);
    reply.map(if is_sentinel { 6 } else { 7 });
    for (key, value) in [("server", "redis"), ("version", &*version)] {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (key, value) in [("proto", protocol), ("id", id)] {
        reply.bulk(key.as_bytes());
        reply.int(value);
    }
    for (key, value) in [("mode", mode), ("role", role)] {
        if is_sentinel && key == "role" {
            continue;
        }
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
}

fn reset(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if let Some(client) = node.conns.client_mut(call.conn) {
        if client.role == Role::Replica {
            return Err(ReplyError::Fixed("ERR can only reset normal client connections"));
        }
        if std::mem::replace(&mut client.role, Role::Normal) == Role::Monitor {
            node.monitors -= 1;
        }
    }
    node.engine.reset(call.session);
    node.engine.reply(call.session).simple("RESET");
    Ok(())
}

fn quit(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.reply(call.session).ok();
    if let Some(client) = node.conns.client_mut(call.conn) {
        client.closing = true;
    }
    Ok(())
}
