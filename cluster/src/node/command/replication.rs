//! REPLICAOF, ROLE, WAIT, WAITAOF, and the words replicas speak: REPLCONF, PSYNC, SYNC.

use slotmesh_engine::command::keys::NO_KEYS;
use slotmesh_engine::command::spec::{
    ADMIN, ALLOW_BUSY, Categories, FAST, Flags, Group, LOADING, NO_ASYNC_LOADING, NO_MULTI, NO_SCRIPT, STALE, Spec,
    data,
};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::number::parse_i64;
use slotmesh_engine::session::SessionId;
use slotmesh_replication::feed::{Psync, ReplconfReply, SyncGate};
use slotmesh_replication::offset::Offset;
use slotmesh_replication::persist::aof::Aof;
use slotmesh_replication::wait::{Depth, Ended, Local, Places, Wait, WaitId, Written};

use super::super::conns::Waiting;
use super::{Call, Node, NodeFn, integer};

const SYNC_FLAGS: Flags = ADMIN.and(NO_SCRIPT).and(NO_ASYNC_LOADING).and(NO_MULTI);
const FOLLOW_FLAGS: Flags = ADMIN.and(NO_SCRIPT).and(STALE).and(NO_ASYNC_LOADING);

pub(super) const ROWS: &[Spec<NodeFn>] = &[
    data("PSYNC", -3, SYNC_FLAGS, NO_KEYS, psync as NodeFn),
    data("REPLCONF", -1, ADMIN.and(NO_SCRIPT).and(LOADING).and(STALE).and(ALLOW_BUSY), NO_KEYS, replconf),
    data("REPLICAOF", 3, FOLLOW_FLAGS, NO_KEYS, replicaof),
    data("ROLE", 1, NO_SCRIPT.and(LOADING).and(STALE).and(FAST), NO_KEYS, role as NodeFn)
        .acl(Categories::ADMIN.and(Categories::DANGEROUS)),
    data("SLAVEOF", 3, FOLLOW_FLAGS, NO_KEYS, replicaof),
    data("SYNC", 1, SYNC_FLAGS, NO_KEYS, sync),
    data("WAIT", 3, NO_SCRIPT, NO_KEYS, wait as NodeFn)
        .acl(Categories::CONNECTION)
        .group(Group::Generic)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    data("WAITAOF", 4, NO_SCRIPT, NO_KEYS, waitaof as NodeFn)
        .acl(Categories::CONNECTION)
        .group(Group::Generic)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
];

fn replicaof(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if node.bus.is_some() {
        return Err(ReplyError::Fixed("ERR REPLICAOF not allowed in cluster mode."));
    }
    if node.handover.is_some() {
        return Err(ReplyError::Fixed("ERR REPLICAOF not allowed while failing over."));
    }
    if node.replication.feeds.is_replica(Node::peer_id(call.conn)) {
        return Err(ReplyError::Fixed("ERR Command is not valid when client is a replica."));
    }
    if call.args.is(1, "no") && call.args.is(2, "one") {
        if node.is_replica() {
            node.become_primary(call.now);
            node.remember_primary(None);
            let info = node.client_info(call.conn);
            node.log_notice(format!("MASTER MODE enabled (user request from '{info}')"));
        }
        node.engine.reply(call.session).ok();
        return Ok(());
    }
    let invalid = ReplyError::Fixed("ERR Invalid master port");
    let port = parse_i64(&call.args[2]).and_then(|port| u16::try_from(port).ok()).ok_or(invalid)?;
    let host = String::from_utf8_lossy(&call.args[1]).into_owned();
    let current = node.replication.link.as_ref().and_then(|link| link.info(call.now)).map(|info| info.target);
    if node.is_replica() && current == Some((host.clone(), port)) {
        node.log_notice(
            "REPLICAOF would result into synchronization with the master we are already connected with. No operation \
             performed.",
        );
        node.engine.reply(call.session).simple("OK Already connected to specified master");
        return Ok(());
    }
    node.follow(call.now, &host, port);
    node.remember_primary(Some((&host, port)));
    let info = node.client_info(call.conn);
    node.log_notice(format!("REPLICAOF {host}:{port} enabled (user request from '{info}')"));
    node.engine.reply(call.session).ok();
    Ok(())
}

