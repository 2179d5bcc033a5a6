//! The courier: keys on their way to another server (MIGRATE).
//!
//! Redis stands still while it migrates. Here only the client that asked waits, and the keys in transit are held: who
//! writes one of them waits until it is known where the key is, and reads go on. So does a command that writes without
//! naming keys (FLUSHALL, SWAPDB), whose keys nobody can tell. What is in transit is held by its name in every
//! database, since commands may write across databases.
//!
//! A key is removed here only once the target has taken it, and only while this node may change it: during a pause that
//! waits for its end, and a node that became a replica, or lost the slot, removes nothing.
//!
//! Connections are kept for a while, for `redis-cli` sends one MIGRATE behind the other. Start at [`Node::send_keys`];
//! what is said on a connection is in [`errand`].

pub(super) mod errand;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use slotmesh_engine::command::Resolved;
use slotmesh_engine::command::keys::{Access, each_key};
use slotmesh_engine::command::spec::WRITE;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::decode::Decoder;
use slotmesh_engine::session::{Origin, SessionId};
use slotmesh_engine::time::{Instant, Now};

use super::Node;
use super::conns::{Conn, Kind};
use crate::machine::{ConnId, Effect, Endpoint, Reset, Target};
use errand::{Address, Errand, Failure};

/// The errands under way and the connections they use.
#[derive(Debug, Default)]
pub(super) struct Courier {
    lines: BTreeMap<ConnId, Line>,
    /// Errands that are over; their keys may still have to be removed.
    done: VecDeque<(Errand, Option<Failure>)>,
    /// The keys in transit.
    held: BTreeSet<Box<[u8]>>,
}

/// A connection to a server that takes keys.
#[derive(Debug)]
struct Line {
    address: Address,
    /// The database it stands at, if that is known.
    stands_at: Option<i64>,
    decoder: Decoder,
    is_open: bool,
    /// Whether it served an errand before this one.
    is_used: bool,
    errand: Option<Errand>,
    /// When the errand has waited too long, or the idle connection is closed.
    due: Instant,
    /// Bytes that waited to leave when `due` was set.
    waiting: usize,
}

impl Courier {
    /// Whether no key is in transit.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Number of connections.
    pub(super) fn connections(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.lines.values().map(|line| line.due).min()
    }

    /// Whether a command writes what is in transit, or may.
    fn forbids(&self, command: Resolved, args: Args<'_>) -> bool {
        if !command.flags.has(WRITE) {
            return false;
        }
        let mut meets = command.keys.is_empty();
        let found = each_key(command.keys, args, |index, access| {
            meets |= access.any(WRITES) && self.held.contains(args.at(index));
        });
        // A request whose keys cannot be told changes none.
        meets && found.is_ok()
    }

    fn idle(&self) -> impl Iterator<Item = (ConnId, &Line)> {
        self.lines.iter().filter(|(_, line)| line.errand.is_none()).map(|(&conn, line)| (conn, line))
    }
}

impl Node {
    /// Sends keys to another server; the client waits for the outcome.
    pub(super) fn send_keys(&mut self, now: Now, errand: Errand) {
        self.wait_for_host(errand.sender.client);
        if !errand.order.copy {
            self.courier.held.extend(errand.keys().map(Box::from));
        }
        let kept = self.courier.idle().find(|(_, line)| line.address == errand.order.address).map(|(conn, _)| conn);
        match kept {
            Some(conn) => self.begin_errand(now, conn, errand),
            None => self.dial_target(now, errand),
        }
    }

    fn dial_target(&mut self, now: Now, errand: Errand) {
        let conn = self.conns.open(Kind::Courier);
        let Address { host, port } = errand.order.address.clone();
        let target = Target { host, port, source: self.bind_source() };
        self.effects.push_back(Effect::Dial(conn, target, Endpoint::Client));
        let line = Line {
            address: errand.order.address.clone(),
            stands_at: None,
            decoder: Decoder::bounded(REPLY_BYTES_MAX),
            is_open: false,
            is_used: false,
            due: now.instant.plus_millis(errand.order.timeout_ms),
            waiting: 0,
            errand: Some(errand),
        };
        self.courier.lines.insert(conn, line);
    }

