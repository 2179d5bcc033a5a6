//! The bytes of the log: appended at the end, read anywhere, forgotten at the beginning.
//!
//! Small appends gather in one growing block; a full block is frozen and from then on shared by all who read it.
//! What a byte means, and how long it must be kept, is decided in [`log`](crate::log).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use slotmesh_engine::resp::outbuf::{OutBuf, SHARE_BYTES_MIN};

use crate::offset::Position;

/// An append-only run of bytes that is forgotten from the front.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Frozen blocks, oldest first, without gaps up to `tail_start`.
    blocks: VecDeque<Block>,
    tail: BytesMut,
    tail_start: Position,
}

#[derive(Debug)]
struct Block {
    start: Position,
    bytes: Bytes,
}

impl Backlog {
    /// The place of the oldest byte held.
    pub fn start(&self) -> Position {
        self.blocks.front().map_or(self.tail_start, |block| block.start)
    }

    /// The place after the newest byte.
    pub fn end(&self) -> Position {
        self.tail_start + self.tail.len() as u64
    }

    /// Appends a copy of `bytes`.
    pub fn append(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.tail.capacity() == self.tail.len() {
                self.freeze_tail();
                self.tail = BytesMut::with_capacity(BLOCK_BYTES);
            }
            let room = self.tail.capacity() - self.tail.len();
            let (now, later) = rest.split_at(rest.len().min(room));
            self.tail.extend_from_slice(now);
            rest = later;
        }
    }

    /// One piece of at most `max` bytes from `from` on; nothing at the end or when `from` is no longer held.
    ///
    /// Large pieces share the block, small ones are copied.
    pub fn read(&mut self, from: Position, max: usize) -> Option<Bytes> {
        if from < self.start() || from >= self.end() || max == 0 {
            return None;
        }
        if from >= self.tail_start {
            let at = from.since(self.tail_start) as usize;
            let piece = &self.tail[at..];
            let piece = &piece[..piece.len().min(max)];
            if piece.len() < SHARE_BYTES_MIN {
                return Some(Bytes::copy_from_slice(piece));
            }
            self.freeze_tail();
        }
        let index = self.blocks.partition_point(|block| block.start <= from) - 1;
        let block = &self.blocks[index];
        let at = from.since(block.start) as usize;
        let end = block.bytes.len().min(at.saturating_add(max));
        Some(block.bytes.slice(at..end))
    }

    /// Appends at most `max` bytes from `from` on to `out`; returns how many.
    pub fn copy_to(&mut self, from: Position, max: usize, out: &mut OutBuf) -> usize {
        let mut copied = 0;
        while copied < max {
            let at = from + copied as u64;
            if at >= self.tail_start && at >= self.start() && at < self.end() {
                // Straight from the tail: the common case of a replica that keeps up allocates nothing.
                let tail = &self.tail[at.since(self.tail_start) as usize..];
                let tail = &tail[..tail.len().min(max - copied)];
                if tail.len() < SHARE_BYTES_MIN {
                    out.put(tail);
                    return copied + tail.len();
                }
            }
            let Some(piece) = self.read(at, max - copied) else { break };
            copied += piece.len();
            out.put_shared(piece);
        }
        copied
    }

    /// Forgets blocks that lie wholly before `floor`.
    pub fn trim(&mut self, floor: Position) {
        while let Some(block) = self.blocks.front() {
            if block.start + block.bytes.len() as u64 > floor {
                return;
            }
            self.blocks.pop_front();
        }
        if self.end() <= floor && !self.tail.is_empty() {
            self.tail_start = self.end();
            self.tail.clear();
        }
    }

    /// Bytes of memory in use, as far as the blocks tell.
    pub fn allocated(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes.len()).sum::<usize>() + self.tail.capacity()
    }

    /// Makes the tail's bytes shareable; its unused capacity stays the tail's.
    fn freeze_tail(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let bytes = self.tail.split().freeze();
        let start = self.tail_start;
        self.tail_start = start + bytes.len() as u64;
        self.blocks.push_back(Block { start, bytes });
    }
}

/// Size of a block, in bytes: the grain in which memory is taken and given back (Redis uses 16 KiB for small
/// backlogs; the larger grain halves bookkeeping and stays far below the 1 MiB default of `repl-backlog-size`).
pub const BLOCK_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use slotmesh_engine::resp::outbuf::OutBuf;
    use slotmesh_engine::rng::Rng;

    use super::{BLOCK_BYTES, Backlog};
    use crate::offset::Position;

    fn all(backlog: &mut Backlog, from: Position, max: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(piece) = backlog.read(from + out.len() as u64, max) {
            out.extend_from_slice(&piece);
        }
        out
    }

    #[test]
    fn what_was_appended_is_read_from_any_place() {
        let seed = 3;
        let mut rng = Rng::new(seed);
        let mut backlog = Backlog::default();
        let mut expected = Vec::new();
        for round in 0..200_u32 {
            let piece = vec![round as u8; rng.index(3000)];
            backlog.append(&piece);
            expected.extend_from_slice(&piece);
            let from = rng.index(expected.len() + 1);
            let max = 1 + rng.index(100_000);

            assert_eq!(all(&mut backlog, Position(from as u64), max), expected[from..], "seed {seed}");
            let mut out = OutBuf::new();
            let copied = backlog.copy_to(Position(from as u64), max, &mut out);
            let mut bytes = Vec::new();
            out.take_into(&mut bytes);
            assert_eq!(copied, (expected.len() - from).min(max), "seed {seed}");
            assert_eq!(bytes, expected[from..from + copied], "seed {seed}");
        }
    }

    #[test]
    fn whole_blocks_before_the_floor_are_forgotten() {
        let mut backlog = Backlog::default();
        backlog.append(&vec![1; BLOCK_BYTES * 3 + 10]);

        backlog.trim(Position(BLOCK_BYTES as u64 * 2 - 1));
        assert_eq!(backlog.start(), Position(BLOCK_BYTES as u64));
        assert!(backlog.read(Position(BLOCK_BYTES as u64 - 1), 1).is_none());

        backlog.trim(backlog.end());
        assert_eq!(backlog.start(), backlog.end());
        backlog.append(b"next");
        assert_eq!(all(&mut backlog, Position(BLOCK_BYTES as u64 * 3 + 10), 99), b"next");
    }

    #[test]
    fn a_shared_piece_outlives_the_trim() {
        let mut backlog = Backlog::default();
        backlog.append(&vec![7; BLOCK_BYTES]);
        let piece = backlog.read(Position(0), BLOCK_BYTES).unwrap();

        backlog.trim(backlog.end());

        assert_eq!(&piece[..], &vec![7; BLOCK_BYTES]);
    }
}
