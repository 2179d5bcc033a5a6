//! Streams: entries that wait to be acknowledged: XACK and XPENDING.

use super::ids::{count, id, range_end, range_start, reply_id};
use super::no_group;
use super::trim::unix_ms;
use crate::command::Ctx;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::stream::{Group, Stream, StreamId};

pub(super) fn xack(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, name) = (&args[1], &args[2]);
    let edited = ctx.edit_typed(key, |stream: &mut Stream, _, _| {
        if stream.group(name).is_none() {
            return Ok(0);
        }
        // Nothing is acknowledged if one of the ids is none.
        for word in args.from(3).iter() {
            id(word, 0)?;
        }
        let acknowledged = stream.edit_group(name, |group| {
            let ids = args.from(3).iter().filter_map(|word| id(word, 0).ok());
            ids.filter(|id| group.acknowledge(*id)).count()
        });
        Ok(acknowledged.unwrap_or(0))
    })?;
    let acknowledged = edited.map_or(Ok(0), |edited| edited.result)?;
    ctx.reply.len(acknowledged);
    ctx.count_changes(acknowledged as u64);
    Ok(())
}

/// The longer form of XPENDING: which entries to list.
struct Listing<'a> {
    idle_min: i64,
    first: StreamId,
    last: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Listing<'a> {
    /// Reads the words behind the group.
    fn read(args: Args<'a>) -> Result<Self, ReplyError> {
        if !(6..=9).contains(&args.len()) {
            return Err(ReplyError::Syntax);
        }
        let (mut idle_min, mut at) = (0, 3);
        if args.is(3, "IDLE") {
            idle_min = integer(&args[4])?;
            if args.len() < 8 {
                return Err(ReplyError::Syntax);
            }
            at = 5;
        }
        let count = count(&args[at + 2])?;
        let (first, last) = (range_start(&args[at])?, range_end(&args[at + 1])?);
        Ok(Self { idle_min, first, last, count, consumer: args.get(at + 3) })
    }

    fn reply(&self, group: &Group, now: i64, reply: &mut Reply<'_>) {
        let entries = match self.consumer.map(|name| group.find(name)) {
            None => group.pending_range(self.first, self.last),
            Some(Some(consumer)) => group.pending_of(consumer, self.first, self.last),
            Some(None) => return reply.array(0),
        };
        let idle = |delivered_at: i64| now.saturating_sub(delivered_at);
        let listed = entries.filter(|(_, pending)| self.idle_min == 0 || idle(pending.delivered_at) >= self.idle_min);
        let begin = reply.begin();
        let mut len = 0;
        for (id, pending) in listed.take(self.count) {
            len += 1;
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(group.consumer(pending.consumer).map_or(b"", |consumer| consumer.name()));
            reply.int(idle(pending.delivered_at).max(0));
            reply.int(pending.deliveries.cast_signed());
        }
        reply.end_array(begin, len);
    }
}

pub(super) fn xpending(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let listing = if args.len() == 3 { None } else { Some(Listing::read(args)?) };
    let (key, name, now) = (&args[1], &args[2], unix_ms(ctx.now));
    ctx.view_typed::<Stream, _>(key, |stream, reply| {
        let group = stream.and_then(|stream| stream.group(name)).ok_or_else(|| no_group(key, name, ""))?;
        match &listing {
            None => reply_summary(reply, group),
            Some(listing) => listing.reply(group, now, reply),
        }
        Ok(())
    })?
}

/// How many entries wait, from which to which, and for whom.
fn reply_summary(reply: &mut Reply<'_>, group: &Group) {
    reply.array(4);
    reply.len(group.pending_len());
    let Some((first, last)) = group.pending_edges() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first);
    reply_id(reply, last);
    let waiting = || group.consumers().filter(|consumer| consumer.pending_len() > 0);
    reply.array(waiting().count());
    for consumer in waiting() {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk(itoa::Buffer::new().format(consumer.pending_len()).as_bytes());
    }
}
