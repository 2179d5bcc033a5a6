//! What a host needs to know of a machine, and a machine of its host.
//!
//! A [`Machine`] is a function of bytes and time: inputs go in through [`Machine::handle`], [`Effect`]s come out of
//! [`Machine::poll`] in the order they must happen, and the bytes for each connection wait in its
//! [`OutBuf`]. There is no other rule than "handle any number of times, then drain". [`settle`] is that drain: the
//! one loop every host runs. Nothing here opens a socket, a file or a clock.

use std::net::SocketAddr;
use std::time::Duration;

use slotmesh_engine::resp::args::{Args, Framed};
use slotmesh_engine::resp::outbuf::{OutBuf, Ticket};
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::{DiskOp, DiskResult, Lane};

/// A state machine a host can run: a server node or a sentinel.
pub trait Machine {
    /// Tells of a connection that a peer opened to `endpoint` and gives it its name.
    fn accept(&mut self, now: Now, endpoint: Endpoint, peer: Peer) -> ConnId;

    /// Feeds one event. One about a name that is no longer in use is ignored: the machine and the wire may close a
    /// connection in the same moment.
    fn handle(&mut self, now: Now, input: Input<'_>);

    /// Feeds bytes that arrived on several connections at the same moment.
    ///
    /// The result is that of handling them one after the other; a machine may overlap the memory loads of
    /// requests from different connections.
    fn receive_many(&mut self, now: Now, batch: &[(ConnId, &[u8])]) {
        for &(conn, bytes) in batch {
            self.handle(now, Input::Received(conn, bytes));
        }
    }

    /// Answers a caller in the process on the spot, if its request takes no more than a look.
    ///
    /// The result is that of handling it as [`Input::Request`] and taking what is visible of the connection's buffer,
    /// without what a host does around an input.
    fn answer_at_once(&mut self, now: Now, conn: ConnId, request: Args<'_>, reply: &mut Vec<u8>) -> Answer {
        let _ = (now, conn, request, reply);
        Answer::Declined
    }

    /// Takes the next effect; nothing means drained.
    fn poll(&mut self) -> Option<Effect>;

    /// The bytes waiting on a connection. A name that is no longer in use has an empty buffer.
    fn out_buf(&mut self, conn: ConnId) -> &mut OutBuf;

    /// When to call with [`Input::Timer`] at the latest, and which timer asked for it.
    fn deadline(&self) -> Option<(Instant, Timer)>;

    /// Whether the machine wants to hear how long it worked: then [`Machine::took`] is due.
    fn wants_took(&self) -> bool {
        false
    }

    /// Tells how long the machine worked since the host began to feed it, or since the last such call. Ask
    /// [`Machine::wants_took`] again afterwards: the machine may have gone on with something it wants to have measured
    /// apart.
    ///
    /// A host that never calls it loses nothing but durations.
    fn took(&mut self, now: Now, took: Duration) {
        let _ = (now, took);
    }

    /// A digest of the state that matters to peers and clients, for the simulator's checks.
    fn state_hash(&self) -> u64;
}

/// The name of a connection, given out by the machine: a small index and a generation, so that a late event for a
/// closed connection never reaches its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Place in the machine's table; hosts use it as a table index of their own.
    pub index: u32,
    /// How often the place has been used before.
    pub generation: u32,
}

/// The kinds of port a machine listens on and dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// The cluster bus.
    Bus,
    /// RESP: clients, replicas, primaries and sentinels.
    Client,
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A caller inside this process.
    InProcess,
    /// A TCP connection.
    Tcp {
        /// The peer's address.
        remote: SocketAddr,
        /// Our own address on this connection.
        local: SocketAddr,
    },
    /// A connection to our Unix socket.
    Unix {
        /// The socket's path.
        path: String,
    },
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection is gone; its name is no longer valid after this call.
    Closed(ConnId, Reset),
    /// A dialled connection is open.
    Connected(ConnId, Peer),
    /// The disk answered.
    Disk(Ticket, DiskResult),
    /// All visible bytes of a connection that asked for this notice have left.
    Drained(ConnId),
    /// The host listens as asked, or why it cannot (the system's words, ready for the log).
    Listening(Endpoint, Result<(), String>),
    /// Bytes arrived.
    Received(ConnId, &'a [u8]),
    /// What became of a program that was to be run.
    Process(ProcessId, ProcessNews),
    /// A caller in the process sent a whole request: as if its bytes had been received, but its words need not be
    /// looked for, and the host takes what is visible of the connection's buffer after this call without being asked.
    Request(ConnId, Framed<'a>),
    /// A process signal arrived.
    Signal(Signal),
    /// A deadline may have passed.
    Timer,
}

/// How far [`Machine::answer_at_once`] came with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nowhere, and nothing has changed: the request is to be handled as [`Input::Request`].
    Declined,
    /// The reply is there, and the host has nothing to settle.
    Whole,
    /// The reply is there, and the host settles as after any input.
    Unsettled,
}

