use super::{Element, Listpack, ListpackError, Position};
use crate::rng::Rng;

fn texts(listpack: &Listpack) -> Vec<Vec<u8>> {
    listpack.iter().map(Element::to_vec).collect()
}

fn from(model: &[Vec<u8>]) -> Listpack {
    model.iter().map(|text| &text[..]).collect()
}

/// What redis-server 7.0.15 answered to `DUMP` of a list of [`TEXTS`], without type, node header and footer.
const DUMPED: &[u8] = b"\xd6\x00\x00\x00\x1c\x00\x81a\x02\x81b\x02\x832.5\x04\x01\x01\xdf\xfb\x02\xc3\xe8\x02\xdf\xff\
\x02\x7f\x01\xc0\x80\x02\xcf\xff\x02\xf1\x00\x10\x03\xd0\x00\x02\xf1\xff\xef\x03\xf1\xff\x7f\x03\xf2\x00\x80\x00\x04\
\xf2\xff\x7f\xff\x04\xf2\xff\xff\x7f\x04\xf3\x00\x00\x80\x00\x05\xf3\xff\xff\x7f\xff\x05\xf3\xff\xff\xff\x7f\x05\xf4\
\x00\x00\x00\x80\x00\x00\x00\x00\t\xf4\x00\x00\x00\x00\x00\x00\x00\x80\t\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\t\x93922\
3372036854775808\x14\x82-0\x03\x8201\x03\x80\x01\xe0A1234567890123456789012345678901234567890123456789012345678901234\
5C\xff";

const TEXTS: [&str; 28] = [
    "a",
    "b",
    "2.5",
    "1",
    "-5",
    "1000",
    "-1",
    "127",
    "128",
    "4095",
    "4096",
    "-4096",
    "-4097",
    "32767",
    "32768",
    "-32769",
    "8388607",
    "8388608",
    "-8388609",
    "2147483647",
    "2147483648",
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "-0",
    "01",
    "",
    "12345678901234567890123456789012345678901234567890123456789012345",
];

#[test]
fn bytes_are_those_of_the_reference() {
    let listpack: Listpack = TEXTS.iter().map(|text| text.as_bytes()).collect();

    assert_eq!(listpack.as_bytes(), DUMPED);
}

#[test]
fn the_references_bytes_are_read_both_ways() {
    let listpack = Listpack::validate(DUMPED).unwrap();

    let backward: Vec<_> = listpack.iter().rev().map(Element::to_vec).collect();

    assert_eq!(texts(&listpack), TEXTS.map(|text| text.as_bytes().to_vec()));
    assert!(backward.iter().rev().eq(&texts(&listpack)));
    assert_eq!(listpack.len(), 28);
}

#[test]
fn back_lengths_change_size_where_the_references_do() {
    // Length of a string, and what 7.0.15 writes behind it.
    let cases: [(usize, &[u8]); 5] =
        [(122, b"\x7c"), (125, b"\x7f"), (126, b"\x01\x80"), (16_377, b"\x7f\xfe"), (16_378, b"\x00\xff\xff")];

    for (len, back) in cases {
        let mut listpack = Listpack::new();
        listpack.push_back(&vec![b'x'; len][..]);
        listpack.push_back(b"after");

        let end = listpack.as_bytes().len() - 1 - 7;
        assert_eq!(listpack.as_bytes()[..end].strip_suffix(back).unwrap().last(), Some(&b'x'), "{len}");
        assert_eq!(listpack.iter().rev().map(Element::text_len).collect::<Vec<_>>(), [5, len]);
        assert!(Listpack::validate(listpack.as_bytes()).is_ok());
    }
}

#[test]
fn long_strings_come_back_whole() {
    for len in [63, 64, 4095, 4096, 70_000, 2_097_145, 2_097_146, 2_097_147] {
        let text = vec![b'y'; len];
        let mut listpack = Listpack::new();
        listpack.push_back(&text[..]);
        listpack.push_front(b"1");

        assert_eq!(listpack.get(listpack.last().unwrap()), Element::Bytes(&text));
        assert_eq!(listpack.previous(listpack.last().unwrap()), listpack.first());
        assert_eq!(Listpack::validate(listpack.as_bytes()), Ok(listpack));
    }
}

