//! What time does to the link: attempts, acknowledgements, signs of life, timeouts.

use slotmesh_engine::time::{Instant, Now};

use super::{BEAT_MS, Link, Output, Stage};
use crate::note::Note;

impl Link {
    /// Does what is due. Call it each second, or at [`deadline`](Self::deadline).
    pub fn tick(&mut self, now: Now) {
        if self.has_timed_out(now) {
            return self.on_timeout(now);
        }
        match self.stage {
            Stage::Waiting if now.instant >= self.next_attempt => self.dial(now, "Connecting"),
            Stage::Streaming { .. } if now.instant >= self.next_beat => self.acknowledge(now),
            Stage::Receiving { .. } | Stage::Loading { .. } if now.instant >= self.next_beat => {
                self.next_beat = now.instant.plus_millis(BEAT_MS);
                self.outputs.push_back(Output::Send(b"\n".to_vec()));
            }
            Stage::Asking
            | Stage::Dialling
            | Stage::Greeting(_)
            | Stage::Header { .. }
            | Stage::Idle
            | Stage::Loading { .. }
            | Stage::Receiving { .. }
            | Stage::Streaming { .. }
            | Stage::Waiting => {}
        }
    }

    /// When [`tick`](Self::tick) has something to do at the latest; nothing for a node that is not a replica.
    pub fn deadline(&self) -> Option<Instant> {
        // The timeout has passed only after its last moment.
        let timeout = (self.last_io + self.config.timeout).plus_millis(1);
        match self.stage {
            Stage::Idle => None,
            Stage::Waiting => Some(self.next_attempt),
            Stage::Streaming { .. } | Stage::Receiving { .. } => Some(self.next_beat.min(timeout)),
            Stage::Loading { .. } => Some(self.next_beat),
            Stage::Asking | Stage::Dialling | Stage::Greeting(_) | Stage::Header { .. } => Some(timeout),
        }
    }

    fn has_timed_out(&self, now: Now) -> bool {
        let quiet = now.instant.since(self.last_io) > self.config.timeout;
        quiet && !matches!(self.stage, Stage::Idle | Stage::Waiting | Stage::Loading { .. })
    }

    fn on_timeout(&mut self, now: Now) {
        if matches!(self.stage, Stage::Streaming { .. }) {
            self.note(Note::warning("MASTER timeout: no data nor PING received..."));
            self.outputs.push_back(Output::Close);
            self.lose_stream(now);
            return self.reconnect(now);
        }
        let text = match self.stage {
            Stage::Header { .. } | Stage::Receiving { .. } => {
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value."
            }
            Stage::Asking
            | Stage::Dialling
            | Stage::Greeting(_)
            | Stage::Idle
            | Stage::Loading { .. }
            | Stage::Streaming { .. }
            | Stage::Waiting => "Timeout connecting to the MASTER...",
        };
        self.give_up(now, Note::warning(text));
    }
}
