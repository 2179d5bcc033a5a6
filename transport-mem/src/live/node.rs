//! One machine on the bus, under its lock.
//!
//! [`Core`] is what the lock protects. Everyone who holds it does the same: give an input, settle, take the answers
//! that are there already, tell the driver of an earlier deadline.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use slotmesh_cluster::machine::{
    Answer, ConnId, Disk, Endpoint, Input, LogLine, Machine, Peer, Reset, Shutdown, settle,
};
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::outbuf::Ticket;
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::{DiskOp, Lane};

use super::caller::Inbox;
use super::clock::Clock;
use super::disk::LiveDisk;
use super::mail::{Address, Mail, Mailbox, Office};
use super::wire::{Far, LiveWire, Notice, Wiring};
use crate::network::{REFUSED, RESET};
use crate::place::MachineId;

/// A machine's lock and its mailbox.
pub(super) struct Node<M> {
    core: Mutex<Core<M>>,
    mailbox: Arc<Mailbox>,
}

/// A machine and its surroundings.
pub(super) struct Core<M> {
    id: MachineId,
    run: u32,
    /// Nothing while it is down.
    alive: Option<Alive<M>>,
    exited: Option<Shutdown>,
    mailbox: Arc<Mailbox>,
    /// The deadline the driver knows of.
    deadline: Instant,
}

struct Alive<M> {
    machine: M,
    disk: Box<dyn LiveDisk>,
    wiring: Wiring,
    /// Whether the machine is in the middle of something. Found set by the next holder of the lock, it tells that
    /// the thread before panicked.
    is_busy: bool,
}

impl<M: Machine> Node<M> {
    pub(super) fn new(id: MachineId, mailbox: Arc<Mailbox>) -> Self {
        let core =
            Core { id, run: 0, alive: None, exited: None, mailbox: Arc::clone(&mailbox), deadline: Instant::MAX };
        Self { core: Mutex::new(core), mailbox }
    }

    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Core<M>> {
        self.core.lock()
    }

    /// The driver's turn: all mail, then the deadline. `mail` is a buffer to use.
    pub(super) fn run(&self, office: &Office, clock: &dyn Clock, mail: &mut Vec<(Option<u32>, Mail)>) {
        let mut core = self.lock();
        self.mailbox.take(mail);
        for (handled, (run, mail)) in mail.drain(..).enumerate() {
            if handled % MAIL_BATCH == MAIL_BATCH - 1 {
                // Callers wait for the same lock.
                MutexGuard::bump(&mut core);
            }
            if run.is_none_or(|run| run == core.run) {
                core.open(office, clock.now(), mail);
            } else {
                refuse(office, mail);
            }
        }
        core.tick(office, clock.now());
    }
}

impl<M: Machine> Core<M> {
    pub(super) fn run(&self) -> u32 {
        self.run
    }

    /// Ends the run there is, and begins a new one; what was meant for the one before is void.
    pub(super) fn next_run(&mut self, office: &Office) -> u32 {
        self.kill(office);
        self.run += 1;
        self.run
    }

    pub(super) fn exited(&self) -> Option<Shutdown> {
        self.exited.clone()
    }

    pub(super) fn start(&mut self, office: &Office, now: Now, machine: M, disk: Box<dyn LiveDisk>) {
        assert!(self.alive.is_none(), "a machine is started only while it is down");
        self.exited = None;
        self.alive = Some(Alive { machine, disk, wiring: Wiring::new(), is_busy: true });
        self.settle(office, now, None);
    }

    /// Ends the machine without warning.
    pub(super) fn kill(&mut self, office: &Office) {
        let Some(mut alive) = self.alive.take() else { return };
        for conn in alive.wiring.names() {
            if let Some(line) = alive.wiring.detach(conn) {
                line.end(office, Vec::new(), Reset::Error(RESET.to_owned()));
            }
        }
        self.is_down();
    }

    pub(super) fn with_machine<R>(
        &mut self,
        office: &Office,
        now: Now,
        call: impl FnOnce(&mut M, Now) -> R,
    ) -> Option<R> {
        let alive = self.alive(office)?;
        alive.is_busy = true;
        let result = call(&mut alive.machine, now);
        self.settle(office, now, None);
        Some(result)
    }

    /// Accepts a caller.
    pub(super) fn accept(
        &mut self,
        office: &Office,
        now: Now,
        endpoint: Endpoint,
        peer: Peer,
        inbox: Arc<Inbox>,
    ) -> Option<ConnId> {
        let alive = self.alive(office)?;
        let conn = alive.accept(now, endpoint, peer);
        alive.wiring.attach(conn, Far::Caller(inbox), None);
        self.settle(office, now, None);
        Some(conn)
    }

