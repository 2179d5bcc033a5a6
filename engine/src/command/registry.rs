//! All commands of one engine, by name.
//!
//! Rows of the engine and rows of whoever hosts it (a node, a custom server) stand side by side; each entry says who
//! runs it. Lookups are case-insensitive and allocate nothing.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::docs::Doc;
use super::keys::KeySpec;
use super::spec::{Categories, DENY_OOM, Flags, Group, MOVABLE_KEYS, Spec, arity_allows};
use super::{Action, DataFn};
use crate::error::{ReplyError, until_zero};
use crate::resp::args::Args;

/// A command's place in its engine's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(u16);

impl CommandId {
    /// The place as an index into tables kept beside the registry.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A command as registered: its row without the handler's type.
#[derive(Debug, Clone)]
pub struct Command {
    /// The name in capitals; of a subcommand, its own word.
    pub name: Box<str>,
    /// The full name in lower case: `get`, `config|get`.
    pub full_name: Box<str>,
    /// Number of words; negative for "at least".
    pub arity: i16,
    /// Properties.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// The family.
    pub group: Group,
    /// All ACL categories.
    pub categories: Categories,
    /// Hints for clients.
    pub tips: &'static [&'static str],
    /// Who runs it and how; nothing for a container without behaviour of its own.
    pub action: Option<Action>,
    /// Its subcommands.
    pub subcommands: Vec<CommandId>,
    /// Its container.
    pub parent: Option<CommandId>,
}

/// A command found and checked for arity, ready for the gates.
#[derive(Debug, Clone, Copy)]
pub struct Resolved {
    /// Its place in the registry.
    pub id: CommandId,
    /// Its properties.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// Who runs it and how.
    pub action: Action,
    /// The family.
    pub group: Group,
}

impl Resolved {
    /// Whether a word may name an element of a collection: worth a look ahead.
    pub fn names_element(&self) -> bool {
        matches!(self.group, Group::Hash | Group::Set | Group::SortedSet)
    }

    /// The word of a request that may name an element of its first key, which is word `key`: the one behind the key, but
    /// the last one where scores come ahead of members (ZADD, ZINCRBY). A wrong guess costs a useless prefetch.
    pub fn element<'a>(&self, args: Args<'a>, key: usize) -> Option<&'a [u8]> {
        let says_scores = self.group == Group::SortedSet && self.flags.has(DENY_OOM);
        args.get(if says_scores { args.len() - 1 } else { key + 1 }).filter(|_| self.names_element())
    }
}

/// A name in the table, with what tells it from most others at a glance.
#[derive(Debug, Clone, Copy)]
struct Named {
    /// The name in capitals, as [`words_of`] reads it.
    words: (u64, u64),
    len: usize,
    id: CommandId,
}

impl Named {
    fn new(name: &[u8], id: CommandId) -> Self {
        Self { words: words_of(name), len: name.len(), id }
    }
}

/// The table of commands.
#[derive(Debug, Default)]
pub struct Registry {
    commands: Vec<Command>,
    by_name: HashTable<Named>,
    docs: BTreeMap<&'static str, &'static Doc>,
}

impl Registry {
    /// Adds rows that the engine runs.
    ///
    /// # Panics
    /// When a name is taken: two rows for one name are a mistake in the tables.
    pub fn add_data(&mut self, group: Group, rows: &'static [Spec<DataFn>]) {
        self.add(group, rows, |_, handler| Action::Data(handler));
    }

    /// Adds rows that the host runs. The engine answers their lookup with [`Action::Host`] and `first` plus the
    /// row's place, counted through the rows and their subcommands in order.
    ///
    /// A container that exists already gets the row's subcommands in addition: the engine has the data's share of
    /// MEMORY, the host adds the process's.
    ///
    /// # Panics
    /// When a name is taken.
    pub fn add_host<F: Copy>(&mut self, group: Group, rows: &'static [Spec<F>], mut keep: impl FnMut(F) -> u16) {
        self.add(group, rows, |_, handler| Action::Host(keep(handler)));
    }

