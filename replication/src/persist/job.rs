//! One walk over the keyspace and where its bytes go.
//!
//! The node walks the tables from a place in the log, asks [`SnapshotJob::has_room`], gives chunks with
//! [`SnapshotJob::push`] and says [`SnapshotJob::end`]. BGSAVE, the base of a rewritten AOF and full synchronisations
//! differ only in the sink. A file ends complete and synced under its temporary name; whoever wanted it gives it its
//! lasting one. At most one walk runs at a time, as at most one child does on a server that forks.

use std::collections::VecDeque;

use bytes::Bytes;
use slotmesh_engine::time::Now;

use super::sequence::{Advance, Sequence};
use crate::disk::{DiskError, DiskOp, DiskResult, Ticket, Tickets};
use crate::feed::Feeds;
use crate::offset::Position;

/// What a walk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The base of the append only file.
    AofBase,
    /// The dump file.
    Dump,
    /// Replicas, by way of a file.
    SyncFile,
    /// Replicas, straight to their connections.
    SyncSockets,
}

/// A walk under way.
#[derive(Debug)]
pub struct SnapshotJob {
    purpose: Purpose,
    started: Now,
    at: Position,
    written: u64,
    sink: Sink,
    outputs: VecDeque<(Ticket, DiskOp)>,
    outcome: Option<Result<u64, DiskError>>,
}

#[derive(Debug)]
enum Sink {
    /// Chunks leave as appends, a few at a time.
    File { path: String, in_flight: Vec<Ticket>, unsynced: u64, ending: bool },
    /// The last operations on the file.
    Closing(Sequence),
    /// The feeds take the chunks.
    Sockets,
    /// Nothing is left to do but to wait for answers that no longer matter.
    Ended,
}

impl SnapshotJob {
    /// Begins a walk whose bytes go to a file with a temporary name.
    pub fn to_file(now: Now, purpose: Purpose, at: Position, path: String, tickets: &mut Tickets) -> Self {
        assert!(purpose != Purpose::SyncSockets, "sockets are no file");
        let create = (tickets.take(), DiskOp::Create { path: path.clone() });
        let sink = Sink::File { path, in_flight: vec![create.0], unsynced: 0, ending: false };
        Self { purpose, started: now, at, written: 0, sink, outputs: VecDeque::from([create]), outcome: None }
    }

    /// Begins a walk whose bytes go to replicas.
    pub fn to_sockets(now: Now, at: Position) -> Self {
        let (purpose, sink) = (Purpose::SyncSockets, Sink::Sockets);
        Self { purpose, started: now, at, written: 0, sink, outputs: VecDeque::new(), outcome: None }
    }

    /// What the walk is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When it began.
    pub fn started(&self) -> Now {
        self.started
    }

    /// The place in the log it began at.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Bytes given so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether the sink takes another chunk now.
    pub fn has_room(&self, feeds: &Feeds) -> bool {
        match &self.sink {
            Sink::File { in_flight, ending: false, .. } => in_flight.len() < APPENDS_IN_FLIGHT_MAX,
            Sink::Sockets => feeds.has_snapshot_room(),
            Sink::Closing(_) | Sink::Ended | Sink::File { .. } => false,
        }
    }

    /// Gives the next chunk.
    pub fn push(&mut self, chunk: Bytes, feeds: &mut Feeds, tickets: &mut Tickets) {
        self.written += chunk.len() as u64;
        match &mut self.sink {
            Sink::File { path, in_flight, unsynced, .. } => {
                *unsynced += chunk.len() as u64;
                let mut ops = vec![DiskOp::Append { path: path.clone(), data: chunk }];
                if *unsynced >= SYNC_BYTES {
                    *unsynced = 0;
                    ops.push(DiskOp::Sync { path: path.clone() });
                }
                for op in ops {
                    let ticket = tickets.take();
                    in_flight.push(ticket);
                    self.outputs.push_back((ticket, op));
                }
            }
            Sink::Sockets => feeds.push_chunk(&chunk),
            Sink::Closing(_) | Sink::Ended => {}
        }
    }

    /// Says that the last chunk has been given.
    pub fn end(&mut self, feeds: &mut Feeds, tickets: &mut Tickets) {
        match &mut self.sink {
            Sink::File { ending, .. } => {
                *ending = true;
                self.close_when_written(tickets);
            }
            Sink::Sockets => {
                feeds.end_snapshot();
                self.sink = Sink::Ended;
                self.outcome = Some(Ok(self.written));
            }
            Sink::Closing(_) | Sink::Ended => {}
        }
    }

    /// Gives the walk up: the file is removed, replicas are disconnected.
    pub fn cancel(&mut self, now: Now, feeds: &mut Feeds, tickets: &mut Tickets) {
        if matches!(self.purpose, Purpose::SyncFile | Purpose::SyncSockets) {
            feeds.fail_snapshot(now);
        }
        if let Sink::File { path, .. } = &self.sink {
            let path = path.clone();
            self.outputs.push_back((tickets.take(), DiskOp::Close { path: path.clone() }));
            self.outputs.push_back((tickets.take(), DiskOp::Remove { path }));
        }
        self.sink = Sink::Ended;
    }

    /// Takes the next operation for the snapshot lane.
    pub fn poll(&mut self) -> Option<(Ticket, DiskOp)> {
        self.outputs.pop_front()
    }

