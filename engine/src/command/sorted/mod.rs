//! Sorted sets: members one by one.
//!
//! Ranges are in [`range`] and their bounds in [`bounds`], members taken from the ends in [`pop`], random ones in
//! [`random`], several sets at once in [`algebra`]; [`block`] waits for members.

mod algebra;
mod block;
mod bounds;
mod pop;
mod random;
mod range;

use super::keys::{Access, INSPECT_ONE, KeySpec, READ_ONE};
use super::scan::scan_within;
use super::set::reply_member;
use super::spec::{BLOCKING, DENY_OOM, FAST, MOVABLE_KEYS, READ, Spec, WRITE, data};
use super::{Ctx, DataFn};
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::number::{DOUBLE_BYTES_MAX, format_double, format_precise, parse_f64};
use crate::resp::args::Args;
use crate::resp::reply::{Protocol, Reply};
use crate::value::Typed;
use crate::value::listpack::Element;
use crate::value::sorted::{Change, Score, SortedSet, SortedSetView};

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("BZMPOP", -5, WRITE.and(BLOCKING).and(MOVABLE_KEYS), TAKE_COUNTED_LATER, block::bzmpop as DataFn),
    data("BZPOPMAX", -3, WRITE.and(FAST).and(BLOCKING), TAKE_EVERY, block::bzpopmax),
    data("BZPOPMIN", -3, WRITE.and(FAST).and(BLOCKING), TAKE_EVERY, block::bzpopmin),
    data("ZADD", -4, WRITE.and(DENY_OOM).and(FAST), UPDATE, zadd as DataFn),
    data("ZCARD", 2, READ.and(FAST), INSPECT_ONE, zcard),
    data("ZCOUNT", 4, READ.and(FAST), READ_ONE, range::zcount),
    data("ZDIFF", -3, READ.and(MOVABLE_KEYS), READ_COUNTED, algebra::zdiff),
    data("ZDIFFSTORE", -4, WRITE.and(DENY_OOM).and(MOVABLE_KEYS), STORE_COUNTED, algebra::zdiffstore),
    data("ZINCRBY", 4, WRITE.and(DENY_OOM).and(FAST), UPDATE_AND_TELL, zincrby),
    data("ZINTER", -3, READ.and(MOVABLE_KEYS), READ_COUNTED, algebra::zinter),
    data("ZINTERCARD", -3, READ.and(MOVABLE_KEYS), READ_COUNTED, algebra::zintercard),
    data("ZINTERSTORE", -4, WRITE.and(DENY_OOM).and(MOVABLE_KEYS), STORE_COUNTED, algebra::zinterstore),
    data("ZLEXCOUNT", 4, READ.and(FAST), READ_ONE, range::zlexcount),
    data("ZMPOP", -4, WRITE.and(MOVABLE_KEYS), TAKE_COUNTED, pop::zmpop),
    data("ZMSCORE", -3, READ.and(FAST), READ_ONE, zmscore),
    data("ZPOPMAX", -2, WRITE.and(FAST), TAKE_ONE, pop::zpopmax),
    data("ZPOPMIN", -2, WRITE.and(FAST), TAKE_ONE, pop::zpopmin),
    data("ZRANDMEMBER", -2, READ, READ_ONE, random::zrandmember as DataFn).tips(RANDOM),
    data("ZRANGE", -4, READ, READ_ONE, range::zrange),
    data("ZRANGEBYLEX", -4, READ, READ_ONE, range::zrangebylex),
    data("ZRANGEBYSCORE", -4, READ, READ_ONE, range::zrangebyscore),
    data("ZRANGESTORE", -5, WRITE.and(DENY_OOM), STORE_ONE, range::zrangestore),
    data("ZRANK", -3, READ.and(FAST), READ_ONE, zrank),
    data("ZREM", -3, WRITE.and(FAST), DELETE_ONE, zrem),
    data("ZREMRANGEBYLEX", 4, WRITE, DELETE_ONE, range::zremrangebylex),
    data("ZREMRANGEBYRANK", 4, WRITE, DELETE_ONE, range::zremrangebyrank),
    data("ZREMRANGEBYSCORE", 4, WRITE, DELETE_ONE, range::zremrangebyscore),
    data("ZREVRANGE", -4, READ, READ_ONE, range::zrevrange),
    data("ZREVRANGEBYLEX", -4, READ, READ_ONE, range::zrevrangebylex),
    data("ZREVRANGEBYSCORE", -4, READ, READ_ONE, range::zrevrangebyscore),
    data("ZREVRANK", -3, READ.and(FAST), READ_ONE, zrevrank),
    data("ZSCAN", -3, READ, READ_ONE, zscan as DataFn).tips(RANDOM),
    data("ZSCORE", 3, READ.and(FAST), READ_ONE, zscore),
    data("ZUNION", -3, READ.and(MOVABLE_KEYS), READ_COUNTED, algebra::zunion),
    data("ZUNIONSTORE", -4, WRITE.and(DENY_OOM).and(MOVABLE_KEYS), STORE_COUNTED, algebra::zunionstore),
];

