//! Votes given: whom this node helps to become primary, and when it refuses.

use slotmesh_engine::time::Instant;
use slotmesh_engine::time::Now;

use super::Bus;
use super::message::{Body, Header, MessageFlags, MessageKind};
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// Least time a vote request is good for, in milliseconds (Redis uses the same figure).
const AUTH_TIMEOUT_MS_MIN: u64 = 2000;

impl Bus {
    /// How long a candidate counts votes: two node timeouts, at least two seconds.
    pub(super) fn auth_timeout_ms(&self) -> u64 {
        self.config.node_timeout_ms.saturating_mul(2).max(AUTH_TIMEOUT_MS_MIN)
    }

    /// A replica asks for a vote: grants it, or stays silent.
    pub(super) fn consider_vote(&mut self, now: Now, candidate: NodeKey, header: &Header) {
        if !self.myself().is_voter() {
            return;
        }
        let id = self.table.node(candidate).id;
        let primary = match self.vote_refusal(now.instant, candidate, header) {
            Ok(primary) => primary,
            Err(why) => {
                self.log(LogLevel::Warning, format!("Failover auth denied to {id}: {why}"));
                let primary = self.table.node(candidate).primary;
                if let (Some(link), Some(primary)) = (self.table.node(candidate).outbound, primary)
                    && self.is_behind_its_primary(candidate, header)
                {
                    self.send_update(link, primary);
                }
                return;
            }
        };
        self.table.node_mut(primary).voted_at = Some(now.instant);
        self.last_vote_epoch = self.current_epoch;
        self.save_claim();
        self.log(LogLevel::Notice, format!("Failover auth granted to {id} for epoch {}", self.current_epoch));
        self.send_node(candidate, MessageKind::AuthAck, Body::AuthAck);
    }

    /// The candidate's primary, when everything speaks for the vote; else why not, in Redis's words.
    fn vote_refusal(&self, now: Instant, candidate: NodeKey, header: &Header) -> Result<NodeKey, String> {
        if header.current_epoch < self.current_epoch {
            return Err(format!("reqEpoch ({}) < curEpoch({})", header.current_epoch, self.current_epoch));
        }
        if self.last_vote_epoch == self.current_epoch {
            return Err(format!("already voted for epoch {}", self.current_epoch));
        }
        let node = self.table.node(candidate);
        if node.is_primary() {
            return Err("it is a master node".to_owned());
        }
        let Some(key) = node.primary else { return Err("I don't know its master".to_owned()) };
        let forced = header.mflags.has(MessageFlags::FORCE_ACK);
        let primary = self.table.node(key);
        if !primary.is_failed() && !forced {
            return Err("its master is up".to_owned());
        }
        let timeout = self.config.node_timeout_ms;
        // Our half of the write lease: whoever we answered within the timeout may still be serving writes.
        if !forced && (key == self.table.me || primary.data_received.is_some_and(|at| now.millis_since(at) <= timeout))
        {
            return Err("its master was heard of within the node timeout".to_owned());
        }
        let wait = timeout.saturating_mul(2);
        if let Some(since) = primary.voted_at.map(|at| now.millis_since(at)).filter(|since| *since < wait) {
            return Err(format!("can't vote about this master before {} milliseconds", wait - since));
        }
        let newer = header.slots.iter().find_map(|slot| {
            let epoch = self.table.node(self.table.slots.owner(slot)?).config_epoch;
            (epoch > header.config_epoch).then_some((slot, epoch))
        });
        if let Some((slot, epoch)) = newer {
            return Err(format!("slot {} epoch ({epoch}) > reqEpoch ({})", slot.number(), header.config_epoch));
        }
        Ok(key)
    }
}
