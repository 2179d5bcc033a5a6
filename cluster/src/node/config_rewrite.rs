//! The configuration file on its way to a new text: the old one is read, and replaced as a whole.
//!
//! CONFIG REWRITE does this, and a sentinel at every change of what it knows. What the new text is, the caller says
//! between the two halves.

use bytes::Bytes;
use slotmesh_replication::disk::{DiskErrorKind, DiskOp, DiskResult, Ticket, Tickets};
use slotmesh_replication::persist::replace::FileReplace;
use slotmesh_replication::persist::sequence::Advance;
use slotmesh_replication::persist::temporary;

/// One rewrite under way.
#[derive(Debug)]
pub(super) struct ConfigRewrite {
    path: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Reading { ticket: Ticket, old: Vec<u8> },
    Writing(FileReplace),
}

/// What an answer of the disk led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The new text is on disk.
    Done,
    /// It could not be written.
    Failed(String),
    /// Ask for this next.
    Next(Ticket, DiskOp),
    /// The answer was somebody else's.
    NotMine,
    /// This is the old text: [`ConfigRewrite::write`] is next.
    Read(Vec<u8>),
}

impl ConfigRewrite {
    /// Begins to rewrite the file at `path`, which need not be there; the first operation comes with it.
    pub(super) fn begin(path: String, tickets: &mut Tickets) -> (Self, Ticket, DiskOp) {
        let ticket = tickets.take();
        let op = DiskOp::Read { path: path.clone(), offset: 0, len: READ_BYTES };
        (Self { path, stage: Stage::Reading { ticket, old: Vec::new() } }, ticket, op)
    }

    /// Takes an answer.
    pub(super) fn on_disk(&mut self, ticket: Ticket, result: &DiskResult, tickets: &mut Tickets) -> Progress {
        match &mut self.stage {
            Stage::Reading { ticket: own, .. } if *own == ticket => self.on_read(result, tickets),
            Stage::Reading { .. } => Progress::NotMine,
            Stage::Writing(replace) => match replace.on_disk(ticket, result, tickets) {
                Advance::NotMine => Progress::NotMine,
                Advance::Next(ticket, op) => Progress::Next(ticket, op),
                Advance::Done => Progress::Done,
                Advance::Failed(error) => Progress::Failed(error.text),
            },
        }
    }

    fn on_read(&mut self, result: &DiskResult, tickets: &mut Tickets) -> Progress {
        let Stage::Reading { ticket, old } = &mut self.stage else { return Progress::NotMine };
        match result {
            DiskResult::Failed(error) if error.kind != DiskErrorKind::NotFound => {
                return Progress::Failed(error.text.clone());
            }
            DiskResult::Data(data) => {
                old.extend_from_slice(data);
                if old.len() > FILE_BYTES_MAX {
                    return Progress::Failed("the file is too large".to_owned());
                }
                if data.len() == READ_BYTES {
                    *ticket = tickets.take();
                    let op = DiskOp::Read { path: self.path.clone(), offset: old.len() as u64, len: READ_BYTES };
                    return Progress::Next(*ticket, op);
                }
            }
            // A file that was removed is written anew.
            DiskResult::Done | DiskResult::Failed(_) | DiskResult::Names(_) | DiskResult::Size(_) => {}
        }
        Progress::Read(std::mem::take(old))
    }

    /// Replaces the file by this text, by way of one that has the process's number in its name.
    pub(super) fn write(&mut self, text: Vec<u8>, process_id: u32, tickets: &mut Tickets) -> (Ticket, DiskOp) {
        let (dir, name) = self.path.rsplit_once('/').unwrap_or((".", &self.path));
        let dir = if dir.is_empty() { "/" } else { dir };
        let temp = temporary::replacement(name, process_id);
        let (replace, ticket, op) = FileReplace::begin(dir, name, &temp, Bytes::from(text), tickets);
        self.stage = Stage::Writing(replace);
        (ticket, op)
    }
}

/// Bytes of the configuration file read at once.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of a configuration file at the most: a file with every option and a comment for each has a tenth of one
/// percent of it.
pub(super) const FILE_BYTES_MAX: usize = 16 << 20;