#[test]
fn elements_are_found_at_every_step() {
    let listpack: Listpack = ["f", "v", "v", "f", "12", "f", "x", "12"].iter().map(|text| text.as_bytes()).collect();
    let index_of =
        |position: Option<Position>| position.map(|at| (0..8).find(|&i| listpack.at(i) == Some(at)).unwrap());

    assert_eq!(index_of(listpack.find(b"v", 0)), Some(1));
    assert_eq!(index_of(listpack.find(b"v", 1)), Some(2));
    assert_eq!(index_of(listpack.find(b"12", 0)), Some(4));
    assert_eq!(index_of(listpack.find(b"12", 2)), None);
    assert_eq!(index_of(listpack.find_from(listpack.at(5).unwrap(), b"12", 1)), Some(7));
    assert_eq!(index_of(listpack.find(b"012", 0)), None);
    assert_eq!(Listpack::new().find(b"", 0), None);
}

#[test]
fn a_count_past_the_header_is_found_by_walking() {
    let mut listpack = Listpack::new();
    for number in 0..65_536_i64 {
        listpack.push_back(number);
        if number == 65_533 {
            assert_eq!(listpack.as_bytes()[4..6], [0xfe, 0xff]);
        }
    }

    assert_eq!(listpack.as_bytes()[4..6], [0xff, 0xff]);
    assert_eq!(listpack.len(), 65_536);
    assert_eq!(listpack.at(65_535).map(|at| listpack.get(at)), Some(Element::Int(65_535)));
    assert_eq!(listpack.at(65_536), None);
    listpack.delete_range(0, 10);
    assert_eq!(listpack.as_bytes()[4..6], [0xff, 0xff]);
    assert_eq!(listpack.len(), 65_526);
    assert!(Listpack::validate(listpack.as_bytes()).is_ok());
}

#[test]
fn a_small_listpack_takes_the_next_size_class() {
    let mut listpack = Listpack::new();
    assert_eq!(listpack.memory_usage(), 16);

    listpack.push_pair(b"name", b"somebody");

    assert_eq!((listpack.byte_len(), listpack.memory_usage()), (23, 32));
    for number in 0..1_000_i64 {
        listpack.push_back(number);
        assert!(listpack.memory_usage() <= listpack.byte_len() + listpack.byte_len() / 4 + 16);
    }
    listpack.delete_range(0, 990);
    assert!(listpack.memory_usage() <= 2 * listpack.byte_len() + 16);
}

#[test]
fn room_ends_at_a_gibibyte() {
    let listpack = Listpack::new();

    assert!(listpack.has_room_for((1 << 30) - 7 - 10, 1));
    assert!(!listpack.has_room_for((1 << 30) - 7 - 9, 1));
    assert!(!listpack.has_room_for(usize::MAX, usize::MAX));
}

#[test]
fn random_changes_agree_with_a_vector() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let (mut listpack, mut model) = (Listpack::new(), Vec::new());
        for _ in 0..400 {
            change(&mut rng, &mut listpack, &mut model);

            assert_eq!(texts(&listpack), model, "seed {seed}");
            assert_eq!(listpack.len(), model.len(), "seed {seed}");
        }
        assert!(listpack.iter().rev().map(Element::to_vec).eq(model.iter().rev().cloned()), "seed {seed}");
        assert_eq!(listpack, from(&model), "seed {seed}");
        assert_eq!(Listpack::validate(listpack.as_bytes()).as_ref(), Ok(&listpack), "seed {seed}");
        let needle = text(&mut rng);
        let found = listpack.find(&needle, 0).map(|at| listpack.get(at).to_vec());
        assert_eq!(found.as_ref(), model.iter().find(|&text| *text == needle), "seed {seed}");
    }
}

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    for seed in 0..20_000 {
        let mut rng = Rng::new(seed);
        let mut bytes = DUMPED.to_vec();
        for _ in 0..1 + rng.below(4) {
            let at = rng.index(bytes.len());
            match rng.below(4) {
                0 => bytes[at] = rng.next_u64() as u8,
                1 => bytes[at] ^= 1 << rng.below(8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, rng.next_u64() as u8),
            }
        }
        if rng.chance(70) && bytes.len() > 4 {
            let total = bytes.len() as u32;
            bytes[..4].copy_from_slice(&total.to_le_bytes());
        }

        if let Ok(mut listpack) = Listpack::validate(&bytes) {
            assert_eq!(listpack.iter().count(), listpack.iter().rev().count(), "seed {seed}");
            listpack.delete_range(1, 1);
            listpack.push_back(b"more");
            assert!(Listpack::validate(listpack.as_bytes()).is_ok(), "seed {seed}");
        }
    }
}

