//! Streams: entries by id, and groups of consumers that share them.
//!
//! Lives here: [`Stream`]. Entries lie in blocks of neighbours, byte for byte the nodes of Redis's streams
//! (`block.rs`), so that DUMP and files copy them and trimming by whole nodes removes the same entries. Blocks are
//! found by id (`blocks.rs`) and read from either end (`walk.rs`). What does not live here: how ids and ranges are
//! written, replies, waiting for entries. Start at [`Stream::append`] and [`Stream::range`].

mod assignment;
mod block;
mod blocks;
mod collection;
mod group;
mod id;
mod load;
mod trim;
mod walk;

use std::collections::BTreeMap;

pub use assignment::Assignment;
pub use block::Fields;
use block::{BLOCK_BYTES_MAX, Block};
use blocks::Blocks;
pub use group::{Consumer, ConsumerId, Group, Pending, PendingRange};
pub use id::{ID_TEXT_BYTES_MAX, StreamId};
pub use load::{LoadedBlock, StreamFacts};
pub use trim::{Trim, TrimTo};
pub use walk::{Entries, Entry, Order};

use super::listpack::Listpack;
use super::memory::allocated_bytes;

/// Entries by id, with consumer groups. One that was never changed owns nothing, and is no value for a key yet.
#[derive(Debug, Clone, Default)]
pub struct Stream(Option<Box<Body>>);

#[derive(Debug, Clone, Default)]
struct Body {
    blocks: Blocks,
    len: usize,
    last_id: StreamId,
    /// The first entry that is not deleted; the smallest id when there is none.
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Bytes that all groups hold on to.
    groups_bytes: usize,
    /// Allocations that freeing all groups takes, roughly.
    groups_cost: usize,
}

/// How large blocks get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRules {
    /// `stream-node-max-bytes`; 0 for as many as a listpack may have.
    pub node_bytes_max: u64,
    /// `stream-node-max-entries`; 0 for any number.
    pub node_entries_max: u64,
}

impl StreamRules {
    fn bytes_max(self) -> usize {
        match usize::try_from(self.node_bytes_max) {
            Ok(bytes @ 1..=BLOCK_BYTES_MAX) => bytes,
            _ => BLOCK_BYTES_MAX,
        }
    }
}

/// The id that a new entry shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewId {
    /// From the clock, which tells these milliseconds since 1970.
    Clock(u64),
    /// This one.
    Exact(StreamId),
    /// The next of these milliseconds.
    Within(u64),
}

impl Stream {
    /// An empty stream that is a value for a key.
    pub fn new() -> Self {
        Self(Some(Box::default()))
    }

    fn body(&self) -> &Body {
        static EMPTY: Body = Body {
            blocks: Blocks::EMPTY,
            len: 0,
            last_id: StreamId::MIN,
            first_id: StreamId::MIN,
            max_deleted_id: StreamId::MIN,
            entries_added: 0,
            groups: BTreeMap::new(),
            groups_bytes: 0,
            groups_cost: 0,
        };
        self.0.as_deref().unwrap_or(&EMPTY)
    }

    fn body_mut(&mut self) -> &mut Body {
        self.0.get_or_insert_default()
    }

    fn blocks(&self) -> &Blocks {
        &self.body().blocks
    }

    // --- figures --------------------------------------------------------------------------------------------------

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.body().len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The greatest id an entry ever had, or that was set.
    pub fn last_id(&self) -> StreamId {
        self.body().last_id
    }

    /// The id of the first entry; the smallest id when there is none.
    pub fn first_id(&self) -> StreamId {
        self.body().first_id
    }

    /// The greatest id that was deleted.
    pub fn max_deleted_id(&self) -> StreamId {
        self.body().max_deleted_id
    }

    /// Number of entries ever added.
    pub fn entries_added(&self) -> u64 {
        self.body().entries_added
    }

    /// Number of blocks.
    pub fn block_count(&self) -> usize {
        self.blocks().len()
    }

    /// The blocks as files have them.
    pub fn blocks_with_ids(&self) -> impl Iterator<Item = (StreamId, &Listpack)> {
        self.blocks().iter().map(|(id, block)| (*id, &block.pack))
    }

    /// Bytes it holds on to.
    pub fn memory_usage(&self) -> usize {
        match &self.0 {
            None => 0,
            Some(body) => allocated_bytes(size_of::<Body>()) + body.blocks.memory_usage() + body.groups_bytes,
        }
    }

