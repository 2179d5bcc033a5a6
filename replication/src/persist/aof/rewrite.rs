//! A new base for the append only file.
//!
//! The walk begins at a place in the log, the *cut*. Everything before it goes to the old incremental file, which is
//! synced before the manifest names a newer one: only the last file may have a torn tail. Everything after it goes to
//! the new incremental file. When the base is complete it is renamed into the folder and the manifest names it with
//! the new incremental file; what was before becomes history and is removed. While the file is being created for the
//! first time, nothing is in the manifest until the base is there, and the incremental file has a temporary name.

use slotmesh_engine::time::{Instant, Now};

use super::{Aof, Mode, Output};
use crate::disk::{DiskOp, DiskResult, Ticket, Tickets};
use crate::log::{Log, put_select};
use crate::note::Note;
use crate::offset::Position;
use crate::persist::join;
use crate::persist::manifest::{BaseForm, Manifest};
use crate::persist::sequence::{Advance, Sequence};
use crate::persist::temporary;

/// How far a rewrite has come.
#[derive(Debug)]
pub(super) enum Rewrite {
    None,
    /// Files that history has passed are being removed.
    Cleaning(Sequence),
    /// The old incremental file takes what was before the cut.
    Draining(Opening),
    /// The new incremental file is being made.
    Opening(Sequence, Opening),
    /// The log goes to the new file; the walk goes on.
    Walking,
    /// The base is being put in place.
    Installing(Sequence, Installing),
}

/// What is known of the new incremental file until it is written to.
#[derive(Debug)]
pub(super) struct Opening {
    cut: Position,
    /// The database the log was on at the cut.
    selected: Option<u32>,
    path: String,
    /// The manifest that names it, when there is one yet.
    manifest: Option<Manifest>,
    /// The base, when the walk was faster.
    base: Option<Base>,
    /// A walk goes on; if not, only a file is opened.
    walks: bool,
}

/// What holds once the base is in place.
#[derive(Debug)]
pub(super) struct Installing {
    manifest: Manifest,
    /// The lasting path of the incremental file, when it had a temporary one.
    increment: Option<String>,
    base: Base,
}

/// A base that is complete under its temporary name.
#[derive(Debug, Clone)]
pub(super) struct Base {
    temp: String,
    bytes: u64,
}

/// Holds back automatic rewrites that keep failing.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    failures: u32,
    not_before: Instant,
}

/// What BGREWRITEAOF is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteReply {
    /// This error.
    Refused(&'static str),
    /// It begins when the running walk is over: `+Background append only file rewriting scheduled`.
    Scheduled,
    /// Begin a walk for the base now: `+Background append only file rewriting started`.
    Start,
}

impl Aof {
    /// Carries out BGREWRITEAOF. `busy` says that another walk is running.
    pub fn request_rewrite(&mut self, busy: bool) -> RewriteReply {
        if self.is_rewriting() {
            return RewriteReply::Refused("ERR Background append only file rewriting already in progress");
        }
        self.scheduled = true;
        if busy { RewriteReply::Scheduled } else { RewriteReply::Start }
    }

    /// Whether a rewrite is due: asked for, needed to turn the file on, or because the file has grown. Ask each 100 ms
    /// while no walk is running; the line that explains it is put out.
    pub fn wants_rewrite(&mut self, now: Now) -> bool {
        if self.is_rewriting() {
            return false;
        }
        let held_back = now.instant < self.limiter.not_before;
        if self.scheduled {
            return !held_back || self.mode != Mode::Creating;
        }
        let (percent, current) = (self.config.rewrite_growth_percent, self.current_bytes());
        if self.mode != Mode::On || percent == 0 || current <= self.config.rewrite_bytes_min || held_back {
            return false;
        }
        let base = self.rewrite_base_bytes.max(1);
        let growth = (u128::from(current) * 100 / u128::from(base)).saturating_sub(100);
        if growth < u128::from(percent) {
            return false;
        }
        self.note(Note::notice(format!("Starting automatic rewriting of AOF on {growth}% growth")));
        true
    }

