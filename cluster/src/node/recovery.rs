//! Reading back the dataset at start: what replication's [`Recover`] finds, applied to the engine.

use std::time::Duration;

use slotmesh_engine::load::{Expired, LoadInfo, Loader};
use slotmesh_engine::rdb::reader::Verdict;
use slotmesh_engine::resp::args::Args;
use slotmesh_engine::resp::request::{Limits, Parsed, RequestParser};
use slotmesh_engine::session::{Origin, SessionId};
use slotmesh_engine::time::{Instant, Now};
use slotmesh_replication::disk::{DiskResult, Lane, Ticket};
use slotmesh_replication::offset::{Offset, Replid};
use slotmesh_replication::persist::aof::{Aof, Starting};
use slotmesh_replication::persist::recover::{Found, Output, RdbSource, Recover, RecoverConfig};

use super::Node;
use super::boot::Life;
use super::persistence::aof_config;
use crate::machine::Effect;

/// A dataset being read back.
#[derive(Debug)]
pub(super) struct Recovery {
    recover: Recover,
    loader: Option<Loader>,
    source: RdbSource,
    /// Applies the commands of an append only file.
    session: SessionId,
    loaded: LoadInfo,
    /// A dump or a base was read to its end.
    has_rdb: bool,
    /// Bytes loaded while nobody was listened to.
    unheard_bytes: u64,
    /// When a load that is slowed down (`key-load-delay`) goes on.
    rests_until: Option<Instant>,
}

impl Recovery {
    fn keys_loaded(&self) -> u64 {
        self.loader.as_ref().map_or(&self.loaded, Loader::info).keys_loaded
    }
}

impl Node {
    /// Begins to read back the dataset.
    pub(super) fn begin_recovery(&mut self, now: Now) {
        self.begin_reading_back(now, self.engine.core().config.appendonly);
    }

    /// Begins to read the append only file or the dump.
    pub(super) fn begin_reading_back(&mut self, now: Now, aof: bool) {
        self.engine.core_mut().is_loading = true;
        let config = &self.engine.core().config;
        let recover = Recover::begin(
            now,
            RecoverConfig {
                dir: config.dir.clone(),
                dump_name: config.dbfilename.clone(),
                aof_folder: config.appenddirname.clone(),
                aof_name: config.appendfilename.clone(),
                aof,
                load_truncated: config.aof_load_truncated,
                starts_as: self.reload.is_none().then_some(self.process_id),
            },
            &mut self.tickets,
        );
        let session = self.engine.open_stream(Origin::File);
        let loaded = LoadInfo::default();
        self.life = Life::Loading(Box::new(Recovery {
            recover,
            loader: None,
            source: RdbSource::Dump,
            session,
            loaded,
            has_rdb: false,
            unheard_bytes: 0,
            rests_until: None,
        }));
        self.advance_recovery(now);
    }

    pub(super) fn recovery_on_disk(&mut self, now: Now, ticket: Ticket, result: &DiskResult) -> bool {
        let Life::Loading(recovery) = &mut self.life else { return false };
        let mine = recovery.recover.on_disk(now, ticket, result.clone(), &mut self.tickets);
        if mine {
            self.advance_recovery(now);
        }
        mine
    }

    /// Carries out what the recovery wishes, as far as it goes without the disk.
    fn advance_recovery(&mut self, now: Now) {
        while let Life::Loading(recovery) = &mut self.life {
            if recovery.rests_until.is_some_and(|until| now.instant < until) {
                return;
            }
            let Some(output) = recovery.recover.poll(&mut self.tickets) else { return };
            match output {
                Output::Commands(bytes) => {
                    self.load_commands(now, &bytes);
                    self.listen_while_loading(now, bytes.len());
                }
                Output::Disk(ticket, op) => self.effects.push_back(Effect::Disk(ticket, Lane::Log, op)),
                Output::Done(found) => self.end_recovery(now, found),
                Output::Fatal(lines) => {
                    lines.into_iter().for_each(|line| self.log_warning(line));
                    if !self.reload_failed(now) {
                        self.exit(1);
                    }
                }
                Output::Note(note) => self.note(note),
                Output::Rdb(bytes) => {
                    let before = self.keys_read_back();
                    self.load_rdb(now, &bytes);
                    self.listen_while_loading(now, bytes.len());
                    self.rest_behind(now, self.keys_read_back().saturating_sub(before));
                }
                Output::RdbBegin(source) => self.begin_rdb(now, source),
            }
        }
    }

    fn keys_read_back(&self) -> u64 {
        if let Life::Loading(recovery) = &self.life { recovery.keys_loaded() } else { 0 }
    }

