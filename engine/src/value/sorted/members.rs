//! Where the large form keeps its members: numbered slots in chunks.
//!
//! Lives here: member texts and scores, each once, under numbers that the hash table and the tree refer to. A short
//! member lies in its slot, so that it costs no allocation and a lookup no further cache line. What does not: any
//! order. Slots that come free are used again, lowest chunk first; once most are free, the last ones move down
//! ([`Members::spare`]), so the memory of a set that shrinks is given back.

use std::collections::BTreeSet;

use crate::keyspace::prefetch_address;
use crate::value::memory::allocated_bytes;

/// All members of one sorted set.
#[derive(Debug, Default)]
pub(super) struct Members {
    chunks: Vec<Chunk>,
    /// Chunks with holes.
    holed: BTreeSet<u32>,
    len: usize,
    /// Slots of all chunks, holes included.
    slots: usize,
    /// Allocations of the members that do not fit into a slot.
    outside_bytes: usize,
}

#[derive(Debug)]
struct Chunk {
    slots: Vec<Slot>,
    /// Begins the list of holes in this chunk.
    hole: u16,
}

#[derive(Debug)]
struct Slot {
    name: Name,
    score: f64,
}

#[derive(Debug)]
enum Name {
    /// No member; the neighbours in the chunk's list of holes.
    Hole { previous: u16, next: u16 },
    /// A member of up to [`INLINE_BYTES_MAX`] bytes.
    Inline { len: u8, bytes: [u8; INLINE_BYTES_MAX] },
    /// A longer one.
    Outside(Box<[u8]>),
}

impl Members {
    /// Number of members.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The text of a member.
    #[inline]
    pub(super) fn name(&self, id: u32) -> &[u8] {
        match &self.slot(id).name {
            Name::Hole { .. } => &[],
            Name::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Name::Outside(bytes) => bytes,
        }
    }

    /// Asks the processor for the memory in which a member is.
    #[inline]
    pub(super) fn prefetch(&self, id: u32) {
        prefetch_address(std::ptr::from_ref(self.slot(id)).addr());
    }

    /// The score of a member.
    #[inline]
    pub(super) fn score(&self, id: u32) -> f64 {
        self.slot(id).score
    }

    /// Gives a member another score.
    #[inline]
    pub(super) fn set_score(&mut self, id: u32, score: f64) {
        self.slot_mut(id).score = score;
    }

    /// Stores a member and returns its number.
    ///
    /// # Panics
    /// When there are 2^32 slots, which take 128 GiB.
    #[inline]
    pub(super) fn insert(&mut self, name: &[u8], score: f64) -> u32 {
        let slot = Slot { name: Name::new(name), score };
        self.outside_bytes += slot.name.outside_bytes();
        self.len += 1;
        if let Some(id) = self.take_hole() {
            *self.slot_mut(id) = slot;
            return id;
        }
        if self.chunks.last().is_none_or(|last| last.slots.len() == CHUNK_SLOTS) {
            // The first grows by doubling, so that a small set has no idle slots; the others are made whole.
            let room = if self.chunks.is_empty() { 0 } else { CHUNK_SLOTS };
            self.chunks.push(Chunk { slots: Vec::with_capacity(room), hole: NONE });
        }
        let id = u32::try_from(self.slots).expect("memory ends before 2^32 members");
        self.slots += 1;
        self.chunks.last_mut().expect("just made").slots.push(slot);
        id
    }

    /// Forgets a member.
    pub(super) fn remove(&mut self, id: u32) {
        let (chunk, place) = split(id);
        self.outside_bytes -= self.slot(id).name.outside_bytes();
        self.len -= 1;
        let next = self.chunks[chunk].hole;
        self.slot_mut(id).name = Name::Hole { previous: NONE, next };
        self.chunks[chunk].hole = place as u16;
        match next {
            NONE => _ = self.holed.insert(chunk as u32),
            next => self.chunks[chunk].link(next, |previous, _| *previous = place as u16),
        }
        self.trim();
    }

    /// A member to move into a free slot, and that slot, when fewer than half of the slots are in use.
    ///
    /// Whoever gets it renumbers the member and calls [`Members::relocate`]. Twice for each removal keeps up.
    pub(super) fn spare(&self) -> Option<(u32, u32)> {
        if self.len * 2 >= self.slots {
            return None;
        }
        let chunk = *self.holed.first()?;
        let hole = self.chunks[chunk as usize].hole;
        Some((self.slots as u32 - 1, chunk * CHUNK_SLOTS as u32 + u32::from(hole)))
    }

    /// Moves the member in the last slot to `target`, both as [`Members::spare`] named them.
    pub(super) fn relocate(&mut self, target: u32) {
        let hole = self.take_hole();
        debug_assert_eq!(hole, Some(target), "nothing happened since the slot was named");
        if let Some(slot) = self.chunks.last_mut().and_then(|last| last.slots.pop()) {
            self.slots -= 1;
            *self.slot_mut(target) = slot;
        }
        self.trim();
    }

    /// Frees the last chunk of members that nothing refers to any more. Returns how many slots it had.
    pub(super) fn drop_chunk(&mut self) -> usize {
        let Some(chunk) = self.chunks.pop() else { return 0 };
        self.holed.remove(&(self.chunks.len() as u32));
        let used = chunk.slots.iter().filter(|slot| !matches!(slot.name, Name::Hole { .. })).count();
        self.outside_bytes -= chunk.slots.iter().map(|slot| slot.name.outside_bytes()).sum::<usize>();
        self.len -= used;
        self.slots -= chunk.slots.len();
        chunk.slots.len()
    }

