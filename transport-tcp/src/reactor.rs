//! The loop of one machine.
//!
//! A round: wait for edges; accept and read without the lock; then under the lock tell the machine everything that
//! happened, settle once, write once per connection, and note until when to sleep. One wait, one read and one write
//! per request is all it asks of the system; nothing is allocated. What does not live here: sockets (`net`), the
//! lock and callers on other threads ([`shared`](crate::shared)). Start at [`Reactor::run`].

use std::io;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Receiver;
use parking_lot::Mutex;

use slotmesh_cluster::machine::{ConnId, Input, LogLine, Machine, ProcessNews, Shutdown};
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::DiskResult;

use crate::blocks::Blocks;
use crate::clock::Clock;
use crate::disk::{Files, LogSink};
use crate::net::{BATCH_CONNS_MAX, Net, Notice, SCRATCH_BYTES};
use crate::news::{News, Reporter, Wake};
use crate::outbox::Outbox;
use crate::poller::Poller;
use crate::resolver::Resolver;
use crate::shared::{Core, Handle, Life, Shared};

/// What a host brings along.
pub struct Options {
    /// The clock the machine was built with, so that its times go on.
    pub clock: Clock,
    /// Listeners bound before; each is used when the machine asks to listen on exactly its address and port.
    /// This is how a test gets a port the system chose without losing it again.
    pub listeners: Vec<TcpListener>,
    /// Where log lines go. Called under the machine's lock: it should not wait.
    pub log: LogSink,
}

impl Options {
    /// A new clock, no listeners, and `log` for the lines.
    pub fn new(log: impl FnMut(LogLine) + Send + 'static) -> Self {
        Self { clock: Clock::new(), listeners: Vec::new(), log: Box::new(log) }
    }
}

/// How a machine's hosting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The machine ended itself.
    Exit(Shutdown),
    /// [`Handle::stop`] was called.
    Stopped,
}

/// Runs one machine on the thread that calls [`Reactor::run`].
pub struct Reactor<M: Machine> {
    shared: Arc<Shared<M>>,
    net: Net,
    news: Receiver<News>,
    scratch: Box<[u8]>,
    batch: Vec<(ConnId, Range<usize>)>,
    blocks: Blocks,
}

/// What to do after a round.
enum Turn {
    End(Outcome),
    Wait(Option<Duration>),
}

impl<M: Machine> Reactor<M> {
    /// A reactor for `machine`; nothing happens before [`Reactor::run`].
    ///
    /// # Errors
    /// When the system has no file for a poller left.
    pub fn new(machine: M, options: Options) -> io::Result<Self> {
        let poller = Poller::new()?;
        let wake = Arc::new(Wake::new(poller.waker()?));
        let (reporter, news) = Reporter::new(Arc::clone(&wake));
        let core = Core {
            machine,
            clock: options.clock,
            outbox: Outbox::default(),
            files: Files::new(reporter.clone(), options.log),
            life: Life::Running,
            is_entered: false,
            asleep_until: None,
        };
        Ok(Self {
            shared: Arc::new(Shared { core: Mutex::new(core), wake }),
            net: Net::new(poller, Resolver::new(reporter), options.listeners),
            news,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            batch: Vec::with_capacity(BATCH_CONNS_MAX),
            blocks: Blocks::default(),
        })
    }

