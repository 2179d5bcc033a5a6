//! Changing the tree: down to the leaf, and back up with counts, splits and joins.

use super::node::{INNER_ENTRIES, Inner, LEAF_ENTRIES, Leaf, Node};
use super::{Key, Tree};
use crate::value::sorted::members::Members;

/// What is to be inserted, and with whose texts equal scores are told apart.
struct Insertion<'a> {
    key: Key<'a>,
    id: u32,
    members: &'a Members,
}

/// Whether a node is the first or the last of its height.
#[derive(Clone, Copy)]
struct Edge {
    first: bool,
    last: bool,
}

impl Tree {
    /// Adds a member that is not there.
    pub(in crate::value::sorted) fn insert(&mut self, key: Key<'_>, id: u32, members: &Members) {
        let root = self.root.get_or_insert_with(|| {
            self.nodes += 1;
            Box::new(Node::Leaf(Leaf::new()))
        });
        let insertion = Insertion { key, id, members };
        if let Some(right) = insert(root, &insertion, Edge { first: true, last: true }, &mut self.nodes) {
            let left = std::mem::replace(root, Box::new(Node::Inner(Inner::new())));
            self.nodes += 1;
            if let Node::Inner(inner) = &mut **root {
                inner.insert(0, left);
                inner.insert(1, right);
            }
        }
    }

    /// Removes a member. Returns whether it was there.
    pub(in crate::value::sorted) fn remove(&mut self, key: Key<'_>, id: u32, members: &Members) -> bool {
        let Some(root) = &mut self.root else { return false };
        let removed = remove(root, key, id, members, &mut self.nodes);
        self.mend_root();
        removed
    }

    /// Removes the member with a rank and returns its score and number.
    pub(in crate::value::sorted) fn remove_rank(&mut self, rank: usize) -> Option<(f64, u32)> {
        let removed = remove_rank(self.root.as_deref_mut()?, rank, &mut self.nodes);
        self.mend_root();
        removed
    }

    /// Gives a member another score without moving it. Returns whether that was possible.
    ///
    /// It is not at the ends of a leaf, whose neighbours would have to be looked at elsewhere: one case in forty.
    pub(in crate::value::sorted) fn rescore(&mut self, key: Key<'_>, id: u32, score: f64, members: &Members) -> bool {
        let mut node = self.root.as_deref_mut();
        while let Some(current) = node {
            node = match current {
                Node::Inner(inner) => {
                    let place = key.child(inner, id, members);
                    Some(inner.child_mut(place))
                }
                Node::Leaf(leaf) => {
                    let Some(place) = leaf.find(id) else { return false };
                    let stays = place > 0
                        && leaf.scores()[place - 1] < score
                        && leaf.scores().get(place + 1).is_some_and(|&next| score < next);
                    if stays {
                        leaf.set_score(place, score);
                    }
                    return stays;
                }
            };
        }
        false
    }

    /// Gives a member the number `target`; its text must still be found under `id`.
    pub(in crate::value::sorted) fn renumber(&mut self, key: Key<'_>, id: u32, target: u32, members: &Members) {
        if let Some(root) = &mut self.root {
            renumber(root, key, id, target, members);
        }
    }

    /// Frees the last leaf, of a tree that nobody reads any more. Returns how many members it had.
    pub(in crate::value::sorted) fn drop_leaf(&mut self) -> usize {
        let Some(root) = &mut self.root else { return 0 };
        let dropped = drop_leaf(root, &mut self.nodes);
        if root.len() == 0 {
            self.root = None;
            self.nodes -= 1;
        }
        dropped
    }

    /// Drops a root without children, and roots with a single one.
    fn mend_root(&mut self) {
        while let Some(root) = &mut self.root {
            let only = match &mut **root {
                Node::Inner(inner) if inner.len() == 1 => inner.remove(0),
                Node::Inner(inner) if inner.len() == 0 => None,
                Node::Leaf(leaf) if leaf.len() == 0 => None,
                Node::Inner(_) | Node::Leaf(_) => return,
            };
            self.root = only;
            self.nodes -= 1;
        }
    }
}

