//! Commands made from the rows: every argument and option that a command is documented to take.

use slotmesh_engine::command::docs::{Argument, Kind};
use slotmesh_engine::command::spec::{BLOCKING, Group};
use slotmesh_engine::rng::Rng;

use super::values::{
    BIT_FIELDS, BOUNDS, COUNTS, FIELDS, FLOATS, INTEGERS, KEYS, LATITUDES, LENGTHS, LONGITUDES, MEMBERS, OFFSETS,
    PATTERNS, POINTS, POINTS_MILLIS, SCORES, VALUES,
};
use super::{fill, pick};

/// The commands that a reference knows, by group.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    /// Options that came later than this are left out.
    newest: Option<(u32, u32)>,
    /// Options that Redis has and Valkey 9 has not are left out, too.
    is_valkey: bool,
}

#[derive(Debug)]
struct Row {
    group: Group,
    words: Vec<Vec<u8>>,
    arguments: &'static [Argument],
    blocks: bool,
}

impl Rows {
    /// Those of our rows that the reference knows; `newest` is the reference's version if options are to be looked at.
    pub(crate) fn known_by(mut knows: impl FnMut(&str) -> bool, newest: Option<(u32, u32)>) -> Self {
        let registry = slotmesh_cluster::node::commands(&[]);
        let mut rows = Vec::new();
        for (id, command) in registry.iter() {
            let Some(doc) = registry.doc(id).filter(|_| command.subcommands.is_empty()) else { continue };
            let name = &*command.full_name;
            if LEFT_OUT.iter().any(|(left_out, _)| *left_out == name) || !knows(name) {
                continue;
            }
            let words = name.split('|').map(|word| word.to_ascii_uppercase().into_bytes()).collect();
            let blocks = command.flags.has(BLOCKING);
            rows.push(Row { group: command.group, words, arguments: doc.arguments, blocks });
        }
        Self { rows, newest, is_valkey: newest.is_none() }
    }

    /// A command of the group; one that would wait comes seldom, for it takes the reference a tenth of a second.
    pub(super) fn command(&self, group: Group, rng: &mut Rng, args: &mut Vec<Vec<u8>>) {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.group == group).collect();
        let mut row = rows[rng.index(rows.len())];
        while row.blocks && !rng.chance(BLOCKING_PERCENT) {
            row = rows[rng.index(rows.len())];
        }
        args.extend(row.words.iter().cloned());
        let (newest, is_valkey) = (self.newest, self.is_valkey);
        let mut words = Words { group, newest, is_valkey, announced: 1, rng, args };
        row.arguments.iter().for_each(|argument| words.add(argument));
    }
}

/// A command that is being put together.
struct Words<'a> {
    group: Group,
    newest: Option<(u32, u32)>,
    is_valkey: bool,
    /// The number of repetitions that was told ahead of them.
    announced: u64,
    rng: &'a mut Rng,
    args: &'a mut Vec<Vec<u8>>,
}

