//! How long commands take: what the host measures, given to the commands that ran.
//!
//! A machine reads no clock. The host tells after a round how long the machine worked ([`Machine::took`]), once per
//! round. [`Timing`] notes what ran in between:
//!
//! - Commands of constant time (those Redis flags `fast`, and plain SET, SETEX, PSETEX) share the time of their round
//!   in equal parts.
//! - Every other command is measured alone: it begins a measure of its own and ends it, and requests behind it are put
//!   off until the host has told; those that were read already are kept (`batch`). Only these can enter the slow log,
//!   so only their words are kept.
//! - While `slowlog-log-slower-than` is below [`EXACT_BELOW_MICROS`], every command is measured alone.
//! - A transaction is one measure: its time is EXEC's, and its commands share it. The slow log has these, as in Redis;
//!   EXEC itself only where it was slow and no share is.
//! - A command that waits for keys enters the slow log when it was served, with the time of neither run: that is none.
//!
//! A host that never measures (the simulator) never makes a command wait, and all times stay zero. The same holds
//! when slow log, latency tracking and latency monitor are all off: then nobody asks for the time at all. What a
//! command of constant time does for an in-process caller is not measured either; reading the clock would cost as
//! much as the command.
//!
//! [`Machine::took`]: crate::machine::Machine::took

pub(super) mod histogram;
pub(super) mod monitor;
pub(super) mod slowlog;

use std::collections::VecDeque;
use std::time::Duration;

use slotmesh_engine::command::spec::FAST;
use slotmesh_engine::command::{CommandId, Resolved};
use slotmesh_engine::config::Config;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::session::Transaction;
use slotmesh_engine::time::Now;

use self::histogram::Histogram;
use self::monitor::LatencyMonitor;
use self::slowlog::{Slowlog, Words};
use super::Node;
use super::command::Call;
use super::conns::Waiting;
use crate::machine::{ConnId, Peer};

/// What ran since the host last told the time, and what is known of times.
#[derive(Debug, Default)]
pub(super) struct Timing {
    mode: Mode,
    /// The host has told the time before, so it will again.
    measured: bool,
    /// Commands that share the measure.
    ran: Vec<CommandId>,
    /// The command that has the measure to itself.
    alone: Option<Alone>,
    /// Memory for its words.
    words: Words,
    /// Clients whose next request waits for a measure of its own.
    put_off: VecDeque<ConnId>,
    /// By the commands' places in the registry.
    histograms: Vec<Histogram>,
    pub(super) slowlog: Slowlog,
    /// Commands that waited and were served, which the slow log has behind the one that runs.
    served: Vec<slowlog::Event>,
    pub(super) monitor: LatencyMonitor,
}

/// Which commands are measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    /// None, and nothing is measured.
    #[default]
    Off,
    /// None; all share.
    Shared,
    /// Those that may take long.
    Unbounded,
    /// Every one.
    Every,
}

#[derive(Debug)]
struct Alone {
    id: CommandId,
    fast: bool,
    conn: ConnId,
    began: Now,
    then: Then,
}

/// What the slow log asks about a command beside its time.
#[derive(Debug)]
enum Then {
    /// Nothing: it has its reply.
    Replied,
    /// It is EXEC, and these ran.
    Transaction(Box<Transaction>),
    /// It waits for keys.
    Waits,
}

impl Timing {
    /// Follows the options.
    pub(super) fn configure(&mut self, config: &Config) {
        let threshold = config.slowlog_log_slower_than_micros;
        self.mode = if (0..EXACT_BELOW_MICROS).contains(&threshold) {
            Mode::Every
        } else if threshold >= 0 || config.latency_monitor_threshold_ms > 0 {
            Mode::Unbounded
        } else if config.latency_tracking {
            Mode::Shared
        } else {
            Mode::Off
        };
        self.slowlog.trim(config.slowlog_max_len);
    }

    /// Whether the host should tell the time.
    pub(super) fn wants_took(&self) -> bool {
        let first = !self.measured && self.mode != Mode::Off;
        first || !self.ran.is_empty() || self.alone.is_some() || !self.put_off.is_empty()
    }

    /// The histogram of a command, when it was ever measured.
    pub(super) fn histogram(&self, id: CommandId) -> Option<&Histogram> {
        self.histograms.get(id.index()).filter(|histogram| histogram.count() > 0)
    }

    /// Forgets the histograms (CONFIG RESETSTAT).
    pub(super) fn reset_histograms(&mut self) {
        self.histograms.clear();
    }

    /// Whether a command of a caller in the process may run without being measured, and without waiting for others.
    #[inline]
    pub(super) fn needs_no_turn(&self, command: &Resolved) -> bool {
        let is_brief = matches!(self.mode, Mode::Shared | Mode::Unbounded) && command.flags.has(FAST);
        self.mode == Mode::Off || (self.alone.is_none() && (is_brief || !self.measured))
    }

