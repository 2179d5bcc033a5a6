//! Loading an RDB: from bytes, in any pieces, into a keyspace of its own.
//!
//! The dataset in use is not touched before the file is complete and right; [`Engine::adopt`] then exchanges both at
//! once. Files, sockets and progress are the host's business. Start at [`Loader::feed`].

use crate::Engine;
use crate::access;
use crate::config::Config;
use crate::keyspace::{DbIndex, Expiry, Keyspace, UnixMillis};
use crate::rdb::RdbError;
use crate::rdb::reader::{Event, RdbReader, Verdict};
use crate::rdb::writer::{Attributes, Checksum};
use crate::time::Now;
use crate::value::OwnRules;

/// A load in progress.
#[derive(Debug)]
pub struct Loader {
    reader: RdbReader,
    keyspace: Keyspace,
    db: DbIndex,
    info: LoadInfo,
    expired: Expired,
    config: Config,
    now: Now,
}

/// What becomes of keys whose time has come before the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// They are left out, and counted: a primary's own file.
    ///
    /// Not so when the file belongs to a replication history: replicas that go on from there hold these keys until
    /// the log tells of their deletion.
    Drop,
    /// They stay until the primary deletes them: a replica, or an append only file's base.
    Keep,
}

/// What a file told of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadInfo {
    /// `redis-ver`.
    pub version: Option<String>,
    /// Unix seconds at which the file was made.
    pub created: Option<i64>,
    /// `repl-id`.
    pub replid: Option<[u8; 40]>,
    /// `repl-offset`.
    pub offset: Option<u64>,
    /// `repl-stream-db`.
    pub stream_db: Option<u32>,
    /// Keys loaded.
    pub keys_loaded: u64,
    /// Keys left out because their time had come.
    pub keys_expired: u64,
    /// What is known of the file's integrity, once its end was read.
    pub verdict: Option<Verdict>,
}

impl Loader {
    /// Takes the next bytes of the file and loads what is complete.
    ///
    /// # Errors
    /// When the bytes are no RDB this version can read, or name a key twice; the dataset in use is as it was.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), RdbError> {
        self.reader.feed(bytes);
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Aux { name, value } => note_aux(&mut self.info, name, value),
                Event::Entry(entry) => {
                    let expiry = entry.attributes.expiry_ms.map(UnixMillis);
                    let past = expiry.is_some_and(|at| at.is_past(self.now.unix.into()));
                    if past && self.expired == Expired::Drop && self.info.replid.is_none() {
                        self.info.keys_expired += 1;
                        continue;
                    }
                    if entry.value.is_garbage() {
                        continue;
                    }
                    let hash = self.keyspace.hash(entry.key);
                    let expiry = expiry.map_or(Expiry::Never, Expiry::At);
                    if self.keyspace.db_mut(self.db).set(hash, entry.key, entry.value.into(), expiry) {
                        return Err(RdbError::Corrupt("a key is in the file twice"));
                    }
                    let Attributes { idle_secs, freq, .. } = entry.attributes;
                    if let Some(access) = access::told(idle_secs, freq, self.now, &self.config)
                        && let Some(loaded) = self.keyspace.db(self.db).find(hash, entry.key)
                    {
                        loaded.set_access(access);
                    }
                    self.info.keys_loaded += 1;
                }
                Event::SelectDb(number) => {
                    let number = u32::try_from(number).ok().filter(|&number| number < self.keyspace.databases());
                    self.db = DbIndex(number.ok_or(RdbError::Corrupt("database number out of range"))?);
                }
                Event::End(verdict) => {
                    self.info.verdict = Some(verdict);
                    return Ok(());
                }
                Event::FunctionLibrary(_) => {
                    return Err(RdbError::Corrupt("function libraries are not supported"));
                }
                Event::ModuleAux { .. } | Event::ResizeDb { .. } | Event::SlotInfo { .. } => {}
            }
        }
        Ok(())
    }

    /// Whether the end of the file was read and its checksum was right.
    pub fn is_complete(&self) -> bool {
        self.reader.is_ended()
    }

    /// Bytes that followed the file's end: the commands of an append only file with an RDB in front.
    pub fn rest(&self) -> &[u8] {
        self.reader.rest()
    }

    /// What the file told so far.
    pub fn info(&self) -> &LoadInfo {
        &self.info
    }
}

impl Engine {
    /// Begins a load beside the dataset in use.
    pub fn begin_load(&mut self, now: Now, expired: Expired) -> Loader {
        let core = self.core_mut();
        let mut keyspace = core.keyspace.empty_beside();
        keyspace.set_access_rule(access::born(now, &core.config));
        let config = core.config.clone();
        let rules = OwnRules { config: config.clone(), hasher: keyspace.value_hasher() };
        // As in Redis, who writes no checksums does not look at those of others.
        let looks = core.config.rdbchecksum && !core.debug.skip_checksum_validation;
        let checksum = if looks { Checksum::Yes } else { Checksum::No };
        let reader = RdbReader::with_rules(rules).with_checksum(checksum);
        let info = LoadInfo::default();
        Loader { reader, keyspace, db: DbIndex(0), info, expired, config, now }
    }

    /// Takes a complete load as the dataset; the old one's memory is given back in slices.
    ///
    /// # Errors
    /// When the file ended too early; then nothing changes.
    pub fn adopt(&mut self, loader: Loader) -> Result<LoadInfo, RdbError> {
        loader.reader.finish()?;
        self.abort_save();
        let core = self.core_mut();
        core.touch_all();
        core.keyspace.replace(loader.keyspace);
        core.look_for_awaited();
        self.deliver();
        Ok(loader.info)
    }
}

fn note_aux(info: &mut LoadInfo, name: &[u8], value: &[u8]) {
    let number = || crate::number::parse_i64(value);
    match name {
        b"redis-ver" | b"valkey-ver" => info.version = Some(String::from_utf8_lossy(value).into_owned()),
        b"ctime" => info.created = number(),
        b"repl-id" => info.replid = value.try_into().ok(),
        b"repl-offset" => info.offset = number().and_then(|offset| u64::try_from(offset).ok()),
        b"repl-stream-db" => info.stream_db = number().and_then(|db| u32::try_from(db).ok()),
        _ => {}
    }
}
