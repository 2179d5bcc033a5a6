//! The words a machine and a disk speak.
//!
//! A machine never touches a file: it asks with a [`DiskOp`] under a [`Ticket`] and hears a [`DiskResult`] later.
//! Operations of one [`Lane`] are carried out in the order they were asked, one after the other; lanes do not wait
//! for each other. What lives here is only vocabulary: the real disk is in `transport-tcp`, the one that crashes
//! is in `transport-mem`.

use bytes::Bytes;
pub use slotmesh_engine::resp::outbuf::Ticket;

/// One request to the disk. Paths are complete: the machine joins its `dir` itself, so one process can host many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskOp {
    /// Puts `data` at the end of the file, which is created when it is missing.
    Append {
        /// The file.
        path: String,
        /// What to add.
        data: Bytes,
    },
    /// Asks whether the file is a program that can be run.
    CheckProgram {
        /// The file.
        path: String,
    },
    /// Forgets an open handle of the file, if the host keeps one.
    Close {
        /// The file.
        path: String,
    },
    /// Makes the file exist and be empty.
    Create {
        /// The file.
        path: String,
    },
    /// Names the entries of a folder, sorted; answers [`DiskResult::Names`].
    List {
        /// The folder.
        path: String,
    },
    /// Takes the exclusive advisory lock of a file (created when missing) and keeps it until the machine ends.
    Lock {
        /// The file.
        path: String,
    },
    /// Makes a folder; one that exists is fine.
    MakeDir {
        /// The folder.
        path: String,
    },
    /// Reads up to `len` bytes at `offset`; fewer bytes than asked mean the end of the file.
    Read {
        /// The file.
        path: String,
        /// First byte, from the beginning of the file.
        offset: u64,
        /// How many bytes at the most.
        len: usize,
    },
    /// Removes a file; one that is missing is [`DiskErrorKind::NotFound`].
    Remove {
        /// The file.
        path: String,
    },
    /// Gives a file another name, replacing a file that has it.
    Rename {
        /// The name it has.
        from: String,
        /// The name it gets.
        to: String,
    },
    /// Asks for a file's length in bytes; answers [`DiskResult::Size`].
    Size {
        /// The file.
        path: String,
    },
    /// Makes the file's bytes and length survive a crash.
    Sync {
        /// The file.
        path: String,
    },
    /// Makes the names in a folder survive a crash.
    SyncDir {
        /// The folder.
        path: String,
    },
    /// Cuts the file to `len` bytes.
    Truncate {
        /// The file.
        path: String,
        /// The length it shall have.
        len: u64,
    },
}

/// Which queue an operation waits in. A slow snapshot must not delay a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// nodes.conf, redis.conf and other small state files.
    Config,
    /// The append only file.
    Log,
    /// RDB files, written or read, and AOF base files.
    Snapshot,
}

/// The answer to one [`DiskOp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskResult {
    /// The bytes a `Read` found.
    Data(Bytes),
    /// The operation is complete.
    Done,
    /// It is not; nothing is known about partial effects of an `Append`.
    Failed(DiskError),
    /// The entries a `List` found, sorted.
    Names(Vec<String>),
    /// The length a `Size` found.
    Size(u64),
}

/// Why the disk could not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskError {
    /// What a machine decides by.
    pub kind: DiskErrorKind,
    /// The system's words, for logs and for error replies that quote them ("No space left on device").
    pub text: String,
}

/// The causes a machine tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskErrorKind {
    /// Another process holds the lock.
    Locked,
    /// No space or quota left.
    NoSpace,
    /// No such file or folder.
    NotFound,
    /// Anything else.
    Other,
}

/// Gives out tickets; a node has one counter, so that a ticket names one request of one of its machines.
#[derive(Debug, Default)]
pub struct Tickets {
    next: u64,
}

impl Tickets {
    /// A ticket that was never given out before.
    pub fn take(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }
}