    /// Whether a command has the measure to itself, so that no other may run before the host has told the time.
    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        self.alone.is_some()
    }

    /// Lets a client that was just put off go on before the others.
    pub(super) fn put_first(&mut self, conn: ConnId) {
        if self.put_off.pop_back_if(|last| *last == conn).is_some() {
            self.put_off.push_front(conn);
        }
    }

    fn is_alone(&self, command: Resolved, plain_set: bool) -> bool {
        match self.mode {
            Mode::Off | Mode::Shared => false,
            Mode::Unbounded => !command.flags.has(FAST) && !plain_set,
            Mode::Every => true,
        }
    }

    fn record(&mut self, id: CommandId, nanos: u64) {
        if self.histograms.len() <= id.index() {
            self.histograms.resize_with(id.index() + 1, Histogram::default);
        }
        self.histograms[id.index()].add(nanos);
    }
}

impl Node {
    /// Whether a request may run in the measure that is under way. If not, its client waits for the next one.
    #[inline]
    pub(super) fn has_turn(&mut self, conn: ConnId, command: Resolved) -> bool {
        let timing = &self.timing;
        if !timing.measured || timing.mode == Mode::Off {
            return true;
        }
        let free =
            timing.alone.is_none() && (timing.ran.is_empty() || !timing.is_alone(command, self.is_plain_set(command)));
        if !free {
            self.put_off(conn);
        }
        free
    }

    /// Lets a client wait until its next request may begin a measure.
    pub(super) fn put_off(&mut self, conn: ConnId) {
        if let Some(client) = self.conns.client_mut(conn) {
            client.waiting = Some(Waiting::Turn);
            self.timing.put_off.push_back(conn);
        }
    }

    /// Notes that a client's command begins to run.
    #[inline]
    pub(super) fn note_run(&mut self, now: Now, conn: ConnId, command: Resolved, args: Args<'_>) {
        if !self.timing.measured || self.timing.mode == Mode::Off {
            return;
        }
        if self.timing.is_alone(command, self.is_plain_set(command)) && self.timing.ran.is_empty() {
            let fast = command.flags.has(FAST);
            self.timing
                .words
                .take(args, slowlog::hidden_words(&self.engine.registry().get(command.id).full_name, args));
            self.timing.alone = Some(Alone { id: command.id, fast, conn, began: now, then: Then::Replied });
        } else if !self.conns.client(conn).is_some_and(|client| matches!(client.peer, Peer::InProcess)) {
            self.note_part(command);
        }
    }

    /// Notes a command that shares the measure: one of constant time, or of a transaction.
    pub(super) fn note_part(&mut self, command: Resolved) {
        let timing = &mut self.timing;
        if timing.measured && timing.mode != Mode::Off && timing.ran.len() < SHARED_MAX {
            timing.ran.push(command.id);
        }
    }

    /// Notes that the client's command waits for keys.
    pub(super) fn note_wait(&mut self, conn: ConnId) {
        if let Some(alone) = self.timing.alone.as_mut().filter(|alone| alone.conn == conn) {
            alone.then = Then::Waits;
        }
    }

    /// Notes that a command which waited for keys was served. It is logged behind the one that served it.
    pub(super) fn note_served(&mut self, call: Call<'_>) {
        if self.timing.measured && self.is_slow(0) {
            let mut words = Words::default();
            words.take(call.args, 0..0);
            let event = self.slow_event(call.conn, call.now, 0, words.shown());
            self.timing.served.push(event);
        }
    }

    /// Keeps a client's transaction that ran, for the slow log.
    pub(super) fn note_transaction(&mut self, conn: ConnId, transaction: Box<Transaction>) {
        if let Some(alone) = self.timing.alone.as_mut().filter(|alone| alone.conn == conn) {
            alone.then = Then::Transaction(transaction);
        }
    }

