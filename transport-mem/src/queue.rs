//! What happens next.
//!
//! The [`Queue`] holds everything that is going to happen, ordered by virtual time and, at the same time, by the
//! order in which it was put in: a total order, so that a seed names exactly one history. Events are small and
//! copied; what they refer to may be gone when they are due, which is why they carry generations.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use slotmesh_cluster::machine::{Endpoint, ProcessId, ProcessNews, Signal};
use slotmesh_engine::time::Instant;
use slotmesh_replication::disk::Lane;

use crate::network::{ConnKey, Side};
use crate::place::MachineId;

/// One thing that is going to happen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A stopped process goes on and finds a connection its kernel has taken for it.
    Accept { conn: ConnKey, endpoint: Endpoint },
    /// The first segment sent from a side is due at the other.
    Arrive { conn: ConnKey, from: Side },
    /// A lane has finished its first operation.
    Disk { machine: MachineId, run: u32, lane: Lane },
    /// All visible bytes left, and the machine wants to know.
    Drained { conn: ConnKey, side: Side },
    /// A planned fault, by its place in the plan.
    Fault { index: usize },
    /// A side's bytes have been held up for so long that its kernel gives up.
    GiveUp { conn: ConnKey, from: Side },
    /// The answer to a listen request.
    Listening { machine: MachineId, run: u32, endpoint: Endpoint, problem: Option<&'static str> },
    /// A program began or ended.
    Program { machine: MachineId, run: u32, id: ProcessId, news: ProcessNews },
    /// A process signal.
    Signal { machine: MachineId, run: u32, signal: Signal },
    /// A machine's deadline.
    Timer { machine: MachineId, token: u64 },
    /// A side may send more.
    Writable { conn: ConnKey, side: Side },
}

impl Event {
    /// Whether the network or a disk is busy as long as this is due; waits and plans are not business.
    fn is_business(self) -> bool {
        !matches!(self, Self::Fault { .. } | Self::GiveUp { .. } | Self::Program { .. } | Self::Timer { .. })
    }
}

/// All events to come.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    business: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Instant, event: Event) {
        self.business += usize::from(event.is_business());
        self.sequence += 1;
        self.heap.push(Reverse(Entry { at, sequence: self.sequence, event }));
    }

    /// Takes the next event when it is due at `until` or before.
    pub(crate) fn pop(&mut self, until: Instant) -> Option<(Instant, Event)> {
        if self.next_at()? > until {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.business -= usize::from(entry.event.is_business());
        Some((entry.at, entry.event))
    }

    /// The next event and when it is due.
    pub(crate) fn peek(&self) -> Option<(Instant, Event)> {
        self.heap.peek().map(|Reverse(entry)| (entry.at, entry.event))
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.peek().map(|(at, _)| at)
    }

    /// Whether no bytes and no disk operation are on their way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.business == 0
    }
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    sequence: u64,
    event: Event,
}

impl Entry {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.sequence)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use slotmesh_engine::time::Instant;

    use super::{Event, Queue};

    #[test]
    fn events_of_one_instant_keep_their_order() {
        let mut queue = Queue::default();
        queue.push(Instant(2), Event::Fault { index: 0 });
        queue.push(Instant(1), Event::Fault { index: 1 });
        queue.push(Instant(1), Event::Fault { index: 2 });

        let order: Vec<_> =
            std::iter::from_fn(|| queue.pop(Instant::MAX)).map(|(at, event)| (at.0, index(event))).collect();

        assert_eq!(order, [(1, 1), (1, 2), (2, 0)]);
    }

    #[test]
    fn an_event_waits_for_its_time() {
        let mut queue = Queue::default();
        queue.push(Instant(5), Event::Fault { index: 0 });

        assert!(queue.pop(Instant(4)).is_none());
        assert!(queue.pop(Instant(5)).is_some());
    }

    fn index(event: Event) -> usize {
        let Event::Fault { index } = event else { unreachable!("only faults are queued here") };
        index
    }
}
