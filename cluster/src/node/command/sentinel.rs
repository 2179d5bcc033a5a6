//! Commands of a sentinel: SENTINEL with its subcommands, and what is another command there.

mod config;
mod set;

use slotmesh_engine::command::help;
use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{
    ADMIN, Categories, FAST, Flags, LOADING, NO_SCRIPT, PUBSUB, STALE, Spec, container, data,
};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::number::parse_i64;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::reply::Reply;

use super::{Call, Node, NodeFn, integer};
use crate::sentinel::address::Address;
use crate::sentinel::periods::Periods;
use crate::sentinel::report::{CachedInfo, Fields};
use crate::sentinel::{FailoverKind, Refusal, Simulated};
pub(in crate::node) use set::PendingSet;

/// Commands of every server that a sentinel has, too. QUIT is not among them, nor is it at the references.
pub(super) const OF_SERVERS: [&str; 12] = [
    "ACL",
    "AUTH",
    "CLIENT",
    "COMMAND",
    "HELLO",
    "INFO",
    "PING",
    "PSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SHUTDOWN",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
];

const TELL: Flags = PUBSUB.and(LOADING).and(STALE).and(FAST);

pub(super) const ROWS: &[Spec<NodeFn>] = &[
    data("PUBLISH", 3, TELL, NO_KEYS, publish as NodeFn),
    data("ROLE", 1, NO_SCRIPT.and(LOADING).and(STALE).and(FAST), NO_KEYS, role as NodeFn)
        .acl(Categories::ADMIN.and(Categories::DANGEROUS)),
    Spec { flags: ADMIN, ..container("SENTINEL", SENTINEL_ROWS) }.acl(Categories::ADMIN.and(Categories::DANGEROUS)),
];

const SENTINEL_ROWS: &[Spec<NodeFn>] = &[
    data("CKQUORUM", 3, ADMIN, NO_KEYS, ckquorum as NodeFn),
    data("CONFIG", -4, ADMIN, NO_KEYS, config::config),
    data("DEBUG", -2, ADMIN, NO_KEYS, debug),
    data("FAILOVER", -3, ADMIN, NO_KEYS, failover),
    data("FLUSHCONFIG", 2, ADMIN, NO_KEYS, flushconfig),
    data("GET-MASTER-ADDR-BY-NAME", 3, ADMIN, NO_KEYS, get_addr_by_name),
    data("GET-PRIMARY-ADDR-BY-NAME", 3, ADMIN, NO_KEYS, get_addr_by_name),
    data("HELP", 2, LOADING.and(STALE), NO_KEYS, sentinel_help),
    data("INFO-CACHE", -3, ADMIN, NO_KEYS, info_cache),
    data("IS-MASTER-DOWN-BY-ADDR", 6, ADMIN, NO_KEYS, is_down_by_addr),
    data("IS-PRIMARY-DOWN-BY-ADDR", 6, ADMIN, NO_KEYS, is_down_by_addr),
    data("MASTER", 3, ADMIN, NO_KEYS, primary),
    data("MASTERS", 2, ADMIN, NO_KEYS, primaries),
    data("MONITOR", 6, ADMIN, NO_KEYS, monitor),
    data("MYID", 2, ADMIN, NO_KEYS, myid),
    data("PENDING-SCRIPTS", 2, ADMIN, NO_KEYS, pending_scripts),
    data("PRIMARIES", 2, ADMIN, NO_KEYS, primaries),
    data("PRIMARY", 3, ADMIN, NO_KEYS, primary),
    data("REMOVE", 3, ADMIN, NO_KEYS, remove),
    data("REPLICAS", 3, ADMIN, NO_KEYS, replicas),
    data("RESET", 3, ADMIN, NO_KEYS, reset),
    data("SENTINELS", 3, ADMIN, NO_KEYS, sentinels),
    data("SET", -5, ADMIN, NO_KEYS, set::set),
    data("SIMULATE-FAILURE", -3, ADMIN, NO_KEYS, simulate_failure),
    data("SLAVES", 3, ADMIN, NO_KEYS, replicas),
];

impl From<Refusal> for ReplyError {
    fn from(refusal: Refusal) -> Self {
        Self::text(refusal.line())
    }
}

