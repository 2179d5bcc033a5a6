//! Start-up: reading back what was persisted.
//!
//! [`Recover`] is pulled: [`Recover::poll`] gives the next piece of the data set (bytes of an RDB file, whole
//! commands) or the disk operation it waits for, so that never more than a piece is in memory. A torn tail is cut, an
//! old single file is moved to where it belongs now, and what must not be loaded ends the process with the lines that
//! say why. In the end everything that was read is synced: a process that was killed leaves bytes and names that its
//! system knows and the disk does not, and what is written from now on must not depend on them.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use slotmesh_engine::rdb::{is_rdb, is_rdb_start};
use slotmesh_engine::time::{Instant, Now};

use crate::disk::{DiskErrorKind, DiskOp, DiskResult, Ticket, Tickets};
use crate::note::Note;
use crate::persist::aof::AofFound;
use crate::persist::join;
use crate::persist::manifest::{AofFile, Manifest};
use crate::persist::replace::replace_ops;
use crate::persist::scan::{CommandScan, Tail};
use crate::persist::sequence::{Advance, Sequence};
use crate::persist::temporary;

/// The reading back of one node's data.
#[derive(Debug)]
pub struct Recover {
    config: RecoverConfig,
    stage: Stage,
    awaited: Option<Ticket>,
    outputs: VecDeque<Output>,
    found: AofFound,
    began: Instant,
    /// Files of the manifest that are still to be loaded.
    to_load: VecDeque<(AofFile, Kind)>,
    dir_names: Vec<String>,
    folder_names: Vec<String>,
}

/// What to read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverConfig {
    /// `dir`.
    pub dir: String,
    /// `dbfilename`.
    pub dump_name: String,
    /// `appenddirname`.
    pub aof_folder: String,
    /// `appendfilename`.
    pub aof_name: String,
    /// `appendonly`: load the append only file and not the dump.
    pub aof: bool,
    /// `aof-load-truncated`.
    pub load_truncated: bool,
    /// At the start of a process with this number: what one with the same number, or one that wrote into the same
    /// append folder, left unfinished is removed. Other servers may be at work in `dir`, so that nothing else is.
    pub starts_as: Option<u32>,
}

/// What the node must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Carry out these commands: whole ones, whole transactions.
    Commands(Bytes),
    /// Carry out a disk operation in the log lane.
    Disk(Ticket, DiskOp),
    /// Everything is loaded.
    Done(Found),
    /// The data cannot be loaded: write these lines at level warning and end with code 1.
    Fatal(Vec<String>),
    /// Write a line to the log.
    Note(Note),
    /// Bytes of an RDB file: feed them to a reader. When it has ended, call [`Recover::rdb_ended`]; when it fails,
    /// [`Recover::rdb_failed`].
    Rdb(Bytes),
    /// An RDB file begins: make a new reader for it.
    RdbBegin(RdbSource),
}

/// What an RDB file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdbSource {
    /// The beginning of an append only file: keys that have expired are loaded all the same.
    Aof,
    /// The dump file.
    Dump,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The append only file's parts: to resume from, or to continue the numbers of.
    pub aof: AofFound,
    /// Whether data were loaded, from either kind of file.
    pub loaded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Base,
    Increment,
}

#[derive(Debug)]
enum Stage {
    /// The names in `dir` are awaited.
    ListDir,
    /// The names in the append folder are awaited.
    ListFolder,
    /// The manifest is awaited.
    ReadManifest {
        folder: Vec<String>,
    },
    /// An old single file is moved into the folder.
    Migrating(Sequence),
    /// A file is read.
    Reading(Reading),
    /// A torn tail is cut.
    Cutting(Sequence),
    /// What was read is made to survive a loss of power.
    Syncing {
        rest: VecDeque<DiskOp>,
        /// The operation under way removes a file.
        removes: bool,
        loaded: bool,
    },
    Ended,
}

/// A file being read.
#[derive(Debug)]
struct Reading {
    file: Option<(AofFile, Kind)>,
    path: String,
    /// What the lane had open under this name is forgotten: another lane may have given the name to a newer file.
    is_fresh: bool,
    offset: u64,
    began: Instant,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The bytes read so far, too few to tell what follows.
    Unknown(Vec<u8>),
    Rdb,
    Commands(CommandScan),
    /// The dump file, whose reader has ended.
    Finished,
}

