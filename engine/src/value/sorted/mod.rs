//! Sorted sets.
//!
//! Lives here: [`SortedSet`], which is compact while it is small (`small.rs`) and a hash table with a counting tree
//! beyond (`large.rs`). What does not: commands, how bounds are written, replies. Every range (by score, by text, by
//! rank) becomes a range of ranks first ([`SortedSetView::ranks_by_score`], [`SortedSetView::ranks_by_name`]); what to do
//! with it is the same then: [`SortedSetView::range`], [`SortedSet::remove_ranks`], or its length.

mod collection;
mod large;
mod members;
mod small;
mod tree;
mod view;

use std::ops::Range;

use large::{Large, LargeIter};
use small::{Small, SmallIter};
pub use view::SortedSetView;

use super::Typed;
use super::listpack::{Element, Listpack};
use crate::table::hash::KeyHasher;

/// Members with scores, ordered by score and then by text.
#[derive(Clone)]
pub struct SortedSet {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Large(Box<Large>),
    Small(Small),
}

/// A score: any double but NaN.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Score(f64);

impl Score {
    /// The score that a number is; nothing for NaN.
    pub const fn new(number: f64) -> Option<Self> {
        if number.is_nan() { None } else { Some(Self(number)) }
    }

    /// The number.
    pub const fn number(self) -> f64 {
        self.0
    }
}

/// When the compact form ends, and what the large form needs.
#[derive(Debug, Clone, Copy)]
pub struct SortedSetRules<'a> {
    /// Most members of the compact form (`zset-max-listpack-entries`).
    pub entries_max: usize,
    /// Longest member of the compact form in bytes (`zset-max-listpack-value`).
    pub value_bytes_max: usize,
    /// The hash function that the large form keeps a copy of.
    pub hasher: &'a KeyHasher,
}

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The member is new.
    Added,
    /// The caller wanted no change.
    Declined,
    /// The member has another score now.
    Moved,
    /// The member had this score already; 0 and -0 are the same.
    Same,
}

/// Why a listpack is no sorted set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SortedSetError {
    /// A member occurs twice.
    Duplicate,
    /// A member without a score.
    Odd,
    /// A pair is not after the one before.
    Order,
    /// A score that is no number.
    Score,
}

impl std::fmt::Display for SortedSetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "sorted set has a member twice",
            Self::Odd => "sorted set has a member without a score",
            Self::Order => "sorted set is out of order",
            Self::Score => "sorted set has a score that is no number",
        })
    }
}

impl std::error::Error for SortedSetError {}

impl SortedSet {
    /// An empty set in its compact form.
    pub fn new() -> Self {
        Self { form: Form::Small(Small::default()) }
    }

    /// The sorted set that a listpack from outside holds, as it stands in files. Thresholds do not matter.
    ///
    /// # Errors
    /// [`SortedSetError`] when it is none.
    pub fn from_listpack(pairs: Listpack) -> Result<Self, SortedSetError> {
        Ok(Self { form: Form::Small(Small::from_listpack(pairs)?) })
    }

    /// Prepares for `count` pairs, as a command brings them: what does not fit into the compact form makes the set large
    /// before the first of them is looked at, even if some are there, come twice or are not taken. As in Valkey 9;
    /// Redis 7.0 changes the form where it meets the member.
    pub fn expect(&mut self, longest_bytes: usize, count: usize, rules: SortedSetRules<'_>) {
        if count > rules.entries_max || longest_bytes > rules.value_bytes_max {
            self.enlarge(rules.hasher);
        }
    }

    /// Gives a member a score, whether it was there or not.
    pub fn insert(&mut self, member: &[u8], score: Score, rules: SortedSetRules<'_>) -> Change {
        self.update(member, |_| Some(score), rules)
    }

