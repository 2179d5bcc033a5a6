//! SENTINEL CONFIG: settings of the sentinel as a whole.

use slotmesh_engine::config::set::Caller;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::glob;
use slotmesh_engine::number::parse_i64;

use super::super::{Call, Node};
use super::refuse_control_characters;
use crate::sentinel::config::Globals;

/// A setting: its name, how it shows, and how it takes a value (nothing when that does not fit).
struct Setting {
    name: &'static str,
    show: fn(&Globals) -> Vec<u8>,
    assign: fn(&mut Globals, &[u8]) -> Option<()>,
}

const OPTIONS: [Setting; 6] = [
    Setting {
        name: "resolve-hostnames",
        show: |globals| yes_no(globals.resolve_hostnames),
        assign: |globals, value| flag(value).map(|flag| globals.resolve_hostnames = flag),
    },
    Setting {
        name: "announce-hostnames",
        show: |globals| yes_no(globals.announce_hostnames),
        assign: |globals, value| flag(value).map(|flag| globals.announce_hostnames = flag),
    },
    Setting {
        name: "announce-ip",
        show: |globals| globals.announce_ip.clone().into_bytes(),
        assign: |globals, value| text(value).map(|text| globals.announce_ip = text),
    },
    Setting {
        name: "announce-port",
        show: |globals| globals.announce_port.to_string().into_bytes(),
        assign: |globals, value| {
            parse_i64(value).and_then(|port| u16::try_from(port).ok()).map(|port| globals.announce_port = port)
        },
    },
    Setting {
        name: "sentinel-user",
        show: |globals| globals.user.clone(),
        assign: |globals, value| {
            value.clone_into(&mut globals.user);
            Some(())
        },
    },
    Setting {
        name: "sentinel-pass",
        show: |globals| globals.pass.clone(),
        assign: |globals, value| {
            value.clone_into(&mut globals.pass);
            Some(())
        },
    },
];

/// An option of the node itself.
const LOG_LEVEL: &str = "loglevel";

pub(super) fn config(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    match (call.args.is(2, "GET"), call.args.is(2, "SET")) {
        (true, _) => get(node, call),
        (_, true) if call.args.len() > 4 => set(node, call),
        _ => Err(ReplyError::Fixed(
            "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> <value> [<param> <value> ...] \
             are supported.",
        )),
    }
}

fn get(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let globals = node.sentinel_mut()?.globals().clone();
    let mut all: Vec<(&str, Vec<u8>)> = OPTIONS.iter().map(|option| (option.name, (option.show)(&globals))).collect();
    all.extend(node.engine.core().config.get(&[LOG_LEVEL.as_bytes()]).pop().map(|(_, value)| (LOG_LEVEL, value)));
    // Each once, in the order in which they were asked for.
    let mut found: Vec<(&str, Vec<u8>)> = Vec::new();
    for pattern in call.args.from(3).iter() {
        found.extend(all.extract_if(.., |(name, _)| glob::matches(pattern, name.as_bytes(), true)));
    }
    let mut reply = node.engine.reply(call.session);
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name.as_bytes());
        reply.bulk(&value);
    }
    Ok(())
}

fn set(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    refuse_control_characters(args, 3, "SENTINEL CONFIG SET")?;
    let mut globals = node.sentinel_mut()?.globals().clone();
    let mut config = node.engine.core().config.clone();
    let mut seen: Vec<&str> = Vec::new();
    for at in (3..args.len()).step_by(2) {
        let name = &args[at];
        let own = OPTIONS.iter().find(|option| option.name.as_bytes().eq_ignore_ascii_case(name));
        let known = own.map(|option| option.name);
        let known = known.or_else(|| name.eq_ignore_ascii_case(LOG_LEVEL.as_bytes()).then_some(LOG_LEVEL));
        let known =
            known.ok_or_else(|| ReplyError::naming("ERR Invalid argument '", name, "' to SENTINEL CONFIG SET"))?;
        if seen.contains(&known) {
            return Err(ReplyError::naming("ERR Duplicate argument '", name, "' to SENTINEL CONFIG SET"));
        }
        seen.push(known);
        let value = args.get(at + 1);
        let value = value.ok_or_else(|| ReplyError::naming("ERR Missing argument '", name, "' value"))?;
        let done = match own {
            Some(option) => (option.assign)(&mut globals, value),
            None => config.set(&[(LOG_LEVEL.as_bytes(), value)], Caller::Local).ok().map(|_| ()),
        };
        done.ok_or_else(|| {
            let text = [b"ERR Invalid value '", value, b"' to SENTINEL CONFIG SET '", name, b"'"].concat();
            ReplyError::text(text)
        })?;
    }
    node.engine.core_mut().config.loglevel = config.loglevel;
    node.sentinel_mut()?.change_globals(call.now, globals);
    node.answer_when_saved(call.conn);
    Ok(())
}

fn yes_no(value: bool) -> Vec<u8> {
    if value { b"yes".to_vec() } else { b"no".to_vec() }
}

fn flag(value: &[u8]) -> Option<bool> {
    match (value.eq_ignore_ascii_case(b"yes"), value.eq_ignore_ascii_case(b"no")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// A text that can stand in a message with commas between its fields.
fn text(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',').then(|| text.to_owned())
}
