//! Reading a file from pieces of any size.
//!
//! [`RdbReader::feed`] takes bytes as they come, [`RdbReader::next`] gives the records that are complete. What is
//! held is the record that is not complete yet, never more than has arrived. Strings are borrowed from the buffer:
//! nothing is allocated for a record that is stored plainly.

use super::encoding::{Cursor, Fault};
use super::extent::Extent;
use super::object::{self, Loaded};
use super::writer::{Attributes, Checksum};
use super::{MAGIC, MAGIC_VALKEY, RdbError, VERSION_READ_MAX, VERSION_VALKEY, crc64, opcode};
use crate::value::OwnRules;

/// Reads one file.
#[derive(Debug, Default)]
pub struct RdbReader {
    /// Bytes that arrived; those before `consumed` have been read.
    buffer: Vec<u8>,
    consumed: usize,
    phase: Phase,
    extent: Extent,
    /// The checksum of everything before `summed`, which is never past `consumed`.
    crc: u64,
    summed: usize,
    skips_checksum: bool,
    version: u32,
    /// What the attribute records said about the next key.
    attributes: Attributes,
    key_scratch: Vec<u8>,
    value_scratch: Vec<u8>,
    /// What decides the form of values.
    own: OwnRules,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Header,
    Records,
    Checksum,
    Ended,
}

/// One record of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A field about the file.
    Aux {
        /// Its name; names that begin with `%` are meant for the log.
        name: &'a [u8],
        /// Its value, numbers as decimal text.
        value: &'a [u8],
    },
    /// The end of the file. Bytes fed after it are not touched: see [`RdbReader::rest`].
    End(Verdict),
    /// A key with its value.
    Entry(Entry<'a>),
    /// The source of a function library.
    FunctionLibrary(&'a [u8]),
    /// Data of a module beside the keys, which was passed over.
    ModuleAux {
        /// The module's id and version.
        id: u64,
    },
    /// How large the database is, a hint.
    ResizeDb {
        /// Number of keys.
        keys: u64,
        /// Number of keys with an expiry.
        expires: u64,
    },
    /// The keys that follow are in this database.
    SelectDb(u64),
    /// How large a slot is, a hint.
    SlotInfo {
        /// The slot.
        slot: u64,
        /// Its keys.
        keys: u64,
        /// Its keys with an expiry.
        expires: u64,
    },
}

/// A key with its value and what was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Its value.
    pub value: Loaded<'a>,
    /// Expiry and use.
    pub attributes: Attributes,
}

/// What is known of a complete file's integrity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Versions below 5 have no checksum.
    Absent,
    /// It was written without a checksum; Redis logs `RDB file was saved with checksum disabled: no check performed.`
    Disabled,
    /// Nobody looked: the reader was told not to.
    Skipped,
    /// The checksum is right.
    Verified,
}

impl RdbReader {
    /// A reader for one file, which refuses a wrong checksum; values come in the form that default options give them.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader for one file; values come in the form that `own` gives them.
    pub fn with_rules(own: OwnRules) -> Self {
        Self { own, ..Self::default() }
    }

    /// Chooses whether the checksum at the file's end is compared; its eight bytes are read in any case.
    pub fn with_checksum(self, checksum: Checksum) -> Self {
        Self { skips_checksum: checksum == Checksum::No, ..self }
    }

