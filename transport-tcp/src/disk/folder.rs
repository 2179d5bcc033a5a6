//! Real files for a machine whose connections are somebody else's business.
//!
//! A host without sockets plugs this disk in: it is woken when answers are there, and takes them with
//! [`FolderDisk::poll`].

use std::sync::Arc;

use crossbeam_channel::Receiver;
use slotmesh_cluster::machine::{Disk, LogLine, Shutdown};
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane, Ticket};

use super::{Files, LogSink};
use crate::news::{News, Reporter, Wake};

/// The files of one machine, with a thread for each lane that is used.
pub struct FolderDisk {
    files: Files,
    news: Receiver<News>,
    wake: Arc<Wake>,
}

impl FolderDisk {
    /// A disk that calls `wake`, from any thread, when answers are there; `log` takes the machine's log lines.
    pub fn new(wake: impl Fn() + Send + Sync + 'static, log: LogSink) -> Self {
        let wake = Arc::new(Wake::calling(wake));
        let (reporter, news) = Reporter::new(Arc::clone(&wake));
        Self { files: Files::new(reporter, log), news, wake }
    }

    /// Takes an answer that is there.
    pub fn poll(&mut self) -> Option<(Ticket, DiskResult)> {
        loop {
            let Ok(news) = self.news.try_recv() else {
                self.wake.clear();
                // What came between the two would wake nobody.
                return self.news.try_recv().ok().and_then(|news| self.hear(news));
            };
            if let Some(answer) = self.hear(news) {
                return Some(answer);
            }
        }
    }

    fn hear(&mut self, news: News) -> Option<(Ticket, DiskResult)> {
        let News::Disk { ticket, lane, result, append_failures } = news else { return None };
        self.files.note_heard(lane, append_failures);
        Some((ticket, result))
    }
}

impl Disk for FolderDisk {
    fn submit(&mut self, ticket: Ticket, lane: Lane, op: DiskOp) {
        self.files.submit(ticket, lane, op);
    }

    fn log(&mut self, line: LogLine) {
        self.files.log(line);
    }

    fn exit(&mut self, shutdown: Shutdown) {
        self.files.exit(shutdown);
    }
}

impl Drop for FolderDisk {
    /// Waits until everything that was asked is done and every lock is free.
    fn drop(&mut self) {
        for thread in self.files.take_threads() {
            // A thread that panicked has nothing more to do.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for FolderDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FolderDisk").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use crossbeam_channel::unbounded;
    use slotmesh_cluster::machine::Disk;
    use slotmesh_replication::disk::{DiskOp, DiskResult, Lane, Ticket};

    use super::FolderDisk;

    #[test]
    fn answers_wake_the_host_and_are_taken_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file").to_str().unwrap().to_owned();
        let (woken, wakes) = unbounded();
        let mut disk = FolderDisk::new(move || woken.send(()).unwrap(), Box::new(|_| {}));

        disk.submit(Ticket(1), Lane::Log, DiskOp::Append { path: path.clone(), data: Bytes::from_static(b"abc") });
        disk.submit(Ticket(2), Lane::Log, DiskOp::Read { path, offset: 1, len: 9 });
        let mut answers = Vec::new();
        while answers.len() < 2 {
            wakes.recv_timeout(Duration::from_secs(20)).unwrap();
            answers.extend(std::iter::from_fn(|| disk.poll()));
        }

        let read = DiskResult::Data(Bytes::from_static(b"bc"));
        assert_eq!(answers, [(Ticket(1), DiskResult::Done), (Ticket(2), read)]);
        assert_eq!(disk.poll(), None);
    }

    #[test]
    fn a_disk_that_is_dropped_has_done_its_work_and_freed_its_locks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file").to_str().unwrap().to_owned();
        let mut first = FolderDisk::new(|| {}, Box::new(|_| {}));
        first.submit(Ticket(1), Lane::Config, DiskOp::Lock { path: path.clone() });
        first.submit(Ticket(2), Lane::Config, DiskOp::Append { path: path.clone(), data: Bytes::from_static(b"abc") });

        drop(first);

        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        let (woken, wakes) = unbounded();
        let mut second = FolderDisk::new(move || woken.send(()).unwrap(), Box::new(|_| {}));
        second.submit(Ticket(1), Lane::Config, DiskOp::Lock { path });
        wakes.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(second.poll(), Some((Ticket(1), DiskResult::Done)));
    }
}
