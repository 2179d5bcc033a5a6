//! Counters for INFO. The engine counts what it does; the host adds what it sees of connections and time.

/// Counters since the start or the last `CONFIG RESETSTAT`.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Commands run (`total_commands_processed`).
    pub commands: u64,
    /// Lookups for reading that found a key.
    pub keyspace_hits: u64,
    /// Lookups for reading that found none.
    pub keyspace_misses: u64,
    /// Keys removed because their time had come.
    pub expired_keys: u64,
    /// Fields of hashes removed because their time had come.
    pub expired_fields: u64,
    /// Keys removed to make room.
    pub evicted_keys: u64,
    /// Error replies sent (`total_error_replies`).
    pub error_replies: u64,
    /// Error replies by their first word, bounded by [`ERROR_CODES_MAX`].
    pub errors: std::collections::BTreeMap<Box<[u8]>, u64>,
    /// What each command did, by its place in the registry.
    pub commands_by_id: Vec<CommandStats>,
}

/// What one command did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandStats {
    /// Times it ran.
    pub calls: u64,
    /// Nanoseconds it ran, as the host measured.
    pub nanos: u64,
    /// Times a gate refused it.
    pub rejected: u64,
    /// Times it ran and failed.
    pub failed: u64,
}

impl Stats {
    /// Counts an error reply.
    pub fn count_error(&mut self, code: &[u8]) {
        self.error_replies += 1;
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.into(), 1);
        }
    }
}

/// Different error codes that are counted apart; custom commands and scripts can invent more.
pub const ERROR_CODES_MAX: usize = 128;
