//! Lists.
//!
//! Lives here: [`List`], one listpack while that is as large as a node may get, and a chain of nodes beyond. What
//! does not: commands, replies, negative indices. Both ends cost the same at any length; an index is reached from the
//! nearer end, a node at a time. Nodes are cut as Redis cuts them, so that a DUMP is the same. Start at [`List`].

mod chain;
mod collection;
mod node;
mod rules;
mod view;

use std::ops::Range;

use chain::{Chain, ChainIter};
use node::Node;
pub use node::NodeRef;
pub use rules::ListRules;
pub use view::ListView;

use super::Typed;
use super::listpack::{self, Element, Listpack};

/// A sequence of strings.
#[derive(Clone)]
pub struct List {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Large(Box<Chain>),
    Small(Listpack),
}

/// One end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The tail, `RIGHT` in commands.
    Back,
    /// The head, `LEFT` in commands.
    Front,
}

/// Where an element goes that is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Behind the pivot.
    After,
    /// In front of the pivot.
    Before,
}

impl List {
    /// An empty list in its compact form.
    pub fn new() -> Self {
        Self { form: Form::Small(Listpack::new()) }
    }

    /// The list of nodes that were read from outside; empty ones are left out.
    pub fn from_nodes(nodes: impl IntoIterator<Item = ListNode>, rules: ListRules) -> Self {
        let mut chain = Chain::default();
        for node in nodes {
            chain.push_node(match node {
                ListNode::Packed(pack) => Node::packed(pack),
                ListNode::Plain(element) => Node::plain(&element),
            });
        }
        if chain.len() == 0 {
            return Self::new();
        }
        let pack = chain.take_only_pack(|pack| rules.is_loaded_compact(pack.byte_len(), pack.len()));
        Self { form: pack.map_or_else(|| Form::Large(Box::new(chain)), Form::Small) }
    }

