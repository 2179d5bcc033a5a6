//! Large requests and large replies: the two logs that COMMANDLOG keeps beside the slow log.
//!
//! Sizes are counted in bytes of the protocol. A transaction is one request, EXEC, with one reply.

use slotmesh_engine::command::Resolved;
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
}

impl Node {
    /// Keeps a client's command that has run, if its request or its reply was large.
    #[inline]
    pub(super) fn note_sizes(&mut self, call: Call<'_>, begin: Position) {
        let Call { now, conn, session, args, command } = call;
        // The command may have closed its own connection.
        let end = self.engine.find(session).map(|_| self.engine.out_ref(session).position());
        let reply = end.map_or(0, |end| end.bytes().saturating_sub(begin.bytes()));
        let request_max = args.span() as u64 + FRAME_BYTES_MAX;
        if request_max >= self.sizes.request_bytes_min || reply >= self.sizes.reply_bytes_min {
            self.log_sizes(now, conn, command, args, reply);
        }
    }

    #[cold]
    fn log_sizes(&mut self, now: Now, conn: ConnId, command: Resolved, args: Args<'_>, reply: u64) {
        let request = request_bytes(args);
        if request < self.sizes.request_bytes_min && reply < self.sizes.reply_bytes_min {
            return;
        }
        let mut words = Words::default();
        words.take(args, hidden_words(&self.engine.registry().get(command.id).full_name, args));
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

/// The bytes of a request as clients send it.
fn request_bytes(args: Args<'_>) -> u64 {
    let header = |count: usize| u64::from(count.checked_ilog10().unwrap_or(0)) + 4;
    header(args.len()) + args.iter().map(|word| header(word.len()) + word.len() as u64 + 2).sum::<u64>()
}

/// Bytes at the most that a request has before its first word and behind its last: two headers and a line end.
const FRAME_BYTES_MAX: u64 = 2 * 23 + 2;

/// More bytes than anything has.
const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use slotmesh_engine::resp::args::ArgsBuf;

    use super::request_bytes;

    #[test]
    fn requests_are_measured_as_they_are_sent() {
        for (words, sent) in [
            (vec!["PING".to_owned()], "*1\r\n$4\r\nPING\r\n".len()),
            (vec!["ECHO".to_owned(), String::new()], "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n".len()),
            (vec!["x".repeat(1000); 12], 5 + 12 * (7 + 1000 + 2)),
        ] {
            let args: ArgsBuf = words.iter().collect();

            assert_eq!(request_bytes(args.as_args()), sent as u64);
        }
    }
}
