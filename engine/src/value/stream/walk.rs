//! Reading entries: through one block, and through a range of ids from either end.

use super::block::{Block, DELETED_ENTRY, SAME_FIELDS};
use super::blocks::BlockIter;
use super::{Stream, StreamId};
use crate::value::listpack::{Element, Iter, Listpack, Position};

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Number of fields.
    pub len: usize,
    /// Where the names come from when they are those of the block's first entry.
    names: Option<Iter<'a>>,
    rest: Iter<'a>,
}

impl<'a> Entry<'a> {
    /// Fields and values, in the order they were added.
    pub fn fields(mut self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> {
        (0..self.len).map_while(move |_| {
            let name = match &mut self.names {
                Some(names) => names.next()?,
                None => self.rest.next()?,
            };
            Some((name, self.rest.next()?))
        })
    }
}

/// An entry in its block, deleted or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) id: StreamId,
    pub(super) flags_at: Position,
    pub(super) is_deleted: bool,
    has_same_fields: bool,
    /// Number of fields.
    len: usize,
    /// Where its values, or its fields and values, begin.
    body: Position,
}

/// A walk over the entries of one block, deleted ones too.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    pack: &'a Listpack,
    /// The block's id.
    id: StreamId,
    /// Number of fields in the head.
    head_len: usize,
    /// Where the first entry begins.
    first: Option<Position>,
    /// Flags of the next entry, or, backward, the last element of it.
    at: Option<Position>,
    is_backward: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn forward(block: &'a Block, id: StreamId) -> Self {
        let (head_len, first) = block.head();
        let head_len = usize::try_from(head_len).unwrap_or(0);
        Self { pack: &block.pack, id, head_len, first, at: first, is_backward: false }
    }

    pub(super) fn backward(block: &'a Block, id: StreamId) -> Self {
        let walk = Self::forward(block, id);
        let at = walk.first.and(block.pack.last());
        Self { at, is_backward: true, ..walk }
    }

    /// The entry at a place of this block.
    pub(super) fn entry(&self, place: Place) -> Entry<'a> {
        let names = place.has_same_fields.then(|| {
            let mut names = self.pack.iter();
            names.nth(2);
            names
        });
        Entry { id: place.id, len: place.len, names, rest: self.pack.iter_from(place.body) }
    }

    /// Reads the entry whose flags are at a position, and finds where it ends.
    fn read(&self, flags_at: Position) -> Option<(Place, Option<Position>)> {
        let mut at = flags_at;
        let mut number = || {
            let number = self.pack.get(at).integer()?;
            at = self.pack.next(at)?;
            Some(number)
        };
        let (flags, distance) = (number()?, (number()?, number()?));
        let has_same_fields = flags & SAME_FIELDS != 0;
        let len = if has_same_fields { self.head_len } else { usize::try_from(number()?).ok()? };
        let place = Place {
            id: self.id.plus(distance),
            flags_at,
            is_deleted: flags & DELETED_ENTRY != 0,
            has_same_fields,
            len,
            body: at,
        };
        let elements = if has_same_fields { len } else { 2 * len };
        for _ in 0..elements {
            at = self.pack.next(at)?;
        }
        Some((place, self.pack.next(at)))
    }

    fn step_forward(&mut self) -> Option<Place> {
        let (place, next) = self.read(self.at?)?;
        self.at = next;
        Some(place)
    }

    fn step_backward(&mut self) -> Option<Place> {
        let last = self.at?;
        let elements = self.pack.get(last).integer()?;
        let mut at = last;
        for _ in 0..elements {
            at = self.pack.previous(at)?;
        }
        let (place, _) = self.read(at)?;
        self.at = if Some(at) == self.first { None } else { self.pack.previous(at) };
        Some(place)
    }
}

impl Iterator for Walk<'_> {
    type Item = Place;

    #[inline]
    fn next(&mut self) -> Option<Place> {
        if self.is_backward { self.step_backward() } else { self.step_forward() }
    }
}

/// The entries of a range of ids, from one end on.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    blocks: BlockIter<'a>,
    walk: Option<Walk<'a>>,
    first: StreamId,
    last: StreamId,
    order: Order,
}

/// Where a walk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// With the first entry.
    Ascending,
    /// With the last entry.
    Descending,
}

impl<'a> Entries<'a> {
    pub(super) fn new(stream: &'a Stream, first: StreamId, last: StreamId, order: Order) -> Self {
        let blocks = match order {
            Order::Ascending => stream.blocks().from(first),
            Order::Descending => stream.blocks().up_to(last),
        };
        Self { blocks, walk: None, first, last, order }
    }

    fn next_block(&mut self) -> Option<Walk<'a>> {
        match self.order {
            Order::Ascending => self.blocks.next().map(|(id, block)| block.forward(*id)),
            Order::Descending => self.blocks.next_back().map(|(id, block)| block.backward(*id)),
        }
    }

    /// Whether an id lies behind the end of the walk.
    fn is_past(&self, id: StreamId) -> bool {
        match self.order {
            Order::Ascending => id > self.last,
            Order::Descending => id < self.first,
        }
    }

    /// The next place, deleted or not, with the walk that found it.
    pub(super) fn next_place(&mut self) -> Option<(Place, &Walk<'a>)> {
        loop {
            if self.walk.is_none() {
                self.walk = Some(self.next_block()?);
            }
            let Some(place) = self.walk.as_mut().and_then(Iterator::next) else {
                self.walk = None;
                continue;
            };
            if self.is_past(place.id) {
                // What follows is past the end, too.
                self.blocks = BlockIter::default();
                self.walk = None;
                return None;
            }
            if (self.first..=self.last).contains(&place.id) {
                return self.walk.as_ref().map(|walk| (place, walk));
            }
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let (place, walk) = self.next_place()?;
            if !place.is_deleted {
                return Some(walk.entry(place));
            }
        }
    }
}
