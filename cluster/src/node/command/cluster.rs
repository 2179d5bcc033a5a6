//! CLUSTER: the bus's operations and views, as replies.

use std::ops::RangeInclusive;

use slotmesh_engine::command::help;
use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{ADMIN, Flags, NO_ASYNC_LOADING, STALE, Spec, WRITE, container, data};
use slotmesh_engine::command::unknown_form;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::keyspace::DbIndex;
use slotmesh_engine::number::parse_i64;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::reply::Reply;
use slotmesh_engine::slot::{SLOTS, Slot};

use super::connection::NO_CLUSTER;
use super::{Call, Node, NodeFn, integer};
use crate::bus::link::Side;
use crate::bus::report::ClientKind;
use crate::bus::{Bump, Dataset};
use crate::bus::{Bus, ClusterError, EndpointKind, FailoverForm, ResetKind, SetSlot};
use crate::slots::NodeKey;

const CHANGE: Flags = NO_ASYNC_LOADING.and(ADMIN).and(STALE);
const MANAGE: Flags = ADMIN.and(STALE);

pub(super) const ROWS: &[Spec<NodeFn>] = &[container("CLUSTER", CLUSTER_ROWS)];

const CLUSTER_ROWS: &[Spec<NodeFn>] = &[
    data("ADDSLOTS", -3, CHANGE, NO_KEYS, addslots as NodeFn),
    data("ADDSLOTSRANGE", -4, CHANGE, NO_KEYS, addslotsrange),
    data("BUMPEPOCH", 2, CHANGE, NO_KEYS, bumpepoch as NodeFn).tips(&["nondeterministic_output"]),
    data("COUNT-FAILURE-REPORTS", 3, MANAGE, NO_KEYS, count_failure_reports as NodeFn)
        .tips(&["nondeterministic_output"]),
    data("COUNTKEYSINSLOT", 3, STALE, NO_KEYS, countkeysinslot),
    data("DELSLOTS", -3, CHANGE, NO_KEYS, delslots),
    data("DELSLOTSRANGE", -4, CHANGE, NO_KEYS, delslotsrange),
    data("FAILOVER", -2, CHANGE, NO_KEYS, failover),
    data("FLUSHSLOT", -3, NO_ASYNC_LOADING.and(ADMIN).and(WRITE), NO_KEYS, flushslot),
    data("FLUSHSLOTS", 2, CHANGE, NO_KEYS, flushslots),
    data("FORGET", 3, CHANGE, NO_KEYS, forget),
    data("GETKEYSINSLOT", 4, STALE, NO_KEYS, getkeysinslot as NodeFn).tips(&["nondeterministic_output"]),
    data("HELP", 2, STALE.and(slotmesh_engine::command::spec::LOADING), NO_KEYS, cluster_help),
    data("INFO", 2, STALE, NO_KEYS, info as NodeFn).tips(&["nondeterministic_output"]),
    data("KEYSLOT", 3, STALE, NO_KEYS, keyslot),
    data("LINKS", 2, STALE, NO_KEYS, links as NodeFn).tips(&["nondeterministic_output"]),
    data("MEET", -4, CHANGE, NO_KEYS, meet),
    data("MYID", 2, STALE, NO_KEYS, myid),
    data("MYSHARDID", 2, STALE.and(slotmesh_engine::command::spec::LOADING), NO_KEYS, myshardid as NodeFn)
        .tips(&["nondeterministic_output"]),
    data("NODES", 2, STALE, NO_KEYS, nodes as NodeFn).tips(&["nondeterministic_output"]),
    data("REPLICAS", 3, MANAGE, NO_KEYS, replicas as NodeFn).tips(&["nondeterministic_output"]),
    data("REPLICATE", 3, CHANGE, NO_KEYS, replicate),
    data("RESET", -2, ADMIN.and(STALE).and(slotmesh_engine::command::spec::NO_SCRIPT), NO_KEYS, reset),
    data("SAVECONFIG", 2, CHANGE, NO_KEYS, saveconfig),
    data("SET-CONFIG-EPOCH", 3, CHANGE, NO_KEYS, set_config_epoch),
    data("SETSLOT", -4, CHANGE, NO_KEYS, setslot),
    data("SHARDS", 2, STALE, NO_KEYS, shards as NodeFn).tips(&["nondeterministic_output"]),
    data("SLAVES", 3, MANAGE, NO_KEYS, replicas as NodeFn).tips(&["nondeterministic_output"]),
    data("SLOTS", 2, STALE, NO_KEYS, slots as NodeFn).tips(&["nondeterministic_output"]),
];

