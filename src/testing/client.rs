//! A client of the cluster, in virtual time: finds the node of a key, follows redirections, tries again.

use std::collections::BTreeMap;
use std::time::Duration;

use slotmesh_engine::resp::args::ArgsBuf;
use slotmesh_engine::slot::Slot;
use slotmesh_transport_mem::{ClientId, MachineId};

use super::reply::Reply;
use super::world::{Shared, World, words};

/// What a client does with a reply that is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Redirections (MOVED, ASK) followed in one call.
    pub redirects_max: usize,
    /// How long TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN and lost connections are tried again, in virtual time.
    /// Zero: not at all.
    pub patience: Duration,
    /// The time between two tries.
    pub pause: Duration,
    /// How long one reply may take.
    pub reply_max: Duration,
}

impl Retry {
    /// Redirections are followed, everything else is returned at once.
    pub const NONE: Self = Self {
        redirects_max: 16,
        patience: Duration::ZERO,
        pause: Duration::from_millis(10),
        reply_max: Duration::from_secs(1),
    };
}

impl Default for Retry {
    /// Sixteen redirections; ten seconds of tries, ten milliseconds apart; a second for each reply.
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), ..Self::NONE }
    }
}

/// A client that routes each command to the node that serves its key.
///
/// A command whose reply is lost is sent again: a write may then happen twice.
pub struct TestClient {
    world: Shared,
    routes: BTreeMap<Slot, MachineId>,
    conns: BTreeMap<MachineId, ClientId>,
    retry: Retry,
    /// Where commands without keys go, and those whose owner is not known.
    anyone: MachineId,
}

/// Where and how the next try goes.
#[derive(Debug, Clone, Copy)]
struct Try {
    to: MachineId,
    asking: bool,
}

impl TestClient {
    pub(super) fn new(world: Shared) -> Self {
        Self { world, routes: BTreeMap::new(), conns: BTreeMap::new(), retry: Retry::default(), anyone: MachineId(0) }
    }

    /// Changes what is tried again.
    pub fn set_retry(&mut self, retry: Retry) {
        self.retry = retry;
    }

    /// Runs a command and returns the last reply: the result, or the error that remains when the [`Retry`] is used
    /// up.
    ///
    /// # Panics
    /// When no node answered at all; seed and trace are printed.
    pub fn call<T: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = T>) -> Reply {
        match self.try_call(args) {
            Some(reply) => reply,
            None => self.world.borrow().sim.fail("no node answers the client"),
        }
    }

    /// As [`TestClient::call`]; nothing when no node answered.
    pub fn try_call<T: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = T>) -> Option<Reply> {
        let words = words(args);
        let slot = self.world.borrow().slot_of(&words);
        let end = self.now() + self.retry.patience;
        let mut last = None;
        let mut redirects = 0;
        let mut next = self.first_try(slot);
        loop {
            let reply = self.ask(next, &words);
            match reply.as_ref().map(|reply| (reply, redirection(reply))) {
                Some((_, Some(Redirection::Moved(moved, address)))) if redirects < self.retry.redirects_max => {
                    redirects += 1;
                    next = self.follow(moved, address, slot);
                    last = reply;
                    continue;
                }
                Some((_, Some(Redirection::Ask(address)))) if redirects < self.retry.redirects_max => {
                    redirects += 1;
                    let to = self.world.borrow().machine_at(address).unwrap_or(next.to);
                    next = Try { to, asking: true };
                    last = reply;
                    continue;
                }
                Some((answer, _)) if !is_passing(answer) => return reply,
                Some(_) => last = reply,
                None => {
                    // Somebody else may know where the slot went.
                    self.forget(next.to, slot);
                }
            }
            if self.now() >= end {
                return last;
            }
            redirects = 0;
            self.world.borrow_mut().sim.advance(self.retry.pause);
            next = self.first_try(slot);
        }
    }

    fn first_try(&self, slot: Option<Slot>) -> Try {
        let known = slot.and_then(|slot| self.routes.get(&slot).copied());
        Try { to: known.unwrap_or(self.anyone), asking: false }
    }

    fn follow(&mut self, moved: Option<Slot>, address: &str, slot: Option<Slot>) -> Try {
        let Some(to) = self.world.borrow().machine_at(address) else { return self.first_try(slot) };
        if let Some(moved) = moved {
            self.routes.insert(moved, to);
        }
        Try { to, asking: false }
    }

    fn forget(&mut self, id: MachineId, slot: Option<Slot>) {
        if let Some(client) = self.conns.remove(&id) {
            self.world.borrow_mut().sim.hang_up(client);
        }
        if let Some(slot) = slot {
            self.routes.remove(&slot);
        }
        let nodes = self.world.borrow().ports.len();
        self.anyone = MachineId((id.0 + 1) % nodes);
    }

    /// One try; nothing when there is no reply.
    fn ask(&mut self, next: Try, words: &ArgsBuf) -> Option<Reply> {
        let mut world = self.world.borrow_mut();
        let client = Self::conn(&mut self.conns, &mut world, next.to);
        if next.asking {
            world.call(client, &super::world::words(["ASKING"]), self.retry.reply_max).ok()?;
        }
        world.call(client, words, self.retry.reply_max).ok()
    }

    fn conn(conns: &mut BTreeMap<MachineId, ClientId>, world: &mut World, id: MachineId) -> ClientId {
        if let Some(&client) = conns.get(&id)
            && world.sim.closed(client).is_none()
        {
            return client;
        }
        let address = world.address(id);
        let client = world.sim.client_tcp(address);
        conns.insert(id, client);
        client
    }

    fn now(&self) -> slotmesh_engine::time::Instant {
        self.world.borrow().sim.now()
    }
}

impl std::fmt::Debug for TestClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestClient").field("retry", &self.retry).finish_non_exhaustive()
    }
}

enum Redirection<'a> {
    Ask(&'a str),
    Moved(Option<Slot>, &'a str),
}

fn redirection(reply: &Reply) -> Option<Redirection<'_>> {
    let Reply::Error(text) = reply else { return None };
    let mut words = text.split(' ');
    let kind = words.next()?;
    let slot = words.next().and_then(|number| Slot::new(number.parse().ok()?));
    match kind {
        "ASK" => Some(Redirection::Ask(words.next()?)),
        "MOVED" => Some(Redirection::Moved(slot, words.next()?)),
        _ => None,
    }
}

/// Whether an error is worth another try in a moment. A redirection that is left over is one, too.
fn is_passing(reply: &Reply) -> bool {
    let Reply::Error(text) = reply else { return false };
    let word = text.split(' ').next().unwrap_or_default();
    matches!(word, "ASK" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "MOVED" | "TRYAGAIN" | "UNBLOCKED")
}
