//! A picture of all databases at one moment, taken while writes go on.
//!
//! Nothing is copied when a snapshot begins. Each entry has a colour; beginning a snapshot changes the colour that
//! new entries are born with, so every entry of another colour is part of the picture and still to be saved. A walk
//! goes through the tables group by group, hands such entries to the encoder and paints them; a write, removal or
//! expiry that comes to one first does the same for that one entry. So a write costs at most one entry more, and
//! the output runs ahead of the walk by the entries written in the meantime, never by whole groups. Tables that are
//! flushed go into the snapshot's custody; swapped databases keep the number they had.
//!
//! What does not live here: file formats (the encoder is the caller's). Start at [`Keyspace::snapshot_begin`].

use std::collections::VecDeque;

use bytes::Bytes;

use super::db::Shared;
use super::entry::{COLOURS, Entry};
use super::memory::Detached;
use super::{DbIndex, Keyspace};
use crate::resp::outbuf::SHARE_BYTES_MIN;
use crate::table::scan::Walk;
use crate::table::{Summary, Table};

/// Turns entries into the bytes of a snapshot.
pub trait SnapshotEncoder: Send {
    /// Encodes one entry of a database, as it was when the snapshot began.
    ///
    /// Entries of different databases come in any order.
    fn encode(&mut self, db: DbIndex, entry: &Entry, out: &mut ChunkQueue);
}

/// Why a snapshot cannot begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotRefusal {
    /// Another one is running.
    Running,
    /// Too many were abandoned in a row: [`Keyspace::maintain`] must clean up first.
    Unclean,
}

/// Bytes on their way out of a snapshot, in order.
#[derive(Debug, Default)]
pub struct ChunkQueue {
    chunks: VecDeque<Bytes>,
    tail: Vec<u8>,
    len: usize,
}

/// A running snapshot.
pub(super) struct Snapshot {
    encoder: Box<dyn SnapshotEncoder>,
    out: ChunkQueue,
    /// Flushed tables that are still to be walked.
    pub(super) custody: VecDeque<(DbIndex, Walk, Detached)>,
    /// Entries encoded so far.
    saved: u64,
}

impl ChunkQueue {
    /// Number of bytes that wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy of `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        self.put_with(|tail| tail.extend_from_slice(bytes));
    }

    /// Lets `write` append to the end directly.
    pub fn put_with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let before = self.tail.len();
        let result = write(&mut self.tail);
        self.len = self.len + self.tail.len() - before;
        result
    }

    /// Appends `bytes`, without a copy when there are at least [`SHARE_BYTES_MIN`].
    pub fn put_shared(&mut self, bytes: Bytes) {
        if bytes.len() < SHARE_BYTES_MIN {
            self.put(&bytes);
            return;
        }
        self.freeze_tail();
        self.len += bytes.len();
        self.chunks.push_back(bytes);
    }

    /// Takes the oldest bytes, at most `len_max`; nothing when there are none.
    pub fn take(&mut self, len_max: usize) -> Option<Bytes> {
        if self.chunks.is_empty() {
            self.freeze_tail();
        }
        let first = self.chunks.front_mut()?;
        let taken = first.split_to(first.len().min(len_max));
        if first.is_empty() {
            self.chunks.pop_front();
        }
        self.len -= taken.len();
        Some(taken)
    }

    fn freeze_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }
}

impl Snapshot {
    fn save(&mut self, colour: u8, origin: DbIndex, entry: &Entry) {
        if entry.colour() != colour {
            self.encoder.encode(origin, entry, &mut self.out);
            entry.paint(colour);
            self.saved += 1;
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("ahead", &self.out.len()).field("custody", &self.custody.len()).finish()
    }
}

impl Shared {
    /// The barrier in front of every change: a running snapshot saves the entry as it is now.
    #[inline]
    pub(super) fn protect(&mut self, origin: DbIndex, entry: &Entry) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.save(self.colour, origin, entry);
        }
    }
}

impl Keyspace {
    /// Begins a snapshot of all databases as they are now.
    ///
    /// # Errors
    /// See [`SnapshotRefusal`].
    pub fn snapshot_begin(&mut self, encoder: Box<dyn SnapshotEncoder>) -> Result<(), SnapshotRefusal> {
        if self.shared.snapshot.is_some() {
            return Err(SnapshotRefusal::Running);
        }
        let free = (0..COLOURS).find(|colour| self.colours & 1 << colour == 0);
        self.shared.colour = free.ok_or(SnapshotRefusal::Unclean)?;
        self.colours |= 1 << self.shared.colour;
        self.shared.snapshot =
            Some(Box::new(Snapshot { encoder, out: ChunkQueue::default(), custody: VecDeque::new(), saved: 0 }));
        for (index, db) in self.dbs.iter_mut().enumerate() {
            db.origin = DbIndex(index as u32);
            db.walk = Walk::default();
        }
        Ok(())
    }

