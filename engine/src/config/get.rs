//! CONFIG GET.

use super::{Config, ROWS, find};
use crate::glob;

impl Config {
    /// The options that match any of `patterns`, with their values.
    ///
    /// A pattern without `*`, `?` and `[` is a name: it finds hidden options too, and its answer carries it as it
    /// was written. Other patterns find names and older names alike, in the order of names. No option comes twice
    /// under one name.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for pattern in patterns {
            if pattern.iter().any(|byte| b"*?[".contains(byte)) {
                for (name, value) in self.matching(pattern) {
                    push_new(&mut found, name.as_bytes(), value);
                }
            } else if let Some(row) = find(pattern) {
                push_new(&mut found, pattern, row.value(self));
            }
        }
        found
    }

    fn matching(&self, pattern: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let visible = ROWS.iter().filter(|row| !row.flags.is_hidden());
        let names =
            visible.flat_map(|row| [Some(row.name), row.alias].into_iter().flatten().map(move |name| (name, row)));
        let mut names: Vec<_> = names.filter(|(name, _)| glob::matches(pattern, name.as_bytes(), true)).collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        names.into_iter().map(|(name, row)| (name, row.value(self))).collect()
    }
}

fn push_new(found: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &[u8], value: Vec<u8>) {
    if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
        found.push((name.to_vec(), value));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    /// What `CONFIG GET *` of Redis 7.0.15 prints for a server without any configuration (its working directory as
    /// `.`), the visible options that 7.2 added, those of the command log, from Valkey 8.1, and `cluster-databases`, from
    /// Valkey 9.
    const DEFAULTS: &str = include_str!("golden/defaults.tsv");

    fn get(patterns: &[&str]) -> Vec<(String, String)> {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Config::default().get(&patterns).into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_star_lists_the_names_and_defaults_of_a_real_server() {
        let expected: Vec<_> = DEFAULTS.lines().map(|line| line.split_once('\t').unwrap()).collect();

        assert_eq!(get(&["*"]), pairs(&expected));
    }

    #[test]
    fn names_are_found_in_any_case_and_come_back_as_written() {
        assert_eq!(get(&["HZ"]), pairs(&[("HZ", "10")]));
        assert_eq!(get(&["H?"]), pairs(&[("hz", "10")]));
        assert_eq!(get(&["hz", "h?", "port", "hz"]), pairs(&[("hz", "10"), ("port", "6379")]));
        assert_eq!(get(&["slave-priority"]), pairs(&[("slave-priority", "100")]));
        assert_eq!(get(&[r"h\z"]), pairs(&[]));
        assert_eq!(get(&["nothing", "user"]), pairs(&[]));
    }

    #[test]
    fn patterns_find_older_names_but_nothing_hidden() {
        assert_eq!(get(&["slave-announce-*"]), pairs(&[("slave-announce-ip", ""), ("slave-announce-port", "0")]));
        assert_eq!(get(&["*-delay"]), pairs(&[("repl-diskless-sync-delay", "5")]));
        assert_eq!(get(&["key-load-delay"]), pairs(&[("key-load-delay", "0")]));
        assert_eq!(get(&["slotmesh*"]), pairs(&[]));
        assert_eq!(get(&["slotmesh-version"]), pairs(&[("slotmesh-version", "7.4.0")]));
    }
}
