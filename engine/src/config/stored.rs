//! How a field of [`Config`](super::Config) takes and shows its value: the trait behind every row of the table.
//!
//! Lives here: the kinds of option, the trait, and its implementation for plain values. The options with a grammar
//! of their own are in [`special`](super::special). Start at [`Kind`].

use super::invalid::Invalid;
use super::memory::{MemoryShare, memory_text, parse_memory, parse_memory_share};
use super::text::quote;

/// What values an option takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `yes` or `no`.
    Flag,
    /// `no` or 0 only: what the option would turn on is not here, and pretending would do harm. The text says so.
    Off(&'static str),
    /// A whole number.
    Integer {
        /// Smallest accepted value.
        min: i64,
        /// Largest accepted value.
        max: i64,
    },
    /// A number of octal digits.
    Octal {
        /// Smallest accepted value.
        min: i64,
        /// Largest accepted value.
        max: i64,
    },
    /// Bytes, with an optional unit.
    Memory {
        /// Smallest accepted value, in bytes.
        min: u64,
        /// Largest accepted value, in bytes.
        max: u64,
    },
    /// Bytes, or a percentage of `maxmemory`.
    MemoryOrPercent,
    /// One of several words.
    Choice(&'static [&'static str]),
    /// Any text that passes the check.
    Text(fn(&str) -> Result<(), Invalid>),
    /// Any bytes.
    Bytes,
    /// One word with a grammar of its own; the text says which.
    Word(&'static str),
    /// Several words with a grammar of their own; the text says which.
    Words(&'static str),
}

/// Where a value comes from: some options add up over the lines of a file but are replaced by CONFIG SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A line of a configuration file or of the command line.
    File,
    /// CONFIG SET.
    Set,
}

/// A type an option's field can have.
pub(super) trait Stored: Clone + PartialEq {
    /// Takes the value that `words` spell; leaves the field alone on an error.
    fn assign(&mut self, kind: &Kind, words: &[&[u8]], origin: Origin) -> Result<(), Invalid>;

    /// The value as CONFIG GET shows it.
    fn text(&self, kind: &Kind) -> Vec<u8>;

    /// The value in the form CONFIG REWRITE gives it.
    fn written(&self, kind: &Kind) -> Vec<u8> {
        self.text(kind)
    }

    /// The lines CONFIG REWRITE writes, without the option's name.
    fn lines(&self, kind: &Kind, default: &Self) -> Vec<Line> {
        vec![Line { value: self.written(kind), forced: self != default }]
    }
}

/// One line of CONFIG REWRITE, without the option's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What follows the name.
    pub value: Vec<u8>,
    /// Whether the line is added when the file has none for it.
    pub forced: bool,
}

/// The one word of an option that takes exactly one.
fn single<'a>(words: &[&'a [u8]]) -> Result<&'a [u8], Invalid> {
    match words {
        [word] => Ok(word),
        _ => Err(Invalid::ArgumentCount),
    }
}

/// Reads a whole number in the only form Redis takes: no `+`, no blanks, no leading zeros, no `-0`.
pub(super) fn parse_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => text.len() == 1,
        [first, rest @ ..] => matches!(first, b'1'..=b'9') && rest.iter().all(u8::is_ascii_digit),
        [] => false,
    };
    if !canonical {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Stored for bool {
    fn assign(&mut self, kind: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        let word = single(words)?;
        if word.eq_ignore_ascii_case(b"yes") {
            if let Kind::Off(why) = kind {
                return Err(Invalid::NotHere(why));
            }
            *self = true;
        } else if word.eq_ignore_ascii_case(b"no") {
            *self = false;
        } else {
            return Err(Invalid::NotBool);
        }
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        if *self { b"yes".to_vec() } else { b"no".to_vec() }
    }
}

/// Reads a number of any numeric kind and checks the row's bounds.
fn parse_number(kind: &Kind, word: &[u8]) -> Result<i128, Invalid> {
    match *kind {
        Kind::Octal { min, max } => {
            let text = std::str::from_utf8(word).map_err(|_| Invalid::NotOctal)?;
            // Redis (7.0.15) takes no digits at all for 0 here.
            let number = if text.is_empty() { Ok(0) } else { i64::from_str_radix(text, 8) };
            let number = number.map_err(|_| Invalid::NotOctal)?;
            if number < min || number > max {
                return Err(Invalid::OutOfOctalRange { min, max });
            }
            Ok(i128::from(number))
        }
        Kind::Memory { min, max } => bounded(i128::from(parse_memory(word)?), i128::from(min), i128::from(max)),
        Kind::Integer { min, max } => {
            let number = parse_integer(word).ok_or(Invalid::NotInteger)?;
            bounded(i128::from(number), i128::from(min), i128::from(max))
        }
        Kind::Off(why) => match parse_integer(word).ok_or(Invalid::NotInteger)? {
            0 => Ok(0),
            _ => Err(Invalid::NotHere(why)),
        },
        Kind::Flag
        | Kind::MemoryOrPercent
        | Kind::Choice(_)
        | Kind::Text(_)
        | Kind::Bytes
        | Kind::Word(_)
        | Kind::Words(_) => unreachable!("a numeric field has a numeric row"),
    }
}

fn bounded(number: i128, min: i128, max: i128) -> Result<i128, Invalid> {
    if number < min || number > max { Err(Invalid::OutOfRange { min, max }) } else { Ok(number) }
}

macro_rules! stored_number {
    ($($type:ty)+) => {$(
        impl Stored for $type {
            fn assign(&mut self, kind: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
                let number = parse_number(kind, single(words)?)?;
                *self = Self::try_from(number).expect("a row's bounds lie within its field's type");
                Ok(())
            }

            fn text(&self, kind: &Kind) -> Vec<u8> {
                match kind {
                    Kind::Octal { .. } => format!("{self:o}").into_bytes(),
                    _ => self.to_string().into_bytes(),
                }
            }

            fn written(&self, kind: &Kind) -> Vec<u8> {
                match kind {
                    Kind::Memory { .. } => {
                        let bytes = u64::try_from(*self).expect("memory is not negative");
                        memory_text(bytes).into_bytes()
                    }
                    _ => self.text(kind),
                }
            }
        }
    )+};
}

stored_number!(u16 u32 i32 u64 i64 usize);

impl Stored for MemoryShare {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        *self = parse_memory_share(single(words)?)?;
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_string().into_bytes(),
            Self::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn written(&self, kind: &Kind) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => memory_text(*bytes).into_bytes(),
            Self::Percent(_) => self.text(kind),
        }
    }
}

impl Stored for String {
    fn assign(&mut self, kind: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        let Kind::Text(check) = kind else { unreachable!("a text field has a text row") };
        let text = std::str::from_utf8(single(words)?).map_err(|_| Invalid::NotUtf8)?;
        check(text)?;
        text.clone_into(self);
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn written(&self, _: &Kind) -> Vec<u8> {
        quote(self.as_bytes())
    }
}

impl Stored for Vec<u8> {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        *self = single(words)?.to_vec();
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        self.clone()
    }

    fn written(&self, _: &Kind) -> Vec<u8> {
        quote(self)
    }
}

#[cfg(test)]
mod tests {
    use super::parse_integer;

    #[test]
    fn only_canonical_integers_are_numbers() {
        for (text, number) in [("0", 0), ("-1", -1), ("42", 42), ("-9223372036854775808", i64::MIN)] {
            assert_eq!(parse_integer(text.as_bytes()), Some(number));
        }
        for text in ["", "-", "-0", "+5", " 5", "05", "0x5", "1.5", "9223372036854775808", "abc"] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text}");
        }
    }
}
