//! Names of files and folders, volatile and durable.
//!
//! Each change of a name waits in `pending` until one of its folders is synced. A crash carries out some of the
//! waiting changes: any of them, but with a change also every earlier one of the same name, as journals do.

use std::collections::{BTreeMap, BTreeSet};

use slotmesh_replication::disk::{DiskError, DiskErrorKind};

use super::op;

/// All names of a disk; a file is its index in the disk's table.
#[derive(Debug, Clone)]
pub(super) struct Names {
    volatile: View,
    durable: View,
    pending: Vec<Change>,
}

#[derive(Debug, Clone, Default)]
struct View {
    files: BTreeMap<String, usize>,
    folders: BTreeSet<String>,
}

#[derive(Debug, Clone)]
enum Change {
    Create { path: String, file: usize },
    MakeDir { path: String },
    Remove { path: String },
    Rename { from: String, to: String, file: usize },
}

impl Names {
    pub(super) fn new() -> Self {
        let folders = ["", "/", ".", super::DIR].map(normal);
        let view = View { files: BTreeMap::new(), folders: folders.into() };
        Self { volatile: view.clone(), durable: view, pending: Vec::new() }
    }

    pub(super) fn file(&self, path: &str) -> Option<usize> {
        self.volatile.files.get(path).copied()
    }

    pub(super) fn durable_file(&self, path: &str) -> Option<usize> {
        self.durable.files.get(path).copied()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.volatile.files.keys().map(String::as_str)
    }

    pub(super) fn used_files(&self) -> impl Iterator<Item = usize> {
        self.volatile.files.values().copied()
    }

    /// Every file that has a name now or may have one after a crash.
    pub(super) fn all_files(&self) -> BTreeSet<usize> {
        let views = self.volatile.files.values().chain(self.durable.files.values()).copied();
        views.chain(self.pending.iter().filter_map(Change::file)).collect()
    }

    pub(super) fn install(&mut self, path: &str, file: usize) {
        for view in [&mut self.volatile, &mut self.durable] {
            view.folders.insert(folder(path).to_owned());
            view.files.insert(path.to_owned(), file);
        }
    }

    pub(super) fn create(&mut self, path: &str, file: usize) -> Result<(), DiskError> {
        self.check_target(path)?;
        self.change(Change::Create { path: path.to_owned(), file });
        Ok(())
    }

    pub(super) fn make_dir(&mut self, path: &str) -> Result<(), DiskError> {
        if self.volatile.folders.contains(path) {
            return Ok(());
        }
        if self.volatile.files.contains_key(path) {
            return Err(op::not_a_directory());
        }
        self.check_folder(folder(path))?;
        self.change(Change::MakeDir { path: path.to_owned() });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        self.check_source(path)?;
        self.change(Change::Remove { path: path.to_owned() });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let file = self.check_source(from)?;
        self.check_target(to)?;
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), file });
        Ok(())
    }

    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, DiskError> {
        self.check_folder(path)?;
        let all = self.volatile.files.keys().chain(&self.volatile.folders);
        let mut names: Vec<_> = all
            .filter(|name| !name.is_empty() && *name != path && folder(name) == path)
            .map(|name| base(name).to_owned())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Makes the changes in this folder durable, and the folder itself with those above it.
    pub(super) fn sync_dir(&mut self, path: &str) -> Result<(), DiskError> {
        self.check_folder(path)?;
        // Journalling file systems keep order: an earlier change of a name goes along with a later one.
        self.settle_pending(|change| change.is_in(path) || change.makes_ancestor(path));
        Ok(())
    }

    /// Loses the pending changes but those `survives` picks.
    pub(super) fn crash(&mut self, mut survives: impl FnMut() -> bool) {
        self.settle_pending(|_| survives());
        self.pending.clear();
        self.durable.drop_homeless();
        self.volatile = self.durable.clone();
    }

    /// Carries out the picked changes in the durable view, and with each the earlier ones of its names.
    fn settle_pending(&mut self, mut pick: impl FnMut(&Change) -> bool) {
        let mut needed: BTreeSet<String> = BTreeSet::new();
        let mut picked = vec![false; self.pending.len()];
        for (at, change) in self.pending.iter().enumerate().rev() {
            picked[at] = pick(change) || change.paths().any(|path| needed.contains(path));
            if picked[at] {
                needed.extend(change.paths().map(str::to_owned));
            }
        }
        let mut picked = picked.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let now = picked.next().unwrap_or(false);
            if now {
                durable.apply(change);
            }
            !now
        });
    }

    fn change(&mut self, change: Change) {
        if self.pending.len() == PENDING_MAX {
            self.settle_pending(|_| true);
        }
        self.volatile.apply(&change);
        self.pending.push(change);
    }

    fn check_source(&self, path: &str) -> Result<usize, DiskError> {
        if self.volatile.folders.contains(path) {
            return Err(op::is_a_directory());
        }
        self.file(path).ok_or_else(|| op::error(DiskErrorKind::NotFound))
    }

    fn check_target(&self, path: &str) -> Result<(), DiskError> {
        if self.volatile.folders.contains(path) {
            return Err(op::is_a_directory());
        }
        self.check_folder(folder(path))
    }

    fn check_folder(&self, path: &str) -> Result<(), DiskError> {
        if self.volatile.folders.contains(path) {
            return Ok(());
        }
        Err(if self.volatile.files.contains_key(path) {
            op::not_a_directory()
        } else {
            op::error(DiskErrorKind::NotFound)
        })
    }
}

impl View {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Create { path, file } => {
                self.files.insert(path.clone(), *file);
            }
            Change::MakeDir { path } => {
                self.folders.insert(path.clone());
            }
            Change::Remove { path } => {
                self.files.remove(path);
            }
            Change::Rename { from, to, file } => {
                self.files.remove(from);
                self.files.insert(to.clone(), *file);
            }
        }
    }

    /// Forgets names whose folder did not survive.
    fn drop_homeless(&mut self) {
        let all = self.folders.clone();
        self.folders.retain(|path| ancestors(path).all(|above| all.contains(above)));
        let folders = &self.folders;
        self.files.retain(|path, _| folders.contains(folder(path)));
    }
}

impl Change {
    fn paths(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Create { path, .. } | Self::MakeDir { path } | Self::Remove { path } => (path, None),
            Self::Rename { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(first).chain(second).map(String::as_str)
    }

    fn file(&self) -> Option<usize> {
        match self {
            Self::Create { file, .. } | Self::Rename { file, .. } => Some(*file),
            Self::MakeDir { .. } | Self::Remove { .. } => None,
        }
    }

    fn is_in(&self, path: &str) -> bool {
        self.paths().any(|changed| folder(changed) == path)
    }

    fn makes_ancestor(&self, path: &str) -> bool {
        matches!(self, Self::MakeDir { path: made } if made == path || ancestors(path).any(|above| above == made))
    }
}

/// Changes that wait for a sync; then all are written, as a journal's own period (5 s on ext4) would.
const PENDING_MAX: usize = 4_096;

/// One spelling for each path: no `./` before it, no `/` behind it, none doubled.
pub(super) fn normal(path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The folder a normal path is in.
fn folder(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => "",
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folders above a normal path, nearest first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| Some(folder(path)).filter(|above| above != path)).skip(1)
}
