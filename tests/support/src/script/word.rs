//! The arguments of a command line, quoted as in `redis-cli`.

use super::Bindings;

/// One argument: literal bytes and captured values joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(pub Vec<Part>);

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Literal(Vec<u8>),
    /// The value captured under this name.
    Variable(String),
}

impl Word {
    /// The argument's bytes.
    ///
    /// # Errors
    /// The name of the first variable without a value.
    pub fn resolve(&self, bindings: &Bindings) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => bytes.extend_from_slice(literal),
                Part::Variable(name) => bytes.extend_from_slice(bindings.get(name).ok_or_else(|| name.clone())?),
            }
        }
        Ok(bytes)
    }
}

/// Splits a command line into its arguments.
pub(super) fn split(line: &str) -> Result<Vec<Word>, String> {
    let mut scanner = Scanner::new(line);
    let mut words = Vec::new();
    loop {
        scanner.skip_blanks();
        match scanner.peek() {
            None => return Ok(words),
            Some(b'"' | b'\'') => words.push(Word(vec![Part::Literal(scanner.quoted()?)])),
            Some(_) => words.push(bare(scanner.bare_until(b""))?),
        }
    }
}

/// An unquoted argument, with `$name` or `${name}` for captured values.
fn bare(text: &str) -> Result<Word, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        if !before.is_empty() {
            parts.push(Part::Literal(before.into()));
        }
        let name_len = |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        let (name, tail) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or("`${` without `}`")?,
            None => after.split_at(name_len(after)),
        };
        if name.is_empty() {
            return Err("`$` without a name; quote a literal `$`".to_owned());
        }
        parts.push(Part::Variable(name.to_owned()));
        rest = tail;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.into()));
    }
    if parts.iter().any(|part| matches!(part, Part::Literal(bytes) if bytes.contains(&b'"'))) {
        return Err(format!("a quote inside an unquoted argument: {text}"));
    }
    Ok(Word(parts))
}

/// A position in a line; shared by commands and expectations.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    pub(super) fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Steps over `token` if it comes next.
    pub(super) fn take(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    /// Everything up to a blank, one of `stops` or the end.
    pub(super) fn bare_until(&mut self, stops: &[u8]) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c: char| c.is_whitespace() || stops.iter().any(|&stop| c == char::from(stop)));
        let (taken, _) = rest.split_at(len.unwrap_or(rest.len()));
        self.at += taken.len();
        taken
    }

    /// The text between two `/`, escapes kept.
    pub(super) fn slashed(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = self.rest().bytes().enumerate().skip(1);
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'/' => {
                    let inside = self.rest().as_bytes()[1..at].to_vec();
                    self.at += at + 1;
                    return Ok(inside);
                }
                b'\\' => drop(bytes.next()),
                _ => {}
            }
        }
        Err("a pattern without its closing `/`".to_owned())
    }

    /// A quoted string with its escapes resolved, repeated by a `*N` right after it.
    pub(super) fn quoted(&mut self) -> Result<Vec<u8>, String> {
        let rest = self.rest().as_bytes();
        let quote = rest[0];
        let mut bytes = Vec::new();
        let mut at = 1;
        loop {
            match rest.get(at) {
                None => return Err("unbalanced quotes".to_owned()),
                Some(&byte) if byte == quote => break,
                Some(b'\\') if quote == b'"' => at += escape(&rest[at..], &mut bytes)?,
                Some(b'\\') if rest.get(at + 1) == Some(&b'\'') => {
                    bytes.push(b'\'');
                    at += 2;
                }
                Some(&byte) => {
                    bytes.push(byte);
                    at += 1;
                }
            }
        }
        self.at += at + 1;
        if self.take("*") {
            let times = self.bare_until(b"]}=");
            let times: usize = times.parse().map_err(|_| format!("`{times}` is no number of repetitions"))?;
            if bytes.len().saturating_mul(times) > REPEATED_BYTES_MAX {
                return Err(format!("a repeated string above {REPEATED_BYTES_MAX} bytes"));
            }
            bytes = bytes.repeat(times);
        }
        Ok(bytes)
    }
}

/// Resolves the escape at the start of `text`; gives the number of characters it took.
fn escape(text: &[u8], bytes: &mut Vec<u8>) -> Result<usize, String> {
    let resolved = match text.get(1) {
        None => return Err("unbalanced quotes".to_owned()),
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'a') => 7,
        Some(b'x') => {
            let digits = text.get(2..4).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.push(byte.ok_or("`\\x` without two hexadecimal digits")?);
            return Ok(4);
        }
        Some(&other) => other,
    };
    bytes.push(resolved);
    Ok(2)
}

/// Longest string a `*N` may make; more would be a slow test, not a better one.
const REPEATED_BYTES_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::{Bindings, split};

    fn resolved(line: &str) -> Vec<Vec<u8>> {
        let bindings = Bindings::from([("id".to_owned(), b"7".to_vec())]);
        split(line).unwrap().iter().map(|word| word.resolve(&bindings).unwrap()).collect()
    }

    #[test]
    fn quotes_and_escapes_are_those_of_redis_cli() {
        assert_eq!(
            resolved(r#"SET "a b" "\x00\r\n\"" 'it\'s \n' """#),
            [b"SET".as_slice(), b"a b", b"\x00\r\n\"", br"it's \n", b""]
        );
    }

    #[test]
    fn captured_values_and_repetitions_are_filled_in() {
        assert_eq!(resolved(r#"X $id id=${id}! "ab"*3"#), [b"X".as_slice(), b"7", b"id=7!", b"ababab"]);
    }

    #[test]
    fn faults_of_a_line_are_named() {
        for line in ["SET \"a", "SET \"\\x0g\"", "GET $", "GET ${a", "GET a\"b\""] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
