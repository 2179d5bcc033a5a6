//! The one log: every change of the data, as the bytes replicas and files read.
//!
//! Readers hold a [`Position`] and read on from it; the log keeps bytes as long as `repl-backlog-size` or an attached
//! reader asks for them. Here are also the names of the history the bytes belong to (replid, replid2) with the rules
//! that change them, the database the stream is on, and the few bytes that are not for everyone: PING and GETACK are
//! not for files, a writable replica's own writes are for files only.

use std::collections::VecDeque;

use bytes::Bytes;
use slotmesh_engine::resp::outbuf::OutBuf;
use slotmesh_engine::rng::Rng;

use crate::backlog::Backlog;
use crate::note::Note;
use crate::offset::{Offset, Position, Replid};

/// The log of one node.
#[derive(Debug)]
pub struct Log {
    backlog: Backlog,
    replid: Replid,
    replid2: Replid,
    /// Up to where replid2 names the same history as replid.
    second_offset: Option<Offset>,
    /// The replication offset at `anchor`; while the window is closed, the offset itself.
    anchor_offset: Offset,
    anchor: Position,
    /// Where the history that replicas may resume from begins; nothing while there is no backlog.
    window: Option<Position>,
    /// The database the stream is on; nothing when the next command must be preceded by SELECT.
    selected: Option<u32>,
    /// The database whoever appends believes the stream to be on: a writable replica's own writes move it, and not
    /// the stream.
    believed: Option<u32>,
    /// How far the append only file has read, while there is one.
    file: Option<Position>,
    /// Exceptions the file has not reached yet, in order.
    marks: VecDeque<Mark>,
    backlog_bytes_max: u64,
}

/// Bytes that not every reader gets.
#[derive(Debug)]
struct Mark {
    at: Position,
    what: Exception,
}

#[derive(Debug)]
enum Exception {
    /// Files stop here until they are told to go on: the next bytes are another file's.
    Barrier,
    /// This many bytes from here on are for replicas only.
    NotForFiles(u64),
    /// These bytes, which are not in the log, are for files only.
    FilesOnly(Bytes),
}

/// Who reads appended bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Replicas and files.
    All,
    /// Files only: writes of clients to a writable replica, which count in no offset.
    Files,
    /// Replicas only: PING and GETACK, which count in the offset.
    Replicas,
}

/// Why a replica cannot resume and needs a full synchronisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResyncRefusal {
    /// The backlog does not hold the byte asked for, or there is none.
    BacklogPassed {
        /// The byte asked for, counted from 1.
        asked: i64,
    },
    /// The replica asked for a full synchronisation.
    Requested,
    /// The byte asked for lies past the end of the history the older id names.
    SecondIdEnded {
        /// The byte asked for, counted from 1.
        asked: i64,
        /// The last byte that could be asked for.
        limit: u64,
    },
    /// The replica follows a history this node never had.
    UnknownReplid,
}

/// What INFO shows of the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BacklogInfo {
    /// `repl_backlog_active`.
    pub active: bool,
    /// `repl_backlog_size`.
    pub size: u64,
    /// `repl_backlog_first_byte_offset`, counted from 1; 0 while inactive.
    pub first_byte_offset: u64,
    /// `repl_backlog_histlen`.
    pub histlen: u64,
}

impl Log {
    /// The empty log of a node that has no history yet. `backlog_bytes_max` is `repl-backlog-size`.
    pub fn new(rng: &mut Rng, backlog_bytes_max: u64) -> Self {
        Self {
            backlog: Backlog::default(),
            replid: Replid::random(rng),
            replid2: Replid::NONE,
            second_offset: None,
            anchor_offset: Offset(0),
            anchor: Position(0),
            window: None,
            selected: None,
            believed: None,
            file: None,
            marks: VecDeque::new(),
            backlog_bytes_max,
        }
    }

    /// The name of the history (`master_replid`).
    pub fn replid(&self) -> Replid {
        self.replid
    }

    /// The name the history had before (`master_replid2`); [`Replid::NONE`] when it had none.
    pub fn replid2(&self) -> Replid {
        self.replid2
    }