    /// A way to reach the machine from other threads.
    pub fn handle(&self) -> Handle<M> {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Drives the machine until it exits or [`Handle::stop`] is called. After an exit, last bytes are sent as far
    /// as peers take them within two seconds; then everything is closed, and disk operations under way are finished.
    ///
    /// # Errors
    /// When the system refuses to wait for sockets, or a caller's call panicked inside the machine.
    pub fn run(mut self) -> io::Result<Outcome> {
        let mut timeout = Some(Duration::ZERO);
        loop {
            if self.net.wait(timeout)? {
                self.shared.wake.clear();
            }
            self.net.accept();
            self.net.read(&mut self.scratch, &mut self.batch);
            match self.round()? {
                Turn::End(outcome) => {
                    if outcome != Outcome::Stopped {
                        self.send_last_bytes()?;
                    }
                    return Ok(outcome);
                }
                Turn::Wait(next) => timeout = next,
            }
        }
    }

    fn round(&mut self) -> io::Result<Turn> {
        let Self { shared, net, news, scratch, batch, blocks } = self;
        let mut guard = shared.core.lock();
        let core = &mut *guard;
        if core.is_entered {
            return Err(io::Error::other("a call panicked inside the machine"));
        }
        core.is_entered = true;
        core.asleep_until = None;
        let now = core.clock.now();
        net.on_time(now.instant);
        // What callers on other threads have settled comes first: names they closed may be given out again below.
        carry_out(net, core);
        if tell_news(net, core, now, news) | tell_notices(net, core, now) | tell_accepted(net, core, now) {
            // What other events took is no request's time.
            core.clock.lap();
        }
        for &(conn, _) in &*batch {
            blocks.lend(&mut core.machine, conn);
        }
        receive(core, now, scratch, batch);
        core.measure(now);
        for (conn, reset) in net.ended.drain(..) {
            core.machine.handle(now, Input::Closed(conn, reset));
        }
        if core.machine.deadline().is_some_and(|(at, _)| at <= now.instant) {
            core.machine.handle(now, Input::Timer);
            core.measure(now);
        }
        core.settle();
        carry_out(net, core);
        net.send(&mut core.machine, &mut core.outbox.dirty);
        blocks.take_back(&mut core.machine);
        for (level, text) in net.log.drain(..) {
            core.files.log_host(level, text);
        }
        core.is_entered = false;
        if let Some(outcome) = outcome(core) {
            return Ok(Turn::End(outcome));
        }
        Ok(Turn::Wait(fall_asleep(net, core, news)))
    }

    /// After the machine's end: what peers still take.
    fn send_last_bytes(&mut self) -> io::Result<()> {
        self.net.stop();
        let until = self.shared.core.lock().clock.now().instant + LAST_BYTES_MAX;
        loop {
            let timeout = {
                let core = &mut *self.shared.core.lock();
                let now = core.clock.now().instant;
                self.net.on_time(now);
                self.net.send(&mut core.machine, &mut core.outbox.dirty);
                if now >= until || !self.net.has_unsent(&mut core.machine) {
                    return Ok(());
                }
                if self.net.is_busy() { Duration::ZERO } else { until.since(now) }
            };
            self.net.wait(Some(timeout))?;
        }
    }

    fn end(&mut self) -> Vec<JoinHandle<()>> {
        let core = &mut *self.shared.core.lock();
        core.life = Life::Ended;
        core.asleep_until = None;
        core.outbox.notify_all();
        self.net.close_all();
        core.files.take_threads()
    }
}

impl<M: Machine> Drop for Reactor<M> {
    fn drop(&mut self) {
        for thread in self.end() {
            // A disk thread that panicked has told so on stderr; its files are as a crash leaves them.
            let _ = thread.join();
        }
    }
}

fn carry_out<M: Machine>(net: &mut Net, core: &mut Core<M>) {
    for request in core.outbox.requests.drain(..) {
        net.carry_out(request);
    }
}

/// Tells what other threads answered. Returns whether there was anything; so do the next two.
fn tell_news<M: Machine>(net: &mut Net, core: &mut Core<M>, now: Now, news: &Receiver<News>) -> bool {
    let mut any = false;
    for item in news.try_iter().take(NEWS_PER_ROUND_MAX) {
        any = true;
        match item {
            News::Disk { ticket, lane, result, append_failures } => {
                if matches!(result, DiskResult::Failed(_)) {
                    core.files.note_heard(lane, append_failures);
                }
                core.machine.handle(now, Input::Disk(ticket, result));
            }
            News::Process(id, news) => {
                if matches!(news, ProcessNews::Ended { .. }) {
                    core.files.note_ended(id);
                }
                core.machine.handle(now, Input::Process(id, news));
            }
            News::Resolved(question, answers) => net.on_resolved(question.about, &answers),
        }
    }
    any
}

fn tell_notices<M: Machine>(net: &mut Net, core: &mut Core<M>, now: Now) -> bool {
    let any = !net.notices.is_empty();
    for notice in net.notices.drain(..) {
        let input = match notice {
            Notice::Closed(conn, reset) => Input::Closed(conn, reset),
            Notice::Connected(conn, peer) => Input::Connected(conn, peer),
            Notice::Drained(conn) => Input::Drained(conn),
            Notice::Listening(endpoint, result) => Input::Listening(endpoint, result),
        };
        core.machine.handle(now, input);
    }
    any
}

fn tell_accepted<M: Machine>(net: &mut Net, core: &mut Core<M>, now: Now) -> bool {
    if net.accepted.is_empty() {
        return false;
    }
    let mut accepted = std::mem::take(&mut net.accepted);
    for stranger in accepted.drain(..) {
        // Settled before each: the machine may give a name out again whose closing waits among the effects.
        core.settle();
        carry_out(net, core);
        let conn = core.machine.accept(now, stranger.endpoint, stranger.peer.clone());
        net.open(conn, stranger);
    }
    net.accepted = accepted;
    true
}

fn receive<M: Machine>(core: &mut Core<M>, now: Now, scratch: &[u8], batch: &mut Vec<(ConnId, Range<usize>)>) {
    if let [(conn, bytes)] = &batch[..] {
        core.machine.handle(now, Input::Received(*conn, &scratch[bytes.clone()]));
    } else if !batch.is_empty() {
        let mut received: [(ConnId, &[u8]); BATCH_CONNS_MAX] = [(ConnId { index: 0, generation: 0 }, &[]); _];
        for (slot, (conn, bytes)) in received.iter_mut().zip(&*batch) {
            *slot = (*conn, &scratch[bytes.clone()]);
        }
        core.machine.receive_many(now, &received[..batch.len()]);
    }
    batch.clear();
}

/// Whether the machine or somebody else wants the end; from then on no caller reaches the machine.
fn outcome<M>(core: &mut Core<M>) -> Option<Outcome> {
    let outcome = match core.files.exit_state() {
        Some(shutdown) => Outcome::Exit(shutdown.clone()),
        None if core.life == Life::Stopping => Outcome::Stopped,
        None => return None,
    };
    core.life = Life::Ended;
    Some(outcome)
}

/// How long the next wait may take; none for as long as nothing happens.
fn fall_asleep<M: Machine>(net: &Net, core: &mut Core<M>, news: &Receiver<News>) -> Option<Duration> {
    if net.is_busy() || !core.outbox.is_idle() || !news.is_empty() {
        return Some(Duration::ZERO);
    }
    let timer = core.machine.deadline().map(|(at, _)| at);
    let deadline = [timer, net.deadline()].into_iter().flatten().min();
    core.asleep_until = Some(deadline.unwrap_or(Instant::MAX));
    // Read again: the round may have taken a while.
    deadline.map(|at| at.since(core.clock.now().instant))
}

/// Answers of other threads the machine hears in one round.
const NEWS_PER_ROUND_MAX: usize = 256;

/// How long peers may take for their last bytes after the machine's end. A supervisor expects an orderly end within
/// ten seconds, most of which belong to saving.
const LAST_BYTES_MAX: Duration = Duration::from_secs(2);
