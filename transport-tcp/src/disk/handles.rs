//! The files one lane has open.
//!
//! Appending to a log opens it once and not once per write. A handle follows the file and not its name: whoever
//! renames or removes a file tells the cache, and a file used by two lanes must be closed in one before the other
//! gives its name away (`DiskOp::Close`). What does not live here: what is done with a file.

use std::fs::{File, OpenOptions};
use std::io;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Writing at the end; a missing file is created.
    Append,
    /// Reading.
    Read,
    /// Writing at the end of a file that is emptied, or created.
    Replace,
}

/// Open files, least recently used first.
#[derive(Debug, Default)]
pub(super) struct Handles {
    open: Vec<Handle>,
}

#[derive(Debug)]
struct Handle {
    path: String,
    mode: Mode,
    file: File,
}

impl Handles {
    /// The file at `path`, opened for `mode` if it is not yet.
    pub(super) fn open(&mut self, path: &str, mode: Mode) -> io::Result<&File> {
        let kept = if mode == Mode::Replace { Mode::Append } else { mode };
        if mode == Mode::Replace {
            self.close(path);
        }
        match self.open.iter().rposition(|handle| handle.mode == kept && handle.path == path) {
            Some(place) if place + 1 == self.open.len() => {}
            Some(place) => {
                let handle = self.open.remove(place);
                self.open.push(handle);
            }
            None => {
                let file = open_file(path, mode)?;
                if self.open.len() == HANDLES_MAX {
                    self.open.remove(0);
                }
                self.open.push(Handle { path: path.to_owned(), mode: kept, file });
            }
        }
        self.open.last().map(|handle| &handle.file).ok_or_else(|| io::Error::other("no open file"))
    }

    /// The file at `path` for a call that needs no special mode (`fsync`): any open handle, else one for reading.
    pub(super) fn any(&mut self, path: &str) -> io::Result<&File> {
        let mode = if self.open.iter().any(|handle| handle.mode == Mode::Append && handle.path == path) {
            Mode::Append
        } else {
            Mode::Read
        };
        self.open(path, mode)
    }

    /// Forgets the handles of `path`.
    pub(super) fn close(&mut self, path: &str) {
        self.open.retain(|handle| handle.path != path);
    }
}

fn open_file(path: &str, mode: Mode) -> io::Result<File> {
    let mut options = OpenOptions::new();
    match mode {
        Mode::Append => options.append(true).create(true),
        Mode::Read => options.read(true),
        // Emptied below: opening for append and truncation at once is not a combination the library knows.
        Mode::Replace => options.append(true).create(true),
    };
    let file = options.open(path)?;
    if mode == Mode::Replace {
        file.set_len(0)?;
    }
    Ok(file)
}

/// Files one lane keeps open. A node works on one log, one manifest, one config file and at most two snapshots at
/// a time.
const HANDLES_MAX: usize = 16;
