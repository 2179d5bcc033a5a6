//! Sorted sets: random members.

use super::Shape;
use crate::command::Ctx;
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::value::sorted::SortedSet;

pub(super) fn zrandmember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if args.len() == 2 {
        return one(ctx, &args[1]);
    }
    let count = integer(&args[2])?;
    if count == i64::MIN {
        return Err(ReplyError::Fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    let with_scores = match args.len() {
        3 => false,
        4 if args.is(3, "WITHSCORES") => true,
        _ => return Err(ReplyError::Syntax),
    };
    if (with_scores && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2) || count < -REPEATS_MAX {
        return Err(ReplyError::Fixed("ERR value is out of range"));
    }
    many(ctx, &args[1], count, with_scores)
}

fn one(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), ReplyError> {
    let mut rng = ctx.core.rng.fork();
    ctx.view_typed::<SortedSet, _>(key, |set, reply| match set {
        None => reply.null(),
        Some(set) => {
            let rank = rng.index(set.len());
            set.range(rank..rank + 1).for_each(|(member, score)| Shape::Members.reply(reply, member, score));
        }
    })
}

fn many(ctx: &mut Ctx<'_>, key: &[u8], count: i64, with_scores: bool) -> Result<(), ReplyError> {
    let mut rng = ctx.core.rng.fork();
    ctx.view_typed::<SortedSet, _>(key, |set, reply| {
        let Some(set) = set else { return reply.array(0) };
        let shape = Shape::of(reply.protocol(), with_scores);
        let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count < 0 {
            reply.array(shape.words(wanted));
            for _ in 0..wanted {
                let rank = rng.index(set.len());
                set.range(rank..rank + 1).for_each(|(member, score)| shape.reply(reply, member, score));
            }
            return;
        }
        let wanted = wanted.min(set.len());
        reply.array(shape.words(wanted));
        if wanted == set.len() {
            return set.iter().for_each(|(member, score)| shape.reply(reply, member, score));
        }
        for rank in ranks(&mut rng, wanted, set.len()) {
            set.range(rank..rank + 1).for_each(|(member, score)| shape.reply(reply, member, score));
        }
    })
}

/// So many different ranks out of `len`, each selection as likely as any other (Floyd's algorithm).
fn ranks(rng: &mut crate::rng::Rng, count: usize, len: usize) -> std::collections::BTreeSet<usize> {
    let mut ranks = std::collections::BTreeSet::new();
    for last in len - count..len {
        let rank = rng.index(last + 1);
        if !ranks.insert(rank) {
            ranks.insert(last);
        }
    }
    ranks
}

/// Repetitions one reply has at most, as for sets: the reply of a sorted set of short members is then 500 MB.
const REPEATS_MAX: i64 = 1 << 26;

#[cfg(test)]
mod tests {
    use super::ranks;
    use crate::rng::Rng;

    #[test]
    fn any_selection_of_ranks_is_as_likely_as_another() {
        let mut rng = Rng::new(3);
        let mut seen = [0_usize; 10];

        for _ in 0..20_000 {
            let picked = ranks(&mut rng, 3, 10);
            assert_eq!(picked.len(), 3);
            picked.into_iter().for_each(|rank| seen[rank] += 1);
        }

        assert!(seen.iter().all(|&count| (5_600..6_400).contains(&count)), "{seen:?}");
        assert_eq!(ranks(&mut rng, 4, 4).into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(ranks(&mut rng, 0, 4).is_empty());
    }
}
