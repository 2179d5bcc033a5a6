//! `notify-keyspace-events`: which events on keys are published.

use crate::config::invalid::Invalid;
use crate::config::stored::{Kind, Origin, Stored};
use crate::config::text::quote;

/// A set of event classes and of the two channels they are published on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeyspaceEvents(u16);

impl KeyspaceEvents {
    /// Nothing is published.
    pub const NONE: Self = Self(0);
    /// `K`: channels named after the key.
    pub const KEYSPACE: Self = Self(1);
    /// `E`: channels named after the event.
    pub const KEYEVENT: Self = Self(1 << 1);
    /// `g`: commands of no type, as DEL and EXPIRE.
    pub const GENERIC: Self = Self(1 << 2);
    /// `$`: string commands.
    pub const STRING: Self = Self(1 << 3);
    /// `l`: list commands.
    pub const LIST: Self = Self(1 << 4);
    /// `s`: set commands.
    pub const SET: Self = Self(1 << 5);
    /// `h`: hash commands.
    pub const HASH: Self = Self(1 << 6);
    /// `z`: sorted set commands.
    pub const ZSET: Self = Self(1 << 7);
    /// `x`: keys that expired.
    pub const EXPIRED: Self = Self(1 << 8);
    /// `e`: keys that made room for others.
    pub const EVICTED: Self = Self(1 << 9);
    /// `t`: stream commands.
    pub const STREAM: Self = Self(1 << 10);
    /// `m`: reads that found no key.
    pub const KEY_MISS: Self = Self(1 << 11);
    /// `d`: events of modules.
    pub const MODULE: Self = Self(1 << 13);
    /// `n`: keys that are new.
    pub const NEW: Self = Self(1 << 14);
    /// `A`: `g$lshzxetd`.
    pub const ALL: Self = Self(
        Self::GENERIC.0
            | Self::STRING.0
            | Self::LIST.0
            | Self::SET.0
            | Self::HASH.0
            | Self::ZSET.0
            | Self::EXPIRED.0
            | Self::EVICTED.0
            | Self::STREAM.0
            | Self::MODULE.0,
    );

    /// Whether every class of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets together.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set that letters spell; nothing when a letter is unknown.
    pub fn from_letters(letters: &[u8]) -> Option<Self> {
        letters.iter().try_fold(Self::NONE, |set, letter| {
            let class = LETTERS.iter().find(|(known, _)| known == letter);
            let class = class.map(|(_, class)| *class).or((*letter == b'A').then_some(Self::ALL))?;
            Some(set.union(class))
        })
    }

    /// The letters of the set, in Redis's order; `A` stands for all that it covers.
    pub fn letters(self) -> String {
        let all = self.contains(Self::ALL);
        let mut letters = String::from(if all { "A" } else { "" });
        for (letter, class) in LETTERS {
            // Redis (7.0.15) does not show `n` beside `A`.
            let covered = all && (Self::ALL.contains(class) || class == Self::NEW);
            if self.contains(class) && !covered {
                letters.push(char::from(letter));
            }
        }
        letters
    }
}

const LETTERS: [(u8, KeyspaceEvents); 14] = [
    (b'g', KeyspaceEvents::GENERIC),
    (b'$', KeyspaceEvents::STRING),
    (b'l', KeyspaceEvents::LIST),
    (b's', KeyspaceEvents::SET),
    (b'h', KeyspaceEvents::HASH),
    (b'z', KeyspaceEvents::ZSET),
    (b'x', KeyspaceEvents::EXPIRED),
    (b'e', KeyspaceEvents::EVICTED),
    (b't', KeyspaceEvents::STREAM),
    (b'd', KeyspaceEvents::MODULE),
    (b'n', KeyspaceEvents::NEW),
    (b'K', KeyspaceEvents::KEYSPACE),
    (b'E', KeyspaceEvents::KEYEVENT),
    (b'm', KeyspaceEvents::KEY_MISS),
];

impl Stored for KeyspaceEvents {
    fn assign(&mut self, _: &Kind, words: &[&[u8]], _: Origin) -> Result<(), Invalid> {
        let [word] = words else { return Err(Invalid::ArgumentCount) };
        *self = Self::from_letters(word).ok_or(Invalid::EventClass)?;
        Ok(())
    }

    fn text(&self, _: &Kind) -> Vec<u8> {
        self.letters().into_bytes()
    }

    fn lines(&self, kind: &Kind) -> Vec<Vec<u8>> {
        // REWRITE must not lose what CONFIG GET does not show.
        let mut letters = self.text(kind);
        if self.contains(Self::NEW) && !letters.contains(&b'n') {
            letters.push(b'n');
        }
        vec![quote(&letters)]
    }
}
