//! Several random members of a set: with repetitions, without, or taken out.

use std::collections::BTreeSet;

use super::{Set, SetView};
use crate::rng::Rng;
use crate::value::listpack::Element;
use crate::value::{Collection, Rules, Typed};

impl<'a> SetView<'a> {
    /// Visits `count` different random members, all of them when there are no more. Each selection is as likely as
    /// any other; the order is not random.
    pub fn sample(self, rng: &mut Rng, count: usize, mut visit: impl FnMut(Element<'a>)) {
        let len = self.len();
        match self.as_table() {
            _ if count >= len => self.iter().for_each(visit),
            // Few of many: a pick that came before is picked again.
            Some(members) if count <= len / SPARSE => {
                let mut seen = BTreeSet::new();
                while seen.len() < count {
                    let Some(entry) = members.random(rng) else { return };
                    if seen.insert(entry.key().as_ptr().addr()) {
                        visit(Element::Bytes(entry.key()));
                    }
                }
            }
            _ => {
                let mut members: Vec<Element<'a>> = self.iter().collect();
                for taken in 0..count {
                    members.swap(taken, taken + rng.index(len - taken));
                    visit(members[taken]);
                }
            }
        }
    }
}

impl Set {
    /// Removes `count` different random members and returns them. There must be more than that: whoever takes all
    /// takes the set.
    ///
    /// A table of which little is left becomes compact, under the same condition as in Redis.
    pub fn pop(&mut self, rng: &mut Rng, count: usize, rules: Rules<'_>) -> Vec<Vec<u8>> {
        debug_assert!(count < self.view().len(), "whoever takes all takes the set");
        let left = self.view().len().saturating_sub(count);
        let mut popped = Vec::new();
        self.view().sample(rng, count, |member| popped.push(member.to_vec()));
        for member in &popped {
            self.remove(member);
        }
        if left.saturating_mul(MOVE_STRATEGY_FACTOR) <= count {
            self.compact(rules);
        }
        popped
    }
}

/// A sample of at most one in so many members is picked one by one, as in Redis (`SRANDMEMBER_SUB_STRATEGY_MUL`).
const SPARSE: usize = 3;

/// SPOP makes the set anew when this many times what is left are popped (`SPOP_MOVE_STRATEGY_MUL`, `t_set.c`).
const MOVE_STRATEGY_FACTOR: usize = 5;

#[cfg(test)]
mod tests {
    use crate::value::Typed;
    use std::collections::BTreeMap;

    use super::Set;
    use crate::rng::Rng;
    use crate::value::{Collection, OwnRules};

    fn set(members: usize, prefix: &str, own: &OwnRules) -> Set {
        let mut set = Set::default();
        (0..members).for_each(|number| assert!(set.insert(format!("{prefix}{number}").as_bytes(), own.rules())));
        set
    }

    #[test]
    fn samples_are_fair_in_every_form() {
        let (own, mut rng) = (OwnRules::default(), Rng::new(2));
        for (members, prefix) in [(30, ""), (30, "m"), (300, "m")] {
            let set = set(members, prefix, &own);
            for count in [1, members / 4, members / 2, members - 1] {
                let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
                let rounds = 30_000 / count;
                for _ in 0..rounds {
                    let mut picked = Vec::new();
                    set.view().sample(&mut rng, count, |member| picked.push(member.to_vec()));
                    assert_eq!(picked.len(), count);
                    picked.into_iter().for_each(|member| *counts.entry(member).or_default() += 1);
                }

                let expected = (rounds * count / members) as f64;
                // Six standard deviations.
                let slack = 6.0 * expected.sqrt() + 1.0;
                assert_eq!(counts.len(), members);
                assert!(counts.values().all(|&count| (count as f64 - expected).abs() < slack), "{counts:?}");
            }
        }
    }

    #[test]
    fn popped_members_are_gone() {
        let own = OwnRules::default();
        for (members, prefix) in [(100, ""), (100, "m"), (1000, "m")] {
            for count in [0, 1, 20, members - 1] {
                let mut set = set(members, prefix, &own);

                let popped = set.pop(&mut Rng::new(count as u64), count, own.rules());

                assert_eq!(popped.len(), count);
                assert_eq!(set.view().len(), members - popped.len());
                assert!(popped.iter().all(|member| !set.view().contains(member)));
            }
        }
    }

    #[test]
    fn little_that_is_left_becomes_compact() {
        let own = OwnRules::default();
        let (mut most, mut half) = (set(600, "m", &own), set(600, "m", &own));

        most.pop(&mut Rng::new(1), 500, own.rules());
        half.pop(&mut Rng::new(1), 499, own.rules());

        assert_eq!((most.view().encoding(), half.view().encoding()), ("listpack", "hashtable"));
    }
}
