use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    ChunkQueue, DbIndex, Entry, Expiry, Gone, Keyspace, NewValue, Partitioning, SampleFrom, SnapshotEncoder,
    SnapshotRefusal, UnixMillis,
};
use crate::rng::Rng;
use crate::slot::Slot;

const DATABASES: u32 = 3;

type Row = (Vec<u8>, Option<i64>);

/// What the keyspace should hold, by database and key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model(Vec<BTreeMap<Vec<u8>, Row>>);

/// A keyspace beside its model.
struct Pair {
    keyspace: Keyspace,
    model: Model,
    rng: Rng,
    keys: u64,
    now: i64,
}

fn text(entry: &Entry) -> Vec<u8> {
    entry.value().string_bytes(&mut itoa::Buffer::new()).unwrap().to_vec()
}

fn row(entry: &Entry) -> Row {
    (text(entry), entry.expiry().map(|UnixMillis(millis)| millis))
}

impl Pair {
    fn new(seed: u64, partitioning: Partitioning, keys: u64) -> Self {
        let mut rng = Rng::new(seed);
        let keyspace = Keyspace::new(DATABASES, partitioning, &mut rng);
        let model = Model(vec![BTreeMap::new(); DATABASES as usize]);
        Self { keyspace, model, rng, keys, now: 0 }
    }

    fn key(&mut self) -> Vec<u8> {
        format!("{{{}}}key:{}", self.rng.below(3), self.rng.below(self.keys)).into_bytes()
    }

    fn value(&mut self) -> Vec<u8> {
        let len = if self.rng.chance(1) { 17_000 } else { [3, 8, 64, 300][self.rng.index(4)] };
        vec![b'a' + self.rng.below(26) as u8; len]
    }

    fn step(&mut self) {
        let db = DbIndex(self.rng.below(u64::from(DATABASES)) as u32);
        let key = self.key();
        let hash = self.keyspace.hash(&key);
        let model = &mut self.model.0[db.0 as usize];
        match self.rng.below(1000) {
            0 => self.flush(db),
            1 => {
                let other = DbIndex(self.rng.below(u64::from(DATABASES)) as u32);
                self.keyspace.swap(db, other);
                self.model.0.swap(db.0 as usize, other.0 as usize);
            }
            2..50 => self.expire(),
            50..100 => {
                self.keyspace.maintain(100);
            }
            100..250 => {
                let before = self.keyspace.db_mut(db).remove(hash, &key);
                assert_eq!(before.as_ref().map(row), model.remove(&key));
            }
            250..300 => self.rename(db, &key),
            300..400 => {
                let expiry = self.rng.chance(50).then(|| self.now + self.rng.below(5_000) as i64);
                let found = self.keyspace.db_mut(db).set_expiry(hash, &key, expiry.map(UnixMillis));
                assert_eq!(found, model.contains_key(&key));
                model.entry(key).and_modify(|row| row.1 = expiry);
            }
            400..500 => {
                if let Some(mut entry) = self.keyspace.db_mut(db).find_mut(hash, &key) {
                    assert!(entry.append(b"more"));
                    model.get_mut(&key).unwrap().0.extend_from_slice(b"more");
                }
            }
            500..550 => {
                if let Some(mut entry) = self.keyspace.db_mut(db).find_mut(hash, &key) {
                    entry.set_int(-77);
                    model.get_mut(&key).unwrap().0 = b"-77".to_vec();
                }
            }
            550..600 => {
                let value = self.value();
                let shared = NewValue::Shared(Bytes::from(value.clone()));
                let before = self.keyspace.db_mut(db).exchange(hash, &key, shared, Expiry::Keep);
                let expiry = before.as_ref().and_then(Entry::expiry).map(|at| at.0);
                let held = self.model.0[db.0 as usize].insert(key, (value, expiry));
                assert_eq!(before.as_ref().map(row), held);
            }
            _ => self.set(db, key),
        }
    }

    fn set(&mut self, db: DbIndex, key: Vec<u8>) {
        let (hash, value) = (self.keyspace.hash(&key), self.value());
        let held = self.model.0[db.0 as usize].get(&key).and_then(|row| row.1);
        let (expiry, at) = match self.rng.below(3) {
            0 => (Expiry::Keep, held),
            1 => (Expiry::Never, None),
            _ => {
                let at = self.now + self.rng.below(10_000) as i64;
                (Expiry::At(UnixMillis(at)), Some(at))
            }
        };
        let replaced = self.keyspace.db_mut(db).set(hash, &key, NewValue::Str(&value), expiry);
        assert_eq!(self.model.0[db.0 as usize].insert(key, (value, at)).is_some(), replaced);
    }

