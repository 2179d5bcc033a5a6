//! Making room: eviction of keys under `maxmemory`.
//!
//! As in Redis, the best candidates of many small samples are kept in a pool, so that a few keys looked at each
//! time come close to the true order. Start at [`Engine::has_room`].

use crate::access;
use crate::config::choices::MaxmemoryPolicy;
use crate::config::special::keyspace_events::KeyspaceEvents;
use crate::core::Core;
use crate::engine::Engine;
use crate::keyspace::{DbIndex, Entry, MAINTAIN_ENTRIES_MAX, SampleFrom};
use crate::time::Now;

impl Engine {
    /// Whether a command that needs memory may run: evicts keys first, as the policy says.
    ///
    /// `other_bytes` is what counts beside the keyspace. One call removes [`EVICTIONS_PER_CALL`] keys at the most
    /// (`maxmemory-eviction-tenacity` raises that); while there are more to remove, commands run all the same.
    pub fn has_room(&mut self, now: Now, other_bytes: u64) -> bool {
        let room = self.core_mut().make_room(now, other_bytes);
        self.deliver();
        room
    }
}

/// Keys that samples found to be worth removing, the best one last.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    candidates: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    /// The greater, the sooner the key goes.
    score: u64,
    db: DbIndex,
    key: Box<[u8]>,
}

impl Core {
    fn make_room(&mut self, now: Now, other_bytes: u64) -> bool {
        let limit = self.config.maxmemory;
        if limit == 0 || self.is_paused || self.is_replica && self.config.replica_ignore_maxmemory {
            return true;
        }
        let evictions_max = match self.config.maxmemory_eviction_tenacity {
            TENACITY_UNLIMITED.. => usize::MAX,
            tenacity => EVICTIONS_PER_CALL * (tenacity as usize + 1) / (TENACITY_DEFAULT + 1),
        };
        for _ in 0..=evictions_max {
            if self.keyspace.memory().total() as u64 + other_bytes <= limit {
                return true;
            }
            // Memory on its way back need not be taken from keys that are in use.
            if self.keyspace.memory().detached > 0 && self.keyspace.maintain(MAINTAIN_ENTRIES_MAX) {
                continue;
            }
            let Some((db, key)) = self.victim(now) else { return false };
            self.evict(db, &key);
        }
        true
    }

    fn evict(&mut self, db: DbIndex, key: &[u8]) {
        let hash = self.keyspace.hash(key);
        if !self.keyspace.db_mut(db).discard(hash, key) {
            return;
        }
        self.stats.evicted_keys += 1;
        let verb: &[u8] = if self.config.lazyfree_lazy_eviction { b"UNLINK" } else { b"DEL" };
        self.changes.push(db, [verb, key].into_iter());
        self.changes.separate();
        self.touch(db, key);
        self.notify(KeyspaceEvents::EVICTED, "evicted", db, key);
    }

    /// The key to remove next; nothing when the policy spares all that are left.
    fn victim(&mut self, now: Now) -> Option<(DbIndex, Box<[u8]>)> {
        use MaxmemoryPolicy::{
            AllkeysLfu, AllkeysLru, AllkeysRandom, NoEviction, VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl,
        };
        match self.config.maxmemory_policy {
            NoEviction => None,
            AllkeysRandom => self.random_victim(SampleFrom::All),
            VolatileRandom => self.random_victim(SampleFrom::Volatile),
            AllkeysLru | AllkeysLfu => self.pooled_victim(now, SampleFrom::All),
            VolatileLru | VolatileLfu | VolatileTtl => self.pooled_victim(now, SampleFrom::Volatile),
        }
    }

    /// Databases have their turns, so that a small one is not spared.
    fn random_victim(&mut self, from: SampleFrom) -> Option<(DbIndex, Box<[u8]>)> {
        let databases = self.keyspace.databases();
        let first = self.rng.below(u64::from(databases)) as u32;
        let turns = (0..databases).map(|turn| DbIndex((first + turn) % databases));
        for db in turns {
            let mut found = None;
            self.keyspace.db(db).sample(&mut self.rng, 1, from, |entry| found = Some(entry.key().into()));
            if let Some(key) = found {
                return Some((db, key));
            }
        }
        None
    }