    /// Has a caller's request answered on the spot. Returns false when it has to be handled.
    #[inline]
    pub(super) fn answer(
        &mut self,
        office: &Office,
        now: Now,
        conn: ConnId,
        words: Args<'_>,
        replies: &mut Vec<u8>,
    ) -> bool {
        let Some(alive) = self.alive.as_mut().filter(|alive| !alive.is_busy) else { return false };
        alive.is_busy = true;
        match alive.machine.answer_at_once(now, conn, words, replies) {
            Answer::Unsettled => {
                self.settle(office, now, Some((conn, replies)));
                true
            }
            answer @ (Answer::Declined | Answer::Whole) => {
                alive.is_busy = false;
                answer == Answer::Whole
            }
        }
    }

    /// What a caller sends, on its thread. Returns false when its connection is gone.
    pub(super) fn call(
        &mut self,
        office: &Office,
        now: Now,
        conn: ConnId,
        input: Input<'_>,
        replies: &mut Vec<u8>,
    ) -> bool {
        let Some(alive) = self.alive(office) else { return false };
        let Some(line) = alive.wiring.find(conn) else { return false };
        if line.is_blocked {
            // What the inbox had no room for comes before the reply.
            line.is_blocked = false;
            alive.machine.out_buf(conn).take_into(replies);
        }
        alive.handle(now, input);
        alive.take_reply(conn, replies);
        self.settle(office, now, Some((conn, replies)));
        true
    }

    /// A caller has emptied its inbox.
    pub(super) fn writable(&mut self, office: &Office, now: Now, conn: ConnId) {
        let Some(alive) = self.alive(office) else { return };
        alive.flush(office, conn);
        self.settle(office, now, None);
    }

    /// A caller is gone.
    pub(super) fn hang_up(&mut self, office: &Office, now: Now, conn: ConnId) {
        let Some(alive) = self.alive(office) else { return };
        if alive.wiring.detach(conn).is_some() {
            self.feed(office, now, Input::Closed(conn, Reset::EndOfStream));
        }
    }

    /// One message.
    fn open(&mut self, office: &Office, now: Now, mail: Mail) {
        let (id, run) = (self.id, self.run);
        let Some(alive) = self.alive(office) else { return refuse(office, mail) };
        match mail {
            Mail::Bytes(conn, bytes) => {
                let Some(line) = alive.wiring.find(conn) else { return };
                line.has_read(office, bytes.len());
                self.feed(office, now, Input::Received(conn, &bytes));
            }
            Mail::Closed(conn, reset) => {
                if alive.wiring.detach(conn).is_some() {
                    self.feed(office, now, Input::Closed(conn, reset));
                }
            }
            Mail::Connected(conn, address) => {
                let Some(line) = alive.wiring.find(conn) else {
                    return office.post_to(address, Mail::Closed(address.conn, Reset::EndOfStream));
                };
                line.peer = Far::Machine(address);
                let Some((local, remote)) = line.addresses else { return };
                self.feed(office, now, Input::Connected(conn, Peer::Tcp { remote, local }));
                self.writable(office, now, conn);
            }
            Mail::Dial { from, remote, local } => {
                let Some(endpoint) = alive.wiring.listener(local) else {
                    return refuse(office, Mail::Dial { from, remote, local });
                };
                let conn = alive.accept(now, endpoint, Peer::Tcp { remote, local });
                alive.wiring.attach(conn, Far::Machine(from), Some((local, remote)));
                office.post_to(from, Mail::Connected(from.conn, Address { machine: id, run, conn }));
                self.settle(office, now, None);
            }
            Mail::Disk(ticket, result) => self.feed(office, now, Input::Disk(ticket, result)),
            Mail::Look => self.settle(office, now, None),
            Mail::Read(conn, count) => {
                let Some(line) = alive.wiring.find(conn) else { return };
                line.was_read(count);
                if line.is_blocked {
                    self.writable(office, now, conn);
                }
            }
            Mail::Signal(signal) => self.feed(office, now, Input::Signal(signal)),
        }
    }

    /// Runs the deadline when it has passed, and what the last turn left.
    fn tick(&mut self, office: &Office, now: Now) {
        let Some(alive) = self.alive(office) else { return };
        match alive.machine.deadline() {
            Some((deadline, _)) if deadline <= now.instant => self.feed(office, now, Input::Timer),
            Some(_) | None => self.settle(office, now, None),
        }
    }

    fn feed(&mut self, office: &Office, now: Now, input: Input<'_>) {
        let Some(alive) = self.alive(office) else { return };
        alive.handle(now, input);
        self.settle(office, now, None);
    }

    /// The machine; one that a panic left in the middle of something is gone.
    fn alive(&mut self, office: &Office) -> Option<&mut Alive<M>> {
        if self.alive.as_ref().is_some_and(|alive| alive.is_busy) {
            self.kill(office);
        }
        self.alive.as_mut()
    }

