//! A small disk that forgets, for the tests of this folder.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult};

/// Files with what of them would survive a loss of power.
///
/// Bytes survive after `Sync` of the file, names after `SyncDir` of their folder.
#[derive(Debug, Clone, Default)]
pub(super) struct TestDisk {
    inodes: Vec<Inode>,
    names: Names,
    durable: Names,
    /// Operations with one of these paths fail.
    pub(super) failing: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    data: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Names {
    files: BTreeMap<String, usize>,
    dirs: BTreeSet<String>,
}

impl TestDisk {
    pub(super) fn new(dirs: &[&str]) -> Self {
        let dirs: BTreeSet<String> = dirs.iter().map(|dir| (*dir).to_owned()).collect();
        let names = Names { files: BTreeMap::new(), dirs };
        Self { names: names.clone(), durable: names, ..Self::default() }
    }

    /// Puts a file that is all durable.
    pub(super) fn put(&mut self, path: &str, data: &[u8]) {
        self.inodes.push(Inode { data: data.to_vec(), synced: data.to_vec() });
        for names in [&mut self.names, &mut self.durable] {
            names.files.insert(path.to_owned(), self.inodes.len() - 1);
            names.dirs.insert(folder(path).to_owned());
        }
    }

    pub(super) fn get(&self, path: &str) -> Option<&[u8]> {
        self.names.files.get(path).map(|&inode| &self.inodes[inode].data[..])
    }

    pub(super) fn paths(&self) -> Vec<&str> {
        self.names.files.keys().map(String::as_str).collect()
    }

    /// What is there after the process was killed: everything it wrote.
    pub(super) fn killed(&self) -> Self {
        self.clone()
    }

    /// What is there after the power was lost: only what was synced.
    pub(super) fn power_lost(&self) -> Self {
        let mut after = self.clone();
        after.names = self.durable.clone();
        for inode in &mut after.inodes {
            inode.data.clone_from(&inode.synced);
        }
        let dirs = after.names.dirs.clone();
        after.names.files.retain(|path, _| dirs.contains(folder(path)));
        after.durable = after.names.clone();
        after
    }

    /// As [`power_lost`](Self::power_lost), but half of what was appended since the last sync got through.
    pub(super) fn torn(&self) -> Self {
        let mut after = self.power_lost();
        for (inode, before) in after.inodes.iter_mut().zip(&self.inodes) {
            if let Some(unsynced) = before.data.strip_prefix(&before.synced[..]) {
                inode.data.extend_from_slice(&unsynced[..unsynced.len() / 2]);
            }
        }
        after
    }

    pub(super) fn run(&mut self, op: &DiskOp) -> DiskResult {
        match self.try_run(op) {
            Ok(result) => result,
            Err((kind, text)) => DiskResult::Failed(DiskError { kind, text: text.to_owned() }),
        }
    }

    fn try_run(&mut self, op: &DiskOp) -> Result<DiskResult, (DiskErrorKind, &'static str)> {
        let missing = (DiskErrorKind::NotFound, "No such file or directory");
        let (DiskOp::Append { path, .. }
        | DiskOp::CheckProgram { path }
        | DiskOp::Close { path }
        | DiskOp::Create { path }
        | DiskOp::List { path }
        | DiskOp::Lock { path }
        | DiskOp::MakeDir { path }
        | DiskOp::Read { path, .. }
        | DiskOp::Remove { path }
        | DiskOp::Rename { from: path, .. }
        | DiskOp::Size { path }
        | DiskOp::Sync { path }
        | DiskOp::SyncDir { path }
        | DiskOp::Truncate { path, .. }) = op;
        if self.failing.contains(path) {
            return Err((DiskErrorKind::NoSpace, "No space left on device"));
        }
        let found = self.names.files.get(path).copied();
        match op {
            DiskOp::Append { data, .. } => {
                let inode = self.open(path)?;
                inode.data.extend_from_slice(data);
            }
            DiskOp::Create { .. } => self.open(path)?.data.clear(),
            DiskOp::CheckProgram { .. } | DiskOp::Close { .. } | DiskOp::Lock { .. } => {}
            DiskOp::MakeDir { .. } => {
                self.names.dirs.insert(path.clone());
            }
            DiskOp::Remove { .. } => {
                self.names.files.remove(path).ok_or(missing)?;
            }
            DiskOp::Rename { to, .. } => {
                let inode = self.names.files.remove(path).ok_or(missing)?;
                self.names.files.insert(to.clone(), inode);
            }
            DiskOp::Sync { .. } => {
                let inode = &mut self.inodes[found.ok_or(missing)?];
                inode.synced.clone_from(&inode.data);
            }
            DiskOp::SyncDir { .. } => self.sync_dir(path),
            DiskOp::Truncate { len, .. } => self.inodes[found.ok_or(missing)?].data.truncate(*len as usize),
            DiskOp::List { .. } => {
                if !self.names.dirs.contains(path) {
                    return Err(missing);
                }
                let entries = self.names.files.keys().chain(&self.names.dirs);
                let names = entries.filter(|entry| folder(entry) == path && *entry != path);
                let mut names: Vec<String> = names.map(|entry| entry[path.len() + 1..].to_owned()).collect();
                names.sort();
                return Ok(DiskResult::Names(names));
            }
            DiskOp::Read { offset, len, .. } => {
                let data = &self.inodes[found.ok_or(missing)?].data;
                let from = (*offset as usize).min(data.len());
                let to = (from + len).min(data.len());
                return Ok(DiskResult::Data(Bytes::copy_from_slice(&data[from..to])));
            }
            DiskOp::Size { .. } => return Ok(DiskResult::Size(self.inodes[found.ok_or(missing)?].data.len() as u64)),
        }
        Ok(DiskResult::Done)
    }

    fn open(&mut self, path: &str) -> Result<&mut Inode, (DiskErrorKind, &'static str)> {
        if !self.names.dirs.contains(folder(path)) {
            return Err((DiskErrorKind::NotFound, "No such file or directory"));
        }
        let next = self.inodes.len();
        let inode = *self.names.files.entry(path.to_owned()).or_insert(next);
        if inode == next {
            self.inodes.push(Inode::default());
        }
        Ok(&mut self.inodes[inode])
    }

    fn sync_dir(&mut self, dir: &str) {
        self.durable.files.retain(|path, _| folder(path) != dir);
        let files = self.names.files.iter().filter(|(path, _)| folder(path) == dir);
        self.durable.files.extend(files.map(|(path, &inode)| (path.clone(), inode)));
        let dirs = self.names.dirs.iter().filter(|path| folder(path) == dir);
        self.durable.dirs.extend(dirs.cloned());
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