impl Words<'_> {
    /// Adds an argument. Nesting is that of the rows, so recursion is bounded by it.
    fn add(&mut self, argument: &Argument) {
        if !self.is_known(argument) || argument.is_optional && self.rng.chance(OMITTED_PERCENT) {
            return;
        }
        let times = match argument.is_multiple {
            true if self.announced > 1 || argument.token == "WEIGHTS" => self.announced,
            true => 1 + self.rng.below(3),
            false => 1,
        };
        for time in 0..times {
            if !argument.token.is_empty() && (time == 0 || argument.repeats_token) {
                self.args.push(argument.token.as_bytes().to_vec());
            }
            self.add_once(argument);
        }
    }

    fn add_once(&mut self, argument: &Argument) {
        match argument.kind {
            Kind::Block => argument.parts.iter().for_each(|part| self.add(part)),
            Kind::OneOf => {
                let known: Vec<&Argument> = argument.parts.iter().filter(|part| self.is_known(part)).collect();
                if !known.is_empty() {
                    let part = known[self.rng.index(known.len())];
                    self.add(part);
                }
            }
            Kind::PureToken => {}
            Kind::Key(_) => {
                let key = self.key();
                self.args.push(key);
            }
            Kind::Double | Kind::Integer | Kind::Pattern | Kind::String | Kind::UnixTime => self.value(argument),
        }
    }

    /// Mostly a key that only this group uses, so that commands find the type they want.
    fn key(&mut self) -> Vec<u8> {
        if self.rng.chance(OWN_KEY_PERCENT) {
            format!("{}:{}", self.group.name(), self.rng.below(4)).into_bytes()
        } else {
            pick(self.rng, KEYS)
        }
    }

    fn value(&mut self, argument: &Argument) {
        let from = match (argument.name, argument.kind) {
            ("numkeys" | "numfields" | "num-vertices", _) => return self.announce(),
            ("seconds", _) => return fill("seconds", self.rng, self.args),
            ("milliseconds", _) => return fill("millis", self.rng, self.args),
            // Far in the future: when a key that has expired is removed is each server's own affair.
            ("unix-time-seconds", _) => POINTS.get(2..).unwrap_or_default(),
            ("unix-time-milliseconds", _) => POINTS_MILLIS.get(2..).unwrap_or_default(),
            ("timeout", _) => &["0.001"],
            ("member", _) => MEMBERS,
            ("field", _) => FIELDS,
            ("score", _) => SCORES,
            ("min" | "max" | "start" | "stop", Kind::Double | Kind::String) => BOUNDS,
            ("longitude", _) => LONGITUDES,
            ("latitude", _) => LATITUDES,
            ("radius" | "width" | "height", _) => LENGTHS,
            ("encoding", _) => BIT_FIELDS,
            ("offset", _) if matches!(self.group, Group::Bitmap | Group::String) => OFFSETS,
            ("bit", _) => &["0", "1", "2"],
            ("count" | "offset" | "start" | "stop" | "end" | "index" | "rank" | "len" | "limit", _) => COUNTS,
            ("num-matches" | "min-match-len" | "weight", _) => COUNTS,
            (_, Kind::Double) => FLOATS,
            (_, Kind::Pattern) => PATTERNS,
            (_, Kind::Integer) => INTEGERS,
            _ => VALUES,
        };
        self.args.push(pick(self.rng, from));
    }

    /// Tells how many of the next argument there will be, seldom wrongly.
    fn announce(&mut self) {
        self.announced = 1 + self.rng.below(3);
        let told = if self.rng.chance(3) { self.rng.below(6) } else { self.announced };
        self.args.push(told.to_string().into_bytes());
    }

    fn is_known(&self, argument: &Argument) -> bool {
        let mut parts = argument.since.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let since = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        let is_elsewhere = self.is_valkey && NOT_IN_VALKEY.contains(&argument.token);
        !is_elsewhere && self.newest.is_none_or(|newest| since <= newest)
    }
}

/// Commands that are not made from rows, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("spop", "it changes what it picks by chance"),
    ("hscan", "only a whole iteration can be compared"),
    ("sscan", "only a whole iteration can be compared"),
    ("zscan", "only a whole iteration can be compared"),
    ("object|help", "it is told in words of our own"),
    ("scan", "only a whole iteration can be compared"),
    ("migrate", "it needs a third server"),
    ("restore", "it needs payloads: those of either server are exchanged at the end"),
    ("sort", "what it says of keys that it reads by pattern is for scripts to compare"),
    ("sort_ro", "what it says of keys that it reads by pattern is for scripts to compare"),
    ("wait", "it waits"),
    ("waitaof", "it waits"),
    ("pfselftest", "it takes seconds"),
    ("pfdebug", "a debugging aid: the forms have what is alike"),
];

/// Options of Redis 8.4 that Valkey 9 does not know.
const NOT_IN_VALKEY: &[&str] = &["IFNE", "IFDEQ", "IFDNE"];

/// Share of options that are not given.
const OMITTED_PERCENT: u8 = 60;
/// Share of keys that belong to the group.
const OWN_KEY_PERCENT: u8 = 75;
/// Share of the commands that block, of those that were picked.
const BLOCKING_PERCENT: u8 = 10;
