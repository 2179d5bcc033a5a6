//! What memory is used for, as far as the node counts it: for INFO and MEMORY.

use super::Node;
use super::conns::Role;

/// Bytes of memory by purpose.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MemoryUse {
    /// Keys and their values.
    pub(super) entries: usize,
    /// Keyspace and all that belongs to it, without what is on its way out: for whoever flushed or deleted it, that is
    /// gone, and limits are set by what is told right afterwards.
    pub(super) keyspace: usize,
    /// Keys and values that wait to be freed.
    pub(super) pending_objects: usize,
    /// Keys and values that had to wait and are freed.
    pub(super) freed_objects: u64,
    /// The log that replicas and the append only file follow.
    pub(super) backlog: usize,
    /// Input and output of ordinary clients.
    pub(super) clients: usize,
    /// Input and output of replicas.
    pub(super) replicas: usize,
    /// Input and output of the cluster's bus.
    pub(super) links: usize,
    /// The most there ever was when somebody asked.
    pub(super) peak: usize,
    /// What the process has, as the system sees it; 0 where the host cannot tell.
    pub(super) resident: usize,
}

impl MemoryUse {
    /// All that is counted.
    pub(super) fn total(&self) -> usize {
        self.keyspace + self.backlog + self.clients + self.replicas + self.links
    }

    /// All that is neither key nor value.
    pub(super) fn overhead(&self) -> usize {
        self.total() - self.entries
    }

    /// Resident memory as a multiple of what is counted; 0 where either is unknown.
    pub(super) fn fragmentation(&self) -> f64 {
        ratio(self.resident, self.total())
    }
}

/// A part of a whole; 0 of nothing.
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole > 0 { part as f64 / whole as f64 } else { 0.0 }
}

impl Node {
    /// Adds up what is in use. Looks at every connection.
    pub(super) fn memory_use(&mut self) -> MemoryUse {
        let dataset = self.engine.core().keyspace.memory();
        let mut found = MemoryUse {
            entries: dataset.entries,
            keyspace: dataset.total() - dataset.detached,
            pending_objects: self.engine.core().keyspace.pending_objects(),
            freed_objects: self.engine.core().keyspace.freed_objects(),
            backlog: self.replication.log.allocated(),
            links: self.conns.link_bytes(),
            resident: self.host.memory.resident_bytes,
            ..MemoryUse::default()
        };
        for (_, client) in self.conns.clients() {
            let bytes = client.input.capacity() + self.engine.out_ref(client.session).allocated();
            *(if client.role == Role::Replica { &mut found.replicas } else { &mut found.clients }) += bytes;
        }
        self.memory_peak = self.memory_peak.max(found.total());
        found.peak = self.memory_peak;
        found
    }
}
