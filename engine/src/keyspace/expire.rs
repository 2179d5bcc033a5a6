//! Keys that expire.
//!
//! There is no second table of volatile keys: each entry carries its own expiry, each group knows how many volatile
//! keys it has and a lower bound of the earliest expiry, and each chunk of groups the lowest of those. So a slice of
//! active expiry finds the groups with due keys without walking others. The lazy check on access is the caller's:
//! he asks [`Entry::expiry`] and [`UnixMillis::is_past`]. A hash whose fields expire counts with the first of them,
//! so the same search finds it. Start at [`Keyspace::expire_slice`].

use super::db::{Db, DbMut};
use super::entry::{Entry, prefetch};
use super::{DbIndex, Keyspace, Object, ValueRef};
use crate::table::{Place, Spot, Summary, Table};
use crate::time::UnixMicros;
use crate::value::Typed;

/// Calendar time in milliseconds since 1970-01-01 00:00 UTC: the unit keys expire in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whether a key with this expiry is gone at `now`: strictly after it, as in Redis.
    #[inline]
    pub const fn is_past(self, now: Self) -> bool {
        now.0 > self.0
    }
}

impl From<UnixMicros> for UnixMillis {
    fn from(time: UnixMicros) -> Self {
        Self(time.millis())
    }
}

/// What a write does to a key's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The key expires at this time.
    At(UnixMillis),
    /// The key keeps the expiry it has; a new key has none.
    Keep,
    /// The key does not expire.
    Never,
}

impl Expiry {
    /// The expiry of a key that has had this one.
    pub(crate) const fn or(self, held: Option<UnixMillis>) -> Option<UnixMillis> {
        match self {
            Self::At(at) => Some(at),
            Self::Keep => held,
            Self::Never => None,
        }
    }
}

/// What a group knows about its volatile keys.
#[derive(Debug, Default)]
pub(crate) struct Volatile {
    pub(super) count: u32,
    /// No volatile key of the group, and no field of its hashes, expires before this time.
    pub(crate) earliest: Earliest,
}

/// What a database knows about its keys with an expiry.
#[derive(Debug, Default)]
pub(super) struct VolatileKeys {
    pub(super) count: usize,
    /// Sum of their expiry times, in milliseconds. Exact, so that no order of writes shows in it; 128 bits hold as many
    /// times as memory has keys.
    expiry_sum: i128,
}

impl VolatileKeys {
    /// Notes that a key's expiry became another one.
    #[inline]
    pub(super) fn change(&mut self, before: Option<UnixMillis>, after: Option<UnixMillis>) {
        let time = |expiry: Option<UnixMillis>| expiry.map_or(0, |at| i128::from(at.0));
        self.count = self.count + usize::from(after.is_some()) - usize::from(before.is_some());
        self.expiry_sum += time(after) - time(before);
    }

    /// Milliseconds left on average, never below 0.
    pub(super) fn average_ttl(&self, now: UnixMillis) -> i64 {
        let Ok(count @ 1..) = i128::try_from(self.count) else { return 0 };
        i64::try_from((self.expiry_sum / count - i128::from(now.0)).max(0)).unwrap_or(i64::MAX)
    }
}

/// A lower bound of expiry times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Earliest(i64);

impl Earliest {
    pub(crate) fn lower(&mut self, expiry: UnixMillis) {
        self.0 = self.0.min(expiry.0);
    }

    fn lower_to(&mut self, other: Self) {
        self.0 = self.0.min(other.0);
    }

    pub(crate) const fn is_past(self, now: UnixMillis) -> bool {
        UnixMillis(self.0).is_past(now)
    }

    /// The time; nothing when nothing expires.
    pub(crate) const fn time(self) -> Option<UnixMillis> {
        if self.0 == i64::MAX { None } else { Some(UnixMillis(self.0)) }
    }
}

impl Default for Earliest {
    fn default() -> Self {
        Self(i64::MAX)
    }
}