    /// Takes the next piece of a running snapshot, at most `len_max` bytes; nothing when it is complete (it ends
    /// then) or when none is running.
    ///
    /// Walks on only when nothing waits, so the output is bounded by `len_max` plus one entry, plus the entries
    /// written since the last call.
    pub fn snapshot_pull(&mut self, len_max: usize) -> Option<Bytes> {
        self.snapshot_pull_from(len_max, len_max)
    }

    /// As [`Keyspace::snapshot_pull`], but goes on only until there is anything at all: a few entries.
    pub fn snapshot_pull_few(&mut self, len_max: usize) -> Option<Bytes> {
        self.snapshot_pull_from(1, len_max)
    }

    fn snapshot_pull_from(&mut self, enough: usize, len_max: usize) -> Option<Bytes> {
        while self.shared.snapshot.as_ref()?.out.len() < enough && self.snapshot_step() {}
        let chunk = self.shared.snapshot.as_mut()?.out.take(len_max);
        if chunk.is_none() {
            self.shared.snapshot = None;
            self.colours = 1 << self.shared.colour;
        }
        chunk
    }

    /// Bytes of a running snapshot that wait to be pulled.
    pub fn snapshot_ahead(&self) -> usize {
        self.shared.snapshot.as_ref().map_or(0, |snapshot| snapshot.out.len())
    }

    /// Entries that a snapshot begun now would have.
    pub fn snapshot_keys(&self) -> u64 {
        self.dbs.iter().map(|db| db.items.len() as u64).sum()
    }

    /// Entries that the running snapshot has encoded.
    pub fn snapshot_saved(&self) -> u64 {
        self.shared.snapshot.as_ref().map_or(0, |snapshot| snapshot.saved)
    }

    /// Whether a snapshot is running.
    pub const fn snapshot_running(&self) -> bool {
        self.shared.snapshot.is_some()
    }

    /// Gives up a running snapshot.
    pub fn snapshot_abort(&mut self) {
        let Some(snapshot) = self.shared.snapshot.take() else { return };
        self.detached.extend(snapshot.custody.into_iter().map(|(_, _, table)| table));
        for db in &mut self.dbs {
            db.walk = Walk::default();
        }
    }

    /// Walks a few buckets further; false once everything is saved.
    fn snapshot_step(&mut self) -> bool {
        let Some(snapshot) = &mut self.shared.snapshot else { return false };
        let colour = self.shared.colour;
        for db in &mut self.dbs {
            if walk_on(&db.items, &mut db.walk, |entry| snapshot.save(colour, db.origin, entry)) {
                return true;
            }
        }
        let Some((origin, mut walk, table)) = snapshot.custody.pop_front() else { return false };
        if walk_on(&table.items, &mut walk, |entry| snapshot.save(colour, origin, entry)) {
            snapshot.custody.push_front((origin, walk, table));
        } else {
            self.detached.push_back(table);
        }
        true
    }

    /// Paints entries that an abandoned snapshot left in older colours; false once all have the same.
    pub(super) fn repaint(&mut self, steps_max: usize) -> bool {
        let colour = self.shared.colour;
        if self.shared.snapshot.is_some() || self.colours == 1 << colour {
            return false;
        }
        let mut steps = 0;
        for db in &mut self.dbs {
            while walk_on(&db.items, &mut db.walk, |entry| entry.paint(colour)) {
                steps += 1;
                if steps >= steps_max {
                    return true;
                }
            }
        }
        self.colours = 1 << colour;
        false
    }
}

/// Visits the next few buckets; false at the end.
fn walk_on<S: Summary<Entry>>(table: &Table<Entry, S>, walk: &mut Walk, mut visit: impl FnMut(&Entry)) -> bool {
    let Some(step) = table.step(walk, STEP_BUCKETS) else { return false };
    table.visit(&step, &mut visit);
    true
}

/// Buckets a snapshot looks at before it asks whether enough bytes wait: some 40 entries.
pub(super) const STEP_BUCKETS: u32 = 64;
