//! What a reply must be, and its text form.

use super::glob::Glob;
use super::word::Scanner;

/// What a reply must be.
///
/// Written in the terms of RESP3; [`compare`](super::compare()) knows what each is under RESP2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// `(any)`: any reply but an error.
    Any,
    /// `[a b]`: these elements in this order.
    Array(Elements),
    /// `|{name => value} reply`: attributes ahead of a reply.
    Attribute(Pairs, Box<Self>),
    /// `(123`: a big number.
    BigNumber(Vec<u8>),
    /// `#t` or `#f`.
    Boolean(bool),
    /// `"text"`: a bulk string.
    Bulk(Vec<u8>),
    /// `(closed)`: the server closes the connection.
    Closed,
    /// `,1.5`: a double, compared as text.
    Double(Text),
    /// `-ERR text`.
    Error(Text),
    /// `:1`, `:1..9` or `:*`.
    Integer {
        /// Least number allowed.
        min: i64,
        /// Largest number allowed.
        max: i64,
    },
    /// `(bytes 5)` or `(bytes 1..9)`: a bulk string of this length.
    Length {
        /// Least length allowed.
        min: usize,
        /// Largest length allowed.
        max: usize,
    },
    /// `%{name => value}`: a map, in any order.
    Map(Pairs),
    /// `(nothing)`: no reply arrives.
    Nothing,
    /// `_nil`: a null, under RESP2 the null bulk string.
    Null,
    /// `_nilarray`: a null, under RESP2 the null array.
    NullArray,
    /// `%[member => score]`: an array of pairs in this order, under RESP2 one flat array.
    Pairs(Pairs),
    /// `/text/`: a bulk or simple string that fits a pattern.
    Pattern(Glob),
    /// `>[a b]`: an out-of-band message.
    Push(Elements),
    /// `~{a b}`: a set, in any order.
    Set(Elements),
    /// `+OK`.
    Simple(Text),
    /// `?`: to be filled in by the recorder; no script under test has one.
    Unknown,
    /// `~[a b]`: an array whose order is free.
    Unordered(Elements),
    /// `$name`: captures a string or integer, or must equal what was captured.
    Variable(String),
    /// `=txt "text"`: a verbatim string.
    Verbatim([u8; 3], Text),
}

/// A text that must be equal or fit a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Exactly these bytes.
    Exact(Vec<u8>),
    /// Bytes that fit.
    Pattern(Glob),
}

impl Text {
    /// Whether `bytes` are what the text asks for.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact == bytes,
            Self::Pattern(pattern) => pattern.matches(bytes),
        }
    }
}

/// The elements of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// The elements named.
    pub items: Vec<Expectation>,
    /// Whether `...` allows more of them.
    pub is_open: bool,
}

/// The pairs of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// The pairs named.
    pub items: Vec<(Expectation, Expectation)>,
    /// Whether `...` allows more of them.
    pub is_open: bool,
}

impl Pairs {
    /// Names and values one after the other.
    pub(super) fn flat(&self) -> Elements {
        let items = self.items.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect();
        Elements { items, is_open: self.is_open }
    }
}

impl Expectation {
    /// Reads the text after `<`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // A status or an error alone takes the whole line, blanks included.
        if let Some(line) = text.strip_prefix(['+', '-']).filter(|line| !line.starts_with(['/', '"'])) {
            let exact = Text::Exact(line.into());
            return Ok(if text.starts_with('+') { Self::Simple(exact) } else { Self::Error(exact) });
        }
        let mut scanner = Scanner::new(text);
        let expectation = value(&mut scanner, DEPTH_MAX)?;
        scanner.skip_blanks();
        if scanner.rest().is_empty() { Ok(expectation) } else { Err(format!("left over: {}", scanner.rest())) }
    }
}

