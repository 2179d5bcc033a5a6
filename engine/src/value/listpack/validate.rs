//! Listpacks from outside: RESTORE, files, primaries.

use super::buffer::Buffer;
use super::encoding::{END, checked_next};
use super::{COUNT_UNKNOWN, HEADER_BYTES, Listpack};
use crate::value::memory::allocated_bytes;

/// Why bytes are no listpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListpackError {
    /// An element is cut off, of no known encoding, or its back length is wrong.
    Element {
        /// Offset of its first byte.
        at: usize,
    },
    /// The header counts other elements than there are.
    Count,
    /// The length in the header is not the length of the bytes, or there is no end mark.
    Length,
}

impl std::fmt::Display for ListpackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Element { at } => write!(f, "listpack element at offset {at} is malformed"),
            Self::Count => f.write_str("listpack header has the wrong number of elements"),
            Self::Length => f.write_str("listpack header has the wrong length"),
        }
    }
}

impl std::error::Error for ListpackError {}

impl Listpack {
    /// Takes bytes from outside after looking at every element; the copy is as long as they are.
    ///
    /// # Errors
    /// [`ListpackError`] when anything is not as the format wants it.
    pub fn validate(bytes: &[u8]) -> Result<Self, ListpackError> {
        let length_holds = bytes.first_chunk().is_some_and(|&total| u32::from_le_bytes(total) as usize == bytes.len());
        if !length_holds || bytes.len() <= HEADER_BYTES || bytes.last() != Some(&END) {
            return Err(ListpackError::Length);
        }
        let end = bytes.len() - 1;
        let (mut at, mut count) = (HEADER_BYTES, 0);
        while at < end {
            at = checked_next(bytes, at, end).ok_or(ListpackError::Element { at })?;
            count += 1;
        }
        let claimed = u16::from_le_bytes([bytes[4], bytes[5]]);
        if claimed != COUNT_UNKNOWN && usize::from(claimed) != count {
            return Err(ListpackError::Count);
        }
        Ok(Self { bytes: Buffer::new(bytes, allocated_bytes(bytes.len())) })
    }
}
