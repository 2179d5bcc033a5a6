//! The reactor's sockets.
//!
//! They belong to the reactor's thread and are touched without the machine's lock, except for writing, whose bytes
//! lie in the machine. Edges are reported once, so everything that is left unfinished is remembered here: a
//! connection with more to read stays in `readable`, one whose peer takes no more is `blocked` until the next edge.
//! What does not live here: the order of a round (`reactor`). Start at [`Net::wait`].

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use slotmesh_cluster::machine::{ConnId, Endpoint, Listen, LogLevel, Machine, Peer, Reset, Target};
use slotmesh_engine::time::Instant;

use crate::dial::Dialing;
use crate::errno;
use crate::linger::Lingers;
use crate::listener::{self, Listeners};
use crate::outbox::{ConnSet, Request};
use crate::poller::{Edges, Name, Poller, Ready};
use crate::resolver::{About, Question, Resolver, literal};
use crate::socket::{Sent, Stream};

/// Every socket of one machine.
pub(crate) struct Net {
    poller: Poller,
    events: Vec<Ready>,
    /// By the index of the machine's name for it.
    conns: Vec<Option<Conn>>,
    lingers: Lingers,
    /// Of `lingers`, or of nobody: those that have room again.
    lingering: Vec<ConnId>,
    listeners: Listeners,
    resolver: Resolver,
    /// Keep-alive for dialled connections, as the endpoint's listeners have it.
    keepalive_secs: [u32; 2],
    /// Connections that may have bytes, each once, in the order of their turns.
    readable: VecDeque<ConnId>,
    /// Connections that have room again.
    pub(crate) unblocked: Vec<ConnId>,
    /// Connections that wrote their share and have more.
    again: Vec<ConnId>,
    /// What the machine must hear before the bytes of this round.
    pub(crate) notices: VecDeque<Notice>,
    /// Connections whose end was read; the machine hears of it after their last bytes.
    pub(crate) ended: Vec<(ConnId, Reset)>,
    /// Connections the machine has not been told of.
    pub(crate) accepted: Vec<Accepted>,
    /// Connections that the next batch may carry.
    batch_max: usize,
    /// When the last round began.
    now: Instant,
    /// Lines for the log.
    pub(crate) log: Vec<(LogLevel, String)>,
}

/// One thing the wire has to say.
#[derive(Debug)]
pub(crate) enum Notice {
    Closed(ConnId, Reset),
    Connected(ConnId, Peer),
    Drained(ConnId),
    Listening(Endpoint, Result<(), String>),
}

/// A connection that a peer opened.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) endpoint: Endpoint,
    pub(crate) peer: Peer,
    stream: Stream,
}

#[derive(Debug)]
struct Conn {
    generation: u32,
    state: State,
    /// The peer takes no more; an edge will tell.
    blocked: bool,
    /// In `readable`.
    queued: bool,
    /// The peer's end was announced: a short read does not mean that nothing is left.
    ending: bool,
}

#[derive(Debug)]
enum State {
    Dialing(Box<Dialing>, Stream, Endpoint),
    Open(Stream),
    /// The host's name is being looked up.
    Resolving,
}

impl Net {
    pub(crate) fn new(poller: Poller, resolver: Resolver, adopted: Vec<std::net::TcpListener>) -> Self {
        Self {
            poller,
            events: Vec::new(),
            conns: Vec::new(),
            lingers: Lingers::default(),
            lingering: Vec::new(),
            listeners: Listeners::new(adopted),
            resolver,
            keepalive_secs: [0; 2],
            readable: VecDeque::new(),
            unblocked: Vec::new(),
            again: Vec::new(),
            notices: VecDeque::new(),
            ended: Vec::new(),
            accepted: Vec::new(),
            batch_max: BATCH_CONNS_MAX,
            now: Instant::ZERO,
            log: Vec::new(),
        }
    }