    /// Takes an answer. Returns whether it was this job's.
    pub fn on_disk(&mut self, ticket: Ticket, result: &DiskResult, tickets: &mut Tickets) -> bool {
        match &mut self.sink {
            Sink::File { path, in_flight, .. } => {
                let Some(index) = in_flight.iter().position(|&awaited| awaited == ticket) else { return false };
                in_flight.remove(index);
                if let DiskResult::Failed(error) = result {
                    let path = path.clone();
                    self.fail(error.clone(), path, tickets);
                } else {
                    self.close_when_written(tickets);
                }
                true
            }
            Sink::Closing(sequence) => {
                match sequence.on_disk(ticket, result, tickets) {
                    Advance::NotMine => return false,
                    Advance::Next(ticket, op) => self.outputs.push_back((ticket, op)),
                    Advance::Done => self.outcome = Some(Ok(self.written)),
                    Advance::Failed(error) => self.outcome = Some(Err(error)),
                }
                true
            }
            Sink::Ended | Sink::Sockets => false,
        }
    }

    /// How it ended, once: the size of the complete file, or why there is none.
    pub fn take_outcome(&mut self) -> Option<Result<u64, DiskError>> {
        self.outcome.take()
    }

    fn fail(&mut self, error: DiskError, path: String, tickets: &mut Tickets) {
        self.outputs.clear();
        self.outputs.push_back((tickets.take(), DiskOp::Close { path: path.clone() }));
        self.outputs.push_back((tickets.take(), DiskOp::Remove { path }));
        self.sink = Sink::Ended;
        self.outcome = Some(Err(error));
    }

    fn close_when_written(&mut self, tickets: &mut Tickets) {
        let Sink::File { path, in_flight, ending: true, .. } = &self.sink else { return };
        if !in_flight.is_empty() {
            return;
        }
        let ops = [DiskOp::Sync { path: path.clone() }, DiskOp::Close { path: path.clone() }];
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        self.outputs.push_back((ticket, op));
        self.sink = Sink::Closing(sequence);
    }
}

/// Operations of one walk that may wait for the disk: enough that it never idles, few enough that memory stays small
/// when it is slow.
const APPENDS_IN_FLIGHT_MAX: usize = 4;
/// Bytes after which a file in the making is synced, so that the last sync has little left to do (Redis:
/// `rdb-save-incremental-fsync`, 4 MB).
const SYNC_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use slotmesh_engine::time::Now;

    use super::{APPENDS_IN_FLIGHT_MAX, Purpose, SnapshotJob};
    use crate::disk::{DiskOp, Tickets};
    use crate::feed::{FeedConfig, Feeds};
    use crate::offset::Position;
    use crate::persist::test_disk::TestDisk;

    fn begun(tickets: &mut Tickets) -> (SnapshotJob, Feeds) {
        let now = Now::default();
        let job = SnapshotJob::to_file(now, Purpose::Dump, Position(0), "/d/temp-1.rdb".to_owned(), tickets);
        (job, Feeds::new(now, FeedConfig::default()))
    }

    #[test]
    fn a_slow_disk_holds_the_walk() {
        let mut tickets = Tickets::default();
        let (mut job, mut feeds) = begun(&mut tickets);
        let mut given = 0;
        while job.has_room(&feeds) {
            job.push(Bytes::from_static(b"chunk"), &mut feeds, &mut tickets);
            given += 1;
        }

        assert_eq!(given, APPENDS_IN_FLIGHT_MAX - 1);
    }

    #[test]
    fn the_file_is_complete_and_synced_at_the_end() {
        let mut tickets = Tickets::default();
        let mut disk = TestDisk::new(&["/d"]);
        let (mut job, mut feeds) = begun(&mut tickets);
        job.push(Bytes::from_static(b"one"), &mut feeds, &mut tickets);
        job.push(Bytes::from_static(b"two"), &mut feeds, &mut tickets);
        job.end(&mut feeds, &mut tickets);
        let mut ops = Vec::new();
        while let Some((ticket, op)) = job.poll() {
            let result = disk.run(&op);
            ops.push(op);
            assert!(job.on_disk(ticket, &result, &mut tickets));
        }

        assert_eq!(job.take_outcome(), Some(Ok(6)));
        assert_eq!(disk.get("/d/temp-1.rdb"), Some(&b"onetwo"[..]));
        assert!(matches!(ops[..], [.., DiskOp::Sync { .. }, DiskOp::Close { .. }]));
    }

    #[test]
    fn a_failed_write_removes_the_file_and_says_why() {
        let mut tickets = Tickets::default();
        let mut disk = TestDisk::new(&["/d"]);
        let (mut job, mut feeds) = begun(&mut tickets);
        let (ticket, op) = job.poll().unwrap();
        let result = disk.run(&op);
        job.on_disk(ticket, &result, &mut tickets);
        job.push(Bytes::from_static(b"one"), &mut feeds, &mut tickets);
        disk.failing.insert("/d/temp-1.rdb".to_owned());
        let (ticket, op) = job.poll().unwrap();
        let result = disk.run(&op);
        job.on_disk(ticket, &result, &mut tickets);

        assert_eq!(job.take_outcome().unwrap().unwrap_err().text, "No space left on device");
        assert!(matches!(job.poll(), Some((_, DiskOp::Close { .. }))));
        assert!(matches!(job.poll(), Some((_, DiskOp::Remove { .. }))));
        assert!(!job.has_room(&feeds));
    }
}
