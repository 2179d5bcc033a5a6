//! Consumer groups: how far each has read, and which entries wait to be acknowledged by whom.

use std::collections::btree_map::{self, BTreeMap};
use std::collections::btree_set::{self, BTreeSet};
use std::ops::Bound;

use super::StreamId;
use crate::value::memory::allocated_bytes;

/// One consumer group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The last entry that was given to a consumer as a new one.
    pub last_id: StreamId,
    /// How many entries the stream had been given up to [`Group::last_id`]; nothing when that is not known.
    pub entries_read: Option<u64>,
    /// Entries that wait to be acknowledged.
    pending: BTreeMap<StreamId, Pending>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    names: BTreeMap<Box<[u8]>, ConsumerId>,
    /// Bytes of all names.
    names_bytes: usize,
    next_consumer: u32,
}

/// An entry that a consumer was given and has not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Who has it.
    pub consumer: ConsumerId,
    /// When it was given to that consumer, in milliseconds since 1970.
    pub delivered_at: i64,
    /// How often it was given to anybody.
    pub deliveries: u64,
}

/// A consumer of one group, as long as that one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId(u32);

/// A member of a group.
#[derive(Debug, Clone)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it was last heard of, in milliseconds since 1970.
    pub seen_at: i64,
    /// When it was last given entries, in milliseconds since 1970; -1 for never.
    pub active_at: i64,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Number of entries it has not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The entries it has not acknowledged.
    pub fn pending_ids(&self) -> impl Iterator<Item = StreamId> {
        self.pending.iter().copied()
    }
}

impl Group {
    /// A group that has read up to an id.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Self { last_id, entries_read, ..Self::default() }
    }

    // --- consumers ----------------------------------------------------------------------------------------------

    /// Number of consumers.
    pub fn consumers_len(&self) -> usize {
        self.consumers.len()
    }

    /// The consumers by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.names.values().map(|id| &self.consumers[id])
    }

    /// The consumer of this name.
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// A consumer.
    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(&id)
    }

    /// A consumer, to note when it was heard of.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.get_mut(&id)
    }

    /// Adds a consumer, heard of at this time, unless there is one of this name.
    pub fn create(&mut self, name: &[u8], seen_at: i64) -> Option<ConsumerId> {
        if self.names.contains_key(name) {
            return None;
        }
        let id = ConsumerId(self.next_consumer);
        self.next_consumer = self.next_free_consumer()?;
        self.names_bytes += 2 * allocated_bytes(name.len());
        self.names.insert(name.into(), id);
        self.consumers.insert(id, Consumer { name: name.into(), seen_at, active_at: NEVER, pending: BTreeSet::new() });
        Some(id)
    }

    /// A number that no consumer has, behind the one that is about to be used.
    fn next_free_consumer(&self) -> Option<u32> {
        let used = self.next_consumer;
        let mut next = used.wrapping_add(1);
        // Runs on past those that are in use when four thousand million have come and gone.
        for _ in 0..=self.consumers.len() {
            if next != used && !self.consumers.contains_key(&ConsumerId(next)) {
                return Some(next);
            }
            next = next.wrapping_add(1);
        }
        None
    }

    /// Removes a consumer with all it has not acknowledged. Returns how many entries these were.
    pub fn remove(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(&self.names.remove(name)?)?;
        self.names_bytes -= 2 * allocated_bytes(name.len());
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    // --- entries that wait ---------------------------------------------------------------------------------------

    /// Number of entries that wait to be acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is known of an entry that waits.
    pub fn pending(&self, id: StreamId) -> Option<Pending> {
        self.pending.get(&id).copied()
    }

    /// The first and last entry that wait.
    pub fn pending_edges(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.pending.first_key_value()?.0, *self.pending.last_key_value()?.0))
    }

    /// The entries that wait, of a range of ids that begins at `first`.
    pub fn pending_range(&self, first: StreamId, last: StreamId) -> PendingRange<'_> {
        PendingRange { group: self, of_consumer: None, of_group: Some(self.pending.range(bounds(first, last))) }
    }

    /// As [`Group::pending_range`], of one consumer.
    pub fn pending_of(&self, consumer: ConsumerId, first: StreamId, last: StreamId) -> PendingRange<'_> {
        let of_consumer = self.consumers.get(&consumer).map(|own| own.pending.range(bounds(first, last)));
        PendingRange { group: self, of_consumer, of_group: None }
    }

    /// Gives an entry to a consumer, whoever had it; changes when and how often it was given on the way.
    pub fn assign(&mut self, id: StreamId, pending: Pending) {
        let Some(consumer) = self.consumers.get_mut(&pending.consumer) else { return };
        let before = self.pending.insert(id, pending);
        if before.is_some_and(|before| before.consumer == pending.consumer) {
            return;
        }
        consumer.pending.insert(id);
        if let Some(former) = before.and_then(|before| self.consumers.get_mut(&before.consumer)) {
            former.pending.remove(&id);
        }
    }

    /// Ends the wait of an entry. Returns whether it waited.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(consumer) = self.consumers.get_mut(&pending.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }

    /// Bytes it holds on to, beside itself.
    pub(super) fn memory_usage(&self) -> usize {
        self.pending.len() * PENDING_BYTES + self.consumers.len() * CONSUMER_BYTES + self.names_bytes
    }

    /// Allocations that freeing it takes, roughly.
    pub(super) fn free_cost(&self) -> usize {
        self.pending.len() / PENDING_PER_ALLOCATION + 2 * self.consumers.len() + 1
    }

    /// Frees about so many of its parts. Returns how many; 0 when none is left.
    pub(super) fn free_some(&mut self, parts_max: usize) -> usize {
        let mut freed = 0;
        while freed < parts_max {
            let Some(mut consumer) = self.consumers.last_entry() else {
                return freed + drain(parts_max - freed, || self.pending.pop_last().is_some());
            };
            let own = &mut consumer.get_mut().pending;
            freed += drain(parts_max - freed, || own.pop_last().is_some());
            if own.is_empty() {
                let gone = consumer.remove();
                self.names_bytes -= 2 * allocated_bytes(gone.name.len());
                self.names.remove(&gone.name);
                freed += 1;
            }
        }
        freed
    }
}

