//! Streams from outside: files, RESTORE, primaries. Whatever comes, the result is a sound stream or nothing.

use super::block::{Block, DELETED_ENTRY, SAME_FIELDS};
use super::{Stream, StreamId};
use crate::value::listpack::{Element, Listpack};

/// What a file says of a stream beside its blocks and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamFacts {
    /// Number of entries.
    pub len: u64,
    /// The greatest id an entry ever had.
    pub last_id: StreamId,
    /// The greatest id that was deleted.
    pub max_deleted_id: StreamId,
    /// Number of entries ever added.
    pub entries_added: u64,
}

/// A block that was looked at.
#[derive(Debug)]
pub struct LoadedBlock {
    block: Block,
    id: StreamId,
    last_id: StreamId,
    live: u64,
}

impl LoadedBlock {
    /// Takes a block from outside after looking at all its entries; nothing if any is not as it must be.
    pub fn validate(id: StreamId, pack: Listpack) -> Option<Self> {
        let mut elements = pack.iter();
        let mut number = || elements.next()?.integer();
        let (live, deleted, head_len) = (number()?, number()?, number()?);
        for _ in 0..checked_count(head_len, &pack)? {
            elements.next()?;
        }
        if elements.next()? != Element::Int(0) {
            return None;
        }
        let (mut live_found, mut deleted_found) = (0, 0);
        let mut last_id = None;
        while let Some(flags) = elements.next() {
            let flags = flags.integer()?;
            let mut number = || elements.next()?.integer();
            let found = id.plus((number()?, number()?));
            let has_same_fields = flags & SAME_FIELDS != 0;
            let len = if has_same_fields { head_len } else { number()? };
            let len = checked_count(len, &pack)?;
            let (values, around) = if has_same_fields { (len, 3) } else { (2 * len, 4) };
            for _ in 0..values {
                elements.next()?;
            }
            let leads_back = elements.next()? == Element::Int((values + around) as i64);
            let ascends = last_id.map_or(found >= id, |last_id| found > last_id);
            if !leads_back || !ascends || flags & !(DELETED_ENTRY | SAME_FIELDS) != 0 {
                return None;
            }
            last_id = Some(found);
            *(if flags & DELETED_ENTRY == 0 { &mut live_found } else { &mut deleted_found }) += 1;
        }
        if (live, deleted) != (live_found, deleted_found) {
            return None;
        }
        Some(Self { block: Block { pack }, id, last_id: last_id?, live: live.cast_unsigned() })
    }
}

/// A number of fields, which cannot be more than there are elements.
fn checked_count(count: i64, pack: &Listpack) -> Option<usize> {
    usize::try_from(count).ok().filter(|count| *count <= pack.byte_len())
}

impl Stream {
    /// The stream of these blocks, without groups; nothing if they do not fit together.
    pub fn from_blocks(blocks: impl IntoIterator<Item = LoadedBlock>, facts: StreamFacts) -> Option<Self> {
        let mut stream = Self::new();
        let body = stream.body_mut();
        let mut len = 0_u64;
        let mut last_id = None;
        for loaded in blocks {
            if last_id.is_some_and(|last_id| loaded.id <= last_id) {
                return None;
            }
            last_id = Some(loaded.last_id);
            len += loaded.live;
            body.blocks.push(loaded.id, loaded.block);
        }
        if len != facts.len || last_id.is_some_and(|last_id| last_id > facts.last_id) {
            return None;
        }
        body.len = usize::try_from(len).ok()?;
        body.last_id = facts.last_id;
        body.max_deleted_id = facts.max_deleted_id;
        body.entries_added = facts.entries_added;
        stream.find_first();
        Some(stream)
    }
}
