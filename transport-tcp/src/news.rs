//! How other threads tell the reactor something.
//!
//! Disk threads and the resolver put their answers into one queue and end the reactor's wait. The queue has no
//! bound of its own: each entry answers one request, and the requests are bounded where they are made (a bounded
//! queue could block a disk thread while the reactor waits for that thread: a deadlock).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

use slotmesh_cluster::machine::{ProcessId, ProcessNews};
use slotmesh_replication::disk::{DiskResult, Lane, Ticket};

use crate::resolver::Question;

/// Something another thread found out.
#[derive(Debug)]
pub(crate) enum News {
    /// A disk operation came to its end.
    Disk {
        /// Which operation.
        ticket: Ticket,
        /// Where it was carried out.
        lane: Lane,
        /// How it ended.
        result: DiskResult,
        /// Appends that had failed in this lane by then; see `disk::lane`.
        append_failures: u64,
    },
    /// What became of a program.
    Process(ProcessId, ProcessNews),
    /// Names were looked up: addresses or the system's words, for each name asked.
    Resolved(Question, Vec<Result<Vec<IpAddr>, String>>),
}

/// The sending end; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    queue: Sender<News>,
    wake: Arc<Wake>,
}

impl Reporter {
    pub(crate) fn new(wake: Arc<Wake>) -> (Self, Receiver<News>) {
        let (queue, news) = unbounded();
        (Self { queue, wake }, news)
    }

    /// Tells the reactor; nothing happens when it has ended.
    pub(crate) fn report(&self, news: News) {
        if self.queue.send(news).is_ok() {
            self.wake.wake();
        }
    }
}

/// Ends the reactor's wait, with one system call for any number of calls until it is awake.
#[derive(Debug)]
pub(crate) struct Wake {
    way: Way,
    pending: AtomicBool,
}

/// How whoever waits is told.
enum Way {
    /// Another host's own way, for a disk without a reactor.
    Call(Box<dyn Fn() + Send + Sync>),
    Poller(Waker),
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Call(_) => "Call",
            Self::Poller(_) => "Poller",
        })
    }
}

impl Wake {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { way: Way::Poller(waker), pending: AtomicBool::new(false) }
    }

    pub(crate) fn calling(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self { way: Way::Call(Box::new(call)), pending: AtomicBool::new(false) }
    }

    pub(crate) fn wake(&self) {
        if self.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        match &self.way {
            Way::Call(call) => call(),
            Way::Poller(waker) if waker.wake().is_err() => {
                // The next caller tries again; the reactor looks at its queue at its next timer at the latest.
                self.pending.store(false, Ordering::Release);
            }
            Way::Poller(_) => {}
        }
    }

    /// The reactor is awake and will look at everything: to be called before it looks.
    pub(crate) fn clear(&self) {
        self.pending.swap(false, Ordering::AcqRel);
    }
}
