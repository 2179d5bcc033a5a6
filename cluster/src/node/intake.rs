//! From bytes to requests: reading what a client sent and running it in batches.
//!
//! Requests are read and resolved a few at a time, their keys are hashed and looked up ahead, and then they run in
//! order: the memory loads of one batch overlap. A request that ends the client's turn (it blocks, closes or is
//! paused) leaves the later bytes unread. Clients that send one request each are a batch together: see `ahead`.

use slotmesh_engine::Engine;
use slotmesh_engine::command::Resolved;
use slotmesh_engine::command::keys::{Begin, KeySpec};
use slotmesh_engine::config::text::split_args;
use slotmesh_engine::error::ReplyError;
use slotmesh_engine::keyspace::KeyHash;
use slotmesh_engine::resp::args::{Args, ArgsBuf, Framed};
use slotmesh_engine::resp::request::{Limits, Parsed, ProtocolError, RequestParser};
use slotmesh_engine::time::Now;
use slotmesh_engine::value::PrefetchStage;

use super::Node;
use super::batch::{Batch, Request};
use super::conns::Waiting;
use crate::machine::ConnId;

/// What is found out about a request before it runs.
#[derive(Debug)]
pub(super) struct Known {
    /// Its command, or the reply why there is none.
    command: Result<Resolved, ReplyError>,
    /// The word that is its first key, with its hash.
    pub(super) key: Option<(usize, KeyHash)>,
}

/// Why a batch holds no more requests.
enum Stop {
    /// It is full.
    Full,
    /// The rest is no whole request.
    Incomplete,
    /// An inline command comes next: the line, and the offset behind it.
    Inline { line: usize, end: usize },
    /// The bytes that come next are no request.
    Wrong(ProtocolError),
}

impl Known {
    /// Finds a request's command, and hashes its first key.
    pub(super) fn find(engine: &Engine, args: Args<'_>) -> Self {
        let command = engine.resolve(args);
        let key = command.as_ref().ok().and_then(|command| {
            let index = first_key(command.keys)?;
            Some((index, engine.core().keyspace.hash(args.get(index)?)))
        });
        Self { command, key }
    }

    /// Whether a word may name an element of a collection.
    pub(super) fn names_element(&self) -> bool {
        self.command.as_ref().is_ok_and(Resolved::names_element)
    }

    /// The key's hash and the word that may name an element of its collection.
    pub(super) fn element<'a>(&self, args: Args<'a>) -> Option<(KeyHash, &'a [u8])> {
        let (index, hash) = self.key?;
        Some((hash, self.command.as_ref().ok()?.element(args, index)?))
    }
}

