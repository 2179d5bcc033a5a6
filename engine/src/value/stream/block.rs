//! One block of entries: a listpack laid out as Redis lays out the nodes of its streams.
//!
//! ```text
//! count, deleted, number of fields, field..., 0            the head, with the fields of the first entry
//! flags, ms, seq, value..., elements so far                an entry with the fields of the head (flag 2)
//! flags, ms, seq, number of fields, field, value..., elements so far
//! ```
//!
//! Times and numbers are told from the id of the first entry, which is not in here ([`super::blocks`] has it). An entry
//! that was deleted keeps its place and gets flag 1. "Elements so far" are those of the entry: they lead back to its
//! flags; the 0 behind the head says that nothing is before. `validate.rs` looks at blocks from outside, [`Walk`] reads
//! them.

use super::StreamId;
use super::walk::Walk;
use crate::value::listpack::{Element, LISTPACK_BYTES_MAX, Listpack, Position};

/// Entries with neighbouring ids.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) pack: Listpack,
}

impl Block {
    /// A block of one entry, with room for so many bytes.
    pub(super) fn new<'a>(fields: impl Fields<'a>, capacity: usize) -> Self {
        let mut pack = Listpack::with_capacity(capacity);
        pack.push_back(1_i64);
        pack.push_back(0_i64);
        pack.push_back(fields.len() as i64);
        for (name, _) in fields.clone() {
            pack.push_back(name);
        }
        pack.push_back(0_i64);
        let mut block = Self { pack };
        block.put((0, 0), fields, true);
        block
    }

    /// Adds an entry that is so far from the block's id.
    pub(super) fn append<'a>(&mut self, distance: (i64, i64), fields: impl Fields<'a>) {
        let live = self.live();
        self.set(LIVE, live + 1);
        let has_same_fields = self.has_fields(fields.clone());
        self.put(distance, fields, has_same_fields);
    }

    fn put<'a>(&mut self, (ms, seq): (i64, i64), fields: impl Fields<'a>, has_same_fields: bool) {
        let count = fields.len() as i64;
        self.pack.push_back(if has_same_fields { SAME_FIELDS } else { 0 });
        self.pack.push_pair(ms, seq);
        if has_same_fields {
            for (_, value) in fields {
                self.pack.push_back(value);
            }
            self.pack.push_back(count + 3);
        } else {
            self.pack.push_back(count);
            for (name, value) in fields {
                self.pack.push_pair(name, value);
            }
            self.pack.push_back(2 * count + 4);
        }
    }

    fn has_fields<'a>(&self, fields: impl Fields<'a>) -> bool {
        let mut head = self.pack.iter().skip(2);
        head.next() == Some(Element::Int(fields.len() as i64)) && fields.zip(head).all(|((name, _), own)| own.is(name))
    }

    /// Whether an entry of so many bytes begins a new block instead.
    pub(super) fn is_full(&self, entry_bytes: usize, bytes_max: usize, entries_max: u64) -> bool {
        // The reference counts the text of the entry only, without what surrounds it.
        self.pack.byte_len() + entry_bytes >= bytes_max
            || entries_max > 0 && self.live().saturating_add(self.number(DELETED)).cast_unsigned() >= entries_max
    }

    /// Entries that are not deleted.
    pub(super) fn live(&self) -> i64 {
        self.number(LIVE)
    }

    /// Marks the entry whose flags are at a position as deleted, without counting it.
    pub(super) fn mark(&mut self, flags: Position) {
        let before = self.pack.get(flags).integer().unwrap_or(0);
        self.pack.replace(flags, Element::Int(before | DELETED_ENTRY));
    }

    /// Counts so many more entries as deleted. Positions may no longer stand afterwards.
    pub(super) fn count_deleted(&mut self, entries: i64) {
        let (live, deleted) = (self.live(), self.number(DELETED));
        self.set(LIVE, live - entries);
        self.set(DELETED, deleted + entries);
    }

    /// The names of the first entry's fields, and where the entries begin.
    pub(super) fn head(&self) -> (i64, Option<Position>) {
        let count = self.number(FIELDS);
        // The head's names, its end, and one element further.
        let entries = usize::try_from(count).ok().and_then(|count| self.pack.at(HEAD_NUMBERS + count + 1));
        (count, entries)
    }

    /// Walks the entries, deleted ones too, from the first on.
    pub(super) fn forward(&self, id: StreamId) -> Walk<'_> {
        Walk::forward(self, id)
    }

    /// Walks the entries, deleted ones too, from the last on.
    pub(super) fn backward(&self, id: StreamId) -> Walk<'_> {
        Walk::backward(self, id)
    }

    pub(super) fn memory_usage(&self) -> usize {
        self.pack.memory_usage()
    }

    fn number(&self, index: usize) -> i64 {
        self.pack.at(index).and_then(|at| self.pack.get(at).integer()).unwrap_or(0)
    }

    fn set(&mut self, index: usize, number: i64) {
        if let Some(position) = self.pack.at(index) {
            self.pack.replace(position, number);
        }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.pack.fmt(f)
    }
}

/// Fields with their values, to be stored.
pub trait Fields<'a>: ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone {}

impl<'a, F: ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone> Fields<'a> for F {}

/// Flag of an entry that was deleted.
pub(super) const DELETED_ENTRY: i64 = 1;
/// Flag of an entry that has the fields of the head.
pub(super) const SAME_FIELDS: i64 = 2;

/// Largest block in bytes, whatever the options say.
pub(super) const BLOCK_BYTES_MAX: usize = LISTPACK_BYTES_MAX;

/// Where the head has the number of entries that are not deleted.
const LIVE: usize = 0;
/// Where the head has the number of deleted entries.
const DELETED: usize = 1;
/// Where the head has the number of fields.
const FIELDS: usize = 2;
/// Numbers at the beginning of the head.
const HEAD_NUMBERS: usize = 3;