    /// Bytes of memory all members hold on to.
    pub(super) fn memory_usage(&self) -> usize {
        let last = self.chunks.last().map_or(0, |last| last.slots.capacity());
        let whole = self.chunks.len().saturating_sub(1) * CHUNK_SLOTS;
        (whole + last) * size_of::<Slot>() + self.chunks.capacity() * size_of::<Chunk>() + self.outside_bytes
    }

    /// Takes holes off the end, and chunks that are left empty.
    fn trim(&mut self) {
        let mut number = self.chunks.len();
        while let Some(last) = self.chunks.last_mut() {
            match last.slots.last() {
                None => {
                    number -= 1;
                    self.holed.remove(&(number as u32));
                    self.chunks.pop();
                }
                Some(Slot { name: Name::Hole { .. }, .. }) => {
                    last.unlink(last.slots.len() - 1);
                    last.slots.pop();
                    self.slots -= 1;
                    if last.hole == NONE {
                        self.holed.remove(&(number as u32 - 1));
                    }
                }
                Some(_) => break,
            }
        }
        if let [only] = &mut self.chunks[..]
            && only.slots.len() * 4 < only.slots.capacity()
        {
            only.slots.shrink_to(only.slots.len() * 2);
        }
    }

    fn take_hole(&mut self) -> Option<u32> {
        let chunk = *self.holed.first()?;
        let holes = &mut self.chunks[chunk as usize];
        let place = holes.hole;
        holes.unlink(usize::from(place));
        if holes.hole == NONE {
            self.holed.remove(&chunk);
        }
        Some(chunk * CHUNK_SLOTS as u32 + u32::from(place))
    }

    #[inline]
    fn slot(&self, id: u32) -> &Slot {
        let (chunk, place) = split(id);
        &self.chunks[chunk].slots[place]
    }

    #[inline]
    fn slot_mut(&mut self, id: u32) -> &mut Slot {
        let (chunk, place) = split(id);
        &mut self.chunks[chunk].slots[place]
    }
}

impl Chunk {
    /// Takes a hole out of the list of holes.
    fn unlink(&mut self, place: usize) {
        let Name::Hole { previous, next } = self.slots[place].name else { return };
        match previous {
            NONE => self.hole = next,
            previous => self.link(previous, |_, other| *other = next),
        }
        if next != NONE {
            self.link(next, |other, _| *other = previous);
        }
    }

    fn link(&mut self, place: u16, set: impl FnOnce(&mut u16, &mut u16)) {
        if let Name::Hole { previous, next } = &mut self.slots[usize::from(place)].name {
            set(previous, next);
        }
    }
}

impl Name {
    #[inline]
    fn new(name: &[u8]) -> Self {
        if name.len() > INLINE_BYTES_MAX {
            return Self::Outside(name.into());
        }
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes[..name.len()].copy_from_slice(name);
        Self::Inline { len: name.len() as u8, bytes }
    }

    fn outside_bytes(&self) -> usize {
        if let Self::Outside(bytes) = self { allocated_bytes(bytes.len()) } else { 0 }
    }
}

#[inline]
const fn split(id: u32) -> (usize, usize) {
    (id as usize / CHUNK_SLOTS, id as usize % CHUNK_SLOTS)
}

/// Slots of one chunk (32 KiB): what one step of growth allocates and, at most, copies.
const CHUNK_SLOTS: usize = 1024;

/// Longest member, in bytes, that lies in its slot: what makes a slot 32 bytes.
const INLINE_BYTES_MAX: usize = 22;

/// No hole.
const NONE: u16 = u16::MAX;

const _: () = assert!(size_of::<Slot>() == 32 && CHUNK_SLOTS < NONE as usize);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Members;
    use crate::rng::Rng;

    #[test]
    fn slots_are_used_again_and_given_back() {
        for seed in 0..10 {
            let mut rng = Rng::new(seed);
            let mut members = Members::default();
            let mut model: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
            for round in 0..12_000_u32 {
                let growing = round % 6_000 < 3_000;
                if model.is_empty() || rng.chance(if growing { 80 } else { 10 }) {
                    let name = vec![b'm'; rng.index(40)];
                    let id = members.insert(&name, f64::from(round));
                    assert_eq!(model.insert(id, name), None, "seed {seed}");
                } else {
                    let victim = *model.keys().nth(rng.index(model.len())).unwrap();
                    members.remove(victim);
                    model.remove(&victim);
                    for _ in 0..2 {
                        let Some((from, to)) = members.spare() else { break };
                        members.relocate(to);
                        let name = model.remove(&from).unwrap();
                        assert_eq!(model.insert(to, name), None, "seed {seed}");
                    }
                }
                assert_eq!(members.len(), model.len());
                assert!(members.slots <= model.len() * 2 + 1, "seed {seed}: {} for {}", members.slots, model.len());
            }

            assert!(model.iter().all(|(&id, name)| members.name(id) == name), "seed {seed}");
            while members.drop_chunk() > 0 {}
            assert_eq!((members.len(), members.slots, members.outside_bytes), (0, 0, 0));
        }
    }
}
