//! Where a command's keys are.
//!
//! A [`KeySpec`] says how to find one group of keys in a request: where to begin and how to go on. Slot checks,
//! `COMMAND GETKEYS`, ACL key checks and prefetching all use [`each_key`].

use crate::error::ReplyError;
use crate::resp::args::Args;

/// One group of keys of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// What the command does with these keys.
    pub access: Access,
    /// Where the group begins.
    pub begin: Begin,
    /// How the keys follow from there.
    pub find: Find,
    /// What clients should know about the access; empty for nothing.
    pub notes: &'static str,
}

/// Where a group of keys begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At this word.
    Index(u16),
    /// Behind this keyword, searched from this word on (negative: from the end, towards the beginning).
    Keyword(&'static str, i16),
    /// Only the command can tell.
    Unknown,
    /// The one key of MIGRATE, which is told as the word [`MIGRATE_KEY`]; there is none if KEYS is given.
    MigrateOne,
    /// The keys behind the option KEYS of MIGRATE, which is told as that keyword. A password or a key may be the word
    /// `KEYS`, too.
    MigrateSeveral,
}

/// The word of MIGRATE that is its key, or empty when KEYS names keys.
pub const MIGRATE_KEY: u16 = 3;

/// How keys follow from the beginning of their group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// A count at `count` words from the beginning; the first key at `first` words, one every `step`.
    Count {
        /// Words from the beginning to the count.
        count: u16,
        /// Words from the beginning to the first key.
        first: u16,
        /// Words from key to key.
        step: u16,
    },
    /// From the beginning to `last` words further (negative: counted from the request's end), one every `step`.
    /// With `limit` above 1, only the first part in `limit` of the words up to the end.
    Range {
        /// The last key, relative to the first; -1 is the request's last word.
        last: i16,
        /// Words from key to key.
        step: u16,
        /// Divisor for requests whose later part is no keys (XREAD); 0 or 1 for none.
        limit: u16,
    },
    /// One key: the word behind the last `keyword` from word `from` on that is no value of another option. Clients
    /// are told that only the command knows.
    LastOption {
        /// The keyword in front of the key.
        keyword: &'static str,
        /// The word to begin at.
        from: u16,
        /// Other options, each with the number of its values.
        others: &'static [(&'static str, u16)],
    },
    /// Keys that do not stand in the request.
    Unknown,
}

/// What a command does with a group of keys; the names are those of Redis's key specifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(u16);

macro_rules! access {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        impl Access {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$name, $text)),*];
        }
    };
}

access! {
    /// Reads the value, changes nothing.
    RO = 0, "RO";
    /// Reads and changes the value.
    RW = 1, "RW";
    /// Replaces the value without reading it.
    OW = 2, "OW";
    /// Removes the key.
    RM = 3, "RM";
    /// Gives the client data of the value.
    ACCESS = 4, "access";
    /// Changes data in a way that depends on what was there.
    UPDATE = 5, "update";
    /// Adds data and leaves what was there.
    INSERT = 6, "insert";
    /// Removes data from the value.
    DELETE = 7, "delete";
    /// A pub/sub channel, not a key.
    NOT_KEY = 8, "not_key";
    /// The specification may miss some keys.
    INCOMPLETE = 9, "incomplete";
    /// The access depends on the request's words.
    VARIABLE = 10, "variable_flags";
}

impl Access {
    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `other` is among these.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The names clients see.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES.iter().filter(move |(access, _)| self.any(*access)).map(|(_, name)| *name)
    }
}

impl KeySpec {
    /// One key at word `index`.
    pub const fn one(index: u16, access: Access) -> Self {
        Self { access, begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 }, notes: "" }
    }

    /// Keys from word `index` to the end, one every `step` words.
    pub const fn every(index: u16, step: u16, access: Access) -> Self {
        Self { access, begin: Begin::Index(index), find: Find::Range { last: -1, step, limit: 0 }, notes: "" }
    }

    /// Keys from word `index` up to the word in front of the last one.
    pub const fn but_last(index: u16, access: Access) -> Self {
        Self { access, begin: Begin::Index(index), find: Find::Range { last: -2, step: 1, limit: 0 }, notes: "" }
    }

    /// Keys from word `first` to word `last`.
    pub const fn span(first: u16, last: u16, access: Access) -> Self {
        let find = Find::Range { last: (last - first) as i16, step: 1, limit: 0 };
        Self { access, begin: Begin::Index(first), find, notes: "" }
    }

    /// The same group with a note about the access.
    pub const fn noting(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }

    /// A count at word `index`, followed by that many keys.
    pub const fn counted(index: u16, access: Access) -> Self {
        Self { access, begin: Begin::Index(index), find: Find::Count { count: 0, first: 1, step: 1 }, notes: "" }
    }

    /// The same group, one key every `step` words.
    pub const fn stepping(mut self, step: u16) -> Self {
        self.find = match self.find {
            Find::Count { count, first, .. } => Find::Count { count, first, step },
            Find::Range { last, limit, .. } => Find::Range { last, step, limit },
            find @ (Find::LastOption { .. } | Find::Unknown) => find,
        };
        self
    }

    /// One key behind `keyword`, which is searched from word `from` on.
    pub const fn after(keyword: &'static str, from: i16, access: Access) -> Self {
        Self {
            access,
            begin: Begin::Keyword(keyword, from),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            notes: "",
        }
    }
}

