//! Sorted sets: ranges by rank, score and text, shown, counted, stored or removed.
//!
//! Every range becomes one of ranks; start at [`Query::parse`].

use std::ops::Range;

use super::bounds::{NameRange, RankRange, ScoreRange};
use super::{Shape, store};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::value::Typed;
use crate::value::listpack::Element;
use crate::value::sorted::{Score, SortedSet, SortedSetRules, SortedSetView};

/// What a range is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Name,
    Rank,
    Score,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Down,
    Up,
}

/// What a command's name says already.
#[derive(Debug, Clone, Copy)]
struct Form {
    by: Option<By>,
    direction: Option<Direction>,
    /// The word of the key that is read.
    key_at: usize,
    takes_scores: bool,
}

impl Form {
    const fn shown(by: By, direction: Direction) -> Self {
        Self { by: Some(by), direction: Some(direction), key_at: 1, takes_scores: true }
    }
}

/// A range that was asked for.
#[derive(Debug, Clone, Copy)]
struct Query<'a> {
    bounds: Bounds<'a>,
    direction: Direction,
    offset: i64,
    limit: i64,
    with_scores: bool,
}

#[derive(Debug, Clone, Copy)]
enum Bounds<'a> {
    Names(NameRange<'a>),
    Ranks(RankRange),
    Scores(ScoreRange),
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>, form: Form) -> Result<Self, ReplyError> {
        let (mut by, mut direction) = (form.by, form.direction);
        let (mut offset, mut limit, mut with_scores) = (0, NO_LIMIT, false);
        let mut index = form.key_at + 3;
        while index < args.len() {
            if form.takes_scores && args.is(index, "WITHSCORES") {
                with_scores = true;
            } else if args.is(index, "LIMIT") && args.len() > index + 2 {
                (offset, limit) = (integer(&args[index + 1])?, integer(&args[index + 2])?);
                index += 2;
            } else if direction.is_none() && args.is(index, "REV") {
                direction = Some(Direction::Down);
            } else if by.is_none() && args.is(index, "BYLEX") {
                by = Some(By::Name);
            } else if by.is_none() && args.is(index, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(ReplyError::Syntax);
            }
            index += 1;
        }
        let (by, direction) = (by.unwrap_or(By::Rank), direction.unwrap_or(Direction::Up));
        if limit != NO_LIMIT && by == By::Rank {
            return Err(LIMITED_RANKS);
        }
        if with_scores && by == By::Name {
            return Err(SCORED_NAMES);
        }
        let ends = (args.at(form.key_at + 1), args.at(form.key_at + 2));
        let bounds = Bounds::parse(by, direction, ends)?;
        Ok(Self { bounds, direction, offset, limit, with_scores })
    }

    /// The ranks from the lowest score on, whatever the direction.
    fn ranks(&self, set: SortedSetView<'_>) -> Range<usize> {
        let Range { start, end } = match self.bounds {
            Bounds::Names(names) => names.of(set),
            Bounds::Scores(scores) => scores.of(set),
            Bounds::Ranks(ranks) => {
                let Range { start, end } = ranks.of(set.len());
                return match self.direction {
                    Direction::Up => start..end,
                    Direction::Down => set.len() - end..set.len() - start,
                };
            }
        };
        let Ok(skipped) = usize::try_from(self.offset) else { return 0..0 };
        let left = (end - start).saturating_sub(skipped);
        // A negative limit is none.
        let len = usize::try_from(self.limit).map_or(left, |limit| left.min(limit));
        match self.direction {
            Direction::Up => end - left..end - left + len,
            Direction::Down => start + left - len..start + left,
        }
    }

    /// Visits the members in the order that was asked for.
    fn visit<'s>(&self, set: SortedSetView<'s>, ranks: Range<usize>, mut visit: impl FnMut(Element<'s>, f64)) {
        let members = set.range(ranks);
        match self.direction {
            Direction::Down => members.rev().for_each(|(member, score)| visit(member, score)),
            Direction::Up => members.for_each(|(member, score)| visit(member, score)),
        }
    }
}

impl<'a> Bounds<'a> {
    fn parse(by: By, direction: Direction, (first, last): (&'a [u8], &'a [u8])) -> Result<Self, ReplyError> {
        // Downwards the larger bound comes first, but ranks count from the end that comes first.
        let (min, max) = if direction == Direction::Down { (last, first) } else { (first, last) };
        Ok(match by {
            By::Name => Self::Names(NameRange::parse(min, max)?),
            By::Rank => Self::Ranks(RankRange { start: integer(first)?, end: integer(last)? }),
            By::Score => Self::Scores(ScoreRange::parse(min, max)?),
        })
    }

