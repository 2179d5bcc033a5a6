//! One machine, driven by its reactor and by callers on their own threads.
//!
//! The machine stands under one mutex together with everything its effects need at once: the notes for the wire,
//! the lanes to the disk, the log and the clock. Whoever holds the lock feeds it and settles it, so that **no
//! effect waits in the machine when the lock is released**. Sockets are not under the lock: they belong to the
//! reactor, and a caller whose call concerns other connections leaves a note and ends the reactor's sleep. A
//! caller that only wants its own reply pays one lock, one clock read and no system call.
//!
//! A panic inside the machine leaves it in the middle of something. It is not entered again after that: callers hear
//! that it has ended, and the reactor ends with an error.
//!
//! Rules: the reactor takes the lock once per batch and holds it while it writes; before it sleeps it notes until
//! when, and a caller that makes an earlier deadline wakes it. Start at [`Handle`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use slotmesh_cluster::machine::{Input, Machine, Signal, settle};
use slotmesh_engine::time::{Instant, Now};

use crate::clock::Clock;
use crate::disk::Files;
use crate::local::Local;
use crate::news::Wake;
use crate::outbox::Outbox;

/// A machine and its lock.
pub(crate) struct Shared<M> {
    pub(crate) core: Mutex<Core<M>>,
    pub(crate) wake: Arc<Wake>,
}

/// What the lock guards.
pub(crate) struct Core<M> {
    pub(crate) machine: M,
    pub(crate) clock: Clock,
    pub(crate) outbox: Outbox,
    pub(crate) files: Files,
    pub(crate) life: Life,
    /// Somebody is inside. Seen by the next one only when a panic threw the last one out.
    pub(crate) is_entered: bool,
    /// Until when the reactor sleeps; none while it is awake or has been told to wake.
    pub(crate) asleep_until: Option<Instant>,
}

/// How far the machine has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Ended,
    Running,
    /// Somebody asked the host to stop without asking the machine.
    Stopping,
}

/// The machine has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the machine has ended")
    }
}

impl std::error::Error for Ended {}

impl<M: Machine> Shared<M> {
    /// Takes the lock, unless the machine has ended.
    pub(crate) fn enter(&self) -> Result<MutexGuard<'_, Core<M>>, Ended> {
        let mut core = self.core.lock();
        if core.is_entered {
            // The reactor ends when it sees the same.
            self.wake.wake();
            return Err(Ended);
        }
        if core.life == Life::Ended {
            return Err(Ended);
        }
        core.is_entered = true;
        Ok(core)
    }

    /// Releases the lock, and wakes the reactor when the call left work for it. The core must be settled.
    #[inline]
    pub(crate) fn leave(&self, mut core: MutexGuard<'_, Core<M>>) {
        let wake = core.must_wake();
        core.is_entered = false;
        drop(core);
        if wake {
            self.wake.wake();
        }
    }
}

impl<M: Machine> Core<M> {
    /// Carries out every effect that waits in the machine.
    #[inline]
    pub(crate) fn settle(&mut self) {
        settle(&mut self.machine, &mut self.outbox, &mut self.files);
    }

    /// Tells the machine how long it worked since the last read of the clock, as long as it wants to hear it.
    #[inline]
    pub(crate) fn measure(&mut self, now: Now) {
        for _ in 0..MEASURES_MAX {
            if !self.machine.wants_took() {
                return;
            }
            let took = self.clock.lap();
            self.machine.took(now, took);
        }
    }

    #[inline]
    fn must_wake(&mut self) -> bool {
        let Some(until) = self.asleep_until else {
            return false;
        };
        let due = !self.outbox.is_idle()
            || self.life != Life::Running
            || self.files.exit_state().is_some()
            || self.machine.deadline().is_some_and(|(at, _)| at < until);
        if due {
            self.asleep_until = None;
        }
        due
    }
}

/// A way to reach a hosted machine from any thread; cheap to clone.
///
/// No call through it may be made while another call's closure runs on the same thread: there is one lock.
pub struct Handle<M> {
    pub(crate) shared: Arc<Shared<M>>,
}

impl<M: Machine> Handle<M> {
    /// Opens an in-process connection.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn open(&self) -> Result<Local<M>, Ended> {
        Local::open(Arc::clone(&self.shared))
    }

    /// Delivers a process signal.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), Ended> {
        let mut core = self.shared.enter()?;
        let now = core.clock.now();
        core.machine.handle(now, Input::Signal(signal));
        core.settle();
        self.shared.leave(core);
        Ok(())
    }

    /// Runs `act` on the machine, then carries out the effects it caused. Nothing else happens to the machine
    /// meanwhile, so `act` should be short.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn run<R>(&self, act: impl FnOnce(&mut M, Now) -> R) -> Result<R, Ended> {
        let mut core = self.shared.enter()?;
        let now = core.clock.now();
        let result = act(&mut core.machine, now);
        core.settle();
        self.shared.leave(core);
        Ok(result)
    }

    /// Moves the machine's clocks forward, for tests that must not wait.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn fast_forward(&self, duration: Duration) -> Result<(), Ended> {
        let mut core = self.shared.enter()?;
        core.clock.skip(duration);
        let was_asleep = core.asleep_until.take().is_some();
        self.shared.leave(core);
        if was_asleep {
            // Its sleep was measured by the old time.
            self.shared.wake.wake();
        }
        Ok(())
    }

    /// Ends the host without asking the machine, as a crash would: nothing more is sent. Does nothing when it has
    /// ended already.
    pub fn stop(&self) {
        if let Ok(mut core) = self.shared.enter() {
            core.life = Life::Stopping;
            self.shared.leave(core);
        }
    }
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// Pieces of work measured one after the other before other events have their turn.
const MEASURES_MAX: usize = 256;
