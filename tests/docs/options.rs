//! Whether options do what their rows say: one that has an effect is read by somebody, one without is not.
//!
//! The source text of the packages is searched for the fields of `Config`. A field that is only written, or only
//! looked at by a test, has no reader.

use std::collections::BTreeMap;
use std::path::Path;

/// Options that the configuration itself asks, and no one else.
const READ_BY_THE_CONFIGURATION: &[&str] = &["enable_protected_configs"];

/// Options without effect whose value shows all the same.
const SHOWN_ONLY: &[(&str, &str)] = &[
    ("hz", "INFO shows it"),
    ("lazyfree_lazy_eviction", "the log says UNLINK instead of DEL"),
    ("lazyfree_lazy_expire", "the log says UNLINK instead of DEL"),
    ("lazyfree_lazy_server_del", "the log says UNLINK instead of DEL"),
    ("lazyfree_lazy_user_del", "the log says UNLINK instead of DEL"),
];

#[test]
fn an_option_has_an_effect_exactly_when_somebody_reads_it() {
    let readers = product_text();
    let mut faults = Vec::new();
    for (field, is_effective) in rows() {
        let is_read = reads(&readers, &field) || READ_BY_THE_CONFIGURATION.contains(&field.as_str());
        let is_shown = SHOWN_ONLY.iter().any(|(shown, _)| *shown == field);
        match (is_effective, is_read) {
            (true, false) => faults.push(format!("{field} is said to have an effect, but nobody reads it")),
            (false, true) if !is_shown => faults.push(format!("{field} is read, but said to have no effect")),
            (true, true) if is_shown => faults.push(format!("{field} has an effect and is no exception")),
            (false, false) if is_shown => faults.push(format!("{field} is not shown any more")),
            _ => {}
        }
    }

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_counts_as_reading_is_told_from_the_rest() {
    for text in ["config.port,", "if self.config.port == 0 {", "config\n            .port\n", "&(core.config.port)"] {
        assert!(reads(text, "port"), "{text}");
    }
    for text in ["config.port = 1;", "config.ports", "other.port", "Config { port: 1 }", "import", "// config.port"] {
        assert!(!reads(&without_comments_and_tests(text), "port"), "{text}");
    }
    assert_eq!(
        without_comments_and_tests("a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\nmod tests {\nc"),
        "a\n#[cfg(test)]\nmod tests;\nb\n"
    );
}

/// The fields of the table of options, each with whether its row says that it has an effect.
fn rows() -> BTreeMap<String, bool> {
    let source = std::fs::read_to_string(root().join("engine/src/config/options.rs")).unwrap();
    let (_, table) = source.split_once("\noptions! {\n").unwrap();
    let (table, _) = table.split_once("\n}\n").unwrap();
    let mut rows = BTreeMap::new();
    let mut field = None;
    for line in table.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        // A row begins with its field, and ends with the word for its effect.
        let named = line.split_once(": ").filter(|(name, _)| field.is_none() && is_name(name));
        field = field.or(named.map(|(name, _)| name.to_owned()));
        if line.ends_with(';') {
            let name = field.take().unwrap_or_else(|| panic!("a row without a field: {line}"));
            let is_effective = line.ends_with("Effective;");
            assert!(is_effective || line.ends_with(");"), "{line}");
            rows.insert(name, is_effective);
        }
    }
    assert_eq!(rows.len(), slotmesh_engine::config::ROWS.len(), "every row is read");
    rows
}

/// The source text of all packages but that of the configuration, without comments and tests.
fn product_text() -> String {
    let folders = ["engine/src", "replication/src", "cluster/src", "transport-tcp/src", "transport-mem/src", "src"];
    let mut text = String::new();
    folders.iter().for_each(|folder| collect(&root().join(folder), &mut text));
    assert!(text.len() > 1_000_000, "the sources are there");
    text
}

fn collect(folder: &Path, text: &mut String) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_left_out = path.ends_with("engine/src/config") || matches!(&*name, "tests" | "tests.rs" | "testing");
        if path.is_dir() && !is_left_out {
            collect(&path, text);
        } else if name.ends_with(".rs") && !is_left_out {
            text.push_str(&without_comments_and_tests(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Tests stand at the end of a file.
fn without_comments_and_tests(source: &str) -> String {
    let product = source.split_once("#[cfg(test)]\nmod tests {").map_or(source, |(product, _)| product);
    let lines = product.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("//"));
    lines.collect()
}

/// Whether a text takes the value of a field of something named `config`, and not only to assign to it.
fn reads(text: &str, field: &str) -> bool {
    text.match_indices(field).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + field.len()..]);
        let is_option = before.strip_suffix('.').is_some_and(|owner| owner.trim_end().ends_with("config"));
        let is_whole = !after.starts_with(|next: char| next == '_' || next == '(' || next.is_ascii_alphanumeric());
        let after = after.trim_start();
        let is_assigned = after.starts_with('=') && !after.starts_with("==");
        is_whole && is_option && !is_assigned
    })
}

fn is_name(text: &str) -> bool {
    text.chars().all(|letter| letter == '_' || letter.is_ascii_lowercase() || letter.is_ascii_digit())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
