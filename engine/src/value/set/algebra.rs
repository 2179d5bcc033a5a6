//! What several sets have in common, together, or apart.
//!
//! Members are handed to a closure, so that nothing is stored for a reply or a count. Start at [`intersect`].

use std::ops::ControlFlow;

use super::{Set, SetView};
use crate::value::listpack::Element;
use crate::value::{Collection, Rules, Typed};

/// Visits the members that all sets have, until `visit` breaks. No sets have no members in common.
pub fn intersect<'a>(sets: &[SetView<'a>], mut visit: impl FnMut(Element<'a>) -> ControlFlow<()>) {
    let mut sets = sets.to_vec();
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        if others.iter().all(|other| other.contains_element(member)) && visit(member).is_break() {
            return;
        }
    }
}

/// All members of the sets; each comes once. `first` is where they are collected: usually empty.
pub fn unite(first: Set, sets: &[SetView<'_>], rules: Rules<'_>) -> Set {
    let mut all = first;
    for member in sets.iter().flat_map(|set| set.iter()) {
        all.insert(member.text(&mut itoa::Buffer::new()), rules);
    }
    all
}

/// The members of the first set that none of the others has.
///
/// Looks each one up in all others, or takes the others' members out of a copy: whichever costs less, by the rule
/// of Redis (`sunionDiffGenericCommand`, `t_set.c`).
pub fn subtract(first: SetView<'_>, others: &[SetView<'_>], rules: Rules<'_>) -> Set {
    let mut rest = Set::default();
    let lookups = first.len().saturating_mul(others.len() + 1) / 2;
    let removals = others.iter().map(|other| other.len()).sum::<usize>() + first.len();
    if lookups <= removals {
        // The largest set is the likeliest to have a member.
        let mut others = others.to_vec();
        others.sort_by_key(|other| std::cmp::Reverse(other.len()));
        for member in first.iter().filter(|member| !others.iter().any(|other| other.contains_element(*member))) {
            rest.insert(member.text(&mut itoa::Buffer::new()), rules);
        }
        return rest;
    }
    rest = unite(rest, &[first], rules);
    for member in others.iter().flat_map(|other| other.iter()) {
        rest.remove(member.text(&mut itoa::Buffer::new()));
        if rest.view().is_empty() {
            break;
        }
    }
    // In the form of the larger set that it was, as in Redis.
    rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ops::ControlFlow;

    use super::{intersect, subtract, unite};
    use crate::rng::Rng;
    use crate::value::set::{Set, SetView};
    use crate::value::{OwnRules, Typed};

    type Model = BTreeSet<Vec<u8>>;

    fn model(set: &Set) -> Model {
        set.view().iter().map(|member| member.to_vec()).collect()
    }

    fn random_set(rng: &mut Rng, own: &OwnRules) -> Set {
        let (mut set, len, words) = (Set::default(), rng.index(400), rng.chance(50));
        for _ in 0..len {
            let number = rng.below(300);
            let member = if words && number.is_multiple_of(3) { format!("m{number}") } else { number.to_string() };
            set.insert(member.as_bytes(), own.rules());
        }
        set
    }

    #[test]
    fn results_are_those_of_mathematics() {
        let (own, mut rng) = (OwnRules::default(), Rng::new(11));
        for _ in 0..300 {
            let sets: Vec<Set> = (0..=rng.index(4)).map(|_| random_set(&mut rng, &own)).collect();
            let refs: Vec<SetView<'_>> = sets.iter().map(Typed::view).collect();
            let models: Vec<Model> = sets.iter().map(model).collect();

            let mut common = Model::new();
            intersect(&refs, |member| {
                assert!(common.insert(member.to_vec()));
                ControlFlow::Continue(())
            });
            let all = unite(Set::default(), &refs, own.rules());
            let rest = subtract(refs[0], &refs[1..], own.rules());

            let (first, others) = models.split_first().unwrap();
            let expected: Model = first.iter().filter(|m| others.iter().all(|o| o.contains(*m))).cloned().collect();
            assert_eq!(common, expected);
            assert_eq!(model(&all), models.iter().flatten().cloned().collect());
            let expected: Model = first.iter().filter(|m| !others.iter().any(|o| o.contains(*m))).cloned().collect();
            assert_eq!(model(&rest), expected);
        }
    }

    #[test]
    fn an_intersection_stops_when_it_is_told() {
        let own = OwnRules::default();
        let mut set = Set::default();
        (0..100).for_each(|number: u8| assert!(set.insert(&[b'a', number], own.rules())));
        let mut seen = 0;

        intersect(&[set.view(), set.view()], |_| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });

        assert_eq!(seen, 3);
    }
}
