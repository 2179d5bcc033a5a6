//! A client inside the process: it runs its commands on its own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use slotmesh_cluster::machine::{ConnId, Input, Machine, Reset};
use slotmesh_engine::resp::args::{Args, Framed};
use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::time::Now;

use super::Shared;
use super::node::{Core, Node};
use super::wire::WINDOW_BYTES;
use crate::reply::{CallError, take_reply};
use crate::take::take_visible;

/// A connection to a machine of a [`Bus`](super::Bus). Dropping it closes it.
pub struct Caller<M: Machine> {
    shared: Arc<Shared<M>>,
    node: Arc<Node<M>>,
    run: u32,
    conn: ConnId,
    inbox: Arc<Inbox>,
    received: Vec<u8>,
    pushes: Vec<u8>,
}

impl<M: Machine> Caller<M> {
    pub(super) fn new(shared: Arc<Shared<M>>, node: Arc<Node<M>>, run: u32, conn: ConnId, inbox: Arc<Inbox>) -> Self {
        Self { shared, node, run, conn, inbox, received: Vec::new(), pushes: Vec::new() }
    }

    /// Hands bytes to the machine and appends what it answers at once to `replies`.
    ///
    /// A reply that has to wait (for another client, for a disk) comes later: see [`Caller::wait`].
    ///
    /// # Errors
    /// When the connection is gone; bytes that came before its end are in `replies`.
    pub fn exchange(&mut self, request: &[u8], replies: &mut Vec<u8>) -> Result<(), Reset> {
        let now = self.shared.clock.now();
        self.input(now, self.node.lock(), Input::Received(self.conn, request), replies)
    }

    /// As [`Caller::exchange`], for one whole request whose words are known. `frame` gives its bytes, which are not
    /// always needed.
    ///
    /// # Errors
    /// As [`Caller::exchange`].
    pub fn request<'a>(
        &mut self,
        words: Args<'_>,
        frame: impl FnOnce() -> &'a [u8],
        replies: &mut Vec<u8>,
    ) -> Result<(), Reset> {
        let now = self.shared.clock.now();
        let mut core = self.node.lock();
        // What is in the inbox comes first.
        let is_next = core.run() == self.run && !self.inbox.has_news.load(Ordering::Relaxed);
        if is_next && core.answer(&self.shared.office, now, self.conn, words, replies) {
            return Ok(());
        }
        self.input(now, core, Input::Request(self.conn, Framed { bytes: frame(), args: words }), replies)
    }

    fn input(
        &self,
        now: Now,
        mut core: MutexGuard<'_, Core<M>>,
        input: Input<'_>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Reset> {
        // Bytes enter the inbox only under the machine's lock: none can come between this and the reply.
        if self.inbox.has_news.load(Ordering::Relaxed) {
            self.inbox.take(replies)?;
        }
        if core.run() != self.run || !core.call(&self.shared.office, now, self.conn, input, replies) {
            return Err(self.inbox.reset());
        }
        Ok(())
    }

    /// Waits for bytes and appends them to `replies`. Returns whether any came in time.
    ///
    /// # Errors
    /// When the connection is gone and nothing is left to read.
    pub fn wait(&mut self, replies: &mut Vec<u8>, timeout: Duration) -> Result<bool, Reset> {
        let taken = self.inbox.wait(replies, timeout)?;
        if taken.was_full {
            let now = self.shared.clock.now();
            let mut core = self.node.lock();
            if core.run() == self.run {
                core.writable(&self.shared.office, now, self.conn);
            }
        }
        Ok(taken.bytes > 0)
    }

    /// Sends a request and waits for its whole reply. RESP3 push messages before it are set aside for
    /// [`Caller::take_pushes`].
    ///
    /// # Errors
    /// When the connection is gone, what comes is no reply, or a wait lasts longer than `timeout`.
    pub fn call(&mut self, request: &[u8], timeout: Duration) -> Result<Vec<u8>, CallError> {
        let mut received = std::mem::take(&mut self.received);
        let sent = self.exchange(request, &mut received);
        self.received = received;
        sent.map_err(CallError::Closed)?;
        self.reply(timeout)
    }

    /// Waits for one more whole reply: what [`Caller::call`] does after sending.
    ///
    /// # Errors
    /// As [`Caller::call`].
    pub fn reply(&mut self, timeout: Duration) -> Result<Vec<u8>, CallError> {
        loop {
            let reply = take_reply(&mut self.received, &mut self.pushes).map_err(CallError::Malformed)?;
            if let Some(reply) = reply {
                return Ok(reply);
            }
            let mut received = std::mem::take(&mut self.received);
            let came = self.wait(&mut received, timeout);
            self.received = received;
            if !came.map_err(CallError::Closed)? {
                return Err(CallError::TimedOut);
            }
        }
    }

    /// Takes the RESP3 push messages that came before replies.
    pub fn take_pushes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pushes)
    }
}

impl<M: Machine> Drop for Caller<M> {
    fn drop(&mut self) {
        let now = self.shared.clock.now();
        let mut core = self.node.lock();
        if core.run() == self.run {
            core.hang_up(&self.shared.office, now, self.conn);
        }
    }
}

impl<M: Machine> std::fmt::Debug for Caller<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("conn", &self.conn).finish_non_exhaustive()
    }
}

/// Bytes for a caller that came while another thread ran its machine.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    has_news: AtomicBool,
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    closed: Option<Reset>,
    /// Whether bytes had to stay with the machine.
    is_full: bool,
}

/// What a look into an inbox found.
struct Taken {
    bytes: usize,
    was_full: bool,
}

impl Inbox {
    /// Takes over visible bytes as far as there is room. Returns whether some had to stay.
    pub(super) fn put(&self, out: &mut OutBuf) -> bool {
        let mut state = self.state.lock();
        let room = WINDOW_BYTES.saturating_sub(state.bytes.len());
        take_visible(out, room, &mut state.bytes);
        state.is_full = out.visible() > 0;
        let is_full = state.is_full;
        self.ring(state);
        is_full
    }

    /// Ends the connection after some last bytes.
    pub(super) fn close(&self, rest: &[u8], reset: Reset) {
        let mut state = self.state.lock();
        state.bytes.extend_from_slice(rest);
        state.closed = Some(reset);
        self.ring(state);
    }

    fn ring(&self, state: MutexGuard<'_, State>) {
        self.has_news.store(true, Ordering::Relaxed);
        drop(state);
        self.bell.notify_all();
    }

    fn take(&self, target: &mut Vec<u8>) -> Result<Taken, Reset> {
        let mut state = self.state.lock();
        self.empty(&mut state, target)
    }

    fn wait(&self, target: &mut Vec<u8>, timeout: Duration) -> Result<Taken, Reset> {
        let mut state = self.state.lock();
        let is_idle = |state: &mut State| state.bytes.is_empty() && state.closed.is_none();
        self.bell.wait_while_for(&mut state, is_idle, timeout);
        self.empty(&mut state, target)
    }

    fn empty(&self, state: &mut State, target: &mut Vec<u8>) -> Result<Taken, Reset> {
        if let (true, Some(reset)) = (state.bytes.is_empty(), &state.closed) {
            return Err(reset.clone());
        }
        target.extend_from_slice(&state.bytes);
        let taken = Taken { bytes: state.bytes.len(), was_full: std::mem::take(&mut state.is_full) };
        state.bytes.clear();
        self.has_news.store(state.closed.is_some(), Ordering::Relaxed);
        Ok(taken)
    }

    /// How the connection ended.
    fn reset(&self) -> Reset {
        self.state.lock().closed.clone().unwrap_or(Reset::EndOfStream)
    }
}