    /// Notes that a walk for the base begins at the log's end; returns the temporary name it writes to.
    ///
    /// A node whose file is off may ask for a base too (BGREWRITEAOF does): it then has one file, and no log.
    pub fn begin_rewrite(&mut self, log: &mut Log, tickets: &mut Tickets) -> String {
        assert!(!self.is_rewriting(), "one rewrite at a time");
        self.scheduled = false;
        let text = format!("Background append only file rewriting started by pid {}", self.config.process_id);
        self.note(Note::notice(text));
        let next = Opening::at(log, Walks::Yes);
        match self.mode {
            Mode::Off => self.rewrite = Rewrite::Walking,
            Mode::On => {
                log.raise_file_barrier();
                self.rewrite = Rewrite::Draining(next);
            }
            Mode::Creating => {
                log.attach_file();
                self.open_temporary(next, tickets);
            }
        }
        join(&self.config.dir, &temporary::aof_base(self.config.process_id))
    }

    /// The form the walk's bytes must have.
    pub fn base_form(&self) -> BaseForm {
        self.config.base
    }

    /// Whether a rewrite is under way.
    pub fn is_rewriting(&self) -> bool {
        !matches!(self.rewrite, Rewrite::None | Rewrite::Cleaning(_))
    }

    /// Tells that the base lies complete and synced at `temp`.
    pub fn base_written(&mut self, temp: String, bytes: u64, tickets: &mut Tickets) {
        self.note(Note::notice("Background AOF rewrite terminated with success"));
        let written = Base { temp, bytes };
        match &mut self.rewrite {
            Rewrite::Draining(next) | Rewrite::Opening(_, next) => next.base = Some(written),
            Rewrite::Walking => self.install(written, tickets),
            Rewrite::None | Rewrite::Cleaning(_) | Rewrite::Installing(..) => {}
        }
    }

    /// Tells that the walk failed, and why.
    pub fn rewrite_failed(&mut self, now: Now, reason: &str, log: &mut Log) {
        if !self.is_rewriting() {
            return;
        }
        self.note(Note::warning(format!("Background AOF rewrite terminated with error: {reason}")));
        self.last_rewrite_failed = true;
        self.limiter.failed(now);
        self.outputs.push_back(Output::Rewritten(false));
        match &mut self.rewrite {
            _ if self.mode == Mode::Creating => {
                // Nothing counts yet: begin anew with the next walk.
                self.rewrite = Rewrite::None;
                self.writer.close();
                self.release_all();
                log.detach_file();
                self.scheduled = true;
            }
            // The new file goes on being opened: the manifest may name it already.
            Rewrite::Opening(_, next) => {
                next.walks = false;
                next.base = None;
            }
            Rewrite::Cleaning(_)
            | Rewrite::Draining(_)
            | Rewrite::Installing(..)
            | Rewrite::None
            | Rewrite::Walking => {
                log.drop_file_barrier();
                self.rewrite = Rewrite::None;
            }
        }
    }

    /// The log has nothing more for the file: one that is drained makes way for the next.
    pub(super) fn drained(&mut self, log: &Log, tickets: &mut Tickets) {
        if !log.is_at_file_barrier() {
            return;
        }
        match std::mem::replace(&mut self.rewrite, Rewrite::None) {
            Rewrite::Draining(next) => self.open_next(next, tickets),
            undrained @ (Rewrite::Cleaning(_)
            | Rewrite::Installing(..)
            | Rewrite::None
            | Rewrite::Opening(..)
            | Rewrite::Walking) => self.rewrite = undrained,
        }
    }

    /// Opens the next incremental file, behind the one that is written to now.
    fn open_next(&mut self, next: Opening, tickets: &mut Tickets) {
        let mut manifest = self.manifest.clone();
        let name = manifest.add_increment(&self.config.name);
        let path = self.path(&name);
        let old = self.writer.path().map(str::to_owned);
        let mut ops: Vec<DiskOp> = old.iter().map(|old| DiskOp::Sync { path: old.clone() }).collect();
        ops.extend([DiskOp::Create { path: path.clone() }, DiskOp::SyncDir { path: self.folder() }]);
        ops.extend(self.manifest_ops(&manifest));
        ops.extend(old.map(|path| DiskOp::Close { path }));
        let occasion = if next.walks { "background rewrite" } else { "server start" };
        self.note(Note::notice(format!("Creating AOF incr file {name} on {occasion}")));
        self.writer.pause();
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        self.rewrite = Rewrite::Opening(sequence, Opening { path, manifest: Some(manifest), ..next });
        self.put((ticket, op));
    }