const RANDOM: &[&str] = &["nondeterministic_output"];
const TAKEN: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);
const REPLACED: Access = Access::OW.and(Access::UPDATE);
const UPDATE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::UPDATE))];
const UPDATE_AND_TELL: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];
const DELETE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::DELETE))];
const TAKE_ONE: &[KeySpec] = &[KeySpec::one(1, TAKEN)];
const TAKE_COUNTED: &[KeySpec] = &[KeySpec::counted(1, TAKEN)];
const TAKE_COUNTED_LATER: &[KeySpec] = &[KeySpec::counted(2, TAKEN)];
const TAKE_EVERY: &[KeySpec] = &[KeySpec::but_last(1, TAKEN)];
const READ_COUNTED: &[KeySpec] = &[KeySpec::counted(1, Access::RO.and(Access::ACCESS))];
const STORE_COUNTED: &[KeySpec] = &[KeySpec::one(1, REPLACED), KeySpec::counted(2, Access::RO.and(Access::ACCESS))];
const STORE_ONE: &[KeySpec] = &[KeySpec::one(1, REPLACED), KeySpec::one(2, Access::RO.and(Access::ACCESS))];

/// What ZADD takes ahead of scores and members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct AddOptions {
    changed: bool,
    greater: bool,
    increment: bool,
    less: bool,
    new: bool,
    present: bool,
}

impl AddOptions {
    /// The options, and the word where pairs begin.
    fn parse(args: Args<'_>, mut options: Self) -> Result<(Self, usize), ReplyError> {
        let mut at = 2;
        while at < args.len() {
            let flag = match &args[at] {
                word if word.eq_ignore_ascii_case(b"nx") => &mut options.new,
                word if word.eq_ignore_ascii_case(b"xx") => &mut options.present,
                word if word.eq_ignore_ascii_case(b"ch") => &mut options.changed,
                word if word.eq_ignore_ascii_case(b"incr") => &mut options.increment,
                word if word.eq_ignore_ascii_case(b"gt") => &mut options.greater,
                word if word.eq_ignore_ascii_case(b"lt") => &mut options.less,
                _ => break,
            };
            *flag = true;
            at += 1;
        }
        let words = args.len() - at;
        if words == 0 || !words.is_multiple_of(2) {
            return Err(ReplyError::Syntax);
        }
        options.check(words / 2)?;
        Ok((options, at))
    }