    /// Carries out all effects and gives the answers that are there, up to a limit; the driver does the rest.
    fn settle(&mut self, office: &Office, now: Now, mut reader: Option<(ConnId, &mut Vec<u8>)>) {
        let Some(alive) = self.alive.as_mut() else { return };
        for answers in 0.. {
            let reader = reader.as_mut().map(|(conn, bytes)| (*conn, &mut **bytes));
            let mut wire = LiveWire { id: self.id, run: self.run, office, wiring: &mut alive.wiring, reader };
            let mut disk = DiskSide { disk: alive.disk.as_mut(), exited: &mut self.exited };
            settle(&mut alive.machine, &mut wire, &mut disk);
            if self.exited.is_some() {
                return self.end(office);
            }
            if answers == TURN_ANSWERS_MAX {
                office.call(&self.mailbox);
                break;
            }
            let Some(input) = alive.next_input() else { break };
            alive.machine.handle(now, input);
        }
        alive.is_busy = false;
        let deadline = alive.machine.deadline().map_or(Instant::MAX, |(deadline, _)| deadline);
        if deadline != self.deadline {
            self.deadline = deadline;
            self.mailbox.set_deadline(deadline);
            office.waker().wake_for(deadline);
        }
    }

    /// The machine ended by itself: its last bytes go out.
    fn end(&mut self, office: &Office) {
        let Some(mut alive) = self.alive.take() else { return };
        for conn in alive.wiring.names() {
            let mut rest = Vec::new();
            alive.machine.out_buf(conn).take_into(&mut rest);
            if let Some(line) = alive.wiring.detach(conn) {
                line.end(office, rest, Reset::EndOfStream);
            }
        }
        self.is_down();
    }

    fn is_down(&mut self) {
        self.deadline = Instant::MAX;
        self.mailbox.set_deadline(Instant::MAX);
    }
}

impl<M: Machine> Alive<M> {
    fn accept(&mut self, now: Now, endpoint: Endpoint, peer: Peer) -> ConnId {
        self.is_busy = true;
        self.machine.accept(now, endpoint, peer)
    }

    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.is_busy = true;
        self.machine.handle(now, input);
    }

    /// What a caller's request was answered at once.
    fn take_reply(&mut self, conn: ConnId, replies: &mut Vec<u8>) {
        let out = self.machine.out_buf(conn);
        out.take_into(replies);
        if out.take_drained() {
            self.wiring.notices.push_back(Notice::Drained(conn));
        }
    }

    fn flush(&mut self, office: &Office, conn: ConnId) {
        let Some(line) = self.wiring.find(conn) else { return };
        let out = self.machine.out_buf(conn);
        line.flush(office, out);
        if out.take_drained() {
            self.wiring.notices.push_back(Notice::Drained(conn));
        }
    }

    /// The next answer that needs no waiting.
    fn next_input(&mut self) -> Option<Input<'static>> {
        if let Some((ticket, result)) = self.disk.poll() {
            return Some(Input::Disk(ticket, result));
        }
        loop {
            match self.wiring.notices.pop_front()? {
                Notice::Closed(conn, reset) => {
                    if self.wiring.detach(conn).is_some() {
                        return Some(Input::Closed(conn, reset));
                    }
                }
                Notice::Drained(conn) => {
                    if self.wiring.find(conn).is_some() {
                        return Some(Input::Drained(conn));
                    }
                }
                Notice::Listening(endpoint, result) => return Some(Input::Listening(endpoint, result)),
            }
        }
    }
}

/// Answers what nobody is there for, as a kernel would.
fn refuse(office: &Office, mail: Mail) {
    match mail {
        Mail::Connected(_, address) => {
            office.post_to(address, Mail::Closed(address.conn, Reset::Error(RESET.to_owned())))
        }
        Mail::Dial { from, .. } => office.post_to(from, Mail::Closed(from.conn, Reset::Error(REFUSED.to_owned()))),
        Mail::Bytes(..) | Mail::Closed(..) | Mail::Disk(..) | Mail::Look | Mail::Read(..) | Mail::Signal(_) => {}
    }
}

/// Hands everything to the plugged-in disk, and notes the machine's end.
struct DiskSide<'a> {
    disk: &'a mut dyn LiveDisk,
    exited: &'a mut Option<Shutdown>,
}

impl Disk for DiskSide<'_> {
    fn submit(&mut self, ticket: Ticket, lane: Lane, op: DiskOp) {
        self.disk.submit(ticket, lane, op);
    }

    fn log(&mut self, line: LogLine) {
        self.disk.log(line);
    }

    fn exit(&mut self, shutdown: Shutdown) {
        self.disk.exit(shutdown.clone());
        *self.exited = Some(shutdown);
    }
}

/// Messages the driver handles before it lets waiting callers have the machine.
const MAIL_BATCH: usize = 16;

/// Answers one turn takes before it leaves the rest to the driver: a caller does not run a whole snapshot.
const TURN_ANSWERS_MAX: usize = 16;
