//! Patterns for values that change from run to run.

/// A pattern: `*` stands for any bytes, `?` for one, `\` makes the next character literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    AnyRun,
    AnyByte,
    Byte(u8),
}

impl Glob {
    /// Makes a pattern from its source; `\n`, `\r` and `\t` stand for the control characters.
    pub fn new(source: &[u8]) -> Self {
        let mut pieces = Vec::new();
        let mut bytes = source.iter().copied();
        while let Some(byte) = bytes.next() {
            pieces.push(match byte {
                b'*' => Piece::AnyRun,
                b'?' => Piece::AnyByte,
                b'\\' => match bytes.next() {
                    Some(b'n') => Piece::Byte(b'\n'),
                    Some(b'r') => Piece::Byte(b'\r'),
                    Some(b't') => Piece::Byte(b'\t'),
                    Some(other) => Piece::Byte(other),
                    None => Piece::Byte(b'\\'),
                },
                other => Piece::Byte(other),
            });
        }
        Self(pieces)
    }

    /// Whether the whole of `text` fits the pattern.
    pub fn matches(&self, text: &[u8]) -> bool {
        let pieces = &self.0;
        let (mut piece, mut at) = (0, 0);
        // Where to go on when the bytes after the last `*` do not fit: one byte more for that `*`.
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match pieces.get(piece) {
                Some(Piece::AnyRun) => {
                    retry = Some((piece + 1, at));
                    piece += 1;
                }
                Some(Piece::AnyByte) => (piece, at) = (piece + 1, at + 1),
                Some(Piece::Byte(byte)) if *byte == text[at] => (piece, at) = (piece + 1, at + 1),
                Some(Piece::Byte(_)) | None => {
                    let Some((after, from)) = retry else { return false };
                    retry = Some((after, from + 1));
                    (piece, at) = (after, from + 1);
                }
            }
        }
        pieces[piece..].iter().all(|piece| *piece == Piece::AnyRun)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_pattern_covers_the_whole_text() {
        let yes =
            [("", ""), ("*", ""), ("a*c", "abbc"), ("a?c", "abc"), ("*b*b", "abcb"), (r"\*", "*"), (r"a\n", "a\n")];
        let no = [("", "a"), ("a", ""), ("a*c", "abcd"), ("a?c", "ac"), (r"\*", "x"), ("*b", "abc")];

        for (pattern, text) in yes {
            assert!(Glob::new(pattern.as_bytes()).matches(text.as_bytes()), "{pattern} on {text:?}");
        }
        for (pattern, text) in no {
            assert!(!Glob::new(pattern.as_bytes()).matches(text.as_bytes()), "{pattern} on {text:?}");
        }
    }
}
