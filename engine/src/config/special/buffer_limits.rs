//! `client-output-buffer-limit`: how many unsent bytes close a connection.

use crate::config::invalid::Invalid;
use crate::config::memory::{memory_text, parse_memory};
use crate::config::stored::{Kind, Origin, Stored, parse_integer};

/// The limits of one class of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BufferLimit {
    /// Bytes that close the connection at once; 0 for no such limit.
    pub hard_bytes: u64,
    /// Bytes that close the connection when exceeded for [`BufferLimit::soft_secs`]; 0 for no such limit.
    pub soft_bytes: u64,
    /// Seconds the soft limit may be exceeded.
    pub soft_secs: u64,
}

/// The limits of all three classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferLimits {
    /// Clients that are nothing special.
    pub normal: BufferLimit,
    /// Replicas.
    pub replica: BufferLimit,
    /// Clients with a subscription.
    pub pubsub: BufferLimit,
}

impl Default for BufferLimits {
    fn default() -> Self {
        let mb = 1 << 20;
        Self {
            normal: BufferLimit::default(),
            replica: BufferLimit { hard_bytes: 256 * mb, soft_bytes: 64 * mb, soft_secs: 60 },
            pubsub: BufferLimit { hard_bytes: 32 * mb, soft_bytes: 8 * mb, soft_secs: 60 },
        }
    }
}

impl BufferLimits {
    fn class(&mut self, name: &[u8]) -> Option<&mut BufferLimit> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(&mut self.normal),
            b"replica" | b"slave" => Some(&mut self.replica),
            b"pubsub" => Some(&mut self.pubsub),
            _ => None,
        }
    }
}

impl Stored for BufferLimits {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        // A class that is not named keeps its limits, and CONFIG SET with no words at all changes nothing.
        if !words.len().is_multiple_of(4) {
            return Err(Invalid::BufferLimitCount);
        }
        let mut limits = *self;
        for group in words.chunks(4) {
            let [class, hard, soft, seconds] = group else { return Err(Invalid::BufferLimitCount) };
            let limit = limits.class(class).ok_or(Invalid::BufferLimitClass)?;
            *limit = BufferLimit {
                hard_bytes: parse_memory(hard).map_err(|_| Invalid::BufferLimitValue)?,
                soft_bytes: parse_memory(soft).map_err(|_| Invalid::BufferLimitValue)?,
                soft_secs: parse_integer(seconds)
                    .and_then(|seconds| u64::try_from(seconds).ok())
                    .ok_or(Invalid::BufferLimitValue)?,
            };
        }
        *self = limits;
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        let class = |name: &str, limit: &BufferLimit| {
            format!("{name} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_secs)
        };
        // CONFIG GET says `slave`, REWRITE says `replica`.
        [class("normal", &self.normal), class("slave", &self.replica), class("pubsub", &self.pubsub)]
            .join(" ")
            .into_bytes()
    }

    fn lines(&self, _: &Kind) -> Vec<Vec<u8>> {
        let default = Self::default();
        [
            ("normal", self.normal, default.normal),
            ("replica", self.replica, default.replica),
            ("pubsub", self.pubsub, default.pubsub),
        ]
        .into_iter()
        .map(|(name, limit, _)| {
            let (hard, soft) = (memory_text(limit.hard_bytes), memory_text(limit.soft_bytes));
            format!("{name} {hard} {soft} {}", limit.soft_secs).into_bytes()
        })
        .collect()
    }
}
