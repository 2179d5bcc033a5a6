//! LZF, the compression of long strings inside RDB files.
//!
//! The stream is a sequence of literal runs (control byte below 32: that many bytes plus one follow) and copies from
//! at most 8 KiB back. [`Compressor`] keeps its match table between strings; [`decompress`] trusts nothing.

/// A compressor that can be used for any number of strings.
#[derive(Debug)]
pub struct Compressor {
    /// Where each hashed three-byte group was seen last, as `base` + position; older values belong to earlier
    /// strings. Counting on instead of clearing keeps the cost of a short string short.
    seen: Box<[u32]>,
    base: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { seen: vec![0; 1 << HASH_BITS].into_boxed_slice(), base: 1 }
    }
}

impl Compressor {
    /// Appends the compressed form of `input` to `out` when it takes at most `limit` bytes.
    ///
    /// Returns whether it did; `out` is as before when not.
    pub fn compress(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
        let Ok(len) = u32::try_from(input.len()) else { return false };
        if u32::MAX - self.base < len {
            self.seen.fill(0);
            self.base = 1;
        }
        let start = out.len();
        let fits = self.run(input, start, limit, out);
        if !fits {
            out.truncate(start);
        }
        self.base += len;
        fits
    }

    fn run(&mut self, input: &[u8], start: usize, limit: usize, out: &mut Vec<u8>) -> bool {
        let mut literal_from = 0;
        let mut at = 0;
        while at + MATCH_MIN <= input.len() {
            let Some(source) = self.previous(input, at) else {
                at += 1;
                continue;
            };
            let len = match_len(input, source, at);
            put_literals(out, &input[literal_from..at]);
            put_copy(out, at - source - 1, len);
            if out.len() - start > limit {
                return false;
            }
            // The groups inside the copy are worth remembering too, but only the last ones pay for themselves.
            let end = at + len;
            at = end.saturating_sub(2).max(at + 1);
            while at < end && at + MATCH_MIN <= input.len() {
                self.previous(input, at);
                at += 1;
            }
            at = end;
            literal_from = end;
        }
        put_literals(out, &input[literal_from..]);
        out.len() - start <= limit
    }

    /// Where the group at `at` was seen before in this string, within reach; notes that it is here now.
    fn previous(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let group = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], 0]);
        let slot = (group.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize;
        let seen = std::mem::replace(&mut self.seen[slot], self.base + at as u32);
        let source = seen.checked_sub(self.base)? as usize;
        let near = at - source <= OFFSET_MAX;
        (near && input[source..source + MATCH_MIN] == input[at..at + MATCH_MIN]).then_some(source)
    }
}

fn match_len(input: &[u8], source: usize, at: usize) -> usize {
    let longest = (input.len() - at).min(MATCH_MAX);
    let mut len = MATCH_MIN;
    while len < longest && input[source + len] == input[at + len] {
        len += 1;
    }
    len
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push((run.len() - 1) as u8);
        out.extend_from_slice(run);
    }
}

fn put_copy(out: &mut Vec<u8>, back: usize, len: usize) {
    let code = len - 2;
    let high = (back >> 8) as u8;
    if code < 7 {
        out.push((code as u8) << 5 | high);
    } else {
        out.push(7 << 5 | high);
        out.push((code - 7) as u8);
    }
    out.push(back as u8);
}

/// Replaces the content of `out` with what `input` stands for, which must be exactly `len` bytes.
///
/// # Errors
/// [`LzfError`] when the stream is damaged or gives another length. A length that no stream of this size can reach
/// is refused before anything is allocated.
pub fn decompress(input: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), LzfError> {
    out.clear();
    if len > input.len().saturating_mul(EXPANSION_MAX) {
        return Err(LzfError);
    }
    out.reserve(len);
    let mut rest = input;
    while let Some((&control, after)) = rest.split_first() {
        rest = if control < 32 {
            let (run, after) = after.split_at_checked(usize::from(control) + 1).ok_or(LzfError)?;
            out.extend_from_slice(run);
            after
        } else {
            copy_back(control, after, len, out)?
        };
        if out.len() > len {
            return Err(LzfError);
        }
    }
    if out.len() == len { Ok(()) } else { Err(LzfError) }
}

