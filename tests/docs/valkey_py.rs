//! The part of COMPATIBILITY.md on the test suite of valkey-py: which of its tests do not pass, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// The tests that are expected to fail, by reason, as `tests/clients/valkey_py/expected.txt` lists them: `## reason`, then
/// the names.
struct Expected(BTreeMap<String, Vec<String>>);

impl Expected {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/valkey_py/expected.txt");
        let text = std::fs::read_to_string(path).unwrap();
        let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut reason = "";
        for line in text.lines().map(str::trim) {
            if let Some(heading) = line.strip_prefix("## ") {
                reason = heading;
            } else if !line.is_empty() && !line.starts_with('#') {
                reasons.entry(reason.to_owned()).or_default().push(line.to_owned());
            }
        }
        Self(reasons)
    }
}

/// The section with its heading.
pub(crate) fn section() -> String {
    let Expected(reasons) = Expected::read();
    let total: usize = reasons.values().map(Vec::len).sum();
    let mut text = format!(
        "\n## The tests of valkey-py\n\n`tests/clients/valkey_py/run.sh` runs the standalone tests of valkey-py 6.2.0, \
         under RESP2 and RESP3 (not those of its cluster client, of modules and of TLS, which need other servers). \
         Those that it does not leave out by itself pass but for these {total}:\n\n| why | tests |\n|---|---|\n"
    );
    for (reason, names) in &reasons {
        // The blocking and the asynchronous client have tests of the same names.
        let short: BTreeSet<String> = names.iter().map(|name| short_name(name)).collect();
        let short: Vec<String> = short.into_iter().collect();
        writeln!(text, "| {reason} | {}: {} |", names.len(), short.join(", ")).unwrap();
    }
    text
}

/// `tests/test_lock.py::TestLock::test_owned` is `lock: owned`; the commonest file goes without saying.
fn short_name(name: &str) -> String {
    let (path, test) = name.split_once("::").unwrap_or((name, ""));
    let file = path.rsplit('/').next().unwrap_or(path).trim_start_matches("test_").trim_end_matches(".py");
    let test = test.rsplit("::").next().unwrap_or(test).trim_start_matches("test_");
    if file == "commands" { format!("`{test}`") } else { format!("`{file}: {test}`") }
}

#[test]
fn every_expected_failure_has_a_reason_and_is_named_once() {
    let Expected(reasons) = Expected::read();
    let names: Vec<&String> = reasons.values().flatten().collect();

    assert!(reasons.keys().all(|reason| !reason.is_empty()));
    assert!(names.iter().all(|name| name.starts_with("tests/") && name.contains("::test_") || name.contains("::Test")));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}
