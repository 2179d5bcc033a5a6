//! One node of a chain: a listpack, or a single long element.

use super::rules::ListRules;
use crate::value::listpack::{self, Element, Elements, Listpack};
use crate::value::memory::allocated_bytes;

/// A node; never empty while it is in a chain.
#[derive(Debug, Clone)]
pub(super) struct Node {
    count: u32,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Packed(Listpack),
    Plain(Box<[u8]>),
}

/// A node as files have it.
#[derive(Debug, Clone, Copy)]
pub enum NodeRef<'a> {
    /// Several elements.
    Packed(Elements<'a>),
    /// One long element.
    Plain(&'a [u8]),
}

impl Node {
    pub(super) fn packed(pack: Listpack) -> Self {
        Self { count: pack.len() as u32, body: Body::Packed(pack) }
    }

    pub(super) fn plain(element: &[u8]) -> Self {
        Self { count: 1, body: Body::Plain(element.into()) }
    }

    /// A node with one element, of the kind that suits it.
    pub(super) fn of(element: &[u8], rules: ListRules) -> Self {
        if rules.is_plain(element.len()) {
            return Self::plain(element);
        }
        let mut pack = Listpack::new();
        pack.push_back(element);
        Self { count: 1, body: Body::Packed(pack) }
    }

    /// Number of elements.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.count as usize
    }

    pub(super) fn get(&self) -> NodeRef<'_> {
        match &self.body {
            Body::Packed(pack) => NodeRef::Packed(pack.elements()),
            Body::Plain(element) => NodeRef::Plain(element),
        }
    }

    /// The listpack, unless the node is a single long element.
    pub(super) const fn as_listpack(&self) -> Option<&Listpack> {
        if let Body::Packed(pack) = &self.body { Some(pack) } else { None }
    }

    /// The listpack, unless the node is a single long element.
    pub(super) fn into_listpack(self) -> Option<Listpack> {
        match self.body {
            Body::Packed(pack) => Some(pack),
            Body::Plain(_) => None,
        }
    }

    /// The element at an index, which must be there.
    pub(super) fn element(&self, index: usize) -> Option<Element<'_>> {
        match &self.body {
            Body::Packed(pack) => Some(pack.get(pack.at(index)?)),
            Body::Plain(element) => (index == 0).then_some(Element::Bytes(element)),
        }
    }

    /// The elements of a range of indices, from either end.
    #[inline]
    pub(super) fn range(&self, indices: std::ops::Range<usize>) -> NodeIter<'_> {
        match &self.body {
            Body::Packed(pack) if indices == (0..self.len()) => NodeIter::Packed(pack.iter()),
            Body::Packed(pack) => NodeIter::Packed(pack.range(indices)),
            Body::Plain(element) => NodeIter::Plain((!indices.is_empty()).then_some(element)),
        }
    }

    /// How many elements are before the first whose text is `needle`.
    pub(super) fn index_of(&self, needle: &[u8]) -> Option<usize> {
        match &self.body {
            Body::Packed(pack) => pack.index_of(needle),
            Body::Plain(element) => (**element == *needle).then_some(0),
        }
    }

    /// Whether an element may be added.
    pub(super) fn has_room_for(&self, element: &[u8], rules: ListRules) -> bool {
        let Body::Packed(pack) = &self.body else { return false };
        let bytes = pack.byte_len() + element.len() + ELEMENT_OVERHEAD;
        !rules.is_plain(element.len()) && !rules.is_too_large(bytes, self.len() + 1)
    }

    /// Whether both nodes may become one.
    pub(super) fn may_join(&self, next: &Self, rules: ListRules) -> bool {
        let (Body::Packed(pack), Body::Packed(other)) = (&self.body, &next.body) else { return false };
        let bytes = pack.byte_len() + other.byte_len() - PACK_OVERHEAD;
        !rules.is_too_large(bytes, self.len() + next.len())
    }

    /// Adds the elements of the next node to these.
    pub(super) fn join(&mut self, next: &Self) {
        if let (Body::Packed(pack), Body::Packed(other)) = (&mut self.body, &next.body) {
            pack.append(other.elements());
            self.count += next.count;
        }
    }

    /// Adds an element at the end; there must be room.
    #[inline]
    pub(super) fn push_back(&mut self, element: &[u8]) {
        if let Body::Packed(pack) = &mut self.body {
            reserve_ahead(pack, element);
            pack.push_back(element);
            self.count += 1;
        }
    }

    /// Adds an element at the front; there must be room.
    #[inline]
    pub(super) fn push_front(&mut self, element: &[u8]) {
        if let Body::Packed(pack) = &mut self.body {
            reserve_ahead(pack, element);
            pack.push_front(element);
            self.count += 1;
        }
    }

    /// Adds an element before the one at an index; there must be room.
    pub(super) fn insert(&mut self, index: usize, element: &[u8]) {
        let Body::Packed(pack) = &mut self.body else { return };
        match pack.at(index) {
            Some(position) => pack.insert_before(position, element),
            None => pack.push_back(element),
        }
        self.count += 1;
    }

    /// Puts another element in the place of the one at an index, if the node can hold it. Returns whether it did.
    pub(super) fn replace(&mut self, index: usize, element: &[u8], rules: ListRules) -> bool {
        match &mut self.body {
            Body::Packed(pack) if !rules.is_plain(element.len()) && pack.has_room_for(element.len(), 1) => {
                let Some(position) = pack.at(index) else { return false };
                pack.replace(position, element);
                true
            }
            Body::Plain(old) if rules.is_plain(element.len()) => {
                *old = element.into();
                true
            }
            Body::Packed(_) | Body::Plain(_) => false,
        }
    }

    /// Removes elements; a node may be left without any.
    pub(super) fn delete_range(&mut self, index: usize, count: usize) {
        match &mut self.body {
            Body::Packed(pack) => self.count -= pack.delete_range(index, count) as u32,
            Body::Plain(_) => self.count -= u32::from(index == 0 && count > 0),
        }
    }

    /// Takes the elements from an index on into a node of their own.
    pub(super) fn split_off(&mut self, index: usize) -> Self {
        match &mut self.body {
            Body::Packed(pack) => {
                let tail = Self { count: self.count - index as u32, body: Body::Packed(pack.split_off(index)) };
                self.count = index as u32;
                tail
            }
            Body::Plain(element) => {
                // Only reached with index 0: all of it moves.
                let tail = Self { count: self.count, body: Body::Plain(std::mem::take(element)) };
                self.count = 0;
                tail
            }
        }
    }

    /// Removes up to `max` elements whose text is `needle`, from one end on. Returns how many.
    pub(super) fn remove(&mut self, needle: &[u8], max: usize, from_back: bool) -> usize {
        let removed = match &mut self.body {
            Body::Packed(pack) => remove_from_pack(pack, needle, max, from_back),
            Body::Plain(element) => usize::from(max > 0 && **element == *needle),
        };
        self.count -= removed as u32;
        removed
    }

    /// Bytes of memory the node holds on to beside itself.
    #[inline]
    pub(super) fn memory_usage(&self) -> usize {
        match &self.body {
            Body::Packed(pack) => pack.memory_usage(),
            Body::Plain(element) => allocated_bytes(element.len()),
        }
    }
}

