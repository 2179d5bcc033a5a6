//! Who owns which hash slot, and which slots are on the move.
//!
//! Lives here: the 2048-byte [`SlotBitmap`] of the wire, [`SlotRange`] as printed and stored, and [`SlotMap`], the
//! owner of every slot with the migrating and importing marks. What does not: why a slot changes hands (the bus's
//! epochs decide) and what a client is told about it (see `redirect`). Start at [`SlotMap`].

use std::collections::BTreeMap;
use std::fmt;

use slotmesh_engine::slot::{SLOTS, Slot};

/// Bytes in a slot bitmap on the wire (16384 bits).
pub const SLOT_BITMAP_BYTES: usize = SLOTS as usize / 8;

/// A set of slots in the form the bus sends: slot `s` is bit `s & 7` (lowest first) of byte `s / 8`.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotBitmap {
    bytes: Box<[u8; SLOT_BITMAP_BYTES]>,
}

impl SlotBitmap {
    /// The empty set.
    pub fn new() -> Self {
        Self { bytes: Box::new([0; SLOT_BITMAP_BYTES]) }
    }

    /// The set these wire bytes stand for; every pattern of bits is one.
    pub fn from_bytes(bytes: &[u8; SLOT_BITMAP_BYTES]) -> Self {
        Self { bytes: Box::new(*bytes) }
    }

    /// The wire form.
    pub fn as_bytes(&self) -> &[u8; SLOT_BITMAP_BYTES] {
        &self.bytes
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, slot: Slot) -> bool {
        self.bytes[slot.index() / 8] & bit(slot) != 0
    }

    /// Adds a slot; returns whether it was new.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let new = !self.contains(slot);
        self.bytes[slot.index() / 8] |= bit(slot);
        new
    }

    /// Removes a slot; returns whether it was there.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let there = self.contains(slot);
        self.bytes[slot.index() / 8] &= !bit(slot);
        there
    }

    /// Number of slots in the set.
    pub fn len(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether no slot is in the set.
    pub fn is_empty(&self) -> bool {
        self.bytes.iter().all(|&byte| byte == 0)
    }

    /// Whether a slot is in both sets.
    pub fn intersects(&self, other: &Self) -> bool {
        self.bytes.iter().zip(other.bytes.iter()).any(|(mine, theirs)| mine & theirs != 0)
    }

    /// The slots in ascending order; runs of eight absent slots cost one step.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.bytes.iter().enumerate().filter(|(_, byte)| **byte != 0).flat_map(|(at, &byte)| {
            (0..8_usize).filter(move |shift| byte >> shift & 1 == 1).filter_map(move |shift| slot_at(at * 8 + shift))
        })
    }

    /// The slots as ascending ranges that do not touch.
    pub fn ranges(&self) -> impl Iterator<Item = SlotRange> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let first = self.next(from, true)?;
            let end = self.next(first, false).unwrap_or(usize::from(SLOTS));
            from = end;
            Some(SlotRange { first: slot_at(first)?, last: slot_at(end - 1)? })
        })
    }

    /// The first slot from `from` on that is in the set, or not in it; whole words at a time.
    fn next(&self, from: usize, present: bool) -> Option<usize> {
        let words = self.bytes.as_chunks::<8>().0;
        let mut below = u64::MAX << (from % 64);
        for (at, word) in words.iter().enumerate().skip(from / 64) {
            // The wire's order of bits is that of little-endian words.
            let bits = u64::from_le_bytes(*word);
            let wanted = if present { bits } else { !bits } & below;
            if wanted != 0 {
                return Some(at * 64 + wanted.trailing_zeros() as usize);
            }
            below = u64::MAX;
        }
        None
    }
}

impl Default for SlotBitmap {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SlotBitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

impl FromIterator<Slot> for SlotBitmap {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::new();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

/// Consecutive slots, both ends included. Printed as Redis does: `5-10`, or `5` alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotRange {
    /// The lowest slot.
    pub first: Slot,
    /// The highest slot; not below `first`.
    pub last: Slot,
}

impl SlotRange {
    /// The slots of the range, ascending.
    pub fn slots(self) -> impl Iterator<Item = Slot> {
        (self.first.number()..=self.last.number()).filter_map(Slot::new)
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first.number());
        }
        write!(f, "{}-{}", self.first.number(), self.last.number())
    }
}

