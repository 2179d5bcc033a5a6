//! One node with its host: in memory on a bus, or on sockets and files.
//!
//! Servers and clusters are made of seats. A seat keeps what is needed to start its node again. What does not live
//! here: how a cluster is formed, and which node a command goes to. Start at [`Seat::start`].

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slotmesh_cluster::bus::ConfigFile;
use slotmesh_cluster::machine::{Disk, LogLine, Shutdown, Signal};
use slotmesh_cluster::node::Node;
use slotmesh_engine::command::DataFn;
use slotmesh_engine::command::spec::Spec;
use slotmesh_engine::config::Config;
use slotmesh_engine::rng::Rng;
use slotmesh_engine::time::Now;
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane, Ticket};
use slotmesh_transport_mem::live::{Answers, Bus, LiveDisk, RamDisk};
use slotmesh_transport_mem::{Boot, MachineId, MemDisk};
use slotmesh_transport_tcp::clock::Clock;
use slotmesh_transport_tcp::disk::FolderDisk;
use slotmesh_transport_tcp::host::Host;
use slotmesh_transport_tcp::reactor::{Options, Outcome};

use crate::client::{Error, Link};
use crate::error::StartError;
use crate::log::NodeLog;
use crate::process;

/// What a node is built from, at its first start and at every later one.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) rows: &'static [Spec<DataFn>],
    pub(crate) founding: Option<ConfigFile>,
    pub(crate) log: NodeLog,
    /// The configuration file of a sentinel; nothing for a server.
    pub(crate) sentinel_of: Option<String>,
}

/// A node's place.
#[derive(Debug)]
pub(crate) struct Seat {
    plan: Plan,
    starts: AtomicU64,
    host: Hosting,
}

#[derive(Debug)]
enum Hosting {
    Memory { bus: Arc<Bus<Node>>, id: MachineId, files: Files },
    Sockets(Mutex<Option<Host<Node>>>),
}

/// Where a node without sockets keeps its files.
#[derive(Debug, Clone)]
enum Files {
    /// In the folder its configuration names.
    Folder,
    Memory(Arc<Mutex<MemDisk>>),
}

impl Plan {
    /// The node, not started.
    pub(crate) fn build(&self) -> Node {
        self.node(0)
    }

    /// The node of a later start. Its seed is another one at each start: ids it makes up must not come again.
    fn node(&self, start: u64) -> Node {
        let seed = if start == 0 { self.seed } else { Rng::new(self.seed ^ start).next_u64() };
        let mut node = match &self.sentinel_of {
            Some(_) => Node::sentinel(self.config.clone(), seed),
            None => Node::with_commands(self.config.clone(), seed, self.rows),
        };
        node.set_host(process::host_info(self.sentinel_of.clone()));
        if let Some(members) = &self.founding {
            node.found_cluster(members.clone());
        }
        node
    }

    fn boot(&self, boot: &Boot, files: &Files) -> Node {
        let mut plan = self.clone();
        if matches!(files, Files::Memory(_)) {
            plan.config.dir.clone_from(&boot.dir);
        }
        let mut node = plan.node(u64::from(boot.run) - 1);
        node.start(boot.now);
        node
    }
}

impl Seat {
    /// A node on a bus in memory. Its address is the bus's next one; its disk outlives it.
    pub(crate) fn in_memory(bus: &Arc<Bus<Node>>, plan: Plan) -> Self {
        let files = Files::Memory(Arc::new(Mutex::new(MemDisk::new(plan.seed))));
        Self::on_bus(bus, plan, files)
    }

    /// As [`Seat::in_memory`], with its files in the folder its configuration names.
    pub(crate) fn in_folder(bus: &Arc<Bus<Node>>, plan: Plan) -> Self {
        Self::on_bus(bus, plan, Files::Folder)
    }

    fn on_bus(bus: &Arc<Bus<Node>>, plan: Plan, files: Files) -> Self {
        let id = bus.add(|boot| plan.boot(&boot, &files), |answers| disk(&plan.log, &files, answers));
        let host = Hosting::Memory { bus: Arc::clone(bus), id, files };
        Self { plan, starts: AtomicU64::new(1), host }
    }

    /// A node with real sockets and files; `listeners` are those of its ports that are open already.
    pub(crate) fn on_sockets(plan: Plan, listeners: Vec<TcpListener>) -> Result<Self, StartError> {
        let seat = Self { plan, starts: AtomicU64::new(0), host: Hosting::Sockets(Mutex::new(None)) };
        seat.start(listeners)?;
        Ok(seat)
    }

    /// Starts the node again after it ended or was killed; one that runs is killed first.
    pub(crate) fn start(&self, listeners: Vec<TcpListener>) -> Result<(), StartError> {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        match &self.host {
            Hosting::Memory { bus, id, files } => {
                bus.kill(*id);
                let disk = |answers| disk(&self.plan.log, files, answers);
                bus.restart(*id, |boot| self.plan.boot(&boot, files), disk);
            }
            Hosting::Sockets(host) => {
                let mut host = host.lock();
                // Its ports and its lock must be free first.
                *host = None;
                *host = Some(spawn(&self.plan, start, listeners)?);
            }
        }
        Ok(())
    }

    /// Waits until the node serves.
    pub(crate) fn wait_running(&self) -> Result<(), StartError> {
        for round in 0.. {
            match self.look(|node, _| node.is_running()) {
                Some(true) => return Ok(()),
                Some(false) => rest(round),
                None => {
                    return Err(StartError::Ended { code: self.exit_code(), warnings: self.plan.log.warnings() });
                }
            }
        }
        Ok(())
    }

