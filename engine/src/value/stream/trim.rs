//! Removing entries from the front, as Redis does: whole blocks first, and single entries only if that is asked for.

use super::block::Block;
use super::{Body, Stream, StreamId};

/// How much is to stay, and how exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// What is to stay.
    pub to: TrimTo,
    /// Whether only whole blocks may go (`~`).
    pub is_approximate: bool,
    /// Most entries that may go; 0 for any number.
    pub limit: u64,
}

/// What stays of a trimmed stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimTo {
    /// So many entries.
    Len(u64),
    /// The entries from this id on.
    Id(StreamId),
}

impl Stream {
    /// Removes entries from the front. Returns how many.
    pub fn trim(&mut self, trim: Trim) -> usize {
        let Some(body) = &mut self.0 else { return 0 };
        let removed = body.trim(trim);
        if removed > 0 {
            self.find_first();
        }
        removed
    }
}

impl Body {
    fn trim(&mut self, trim: Trim) -> usize {
        let mut removed = 0;
        while let Some((id, block)) = self.blocks.first() {
            let live = usize::try_from(block.live()).unwrap_or(0);
            let may_go = trim.limit == 0 || (removed + live) as u64 <= trim.limit;
            if self.is_done(trim.to) || !may_go {
                break;
            }
            if self.goes_whole(trim.to, id, block, live) {
                self.blocks.remove(id);
                self.len -= live;
                removed += live;
                continue;
            }
            if !trim.is_approximate {
                removed += self.trim_block(trim.to, id);
            }
            break;
        }
        removed
    }

    fn is_done(&self, to: TrimTo) -> bool {
        matches!(to, TrimTo::Len(len) if self.len as u64 <= len)
    }

    /// Whether nothing of a block is to stay. Deleted entries count by their ids: the block keeps them.
    fn goes_whole(&self, to: TrimTo, id: StreamId, block: &Block, live: usize) -> bool {
        match to {
            TrimTo::Len(len) => (self.len - live) as u64 >= len,
            TrimTo::Id(first) => block.backward(id).next().is_none_or(|last| last.id < first),
        }
    }

    /// Marks entries at the beginning of the first block. Returns how many.
    fn trim_block(&mut self, to: TrimTo, id: StreamId) -> usize {
        let excess = match to {
            TrimTo::Len(len) => self.len - usize::try_from(len).unwrap_or(usize::MAX).min(self.len),
            TrimTo::Id(_) => usize::MAX,
        };
        let marked = self.blocks.change(id, |block| {
            let places = block.forward(id).take_while(|place| match to {
                TrimTo::Len(_) => true,
                TrimTo::Id(first) => place.id < first,
            });
            let flags: Vec<_> = places.filter(|place| !place.is_deleted).take(excess).map(|p| p.flags_at).collect();
            flags.iter().for_each(|&flags| block.mark(flags));
            block.count_deleted(flags.len() as i64);
            flags.len()
        });
        let marked = marked.unwrap_or(0);
        self.len -= marked;
        marked
    }
}
