//! A disk that forgets.
//!
//! A [`MemDisk`] shows two states of its files: the *volatile* one that operations see, and the *durable* one that
//! is left after a crash. A file's bytes become durable with [`DiskOp::Sync`], the names in a folder with
//! [`DiskOp::SyncDir`]. After a crash a seeded part of what was not made durable survives all the same: appended
//! bytes may be torn, a rename may or may not have happened (but never half of it, and never out of order with
//! another change of the same name). Each lane keeps files open by name as a real host does (see `handles`). Faults,
//! space and locks are here too; when an operation happens is not: see `lanes`. Start at [`MemDisk::perform`].

mod file;
mod handles;
pub(crate) mod lanes;
mod names;
mod op;

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use slotmesh_engine::rng::Rng;
use slotmesh_replication::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult, Lane};

use file::{File, Survival};
use handles::{Handles, Mode};
use names::Names;
pub use op::OpKind;

/// An in-memory file system for one machine.
#[derive(Debug)]
pub struct MemDisk {
    files: Vec<File>,
    /// Places in `files` that no name leads to.
    free: Vec<usize>,
    /// When `files` has grown to this length, it is time to look for files without a name.
    collect_at: usize,
    names: Names,
    handles: Handles,
    locks: BTreeSet<String>,
    locked_elsewhere: BTreeSet<String>,
    failures: VecDeque<(OpKind, DiskErrorKind)>,
    capacity: Option<u64>,
    next_crash: Crash,
    rng: Rng,
}

/// What becomes of bytes and names that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Crash {
    /// They are gone: what was synced is left.
    Synced,
    /// They stay.
    All,
    /// The seed decides about each.
    #[default]
    Part,
}

impl MemDisk {
    /// An empty disk with the folders `/`, `.` and [`DIR`]. The seed decides what survives a crash.
    pub fn new(seed: u64) -> Self {
        Self {
            files: Vec::new(),
            free: Vec::new(),
            collect_at: COLLECT_FILES_MIN,
            names: Names::new(),
            handles: Handles::default(),
            locks: BTreeSet::new(),
            locked_elsewhere: BTreeSet::new(),
            failures: VecDeque::new(),
            capacity: None,
            next_crash: Crash::default(),
            rng: Rng::new(seed),
        }
    }

    /// Carries out one operation of a lane.
    pub fn perform(&mut self, lane: Lane, op: DiskOp) -> DiskResult {
        let kind = OpKind::of(&op);
        let failure = self.failures.iter().position(|&(failing, _)| failing == kind);
        if let Some((_, error)) = failure.and_then(|at| self.failures.remove(at)) {
            return DiskResult::Failed(self.fail(lane, op, error));
        }
        self.apply(lane, op).unwrap_or_else(DiskResult::Failed)
    }

    /// Makes the next operation of this kind fail; calls add up.
    pub fn fail_next(&mut self, op: OpKind, error: DiskErrorKind) {
        self.failures.push_back((op, error));
    }

    /// Leaves no room for another byte.
    pub fn fill(&mut self) {
        self.capacity = Some(self.used());
    }

    /// Leaves as much room as is needed again.
    pub fn free_space(&mut self) {
        self.capacity = None;
    }

    /// Makes the next crash lose everything that was not synced, instead of a seeded part of it.
    pub fn lose_unsynced(&mut self) {
        self.next_crash = Crash::Synced;
    }

    /// Makes the next crash lose nothing: the process is killed, but its system lives on.
    pub fn keep_unsynced(&mut self) {
        self.next_crash = Crash::All;
    }

    /// Lets another process have, or give back, the lock of a file.
    pub fn lock_elsewhere(&mut self, path: &str, locked: bool) {
        let path = names::normal(path);
        if locked {
            self.locked_elsewhere.insert(path);
        } else {
            self.locked_elsewhere.remove(&path);
        }
    }

    /// Whether this machine holds the lock of a file.
    pub fn is_locked(&self, path: &str) -> bool {
        self.locks.contains(&names::normal(path))
    }