    /// Gives a member the score that `decide` makes of its present one; nothing leaves it as it is.
    pub fn update(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<Score>,
        rules: SortedSetRules<'_>,
    ) -> Change {
        let small = match &mut self.form {
            Form::Large(large) => return large.update(member, decide),
            Form::Small(small) => small,
        };
        let found = small.view().find(member);
        let Some(score) = decide(found.map(|found| found.score)) else { return Change::Declined };
        if let Some(found) = found {
            return small.rescore(found, member, score);
        }
        let stays_small = member.len() <= rules.value_bytes_max
            && small.view().len() < rules.entries_max
            && small.has_room_for(member.len());
        if stays_small {
            small.add(member, score.0);
        } else {
            self.enlarge(rules.hasher).update(member, |_| Some(score));
        }
        Change::Added
    }

    /// Removes a member and returns the score it had. The form stays, as in Redis.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.form {
            Form::Large(large) => large.remove(member),
            Form::Small(small) => small.remove(member),
        }
    }

    /// Removes the members with the ranks of a range, cut to what there is. Returns how many there were.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let ranks = self.view().cut(ranks);
        let removed = ranks.len();
        match &mut self.form {
            Form::Large(large) => large.remove_ranks(ranks),
            Form::Small(small) => small.remove_ranks(ranks),
        }
        removed
    }

    /// Goes to the large form.
    pub fn make_large(&mut self, hasher: &KeyHasher) {
        self.enlarge(hasher);
    }

    /// Goes back to the compact form if the rules allow it, as Redis does with the results of `ZUNIONSTORE` and its
    /// like.
    pub fn make_small_if_fits(&mut self, rules: SortedSetRules<'_>) {
        let Form::Large(large) = &self.form else { return };
        if large.len() > rules.entries_max {
            return;
        }
        let mut small = Small::default();
        for (name, score) in large.range(0..large.len()) {
            if name.len() > rules.value_bytes_max || !small.has_room_for(name.len()) {
                return;
            }
            small.push_back(name, score);
        }
        self.form = Form::Small(small);
    }

    /// Bytes of memory the set holds on to beside itself, as the allocator rounds them. Never walks members.
    pub fn memory_usage(&self) -> usize {
        match &self.form {
            Form::Large(large) => large.memory_usage(),
            Form::Small(small) => small.memory_usage(),
        }
    }

    /// Roughly how many allocations freeing the set takes.
    pub fn free_cost(&self) -> usize {
        match &self.form {
            Form::Large(large) => large.len(),
            Form::Small(_) => 1,
        }
    }

    /// Frees about `items_max` items of a set that nobody reads any more, members counting once for each part of the
    /// structure. Returns how many; 0 when dropping the rest costs little.
    pub fn free_some(&mut self, items_max: usize) -> usize {
        match &mut self.form {
            Form::Large(large) => large.free_some(items_max),
            Form::Small(_) => 0,
        }
    }

    fn enlarge(&mut self, hasher: &KeyHasher) -> &mut Large {
        if let Form::Small(small) = &self.form {
            let mut large = Box::new(Large::new(hasher));
            let mut digits = itoa::Buffer::new();
            for (name, score) in small.view().range(0..small.view().len()) {
                large.update(name.text(&mut digits), |_| Some(Score(score)));
            }
            self.form = Form::Large(large);
        }
        let Form::Large(large) = &mut self.form else { unreachable!("just made large") };
        large
    }
}

impl Default for SortedSet {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SortedSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.view().iter()).finish()
    }
}

/// Members with their scores, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    form: IterForm<'a>,
    left: usize,
}

#[derive(Clone)]
enum IterForm<'a> {
    Large(LargeIter<'a>),
    Small(SmallIter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.form {
            IterForm::Large(large) => large.next().map(|(name, score)| (Element::Bytes(name), score)),
            IterForm::Small(small) => small.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.form {
            IterForm::Large(large) => large.next_back().map(|(name, score)| (Element::Bytes(name), score)),
            IterForm::Small(small) => small.next_back(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
