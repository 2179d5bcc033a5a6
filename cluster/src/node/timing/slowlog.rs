//! The slow log: commands that took too long, with their words cut to a bearable length.

use std::collections::VecDeque;
use std::ops::Range;

use slotmesh_engine::config::find;
use slotmesh_engine::resp::args::Args;

/// The slowest commands of late, newest last.
#[derive(Debug, Default)]
pub(in crate::node) struct Slowlog {
    entries: VecDeque<Entry>,
    next_id: u64,
}

/// One slow command.
#[derive(Debug)]
pub(in crate::node) struct Entry {
    pub(in crate::node) id: u64,
    pub(in crate::node) event: Event,
}

/// What happened.
#[derive(Debug)]
pub(in crate::node) struct Event {
    /// When it began.
    pub(in crate::node) unix_secs: i64,
    /// Microseconds; bytes in the logs of large requests and replies.
    pub(in crate::node) measure: u64,
    pub(in crate::node) words: Vec<Vec<u8>>,
    /// The client's address.
    pub(in crate::node) address: String,
    /// The client's name.
    pub(in crate::node) name: Vec<u8>,
}

impl Slowlog {
    /// Keeps an entry; old ones beyond `max` go.
    pub(in crate::node) fn add(&mut self, event: Event, max: u64) {
        self.entries.push_back(Entry { id: self.next_id, event });
        self.next_id += 1;
        self.trim(max);
    }

    /// Drops the oldest entries beyond `max`.
    pub(in crate::node) fn trim(&mut self, max: u64) {
        let surplus = self.entries.len().saturating_sub(usize::try_from(max).unwrap_or(usize::MAX));
        self.entries.drain(..surplus);
    }

    pub(in crate::node) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(in crate::node) fn reset(&mut self) {
        self.entries.clear();
    }

    /// Entries, newest first.
    pub(in crate::node) fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }
}

/// The words of the command that is being measured, cut; the memory is kept from command to command.
#[derive(Debug, Default)]
pub(in crate::node) struct Words {
    bytes: Vec<u8>,
    /// End in `bytes` of each word kept, and how many bytes it had.
    ends: Vec<(usize, usize)>,
    /// Words of the command.
    count: usize,
}

impl Words {
    /// Keeps what the slow log would show of a command; those in `hidden` are secrets.
    pub(in crate::node) fn take(&mut self, args: Args<'_>, hidden: Range<usize>) {
        self.bytes.clear();
        self.ends.clear();
        self.count = args.len();
        let kept = if args.len() > WORDS_MAX { WORDS_MAX - 1 } else { args.len() };
        for (index, word) in args.iter().take(kept).enumerate() {
            let word = if hidden.contains(&index) { REDACTED } else { word };
            self.bytes.extend_from_slice(&word[..word.len().min(WORD_BYTES_MAX)]);
            self.ends.push((self.bytes.len(), word.len()));
        }
    }

    /// The words as the slow log shows them.
    pub(in crate::node) fn shown(&self) -> Vec<Vec<u8>> {
        let mut shown = Vec::with_capacity(self.ends.len() + 1);
        let mut start = 0;
        for &(end, len) in &self.ends {
            let mut word = self.bytes[start..end].to_vec();
            if len > WORD_BYTES_MAX {
                word.extend_from_slice(format!("... ({} more bytes)", len - WORD_BYTES_MAX).as_bytes());
            }
            shown.push(word);
            start = end;
        }
        if self.count > self.ends.len() {
            let more = self.count - self.ends.len();
            shown.push(format!("... ({more} more arguments)").into_bytes());
        }
        shown
    }
}

/// The places of a command's words that are secrets.
pub(in crate::node) fn hidden_words(full_name: &str, args: Args<'_>) -> Range<usize> {
    match full_name {
        "auth" => 1..args.len(),
        "config|set" => {
            let secret = |at: &usize| find(args.at(*at)).is_some_and(|row| row.flags.is_sensitive());
            // One range: the values of options between two secrets are hidden with them.
            let mut places = (2..args.len().saturating_sub(1)).step_by(2).filter(secret);
            let Some(first) = places.next() else { return 0..0 };
            first + 1..places.next_back().unwrap_or(first) + 2
        }
        "hello" => {
            let auth = (2..args.len()).find(|&at| args.is(at, "AUTH"));
            auth.map_or(0..0, |at| at + 1..(at + 3).min(args.len()))
        }
        "migrate" => {
            let mut at = 6;
            let mut hidden = 0..0;
            while at < args.len() && !args.is(at, "KEYS") {
                let words = usize::from(args.is(at, "AUTH")) + 2 * usize::from(args.is(at, "AUTH2"));
                if words > 0 {
                    // One range: what stands between two logins is hidden with them.
                    let begin = if hidden.is_empty() { at + 1 } else { hidden.start };
                    hidden = begin..(at + 1 + words).min(args.len());
                }
                at += 1 + words;
            }
            hidden
        }
        _ => 0..0,
    }
}

/// What stands for a secret.
pub(in crate::node) const REDACTED: &[u8] = b"(redacted)";

/// Words an entry keeps (Redis: `SLOWLOG_ENTRY_MAX_ARGC`).
const WORDS_MAX: usize = 32;

/// Bytes an entry keeps of each word (Redis: `SLOWLOG_ENTRY_MAX_STRING`).
const WORD_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use slotmesh_engine::resp::args::ArgsBuf;

    use super::{Words, hidden_words};

    fn shown(name: &str, words: &[&str]) -> Vec<String> {
        let request: ArgsBuf = words.iter().copied().collect();
        let mut kept = Words::default();
        kept.take(request.as_args(), hidden_words(name, request.as_args()));
        kept.shown().into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn long_words_and_many_words_are_cut() {
        let long = "x".repeat(130);
        let words = shown("del", &["DEL", &long]);
        assert_eq!(words[1], format!("{}... (2 more bytes)", "x".repeat(128)));

        let many = shown("del", &vec!["k"; 33]);
        assert_eq!((many.len(), many[31].as_str()), (32, "... (2 more arguments)"));
        assert_eq!(shown("del", &vec!["k"; 32]).len(), 32);
    }

    #[test]
    fn secrets_are_not_kept() {
        assert_eq!(shown("auth", &["AUTH", "u", "p"]), ["AUTH", "(redacted)", "(redacted)"]);
        assert_eq!(
            shown("hello", &["HELLO", "3", "AUTH", "u", "p", "SETNAME", "n"]),
            ["HELLO", "3", "AUTH", "(redacted)", "(redacted)", "SETNAME", "n"]
        );
        assert_eq!(
            shown("config|set", &["CONFIG", "SET", "hz", "1", "requirepass", "p"]),
            ["CONFIG", "SET", "hz", "1", "requirepass", "(redacted)"]
        );
        assert_eq!(
            shown("migrate", &["MIGRATE", "auth", "1", "", "0", "9", "AUTH2", "u", "p", "COPY", "KEYS", "auth", "k"]),
            ["MIGRATE", "auth", "1", "", "0", "9", "AUTH2", "(redacted)", "(redacted)", "COPY", "KEYS", "auth", "k"]
        );
    }
}