impl fmt::Debug for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Joins ascending slots into ranges that do not touch.
pub fn ranges(slots: impl Iterator<Item = Slot>) -> impl Iterator<Item = SlotRange> {
    let mut slots = slots.peekable();
    std::iter::from_fn(move || {
        let first = slots.next()?;
        let mut last = first;
        while let Some(next) = slots.next_if(|next| next.number() == last.number() + 1) {
            last = next;
        }
        Some(SlotRange { first, last })
    })
}

/// The place of a node in this node's table: how slots name their owner.
///
/// A key means something only in the bus that gave it out, and only until the node is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub(crate) u16);

/// The owner of every slot, and the marks of slots on the move.
#[derive(Debug, Clone)]
pub struct SlotMap {
    /// [`NOBODY`] or a node's key, by slot.
    owners: Box<[u16; SLOTS as usize]>,
    /// Slots whose owner no longer lists them in its own messages; any claimer may take them.
    unclaimed: SlotBitmap,
    migrating: BTreeMap<Slot, NodeKey>,
    importing: BTreeMap<Slot, NodeKey>,
    assigned: usize,
}

impl SlotMap {
    /// A map in which nobody owns anything.
    pub fn new() -> Self {
        Self {
            owners: Box::new([NOBODY; SLOTS as usize]),
            unclaimed: SlotBitmap::new(),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            assigned: 0,
        }
    }

    /// The node that owns the slot.
    pub fn owner(&self, slot: Slot) -> Option<NodeKey> {
        let owner = self.owners[slot.index()];
        (owner != NOBODY).then_some(NodeKey(owner))
    }

    /// Number of slots that have an owner.
    pub fn assigned(&self) -> usize {
        self.assigned
    }

    /// Makes `owner` (or nobody) the owner and returns the one before; the owner claims it from now on.
    pub fn set_owner(&mut self, slot: Slot, owner: Option<NodeKey>) -> Option<NodeKey> {
        let before = self.owner(slot);
        self.assigned = self.assigned + usize::from(owner.is_some()) - usize::from(before.is_some());
        self.owners[slot.index()] = owner.map_or(NOBODY, |key| key.0);
        self.unclaimed.remove(slot);
        before
    }

    /// Whether the slot's owner has stopped listing it.
    pub fn is_unclaimed(&self, slot: Slot) -> bool {
        self.unclaimed.contains(slot)
    }

    /// Whether any slot's owner has stopped listing it.
    pub fn any_unclaimed(&self) -> bool {
        !self.unclaimed.is_empty()
    }

    /// Notes whether the slot's owner still lists it.
    pub fn set_unclaimed(&mut self, slot: Slot, unclaimed: bool) {
        if unclaimed {
            self.unclaimed.insert(slot);
        } else {
            self.unclaimed.remove(slot);
        }
    }

    /// Where the keys of one of this node's slots are being moved to.
    pub fn migrating(&self, slot: Slot) -> Option<NodeKey> {
        self.migrating.get(&slot).copied()
    }

    /// Where the keys of another node's slot are being moved here from.
    pub fn importing(&self, slot: Slot) -> Option<NodeKey> {
        self.importing.get(&slot).copied()
    }

    /// Sets or clears the migrating mark.
    pub fn set_migrating(&mut self, slot: Slot, target: Option<NodeKey>) {
        set_mark(&mut self.migrating, slot, target);
    }

    /// Sets or clears the importing mark.
    pub fn set_importing(&mut self, slot: Slot, source: Option<NodeKey>) {
        set_mark(&mut self.importing, slot, source);
    }

    /// Clears every mark.
    pub fn close_open_slots(&mut self) {
        self.migrating.clear();
        self.importing.clear();
    }

    /// Every mark in slot order; a slot that bears both lists the migrating one first.
    pub fn open_slots(&self) -> impl Iterator<Item = OpenSlot> + '_ {
        let mut marks: Vec<OpenSlot> = self
            .migrating
            .iter()
            .map(|(&slot, &peer)| OpenSlot { slot, peer, direction: Direction::Migrating })
            .chain(self.importing.iter().map(|(&slot, &peer)| OpenSlot { slot, peer, direction: Direction::Importing }))
            .collect();
        marks.sort_by_key(|mark| (mark.slot, mark.direction));
        marks.into_iter()
    }

    /// Takes a node out of the map: its slots lose their owner, marks that name it go.
    pub fn forget(&mut self, node: NodeKey) {
        for slot in Slot::all() {
            if self.owner(slot) == Some(node) {
                self.set_owner(slot, None);
            }
        }
        self.migrating.retain(|_, peer| *peer != node);
        self.importing.retain(|_, peer| *peer != node);
    }

    /// Runs of slots with one owner, ascending; slots without an owner are left out.
    pub fn owned_ranges(&self) -> impl Iterator<Item = (SlotRange, NodeKey)> + '_ {
        let mut slots = Slot::all().filter_map(|slot| self.owner(slot).map(|owner| (slot, owner))).peekable();
        std::iter::from_fn(move || {
            let (first, owner) = slots.next()?;
            let mut last = first;
            while let Some((next, _)) = slots.next_if(|(next, by)| *by == owner && next.number() == last.number() + 1) {
                last = next;
            }
            Some((SlotRange { first, last }, owner))
        })
    }
}