/// One key at word 1 that is read: `GET`.
pub const READ_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RO.and(Access::ACCESS))];
/// One key at word 1 that is read for a property of it: `STRLEN`, `TTL`.
pub const INSPECT_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RO)];
/// One key at word 1 that is replaced: `SETEX`.
pub const OVERWRITE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::OW.and(Access::UPDATE))];
/// One key at word 1 that is read and changed: `INCR`, whose reply tells the value.
pub const UPDATE_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];
/// One key at word 1 that gets more data: `APPEND`.
pub const INSERT_ONE: &[KeySpec] = &[KeySpec::one(1, Access::RW.and(Access::INSERT))];
/// No keys.
pub const NO_KEYS: &[KeySpec] = &[];

/// The keys of MIGRATE.
pub const MIGRATE_KEYS: &[KeySpec] = &[
    KeySpec {
        access: Access::RW.and(Access::ACCESS).and(Access::DELETE),
        begin: Begin::MigrateOne,
        find: Find::Range { last: 0, step: 1, limit: 0 },
        notes: "",
    },
    KeySpec {
        access: Access::RW.and(Access::ACCESS).and(Access::DELETE).and(Access::INCOMPLETE),
        begin: Begin::MigrateSeveral,
        find: Find::Range { last: -1, step: 1, limit: 0 },
        notes: "",
    },
];

/// Calls `visit` with the word index and access of every key of a request, in order.
///
/// # Errors
/// When a key count is no number or does not fit the request.
pub fn each_key(specs: &[KeySpec], args: Args<'_>, mut visit: impl FnMut(usize, Access)) -> Result<(), ReplyError> {
    for spec in specs {
        if let Find::LastOption { keyword, from, others } = spec.find {
            last_option(args, keyword, usize::from(from), others)
                .into_iter()
                .for_each(|index| visit(index, spec.access));
        }
        let Some(begin) = spec.begin.position(args) else { continue };
        let (first, last, step) = spec.find.bounds(begin, args)?;
        let mut index = first;
        while index <= last && index < args.len() {
            visit(index, spec.access);
            index += step.max(1);
        }
    }
    Ok(())
}

fn last_option(args: Args<'_>, keyword: &str, from: usize, others: &[(&str, u16)]) -> Option<usize> {
    let (mut found, mut index) = (None, from);
    while index < args.len() {
        match others.iter().find(|(other, _)| args.is(index, other)) {
            Some((_, values)) => index += usize::from(*values),
            None if args.is(index, keyword) && index + 1 < args.len() => found = Some(index + 1),
            None => {}
        }
        index += 1;
    }
    found
}

impl Begin {
    fn position(self, args: Args<'_>) -> Option<usize> {
        match self {
            Self::Index(index) => Some(usize::from(index)).filter(|&index| index < args.len()),
            Self::Keyword(keyword, from) if from >= 0 => {
                (from as usize..args.len()).find(|&index| args.is(index, keyword)).map(|index| index + 1)
            }
            Self::Keyword(keyword, from) => {
                let last = args.len().checked_sub(from.unsigned_abs() as usize)?;
                (1..=last).rev().find(|&index| args.is(index, keyword)).map(|index| index + 1)
            }
            Self::Unknown => None,
            Self::MigrateOne => migrate_keys(args).is_none().then_some(usize::from(MIGRATE_KEY)),
            Self::MigrateSeveral if args.get(usize::from(MIGRATE_KEY)).is_none_or(|key| !key.is_empty()) => None,
            Self::MigrateSeveral => migrate_keys(args).filter(|&first| first < args.len()),
        }
    }
}

/// Where the keys behind the option KEYS of MIGRATE begin.
fn migrate_keys(args: Args<'_>) -> Option<usize> {
    let mut index = usize::from(MIGRATE_KEY) + 3;
    while index < args.len() {
        if args.is(index, "KEYS") {
            return Some(index + 1);
        }
        index += match () {
            () if args.is(index, "AUTH") => 2,
            () if args.is(index, "AUTH2") => 3,
            () => 1,
        };
    }
    None
}

