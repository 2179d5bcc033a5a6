//! Background work in slices: active expiry, freeing of flushed tables, eviction.
//!
//! Nothing here runs by itself: the host calls [`Engine::tick`] when the last call told it to.

use std::time::Duration;

use crate::core::Core;
use crate::engine::Engine;
use crate::keyspace::{EXPIRE_SLICE_KEYS_MAX, Gone, MAINTAIN_ENTRIES_MAX, UnixMillis};
use crate::time::{Instant, Now};

impl Engine {
    /// Does one bounded slice of the work that is due. Returns when there will be more: at once, later, or not
    /// before something is written.
    ///
    /// A key's expiry is calendar time and the wait is not, so no wait is longer than [`TICK_WAIT_MAX`].
    pub fn tick(&mut self, now: Now) -> Option<Instant> {
        let core = self.core_mut();
        let expires = core.active_expire && !core.is_replica && !core.is_loading && !core.is_paused;
        let mut more = expires && core.expire_some(now);
        more |= core.keyspace.maintain(MAINTAIN_ENTRIES_MAX);
        let next = if expires { core.keyspace.next_expiry() } else { None };
        self.deliver();
        if more {
            return Some(now.instant);
        }
        let UnixMillis(next) = next?;
        let wait_ms = next.saturating_sub(now.unix.millis()).max(TICK_WAIT_MIN_MS);
        Some(now.instant + Duration::from_millis(wait_ms.unsigned_abs()).min(TICK_WAIT_MAX))
    }
}

impl Core {
    /// Removes some of the keys and fields whose time has come. Returns whether more of them may be there.
    fn expire_some(&mut self, now: Now) -> bool {
        let mut gone = Vec::new();
        let slice = self.keyspace.expire_slice(now.unix.into(), EXPIRE_SLICE_KEYS_MAX, |db, what| {
            gone.push((db, what));
        });
        for (db, what) in gone {
            match what {
                Gone::Key(entry) => {
                    self.after_expiry(db, entry.key());
                    self.keyspace.discard(entry);
                }
                Gone::Fields { key, fields, emptied } => {
                    self.after_field_expiry(db, &key, &fields, emptied.is_some());
                    emptied.into_iter().for_each(|entry| self.keyspace.discard(entry));
                }
            }
            self.changes.separate();
        }
        slice.more
    }
}

/// Longest time until the calendar is looked at again: a step of it must not leave keys alive for hours.
pub const TICK_WAIT_MAX: Duration = Duration::from_secs(10);

/// Shortest wait, in milliseconds: the clock of expiry has no finer steps.
const TICK_WAIT_MIN_MS: i64 = 1;
