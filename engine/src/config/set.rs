//! CONFIG SET: all of several options, or none.

use std::fmt;

use super::choices::Allowed;
use super::invalid::Invalid;
use super::row::Row;
use super::stored::Origin;
use super::{Config, ROWS, find};

/// Where a CONFIG SET comes from, for `enable-protected-configs local`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// This process or this machine.
    Local,
    /// Another machine.
    Remote,
}

/// The options whose values a CONFIG SET changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    names: Vec<&'static str>,
}

impl Changed {
    /// Whether the option with this name (its present one) changed.
    ///
    /// # Panics
    /// When there is no such option: a name misspelt by the caller.
    pub fn has(&self, name: &str) -> bool {
        assert!(ROWS.iter().any(|row| row.name == name), "{name} is an option's present name");
        self.names.contains(&name)
    }

    /// The present names of all changed options, in the order of the table.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The options whose values differ between two configurations.
    pub fn between(before: &Config, after: &Config) -> Self {
        let changed = ROWS.iter().filter(|row| !row.is_same(before, after));
        Self { names: changed.map(|row| row.name).collect() }
    }
}

/// Why a CONFIG SET changed nothing. `Display` is the reply's text after `ERR `.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetError {
    /// The same option twice.
    Duplicate {
        /// The name as written.
        option: Vec<u8>,
    },
    /// An option that only a file can set.
    Immutable {
        /// The name as written.
        option: Vec<u8>,
    },
    /// An option that `enable-protected-configs` guards.
    Protected {
        /// The name as written.
        option: Vec<u8>,
    },
    /// No such option.
    Unknown {
        /// The name as written.
        option: Vec<u8>,
    },
    /// A value that does not fit, or that the system refused.
    Value {
        /// The name under which the option was found, in lower case.
        option: &'static str,
        /// Why.
        cause: Invalid,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = |f: &mut fmt::Formatter<'_>, option: &[u8], why: &dyn fmt::Display| {
            let option = String::from_utf8_lossy(option);
            write!(f, "CONFIG SET failed (possibly related to argument '{option}') - {why}")
        };
        match self {
            Self::Duplicate { option } => failed(f, option, &"duplicate parameter"),
            Self::Immutable { option } => failed(f, option, &"can't set immutable config"),
            Self::Protected { option } => failed(f, option, &"can't set protected config"),
            Self::Unknown { option } => {
                let option = String::from_utf8_lossy(option);
                write!(f, "Unknown option or number of arguments for CONFIG SET - '{option}'")
            }
            Self::Value { option, cause } => failed(f, option.as_bytes(), cause),
        }
    }
}

impl std::error::Error for SetError {}

impl Config {
    /// The configuration after `pairs` of names and values, and what it changes; this one stays as it is.
    ///
    /// For a node, which must make a change happen (listen, open a file) before it may keep it.
    ///
    /// # Errors
    /// The first wrong name decides before the first wrong value, as in Redis.
    pub fn prepare(&self, pairs: &[(&[u8], &[u8])], caller: Caller) -> Result<(Self, Changed), SetError> {
        let mut next = self.clone();
        for (row, option, value) in self.checked_names(pairs, caller)? {
            let words: Vec<&[u8]> = if row.is_multi() { split_value(value) } else { vec![value] };
            row.assign(&mut next, &words, Origin::Set).map_err(|cause| SetError::Value { option, cause })?;
        }
        next.clamp();
        let changed = Changed::between(self, &next);
        Ok((next, changed))
    }

    /// Sets all of `pairs` or, on an error, none; returns what changed.
    ///
    /// # Errors
    /// As [`Config::prepare`].
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])], caller: Caller) -> Result<Changed, SetError> {
        let (next, changed) = self.prepare(pairs, caller)?;
        *self = next;
        Ok(changed)
    }

    /// The rows `pairs` name, each with the spelling of its name that was used.
    fn checked_names<'a>(
        &self,
        pairs: &[(&[u8], &'a [u8])],
        caller: Caller,
    ) -> Result<Vec<(&'static Row, &'static str, &'a [u8])>, SetError> {
        let mut rows: Vec<(&'static Row, &'static str, &'a [u8])> = Vec::with_capacity(pairs.len());
        for &(name, value) in pairs {
            let option = name.to_vec();
            let Some(row) = find(name) else { return Err(SetError::Unknown { option }) };
            if row.flags.is_immutable() {
                return Err(SetError::Immutable { option });
            }
            if row.flags.is_protected() && !self.allows_protected(caller) {
                return Err(SetError::Protected { option });
            }
            // An option under its present and its older name is no duplicate to Redis (7.0.15); the last one wins.
            let spelling = row.spelling(name);
            if rows.iter().any(|(_, known, _)| *known == spelling) {
                return Err(SetError::Duplicate { option });
            }
            rows.push((row, spelling, value));
        }
        Ok(rows)
    }

    fn allows_protected(&self, caller: Caller) -> bool {
        match self.enable_protected_configs {
            Allowed::No => false,
            Allowed::Yes => true,
            Allowed::Local => caller == Caller::Local,
        }
    }

    /// Brings values into bounds that Redis applies in silence.
    pub(super) fn clamp(&mut self) {
        self.hz = self.hz.clamp(HZ_MIN, HZ_MAX);
    }
}

/// The words of one value of CONFIG SET: pieces between single spaces, as Redis cuts them; two spaces in a row make
/// an empty word, and an empty value has no words.
pub(super) fn split_value(value: &[u8]) -> Vec<&[u8]> {
    if value.is_empty() { Vec::new() } else { value.split(|&byte| byte == b' ').collect() }
}

/// Bounds of `hz` (redis.conf, "hz").
const HZ_MIN: u32 = 1;
const HZ_MAX: u32 = 500;
