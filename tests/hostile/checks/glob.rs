//! Glob patterns: the fast matcher agrees with a table of all partial matches.

use slotmesh_engine::glob::matches;

use super::input::Input;

enum Element {
    Any,
    Literal(u8),
    Set { negated: bool, ranges: Vec<(u8, u8)> },
    Star,
}

/// One byte chooses case and the pattern's length; then pattern and text.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let pattern = input.take(usize::from(choice >> 1));
    let text = input.take(TEXT_BYTES_MAX);
    let nocase = choice & 1 != 0;

    let expected = by_table(&elements(pattern, nocase), text, nocase);

    let shown = (pattern.escape_ascii().to_string(), text.escape_ascii().to_string());
    assert_eq!(matches(pattern, text, nocase), expected, "{shown:?}");
}

fn elements(pattern: &[u8], nocase: bool) -> Vec<Element> {
    let mut rest = Input::new(pattern);
    let mut elements = Vec::new();
    while !rest.is_empty() {
        elements.push(match rest.byte() {
            b'*' => Element::Star,
            b'?' => Element::Any,
            b'[' => set(&mut rest, nocase),
            b'\\' if !rest.is_empty() => Element::Literal(fold(rest.byte(), nocase)),
            byte => Element::Literal(fold(byte, nocase)),
        });
    }
    elements
}

fn set(rest: &mut Input<'_>, nocase: bool) -> Element {
    let bytes = rest.rest();
    let negated = bytes.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut ranges = Vec::new();
    while at < bytes.len() && bytes[at] != b']' {
        let left = &bytes[at..];
        let (first, last, used) = match left {
            [b'\\', byte, ..] => (*byte, *byte, 2),
            [first, b'-', last, ..] => (*first, *last, 3),
            _ => (left[0], left[0], 1),
        };
        let (first, last) = (fold(first, nocase), fold(last, nocase));
        ranges.push((first.min(last), first.max(last)));
        at += used;
    }
    *rest = Input::new(bytes.get(at + 1..).unwrap_or_default());
    Element::Set { negated, ranges }
}

fn by_table(elements: &[Element], text: &[u8], nocase: bool) -> bool {
    // Which numbers of text bytes the elements so far can stand for.
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for element in elements {
        let mut next = vec![false; text.len() + 1];
        for at in (0..=text.len()).filter(|&at| reach[at]) {
            match element {
                Element::Star => next[at..].fill(true),
                other @ (Element::Any | Element::Literal(_) | Element::Set { .. }) => {
                    if let Some(&byte) = text.get(at) {
                        next[at + 1] |= fits(other, fold(byte, nocase));
                    }
                }
            }
        }
        reach = next;
    }
    reach[text.len()]
}

fn fits(element: &Element, byte: u8) -> bool {
    match element {
        Element::Any | Element::Star => true,
        Element::Literal(literal) => *literal == byte,
        Element::Set { negated, ranges } => {
            ranges.iter().any(|&(first, last)| (first..=last).contains(&byte)) != *negated
        }
    }
}

fn fold(byte: u8, nocase: bool) -> u8 {
    if nocase { byte.to_ascii_lowercase() } else { byte }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let pairs: [(&[u8], &[u8]); 8] = [
        (b"h?llo*", b"hello world"),
        (b"h[^a-c]*[x-z]", b"hexxxz"),
        (b"a*b*c*d", b"aXbYbZcdd"),
        (b"\\*[\\]-]", b"*]"),
        (b"[", b"a"),
        (b"[^", b"a"),
        (b"**\\", b"\\"),
        (b"USER:*", b"user:42"),
    ];
    let encode = |(index, (pattern, text)): (usize, (&[u8], &[u8]))| {
        [&[(pattern.len() as u8) << 1 | (index & 1) as u8], pattern, text].concat()
    };
    pairs.into_iter().enumerate().map(encode).collect()
}

const TEXT_BYTES_MAX: usize = 512;
