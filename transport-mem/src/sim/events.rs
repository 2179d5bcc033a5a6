//! What each event does.

use slotmesh_cluster::machine::{ConnId, Endpoint, Input, Machine, Peer, Reset, Signal, settle};
use slotmesh_engine::time::Instant;
use slotmesh_replication::disk::{DiskResult, Lane};

use super::Sim;
use super::host::HostWire;
use crate::address;
use crate::boot::Boot;
use crate::network::{ConnKey, EndState, Medium, Owner, Payload, REFUSED, RESET, Side, TIMED_OUT};
use crate::place::{MachineId, Place};
use crate::queue::Event;
use crate::trace::{Digest, What};

impl<M: Machine> Sim<M> {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Accept { conn, endpoint } => self.accept(conn, endpoint),
            Event::Arrive { conn, from } => self.arrive(conn, from),
            Event::Disk { machine, run, lane } => self.disk_done(event, machine, run, lane),
            Event::Drained { conn, side } => self.drained(event, conn, side),
            Event::Fault { index } => self.apply(self.faults[index].clone()),
            Event::GiveUp { conn, from } => self.give_up(event, conn, from),
            Event::Listening { machine, run, endpoint, problem } => {
                self.listening(event, machine, run, endpoint, problem);
            }
            Event::Program { machine, run, id, news } => self.tell_program(event, machine, run, id, news),
            Event::Signal { machine, run, signal } => self.signalled(event, machine, run, signal),
            Event::Timer { machine, token } => self.timer(machine, token),
            Event::Writable { conn, side } => self.writable(event, conn, side),
        }
    }

    /// Builds a machine that is down and lets it begin.
    pub(super) fn start(&mut self, id: MachineId) {
        let host = &mut self.hosts[id.0];
        assert!(host.machine.is_none(), "a machine is built only while it is down");
        let kit = &mut host.kit;
        kit.run += 1;
        kit.output.exited = None;
        kit.starts += 1;
        let boot = Boot {
            id,
            ip: id.ip(),
            now: kit.clock.read(self.now),
            seed: kit.rng.next_u64(),
            run: kit.starts,
            dir: crate::disk::DIR.to_owned(),
        };
        self.trace.push(self.now, Some(id.into()), What::Started(boot.run));
        host.machine = Some((host.build)(boot));
        self.drain(id);
    }

    /// Gives a machine one input, and carries out what follows.
    pub(super) fn feed(&mut self, id: MachineId, input: Input<'_>) {
        let host = &mut self.hosts[id.0];
        let Some(machine) = host.machine.as_mut() else { return };
        machine.handle(host.kit.clock.read(self.now), input);
        self.drain(id);
    }

    /// Carries out all effects of a machine and sets its timer.
    pub(super) fn drain(&mut self, id: MachineId) {
        let machines = self.hosts.len();
        let host = &mut self.hosts[id.0];
        let Some(machine) = host.machine.as_mut() else { return };
        let kit = &mut host.kit;
        kit.output.begin(self.now);
        let mut wire = HostWire {
            id,
            run: kit.run,
            now: self.now,
            machines,
            wiring: &mut kit.wiring,
            network: &mut self.network,
            queue: &mut self.queue,
            names: &self.names,
        };
        settle(machine, &mut wire, &mut kit.output);
        for (ticket, lane, op) in kit.output.submitted.drain(..) {
            let takes = kit.disk_config.duration(&op, &mut kit.rng);
            if kit.lanes.push(lane, ticket, op) {
                self.queue.push(self.now + takes, Event::Disk { machine: id, run: kit.run, lane });
            }
        }
        let fresh = std::mem::take(&mut kit.output.log_fresh);
        for logged in kit.output.log.iter().rev().take(fresh).rev() {
            self.trace.push(self.now, Some(id.into()), What::Logged(logged.line.text.clone()));
        }
        let wishes = std::mem::take(&mut kit.output.wishes);
        self.grant(id, wishes);
        let kit = &mut self.hosts[id.0].kit;
        if kit.output.exited.is_some() {
            self.end(id);
        } else {
            self.arm(id);
        }
    }

    /// Makes the machine's deadline an event, unless an earlier one is due anyway.
    pub(super) fn arm(&mut self, id: MachineId) {
        let host = &mut self.hosts[id.0];
        let Some((deadline, _)) = host.machine.as_ref().and_then(Machine::deadline) else { return };
        if deadline == Instant::MAX {
            return;
        }
        let kit = &mut host.kit;
        let at = kit.clock.when(deadline).max(self.now);
        if kit.armed.is_none_or(|armed| at < armed) {
            kit.armed = Some(at);
            kit.timer_token += 1;
            self.queue.push(at, Event::Timer { machine: id, token: kit.timer_token });
        }
    }

    /// Answers who reads at an end: a stopped process's events wait for it.
    pub(super) fn park(&mut self, owner: Owner, event: Event) -> bool {
        let room = match owner {
            Owner::Client(id) => self.clients[id.0].waiting.as_mut(),
            Owner::Machine(id, _) => self.hosts[id.0].kit.waiting.as_mut(),
            Owner::Nobody => None,
        };
        let Some(room) = room else { return false };
        room.push_back(event);
        true
    }

    fn timer(&mut self, id: MachineId, token: u64) {
        let host = &mut self.hosts[id.0];
        if host.kit.timer_token != token {
            return;
        }
        host.kit.armed = None;
        if host.kit.waiting.is_some() {
            return;
        }
        let local = host.kit.clock.read(self.now).instant;
        match host.machine.as_ref().and_then(Machine::deadline) {
            Some((deadline, timer)) if deadline <= local => {
                self.trace.push(self.now, Some(id.into()), What::Timer(timer));
                self.feed(id, Input::Timer);
            }
            Some(_) => self.arm(id),
            None => {}
        }
    }

    fn disk_done(&mut self, event: Event, id: MachineId, run: u32, lane: Lane) {
        if self.hosts[id.0].kit.run != run || self.park(Owner::Machine(id, None), event) {
            return;
        }
        let kit = &mut self.hosts[id.0].kit;
        let Some((ticket, kind, result)) = kit.lanes.complete(lane, &mut kit.disk) else { return };
        if let Some(next) = kit.lanes.first(lane) {
            let takes = kit.disk_config.duration(next, &mut kit.rng);
            self.queue.push(self.now + takes, event);
        }
        kit.operations += 1;
        let succeeded = !matches!(result, DiskResult::Failed(_));
        self.trace.push(self.now, Some(id.into()), What::Disk(kind, succeeded));
        self.feed(id, Input::Disk(ticket, result));
    }

    fn listening(&mut self, event: Event, id: MachineId, run: u32, endpoint: Endpoint, problem: Option<&'static str>) {
        if self.hosts[id.0].kit.run != run || self.park(Owner::Machine(id, None), event) {
            return;
        }
        self.trace.push(self.now, Some(id.into()), What::Listening(endpoint, problem.is_none()));
        let result = problem.map_or(Ok(()), |problem| Err(problem.to_owned()));
        self.feed(id, Input::Listening(endpoint, result));
    }

    fn signalled(&mut self, event: Event, id: MachineId, run: u32, signal: Signal) {
        if self.hosts[id.0].kit.run != run || self.park(Owner::Machine(id, None), event) {
            return;
        }
        self.trace.push(self.now, Some(id.into()), What::Signalled(signal == Signal::Terminate));
        self.feed(id, Input::Signal(signal));
    }

    fn arrive(&mut self, key: ConnKey, from: Side) {
        let Some(conn) = self.network.conn(key) else { return };
        if !self.network.passes(conn, from) {
            return self.network.stall(self.now, &mut self.queue, key, from);
        }
        let to = conn.ends[from.other().index()];
        // The kernel answers a dial even while the process is stopped.
        let is_dial = conn.pipes[from.index()].first() == Some(Payload::Dial);
        if !is_dial && self.park(to.owner, Event::Arrive { conn: key, from }) {
            return;
        }
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        let Some(conn) = self.network.conn_mut(key) else { return };
        let payload = conn.pipes[from.index()].pop(self.now, &mut bytes);
        self.network.schedule(&mut self.queue, key, from);
        match payload {
            Some(payload) if to.state != EndState::Gone => self.take(key, from, payload, &mut bytes),
            Some(_) if to.is_silent => {
                self.network.send(self.now, &mut self.queue, key, from.other(), Payload::Reset(RESET));
            }
            Some(_) | None => {}
        }
        self.scratch = bytes;
    }

    /// Gives a segment to the end that `from` sent it to.
    fn take(&mut self, key: ConnKey, from: Side, payload: Payload, bytes: &mut Vec<u8>) {
        match payload {
            Payload::Bytes(_) => self.deliver(key, from, bytes),
            Payload::Connected => self.connected(key),
            Payload::Dial => self.dialled(key),
            Payload::EndOfStream => self.lose(key, from.other(), "end of stream", Reset::EndOfStream),
            Payload::Reset(why) => self.lose(key, from.other(), why, address::reset(why)),
        }
    }

    fn deliver(&mut self, key: ConnKey, from: Side, bytes: &mut Vec<u8>) {
        self.open_window(key, from);
        let Some(conn) = self.network.conn(key) else { return };
        match conn.ends[from.other().index()].owner {
            Owner::Client(id) => {
                self.trace.push(self.now, Some(id.into()), What::ReceivedByClient(bytes.len(), Digest::of(bytes)));
                self.clients[id.0].received.extend_from_slice(bytes);
            }
            Owner::Machine(id, Some(conn)) => self.deliver_to_machine(id, conn, bytes),
            Owner::Machine(_, None) | Owner::Nobody => {}
        }
    }

    /// Bytes have arrived: a sender that waits for the window hears of it.
    pub(super) fn open_window(&mut self, key: ConnKey, from: Side) {
        if self.network.conn(key).is_some_and(|conn| conn.ends[from.index()].is_blocked) {
            let back = self.network.latency(key, from.other());
            self.queue.push(self.now + back, Event::Writable { conn: key, side: from });
        }
    }

    /// The wish to connect has reached the target: its kernel accepts or refuses.
    fn dialled(&mut self, key: ConnKey) {
        let Some(conn) = self.network.conn(key) else { return };
        let target = conn.ends[Side::Target.index()];
        let Owner::Machine(id, _) = target.owner else { return };
        let wiring = &self.hosts[id.0].kit.wiring;
        let endpoint = match conn.medium {
            Medium::InProcess => Some(Endpoint::Client),
            Medium::Tcp => wiring.listener(target.address),
            Medium::Unix => wiring.unix().map(|(endpoint, _)| endpoint),
        };
        let Some(endpoint) = endpoint.filter(|_| self.hosts[id.0].machine.is_some()) else {
            self.network.send(self.now, &mut self.queue, key, Side::Target, Payload::Reset(REFUSED));
            return self.network.leave(key, Side::Target);
        };
        self.network.send(self.now, &mut self.queue, key, Side::Target, Payload::Connected);
        if !self.park(target.owner, Event::Accept { conn: key, endpoint }) {
            self.accept(key, endpoint);
        }
    }

    fn accept(&mut self, key: ConnKey, endpoint: Endpoint) {
        let Some(peer) = self.peer(key, Side::Target) else { return };
        let Some(conn) = self.network.conn_mut(key) else { return };
        let end = &mut conn.ends[Side::Target.index()];
        let Owner::Machine(id, None) = end.owner else { return };
        // Between the kernel's answer and this the process may have died.
        let host = &mut self.hosts[id.0];
        let Some(machine) = host.machine.as_mut().filter(|_| end.state == EndState::Open) else { return };
        let conn = machine.accept(host.kit.clock.read(self.now), endpoint, peer);
        end.owner = Owner::Machine(id, Some(conn));
        host.kit.wiring.attach(conn, key, Side::Target);
        self.trace.push(self.now, Some(id.into()), What::Accepted(conn, endpoint));
        self.drain(id);
    }

    fn connected(&mut self, key: ConnKey) {
        let peer = self.peer(key, Side::Dialer);
        let Some(conn) = self.network.conn_mut(key) else { return };
        let end = &mut conn.ends[Side::Dialer.index()];
        end.state = EndState::Open;
        let was_blocked = end.is_blocked;
        if let (Owner::Machine(id, Some(conn)), Some(peer)) = (end.owner, peer) {
            self.trace.push(self.now, Some(id.into()), What::Connected(conn));
            self.feed(id, Input::Connected(conn, peer));
            if was_blocked {
                self.queue.push(self.now, Event::Writable { conn: key, side: Side::Dialer });
            }
        }
    }

    /// How the machine at `side` sees the other end.
    fn peer(&self, key: ConnKey, side: Side) -> Option<Peer> {
        let conn = self.network.conn(key)?;
        let (own, other) = (&conn.ends[side.index()], &conn.ends[side.other().index()]);
        Some(match conn.medium {
            Medium::InProcess => Peer::InProcess,
            Medium::Tcp => Peer::Tcp { remote: other.address, local: own.address },
            Medium::Unix => {
                let Owner::Machine(id, _) = own.owner else { return None };
                let path = self.hosts[id.0].kit.wiring.unix().map(|(_, path)| path.to_owned());
                Peer::Unix { path: path.unwrap_or_default() }
            }
        })
    }

    /// A side learns that the connection is gone.
    fn lose(&mut self, key: ConnKey, side: Side, why: &'static str, reset: Reset) {
        let Some(conn) = self.network.conn(key) else { return };
        let owner = conn.ends[side.index()].owner;
        self.network.leave(key, side);
        match owner {
            Owner::Client(id) => self.clients[id.0].closed = Some(reset),
            Owner::Machine(id, Some(conn)) => {
                self.hosts[id.0].kit.wiring.detach(conn);
                self.trace.push(self.now, Some(id.into()), What::Closed(conn, why));
                self.feed(id, Input::Closed(conn, reset));
            }
            Owner::Machine(_, None) | Owner::Nobody => {}
        }
    }

    fn give_up(&mut self, event: Event, key: ConnKey, from: Side) {
        if !self.network.is_out_of_patience(self.now, key, from) {
            return;
        }
        let Some(conn) = self.network.conn_mut(key) else { return };
        let owner = conn.ends[from.index()].owner;
        if self.park(owner, event) {
            return;
        }
        // The other end learns of it when the link works again: whatever it sends is answered with a reset.
        let Some(conn) = self.network.conn_mut(key) else { return };
        conn.pipes[from.index()].clear();
        self.network.send(self.now, &mut self.queue, key, from, Payload::Reset(RESET));
        self.lose(key, from, TIMED_OUT, Reset::Error(TIMED_OUT.to_owned()));
    }

    fn writable(&mut self, event: Event, key: ConnKey, side: Side) {
        let Some((id, conn)) = self.machine_end(key, side) else { return };
        if self.park(Owner::Machine(id, None), event) {
            return;
        }
        let Some(machine) = self.hosts[id.0].machine.as_mut() else { return };
        let out = machine.out_buf(conn);
        if self.network.flush(self.now, &mut self.queue, key, side, out) {
            self.queue.push(self.now, Event::Drained { conn: key, side });
        }
    }

    fn drained(&mut self, event: Event, key: ConnKey, side: Side) {
        let Some((id, conn)) = self.machine_end(key, side) else { return };
        if self.park(Owner::Machine(id, None), event) {
            return;
        }
        self.trace.push(self.now, Some(Place::Machine(id)), What::Drained(conn));
        self.feed(id, Input::Drained(conn));
    }

    /// The machine that is still at a side, and its name for the connection.
    fn machine_end(&self, key: ConnKey, side: Side) -> Option<(MachineId, ConnId)> {
        let end = &self.network.conn(key)?.ends[side.index()];
        match end.owner {
            Owner::Machine(id, Some(conn)) if end.state != EndState::Gone => Some((id, conn)),
            Owner::Client(_) | Owner::Machine(..) | Owner::Nobody => None,
        }
    }
}
