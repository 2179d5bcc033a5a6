//! Walking a table while it changes.
//!
//! A [`Walk`] stands at a bucket of a group. Items stay in their buckets until the group's generation rises; a walk
//! that finds another generation restarts that group. So an item that is there all the time is met at least once,
//! however the table grows or shrinks in between. [`Table::scan`] packs a walk into the 64-bit number that `SCAN`
//! gives to clients.

use super::family::Summary;
use super::{Place, Spot, Table};

/// How far a walk over a table has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    /// Everything below this position is done.
    position: u64,
    generation: u32,
    /// Buckets below this one of the group at `position` are done.
    bucket: u32,
    done: bool,
}

impl Walk {
    /// Whether everything has been met.
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// A walk that begins at a position.
    pub(crate) const fn from(position: u64) -> Self {
        Self { position, generation: 0, bucket: 0, done: false }
    }

    /// The first position that is not done.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }
}

/// What came of one step of a walk.
pub(crate) struct Step {
    /// The group.
    pub(crate) place: Place,
    /// Buckets to look at.
    pub(crate) buckets: std::ops::Range<u32>,
}

impl Step {
    /// The spots to look at; some are empty.
    pub(crate) fn spots(&self) -> impl Iterator<Item = Spot> + use<> {
        let place = self.place;
        self.buckets.clone().map(move |bucket| Spot { place, bucket })
    }
}

impl<T, S: Summary<T>> Table<T, S> {
    /// Takes the next at most `buckets_max` buckets of one group; nothing once the walk is done.
    pub(crate) fn step(&self, walk: &mut Walk, buckets_max: u32) -> Option<Step> {
        if walk.done {
            return None;
        }
        let Some((place, start, end)) = self.stretch(walk.position) else {
            walk.done = true;
            return None;
        };
        let (buckets, generation) = (self.group_buckets(place) as u32, self.group_generation(place));
        let first = if walk.generation == generation && walk.position == start { walk.bucket.min(buckets) } else { 0 };
        let last = buckets.min(first.saturating_add(buckets_max));
        if last < buckets {
            *walk = Walk { position: start, generation, bucket: last, done: false };
        } else {
            *walk = Walk { position: end.unwrap_or(0), generation: 0, bucket: 0, done: end.is_none() };
        }
        Some(Step { place, buckets: first..last })
    }

    /// Visits the items of a step, all of them loading at the same time.
    pub(crate) fn visit<'a>(&'a self, step: &Step, mut visit: impl FnMut(&'a T)) {
        step.spots().filter_map(|spot| self.at(spot)).for_each(S::prefetch);
        step.spots().filter_map(|spot| self.at(spot)).for_each(&mut visit);
    }

    /// Continues a scan at `cursor` (0 begins one) and returns the cursor to continue with (0 ends it).
    ///
    /// Visits about `count` items, fewer where the table is sparse, more to complete a row of buckets. An
    /// item that is in the table from the first call to the last is visited at least once; others may be, and any
    /// may be visited twice. Any number is a valid cursor.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&T)) -> u64 {
        let mut walk = self.unpack(cursor);
        let (mut items, mut rows) = (0, 0);
        while let Some(step) = self.step(&mut walk, ROW) {
            self.visit(&step, |item| {
                visit(item);
                items += 1;
            });
            rows += 1;
            let enough = items >= count || rows >= count.saturating_mul(SPARSE_ROWS_PER_COUNT);
            if enough && let Some(cursor) = pack(&walk) {
                return cursor;
            }
        }
        0
    }

    fn unpack(&self, cursor: u64) -> Walk {
        let position = cursor >> (64 - POSITION_BITS) << (64 - POSITION_BITS);
        let stamp = (cursor >> ROW_BITS) as u32 & STAMP_MASK;
        let bucket = (cursor as u32 & ((1 << ROW_BITS) - 1)) * ROW;
        let mut walk = Walk { position, generation: 0, bucket: 0, done: false };
        if let Some((place, start, _)) = self.stretch(position) {
            let generation = self.group_generation(place);
            if start == position && generation & STAMP_MASK == stamp {
                walk = Walk { generation, bucket, ..walk };
            }
        }
        walk
    }
}

/// The cursor that stands for a walk; nothing where the bits do not suffice, and the walk has to go on a little.
fn pack(walk: &Walk) -> Option<u64> {
    if walk.done {
        return Some(0);
    }
    let row = walk.bucket / ROW;
    if walk.position << POSITION_BITS != 0 || !walk.bucket.is_multiple_of(ROW) || row >= 1 << ROW_BITS {
        return None;
    }
    let cursor = walk.position | u64::from(walk.generation & STAMP_MASK) << ROW_BITS | u64::from(row);
    (cursor != 0).then_some(cursor)
}

/// Buckets that are visited together.
const ROW: u32 = 8;

/// Cursor bits for the row in a group: up to 512 rows of 8 buckets, twice what a group has.
const ROW_BITS: u32 = 9;

/// Cursor bits for the position where the group begins.
///
/// A group that begins between two such positions cannot be named, so a scan goes on to the next that can. That
/// takes more than 100 million keys in one slot.
const POSITION_BITS: u32 = 36;

/// Cursor bits for the group's generation: the rest.
///
/// A group would have to be rebuilt exactly 524,288 times (or a multiple) between two calls to be taken for
/// unchanged; each rebuild takes hundreds of insertions.
const STAMP_MASK: u32 = (1 << (64 - POSITION_BITS - ROW_BITS)) - 1;

/// Rows a scan looks at for each item asked for when most are empty: it may return fewer items, never hang.
const SPARSE_ROWS_PER_COUNT: usize = 2;
