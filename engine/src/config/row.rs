//! One row of the option table: everything CONFIG GET, SET, REWRITE, the file parser and the docs need to know.

use super::Config;
use super::invalid::Invalid;
use super::stored::{Kind, Origin};

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The name CONFIG GET and REWRITE print.
    pub name: &'static str,
    /// An older name that means the same.
    pub alias: Option<&'static str>,
    /// The values it takes.
    pub kind: Kind,
    /// When it may change and who sees it.
    pub flags: Flags,
    /// Whether it does something here.
    pub effect: Effect,
    /// One or more sentences about it.
    pub doc: &'static str,
    pub(super) assign: fn(&mut Config, &Kind, &[&[u8]], Origin) -> Result<(), Invalid>,
    pub(super) text: fn(&Config, &Kind) -> Vec<u8>,
    pub(super) lines: fn(&Config, &Kind) -> Vec<Vec<u8>>,
    pub(super) same: fn(&Config, &Config) -> bool,
}

/// Whether an option does something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is taken, kept and shown, and nothing else; the text says why.
    Accepted(&'static str),
    /// It does what Redis documents.
    Effective,
}

/// When an option may change and who sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub(super) u8);

/// CONFIG SET refuses it.
pub(super) const IMMUTABLE: u8 = 1;
/// CONFIG SET refuses it unless `enable-protected-configs` allows it.
pub(super) const PROTECTED: u8 = 2;
/// Patterns do not find it, its exact name does.
pub(super) const HIDDEN: u8 = 4;
/// Its value is a secret.
pub(super) const SENSITIVE: u8 = 8;

impl Flags {
    /// Whether only a configuration file or the command line can set it.
    pub const fn is_immutable(self) -> bool {
        self.0 & IMMUTABLE != 0
    }

    /// Whether `enable-protected-configs` guards it.
    pub const fn is_protected(self) -> bool {
        self.0 & PROTECTED != 0
    }

    /// Whether CONFIG GET finds it by its exact name only.
    pub const fn is_hidden(self) -> bool {
        self.0 & HIDDEN != 0
    }

    /// Whether its value must not be shown in logs.
    pub const fn is_sensitive(self) -> bool {
        self.0 & SENSITIVE != 0
    }
}

impl Row {
    /// Whether the option takes several words.
    pub const fn is_multi(&self) -> bool {
        matches!(self.kind, Kind::Words(_))
    }

    /// The value as CONFIG GET shows it.
    pub fn value(&self, config: &Config) -> Vec<u8> {
        (self.text)(config, &self.kind)
    }

    /// Whether two configurations agree about the option.
    pub fn is_same(&self, one: &Config, other: &Config) -> bool {
        (self.same)(one, other)
    }

    pub(super) fn assign(&self, config: &mut Config, words: &[&[u8]], origin: Origin) -> Result<(), Invalid> {
        (self.assign)(config, &self.kind, words, origin)
    }

    /// The present or the older name, whichever `name` is.
    pub(super) fn spelling(&self, name: &[u8]) -> &'static str {
        match self.alias {
            Some(alias) if alias.as_bytes().eq_ignore_ascii_case(name) => alias,
            _ => self.name,
        }
    }

    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        let is = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        is(self.name) || self.alias.is_some_and(is)
    }
}
