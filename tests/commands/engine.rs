//! The bare engine as a target: a store with sessions, and no node, socket or clock around it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use slotmesh_engine::Engine;
use slotmesh_engine::config::Config;
use slotmesh_engine::resp::args::ArgsBuf;
use slotmesh_engine::resp::reply;
use slotmesh_engine::session::SessionId;
use slotmesh_engine::time::{Instant, Now, UnixMicros};
use slotmesh_test_support::client::Received;
use slotmesh_test_support::reply::parse;
use slotmesh_test_support::script::{ClientNumber, Patience, Protocol, Target, TargetError};

use crate::lacking::BARE_ENGINE;

/// An [`Engine`], its sessions by client, and the time it is told.
pub(crate) struct EngineTarget {
    engine: Engine,
    now: Now,
    /// When the engine wants its next [`Engine::tick`].
    tick_at: Option<Instant>,
    protocol: Protocol,
    sessions: BTreeMap<ClientNumber, Open>,
}

/// A client's session, with the bytes that came for it and were not taken yet.
struct Open {
    id: SessionId,
    received: VecDeque<u8>,
}

impl EngineTarget {
    pub(crate) fn new() -> Self {
        let now = Now { instant: Instant(1_000_000), unix: UnixMicros::from_millis(BEGIN_UNIX_MILLIS) };
        Self {
            engine: Engine::new(Config::default(), 1),
            now,
            tick_at: Some(now.instant),
            protocol: Protocol::Resp2,
            sessions: BTreeMap::new(),
        }
    }

    fn session(&mut self, client: ClientNumber) -> &mut Open {
        let (engine, protocol) = (&mut self.engine, self.protocol);
        self.sessions.entry(client).or_insert_with(|| {
            let id = engine.open();
            // HELLO is a command of the node.
            engine.session_mut(id).protocol = match protocol {
                Protocol::Resp2 => reply::Protocol::Resp2,
                Protocol::Resp3 => reply::Protocol::Resp3,
            };
            Open { id, received: VecDeque::new() }
        })
    }

    /// Goes to the next moment at which the engine has something to do by itself, if that is not behind `end`.
    fn step(&mut self, end: Instant) -> bool {
        let due = [self.engine.block_deadline(), self.tick_at].into_iter().flatten().min();
        let Some(due) = due.filter(|&due| due <= end) else { return false };
        self.now = self.now.plus(due.since(self.now.instant));
        while self.engine.time_out(self.now).is_some() {}
        if self.tick_at.is_some_and(|at| at <= self.now.instant) {
            self.tick_at = self.engine.tick(self.now);
        }
        true
    }

    fn take(&mut self, client: ClientNumber) -> io::Result<Option<Received>> {
        let id = self.session(client).id;
        let mut bytes = Vec::new();
        self.engine.out(id).take_into(&mut bytes);
        let received = &mut self.session(client).received;
        received.extend(bytes);
        let parsed = parse(received.make_contiguous());
        let parsed = parsed.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        Ok(parsed.map(|(reply, taken)| {
            received.drain(..taken);
            Received::Reply(reply)
        }))
    }
}

impl Target for EngineTarget {
    fn name(&self) -> &str {
        "ours"
    }

    fn lacks(&self, feature: &str) -> bool {
        BARE_ENGINE.lacks(feature)
    }

    fn begin(&mut self, protocol: Protocol, _: &[String]) -> Result<(), TargetError> {
        for open in std::mem::take(&mut self.sessions).into_values() {
            self.engine.close(open.id);
        }
        self.protocol = Protocol::Resp2;
        let control = ClientNumber(0);
        self.send(control, &[b"FLUSHALL".to_vec()])?;
        match self.receive(control, Patience::Reply)? {
            Received::Reply(reply) if reply.text() != Some(b"OK") => return Err(TargetError::NotEmptied(reply)),
            Received::Reply(_) | Received::Closed | Received::Nothing => {}
        }
        if let Some(open) = self.sessions.remove(&control) {
            self.engine.close(open.id);
        }
        self.protocol = protocol;
        Ok(())
    }

    fn send(&mut self, client: ClientNumber, args: &[Vec<u8>]) -> Result<(), TargetError> {
        let id = self.session(client).id;
        let request: ArgsBuf = args.iter().collect();
        self.engine.execute(self.now, id, request.as_args());
        // Whatever was written may be due before what was known of.
        self.tick_at = Some(self.now.instant);
        Ok(())
    }

    fn send_raw(&mut self, _: ClientNumber, _: &[u8]) -> Result<(), TargetError> {
        Err(TargetError::Unsupported("byte stream"))
    }

    fn receive(&mut self, client: ClientNumber, patience: Patience) -> Result<Received, TargetError> {
        let end = self.now.instant
            + match patience {
                Patience::Reply => REPLY_LIMIT,
                Patience::Silence => Duration::ZERO,
            };
        loop {
            if let Some(received) = self.take(client)? {
                return Ok(received);
            }
            if !self.step(end) {
                return Ok(Received::Nothing);
            }
        }
    }

    fn advance(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        while self.step(end) {}
        self.now = self.now.plus(end.since(self.now.instant));
    }
}

/// How far time is moved for a reply: beyond every timeout in the scripts.
const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// The calendar at the beginning: some day in 2025.
const BEGIN_UNIX_MILLIS: i64 = 1_750_000_000_000;