    /// Takes bytes that follow those fed before.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.sum();
        if self.consumed == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_KEEP_BYTES_MAX.max(bytes.len()));
        } else {
            self.buffer.drain(..self.consumed);
        }
        self.consumed = 0;
        self.summed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives the next record, or nothing while more bytes are needed. Nothing follows [`Event::End`].
    ///
    /// # Errors
    /// [`RdbError`]; the reader is of no use afterwards.
    #[expect(clippy::should_implement_trait, reason = "records borrow from the reader, which Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, RdbError> {
        if self.phase == Phase::Header && !self.read_header()? {
            return Ok(None);
        }
        while self.phase == Phase::Records {
            let Some(record) = self.take_record()? else { return Ok(None) };
            if self.take_attribute(&record)? {
                continue;
            }
            return self.event(record).map(Some);
        }
        if self.phase == Phase::Checksum { self.read_checksum() } else { Ok(None) }
    }

    /// Tells that no more bytes will come.
    ///
    /// # Errors
    /// [`RdbError::Truncated`] when the file's end has not been read.
    pub fn finish(&self) -> Result<(), RdbError> {
        if self.phase == Phase::Ended { Ok(()) } else { Err(RdbError::Truncated) }
    }

    /// Whether the end of the file has been read.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// The version in the header; 0 until it has been read.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Bytes fed and not read: after the end, those that follow the file.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.consumed..]
    }

    fn read_header(&mut self) -> Result<bool, RdbError> {
        let Some((head, _)) = self.rest().split_first_chunk::<HEADER_BYTES>() else { return Ok(false) };
        let (digits, versions) = if let Some(digits) = head.strip_prefix(MAGIC) {
            (digits, 1..=VERSION_READ_MAX)
        } else if let Some(digits) = head.strip_prefix(MAGIC_VALKEY) {
            (digits, VERSION_VALKEY..=VERSION_VALKEY)
        } else {
            return Err(RdbError::BadMagic);
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(RdbError::BadVersion(0));
        }
        let version = digits.iter().fold(0, |version, digit| version * 10 + u32::from(digit - b'0'));
        if !versions.contains(&u16::try_from(version).unwrap_or(u16::MAX)) {
            return Err(RdbError::BadVersion(version));
        }
        self.version = version;
        self.consume(HEADER_BYTES);
        self.phase = Phase::Records;
        Ok(true)
    }

    /// Where the next record lies in the buffer, if all of it is here; it counts as read.
    fn take_record(&mut self) -> Result<Option<std::ops::Range<usize>>, RdbError> {
        let Some(len) = self.extent.walk(&self.buffer[self.consumed..])? else { return Ok(None) };
        let start = self.consumed;
        self.consume(len);
        Ok(Some(start..start + len))
    }

    fn consume(&mut self, count: usize) {
        self.consumed += count;
    }

    /// Takes what has been read into the checksum; long runs are summed faster than single records.
    fn sum(&mut self) {
        if self.phase == Phase::Ended || self.skips_checksum {
            return;
        }
        self.crc = crc64::crc64(self.crc, &self.buffer[self.summed..self.consumed]);
        self.summed = self.consumed;
    }

    /// Keeps what an attribute record says about the next key; says whether the record was one.
    fn take_attribute(&mut self, record: &std::ops::Range<usize>) -> Result<bool, RdbError> {
        let mut cursor = Cursor::new(&self.buffer[record.clone()]);
        let kind = cursor.byte().map_err(complete)?;
        match kind {
            opcode::EXPIRETIME => {
                let secs = i32::from_le_bytes(cursor.array().map_err(complete)?);
                self.attributes.expiry_ms = Some(i64::from(secs) * 1000);
            }
            opcode::EXPIRETIME_MS => {
                self.attributes.expiry_ms = Some(i64::from_le_bytes(cursor.array().map_err(complete)?));
            }
            opcode::FREQ => self.attributes.freq = Some(cursor.byte().map_err(complete)?),
            opcode::IDLE => self.attributes.idle_secs = Some(cursor.length().map_err(complete)?),
            opcode::EOF => {
                self.phase = Phase::Checksum;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn event(&mut self, record: std::ops::Range<usize>) -> Result<Event<'_>, RdbError> {
        let Self { buffer, key_scratch, value_scratch, attributes, own, .. } = self;
        let mut cursor = Cursor::new(&buffer[record]);
        let kind = cursor.byte().map_err(complete)?;
        let mut length = || cursor.length().map_err(complete);
        Ok(match kind {
            opcode::AUX => Event::Aux {
                name: cursor.bytes(key_scratch).map_err(complete)?,
                value: cursor.bytes(value_scratch).map_err(complete)?,
            },
            opcode::FUNCTION2 => Event::FunctionLibrary(cursor.bytes(value_scratch).map_err(complete)?),
            opcode::MODULE_AUX => Event::ModuleAux { id: length()? },
            opcode::RESIZEDB => Event::ResizeDb { keys: length()?, expires: length()? },
            opcode::SELECTDB => Event::SelectDb(length()?),
            opcode::SLOT_INFO => Event::SlotInfo { slot: length()?, keys: length()?, expires: length()? },
            kind => Event::Entry(Entry {
                key: cursor.bytes(key_scratch).map_err(complete)?,
                value: object::read(kind, &mut cursor, value_scratch, own.rules()).map_err(complete)?,
                attributes: std::mem::take(attributes),
            }),
        })
    }

    fn read_checksum(&mut self) -> Result<Option<Event<'_>>, RdbError> {
        if self.version < CHECKSUM_VERSION_MIN {
            self.phase = Phase::Ended;
            return Ok(Some(Event::End(Verdict::Absent)));
        }
        self.sum();
        let Some((&stored, _)) = self.rest().split_first_chunk::<8>() else { return Ok(None) };
        let expected = u64::from_le_bytes(stored);
        let verdict = match expected {
            _ if self.skips_checksum => Verdict::Skipped,
            0 => Verdict::Disabled,
            expected if expected == self.crc => Verdict::Verified,
            expected => return Err(RdbError::Checksum { expected, actual: self.crc }),
        };
        self.consume(stored.len());
        self.phase = Phase::Ended;
        Ok(Some(Event::End(verdict)))
    }
}

