//! The compact form: a listpack of members and scores in order.
//!
//! Lives here: what a sorted set does on a listpack. What does not: when it is given up for the large form. Scores
//! are stored as the reference stores them: integers up to 2^62 as integers, others in the shortest text that reads
//! back.

use std::cmp::Ordering;
use std::ops::Range;

use super::{Change, Score, SortedSetError};
use crate::number::{DOUBLE_BYTES_MAX, as_integer, format_double, parse_f64};
use crate::value::listpack::{Element, Elements, Iter, Listpack, Position};

/// A sorted set in its compact form.
#[derive(Debug, Clone, Default)]
pub(super) struct Small {
    pairs: Listpack,
}

impl Small {
    /// Takes a listpack from outside after looking at every pair.
    pub(super) fn from_listpack(pairs: Listpack) -> Result<Self, SortedSetError> {
        let len = pairs.len();
        if !len.is_multiple_of(2) {
            return Err(SortedSetError::Odd);
        }
        let mut names: Vec<Vec<u8>> = Vec::with_capacity(len / 2);
        let mut last = None;
        for (name, score) in pairs.iter().pairs() {
            let score = checked_score(score).ok_or(SortedSetError::Score)?;
            if last.is_some_and(|last| order(last, score, || name.compare(&names[names.len() - 1]).reverse()).is_ge()) {
                return Err(SortedSetError::Order);
            }
            names.push(name.to_vec());
            last = Some(score);
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(SortedSetError::Duplicate);
        }
        Ok(Self { pairs })
    }

    /// Adds a member that comes after all others.
    pub(super) fn push_back(&mut self, name: &[u8], score: f64) {
        self.pairs.push_pair(name, score_element(score, &mut [0; DOUBLE_BYTES_MAX]));
    }

    pub(super) const fn of_listpack(pairs: Listpack) -> Self {
        Self { pairs }
    }

    pub(super) const fn listpack(&self) -> &Listpack {
        &self.pairs
    }

    pub(super) fn into_listpack(self) -> Listpack {
        self.pairs
    }

    #[inline]
    pub(super) fn view(&self) -> SmallView<'_> {
        SmallView { pairs: self.pairs.elements() }
    }

    /// Whether the listpack may take a member of that many bytes more.
    pub(super) fn has_room_for(&self, name_bytes: usize) -> bool {
        self.pairs.has_room_for(name_bytes.saturating_add(DOUBLE_BYTES_MAX), 2)
    }

    /// Adds a member that is not there.
    pub(super) fn add(&mut self, name: &[u8], score: f64) {
        let mut buffer = [0; DOUBLE_BYTES_MAX];
        let element = score_element(score, &mut buffer);
        match self.view().place_of(name, score) {
            Some(position) => self.pairs.insert_pair_before(position, name, element),
            None => self.pairs.push_pair(name, element),
        }
    }

    /// Gives a member that was just found another score.
    pub(super) fn rescore(&mut self, found: Found, name: &[u8], Score(score): Score) -> Change {
        if score == found.score {
            return Change::Same;
        }
        if self.view().stays_in_order(found, name, score) {
            self.pairs.replace(found.score_at, score_element(score, &mut [0; DOUBLE_BYTES_MAX]));
        } else {
            self.pairs.delete_many(found.at, 2);
            self.add(name, score);
        }
        Change::Moved
    }

    /// Removes a member and returns the score it had.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<f64> {
        let found = self.view().find(name)?;
        self.pairs.delete_many(found.at, 2);
        Some(found.score)
    }

    /// Removes the members with the ranks of a range.
    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        self.pairs.delete_range(ranks.start * 2, ranks.len() * 2);
    }

    pub(super) fn memory_usage(&self) -> usize {
        self.pairs.memory_usage()
    }
}

/// The compact form to read, wherever it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct SmallView<'a> {
    pub(super) pairs: Elements<'a>,
}

impl<'a> SmallView<'a> {
    pub(super) fn len(self) -> usize {
        self.pairs.len() / 2
    }

