//! Pub/sub over the bus.

use bytes::Bytes;

use super::Bus;
use super::codec::{HEADER_BYTES, MESSAGE_BYTES_MAX};
use super::message::{Body, ChannelScope, MessageFlags, MessageKind, Publication};
use super::output::BusOutput;
use crate::machine::LogLevel;
use crate::slots::NodeKey;

/// Bytes of a PUBLISH before channel and message.
const PUBLISH_HEAD_BYTES: usize = HEADER_BYTES + 8;

impl Bus {
    /// Passes a published message on: to every node, or to those of this node's shard. Returns how many got it.
    ///
    /// A message longer than [`MESSAGE_BYTES_MAX`] stays here, with a log line: peers would drop the link over it.
    /// The bus delivers at most once and only to nodes it is connected with, as in Redis.
    pub fn publish(&mut self, scope: ChannelScope, channel: &[u8], message: &[u8]) -> usize {
        if channel.len() + message.len() + PUBLISH_HEAD_BYTES > MESSAGE_BYTES_MAX {
            self.log(LogLevel::Warning, "Message too large for the cluster bus, published locally only".to_owned());
            return 0;
        }
        let body = Body::Publish(Publication { scope, channel, message });
        match scope {
            ChannelScope::Cluster => self.broadcast(MessageKind::Publish, MessageFlags::default(), body),
            ChannelScope::Shard => {
                let shard = self.shard_peers();
                self.send_many(&shard, MessageKind::PublishShard, MessageFlags::default(), body)
            }
        }
    }

    /// The primary of this node's shard and its replicas, without this node.
    pub(super) fn shard_peers(&self) -> Vec<NodeKey> {
        let primary = self.claim_source();
        let replicas = self.table.node(primary).replicas.iter().copied();
        std::iter::once(primary).chain(replicas).filter(|key| *key != self.table.me).collect()
    }

    /// A message arrived for local subscribers; it is not passed on.
    pub(super) fn hear_publication(&mut self, publication: &Publication<'_>) {
        let channel = Bytes::copy_from_slice(publication.channel);
        let message = Bytes::copy_from_slice(publication.message);
        self.outputs.push_back(BusOutput::Publish { scope: publication.scope, channel, message });
    }
}