    fn ranks(&self, set: SortedSetView<'_>) -> Range<usize> {
        match self {
            Self::Names(names) => names.of(set),
            Self::Ranks(ranks) => ranks.of(set.len()),
            Self::Scores(scores) => scores.of(set),
        }
    }
}

pub(super) fn zrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Form { by: None, direction: None, key_at: 1, takes_scores: true })
}

pub(super) fn zrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Form::shown(By::Rank, Direction::Down))
}

pub(super) fn zrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Form::shown(By::Score, Direction::Up))
}

pub(super) fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Form::shown(By::Score, Direction::Down))
}

pub(super) fn zrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Form::shown(By::Name, Direction::Up))
}

pub(super) fn zrevrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Form::shown(By::Name, Direction::Down))
}

fn show(ctx: &mut Ctx<'_>, args: Args<'_>, form: Form) -> Result<(), ReplyError> {
    let query = Query::parse(args, form)?;
    ctx.view_typed::<SortedSet, _>(&args[form.key_at], |set, reply| {
        let Some(set) = set else { return reply.array(0) };
        let ranks = query.ranks(set);
        let shape = Shape::of(reply.protocol(), query.with_scores);
        reply.array(shape.words(ranks.len()));
        query.visit(set, ranks, |member, score| shape.reply(reply, member, score));
    })
}

pub(super) fn zrangestore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let query = Query::parse(args, Form { by: None, direction: None, key_at: 2, takes_scores: false })?;
    let found = ctx.view_typed::<SortedSet, _>(&args[2], |set, _| set.is_some())?;
    let mut copy = SortedSet::new();
    if found && let Some(set) = ctx.core.held::<SortedSet>(ctx.session.db, &args[2]) {
        let rules = SortedSetRules::from(ctx.core.rules());
        query.visit(set, query.ranks(set), |member, score| {
            let score = Score::new(score).expect("no score in a set is NaN");
            copy.insert(member.text(&mut itoa::Buffer::new()), score, rules);
        });
    }
    store(ctx, &args[1], copy, "zrangestore");
    Ok(())
}

pub(super) fn zcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    count(ctx, &args[1], Bounds::parse(By::Score, Direction::Up, (&args[2], &args[3]))?)
}

pub(super) fn zlexcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    count(ctx, &args[1], Bounds::parse(By::Name, Direction::Up, (&args[2], &args[3]))?)
}

fn count(ctx: &mut Ctx<'_>, key: &[u8], bounds: Bounds<'_>) -> Result<(), ReplyError> {
    ctx.view_typed::<SortedSet, _>(key, |set, reply| reply.len(set.map_or(0, |set| bounds.ranks(set).len())))
}

pub(super) fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    remove(ctx, args, By::Rank, "zremrangebyrank")
}

pub(super) fn zremrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    remove(ctx, args, By::Score, "zremrangebyscore")
}

pub(super) fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    remove(ctx, args, By::Name, "zremrangebylex")
}

fn remove(ctx: &mut Ctx<'_>, args: Args<'_>, by: By, event: &str) -> Result<(), ReplyError> {
    let bounds = Bounds::parse(by, Direction::Up, (&args[2], &args[3]))?;
    let edited = ctx.edit_typed(&args[1], |set: &mut SortedSet, _, _| {
        let ranks = bounds.ranks(set.view());
        take_out(set, ranks)
    })?;
    let removed = edited.map(|edited| edited.result).unwrap_or_default();
    ctx.reply.len(removed.len);
    if removed.len > 0 {
        tell_removal(ctx, &args[1], event, removed);
    }
    Ok(())
}

/// Removes a range of ranks, but nothing when that is the whole set.
pub(super) fn take_out(set: &mut SortedSet, ranks: Range<usize>) -> Removed {
    let removed = Removed { len: ranks.len(), is_all: ranks.len() == set.len() };
    if !removed.is_all {
        set.remove_ranks(ranks);
    }
    removed
}

/// What a removal took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Removed {
    pub(super) len: usize,
    /// The key is still to be removed: large values are freed in pieces then.
    is_all: bool,
}

/// Tells of a removal, and finishes it.
pub(super) fn tell_removal(ctx: &mut Ctx<'_>, key: &[u8], event: &str, removed: Removed) {
    if removed.is_all {
        ctx.discard(key);
    }
    ctx.tell_edit(key, KeyspaceEvents::ZSET, event, removed.len, removed.is_all);
}

/// The limit of a request that has none.
const NO_LIMIT: i64 = -1;

const LIMITED_RANKS: ReplyError =
    ReplyError::Fixed("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
const SCORED_NAMES: ReplyError =
    ReplyError::Fixed("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
