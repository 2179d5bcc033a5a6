//! What the allocator makes of a request.

/// Bytes the allocator takes for a request, following mimalloc's size classes: steps of 16 up to 128 bytes, then
/// four steps for each doubling.
pub(crate) const fn allocated_bytes(size: usize) -> usize {
    let step = if size <= 128 { 16 } else { size.next_power_of_two() / 8 };
    // A power of two: `next_multiple_of` would divide.
    (size + step - 1) & !(step - 1)
}