/// Inserts below a node; returns the node that has to follow it if it had to be split.
fn insert(node: &mut Node, insertion: &Insertion<'_>, edge: Edge, nodes: &mut usize) -> Option<Box<Node>> {
    let Insertion { key, id, members } = *insertion;
    match node {
        Node::Inner(inner) => {
            let place = key.position(inner.scores(), inner.ids(), members).saturating_sub(1);
            let below = Edge { first: edge.first && place == 0, last: edge.last && place + 1 == inner.len() };
            let Some(right) = insert(inner.child_mut(place), insertion, below, nodes) else {
                inner.adjust(place, 1);
                return None;
            };
            inner.refresh(place);
            insert_child(inner, place + 1, right, nodes)
        }
        Node::Leaf(leaf) => {
            let place = key.position(leaf.scores(), leaf.ids(), members);
            insert_entry(leaf, place, (key.score, id), edge, nodes)
        }
    }
}

fn insert_entry(
    leaf: &mut Leaf,
    place: usize,
    (score, id): (f64, u32),
    edge: Edge,
    nodes: &mut usize,
) -> Option<Box<Node>> {
    if !leaf.is_full() {
        leaf.insert(place, score, id);
        return None;
    }
    // Members that come in order fill every leaf to the brim.
    let middle = match place {
        0 if edge.first => 0,
        LEAF_ENTRIES if edge.last => LEAF_ENTRIES,
        _ => LEAF_ENTRIES / 2,
    };
    let mut right = leaf.split_off(middle);
    if place > middle || middle == LEAF_ENTRIES {
        right.insert(place - middle, score, id);
    } else {
        leaf.insert(place, score, id);
    }
    *nodes += 1;
    Some(Box::new(Node::Leaf(right)))
}

fn insert_child(inner: &mut Inner, place: usize, child: Box<Node>, nodes: &mut usize) -> Option<Box<Node>> {
    if !inner.is_full() {
        inner.insert(place, child);
        return None;
    }
    let middle = if place == INNER_ENTRIES { place } else { INNER_ENTRIES / 2 };
    let mut right = inner.split_off(middle);
    if place > middle || middle == INNER_ENTRIES {
        right.insert(place - middle, child);
    } else {
        inner.insert(place, child);
    }
    *nodes += 1;
    Some(Box::new(Node::Inner(right)))
}

fn remove(node: &mut Node, key: Key<'_>, id: u32, members: &Members, nodes: &mut usize) -> bool {
    match node {
        Node::Inner(inner) => {
            let place = key.child(inner, id, members);
            let removed = remove(inner.child_mut(place), key, id, members, nodes);
            if removed {
                after_removal(inner, place, nodes);
            }
            removed
        }
        Node::Leaf(leaf) => {
            let place = leaf.find(id);
            place.map(|place| leaf.remove(place)).is_some()
        }
    }
}

fn remove_rank(node: &mut Node, rank: usize, nodes: &mut usize) -> Option<(f64, u32)> {
    match node {
        Node::Inner(inner) => {
            let (place, before) = inner.child_at_rank(rank)?;
            let removed = remove_rank(inner.child_mut(place), rank - before, nodes);
            after_removal(inner, place, nodes);
            removed
        }
        Node::Leaf(leaf) => (rank < leaf.len()).then(|| leaf.remove(rank)),
    }
}

/// Brings a node up to date after a member below the child at `place` is gone.
fn after_removal(inner: &mut Inner, place: usize, nodes: &mut usize) {
    inner.adjust(place, -1);
    if inner.child(place).is_sparse() {
        *nodes -= inner.mend(place);
    }
}

fn renumber(node: &mut Node, key: Key<'_>, id: u32, target: u32, members: &Members) {
    match node {
        Node::Inner(inner) => {
            let place = key.child(inner, id, members);
            renumber(inner.child_mut(place), key, id, target, members);
            inner.refresh_first(place);
        }
        Node::Leaf(leaf) => {
            if let Some(place) = leaf.find(id) {
                leaf.set_id(place, target);
            }
        }
    }
}

fn drop_leaf(node: &mut Node, nodes: &mut usize) -> usize {
    match node {
        Node::Inner(inner) => {
            let Some(last) = inner.len().checked_sub(1) else { return 0 };
            let dropped = drop_leaf(inner.child_mut(last), nodes);
            if inner.child(last).len() == 0 {
                inner.remove(last);
                *nodes -= 1;
            }
            dropped
        }
        Node::Leaf(leaf) => leaf.clear(),
    }
}