/// The next value; recursion is bounded by `depth_left`.
fn value(scanner: &mut Scanner<'_>, depth_left: usize) -> Result<Expectation, String> {
    let depth_left = depth_left.checked_sub(1).ok_or("nested too deeply")?;
    scanner.skip_blanks();
    if let Some(aggregate) = aggregate(scanner, depth_left)? {
        return Ok(aggregate);
    }
    match scanner.peek() {
        Some(b'"' | b'\'') => Ok(Expectation::Bulk(scanner.quoted()?)),
        Some(b'/') => Ok(Expectation::Pattern(Glob::new(&scanner.slashed()?))),
        Some(b'+') => Ok(Expectation::Simple(marked_text(scanner)?)),
        Some(b'-') => Ok(Expectation::Error(marked_text(scanner)?)),
        Some(b',') => Ok(Expectation::Double(marked_text(scanner)?)),
        Some(b'=') => verbatim(scanner),
        Some(b'(') => parenthesised(scanner),
        Some(_) => bare(scanner.bare_until(STOPS)),
        None => Err("an expectation is missing".to_owned()),
    }
}

fn aggregate(scanner: &mut Scanner<'_>, depth_left: usize) -> Result<Option<Expectation>, String> {
    Ok(Some(if scanner.take("~[") {
        Expectation::Unordered(elements(scanner, "]", depth_left)?)
    } else if scanner.take("~{") {
        Expectation::Set(elements(scanner, "}", depth_left)?)
    } else if scanner.take(">[") {
        Expectation::Push(elements(scanner, "]", depth_left)?)
    } else if scanner.take("[") {
        Expectation::Array(elements(scanner, "]", depth_left)?)
    } else if scanner.take("%{") {
        Expectation::Map(pairs(scanner, "}", depth_left)?)
    } else if scanner.take("%[") {
        Expectation::Pairs(pairs(scanner, "]", depth_left)?)
    } else if scanner.take("|{") {
        let attributes = pairs(scanner, "}", depth_left)?;
        Expectation::Attribute(attributes, Box::new(value(scanner, depth_left)?))
    } else {
        return Ok(None);
    }))
}

fn elements(scanner: &mut Scanner<'_>, close: &str, depth_left: usize) -> Result<Elements, String> {
    let mut elements = Elements { items: Vec::new(), is_open: false };
    loop {
        scanner.skip_blanks();
        if scanner.take(close) {
            return Ok(elements);
        }
        if elements.is_open {
            return Err("`...` comes last".to_owned());
        }
        if scanner.take("...") {
            elements.is_open = true;
        } else {
            elements.items.push(value(scanner, depth_left)?);
        }
    }
}

fn pairs(scanner: &mut Scanner<'_>, close: &str, depth_left: usize) -> Result<Pairs, String> {
    let mut pairs = Pairs { items: Vec::new(), is_open: false };
    loop {
        scanner.skip_blanks();
        if scanner.take(close) {
            return Ok(pairs);
        }
        if pairs.is_open {
            return Err("`...` comes last".to_owned());
        }
        if scanner.take("...") {
            pairs.is_open = true;
            continue;
        }
        let name = value(scanner, depth_left)?;
        scanner.skip_blanks();
        if !scanner.take("=>") {
            return Err(format!("`=>` is missing before: {}", scanner.rest()));
        }
        pairs.items.push((name, value(scanner, depth_left)?));
    }
}

/// The text after a one-character mark: quoted, a pattern, or up to a blank.
fn marked_text(scanner: &mut Scanner<'_>) -> Result<Text, String> {
    let mark = scanner.bare_until(b"\"/.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*");
    let text = match scanner.peek() {
        Some(b'"') => Text::Exact(scanner.quoted()?),
        Some(b'/') => Text::Pattern(Glob::new(&scanner.slashed()?)),
        Some(_) | None => Text::Exact(scanner.bare_until(STOPS).into()),
    };
    // `,-1.5`: a sign between the mark and the digits belongs to the text.
    match (text, &mark[1..]) {
        (text, "") => Ok(text),
        (Text::Exact(exact), "-") => Ok(Text::Exact([b"-", exact.as_slice()].concat())),
        (_, other) => Err(format!("unexpected `{other}`")),
    }
}

fn verbatim(scanner: &mut Scanner<'_>) -> Result<Expectation, String> {
    let format = scanner.bare_until(STOPS);
    let Some(format) = format.strip_prefix('=').and_then(|format| <[u8; 3]>::try_from(format.as_bytes()).ok()) else {
        return Err("a verbatim string is `=` and three letters, then its text".to_owned());
    };
    scanner.skip_blanks();
    match scanner.peek() {
        Some(b'/') => Ok(Expectation::Verbatim(format, Text::Pattern(Glob::new(&scanner.slashed()?)))),
        Some(b'"') => Ok(Expectation::Verbatim(format, Text::Exact(scanner.quoted()?))),
        Some(_) | None => Err("the text of a verbatim string is missing".to_owned()),
    }
}

