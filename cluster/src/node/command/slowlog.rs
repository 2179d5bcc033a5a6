//! SLOWLOG: the commands that took too long.

use slotmesh_engine::command::help;
use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ADMIN, Flags, LOADING, STALE, Spec, container, data};
use slotmesh_engine::command::unknown_form;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::number::parse_i64;

use super::{Call, Node, NodeFn};

const OPERATOR: Flags = ADMIN.and(LOADING).and(STALE);

pub(super) const ROWS: &[Spec<NodeFn>] = &[container("SLOWLOG", SLOWLOG_ROWS)];

const SLOWLOG_ROWS: &[Spec<NodeFn>] = &[
    data("GET", -2, OPERATOR, NO_KEYS, get as NodeFn).tips(&["request_policy:all_nodes", "nondeterministic_output"]),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, slowlog_help),
    data("LEN", 2, OPERATOR, NO_KEYS, len as NodeFn).tips(&[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ]),
    data("RESET", 2, OPERATOR, NO_KEYS, reset as NodeFn)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
];

fn get(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let count = match call.args.len() {
        2 => DEFAULT_COUNT,
        3 => {
            let count = parse_i64(&call.args[2]).filter(|&count| count >= -1);
            let count = count.ok_or(ReplyError::Fixed("ERR count should be greater than or equal to -1"))?;
            usize::try_from(count).unwrap_or(usize::MAX)
        }
        _ => return Err(unknown_form("SLOWLOG", &call.args[1])),
    };
    let Node { engine, timing, .. } = node;
    let mut reply = engine.reply(call.session);
    reply.array(count.min(timing.slowlog.len()));
    for entry in timing.slowlog.newest().take(count) {
        let event = &entry.event;
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int(event.unix_secs);
        reply.int(event.micros as i64);
        reply.array(event.words.len());
        event.words.iter().for_each(|word| reply.bulk(word));
        reply.bulk(event.address.as_bytes());
        reply.bulk(&event.name);
    }
    Ok(())
}

fn len(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let len = node.timing.slowlog.len();
    node.engine.reply(call.session).len(len);
    Ok(())
}

fn reset(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.timing.slowlog.reset();
    node.engine.reply(call.session).ok();
    Ok(())
}

fn slowlog_help(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    help::reply(
        &mut node.engine.reply(call.session),
        "SLOWLOG",
        &[
            (
                "GET [<count>]",
                "Shows the newest entries, 10 or <count>, -1 for all: number, Unix time, microseconds, words, client \
                 address, client name.",
            ),
            ("LEN", "Tells how many entries there are."),
            ("RESET", "Removes all entries."),
        ],
    );
    Ok(())
}

/// Entries that GET shows unasked.
const DEFAULT_COUNT: usize = 10;
