//! MEMORY, as far as the process is concerned. Keys are the engine's.

use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{Flags, LOADING, Spec, container, data};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::keyspace::DbIndex;
use slotmesh_engine::resp::reply::Reply;

use super::super::memory::{MemoryUse, ratio};
use super::{Call, Node, NodeFn};

pub(super) const ROWS: &[Spec<NodeFn>] = &[container("MEMORY", MEMORY_ROWS)];

const MEMORY_ROWS: &[Spec<NodeFn>] = &[
    data("DOCTOR", 2, Flags::NONE, NO_KEYS, doctor as NodeFn).tips(EVERY_SHARD),
    data("MALLOC-STATS", 2, LOADING, NO_KEYS, malloc_stats as NodeFn).tips(EVERY_SHARD),
    data("PURGE", 2, LOADING, NO_KEYS, purge as NodeFn)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    data("STATS", 2, Flags::NONE, NO_KEYS, stats as NodeFn).tips(EVERY_SHARD),
];

const EVERY_SHARD: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

fn stats(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let found = node.memory_use();
    let keyspace = &node.engine.core().keyspace;
    let tables: Vec<(u32, usize)> = (0..keyspace.databases())
        .map(|number| (number, keyspace.db(DbIndex(number))))
        .filter(|(_, db)| !db.is_empty())
        .map(|(number, db)| (number, db.stats().bytes))
        .collect();
    let keys: usize = (0..keyspace.databases()).map(|number| keyspace.db(DbIndex(number)).len()).sum();
    let mut reply = node.engine.reply(call.session);
    reply.map(STATS_FIELDS + tables.len());
    reply_parts(&mut reply, &found);
    for &(number, bytes) in &tables {
        reply.bulk(format!("db.{number}").as_bytes());
        reply.map(2);
        counted(&mut reply, "overhead.hashtable.main", bytes);
        // An expiry lies beside its key.
        counted(&mut reply, "overhead.hashtable.expires", 0);
    }
    counted(&mut reply, "overhead.db.hashtable.lut", tables.iter().map(|(_, bytes)| bytes).sum());
    reply_sums(&mut reply, &found, keys);
    reply_allocator(&mut reply, &found);
    Ok(())
}

