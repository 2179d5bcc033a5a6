//! What the replication log and the append only file must hear of.
//!
//! A write command leaves here the command to repeat: itself, or what it rewrote itself to. Several operations of one
//! command, or of one transaction, are put between MULTI and EXEC; a single one is not. The bytes are RESP, with a
//! SELECT where the database changes. Who reads them is not known here; see [`Changes::take`].

use crate::keyspace::DbIndex;
use crate::resp::reply::write_request;

/// The bytes for the log since the last drain.
#[derive(Debug, Default)]
pub struct Changes {
    enabled: bool,
    bytes: Vec<u8>,
    /// The database the log's readers stand at; unknown after [`Changes::forget_db`].
    db: Option<DbIndex>,
    /// Where the operations of the running command or transaction begin.
    unit_start: usize,
    /// How many operations it has so far.
    unit_ops: usize,
    /// Operations of a running transaction are one unit until it ends.
    in_transaction: bool,
    /// Number of changes to the dataset since the last save, as INFO shows it.
    dirty: u64,
    /// Changes ever made, whether or not anyone listens.
    total: u64,
}

impl Changes {
    /// Begins or stops to keep bytes. Without a reader nothing is encoded.
    pub fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Whether bytes are kept.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Forgets which database the log stands at, so that the next operation selects one: a reader joins here.
    pub fn forget_db(&mut self) {
        self.db = None;
    }

    /// The database the log's readers stand at.
    pub fn db(&self) -> Option<DbIndex> {
        self.db
    }

    /// Says that the log's readers stand at `db`: a stream was continued that somebody else wrote.
    pub fn set_db(&mut self, db: Option<DbIndex>) {
        self.db = db;
    }

    /// Whether complete operations wait to be taken.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Moves all complete bytes to the end of `target`, keeping the memory for the next ones.
    pub fn take(&mut self, target: &mut Vec<u8>) {
        debug_assert!(!self.in_transaction, "a transaction reaches the log as a whole");
        target.append(&mut self.bytes);
        self.unit_start = 0;
        self.unit_ops = 0;
    }

    /// The complete bytes, for a reader that copies; [`Changes::clear`] ends their time here.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Drops the bytes, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.unit_start = 0;
        self.unit_ops = 0;
    }

    /// Changes to the dataset since the last save.
    pub fn dirty(&self) -> u64 {
        self.dirty
    }

    /// Takes `saved` changes off the count: a snapshot that holds them is on disk.
    pub fn saved(&mut self, saved: u64) {
        self.dirty = self.dirty.saturating_sub(saved);
    }

    /// Changes ever made.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn count(&mut self, changes: u64) {
        self.dirty += changes;
        self.total += changes;
    }

    /// Whether a transaction is running.
    pub fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Begins a command's operations, unless a transaction already holds them together.
    #[inline]
    pub(crate) fn begin_unit(&mut self) {
        if !self.in_transaction {
            self.unit_start = self.bytes.len();
            self.unit_ops = 0;
        }
    }

    /// Begins a transaction's operations.
    pub(crate) fn begin_transaction(&mut self) {
        self.begin_unit();
        self.in_transaction = true;
    }

    /// Appends one operation.
    pub(crate) fn push<'w>(&mut self, db: DbIndex, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        if !self.enabled {
            return;
        }
        self.select(db);
        self.unit_ops += 1;
        write_request(&mut self.bytes, words);
    }

    /// Lets the operations so far stand alone, whatever follows: each key of an expiry cycle.
    pub(crate) fn separate(&mut self) {
        self.begin_unit();
    }

    /// Ends a command's operations.
    #[inline]
    pub(crate) fn end_unit(&mut self) {
        // Mere reads leave nothing, and the next unit begins afresh.
        if self.unit_ops > 0 && !self.in_transaction {
            self.wrap();
        }
    }

    /// Ends a transaction's operations.
    pub(crate) fn end_transaction(&mut self) {
        self.in_transaction = false;
        self.wrap();
    }

    fn wrap(&mut self) {
        if self.unit_ops > 1 {
            self.bytes.splice(self.unit_start..self.unit_start, MULTI.iter().copied());
            self.bytes.extend_from_slice(EXEC);
        }
        self.unit_start = self.bytes.len();
        self.unit_ops = 0;
    }

    fn select(&mut self, db: DbIndex) {
        if self.db == Some(db) {
            return;
        }
        self.db = Some(db);
        let mut digits = itoa::Buffer::new();
        write_request(&mut self.bytes, [&b"SELECT"[..], digits.format(db.0).as_bytes()].into_iter());
        if self.unit_ops == 0 {
            self.unit_start = self.bytes.len();
        }
    }
}

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

#[cfg(test)]
mod tests {
    use super::Changes;
    use crate::keyspace::DbIndex;

    fn push(changes: &mut Changes, db: u32, line: &str) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        changes.push(DbIndex(db), words.into_iter());
    }

    fn listening() -> Changes {
        let mut changes = Changes::default();
        changes.set_enabled(true);
        changes
    }

    fn taken(changes: &mut Changes) -> String {
        let mut bytes = Vec::new();
        changes.take(&mut bytes);
        String::from_utf8(bytes).unwrap().replace("\r\n", " ")
    }

    #[test]
    fn a_database_is_selected_once() {
        let mut changes = listening();

        for _ in 0..2 {
            changes.begin_unit();
            push(&mut changes, 0, "DEL k");
            changes.end_unit();
        }

        assert_eq!(taken(&mut changes), "*2 $6 SELECT $1 0 *2 $3 DEL $1 k *2 $3 DEL $1 k ");
    }

    #[test]
    fn several_operations_become_a_transaction() {
        let mut changes = listening();

        changes.begin_unit();
        push(&mut changes, 0, "A");
        push(&mut changes, 0, "B");
        changes.end_unit();

        assert_eq!(taken(&mut changes), "*2 $6 SELECT $1 0 *1 $5 MULTI *1 $1 A *1 $1 B *1 $4 EXEC ");
    }

    #[test]
    fn a_transaction_with_one_effect_is_that_effect() {
        let mut changes = listening();

        changes.begin_transaction();
        changes.begin_unit();
        push(&mut changes, 3, "A");
        changes.end_unit();
        changes.begin_unit();
        changes.end_unit();
        changes.end_transaction();

        assert_eq!(taken(&mut changes), "*2 $6 SELECT $1 3 *1 $1 A ");
    }
}