impl Find {
    /// First and last word index and the step.
    fn bounds(self, begin: usize, args: Args<'_>) -> Result<(usize, usize, usize), ReplyError> {
        match self {
            Self::Range { last, step, limit } => {
                let last = if last >= 0 {
                    begin + last as usize
                } else if limit > 1 {
                    begin + ((args.len() - begin) / usize::from(limit)).saturating_sub(last.unsigned_abs() as usize)
                } else {
                    args.len().saturating_sub(last.unsigned_abs() as usize)
                };
                Ok((begin, last, usize::from(step)))
            }
            Self::Count { count, first, step } => {
                let count = args.get(begin + usize::from(count)).and_then(crate::number::parse_i64);
                let (first, step) = (begin + usize::from(first), usize::from(step).max(1));
                match count {
                    Some(0) => Ok((1, 0, 1)),
                    Some(count) if count > 0 && count as usize <= args.len().saturating_sub(first).div_ceil(step) => {
                        Ok((first, first + (count as usize - 1) * step, step))
                    }
                    _ => Err(ReplyError::Fixed("ERR Invalid arguments specified for command")),
                }
            }
            // Those have no beginning.
            Self::LastOption { .. } | Self::Unknown => Ok((1, 0, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Begin, Find, KeySpec, MIGRATE_KEYS, each_key};
    use crate::resp::args::ArgsBuf;

    fn found(spec: KeySpec, line: &str) -> Vec<usize> {
        let args: ArgsBuf = line.split(' ').collect();
        let mut keys = Vec::new();
        each_key(&[spec], args.as_args(), |index, _| keys.push(index)).unwrap();
        keys
    }

    #[test]
    fn keys_are_found_by_index_step_count_and_keyword() {
        assert_eq!(found(KeySpec::one(1, Access::RO), "GET k"), [1]);
        assert_eq!(found(KeySpec::every(1, 2, Access::OW), "MSET a 1 b 2"), [1, 3]);
        assert_eq!(found(KeySpec::counted(1, Access::RO), "ZUNION 2 a b WEIGHTS 1 2"), [2, 3]);
        assert_eq!(found(KeySpec::counted(1, Access::OW).stepping(2), "MSETEX 2 a 1 b 2 NX"), [2, 4]);
        assert_eq!(found(KeySpec::after("STORE", 2, Access::OW), "SORT a BY w store d"), [5]);
        assert_eq!(found(KeySpec::after("STORE", -2, Access::RW), "SORT a STORE x STORE k"), [5]);
    }

    #[test]
    fn migrate_names_its_keys_in_one_of_two_ways() {
        let found = |line: &str| {
            let args: ArgsBuf = line.split(' ').collect();
            let mut keys = Vec::new();
            each_key(MIGRATE_KEYS, args.as_args(), |index, _| keys.push(index)).unwrap();
            keys
        };
        assert_eq!(found("MIGRATE h 1 k 0 5 COPY"), [3]);
        assert_eq!(found("MIGRATE h 1 k 0 5 AUTH keys"), [3]);
        assert_eq!(found("MIGRATE h 1  0 5 REPLACE KEYS a keys b"), [8, 9, 10]);
        assert_eq!(found("MIGRATE h 1  0 5 AUTH2 keys keys keys a"), [10]);
        assert_eq!(found("MIGRATE h 1  0 5"), [3]);
        assert_eq!(found("MIGRATE h 1  0 5 KEYS"), [0; 0]);
        assert_eq!(found("MIGRATE h 1 k 0 5 KEYS a"), [0; 0]);
    }

    #[test]
    fn the_last_option_is_found_that_is_no_value_of_another() {
        let others = &[("LIMIT", 2), ("GET", 1)];
        let find = Find::LastOption { keyword: "STORE", from: 2, others };
        let spec = KeySpec { access: Access::OW, begin: Begin::Unknown, find, notes: "" };

        assert_eq!(found(spec, "SORT k store a GET x STORE b"), [7]);
        assert_eq!(found(spec, "SORT k GET STORE STORE d"), [5]);
        assert_eq!(found(spec, "SORT k STORE STORE"), [3]);
        assert_eq!(found(spec, "SORT k LIMIT STORE d STORE"), [0; 0]);
    }

    #[test]
    fn a_count_that_lies_is_an_error() {
        for (step, line) in [(1, "ZUNION 9 a"), (1, "ZUNION -1 a"), (1, "ZUNION x a"), (2, "MSETEX 3 a 1 b 2")] {
            let args: ArgsBuf = line.split(' ').collect();
            let keys = [KeySpec::counted(1, Access::RO).stepping(step)];

            assert!(each_key(&keys, args.as_args(), |_, _| {}).is_err(), "{line}");
        }
    }
}
