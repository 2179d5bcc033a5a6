//! COMMANDLOG and SLOWLOG: the commands that took too long, and those that were too large.

use slotmesh_engine::command::help;
use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ADMIN, Flags, LOADING, STALE, Spec, container, data};
use slotmesh_engine::command::unknown_form;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::number::parse_i64;
use slotmesh_engine::resp::reply::Reply;

use super::super::timing::slowlog::Slowlog;
use super::{Call, Node, NodeFn};

const OPERATOR: Flags = ADMIN.and(LOADING).and(STALE);

pub(super) const ROWS: &[Spec<NodeFn>] =
    &[container("COMMANDLOG", COMMANDLOG_ROWS), container("SLOWLOG", SLOWLOG_ROWS)];

const GET_TIPS: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];
const LEN_TIPS: &[&str] = &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"];
const RESET_TIPS: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const COMMANDLOG_ROWS: &[Spec<NodeFn>] = &[
    data("GET", 4, OPERATOR, NO_KEYS, get as NodeFn).tips(GET_TIPS),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, commandlog_help),
    data("LEN", 3, OPERATOR, NO_KEYS, len as NodeFn).tips(LEN_TIPS),
    data("RESET", 3, OPERATOR, NO_KEYS, reset as NodeFn).tips(RESET_TIPS),
];

const SLOWLOG_ROWS: &[Spec<NodeFn>] = &[
    data("GET", -2, OPERATOR, NO_KEYS, slowlog_get as NodeFn).tips(GET_TIPS),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, slowlog_help),
    data("LEN", 2, OPERATOR, NO_KEYS, slowlog_len as NodeFn).tips(LEN_TIPS),
    data("RESET", 2, OPERATOR, NO_KEYS, slowlog_reset as NodeFn).tips(RESET_TIPS),
];

/// Which of the logs is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LargeReply,
    LargeRequest,
    Slow,
}

impl Kind {
    fn parse(call: &Call<'_>, index: usize) -> Result<Self, ReplyError> {
        let kinds = [("slow", Self::Slow), ("large-request", Self::LargeRequest), ("large-reply", Self::LargeReply)];
        let kind = kinds.into_iter().find(|(word, _)| call.args.is(index, word)).map(|(_, kind)| kind);
        kind.ok_or(ReplyError::Fixed("ERR type should be one of the following: slow, large-request, large-reply"))
    }

    fn of(self, node: &mut Node) -> &mut Slowlog {
        match self {
            Self::LargeReply => &mut node.sizes.replies,
            Self::LargeRequest => &mut node.sizes.requests,
            Self::Slow => &mut node.timing.slowlog,
        }
    }
}

fn get(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let count = count(&call.args[2])?;
    let kind = Kind::parse(call, 3)?;
    show(node, call, kind, count);
    Ok(())
}

fn len(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let len = Kind::parse(call, 2)?.of(node).len();
    node.engine.reply(call.session).len(len);
    Ok(())
}

fn reset(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    Kind::parse(call, 2)?.of(node).reset();
    node.engine.reply(call.session).ok();
    Ok(())
}

fn slowlog_get(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let count = match call.args.len() {
        2 => DEFAULT_COUNT,
        3 => count(&call.args[2])?,
        _ => return Err(unknown_form("SLOWLOG", &call.args[1])),
    };
    show(node, call, Kind::Slow, count);
    Ok(())
}

fn slowlog_len(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let len = node.timing.slowlog.len();
    node.engine.reply(call.session).len(len);
    Ok(())
}

fn slowlog_reset(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.timing.slowlog.reset();
    node.engine.reply(call.session).ok();
    Ok(())
}

/// How many entries to show; -1 is all.
fn count(word: &[u8]) -> Result<usize, ReplyError> {
    let count = parse_i64(word).filter(|&count| count >= -1);
    let count = count.ok_or(ReplyError::Fixed("ERR count should be greater than or equal to -1"))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

fn show(node: &mut Node, call: &Call<'_>, kind: Kind, count: usize) {
    let Node { engine, timing, sizes, .. } = node;
    let log = match kind {
        Kind::LargeReply => &sizes.replies,
        Kind::LargeRequest => &sizes.requests,
        Kind::Slow => &timing.slowlog,
    };
    show_entries(&mut engine.reply(call.session), log, count);
}

fn show_entries(reply: &mut Reply<'_>, log: &Slowlog, count: usize) {
    reply.array(count.min(log.len()));
    for entry in log.newest().take(count) {
        let event = &entry.event;
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int(event.unix_secs);
        reply.int(event.measure as i64);
        reply.array(event.words.len());
        event.words.iter().for_each(|word| reply.bulk(word));
        reply.bulk(event.address.as_bytes());
        reply.bulk(&event.name);
    }
}

fn commandlog_help(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    help::reply(
        &mut node.engine.reply(call.session),
        "COMMANDLOG",
        &[
            (
                "GET <count> <type>",
                "Shows the newest <count> entries of a log (slow, large-request or large-reply), -1 for all: number, \
                 Unix time, microseconds or bytes, words, client address, client name.",
            ),
            ("LEN <type>", "Tells how many entries a log has."),
            ("RESET <type>", "Removes all entries of a log."),
        ],
    );
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

/// Entries that SLOWLOG GET shows unasked.
const DEFAULT_COUNT: usize = 10;
