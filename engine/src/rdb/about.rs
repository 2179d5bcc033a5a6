//! What a file says about itself: the AUX fields at its beginning.

use super::writer::RdbWriter;

/// The fields we write and understand; others are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// `redis-ver`: the version of the server that wrote it.
    pub version: String,
    /// `ctime`: when it was written, in Unix seconds.
    pub created_secs: i64,
    /// `used-mem`: memory the data took, in bytes.
    pub used_bytes: u64,
    /// Where in which replication history the data stand.
    pub history: Option<HistoryFields>,
    /// `aof-base` (or `aof-preamble` in older files): it is the beginning of an append only file.
    pub is_aof_base: bool,
}

/// `repl-stream-db`, `repl-id` and `repl-offset`, which come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryFields {
    /// The database the replication stream is on; -1 when it must be said again.
    pub stream_db: i64,
    /// The history's name.
    pub replid: [u8; 40],
    /// The offset of the data.
    pub offset: u64,
}

impl About {
    /// Appends header and fields, in the order Redis writes them.
    pub fn put(&self, writer: &mut RdbWriter, out: &mut Vec<u8>) {
        writer.header(out);
        writer.aux(out, "redis-ver", self.version.as_bytes());
        writer.aux_int(out, "redis-bits", 64);
        writer.aux_int(out, "ctime", self.created_secs);
        writer.aux_int(out, "used-mem", i64::try_from(self.used_bytes).unwrap_or(i64::MAX));
        if let Some(history) = &self.history {
            writer.aux_int(out, "repl-stream-db", history.stream_db);
            writer.aux(out, "repl-id", &history.replid);
            writer.aux_int(out, "repl-offset", i64::try_from(history.offset).unwrap_or(i64::MAX));
        }
        writer.aux_int(out, "aof-base", i64::from(self.is_aof_base));
    }

    /// Takes a field as a reader gives it. Damaged values count as absent.
    pub fn note(&mut self, name: &[u8], value: &[u8]) {
        let text = std::str::from_utf8(value).unwrap_or_default();
        match name {
            b"redis-ver" | b"valkey-ver" => self.version = text.to_owned(),
            b"ctime" => self.created_secs = text.parse().unwrap_or_default(),
            b"used-mem" => self.used_bytes = text.parse().unwrap_or_default(),
            b"aof-base" | b"aof-preamble" => self.is_aof_base = text == "1",
            b"repl-stream-db" => self.history_mut().stream_db = text.parse().unwrap_or(-1),
            b"repl-id" => {
                if let Ok(replid) = value.try_into() {
                    self.history_mut().replid = replid;
                }
            }
            b"repl-offset" => {
                if let Ok(offset) = text.parse() {
                    self.history_mut().offset = offset;
                }
            }
            _ => {}
        }
    }

    /// The history, when the file has a sound one.
    pub fn sound_history(&self) -> Option<HistoryFields> {
        self.history.filter(|history| history.replid.iter().all(u8::is_ascii_hexdigit))
    }

    fn history_mut(&mut self) -> &mut HistoryFields {
        self.history.get_or_insert(HistoryFields { stream_db: -1, replid: [b'?'; 40], offset: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::{About, HistoryFields};
    use crate::rdb::encoding::Compress;
    use crate::rdb::reader::{Event, RdbReader};
    use crate::rdb::writer::{Checksum, RdbWriter};

    #[test]
    fn what_was_written_is_understood() {
        let history = Some(HistoryFields { stream_db: 3, replid: [b'e'; 40], offset: 10_944 });
        let about = About {
            version: "7.0.15".to_owned(),
            created_secs: 1_795_159_429,
            used_bytes: 939_888,
            history,
            is_aof_base: true,
        };
        let mut out = Vec::new();
        about.put(&mut RdbWriter::new(Compress::Yes, Checksum::Yes), &mut out);
        let mut reader = RdbReader::new();
        reader.feed(&out);
        let mut read = About::default();
        while let Some(event) = reader.next().unwrap() {
            let Event::Aux { name, value } = event else { panic!("only fields were written") };
            read.note(name, value);
        }

        assert_eq!(read, about);
        assert_eq!(read.sound_history(), history);
    }

    #[test]
    fn an_id_of_another_form_is_no_history() {
        let mut about = About::default();
        about.note(b"repl-id", b"short");
        about.note(b"repl-offset", b"12");

        assert_eq!(about.sound_history(), None);
    }
}