    /// The first byte, counted from 1, at which the histories part (`second_repl_offset`); nothing shows as -1.
    pub fn second_offset(&self) -> Option<u64> {
        self.second_offset.map(Offset::next_byte)
    }

    /// The replication offset (`master_repl_offset`).
    pub fn offset(&self) -> Offset {
        match self.window {
            Some(_) => self.offset_at(self.end()),
            None => self.anchor_offset,
        }
    }

    /// The replication offset of a place in the current history.
    pub fn offset_at(&self, position: Position) -> Offset {
        Offset(self.anchor_offset.0 + position.since(self.anchor))
    }

    /// The place after the newest byte.
    pub fn end(&self) -> Position {
        self.backlog.end()
    }

    /// The place of the oldest byte that is still held.
    pub fn start(&self) -> Position {
        self.backlog.start()
    }

    /// The database the stream is on, if it was said.
    pub fn selected(&self) -> Option<u32> {
        self.selected
    }

    /// What INFO shows of the backlog.
    pub fn info(&self) -> BacklogInfo {
        let size = self.backlog_bytes_max;
        let Some(first) = self.first_resumable() else { return BacklogInfo { size, ..BacklogInfo::default() } };
        let histlen = self.end().since(first);
        BacklogInfo { active: true, size, first_byte_offset: self.offset_at(first).next_byte(), histlen }
    }

    /// Bytes of memory the log holds.
    pub fn allocated(&self) -> usize {
        self.backlog.allocated()
    }

    /// Changes `repl-backlog-size`; the next [`trim`](Self::trim) applies it.
    pub fn resize(&mut self, backlog_bytes_max: u64) {
        self.backlog_bytes_max = backlog_bytes_max;
    }

    /// Whether anybody reads what is appended; if not, changes need not be put into words.
    pub fn is_read(&self) -> bool {
        self.window.is_some() || self.file.is_some()
    }

    /// Whether replicas can be fed: a backlog exists.
    pub fn is_active(&self) -> bool {
        self.window.is_some()
    }

    // Appending.

    /// Appends a change made in database `db`, preceded by SELECT when the stream is on another one.
    pub fn append(&mut self, db: u32, bytes: &[u8]) {
        if self.selected != Some(db) {
            self.selected = Some(db);
            self.believed = Some(db);
            let mut select = Vec::with_capacity(32);
            put_select(&mut select, db);
            self.backlog.append(&select);
        }
        self.backlog.append(bytes);
    }

    /// Appends bytes as they are. `selected` is the database after them.
    ///
    /// A replica appends its primary's stream this way, command by command: PING and GETACK are recognised and kept
    /// from files whatever the audience.
    pub fn append_raw(&mut self, bytes: &[u8], audience: Audience, selected: Option<u32>) {
        let audience = if audience == Audience::All && is_filler(bytes) { Audience::Replicas } else { audience };
        let exception = match audience {
            Audience::All => None,
            Audience::Files => Some(Exception::FilesOnly(self.own_write(bytes, selected))),
            Audience::Replicas => Some(Exception::NotForFiles(bytes.len() as u64)),
        };
        if let (Some(what), Some(_)) = (exception, self.file) {
            self.marks.push_back(Mark { at: self.end(), what });
        }
        if selected.is_some() {
            self.believed = selected;
        }
        if audience != Audience::Files {
            self.backlog.append(bytes);
            self.selected = selected.or(self.selected);
        }
    }

    /// A replica's own write as a file must see it: between two commands of a stream that knows nothing of it.
    fn own_write(&self, bytes: &[u8], selected: Option<u32>) -> Bytes {
        let mut out = Vec::with_capacity(bytes.len() + 64);
        if let Some(believed) = self.believed.filter(|_| self.believed != self.selected) {
            put_select(&mut out, believed);
        }
        out.extend_from_slice(bytes);
        if let Some(stream) = self.selected.filter(|_| selected.is_some() && self.selected != selected) {
            put_select(&mut out, stream);
        }
        Bytes::from(out)
    }

    /// Appends the PING that tells replicas we are alive.
    pub fn append_ping(&mut self) {
        self.append_raw(PING, Audience::Replicas, None);
    }