impl Entry {
    /// When active expiry has work here: the key's expiry, or the first one of its value's fields if that is earlier.
    ///
    /// May be too early where fields are concerned, never too late.
    #[inline]
    pub(super) fn next_due(&self) -> Option<UnixMillis> {
        let expiry = self.expiry();
        let fields = match self.value() {
            ValueRef::Object(object) => object.next_field_expiry(),
            ValueRef::Int(_) | ValueRef::Packed(_) | ValueRef::Str(_) => None,
        };
        match (expiry, fields) {
            (Some(expiry), Some(fields)) => Some(expiry.min(fields)),
            (expiry, fields) => expiry.or(fields),
        }
    }

    /// Whether the value is a hash with fields that expire.
    #[inline]
    pub(super) fn has_volatile_fields(&self) -> bool {
        matches!(self.value(), ValueRef::Object(Object::Hash(hash)) if hash.view().volatile_len() > 0)
    }
}

impl Volatile {
    /// Notes that an entry's own expiry changed in place.
    pub(crate) fn change(&mut self, was_volatile: bool, expiry: Option<UnixMillis>) {
        self.count = self.count + u32::from(expiry.is_some()) - u32::from(was_volatile);
        expiry.into_iter().for_each(|expiry| self.earliest.lower(expiry));
    }
}

impl Summary<Entry> for Volatile {
    fn add(&mut self, entry: &Entry) {
        self.count += u32::from(entry.expiry().is_some());
        if let Some(due) = entry.next_due() {
            self.earliest.lower(due);
        }
    }

    fn remove(&mut self, entry: &Entry) {
        self.count -= u32::from(entry.expiry().is_some());
    }

    fn prefetch(entry: &Entry) {
        prefetch(entry.address());
    }
}

/// The search for due keys of one database.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// For each chunk of groups, a lower bound of its groups' bounds.
    chunks: Vec<Earliest>,
    /// The group after the last one that was walked: they take turns.
    turn: Turn,
    /// The group that is being walked, across slices.
    sweep: Option<Sweep>,
}

/// A place in the order of all groups, in use or not.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    chunk: usize,
    /// Number in the chunk.
    group: usize,
}

#[derive(Debug)]
struct Sweep {
    place: Place,
    generation: u32,
    bucket: u32,
    /// The earliest expiry met so far that is not due.
    earliest: Earliest,
}

/// What active expiry removed.
#[derive(Debug)]
pub enum Gone {
    /// A key.
    Key(Entry),
    /// Fields of a hash.
    Fields {
        /// The hash's key.
        key: Box<[u8]>,
        /// The fields.
        fields: Vec<Box<[u8]>>,
        /// The key's entry, when these were its last fields: it is removed, too.
        emptied: Option<Entry>,
    },
}

/// What a slice of active expiry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpireSlice {
    /// Keys and fields looked at.
    pub visited: usize,
    /// Keys and fields removed.
    pub expired: usize,
    /// Whether due keys may be left.
    pub more: bool,
}

impl Due {
    /// Notes that the group at `place` may have a key that expires at `earliest`.
    pub(super) fn note(&mut self, place: Place, earliest: Earliest) {
        if earliest == Earliest::default() {
            return;
        }
        if self.chunks.len() <= place.chunk() {
            self.chunks.resize(place.chunk() + 1, Earliest::default());
        }
        self.chunks[place.chunk()].lower_to(earliest);
    }

    fn next(&self) -> Earliest {
        self.chunks.iter().copied().min().unwrap_or_default()
    }
}

