//! Streams: XREAD and XREADGROUP, and waiting for entries where there are none.

use super::claim::{meet_in, repeat_claim, repeat_place};
use super::ids::{count, id, reply_id};
use super::trim::unix_ms;
use super::{no_group, reply_entry};
use crate::blocked::Until;
use crate::command::Ctx;
use crate::command::words::timeout_ms;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::{Args, ArgsBuf};
use crate::resp::reply::Reply;
use crate::time::{Instant, Now};
use crate::value::Kind;
use crate::value::stream::{ConsumerId, ID_TEXT_BYTES_MAX, Order, Pending, Stream, StreamId};

pub(super) fn xread(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = Request::read(args, ctx.now, Verb::Read)?;
    let from = request.places(ctx)?;
    let mut served = Served::new(&ctx.reply);
    for (key, from) in request.keys.iter().zip(&from) {
        let From::After(after) = *from else { continue };
        let count = request.count;
        let has_entries = ctx.view_typed::<Stream, _>(key, |stream, reply| {
            let Some(stream) = stream.filter(|stream| stream.last().is_some_and(|last| last.id > after)) else {
                return false;
            };
            served.head(reply, key);
            reply_after(reply, stream, after, count, |_| ());
            true
        })?;
        served.len += usize::from(has_entries);
    }
    if !served.end(&mut ctx.reply) {
        request.wait(ctx, args, &from);
    }
    Ok(())
}

pub(super) fn xreadgroup(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = Request::read(args, ctx.now, Verb::ReadGroup)?;
    let Some(member) = request.member else { return Err(NO_GROUP_OPTION) };
    let from = request.places(ctx)?;
    // What is repeated is said below.
    ctx.rewrite_to_nothing();
    let mut served = Served::new(&ctx.reply);
    for (key, from) in request.keys.iter().zip(&from) {
        let delivery = serve_group(ctx, &request, (key, *from), member, &mut served)?;
        if let Some(delivery) = delivery {
            delivery.tell(ctx, (key, member.group), request.no_ack);
        }
    }
    if !served.end(&mut ctx.reply) {
        request.wait(ctx, args, &from);
    }
    Ok(())
}

/// The command whose words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Read,
    ReadGroup,
}

/// A consumer and its group.
#[derive(Debug, Clone, Copy)]
struct Member<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
}

/// What is asked for.
#[derive(Debug)]
struct Request<'a> {
    /// Most entries of each stream.
    count: usize,
    /// Until when to wait if there is nothing; nothing inside for ever.
    block: Option<Option<Instant>>,
    member: Option<Member<'a>>,
    no_ack: bool,
    keys: Args<'a>,
    ids: Args<'a>,
    /// The word with the first id.
    ids_at: usize,
}

/// Where in a stream to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// Behind this id; of a group, what its consumer has had already.
    After(StreamId),
    /// What the group has not been given.
    New,
}

impl<'a> Request<'a> {
    fn read(args: Args<'a>, now: Now, verb: Verb) -> Result<Self, ReplyError> {
        let none = args.first(0);
        let mut request =
            Self { count: usize::MAX, block: None, member: None, no_ack: false, keys: none, ids: none, ids_at: 0 };
        let mut at = 1;
        while at < args.len() {
            let more = args.len() - at - 1;
            if more > 0 && args.is(at, "BLOCK") {
                request.block = Some(timeout_ms(&args[at + 1], now)?);
                at += 1;
            } else if more > 0 && args.is(at, "COUNT") {
                request.count = Some(count(&args[at + 1])?).filter(|count| *count > 0).unwrap_or(usize::MAX);
                at += 1;
            } else if more > 0 && args.is(at, "STREAMS") {
                request.set_streams(args, at + 1, verb)?;
                break;
            } else if more > 1 && args.is(at, "GROUP") {
                if verb == Verb::Read {
                    return Err(GROUP_IN_READ);
                }
                request.member = Some(Member { group: args.at(at + 1), consumer: args.at(at + 2) });
                at += 2;
            } else if args.is(at, "NOACK") {
                if verb == Verb::Read {
                    return Err(NO_ACK_IN_READ);
                }
                request.no_ack = true;
            } else {
                return Err(ReplyError::Syntax);
            }
            at += 1;
        }
        if request.ids_at == 0 {
            return Err(ReplyError::Syntax);
        }
        if verb == Verb::ReadGroup && request.member.is_none() {
            return Err(NO_GROUP_OPTION);
        }
        Ok(request)
    }

