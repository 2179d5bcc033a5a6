//! From the log to the file: append, fsync, failure and repair.
//!
//! One append is under way at a time. Commands that arrive meanwhile leave together with the next one, so the disk
//! sets the size of the batches; and when an append fails, nothing after it has been written: the file is cut back to
//! what is known to be good and the same bytes are appended again.

use std::collections::VecDeque;

use bytes::Bytes;
use slotmesh_engine::time::{Instant, Now};

use super::{Aof, Fsync, Mode, Output};
use crate::disk::{DiskOp, DiskResult, Ticket, Tickets};
use crate::log::Log;
use crate::note::Note;
use crate::offset::Position;

/// The file that is written to, and what of it is under way.
#[derive(Debug)]
pub(super) struct Writer {
    path: Option<String>,
    /// Bytes known to be in the file.
    bytes: u64,
    pending: Pending,
    /// Text that precedes the next bytes: a SELECT at the beginning of a file.
    prefix: Vec<u8>,
    /// How far the log is appended, and how far it is synced.
    appended: Position,
    synced: Position,
    sync: Option<(Ticket, Position)>,
    last_sync: Instant,
    error: Option<String>,
    retry_at: Instant,
    /// Replies wait for these places to be synced.
    holds: VecDeque<(Position, Ticket)>,
    last_stamp_secs: i64,
    /// While set, no append begins: the file is about to get another name.
    paused: bool,
    /// The last byte handed on ended a command.
    at_boundary: bool,
}

/// The append under way.
#[derive(Debug)]
enum Pending {
    /// None.
    Idle,
    /// These bytes are being appended; the log is read up to `to`.
    Appending { ticket: Ticket, data: Bytes, to: Position },
    /// An append failed: these bytes are due again.
    Broken { data: Bytes, to: Position },
    /// The file is being cut back for them.
    Cutting { ticket: Ticket, data: Bytes, to: Position },
}

impl Writer {
    pub(super) fn new(now: Now) -> Self {
        Self {
            path: None,
            bytes: 0,
            pending: Pending::Idle,
            prefix: Vec::new(),
            appended: Position(0),
            synced: Position(0),
            sync: None,
            last_sync: now.instant,
            error: None,
            retry_at: Instant::ZERO,
            holds: VecDeque::new(),
            last_stamp_secs: i64::MIN,
            paused: false,
            at_boundary: true,
        }
    }

    /// Writes to this file from here on; the log is read up to `at`.
    pub(super) fn open(&mut self, path: String, bytes: u64, at: Position) {
        assert!(matches!(self.pending, Pending::Idle), "files change between appends");
        self.path = Some(path);
        self.bytes = bytes;
        self.appended = at;
        self.synced = at;
    }

    pub(super) fn set_prefix(&mut self, prefix: Vec<u8>) {
        self.prefix = prefix;
    }

    /// The file got another name.
    pub(super) fn renamed(&mut self, path: String) {
        self.path = Some(path);
        self.paused = false;
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn unpause(&mut self) {
        self.paused = false;
    }

    pub(super) fn close(&mut self) {
        self.path = None;
        self.pending = Pending::Idle;
        self.sync = None;
        self.error = None;
        self.prefix.clear();
        self.paused = false;
        self.bytes = 0;
    }

    pub(super) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn error_text(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) fn synced(&self) -> Position {
        self.synced
    }

    pub(super) fn is_syncing(&self) -> bool {
        self.sync.is_some()
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.pending, Pending::Idle)
    }

    pub(super) fn is_settled(&self) -> bool {
        self.path.is_none() || (self.is_idle() && self.sync.is_none() && self.synced == self.appended)
    }

    pub(super) fn deadline(&self, syncs: bool) -> Option<Instant> {
        if self.path.is_none() || self.paused {
            return None;
        }
        let retry = matches!(self.pending, Pending::Broken { .. }).then_some(self.retry_at);
        let sync =
            (syncs && self.synced < self.appended && self.sync.is_none()).then(|| self.last_sync.plus_millis(SYNC_MS));
        [retry, sync].into_iter().flatten().min()
    }

    pub(super) fn take_holds(&mut self, up_to: Position) -> Vec<Ticket> {
        let count = self.holds.iter().take_while(|(at, _)| *at <= up_to).count();
        self.holds.drain(..count).map(|(_, ticket)| ticket).collect()
    }
}