    /// Appends the request that replicas acknowledge at once.
    pub fn append_getack(&mut self) {
        self.append_raw(GETACK, Audience::Replicas, None);
    }

    /// Makes the next change begin with SELECT: a new reader does not know where the stream is.
    pub fn force_select(&mut self) {
        self.selected = None;
    }

    /// Notes the database the stream is on, which a file that keeps the history's place has told.
    pub fn set_selected(&mut self, db: Option<u32>) {
        self.selected = db;
    }

    // Reading and forgetting.

    /// Appends at most `max` bytes from `from` on to a replica's buffer; returns how many.
    pub fn copy_to(&mut self, from: Position, max: usize, out: &mut OutBuf) -> usize {
        self.backlog.copy_to(from, max, out)
    }

    /// Attaches the append only file as a reader, from here on.
    pub fn attach_file(&mut self) {
        self.file = Some(self.end());
    }

    /// Detaches the append only file.
    pub fn detach_file(&mut self) {
        self.file = None;
        self.marks.clear();
    }

    /// How far the file has read; nothing when none is attached.
    pub fn file_position(&self) -> Option<Position> {
        self.file
    }

    /// Makes the file stop here when it has read everything up to now: what follows is another file's.
    pub fn raise_file_barrier(&mut self) {
        self.marks.push_back(Mark { at: self.end(), what: Exception::Barrier });
    }

    /// Whether the file has read everything before its barrier.
    pub fn is_at_file_barrier(&self) -> bool {
        let Some(mark) = self.marks.front() else { return false };
        matches!(mark.what, Exception::Barrier) && self.file >= Some(mark.at)
    }

    /// Lets the file read on.
    pub fn drop_file_barrier(&mut self) {
        self.marks.retain(|mark| !matches!(mark.what, Exception::Barrier));
    }