impl Keyspace {
    /// Removes keys and fields that are past their expiry, in all databases, and hands each to `gone`.
    ///
    /// Looks at about `visits_max` keys (see [`EXPIRE_SLICE_KEYS_MAX`]) and only at groups that can have a due key;
    /// groups and databases take turns. Call it every 100 ms at the most while keys are due, and again at once as
    /// long as [`ExpireSlice::is_worth_another`]: among a million keys that expire over an hour, that finds each
    /// within half a minute at 1 % of a core. A replica does not call this: its primary tells it which keys to
    /// delete.
    pub fn expire_slice(
        &mut self,
        now: UnixMillis,
        visits_max: usize,
        mut gone: impl FnMut(DbIndex, Gone),
    ) -> ExpireSlice {
        let mut slice = ExpireSlice::default();
        for _ in 0..self.databases() {
            let index = DbIndex(self.expire_turn % self.databases());
            let mut db = self.db_mut(index);
            while slice.visited < visits_max && db.sweep_on(now, visits_max, &mut slice, |what| gone(index, what)) {}
            slice.more |= db.has_due(now);
            // A database that used up the slice has had its turn: the next slice begins behind it.
            self.expire_turn = (index.0 + 1) % self.databases();
            if slice.visited >= visits_max {
                break;
            }
        }
        slice.more |= slice.visited >= visits_max && self.dbs().iter().any(|db| db.has_due(now));
        slice
    }

    /// The earliest time at which [`Keyspace::expire_slice`] can find a key to remove; nothing without volatile keys.
    ///
    /// It may turn out too early, never too late.
    pub fn next_expiry(&self) -> Option<UnixMillis> {
        let next = self.dbs().iter().map(|db| if db.due.sweep.is_some() { Earliest(i64::MIN) } else { db.due.next() });
        let Earliest(earliest) = next.min()?;
        (earliest != i64::MAX).then(|| UnixMillis(earliest.saturating_add(1)))
    }
}

impl Db {
    fn has_due(&self, now: UnixMillis) -> bool {
        self.due.sweep.is_some() || self.due.next().is_past(now)
    }

    /// The next group with a due key, by the bounds, from the one whose turn it is.
    fn find_due(&mut self, now: UnixMillis) -> Option<Place> {
        let chunks = self.due.chunks.len();
        // Once around, and the rest of the chunk that was begun in the middle.
        for _ in 0..=chunks {
            let Turn { chunk, group } = self.due.turn;
            if self.due.chunks.get(chunk).is_some_and(|earliest| earliest.is_past(now)) {
                let places = self.chunk_places(chunk).enumerate().skip(group);
                for (number, place) in places {
                    if self.items.summary(place).earliest.is_past(now) {
                        self.due.turn.group = number + 1;
                        return Some(place);
                    }
                }
                self.settle_chunk(chunk);
            }
            self.due.turn = Turn { chunk: if chunk + 1 < chunks { chunk + 1 } else { 0 }, group: 0 };
        }
        None
    }

    fn settle_chunk(&mut self, chunk: usize) {
        let bounds = self.chunk_places(chunk).map(|place| self.items.summary(place).earliest);
        let earliest = bounds.min().unwrap_or_default();
        if let Some(bound) = self.due.chunks.get_mut(chunk) {
            *bound = earliest;
        }
    }

    fn chunk_places(&self, chunk: usize) -> impl Iterator<Item = Place> + use<> {
        let first = chunk * crate::table::CHUNK_FAMILIES;
        let last = (first + crate::table::CHUNK_FAMILIES).min(self.items.families());
        (first..last).flat_map(Table::<Entry, Volatile>::places_of)
    }
}