    /// Opens the incremental file of an append only file that is being created.
    fn open_temporary(&mut self, next: Opening, tickets: &mut Tickets) {
        let path = self.path(&temporary::aof_increment(&self.config.name));
        let ops = [
            DiskOp::MakeDir { path: self.folder() },
            DiskOp::SyncDir { path: self.config.dir.clone() },
            DiskOp::Create { path: path.clone() },
        ];
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        self.rewrite = Rewrite::Opening(sequence, Opening { path, ..next });
        self.put((ticket, op));
    }

    /// Opens the first incremental file beside a base that has none.
    pub(super) fn open_first_increment(&mut self, log: &Log, tickets: &mut Tickets) {
        self.open_next(Opening::at(log, Walks::No), tickets);
    }

    pub(super) fn on_rewrite_disk(
        &mut self,
        now: Now,
        ticket: Ticket,
        result: &DiskResult,
        log: &mut Log,
        tickets: &mut Tickets,
    ) -> bool {
        let sequence = match &mut self.rewrite {
            Rewrite::Cleaning(sequence) | Rewrite::Opening(sequence, _) | Rewrite::Installing(sequence, _) => sequence,
            Rewrite::None | Rewrite::Draining(_) | Rewrite::Walking => return false,
        };
        match sequence.on_disk(ticket, result, tickets) {
            Advance::NotMine => return false,
            Advance::Next(ticket, op) => self.put((ticket, op)),
            Advance::Done => self.sequence_done(log, tickets),
            Advance::Failed(error) => self.sequence_failed(now, &error.text, log),
        }
        true
    }

    fn sequence_done(&mut self, log: &mut Log, tickets: &mut Tickets) {
        match std::mem::replace(&mut self.rewrite, Rewrite::None) {
            Rewrite::Opening(_, next) => self.opened(next, log, tickets),
            Rewrite::Installing(_, done) => self.installed(done, tickets),
            Rewrite::Cleaning(_) => self.manifest.history.clear(),
            Rewrite::None | Rewrite::Draining(_) | Rewrite::Walking => {}
        }
    }

    fn opened(&mut self, next: Opening, log: &mut Log, tickets: &mut Tickets) {
        if let Some(manifest) = next.manifest {
            self.manifest = manifest;
        }
        // The file begins where a reader knows no database yet.
        let mut prefix = Vec::new();
        if let Some(db) = next.selected {
            put_select(&mut prefix, db);
        }
        self.base_bytes += self.writer.bytes();
        for ticket in self.writer.take_holds(next.cut) {
            self.outputs.push_back(Output::Durable(ticket));
        }
        self.writer.unpause();
        self.writer.open(next.path, 0, next.cut);
        self.writer.set_prefix(prefix);
        log.drop_file_barrier();
        self.rewrite = if next.walks { Rewrite::Walking } else { Rewrite::None };
        match next.base {
            Some(base) => self.install(base, tickets),
            None if !next.walks => self.clean_history(tickets),
            None => {}
        }
    }

    fn install(&mut self, base: Base, tickets: &mut Tickets) {
        let mut manifest = self.manifest.clone();
        let mut ops = Vec::new();
        let mut increment = None;
        match self.mode {
            Mode::On => {}
            Mode::Off => {
                let (folder, dir) = (self.folder(), self.config.dir.clone());
                ops.extend([DiskOp::MakeDir { path: folder }, DiskOp::SyncDir { path: dir }]);
                let increments = std::mem::take(&mut manifest.increments);
                manifest.history.extend(increments);
            }
            Mode::Creating => {
                let name = manifest.add_increment(&self.config.name);
                increment = Some(self.path(&name));
            }
        }
        let name = manifest.replace_base(&self.config.name, self.config.base);
        ops.push(DiskOp::Rename { from: base.temp.clone(), to: self.path(&name) });
        if let (Some(to), Some(from)) = (&increment, self.writer.path()) {
            // What the file has must survive before the manifest says that it counts.
            let (from, to) = (from.to_owned(), to.clone());
            ops.extend([DiskOp::Sync { path: from.clone() }, DiskOp::Close { path: from.clone() }]);
            ops.push(DiskOp::Rename { from, to });
            self.writer.pause();
        }
        ops.push(DiskOp::SyncDir { path: self.folder() });
        ops.extend(self.manifest_ops(&manifest));
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        self.rewrite = Rewrite::Installing(sequence, Installing { manifest, increment, base });
        self.put((ticket, op));
    }

