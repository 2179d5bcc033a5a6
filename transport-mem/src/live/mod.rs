//! Machines in real time inside one process, without sockets.
//!
//! A [`Bus`] hosts machines that reach each other by their invented addresses. A [`Caller`] runs its commands on its
//! own thread: it takes the machine's lock, hands the request over, and takes the reply. Bytes between machines
//! wait in mailboxes; one driver thread empties them and runs deadlines. Real sockets are not here.
//!
//! Locks, and why they cannot block each other for ever: a thread holds at most one machine's lock (`node`). While
//! it does, it may take leaf locks, one at a time: a mailbox, a caller's inbox, the list of mailboxes. Who holds a
//! leaf lock takes no other lock. The list of machines is locked without any machine's lock; only [`Bus::add`] locks
//! the list of mailboxes inside it. Mail is posted before the sender's lock is given back, so that two threads that
//! run one machine in turn cannot change the order of its bytes.

mod caller;
mod clock;
mod disk;
mod driver;
mod mail;
mod node;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use slotmesh_cluster::machine::{Endpoint, Machine, Peer, Shutdown, Signal};
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Now;

use crate::boot::Boot;
use crate::disk::DIR;
use crate::place::MachineId;
pub use caller::Caller;
use caller::Inbox;
pub use clock::{Clock, SystemClock};
pub use disk::{Answers, LiveDisk, RamDisk};
use mail::{Mail, Office};
use node::Node;

/// A host of machines in real time. Dropping it ends its thread and its machines.
pub struct Bus<M: Machine + Send + 'static> {
    shared: Arc<Shared<M>>,
    driver: Option<JoinHandle<()>>,
    seeds: Mutex<Rng>,
}

/// What the driver and the callers have in common.
struct Shared<M> {
    clock: Box<dyn Clock>,
    office: Arc<Office>,
    nodes: RwLock<Vec<Arc<Node<M>>>>,
}

impl<M: Machine + Send + 'static> Bus<M> {
    /// A bus on the system's clock; machines get their seeds from `seed`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(seed: u64) -> std::io::Result<Self> {
        Self::with_clock(seed, SystemClock::new())
    }

    /// A bus on another clock. When that clock is moved by hand, [`Bus::clock_moved`] tells the bus.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn with_clock(seed: u64, clock: impl Clock + 'static) -> std::io::Result<Self> {
        let office = Arc::new(Office::new());
        let shared = Arc::new(Shared { clock: Box::new(clock), office, nodes: RwLock::new(Vec::new()) });
        let driver = driver::start(Arc::clone(&shared))?;
        Ok(Self { shared, driver: Some(driver), seeds: Mutex::new(Rng::new(seed)) })
    }

    /// Adds a machine that `build` makes, with the disk that `disk` makes, and starts it.
    pub fn add(&self, build: impl FnOnce(Boot) -> M, disk: impl FnOnce(Answers) -> Box<dyn LiveDisk>) -> MachineId {
        let (id, node) = {
            let mut nodes = self.shared.nodes.write();
            let id = MachineId(nodes.len());
            let node = Arc::new(Node::new(id, self.shared.office.open_box()));
            nodes.push(Arc::clone(&node));
            (id, node)
        };
        self.start(id, &node, build, disk);
        id
    }

    /// Builds a machine again after it ended or was killed; one that runs is killed first.
    ///
    /// # Panics
    /// When there is no such machine.
    pub fn restart(
        &self,
        id: MachineId,
        build: impl FnOnce(Boot) -> M,
        disk: impl FnOnce(Answers) -> Box<dyn LiveDisk>,
    ) {
        self.start(id, &self.shared.node(id), build, disk);
    }

    /// Ends a machine without warning. Its peers and callers see a reset.
    ///
    /// # Panics
    /// When there is no such machine.
    pub fn kill(&self, id: MachineId) {
        self.shared.node(id).lock().kill(&self.shared.office);
    }

    /// Connects a caller to a machine, as a client inside its process. Nothing when the machine is down.
    ///
    /// # Panics
    /// When there is no such machine.
    pub fn caller(&self, id: MachineId) -> Option<Caller<M>> {
        let node = self.shared.node(id);
        let now = self.shared.clock.now();
        let inbox = Arc::new(Inbox::default());
        let mut core = node.lock();
        let conn = core.accept(&self.shared.office, now, Endpoint::Client, Peer::InProcess, Arc::clone(&inbox))?;
        let run = core.run();
        drop(core);
        Some(Caller::new(Arc::clone(&self.shared), node, run, conn, inbox))
    }

    /// Calls into a running machine, and carries out what follows.
    ///
    /// # Panics
    /// When there is no such machine.
    pub fn with_machine<R>(&self, id: MachineId, call: impl FnOnce(&mut M, Now) -> R) -> Option<R> {
        let now = self.shared.clock.now();
        self.shared.node(id).lock().with_machine(&self.shared.office, now, call)
    }

    /// Gives a machine a signal, on the driver's thread.
    pub fn signal(&self, id: MachineId, signal: Signal) {
        self.shared.office.post(id, None, Mail::Signal(signal));
    }

    /// How a machine ended by itself, if it did.
    ///
    /// # Panics
    /// When there is no such machine.
    pub fn exited(&self, id: MachineId) -> Option<Shutdown> {
        self.shared.node(id).lock().exited()
    }

    /// Tells that a clock other than the system's was moved.
    pub fn clock_moved(&self) {
        self.shared.office.waker().wake();
    }

    fn start(
        &self,
        id: MachineId,
        node: &Node<M>,
        build: impl FnOnce(Boot) -> M,
        disk: impl FnOnce(Answers) -> Box<dyn LiveDisk>,
    ) {
        let seed = self.seeds.lock().next_u64();
        let now = self.shared.clock.now();
        let mut core = node.lock();
        let run = core.next_run(&self.shared.office);
        let disk = disk(Answers::new(Arc::clone(&self.shared.office), id, run));
        let machine = build(Boot { id, ip: id.ip(), now, seed, run, dir: DIR.to_owned() });
        core.start(&self.shared.office, now, machine, disk);
    }
}

impl<M> Shared<M> {
    fn node(&self, id: MachineId) -> Arc<Node<M>> {
        Arc::clone(&self.nodes.read()[id.0])
    }
}

impl<M: Machine + Send + 'static> Drop for Bus<M> {
    fn drop(&mut self) {
        self.shared.office.waker().stop();
        let ended = self.driver.take().map(JoinHandle::join);
        let nodes = self.shared.nodes.read().clone();
        for node in nodes {
            node.lock().kill(&self.shared.office);
        }
        if let Some(Err(panic)) = ended
            && !std::thread::panicking()
        {
            // The machine's own panic is the news, not that its thread is gone.
            std::panic::resume_unwind(panic);
        }
    }
}

impl<M: Machine + Send + 'static> std::fmt::Debug for Bus<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("machines", &self.shared.nodes.read().len()).finish_non_exhaustive()
    }
}
