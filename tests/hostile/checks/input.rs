//! Turning one run of arbitrary bytes into the pieces and choices a check wants.

use slotmesh_engine::rng::Rng;

/// Bytes to take choices from; past the end every choice is zero.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        byte
    }

    pub(crate) fn short(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// The next `len` bytes, or what is left of them.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Bytes up to the next `mark`, which is taken too, or all of them.
    pub(crate) fn until(&mut self, mark: u8) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| byte == mark).unwrap_or(self.rest.len());
        let taken = self.take(end);
        self.take(1);
        taken
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

/// Cuts `bytes` into pieces of 1 to `longest` bytes; 0 leaves them whole.
pub(crate) fn pieces(bytes: &[u8], seed: u64, longest: usize) -> Vec<&[u8]> {
    let mut rng = Rng::new(seed);
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let len = if longest == 0 { rest.len() } else { 1 + rng.index(longest) };
        let (piece, later) = rest.split_at(len.min(rest.len()));
        pieces.push(piece);
        rest = later;
    }
    pieces
}
