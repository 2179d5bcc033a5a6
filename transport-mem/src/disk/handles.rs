//! The files each lane has open.
//!
//! A host opens a log once and not for each write. An open file follows the bytes and not the name: a lane that goes
//! on writing after another lane renamed or removed the file writes where nobody looks. The machine's remedy is
//! [`DiskOp::Close`](slotmesh_replication::disk::DiskOp::Close), and here is what makes its absence show.

use slotmesh_replication::disk::Lane;

/// Open files, least recently opened first.
#[derive(Debug, Default)]
pub(super) struct Handles(Vec<Handle>);

/// What a file is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Writing at the end.
    Append,
    /// Reading.
    Read,
}

#[derive(Debug)]
struct Handle {
    lane: Lane,
    path: String,
    mode: Mode,
    file: usize,
}

impl Handles {
    pub(super) fn find(&self, lane: Lane, path: &str, mode: Mode) -> Option<usize> {
        let found = self.0.iter().find(|handle| (handle.lane, handle.mode) == (lane, mode) && handle.path == path);
        found.map(|handle| handle.file)
    }

    pub(super) fn open(&mut self, lane: Lane, path: String, mode: Mode, file: usize) {
        let count = self.0.iter().filter(|handle| handle.lane == lane).count();
        if count >= HANDLES_MAX
            && let Some(oldest) = self.0.iter().position(|handle| handle.lane == lane)
        {
            self.0.remove(oldest);
        }
        self.0.push(Handle { lane, path, mode, file });
    }

    pub(super) fn close(&mut self, lane: Lane, path: &str) {
        self.0.retain(|handle| handle.lane != lane || handle.path != path);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn files(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|handle| handle.file)
    }
}

/// Files a lane keeps open, as hosts bound it: beyond, the oldest is closed.
const HANDLES_MAX: usize = 16;