impl DbMut<'_> {
    /// Walks on in one group with due keys; false when there is none.
    fn sweep_on(
        &mut self,
        now: UnixMillis,
        visits_max: usize,
        slice: &mut ExpireSlice,
        mut gone: impl FnMut(Gone),
    ) -> bool {
        let Some(mut sweep) = self.next_sweep(now) else { return false };
        let buckets = self.items.group_buckets(sweep.place) as u32;
        'rows: while sweep.bucket < buckets && slice.visited < visits_max {
            let row = sweep.bucket..buckets.min(sweep.bucket + SWEEP_BUCKETS);
            let spots = row.clone().map(|bucket| Spot { place: sweep.place, bucket });
            spots.clone().filter_map(|spot| self.items.at(spot)).for_each(Volatile::prefetch);
            for spot in spots {
                let Some(entry) = self.items.at(spot) else { continue };
                slice.visited += 1;
                let Some(due) = entry.next_due() else { continue };
                if !due.is_past(now) {
                    sweep.earliest.lower(due);
                } else if entry.expiry().is_some_and(|expiry| expiry.is_past(now)) {
                    slice.expired += 1;
                    self.take_spot(spot).into_iter().map(Gone::Key).for_each(&mut gone);
                } else {
                    self.expire_fields(spot, now, visits_max, slice).into_iter().for_each(&mut gone);
                    let due = self.items.at(spot).and_then(Entry::next_due);
                    if due.is_some_and(|due| due.is_past(now)) {
                        // A large hash with more due fields: the next slice goes on in the same bucket.
                        sweep.bucket = spot.bucket;
                        break 'rows;
                    }
                    due.into_iter().for_each(|due| sweep.earliest.lower(due));
                }
            }
            sweep.bucket = row.end;
        }
        if sweep.bucket < buckets {
            self.db.due.sweep = Some(sweep);
        } else {
            self.db.items.summary_mut(sweep.place).earliest.lower_to(sweep.earliest);
            self.db.settle_chunk(sweep.place.chunk());
            self.shrink(sweep.place);
        }
        true
    }

    /// Removes due fields from the hash at a spot, and the hash with its last field.
    fn expire_fields(
        &mut self,
        spot: Spot,
        now: UnixMillis,
        visits_max: usize,
        slice: &mut ExpireSlice,
    ) -> Option<Gone> {
        let mut edit = self.reborrow().into_edit(spot)?;
        let object = edit.object_mut()?;
        let mut fields: Vec<Box<[u8]>> = Vec::new();
        let visits_left = visits_max.saturating_sub(slice.visited).max(1);
        slice.visited += object.expire_fields(now, visits_left, |field| fields.push(field.key().into()));
        slice.expired += fields.len();
        let is_empty = object.view().is_some_and(|hash| hash.is_garbage());
        let key = edit.key().into();
        drop(edit);
        let emptied = if is_empty { self.take_spot(spot) } else { None };
        (!fields.is_empty()).then_some(Gone::Fields { key, fields, emptied })
    }

    /// The sweep to go on with, or a new one.
    fn next_sweep(&mut self, now: UnixMillis) -> Option<Sweep> {
        let db = &mut *self.db;
        if let Some(sweep) = db.due.sweep.take()
            && (sweep.place.family() < db.items.families())
            && db.items.group_generation(sweep.place) == sweep.generation
        {
            return Some(sweep);
        }
        // A rebuilt group has an exact bound again, so a sweep that was cut off is found anew by it.
        let place = db.find_due(now)?;
        // From here on the bound counts only what comes in behind the sweep.
        db.items.summary_mut(place).earliest = Earliest::default();
        let generation = db.items.group_generation(place);
        Some(Sweep { place, generation, bucket: 0, earliest: Earliest::default() })
    }
}

impl ExpireSlice {
    /// Whether another slice right away is worth its time: keys are left, and many of those looked at were due.
    ///
    /// Otherwise the next slice can wait for its period (100 ms): the due keys that are left are few among many.
    pub const fn is_worth_another(self) -> bool {
        self.more && self.expired * WORTHWHILE_SHARE >= self.visited
    }
}

/// One key in so many must have been due for another slice at once.
///
/// Redis goes on while one in ten is (`ACTIVE_EXPIRE_CYCLE_ACCEPTABLE_STALE`, `expire.c`), and leaves up to that
/// share of keys past their expiry in memory.
const WORTHWHILE_SHARE: usize = 20;

/// Buckets whose entries are loaded at the same time.
const SWEEP_BUCKETS: u32 = 32;

/// Keys one slice of active expiry should look at before other work has its turn: about 0.15 ms.
///
/// Redis takes 20 keys a loop and up to a quarter of the time (`ACTIVE_EXPIRE_CYCLE_KEYS_PER_LOOP`, `expire.c`);
/// here one look finds all due keys of a group, so a slice is two or three groups.
pub const EXPIRE_SLICE_KEYS_MAX: usize = 4096;
