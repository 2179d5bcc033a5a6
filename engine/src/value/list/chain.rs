//! The large form of a list: nodes in a ring.
//!
//! Lives here: finding, splitting and joining nodes. What does not: what is in them. Start at [`Chain::push`] and
//! [`Chain::insert`].

use std::collections::VecDeque;
use std::ops::Range;

use super::node::{Node, NodeIter};
use super::rules::ListRules;
use super::{End, Side};
use crate::value::listpack::{Element, Listpack};

/// A list in its large form.
#[derive(Debug, Clone, Default)]
pub(super) struct Chain {
    nodes: VecDeque<Node>,
    len: usize,
    /// What the nodes hold on to beside themselves.
    outside_bytes: usize,
}

impl Chain {
    /// Number of elements.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.nodes.iter()
    }

    /// Adds a node at the end; an empty one is left out.
    pub(super) fn push_node(&mut self, node: Node) {
        if node.len() > 0 {
            self.put_node(self.nodes.len(), node);
        }
    }

    /// The listpack of a chain that is nothing else, taken out of it.
    pub(super) fn take_only_pack(&mut self, fits: impl FnOnce(&Listpack) -> bool) -> Option<Listpack> {
        let [Some(only), None] = [self.nodes.front(), self.nodes.get(1)] else { return None };
        if !only.as_listpack().is_some_and(fits) {
            return None;
        }
        self.len = 0;
        self.outside_bytes = 0;
        self.nodes.pop_front()?.into_listpack()
    }

    /// Adds an element at one end.
    #[inline]
    pub(super) fn push(&mut self, end: End, element: &[u8], rules: ListRules) {
        let index = match end {
            End::Back => self.nodes.len().wrapping_sub(1),
            End::Front => 0,
        };
        if self.nodes.get(index).is_some_and(|node| node.has_room_for(element, rules)) {
            self.change(index, |node| match end {
                End::Back => node.push_back(element),
                End::Front => node.push_front(element),
            });
        } else {
            let place = if end == End::Back { self.nodes.len() } else { 0 };
            self.put_node(place, Node::of(element, rules));
        }
    }

    /// Takes the element at one end.
    #[inline]
    pub(super) fn pop<R>(&mut self, end: End, take: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let (node_index, index) = match end {
            End::Back => (self.nodes.len().checked_sub(1)?, self.nodes.back()?.len() - 1),
            End::Front => (0, 0),
        };
        let node = self.nodes.get(node_index)?;
        let taken = take(node.element(index)?);
        if node.len() == 1 {
            self.take_node(node_index);
        } else {
            self.change(node_index, |node| node.delete_range(index, 1));
        }
        Some(taken)
    }

    /// The element at an index.
    pub(super) fn get(&self, index: usize) -> Option<Element<'_>> {
        let (node, index) = self.locate(index)?;
        self.nodes[node].element(index)
    }

    /// The node of the first element whose text is `needle`, and the index in it.
    pub(super) fn find(&self, needle: &[u8]) -> Option<(usize, usize)> {
        self.nodes.iter().enumerate().find_map(|(place, node)| Some((place, node.index_of(needle)?)))
    }

    /// Adds an element beside the one that [`Chain::find`] found.
    pub(super) fn insert(&mut self, (node, index): (usize, usize), side: Side, element: &[u8], rules: ListRules) {
        let after = usize::from(side == Side::After);
        let at_edge = index + after == if side == Side::After { self.nodes[node].len() } else { 0 };
        if self.nodes[node].has_room_for(element, rules) {
            self.change(node, |node| node.insert(index + after, element));
        } else if at_edge {
            self.insert_between(node + after, side, element, rules);
        } else {
            self.split(node, index + after);
            if rules.is_plain(element.len()) {
                self.put_node(node + 1, Node::plain(element));
            } else if side == Side::After {
                self.change(node + 1, |node| node.push_front(element));
                self.join_around(node, rules);
            } else {
                self.change(node, |node| node.push_back(element));
                self.join_around(node + 1, rules);
            }
        }
    }

    /// Adds an element before the node `place`, beside whose neighbour on `side` it was to go: there if that has
    /// room, in a node of its own otherwise.
    fn insert_between(&mut self, place: usize, side: Side, element: &[u8], rules: ListRules) {
        let neighbour = if side == Side::After { Some(place) } else { place.checked_sub(1) };
        let has_room = |node: &Node| node.has_room_for(element, rules);
        match neighbour {
            Some(index) if self.nodes.get(index).is_some_and(has_room) => self.change(index, |node| match side {
                Side::After => node.push_front(element),
                Side::Before => node.push_back(element),
            }),
            _ => self.put_node(place, Node::of(element, rules)),
        }
    }

    /// Puts another element in the place of the one at an index. Returns whether there was one.
    pub(super) fn set(&mut self, index: usize, element: &[u8], rules: ListRules) -> bool {
        let Some((node, index)) = self.locate(index) else { return false };
        if self.change(node, |node| node.replace(index, element, rules)) {
            return true;
        }
        if self.nodes[node].len() == 1 {
            self.insert_between(node + 1, Side::After, element, rules);
            self.take_node(node);
            return true;
        }
        if index + 1 < self.nodes[node].len() {
            self.split(node, index + 1);
        }
        self.put_node(node + 1, Node::of(element, rules));
        self.cut(node, index, 1);
        if index > 0 {
            self.join_around(node + 1, rules);
        }
        true
    }

    /// Removes everything outside a range of indices that exists.
    pub(super) fn trim(&mut self, kept: Range<usize>) {
        let mut doomed = self.len - kept.end;
        while doomed > 0
            && let Some(last) = self.nodes.back()
        {
            let cut = doomed.min(last.len());
            self.cut(self.nodes.len() - 1, last.len() - cut, cut);
            doomed -= cut;
        }
        let mut doomed = kept.start;
        while doomed > 0
            && let Some(first) = self.nodes.front()
        {
            let cut = doomed.min(first.len());
            self.cut(0, 0, cut);
            doomed -= cut;
        }
    }

    /// Removes up to `max` elements whose text is `needle`, from one end on. Returns how many.
    pub(super) fn remove(&mut self, needle: &[u8], max: usize, from: End) -> usize {
        let (mut removed, mut emptied) = (0, false);
        for step in 0..self.nodes.len() {
            if removed == max {
                break;
            }
            let index = if from == End::Back { self.nodes.len() - 1 - step } else { step };
            removed += self.change(index, |node| node.remove(needle, max - removed, from == End::Back));
            emptied |= self.nodes[index].len() == 0;
        }
        if emptied {
            let outside = &mut self.outside_bytes;
            self.nodes.retain(|node| {
                let stays = node.len() > 0;
                *outside -= if stays { 0 } else { node.memory_usage() };
                stays
            });
        }
        removed
    }

    /// The elements of a range of indices, which must exist.
    pub(super) fn range(&self, indices: Range<usize>) -> ChainIter<'_> {
        let empty = || NodeIter::Plain(None);
        let mut iter = ChainIter { nodes: &self.nodes, front: empty(), front_next: 0, back: empty(), back_next: 0 };
        if let Some((node, index)) = self.locate(indices.start) {
            iter.front = self.nodes[node].range(index..self.nodes[node].len());
            iter.front_next = node + 1;
        }
        if let Some((node, index)) = indices.end.checked_sub(1).and_then(|last| self.locate(last)) {
            iter.back = self.nodes[node].range(0..index + 1);
            iter.back_next = node;
        }
        iter
    }

    pub(super) fn memory_usage(&self) -> usize {
        size_of::<Self>() + self.nodes.capacity() * size_of::<Node>() + self.outside_bytes
    }

    /// Number of nodes.
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Frees nodes until about `elements_max` elements are gone. Returns how many.
    pub(super) fn free_some(&mut self, elements_max: usize) -> usize {
        let mut freed = 0;
        while freed < elements_max
            && let Some(last) = self.nodes.len().checked_sub(1)
        {
            freed += self.nodes[last].len();
            self.take_node(last);
        }
        freed
    }

    /// The node that has the element at an index, counted from the nearer end, and the index in it.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index <= self.len / 2 {
            let mut before = 0;
            for (place, node) in self.nodes.iter().enumerate() {
                if index < before + node.len() {
                    return Some((place, index - before));
                }
                before += node.len();
            }
        } else {
            let mut start = self.len;
            for (place, node) in self.nodes.iter().enumerate().rev() {
                start -= node.len();
                if index >= start {
                    return Some((place, index - start));
                }
            }
        }
        None
    }

    /// Changes a node and keeps the figures right.
    #[inline]
    fn change<R>(&mut self, index: usize, change: impl FnOnce(&mut Node) -> R) -> R {
        let node = &mut self.nodes[index];
        let (len, bytes) = (node.len(), node.memory_usage());
        let result = change(node);
        self.len = self.len + node.len() - len;
        self.outside_bytes = self.outside_bytes + node.memory_usage() - bytes;
        result
    }

    fn put_node(&mut self, index: usize, node: Node) {
        self.len += node.len();
        self.outside_bytes += node.memory_usage();
        if index == self.nodes.len() {
            self.nodes.push_back(node);
        } else {
            self.nodes.insert(index, node);
        }
    }

    fn take_node(&mut self, index: usize) -> Option<Node> {
        let node = self.nodes.remove(index)?;
        self.len -= node.len();
        self.outside_bytes -= node.memory_usage();
        if self.nodes.len() * 4 < self.nodes.capacity() {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
        Some(node)
    }

    /// Removes elements of one node, or the node if they are all it has.
    fn cut(&mut self, node: usize, index: usize, count: usize) {
        if count == self.nodes[node].len() {
            self.take_node(node);
        } else {
            self.change(node, |node| node.delete_range(index, count));
        }
    }

    /// Makes two nodes of one.
    fn split(&mut self, node: usize, index: usize) {
        let tail = self.change(node, |node| node.split_off(index));
        self.put_node(node + 1, tail);
    }

    /// Joins the nodes around one that was just cut, where two make no more than one.
    ///
    /// Which pairs are tried in which order is the reference's (`_quicklistMergeNodes`, `quicklist.c` of 7.0).
    fn join_around(&mut self, mut node: usize, rules: ListRules) {
        if node >= 2 && self.join_with_next(node - 2, rules) {
            node -= 1;
        }
        self.join_with_next(node + 1, rules);
        if node >= 1 && self.join_with_next(node - 1, rules) {
            node -= 1;
        }
        self.join_with_next(node, rules);
    }

    /// Joins two neighbours if they make no more than one node. Returns whether they did.
    fn join_with_next(&mut self, node: usize, rules: ListRules) -> bool {
        let (Some(first), Some(next)) = (self.nodes.get(node), self.nodes.get(node + 1)) else { return false };
        if !first.may_join(next, rules) {
            return false;
        }
        if let Some(next) = self.take_node(node + 1) {
            self.change(node, |node| node.join(&next));
        }
        true
    }
}

