//! Which commands the scripts compare with real servers.

use std::collections::BTreeSet;
use std::path::Path;

use slotmesh_test_support::script::run::scripts_below;
use slotmesh_test_support::script::{Action, Case, Part, Script, Word, parse};

/// The names, in capitals (`CONFIG GET`), of all commands whose replies some script compares, on our server and on a real
/// one.
///
/// A command that a script sends only to prepare something is not among them.
pub(crate) fn compared(scripts: &Path, is_command: impl Fn(&str) -> bool) -> Coverage {
    let mut coverage = Coverage::default();
    for path in scripts_below(scripts).expect("the folder of scripts can be read") {
        let text = std::fs::read_to_string(&path).expect("a script can be read");
        let script = parse(&path, &text).unwrap_or_else(|fault| panic!("{fault}"));
        collect(&script, &is_command, &mut coverage);
    }
    coverage
}

/// Commands with a script, by what it says is right.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// What a real server answers.
    pub(crate) by_servers: BTreeSet<String>,
    /// What the command's documentation says, since no real server here has it.
    pub(crate) by_documentation: BTreeSet<String>,
}

fn collect(script: &Script, is_command: &impl Fn(&str) -> bool, coverage: &mut Coverage) {
    let runs_on = |case: &Case, name: &str| case.targets.iter().any(|target| target == name);
    for case in script.cases.iter().filter(|case| runs_on(case, "ours")) {
        let names = match runs_on(case, "redis") || runs_on(case, "valkey") {
            true => &mut coverage.by_servers,
            false => &mut coverage.by_documentation,
        };
        let mut sent: Option<(u8, String)> = None;
        for step in &case.steps {
            match &step.action {
                Action::Scan(words) | Action::Send(words) | Action::Until(words) => {
                    sent = name(words, is_command).map(|name| (step.client.0, name));
                }
                Action::Expect(_) => {
                    if let Some((client, name)) = sent.take()
                        && client == step.client.0
                    {
                        names.insert(name);
                    }
                }
                Action::Advance(_) | Action::ExpectSuccess | Action::SendRaw(_) | Action::Speak(_) => sent = None,
            }
        }
    }
}

/// The command that words name: two words, when they are a subcommand's.
fn name(words: &[Word], is_command: &impl Fn(&str) -> bool) -> Option<String> {
    let first = literal(words.first()?)?;
    let both = words.get(1).and_then(literal).map(|second| format!("{first} {second}"));
    both.filter(|both| is_command(both)).or(Some(first))
}

fn literal(word: &Word) -> Option<String> {
    match word.0.as_slice() {
        [Part::Literal(bytes)] => Some(String::from_utf8_lossy(bytes).to_ascii_uppercase()),
        _ => None,
    }
}