impl Reading {
    fn begin(now: Now, file: Option<(AofFile, Kind)>, path: String, content: Content) -> Self {
        Self { file, path, is_fresh: false, offset: 0, began: now.instant, content }
    }
}

impl Recover {
    /// Begins to read back.
    pub fn begin(now: Now, config: RecoverConfig, tickets: &mut Tickets) -> Self {
        let mut recover = Self {
            stage: Stage::ListDir,
            awaited: None,
            outputs: VecDeque::new(),
            found: AofFound::default(),
            began: now.instant,
            to_load: VecDeque::new(),
            dir_names: Vec::new(),
            folder_names: Vec::new(),
            config,
        };
        recover.ask(DiskOp::List { path: recover.config.dir.clone() }, tickets);
        recover
    }

    /// Takes the next output; reading goes on only as outputs are taken.
    pub fn poll(&mut self, tickets: &mut Tickets) -> Option<Output> {
        if self.outputs.is_empty() && self.awaited.is_none() {
            self.go_on(tickets);
        }
        self.outputs.pop_front()
    }

    fn go_on(&mut self, tickets: &mut Tickets) {
        let op = match &mut self.stage {
            Stage::Reading(Reading { path, is_fresh: false, .. }) => DiskOp::Close { path: path.clone() },
            Stage::Reading(Reading { path, offset, .. }) => {
                DiskOp::Read { path: path.clone(), offset: *offset, len: READ_BYTES }
            }
            Stage::Syncing { rest, removes, loaded } => {
                let Some(op) = rest.pop_front() else {
                    let loaded = *loaded;
                    return self.end(loaded);
                };
                *removes = matches!(op, DiskOp::Remove { .. });
                op
            }
            Stage::ListDir
            | Stage::ListFolder
            | Stage::ReadManifest { .. }
            | Stage::Migrating(_)
            | Stage::Cutting(_)
            | Stage::Ended => return,
        };
        self.ask(op, tickets);
    }