    /// Adds documentation for COMMAND DOCS, of rows registered before or after.
    ///
    /// # Panics
    /// When a name is documented already.
    pub fn add_docs(&mut self, docs: &'static [Doc]) {
        for doc in docs {
            assert!(self.docs.insert(doc.name, doc).is_none(), "command {} is documented twice", doc.name);
        }
    }

    /// The documentation of a command.
    pub fn doc(&self, id: CommandId) -> Option<&'static Doc> {
        self.docs.get(&*self.get(id).full_name).copied()
    }

    /// Adds the one command that whoever drives the session must run.
    pub(crate) fn add_exec(&mut self, row: &'static [Spec<()>]) {
        self.add(Group::Transactions, row, |_, ()| Action::Exec);
    }

    fn add<F: Copy>(&mut self, group: Group, rows: &'static [Spec<F>], mut action: impl FnMut(&Spec<F>, F) -> Action) {
        for row in rows {
            let id = match self.find(row.name.as_bytes()) {
                Some(id) => {
                    let extends = row.handler.is_none() && !self.get(id).subcommands.is_empty();
                    assert!(extends, "command {} has two rows", row.name);
                    id
                }
                None => {
                    let id = self.push(group, row, None, row.handler.map(|handler| action(row, handler)));
                    self.enter(row.name.as_bytes(), id);
                    id
                }
            };
            for sub in row.subcommands {
                let taken = self.find_sub(id, sub.name.as_bytes()).is_some();
                assert!(!taken, "command {} {} has two rows", row.name, sub.name);
                let sub_id = self.push(group, sub, Some(id), sub.handler.map(|handler| action(sub, handler)));
                self.commands[id.index()].subcommands.push(sub_id);
            }
        }
    }

    fn push<F>(&mut self, group: Group, row: &Spec<F>, parent: Option<CommandId>, action: Option<Action>) -> CommandId {
        let id = CommandId(u16::try_from(self.commands.len()).expect("there are fewer than 65536 commands"));
        let full_name = match parent {
            Some(parent) => format!("{}|{}", self.commands[parent.index()].full_name, row.name.to_ascii_lowercase()),
            None => row.name.to_ascii_lowercase(),
        };
        let group = if row.group == Group::Generic { group } else { row.group };
        self.commands.push(Command {
            name: row.name.into(),
            full_name: full_name.into_boxed_str(),
            arity: row.arity,
            flags: if movable(row.keys) { row.flags | MOVABLE_KEYS } else { row.flags },
            keys: row.keys,
            group,
            // What only groups others does nothing by itself.
            categories: match row.handler {
                Some(_) => Categories::of(row.flags, group, row.acl),
                None => row.acl.and(Categories::SLOW),
            },
            tips: row.tips,
            action,
            subcommands: Vec::new(),
            parent,
        });
        id
    }

    fn enter(&mut self, name: &[u8], id: CommandId) {
        let named = Named::new(name, id);
        self.by_name
            .insert_unique(hash_words(named.words, named.len), named, |named| hash_words(named.words, named.len));
    }

    /// The command of this name, letters of either case being the same.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<CommandId> {
        let (words, len) = (words_of(name), name.len());
        let is_named = |named: &Named| {
            // Most clients send capitals, as rows have them. Up to sixteen letters, equal words are equal names.
            (named.words == words && named.len == len && len <= 16)
                || self.commands[named.id.index()].name.as_bytes().eq_ignore_ascii_case(name)
        };
        self.by_name.find(hash_words(words, len), is_named).map(|named| named.id)
    }

    /// The subcommand of this name.
    pub fn find_sub(&self, container: CommandId, name: &[u8]) -> Option<CommandId> {
        let subs = &self.commands[container.index()].subcommands;
        subs.iter().copied().find(|id| self.commands[id.index()].name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The command or subcommand that a full name as `config|get` stands for.
    pub fn find_full(&self, name: &[u8]) -> Option<CommandId> {
        let mut words = name.splitn(2, |&byte| byte == b'|');
        let id = self.find(words.next()?)?;
        words.next().map_or(Some(id), |sub| self.find_sub(id, sub))
    }

    /// The command or subcommand that a request names, whatever its number of words.
    pub fn find_request(&self, request: Args<'_>) -> Option<CommandId> {
        let id = self.find(request.get(0)?)?;
        match request.get(1) {
            Some(word) if !self.get(id).subcommands.is_empty() => self.find_sub(id, word),
            _ => Some(id),
        }
    }

    /// The commands with a name of their own, in the order they were added; renamed ones are as they are called now.
    pub fn top_level(&self) -> impl Iterator<Item = CommandId> + '_ {
        let named = |id: CommandId| self.find(self.get(id).name.as_bytes()) == Some(id);
        self.iter().filter(|(_, command)| command.parent.is_none()).map(|(id, _)| id).filter(move |&id| named(id))
    }

    /// The commands with a name of their own, each with its subcommands behind it.
    pub(super) fn reachable(&self) -> impl Iterator<Item = &Command> {
        self.top_level().flat_map(|id| {
            let command = self.get(id);
            std::iter::once(command).chain(command.subcommands.iter().map(|&sub| self.get(sub)))
        })
    }

    /// A registered command.
    pub fn get(&self, id: CommandId) -> &Command {
        &self.commands[id.index()]
    }

    /// All commands and subcommands, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (CommandId, &Command)> {
        self.commands.iter().enumerate().map(|(index, command)| (CommandId(index as u16), command))
    }

    /// Number of commands, subcommands not counted (`COMMAND COUNT`).
    pub fn top_level_len(&self) -> usize {
        self.by_name.len()
    }

    /// Gives a command another name, or takes its name away when `to` is empty (`rename-command`).
    ///
    /// # Errors
    /// The configuration error's text.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let id = self.find(from).ok_or("No such command in rename-command")?;
        if !to.is_empty() && self.find(to).is_some_and(|other| other != id) {
            return Err("Target command name already exists");
        }
        let old = Named::new(self.commands[id.index()].name.as_bytes(), id);
        if let Ok(entry) = self.by_name.find_entry(hash_words(old.words, old.len), |named| named.id == id) {
            entry.remove();
        }
        if !to.is_empty() {
            let name = String::from_utf8_lossy(to).to_ascii_uppercase().into_boxed_str();
            self.enter(name.as_bytes(), id);
            self.commands[id.index()].name = name;
        }
        Ok(())
    }

    /// Takes the names of all commands away but these, which are written in capitals.
    pub fn keep_only(&mut self, names: &[&str]) {
        let Self { by_name, commands, .. } = self;
        by_name.retain(|named| names.contains(&&*commands[named.id.index()].name));
    }

    /// The command a request names, if that has no subcommands and the request the right number of words:
    /// [`Registry::resolve`] without its errors.
    #[inline]
    pub(crate) fn resolve_plain(&self, args: Args<'_>) -> Option<Resolved> {
        let id = self.find(args.get(0)?)?;
        let command = &self.commands[id.index()];
        let action = command.action?;
        let is_plain = command.subcommands.is_empty() && arity_allows(command.arity, args.len());
        let resolved = Resolved { id, flags: command.flags, keys: command.keys, action, group: command.group };
        is_plain.then_some(resolved)
    }

    /// Finds the command a request names and checks its number of words.
    ///
    /// # Errors
    /// Unknown command or subcommand, or the wrong number of words, in Redis's texts.
    pub fn resolve(&self, args: Args<'_>) -> Result<Resolved, ReplyError> {
        let Some(mut id) = self.find(args.at(0)) else { return Err(unknown_command(args)) };
        let mut command = &self.commands[id.index()];
        if !command.subcommands.is_empty() && args.len() > 1 {
            match self.find_sub(id, args.at(1)) {
                Some(sub) => {
                    id = sub;
                    command = &self.commands[id.index()];
                }
                None if command.action.is_none() => return Err(unknown_subcommand(&command.name, args.at(1))),
                None => {}
            }
        }
        if !arity_allows(command.arity, args.len()) {
            return Err(ReplyError::arity(&command.full_name));
        }
        match command.action {
            Some(action) => Ok(Resolved { id, flags: command.flags, keys: command.keys, action, group: command.group }),
            None => Err(ReplyError::arity(&command.full_name)),
        }
    }
}