    fn pooled_victim(&mut self, now: Now, from: SampleFrom) -> Option<(DbIndex, Box<[u8]>)> {
        for _ in 0..SAMPLE_ROUNDS_MAX {
            if !self.fill_pool(now, from) {
                return None;
            }
            while let Some(Candidate { db, key, .. }) = self.evict_pool.candidates.pop() {
                let hash = self.keyspace.hash(&key);
                let entry = self.keyspace.db(db).find(hash, &key);
                // It may have gone, or lost its expiry, since the sample.
                if entry.is_some_and(|entry| from == SampleFrom::All || entry.expiry().is_some()) {
                    return Some((db, key));
                }
            }
        }
        None
    }

    /// Takes a sample of each database into the pool. Returns whether the pool has candidates.
    fn fill_pool(&mut self, now: Now, from: SampleFrom) -> bool {
        let samples = self.config.maxmemory_samples as usize;
        for db in (0..self.keyspace.databases()).map(DbIndex) {
            let (config, pool) = (&self.config, &mut self.evict_pool);
            self.keyspace.db(db).sample(&mut self.rng, samples, from, |entry| {
                pool.offer(score(entry, now, config), db, entry.key());
            });
        }
        !self.evict_pool.candidates.is_empty()
    }
}

impl Pool {
    fn offer(&mut self, score: u64, db: DbIndex, key: &[u8]) {
        let full = self.candidates.len() >= POOL_KEYS_MAX;
        let worse = self.candidates.first().is_some_and(|first| score <= first.score);
        let known = self.candidates.iter().any(|other| other.db == db && *other.key == *key);
        if full && worse || known {
            return;
        }
        if full {
            self.candidates.remove(0);
        }
        let at = self.candidates.partition_point(|other| other.score < score);
        self.candidates.insert(at, Candidate { score, db, key: key.into() });
    }
}

/// How much a key is worth removing.
fn score(entry: &Entry, now: Now, config: &crate::config::Config) -> u64 {
    if config.maxmemory_policy == MaxmemoryPolicy::VolatileTtl {
        return entry.expiry().map_or(0, |at| u64::MAX - u64::try_from(at.0).unwrap_or(0));
    }
    if access::counts_uses(config) {
        return u64::from(u8::MAX - access::frequency(entry.access(), now, config));
    }
    access::idle_seconds(entry.access(), now)
}

/// Keys that one call removes at the default tenacity: about 0.1 ms, as long as a slow command.
pub const EVICTIONS_PER_CALL: usize = 64;

/// Candidates that are kept (`EVPOOL_SIZE`, `evict.c` of Redis 7.0).
const POOL_KEYS_MAX: usize = 16;

/// Samples after which a pool full of keys that are gone is given up.
const SAMPLE_ROUNDS_MAX: usize = 16;

/// `maxmemory-eviction-tenacity` unless configured.
const TENACITY_DEFAULT: usize = 10;

/// The tenacity at which eviction goes on until there is room.
const TENACITY_UNLIMITED: u32 = 100;

#[cfg(test)]
mod tests {
    use super::POOL_KEYS_MAX;
    use crate::Engine;
    use crate::config::Config;
    use crate::config::choices::MaxmemoryPolicy;
    use crate::session::SessionId;
    use crate::time::{Instant, Now, UnixMicros};

    fn at(seconds: i64) -> Now {
        Now { instant: Instant::ZERO, unix: UnixMicros(seconds * 1_000_000) }
    }

    /// A store with keys `0` to `999`, written one second after the other.
    fn filled(policy: MaxmemoryPolicy) -> (Engine, SessionId) {
        let config = Config { maxmemory_policy: policy, ..Config::default() };
        let mut engine = Engine::new(config, 3);
        let session = engine.open();
        for index in 0..1000 {
            engine.run(at(index), session, ["SET".to_owned(), index.to_string(), "value".to_owned()]);
        }
        (engine, session)
    }

    fn shrink(engine: &mut Engine, now: Now, percent: u64) {
        let used = engine.core().keyspace.memory().total() as u64;
        engine.core_mut().config.maxmemory = used * percent / 100;
        for _ in 0..100 {
            assert!(engine.has_room(now, 0));
        }
        assert!(engine.core().keyspace.memory().total() as u64 <= engine.core().config.maxmemory);
    }

    fn is_there(engine: &mut Engine, session: SessionId, key: i64) -> bool {
        engine.run(at(1000), session, ["EXISTS".to_owned(), key.to_string()]) == b":1\r\n"
    }

