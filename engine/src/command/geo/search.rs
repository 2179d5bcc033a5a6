//! Searches: GEOSEARCH, GEOSEARCHSTORE, and the GEORADIUS family before them.

use std::ops::Bound;

use super::options::{Form, Order, Query};
use super::{reply_distance, reply_point};
use crate::command::Ctx;
use crate::command::set::reply_member;
use crate::command::sorted::store;
use crate::error::ReplyError;
use crate::geo::Point;
use crate::geo::area::Area;
use crate::geo::hash::position_of;
use crate::resp::args::Args;
use crate::resp::reply::Reply;
use crate::value::Typed;
use crate::value::listpack::Element;
use crate::value::sorted::{Score, SortedSet, SortedSetView};

pub(super) fn georadius(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    search(ctx, args, Form::Radius { may_store: true })
}

pub(super) fn georadius_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    search(ctx, args, Form::Radius { may_store: false })
}

pub(super) fn georadiusbymember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    search(ctx, args, Form::RadiusByMember { may_store: true })
}

pub(super) fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    search(ctx, args, Form::RadiusByMember { may_store: false })
}

pub(super) fn geosearch(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    search(ctx, args, Form::Search)
}

pub(super) fn geosearchstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    search(ctx, args, Form::SearchStore)
}

/// A member that was found.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    member: Element<'a>,
    score: f64,
    position: Point,
    /// Meters from the center.
    meters: f64,
}

fn search(ctx: &mut Ctx<'_>, args: Args<'_>, form: Form) -> Result<(), ReplyError> {
    let source = args.at(form.source_at());
    let is_there = ctx.view_typed::<SortedSet, _>(source, |set, _| set.is_some())?;
    let set = if is_there { ctx.core.held::<SortedSet>(ctx.session.db, source) } else { None };
    let query = Query::parse(args, form, set)?;
    let found = match (set, &query.area) {
        (Some(set), Some(area)) => results(set, area, &query),
        _ => Vec::new(),
    };
    let meters = query.area.as_ref().map_or(1.0, |area| area.unit.meters());
    let Some(target) = query.store else {
        let reply = &mut ctx.reply;
        reply.array(found.len());
        found.iter().for_each(|found| query.reply(reply, found, meters));
        return Ok(());
    };
    let rules = ctx.core.rules();
    let mut copy = SortedSet::new();
    copy.make_large(rules.hasher);
    for found in &found {
        let score = if query.store_distances { found.meters / meters } else { found.score };
        let score = Score::new(score).expect("distances and scores are numbers");
        copy.insert(found.member.text(&mut itoa::Buffer::new()), score, rules.into());
    }
    copy.make_small_if_fits(rules.into());
    let len = copy.len();
    let event = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
    store(ctx, target, copy, event);
    // Each result counts as a change here, unlike in other commands that store.
    ctx.count_changes(len.saturating_sub(1) as u64);
    Ok(())
}

/// The members in an area, in the order and number that were asked for.
fn results<'a>(set: SortedSetView<'a>, area: &Area, query: &Query<'_>) -> Vec<Found<'a>> {
    let enough = if query.any { query.count } else { usize::MAX };
    let mut results = Vec::new();
    'cells: for cell in area.cells() {
        let scores = cell.scores();
        let ranks = set.ranks_by_score(Bound::Included(scores.start), Bound::Excluded(scores.end));
        for (member, score) in set.range(ranks) {
            if results.len() >= enough {
                break 'cells;
            }
            let position = position_of(score);
            if let Some(meters) = area.distance_to(position) {
                results.push(Found { member, score, position, meters });
            }
        }
    }
    match query.order {
        None => {}
        Some(Order::Ascending) => results.sort_by(|one, other| one.meters.total_cmp(&other.meters)),
        Some(Order::Descending) => results.sort_by(|one, other| other.meters.total_cmp(&one.meters)),
    }
    if query.count > 0 {
        results.truncate(query.count);
    }
    results
}

impl Query<'_> {
    fn reply(&self, reply: &mut Reply<'_>, found: &Found<'_>, unit_meters: f64) {
        let more = [self.with_distance, self.with_hash, self.with_coordinates].iter().filter(|&&with| with).count();
        if more > 0 {
            reply.array(1 + more);
        }
        reply_member(reply, found.member);
        if self.with_distance {
            reply_distance(reply, found.meters / unit_meters);
        }
        if self.with_hash {
            reply.int(found.score as i64);
        }
        if self.with_coordinates {
            reply_point(reply, found.position);
        }
    }
}
