//! The bytes a client sent that have not run yet.
//!
//! Bytes come in at the end and are passed at the front. A client that has to wait after every request passes a few
//! of many bytes each time, so the front is moved only when it is most of the buffer: a byte is moved at most as
//! often as the buffer halves.

/// Bytes between arriving and running. An empty one owns no memory.
#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: Vec<u8>,
    /// Bytes at the front that have run.
    passed: usize,
}

impl Unread {
    /// Number of bytes that have not run.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.passed
    }

    /// Whether every byte has run.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory it holds on to.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes that have not run.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.passed..]
    }

    /// All bytes that are still kept, and how many of them have run.
    pub(super) fn kept(&self) -> (&[u8], usize) {
        (&self.bytes, self.passed)
    }

    /// Adds bytes that arrived.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes room for bytes that are announced.
    pub(super) fn reserve(&mut self, count: usize) {
        self.bytes.reserve(count);
    }

    /// Notes that the first `count` bytes have run. Returns by how much the others have moved to the front.
    pub(super) fn pass(&mut self, count: usize) -> usize {
        self.passed += count;
        assert!(self.passed <= self.bytes.len(), "only bytes that arrived have run");
        if self.is_empty() {
            *self = Self::default();
            return 0;
        }
        if self.passed <= self.bytes.len() / 2 {
            return 0;
        }
        self.bytes.drain(..self.passed);
        self.bytes.shrink_to(2 * self.bytes.len());
        std::mem::take(&mut self.passed)
    }
}

#[cfg(test)]
mod tests {
    use super::Unread;

    #[test]
    fn passing_byte_by_byte_moves_each_byte_a_few_times_only() {
        let mut unread = Unread::default();
        let all: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        unread.append(&all);
        let mut moves = 0;
        for at in 0..all.len() {
            assert_eq!(unread.bytes(), &all[at..]);
            let before = unread.passed;
            unread.pass(1);
            moves += usize::from(unread.passed < before);
        }

        assert!(moves < 20, "{moves}");
        assert_eq!((unread.len(), unread.capacity()), (0, 0));
    }
}
