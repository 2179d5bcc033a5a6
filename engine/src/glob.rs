//! Glob patterns of KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules.
//!
//! `*` any bytes, `?` one byte, `[ab]`, `[a-z]`, `[^a]` one byte of a set, `\x` the byte itself. Start at
//! [`matches`].

/// Whether all of `text` matches `pattern`; `nocase` ignores the case of ASCII letters.
///
/// The work is bounded by the product of both lengths, whatever the pattern: after a mismatch only the last `*`
/// is tried again, one byte further, which is enough because an earlier `*` could not do better.
///
/// ```
/// use slotmesh_engine::glob::matches;
/// assert!(matches(b"user:[0-9]*", b"user:42", false));
/// assert!(!matches(b"user:?", b"user:42", false));
/// ```
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut at, mut text_at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while text_at < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, text_at));
            continue;
        }
        if let Some(next) = one(pattern, at, text[text_at], nocase) {
            at = next;
            text_at += 1;
            continue;
        }
        let Some((after, tried)) = star else { return false };
        star = Some((after, tried + 1));
        (at, text_at) = (after, tried + 1);
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Matches one byte of text against the pattern's element at `at`, which is no `*`; the place after the element.
fn one(pattern: &[u8], at: usize, byte: u8, nocase: bool) -> Option<usize> {
    let fold = |byte: u8| if nocase { byte.to_ascii_lowercase() } else { byte };
    match *pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => {
            let (hit, next) = set(pattern, at + 1, byte, nocase);
            hit.then_some(next)
        }
        b'\\' if at + 1 < pattern.len() => (fold(pattern[at + 1]) == fold(byte)).then_some(at + 2),
        literal => (fold(literal) == fold(byte)).then_some(at + 1),
    }
}

/// Matches a byte against the set that begins at `at`, after its `[`; also the place after the set.
///
/// A set that does not close ends with the pattern, as in Redis.
fn set(pattern: &[u8], mut at: usize, byte: u8, nocase: bool) -> (bool, usize) {
    let fold = |byte: u8| if nocase { byte.to_ascii_lowercase() } else { byte };
    let byte = fold(byte);
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut hit = false;
    loop {
        match pattern[at..] {
            [] => return (hit != negated, at),
            [b']', ..] => return (hit != negated, at + 1),
            [b'\\', escaped, ..] => {
                hit |= fold(escaped) == byte;
                at += 2;
            }
            [first, b'-', last, ..] => {
                let (first, last) = (fold(first), fold(last));
                hit |= (first.min(last)..=first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                hit |= fold(literal) == byte;
                at += 1;
            }
        }
    }
}
