//! Writing a file, record by record, into the caller's buffer.
//!
//! The writer keeps only the running checksum and what compression reuses. A snapshot asks it for a chunk of
//! records, seals the chunk and sends it off, so that a file of any size passes through a buffer of any size.

use super::encoding::{Compress, StringWriter, put_int, put_length, put_raw};
use super::object::{self, RdbValue};
use super::{MAGIC, MAGIC_VALKEY, VERSION_VALKEY, VERSION_WRITTEN, crc64, opcode};

/// Writes one file.
#[derive(Debug)]
pub struct RdbWriter {
    strings: StringWriter,
    checksum: Checksum,
    crc: u64,
}

/// Whether the file ends with its checksum (`rdbchecksum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Eight zero bytes, which loaders do not check.
    No,
    /// The CRC64 of everything before it.
    Yes,
}

/// Whose format a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Redis 7.0's, which every server since loads.
    Redis,
    /// Valkey 9's, which has a type for hashes with fields that expire: Valkey refuses that type in Redis's files.
    Valkey,
}

/// What precedes a key: when it expires and how it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Unix milliseconds at which the key expires.
    pub expiry_ms: Option<i64>,
    /// Seconds since the last use; written under an LRU `maxmemory-policy`.
    pub idle_secs: Option<u64>,
    /// Access frequency; written under an LFU `maxmemory-policy`.
    pub freq: Option<u8>,
}

impl RdbWriter {
    /// A writer for one file.
    pub fn new(compress: Compress, checksum: Checksum) -> Self {
        Self { strings: StringWriter::new(compress), checksum, crc: 0 }
    }

    /// Appends the signature and the version of Redis's format.
    pub fn header(&mut self, out: &mut Vec<u8>) {
        self.header_in(out, Dialect::Redis);
    }

    /// Appends the signature and the version of a format.
    pub fn header_in(&mut self, out: &mut Vec<u8>, dialect: Dialect) {
        let digits = |version: u16| [b'0' + (version / 10) as u8, b'0' + (version % 10) as u8];
        match dialect {
            Dialect::Redis => {
                out.extend_from_slice(MAGIC);
                out.extend_from_slice(b"00");
                out.extend_from_slice(&digits(VERSION_WRITTEN));
            }
            Dialect::Valkey => {
                out.extend_from_slice(MAGIC_VALKEY);
                out.push(b'0');
                out.extend_from_slice(&digits(VERSION_VALKEY));
            }
        }
    }

    /// Appends a field about the file.
    pub fn aux(&mut self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        out.push(opcode::AUX);
        put_raw(out, name.as_bytes());
        self.strings.put(out, value);
    }

    /// Appends a numeric field about the file.
    pub fn aux_int(&mut self, out: &mut Vec<u8>, name: &str, value: i64) {
        out.push(opcode::AUX);
        put_raw(out, name.as_bytes());
        put_int(out, value);
    }

    /// Appends a function library's source.
    pub fn function_library(&mut self, out: &mut Vec<u8>, source: &[u8]) {
        out.push(opcode::FUNCTION2);
        self.strings.put(out, source);
    }

    /// Begins a database and tells its size, so that a loader can prepare its tables.
    pub fn select_db(&mut self, out: &mut Vec<u8>, db: u32, keys: u64, expires: u64) {
        out.push(opcode::SELECTDB);
        put_length(out, u64::from(db));
        out.push(opcode::RESIZEDB);
        put_length(out, keys);
        put_length(out, expires);
    }

    /// Appends a key with its value.
    pub fn entry(&mut self, out: &mut Vec<u8>, key: &[u8], attributes: Attributes, value: RdbValue<'_>) {
        if let Some(expiry_ms) = attributes.expiry_ms {
            out.push(opcode::EXPIRETIME_MS);
            out.extend_from_slice(&expiry_ms.to_le_bytes());
        }
        if let Some(idle_secs) = attributes.idle_secs {
            out.push(opcode::IDLE);
            put_length(out, idle_secs);
        }
        if let Some(freq) = attributes.freq {
            out.extend_from_slice(&[opcode::FREQ, freq]);
        }
        out.push(object::type_byte(value));
        self.strings.put(out, key);
        object::put(out, &mut self.strings, value);
    }

    /// Takes a complete chunk of the file into the checksum. Every chunk is sealed once, in order, before
    /// [`finish`](Self::finish).
    pub fn seal(&mut self, chunk: &[u8]) {
        if self.checksum == Checksum::Yes {
            self.crc = crc64::crc64(self.crc, chunk);
        }
    }

    /// Appends the end of the file. Bytes that are in `out` already must have been sealed; those appended here need
    /// no sealing.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.push(opcode::EOF);
        self.seal(&[opcode::EOF]);
        out.extend_from_slice(&self.crc.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Checksum, RdbWriter};
    use crate::rdb::encoding::Compress;
    use crate::rdb::object::RdbValue;

    #[test]
    fn an_empty_file_is_byte_for_byte_that_of_a_real_server() {
        let mut writer = RdbWriter::new(Compress::Yes, Checksum::Yes);
        let mut out = Vec::new();

        writer.header(&mut out);
        writer.aux(&mut out, "redis-ver", b"7.0.15");
        writer.aux_int(&mut out, "redis-bits", 64);
        writer.aux_int(&mut out, "ctime", 1_795_159_429);
        writer.aux_int(&mut out, "used-mem", 0x000e_5770);
        writer.aux_int(&mut out, "aof-base", 1);
        writer.seal(&out);
        writer.finish(&mut out);

        let mut expected = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2".to_vec();
        expected.extend_from_slice(b"\x85\xf5\xff\x6a\xfa\x08used-mem\xc2\x70\x57\x0e\x00\xfa\x08aof-base\xc0\x01");
        expected.extend_from_slice(b"\xff\x34\xf2\xc4\xd4\x8f\x28\x52\xfe");
        assert_eq!(out, expected);
        assert_eq!(out.len(), 89);
    }

    #[test]
    fn attributes_precede_the_key() {
        let mut out = Vec::new();
        let attributes = Attributes { expiry_ms: Some(1), idle_secs: Some(70), freq: Some(9) };

        RdbWriter::new(Compress::No, Checksum::No).entry(&mut out, b"k", attributes, RdbValue::Bytes(b"v"));

        assert_eq!(out, b"\xfc\x01\0\0\0\0\0\0\0\xf8\x40\x46\xf9\x09\x00\x01k\x01v");
    }
}