fn role(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let offset = node.replication.log.offset().0 as i64;
    if node.is_replica() {
        let info = node.replication.link.as_ref().and_then(|link| link.info(call.now));
        let mut reply = node.engine.reply(call.session);
        reply.array(5);
        reply.bulk(b"slave");
        let (host, port, state) =
            info.map_or((String::new(), 0, "connect"), |info| (info.target.0, info.target.1, info.state.word()));
        reply.bulk(host.as_bytes());
        reply.int(i64::from(port));
        reply.bulk(state.as_bytes());
        reply.int(if state == "connected" { offset } else { -1 });
        return Ok(());
    }
    let replicas: Vec<_> =
        node.replication.feeds.infos(call.now).map(|(_, info)| info).filter(|info| info.state == "online").collect();
    let mut reply = node.engine.reply(call.session);
    reply.array(3);
    reply.bulk(b"master");
    reply.int(offset);
    reply.array(replicas.len());
    for info in replicas {
        reply.array(3);
        reply.bulk(info.ip.as_bytes());
        reply.bulk_int(i64::from(info.port));
        reply.bulk_int(info.offset.0 as i64);
    }
    Ok(())
}

fn replconf(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let words: Vec<&[u8]> = call.args.from(1).iter().collect();
    let origin = node.origin_of(call.conn);
    let reply = node.replication.feeds.replconf(call.now, Node::peer_id(call.conn), &origin, &words);
    match reply {
        ReplconfReply::Error(text) => return Err(ReplyError::text(text)),
        ReplconfReply::Getack => {
            let synced = node.synced_offset();
            if let Some(link) = &mut node.replication.link {
                link.set_synced(synced);
                link.acknowledge(call.now);
            }
        }
        ReplconfReply::Ok => node.engine.reply(call.session).ok(),
        ReplconfReply::Silent => {}
    }
    Ok(())
}

fn psync(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let origin = node.origin_of(call.conn);
    // The changes of this batch belong to the history before the replica's place in it.
    node.step_changes();
    if call.args.is(3, "FAILOVER") && !node.replication.feeds.is_replica(Node::peer_id(call.conn)) {
        take_over(node, call)?;
    }
    let request = Psync {
        peer: Node::peer_id(call.conn),
        origin: &origin,
        gate: sync_gate(node, call),
        id: &call.args[1],
        offset: &call.args[2],
    };
    let Node { replication, rng, .. } = node;
    replication.feeds.psync(call.now, request, &mut replication.log, rng).map_err(ReplyError::text)?;
    node.mark_replica(call.conn);
    Ok(())
}

/// Our primary has handed over to us: PSYNC with FAILOVER behind it.
fn take_over(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    node.log_warning(format!("Failover request received for replid {}.", String::from_utf8_lossy(&call.args[1])));
    if !node.is_replica() {
        return Err(ReplyError::Fixed("ERR PSYNC FAILOVER can't be sent to a master."));
    }
    if !call.args.is(1, &node.replication.log.replid().to_string()) {
        return Err(ReplyError::Fixed("ERR PSYNC FAILOVER replid must match my replid."));
    }
    node.become_primary(call.now);
    node.remember_primary(None);
    let info = node.client_info(call.conn);
    node.log_notice(format!("MASTER MODE enabled (failover request from '{info}')"));
    Ok(())
}

fn sync(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let origin = node.origin_of(call.conn);
    node.step_changes();
    let gate = sync_gate(node, call);
    let peer = Node::peer_id(call.conn);
    let Node { replication, rng, .. } = node;
    replication.feeds.sync(call.now, peer, &origin, gate, &mut replication.log, rng).map_err(ReplyError::text)?;
    node.mark_replica(call.conn);
    Ok(())
}

