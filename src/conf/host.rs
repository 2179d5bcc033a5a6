//! The files of this machine, for the engine's loader.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use slotmesh_engine::config::file::{Host, Unreadable, UserFault};
use slotmesh_engine::config::startup::UserLine;
use slotmesh_engine::glob;

use super::{CONFIG_BYTES_MAX, Words, cause};

/// Files, seen from a folder that `dir` lines move; the process itself stays where it is.
#[derive(Debug)]
pub(super) struct RealHost {
    dir: PathBuf,
    words: Words,
    is_sentinel: bool,
}

impl RealHost {
    pub(super) fn new(dir: PathBuf, words: Words, is_sentinel: bool) -> Self {
        Self { dir, words, is_sentinel }
    }

    /// The complete path of one that may be relative.
    pub(super) fn absolute(&self, path: &[u8]) -> PathBuf {
        self.dir.join(OsStr::from_bytes(path))
    }

    pub(super) fn dir_text(&self) -> String {
        self.dir.to_string_lossy().into_owned()
    }
}

impl Host for RealHost {
    fn read(&mut self, path: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let path = self.absolute(path);
        read_bounded(&path)
            .map_err(|error| Unreadable { path: path.to_string_lossy().into_owned(), error: cause(&error) })
    }

    fn expand(&mut self, pattern: &[u8]) -> Vec<Vec<u8>> {
        let is_absolute = pattern.starts_with(b"/");
        let mut paths = vec![if is_absolute { PathBuf::from("/") } else { self.dir.clone() }];
        for part in pattern.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
            paths = paths.iter().flat_map(|path| step(path, part)).take(MATCHES_MAX).collect();
        }
        paths.sort();
        paths.into_iter().map(|path| path.into_os_string().into_vec()).collect()
    }

    fn enter_dir(&mut self, path: &str) -> Result<String, String> {
        let path = self.dir.join(path);
        // Reading the folder finds out what changing into it would: that it is one, and may be entered.
        let entered = fs::canonicalize(&path).and_then(|path| fs::read_dir(&path).map(|_| path));
        self.dir = entered.map_err(|error| cause(&error))?;
        self.dir.to_str().map(str::to_owned).ok_or_else(|| "the path is not valid UTF-8".to_owned())
    }

    fn is_command(&self, name: &[u8]) -> bool {
        if self.is_sentinel { (self.words.is_sentinel_command)(name) } else { (self.words.is_command)(name) }
    }

    fn is_sentinel(&self) -> bool {
        self.is_sentinel
    }

    fn check_user(&self, user: &UserLine) -> Result<(), UserFault> {
        (self.words.check_user)(user)
    }
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(CONFIG_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// The entries of `path` that one part of a pattern stands for; hidden ones only when the part says so.
fn step(path: &Path, part: &[u8]) -> Vec<PathBuf> {
    if !part.iter().any(|byte| b"*?[".contains(byte)) {
        let next = path.join(OsStr::from_bytes(part));
        return if next.exists() { vec![next] } else { Vec::new() };
    }
    // A folder that cannot be read has no matches, as for the shell.
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    let fits = |name: &OsStr| {
        let name = name.as_bytes();
        glob::matches(part, name, false) && (!name.starts_with(b".") || part.starts_with(b"."))
    };
    names.filter(|name| fits(name)).map(|name| path.join(name)).collect()
}

/// Paths one `include` pattern may stand for.
const MATCHES_MAX: usize = 1024;
