//! What several sorted sets have in common, together, or apart. Sets take part, too.
//!
//! Scores are multiplied by the weight of their input and then taken together; whatever is not a number becomes 0, as
//! in Redis. Inputs are taken from the smallest to the largest, since the order of additions shows in their sum.

use super::listpack::Element;
use super::set::SetView;
use super::sorted::{Score, SortedSet, SortedSetView};
use super::{Collection, Rules};

/// How the scores of a member become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// The highest.
    Max,
    /// The lowest.
    Min,
    /// Their sum.
    Sum,
}

impl Aggregate {
    fn apply(self, total: f64, score: f64) -> f64 {
        match self {
            Self::Max if score > total => score,
            Self::Min if score < total => score,
            Self::Max | Self::Min => total,
            // The sum of opposite infinities.
            Self::Sum => number_or_zero(total + score),
        }
    }
}

/// One of several inputs.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Members and scores.
    pub source: Source<'a>,
    /// What its scores are multiplied by.
    pub weight: f64,
}

/// A value whose members can be taken together with others.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A set: each score is 1.
    Plain(SetView<'a>),
    /// A sorted set.
    Sorted(SortedSetView<'a>),
}

impl<'a> Source<'a> {
    fn len(self) -> usize {
        match self {
            Self::Plain(set) => set.len(),
            Self::Sorted(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Plain(set) => set.contains(member).then_some(1.0),
            Self::Sorted(set) => set.score(member),
        }
    }

    fn iter(self) -> Box<dyn Iterator<Item = (Element<'a>, f64)> + 'a> {
        match self {
            Self::Plain(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Self::Sorted(set) => Box::new(set.iter()),
        }
    }
}

/// Visits the members that all inputs have, until `visit` returns false. No inputs have no members in common.
pub fn common(inputs: &[Input<'_>], aggregate: Aggregate, mut visit: impl FnMut(&[u8], Score) -> bool) {
    let inputs = by_size(inputs);
    let Some((smallest, others)) = inputs.split_first() else { return };
    for (member, score) in smallest.source.iter() {
        let mut digits = itoa::Buffer::new();
        let name = member.text(&mut digits);
        let first = Some(number_or_zero(smallest.weight * score));
        let total = others.iter().try_fold(first, |total, other| {
            let score = other.source.score(name)?;
            Some(total.map(|total| aggregate.apply(total, score * other.weight)))
        });
        if let Some(score) = total.flatten().and_then(Score::new)
            && !visit(name, score)
        {
            return;
        }
    }
}

/// All members of all inputs.
pub fn union(inputs: &[Input<'_>], aggregate: Aggregate, rules: Rules<'_>) -> SortedSet {
    let mut all = result(rules);
    for Input { source, weight } in by_size(inputs) {
        for (member, score) in source.iter() {
            let score = number_or_zero(weight * score);
            let mut digits = itoa::Buffer::new();
            let name = member.text(&mut digits);
            let mut turned = None;
            let decide = |present: Option<f64>| {
                let total = present.map_or(score, |total| aggregate.apply(total, score));
                let turns = |present: f64| present == total && present.is_sign_negative() != total.is_sign_negative();
                turned = present.is_some_and(turns).then_some(total);
                Score::new(total)
            };
            all.update(name, decide, rules.into());
            // A zero of the other sign is the same score to whoever updates one, and is kept apart here as in Redis.
            if let Some(total) = turned.and_then(Score::new) {
                all.remove(name);
                all.insert(name, total, rules.into());
            }
        }
    }
    all
}

/// The members of the first input that no other has, with their scores; weights do not matter.
pub fn difference(inputs: &[Input<'_>], rules: Rules<'_>) -> SortedSet {
    let mut rest = result(rules);
    let Some((first, others)) = inputs.split_first() else { return rest };
    for (member, score) in first.source.iter() {
        let mut digits = itoa::Buffer::new();
        let name = member.text(&mut digits);
        if let Some(score) = Score::new(score)
            && !others.iter().any(|other| other.source.score(name).is_some())
        {
            rest.insert(name, score, rules.into());
        }
    }
    rest
}

/// An empty sorted set in the large form, which keeps a score of -0, as all results do until they are stored: see
/// [`SortedSet::make_small_if_fits`].
pub fn result(rules: Rules<'_>) -> SortedSet {
    let mut set = SortedSet::new();
    set.make_large(rules.hasher);
    set
}

fn by_size<'a>(inputs: &[Input<'a>]) -> Vec<Input<'a>> {
    let mut inputs = inputs.to_vec();
    inputs.sort_by_key(|input| input.source.len());
    inputs
}

/// Infinity times zero, and infinity less infinity, are 0.
fn number_or_zero(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number }
}

#[cfg(test)]
mod tests {
    use super::{Aggregate, Input, Source, common, difference, union};
    use crate::value::OwnRules;
    use crate::value::Typed;
    use crate::value::set::Set;
    use crate::value::sorted::{Score, SortedSet};

    fn sorted(pairs: &[(&str, f64)], own: &OwnRules) -> SortedSet {
        let mut set = SortedSet::new();
        for (member, score) in pairs {
            set.insert(member.as_bytes(), Score::new(*score).unwrap(), own.rules().into());
        }
        set
    }

    fn shown(set: &SortedSet) -> Vec<(String, f64)> {
        set.view().iter().map(|(member, score)| (String::from_utf8(member.to_vec()).unwrap(), score)).collect()
    }

    fn intersection(inputs: &[Input<'_>], aggregate: Aggregate, own: &OwnRules) -> SortedSet {
        let mut result = SortedSet::new();
        common(inputs, aggregate, |member, score| {
            result.insert(member, score, own.rules().into());
            true
        });
        result
    }

    #[test]
    fn scores_are_weighted_and_taken_together() {
        let own = OwnRules::default();
        let (one, other) =
            (sorted(&[("a", 1.0), ("b", 5.0), ("c", 3.0)], &own), sorted(&[("b", 2.0), ("c", 9.0)], &own));
        let mut plain = Set::default();
        plain.insert(b"c", own.rules());
        let inputs = [
            Input { source: Source::Sorted(one.view()), weight: 2.0 },
            Input { source: Source::Sorted(other.view()), weight: 1.0 },
            Input { source: Source::Plain(plain.view()), weight: -1.0 },
        ];
        let pair = |name: &str, score: f64| (name.to_owned(), score);

        let all = |aggregate| shown(&union(&inputs, aggregate, own.rules()));
        assert_eq!(all(Aggregate::Sum), [pair("a", 2.0), pair("b", 12.0), pair("c", 14.0)]);
        assert_eq!(all(Aggregate::Min), [pair("c", -1.0), pair("a", 2.0), pair("b", 2.0)]);
        assert_eq!(all(Aggregate::Max), [pair("a", 2.0), pair("c", 9.0), pair("b", 10.0)]);
        assert_eq!(shown(&intersection(&inputs, Aggregate::Sum, &own)), [pair("c", 14.0)]);
        assert_eq!(shown(&intersection(&inputs[..2], Aggregate::Max, &own)), [pair("c", 9.0), pair("b", 10.0)]);
        assert_eq!(shown(&difference(&inputs, own.rules())), [pair("a", 1.0)]);
        assert!(intersection(&[], Aggregate::Sum, &own).view().is_empty());
    }

    #[test]
    fn what_is_not_a_number_counts_as_zero() {
        let own = OwnRules::default();
        let (up, down) = (sorted(&[("m", f64::INFINITY)], &own), sorted(&[("m", f64::NEG_INFINITY)], &own));
        let weighted = |source, weight| Input { source: Source::Sorted(source), weight };

        for inputs in [
            [weighted(up.view(), 1.0), weighted(down.view(), 1.0)],
            [weighted(up.view(), 0.0), weighted(up.view(), 0.0)],
        ] {
            assert_eq!(union(&inputs, Aggregate::Sum, own.rules()).view().score(b"m"), Some(0.0));
            assert_eq!(intersection(&inputs, Aggregate::Sum, &own).view().score(b"m"), Some(0.0));
        }
    }
}
