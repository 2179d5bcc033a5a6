//! Taking bytes out of an [`OutBuf`] with a limit.

use std::io::IoSlice;

use slotmesh_engine::resp::outbuf::OutBuf;

/// Moves up to `room` visible bytes of `out` to the end of `target`. Returns how many.
///
/// One piece at a time: nearly always there is only one, and an array of slices costs more than the bytes.
pub(crate) fn take_visible(out: &mut OutBuf, room: usize, target: &mut Vec<u8>) -> usize {
    let mut left = room.min(out.visible());
    let taken = left;
    while left > 0 {
        let mut slice = [IoSlice::new(&[])];
        let used = out.slices(&mut slice, left);
        assert_eq!(used, 1, "an out-buffer shows the bytes it counts");
        let count = slice[0].len();
        target.extend_from_slice(&slice[0]);
        out.advance(count);
        left -= count;
    }
    taken
}
