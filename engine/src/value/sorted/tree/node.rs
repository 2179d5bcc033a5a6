//! One node of the tree: sorted arrays with a length.
//!
//! Lives here: moving entries within a node and between neighbours. What does not: which node, see `change.rs`.
//! Scores and member numbers are separate arrays, since a pair of both would be padded from 12 bytes to 16.

use std::array;

/// A node.
#[derive(Debug)]
pub(super) enum Node {
    Inner(Inner),
    Leaf(Leaf),
}

/// Members in order.
#[derive(Debug)]
pub(super) struct Leaf {
    len: u16,
    ids: [u32; LEAF_ENTRIES],
    scores: [f64; LEAF_ENTRIES],
}

/// Children in order. An entry's score and number are those of the first member below the child.
#[derive(Debug)]
pub(super) struct Inner {
    len: u16,
    ids: [u32; INNER_ENTRIES],
    scores: [f64; INNER_ENTRIES],
    /// Number of members below each child.
    counts: [u32; INNER_ENTRIES],
    children: [Option<Box<Node>>; INNER_ENTRIES],
}

impl Node {
    /// Number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Inner(inner) => inner.len(),
            Self::Leaf(leaf) => leaf.len(),
        }
    }

    /// Number of members below.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Inner(inner) => inner.count_before(inner.len()),
            Self::Leaf(leaf) => leaf.len(),
        }
    }

    /// Whether so few entries are left that the node should share with a neighbour.
    pub(super) fn is_sparse(&self) -> bool {
        match self {
            Self::Inner(inner) => inner.len() < INNER_ENTRIES / 4,
            Self::Leaf(leaf) => leaf.len() < LEAF_ENTRIES / 4,
        }
    }

    /// Score and number of the first member below.
    #[inline]
    fn first(&self) -> (f64, u32) {
        match self {
            Self::Inner(inner) => (inner.scores[0], inner.ids[0]),
            Self::Leaf(leaf) => (leaf.scores[0], leaf.ids[0]),
        }
    }

    /// Takes all entries of `right`, the neighbour, or as many as make both equal when there are too many.
    ///
    /// Returns whether it took all.
    fn level(&mut self, right: &mut Self) -> bool {
        match (self, right) {
            (Self::Inner(left), Self::Inner(right)) => left.level(right),
            (Self::Leaf(left), Self::Leaf(right)) => left.level(right),
            _ => unreachable!("neighbours have the same height"),
        }
    }
}

impl Leaf {
    pub(super) const fn new() -> Self {
        Self { len: 0, ids: [0; LEAF_ENTRIES], scores: [0.0; LEAF_ENTRIES] }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() == LEAF_ENTRIES
    }

    #[inline]
    pub(super) fn scores(&self) -> &[f64] {
        &self.scores[..usize::from(self.len)]
    }

    #[inline]
    pub(super) fn ids(&self) -> &[u32] {
        &self.ids[..usize::from(self.len)]
    }

    /// The place of a member. Looking at all numbers in turn costs less than comparing scores and texts.
    #[inline]
    pub(super) fn find(&self, id: u32) -> Option<usize> {
        self.ids().iter().position(|&other| other == id)
    }

    /// Gives the entry at `place` another score; the order must stay.
    pub(super) fn set_score(&mut self, place: usize, score: f64) {
        self.scores[place] = score;
    }

    /// Gives the member at `place` another number.
    pub(super) fn set_id(&mut self, place: usize, id: u32) {
        self.ids[place] = id;
    }

    /// Adds an entry; there must be room.
    #[inline]
    pub(super) fn insert(&mut self, place: usize, score: f64, id: u32) {
        let len = self.len();
        self.scores.copy_within(place..len, place + 1);
        self.ids.copy_within(place..len, place + 1);
        self.scores[place] = score;
        self.ids[place] = id;
        self.len += 1;
    }

    /// Takes an entry out.
    #[inline]
    pub(super) fn remove(&mut self, place: usize) -> (f64, u32) {
        let (score, id, len) = (self.scores[place], self.ids[place], self.len());
        self.scores.copy_within(place + 1..len, place);
        self.ids.copy_within(place + 1..len, place);
        self.len -= 1;
        (score, id)
    }

    /// Takes all entries from `place` on into a new leaf.
    pub(super) fn split_off(&mut self, place: usize) -> Self {
        let mut right = Self::new();
        right.take_front_of(self, place..self.len());
        self.len = place as u16;
        right
    }

    /// Forgets all entries and returns how many there were.
    pub(super) fn clear(&mut self) -> usize {
        usize::from(std::mem::take(&mut self.len))
    }

    fn level(&mut self, right: &mut Self) -> bool {
        let total = self.len() + right.len();
        if total <= LEAF_ENTRIES {
            self.take_front_of(right, 0..right.len());
            right.len = 0;
            return true;
        }
        let wanted = total / 2;
        if self.len() < wanted {
            let moved = wanted - self.len();
            self.take_front_of(right, 0..moved);
            let len = right.len();
            right.scores.copy_within(moved..len, 0);
            right.ids.copy_within(moved..len, 0);
            right.len -= moved as u16;
        } else {
            let mut tail = self.split_off(wanted);
            tail.take_front_of(right, 0..right.len());
            *right = tail;
        }
        false
    }

    /// Adds a stretch of another leaf at the end.
    fn take_front_of(&mut self, other: &Self, stretch: std::ops::Range<usize>) {
        let (start, end) = (self.len(), self.len() + stretch.len());
        self.scores[start..end].copy_from_slice(&other.scores[stretch.clone()]);
        self.ids[start..end].copy_from_slice(&other.ids[stretch]);
        self.len = end as u16;
    }
}