/// Doubles the room of a node that an element at one end would outgrow, up to what most nodes get.
///
/// A node that is pushed to gets full; going there in steps of a seventh cost a third of the time of a push.
#[inline]
fn reserve_ahead(pack: &mut Listpack, element: &[u8]) {
    let needed = pack.byte_len() + element.len() + ELEMENT_OVERHEAD;
    if needed > pack.capacity() && needed < FULL_BYTES {
        pack.reserve((needed * 2).min(FULL_BYTES));
    }
}

/// Size of a full node by default.
const FULL_BYTES: usize = 8192;

pub(super) fn remove_from_pack(pack: &mut Listpack, needle: &[u8], max: usize, from_back: bool) -> usize {
    let mut removed = 0;
    if from_back {
        let mut at = pack.last();
        while removed < max
            && let Some(position) = at
        {
            // Positions before a deleted element stay good.
            at = pack.previous(position);
            if pack.get(position).is(needle) {
                pack.delete(position);
                removed += 1;
            }
        }
    } else {
        let mut at = pack.first();
        while removed < max
            && let Some(position) = at.and_then(|at| pack.find_from(at, needle, 0))
        {
            at = pack.delete(position);
            removed += 1;
        }
    }
    removed
}

/// Elements of a node, from either end.
#[derive(Debug, Clone)]
pub(super) enum NodeIter<'a> {
    Packed(listpack::Iter<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Iterator for NodeIter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Self::Packed(iter) => iter.next(),
            Self::Plain(element) => element.take().map(Element::Bytes),
        }
    }
}

impl DoubleEndedIterator for NodeIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Packed(iter) => iter.next_back(),
            Self::Plain(element) => element.take().map(Element::Bytes),
        }
    }
}

/// What the reference reckons with for each element (`SIZE_ESTIMATE_OVERHEAD`, `quicklist.c` of 7.0): the nodes of
/// a DUMP are the same then.
const ELEMENT_OVERHEAD: usize = 8;

/// Header and end mark of a listpack.
const PACK_OVERHEAD: usize = 7;