/// What the host must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send what is visible of the connection's buffer, then close it. The host reports no [`Input::Closed`] for it,
    /// and the name is free from now on: its remaining bytes are in the effect.
    Close(ConnId, Vec<u8>),
    /// Open a connection; the answer is [`Input::Connected`] or [`Input::Closed`].
    Dial(ConnId, Target, Endpoint),
    /// Carry out a disk operation; the answer is [`Input::Disk`].
    Disk(Ticket, Lane, DiskOp),
    /// End the machine.
    Exit(Shutdown),
    /// Send what is visible of the connection's buffer.
    Flush(ConnId),
    /// End a program that runs; the answer is that of its end.
    Kill(ProcessId),
    /// Listen on these addresses instead of those before; the answer is [`Input::Listening`]. When that is an error,
    /// those before are listened on still.
    Listen(Endpoint, Listen),
    /// Write a line to the log.
    Log(LogLine),
    /// Run a program with these words, the first of which is its path; the answers are [`Input::Process`].
    Run(ProcessId, Vec<String>),
}

/// The name of a program that is run, given out by the machine; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u64);

/// What became of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessNews {
    /// It ended; also one that could not be run, with code 2.
    Ended {
        /// The signal that ended it; 0 for none.
        signal: i32,
        /// Its exit code, when no signal ended it.
        code: i32,
    },
    /// It runs, under this number.
    Started(u32),
}

/// Where to dial: a literal address or a host name, which only a host can resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// An IP address or a host name.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The local address to dial from (`bind-source-addr`), when one is configured.
    pub source: Option<String>,
}

/// What an endpoint listens on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listen {
    /// Addresses as in the `bind` option: `*` for all of IPv4, `::*` for all of IPv6, a leading `-` when it may be
    /// unavailable.
    pub addresses: Vec<String>,
    /// The TCP port; 0 for no TCP listener.
    pub port: u16,
    /// Length of the kernel's accept queue (`tcp-backlog`).
    pub backlog: u32,
    /// A Unix socket beside the TCP listeners, with its permission bits (0 leaves the process's default).
    pub unix: Option<(String, u32)>,
    /// Keep-alive of accepted connections, in seconds; 0 for none.
    pub keepalive_secs: u32,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reset {
    /// The peer closed it in order.
    EndOfStream,
    /// The system's words for what went wrong ("Connection refused").
    Error(String),
    /// The host name that was dialled stands for no address, in the system's words.
    NoAddress(String),
}

/// A process signal a machine acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The polite request to end.
    Terminate,
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// The process's exit code: 0 for an orderly end.
    pub code: i32,
}

/// Which wait a deadline belongs to; shown by simulators and debuggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// A blocked, paused or timed-out client.
    Client,
    /// The cluster's own period (100 ms).
    Cluster,
    /// Keys on their way to another server, or a connection kept for more of them.
    Courier,
    /// The engine's slice: expiry, eviction, snapshots.
    Engine,
    /// The end of an orderly shutdown's grace.
    Shutdown,
    /// Periodic persistence: save points, `everysec`.
    Persistence,
    /// Replication's own period (1 s), reconnects and acknowledgements.
    Replication,
    /// Sentinel's own period (100 ms).
    Sentinel,
    /// Work is ready now, and yielded to let other events in.
    Yield,
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important it is.
    pub level: LogLevel,
    /// The machine's role at that moment, as Redis marks it: `M` primary, `S` replica, `X` sentinel.
    pub role: char,
    /// The text, without line end.
    pub text: String,
}

/// Redis's four levels, least important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Marked `.`.
    Debug,
    /// Marked `-`.
    Verbose,
    /// Marked `*`.
    Notice,
    /// Marked `#`.
    Warning,
}

/// The half of a host that moves bytes.
pub trait Wire {
    /// Sends what is visible of `out`, now or as the peer takes it; advances it by what was sent.
    fn flush(&mut self, conn: ConnId, out: &mut OutBuf);

    /// Begins to open a connection.
    fn dial(&mut self, conn: ConnId, target: Target, endpoint: Endpoint);

    /// Sends `rest` as far as the peer takes it, then closes the connection.
    fn close(&mut self, conn: ConnId, rest: Vec<u8>);

    /// Replaces the endpoint's listeners.
    fn listen(&mut self, endpoint: Endpoint, listen: Listen);
}

/// The half of a host that keeps files, log and life.
pub trait Disk {
    /// Queues one operation.
    fn submit(&mut self, ticket: Ticket, lane: Lane, op: DiskOp);

    /// Writes a line to the machine's log.
    fn log(&mut self, line: LogLine);

    /// Notes that the machine ended; the host drops it once its last bytes are out.
    fn exit(&mut self, shutdown: Shutdown);

    /// Runs a program. A host that runs none says nothing of it.
    fn run(&mut self, id: ProcessId, words: Vec<String>) {
        let _ = (id, words);
    }

    /// Ends a program.
    fn kill(&mut self, id: ProcessId) {
        let _ = id;
    }
}

/// Carries out every effect that waits: the loop that drives all machines in all hosts.
pub fn settle<M: Machine + ?Sized>(machine: &mut M, wire: &mut impl Wire, disk: &mut impl Disk) {
    while let Some(effect) = machine.poll() {
        match effect {
            Effect::Close(conn, rest) => wire.close(conn, rest),
            Effect::Dial(conn, target, endpoint) => wire.dial(conn, target, endpoint),
            Effect::Disk(ticket, lane, op) => disk.submit(ticket, lane, op),
            Effect::Exit(shutdown) => disk.exit(shutdown),
            Effect::Flush(conn) => wire.flush(conn, machine.out_buf(conn)),
            Effect::Kill(id) => disk.kill(id),
            Effect::Listen(endpoint, listen) => wire.listen(endpoint, listen),
            Effect::Log(line) => disk.log(line),
            Effect::Run(id, words) => disk.run(id, words),
        }
    }
}