    /// Waits for edges and notes them. Returns whether another thread has news.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let mut events = std::mem::take(&mut self.events);
        self.poller.wait(timeout, &mut events)?;
        let mut news = false;
        for ready in events.drain(..) {
            match ready.name {
                Name::Conn(id) => self.on_ready(id, ready),
                Name::Listener(place) => {
                    if let Some(listener) = self.listeners.get_mut(place) {
                        listener.ready = true;
                    }
                }
                Name::Waker => news = true,
            }
        }
        self.events = events;
        Ok(news)
    }

    /// Whether something waits that needs no further edge.
    pub(crate) fn is_busy(&self) -> bool {
        !self.readable.is_empty()
            || !self.notices.is_empty()
            || !self.unblocked.is_empty()
            || !self.again.is_empty()
            || self.listeners.is_ready()
    }

    /// When [`Net::on_time`] has work.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.lingers.deadline(), self.listeners.deadline()].into_iter().flatten().min()
    }

    /// A round begins: goes on with last bytes, gives up on peers that do not take theirs, and tries listeners again.
    pub(crate) fn on_time(&mut self, now: Instant) {
        self.now = now;
        for id in self.lingering.drain(..) {
            self.lingers.on_writable(now, id);
        }
        self.lingers.expire(now);
        for listener in self.listeners.iter_mut() {
            listener.retry_at = listener.retry_at.filter(|&at| at > now);
        }
    }

    /// Takes connections that wait on the listeners, up to the share of a round.
    pub(crate) fn accept(&mut self) {
        let mut share = ACCEPTS_PER_ROUND_MAX;
        for listener in self.listeners.iter_mut() {
            while listener.ready && listener.retry_at.is_none() && share > 0 {
                let accepted = listener.accept().and_then(|stream| {
                    share -= 1;
                    stream.tune(listener.keepalive_secs)?;
                    let peer = stream.peer()?;
                    Ok(Accepted { endpoint: listener.endpoint, peer, stream })
                });
                match accepted {
                    Ok(accepted) => self.accepted.push(accepted),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.ready = false,
                    Err(error) if is_shortage(&error) => {
                        listener.retry_at = Some(self.now + ACCEPT_RETRY);
                        self.log.push(shortage_line(listener.endpoint, &error));
                    }
                    // The peer has gone again; the next one may be fine.
                    Err(_) => share = share.saturating_sub(1),
                }
            }
        }
    }

    /// Puts a connection into the table, under the name the machine gave it.
    pub(crate) fn open(&mut self, id: ConnId, accepted: Accepted) {
        let mut stream = accepted.stream;
        let edges = stream.idle_edges();
        match self.poller.watch(&mut stream, Name::Conn(id), edges) {
            Ok(()) => self.put(id, State::Open(stream)),
            Err(error) => self.notices.push_back(Notice::Closed(id, reset(&error))),
        }
    }

    /// Reads one turn of every connection that has bytes, as long as `scratch` and `batch` have room.
    pub(crate) fn read(&mut self, scratch: &mut [u8], batch: &mut Vec<(ConnId, Range<usize>)>) {
        let mut used = 0;
        for _ in 0..self.readable.len() {
            if batch.len() == self.batch_max || scratch.len() - used < READ_BYTES_MIN {
                return;
            }
            let Some(id) = self.readable.pop_front() else {
                return;
            };
            let end = scratch.len().min(used + READ_BYTES_PER_ROUND_MAX);
            if let Some(count) = self.read_one(id, &mut scratch[used..end]) {
                batch.push((id, used..used + count));
                used += count;
            }
        }
    }

    /// Writes what is visible of every connection in `dirty`, and empties it.
    pub(crate) fn send<M: Machine>(&mut self, machine: &mut M, dirty: &mut ConnSet) {
        for id in self.unblocked.drain(..).chain(self.again.drain(..)) {
            dirty.insert(id);
        }
        let count = dirty.len();
        let mut bytes = 0;
        for place in 0..count {
            bytes += self.send_one(machine, dirty.get(place));
        }
        dirty.remove_first(count);
        self.adapt(bytes);
    }

    /// Lets the next batch carry fewer connections when the replies to the last one were more than a processor's own
    /// cache holds: the sooner they leave, the less of them has to be fetched again.
    fn adapt(&mut self, replied: usize) {
        self.batch_max = match replied {
            0..REPLY_BYTES_FEW => (self.batch_max * 2).min(BATCH_CONNS_MAX),
            REPLY_BYTES_FEW..REPLY_BYTES_MANY => self.batch_max,
            _ => (self.batch_max / 2).max(BATCH_CONNS_MIN),
        };
    }

    /// Carries out what the machine asked for.
    pub(crate) fn carry_out(&mut self, request: Request) {
        match request {
            Request::Close(id, rest) => {
                if let Some(State::Open(stream)) = self.remove(id) {
                    self.lingers.close(self.now, &self.poller, id, stream, rest);
                }
            }
            Request::Dial(id, target, endpoint) => {
                self.put(id, State::Resolving);
                let names: Vec<String> =
                    std::iter::once(&target.host).chain(&target.source).map(String::clone).collect();
                self.ask(About::Dial(id, target, endpoint), names);
            }
            Request::Listen(endpoint, listen) => {
                let names = listener::names(&listen).map(str::to_owned).collect();
                self.ask(About::Listen(endpoint, listen), names);
            }
        }
    }

    /// The addresses of names are known.
    pub(crate) fn on_resolved(&mut self, about: About, answers: &[Result<Vec<IpAddr>, String>]) {
        match about {
            About::Dial(id, target, endpoint) => self.begin_dial(id, &target, endpoint, answers),
            About::Listen(endpoint, listen) => self.listen(endpoint, &listen, answers),
        }
    }

    /// Stops listening and reading; only bytes on their way out are still served.
    pub(crate) fn stop(&mut self) {
        self.listeners.close_all();
        self.readable.clear();
    }

    /// Closes every connection at once.
    pub(crate) fn close_all(&mut self) {
        self.stop();
        self.conns.clear();
        self.lingers = Lingers::default();
    }

    /// Whether bytes are on their way that a peer may still take.
    pub(crate) fn has_unsent<M: Machine>(&self, machine: &mut M) -> bool {
        !self.lingers.is_empty()
            || self.conns.iter().zip(0..).any(|(conn, index)| {
                conn.as_ref().is_some_and(|conn| {
                    let id = ConnId { index, generation: conn.generation };
                    matches!(conn.state, State::Open(_)) && machine.out_buf(id).visible() > 0
                })
            })
    }

    fn on_ready(&mut self, id: ConnId, ready: Ready) {
        let Some(conn) = find(&mut self.conns, id) else {
            // A name of before: closed by the machine, and perhaps still writing.
            if ready.writable {
                self.lingering.push(id);
            }
            return;
        };
        if matches!(conn.state, State::Dialing(..)) && !(ready.writable && self.on_dialed(id)) {
            return;
        }
        let Some(conn) = find(&mut self.conns, id) else {
            return;
        };
        if ready.writable && conn.blocked {
            conn.blocked = false;
            self.unblocked.push(id);
            if let State::Open(stream) = &mut conn.state
                && stream.idle_edges() == Edges::Read
                && let Err(error) = self.poller.rewatch(stream, Name::Conn(id), Edges::Read)
            {
                self.fail(id, &error);
                return;
            }
        }
        let Some(conn) = find(&mut self.conns, id) else {
            return;
        };
        conn.ending |= ready.ending;
        if ready.readable && !conn.queued {
            conn.queued = true;
            self.readable.push_back(id);
        }
    }

    fn read_one(&mut self, id: ConnId, window: &mut [u8]) -> Option<usize> {
        let conn = find(&mut self.conns, id)?;
        conn.queued = false;
        let State::Open(stream) = &mut conn.state else {
            return None;
        };
        match stream.read(window) {
            Ok(0) => {
                self.remove(id);
                self.ended.push((id, Reset::EndOfStream));
                None
            }
            Ok(count) => {
                // A short read has emptied the socket; what comes later makes a new edge.
                if count == window.len() || conn.ending {
                    conn.queued = true;
                    self.readable.push_back(id);
                }
                Some(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                conn.queued = true;
                self.readable.push_back(id);
                None
            }
            Err(error) => {
                self.remove(id);
                self.ended.push((id, reset(&error)));
                None
            }
        }
    }

    /// Writes as much as the peer takes; returns how many bytes that was.
    fn send_one<M: Machine>(&mut self, machine: &mut M, id: ConnId) -> usize {
        let Some(conn) = find(&mut self.conns, id) else {
            return 0;
        };
        let State::Open(stream) = &mut conn.state else {
            return 0;
        };
        if conn.blocked {
            return 0;
        }
        let out = machine.out_buf(id);
        let waiting = out.visible();
        let sent = stream.send(out).and_then(|sent| {
            if matches!(sent, Sent::Blocked) {
                conn.blocked = true;
                if stream.idle_edges() == Edges::Read {
                    self.poller.rewatch(stream, Name::Conn(id), Edges::ReadWrite)?;
                }
            }
            Ok(sent)
        });
        let written = waiting - out.visible();
        match sent {
            Ok(Sent::All) => {
                if out.take_drained() {
                    self.notices.push_back(Notice::Drained(id));
                }
            }
            Ok(Sent::Blocked) => {}
            Ok(Sent::Share) => self.again.push(id),
            Err(error) => self.fail(id, &error),
        }
        written
    }

    fn ask(&mut self, about: About, names: Vec<String>) {
        let literals: Option<Vec<IpAddr>> = names.iter().map(|name| literal(name)).collect();
        match literals {
            Some(addresses) => {
                let answers: Vec<_> = addresses.into_iter().map(|address| Ok(vec![address])).collect();
                self.on_resolved(about, &answers);
            }
            None => self.resolver.ask(Question { about, names }),
        }
    }

    fn begin_dial(&mut self, id: ConnId, target: &Target, endpoint: Endpoint, answers: &[Result<Vec<IpAddr>, String>]) {
        if find(&mut self.conns, id).is_none() {
            // Closed while its name was looked up.
            return;
        }
        let addresses = match answers.first() {
            Some(Ok(addresses)) => addresses,
            Some(Err(text)) => return self.fail_with(id, Reset::NoAddress(text.clone())),
            None => return self.fail_with(id, Reset::NoAddress("No address".to_owned())),
        };
        // A source that cannot be looked up is a source that cannot be had; see `dial`.
        let sources = answers.get(1).and_then(|answer| answer.clone().ok()).unwrap_or_default();
        let dialing = Dialing::new(addresses, target.port, sources);
        self.dial_next(id, Box::new(dialing), endpoint, io::Error::other("No address"));
    }

    fn dial_next(&mut self, id: ConnId, mut dialing: Box<Dialing>, endpoint: Endpoint, last: io::Error) {
        let watched = dialing.begin(last).and_then(|mut stream| {
            self.poller.watch(&mut stream, Name::Conn(id), Edges::ReadWrite)?;
            Ok(stream)
        });
        match watched {
            Ok(stream) => self.put(id, State::Dialing(dialing, stream, endpoint)),
            Err(error) => self.fail(id, &error),
        }
    }

    /// A connect in progress has come to an end; returns whether the connection is open.
    fn on_dialed(&mut self, id: ConnId) -> bool {
        let Some(State::Dialing(dialing, stream, endpoint)) = self.remove(id) else {
            return false;
        };
        let peer = stream.take_error().and_then(|()| stream.peer());
        match peer {
            Ok(peer) => {
                if let Err(error) = stream.tune(self.keepalive_secs[place(endpoint)]) {
                    self.fail_with(id, reset(&error));
                    return false;
                }
                self.put(id, State::Open(stream));
                self.notices.push_back(Notice::Connected(id, peer));
                self.unblocked.push(id);
                true
            }
            // Not an end: the edge was about something else.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                self.put(id, State::Dialing(dialing, stream, endpoint));
                false
            }
            Err(error) => {
                self.put(id, State::Resolving);
                self.dial_next(id, dialing, endpoint, error);
                false
            }
        }
    }

    fn listen(&mut self, endpoint: Endpoint, listen: &Listen, answers: &[Result<Vec<IpAddr>, String>]) {
        self.keepalive_secs[place(endpoint)] = listen.keepalive_secs;
        let mut warnings = Vec::new();
        let result = self.listeners.replace(&self.poller, endpoint, listen, answers, &mut warnings);
        self.log.extend(warnings.into_iter().map(|text| (LogLevel::Warning, text)));
        self.notices.push_back(Notice::Listening(endpoint, result));
    }

    fn fail(&mut self, id: ConnId, error: &io::Error) {
        self.fail_with(id, reset(error));
    }

    fn fail_with(&mut self, id: ConnId, reset: Reset) {
        self.remove(id);
        self.notices.push_back(Notice::Closed(id, reset));
    }

    fn put(&mut self, id: ConnId, state: State) {
        let index = id.index as usize;
        if self.conns.len() <= index {
            self.conns.resize_with(index + 1, || None);
        }
        let conn = Conn { generation: id.generation, state, blocked: false, queued: false, ending: false };
        self.conns[index] = Some(conn);
    }

    fn remove(&mut self, id: ConnId) -> Option<State> {
        let slot = self.conns.get_mut(id.index as usize)?;
        slot.take_if(|conn| conn.generation == id.generation).map(|conn| conn.state)
    }
}