fn parenthesised(scanner: &mut Scanner<'_>) -> Result<Expectation, String> {
    for (token, expectation) in
        [("(any)", Expectation::Any), ("(closed)", Expectation::Closed), ("(nothing)", Expectation::Nothing)]
    {
        if scanner.take(token) {
            return Ok(expectation);
        }
    }
    if scanner.take("(integer)") {
        scanner.skip_blanks();
        let (min, max) = range(scanner.bare_until(STOPS))?;
        return Ok(Expectation::Integer { min, max });
    }
    if scanner.take("(bytes") {
        scanner.skip_blanks();
        let (min, max) = range(scanner.bare_until(b")"))?;
        let bound = |bound: i64| usize::try_from(bound).map_err(|_| "a negative length".to_owned());
        let expectation = Expectation::Length { min: bound(min)?, max: bound(max)? };
        return if scanner.take(")") { Ok(expectation) } else { Err("`)` is missing".to_owned()) };
    }
    let number = scanner.bare_until(STOPS).trim_start_matches('(');
    if number.is_empty() || !number.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`({number}` is no big number"));
    }
    Ok(Expectation::BigNumber(number.into()))
}

fn bare(text: &str) -> Result<Expectation, String> {
    match text {
        "_nil" | "_" => return Ok(Expectation::Null),
        "_nilarray" => return Ok(Expectation::NullArray),
        "#t" => return Ok(Expectation::Boolean(true)),
        "#f" => return Ok(Expectation::Boolean(false)),
        "?" => return Ok(Expectation::Unknown),
        _ => {}
    }
    if let Some(name) = text.strip_prefix('$') {
        return Ok(Expectation::Variable(name.to_owned()));
    }
    let Some(number) = text.strip_prefix(':') else { return Err(format!("`{text}` is no expectation")) };
    let (min, max) = range(number)?;
    Ok(Expectation::Integer { min, max })
}

/// `5`, `1..9` (both ends included) or `*`.
fn range(text: &str) -> Result<(i64, i64), String> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("`{text}` is no number"));
    match text.split_once("..") {
        Some((min, max)) => Ok((number(min)?, number(max)?)),
        None if text == "*" => Ok((i64::MIN, i64::MAX)),
        None => number(text).map(|number| (number, number)),
    }
}

/// Characters that end an unquoted value, besides blanks.
const STOPS: &[u8] = b"]}";
/// Levels of aggregates in one expectation.
const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::{Elements, Expectation, Text};

    #[test]
    fn a_status_or_error_takes_the_line() {
        assert_eq!(Expectation::parse("+OK now").unwrap(), Expectation::Simple(Text::Exact(b"OK now".to_vec())));
        assert_eq!(Expectation::parse("-ERR no ]").unwrap(), Expectation::Error(Text::Exact(b"ERR no ]".to_vec())));
    }

    #[test]
    fn aggregates_nest_over_several_lines() {
        let parsed = Expectation::parse("[ :1\n  [\"a\" _nil]\n  +OK -\"ERR x\" ,-1.5 ... ]").unwrap();

        let inner = Elements { items: vec![Expectation::Bulk(b"a".to_vec()), Expectation::Null], is_open: false };
        let items = vec![
            Expectation::Integer { min: 1, max: 1 },
            Expectation::Array(inner),
            Expectation::Simple(Text::Exact(b"OK".to_vec())),
            Expectation::Error(Text::Exact(b"ERR x".to_vec())),
            Expectation::Double(Text::Exact(b"-1.5".to_vec())),
        ];
        assert_eq!(parsed, Expectation::Array(Elements { items, is_open: true }));
    }

    #[test]
    fn a_malformed_expectation_is_refused() {
        for text in ["", "foo", "[1", "%{\"a\" :1}", ":x", "\"a", "/a", "[... :1]", "(12x", ":1 :2", "=tx \"a\""] {
            assert!(Expectation::parse(text).is_err(), "{text}");
        }
        assert!(Expectation::parse(&"[".repeat(1000)).is_err());
    }
}