    /// The next piece for the file, at most `max` bytes of it unless it is one of a replica's own writes.
    pub fn read_for_file(&mut self, max: usize) -> Option<Bytes> {
        let mut from = self.file?;
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.at <= from) {
            match mark.what {
                Exception::Barrier => {
                    self.marks.push_front(mark);
                    return None;
                }
                Exception::FilesOnly(bytes) => return Some(bytes),
                Exception::NotForFiles(len) => {
                    from = mark.at + len;
                    self.file = Some(from);
                }
            }
        }
        let max = self.marks.front().map_or(max, |mark| max.min(mark.at.since(from) as usize));
        let piece = self.backlog.read(from, max)?;
        self.file = Some(from + piece.len() as u64);
        Some(piece)
    }

    /// Forgets what neither the backlog nor a reader needs. `needed` is the place of the slowest attached replica.
    pub fn trim(&mut self, needed: Option<Position>) {
        let kept = match self.window {
            Some(window) => self.end().back(self.backlog_bytes_max).max(window),
            None => self.end(),
        };
        let floor = [needed, self.file].into_iter().flatten().fold(kept, Position::min);
        self.backlog.trim(floor);
    }

    // Histories.

    /// Decides whether a replica that asks for history `id` from byte `asked` on (counted from 1) can resume.
    ///
    /// # Errors
    /// [`ResyncRefusal`] when it needs a full synchronisation.
    pub fn resume(&self, id: &[u8], asked: i64) -> Result<Position, ResyncRefusal> {
        if id.first() == Some(&b'?') {
            return Err(ResyncRefusal::Requested);
        }
        if !self.replid.matches(id) {
            let limit = match self.second_offset {
                Some(second) if self.replid2.matches(id) => second.next_byte(),
                _ => return Err(ResyncRefusal::UnknownReplid),
            };
            if u64::try_from(asked).is_ok_and(|asked| asked > limit) {
                return Err(ResyncRefusal::SecondIdEnded { asked, limit });
            }
        }
        let passed = ResyncRefusal::BacklogPassed { asked };
        let first = self.first_resumable().ok_or(passed)?;
        let wanted = u64::try_from(asked).ok().and_then(|asked| asked.checked_sub(1)).ok_or(passed)?;
        let ahead = wanted.checked_sub(self.offset_at(first).0).ok_or(passed)?;
        if ahead > self.end().since(first) { Err(passed) } else { Ok(first + ahead) }
    }

    /// Creates the backlog because the first replica attaches to a primary: a new history begins.
    pub fn open_new(&mut self, rng: &mut Rng) -> Note {
        assert!(self.window.is_none(), "a backlog is created once");
        self.change_replid(rng);
        self.open();
        Note::notice(format!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            self.replid, self.replid2
        ))
    }

    /// Creates the backlog of a replica: the history is its primary's.
    pub fn open(&mut self) {
        if self.window.is_none() {
            self.anchor = self.end();
            self.window = Some(self.anchor);
        }
    }

    /// Gives the backlog up and begins another history: no replica came for `idle_secs`.
    pub fn close(&mut self, idle_secs: u64, rng: &mut Rng) -> Note {
        self.anchor_offset = self.offset();
        self.window = None;
        self.change_replid(rng);
        Note::notice(format!("Replication backlog freed after {idle_secs} seconds without connected replicas."))
    }

    /// Takes another name and forgets the older one (also `DEBUG CHANGE-REPL-ID`).
    pub fn change_replid(&mut self, rng: &mut Rng) {
        self.replid = Replid::random(rng);
        self.replid2 = Replid::NONE;
        self.second_offset = None;
    }

    /// Follows the history of a full synchronisation, which stands at `offset`.
    pub fn adopt(&mut self, replid: Replid, offset: Offset) {
        self.replid = replid;
        self.replid2 = Replid::NONE;
        self.second_offset = None;
        self.rebase(offset);
        self.selected = None;
    }

    /// Goes on under the name our primary took. Returns whether it is another one, in which case the replicas of
    /// this node must be disconnected.
    pub fn continue_as(&mut self, replid: Replid) -> bool {
        self.open();
        if replid == self.replid {
            return false;
        }
        self.replid2 = self.replid;
        self.second_offset = Some(self.offset());
        self.replid = replid;
        true
    }

    /// Begins a history of our own where our primary's ends: this replica is promoted.
    pub fn promote(&mut self, rng: &mut Rng) -> Note {
        self.replid2 = self.replid;
        self.second_offset = Some(self.offset());
        self.replid = Replid::random(rng);
        self.selected = None;
        Note::warning(format!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            self.replid2,
            self.offset().next_byte(),
            self.replid
        ))
    }

    /// Resumes, as a primary, after the history a loaded RDB file belonged to.
    pub fn restore(&mut self, replid: Replid, offset: Offset) {
        self.replid2 = replid;
        self.second_offset = Some(offset);
        self.rebase(offset);
    }

    /// Takes `offset` as the current one; no earlier byte can be resumed from.
    fn rebase(&mut self, offset: Offset) {
        self.anchor = self.end();
        self.anchor_offset = offset;
        self.window = Some(self.anchor);
    }

    fn first_resumable(&self) -> Option<Position> {
        self.window.map(|window| window.max(self.start()))
    }
}

/// Whether these are bytes that only keep a link alive; names are written in any case.
fn is_filler(bytes: &[u8]) -> bool {
    bytes.eq_ignore_ascii_case(PING) || bytes.eq_ignore_ascii_case(GETACK)
}

const PING: &[u8] = b"*1\r\n$4\r\nping\r\n";
const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

