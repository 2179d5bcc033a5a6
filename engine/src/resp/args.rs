//! The words of one request, borrowed from the buffer they arrived in.

use std::ops::Index;

/// Where one argument lies in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArgRange {
    /// Offset of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// A request: its command name and arguments, as ranges into a buffer. Copying it copies two slices.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    buffer: &'a [u8],
    ranges: &'a [ArgRange],
}

impl<'a> Args<'a> {
    /// A view of `ranges` in `buffer`.
    ///
    /// # Panics
    /// Later, on access, when a range does not lie in the buffer.
    pub fn new(buffer: &'a [u8], ranges: &'a [ArgRange]) -> Self {
        Self { buffer, ranges }
    }

    /// Number of words, the command name included.
    pub fn len(self) -> usize {
        self.ranges.len()
    }

    /// Whether there is not even a command name.
    pub fn is_empty(self) -> bool {
        self.ranges.is_empty()
    }

    /// The word at `index`, or nothing past the last.
    pub fn get(self, index: usize) -> Option<&'a [u8]> {
        let range = self.ranges.get(index)?;
        Some(&self.buffer[range.start as usize..range.start as usize + range.len as usize])
    }

    /// The word at `index`.
    ///
    /// # Panics
    /// When there is none; a command's arity is checked before it runs.
    pub fn at(self, index: usize) -> &'a [u8] {
        self.get(index).expect("the arity check left enough arguments")
    }

    /// The words from `index` on.
    pub fn from(self, index: usize) -> Self {
        Self { buffer: self.buffer, ranges: self.ranges.get(index..).unwrap_or_default() }
    }

    /// The first `count` words, or all of them.
    pub fn first(self, count: usize) -> Self {
        Self { buffer: self.buffer, ranges: &self.ranges[..count.min(self.ranges.len())] }
    }

    /// All words in order, the command name first.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone {
        let buffer = self.buffer;
        self.ranges.iter().map(move |range| &buffer[range.start as usize..range.start as usize + range.len as usize])
    }

    /// Whether the word at `index` is `word`, letters of either case being the same.
    pub fn is(self, index: usize, word: &str) -> bool {
        self.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Bytes from the first word to the end of the last, with what lies between them in their buffer.
    pub fn span(self) -> usize {
        match self.ranges {
            [] => 0,
            [first, .., last] => (last.start + last.len).saturating_sub(first.start) as usize,
            [only] => only.len as usize,
        }
    }

    /// Number of bytes of the request as clients send it.
    #[inline]
    pub fn framed_len(self) -> usize {
        let words = self.ranges.iter().map(|range| header_len(range.len as usize) + range.len as usize + 2);
        header_len(self.len()) + words.sum::<usize>()
    }

    /// Number of bytes of all words together.
    pub fn bytes(self) -> usize {
        self.ranges.iter().map(|range| range.len as usize).sum()
    }
}

/// A whole request as it would come over a wire, with its words found already: what a caller in the process sends.
#[derive(Debug, Clone, Copy)]
pub struct Framed<'a> {
    /// The request in RESP form, and nothing else.
    pub bytes: &'a [u8],
    /// Its words, here or elsewhere.
    pub args: Args<'a>,
}

/// Number of bytes of a header with this count.
#[inline]
fn header_len(count: usize) -> usize {
    match count {
        0..10 => 4,
        10..100 => 5,
        _ => count.ilog10() as usize + 4,
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

/// A request that owns its bytes: queued in a transaction, or built by an in-process caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArgsBuf {
    bytes: Vec<u8>,
    ranges: Vec<ArgRange>,
}

impl ArgsBuf {
    /// An empty request.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of `args` that needs no other buffer.
    pub fn copy_of(args: Args<'_>) -> Self {
        let mut copy = Self { bytes: Vec::with_capacity(args.bytes()), ranges: Vec::with_capacity(args.len()) };
        args.iter().for_each(|arg| copy.push(arg));
        copy
    }

    /// Appends a word.
    ///
    /// # Panics
    /// When all words together pass 4 GiB; requests are bounded by `client-query-buffer-limit` long before.
    pub fn push(&mut self, arg: &[u8]) {
        let start = u32::try_from(self.bytes.len()).expect("a request is smaller than 4 GiB");
        let len = u32::try_from(arg.len()).expect("an argument is smaller than 4 GiB");
        self.bytes.extend_from_slice(arg);
        self.ranges.push(ArgRange { start, len });
    }

    /// Forgets all words and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ranges.clear();
    }

    /// The request as a command sees it.
    pub fn as_args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.ranges)
    }

    /// Bytes of memory it holds (`multi-mem` in `CLIENT LIST`).
    pub fn allocated(&self) -> usize {
        self.bytes.capacity() + self.ranges.capacity() * size_of::<ArgRange>()
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for ArgsBuf {
    fn from_iter<I: IntoIterator<Item = T>>(words: I) -> Self {
        let mut args = Self::new();
        words.into_iter().for_each(|word| args.push(word.as_ref()));
        args
    }
}

#[cfg(test)]
mod tests {
    use super::ArgsBuf;

    #[test]
    fn requests_are_measured_as_they_are_sent() {
        for (words, sent) in [
            (vec!["PING".to_owned()], "*1\r\n$4\r\nPING\r\n".len()),
            (vec!["ECHO".to_owned(), String::new()], "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n".len()),
            (vec!["x".repeat(1000); 12], 5 + 12 * (7 + 1000 + 2)),
        ] {
            let args: ArgsBuf = words.iter().collect();

            assert_eq!(args.as_args().framed_len(), sent);
        }
    }
}
