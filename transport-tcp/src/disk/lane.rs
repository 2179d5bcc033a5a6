//! One lane's thread.
//!
//! It takes jobs in order and reports each result. Appends to one file that wait one behind the other are written
//! with one call. **A file never gets a gap:** after an append failed, those to the same file that the machine had
//! asked for before it heard of the failure fail too; only an append asked with that knowledge is tried. Start at
//! [`Worker::run`].

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};

use slotmesh_replication::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult, Lane, Ticket};

use super::handles::{Handles, Mode};
use crate::errno;
use crate::news::{News, Reporter};

/// One operation on its way to the lane.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) ticket: Ticket,
    pub(super) op: DiskOp,
    /// How many failed appends of this lane the machine had heard of when it asked.
    pub(super) append_failures_heard: u64,
}

/// Starts the thread. It ends when the sender is dropped and every job is done; locks are released then.
pub(super) fn spawn(lane: Lane, reporter: Reporter) -> io::Result<(Sender<Job>, JoinHandle<()>)> {
    // Not bounded here: the machine bounds what it has in flight, and a reactor that waits for a full queue would
    // stop serving everybody.
    let (sender, jobs) = unbounded();
    let name = match lane {
        Lane::Config => "disk config",
        Lane::Log => "disk log",
        Lane::Snapshot => "disk snapshot",
    };
    let worker = Worker {
        lane,
        reporter,
        handles: Handles::default(),
        locks: Vec::new(),
        append_failures: 0,
        broken: BTreeMap::new(),
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || worker.run(&jobs))?;
    Ok((sender, thread))
}

struct Worker {
    lane: Lane,
    reporter: Reporter,
    handles: Handles,
    /// Held until the machine ends.
    locks: Vec<File>,
    append_failures: u64,
    /// Files whose last append failed: the number of that failure and its cause.
    broken: BTreeMap<String, (u64, DiskError)>,
}

