//! DEBUG: looking inside, and making rare things happen. Guarded by `enable-debug-command`.

use std::time::Duration;

use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ADMIN, LOADING, NO_SCRIPT, PROTECTED, STALE, Spec, data};
use slotmesh_engine::command::{help, unknown_form};
use slotmesh_engine::config::memory::parse_memory;
use slotmesh_engine::debug::{self as inside, Detail};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::glob;
use slotmesh_engine::keyspace::DbIndex;
use slotmesh_engine::number::parse_i64;
use slotmesh_engine::resp::reply::Protocol;

use super::{Call, Node, NodeFn, integer, shown};

pub(super) const ROWS: &[Spec<NodeFn>] =
    &[data("DEBUG", -2, ADMIN.and(NO_SCRIPT).and(LOADING).and(STALE).and(PROTECTED), NO_KEYS, debug as NodeFn)];

/// One form of DEBUG. To clients they are words of one command, not subcommands with rows.
struct Form {
    name: &'static str,
    /// Words behind the name, for help.
    usage: &'static str,
    /// Numbers of words with DEBUG and the name.
    words: std::ops::RangeInclusive<usize>,
    run: NodeFn,
    meaning: &'static str,
}

const fn form(
    name: &'static str,
    usage: &'static str,
    words: std::ops::RangeInclusive<usize>,
    run: NodeFn,
    meaning: &'static str,
) -> Form {
    Form { name, usage, words, run, meaning }
}

const ANY: usize = usize::MAX;

const FORMS: &[Form] = &[
    form("CHANGE-REPL-ID", "", 2..=2, change_repl_id, "Begins a new replication history."),
    form("DICT-RESIZING", "<0|1>", 3..=3, ok, "Changes nothing: no table here is ever resized."),
    form("DIGEST", "", 2..=2, digest, "Tells a digest of the whole dataset."),
    form("DIGEST-VALUE", "<key> [<key> ...]", 2..=ANY, digest_value, "Tells digests of values."),
    form("DROP-CLUSTER-PACKET-FILTER", "<type>", 3..=3, drop_filter, "Ignores bus messages of a type; -1: of none."),
    form("ERROR", "<text>", 3..=3, error, "Replies with this error."),
    form("HTSTATS", "<db>", 3..=4, htstats, "Describes the table of a database."),
    form("HTSTATS-KEY", "<key> [full]", 3..=4, htstats_key, "Describes the table that a value is."),
    form("LISTPACK", "<key>", 3..=3, listpack, "Writes a compact value to the log."),
    form("LOADAOF", "", 2..=2, loadaof, "Completes the append only file and reads it back."),
    form("LOG", "<text>", 3..=3, log, "Writes a line to the log."),
    form("OBJECT", "<key> [fast]", 3..=4, object, "Describes how a value is stored."),
    form("POPULATE", "<count> [<prefix>] [<size>]", 3..=5, populate, "Makes string keys; nobody else hears of them."),
    form("PROTOCOL", "<type>", 3..=3, protocol, "Replies with a value of this type."),
    form("QUICKLIST-PACKED-THRESHOLD", "<size>", 3..=3, packed_threshold, "Sets where list elements stand alone."),
    form("RELOAD", "[NOSAVE] [MERGE] [NOFLUSH]", 2..=ANY, reload, "Saves the dump (unless NOSAVE) and reads it back."),
    form("REPLYBUFFER", "<setting> <value>", 4..=4, ok, "Changes nothing: buffers of replies have no fixed size here."),
    form("SET-ACTIVE-EXPIRE", "<0|1>", 3..=3, set_active_expire, "Stops or begins to look for expired keys."),
    form("SET-DISABLE-DENY-SCRIPTS", "<0|1>", 3..=3, set_disable_deny, "Lets scripts run what is denied to them."),
    form("SET-SKIP-CHECKSUM-VALIDATION", "<0|1>", 3..=3, set_skip_checksum, "Believes RESTORE and files unchecked."),
    form("SLEEP", "<seconds>", 3..=3, sleep, "Hears and says nothing for this time."),
    form("STRINGMATCH-LEN", "<length> <pattern>", 4..=4, stringmatch_len, "Matches a long text of one letter."),
];

