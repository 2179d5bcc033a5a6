//! Reading a sorted set, whether it lies in the entry of its key or in an object of its own.

use std::ops::{Bound, Range};

use super::large::Large;
use super::small::SmallView;
use super::{Iter, IterForm};
use crate::value::listpack::{Element, Elements};

/// A sorted set to read.
#[derive(Clone, Copy)]
pub struct SortedSetView<'a> {
    pub(super) form: Form<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    Large(&'a Large),
    Small(SmallView<'a>),
}

impl<'a> SortedSetView<'a> {
    /// The sorted set that these members and scores are.
    #[inline]
    pub(crate) const fn of_elements(pairs: Elements<'a>) -> Self {
        Self { form: Form::Small(SmallView { pairs }) }
    }

    /// The members and scores of the compact form.
    pub fn elements(self) -> Option<Elements<'a>> {
        match self.form {
            Form::Large(_) => None,
            Form::Small(small) => Some(small.pairs),
        }
    }

    /// The form in the words of `OBJECT ENCODING`.
    pub const fn encoding(self) -> &'static str {
        match self.form {
            Form::Large(_) => "skiplist",
            Form::Small(_) => "listpack",
        }
    }

    /// Number of members.
    pub fn len(self) -> usize {
        match self.form {
            Form::Large(large) => large.len(),
            Form::Small(small) => small.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self.form {
            Form::Large(large) => large.score(member),
            Form::Small(small) => small.find(member).map(|found| found.score),
        }
    }

    /// The rank of a member, from 0 for the lowest score, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self.form {
            Form::Large(large) => large.rank(member),
            Form::Small(small) => small.rank(member),
        }
    }

    /// The ranks of the members with scores between two bounds.
    pub fn ranks_by_score(self, min: Bound<f64>, max: Bound<f64>) -> Range<usize> {
        let start = match min {
            Bound::Excluded(min) => self.count_by_score(|score| score <= min),
            Bound::Included(min) => self.count_by_score(|score| score < min),
            Bound::Unbounded => 0,
        };
        let end = match max {
            Bound::Excluded(max) => self.count_by_score(|score| score < max),
            Bound::Included(max) => self.count_by_score(|score| score <= max),
            Bound::Unbounded => self.len(),
        };
        start..end.max(start)
    }

    /// The ranks of the members between two texts, of a set whose scores are all the same.
    ///
    /// Otherwise the result means nothing, as in Redis; it is some range of ranks.
    pub fn ranks_by_name(self, min: Bound<&[u8]>, max: Bound<&[u8]>) -> Range<usize> {
        let start = match min {
            Bound::Excluded(min) => self.count_by_name(|name| name <= min),
            Bound::Included(min) => self.count_by_name(|name| name < min),
            Bound::Unbounded => 0,
        };
        let end = match max {
            Bound::Excluded(max) => self.count_by_name(|name| name < max),
            Bound::Included(max) => self.count_by_name(|name| name <= max),
            Bound::Unbounded => self.len(),
        };
        start..end.max(start)
    }

    /// The members with the ranks of a range, cut to what there is, from either end.
    pub fn range(self, ranks: Range<usize>) -> Iter<'a> {
        let ranks = self.cut(ranks);
        let left = ranks.len();
        let form = match self.form {
            Form::Large(large) => IterForm::Large(large.range(ranks)),
            Form::Small(small) => IterForm::Small(small.range(ranks)),
        };
        Iter { form, left }
    }

    /// All members in order, from either end.
    pub fn iter(self) -> Iter<'a> {
        self.range(0..self.len())
    }

    /// Continues a scan at `cursor` (0 begins one); returns the cursor to continue with (0 ends it).
    ///
    /// The compact form is visited in one step. The promises are those of [`Table::scan`](crate::table::Table::scan).
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Element<'_>, f64)) -> u64 {
        match self.form {
            Form::Large(large) => large.scan(cursor, count, |name, score| visit(Element::Bytes(name), score)),
            Form::Small(_) => {
                self.iter().for_each(|(name, score)| visit(name, score));
                0
            }
        }
    }

    fn count_by_score(self, mut holds: impl FnMut(f64) -> bool) -> usize {
        match self.form {
            Form::Large(large) => large.count_by_score(holds),
            Form::Small(small) => small.count_while(|_, score| holds(score)),
        }
    }

    fn count_by_name(self, mut holds: impl FnMut(&[u8]) -> bool) -> usize {
        match self.form {
            Form::Large(large) => large.count_by_name(holds),
            Form::Small(small) => small.count_while(|name, _| holds(name.text(&mut itoa::Buffer::new()))),
        }
    }

    pub(super) fn cut(self, ranks: Range<usize>) -> Range<usize> {
        let end = ranks.end.min(self.len());
        ranks.start.min(end)..end
    }
}

impl std::fmt::Debug for SortedSetView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