fn find(conns: &mut [Option<Conn>], id: ConnId) -> Option<&mut Conn> {
    conns.get_mut(id.index as usize)?.as_mut().filter(|conn| conn.generation == id.generation)
}

fn reset(error: &io::Error) -> Reset {
    Reset::Error(errno::text(error))
}

fn place(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Bus => 0,
        Endpoint::Client => 1,
    }
}

/// What Redis logs of it.
fn shortage_line(endpoint: Endpoint, error: &io::Error) -> (LogLevel, String) {
    let text = errno::text(error);
    match endpoint {
        Endpoint::Bus => (LogLevel::Verbose, format!("Error accepting cluster node: accept: {text}")),
        Endpoint::Client => (LogLevel::Warning, format!("Accepting client connection: accept: {text}")),
    }
}

/// Whether accepting failed for want of something that others may give back.
fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|errno| errno.raw_os_error() == code))
}

/// Connections whose bytes one batch carries. Overlapping memory loads pays up to about 32 requests in flight; twice
/// that keeps the share of the round's fixed costs small.
pub(crate) const BATCH_CONNS_MAX: usize = 64;

/// Connections of a batch at the least, while others have bytes, too: enough for look-ups to overlap.
const BATCH_CONNS_MIN: usize = 4;

/// Bytes of one round's replies below which the next batch may carry more connections, and from which on fewer. A core's
/// second-level cache holds one or two megabytes, and the kernel's copies are in it as well.
const REPLY_BYTES_FEW: usize = 128 * 1024;
const REPLY_BYTES_MANY: usize = 512 * 1024;

/// Bytes read from one connection before the others have their turn; large values come in few reads.
const READ_BYTES_PER_ROUND_MAX: usize = 64 * 1024;

/// Room below which a read is not worth its system call. Redis reads at most 16 KiB at a time
/// (`PROTO_IOBUF_LEN`).
const READ_BYTES_MIN: usize = 16 * 1024;

/// Bytes all connections of one batch may bring; small requests of many connections lie side by side in it.
pub(crate) const SCRATCH_BYTES: usize = 256 * 1024;

/// Connections accepted in one round, as in Redis (`MAX_ACCEPTS_PER_CALL`).
const ACCEPTS_PER_ROUND_MAX: usize = 1000;

/// Wait after the system had no file or memory for a new connection; also bounds the log lines about it.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
