//! Large requests and large replies: the two logs that COMMANDLOG keeps beside the slow log.
//!
//! Sizes are counted in bytes of the protocol. A transaction is one request, EXEC, with one reply.

use slotmesh_engine::command::CommandId;
use slotmesh_engine::config::Config;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::outbuf::Position;
use slotmesh_engine::time::Now;

use super::Node;
use super::command::Call;
use super::timing::slowlog::{Event, Slowlog, Words, hidden_words};
use crate::machine::ConnId;

/// The largest requests and replies of late.
#[derive(Debug)]
pub(super) struct Sizes {
    pub(super) requests: Slowlog,
    pub(super) replies: Slowlog,
    request_bytes_min: u64,
    reply_bytes_min: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        let (requests, replies) = (Slowlog::default(), Slowlog::default());
        Self { requests, replies, request_bytes_min: NEVER, reply_bytes_min: NEVER }
    }
}

impl Sizes {
    /// Follows the options.
    pub(super) fn configure(&mut self, config: &Config) {
        let bytes_min = |option: i64| u64::try_from(option).unwrap_or(NEVER);
        self.request_bytes_min = bytes_min(config.commandlog_request_larger_than_bytes);
        self.reply_bytes_min = bytes_min(config.commandlog_reply_larger_than_bytes);
        self.requests.trim(config.commandlog_large_request_max_len);
        self.replies.trim(config.commandlog_large_reply_max_len);
    }

    /// Whether a request or its reply may be large enough to be kept.
    #[inline]
    pub(super) fn may_be_kept(&self, args: Args<'_>, reply: u64) -> bool {
        args.span() as u64 + FRAME_BYTES_MAX >= self.request_bytes_min || reply >= self.reply_bytes_min
    }
}

impl Node {
    /// Keeps a client's command that has run, if its request or its reply was large.
    #[inline]
    pub(super) fn note_sizes(&mut self, call: Call<'_>, begin: Position) {
        let Call { now, conn, session, args, command } = call;
        // The command may have closed its own connection.
        let end = self.engine.find(session).map(|_| self.engine.out_ref(session).position());
        let reply = end.map_or(0, |end| end.bytes().saturating_sub(begin.bytes()));
        if self.sizes.may_be_kept(args, reply) {
            self.log_sizes(now, conn, command.id, args, reply);
        }
    }

    #[cold]
    pub(super) fn log_sizes(&mut self, now: Now, conn: ConnId, command: CommandId, args: Args<'_>, reply: u64) {
        let request = args.framed_len() as u64;
        if request < self.sizes.request_bytes_min && reply < self.sizes.reply_bytes_min {
            return;
        }
        let mut words = Words::default();
        words.take(args, hidden_words(&self.engine.registry().get(command).full_name, args));
        let name = match self.conns.client(conn) {
            Some(client) => self.engine.session(client.session).name.to_vec(),
            None => Vec::new(),
        };
        let address = self.client_addresses(conn).0;
        let event = |measure| Event {
            unix_secs: now.unix.seconds(),
            measure,
            words: words.shown(),
            address: address.clone(),
            name: name.clone(),
        };
        let config = &self.engine.core().config;
        if request >= self.sizes.request_bytes_min {
            self.sizes.requests.add(event(request), config.commandlog_large_request_max_len);
        }
        if reply >= self.sizes.reply_bytes_min {
            self.sizes.replies.add(event(reply), config.commandlog_large_reply_max_len);
        }
    }
}

/// Bytes at the most that a request has before its first word and behind its last: two headers and a line end.
const FRAME_BYTES_MAX: u64 = 2 * 23 + 2;

/// More bytes than anything has.
const NEVER: u64 = u64::MAX;
