//! WAIT and WAITAOF: clients that hold until what they wrote is in enough places.
//!
//! Lives here: who waits for what and until when. Who counts acknowledgements is [`Feeds`], how far the file has come
//! knows the append only file, and who replies is the node.

use std::collections::BTreeMap;

use slotmesh_engine::time::{Instant, Now};

use crate::feed::Feeds;
use crate::offset::{Offset, Position};

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
    /// How far its last write goes.
    pub written: Written,
    /// How many replicas must have acknowledged it.
    pub replicas: usize,
    /// Where it must be there.
    pub depth: Depth,
    /// When to give up; nothing waits for ever.
    pub deadline: Option<Instant>,
}

/// The places behind a client's last write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// In the history that replicas follow.
    pub offset: Offset,
    /// In this node's log, which its file reads.
    pub position: Position,
}

/// Where a write must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// In memory (WAIT).
    Memory,
    /// On disk (WAITAOF).
    Disk {
        /// On this node's, too.
        here: bool,
    },
}

/// How far this node's file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    /// There is no append only file.
    Off,
    /// Nothing that it has can be relied upon yet: its first base is being made.
    Beginning,
    /// What is on disk of the log.
    Synced(Position),
}

/// Where a write is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// On this node's disk. Nothing for WAIT, which does not ask.
    pub here: Option<bool>,
    /// With so many replicas.
    pub replicas: usize,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this reply: it is complete, or its time has come.
    Reply(Places),
    /// The file was turned off that was to get the write.
    NoFile,
}

impl Wait {
    /// Where the write is now.
    pub fn places(&self, feeds: &Feeds, local: Local) -> Places {
        match self.depth {
            Depth::Memory => Places { here: None, replicas: feeds.acknowledged(self.written.offset) },
            Depth::Disk { .. } => {
                let here = matches!(local, Local::Synced(synced) if synced >= self.written.position);
                Places { here: Some(here), replicas: feeds.synced(self.written.offset) }
            }
        }
    }

    /// Whether that is enough.
    pub fn is_met(&self, places: Places) -> bool {
        let here = !matches!(self.depth, Depth::Disk { here: true }) || places.here == Some(true);
        here && places.replicas >= self.replicas
    }

    fn ended(&self, now: Now, feeds: &Feeds, local: Local) -> Option<Ended> {
        if self.depth == (Depth::Disk { here: true }) && local == Local::Off {
            return Some(Ended::NoFile);
        }
        let places = self.places(feeds, local);
        let late = self.deadline.is_some_and(|deadline| deadline <= now.instant);
        (late || self.is_met(places)).then_some(Ended::Reply(places))
    }
}

impl Waits {
    /// Begins a wait that is not over already. The node puts one GETACK into the log and blocks the client.
    pub fn begin(&mut self, id: WaitId, wait: Wait) {
        self.waits.insert(id, wait);
    }

    /// Ends a client's wait without an answer, and tells what it was: the client is gone or was unblocked.
    pub fn cancel(&mut self, id: WaitId) -> Option<Wait> {
        self.waits.remove(&id)
    }

    /// Takes a wait that is over. Call it after acknowledgements, syncs, and at [`deadline`](Self::deadline).
    pub fn poll(&mut self, now: Now, feeds: &Feeds, local: Local) -> Option<(WaitId, Ended)> {
        let over = |(&id, wait): (&WaitId, &Wait)| Some((id, wait.ended(now, feeds, local)?));
        let (id, ended) = self.waits.iter().find_map(over)?;
        self.waits.remove(&id);
        Some((id, ended))
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