    fn flush(&mut self, db: DbIndex) {
        let keys = self.keyspace.flush(db);
        assert_eq!(std::mem::take(&mut self.model.0[db.0 as usize]).len(), keys);
    }

    /// Moves a key to another name in another database.
    fn rename(&mut self, db: DbIndex, key: &[u8]) {
        let target = DbIndex((db.0 + 1) % DATABASES);
        let name = self.key();
        let (hash, new_hash) = (self.keyspace.hash(key), self.keyspace.hash(&name));
        let Some(entry) = self.keyspace.db_mut(db).remove(hash, key) else { return };
        let held = self.model.0[db.0 as usize].remove(key).unwrap();
        self.keyspace.db_mut(target).remove(new_hash, &name);
        self.keyspace.db_mut(target).put(new_hash, &name, entry);
        self.model.0[target.0 as usize].insert(name, held);
    }

    fn expire(&mut self) {
        self.now += 20;
        let now = UnixMillis(self.now);
        let model = &mut self.model.0;
        self.keyspace.expire_slice(now, 200, |db, gone| {
            let Gone::Key(entry) = gone else { panic!("there are no hashes") };
            assert!(entry.expiry().is_some_and(|at| at.is_past(now)));
            assert_eq!(model[db.0 as usize].remove(entry.key()), Some(row(&entry)));
        });
    }

    fn check(&self) {
        for (index, model) in self.model.0.iter().enumerate() {
            let db = self.keyspace.db(DbIndex(index as u32));
            let held: BTreeMap<_, _> = db.iter().map(|entry| (entry.key().to_vec(), row(entry))).collect();
            assert!(held == *model, "database {index} differs");
            assert_eq!(db.len(), model.len());
            assert_eq!(db.volatile_len(), model.values().filter(|row| row.1.is_some()).count());
            let expiries = || model.values().filter_map(|row| row.1).map(i128::from);
            let average = expiries().sum::<i128>() / (expiries().count().max(1) as i128);
            assert_eq!(i128::from(db.average_ttl(UnixMillis(0))), average);
            assert_eq!(db.entry_bytes, db.iter().map(Entry::memory_usage).sum::<usize>());
            assert_eq!(db.items.bytes(), db.stats().bytes);
            for tag in 0..3 {
                let tag = format!("{{{tag}}}");
                let expected = model.keys().filter(|key| key.starts_with(tag.as_bytes())).count();
                let slot = Slot::of_key(tag.as_bytes());
                if self.keyspace.partitioning() == Partitioning::BySlot {
                    assert_eq!(db.slot_len(slot), expected);
                    let mut listed = std::collections::BTreeSet::new();
                    self.keyspace.slot_keys(DbIndex(index as u32), slot, usize::MAX, |entry| {
                        assert!(listed.insert(entry.key().to_vec()));
                    });
                    assert_eq!(listed.len(), expected);
                }
            }
        }
    }
}

/// Writes entries down so that [`unpack`] can read them.
struct Pack;

impl SnapshotEncoder for Pack {
    fn encode(&mut self, db: DbIndex, entry: &Entry, out: &mut ChunkQueue) {
        let (value, expiry) = row(entry);
        out.put(&db.0.to_le_bytes());
        out.put(&expiry.unwrap_or(i64::MIN).to_le_bytes());
        for part in [Bytes::copy_from_slice(entry.key()), Bytes::from(value)] {
            out.put(&(part.len() as u32).to_le_bytes());
            out.put_shared(part);
        }
    }
}

fn unpack(mut bytes: &[u8]) -> Model {
    let mut model = Model(vec![BTreeMap::new(); DATABASES as usize]);
    while !bytes.is_empty() {
        let db = u32::from_le_bytes(*bytes.split_off(..4).unwrap().first_chunk().unwrap());
        let expiry = i64::from_le_bytes(*bytes.split_off(..8).unwrap().first_chunk().unwrap());
        let mut part = || {
            let len = u32::from_le_bytes(*bytes.split_off(..4).unwrap().first_chunk().unwrap());
            bytes.split_off(..len as usize).unwrap().to_vec()
        };
        let (key, value) = (part(), part());
        let expiry = (expiry != i64::MIN).then_some(expiry);
        assert!(model.0[db as usize].insert(key, (value, expiry)).is_none(), "an entry is saved once");
    }
    model
}

