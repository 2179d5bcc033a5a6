//! Replacing a small file so that a crash leaves the old one or the new one.
//!
//! Write a temporary file, fsync it, rename it over the old one, fsync the folder. nodes.conf, redis.conf and the AOF
//! manifest are written this way.

use bytes::Bytes;

use super::join;
use super::sequence::{Advance, Sequence};
use crate::disk::{DiskOp, DiskResult, Ticket, Tickets};

/// One replacement under way.
#[derive(Debug)]
pub struct FileReplace {
    sequence: Sequence,
}

impl FileReplace {
    /// Begins to replace `dir/name`, by way of `dir/temp`; the first operation comes with it.
    pub fn begin(dir: &str, name: &str, temp: &str, data: Bytes, tickets: &mut Tickets) -> (Self, Ticket, DiskOp) {
        let (sequence, ticket, op) = Sequence::begin(replace_ops(dir, name, temp, data), tickets);
        (Self { sequence }, ticket, op)
    }

    /// Takes an answer.
    pub fn on_disk(&mut self, ticket: Ticket, result: &DiskResult, tickets: &mut Tickets) -> Advance {
        self.sequence.on_disk(ticket, result, tickets)
    }
}

/// The operations of one replacement.
pub(super) fn replace_ops(dir: &str, name: &str, temp: &str, data: Bytes) -> Vec<DiskOp> {
    let (path, to) = (join(dir, temp), join(dir, name));
    vec![
        DiskOp::Create { path: path.clone() },
        DiskOp::Append { path: path.clone(), data },
        DiskOp::Sync { path: path.clone() },
        DiskOp::Close { path: path.clone() },
        DiskOp::Rename { from: path, to },
        DiskOp::SyncDir { path: dir.to_owned() },
    ]
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::FileReplace;
    use crate::disk::Tickets;
    use crate::persist::sequence::Advance;
    use crate::persist::test_disk::TestDisk;

    #[test]
    fn a_crash_anywhere_leaves_the_old_file_or_the_new_one() {
        for cut in 0..7 {
            let mut disk = TestDisk::new(&["/d"]);
            disk.put("/d/nodes.conf", b"old");
            let mut tickets = Tickets::default();
            let data = Bytes::from_static(b"new contents");
            let (mut replace, mut ticket, mut op) =
                FileReplace::begin("/d", "nodes.conf", "nodes.conf.tmp", data, &mut tickets);
            for done in 0.. {
                if done == cut {
                    break;
                }
                let result = disk.run(&op);
                match replace.on_disk(ticket, &result, &mut tickets) {
                    Advance::Next(next_ticket, next_op) => (ticket, op) = (next_ticket, next_op),
                    Advance::Done => break,
                    Advance::Failed(error) => panic!("{error:?}"),
                    Advance::NotMine => panic!("its own ticket"),
                }
            }

            for crash in [disk.killed(), disk.power_lost()] {
                let held = crash.get("/d/nodes.conf").unwrap();
                assert!(held == b"old" || held == b"new contents", "cut {cut}: {}", held.escape_ascii());
                assert!(cut < 6 || held == b"new contents", "a finished replacement stays");
            }
        }
    }
}