fn copy_back<'a>(control: u8, after: &'a [u8], limit: usize, out: &mut Vec<u8>) -> Result<&'a [u8], LzfError> {
    let mut rest = after;
    let mut len = usize::from(control >> 5);
    if len == 7 {
        let (&more, after) = rest.split_first().ok_or(LzfError)?;
        len += usize::from(more);
        rest = after;
    }
    let (&low, rest) = rest.split_first().ok_or(LzfError)?;
    let back = (usize::from(control & 31) << 8 | usize::from(low)) + 1;
    let len = len + 2;
    let mut source = out.len().checked_sub(back).ok_or(LzfError)?;
    if out.len() + len > limit {
        return Err(LzfError);
    }
    if back == 1 {
        // A run of one byte, which is what most copies in padded or repetitive text are.
        let byte = out[source];
        out.resize(out.len() + len, byte);
        return Ok(rest);
    }
    // A copy may read bytes it has just written: go on in pieces that exist, each doubling what there is.
    let end = out.len() + len;
    while out.len() < end {
        let piece = (end - out.len()).min(out.len() - source);
        out.extend_from_within(source..source + piece);
        source += piece;
    }
    Ok(rest)
}

/// The compressed bytes are damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LzfError;

impl std::fmt::Display for LzfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Invalid LZF compressed string")
    }
}

impl std::error::Error for LzfError {}

/// Size of the match table: 8192 places, 32 KiB.
const HASH_BITS: u32 = 13;
/// How far back a copy may reach, minus one: 13 bits.
const OFFSET_MAX: usize = 1 << 13;
/// Shortest copy worth its two bytes.
const MATCH_MIN: usize = 3;
/// Longest copy: 7 from the control byte, 255 from the byte after it, and 2.
const MATCH_MAX: usize = 264;
/// Longest literal run: 5 bits, plus one.
const LITERALS_MAX: usize = 32;
/// No stream gives more bytes per byte than the longest copy, 264 for 3.
const EXPANSION_MAX: usize = 88;

#[cfg(test)]
mod tests {
    use super::{Compressor, decompress};
    use crate::rng::Rng;

    #[test]
    fn a_hundred_letters_decompress_from_the_documented_bytes() {
        let mut out = Vec::new();

        decompress(&[0x01, 0x61, 0x61, 0xe0, 0x57, 0x00, 0x01, 0x61, 0x61], 100, &mut out).unwrap();

        assert_eq!(out, [b'a'; 100]);
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let mut compressor = Compressor::default();
        let mut rng = Rng::new(11);
        for round in 0..2000 {
            let len = rng.index(1 + round * 3);
            let letters = 1 + rng.below(if round % 2 == 0 { 3 } else { 200 });
            let input: Vec<u8> = (0..len).map(|_| rng.below(letters) as u8).collect();
            let (mut packed, mut back) = (b"kept".to_vec(), Vec::new());

            if !compressor.compress(&input, input.len() * 2 + 8, &mut packed) {
                panic!("round {round}: a generous limit is always met");
            }

            decompress(&packed[4..], input.len(), &mut back).unwrap();
            assert_eq!(back, input, "round {round}");
        }
    }

    #[test]
    fn noise_is_not_kept_compressed() {
        let mut rng = Rng::new(5);
        let input: Vec<u8> = (0..1000).map(|_| rng.next_u64() as u8).collect();
        let mut out = b"before".to_vec();

        assert!(!Compressor::default().compress(&input, input.len() - 4, &mut out));
        assert_eq!(out, b"before");
    }

    #[test]
    fn hostile_streams_are_refused() {
        let mut out = Vec::new();
        let cases: [(&[u8], usize); 6] = [
            (&[0x20, 0x00], 3),                   // copies from before the beginning
            (&[0x05, b'a'], 6),                   // literal run past the end
            (&[0xe0], 9),                         // copy without its length
            (&[0x00, b'a', 0x20], 4),             // copy without its offset
            (&[0x00, b'a', 0xe0, 0xff, 0x00], 4), // more than the declared length
            (&[0x00, b'a'], usize::MAX),          // a length nothing can reach
        ];

        for (input, len) in cases {
            assert!(decompress(input, len, &mut out).is_err(), "{input:02x?}");
        }
        assert!(out.capacity() < 1 << 20);
    }

    #[test]
    fn random_bytes_never_exceed_the_declared_length() {
        let mut rng = Rng::new(23);
        let mut out = Vec::new();
        for _ in 0..20_000 {
            let input: Vec<u8> = (0..rng.index(20)).map(|_| rng.next_u64() as u8).collect();
            let len = rng.index(300);

            if decompress(&input, len, &mut out).is_ok() {
                assert_eq!(out.len(), len);
            }
        }
    }
}
