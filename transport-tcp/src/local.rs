//! In-process connections: a caller's own thread runs the machine.
//!
//! A call locks the machine, feeds the request, settles and takes what it answered, all on the caller's thread; no
//! queue and no other thread is involved. What takes longer (a blocked command, a message from somebody else) is
//! waited for with [`Local::wait`]. Requests and replies are bytes, as on a socket; what they mean is the caller's
//! business.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, MutexGuard};

use slotmesh_cluster::machine::{Answer, ConnId, Endpoint, Input, Machine, Peer, Reset};
use slotmesh_engine::resp::args::{Args, Framed};
use slotmesh_engine::time::Now;

use crate::shared::{Core, Ended, Life, Shared};

/// A connection of this process to the machine it hosts. Closed when dropped.
///
/// It must not be used or dropped inside the closure of [`Handle::run`](crate::shared::Handle::run).
pub struct Local<M: Machine> {
    shared: Arc<Shared<M>>,
    conn: ConnId,
    arrived: Arc<Condvar>,
    is_open: bool,
}

/// Why an in-process connection gives no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The machine closed the connection.
    Closed,
    /// The machine has ended.
    Ended,
}

impl fmt::Display for Gone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Closed => "the machine closed the connection",
            Self::Ended => "the machine has ended",
        })
    }
}

impl std::error::Error for Gone {}

impl From<Ended> for Gone {
    fn from(_: Ended) -> Self {
        Self::Ended
    }
}

impl<M: Machine> Local<M> {
    pub(crate) fn open(shared: Arc<Shared<M>>) -> Result<Self, Ended> {
        let arrived = Arc::new(Condvar::new());
        let mut core = shared.enter()?;
        let now = core.clock.now();
        let conn = core.machine.accept(now, Endpoint::Client, Peer::InProcess);
        core.outbox.open_local(conn, Arc::clone(&arrived));
        core.settle();
        shared.leave(core);
        Ok(Self { shared, conn, arrived, is_open: true })
    }

    /// The machine's name for this connection.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// Sends `request` and appends to `reply` what the machine has answered so far. A machine answers most requests
    /// before this returns; for the others, [`Local::wait`].
    ///
    /// # Errors
    /// When nothing more will come: the machine closed the connection (after what was appended by earlier calls),
    /// or has ended.
    pub fn call(&mut self, request: &[u8], reply: &mut Vec<u8>) -> Result<(), Gone> {
        self.check_open()?;
        let mut core = self.shared.enter()?;
        let (now, before) = (core.clock.now(), reply.len());
        self.is_open = input(&self.shared, core, now, self.conn, Input::Received(self.conn, request), reply);
        self.after(before, reply)
    }

    /// As [`Local::call`], for one whole request whose words are known. `frame` gives its bytes, which are not always
    /// needed.
    ///
    /// # Errors
    /// As [`Local::call`].
    pub fn request<'a>(
        &mut self,
        words: Args<'_>,
        frame: impl FnOnce() -> &'a [u8],
        reply: &mut Vec<u8>,
    ) -> Result<(), Gone> {
        self.check_open()?;
        let mut core = self.shared.enter()?;
        let (now, before) = (core.clock.now(), reply.len());
        match core.machine.answer_at_once(now, self.conn, words, reply) {
            Answer::Declined => {}
            answer @ (Answer::Whole | Answer::Unsettled) => {
                if answer == Answer::Unsettled {
                    core.settle();
                }
                self.shared.leave(core);
                return Ok(());
            }
        }
        let request = Framed { bytes: frame(), args: words };
        self.is_open = input(&self.shared, core, now, self.conn, Input::Request(self.conn, request), reply);
        self.after(before, reply)
    }

    fn check_open(&self) -> Result<(), Gone> {
        if self.is_open { Ok(()) } else { Err(Gone::Closed) }
    }

    /// What a call ends with that found `before` bytes in `reply`.
    fn after(&self, before: usize, reply: &[u8]) -> Result<(), Gone> {
        if reply.len() > before { Ok(()) } else { self.check_open() }
    }

    /// Waits until the machine has something to say and appends it to `reply`. False when `timeout` (none: wait
    /// forever) has passed without.
    ///
    /// # Errors
    /// When nothing more will come: the machine closed the connection, or has ended.
    pub fn wait(&mut self, timeout: Option<Duration>, reply: &mut Vec<u8>) -> Result<bool, Gone> {
        self.check_open()?;
        // A timeout beyond the clock's range is no timeout.
        let until = timeout.and_then(|timeout| std::time::Instant::now().checked_add(timeout));
        let mut core = self.shared.core.lock();
        let before = reply.len();
        let result = loop {
            if core.is_entered {
                return Err(Gone::Ended);
            }
            core.is_entered = true;
            self.is_open = collect(&mut core, self.conn, reply);
            if reply.len() > before {
                break Ok(true);
            }
            if !self.is_open {
                break Err(Gone::Closed);
            }
            if core.life == Life::Ended {
                break Err(Gone::Ended);
            }
            core.is_entered = false;
            let timed_out = match until {
                None => {
                    self.arrived.wait(&mut core);
                    false
                }
                Some(until) => self.arrived.wait_until(&mut core, until).timed_out(),
            };
            if timed_out {
                return Ok(false);
            }
        };
        self.shared.leave(core);
        result
    }
}

impl<M: Machine> Drop for Local<M> {
    fn drop(&mut self) {
        let Ok(mut core) = self.shared.enter() else {
            return;
        };
        let was_open = core.outbox.is_local(self.conn);
        core.outbox.forget_local(self.conn);
        if was_open {
            let now = core.clock.now();
            core.machine.handle(now, Input::Closed(self.conn, Reset::EndOfStream));
            core.settle();
        }
        self.shared.leave(core);
    }
}

impl<M: Machine> fmt::Debug for Local<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Local").field("conn", &self.conn).finish_non_exhaustive()
    }
}

/// Feeds an input and takes what it was answered; returns whether the connection is still open.
fn input<M: Machine>(
    shared: &Shared<M>,
    mut core: MutexGuard<'_, Core<M>>,
    now: Now,
    conn: ConnId,
    input: Input<'_>,
    reply: &mut Vec<u8>,
) -> bool {
    core.machine.handle(now, input);
    core.measure(now);
    core.settle();
    let is_open = collect(&mut core, conn, reply);
    shared.leave(core);
    is_open
}

/// Takes all visible bytes; returns whether the connection is still open.
fn collect<M: Machine>(core: &mut Core<M>, conn: ConnId, reply: &mut Vec<u8>) -> bool {
    for _ in 0..DRAINS_PER_CALL_MAX {
        if !core.outbox.is_local(conn) {
            reply.extend(core.outbox.forget_local(conn).unwrap_or_default());
            return false;
        }
        let out = core.machine.out_buf(conn);
        out.take_into(reply);
        if !out.take_drained() || core.life == Life::Ended {
            break;
        }
        let now = core.clock.now();
        core.machine.handle(now, Input::Drained(conn));
        core.settle();
    }
    core.outbox.is_local(conn)
}

/// Times a machine that produces as its output is taken is asked for more in one call; the caller comes back for
/// the rest.
const DRAINS_PER_CALL_MAX: usize = 64;