    /// Takes an answer. Returns whether it was this machine's.
    pub fn on_disk(&mut self, now: Now, ticket: Ticket, result: DiskResult, tickets: &mut Tickets) -> bool {
        if let Stage::Migrating(sequence) | Stage::Cutting(sequence) = &mut self.stage {
            match sequence.on_disk(ticket, &result, tickets) {
                Advance::NotMine => return false,
                Advance::Next(ticket, op) => self.outputs.push_back(Output::Disk(ticket, op)),
                Advance::Failed(error) => self.fatal([format!("Can't repair the append only file: {}", error.text)]),
                Advance::Done => self.repaired(now),
            }
            return true;
        }
        if self.awaited != Some(ticket) {
            return false;
        }
        self.awaited = None;
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::ListDir => self.on_dir(now, result, tickets),
            Stage::ListFolder => self.on_folder(now, result, tickets),
            Stage::ReadManifest { folder } => self.on_manifest(now, &folder, result, tickets),
            Stage::Reading(reading) if !reading.is_fresh => {
                self.stage = Stage::Reading(Reading { is_fresh: true, ..reading });
            }
            Stage::Reading(reading) => self.on_read(now, reading, result, tickets),
            stage @ Stage::Syncing { .. } => {
                self.stage = stage;
                self.on_synced(&result);
            }
            Stage::Cutting(_) | Stage::Ended | Stage::Migrating(_) => {}
        }
        true
    }

    /// Tells that the reader of the RDB bytes has ended; `unused` are the bytes given to it that follow the file.
    ///
    /// Call it before the next [`poll`](Self::poll): commands may follow an RDB file, and reading goes on there.
    pub fn rdb_ended(&mut self, unused: &[u8]) {
        let Stage::Reading(reading) = &mut self.stage else { return };
        if reading.file.is_none() {
            reading.content = Content::Finished;
            return;
        }
        let mut scan = CommandScan::new(reading.offset - unused.len() as u64);
        let fed = scan.feed(unused);
        let ready = scan.take_ready();
        reading.content = Content::Commands(scan);
        if !ready.is_empty() {
            self.outputs.push_back(Output::Commands(Bytes::from(ready)));
        }
        if fed.is_err() {
            self.bad_format();
        }
    }

    /// Tells that the RDB bytes cannot be loaded, and why.
    pub fn rdb_failed(&mut self, reason: &str) {
        let Stage::Reading(reading) = &self.stage else { return };
        let text = match &reading.file {
            Some((file, _)) => {
                format!("Error reading the RDB preamble of the AOF file {}, AOF loading aborted", file.name)
            }
            None => "Fatal error loading the DB: Invalid argument. Exiting.".to_owned(),
        };
        self.fatal([reason.to_owned(), text]);
    }

    /// Tells that a command of the file is none we know.
    pub fn unknown_command(&mut self, name: &str) {
        let file = self.file_name();
        self.fatal([format!("Unknown command '{name}' reading the append only file {file}")]);
    }

    /// Tells that the bytes of [`Output::Commands`] are no commands that can be read.
    pub fn commands_failed(&mut self) {
        self.bad_format();
    }

    // The steps, in order.

    fn on_dir(&mut self, now: Now, result: DiskResult, tickets: &mut Tickets) {
        let names = match result {
            DiskResult::Names(names) => names,
            DiskResult::Failed(error) => {
                return self.fatal([format!("Can't read the directory {}: {}", self.config.dir, error.text)]);
            }
            DiskResult::Data(_) | DiskResult::Done | DiskResult::Size(_) => Vec::new(),
        };
        self.dir_names = names;
        if self.dir_names.contains(&self.config.aof_folder) {
            self.stage = Stage::ListFolder;
            self.ask(DiskOp::List { path: self.folder() }, tickets);
        } else {
            self.with_manifest(now, Manifest::default(), &[], tickets);
        }
    }

    fn on_folder(&mut self, now: Now, result: DiskResult, tickets: &mut Tickets) {
        let DiskResult::Names(folder) = result else {
            return self.fatal([format!("Can't read the append only directory {}", self.folder())]);
        };
        self.folder_names.clone_from(&folder);
        let name = self.manifest_name();
        if folder.contains(&name) {
            self.stage = Stage::ReadManifest { folder };
            self.ask(DiskOp::Read { path: join(&self.folder(), &name), offset: 0, len: MANIFEST_BYTES_MAX }, tickets);
        } else {
            self.with_manifest(now, Manifest::default(), &folder, tickets);
        }
    }

    fn on_manifest(&mut self, now: Now, folder: &[String], result: DiskResult, tickets: &mut Tickets) {
        let data = match result {
            DiskResult::Data(data) if data.len() < MANIFEST_BYTES_MAX => data,
            DiskResult::Failed(error) => {
                let name = self.manifest_name();
                return self.fatal([format!(
                    "Fatal error: can't open the AOF manifest file {name} for reading: {}",
                    error.text
                )]);
            }
            DiskResult::Data(_) | DiskResult::Done | DiskResult::Names(_) | DiskResult::Size(_) => {
                return self.fatal(["The AOF manifest file is too large".to_owned()]);
            }
        };
        match Manifest::parse(&data) {
            Ok(manifest) => self.with_manifest(now, manifest, folder, tickets),
            Err(error) => self.fatal(error.log_lines()),
        }
    }

    fn with_manifest(&mut self, now: Now, manifest: Manifest, folder: &[String], tickets: &mut Tickets) {
        self.found.manifest = manifest;
        if !self.config.aof {
            return self.load_dump(now);
        }
        if self.must_migrate(folder) {
            return self.migrate(tickets);
        }
        self.load_aof(now);
    }

    /// An old single file lies in `dir`: it has never been moved, or the move stopped after the manifest was written.
    fn must_migrate(&self, folder: &[String]) -> bool {
        let old = &self.config.aof_name;
        let manifest = &self.found.manifest;
        let begun = manifest.base.as_ref().is_some_and(|base| base.name == *old) && !folder.contains(old);
        self.dir_names.contains(old) && (manifest.is_empty() || begun)
    }

    fn migrate(&mut self, tickets: &mut Tickets) {
        let (folder, name) = (self.folder(), self.config.aof_name.clone());
        if self.found.manifest.is_empty() {
            self.found.manifest.base = Some(AofFile { name: name.clone(), seq: 1 });
            self.found.manifest.base_seq = 1;
        }
        let mut ops = vec![DiskOp::MakeDir { path: folder.clone() }, DiskOp::SyncDir { path: self.config.dir.clone() }];
        let manifest = self.manifest_name();
        let data = Bytes::from(self.found.manifest.format());
        ops.extend(replace_ops(&folder, &manifest, &temporary::aof_manifest(&manifest), data));
        ops.extend([
            DiskOp::Rename { from: join(&self.config.dir, &name), to: join(&folder, &name) },
            DiskOp::SyncDir { path: folder.clone() },
            DiskOp::SyncDir { path: self.config.dir.clone() },
        ]);
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        self.stage = Stage::Migrating(sequence);
        self.outputs.push_back(Output::Disk(ticket, op));
    }

    fn load_dump(&mut self, now: Now) {
        if !self.dir_names.contains(&self.config.dump_name) {
            return self.done(false);
        }
        let path = join(&self.config.dir, &self.config.dump_name);
        self.outputs.push_back(Output::RdbBegin(RdbSource::Dump));
        self.stage = Stage::Reading(Reading::begin(now, None, path, Content::Rdb));
    }

    fn load_aof(&mut self, now: Now) {
        let base = self.found.manifest.base.iter().map(|file| (file.clone(), Kind::Base));
        let increments = self.found.manifest.increments.iter().map(|file| (file.clone(), Kind::Increment));
        self.to_load = base.chain(increments).collect();
        if self.to_load.is_empty() {
            return self.done(false);
        }
        self.next_file(now);
    }

    fn next_file(&mut self, now: Now) {
        let Some((file, kind)) = self.to_load.pop_front() else {
            self.note_seconds(now, self.began, "DB loaded from append only file");
            return self.done(true);
        };
        let path = join(&self.folder(), &file.name);
        let content = Content::Unknown(Vec::new());
        self.stage = Stage::Reading(Reading::begin(now, Some((file, kind)), path, content));
    }

    fn on_read(&mut self, now: Now, mut reading: Reading, result: DiskResult, tickets: &mut Tickets) {
        let data = match result {
            DiskResult::Data(data) => data,
            DiskResult::Failed(error) => return self.read_failed(&reading, error.kind, &error.text),
            DiskResult::Done | DiskResult::Names(_) | DiskResult::Size(_) => Bytes::new(),
        };
        if data.is_empty() {
            return self.on_end(now, reading, tickets);
        }
        reading.offset += data.len() as u64;
        let Content::Unknown(start) = &mut reading.content else {
            return self.take(reading, data);
        };
        start.extend_from_slice(&data);
        if is_rdb_start(start) {
            self.stage = Stage::Reading(reading);
            return;
        }
        let start = Bytes::from(std::mem::take(start));
        reading.content = if is_rdb(&start) {
            self.outputs.push_back(Output::Note(Note::notice("Reading RDB base file on AOF loading...")));
            self.outputs.push_back(Output::RdbBegin(RdbSource::Aof));
            Content::Rdb
        } else {
            Content::Commands(CommandScan::new(0))
        };
        self.take(reading, start);
    }

    /// Takes the next bytes of a file of known content.
    fn take(&mut self, mut reading: Reading, data: Bytes) {
        let mut sound = true;
        match &mut reading.content {
            Content::Rdb => self.outputs.push_back(Output::Rdb(data)),
            Content::Commands(scan) => {
                sound = scan.feed(&data).is_ok();
                let ready = scan.take_ready();
                if !ready.is_empty() {
                    self.outputs.push_back(Output::Commands(Bytes::from(ready)));
                }
            }
            Content::Finished | Content::Unknown(_) => {}
        }
        self.stage = Stage::Reading(reading);
        if !sound {
            self.bad_format();
        }
    }

    /// The file has been read to its end.
    fn on_end(&mut self, now: Now, mut reading: Reading, tickets: &mut Tickets) {
        if let Content::Unknown(start) = &mut reading.content
            && !start.is_empty()
        {
            let start = Bytes::from(std::mem::take(start));
            reading.content = Content::Commands(CommandScan::new(0));
            return self.take(reading, start);
        }
        let Some((file, kind)) = &reading.file else {
            if !matches!(reading.content, Content::Finished) {
                return self.fatal([SHORT_READ.to_owned()]);
            }
            self.note_seconds(now, reading.began, "DB loaded from disk");
            return self.done(true);
        };
        let name = file.name.clone();
        match &reading.content {
            Content::Rdb => {
                let text = format!("Error reading the RDB preamble of the AOF file {name}, AOF loading aborted");
                self.fatal([SHORT_READ.to_owned(), text]);
            }
            Content::Commands(scan) => match scan.tail() {
                Tail::Clean => self.file_done(now, reading.offset, &name, *kind, reading.began),
                Tail::Torn { valid, in_transaction } => {
                    self.on_torn(&reading.path, &name, valid, in_transaction, tickets);
                }
            },
            Content::Finished | Content::Unknown(_) => {
                self.file_done(now, reading.offset, &name, *kind, reading.began);
            }
        }
    }

    fn file_done(&mut self, now: Now, bytes: u64, name: &str, kind: Kind, began: Instant) {
        match kind {
            Kind::Base => self.note_seconds(now, began, &format!("DB loaded from base file {name}")),
            Kind::Increment => self.note_seconds(now, began, &format!("DB loaded from incr file {name}")),
        }
        let is_last_increment = kind == Kind::Increment && self.to_load.is_empty();
        if is_last_increment {
            self.found.last_bytes = bytes;
        } else {
            self.found.earlier_bytes += bytes;
        }
        self.next_file(now);
    }

    fn on_torn(&mut self, path: &str, name: &str, valid: u64, in_transaction: bool, tickets: &mut Tickets) {
        if !self.to_load.is_empty() {
            return self.fatal(["Fatal error: the truncated file is not the last file".to_owned()]);
        }
        if !self.config.load_truncated {
            let manifest = self.manifest_name();
            return self.fatal([format!(
                "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix {manifest}. 2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server."
            )]);
        }
        let mut lines = Vec::new();
        if in_transaction {
            lines.push(format!("Revert incomplete MULTI/EXEC transaction in AOF file {name}"));
        }
        lines.push(format!("!!! Warning: short read while loading the AOF file {name}!!!"));
        lines.push(format!("!!! Truncating the AOF {name} at offset {valid} !!!"));
        lines.push(format!("AOF {name} loaded anyway because aof-load-truncated is enabled"));
        self.outputs.extend(lines.into_iter().map(|line| Output::Note(Note::warning(line))));
        let path = path.to_owned();
        let ops = [DiskOp::Truncate { path: path.clone(), len: valid }, DiskOp::Sync { path }];
        let (sequence, ticket, op) = Sequence::begin(ops, tickets);
        // Only the last file can be here; a base counts with the earlier ones, for no increment follows it.
        match self.found.manifest.increments.is_empty() {
            true => self.found.earlier_bytes += valid,
            false => self.found.last_bytes = valid,
        }
        self.stage = Stage::Cutting(sequence);
        self.outputs.push_back(Output::Disk(ticket, op));
    }

    fn repaired(&mut self, now: Now) {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Migrating(_) => {
                let (name, folder) = (&self.config.aof_name, &self.config.aof_folder);
                let text =
                    format!("Successfully migrated an old-style AOF file {name} into the AOF directory {folder}.");
                self.outputs.push_back(Output::Note(Note::notice(text)));
                self.load_aof(now);
            }
            Stage::Cutting(_) => self.next_file(now),
            Stage::Ended
            | Stage::ListDir
            | Stage::ListFolder
            | Stage::ReadManifest { .. }
            | Stage::Reading(_)
            | Stage::Syncing { .. } => {}
        }
    }

    fn read_failed(&mut self, reading: &Reading, kind: DiskErrorKind, text: &str) {
        let line = match (&reading.file, kind) {
            (Some((file, _)), DiskErrorKind::NotFound) => {
                format!("The append log file {} doesn't exist: {text}", file.name)
            }
            (Some((file, _)), _) => {
                format!("Unrecoverable error reading the append only file {}: {text}", file.name)
            }
            (None, _) => format!("Fatal error loading the DB: {text}. Exiting."),
        };
        self.fatal([line]);
    }

    fn bad_format(&mut self) {
        let (file, manifest) = (self.file_name(), self.manifest_name());
        self.fatal([format!(
            "Bad file format reading the append only file {file}: make a backup of your AOF file, then use ./redis-check-aof --fix {manifest}"
        )]);
    }

    fn file_name(&self) -> String {
        let Stage::Reading(Reading { file: Some((file, _)), .. }) = &self.stage else { return String::new() };
        file.name.clone()
    }

    /// Everything is read; it remains to make it last.
    fn done(&mut self, loaded: bool) {
        let mut paths = Vec::new();
        let mut folders = Vec::new();
        let manifest = &self.found.manifest;
        if self.config.aof && !manifest.is_empty() {
            let files = manifest.base.iter().chain(&manifest.increments).map(|file| file.name.clone());
            paths.extend(files.chain([self.manifest_name()]).map(|name| join(&self.folder(), &name)));
            folders.extend([self.folder(), self.config.dir.clone()]);
        } else if loaded {
            paths.push(join(&self.config.dir, &self.config.dump_name));
            folders.push(self.config.dir.clone());
        }
        let files = paths.into_iter().flat_map(|path| [DiskOp::Sync { path: path.clone() }, DiskOp::Close { path }]);
        let rest =
            files.chain(folders.into_iter().map(|path| DiskOp::SyncDir { path })).chain(self.leftovers()).collect();
        self.stage = Stage::Syncing { rest, removes: false, loaded };
    }

    /// Removes what a process that was killed had not finished.
    fn leftovers(&self) -> Vec<DiskOp> {
        let Some(process) = self.config.starts_as else { return Vec::new() };
        let names = [temporary::dump(process), temporary::sync_file(process), temporary::aof_base(process)];
        let in_dir = names.into_iter().filter(|name| self.dir_names.contains(name));
        let mut paths: Vec<String> = in_dir.map(|name| join(&self.config.dir, &name)).collect();
        if self.config.aof {
            let names =
                [temporary::aof_manifest(&self.manifest_name()), temporary::aof_increment(&self.config.aof_name)];
            let in_folder = names.into_iter().filter(|name| self.folder_names.contains(name));
            paths.extend(in_folder.map(|name| join(&self.folder(), &name)));
        }
        paths.into_iter().map(|path| DiskOp::Remove { path }).collect()
    }

    fn on_synced(&mut self, result: &DiskResult) {
        let Stage::Syncing { removes, .. } = self.stage else { return };
        let DiskResult::Failed(error) = result else { return };
        if removes {
            let text = format!("Can't remove an unfinished file at start: {}", error.text);
            return self.outputs.push_back(Output::Note(Note::warning(text)));
        }
        if self.config.aof {
            return self.fatal([format!("Can't sync the append only file at start: {}", error.text)]);
        }
        // A dump may lie where nothing can be written; it is not going to change there.
        let text = format!("Can't sync the DB file that was loaded: {}", error.text);
        self.outputs.push_back(Output::Note(Note::warning(text)));
    }

    fn end(&mut self, loaded: bool) {
        self.stage = Stage::Ended;
        self.outputs.push_back(Output::Done(Found { aof: std::mem::take(&mut self.found), loaded }));
    }

    fn fatal(&mut self, lines: impl IntoIterator<Item = String>) {
        self.stage = Stage::Ended;
        self.awaited = None;
        self.outputs.push_back(Output::Fatal(lines.into_iter().collect()));
    }

    fn note_seconds(&mut self, now: Now, began: Instant, what: &str) {
        let secs = now.instant.since(began).as_secs_f64();
        self.outputs.push_back(Output::Note(Note::notice(format!("{what}: {secs:.3} seconds"))));
    }

    fn ask(&mut self, op: DiskOp, tickets: &mut Tickets) {
        let ticket = tickets.take();
        self.awaited = Some(ticket);
        self.outputs.push_back(Output::Disk(ticket, op));
    }

    fn folder(&self) -> String {
        join(&self.config.dir, &self.config.aof_folder)
    }

    fn manifest_name(&self) -> String {
        format!("{}.manifest", self.config.aof_name)
    }
}

const SHORT_READ: &str = "Short read or OOM loading DB. Unrecoverable error, aborting now.";
/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;
/// Largest manifest, in bytes: thousands of files, far more than there ever are.
const MANIFEST_BYTES_MAX: usize = 1 << 20;