fn sync_gate(node: &mut Node, call: &Call<'_>) -> SyncGate {
    if node.handover.is_some() {
        SyncGate::FailingOver
    } else if node.is_replica() && !node.is_primary_link_up() {
        SyncGate::NoLink
    } else if !node.engine.out(call.session).is_empty() {
        SyncGate::PendingOutput
    } else {
        SyncGate::Open
    }
}

fn wait(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    if node.is_replica() {
        return Err(ReplyError::Fixed(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        ));
    }
    let replicas = integer(&call.args[1])?;
    let millis = timeout(&call.args[2])?;
    node.wait_for_places(call, usize::try_from(replicas).unwrap_or(0), Depth::Memory, millis);
    Ok(())
}

fn waitaof(node: &mut Node, call: &Call<'_>) -> Result<(), ReplyError> {
    let here = match integer(&call.args[1])? {
        0 => false,
        1 => true,
        _ => return Err(ReplyError::Fixed("ERR value is out of range, value must between 0 and 1")),
    };
    let replicas = parse_i64(&call.args[2]).and_then(|replicas| usize::try_from(replicas).ok());
    let replicas = replicas.ok_or(ReplyError::Fixed("ERR value is out of range, must be positive"))?;
    let millis = timeout(&call.args[3])?;
    if node.is_replica() {
        return Err(ReplyError::Fixed(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just \
             local and are not propagated.",
        ));
    }
    if here && node.local_file() == Local::Off {
        return Err(NO_FILE);
    }
    node.wait_for_places(call, replicas, Depth::Disk { here }, millis);
    Ok(())
}

/// Milliseconds; 0 for no limit.
fn timeout(word: &[u8]) -> Result<u64, ReplyError> {
    let millis = parse_i64(word).ok_or(ReplyError::Fixed("ERR timeout is not an integer or out of range"))?;
    u64::try_from(millis).map_err(|_| ReplyError::Fixed("ERR timeout is negative"))
}

impl Node {
    /// Replies where the client's writes are, once that is enough or the time has come.
    fn wait_for_places(&mut self, call: &Call<'_>, replicas: usize, depth: Depth, millis: u64) {
        self.step_changes();
        let end = Written { offset: self.replication.log.offset(), position: self.replication.log.end() };
        let Some(client) = self.conns.client_mut(call.conn) else { return };
        if std::mem::take(&mut client.wrote) {
            client.written = end;
        }
        let deadline = (millis > 0).then(|| call.now.instant.plus_millis(millis));
        let wait = Wait { written: client.written, replicas, depth, deadline };
        let places = wait.places(&self.replication.feeds, self.local_file());
        if wait.is_met(places) || self.is_in_transaction() {
            return self.reply_places(call.session, places);
        }
        self.replication.waits.begin(WaitId(Self::peer_id(call.conn).0), wait);
        self.replication.log.append_getack();
        self.replication.feeds.log_grew(&self.replication.log);
        self.wait_for_replicas(call.conn, Waiting::Replicas);
    }

    /// How far the append only file has come.
    pub(in crate::node) fn local_file(&self) -> Local {
        self.persistence.aof.as_ref().map_or(Local::Off, Aof::local)
    }

    /// How far the stream that replicas follow is on this node's disk; nothing without an append only file.
    pub(in crate::node) fn synced_offset(&self) -> Option<Offset> {
        let Local::Synced(position) = self.local_file() else { return None };
        Some(self.replication.log.offset_at(position))
    }

    /// Ends WAIT or WAITAOF.
    pub(in crate::node) fn reply_ended_wait(&mut self, session: SessionId, ended: Ended) {
        match ended {
            Ended::NoFile => self.engine.reply_error(session, &NO_FILE),
            Ended::Reply(places) => self.reply_places(session, places),
        }
    }

    pub(super) fn reply_places(&mut self, session: SessionId, places: Places) {
        let mut reply = self.engine.reply(session);
        if let Some(here) = places.here {
            reply.array(2);
            reply.int(i64::from(here));
        }
        reply.len(places.replicas);
    }
}

const NO_FILE: ReplyError =
    ReplyError::Fixed("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
