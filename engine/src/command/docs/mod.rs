//! What COMMAND DOCS tells about each command: one table per family.
//!
//! Facts that rows do not need to run: what a command is for, since when, at what cost, with which arguments. Rows
//! and docs find each other by the full name; a host registers its own with
//! [`Registry::add_docs`](super::Registry::add_docs). To document a command, add a [`Doc`] to its family's file.

mod bitmap;
mod connection;
mod expire;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod pubsub;
mod server;
mod set;
mod sorted;
mod stream;
mod string;
mod transaction;

/// The tables of the engine's own commands.
pub(super) const TABLES: &[&[Doc]] = &[
    bitmap::DOCS,
    connection::DOCS,
    expire::DOCS,
    generic::DOCS,
    geo::DOCS,
    hash::DOCS,
    hyperloglog::DOCS,
    list::DOCS,
    pubsub::DOCS,
    server::DOCS,
    set::DOCS,
    sorted::DOCS,
    stream::DOCS,
    string::DOCS,
    transaction::DOCS,
];

/// The documentation of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doc {
    /// The full name: `get`, `object|encoding`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The first version of Redis that had it.
    pub since: &'static str,
    /// What it costs; empty where there is nothing to say.
    pub complexity: &'static str,
    /// Versions that changed it, and how.
    pub history: &'static [(&'static str, &'static str)],
    /// Since when it is deprecated, and what to use instead.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Nodes send it to each other; clients have no use for it.
    pub is_internal: bool,
    /// The words behind its name.
    pub arguments: &'static [Argument],
}

/// A command's documentation: name, first version, summary.
pub const fn doc(name: &'static str, since: &'static str, summary: &'static str) -> Doc {
    Doc { name, summary, since, complexity: "O(1)", history: &[], deprecated: None, is_internal: false, arguments: &[] }
}

impl Doc {
    /// The same with its cost, where that is not constant.
    pub const fn costs(mut self, complexity: &'static str) -> Self {
        self.complexity = complexity;
        self
    }

    /// The same with the versions that changed it.
    pub const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Self {
        self.history = history;
        self
    }

    /// The same for a command that has a successor.
    pub const fn deprecated(mut self, since: &'static str, instead: &'static str) -> Self {
        self.deprecated = Some((since, instead));
        self
    }

    /// The same for a command between nodes.
    pub const fn internal(mut self) -> Self {
        self.is_internal = true;
        self
    }

    /// The same with its arguments.
    pub const fn takes(mut self, arguments: &'static [Argument]) -> Self {
        self.arguments = arguments;
        self
    }
}

/// One argument, or a group of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The keyword before it, or that it is; empty for none.
    pub token: &'static str,
    /// The first version that had it; empty for the command's.
    pub since: &'static str,
    /// It may be left out.
    pub is_optional: bool,
    /// It may be repeated.
    pub is_multiple: bool,
    /// Its keyword is repeated with it.
    pub repeats_token: bool,
    /// The parts of a group.
    pub parts: &'static [Self],
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Several arguments in a row.
    Block,
    /// A floating point number.
    Double,
    /// A whole number.
    Integer,
    /// A key, described by the command's key specification of this number.
    Key(u8),
    /// One of several arguments.
    OneOf,
    /// A glob pattern.
    Pattern,
    /// A keyword without a value.
    PureToken,
    /// Any bytes.
    String,
    /// A point in time.
    UnixTime,
}

impl Kind {
    /// The name clients see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Double => "double",
            Self::Integer => "integer",
            Self::Key(_) => "key",
            Self::OneOf => "oneof",
            Self::Pattern => "pattern",
            Self::PureToken => "pure-token",
            Self::String => "string",
            Self::UnixTime => "unix-time",
        }
    }
}

/// An argument of this kind.
pub const fn argument(name: &'static str, kind: Kind) -> Argument {
    let (is_optional, is_multiple, repeats_token) = (false, false, false);
    Argument { name, kind, token: "", since: "", is_optional, is_multiple, repeats_token, parts: &[] }
}

/// A key, described by the command's first key specification.
pub const fn key(name: &'static str) -> Argument {
    argument(name, Kind::Key(0))
}

