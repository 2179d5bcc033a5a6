//! The bytes waiting on one connection.
//!
//! Small replies go into one reused tail; large values and log blocks join as shared slices without a copy. A
//! *hold* hides everything after a position until what it waits for (a disk ticket) is done: this one mechanism
//! serves `appendfsync always` and "a vote leaves only after nodes.conf is synced". No socket here: a transport
//! takes slices for `writev`, or all visible bytes at once.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// Names one request to the host (a disk operation, mostly) until its answer arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A position in the stream of bytes ever put into one [`OutBuf`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position(u64);

impl Position {
    /// Bytes put into the buffer before this position, since it was made.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// An ordered queue of bytes on their way out.
#[derive(Debug, Default)]
pub struct OutBuf {
    /// Frozen segments, oldest first; all of them lie before `tail`.
    segments: VecDeque<Bytes>,
    /// Bytes of the first segment (or of the tail, when there is no segment) that have left already.
    consumed: usize,
    tail: Vec<u8>,
    /// Stream position of the first byte that has not left.
    start: u64,
    /// Stream position after the last byte.
    end: u64,
    holds: VecDeque<Hold>,
    wants_drained: bool,
}

#[derive(Debug)]
struct Hold {
    from: u64,
    ticket: Ticket,
}

impl OutBuf {
    /// An empty buffer; it allocates nothing until the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of bytes that have not left, held ones included.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether every byte has left.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Number of bytes a transport may send now.
    pub fn visible(&self) -> usize {
        let limit = self.holds.iter().map(|hold| hold.from).min().map_or(self.end, |at| at.clamp(self.start, self.end));
        (limit - self.start) as usize
    }

    /// Number of separate pieces the bytes are in (`oll` in `CLIENT LIST`).
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of memory the buffer holds on to.
    pub fn allocated(&self) -> usize {
        self.tail.capacity() + self.segments.iter().map(Bytes::len).sum::<usize>()
    }

    /// The position after the last byte: the next byte put in gets this position.
    pub fn position(&self) -> Position {
        Position(self.end)
    }

    /// Appends a copy of `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.end += bytes.len() as u64;
    }

    /// Appends one byte.
    pub fn put_u8(&mut self, byte: u8) {
        self.tail.push(byte);
        self.end += 1;
    }

    /// Appends `bytes`, sharing instead of copying when they are larger than [`SHARE_BYTES_MIN`].
    pub fn put_shared(&mut self, bytes: Bytes) {
        if bytes.len() < SHARE_BYTES_MIN {
            self.put(&bytes);
            return;
        }
        self.freeze_tail();
        self.end += bytes.len() as u64;
        self.segments.push_back(bytes);
    }

    /// Lets `write` append to the tail directly; for writers that format numbers in place.
    pub fn put_with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let before = self.tail.len();
        let result = write(&mut self.tail);
        assert!(self.tail.len() >= before, "a reply writer only appends");
        self.end += (self.tail.len() - before) as u64;
        result
    }

    /// Takes back everything from `position` on, as long as none of it has left and it lies in the tail.
    ///
    /// Returns whether the bytes could be taken back.
    pub fn truncate(&mut self, position: Position) -> bool {
        let tail_len = self.tail_len() as u64;
        let back = self.end.saturating_sub(position.0);
        if position.0 < self.start || back > tail_len {
            return false;
        }
        self.tail.truncate(self.tail.len() - back as usize);
        self.end = position.0;
        true
    }

    /// Inserts `bytes` at `position`: the header of an array whose length was not known when it began.
    ///
    /// # Panics
    /// When the byte at `position` has left or is not in the tail; a reply is never split before it is complete.
    pub fn insert(&mut self, position: Position, bytes: &[u8]) {
        let back = (self.end - position.0) as usize;
        assert!(back <= self.tail_len(), "a reply's beginning is still in the tail");
        let at = self.tail.len() - back;
        self.tail.splice(at..at, bytes.iter().copied());
        self.end += bytes.len() as u64;
    }

    /// Hides the bytes from `from` on until [`OutBuf::release`] is called with the same ticket.
    ///
    /// Holds are kept in the order they are made; a later hold never shows bytes that an earlier one hides. Returns
    /// whether it is new: one for the same ticket as the last is that one, and takes no memory.
    pub fn hold(&mut self, from: Position, ticket: Ticket) -> bool {
        if let Some(last) = self.holds.back_mut().filter(|last| last.ticket == ticket) {
            last.from = last.from.min(from.0);
            return false;
        }
        self.holds.push_back(Hold { from: from.0, ticket });
        true
    }

    /// Hides every byte that has not left until [`OutBuf::release`] is called with the same ticket. Returns whether
    /// the hold is new, as [`OutBuf::hold`] does.
    pub fn hold_unsent(&mut self, ticket: Ticket) -> bool {
        self.hold(Position(self.start), ticket)
    }

    /// Ends the holds that wait for `ticket`. Returns whether bytes became visible.
    pub fn release(&mut self, ticket: Ticket) -> bool {
        let before = self.visible();
        self.holds.retain(|hold| hold.ticket != ticket);
        self.visible() > before
    }

    /// Asks the host to send [`Drained`](https://docs.rs/slotmesh-cluster) once all visible bytes have left.
    pub fn want_drained(&mut self) {
        self.wants_drained = true;
    }

    /// Whether a drain notice was asked for and is due; asking again is needed for the next one.
    pub fn take_drained(&mut self) -> bool {
        self.visible() == 0 && std::mem::take(&mut self.wants_drained)
    }

    /// Fills `slices` with the visible bytes, oldest first, and returns how many slices are in use.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut visible = self.visible();
        let mut used = 0;
        let mut skip = self.consumed;
        for part in self.segments.iter().map(|segment| &segment[..]).chain(std::iter::once(&self.tail[..])) {
            if visible == 0 || used == slices.len() {
                break;
            }
            let part = &part[skip..];
            skip = 0;
            let part = &part[..part.len().min(visible)];
            visible -= part.len();
            if !part.is_empty() {
                slices[used] = IoSlice::new(part);
                used += 1;
            }
        }
        used
    }

    /// Removes the first `count` bytes: they have left.
    ///
    /// # Panics
    /// When `count` is more than [`OutBuf::visible`].
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.visible(), "only visible bytes leave");
        self.start += count as u64;
        self.consumed += count;
        while let Some(first) = self.segments.front() {
            if self.consumed < first.len() {
                return;
            }
            self.consumed -= first.len();
            self.segments.pop_front();
        }
        if self.consumed == self.tail.len() {
            self.tail.clear();
            self.consumed = 0;
            self.tail.shrink_to(TAIL_KEEP_BYTES_MAX);
        }
    }

    /// Removes all visible bytes and appends them to `target`: how an in-memory peer reads.
    pub fn take_into(&mut self, target: &mut Vec<u8>) {
        let mut slices = [IoSlice::new(&[]); 16];
        loop {
            let used = self.slices(&mut slices);
            let mut count = 0;
            for slice in &slices[..used] {
                target.extend_from_slice(slice);
                count += slice.len();
            }
            if count == 0 {
                return;
            }
            slices = [IoSlice::new(&[]); 16];
            self.advance(count);
        }
    }

    /// Forgets every byte and hold: the connection is gone.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.tail = Vec::new();
        self.consumed = 0;
        self.start = self.end;
        self.holds.clear();
        self.wants_drained = false;
    }

    fn tail_len(&self) -> usize {
        if self.segments.is_empty() { self.tail.len() - self.consumed } else { self.tail.len() }
    }

    fn freeze_tail(&mut self) {
        if self.tail_len() == 0 {
            return;
        }
        let tail = Bytes::from(std::mem::take(&mut self.tail));
        self.segments.push_back(tail);
    }
}