    /// Rests behind a piece with so many keys (`key-load-delay`); clients are told that the node is loading.
    fn rest_behind(&mut self, now: Now, keys: u64) {
        let delay_micros = u64::try_from(self.engine.core().config.key_load_delay_micros).unwrap_or(0);
        let Life::Loading(recovery) = &mut self.life else { return };
        if keys == 0 || delay_micros == 0 || self.reload.is_some() {
            return;
        }
        recovery.rests_until = Some(now.instant + Duration::from_micros(keys.saturating_mul(delay_micros)));
        self.hear_again(now);
    }

    /// When a load that rests goes on: at once, if nobody wants it slow any more.
    pub(super) fn recovery_deadline(&self) -> Option<Instant> {
        let Life::Loading(recovery) = &self.life else { return None };
        let is_slow = self.engine.core().config.key_load_delay_micros > 0;
        recovery.rests_until.map(|until| if is_slow { until } else { Instant::ZERO })
    }

    /// Goes on with a load that rested long enough.
    pub(super) fn tick_recovery(&mut self, now: Now) {
        let is_due = self.recovery_deadline().is_some_and(|due| due <= now.instant);
        if let Life::Loading(recovery) = &mut self.life
            && is_due
        {
            recovery.rests_until = None;
            self.advance_recovery(now);
        }
    }

    /// Begins to answer clients, by LOADING mostly, once it is not a matter of a moment any more.
    fn listen_while_loading(&mut self, now: Now, loaded: usize) {
        let Life::Loading(recovery) = &mut self.life else { return };
        recovery.unheard_bytes += loaded as u64;
        let interval = self.engine.core().config.loading_process_events_interval_bytes;
        if self.reload.is_none() && recovery.unheard_bytes > u64::from(interval) {
            self.hear_again(now);
        }
    }

    fn begin_rdb(&mut self, now: Now, source: RdbSource) {
        let follows = self.engine.core().config.replicaof.is_some() || self.is_replica();
        let expired = match source {
            RdbSource::Dump if !follows => Expired::Drop,
            RdbSource::Aof | RdbSource::Dump => Expired::Keep,
        };
        let loader = self.engine.begin_load(now, expired);
        if let Life::Loading(recovery) = &mut self.life {
            recovery.source = source;
            recovery.loader = Some(loader);
        }
    }

    fn load_rdb(&mut self, now: Now, bytes: &[u8]) {
        let Life::Loading(recovery) = &mut self.life else { return };
        let Some(loader) = &mut recovery.loader else { return };
        if let Err(error) = loader.feed(bytes) {
            recovery.loader = None;
            return recovery.recover.rdb_failed(&error.to_string());
        }
        if loader.is_complete() {
            let rest = loader.rest().to_vec();
            let unchecked = loader.info().verdict == Some(Verdict::Disabled);
            let mut lines = Vec::new();
            if let Some(loader) = recovery.loader.take() {
                recovery.has_rdb = true;
                // The file is complete: nothing can be refused any more.
                recovery.loaded = self.engine.adopt(loader).unwrap_or_default();
                lines = load_report(now, &recovery.loaded, recovery.source == RdbSource::Aof);
                if recovery.source == RdbSource::Aof {
                    // The commands behind a base are in no history: the file has none of what only replicas get.
                    (recovery.loaded.replid, recovery.loaded.offset) = (None, None);
                }
            }
            recovery.recover.rdb_ended(&rest);
            lines.into_iter().for_each(|line| self.log_notice(line));
            if unchecked {
                self.log_notice("RDB file was saved with checksum disabled: no check performed.");
            }
        }
    }

    /// Applies whole commands of an append only file.
    fn load_commands(&mut self, now: Now, bytes: &[u8]) {
        let Life::Loading(recovery) = &self.life else { return };
        let session = recovery.session;
        let limits = Limits { bulk_bytes_max: usize::MAX, authenticated: true, trusted: true };
        let mut parser = RequestParser::default();
        let mut ranges = Vec::new();
        let mut at = 0;
        loop {
            ranges.clear();
            let rest = &bytes[at..];
            match parser.parse(rest, 0, &mut ranges, &limits) {
                Ok(Parsed::Request { consumed }) => {
                    let args = Args::new(rest, &ranges);
                    if !self.load_command(now, session, args) {
                        let name = String::from_utf8_lossy(args.at(0)).into_owned();
                        if let Life::Loading(recovery) = &mut self.life {
                            recovery.recover.unknown_command(&name);
                        }
                        return;
                    }
                    at += consumed;
                }
                Ok(Parsed::Empty { consumed }) => at += consumed,
                Ok(Parsed::Incomplete) if rest.is_empty() => return,
                // The recovery hands on whole commands, but one it takes for sound may be none for the parser: a
                // length of more than 2 GiB, say. To leave out the rest would lose data silently.
                Ok(Parsed::Incomplete | Parsed::Inline { .. }) | Err(_) => {
                    if let Life::Loading(recovery) = &mut self.life {
                        recovery.recover.commands_failed();
                    }
                    return;
                }
            }
        }
    }