    fn exit_code(&self) -> i32 {
        match &self.host {
            Hosting::Memory { bus, id, .. } => bus.exited(*id).map_or(0, |shutdown| shutdown.code),
            Hosting::Sockets(host) => match host.lock().take().map(Host::join) {
                Some(Ok(Outcome::Exit(shutdown))) => shutdown.code,
                Some(Ok(Outcome::Stopped) | Err(_)) | None => 1,
            },
        }
    }

    /// Opens a connection that runs its commands on the caller's thread.
    pub(crate) fn link(&self) -> Result<Box<dyn Link>, Error> {
        let down = || Error::unsent("the node is down");
        match &self.host {
            Hosting::Memory { bus, id, .. } => Ok(Box::new(bus.caller(*id).ok_or_else(down)?)),
            Hosting::Sockets(host) => {
                let handle = host.lock().as_ref().map(|host| host.handle().clone()).ok_or_else(down)?;
                Ok(Box::new(handle.open().map_err(|_| down())?))
            }
        }
    }

    /// Looks at the node; nothing when it is down.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut Node, Now) -> R) -> Option<R> {
        match &self.host {
            Hosting::Memory { bus, id, .. } => bus.with_machine(*id, look),
            Hosting::Sockets(host) => {
                let handle = host.lock().as_ref().map(|host| host.handle().clone())?;
                handle.run(look).ok()
            }
        }
    }

    /// Moves the clocks of a node on sockets forward.
    pub(crate) fn fast_forward(&self, duration: Duration) {
        if let Hosting::Sockets(host) = &self.host
            && let Some(host) = host.lock().as_ref()
        {
            // A node that has ended has no clock to move.
            let _ = host.handle().fast_forward(duration);
        }
    }

    /// Ends the node without warning, as a crash would.
    pub(crate) fn kill(&self) {
        match &self.host {
            Hosting::Memory { bus, id, .. } => bus.kill(*id),
            Hosting::Sockets(host) => *host.lock() = None,
        }
    }

    /// Asks the node to end in order: files complete, replicas up to date.
    pub(crate) fn terminate(&self) {
        match &self.host {
            Hosting::Memory { bus, id, .. } => bus.signal(*id, Signal::Terminate),
            Hosting::Sockets(host) => {
                if let Some(host) = host.lock().as_ref() {
                    // One that has ended need not be asked.
                    let _ = host.handle().signal(Signal::Terminate);
                }
            }
        }
    }

    /// Waits for the end that [`Seat::terminate`] asked for; one that does not end by then is killed.
    pub(crate) fn wait_ended(&self, deadline: Instant) {
        let mut round = 0;
        while self.look(|_, _| ()).is_some() && Instant::now() < deadline {
            rest(round);
            round += 1;
        }
        self.kill();
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }
}

fn spawn(plan: &Plan, start: u64, listeners: Vec<TcpListener>) -> Result<Host<Node>, StartError> {
    let mut clock = Clock::new();
    let mut node = plan.node(start);
    node.start(clock.now());
    let log = plan.log.clone();
    let options = Options { clock, listeners, log: Box::new(move |line| log.write(&line)) };
    let name = format!("slotmesh-{}", plan.config.port);
    Host::spawn(&name, node, options).map_err(StartError::system("Can't start the node's thread"))
}

fn disk(log: &NodeLog, files: &Files, answers: Answers) -> Box<dyn LiveDisk> {
    let log = log.clone();
    match files {
        Files::Folder => {
            let disk = FolderDisk::new(move || answers.wake(), Box::new(move |line| log.write(&line)));
            Box::new(Plugged(disk))
        }
        Files::Memory(files) => Box::new(RamDisk::on(Arc::clone(files), move |line| log.write(&line))),
    }
}

/// Real files under a machine in memory.
struct Plugged(FolderDisk);

impl Disk for Plugged {
    fn submit(&mut self, ticket: Ticket, lane: Lane, op: DiskOp) {
        self.0.submit(ticket, lane, op);
    }

    fn log(&mut self, line: LogLine) {
        self.0.log(line);
    }

    fn exit(&mut self, shutdown: Shutdown) {
        self.0.exit(shutdown);
    }
}

impl LiveDisk for Plugged {
    fn poll(&mut self) -> Option<(Ticket, DiskResult)> {
        self.0.poll()
    }
}

/// A listener on a port that the system chooses, when `address` leaves it the choice.
pub(crate) fn choose_port(address: SocketAddr) -> Result<(SocketAddr, Option<TcpListener>), StartError> {
    if address.port() != 0 {
        return Ok((address, None));
    }
    let failed = || StartError::system(format!("Can't listen on {}", address.ip()));
    let listener = TcpListener::bind(address).map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    Ok((address, Some(listener)))
}

/// Lets a moment pass: a short one at first, for what is nearly there.
pub(crate) fn rest(round: u32) {
    if round < ROUNDS_WITHOUT_SLEEP {
        thread::yield_now();
    } else {
        thread::sleep(ROUND);
    }
}

/// Looks before a wait begins to sleep in between.
const ROUNDS_WITHOUT_SLEEP: u32 = 64;

/// Time between two looks.
const ROUND: Duration = Duration::from_micros(500);
