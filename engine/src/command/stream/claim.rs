//! Streams: entries that change hands: XCLAIM and XAUTOCLAIM.
//!
//! What is repeated to replicas is one XCLAIM for each entry, with the time and count that came of it
//! ([`repeat_claim`]); XREADGROUP is repeated so, too.

use super::ids::{id, range_start, reply_id};
use super::trim::unix_ms;
use super::{no_group, reply_entry};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::stream::{Assignment, ConsumerId, Group, ID_TEXT_BYTES_MAX, Pending, Stream, StreamId};

/// What XCLAIM shall do.
#[derive(Debug)]
struct Claim {
    idle_min: i64,
    ids: Vec<StreamId>,
    delivered_at: i64,
    deliveries: Option<u64>,
    last_id: StreamId,
    is_forced: bool,
    ids_only: bool,
}

impl Claim {
    /// Reads the words behind the consumer.
    fn read(args: Args<'_>, now: i64) -> Result<Self, ReplyError> {
        let idle_min = integer_or(&args[4], "ERR Invalid min-idle-time argument for XCLAIM")?.max(0);
        let ids: Vec<StreamId> = args.from(5).iter().map_while(|word| id(word, 0).ok()).collect();
        let mut claim = Self {
            idle_min,
            delivered_at: now,
            deliveries: None,
            last_id: StreamId::MIN,
            is_forced: false,
            ids_only: false,
            ids,
        };
        let mut delivered_at = None;
        let mut at = 5 + claim.ids.len();
        while at < args.len() {
            let value = args.get(at + 1);
            if args.is(at, "FORCE") {
                claim.is_forced = true;
            } else if args.is(at, "JUSTID") {
                claim.ids_only = true;
            } else {
                let value = value.ok_or_else(|| unknown_option(&args[at]))?;
                if args.is(at, "IDLE") {
                    let idle = integer_or(value, "ERR Invalid IDLE option argument for XCLAIM")?;
                    delivered_at = Some(now.wrapping_sub(idle));
                } else if args.is(at, "TIME") {
                    delivered_at = Some(integer_or(value, "ERR Invalid TIME option argument for XCLAIM")?);
                } else if args.is(at, "RETRYCOUNT") {
                    let count = integer_or(value, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                    claim.deliveries = u64::try_from(count).ok();
                } else if args.is(at, "LASTID") {
                    claim.last_id = id(value, 0)?;
                } else {
                    return Err(unknown_option(&args[at]));
                }
                at += 1;
            }
            at += 1;
        }
        // A time that cannot be is no error: clients may reckon with a clock of their own.
        claim.delivered_at = delivered_at.filter(|at| (0..=now).contains(at)).unwrap_or(now);
        Ok(claim)
    }
}

fn integer_or(word: &[u8], error: &'static str) -> Result<i64, ReplyError> {
    integer(word).map_err(|_| ReplyError::Fixed(error))
}

fn unknown_option(word: &[u8]) -> ReplyError {
    ReplyError::naming("ERR Unrecognized XCLAIM option '", word, "'")
}

/// What became of entries, to be told to the log.
#[derive(Debug, Default)]
struct Outcome {
    /// Entries whose owner, time or count changed, and those that are gone, each as it is or was.
    claims: Vec<(StreamId, Pending)>,
    /// The place the group has been moved to without one of them.
    moved: bool,
    is_new_consumer: bool,
}

pub(super) fn xclaim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, name, consumer, now) = (&args[1], &args[2], &args[3], unix_ms(ctx.now));
    let edited = ctx.edit_typed(key, |stream: &mut Stream, reply, _| {
        if stream.group(name).is_none() {
            return Err(no_group(key, name, ""));
        }
        let claim = Claim::read(args, now)?;
        let mut outcome = Outcome::default();
        stream.edit_group(name, |group| {
            outcome.moved = claim.last_id > group.last_id;
            group.last_id = group.last_id.max(claim.last_id);
        });
        let to = meet(stream, name, consumer, now, &mut outcome).ok_or_else(|| no_group(key, name, ""))?;
        let begin = reply.begin();
        let mut len = 0;
        for &id in &claim.ids {
            if claim_one(stream, name, (id, to), &claim, now, &mut outcome) {
                reply_claimed(reply, stream, id, claim.ids_only);
                len += 1;
            }
        }
        reply.end_array(begin, len);
        Ok(outcome)
    })?;
    let outcome = edited.ok_or_else(|| no_group(key, name, ""))?.result?;
    tell(ctx, (key, name), &outcome);
    Ok(())
}

