//! WAIT: clients that hold until enough replicas have what they wrote.
//!
//! Lives here: who waits for which offset and until when. Who counts acknowledgements is [`Feeds`]; who replies is
//! the node.

use std::collections::BTreeMap;

use slotmesh_engine::time::{Instant, Now};

use crate::feed::Feeds;
use crate::offset::Offset;

/// The name the node gives a waiting client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitId(pub u64);

/// All clients that wait.
#[derive(Debug, Default)]
pub struct Waits {
    waits: BTreeMap<WaitId, Wait>,
}

/// What one client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The offset after the client's last write.
    pub offset: Offset,
    /// How many replicas must have acknowledged it.
    pub replicas: usize,
    /// When to give up; nothing waits for ever.
    pub deadline: Option<Instant>,
}

impl Waits {
    /// Begins a wait. When it is over already, answers at once with the number of replicas; when it is not, the node
    /// puts one GETACK into the log and blocks the client.
    pub fn begin(&mut self, id: WaitId, wait: Wait, feeds: &Feeds) -> Option<usize> {
        let acknowledged = feeds.acknowledged(wait.offset);
        if acknowledged >= wait.replicas {
            return Some(acknowledged);
        }
        self.waits.insert(id, wait);
        None
    }

    /// Ends a client's wait without an answer: it is gone or was unblocked.
    pub fn cancel(&mut self, id: WaitId) {
        self.waits.remove(&id);
    }

    /// Takes a wait that is over, with the number to reply. Call it after acknowledgements and at
    /// [`deadline`](Self::deadline).
    pub fn poll(&mut self, now: Now, feeds: &Feeds) -> Option<(WaitId, usize)> {
        let (id, count) = self.waits.iter().find_map(|(&id, wait)| {
            let count = feeds.acknowledged(wait.offset);
            let late = wait.deadline.is_some_and(|deadline| deadline <= now.instant);
            (late || count >= wait.replicas).then_some((id, count))
        })?;
        self.waits.remove(&id);
        Some((id, count))
    }

    /// When the next wait gives up.
    pub fn deadline(&self) -> Option<Instant> {
        self.waits.values().filter_map(|wait| wait.deadline).min()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }
}
