//! The zipmap: the compact hash of Redis before 2.6. Only read.
//!
//! Layout: number of pairs (1 byte, 254 and 255 for unknown), pairs, an end mark. A pair is the field's length, the
//! field, the value's length, a number of unused bytes (1), the value and the unused bytes.

use crate::value::listpack::Listpack;

/// The fields and values of a zipmap as a listpack; nothing when anything is not as the format wants it.
pub(super) fn to_listpack(bytes: &[u8]) -> Option<Listpack> {
    let (&count, rest) = bytes.split_first()?;
    let (&END, mut rest) = rest.split_last()? else { return None };
    let mut listpack = Listpack::new();
    let mut pairs = 0_usize;
    while !rest.is_empty() {
        let len;
        (len, rest) = length(rest)?;
        let (field, behind) = rest.split_at_checked(len)?;
        let (len, behind) = length(behind)?;
        let (&unused, behind) = behind.split_first()?;
        let (value, behind) = behind.split_at_checked(len)?;
        rest = behind.get(usize::from(unused)..)?;
        if !listpack.has_room_for(field.len() + value.len(), 2) {
            return None;
        }
        listpack.push_pair(field, value);
        pairs += 1;
    }
    (count >= LONG || usize::from(count) == pairs).then_some(listpack)
}

/// The length that `bytes` begin with, and what is behind it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes.split_first()? {
        (&LONG, rest) => {
            let (len, rest) = rest.split_first_chunk()?;
            Some((u32::from_le_bytes(*len) as usize, rest))
        }
        (&END, _) => None,
        (&len, rest) => Some((usize::from(len), rest)),
    }
}

/// In front of a length of four bytes; as a count, and everything above it: unknown.
const LONG: u8 = 0xfe;
const END: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::to_listpack;

    #[test]
    fn pairs_are_read_with_lengths_of_both_forms() {
        let zipmap =
            [&b"\xfe\x03foo\x02\x01hi!"[..], b"\xfe\x01\0\0\0k\xfe\x2c\x01\0\0\0", &[b'v'; 300], b"\xff"].concat();

        let listpack = to_listpack(&zipmap).unwrap();

        let texts: Vec<Vec<u8>> = listpack.iter().map(|element| element.to_vec()).collect();
        assert_eq!(texts, [b"foo".to_vec(), b"hi".to_vec(), b"k".to_vec(), vec![b'v'; 300]]);
    }

    #[test]
    fn damaged_zipmaps_are_refused() {
        let sound = b"\x01\x03foo\x02\x01hi!\xff";
        assert!(to_listpack(sound).is_some());

        for len in 0..sound.len() {
            assert!(to_listpack(&sound[..len]).is_none(), "{len}");
        }
        for at in [0, 1, 5, 6, 10] {
            let mut changed = *sound;
            changed[at] ^= 0x40;
            assert!(to_listpack(&changed).is_none(), "{at}");
        }
    }
}