#[test]
fn each_fault_has_its_cause() {
    let good = [7 + 3, 0, 0, 0, 1, 0, 0x81, b'a', 2, 0xff];
    let with = |at: usize, byte: u8| {
        let mut bytes = good;
        bytes[at] = byte;
        Listpack::validate(&bytes).unwrap_err()
    };
    let element = ListpackError::Element { at: 6 };

    assert!(Listpack::validate(&good).is_ok());
    assert_eq!(Listpack::validate(&[]), Err(ListpackError::Length));
    assert_eq!(Listpack::validate(&[6, 0, 0, 0, 0, 0]), Err(ListpackError::Length));
    assert_eq!(with(0, 11), ListpackError::Length);
    assert_eq!(with(4, 2), ListpackError::Count);
    assert_eq!(with(6, 0x82), element);
    assert_eq!(with(6, 0xf4), element);
    assert_eq!(with(6, 0xf0), element);
    assert_eq!(with(6, 0xf5), element);
    assert_eq!(with(6, 0xff), element);
    assert_eq!(with(8, 3), element);
    assert_eq!(with(9, 0xfe), ListpackError::Length);
}

fn text(rng: &mut Rng) -> Vec<u8> {
    match rng.below(6) {
        0 => rng.below(200).to_string().into_bytes(),
        1 => (rng.next_u64().cast_signed() >> rng.below(64)).to_string().into_bytes(),
        2 => vec![b'a' + rng.below(3) as u8],
        3 => vec![b'l'; rng.below(300) as usize],
        4 if rng.chance(3) => vec![b'h'; rng.below(20_000) as usize],
        _ => format!("{:03}", rng.below(100)).into_bytes(),
    }
}

fn change(rng: &mut Rng, listpack: &mut Listpack, model: &mut Vec<Vec<u8>>) {
    let new = text(rng);
    let index = rng.index(model.len());
    let Some(position) = listpack.at(index) else {
        listpack.push_back(&new[..]);
        model.push(new);
        return;
    };
    match rng.below(12) {
        0..=1 => {
            listpack.push_back(&new[..]);
            model.push(new);
        }
        2 => {
            listpack.push_front(&new[..]);
            model.insert(0, new);
        }
        3 => {
            listpack.insert_before(position, &new[..]);
            assert!(listpack.get(position).is(&new));
            model.insert(index, new);
        }
        4 => {
            let position = listpack.insert_after(position, &new[..]);
            assert!(listpack.get(position).is(&new));
            model.insert(index + 1, new);
        }
        5 => {
            listpack.insert_pair_before(position, &new[..], 7);
            model.splice(index..index, [new, b"7".to_vec()]);
        }
        6..=7 => {
            listpack.replace(position, &new[..]);
            model[index] = new;
        }
        8 => {
            let next = listpack.delete(position);
            model.remove(index);
            assert_eq!(next.map(|at| listpack.get(at).to_vec()).as_ref(), model.get(index));
        }
        9 => {
            let count = rng.index(4);
            let removed = model.drain(index..(index + count).min(model.len())).count();
            assert_eq!(listpack.delete_range(index, count), removed);
        }
        10 => {
            let tail = listpack.split_off(index);
            assert_eq!(texts(&tail), model.split_off(index));
            if rng.chance(50) {
                model.splice(0..0, texts(&tail));
                listpack.prepend(tail.elements());
            }
        }
        _ => {
            let more: Listpack = [&b"m"[..], b"1", &new].into_iter().collect();
            listpack.append(more.elements());
            model.extend(texts(&more));
        }
    }
}
