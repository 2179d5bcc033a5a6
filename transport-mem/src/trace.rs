//! What happened.
//!
//! The [`Trace`] keeps the last events in a compact form for people to read after a failure, and a running digest
//! of all of them: two runs of one seed have the same digest, or something depends on more than the seed.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};

use slotmesh_cluster::machine::{ConnId, Endpoint, Timer};
use slotmesh_engine::time::Instant;

use crate::disk::OpKind;
use crate::place::Place;

/// One event of a simulation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// A connection came in.
    Accepted(ConnId, Endpoint),
    /// A connection is gone.
    Closed(ConnId, &'static str),
    /// A dialled connection is open.
    Connected(ConnId),
    /// A disk operation is complete, or failed.
    Disk(OpKind, bool),
    /// All visible bytes of a connection left.
    Drained(ConnId),
    /// The machine ended with this code.
    Exited(i32),
    /// A fault was made, in words.
    Fault(String),
    /// The answer to a listen request: whether it succeeded.
    Listening(Endpoint, bool),
    /// A line was written to the machine's log.
    Logged(String),
    /// A test says something.
    Note(String),
    /// The machine had a program run: its path and arguments.
    Ran(String),
    /// Bytes arrived: how many, and their digest.
    Received(ConnId, usize, u64),
    /// A client received bytes: how many, and their digest.
    ReceivedByClient(usize, u64),
    /// A signal arrived: whether it was the request to end rather than an interrupt.
    Signalled(bool),
    /// The machine was built for the n-th time.
    Started(u32),
    /// The digest of the machine's state.
    State(u64),
    /// A deadline was due.
    Timer(Timer),
}

/// An event, when and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The virtual time.
    pub at: Instant,
    /// Where it happened; nothing for the network as a whole.
    pub place: Option<Place>,
    /// What happened.
    pub what: What,
}

/// The last events of a simulation and the digest of all.
#[derive(Debug)]
pub struct Trace {
    entries: VecDeque<Entry>,
    count: u64,
    digest: Digest,
}

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        let mut digest = Digest::default();
        digest.write_u64(seed);
        Self { entries: VecDeque::new(), count: 0, digest }
    }

    pub(crate) fn push(&mut self, at: Instant, place: Option<Place>, what: What) {
        let entry = Entry { at, place, what };
        entry.hash(&mut self.digest);
        self.count += 1;
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The digest of everything that happened so far.
    pub fn hash(&self) -> u64 {
        self.digest.finish()
    }

    /// How many events happened so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last events, oldest first; at most [`ENTRIES_MAX`].
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The last `lines` events as text, one line each.
    pub fn tail(&self, lines: usize) -> String {
        let skip = self.entries.len().saturating_sub(lines);
        self.entries.iter().skip(skip).map(|entry| format!("{entry}\n")).collect()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.at.micros() / 1_000_000, self.at.micros() % 1_000_000);
        let place = self.place.map_or_else(|| "-".to_owned(), |place| place.to_string());
        write!(f, "{seconds:>6}.{micros:06} {place:<4} {}", self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(conn, endpoint) => write!(f, "accepted {} on its {endpoint:?} port", Conn(*conn)),
            Self::Closed(conn, why) => write!(f, "closed {}: {why}", Conn(*conn)),
            Self::Connected(conn) => write!(f, "connected {}", Conn(*conn)),
            Self::Disk(op, ok) => write!(f, "disk {op:?} {}", if *ok { "done" } else { "failed" }),
            Self::Drained(conn) => write!(f, "drained {}", Conn(*conn)),
            Self::Exited(code) => write!(f, "exited with {code}"),
            Self::Fault(fault) => write!(f, "FAULT {fault}"),
            Self::Listening(endpoint, ok) => {
                write!(f, "{} on its {endpoint:?} port", if *ok { "listens" } else { "cannot listen" })
            }
            Self::Logged(text) => write!(f, "log: {text}"),
            Self::Note(text) => write!(f, "note: {text}"),
            Self::Ran(words) => write!(f, "runs {words}"),
            Self::Received(conn, bytes, digest) => {
                write!(f, "received {bytes} bytes on {} ({digest:016x})", Conn(*conn))
            }
            Self::ReceivedByClient(bytes, digest) => write!(f, "received {bytes} bytes ({digest:016x})"),
            Self::Signalled(terminate) => write!(f, "signal {}", if *terminate { "terminate" } else { "interrupt" }),
            Self::Started(run) => write!(f, "started, run {run}"),
            Self::State(digest) => write!(f, "state {digest:016x}"),
            Self::Timer(timer) => write!(f, "timer {timer:?}"),
        }
    }
}

/// Prints the seed when the thread panics while it is alive, so that a failure can be repeated.
///
/// A [`crate::Sim`] has its own; this one is for tests that use a seed before or without one.
#[derive(Debug)]
pub struct SeedGuard(pub u64);

impl Drop for SeedGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed = {}", self.0);
        }
    }
}

/// A digest that is the same on every run and platform of one word size.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Digest(u64);

impl Digest {
    /// The digest of some bytes.
    pub(crate) fn of(bytes: &[u8]) -> u64 {
        let mut digest = Self::default();
        digest.write(bytes);
        digest.finish()
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.write_u64(u64::from_le_bytes(word.try_into().expect("chunks of eight bytes")));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        self.write_u64(u64::from_le_bytes(last) ^ bytes.len() as u64);
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        // One round of a multiplicative mix: every input bit reaches the upper half, the rotation brings it back.
        self.0 = (self.0 ^ value).wrapping_mul(MIX).rotate_left(31);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

struct Conn(ConnId);

impl fmt::Display for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.0.index, self.0.generation)
    }
}

/// Events kept for reading; older ones live on in the digest only.
pub const ENTRIES_MAX: usize = 4_096;

/// An odd constant without pattern (the golden ratio in 64 bits).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use slotmesh_engine::time::Instant;

    use super::{ENTRIES_MAX, Trace, What};

    #[test]
    fn the_digest_tells_histories_apart() {
        let (mut a, mut b) = (Trace::new(1), Trace::new(1));

        a.push(Instant(1), None, What::Note("x".into()));
        b.push(Instant(1), None, What::Note("y".into()));

        assert_ne!(a.hash(), b.hash());
        assert_ne!(Trace::new(1).hash(), Trace::new(2).hash());
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let mut trace = Trace::new(1);

        for at in 0..ENTRIES_MAX as u64 + 10 {
            trace.push(Instant(at), None, What::Started(0));
        }

        assert_eq!(trace.entries().count(), ENTRIES_MAX);
        assert_eq!(trace.count(), ENTRIES_MAX as u64 + 10);
        assert_eq!(trace.tail(2).lines().count(), 2);
    }
}