    pub(super) fn find(self, name: &[u8]) -> Option<Found> {
        let at = self.pairs.find(name, 1)?;
        let score_at = self.pairs.next(at).expect("a score follows each member");
        Some(Found { at, score_at, score: score_of(self.pairs.get(score_at)) })
    }

    pub(super) fn rank(self, name: &[u8]) -> Option<(usize, f64)> {
        let mut elements = self.pairs.iter();
        let mut rank = 0;
        while let Some(element) = elements.next() {
            let score = elements.next()?;
            if element.is(name) {
                return Some((rank, score_of(score)));
            }
            rank += 1;
        }
        None
    }

    /// Number of members from the lowest on for which `holds`.
    pub(super) fn count_while(self, mut holds: impl FnMut(Element<'_>, f64) -> bool) -> usize {
        self.pairs.iter().pairs().take_while(|&(name, score)| holds(name, score_of(score))).count()
    }

    /// The members with the ranks of a range.
    pub(super) fn range(self, ranks: Range<usize>) -> SmallIter<'a> {
        SmallIter { elements: self.pairs.range(ranks.start * 2..ranks.end * 2) }
    }

    /// The first member that comes after a new one.
    fn place_of(self, name: &[u8], score: f64) -> Option<Position> {
        // Scores that rise, as those made of clocks, go to the end without a walk.
        let last = self.pairs.last()?;
        let before = self.pairs.previous(last)?;
        if self.compare(before, last, name, score).is_lt() {
            return None;
        }
        let mut at = self.pairs.first();
        while let Some(position) = at {
            let score_at = self.pairs.next(position)?;
            if self.compare(position, score_at, name, score).is_gt() {
                return Some(position);
            }
            at = self.pairs.next(score_at);
        }
        None
    }

    fn stays_in_order(self, found: Found, name: &[u8], score: f64) -> bool {
        let after_previous = self.pairs.previous(found.at).is_none_or(|score_at| {
            let at = self.pairs.previous(score_at).expect("a member precedes each score");
            self.compare(at, score_at, name, score).is_lt()
        });
        let before_next = || {
            self.pairs.next(found.score_at).is_none_or(|at| {
                let score_at = self.pairs.next(at).expect("a score follows each member");
                self.compare(at, score_at, name, score).is_gt()
            })
        };
        after_previous && before_next()
    }

    /// How the pair at two positions compares with another.
    fn compare(self, at: Position, score_at: Position, name: &[u8], score: f64) -> Ordering {
        order(score_of(self.pairs.get(score_at)), score, || self.pairs.get(at).compare(name))
    }
}

/// Where a member is, and its score.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    at: Position,
    score_at: Position,
    pub(super) score: f64,
}

/// The members of a range of ranks, from either end.
#[derive(Debug, Clone)]
pub(super) struct SmallIter<'a> {
    elements: Iter<'a>,
}

impl<'a> Iterator for SmallIter<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let name = self.elements.next()?;
        Some((name, score_of(self.elements.next()?)))
    }
}

impl DoubleEndedIterator for SmallIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = self.elements.next_back()?;
        Some((self.elements.next_back()?, score_of(score)))
    }
}

/// The order of sorted sets: by score, then by text. No score is NaN.
fn order(score: f64, other: f64, names: impl FnOnce() -> Ordering) -> Ordering {
    score.partial_cmp(&other).unwrap_or(Ordering::Equal).then_with(names)
}

/// The score an element stands for. What came from outside was checked, so that it always is one.
#[inline]
fn score_of(element: Element<'_>) -> f64 {
    checked_score(element).unwrap_or(0.0)
}

#[inline]
fn checked_score(element: Element<'_>) -> Option<f64> {
    match element {
        Element::Bytes(text) => parse_f64(text),
        Element::Int(number) => Some(number as f64),
    }
}

fn score_element(score: f64, buffer: &mut [u8; DOUBLE_BYTES_MAX]) -> Element<'_> {
    // Which makes -0 a 0, as 7.0.15 does.
    match as_integer(score) {
        Some(number) => Element::Int(number),
        None => Element::Bytes(format_double(score, buffer)),
    }
}