#[test]
fn any_sequence_of_writes_matches_the_model() {
    for (seed, partitioning, keys) in
        [(1, Partitioning::ByHash, 5_000), (2, Partitioning::BySlot, 5_000), (3, Partitioning::BySlot, 40)]
    {
        let mut pair = Pair::new(seed, partitioning, keys);
        for round in 0..20_000 {
            pair.step();
            if round % 10_000 == 0 {
                pair.check();
            }
        }
        pair.check();
    }
}

#[test]
fn a_snapshot_is_the_state_at_its_beginning() {
    for seed in 0..6 {
        let partitioning = if seed % 2 == 0 { Partitioning::ByHash } else { Partitioning::BySlot };
        let mut pair = Pair::new(seed, partitioning, 200 + seed * 1_000);
        for _ in 0..2_000 + seed * 2_000 {
            pair.step();
        }
        for _ in 0..2 {
            let expected = pair.model.clone();
            pair.keyspace.snapshot_begin(Box::new(Pack)).unwrap();
            assert_eq!(pair.keyspace.snapshot_begin(Box::new(Pack)), Err(SnapshotRefusal::Running));
            let mut bytes = Vec::new();
            loop {
                for _ in 0..pair.rng.below(100) {
                    pair.step();
                }
                let len_max = 1 + pair.rng.index(200_000);
                let Some(chunk) = pair.keyspace.snapshot_pull(len_max) else { break };
                assert!(chunk.len() <= len_max);
                bytes.extend_from_slice(&chunk);
            }
            assert!(unpack(&bytes) == expected, "seed {seed}");
            assert!(!pair.keyspace.snapshot_running());
            pair.check();
        }
    }
}

#[test]
fn an_abandoned_snapshot_leaves_no_trace_in_the_next() {
    let mut pair = Pair::new(77, Partitioning::ByHash, 2_000);
    let mut refused = 0;
    for round in 0..40 {
        for _ in 0..500 {
            pair.step();
        }
        let expected = pair.model.clone();
        if pair.keyspace.snapshot_begin(Box::new(Pack)) == Err(SnapshotRefusal::Unclean) {
            refused += 1;
            while pair.keyspace.maintain(1_000) {}
            continue;
        }
        let mut bytes = Vec::new();
        for _ in 0..3 {
            bytes.extend_from_slice(&pair.keyspace.snapshot_pull(5_000).unwrap());
            pair.step();
        }
        if round % 10 != 9 {
            pair.keyspace.snapshot_abort();
            continue;
        }
        while let Some(chunk) = pair.keyspace.snapshot_pull(100_000) {
            bytes.extend_from_slice(&chunk);
        }
        assert!(unpack(&bytes) == expected, "round {round}");
    }
    assert!(refused < 5, "{refused}");
}

#[test]
fn flushed_memory_comes_back_in_slices() {
    let mut pair = Pair::new(5, Partitioning::ByHash, 20_000);
    for _ in 0..20_000 {
        let key = pair.key();
        pair.set(DbIndex(0), key);
    }
    let full = pair.keyspace.memory();

    pair.keyspace.flush_all();

    let flushed = pair.keyspace.memory();
    assert_eq!((flushed.entries, flushed.tables), (0, 0));
    assert_eq!(flushed.detached, full.total());
    let keys = pair.keyspace.pending_objects();
    assert!(keys > 10_000, "{keys}");
    assert_eq!(pair.keyspace.freed_objects(), 0);
    let mut slices = 0;
    while pair.keyspace.maintain(1_000) {
        slices += 1;
    }
    assert!(slices > 3, "{slices}");
    assert_eq!(pair.keyspace.memory().total(), 0);
    assert_eq!((pair.keyspace.pending_objects(), pair.keyspace.freed_objects()), (0, keys as u64));
}