/// Whether first, last and step cannot tell all keys.
fn movable(keys: &[KeySpec]) -> bool {
    use super::keys::{Begin, Find};
    keys.iter().any(|spec| {
        matches!(spec.begin, Begin::Keyword(..) | Begin::MigrateSeveral | Begin::Unknown)
            || matches!(spec.find, Find::Count { .. })
            || matches!(spec.find, Find::Range { limit: 2.., .. })
    })
}

/// The first and the last letters of a name as two words, which may overlap. Up to sixteen letters, which are all but a
/// few names, together with the length they are the name.
#[inline]
fn words_of(name: &[u8]) -> (u64, u64) {
    let len = name.len();
    match len {
        0 => (0, 0),
        1..4 => (u64::from(name[0]) << 16 | u64::from(name[len / 2]) << 8 | u64::from(name[len - 1]), 0),
        4..8 => (u64::from(four_at(name, 0)), u64::from(four_at(name, len - 4))),
        8..=16 => (eight_at(name, 0), eight_at(name, len - 8)),
        _ => (eight_at(name, 0) ^ eight_at(name, 8), eight_at(name, len - 8)),
    }
}

/// Names are few and fixed: one multiplication for each eight letters without their case bit is enough, and nobody
/// can flood a table that only rows fill.
#[inline]
fn hash_words((first, last): (u64, u64), len: usize) -> u64 {
    let mut hash = (first & LETTERS ^ len as u64).wrapping_mul(HASH_FACTOR);
    hash = (hash ^ hash >> 32 ^ last & LETTERS).wrapping_mul(HASH_FACTOR);
    hash ^ hash >> 32
}