impl From<ClusterError> for ReplyError {
    fn from(error: ClusterError) -> Self {
        Self::text(error.to_string())
    }
}

impl Node {
    fn cluster(&mut self) -> Result<&mut Bus, ReplyError> {
        self.bus.as_mut().ok_or(NO_CLUSTER)
    }

    fn dataset(&self) -> Dataset {
        let keyspace = &self.engine.core().keyspace;
        let has_keys = (0..keyspace.databases()).any(|db| !keyspace.db(DbIndex(db)).is_empty());
        if has_keys { Dataset::HasKeys } else { Dataset::Empty }
    }

    /// Runs a change on the bus and replies OK.
    fn change(
        &mut self,
        call: &Call<'_>,
        change: impl FnOnce(&mut Bus) -> Result<(), ClusterError>,
    ) -> Result<(), ReplyError> {
        change(self.cluster()?)?;
        self.promised.push(call.conn);
        self.engine.reply(call.session).ok();
        Ok(())
    }

    fn reply_text(&mut self, call: &Call<'_>, text: &str) {
        self.engine.reply(call.session).verbatim(b"txt", text.as_bytes());
    }
}

// --- arguments --------------------------------------------------------------------------------------------------

const BAD_SLOT: ReplyError = ReplyError::Fixed("ERR Invalid or out of range slot");

fn slot_arg(text: &[u8]) -> Result<Slot, ReplyError> {
    parse_i64(text).and_then(|number| u16::try_from(number).ok()).and_then(Slot::new).ok_or(BAD_SLOT)
}

fn slot_list(args: Args<'_>) -> Result<Vec<Slot>, ReplyError> {
    args.from(2).iter().map(slot_arg).collect()
}

/// What is wrong with a range is told behind what `check` says of the slots in front of it.
fn slot_ranges(
    args: Args<'_>,
    name: &str,
    check: impl Fn(&[Slot]) -> Result<(), ClusterError>,
) -> Result<Vec<Slot>, ReplyError> {
    if !args.len().is_multiple_of(2) {
        return Err(ReplyError::arity(name));
    }
    let mut slots = Vec::new();
    for at in (2..args.len()).step_by(2) {
        match slot_range(args, at) {
            Ok(range) => slots.extend(range.filter_map(Slot::new)),
            Err(fault) => {
                check(&slots)?;
                return Err(fault);
            }
        }
        if slots.len() > 2 * usize::from(SLOTS) {
            // Overlapping ranges: the first slot named twice is the error, found below.
            break;
        }
    }
    Ok(slots)
}

fn slot_range(args: Args<'_>, at: usize) -> Result<RangeInclusive<u16>, ReplyError> {
    let (first, last) = (slot_arg(args.at(at))?, slot_arg(args.at(at + 1))?);
    let (first, last) = (first.number(), last.number());
    if first > last {
        let text = format!("ERR start slot number {first} is greater than end slot number {last}");
        return Err(ReplyError::text(text));
    }
    Ok(first..=last)
}

// --- changes ----------------------------------------------------------------------------------------------------

fn addslots(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let slots = slot_list(call.args)?;
    node.change(call, |bus| bus.add_slots(call.now, &slots))
}

fn addslotsrange(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let bus = node.cluster()?;
    let slots = slot_ranges(call.args, "cluster|addslotsrange", |slots| bus.check_unassigned(slots))?;
    node.change(call, |bus| bus.add_slots(call.now, &slots))
}

fn delslots(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let slots = slot_list(call.args)?;
    node.change(call, |bus| bus.del_slots(call.now, &slots))
}

fn delslotsrange(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let bus = node.cluster()?;
    let slots = slot_ranges(call.args, "cluster|delslotsrange", |slots| bus.check_assigned(slots))?;
    node.change(call, |bus| bus.del_slots(call.now, &slots))
}

fn flushslots(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let dataset = node.dataset();
    node.change(call, |bus| bus.flush_slots(call.now, dataset))
}