    #[test]
    fn lru_spares_the_keys_used_last() {
        let (mut engine, session) = filled(MaxmemoryPolicy::AllkeysLru);

        shrink(&mut engine, at(1000), 80);

        let young = (900..1000).filter(|&key| is_there(&mut engine, session, key)).count();
        let old = (0..100).filter(|&key| is_there(&mut engine, session, key)).count();
        assert!(young >= 97 && old < 40, "{young} young and {old} old keys are left");
    }

    #[test]
    fn lfu_spares_the_keys_used_often() {
        let (mut engine, session) = filled(MaxmemoryPolicy::AllkeysLfu);
        for key in 0..50 {
            for _ in 0..200 {
                engine.run(at(1000), session, ["GET".to_owned(), key.to_string()]);
            }
        }

        shrink(&mut engine, at(1000), 60);

        let hot = (0..50).filter(|&key| is_there(&mut engine, session, key)).count();
        assert!(hot >= 48, "{hot} hot keys are left");
    }

    #[test]
    fn volatile_policies_spare_keys_without_expiry() {
        for policy in [MaxmemoryPolicy::VolatileTtl, MaxmemoryPolicy::VolatileRandom, MaxmemoryPolicy::VolatileLru] {
            let (mut engine, session) = filled(policy);
            for key in 0..20 {
                engine.run(at(1000), session, ["EXPIRE".to_owned(), key.to_string(), (1000 - key).to_string()]);
            }
            engine.core_mut().config.maxmemory = 1;

            let refused = (0..100).find(|_| !engine.has_room(at(1000), 0));

            assert!(refused.is_some(), "{policy:?}");
            assert_eq!(engine.core().stats.evicted_keys, 20, "{policy:?}");
        }
    }

    #[test]
    fn ttl_removes_what_would_expire_first() {
        let (mut engine, session) = filled(MaxmemoryPolicy::VolatileTtl);
        for key in 0..1000 {
            engine.run(at(1000), session, ["EXPIRE".to_owned(), key.to_string(), (10_000 + key * 100).to_string()]);
        }

        shrink(&mut engine, at(1000), 80);

        let late = (900..1000).filter(|&key| is_there(&mut engine, session, key)).count();
        let soon = (0..100).filter(|&key| is_there(&mut engine, session, key)).count();
        assert!(late >= 97 && soon < 40, "{late} late and {soon} early keys are left");
    }

    #[test]
    fn lfu_of_volatile_keys_spares_those_used_often() {
        let (mut engine, session) = filled(MaxmemoryPolicy::VolatileLfu);
        for key in 0..500 {
            engine.run(at(1000), session, ["EXPIRE".to_owned(), key.to_string(), "10000".to_owned()]);
        }
        for key in 0..50 {
            for _ in 0..200 {
                engine.run(at(1000), session, ["GET".to_owned(), key.to_string()]);
            }
        }

        shrink(&mut engine, at(1000), 70);

        let hot = (0..50).filter(|&key| is_there(&mut engine, session, key)).count();
        let lasting = (500..1000).filter(|&key| is_there(&mut engine, session, key)).count();
        assert!(hot >= 48, "{hot} hot keys are left");
        assert_eq!(lasting, 500);
    }

    #[test]
    fn without_a_policy_nothing_is_evicted() {
        let (mut engine, _) = filled(MaxmemoryPolicy::NoEviction);
        engine.core_mut().config.maxmemory = 1;

        assert!(!engine.has_room(at(1000), 0));
        assert_eq!(engine.core().stats.evicted_keys, 0);
    }

    #[test]
    fn each_evicted_key_is_repeated_alone() {
        let (mut engine, _) = filled(MaxmemoryPolicy::AllkeysRandom);
        engine.changes().set_enabled(true);

        shrink(&mut engine, at(1000), 90);

        let mut bytes = Vec::new();
        engine.changes().take(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches("DEL").count() as u64, engine.core().stats.evicted_keys);
        assert!(!text.contains("MULTI"));
    }

    #[test]
    fn the_pool_is_bounded_and_keeps_the_best() {
        let mut pool = super::Pool::default();
        for score in (0..100).rev().chain(100..150) {
            pool.offer(score, crate::keyspace::DbIndex(0), score.to_string().as_bytes());
        }

        let scores: Vec<u64> = pool.candidates.iter().map(|candidate| candidate.score).collect();

        assert_eq!(scores, (150 - POOL_KEYS_MAX as u64..150).collect::<Vec<_>>());
    }
}