    fn check(self, pairs: usize) -> Result<(), ReplyError> {
        if self.new && self.present {
            return Err(ReplyError::Fixed("ERR XX and NX options at the same time are not compatible"));
        }
        if (self.new && (self.greater || self.less)) || (self.greater && self.less) {
            return Err(ReplyError::Fixed("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && pairs > 1 {
            return Err(ReplyError::Fixed("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score that a member gets; nothing if it stays as it is.
    fn decide(self, present: Option<f64>, word: f64) -> Result<Option<f64>, ReplyError> {
        let Some(present) = present else { return Ok((!self.present).then_some(word)) };
        if self.new {
            return Ok(None);
        }
        let score = if self.increment { present + word } else { word };
        if score.is_nan() {
            return Err(ReplyError::Fixed("ERR resulting score is not a number (NaN)"));
        }
        let is_refused = (self.less && score >= present) || (self.greater && score <= present);
        Ok((!is_refused).then_some(score))
    }
}

/// What ZADD did.
#[derive(Debug, Clone, Copy, Default)]
struct Added {
    added: usize,
    moved: usize,
    /// The score of the last member that was not left alone.
    score: Option<f64>,
}

impl Added {
    fn apply(
        &mut self,
        options: AddOptions,
        set: &mut SortedSet,
        member: &[u8],
        word: f64,
        rules: crate::value::Rules<'_>,
    ) -> Result<(), ReplyError> {
        let mut decision = Ok(None);
        let change = set.update(
            member,
            |present| {
                decision = options.decide(present, word);
                decision.as_ref().ok().copied().flatten().and_then(Score::new)
            },
            rules.into(),
        );
        self.score = decision?;
        match change {
            Change::Added => self.added += 1,
            Change::Moved => self.moved += 1,
            Change::Declined | Change::Same => {}
        }
        Ok(())
    }
}

pub(super) fn zadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    add(ctx, args, AddOptions::default())
}

fn zincrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    add(ctx, args, AddOptions { increment: true, ..AddOptions::default() })
}

fn add(ctx: &mut Ctx<'_>, args: Args<'_>, options: AddOptions) -> Result<(), ReplyError> {
    let (options, first) = AddOptions::parse(args, options)?;
    let (key, pairs) = (&args[1], args.from(first));
    // All scores are looked at before anything changes; that of the first is kept, since most requests have one.
    let first_score = parse_f64(&pairs[0]).ok_or(ReplyError::NotFloat)?;
    if (2..pairs.len()).step_by(2).any(|index| parse_f64(&pairs[index]).is_none()) {
        return Err(ReplyError::NotFloat);
    }
    let edited = ctx.edit_or_create(key, |set: &mut SortedSet, _, rules| {
        if !options.present || !set.is_empty() {
            let longest = (1..pairs.len()).step_by(2).map(|index| pairs[index].len()).max();
            set.expect(longest.unwrap_or(0), pairs.len() / 2, rules.into());
        }
        let mut added = Added::default();
        added.apply(options, set, &pairs[1], first_score, rules)?;
        for index in (2..pairs.len()).step_by(2) {
            let score = parse_f64(&pairs[index]).unwrap_or_default();
            added.apply(options, set, &pairs[index + 1], score, rules)?;
        }
        Ok(added)
    })?;
    let added: Added = edited.result?;
    match added.score {
        Some(score) if options.increment => ctx.reply.double(score),
        None if options.increment => ctx.reply.null(),
        _ => ctx.reply.len(if options.changed { added.added + added.moved } else { added.added }),
    }
    if added.added + added.moved > 0 {
        let event = if options.increment { "zincr" } else { "zadd" };
        ctx.tell_edit(key, KeyspaceEvents::ZSET, event, added.added + added.moved, edited.emptied);
    }
    Ok(())
}

fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let (key, members) = (&args[1], args.from(2));
    let edited = ctx.edit_typed(key, |set: &mut SortedSet, _, _| {
        members.iter().filter(|member| set.remove(member).is_some()).count()
    })?;
    let removed = edited.map_or(0, |edited| edited.result);
    ctx.reply.len(removed);
    if let Some(edited) = edited.filter(|edited| edited.result > 0) {
        ctx.tell_edit(key, KeyspaceEvents::ZSET, "zrem", removed, edited.emptied);
    }
    Ok(())
}

fn zcard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<SortedSet, _>(&args[1], |set, reply| reply.len(set.map_or(0, SortedSetView::len)))
}

fn zscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<SortedSet, _>(&args[1], |set, reply| {
        reply_score(reply, set.and_then(|set| set.score(&args[2])));
    })
}

fn zmscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let members = args.from(2);
    ctx.view_typed::<SortedSet, _>(&args[1], |set, reply| {
        reply.array(members.len());
        members.iter().for_each(|member| reply_score(reply, set.and_then(|set| set.score(member))));
    })
}

