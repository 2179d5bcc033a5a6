//! Glob patterns of KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules.
//!
//! `*` any bytes, `?` one byte, `[ab]`, `[a-z]`, `[^a]` one byte of a set, `\x` the byte itself. Start at
//! [`matches()`].

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

#[cfg(test)]
mod tests {
    use super::{matches, set};
    use crate::rng::Rng;

    /// The definition in its plainest form: each `*` tries every length.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([b'*', rest @ ..], text) => (0..=text.len()).any(|skip| reference(rest, &text[skip..])),
            (_, []) => false,
            ([b'?', rest @ ..], [_, text @ ..]) => reference(rest, text),
            ([b'[', ..], [byte, text @ ..]) => {
                let (hit, next) = set(pattern, 1, *byte, false);
                hit && reference(&pattern[next..], text)
            }
            ([b'\\', escaped, rest @ ..], [byte, text @ ..]) => escaped == byte && reference(rest, text),
            ([literal, rest @ ..], [byte, text @ ..]) => literal == byte && reference(rest, text),
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_to_redis() {
        let expected: [(&[u8], &[u8], bool); 30] = [
            (b"", b"", true),
            (b"", b"a", false),
            (b"*", b"", true),
            (b"***", b"abc", true),
            (b"h?llo", b"hello", true),
            (b"h?llo", b"hllo", false),
            (b"h*llo", b"heeeello", true),
            (b"h[ae]llo", b"hallo", true),
            (b"h[ae]llo", b"hillo", false),
            (b"h[^e]llo", b"hallo", true),
            (b"h[^e]llo", b"hello", false),
            (b"h[a-b]llo", b"hbllo", true),
            (b"h[b-a]llo", b"hbllo", true),
            (b"h[a-b]llo", b"hcllo", false),
            (b"[", b"a", false),
            (b"[^", b"a", true),
            (b"[a", b"a", true),
            (b"[]a]", b"a", false),
            (b"[^]a", b"xa", true),
            (b"[\\]]", b"]", true),
            (b"[a-]", b"a", true),
            (b"[a-]", b"b", false),
            (b"\\*", b"*", true),
            (b"\\*", b"a", false),
            (b"\\", b"\\", true),
            (b"a\\", b"a\\", true),
            (b"a*b*c", b"aXbYbZc", true),
            (b"a*b*c", b"aXbYbZ", false),
            (b"*[0-9]", b"abc7", true),
            (b"a**b", b"ab", true),
        ];

        for (pattern, text, hit) in expected {
            let shown = (pattern.escape_ascii().to_string(), text.escape_ascii().to_string());
            assert_eq!(matches(pattern, text, false), hit, "{shown:?}");
        }
    }

    #[test]
    fn nocase_ignores_the_case_of_letters() {
        assert!(matches(b"H[A-C]LL\\O*", b"hbllO!", true));
        assert!(!matches(b"H*", b"hello", false));
        assert!(matches(b"[^A]", b"b", true));
        assert!(!matches(b"[^A]", b"a", true));
    }

    #[test]
    fn short_random_patterns_agree_with_the_recursive_definition() {
        let seed = 11;
        let mut rng = Rng::new(seed);
        let mut pick = |letters: &[u8], max: usize| -> Vec<u8> {
            let len = rng.index(max + 1);
            (0..len).map(|_| letters[rng.index(letters.len())]).collect()
        };

        for round in 0..200_000 {
            let pattern = pick(b"aab-^[]\\*?*", 8);
            let text = pick(b"ab-]^\\", 7);
            let shown = (pattern.escape_ascii().to_string(), text.escape_ascii().to_string());
            assert_eq!(
                matches(&pattern, &text, false),
                reference(&pattern, &text),
                "seed {seed} round {round}: {shown:?}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_the_product_of_the_lengths() {
        let pattern: Vec<u8> = b"a*".repeat(500).into_iter().chain(*b"b").collect();

        assert!(!matches(&pattern, &[b'a'; 20_000], false));
    }
}