fn debug(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    if args.is(1, "HELP") && args.len() == 2 {
        let forms: Vec<(String, &str)> =
            FORMS.iter().map(|form| (format!("{} {}", form.name, form.usage), form.meaning)).collect();
        let forms: Vec<(&str, &str)> = forms.iter().map(|(form, meaning)| (form.trim_end(), *meaning)).collect();
        help::reply(&mut node.engine.reply(call.session), "DEBUG", &forms);
        return Ok(());
    }
    match FORMS.iter().find(|form| args.is(1, form.name) && form.words.contains(&args.len())) {
        Some(form) => (form.run)(node, call),
        None => Err(unknown_form("DEBUG", &args[1])),
    }
}

fn ok(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.reply(call.session).ok();
    Ok(())
}

// --- data -----------------------------------------------------------------------------------------------------

fn digest(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let digest = inside::digest(node.engine.core());
    node.engine.reply(call.session).simple(&digest);
    Ok(())
}

fn digest_value(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let db = node.engine.session(call.session).db;
    let keys = call.args.from(2);
    let digests: Vec<String> = keys.iter().map(|key| inside::digest_value(node.engine.core(), db, key)).collect();
    let mut reply = node.engine.reply(call.session);
    reply.array(digests.len());
    digests.iter().for_each(|digest| reply.simple(digest));
    Ok(())
}

fn object(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let db = node.engine.session(call.session).db;
    let detail = match call.args.len() {
        4 if call.args.is(3, "fast") => Detail::Fast,
        // As in Valkey, another word means nothing.
        _ => Detail::Full,
    };
    let line = inside::object_line(node.engine.core(), call.now, db, &call.args[2], detail);
    let line = line.ok_or(ReplyError::NoSuchKey)?;
    node.engine.reply(call.session).simple(&line);
    Ok(())
}