/// An append that waits to be written with its neighbours.
struct Part {
    ticket: Ticket,
    data: Bytes,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.recv().ok()) {
            next = self.perform(job, jobs);
        }
    }

    /// Carries out one job, or several appends; what it took from the queue and did not do comes back.
    fn perform(&mut self, job: Job, jobs: &Receiver<Job>) -> Option<Job> {
        let result = match job.op {
            DiskOp::Append { path, data } => {
                let first = Part { ticket: job.ticket, data };
                return self.append(&path, first, job.append_failures_heard, jobs);
            }
            DiskOp::CheckProgram { path } => check_program(&path).map(done),
            DiskOp::Close { path } => {
                self.handles.close(&path);
                Ok(DiskResult::Done)
            }
            DiskOp::Create { path } => self.handles.open(&path, Mode::Replace).map(done),
            DiskOp::List { path } => list(&path),
            DiskOp::Lock { path } => self.lock(&path).map(done),
            DiskOp::MakeDir { path } => make_dir(&path).map(done),
            DiskOp::Read { path, offset, len } => self.read(&path, offset, len),
            DiskOp::Remove { path } => {
                self.handles.close(&path);
                fs::remove_file(&path).map(done)
            }
            DiskOp::Rename { from, to } => {
                self.handles.close(&from);
                self.handles.close(&to);
                fs::rename(&from, &to).map(done)
            }
            DiskOp::Size { path } => fs::metadata(&path).map(|metadata| DiskResult::Size(metadata.len())),
            DiskOp::Sync { path } => self.handles.any(&path).and_then(File::sync_data).map(done),
            DiskOp::SyncDir { path } => sync_dir(&path).map(done),
            DiskOp::Truncate { path, len } => truncate(&path, len).map(done),
        };
        self.report(job.ticket, result.unwrap_or_else(|error| DiskResult::Failed(disk_error(&error))));
        None
    }

    fn append(&mut self, path: &str, first: Part, heard: u64, jobs: &Receiver<Job>) -> Option<Job> {
        if let Some((number, error)) = self.broken.get(path) {
            if heard < *number {
                let refused = DiskResult::Failed(error.clone());
                self.report(first.ticket, refused);
                return None;
            }
            self.broken.remove(path);
        }
        let mut parts = vec![first];
        let next = gather(jobs, path, &mut parts);
        self.append_parts(path, &parts);
        next
    }

    fn append_parts(&mut self, path: &str, parts: &[Part]) {
        let (mut written, result) = match self.handles.open(path, Mode::Append) {
            Ok(file) => write_parts(file, parts),
            Err(error) => (0, Err(error)),
        };
        let failed = result.err().map(|error| disk_error(&error));
        if let Some(error) = &failed {
            self.append_failures += 1;
            self.broken.insert(path.to_owned(), (self.append_failures, error.clone()));
        }
        for part in parts {
            let result = match &failed {
                Some(error) if written < part.data.len() => {
                    written = 0;
                    DiskResult::Failed(error.clone())
                }
                Some(_) => {
                    written -= part.data.len();
                    DiskResult::Done
                }
                None => DiskResult::Done,
            };
            self.report(part.ticket, result);
        }
    }

    fn lock(&mut self, path: &str) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                self.locks.push(file);
                Ok(())
            }
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::from_raw_os_error(rustix::io::Errno::WOULDBLOCK.raw_os_error()))
            }
        }
    }

    fn read(&mut self, path: &str, offset: u64, len: usize) -> io::Result<DiskResult> {
        let file = self.handles.open(path, Mode::Read)?;
        let left = file.metadata()?.len().saturating_sub(offset);
        // No more memory than the file can fill, whatever was asked.
        let mut data = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(len)];
        let mut filled = 0;
        while filled < data.len() {
            match file.read_at(&mut data[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        data.truncate(filled);
        Ok(DiskResult::Data(Bytes::from(data)))
    }

    fn report(&self, ticket: Ticket, result: DiskResult) {
        let append_failures = self.append_failures;
        self.reporter.report(News::Disk { ticket, lane: self.lane, result, append_failures });
    }
}

/// Takes the appends to the same file that wait already; a job of another kind ends it and is returned.
fn gather(jobs: &Receiver<Job>, path: &str, parts: &mut Vec<Part>) -> Option<Job> {
    let mut bytes = parts.iter().map(|part| part.data.len()).sum::<usize>();
    while parts.len() < APPEND_PARTS_MAX && bytes < APPEND_BYTES_MAX {
        let job = jobs.try_recv().ok()?;
        let Some(data) = appended(&job.op, path) else {
            return Some(job);
        };
        bytes += data.len();
        parts.push(Part { ticket: job.ticket, data });
    }
    None
}

/// What `op` appends to the file at `path`, if it does.
fn appended(op: &DiskOp, path: &str) -> Option<Bytes> {
    if let DiskOp::Append { path: other, data } = op
        && other == path
    {
        return Some(data.clone());
    }
    None
}

/// Writes all parts; the count is how many bytes are in the file in any case.
fn write_parts(mut file: &File, parts: &[Part]) -> (usize, io::Result<()>) {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(&part.data)).collect();
    let mut left = &mut slices[..];
    // Skips leading empty parts, which would look like a full disk below.
    IoSlice::advance_slices(&mut left, 0);
    let mut written = 0;
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return (written, Err(io::Error::from(io::ErrorKind::WriteZero))),
            Ok(count) => {
                written += count;
                IoSlice::advance_slices(&mut left, count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Names that are not UTF-8 are left out: a machine could not name them in a path.
fn check_program(path: &str) -> io::Result<()> {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).map_err(io::Error::from)
}

fn list(path: &str) -> io::Result<DiskResult> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(DiskResult::Names(names))
}

fn make_dir(path: &str) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::metadata(path)?.is_dir() => Ok(()),
        result => result,
    }
}

/// Some file systems know no sync of a folder: they keep names in another way, and Redis passes over it, too.
fn sync_dir(path: &str) -> io::Result<()> {
    use rustix::io::Errno;
    let unknown = [Errno::BADF, Errno::INVAL].map(|errno| Some(errno.raw_os_error()));
    match File::open(path)?.sync_all() {
        Err(error) if unknown.contains(&error.raw_os_error()) => Ok(()),
        result => result,
    }
}

fn truncate(path: &str, len: u64) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_len(len)
}

fn done<T>(_: T) -> DiskResult {
    DiskResult::Done
}

fn disk_error(error: &io::Error) -> DiskError {
    let causes = [
        (io::ErrorKind::NotFound, DiskErrorKind::NotFound),
        (io::ErrorKind::QuotaExceeded, DiskErrorKind::NoSpace),
        (io::ErrorKind::StorageFull, DiskErrorKind::NoSpace),
        // Only a lock is asked for without waiting.
        (io::ErrorKind::WouldBlock, DiskErrorKind::Locked),
    ];
    let known = causes.iter().find(|(cause, _)| *cause == error.kind());
    let kind = known.map_or(DiskErrorKind::Other, |(_, kind)| *kind);
    DiskError { kind, text: errno::text(error) }
}

/// Appends written with one call; the system takes at most 1024 pieces (`IOV_MAX`).
const APPEND_PARTS_MAX: usize = 256;

/// Bytes after which a call takes no further append, so that a result does not wait for ever larger writes.
const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;