/// The channel on which sentinels hear of one another.
const HELLO_CHANNEL: &[u8] = b"__sentinel__:hello";

fn publish(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if call.args[1] != *HELLO_CHANNEL {
        return Err(ReplyError::Fixed("ERR Only HELLO messages are accepted by Sentinel instances."));
    }
    node.sentinel_mut()?.hear(call.now, &call.args[2]);
    node.engine.reply(call.session).int(1);
    Ok(())
}

fn role(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let names: Vec<String> = node.sentinel_mut()?.names().map(str::to_owned).collect();
    let mut reply = node.engine.reply(call.session);
    reply.array(2);
    reply.bulk(b"sentinel");
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name.as_bytes()));
    Ok(())
}

fn ckquorum(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let check = node.sentinel_mut()?.check_quorum(&call.args[2])?;
    let usable = check.usable;
    if check.has_quorum && check.has_majority {
        let text = format!("OK {usable} usable Sentinels. Quorum and failover authorization can be reached");
        node.engine.reply(call.session).simple(&text);
        return Ok(());
    }
    let quorum = "Not enough available Sentinels to reach the specified quorum for this master";
    let majority = "Not enough available Sentinels to reach the majority and authorize a failover";
    let why = match (check.has_quorum, check.has_majority) {
        (false, false) => format!("{quorum}. {majority}"),
        (false, true) => quorum.to_owned(),
        (true, _) => majority.to_owned(),
    };
    Err(ReplyError::text(format!("NOQUORUM {usable} usable Sentinels. {why}")))
}

fn debug(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let mut periods = node.sentinel_mut()?.periods();
    if args.len() == 2 {
        let list: Vec<_> = periods.list().collect();
        let mut reply = node.engine.reply(call.session);
        reply.map(list.len());
        for (name, millis) in list {
            reply.bulk(name.as_bytes());
            reply.bulk(millis.to_string().as_bytes());
        }
        return Ok(());
    }
    // Those ahead of one that is wrong are set.
    let result = set_periods(&mut periods, args);
    node.sentinel_mut()?.set_periods(periods);
    result?;
    node.engine.reply(call.session).ok();
    Ok(())
}

fn set_periods(periods: &mut Periods, args: Args<'_>) -> Result<(), ReplyError> {
    for at in (2..args.len()).step_by(2) {
        let name = &args[at];
        let period = periods.find(name).filter(|_| at + 1 < args.len());
        let period = period.ok_or_else(|| {
            ReplyError::naming("ERR Unknown option or number of arguments for SENTINEL DEBUG '", name, "'")
        })?;
        let millis = parse_i64(&args[at + 1]).and_then(|millis| u64::try_from(millis).ok());
        *period = millis.filter(|&millis| millis > 0).ok_or_else(|| {
            let text = [b"ERR Invalid argument '", &args[at + 1], b"' for SENTINEL DEBUG '", name, b"'"].concat();
            ReplyError::text(text)
        })?;
    }
    Ok(())
}

fn failover(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if call.args.len() > 4 {
        return Err(ReplyError::arity("sentinel|failover"));
    }
    let sentinel = node.sentinel_mut()?;
    if !sentinel.watches(&call.args[2]) {
        return Err(Refusal::UnknownPrimary.into());
    }
    let kind = match call.args.len() {
        3 => FailoverKind::Forced,
        _ if call.args.is(3, "COORDINATED") => FailoverKind::Coordinated,
        _ => return Err(ReplyError::Fixed("ERR Unknown failover option specified")),
    };
    sentinel.fail_over(call.now, &call.args[2], kind)?;
    node.engine.reply(call.session).ok();
    Ok(())
}

fn flushconfig(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.sentinel_mut()?.flush_config();
    node.answer_when_saved(call.conn);
    Ok(())
}

fn get_addr_by_name(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let address = node.sentinel_mut()?.address_of(&call.args[2]);
    let mut reply = node.engine.reply(call.session);
    match address {
        Ok((host, port)) => {
            reply.array(2);
            reply.bulk(host.as_bytes());
            reply.bulk(port.to_string().as_bytes());
        }
        Err(_) => reply.null_array(),
    }
    Ok(())
}

