//! The large form: members once in memory, found by hash, ordered by a tree.
//!
//! Lives here: keeping slots, table and tree in step. What does not: either of them. For 16-byte members it takes
//! about 60 bytes each. Start at [`Large::update`].

use std::ops::Range;

use super::members::Members;
use super::tree::{Key, Spot, Tree};
use super::{Change, Score};
use crate::keyspace::prefetch_address;
use crate::table::Table;
use crate::table::hash::{KeyHash, KeyHasher};
use crate::value::PrefetchStage;

/// A sorted set in its large form.
pub(super) struct Large {
    hasher: KeyHasher,
    members: Members,
    /// Numbers of members by the hash of their text.
    table: Table<u32>,
    tree: Tree,
}

impl Large {
    pub(super) fn new(hasher: &KeyHasher) -> Self {
        Self { hasher: hasher.clone(), members: Members::default(), table: Table::new(), tree: Tree::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn score(&self, name: &[u8]) -> Option<f64> {
        self.find(name).map(|id| self.members.score(id))
    }

    /// Gives a member the score that `decide` makes of its present one.
    pub(super) fn update(&mut self, name: &[u8], decide: impl FnOnce(Option<f64>) -> Option<Score>) -> Change {
        let hash = self.hash(name);
        let found = self.table.find(hash, |&id| self.members.name(id) == name).copied();
        let old = found.map(|id| self.members.score(id));
        let Some(Score(new)) = decide(old) else { return Change::Declined };
        let (Some(id), Some(old)) = (found, old) else {
            self.add(hash, name, new);
            return Change::Added;
        };
        if new == old {
            return Change::Same;
        }
        let key = Key { score: old, name };
        if !self.tree.rescore(key, id, new, &self.members) {
            self.tree.remove(key, id, &self.members);
            self.tree.insert(Key { score: new, name }, id, &self.members);
        }
        self.members.set_score(id, new);
        Change::Moved
    }

    /// Removes a member and returns the score it had.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<f64> {
        let id = self.find(name)?;
        let score = self.members.score(id);
        self.tree.remove(Key { score, name }, id, &self.members);
        self.forget(id);
        Some(score)
    }

    /// Removes the members with the ranks of a range.
    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        for _ in ranks.clone() {
            let Some((_, id)) = self.tree.remove_rank(ranks.start) else { return };
            self.forget(id);
        }
    }

    pub(super) fn rank(&self, name: &[u8]) -> Option<(usize, f64)> {
        let id = self.find(name)?;
        let score = self.members.score(id);
        Some((self.tree.rank(Key { score, name }, id, &self.members)?, score))
    }

    pub(super) fn count_by_score(&self, holds: impl FnMut(f64) -> bool) -> usize {
        self.tree.count_by_score(holds)
    }

    pub(super) fn count_by_name(&self, mut holds: impl FnMut(&[u8]) -> bool) -> usize {
        self.tree.count_by(|_, id| holds(self.members.name(id)))
    }

    /// The members with the ranks of a range, which must exist.
    pub(super) const fn range(&self, ranks: Range<usize>) -> LargeIter<'_> {
        LargeIter { large: self, ranks, front: None, back: None }
    }

    /// As [`Table::scan`].
    pub(super) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.table.scan(cursor, count, |&id| visit(self.members.name(id), self.members.score(id)))
    }

    /// Asks the processor for the memory in which a member will be looked for.
    pub(super) fn prefetch(&self, name: &[u8], stage: PrefetchStage) {
        let hash = self.hash(name);
        match stage {
            PrefetchStage::Begin => {
                self.table.probe_addresses(hash).into_iter().flatten().for_each(prefetch_address);
            }
            PrefetchStage::Entry => {
                self.table.first_candidate(hash).into_iter().for_each(|&id| self.members.prefetch(id));
            }
        }
    }

    pub(super) fn memory_usage(&self) -> usize {
        size_of::<Self>() + self.table.bytes() + self.tree.memory_usage() + self.members.memory_usage()
    }

    /// Frees some of a set that nobody reads any more; returns about how many items that were, 0 when all is free.
    pub(super) fn free_some(&mut self, items_max: usize) -> usize {
        let before = self.table.len();
        if self.table.dismantle(items_max, |_| ()) || before > 0 {
            return before - self.table.len();
        }
        let mut freed = 0;
        while freed < items_max {
            match self.tree.drop_leaf() {
                0 => match self.members.drop_chunk() {
                    0 => break,
                    slots => freed += slots,
                },
                entries => freed += entries,
            }
        }
        freed
    }

    fn add(&mut self, hash: KeyHash, name: &[u8], score: f64) {
        let id = self.members.insert(name, score);
        let Self { hasher, members, table, .. } = self;
        table.insert(hash, id, |&id| KeyHash::plain(hasher.bits(members.name(id))));
        self.tree.insert(Key { score, name }, id, &self.members);
    }

    /// Removes a member that the tree no longer has, and moves others so that the slots stay dense.
    fn forget(&mut self, id: u32) {
        if let Some(spot) = self.table.find_spot(self.hash(self.members.name(id)), |&item| item == id) {
            let Self { hasher, members, table, .. } = self;
            table.remove(spot, |&id| KeyHash::plain(hasher.bits(members.name(id))));
        }
        self.members.remove(id);
        for _ in 0..2 {
            let Some((from, to)) = self.members.spare() else { return };
            let name = self.members.name(from);
            if let Some(spot) = self.table.find_spot(self.hash(name), |&item| item == from)
                && let Some(item) = self.table.at_mut(spot)
            {
                *item = to;
            }
            self.tree.renumber(Key { score: self.members.score(from), name }, from, to, &self.members);
            self.members.relocate(to);
        }
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<u32> {
        self.table.find(self.hash(name), |&id| self.members.name(id) == name).copied()
    }

    #[inline]
    fn hash(&self, name: &[u8]) -> KeyHash {
        KeyHash::plain(self.hasher.bits(name))
    }
}

impl Clone for Large {
    /// Makes a set of its own, in the order of scores: that fills leaves and slots without a gap.
    fn clone(&self) -> Self {
        let mut clone = Self::new(&self.hasher);
        for (name, score) in self.range(0..self.len()) {
            clone.add(clone.hash(name), name, score);
        }
        clone
    }
}

/// The members of a range of ranks, from either end.
#[derive(Clone)]
pub(super) struct LargeIter<'a> {
    large: &'a Large,
    /// Ranks that are left.
    ranks: Range<usize>,
    /// Where the first of them is, if that is known.
    front: Option<Spot<'a>>,
    /// Where the last of them is, if that is known.
    back: Option<Spot<'a>>,
}

impl<'a> LargeIter<'a> {
    #[inline]
    fn resolve(&self, spot: Spot<'a>) -> (&'a [u8], f64) {
        let (score, id) = spot.get();
        (self.large.members.name(id), score)
    }
}

impl<'a> Iterator for LargeIter<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next()?;
        let spot = self.front.or_else(|| self.large.tree.select(rank))?;
        self.front = spot.next();
        Some(self.resolve(spot))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for LargeIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next_back()?;
        let spot = self.back.or_else(|| self.large.tree.select(rank))?;
        self.back = spot.previous();
        Some(self.resolve(spot))
    }
}
