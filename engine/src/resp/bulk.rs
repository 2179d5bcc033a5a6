//! Writing bulk strings: what most replies are made of.
//!
//! Most are short, and a call of the system's copy takes as long as the bytes of a short one. These are copied in
//! chunks whose sizes the compiler knows, and their headers come from a table.

/// Appends `bytes` as a bulk string.
#[inline]
pub(super) fn put_bulk(target: &mut Vec<u8>, bytes: &[u8]) {
    target.reserve(bytes.len() + HEAD_BYTES_MAX + LINE_END.len());
    match SHORT_HEADS.get(bytes.len()) {
        Some(head) => {
            let before = target.len();
            target.extend_from_slice(head);
            target.truncate(before + short_head_len(bytes.len()));
            put_short(target, bytes);
        }
        None => {
            super::reply::header(target, b'$', bytes.len() as i64);
            target.extend_from_slice(bytes);
        }
    }
    target.extend_from_slice(LINE_END);
}

/// Appends fewer than 128 bytes.
#[inline]
fn put_short(target: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        64.. => put_ends::<64>(target, bytes),
        32.. => put_ends::<32>(target, bytes),
        16.. => put_ends::<16>(target, bytes),
        8.. => put_ends::<8>(target, bytes),
        4.. => put_ends::<4>(target, bytes),
        2.. => put_ends::<2>(target, bytes),
        _ => target.extend(bytes.first()),
    }
}

/// Appends from `SIZE` to twice as many bytes: the first ones and the last ones, which may be the same in part.
#[inline]
fn put_ends<const SIZE: usize>(target: &mut Vec<u8>, bytes: &[u8]) {
    let (Some(first), Some(last)) = (bytes.first_chunk::<SIZE>(), bytes.last_chunk::<SIZE>()) else { return };
    let end = target.len() + bytes.len();
    target.extend_from_slice(first);
    if bytes.len() > SIZE {
        target.truncate(end - SIZE);
        target.extend_from_slice(last);
    }
}

/// Bytes of the header of a string shorter than 128 bytes.
#[inline]
const fn short_head_len(len: usize) -> usize {
    4 + (len >= 10) as usize + (len >= 100) as usize
}

/// Headers of the strings shorter than 128 bytes, with something behind them that makes all of one length.
const SHORT_HEADS: [[u8; 8]; 128] = {
    let mut heads = [*b"$\r\n\r\n\r\n\r"; 128];
    let mut len = 0;
    while len < heads.len() {
        let size = short_head_len(len);
        let mut rest = len;
        let mut at = size - LINE_END.len();
        while at > 1 {
            at -= 1;
            heads[len][at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        heads[len][size - 2] = b'\r';
        heads[len][size - 1] = b'\n';
        len += 1;
    }
    heads
};

const LINE_END: &[u8; 2] = b"\r\n";

/// Bytes that hold any header: the mark, 20 digits and the line end.
const HEAD_BYTES_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::put_bulk;

    #[test]
    fn strings_of_any_length_are_whole() {
        let text: Vec<u8> = (0..70_000u32).map(|number| (number % 251) as u8).collect();
        for len in (0..300).chain([999, 1000, 4095, 65_535, 70_000]) {
            for start in [0, 1, 63] {
                let bytes = &text[start.min(text.len() - len)..][..len];
                let mut target = b"before".to_vec();

                put_bulk(&mut target, bytes);

                assert_eq!(target, [format!("before${len}\r\n").as_bytes(), bytes, b"\r\n"].concat());
            }
        }
    }
}