/// Any bytes.
pub const fn string(name: &'static str) -> Argument {
    argument(name, Kind::String)
}

/// A whole number.
pub const fn integer(name: &'static str) -> Argument {
    argument(name, Kind::Integer)
}

/// A keyword without a value.
pub const fn token(name: &'static str, token: &'static str) -> Argument {
    argument(name, Kind::PureToken).after(token)
}

/// One of several arguments.
pub const fn one_of(name: &'static str, parts: &'static [Argument]) -> Argument {
    let mut group = argument(name, Kind::OneOf);
    group.parts = parts;
    group
}

/// Several arguments in a row.
pub const fn block(name: &'static str, parts: &'static [Argument]) -> Argument {
    let mut group = argument(name, Kind::Block);
    group.parts = parts;
    group
}

impl Argument {
    /// The same behind a keyword.
    pub const fn after(mut self, token: &'static str) -> Self {
        self.token = token;
        self
    }

    /// The same, known since a later version than the command.
    pub const fn since(mut self, since: &'static str) -> Self {
        self.since = since;
        self
    }

    /// The same, which may be left out.
    pub const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// The same, which may be repeated.
    pub const fn multiple(mut self) -> Self {
        self.is_multiple = true;
        self
    }

    /// The same, whose keyword is repeated with it.
    pub const fn repeating_token(mut self) -> Self {
        self.repeats_token = true;
        self
    }

    /// Fewest words it takes.
    pub fn words_min(&self) -> usize {
        let own = match self.kind {
            Kind::Block => self.parts.iter().map(Self::words_min).sum(),
            Kind::OneOf => self.parts.iter().map(Self::words_min).min().unwrap_or(0),
            // The keyword is the argument.
            Kind::PureToken => 0,
            Kind::Double | Kind::Integer | Kind::Key(_) | Kind::Pattern | Kind::String | Kind::UnixTime => 1,
        };
        if self.is_optional { 0 } else { own + usize::from(!self.token.is_empty()) }
    }

    /// Whether it can take more words than the fewest.
    pub fn is_elastic(&self) -> bool {
        let lengths = self.parts.iter().map(Self::words_min);
        let uneven = self.kind == Kind::OneOf && lengths.clone().min() != lengths.max();
        self.is_optional || self.is_multiple || uneven || self.parts.iter().any(Self::is_elastic)
    }
}

#[cfg(test)]
mod tests {
    use super::{Argument, Doc, TABLES};
    use crate::command::{Command, Registry, register};

    fn with_docs() -> Vec<(Command, &'static Doc)> {
        let mut registry = Registry::default();
        register(&mut registry);
        let commands = registry.iter().map(|(id, command)| (command.clone(), registry.doc(id)));
        commands
            .map(|(command, doc)| (command.clone(), doc.unwrap_or_else(|| panic!("{}", command.full_name))))
            .collect()
    }

    #[test]
    fn every_row_is_documented_and_nothing_else_is() {
        let rows = with_docs().len();
        let docs: usize = TABLES.iter().map(|table| table.len()).sum();

        assert_eq!(rows, docs);
    }

    #[test]
    fn arguments_agree_with_the_arity() {
        for (command, doc) in with_docs() {
            if !command.subcommands.is_empty() {
                continue;
            }
            let name_words = 1 + usize::from(command.parent.is_some());
            let words = name_words + doc.arguments.iter().map(Argument::words_min).sum::<usize>();
            let elastic = doc.arguments.iter().any(Argument::is_elastic);
            let arity = if elastic { -(words as i64) } else { words as i64 };

            assert_eq!(i64::from(command.arity), arity, "{}", command.full_name);
        }
    }

    #[test]
    fn arguments_name_key_specifications_that_exist() {
        fn check(command: &Command, arguments: &[Argument]) {
            for argument in arguments {
                if let super::Kind::Key(index) = argument.kind {
                    assert!(usize::from(index) < command.keys.len(), "{}", command.full_name);
                }
                check(command, argument.parts);
            }
        }

        for (command, doc) in with_docs() {
            check(&command, doc.arguments);
        }
    }
}
