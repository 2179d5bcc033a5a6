//! COMPATIBILITY.md, made from the table of commands, the table of options, the scripts and the list of failing tests.
//!
//! `SLOTMESH_BLESS=1 cargo test --test docs` writes the page anew; without it the test says whether it is still true.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use slotmesh_engine::config::{Effect, ROWS};

use crate::coverage::compared;
use crate::valkey_py;

#[test]
fn the_compatibility_page_is_that_of_the_tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("COMPATIBILITY.md");
    let page = page(&References::read(), &root.join("tests/scripts"));

    if std::env::var_os("SLOTMESH_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }

    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "write the page anew: SLOTMESH_BLESS=1 cargo test --test docs");
}

#[test]
fn every_difference_is_about_a_command_there_is() {
    let ours = our_commands();

    for (name, note) in DIFFERENCES.iter().chain(UNPROMISED) {
        assert!(ours.contains_key(*name), "{name} is no command");
        assert!(!note.is_empty());
    }
}

/// What is known of the commands of the reference servers.
struct References {
    groups: BTreeMap<&'static str, Vec<Reference>>,
    names: BTreeSet<&'static str>,
}

struct Reference {
    name: &'static str,
    since: &'static str,
}

impl References {
    fn read() -> Self {
        let mut references = Self { groups: BTreeMap::new(), names: BTreeSet::new() };
        for line in include_str!("commands.tsv").lines().skip(1) {
            let [name, group, since] = <[&str; 3]>::try_from(line.split('\t').collect::<Vec<_>>()).unwrap();
            references.groups.entry(group).or_default().push(Reference { name, since });
            references.names.insert(name);
        }
        references
    }
}

/// How a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Absent,
    Differs,
    Works,
}

impl Standing {
    fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Differs => "differs",
            Self::Works => "works",
        }
    }
}

/// The names of our commands, in capitals, with the family of each.
fn our_commands() -> BTreeMap<String, &'static str> {
    let name = |full: &str| full.replace('|', " ").to_ascii_uppercase();
    let tables = [slotmesh_cluster::node::commands(&[]), slotmesh_cluster::node::sentinel_commands()];
    // What both have is in the family of a server's.
    let mut ours = BTreeMap::new();
    for (full_name, group) in tables.iter().flat_map(|table| table.iter()).map(|(_, row)| (&row.full_name, row.group)) {
        ours.entry(name(full_name)).or_insert(group.name());
    }
    ours
}

fn page(references: &References, scripts: &Path) -> String {
    let ours = our_commands();
    let is_command = |name: &str| ours.contains_key(name) || references.names.contains(name);
    let compared = compared(scripts, is_command);
    let standing = |name: &str| {
        if !ours.contains_key(name) {
            Standing::Absent
        } else if DIFFERENCES.iter().any(|(differs, _)| *differs == name) {
            Standing::Differs
        } else {
            let has_script = compared.by_servers.contains(name) || compared.by_documentation.contains(name);
            assert!(has_script, "no script in tests/scripts looks at {name}");
            Standing::Works
        }
    };
    let mut text = HEAD.to_owned();
    count(&mut text, references, &standing);
    for (group, commands) in &references.groups {
        write!(text, "\n### {group}\n\n| command | since | here |\n|---|---|---|\n").unwrap();
        for Reference { name, since } in commands {
            let mut notes = DIFFERENCES.iter().chain(UNPROMISED);
            let note = notes.find(|(noted, _)| noted == name).map(|(_, note)| format!(": {note}"));
            let is_newer = standing(name) == Standing::Works && !compared.by_servers.contains(*name);
            let note = note.unwrap_or_else(|| if is_newer { format!(": {NEWER}") } else { String::new() });
            writeln!(text, "| `{name}` | {since} | {}{note} |", standing(name).word()).unwrap();
        }
    }
    own_commands(&mut text, references, &ours);
    options(&mut text);
    text.push_str(&valkey_py::section());
    text
}

fn count(text: &mut String, references: &References, standing: &impl Fn(&str) -> Standing) {
    let mut counts: BTreeMap<Standing, usize> = BTreeMap::new();
    for name in &references.names {
        *counts.entry(standing(name)).or_default() += 1;
    }
    let count = |standing| counts.get(&standing).copied().unwrap_or(0);
    writeln!(
        text,
        "Of {} commands and subcommands of Redis up to 8.10 and Valkey up to 9.1: {} work, {} differ, {} \
         are absent.",
        references.names.len(),
        count(Standing::Works),
        count(Standing::Differs),
        count(Standing::Absent),
    )
    .unwrap();
}

fn own_commands(text: &mut String, references: &References, ours: &BTreeMap<String, &'static str>) {
    let own: Vec<&String> = ours.keys().filter(|name| !references.names.contains(name.as_str())).collect();
    if own.is_empty() {
        return;
    }
    text.push_str(
        "\n### Not in the list above\n\nDebugging aids and help texts that the reference servers have too:\n\n",
    );
    let names: Vec<String> = own.iter().map(|name| format!("`{name}`")).collect();
    writeln!(text, "{}.", names.join(", ")).unwrap();
}

fn options(text: &mut String) {
    let accepted: Vec<(&str, &str)> = ROWS
        .iter()
        .filter_map(|row| match row.effect {
            Effect::Accepted(why) => Some((row.name, why)),
            Effect::Effective => None,
        })
        .collect();
    write!(
        text,
        "\n## Options without effect\n\nAll {} options can be set, read and rewritten. These {} are taken and do nothing \
         here:\n\n| option | why |\n|---|---|\n",
        ROWS.len(),
        accepted.len()
    )
    .unwrap();
    for (name, why) in accepted {
        writeln!(text, "| `{name}` | {why} |").unwrap();
    }
}

/// Commands that answer otherwise than Redis does, and how.
const DIFFERENCES: &[(&str, &str)] = &[
    ("MEMORY DOCTOR", "it looks for the same problems, and says so in words of its own"),
    ("MEMORY MALLOC-STATS", "the allocator is none that tells of itself"),
    ("MIGRATE", "other clients go on meanwhile, who writes a key in transit waits; it cannot be in a transaction"),
];

/// Commands whose replies are compared but for a part that real servers do not promise either.
const UNPROMISED: &[(&str, &str)] = &[
    ("DUMP", "compressed strings may be compressed in another way; either server restores the other's"),
    ("KEYS", "the order is another one, as it is for each run of Redis"),
    ("MEMORY STATS", "the fields of Valkey 9; the figures are those of our own layout"),
    ("MEMORY USAGE", "the figures are those of our own layout, which is smaller"),
    ("SCAN", "cursors are other numbers, as they are for each run of Redis; a whole iteration gives the same keys"),
];

/// What is said of a command that works and could not be compared.
const NEWER: &str = "as documented; neither of the two real servers has it";

const HEAD: &str = "\
# Compatibility

Made by `SLOTMESH_BLESS=1 cargo test --test docs` from the table of commands, the table of options, the scripts in
`tests/scripts` and the list in `tests/clients/valkey_py`; `cargo test` fails when this page is no longer what they say.

- **works**: a script compares its replies with those of a real server (Redis 7.0, or Valkey 9 for what is newer), byte
  for byte but for what changes from run to run or from one version to the next; where neither has it, with its
  documentation;
- **differs**: it is there and answers otherwise in the way that is told;
- **absent**: it is not there: `ERR unknown command`.

The protocols are RESP2 and RESP3; between nodes PSYNC and RDB, and version 1 of the cluster bus; on disk RDB, the append
only file in parts, both as Redis 7.0 writes them, and nodes.conf as 7.2 does, from which 7.0 starts, too.

## Commands

";
