//! Sorted sets: what several have in common, together, or apart. Sets take part with scores of 1.

use super::{Shape, store};
use crate::command::Ctx;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::number::parse_f64;
use crate::resp::args::Args;
use crate::value::set::Set;
use crate::value::sorted::SortedSet;
use crate::value::sorted_algebra::{Aggregate, Input, Source, common, difference, result, union};
use crate::value::{Rules, Typed};

/// What is made of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Diff,
    Inter,
    Union,
}

/// Where the result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Count,
    Reply,
    Store,
}

pub(super) fn zunion(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Operation::Union)
}

pub(super) fn zinter(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Operation::Inter)
}

pub(super) fn zdiff(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    show(ctx, args, Operation::Diff)
}

pub(super) fn zunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    store_result(ctx, args, Operation::Union, "zunionstore")
}

pub(super) fn zinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    store_result(ctx, args, Operation::Inter, "zinterstore")
}

pub(super) fn zdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    store_result(ctx, args, Operation::Diff, "zdiffstore")
}

fn store_result(ctx: &mut Ctx<'_>, args: Args<'_>, operation: Operation, event: &str) -> Result<(), ReplyError> {
    let mut result = request(ctx, args, operation, Outcome::Store)?.run(ctx);
    result.make_small_if_fits(ctx.core.rules().into());
    store(ctx, &args[1], result, event);
    Ok(())
}

pub(super) fn zintercard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = request(ctx, args, Operation::Inter, Outcome::Count)?;
    let mut len = 0;
    if request.all_found() {
        common(&request.inputs(ctx), Aggregate::Sum, |_, _| {
            len += 1;
            len != request.limit
        });
    }
    ctx.reply.len(len);
    Ok(())
}

fn show(ctx: &mut Ctx<'_>, args: Args<'_>, operation: Operation) -> Result<(), ReplyError> {
    let request = request(ctx, args, operation, Outcome::Reply)?;
    let result = request.run(ctx);
    let shape = Shape::of(ctx.reply.protocol(), request.with_scores);
    ctx.reply.array(shape.words(result.len()));
    result.view().iter().for_each(|(member, score)| shape.reply(&mut ctx.reply, member, score));
    Ok(())
}

/// A request that was understood, and whose keys were looked up.
struct Request<'a> {
    keys: Args<'a>,
    /// Whether each key is there for this client.
    found: Vec<bool>,
    /// One for each key.
    weights: Vec<f64>,
    aggregate: Aggregate,
    operation: Operation,
    with_scores: bool,
    /// The number at which ZINTERCARD stops; 0 for none.
    limit: usize,
}

fn request<'a>(
    ctx: &mut Ctx<'_>,
    args: Args<'a>,
    operation: Operation,
    outcome: Outcome,
) -> Result<Request<'a>, ReplyError> {
    let count_at = if outcome == Outcome::Store { 2 } else { 1 };
    let count = integer(&args[count_at])?;
    let Some(count) = usize::try_from(count).ok().filter(|&count| count > 0) else {
        let before = "ERR at least 1 input key is needed for '";
        return Err(ReplyError::naming(before, &args[0].to_ascii_lowercase(), "' command"));
    };
    let rest = args.from(count_at + 1);
    if count > rest.len() {
        return Err(ReplyError::Syntax);
    }
    let keys = rest.first(count);
    // Keys of the wrong type are told before wrong options are.
    let found = keys.iter().map(|key| look_up(ctx, key)).collect::<Result<_, _>>()?;
    let (aggregate, weights) = (Aggregate::Sum, vec![1.0; count]);
    let mut request = Request { keys, found, weights, aggregate, operation, with_scores: false, limit: 0 };
    request.take_options(rest.from(count), outcome)?;
    Ok(request)
}

impl Request<'_> {
    fn take_options(&mut self, words: Args<'_>, outcome: Outcome) -> Result<(), ReplyError> {
        let computes_scores = self.operation != Operation::Diff && outcome != Outcome::Count;
        let mut index = 0;
        while index < words.len() {
            let left = words.len() - index;
            if computes_scores && left > self.weights.len() && words.is(index, "WEIGHTS") {
                for (weight, word) in self.weights.iter_mut().zip(words.from(index + 1).iter()) {
                    *weight = parse_f64(word).ok_or(ReplyError::Fixed("ERR weight value is not a float"))?;
                }
                index += 1 + self.weights.len();
            } else if computes_scores && left >= 2 && words.is(index, "AGGREGATE") {
                let aggregates = [("SUM", Aggregate::Sum), ("MIN", Aggregate::Min), ("MAX", Aggregate::Max)];
                let found = aggregates.into_iter().find(|(word, _)| words.is(index + 1, word));
                self.aggregate = found.ok_or(ReplyError::Syntax)?.1;
                index += 2;
            } else if outcome == Outcome::Reply && words.is(index, "WITHSCORES") {
                self.with_scores = true;
                index += 1;
            } else if outcome == Outcome::Count && left >= 2 && words.is(index, "LIMIT") {
                let limit = integer(&words[index + 1]).ok().and_then(|limit| usize::try_from(limit).ok());
                self.limit = limit.ok_or(ReplyError::Fixed("ERR LIMIT can't be negative"))?;
                index += 2;
            } else {
                return Err(ReplyError::Syntax);
            }
        }
        Ok(())
    }

    fn all_found(&self) -> bool {
        self.found.iter().all(|&found| found)
    }

    fn run(&self, ctx: &Ctx<'_>) -> SortedSet {
        let (inputs, rules): (_, Rules<'_>) = (self.inputs(ctx), ctx.core.rules());
        match self.operation {
            Operation::Diff if !self.found[0] => SortedSet::new(),
            Operation::Diff => difference(&inputs, rules),
            Operation::Union => union(&inputs, self.aggregate, rules),
            Operation::Inter => {
                let mut result = result(rules);
                if self.all_found() {
                    common(&inputs, self.aggregate, |member, score| {
                        result.insert(member, score, rules.into());
                        true
                    });
                }
                result
            }
        }
    }

    /// The inputs of the keys that were found.
    fn inputs<'e>(&self, ctx: &'e Ctx<'_>) -> Vec<Input<'e>> {
        let db = ctx.session.db;
        let keys = self.keys.iter().zip(&self.weights).zip(&self.found).filter(|(_, found)| **found);
        keys.filter_map(|((key, &weight), _)| {
            let sorted = ctx.core.held::<SortedSet>(db, key).map(Source::Sorted);
            let source = sorted.or_else(|| ctx.core.held::<Set>(db, key).map(Source::Plain))?;
            Some(Input { source, weight })
        })
        .collect()
    }
}

/// Looks a key up as a command does. Returns whether it is there.
fn look_up(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, ReplyError> {
    use crate::value::Kind;
    ctx.view(key, |entry, _| match entry.map(|entry| entry.value().kind()) {
        None => Ok(false),
        Some(Kind::Set | Kind::SortedSet) => Ok(true),
        Some(Kind::Hash | Kind::List | Kind::Stream | Kind::String) => Err(ReplyError::WrongType),
    })
}
