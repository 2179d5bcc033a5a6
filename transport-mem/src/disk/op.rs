//! The kinds of operation, and the system's words for their errors.

use slotmesh_replication::disk::{DiskError, DiskErrorKind, DiskOp};

/// A [`DiskOp`] without its contents, for traces and for faults that wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is documented at the operation of the same name")]
pub enum OpKind {
    Append,
    CheckProgram,
    Close,
    Create,
    List,
    Lock,
    MakeDir,
    Read,
    Remove,
    Rename,
    Size,
    Sync,
    SyncDir,
    Truncate,
}

impl OpKind {
    /// The kind of an operation.
    pub fn of(op: &DiskOp) -> Self {
        match op {
            DiskOp::Append { .. } => Self::Append,
            DiskOp::CheckProgram { .. } => Self::CheckProgram,
            DiskOp::Close { .. } => Self::Close,
            DiskOp::Create { .. } => Self::Create,
            DiskOp::List { .. } => Self::List,
            DiskOp::Lock { .. } => Self::Lock,
            DiskOp::MakeDir { .. } => Self::MakeDir,
            DiskOp::Read { .. } => Self::Read,
            DiskOp::Remove { .. } => Self::Remove,
            DiskOp::Rename { .. } => Self::Rename,
            DiskOp::Size { .. } => Self::Size,
            DiskOp::Sync { .. } => Self::Sync,
            DiskOp::SyncDir { .. } => Self::SyncDir,
            DiskOp::Truncate { .. } => Self::Truncate,
        }
    }
}

/// An error with the words Linux has for it.
pub(super) fn error(kind: DiskErrorKind) -> DiskError {
    let text = match kind {
        DiskErrorKind::Locked => "Resource temporarily unavailable",
        DiskErrorKind::NoSpace => "No space left on device",
        DiskErrorKind::NotFound => "No such file or directory",
        DiskErrorKind::Other | _ => "Input/output error",
    };
    DiskError { kind, text: text.to_owned() }
}

/// An error of its own kind: a folder where a file is meant.
pub(super) fn is_a_directory() -> DiskError {
    DiskError { kind: DiskErrorKind::Other, text: "Is a directory".to_owned() }
}

/// The other way round.
pub(super) fn not_a_directory() -> DiskError {
    DiskError { kind: DiskErrorKind::Other, text: "Not a directory".to_owned() }
}