    fn begin_errand(&mut self, now: Now, conn: ConnId, mut errand: Errand) {
        let Some(line) = self.courier.lines.get_mut(&conn) else { return };
        let (ahead, requests) = errand.say(line.stands_at);
        let out = self.conns.own_out(conn);
        out.put(&ahead);
        out.put_shared(requests);
        out.want_drained();
        line.waiting = out.len();
        line.due = now.instant.plus_millis(errand.order.timeout_ms);
        line.errand = Some(errand);
        self.effects.push_back(Effect::Flush(conn));
    }

    // --- connections ------------------------------------------------------------------------------------------

    pub(super) fn courier_connected(&mut self, now: Now, conn: ConnId) {
        let Some(line) = self.courier.lines.get_mut(&conn) else { return };
        line.is_open = true;
        if let Some(errand) = line.errand.take() {
            self.begin_errand(now, conn, errand);
        }
    }

    /// All has left: from now on the target may take its time to answer.
    pub(super) fn courier_drained(&mut self, now: Now, conn: ConnId) {
        let Some(line) = self.courier.lines.get_mut(&conn) else { return };
        line.waiting = 0;
        if let Some(errand) = &line.errand {
            line.due = now.instant.plus_millis(errand.order.timeout_ms);
        }
    }

    pub(super) fn read_courier(&mut self, now: Now, conn: ConnId, bytes: &[u8]) {
        let Some(line) = self.courier.lines.get_mut(&conn) else { return };
        line.decoder.received().extend_from_slice(bytes);
        loop {
            let Some(line) = self.courier.lines.get_mut(&conn) else { return };
            let reply = match line.decoder.next() {
                Ok(Some(reply)) => reply,
                Ok(None) => break,
                Err(_) => return self.drop_line(conn, Failure::Reading),
            };
            // Nobody has asked for it: what comes next would be taken for an answer to something else.
            let Some(errand) = &mut line.errand else { return self.drop_line(conn, Failure::Reading) };
            if errand.hear(&reply).is_err() {
                return self.drop_line(conn, Failure::Reading);
            }
            line.due = now.instant.plus_millis(errand.order.timeout_ms);
            if errand.is_complete() {
                self.keep_line(now, conn);
            }
        }
    }

    /// An errand is over and its connection free for the next.
    fn keep_line(&mut self, now: Now, conn: ConnId) {
        let Some(line) = self.courier.lines.get_mut(&conn) else { return };
        let Some(errand) = line.errand.take() else { return };
        line.stands_at = errand.leaves_at();
        line.is_used = true;
        line.due = now.instant.plus_millis(IDLE_MS);
        let address = line.address.clone();
        self.courier.done.push_back((errand, None));
        let same = self.courier.idle().find(|(other, line)| *other != conn && line.address == address);
        let surplus = same.or_else(|| {
            let idle = self.courier.idle();
            if idle.count() > LINES_KEPT_MAX { self.courier.idle().min_by_key(|(_, line)| line.due) } else { None }
        });
        if let Some((surplus, _)) = surplus {
            self.drop_line(surplus, Failure::Reading);
        }
    }

    /// Closes a connection; its errand, if it has one, has failed.
    fn drop_line(&mut self, conn: ConnId, failure: Failure) {
        let errand = self.hang_up_line(conn);
        self.courier.done.extend(errand.map(|errand| (errand, Some(failure))));
    }

    fn hang_up_line(&mut self, conn: ConnId) -> Option<Errand> {
        let line = self.courier.lines.remove(&conn)?;
        self.conns.close(conn);
        self.effects.push_back(Effect::Close(conn, Vec::new()));
        line.errand
    }

    /// The connection is gone, or did not come about.
    pub(super) fn courier_closed(&mut self, now: Now, closed: &Conn, reset: &Reset) {
        let Some(line) = self.courier.lines.remove(&closed.id) else { return };
        let Some(errand) = line.errand else { return };
        if line.is_used && !errand.has_heard() {
            // The target had closed it for its own reasons.
            return self.dial_target(now, errand);
        }
        let failure = match reset {
            Reset::NoAddress(_) => Failure::Connecting,
            // Redis learns of a refusal when it writes.
            Reset::EndOfStream | Reset::Error(_) if !line.is_open => Failure::Writing,
            Reset::EndOfStream | Reset::Error(_) if closed.out.is_empty() => Failure::Reading,
            Reset::EndOfStream | Reset::Error(_) => Failure::Writing,
        };
        self.courier.done.push_back((errand, Some(failure)));
    }

