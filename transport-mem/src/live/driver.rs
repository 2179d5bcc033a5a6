//! The one thread of a bus: it empties mailboxes and runs deadlines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use slotmesh_cluster::machine::Machine;
use slotmesh_engine::time::Instant;

use super::Shared;

/// Wakes the driver, at the price of one atomic read when it is awake.
///
/// The driver says in `planned` when it will wake by itself: zero while it is awake, and "never" *before* it looks
/// a last time for work. Whoever makes work writes it first and reads `planned` second. So one of the two sees the
/// other, and no work waits for a sleeping driver.
#[derive(Debug)]
pub(super) struct Waker {
    planned: AtomicU64,
    stopping: AtomicBool,
    bell: Sender<()>,
    ears: Receiver<()>,
}

impl Waker {
    pub(super) fn new() -> Self {
        let (bell, ears) = bounded(1);
        Self { planned: AtomicU64::new(0), stopping: AtomicBool::new(false), bell, ears }
    }

    /// Wakes the driver unless it will be awake by `at` anyway.
    pub(super) fn wake_for(&self, at: Instant) {
        if at.micros() < self.planned.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Wakes the driver, or keeps it from falling asleep.
    pub(super) fn wake(&self) {
        // A full channel means that a call waits already.
        let _ = self.bell.try_send(());
    }

    /// Tells the driver to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn plan(&self, at: Instant) {
        self.planned.store(at.micros(), Ordering::SeqCst);
    }

    /// Sleeps for so long, or until a call.
    fn sleep(&self, duration: Duration) {
        // A timeout is as good a reason to go on as a call.
        let _ = self.ears.recv_timeout(duration);
    }
}

/// Starts the thread.
pub(super) fn start<M: Machine + Send + 'static>(shared: Arc<Shared<M>>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("slotmesh-bus".to_owned()).spawn(move || drive(&shared))
}

fn drive<M: Machine>(shared: &Shared<M>) {
    let waker = shared.office.waker();
    let mut nodes = Vec::new();
    let mut mail = Vec::new();
    let mut refresh_at = Instant::ZERO;
    while !waker.is_stopping() {
        if nodes.len() != shared.office.len() {
            nodes.clone_from(&shared.nodes.read());
        }
        let now = shared.clock.now();
        if now.instant >= refresh_at {
            shared.clock.refresh();
            refresh_at = now.instant + REFRESH_PERIOD;
        }
        let mut worked = false;
        for node in &nodes {
            if node.mailbox().take_call() || node.mailbox().deadline() <= now.instant {
                node.run(&shared.office, shared.clock.as_ref(), &mut mail);
                worked = true;
            }
        }
        if worked {
            continue;
        }
        waker.plan(Instant::MAX);
        let called = nodes.iter().any(|node| node.mailbox().is_called()) || nodes.len() != shared.office.len();
        if !called {
            let deadline = nodes.iter().map(|node| node.mailbox().deadline()).min().unwrap_or(Instant::MAX);
            let wake_at = deadline.min(refresh_at);
            waker.plan(wake_at);
            waker.sleep(wake_at.since(shared.clock.now().instant));
        }
        waker.plan(Instant::ZERO);
    }
}

/// How often the clock may look at the calendar. See [`super::SystemClock`].
const REFRESH_PERIOD: Duration = Duration::from_secs(1);