/// Values of at least this many bytes are shared with the keyspace or the log instead of copied.
///
/// Below it a copy is cheaper than the reference count and the extra slice.
pub const SHARE_BYTES_MIN: usize = 16 * 1024;

/// Capacity, in bytes, that an emptied tail keeps for the next replies.
const TAIL_KEEP_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{OutBuf, SHARE_BYTES_MIN, Ticket};

    fn taken(out: &mut OutBuf) -> Vec<u8> {
        let mut bytes = Vec::new();
        out.take_into(&mut bytes);
        bytes
    }

    #[test]
    fn copied_and_shared_bytes_leave_in_order() {
        let mut out = OutBuf::new();
        let large = Bytes::from(vec![b'x'; SHARE_BYTES_MIN]);
        out.put(b"head");
        out.advance(2);

        out.put_shared(large.clone());
        out.put(b"tail");

        assert_eq!(out.len(), large.len() + 6);
        assert_eq!(taken(&mut out), [b"ad", &large[..], b"tail"].concat());
        assert!(out.is_empty());
    }

    #[test]
    fn a_hold_hides_later_bytes_until_its_ticket() {
        let mut out = OutBuf::new();
        out.put(b"seen");
        out.hold(out.position(), Ticket(1));
        out.put(b"hidden");

        assert_eq!(taken(&mut out), b"seen");
        assert!(!out.release(Ticket(2)));
        assert!(out.release(Ticket(1)));
        assert_eq!(taken(&mut out), b"hidden");
    }

    #[test]
    fn many_holds_for_one_ticket_are_one() {
        let mut out = OutBuf::new();
        out.put(b"a");

        assert!(out.hold(out.position(), Ticket(1)));
        for _ in 0..10_000 {
            out.put(b"b");
            assert!(!out.hold(out.position(), Ticket(1)));
        }
        assert_eq!(out.holds.len(), 1);
        assert_eq!(taken(&mut out), b"a");
        assert!(!out.hold_unsent(Ticket(1)));

        assert!(out.release(Ticket(1)));
        assert_eq!(taken(&mut out).len(), 10_000);
    }

    #[test]
    fn a_reply_can_be_taken_back() {
        let mut out = OutBuf::new();
        out.put(b"kept");
        let position = out.position();
        out.put(b"dropped");

        assert!(out.truncate(position));
        assert_eq!(taken(&mut out), b"kept");
        assert!(out.is_empty());
    }

    #[test]
    fn a_header_goes_in_front_of_its_elements() {
        let mut out = OutBuf::new();
        out.put(b"+OK\r\n");
        let position = out.position();
        out.put(b":1\r\n");

        out.insert(position, b"*1\r\n");

        assert_eq!(taken(&mut out), b"+OK\r\n*1\r\n:1\r\n");
    }
}
