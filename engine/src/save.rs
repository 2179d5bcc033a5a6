//! A snapshot of the dataset as the bytes of a file, an RDB or commands, pulled in chunks while writes go on.
//!
//! Lives here: the file's head and tail around what the keyspace's walk gives. Where the chunks go (a file, a
//! replica) is the host's business. Start at [`Engine::begin_save`].

use bytes::Bytes;

use crate::Engine;
use crate::access;
use crate::config::Config;
use crate::config::choices::MaxmemoryPolicy;
use crate::keyspace::{ChunkQueue, DbIndex, Entry, Keyspace, SnapshotEncoder, SnapshotRefusal};
use crate::rdb::encoding::Compress;
use crate::rdb::writer::{Attributes, Checksum, Dialect, RdbWriter};
use crate::resp::reply::write_request;
use crate::time::Now;
use crate::value::rebuild::Rebuild;

/// What the file tells of itself beyond its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SaveInfo {
    /// The replication history the dataset belongs to: id, offset and the database its stream is on.
    pub history: Option<([u8; 40], u64, u32)>,
    /// Whether the file is the base of an append only file.
    pub aof_base: bool,
    /// What the file consists of.
    pub form: SaveForm,
}

/// What a file of the dataset consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveForm {
    /// Commands that build the dataset (`aof-use-rdb-preamble no`). They say nothing of the replication history.
    Commands,
    /// Records of the RDB format.
    #[default]
    Rdb,
}

/// A snapshot being pulled.
#[derive(Debug)]
pub(crate) struct Save {
    writer: RdbWriter,
    form: SaveForm,
    stage: Stage,
    /// Keys of the picture.
    keys: u64,
}

/// How much of a snapshot is pulled at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// About as many bytes.
    Bytes(usize),
    /// A few keys at most, whatever their size.
    FewKeys,
}

#[derive(Debug)]
enum Stage {
    Head(Vec<u8>),
    Keys,
    Done,
}

impl Engine {
    /// Begins a snapshot of the dataset as it is now.
    ///
    /// # Errors
    /// When one is running already, or too many were given up in a row.
    pub fn begin_save(&mut self, now: Now, info: SaveInfo) -> Result<(), SnapshotRefusal> {
        let keys = self.core().keyspace.snapshot_keys();
        if info.form == SaveForm::Commands {
            self.core_mut().keyspace.snapshot_begin(Box::new(CommandEncoder { db: None }))?;
            let writer = RdbWriter::new(Compress::No, Checksum::No);
            self.save = Some(Save { writer, form: info.form, stage: Stage::Keys, keys });
            return Ok(());
        }
        let core = self.core_mut();
        let compress = if core.config.rdbcompression { Compress::Yes } else { Compress::No };
        let checksum = if core.config.rdbchecksum { Checksum::Yes } else { Checksum::No };
        let sizes = (0..core.keyspace.databases())
            .map(|index| core.keyspace.db(DbIndex(index)))
            .map(|db| (db.len() as u64, db.volatile_len() as u64))
            .collect();
        let writer = RdbWriter::new(compress, Checksum::No);
        let encoder = Encoder { writer, db: None, sizes, config: core.config.clone(), now };
        core.keyspace.snapshot_begin(Box::new(encoder))?;
        let mut writer = RdbWriter::new(compress, checksum);
        let mut head = Vec::with_capacity(256);
        let mut dbs = (0..core.keyspace.databases()).map(|index| core.keyspace.db(DbIndex(index)));
        let dialect = if dbs.any(|db| db.volatile_hashes_len() > 0) { Dialect::Valkey } else { Dialect::Redis };
        writer.header_in(&mut head, dialect);
        writer.aux(&mut head, "redis-ver", core.config.slotmesh_version.as_bytes());
        writer.aux_int(&mut head, "redis-bits", i64::from(usize::BITS));
        writer.aux_int(&mut head, "ctime", now.unix.seconds());
        writer.aux_int(&mut head, "used-mem", core.keyspace.memory().total() as i64);
        if let Some((replid, offset, db)) = info.history {
            writer.aux_int(&mut head, "repl-stream-db", i64::from(db));
            writer.aux(&mut head, "repl-id", &replid);
            writer.aux_int(&mut head, "repl-offset", offset as i64);
        }
        writer.aux_int(&mut head, "aof-base", i64::from(info.aof_base));
        self.save = Some(Save { writer, form: info.form, stage: Stage::Head(head), keys });
        Ok(())
    }

    /// Whether a snapshot is being pulled.
    pub fn is_saving(&self) -> bool {
        self.save.is_some()
    }

    /// Keys of the running snapshot that are encoded, and how many it has; both 0 when none is running.
    pub fn save_progress(&self) -> (u64, u64) {
        self.save.as_ref().map_or((0, 0), |save| (self.core().keyspace.snapshot_saved().min(save.keys), save.keys))
    }

    /// Takes the next chunk of the snapshot, about `bytes_max` bytes; nothing when it is complete.
    pub fn pull_save(&mut self, bytes_max: usize) -> Option<Bytes> {
        self.pull_save_portion(Portion::Bytes(bytes_max))
    }