fn meet(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    if call.args.len() > 5 {
        return Err(unknown_form("CLUSTER", &call.args[1]));
    }
    let args = call.args;
    node.change(call, |bus| bus.meet(call.now, args.at(2), args.at(3), args.get(4)))
}

fn forget(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.change(call, |bus| bus.forget(call.now, &call.args[2]))
}

fn replicate(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let dataset = node.dataset();
    node.change(call, |bus| bus.replicate_node(call.now, &call.args[2], dataset))
}

fn saveconfig(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.change(call, |bus| {
        bus.save_config();
        Ok(())
    })
}

fn set_config_epoch(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let epoch = integer(&call.args[2])?;
    node.change(call, |bus| bus.set_config_epoch(call.now, epoch))
}

fn reset(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let kind = match call.args.len() {
        2 => ResetKind::Soft,
        3 if call.args.is(2, "hard") => ResetKind::Hard,
        3 if call.args.is(2, "soft") => ResetKind::Soft,
        3 => return Err(ReplyError::Syntax),
        _ => return Err(unknown_form("CLUSTER", &call.args[1])),
    };
    let dataset = node.dataset();
    node.change(call, |bus| bus.reset(call.now, kind, dataset))
}

fn bumpepoch(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let text = match node.cluster()?.bump_epoch(call.now) {
        Bump::Bumped(epoch) => format!("BUMPED {epoch}"),
        Bump::Still(epoch) => format!("STILL {epoch}"),
    };
    node.engine.reply(call.session).simple(&text);
    Ok(())
}

fn failover(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let mut form = FailoverForm::Plain;
    for at in 2..call.args.len() {
        if call.args.is(at, "takeover") {
            form = FailoverForm::Takeover;
        } else if !call.args.is(at, "force") {
            return Err(ReplyError::Syntax);
        } else if form == FailoverForm::Plain {
            form = FailoverForm::Force;
        }
    }
    let facts = node.facts();
    node.change(call, |bus| bus.failover(call.now, form, &facts))
}

fn setslot(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let args = call.args;
    node.cluster()?.check_sets_slots()?;
    let slot = slot_arg(args.at(2))?;
    let keys = node.engine.core().keyspace.slot_total(slot);
    let form = match args.len() {
        5 if args.is(3, "migrating") => SetSlot::Migrating(args.at(4)),
        5 if args.is(3, "importing") => SetSlot::Importing(args.at(4)),
        5 if args.is(3, "node") => SetSlot::Node { id: args.at(4), keys },
        4 if args.is(3, "stable") => SetSlot::Stable,
        _ => {
            return Err(ReplyError::Fixed(
                "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP",
            ));
        }
    };
    node.change(call, |bus| bus.set_slot(call.now, slot, form))
}

// --- views ------------------------------------------------------------------------------------------------------

fn myid(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let id = node.cluster()?.my_id();
    node.engine.reply(call.session).bulk(id.as_bytes());
    Ok(())
}

/// `ASYNC` and `SYNC` are the same here: the keys go at once, their memory in slices.
fn flushslot(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let slot = slot_arg(&call.args[2])?;
    match call.args.len() {
        3 => {}
        4 if call.args.is(3, "ASYNC") || call.args.is(3, "SYNC") => {}
        4 => return Err(ReplyError::Syntax),
        _ => {
            return Err(ReplyError::Fixed(
                "ERR unknown subcommand or wrong number of arguments for 'FLUSHSLOT'. Try CLUSTER HELP.",
            ));
        }
    }
    node.engine.delete_slot(slot);
    node.engine.reply(call.session).ok();
    Ok(())
}

fn myshardid(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let shard = node.cluster()?.myself().shard();
    node.engine.reply(call.session).bulk(shard.as_bytes());
    Ok(())
}

/// Also without a cluster (Valkey 9).
fn keyslot(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.engine.reply(call.session).int(i64::from(Slot::of_key(&call.args[2]).number()));
    Ok(())
}

fn countkeysinslot(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let number = integer(&call.args[2])?;
    let slot = u16::try_from(number).ok().and_then(Slot::new).ok_or(ReplyError::Fixed("ERR Invalid slot"))?;
    // As in Valkey, of the selected database.
    let db = node.engine.session(call.session).db;
    let count = node.engine.core().keyspace.db(db).slot_len(slot);
    node.engine.reply(call.session).len(count);
    Ok(())
}

