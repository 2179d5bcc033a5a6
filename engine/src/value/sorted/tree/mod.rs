//! The order of a large sorted set: a B+ tree that counts.
//!
//! Lives here: (score, member number) in order, with the number of members below each child, so that ranks are found
//! and resolved in a few steps. What does not: members, which the tree compares through [`Members`] when scores are
//! equal. Every node takes one kilobyte; the height is below 8 for 2^32 members, so recursion is bounded. Start at
//! [`Tree::insert`]; `node.rs` has what happens inside a node.

mod change;
mod node;

use node::{Inner, Leaf, Node};

use super::members::Members;

/// The tree; an empty one allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Option<Box<Node>>,
    /// Nodes of the whole tree.
    nodes: usize,
}

/// Where a member belongs: by score, then by its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) score: f64,
    pub(super) name: &'a [u8],
}

/// A place in a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    leaf: &'a Leaf,
    place: usize,
}

impl Tree {
    /// Number of members.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.root.as_deref().map_or(0, Node::count)
    }

    /// The rank of a member; nothing if it is not in the tree.
    pub(super) fn rank(&self, key: Key<'_>, id: u32, members: &Members) -> Option<usize> {
        let mut before = 0;
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Inner(inner) => {
                    let place = key.child(inner, id, members);
                    before += inner.count_before(place);
                    node = inner.child(place);
                }
                Node::Leaf(leaf) => return Some(before + leaf.find(id)?),
            }
        }
    }

    /// Number of members from the lowest on for which `holds`, which must fail for all after the first failure.
    pub(super) fn count_by(&self, mut holds: impl FnMut(f64, u32) -> bool) -> usize {
        self.count_while(|scores, ids| partition(scores.len(), |at| holds(scores[at], ids[at])))
    }

    /// Number of members with a score for which `holds`, which must fail for all after the first failure.
    pub(super) fn count_by_score(&self, mut holds: impl FnMut(f64) -> bool) -> usize {
        self.count_while(|scores, _| scores.partition_point(|&score| holds(score)))
    }

    /// The place of the member with a rank; nothing past the last.
    pub(super) fn select(&self, mut rank: usize) -> Option<Spot<'_>> {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Inner(inner) => {
                    let (child, before) = inner.child_at_rank(rank)?;
                    rank -= before;
                    node = inner.child(child);
                }
                Node::Leaf(leaf) => return (rank < leaf.len()).then_some(Spot { leaf, place: rank }),
            }
        }
    }

    /// Bytes of memory all nodes hold on to.
    pub(super) const fn memory_usage(&self) -> usize {
        self.nodes * NODE_BYTES
    }

    /// Sums up how many entries of each node on the way down are before the place searched for.
    fn count_while(&self, mut position: impl FnMut(&[f64], &[u32]) -> usize) -> usize {
        let mut below = 0;
        let mut node = self.root.as_deref();
        while let Some(current) = node {
            node = match current {
                Node::Inner(inner) => match position(inner.scores(), inner.ids()) {
                    0 => None,
                    place => {
                        below += inner.count_before(place - 1);
                        Some(inner.child(place - 1))
                    }
                },
                Node::Leaf(leaf) => {
                    below += position(leaf.scores(), leaf.ids());
                    None
                }
            };
        }
        below
    }
}

impl Key<'_> {
    /// How many of the entries come before the key.
    #[inline]
    pub(super) fn position(&self, scores: &[f64], ids: &[u32], members: &Members) -> usize {
        let first = scores.partition_point(|&score| score < self.score);
        let equal = match scores[first..] {
            [score, ..] if score != self.score => return first,
            [_, next, ..] if next == self.score => scores[first..].partition_point(|&score| score <= self.score),
            [] => return first,
            _ => 1,
        };
        first + ids[first..first + equal].partition_point(|&id| members.name(id) < self.name)
    }

    /// The child below which the member with this key and number is.
    #[inline]
    fn child(&self, inner: &Inner, id: u32, members: &Members) -> usize {
        let (scores, ids) = (inner.scores(), inner.ids());
        let place = self.position(scores, ids, members);
        if ids.get(place) == Some(&id) { place } else { place.saturating_sub(1) }
    }
}

impl<'a> Spot<'a> {
    /// The score and the number of the member.
    #[inline]
    pub(super) fn get(self) -> (f64, u32) {
        (self.leaf.scores()[self.place], self.leaf.ids()[self.place])
    }

    /// The next place, if it is in the same leaf.
    #[inline]
    pub(super) fn next(self) -> Option<Self> {
        (self.place + 1 < self.leaf.len()).then_some(Self { place: self.place + 1, ..self })
    }

    /// The place before, if it is in the same leaf.
    #[inline]
    pub(super) fn previous(self) -> Option<Self> {
        (self.place > 0).then(|| Self { place: self.place - 1, ..self })
    }
}

/// The first index for which `holds` fails.
fn partition(len: usize, mut holds: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Bytes of a node: leaves and inner nodes are cut to one size class of the allocator.
const NODE_BYTES: usize = 1024;

const _: () = assert!(size_of::<Node>() <= NODE_BYTES && size_of::<Node>() > NODE_BYTES - 16);

#[cfg(test)]
mod tests;