fn info_cache(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let now = call.now;
    let mut names: Vec<&[u8]> = Vec::new();
    for name in call.args.from(2).iter() {
        if !names.contains(&name) && node.sentinel_mut()?.watches(name) {
            names.push(name);
        }
    }
    let sentinel = node.sentinel_mut()?;
    let mut cached = Vec::with_capacity(names.len());
    for name in names {
        cached.push((name, sentinel.info_cache(now, name).unwrap_or_default()));
    }
    let mut reply = node.engine.reply(call.session);
    reply.array(2 * cached.len());
    for (name, entries) in cached {
        reply.bulk(name);
        reply.array(entries.len());
        for CachedInfo { age_ms, text } in entries {
            reply.array(2);
            reply.int(i64::try_from(age_ms).unwrap_or(i64::MAX));
            match text {
                Some(text) => reply.bulk(&text),
                None => reply.null(),
            }
        }
    }
    Ok(())
}

fn is_down_by_addr(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let port = integer(&args[3])?;
    let epoch = integer(&args[4])?;
    let host = String::from_utf8_lossy(&args[2]);
    let candidate = std::str::from_utf8(&args[5]).ok().filter(|&id| id != "*");
    let address = Address::parse(&host, port, true).ok();
    let sentinel = node.sentinel_mut()?;
    let epoch = u64::try_from(epoch).unwrap_or(0);
    let opinion = address.map(|address| sentinel.opinion(call.now, &address, epoch, candidate));
    let (is_down, leader, leader_epoch) = match opinion {
        Some(opinion) => (opinion.is_down, opinion.leader, opinion.leader_epoch),
        None => (false, None, 0),
    };
    let mut reply = node.engine.reply(call.session);
    reply.array(3);
    reply.int(i64::from(is_down));
    reply.bulk(leader.as_deref().unwrap_or("*").as_bytes());
    reply.int(i64::try_from(leader_epoch).unwrap_or(i64::MAX));
    if leader.is_some() {
        node.hold_until_saved(call.conn);
    }
    Ok(())
}

fn primary(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let fields = node.sentinel_mut()?.fields_of(call.now, &call.args[2])?;
    put_fields(&mut node.engine.reply(call.session), &fields);
    Ok(())
}

fn primaries(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let all = node.sentinel_mut()?.primary_fields(call.now);
    put_all(&mut node.engine.reply(call.session), &all);
    Ok(())
}

fn replicas(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let all = node.sentinel_mut()?.replica_fields(call.now, &call.args[2])?;
    put_all(&mut node.engine.reply(call.session), &all);
    Ok(())
}

fn sentinels(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let all = node.sentinel_mut()?.sentinel_fields(call.now, &call.args[2])?;
    put_all(&mut node.engine.reply(call.session), &all);
    Ok(())
}

fn put_all(reply: &mut Reply<'_>, all: &[Fields]) {
    reply.array(all.len());
    all.iter().for_each(|fields| put_fields(reply, fields));
}

fn put_fields(reply: &mut Reply<'_>, fields: &Fields) {
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
}

fn monitor(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    refuse_control_characters(args, 2, "SENTINEL MONITOR")?;
    let quorum = parse_i64(&args[5]).ok_or(ReplyError::Fixed("ERR Invalid quorum"))?;
    let port = parse_i64(&args[4]).ok_or(ReplyError::Fixed("ERR Invalid port"))?;
    node.sentinel_mut()?.monitor(call.now, &args[2], &args[3], port, quorum)?;
    node.answer_when_saved(call.conn);
    Ok(())
}

/// Refuses what would break a line of the configuration file, from word `first` on.
fn refuse_control_characters(args: Args<'_>, first: usize, command: &str) -> Result<(), ReplyError> {
    let breaks = |index: &usize| args[*index].iter().any(u8::is_ascii_control);
    let index = (first..args.len()).find(breaks);
    index.map_or(Ok(()), |index| {
        let text = format!("ERR Invalid argument at index {index} for {command}: control characters are not allowed");
        Err(ReplyError::text(text))
    })
}

fn myid(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let id = node.sentinel_mut()?.my_id().to_owned();
    node.engine.reply(call.session).bulk(id.as_bytes());
    Ok(())
}

