//! Large values that were removed: freed in bounded pieces, not by whoever removed them.
//!
//! Freeing ten million members takes a second; DEL, an overwrite or an expiry must not. Start at [`Trash::take`].

use std::collections::VecDeque;

use super::entry::Entry;
use super::object::Object;

/// Values that no command sees any more.
#[derive(Debug, Default)]
pub(super) struct Trash {
    objects: VecDeque<Object>,
    bytes: usize,
    /// Values that are freed, ever.
    freed: u64,
}

impl Trash {
    /// Drops an entry, but keeps its value for later if freeing that would take long.
    pub(super) fn take(&mut self, mut entry: Entry) {
        if let Some(object) = entry.object_mut() {
            self.take_object(object);
        }
    }

    /// Takes a value for later if freeing it would take long, and leaves it alone otherwise.
    pub(super) fn take_object(&mut self, object: &mut Object) {
        if object.free_cost() > FREE_AT_ONCE_MAX {
            self.bytes += object.memory_usage();
            self.objects.push_back(std::mem::take(object));
        }
    }

    /// Takes another's values.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        self.freed += std::mem::take(&mut other.freed);
        self.objects.append(&mut other.objects);
    }

    /// Memory that is still to be freed.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of values that are still to be freed.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Values that were freed, those included that [`Trash::note_freed`] tells of.
    pub(super) const fn freed(&self) -> u64 {
        self.freed
    }

    /// Counts values that somebody else freed late.
    pub(super) fn note_freed(&mut self, values: u64) {
        self.freed += values;
    }

    /// Counts from 0 again.
    pub(super) fn reset_freed(&mut self) {
        self.freed = 0;
    }

    /// Whether nothing is left to free.
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Frees about `elements_max` elements; returns how many.
    pub(super) fn free_some(&mut self, elements_max: usize) -> usize {
        let mut freed = 0;
        while freed < elements_max
            && let Some(object) = self.objects.front_mut()
        {
            let before = object.memory_usage();
            let piece = object.free_some(elements_max - freed);
            if piece == 0 {
                self.bytes -= before;
                self.objects.pop_front();
                self.freed += 1;
            } else {
                self.bytes -= before - object.memory_usage();
            }
            // Values without elements count too, so that a slice is bounded.
            freed += piece.max(1);
        }
        freed
    }
}

/// Allocations that are freed at once: some 20 µs. Redis stops at 64 (`LAZYFREE_THRESHOLD`, `lazyfree.c`) because
/// another thread has to be woken; here the rest of the work only waits for its turn.
const FREE_AT_ONCE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use crate::keyspace::{DbIndex, Expiry, Keyspace, MAINTAIN_ENTRIES_MAX, NewValue, Partitioning};
    use crate::rng::Rng;
    use crate::value::set::Set;
    use crate::value::{OwnRules, Typed};

    const DB: DbIndex = DbIndex(0);

    fn keyspace_with(members: usize) -> Keyspace {
        let own = OwnRules::default();
        let mut set = Set::default();
        for number in 0..members {
            set.insert(format!("member:{number}").as_bytes(), own.rules());
        }
        let mut keyspace = Keyspace::new(1, Partitioning::ByHash, &mut Rng::new(1));
        let hash = keyspace.hash(b"k");
        keyspace.db_mut(DB).set(hash, b"k", NewValue::Object(set.into_object()), Expiry::Never);
        keyspace
    }

    /// Frees in slices and returns how many it took; every slice must give some memory back.
    fn slices(keyspace: &mut Keyspace) -> usize {
        let mut count = 1;
        let mut before = keyspace.memory().detached;
        assert!(before > 0, "something waits to be freed");
        while keyspace.maintain(MAINTAIN_ENTRIES_MAX) {
            let after = keyspace.memory().detached;
            assert!(after < before, "a slice of {count} freed nothing");
            before = after;
            count += 1;
        }
        assert_eq!(keyspace.memory().detached, 0);
        assert_eq!((keyspace.pending_objects(), keyspace.freed_objects()), (0, 1));
        count
    }

    #[test]
    fn a_huge_value_is_freed_in_slices_however_it_went() {
        let removals: [fn(&mut Keyspace); 4] = [
            |keyspace| {
                let hash = keyspace.hash(b"k");
                assert!(keyspace.db_mut(DB).discard(hash, b"k"));
            },
            |keyspace| {
                let hash = keyspace.hash(b"k");
                keyspace.db_mut(DB).set(hash, b"k", NewValue::Int(1), Expiry::Never);
            },
            |keyspace| {
                let hash = keyspace.hash(b"k");
                let entry = keyspace.db_mut(DB).remove(hash, b"k").unwrap();
                keyspace.discard(entry);
            },
            |keyspace| {
                keyspace.flush_all();
            },
        ];
        for remove in removals {
            let mut keyspace = keyspace_with(50_000);
            let full = keyspace.memory().total();

            remove(&mut keyspace);

            assert!(keyspace.memory().total() + 4096 > full, "nothing is freed at once");
            assert!(slices(&mut keyspace) > 10);
            assert!(keyspace.memory().total() < 4096);
        }
    }

    #[test]
    fn a_small_value_is_freed_at_once() {
        let mut keyspace = keyspace_with(200);
        let hash = keyspace.hash(b"k");

        keyspace.db_mut(DB).discard(hash, b"k");

        assert_eq!(keyspace.memory().total(), 0);
    }
}
