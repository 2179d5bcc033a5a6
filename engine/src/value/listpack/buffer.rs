//! The memory of a listpack: two words, where a `Vec` takes three.
//!
//! The length of what is in use is the first field of the listpack itself, so that a value that is a listpack fits
//! into its key's entry with 16 bytes less. Nothing here knows more of the layout than that.

use std::ops::{Deref, DerefMut};

/// Bytes whose first four tell how many of them are in use.
#[derive(Clone)]
pub(super) struct Buffer {
    memory: Box<[u8]>,
}

impl Buffer {
    /// A copy of `bytes`, whose first four tell their number, with room for `capacity` bytes.
    pub(super) fn new(bytes: &[u8], capacity: usize) -> Self {
        debug_assert_eq!(bytes.first_chunk().map(|&len| u32::from_le_bytes(len) as usize), Some(bytes.len()));
        let mut memory = Vec::with_capacity(capacity.max(bytes.len()));
        memory.extend_from_slice(bytes);
        memory.resize(memory.capacity(), 0);
        Self { memory: memory.into_boxed_slice() }
    }

    /// Bytes there is room for.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Says how many bytes are in use; those that come in may hold anything.
    #[inline]
    pub(super) fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.memory.len(), "the caller made room");
        self.memory[..4].copy_from_slice(&(len as u32).to_le_bytes());
    }

    /// Makes room for exactly `capacity` bytes, which those in use must fit into.
    pub(super) fn set_capacity(&mut self, capacity: usize) {
        debug_assert!(capacity >= self.len(), "what is in use stays");
        let mut memory = std::mem::take(&mut self.memory).into_vec();
        if capacity > memory.len() {
            memory.reserve_exact(capacity - memory.len());
            memory.resize(capacity, 0);
        } else {
            memory.truncate(capacity);
        }
        self.memory = memory.into_boxed_slice();
    }

    /// The field behind the length: the number of elements.
    #[inline]
    pub(super) fn second_field(&self) -> u16 {
        self.memory.get(4..6).map_or(0, |field| u16::from_le_bytes([field[0], field[1]]))
    }

    #[inline]
    fn in_use(&self) -> usize {
        self.memory.first_chunk().map_or(0, |&len| u32::from_le_bytes(len) as usize)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.memory[..self.in_use()]
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let len = self.in_use();
        &mut self.memory[..len]
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Buffer {}