    fn set_streams(&mut self, args: Args<'a>, first: usize, verb: Verb) -> Result<(), ReplyError> {
        let words = args.len() - first;
        if !words.is_multiple_of(2) {
            return Err(ReplyError::Fixed(match verb {
                Verb::Read => UNBALANCED_READ,
                Verb::ReadGroup => UNBALANCED_READ_GROUP,
            }));
        }
        self.ids_at = first + words / 2;
        self.keys = args.from(first).first(words / 2);
        self.ids = args.from(self.ids_at);
        Ok(())
    }

    /// Where to read in each stream. All keys and ids are looked at before anything is read.
    fn places(&self, ctx: &mut Ctx<'_>) -> Result<Vec<From>, ReplyError> {
        let pairs = self.keys.iter().zip(self.ids.iter());
        pairs.map(|(key, word)| ctx.view_typed::<Stream, _>(key, |stream, _| self.place(key, word, stream))?).collect()
    }

    fn place(&self, key: &[u8], word: &[u8], stream: Option<&Stream>) -> Result<From, ReplyError> {
        if let Some(member) = self.member
            && stream.and_then(|stream| stream.group(member.group)).is_none()
        {
            return Err(no_group(key, member.group, " in XREADGROUP with GROUP option"));
        }
        match (word, self.member) {
            (b"$", Some(_)) => Err(ReplyError::Fixed(DOLLAR_IN_GROUP)),
            (b"+", Some(_)) => Err(ReplyError::Fixed(PLUS_IN_GROUP)),
            (b"$", None) => Ok(From::After(stream.map_or(StreamId::MIN, Stream::last_id))),
            // The last entry, as long as it was not deleted: its id is the last one then.
            (b"+", None) => {
                let last_id = stream.map_or(StreamId::MIN, Stream::last_id);
                Ok(From::After(last_id.previous().unwrap_or(last_id)))
            }
            (b">", Some(_)) => Ok(From::New),
            (b">", None) => Err(ReplyError::Fixed(NEW_IN_READ)),
            // The reference keeps `>` as the greatest id, and so takes that one for it.
            (word, Some(_)) if id(word, 0)? == StreamId::MAX => Ok(From::New),
            (word, _) => id(word, 0).map(From::After),
        }
    }

    /// Waits, or replies as if the wait were over. Ids that mean "from now on" keep what they mean now.
    fn wait(&self, ctx: &mut Ctx<'_>, args: Args<'_>, from: &[From]) {
        let Some(deadline) = self.block else { return ctx.reply.null_array() };
        let mut words = ArgsBuf::new();
        for (at, word) in args.iter().enumerate() {
            let from = at.checked_sub(self.ids_at).and_then(|at| from.get(at));
            match from {
                Some(From::After(after)) if matches!(word, b"$" | b"+") => {
                    words.push(after.text(&mut [0; ID_TEXT_BYTES_MAX]));
                }
                _ => words.push(word),
            }
        }
        let until = if self.member.is_some() { Until::ThereOrGone } else { Until::There };
        if !ctx.block_as(Kind::Stream, self.keys.iter(), deadline, until, words) {
            ctx.reply.null_array();
        }
    }
}

/// The outer part of the reply: streams with what was read in each.
struct Served {
    begin: crate::resp::outbuf::Position,
    len: usize,
}

impl Served {
    fn new(reply: &Reply<'_>) -> Self {
        Self { begin: reply.begin(), len: 0 }
    }