impl Node {
    /// Takes bytes that arrived from a client.
    pub(super) fn read_client(&mut self, now: Now, conn: ConnId, bytes: &[u8]) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        client.active = now.instant;
        client.bytes_in += bytes.len() as u64;
        if client.input.is_empty() {
            let used = self.run_requests(now, conn, bytes, 0);
            self.keep_rest(conn, &bytes[used..]);
            self.kept.shift(conn, used);
        } else {
            client.input.append(bytes);
            self.run_kept(now, conn);
        }
    }

    /// Runs one request of a caller in the process, or keeps it until the caller may go on.
    ///
    /// Its command, with the hash of its first key, may be known already.
    pub(super) fn run_request(&mut self, now: Now, conn: ConnId, request: Framed<'_>, known: Option<Known>) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        client.active = now.instant;
        client.bytes_in += request.bytes.len() as u64;
        if !client.is_next() {
            client.input.append(request.bytes);
            return self.run_kept(now, conn);
        }
        let known = known.unwrap_or_else(|| Known { command: self.engine.resolve(request.args), key: None });
        let Known { command, key } = known;
        let runs = match &command {
            Ok(command) => self.has_turn(conn, *command),
            Err(_) => true,
        };
        if runs {
            self.dispatch(now, conn, command, request.args, key);
        }
        if !runs || self.is_paused(conn) {
            self.keep_rest(conn, request.bytes);
        }
    }

    /// Runs the requests a client sent while it had to wait.
    pub(super) fn run_kept(&mut self, now: Now, conn: ConnId) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        let mut input = std::mem::take(&mut client.input);
        let (bytes, start) = input.kept();
        let used = self.run_requests(now, conn, bytes, start) - start;
        let moved = input.pass(used);
        self.kept.shift(conn, moved);
        let Some(client) = self.conns.client_mut(conn).filter(|client| !client.closing) else { return };
        if !input.is_empty() {
            input.reserve(client.parser.wanted(input.len()).min(RESERVE_BYTES_MAX));
            client.input = input;
            self.check_query_limit(conn);
        }
    }

    fn keep_rest(&mut self, conn: ConnId, rest: &[u8]) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        if !rest.is_empty() && !client.closing {
            let wanted = client.parser.wanted(rest.len());
            client.input.reserve(rest.len() + wanted.min(RESERVE_BYTES_MAX));
            client.input.append(rest);
            self.check_query_limit(conn);
        }
    }

    /// Closes a client that sent more than it may without any of it having run: unread bytes and what it queued for
    /// EXEC count together, or a transaction would be a way around the limit. Returns whether the client is still
    /// there.
    pub(super) fn check_query_limit(&mut self, conn: ConnId) -> bool {
        let limit = self.engine.core().config.client_query_buffer_limit.min(QUERY_BYTES_CEILING);
        let Some(client) = self.conns.client(conn) else { return false };
        let queued = self.engine.session(client.session).transaction.as_ref().map_or(0, |open| open.bytes);
        if (client.input.len() + queued) as u64 <= limit {
            return true;
        }
        let info = self.client_info(conn);
        self.log_warning(format!("Closing client that reached max query buffer length: {info}"));
        self.counters.query_limit_disconnections += 1;
        self.close_client(conn);
        false
    }

    /// Runs whole requests from `start` of `input` on while the client may go on. Returns the offset behind them.
    fn run_requests(&mut self, now: Now, conn: ConnId, input: &[u8], start: usize) -> usize {
        let mut batch = std::mem::take(&mut self.batch);
        let mut at = start;
        while self.may_run(conn) {
            if self.timing.is_taken() && at < input.len() {
                // Whatever comes next has no turn: no need to read it now.
                self.put_off(conn);
                break;
            }
            let stop = if self.kept.take(conn, &mut batch) {
                Stop::Full
            } else {
                let stop = self.fill(conn, input, at, &mut batch);
                self.look_ahead(conn, input, &batch);
                stop
            };
            at = self.run_batch(now, conn, input, &mut batch);
            // Nothing leaves before the whole input has run, so the limit is looked at in between: a few bytes of
            // requests can ask for gigabytes of replies.
            self.check_output_limit(now, conn);
            if !self.may_run(conn) {
                break;
            }
            match stop {
                Stop::Full => {}
                Stop::Incomplete => break,
                Stop::Inline { line, end } => {
                    if !self.run_inline(now, conn, &input[at..line]) {
                        break;
                    }
                    at = end;
                }
                Stop::Wrong(error) => {
                    self.fail_protocol(conn, error);
                    at = input.len();
                }
            }
        }
        self.keep_read(conn, &mut batch);
        batch.clear();
        self.batch = batch;
        at
    }

    /// Whether the client's next request may run now.
    pub(super) fn may_run(&self, conn: ConnId) -> bool {
        !self.deaf.is_deaf()
            && self.conns.client(conn).is_some_and(|client| !client.closing && client.waiting.is_none())
    }

    /// Reads and resolves requests into the batch.
    fn fill(&mut self, conn: ConnId, input: &[u8], start: usize, batch: &mut Batch) -> Stop {
        batch.clear();
        let limits = self.limits(conn);
        let Some(client) = self.conns.client_mut(conn) else { return Stop::Incomplete };
        batch.start = start;
        let mut at = start;
        while batch.requests.len() < BATCH_REQUESTS_MAX {
            let first = batch.ranges.len();
            match client.parser.parse(&input[at..], at, &mut batch.ranges, &limits) {
                Err(error) => return Stop::Wrong(error),
                Ok(Parsed::Incomplete) => return Stop::Incomplete,
                Ok(Parsed::Empty { consumed }) => {
                    at += consumed;
                    match batch.requests.back_mut() {
                        Some(last) => last.end = at,
                        None => batch.start = at,
                    }
                    continue;
                }
                Ok(Parsed::Inline { consumed, line }) => {
                    if batch.requests.is_empty() {
                        return Stop::Inline { line: at + line, end: at + consumed };
                    }
                    return Stop::Full;
                }
                Ok(Parsed::Request { consumed }) => {
                    at += consumed;
                    let len = batch.ranges.len() - first;
                    let known = Known::find(&self.engine, Args::new(input, &batch.ranges[first..]));
                    batch.requests.push_back(Request { first, len, end: at, known });
                }
            }
            if !limits.authenticated {
                // AUTH may change what the next request is allowed to be.
                return Stop::Full;
            }
        }
        Stop::Full
    }

    /// Overlaps the memory loads that the batch's lookups will need.
    fn look_ahead(&self, conn: ConnId, input: &[u8], batch: &Batch) {
        if batch.requests.len() < 2 {
            return;
        }
        let Some(client) = self.conns.client(conn) else { return };
        let db = self.engine.core().keyspace.db(self.engine.session(client.session).db);
        for request in &batch.requests {
            if let Some((_, hash)) = request.known.key {
                db.prefetch_group(hash);
            }
        }
        for request in &batch.requests {
            if let Some((_, hash)) = request.known.key {
                db.prefetch_entry(hash);
            }
        }
        if !batch.requests.iter().any(|request| request.known.names_element()) {
            return;
        }
        for stage in PrefetchStage::ALL {
            for request in &batch.requests {
                if let Some((hash, element)) = request.known.element(request.args(input, &batch.ranges)) {
                    db.prefetch_element(hash, element, stage);
                }
            }
        }
    }

    /// Runs the batch's requests in order. Returns the offset behind the last one that ran.
    fn run_batch(&mut self, now: Now, conn: ConnId, input: &[u8], batch: &mut Batch) -> usize {
        let mut at = batch.start;
        while let Some(request) = batch.requests.front() {
            if !self.may_run(conn) {
                self.forget_parsed(conn);
                break;
            }
            if let Ok(command) = request.known.command
                && !self.has_turn(conn, command)
            {
                self.forget_parsed(conn);
                break;
            }
            let Some(request) = batch.requests.pop_front() else { break };
            let args = request.args(input, &batch.ranges);
            self.dispatch(now, conn, request.known.command, args, request.known.key);
            if self.is_paused(conn) {
                break;
            }
            at = request.end;
        }
        batch.start = at;
        at
    }

    /// Keeps the requests of a batch that were read and wait for a turn; the client's is the next then, so that few
    /// clients' requests wait half run.
    fn keep_read(&mut self, conn: ConnId, batch: &mut Batch) {
        let waits = |conn| self.conns.client(conn).is_some_and(|client| client.waiting == Some(Waiting::Turn));
        if batch.requests.is_empty() || !waits(conn) || self.kept.owner().is_some_and(waits) {
            return;
        }
        self.kept.put(conn, batch);
        self.timing.put_first(conn);
    }

    /// Whether a pause held the last request back.
    fn is_paused(&self, conn: ConnId) -> bool {
        self.conns.client(conn).is_some_and(|client| client.waiting == Some(Waiting::Pause))
    }

    /// The parser may stand inside a later request; the bytes that did not run will be read again.
    fn forget_parsed(&mut self, conn: ConnId) {
        if let Some(client) = self.conns.client_mut(conn) {
            client.parser = RequestParser::default();
        }
    }

    /// Runs a request that came as a line. Returns whether it ran; if not, it is read again.
    fn run_inline(&mut self, now: Now, conn: ConnId, line: &[u8]) -> bool {
        let Ok(words) = split_args(line) else {
            self.fail_protocol(conn, ProtocolError::UnbalancedQuotes);
            return true;
        };
        if words.is_empty() {
            return true;
        }
        let request: ArgsBuf = words.iter().collect();
        let args = request.as_args();
        let command = self.engine.resolve(args);
        if let Ok(command) = command
            && !self.has_turn(conn, command)
        {
            self.forget_parsed(conn);
            return false;
        }
        self.dispatch(now, conn, command, args, None);
        !self.is_paused(conn)
    }

    fn fail_protocol(&mut self, conn: ConnId, error: ProtocolError) {
        let Some(client) = self.conns.client_mut(conn) else { return };
        let session = client.session;
        client.closing = true;
        let info = self.client_info(conn);
        let line = error.line();
        let fault = line.strip_prefix("ERR Protocol error: ").unwrap_or(&line);
        self.log_verbose(format!("Protocol error ({fault}) from client: {info}"));
        self.engine.reply_error(session, &ReplyError::text(error.line()));
        if self.engine.session(session).is_silent() {
            // Without a reply nothing flushes, and so closes, the connection.
            self.close_client(conn);
        }
    }

    pub(super) fn limits(&self, conn: ConnId) -> Limits {
        let authenticated =
            self.conns.client(conn).is_some_and(|client| self.engine.session(client.session).authenticated);
        let bulk_bytes_max = usize::try_from(self.engine.core().config.proto_max_bulk_len).unwrap_or(usize::MAX);
        Limits { bulk_bytes_max, authenticated, trusted: false }
    }
}

/// The word that is the first key, where it stands at a fixed place.
fn first_key(keys: &[KeySpec]) -> Option<usize> {
    match keys.first()?.begin {
        Begin::Index(index) => Some(usize::from(index)),
        Begin::Keyword(..) | Begin::MigrateOne | Begin::MigrateSeveral | Begin::Unknown => None,
    }
}

/// Requests read ahead at once. Sixteen loads in flight are what the memory system overlaps well; more only help
/// when the client's pipeline is longer, and cost cache.
pub(super) const BATCH_REQUESTS_MAX: usize = 32;

/// Unread bytes of one client at the most, whatever is configured: ranges have 32-bit offsets.
const QUERY_BYTES_CEILING: u64 = u32::MAX as u64;

/// Bytes reserved at once for an announced argument (the rest grows as it arrives).
const RESERVE_BYTES_MAX: usize = 1 << 20;