/// Repeats what takes one thing away, until nothing is left or the limit is reached. Returns how often it did.
fn drain(limit: usize, mut take: impl FnMut() -> bool) -> usize {
    (0..limit).take_while(|_| take()).count()
}

fn bounds(first: StreamId, last: StreamId) -> (Bound<StreamId>, Bound<StreamId>) {
    // A range that ends before it begins would be a fault of the caller for the tree; it is nothing here.
    if first > last {
        return (Bound::Included(first), Bound::Excluded(first));
    }
    (Bound::Included(first), Bound::Included(last))
}

/// Entries that wait, by id, with what is known of them.
#[derive(Debug, Clone)]
pub struct PendingRange<'a> {
    group: &'a Group,
    of_consumer: Option<btree_set::Range<'a, StreamId>>,
    of_group: Option<btree_map::Range<'a, StreamId, Pending>>,
}

impl Iterator for PendingRange<'_> {
    type Item = (StreamId, Pending);

    fn next(&mut self) -> Option<(StreamId, Pending)> {
        if let Some(range) = &mut self.of_group {
            return range.next().map(|(id, pending)| (*id, *pending));
        }
        let id = *self.of_consumer.as_mut()?.next()?;
        Some((id, self.group.pending(id)?))
    }
}

/// When a consumer was active that never was.
const NEVER: i64 = -1;

/// Bytes that an entry takes that waits: in the trees of the group and of its consumer, which are half full.
const PENDING_BYTES: usize = 2 * size_of::<(StreamId, Pending)>() + 2 * size_of::<StreamId>();

/// Entries in one allocation of a tree that is half full.
const PENDING_PER_ALLOCATION: usize = 3;

/// Bytes that a consumer takes in the trees of its group, without its name.
const CONSUMER_BYTES: usize = 2 * size_of::<(ConsumerId, Consumer)>() + 2 * size_of::<(Box<[u8]>, ConsumerId)>();