/// Elements of a chain from either end. Knows no end of its own: whoever uses it counts.
#[derive(Debug, Clone)]
pub(super) struct ChainIter<'a> {
    nodes: &'a VecDeque<Node>,
    front: NodeIter<'a>,
    /// The node after the one that `front` walks.
    front_next: usize,
    back: NodeIter<'a>,
    /// The node that `back` walks; the one before follows.
    back_next: usize,
}

impl<'a> ChainIter<'a> {
    /// Folds the first `left` elements, which must be there.
    #[inline]
    pub(super) fn fold_first<B>(self, mut left: usize, init: B, mut fold: impl FnMut(B, Element<'a>) -> B) -> B {
        let mut folded = init;
        let mut node = self.front;
        for next in self.front_next.. {
            match node {
                NodeIter::Packed(pack) => {
                    for element in pack.take(left) {
                        folded = fold(folded, element);
                        left -= 1;
                    }
                }
                NodeIter::Plain(element) => {
                    if let Some(element) = element.filter(|_| left > 0) {
                        folded = fold(folded, Element::Bytes(element));
                        left -= 1;
                    }
                }
            }
            match self.nodes.get(next).filter(|_| left > 0) {
                Some(more) => node = more.range(0..more.len()),
                None => break,
            }
        }
        folded
    }
}

impl<'a> Iterator for ChainIter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if let Some(element) = self.front.next() {
                return Some(element);
            }
            let node = self.nodes.get(self.front_next)?;
            self.front_next += 1;
            self.front = node.range(0..node.len());
        }
    }
}

impl DoubleEndedIterator for ChainIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(element) = self.back.next_back() {
                return Some(element);
            }
            self.back_next = self.back_next.checked_sub(1)?;
            let node = &self.nodes[self.back_next];
            self.back = node.range(0..node.len());
        }
    }
}