fn getkeysinslot(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let (slot, count) = (integer(&call.args[2])?, integer(&call.args[3])?);
    let slot = u16::try_from(slot).ok().and_then(Slot::new);
    let (Some(slot), Ok(count)) = (slot, usize::try_from(count)) else {
        return Err(ReplyError::Fixed("ERR Invalid slot or number of keys"));
    };
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let db = node.engine.session(call.session).db;
    node.engine.core().keyspace.slot_keys(db, slot, count, |entry| keys.push(entry.key().to_vec()));
    let mut reply = node.engine.reply(call.session);
    reply.array(keys.len());
    keys.iter().for_each(|key| reply.bulk(key));
    Ok(())
}

fn count_failure_reports(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let reports = node.cluster()?.count_failure_reports(call.now, &call.args[2])?;
    node.engine.reply(call.session).len(reports);
    Ok(())
}

fn info(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let text = node.cluster()?.info_text();
    node.reply_text(call, &text);
    Ok(())
}

fn nodes(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let text = node.cluster()?.nodes_text(ClientKind::Plain);
    node.reply_text(call, &text);
    Ok(())
}

fn replicas(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let bus = node.cluster()?;
    let keys = bus.replicas(&call.args[2])?;
    let lines: Vec<String> = keys.into_iter().map(|key| bus.node_line(key, ClientKind::Plain)).collect();
    let mut reply = node.engine.reply(call.session);
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.bulk(line.as_bytes()));
    Ok(())
}

fn slots(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let Node { bus: Some(bus), engine, .. } = node else { return Err(NO_CLUSTER) };
    let entries = bus.slots();
    let mut reply = engine.reply(call.session);
    reply.array(entries.len());
    for entry in &entries {
        reply.array(3 + entry.replicas.len());
        reply.int(i64::from(entry.range.first.number()));
        reply.int(i64::from(entry.range.last.number()));
        slots_node(bus, &mut reply, entry.primary);
        entry.replicas.iter().for_each(|&key| slots_node(bus, &mut reply, key));
    }
    Ok(())
}

/// A node of CLUSTER SLOTS: endpoint, port, id, and what the endpoint does not tell.
fn slots_node(bus: &Bus, reply: &mut Reply<'_>, key: NodeKey) {
    let node = bus.table().node(key);
    let endpoint = bus.endpoint(key, ClientKind::Plain);
    let kind = bus.config().preferred_endpoint;
    reply.array(4);
    match kind {
        EndpointKind::Unknown => reply.null(),
        EndpointKind::Hostname | EndpointKind::Ip => reply.bulk(endpoint.host.as_bytes()),
    }
    reply.int(i64::from(endpoint.port));
    reply.bulk(node.id().as_bytes());
    let ip = (kind != EndpointKind::Ip).then(|| node.address().ip_text());
    let hostname = (kind != EndpointKind::Hostname && !node.hostname().is_empty()).then(|| node.hostname());
    reply.map(usize::from(ip.is_some()) + usize::from(hostname.is_some()));
    if let Some(ip) = ip {
        reply.bulk(b"ip");
        reply.bulk(ip.as_bytes());
    }
    if let Some(hostname) = hostname {
        reply.bulk(b"hostname");
        reply.bulk(hostname.as_bytes());
    }
}

fn shards(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let Node { bus: Some(bus), engine, .. } = node else { return Err(NO_CLUSTER) };
    let shards = bus.shards();
    let mut reply = engine.reply(call.session);
    reply.array(shards.len());
    for shard in &shards {
        reply.map(3);
        reply.bulk(b"slots");
        reply.array(2 * shard.ranges.len());
        for range in &shard.ranges {
            reply.int(i64::from(range.first.number()));
            reply.int(i64::from(range.last.number()));
        }
        reply.bulk(b"nodes");
        reply.array(shard.nodes.len());
        shard.nodes.iter().for_each(|member| shard_node(bus, &mut reply, member));
        reply.bulk(b"id");
        reply.bulk(shard.id.as_bytes());
    }
    Ok(())
}

