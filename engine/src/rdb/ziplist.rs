//! The ziplist: what Redis before 7.0 had in place of the listpack. Only read.
//!
//! Layout: total bytes (4), offset of the last entry (4), number of entries (2), entries, an end mark. An entry is the
//! length of the entry before it, an encoding with a length or a number's width, and the data. Start at
//! [`to_listpack`].

use crate::value::listpack::{Element, Listpack};

/// The elements of a ziplist as a listpack; nothing when anything is not as the format wants it.
pub(super) fn to_listpack(bytes: &[u8]) -> Option<Listpack> {
    let (head, body) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let (&END, body) = body.split_last()? else { return None };
    let [t0, t1, t2, t3, l0, l1, l2, l3, c0, c1] = *head;
    if u32::from_le_bytes([t0, t1, t2, t3]) as usize != bytes.len() {
        return None;
    }
    let mut listpack = Listpack::new();
    let (mut at, mut before, mut entries) = (0, 0, 0_usize);
    while at < body.len() {
        let (entry, len) = Entry::read(&body[at..])?;
        if entry.before != before || !listpack.has_room_for(len, 1) {
            return None;
        }
        listpack.push_back(entry.element);
        before = len;
        at += len;
        entries += 1;
    }
    let count = u16::from_le_bytes([c0, c1]);
    let counts = count == COUNT_UNKNOWN || usize::from(count) == entries;
    let ends = u32::from_le_bytes([l0, l1, l2, l3]) as usize == HEADER_BYTES + at - before;
    (counts && ends).then_some(listpack)
}

struct Entry<'a> {
    /// Length of the entry before it, as it says.
    before: usize,
    element: Element<'a>,
}

impl<'a> Entry<'a> {
    /// The first entry of `bytes`, and its length.
    fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (before, rest) = match bytes.split_first()? {
            (&LONG_BEFORE, rest) => {
                let (before, rest) = rest.split_first_chunk()?;
                (u32::from_le_bytes(*before) as usize, rest)
            }
            (&END, _) => return None,
            (&before, rest) => (usize::from(before), rest),
        };
        let (element, rest) = element(rest)?;
        Some((Self { before, element }, bytes.len() - rest.len()))
    }
}

/// The element whose encoding `bytes` begin with, and what is behind it.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&encoding, rest) = bytes.split_first()?;
    match encoding {
        0x00..=0x3f => string(rest, usize::from(encoding)),
        0x40..=0x7f => {
            let (&low, rest) = rest.split_first()?;
            string(rest, usize::from(encoding & 0x3f) << 8 | usize::from(low))
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk()?;
            string(rest, u32::from_be_bytes(*len) as usize)
        }
        0xc0 => rest.split_first_chunk().map(|(raw, rest)| (number(i16::from_le_bytes(*raw)), rest)),
        0xd0 => rest.split_first_chunk().map(|(raw, rest)| (number(i32::from_le_bytes(*raw)), rest)),
        0xe0 => rest.split_first_chunk().map(|(raw, rest)| (number(i64::from_le_bytes(*raw)), rest)),
        0xf0 => rest.split_first_chunk().map(|(&[low, middle, high], rest)| {
            // The sign comes along with the top byte.
            (number(i32::from_le_bytes([0, low, middle, high]) >> 8), rest)
        }),
        0xfe => rest.split_first_chunk().map(|(raw, rest)| (number(i8::from_le_bytes(*raw)), rest)),
        0xf1..=0xfd => Some((number((encoding & 0x0f) - 1), rest)),
        _ => None,
    }
}

fn string(bytes: &[u8], len: usize) -> Option<(Element<'_>, &[u8])> {
    let (text, rest) = bytes.split_at_checked(len)?;
    Some((Element::Bytes(text), rest))
}

fn number<'a>(value: impl Into<i64>) -> Element<'a> {
    Element::Int(value.into())
}

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
/// In front of a length of four bytes.
const LONG_BEFORE: u8 = 0xfe;
/// The count from which on the header no longer tells the number of entries.
const COUNT_UNKNOWN: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::to_listpack;

    /// A ziplist of these encoded elements.
    fn ziplist(elements: &[&[u8]]) -> Vec<u8> {
        let (mut body, mut before, mut last) = (Vec::new(), 0_usize, 10);
        for element in elements {
            last = 10 + body.len();
            let start = body.len();
            match u8::try_from(before) {
                Ok(before @ ..254) => body.push(before),
                _ => {
                    body.push(0xfe);
                    body.extend_from_slice(&(before as u32).to_le_bytes());
                }
            }
            body.extend_from_slice(element);
            before = body.len() - start;
        }
        let mut bytes = (body.len() as u32 + 11).to_le_bytes().to_vec();
        bytes.extend_from_slice(&(last as u32).to_le_bytes());
        bytes.extend_from_slice(&(elements.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.push(0xff);
        bytes
    }

    #[test]
    fn all_encodings_are_read() {
        let long = [&[0x41, 0x2c][..], &[b'x'; 300]].concat();
        let longest = [&[0x80, 0, 0, 0x40, 0][..], &[b'y'; 16384]].concat();
        let elements: [&[u8]; 13] = [
            b"\x02ab",
            &long,
            b"\x00",
            &longest,
            b"\xc0\xff\x7f",
            b"\xd0\0\0\0\x80",
            b"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\xf0\xff\xff\xff",
            b"\xf0\0\0\x80",
            b"\xfe\x80",
            b"\xf1",
            b"\xfd",
            b"\x0217",
        ];

        let listpack = to_listpack(&ziplist(&elements)).unwrap();

        let texts: Vec<String> = listpack.iter().map(|element| String::from_utf8(element.to_vec()).unwrap()).collect();
        let (x, y) = ("x".repeat(300), "y".repeat(16384));
        let expected = [
            "ab",
            &x,
            "",
            &y,
            "32767",
            "-2147483648",
            "9223372036854775807",
            "-1",
            "-8388608",
            "-128",
            "0",
            "12",
            "17",
        ];
        assert_eq!(texts, expected);
        assert!(to_listpack(&ziplist(&[])).unwrap().is_empty());
    }

    #[test]
    fn damaged_ziplists_are_refused() {
        let sound = ziplist(&[b"\x02ab", b"\xfe\x05", b"\x01c"]);
        assert!(to_listpack(&sound).is_some());

        for len in 0..sound.len() {
            assert!(to_listpack(&sound[..len]).is_none(), "{len}");
        }
        // Every byte of header and structure counts: only those of strings and numbers may be anything.
        for at in (0..sound.len()).filter(|at| ![12, 13, 16, 19].contains(at)) {
            let mut changed = sound.clone();
            changed[at] ^= 0x40;
            assert!(to_listpack(&changed).is_none(), "{at}");
        }
    }

    #[test]
    fn a_count_of_all_ones_is_unknown() {
        let mut sound = ziplist(&[b"\x02ab"]);
        sound[8..10].copy_from_slice(&[0xff, 0xff]);

        assert_eq!(to_listpack(&sound).map(|listpack| listpack.len()), Some(1));
    }
}
