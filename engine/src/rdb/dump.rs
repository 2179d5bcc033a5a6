//! The payload of DUMP and RESTORE: one value, the version and a checksum.

use std::fmt;

use super::encoding::{Cursor, StringWriter};
use super::object::{self, Loaded, RdbValue};
use super::writer::Checksum;
use super::{VERSION_READ_MAX, VERSION_VALKEY, VERSION_WRITTEN, crc64};
use crate::value::Rules;

/// Appends the payload DUMP replies with.
pub fn put_dump(out: &mut Vec<u8>, strings: &mut StringWriter, value: RdbValue<'_>) {
    let start = out.len();
    out.push(object::type_byte(value));
    object::put(out, strings, value);
    put_footer(out, start);
}

/// Appends version and checksum to the payload that begins at `start` of `out`.
pub fn put_footer(out: &mut Vec<u8>, start: usize) {
    out.extend_from_slice(&VERSION_WRITTEN.to_le_bytes());
    let crc = crc64::crc64(0, &out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Checks the footer of a payload and returns what is before it.
///
/// # Errors
/// [`RestoreError::Footer`] when the version is newer than we read or the checksum differs, if it is to be compared.
pub fn check_footer(payload: &[u8], checksum: Checksum) -> Result<&[u8], RestoreError> {
    let (sealed, crc) = payload.split_last_chunk::<8>().ok_or(RestoreError::Footer)?;
    let (body, version) = sealed.split_last_chunk::<2>().ok_or(RestoreError::Footer)?;
    let version = u16::from_le_bytes(*version);
    let known = version <= VERSION_READ_MAX || version == VERSION_VALKEY;
    let sound = checksum == Checksum::No || crc64::crc64(0, sealed) == u64::from_le_bytes(*crc);
    if known && sound { Ok(body) } else { Err(RestoreError::Footer) }
}

/// What RESTORE demands of a payload.
#[derive(Debug, Clone, Copy)]
pub struct Demands {
    /// Whether the checksum must be right.
    pub checksum: Checksum,
    /// Bytes a string may have, however short it is compressed.
    pub string_bytes_max: u64,
}

/// Reads the value of a payload; `scratch` receives what is not in it as it is.
///
/// # Errors
/// [`RestoreError`], whose message is the client's error reply.
pub fn restore<'s, 'a: 's>(
    payload: &'a [u8],
    demands: Demands,
    scratch: &'s mut Vec<u8>,
    rules: Rules<'_>,
) -> Result<Loaded<'s>, RestoreError> {
    let body = check_footer(payload, demands.checksum)?;
    let mut cursor = Cursor::new(body).with_strings_up_to(demands.string_bytes_max);
    let kind = cursor.byte().map_err(|_| RestoreError::Value)?;
    let value = object::read(kind, &mut cursor, scratch, rules).map_err(|_| RestoreError::Value)?;
    if cursor.is_at_end() && !value.is_garbage() { Ok(value) } else { Err(RestoreError::Value) }
}

/// Why RESTORE refuses a payload. The message is the error reply, without the leading `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreError {
    /// The version is too new, or the checksum differs.
    Footer,
    /// The value is damaged or of a type we do not have.
    Value,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Footer => "ERR DUMP payload version or checksum are wrong",
            Self::Value => "ERR Bad data format",
        })
    }
}

impl std::error::Error for RestoreError {}

/// What tests of values demand.
#[cfg(test)]
pub(crate) const STRICT: Demands = Demands { checksum: Checksum::Yes, string_bytes_max: 1 << 20 };

#[cfg(test)]
mod tests {
    use super::{Demands, RestoreError, STRICT, put_dump};
    use crate::rdb::encoding::{Compress, StringWriter};
    use crate::rdb::object::{Loaded, RdbValue};
    use crate::rdb::writer::Checksum;
    use crate::value::OwnRules;

    fn restore<'s, 'a: 's>(payload: &'a [u8], scratch: &'s mut Vec<u8>) -> Result<Loaded<'s>, RestoreError> {
        super::restore(payload, STRICT, scratch, OwnRules::default().rules())
    }

    #[test]
    fn a_checksum_nobody_compares_may_be_anything_but_the_version_may_not() {
        let own = OwnRules::default();
        let mut payload = dumped(RdbValue::Bytes(b"hello"));
        *payload.last_mut().unwrap() ^= 1;
        let lenient = Demands { checksum: Checksum::No, ..STRICT };

        assert_eq!(restore(&payload, &mut Vec::new()), Err(RestoreError::Footer));
        assert_eq!(super::restore(&payload, lenient, &mut Vec::new(), own.rules()), Ok(Loaded::Bytes(b"hello")));

        let version = payload.len() - 10;
        payload[version] = 13;
        assert_eq!(super::restore(&payload, lenient, &mut Vec::new(), own.rules()), Err(RestoreError::Footer));
    }

    #[test]
    fn a_string_that_grows_past_the_bound_is_bad_data() {
        let payload = dumped(RdbValue::Bytes(&[b'x'; 5000]));
        let (mut scratch, own) = (Vec::new(), OwnRules::default());

        assert!(payload.len() < 500);
        let upto = |string_bytes_max| Demands { string_bytes_max, ..STRICT };
        assert_eq!(super::restore(&payload, upto(4999), &mut scratch, own.rules()), Err(RestoreError::Value));
        assert_eq!(scratch.capacity(), 0);
        assert!(super::restore(&payload, upto(5000), &mut scratch, own.rules()).is_ok());
    }

    fn dumped(value: RdbValue<'_>) -> Vec<u8> {
        let mut out = b"kept".to_vec();
        put_dump(&mut out, &mut StringWriter::new(Compress::Yes), value);
        out.split_off(4)
    }

    #[test]
    fn payloads_are_those_of_a_real_server() {
        let hello = b"\x00\x05hello\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0a";
        let twelve = b"\x00\xc0\x0c\x0a\x00\x3c\x2a\xf8\x51\x5c\x04\xbc\xd5";

        assert_eq!(dumped(RdbValue::Bytes(b"hello")), hello);
        assert_eq!(dumped(RdbValue::Int(12)), twelve);
        assert_eq!(dumped(RdbValue::Bytes(b"12")), twelve);
        assert_eq!(restore(hello, &mut Vec::new()), Ok(Loaded::Bytes(b"hello")));
        assert_eq!(restore(twelve, &mut Vec::new()), Ok(Loaded::Int(12)));
    }

    #[test]
    fn any_changed_byte_is_a_wrong_checksum() {
        let payload = dumped(RdbValue::Bytes(&[b'x'; 200]));
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 1;

            assert_eq!(restore(&changed, &mut Vec::new()), Err(RestoreError::Footer));
        }
        for len in 0..payload.len() {
            assert_eq!(restore(&payload[..len], &mut Vec::new()), Err(RestoreError::Footer));
        }
    }

    #[test]
    fn a_sound_checksum_over_a_bad_value_is_bad_data() {
        for body in [&b""[..], b"\x00", b"\x00\x05hell", b"\x63\x01a", b"\x00\x01ab", b"\x00\xc9"] {
            let mut payload = body.to_vec();
            super::put_footer(&mut payload, 0);

            assert_eq!(restore(&payload, &mut Vec::new()), Err(RestoreError::Value), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        let mut payload = b"\x00\x01a".to_vec();
        payload.extend_from_slice(&13_u16.to_le_bytes());
        let crc = crate::rdb::crc64::crc64(0, &payload);
        payload.extend_from_slice(&crc.to_le_bytes());

        assert_eq!(restore(&payload, &mut Vec::new()), Err(RestoreError::Footer));
    }
}