    /// Sets the figures that a stream is known by, whatever its entries (XSETID).
    ///
    /// The number of entries ever added stays without one, the greatest deleted id where it is the smallest there is.
    pub fn set_figures(&mut self, last_id: StreamId, entries_added: Option<u64>, max_deleted_id: StreamId) {
        let body = self.body_mut();
        body.last_id = last_id;
        body.entries_added = entries_added.unwrap_or(body.entries_added);
        if max_deleted_id > StreamId::MIN {
            body.max_deleted_id = max_deleted_id;
        }
    }

    // --- entries --------------------------------------------------------------------------------------------------

    /// The id of the next entry that is added as `wish` says; nothing if it were not greater than all before.
    pub fn next_id(&self, wish: NewId) -> Option<StreamId> {
        let last = self.last_id();
        let id = match wish {
            // A clock that went back does not make ids go back.
            NewId::Clock(ms) if ms <= last.ms => last.next()?,
            NewId::Clock(ms) => StreamId { ms, seq: 0 },
            NewId::Exact(id) => id,
            NewId::Within(ms) if ms == last.ms => StreamId { ms, seq: last.seq.checked_add(1)? },
            NewId::Within(ms) => StreamId { ms, seq: 0 },
        };
        (id > last).then_some(id)
    }

    /// Adds an entry whose id is greater than all before ([`Stream::next_id`]).
    #[inline]
    pub fn append<'a>(&mut self, id: StreamId, fields: impl Fields<'a>, rules: StreamRules) {
        let body = self.body_mut();
        debug_assert!(id > body.last_id, "ids grow");
        let entry_bytes: usize = fields.clone().map(|(name, value)| name.len() + value.len()).sum();
        let added = body.blocks.change_last(|block_id, block| {
            let has_room = !block.is_full(entry_bytes, rules.bytes_max(), rules.node_entries_max);
            if has_room {
                block.append(id.minus(block_id), fields.clone());
            }
            has_room
        });
        if added != Some(true) {
            // Where one block is full, the next most likely will be, too.
            let capacity = if added.is_some() { rules.bytes_max().min(NODE_BYTES_AHEAD_MAX) } else { 0 };
            body.blocks.push(id, Block::new(fields, capacity));
        }
        body.len += 1;
        body.entries_added = body.entries_added.wrapping_add(1);
        body.last_id = id;
        if body.len == 1 {
            body.first_id = id;
        }
    }

    /// The entries of a range of ids, both ends included.
    pub fn range(&self, first: StreamId, last: StreamId, order: Order) -> Entries<'_> {
        Entries::new(self, first, last, order)
    }

    /// All entries.
    pub fn iter(&self) -> Entries<'_> {
        self.range(StreamId::MIN, StreamId::MAX, Order::Ascending)
    }

    /// The entry of an id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id, Order::Ascending).next()
    }

    /// The last entry.
    pub fn last(&self) -> Option<Entry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX, Order::Descending).next()
    }

    /// Removes entries. Returns how many there were.
    pub fn delete(&mut self, ids: impl Iterator<Item = StreamId>) -> usize {
        let Some(body) = &mut self.0 else { return 0 };
        let mut deleted = 0;
        let mut is_first_gone = false;
        for id in ids {
            if body.delete_one(id) {
                deleted += 1;
                is_first_gone |= id == body.first_id;
                body.max_deleted_id = body.max_deleted_id.max(id);
            }
        }
        if is_first_gone {
            self.find_first();
        }
        deleted
    }

    /// Brings the id of the first entry up to date.
    fn find_first(&mut self) {
        let first = self.iter().next().map_or(StreamId::MIN, |entry| entry.id);
        self.body_mut().first_id = first;
    }

    // --- groups ---------------------------------------------------------------------------------------------------

    /// Number of groups.
    pub fn groups_len(&self) -> usize {
        self.body().groups.len()
    }

    /// The groups by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.body().groups.iter().map(|(name, group)| (&**name, group))
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.body().groups.get(name)
    }

    /// Adds a group. Returns false if there is one of this name.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        let body = self.body_mut();
        if body.groups.contains_key(name) {
            return false;
        }
        body.groups_bytes += group_bytes(name, &group);
        body.groups_cost += group.free_cost();
        body.groups.insert(name.into(), group);
        true
    }

    /// Changes a group.
    pub fn edit_group<R>(&mut self, name: &[u8], edit: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let body = self.0.as_mut()?;
        let group = body.groups.get_mut(name)?;
        let (bytes, cost) = (group_bytes(name, group), group.free_cost());
        let result = edit(group);
        body.groups_bytes = body.groups_bytes - bytes + group_bytes(name, group);
        body.groups_cost = body.groups_cost - cost + group.free_cost();
        Some(result)
    }

    /// Notes that a group was given entries as new ones, which are all behind those it had. They wait for `consumer` to
    /// acknowledge them, if there is one.
    pub fn deliver(&mut self, name: &[u8], ids: &[StreamId], consumer: Option<ConsumerId>, at: i64) {
        let Some(group) = self.group(name) else { return };
        let (mut last_id, mut entries_read) = (group.last_id, group.entries_read);
        for &id in ids {
            entries_read = self.entries_read_at(id, last_id, entries_read);
            last_id = id;
        }
        self.edit_group(name, |group| {
            (group.last_id, group.entries_read) = (last_id, entries_read);
            let Some(id) = consumer else { return };
            for &entry in ids {
                group.assign(entry, Pending { consumer: id, delivered_at: at, deliveries: 1 });
            }
            if let Some(consumer) = group.consumer_mut(id) {
                consumer.active_at = at;
            }
        });
    }

    /// Removes a group. What is left of it comes back as a stream of its own, to be freed in pieces.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Self> {
        let body = self.0.as_mut()?;
        let group = body.groups.remove(name)?;
        body.groups_bytes -= group_bytes(name, &group);
        body.groups_cost -= group.free_cost();
        let mut removed = Self::default();
        removed.create_group(name, group);
        Some(removed)
    }

    // --- how far a group has come -----------------------------------------------------------------------------------

    /// How many entries had been added up to an id; nothing when that cannot be told.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        let body = self.body();
        if body.entries_added == 0 {
            return Some(0);
        }
        if body.len == 0 && id <= body.last_id || id == body.last_id {
            return Some(body.entries_added);
        }
        let has_gaps = body.max_deleted_id > StreamId::MIN && body.max_deleted_id >= body.first_id;
        let is_in_gap = id > StreamId::MIN && id < body.max_deleted_id;
        if id > body.last_id || has_gaps || is_in_gap {
            return None;
        }
        let before_first = body.entries_added.wrapping_sub(body.len as u64);
        match id.cmp(&body.first_id) {
            std::cmp::Ordering::Less => Some(before_first),
            std::cmp::Ordering::Equal => Some(before_first.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Whether entries may be missing behind an id because somebody deleted them.
    pub fn has_gaps_from(&self, id: StreamId) -> bool {
        let body = self.body();
        body.len > 0 && body.max_deleted_id > StreamId::MIN && id <= body.max_deleted_id
    }

    /// How many entries a group has not been given yet; nothing when that cannot be told.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let body = self.body();
        if body.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_gaps_from(group.last_id) => read,
            _ => self.entries_up_to(group.last_id)?,
        };
        Some(body.entries_added.wrapping_sub(read).cast_signed())
    }

    /// What [`Group::entries_read`] becomes when a group that stands at `last_id` is given the entry behind it.
    pub fn entries_read_at(&self, entry: StreamId, last_id: StreamId, entries_read: Option<u64>) -> Option<u64> {
        match entries_read {
            Some(read) if last_id >= self.first_id() && !self.has_gaps_from(last_id) => Some(read.wrapping_add(1)),
            _ if self.entries_added() > 0 => self.entries_up_to(entry),
            read => read,
        }
    }
}

impl Body {
    fn delete_one(&mut self, id: StreamId) -> bool {
        let Some((&block_id, block)) = self.blocks.up_to(id).next_back() else { return false };
        let place = block.forward(block_id).take_while(|place| place.id <= id).find(|place| place.id == id);
        let Some(place) = place.filter(|place| !place.is_deleted) else { return false };
        if block.live() == 1 {
            self.blocks.remove(block_id);
        } else {
            self.blocks.change(block_id, |block| {
                block.mark(place.flags_at);
                block.count_deleted(1);
            });
        }
        self.len -= 1;
        true
    }
}

fn group_bytes(name: &[u8], group: &Group) -> usize {
    group.memory_usage() + allocated_bytes(name.len()) + GROUP_BYTES
}

/// Bytes that a group takes among the others, in a tree that is half full.
const GROUP_BYTES: usize = 2 * size_of::<(Box<[u8]>, Group)>();

/// Bytes that a new block behind a full one reserves at most (`STREAM_LISTPACK_MAX_PRE_ALLOCATE`, `t_stream.c` of 7.0).
const NODE_BYTES_AHEAD_MAX: usize = 4096;

#[cfg(test)]
mod tests;