fn four_at(name: &[u8], at: usize) -> u32 {
    name[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn eight_at(name: &[u8], at: usize) -> u64 {
    name[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Eight letters without the bit that tells their case.
const LETTERS: u64 = 0xdfdf_dfdf_dfdf_dfdf;

/// An odd number without a pattern: the golden ratio in 64 bits.
const HASH_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// `ERR unknown command 'x', with args beginning with: 'a' 'b' `, cut as Redis cuts it.
fn unknown_command(args: Args<'_>) -> ReplyError {
    let name = cut(args.at(0), UNKNOWN_TEXT_BYTES_MAX);
    let mut text = [b"ERR unknown command '", name, b"', with args beginning with: "].concat();
    let start = text.len();
    for arg in args.from(1).iter() {
        let listed = text.len() - start;
        if listed >= UNKNOWN_TEXT_BYTES_MAX {
            break;
        }
        text.push(b'\'');
        text.extend_from_slice(cut(arg, UNKNOWN_TEXT_BYTES_MAX - listed));
        text.extend_from_slice(b"' ");
    }
    ReplyError::text(text)
}

pub(super) fn unknown_subcommand(container: &str, word: &[u8]) -> ReplyError {
    let word = cut(word, UNKNOWN_TEXT_BYTES_MAX);
    ReplyError::text([b"ERR unknown subcommand '", word, b"'. Try ", container.as_bytes(), b" HELP."].concat())
}

fn cut(word: &[u8], max: usize) -> &[u8] {
    let word = until_zero(word);
    &word[..word.len().min(max)]
}

/// Bytes of a client's words that an error reply repeats at the most (Redis 7.0).
const UNKNOWN_TEXT_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use crate::Engine;
    use crate::config::Config;
    use crate::resp::args::ArgsBuf;

    #[test]
    fn the_element_of_a_request_is_the_word_that_names_it() {
        let engine = Engine::new(Config::default(), 1);
        let element = |line: &str| {
            let request: ArgsBuf = line.split(' ').collect();
            let command = engine.resolve(request.as_args()).unwrap();
            command.element(request.as_args(), 1).map(|word| String::from_utf8_lossy(word).into_owned())
        };

        for line in
            ["HGET k element", "SADD k element", "ZADD k NX 1.5 element", "ZINCRBY k 1 element", "ZREM k element"]
        {
            assert_eq!(element(line).as_deref(), Some("element"), "{line}");
        }
        assert_eq!((element("GET k"), element("SCARD k")), (None, None));
    }
}