    fn installed(&mut self, done: Installing, tickets: &mut Tickets) {
        let temp = done.base.temp.rsplit('/').next().unwrap_or_default();
        let name = done.manifest.base.as_ref().map(|base| base.name.clone()).unwrap_or_default();
        self.note(Note::notice(format!("Successfully renamed the temporary AOF base file {temp} into {name}")));
        self.manifest = done.manifest;
        self.base_bytes = done.base.bytes;
        if let Some(path) = done.increment {
            self.writer.renamed(path);
            self.mode = Mode::On;
        }
        self.rewrite_base_bytes = self.current_bytes();
        self.last_rewrite_failed = false;
        self.limiter = Limiter::default();
        self.note(Note::notice("Background AOF rewrite finished successfully"));
        self.outputs.push_back(Output::Rewritten(true));
        self.clean_history(tickets);
    }

    /// Removes files that newer ones have replaced, then their names from the manifest.
    pub(super) fn clean_history(&mut self, tickets: &mut Tickets) {
        if self.manifest.history.is_empty() || self.config.keep_history {
            return;
        }
        let mut manifest = self.manifest.clone();
        let paths = manifest.history.drain(..).map(|file| self.path(&file.name));
        let mut ops: Vec<DiskOp> = Vec::new();
        for path in paths {
            ops.extend([DiskOp::Close { path: path.clone() }, DiskOp::Remove { path }]);
        }
        ops.extend(self.manifest_ops(&manifest));
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        self.rewrite = Rewrite::Cleaning(sequence);
        self.put((ticket, op));
    }

    fn sequence_failed(&mut self, now: Now, text: &str, log: &mut Log) {
        match std::mem::replace(&mut self.rewrite, Rewrite::None) {
            Rewrite::Cleaning(_) => {
                self.note(Note::warning(format!("Error deleting AOF history files: {text}")));
                return;
            }
            Rewrite::Opening(..) if self.mode == Mode::On && self.writer.path().is_none() => {
                self.note(Note::warning(format!("Can't open or create append-only file: {text}")));
                self.outputs.push_back(Output::Exit);
                return;
            }
            Rewrite::Opening(_, next) => {
                if next.walks && next.base.is_none() {
                    self.outputs.push_back(Output::CancelWalk);
                }
            }
            Rewrite::Installing(..) | Rewrite::None | Rewrite::Draining(_) | Rewrite::Walking => {}
        }
        self.writer.unpause();
        self.rewrite = Rewrite::Walking;
        self.rewrite_failed(now, text, log);
    }
}

/// Whether a new incremental file is opened for a walk.
enum Walks {
    No,
    Yes,
}

impl Opening {
    fn at(log: &Log, walks: Walks) -> Self {
        let (cut, selected) = (log.end(), log.selected());
        let walks = matches!(walks, Walks::Yes);
        Self { cut, selected, path: String::new(), manifest: None, base: None, walks }
    }
}

impl Limiter {
    fn failed(&mut self, now: Now) {
        self.failures += 1;
        let Some(doublings) = self.failures.checked_sub(FAILURES_FREE) else { return };
        let minutes = 1_u64.checked_shl(doublings).map_or(DELAY_MINUTES_MAX, |minutes| minutes.min(DELAY_MINUTES_MAX));
        self.not_before = now.instant.plus_millis(minutes * 60_000);
    }
}

/// Failures in a row after which rewrites are put off (Redis: 3).
const FAILURES_FREE: u32 = 3;
/// Longest delay between rewrites that keep failing, in minutes (Redis: 60).
const DELAY_MINUTES_MAX: u64 = 60;
