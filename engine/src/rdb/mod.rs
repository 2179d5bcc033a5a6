//! RDB: the format of snapshots, of full synchronisations and of DUMP payloads.
//!
//! Lives here: the container ([`writer`], [`reader`]), the encodings of lengths and strings ([`encoding`]), the
//! checksum and the compression, what a file says of itself ([`about`]), the value types ([`object`]) and the payload of DUMP and RESTORE ([`dump`]). What
//! does not: files, sockets and the keyspace; bytes come and go as slices, values as [`object::RdbValue`] and
//! [`object::Loaded`]. Start at [`reader::RdbReader`] or [`writer::RdbWriter`].
//!
//! Written is version 10 with the types Redis 7.0 writes, which every server since loads; read is version 1 to 12. The
//! one exception are files that have hashes with fields that expire, which Redis 7.0 does not know: see [`mod@hash`].

pub mod about;
pub mod crc64;
pub mod dump;
pub mod encoding;
mod extent;
pub mod hash;
pub mod list;
pub mod lzf;
pub mod object;
pub mod reader;
pub mod set;
pub mod sorted;
pub mod stream;
pub mod writer;
mod ziplist;
mod zipmap;

use std::fmt;

/// The version in the header and in DUMP payloads we write: Redis 7.0's.
pub const VERSION_WRITTEN: u16 = 10;
/// The newest version we read: Redis 7.4's.
pub const VERSION_READ_MAX: u16 = 12;
/// The first five bytes of every file; an AOF that starts with them has an RDB preamble.
pub const MAGIC: &[u8; 5] = b"REDIS";
/// The first six bytes of a file by Valkey 9 or later, which counts its versions anew from 80. The types and opcodes
/// of strings, expiries and the rest we know are the same; what Valkey added is refused by its number.
pub const MAGIC_VALKEY: &[u8; 6] = b"VALKEY";
/// The version of Valkey's own that we read: 9.0's and 9.1's.
pub const VERSION_VALKEY: u16 = 80;
/// Longest string a file may declare, in bytes. Redis itself stops at `proto-max-bulk-len`, 512 MB unless raised;
/// the bound only keeps a damaged length from collecting a socket's bytes for ever.
pub const STRING_BYTES_MAX: u64 = 1 << 32;

/// Whether these first bytes of a file are those of an RDB.
pub fn is_rdb(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) || bytes.starts_with(MAGIC_VALKEY)
}

/// Whether these first bytes are too few to tell, and more may make them those of an RDB.
pub fn is_rdb_start(bytes: &[u8]) -> bool {
    let begins = |magic: &[u8]| bytes.len() < magic.len() && magic.starts_with(bytes);
    begins(MAGIC) || begins(MAGIC_VALKEY)
}

/// The bytes that introduce something other than a key.
pub mod opcode {
    /// Redis 7.4, cluster mode: sizes of a slot, a hint.
    pub const SLOT_INFO: u8 = 0xf4;
    /// A function library's source.
    pub const FUNCTION2: u8 = 0xf5;
    /// A function of a 7.0 release candidate; never loaded.
    pub const FUNCTION_PRE_GA: u8 = 0xf6;
    /// Data of a module beside the keys.
    pub const MODULE_AUX: u8 = 0xf7;
    /// Seconds since the next key was used.
    pub const IDLE: u8 = 0xf8;
    /// Access frequency of the next key.
    pub const FREQ: u8 = 0xf9;
    /// A named field about the file.
    pub const AUX: u8 = 0xfa;
    /// Sizes of the database, a hint.
    pub const RESIZEDB: u8 = 0xfb;
    /// Expiry of the next key in Unix milliseconds.
    pub const EXPIRETIME_MS: u8 = 0xfc;
    /// Expiry of the next key in Unix seconds.
    pub const EXPIRETIME: u8 = 0xfd;
    /// The database the next keys are in.
    pub const SELECTDB: u8 = 0xfe;
    /// The end, before the checksum.
    pub const EOF: u8 = 0xff;
}

/// Why bytes are not an RDB we can load. The message is the line Redis logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RdbError {
    /// The file begins with neither [`MAGIC`] nor [`MAGIC_VALKEY`].
    BadMagic,
    /// The version is not a number from 1 to [`VERSION_READ_MAX`], nor Valkey's [`VERSION_VALKEY`].
    BadVersion(u32),
    /// The checksum at the end is not that of the bytes.
    Checksum {
        /// What the file says.
        expected: u64,
        /// What its bytes sum to.
        actual: u64,
    },
    /// The bytes break the format; the text says where.
    Corrupt(&'static str),
    /// The bytes ended before the EOF opcode and the checksum.
    Truncated,
    /// A value of a type that cannot be loaded.
    UnsupportedType(u8),
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadMagic => f.write_str("Wrong signature trying to load DB from file"),
            Self::BadVersion(version) => write!(f, "Can't handle RDB format version {version}"),
            Self::Checksum { expected, actual } => {
                write!(f, "Wrong RDB checksum expected: ({expected:x}) but got ({actual:x}). Aborting now.")
            }
            Self::Corrupt(what) => write!(f, "Internal error in RDB reading: {what}"),
            Self::Truncated => f.write_str("Short read or OOM loading DB. Unrecoverable error, aborting now."),
            Self::UnsupportedType(kind) => {
                write!(f, "Unknown RDB encoding type {kind} ({})", object::type_name(kind))
            }
        }
    }
}

impl std::error::Error for RdbError {}

#[cfg(test)]
mod tests {
    use super::RdbError;

    #[test]
    fn errors_read_as_redis_logs_them() {
        let texts = [
            (RdbError::BadVersion(13), "Can't handle RDB format version 13"),
            (
                RdbError::Checksum { expected: 0xab, actual: 0x1 },
                "Wrong RDB checksum expected: (ab) but got (1). Aborting now.",
            ),
            (RdbError::UnsupportedType(6), "Unknown RDB encoding type 6 (module)"),
        ];

        for (error, text) in texts {
            assert_eq!(error.to_string(), text);
        }
    }
}