fn reply_parts(reply: &mut Reply<'_>, found: &MemoryUse) {
    let fields = [
        ("peak.allocated", found.peak),
        ("total.allocated", found.total()),
        ("startup.allocated", 0),
        ("replication.backlog", found.backlog),
        ("replicas.repl.buffer", found.replicas),
        ("clients.slaves", found.replicas),
        ("clients.normal", found.clients),
        ("cluster.links", found.links),
        ("cluster.slot_import", 0),
        ("cluster.slot_export", 0),
        // The file reads the backlog: it has no buffer of its own.
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    fields.into_iter().for_each(|(name, value)| counted(reply, name, value));
}

fn reply_sums(reply: &mut Reply<'_>, found: &MemoryUse, keys: usize) {
    let fields = [
        ("overhead.db.hashtable.rehashing", 0),
        ("overhead.total", found.overhead()),
        ("db.dict.rehashing.count", 0),
        ("keys.count", keys),
        ("keys.bytes-per-key", found.total().checked_div(keys).unwrap_or(0)),
        ("dataset.bytes", found.entries),
    ];
    fields.into_iter().for_each(|(name, value)| counted(reply, name, value));
    measured(reply, "dataset.percentage", 100.0 * ratio(found.entries, found.total()));
    measured(reply, "peak.percentage", 100.0 * ratio(found.total(), found.peak));
}

/// The allocator tells nothing of itself: what the process has counts as what it has.
fn reply_allocator(reply: &mut Reply<'_>, found: &MemoryUse) {
    let beyond = found.resident as i64 - found.total() as i64;
    counted(reply, "allocator.allocated", found.total());
    counted(reply, "allocator.active", found.resident);
    counted(reply, "allocator.resident", found.resident);
    counted(reply, "allocator.muzzy", 0);
    for (part, of_all) in [("allocator-fragmentation", true), ("allocator-rss", false), ("rss-overhead", false)] {
        measured(reply, &format!("{part}.ratio"), if of_all { found.fragmentation() } else { 1.0 });
        reply.bulk(format!("{part}.bytes").as_bytes());
        reply.int(if of_all { beyond } else { 0 });
    }
    measured(reply, "fragmentation", found.fragmentation());
    reply.bulk(b"fragmentation.bytes");
    reply.int(beyond);
}

fn counted(reply: &mut Reply<'_>, name: &str, value: usize) {
    reply.bulk(name.as_bytes());
    reply.len(value);
}

fn measured(reply: &mut Reply<'_>, name: &str, value: f64) {
    reply.bulk(name.as_bytes());
    reply.double(value);
}

fn doctor(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let found = node.memory_use();
    let text = diagnosis(&found);
    node.engine.reply(call.session).verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// What an operator should know, at the thresholds of Redis 7.0 (`getMemoryDoctorReport`, `object.c`).
fn diagnosis(found: &MemoryUse) -> String {
    if found.total() < TELLING_BYTES_MIN {
        return "Too little memory is in use to tell anything from it.\n".to_owned();
    }
    let mut text = String::new();
    if found.peak as f64 / found.total() as f64 > PEAK_MAX {
        text += "* Peak: at some time there was more than one and a half times the present memory. The process may \
                 still have it; this is no reason for alarm unless the system needs it.\n";
    }
    let beyond = found.resident.saturating_sub(found.total());
    if found.fragmentation() > FRAGMENTATION_MAX && beyond > FRAGMENTATION_BYTES_MIN {
        text += "* Fragmentation: the process has more than 1.4 times the memory that is counted, because freed \
                 pieces lie between used ones. A restart, or a failover to a fresh replica, packs them.\n";
    }
    if found.clients / CLIENT_BYTES_MAX > 0 && found.clients > found.total() / 2 {
        text += "* Clients: more than half of the memory is what clients sent or have not read yet; see CLIENT LIST \
                 and client-output-buffer-limit.\n";
    }
    if text.is_empty() { "No problem was found.\n".to_owned() } else { format!("What was found:\n\n{text}") }
}

fn malloc_stats(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.reply(call.session).bulk(b"Stats not supported for the current allocator");
    Ok(())
}

/// Freed memory is the allocator's to give back, which it does by itself.
fn purge(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.reply(call.session).ok();
    Ok(())
}

/// Fields of MEMORY STATS, but those of databases.
const STATS_FIELDS: usize = 34;

const TELLING_BYTES_MIN: usize = 5 << 20;
const PEAK_MAX: f64 = 1.5;
const FRAGMENTATION_MAX: f64 = 1.4;
const FRAGMENTATION_BYTES_MIN: usize = 10 << 20;
const CLIENT_BYTES_MAX: usize = 200 << 10;

#[cfg(test)]
mod tests {
    use super::{MemoryUse, diagnosis};

    #[test]
    fn a_diagnosis_names_what_is_out_of_proportion() {
        let sound = MemoryUse { keyspace: 100 << 20, peak: 100 << 20, resident: 110 << 20, ..MemoryUse::default() };

        assert!(diagnosis(&MemoryUse::default()).starts_with("Too little"));
        assert_eq!(diagnosis(&sound), "No problem was found.\n");
        assert!(diagnosis(&MemoryUse { peak: 200 << 20, ..sound }).contains("* Peak"));
        assert!(diagnosis(&MemoryUse { resident: 150 << 20, ..sound }).contains("* Fragmentation"));
        assert!(diagnosis(&MemoryUse { clients: 300 << 20, peak: 400 << 20, ..sound }).contains("* Clients"));
    }
}
