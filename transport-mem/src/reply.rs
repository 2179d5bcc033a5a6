//! Where a reply ends.
//!
//! A client of the simulator or of the live bus sees bytes and wants to know when one whole RESP2 or RESP3 reply
//! is there. This walks over it without building values. What the reply means is not of interest here.

use slotmesh_cluster::machine::Reset;

/// Why bytes are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// A header's first byte is not one of RESP's.
    Kind(u8),
    /// A length or a line end is not where RESP wants it.
    Length,
    /// More elements than [`ELEMENTS_MAX`] are announced.
    TooLarge,
}

/// Why a call got no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The connection is gone.
    Closed(Reset),
    /// What came is no reply.
    Malformed(Malformed),
    /// No whole reply came in time.
    TimedOut,
}

/// Takes the first whole reply from `received`. RESP3 push messages before it go to `pushes`.
pub(crate) fn take_reply(received: &mut Vec<u8>, pushes: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Malformed> {
    while let Some(len) = reply_len(received)? {
        let rest = received.split_off(len);
        let reply = std::mem::replace(received, rest);
        if reply.first() != Some(&b'>') {
            return Ok(Some(reply));
        }
        pushes.extend_from_slice(&reply);
    }
    Ok(None)
}

/// Length in bytes of the first whole reply in `bytes`; nothing when it is not complete yet.
///
/// Nested replies are counted, not recursed into.
///
/// # Errors
/// When the bytes cannot be the beginning of a reply.
pub fn reply_len(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut at = 0;
    // How many elements are still to be walked over until the outermost reply is complete.
    let mut open: u64 = 1;
    while open > 0 {
        let Some(header) = line(&bytes[at..])? else { return Ok(None) };
        let (kind, text) = (bytes[at], &bytes[at + 1..at + header - 2]);
        at += header;
        open -= 1;
        match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            b'$' | b'=' | b'!' => {
                let Some(len) = length(text)? else { continue };
                let len = usize::try_from(len).map_err(|_| Malformed::TooLarge)?;
                let Some(end) = at.checked_add(len).and_then(|end| end.checked_add(2)) else {
                    return Err(Malformed::TooLarge);
                };
                match bytes.get(end - 2..end) {
                    None => return Ok(None),
                    Some(b"\r\n") => at = end,
                    Some(_) => return Err(Malformed::Length),
                }
            }
            b'*' | b'~' | b'>' => open = add(open, length(text)?.unwrap_or(0))?,
            b'%' => open = add(open, length(text)?.unwrap_or(0).saturating_mul(2))?,
            // An attribute stands before the element it belongs to.
            b'|' => open = add(open, length(text)?.unwrap_or(0).saturating_mul(2).saturating_add(1))?,
            other => return Err(Malformed::Kind(other)),
        }
    }
    Ok(Some(at))
}

/// Length of the header line with its line end; nothing when the end is not there yet.
fn line(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match bytes.iter().position(|&byte| byte == b'\r') {
        Some(0) => Err(Malformed::Kind(b'\r')),
        Some(cr) => match bytes.get(cr + 1) {
            None => Ok(None),
            Some(b'\n') => Ok(Some(cr + 2)),
            Some(_) => Err(Malformed::Length),
        },
        None => Ok(None),
    }
}

/// A header's length; nothing for the null forms `$-1` and `*-1`.
fn length(text: &[u8]) -> Result<Option<u64>, Malformed> {
    if text == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(text).map_err(|_| Malformed::Length)?;
    text.parse().map(Some).map_err(|_| Malformed::Length)
}

fn add(open: u64, more: u64) -> Result<u64, Malformed> {
    let sum = open.saturating_add(more);
    if sum > ELEMENTS_MAX { Err(Malformed::TooLarge) } else { Ok(sum) }
}

/// Elements a reply may announce ahead; the largest array the protocol's users ask for is far below.
pub const ELEMENTS_MAX: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::{Malformed, reply_len};

    const REPLIES: &[&[u8]] = &[
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-5\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$5\r\na\r\nbc\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
        b"%1\r\n+a\r\n~2\r\n#t\r\n_\r\n",
        b"|1\r\n+ttl\r\n:3\r\n=5\r\ntxt:x\r\n",
        b">2\r\n,1.5\r\n(123456789012345678901\r\n",
        b"!3\r\nERR\r\n",
    ];

    #[test]
    fn a_reply_ends_where_it_ends_and_not_before() {
        for reply in REPLIES {
            for cut in 0..reply.len() {
                assert_eq!(reply_len(&reply[..cut]), Ok(None), "{:?}", String::from_utf8_lossy(&reply[..cut]));
            }
            let followed = [reply, &b"+NEXT\r\n"[..]].concat();
            assert_eq!(reply_len(&followed), Ok(Some(reply.len())));
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        assert_eq!(reply_len(b"GET\r\n"), Err(Malformed::Kind(b'G')));
        assert_eq!(reply_len(b"$x\r\n"), Err(Malformed::Length));
        assert_eq!(reply_len(b"$1\r\nxyz"), Err(Malformed::Length));
        assert_eq!(reply_len(b"*99999999999\r\n"), Err(Malformed::TooLarge));
        assert_eq!(reply_len(b"$18446744073709551615\r\n"), Err(Malformed::TooLarge));
        assert_eq!(reply_len(b"\r\n"), Err(Malformed::Kind(b'\r')));
    }
}
