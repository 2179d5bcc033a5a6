//! `bind`: the addresses to listen on.

use crate::config::invalid::Invalid;
use crate::config::stored::{Kind, Origin, Stored};

/// The addresses to listen on, in order; none means no TCP listener at all.
///
/// `*` is every IPv4 address and `::*` every IPv6 address; a `-` in front makes an address optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind(pub Vec<String>);

impl Default for Bind {
    fn default() -> Self {
        Self(vec!["*".to_owned(), "-::*".to_owned()])
    }
}

impl Stored for Bind {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        if words.len() > BIND_ADDRESSES_MAX {
            return Err(Invalid::BindTooMany);
        }
        // `bind ""` is the way to say "none".
        let words = if matches!(words, [word] if word.is_empty()) { &[] } else { words };
        let text = |word: &&[u8]| std::str::from_utf8(word).map(str::to_owned).map_err(|_| Invalid::NotUtf8);
        self.0 = words.iter().map(text).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        self.0.join(" ").into_bytes()
    }

    fn lines(&self, kind: &Kind) -> Vec<Vec<u8>> {
        vec![if self.0.is_empty() { b"\"\"".to_vec() } else { self.text(kind) }]
    }
}

/// Addresses `bind` takes (Redis 7.0.15 refuses a 17th).
const BIND_ADDRESSES_MAX: usize = 16;
