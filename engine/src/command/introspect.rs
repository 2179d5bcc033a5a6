//! COMMAND: what commands there are. All of it derives from the rows and their documentation.

use super::docs::{Argument, Doc, Kind};
use super::keys::{Access, Begin, Find, KeySpec, MIGRATE_KEY, NO_KEYS, each_key};
use super::registry::{Command, CommandId, Registry, unknown_subcommand};
use super::spec::{Categories, LOADING, NO_MANDATORY_KEYS, STALE, Spec, arity_allows, data};
use super::{Ctx, DataFn, bitmap, string};
use crate::error::ReplyError;
use crate::glob;
use crate::resp::args::Args;
use crate::resp::reply::Reply;

const ANY_TIME: super::spec::Flags = LOADING.and(STALE);
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

pub(super) const ROWS: &[Spec<DataFn>] = &[
    data("COUNT", 2, ANY_TIME, NO_KEYS, count as DataFn).acl(Categories::CONNECTION),
    data("DOCS", -2, ANY_TIME, NO_KEYS, docs as DataFn).acl(Categories::CONNECTION).tips(UNORDERED),
    data("GETKEYS", -3, ANY_TIME, NO_KEYS, getkeys as DataFn).acl(Categories::CONNECTION),
    data("GETKEYSANDFLAGS", -3, ANY_TIME, NO_KEYS, getkeysandflags as DataFn).acl(Categories::CONNECTION),
    data("HELP", 2, ANY_TIME, NO_KEYS, help as DataFn).acl(Categories::CONNECTION),
    data("INFO", -2, ANY_TIME, NO_KEYS, info as DataFn).acl(Categories::CONNECTION).tips(UNORDERED),
    data("LIST", -2, ANY_TIME, NO_KEYS, list as DataFn).acl(Categories::CONNECTION).tips(UNORDERED),
];

/// COMMAND itself describes all commands.
pub(super) fn command(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if let Some(word) = args.get(1) {
        return Err(unknown_subcommand("COMMAND", word));
    }
    let registry = &ctx.core.registry;
    ctx.reply.array(registry.top_level_len());
    for id in registry.top_level() {
        describe(&mut ctx.reply, registry, registry.get(id));
    }
    Ok(())
}

fn count(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    let commands = ctx.core.registry.top_level_len();
    ctx.reply.len(commands);
    Ok(())
}

