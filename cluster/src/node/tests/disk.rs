//! A disk that answers at once and never forgets; failures by order.

use std::collections::BTreeMap;

use bytes::Bytes;
use slotmesh_replication::disk::{DiskError, DiskErrorKind, DiskOp, DiskResult};

/// Files by their path. Folders exist when a file is in them, or when they were made.
#[derive(Debug, Clone)]
pub(in crate::node) struct TestDisk {
    pub(in crate::node) files: BTreeMap<String, Vec<u8>>,
    pub(in crate::node) folders: Vec<String>,
    /// Operations on a path that contains this fail for want of space.
    pub(in crate::node) full_for: Option<String>,
}

impl Default for TestDisk {
    fn default() -> Self {
        let folders = ["/", "/data", "/etc"].map(str::to_owned).to_vec();
        Self { files: BTreeMap::new(), folders, full_for: None }
    }
}

impl TestDisk {
    pub(in crate::node) fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(self.files.get(path).map_or(b"", |bytes| bytes)).into_owned()
    }

    pub(in crate::node) fn run(&mut self, op: &DiskOp) -> DiskResult {
        let full = self.full_for.as_deref();
        if let DiskOp::Append { path, .. } = op
            && full.is_some_and(|part| path.contains(part))
        {
            return failed(DiskErrorKind::NoSpace, "No space left on device");
        }
        let missing = || failed(DiskErrorKind::NotFound, "No such file or directory");
        match op {
            DiskOp::Append { path, data } => {
                self.files.entry(path.clone()).or_default().extend_from_slice(data);
                DiskResult::Done
            }
            DiskOp::Lock { path } => {
                self.files.entry(path.clone()).or_default();
                DiskResult::Done
            }
            DiskOp::CheckProgram { .. } | DiskOp::Close { .. } | DiskOp::Sync { .. } | DiskOp::SyncDir { .. } => {
                DiskResult::Done
            }
            DiskOp::Create { path } => {
                self.files.insert(path.clone(), Vec::new());
                DiskResult::Done
            }
            DiskOp::List { path } if self.folders.contains(path) => {
                let inside = format!("{path}/");
                let paths = self.files.keys().chain(&self.folders);
                let names = paths.filter_map(|file| file.strip_prefix(&inside));
                let mut names: Vec<String> = names.filter(|name| !name.contains('/')).map(str::to_owned).collect();
                names.sort_unstable();
                DiskResult::Names(names)
            }
            DiskOp::List { .. } => missing(),
            DiskOp::MakeDir { path } => {
                self.folders.push(path.clone());
                DiskResult::Done
            }
            DiskOp::Read { path, offset, len } => self.files.get(path).map_or_else(missing, |bytes| {
                let from = bytes.len().min(*offset as usize);
                DiskResult::Data(Bytes::copy_from_slice(&bytes[from..bytes.len().min(from + len)]))
            }),
            DiskOp::Remove { path } => self.files.remove(path).map_or_else(missing, |_| DiskResult::Done),
            DiskOp::Rename { from, to } => match self.files.remove(from) {
                Some(bytes) => {
                    self.files.insert(to.clone(), bytes);
                    DiskResult::Done
                }
                None => missing(),
            },
            DiskOp::Size { path } => {
                self.files.get(path).map_or_else(missing, |bytes| DiskResult::Size(bytes.len() as u64))
            }
            DiskOp::Truncate { path, len } => self.files.get_mut(path).map_or_else(missing, |bytes| {
                bytes.truncate(*len as usize);
                DiskResult::Done
            }),
        }
    }
}

fn failed(kind: DiskErrorKind, text: &str) -> DiskResult {
    DiskResult::Failed(DiskError { kind, text: text.to_owned() })
}