fn packed_threshold(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let error = ReplyError::Fixed("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    let bytes = parse_memory(&call.args[2]).ok().filter(|&bytes| bytes <= PACKED_THRESHOLD_BYTES_MAX).ok_or(error)?;
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    node.engine.core_mut().config.list_plain_bytes_min = (bytes > 0).then_some(bytes);
    ok(node, call)
}

fn populate(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let positive = |text: &[u8]| {
        let number = parse_i64(text).and_then(|number| u64::try_from(number).ok());
        number.ok_or(ReplyError::Fixed("ERR value is out of range, must be positive"))
    };
    let args = call.args;
    let count = positive(&args[2])?;
    let prefix = args.get(3).unwrap_or(b"key");
    let size = args.get(4).map(positive).transpose()?.filter(|&size| size > 0);
    let size = size.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    let bulk_max = usize::try_from(node.engine.core().config.proto_max_bulk_len).unwrap_or(usize::MAX);
    if size.is_some_and(|size| size > bulk_max) {
        return Err(ReplyError::Fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    let db = node.engine.session(call.session).db;
    node.engine.populate(call.now, db, count, prefix, size);
    ok(node, call)
}

fn htstats(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let number = integer(&call.args[2])?;
    let databases = node.engine.core().keyspace.databases();
    let db = u32::try_from(number).ok().filter(|&number| number < databases);
    let db = DbIndex(db.ok_or(ReplyError::Fixed("ERR Out of range database"))?);
    let text = inside::table_lines(node.engine.core(), db);
    node.engine.reply(call.session).verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn htstats_key(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let db = node.engine.session(call.session).db;
    let text = inside::value_table_lines(node.engine.core(), db, &call.args[2])?;
    node.engine.reply(call.session).verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn listpack(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let db = node.engine.session(call.session).db;
    let line = inside::listpack_line(node.engine.core(), db, &call.args[2])?;
    node.log_notice(line);
    node.engine.reply(call.session).simple("Listpack structure printed on stdout");
    Ok(())
}

fn set_active_expire(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.core_mut().active_expire = is_on(&call.args[2]);
    node.timers.wake_engine(call.now);
    ok(node, call)
}

/// What a switch is set to: as in Redis, what is no number counts as 0.
fn is_on(text: &[u8]) -> bool {
    parse_i64(text).is_some_and(|number| number != 0)
}

fn set_skip_checksum(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.core_mut().debug.skip_checksum_validation = is_on(&call.args[2]);
    ok(node, call)
}

fn set_disable_deny(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.core_mut().debug.disable_deny_scripts = is_on(&call.args[2]);
    ok(node, call)
}

fn stringmatch_len(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let len = usize::try_from(integer(&call.args[2])?).ok().filter(|&len| len <= MATCH_BYTES_MAX);
    let text = vec![b'a'; len.ok_or(ReplyError::Fixed("ERR value is out of range"))?];
    let matches = glob::matches(&call.args[3], &text, false);
    node.engine.reply(call.session).int(i64::from(matches));
    Ok(())
}

// --- files ----------------------------------------------------------------------------------------------------

fn reload(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let (mut saves, mut merges, mut flushes) = (true, false, true);
    for word in call.args.from(2).iter() {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" => saves = false,
            b"merge" => merges = true,
            b"noflush" => flushes = false,
            _ => {
                return Err(ReplyError::Fixed("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."));
            }
        }
    }
    // What was saved this moment has every key, so that loading it over the data is loading it in their place. Without
    // MERGE the first key that is there already would end a Redis.
    if !flushes && (!merges || !saves) {
        return Err(ReplyError::Fixed(
            "ERR DEBUG RELOAD replaces the dataset: NOFLUSH is only supported with MERGE and without NOSAVE",
        ));
    }
    refuse_waiting(node)?;
    node.begin_reload(call.now, call.conn, saves)
}

fn loadaof(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    refuse_waiting(node)?;
    node.begin_loading_aof(call.now, call.conn)
}

/// What waits for files cannot be part of a transaction, nor begin while the node starts.
fn refuse_waiting(node: &Node) -> Result<(), ReplyError> {
    if node.is_in_transaction() || !node.is_running() {
        return Err(ReplyError::Fixed("ERR not now: the dataset is in use by a transaction or being loaded"));
    }
    Ok(())
}

// --- node -----------------------------------------------------------------------------------------------------

fn sleep(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    // As in Redis, what is no number counts as 0.
    let seconds = std::str::from_utf8(&call.args[2]).ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    ok(node, call)?;
    if !time.is_zero() {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        node.note_sleep(call.conn, call.command, call.args, micros);
        node.fall_asleep(call.now.instant + time);
    }
    Ok(())
}

fn log(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let text = shown(&call.args[2]);
    node.log_warning(format!("DEBUG LOG: {text}"));
    ok(node, call)
}

/// An error that nothing counts: it is a reply like those of DEBUG PROTOCOL.
fn error(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.reply(call.session).error(&ReplyError::text(&call.args[2]));
    Ok(())
}

fn change_repl_id(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.step_changes();
    node.log_notice("Changing replication IDs after receiving change-repl-id");
    let Node { replication, rng, .. } = node;
    replication.log.change_replid(rng);
    ok(node, call)
}

fn drop_filter(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let kind = integer(&call.args[2])?;
    if let Some(bus) = &mut node.bus {
        bus.drop_received(u16::try_from(kind).ok());
    }
    ok(node, call)
}

// --- protocol -------------------------------------------------------------------------------------------------

fn protocol(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let word = call.args[2].to_ascii_lowercase();
    let mut reply = node.engine.reply(call.session);
    match word.as_slice() {
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"attrib" => {
            if reply.protocol() == Protocol::Resp3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"double" => reply.double(f64::from(3141) / 1000.0),
        b"false" => reply.bool(false),
        b"integer" => reply.int(12345),
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                reply.bool(number == 1);
            }
        }
        b"null" => reply.null(),
        b"push" => {
            if reply.protocol() == Protocol::Resp2 {
                return Err(ReplyError::Fixed("ERR RESP2 is not supported by this command"));
            }
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"string" => reply.bulk(b"Hello World"),
        b"true" => reply.bool(true),
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(ReplyError::Fixed(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

/// Bytes STRINGMATCH-LEN makes at the most.
const MATCH_BYTES_MAX: usize = 1 << 30;

/// The highest threshold for elements of lists, in bytes: what a node of Redis's may hold, 4 GB less a margin of 1 MB.
const PACKED_THRESHOLD_BYTES_MAX: u64 = (1 << 32) - (1 << 20);