    /// Writes the name of a stream, whose entries follow.
    fn head(&self, reply: &mut Reply<'_>, key: &[u8]) {
        if reply.protocol().version() == 2 {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// Ends the reply, if there is any. Returns whether there is.
    fn end(self, reply: &mut Reply<'_>) -> bool {
        if self.len == 0 {
            return false;
        }
        if reply.protocol().version() == 2 {
            reply.end_array(self.begin, self.len);
        } else {
            reply.end_map(self.begin, self.len);
        }
        true
    }
}

/// Writes the entries behind an id, and hands out their ids.
fn reply_after(reply: &mut Reply<'_>, stream: &Stream, after: StreamId, count: usize, mut read: impl FnMut(StreamId)) {
    let begin = reply.begin();
    let mut len = 0;
    if let Some(first) = after.next() {
        for entry in stream.range(first, StreamId::MAX, Order::Ascending).take(count) {
            read(entry.id);
            reply_entry(reply, entry);
            len += 1;
        }
    }
    reply.end_array(begin, len);
}

/// What a group was given.
#[derive(Debug)]
struct Delivery {
    consumer: ConsumerId,
    is_new_consumer: bool,
    is_served: bool,
    at: i64,
    /// The new entries that were given.
    ids: Vec<StreamId>,
}

/// Reads one stream for a consumer. Returns nothing if there is no such stream any more.
fn serve_group(
    ctx: &mut Ctx<'_>,
    request: &Request<'_>,
    (key, from): (&[u8], From),
    member: Member<'_>,
    served: &mut Served,
) -> Result<Option<Delivery>, ReplyError> {
    let at = unix_ms(ctx.now);
    let edited = ctx.edit_typed(key, |stream: &mut Stream, reply, _| {
        let met = stream.edit_group(member.group, |group| meet_in(group, member.consumer, at)).flatten();
        let (consumer, is_new_consumer) = met?;
        let mut delivery = Delivery { consumer, is_new_consumer, is_served: true, at, ids: Vec::new() };
        match from {
            From::After(after) => {
                served.head(reply, key);
                reply_history(reply, stream, (member.group, consumer), after, request.count, at);
            }
            From::New => {
                let last_id = stream.group(member.group).map_or(StreamId::MAX, |group| group.last_id);
                delivery.is_served = stream.last().is_some_and(|last| last.id > last_id);
                if delivery.is_served {
                    served.head(reply, key);
                    reply_after(reply, stream, last_id, request.count, |id| delivery.ids.push(id));
                    let waits_for = (!request.no_ack).then_some(consumer);
                    stream.deliver(member.group, &delivery.ids, waits_for, at);
                }
            }
        }
        Some(delivery)
    })?;
    let delivery = edited.and_then(|edited| edited.result);
    served.len += usize::from(delivery.as_ref().is_some_and(|delivery| delivery.is_served));
    Ok(delivery)
}

impl Delivery {
    /// Tells the log and listeners.
    fn tell(&self, ctx: &mut Ctx<'_>, (key, group): (&[u8], &[u8]), no_ack: bool) {
        if self.is_new_consumer {
            ctx.tell_edit(key, KeyspaceEvents::STREAM, "xgroup-createconsumer", 1, false);
            if no_ack {
                repeat_consumer(ctx, (key, group), self.consumer);
            }
        }
        ctx.count_changes(u64::from(self.is_served));
        if !no_ack {
            for &id in &self.ids {
                let pending = Pending { consumer: self.consumer, delivered_at: self.at, deliveries: 1 };
                repeat_claim(ctx, (key, group), id, pending, Some(id));
            }
        }
        if !self.ids.is_empty() {
            repeat_place(ctx, (key, group));
        }
    }
}

/// Has the making of a consumer repeated.
fn repeat_consumer(ctx: &mut Ctx<'_>, (key, name): (&[u8], &[u8]), consumer: ConsumerId) {
    let db = ctx.db();
    let group = ctx.core.held::<Stream>(db, key).and_then(|stream| stream.group(name));
    let Some(consumer) = group.and_then(|group| group.consumer(consumer)).map(|consumer| consumer.name().to_vec())
    else {
        return;
    };
    ctx.rewrite(&[b"XGROUP", b"CREATECONSUMER", key, name, &consumer]);
}

/// Writes the entries that a consumer has had and not acknowledged, which count as given once more.
fn reply_history(
    reply: &mut Reply<'_>,
    stream: &mut Stream,
    (group, consumer): (&[u8], ConsumerId),
    after: StreamId,
    count: usize,
    at: i64,
) {
    let waiting: Vec<(StreamId, Pending)> = match (after.next(), stream.group(group)) {
        (Some(first), Some(group)) => group.pending_of(consumer, first, StreamId::MAX).take(count).collect(),
        _ => Vec::new(),
    };
    reply.array(waiting.len());
    for (id, pending) in waiting {
        let Some(entry) = stream.get(id) else {
            // It was deleted, and still waits to be acknowledged.
            reply.array(2);
            reply_id(reply, id);
            reply.null_array();
            continue;
        };
        reply_entry(reply, entry);
        let deliveries = pending.deliveries.wrapping_add(1);
        stream.edit_group(group, |group| group.assign(id, Pending { delivered_at: at, deliveries, ..pending }));
    }
}

const NO_GROUP_OPTION: ReplyError = ReplyError::Fixed("ERR Missing GROUP option for XREADGROUP");
const GROUP_IN_READ: ReplyError =
    ReplyError::Fixed("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
const NO_ACK_IN_READ: ReplyError =
    ReplyError::Fixed("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
const UNBALANCED_READ: &str =
    "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.";
const UNBALANCED_READ_GROUP: &str =
    "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.";
const DOLLAR_IN_GROUP: &str = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history \
    of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an \
    empty result set.";
const PLUS_IN_GROUP: &str = "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history \
    of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an \
    empty result set.";
const NEW_IN_READ: &str =
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";