fn shard_node(bus: &Bus, reply: &mut Reply<'_>, member: &crate::bus::report::ShardNode) {
    let node = bus.table().node(member.key);
    let endpoint = bus.endpoint(member.key, ClientKind::Plain);
    let hostname = Some(node.hostname()).filter(|name| !name.is_empty());
    reply.map(7 + usize::from(hostname.is_some()));
    reply.bulk(b"id");
    reply.bulk(node.id().as_bytes());
    reply.bulk(b"port");
    reply.int(i64::from(endpoint.port));
    reply.bulk(b"ip");
    reply.bulk(node.address().ip_text().as_bytes());
    reply.bulk(b"endpoint");
    reply.bulk(endpoint.host.as_bytes());
    if let Some(hostname) = hostname {
        reply.bulk(b"hostname");
        reply.bulk(hostname.as_bytes());
    }
    reply.bulk(b"role");
    reply.bulk(if node.is_primary() { b"master" } else { b"replica" });
    reply.bulk(b"replication-offset");
    reply.int(member.offset as i64);
    reply.bulk(b"health");
    reply.bulk(member.health.name().as_bytes());
}

fn links(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let reports = node.cluster()?.link_reports();
    let bytes: Vec<_> = reports.iter().map(|report| node.link_bytes(report.link)).collect();
    let mut reply = node.engine.reply(call.session);
    reply.array(reports.len());
    for (report, bytes) in reports.iter().zip(bytes) {
        reply.map(6);
        reply.bulk(b"direction");
        reply.bulk(match report.side {
            Side::Inbound => b"from",
            Side::Outbound => b"to",
        });
        reply.bulk(b"node");
        reply.bulk(report.node.as_bytes());
        reply.bulk(b"create-time");
        reply.int(report.created_ms);
        reply.bulk(b"events");
        reply.bulk(if bytes.used > 0 { b"rw" } else { b"r" });
        reply.bulk(b"send-buffer-allocated");
        reply.len(bytes.allocated);
        reply.bulk(b"send-buffer-used");
        reply.len(bytes.used);
    }
    Ok(())
}

fn cluster_help(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.cluster()?;
    let mut reply = node.engine.reply(call.session);
    help::reply(
        &mut reply,
        "CLUSTER",
        &[
            ("ADDSLOTS <slot> [<slot> ...]", "Makes this node the owner of slots that have none."),
            ("ADDSLOTSRANGE <start> <end> [<start> <end> ...]", "As ADDSLOTS, for ranges."),
            ("BUMPEPOCH", "Gives this node the newest epoch."),
            ("COUNT-FAILURE-REPORTS <node-id>", "Tells how many primaries report a node as failing."),
            ("COUNTKEYSINSLOT <slot>", "Tells how many keys of a slot are here."),
            ("DELSLOTS <slot> [<slot> ...]", "Takes slots away from their owner, in this node's view."),
            ("DELSLOTSRANGE <start> <end> [<start> <end> ...]", "As DELSLOTS, for ranges."),
            ("FAILOVER [FORCE|TAKEOVER]", "Makes this replica the primary of its shard."),
            ("FLUSHSLOT <slot> [ASYNC|SYNC]", "Deletes all keys of a slot that are here."),
            ("FLUSHSLOTS", "Takes all slots away from this node."),
            ("FORGET <node-id>", "Removes a node from this node's view."),
            ("GETKEYSINSLOT <slot> <count>", "Names keys of a slot that are here."),
            ("INFO", "Describes the cluster's state."),
            ("KEYSLOT <key>", "Tells the slot of a key."),
            ("LINKS", "Describes the connections to other nodes."),
            ("MEET <ip> <port> [<bus-port>]", "Joins this node and another one."),
            ("MYID", "Tells this node's id."),
            ("NODES", "Describes the nodes, a line each, in the form of nodes.conf."),
            ("REPLICAS <node-id>", "Describes a primary's replicas."),
            ("REPLICATE <node-id>", "Makes this node a replica of a primary."),
            ("RESET [HARD|SOFT]", "Makes this node forget the cluster."),
            ("SAVECONFIG", "Writes nodes.conf."),
            ("SET-CONFIG-EPOCH <epoch>", "Gives a fresh node its first epoch."),
            (
                "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
                "Changes a slot's state.",
            ),
            ("SHARDS", "Describes the shards with their slots and nodes."),
            ("SLOTS", "Describes ranges of slots with the nodes that serve them."),
        ],
    );
    Ok(())
}
