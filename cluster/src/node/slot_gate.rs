//! The gate of cluster mode: does this node serve the request's keys?
//!
//! Finds the slots of a request (of the whole queue, for EXEC) and asks [`redirect::decide`].

use slotmesh_engine::command::keys::{KeySpec, each_key};
use slotmesh_engine::command::spec::{ASKING, PUBSUB, WRITE};
use slotmesh_engine::command::{CommandId, Resolved};
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::keyspace::DbIndex;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::session::{SessionId, SessionState};
use slotmesh_engine::slot::Slot;
use slotmesh_engine::time::Now;

use super::Node;
use crate::bus::Bus;
use crate::bus::report::ClientKind;
use crate::redirect::{self, Access, KeySlots, Presence, Request};

impl Node {
    /// Refuses what another node serves, or nobody.
    pub(super) fn slot_gate(
        &self,
        now: Now,
        session: SessionId,
        command: Resolved,
        args: Args<'_>,
    ) -> Result<(), ReplyError> {
        let is_exec = self.is_exec(command);
        if command.keys.is_empty() && !is_exec {
            return Ok(());
        }
        self.check_slots(now, session, command, args, is_exec)
    }

    /// ASKING holds for one request, or for the transaction that this request opened. Called behind each request,
    /// also a refused one.
    pub(super) fn forget_asking(&mut self, session: SessionId, command: Option<CommandId>) {
        let is_asking = command.is_some_and(|id| &*self.engine.registry().get(id).full_name == "asking");
        if !is_asking && self.engine.find(session).is_some_and(|state| state.transaction.is_none()) {
            self.engine.session_mut(session).asking = false;
        }
    }

    fn check_slots(
        &self,
        now: Now,
        session: SessionId,
        command: Resolved,
        args: Args<'_>,
        is_exec: bool,
    ) -> Result<(), ReplyError> {
        let Some(bus) = &self.bus else { return Ok(()) };
        let state = self.engine.session(session);
        let mut keys = Keys::new();
        if is_exec {
            for queued in state.transaction.iter().flat_map(|open| &open.queue) {
                keys.add(queued.resolved.keys, queued.args.as_args());
            }
        } else {
            keys.add(command.keys, args);
        }
        let request = Request {
            keys: keys.slots,
            access: self.slot_access(command, session),
            asking: state.asking || command.flags.has(ASKING),
            readonly: state.readonly,
            client: ClientKind::Plain,
        };
        let presence = || self.presence(session, command, args, is_exec);
        redirect::decide(bus, now.instant, &request, presence).map_err(|refusal| ReplyError::text(refusal.to_string()))
    }

    fn slot_access(&self, command: Resolved, session: SessionId) -> Access {
        if &*self.engine.registry().get(command.id).full_name == "migrate" {
            Access::Migrate
        } else if command.flags.has(PUBSUB) {
            Access::PubSubShard
        } else if self.engine.session(session).reach(command).flags.has(WRITE) {
            Access::Write
        } else {
            Access::Read
        }
    }

    /// How many of the request's keys are here.
    fn presence(&self, session: SessionId, command: Resolved, args: Args<'_>, is_exec: bool) -> Presence {
        let core = self.engine.core();
        let state = self.engine.session(session);
        let mut presence = Presence::default();
        let mut count = |db: DbIndex, command: Resolved, args: Args<'_>| {
            // A request without a sound number of keys has none.
            let _ = each_key(command.keys, args, |index, _| {
                let key = args.at(index);
                match core.keyspace.db(db).find(core.keyspace.hash(key), key) {
                    Some(_) => presence.existing += 1,
                    None => presence.missing += 1,
                }
            });
        };
        // What is behind a SELECT of a queue is in that database.
        if is_exec {
            let mut db = state.db;
            for queued in state.transaction.iter().flat_map(|open| &open.queue) {
                let (queued, args) = (queued.resolved, queued.args.as_args());
                db = self.selected(queued, args).unwrap_or(db);
                count(db, queued, args);
            }
        } else {
            let queued = state.transaction.as_ref().and_then(|open| open.db);
            count(queued.unwrap_or(state.db), command, args);
        }
        presence
    }

    /// Notes in which database the next commands of a queue will run.
    pub(super) fn note_queued(&mut self, session: SessionId, command: Resolved, args: Args<'_>) {
        if self.bus.is_none() || self.engine.core().keyspace.databases() == 1 {
            return;
        }
        let selected = self.selected(command, args);
        if let (Some(db), Some(open)) = (selected, &mut self.engine.session_mut(session).transaction) {
            open.db = Some(db);
        }
    }

    /// The database that a SELECT chooses, if the command is one and there is that database.
    fn selected(&self, command: Resolved, args: Args<'_>) -> Option<DbIndex> {
        if &*self.engine.registry().get(command.id).full_name != "select" {
            return None;
        }
        let number = u32::try_from(slotmesh_engine::number::parse_i64(args.get(1)?)?).ok()?;
        (number < self.engine.core().keyspace.databases()).then_some(DbIndex(number))
    }
}

/// Whether a node serves the keys of a request that only reads, whatever the other gates say.
pub(super) fn serves_read(bus: &Bus, now: Now, session: &SessionState, command: &Resolved, args: Args<'_>) -> bool {
    let mut keys = Keys::new();
    keys.add(command.keys, args);
    let (readonly, client) = (session.readonly, ClientKind::Plain);
    let request = Request { keys: keys.slots, access: Access::Read, asking: false, readonly, client };
    // Of a slot on the move nobody looks here which keys have gone: as if one had.
    let presence = || Presence { missing: 1, ..Presence::default() };
    redirect::decide(bus, now.instant, &request, presence).is_ok()
}

/// The slots met so far.
struct Keys<'a> {
    slots: KeySlots,
    first: &'a [u8],
}

impl<'a> Keys<'a> {
    const fn new() -> Self {
        Self { slots: KeySlots::None, first: &[] }
    }

    /// Adds the keys of a request. One whose number of keys is none has no keys, as in Redis: it runs here, and its
    /// command finds the words to refuse it.
    fn add(&mut self, specs: &[KeySpec], args: Args<'a>) {
        let before = (self.slots, self.first);
        if each_key(specs, args, |index, _| self.add_key(args.at(index))).is_err() {
            (self.slots, self.first) = before;
        }
    }

    fn add_key(&mut self, key: &'a [u8]) {
        let slot = Slot::of_key(key);
        self.slots = match self.slots {
            KeySlots::None => {
                self.first = key;
                KeySlots::One { slot, several: false }
            }
            KeySlots::One { slot: first, .. } if first != slot => KeySlots::Cross,
            KeySlots::One { slot, several } => KeySlots::One { slot, several: several || key != self.first },
            KeySlots::Cross => KeySlots::Cross,
        };
    }
}