impl Aof {
    /// The ticket that replies to everything appended to the log so far must wait for; nothing when they need not.
    ///
    /// Only `appendfsync always` holds replies. The ticket is released by [`Output::Durable`].
    pub fn hold(&mut self, log: &Log, tickets: &mut Tickets) -> Option<Ticket> {
        // While the first base is being made nothing can be promised yet.
        let writes = self.config.fsync == Fsync::Always && self.mode == Mode::On;
        let end = log.end();
        if !writes || self.writer.synced >= end {
            return None;
        }
        if let Some(&(at, ticket)) = self.writer.holds.back()
            && at == end
        {
            return Some(ticket);
        }
        let ticket = tickets.take();
        self.writer.holds.push_back((end, ticket));
        Some(ticket)
    }

    /// Writes what the log has and syncs what is due. Call it after each batch of commands and at
    /// [`deadline`](Aof::deadline).
    pub fn flush(&mut self, now: Now, log: &mut Log, tickets: &mut Tickets) {
        if self.writer.path.is_none() || self.writer.paused {
            return;
        }
        match &self.writer.pending {
            Pending::Idle => self.append(now, log, tickets),
            Pending::Broken { .. } if now.instant >= self.writer.retry_at => self.repair(tickets),
            Pending::Appending { .. } | Pending::Broken { .. } | Pending::Cutting { .. } => {}
        }
        let due = now.instant >= self.writer.last_sync.plus_millis(SYNC_MS);
        match self.config.fsync {
            Fsync::Always => self.sync_now(tickets),
            Fsync::EverySecond if due && self.syncs_by_time() => {
                self.writer.last_sync = now.instant;
                self.sync_now(tickets);
            }
            Fsync::EverySecond | Fsync::No => {}
        }
    }

    /// Whether the passing second brings a sync.
    pub(super) fn syncs_by_time(&self) -> bool {
        let postponed = self.config.no_fsync_on_rewrite && self.is_rewriting();
        self.config.fsync == Fsync::EverySecond && !postponed
    }

    /// Syncs what has been appended, whatever the policy (shutdown does).
    pub fn sync_now(&mut self, tickets: &mut Tickets) {
        let Some(path) = self.writer.path.clone() else { return };
        let end = match self.writer.pending {
            // The append is ahead of the sync in the lane; if it fails, the answer to it comes first.
            Pending::Appending { to, .. } => to,
            Pending::Idle | Pending::Broken { .. } | Pending::Cutting { .. } => self.writer.appended,
        };
        if self.writer.sync.is_some() || self.writer.synced >= end {
            return;
        }
        let ticket = tickets.take();
        self.writer.sync = Some((ticket, end));
        self.put((ticket, DiskOp::Sync { path }));
    }

    /// Takes an answer. Returns whether it was this machine's.
    pub fn on_disk(
        &mut self,
        now: Now,
        ticket: Ticket,
        result: &DiskResult,
        log: &mut Log,
        tickets: &mut Tickets,
    ) -> bool {
        let mine = self.on_append(now, ticket, result)
            || self.on_cut(now, ticket, result, tickets)
            || self.on_sync(ticket, result)
            || self.on_rewrite_disk(now, ticket, result, log, tickets);
        if mine {
            self.flush(now, log, tickets);
        }
        mine
    }

    fn append(&mut self, now: Now, log: &mut Log, tickets: &mut Tickets) {
        let Some(path) = self.writer.path.clone() else { return };
        let mut body = gather(log);
        let to = log.file_position().unwrap_or(self.writer.appended);
        if body.is_empty() {
            self.passed_over(to);
            return self.drained(log, tickets);
        }
        let mut head = std::mem::take(&mut self.writer.prefix);
        let at_boundary = std::mem::replace(&mut self.writer.at_boundary, to == log.end());
        if self.config.timestamps && at_boundary && self.writer.last_stamp_secs < now.unix.seconds() {
            self.writer.last_stamp_secs = now.unix.seconds();
            head.splice(0..0, format!("#TS:{}\r\n", now.unix.seconds()).into_bytes());
        }
        if !head.is_empty() {
            head.extend_from_slice(&body);
            body = Bytes::from(head);
        }
        let ticket = tickets.take();
        self.writer.pending = Pending::Appending { ticket, data: body.clone(), to };
        self.put((ticket, DiskOp::Append { path, data: body }));
    }

    /// The log had nothing for the file up to `to`.
    fn passed_over(&mut self, to: Position) {
        if self.writer.synced == self.writer.appended {
            self.writer.synced = to;
            self.release_synced();
        }
        self.writer.appended = to;
    }

