//! Random fields of a hash: one, several with repetitions, or several different ones.

use std::collections::BTreeSet;

use super::view::{Form, HashView};
use super::{Field, Sight};
use crate::rng::Rng;
use crate::value::Collection;

impl<'a> HashView<'a> {
    /// A random field that the caller sees, each as likely as any other; nothing when there is none.
    pub fn random(self, rng: &mut Rng, sight: Sight) -> Option<Field<'a>> {
        for _ in 0..PICKS_MAX {
            let field = self.pick(rng)?;
            if sight.sees(field.expiry) {
                return Some(field);
            }
        }
        let seen: Vec<Field<'a>> = self.seen(sight).collect();
        if seen.is_empty() { None } else { Some(seen[rng.index(seen.len())]) }
    }

    /// Visits `count` random fields, the same one any number of times; nothing when the caller sees no field.
    pub fn repeat(self, rng: &mut Rng, count: u64, sight: Sight, mut visit: impl FnMut(Field<'a>)) {
        if let Form::Table(entries) = self.form
            && entries.volatile_len() == 0
        {
            (0..count).filter_map(|_| entries.random(rng)).map(Field::of_entry).for_each(visit);
            return;
        }
        let seen: Vec<Field<'a>> = self.seen(sight).collect();
        if !seen.is_empty() {
            (0..count).for_each(|_| visit(seen[rng.index(seen.len())]));
        }
    }

    /// Visits `count` different random fields, all that the caller sees when there are no more. Each selection is as
    /// likely as any other; the order is not random.
    pub fn sample(self, rng: &mut Rng, count: usize, sight: Sight, mut visit: impl FnMut(Field<'a>)) {
        let len = self.seen_len(sight);
        match self.form {
            _ if count >= len => self.seen(sight).for_each(visit),
            // Few of many: a pick that came before is picked again.
            Form::Table(entries) if count <= len / SPARSE && entries.volatile_len() == 0 => {
                let mut met = BTreeSet::new();
                while met.len() < count {
                    let Some(entry) = entries.random(rng) else { return };
                    if met.insert(entry.key().as_ptr().addr()) {
                        visit(Field::of_entry(entry));
                    }
                }
            }
            Form::Compact(_) | Form::Table(_) => {
                let mut seen: Vec<Field<'a>> = self.seen(sight).collect();
                for taken in 0..count {
                    seen.swap(taken, taken + rng.index(len - taken));
                    visit(seen[taken]);
                }
            }
        }
    }

    fn pick(self, rng: &mut Rng) -> Option<Field<'a>> {
        match self.form {
            Form::Compact(pairs) => {
                let len = self.len();
                let field = if len == 0 { None } else { pairs.at(2 * rng.index(len)) }?;
                Some(Field::of_pair((pairs.get(field), pairs.get(pairs.next(field)?))))
            }
            Form::Table(entries) => entries.random(rng).map(Field::of_entry),
        }
    }
}

/// A sample of at most one in so many fields is picked one by one, as in Redis (`HRANDFIELD_SUB_STRATEGY_MUL`).
const SPARSE: usize = 3;

/// Picks that may meet fields past their expiry before all fields are looked at.
const PICKS_MAX: usize = 32;