impl Inner {
    pub(super) fn new() -> Self {
        Self {
            len: 0,
            ids: [0; INNER_ENTRIES],
            scores: [0.0; INNER_ENTRIES],
            counts: [0; INNER_ENTRIES],
            children: array::from_fn(|_| None),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() == INNER_ENTRIES
    }

    #[inline]
    pub(super) fn scores(&self) -> &[f64] {
        &self.scores[..usize::from(self.len)]
    }

    #[inline]
    pub(super) fn ids(&self) -> &[u32] {
        &self.ids[..usize::from(self.len)]
    }

    /// Number of members below the children before `place`.
    #[inline]
    pub(super) fn count_before(&self, place: usize) -> usize {
        self.counts[..place].iter().map(|&count| count as usize).sum()
    }

    /// The child with the member of that rank, and the number of members before the child.
    #[inline]
    pub(super) fn child_at_rank(&self, rank: usize) -> Option<(usize, usize)> {
        let mut before = 0;
        for (place, &count) in self.counts[..self.len()].iter().enumerate() {
            if rank < before + count as usize {
                return Some((place, before));
            }
            before += count as usize;
        }
        None
    }

    #[inline]
    pub(super) fn child(&self, place: usize) -> &Node {
        self.children[place].as_deref().expect("every entry has a child")
    }

    #[inline]
    pub(super) fn child_mut(&mut self, place: usize) -> &mut Node {
        self.children[place].as_deref_mut().expect("every entry has a child")
    }

    /// Adds a child; there must be room.
    pub(super) fn insert(&mut self, place: usize, child: Box<Node>) {
        let len = self.len();
        self.scores.copy_within(place..len, place + 1);
        self.ids.copy_within(place..len, place + 1);
        self.counts.copy_within(place..len, place + 1);
        self.children[place..=len].rotate_right(1);
        self.children[place] = Some(child);
        self.len += 1;
        self.refresh(place);
    }

    /// Takes a child out.
    pub(super) fn remove(&mut self, place: usize) -> Option<Box<Node>> {
        let len = self.len();
        self.scores.copy_within(place + 1..len, place);
        self.ids.copy_within(place + 1..len, place);
        self.counts.copy_within(place + 1..len, place);
        self.children[place..len].rotate_left(1);
        self.len -= 1;
        self.children[len - 1].take()
    }

    /// Brings an entry up to date with its child, whose shape has changed.
    pub(super) fn refresh(&mut self, place: usize) {
        self.counts[place] = self.child(place).count() as u32;
        self.refresh_first(place);
    }

    /// Brings an entry up to date with its child, which has `change` members more.
    #[inline]
    pub(super) fn adjust(&mut self, place: usize, change: i32) {
        self.counts[place] = self.counts[place].wrapping_add_signed(change);
        self.refresh_first(place);
    }

    /// Brings an entry's score and number up to date with its child.
    #[inline]
    pub(super) fn refresh_first(&mut self, place: usize) {
        (self.scores[place], self.ids[place]) = self.child(place).first();
    }

    /// Joins or levels a sparse child with a neighbour, and drops an empty one. Returns how many nodes that freed.
    pub(super) fn mend(&mut self, place: usize) -> usize {
        if self.len() == 1 {
            return if self.child(place).len() == 0 { usize::from(self.remove(place).is_some()) } else { 0 };
        }
        let left = place.saturating_sub(1);
        let mut right = self.children[left + 1].take().expect("every entry has a child");
        let merged = self.child_mut(left).level(&mut right);
        self.children[left + 1] = Some(right);
        if merged {
            self.remove(left + 1);
        } else {
            self.refresh(left + 1);
        }
        self.refresh(left);
        usize::from(merged)
    }

    /// Takes all children from `place` on into a new node.
    pub(super) fn split_off(&mut self, place: usize) -> Self {
        let mut right = Self::new();
        right.take_from(self, place..self.len());
        self.len = place as u16;
        right
    }

    fn level(&mut self, right: &mut Self) -> bool {
        let total = self.len() + right.len();
        if total <= INNER_ENTRIES {
            self.take_from(right, 0..right.len());
            right.len = 0;
            return true;
        }
        let wanted = total / 2;
        if self.len() < wanted {
            let moved = wanted - self.len();
            self.take_from(right, 0..moved);
            *right = right.split_off(moved);
        } else {
            let mut tail = self.split_off(wanted);
            tail.take_from(right, 0..right.len());
            *right = tail;
        }
        false
    }

    /// Moves a stretch of another node's children to the end of these.
    fn take_from(&mut self, other: &mut Self, stretch: std::ops::Range<usize>) {
        let (start, end) = (self.len(), self.len() + stretch.len());
        self.scores[start..end].copy_from_slice(&other.scores[stretch.clone()]);
        self.ids[start..end].copy_from_slice(&other.ids[stretch.clone()]);
        self.counts[start..end].copy_from_slice(&other.counts[stretch.clone()]);
        for (ours, theirs) in self.children[start..end].iter_mut().zip(&mut other.children[stretch]) {
            *ours = theirs.take();
        }
        self.len = end as u16;
    }
}

/// Members of a leaf: as many as fit into the node's size.
pub(super) const LEAF_ENTRIES: usize = 84;

/// Children of an inner node: as many as fit into the node's size.
pub(super) const INNER_ENTRIES: usize = 42;