/// A record is decoded only when all of it is here, so a short read inside it means that its lengths disagree.
fn complete(fault: Fault) -> RdbError {
    match fault {
        Fault::Short => RdbError::Corrupt("record shorter than its contents"),
        Fault::Bad(error) => error,
    }
}

/// Signature and version.
const HEADER_BYTES: usize = 9;
/// First version that ends with a checksum.
const CHECKSUM_VERSION_MIN: u32 = 5;
/// Capacity, in bytes, that the buffer keeps after a large value has passed.
const BUFFER_KEEP_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::{Entry, Event, RdbReader, Verdict};
    use crate::rdb::RdbError;
    use crate::rdb::encoding::Compress;
    use crate::rdb::object::{Loaded, RdbValue};
    use crate::rdb::writer::{Attributes, Checksum, RdbWriter};
    use crate::rng::Rng;

    /// A file with one of everything we write.
    fn sample(checksum: Checksum) -> Vec<u8> {
        let mut writer = RdbWriter::new(Compress::Yes, checksum);
        let mut out = Vec::new();
        writer.header(&mut out);
        writer.aux(&mut out, "redis-ver", b"7.0.15");
        writer.aux_int(&mut out, "repl-offset", 10_944);
        writer.function_library(&mut out, b"#!lua name=lib\n");
        writer.select_db(&mut out, 3, 3, 1);
        writer.entry(&mut out, b"plain", Attributes::default(), RdbValue::Bytes(b"value"));
        writer.entry(&mut out, b"17", Attributes::default(), RdbValue::Int(-5));
        let attributes = Attributes { expiry_ms: Some(1_700_000_000_000), idle_secs: Some(4), freq: None };
        writer.entry(&mut out, &[b'k'; 40], attributes, RdbValue::Bytes(&[b'v'; 4000]));
        writer.seal(&out);
        writer.finish(&mut out);
        out
    }

    /// Everything the reader says, as text, when the file arrives in pieces of these sizes.
    fn read(file: &[u8], mut piece: impl FnMut() -> usize) -> Result<Vec<String>, RdbError> {
        let mut reader = RdbReader::new();
        let mut events = Vec::new();
        let mut rest = file;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
            reader.feed(now);
            while let Some(event) = reader.next()? {
                events.push(format!("{event:?}"));
            }
            rest = later;
        }
        reader.finish()?;
        Ok(events)
    }

    #[test]
    fn pieces_of_any_size_give_the_same_records() {
        let file = sample(Checksum::Yes);
        let whole = read(&file, || usize::MAX).unwrap();
        let seed = 99;
        let mut rng = Rng::new(seed);

        assert_eq!(whole.len(), 9);
        for size in 1..100 {
            assert_eq!(read(&file, || size).unwrap(), whole, "pieces of {size}");
            assert_eq!(read(&file, || rng.index(300)).unwrap(), whole, "seed {seed}");
        }
    }

    #[test]
    fn attributes_belong_to_the_next_key_only() {
        let file = sample(Checksum::Yes);
        let mut reader = RdbReader::new();
        reader.feed(&file);
        let mut entries = Vec::new();
        while let Some(event) = reader.next().unwrap() {
            if let Event::Entry(Entry { attributes, value, .. }) = event {
                entries.push((attributes, matches!(value, Loaded::Int(-5))));
            }
        }

        let last = Attributes { expiry_ms: Some(1_700_000_000_000), idle_secs: Some(4), freq: None };
        assert_eq!(entries, [(Attributes::default(), false), (Attributes::default(), true), (last, false)]);
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated() {
        let file = sample(Checksum::Yes);

        for len in 0..file.len() {
            assert_eq!(read(&file[..len], || 64), Err(RdbError::Truncated), "{len} bytes");
        }
    }

    #[test]
    fn a_changed_byte_is_never_taken_for_sound() {
        let file = sample(Checksum::Yes);

        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            assert!(read(&changed, || 512).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_zero_checksum_is_not_checked() {
        let events = read(&sample(Checksum::No), || 100).unwrap();

        assert_eq!(events.last().unwrap(), &format!("{:?}", Event::End(Verdict::Disabled)));
    }

    #[test]
    fn a_wrong_checksum_is_read_past_when_nobody_looks() {
        let mut file = sample(Checksum::Yes);
        *file.last_mut().unwrap() ^= 1;
        let mut reader = RdbReader::new().with_checksum(Checksum::No);
        let mut last = None;

        for piece in file.chunks(100) {
            reader.feed(piece);
            while let Some(event) = reader.next().unwrap() {
                last = if let Event::End(verdict) = event { Some(verdict) } else { None };
            }
        }

        assert!(matches!(read(&file, || 100), Err(RdbError::Checksum { .. })));
        assert_eq!(last, Some(Verdict::Skipped));
        assert!(reader.rest().is_empty());
    }

    #[test]
    fn bytes_after_the_file_are_left_alone() {
        let mut file = sample(Checksum::Yes);
        file.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
        let mut reader = RdbReader::new();
        reader.feed(&file);
        while reader.next().unwrap().is_some() {}

        assert!(reader.is_ended());
        assert_eq!(reader.rest(), b"*1\r\n$4\r\nPING\r\n");
    }

    #[test]
    fn old_files_load_without_checksum_and_with_expiry_in_seconds() {
        let file = b"REDIS0003\xfe\x00\xfd\x10\x27\x00\x00\x00\x01k\x01v\xff";

        let events = read(file, || 1).unwrap();

        let attributes = Attributes { expiry_ms: Some(10_000_000), ..Attributes::default() };
        let entry = Entry { key: b"k", value: Loaded::Bytes(b"v"), attributes };
        assert_eq!(events[1], format!("{:?}", Event::Entry(entry)));
        assert_eq!(events[2], format!("{:?}", Event::End(Verdict::Absent)));
    }

    #[test]
    fn the_header_of_valkey_is_known() {
        let end = b"VALKEY080\xfe\x00\xfb\x01\x00\x00\x01a\x01b\xff\0\0\0\0\0\0\0\0";

        let events = read(end, || usize::MAX).unwrap();

        assert!(events[2].contains("Entry"), "{events:?}");
        assert_eq!(events[3], format!("{:?}", Event::End(Verdict::Disabled)));
    }

    #[test]
    fn what_cannot_be_loaded_is_named() {
        let cases: [(&[u8], RdbError); 9] = [
            (b"SIDER0010", RdbError::BadMagic),
            (b"VALKE0080", RdbError::BadMagic),
            (b"VALKEY012", RdbError::BadVersion(12)),
            (b"VALKEY081", RdbError::BadVersion(81)),
            (b"REDIS0013", RdbError::BadVersion(13)),
            (b"REDIS0000", RdbError::BadVersion(0)),
            (b"REDIS00x1", RdbError::BadVersion(0)),
            (b"REDIS0010\x17\x01k", RdbError::UnsupportedType(23)),
            (b"REDIS0010\xf6", RdbError::Corrupt("function of a pre-release version")),
        ];

        for (file, error) in cases {
            assert_eq!(read(file, || usize::MAX), Err(error));
        }
    }

    #[test]
    fn a_huge_declared_length_holds_only_what_arrived() {
        let mut reader = RdbReader::new();
        reader.feed(b"REDIS0010\x00\x01k\x80\xff\xff\xff\xff");

        assert_eq!(reader.next(), Ok(None));
        assert!(reader.buffer.capacity() < 1024);
    }

    #[test]
    fn random_bytes_never_panic() {
        let seed = 4;
        let mut rng = Rng::new(seed);
        for round in 0..20_000 {
            let mut file = b"REDIS0010".to_vec();
            file.extend((0..rng.index(40)).map(|_| if rng.chance(30) { 0xff } else { rng.next_u64() as u8 }));

            assert!(read(&file, || 7).is_err() || file.contains(&0xff), "seed {seed} round {round}");
        }
    }
}
