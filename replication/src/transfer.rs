//! A snapshot on its way in: where it ends.
//!
//! Two forms: of a known size, or ended by a mark of 40 bytes. Bytes are handed on as they come; in the second form
//! the last 40 are held back, because they may be the mark.

use crate::feed::command::parse_number;

/// The body of a full synchronisation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// This many bytes are still to come.
    Sized { left: u64 },
    /// Everything up to the mark; `held` are the last bytes, not handed on yet.
    Marked { mark: [u8; MARK_BYTES], held: Vec<u8> },
}

/// What was taken from a piece of input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes of the input that belong to the body.
    pub(crate) used: usize,
    /// Bytes of the snapshot to hand on.
    pub(crate) rdb: Vec<u8>,
    /// The snapshot is complete.
    pub(crate) ended: bool,
}

impl Body {
    /// The body a `$` line announces; the argument is what follows the `$`.
    pub(crate) fn parse(header: &[u8]) -> Option<Self> {
        if let Some(mark) = header.strip_prefix(b"EOF:") {
            return Some(Self::Marked { mark: mark.try_into().ok()?, held: Vec::new() });
        }
        parse_number(header).map(|left| Self::Sized { left })
    }

    /// The announced size, if there was one.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::Sized { left } => Some(*left),
            Self::Marked { .. } => None,
        }
    }

    /// Takes the body's part of the input.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Taken {
        match self {
            Self::Sized { left } => {
                let used = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= used as u64;
                Taken { used, rdb: bytes[..used].to_vec(), ended: *left == 0 }
            }
            Self::Marked { mark, held } => {
                held.extend_from_slice(bytes);
                let ended = held.ends_with(mark);
                let keep = held.split_off(held.len() - held.len().min(MARK_BYTES));
                let rdb = std::mem::replace(held, keep);
                Taken { used: bytes.len(), rdb, ended }
            }
        }
    }
}

/// Length of the mark that ends a snapshot of unknown size.
const MARK_BYTES: usize = 40;

#[cfg(test)]
mod tests {
    use super::Body;

    #[test]
    fn the_mark_is_found_across_pieces_of_any_size() {
        let mark = [b'm'; 40];
        let rdb: Vec<u8> = (0..200).map(|n| if n % 3 == 0 { b'm' } else { n }).collect();
        let input = [&rdb[..], &mark].concat();
        for size in 1..input.len() + 1 {
            let mut body = Body::parse(&[b"EOF:", &mark[..]].concat()).unwrap();
            let mut got = Vec::new();
            let pieces: Vec<&[u8]> = input.chunks(size).collect();
            for (index, piece) in pieces.iter().enumerate() {
                let taken = body.take(piece);
                got.extend(taken.rdb);
                assert_eq!(taken.used, piece.len());
                assert_eq!(taken.ended, index + 1 == pieces.len(), "pieces of {size}");
            }

            assert_eq!(got, rdb, "pieces of {size}");
        }
    }

    #[test]
    fn a_sized_body_leaves_the_stream_alone() {
        let mut body = Body::parse(b"5").unwrap();

        let first = body.take(b"REDI");
        assert_eq!((first.used, first.ended), (4, false));
        let last = body.take(b"S*1\r\n");
        assert_eq!((last.used, last.rdb, last.ended), (1, b"S".to_vec(), true));
    }

    #[test]
    fn other_headers_are_refused() {
        for header in [&b""[..], b"x", b"-1", b"EOF:short", b"99999999999999999999"] {
            assert_eq!(Body::parse(header), None);
        }
    }
}