/// Appends the command that moves a stream to another database.
pub fn put_select(out: &mut Vec<u8>, db: u32) {
    let digits = db.to_string();
    out.extend_from_slice(format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{digits}\r\n", digits.len()).as_bytes());
}

#[cfg(test)]
mod tests {
    use slotmesh_engine::rng::Rng;

    use super::{Audience, Log, ResyncRefusal};
    use crate::offset::{Offset, Position, Replid};

    const SET: &[u8] = b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n";

    fn opened() -> (Log, Rng) {
        let mut rng = Rng::new(1);
        let mut log = Log::new(&mut rng, 1 << 20);
        log.open_new(&mut rng);
        (log, rng)
    }

    fn file_text(log: &mut Log) -> String {
        let mut text = Vec::new();
        while let Some(piece) = log.read_for_file(50) {
            text.extend_from_slice(&piece);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn offsets_count_as_on_a_real_server() {
        let (mut log, _) = opened();
        log.restore(Replid::NONE, Offset(10_944));

        log.append_ping();
        assert_eq!(log.offset(), Offset(10_958));
        log.append(0, SET);
        assert_eq!(log.offset(), Offset(10_958 + 23 + 27));
        log.append_getack();
        assert_eq!(log.offset(), Offset(10_958 + 23 + 27 + 37));
    }

    #[test]
    fn a_resume_is_accepted_up_to_the_next_byte_and_no_further() {
        let (mut log, _) = opened();
        log.append(0, SET);
        let id = *log.replid().as_bytes();
        let end = log.offset().0 as i64;

        assert_eq!(log.resume(&id, 1), Ok(Position(0)));
        assert_eq!(log.resume(&id.to_ascii_uppercase(), end + 1), Ok(log.end()));
        for asked in [end + 2, 0, -1, i64::MIN, i64::MAX] {
            assert_eq!(log.resume(&id, asked), Err(ResyncRefusal::BacklogPassed { asked }));
        }
        assert_eq!(log.resume(b"?", -1), Err(ResyncRefusal::Requested));
        assert_eq!(log.resume(&[b'a'; 40], 1), Err(ResyncRefusal::UnknownReplid));
    }

    #[test]
    fn without_a_backlog_nothing_resumes_and_nothing_counts() {
        let mut rng = Rng::new(1);
        let mut log = Log::new(&mut rng, 1 << 20);
        log.append(0, SET);
        let id = *log.replid().as_bytes();

        assert_eq!(log.offset(), Offset(0));
        assert_eq!(log.resume(&id, 1), Err(ResyncRefusal::BacklogPassed { asked: 1 }));
        let note = log.open_new(&mut rng);
        assert!(note.text.starts_with("Replication backlog created, my new replication IDs are '"));
        assert_ne!(log.replid().as_bytes(), &id);
        assert_eq!(log.offset(), Offset(0));
    }

    #[test]
    fn a_promoted_replica_serves_the_older_name_up_to_its_end() {
        let (mut log, mut rng) = opened();
        log.adopt(Replid::parse(&[b'e'; 40]).unwrap(), Offset(11_000));
        log.append_raw(b"12345678", Audience::All, Some(0));

        let note = log.promote(&mut rng);
        log.append(0, SET);

        assert_eq!(log.second_offset(), Some(11_009));
        assert!(note.text.contains(", valid up to offset: 11009. New replication ID is "));
        assert_eq!(log.resume(&[b'e'; 40], 11_009), Ok(Position(8)));
        let refused = ResyncRefusal::SecondIdEnded { asked: 11_010, limit: 11_009 };
        assert_eq!(log.resume(&[b'e'; 40], 11_010), Err(refused));
        assert_eq!(log.selected(), Some(0));
    }

    #[test]
    fn another_name_from_the_primary_makes_the_old_one_second() {
        let (mut log, _) = opened();
        let first = log.replid();
        let second = Replid::parse(&[b'7'; 40]).unwrap();

        assert!(!log.continue_as(first));
        assert!(log.continue_as(second));

        assert_eq!((log.replid(), log.replid2(), log.second_offset()), (second, first, Some(1)));
    }

    #[test]
    fn a_full_synchronisation_forgets_what_was_before() {
        let (mut log, _) = opened();
        log.append(0, SET);
        log.adopt(Replid::parse(&[b'e'; 40]).unwrap(), Offset(7));

        assert_eq!(log.resume(&[b'e'; 40], 7), Err(ResyncRefusal::BacklogPassed { asked: 7 }));
        assert_eq!(log.resume(&[b'e'; 40], 8), Ok(log.end()));
        assert_eq!(log.replid2(), Replid::NONE);
        assert_eq!(log.info().first_byte_offset, 8);
        assert_eq!(log.info().histlen, 0);
    }

    #[test]
    fn the_backlog_keeps_its_size_and_what_a_reader_needs() {
        let mut rng = Rng::new(1);
        let mut log = Log::new(&mut rng, 200_000);
        log.open_new(&mut rng);
        for _ in 0..40_000 {
            log.append(0, SET);
        }

        log.trim(Some(Position(100)));
        assert_eq!(log.start(), Position(0));
        log.trim(None);
        let info = log.info();
        assert!((200_000..200_000 + 70_000).contains(&info.histlen), "{info:?}");
        assert_eq!(info.first_byte_offset + info.histlen, log.offset().next_byte());
    }

    #[test]
    fn a_closed_backlog_takes_another_name_and_keeps_its_offset() {
        let (mut log, mut rng) = opened();
        log.append(0, SET);
        let (id, offset) = (log.replid(), log.offset());

        let note = log.close(3600, &mut rng);
        log.append(0, SET);

        assert_eq!(note.text, "Replication backlog freed after 3600 seconds without connected replicas.");
        assert_ne!(log.replid(), id);
        assert_eq!(log.offset(), offset);
        assert!(!log.info().active);
    }

    #[test]
    fn files_get_no_pings_and_replicas_no_local_writes() {
        let (mut log, _) = opened();
        log.attach_file();
        log.append(0, SET);
        log.append_ping();
        log.append_raw(b"local", Audience::Files, None);
        log.append_getack();
        log.append_ping();
        log.append(1, SET);

        let text = file_text(&mut log);

        let set = String::from_utf8_lossy(SET);
        let expected = format!("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n{set}local*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n{set}");
        assert_eq!(text, expected);
        assert_eq!(log.file_position(), Some(log.end()));
        assert_eq!(log.offset(), Offset(2 * (23 + 27) + 37 + 2 * 14));
    }

    #[test]
    fn a_streams_pings_are_kept_from_files() {
        let (mut log, _) = opened();
        log.attach_file();
        log.append_raw(b"*1\r\n$4\r\nPING\r\n", Audience::All, Some(0));
        log.append_raw(SET, Audience::All, Some(0));
        log.append_raw(b"*3\r\n$8\r\nREPLCONF\r\n$6\r\ngetack\r\n$1\r\n*\r\n", Audience::All, Some(0));

        assert_eq!(file_text(&mut log).as_bytes(), SET);
        assert_eq!(log.offset(), Offset(14 + 27 + 37));
    }

    #[test]
    fn a_replicas_own_writes_leave_its_stream_on_its_database() {
        let select = |db: u32| format!("*2\r\n$6\r\nSELECT\r\n$1\r\n{db}\r\n");
        let (mut log, _) = opened();
        log.attach_file();
        log.append_raw(b"stream0 ", Audience::All, Some(0));
        log.append_raw(format!("{}own2 ", select(2)).as_bytes(), Audience::Files, Some(2));
        // Whoever writes believes that database 2 is still selected.
        log.append_raw(b"own2 ", Audience::Files, Some(2));
        log.append_raw(b"stream0 ", Audience::All, Some(0));

        let expected = format!("stream0 {1}own2 {0}{1}own2 {0}stream0 ", select(0), select(2));
        assert_eq!(file_text(&mut log), expected);
        assert_eq!(log.selected(), Some(0));
    }

    #[test]
    fn a_file_stops_at_its_barrier() {
        let (mut log, _) = opened();
        log.attach_file();
        log.append_raw(b"before", Audience::All, None);
        log.append_raw(b"+local", Audience::Files, None);
        log.raise_file_barrier();
        log.append_raw(b"local+", Audience::Files, None);
        log.append_raw(b"after", Audience::All, None);

        assert!(!log.is_at_file_barrier());
        assert_eq!(file_text(&mut log), "before+local");
        assert!(log.is_at_file_barrier());
        log.drop_file_barrier();
        assert_eq!(file_text(&mut log), "local+after");
    }

    #[test]
    fn bytes_a_file_has_not_read_are_kept_without_a_backlog() {
        let mut log = Log::new(&mut Rng::new(1), 10);
        log.attach_file();
        log.append(0, SET);

        log.trim(None);
        assert_eq!(file_text(&mut log).len(), 50);
        log.trim(None);
        assert_eq!(log.start(), log.end());
        assert_eq!(log.offset(), Offset(0));
    }
}