/// Claims one entry. Returns whether it changed hands.
fn claim_one(
    stream: &mut Stream,
    name: &[u8],
    (id, to): (StreamId, ConsumerId),
    claim: &Claim,
    now: i64,
    outcome: &mut Outcome,
) -> bool {
    let pending = stream.group(name).and_then(|group| group.pending(id));
    if stream.get(id).is_none() {
        forget(stream, name, id, pending, outcome);
        return false;
    }
    let before = match pending {
        Some(pending) if claim.idle_min > 0 && now.saturating_sub(pending.delivered_at) < claim.idle_min => {
            return false;
        }
        Some(pending) => pending,
        None if claim.is_forced => Pending { consumer: to, delivered_at: now, deliveries: 1 },
        None => return false,
    };
    let counted = before.deliveries.wrapping_add(u64::from(!claim.ids_only));
    let deliveries = claim.deliveries.unwrap_or(counted);
    give(stream, name, id, Pending { consumer: to, delivered_at: claim.delivered_at, deliveries }, now, outcome);
    true
}

pub(super) fn xautoclaim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let idle_min = integer_or(&args[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM")?.max(0);
    let start = range_start(&args[5])?;
    let (mut count, mut ids_only, mut at) = (CLAIMS_DEFAULT, false, 6);
    while at < args.len() {
        match args.get(at + 1) {
            Some(value) if args.is(at, "COUNT") => {
                count = claims_max(value)?;
                at += 1;
            }
            _ if args.is(at, "JUSTID") => ids_only = true,
            _ => return Err(ReplyError::Syntax),
        }
        at += 1;
    }
    let (key, name, consumer, now) = (&args[1], &args[2], &args[3], unix_ms(ctx.now));
    let edited = ctx.edit_typed(key, |stream: &mut Stream, reply, _| {
        let mut outcome = Outcome::default();
        let to = meet(stream, name, consumer, now, &mut outcome).ok_or_else(|| no_group(key, name, ""))?;
        let (found, next) = candidates(stream, name, start, count, now.saturating_sub(idle_min), idle_min > 0);
        reply.array(3);
        reply_id(reply, next);
        let begin = reply.begin();
        let (mut len, mut gone) = (0, Vec::new());
        for (id, pending) in found {
            if stream.get(id).is_none() {
                forget(stream, name, id, Some(pending), &mut outcome);
                gone.push(id);
                continue;
            }
            let deliveries = pending.deliveries.wrapping_add(u64::from(!ids_only));
            give(stream, name, id, Pending { consumer: to, delivered_at: now, deliveries }, now, &mut outcome);
            reply_claimed(reply, stream, id, ids_only);
            len += 1;
        }
        reply.end_array(begin, len);
        reply.array(gone.len());
        gone.into_iter().for_each(|id| reply_id(reply, id));
        Ok(outcome)
    })?;
    let outcome = edited.ok_or_else(|| no_group(key, name, ""))?.result?;
    tell(ctx, (key, name), &outcome);
    Ok(())
}

fn claims_max(word: &[u8]) -> Result<usize, ReplyError> {
    let count = integer(word).ok().and_then(|count| usize::try_from(count).ok());
    count.filter(|count| (1..=CLAIMS_MAX).contains(count)).ok_or(ReplyError::Fixed("ERR COUNT must be > 0"))
}

/// The entries that XAUTOCLAIM takes, and the one that it would look at next.
///
/// Entries that the stream no longer has are among them, however long they have waited.
fn candidates(
    stream: &Stream,
    name: &[u8],
    start: StreamId,
    count: usize,
    delivered_max: i64,
    is_limited: bool,
) -> (Vec<(StreamId, Pending)>, StreamId) {
    let Some(group) = stream.group(name) else { return (Vec::new(), StreamId::MIN) };
    let mut found = Vec::new();
    let mut attempts = count.saturating_mul(ATTEMPTS_PER_CLAIM);
    let mut waiting = group.pending_range(start, StreamId::MAX);
    while attempts > 0 && found.len() < count {
        let Some((id, pending)) = waiting.next() else { return (found, StreamId::MIN) };
        attempts -= 1;
        let is_idle = !is_limited || pending.delivered_at <= delivered_max;
        if is_idle || stream.get(id).is_none() {
            found.push((id, pending));
        }
    }
    (found, waiting.next().map_or(StreamId::MIN, |(id, _)| id))
}

/// The consumer of a name, who was heard of now; a new one if need be. Nothing if there is no such group.
fn meet(stream: &mut Stream, name: &[u8], consumer: &[u8], now: i64, outcome: &mut Outcome) -> Option<ConsumerId> {
    let met = stream.edit_group(name, |group| meet_in(group, consumer, now))?;
    outcome.is_new_consumer = met.is_some_and(|(_, is_new)| is_new);
    met.map(|(id, _)| id)
}

/// The consumer of a name, who was heard of now, and whether it is new.
pub(super) fn meet_in(group: &mut Group, name: &[u8], now: i64) -> Option<(ConsumerId, bool)> {
    let Some(id) = group.find(name) else { return group.create(name, now).map(|id| (id, true)) };
    if let Some(consumer) = group.consumer_mut(id) {
        consumer.seen_at = now;
    }
    Some((id, false))
}

/// Ends the wait of an entry that the stream no longer has.
fn forget(stream: &mut Stream, name: &[u8], id: StreamId, pending: Option<Pending>, outcome: &mut Outcome) {
    let Some(pending) = pending else { return };
    outcome.claims.push((id, pending));
    stream.edit_group(name, |group| group.acknowledge(id));
}

fn give(stream: &mut Stream, name: &[u8], id: StreamId, pending: Pending, now: i64, outcome: &mut Outcome) {
    stream.edit_group(name, |group| {
        group.assign(id, pending);
        if let Some(consumer) = group.consumer_mut(pending.consumer) {
            consumer.active_at = now;
        }
    });
    outcome.claims.push((id, pending));
}

fn reply_claimed(reply: &mut Reply<'_>, stream: &Stream, id: StreamId, ids_only: bool) {
    match stream.get(id) {
        Some(entry) if !ids_only => reply_entry(reply, entry),
        _ => reply_id(reply, id),
    }
}

/// Tells the log and listeners of what became of entries.
fn tell(ctx: &mut Ctx<'_>, (key, name): (&[u8], &[u8]), outcome: &Outcome) {
    ctx.rewrite_to_nothing();
    if outcome.is_new_consumer {
        ctx.tell_edit(key, KeyspaceEvents::STREAM, "xgroup-createconsumer", 1, false);
    }
    ctx.count_changes(outcome.claims.len() as u64);
    for (id, pending) in &outcome.claims {
        repeat_claim(ctx, (key, name), *id, *pending, None);
    }
    if outcome.moved && outcome.claims.is_empty() {
        ctx.count_changes(1);
        repeat_place(ctx, (key, name));
    }
}

/// Has an XCLAIM repeated that leaves an entry as it is; `last_id` is where the group stood then.
pub(super) fn repeat_claim(
    ctx: &mut Ctx<'_>,
    (key, name): (&[u8], &[u8]),
    id: StreamId,
    pending: Pending,
    last_id: Option<StreamId>,
) {
    if !ctx.core.changes.is_enabled() {
        return;
    }
    let db = ctx.db();
    let Some(group) = ctx.core.held::<Stream>(db, key).and_then(|stream| stream.group(name)) else { return };
    let Some(consumer) = group.consumer(pending.consumer).map(|consumer| consumer.name().to_vec()) else { return };
    let assignment = Assignment { consumer: &consumer, id, pending, last_id: Some(last_id.unwrap_or(group.last_id)) };
    assignment.with_words((key, name), |words| ctx.rewrite(words));
}

/// Has the place repeated that a group has come to.
pub(super) fn repeat_place(ctx: &mut Ctx<'_>, (key, name): (&[u8], &[u8])) {
    if !ctx.core.changes.is_enabled() {
        return;
    }
    let db = ctx.db();
    let Some(group) = ctx.core.held::<Stream>(db, key).and_then(|stream| stream.group(name)) else { return };
    let (last_id, read) = (group.last_id, group.entries_read.map_or(-1, u64::cast_signed));
    ctx.rewrite(&[
        b"XGROUP",
        b"SETID",
        key,
        name,
        last_id.text(&mut [0; ID_TEXT_BYTES_MAX]),
        b"ENTRIESREAD",
        itoa::Buffer::new().format(read).as_bytes(),
    ]);
}

/// Entries that XAUTOCLAIM takes where nothing else is said.
const CLAIMS_DEFAULT: usize = 100;

/// Most entries that XAUTOCLAIM may be asked for: attempts are counted in bytes of ids by the reference.
const CLAIMS_MAX: usize = i64::MAX as usize / 16;

/// Entries XAUTOCLAIM looks at for each one it may take (`xautoclaimCommand`, `t_stream.c` of 7.0).
const ATTEMPTS_PER_CLAIM: usize = 10;