fn pending_scripts(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let pending = node.sentinel_mut()?.pending_scripts(call.now);
    let mut reply = node.engine.reply(call.session);
    reply.array(pending.len());
    for script in pending {
        let (flags, time) = match script.process_id {
            Some(_) => ("running", "run-time"),
            None => ("scheduled", "run-delay"),
        };
        reply.map(5);
        reply.bulk(b"argv");
        reply.array(script.argv.len());
        script.argv.iter().for_each(|word| reply.bulk(word.as_bytes()));
        let fields = [
            ("flags", flags.to_owned()),
            ("pid", script.process_id.unwrap_or(0).to_string()),
            (time, script.time_ms.to_string()),
            ("retry-num", script.runs.to_string()),
        ];
        for (name, value) in fields {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }
    Ok(())
}

fn remove(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.sentinel_mut()?.remove(call.now, &call.args[2])?;
    node.answer_when_saved(call.conn);
    Ok(())
}

fn reset(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let count = node.sentinel_mut()?.reset_matching(call.now, &call.args[2]);
    node.engine.reply(call.session).len(count);
    node.hold_until_saved(call.conn);
    Ok(())
}

fn simulate_failure(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    let mut simulated = Simulated::default();
    // A word that is none ends it there: those ahead of it hold, and nothing of before.
    node.sentinel_mut()?.simulate(simulated);
    for at in 2..args.len() {
        let when = if args.is(at, "crash-after-election") {
            simulated.after_election = true;
            "being successfully elected as failover leader"
        } else if args.is(at, "crash-after-promotion") {
            simulated.after_promotion = true;
            "promoting the selected replica to master"
        } else if args.is(at, "help") {
            let mut reply = node.engine.reply(call.session);
            reply.array(2);
            reply.bulk(b"crash-after-election");
            reply.bulk(b"crash-after-promotion");
            return Ok(());
        } else {
            return Err(ReplyError::Fixed("ERR Unknown failure simulation specified"));
        };
        node.sentinel_mut()?.simulate(simulated);
        node.log_warning(format!("Failure simulation: this Sentinel will crash after {when}"));
    }
    node.engine.reply(call.session).ok();
    Ok(())
}

fn sentinel_help(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    help::reply(
        &mut node.engine.reply(call.session),
        "SENTINEL",
        &[
            ("CKQUORUM <primary-name>", "Tells whether enough Sentinels can be reached to agree on a failover."),
            ("CONFIG GET <param> [<param> ...]", "Shows settings of the Sentinel as a whole."),
            ("CONFIG SET <param> <value> [<param> <value> ...]", "Changes settings of the Sentinel as a whole."),
            ("DEBUG [<param> <value> ...]", "Shows the times it goes by, in milliseconds, or changes them."),
            (
                "FAILOVER <primary-name> [COORDINATED]",
                "Begins a failover without asking other Sentinels; with COORDINATED the primary hands over to a replica.",
            ),
            ("FLUSHCONFIG", "Writes the configuration file anew, with what was found out."),
            ("GET-PRIMARY-ADDR-BY-NAME <primary-name>", "Tells where the primary is."),
            ("INFO-CACHE <primary-name> [<primary-name> ...]", "Shows the last INFO of primaries and their replicas."),
            (
                "IS-PRIMARY-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
                "Tells whether a primary is down for this Sentinel, and votes for a leader.",
            ),
            ("MONITOR <name> <ip> <port> <quorum>", "Begins to watch a primary."),
            ("MYID", "Tells the name of this Sentinel."),
            ("PENDING-SCRIPTS", "Shows scripts that run or are to be run."),
            ("PRIMARIES", "Describes all primaries."),
            ("PRIMARY <primary-name>", "Describes one primary."),
            ("REMOVE <primary-name>", "Stops watching a primary."),
            ("REPLICAS <primary-name>", "Describes the replicas of a primary."),
            ("RESET <pattern>", "Forgets what is known of the primaries whose names match."),
            ("SENTINELS <primary-name>", "Describes the other Sentinels that watch a primary."),
            ("SET <primary-name> <option> <value> [<option> <value> ...]", "Changes how a primary is watched."),
            ("SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]", "Ends this process later on."),
        ],
    );
    Ok(())
}