    /// Takes the time the host measured, and goes on with what was put off.
    pub(super) fn on_took(&mut self, now: Now, took: Duration) {
        if !self.timing.measured {
            self.timing.measured = true;
            return;
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let alone = self.timing.alone.take();
        let ran = std::mem::take(&mut self.timing.ran);
        let share = nanos / ran.len().max(1) as u64;
        for &id in &ran {
            self.record_time(id, share);
        }
        match alone {
            Some(alone) => self.end_alone(&alone, nanos),
            None if !ran.is_empty() => self.watch_latency(true, share),
            None => {}
        }
        self.timing.ran = ran;
        self.timing.ran.clear();
        self.go_on_with_put_off(now);
    }

    fn record_time(&mut self, id: CommandId, nanos: u64) {
        self.engine.core_mut().stats.of(id).nanos += nanos;
        if self.engine.core().config.latency_tracking {
            self.timing.record(id, nanos);
        }
    }

    fn end_alone(&mut self, alone: &Alone, nanos: u64) {
        self.record_time(alone.id, nanos);
        self.watch_latency(alone.fast, nanos);
        match &alone.then {
            Then::Replied => self.log_slow(alone.conn, alone.began, nanos / 1000),
            Then::Transaction(transaction) => self.log_slow_transaction(alone, transaction, nanos / 1000),
            Then::Waits => {}
        }
        let max = self.engine.core().config.slowlog_max_len;
        let Timing { served, slowlog, .. } = &mut self.timing;
        served.drain(..).for_each(|event| slowlog.add(event, max));
    }

    fn log_slow_transaction(&mut self, alone: &Alone, transaction: &Transaction, micros: u64) {
        let share = micros / transaction.queue.len().max(1) as u64;
        if !self.is_slow(share) {
            return self.log_slow(alone.conn, alone.began, micros);
        }
        for queued in &transaction.queue {
            let (name, args) = (&self.engine.registry().get(queued.resolved.id).full_name, queued.args.as_args());
            self.timing.words.take(args, slowlog::hidden_words(name, args));
            self.log_slow(alone.conn, alone.began, share);
        }
    }

    fn is_slow(&self, micros: u64) -> bool {
        let threshold = self.engine.core().config.slowlog_log_slower_than_micros;
        threshold >= 0 && i64::try_from(micros).unwrap_or(i64::MAX) >= threshold
    }

    fn watch_latency(&mut self, fast: bool, nanos: u64) {
        let threshold_ms = self.engine.core().config.latency_monitor_threshold_ms;
        let millis = nanos / 1_000_000;
        if threshold_ms > 0 && millis >= threshold_ms {
            let event = if fast { "fast-command" } else { "command" };
            self.timing.monitor.add(event, self.last_now.unix.seconds(), millis);
        }
    }

    /// Puts the command whose words were taken into the slow log, if it was slow.
    fn log_slow(&mut self, conn: ConnId, began: Now, micros: u64) {
        if !self.is_slow(micros) {
            return;
        }
        let event = self.slow_event(conn, began, micros, self.timing.words.shown());
        self.timing.slowlog.add(event, self.engine.core().config.slowlog_max_len);
    }

    fn slow_event(&self, conn: ConnId, began: Now, micros: u64, words: Vec<Vec<u8>>) -> slowlog::Event {
        let name = match self.conns.client(conn) {
            Some(client) => self.engine.session(client.session).name.to_vec(),
            None => Vec::new(),
        };
        let address = self.client_addresses(conn).0;
        slowlog::Event { unix_secs: began.unix.seconds(), measure: micros, words, address, name }
    }

    /// Notes a command's time that no clock measured: DEBUG SLEEP's, which is asked for.
    pub(super) fn note_sleep(&mut self, conn: ConnId, command: Resolved, args: Args<'_>, micros: u64) {
        self.timing.alone = None;
        self.timing.words.take(args, 0..0);
        self.record_time(command.id, micros.saturating_mul(1000));
        self.watch_latency(false, micros.saturating_mul(1000));
        self.log_slow(conn, self.last_now, micros);
    }

    fn go_on_with_put_off(&mut self, now: Now) {
        // Each of them runs at least one request, and may be put off again, behind the others.
        for _ in 0..self.timing.put_off.len() {
            if self.timing.alone.is_some() {
                break;
            }
            let Some(conn) = self.timing.put_off.pop_front() else { break };
            if let Some(client) = self.conns.client_mut(conn).filter(|client| client.waiting == Some(Waiting::Turn)) {
                client.waiting = None;
                self.run_kept(now, conn);
            }
        }
        if !self.timing.put_off.is_empty() {
            self.yield_now();
        }
        self.drain(now);
    }

    /// SET and its older forms take constant time, but for freeing what was there.
    fn is_plain_set(&self, command: Resolved) -> bool {
        self.plain_sets.contains(&Some(command.id))
    }
}

/// Below this threshold of the slow log, in microseconds, every command is measured alone: commands of constant time
/// can be that slow when the machine is busy. Redis's default threshold is ten times higher.
const EXACT_BELOW_MICROS: i64 = 1000;

/// Commands that share one measure at the most; what runs beyond them is counted but not timed.
const SHARED_MAX: usize = 4096;

/// Commands of constant time that Redis does not flag so.
pub(super) const PLAIN_SETS: [&[u8]; 3] = [b"SET", b"SETEX", b"PSETEX"];