    fn release_synced(&mut self) {
        for ticket in self.writer.take_holds(self.writer.synced) {
            self.outputs.push_back(Output::Durable(ticket));
        }
    }

    fn on_append(&mut self, now: Now, ticket: Ticket, result: &DiskResult) -> bool {
        let Pending::Appending { ticket: awaited, data, to } = &self.writer.pending else { return false };
        if *awaited != ticket {
            return false;
        }
        let (data, to) = (data.clone(), *to);
        if let DiskResult::Failed(error) = result {
            self.writer.pending = Pending::Broken { data, to };
            self.fail(now, &error.text);
            return true;
        }
        self.writer.bytes += data.len() as u64;
        self.writer.appended = to;
        self.writer.pending = Pending::Idle;
        self.solved();
        true
    }

    /// Cuts the file back to what is good; the bytes are appended again afterwards.
    fn repair(&mut self, tickets: &mut Tickets) {
        let Some(path) = self.writer.path.clone() else { return };
        let Pending::Broken { data, to } = &self.writer.pending else { return };
        let ticket = tickets.take();
        self.writer.pending = Pending::Cutting { ticket, data: data.clone(), to: *to };
        self.put((ticket, DiskOp::Truncate { path, len: self.writer.bytes }));
    }

    fn on_cut(&mut self, now: Now, ticket: Ticket, result: &DiskResult, tickets: &mut Tickets) -> bool {
        let Pending::Cutting { ticket: awaited, data, to } = &self.writer.pending else { return false };
        if *awaited != ticket {
            return false;
        }
        let (data, to) = (data.clone(), *to);
        match (result, self.writer.path.clone()) {
            (DiskResult::Failed(error), _) => {
                self.writer.pending = Pending::Broken { data, to };
                self.fail(now, &error.text);
            }
            (_, Some(path)) => {
                let ticket = tickets.take();
                self.writer.pending = Pending::Appending { ticket, data: data.clone(), to };
                self.put((ticket, DiskOp::Append { path, data }));
            }
            (_, None) => self.writer.pending = Pending::Idle,
        }
        true
    }

    fn on_sync(&mut self, ticket: Ticket, result: &DiskResult) -> bool {
        let Some((_, end)) = self.writer.sync.filter(|(awaited, _)| *awaited == ticket) else { return false };
        self.writer.sync = None;
        if let DiskResult::Failed(error) = result {
            if self.config.fsync == Fsync::Always {
                self.note(Note::warning(format!(
                    "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {}. Exiting...",
                    error.text
                )));
                self.outputs.push_back(Output::Exit);
            } else {
                self.writer.error = Some(error.text.clone());
            }
            return true;
        }
        // A sync behind an append that failed has made nothing durable that was not.
        self.writer.synced = self.writer.synced.max(end.min(self.writer.appended));
        if !matches!(self.writer.pending, Pending::Broken { .. } | Pending::Cutting { .. }) {
            self.solved();
        }
        self.release_synced();
        true
    }

    fn fail(&mut self, now: Now, text: &str) {
        self.writer.retry_at = now.instant.plus_millis(RETRY_MS);
        if self.writer.error.is_none() {
            self.note(Note::warning(format!("Error writing to the AOF file: {text}")));
        }
        self.writer.error = Some(text.to_owned());
        if self.config.fsync == Fsync::Always {
            self.note(Note::warning(
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...",
            ));
            self.outputs.push_back(Output::Exit);
        }
    }

    fn solved(&mut self) {
        if self.writer.error.take().is_some() {
            self.note(Note::warning("AOF write error looks solved, Redis can write again."));
        }
    }
}

/// Everything the log has for the file, up to [`APPEND_BYTES_MAX`]; one piece is not copied.
fn gather(log: &mut Log) -> Bytes {
    let Some(first) = log.read_for_file(APPEND_BYTES_MAX) else { return Bytes::new() };
    let mut all = Vec::new();
    loop {
        let held = first.len().max(all.len());
        let room = APPEND_BYTES_MAX.saturating_sub(held);
        if room == 0 {
            break;
        }
        let Some(piece) = log.read_for_file(room) else { break };
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
    }
    if all.is_empty() { first } else { Bytes::from(all) }
}

/// Bytes of one append at the most, but for a single larger piece.
const APPEND_BYTES_MAX: usize = 4 << 20;
/// Period of `everysec`, in milliseconds.
const SYNC_MS: u64 = 1000;
/// Pause before a failed append is tried again, in milliseconds (Redis tries from its 1 s cron).
const RETRY_MS: u64 = 1000;