#[test]
fn a_slice_of_expiry_finds_all_due_keys_and_no_others() {
    let mut pair = Pair::new(6, Partitioning::ByHash, 0);
    for number in 0..20_000_i64 {
        let key = format!("key:{number}").into_bytes();
        let hash = pair.keyspace.hash(&key);
        pair.keyspace.db_mut(DbIndex(1)).set(hash, &key, NewValue::Int(number), Expiry::At(UnixMillis(number)));
    }
    assert_eq!(pair.keyspace.next_expiry(), Some(UnixMillis(1)));

    let mut gone = Vec::new();
    while pair
        .keyspace
        .expire_slice(UnixMillis(100), 1_000, |db, what| {
            let Gone::Key(entry) = what else { panic!("there are no hashes") };
            gone.push((db, entry.expiry()));
        })
        .more
    {}

    gone.sort_unstable();
    assert_eq!(gone, (0..100).map(|at| (DbIndex(1), Some(UnixMillis(at)))).collect::<Vec<_>>());
    assert_eq!(pair.keyspace.next_expiry(), Some(UnixMillis(101)));
    let quiet = pair.keyspace.expire_slice(UnixMillis(100), 1_000, |_, _| ());
    assert_eq!((quiet.visited, quiet.more), (0, false));
}

#[test]
fn every_group_has_its_turn_when_slices_are_short() {
    let mut pair = Pair::new(8, Partitioning::ByHash, 0);
    for number in 0..40_000_i64 {
        let key = format!("key:{number}").into_bytes();
        let hash = pair.keyspace.hash(&key);
        pair.keyspace.db_mut(DbIndex(0)).set(hash, &key, NewValue::Int(number), Expiry::At(UnixMillis(number)));
    }

    // Each moment makes keys due in every group again, and each slice has time for a part of one.
    let slices = 200;
    for moment in 1..=slices {
        pair.keyspace.expire_slice(UnixMillis(moment * 20), 1_000, |_, _| ());
    }

    let now = UnixMillis(slices * 20);
    let late =
        pair.keyspace.db(DbIndex(0)).iter().filter(|entry| entry.expiry().is_some_and(|at| at.0 < now.0 - 1_500));
    assert_eq!(late.count(), 0);
}

#[test]
fn random_keys_come_from_everywhere() {
    let mut pair = Pair::new(9, Partitioning::BySlot, 0);
    for number in 0..12_000 {
        let key = format!("{}key:{number}", if number < 6_000 { "{tag}" } else { "" }).into_bytes();
        let hash = pair.keyspace.hash(&key);
        let expiry = if number % 100 == 0 { Expiry::At(UnixMillis(1)) } else { Expiry::Never };
        pair.keyspace.db_mut(DbIndex(0)).set(hash, &key, NewValue::Int(1), expiry);
    }
    let mut rng = Rng::new(10);
    let db = pair.keyspace.db(DbIndex(0));

    let tagged = (0..4_000).filter(|_| db.random_key(&mut rng).unwrap().key().starts_with(b"{tag}")).count();
    assert!((1_800..2_200).contains(&tagged), "{tagged}");
    let (mut all, mut volatile) = (0, 0);
    db.sample(&mut rng, 5, SampleFrom::All, |_| all += 1);
    db.sample(&mut rng, 5, SampleFrom::Volatile, |entry| {
        assert!(entry.expiry().is_some());
        volatile += 1;
    });
    assert_eq!(all, 5);
    assert!((1..=5).contains(&volatile), "{volatile}");
    assert!(pair.keyspace.db(DbIndex(1)).random_key(&mut rng).is_none());
    pair.keyspace.db(DbIndex(1)).sample(&mut rng, 5, SampleFrom::All, |_| panic!("nothing there"));
}

#[test]
fn a_batch_of_lookups_may_name_keys_that_are_not_there() {
    let mut pair = Pair::new(11, Partitioning::ByHash, 100);
    for _ in 0..2_000 {
        let key = pair.key();
        let hash = pair.keyspace.hash(&key);
        let db = pair.keyspace.db(DbIndex(0));
        db.prefetch_group(hash);
        db.prefetch_entry(hash);
        assert_eq!(db.find(hash, &key).map(row), pair.model.0[0].get(&key).cloned());
        pair.step();
    }
}

#[test]
fn a_keyspace_can_move_to_another_thread() {
    fn moves<T: Send>(_: &T) {}

    moves(&Keyspace::new(1, Partitioning::ByHash, &mut Rng::new(1)));
}
