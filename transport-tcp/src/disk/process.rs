//! Programs a machine asks to be run, each watched by a thread of its own.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use slotmesh_cluster::machine::{ProcessId, ProcessNews};

use crate::news::{News, Reporter};

/// The programs that may still run.
#[derive(Default)]
pub(super) struct Programs {
    /// Ends each of them; a sender whose program has ended reaches nobody.
    stops: BTreeMap<ProcessId, Sender<()>>,
}

impl Programs {
    /// Runs a program; what becomes of it is reported.
    pub(super) fn run(&mut self, id: ProcessId, words: Vec<String>, reporter: &Reporter) {
        let (stop, stopped) = bounded(1);
        self.stops.insert(id, stop);
        let own = reporter.clone();
        let watch = move || {
            let ended = watch(id, &words, &stopped, &own);
            own.report(News::Process(id, ended));
        };
        if thread::Builder::new().name("script".to_owned()).spawn(watch).is_err() {
            reporter.report(News::Process(id, NOT_RUN));
        }
    }

    /// Ends a program at once.
    pub(super) fn kill(&mut self, id: ProcessId) {
        if let Some(stop) = self.stops.remove(&id) {
            // One that has ended needs no end.
            let _ = stop.try_send(());
        }
    }

    /// A program has ended.
    pub(super) fn forget(&mut self, id: ProcessId) {
        self.stops.remove(&id);
    }
}

fn watch(id: ProcessId, words: &[String], stopped: &Receiver<()>, reporter: &Reporter) -> ProcessNews {
    let Some((path, args)) = words.split_first() else { return NOT_RUN };
    let Ok(mut child) = Command::new(path).args(args).stdin(Stdio::null()).spawn() else { return NOT_RUN };
    reporter.report(News::Process(id, ProcessNews::Started(child.id())));
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return ended(status),
            Ok(None) => {}
            Err(_) => return NOT_RUN,
        }
        match stopped.recv_timeout(LOOK_EVERY) {
            Ok(()) => return end(child),
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody can ask for its end any more.
            Err(RecvTimeoutError::Disconnected) => return child.wait().map_or(NOT_RUN, ended),
        }
    }
}

fn end(mut child: Child) -> ProcessNews {
    // One that ended in the same moment cannot be killed, and need not be.
    let _ = child.kill();
    child.wait().map_or(NOT_RUN, ended)
}

fn ended(status: ExitStatus) -> ProcessNews {
    ProcessNews::Ended { signal: status.signal().unwrap_or(0), code: status.code().unwrap_or(0) }
}

/// What Redis's sentinel says of a program that cannot be run: a code with which it is not tried again.
const NOT_RUN: ProcessNews = ProcessNews::Ended { signal: 0, code: 2 };

/// How often a program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