    /// Runs one command of the file. Returns whether it is known.
    fn load_command(&mut self, now: Now, session: SessionId, args: Args<'_>) -> bool {
        let Ok(command) = self.engine.resolve(args) else { return false };
        // What is read is in the log already, if anybody reads it.
        let was_enabled = self.engine.changes().is_enabled();
        self.engine.changes().set_enabled(false);
        if self.engine.session(session).transaction.is_some() && self.engine.is_queued(command) {
            self.engine.session_mut(session).queue(command, args);
        } else {
            self.run_stream_command(now, session, command, args);
        }
        self.engine.changes().set_enabled(was_enabled);
        self.engine.out(session).clear();
        true
    }

    fn end_recovery(&mut self, now: Now, found: Found) {
        let Life::Loading(recovery) = std::mem::take(&mut self.life) else { return };
        self.engine.close(recovery.session);
        self.engine.changes().clear();
        if self.reload.is_some() {
            return self.reloaded(now, recovery.has_rdb);
        }
        let config = aof_config(&self.engine.core().config, self.process_id);
        let wanted = self.engine.core().config.appendonly;
        let Self { replication, tickets, persistence, .. } = self;
        persistence.aof = Some(if wanted && !found.aof.manifest.is_empty() {
            Aof::resume(now, config, found.aof, &mut replication.log, tickets)
        } else {
            let mut aof = Aof::off(now, config, found.aof);
            if wanted {
                aof.enable(Starting::Yes);
            }
            aof
        });
        self.follow_readers();
        self.check_cluster_data(now);
        if matches!(self.life, Life::Ended) {
            return;
        }
        let is_new = self.persistence.aof.as_ref().is_some_and(|aof| aof.is_on() && aof.wants_first_base());
        if is_new {
            self.life = Life::FirstBase(Box::new(recovery.loaded));
            self.look_for_walk();
        } else {
            self.begin_service(now, recovery.loaded);
        }
    }

    /// The base of a new append only file is complete, or could not be written.
    pub(super) fn first_base_done(&mut self, now: Now, complete: bool) {
        if !matches!(self.life, Life::FirstBase(_)) {
            return self.end_after_first_base(now, complete);
        }
        if !complete {
            self.log_warning("Fatal error: the append only file cannot be created.");
            return self.exit(1);
        }
        if let Life::FirstBase(loaded) = std::mem::take(&mut self.life) {
            self.begin_service(now, *loaded);
        }
    }

    /// In cluster mode slots with keys must have an owner.
    fn check_cluster_data(&mut self, now: Now) {
        use slotmesh_engine::slot::Slot;
        let Some(bus) = &mut self.bus else { return };
        let keyspace = &self.engine.core().keyspace;
        let held: Vec<Slot> = Slot::all().filter(|&slot| keyspace.slot_total(slot) > 0).collect();
        bus.adopt_keys(now, held);
    }

    /// Goes on with the replication history a loaded file belonged to.
    pub(super) fn adopt_loaded(&mut self, _: Now, loaded: &LoadInfo) {
        let (Some(replid), Some(offset)) = (loaded.replid, loaded.offset) else { return };
        let Some(replid) = Replid::parse(&replid) else { return };
        let follows =
            self.engine.core().config.replicaof.is_some() || self.bus.as_ref().is_some_and(|bus| !bus.is_primary());
        if follows {
            self.following.cached = Some((replid, Offset(offset)));
            // The stream goes on in the middle: its offset and its database are those of the file.
            self.replication.log.adopt(replid, Offset(offset));
            self.replication.log.set_selected(loaded.stream_db);
        } else {
            self.replication.log.restore(replid, Offset(offset));
        }
        self.follow_readers();
    }
}

/// What the log says of a file that was loaded: who made it, and what was in it.
pub(super) fn load_report(now: Now, loaded: &LoadInfo, is_aof_base: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(version) = &loaded.version {
        lines.push(format!("Loading RDB produced by version {version}"));
    }
    if let Some(created) = loaded.created {
        lines.push(format!("RDB age {} seconds", now.unix.seconds().saturating_sub(created).max(0)));
    }
    if is_aof_base {
        lines.push("RDB is base AOF".to_owned());
    }
    let (keys, expired) = (loaded.keys_loaded, loaded.keys_expired);
    lines.push(format!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}."));
    lines
}