    /// The bytes of a file as operations see them.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.names.file(&names::normal(path)).map(|file| self.files[file].bytes())
    }

    /// The bytes a file has after a crash in which nothing but synced bytes and names survive.
    pub fn durable_file(&self, path: &str) -> Option<Vec<u8>> {
        self.names.durable_file(&names::normal(path)).map(|file| self.files[file].durable())
    }

    /// Puts a file on the disk with its folder, durably: what was there before the machine began.
    pub fn install(&mut self, path: &str, bytes: &[u8]) {
        let path = names::normal(path);
        let file = self.place();
        self.files[file] = File::installed(bytes);
        self.names.install(&path, file);
    }

    /// The paths of all files, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.names.files()
    }

    /// Bytes in use by files that have a name.
    pub fn used(&self) -> u64 {
        self.names.used_files().map(|file| self.files[file].len()).sum()
    }

    /// Loses what was not made durable, or all but a seeded part of it, and every lock.
    pub fn crash(&mut self) {
        let crash = std::mem::take(&mut self.next_crash);
        self.process_ended();
        let rng = &mut self.rng;
        match crash {
            Crash::Synced => self.names.crash(|| false),
            Crash::All => return,
            Crash::Part => self.names.crash(|| rng.chance(50)),
        }
        for file in &mut self.files {
            file.crash(match crash {
                Crash::Part => Survival::Part(rng),
                Crash::Synced | Crash::All => Survival::Synced,
            });
        }
    }

    /// Ends what belongs to a process: its locks and open files. Its bytes stay, synced or not.
    pub fn process_ended(&mut self) {
        self.locks.clear();
        self.handles.clear();
    }

    fn apply(&mut self, lane: Lane, op: DiskOp) -> Result<DiskResult, DiskError> {
        match op {
            DiskOp::Append { path, data } => self.append(lane, &path, &data)?,
            // Programs are not kept here: whatever has a name can be run, and the world says what becomes of it.
            DiskOp::CheckProgram { .. } => {}
            DiskOp::Close { path } => self.handles.close(lane, &names::normal(&path)),
            DiskOp::Create { path } => self.create(lane, &path)?,
            DiskOp::List { path } => return self.names.list(&names::normal(&path)).map(DiskResult::Names),
            DiskOp::Lock { path } => self.lock(&path)?,
            DiskOp::MakeDir { path } => self.names.make_dir(&names::normal(&path))?,
            DiskOp::Read { path, offset, len } => {
                let file = self.handle(lane, &path, Mode::Read)?;
                return Ok(DiskResult::Data(Bytes::copy_from_slice(self.files[file].read(offset, len))));
            }
            DiskOp::Remove { path } => self.remove(lane, &path)?,
            DiskOp::Rename { from, to } => self.rename(lane, &from, &to)?,
            DiskOp::Size { path } => return Ok(DiskResult::Size(self.files[self.existing(&path)?].len())),
            DiskOp::Sync { path } => self.sync(lane, &path)?,
            DiskOp::SyncDir { path } => self.names.sync_dir(&names::normal(&path))?,
            DiskOp::Truncate { path, len } => self.truncate(&path, len)?,
        }
        Ok(DiskResult::Done)
    }

    fn append(&mut self, lane: Lane, path: &str, data: &[u8]) -> Result<(), DiskError> {
        let file = self.handle(lane, path, Mode::Append)?;
        let fits = usize::try_from(self.room()).unwrap_or(usize::MAX).min(data.len());
        // A full disk takes the first part, as a short write does.
        self.files[file].append(&data[..fits]);
        if fits < data.len() { Err(op::error(DiskErrorKind::NoSpace)) } else { Ok(()) }
    }

    fn create(&mut self, lane: Lane, path: &str) -> Result<(), DiskError> {
        self.handles.close(lane, &names::normal(path));
        let file = self.handle(lane, path, Mode::Append)?;
        self.files[file].truncate(0);
        Ok(())
    }

    fn remove(&mut self, lane: Lane, path: &str) -> Result<(), DiskError> {
        let path = names::normal(path);
        self.handles.close(lane, &path);
        self.names.remove(&path)
    }

    fn rename(&mut self, lane: Lane, from: &str, to: &str) -> Result<(), DiskError> {
        let (from, to) = (names::normal(from), names::normal(to));
        self.handles.close(lane, &from);
        self.handles.close(lane, &to);
        self.names.rename(&from, &to)
    }

    fn sync(&mut self, lane: Lane, path: &str) -> Result<(), DiskError> {
        let open = self.handles.find(lane, &names::normal(path), Mode::Append);
        let file = open.map_or_else(|| self.handle(lane, path, Mode::Read), Ok)?;
        self.files[file].sync();
        Ok(())
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), DiskError> {
        let file = self.existing(path)?;
        let grows_by = len.saturating_sub(self.files[file].len());
        if grows_by > self.room().min(GROW_BYTES_MAX) {
            return Err(op::error(DiskErrorKind::NoSpace));
        }
        self.files[file].truncate(len);
        Ok(())
    }

    fn lock(&mut self, path: &str) -> Result<(), DiskError> {
        let name = names::normal(path);
        if self.locked_elsewhere.contains(&name) {
            return Err(op::error(DiskErrorKind::Locked));
        }
        self.open(path)?;
        self.locks.insert(name);
        Ok(())
    }

    /// The file a lane has open under this name; else it opens the one that has the name now.
    fn handle(&mut self, lane: Lane, path: &str, mode: Mode) -> Result<usize, DiskError> {
        let name = names::normal(path);
        if let Some(file) = self.handles.find(lane, &name, mode) {
            return Ok(file);
        }
        let file = match mode {
            Mode::Append => self.open(path)?,
            Mode::Read => self.existing(path)?,
        };
        self.handles.open(lane, name, mode, file);
        Ok(file)
    }

    /// The file of this name, made when it is missing.
    fn open(&mut self, path: &str) -> Result<usize, DiskError> {
        let path = names::normal(path);
        if let Some(file) = self.names.file(&path) {
            return Ok(file);
        }
        let file = self.place();
        match self.names.create(&path, file) {
            Ok(()) => Ok(file),
            Err(error) => {
                self.free.push(file);
                Err(error)
            }
        }
    }

    /// A place for a new, empty file.
    fn place(&mut self) -> usize {
        if self.free.is_empty() && self.files.len() >= self.collect_at {
            let mut used = self.names.all_files();
            used.extend(self.handles.files());
            self.free.extend((0..self.files.len()).filter(|file| !used.contains(file)));
            self.collect_at = (used.len() * 2).max(COLLECT_FILES_MIN);
        }
        if let Some(file) = self.free.pop() {
            self.files[file] = File::default();
            return file;
        }
        self.files.push(File::default());
        self.files.len() - 1
    }

    fn existing(&self, path: &str) -> Result<usize, DiskError> {
        self.names.file(&names::normal(path)).ok_or_else(|| op::error(DiskErrorKind::NotFound))
    }

    fn room(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()))
    }

    /// Fails an operation; a failing append may have written a part.
    fn fail(&mut self, lane: Lane, op: DiskOp, error: DiskErrorKind) -> DiskError {
        if let DiskOp::Append { path, data } = op
            && let Ok(file) = self.handle(lane, &path, Mode::Append)
        {
            let part = self.rng.index(data.len() + 1);
            self.files[file].append(&data[..part]);
        }
        op::error(error)
    }
}

/// The folder that machines of a simulation keep their files in.
pub const DIR: &str = "/data";

/// Files a disk holds before the first look for those without a name.
const COLLECT_FILES_MIN: usize = 64;

/// Bytes a `Truncate` may add to a file: nobody asks for it, and it must not take all memory.
const GROW_BYTES_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests;