    /// Takes the next chunk of the snapshot; nothing when it is complete.
    pub fn pull_save_portion(&mut self, portion: Portion) -> Option<Bytes> {
        let mut save = self.save.take()?;
        let chunk = match std::mem::replace(&mut save.stage, Stage::Keys) {
            Stage::Head(head) => Bytes::from(head),
            Stage::Keys => match portion.pull(&mut self.core_mut().keyspace) {
                Some(chunk) => chunk,
                None if save.form == SaveForm::Commands => return None,
                None => {
                    let mut tail = Vec::with_capacity(16);
                    save.writer.finish(&mut tail);
                    save.stage = Stage::Done;
                    self.save = Some(save);
                    return Some(Bytes::from(tail));
                }
            },
            Stage::Done => return None,
        };
        save.writer.seal(&chunk);
        self.save = Some(save);
        Some(chunk)
    }

    /// Gives up a snapshot.
    pub fn abort_save(&mut self) {
        if self.save.take().is_some() {
            self.core_mut().keyspace.snapshot_abort();
        }
    }
}

impl Portion {
    fn pull(self, keyspace: &mut Keyspace) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes_max) => keyspace.snapshot_pull(bytes_max),
            Self::FewKeys => keyspace.snapshot_pull_few(usize::MAX),
        }
    }
}

/// Writes entries as the commands that build them, as the walk meets them.
struct CommandEncoder {
    /// The database the file is on.
    db: Option<DbIndex>,
}

impl SnapshotEncoder for CommandEncoder {
    fn encode(&mut self, db: DbIndex, entry: &Entry, out: &mut ChunkQueue) {
        out.put_with(|tail| {
            let mut digits = itoa::Buffer::new();
            if self.db.replace(db) != Some(db) {
                write_request(tail, [&b"SELECT"[..], digits.format(db.0).as_bytes()].into_iter());
            }
            let mut rebuild = Rebuild::new(entry.key(), tail);
            if let Some(collection) = entry.value().view() {
                collection.rebuild(&mut rebuild);
            } else if let Some(bytes) = entry.value().string_bytes(&mut digits) {
                rebuild.command(&[b"SET", entry.key(), bytes]);
            }
            if let Some(expiry) = entry.expiry() {
                rebuild.command(&[b"PEXPIREAT", entry.key(), itoa::Buffer::new().format(expiry.0).as_bytes()]);
            }
        });
    }
}

/// Writes entries as records of an RDB, as the walk meets them.
struct Encoder {
    writer: RdbWriter,
    /// The database the file is on.
    db: Option<DbIndex>,
    /// Keys and expiries of each database when the walk began.
    sizes: Vec<(u64, u64)>,
    /// What says which of its uses a file tells of a key.
    config: Config,
    now: Now,
}

impl Encoder {
    fn attributes(&self, entry: &Entry) -> Attributes {
        use MaxmemoryPolicy::{AllkeysLfu, AllkeysLru, VolatileLfu, VolatileLru};
        let (policy, access) = (self.config.maxmemory_policy, entry.access());
        let tells_idle = matches!(policy, AllkeysLru | VolatileLru);
        let tells_freq = matches!(policy, AllkeysLfu | VolatileLfu);
        Attributes {
            expiry_ms: entry.expiry().map(|at| at.0),
            idle_secs: tells_idle.then(|| access::idle_seconds(access, self.now)),
            freq: tells_freq.then(|| access::frequency(access, self.now, &self.config)),
        }
    }
}

impl SnapshotEncoder for Encoder {
    fn encode(&mut self, db: DbIndex, entry: &Entry, out: &mut ChunkQueue) {
        let attributes = self.attributes(entry);
        let Self { writer, db: current, sizes, .. } = self;
        out.put_with(|tail| {
            if *current != Some(db) {
                *current = Some(db);
                let (keys, expires) = sizes.get(db.0 as usize).copied().unwrap_or_default();
                writer.select_db(tail, db.0, keys, expires);
            }
            writer.entry(tail, entry.key(), attributes, entry.value().into());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use super::{SaveForm, SaveInfo};
    use crate::Engine;
    use crate::debug::digest;
    use crate::time::Now;

    #[test]
    fn a_file_of_commands_builds_the_dataset() {
        let mut engine = Engine::new(Config::default(), 1);
        let session = engine.open();
        engine.run(Now::default(), session, ["SET", "n", "12", "PXAT", "9999999999000"]);
        engine.run(Now::default(), session, ["SELECT", "3"]);
        engine.run(Now::default(), session, ["SET", "s", "hello"]);

        engine.begin_save(Now::default(), SaveInfo { form: SaveForm::Commands, ..SaveInfo::default() }).unwrap();
        let mut file = Vec::new();
        while let Some(chunk) = engine.pull_save(64) {
            file.extend_from_slice(&chunk);
        }

        assert!(!engine.is_saving());
        let text = String::from_utf8(file).unwrap();
        let words: Vec<&str> = text.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        let mut copy = Engine::new(Config::default(), 2);
        let reader = copy.open();
        for request in words.chunk_by(|_, word| !["SELECT", "SET", "PEXPIREAT"].contains(word)) {
            copy.run(Now::default(), reader, request);
        }
        assert_eq!(digest(copy.core()), digest(engine.core()));
    }
}
