//! The blocks of a stream in their order, found by id.
//!
//! The last block lies apart: entries are added there, whatever came before, and a short stream has no other.

use std::collections::{BTreeMap, btree_map};
use std::iter::Chain;
use std::option;

use super::StreamId;
use super::block::Block;

/// Blocks by the id of their first entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    older: BTreeMap<StreamId, Block>,
    /// None only if there is no block at all.
    last: Option<(StreamId, Block)>,
    bytes: usize,
}

impl Blocks {
    pub(super) const EMPTY: Self = Self { older: BTreeMap::new(), last: None, bytes: 0 };

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.older.len() + usize::from(self.last.is_some())
    }

    /// Bytes they hold on to.
    pub(super) fn memory_usage(&self) -> usize {
        self.bytes + self.older.len() * PLACE_BYTES
    }

    /// The first block.
    pub(super) fn first(&self) -> Option<(StreamId, &Block)> {
        let oldest = self.older.first_key_value();
        oldest.or(self.last.as_ref().map(|(id, block)| (id, block))).map(|(id, block)| (*id, block))
    }

    /// The last block.
    pub(super) fn last(&self) -> Option<(StreamId, &Block)> {
        self.last.as_ref().map(|(id, block)| (*id, block))
    }

    /// Adds a block behind all others.
    pub(super) fn push(&mut self, id: StreamId, block: Block) {
        self.bytes += block.memory_usage();
        if let Some((id, mut block)) = self.last.replace((id, block)) {
            self.bytes -= block.memory_usage();
            block.pack.shrink_to_fit();
            self.bytes += block.memory_usage();
            self.older.insert(id, block);
        }
    }

    /// Changes the last block.
    #[inline]
    pub(super) fn change_last<R>(&mut self, change: impl FnOnce(StreamId, &mut Block) -> R) -> Option<R> {
        let (id, block) = self.last.as_mut()?;
        let before = block.memory_usage();
        let result = change(*id, block);
        self.bytes = self.bytes - before + block.memory_usage();
        Some(result)
    }

    /// Changes the block of this id.
    pub(super) fn change<R>(&mut self, id: StreamId, change: impl FnOnce(&mut Block) -> R) -> Option<R> {
        if self.last.as_ref().is_some_and(|(last, _)| *last == id) {
            return self.change_last(|_, block| change(block));
        }
        let block = self.older.get_mut(&id)?;
        let before = block.memory_usage();
        let result = change(block);
        self.bytes = self.bytes - before + block.memory_usage();
        Some(result)
    }

    /// Removes the block of this id.
    pub(super) fn remove(&mut self, id: StreamId) {
        let removed = if self.last.as_ref().is_some_and(|(last, _)| *last == id) {
            std::mem::replace(&mut self.last, self.older.pop_last()).map(|(_, block)| block)
        } else {
            self.older.remove(&id)
        };
        self.bytes -= removed.map_or(0, |block| block.memory_usage());
    }

    /// The blocks from the one on that an id is in, or would be.
    pub(super) fn from(&self, id: StreamId) -> BlockIter<'_> {
        let last = self.last.as_ref();
        if last.is_some_and(|(last, _)| *last <= id) {
            return BlockIter::of(self.older.range(StreamId::MAX..), last);
        }
        let floor = self.older.range(..=id).next_back().map_or(StreamId::MIN, |(floor, _)| *floor);
        BlockIter::of(self.older.range(floor..), last)
    }

    /// The blocks up to the one that an id is in, or would be.
    pub(super) fn up_to(&self, id: StreamId) -> BlockIter<'_> {
        BlockIter::of(self.older.range(..=id), self.last.as_ref().filter(|(last, _)| *last <= id))
    }

    /// All blocks.
    pub(super) fn iter(&self) -> BlockIter<'_> {
        self.up_to(StreamId::MAX)
    }
}

/// Blocks with their ids, from either end.
#[derive(Debug, Clone, Default)]
pub(super) struct BlockIter<'a>(Option<Chain<btree_map::Range<'a, StreamId, Block>, option::IntoIter<BlockRef<'a>>>>);

type BlockRef<'a> = (&'a StreamId, &'a Block);

impl<'a> BlockIter<'a> {
    fn of(older: btree_map::Range<'a, StreamId, Block>, last: Option<&'a (StreamId, Block)>) -> Self {
        Self(Some(older.chain(last.map(|(id, block)| (id, block)))))
    }
}

impl<'a> Iterator for BlockIter<'a> {
    type Item = BlockRef<'a>;

    fn next(&mut self) -> Option<BlockRef<'a>> {
        self.0.as_mut()?.next()
    }
}

impl DoubleEndedIterator for BlockIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next_back()
    }
}

/// Bytes that a block's place among the others takes: id and block in the nodes of a tree that are half full.
const PLACE_BYTES: usize = 2 * size_of::<(StreamId, Block)>();
