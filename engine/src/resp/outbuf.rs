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
    /// Whose memory the tail is.
    owner: Owner,
    /// Stream position of the first byte that has not left.
    start: u64,
    /// Stream position after the last byte.
    end: u64,
    holds: VecDeque<Hold>,
    wants_drained: bool,
}

/// Whose memory a tail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Owner {
    /// The host's, which takes it back.
    Host {
        /// The most bytes it has held.
        used: u32,
    },
    /// The buffer's own.
    #[default]
    Own,
    /// The buffer's own, but replies of late were larger than what it keeps: a block of the host's would be welcome.
    OwnTooSmall,
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
    #[inline]
    pub fn visible(&self) -> usize {
        if self.holds.is_empty() {
            return self.len();
        }
        let limit = self.holds.iter().map(|hold| hold.from).min().map_or(self.end, |at| at.clamp(self.start, self.end));
        (limit - self.start) as usize
    }

    /// Number of separate pieces the bytes are in (`oll` in `CLIENT LIST`).
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of memory the buffer holds on to; of what is lent to it, those in use.
    pub fn allocated(&self) -> usize {
        let tail = if self.is_lent() { self.tail.len() } else { self.tail.capacity() };
        tail + self.segments.iter().map(Bytes::len).sum::<usize>()
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

    /// Whether the next bytes should go into a block of the host's: those of late were too many for the memory that
    /// an empty buffer keeps, and none waits.
    #[inline]
    pub fn wants_block(&self) -> bool {
        self.owner == Owner::OwnTooSmall && self.tail.is_empty()
    }

    /// Lends memory for the next bytes, to be taken back with [`OutBuf::take_block`]. Nothing is lent to a buffer that
    /// does not want it.
    pub fn lend_block(&mut self, mut block: Vec<u8>) {
        if self.wants_block() {
            block.clear();
            self.tail = block;
            self.owner = Owner::Host { used: 0 };
        }
    }

    /// Takes back what was lent, once its bytes have left; if some have not, it is the buffer's own from now on.
    pub fn take_block(&mut self) -> Option<Vec<u8>> {
        let Owner::Host { used } = self.owner else { return None };
        self.owner = if used as usize > TAIL_KEEP_BYTES_MAX { Owner::OwnTooSmall } else { Owner::Own };
        self.tail.is_empty().then(|| std::mem::take(&mut self.tail))
    }

    fn is_lent(&self) -> bool {
        matches!(self.owner, Owner::Host { .. })
    }

    /// Takes back everything from `position` on, shared pieces too, as long as none of it has left.
    ///
    /// A hold that began behind `position` begins there from now on. Returns whether the bytes could be taken back.
    pub fn truncate(&mut self, position: Position) -> bool {
        if position.0 < self.start || position.0 > self.end {
            return false;
        }
        let back = (self.end - position.0) as usize;
        let from_tail = back.min(self.tail_len());
        self.tail.truncate(self.tail.len() - from_tail);
        self.drop_shared(back - from_tail);
        self.end = position.0;
        for hold in &mut self.holds {
            hold.from = hold.from.min(position.0);
        }
        true
    }

    /// Inserts `bytes` at `position`: the header of an array whose length was not known when it began.
    ///
    /// A hold that begins behind `position` moves along with the bytes it hides.
    ///
    /// # Panics
    /// When the byte at `position` has left; a reply is never sent before it is complete.
    pub fn insert(&mut self, position: Position, bytes: &[u8]) {
        assert!(position.0 >= self.start && position.0 <= self.end, "a reply's beginning has not left");
        let mut back = (self.end - position.0) as usize;
        if back <= self.tail_len() {
            let at = self.tail.len() - back;
            self.tail.splice(at..at, bytes.iter().copied());
        } else {
            back -= self.tail.len();
            let mut index = self.segments.len() - 1;
            while back > self.segments[index].len() {
                back -= self.segments[index].len();
                index -= 1;
            }
            let before = self.segments[index].len() - back;
            let behind = self.segments[index].split_off(before);
            self.segments.insert(index + 1, behind);
            self.segments.insert(index + 1, Bytes::copy_from_slice(bytes));
            if before == 0 {
                self.segments.remove(index);
            }
        }
        let added = bytes.len() as u64;
        self.end += added;
        self.holds.iter_mut().filter(|hold| hold.from > position.0).for_each(|hold| hold.from += added);
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

    /// Fills `slices` with up to `bytes_max` of the visible bytes, oldest first, and returns how many slices are in use.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>], bytes_max: usize) -> usize {
        let mut used = 0;
        for (slice, part) in slices.iter_mut().zip(self.visible_parts(bytes_max)) {
            *slice = IoSlice::new(part);
            used += 1;
        }
        used
    }

    /// The pieces of the first visible bytes, oldest first, none of them empty.
    fn visible_parts(&self, bytes_max: usize) -> impl Iterator<Item = &[u8]> {
        let mut visible = self.visible().min(bytes_max);
        let mut skip = self.consumed;
        let parts = self.segments.iter().map(|segment| &segment[..]).chain(std::iter::once(&self.tail[..]));
        parts
            .map_while(move |part| {
                let part = &part[std::mem::take(&mut skip)..];
                let part = &part[..part.len().min(visible)];
                let has_more = visible > 0;
                visible -= part.len();
                has_more.then_some(part)
            })
            .filter(|part| !part.is_empty())
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
            self.forget_tail();
        }
    }

    /// All bytes of the tail have left; a little of its memory stays for the next ones, or what the host will take back.
    fn forget_tail(&mut self) {
        let used = self.tail.len();
        self.tail.clear();
        self.consumed = 0;
        if let Owner::Host { used: most } = &mut self.owner {
            *most = (*most).max(u32::try_from(used).unwrap_or(u32::MAX));
        } else if self.tail.capacity() > TAIL_KEEP_BYTES_MAX {
            self.tail.shrink_to(TAIL_KEEP_BYTES_MAX);
            self.owner = Owner::OwnTooSmall;
        }
    }

    /// Removes all visible bytes and appends them to `target`: how an in-memory peer reads.
    pub fn take_into(&mut self, target: &mut Vec<u8>) {
        if self.segments.is_empty() && self.holds.is_empty() {
            // Nearly always: a reply in one piece.
            target.extend_from_slice(&self.tail[self.consumed..]);
            self.start = self.end;
            return self.forget_tail();
        }
        for part in self.visible_parts(usize::MAX) {
            target.extend_from_slice(part);
        }
        self.advance(self.visible());
    }

    /// Forgets every byte and hold: the connection is gone.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.tail = Vec::new();
        self.owner = Owner::Own;
        self.consumed = 0;
        self.start = self.end;
        self.holds.clear();
        self.wants_drained = false;
    }

    fn tail_len(&self) -> usize {
        if self.segments.is_empty() { self.tail.len() - self.consumed } else { self.tail.len() }
    }

    /// Removes the last `back` bytes of the frozen segments; the tail is empty.
    fn drop_shared(&mut self, mut back: usize) {
        while back > 0 {
            let left = if self.segments.len() == 1 { self.consumed } else { 0 };
            let Some(last) = self.segments.back_mut() else { return };
            let waiting = last.len() - left;
            if back < waiting {
                last.truncate(last.len() - back);
                return;
            }
            back -= waiting;
            self.segments.pop_back();
            if self.segments.is_empty() {
                self.consumed = 0;
            }
        }
    }

    fn freeze_tail(&mut self) {
        if self.tail_len() == 0 {
            return;
        }
        let tail = if self.is_lent() {
            let copy = Bytes::copy_from_slice(&self.tail);
            self.tail.clear();
            copy
        } else {
            Bytes::from(std::mem::take(&mut self.tail))
        };
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

    use super::{IoSlice, OutBuf, SHARE_BYTES_MIN, TAIL_KEEP_BYTES_MAX, Ticket};

    fn large() -> Bytes {
        Bytes::from(vec![b'x'; SHARE_BYTES_MIN])
    }

    fn taken(out: &mut OutBuf) -> Vec<u8> {
        let mut bytes = Vec::new();
        out.take_into(&mut bytes);
        bytes
    }

    #[test]
    fn copied_and_shared_bytes_leave_in_order() {
        let mut out = OutBuf::new();
        let large = large();
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
    fn a_shared_reply_can_be_taken_back() {
        let mut out = OutBuf::new();
        out.put(b"kept");
        let position = out.position();
        out.put(b"$16384\r\n");
        out.put_shared(large());
        out.put(b"\r\n");
        out.put_shared(large());

        assert!(out.truncate(position));
        out.put(b" and more");
        assert_eq!(taken(&mut out), b"kept and more");
        assert_eq!(out.len(), 0);
    }

    #[test]
    fn taking_back_keeps_what_has_left_apart() {
        let mut out = OutBuf::new();
        out.put(b"leaves, stays");
        let position = out.position();
        out.put_shared(large());
        out.advance(8);

        assert!(out.truncate(position));
        assert_eq!((out.len(), taken(&mut out)), (5, b"stays".to_vec()));
        out.put_shared(large());
        out.advance(3);
        assert!(!out.truncate(position), "a part of it has left");
    }

    #[test]
    fn a_block_is_welcome_after_large_replies_only() {
        let mut out = OutBuf::new();
        out.put(&vec![b'x'; TAIL_KEEP_BYTES_MAX]);
        out.advance(TAIL_KEEP_BYTES_MAX);
        assert!(!out.wants_block());

        out.put(&vec![b'x'; TAIL_KEEP_BYTES_MAX + 1]);
        assert!(!out.wants_block());
        out.advance(TAIL_KEEP_BYTES_MAX + 1);

        assert!(out.wants_block());
        out.put(b"x");
        assert!(!out.wants_block(), "bytes that wait stay where they are");
    }

    #[test]
    fn a_lent_block_goes_back_when_its_bytes_have_left() {
        let mut out = after_large_reply();

        out.lend_block(Vec::with_capacity(1 << 17));
        out.put(&[b'y'; 20_000]);
        assert_eq!(out.allocated(), 20_000, "what is lent counts as far as it is used");
        assert_eq!(taken(&mut out).len(), 20_000);

        assert_eq!(out.take_block().map(|block| (block.len(), block.capacity())), Some((0, 1 << 17)));
        assert_eq!(out.allocated(), 0);
        assert!(out.wants_block(), "that was a large reply, too");
        out.lend_block(Vec::with_capacity(1 << 17));
        out.put(b"small");
        assert_eq!(taken(&mut out), b"small");
        assert!(out.take_block().is_some());
        assert!(!out.wants_block());
    }

    #[test]
    fn a_lent_block_whose_bytes_wait_becomes_the_buffers_own() {
        let mut out = after_large_reply();
        out.lend_block(Vec::with_capacity(1 << 17));
        out.put(b"waits");

        assert_eq!(out.take_block(), None);

        assert_eq!(out.take_block(), None);
        assert_eq!(taken(&mut out), b"waits");
        assert!(out.allocated() <= TAIL_KEEP_BYTES_MAX);
    }

    #[test]
    fn a_shared_value_does_not_take_a_lent_block_along() {
        let mut out = after_large_reply();
        out.lend_block(Vec::with_capacity(1 << 17));
        out.put(b"head");
        out.advance(1);

        out.put_shared(large());
        out.put(b"tail");

        assert_eq!(taken(&mut out), [b"ead", &large()[..], b"tail"].concat());
        assert_eq!(out.take_block().map(|block| block.capacity()), Some(1 << 17));
    }

    fn after_large_reply() -> OutBuf {
        let mut out = OutBuf::new();
        out.put(&vec![b'x'; TAIL_KEEP_BYTES_MAX + 1]);
        assert_eq!(taken(&mut out).len(), TAIL_KEEP_BYTES_MAX + 1);
        out
    }

    #[test]
    fn slices_show_no_more_than_asked_for() {
        let mut out = OutBuf::new();
        out.put(b"head");
        out.put_shared(large());
        out.advance(1);

        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(out.slices(&mut slices, 5), 2);
        assert_eq!((&slices[0][..], &slices[1][..]), (&b"ead"[..], &b"xx"[..]));
        assert_eq!(out.slices(&mut slices, 3), 1);
    }

    #[test]
    fn all_that_waits_can_be_taken_back() {
        let mut out = OutBuf::new();
        out.put(b"left");
        out.put_shared(large());
        out.advance(4);
        let position = out.position().bytes() - SHARE_BYTES_MIN as u64;

        assert!(out.truncate(super::Position(position)));
        assert!(out.is_empty());
        out.put(b"next");
        assert_eq!(taken(&mut out), b"next");
    }

    #[test]
    fn a_hold_behind_what_is_taken_back_hides_what_follows() {
        let mut out = OutBuf::new();
        let position = out.position();
        out.put(b"dropped");
        out.hold(out.position(), Ticket(1));

        assert!(out.truncate(position));
        out.put(b"hidden");

        assert_eq!(taken(&mut out), b"");
        assert!(out.release(Ticket(1)));
        assert_eq!(taken(&mut out), b"hidden");
    }

    #[test]
    fn a_header_goes_in_front_of_shared_elements() {
        let mut out = OutBuf::new();
        out.put(b"+OK\r\n");
        let position = out.position();
        out.put(b"$16384\r\n");
        out.put_shared(large());
        out.put(b"\r\n");
        let first = out.position();
        out.put_shared(large());
        out.put(b"\r\n");

        out.insert(first, b"<");
        out.insert(position, b"*2\r\n");

        let element = [&b"$16384\r\n"[..], &large(), b"\r\n"].concat();
        assert_eq!(taken(&mut out), [b"+OK\r\n*2\r\n", &element[..], b"<", &element[8..]].concat());
    }

    #[test]
    fn a_hold_moves_with_the_bytes_it_hides() {
        let mut out = OutBuf::new();
        let position = out.position();
        out.put(b"seen");
        out.hold(out.position(), Ticket(1));
        out.put(b"hidden");

        out.insert(position, b"*2 ");

        assert_eq!(taken(&mut out), b"*2 seen");
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