    /// Adds elements at one end, one after the other: the last of them ends up outermost.
    #[inline]
    pub fn push<'a>(&mut self, end: End, elements: impl Iterator<Item = &'a [u8]> + Clone, rules: ListRules) {
        // The reference looks at all elements of a command before it adds the first, without what surrounds them.
        let (mut bytes, mut count) = (0, 0);
        for element in elements.clone() {
            bytes += element.len();
            count += 1;
        }
        self.make_room(bytes, count, rules);
        for element in elements {
            match (&mut self.form, end) {
                (Form::Large(chain), end) => chain.push(end, element, rules),
                (Form::Small(pack), End::Back) => pack.push_back(element),
                (Form::Small(pack), End::Front) => pack.push_front(element),
            }
        }
    }

    /// Takes the element at one end; `take` sees it before it goes.
    #[inline]
    pub fn pop<R>(&mut self, end: End, rules: ListRules, take: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &mut self.form {
            Form::Large(chain) => {
                let taken = chain.pop(end, take);
                if chain.node_count() <= 1 {
                    self.shrink(rules);
                }
                taken
            }
            Form::Small(pack) => {
                let position = match end {
                    End::Back => pack.last()?,
                    End::Front => pack.first()?,
                };
                let taken = take(pack.get(position));
                pack.delete(position);
                Some(taken)
            }
        }
    }

    /// Adds an element beside the first whose text is `pivot`. Returns whether there is one.
    pub fn insert(&mut self, side: Side, pivot: &[u8], element: &[u8], rules: ListRules) -> bool {
        // As in Redis, the list may change its form even if it does not change otherwise.
        self.make_room(element.len(), 1, rules);
        match &mut self.form {
            Form::Large(chain) => {
                let Some(found) = chain.find(pivot) else { return false };
                chain.insert(found, side, element, rules);
            }
            Form::Small(pack) => {
                let Some(position) = pack.find(pivot, 0) else { return false };
                match side {
                    Side::After => _ = pack.insert_after(position, element),
                    Side::Before => pack.insert_before(position, element),
                }
            }
        }
        true
    }

    /// Puts another element in the place of the one at an index. Returns whether there was one.
    pub fn set(&mut self, index: usize, element: &[u8], rules: ListRules) -> bool {
        // As in Redis, the list may change its form even if there is no such element.
        self.make_room(element.len(), 1, rules);
        let done = match &mut self.form {
            Form::Large(chain) => chain.set(index, element, rules),
            Form::Small(pack) => pack.at(index).map(|position| pack.replace(position, element)).is_some(),
        };
        if done {
            self.shrink(rules);
        }
        done
    }

    /// Removes everything outside a range of indices, which is cut to what there is.
    pub fn trim(&mut self, kept: Range<usize>, rules: ListRules) {
        let kept = self.view().cut(kept);
        match &mut self.form {
            Form::Large(chain) => chain.trim(kept),
            Form::Small(pack) => {
                pack.delete_range(kept.end, usize::MAX);
                pack.delete_range(0, kept.start);
            }
        }
        self.shrink(rules);
    }

    /// Removes up to `max` elements whose text is `needle`, from one end on. Returns how many.
    pub fn remove(&mut self, needle: &[u8], max: usize, from: End, rules: ListRules) -> usize {
        let removed = match &mut self.form {
            Form::Large(chain) => chain.remove(needle, max, from),
            Form::Small(pack) => node::remove_from_pack(pack, needle, max, from == End::Back),
        };
        if removed > 0 {
            self.shrink(rules);
        }
        removed
    }

    /// Bytes of memory the list holds on to beside itself, as the allocator rounds them. Never walks.
    pub fn memory_usage(&self) -> usize {
        match &self.form {
            Form::Large(chain) => chain.memory_usage(),
            Form::Small(pack) => pack.memory_usage(),
        }
    }

    /// How many allocations freeing the list takes.
    pub fn free_cost(&self) -> usize {
        self.view().node_count()
    }

    /// Frees about `elements_max` elements of a list that nobody reads any more, and one node's more. Returns how
    /// many; 0 when dropping the rest costs little.
    pub fn free_some(&mut self, elements_max: usize) -> usize {
        match &mut self.form {
            Form::Large(chain) => chain.free_some(elements_max),
            Form::Small(_) => 0,
        }
    }

    /// Goes to the large form if the compact one would get too large with so much more.
    #[inline]
    fn make_room(&mut self, text_bytes: usize, elements: usize, rules: ListRules) {
        let Form::Small(pack) = &mut self.form else { return };
        let bytes = pack.byte_len().saturating_add(text_bytes);
        if rules.is_too_large(bytes, pack.len() + elements) || !pack.has_room_for(text_bytes, elements) {
            let mut chain = Box::new(Chain::default());
            chain.push_node(Node::packed(std::mem::take(pack)));
            self.form = Form::Large(chain);
        }
    }

    /// Goes back to the compact form once half a node holds everything.
    fn shrink(&mut self, rules: ListRules) {
        let Form::Large(chain) = &mut self.form else { return };
        if chain.len() == 0 {
            self.form = Form::Small(Listpack::new());
        } else if let Some(pack) = chain.take_only_pack(|pack| rules.is_compact(pack.byte_len(), pack.len())) {
            self.form = Form::Small(pack);
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.view().iter()).finish()
    }
}

/// A node read from outside.
#[derive(Debug, Clone)]
pub enum ListNode {
    /// Several elements.
    Packed(Listpack),
    /// One long element.
    Plain(Vec<u8>),
}

/// Elements of a list, from either end.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    form: IterForm<'a>,
    left: usize,
}

#[derive(Debug, Clone)]
enum IterForm<'a> {
    Large(ChainIter<'a>),
    Small(listpack::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.form {
            IterForm::Large(chain) => chain.next(),
            IterForm::Small(pack) => pack.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }

    /// Goes through a listpack at a time: the steps in it ask no more than where it ends.
    #[inline]
    fn fold<B, F: FnMut(B, Element<'a>) -> B>(self, init: B, fold: F) -> B {
        match self.form {
            IterForm::Large(chain) => chain.fold_first(self.left, init, fold),
            IterForm::Small(pack) => pack.fold(init, fold),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.form {
            IterForm::Large(chain) => chain.next_back(),
            IterForm::Small(pack) => pack.next_back(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