    /// Gives up what has waited too long, and closes what nobody has used for a while.
    pub(super) fn tick_courier(&mut self, now: Now) {
        let due: Vec<ConnId> =
            self.courier.lines.iter().filter(|(_, line)| line.due <= now.instant).map(|(&conn, _)| conn).collect();
        for conn in due {
            let waiting = self.conns.own_out(conn).len();
            let Some(line) = self.courier.lines.get_mut(&conn) else { continue };
            let failure = match &line.errand {
                Some(errand) if waiting < line.waiting => {
                    // The target takes what it gets, if slowly.
                    line.waiting = waiting;
                    line.due = now.instant.plus_millis(errand.order.timeout_ms);
                    continue;
                }
                Some(_) if !line.is_open => Failure::Connecting,
                Some(_) if waiting > 0 => Failure::Writing,
                Some(_) | None => Failure::Reading,
            };
            self.drop_line(conn, failure);
        }
    }

    // --- outcomes ---------------------------------------------------------------------------------------------

    /// Removes what has arrived and tells the client. Returns whether there was something to do.
    pub(super) fn step_courier(&mut self, now: Now) -> bool {
        if self.courier.done.is_empty() || self.deaf.is_deaf() || self.pause.current(now.instant).is_some() {
            return false;
        }
        let Some((errand, failure)) = self.courier.done.pop_front() else { return false };
        self.engine.remove_arrived(errand.sender.db, &errand.removed());
        self.end_errand(&errand, errand.outcome(failure));
        true
    }

    fn end_errand(&mut self, errand: &Errand, outcome: Result<(), ReplyError>) {
        if !errand.order.copy {
            for key in errand.keys() {
                self.courier.held.remove(key);
            }
        }
        self.answer(errand.sender.client, outcome);
        self.resume_paused_later();
        self.stirred = true;
    }

    /// Gives up all errands with a key of which `is_lost` is true: nothing of theirs is removed here any more.
    pub(super) fn recall_errands(&mut self, is_lost: impl Fn(&[u8]) -> bool, error: &ReplyError) {
        let loses = |errand: &Errand| errand.keys().any(&is_lost);
        let lines = self.courier.lines.iter().filter(|(_, line)| line.errand.as_ref().is_some_and(loses));
        let lines: Vec<ConnId> = lines.map(|(&conn, _)| conn).collect();
        let mut recalled: Vec<Errand> = lines.into_iter().filter_map(|conn| self.hang_up_line(conn)).collect();
        for (errand, failure) in std::mem::take(&mut self.courier.done) {
            if loses(&errand) {
                recalled.push(errand);
            } else {
                self.courier.done.push_back((errand, failure));
            }
        }
        for errand in recalled {
            self.end_errand(&errand, Err(error.clone()));
        }
    }

    /// Whether a client's request has to wait because it writes what is in transit.
    pub(super) fn is_in_transit(&self, session: SessionId, command: Resolved, args: Args<'_>) -> bool {
        if self.courier.is_empty() {
            return false;
        }
        let state = self.engine.session(session);
        match &state.transaction {
            _ if state.origin != Origin::Client => false,
            Some(open) if self.is_exec(command) => {
                open.queue.iter().any(|queued| self.courier.forbids(queued.resolved, queued.args.as_args()))
            }
            Some(_) if self.engine.is_queued(command) => false,
            Some(_) | None => self.courier.forbids(command, args),
        }
    }
}

/// Accesses that change a key.
const WRITES: Access = Access::RW.and(Access::OW).and(Access::RM);

/// Idle connections kept (Redis: `MIGRATE_SOCKET_CACHE_ITEMS`).
const LINES_KEPT_MAX: usize = 64;

/// How long an idle connection is kept, in milliseconds (Redis: `MIGRATE_SOCKET_CACHE_TTL`).
const IDLE_MS: u64 = 10_000;

/// Bytes of one reply: a status or an error.
const REPLY_BYTES_MAX: usize = 64 * 1024;