fn reply_score(reply: &mut Reply<'_>, score: Option<f64>) {
    match score {
        None => reply.null(),
        Some(score) => reply.double(score),
    }
}

fn zrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    rank(ctx, args, "zrank", |rank, _| rank)
}

fn zrevrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    rank(ctx, args, "zrevrank", |rank, len| len - 1 - rank)
}

fn rank(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    command: &str,
    shown: impl FnOnce(usize, usize) -> usize,
) -> Result<(), ReplyError> {
    let with_score = match args.len() {
        3 => false,
        4 if args.is(3, "WITHSCORE") => true,
        4 => return Err(ReplyError::Syntax),
        _ => return Err(ReplyError::arity(command)),
    };
    ctx.view_typed::<SortedSet, _>(&args[1], |set, reply| {
        let found = set.and_then(|set| set.rank(&args[2]).map(|(rank, score)| (shown(rank, set.len()), score)));
        match found {
            None if with_score => reply.null_array(),
            None => reply.null(),
            Some((rank, score)) => {
                if with_score {
                    reply.array(2);
                }
                reply.len(rank);
                if with_score {
                    reply.double(score);
                }
            }
        }
    })
}

fn zscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    scan_within::<SortedSet>(ctx, args, |set, cursor, page| {
        // A listpack has scores as text, which is shown; other scores are shown with 17 digits.
        let is_text = set.elements().is_some();
        set.scan(cursor, page.count(), |member, score| {
            let mut buffer = [0; DOUBLE_BYTES_MAX];
            let score = if is_text { format_double(score, &mut buffer) } else { format_precise(score, &mut buffer) };
            page.push_pair(member, score);
        })
    })
}

/// How replies have members with their scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One after the other in the array of all.
    Flat,
    /// Members only.
    Members,
    /// Each pair is an array.
    Nested,
}

impl Shape {
    /// That of commands with an option for scores: an array of pairs in RESP3.
    fn of(protocol: Protocol, with_scores: bool) -> Self {
        match (protocol, with_scores) {
            (_, false) => Self::Members,
            (Protocol::Resp2, true) => Self::Flat,
            (Protocol::Resp3, true) => Self::Nested,
        }
    }

    /// Elements of the outer array.
    const fn words(self, members: usize) -> usize {
        match self {
            Self::Flat => members * 2,
            Self::Members | Self::Nested => members,
        }
    }

    fn reply(self, reply: &mut Reply<'_>, member: Element<'_>, score: f64) {
        if self == Self::Nested {
            reply.array(2);
        }
        reply_member(reply, member);
        if self != Self::Members {
            reply.double(score);
        }
    }
}

/// Puts a sorted set in the place of whatever the target has; an empty one only removes that.
pub(super) fn store(ctx: &mut Ctx<'_>, target: &[u8], set: SortedSet, event: &str) {
    let len = set.len();
    if ctx.store_typed(target, set) {
        ctx.notify(KeyspaceEvents::GENERIC, "del", target);
    } else if len > 0 {
        ctx.notify(KeyspaceEvents::ZSET, event, target);
    }
    ctx.reply.len(len);
}

#[cfg(test)]
mod tests;