impl Default for SlotMap {
    fn default() -> Self {
        Self::new()
    }
}

/// A slot on the move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenSlot {
    /// The slot.
    pub slot: Slot,
    /// The node at the other end.
    pub peer: NodeKey,
    /// Whether keys leave or arrive.
    pub direction: Direction,
}

/// Which way the keys of an open slot go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From this node to the peer.
    Migrating,
    /// From the peer to this node.
    Importing,
}

/// The mark of a slot without an owner; never the key of a node, because the table holds fewer.
const NOBODY: u16 = u16::MAX;

fn bit(slot: Slot) -> u8 {
    1 << (slot.number() & 7)
}

fn slot_at(index: usize) -> Option<Slot> {
    u16::try_from(index).ok().and_then(Slot::new)
}

fn set_mark(marks: &mut BTreeMap<Slot, NodeKey>, slot: Slot, peer: Option<NodeKey>) {
    match peer {
        Some(peer) => marks.insert(slot, peer),
        None => marks.remove(&slot),
    };
}

#[cfg(test)]
mod tests {
    use slotmesh_engine::slot::Slot;

    use super::{Direction, NodeKey, SlotBitmap, SlotMap};

    fn slot(number: u16) -> Slot {
        Slot::new(number).unwrap()
    }

    #[test]
    fn the_bitmap_has_the_bits_of_the_wire() {
        let set: SlotBitmap = (5461..=10922).map(slot).collect();

        assert_eq!(set.as_bytes()[682], 0xe0);
        assert_eq!(set.as_bytes()[1365], 0x07);
        assert_eq!(set.len(), 5462);
        assert_eq!(format!("{set:?}"), "[5461-10922]");
    }

    #[test]
    fn ranges_join_neighbours_only() {
        let set: SlotBitmap = [0, 1, 2, 7, 9, 10, 16383].map(slot).into_iter().collect();

        let ranges: Vec<String> = set.ranges().map(|range| range.to_string()).collect();

        assert_eq!(ranges, ["0-2", "7", "9-10", "16383"]);
    }

    #[test]
    fn owned_ranges_end_where_the_owner_changes() {
        let mut map = SlotMap::new();
        for number in 0..4 {
            map.set_owner(slot(number), Some(NodeKey(number / 2)));
        }
        map.set_owner(slot(5), Some(NodeKey(1)));

        let ranges: Vec<String> = map.owned_ranges().map(|(range, owner)| format!("{range}:{}", owner.0)).collect();

        assert_eq!(ranges, ["0-1:0", "2-3:1", "5:1"]);
        assert_eq!(map.assigned(), 5);
    }

    #[test]
    fn forgetting_a_node_leaves_nothing_that_names_it() {
        let mut map = SlotMap::new();
        map.set_owner(slot(1), Some(NodeKey(1)));
        map.set_owner(slot(2), Some(NodeKey(0)));
        map.set_migrating(slot(2), Some(NodeKey(1)));
        map.set_importing(slot(3), Some(NodeKey(0)));

        map.forget(NodeKey(1));

        assert_eq!(map.owner(slot(1)), None);
        assert_eq!(map.migrating(slot(2)), None);
        let open: Vec<_> = map.open_slots().map(|mark| (mark.slot.number(), mark.direction)).collect();
        assert_eq!(open, [(3, Direction::Importing)]);
    }

    #[test]
    fn a_new_owner_claims_its_slot() {
        let mut map = SlotMap::new();
        map.set_owner(slot(9), Some(NodeKey(0)));
        map.set_unclaimed(slot(9), true);

        map.set_owner(slot(9), Some(NodeKey(1)));

        assert!(!map.is_unclaimed(slot(9)));
    }
}