fn info(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    if args.len() == 2 {
        return command(ctx, args.first(1));
    }
    let registry = &ctx.core.registry;
    ctx.reply.array(args.len() - 2);
    for name in args.from(2).iter() {
        match registry.find_full(name) {
            Some(id) => describe(&mut ctx.reply, registry, registry.get(id)),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

/// The ten elements that describe a command.
fn describe(reply: &mut Reply<'_>, registry: &Registry, command: &Command) {
    let (first, last, step) = legacy_range(command.keys);
    reply.array(10);
    reply.bulk(command.full_name.as_bytes());
    reply.int(i64::from(command.arity));
    statuses(reply, command.flags.names());
    reply.int(first);
    reply.int(last);
    reply.int(step);
    reply.set(command.categories.names().count());
    command.categories.names().for_each(|name| reply.simple(&format!("@{name}")));
    reply.set(command.tips.len());
    command.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(command.keys.len());
    command.keys.iter().for_each(|spec| describe_keys(reply, spec));
    // The reference sends a set where there is none and an array where there are some.
    match command.subcommands.len() {
        0 => reply.set(0),
        count => reply.array(count),
    }
    for &id in &command.subcommands {
        // Subcommands have none of their own: the depth is bounded.
        describe(reply, registry, registry.get(id));
    }
}

fn statuses(reply: &mut Reply<'_>, names: impl Iterator<Item = &'static str> + Clone) {
    reply.set(names.clone().count());
    names.for_each(|name| reply.simple(name));
}

fn describe_keys(reply: &mut Reply<'_>, spec: &KeySpec) {
    reply.map(3 + usize::from(!spec.notes.is_empty()));
    if !spec.notes.is_empty() {
        pair(reply, "notes", spec.notes);
    }
    reply.bulk(b"flags");
    statuses(reply, spec.access.names());
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => part(reply, "index", &[("index", i64::from(index))]),
        Begin::MigrateOne => part(reply, "index", &[("index", i64::from(MIGRATE_KEY))]),
        Begin::Keyword(keyword, from) => put_keyword(reply, keyword, from),
        Begin::MigrateSeveral => put_keyword(reply, "KEYS", -2),
        Begin::Unknown => part(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Count { count, first, step } => {
            let numbers = [("keynumidx", count), ("firstkey", first), ("keystep", step)];
            part(reply, "keynum", &numbers.map(|(name, number)| (name, i64::from(number))));
        }
        Find::Range { last, step, limit } => {
            let numbers = [("lastkey", i64::from(last)), ("keystep", i64::from(step)), ("limit", i64::from(limit))];
            part(reply, "range", &numbers);
        }
        Find::LastOption { .. } | Find::Unknown => part(reply, "unknown", &[]),
    }
}

fn put_keyword(reply: &mut Reply<'_>, keyword: &str, from: i16) {
    reply.map(2);
    pair(reply, "type", "keyword");
    reply.bulk(b"spec");
    reply.map(2);
    pair(reply, "keyword", keyword);
    reply.bulk(b"startfrom");
    reply.int(i64::from(from));
}

fn pair(reply: &mut Reply<'_>, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

fn part(reply: &mut Reply<'_>, kind: &str, numbers: &[(&str, i64)]) {
    reply.map(2);
    pair(reply, "type", kind);
    reply.bulk(b"spec");
    reply.map(numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.int(*number);
    }
}

/// First key, last key and step: all that clients knew before key specifications. Specifications that follow each
/// other are one range; what does not fit is left out.
fn legacy_range(keys: &[KeySpec]) -> (i64, i64, i64) {
    let mut range: Option<(i64, i64, i64)> = None;
    for spec in keys {
        let index = match spec.begin {
            Begin::Index(index) => index,
            Begin::MigrateOne => MIGRATE_KEY,
            Begin::Keyword(..) | Begin::MigrateSeveral | Begin::Unknown => continue,
        };
        let Find::Range { last, step, .. } = spec.find else { continue };
        let (index, step) = (i64::from(index), i64::from(step));
        let last = if last < 0 { i64::from(last) } else { index + i64::from(last) };
        range = match range {
            None => Some((index, last, step)),
            Some((first, before, 1)) if step == 1 && before + 1 == index => Some((first, last, 1)),
            Some(range) => Some(range),
        };
    }
    range.unwrap_or_default()
}

fn list(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let registry = &ctx.core.registry;
    let filter = Filter::parse(args)?;
    let wanted = || registry.reachable().filter(|command| filter.wants(command));
    ctx.reply.array(wanted().count());
    wanted().for_each(|command| ctx.reply.bulk(command.full_name.as_bytes()));
    Ok(())
}

/// Which commands COMMAND LIST names.
enum Filter<'a> {
    All,
    Category(Categories),
    /// Modules of Redis cannot be loaded.
    None,
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Result<Self, ReplyError> {
        if args.len() == 2 {
            return Ok(Self::All);
        }
        if args.len() != 5 || !args.is(2, "FILTERBY") {
            return Err(ReplyError::Syntax);
        }
        let word = args.at(4);
        let known = |name: &str| name.as_bytes().eq_ignore_ascii_case(word);
        if args.is(3, "MODULE") {
            Ok(Self::None)
        } else if args.is(3, "ACLCAT") {
            let category = Categories::ALL.iter().find(|(_, name)| known(name));
            Ok(category.map_or(Self::None, |(category, _)| Self::Category(*category)))
        } else if args.is(3, "PATTERN") {
            Ok(Self::Pattern(word))
        } else {
            Err(ReplyError::Syntax)
        }
    }

    fn wants(&self, command: &Command) -> bool {
        match self {
            Self::All => true,
            Self::Category(category) => command.categories.any(*category),
            Self::None => false,
            Self::Pattern(pattern) => glob::matches(pattern, command.full_name.as_bytes(), true),
        }
    }
}

fn getkeys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = args.from(2);
    let keys = keys_of(&ctx.core.registry, request)?;
    ctx.reply.array(keys.len());
    keys.iter().for_each(|&(index, _)| ctx.reply.bulk(&request[index]));
    Ok(())
}

fn getkeysandflags(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let request = args.from(2);
    let keys = keys_of(&ctx.core.registry, request)?;
    ctx.reply.array(keys.len());
    for (index, access) in keys {
        ctx.reply.array(2);
        ctx.reply.bulk(&request[index]);
        statuses(&mut ctx.reply, access.names());
    }
    Ok(())
}

fn keys_of(registry: &Registry, request: Args<'_>) -> Result<Vec<(usize, Access)>, ReplyError> {
    let unknown = ReplyError::Fixed("ERR Invalid command specified");
    let command = registry.get(registry.find_request(request).ok_or(unknown)?);
    if !command.keys.iter().any(|spec| !spec.access.any(Access::NOT_KEY)) {
        return Err(ReplyError::Fixed("ERR The command has no key arguments"));
    }
    if !arity_allows(command.arity, request.len()) {
        return Err(ReplyError::Fixed("ERR Invalid number of arguments specified for command"));
    }
    let mut keys = Vec::new();
    let invalid = ReplyError::Fixed("ERR Invalid arguments specified for command");
    let found = each_key(command.keys, request, |index, access| {
        if !access.any(Access::NOT_KEY) {
            keys.push((index, settled(access, &command.full_name, request)));
        }
    });
    if found.is_err() || (keys.is_empty() && !command.flags.has(NO_MANDATORY_KEYS)) {
        return Err(invalid);
    }
    Ok(keys)
}

/// The access of this very request, where the row's depends on the words.
fn settled(access: Access, command: &str, request: Args<'_>) -> Access {
    match command {
        _ if !access.any(Access::VARIABLE) => access,
        "bitfield" => bitmap::field::access(request),
        "delex" => string::conditional::delex_access(request),
        "set" => string::store::access(request),
        _ => access,
    }
}

fn docs(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let registry = &ctx.core.registry;
    let ids: Vec<CommandId> = if args.len() == 2 {
        registry.top_level().collect()
    } else {
        args.from(2).iter().filter_map(|name| registry.find_full(name)).collect()
    };
    ctx.reply.map(ids.len());
    for id in ids {
        document(&mut ctx.reply, registry, id);
    }
    Ok(())
}

/// A command's name and the map of what is known about it.
fn document(reply: &mut Reply<'_>, registry: &Registry, id: CommandId) {
    let command = registry.get(id);
    reply.bulk(command.full_name.as_bytes());
    let begin = reply.begin();
    let mut fields = 1;
    let doc = registry.doc(id);
    if let Some(doc) = doc {
        fields += 2;
        pair(reply, "summary", doc.summary);
        pair(reply, "since", doc.since);
    }
    pair(reply, "group", command.group.name());
    if let Some(doc) = doc {
        fields += document_details(reply, doc);
    }
    if !command.subcommands.is_empty() {
        fields += 1;
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        command.subcommands.iter().for_each(|&id| document(reply, registry, id));
    }
    reply.end_map(begin, fields);
}

fn document_details(reply: &mut Reply<'_>, doc: &Doc) -> usize {
    let mut fields = 0;
    if !doc.complexity.is_empty() {
        fields += 1;
        pair(reply, "complexity", doc.complexity);
    }
    let flags = [(doc.deprecated.is_some(), "deprecated"), (doc.is_internal, "syscmd")];
    fields += document_flags(reply, "doc_flags", flags);
    if let Some((since, instead)) = doc.deprecated {
        fields += 2;
        pair(reply, "deprecated_since", since);
        pair(reply, "replaced_by", instead);
    }
    if !doc.history.is_empty() {
        fields += 1;
        reply.bulk(b"history");
        reply.set(doc.history.len());
        for (version, change) in doc.history {
            reply.array(2);
            pair(reply, version, change);
        }
    }
    if !doc.arguments.is_empty() {
        fields += 1;
        reply.bulk(b"arguments");
        document_arguments(reply, doc.arguments);
    }
    fields
}

fn document_arguments(reply: &mut Reply<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        let begin = reply.begin();
        let mut fields = 2;
        pair(reply, "name", argument.name);
        pair(reply, "type", argument.kind.name());
        if !matches!(argument.kind, Kind::Block | Kind::OneOf) {
            fields += 1;
            pair(reply, "display_text", argument.name);
        }
        if let Kind::Key(index) = argument.kind {
            fields += 1;
            reply.bulk(b"key_spec_index");
            reply.int(i64::from(index));
        }
        for (name, text) in [("token", argument.token), ("since", argument.since)] {
            if !text.is_empty() {
                fields += 1;
                pair(reply, name, text);
            }
        }
        let flags = [
            (argument.is_optional, "optional"),
            (argument.is_multiple, "multiple"),
            (argument.repeats_token, "multiple_token"),
        ];
        fields += document_flags(reply, "flags", flags);
        if !argument.parts.is_empty() {
            fields += 1;
            reply.bulk(b"arguments");
            // The tables are ours: their depth is bounded.
            document_arguments(reply, argument.parts);
        }
        reply.end_map(begin, fields);
    }
}

/// The names of the flags that are set, if any is. Returns the number of fields written.
fn document_flags<const N: usize>(reply: &mut Reply<'_>, field: &str, flags: [(bool, &'static str); N]) -> usize {
    let set = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name);
    if set.clone().next().is_none() {
        return 0;
    }
    reply.bulk(field.as_bytes());
    statuses(reply, set);
    1
}

fn help(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    super::help::reply(
        &mut ctx.reply,
        "COMMAND",
        &[
            ("(no subcommand)", "Describes all commands."),
            ("COUNT", "Tells how many commands there are."),
            ("DOCS [<command-name> ...]", "Documents the commands, or all."),
            ("GETKEYS <full-command>", "Names the keys of a whole command."),
            ("GETKEYSANDFLAGS <full-command>", "Names the keys of a whole command and what happens to them."),
            ("INFO [<command-name> ...]", "Describes the commands, or all."),
            (
                "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
                "Names all commands, or those that the filter lets through.",
            ),
        ],
    );
    Ok(())
}
